"""The probability that a model gives each class of each image. Introduced in lesson 5."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import MismatchError
from helpers.basics.own_words import computing_in_words
from helpers.basics.quiet import no_word_of_tracing
from helpers.datasets.augment import Augmentation
from helpers.datasets.batches import make_batches
from helpers.datasets.dataset import Split
from helpers.models.fit_check import check_pixels, check_takes, output_shape
from helpers.models.graph import Ending, Reading, read
from helpers.models.losses import ask, check_last_step, look_like_probabilities, wants_logits
from helpers.models.step_memory import batch_without_training
from helpers.models.trained_on import is_one_a_class

if TYPE_CHECKING:
    import keras

# What a probability that was rounded to 0 may have been, and what is left of one rounded to 1.
SMALLEST = float(np.finfo(np.float32).smallest_subnormal)
ROUNDED = 0.01  # how far rounding in 16 bits may lead beyond 0 and 1
SMALLEST_REST = float(np.finfo(np.float32).epsneg / 2)


def log_probabilities(
    model: keras.Model, split: Split, *, mirrored: bool = False, shifted: bool = False
) -> np.ndarray:
    """The logarithm of the probability of every class for every image, float64 (images, classes).

    A probability may be too small for a number, its logarithm never is.

    Args:
        model, mirrored, shifted: as for `evaluate`.
        split: the images; their labels are not looked at.

    Raises:
        MismatchError: as `evaluate`.

    Introduced in lesson 5.
    """
    from scipy.special import log_softmax, logsumexp

    reading = None
    if callable(model):  # a Keras model, not a stand-in
        check_takes(model, split.images)
        reading = read(model, split.images)
        shape = reading.shape if reading else output_shape(model, split.images)
        _check_shape(shape, split)
        check_pixels(model, split)
    end = reading.ending if reading else Ending()
    check_last_step(end)
    views = [
        partial(_view, mirror=mirror, aside=aside)
        for mirror in ((False, True) if mirrored else (False,))
        for aside in ((0, -1, 1) if shifted else (0,))
    ]
    answers = np.stack([_answers(model, split, reading, view) for view in views])
    rest = np.zeros_like(answers)
    if not _are_logits(model, end, answers):
        _check_shares(answers)
        rest = np.log(np.maximum(1 - answers, SMALLEST_REST))
        answers = np.log(np.maximum(answers, SMALLEST))
    if answers.shape[-1] < len(split.class_names):
        # One number for two classes: that of the second. The other follows from it.
        answers = np.concatenate([rest, answers], axis=-1)
    logs = log_softmax(answers, axis=-1)
    return logsumexp(logs, axis=0) - np.log(len(views)) if len(views) > 1 else logs[0]


def _view(images: np.ndarray, _: object, *, mirror: bool, aside: int) -> np.ndarray:
    """The images as an augmentation may give them, all in the same way."""
    if mirror:
        images = images[:, :, ::-1]
    if aside:
        first, (height, width) = 1 + aside, images.shape[1:3]
        padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")
        images = padded[:, first : first + height, first : first + width]
    return images


def _check_shares(answers: np.ndarray) -> None:
    if answers.min() < -ROUNDED or answers.max() > 1 + ROUNDED:
        raise MismatchError(
            "Expected probabilities, from 0 to 1, from a model that ends in a softmax or sigmoid. "
            f"Received: numbers from {answers.min():.3g} to {answers.max():.3g}. Leave out what "
            "comes behind it."
        )


def _answers(
    model: keras.Model, split: Split, reading: Reading | None, view: Augmentation
) -> np.ndarray:
    """The numbers of the model for a view of every image, float64 (images, classes or 1).

    Logits where they are in reach: they say more than the probabilities made of them.
    """
    size = batch_without_training(model)
    # A pipeline takes longer to set up than a few images to answer.
    few = callable(model) and len(split) <= size
    images = view(split.images, None) if few else None
    batches = [(images, split.labels)] if few else make_batches(split, size, augment=[view])
    with no_word_of_tracing():
        if reading:
            with computing_in_words():
                outputs = np.concatenate([reading.answer(images).numpy() for images, _ in batches])
        else:
            outputs = ask(model, images if few else batches)
    _check_shape(outputs.shape, split)
    if not np.isfinite(outputs).all():
        broken = outputs[~np.isfinite(outputs)]
        raise MismatchError(
            f"Expected numbers from the model. Received: {broken[0]} among {outputs.size:,} of "
            "them, so its training diverged. Train again, with a smaller learning rate."
        )
    return outputs.astype(np.float64)


def _check_shape(shape: tuple[int | None, ...] | None, split: Split) -> None:
    classes = len(split.class_names)
    if not is_one_a_class(shape, classes):
        received = f"an output of shape {shape}" if shape else "several outputs"
        raise MismatchError(
            f"Expected {classes} numbers an image, one a class of {split!r}. Received: "
            f"{received}. Build the model for this dataset, with build_cnn(dataset)."
        )


def _are_logits(model: keras.Model, end: Ending, answers: np.ndarray) -> bool:
    """What `answers` are, by how the model ends, else by its loss, else by themselves."""
    if end.logits_in_reach or end.probabilities is not None:
        return end.logits_in_reach or not end.probabilities
    told = wants_logits(model) if getattr(model, "compiled", False) else None
    return not look_like_probabilities(np.concatenate(answers)) if told is None else told
