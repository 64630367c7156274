#!/usr/bin/env python3
"""Measure how long each lesson runs: `make lesson-times`.

    make lesson-times                                     all lessons
    make lesson-times NOTEBOOKS=notebooks/06_...ipynb     one of them

Every lesson is run from a fresh kernel, several times in turn, nothing is stored in it. The
median of the wall-clock seconds, and of the processor seconds of all its processes, goes into
benchmarks/results/lesson_times.json, with the machine that it was measured on. The README and the
lessons give the minutes from there. COURSE_DATASET=cifar10 measures them on the full-size dataset,
into a file of its own.
"""

import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

import nbformat
from machine import RESULTS, cpu_seconds, processor, write_result
from nbclient import NotebookClient

from helpers.basics.memory import usable_cores

PROJECT = Path(__file__).resolve().parent.parent
DATASET = os.environ.get("COURSE_DATASET", "fashion_mnist")
REPEATS = int(os.environ.get("REPEATS", "2" if DATASET == "fashion_mnist" else "1"))


def run(notebook: Path) -> tuple[float, float]:
    """Run a lesson in memory; give back wall-clock and processor seconds."""
    lesson = nbformat.read(notebook, as_version=4)
    in_its_folder = {"metadata": {"path": str(notebook.parent)}}
    before, start = cpu_seconds(resource.RUSAGE_CHILDREN), time.perf_counter()
    NotebookClient(lesson, timeout=None, resources=in_its_folder).execute()
    seconds = time.perf_counter() - start
    return seconds, cpu_seconds(resource.RUSAGE_CHILDREN) - before


def main(notebooks: list[Path]) -> None:
    measured = {notebook.stem: [] for notebook in notebooks}
    for repeat in range(REPEATS):
        for notebook in notebooks:
            seconds, processor_seconds = run(notebook)
            measured[notebook.stem].append((seconds, processor_seconds))
            print(f"{repeat + 1} of {REPEATS}  {notebook.stem}: {seconds:.0f} s", flush=True)
    name = "lesson_times" + ("" if DATASET == "fashion_mnist" else f"_{Path(DATASET).name}")
    path = RESULTS / f"{name}.json"
    stored = json.loads(path.read_text(encoding="utf-8"))["lessons"] if path.exists() else {}
    stored |= {
        lesson: {
            "seconds": round(statistics.median(wall for wall, _ in runs), 1),
            "cpu_seconds": round(statistics.median(cpu for _, cpu in runs), 1),
            "repeats": REPEATS,
            "processor": processor(),
            "cores": usable_cores(),
        }
        for lesson, runs in measured.items()
    }
    write_result(name, {"dataset": DATASET, "lessons": dict(sorted(stored.items()))})


if __name__ == "__main__":
    named = [Path(name).resolve() for name in sys.argv[1:]]
    main(named or sorted((PROJECT / "notebooks").glob("0*.ipynb")))
