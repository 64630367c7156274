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
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.basics import memory
from helpers.basics.errors import MismatchError, NotEnoughMemoryError, UsageError, kind_of
from helpers.basics.quiet import quiet_tensorflow
from helpers.datasets.load import ImageDataset, Split
from helpers.models.cnn import check_not_scaled
from helpers.models.graph import Ending, ending, pixel_scale

if TYPE_CHECKING:
    import keras

LARGEST_BATCH_WITHOUT_TRAINING = 500  # images; no weights change, so larger is only faster
IMAGES_TO_ASK = 32  # where only the numbers of a model tell what they are
BINARY_ACCURACY = 'keras.metrics.BinaryAccuracy("accuracy", threshold={})'
KERAS_CHOOSES = ("crossentropy", "ce")  # names of losses: Keras takes the one that fits
OWN = "own"  # a loss that is none of Keras'
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


def check_fit(model: keras.Model, dataset: ImageDataset) -> None:
    """Raise MismatchError where `model` cannot be trained on `dataset`, and say why."""
    with quiet_tensorflow():
        import keras

    if not isinstance(model, keras.Model) or not isinstance(dataset, ImageDataset):
        raise UsageError(
            "Expected a Keras model, then a dataset: train(model, dataset). Received: "
            f"{kind_of(model)} and {kind_of(dataset)}."
        )
    check_splits(dataset)
    _check_outputs(model, dataset)
    for split in (dataset.train, dataset.validation):
        check_pixels(model, split)


def check_splits(dataset: ImageDataset) -> None:
    """Raise an error in words where `dataset` has nothing that can be trained on."""
    for split in (dataset.train, dataset.validation):
        if not isinstance(split, Split):
            raise UsageError(
                "Expected a dataset of splits, as load_dataset gives it. Received: one that holds "
                f"a {kind_of(split)}. Make one: Split(name, images, labels, class_names, source)."
            )
    if not len(dataset.train):
        raise MismatchError(
            "Expected images to train on. Received: an empty training split. Load the dataset "
            "with fewer validation images."
        )
    for split in (dataset.train, dataset.validation):
        check_arrays(split, dataset.image_shape, len(dataset.class_names))


def check_image_shape(model: keras.Model, image_shape: tuple[int, ...]) -> None:
    """Raise MismatchError where `model` was built for images of another shape."""
    takes = getattr(model, "input_shape", None) if getattr(model, "built", False) else None
    if isinstance(takes, tuple) and not _same_shape(takes, (None, *image_shape)):
        raise MismatchError(
            f"Expected a model for images of {_shape(image_shape)}. Received: one that takes "
            f"{_shape(takes[1:])}. Build it for this dataset, with build_cnn(dataset), or give "
            "its Input the dataset's image_shape."
        )


