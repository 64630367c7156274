#!/usr/bin/env python3
"""Measure what the oneDNN library brings in training the classic CNN on this processor.

    python benchmarks/onednn.py

The classic CNN is trained on the bundled images, batches of 32, in processes of their own:
with oneDNN, without it, and as TensorFlow decides by itself, in turn. The figures go to the
screen and to benchmarks/results/onednn.json.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

SETTINGS = {"with oneDNN": "1", "without": "0", "TensorFlow's own choice": None}
REPEATS = 3
EPOCHS = 2
RESULT = Path(__file__).parent / "results" / "onednn.json"


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def train_plainly() -> float:
    """Processor seconds of training, without any of the helpers' settings."""
    import keras

    from helpers import build_cnn, load_dataset

    dataset = load_dataset("fashion_mnist")
    model = build_cnn(dataset)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss)
    model.fit(dataset.train.images[:32], dataset.train.labels[:32], verbose=0)  # builds the graph
    before = cpu_seconds()
    model.fit(dataset.train.images, dataset.train.labels, epochs=EPOCHS, verbose=0)
    return cpu_seconds() - before


def main() -> None:
    measured = {name: [] for name in SETTINGS}
    for _ in range(REPEATS):
        for name, value in SETTINGS.items():
            environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
            environment |= {"TF_CPP_MIN_LOG_LEVEL": "2"}
            environment |= {} if value is None else {"TF_ENABLE_ONEDNN_OPTS": value}
            command = [sys.executable, __file__, "once"]
            done = subprocess.run(
                command, env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            measured[name].append(float(done.stdout))
            print(f"{name}: {measured[name][-1]:.1f} processor seconds", flush=True)
    from machine import processor

    result = {
        "what": f"classic CNN, bundled images, batches of 32, {EPOCHS} epochs",
        "processor": processor(),
        "repeats": REPEATS,
        "median_cpu_seconds": {n: round(statistics.median(v), 1) for n, v in measured.items()},
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["once"]:
        # Keras first, so that quiet_tensorflow comes too late to set anything.
        import keras  # noqa: F401

        print(train_plainly())
    else:
        main()
