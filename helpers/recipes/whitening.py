"""A first layer that is measured, not learned: it makes neighbouring pixels independent. Lesson 6.

Source: K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (2024), arXiv 2404.00498.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.files import forget_pages
from helpers.datasets.dataset import ImageDataset

if TYPE_CHECKING:
    import keras

IMAGES_TO_MEASURE = 2_000  # at most; for means, spreads and directions, more change little
NUMBERS_AT_ONCE = 500_000  # of these images, so that measuring them takes a few MB


def _sample(dataset: ImageDataset) -> Iterator[np.ndarray]:
    """Training images from all over, a few at a time: those of a folder lie class after class."""
    images = dataset.train.images
    count = min(len(images), IMAGES_TO_MEASURE)
    chosen = np.arange(count) * len(images) // count
    at_once = max(NUMBERS_AT_ONCE // images[0].size, 1)
    for start in range(0, count, at_once):
        yield images[chosen[start : start + at_once]]
        forget_pages(images)  # a folder's lie in a file


def mean_and_spread(dataset: ImageDataset) -> tuple[np.ndarray, np.ndarray]:
    """Of each channel, in grey levels."""
    pixels, total, squares = 0, 0.0, 0.0
    for images in _sample(dataset):
        numbers = images.reshape(-1, images.shape[-1]).astype(np.float64)
        pixels += len(numbers)
        total += numbers.sum(axis=0)
        squares += np.square(numbers, out=numbers).sum(axis=0)
    mean = total / pixels
    return mean, np.sqrt(np.maximum(squares / pixels - mean**2, 1.0))


def whitening_kernel(dataset: ImageDataset, directions: int, size: int = 3) -> np.ndarray:
    """The filters that make neighbouring pixels of these images independent of each other.

    Pixels next to each other are nearly the same, so most numbers in a small patch say the same
    thing. The eigenvectors of the patches' covariance are the directions in which they do
    differ; divided by the spread in each, all count alike. Each comes twice, with both
    signs, because the activation that follows keeps only one.

    Args:
        dataset: a sample of its training images is measured, standardised.
        directions: how many to keep, the ones with the largest spread first.
        size: of the patches, in pixels.

    Returns:
        float32 (size, size, channels, 2 * directions), a kernel for a convolution.

    Source: K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (2024), arXiv 2404.00498.
    Introduced in lesson 6.
    """
    mean, spread = mean_and_spread(dataset)
    patches, moments = 0, 0.0
    for images in _sample(dataset):
        some = _patches((images - mean) / spread, size)
        patches += len(some)
        moments += some.T @ some
    spreads, vectors = np.linalg.eigh(moments / patches)
    largest = np.argsort(-spreads, kind="stable")[:directions]
    filters = (vectors[:, largest] / np.sqrt(spreads[largest] + 5e-4)).T
    kernel = np.concatenate([filters, -filters]).reshape(-1, size, size, dataset.image_shape[-1])
    return kernel.transpose(1, 2, 3, 0).astype(np.float32)


def _patches(images: np.ndarray, size: int) -> np.ndarray:
    """(patches, size * size * channels): side by side, so that no pixel is in two of them."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
    # (images, rows, columns, channels, size, size)
    patches = windows[:, ::size, ::size].transpose(0, 1, 2, 4, 5, 3)
    return patches.reshape(-1, size * size * images.shape[-1])


def whitening_layers(
    dataset: ImageDataset, directions: int, activation: str, policy: str
) -> list[keras.Layer]:
    """A first convolution that is measured, not learned, and halves the image."""
    from keras import layers

    kernel = whitening_kernel(dataset, directions)
    convolution = layers.Conv2D(
        kernel.shape[-1], kernel.shape[0], strides=2, padding="same", use_bias=False,
        trainable=False, dtype=policy, name="whiten",
    )  # fmt: skip
    convolution.build((None, *dataset.image_shape))
    convolution.set_weights([kernel])
    return [convolution, layers.Activation(activation, dtype=policy, name="act_whiten")]
