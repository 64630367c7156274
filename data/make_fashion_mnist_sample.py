#!/usr/bin/env python3
"""Make data/fashion_mnist_sample.npz from the four official Fashion-MNIST files.

    python data/make_fashion_mnist_sample.py FOLDER

FOLDER holds the four .gz files of https://github.com/zalandoresearch/fashion-mnist
(Debian's package dataset-fashion-mnist puts them in /usr/share/datasets/fashion-mnist).
What each file holds is checked against its hash before it is used. The sample is the first
12,000 training images and all 10,000 test images, as uint8, in the official order.
"""

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

TRAINING_IMAGES = 12_000
# Of the contents: Debian packs the same contents into other .gz files than the authors do.
OFFICIAL_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def read_idx(path: Path) -> np.ndarray:
    """Read one IDX file: a 4-byte magic number, 4 bytes a dimension, then the bytes."""
    raw = gzip.decompress(path.read_bytes())
    found = hashlib.sha256(raw).hexdigest()
    if found != OFFICIAL_SHA256[path.stem]:
        sys.exit(f"{path} does not hold the official contents: their sha256 is {found}")
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">u4", count=dimensions, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def main(source: Path) -> None:
    arrays = {
        "train_images": read_idx(source / "train-images-idx3-ubyte.gz")[:TRAINING_IMAGES],
        "train_labels": read_idx(source / "train-labels-idx1-ubyte.gz")[:TRAINING_IMAGES],
        "test_images": read_idx(source / "t10k-images-idx3-ubyte.gz"),
        "test_labels": read_idx(source / "t10k-labels-idx1-ubyte.gz"),
    }
    target = Path(__file__).with_name("fashion_mnist_sample.npz")
    unfinished = target.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays)
    unfinished.replace(target)
    print(f"{target.name}: {target.stat().st_size:,} bytes")
    print(f"sha256 {hashlib.sha256(target.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
