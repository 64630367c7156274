#!/usr/bin/env python3
"""Measure the classic example, from loading to evaluation, as one whole process.

    .venv/bin/python benchmarks/classic_example.py fashion_mnist
    .venv/bin/python benchmarks/classic_example.py cifar10

The classic CNN, batches of 32, Adam, 10 epochs on all training images (none are set aside:
nothing is decided here), then the test images once. The figures go to the screen and to
benchmarks/results/classic_example_DATASET.json, which the README's table is checked against.
For the bundled images, the README's pictures are drawn too.
"""

import json
import platform
import resource
import sys
import time
from pathlib import Path

from machine import peak_megabytes, processor

from helpers import build_cnn, evaluate, load_dataset, quiet_tensorflow, train
from helpers.basics.memory import usable_cores

with quiet_tensorflow():
    import tensorflow as tf

RESULTS = Path(__file__).parent / "results"
EPOCHS = 10
BATCH_SIZE = 32


def main(name: str) -> None:
    start = time.perf_counter()
    dataset = load_dataset(name, validation_images=0)
    model = build_cnn(dataset)
    run = train(model, dataset, epochs=EPOCHS, batch_size=BATCH_SIZE)
    result = evaluate(model, dataset.test)
    used = resource.getrusage(resource.RUSAGE_SELF)
    measured = {
        "dataset": dataset.source,
        "training_images": len(dataset.train),
        "test_images": len(dataset.test),
        "test_accuracy": round(result.accuracy, 4),
        "interval": [round(end, 4) for end in result.interval],
        "training_seconds": round(run.seconds, 1),
        "all_seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_megabytes": peak_megabytes(),
        "processor": processor(),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
    }
    RESULTS.mkdir(exist_ok=True)
    if name == "fashion_mnist":  # other datasets' images may not be passed on
        pictures = {
            "learning_curves.png": run.plot(),
            "confusion_matrix.png": result.plot_confusion(),
            "worst_mistakes.png": result.plot_mistakes(),
        }
        for file, picture in pictures.items():
            picture.save(RESULTS / file)
        measured["pictures"] = {file: shown.description for file, shown in pictures.items()}
    text = json.dumps(measured, indent=2)
    (RESULTS / f"classic_example_{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
