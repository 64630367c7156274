"""Train a model, watch it learn, keep what happened. Introduced in lesson 4.

`train` checks first that model, dataset and memory fit together (helpers/fit_check.py), then
lets Keras' `fit` do the work. Everything random is a function of the seed and the number of
the epoch: the order of the images, and what layers such as dropout draw. After each epoch
the state is kept, in memory and, on request, on disk (helpers/checkpoints.py). So a training
that was stopped, by whatever it was, goes on from there as though nothing had happened.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import platform
import re
import signal
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from helpers.basics.errors import (
    CheckpointError,
    MismatchError,
    StorageError,
    UsageError,
    wrapped,
)
from helpers.basics.files import as_path
from helpers.basics.quiet import quiet_tensorflow
from helpers.datasets.batches import (
    Augmentation,
    augmentation_name,
    check_augmentations,
    check_functions,
    check_whole_number,
    make_batches,
)
from helpers.datasets.load import ImageDataset, Split
from helpers.models.fit_check import (
    batch_without_training,
    check_batch_size,
    check_fit,
    compile_config,
    gives_probabilities,
    wants_one_hot,
)
from helpers.pictures.picture import Picture, live_curves
from helpers.training.checkpoints import Checkpoint, CheckpointFolder
from helpers.training.descriptions import (
    NOT_COMPARED,
    add_array,
    described,
    own_code,
    policies,
    without_names,
)

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SECONDS_BETWEEN_UPDATES = 0.5  # of the bar
UNSEEN = "position:absolute; clip-path:inset(50%)"  # but read aloud
SECONDS_BETWEEN_PICTURES = 1.0  # of the curves, which take a tenth of a second to draw
SEED_STATE = "seed_generator_state"  # Keras' name of the state of a random layer
FORMAT = 2  # of what is noted about a training; 1 did not say what functions do
PYTHON = ".".join(platform.python_version_tuple()[:2])
LONGEST_ERROR = 600  # characters, of an error in the words of another library
LONGEST_VALUE = 30  # characters, of what is quoted where a training is refused as another one

# Folder -> with what its training was begun, and the same as it was when that ended here: some
# functions count, remember, or draw random numbers of their own.
_left_as: dict[Path, tuple[dict, dict]] = {}


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """What happened while a model was trained.

    Attributes:
        history: metric -> one value an epoch: "loss" and "accuracy" on the training images
            (averaged while the epoch ran), "val_loss" and "val_accuracy" on the validation
            images after it. Loss is the mean cross-entropy in nats; accuracy a share, 0 to 1.
        seconds: wall-clock seconds of the whole training.
        batch_size: images a step.
        seed: of the order of the images and of every random layer.
        source: where the images come from, in words.
        stopped: why it ended before its last epoch, in words; "" where it did not. Then the
            model has the weights that it had after the last whole epoch.

    Introduced in lesson 4.
    """

    history: Mapping[str, tuple[float, ...]]
    seconds: float
    batch_size: int
    seed: int
    source: str
    stopped: str = ""

    @property
    def epochs(self) -> int:
        """How many epochs were trained, whole ones."""
        return len(self.history.get("loss", ()))

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, with the lowest validation loss (training loss without).

        0 where not one epoch was trained.
        """
        return _best_epoch(self.history)

    @property
    def validation_accuracy(self) -> float:
        """Accuracy on the validation images after the last epoch, a share from 0 to 1."""
        if not self.epochs:
            raise UsageError(
                "Expected a run of at least one whole epoch. Received: one that ended before. "
                "Train again, and let the first epoch come to its end."
            )
        if "val_accuracy" not in self.history:
            raise UsageError(
                "Expected a run with a validation split. Received: one that trained on all images. "
                "Load the dataset without validation_images=0."
            )
        return self.history["val_accuracy"][-1]

    def plot(self) -> Picture:
        """Draw the learning curves."""
        return live_curves(self.history, self.epochs)

    def __repr__(self) -> str:
        lines = [
            f"TrainingRun on {self.source}: {self.epochs} epochs in {self.seconds:.1f} s, "
            f"batches of {self.batch_size}, seed {self.seed}"
        ]
        for name, prefix in (("training", ""), ("validation", "val_")):
            if f"{prefix}loss" in self.history:
                lines.append(
                    f"  {name:<10}  loss {self.history[f'{prefix}loss'][-1]:.3f}, "
                    f"accuracy {100 * self.history[f'{prefix}accuracy'][-1]:.1f} %"
                )
        if "val_loss" in self.history:
            lines.append(f"  lowest validation loss in epoch {self.best_epoch}")
        if self.stopped:
            # The rest was printed when it stopped.
            lines.append(f"  {self.stopped.partition(':')[0]}")
        return wrapped("\n".join(lines), indent="  ")


