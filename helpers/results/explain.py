"""What a trained network sees: feature maps and Grad-CAM. Introduced in lessons 3 and 5.

Both listen to a layer while the model answers, so the model is neither taken apart nor copied. They
work for every model that Keras can train: also for a layer of a model inside the model, for
images of any size, and for a class of one's own.
"""

from __future__ import annotations

import contextlib
import difflib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.basics.arguments import check_all_there, is_whole
from helpers.basics.errors import UsageError, kind_of
from helpers.basics.own_words import in_its_own_words
from helpers.basics.quiet import quiet_tensorflow
from helpers.models.cnn import check_not_scaled
from helpers.models.graph import are_probabilities, before_probabilities, pixel_scale

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

MOST_NAMES = 30  # of layers in a message; a large network has hundreds


def feature_maps(model: keras.Model, image: np.ndarray, layer_name: str) -> np.ndarray:
    """What one layer gives for one image: float32 (height, width, channels).

    Args:
        model: a Keras model that takes one batch of images.
        image: one image (height, width, channels), as the model takes it.
        layer_name: a layer whose output has places: a convolution, a pooling, an activation. One of
            a model inside the model is named after both: "backbone/conv_5". Of a layer that is used
            several times, the last use counts.

    Raises:
        UsageError: no such layer, one without places, or not one image of the model's shape, of
            finite numbers that are all there.
        MismatchError: the model scales pixels that are scaled already.

    Introduced in lesson 3.
    """
    batch = _batch_of_one(model, image)
    with _listening(_layer(model, layer_name)) as heard:
        answer = _answer(model, batch)
    return _places(heard, answer, layer_name).numpy()[0]


