"""Functions of learners that ask a network which scales its pixels itself."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from helpers.checking.functions import function

# A network whose classes are told by their brightness: dark, middle and bright.

MIDDLES = np.array([0.1, 0.5, 0.9])


def _photos(count: int) -> np.ndarray:
    """Every brightness, and no photo that lies between two classes."""
    levels = np.resize([230, 20, 130, 250, 5, 120, 140, 225, 40], count)
    noise = np.random.default_rng(count).integers(-5, 6, (count, 8, 6, 1))
    return (levels[:, np.newaxis, np.newaxis, np.newaxis] + noise).astype(np.uint8)


def _class_by_brightness(photos: np.ndarray) -> np.ndarray:
    return np.abs(photos.mean(axis=(1, 2, 3))[:, np.newaxis] / 255 - MIDDLES).argmin(axis=1)


def _logits(photos: np.ndarray) -> np.ndarray:
    return 2 * photos.mean(axis=(1, 2, 3))[:, np.newaxis] / 255 * MIDDLES - MIDDLES**2


@functools.cache
def _network_by_brightness() -> Any:
    import keras

    class Network(keras.Sequential):
        __name__ = "model"  # as messages call it

        def __deepcopy__(self, memo: dict) -> Network:  # each call gets this one
            return self

    return Network(
        [
            keras.Input((8, 6, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(len(MIDDLES)),
        ]
    )


def names_photos(answer: object) -> None:
    """Asks for a function of (model, photos) that gives the number of the class of each photo."""
    network = _network_by_brightness()
    network.set_weights([2 * MIDDLES[np.newaxis], -(MIDDLES**2)])
    told = [
        (lambda model, photos: _class_by_brightness(photos / 255),
         "It gives class 0 to every photo, the bright ones too. Try it: give the model "
         "`photos[:1]` and then `photos[:1] / 255.0`, and compare the logits. In which layer are "
         "the pixels scaled?"),
        (lambda model, photos: _logits(photos).argmax(axis=0),
         "It looks for the largest number among the photos. It is asked for among the classes, "
         "for each photo."),
        (lambda model, photos: _logits(photos),
         "These are the logits. Asked for is the number of the class, for each photo."),
    ]  # fmt: skip
    cases = [(network, _photos(count)) for count in (2, 35)]
    function(lambda model, photos: _class_by_brightness(photos), cases, told=told)(answer)
