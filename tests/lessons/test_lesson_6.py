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


def within_the_noise(name: str) -> bool:
    """Whether some seed with this change is not on the same side of one without it as others."""
    step, before = STEPS[name]["accuracy"], STEPS[NAMES[NAMES.index(name) - 1]]["accuracy"]
    return step["least"] <= before["most"] and before["least"] <= step["most"]


def test_every_change_has_its_verdict():
    assert list(VERDICTS) == NAMES[1:]


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_verdict_follows_from_the_table(name):
    verdict, gains = VERDICTS[name], sorted(map(change, NAMES[1:]), reverse=True)
    claimed = {"the largest gain": 0, "the second largest gain": 1}
    for words, place in claimed.items():
        if re.search(rf"\b{words}\b", verdict):
            assert gains.index(change(name)) == place
    assert ("within the noise" in verdict) == within_the_noise(name)
    if "gain" in verdict:
        assert change(name) > 0
    if "fewer seconds" in verdict:
        before = STEPS[NAMES[NAMES.index(name) - 1]]["cpu_seconds"]
        assert STEPS[name]["cpu_seconds"]["most"] < before["least"]
