"""State a lesson's figures so that they can be trusted. Introduced in lesson 3.

A training with another seed ends on other numbers, and the same training on another computer
on slightly other ones. So the number that one run happened to give says little. A lesson
states what ten seeds gave, then what this run gave; and one figure is said to be above another
only after their ten pairs were counted.

What was measured lies in figures.json: lesson -> dataset -> "seeds", figure -> one value a seed;
"machines", other circumstances -> figure -> value with the seed 0; "first losses", figure -> those
of the training behind it. `make figures` measures them; nobody writes them by hand.
"""

from __future__ import annotations

import base64
import html
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.basics.errors import UsageError, kind_of, wrapped
from helpers.datasets.dataset import ImageDataset
from helpers.training.run import TrainingRun
from helpers.training.state import in_notebook

STORE = Path(__file__).with_name("figures.json")
LOG_VARIABLE = "COURSE_FIGURES_LOG"  # a file that `make figures` collects the values in
SEED = 0  # of the lessons as they stand
LEARNER = "This run: "  # begins what differs from run to run; the check of outputs leaves it out
# Of Student's t with nine degrees of freedom: 99 in 100 lie within, and all but 1 in 10,000.
EXPECTED, CHANCE = 3.25, 6.59
# How far the first losses of one training on two computers may lie apart. With other threads no
# bit differed; without oneDNN, which adds in another order, up to 2 in 10,000 (figures.json).
# Another setting moves them by 1 in 100 and more.
SAME_LOSS = 1e-3


class Interval(NamedTuple):
    """Where one more seed is expected."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        rounding = 1e-9 * (abs(self.low) + abs(self.high))  # of the mean, where no seed moved
        return self.low - rounding <= value <= self.high + rounding


@dataclass(frozen=True, eq=False)
class LessonFigures:
    """The figures of one lesson on one dataset. Made by `lesson_figures`."""

    lesson: str
    dataset: ImageDataset
    seeds: Mapping[str, Sequence[float]]
    first_losses: Mapping[str, Sequence[float]]
    this_run: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    other_seeds: set[int] = field(default_factory=set)  # that were named

    def state(
        self, name: str, value: float | TrainingRun, *, unit: str = "%", images: int | None = None
    ) -> None:
        """Say what ten seeds gave, what this run gave, and whether that was to be expected.

        Args:
            name: of the figure, as it is stored.
            value: what this run gave; for a TrainingRun, the accuracy on the validation images.
                Its first losses are then compared with those of the lesson, which tells a
                training that was changed from one that chance led elsewhere.
            unit: "%" for a share from 0 to 1, shown as percent; anything else, or nothing,
                is written behind the number.
            images: how many the share was measured on; those of the validation where it is left
                out. A share is never expected more closely than so many images allow.

        Raises:
            UsageError: the value is no number.

        Introduced in lesson 3.
        """
        run = value if isinstance(value, TrainingRun) else None
        value = _number(name, run.validation_accuracy if run else value)
        self.this_run[name], self.units[name] = value, unit
        losses = run.first_losses if run else ()
        if (log := os.environ.get(LOG_VARIABLE)) and math.isfinite(value):
            with Path(log).open("a", encoding="utf-8") as file:
                row = [self.lesson, self.dataset.name, name, value, losses]
                file.write(json.dumps(row) + "\n")
        seeds = self.seeds.get(name)
        if not seeds:
            _say(f"{name}: none stored for {self.dataset.name}", f"{_written(value, unit)}.")
            return
        mean, low, high = np.mean(seeds), min(seeds), max(seeds)
        between = f"({_bare(low, unit)} to {_written(high, unit)})"
        images = len(self.dataset.validation) if images is None else images
        expected = expected_of(seeds, unit, images)
        own = f"{_written(value, unit)}."
        if not expected.holds(value):
            within = f"{_bare(expected.low, unit)} to {_written(expected.high, unit)}"
            own += f" Outside of {within}, where 99 of 100 seeds end."
        _say(f"{name}: mean of ten seeds {_written(mean, unit)} {between}", own)
        if not expected_of(seeds, unit, images, CHANCE).holds(value):
            print(wrapped(FAR_OFF, indent="  "))
        if run:
            self._compare_start(name, run)
        if in_notebook():
            from IPython.display import display

            display(Strip(tuple(seeds), expected, value, unit))

    def _compare_start(self, name: str, run: TrainingRun) -> None:
        """Say where a training begins otherwise than the lesson's; of another seed say it once."""
        stored = self.first_losses.get(name, ())
        if run.seed != SEED:
            if run.seed not in self.other_seeds:
                self.other_seeds.add(run.seed)
                print(f"Seed {run.seed}, not {SEED}: other first weights, another order of images.")
        elif not _same_start(run.first_losses, stored):
            print(wrapped(OTHER_START, indent="  "))

    def compare(self, higher: str, lower: str) -> None:
        """Say in how many of ten seeds one figure is above another, and by how much.

        Each seed is a pair: the same order of the images, the same first weights where the
        networks are alike.

        Args:
            higher, lower: names of figures that were stated before, in the same unit.

        Raises:
            UsageError: one of them was not stated before.

        Introduced in lesson 4.
        """
        for name in (higher, lower):
            if name not in self.this_run:
                stated = ", ".join(map(repr, self.this_run)) or "none"
                raise UsageError(
                    f"Expected a figure that was stated before. Received: {name!r}; stated are "
                    f"{stated}. Run the cells above again, from the first on."
                )
        unit = self.units[higher]
        own = self.this_run[higher] - self.this_run[lower]
        own = f"{_bare(own, unit, sign=True)}{_points(unit)}."
        if not (higher in self.seeds and lower in self.seeds):
            _say(f"{higher}, above {lower}: none stored for {self.dataset.name}", own)
            return
        moved = np.subtract(self.seeds[higher], self.seeds[lower])
        above = sum(moved > 0)
        span = f"by {_bare(min(moved), unit, sign=True)} to {_bare(max(moved), unit, sign=True)}"
        shown = {len(moved): "", len(moved) - 1: "usually, "}.get(above, "not shown, ")
        _say(
            f"{higher}, above {lower}: {shown}in {above} of {len(moved)} seeds, {span}"
            f"{_points(unit)}",
            own,
        )


