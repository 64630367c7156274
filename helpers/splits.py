"""Cut labelled images in two, the same share of every class. Introduced in lesson 2.

    rest, aside = split_by_class(labels, 2_000, seed=0, class_names=class_names)

Labels come in and indices go out: where the images lie, in an array or in a folder, is no
matter here. So every validation and test split of the course, of whatever source, is cut off
in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.errors import FolderError, UsageError


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
        twins: int, (images,), the same number for exact copies. Default: no copies.

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
