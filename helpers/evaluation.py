"""Say how good a model is, and how sure that figure is. Introduced in lesson 5.

The figures come from scikit-learn and SciPy; this module puts them together once, so that
every lesson shows the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from helpers.batches import make_batches
from helpers.datasets import Split
from helpers.errors import MismatchError, UsageError
from helpers.fit_check import batch_without_training, check_image_shape
from helpers.plots import Picture, plot_calibration, plot_confusion, plot_mistakes

if TYPE_CHECKING:
    import keras

CALIBRATION_BINS = 10


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often the model is right, in groups of images for which it is about as sure.

    Attributes:
        confidence: mean confidence of each group, shares 0 to 1.
        accuracy: share of each group that is right.
        counts: images in each group; the groups are tenths of confidence, empty ones left out.
        error: the expected calibration error: the mean distance between the two, each group
            weighted by its images.

    Introduced in lesson 5.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray
    error: float

    def __repr__(self) -> str:
        groups = len(self.counts)
        return f"Calibration: {groups} groups, expected error {100 * self.error:.1f} points"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a model did on one split.

    Attributes:
        split: the images it was asked about.
        probabilities: float (images, classes), each row adding up to 1.
        accuracy: share of images whose most probable class is the right one.
        interval: (low, high), the 95 % Wilson interval of that share.
        loss: mean cross-entropy, in nats.
        confusion: int (classes, classes): row the true class, column the predicted one.
        recall: share of each true class that was found; nan for a class without images.
        precision: share of each predicted class that is right; nan for one never predicted.
        mistakes: indices of the wrongly classified images, the most confident first.
        calibration: how sure against how right.

    Introduced in lesson 5.
    """

    split: Split
    probabilities: np.ndarray
    accuracy: float
    interval: tuple[float, float]
    loss: float
    confusion: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    mistakes: np.ndarray
    calibration: Calibration

    @property
    def predictions(self) -> np.ndarray:
        """The most probable class of each image, int (images,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidences(self) -> np.ndarray:
        """The probability of that class, float (images,)."""
        return self.probabilities.max(axis=1)

    def plot_confusion(self) -> Picture:
        """Draw the confusion matrix."""
        return plot_confusion(self)

    def plot_mistakes(self, count: int = 10) -> Picture:
        """Show the most confident mistakes."""
        return plot_mistakes(self, count)

    def plot_calibration(self) -> Picture:
        """Draw how often the model is right against how sure it is."""
        return plot_calibration(self)

    def __repr__(self) -> str:
        low, high = self.interval
        names = self.split.class_names
        width = max(len(name) for name in names)
        rows = [
            f"  {name:<{width}}  {100 * recall:6.1f} %  {100 * precision:6.1f} %"
            for name, recall, precision in zip(names, self.recall, self.precision, strict=True)
        ]
        return "\n".join(
            [
                f"Evaluation on {len(self.split):,} {self.split.name} images, {self.split.source}",
                f"  accuracy {100 * self.accuracy:.1f} %, 95 % interval "
                f"{100 * low:.1f} to {100 * high:.1f} %; cross-entropy {self.loss:.3f}",
                f"  {'':<{width}}    recall  precision",
                *rows,
            ]
        )


def accuracy_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson interval of an accuracy: where the true share may well lie.

    Args:
        correct: how many images were classified rightly.
        total: of how many.
        confidence: how often such an interval holds the true share.

    Returns:
        (low, high), shares from 0 to 1.

    Raises:
        UsageError: not 0 <= correct <= total with at least one image.

    Source: E. B. Wilson, "Probable Inference", JASA 22 (1927); computed by SciPy.
    Introduced in lesson 5.
    """
    from scipy.stats import binomtest

    if not 0 <= correct <= total or total < 1:
        raise UsageError(
            f"Expected 0 <= correct <= total, of at least 1. Received: {correct} of {total}."
        )
    interval = binomtest(int(correct), int(total)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def evaluate(model: keras.Model, split: Split, *, mirrored: bool = False) -> Evaluation:
    """Ask `model` about every image of `split` and compare its answers with the labels.

    Args:
        model: a Keras model that gives one number a class: logits, or probabilities that
            add up to 1. For two classes it may give one number, that of the second.
        split: for example `dataset.validation`; `dataset.test` only once, at the end.
        mirrored: whether to ask about the mirror image of every image too, and take the mean of
            the two answers. It takes twice as long, and is for a model that was trained on
            both (`flip_sideways`).

    Raises:
        UsageError: the split is empty, or something else is given as the model or the split.
        MismatchError: the model takes other images, does not give one number a class, or
            gives numbers that are not finite.

    Introduced in lesson 5; `mirrored` in lesson 6.
    """
    from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

    if not hasattr(model, "predict") or not isinstance(split, Split):
        raise UsageError(
            "Expected a Keras model, then a split: evaluate(model, dataset.validation). Received: "
            f"{type(model).__name__} and {type(split).__name__}."
        )
    if not len(split):
        raise UsageError(
            f"Expected a split with images. Received: {split!r}. Choose another split."
        )
    check_image_shape(model, split.images.shape[1:])
    probabilities = _answers(model, split)
    if mirrored:
        mirror = replace(split, images=split.images[:, :, ::-1])
        probabilities = (probabilities + _answers(model, mirror)) / 2
    classes = list(range(len(split.class_names)))
    predictions, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = predictions == split.labels
    precision, recall, _, _ = precision_recall_fscore_support(
        split.labels, predictions, labels=classes, zero_division=np.nan
    )
    wrong = np.flatnonzero(~right)
    return Evaluation(
        split=split,
        probabilities=probabilities,
        accuracy=float(right.mean()),
        interval=accuracy_interval(right.sum(), len(right)),
        loss=float(log_loss(split.labels, probabilities, labels=classes)),
        confusion=confusion_matrix(split.labels, predictions, labels=classes),
        recall=recall,
        precision=precision,
        mistakes=wrong[np.argsort(-confidences[wrong], kind="stable")],
        calibration=_calibration(confidences, right),
    )


def _answers(model: keras.Model, split: Split) -> np.ndarray:
    """The probability of every class for every image, float64 (images, classes)."""
    batches = make_batches(split, batch_without_training(model))
    outputs = np.asarray(model.predict(batches, verbose=0))
    classes = len(split.class_names)
    if outputs.shape == (len(split), 1) and classes == 2:
        # One number for two classes: that of the second. The other follows from it.
        probability = outputs.min() >= 0 and outputs.max() <= 1
        outputs = np.hstack([1 - outputs if probability else 0 * outputs, outputs])
    if outputs.shape != (len(split), classes):
        raise MismatchError(
            f"Expected {classes} numbers an image, one a class of {split!r}. "
            f"Received: an output of shape {outputs.shape}. "
            "Build the model for this dataset, with build_cnn(dataset)."
        )
    if not np.isfinite(outputs).all():
        broken = outputs[~np.isfinite(outputs)]
        raise MismatchError(
            f"Expected numbers from the model. Received: {broken[0]} among {outputs.size:,} of "
            "them, so its training diverged. Train again, with a smaller learning rate."
        )
    return _probabilities(outputs.astype(np.float64))


def _probabilities(outputs: np.ndarray) -> np.ndarray:
    """Softmax of logits; what already is a probability in every row stays as it is."""
    from scipy.special import softmax

    sums_to_one = np.allclose(outputs.sum(axis=1), 1, atol=1e-3)
    if sums_to_one and outputs.min() >= 0:
        return outputs / outputs.sum(axis=1, keepdims=True)
    return softmax(outputs, axis=1)


def _calibration(confidences: np.ndarray, right: np.ndarray) -> Calibration:
    from sklearn.calibration import calibration_curve

    accuracy, confidence = calibration_curve(right, confidences, n_bins=CALIBRATION_BINS)
    inner_edges = np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]
    counts = np.bincount(np.searchsorted(inner_edges, confidences))
    counts = counts[counts > 0]
    error = float(np.sum(counts * np.abs(accuracy - confidence)) / len(right))
    return Calibration(confidence, accuracy, counts, error)
