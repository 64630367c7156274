#!/usr/bin/env python3
"""Measure how long the check of a folder takes, and whether its memory grows with the folder.

    python benchmarks/check_folder.py

All 60,000 images of CIFAR-10 are written as JPEG files, one folder a class, into a temporary
folder. Then processes of their own check a quarter, a half and all of them. Seconds,
processor seconds and peak memory go into benchmarks/results/check_folder.json. It needs the
full CIFAR-10 in data/ (`make cifar10`).
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

COUNTS = (15_000, 30_000, 60_000)
REPEATS = 3
RESULT = Path(__file__).parent / "results" / "check_folder.json"


def write_images(folder: Path, count: int) -> None:
    """The first `count` images as JPEG files, one folder a class."""
    import numpy as np
    from PIL import Image

    from helpers import load_dataset

    dataset = load_dataset("cifar10", validation_images=0)
    images = np.concatenate([dataset.train.images, dataset.test.images])
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    for name in dataset.class_names:
        (folder / name).mkdir(parents=True)
    for number in range(count):
        path = folder / dataset.class_names[labels[number]] / f"{number:05}.jpg"
        Image.fromarray(images[number]).save(path, quality=90)


def processor_seconds() -> float:
    """Of this process, of the workers that it has, and of those that it had."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    times = [one.cpu_times() for one in (psutil.Process(), *workers())]
    return ended.ru_utime + ended.ru_stime + sum(one.user + one.system for one in times)


def peak_megabytes() -> float:
    """The most memory that this process has held at once, with what its workers hold now."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return own + sum(one.memory_info().rss for one in workers()) / 2**20


def workers() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def check(folder: Path) -> dict[str, float]:
    """Check the folder in this process, and say what it took."""
    from helpers import check_folder

    before, start = processor_seconds(), time.perf_counter()
    report = check_folder(folder, progress=False)
    seconds = time.perf_counter() - start
    return {
        "images": len(report.images),
        "findings": len(report.findings),
        "seconds": seconds,
        "cpu_seconds": processor_seconds() - before,
        "peak_megabytes": peak_megabytes(),
    }


def run_alone(*arguments: str) -> str:
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    rows = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            run_alone("write", folder, str(count))
            runs = [json.loads(run_alone("check", folder)) for _ in range(REPEATS)]
        # The median run by its seconds, whole, so that its figures belong together.
        rows.append(sorted(runs, key=lambda run: run["seconds"])[REPEATS // 2])
        print({name: round(value, 1) for name, value in rows[-1].items()}, flush=True)
    # Only now: they load TensorFlow, and a child's peak memory begins with that of its parent.
    from machine import processor

    from helpers.basics.memory import usable_cores

    result = {
        "images": "CIFAR-10 as JPEG files of quality 90, one folder a class",
        "processor": processor(),
        "cores": usable_cores(),
        "repeats": REPEATS,
        "median_runs": [{name: round(value, 1) for name, value in row.items()} for row in rows],
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", folder, count]:
            write_images(Path(folder), int(count))
        case ["check", folder]:
            print(json.dumps(check(Path(folder))))
        case _:
            main()
