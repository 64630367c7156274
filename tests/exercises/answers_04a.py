"""What learners answer to the exercises of lesson 4a."""

import keras
import numpy as np
import tensorflow as tf
import torch
from answers import Answers

# The first optimizer loads much of PyTorch, and no exercise should wait for that.
torch.optim.Adam([torch.zeros(1)])

# ----------------------------------------------------------------------------------- adam


def adam(gradients, epsilon, library):
    weight = mean = squares = 0.0
    for step, gradient in enumerate(gradients, start=1):
        mean = 0.9 * mean + 0.1 * gradient
        squares = 0.999 * squares + 0.001 * gradient**2
        root = (1 - 0.999**step) ** 0.5
        below = squares**0.5 / root + (epsilon / root if library == "Keras" else epsilon)
        weight -= mean / (1 - 0.9**step) / below
    return weight


def by_the_libraries(gradients, epsilon, library):
    if library == "Keras":
        weight = keras.Variable([0.0])
        optimizer = keras.optimizers.Adam(1.0, epsilon=epsilon)
        for gradient in gradients:
            optimizer.apply([tf.constant([gradient], tf.float32)], [weight])
        return weight
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=1.0, eps=epsilon)
    for gradient in gradients:
        weight.grad = torch.tensor([gradient], dtype=torch.float32)
        optimizer.step()
    return weight


def by_the_acting_epsilon(gradients, epsilon, library="PyTorch"):
    mean, squares, steps = np.float64(0), np.float64(0), []
    for t in range(len(gradients)):
        mean = mean + 0.1 * (gradients[t] - mean)
        squares = squares + 0.001 * (gradients[t] ** 2 - squares)
        share = 1 - 0.999 ** (t + 1)
        acting = {"Keras": epsilon / np.sqrt(share), "PyTorch": epsilon}[library]
        steps.append(mean / (1 - 0.9 ** (t + 1)) / (np.sqrt(squares / share) + acting))
    return np.array([-sum(steps)])


class Rate:
    """As Keras writes it: with a rate that holds both corrections."""

    def __call__(self, gradients, epsilon, library):
        weight, mean, squares = tf.zeros(()), 0.0, 0.0
        for step, gradient in enumerate(gradients.tolist(), 1):
            mean, squares = mean * 0.9 + gradient * 0.1, squares * 0.999 + gradient**2 * 0.001
            root = np.sqrt(1 - 0.999**step)
            rate, hat = root / (1 - 0.9**step), epsilon * (1 if library == "Keras" else root)
            weight -= rate * mean / (np.sqrt(squares) + hat)
        return weight


def faulty(
    *, corrected=True, inside=False, keep=0.999, first_keep=0.9, squared=True, counted=0,
    rate=1.0, begin=0.0,
):  # fmt: skip
    """Adam with one thing wrong."""

    def wrong(gradients, epsilon, library):
        weight, mean, squares = begin, 0.0, 0.0
        for step, gradient in enumerate(gradients, 1 + counted):
            mean = first_keep * mean + (1 - first_keep) * gradient
            squares = keep * squares + (1 - keep) * (gradient**2 if squared else abs(gradient))
            one, two = (1 - first_keep**step, 1 - keep**step) if corrected else (1.0, 1.0)
            eps = epsilon / two**0.5 if library == "Keras" else epsilon
            below = (squares / two + eps) ** 0.5 if inside else (squares / two) ** 0.5 + eps
            weight -= rate * mean / one / below
        return weight

    return wrong


def scales_gradients(gradients, epsilon, library):
    result = adam(gradients, epsilon, library)
    gradients /= 10
    return result


def counts_from_nought(gradients, epsilon, library):
    with np.errstate(all="ignore"):
        return float(np.float64(gradients[0]) / np.float64(0)) + 0 * epsilon


def returns_for_one_library(gradients, epsilon, library):
    return adam(gradients, epsilon, library) if library == "Keras" else None


# ------------------------------------------------------------------------------- agreeing


def counted(first, second, within):
    count = 0
    for one, other in zip(first, second, strict=True):
        count += all(abs(a - b) < within for a, b in zip(one, other, strict=True))
    return count


def apart(first, second):
    return np.abs(first - second)


def empties(first, second, within):
    result = counted(first, second, within)
    first[:] = 0
    return result