def _best_epoch(history: Mapping[str, Sequence[float]]) -> int:
    losses = history.get("val_loss", history.get("loss", ()))
    return int(np.argmin(np.nan_to_num(losses, nan=np.inf))) + 1 if len(losses) else 0


def train(
    model: keras.Model,
    dataset: ImageDataset,
    *more: Any,
    epochs: int = 10,
    batch_size: int = 32,
    augment: Sequence[Augmentation] = (),
    patience: int | None = None,
    seed: int = 0,
    progress: bool = True,
    resume: str | os.PathLike | None = None,
    **unknown: Any,
) -> TrainingRun:
    """Train `model` on `dataset.train`, watched on `dataset.validation`, and say what happened.

    A model that is not compiled yet is compiled as the classic example is: Adam, cross-entropy
    (from logits, or from probabilities where it gives some), accuracy. A compiled one is trained
    as it is; it needs the metric "accuracy". Its loss may be one of Keras' for labels as whole
    numbers ("sparse_categorical_...") or as rows of one number a class ("categorical_..."): the
    labels are given as it takes them.
    Training goes on from the weights that the model has: for a fresh start, build it again.

    Once the first step is taken, `train` always returns: also where the kernel is interrupted,
    the loss is no longer a number, the memory runs out, the disk is full, or an augmentation or a
    layer fails. The model then has the weights that it had after the last whole epoch, and
    `stopped` says why.

    Args:
        model: takes images of `dataset.image_shape`, gives one logit a class.
        dataset: from `load_dataset`.
        epochs: how many times to run through the training images.
        batch_size: images a step.
        augment: a list of functions that change the training images of each batch at random,
            such as `flip_sideways`; the validation images stay as they are.
        patience: stop when the validation loss has not fallen for this many epochs, and go
            back to the weights of the best one; None trains all epochs.
        seed: of the order of the images and of random layers such as dropout; sets the random
            state of Python, NumPy and TensorFlow.
        progress: whether to show a bar with the time left and, in a notebook, the learning
            curves as they grow.
        resume: a folder of its own for this training. After each epoch the state is kept
            there. Called again with the same folder, after whatever stopped it, `train` goes on
            after the last whole epoch and ends with the same weights, to the last bit, as
            without the stop (same computer, versions and threads; random layers are Keras' own).
            With more epochs than before it trains the rest. Everything else has to be as it was,
            what augmentations and layers of your own do included.

    Returns:
        A `TrainingRun`. The model itself is changed in place.

    Raises:
        UsageError: an argument that `train` does not have, or out of range, or patience without
            a validation split.
        MismatchError: model and dataset do not fit together.
        NotEnoughMemoryError: a step would need more memory than there is.
        CheckpointError: the folder holds another training, or one that is damaged.
        StorageError: the folder cannot be written.

    Introduced in lesson 4.
    """
    _refuse_others(more, unknown)
    settings = {"batch_size": batch_size, "patience": patience, "seed": seed}
    _check_arguments(dataset, {"epochs": epochs, **settings}, resume)
    # Keras and JSON want Python's own numbers, not those of NumPy.
    settings = {name: None if value is None else int(value) for name, value in settings.items()}
    with quiet_tensorflow():
        import keras

    check_functions(augment)
    # Before anything calls them, which may change what they hold.
    functions = {} if resume is None else _functions(model, augment)
    keras.utils.set_random_seed(settings["seed"])
    check_fit(model, dataset)
    if not model.compiled:
        logits = not gives_probabilities(model, dataset.train.images)
        model.compile(
            optimizer="adam",
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=logits),
            metrics=["accuracy"],
        )
    check_augmentations(augment, dataset.train)
    check_batch_size(model, settings["batch_size"], len(dataset.train))
    folder = None if resume is None else CheckpointFolder(as_path(resume))
    with folder.locked() if folder else contextlib.nullcontext():
        training = _Training(model, dataset, settings, augment, epochs, folder, functions)
        with _interrupts_held_back(training):
            training.begin()
            if not training.over:
                _fit(training, progress)
            run = training.end()
    if run.stopped:
        print(wrapped(run.stopped))
    return run


BY_KERAS = "Keras' own model.fit does, and make_batches(dataset.train) gives it the batches."
BY_COMPILING = "Compile the model with it, then train."
INSTEAD = {
    **dict.fromkeys(
        ("class_weight", "sample_weight", "callbacks"), f"train takes none. {BY_KERAS}"
    ),
    **dict.fromkeys(("learning_rate", "optimizer", "loss", "metrics"), BY_COMPILING),
    **dict.fromkeys(
        ("validation_split", "validation_data"),
        "The dataset has its own: load_dataset(name, validation_images=...).",
    ),
    "verbose": "progress=False shows nothing.",
    "shuffle": "Every epoch has an order of its own anyway.",
    "initial_epoch": "With resume, train goes on where it was.",
}


