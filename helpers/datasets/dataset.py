"""A dataset as plain NumPy arrays: three splits, and what they have in common. Lesson 2.

Pixels stay uint8 (0 to 255) all the way to the model, whose first layer scales them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from helpers.basics.errors import UsageError, wrapped
from helpers.folders.report import FolderReport
from helpers.pictures.bars import plot_bars
from helpers.pictures.picture import Picture
from helpers.pictures.words import brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DATA_DIR = Path(__file__).resolve().parents[2] / "data"


class Labelled(NamedTuple):
    """Images, uint8 (images, height, width, channels), and their labels, int64 (images,)."""

    images: np.ndarray
    labels: np.ndarray


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


class Source(NamedTuple):
    train: Labelled
    test: Labelled
    class_names: tuple[str, ...]
    description: str
    validation: Labelled | None = None  # None: still to be cut off the training images
    report: FolderReport | None = None


def plot_class_counts(split: Split, *, ax: Axes | None = None) -> Picture:
    """Draw how many images of each class a split has. Introduced in lesson 2."""
    if not hasattr(split, "class_counts"):
        raise UsageError(f"Expected a split, such as dataset.train. Received: {brief(split)}.")
    return plot_bars(
        split.class_counts(), x_label="images", title=f"Images a class, {split.name} split", ax=ax
    )
