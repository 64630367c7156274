"""Before the first step: do the model, the dataset and the memory fit together?

Keras says late, and in the words of its own inside, that a model and a dataset do not fit.
A batch that is too large for the memory kills the kernel without a word. `train` asks here
first, and everything that can be known before the first step is said before it.
Introduced in lesson 4.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from helpers import memory
from helpers.datasets import ImageDataset, Split
from helpers.errors import MismatchError, NotEnoughMemoryError, UsageError
from helpers.quiet import quiet_tensorflow

if TYPE_CHECKING:
    import keras

LARGEST_BATCH_WITHOUT_TRAINING = 500  # images; no weights change, so larger is only faster
BYTES_WITHOUT_TRAINING = 256e6  # for the outputs of all layers, so that large images fit too
# Of what the outputs of all layers take, for one batch: the outputs, what flows back, and
# room to work in. Measured with benchmarks/batch_memory.py.
TRAINING_FACTOR = 3.0
# Weights, their gradients, two running means of Adam, and the copy that `train` keeps.
COPIES_OF_WEIGHTS = 7
SHARE_OF_MEMORY = 0.8  # of what is available: the estimate is not exact


def check_fit(model: keras.Model, dataset: ImageDataset) -> None:
    """Raise MismatchError where `model` cannot be trained on `dataset`, and say why."""
    with quiet_tensorflow():
        import keras

    if not isinstance(model, keras.Model) or not isinstance(dataset, ImageDataset):
        raise UsageError(
            "Expected a Keras model, then a dataset: train(model, dataset). Received: "
            f"{type(model).__name__} and {type(dataset).__name__}."
        )
    if not len(dataset.train):
        raise MismatchError(
            "Expected images to train on. Received: an empty training split. Load the dataset "
            "with fewer validation images."
        )
    for split in (dataset.train, dataset.validation):
        _check_split(split, dataset)
    _check_outputs(model, dataset)


def check_image_shape(model: keras.Model, image_shape: tuple[int, ...]) -> None:
    """Raise MismatchError where `model` was built for images of another shape."""
    takes = getattr(model, "input_shape", None) if getattr(model, "built", False) else None
    if isinstance(takes, tuple) and not _same_shape(takes, (None, *image_shape)):
        raise MismatchError(
            f"Expected a model for images of {_shape(image_shape)}. Received: one that takes "
            f"{_shape(takes[1:])}. Build it for this dataset, with build_cnn(dataset), or give "
            "its Input the dataset's image_shape."
        )


def _check_split(split: Split, dataset: ImageDataset) -> None:
    images, labels = split.images, split.labels
    if images.shape[1:] != dataset.image_shape or len(images) != len(labels):
        raise MismatchError(
            f"Expected {split.name} images of shape {('n', *dataset.image_shape)} with n labels. "
            f"Received: images {images.shape}, labels {labels.shape}. Change both together."
        )
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise MismatchError(
            f"Expected one whole number a {split.name} image as its label. Received: labels of "
            f"shape {labels.shape} and type {labels.dtype}. For one-hot rows, "
            "labels.argmax(axis=1) gives the numbers."
        )
    classes = len(dataset.class_names)
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise MismatchError(
            f"Expected {split.name} labels from 0 to {classes - 1}, for {classes} classes. "
            f"Received: {labels[wrong[0]]} for image {wrong[0]}, and {len(wrong)} such labels in "
            "all. Labels count from 0."
        )
    if np.issubdtype(images.dtype, np.floating) and not np.isfinite(images).all():
        raise MismatchError(
            f"Expected numbers as pixels. Received: {split.name} images with values that are not "
            "finite (nan or inf). Look for a division by zero where they were made."
        )


def _check_outputs(model: keras.Model, dataset: ImageDataset) -> None:
    import keras

    asked = (None, *dataset.image_shape)
    check_image_shape(model, dataset.image_shape)
    try:
        output = model(keras.KerasTensor(asked, dtype=dataset.train.images.dtype.name))
    except Exception as error:  # whatever a layer says of a shape that it cannot take
        raise MismatchError(
            f"Expected a model for images of {_shape(dataset.image_shape)}. Received: one whose "
            f"layers cannot take them: {cause_in_words(error)}. Build it for this dataset."
        ) from error
    gives = getattr(output, "shape", None)
    classes = len(dataset.class_names)
    binary = classes == 2 and gives == (None, 1) and "binary" in _plain(_loss_name(model))
    if gives != (None, classes) and not binary:
        received = f"an output of shape {gives}" if gives else "several outputs"
        raise MismatchError(
            f"Expected {classes} numbers an image from the model, one a class. Received: "
            f"{received}. Make its last layer Dense({classes})."
        )
    _check_compiled(model, binary)


def cause_in_words(error: Exception) -> str:
    """What a layer said, without the frame of words and the bold letters of Keras."""
    said = re.sub(r"\x1b\[\d*m", "", str(error)).partition("Arguments received by")[0]
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _check_compiled(model: keras.Model, binary: bool) -> None:
    import keras

    if not model.compiled:
        return
    name = _loss_name(model)
    one_hot = wants_one_hot(model)
    # Of the losses of Keras, all others want other labels. What a loss of the user's own wants
    # is not known.
    known = {"none", *map(_plain, dir(keras.losses))}
    if _plain(name) in known and "sparse" not in _plain(name) and not binary and not one_hot:
        raise MismatchError(
            f"Expected a loss for one label out of several. Received: {name}. Compile with "
            "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
        )
    metrics = compile_config(model).get("metrics") or []
    metrics = metrics if isinstance(metrics, list) else [metrics]
    names = [_name(metric) for metric in metrics]
    sparse = [name for name in map(_kind, metrics) if "sparse" in _plain(name)]
    if one_hot and sparse:
        raise MismatchError(
            f"Expected metrics for the labels that the loss {name} takes, one number a class. "
            f"Received: {sparse[0]}, which takes whole numbers. Compile with "
            'metrics=["accuracy"]: Keras then finds the one that fits.'
        )
    if "accuracy" not in names:
        raise MismatchError(
            'Expected a model compiled with metrics=["accuracy"], for the curves. Received: '
            f"metrics {names}. Compile it again with that metric, or not at all: then train does."
        )


def wants_one_hot(model: keras.Model) -> bool:
    """Whether the loss of a compiled model takes labels as rows: 1 for the class, 0 for each other.

    Those losses of Keras do whose name begins with "categorical".
    """
    return _plain(_kind(compile_config(model).get("loss"))).startswith("categorical")


def _loss_name(model: keras.Model) -> str:
    import keras

    if not model.compiled:
        return ""
    loss = compile_config(model).get("loss")
    if isinstance(loss, str):  # "mse" is a name too
        loss = getattr(keras.losses.get(loss), "__name__", loss)
    return _name(loss)


def compile_config(model: keras.Model) -> dict:
    """How a model was compiled, in the words of Keras.

    Raises:
        MismatchError: Keras cannot say it, since a class of the user's own does not.
    """
    try:
        with warnings.catch_warnings():  # Keras warns of what could not be loaded from a file
            warnings.simplefilter("ignore")
            return model.get_compile_config()
    except (NotImplementedError, TypeError, ValueError) as error:
        raise MismatchError(
            "Expected a loss, an optimizer and metrics that Keras can describe. Received: one "
            f"that it cannot: {cause_in_words(error)}. Give that class a get_config method."
        ) from error


def _name(serialised: object) -> str:
    """The name of a loss or metric as `compile_config` gives it."""
    if isinstance(serialised, dict):
        config = serialised.get("config")
        named = config.get("name") if isinstance(config, dict) else config
        return str(named or serialised.get("class_name"))
    return str(serialised)


def _kind(serialised: object) -> str:
    """What a loss or metric is, whatever name of its own it was given."""
    own = isinstance(serialised, dict) and isinstance(serialised.get("config"), dict)
    return str(serialised["class_name"]) if own else _name(serialised)


def _plain(name: str) -> str:
    """A name in one spelling: Keras takes "mean_squared_error" and MeanSquaredError."""
    return name.lower().replace("_", "")


def _same_shape(takes: tuple, asked: tuple) -> bool:
    """Whether a model's input shape, in which None stands for any number, allows `asked`."""
    return len(takes) == len(asked) and all(
        size is None or size == wanted for size, wanted in zip(takes[1:], asked[1:], strict=True)
    )


def _shape(shape: tuple) -> str:
    return " x ".join("any" if size is None else str(size) for size in shape)


# --------------------------------------------------------------------------------- memory


def bytes_an_image(model: keras.Model) -> int:
    """Bytes that the outputs of all layers take for one image; 0 where that is unknown."""
    numbers = 0
    for layer in _layers(model):
        try:
            shape = layer.output.shape[1:]
        except (AttributeError, ValueError):  # a layer that is used twice, or not yet
            continue
        numbers += math.prod(size or 1 for size in shape)
    return 4 * numbers  # float32


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
    weights = 4 * COPIES_OF_WEIGHTS * model.count_params()
    each = TRAINING_FACTOR * bytes_an_image(model)
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
