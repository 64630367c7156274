"""Keep a folder's images ready on the disk: decoded, resized, cut. Introduced in lesson 2.

    prepared = prepare_folder("photos", (64, 64), data_dir=Path("data"))
    prepared.train.images        # uint8, (images, 64, 64, 3): looks like an array, lies on the disk

Every image is decoded once, while the folder is checked, and its pixels go to the disk at once.
So the memory does not grow with the folder. When the cut is known, they are written in
the order train, validation, test into one file below `data/prepared/`, with the labels and the
report. The next time that file is used as it is.

It is used only if nothing has changed: the name, size, times and rights of every file, the
arguments, the versions of Pillow and simplejpeg. The pixels are compared with their checksum as
well. Whatever does not fit is made anew, and takes the old one's place when it is whole. There is
one file for a folder and an image size.

The file is a zip archive of plain NumPy arrays, not packed, and one JSON text: nothing in it can
run. Where it cannot be kept, the images are read into the memory, as long as they fit.
Nothing is ever written into the folder itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import zipfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from helpers.basics.errors import StorageError
from helpers.basics.files import (
    check_free_space,
    forget_pages,
    storage_errors_in_words,
    temporary_file,
    written_whole,
)
from helpers.datasets.dataset import Labelled
from helpers.datasets.downloads import one_at_a_time
from helpers.folders.check import check_listing
from helpers.folders.cut import cut_parts
from helpers.folders.examine import read_images
from helpers.folders.findings import Finding, Place
from helpers.folders.images import ImageFiles, Places
from helpers.folders.listing import Listing, list_folder
from helpers.folders.report import FolderReport

PREPARED = "prepared"  # the folder in data/
FORMAT = 4  # to be raised when the file or what is found in a folder is no longer the same
PARTS = ("train", "validation", "test")  # in the order of the file
PIECE = 1 << 20  # bytes that are copied or compared at once
LISTS = ("folder_of", "ends", "names")  # of Places


class Prepared(NamedTuple):
    """A folder that was checked, cut and decoded."""

    train: Labelled
    validation: Labelled
    test: Labelled
    report: FolderReport


class _Wish(NamedTuple):
    """What is asked for."""

    listing: Listing
    image_size: tuple[int, int]
    validation_images: int | None
    set_aside: bool
    seed: int

    def facts(self) -> dict[str, str]:
        """All that decides what comes out. A file with other facts is out of date."""
        import PIL
        import simplejpeg

        return {
            "format": f"{FORMAT}, Pillow {PIL.__version__}, simplejpeg {simplejpeg.__version__}",
            "files": self.listing.state.hexdigest(),
            "image_size": str(tuple(map(int, self.image_size))),
            "validation_images": str(self.validation_images),
            "set_aside": str(bool(self.set_aside)),
            "seed": str(self.seed),
        }

    def check(self, **options) -> FolderReport:
        report = check_listing(
            self.listing,
            set_aside=self.set_aside,
            validation_images=self.validation_images,
            **options,
        )
        report.raise_problems()
        return report

    def cut(self, report: FolderReport) -> dict[str, ImageFiles]:
        return cut_parts(
            report.images,
            report.class_names,
            validation_images=self.validation_images,
            seed=self.seed,
        )


def prepare_folder(
    folder: str | os.PathLike,
    image_size: tuple[int, int],
    *,
    validation_images: int | None = None,
    set_aside: bool = False,
    seed: int = 0,
    data_dir: Path,
) -> Prepared:
    """Check a folder of images, cut it and decode it, or find all that done already.

    Args:
        folder, image_size, validation_images, set_aside, seed: as for `load_dataset`.
        data_dir: the images are kept in its folder `prepared`.

    Returns:
        A `Prepared`. Its images are read-only, and lie in a file; where it could not be
        written they are in the memory, and a line is printed that says why.

    Raises:
        MissingFileError, FolderError, UsageError: as `check_folder`, and for any problem.
        NotEnoughMemoryError: they could not be kept on the disk, and the memory is too small.

    Introduced in lesson 2.
    """
    listing = list_folder(folder)
    wish = _Wish(listing, image_size, validation_images, set_aside, seed)
    path = _file_for(listing.root, image_size, data_dir)
    if found := _found(path, wish):
        return found
    try:
        if path.resolve().is_relative_to(listing.root.resolve()):
            raise StorageError(f"Expected another folder than the one that {path} lies in.")
        with one_at_a_time(path, "preparing"):
            if found := _found(path, wish):  # another program was quicker
                return found
            _make(path, wish)
            if found := _found(path, wish, compare_pixels=False):  # they were written just now
                return found
        raise StorageError(f"Expected to read {path} after writing it. Received: damage.")
    except (OSError, NotImplementedError) as error:  # the latter: a disk that knows no locks
        why = str(error).removesuffix(".")
        print(f"{why}. The images are read into the memory instead, and anew the next time.")
        return _in_memory(wish)


def _file_for(root: Path, image_size: tuple[int, int], data_dir: Path) -> Path:
    """The one file for this folder and image size. Its name shows which folder that is."""
    place = root.resolve()
    digest = hashlib.blake2b(os.fsencode(place), digest_size=6).hexdigest()
    name = re.sub(r"[^\w-]", "_", place.name, flags=re.ASCII)[:40]
    height, width = image_size
    return data_dir / PREPARED / f"{name}-{digest}-{height}x{width}.zip"


def _in_memory(wish: _Wish) -> Prepared:
    report = wish.check()
    read = {
        part: Labelled(read_images(files, wish.image_size), files.labels.astype(np.int64))
        for part, files in wish.cut(report).items()
    }
    return Prepared(**read, report=report)


def _make(path: Path, wish: _Wish) -> None:
    """Check the folder, and write the file whole or not at all."""
    row = 3 * wish.image_size[0] * wish.image_size[1]
    # Once in the order of the folder, then in that of the cut.
    check_free_space(path.parent, 2 * row * len(wish.listing.files), "the prepared images")
    as_listed = path.with_suffix(".rows")
    with storage_errors_in_words(path), temporary_file(as_listed) as rows:
        rows.touch()
        report = wish.check(image_size=wish.image_size, rows=rows)
        with written_whole(path) as temporary:
            _write(temporary, rows, report, wish)
    _remove_orphans(path.parent)


def _write(path: Path, rows: Path, report: FolderReport, wish: _Wish) -> None:
    parts, images = wish.cut(report), report.images
    labels = np.concatenate([parts[part].labels for part in PARTS])
    order = np.concatenate([parts[part].which for part in PARTS])
    arrays = {name: getattr(images, name) for name in ImageFiles.COLUMNS}
    arrays |= {
        "folder_of": np.frombuffer(images.places.folder_of, np.int32),
        "ends": np.frombuffer(images.places.ends, np.int64),
        "names": np.frombuffer(images.places.names, np.uint8),
        "labels_of_images": labels,
    }
    with zipfile.ZipFile(path, "w") as archive:
        _write_images(archive, rows, order, wish.image_size)
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        facts = {
            "wish": wish.facts(),
            "root": str(report.folder.resolve()),
            "counts": [len(parts[part]) for part in PARTS],
            "class_names": report.class_names,
            "folders": images.places.folders,
            "findings": [
                [getattr(found, name) for name in Finding.__slots__] for found in report.findings
            ],
            "ignored": report.ignored,
        }
        archive.writestr("facts.json", json.dumps(facts))


def _write_images(
    archive: zipfile.ZipFile, rows: Path, order: np.ndarray, image_size: tuple[int, int]
) -> None:
    """Write the rows in this order as `images.npy`."""
    row = 3 * image_size[0] * image_size[1]
    pixels = np.memmap(rows, np.uint8, "r").reshape(-1, row)
    step = max(PIECE // row, 1)
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(order), *image_size, 3)}
    with archive.open("images.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for start in range(0, len(order), step):
            member.write(pixels[order[start : start + step]].data)
            forget_pages(pixels)


def _remove_orphans(folder: Path) -> None:
    """Remove the files of folders that are no longer there, so that they do not pile up."""
    for path in folder.glob("*.zip"):
        with contextlib.suppress(Exception):  # what cannot be read or removed can stay
            with zipfile.ZipFile(path) as archive:
                root = Path(json.loads(archive.read("facts.json"))["root"])
            # Not where the disk that it lies on was only taken out: of such a disk stays
            # nothing, or an empty folder.
            if root.parent.is_dir() and any(root.parent.iterdir()) and not root.exists():
                path.unlink()
                path.with_name(path.name + ".lock").unlink(missing_ok=True)


def _found(path: Path, wish: _Wish, *, compare_pixels: bool = True) -> Prepared | None:
    """What the file holds; None where it is not there, out of date, or damaged in any way."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            facts = json.loads(archive.read("facts.json"))
            if facts["wish"] != wish.facts():
                return None
            images = _mapped(file, archive, facts["counts"], wish.image_size)
            if compare_pixels:
                _compare_checksum(archive)
            return _restored(archive, facts, images, wish.listing.root)
    except Exception:  # damaged bytes raise nearly every class
        return None


