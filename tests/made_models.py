"""Model files as tests make, change and look at them.

Every file is a real one: saved by Keras, by h5py, zipfile or pickle, then changed as a bad disk
or a bad person would. What is compared with is Keras itself and the bytes on disk.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

import helpers
from helpers.basics.errors import (
    CourseError,
)
from helpers.model_files.load import load_model
from helpers.model_files.save import save_model

PROJECT = Path(helpers.__file__).parent.parent


IMAGES = np.random.default_rng(0).integers(0, 256, (16, 12, 12, 1), dtype=np.uint8)


LABELS = np.arange(16) % 3


def sequential() -> keras.Model:
    """With all that an image model of the course has: augmentation, norm, dropout."""
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3),
        ]
    )


def trained(model: keras.Model) -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(IMAGES, LABELS, batch_size=8, verbose=0)
    return model


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(path: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def layer(kind: str, module: str = "keras.layers", **config) -> dict:
    """A layer as a config describes it."""
    config = {"name": "added", **config}
    return {"module": module, "class_name": kind, "config": config, "registered_name": kind}


def add_first(added: dict) -> Callable[[dict], None]:
    """A change of a config: `added` comes right after the input."""
    return lambda config: config["config"]["layers"].insert(1, added)


def refused(path: Path, kind: type[CourseError], *words: str) -> str:
    """Load a file, check that it is refused with its name and these words; give the message."""
    with pytest.raises(kind) as caught:
        load_model(path)
    message = str(caught.value)
    assert type(caught.value) is kind
    for word in ("Expected", "Received", path.stem, *words):
        assert word in message
    assert len(message) < 700
    assert "\n" not in message
    return message


def changed_weights(good: dict[str, bytes], change: Callable[[h5py.File], object]) -> bytes:
    buffer = io.BytesIO(good["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        change(file)
    return buffer.getvalue()


@contextlib.contextmanager
def child_process(program: str, *arguments: str) -> Iterator[subprocess.Popen]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", program, *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def with_layers(*added, **compiled) -> keras.Model:
    built = keras.Sequential([keras.Input((12, 12, 1)), *added, layers.Flatten(), layers.Dense(3)])
    if compiled:
        built.compile(**compiled)
    return built


def assert_comes_back(before: keras.Model, path: Path, inputs: object = IMAGES) -> None:
    after = load_model(save_model(before, path))
    old, new = (keras.tree.flatten(m(inputs, training=False)) for m in (before, after))
    for first, second in zip(old, new, strict=True):
        np.testing.assert_array_equal(first, second)
