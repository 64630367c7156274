"""A new picture is treated as the training images were, or refused in words."""

from __future__ import annotations

import contextlib
import csv
import itertools
import re
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from made_images import encoded, fill, photo, picture, png, write
from PIL import Image, ImageSequence

from helpers import (
    Split,
    evaluate,
    load_dataset,
    load_model,
    make_dataset,
    predict,
    quiet_tensorflow,
    save_model,
    train,
)
from helpers.basics.errors import (
    CheckpointError,
    FolderError,
    MismatchError,
    MissingFileError,
    NotEnoughMemoryError,
    UsageError,
)
from helpers.models.trained_on import TrainedOn, note_trained_on
from helpers.results.given import check_memory
from helpers.results.prediction import Prediction

with quiet_tensorflow():
    import keras
    from keras import layers

NAMES = ("dark", "bright")


def brightness_model(shape=(16, 16, 3), *, scaled_by: float | None = 1 / 255) -> keras.Model:
    """Gives two logits, -x and x, where x is how far the mean grey level is above the middle."""
    scale = [] if scaled_by is None else [layers.Rescaling(scaled_by)]
    model = keras.Sequential(
        [keras.Input(shape), *scale, layers.Flatten(), layers.Dense(2, name="logits")]
    )
    pixels = int(np.prod(shape))
    model.layers[-1].set_weights(
        [
            np.stack([np.full(pixels, -8 / pixels), np.full(pixels, 8 / pixels)], 1),
            np.array([4.0, -4.0]),
        ]
    )
    return model


def known(model: keras.Model, shape=(16, 16, 3), **more) -> keras.Model:
    note_trained_on(model, TrainedOn(NAMES, shape, **more))
    return model


@pytest.fixture
def model() -> keras.Model:
    return known(brightness_model())


def share_of_bright(mean: float) -> float:
    """What `brightness_model` says of a picture with this mean, from 0 to 1."""
    return 1 / (1 + np.exp(-(16 * mean - 8)))


def grey(level: int, size=(16, 16)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


class TestAsTheTrainingImagesWere:
    """The pixels of a photo are those that `load_dataset` gave."""

    @pytest.mark.parametrize(
        "options", [{}, {"grey": True}, {"fit": "crop"}, {"fit": "pad"}], ids=str
    )
    def test_the_pixels_are_the_same(self, tmp_path, options):
        sizes = [(300, 200), (200, 300), (40, 30), (16, 16)]
        paths = []
        for number, size in enumerate(sizes * 3):
            image = photo(number, 320).resize(size)
            exif = Image.Exif()
            exif[0x0112] = 1 + number % 8
            kind = ("JPEG", "PNG", "WEBP")[number % 3]
            name = f"{('cat', 'dog')[number % 2]}/{number:02}.{kind.lower()}"
            paths.append(write(tmp_path / "photos" / name, encoded(image, kind, exif=exif)))
        dataset = load_dataset(tmp_path / "photos", image_size=(18, 20), **options)
        model = brightness_model(dataset.image_shape)
        note_trained_on(model, TrainedOn.of(dataset))
        of_files = {one.tobytes() for part in ("train", "validation", "test")
                    for one in getattr(dataset, part).images}  # fmt: skip
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(Image.open(path)) for path in paths]
            for given in (paths, opened):
                images = predict(model, given).images
                assert {image.tobytes() for image in images} == of_files

    def test_what_train_knows_goes_into_the_file_and_comes_back_after_a_rename(self, tmp_path):
        fill(tmp_path / "photos", {"고양이 🐱": 8, "$5": 8})
        dataset = load_dataset(tmp_path / "photos", image_size=(18, 18), fit="pad", grey=True)
        model = brightness_model(dataset.image_shape)
        train(model, dataset, epochs=1, progress=False)
        path = save_model(model, tmp_path / "pets")
        answer = predict(load_model(path.rename(tmp_path / "other.keras")), dataset.test.images)
        assert answer.class_names == dataset.class_names == ("$5", "고양이 🐱")
        assert answer.note == ""
        result = evaluate(model, dataset.test)
        np.testing.assert_allclose(answer.probabilities, result.probabilities, atol=1e-6)

    def test_save_model_takes_the_dataset_of_a_model_that_keras_trained(self, tmp_path, photos):
        dataset = load_dataset(photos, image_size=(16, 16))
        path = save_model(brightness_model(), tmp_path / "plain", dataset)
        assert predict(load_model(path), grey(0)).answers == ("cat",)
        with pytest.raises(UsageError, match="Received: Split"):
            save_model(brightness_model(), tmp_path / "plain", dataset.train)

    @pytest.mark.parametrize(("pixels", "level"), [((0.0, 1.0), 0.4), ((-1.0, 1.0), -0.2)])
    def test_a_model_of_floats_gets_photos_as_such_floats(self, tmp_path, pixels, level):
        model = known(brightness_model(scaled_by=None), pixels=pixels, dtype="float32")
        path = write(tmp_path / "grey.png", Image.fromarray(grey(102)))
        answer = predict(model, path)
        assert answer.images.dtype == np.float32
        np.testing.assert_allclose(answer.images, level, atol=1e-6)
        floats = np.full((16, 16, 3), level, np.float32)
        for same in (floats, grey(102), Image.fromarray(grey(102))):
            np.testing.assert_allclose(
                predict(model, same).probabilities, answer.probabilities, atol=1e-6
            )

    def test_a_model_of_other_numbers_takes_such_arrays_and_no_photos(self, tmp_path):
        model = known(brightness_model(scaled_by=None), pixels=None, dtype="float32")
        strange = np.full((16, 16, 3), 2.5, np.float32)
        assert predict(model, strange).answers == ("bright",)
        with pytest.raises(UsageError, match="made otherwise"):
            predict(model, write(tmp_path / "grey.png", Image.fromarray(grey(102))))