def _mapped(
    file: BinaryIO, archive: zipfile.ZipFile, counts: list[int], image_size: tuple[int, int]
) -> np.ndarray:
    """All images, mapped to the file."""
    wanted = (sum(counts), *image_size, 3)
    with archive.open("images.npy") as member:
        np.lib.format.read_magic(member)
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        header = member.tell()
    if (shape, dtype) != (wanted, np.uint8):
        raise ValueError("another shape")
    start = archive.getinfo("images.npy").header_offset
    file.seek(start + 26)  # in a zip archive: the lengths of the name and of what follows it
    name, extra = np.frombuffer(file.read(4), "<u2").tolist()
    return np.memmap(file, np.uint8, "r", offset=start + 30 + name + extra + header, shape=shape)


def _compare_checksum(archive: zipfile.ZipFile) -> None:
    """Raise BadZipFile where a pixel is not as it was written. `zipfile` sees it at the end."""
    with archive.open("images.npy") as member:
        while member.read(PIECE):
            pass


def _restored(archive: zipfile.ZipFile, facts: dict, images: np.ndarray, root: Path) -> Prepared:
    def array(name: str) -> np.ndarray:
        packed = io.BytesIO(archive.read(f"{name}.npy"))  # its checksum is compared here
        return np.load(packed, allow_pickle=False)

    folders: list[Place] = [tuple(place) for place in facts["folders"]]
    places = Places(folders, *(array(name).tobytes() for name in LISTS))
    columns = {name: array(name) for name in ImageFiles.COLUMNS}
    report = FolderReport(
        root,
        tuple(facts["class_names"]),
        ImageFiles(root, places, **columns),
        tuple(Finding(*found) for found in facts["findings"]),
        facts["ignored"],
    )
    stops = np.cumsum(facts["counts"])[:-1]
    labels = np.split(array("labels_of_images").astype(np.int64), stops)
    return Prepared(*map(Labelled, np.split(images, stops), labels), report=report)
