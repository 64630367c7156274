"""A folder of photos to practise on, made of the bundled images. Introduced in lesson 7.

    make_practice_photos("../scratch/practice_photos")

Whoever has no photos at hand gets such as people bring: of different sizes, upright and lying, JPEG
and PNG, some of one moment, and a handful that are broken or in the wrong folder.
"""

from __future__ import annotations

import colorsys
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.basics.arguments import check_seed, check_whole
from helpers.basics.errors import UsageError
from helpers.basics.files import as_path, sha256, storage_errors_in_words
from helpers.datasets.load import load_dataset
from helpers.photos.decode import ORIENTATION
from helpers.photos.remarks import printable
from helpers.photos.unpack import LEFT_OUT

# Which class of the bundled images each folder shows.
CLASSES = {"bag": "Bag", "boot": "Ankle boot", "coat": "Coat", "dress": "Dress"}
MADE = ".practice_photos"  # the hashes of what was made: nothing else is ever removed
CHECKPOINTS = ".ipynb_checkpoints"  # JupyterLab copies what is opened into it
SHORTEST, LONGEST = 120, 260  # pixels of the shorter side
BURST = 3  # photos of one moment
BURSTS = 3  # of each class
CUT_AT = 3_000  # bytes, of a photo whose end is missing
WRONG = (("bag", "coat"), ("boot", "dress"), ("dress", "boot"))  # shown, and the folder it lies in


