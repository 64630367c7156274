"""Load a dataset of labelled images as plain NumPy arrays. Introduced in lesson 2.

    dataset = load_dataset("fashion_mnist")
    dataset.train.images     # uint8, (images, height, width, channels)
    dataset.train.labels     # int64, (images,), an index into dataset.class_names

`load_dataset` is the one door. Behind it stand three readers, one a kind of source:
the bundled Fashion-MNIST sample, CIFAR-10 in its official binary layout, and a folder
of images with one sub-folder a class. The first two give labelled training images, of
which the validation split is cut off here, and labelled test images. A folder may lack a test
split too: it is checked and cut by `helpers.folders`, and its decoded images lie on the disk,
where `helpers.datasets.prepared` keeps them: they look like any array, and the memory does not grow
with them. Every cut is made by `helpers.folders.cut`.
"""

from __future__ import annotations

import operator
import os

from helpers.basics.arguments import check_seed
from helpers.basics.errors import UsageError
from helpers.basics.files import as_path
from helpers.datasets.cifar10 import read_cifar10
from helpers.datasets.dataset import DATA_DIR, ImageDataset, as_dataset
from helpers.datasets.fashion_mnist import read_fashion_mnist
from helpers.datasets.prepared import prepare_folder
from helpers.folders.cut import check_number_of_images

VALIDATION_IMAGES = {"fashion_mnist": 2_000, "cifar10": 5_000}


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
        source = read_fashion_mnist(data_dir)
    elif isinstance(name, str) and name == "cifar10":
        source = read_cifar10(data_dir)
    else:
        if not isinstance(set_aside, bool):
            raise UsageError(
                "Expected set_aside as True or False: whether to go on without the files that "
                f"cannot be used. Received: {set_aside!r}. Leave it out, or give True."
            )
        source = prepare_folder(
            name,
            _checked_image_size(image_size),
            validation_images=validation_images,
            set_aside=set_aside,
            seed=seed,
            data_dir=data_dir,
        )
    if source.validation is None and validation_images is None:
        validation_images = VALIDATION_IMAGES[name]
    return as_dataset(str(name), source, validation_images, seed)


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
