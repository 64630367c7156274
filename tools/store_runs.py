"""Train, with ten seeds, what is stored for comparison (`make runs`).

The baseline of the experiments, and Adam with the learning rates that lesson 4 lets the reader
choose from.
"""

import json
from dataclasses import asdict
from pathlib import Path

import keras

from helpers import ImageDataset, build_cnn, load_dataset, train
from helpers.practice.experiment import BASELINE, STORE, key_of, train_once
from helpers.widgets.descent import STORE as RATES

SEEDS = range(10)
LEARNING_RATES = ("0.00001", "0.0001", "0.0003", "0.001", "0.003", "0.01", "0.03", "0.1", "0.2")


def store(path: Path, runs: dict) -> None:
    path.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")


def accuracies(dataset: ImageDataset, rate: str, seed: int) -> list[float]:
    """After each of five epochs of Adam, on the validation images."""
    model = build_cnn(dataset, seed=seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(float(rate)), loss=loss, metrics=["accuracy"])
    run = train(model, dataset, epochs=5, seed=seed, progress=False)
    return [round(accuracy, 4) for accuracy in run.history["val_accuracy"]]


def main() -> None:
    dataset = load_dataset("fashion_mnist")
    few = dataset.subset(2_000, seed=0)
    rates = {rate: [accuracies(few, rate, seed) for seed in SEEDS] for rate in LEARNING_RATES}
    store(RATES, rates)
    runs = {seed: asdict(train_once(BASELINE, dataset, seed)) for seed in SEEDS}
    store(STORE, {key_of(dataset): runs})


if __name__ == "__main__":
    main()
