"""What a model does first and last, read off the graph that TensorFlow makes of one call.

Whether a model gives probabilities or logits, and whether it scales the pixels itself, decides
what its numbers mean. Its layers could be asked, but not those of a model class of one's own, nor
what a function does. The graph of a call holds every operation of them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# Operations, by the names that TensorFlow has for them.
GIVE_PROBABILITIES = {"Softmax", "Sigmoid"}
HAVE_WEIGHTS = {
    "MatMul", "BatchMatMul", "BatchMatMulV2", "Einsum", "Conv2D",
    "DepthwiseConv2dNative",
}  # fmt: skip
GIVE_LOGITS = HAVE_WEIGHTS | {"FusedBatchNormV3", "Relu", "LogSoftmax"}
# A part, a mean or a sum of probabilities, or of logits, still is one.
TAKE_ONE = {
    "Identity", "Cast", "Reshape", "Squeeze", "ExpandDims", "Transpose", "StridedSlice", "Mean",
    "Max", "AvgPool", "MaxPool",
}  # fmt: skip
TAKE_SEVERAL = {"BiasAdd", "AddV2", "AddN", "Sub", "Mul", "RealDiv", "ConcatV2", "Pack"}
HOLD_NUMBERS = {"Const", "Placeholder", "ReadVariableOp"}


class Ending(NamedTuple):
    """How a model comes to the numbers that it gives."""

    operation: str = ""  # the last one, by TensorFlow's name
    classes: int | None = None  # numbers an image
    probabilities: bool | None = None  # whether they are some; None: the graph does not tell
    logits_in_reach: bool = False  # just before it, where Keras' losses find them by themselves


def ending(model: keras.Model, images: np.ndarray) -> Ending:
    """How `model` ends; an empty `Ending` for what is no Keras model on TensorFlow."""
    seen: list[tf.Tensor] = []
    if _traced(model, images, lambda pixels, answers: seen.append(answers) or answers) is None:
        return Ending()
    kinds = {operation.type for operation in _sources(seen[0].op)}
    probabilities = None
    if kinds & GIVE_LOGITS:
        probabilities = False
    elif kinds and kinds <= GIVE_PROBABILITIES:
        probabilities = True
    last = seen[0].op.type
    # Keras turns 16-bit answers into others before it looks.
    in_reach = last in GIVE_PROBABILITIES and seen[0].dtype.name == "float32"
    return Ending(last, seen[0].shape[-1], probabilities, in_reach)


def before_the_end(model: keras.Model, images: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function of a batch that leaves out the model's last operation, a softmax or sigmoid."""
    return _traced(model, images, lambda pixels, answers: answers.op.inputs[0])


def pixel_scale(model: keras.Model, images: np.ndarray) -> float | None:
    """How far what reaches the first weights rises where every pixel rises by 1.

    1 / 255 for a model that begins with Rescaling(1 / 255); None where it cannot be seen.
    """

    def what_reaches_weights(pixels: tf.Tensor, answers: tf.Tensor) -> tf.Tensor:
        operations = pixels.graph.get_operations()
        return next(each.inputs[0] for each in operations if each.type in HAVE_WEIGHTS)

    traced = _traced(model, images, what_reaches_weights)
    if traced is None:
        return None
    import tensorflow as tf

    dark, bright = (
        traced(tf.fill((1, *images.shape[1:]), tf.cast(value, images.dtype))) for value in (0, 1)
    )
    return float(tf.reduce_max(tf.abs(tf.cast(bright, "float32") - tf.cast(dark, "float32"))))


def _traced(
    model: keras.Model,
    images: np.ndarray,
    pick: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> Callable[[tf.Tensor], tf.Tensor] | None:
    """A function of a batch that gives what `pick` takes from the model's graph, if there is one.

    `pick` is given the images and the model's answers.
    """
    import tensorflow as tf

    function = tf.function(
        lambda pixels: pick(pixels, model(pixels, training=False)), autograph=False
    )
    try:
        return function.get_concrete_function(
            tf.TensorSpec((None, *images.shape[1:]), images.dtype)
        )
    except Exception:  # whatever a model of another kind, or a layer of one's own, says to that
        return None


def _sources(operation: tf.Operation) -> Iterator[tf.Operation]:
    """The operations that decide what kind of numbers come out of `operation`."""
    if operation.type in HOLD_NUMBERS:
        return
    followed = list(operation.inputs) if operation.type in TAKE_SEVERAL else []
    if operation.type in TAKE_ONE:
        followed = [operation.inputs[0]]
    if not followed:
        yield operation
    for tensor in followed:
        yield from _sources(tensor.op)
