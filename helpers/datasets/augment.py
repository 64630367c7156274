"""Change training images at random, so that the model sees more of them. Lesson 6.

An augmentation is a function `augmented = change(images, random)`: it takes a batch of images,
uint8 (images, height, width, channels), and a `numpy.random.Generator`, and gives back a batch of
the same shape and type. `flip_sideways` and `shift` are two; your own may stand beside them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from helpers.basics.errors import MismatchError, UsageError, kind_of
from helpers.datasets.dataset import Split

MOST_SHIFT = 2  # pixels, in each direction
Augmentation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def check_functions(augment: Sequence[Augmentation]) -> None:
    """Raise UsageError unless `augment` is a list or a tuple of functions."""
    if not isinstance(augment, Sequence) or not all(map(callable, augment)):
        raise UsageError(
            "Expected a list of functions as augment, for example [flip_sideways]. Received: "
            f"{augment!r}. Put square brackets around a single one."
        )


def check_augmentations(augment: Sequence[Augmentation], split: Split) -> None:
    """Raise an error where an augmentation cannot be used on the images of `split`.

    Raises:
        UsageError: `augment` is not a list of functions.
        MismatchError: one of them gives back another shape or type than it was given, or fails.
    """
    check_functions(augment)
    augmented(np.array(split.images[:2]), np.random.default_rng(0), augment)


def augmented(
    images: np.ndarray, random: np.random.Generator, augment: Sequence[Augmentation]
) -> np.ndarray:
    """The images as the augmentations change them, each of which is checked in every batch.

    TensorFlow hands on nothing but the text of an error: so that text names what went wrong.
    """
    for change in augment:
        name, given = augmentation_name(change), (images.shape, images.dtype)
        try:
            images = change(images, random)
        except MemoryError:
            raise
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".:")
            raise MismatchError(
                f"Expected {name}(images, random) to give back a batch of images. Received: "
                f"{said}. Try it on dataset.train.images[:2] with numpy.random.default_rng(0)."
            ) from error
        back = getattr(images, "shape", None), getattr(images, "dtype", type(images).__name__)
        if back != given:
            raise MismatchError(
                f"Expected images of shape {given[0]} and type {given[1]} from {name}. Received: "
                f"shape {back[0]}, type {back[1]}. Give back the same kind of array, for example "
                "with .astype(images.dtype)."
            )
    return images


def augmentation_name(change: Augmentation) -> str:
    """What an augmentation is called in messages and checkpoints."""
    while isinstance(change, functools.partial):
        change = change.func
    return getattr(change, "__name__", type(change).__name__)


def _check_batch(images: np.ndarray, random: np.random.Generator) -> None:
    batch = isinstance(images, np.ndarray) and images.ndim == 4
    if not batch or not isinstance(random, np.random.Generator):
        received = f"shape {images.shape}" if isinstance(images, np.ndarray) else kind_of(images)
        raise UsageError(
            "Expected a batch of images, an array (images, height, width, channels), and a "
            f"generator of random numbers. Received: {received} and {kind_of(random)}. Give for "
            "example dataset.train.images[:8] and numpy.random.default_rng(0)."
        )


def flip_sideways(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Mirror about half of the images, left to right.

    Args:
        images: (images, height, width, channels), of any type.
        random: decides which.

    Returns:
        An array of the same shape and type.

    Raises:
        UsageError: not a batch of images, or no generator.

    Introduced in lesson 6.
    """
    _check_batch(images, random)
    flipped = random.random(len(images)) < 0.5
    changed = np.array(images)
    # By their numbers, whole pixels are copied; a view from right to left goes byte by byte.
    from_the_right = np.arange(images.shape[2])[::-1]
    changed[flipped] = np.take(images[flipped], from_the_right, axis=2)
    return changed


def shift(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Move each image by up to 2 pixels in each direction; the border is filled by reflection.

    Args:
        images: (images, height, width, channels), of any type, at least 3 x 3 pixels.
        random: decides how far.

    Returns:
        An array of the same shape and type.

    Raises:
        UsageError: not a batch of images, or no generator.

    Introduced in lesson 6.
    """
    _check_batch(images, random)
    count, height, width, _ = images.shape
    margin = [(0, 0), (MOST_SHIFT, MOST_SHIFT), (MOST_SHIFT, MOST_SHIFT), (0, 0)]
    padded = np.pad(images, margin, mode="reflect")
    moves = random.integers(0, 2 * MOST_SHIFT + 1, (2, count))
    moved = np.empty(images.shape, images.dtype)
    # One slice an image takes a quarter of the time that an index for each pixel would.
    for place, one, down, right in zip(moved, padded, *moves, strict=True):
        place[:] = one[down : down + height, right : right + width]
    return moved
