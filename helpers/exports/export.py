"""Write a model for programs without Keras, and check it on images. Introduced in lesson 7.

export_model(model, "scratch/cnn.tflite", dataset.test.images)      # LiteRT
export_model(model, "scratch/cnn.onnx", dataset.test.images)        # ONNX
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import MismatchError, UsageError, kind_of
from helpers.basics.files import as_path, written_whole
from helpers.basics.own_words import in_its_own_words
from helpers.basics.quiet import no_word_of_tracing
from helpers.exports.litert import run_litert, to_litert
from helpers.exports.onnx import run_onnx, to_onnx
from helpers.models.fit_check import output_shape
from helpers.models.losses import gives_probabilities
from helpers.models.trained_on import trained_on

if TYPE_CHECKING:
    import keras

ENDINGS = (".tflite", ".onnx")
MOST_IMAGES = 1_000  # that are compared
# How far the answers may lie apart, of the largest one and of 1. Measured: 3e-5 at most.
SAME = 1e-4


def export_model(model: keras.Model, path: str | os.PathLike, images: np.ndarray) -> Path:
    """Write a model as a file of LiteRT or ONNX, once both answer the same.

    The file takes float32 images (batch, height, width, channels) with the values that the model
    takes, and gives the numbers that the model gives. Beside it a .json file says what they mean:
    the names of the classes, the size of the images, whether the numbers are logits.

    Args:
        model: a Keras model.
        path: where to; the ending .tflite or .onnx says which. Folders are made where needed.
        images: real ones, as the model was trained on them, such as `dataset.test.images`. The
            first 1,000 are given to the model and to the file.

    Returns:
        The path of the file.

    Raises:
        UsageError: something else is given, or the path has another ending.
        MismatchError: the model cannot be written in this format, or answers otherwise there.
            Nothing is kept.
        MissingPackageError: for ONNX, the packages that write and check it.
        StorageError: the disk is full, or nothing may be written there.

    Introduced in lesson 7.
    """
    path = checked_path(model, path, images)
    content = exported(model, path.suffix, images)
    with written_whole(path) as temporary:
        temporary.write_bytes(content)
    with written_whole(path.with_suffix(".json")) as temporary:
        about = json.dumps(facts_of(model, images), ensure_ascii=False, indent=1)
        temporary.write_text(about, encoding="utf-8")
    return path


def exported(model: keras.Model, ending: str, images: np.ndarray) -> bytes:
    """The content of such a file, after its answers were compared with those of the model.

    Raises:
        MismatchError, MissingPackageError: as `export_model`.

    Introduced in lesson 7.
    """
    images = images[:MOST_IMAGES]
    if output_shape(model, images) is None:
        raise MismatchError(
            "Expected a model with one output. Received: several. Give the one that classifies."
        )
    content = _converted(model, ending, images)
    with no_word_of_tracing():
        expected = model.predict(images, batch_size=100, verbose=0)
    received = (run_litert if ending == ".tflite" else run_onnx)(content, images)
    apart = float(np.abs(expected - received).max())
    if not apart <= SAME * max(1.0, float(np.abs(expected).max())):  # or nan
        raise MismatchError(
            f"Expected the answers of the model from the {ending} file. Received: others, up to "
            f"{apart:.2g} away. Nothing was kept. Look for layers that are random, or of your own."
        )
    return content


def _converted(model: keras.Model, ending: str, images: np.ndarray) -> bytes:
    try:
        content = to_litert(model, images.shape[1:])
    except Exception as error:  # whatever the converter says of a layer that it does not know
        raise MismatchError(
            "Expected a model of layers that LiteRT knows. Received: one with another, of which it "
            f"says: {in_its_own_words(error)}. Use layers of Keras in place of your own."
        ) from error
    return to_onnx(content) if ending == ".onnx" else content


def facts_of(model: keras.Model, images: np.ndarray) -> dict[str, object]:
    """What has to be known beside the file: classes, images, and what the numbers are.

    Introduced in lesson 7.
    """
    known = trained_on(model)
    shape = {"image_shape": list(images.shape[1:])}
    numbers = "probabilities" if gives_probabilities(model, images) else "logits"
    return {**(known.as_plain() if known else shape), "gives": numbers}


def checked_path(
    model: object, path: object, images: object, endings: Sequence[str] = ENDINGS
) -> Path:
    """The path, where all three are what they should be; raises UsageError otherwise."""
    if not hasattr(model, "predict") or not callable(model):
        raise UsageError(
            f"Expected a Keras model, then a path, then images. Received: {kind_of(model)}."
        )
    path = as_path(path)
    if path.suffix not in endings:
        raise UsageError(
            f"Expected a path that ends in {' or '.join(endings)}. Received: {path.name}. "
            "save_model writes .keras files."
        )
    if not isinstance(images, np.ndarray) or images.ndim != 4 or not len(images):
        raise UsageError(
            "Expected images to compare the answers on, (images, height, width, channels). "
            f"Received: {kind_of(images)} of shape {np.shape(images)}. Give dataset.test.images."
        )
    return path
