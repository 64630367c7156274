"""LiteRT (once called TensorFlow Lite): a model for telephones and small computers. Lesson 7."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.quiet import quiet_error_stream, quiet_tensorflow

if TYPE_CHECKING:
    import keras

AT_ONCE = 100  # images


def to_litert(model: keras.Model, image_shape: tuple[int, ...]) -> bytes:
    """The model as a file of LiteRT: takes float32 (batch, *image_shape), values as the model does.

    Introduced in lesson 7.
    """
    with quiet_tensorflow():
        import keras
        import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder, quiet_interpreter():
        saved = str(Path(folder, "model"))
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(
            "serve",
            lambda image: model(image, training=False),
            input_signature=[tf.TensorSpec((None, *image_shape), tf.float32, name="image")],
        )
        archive.write_out(saved, verbose=False)
        return tf.lite.TFLiteConverter.from_saved_model(saved).convert()


@contextlib.contextmanager
def quiet_interpreter() -> Iterator[None]:
    """No word of where files were written, nor of the day when the interpreter moves elsewhere."""
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with quiet_error_stream(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is deprecated")
            yield
    finally:
        logger.setLevel(before)


def run_litert(content: bytes, images: np.ndarray) -> np.ndarray:
    """What such a file gives for images (images, height, width, channels): float32.

    Introduced in lesson 7.
    """
    import tensorflow as tf

    answers = []
    with quiet_interpreter():
        interpreter = tf.lite.Interpreter(model_content=content)
        place = interpreter.get_input_details()[0]["index"]
        for start in range(0, len(images), AT_ONCE):
            some = images[start : start + AT_ONCE].astype(np.float32)
            interpreter.resize_tensor_input(place, some.shape)
            interpreter.allocate_tensors()
            interpreter.set_tensor(place, some)
            interpreter.invoke()
            answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.concatenate(answers)
