"""The learning curves of a training. Introduced in lesson 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.pictures.lines import label_axes, plot_lines
from helpers.pictures.picture import Picture, finished, new_axes
from helpers.pictures.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _draw_curves(left: Axes, right: Axes, history: Mapping[str, Sequence[float]]) -> None:
    for ax, metric, label, scale in (
        (left, "loss", "cross-entropy", 1),
        (right, "accuracy", "accuracy (%)", 100),
    ):
        lines = {
            name: [scale * value for value in history[key]]
            for name, key in (("training", metric), ("validation", f"val_{metric}"))
            if key in history
        }
        label_axes(ax, "epoch", label, "")
        if lines:
            epochs = range(1, max(map(len, lines.values())) + 1)
            plot_lines(epochs, lines, x_label="epoch", y_label=label, ax=ax)


def live_curves(history: Mapping[str, Sequence[float]], epochs: int) -> Picture:
    """The learning curves so far, loss on the left and accuracy on the right.

    There is room for all `epochs`: `train` redraws them as they grow.

    Introduced in lesson 4.
    """
    left, right = axes = new_axes(1, 2, size=(9.5, 3.4))
    _draw_curves(left, right, history)
    for ax in axes:
        ax.set_xlim(0.5, max(epochs, 1) + 0.5)
    return finished(
        axes, "learning curves", f"Learning curves, loss and accuracy. {_so_far(history)}."
    )


def _so_far(history: Mapping[str, Sequence[float]]) -> str:
    """The last values of a history, in words."""
    if not len(history.get("loss", ())):
        return "No epoch has ended yet"
    last = dict.fromkeys(("accuracy", "val_accuracy"), np.nan)
    last |= {name: values[-1] for name, values in history.items()}
    spoken = f"After epoch {len(history['loss'])} the training loss is {last['loss']:.3f} and the "
    spoken += f"training accuracy {percent(last['accuracy'])}"
    if "val_loss" in last:
        spoken += f"; on the validation images {last['val_loss']:.3f} and "
        spoken += percent(last["val_accuracy"])
        if best := best_epoch(history):
            spoken += f", with the lowest loss in epoch {best}"
    return spoken


def best_epoch(history: Mapping[str, Sequence[float]]) -> int:
    """The epoch, from 1, with the lowest loss of validation, or else of training; 0: there is none.

    A loss that is no number counts as none.
    """
    losses = np.asarray(history.get("val_loss", history.get("loss", ())), float)
    known = np.isfinite(losses)
    return int(np.argmin(np.where(known, losses, np.inf))) + 1 if known.any() else 0