def opened_and_not(path: Path) -> tuple[np.ndarray, np.ndarray]:
    model = known(brightness_model())
    with Image.open(path) as image:
        return predict(model, path).images, predict(model, image).images


class TestOpenedByPillow:
    """An image that was only opened is read as its file is, with all that Pillow passes over."""

    def test_a_gif_that_leaves_a_part_of_its_screen_free(self, tmp_path):
        content = bytearray(encoded(Image.new("P", (16, 16)), "GIF"))
        content[6:10] = (32).to_bytes(2, "little") * 2  # the screen
        path = write(tmp_path / "a.gif", bytes(content))
        one, other = opened_and_not(path)
        np.testing.assert_array_equal(one, other)
        assert one.max() == 255

    def test_a_png_with_16_bits(self, tmp_path):
        values = np.random.default_rng(0).integers(0, 65_536, (16, 16, 3))
        path = write(tmp_path / "a.png", png(values, 16, 2))
        np.testing.assert_array_equal(*opened_and_not(path))

    def test_it_can_be_used_afterwards(self, tmp_path):
        path = write(tmp_path / "a.png", picture(1))
        with Image.open(path) as image:
            predict(known(brightness_model()), image)
            np.testing.assert_array_equal(np.asarray(image), np.asarray(picture(1)))

    @pytest.mark.parametrize(
        ("content", "words"),
        [(encoded(picture(1))[:-13] + b"?" + encoded(picture(1))[-12:], "cannot be decoded"),
         (encoded(photo(1), "JPEG")[:-600], "ends too early")],
        ids=["a wrong checksum", "cut short"],
    )  # fmt: skip
    def test_damage(self, tmp_path, content, words):
        path, model = write(tmp_path / "a", content), known(brightness_model())
        with Image.open(path) as image, pytest.raises(FolderError, match=words):
            predict(model, image)

    def test_damage_of_a_later_picture(self, tmp_path):
        content = encoded(picture(1), "GIF", save_all=True, append_images=[picture(2)])
        with Image.open(write(tmp_path / "a.gif", content[:-40])) as image:
            image.seek(1)
            with pytest.raises(FolderError, match="Pillow says: image file is truncated"):
                predict(known(brightness_model()), image)

    def test_one_that_was_closed(self, tmp_path):
        image = Image.open(write(tmp_path / "a.png", picture(1)))
        image.close()
        with pytest.raises(UsageError, match=r"was closed before .*\. Open it again"):
            predict(known(brightness_model()), image)

    @pytest.mark.parametrize("mode", ["F", "I"])
    def test_numbers_that_nobody_says_the_white_of(self, mode):
        with pytest.raises(UsageError, match=f"mode {mode}"):
            predict(known(brightness_model()), Image.new(mode, (16, 16), 200))


