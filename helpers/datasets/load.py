"""Load a dataset of labelled images as plain NumPy arrays. Introduced in lesson 2.

    dataset = load_dataset("fashion_mnist")
    dataset.train.images     # uint8, (images, height, width, channels)
    dataset.train.labels     # int64, (images,), an index into dataset.class_names

`load_dataset` is the one door. Behind it stand three readers, one a kind of source:
the bundled Fashion-MNIST sample, CIFAR-10 in its official binary layout, and a folder
of images with one sub-folder a class. The first two give labelled training images, of
which the validation split is cut off here, and labelled test images. A folder may lack a test
split too: it is checked and cut by `helpers.folders`, and its decoded images lie on the disk,
where `helpers.prepared` keeps them: they look like any array, and the memory does not grow
with them. Every cut is made by `helpers.splits`.

Pixels stay uint8 (0 to 255) all the way to the model, whose first layer scales them.

Sources: Fashion-MNIST, https://github.com/zalandoresearch/fashion-mnist (MIT licence);
CIFAR-10, https://www.cs.toronto.edu/~kriz/cifar.html (A. Krizhevsky, 2009).
"""

from __future__ import annotations

import gzip
import operator
import os
import shutil
import sys
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from helpers.basics.errors import (
    CourseError,
    DamagedFileError,
    DownloadError,
    MissingFileError,
    UsageError,
    wrapped,
)
from helpers.basics.files import as_path, sha256, storage_errors_in_words, sync_folder
from helpers.datasets.downloads import fetch, one_at_a_time
from helpers.datasets.prepared import Labelled, prepare_folder
from helpers.folders.cut import check_number_of_images, check_seed, check_split, split_by_class
from helpers.folders.report import FolderReport

DATA_DIR = Path(__file__).resolve().parent.parent / "data"

FASHION_MNIST_FILE = "fashion_mnist_sample.npz"
FASHION_MNIST_SHA256 = "99fbc16e155da21cccd6cf902e2245d6a86dd03a465c40e6546a9eabc7afbc95"
FASHION_MNIST_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR10_BYTES = 170_052_171
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer",
    "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
CIFAR10_TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
CIFAR10_FILES = (*CIFAR10_TRAIN_FILES, "test_batch.bin")
CIFAR10_RECORD_BYTES = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes
CIFAR10_RECORDS_A_FILE = 10_000
CIFAR10_FOLDER_IN_ARCHIVE = "cifar-10-batches-bin"
CIFAR10_UNPACKING = "cifar-10-unpacking"  # beside the folder that it becomes
CIFAR10_NOTES_BYTES = 1_000_000  # room for what else is in the archive: two short texts
HASH_LIST = "SHA256SUMS"  # written when the official archive is unpacked

VALIDATION_IMAGES = {"fashion_mnist": 2_000, "cifar10": 5_000}


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images of one purpose: training, validation or test.

    Attributes:
        name: "train", "validation" or "test".
        images: uint8 array (images, height, width, channels), values 0 to 255. A folder's are
            read-only: they lie in a file, and come into the memory when they are looked at.
        labels: int64 array (images,), each an index into `class_names`.
        class_names: the classes, in the order of their labels.
        source: where the images come from, in words.

    Introduced in lesson 2.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.images)

    def class_counts(self) -> dict[str, int]:
        """How many images each class has, in the order of the labels.

        Raises:
            UsageError: the labels are not one whole number an image, each of a class.
        """
        labels, classes = np.asarray(self.labels), len(self.class_names)
        whole = labels.ndim == 1 and (labels.dtype.kind in "iu" or not labels.size)
        if not whole or np.any((labels < 0) | (labels >= classes)):
            raise UsageError(
                f"Expected a whole number from 0 to {classes - 1} an image as its label. Received: "
                f"labels of shape {labels.shape}, type {labels.dtype}: {str(labels)[:60]}. "
                "Labels count the class names from 0."
            )
        counts = np.bincount(labels.astype(int), minlength=classes)
        return {name: int(count) for name, count in zip(self.class_names, counts, strict=True)}

    def __repr__(self) -> str:
        return f"Split({self.name}: {len(self):,} images of {len(self.class_names)} classes)"


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images split three ways, with what a model needs to know about them.

    Attributes:
        name: the name or folder it was loaded by.
        train, validation, test: the three `Split`s.
        class_names: the classes, in the order of their labels.
        image_shape: (height, width, channels) of every image.
        source: where the images come from, in words.
        report: what the check of a folder found; None for the named datasets.

    Introduced in lesson 2.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    source: str
    report: FolderReport | None = None

    def __repr__(self) -> str:
        height, width, channels = self.image_shape
        colours = {1: "grey", 3: "colour (red, green, blue)"}.get(channels, f"{channels} channels")
        checked = self.report.in_words() if self.report else ""
        return "\n".join(
            [
                wrapped(f"ImageDataset {self.name!r}: {self.source}", indent="  "),
                f"  images      {height} x {width} pixels, {colours}, {self.train.images.dtype}",
                f"  train       {len(self.train):6,} images",
                f"  validation  {len(self.validation):6,} images",
                f"  test        {len(self.test):6,} images",
                wrapped(
                    f"  classes     {len(self.class_names)}: {', '.join(self.class_names)}",
                    indent=" " * 14,
                ),
                *([f"  report      {checked}: see dataset.report"] if checked else []),
            ]
        )


