"""Load a dataset of labelled images as plain NumPy arrays. Introduced in lesson 2.

    dataset = load_dataset("fashion_mnist")
    dataset.train.images     # uint8, (images, height, width, channels)
    dataset.train.labels     # int64, (images,), an index into dataset.class_names

`load_dataset` is the one door. Behind it stand three readers, one a kind of source:
the bundled Fashion-MNIST sample, CIFAR-10 in its official binary layout, and a folder
of images with one sub-folder a class. Each reader gives the same two things, labelled
training images and labelled test images; the validation split is cut from the training
images in one place, the same way for all.

Pixels stay uint8 (0 to 255) all the way to the model, whose first layer scales them.

Sources: Fashion-MNIST, https://github.com/zalandoresearch/fashion-mnist (MIT licence);
CIFAR-10, https://www.cs.toronto.edu/~kriz/cifar.html (A. Krizhevsky, 2009).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

DATA_DIR = Path(__file__).resolve().parent.parent / "data"

FASHION_MNIST_FILE = "fashion_mnist_sample.npz"
FASHION_MNIST_SHA256 = "99fbc16e155da21cccd6cf902e2245d6a86dd03a465c40e6546a9eabc7afbc95"
FASHION_MNIST_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer",
    "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
CIFAR10_TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
CIFAR10_FILES = (*CIFAR10_TRAIN_FILES, "test_batch.bin")
CIFAR10_RECORD_BYTES = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes
CIFAR10_RECORDS_A_FILE = 10_000
HASH_LIST = "SHA256SUMS"  # written when the official archive is unpacked

VALIDATION_IMAGES = {"fashion_mnist": 2_000, "cifar10": 5_000}
FOLDER_SHARE = 0.2  # of a folder's images, for the test split, then for validation


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images of one purpose: training, validation or test.

    Attributes:
        name: "train", "validation" or "test".
        images: uint8 array (images, height, width, channels), values 0 to 255.
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
        """How many images each class has, in the order of the labels."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
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

    Introduced in lesson 2.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    source: str

    def __repr__(self) -> str:
        height, width, channels = self.image_shape
        colours = {1: "grey", 3: "colour (red, green, blue)"}[channels]
        return "\n".join(
            [
                f"ImageDataset {self.name!r}: {self.source}",
                f"  images      {height} x {width} pixels, {colours}, {self.train.images.dtype}",
                f"  train       {len(self.train):6,} images",
                f"  validation  {len(self.validation):6,} images",
                f"  test        {len(self.test):6,} images",
                f"  classes     {len(self.class_names)}: {', '.join(self.class_names)}",
            ]
        )


class _Labelled(NamedTuple):
    """What every reader gives: uint8 images and integer labels, not yet split further."""

    images: np.ndarray
    labels: np.ndarray


class _Source(NamedTuple):
    train: _Labelled
    test: _Labelled
    class_names: tuple[str, ...]
    description: str


def load_dataset(
    name: str | os.PathLike = "fashion_mnist",
    *,
    validation_images: int | None = None,
    image_size: tuple[int, int] = (64, 64),
    seed: int = 0,
    data_dir: str | os.PathLike | None = None,
) -> ImageDataset:
    """Load a dataset by name, or a folder with one sub-folder of images a class.

    Args:
        name: "fashion_mnist" (bundled, no network needed), "cifar10" (read from
            data/cifar10/, else from the official archive in data/, else downloaded once:
            170 MB), or the path of a folder. A folder holds either one sub-folder a class,
            or `train` and `test` folders that each hold one sub-folder a class.
        validation_images: how many training images to set aside for validation, the same
            share of every class. Default: 2,000 of fashion_mnist, 5,000 of cifar10, a fifth
            of a folder's. 0 keeps all of them for training.
        image_size: (height, width) in pixels that a folder's images are resized to.
            The named datasets have a size of their own.
        seed: decides which images become validation (and, in a folder without `test`, test).
        data_dir: where the data lies; the project's data/ folder by default.

    Returns:
        An `ImageDataset` of uint8 images; a folder's are read as colour.

    Raises:
        FileNotFoundError: the folder or the bundled file is not there.
        ValueError: the files are there but are not what they should be (wrong hash, wrong
            size, a label that no class has, too few images to split).
        ConnectionError: CIFAR-10 could not be downloaded.

    Introduced in lesson 2.
    """
    data_dir = DATA_DIR if data_dir is None else Path(data_dir)
    if name == "fashion_mnist":
        source = _read_fashion_mnist(data_dir)
    elif name == "cifar10":
        source = _read_cifar10(data_dir)
    else:
        source = _read_folder(Path(name), image_size, seed)
    if validation_images is None:
        folder_default = round(len(source.train.images) * FOLDER_SHARE)
        validation_images = VALIDATION_IMAGES.get(name, folder_default)
    train, validation = _split(source.train, validation_images, seed, source.class_names)

    def named(split_name: str, part: _Labelled) -> Split:
        return Split(split_name, *part, source.class_names, source.description)

    return ImageDataset(
        name=str(name),
        train=named("train", train),
        validation=named("validation", validation),
        test=named("test", source.test),
        class_names=source.class_names,
        image_shape=source.train.images.shape[1:],
        source=source.description,
    )


