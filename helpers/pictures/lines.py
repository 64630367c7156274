"""Lines over an axis, told apart by colour, marker and dash. Introduced in lesson 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import UsageError
from helpers.pictures.letters import SMALL, fitted, heading, width_beside, wrapped_title
from helpers.pictures.picture import (
    COLOURS,
    Picture,
    finished,
    given_or_new_axes,
    plain_numbers,
    size_in_inches,
)
from helpers.pictures.words import as_line, as_named, as_row, count_shown, in_digits, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.lines import Line2D

# Of different lengths, with no common factor: 504 lines go by before two look the same.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*")
DASHES = (
    "-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (8, 2, 2, 2)), (0, (1, 3)),
)  # fmt: skip
MOST_LINES_NAMED = 40  # in a legend


def _few_powers(axis: Axis) -> None:
    """Put three to eight numbers on a logarithmic axis: powers of ten, or 10, 20, 50, 100."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    if np.floor(np.log10(high)) - np.ceil(np.log10(low)) >= 2:
        axis.set_major_locator(LogLocator(numticks=8))
    elif high >= 10 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axis.set_major_locator(MaxNLocator(8, steps=(1, 2, 5, 10)))
    axis.set_minor_formatter(NullFormatter())


def label_axes(ax: Axes, x_label: str, y_label: str, title: str, beside: float = 0) -> None:
    """What the axes show and a heading, broken into lines that fit.

    Where names take so many inches beside the Axes, these become narrower when they are drawn.
    """
    width, height = size_in_inches(ax)
    width -= max(0, beside - 0.2 * ax.figure.get_figwidth())
    ax.set_xlabel(wrapped_title(x_label, width))
    ax.set_ylabel(wrapped_title(y_label, height))
    ax.set_title(heading(title, width))
    for axis in (ax.xaxis, ax.yaxis):
        plain_numbers(axis)


def look_of_line(number: int, *, markers: bool = True) -> dict[str, object]:
    """Colour, dash and marker of a line; no two of the first 504 have the same."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKERS[number % len(MARKERS)] if markers else None,
    }


def name_lines(
    ax: Axes, handles: Sequence[Line2D], names: Sequence[str], *, beside: bool = False
) -> None:
    """Say which line is which; beside the Axes where many names would lie over the lines."""
    # Handles and names are both given, since matplotlib leaves out a name that begins with _.
    most = 2 if len(names) <= len(COLOURS) else 1
    shown = [fitted(name, 2.4, SMALL, most) for name in names[:MOST_LINES_NAMED]]
    # Only where the figure makes room for it.
    beside = (beside or len(names) > len(COLOURS)) and ax.figure.get_layout_engine() is not None
    place = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if beside else {"loc": "best"}
    look = {"fontsize": SMALL, "framealpha": 0.8, "edgecolor": "none"}
    legend = ax.legend(list(handles)[: len(shown)], shown, **look, **place)
    if len(names) > len(shown):
        legend.set_title(count_shown(len(shown), len(names), "line"))


def height_for_names(names: Sequence[str]) -> float:
    """The inches that names below each other take."""
    return max(3.6, 0.27 * min(len(names), MOST_LINES_NAMED) + 0.8)


def plot_lines(
    x: Sequence[float] | Mapping[str, Sequence[float]],
    lines: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    log_x: bool = False,
    ax: Axes | None = None,
) -> Picture:
    """Draw one line a name, told apart by colour, marker and dash.

    Args:
        x: the positions, as many as the longest line; a shorter line ends earlier. Where each
            line has positions of its own: name -> positions.
        lines: name -> values. A value that is not a number leaves a gap.
        x_label, y_label: what the axes show, with the unit.
        title: a heading.
        log_x: whether equal steps on the x axis mean equal factors (a logarithmic scale);
            the positions are then above 0.
        ax: the Axes to draw on; a figure of its own where it is left out.

    Raises:
        UsageError: no line, values that are no numbers, or too few positions.

    Introduced in lesson 4.
    """
    names, series = as_named(lines, "values")
    series = [as_row(row, f"the values of {name}") for name, row in zip(names, series, strict=True)]
    places = [_positions(x, key, len(row), log_x) for key, row in zip(lines, series, strict=True)]
    x_label, y_label, title = as_line(x_label), as_line(y_label), as_line(title)
    few = max(map(len, series)) <= 30
    many = len(names) > len(COLOURS)  # their names stand beside the Axes
    ax = given_or_new_axes(ax, (9, height_for_names(names)) if many else (7, 3.6))
    label_axes(ax, x_label, y_label, title, width_beside(names) + 1.3 if many else 0)
    drawn = []
    for number, (name, at, row) in enumerate(zip(names, places, series, strict=True)):
        marked = np.full(len(row), True) if few else _alone(row)
        look = look_of_line(number, markers=marked.any())
        drawn += ax.plot(at, row, linewidth=2, label=name, markevery=marked, **look)
    if log_x:
        ax.set_xscale("log", subs=range(2, 10))
        _few_powers(ax.xaxis)
    elif few and all((at == at.round()).all() for at in places):
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if len(names) > 1:
        name_lines(ax, drawn, names)
    spoken = "; ".join(map(_spoken_line, names, places, series, [x_label] * len(names)))
    over = f"{y_label} over {x_label}"
    return finished(ax, title or over, sentences(title, over, spoken))


def _alone(row: np.ndarray) -> np.ndarray:
    """Which values have no neighbour that a line could lead to: no line shows them."""
    there = np.pad(np.isfinite(row), 1)
    return there[1:-1] & ~there[:-2] & ~there[2:]


def _positions(
    x: Sequence[float] | Mapping[str, Sequence[float]], key: str, count: int, log_x: bool
) -> np.ndarray:
    """Where the values of one line lie."""
    row = as_row(x.get(key, ()) if isinstance(x, Mapping) else x, "positions")
    if len(row) < count:
        raise UsageError(
            f"Expected a position for each of the {count} values of {key!r}. Received: {len(row)}."
        )
    row = row[:count]
    if log_x and not (row > 0).all():
        raise UsageError(
            "Expected positions above 0, since a logarithmic axis has no other. "
            f"Received: {in_digits(row.min())} for {key!r}. Leave log_x out."
        )
    return row


def _spoken_line(name: str, places: np.ndarray, values: np.ndarray, x_label: str) -> str:
    """Where a line begins, ends and turns."""
    finite = np.isfinite(values)
    if not finite.any():
        return f"{name}: no finite values"
    gaps = "" if finite.all() else f", {np.sum(~finite):,} not finite"
    places, values = places[finite], values[finite]
    if values.min() == values.max():
        return f"{name}: {in_digits(values[0])} throughout{gaps}"
    where = "" if " " in x_label else f"{x_label} "  # "at epoch 5", but no long label each time
    turns = "".join(
        f", {word} {in_digits(values[at])} at {where}{in_digits(places[at], 4)}"
        for word, at in (("lowest", values.argmin()), ("highest", values.argmax()))
    )
    return f"{name}: from {in_digits(values[0])} to {in_digits(values[-1])}{turns}{gaps}"
