"""Say how good a model is, and how sure that figure is. Introduced in lesson 5.

The figures come from scikit-learn and SciPy; this module puts them together once, so that
every lesson shows the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.arguments import check_switches, check_whole
from helpers.basics.errors import UsageError, kind_of, wrapped
from helpers.datasets.dataset import Split
from helpers.models.trained_on import trained_on
from helpers.pictures.images import MOST_IMAGES
from helpers.pictures.picture import Picture
from helpers.results.calibration import Calibration, calibration_of
from helpers.results.pictures import plot_calibration, plot_confusion, plot_mistakes
from helpers.results.probabilities import log_probabilities

if TYPE_CHECKING:
    import keras
    from matplotlib.axes import Axes

MOST_IMAGES_ASKED = 10**15
LONGEST_NAME = 55  # letters, in the table: the numbers beside it then stay in 88


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
        f1: harmonic mean of the two for each class; nan for one without images or predictions.
        balanced_accuracy: mean recall of the classes that have images: each counts alike, however
            many images it has.
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
    f1: np.ndarray
    balanced_accuracy: float
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

    def plot_confusion(self, *, ax: Axes | None = None) -> Picture:
        """Draw the confusion matrix, on a figure of its own where no `ax` is given."""
        return plot_confusion(self.confusion, self.split, ax=ax)

    def plot_mistakes(self, count: int = 10) -> Picture:
        """Show the most confident mistakes, 1 to 256; fewer where there are fewer.

        Raises:
            UsageError: no mistakes, or not such a count.
        """
        worst = self.mistakes[: check_whole("count", count, most=MOST_IMAGES)]
        return plot_mistakes(self.split, worst, self.predictions, self.confidences)

    def plot_calibration(self, *, smallest_group: int = 20, ax: Axes | None = None) -> Picture:
        """Draw how often the model is right against how sure it is.

        Groups of fewer images are not drawn, since their share right is chance; the description
        still has them.
        """
        return plot_calibration(self.calibration, self.split, smallest_group=smallest_group, ax=ax)

    def __repr__(self) -> str:
        low, high = self.interval
        names = [
            name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 20]}…{name[-19:]}"
            for name in (" ".join(name.split()) for name in self.split.class_names)
        ]
        width = max(len(name) for name in names)
        rows = [
            f"  {name:<{width}}  " + "  ".join(f"{100 * share:6.1f} %" for share in shares)
            for name, *shares in zip(names, self.recall, self.precision, self.f1, strict=True)
        ]
        equal = len(set(self.split.class_counts().values())) == 1  # then both accuracies are one
        balanced = f"  balanced accuracy {100 * self.balanced_accuracy:.1f} %, the mean recall"
        return "\n".join(
            [
                wrapped(
                    f"Evaluation on {len(self.split):,} {self.split.name} images, "
                    f"{self.split.source}",
                    indent="  ",
                ),
                f"  accuracy {100 * self.accuracy:.1f} %, 95 % interval "
                f"{100 * low:.1f} to {100 * high:.1f} %; cross-entropy {self.loss:.3f}",
                *([] if equal else [balanced]),
                f"  {'':<{width}}    recall  precision       F1",
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
        UsageError: not whole numbers with 0 <= correct <= total, of at least one image, or a
            confidence that is not between 0 and 1.

    Source: E. B. Wilson, "Probable Inference", JASA 22 (1927); computed by SciPy.
    Introduced in lesson 5.
    """
    from scipy.stats import binomtest

    if not all(isinstance(number, Real) and number % 1 == 0 for number in (correct, total)):
        raise UsageError(
            "Expected whole numbers: how many are right, and of how many. Received: "
            f"{correct!r} of {total!r}."
        )
    if not 0 <= correct <= total or not 1 <= total <= MOST_IMAGES_ASKED:
        raise UsageError(
            "Expected 0 <= correct <= total, of at least 1 and at most 10**15. Received: "
            f"{str(correct)[:20]} of {str(total)[:20]}."
        )
    if not isinstance(confidence, Real) or not 0 < confidence < 1 - 1e-12:  # 1 but for rounding
        raise UsageError(
            f"Expected a confidence between 0 and 1, such as 0.95. Received: {confidence!r}."
        )
    interval = binomtest(int(correct), int(total)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def evaluate(
    model: keras.Model,
    split: Split,
    *more: object,
    mirrored: bool = False,
    shifted: bool = False,
) -> Evaluation:
    """Ask `model` about every image of `split` and compare its answers with the labels.

    Args:
        model: a Keras model that gives one number a class: logits or probabilities, as its last
            layer says. For two classes it may give one number, that of the second.
        split: for example `dataset.validation`; `dataset.test` only once, at the end.
        mirrored: whether to ask about the mirror image of every image too, and take the mean of
            the two answers. It takes twice as long, and is for a model that was trained on
            both (`flip_sideways`).
        shifted: whether to ask about every image moved by one pixel too, up and to the left, and
            down and to the right, and take the mean. It takes three times as long, together with
            `mirrored` six times, and is for a model that was trained on such images (`shift`).

    Returns:
        An `Evaluation`: accuracy with its interval, cross-entropy, confusion matrix, figures of
        each class, and the answer about each image.

    Raises:
        UsageError: the split is empty, or something else is given as the model or the split.
        MismatchError: the model takes other images or scales pixels that are scaled already,
            does not give one number a class, or gives numbers that are not finite; or it was
            trained on classes in another order, or on pixels in another range.

    Introduced in lesson 5; `mirrored` and `shifted` in lesson 6.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    if not hasattr(model, "predict") or not isinstance(split, Split) or more:
        raise UsageError(
            "Expected a Keras model, then a split: evaluate(model, dataset.validation). Received: "
            f"{' and '.join(map(kind_of, (model, split, *more)))}."
        )
    if not len(split):
        raise UsageError(
            f"Expected a split with images. Received: {split!r}. Choose another split."
        )
    split.check()
    check_switches(mirrored=mirrored, shifted=shifted)
    if known := trained_on(model):
        known.check_split(split)
    logs = log_probabilities(model, split, mirrored=mirrored, shifted=shifted)
    probabilities = np.exp(logs)
    classes = list(range(len(split.class_names)))
    predictions, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = predictions == split.labels
    precision, recall, f1, count = precision_recall_fscore_support(
        split.labels, predictions, labels=classes, zero_division=np.nan
    )
    wrong = np.flatnonzero(~right)
    return Evaluation(
        split=split,
        probabilities=probabilities,
        accuracy=float(right.mean()),
        interval=accuracy_interval(right.sum(), len(right)),
        loss=float(-logs[np.arange(len(logs)), split.labels].mean()),
        confusion=confusion_matrix(split.labels, predictions, labels=classes),
        recall=recall,
        precision=precision,
        f1=f1,
        balanced_accuracy=float(recall[count > 0].mean()),
        mistakes=wrong[np.argsort(-confidences[wrong], kind="stable")],
        calibration=calibration_of(confidences, right),
    )
