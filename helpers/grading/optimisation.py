"""The checks of lesson 4 that hold a calculation against another way to the same result."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.special import log_softmax, softmax

from helpers.checking.functions import function

# ------------------------------------------------------------------------------- cross-entropy


def _losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The cross-entropy of each image, by SciPy."""
    return -log_softmax(logits, axis=1)[np.arange(len(labels)), labels]


def mean_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(_losses(logits, labels).mean())


def _of_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


def _cut_off(least: float) -> Callable:
    return lambda logits, labels: _of_probabilities(
        np.clip(softmax(logits, axis=1), least, 1 - least), labels
    )


def _logits_and_labels() -> list[tuple]:
    random = np.random.default_rng(4)
    made = [
        (random.normal(0, 2, (images, classes)).round(2), random.integers(0, classes, images))
        for images, classes in ((2, 3), (3, 3), (5, 2), (7, 10))
    ]
    # The last class is the true one nowhere, and one row is far from the other.
    large = np.array([[1000.0, 0.0, -1000.0], [-2000.0, -1999.0, -2001.5]])
    return [
        (np.array([[2.0, 1.0, 0.0]]), np.array([0])),
        *made,
        (large[:1], np.array([0])),
        (large, np.array([1, 0])),
    ]


cross_entropy_of_logits = function(mean_loss, _logits_and_labels(), told=[
    (lambda logits, labels: -mean_loss(logits, labels),
     "The sign is turned round. The logarithm of a probability is negative, and a loss is not."),
    (_losses, "You give a loss for each image. Asked for is one number: their mean."),
    (lambda logits, labels: _losses(logits, labels).sum(),
     "You add up the losses of the images. With the sum, a batch twice as large costs twice as "
     "much: the loss of a batch is the mean."),
    (lambda logits, labels: mean_loss(logits, labels) / logits.shape[1],
     "You also divide by the number of classes. Only the true class of each image counts, so the "
     "mean goes over the images."),
    (lambda logits, labels: mean_loss(logits, labels) / np.log(2),
     "Your logarithm is that to the base 2. The loss takes the natural one."),
    (lambda logits, labels: mean_loss(logits, labels) / np.log(10),
     "Your logarithm is that to the base 10. The loss takes the natural one."),
    (lambda logits, labels: mean_loss(softmax(logits, axis=1), labels),
     "Softmax is taken twice. Run the cell `logits-wrong` of the lesson: no error, and a loss "
     "that is wrong."),
    *((_cut_off(10.0**-power),
       "An answer that is wrong and very sure costs too little: your probabilities are cut off "
       "before the logarithm. Take the logarithm of e to a power by hand: what is left of it?")
      for power in range(5, 17)),
    *((lambda logits, labels, little=little: _of_probabilities(
           softmax(logits, axis=1) + little, labels),
       "A small number is added to your probabilities, so an answer that is wrong and very sure "
       "costs too little. Take the logarithm of e to a power by hand: what is left of it?")
      for little in (1e-300, *(10.0**-power for power in range(4, 17)))),
    (lambda logits, labels: -log_softmax(logits, axis=0)[np.arange(len(labels)), labels].mean(),
     "Your softmax goes along the images. For each image, its classes add up to 1."),
])  # fmt: skip

# ---------------------------------------------------------------------------- gradient descent


def _by_tape(weights, features, labels, rate, batch_size, epochs) -> np.ndarray:
    """The weights after the training, with the gradients of TensorFlow."""
    import tensorflow as tf

    trained = tf.Variable(weights, dtype=tf.float64)
    for _ in range(epochs):
        for first in range(0, len(labels), batch_size):
            batch = slice(first, first + batch_size)
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                    labels[batch], features[batch] @ trained
                )
                loss = tf.reduce_mean(losses)
            trained.assign_sub(rate * tape.gradient(loss, trained))
    return trained.numpy()


