"""What a training is asked for: refused in words, or in the form that it works with. Lesson 4."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

import numpy as np

from helpers.basics.arguments import check_seed, check_whole, is_whole
from helpers.basics.errors import CourseError, MismatchError, UsageError, wrapped
from helpers.datasets.dataset import ImageDataset
from helpers.models.losses import gives_probabilities

if TYPE_CHECKING:
    import keras

VERY_UNEQUAL = 5  # times as many images in the largest class as in the smallest


def check_arguments(
    dataset: ImageDataset, numbers: Mapping[str, int | None], resume: str | os.PathLike | None
) -> None:
    check_seed(numbers["seed"])
    for name in ("epochs", "batch_size", "patience"):
        if numbers[name] is not None or name != "patience":
            check_whole(name, numbers[name])
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


def check_callbacks(callbacks: Sequence[keras.callbacks.Callback]) -> None:
    import keras

    in_a_list = isinstance(callbacks, list | tuple)
    if in_a_list and any(isinstance(one, keras.callbacks.BackupAndRestore) for one in callbacks):
        raise UsageError(
            "Expected callbacks that leave it to train where it begins. Received: "
            'BackupAndRestore. train does the same, and more, with resume="my_training".'
        )
    if not in_a_list or not all(isinstance(one, keras.callbacks.Callback) for one in callbacks):
        raise UsageError(
            "Expected a list of callbacks of Keras, for example "
            f'[keras.callbacks.CSVLogger("log.csv")]. Received: {callbacks!r}. Put square brackets '
            "around a single one."
        )


def compile_for(
    model: keras.Model,
    dataset: ImageDataset,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule | None,
    may_have_begun: bool,
) -> None:
    """Compile the model where it is not yet, and give its optimizer the learning rate."""
    import keras

    is_schedule = isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule)
    is_number = isinstance(learning_rate, Real) and not isinstance(learning_rate, bool)
    if not (learning_rate is None or is_schedule or (is_number and 0 < learning_rate < math.inf)):
        raise UsageError(
            "Expected a number above 0, or a schedule of Keras, as learning_rate. Received: "
            f"{learning_rate!r}. Give for example 0.001."
        )
    if not model.compiled:
        logits = not gives_probabilities(model, dataset.train.images)
        model.compile(
            optimizer="adam",
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=logits),
            metrics=["accuracy"],
        )
    check_what_learns(model)
    if is_schedule:
        if not may_have_begun and int(model.optimizer.iterations):
            raise UsageError(
                "Expected an optimizer that has taken no step yet: a schedule counts them. "
                f"Received: one that has taken {int(model.optimizer.iterations)}. Compile the "
                "model again, or give a number."
            )
        model.optimizer.learning_rate = learning_rate
        model.make_train_function(force=True)  # the one that there is holds the rate before
    elif is_number:
        try:
            model.optimizer.learning_rate = float(learning_rate)
        except TypeError:
            raise UsageError(
                "Expected a schedule of Keras as learning_rate: the optimizer of this model has "
                f"one, which a number does not replace. Received: {learning_rate!r}. Compile the "
                "model again with the number."
            ) from None


# The step that Keras has made of a model in a training, and the names of what learns in it.
_made_for: WeakKeyDictionary[keras.Model, tuple[ref, list[str]]] = WeakKeyDictionary()


def note_what_learns(model: keras.Model) -> None:
    if model.train_function:
        _made_for[model] = ref(model.train_function), _learning(model)


def check_what_learns(model: keras.Model) -> None:
    """Raise MismatchError where layers were frozen or set free since the step was made.

    Keras would go on with that step, in which other layers learn, and say nothing.
    """
    made, learning = _made_for.get(model, (lambda: None, []))
    if model.train_function and made() is model.train_function and learning != _learning(model):
        raise MismatchError(
            "Expected a model compiled for the layers that are to learn now. Received: one whose "
            "layers were frozen or set free (`trainable`) since it was compiled. Compile it again, "
            "with a new optimizer such as keras.optimizers.Adam(), its loss and "
            'metrics=["accuracy"].'
        )


def _learning(model: keras.Model) -> list[str]:
    return [variable.path for variable in model.trainable_variables]


@contextlib.contextmanager
def rate_put_back(model: keras.Model) -> Iterator[None]:
    """Where the block refuses to train, the model has the learning rate again that it had."""
    import keras

    was_compiled = model.compiled
    rate = model.optimizer.learning_rate if was_compiled else None
    before = float(rate) if isinstance(rate, keras.Variable) else None  # else it has a schedule
    try:
        yield
    except CourseError:
        model.compiled = was_compiled  # the next call compiles it anew
        if before is not None:
            with contextlib.suppress(TypeError):  # it has a schedule now
                model.optimizer.learning_rate = before
        raise


def is_over(optimizer: keras.Optimizer) -> bool:
    """Whether a schedule has brought its learning rate to 0 for all steps that come."""
    import keras

    schedule = optimizer.get_config().get("learning_rate")
    if not isinstance(schedule, dict) or float(optimizer.learning_rate):
        return False
    try:
        rate_at = keras.optimizers.schedules.deserialize(schedule)
        steps = int(optimizer.iterations)
        return not any(float(rate_at(steps + more)) for more in (1, 10, 100))
    except Exception:  # one of the user's own: nobody can tell
        return False


def class_weights(
    class_weight: str | Mapping[str | int, float] | None, dataset: ImageDataset
) -> dict[str, float]:
    """Class name -> weight, of all classes in their order; {} where none has one."""
    names, counts = dataset.class_names, _images_a_class(dataset)
    if class_weight is None:
        return {}
    if isinstance(class_weight, str) and class_weight == "balanced":
        if not all(counts):
            raise UsageError(
                'Expected training images of every class for class_weight="balanced". Received: '
                f"none of {names[counts.index(0)]!r}. Give each class a number yourself."
            )
        return {
            name: sum(counts) / (len(names) * count)
            for name, count in zip(names, counts, strict=True)
        }
    expected = (
        f'Expected "balanced", or a number from 0 on for each of {len(names)} classes by name or '
        "label, as class_weight. Received: "
    )
    if not isinstance(class_weight, Mapping):
        raise UsageError(f"{expected}{class_weight!r}.")
    weights = {}
    for key, weight in class_weight.items():
        name = names[int(key)] if is_whole(key) and 0 <= key < len(names) else key
        if name not in names or name in weights:
            wrong = "a second time" if name in weights else f"which is none of {', '.join(names)}"
            raise UsageError(f"{expected}{key!r}, {wrong}. Name each class once.")
        number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not number or not 0 <= weight < math.inf:
            raise UsageError(f"{expected}{weight!r} for {key!r}. Give for example 2.")
        weights[name] = float(weight)
    missing = [name for name in names if name not in weights]
    if missing or not any(weights.values()):
        wrong = f"nothing for {missing[0]!r}" if missing else "0 for all"
        raise UsageError(f"{expected}{wrong}. 1 lets a class count as it is.")
    return {name: weights[name] for name in names}


def _images_a_class(dataset: ImageDataset) -> list[int]:
    return np.bincount(dataset.train.labels, minlength=len(dataset.class_names)).tolist()


def say_what_is_unequal(dataset: ImageDataset) -> None:
    counts = _images_a_class(dataset)
    if min(counts) and max(counts) >= VERY_UNEQUAL * min(counts):
        most, fewest = (dataset.class_names[counts.index(f(counts))] for f in (max, min))
        print(
            wrapped(
                f"The classes are very unequal: {max(counts):,} training images of {most}, "
                f'{min(counts):,} of {fewest}. train(..., class_weight="balanced") lets each count '
                "alike; look at the balanced accuracy that evaluate gives."
            )
        )
