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

from helpers.basics.errors import MismatchError, MissingPackageError, UsageError, kind_of
from helpers.basics.files import as_path, written_whole
from helpers.basics.own_words import in_its_own_words
from helpers.basics.quiet import no_word_of_tracing
from helpers.exports.litert import run_litert, to_litert
from helpers.exports.onnx import run_onnx, to_onnx
from helpers.models.fit_check import output_shape
from helpers.models.graph import ending
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
    takes, and gives the numbers that the model gives. Beside it a file of its name and .json says
    what they mean: the names of the classes, the size of the images, whether the numbers are
    logits. A model that computes with 16 bits is written with 32, and compared as such.

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
    about = json.dumps(facts_of(model, images), ensure_ascii=False, indent=1)
    for written, target in ((content, path), (about.encode(), facts_path(path))):
        with written_whole(target) as temporary:
            temporary.write_bytes(written)
    return path


def facts_path(path: Path) -> Path:
    """Where the facts about an exported file lie: beside it. Introduced in lesson 7."""
    return path.with_name(f"{path.name}.json")


def exported(model: keras.Model, ending: str, images: np.ndarray) -> bytes:
    """The content of such a file, after its answers were compared with those of the model.

    Raises:
        MismatchError, MissingPackageError: as `export_model`.

    Introduced in lesson 7.
    """
    images, model = images[:MOST_IMAGES], in_32_bits(model)
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
    kind = "LiteRT"
    try:
        content = to_litert(model, images.shape[1:])
        if ending == ".onnx":
            kind = "ONNX"
            content = to_onnx(content)
            run_onnx(content, images[:1])
    except MissingPackageError:
        raise
    except Exception as error:  # whatever the converters say of a layer that they do not know
        raise MismatchError(
            f"Expected a model of layers that {kind} knows. Received: one with another, of which "
            f"it says: {in_its_own_words(error)}. Use other layers in its place."
        ) from error
    return content


def in_32_bits(model: keras.Model) -> keras.Model:
    """The same model with float32 throughout, where it computes with 16 bits. Lesson 7."""
    if not any(getattr(each, "compute_dtype", "").endswith("float16") for each in model.layers):
        return model

    def plain(part: object) -> object:
        if isinstance(part, dict):
            if part.get("class_name") == "DTypePolicy":
                return "float32"
            return {key: plain(value) for key, value in part.items()}
        if isinstance(part, list | tuple):
            return type(part)(map(plain, part))
        return "float32" if part in ("bfloat16", "mixed_bfloat16", "float16") else part

    twin = type(model).from_config(plain(model.get_config()))
    twin.build(model.input_shape)
    twin.set_weights(model.get_weights())
    return twin


def facts_of(model: keras.Model, images: np.ndarray) -> dict[str, object]:
    """What has to be known beside the file: classes, images, and what the numbers are.

    Raises:
        MismatchError: the model has learned from images of another shape, or has not one number
            a class.

    Introduced in lesson 7.
    """
    known, end = trained_on(model), ending(model, images)
    facts = {"image_shape": list(images.shape[1:])}
    if known:
        if known.image_shape != images.shape[1:]:
            raise MismatchError(
                f"Expected images of shape {known.image_shape}, as the model was trained on. "
                f"Received: {images.shape[1:]}. Give dataset.test.images."
            )
        known.check_outputs(output_shape(model, images))
        facts = known.as_plain()
    numbers = "probabilities" if gives_probabilities(model, images, end) else "logits"
    if end.operation == "Sigmoid" and end.classes > 1:
        numbers = "sigmoids"  # each by itself: before they are compared, they become logits
    return {**facts, "gives": numbers}


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
