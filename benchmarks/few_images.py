#!/usr/bin/env python3
"""How many images does a network need that has learned from a million others before?

    python benchmarks/few_images.py cifar10        the full dataset, in data/cifar10/
    python benchmarks/few_images.py practice       photos made of the bundled images

For 5, 10, 20, 50 and 100 training images a class, five draws of them each: the classic CNN from
scratch (mirrored copies, 1,500 steps or 100 epochs), and logistic regression on the features of
EfficientNet-Lite0. Both are asked about the same test images, which no choice was made on. Goes
into benchmarks/results/few_images_<name>.json.
"""

import sys
import time
from dataclasses import replace

import numpy as np
from machine import machine, write_result
from sklearn.linear_model import LogisticRegression

from helpers import ImageDataset, build_cnn, evaluate, load_dataset, train
from helpers.datasets import flip_sideways
from helpers.lessons import make_practice_photos
from helpers.models import build_pretrained

SEEDS = range(5)
SIZES = (5, 10, 20, 50, 100)
STEPS, MOST_EPOCHS, BATCH = 1_500, 100, 32
MOST_TEST = 2_000  # images; ten times as many would tell no more about means of five draws


def features_of(dataset: ImageDataset, images: np.ndarray) -> np.ndarray:
    """What the frozen network gives, for logistic regression."""
    import keras

    model = build_pretrained(dataset)
    features = keras.Model(model.inputs[0], model.get_layer("dropout").input)
    return features.predict(images, batch_size=100, verbose=0)


def drawn(labels: np.ndarray, each: int, seed: int) -> np.ndarray:
    """So many images of each class."""
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [
            rng.permutation(np.flatnonzero(labels == label))[:each]
            for label in range(labels.max() + 1)
        ]
    )


def from_scratch(dataset: ImageDataset, chosen: np.ndarray, seed: int) -> float:
    few = replace(dataset, train=dataset.train.take(chosen), validation=dataset.validation.take(0))
    model = build_cnn(few, seed=seed)
    epochs = min(MOST_EPOCHS, -(-STEPS * BATCH // len(chosen)))
    train(model, few, epochs=epochs, augment=[flip_sideways], seed=seed, progress=False)
    return evaluate(model, dataset.test).accuracy


def main() -> None:
    name = sys.argv[1]
    if name == "cifar10":
        dataset = load_dataset("cifar10")
    else:
        folder = make_practice_photos("scratch/few_images", each=200, faults=False)
        dataset = load_dataset(folder, image_size=(64, 64), validation_images=0)
    test = np.random.default_rng(0).permutation(len(dataset.test))[:MOST_TEST]
    dataset = replace(dataset, test=dataset.test.take(np.sort(test)))
    labels = dataset.train.labels
    sizes = [each for each in SIZES if each <= np.bincount(labels).min()]
    chosen = {(each, seed): drawn(labels, each, seed) for each in sizes for seed in SEEDS}
    used = np.unique(np.concatenate([*chosen.values()]))
    start = time.process_time()
    of_test = features_of(dataset, dataset.test.images)
    of_train = np.zeros((len(labels), of_test.shape[1]), np.float32)
    of_train[used] = features_of(dataset, dataset.train.images[used])
    seconds = (time.process_time() - start) / (len(used) + len(of_test))
    measured = {"from scratch": {}, "transferred": {}}
    for (each, seed), rows in chosen.items():
        regression = LogisticRegression(max_iter=2_000).fit(of_train[rows], labels[rows])
        share = float((regression.predict(of_test) == dataset.test.labels).mean())
        measured["transferred"].setdefault(str(each), []).append(share)
        scratch = from_scratch(dataset, rows, seed)
        measured["from scratch"].setdefault(str(each), []).append(scratch)
        print(f"{each:4} a class, draw {seed}: {scratch:.3f} {share:.3f}", flush=True)
    write_result(
        f"few_images_{name}",
        {
            "machine": machine(), "source": dataset.source, "test images": len(of_test),
            "seconds of a core an image": round(seconds, 5), "accuracy": measured,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
