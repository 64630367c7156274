"""Train a model, watch it learn, keep what happened. Introduced in lesson 4.

`train` checks first that model, dataset and memory fit together (helpers/models/fit_check.py),
then lets Keras' `fit` do the work. Everything random is a function of the seed and the number of
the epoch: the order of the images, and what layers such as dropout draw. After each epoch the
state is kept, in memory and, on request, on disk (helpers/training/state.py, checkpoints.py). So
a training that was stopped, by whatever it was, goes on from there as though nothing had happened.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from helpers.basics.arguments import check_switches
from helpers.basics.errors import MismatchError, StorageError, UsageError
from helpers.basics.files import as_path
from helpers.basics.own_words import in_its_own_words
from helpers.basics.quiet import no_word_of_tracing, quiet_tensorflow
from helpers.datasets.augment import Augmentation, check_augmentations, check_functions
from helpers.datasets.batches import make_batches
from helpers.datasets.dataset import ImageDataset
from helpers.models.fit_check import check_fit
from helpers.models.losses import OWN, images_to_try, loss_kind, wants_one_hot
from helpers.models.step_memory import batch_without_training, check_batch_size
from helpers.models.trained_on import note_trained_on, note_training
from helpers.training.checkpoints import CheckpointFolder
from helpers.training.progress import Progress
from helpers.training.run import TrainingRun
from helpers.training.sameness import what_functions_do
from helpers.training.settings import (
    check_arguments,
    check_callbacks,
    class_weights,
    compile_for,
    note_what_learns,
    rate_put_back,
    say_what_is_unequal,
)
from helpers.training.state import (
    Diverged,
    Stop,
    Training,
    after_an_interrupt,
    interrupts_held_back,
    keeper_callback,
)

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def train(
    model: keras.Model,
    dataset: ImageDataset,
    *more: Any,
    epochs: int = 10,
    batch_size: int = 32,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule | None = None,
    augment: Sequence[Augmentation] = (),
    class_weight: str | Mapping[str | int, float] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
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
    the loss is no longer a number, the memory runs out, the disk is full, or an augmentation, a
    layer or a callback fails. The model then has the weights that it had after the last whole
    epoch, and `stopped` says why.

    Args:
        model: takes images of `dataset.image_shape`, gives one number a class: logits or
            probabilities.
        dataset: from `load_dataset` or `make_dataset`.
        epochs: how many times to run through the training images.
        batch_size: images a step.
        learning_rate: a number above 0, or a schedule of Keras, for the optimizer, which keeps it
            afterwards; None leaves it as it is. A number does not replace a schedule, and a
            schedule needs an optimizer that has taken no step yet.
        augment: functions that change the training images of each batch at random, such as
            `flip_sideways`, in a list or a tuple; the validation images stay as they are.
        class_weight: how much the images of each class count in the loss while training:
            "balanced" lets every class count alike, however many images it has (images / (classes
            x images of the class), as scikit-learn's compute_class_weight); a dictionary gives a
            number for each class, by its name or its label. Accuracies and the validation loss
            stay as they are.
        callbacks: of Keras, in a list or a tuple. At each moment they come first, in their order;
            then the epoch is kept, then the bar moves. One that sets `model.stop_training` ends
            the training. With `resume`, what they remember is not kept, nor what they do to the
            model when the training ends: after a stop they begin anew, and a line says so.
        patience: stop when the validation loss has not fallen for this many epochs, and go
            back to the weights of the best one; None trains all epochs.
        seed: of the order of the images and of random layers such as dropout; sets the random
            state of Python, NumPy and TensorFlow.
        progress: whether to show a bar with the time left and, in a notebook, the learning
            curves as they grow; and a line where the classes are very unequal and none has a
            weight.
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
    check_arguments(dataset, {"epochs": epochs, **settings}, resume)
    check_switches(progress=progress)
    # Keras and JSON want Python's own numbers, not those of NumPy.
    settings = {name: None if value is None else int(value) for name, value in settings.items()}
    with quiet_tensorflow():
        import keras

    check_functions(augment)
    check_callbacks(callbacks)
    # Before anything calls them, which may change what they hold.
    functions = {} if resume is None else what_functions_do(model, augment)
    keras.utils.set_random_seed(settings["seed"])
    check_fit(model, dataset)
    settings["class_weight"] = class_weights(class_weight, dataset)
    check_augmentations(augment, dataset.train)
    folder = None if resume is None else CheckpointFolder(as_path(resume))
    with rate_put_back(model):
        compile_for(model, dataset, learning_rate, may_have_begun=resume is not None)
        check_batch_size(model, settings["batch_size"], len(dataset.train))
        if progress and class_weight is None:
            say_what_is_unequal(dataset)
        with folder.locked() if folder else contextlib.nullcontext():
            training = Training(
                model, dataset, settings, augment, callbacks, int(epochs), folder, functions
            )
            with interrupts_held_back(training):
                return _trained(training, progress)


BY_KERAS = "Keras' own model.fit does, and make_batches(dataset.train) gives it the batches."
INSTEAD = {
    "sample_weight": f"train takes none. {BY_KERAS}",
    **dict.fromkeys(("optimizer", "loss", "metrics"), "Compile the model with it, then train."),
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
    near = difflib.get_close_matches(name, train.__kwdefaults__)
    return INSTEAD.get(name, f"Did you mean {near[0]}?" if near else "Check its spelling.")


def _trained(training: Training, progress: bool) -> TrainingRun:
    """The run; the model names the classes of this dataset from now on, unless it is refused."""
    training.begin()
    note_training(training.model, training.dataset)
    try:
        if not training.over:
            _fit(training, progress)
        return training.end()
    except BaseException:
        if not training.kept.epoch:
            note_trained_on(training.model, training.known)
        raise


def _fit(training: Training, progress: bool) -> None:
    """Let Keras train what is left; whatever ends it early becomes `training.stopped`."""
    import tensorflow as tf

    model, batch_size = training.model, training.settings["batch_size"]
    train_batches, validation_batches = _batches(training)
    _make_metrics(model, training.dataset, training.settings["class_weight"])
    shown = Progress(training) if progress else None
    callbacks = [*training.callbacks, keeper_callback(training)]
    callbacks += [shown.callback()] if shown else []
    anew = ", with another folder" if training.folder else ""  # this one is for these settings
    try:
        with no_word_of_tracing():
            model.fit(
                train_batches,
                validation_data=validation_batches,
                initial_epoch=training.kept.epoch,
                epochs=training.epochs,
                shuffle=False,  # the pipeline shuffles
                callbacks=callbacks,
                verbose=0,
            )
    except KeyboardInterrupt:
        if not training.over:
            training.stop("you interrupted it", after_an_interrupt(training))
    except Diverged as diverged:
        tenth = _tenth_of_rate(model.optimizer)
        training.stop(str(diverged), f"Try a tenth of the learning rate{tenth}{anew}.")
    except Stop as stop:
        training.stop(str(stop))
    except StorageError as error:
        training.stop(f"epoch {training.kept.epoch} could not be kept. {error}".rstrip("."))
    except (MemoryError, tf.errors.ResourceExhaustedError):
        fewer = max(batch_size // 4, 1)
        training.stop("the memory ran out", f"Try smaller batches: batch_size={fewer}{anew}.")
    except Exception as error:  # of an augmentation, a layer, a callback or whatever else
        if training.interrupted:  # twice, so that it came through into TensorFlow
            training.stop("you interrupted it", after_an_interrupt(training))
        else:
            training.stop(in_its_own_words(error), f"Mend what failed, then train again{anew}.")
    finally:
        note_what_learns(model)
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
    weights = [*settings["class_weight"].values()]
    return _labelled_for(model, train_batches, dataset, weights), validation


def _make_metrics(
    model: keras.Model, dataset: ImageDataset, class_weight: Mapping[str, float]
) -> None:
    """Use loss and metrics once, on a few images, so that their variables are there.

    Keras would make them in the first step, and trace that step twice because of it. That takes
    a second.
    """
    import tensorflow as tf

    few = slice(images_to_try(len(dataset.class_names)))
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
    loss = getattr(model.loss, "call", model.loss)
    if class_weight and loss_kind(model) == OWN and callable(loss):
        shape = tuple(loss(labels, answers).shape)
        if shape != (len(labels),):
            raise MismatchError(
                "Expected a loss of one number an image, which class_weight can change. Received: "
                f"shape {shape} for {len(labels)} images. Leave out the mean in your loss."
            )


def _labelled_for(
    model: keras.Model,
    batches: tf.data.Dataset,
    dataset: ImageDataset,
    weights: Sequence[float] = (),
) -> tf.data.Dataset:
    """The batches with labels as the loss takes them, and the weights of their classes."""
    import tensorflow as tf

    classes, one_hot = len(dataset.class_names), wants_one_hot(model)

    def labelled(images, labels):
        counts = (tf.gather(tf.constant(weights, tf.float32), labels),) if weights else ()
        return images, tf.one_hot(labels, classes) if one_hot else labels, *counts

    return batches.map(labelled)


def _tenth_of_rate(optimizer: keras.Optimizer) -> str:
    """The number to try, unless a schedule makes the learning rate up."""
    rate = optimizer.get_config().get("learning_rate")
    return f": {rate / 10:g}, not {rate:g}" if isinstance(rate, float) else ""