def _refuse_others(more: tuple[Any, ...], unknown: Mapping[str, Any]) -> None:
    """Raise UsageError where an argument is given that `train` does not have."""
    if more:
        raise UsageError(
            "Expected a Keras model, then a dataset: train(model, dataset). Received: "
            f"{len(more)} more, {', '.join(type(one).__name__ for one in more)}. A dataset holds "
            "images and labels together, see load_dataset; all else is given by name."
        )
    for name in unknown:
        known = ", ".join(train.__kwdefaults__)
        raise UsageError(f"Expected {known}. Received: {name}. {what_instead(name)}")


def what_instead(name: str) -> str:
    """What to do instead of giving `train` an argument that it does not have."""
    near = difflib.get_close_matches(name, train.__kwdefaults__, 1)
    return INSTEAD.get(name, f"Did you mean {near[0]}?" if near else "Check its spelling.")


def _check_arguments(
    dataset: ImageDataset, numbers: Mapping[str, int | None], resume: str | os.PathLike | None
) -> None:
    for name, value in numbers.items():
        if value is not None or name != "patience":
            check_whole_number(name, value, 0 if name == "seed" else 1)
    if numbers["patience"] and isinstance(dataset, ImageDataset) and not len(dataset.validation):
        raise UsageError(
            "Expected a validation split to stop by. Received: a dataset without one. "
            "Load it without validation_images=0, or leave patience out."
        )
    if resume == "" or not isinstance(resume, str | os.PathLike | None):
        raise UsageError(
            'Expected the name of a folder as resume, for example "my_training". '
            f"Received: {resume!r}."
        )


class _Stop(Exception):
    """Ends Keras' fit at once; its text says why."""


