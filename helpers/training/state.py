"""One training: how far it is, its last good state, and how it ended. Lesson 4."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.basics.errors import MismatchError, UsageError, wrapped
from helpers.datasets.augment import Augmentation
from helpers.datasets.dataset import ImageDataset
from helpers.models.trained_on import TrainedOn, note_trained_on, trained_on
from helpers.training.checkpoints import (
    SEED_STATE,
    Checkpoint,
    CheckpointFolder,
    all_finite,
    assign,
    copies,
)
from helpers.training.curves import best_epoch
from helpers.training.descriptions import add_array
from helpers.training.run import TrainingRun
from helpers.training.sameness import (
    check_same,
    how_it_is_compiled,
    is_whole_checkpoint,
    left_as,
    say_what_differs,
    surroundings,
    what_functions_do,
    what_it_began_with,
)
from helpers.training.settings import is_over

if TYPE_CHECKING:
    import keras

ASKED = "a callback asked for it"
FIRST_STEPS = 16  # whose losses a run keeps


class Stop(Exception):
    """Ends Keras' fit at once; its text says why."""


class Diverged(Stop):
    """A loss or a weight is no longer a finite number."""


@dataclass(eq=False)
class Training:
    """One training: what it was begun with, how far it is, and its last good state.

    That state, `kept`, is a `Checkpoint`, the same in memory and on disk. Its arrays are all
    variables of the model and of the optimizer and, with patience, the model's best ones.
    """

    model: keras.Model
    dataset: ImageDataset
    settings: Mapping[str, Any]  # batch_size, patience, seed, class_weight
    augment: Sequence[Augmentation]
    callbacks: Sequence[keras.callbacks.Callback]
    epochs: int
    folder: CheckpointFolder | None
    functions: Mapping[str, str]  # what they did at first
    interrupted: bool = False
    stopping: bool = False
    stopped: str = ""
    seconds: float = 0.0
    kept: Checkpoint | None = None
    known: TrainedOn | None = None  # of the training before
    lasting: Mapping[str, Any] = field(default_factory=dict)  # facts that stay to the end
    first_losses: list[float] = field(default_factory=list)

    @property
    def history(self) -> Mapping[str, Sequence[float]]:
        return self.kept.facts["history"]

    @property
    def over(self) -> bool:
        """Whether there is nothing left to train."""
        patience = self.settings["patience"]
        waited = self.kept.epoch - best_epoch(self.history)
        return self.kept.epoch >= self.epochs or (patience is not None and waited >= patience)

    def begin(self) -> None:
        """Start from the model as it is, or from what the folder holds."""
        optimizer = self.model.optimizer
        if not optimizer.built:  # one of 16-bit numbers would get more variables each time
            optimizer.build(self.model.trainable_variables)
        self.known = trained_on(self.model)
        found, useless = None, []
        if self.folder:
            self.lasting = {
                "versions": surroundings(self.model),
                "begun_with": what_it_began_with(
                    self.model, self.dataset, self.settings, self.augment, self.functions
                ),
                "first_weights": self.weights_digest(copies(self.model.variables)),
            }
            found, useless = self.folder.newest(is_whole_checkpoint)
        if found:
            check_same(found, self.lasting["begun_with"], self.epochs, self.folder)
            for words in useless:
                print(f"The checkpoint {words}. The one before it is whole.")
            self.go_on_from(found)
            return
        if not all_finite(copies(self.model.variables)):
            raise MismatchError(
                "Expected a model whose weights are finite numbers. Received: weights that "
                "are nan or inf, from a training that diverged. Build the model again."
            )
        if (steps := int(optimizer.iterations)) and is_over(optimizer):
            raise UsageError(
                "Expected an optimizer whose learning rate is above 0. Received: one whose "
                f"schedule has run to its end, after {steps:,} steps: nothing would be learned. "
                "Compile the model again, with a number or a new schedule."
            )
        self.keep({})

    def go_on_from(self, found: Checkpoint) -> None:
        """Take over what the folder holds, and say what is not as it was."""
        fresh = int(self.model.optimizer.iterations) == 0
        came_with = self.weights_digest(copies(self.model.variables))
        known = [found.facts["first_weights"]]
        known += [self.weights_digest(found.part(part)) for part in ("model", "best")]
        self.kept, self.seconds = found, found.facts["seconds"]
        self.go_back()
        how = "All is trained already:" if self.over else "Going on after"
        print(f"{how} epoch {found.epoch} of {self.epochs}, kept in {self.folder}.")
        if fresh and came_with not in known:
            print(
                "The model came with other weights than the ones it was begun with, and has the "
                "kept ones now. For a training of its own, choose another folder."
            )
        if self.callbacks and not self.over:
            print("Your callbacks begin anew: what they knew of earlier epochs is not kept.")
        say_what_differs(found, self.lasting)
        self.lasting["first_weights"] = known[0]
        if found.facts["versions"].get("python") == self.lasting["versions"]["python"]:
            self.lasting["begun_with"] = found.facts["begun_with"]

    def weights_digest(self, arrays: Sequence[np.ndarray]) -> str:
        """Of the weights alone: random layers begin with a state that decides nothing."""
        digest = hashlib.blake2b(digest_size=16)
        for variable, array in zip(self.model.variables, arrays, strict=False):
            if variable.name != SEED_STATE:
                add_array(digest, array)
        return digest.hexdigest()

    def keep(self, history: Mapping[str, list[float]]) -> None:
        """Make the present state the last good one, in memory and on disk."""
        parts = {"model": copies(self.model.variables)}
        if not all_finite(parts["model"]):
            raise Diverged("a weight is no longer a finite number")
        parts["optimizer"] = copies(self.model.optimizer.variables)
        epoch = len(history.get("loss", ()))
        if self.settings["patience"] is not None:
            improved = best_epoch(history) == epoch
            parts["best"] = parts["model"] if improved else self.kept.part("best")
        arrays = {f"{name}/{n}": array for name in parts for n, array in enumerate(parts[name])}
        facts = {"history": history, "seconds": self.seconds, **self.lasting}
        self.kept = Checkpoint(epoch, arrays, facts)
        if self.folder:
            self.folder.save(self.kept)

    def go_back(self) -> None:
        """Give model and optimizer the last good state again."""
        assign(self.model.variables, self.kept.part("model"))
        assign(self.model.optimizer.variables, self.kept.part("optimizer"))

    def stop(self, reason: str, to_do: str = "") -> None:
        """End before the last epoch, with the last good state, and say so."""
        self.stopping = True
        self.go_back()
        after = f"after epoch {self.kept.epoch}" if self.kept.epoch else "before the first epoch"
        self.stopped = (
            f"Stopped in epoch {min(self.kept.epoch + 1, self.epochs)} of {self.epochs}: {reason}. "
            f"The model has the weights that it had {after}. {to_do}"
        ).strip()

    def end(self) -> TrainingRun:
        """What happened, and the model as it is handed back."""
        if not self.kept.epoch:  # it has the weights of the training before, if there was one
            note_trained_on(self.model, self.known)
        if self.over and not self.stopped:
            # As Keras' fit does when it ends; with use_ema, this gives the averaged weights.
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
            if self.settings["patience"] is not None:
                assign(self.model.variables, self.kept.part("best"))
        if self.folder:
            begun = self.lasting["begun_with"]
            now = what_functions_do(self.model, self.augment) | how_it_is_compiled(self.model)
            left_as[self.folder.folder.resolve()] = begun, {**begun, **now}
        if self.stopped:
            print(wrapped(self.stopped))
        history = {name: tuple(values) for name, values in self.history.items()}
        return TrainingRun(
            MappingProxyType(history), self.seconds, self.settings["batch_size"],
            self.settings["seed"], self.dataset.source, self.stopped, tuple(self.first_losses),
        )  # fmt: skip