ANSWERS = {
    "places": Answers(
        right=[(67, 80), [67, 80], np.array([67, 80]), (67.0, np.int64(80)), torch.tensor([67, 80]),
               tf.constant([67, 80])],
        wrong=[
            ((80, 67), "exchanged"), ((51, 78), "How many columns"), ((68, 81), "counted from 0"),
            ((67, 67), "another order"), ((80, 80), "another order"), ((67, 81), "Number 2"),
            (67, "numbers in brackets"), ((67, 80, 0), "Expected 2 numbers"),
        ],
    ),
    "first_step": Answers(
        right=[
            {"torch": 0.5, "keras": 0.031, "uncorrected": 3.16}, (0.5, 0.0307, 3.162),
            [np.float32(0.5), 1 / (1 + 1000**0.5), tf.sqrt(10.0)], np.array([0.5, 0.03065, 3.1623]),
            {"uncorrected": 10**0.5, "keras": torch.tensor(0.0306), "torch": [0.5]},
        ],
        wrong=[
            ((0.0307, 0.5, 3.162), "torch: That is the step of Keras"),
            ((0.5, 0.5, 3.162), "by how much in the first step"),
            ((1, 0.031, 3.162), "denominator"),
            ((0.5, 1, 3.162), "keras: Epsilon is as large"),
            ((0.5, 0.969, 3.162), "not smaller"), ((0.5, 0.001, 3.162), "the root of 0.001"),
            ((0.5, 0.031, 1), "with the correction"), ((0.5, 0.031, 0.1), "of the squares?"),
            ((0.5, 0.031, 100), "the root of the mean"), ((0.5, 0.031), "Expected 3 answers"),
            ((0.5, 0.031, 31.6), "uncorrected: Not 31.6"), ((0.5, 0.036, 3.162), "keras: Not"),
            ({"torch": 0.5, "keras": 0.031}, "uncorrected"),
        ],
    ),
    "adam": Answers(
        right=[adam, by_the_libraries, by_the_acting_epsilon, Rate(), faulty()],
        wrong=[
            (lambda gradients, epsilon, _: adam(gradients, epsilon, "PyTorch"),
             "what PyTorch does"),
            (lambda gradients, epsilon, _: adam(gradients, epsilon, "Keras"), "what Keras does"),
            (lambda gradients, epsilon, library: adam(
                gradients, epsilon, "PyTorch" if library == "Keras" else "Keras"), "exchanged"),
            (lambda *case: -adam(*case), "uphill"), (faulty(corrected=False), "corrects them"),
            (faulty(counted=1), "next step"), (faulty(inside=True), "not inside it"),
            (lambda gradients, *others: adam(gradients[:1], *others), "first step only"),
            (faulty(keep=0.99), "Called with"), (faulty(first_keep=0.99), "Called with"),
            (faulty(squared=False), "Called with"), (faulty(rate=0.001), "Called with"),
            (faulty(begin=1.0), "Called with"), (counts_from_nought, "infinite"),
            (lambda gradients, epsilon, library: adam(gradients, 1e-7, library), "Called with"),
            (lambda gradients, epsilon, library: adam(gradients, 0.0, library), "Called with"),
            (scales_gradients, "work on a copy"), (returns_for_one_library, "return"),
            (lambda gradients, epsilon: 0.0, "called with 3 values"),
            (lambda gradients, epsilon, library: -np.sign(gradients).sum(), "Called with"),
            (lambda gradients, epsilon, library: [-1.0] * len(gradients), "Called with"),
        ],
    ),
    "agreeing": Answers(
        right=[
            counted,
            lambda first, second, within: int((apart(first, second).max(1) < within).sum()),
            lambda first, second, within: (apart(first, second) < within).all(axis=1).sum(),
            lambda first, second, within: len([
                row for row in (first - second) if row.max() < within and row.min() > -within]),
            lambda first, second, within: torch.isclose(
                *map(torch.tensor, (first, second)), rtol=0, atol=within).all(1).sum(),
            lambda first, second, within: tf.math.count_nonzero(
                tf.reduce_max(tf.abs(first - second), axis=1) < within),
        ],
        wrong=[
            (lambda first, second, within: int(((first - second).mean(axis=1) < within).sum()),
             "before it was mended"),
            (lambda first, second, within: (apart(first, second).mean(axis=1) < within).sum(),
             "The mean over the steps"),
            (lambda first, second, within: (np.abs((first - second).mean(1)) < within).sum(),
             "Differences of both signs still cancel"),
            (lambda first, second, within: ((first - second).max(axis=1) < within).sum(),
             "Which of the two is larger"),
            (lambda first, second, within: (apart(first, second).max(0) < within).sum(), "axis"),
            (lambda first, second, within: (apart(first, second).sum(axis=1) < within).sum(),
             "Called with"),
            (lambda first, second, within: (apart(first, second) / second < within).all(1).sum(),
             "Called with"),
            (lambda first, second, within: (apart(first, second) < within).sum(), "single losses"),
            (lambda first, second, within: (apart(first, second)[:, -1] < within).sum(),
             "last step"),
            (lambda first, second, within: (apart(first, second) < within).any(axis=1).sum(),
             "where one loss agrees"),
            (lambda first, second, within: len(first) - counted(first, second, within),
             "that do not agree"),
            (lambda first, second, within: counted(first, second, within) / len(first), "share"),
            (lambda first, second, within: counted(first[:1], second[:1], within), "Called with"),
            (lambda first, second, within: apart(first, second).max() < within, "Called with"),
            (lambda first, second, within: apart(first, second).max(axis=1) < within,
             "Called with"),
            (lambda first, second, within: counted(first, second, 1e-5), "Called with"),
            (lambda first, second: 0, "called with 3 values"), (empties, "work on a copy"),
            (lambda first, second, within: np.median(apart(first, second).max(1)), "Called with"),
        ],
    ),
    "sayings": Answers(
        right=[{"first": "a", "second": "c"}, ("a", "c"), ["A)", "C"], np.array(["a", "c"])],
        wrong=[
            (("b", "c"), "one-weight"), (("c", "c"), "other batches"), (("d", "c"), "sgd-run"),
            (("e", "c"), "seventh digit"), (("a", "b"), "draws-picture"), (("a", "a"), "left over"),
            (("a", "d"), "precision"), (("a", "e"), "every draw"), ("bc", "Expected 2 answers"),
            ({"first": "a"}, "second"),
        ],
    ),
}  # fmt: skip