FAR_OFF = (
    "So far off is not chance: a setting, the images, the code or a version is not the lesson's."
)
OTHER_START = (
    "This training differs from the lesson's from its first steps on: a setting, the images or "
    "the code is not the lesson's."
)


@dataclass(frozen=True)
class Strip:
    """The ten seeds as dots on a line, and this run as a diamond. Shows itself in a notebook."""

    seeds: tuple[float, ...]
    expected: Interval
    value: float
    unit: str

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        low, high = min(*self.seeds, *self.expected), max(*self.seeds, *self.expected)
        width, middle = 420, 14

        def place(value: float) -> float:
            share = (value - low) / (high - low) if high > low else 0.5
            return round(90 + width * min(max(share, -0.1), 1.1), 1)

        dots = "".join(
            f'<circle cx="{place(seed)}" cy="{middle}" r="4" fill="none" stroke="#444"/>'
            for seed in self.seeds
        )
        own = place(self.value) if math.isfinite(self.value) else 0
        left, right = place(self.expected.low), place(self.expected.high)
        drawn = (
            '<svg xmlns="http://www.w3.org/2000/svg" width="600" height="28" '
            'font-family="sans-serif" font-size="12">'
            '<rect width="600" height="28" fill="#fff"/>'
            f'<rect x="{left}" y="{middle - 8}" width="{right - left:.1f}" height="16" '
            f'fill="#e3e3e3"/>{dots}'
            f'<path d="M{own} {middle - 7}l6 7-6 7-6-7z" fill="#D55E00"/>'
            f'<text x="40" y="18" text-anchor="end">{_bare(low, self.unit)}</text>'
            f'<text x="560" y="18">{_bare(high, self.unit)}</text></svg>'
        )
        packed = base64.b64encode(drawn.encode()).decode("ascii")
        described = (
            f"Ten seeds as dots, from {_bare(min(self.seeds), self.unit)} to "
            f"{_written(max(self.seeds), self.unit)}; this run as a diamond, at "
            f"{_written(self.value, self.unit)}; in grey, where 99 of 100 seeds end."
        )
        alt = html.escape(described)
        shown = f'<img alt="{alt}" src="data:image/svg+xml;base64,{packed}">'
        return {"text/plain": "Ten seeds as dots, this run as a diamond", "text/html": shown}


