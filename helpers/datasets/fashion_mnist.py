"""Read the bundled sample of Fashion-MNIST. Introduced in lesson 2.

Source: https://github.com/zalandoresearch/fashion-mnist (MIT licence).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers.basics.errors import DamagedFileError, MissingFileError
from helpers.basics.files import sha256
from helpers.datasets.dataset import Labelled, Source

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
