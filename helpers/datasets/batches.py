"""Hand images out in batches, while the model works on the batches before. Introduced in lesson 2.

    batches = make_batches(dataset.train, 64, shuffle=True, seed=0, augment=[flip_sideways])

The images stay what and where they are: uint8, in memory or in a file on disk. Every batch is
cut out of them by NumPy in a thread of tf.data, a few batches ahead of the model. So there is
no second copy of the dataset, and never one as floating-point numbers.

Everything random is a function of the seed, the epoch and the number of the batch alone. So a
training that was stopped can go on with exactly the batches that come next.

What `augment` lists are functions as `helpers.datasets.augment` has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.arguments import check_seed, check_switches, check_whole
from helpers.basics.errors import UsageError
from helpers.basics.files import rows_of
from helpers.basics.quiet import quiet_tensorflow
from helpers.datasets.augment import Augmentation, augmented, check_augmentations
from helpers.datasets.dataset import Split, check_split

if TYPE_CHECKING:
    import tensorflow as tf

BATCHES_AHEAD = 4  # prepared while the model works on one


def make_batches(
    split: Split,
    batch_size: int = 32,
    *,
    shuffle: bool = False,
    seed: int = 0,
    first_epoch: int = 0,
    augment: Sequence[Augmentation] = (),
    share: tuple[int, int] = (0, 1),
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
        share: which part of each batch to give: (number of the worker, from 0, number of
            workers). The parts of all workers together are the batch that one alone would have.
            They differ by one image at most; the part of a small last batch may be empty.

    Returns:
        A tf.data.Dataset of pairs: uint8 images (batch, height, width, channels), or of the type
        that the split has, and labels (batch,). Each run through it is an epoch.

    Raises:
        UsageError: something else than a split is given, or a number is out of range.
        MismatchError: not one label an image, or an augmentation gives back another shape or
            type than it was given.

    Introduced in lesson 2; `augment` in lesson 6, `share` in lesson 8.
    """
    check_split(split)
    check_whole("batch_size", batch_size)
    check_seed(seed)
    check_whole("first_epoch", first_epoch, 0)
    check_switches(shuffle=shuffle)
    worker, workers = check_share(share)
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

    cut_out = partial(_cut_out, split, augment, seed, (worker, workers))

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


def _cut_out(
    split: Split,
    augment: Sequence[Augmentation],
    seed: int,
    share: tuple[int, int],
    epoch: int,
    number: int,
    chosen: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """A worker's part of a batch. Runs as plain Python, in a thread of the pipeline."""
    worker, workers = share
    chosen = np.array_split(chosen, workers)[worker]
    images = rows_of(split.images, chosen)  # a folder's lie in a file: the memory stays flat
    if len(chosen):
        random = np.random.default_rng([seed, epoch, number, worker])
        images = augmented(images, random, augment)
    return images, split.labels[chosen]


def check_share(share: tuple[int, int]) -> tuple[int, int]:
    """The number of a worker and how many there are, where these can be.

    Raises:
        UsageError: it is no pair of whole numbers, the first below the second.

    Introduced in lesson 8.
    """
    if not isinstance(share, tuple | list) or len(share) != 2:
        raise UsageError(
            f"Expected share as (number of the worker, number of workers). Received: {share!r}. "
            "(0, 2) is the first half of each batch, (1, 2) the second."
        )
    workers = check_whole("the number of workers", share[1])
    return check_whole("the number of the worker", share[0], 0, workers - 1), workers