def check_arrays(split: Split, image_shape: tuple[int, ...], classes: int) -> None:
    """Raise an error in words where images and labels of `split` are not what they should be.

    Raises:
        UsageError: they are no arrays.
        MismatchError: they have another shape, type or value than the dataset says.
    """
    images, labels = split.images, split.labels
    for name, array in (("images", images), ("labels", labels)):
        if not isinstance(array, np.ndarray):
            raise UsageError(
                f"Expected NumPy arrays as images and labels. Received: {split.name} {name} of "
                f"type {kind_of(array)}. np.asarray({name}) makes an array of them."
            )
    if images.shape[1:] != tuple(image_shape) or images.shape[:1] != labels.shape[:1]:
        raise MismatchError(
            f"Expected {split.name} images of shape {('n', *image_shape)} with n labels. "
            f"Received: images {images.shape}, labels {labels.shape}. Change both together."
        )
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise MismatchError(
            f"Expected one whole number a {split.name} image as its label. Received: labels of "
            f"shape {labels.shape} and type {labels.dtype}. {_whole_numbers(labels)}"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise MismatchError(
            f"Expected {split.name} labels from 0 to {classes - 1}, for {classes} classes. "
            f"Received: {labels[wrong[0]]} for image {wrong[0]}, and {len(wrong)} such labels in "
            "all. Labels count from 0."
        )
    if images.dtype.kind not in "buif":
        raise MismatchError(
            f"Expected numbers as pixels. Received: {split.name} images of type {images.dtype}. "
            "Make an array of numbers from 0 to 255 of them, best of type uint8."
        )
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise MismatchError(
            f"Expected numbers as pixels. Received: {split.name} images with values that are not "
            "finite (nan or inf). Look for a division by zero where they were made."
        )


def _whole_numbers(labels: np.ndarray) -> str:
    """What makes whole numbers of these labels, in words."""
    if labels.dtype.kind in "OSU":
        return "np.unique(labels, return_inverse=True)[1] numbers the names from 0."
    if labels.size == len(labels):
        return "labels.ravel().astype(int) gives whole numbers."
    if labels.ndim == 2 and (np.count_nonzero(labels, axis=1) == 1).all():
        return "For one-hot rows, labels.argmax(axis=1) gives the numbers."
    return "Each image has one class here: choose one for those with several or none."


def check_pixels(model: keras.Model, split: Split) -> None:
    """Raise MismatchError where the pixels are scaled already and `model` scales them itself."""
    if len(split):
        images = split.images
        check_not_scaled(
            images, lambda: pixel_scale(model, images), f"{split.name} images", "the model"
        )


def _check_outputs(model: keras.Model, dataset: ImageDataset) -> None:
    gives = output_shape(model, dataset.train.images)
    classes = len(dataset.class_names)
    kind = _loss_kind(model)
    binary = classes == 2 and gives == (None, 1) and ("binary" in kind or kind == "crossentropy")
    if gives != (None, classes) and not binary:
        received = f"an output of shape {gives}" if gives else "several outputs"
        raise MismatchError(
            f"Expected {classes} numbers an image from the model, one a class. Received: "
            f"{received}. Make its last layer Dense({classes})."
        )
    end = ending(model, dataset.train.images)
    check_last_step(end)
    if model.compiled:
        _check_labels_of_loss(model, binary)
        accuracy = _accuracy(model, binary)
        probabilities = gives_probabilities(model, dataset.train.images, end)
        _check_logits(model, binary, probabilities, end)
        if binary:
            _check_cut(accuracy, probabilities)


def output_shape(model: keras.Model, images: np.ndarray) -> tuple[int | None, ...] | None:
    """The shape of what `model` gives for `images`; None where it has several outputs.

    Raises:
        MismatchError: it cannot take them.
    """
    import keras

    image_shape = images.shape[1:]
    check_image_shape(model, image_shape)
    try:
        output = model(keras.KerasTensor((None, *image_shape), dtype=images.dtype.name))
    except Exception as error:  # whatever a layer says of a shape that it cannot take
        raise MismatchError(
            f"Expected a model for images of {_shape(image_shape)}. Received: one whose "
            f"layers cannot take them: {cause_in_words(error)}. Build it for this dataset."
        ) from error
    return getattr(output, "shape", None)


def cause_in_words(error: Exception) -> str:
    """What a layer said, without the frame of words and the bold letters of Keras."""
    said = re.sub(r"\x1b\[\d*m", "", str(error)).partition("Arguments received by")[0]
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


# ------------------------------------------------------------------- logits or probabilities


def check_last_step(end: Ending) -> None:
    """Raise MismatchError where the one number of a model is always the same."""
    if end.operation == "Softmax" and end.classes == 1:
        raise MismatchError(
            "Expected one number that can change. Received: softmax over one number, which "
            'is always 1. Make the last layer Dense(1, activation="sigmoid"), or Dense(2).'
        )


def gives_probabilities(model: keras.Model, images: np.ndarray, end: Ending | None = None) -> bool:
    """Whether `model` gives probabilities, by a softmax, a sigmoid or the like, or else logits.

    Where its graph does not tell, what it gives for the first of `images` does.
    """
    told = (end or ending(model, images)).probabilities
    if told is None:
        told = look_like_probabilities(model.predict_on_batch(images[:IMAGES_TO_ASK]))
    return told


def look_like_probabilities(outputs: np.ndarray) -> bool:
    """Whether all `outputs`, (images, classes) or (images, 1), could be probabilities."""
    rows_are_whole = outputs.shape[1] == 1 or np.allclose(outputs.sum(axis=1), 1, atol=1e-3)
    return bool(rows_are_whole and outputs.min() >= 0 and outputs.max() <= 1 + 1e-3)


def _check_labels_of_loss(model: keras.Model, binary: bool) -> None:
    kind = _loss_kind(model)
    # Of the losses of Keras, all others want other labels. What a loss of the user's own wants
    # is not known.
    known = kind not in (OWN, "crossentropy")
    if known and "sparse" not in kind and not binary and not wants_one_hot(model):
        raise MismatchError(
            f"Expected a loss for one label out of several. Received: {_loss_name(model)}. "
            "Compile with loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
        )


def _check_logits(model: keras.Model, binary: bool, probabilities: bool, end: Ending) -> None:
    kind, logits_wanted = _loss_kind(model), wants_logits(model)
    if logits_wanted is False and not probabilities:
        raise MismatchError(
            "Expected a loss for what the model gives, logits: any numbers. Received: "
            f"{_loss_name(model)} with from_logits=False, which takes probabilities. Compile with "
            f"loss=keras.losses.{_loss_of_logits(kind, binary)}(from_logits=True)"
            + (f" and metrics=[{BINARY_ACCURACY.format(0)}]." if binary else ".")
        )
    # Keras' losses look behind the last operation for logits, but not further back, and those
    # with a focus do not look.
    if logits_wanted and probabilities and ("focal" in kind or not end.logits_in_reach):
        raise MismatchError(
            "Expected a loss for what the model gives, probabilities. Received: "
            f"{_loss_name(model)} with from_logits=True, which takes logits. Compile with "
            "from_logits=False, or take softmax and sigmoid out of the model."
        )


def _loss_of_logits(kind: str, binary: bool) -> str:
    """The class of Keras' losses that is of this kind, or does instead, and takes logits."""
    import keras

    classes = {_plain(name): name for name in dir(keras.losses) if name.endswith("Crossentropy")}
    return classes.get(kind, f"{'Binary' if binary else 'SparseCategorical'}Crossentropy")


def wants_logits(model: keras.Model) -> bool | None:
    """Whether the loss of a compiled model takes logits; None where it is no cross-entropy."""
    loss = _loss(model)
    if hasattr(loss, "from_logits"):
        return bool(loss.from_logits)
    if _loss_kind(model).endswith("crossentropy"):
        return False  # by its name or as a function: what Keras does unless told otherwise
    return None


def wants_one_hot(model: keras.Model) -> bool:
    """Whether the loss of a compiled model takes labels as rows: 1 for the class, 0 for each other.

    Those losses of Keras do whose name begins with "categorical", but for one.
    """
    kind = _loss_kind(model)
    return kind.startswith("categorical") and "generalized" not in kind


def _loss(model: keras.Model) -> object:
    """The loss of a compiled model: a function, an object, a short name of Keras', or None."""
    import keras

    loss = model.loss if model.compiled else None
    while isinstance(loss, dict | list | tuple) and len(loss) == 1:
        loss = next(iter(loss.values() if isinstance(loss, dict) else loss))
    if not isinstance(loss, str) or loss.lower() in KERAS_CHOOSES:
        return loss
    try:
        return keras.losses.get(loss)
    except ValueError:
        raise MismatchError(
            f"Expected a loss that Keras knows. Received: {loss!r}. Compile with "
            "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
        ) from None


def _loss_name(model: keras.Model) -> str:
    loss = _loss(model)
    return str(getattr(loss, "__name__", getattr(loss, "name", loss)))


def _loss_kind(model: keras.Model) -> str:
    """What the loss is, whatever name of its own it was given, such as "binarycrossentropy".

    A function of the user's own may have any name; a class made from one of Keras' is its kind.
    """
    loss = _loss(model)
    if loss is None or isinstance(loss, str):
        return "none" if loss is None else "crossentropy"
    function = getattr(loss, "fn", loss)
    if str(function.__module__).partition(".")[0] != "keras":
        return OWN
    return _plain(getattr(function, "__name__", type(function).__name__))


def _accuracy(model: keras.Model, binary: bool) -> object:
    """The metric of a compiled model that the curves show, as `compile_config` gives it."""
    metrics = list(_flat(compile_config(model).get("metrics") or []))
    names = [_name(metric) for metric in metrics]
    sparse = [name for name in map(_kind, metrics) if "sparse" in _plain(name)]
    if wants_one_hot(model) and sparse:
        raise MismatchError(
            f"Expected metrics for the labels that the loss {_loss_name(model)} takes, one number "
            f"a class. Received: {sparse[0]}, which takes whole numbers. Compile with "
            'metrics=["accuracy"]: Keras then finds the one that fits.'
        )
    if "accuracy" not in names:
        raise MismatchError(
            'Expected a model compiled with metrics=["accuracy"], for the curves. Received: '
            f"metrics {names}. Compile it again with that metric, or not at all: then train does."
        )
    accuracy = metrics[names.index("accuracy")]
    if not binary and _kind(accuracy) in ("Accuracy", "BinaryAccuracy"):
        raise MismatchError(
            f"Expected the accuracy of one class out of several. Received: {_kind(accuracy)}. "
            'Compile with metrics=["accuracy"]: Keras then finds the one that fits.'
        )
    return accuracy


def _flat(metrics: Any) -> Iterator[object]:
    """One metric after the other, in whatever lists and dictionaries of outputs they stand."""
    if isinstance(metrics, dict) and "class_name" not in metrics:
        metrics = list(metrics.values())
    if not isinstance(metrics, list | tuple):
        yield metrics
        return
    for inner in metrics:
        yield from _flat(inner)


def _check_cut(accuracy: object, probabilities: bool) -> None:
    """Raise MismatchError where an accuracy does not tell by one number which of two classes."""
    cut = accuracy["config"].get("threshold") if isinstance(accuracy, dict) else 0.5
    known = _kind(accuracy) in ("accuracy", "BinaryAccuracy")
    if not known or (0 < cut < 1) != probabilities:
        right, what = (0.5, "a probability") if probabilities else (0, "a logit")
        raise MismatchError(
            f"Expected an accuracy that cuts the one number of the model, {what}, at {right}. "
            f"Received: {_kind(accuracy)}{f', which cuts it at {cut:g}' if known else ''}. "
            f"Compile with metrics=[{BINARY_ACCURACY.format(right)}]."
        )


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
