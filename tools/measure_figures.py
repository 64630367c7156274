#!/usr/bin/env python3
"""Measure the figures that the lessons state, and how far they move by chance.

    make figures                                     all lessons that state any
    make figures NOTEBOOKS=notebooks/05_...ipynb     one of them
    JOBS=2 make figures                              two runs at a time, which takes less long

Each lesson is run several times in a process of its own, with other seeds, another number of
threads and the other number format; the notebook itself is not changed. What it states each
time goes, whole or not at all, into helpers/lessons/figures.json. The first run is the lesson as
it stands, so its values are the ones that the lesson states. Afterwards `make outputs` stores
the new texts.
"""

import json
import os
import re
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from helpers.recipes.bfloat16 import BFLOAT16_VARIABLE, has_fast_bfloat16

PROJECT = Path(__file__).resolve().parent.parent
STORE = PROJECT / "helpers" / "lessons" / "figures.json"
RUNS = [  # seed, threads (0: as many as TensorFlow and PyTorch choose), other number format
    (0, 0, False),
    (1, 0, False),
    (2, 0, False),
    (3, 0, False),
    (4, 0, False),
    # Each has a seed of its own: oneDNN adds in the same order with one, two or four threads, so
    # that on some processors the run with other threads alone was the first one once more.
    (5, 1, False),
    (6, 3, True),
]
JOBS = int(os.environ.get("JOBS", "1"))
SEED_LINE = re.compile(r"^SEED = 0$", re.MULTILINE)


def run_lesson(notebook: Path, seed: int, threads: int, other_format: bool) -> list[list]:
    """Run the lesson in memory; give back the rows [lesson, dataset, figure, value]."""
    lesson = nbformat.read(notebook, as_version=4)
    for cell in lesson.cells:
        cell.source = SEED_LINE.sub(f"SEED = {seed}", cell.source)
    environment = dict(os.environ)
    if threads:
        for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            environment[variable] = str(threads)
    if other_format:  # where the processor has no such instructions, this takes five times as long
        environment[BFLOAT16_VARIABLE] = "no" if has_fast_bfloat16() else "yes"
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as log:
        environment["COURSE_FIGURES_LOG"] = log.name
        in_its_folder = {"metadata": {"path": str(notebook.parent)}}
        NotebookClient(lesson, timeout=None, resources=in_its_folder).execute(env=environment)
        return [json.loads(line) for line in log]


def main(notebooks: list[Path]) -> None:
    stored = json.loads(STORE.read_text(encoding="utf-8"))
    for notebook in notebooks:
        if ".state(" not in notebook.read_text(encoding="utf-8"):
            continue
        measured = defaultdict(list)
        with ProcessPoolExecutor(JOBS) as pool:
            runs = pool.map(run_lesson, [notebook] * len(RUNS), *zip(*RUNS, strict=True))
            for (seed, threads, _), rows in zip(RUNS, runs, strict=True):
                print(f"{notebook.name}: seed {seed}, threads {threads or 'all'}", flush=True)
                for lesson, dataset, figure, value in rows:
                    measured[lesson, dataset, figure].append(value)
        for (lesson, dataset, _), values in measured.items():
            if len(values) != len(RUNS):
                sys.exit(f"{lesson}: a figure was stated {len(values)} times in {len(RUNS)} runs")
            stored.setdefault(lesson, {})[dataset] = {}
        for (lesson, dataset, figure), values in measured.items():
            stored[lesson][dataset][figure] = [float(f"{value:.6g}") for value in values]
        unfinished = STORE.with_suffix(".part")
        text = json.dumps(stored, indent=1, sort_keys=True) + "\n"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(STORE)


if __name__ == "__main__":
    named = [Path(name).resolve() for name in sys.argv[1:]]
    main(named or sorted((PROJECT / "notebooks").glob("0*.ipynb")))
