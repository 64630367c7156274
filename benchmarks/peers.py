#!/usr/bin/env python3
"""The other ways, each as a process of its own that measures itself: `make bench` runs them.

    python benchmarks/peers.py classic_script cifar10 0 10

Each prints what it took as JSON on its last line. Nothing here uses the course's settings for
TensorFlow: a peer runs as somebody would write it who has not taken the course, and the short
measurements also in the fastest form that it has. `helpers` only loads the images.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # the log only; nothing that changes speed

from machine import EpochMarks, SecondEpoch, cpu_seconds, speed

BATCH_SIZE = 32


def classic_model(shape: tuple[int, ...], classes: int):
    """The model of TensorFlow's "Convolutional Neural Network" tutorial; takes pixels 0 to 1.

    Its last layer gives 32-bit numbers, as Keras advises, where the others are told to use 16.
    """
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(classes, dtype="float32"),
        ]
    )
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def loaded(name: str):
    """The dataset; TensorFlow first, so that it starts with its own settings."""
    import tensorflow  # noqa: F401

    from helpers import load_dataset

    return load_dataset(name)


def classic_script(name: str, seed: str, epochs: str) -> dict:
    """The whole classic script: pixels divided into a float64 array, batches of 32, Adam."""
    import keras

    dataset = loaded(name)
    keras.utils.set_random_seed(int(seed))
    train_images, validation_images = (
        dataset.train.images / 255.0,
        dataset.validation.images / 255.0,
    )
    test_images = dataset.test.images / 255.0
    model = classic_model(dataset.image_shape, len(dataset.class_names))
    start, marks = time.perf_counter(), EpochMarks()
    history = model.fit(
        train_images, dataset.train.labels, epochs=int(epochs), verbose=0,
        validation_data=(validation_images, dataset.validation.labels),
        callbacks=[marks.callback()],
    ).history  # fmt: skip
    curve, wall = marks.curve(history["val_accuracy"]), time.perf_counter() - start
    _, accuracy = model.evaluate(test_images, dataset.test.labels, verbose=0)
    return {
        "cpu_seconds": curve[-1][0], "wall_seconds": wall, "test_accuracy": float(accuracy),
        "curve": curve, "source": dataset.source, "training_images": len(dataset.train),
    }  # fmt: skip


def keras_speed(
    name: str, images: str, batch_size: str, numbers: str = "float32", onednn: str = ""
) -> dict:
    """Training images a second of the classic net: plain `fit` on a float array, second epoch.

    In the first one TensorFlow builds the graph. `onednn`: "1" turns on the kernels that
    TensorFlow leaves unused on some processors.
    """
    if onednn:
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = onednn
    import keras

    dataset = loaded(name)
    keras.config.set_dtype_policy("mixed_bfloat16" if numbers == "bfloat16" else numbers)
    count = int(images)
    model = classic_model(dataset.image_shape, len(dataset.class_names))
    pixels, labels = dataset.train.images[:count] / 255.0, dataset.train.labels[:count]
    second = SecondEpoch()
    model.fit(
        pixels, labels, batch_size=int(batch_size), epochs=2, verbose=0,
        callbacks=[second.callback()],
    )  # fmt: skip
    return second.speed(count)


def torch_speed(name: str, images: str, batch_size: str, numbers: str = "float32") -> dict:
    """The same net in a well-written PyTorch loop: channels last, uint8 until the batch."""
    import torch
    from torch import nn

    from helpers import load_dataset

    dataset = load_dataset(name)
    count, batch = int(images), int(batch_size)
    torch.manual_seed(0)
    sides = [((side - 2) // 2 - 2) // 2 - 2 for side in dataset.image_shape[:2]]
    model = nn.Sequential(
        nn.Conv2d(dataset.image_shape[2], 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(64 * sides[0] * sides[1], 64), nn.ReLU(),
        nn.Linear(64, len(dataset.class_names)),
    ).to(memory_format=torch.channels_last)  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    pixels = torch.from_numpy(dataset.train.images[:count]).permute(0, 3, 1, 2)
    labels = torch.from_numpy(dataset.train.labels[:count])

    def epoch(most: int) -> None:
        for chosen in torch.randperm(len(pixels))[:most].split(batch):
            with torch.autocast("cpu", torch.bfloat16, enabled=numbers == "bfloat16"):
                answers = model(pixels[chosen].float() / 255)
            loss = nn.functional.cross_entropy(answers.float(), labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    epoch(4 * batch)
    before, start = cpu_seconds(), time.perf_counter()
    epoch(len(pixels))
    return speed(len(pixels), before, start)


def keras_predict(name: str) -> dict:
    """The classic net, `model.predict` on the test images as a float array, the second time."""
    dataset = loaded(name)
    model = classic_model(dataset.image_shape, len(dataset.class_names))
    pixels = dataset.test.images / 255.0
    model.predict(pixels, verbose=0)  # the graph, also of the last batch, which is smaller
    before, start = cpu_seconds(), time.perf_counter()
    model.predict(pixels, verbose=0)
    return speed(len(pixels), before, start)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    print(json.dumps(globals()[what](*arguments)))
