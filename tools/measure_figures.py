#!/usr/bin/env python3
"""Measure the figures that the lessons state: ten seeds, then one seed on other machines.

    make figures                                     all lessons that state any
    make figures NOTEBOOKS=notebooks/05_...ipynb     one of them
    JOBS=2 make figures                              two runs at a time, which takes less long

Each lesson is run in a process of its own, once for each seed, and with the lesson's own seed
once more in each of the circumstances below, which stand for other computers; the notebook itself
is not changed. What it states goes, whole or not at all, into helpers/lessons/figures.json.
Afterwards `make outputs` stores the new texts.
"""

import json
import os
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient

from helpers.lessons.figures import LOG_VARIABLE, STORE
from helpers.recipes.bfloat16 import BFLOAT16_VARIABLE, has_fast_bfloat16

PROJECT = Path(__file__).resolve().parent.parent
SEEDS = range(10)
PROCESSOR = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
ONE_THREAD = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
# What stands for other computers, all with the seed 0.
MACHINES = {
    "one thread": dict.fromkeys(ONE_THREAD, "1"),
    "without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    # Where the processor has no such instructions, this takes five times as long.
    "float32" if has_fast_bfloat16() else "bfloat16": {
        BFLOAT16_VARIABLE: "no" if has_fast_bfloat16() else "yes"
    },
}
if "avx512f" in PROCESSOR:
    MACHINES["AVX2"] = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
JOBS = int(os.environ.get("JOBS", "1"))
SEED_LINE = re.compile(r"^SEED = 0$", re.MULTILINE)


class Row(NamedTuple):
    """What a lesson stated once."""

    lesson: str
    dataset: str
    figure: str
    value: float
    first_losses: list[float]


def run_lesson(notebook: Path, seed: int, machine: Mapping[str, str]) -> list[Row]:
    """Run the lesson in memory; give back what it stated."""
    lesson = nbformat.read(notebook, as_version=4)
    for cell in lesson.cells:
        cell.source = SEED_LINE.sub(f"SEED = {seed}", cell.source)
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as log:
        environment = {**os.environ, **machine, LOG_VARIABLE: log.name}
        in_its_folder = {"metadata": {"path": str(notebook.parent)}}
        NotebookClient(lesson, timeout=None, resources=in_its_folder).execute(env=environment)
        return [Row(*json.loads(line)) for line in log]


def measured(notebook: Path) -> dict[tuple[str, str], dict]:
    """What is stored for the lesson and the dataset that it was run on."""
    circumstances = [("seeds", seed, {}) for seed in SEEDS]
    circumstances += [(name, 0, machine) for name, machine in MACHINES.items()]
    found = defaultdict(lambda: {"seeds": defaultdict(list), "machines": defaultdict(dict)})
    with ProcessPoolExecutor(JOBS) as pool:
        names, seeds, machines = zip(*circumstances, strict=True)
        runs = pool.map(run_lesson, [notebook] * len(circumstances), seeds, machines)
        for name, seed, rows in zip(names, seeds, runs, strict=True):
            print(f"{notebook.name}: {name}, seed {seed}", flush=True)
            for row in rows:
                stored = found[row.lesson, row.dataset]
                if name == "seeds":
                    stored["seeds"][row.figure].append(rounded([row.value])[0])
                    if seed == 0 and row.first_losses:
                        stored.setdefault("first losses", {})[row.figure] = row.first_losses
                else:
                    machine = stored["machines"][name]
                    machine.setdefault("figures", {})[row.figure] = rounded([row.value])[0]
                    if row.first_losses:
                        machine.setdefault("first losses", {})[row.figure] = row.first_losses
    for (lesson, _), stored in found.items():
        for figure, values in stored["seeds"].items():
            if len(values) != len(SEEDS):
                sys.exit(f"{lesson}: {figure} was stated {len(values)} times by {len(SEEDS)} seeds")
        stored["measured on"] = this_machine()
    return found


def this_machine() -> str:
    sets = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in PROCESSOR]
    return f"{os.uname().machine}, {' '.join(sets) or 'unknown'}, {os.cpu_count()} processors"


def rounded(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def main(notebooks: list[Path]) -> None:
    for notebook in notebooks:
        if ".state(" not in notebook.read_text(encoding="utf-8"):
            continue
        new = measured(notebook)
        lessons = json.loads(STORE.read_text(encoding="utf-8"))
        for (lesson, dataset), stored in new.items():
            lessons.setdefault(lesson, {})[dataset] = stored
        unfinished = STORE.with_suffix(".part")
        text = json.dumps(lessons, indent=1, sort_keys=True) + "\n"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(STORE)


if __name__ == "__main__":
    named = [Path(name).resolve() for name in sys.argv[1:]]
    main(named or sorted((PROJECT / "notebooks").glob("0*.ipynb")))
