"""One training: how far it is, its last good state, and how it ended. Lesson 4."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.basics.errors import MismatchError
from helpers.datasets.augment import Augmentation
from helpers.datasets.dataset import ImageDataset
from helpers.training.checkpoints import (
    SEED_STATE,
    Checkpoint,
    CheckpointFolder,
    all_finite,
    assign,
    copies,
    part_of,
    renamed,
)
from helpers.training.descriptions import add_array
from helpers.training.run import TrainingRun, best_epoch
from helpers.training.sameness import (
    FORMAT,
    check_same,
    format_and_python,
    is_whole_checkpoint,
    left_as,
    say_what_differs,
    surroundings,
    what_functions_do,
    what_it_began_with,
)

if TYPE_CHECKING:
    import keras


class Stop(Exception):
    """Ends Keras' fit at once; its text says why."""


class Training:
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
        waited = self.kept.epoch - best_epoch(self.history)
        return self.kept.epoch >= self.epochs or (patience is not None and waited >= patience)

    def begin(self) -> None:
        """Start from the model as it is, or from what the folder holds."""
        self.model.optimizer.build(self.model.trainable_variables)
        if self.folder:
            self.lasting = {
                "format": FORMAT,
                "versions": surroundings(self.model),
                "begun_with": what_it_began_with(
                    self.model, self.dataset, self.settings, self.augment, self.functions
                ),
                "first_weights": self.weights_digest(copies("model", self.model.variables)),
            }
        found, useless = self.folder.newest(is_whole_checkpoint) if self.folder else (None, [])
        if found is None:
            if not all_finite(copies("model", self.model.variables)):
                raise MismatchError(
                    "Expected a model whose weights are finite numbers. Received: weights that "
                    "are nan or inf, from a training that diverged. Build the model again."
                )
            self.keep({})
            return
        check_same(found, self.lasting["begun_with"], self.epochs, self.folder)
        for words in useless:
            print(f"The checkpoint {words}. The one before it is whole.")
        self.go_on_from(found)

    def go_on_from(self, found: Checkpoint) -> None:
        """Take over what the folder holds, and say what is not as it was."""
        fresh = int(self.model.optimizer.iterations) == 0
        digests = [
            self.weights_digest(arrays)
            for arrays in (
                copies("model", self.model.variables),
                *(part_of(found.arrays, part) for part in ("model", "best")),
            )
        ]
        first = found.facts.get("first_weights")
        self.kept, self.seconds = found, found.facts["seconds"]
        self.lasting["first_weights"] = first
        if format_and_python(found.facts) == format_and_python(self.lasting):
            self.lasting["begun_with"] = found.facts["begun_with"]
        self.go_back()
        how = "All is trained already:" if self.over else "Going on after"
        print(f"{how} epoch {found.epoch} of {self.epochs}, kept in {self.folder}.")
        if fresh and first and digests[0] not in (first, *digests[1:]):
            print(
                "The model came with other weights than the ones it was begun with, and has the "
                "kept ones now. For a training of its own, choose another folder."
            )
        say_what_differs(found, self.lasting)

    def weights_digest(self, arrays: Mapping[str, np.ndarray]) -> str:
        """Of the weights alone: random layers begin with a state that decides nothing."""
        digest = hashlib.blake2b(digest_size=16)
        for variable, array in zip(self.model.variables, arrays.values(), strict=False):
            if variable.name != SEED_STATE:
                add_array(digest, array)
        return digest.hexdigest()

    def keep(self, history: Mapping[str, list[float]]) -> None:
        """Make the present state the last good one, in memory and on disk."""
        model = copies("model", self.model.variables)
        if not all_finite(model):
            raise Stop("a weight is no longer a finite number")
        epoch = len(history.get("loss", ()))
        best = {}
        if self.settings["patience"] is not None:
            improved = best_epoch(history) == epoch
            best = renamed(model, "best") if improved else part_of(self.kept.arrays, "best")
        optimizer = copies("optimizer", self.model.optimizer.variables)
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
        assign(self.model.variables, part_of(self.kept.arrays, "model"))
        assign(self.model.optimizer.variables, part_of(self.kept.arrays, "optimizer"))

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
                assign(self.model.variables, part_of(self.kept.arrays, "best"))
        if self.folder:
            begun = self.lasting["begun_with"]
            now = {**begun, **what_functions_do(self.model, self.augment)}
            left_as[self.folder.folder.resolve()] = begun, now
        history = {name: tuple(values) for name, values in self.history.items()}
        return TrainingRun(
            MappingProxyType(history), self.seconds, self.settings["batch_size"],
            self.settings["seed"], self.dataset.source, self.stopped,
        )  # fmt: skip


def _after(epoch: int) -> str:
    return f"after epoch {epoch}" if epoch else "before the first epoch"


def in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")
