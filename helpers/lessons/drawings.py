"""Pictures that one lesson needs: a descent (lesson 4), a journey of steps (lesson 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import UsageError
from helpers.pictures.letters import width_beside
from helpers.pictures.lines import height_for_names, label_axes, look_of_line, name_lines
from helpers.pictures.picture import COLOURS, GREY, Picture, finished, given_or_new_axes, new_axes
from helpers.pictures.words import as_line, as_named, as_row, as_table, brief, in_digits, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_journey(
    steps: Mapping[str, tuple[float, float]],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    ax: Axes | None = None,
) -> Picture:
    """Draw one numbered point a step, joined in order: where each change led.

    Args:
        steps: name -> (x, y), in the order in which the steps were taken. The x axis begins
            at 0 where no x is below, so that small differences look small.
        x_label, y_label: what the axes show, with the unit.
        title: a heading.
        ax: the Axes to draw on; a figure of its own where it is left out.

    Raises:
        UsageError: no step, or one without two numbers.

    Introduced in lesson 6.
    """
    names, points = as_named(steps, "(x, y)")
    points = as_table(points, 2, "(x, y) of each step")
    x_label, y_label, title = as_line(x_label), as_line(y_label), as_line(title)
    ax = given_or_new_axes(ax, (7.5, max(4.2, height_for_names(names))))
    label_axes(ax, x_label, y_label, title, width_beside(names) + 1.3)
    ax.plot(*points.T, color=COLOURS[0], linestyle=":", linewidth=1.5)
    drawn = []
    for number, (x, y) in enumerate(points, 1):
        # Colour and marker say the same as the number beside it.
        look = look_of_line(number) | {"linestyle": "none"}
        drawn += ax.plot([x], [y], markersize=9, **look)
        if np.isfinite([x, y]).all():
            ax.annotate(str(number), (x, y), (7, 7), textcoords="offset points", fontweight="bold")
    ax.margins(0.12)
    if np.nanmin(points[:, 0], initial=0) >= 0:
        ax.set_xlim(left=0)
    name_lines(ax, drawn, [f"{at}  {name}" for at, name in enumerate(names, 1)], beside=True)
    over = f"{y_label} over {x_label}"
    spoken = "; ".join(
        f"{number} {name}: ({in_digits(x)}, {in_digits(y)})"
        for number, (name, (x, y)) in enumerate(zip(names, points, strict=True), 1)
    )
    return finished(ax, title or over, sentences(title, over, spoken))


def plot_descent(
    loss: Callable[[np.ndarray], np.ndarray],
    paths: Mapping[str, Sequence[float]],
    *,
    x_label: str = "weight",
) -> Picture:
    """Draw the steps of gradient descent on the curve of a loss with one weight.

    Args:
        loss: gives the loss of each weight of an array.
        paths: name -> the weight before each step and after the last; one panel a name.
        x_label: what the weight is.

    Raises:
        UsageError: no path, or one without a weight; a loss that is no function.

    Introduced in lesson 4.
    """
    names, paths = as_named(paths, "weights")
    paths = [
        as_row(path, f"the weights of {name}") for name, path in zip(names, paths, strict=True)
    ]
    if not all(map(len, paths)):
        raise UsageError("Expected at least one weight in every path. Received: none in one.")
    columns = min(len(paths), 4)
    rows = -(-len(paths) // columns)
    axes = new_axes(rows, columns, size=(3.4 * columns, 3.2 * rows))
    everywhere = np.abs(np.concatenate(paths))
    reach = 1.1 * (np.max(everywhere, where=np.isfinite(everywhere), initial=0) or 1)
    weights = np.linspace(-reach, reach, 200)
    for ax in axes[len(paths) :]:
        ax.set_axis_off()
    for ax, name, path in zip(axes, names, paths, strict=False):
        label_axes(ax, as_line(x_label), "loss", name)
        ax.plot(weights, _losses(loss, weights), color=GREY, linewidth=1.5)
        losses = _losses(loss, path)
        ax.plot(path, losses, color=COLOURS[1], linestyle="--", marker="o", linewidth=1.5)
        if np.isfinite([path[0], losses[0]]).all():
            ax.annotate("start", (path[0], losses[0]), xytext=(6, 6), textcoords="offset points")
    spoken = "; ".join(
        f"{name}: the {x_label} goes {', '.join(in_digits(weight, 2) for weight in path)}"
        for name, path in zip(names, paths, strict=True)
    )
    return finished(axes, "gradient descent", sentences("Steps of gradient descent", spoken))


def _losses(loss: Callable[[np.ndarray], np.ndarray], weights: np.ndarray) -> np.ndarray:
    try:
        with np.errstate(all="ignore"):  # where a path leads far away
            losses = np.asarray(loss(weights), float)
    except Exception as error:  # whatever the reader's function may raise
        losses = error
    if np.shape(losses) != weights.shape:
        raise UsageError(
            "Expected a loss that takes an array of weights and gives as many losses, such as "
            f"np.square. Received: {brief(losses)}."
        )
    return losses