def grad_cam(
    model: keras.Model, image: np.ndarray, layer_name: str, class_index: int | None = None
) -> np.ndarray:
    """Where the network looks: how much each place of a layer spoke for a class.

    The feature maps of the layer are added up, each weighted by how strongly the logit of
    the class rises with it, on average over the map; what is negative becomes 0. Where the model
    ends in a softmax or a sigmoid, whatever made it, the logits before it are taken: of a network
    that is very sure, the probabilities hardly rise with anything.

    Args:
        model: a Keras model that gives one number a class, on the TensorFlow backend. One that
            gives a single number, for two classes, speaks with it for class 1 and against class 0.
        image: one image (height, width, channels), as the model takes it.
        layer_name: the last layer with places, most often. Where an activation comes after the
            convolution as a layer of its own, name the activation: it is what the network goes on
            with. As for `feature_maps`, "backbone/conv_5" is a layer of a model inside the model.
        class_index: the class to explain; by default the one that the model predicts.

    Returns:
        float32 (height, width) of that layer, scaled to 0..1; all 0 where nothing of the
        layer speaks for the class.

    Raises:
        UsageError: no such layer, one without places, no such class, not one image of the model's
            shape, of finite numbers that are all there, or a model that cannot be explained this
            way.
        MismatchError: the model scales pixels that are scaled already.

    Source: Selvaraju et al., "Grad-CAM", ICCV 2017, https://arxiv.org/abs/1610.02391.
    Introduced in lesson 5.
    """
    batch = _batch_of_one(model, image)
    layer = _layer(model, layer_name)
    import tensorflow as tf

    def look(images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with _listening(layer) as heard:
            answer = _one_number_a_class(_answer(model, images))
        maps = _places(heard, answer, layer_name)
        slopes = tf.gradients(_score(answer, class_index), heard[-1])[0]
        if slopes is None:
            raise UsageError(
                "Expected a layer that the answer of the model depends on. Received: "
                f"{layer_name!r}, whose output goes elsewhere. Choose a layer on the way to the "
                "output."
            )
        return answer, maps, tf.cast(slopes, tf.float32)  # (1, height, width, channels) each

    # As a graph: in it stands what comes before a softmax or sigmoid, whatever made it.
    images = tf.constant(batch)
    look = tf.function(look, autograph=False).get_concrete_function(images)
    answer, maps, slopes = look(images)
    _check_not_saturated(answer.numpy(), slopes.numpy())
    weights = tf.reduce_mean(slopes, axis=(1, 2))  # one weight a map
    heat = tf.nn.relu(tf.einsum("bhwc,bc->hw", maps, weights)).numpy()
    if not np.isfinite(heat).all():
        raise UsageError(
            "Expected finite numbers from the model. Received: nan or inf, so its training "
            "diverged. Train again, with a smaller learning rate."
        )
    return heat / heat.max() if heat.max() > 0 else heat


def _score(answer: tf.Tensor, class_index: int | None) -> tf.Tensor:
    """The number that rises when the model speaks for the class, in a graph."""
    import tensorflow as tf

    logits = before_probabilities(answer)
    if logits.shape[1] == 1 and logits is answer and are_probabilities(answer) is not False:
        logits = tf.where(answer >= 0, answer - 0.5, answer)  # above 1 it stays above 0
    if logits.shape[1] == 1:  # one number for two classes: that of the second
        logits = tf.concat([-logits, logits], axis=1)
    classes = logits.shape[1]
    if class_index is None:
        return tf.reduce_max(logits[0])
    if not is_whole(class_index) or not 0 <= class_index < classes:
        raise UsageError(
            f"Expected a class from 0 to {classes - 1}. Received: {class_index!r}. "
            "dataset.class_names.index(name) gives the number of a class."
        )
    return logits[0, int(class_index)]


def _one_number_a_class(answer: Any) -> Any:
    shape = getattr(answer, "shape", None)  # several outputs have none
    if shape is None or len(shape) != 2:
        received = f"an output of shape {tuple(shape)}" if shape else "several outputs"
        raise UsageError(
            f"Expected a model that gives one number a class. Received: {received}. Grad-CAM "
            "explains the answer of a classifier only."
        )
    return answer


def _check_not_saturated(answer: np.ndarray, slopes: np.ndarray) -> None:
    """Refuse a softmax or sigmoid that is no last layer, so sure that it rises with nothing."""
    if not slopes.any() and answer.max() == 1 and answer.min() >= 0:
        raise UsageError(
            "Expected logits, or a softmax or sigmoid as the last layer, which is left out here. "
            "Received: a probability of exactly 1, which rises with nothing. Give Grad-CAM a model "
            "that ends in the layer before it: keras.Model(model.inputs[0], layer.output)."
        )


def _batch_of_one(model: keras.Model, image: np.ndarray) -> np.ndarray:
    """The image as a batch, where the model takes such a one."""
    with quiet_tensorflow():
        import keras

    if not isinstance(model, keras.Model):
        raise UsageError(
            f"Expected a Keras model. Received: {kind_of(model)}. Give the Keras model first."
        )
    takes = getattr(model, "input_shape", None)  # a class of one's own may not know it
    if takes is not None and not isinstance(takes, tuple):
        raise UsageError(
            f"Expected a model with one input, the images. Received: one with {len(takes)}. "
            "Its layers can be seen only with all of them."
        )
    image = _as_numbers(image)
    expected = (None,) * 3 if takes is None else takes[1:]
    sizes = zip(expected, image.shape, strict=False)
    if image.ndim != len(expected) or any(size not in (None, given) for size, given in sizes):
        any_size = ", None: any" if None in expected else ""
        raise UsageError(
            f"Expected one image of shape {expected}{any_size}. Received: {image.shape}. "
            "Take one out of a batch with images[0]."
        )
    batch = image[np.newaxis]
    check_not_scaled(batch, lambda: pixel_scale(model, batch), "an image", "the model")
    return batch


def _as_numbers(image: Any) -> np.ndarray:
    """An array of finite numbers, or an error in words."""
    check_all_there("an image", image)
    try:
        image = np.asarray(image)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of other lengths, or a gradient
        raise UsageError(
            f"Expected an image as an array. Received: {kind_of(image)}, of which NumPy says: "
            f"{in_its_own_words(error)}. Give a row of dataset.test.images."
        ) from error
    if image.dtype.kind not in "biuf":
        raise UsageError(
            f"Expected an image of numbers. Received: type {image.dtype}. "
            "Give a row of dataset.test.images."
        )
    if not np.isfinite(image).all():
        raise UsageError(
            "Expected an image of finite numbers. Received: nan or inf among them. Look for a "
            "division by zero where it was made."
        )
    return image


def _layers(model: keras.Model, above: str = "") -> Iterator[tuple[str, keras.layers.Layer]]:
    """All layers by name, those of a model inside the model as "model/layer"."""
    for layer in getattr(model, "layers", ()):
        yield above + layer.name, layer
        yield from _layers(layer, f"{above}{layer.name}/")


def _layer(model: keras.Model, name: str) -> keras.layers.Layer:
    layers = dict(_layers(model))
    if isinstance(name, str) and name in layers:
        return layers[name]
    inside = [path for path in layers if path.endswith(f"/{name}")]
    if len(inside) == 1:
        return layers[inside[0]]
    names = list(layers)
    if inside:
        names = inside
    elif len(names) > MOST_NAMES:
        close = difflib.get_close_matches(str(name), names, n=5)
        names = [*(close or names[-5:]), f"or another of {len(layers)} (model.summary())"]
    raise UsageError(f"Expected the name of a layer: {', '.join(names)}. Received: {name!r}.")


def _places(heard: list, answer: Any, name: str) -> Any:
    """What was heard of a layer, float32 (1, height, width, channels)."""
    import tensorflow as tf

    # What TensorFlow compiles by itself is heard in a graph of its own, or not at all.
    graph = getattr(heard[-1], "graph", None) if heard else None
    if not heard or graph not in (None, getattr(answer, "graph", None)):
        raise UsageError(
            f"Expected a layer that is used when the model answers. Received: {name!r}, which "
            "is not, or only in a function under @tf.function. Choose another layer, or take "
            "@tf.function away."
        )
    shape = getattr(heard[-1], "shape", None)
    if shape is None or len(shape) != 4:
        received = "several outputs" if shape is None else f"numbers of shape {tuple(shape[1:])}"
        raise UsageError(
            "Expected a layer whose output has places: height, width and channels. Received: "
            f"{name!r}, which gives {received}. Choose a convolution, a pooling, or the activation "
            "after one."
        )
    return tf.cast(heard[-1], tf.float32)


def _answer(model: keras.Model, batch: np.ndarray) -> Any:
    try:
        with warnings.catch_warnings():  # of a model that was made with its input in a list
            warnings.filterwarnings("ignore", "The structure of `inputs`")
            return model(batch, training=False)
    except Exception as error:  # whatever a layer says of an image that it cannot take
        raise UsageError(
            f"Expected an image that the model can take. Received: {batch.shape[1:]}, and the "
            f"model says: {in_its_own_words(error)}. Try model(image[None]) alone."
        ) from error


@contextlib.contextmanager
def _listening(layer: keras.layers.Layer) -> Iterator[list]:
    """A list that gets what the layer gives, each time it is called.

    Keras has no hooks as PyTorch has them. `call` is the public method that a layer is made by.
    """
    heard, own = [], layer.call

    def listen(*inputs: Any, **options: Any) -> Any:
        heard.append(own(*inputs, **options))
        return heard[-1]

    layer.call = listen
    try:
        yield heard
    finally:
        del layer.call  # the one of its class comes back
