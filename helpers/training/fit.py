"""Train a model, watch it learn, keep what happened. Introduced in lesson 4.

`train` checks first that model, dataset and memory fit together (helpers/models/fit_check.py),
then lets Keras' `fit` do the work. Everything random is a function of the seed and the number of
the epoch: the order of the images, and what layers such as dropout draw. After each epoch the
state is kept, in memory and, on request, on disk (helpers/training/checkpoints.py). So a training
that was stopped, by whatever it was, goes on from there as though nothing had happened.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.basics.arguments import check_whole_number
from helpers.basics.errors import MismatchError, StorageError, UsageError, wrapped
from helpers.basics.files import as_path
from helpers.basics.own_words import in_its_own_words
from helpers.basics.quiet import no_word_of_tracing, quiet_tensorflow
from helpers.datasets.augment import Augmentation, check_augmentations, check_functions
from helpers.datasets.batches import make_batches
from helpers.datasets.dataset import ImageDataset
from helpers.models.fit_check import check_fit
from helpers.models.losses import gives_probabilities, wants_one_hot
from helpers.models.step_memory import batch_without_training, check_batch_size
from helpers.training.checkpoints import SEED_STATE, CheckpointFolder
from helpers.training.interrupts import after_an_interrupt, interrupts_held_back
from helpers.training.progress import Progress
from helpers.training.run import TrainingRun
from helpers.training.sameness import what_functions_do
from helpers.training.state import Stop, Training

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


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
    functions = {} if resume is None else what_functions_do(model, augment)
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
        training = Training(model, dataset, settings, augment, epochs, folder, functions)
        with interrupts_held_back(training):
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


def _fit(training: Training, progress: bool) -> None:
    """Let Keras train what is left; whatever ends it early becomes `training.stopped`."""
    import tensorflow as tf

    model, batch_size = training.model, training.settings["batch_size"]
    train_batches, validation_batches = _batches(training)
    _make_metrics(model, training.dataset)
    shown = Progress(training) if progress else None
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
            training.stop("you interrupted it", after_an_interrupt(training))
    except Stop as stop:
        tenth = _tenth_of_rate(model.optimizer)
        training.stop(str(stop), f"Try a tenth of the learning rate{tenth}{anew}.")
    except StorageError as error:
        training.stop(f"epoch {training.kept.epoch} could not be kept. {error}".rstrip("."))
    except (MemoryError, tf.errors.ResourceExhaustedError):
        fewer = max(batch_size // 4, 1)
        training.stop("the memory ran out", f"Try smaller batches: batch_size={fewer}{anew}.")
    except Exception as error:  # of an augmentation, a layer or anything else that takes part
        if training.interrupted:  # twice, so that it came through into TensorFlow
            training.stop("you interrupted it", after_an_interrupt(training))
        else:
            training.stop(in_its_own_words(error), f"Mend what failed, then train again{anew}.")
    finally:
        if shown:
            shown.finish()


def _batches(training: Training) -> tuple[tf.data.Dataset, tf.data.Dataset | None]:
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
            f"labels. Received: {in_its_own_words(error)}. Mend what failed, then train again."
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


def _keeper_callback(training: Training) -> keras.callbacks.Callback:
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
                raise Stop(f"{name} is no longer a finite number ({float(loss)})")

    return Keeper()
