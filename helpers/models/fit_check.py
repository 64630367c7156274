"""Before the first step: do the model, the dataset and the memory fit together?

Keras says late, and in the words of its own inside, that a model and a dataset do not fit.
A batch that is too large for the memory kills the kernel without a word. `train` asks here
first, and everything that can be known before the first step is said before it.
Introduced in lesson 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import MismatchError, UsageError, kind_of
from helpers.basics.own_words import in_its_own_words
from helpers.basics.quiet import quiet_tensorflow
from helpers.datasets.dataset import ImageDataset, Split
from helpers.models.cnn import check_not_scaled
from helpers.models.graph import ending, pixel_scale, read
from helpers.models.losses import (
    Trial,
    check_accuracy,
    check_last_step,
    check_loss,
    compile_config,
    gives_probabilities,
)

if TYPE_CHECKING:
    import keras


def check_fit(model: keras.Model, dataset: ImageDataset) -> None:
    """Raise MismatchError where `model` cannot be trained on `dataset`, and say why."""
    with quiet_tensorflow():
        import keras

    if not isinstance(model, keras.Model) or not isinstance(dataset, ImageDataset):
        raise UsageError(
            "Expected a Keras model, then a dataset: train(model, dataset). Received: "
            f"{kind_of(model)} and {kind_of(dataset)}."
        )
    check_splits(dataset)
    _check_outputs(model, dataset)
    for split in (dataset.train, dataset.validation):
        check_pixels(model, split)


def check_splits(dataset: ImageDataset) -> None:
    """Raise an error in words where `dataset` has nothing that can be trained on."""
    for split in (dataset.train, dataset.validation):
        if not isinstance(split, Split):
            raise UsageError(
                "Expected a dataset of splits, as load_dataset gives it. Received: one that holds "
                f"a {kind_of(split)}. Make one: Split(name, images, labels, class_names, source)."
            )
    if not len(dataset.train):
        raise MismatchError(
            "Expected images to train on. Received: an empty training split. Load the dataset "
            "with fewer validation images."
        )
    for split in (dataset.train, dataset.validation):
        split.check(dataset.image_shape, len(dataset.class_names))


def check_pixels(model: keras.Model, split: Split) -> None:
    """Raise MismatchError where the pixels are scaled already and `model` scales them itself."""
    if len(split):
        images = split.images
        check_not_scaled(
            images, lambda: pixel_scale(model, images), f"{split.name} images", "the model"
        )


def _check_outputs(model: keras.Model, dataset: ImageDataset) -> None:
    images, classes = dataset.train.images, len(dataset.class_names)
    gives = output_shape(model, images)
    binary = classes == 2 and gives == (None, 1) and model.compiled
    if gives != (None, classes) and not binary:
        received = f"an output of shape {gives}" if gives else "several outputs"
        raise MismatchError(
            f"Expected {classes} numbers an image from the model, one a class. Received: "
            f"{received}. Make its last layer Dense({classes})."
        )
    end = ending(model, images)
    check_last_step(end)
    if model.compiled:
        compile_config(model)  # so that Keras can describe it, which `train` needs at the end
        trial = Trial(model, dataset, gives[1], gives_probabilities(model, images, end))
        check_loss(trial)
        check_accuracy(trial)


def output_shape(model: keras.Model, images: np.ndarray) -> tuple[int | None, ...] | None:
    """The shape of what `model` gives for `images`; None where it has several outputs.

    Raises:
        MismatchError: it cannot take them.
    """
    import keras

    check_takes(model, images)
    if reading := read(model, images):
        return reading.shape
    asked = (None, *images.shape[1:])
    try:
        output = model(keras.KerasTensor(asked, dtype=images.dtype.name))
    except Exception as error:  # whatever a layer says of a shape that it cannot take
        words = in_its_own_words(error)
        raise _other_images(asked, f"one whose layers cannot take them: {words}") from error
    return getattr(output, "shape", None)


def check_takes(model: keras.Model, images: np.ndarray) -> None:
    """Raise MismatchError where `model` says that it takes images of another shape."""
    asked = (None, *images.shape[1:])
    takes = getattr(model, "input_shape", None)
    if isinstance(takes, tuple) and not _allows(takes, asked):
        raise _other_images(asked, f"one that takes {takes[1:]}")


def _allows(takes: tuple, asked: tuple) -> bool:
    """Whether a model's input shape, in which None stands for any number, allows `asked`."""
    return len(takes) == len(asked) and all(
        size in (None, wanted) for size, wanted in zip(takes[1:], asked[1:], strict=True)
    )


def _other_images(asked: tuple, received: str) -> MismatchError:
    return MismatchError(
        f"Expected a model for images of shape {asked[1:]}. Received: {received}. Build it "
        "for this dataset, with build_cnn(dataset), or give its Input the dataset's image_shape."
    )