class _Source(NamedTuple):
    train: Labelled
    test: Labelled
    class_names: tuple[str, ...]
    description: str
    validation: Labelled | None = None  # None: still to be cut off the training images
    report: FolderReport | None = None


def load_dataset(
    name: str | os.PathLike = "fashion_mnist",
    *,
    validation_images: int | None = None,
    image_size: tuple[int, int] = (64, 64),
    set_aside: bool = False,
    seed: int = 0,
    data_dir: str | os.PathLike | None = None,
) -> ImageDataset:
    """Load a dataset by name, or a folder with one sub-folder of images a class.

    Args:
        name: "fashion_mnist" (bundled, no network needed), "cifar10" (read from
            data/cifar10/, else from the official archive in data/, else downloaded once:
            170 MB), or the path of a folder. A folder holds either one sub-folder a class,
            or `train` and any of `validation` (also `val`, `valid`) and `test`, each with
            one sub-folder a class. It is checked as `check_folder` does.
        validation_images: how many training images to set aside for validation, the same
            share of every class; about as many where a folder has copies, which stay
            together. Default: 2,000 of fashion_mnist, 5,000 of cifar10, a fifth
            of a folder's. 0 keeps all of them for training. Without effect where a folder
            gives the validation images itself.
        image_size: (height, width) in pixels that a folder's images are resized to.
            The named datasets have a size of their own.
        set_aside: whether to go on without the files of a folder that cannot be used. They
            stay where they are; the dataset's report lists them.
        seed: decides which images become validation (and, in a folder without `test`, test).
        data_dir: where the data lies; the project's data/ folder by default. A folder's
            decoded images are kept in its `prepared/` for the next time, until a file of
            the folder or an argument changes.

    Returns:
        An `ImageDataset` of uint8 images; a folder's are read as colour.

    Raises:
        MissingFileError: the folder or a bundled file is not there.
        FolderError: the folder cannot be used as it is; the text lists every problem.
        UsageError: image_size is no size, seed no seed, or validation_images is impossible.
        NotEnoughMemoryError: a folder's images fit neither on the disk nor into the memory.
        ValueError: the files are there but are not what they should be (wrong hash, wrong
            size, a label that no class has, too few images to split).
        ConnectionError: CIFAR-10 could not be downloaded.

    Introduced in lesson 2.
    """
    check_number_of_images(validation_images)
    check_seed(seed)
    data_dir = DATA_DIR if data_dir is None else as_path(data_dir)
    if isinstance(name, str) and name == "fashion_mnist":
        source = _read_fashion_mnist(data_dir)
    elif isinstance(name, str) and name == "cifar10":
        source = _read_cifar10(data_dir)
    else:
        source = _read_folder(name, image_size, validation_images, set_aside, seed, data_dir)
    train, validation = source.train, source.validation
    if validation is None:
        if validation_images is None:
            validation_images = VALIDATION_IMAGES[name]
        train, validation = _split(train, validation_images, seed, source.class_names)

    def named(split_name: str, part: Labelled) -> Split:
        return Split(split_name, *part, source.class_names, source.description)

    return ImageDataset(
        name=str(name),
        train=named("train", train),
        validation=named("validation", validation),
        test=named("test", source.test),
        class_names=source.class_names,
        image_shape=source.train.images.shape[1:],
        source=source.description,
        report=source.report,
    )


