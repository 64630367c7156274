"""State a lesson's figures so that they can be trusted. Introduced in lesson 1.

A training run on another computer ends on slightly other numbers, and so does the same run
with another seed. So a lesson does not print the raw number that the last run happened to
give. It states the figure of the lesson, how far it moves by chance alone, and whether this
run agrees.

What the lessons measured lies in figures.json: lesson -> dataset -> figure -> one
value a run. The first value is the lesson's own; the others come from other seeds, another
number of threads and the other number format. `make figures` measures them; nobody writes
them by hand.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.basics.errors import UsageError, kind_of, wrapped
from helpers.datasets.dataset import ImageDataset

STORE = Path(__file__).with_name("figures.json")
LOG_VARIABLE = "COURSE_FIGURES_LOG"  # a file that `make figures` collects the values in
# How far from the lesson's value chance alone may lead. So many because the runs are few: of seven
# from one normal distribution, a fresh eighth falls five standard deviations away from the first
# about once in 200 cases.
STANDARD_DEVIATIONS = 5
# No share is held to less, though all runs gave the same: of the 1,000 images that lesson 6
# trains on these are ten, and a network that knows them all by heart forgets a few by chance.
LEAST_TOLERANCE = 0.01


@dataclass(frozen=True)
class LessonFigures:
    """The figures of one lesson on one dataset. Made by `lesson_figures`."""

    lesson: str
    dataset: str
    measured: dict[str, list[float]]

    def state(self, name: str, value: float, *, unit: str = "%") -> None:
        """Print the lesson's figure, its tolerance, and whether this run agrees.

        Args:
            name: of the figure, as it is stored.
            value: what this run gave.
            unit: "%" for a share from 0 to 1, shown as percent; anything else, or nothing,
                is written behind the number.

        Raises:
            UsageError: the value is no number.

        Introduced in lesson 1.
        """
        try:
            value = float(value)
        except (TypeError, ValueError, RuntimeError):
            raise UsageError(
                f"Expected a number as {name}. Received: {kind_of(value)}. Give one number, such "
                "as run.validation_accuracy."
            ) from None
        if not np.isfinite(value):
            _say(f"{name}: no number in this run ({value}), so it cannot be compared.")
            return
        if log := os.environ.get(LOG_VARIABLE):
            with Path(log).open("a", encoding="utf-8") as file:
                row = [self.lesson, self.dataset, name, value]
                file.write(json.dumps(row) + "\n")
        if name not in self.measured:
            _say(f"{name}: {_written(value, unit)} in this run; none stored for {self.dataset}")
            return
        runs = self.measured[name]
        expected, tolerance = runs[0], _tolerance(runs, unit)
        points = " points" if unit == "%" else ""
        stated = f"{name}: {_written(expected, unit)} in this lesson"
        if tolerance:
            stated += f", give or take {_bare(tolerance, unit)}{points}"
            stated += _end_of_shares(expected, tolerance) if unit == "%" else ""
        off = abs(value - expected)
        # The smallest step that is still written also counts as agreement.
        if off <= tolerance + (0.0005 if unit == "%" else 0.005):
            _say(f"{stated}. This run agrees.")
            return
        direction = "higher" if value > expected else "lower"
        _say(
            f"{stated}. This run: {_written(value, unit)}, {_bare(off, unit)}{points} {direction}, "
            "more than the noise between seeds."
        )


def _say(text: str) -> None:
    print(wrapped(text, indent="  "))


def _tolerance(runs: list[float], unit: str) -> float:
    """How far from the lesson's value chance alone may lead."""
    spread = STANDARD_DEVIATIONS * float(np.std(runs, ddof=1)) if len(runs) > 1 else 0.0
    return max(spread, LEAST_TOLERANCE) if unit == "%" else spread


def _end_of_shares(expected: float, tolerance: float) -> str:
    """Where the tolerance would lead out of 0 to 100 %."""
    if expected + tolerance > 1:
        return " (at most 100 %)"
    return " (at least 0 %)" if expected < tolerance else ""


def _bare(value: float, unit: str) -> str:
    """The number without its unit."""
    return f"{100 * value:.1f}" if unit == "%" else f"{value:.2f}"


def _written(value: float, unit: str) -> str:
    return f"{_bare(value, unit)} {unit}".rstrip()


def lesson_figures(lesson: str, dataset: ImageDataset) -> LessonFigures:
    """The stored figures of `lesson` on `dataset`, ready to be stated.

    Args:
        lesson: the notebook's name, for example "04_training_the_model".
        dataset: from `load_dataset`. For one that the lesson was never measured on, each
            figure is stated as this run's alone.

    Raises:
        UsageError: something else than a dataset is given.

    Introduced in lesson 1.
    """
    if not isinstance(dataset, ImageDataset):
        raise UsageError(
            "Expected a dataset, from load_dataset. Received: "
            f"{kind_of(dataset)}. Give the name of the lesson, then the dataset."
        )
    stored = json.loads(STORE.read_text(encoding="utf-8"))
    return LessonFigures(lesson, dataset.name, stored.get(str(lesson), {}).get(dataset.name, {}))
