"""What a model does first and last, read off the graph that TensorFlow makes of one call.

Whether a model gives probabilities or logits, and whether it scales the pixels itself, decides
what its numbers mean. Its layers could be asked, but not those of a model class of one's own, nor
what a function does. The graph of a call holds every operation of them all.
"""

from __future__ import annotations

import contextlib
import math
import operator
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

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
# Operations that stand for others, as often as they like.
LOOPS = {"While", "StatelessWhile", "PartitionedCall", "StatefulPartitionedCall", "If"}
# For a model that is asked when it is loaded; EfficientNet-Lite0 has 5 and 66 million.
MOST_NUMBERS = 100_000_000
MOST_PRODUCTS = 2_000_000_000

# What a layer's config may name that is no part of what it computes: how its weights begin, are
# held small, or within bounds.
BEGIN_OR_HOLD = {"keras.initializers", "keras.regularizers", "keras.constraints"}


class Ending(NamedTuple):
    """How a model comes to the numbers that it gives."""

    operation: str = ""  # the last one, by TensorFlow's name
    classes: int | None = None  # numbers an image
    probabilities: bool | None = None  # whether they are some; None: the graph does not tell
    logits_in_reach: bool = False  # just before it, where Keras' losses find them by themselves


class Reading(NamedTuple):
    """What the graph of a call says of a model."""

    ending: Ending
    shape: tuple[int | None, ...]  # of what the model gives
    # What it gives for a batch, but without a last softmax or sigmoid where logits are in reach.
    answer: Callable[[np.ndarray], tf.Tensor]


class _Kept(NamedTuple):
    """A reading, and all that it was made from."""

    asked: tuple
    config: str
    variables: list[keras.Variable]
    reading: Reading

    def is_of(self, asked: tuple, config: str, variables: list[keras.Variable]) -> bool:
        return (
            (self.asked, self.config) == (asked, config)
            and len(self.variables) == len(variables)
            and all(map(operator.is_, self.variables, variables))
        )


_KEPT: WeakKeyDictionary[keras.Model, _Kept] = WeakKeyDictionary()


def read(model: keras.Model, images: np.ndarray) -> Reading | None:
    """Read `model` as it is now; None for what is no Keras model of one output on TensorFlow.

    A graph takes longer to make than an answer. It is kept with the model, and made anew where
    anything that it was made from has changed.
    """
    asked = (images.shape[1:], images.dtype.name)
    config, variables = _config(model), getattr(model, "variables", [])
    kept = _KEPT.get(model) if config else None
    if kept and kept.is_of(asked, config, variables):
        return kept.reading
    reading = _read_anew(model, images)
    if config and reading:
        _KEPT[model] = _Kept(asked, config, variables, reading)
    return reading


def make_ready(model: keras.Model, images: np.ndarray) -> None:
    """Read `model`, and let it answer once: the first answer takes far longer than later ones.

    A model that is read anew each time is left as it is. One that may need much memory or time is
    not asked.
    """
    of_their_size = getattr(model, "input_shape", None) == (None, *images.shape[1:])
    if not of_their_size or not _config(model):
        return
    # What goes wrong here goes wrong again where an answer is wanted, and is said there.
    with contextlib.suppress(Exception):
        if (reading := read(model, images)) and _is_light(reading.answer.graph.get_operations()):
            reading.answer(images)
            if model.losses:  # those of the graph are of no use outside it
                model(images, training=False)


def _is_light(operations: Iterable[tf.Operation]) -> bool:
    """Whether one image goes through a graph within about a second and a little memory."""
    numbers = products = 0
    for operation in operations:
        shapes = [tensor.shape.as_list() for tensor in (*operation.outputs, *operation.inputs)]
        # Of images, the first side is unknown; another one, or a loop, could hide any amount.
        if operation.type in LOOPS or any(None in shape[1:] for shape in shapes):
            return False
        sizes = [math.prod(side or 1 for side in shape) for shape in shapes]
        made = sum(sizes[: len(operation.outputs)])
        numbers += made
        if operation.type in HAVE_WEIGHTS:  # each place takes as many products as there are weights
            channels = shapes[0][-1]
            products += made // channels * max(sizes[len(operation.outputs) :][1:], default=0)
    return numbers <= MOST_NUMBERS and products <= MOST_PRODUCTS


def _read_anew(model: keras.Model, images: np.ndarray) -> Reading | None:
    seen: list[tuple[Ending, tuple]] = []

    def look(pixels: tf.Tensor, answers: tf.Tensor) -> tf.Tensor:
        last = answers.op.type
        # Keras turns 16-bit answers into others before it looks.
        in_reach = last in GIVE_PROBABILITIES and answers.dtype.name == "float32"
        end = Ending(last, answers.shape[-1], are_probabilities(answers), in_reach)
        seen.append((end, tuple(answers.shape)))
        return answers.op.inputs[0] if in_reach else answers

    answer = _traced(model, images, look)
    return Reading(*seen[0], answer) if answer else None


def _config(model: keras.Model) -> str:
    """What `model` computes, but for its variables; "" where something else decides it, too.

    Code of one's own may do something else the next time, and nothing would tell.
    """
    import keras

    layers = list(_layers(model)) if isinstance(model, keras.Model) else []
    functions = filter(None, (getattr(each, "activation", None) for each in layers))
    if not all(map(_is_of_keras, [*layers, *functions])):
        return ""
    try:
        with warnings.catch_warnings():  # Keras warns of what could not be loaded from a file
            warnings.simplefilter("ignore")
            configs = [each.get_config() for each in layers]
    except Exception:  # what a layer of one's own inside another says that has no config
        return ""
    # What a layer found by `adapt` stands in no variable, and in no config either.
    adapts = (
        hasattr(layer, "adapt") and config.get("mean") is None
        for layer, config in zip(layers, configs, strict=True)
    )
    return "" if any(adapts) or _names_code(configs) else repr(configs)


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    """The layers of `model` and of the models in it; a model of one's own class as it is."""
    import keras

    for layer in model.layers if _is_of_keras(model) else [model]:
        if isinstance(layer, keras.Model) and layer is not model:
            yield from _layers(layer)
        else:
            yield layer


def _is_of_keras(code: object) -> bool:
    return str(getattr(code, "__module__", "")).partition(".")[0] == "keras"


def _names_code(config: object) -> bool:
    """Whether the config of layers names what computes: a function, or a layer inside a layer."""
    if isinstance(config, list | tuple):
        return any(map(_names_code, config))
    if not isinstance(config, dict):
        return False
    named = config.get("class_name", "")
    begins_or_holds = config.get("module") in BEGIN_OR_HOLD or named.endswith("DTypePolicy")
    return bool(named) and not begins_or_holds or _names_code(list(config.values()))


def ending(model: keras.Model, images: np.ndarray) -> Ending:
    """How `model` ends; an empty `Ending` for what cannot be read."""
    reading = read(model, images)
    return reading.ending if reading else Ending()


def are_probabilities(answers: tf.Tensor) -> bool | None:
    """Whether the answers of a model are probabilities, by its graph; None: that does not tell."""
    kinds = {operation.type for operation in _sources(answers.op)}
    if kinds & GIVE_LOGITS:
        return False
    return True if kinds and kinds <= GIVE_PROBABILITIES else None


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
