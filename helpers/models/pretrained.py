"""A network that has seen a million photos before, with a new last layer. Introduced in lesson 7.

model = build_pretrained(dataset)       # EfficientNet-Lite0, frozen, and Dense(classes)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from helpers.basics.arguments import check_seed, check_whole
from helpers.basics.errors import MismatchError, UsageError, kind_of
from helpers.basics.quiet import quiet_tensorflow
from helpers.datasets.dataset import DATA_DIR, ImageDataset
from helpers.models.efficientnet import SMALLEST_SIDE, efficientnet_lite0

if TYPE_CHECKING:
    import keras

SMALLEST_SHOWN = 96  # pixels a side: the network learned from 224, and sees little in fewer
LONGEST_SHOWN = 2_000  # pixels
DROPOUT = 0.2  # as where the network was trained


def build_pretrained(
    dataset: ImageDataset,
    *,
    smallest_side: int = SMALLEST_SHOWN,
    seed: int = 0,
    data_dir: Path = DATA_DIR,
) -> keras.Model:
    """EfficientNet-Lite0 with the weights of ImageNet, and a new last layer for `dataset`.

    Takes the images of the dataset as they are, values 0 to 255: grey ones are given to the
    network three times, small ones enlarged inside the model. Gives logits (batch, classes). Only
    the last layer learns, 1,281 numbers a class: the rest, the layer "efficientnet_lite0", is
    frozen. The model is not compiled.

    Args:
        dataset: gives the image shape and the classes.
        smallest_side: images with a shorter side are enlarged to it, in pixels; at least 32.
        seed: of the new weights, as for `build_cnn`.
        data_dir: where the weights of ImageNet lie.

    Raises:
        UsageError: something else than a dataset is given, or a number that makes no sense.
        MismatchError: images that are neither grey nor in colour.
        MissingPackageError, DamagedFileError: as for `efficientnet_lite0`.

    Introduced in lesson 7.
    """
    if not isinstance(dataset, ImageDataset):
        raise UsageError(f"Expected a dataset, from load_dataset. Received: {kind_of(dataset)}.")
    check_seed(seed)
    check_whole("smallest_side", smallest_side, SMALLEST_SIDE, 1_000)
    shape = tuple(dataset.train.images.shape[1:])
    if len(shape) != 3 or shape[-1] not in (1, 3) or 0 in shape:
        raise MismatchError(
            "Expected grey images or images in colour, as the network has learned from. Received: "
            f"images of shape {shape}. build_cnn takes any number of channels."
        )
    height, width, channels = shape
    shorter = min(height, width)
    size = tuple(max(-(-side * smallest_side // shorter), side) for side in (height, width))
    if max(size) > LONGEST_SHOWN:
        raise MismatchError(
            f"Expected images that are at most {LONGEST_SHOWN:,} pixels long when their shorter "
            f"side has {max(shorter, smallest_side)}. Received: {height} x {width}. Load them with "
            'fit="crop" or fit="pad".'
        )
    with quiet_tensorflow():
        import keras
    from keras import layers

    backbone = efficientnet_lite0(size, data_dir=data_dir)
    keras.utils.set_random_seed(seed)
    image = keras.Input(shape, name="image")
    x = image
    if size != (height, width):
        x = layers.Resizing(*size, name="enlarge")(x)
    if channels == 1:
        x = layers.Concatenate(name="three_channels")([x, x, x])
    x = layers.Dropout(DROPOUT, name="dropout")(backbone(x))
    logits = layers.Dense(len(dataset.class_names), name="logits")(x)
    return keras.Model(image, logits, name="pretrained")
