"""A dataset as plain NumPy arrays: three splits, and what they have in common. Lesson 2.

Pixels stay uint8 (0 to 255) all the way to the model, whose first layer scales them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from helpers.basics.arguments import check_seed, is_whole
from helpers.basics.errors import MismatchError, UsageError, kind_of, wrapped
from helpers.folders.cut import SHARE, split_by_class
from helpers.folders.cut import check_split as check_both_sides
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

    def take(self, images: int | Sequence[int] | np.ndarray) -> Split:
        """Some of the images with their labels.

            dataset.train.take(1_000)                       # the first thousand
            dataset.train.take(dataset.train.labels == 3)   # one class

        Args:
            images: a whole number n for the first n; or which ones, as NumPy takes them:
                their indices, in any order, or one True or False an image.

        Raises:
            UsageError: there are not so many, or it is none of these.

        Introduced in lesson 4.
        """
        if is_whole(images) and 0 <= images <= len(self):
            chosen = slice(images)  # no copy
        else:
            try:
                indices = np.asarray(images)
                indices = indices if indices.size else indices.astype(int)  # [] is of floats
                chosen = np.arange(len(self))[indices]
            except (IndexError, ValueError, TypeError):
                chosen = None
            if np.ndim(chosen) != 1:
                raise UsageError(
                    f"Expected a number of images from 0 to {len(self):,}, the indices of some, or "
                    f"{len(self):,} times True or False. Received: {brief(images)}. Give for "
                    f"example {min(100, len(self))}."
                )
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])

    def check(self, image_shape: tuple[int, ...] | None = None, classes: int | None = None) -> None:
        """Raise an error in words where the images and labels are not what they should be.

        Args:
            image_shape: (height, width, channels) of the dataset; by default as they are.
            classes: how many classes the dataset has; by default those of the split.

        Raises:
            UsageError: they are no NumPy arrays.
            MismatchError: not one label an image, each a whole number that a class has; or
                pixels that are no numbers.

        Introduced in lesson 2.
        """
        images, labels = self.images, self.labels
        for name, array in (("images", images), ("labels", labels)):
            if not isinstance(array, np.ndarray):
                raise UsageError(
                    f"Expected NumPy arrays as images and labels. Received: {self.name} {name} of "
                    f"type {kind_of(array)}. np.asarray({name}) makes an array of them."
                )
        image_shape = images.shape[1:] if image_shape is None else tuple(image_shape)
        if images.shape[1:] != image_shape or images.shape[:1] != labels.shape[:1]:
            raise MismatchError(
                f"Expected {self.name} images of shape {('n', *image_shape)} with n labels. "
                f"Received: images {images.shape}, labels {labels.shape}. Change both together."
            )
        if labels.ndim != 1 or (labels.dtype.kind not in "iu" and labels.size):
            raise MismatchError(
                f"Expected one whole number a {self.name} image as its label. Received: labels of "
                f"shape {labels.shape} and type {labels.dtype}. {whole_numbers(labels)}"
            )
        classes = len(self.class_names) if classes is None else classes
        wrong = np.flatnonzero((labels < 0) | (labels >= classes))
        if len(wrong):
            raise MismatchError(
                f"Expected {self.name} labels from 0 to {classes - 1}, for {classes} classes. "
                f"Received: {labels[wrong[0]]} for image {wrong[0]}, and {len(wrong)} such labels "
                "in all. Labels count from 0."
            )
        if images.dtype.kind not in "buif":
            raise MismatchError(
                f"Expected numbers as pixels. Received: {self.name} images of type {images.dtype}. "
                "Make an array of numbers from 0 to 255 of them, best of type uint8."
            )
        if images.dtype.kind == "f" and not np.isfinite(images).all():
            raise MismatchError(
                f"Expected numbers as pixels. Received: {self.name} images with values that are "
                "not finite (nan or inf). Look for a division by zero where they were made."
            )

    def class_counts(self) -> dict[str, int]:
        """How many images each class has, in the order of the labels.

        Raises:
            UsageError, MismatchError: as for `check`.
        """
        self.check()
        counts = np.bincount(self.labels.astype(int), minlength=len(self.class_names))
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
        fit: how a folder's images of another shape got that size, as `load_dataset` has it.

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
    fit: str = "squeeze"

    def subset(self, images: int, seed: int = 0) -> ImageDataset:
        """The dataset with fewer training images, the same share of every class.

        Validation and test images stay, so what is trained on it can be compared.

        Args:
            images: how many training images, in the order that they had.
            seed: decides which.

        Raises:
            UsageError: there are not so many, or so few that a class would have none.

        Introduced in lesson 4.
        """
        check_seed(seed)
        counts, all_images = np.array(list(self.train.class_counts().values())), len(self.train)
        if not is_whole(images) or not 0 < images <= all_images:
            raise UsageError(
                f"Expected a number of training images from 1 to {all_images:,}. Received: "
                f"{images!r}. Give for example {min(1_000, all_images)}."
            )
        # Those that lie the furthest below their share have one more, until all are given.
        numbers, rest = np.divmod(counts * int(images), all_images)
        numbers[np.argsort(-rest, kind="stable")[: images - numbers.sum()]] += 1
        if np.any((numbers == 0) & (counts > 0)):
            smallest = int(np.argmin(np.where(counts, counts, all_images)))
            raise UsageError(
                f"Expected so many images that every class has one. Received: {images}, of which "
                f"{self.class_names[smallest]!r} would have none. Give at least "
                f"{-(-all_images // counts[smallest])}."
            )
        order = np.random.default_rng(seed).permutation(all_images)
        drawn = self.train.labels[order]
        chosen = [order[drawn == label][:number] for label, number in enumerate(numbers)]
        return replace(self, train=self.train.take(np.sort(np.concatenate(chosen))))

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
    """What a reader of datasets gives. The parts that it leaves out are still to be cut off."""

    train: Labelled
    test: Labelled | None
    class_names: tuple[str, ...]
    description: str
    validation: Labelled | None = None
    report: FolderReport | None = None
    fit: str = "squeeze"


def as_dataset(name: str, source: Source, validation_images: int | None, seed: int) -> ImageDataset:
    """Cut off what the source lacks, a fifth by default, and name the three splits."""
    train, validation, test = source.train, source.validation, source.test
    if test is None:
        train, test = _cut_off(train, None, seed, source.class_names)
    if validation is None:
        train, validation = _cut_off(train, validation_images, seed, source.class_names)
    parts = {"train": train, "validation": validation, "test": test}
    splits = {  # `[:]` reads the images of a part that nothing was cut off, as CIFAR-10 has them
        part: Split(part, images[:], labels, source.class_names, source.description)
        for part, (images, labels) in parts.items()
    }
    return ImageDataset(
        name,
        **splits,
        class_names=source.class_names,
        image_shape=train.images.shape[1:],
        source=source.description,
        report=source.report,
        fit=source.fit,
    )


def _cut_off(
    part: Labelled, number: int | None, seed: int, class_names: tuple[str, ...]
) -> tuple[Labelled, Labelled]:
    """Cut a number of images off `part`, the same share of every class."""
    images, labels = part
    number = round(len(labels) * SHARE) if number is None else number
    if number == 0:
        return part, Labelled(images[:0], labels[:0])
    check_both_sides(number, len(labels), len(class_names))
    rest, aside = split_by_class(labels, number, seed, class_names)
    return Labelled(images[rest], labels[rest]), Labelled(images[aside], labels[aside])


def whole_numbers(labels: np.ndarray) -> str:
    """What makes whole numbers of labels that are none, in words. Introduced in lesson 2."""
    if labels.dtype.kind in "OSU":
        return "np.unique(labels, return_inverse=True)[1] numbers the names from 0."
    if labels.size == len(labels):
        return "labels.ravel().astype(int) gives whole numbers."
    if labels.ndim == 2 and (np.count_nonzero(labels, axis=1) == 1).all():
        return "For one-hot rows, labels.argmax(axis=1) gives the numbers."
    return "Each image has one class here: choose one for those with several or none."


def check_split(split: Split) -> None:
    """Raise an error in words where it is no split, or not as it should be."""
    if not isinstance(split, Split):
        raise UsageError(
            f"Expected a split, for example dataset.train. Received: {kind_of(split)}."
        )
    split.check()


def plot_class_counts(split: Split, *, ax: Axes | None = None) -> Picture:
    """Draw how many images of each class a split has.

    Args:
        split: for example `dataset.train`.
        ax: the Matplotlib Axes to draw on; by default new ones.

    Returns:
        A `Picture`: a bar a class, with a description in words.

    Raises:
        UsageError: something else than a split is given.

    Introduced in lesson 2.
    """
    check_split(split)
    return plot_bars(
        split.class_counts(), x_label="images", title=f"Images a class, {split.name} split", ax=ax
    )