def expected_of(
    seeds: Sequence[float], unit: str, images: int, deviations: float = EXPECTED
) -> Interval:
    """Where one more seed lies: the prediction interval of a normal distribution.

    Args:
        seeds: what they gave, ten or more.
        unit: "%" for shares, which never lie beyond 0 and 1.
        images: that a share was measured on. Where all seeds had all of them right, a fresh one
            may still have a few wrong: of n images, so many as many deviations.
        deviations: of Student's t.

    Returns:
        An Interval around the mean of the seeds.
    """
    mean = float(np.mean(seeds))
    around = deviations * float(np.std(seeds, ddof=1)) * math.sqrt(1 + 1 / len(seeds))
    if unit != "%":
        return Interval(mean - around, mean + around)
    around = max(around, deviations / max(images, 1))
    return Interval(max(mean - around, 0.0), min(mean + around, 1.0))


def _number(name: str, value: object) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise UsageError(
            f"Expected a number as {name}. Received: {kind_of(value)}. Give one number, such "
            "as run.validation_accuracy."
        ) from None


def _same_start(losses: Sequence[float], stored: Sequence[float]) -> bool:
    """Whether a training begins as the stored one; True where there is nothing to compare."""
    if not losses or not stored:
        return True
    return len(losses) == len(stored) and np.allclose(losses, stored, rtol=SAME_LOSS, atol=0)


def _say(stored: str, own: str) -> None:
    no_break = "\N{NO-BREAK SPACE}"  # a percent sign stays with its number
    print(wrapped(stored.replace(" %", f"{no_break}%"), indent="  ").replace(no_break, " "))
    print(LEARNER + own)


def _bare(value: float, unit: str, *, sign: bool = False) -> str:
    """The number without its unit."""
    how = "+" if sign else ""
    return f"{100 * value:{how}.1f}" if unit == "%" else f"{value:{how}.2f}"


def _written(value: float, unit: str) -> str:
    return f"{_bare(value, unit)} {unit}".rstrip()


def _points(unit: str) -> str:
    return " points" if unit == "%" else f" {unit}".rstrip()


def lesson_figures(lesson: str, dataset: ImageDataset) -> LessonFigures:
    """The stored figures of `lesson` on `dataset`, ready to be stated.

    Args:
        lesson: the notebook's name, for example "04_training_the_model".
        dataset: from `load_dataset`. For one that the lesson was never measured on, each
            figure is stated as this run's alone.

    Raises:
        UsageError: something else than a dataset is given.

    Introduced in lesson 3.
    """
    if not isinstance(dataset, ImageDataset):
        raise UsageError(
            "Expected a dataset, from load_dataset. Received: "
            f"{kind_of(dataset)}. Give the name of the lesson, then the dataset."
        )
    stored = stored_figures(lesson, dataset.name)
    return LessonFigures(lesson, dataset, stored.get("seeds", {}), stored.get("first losses", {}))


def stored_figures(lesson: str, dataset: str) -> dict[str, dict]:
    """What figures.json has of a lesson on a dataset; {} where it was not measured."""
    lessons = json.loads(STORE.read_text(encoding="utf-8"))
    return lessons.get(str(lesson), {}).get(dataset, {})
