"""Load a dataset of labelled images as plain NumPy arrays. Introduced in lesson 2.

    dataset = load_dataset("fashion_mnist")
    dataset.train.images     # uint8, (images, height, width, channels)
    dataset.train.labels     # int64, (images,), an index into dataset.class_names

Behind it stand three readers, one a kind of source: the bundled Fashion-MNIST sample, CIFAR-10,
and a folder of images, which is checked by `helpers.folders`; its decoded images lie on the disk,
where `helpers.datasets.prepared` keeps them. What a source lacks is cut off its training images,
always by `helpers.folders.cut`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.arguments import check_seed
from helpers.basics.errors import DamagedFileError, MissingFileError, UsageError
from helpers.basics.files import as_path, sha256
from helpers.datasets.cifar10 import read_cifar10
from helpers.datasets.dataset import DATA_DIR, ImageDataset, Labelled, Source, as_dataset
from helpers.datasets.prepared import prepare_folder
from helpers.folders.cut import check_number_of_images

if TYPE_CHECKING:
    import pandas

# Source: https://github.com/zalandoresearch/fashion-mnist (MIT licence).
FASHION_MNIST_FILE = "fashion_mnist_sample.npz"
FASHION_MNIST_SHA256 = "99fbc16e155da21cccd6cf902e2245d6a86dd03a465c40e6546a9eabc7afbc95"
FASHION_MNIST_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def read_fashion_mnist(data_dir: Path) -> Source:
    path = data_dir / FASHION_MNIST_FILE
    again = "get it back with `git checkout -- data`, or clone the project again."
    if not path.is_file():
        raise MissingFileError(
            f"Expected the bundled images at {path}. The file is not there: {again}"
        )
    if (found := sha256(path)) != FASHION_MNIST_SHA256:
        raise DamagedFileError(
            f"Expected the bundled images in {path} with sha256 {FASHION_MNIST_SHA256}. "
            f"Received: {found}. The file was changed or damaged: {again}"
        )
    with np.load(path, allow_pickle=False) as arrays:
        train, test = (
            Labelled(arrays[f"{part}_images"][..., None], arrays[f"{part}_labels"].astype(int))
            for part in ("train", "test")
        )
    return Source(train, test, FASHION_MNIST_CLASSES, "a sample of Fashion-MNIST")


# The datasets that have a name: what reads them, and how many validation images are cut off.
NAMED = {"fashion_mnist": (read_fashion_mnist, 2_000), "cifar10": (read_cifar10, 5_000)}
USUAL_SIZE = (64, 64)  # (height, width) in pixels, of a folder's images


def load_dataset(
    name: str | os.PathLike | pandas.DataFrame = "fashion_mnist",
    *,
    validation_images: int | None = None,
    image_size: tuple[int, int] | None = None,
    grey: bool = False,
    fit: str = "squeeze",
    classes_in_names: bool = False,
    set_aside: bool = False,
    seed: int = 0,
    data_dir: str | os.PathLike | None = None,
) -> ImageDataset:
    """Load a dataset by name, or a folder with one sub-folder of images a class.

    Args:
        name: "fashion_mnist" (bundled, no network needed), "cifar10" (read from
            data/cifar10/, else from the official archive in data/, else downloaded once:
            170 MB), or the path of a folder or CSV file or a DataFrame, as `check_folder` takes
            it and checks it.
        validation_images: how many training images to set aside for validation, the same share
            of every class; about as many where a folder has copies, which stay together. Default:
            2,000 of fashion_mnist, 5,000 of cifar10, a fifth of a folder's; 0 for none. Without
            effect where a folder gives them itself.
        image_size: (height, width) in pixels that a folder's images are resized to. Default:
            64 x 64. The named datasets have a size of their own.
        grey: whether a folder's images are read as grey ones, with one channel.
        fit: how a folder's images of another shape get that size: "squeeze" presses all of an
            image into it, "crop" cuts out its middle, "pad" adds black on both sides.
        classes_in_names: whether the names of a folder's files say their classes, as
            `cat.0.jpg` does: see `check_folder`.
        set_aside: whether to go on without the files of a folder that cannot be used. They
            stay where they are; the dataset's report lists them.
        seed: decides which images become validation (and, in a folder without `test`, test).
        data_dir: where the data lies; the project's data/ folder by default. A folder's
            decoded images are kept in its `prepared/` for the next time, until a file of
            the folder or an argument changes.

    Returns:
        An `ImageDataset` of uint8 images; a folder's are read as colour, unless `grey`.

    Raises:
        MissingFileError: the folder or a bundled file is not there.
        FolderError: the folder cannot be used as it is; the text lists every problem.
        UsageError: image_size is no size, seed no seed, or validation_images is impossible;
            fit is no such way; image_size, grey, fit, classes_in_names or set_aside is given
            for a named dataset.
        StorageError: CIFAR-10 does not fit on the disk, or nothing may be written there.
        NotEnoughMemoryError: a folder's images fit neither on the disk nor into the memory.
        DamagedFileError: the files are there but are not what they should be.
        DownloadError: CIFAR-10 could not be downloaded.

    Introduced in lesson 2.
    """
    check_number_of_images(validation_images)
    check_seed(seed)
    data_dir = DATA_DIR if data_dir is None else as_path(data_dir)
    if isinstance(name, str) and name in NAMED:
        of_folders = {
            "image_size": image_size is not None,
            "grey": grey is not False,
            "fit": fit != "squeeze",
            "classes_in_names": classes_in_names is not False,
            "set_aside": set_aside is not False,
        }
        if given := " and ".join(option for option, is_given in of_folders.items() if is_given):
            raise UsageError(
                f"Expected {given} for a folder of images only. Received: {name!r}, whose images "
                "are what they are. Leave that out."
            )
        read, usual = NAMED[name]
        source = read(data_dir)
        validation_images = usual if validation_images is None else validation_images
    else:
        source = prepare_folder(
            name,
            USUAL_SIZE if image_size is None else image_size,
            grey=grey,
            fit=fit,
            validation_images=validation_images,
            classes_in_names=classes_in_names,
            set_aside=set_aside,
            seed=seed,
            data_dir=data_dir,
        )
    called = str(name) if isinstance(name, str | os.PathLike) else "table"
    return as_dataset(called, source, validation_images, seed)
