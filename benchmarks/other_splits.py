#!/usr/bin/env python3
"""Are the test images harder than the validation images? Lesson 5 asks, ten other cuts answer.

    python benchmarks/other_splits.py            four minutes on two cores

The lesson's network is trained ten times, each time with other images held out for validation and
with another seed. Nothing is decided on any of them. benchmarks/results/other_splits.json gets the
accuracy on both kinds of images.
"""

from machine import machine, write_result
from tqdm import tqdm

from helpers import build_cnn, evaluate, load_dataset, train

SPLITS = range(1, 11)  # the lesson's own is 0


def accuracies(split: int) -> dict[str, float]:
    dataset = load_dataset("fashion_mnist", seed=split)
    model = build_cnn(dataset, seed=split)
    train(model, dataset, epochs=5, seed=split, progress=False)
    both = {"validation": dataset.validation, "test": dataset.test}
    return {name: round(evaluate(model, images).accuracy, 4) for name, images in both.items()}


if __name__ == "__main__":
    measured = {str(split): accuracies(split) for split in tqdm(SPLITS)}
    write_result("other_splits", {"machine": machine(), "splits": measured})
