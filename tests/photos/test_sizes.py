"""Images of a folder as grey ones, and cut or padded in place of squeezed.

What comes out is compared with Pillow's own resize, ImageOps.fit and ImageOps.pad. From version 13
on Pillow takes the columns of some pictures before their rows, so it rounds other numbers.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_images import encoded, fill, photo, picture, png, write
from PIL import Image, ImageOps

from helpers import load_dataset
from helpers.basics.errors import UsageError
from helpers.photos.decode import decoded
from helpers.photos.thumbnails import ImageSize, reduced, resized, strips_of

BILINEAR = Image.Resampling.BILINEAR
BY_PILLOW = {
    "squeeze": lambda image, size: image.resize(size, BILINEAR),
    "crop": lambda image, size: ImageOps.fit(image, size, BILINEAR),
    "pad": lambda image, size: ImageOps.pad(image, size, BILINEAR, color=0),
}


def assert_rounded_alike(shown, expected):
    apart = shown.astype(int) - np.asarray(expected).reshape(shown.shape)
    assert np.abs(apart).max() <= 1


SHAPES = [(7, 30), (30, 7), (16, 16), (5, 9), (41, 40), (12, 24), (3, 40)]


@pytest.mark.parametrize("fit", BY_PILLOW)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(16, 16), (10, 24), (31, 8)], ids=str)
def test_each_way_gives_what_pillow_gives(fit, channels, size):
    for width, height in SHAPES:
        image = picture(1, (width, height))
        expected = BY_PILLOW[fit](image.convert("L" if channels == 1 else "RGB"), size[::-1])
        shown = resized(np.asarray(image), ImageSize(*size, channels, fit))
        assert shown.shape == (*size, channels)
        assert_rounded_alike(shown, expected)


@pytest.mark.parametrize("shape", [(40, 30), (300, 200)], ids=str)
def test_a_small_picture_is_made_by_pillow_at_once(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = Image.fromarray(pixels).resize((20, 28), BILINEAR)
    np.testing.assert_array_equal(resized(pixels, ImageSize(28, 20)), np.asarray(expected))


@pytest.mark.parametrize("shape", [(800, 300), (300, 800), (400, 400)], ids=str)
def test_the_rows_of_a_large_one_come_before_its_columns_whatever_pillow_does(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    narrow = Image.fromarray(pixels).resize((20, shape[0]), BILINEAR)
    expected = np.asarray(narrow.resize((20, 28), BILINEAR))
    np.testing.assert_array_equal(resized(pixels, ImageSize(28, 20)), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(700, 500), (300, 2_000), (2_000, 300)], ids=str)
def test_a_large_picture_is_worked_on_in_strips_and_gives_what_pillow_gives(shape, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert len([*strips_of(pixels)]) > 1
    for seen in (pixels, pixels[:, ::-1], pixels.transpose(1, 0, 2)[::-1]):
        strips = [*strips_of(seen)]
        assert all(strip.flags.c_contiguous for strip in strips)
        np.testing.assert_array_equal(np.concatenate(strips), seen)
        image = Image.fromarray(np.ascontiguousarray(seen))
        assert (reduced(seen) == np.asarray(image.reduce(-(-max(image.size) // 256)))).all()
        for fit, by_pillow in BY_PILLOW.items():
            expected = by_pillow(image.convert("L" if channels == 1 else "RGB"), (31, 28))
            assert_rounded_alike(resized(seen, ImageSize(28, 31, channels, fit)), expected)


TALL = """
import sys
import numpy as np
from helpers.basics.memory import peak_memory
from helpers.photos.thumbnails import ImageSize, resized

tall = np.zeros((200_000, 4, 3), np.uint8)
resized(tall[:1_000], ImageSize(224, 224))
before = peak_memory()
for fit in ("squeeze", "crop", "pad"):
    resized(tall, ImageSize(224, 224, fit=fit))
print(peak_memory() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is counted in other units elsewhere")
def test_a_narrow_picture_is_not_made_wide_before_it_is_made_low():
    run = subprocess.run([sys.executable, "-c", TALL], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 50e6  # bytes; 224 columns of all rows would be 179 million


@pytest.mark.parametrize("fit", BY_PILLOW)
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (8, 8)], ids=str)
@pytest.mark.parametrize("shape", [(2000, 4), (4, 2000), (1, 1)], ids=str)
def test_no_side_is_ever_rounded_down_to_nothing(fit, size, shape):
    white = np.full((*shape, 3), 255, np.uint8)
    shown = resized(white, ImageSize(*size, fit=fit))
    assert shown.shape == (*size, 3)
    assert shown.max() == 255
    assert fit == "pad" or shown.min() == 255


