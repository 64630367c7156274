"""Keep a folder's images ready on the disk: decoded, resized, cut. Introduced in lesson 2.

    source = prepare_folder("photos", (64, 64), data_dir=Path("data"), **options)
    source.train.images        # uint8, (images, 64, 64, 3): looks like an array, lies on the disk

Every image is decoded once, while the folder is checked, and its pixels go to the disk at once.
So the memory does not grow with the folder. When the cut is known, they are written in
the order train, validation, test into one file below `data/prepared/`, behind the labels and the
report. The next time that file is used as it is.

It is used only if nothing has changed: the name, size, times and rights of every file, the
arguments, the versions of Pillow and simplejpeg. All of it is compared with its checksum as
well. Whatever does not fit is made anew, and takes the old one's place when it is whole. There is
one file for a folder and an image size, and for grey images and each way of fitting others.

Its first line is the checksum of what follows, its second JSON text, and the rest is pixels:
nothing in it can run. Where it cannot be kept, the images are read into the memory, as long as
they fit. Nothing is ever written into the folder itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import operator
import os
import re
from dataclasses import astuple
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from helpers.basics.arguments import check_switches
from helpers.basics.errors import StorageError, UsageError
from helpers.basics.files import (
    check_free_space,
    forget_pages,
    storage_errors_in_words,
    temporary_file,
    written_whole,
)
from helpers.datasets.dataset import Labelled, Source
from helpers.datasets.downloads import one_at_a_time
from helpers.folders.check import check_listing
from helpers.folders.cut import cut_parts
from helpers.folders.examine import read_images
from helpers.folders.findings import Finding, ImageFile
from helpers.folders.listing import Listing
from helpers.folders.report import FolderReport
from helpers.folders.table import list_source
from helpers.photos.thumbnails import FITS, ImageSize

PREPARED = "prepared"  # the folder in data/
VERSION = 8  # to be raised when the files or what is found in a folder is no longer the same
SPLITS = ("train", "validation", "test")  # in the order of the file
OF_AN_IMAGE = ("row", "label", "part", "twin")  # that is kept of each
AT_ONCE = 1 << 20  # bytes that are copied
NO_CHECKSUM = b"0" * 64 + b"\n"  # as long as a first line


class Request(NamedTuple):
    """What is asked for: the folder as it is now, and the arguments."""

    listing: Listing
    image_size: ImageSize
    validation_images: int | None
    set_aside: bool
    seed: int

    def facts(self) -> list[str]:
        """All that decides what comes out. Files with other facts are out of date."""
        import PIL
        import simplejpeg

        versions = [VERSION, PIL.__version__, simplejpeg.__version__]
        return [str(fact) for fact in (*versions, self.listing.state.hexdigest(), *self[1:])]

    def check_and_cut(self, **options) -> tuple[FolderReport, dict[str, list[ImageFile]]]:
        asked = {"validation_images": self.validation_images}
        report = check_listing(self.listing, set_aside=self.set_aside, **asked, **options)
        report.raise_problems()
        return report, cut_parts(report.images, report.class_names, seed=self.seed, **asked)


def prepare_folder(
    folder: str | os.PathLike,
    image_size: tuple[int, int],
    *,
    grey: bool,
    fit: str,
    validation_images: int | None,
    classes_in_names: bool,
    set_aside: bool,
    seed: int,
    data_dir: Path,
) -> Source:
    """Check a folder of images, cut it and decode it, or find all that done already.

    Args:
        folder, image_size, grey, fit, validation_images, classes_in_names, set_aside, seed: as
            for `load_dataset`.
        data_dir: the images are kept in its folder `prepared`.

    Returns:
        A `Source`. Its images are read-only, and lie in a file; where it could not be
        written they are in the memory, and a line is printed that says why.

    Raises:
        MissingFileError, FolderError, UsageError: as `check_folder`, and for any problem.
        NotEnoughMemoryError: they could not be kept on the disk, and the memory is too small.

    Introduced in lesson 2.
    """
    check_switches(set_aside=set_aside, classes_in_names=classes_in_names, grey=grey)
    image_size = _checked_size(image_size, grey, fit)
    listing = list_source(folder, classes_in_names=classes_in_names)
    request = Request(listing, image_size, validation_images, set_aside, seed)
    path = _file_for(listing.source, image_size, data_dir)
    if found := _found(path, request):
        return found
    try:
        inside = path.resolve().is_relative_to(listing.root.resolve())
        if inside and listing.labels is None:  # or it would be one of the files looked at
            raise StorageError(f"Expected another folder than the one that {path} lies in.")
        with one_at_a_time(path, "preparing"):
            # Another program may have been quicker.
            return _found(path, request) or _make(path, request)
    except (OSError, NotImplementedError) as error:  # the latter: a disk that knows no locks
        why = str(error).removesuffix(".")
        print(f"{why}. The images are read into the memory instead, and anew the next time.")
    report, parts = request.check_and_cut()
    pixels = [read_images(parts[split], image_size) for split in SPLITS]
    return _as_source(report, pixels, _labels(parts), image_size.fit)


def _labels(parts: dict[str, list[ImageFile]]) -> list[list[int]]:
    return [[image.label for image in parts[split]] for split in SPLITS]


def _checked_size(image_size: tuple[int, int], grey: bool, fit: str) -> ImageSize:
    try:
        height, width = map(operator.index, image_size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise UsageError(
            "Expected image_size as (height, width), two whole numbers of pixels from 1 on. "
            f"Received: {image_size!r}. Give for example (64, 64)."
        )
    if fit not in FITS:
        raise UsageError(
            f'Expected fit as "squeeze", "crop" or "pad". Received: {fit!r}. Choose one of them.'
        )
    return ImageSize(height, width, 1 if grey else 3, fit)


def _as_source(report: FolderReport, pixels: list[np.ndarray], labels: list, fit: str) -> Source:
    train, validation, test = (
        Labelled(images, np.array(of_them, np.int64))
        for images, of_them in zip(pixels, labels, strict=True)
    )
    words = f"images from the folder {report.folder.resolve().name}"
    return Source(train, test, report.class_names, words, validation, report, fit)


def _file_for(root: Path, image_size: ImageSize, data_dir: Path) -> Path:
    """The one file for this folder and image size. Its name shows which folder that is."""
    place = root.resolve()
    digest = hashlib.blake2b(os.fsencode(place), digest_size=6).hexdigest()
    name = re.sub(r"[^\w-]", "_", place.name, flags=re.ASCII)[:40]
    size = "x".join(map(str, image_size)).removesuffix("x3xsqueeze")
    return data_dir / PREPARED / f"{name}-{digest}-{size}.images"


def _make(path: Path, request: Request) -> Source:
    """Check the folder, and write the file whole or not at all: what it holds then."""
    shape, fit = request.image_size.shape, request.image_size.fit
    # Once in the order of the folder, then in that of the cut.
    needed = 2 * math.prod(shape) * len(request.listing.files)
    check_free_space(path.parent, needed, "the prepared images")
    as_listed = path.with_suffix(".rows")
    with storage_errors_in_words(path), temporary_file(as_listed) as rows:
        rows.touch()
        report, parts = request.check_and_cut(image_size=request.image_size, rows=rows)
        labels = _labels(parts)
        kept = {
            "facts": request.facts(),
            "root": str(report.folder.resolve()),
            "labels": labels,
            "class_names": report.class_names,
            # A list of each: one for every image takes several times the memory.
            "images": {
                what: [getattr(image, what) for image in report.images] for what in OF_AN_IMAGE
            },
            "findings": [astuple(found) for found in report.findings],
            "ignored": report.ignored,
        }
        text = json.dumps(kept).encode()
        order = np.array([image.row for split in SPLITS for image in parts[split]])
        pixels = np.memmap(rows, np.uint8, "r").reshape(-1, *shape)
        with written_whole(path) as temporary:
            _write(temporary, text, pixels, order)
    _remove_orphans(path.parent)
    with path.open("rb") as file:
        file.seek(len(NO_CHECKSUM) + len(text) + 1)
        return _as_source(report, _pixels_in(file, labels, shape), labels, fit)


def _write(path: Path, text: bytes, pixels: np.ndarray, order: np.ndarray) -> None:
    """Write the text and the images in this order, and the checksum of both before them."""
    step = max(AT_ONCE // pixels[0].size, 1)
    digest = hashlib.sha256(text + b"\n")  # while it is written: to read it again takes long
    with path.open("wb") as file:
        file.write(NO_CHECKSUM + text + b"\n")
        for start in range(0, len(order), step):
            some = pixels[order[start : start + step]]
            digest.update(some)
            file.write(some)
            forget_pages(pixels)
        file.seek(0)
        file.write(digest.hexdigest().encode() + b"\n")


def _remove_orphans(folder: Path) -> None:
    """Remove the files of folders that are no longer there, so that they do not pile up."""
    for path in folder.glob("*.images"):
        with contextlib.suppress(Exception):  # what cannot be read or removed can stay
            with path.open("rb") as file:
                root = Path(_read_text(file)["root"])
            # Not where the disk that it lies on was only taken out: of such a disk stays
            # nothing, or an empty folder.
            if root.parent.is_dir() and any(root.parent.iterdir()) and not root.exists():
                path.unlink()
                path.with_name(path.name + ".lock").unlink(missing_ok=True)


def _read_text(file: BinaryIO) -> dict:
    file.seek(len(NO_CHECKSUM))
    return json.loads(file.readline())


def _found(path: Path, request: Request) -> Source | None:
    """What the file holds; None where it is not there, out of date, or damaged in any way."""
    try:
        with path.open("rb") as file:
            kept = _read_text(file)
            if kept["facts"] != request.facts():
                return None
            pixels = _pixels_in(file, kept["labels"], request.image_size.shape)
            file.seek(0)
            checksum = file.readline().decode()
            if checksum != hashlib.file_digest(file, "sha256").hexdigest() + "\n":
                return None
    except Exception:  # damaged bytes raise nearly every class
        return None
    root, files = request.listing.root, request.listing.files
    report = FolderReport(
        root,
        tuple(kept["class_names"]),
        tuple(
            ImageFile(root, files[row], label, part, twin, row)
            for row, label, part, twin in zip(
                *(kept["images"][what] for what in OF_AN_IMAGE), strict=True
            )
        ),
        tuple(Finding(*found) for found in kept["findings"]),
        kept["ignored"],
    )
    return _as_source(report, pixels, kept["labels"], request.image_size.fit)


def _pixels_in(
    file: BinaryIO, labels: list[list[int]], shape: tuple[int, int, int]
) -> list[np.ndarray]:
    """The images of each split, in a file that was read up to them."""
    stops = np.cumsum([len(of_them) for of_them in labels])
    images = np.memmap(file, np.uint8, "r", offset=file.tell(), shape=(int(stops[-1]), *shape))
    return np.split(images, stops[:-1])