class _Training:
    """One training: what it was begun with, how far it is, and its last good state.

    That state, `kept`, is a `Checkpoint`, the same in memory and on disk. Its arrays are all
    variables of the model and of the optimizer and, with patience, the model's best ones.
    """

    def __init__(
        self,
        model: keras.Model,
        dataset: ImageDataset,
        settings: Mapping[str, Any],
        augment: Sequence[Augmentation],
        epochs: int,
        folder: CheckpointFolder | None,
        functions: Mapping[str, Any],
    ):
        self.model, self.dataset, self.epochs, self.folder = model, dataset, int(epochs), folder
        self.functions = functions  # as they were at first
        self.settings = settings  # batch_size, patience, seed
        self.augment = tuple(augment)
        self.interrupted = False
        self.stopping = False
        self.stopped = ""
        self.seconds = 0.0
        self.kept: Checkpoint | None = None
        self.lasting: dict[str, Any] = {}  # facts that stay as they are to the end

    @property
    def history(self) -> dict[str, list[float]]:
        return self.kept.facts["history"]

    @property
    def over(self) -> bool:
        """Whether there is nothing left to train."""
        patience = self.settings["patience"]
        waited = self.kept.epoch - _best_epoch(self.history)
        return self.kept.epoch >= self.epochs or (patience is not None and waited >= patience)

    def begin(self) -> None:
        """Start from the model as it is, or from what the folder holds."""
        self.model.optimizer.build(self.model.trainable_variables)
        if self.folder:
            self.lasting = {
                "format": FORMAT,
                "versions": _surroundings(self.model),
                "begun_with": _begun_with(
                    self.model, self.dataset, self.settings, self.augment, self.functions
                ),
                "first_weights": self.weights_digest(_copies("model", self.model.variables)),
            }
        found, useless = self.folder.newest(_is_whole) if self.folder else (None, [])
        if found is None:
            if not _all_finite(_copies("model", self.model.variables)):
                raise MismatchError(
                    "Expected a model whose weights are finite numbers. Received: weights that "
                    "are nan or inf, from a training that diverged. Build the model again."
                )
            self.keep({})
            return
        _check_same(found, self.lasting["begun_with"], self.epochs, self.folder)
        for words in useless:
            print(f"The checkpoint {words}. The one before it is whole.")
        self.go_on_from(found)

    def go_on_from(self, found: Checkpoint) -> None:
        """Take over what the folder holds, and say what is not as it was."""
        fresh = int(self.model.optimizer.iterations) == 0
        digests = [
            self.weights_digest(arrays)
            for arrays in (
                _copies("model", self.model.variables),
                *(_part(found.arrays, part) for part in ("model", "best")),
            )
        ]
        first = found.facts.get("first_weights")
        self.kept, self.seconds = found, found.facts["seconds"]
        self.lasting["first_weights"] = first
        if _format_and_python(found.facts) == _format_and_python(self.lasting):
            self.lasting["begun_with"] = found.facts["begun_with"]
        self.go_back()
        how = "All is trained already:" if self.over else "Going on after"
        print(f"{how} epoch {found.epoch} of {self.epochs}, kept in {self.folder}.")
        if fresh and first and digests[0] not in (first, *digests[1:]):
            print(
                "The model came with other weights than the ones it was begun with, and has the "
                "kept ones now. For a training of its own, choose another folder."
            )
        _say_what_differs(found, self.lasting)

    def weights_digest(self, arrays: Mapping[str, np.ndarray]) -> str:
        """Of the weights alone: random layers begin with a state that decides nothing."""
        digest = hashlib.blake2b(digest_size=16)
        for variable, array in zip(self.model.variables, arrays.values(), strict=False):
            if variable.name != SEED_STATE:
                add_array(digest, array)
        return digest.hexdigest()

    def keep(self, history: Mapping[str, list[float]]) -> None:
        """Make the present state the last good one, in memory and on disk."""
        model = _copies("model", self.model.variables)
        if not _all_finite(model):
            raise _Stop("a weight is no longer a finite number")
        epoch = len(history.get("loss", ()))
        best = {}
        if self.settings["patience"] is not None:
            improved = _best_epoch(history) == epoch
            best = _renamed(model, "best") if improved else _part(self.kept.arrays, "best")
        optimizer = _copies("optimizer", self.model.optimizer.variables)
        facts = {
            "history": history,
            "seconds": self.seconds,
            **self.lasting,
        }
        self.kept = Checkpoint(epoch, {**model, **optimizer, **best}, facts)
        if self.folder:
            self.folder.save(self.kept)

    def go_back(self) -> None:
        """Give model and optimizer the last good state again."""
        _assign(self.model.variables, _part(self.kept.arrays, "model"))
        _assign(self.model.optimizer.variables, _part(self.kept.arrays, "optimizer"))

    def stop(self, reason: str, to_do: str = "") -> None:
        """End before the last epoch, with the last good state, and say so."""
        self.stopping = True
        self.go_back()
        self.stopped = (
            f"Stopped in epoch {min(self.kept.epoch + 1, self.epochs)} of {self.epochs}: {reason}. "
            f"The model has the weights that it had {_after(self.kept.epoch)}. {to_do}"
        ).strip()

    def end(self) -> TrainingRun:
        if self.over and not self.stopped:
            # As Keras' fit does when it ends; with use_ema, this gives the averaged weights.
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
            if self.settings["patience"] is not None:
                _assign(self.model.variables, _part(self.kept.arrays, "best"))
        if self.folder:
            begun = self.lasting["begun_with"]
            now = {**begun, **_functions(self.model, self.augment)}
            _left_as[self.folder.folder.resolve()] = begun, now
        history = {name: tuple(values) for name, values in self.history.items()}
        return TrainingRun(
            MappingProxyType(history), self.seconds, self.settings["batch_size"],
            self.settings["seed"], self.dataset.source, self.stopped,
        )  # fmt: skip