class TestArraysOfTheOwnKind:
    """Numbers of the kind that the model was trained on go through untouched, or are refused."""

    @pytest.mark.parametrize(
        ("images", "pixels"),
        [
            (np.linspace(0, 65_535, 768).astype(np.uint16), (0.0, 65_535.0)),
            (np.linspace(0, 4_095, 768).astype(np.uint16), None),
            (np.linspace(0, 255, 768), (0.0, 255.0)),
            (np.linspace(-0.03, 1.03, 768), (0.0, 1.0)),
            (np.linspace(-0.5, 0.5, 768).astype(np.float32), None),
            (np.linspace(0, 1, 768).round().astype(np.uint8), None),
            (np.linspace(-1, 1, 768), (-1.0, 1.0)),
            (np.linspace(-1.1, 1.1, 768), (-1.0, 1.0)),
            (np.linspace(10, 245, 768), (0.0, 255.0)),
            (np.linspace(30, 225, 768), None),
            (np.linspace(-0.95, 0.95, 768), (-1.0, 1.0)),
        ],
    )
    def test_what_is_noted_and_what_the_model_sees(self, make_dataset, images, pixels):
        dataset = make_dataset((16, 16, 3), NAMES)
        images = images.reshape(1, 16, 16, 3)
        few = replace(dataset.train, images=images, labels=np.zeros(1, np.int64))
        model = brightness_model(scaled_by=None)
        what = TrainedOn.of(replace(dataset, train=few))
        assert what.pixels == pixels
        note_trained_on(model, what)
        np.testing.assert_array_equal(predict(model, images).images, images)

    @pytest.mark.parametrize("given", [[0, 1], (0, 1)])
    def test_a_list_says_the_same_as_a_pair(self, given):
        floats = np.random.default_rng(0).random((16, 16, 3))
        model = known(brightness_model(scaled_by=None), pixels=(0.0, 1.0), dtype="float64")
        np.testing.assert_array_equal(predict(model, floats, pixels=given).images[0], floats)

    def test_floats_of_another_range_than_the_trained_ones(self):
        model = known(brightness_model(scaled_by=None), pixels=(0.0, 1.0), dtype="float32")
        with pytest.raises(UsageError, match="learned from pixels from 0 to 1"):
            predict(model, grey(200).astype(np.float32))
        model = known(brightness_model(), pixels=(0.0, 255.0), dtype="float32")
        with pytest.raises(UsageError, match="Say which numbers"):
            predict(model, grey(200) / 255)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_floats_that_are_not_finite(self, value):
        model = known(brightness_model(scaled_by=None), pixels=(0.0, 1.0), dtype="float32")
        with pytest.raises(UsageError, match="Look for a division by zero"):
            predict(model, np.full((16, 16, 3), value, np.float32))

    @pytest.mark.parametrize(("value", "level"), [(1.03, 1), (-0.03, 0)])
    def test_what_lies_a_little_beyond_an_end_becomes_that_end(self, value, level):
        model = known(brightness_model(scaled_by=None), pixels=(0.0, 1.0), dtype="float32")
        images = predict(model, np.full((20, 20, 3), value, np.float32)).images
        np.testing.assert_allclose(images, level)

    def test_a_photo_of_16_bits_for_a_model_of_8(self):
        with pytest.raises(UsageError, match="Say which numbers"):
            predict(known(brightness_model()), grey(200).astype(np.uint16))


