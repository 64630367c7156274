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
from helpers.models.graph import ending, pixel_scale
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
        check_arrays(split, dataset.image_shape, len(dataset.class_names))


def check_arrays(split: Split, image_shape: tuple[int, ...], classes: int) -> None:
    """Raise an error in words where images and labels of `split` are not what they should be.

    Raises:
        UsageError: they are no arrays.
        MismatchError: they have another shape, type or value than the dataset says.
    """
    images, labels = split.images, split.labels
    for name, array in (("images", images), ("labels", labels)):
        if not isinstance(array, np.ndarray):
            raise UsageError(
                f"Expected NumPy arrays as images and labels. Received: {split.name} {name} of "
                f"type {kind_of(array)}. np.asarray({name}) makes an array of them."
            )
    if images.shape[1:] != tuple(image_shape) or images.shape[:1] != labels.shape[:1]:
        raise MismatchError(
            f"Expected {split.name} images of shape {('n', *image_shape)} with n labels. "
            f"Received: images {images.shape}, labels {labels.shape}. Change both together."
        )
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise MismatchError(
            f"Expected one whole number a {split.name} image as its label. Received: labels of "
            f"shape {labels.shape} and type {labels.dtype}. {_whole_numbers(labels)}"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise MismatchError(
            f"Expected {split.name} labels from 0 to {classes - 1}, for {classes} classes. "
            f"Received: {labels[wrong[0]]} for image {wrong[0]}, and {len(wrong)} such labels in "
            "all. Labels count from 0."
        )
    if images.dtype.kind not in "buif":
        raise MismatchError(
            f"Expected numbers as pixels. Received: {split.name} images of type {images.dtype}. "
            "Make an array of numbers from 0 to 255 of them, best of type uint8."
        )
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise MismatchError(
            f"Expected numbers as pixels. Received: {split.name} images with values that are not "
            "finite (nan or inf). Look for a division by zero where they were made."
        )


def _whole_numbers(labels: np.ndarray) -> str:
    """What makes whole numbers of these labels, in words."""
    if labels.dtype.kind in "OSU":
        return "np.unique(labels, return_inverse=True)[1] numbers the names from 0."
    if labels.size == len(labels):
        return "labels.ravel().astype(int) gives whole numbers."
    if labels.ndim == 2 and (np.count_nonzero(labels, axis=1) == 1).all():
        return "For one-hot rows, labels.argmax(axis=1) gives the numbers."
    return "Each image has one class here: choose one for those with several or none."


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

    asked = (None, *images.shape[1:])
    takes = getattr(model, "input_shape", None)
    if isinstance(takes, tuple) and not _allows(takes, asked):
        raise _other_images(asked, f"one that takes {takes[1:]}")
    try:
        output = model(keras.KerasTensor(asked, dtype=images.dtype.name))
    except Exception as error:  # whatever a layer says of a shape that it cannot take
        words = in_its_own_words(error)
        raise _other_images(asked, f"one whose layers cannot take them: {words}") from error
    return getattr(output, "shape", None)


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
