"""What lesson 6 says of the stored journey follows from the stored numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
STORED = json.loads((ROOT / "benchmarks/results/journey_cifar10.json").read_text(encoding="utf-8"))
LESSON = nbformat.read(ROOT / "notebooks/06_faster_and_more_accurate.ipynb", as_version=4)
STEPS = STORED["steps"]
NAMES = list(STEPS)
CELL = next(cell.source for cell in LESSON.cells if cell.id == "cifar-verdict")
VERDICTS = dict(re.findall(r"^\| ([\w ]+?) \| ([^|]+?) \|$", CELL, re.MULTILINE)[1:])


def change(name: str) -> float:
    before = STEPS[NAMES[NAMES.index(name) - 1]]
    return STEPS[name]["accuracy"]["median"] - before["accuracy"]["median"]


def noise(name: str) -> float:
    """How far the seeds lie apart, with this change or without it, whichever is further."""
    steps = STEPS[name], STEPS[NAMES[NAMES.index(name) - 1]]
    return max(step["accuracy"]["most"] - step["accuracy"]["least"] for step in steps)


def test_every_change_has_its_verdict():
    assert list(VERDICTS) == NAMES[1:]


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_verdict_follows_from_the_table(name):
    verdict, gains = VERDICTS[name], sorted(map(change, NAMES[1:]), reverse=True)
    claimed = {"the largest gain": 0, "the second largest gain": 1}
    for words, place in claimed.items():
        if re.search(rf"\b{words}\b", verdict):
            assert gains.index(change(name)) == place
    assert ("within the noise" in verdict) == (abs(change(name)) <= noise(name))
    if "gain" in verdict and "within the noise" not in verdict:
        assert change(name) > noise(name)
    if "fewer seconds" in verdict:
        before = STEPS[NAMES[NAMES.index(name) - 1]]["cpu_seconds"]
        assert STEPS[name]["cpu_seconds"]["most"] < before["least"]
