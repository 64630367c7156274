"""Cut labelled images in two, the same share of every class. Introduced in lesson 2.

    rest, aside = split_by_class(labels, 2_000, seed=0, class_names=class_names)

Labels come in and indices go out: where the images lie, in an array or in a folder, is no
matter here. So every validation and test split of the course, of whatever source, is cut off
in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np

from helpers.basics.errors import FolderError, UsageError


def check_number_of_images(validation_images: object) -> None:
    """Refuse what is neither None nor a whole number.

    Raises:
        UsageError: it is a share, a text or anything else.

    Introduced in lesson 2.
    """
    if validation_images is not None and not is_whole(validation_images):
        raise UsageError(
            "Expected validation_images as a number of images, a whole one and no share. "
            f"Received: {validation_images!r}. Give for example 2_000."
        )


def check_seed(seed: object) -> None:
    """Refuse what scikit-learn and NumPy cannot begin their random numbers with.

    Raises:
        UsageError: it is no whole number, negative, or too large.

    Introduced in lesson 2.
    """
    if not is_whole(seed) or not 0 <= seed < 2**32:
        raise UsageError(
            f"Expected seed as a whole number from 0 to {2**32 - 1:,}. Received: {seed!r}. "
            "Give for example 0."
        )


def is_whole(number: object) -> bool:
    """Whether it is a whole number, Python's or NumPy's. Introduced in lesson 2."""
    return isinstance(number, Integral) and not isinstance(number, bool)


def check_split(set_aside: int, images: int, classes: int) -> None:
    """Refuse to cut off a number of images that leaves a class without any.

    Raises:
        UsageError: one of the two sides has fewer images than there are classes.

    Introduced in lesson 2.
    """
    if not classes <= set_aside <= images - classes:
        raise UsageError(
            f"Expected a split that leaves every one of the {classes} classes an image "
            f"on both sides. Received: {set_aside} of {images} images to set aside. "
            "Add images, or set aside another number."
        )


def split_by_class(
    labels: Sequence[int],
    set_aside: int,
    seed: int,
    class_names: Sequence[str],
    twins: Sequence[int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut images off, the same share of every class, and never a copy from its twin.

    Args:
        labels: int, (images,), indices into class_names.
        set_aside: how many images to cut off; with copies among them, about as many.
        seed: decides which.
        class_names: the classes.
        twins: int, (images,), the same number for what must stay on one side: copies, and
            nearly the same pictures, of one class. Default: every image is by itself.

    Returns:
        The indices of the images that stay and of those cut off, both in order.

    Raises:
        FolderError: a class has too few images to be on both sides.

    Introduced in lesson 2.
    """
    from sklearn.model_selection import train_test_split

    labels = np.asarray(labels)
    twins = np.arange(len(labels)) if twins is None else twins
    # One image of every group of copies decides for all of them.
    _, first, group = np.unique(twins, return_index=True, return_inverse=True)
    ones = labels[first]
    counts = np.bincount(ones, minlength=len(class_names))
    number = round(set_aside * len(ones) / len(labels))
    cut_off = np.zeros(len(ones), bool)
    if counts.min() >= 2 and len(counts) <= number <= len(ones) - len(counts):
        _, aside = train_test_split(
            np.arange(len(ones)), test_size=number, random_state=seed, stratify=ones
        )
        cut_off[aside] = True
        # A group larger than what is cut off its class would fill it: it stays, if others go.
        sizes, share = np.bincount(group), set_aside / len(labels)
        large = sizes > share * np.bincount(labels)[ones]
        others = np.bincount(ones[cut_off & ~large], minlength=len(counts))
        cut_off &= ~(large & (others > 0)[ones])
    # A share of a small class may also round to no image at all.
    sides = [np.bincount(ones[side], minlength=len(counts)) for side in (cut_off, ~cut_off)]
    if np.min(sides) < 1:
        smallest = int(counts.argmin())
        raise FolderError(
            "Expected enough images in every class that each split gets one. Received: "
            f"{counts[smallest]} different in {class_names[smallest]!r}. Add images to it, "
            "or leave the class out."
        )
    # In the original order: shuffling is the training's business.
    return np.flatnonzero(~cut_off[group]), np.flatnonzero(cut_off[group])