def _split(
    part: _Labelled, set_aside: int, seed: int, class_names: tuple[str, ...]
) -> tuple[_Labelled, _Labelled]:
    """Cut `set_aside` images off `part`, the same share of every class."""
    if set_aside == 0:
        return part, _Labelled(part.images[:0], part.labels[:0])
    from sklearn.model_selection import train_test_split

    counts = np.bincount(part.labels, minlength=len(class_names))
    if not len(class_names) <= set_aside <= len(part.images) - len(class_names):
        raise ValueError(
            f"Expected a split that leaves every one of the {len(class_names)} classes an image "
            f"on both sides. Received: {set_aside} of {len(part.images)} images to set aside. "
            "Add images, or set aside another number."
        )
    everything = np.arange(len(part.labels))
    rest, aside = everything, everything[:0]
    if counts.min() >= 2:
        rest, aside = train_test_split(
            everything, test_size=set_aside, random_state=seed, stratify=part.labels
        )
    # A share of a small class may also round to no image at all.
    fewest = min(
        np.bincount(part.labels[side], minlength=len(class_names)).min() for side in (rest, aside)
    )
    if fewest < 1:
        name = class_names[int(counts.argmin())]
        raise ValueError(
            "Expected enough images in every class that each split gets one. "
            f"Received: {counts.min()} in {name!r}. Add images to it, or leave the class out."
        )
    # In the original order: shuffling is the training's business.
    rest, aside = np.sort(rest), np.sort(aside)
    return (
        _Labelled(part.images[rest], part.labels[rest]),
        _Labelled(part.images[aside], part.labels[aside]),
    )


# ------------------------------------------------------------------- the bundled sample


def _read_fashion_mnist(data_dir: Path) -> _Source:
    path = data_dir / FASHION_MNIST_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected the bundled images at {path}. The file is not there: "
            "get it back with `git checkout -- data`, or clone the project again."
        )
    found = _sha256(path)
    if found != FASHION_MNIST_SHA256:
        raise ValueError(
            f"Expected the bundled images in {path} with sha256 {FASHION_MNIST_SHA256}. "
            f"Received: {found}. The file was changed or damaged: "
            "get it back with `git checkout -- data`."
        )
    with np.load(path, allow_pickle=False) as arrays:
        train, test = (
            _Labelled(
                arrays[f"{split}_images"][..., np.newaxis],
                arrays[f"{split}_labels"].astype(np.int64),
            )
            for split in ("train", "test")
        )
    return _Source(train, test, FASHION_MNIST_CLASSES, "a sample of Fashion-MNIST")


# ------------------------------------------------------------------------------ CIFAR-10


def _read_cifar10(data_dir: Path) -> _Source:
    folder = data_dir / "cifar10"
    if not folder.is_dir():
        _unpack_cifar10(_find_or_fetch_cifar10(data_dir), folder)
    train = [_read_cifar10_file(folder / name) for name in CIFAR10_TRAIN_FILES]
    test = _read_cifar10_file(folder / "test_batch.bin")
    train = _Labelled(*(np.concatenate(arrays) for arrays in zip(*train, strict=True)))
    description = "CIFAR-10"
    if not _is_official(folder):
        description = "CIFAR-10 from files that are not known to be the official ones"
    return _Source(train, test, CIFAR10_CLASSES, description)


def _read_cifar10_file(path: Path) -> _Labelled:
    expected = CIFAR10_RECORDS_A_FILE * CIFAR10_RECORD_BYTES
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected the six CIFAR-10 files {', '.join(CIFAR10_FILES)} in {path.parent}. "
            f"{path.name} is not there: delete the folder and run `make cifar10`."
        )
    if path.stat().st_size != expected:
        raise ValueError(
            f"Expected {expected:,} bytes in {path}. Received: {path.stat().st_size:,}. "
            f"Delete the folder {path.parent} and run `make cifar10`."
        )
    records = np.fromfile(path, np.uint8).reshape(-1, CIFAR10_RECORD_BYTES)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(CIFAR10_CLASSES):
        raise ValueError(
            f"Expected labels 0 to 9 in {path}. Received: {labels.max()}, so this is not "
            f"CIFAR-10. Delete the folder {path.parent} and run `make cifar10`."
        )
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return _Labelled(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels)


def _is_official(folder: Path) -> bool:
    """Whether the files are still the ones that came out of the official archive."""
    try:
        listed = (folder / HASH_LIST).read_text(encoding="ascii").split()
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    return listed == _hash_list(folder).split()


