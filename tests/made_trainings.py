"""What tests of trainings share: small networks, and a way to let something go wrong."""

from __future__ import annotations

import errno
import functools

import numpy as np

from helpers import quiet_tensorflow, train
from helpers.training import TrainingRun

with quiet_tensorflow():
    import keras


def dense_model() -> keras.Model:
    """The smallest model that takes the images and learns something."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((18, 18, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )


def compiled(model: keras.Model, optimizer) -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    return model


@functools.cache
def built_once(kind) -> tuple[keras.Model, list[np.ndarray]]:
    model = kind()
    model = model if model.compiled else compiled(model, "adam")
    model.optimizer.build(model.trainable_variables)
    return model, [np.array(v) for v in (*model.variables, *model.optimizer.variables)]


def as_built(kind) -> keras.Model:
    """A model as `kind` builds it, with the graphs that Keras made of it in earlier tests.

    Making them takes nearly all the time of a short training.
    """
    model, values = built_once(kind)
    variables = [*model.variables, *model.optimizer.variables]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return model


EPOCHS = 4


STEPS = 3  # 24 images in batches of 8


def random_model(optimizer="adam") -> keras.Model:
    """All that makes going on hard: augmentation, batch norm, dropout, Adam."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((9, 9, 1)),
            layers.RandomFlip(),
            layers.Rescaling(1 / 255),
            layers.Conv2D(2, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(3),
        ]
    )
    return compiled(model, optimizer)


def go(model, small, folder=None, **options) -> TrainingRun:
    options = {"epochs": EPOCHS, "batch_size": 8, "patience": 50, "progress": False} | options
    return train(model, small, resume=folder, **options)


def bits(arrays) -> list[bytes]:
    return [np.asarray(array).tobytes() for array in arrays]


def bits_of(model: keras.Model) -> list[bytes]:
    return bits([*model.variables, *model.optimizer.variables])


def files_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def ends_as(reference, run: TrainingRun, model: keras.Model) -> None:
    assert run.stopped == ""
    assert dict(run.history) == dict(reference.run.history)
    assert bits_of(model) == reference.end


def at_call(monkeypatch, owner, name: str, number: int, do) -> list[str]:
    """Do something in place of the call of this number (from 1); gives the list of all calls."""
    function, calls = getattr(owner, name), []

    def counting(*args, **options):
        calls.append(name)
        return do() if len(calls) == number else function(*args, **options)

    monkeypatch.setattr(owner, name, counting)
    return calls


def interrupt():
    raise KeyboardInterrupt


def disk_full():
    raise OSError(errno.ENOSPC, "No space left on device")
