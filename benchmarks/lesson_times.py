#!/usr/bin/env python3
"""Measure how long each lesson runs: `make lesson-times`.

Every lesson is run from a fresh kernel, several times in turn, nothing is stored in it. The
median of the wall-clock seconds, and of the processor seconds of all its processes, goes into
benchmarks/results/lesson_times.json. The README and the lessons give the minutes from there.
COURSE_DATASET=cifar10 measures them on the full-size dataset, into a file of its own.
"""

import json
import os
import resource
import statistics
import time
from pathlib import Path

import nbformat
from machine import processor
from nbclient import NotebookClient

from helpers.setup_check import usable_cores

PROJECT = Path(__file__).resolve().parent.parent
DATASET = os.environ.get("COURSE_DATASET", "fashion_mnist")
REPEATS = 2 if DATASET == "fashion_mnist" else 1


def run(notebook: Path) -> tuple[float, float]:
    """Run a lesson in memory; give back wall-clock and processor seconds."""
    lesson = nbformat.read(notebook, as_version=4)
    in_its_folder = {"metadata": {"path": str(notebook.parent)}}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    NotebookClient(lesson, timeout=None, resources=in_its_folder).execute()
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, processor_seconds


def main() -> None:
    notebooks = sorted((PROJECT / "notebooks").glob("0*.ipynb"))
    measured = {notebook.stem: [] for notebook in notebooks}
    for repeat in range(REPEATS):
        for notebook in notebooks:
            seconds, processor_seconds = run(notebook)
            measured[notebook.stem].append((seconds, processor_seconds))
            print(f"{repeat + 1} of {REPEATS}  {notebook.stem}: {seconds:.0f} s", flush=True)
    result = {
        "dataset": DATASET,
        "repeats": REPEATS,
        "processor": processor(),
        "cores": usable_cores(),
        "lessons": {
            name: {
                "seconds": round(statistics.median(wall for wall, _ in runs), 1),
                "cpu_seconds": round(statistics.median(cpu for _, cpu in runs), 1),
            }
            for name, runs in measured.items()
        },
    }
    suffix = "" if DATASET == "fashion_mnist" else f"_{Path(DATASET).name}"
    target = PROJECT / "benchmarks" / "results" / f"lesson_times{suffix}.json"
    target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
