"""Whether the loss and the metrics of a compiled model fit what the model gives. Lesson 4.

They are asked about answers that are made up, right ones and wrong ones: a loss that takes
probabilities cannot tell logits above 1 apart, and an accuracy that cuts logits at 0.5 finds
right ones wrong.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import MismatchError
from helpers.basics.own_words import computing_in_words, in_its_own_words
from helpers.datasets.dataset import ImageDataset
from helpers.models.graph import Ending, ending

if TYPE_CHECKING:
    import keras

IMAGES_TO_ASK = 32  # where only the numbers of a model tell what they are
MEND = "Mend what failed, or compile with"
OWN = "own"  # a loss that is none of Keras'
# How far the made-up logits are from 0.
UNSURE, SURE, SURER = 0.25, 2.0, 4.0


def check_last_step(end: Ending) -> None:
    """Raise MismatchError where the one number of a model is always the same."""
    if end.operation == "Softmax" and end.classes == 1:
        raise MismatchError(
            "Expected one number that can change. Received: softmax over one number, which "
            'is always 1. Make the last layer Dense(1, activation="sigmoid"), or Dense(2).'
        )


def gives_probabilities(model: keras.Model, images: np.ndarray, end: Ending | None = None) -> bool:
    """Whether `model` gives probabilities, by a softmax, a sigmoid or the like, or else logits.

    Where its graph does not tell, what it gives for the first of `images` does.
    """
    told = (end or ending(model, images)).probabilities
    if told is None:
        told = look_like_probabilities(ask(model, images[:IMAGES_TO_ASK]))
    return told


def ask(model: keras.Model, images: object) -> np.ndarray:
    """The answers of a model by Keras itself, for one whose graph could not be read.

    Args:
        images: an array, or batches of images and labels.

    Raises:
        MismatchError: a layer cannot compute them.
        NotEnoughMemoryError: the memory ran out.
    """
    with computing_in_words():
        if isinstance(images, np.ndarray):
            return np.asarray(model.predict_on_batch(images))
        return np.asarray(model.predict(images, verbose=0))


def look_like_probabilities(outputs: np.ndarray) -> bool:
    """Whether all `outputs`, (images, classes) or (images, 1), could be probabilities."""
    rows_are_whole = outputs.shape[1] == 1 or np.allclose(outputs.sum(axis=1), 1, atol=1e-3)
    return bool(rows_are_whole and outputs.min() >= 0 and outputs.max() <= 1 + 1e-3)


def wants_logits(model: keras.Model) -> bool | None:
    """Whether the loss of a compiled model takes logits; None where it does not say."""
    # Those of Keras that are functions, and what it chooses, take probabilities.
    by_default = False if loss_kind(model).endswith("crossentropy") else None
    return getattr(_loss(model), "from_logits", by_default)


def wants_one_hot(model: keras.Model) -> bool:
    """Whether the loss of a compiled model takes labels as rows: 1 for the class, 0 for each other.

    Those losses of Keras do whose name begins with "categorical", but for one.
    """
    kind = loss_kind(model)
    return kind.startswith("categorical") and "generalized" not in kind


def loss_kind(model: keras.Model) -> str:
    """What the loss is, whatever name of its own it was given, such as "binarycrossentropy".

    A function of the user's own may have any name; a class made from one of Keras' is its kind.
    """
    function = getattr(_loss(model), "fn", _loss(model))
    if isinstance(function, str | None):  # Keras chooses the loss, or does not know it
        return str(function)
    if str(function.__module__).partition(".")[0] != "keras":
        return OWN
    return getattr(function, "__name__", type(function).__name__).lower().replace("_", "")


def _loss(model: keras.Model) -> object:
    """The loss of a compiled model: a function, an object, or a name that Keras has no loss of."""
    import keras

    loss = next(iter(keras.tree.flatten(model.loss if model.compiled else None)), None)
    try:
        return keras.losses.get(loss)
    except ValueError:
        return loss


def images_to_try(classes: int) -> int:
    """Not as many as classes, and not one: then labels and answers of any shape fit by chance."""
    return 3 if classes == 2 else 2


class Trial:
    """A few images of a dataset, labelled for a compiled model, with answers that are made up.

    Args:
        outputs: numbers an image that the model gives: one a class, or 1 for two classes.
        probabilities: whether they are probabilities, else logits.
    """

    def __init__(
        self, model: keras.Model, dataset: ImageDataset, outputs: int, probabilities: bool
    ):
        self.model, self.outputs, self.probabilities = model, outputs, probabilities
        self.classes = len(dataset.class_names)
        few = np.arange(images_to_try(self.classes))
        self.images = dataset.train.images[few % len(dataset.train)]
        self.right, self.wrong = few % self.classes, (few + 1) % self.classes
        self.labels = np.eye(self.classes)[self.right] if wants_one_hot(model) else self.right
        if model.losses:  # layers may add some: those of a graph are of no use outside of it
            model(self.images, training=False)

    def answers(self, classes: np.ndarray, sureness: float) -> np.ndarray:
        """What the model would give if it took the images for these classes."""
        rows = np.eye(self.classes)[classes] if self.outputs > 1 else classes[:, np.newaxis]
        logits = (sureness * (2 * rows - 1)).astype(np.float32)
        if not self.probabilities:
            return logits
        powers = np.exp(logits)
        return powers / (powers.sum(axis=1, keepdims=True) if self.outputs > 1 else 1 + powers)

    def loss(self, classes: np.ndarray, sureness: float) -> float:
        return float(
            self.model.compute_loss(self.images, self.labels, self.answers(classes, sureness))
        )

    def metrics(self, classes: np.ndarray) -> dict[str, float]:
        self.model.reset_metrics()
        answers = self.answers(classes, UNSURE)
        found = dict(self.model.compute_metrics(self.images, self.labels, answers))
        found.pop("loss", None)  # the mean of the losses so far, of which there were none
        if many := [name for name, value in found.items() if np.ndim(value)]:
            raise MismatchError(
                "Expected metrics of one number each, for the curves. Received: "
                f'{", ".join(many)}, of several. Give it average="macro" where it takes that, or '
                "leave it out: evaluate gives precision, recall and F1 of each class."
            )
        return {name: float(value) for name, value in found.items()}


def check_loss(trial: Trial) -> None:
    """Raise MismatchError where wrong answers, and surer ones, do not raise the loss."""
    model, probabilities = trial.model, trial.probabilities
    loss = _loss(model)
    received = str(getattr(loss, "__name__", getattr(loss, "name", loss)))
    if (logits := wants_logits(model)) is not None:
        received += f" with from_logits={logits}"
    to_do = "Compile with"
    try:
        right = trial.loss(trial.right, SURE)
        wrong, surer = (trial.loss(trial.wrong, sureness) for sureness in (SURE, SURER))
        rises = right < wrong < surer and not np.isclose([right, surer], wrong).any()
    except Exception as error:  # of a loss for other labels, or of the user's own
        rises, to_do = False, MEND
        received = f"{received}, which says: {in_its_own_words(error)}"
    if rises and logits is not probabilities:
        return
    gives = "probabilities" if probabilities else "logits, which are any numbers"
    right_one = "Binary" if trial.outputs == 1 else "SparseCategorical"
    metrics = f" and {_accuracy_to_write(trial)}" if trial.outputs == 1 else ""
    raise MismatchError(
        f"Expected a loss of {gives}, as the model gives them, that rises where they are wrong and "
        f"sure. Received: {received}. {to_do} loss=keras.losses.{right_one}Crossentropy("
        f"from_logits={not probabilities}){metrics}."
    )


def check_accuracy(trial: Trial) -> None:
    """Raise MismatchError where the metric that the curves show does not count what is right."""
    to_do = "Compile with"
    try:
        right, wrong = (trial.metrics(classes) for classes in (trial.right, trial.wrong))
        received = ", ".join(right) or "none"
        if "accuracy" in right:
            shares = right["accuracy"], wrong["accuracy"]
            if shares == (1, 0):
                return
            received += ", by which {:.0%} and {:.0%} are".format(*shares)
    except MismatchError:
        raise
    except Exception as error:  # of a metric for other labels, or of the user's own
        received, to_do = f"some that say: {in_its_own_words(error)}", MEND
    raise MismatchError(
        'Expected the metric "accuracy", for the curves, by which all right answers are right and '
        f"no wrong ones. Received: the metrics {received}. {to_do} "
        f"{_accuracy_to_write(trial)}, or not at all: then train does."
    )


def _accuracy_to_write(trial: Trial) -> str:
    if trial.outputs > 1:
        return 'metrics=["accuracy"]'
    cut = 0.5 if trial.probabilities else 0
    return f'metrics=[keras.metrics.BinaryAccuracy("accuracy", threshold={cut})]'


def compile_config(model: keras.Model) -> dict:
    """How a model was compiled, in the words of Keras.

    Raises:
        MismatchError: Keras cannot say it, since a class of the user's own does not.
    """
    try:
        with warnings.catch_warnings():  # Keras warns of what could not be loaded from a file
            warnings.simplefilter("ignore")
            return model.get_compile_config()
    except (NotImplementedError, TypeError, ValueError) as error:
        raise MismatchError(
            "Expected a loss, an optimizer and metrics that Keras can describe. Received: one "
            f"that it cannot: {in_its_own_words(error)}. Give that class a get_config method."
        ) from error
