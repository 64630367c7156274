"""What a trained network sees: feature maps and Grad-CAM. Introduced in lessons 3 and 5."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from helpers.errors import UsageError

if TYPE_CHECKING:
    import keras


def _layer(model: keras.Model, name: str) -> keras.layers.Layer:
    names = [layer.name for layer in model.layers]
    if name not in names:
        raise UsageError(f"Expected the name of a layer: {', '.join(names)}. Received: {name!r}.")
    return model.get_layer(name)


def _batch_of_one(model: keras.Model, image: np.ndarray) -> np.ndarray:
    expected = tuple(model.input_shape[1:])
    if np.shape(image) != expected:
        raise UsageError(
            f"Expected one image of shape {expected}. Received: {np.shape(image)}. "
            "Take one out of a batch with images[0]."
        )
    return np.asarray(image)[np.newaxis]


def feature_maps(model: keras.Model, image: np.ndarray, layer_name: str) -> np.ndarray:
    """What one layer gives for one image: float32 (height, width, channels).

    Args:
        model: a Keras model.
        image: one image (height, width, channels), as the model takes it.
        layer_name: a convolution or pooling layer of the model.

    Raises:
        UsageError: no such layer, or not one image of the model's shape.

    Introduced in lesson 3.
    """
    import keras

    layer = _layer(model, layer_name)
    up_to_layer = keras.Model(model.inputs[0], layer.output)
    return np.asarray(up_to_layer(_batch_of_one(model, image)))[0]


def grad_cam(
    model: keras.Model, image: np.ndarray, layer_name: str, class_index: int | None = None
) -> np.ndarray:
    """Where the network looks: how much each place of a layer spoke for a class.

    The feature maps of the layer are added up, each weighted by how strongly the logit of
    the class rises with it, on average over the map; what is negative becomes 0.

    Args:
        model: a Keras model that gives logits, on the TensorFlow backend.
        image: one image (height, width, channels), as the model takes it.
        layer_name: a convolution layer, most often the last.
        class_index: the class to explain; by default the one that the model predicts.

    Returns:
        float32 (height, width) of that layer, scaled to 0..1; all 0 where nothing of the
        layer speaks for the class.

    Raises:
        UsageError: no such layer, no such class, or not one image of the model's shape.

    Source: Selvaraju et al., "Grad-CAM", ICCV 2017, https://arxiv.org/abs/1610.02391.
    Introduced in lesson 5.
    """
    import keras
    import tensorflow as tf

    _layer(model, layer_name)
    classes = model.output_shape[-1]
    if class_index is not None and not 0 <= class_index < classes:
        raise UsageError(f"Expected a class from 0 to {classes - 1}. Received: {class_index}.")
    # A model that was loaded from a file no longer joins its layers to its outputs; a clone does.
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    maps_and_logits = keras.Model(
        clone.inputs[0], [clone.get_layer(layer_name).output, clone.outputs[0]]
    )
    with tf.GradientTape() as tape:
        maps, logits = maps_and_logits(_batch_of_one(model, image))
        if class_index is None:
            class_index = int(np.argmax(logits[0]))
        score = logits[0, class_index]
    slopes = tape.gradient(score, maps)  # (1, height, width, channels)
    weights = tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)  # one weight a map
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))[0].numpy()
    return heat / heat.max() if heat.max() > 0 else heat
