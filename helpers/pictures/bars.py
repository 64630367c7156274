"""Bars, and shares with their intervals, one name below the other. Lessons 2 and 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import UsageError
from helpers.pictures.letters import LETTER, LONGEST_NAME, fitted, width_beside
from helpers.pictures.lines import label_axes
from helpers.pictures.picture import (
    COLOURS,
    TALLEST,
    Picture,
    finished,
    given_or_new_axes,
    size_in_inches,
)
from helpers.pictures.words import (
    as_line,
    as_named,
    as_row,
    as_table,
    brief,
    in_digits,
    percent,
    sentences,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

MOST_SPOKEN = 60  # bars


def name_places(axis: Axis, names: Sequence[str], inches: float, **options: object) -> int:
    """Write as many names along an axis as can be read: every one (1), every second (2), ..."""
    points = 72 * inches / len(names)
    size = min(LETTER, max(0.8 * points, 7))
    every = int(np.ceil(8.5 / points))
    shown = range(0, len(names), every)
    labels = [fitted(names[at], LONGEST_NAME, size) for at in shown]
    axis.set_ticks(shown, labels, fontsize=size, **options)
    return every


def _name_rows(ax: Axes, names: Sequence[str], x_label: str, title: str) -> bool:
    """A row a name, from the top; whether there was room to write them all."""
    label_axes(ax, x_label, "", title, width_beside(names) + 0.2)
    every = name_places(ax.yaxis, names, size_in_inches(ax)[1])
    if every > 1:
        ax.set_ylabel(f"1 name in {every} is written")
    ax.set_ylim(len(names) - 0.4, -0.6)
    return every == 1


def plot_bars(
    values: Mapping[str, float],
    *,
    x_label: str,
    title: str = "",
    number_format: str = "",
    ax: Axes | None = None,
) -> Picture:
    """Draw a horizontal bar a name, with its value written beside it.

    Where there are too many bars to read, only some of the names are written, and no values.

    Args:
        values: name -> value, drawn from the top in this order. One that is not a number has
            no bar.
        x_label: what the length of a bar shows, with the unit.
        title: a heading.
        number_format: how the values are written, for example "{:.1f}"; in three digits, or
            as many as a whole number has, where it is left out.
        ax: the Axes to draw on; a figure of its own where it is left out.

    Raises:
        UsageError: no bar, values that are no numbers, or a format that does not write them.

    Introduced in lesson 4.
    """
    names, lengths = as_named(values, "number")
    lengths = as_row(lengths, "the lengths of the bars")
    written = _formatted(lengths, number_format)
    x_label, title, count = as_line(x_label), as_line(title), len(names)
    ax = given_or_new_axes(ax, (7, min(0.32 * count + 1, TALLEST)))
    all_written = _name_rows(ax, names, x_label, title)
    finite = np.where(np.isfinite(lengths), lengths, 0)
    # Very thin bars have no gaps between them, which would be drawn as stripes.
    bars = ax.barh(range(count), finite, 0.8 if count <= MOST_SPOKEN else 1, color=COLOURS[0])
    if all_written:
        ax.bar_label(bars, written, padding=3, fontsize=ax.get_yticklabels()[0].get_fontsize())
    ax.margins(x=0.12)
    if finite.min() >= 0:
        ax.set_xlim(0, None if finite.any() else 1)
    spoken = f"Bars of {x_label}: {_spoken_bars(names, lengths, written)}"
    return finished(ax, title or x_label, sentences(title, spoken))


def _formatted(values: np.ndarray, number_format: str) -> list[str]:
    try:
        return [number_format.format(at) if number_format else in_digits(at) for at in values]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise UsageError(
            'Expected a number_format that writes a number, such as "{:.1f}". '
            f"Received: {number_format!r}."
        ) from None


def _spoken_bars(names: Sequence[str], lengths: np.ndarray, written: Sequence[str]) -> str:
    """Every bar; of very many only how many they are, and the shortest and the longest."""
    if len(names) <= MOST_SPOKEN:
        return ", ".join(map("{} {}".format, names, written))
    order = [at for at in np.argsort(lengths, kind="stable") if np.isfinite(lengths[at])]
    said = [f"{names[at]} {written[at]}" for at in order]
    shortest, longest = ", ".join(said[:3]), ", ".join(said[-3:])
    return f"{len(names):,}. The shortest: {shortest}. The longest: {longest}"


def plot_intervals(
    measured: Mapping[str, tuple[float, float, float]], *, x_label: str, title: str = ""
) -> Picture:
    """Draw measured shares as points, each with its interval as a line through it.

    Args:
        measured: name -> (value, low, high), shares from 0 to 1, drawn as percent.
        x_label: what was measured, with the unit.
        title: a heading.

    Raises:
        UsageError: no name, not three numbers a name, or numbers that are no shares.

    Introduced in lesson 5.
    """
    names, shares = as_named(measured, "(value, low, high)")
    shares = as_table(shares, 3, "(value, low, high) of each name")
    value, low, high = shares.T
    if np.any((low < 0) | (value < low) | (value > high) | (high > 1)):
        raise UsageError(
            "Expected shares from 0 to 1, (value, low, high), the value between the other two. "
            f"Received: {brief(measured)}. Divide percent by 100; accuracy_interval gives low and "
            "high."
        )
    x_label, title = as_line(x_label), as_line(title)
    ax = given_or_new_axes(None, (7, min(0.45 * len(names) + 1.1, TALLEST)))
    _name_rows(ax, names, x_label, title)
    for row, (value, low, high) in enumerate(100 * shares):
        ax.plot([low, high], [row, row], color=COLOURS[0], linewidth=3)
        ax.plot(value, row, marker="o", color=COLOURS[1], markersize=8)
    ax.grid(axis="x", alpha=0.3)
    spoken = "; ".join(
        f"{name} {percent(value)}, from {percent(low)} to {percent(high)}"
        for name, (value, low, high) in zip(names, shares, strict=True)
    )
    return finished(ax, title or x_label, sentences(title or x_label, spoken))
