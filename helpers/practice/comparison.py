"""Two ways to train, compared by pairs: the same seeds, the same images.

A difference of one seed says little, because seeds differ among themselves. So the differences
of the pairs are looked at, with the interval in which their mean lies (Student's t, 95 %).
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from helpers.basics.errors import wrapped
from helpers.pictures.letters import fitted
from helpers.pictures.lines import label_axes, plot_lines
from helpers.pictures.picture import COLOURS, FRAME, Picture, finished, new_axes
from helpers.pictures.words import sentences

CONFIDENCE = 0.95
POWER = 0.8  # the share of experiments that would tell
MOST_SEEDS = 200  # more than anybody trains


@dataclass(frozen=True)
class Result:
    """One training of one seed.

    Attributes:
        accuracies: on the validation images after each epoch, shares from 0 to 1.
        learned: on the training images, the same.
        seconds: of the training.
        parameters: of the model.
    """

    accuracies: tuple[float, ...]
    learned: tuple[float, ...]
    seconds: float
    parameters: int


@dataclass(frozen=True, eq=False)
class Comparison:
    """A variant beside the baseline. Shows itself in a notebook.

    Attributes:
        name: of the variant.
        variant, baseline: seed -> Result, of the same seeds.
    """

    name: str
    variant: Mapping[int, Result]
    baseline: Mapping[int, Result]

    @property
    def differences(self) -> tuple[float, ...]:
        """Variant less baseline, in accuracy on the validation images, a seed each; shares."""
        return tuple(
            result.accuracies[-1] - self.baseline[seed].accuracies[-1]
            for seed, result in self.variant.items()
        )

    @property
    def interval(self) -> tuple[float, float]:
        """Where the mean difference of all seeds lies, with 95 % confidence; shares."""
        return interval_of_mean(self.differences)

    def sentence(self) -> str:
        """What these seeds show, in plain words."""
        count, mean = len(self.differences), 100 * float(np.mean(self.differences))
        said = f"{mean:+.1f} points in {count} seed{'s' if count > 1 else ''}"
        if count == 1:
            return f"{said}: one seed shows nothing. Give it three or more."
        low, high = (100 * end for end in self.interval)
        said += f", between {low:+.1f} and {high:+.1f}"
        if low > 0 or high < 0:
            return f"{said}: the variant is {'better' if low > 0 else 'worse'}."
        needed = seeds_needed(self.differences)
        more = (
            f"with {needed - count} more seeds four of five such experiments would tell, if the "
            "difference is as large as it looks"
            if needed <= MOST_SEEDS
            else f"even {MOST_SEEDS} seeds would hardly tell: the two are about alike"
        )
        return f"{said}: too little to believe yet; {more}."

    def __repr__(self) -> str:
        return f"{self.name}: {wrapped(self.sentence())}\n{self._table()}"

    def _table(self) -> str:
        """Both sides in numbers: means of the seeds."""
        mine, theirs = list(self.variant.values()), list(self.baseline.values())
        wide = max(14, len(self.name))
        rows = [f"{'':11} {self.name:>{wide}} {'baseline':>14}"]
        for what, shown in (
            (
                "accuracy",
                lambda some: f"{100 * np.mean([each.accuracies[-1] for each in some]):.1f} %",
            ),
            ("seconds", lambda some: f"{np.mean([each.seconds for each in some]):.1f}"),
            ("parameters", lambda some: f"{some[0].parameters:,}"),
        ):
            rows.append(f"{what:11} {shown(mine):>{wide}} {shown(theirs):>14}")
        return "\n".join(rows)

    def plot(self) -> Picture:
        """Draw the accuracy of every seed, and the learning curves of both."""
        dots, curves = new_axes(1, 2, size=(9.6, 3.6))
        sides = {"baseline": self.baseline, self.name: self.variant}
        for row, results in enumerate(sides.values()):
            ends = [100 * result.accuracies[-1] for result in results.values()]
            look = {"marker": "oD"[row], "facecolor": "none", "edgecolor": COLOURS[row]}
            dots.scatter(ends, [row] * len(ends), **look)
        for seed, result in self.variant.items():
            pair = [100 * self.baseline[seed].accuracies[-1], 100 * result.accuracies[-1]]
            dots.plot(pair, [0, 1], color=FRAME, linewidth=0.6, zorder=0)
        label_axes(dots, "validation accuracy (%)", "", "each seed a pair")
        dots.set_yticks([0, 1], [fitted(name, 1.6) for name in sides])
        dots.set_ylim(-0.5, 1.5)
        lines = {
            f"{name}, {images}": 100 * _mean_curve([getattr(r, part) for r in results.values()])
            for name, results in sides.items()
            for part, images in (("accuracies", "validation"), ("learned", "training"))
        }
        plot_lines(
            {name: range(1, len(line) + 1) for name, line in lines.items()}, lines,
            x_label="epoch", y_label="accuracy (%)", title="mean of the seeds", ax=curves,
        )  # fmt: skip
        return finished(
            [dots, curves], f"{self.name} beside the baseline",
            sentences(f"{self.name} beside the baseline", self.sentence()),
        )  # fmt: skip

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        # The sentence was printed, and is in the description of the picture.
        shown = f"<pre>{html.escape(self._table())}</pre>{self.plot().to_html()}"
        return {"text/plain": f"{self.name} beside the baseline", "text/html": shown}


def interval_of_mean(differences: Sequence[float]) -> tuple[float, float]:
    """Where the mean lies with 95 % confidence, by Student's t; without end for one value."""
    count = len(differences)
    if count < 2:
        return -math.inf, math.inf
    around = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * np.std(differences, ddof=1)
    mean, around = float(np.mean(differences)), float(around) / math.sqrt(count)
    return mean - around, mean + around


def seeds_needed(differences: Sequence[float]) -> int:
    """With how many seeds four of five experiments would tell a mean as large as this from 0.

    Returns:
        The number of seeds; MOST_SEEDS + 1 where so many are not enough.
    """
    mean, spread = abs(float(np.mean(differences))), float(np.std(differences, ddof=1))
    if not spread:
        return 2 if mean else MOST_SEEDS + 1
    counts = np.arange(2, MOST_SEEDS + 1)
    least = stats.t.ppf((1 + CONFIDENCE) / 2, counts - 1)
    told = stats.nct.sf(least, counts - 1, mean / spread * np.sqrt(counts))
    return int(next(iter(counts[told >= POWER]), MOST_SEEDS + 1))


def _mean_curve(curves: Sequence[Sequence[float]]) -> np.ndarray:
    """The mean of each epoch; of runs that stopped early as far as all of them go."""
    shortest = min(map(len, curves))
    return np.mean([curve[:shortest] for curve in curves], axis=0)