class TestArrays:
    @pytest.mark.parametrize(
        ("given", "pictures"),
        [
            (grey(200), 1),
            (grey(200)[np.newaxis], 1),
            (np.stack([grey(200)] * 3), 3),
            (grey(200)[..., 0], 1),
            (grey(200)[..., :1], 1),
            (grey(200, (40, 60)), 1),
            (grey(200).astype(np.int64), 1),
            ([grey(200), grey(200)[..., 0], Image.fromarray(grey(200))], 3),
            ((grey(200), grey(200, (7, 5))), 2),
            (Image.fromarray(grey(200)), 1),
            (Image.fromarray(grey(200)).convert("L"), 1),
            (Image.fromarray(grey(200)).convert("CMYK"), 1),
        ],
    )
    def test_one_or_many_of_any_size(self, model, given, pictures):
        answer = predict(model, given)
        assert answer.images.shape == (pictures, 16, 16, 3)
        assert len(answer) == pictures
        np.testing.assert_allclose(
            answer.probabilities[:, 1], share_of_bright(200 / 255), atol=0.003
        )
        np.testing.assert_allclose(answer.probabilities.sum(axis=1), 1)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (grey(204) / 255, (0, 1)),
            (grey(204).astype(np.float32), (0, 255)),
            (grey(204) / 127.5 - 1, (-1, 1)),
            ((grey(204).astype(np.uint16) * 257), (0, 65_535)),
        ],
    )
    def test_numbers_of_another_range_are_said(self, model, given, said):
        answer = predict(model, given, pixels=said)
        np.testing.assert_array_equal(answer.images[0], grey(204))
        with pytest.raises(UsageError, match=r"pixels=\("):
            predict(model, given)

    def test_channels_that_were_moved_as_the_advice_says(self, model):
        image = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
        lies = [np.moveaxis(np.moveaxis(image, -1, 0).copy(), -3, -1), np.asfortranarray(image)]
        for other in (*lies, image[::-1, ::-1][::-1, ::-1]):
            np.testing.assert_array_equal(
                predict(model, other).probabilities, predict(model, image).probabilities
            )

    def test_true_and_false_are_white_and_black(self, model):
        np.testing.assert_array_equal(predict(model, grey(1).astype(bool)).images[0], grey(255))
        np.testing.assert_array_equal(predict(model, grey(0).astype(bool)).images[0], grey(0))

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            (grey(1), r"Say which numbers are black and white"),
            (grey(9) / 255, r"float64 from 0.0352941 to 0.0352941.*pixels=\(0, 1\)"),
            (np.full((16, 16, 3), np.nan), "pixels"),
            (np.full((16, 16, 3), 1), "Say which numbers are black and white"),
            (np.moveaxis(grey(9), -1, 0), r"np.moveaxis\(images, -3, -1\)"),
            (np.zeros((1, 16, 16), np.uint8), r"np.moveaxis\(images, -3, -1\)"),
            (np.moveaxis(np.stack([grey(9)] * 2), -1, 1), r"np.moveaxis\(images, -3, -1\)"),
            (np.zeros((16, 16, 4), np.uint8), r"images\[..., :3\]"),
            (np.zeros((2, 16, 16, 4), np.uint8), r"images\[..., :3\]"),
            (np.zeros((16, 16, 2), np.uint8), r"Give \(images, height, width, 3\)"),
            (np.zeros(768, np.uint8), r"shape \(768,\)"),
            (np.zeros((1, 1, 16, 16, 3), np.uint8), "shape"),
            (np.zeros((0, 16, 16, 3), np.uint8), "at least one picture"),
            (np.zeros((0, 0), np.uint8), "at least one picture"),
            (np.full((16, 16, 3), "a"), "Give numbers"),
            (np.full((16, 16, 3), 256), "have to lie from 0 to 255"),
            (np.full((16, 16, 3), -1), "have to lie from 0 to 255"),
            ([[1, 2], [3, 4]], "Received: list"),
            ([], "at least one picture"),
            (None, "Received: NoneType"),
            (b"abc", "Received: bytes"),
            ([np.stack([grey(9)] * 2)], "np.concatenate"),
                    ],
    )  # fmt: skip
    def test_what_is_no_picture_is_refused(self, model, given, words):
        with pytest.raises(UsageError, match=words):
            predict(model, given)

    def test_a_said_range_is_checked(self, model):
        for wrong in ((1, 0), (1, 1), (0,), "01", (0, "1"), 255, (0, 10**400), (0, float("inf"))):
            with pytest.raises(UsageError, match="two numbers"):
                predict(model, grey(9) / 255, pixels=wrong)
        with pytest.raises(UsageError, match="have to lie from 0 to 1"):
            predict(model, grey(9).astype(float), pixels=(0, 1))

    def test_many_grey_images_of_the_model_s_size(self):
        model = known(brightness_model((8, 9, 1)), (8, 9, 1))
        many = np.full((5, 8, 9), 200, np.uint8)
        assert predict(model, many).answers == ("bright",) * 5
        assert predict(model, many[0]).answers == ("bright",)
        assert predict(model, np.full((20, 30), 200, np.uint8)).answers == ("bright",)

    def test_images_of_other_channels_as_they_were_trained_on_only(self, tmp_path):
        model = known(brightness_model((6, 6, 5)), (6, 6, 5))
        assert len(predict(model, np.zeros((2, 6, 6, 5), np.uint8))) == 2
        with pytest.raises(UsageError, match="Give"):
            predict(model, np.zeros((7, 6, 5), np.uint8))
        with pytest.raises(UsageError, match="shape"):
            predict(model, write(tmp_path / "a.png", Image.fromarray(grey(9))))

    def test_tensors_of_both_libraries(self, model):
        import torch

        with quiet_tensorflow():
            import tensorflow as tf
        for tensor in (tf.constant(grey(200)), torch.from_numpy(grey(200))):
            assert predict(model, tensor).answers == ("bright",)
        with pytest.raises(UsageError, match="detach"):
            predict(model, torch.zeros((16, 16, 3), requires_grad=True))


