"""What a compiled model's loss and metrics take, and what the model gives them. Lesson 4."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.basics.errors import MismatchError
from helpers.models.graph import Ending, ending

if TYPE_CHECKING:
    import keras
IMAGES_TO_ASK = 32  # where only the numbers of a model tell what they are
BINARY_ACCURACY = 'keras.metrics.BinaryAccuracy("accuracy", threshold={})'
KERAS_CHOOSES = ("crossentropy", "ce")  # names of losses: Keras takes the one that fits
OWN = "own"  # a loss that is none of Keras'


def cause_in_words(error: Exception) -> str:
    """What a layer said, without the frame of words and the bold letters of Keras."""
    said = re.sub(r"\x1b\[\d*m", "", str(error)).partition("Arguments received by")[0]
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


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


def check_labels_of_loss(model: keras.Model, binary: bool) -> None:
    kind = loss_kind(model)
    # Of the losses of Keras, all others want other labels. What a loss of the user's own wants
    # is not known.
    known = kind not in (OWN, "crossentropy")
    if known and "sparse" not in kind and not binary and not wants_one_hot(model):
        raise MismatchError(
            f"Expected a loss for one label out of several. Received: {_loss_name(model)}. "
            "Compile with loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
        )


def check_logits(model: keras.Model, binary: bool, probabilities: bool, end: Ending) -> None:
    kind, logits_wanted = loss_kind(model), wants_logits(model)
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
    if loss_kind(model).endswith("crossentropy"):
        return False  # by its name or as a function: what Keras does unless told otherwise
    return None


def wants_one_hot(model: keras.Model) -> bool:
    """Whether the loss of a compiled model takes labels as rows: 1 for the class, 0 for each other.

    Those losses of Keras do whose name begins with "categorical", but for one.
    """
    kind = loss_kind(model)
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


def loss_kind(model: keras.Model) -> str:
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


def shown_accuracy(model: keras.Model, binary: bool) -> object:
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


def check_cut(accuracy: object, probabilities: bool) -> None:
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
