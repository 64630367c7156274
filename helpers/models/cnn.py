"""The classic CNN of the course, in Keras. Introduced in lesson 3, layer by layer.

Its PyTorch twin is in `helpers.torch_twin`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.arguments import check_seed
from helpers.basics.errors import MismatchError, UsageError, kind_of
from helpers.basics.quiet import quiet_tensorflow
from helpers.datasets.dataset import ImageDataset

if TYPE_CHECKING:
    import keras

SMALLEST_SIDE = 18  # pixels; the third convolution then gives 1 x 1
SMALL_SCALE = 0.1  # a model that makes a grey level smaller than this scales the pixels itself
LEAST_CONTRAST = 0.05  # pixels from 0 to 255 that were scaled once reach further


def check_image_size(dataset: ImageDataset) -> None:
    """Raise MismatchError where the classic CNN, in Keras or PyTorch, would have no pixel left."""
    if not isinstance(dataset, ImageDataset):
        raise UsageError(f"Expected a dataset, from load_dataset. Received: {kind_of(dataset)}.")
    if len(dataset.image_shape) != 3:
        raise MismatchError(
            "Expected images of shape (height, width, channels). Received: "
            f"{tuple(dataset.image_shape)}. images[..., np.newaxis] gives grey ones a channel."
        )
    height, width, _ = dataset.image_shape
    if min(height, width) < SMALLEST_SIDE:
        raise MismatchError(
            f"Expected images of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels: two poolings "
            f"and three convolutions leave nothing of a smaller one. Received: {height} x {width}. "
            "Enlarge the images, for a folder with load_dataset(..., image_size=(64, 64))."
        )


def check_not_scaled(
    images: np.ndarray, scale: Callable[[], float | None], name: str, scaled_by: str
) -> None:
    """Raise MismatchError where pixels would be scaled twice.

    Args:
        images: numbers, at least one.
        scale: gives what becomes of one grey level; None where that is not known.
        name, scaled_by: what the images are called, and what scales them, for the error.
    """
    if images.dtype.kind not in "bf":
        return  # whole numbers are grey levels, however dark
    darkest, brightest = float(images.min()), float(images.max())
    # So are others, unless all are at most 1 or some are below 0.
    if darkest >= 0 and not 0 < brightest <= 1:
        return
    level = scale()
    contrast = max(brightest, -darkest)
    if level and level < SMALL_SCALE and level * contrast < LEAST_CONTRAST:
        raise MismatchError(
            f"Expected {name} with values from 0 to 255: {scaled_by} scales them. Received: "
            f"values from {darkest:g} to {brightest:g}, scaled already. Give the images as they "
            "were loaded, or scale in one place only."
        )


def build_cnn(dataset: ImageDataset, *, seed: int = 0) -> keras.Model:
    """Build the classic CNN for the images and classes of `dataset`, weights drawn by `seed`.

        Rescaling(1/255) - Conv2D(32, 3, relu) - MaxPooling2D(2) - Conv2D(64, 3, relu)
        - MaxPooling2D(2) - Conv2D(64, 3, relu) - Flatten - Dense(64, relu) - Dense(classes)

    Takes images (batch, height, width, channels) with values 0 to 255, uint8 or float, and
    gives logits (batch, classes) in float32: one number a class, before any softmax. It has
    122,570 parameters for CIFAR-10 (32 x 32 x 3, 10 classes).

    The model is not compiled: choose the loss and the optimizer with `model.compile`, or
    leave it to `train`.

    Args:
        dataset: gives the image shape, at least 18 x 18 pixels, and the classes.
        seed: sets the random state of Python, NumPy and TensorFlow, then the weights are
            drawn, so that the same seed always gives the same weights. From 0 to 2**32 - 1.

    Returns:
        A Keras model with these layers, not compiled.

    Raises:
        UsageError: something else than a dataset or a seed is given.
        MismatchError: the images are smaller than 18 x 18 pixels.

    Source: the layers of the "Convolutional Neural Network" tutorial of TensorFlow.
    Introduced in lesson 3.
    """
    check_image_size(dataset)
    check_seed(seed)
    height, width, channels = dataset.image_shape
    with quiet_tensorflow():
        import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((height, width, channels), name="image"),
            layers.Rescaling(1 / 255, name="scale"),
            layers.Conv2D(32, 3, activation="relu", name="conv_1"),
            layers.MaxPooling2D(2, name="pool_1"),
            layers.Conv2D(64, 3, activation="relu", name="conv_2"),
            layers.MaxPooling2D(2, name="pool_2"),
            layers.Conv2D(64, 3, activation="relu", name="conv_3"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, activation="relu", name="dense"),
            layers.Dense(len(dataset.class_names), name="logits"),
        ],
        name="classic_cnn",
    )
