#!/usr/bin/env python3
"""Measure what the oneDNN library brings in training the course's networks on this processor.

    python benchmarks/onednn.py

The network of each recipe is trained on the bundled images in processes of their own, on one
thread: with oneDNN, without it, and as TensorFlow decides by itself, in turn. The processor
seconds of the second epoch go to the screen and to benchmarks/results/onednn.json.
"""

import json
import os
import subprocess
import sys

from machine import ONE_THREAD, SecondEpoch, machine, summary, write_result

SETTINGS = {"with oneDNN": "1", "without": "0", "TensorFlow's own choice": None}
RECIPES = ("CLASSIC", "FAST", "ACCURATE")
REPEATS = 3


def epoch_seconds(name: str) -> float:
    """Processor seconds of an epoch of plain `fit`, once the graph is there."""
    from helpers import load_dataset, recipes

    dataset = load_dataset("fashion_mnist")
    recipe = getattr(recipes, name).but(label_smoothing=0)  # plain `fit` gives whole numbers
    model = recipe.build(dataset)
    images, labels = dataset.train.images, dataset.train.labels
    second = SecondEpoch()
    model.fit(
        images, labels, batch_size=recipe.batch_size, epochs=2, verbose=0,
        callbacks=[second.callback()],
    )  # fmt: skip
    return second.speed(len(images))["cpu_seconds"]


def measured_alone(setting: str | None) -> dict[str, float]:
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    environment |= ONE_THREAD | ({} if setting is None else {"TF_ENABLE_ONEDNN_OPTS": setting})
    command = [sys.executable, __file__, "once"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    from ours import recipe_text

    from helpers import recipes

    runs = {name: [] for name in SETTINGS}
    for _ in range(REPEATS):
        for name, setting in SETTINGS.items():
            runs[name].append(measured_alone(setting))
            print(name, {recipe: round(s, 1) for recipe, s in runs[name][-1].items()}, flush=True)
    result = {
        "what": "processor seconds of an epoch, bundled images",
        "machine": machine(),
        "recipes": {name: recipe_text(getattr(recipes, name)) for name in RECIPES},
        "cpu_seconds": {
            name: {recipe: summary([run[recipe] for run in of_setting], 1) for recipe in RECIPES}
            for name, of_setting in runs.items()
        },
    }
    write_result("onednn", result)


if __name__ == "__main__":
    if sys.argv[1:] == ["once"]:
        # Keras first, so that the helpers come too late to choose anything.
        import keras  # noqa: F401

        print(json.dumps({recipe: epoch_seconds(recipe) for recipe in RECIPES}))
    else:
        main()
