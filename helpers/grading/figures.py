"""Checks of lessons 5 and 7: an interval, figures of classes, choices of a network and of a bar."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from numbers import Real

import numpy as np

from helpers.checking.functions import function
from helpers.checking.plain import Wrong, plain, received

# ----------------------------------------------- an accuracy with its interval


def _wilson(scores: np.ndarray, labels: np.ndarray, confidence: float = 0.95) -> tuple:
    """The accuracy and its interval, by SciPy."""
    from scipy.stats import binomtest

    right = int((scores.argmax(axis=1) == labels).sum())
    interval = binomtest(right, len(labels)).proportion_ci(confidence, method="wilson")
    return right / len(labels), float(interval.low), float(interval.high)


def _by_formula(wrong: Callable) -> Callable:
    """A wrong interval, whose centre and half width come from p, n and z."""

    def called(scores: np.ndarray, labels: np.ndarray) -> tuple:
        p = float((scores.argmax(axis=1) == labels).mean())
        centre, half_width = wrong(p, len(labels), 1.96)
        return p, centre - half_width, centre + half_width

    return called


def _centre(p: float, n: int, z: float) -> float:
    return (p + z**2 / (2 * n)) / (1 + z**2 / n)


def _root(p: float, n: int, z: float) -> float:
    return z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))


def _scores() -> Iterator[tuple]:
    """Logits and probabilities with labels: few and many, all right, none right."""
    few = np.array([[2.5, -1.0], [-0.5, -3.0], [0.0, 4.0]])
    yield few, np.array([0, 1, 1])
    yield few[:1], np.array([0])
    yield few, np.array([1, 1, 0])
    random = np.random.default_rng(5)
    for images, classes in ((5, 10), (40, 4), (250, 3)):
        labels = random.integers(0, classes, images)
        logits = random.normal(-4, 1, (images, classes))  # most of them negative
        logits[np.arange(images), labels] += 1
        raised = np.exp(logits)
        yield logits.astype("float32"), labels
        yield raised / raised.sum(axis=1, keepdims=True), labels


# With z as the question has it: a hundred times as much shows the difference.
_in_1_96 = _by_formula(lambda p, n, z: (_centre(p, n, z), _root(p, n, z) / (1 + z**2 / n)))

gives_interval = function(_wilson, list(_scores()), within=1e-4, told=[
    (_by_formula(lambda p, n, z: (p, z * math.sqrt(p * (1 - p) / n))),
     "This is the simple interval, p plus and minus z standard deviations. Where all answers are "
     "right it has no width at all. Wilson's formula has more terms."),
    (_by_formula(lambda p, n, z: (p, _root(p, n, z) / (1 + z**2 / n))),
     "Wilson's interval does not lie around p: its centre is nearer to one half."),
    (_by_formula(lambda p, n, z: (_centre(p, n, z), z / (1 + z**2 / n)
                                  * math.sqrt(p * (1 - p) / n + z**2 / (4 * n)))),
     "Look at the last term under the root: n stands there in another power."),
    (_by_formula(lambda p, n, z: (p + z**2 / (2 * n), _root(p, n, z))),
     "The centre and the half width are both divided by the same number, which is missing."),
    (_by_formula(lambda p, n, z: (_centre(p, n, z), _root(p, n, z))),
     "The half width is divided by the same number as the centre, and that is missing."),
    (lambda scores, labels: _wilson(scores, labels, 0.9),
     "This interval holds 90 %. For 95 %, z leaves out 2.5 % at each side."),
    (lambda scores, labels: _wilson(scores, labels, 0.99),
     "This interval holds 99 %. For 95 %, z is 1.96."),
    (lambda scores, labels: tuple(100 * each for each in _in_1_96(scores, labels)),
     "These are percents. Numbers from 0 to 1 are asked for."),
    (lambda scores, labels: tuple(_wilson(scores, labels)[place] for place in (0, 2, 1)),
     "The lower end comes first."),
    (lambda scores, labels: (_wilson(scores, labels)[0], _wilson(scores, labels)[1:]),
     "The numbers are correct. Give all three in one pair of brackets: accuracy, low, high."),
    (lambda scores, labels: _wilson(scores, labels)[1:],
     "Where is the accuracy itself? Give three numbers."),
    (lambda scores, labels: _wilson(scores, labels)[0], "The accuracy is correct. Where is its "
     "interval? Give three numbers."),
])  # fmt: skip

# ----------------------------------------------- confusion matrix, recall and precision


def figures_of_classes(labels: np.ndarray, answers: np.ndarray, classes: int) -> tuple:
    """The three results, by scikit-learn, with 0 where nothing can be counted."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    named = list(range(classes))
    precision, recall, *_ = precision_recall_fscore_support(
        labels, answers, labels=named, zero_division=0
    )
    return confusion_matrix(labels, answers, labels=named), recall, precision