class TestFiles:
    def test_a_folder_with_all_kinds_of_things_in_it(self, model, tmp_path):
        folder = tmp_path / "신 🐱"
        write(folder / "white.png", Image.fromarray(grey(255)))
        write(folder / "inside" / "black.jpg", encoded(Image.fromarray(grey(0)), "JPEG"))
        write(folder / "broken.jpg", b"no picture")
        write(folder / "notes.txt", b"words")
        write(folder / ".DS_Store", b"\0")
        write(folder / "tiny.png", Image.fromarray(grey(9, (2, 2))))
        (folder / "link.png").symlink_to(folder / "white.png")
        answer = predict(model, folder)
        assert dict(zip(answer.names, answer.answers, strict=True)) == {
            "inside/black.jpg": "dark",
            "white.png": "bright",
        }
        kinds = {finding.path: finding.kind for finding in answer.findings}
        assert kinds.pop("white.png") == kinds.pop("inside/black.jpg") == "blank"
        assert kinds == {
            "broken.jpg": "no image content", "notes.txt": "not an image", "tiny.png": "tiny",
            "link.png": "link",
        }  # fmt: skip

    def test_a_picture_whose_end_is_empty_is_refused_as_in_training(self, model, tmp_path):
        noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
        content = bytearray(encoded(Image.fromarray(noise), "WEBP", lossless=True))
        content[-4_000:] = bytes(4_000)
        path = write(tmp_path / "half.webp", bytes(content))
        with pytest.raises(FolderError, match="broke off"):
            predict(model, path)

    def test_more_than_the_memory_holds(self, model, tmp_path, monkeypatch):
        folder = fill(tmp_path / "many", {"a": 10})
        monkeypatch.setattr("helpers.results.given.available_memory", lambda: 1_000)
        with pytest.raises(NotEnoughMemoryError, match="10 pictures"):
            predict(model, folder)

    @pytest.mark.parametrize(("pixels", "bytes_each"), [((0.0, 255.0), 768), ((0.0, 1.0), 3_072)])
    def test_pictures_take_memory_as_they_are_read_and_once_together(
        self, monkeypatch, pixels, bytes_each
    ):
        like, needed = TrainedOn(NAMES, (16, 16, 3), pixels=pixels), 2 * 10_000 * bytes_each
        monkeypatch.setattr("helpers.results.given.available_memory", lambda: needed)
        check_memory(10_000, like)
        monkeypatch.setattr("helpers.results.given.available_memory", lambda: needed - 1)
        size = f"{needed / 1e6:.0f} MB"
        with pytest.raises(NotEnoughMemoryError, match=f"Expected {size} .* Received: {size}"):
            check_memory(10_000, like)

    def test_what_is_to_be_said_of_an_image_of_pillow(self, model):
        given = [Image.fromarray(grey(9, (16, 200))), Image.fromarray(grey(9, (2, 2)))]
        answer = predict(model, given)
        said = [(finding.path, finding.kind) for finding in answer.findings]
        assert said == [("image 0", "very long"), ("image 1", "tiny")]
        assert answer.names == ("image 0",)

    def test_a_folder_of_links_and_a_device(self, model, tmp_path):
        (tmp_path / "a.png").symlink_to(tmp_path)
        with pytest.raises(FolderError, match="1 links, which are not followed"):
            predict(model, tmp_path)
        with pytest.raises(UsageError, match="a pipe or a device"):
            predict(model, "/dev/null")

    def test_a_link_that_is_named_itself_is_followed(self, model, tmp_path):
        path = write(tmp_path / "white.png", Image.fromarray(grey(255)))
        (tmp_path / "link.png").symlink_to(path)
        assert predict(model, tmp_path / "link.png").answers == ("bright",)

    def test_a_list_keeps_its_order_and_leaves_out_what_is_broken(self, model, tmp_path):
        white = write(tmp_path / "white.png", Image.fromarray(grey(255)))
        broken = write(tmp_path / "broken.png", b"\x89PNG\r\n\x1a\nno more")
        answer = predict(model, [str(white), broken, grey(0), Image.fromarray(grey(0)), white])
        assert answer.names == (str(white), "image 2", "image 3", str(white))
        assert answer.answers == ("bright", "dark", "dark", "bright")
        assert str(broken) in {finding.path for finding in answer.findings}
        assert predict(model, tmp_path.glob("w*.png")).answers == ("bright",)

    @pytest.mark.parametrize("ending", ["gif", "png", "webp"])
    def test_a_later_picture_of_a_file_is_that_picture(self, model, tmp_path, ending):
        first, second = (Image.fromarray(grey(level)) for level in (0, 255))
        first.save(tmp_path / f"two.{ending}", save_all=True, append_images=[second])
        with Image.open(tmp_path / f"two.{ending}") as two:
            answers = [predict(model, each).answers for each in ImageSequence.Iterator(two)]
        assert answers == [("dark",), ("bright",)]

    def test_an_open_file_is_refused(self, model, tmp_path):
        path = write(tmp_path / "a.png", picture(1))
        for mode in ("r", "rb"):
            with path.open(mode) as file, pytest.raises(UsageError, match="Give the path"):
                predict(model, file)

    def test_pictures_that_never_end(self, model, monkeypatch):
        monkeypatch.setattr("helpers.results.given.available_memory", lambda: 100_000)
        with pytest.raises(NotEnoughMemoryError, match="an iterator that perhaps never ends"):
            predict(model, itertools.repeat(grey(0)))
        with pytest.raises(NotEnoughMemoryError, match=r"Received: more than 4, "):
            predict(model, itertools.repeat(Image.new("RGB", (50, 100))))

    def test_a_masked_image(self, model):
        masked = np.ma.masked_array(grey(9), grey(9) == 9)
        with pytest.raises(UsageError, match="an image with all numbers there"):
            predict(model, masked)

    def test_images_as_rows_of_numbers(self, model):
        for rows in (2, 2_000):
            with pytest.raises(UsageError, match=r"images.reshape\(-1, 16, 16, 3\) makes images"):
                predict(model, np.full((rows, 16 * 16 * 3), 200, np.uint8))
        one = np.full((2, 16 * 16 * 3, 1), 200, np.uint8)
        assert predict(model, one).answers == ("bright",)

    @pytest.mark.parametrize(
        ("given", "error", "words"),
        [
            ("missing.jpg", MissingFileError, "nothing at"),
            (["missing.jpg"], MissingFileError, "nothing at"),
            ("https://example.org/cat.jpg", UsageError, "Nothing is fetched from the network"),
            ("HTTP://example.org/cat.jpg", UsageError, "an address"),
            ("data:image/png;base64,AAAA", UsageError, "an address"),
            (["https://example.org/cat.jpg"], UsageError, "an address"),
            ("broken.jpg", FolderError, "holds no image"),
            ("empty", FolderError, "no file"),
            ("none", FolderError, "none of 2"),
            (["empty"], UsageError, "not in a list"),
            ("film.mp4", FolderError, "film.mp4"),
            ("many.zip", FolderError, "many.zip"),
        ],
    )
    def test_what_cannot_be_read_is_said(self, model, tmp_path, monkeypatch, given, error, words):
        monkeypatch.chdir(tmp_path)
        Path("empty").mkdir()
        write(Path("broken.jpg"), b"no picture")
        write(Path("none/a.jpg"), b"no picture")
        write(Path("none/b.txt"), b"words")
        write(Path("film.mp4"), b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100))
        write(Path("many.zip"), b"PK\x05\x06" + bytes(18))
        with pytest.raises(error, match=words):
            predict(model, given)

    def test_hidden_pictures_are_told(self, model, tmp_path):
        for name in (".a.png", ".b.JPG", "._c.png", ".DS_Store", ".notes"):  # two are pictures
            write(tmp_path / name, picture(1))
        with pytest.raises(
            FolderError, match=r"no file. Left out, for the dot in front: 2 pictures."
        ):
            predict(model, tmp_path)
        write(tmp_path / "c.png", picture(1))
        answer = predict(model, tmp_path)
        assert answer.names == ("c.png",)
        (told,) = answer.findings
        assert (told.path, told.kind, told.level) == (".", "hidden", "note")
        assert told.cause == "Left out, for the dot in front: 2 pictures."

    def test_many_files_in_several_processes(self, model, tmp_path, monkeypatch):
        monkeypatch.setattr("helpers.photos.processes.WORTH_PROCESSES", 0.0)
        monkeypatch.setattr("helpers.photos.processes.usable_cores", lambda: 2)
        folder = fill(tmp_path / "many", {"a": 60})
        alone = predict(model, sorted((folder / "a").iterdir()))
        together = predict(model, folder)
        np.testing.assert_array_equal(alone.images, together.images)
        assert together.names == tuple(f"a/{number:04}.png" for number in range(60))