def _split(
    part: Labelled, set_aside: int, seed: int, class_names: tuple[str, ...]
) -> tuple[Labelled, Labelled]:
    """Cut `set_aside` images off `part`, the same share of every class."""
    if set_aside == 0:
        return part, Labelled(part.images[:0], part.labels[:0])
    check_split(set_aside, len(part.labels), len(class_names))
    rest, aside = split_by_class(part.labels, set_aside, seed, class_names)
    return (
        Labelled(part.images[rest], part.labels[rest]),
        Labelled(part.images[aside], part.labels[aside]),
    )


# ------------------------------------------------------------------- the bundled sample


def _read_fashion_mnist(data_dir: Path) -> _Source:
    path = data_dir / FASHION_MNIST_FILE
    if not path.is_file():
        raise MissingFileError(
            f"Expected the bundled images at {path}. The file is not there: "
            "get it back with `git checkout -- data`, or clone the project again."
        )
    found = sha256(path)
    if found != FASHION_MNIST_SHA256:
        raise DamagedFileError(
            f"Expected the bundled images in {path} with sha256 {FASHION_MNIST_SHA256}. "
            f"Received: {found}. The file was changed or damaged: "
            "get it back with `git checkout -- data`."
        )
    with np.load(path, allow_pickle=False) as arrays:
        train, test = (
            Labelled(
                arrays[f"{split}_images"][..., np.newaxis],
                arrays[f"{split}_labels"].astype(np.int64),
            )
            for split in ("train", "test")
        )
    return _Source(train, test, FASHION_MNIST_CLASSES, "a sample of Fashion-MNIST")


# ------------------------------------------------------------------------------ CIFAR-10


def _read_cifar10(data_dir: Path) -> _Source:
    folder = data_dir / "cifar10"
    for place in (data_dir, folder):
        if place.exists() and not place.is_dir():
            raise MissingFileError(
                f"Expected a folder at {place}. Received: a file. Move it to another place, "
                "then try again."
            )
    if not folder.is_dir():
        _find_or_fetch_cifar10(data_dir / CIFAR10_ARCHIVE, folder)
    train = [_read_cifar10_file(folder / name) for name in CIFAR10_TRAIN_FILES]
    test = _read_cifar10_file(folder / "test_batch.bin")
    train = Labelled(*(np.concatenate(arrays) for arrays in zip(*train, strict=True)))
    description = "CIFAR-10"
    if not _is_official(folder):
        description = "CIFAR-10 from files that are not known to be the official ones"
    return _Source(train, test, CIFAR10_CLASSES, description)


def _read_cifar10_file(path: Path) -> Labelled:
    expected = CIFAR10_RECORDS_A_FILE * CIFAR10_RECORD_BYTES
    if not path.is_file():
        raise MissingFileError(
            f"Expected the six CIFAR-10 files {', '.join(CIFAR10_FILES)} in {path.parent}. "
            f"{path.name} is not there: delete the folder and run `make cifar10`."
        )
    if path.stat().st_size != expected:
        raise DamagedFileError(
            f"Expected {expected:,} bytes in {path}. Received: {path.stat().st_size:,}. "
            f"Delete the folder {path.parent} and run `make cifar10`."
        )
    records = np.fromfile(path, np.uint8).reshape(-1, CIFAR10_RECORD_BYTES)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(CIFAR10_CLASSES):
        raise DamagedFileError(
            f"Expected labels 0 to 9 in {path}. Received: {labels.max()}, so this is not "
            f"CIFAR-10. Delete the folder {path.parent} and run `make cifar10`."
        )
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return Labelled(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels)


def _is_official(folder: Path) -> bool:
    """Whether the files are still the ones that came out of the official archive."""
    try:
        listed = (folder / HASH_LIST).read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return False
    return listed == _hash_list(folder).split()


def _hash_list(folder: Path) -> str:
    """The hashes of the files, in the format of the sha256sum command."""
    return "".join(f"{sha256(folder / name)}  {name}\n" for name in CIFAR10_FILES)


def _find_or_fetch_cifar10(archive: Path, folder: Path) -> None:
    """Unpack the official archive, put there by hand or downloaded now, its hash checked."""
    with one_at_a_time(archive):
        if folder.is_dir():  # another program was quicker
            return
        unpacked = len(CIFAR10_FILES) * CIFAR10_RECORDS_A_FILE * CIFAR10_RECORD_BYTES
        try:
            fetch(CIFAR10_URL, archive, sha256=CIFAR10_SHA256, size=CIFAR10_BYTES, room=unpacked)
        except DownloadError as error:
            raise DownloadError(
                f'{error} The bundled dataset needs no download: load_dataset("fashion_mnist").'
            ) from None
        _unpack_cifar10(archive, folder)


