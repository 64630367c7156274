"""Checks of networks that a learner built: by what they do, and by what is public of them.

A model is called with made-up images, so Sequential, functional and subclassed ones are held to the
same, and one in PyTorch where the exercise says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from scipy.special import softmax

from helpers.basics.own_words import in_its_own_words
from helpers.checking.limits import run
from helpers.checking.plain import Wrong, as_array, plain, received
from helpers.checking.values import Check, close

if TYPE_CHECKING:
    import keras

IMAGES = 4
# What is asked of a model, given the images that it got and what it made of them.
Property = Callable[[Any, np.ndarray, np.ndarray], None]


def network(
    image_shape: tuple[int, int, int], classes: int, *properties: Property, torch: bool = False
) -> Check:
    """A check of a model that takes images and gives a number for each class.

    Args:
        image_shape: height, width and channels of its images, with pixels from 0 to 255.
        classes: how many numbers it gives for an image.
        properties: what else is asked of it, in this order.
        torch: whether a module of PyTorch is taken too. It gets float32, channels first.
    """

    def check(answer: object) -> None:
        images = np.random.default_rng(0).integers(0, 256, (IMAGES, *image_shape)).astype("uint8")
        given = as_array(run(called, answer, images, torch))
        if given.shape != (IMAGES, classes):
            raise Wrong(
                f"Expected {classes} numbers for each image, so ({IMAGES}, {classes}) for "
                f"{IMAGES} images. Your model gives {given.shape}."
            )
        for each in properties:
            each(answer, images, given)

    return check


def called(model: object, images: np.ndarray, torch: bool) -> object:
    """What a model of Keras gives, or, where `torch` is set, a module of PyTorch."""
    import keras

    if isinstance(model, type):
        raise Wrong(f"Expected a model. Received the class {model.__name__}: call it, with ().")
    if torch and hasattr(model, "parameters") and hasattr(model, "state_dict"):
        return _called_torch(model, images)
    if not isinstance(model, keras.Model):
        hint = " Call it, with ()." if callable(model) else ""
        raise Wrong(f"Expected a model of Keras. Received: {received(plain(model))}.{hint}")
    try:
        return model(images.astype("float32"), training=False)
    except Exception as error:
        raise Wrong(
            f"The model does not take images of the shape {images.shape[1:]}: "
            f"{in_its_own_words(error, 200)}."
        ) from None


def _called_torch(model: Any, images: np.ndarray) -> object:
    import torch

    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return model(torch.from_numpy(images.transpose(0, 3, 1, 2).astype("float32")))
    except Exception as error:
        raise Wrong(
            "The model does not take images of the shape "
            f"{(images.shape[3], *images.shape[1:3])}, channels first: "
            f"{in_its_own_words(error, 200)}."
        ) from None
    finally:
        model.train(was_training)


def called_layers(model: Any, images: np.ndarray) -> list[keras.layers.Layer]:
    """The layers in the order in which the network uses them, each as often as it does.

    Those inside own layers and inside models are among them. A subclassed network does not say this
    order, so it is watched while it answers.
    """
    import keras
    import tensorflow as tf

    order, call = [], keras.layers.Layer.__call__

    def watched(layer: keras.layers.Layer, *arguments: Any, **settings: Any) -> Any:
        if not getattr(layer, "layers", None):  # no model: its layers follow
            order.append(layer)
        return call(layer, *arguments, **settings)

    compiled = not tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)  # a call that was compiled goes by its layers only once
    try:
        with mock.patch.object(keras.layers.Layer, "__call__", watched):
            model(images.astype("float32"), training=False)  # as in `called`
    finally:
        tf.config.run_functions_eagerly(not compiled)
    return order


def has(kind: str, least: int = 1, **settings: object) -> Property:
    """Asks for layers of this kind, such as "Conv2D", that have these settings."""

    def check(model: Any, images: np.ndarray, given: np.ndarray) -> None:
        used = dict.fromkeys(called_layers(model, images))  # each once
        found = [layer for layer in used if type(layer).__name__ == kind]
        if len(found) < least:
            raise Wrong(f"Expected {least} of the layer {kind}. Your model has {len(found)}.")
        for name, wanted in settings.items():
            fitting = [layer for layer in found if getattr(layer, name, None) == wanted]
            if len(fitting) < least:
                raise Wrong(f"Expected {name}={wanted!r} in {least} of its layers {kind}.")

    return check


def gives_logits(model: Any, images: np.ndarray, given: np.ndarray) -> None:
    """Asks for logits: numbers of any size, that no softmax has changed."""
    if np.allclose(given.sum(axis=1), 1, atol=1e-3) and (given >= 0).all():
        raise Wrong(
            "The numbers of each image add up to 1: these are probabilities. Logits are asked "
            "for, so the last layer has no activation."
        )
    for layer in [] if hasattr(model, "state_dict") else called_layers(model, images)[-1:]:
        kind, activation = type(layer).__name__, getattr(layer, "activation", None)
        name = getattr(activation, "__name__", "linear")
        if name != "linear":
            raise Wrong(f"The last layer has the activation {name}. A logit may be any number.")
        if kind in ("ReLU", "Softmax"):
            raise Wrong(f"The last layer is {kind}. A logit may be any number.")
    # Exactly 0, and nothing below: by chance no number that a linear layer gives is 0.
    if (given >= 0).all() and (given == 0).any():
        raise Wrong(
            f"{(given == 0).sum()} of {given.size} numbers are exactly 0, and none is negative. "
            "Something cuts off what lies below 0: look at the activation of the last layer."
        )


def scales(model: Any, images: np.ndarray, given: np.ndarray) -> None:
    """Asks for a model that takes pixels from 0 to 255 and brings them to 0..1 itself, once."""
    factors = [
        float(np.max(getattr(layer, "scale", 1.0)))
        for layer in called_layers(model, images)
        if type(layer).__name__ == "Rescaling"
    ]
    if not factors:
        raise Wrong("Nothing in the model scales the pixels. Expected a Rescaling layer, as first.")
    if not close(float(np.prod(factors)), 1 / 255):
        raise Wrong(
            f"The pixels are multiplied by {np.prod(factors):.3g} in all. Expected 1/255, once."
        )


def calculates_like(build: Callable[[], keras.Model]) -> Property:
    """Asks for a model that gives, with the same weights, what another one gives."""

    def check(model: Any, images: np.ndarray, given: np.ndarray) -> None:
        asked, before = build(), model.get_weights()
        shapes = [weights.shape for weights in before]
        if shapes != [weights.shape for weights in asked.get_weights()]:
            raise Wrong(
                "The weights of your network have other shapes than those of the network that is "
                "asked for. Compare the layers one by one with `summary()`."
            )
        random = np.random.default_rng(0)
        drawn = [random.normal(0, 0.3, shape).astype("float32") for shape in shapes]
        try:
            model.set_weights(drawn)
            found = as_array(run(called, model, images, False))
        finally:
            model.set_weights(before)
        asked.set_weights(drawn)
        if not np.allclose(found, as_array(called(asked, images, False)), rtol=1e-2, atol=1e-2):
            raise Wrong(
                "With the same weights your network gives other numbers than the one that is asked "
                "for. Which step stands where, and with which activation?"
            )

    return check


def loss_fits(model: Any, images: np.ndarray, given: np.ndarray, *, one_hot: bool = False) -> None:
    """Asks for a compiled model whose loss is the cross-entropy of what it gives, counted once.

    `one_hot` says that its loss may also be one for labels that are a row of 0 and 1.
    """
    if getattr(model, "loss", None) is None:
        raise Wrong("The model has no loss yet. Expected a model that was compiled.")
    given = given.astype(float)
    if np.allclose(given.sum(axis=1), 1, atol=1e-3) and (given >= 0).all():
        chances = given
    else:
        chances = softmax(given, axis=1)
    # With one set of labels another loss may give the same number by chance.
    for first in range(min(given.shape[1], 3)):
        labels = (np.arange(len(images)) + first) % given.shape[1]
        expected = -np.log(chances[np.arange(len(images)), labels]).mean()
        rows = np.eye(given.shape[1])[labels] if one_hot else None
        if not close(_loss(model, images, labels, rows), expected, 2e-3 * max(1.0, expected)):
            raise Wrong(
                "The loss is not the cross-entropy of what the model gives. Either softmax is "
                "taken twice, in the last layer and in the loss, or in neither of them."
            )


def _loss(
    model: Any, images: np.ndarray, labels: np.ndarray, rows: np.ndarray | None = None
) -> float:
    """The loss with these labels; where it does not take them, with `rows` in their place."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras says some of it too, less clearly
            found = model.evaluate(images, labels, batch_size=len(images), verbose=0)
    except Exception as error:
        if rows is not None:
            return _loss(model, images, rows)
        raise Wrong(
            "The loss does not take labels that are numbers of classes, such as 3: "
            f"{in_its_own_words(error, 200)}."
        ) from None
    # a penalty on large weights is counted in, and is no part of the cross-entropy
    return float(found[0] if isinstance(found, list) else found) - sum(map(float, model.losses))
