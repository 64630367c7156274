"""Ask a model about pictures that it has never seen. Introduced in lesson 5.

    answer = predict(model, "photo.jpg")          # or a folder, several paths, a Pillow image, ...
    answer.plot()

A model that `train` trained, or that was loaded from a file of `save_model`, carries the names of
its classes and what its training images were like. So a photo is treated exactly as they were,
and no dataset is needed.
"""

from __future__ import annotations

import contextlib
import math
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import MismatchError, UsageError, kind_of
from helpers.datasets.dataset import ImageDataset, Split
from helpers.models.cnn import SMALL_SCALE
from helpers.models.fit_check import output_shape
from helpers.models.graph import pixel_scale
from helpers.models.trained_on import FORGET, TrainedOn, trained_on
from helpers.results.given import read_given
from helpers.results.prediction import Prediction
from helpers.results.probabilities import log_probabilities

if TYPE_CHECKING:
    import keras

NOT_KNOWN = (
    "The model does not say what it was trained on: its file was not written by save_model after "
    "train. predict(model, pictures, dataset=dataset) says it, and "
    "save_model(model, path, dataset) writes it into the file."
)


def predict(
    model: keras.Model,
    pictures: object,
    *,
    dataset: ImageDataset | None = None,
    pixels: tuple[float, float] | None = None,
    least_confidence: float = 0.0,
) -> Prediction:
    """Ask `model` what new pictures show.

    A photo becomes what `load_dataset` made of the training images: upright, in the same colours,
    of the same size, resized in the same way. Nothing is fetched from the network.

    Args:
        model: a Keras model, trained by `train` or loaded by `load_model`.
        pictures: the path of a photo, or of a folder of photos, in it and in the folders inside;
            an image of Pillow; an array (height, width), (height, width, channels) or (images,
            height, width, channels), with whole numbers from 0 to 255; or a list of these. The
            files that cannot be read are passed over, and the answer says which and why.
        dataset: what the model was trained on, where it does not know that itself.
        pixels: (black, white) for arrays of floats, such as (0, 1), which say it in no other way.
            Not needed for a model that was trained on such floats.
        least_confidence: 0 to 1. Where no class is so probable, the answer is "none of these".

    Returns:
        A `Prediction`: the classes with their probabilities, as a picture with bars, as a table.

    Raises:
        UsageError: something else is given, or what cannot be meant in one way only.
        MissingFileError: there is no such file.
        FolderError: no file that could be used.
        MismatchError: the model and the classes or the images do not fit together.
        NotEnoughMemoryError: the pictures do not fit into the memory.

    Introduced in lesson 5.
    """
    if not hasattr(model, "predict") or not callable(model):
        raise UsageError(
            'Expected a Keras model, then pictures: predict(model, "photo.jpg"). Received: '
            f"{kind_of(model)} and {kind_of(pictures)}."
        )
    if isinstance(pictures, Split | ImageDataset):
        raise UsageError(
            f"Expected pictures without labels. Received: {kind_of(pictures)}. Give its images, "
            "such as dataset.test.images; evaluate(model, dataset.test) compares with the labels."
        )
    check_least_confidence(least_confidence)
    pixels = _checked_range(pixels)
    known = _known(model, dataset)
    like = known or _guessed(model)
    given = read_given(pictures, like, pixels)
    labels = np.zeros(len(given.images), np.int64)
    split = Split("new", given.images, labels, like.class_names, "new pictures")
    return Prediction(
        names=given.names,
        images=given.images,
        probabilities=np.exp(log_probabilities(model, split)),
        class_names=like.class_names,
        least_confidence=float(least_confidence),
        findings=given.findings,
        note="" if known else NOT_KNOWN,
    )


def check_least_confidence(least_confidence: object) -> None:
    """Raise UsageError where it is no share."""
    a_share = isinstance(least_confidence, Real) and 0 <= least_confidence <= 1
    if not a_share or isinstance(least_confidence, bool):
        raise UsageError(
            f"Expected least_confidence as a number from 0 to 1. Received: {least_confidence!r}. "
            "Divide percent by 100."
        )


def _checked_range(pixels: object) -> tuple[float, float] | None:
    if pixels is None:
        return None
    pair = isinstance(pixels, list | tuple) and len(pixels) == 2
    numbers = pair and all(isinstance(number, Real) for number in pixels)
    with contextlib.suppress(OverflowError):  # a whole number beyond all floats
        if numbers and pixels[0] < pixels[1] and all(map(math.isfinite, pixels)):
            return float(pixels[0]), float(pixels[1])
    raise UsageError(
        "Expected pixels as two numbers, that for black and that for white, such as (0, 1). "
        f"Received: {pixels!r}."
    )


def _known(model: keras.Model, dataset: ImageDataset | None) -> TrainedOn | None:
    known = trained_on(model)
    if dataset is None:
        return known
    said = TrainedOn.of(dataset)
    if known and known != said:
        ours, theirs = known.as_plain(), said.as_plain()
        what = next(key for key in ours if ours[key] != theirs[key])
        raise MismatchError(
            f"Expected the dataset that the model was trained on, with the {what} "
            f"{str(ours[what])[:200]}. Received: one with {str(theirs[what])[:200]}. Leave dataset "
            "out: the model knows what it was trained on. If Keras' fit has trained it on this "
            f"dataset since: {FORGET}"
        )
    return said


def _guessed(model: keras.Model) -> TrainedOn:
    """What a model without a word about its training can only have been trained on."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:]:
        raise UsageError(
            "Expected a model that says what size its images have. Received: one that takes "
            f"{shape}. {NOT_KNOWN}"
        )
    image_shape = tuple(shape[1:])
    blank = np.zeros((1, *image_shape), np.uint8)
    scale = pixel_scale(model, blank)
    if scale is None or scale >= SMALL_SCALE:
        raise UsageError(
            "Expected a model that scales pixels from 0 to 255 itself, or that says what its "
            f"pixels were. Received: one that does neither. {NOT_KNOWN}"
        )
    gives = output_shape(model, blank)
    if gives is None or len(gives) != 2:
        raise MismatchError(
            "Expected a model that gives one number a class. Received: "
            f"{f'an output of shape {gives}' if gives else 'several outputs'}. Give the model "
            "that classifies."
        )
    classes = 2 if gives[1] == 1 else gives[1]
    return TrainedOn(tuple(f"class {number}" for number in range(classes)), image_shape)
