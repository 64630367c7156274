"""Pictures of what a model says: confusion matrix, mistakes, calibration, answers. Lesson 5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import UsageError
from helpers.pictures.bars import name_places
from helpers.pictures.images import draw_image, image_grid, pixel_range
from helpers.pictures.letters import LETTER, heading, width_beside
from helpers.pictures.lines import MARKERS, label_axes
from helpers.pictures.picture import (
    COLOURS,
    GREY,
    TALLEST,
    Picture,
    finished,
    given_or_new_axes,
    new_axes,
    size_in_inches,
)
from helpers.pictures.squares import draw_squares
from helpers.pictures.words import as_line, count_shown, percent, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from helpers.datasets.dataset import Split
    from helpers.results.calibration import Calibration

MOST_WITH_NUMBERS = 30  # classes of a confusion matrix
MOST_PREDICTIONS = 12  # pictures with bars beside them


def plot_confusion(confusion: np.ndarray, split: Split, *, ax: Axes | None = None) -> Picture:
    """Draw a confusion matrix: a row a true class, a column a predicted one.

    Of more than 30 classes only the colours are drawn, and as many names as can be read.

    Args:
        confusion: int (classes, classes), how many images of each true and predicted class.
        split: whose images they are.
        ax: the Axes to draw on; a figure of its own where it is left out.

    Introduced in lesson 5.
    """
    names = [as_line(name) or "(no name)" for name in split.class_names]
    count = len(names)
    square = min(max(0.52 * count, 2.2), TALLEST - 3.4)
    beside = width_beside(names)
    ax = given_or_new_axes(ax, (square + beside + 0.9, square + 0.75 * beside + 1.2))
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    numbers = np.argwhere(confusion) if count <= MOST_WITH_NUMBERS else ()
    written = {(row, column): f"{confusion[row, column]}" for row, column in numbers}
    draw_squares(ax, shares, written, "Blues", vmin=0, vmax=1)
    inches = min(size_in_inches(ax))
    across = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    every = name_places(ax.xaxis, names, inches, **across)
    name_places(ax.yaxis, names, inches)
    part = f" (1 name in {every} is written)" * (every > 1)
    title = f"Confusion matrix, {len(split):,} {split.name} images"
    ax.set_xlabel(f"predicted class{part}")
    ax.set_ylabel(f"true class{part}")
    ax.set_title(heading(title, inches))
    left_out = "Too many classes for numbers: the darker, the larger the share of a true class"
    right = np.trace(confusion) / confusion.sum()
    spoken = f"Confusion matrix of {count:,} classes, {percent(right)} on the diagonal"
    return finished(
        ax, "confusion matrix",
        sentences(
            spoken, left_out * (count > MOST_WITH_NUMBERS), _worst_confusions(confusion, names)
        ),
    )  # fmt: skip


def _worst_confusions(confusion: np.ndarray, names: Sequence[str]) -> str:
    off_diagonal = np.where(np.eye(len(names), dtype=bool), 0, confusion)
    worst = np.argsort(-off_diagonal, axis=None, kind="stable")[:3]
    spoken = [
        f"{off_diagonal[row, column]} {names[row]} taken for {names[column]}"
        for row, column in zip(*np.unravel_index(worst, confusion.shape), strict=True)
        if off_diagonal[row, column]
    ]
    return f"Most frequent mistakes: {', '.join(spoken) or 'none'}"


def plot_mistakes(
    split: Split, mistakes: np.ndarray, predictions: np.ndarray, confidences: np.ndarray
) -> Picture:
    """Show mistakes: what each image is, what the network said, how sure it was.

    Args:
        split: the images and their true classes.
        mistakes: the indices of those to show, the first first.
        predictions: int (images,), the class that the network gave each image of the split.
        confidences: float (images,), how sure it was, 0 to 1.

    Raises:
        UsageError: no mistakes.

    Introduced in lesson 5.
    """
    if not len(mistakes):
        raise UsageError(
            "Expected at least one mistake to show. Received: an evaluation with none."
        )
    titles = [
        f"is {as_line(split.class_names[split.labels[index]])}\n"
        f"said {as_line(split.class_names[predictions[index]])}\n"
        f"{100 * confidences[index]:.1f} % sure"
        for index in mistakes
    ]
    columns = 5
    low, high = pixel_range(np.stack([split.images[index] for index in mistakes]))
    axes = image_grid(len(mistakes), columns, 1.85, titles=titles)
    for ax, index in zip(axes, mistakes, strict=False):
        draw_image(ax, split.images[index], low, high)
    spoken = "; ".join(text.replace("\n", ", ") for text in titles)
    return finished(axes, "the most confident mistakes", f"The most confident mistakes: {spoken}.")


def plot_calibration(
    calibration: Calibration, split: Split, *, smallest_group: int, ax: Axes | None = None
) -> Picture:
    """Draw how often the network is right against how sure it says it is.

    Args:
        calibration: of an evaluation.
        split: of which images.
        smallest_group: groups of fewer images are not drawn, since their share right is
            chance; the description still has them.
        ax: the Axes to draw on; a figure of its own where it is left out.

    Introduced in lesson 5.
    """
    ax = given_or_new_axes(ax, (5.4, 4.2))
    title = f"Calibration, {len(split):,} {split.name} images"
    label_axes(ax, "how sure the network is (%)", "how often it is right (%)", title)
    ax.plot([0, 100], [0, 100], color=GREY, linestyle=":", label="as sure as right")
    drawn = calibration.counts >= smallest_group
    ax.plot(
        100 * calibration.confidence[drawn], 100 * calibration.accuracy[drawn], color=COLOURS[0],
        marker=MARKERS[0], linewidth=2, label="this network",
    )  # fmt: skip
    ax.set_xlim(0, 102)
    ax.set_ylim(0, 102)
    ax.legend(loc="upper left", framealpha=0.8, edgecolor="none")
    spoken = "; ".join(
        f"{percent(sure)} sure, {percent(right)} right of {count}"
        for sure, right, count in zip(
            calibration.confidence, calibration.accuracy, calibration.counts, strict=True
        )
    )
    return finished(ax, "calibration", f"How sure the network is and how often right: {spoken}.")


def plot_predictions(
    images: np.ndarray,
    names: Sequence[str],
    answers: Sequence[str],
    top: Sequence[Sequence[tuple[str, float]]],
    total: int,
) -> Picture:
    """Show pictures, and beside each its most probable classes as bars.

    Args:
        images: (pictures, height, width, channels), as the model saw them.
        names: what each is called.
        answers: what the model says of each.
        top: for each picture its most probable classes and their probabilities.
        total: how many pictures there are, of which these are the first.

    Introduced in lesson 5.
    """
    count, bars = len(images), max(map(len, top))
    height = max(0.24 * bars + 0.55, 1.2)
    axes = new_axes(count, 2, size=(7, height * count + 0.1), widths=(1, 3))
    low, high = pixel_range(images)
    for number, (image, name, answer, best) in enumerate(
        zip(images, names, answers, top, strict=True)
    ):
        beside, ax = axes[2 * number : 2 * number + 2]
        beside.set(xticks=(), yticks=())
        draw_image(beside, image, low, high)
        _draw_bars(ax, best, heading(f"{as_line(name)}: {as_line(answer)}", 4.5))
    shown = count_shown(count, total, "picture")
    spoken = "; ".join(
        f"{as_line(name)}: {as_line(answer)}; "
        + ", ".join(f"{as_line(label)} {percent(share)}" for label, share in best)
        for name, answer, best in zip(names, answers, top, strict=True)
    )
    return finished(axes, f"answers for {shown}", f"Answers for {shown}. {spoken}.")


def _draw_bars(ax: Axes, best: Sequence[tuple[str, float]], title: str) -> None:
    shares = [100 * share for _, share in best]
    bars = ax.barh(range(len(best)), shares, 0.7, color=COLOURS[0])
    ax.bar_label(bars, [percent(share / 100) for share in shares], padding=3)
    name_places(ax.yaxis, [as_line(label) or "(no name)" for label, _ in best], 0.24 * len(best))
    ax.set_ylim(len(best) - 0.4, -0.6)
    ax.set_xlim(0, 118)  # room for the numbers
    ax.set_xticks(())
    ax.spines["bottom"].set_visible(False)
    ax.set_title(title, fontsize=LETTER, loc="left")