def _unpack_cifar10(archive: Path, folder: Path) -> None:
    """Unpack whole or not at all: into a folder of its own first, then renamed."""
    scratch = folder.with_name(CIFAR10_UNPACKING)
    shutil.rmtree(scratch, ignore_errors=True)  # of a program that was stopped here
    try:
        with storage_errors_in_words(folder):
            scratch.mkdir()
            _take_cifar10_files(archive, scratch)
            (scratch / HASH_LIST).write_text(_hash_list(scratch), encoding="ascii")
            sync_folder(scratch)
            scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _take_cifar10_files(archive: Path, target: Path) -> None:
    """Copy the six files out of the archive, and nothing else of it."""
    missing = set(CIFAR10_FILES)
    try:
        with tarfile.open(archive) as tar:
            for member in _known_members(tar, archive):
                name = PurePosixPath(member.name).name
                if name in missing:
                    with tar.extractfile(member) as packed, (target / name).open("wb") as file:
                        shutil.copyfileobj(packed, file)
                        file.flush()
                        os.fsync(file.fileno())
                    missing.remove(name)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise _damaged_archive(archive, f"a damaged archive ({error})") from None
    if missing:
        raise _damaged_archive(archive, f"no {', '.join(sorted(missing))}")


def _known_members(tar: tarfile.TarFile, archive: Path) -> Iterator[tarfile.TarInfo]:
    """The members, as long as each is what the archive may hold: checked before it is read."""
    size = CIFAR10_RECORDS_A_FILE * CIFAR10_RECORD_BYTES
    room = len(CIFAR10_FILES) * size + CIFAR10_NOTES_BYTES
    for member in tar:
        path = PurePosixPath(member.name)
        room -= member.size + tarfile.BLOCKSIZE  # every member has a block that names it
        if not (
            path.parts[:1] == (CIFAR10_FOLDER_IN_ARCHIVE,)
            and len(path.parts) <= 2
            and ".." not in path.parts
            and (member.isdir() or member.isreg())
            and (member.size == size if path.name in CIFAR10_FILES else member.size >= 0)
            and room >= 0
        ):
            kind = "an entry" if member.isdir() or member.isreg() else "a link or device"
            raise _damaged_archive(archive, f"{kind} {member.name!r} of {member.size:,} bytes")
        yield member


def _damaged_archive(archive: Path, received: str) -> DamagedFileError:
    return DamagedFileError(
        f"Expected the six CIFAR-10 files, each in its size, in the folder "
        f"{CIFAR10_FOLDER_IN_ARCHIVE} of {archive}. Received: {received}. Nothing was unpacked. "
        "Put the official file there, or delete this one to download it."
    )


# -------------------------------------------------------------------- a folder per class


def _read_folder(
    folder: str | os.PathLike,
    image_size: tuple[int, int],
    validation_images: int | None,
    set_aside: bool,
    seed: int,
    data_dir: Path,
) -> _Source:
    if not isinstance(set_aside, bool):
        raise UsageError(
            "Expected set_aside as True or False: whether to go on without the files that cannot "
            f"be used. Received: {set_aside!r}. Leave it out, or give True."
        )
    prepared = prepare_folder(
        folder,
        _checked_image_size(image_size),
        validation_images=validation_images,
        set_aside=set_aside,
        seed=seed,
        data_dir=data_dir,
    )
    return _Source(
        prepared.train,
        prepared.test,
        prepared.report.class_names,
        f"images from the folder {as_path(folder).resolve().name}",
        prepared.validation,
        prepared.report,
    )


def _checked_image_size(image_size: tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = map(operator.index, image_size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise UsageError(
            "Expected image_size as (height, width), two whole numbers of pixels from 1 on. "
            f"Received: {image_size!r}. Give for example (64, 64)."
        )
    return height, width


if __name__ == "__main__":  # python -m helpers.datasets cifar10, for `make cifar10`
    try:
        print(load_dataset(*sys.argv[1:2]))
    except (CourseError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. What came is kept: the next try goes on from there.")
