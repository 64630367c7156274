"""The checks of lesson 4 that look at what a training leaves: weights, a record, a file, curves.

No figure of a training is asked for: the images are made so that the validation loss falls, and
then rises, whatever the order in which they are learned.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.basics.own_words import in_its_own_words
from helpers.checking.functions import check_callable
from helpers.checking.limits import run
from helpers.checking.models import loss_fits
from helpers.checking.plain import NotAnswered, Wrong, as_numbers, plain, received
from helpers.checking.values import close
from helpers.grading.optimisation import kept_and_trained, mean_loss

if TYPE_CHECKING:
    import keras
    from matplotlib.axes import Axes

MOST_EPOCHS, PATIENCE, SIDE = 20, 3, 4
IMAGES, BATCH = 97, 32  # so that the last batch of an epoch is smaller, and 33 are seen
Images = tuple[np.ndarray, np.ndarray]


def _made_up(count: int, wrong: int) -> Images:
    """Images of three classes, each with a bright row of its own.

    Args:
        count: how many.
        wrong: of every ten labels, so many are those of another class.
    """
    classes = np.arange(count) % 3
    images = np.zeros((count, SIDE, SIDE, 1), "uint8")
    images[np.arange(count), classes] = 255
    changed = np.arange(count) // 3 % 10 < wrong
    return images, (classes + changed) % 3


def _parts() -> tuple[Images, Images]:
    """Images to learn from, and some to validate with.

    In validation three of ten labels are wrong. So the loss there falls first, and rises when the
    network becomes too sure. A pixel in the last row is bright in validation only: weights that
    begin at 0 leave 0 there only where these images are learned from.
    """
    train, validation = _made_up(IMAGES, 0), _made_up(60, 3)
    validation[0][:, -1, -1] = 255
    return train, validation


def _untrained() -> keras.Model:
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)), layers.Rescaling(1 / 255), layers.Flatten(),
            layers.Dense(3, kernel_initializer="zeros"),
        ]
    )  # fmt: skip


def trained_and_saved(answer: object) -> None:
    """A check of a function that compiles, fits, stops early and saves."""
    check_callable(answer, 4)
    model, (train, validation) = _untrained(), _parts()
    handed = [(images.copy(), labels.copy()) for images, labels in (train, validation)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trained.keras"
        result = run(answer, model, *handed, path, seconds=60)  # some computers are slow
        done = path.is_file() or getattr(model, "loss", None) is not None
        if result is None or result is ...:
            raise Wrong("It gives nothing. Is there a `return`?") if done else NotAnswered
        if not all(map(np.array_equal, sum(handed, ()), sum((train, validation), ()))):
            raise Wrong("Your function changes the images or the labels that it is given.")
        _uses_right_loss(model, train[0])
        recorded = _recorded(result)
        _trained_as_asked(model, recorded, validation)
        _measured_accuracy(model, recorded, validation)
        _saved(model, path, validation[0])
        # Other images, on which the loss falls to the end: nothing stops the training there.
        falling = run(answer, _untrained(), train, _made_up(60, 0), path, seconds=60)
        _trained_to_the_end(_recorded(falling)["val_loss"])


def _uses_right_loss(model: keras.Model, images: np.ndarray) -> None:
    """Looked at with sure answers: for equal ones every loss is the same."""
    trained = model.get_weights()
    random = np.random.default_rng(0)
    model.set_weights([random.normal(0, 3, weights.shape) for weights in trained])
    try:
        loss_fits(model, images[:8], np.asarray(model(images[:8])), one_hot=True)
    finally:
        model.set_weights(trained)


def _recorded(result: object) -> dict[str, tuple[float, ...]]:
    """The losses that `fit` recorded, of each epoch."""
    history = getattr(result, "history", result)
    if not isinstance(history, dict):
        raise Wrong(
            "Expected what `fit` recorded: what it returns has a dictionary, `history`. "
            f"Received: {received(plain(history))}."
        )
    if missing := {"loss", "val_loss"} - history.keys():
        raise Wrong(
            f"{' and '.join(sorted(missing))} of each epoch is missing in what you give back. "
            "Does `fit` know the validation images?"
        )
    if not any("acc" in name for name in history):
        raise Wrong("No accuracy was recorded. Which metrics does `compile` get?")
    recorded = {
        name: as_numbers(history[name])
        for name in history
        if name in ("loss", "val_loss") or (name.startswith("val_") and "acc" in name)
    }
    if not recorded["loss"] or len(recorded["loss"]) != len(recorded["val_loss"]):
        raise Wrong("There is no epoch in what you give back that has both a loss and a val_loss.")
    return recorded


def _trained_as_asked(model: keras.Model, history: dict, validation: Images) -> None:
    losses = history["val_loss"]
    if (model.get_weights()[0][-1] != 0).any():
        raise Wrong("Your function also learns from the validation images.")
    optimizer = model.optimizer
    if type(optimizer).__name__ != "Adam" or not close(float(optimizer.learning_rate), 0.01):
        raise Wrong(
            f"Expected Adam with a rate of 0.01. The model has {type(optimizer).__name__} with "
            f"{float(optimizer.learning_rate):.4g}."
        )
    if history["loss"][-1] >= history["loss"][0]:
        raise Wrong("The training loss does not fall. What does the optimizer get?")
    steps = int(model.optimizer.iterations) / len(losses)
    if steps != math.ceil(IMAGES / BATCH):
        raise Wrong(
            f"Your function took {steps:.3g} steps an epoch. All {IMAGES} training images in "
            f"batches of {BATCH}, with a smaller last one, are another number of steps."
        )
    kept, trained = kept_and_trained(losses, PATIENCE)
    now = mean_loss(np.asarray(model(validation[0]), float), validation[1])
    if not any(close(now, loss, 1e-3) for loss in losses):
        raise Wrong(
            f"The model has a loss of {now:.3f} on the validation images, and no recorded val_loss "
            "is that. Which images does `fit` get as its validation data?"
        )
    if len(losses) > trained:
        raise Wrong(
            f"The lowest validation loss was that of epoch {kept}, and training went on until "
            f"epoch {len(losses)}. Expected that it waits for {PATIENCE} epochs. Which loss is "
            "watched, and does `fit` know the callback?"
        )
    if len(losses) < min(trained, MOST_EPOCHS) or trained - kept < PATIENCE:
        raise Wrong(
            f"Training ended after {len(losses)} epochs, {len(losses) - kept} of them after the "
            f"lowest validation loss. Expected at most {MOST_EPOCHS} epochs, and {PATIENCE} of "
            "waiting. What is watched: the loss, and that of the validation images?"
        )
    if not close(now, losses[kept - 1], 1e-3):
        raise Wrong(
            "The model does not end with the best weights. Expected those of the epoch with "
            "the lowest validation loss."
        )


def _measured_accuracy(model: keras.Model, history: dict, validation: Images) -> None:
    kept = int(np.argmin(history["val_loss"]))
    right = float((np.argmax(model(validation[0]), axis=-1) == validation[1]).mean())
    accuracies = [values[kept] for name, values in history.items() if "acc" in name]
    if accuracies and not any(close(value, right, 1e-3) for value in accuracies):
        raise Wrong(
            f"Of the validation images {100 * right:.1f} % are answered correctly, and what was "
            f"recorded as accuracy is {100 * accuracies[0]:.1f} %. Which metric is it?"
        )


def _trained_to_the_end(losses: tuple[float, ...]) -> None:
    if len(losses) != MOST_EPOCHS:
        raise Wrong(
            "With other images the validation loss falls from epoch to epoch, and so training goes "
            f"on to its end. That came after {len(losses)} epochs. Expected {MOST_EPOCHS}: does a "
            "small step count as no step?"
        )


def _saved(model: keras.Model, path: Path, images: np.ndarray) -> None:
    import keras

    if not path.is_file():
        raise Wrong("There is no file at `path`. Your function saves the model there.")
    try:
        loaded = keras.saving.load_model(path, compile=False)
    except Exception as error:  # whatever the file holds
        raise Wrong(
            f"The file cannot be loaded as a model: {in_its_own_words(error, 200)}."
        ) from None
    if not np.allclose(loaded(images), model(images), atol=1e-5):
        raise Wrong(
            "The model in the file gives other answers than the model after training. When is it "
            "saved, before training or after it?"
        )


# ------------------------------------------------------------------------------- learning curves


def draws_learning_curves(answer: object) -> None:
    """A check of a function that draws two losses over the epochs, on Axes that it is given."""
    import matplotlib.pyplot as plt

    check_callable(answer, 2)
    for history in (
        {"loss": [2.0, 1.0, 0.5], "val_loss": [2.1, 1.5, 1.4]},
        {"accuracy": [0.2] * 5, "val_loss": [1.5, 1.2, 1.1, 1.3, 1.4], "val_accuracy": [0.1] * 5,
         "loss": [1.6, 1.0, 0.7, 0.4, 0.2]},
        {"loss": [2.0 / n for n in range(1, 9)], "val_loss": [2.5 / n for n in range(1, 9)]},
    ):  # fmt: skip
        figure, ax = plt.subplots()
        other = plt.figure()  # what is drawn without naming `ax` lands here
        before = plt.get_fignums()
        handed = {name: list(values) for name, values in history.items()}
        try:
            result = run(answer, handed, ax)
            elsewhere = bool(other.axes) or plt.get_fignums() != before
            _on_these_axes(ax, result, elsewhere)
            if handed != history:
                raise Wrong("Your function changes the history that it is given.")
            _has_both_lines(ax, history)
        finally:
            plt.close(figure)
            plt.close(other)


def _on_these_axes(ax: Axes, result: object, elsewhere: bool) -> None:
    if ax.get_lines():
        return
    if elsewhere:
        raise Wrong(
            "Nothing is drawn on `ax`. `plt.plot` draws on the Axes that are the current ones, "
            "`ax.plot` on those that your function is given."
        )
    if (result is None or result is ...) and not ax.has_data() and not ax.get_xlabel():
        raise NotAnswered
    raise Wrong("There is no line on `ax`. Expected two, as `ax.plot` draws them.")


def _has_both_lines(ax: Axes, history: dict) -> None:
    epochs = len(history["loss"])
    lines = {name: _line_of(ax, history[name]) for name in ("loss", "val_loss")}
    for name, line in lines.items():
        if line is None:
            raise Wrong(f'No line shows `history["{name}"]`, value by value.')
        try:
            places = np.asarray(line.get_xdata(), float)
        except (TypeError, ValueError):
            raise Wrong(
                "The x axis holds no numbers. Expected the numbers of the epochs."
            ) from None
        if not np.array_equal(places, np.arange(1, epochs + 1)):
            raise Wrong(
                f"The {epochs} epochs of a line stand at {places[0]:g} to {places[-1]:g}. Expected "
                f"1 to {epochs}: a value is measured at the end of its epoch."
            )
    if _look(lines["loss"]) == _look(lines["val_loss"]):
        raise Wrong("The two lines look alike. Give them colours or styles of their own.")
    named = {"loss": ("train", "training"), "val_loss": ("val", "validation")}
    for name, (word, whole) in named.items():
        text = _name_in_legend(ax, lines[name])
        if word not in text.lower() or (word == "train" and "val" in text.lower()):
            raise Wrong(
                f'The line of `history["{name}"]` is called {text!r} in the legend. Expected a '
                f'name with "{whole}".'
                if text
                else f'No legend names the line of `history["{name}"]`.'
            )
    for axis, text, words in (("x", ax.get_xlabel(), ["epoch"]),
                              ("y", ax.get_ylabel(), ["loss", "entropy"])):  # fmt: skip
        if not any(word in text.lower() for word in words):
            raise Wrong(
                f"The {axis} axis is called {text!r}. Expected a name with {words[0]!r}, so that a "
                "reader knows what is shown."
            )


def _line_of(ax: Axes, values: list[float]) -> Any:
    """The line that shows these values."""
    for line in ax.get_lines():
        heights = np.asarray(line.get_ydata(), float)
        if heights.shape == (len(values),) and np.allclose(heights, values):
            return line
    return None


def _look(line: Any) -> tuple:
    from matplotlib.colors import to_hex

    return (
        to_hex(line.get_color()), line.get_linestyle(), str(line.get_marker()),
        line.get_linewidth(), line.get_alpha(),
    )  # fmt: skip


def _name_in_legend(ax: Axes, line: Any) -> str:
    """What a legend says beside a mark that looks like the line."""
    for legend in filter(None, [ax.get_legend(), *ax.figure.legends]):
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=False):
            if hasattr(handle, "get_marker") and _look(handle) == _look(line):
                return text.get_text()
    return ""