def _fit(training: _Training, progress: bool) -> None:
    """Let Keras train what is left; whatever ends it early becomes `training.stopped`."""
    import tensorflow as tf

    model, batch_size = training.model, training.settings["batch_size"]
    train_batches, validation_batches = _batches(training)
    _make_metrics(model, training.dataset)
    shown = _Progress(training) if progress else None
    anew = ", with another folder" if training.folder else ""  # this one is for these settings
    try:
        with no_word_of_tracing():
            model.fit(
                train_batches,
                validation_data=validation_batches,
                initial_epoch=training.kept.epoch,
                epochs=training.epochs,
                shuffle=False,  # the pipeline shuffles
                callbacks=[_keeper_callback(training), *([shown.callback()] if shown else [])],
                verbose=0,
            )
    except KeyboardInterrupt:
        if not training.over:
            training.stop("you interrupted it", _after_an_interrupt(training))
    except _Stop as stop:
        tenth = _tenth_of_rate(model.optimizer)
        training.stop(str(stop), f"Try a tenth of the learning rate{tenth}{anew}.")
    except StorageError as error:
        training.stop(f"epoch {training.kept.epoch} could not be kept. {error}".rstrip("."))
    except (MemoryError, tf.errors.ResourceExhaustedError):
        fewer = max(batch_size // 4, 1)
        training.stop("the memory ran out", f"Try smaller batches: batch_size={fewer}{anew}.")
    except Exception as error:  # of an augmentation, a layer or anything else that takes part
        if training.interrupted:  # twice, so that it came through into TensorFlow
            training.stop("you interrupted it", _after_an_interrupt(training))
        else:
            training.stop(_in_its_own_words(error), f"Mend what failed, then train again{anew}.")
    finally:
        if shown:
            shown.finish()


def _batches(training: _Training) -> tuple[tf.data.Dataset, tf.data.Dataset | None]:
    """The training batches of the epochs that are left, and the validation batches."""
    model, dataset, settings = training.model, training.dataset, training.settings
    train_batches = make_batches(
        dataset.train, settings["batch_size"], shuffle=True, seed=settings["seed"],
        first_epoch=training.kept.epoch, augment=training.augment,
    )  # fmt: skip
    validation = None
    if len(dataset.validation):
        validation = make_batches(dataset.validation, batch_without_training(model))
        validation = _labelled_for(model, validation, dataset)
    return _labelled_for(model, train_batches, dataset), validation


def _after_an_interrupt(training: _Training) -> str:
    to_do = ["Run the same cell again to go on."] if training.folder else []
    if _in_notebook():
        to_do.append("Cells that wait below run now: interrupt again to stop them too.")
    return " ".join(to_do)


def _in_its_own_words(error: Exception) -> str:
    """What an error says, on one line. TensorFlow puts that last, and Keras first."""
    import tensorflow as tf

    said, kind = re.sub(r"\x1b\[\d*m", "", str(error)), f"{type(error).__name__}: "
    said = said.partition("Arguments received by")[0]
    if isinstance(error, tf.errors.OpError):
        from_python = "Traceback (most recent call last)" in said  # and so with its kind
        said = re.sub(r"\{\{.*?\}\}", "", re.split(r"\t \[\[\{\{node|\[Op:", said)[0])
        said, kind = said.strip().rpartition("\n\n")[2], "" if from_python else kind
    lines = [line for line in said.splitlines() if "ncountered when calling" not in line]
    said = " ".join(" ".join(lines).split()).removeprefix(f"{__package__}.errors.MismatchError: ")
    return textwrap.shorten(f"{kind}{said}", LONGEST_ERROR, placeholder=" ...").rstrip(" .:")


@contextlib.contextmanager
def no_word_of_tracing() -> Iterator[None]:
    """Keep TensorFlow from warning of graphs that are made too often.

    It counts those of all models of a session together. After a few trainings with few steps
    it takes them for one function that is traced again and again.
    """
    import tensorflow as tf

    def passes(record):
        return "triggered tf.function retracing" not in record.getMessage()

    logger = tf.get_logger()
    logger.addFilter(passes)
    try:
        yield
    finally:
        logger.removeFilter(passes)


def _make_metrics(model: keras.Model, dataset: ImageDataset) -> None:
    """Use loss and metrics once, on a few images, so that their variables are there.

    Keras would make them in the first step, and trace that step twice because of it. That takes
    a second.
    """
    import tensorflow as tf

    # Not as many as classes, and not one: then labels and answers of other shapes fit by chance.
    few = slice(3 if len(dataset.class_names) == 2 else 2)
    batch = tf.data.Dataset.from_tensors((dataset.train.images[few], dataset.train.labels[few]))
    images, labels = next(iter(_labelled_for(model, batch, dataset)))
    try:
        answers = model(images, training=False)
        model.compute_loss(images, labels, answers)
        model.compute_metrics(images, labels, answers)
    except Exception as error:  # of a layer, a loss or a metric of the user's own
        raise MismatchError(
            "Expected a model whose layers, loss and metrics take images of the dataset and their "
            f"labels. Received: {_in_its_own_words(error)}. Mend what failed, then train again."
        ) from error
    model.reset_metrics()


def _labelled_for(
    model: keras.Model, batches: tf.data.Dataset, dataset: ImageDataset
) -> tf.data.Dataset:
    """The batches with labels as the loss of the model takes them."""
    if not wants_one_hot(model):
        return batches
    import tensorflow as tf

    classes = len(dataset.class_names)
    return batches.map(lambda images, labels: (images, tf.one_hot(labels, classes)))


def _tenth_of_rate(optimizer: keras.Optimizer) -> str:
    """The number to try, unless a schedule makes the learning rate up."""
    rate = optimizer.get_config().get("learning_rate")
    return f": {rate / 10:g}, not {rate:g}" if isinstance(rate, float) else ""


@contextlib.contextmanager
def _interrupts_held_back(training: _Training) -> Iterator[None]:
    """Note an interrupt, for the end of the step; a second one comes through at once.

    In the middle of a step, TensorFlow may turn it into an error of another kind. And nothing
    is half done where none comes. More of them, while the training stops already, do nothing.
    """

    def note(number, frame):
        if training.stopping:
            return
        training.stopping, training.interrupted = training.interrupted, True
        if training.stopping:
            handler(number, frame)

    handler = signal.getsignal(signal.SIGINT)
    mine = threading.current_thread() is threading.main_thread()  # only that one is interrupted
    if not mine or handler is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _keeper_callback(training: _Training) -> keras.callbacks.Callback:
    import keras

    class Keeper(keras.callbacks.Callback):
        """Makes each epoch a function of its number, and keeps what came of it."""

        def on_train_begin(self, logs=None):
            self.before, self.start = training.seconds, time.perf_counter()

        def on_epoch_begin(self, epoch, logs=None):
            # Layers such as dropout drew a seed of their own when they were built.
            states = [v for v in self.model.variables if v.name == SEED_STATE]
            for number, state in enumerate(states):
                words = np.random.SeedSequence([training.settings["seed"], epoch, number])
                state.assign(words.generate_state(2))

        def on_train_batch_end(self, batch, logs=None):
            self._check(logs["loss"], "the loss")
            self.on_test_batch_end(batch)

        def on_test_batch_end(self, batch, logs=None):
            if training.interrupted:
                training.stopping = True
                raise KeyboardInterrupt

        def on_epoch_end(self, epoch, logs=None):
            self._check(logs.get("val_loss", 0), "the validation loss")
            history = {
                name: [*training.history.get(name, ()), float(value)]
                for name, value in logs.items()
            }
            training.seconds = self.before + time.perf_counter() - self.start
            training.keep(history)
            self.model.stop_training = training.over

        def _check(self, loss, name):
            if not np.isfinite(float(loss)):
                raise _Stop(f"{name} is no longer a finite number ({float(loss)})")

    return Keeper()


def _after(epoch: int) -> str:
    return f"after epoch {epoch}" if epoch else "before the first epoch"


# ------------------------------------------------------------ the state of a training


def _copies(prefix: str, variables: Sequence[keras.Variable]) -> dict[str, np.ndarray]:
    import keras

    values = map(keras.ops.convert_to_numpy, variables)
    return {f"{prefix}/{n}": value.copy() for n, value in enumerate(values)}


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name: array for name, array in arrays.items() if name.startswith(f"{prefix}/")}