def make_practice_photos(
    folder: str | os.PathLike, *, each: int = 30, faults: bool = True, seed: int = 0
) -> Path:
    """Make a folder with photos of bags, boots, coats and dresses, a sub-folder for each.

    The photos are the bundled pictures of Fashion-MNIST, enlarged, in colours, on a ground. Names
    like "bag_004_2.jpg" say which thing is shown, and the number among the photos of the same
    moment.

    Args:
        folder: where to; made anew where this function has made it before, and nothing else lies
            in it.
        each: photos a class, 10 to 200.
        faults: whether some are broken, copies, blank, or in the folder of another class.
        seed: of the things shown and of all that is random.

    Returns:
        The folder.

    Raises:
        UsageError: the folder holds something else, or a number that makes no sense.
        StorageError: the disk is full, or nothing may be written there.

    Introduced in lesson 7.
    """
    check_seed(seed)
    each = check_whole("each", each, 10, 200)
    given = as_path(folder)
    folder = Path(os.path.realpath(given))
    with storage_errors_in_words(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clear(folder)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as beside:
            _make(Path(beside, "photos"), each, faults, np.random.default_rng(seed))
            Path(beside, "photos").rename(folder)
    return given


def _make(folder: Path, each: int, faults: bool, rng: np.random.Generator) -> None:
    made = []
    for path, content in _files(each, faults, rng):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        made.append(hashlib.sha256(content).hexdigest())
    (folder / MADE).write_text("\n".join(made), encoding="ascii")


def _clear(folder: Path) -> None:
    """Remove what was made here before; refuse to touch anything else."""
    if not folder.exists():
        return
    files, folders = [], []
    for path in folder.rglob("*") if folder.is_dir() else [folder]:
        (folders if path.is_dir() and not path.is_symlink() else files).append(path)
    listed = folder / MADE
    made = listed.read_bytes().decode("ascii", "replace").split() if listed.is_file() else []
    others = [
        path for path in files
        if path != listed and path.name not in LEFT_OUT and not _is_one_of(path, made)
    ]  # fmt: skip
    others += [
        path for path in folders
        if path.name != CHECKPOINTS and (path.parent != folder or path.name not in CLASSES)
    ]  # fmt: skip
    if others or folder == Path.cwd():
        what = printable(os.path.relpath(min(others, default=folder), folder))
        raise UsageError(
            f"Expected a new folder for practice photos. Received: {printable(str(folder))}, "
            f"which holds {what}. Nothing was changed. Choose another name."
        )
    for path in files:
        path.unlink()
    for path in [*reversed(folders), folder]:  # what lies inside comes first
        path.rmdir()


def _is_one_of(path: Path, made: list[str]) -> bool:
    """Whether a file is, byte for byte, one that was made here."""
    return path.is_file() and not path.is_symlink() and sha256(path) in made


def _files(each: int, faults: bool, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Where each file goes, and its bytes."""
    train = load_dataset("fashion_mnist").train
    things = {
        name: iter(rng.permutation(np.flatnonzero(train.labels == train.class_names.index(shown))))
        for name, shown in CLASSES.items()
    }
    for name in CLASSES:
        left, number = each, 0
        while left:
            moments = BURST if number < BURSTS else 1
            thing = train.images[next(things[name])][..., 0]
            taken_at = _Moment(rng)
            for moment in range(min(moments, left)):
                ending = "png" if number % 5 == 4 else "jpg"
                photo = taken_at.photo(thing, rng)
                yield f"{name}/{name}_{number:03}_{moment}.{ending}", _encoded(photo, ending, rng)
            left -= min(moments, left)
            number += 1
    if faults:
        yield from _faults(train.images, things, rng)


def _faults(images: np.ndarray, things: dict, rng: np.random.Generator) -> Iterator:
    """What goes wrong in folders that people collect."""

    def another(shown: str) -> bytes:
        thing = images[next(things[shown])][..., 0]
        return _encoded(_Moment(rng).photo(thing, rng), "jpg", rng)

    for number, (shown, lies_in) in enumerate(WRONG):
        yield f"{lies_in}/{lies_in}_9{number:02}_0.jpg", another(shown)
    yield "boot/boot_910_0.jpg", another("boot")[:CUT_AT]
    yield "bag/bag_911_0.jpg", b"<!DOCTYPE html><title>404 Not Found</title>"
    blank = io.BytesIO()
    Image.new("RGB", (320, 240), "white").save(blank, "PNG")
    yield "dress/dress_912_0.png", blank.getvalue()
    copy = another("coat")
    yield "coat/coat_913_0.jpg", copy
    yield "coat/coat_913_0 copy.jpg", copy
    yield "coat/Thumbs.db", bytes(100)


class _Moment:
    """The colours and the light of one moment."""

    def __init__(self, rng: np.random.Generator):
        self.ground = np.array(
            colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.5), rng.uniform(0.6, 0.95))
        )
        self.cloth = np.array(
            colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.2, 0.9), rng.uniform(0.3, 0.8))
        )
        self.light = rng.uniform(-0.25, 0.25, 2)  # how much brighter it gets to the right and down
        self.short = int(rng.integers(SHORTEST, LONGEST))
        self.wide = rng.random() < 0.5

    def photo(self, thing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A thing of 28 x 28 grey levels as a photo, uint8 (height, width, 3)."""
        short, long = self.short, self.short * 4 // 3
        height, width = (short, long) if self.wide else (long, short)
        side = int(short * rng.uniform(0.7, 0.98))
        turned = Image.fromarray(thing).resize((side, side), Image.Resampling.BICUBIC)
        turned = turned.rotate(rng.uniform(-12, 12), Image.Resampling.BILINEAR)
        levels = np.zeros((height, width), np.float32)
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        levels[top : top + side, left : left + side] = np.asarray(turned, np.float32) / 255
        covered = np.clip(levels * 4, 0, 1)[..., np.newaxis]
        colours = (1 - covered) * self.ground + covered * self.cloth * (
            0.35 + levels[..., np.newaxis]
        )
        down, right = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
        light = 1 + self.light[0] * right + self.light[1] * down + rng.uniform(-0.08, 0.08)
        noise = rng.normal(0, 0.015, colours.shape)
        return np.rint(255 * np.clip(colours * light[..., np.newaxis] + noise, 0, 1)).astype(
            np.uint8
        )


def _encoded(photo: np.ndarray, ending: str, rng: np.random.Generator) -> bytes:
    """A file; a third of the JPEG ones lie on their side, as telephones store them."""
    file = io.BytesIO()
    if ending == "png":
        Image.fromarray(photo).save(file, "PNG")
        return file.getvalue()
    exif = Image.Exif()
    if rng.random() < 1 / 3:
        photo = np.rot90(photo)
        exif[ORIENTATION] = 6
    Image.fromarray(photo).save(file, "JPEG", quality=int(rng.integers(82, 95)), exif=exif)
    return file.getvalue()