def test_what_is_padded_lies_in_the_middle_of_black():
    white = np.full((4, 8, 3), 255, np.uint8)
    shown = resized(white, ImageSize(8, 8, fit="pad"))
    assert shown[:, :, 0].tolist() == [[0] * 8] * 2 + [[255] * 8] * 4 + [[0] * 8] * 2


def test_what_is_cropped_is_the_middle():
    columns = np.repeat(np.arange(8, dtype=np.uint8)[None, :, None], 4, axis=0).repeat(3, axis=2)
    shown = resized(columns, ImageSize(4, 4, fit="crop"))
    assert shown[:, :, 0].tolist() == [[2, 3, 4, 5]] * 4


def turned(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter turn to the right
    return encoded(image.transpose(Image.Transpose.ROTATE_90), exif=exif)


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("fit", BY_PILLOW)
def test_a_folder_of_all_kinds_is_read_so(tmp_path, grey, fit):
    """Upright, transparent parts over white, 16 bits rounded: only then grey, and of one size."""
    image = photo(1, 40).crop((0, 0, 40, 28))
    deep = np.random.default_rng(0).integers(0, 65_536, (20, 33, 1))
    clear = image.convert("RGBA")
    clear.putalpha(51)
    over_white = 255 - (255 - np.asarray(image).astype(float)) / 5
    kinds = {
        "turned.png": (turned(image), np.asarray(image)),
        "clear.png": (encoded(clear), over_white),
        "deep.png": (png(deep, 16, 0), np.broadcast_to(np.round(deep / 257), (20, 33, 3))),
        "grey.png": (encoded(image.convert("L")), np.asarray(image.convert("L").convert("RGB"))),
    }
    fill(tmp_path / "test", {"cat": 2, "dog": 2})
    fill(tmp_path / "train", {"cat": 1, "dog": 1}, first=10)
    for name, (content, _) in kinds.items():
        write(tmp_path / "train" / "cat" / name, content)
    dataset = load_dataset(
        tmp_path, image_size=(12, 24), grey=grey, fit=fit, validation_images=0,
    )  # fmt: skip
    channels = 1 if grey else 3
    assert dataset.image_shape == (12, 24, channels)
    assert dataset.train.images.dtype == np.uint8
    for _, pixels in kinds.values():
        upright = Image.fromarray(np.round(pixels).astype(np.uint8))
        expected = BY_PILLOW[fit](upright.convert("L") if grey else upright, (24, 12))
        expected = np.asarray(expected).reshape(12, 24, channels).astype(int)
        apart = abs(dataset.train.images - expected).max(axis=(1, 2, 3))
        assert apart.min() <= 1


def test_grey_files_keep_their_exact_values(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    pixels, _ = decoded(write(tmp_path / "a.png", Image.fromarray(values)))
    np.testing.assert_array_equal(resized(pixels, ImageSize(16, 16, 1))[..., 0], values)


def test_each_way_is_kept_for_the_next_time(tmp_path, prepared_folder):
    folder = fill(tmp_path / "photos", {"cat": 8, "dog": 8})
    ways = [{}, {"grey": True}, {"fit": "crop"}, {"fit": "pad"}, {"grey": True, "fit": "pad"}]

    def load(way: dict) -> np.ndarray:
        return load_dataset(folder, image_size=(8, 20), **way).train.images

    first = [load(way) for way in ways]
    kept = {path: path.stat().st_mtime_ns for path in prepared_folder.glob("*.images")}
    assert len(kept) == len(ways)
    for way, images in zip(ways, first, strict=True):
        np.testing.assert_array_equal(load(way), images)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len({images.tobytes() for images in first}) == len(ways)


@pytest.mark.parametrize(
    "options", [{"grey": "yes"}, {"grey": 1}, {"fit": "squash"}, {"fit": None}], ids=str
)
def test_what_cannot_be_is_said_in_words(tmp_path, options):
    with pytest.raises(UsageError, match="Expected (grey|fit) "):
        load_dataset(fill(tmp_path, {"cat": 8}), **options)


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10"])
@pytest.mark.parametrize(
    "options",
    [{"image_size": (96, 96)}, {"grey": True}, {"fit": "pad"}, {"classes_in_names": True},
     {"set_aside": True}, {"image_size": (28, 28), "fit": "crop"}],
    ids=str,
)  # fmt: skip
def test_what_is_for_folders_is_refused_for_a_named_dataset(name, options):
    words = rf"Expected {' and '.join(options)} for a folder of images only. Received: '{name}'"
    with pytest.raises(UsageError, match=words):
        load_dataset(name, **options)


def test_a_path_named_as_a_dataset_is_a_folder(tmp_path, monkeypatch):
    fill(tmp_path / "cifar10", {"cat": 8, "dog": 8})
    monkeypatch.chdir(tmp_path)
    loaded = load_dataset(Path("cifar10"), grey=True)
    assert loaded.image_shape == (64, 64, 1)
