"""A walk through images and answers; which answers to take. Introduced in lessons 2 and 5."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np

from helpers.basics.errors import UsageError, kind_of
from helpers.datasets.dataset import Split
from helpers.pictures.images import plot_images
from helpers.pictures.lines import plot_lines
from helpers.pictures.picture import COLOURS, Picture, finished
from helpers.pictures.words import percent, sentences
from helpers.results.evaluation import Evaluation, accuracy_interval
from helpers.widgets.moving import MovingPicture, named

PAGE = 8  # images at once
EVERY = "all classes"
KINDS = ("all answers", "mistakes", "correct answers")


def explore_images(images: Split | Evaluation) -> MovingPicture:
    """Walk through images, some at a time: all, or those of one class.

    With an evaluation also by what the model said: mistakes, or correct answers, the surest
    first.

    Args:
        images: a split such as `dataset.train`, or what `evaluate` gave.

    Raises:
        UsageError: neither of the two, or without images.

    Introduced in lesson 2.
    """
    evaluation = images if isinstance(images, Evaluation) else None
    split = evaluation.split if evaluation else images
    if not isinstance(split, Split) or not len(split):
        raise UsageError(
            "Expected a split with images, such as dataset.train, or an Evaluation. "
            f"Received: {kind_of(images)}."
        )
    split.check()
    # Names can be alike, so a class is known by its number.
    classes = [(EVERY, -1), *((name, number) for number, name in enumerate(split.class_names))]
    controls = {"true_class": widgets.SelectionSlider(options=classes, **named("true class"))}
    if evaluation:
        controls["said_class"] = widgets.SelectionSlider(options=classes, **named("answer"))
        controls["kind"] = widgets.SelectionSlider(options=KINDS, **named("show"))
    controls["page"] = widgets.BoundedIntText(1, 1, pages_of(len(split)), **named("page"))

    def draw(page: int, **filters: object) -> Picture:
        return _plot_page(split, evaluation, _chosen(split, evaluation, **filters), page)

    def first_page(_: object) -> None:
        filters = {name: each.value for name, each in controls.items() if name != "page"}
        controls["page"].value = 1
        controls["page"].max = pages_of(len(_chosen(split, evaluation, **filters)))

    # Before the picture hears of it, so that it is drawn once.
    for name in controls.keys() - {"page"}:
        controls[name].observe(first_page, "value")
    still = draw(**{name: control.value for name, control in controls.items()})
    return MovingPicture("a walk through the images", draw, controls, still)


def pages_of(images: int) -> int:
    """How many pages so many images fill; one where there is none."""
    return max(1, -(-images // PAGE))


def _chosen(
    split: Split,
    evaluation: Evaluation | None,
    true_class: int,
    said_class: int = -1,
    kind: str = KINDS[0],
) -> np.ndarray:
    """The indices of the images that pass the filters."""
    passes = np.full(len(split), True) if true_class < 0 else split.labels == true_class
    if evaluation is None:
        return np.flatnonzero(passes)
    if said_class >= 0:
        passes = passes & (evaluation.predictions == said_class)
    if kind == KINDS[0]:
        return np.flatnonzero(passes)
    passes = passes & ((evaluation.predictions != split.labels) == (kind == KINDS[1]))
    at = np.flatnonzero(passes)
    return at[np.argsort(-evaluation.confidences[at], kind="stable")]


def _plot_page(
    split: Split, evaluation: Evaluation | None, chosen: np.ndarray, page: int
) -> Picture:
    """One page of the chosen images."""
    pages = pages_of(len(chosen))
    shown = chosen[PAGE * (page - 1) : PAGE * page]
    where = f"{len(chosen):,} of {len(split):,} images, page {page:,} of {pages:,}"
    if not len(shown):
        empty = np.full((1, *split.images.shape[1:]), 255, np.uint8)
        return plot_images(empty, ["no such image"], title=where)
    names = split.class_names
    titles = [f"{names[split.labels[at]]}\nno. {at}" for at in shown]
    if evaluation:
        said, sure = evaluation.predictions[shown], evaluation.confidences[shown]
        marks = np.where(said == split.labels[shown], "✓", "✗")
        titles = [
            f"{title}\n{mark} {names[answer]} {percent(share)}"
            for title, mark, answer, share in zip(titles, marks, said, sure, strict=True)
        ]
    return plot_images(split.images[shown], titles, columns=PAGE // 2, title=where)


def explore_threshold(evaluation: Evaluation) -> MovingPicture:
    """Take only answers of some confidence, and see how many are left and how many are correct.

    Args:
        evaluation: what `evaluate` gave; of the validation images, because a threshold is a
            decision.

    Raises:
        UsageError: not an evaluation.

    Introduced in lesson 5.
    """
    if not isinstance(evaluation, Evaluation):
        raise UsageError(
            f"Expected what evaluate(model, split) gives. Received: {kind_of(evaluation)}."
        )
    slider = widgets.FloatSlider(
        0.8, min=0, max=0.99, step=0.01, readout_format=".2f", **named("least confidence")
    )
    return MovingPicture(
        "accuracy and coverage",
        lambda threshold: _plot_thresholds(evaluation, threshold),
        {"threshold": slider},
        _plot_thresholds(evaluation, 0.5, 0.8, 0.95),
    )


def _plot_thresholds(evaluation: Evaluation, *thresholds: float) -> Picture:
    """Both curves over the threshold, with a line at each of these."""
    order = np.sort(evaluation.confidences)
    correct = evaluation.predictions == evaluation.split.labels
    right = np.sort(evaluation.confidences[correct])
    places = np.linspace(0, 1, 101)
    answered = len(order) - np.searchsorted(order, places)
    with np.errstate(invalid="ignore"):
        accuracy = (len(right) - np.searchsorted(right, places)) / answered
    lines = {"accuracy of the answers": 100 * accuracy, "answered": 100 * answered / len(order)}
    drawn = plot_lines(places, lines, x_label="least confidence", y_label="images (%)")
    (ax,) = drawn.axes
    said = []
    for number, threshold in enumerate(thresholds):
        ax.axvline(threshold, color=COLOURS[number + 2], linestyle=":", linewidth=2)
        said.append(_in_words(evaluation, correct, threshold))
    if len(thresholds) == 1:
        ax.set_title(said[0])
    spoken = sentences("Accuracy and coverage over the least confidence", "; ".join(said))
    return finished(ax, "accuracy and coverage", spoken)


def _in_words(evaluation: Evaluation, correct: np.ndarray, threshold: float) -> str:
    taken = evaluation.confidences >= threshold
    count = int(taken.sum())
    said = f"from {threshold:.2f}: {percent(count / len(taken))} answered"
    if not count:
        return said
    hits = int(correct[taken].sum())
    low, high = accuracy_interval(hits, count)
    return f"{said}, {percent(hits / count)} of them correctly ({percent(low)} to {percent(high)})"