class TestModels:
    def test_one_without_a_word_about_its_training(self, make_dataset):
        answer = predict(brightness_model(), grey(255))
        assert answer.class_names == ("class 0", "class 1")
        assert "does not say what it was trained on" in answer.note
        assert "does not say what it was trained on" in repr(answer)
        dataset = make_dataset((16, 16, 3), NAMES)
        assert predict(brightness_model(), grey(255), dataset=dataset).answers == ("bright",)

    @pytest.mark.parametrize(("outputs", "classes"), [(1, 2), (3, 3)])
    def test_how_many_classes_it_has_is_seen_from_its_numbers(self, outputs, classes):
        layer = [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(outputs)]
        answer = predict(keras.Sequential([keras.Input((16, 16, 3)), *layer]), grey(255))
        assert answer.class_names == tuple(f"class {number}" for number in range(classes))

    def test_one_that_does_not_scale_cannot_be_guessed(self):
        with pytest.raises(UsageError, match="scales pixels from 0 to 255 itself"):
            predict(brightness_model(scaled_by=None), grey(255))

    def test_nor_one_that_gives_something_else_than_a_number_a_class(self):
        images = keras.Input((16, 16, 3))
        maps = layers.Conv2D(2, 3)(layers.Rescaling(1 / 255)(images))
        with pytest.raises(MismatchError, match="Expected a model that gives one number a class"):
            predict(keras.Model(images, maps), grey(255))

    def test_nor_one_of_any_size(self):
        model = keras.Sequential(
            [keras.Input((None, None, 3)), layers.Rescaling(1 / 255),
             layers.GlobalAveragePooling2D(), layers.Dense(2)]
        )  # fmt: skip
        with pytest.raises(UsageError, match="what size"):
            predict(model, grey(255))

    def test_a_dataset_with_other_classes(self, model, make_dataset):
        with pytest.raises(MismatchError, match="dark.*bright.*top.*middle.*bottom"):
            predict(model, grey(9), dataset=make_dataset((16, 16, 3)))
        with pytest.raises(MismatchError, match="Expected 3 numbers an image"):
            predict(brightness_model(), grey(9), dataset=make_dataset((16, 16, 3)))

    def test_one_number_for_two_classes(self):
        model = keras.Sequential(
            [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), layers.Flatten(),
             layers.Dense(1, activation="sigmoid")]
        )  # fmt: skip
        model.layers[-1].set_weights([np.full((768, 1), 8 / 768), np.array([-4.0])])
        answer = predict(known(model), grey(255))
        assert answer.answers == ("bright",)
        assert answer.confidences[0] == pytest.approx(1 / (1 + np.exp(-4)), abs=1e-5)

    @pytest.mark.parametrize("wrong", [None, "model.keras", np.zeros(3), len])
    def test_what_is_no_model_is_refused(self, wrong):
        with pytest.raises(UsageError, match="a Keras model, then pictures"):
            predict(wrong, grey(9))

    def test_a_split_is_refused(self, model, dataset):
        with pytest.raises(UsageError, match=r"dataset.test.images"):
            predict(model, dataset.test)

    def test_a_training_that_was_refused_changes_nothing(self, make_dataset, tmp_path):
        model = brightness_model((18, 18, 1))
        train(model, make_dataset(class_names=("a", "b")), epochs=1, progress=False)
        other = make_dataset(class_names=("c", "d"))
        train(brightness_model((18, 18, 1)), other, epochs=1, resume=tmp_path / "r", progress=False)
        with pytest.raises(CheckpointError):
            train(model, other, epochs=1, batch_size=5, resume=tmp_path / "r", progress=False)
        assert predict(model, np.zeros((18, 18), np.uint8)).class_names == ("a", "b")

    def test_a_dataset_that_was_made_otherwise(self, model, make_dataset):
        dataset = replace(make_dataset((16, 16, 3), NAMES), fit="crop")
        with pytest.raises(MismatchError, match="with the fit squeeze. Received: one with crop"):
            predict(model, grey(9), dataset=dataset)

    def test_a_dataset_for_another_model_is_not_written_into_its_file(self, make_dataset, tmp_path):
        with pytest.raises(MismatchError, match="each of 3 classes"):
            save_model(brightness_model(), tmp_path / "m", make_dataset((16, 16, 3)))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("change", "error"),
        [({"class_names": (1, 2)}, None), ({"class_names": ("a\x1b[31m", "b")}, UsageError),
         ({"class_names": ("\ud800", "b")}, UsageError), ({"fit": "stretch"}, UsageError),
         ({"train": None}, UsageError)],
        ids=str,
    )  # fmt: skip
    def test_odd_datasets(self, make_dataset, change, error):
        dataset = replace(make_dataset((16, 16, 3), NAMES), **change)
        if error is None:
            assert TrainedOn.of(dataset).class_names == ("1", "2")
            return
        with pytest.raises(error):
            TrainedOn.of(dataset)

    def test_training_on_another_dataset_changes_what_is_known(self, make_dataset):
        model = brightness_model((18, 18, 1))
        for names in (("a", "b"), ("c", "d")):
            train(model, make_dataset(class_names=names), epochs=1, progress=False)
            assert predict(model, np.zeros((18, 18), np.uint8)).class_names == names