def keeper_callback(training: Training) -> keras.callbacks.Callback:
    import keras

    class Keeper(keras.callbacks.Callback):
        """Makes each epoch a function of its number, and keeps what came of it."""

        def on_train_begin(self, logs=None):
            self.before, self.start = training.seconds, time.perf_counter()
            self.exact = all(layer.compute_dtype == "float32" for layer in self.model.layers)

        def on_epoch_begin(self, epoch, logs=None):
            # Layers such as dropout drew a seed of their own when they were built.
            states = [v for v in self.model.variables if v.name == SEED_STATE]
            for number, state in enumerate(states):
                words = np.random.SeedSequence([training.settings["seed"], epoch, number])
                state.assign(words.generate_state(2))

        def on_train_batch_end(self, batch, logs=None):
            self._check(logs["loss"], "the loss")
            if self.exact and batch < FIRST_STEPS and not training.kept.epoch:
                training.first_losses.append(float(logs["loss"]))
            self.on_test_batch_end(batch)
            if self.model.stop_training:  # in the middle of an epoch
                raise Stop(ASKED)

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
            self.model.stop_training |= training.over

        def on_train_end(self, logs=None):
            if not training.over:
                after = f"after epoch {training.kept.epoch} of {training.epochs}"
                training.stopped = f"Stopped {after}: {ASKED}."

        def _check(self, loss, name):
            if not np.isfinite(float(loss)):
                raise Diverged(f"{name} is no longer a finite number ({float(loss)})")

    return Keeper()


def after_an_interrupt(training: Training) -> str:
    to_do = ["Run the same cell again to go on."] if training.folder else []
    if in_notebook():
        to_do.append("Cells that wait below run now: interrupt again to stop them too.")
    return " ".join(to_do)


@contextlib.contextmanager
def interrupts_held_back(training: Training) -> Iterator[None]:
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


def in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")
