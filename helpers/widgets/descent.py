"""How a descent goes with another learning rate or momentum. Introduced in lesson 4."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import ipywidgets as widgets
import numpy as np

from helpers.pictures.lines import label_axes, look_of_line, name_lines
from helpers.pictures.picture import COLOURS, FRAME, GREY, Picture, finished, new_axes
from helpers.pictures.words import in_digits
from helpers.widgets.moving import MovingPicture, named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEPS = 40
START = np.array([-4.0, 1.5])
STEEP = np.array([1.0, 10.0])  # the second weight counts ten times as much
REACH = (5.0, 3.0)  # what is drawn, to either side of 0
RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.18, 0.21, 0.3)
MOMENTA = (0.0, 0.5, 0.8, 0.9, 0.95)
STORE = Path(__file__).with_name("rates.json")


def explore_descent() -> MovingPicture:
    """Change learning rate and momentum, and see the steps on the loss of two weights.

    The loss is half of (first weight squared plus ten times the second squared): a narrow valley.

    Introduced in lesson 4.
    """
    controls = {
        "learning_rate": widgets.SelectionSlider(
            options=RATES, value=0.02, **named("learning rate")
        ),
        "momentum": widgets.SelectionSlider(options=MOMENTA, value=0.0, **named("momentum")),
    }
    examples = [(0.02, 0.0), (0.18, 0.0), (0.21, 0.0), (0.02, 0.9)]
    return MovingPicture(
        "steps on the loss of two weights",
        lambda learning_rate, momentum: _plot_descents((learning_rate, momentum)),
        controls,
        _plot_descents(*examples),
    )


def descend(learning_rate: float, momentum: float, steps: int = STEPS) -> np.ndarray:
    """Both weights before each step and after the last: float (steps + 1, 2)."""
    weights, step = [START], np.zeros(2)
    for _ in range(steps):
        step = momentum * step - learning_rate * STEEP * weights[-1]
        weights.append(weights[-1] + step)
    return np.array(weights)


def loss_of(weights: np.ndarray) -> np.ndarray:
    """The loss of each pair of weights, float (..., 2)."""
    return 0.5 * (STEEP * weights**2).sum(axis=-1)


def _plot_descents(*settings: tuple[float, float]) -> Picture:
    columns = min(len(settings), 2)
    rows = len(settings) // columns
    axes = new_axes(rows, columns, size=(4.8 * columns, 3.2 * rows))
    said = [
        _draw_descent(ax, rate, momentum)
        for ax, (rate, momentum) in zip(axes, settings, strict=True)
    ]
    return finished(axes, "steps on the loss of two weights", " ".join(said))


def _draw_descent(ax: Axes, rate: float, momentum: float) -> str:
    """Draw the lines of equal loss and the path; give what is seen in words."""
    path = descend(rate, momentum)
    losses = loss_of(path)
    first, second = np.meshgrid(np.linspace(-REACH[0], REACH[0], 60), np.linspace(-3, 3, 60))
    surface = loss_of(np.stack([first, second], axis=-1))
    ax.contour(first, second, surface, levels=0.4 * 2.0 ** np.arange(8), colors=FRAME)
    ax.plot(*path.T, color=COLOURS[1], marker="o", markersize=3.5, linewidth=1.2)
    ax.plot(*START, color=COLOURS[0], marker="s", markersize=7)
    ax.plot(0, 0, color="black", marker="P", markersize=8)
    ax.set_xlim(-REACH[0], REACH[0])
    ax.set_ylim(-REACH[1], REACH[1])
    end = f"loss {in_digits(losses[0])}, after {STEPS} steps {in_digits(losses[-1], 2)}"
    if losses[-1] > 2 * losses[STEPS // 2 :].min() and losses[-1] > losses[0]:
        end = f"loss {in_digits(losses[0])}, and it grows: divergence"
    label_axes(ax, "first weight", "second weight", f"rate {rate}, momentum {momentum}: {end}")
    turns = int((path[1:, 1] * path[:-1, 1] < 0).sum())
    return (
        f"Learning rate {rate}, momentum {momentum}: {end}. The path crosses the valley {turns} "
        f"time{'s' * (turns != 1)}."
    )


def explore_rates() -> MovingPicture:
    """Change the learning rate of Adam, and see the curve that ten stored trainings gave.

    Measured on 2,000 of the bundled images by `make runs`: the classic CNN, five epochs.

    Introduced in lesson 4.
    """
    runs = stored_rates()
    slider = widgets.SelectionSlider(options=[*runs], value="0.001", **named("learning rate"))
    return MovingPicture(
        "Adam with another learning rate",
        lambda rate: _plot_rates(runs, [rate]),
        {"rate": slider},
        _plot_rates(runs, ["0.00001", "0.001", "0.03", "0.2"]),
    )


def stored_rates() -> dict[str, np.ndarray]:
    """Learning rate -> validation accuracies, float (seeds, epochs), shares from 0 to 1."""
    stored = json.loads(STORE.read_text(encoding="utf-8"))
    return {rate: np.array(accuracies) for rate, accuracies in stored.items()}


def _plot_rates(runs: dict[str, np.ndarray], chosen: Sequence[str]) -> Picture:
    """The mean curve of each chosen rate with the band of its ten seeds, the others in grey."""
    (ax,) = new_axes(size=(7, 3.8))
    epochs = np.arange(1, len(next(iter(runs.values()))[0]) + 1)
    for accuracies in runs.values():
        ax.plot(epochs, 100 * accuracies.mean(axis=0), color=GREY, linewidth=0.6)
    drawn, said = [], []
    for number, rate in enumerate(chosen):
        accuracies = 100 * runs[rate]
        ends = accuracies.min(axis=0), accuracies.max(axis=0)
        ax.fill_between(epochs, *ends, color=COLOURS[number], alpha=0.2, linewidth=0)
        drawn += ax.plot(epochs, accuracies.mean(axis=0), linewidth=2, **look_of_line(number))
        low, mean, high = (end(accuracies[:, -1]) for end in (np.min, np.mean, np.max))
        said.append(f"rate {rate}: {mean:.1f} % ({low:.1f} to {high:.1f} %)")
    title = f"{said[0]} after {len(epochs)} epochs" if len(chosen) == 1 else ""
    label_axes(ax, "epoch", "validation accuracy (%)", title)
    ax.set_xticks(epochs)
    ax.set_ylim(0, 100)
    name_lines(ax, drawn, [f"learning rate {rate}" for rate in chosen], beside=True)
    return finished(
        ax, "Adam with another learning rate",
        f"Validation accuracy after {len(epochs)} epochs of Adam on 2,000 of the bundled images, "
        f"mean of ten seeds, lowest and highest: {'; '.join(said)}.",
    )  # fmt: skip