def _changed(change: Callable) -> Callable:
    """A wrong function: the three correct results, changed."""
    return lambda *case: change(*figures_of_classes(*case))


TOLD = [
    (_changed(lambda counts, recall, precision: (counts.T, recall, precision)),
     "Rows and columns of the matrix are exchanged. A row is a true class."),
    (_changed(lambda counts, recall, precision: (counts.T, precision, recall)),
     "Rows and columns are exchanged, and with them recall and precision. A row is a true class."),
    (_changed(lambda counts, recall, precision: (counts, precision, recall)),
     "Recall and precision are exchanged. Recall looks along the row: of the images that are of "
     "this class, how many were found?"),
    (_changed(lambda counts, recall, precision: (counts, 100 * recall, 100 * precision)),
     "Recall and precision are asked for as numbers from 0 to 1, not in percent."),
    (_changed(lambda counts, recall, precision:
              (counts / counts.sum(axis=1, keepdims=True), recall, precision)),
     "The matrix holds proportions of each row. It shall hold counts."),
    (_changed(lambda counts, recall, precision:
              (counts, counts.diagonal() / counts.sum(), counts.diagonal() / counts.sum())),
     "You divide by all images. Recall asks about those of one true class only, precision about "
     "those that were called this class."),
]  # fmt: skip


def _whole_cases() -> Iterator[tuple]:
    """Each class has images, and each is named."""
    yield np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0]), 2
    yield np.array([0, 0, 0, 1, 1, 2, 2, 2, 2]), np.array([0, 1, 2, 1, 1, 2, 1, 2, 0]), 3
    random = np.random.default_rng(5)
    labels = np.concatenate([np.arange(5), random.choice(5, 195, p=[0.5, 0.2, 0.1, 0.1, 0.1])])
    answers = np.where(random.random(200) < 0.7, labels, random.integers(0, 5, 200))
    answers[:5] = labels[:5]
    yield labels, answers, 5


