#!/usr/bin/env python3
"""Measure how long `predict` takes: for a photo of a telephone, a folder, an image in memory.

    python benchmarks/predict.py

Three networks: the classic CNN for images of 28 x 28 grey pixels, as in lesson 5, and for 96 x 96
in colour, and EfficientNet-Lite0 with a new last layer for the latter, as in lesson 7. Their
weights do not matter for this, so they are not trained. Each measurement is a process of its own
that loads the network from a file of `save_model`; what `predict` takes is counted from there. The
image in memory is given to Keras' own `model.predict`, and to the model as a `tf.function`, in
turn with ours. Goes into benchmarks/results/predict.json.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from machine import cpu_seconds, machine, run_alone, summary, write_result
from made_photos import LARGE, SMALL, telephone_photos

CLASSES = ("bag", "boot", "dress")
NETWORKS = {"small": (28, 28, 1), "classic": (96, 96, 3), "pretrained": (96, 96, 3)}
REPEATS = 3  # processes a measurement
WARM = 10  # calls after the first one
EACH = 100  # photos of a class in the folder
BLOCK = 10  # calls in a row of an image in memory, before the next way has its turn


def save_networks(folder: Path) -> None:
    from helpers import build_cnn, make_dataset, save_model
    from helpers.models import build_pretrained

    for name, shape in NETWORKS.items():
        images = np.random.default_rng(0).integers(0, 256, (30, *shape), dtype=np.uint8)
        dataset = make_dataset(images, np.arange(30) % len(CLASSES), class_names=CLASSES)
        build = build_pretrained if name == "pretrained" else build_cnn
        save_model(build(dataset, seed=0), folder / name, dataset)


def took(call: Callable[[], object]) -> dict[str, float]:
    """Seconds, those of other processes that were started for it too."""
    before = cpu_seconds() + cpu_seconds(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    call()
    wall = time.perf_counter() - start
    return {
        "wall": wall,
        "cpu": cpu_seconds() + cpu_seconds(resource.RUSAGE_CHILDREN) - before,
    }


def one_photo(model: object, path: str) -> dict:
    from helpers import predict

    first, *warm = (took(lambda: predict(model, path)) for _ in range(1 + WARM))
    return {"first": first, "warm": middle(warm)}


def folder(model: object, path: str) -> dict:
    from helpers import predict

    with TemporaryDirectory() as beside:
        taken = took(lambda: predict(model, path).to_csv(Path(beside, "answers.csv")))
    photos = EACH * len(CLASSES)
    return taken | {
        "photos a minute": 60 * photos / taken["wall"],
        "photos a minute of a core": 60 * photos / taken["cpu"],  # whatever else is running
    }


def in_memory(model: object, _: str) -> dict:
    """Processor seconds of one call; first each way is called until it is warm."""
    import tensorflow as tf

    from helpers import predict

    image = np.random.default_rng(1).integers(0, 256, model.input_shape[1:], dtype=np.uint8)
    function = tf.function(lambda images: model(images, training=False))
    ways = {
        "predict": lambda: predict(model, image),
        "model.predict": lambda: model.predict(image[np.newaxis], verbose=0),
        "tf.function": lambda: function(image[np.newaxis]).numpy(),
    }
    calls = {name: [] for name in ways}
    for _ in range(1 + WARM):
        for name, way in ways.items():
            block = took(lambda way=way: [way() for _ in range(BLOCK)])
            calls[name].append({what: seconds / BLOCK for what, seconds in block.items()})
    return {name: middle(blocks[1:]) for name, blocks in calls.items()}


def middle(taken: list[dict[str, float]]) -> dict[str, float]:
    return {what: float(np.median([each[what] for each in taken])) for what in taken[0]}


MEASURE = {"one_photo": one_photo, "folder": folder, "in_memory": in_memory}


def measure_here(what: str, network: str, path: str) -> dict:
    from helpers import load_model

    return MEASURE[what](load_model(network), path)


def make_here(folder: Path) -> dict:
    save_networks(folder)
    telephone_photos(folder / "large", CLASSES[:1], 10, LARGE)
    telephone_photos(folder / "small", CLASSES, EACH, SMALL)
    return {}


def summaries(runs: list[dict]) -> dict:
    """The runs as one, with the median and the ends in the place of each number."""
    return {
        name: summaries(values) if isinstance(values[0], dict) else summary(values, 4)
        for name in runs[0]
        for values in [[run[name] for run in runs]]
    }


def main() -> None:
    if sys.argv[1:2] == ["make"]:
        print(json.dumps(make_here(Path(sys.argv[2]))))
        return
    if sys.argv[1:]:
        print(json.dumps(measure_here(*sys.argv[1:])))
        return
    load = os.getloadavg()[0]
    with TemporaryDirectory() as made:
        run_alone(__file__, "make", made)
        photos = {
            "one_photo": next(Path(made, "large", CLASSES[0]).glob("*1.jpg")),  # turned by EXIF
            "folder": Path(made, "small"),
            "in_memory": "",
        }
        runs = {what: {network: [] for network in NETWORKS} for what in photos}
        for _ in range(REPEATS):
            for network in NETWORKS:
                for what, path in photos.items():
                    run = run_alone(__file__, what, f"{made}/{network}.keras", str(path))
                    runs[what][network].append(run)
                    print(json.dumps([what, network, run]), flush=True)
            store(runs, photos["one_photo"].stat().st_size, load)  # in case that it is stopped


def store(runs: dict, size: int, load: float) -> None:
    write_result(
        "predict",
        {
            "machine": machine(), "load before": round(load, 1),
            "load after": round(os.getloadavg()[0], 1), "processes": len(runs["folder"]["classic"]),
            "images": NETWORKS, "photo": {"pixels": LARGE, "bytes": size},
            "folder": {"photos": EACH * len(CLASSES), "pixels": SMALL},
            "seconds": {
                what: {network: summaries(of) for network, of in by_network.items()}
                for what, by_network in runs.items()
            },
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
