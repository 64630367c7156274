"""How much memory a training step takes, and whether there is so much. Lesson 4."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from helpers.basics import memory
from helpers.basics.errors import NotEnoughMemoryError

if TYPE_CHECKING:
    import keras

LARGEST_BATCH_WITHOUT_TRAINING = 250  # images; more are not faster, and take more memory
BYTES_WITHOUT_TRAINING = 256e6  # for the outputs of all layers, so that large images fit too
# Of what the outputs of all layers take, for one batch: the outputs, what flows back, and
# room to work in. Measured with benchmarks/batch_memory.py.
TRAINING_FACTOR = 3.0
# Nothing flows back through frozen layers, so each output goes when the next is there: of the
# largest one only. Measured in the same way, 3.1 to 3.9.
FROZEN_FACTOR = 4.0
# Weights, their gradients, two running means of Adam, and the copy that `train` keeps.
COPIES_OF_WEIGHTS = 7
COPIES_OF_FROZEN_WEIGHTS = 2  # without gradients and means
SHARE_OF_MEMORY = 0.8  # of what is available: the estimate is not exact


def bytes_an_image(model: keras.Model) -> int:
    """Bytes that the outputs of all layers take for one image; 0 where that is unknown."""
    return sum(map(_bytes_of_output, _layers(model)))


def _bytes_of_output(layer: keras.Layer) -> int:
    try:
        shape = layer.output.shape[1:]
    except (AttributeError, ValueError):  # a layer that is used twice, or not yet
        return 0
    return 4 * math.prod(size or 1 for size in shape)  # float32


def bytes_of_step(model: keras.Model) -> float:
    """Bytes that a training step takes for one image."""
    layers = list(_layers(model))
    learning = [number for number, layer in enumerate(layers) if layer.trainable_weights]
    before = layers[: learning[0]] if learning else layers
    frozen = max((number + 1 for number, layer in enumerate(before) if layer.weights), default=0)
    outputs = list(map(_bytes_of_output, layers))
    largest = max(outputs[:frozen], default=0)
    return FROZEN_FACTOR * largest + TRAINING_FACTOR * sum(outputs[frozen:])


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    """All layers, those of models inside the model too."""
    for layer in getattr(model, "layers", ()):
        yield from _layers(layer) if hasattr(layer, "layers") else (layer,)


def batch_without_training(model: keras.Model) -> int:
    """Images a batch for validating and predicting: many, but of large images fewer."""
    fits = BYTES_WITHOUT_TRAINING // max(bytes_an_image(model), 1)
    return int(min(max(fits, 1), LARGEST_BATCH_WITHOUT_TRAINING))


def check_batch_size(model: keras.Model, batch_size: int, images: int) -> None:
    """Raise NotEnoughMemoryError where a training step with `batch_size` images needs too much.

    Raises:
        NotEnoughMemoryError: names a batch size that fits, where one does.
    """
    available = SHARE_OF_MEMORY * memory.available_memory()
    learned = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    frozen = model.count_params() - learned
    weights = 4 * (COPIES_OF_WEIGHTS * learned + COPIES_OF_FROZEN_WEIGHTS * frozen)
    each = bytes_of_step(model)
    needed = weights + each * min(batch_size, images)
    if needed <= available:
        return
    fits = int((available - weights) // max(each, 1))
    to_do = f"Try batch_size={fits}, which fits"
    if fits < 1:
        to_do = "Not even one image fits: use smaller images or a smaller model"
    raise NotEnoughMemoryError(
        f"Expected a training step to fit into the {available / 1e9:.1f} GB of memory that may "
        f"be used. Received: {batch_size} images a batch, which need about {needed / 1e9:.1f} "
        f"GB. {to_do}, or close other programs and notebooks."
    )
