"""Hand images out in batches, while the model works on the batches before. Introduced in lesson 2.

    batches = make_batches(dataset.train, 64, shuffle=True, seed=0, augment=[flip_sideways])

The images stay what and where they are: uint8, in memory or in a file on disk. Every batch is
cut out of them by NumPy in a thread of tf.data, a few batches ahead of the model. So there is
no second copy of the dataset, and never one as floating-point numbers.

Everything random is a function of the seed, the epoch and the number of the batch alone. So a
training that was stopped can go on with exactly the batches that come next.

An augmentation is a function `augmented = change(images, random)`: it takes a batch of images,
uint8 (images, height, width, channels), and a `numpy.random.Generator`, and gives back a batch of
the same shape and type. `flip_sideways` and `shift` are two; your own may stand beside them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import MismatchError, UsageError, kind_of
from helpers.basics.files import forget_pages
from helpers.basics.quiet import quiet_tensorflow
from helpers.datasets.load import Split

if TYPE_CHECKING:
    import tensorflow as tf

BATCHES_AHEAD = 4  # prepared while the model works on one
MOST_SHIFT = 2  # pixels, in each direction

Augmentation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def make_batches(
    split: Split,
    batch_size: int = 32,
    *,
    shuffle: bool = False,
    seed: int = 0,
    first_epoch: int = 0,
    augment: Sequence[Augmentation] = (),
) -> tf.data.Dataset:
    """A tf.data pipeline of (uint8 images, labels) batches, prepared while the model works.

    Args:
        split: the images and labels.
        batch_size: images a batch; the last batch of an epoch may be smaller.
        shuffle: whether each epoch runs through the images in a new random order.
        seed: of those orders and of the augmentations; the same seed gives the same batches.
            From 0 to 2**32 - 1.
        first_epoch: which of those orders comes first, counted from 0. Each further run through
            the pipeline takes the next.
        augment: functions that change the images of each batch at random, one after the other,
            in a list or a tuple.

    Raises:
        UsageError: something else than a split is given, or a number is out of range.
        MismatchError: not one label an image, or an augmentation gives back another shape or
            type than it was given.

    Introduced in lesson 2; `augment` in lesson 6.
    """
    _check_split(split)
    for name, value, least in (
        ("batch_size", batch_size, 1), ("seed", seed, 0), ("first_epoch", first_epoch, 0)
    ):  # fmt: skip
        check_whole_number(name, value, least)
    check_augmentations(augment, split)
    with quiet_tensorflow():
        import tensorflow as tf

    seed, batch_size = int(seed), min(int(batch_size), max(len(split), 1))
    epoch = tf.Variable(first_epoch, dtype=tf.int64, trainable=False)
    image_shape, types = split.images.shape[1:], (split.images.dtype, split.labels.dtype)

    def one_epoch(_):
        """The numbers of the images of each batch, with those of the epoch and the batch."""
        this_epoch = epoch.assign_add(1) - 1
        order = tf.range(len(split), dtype=tf.int64)
        if shuffle:
            # Dataset.shuffle would not know how to begin with a later epoch.
            seeds = tf.stack([seed, this_epoch])
            order = tf.random.experimental.stateless_shuffle(order, seed=seeds)
        # Shuffling the numbers of the images is far cheaper than shuffling the images.
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        return batches.enumerate().map(lambda number, chosen: (this_epoch, number, chosen))

    def cut_out(this_epoch, number, chosen):
        """Runs as plain Python, in a thread of the pipeline."""
        images = split.images[chosen]
        forget_pages(split.images)  # a folder's images lie in a file: the memory stays flat
        random = np.random.default_rng([seed, this_epoch, number])
        return _augmented(images, random, augment), split.labels[chosen]

    def with_shapes(images, labels):
        return tf.ensure_shape(images, (None, *image_shape)), tf.ensure_shape(labels, (None,))

    batches = (
        tf.data.Dataset.from_tensors(0)
        .flat_map(one_epoch)
        .map(lambda *which: with_shapes(*tf.numpy_function(cut_out, which, types)))
        .apply(tf.data.experimental.assert_cardinality(-(-len(split) // batch_size)))
    )
    # Nothing here is left to tune, and the thread that tunes can hold up the end of a long epoch
    # by ten seconds: it is waited for while it sleeps.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(BATCHES_AHEAD).with_options(options)


def _check_split(split: Split) -> None:
    if not isinstance(split, Split):
        raise UsageError(
            "Expected a split, for example dataset.train. Received: "
            f"{type(split).__name__}. Give make_batches one of the dataset's three."
        )
    for name, array in (("images", split.images), ("labels", split.labels)):
        if not isinstance(array, np.ndarray):
            raise UsageError(
                f"Expected a NumPy array as the {name} of a split. Received: "
                f"{type(array).__name__}. numpy.asarray({name}) makes one."
            )
    if split.labels.shape != split.images.shape[:1]:
        raise MismatchError(
            "Expected one label an image. Received: images of shape "
            f"{split.images.shape}, labels of shape {split.labels.shape}. Change both together."
        )


def check_whole_number(name: str, value: int, least: int) -> None:
    """Raise UsageError unless `value` is a whole number of at least `least`.

    A seed has to be below 2**32 too: NumPy and TensorFlow take no larger one.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise UsageError(f"Expected a whole number as {name}. Received: {value!r}.")
    if value < least:
        raise UsageError(f"Expected {name} of at least {least}. Received: {value}.")
    if name == "seed" and value >= 2**32:
        raise UsageError(f"Expected a seed below 2**32. Received: {value}.")


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
    for change in augment:
        _augmented(np.array(split.images[:2]), np.random.default_rng(0), [change])


def _augmented(
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
    return np.where(flipped[:, None, None, None], images[:, :, ::-1], images)


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
    down, right = random.integers(0, 2 * MOST_SHIFT + 1, (2, count, 1))
    rows = (down + np.arange(height))[:, :, None]
    columns = (right + np.arange(width))[:, None, :]
    return padded[np.arange(count)[:, None, None], rows, columns]