def _hash_list(folder: Path) -> str:
    """The hashes of the files, in the format of the sha256sum command."""
    return "".join(f"{_sha256(folder / name)}  {name}\n" for name in CIFAR10_FILES)


def _find_or_fetch_cifar10(data_dir: Path) -> Path:
    """The official archive in data/, put there by hand or downloaded now, its hash checked."""
    archive = data_dir / CIFAR10_ARCHIVE
    if not archive.is_file():
        import pooch

        data_dir.mkdir(parents=True, exist_ok=True)
        part = archive.with_name(archive.name + ".part")
        _download(CIFAR10_URL, part)
        if not pooch.hashes.hash_matches(part, CIFAR10_SHA256):
            found = _sha256(part)
            part.unlink()
            raise ValueError(
                f"Expected {CIFAR10_URL} to have sha256 {CIFAR10_SHA256}. Received: {found}. "
                "The download was deleted. Try again, or get the file by another way and "
                f"put it at {archive}."
            )
        part.replace(archive)
    found = _sha256(archive)
    if found != CIFAR10_SHA256:
        raise ValueError(
            f"Expected the official CIFAR-10 archive at {archive} with sha256 {CIFAR10_SHA256}. "
            f"Received: {found}. Put the official file there, or delete this one to download it."
        )
    return archive


def _download(url: str, part: Path, timeout: float = 30) -> None:
    """Download into `part`, going on where an earlier try stopped, with a progress bar."""
    import requests
    from tqdm.auto import tqdm

    done = part.stat().st_size if part.is_file() else 0
    # Unpacked on the fly, the lengths would no longer be those of the file.
    wanted = {"Accept-Encoding": "identity"}
    if done:
        wanted["Range"] = f"bytes={done}-"
    try:
        with requests.get(url, headers=wanted, stream=True, timeout=timeout) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # it was complete; the hash decides
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            done = done if resumed else 0
            total = done + int(response.headers.get("Content-Length", 0)) or None
            bar = tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=part.stem)
            with bar, part.open("ab" if resumed else "wb") as file:
                for chunk in response.iter_content(1 << 16):
                    file.write(chunk)
                    bar.update(len(chunk))
    except requests.RequestException as error:
        # What requests says of a missing connection is a line of nested class names.
        reason = "no connection" if "Max retries exceeded" in str(error) else error
        raise ConnectionError(
            f"Expected to download {url}. Received: {reason}. What came is kept: the next try "
            f"goes on from there. Or get the file by another way and put it at "
            f"{part.with_suffix('')}. The bundled dataset needs no download: "
            'load_dataset("fashion_mnist").'
        ) from None


def _unpack_cifar10(archive: Path, folder: Path) -> None:
    """Unpack whole or not at all: into a folder of its own first, then renamed."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch, tarfile.open(archive) as tar:
        tar.extractall(scratch, filter="data")
        unpacked = Path(scratch) / "cifar-10-batches-bin"
        (unpacked / HASH_LIST).write_text(_hash_list(unpacked), encoding="ascii")
        shutil.move(unpacked, folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -------------------------------------------------------------------- a folder per class


def _read_folder(folder: Path, image_size: tuple[int, int], seed: int) -> _Source:
    if not folder.is_dir():
        raise FileNotFoundError(
            'Expected "fashion_mnist", "cifar10" or the path of a folder. '
            f"Received: {str(folder)!r}, and there is no folder at {folder.resolve()}."
        )
    description = f"images from the folder {folder.resolve().name}"
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        train, class_names = _read_class_folders(folder / "train", image_size)
        test, test_names = _read_class_folders(folder / "test", image_size)
        if test_names != class_names:
            raise ValueError(
                f"Expected the same classes in {folder / 'train'} and {folder / 'test'}. "
                f"Received: {', '.join(class_names)} and {', '.join(test_names)}. "
                "Rename or add folders until both have the same."
            )
    else:
        everything, class_names = _read_class_folders(folder, image_size)
        set_aside = max(1, round(len(everything.images) * FOLDER_SHARE))
        train, test = _split(everything, set_aside, seed, class_names)
    return _Source(train, test, class_names, description)


def _read_class_folders(
    folder: Path, image_size: tuple[int, int]
) -> tuple[_Labelled, tuple[str, ...]]:
    from helpers.quiet import quiet_tensorflow

    with quiet_tensorflow():
        import keras

    batches = keras.utils.image_dataset_from_directory(
        folder, image_size=image_size, shuffle=False, verbose=False
    )
    images, labels = zip(*batches.as_numpy_iterator(), strict=True)
    images = np.concatenate(images).round().clip(0, 255).astype(np.uint8)
    labels = np.concatenate(labels).astype(np.int64)
    return _Labelled(images, labels), tuple(batches.class_names)


if __name__ == "__main__":  # python -m helpers.datasets cifar10, for `make cifar10`
    try:
        print(load_dataset(sys.argv[1]))
    except (OSError, ValueError) as error:
        sys.exit(str(error))