def _gradient(weights: np.ndarray, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of the mean loss, by hand."""
    errors = softmax(features @ weights, axis=1) - np.eye(weights.shape[1])[labels]
    return features.T @ errors / len(labels)


def _batches(images: int, size: int) -> Iterator[slice]:
    return (slice(first, min(first + size, images)) for first in range(0, images, size))


def _walk(change: Callable | None = None, *, cut: Callable = _batches, old: str = "") -> Callable:
    """A training with one thing wrong.

    Args:
        change: makes something else of the gradient, given the features and the batch size.
        cut: gives the batches, by the number of images and the batch size.
        old: "training" or "epoch": the gradients are those of the weights at its beginning.
    """

    def walk(weights, features, labels, rate, batch_size, epochs) -> np.ndarray:
        first = weights = np.array(weights, float)
        for _ in range(epochs):
            begun = weights
            for batch in cut(len(labels), batch_size):
                used = {"training": first, "epoch": begun}.get(old, weights)
                gradient = _gradient(used, features[batch], labels[batch])
                if change:
                    gradient = change(gradient, features[batch], batch_size)
                weights = weights - rate * gradient
        return weights

    return walk


def _trainings() -> list[tuple]:
    random = np.random.default_rng(5)
    sizes = [
        (1, 2, 2, 1, 1), (4, 2, 3, 4, 1), (4, 3, 2, 2, 1), (4, 2, 3, 4, 3), (5, 3, 4, 2, 2),
        (7, 4, 3, 3, 3), (6, 2, 4, 50, 2),
    ]  # fmt: skip
    return [
        (
            random.normal(0, 0.5, (width, classes)).round(2),
            random.normal(0, 1, (images, width)).round(2),
            # The true class is never the last one.
            random.integers(0, classes - 1, images).astype("int64"),
            rate,
            batch_size,
            epochs,
        )
        for rate, (images, width, classes, batch_size, epochs) in zip(
            itertools.cycle((0.5, 0.1, 0.8)), sizes, strict=False
        )
    ]


weights_after_training = function(_by_tape, _trainings(), told=[
    (_walk(lambda gradient, features, size: -gradient),
     "Your weights climb: the loss grows. The gradient points uphill."),
    (_walk(lambda gradient, features, size: gradient * len(features)),
     "Your step grows with the number of images in the batch. The loss of a batch is the mean over "
     "its images, and so is its gradient."),
    (_walk(lambda gradient, features, size: gradient * len(features) / size),
     "You divide by the batch size. The last batch may hold fewer images than that."),
    (_walk(cut=lambda images, size: [slice(images)]),
     "You take one step an epoch, with all images. After each batch the weights take a step."),
    (_walk(cut=lambda images, size: [
        slice(n * size, (n + 1) * size) for n in range(images // size)
    ]),
     "The last batch is left out where it is not full. Its images count too."),
    (lambda weights, features, labels, rate, size, epochs:
     _walk()(weights, features[:size], labels[:size], rate, size, 1),
     "You take one step only. Look at where the `return` stands."),
    (_walk(cut=lambda images, size: [slice(size)]),
     "You use the first batch only. Look at where the `return` stands, and at what the inner "
     "loop goes through."),
    (lambda weights, features, labels, rate, size, epochs:
     _walk()(weights, features, labels, rate, size, 1),
     "You train one epoch, whatever `epochs` says. Look at where the `return` stands."),
    (lambda weights, *others: _walk()(0 * weights, *others),
     "You begin with zeros, not with the weights that your function is given."),
    (_walk(old="training"),
     "All your gradients are those of the first weights. After a step the slope is another one."),
    (_walk(old="epoch"),
     "Within an epoch all your gradients are those of the same weights. After each step the "
     "slope is another one."),
])  # fmt: skip

# ------------------------------------------------------------------------------- early stopping


def kept_and_trained(losses: Sequence[float], patience: int) -> tuple[int, int]:
    """Which epoch early stopping keeps, and after how many it stops, counted from 1."""
    for trained in range(1, len(losses) + 1):
        kept = int(np.argmin(losses[:trained])) + 1
        if trained - kept >= patience:
            return kept, trained
    return kept, len(losses)


LOSSES_AND_PATIENCE = [
    ([0.9, 0.7, 0.8, 0.9], 1), ([0.9, 0.7, 0.5], 2), ([0.9], 1), ([0.5, 0.6, 0.7], 2),
    ([0.9, 0.5, 0.7, 0.6, 0.8], 2), ([0.9, 0.5, 0.6, 0.4, 0.5, 0.7], 2),
    ([0.9, 0.8, 0.85, 0.7, 0.75, 0.6], 2), ([0.9, 0.8, 0.8, 0.8], 2),
    ([0.9, 0.6, 0.7, 0.5, 0.6, 0.5, 0.7, 0.4], 3), ([0.9, 0.5, 0.6, 0.7, 0.8, 0.1], 3),
    ([0.8, 0.9, 0.4, 0.5, 0.45, 0.3, 0.2], 5), ([2.3, 2.1, 1.9, 2.0, 2.2], 2),
    ([0.5, 0.499, 0.498, 0.6, 0.7], 2),
    ([0.9, 0.8, 0.9, 0.9, 0.9, 0.9], 1),
]  # fmt: skip


def _compared(losses: list[float], patience: int, *, before: bool, in_a_row: bool) -> tuple:
    """What the stub does, with one of its two faults or both."""
    lowest, kept, waited = float("inf"), 0, 0
    for epoch, loss in enumerate(losses, 1):
        if loss < lowest:
            kept, waited = epoch, 0 if in_a_row else waited
        else:
            waited += 1
        lowest = loss if before else min(loss, lowest)
        if waited == patience:
            break
    return kept, epoch


def _last_of_equal(losses: list[float], patience: int) -> tuple[int, int]:
    """As with <= instead of <."""
    return kept_and_trained([loss - epoch * 1e-9 for epoch, loss in enumerate(losses)], patience)


rule_for_stopping = function(kept_and_trained, LOSSES_AND_PATIENCE, told=[
    (lambda losses, patience: _compared(losses, patience, before=True, in_a_row=False),
     "These are the results of the function before it was mended. Follow `lowest` and `waited` "
     "on paper, epoch by epoch, for the losses of the question."),
    (lambda losses, patience: _compared(losses, patience, before=False, in_a_row=False),
     "It counts all epochs that were not lower. Asked for are those in a row: what happens to the "
     "count when an epoch is lower?"),
    (lambda losses, patience: _compared(losses, patience, before=True, in_a_row=True),
     "Each loss is compared with the one before it. Asked for is a comparison with the lowest so "
     "far."),
    (lambda losses, patience: tuple(n - 1 for n in kept_and_trained(losses, patience)),
     "You count the epochs from 0. Asked for is a count from 1."),
    (lambda losses, patience: kept_and_trained(losses, patience)[::-1],
     "The two numbers stand in the other order: first the epoch that is kept."),
    (lambda losses, patience: (kept_and_trained(losses, patience)[1],) * 2,
     "You keep the last epoch. The one with the lowest loss is kept."),
    (lambda losses, patience: kept_and_trained(losses, patience + 1),
     "Training goes on for one epoch too many: with a patience of 1, the first epoch that is not "
     "lower "
     "ends it."),
    (lambda losses, patience: (
        losses.index(min(losses)) + 1, kept_and_trained(losses, patience)[1]
    ),
     "You keep the lowest of all losses. An epoch after the end was never trained."),
    (_last_of_equal, "A loss that is equal to the lowest is not lower than it."),
])  # fmt: skip