GAPS = [
    (np.array([0, 0, 2]), np.array([0, 2, 2]), 3),  # a class in neither
    (np.array([0, 1, 1]), np.array([0, 1, 2]), 3),  # the last one has no image
    (np.array([0, 1, 2, 2]), np.array([1, 1, 2, 1]), 3),  # the first one is never named
    (np.array([1, 1]), np.array([1, 1]), 4),
]
# More classes times classes than a number of eight bits can count.
SMALL_NUMBERS = [(np.arange(60, dtype="uint8") % 20, np.arange(60, dtype="uint8") // 2 % 20, 20)]


def gives_figures_of_classes(answer: object) -> None:
    """Ask for a confusion matrix, recall and precision; nan where there is nothing to count."""
    function(figures_of_classes, list(_whole_cases()), told=TOLD)(answer)
    function(figures_of_classes, GAPS)(_with_gaps(answer))
    try:
        function(figures_of_classes, SMALL_NUMBERS)(_with_gaps(answer))
    except Wrong:
        raise Wrong(
            "With 20 classes, and labels of the type uint8 as the datasets of Keras have them, "
            "your result is another one. Numbers of this type end at 255: what do you compute "
            "with the labels?"
        ) from None


def _with_gaps(answer: Callable) -> Callable:
    """The learner's function, with 0 for each nan that stands where it belongs."""

    @functools.wraps(answer)
    def called(labels: np.ndarray, answers: np.ndarray, classes: int) -> object:
        with np.errstate(divide="ignore", invalid="ignore"):
            result = plain(answer(labels, answers, classes))
        if not isinstance(result, tuple) or len(result) != 3:
            return result
        recall = _filled("recall", result[1], np.bincount(labels, minlength=classes))
        precision = _filled("precision", result[2], np.bincount(answers, minlength=classes))
        return result[0], recall, precision

    return called


NOTHING = {
    "recall": "no image is of this class, so there was nothing to find",
    "precision": "no answer named this class, so there is nothing to judge",
}


def _filled(name: str, row: object, counts: np.ndarray) -> object:
    values = row.tolist() if isinstance(row, np.ndarray) else row
    if not isinstance(values, tuple | list) or len(values) != len(counts):
        return row
    filled = []
    for index, (value, count) in enumerate(zip(values, counts, strict=True)):
        missing = value is None or (isinstance(value, Real) and math.isnan(value))
        if count and missing:
            raise Wrong(
                f"the {name} of class {index} is {value}, though there is something to count. "
                "0 of something is 0. Or do you add up along the wrong axis?"
            )
        if not count and not missing:
            raise Wrong(
                f"the {name} of class {index} is {received(value)}. But {NOTHING[name]}. 0 would "
                "mean that all of it went wrong. Where a sum is 0, nan is asked for."
            )
        filled.append(0.0 if missing else value)
    return filled


# ----------------------------------------------- which network, and what to tell of it

Accuracies = np.ndarray


def _accuracies(answers: np.ndarray, labels: np.ndarray) -> Accuracies:
    return np.array([np.count_nonzero(row == labels) / len(labels) for row in answers])


def _choice(choose_and_tell: Callable[[Accuracies, Accuracies], tuple]) -> Callable:
    """A way to choose, from the accuracies of the networks on validation and on test images."""

    def called(
        validation_answers: np.ndarray,
        validation_labels: np.ndarray,
        test_answers: np.ndarray,
        test_labels: np.ndarray,
    ) -> tuple:
        return choose_and_tell(
            _accuracies(validation_answers, validation_labels),
            _accuracies(test_answers, test_labels),
        )

    return called


def _networks() -> Iterator[tuple]:
    """Answers of networks of which so many are right on validation images and on test images."""

    def answered(right: list[int], images: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(images) % 3
        later = np.arange(images) >= np.array(right)[:, np.newaxis]
        return np.where(later, (labels + 1) % 3, labels), labels

    for on_validation, validation_images, on_test, test_images in (
        ([2, 3, 1], 4, [5, 3, 2], 6),
        ([4], 5, [2], 4),
        ([7, 9, 8, 6], 10, [2, 4, 10, 11], 12),  # best on validation, on both, on test: 1, 2, 3
        ([5, 3], 7, [6, 1], 7),
    ):
        yield *answered(on_validation, validation_images), *answered(on_test, test_images)


chooses_on_validation = function(
    _choice(lambda validation, test: (validation.argmax(), test[validation.argmax()])),
    list(_networks()),
    told=[
        (_choice(lambda validation, test: (test.argmax(), test.max())),
         "The network is still chosen on the test images, so its test accuracy holds the luck of "
         "the choice. Make the experiment: let 50 networks guess, and look at the test accuracy "
         "of the best one. On which images may you choose?"),
        (_choice(lambda validation, test: (validation.argmax(), validation.max())),
         "The network is chosen well. But its validation accuracy is the best of several, by luck "
         "too. Which images know nothing of the choice?"),
        (_choice(lambda validation, test: (validation.argmax(), test.max())),
         "The accuracy is that of another network. Give the one of the network that you chose."),
        (_choice(lambda validation, test: (test.argmax(), validation[test.argmax()])),
         "The two sets have changed places. Which of them is for decisions?"),
        (_choice(lambda validation, test: ((validation + test).argmax(),
                                           test[(validation + test).argmax()])),
         "The test images still take part in the choice."),
        (_choice(lambda validation, test: (test[validation.argmax()], validation.argmax())),
         "First the number of the network, then the accuracy."),
        (_choice(lambda validation, test: test[validation.argmax()]),
         "The accuracy is correct. Which network is it? Give two numbers."),
    ],
)  # fmt: skip

# ----------------------------------------------- from which confidence on an answer is given


def _bar(
    *,
    of: Callable = lambda wrong, answered: wrong.sum() / max(answered.sum(), 1),
    take: Callable = min,
    tell: Callable = lambda bar, answered, through: (bar, answered.mean(), through.mean()),
) -> Callable:
    """Right as it stands; its settings make it wrong."""

    def called(
        probabilities: np.ndarray, labels: np.ndarray, others: np.ndarray, allowed: float
    ) -> tuple:
        sure, wrong = probabilities.max(axis=1), probabilities.argmax(axis=1) != labels
        bars = [tenths / 10 for tenths in range(11)]
        fit = [bar for bar in bars if of(wrong & (sure >= bar), sure >= bar) <= allowed]
        bar = take(fit or [1.0])
        return tell(bar, sure >= bar, others.max(axis=1) >= bar)

    return called


def _asked() -> Iterator[tuple]:
    """Probabilities of few photos and of many; no confidence lies on a tenth."""

    def rows(*confidences: float, classes: int = 3) -> np.ndarray:
        made = [[(1 - each) / (classes - 1)] * classes for each in confidences]
        for place, each in enumerate(confidences):
            made[place][place % classes] = each
        return np.array(made)

    yield rows(0.95, 0.85, 0.45), np.array([0, 1, 0]), rows(0.93, 0.55), 0.1
    yield rows(0.97, 0.88), np.array([0, 1]), rows(0.42, 0.64), 0.05  # all right
    yield rows(0.98, 0.76), np.array([1, 0]), rows(0.99), 0.2  # all wrong: nobody is answered
    yield rows(0.96, 0.83, 0.71, 0.62), np.array([0, 1, 2, 1]), rows(0.57), 0.25  # just as allowed
    # every answer may be given, though from 0.5 on too many are wrong
    yield rows(0.43, 0.46, 0.44, 0.57, 0.94), np.array([0, 1, 2, 1, 1]), rows(0.52), 0.22
    random = np.random.default_rng(7)
    for photos, classes, allowed in ((40, 4, 0.123), (150, 2, 0.033), (150, 10, 0.217)):
        raised = np.exp(random.normal(0, 2, (2 * photos, classes))) + 1e-6
        shares = raised / raised.sum(axis=1, keepdims=True)
        sure = shares.max(axis=1)
        shares = shares[np.abs(sure * 10 - np.rint(sure * 10)) > 0.02]
        shares, others = shares[:photos], shares[photos:]
        right = random.random(len(shares)) < shares.max(axis=1)
        best = shares.argmax(axis=1)
        yield shares, np.where(right, best, (best + 1) % classes), others, allowed


chooses_bar = function(
    _bar(),
    list(_asked()),
    told=[
        (_bar(of=lambda wrong, answered: wrong.sum() / len(wrong)),
         "You divide the wrong answers by all photos. Those that are turned away got no answer."),
        (_bar(take=max), "A lower bar is enough, and it turns fewer photos away."),
        (_bar(tell=lambda bar, answered, through: (bar, 1 - answered.mean(), through.mean())),
         "The second number is the share that is turned away. Asked for is the share that gets an "
         "answer."),
        (_bar(tell=lambda bar, answered, through: (bar, answered.mean(), 1 - through.mean())),
         "The third number is the share of other things that is turned away. Asked for is the "
         "share that gets a name all the same."),
        (_bar(tell=lambda bar, answered, through: (bar, through.mean(), answered.mean())),
         "The second and the third number have changed places."),
        (_bar(tell=lambda bar, answered, through: (bar, answered.sum(), through.sum())),
         "You count photos. Asked for are shares, from 0 to 1."),
        (_bar(tell=lambda bar, answered, through: bar),
         "The bar is correct. What does it cost? Give three numbers."),
    ],
)  # fmt: skip
