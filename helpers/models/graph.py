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
GIVE_LOGITS = HAVE_WEIGHTS | {
    "FusedBatchNormV3", "LogSoftmax", "Relu", "LeakyRelu", "Elu", "Selu", "Softplus",
}  # fmt: skip
# A part, a mean or a sum of probabilities, or of logits, still is one.
MIX_NUMBERS = {
    "Identity", "Cast", "Reshape", "Squeeze", "ExpandDims", "Transpose", "StridedSlice", "Mean",
    "Max", "AvgPool", "MaxPool", "Sum", "GatherV2", "IdentityN", "BiasAdd", "AddV2", "AddN", "Sub",
    "Mul", "RealDiv", "ConcatV2", "Pack",
}  # fmt: skip
KEEP_NUMBERS = {"Identity", "Cast", "Reshape", "Squeeze", "ExpandDims"}
HOLD_NUMBERS = {"Const", "Placeholder", "ReadVariableOp", "Shape"}


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
    last = seen[0].op.type
    # Keras turns 16-bit answers into others before it looks.
    in_reach = last in GIVE_PROBABILITIES and seen[0].dtype.name == "float32"
    return Ending(last, seen[0].shape[-1], are_probabilities(seen[0]), in_reach)


def are_probabilities(answers: tf.Tensor) -> bool | None:
    """Whether the answers of a model are probabilities, by its graph; None: that does not tell."""
    kinds = {operation.type for operation in _sources(answers.op)}
    if kinds & GIVE_LOGITS:
        return False
    return True if kinds and kinds <= GIVE_PROBABILITIES else None


def before_the_end(model: keras.Model, images: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function of a batch that leaves out the model's last operation, a softmax or sigmoid."""
    return _traced(model, images, lambda pixels, answers: answers.op.inputs[0])


def before_probabilities(answers: tf.Tensor) -> tf.Tensor:
    """In a graph: what a last softmax or sigmoid is given, of the shape of `answers`.

    `answers` themselves where the model does not end in one.
    """
    import tensorflow as tf

    tensor = answers
    while tensor.op.type in KEEP_NUMBERS:
        tensor = tensor.op.inputs[0]
    if tensor.op.type not in GIVE_PROBABILITIES:
        return answers
    return tf.reshape(tensor.op.inputs[0], tf.shape(answers))


def pixel_scale(model: keras.Model, images: np.ndarray) -> float | None:
    """How far what reaches the first weights rises where every pixel rises by 1.

    1 / 255 for a model that begins with Rescaling(1 / 255); None where it cannot be seen. Where
    the model takes a mean away that is far from 0, its share of that.
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
    dark, bright = tf.cast(dark, "float32"), tf.cast(bright, "float32")
    rise, offset = tf.reduce_max(tf.abs(bright - dark)), tf.reduce_max(tf.abs(dark))
    return float(rise / tf.maximum(offset, 1.0))


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
    waiting, seen = [operation], set()
    while waiting:
        operation = waiting.pop()
        if operation.name in seen or operation.type in HOLD_NUMBERS:
            continue
        seen.add(operation.name)
        if operation.type in MIX_NUMBERS:
            waiting += [tensor.op for tensor in operation.inputs]
        else:
            yield operation
