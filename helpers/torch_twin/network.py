"""The classic CNN in PyTorch, and the bridge from Keras to it. Introduced in lessons 1 and 4a.

Two conventions differ between the frameworks, and everything here follows from them:

    what                    Keras                           PyTorch
    a batch of images       (batch, height, width, channel) (batch, channel, height, width)
    a convolution's kernel  (height, width, in, out)        (out, in, height, width)
    a dense layer's kernel  (in, out)                       (out, in)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.arguments import check_seed
from helpers.basics.errors import (
    MismatchError,
    MissingPackageError,
    UsageError,
    how_to_install,
    kind_of,
)
from helpers.datasets.dataset import ImageDataset
from helpers.models.cnn import check_image_size, check_not_scaled

if TYPE_CHECKING:
    import keras
    import torch

TORCH = "torch==2.13.0"  # tools/pin.py writes it into requirements.txt
INSTALL_TORCH = how_to_install(TORCH)


def import_torch():
    try:
        import torch
    except ModuleNotFoundError:
        raise MissingPackageError(
            f"Expected PyTorch, which is not installed. To add it: {INSTALL_TORCH}.",
            name="torch",
        ) from None
    return torch


def build_torch_cnn(dataset: ImageDataset, *, seed: int = 0) -> torch.nn.Sequential:
    """Build the PyTorch twin of `build_cnn`: the same layers for the same images and classes.

    Takes what `to_torch` makes, float32 (batch, channels, height, width) with values 0 to 1,
    and gives logits (batch, classes) in float32.

    Args:
        dataset: gives the image shape and the classes.
        seed: of PyTorch's random state, from which the weights are drawn. They are not the
            weights of Keras for that seed: `copy_weights` brings those over.

    Raises:
        ModuleNotFoundError: PyTorch is not installed; the message says how to install it.
        UsageError: something else than a dataset or a seed is given.
        MismatchError: the images are smaller than 18 x 18 pixels.

    Introduced in lesson 4a.
    """
    torch = import_torch()
    from torch import nn

    check_image_size(dataset)
    check_seed(seed)
    height, width, channels = dataset.image_shape
    torch.manual_seed(seed)
    # A 3 x 3 convolution takes 2 off each side, a pooling halves it.
    rows, columns = (((side - 2) // 2 - 2) // 2 - 2 for side in (height, width))
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(64 * rows * columns, 64), nn.ReLU(),
        nn.Linear(64, len(dataset.class_names)),
    )  # fmt: skip


def copy_weights(keras_model: keras.Model, torch_model: torch.nn.Sequential) -> None:
    """Copy every weight of the classic CNN from Keras into its PyTorch twin, in place.

    Raises:
        UsageError: not a Keras model and then a PyTorch model that is a row of layers.
        MismatchError: the two models do not have the same layers with weights.

    Introduced in lesson 1.
    """
    torch = import_torch()
    if not hasattr(keras_model, "layers") or not isinstance(torch_model, torch.nn.Sequential):
        raise UsageError(
            "Expected a Keras model, then a PyTorch Sequential: copy_weights(keras_model, "
            f"torch_model). Received: {kind_of(keras_model)} and {kind_of(torch_model)}."
        )
    parameters, arrays = list(torch_model.parameters()), []
    feature_maps_shape = None  # of what was flattened last, (height, width, channels)
    for layer in keras_model.layers:
        if type(layer).__name__ == "Flatten" and len(layer.input.shape) == 4:
            feature_maps_shape = layer.input.shape[1:]
        for weights in layer.get_weights():
            if weights.ndim == 4:
                weights = weights.transpose(3, 2, 0, 1)
            elif weights.ndim == 2:
                if feature_maps_shape and len(weights) == np.prod(feature_maps_shape):
                    # Keras flattens (height, width, channel), PyTorch (channel, height, width).
                    kernel = weights.reshape(*feature_maps_shape, -1).transpose(2, 0, 1, 3)
                    weights = kernel.reshape(weights.shape)
                weights, feature_maps_shape = weights.T, None
            arrays.append(np.ascontiguousarray(weights))
    expected, received = ([tuple(one.shape) for one in some] for some in (parameters, arrays))
    if expected != received:
        raise MismatchError(
            f"Expected a Keras model with weights of the shapes {expected}, turned to PyTorch's "
            f"order. Received: {received}. Build both models from one dataset, with build_cnn and "
            "build_torch_cnn."
        )
    with torch.no_grad():
        for parameter, array in zip(parameters, arrays, strict=True):
            parameter.copy_(torch.from_numpy(array))


def to_torch(images: np.ndarray) -> torch.Tensor:
    """Turn images (batch, height, width, channels) with values 0 to 255 into what the PyTorch twin
    takes: float32 (batch, channels, height, width), scaled to 0..1.

    Raises:
        UsageError: not a batch of images.
        MismatchError: the values are scaled already.

    Introduced in lesson 4a.
    """
    torch = import_torch()
    if torch.is_tensor(images):
        images = images.numpy(force=True)
    images = np.ascontiguousarray(images)
    if images.ndim != 4 or images.dtype.kind not in "buif":
        raise UsageError(
            "Expected a batch of images, numbers of shape (batch, height, width, channels). "
            f"Received: {images.dtype} of shape {images.shape}. One image becomes a batch with "
            "image[np.newaxis]."
        )
    if images.size:
        check_not_scaled(images, lambda: 1 / 255, "images", "to_torch")
    return torch.tensor(images).permute(0, 3, 1, 2).float() / 255
