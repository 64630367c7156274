#!/usr/bin/env python3
"""Measure how soon a picture answers when a control is moved.

    python benchmarks/moving_pictures.py

Every control of every picture of helpers.widgets is moved to each of its places (of at most ten),
several times. What is timed is all that the kernel does: from the new value to the finished
<img> of the page. The browser adds its own time. The images are the bundled ones, the evaluation
is of a network that was trained for one epoch. Seconds go into
benchmarks/results/moving_pictures.json.
"""

import time
from collections.abc import Iterator

import numpy as np
from machine import machine, summary, write_result

from helpers import build_cnn, evaluate, load_dataset, train
from helpers.widgets import (
    MovingPicture,
    explore_descent,
    explore_images,
    explore_kernel,
    explore_rates,
    explore_threshold,
    explore_windows,
)

REPEATS = 3


def places(control: object) -> list[object]:
    """At most ten values of a control."""
    if hasattr(control, "options"):
        values = [option[1] if isinstance(option, tuple) else option for option in control.options]
        return values[:10]
    values = np.linspace(control.min, min(control.max, 100), 10)
    return [kind(value) for kind, value in zip([type(control.value)] * 10, values, strict=True)]


def seconds_of(moving: MovingPicture) -> Iterator[float]:
    for _ in range(REPEATS):
        for control in moving.controls.values():
            for value in places(control):
                if control.value != value:
                    start = time.perf_counter()
                    control.value = value
                    yield time.perf_counter() - start


def main() -> None:
    dataset = load_dataset("fashion_mnist")
    model = build_cnn(dataset, seed=0)
    train(model, dataset, epochs=1, seed=0, progress=False)
    diagnosis = evaluate(model, dataset.validation)
    pictures = {
        "explore_kernel": explore_kernel(dataset.train.images[25]),
        "explore_windows": explore_windows(),
        "explore_descent": explore_descent(),
        "explore_rates": explore_rates(),
        "explore_images, a split": explore_images(dataset.train),
        "explore_images, an evaluation": explore_images(diagnosis),
        "explore_threshold": explore_threshold(diagnosis),
    }
    measured = {}
    for name, moving in pictures.items():
        measured[name] = summary([*seconds_of(moving)])
        print(f"{name:30} {measured[name]}", flush=True)
    write_result("moving_pictures", {"machine": machine(), "seconds": measured})


if __name__ == "__main__":
    main()