class TestPrediction:
    @pytest.fixture
    def answer(self, model):
        return predict(model, np.stack([grey(level) for level in (0, 120, 255)]))

    def test_top_and_confidences(self, answer):
        assert answer.answers == ("dark", "dark", "bright")
        first, second = answer.top(5)[1]
        assert [first[0], second[0]] == ["dark", "bright"]
        assert first[1] == pytest.approx(1 - share_of_bright(120 / 255), abs=1e-5)
        assert [len(row) for row in answer.top(1)] == [1, 1, 1]
        np.testing.assert_allclose(answer.confidences[1], first[1])
        with pytest.raises(UsageError, match="count"):
            answer.top(0)

    def test_it_cannot_be_changed_and_can_be_kept_in_a_set(self, answer):
        with pytest.raises(FrozenInstanceError):
            answer.least_confidence = 0.5
        assert len({answer, replace(answer), answer}) == 2

    def test_none_of_these(self, model):
        answer = predict(model, [grey(0), grey(120)], least_confidence=0.9)
        assert answer.answers == ("dark", "none of these")
        assert "none of these: dark" in repr(answer)
        one = Prediction(("a",), np.zeros((1, 2, 2, 1)), np.array([[0.75, 0.25]]), NAMES, 0.75)
        assert one.answers == ("dark",)  # as sure as it has to be
        for wrong in (90, 1.5, -0.1, "0.9", True, float("nan")):
            with pytest.raises(UsageError, match="from 0 to 1"):
                predict(model, grey(0), least_confidence=wrong)

    def test_the_picture_says_every_answer(self, answer):
        drawn = answer.plot()
        assert "image 1: dark; dark 61" in drawn.description
        assert "image 2: bright; bright 100" in drawn.description
        bars = drawn.axes[3]
        assert [text.get_text() for text in bars.get_yticklabels()] == ["dark", "bright"]
        widths = sorted(bar.get_width() for bar in bars.patches)
        assert widths == pytest.approx(sorted(100 * answer.probabilities[1]))
        assert len(answer.plot(1, classes=1).axes) == 2
        for wrong in ({"count": 0}, {"count": 13}, {"classes": 11}):
            with pytest.raises(UsageError):
                answer.plot(**wrong)
        many = Prediction(
            ("a",), np.zeros((1, 2, 2, 1)), np.full((1, 9), 1 / 9), tuple("abcdefghi")
        )
        assert len(many.plot().axes[1].patches) == 5
        assert len(many.top()[0]) == 3

    def test_the_table_has_every_picture_and_what_was_left_out(self, model, tmp_path):
        write(tmp_path / "in" / "=1+1.png", Image.fromarray(grey(255)))
        write(tmp_path / "in" / "b,\n.jpg", b"no picture")
        answer = predict(model, tmp_path / "in")
        answer.to_csv(tmp_path / "out" / "answers.csv")
        text = (tmp_path / "out" / "answers.csv").read_bytes()
        assert text.startswith(b"\xef\xbb\xbf")
        rows = list(csv.DictReader(text.decode("utf-8-sig").splitlines()))
        assert [row["answer"] for row in rows] == ["bright", ""]
        assert rows[0]["picture"] == "./=1+1.png"
        assert float(rows[0]["bright"]) == pytest.approx(share_of_bright(1), abs=1e-5)
        assert "holds no image" in rows[1]["note"]

    def test_a_class_that_begins_as_a_formula(self, tmp_path):
        model = brightness_model()
        note_trained_on(model, TrainedOn(("=1+1", "b"), (16, 16, 3)))
        predict(model, [grey(0)] * 2).to_csv(tmp_path / "a.csv")
        lines = (tmp_path / "a.csv").read_text(encoding="utf-8-sig").splitlines()
        assert lines[0] == "picture,answer,confidence,./=1+1,b,note"
        assert lines[1].startswith("image 0,./=1+1,")

    def test_a_file_given_twice_has_its_note_twice(self, model, tmp_path):
        path = write(tmp_path / "a.png", Image.fromarray(grey(255)))
        predict(model, [path, path]).to_csv(tmp_path / "a.csv")
        rows = list(csv.DictReader((tmp_path / "a.csv").read_text("utf-8-sig").splitlines()))
        assert rows[0]["note"] == rows[1]["note"] == "All of it has the colour (255, 255, 255)."

    def test_the_text_stays_short(self, model):
        answer = predict(model, np.stack([grey(9)] * 30))
        text = repr(replace(answer, names=tuple(f"{'x' * 90}{n}" for n in range(30))))
        assert "and 10 more" in text
        assert max(map(len, text.splitlines())) <= 88

    def test_what_takes_several_lines_is_set_in(self, model, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        note_trained_on(model, TrainedOn(("d" * 40, "b" * 40), (16, 16, 3)))
        answer = predict(model, write(Path("white.png"), Image.fromarray(grey(255))))
        starts = [re.match(" *", line)[0] for line in repr(answer).splitlines()]
        assert list(map(len, starts)) == [0, 2, 6, 2, 6]

    @pytest.mark.parametrize("count", [20, 22])
    def test_the_text_says_twenty_findings_and_how_many_more(self, model, tmp_path, count):
        for number in range(count):
            write(tmp_path / f"{number:02}.png", Image.fromarray(grey(255)))
        text = repr(predict(model, tmp_path))
        assert text.count(".png: All of it has the colour") == 20
        assert ("to_csv" in text, "more findings" in text) == (count > 20, count > 20)
        assert ("and 2 more findings" in text) == (count == 22)

    def test_it_is_not_asked_about_labels(self, model):
        random = np.random.default_rng(0)
        images = random.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
        model.layers[-1].set_weights([random.normal(0, 0.1, (768, 2)), np.zeros(2)])
        split = Split("test", images, np.array([0, 1]), NAMES, "a test")
        np.testing.assert_array_equal(
            predict(model, images).probabilities, evaluate(model, split).probabilities
        )


def test_a_dataset_of_arrays_is_known_too(tmp_path):
    images = np.stack([grey(level) for level in range(0, 200, 10)])
    dataset = make_dataset(images, np.arange(20) % 2, class_names=NAMES)
    model = brightness_model()
    train(model, dataset, epochs=1, progress=False)
    path = save_model(model, tmp_path / "model")
    path.rename(tmp_path / "b.keras")
    assert predict(load_model(tmp_path / "b.keras"), grey(255)).class_names == NAMES