def _renamed(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {f"{prefix}/{n}": array for n, array in enumerate(arrays.values())}


def _assign(variables: Sequence[keras.Variable], arrays: Mapping[str, np.ndarray]) -> None:
    for variable, array in zip(variables, arrays.values(), strict=True):
        if array.dtype.kind == "V":  # NumPy does not know bfloat16 when it reads it
            array = array.view(variable.dtype)
        variable.assign(array)


def _all_finite(arrays: Mapping[str, np.ndarray]) -> bool:
    return all(np.isfinite(array).all() for array in arrays.values())


def _is_whole(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint holds all that a training keeps, and nothing that cannot be."""
    facts, arrays = checkpoint.facts, checkpoint.arrays
    begun_with = facts["begun_with"]
    optimizer = begun_with["optimizer weights"]  # "[TensorShape([3, 4]), ..."
    parts = {name: [*_part(arrays, name).values()] for name in ("model", "optimizer", "best")}
    shapes = {name: [[*array.shape] for array in part] for name, part in parts.items()}
    return (
        len(facts["history"].get("loss", ())) == checkpoint.epoch
        and isinstance(facts["seconds"], float)
        and isinstance(facts["versions"], dict)
        and shapes["model"] == begun_with["weights"]
        and shapes["best"] in ([], begun_with["weights"])
        and bool(shapes["best"]) == (begun_with["patience"] is not None)
        and len(parts["optimizer"]) == optimizer.count("(")
        and sum(shapes["optimizer"], []) == [int(size) for size in re.findall(r"\d+", optimizer)]
        and {array.dtype.kind for array in arrays.values()} <= {*"biufV"}
        and all(np.isfinite(a).all() for a in parts["model"] if a.dtype.kind != "V")
    )


def _surroundings(model: keras.Model) -> dict[str, Any]:
    """What may change the last digits of a training, and forbids no one to go on with it."""
    import keras
    import loky
    import tensorflow as tf

    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return {
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": PYTHON,
        "threads": str(threads or os.environ.get("TF_NUM_INTRAOP_THREADS") or loky.cpu_count()),
        "policy": " and ".join(policies(model)),
    }


def _say_what_differs(found: Checkpoint, lasting: Mapping[str, Any]) -> None:
    before, now = found.facts["versions"], lasting["versions"]
    changed = [f"{name} {now[name]}, not {before[name]}" for name in now.keys() & before.keys()
               if now[name] != before[name]]  # fmt: skip
    if changed:
        print(f"It was begun otherwise ({'; '.join(sorted(changed))}): the last digits may differ.")
    if found.facts.get("format") != FORMAT:
        print("An earlier version of the course kept it, which did not note what functions do: "
              "that was not compared.")  # fmt: skip
    unknown = [
        key for key, value in _leaves(lasting["begun_with"]) if str(value).startswith(NOT_COMPARED)
    ]
    if unknown:
        print(f"What cannot be looked into was not compared with before: {'; '.join(unknown)}.")


def _begun_with(
    model: keras.Model,
    dataset: ImageDataset,
    settings: Mapping[str, Any],
    augment: Sequence[Augmentation],
    functions: Mapping[str, Any],
) -> dict[str, Any]:
    """What a training must have in common with the one that it continues."""
    try:
        with warnings.catch_warnings():  # Keras warns of what could not be loaded from a file
            warnings.simplefilter("ignore")
            config = json.loads(model.to_json())["config"]
    except (NotImplementedError, TypeError, ValueError):  # with a class of the user's own in it
        config = {}
    facts = {
        "model": without_names({"class": type(model).__name__, **config}, {}),
        "compiled": without_names(compile_config(model), {}),
        "weights": [[*variable.shape] for variable in model.variables],
        "weight types": " ".join(sorted({variable.dtype for variable in model.variables})),
        "optimizer weights": str([variable.shape for variable in model.optimizer.variables]),
        **{name: settings[name] for name in ("batch_size", "patience", "seed")},
        **({"augment": ", ".join(map(augmentation_name, augment))} if augment else {}),
        **functions,
        "class names": ", ".join(map(repr, dataset.class_names)),
        "training images": _digest(dataset.train),
        "validation images": _digest(dataset.validation),
    }
    return json.loads(json.dumps(facts))  # as it comes back from a file


def _functions(model: keras.Model, augment: Sequence[Augmentation]) -> dict[str, Any]:
    """What the reader's own functions and objects do and hold at this moment."""
    descriptions = {
        "own code": own_code(model),
        "augmentation": {
            f"{augmentation_name(change)}{f' {number}' if number else ''}": described(change)
            for number, change in enumerate(augment)
        },
    }
    return json.loads(json.dumps(descriptions))


def _format_and_python(facts: Mapping[str, Any]) -> tuple[Any, Any]:
    """Each Python has instructions of its own, in which code cannot be compared."""
    return facts.get("format"), facts["versions"].get("python", PYTHON)


def _digest(split: Split) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in (split.images, split.labels):
        add_array(digest, array)
    return digest.hexdigest()


def _check_same(
    found: Checkpoint, begun_with: Mapping[str, Any], epochs: int, folder: CheckpointFolder
) -> None:
    before, now = dict(_leaves(found.facts["begun_with"])), dict(_leaves(begun_with))
    begun, left = _left_as.get(folder.folder.resolve(), ({}, {}))
    left = dict(_leaves(left)) if begun == found.facts["begun_with"] else before
    keys = {**before, **now}
    if found.facts.get("format") != FORMAT:  # of what was not noted then nothing can be said
        keys = {key: None for key in now if key in before}
    same_python = _format_and_python(found.facts)[1] == PYTHON
    changed = [
        key
        for key in keys
        if now.get(key) not in (before.get(key), left.get(key))
        and (same_python or not key.endswith(" code"))
    ]
    if changed:
        shown = [
            f"{key.replace('compiled ', '').replace(' config', '')}: "
            + _difference(now.get(key), before.get(key))
            for key in changed
        ]
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise CheckpointError(
            f"Expected the training that is kept in {folder}. Received: another one "
            f"({'; '.join(shown[:3])}{more}). Nothing was changed. Choose another folder for it, "
            "or set back what you changed."
        )
    if found.epoch > epochs:
        raise CheckpointError(
            f"Expected at least the {found.epoch} epochs that are kept in {folder}. "
            f"Received: epochs={epochs}. Choose another folder for a shorter training."
        )


def _difference(now: Any, before: Any) -> str:
    values = [f"{value:g}" if isinstance(value, float) else str(value) for value in (now, before)]
    # Hashes and the like say nothing to anyone.
    return "not the same" if max(map(len, values)) > LONGEST_VALUE else ", not ".join(values)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value in nested dictionaries and lists, with the way to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        way = f"{path} {key}".strip()
        if isinstance(item, dict) or (isinstance(item, list) and item):
            yield from _leaves(item, way)
        else:
            yield way, item


# ---------------------------------------------------------------- what is shown meanwhile


class _Progress:
    """A bar over all steps of all epochs; in a notebook, the learning curves with it."""

    def __init__(self, training: _Training):
        self.training = training
        self.steps = -(-len(training.dataset.train) // training.settings["batch_size"])
        self.done = training.kept.epoch * self.steps
        # The first step is made into a graph, which says nothing about how long the others take.
        self.first: int | None = None
        self.start = self.bar_shown = self.curves_shown = time.perf_counter()
        self.view = _NotebookView(training.epochs) if _in_notebook() else _TerminalView()
        self._show("redraw", training.history)

    def callback(self) -> keras.callbacks.Callback:
        import keras

        return keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: self._step(batch),
            on_epoch_end=lambda epoch, logs: self._epoch(),
        )

    def finish(self) -> None:
        """Show how it ended, however it ended."""
        self._show("redraw", self.training.history)
        self._show("update", self._how_far())
        self._show("close")

    def _show(self, what: str, *values: Any) -> None:
        """A screen that fails, such as a terminal that was closed, ends no training."""
        try:
            getattr(self.view, what)(*values)
        except Exception:
            self.view = _NoView()

    def _step(self, batch: int) -> None:
        # Keras may take several steps before it calls.
        self.done = self.training.kept.epoch * self.steps + min(batch + 1, self.steps)
        now = time.perf_counter()
        if self.first is None:
            self.first, self.start = self.done, now
        if now - self.bar_shown >= SECONDS_BETWEEN_UPDATES:
            self.bar_shown = now
            self._show("update", self._how_far())

    def _epoch(self) -> None:
        now = time.perf_counter()
        if now - self.curves_shown >= SECONDS_BETWEEN_PICTURES:
            self.curves_shown = now
            self._show("redraw", self.training.history)

    def _how_far(self) -> _HowFar:
        epochs = self.training.epochs
        return _HowFar(
            min(self.done // self.steps + 1, epochs), epochs, self.done, epochs * self.steps,
            self.done if self.first is None else self.first, time.perf_counter() - self.start,
        )  # fmt: skip


class _HowFar(NamedTuple):
    """Of which epoch it is, which step of all, since which one time is measured, how long."""

    epoch: int
    epochs: int
    done: int
    steps: int
    first: int
    seconds: float

    def left(self) -> str:
        """The time that the other steps will take, in words; "" where nothing is known yet."""
        if self.done <= self.first or self.done >= self.steps:
            return ""
        from tqdm import tqdm

        left = self.seconds / (self.done - self.first) * (self.steps - self.done)
        return f", about {tqdm.format_interval(left)} left"


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


class _NoView:
    """Shows nothing."""

    def update(self, far: _HowFar) -> None:
        pass

    def redraw(self, history: Mapping[str, list[float]]) -> None:
        pass

    def close(self) -> None:
        pass


class _TerminalView(_NoView):
    """The bar alone, on one line of the error stream."""

    def update(self, far: _HowFar) -> None:
        from tqdm import tqdm

        meter = tqdm.format_meter(
            far.done, far.steps, far.seconds, unit="step", initial=far.first, ncols=90,
            prefix=f"epoch {far.epoch} of {far.epochs}",
        )  # fmt: skip
        print(f"\r{meter}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        print(file=sys.stderr)


class _NotebookView:
    """One output that is replaced: the learning curves and, until the end, the bar.

    A screen reader finds the bar with its words, and is told of each epoch that ended, not of
    each step. The bar says its time of day: where the page was closed meanwhile it stands still.
    In the end only the curves are left, so that a stored notebook holds no times.
    """

    def __init__(self, epochs: int):
        self.epochs = epochs
        self.handle = None
        self.bar = ""

    def update(self, far: _HowFar) -> None:
        words = f"epoch {far.epoch} of {far.epochs}, step {far.done} of {far.steps}{far.left()}"
        self.bar = (
            f'<div class="training-bar"><progress value="{far.done}" max="{far.steps}" '
            f'aria-label="training"></progress> {words} (at {time.strftime("%H:%M:%S")})</div>'
        )
        self._show()

    def redraw(self, history: Mapping[str, list[float]]) -> None:
        picture = live_curves(history, self.epochs)
        self.text, self.picture_html = repr(picture), picture.to_html()
        ended = len(history.get("loss", ()))
        self._show(f'<div role="status" style="{UNSEEN}">Epoch {ended} of {self.epochs} ended</div>'
                   if self.bar and ended else "")  # fmt: skip

    def close(self) -> None:
        self.bar = ""
        self._show()

    def _show(self, told: str = "") -> None:
        from IPython.display import display

        bundle = {"text/plain": self.text, "text/html": self.picture_html + self.bar + told}
        if self.handle is None:
            self.handle = display(bundle, raw=True, display_id=True)
        else:
            self.handle.update(bundle, raw=True)
