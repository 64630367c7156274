"""Make a dataset of what is in the memory already. Introduced in lesson 2.

    dataset = make_dataset(images, labels)

Arrays and lists come in many kinds. What can be meant in one way only is taken; all else is
refused, with the line that makes what is expected of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

import numpy as np
from PIL import ImageOps
from PIL.Image import Image

from helpers.basics.arguments import check_all_there, check_seed
from helpers.basics.errors import NotEnoughMemoryError, UsageError, kind_of
from helpers.basics.memory import available_memory
from helpers.basics.own_words import in_its_own_words
from helpers.datasets.dataset import ImageDataset, Labelled, Source, as_dataset, whole_numbers
from helpers.folders.cut import check_number_of_images
from helpers.photos.remarks import can_be_shown

# Values from the one to the other may be pixels that were changed; what makes pixels of them.
SCALED = (
    (0, 1, "(255 * images).round().astype(np.uint8)"),
    (-1, 1, "(127.5 * images + 127.5).round().astype(np.uint8)"),
    (
        0,
        255,
        "images.round().astype(np.uint8), or TensorFlow's tf.cast(tf.round(image), tf.uint8),",
    ),
    (0, 65_535, "(images / 257).round().astype(np.uint8)"),
)


def make_dataset(
    images: object,
    labels: object = None,
    *,
    class_names: Sequence[str] | None = None,
    validation: object = None,
    test: object = None,
    validation_images: int | None = None,
    name: str = "arrays",
    seed: int = 0,
) -> ImageDataset:
    """Make a dataset of images that are in the memory already.

        (images, labels), test = keras.datasets.cifar10.load_data()
        dataset = make_dataset(images, labels, test=test)

    Args:
        images: an array (images, height, width), or with 1 or 3 channels behind, of whole
            numbers from 0 to 255, best uint8: that is not copied. Or a list of such images, or
            of grey or RGB pictures of Pillow, of one size. Or a `tf.data.Dataset` of
            (image, label) or of batches of them, which is read into the memory.
        labels: one an image: whole numbers from 0, or texts, or one-hot rows, (images,),
            (images, 1) or (images, classes). None for a `tf.data.Dataset`.
        class_names: the classes in the order of the whole numbers. Default: the texts in the
            order of the alphabet, or the numbers as texts.
        validation, test: a pair (images, labels) of these kinds, or a `tf.data.Dataset`. What is
            left out is cut off the training images, a fifth, the same share of every class.
        validation_images: how many to cut off for validation; 0 for none.
        name: what the dataset is called.
        seed: decides which images are cut off.

    Returns:
        An `ImageDataset` of uint8 images and int64 labels.

    Raises:
        UsageError: they are no such images or labels, or a class has no training image; a seed
            or number that makes no sense.
        FolderError: a class has too few images to be in every split.
        NotEnoughMemoryError: the `tf.data.Dataset` is too large for the memory.

    Introduced in lesson 2.
    """
    check_number_of_images(validation_images)
    check_seed(seed)
    class_names = None if class_names is None else _checked_names(class_names)
    train, class_names = _labelled(images, labels, class_names)
    if len(missing := np.setdiff1d(np.arange(len(class_names)), train.labels)):
        received = f"none of {_some([class_names[label] for label in missing])}"
        _refuse("a training image of every class", received, "Add some, or leave that class out.")
    parts = {"validation": validation, "test": test}
    for part, given in parts.items():
        if given is not None:
            pair = given if isinstance(given, list | tuple) and len(given) == 2 else (given, None)
            try:
                parts[part], _ = _labelled(*pair, class_names, train.images.shape[1:])
            except UsageError as error:
                raise UsageError(f"{error} This is about {part}=.") from None
    source = Source(train, class_names=class_names, description="images from arrays", **parts)
    return as_dataset(str(name), source, validation_images, seed)


def _labelled(
    images: object,
    labels: object,
    class_names: Sequence[str] | None,
    image_shape: tuple[int, ...] | None = None,
) -> tuple[Labelled, tuple[str, ...]]:
    """The images and labels of one split as arrays, and the classes."""
    if labels is None:
        images, labels = _read_all(images)
    pixels = _as_pixels(images)
    numbers, class_names = _as_numbers(labels, class_names)
    if len(pixels) != len(numbers):
        received = f"{len(pixels):,} images and {len(numbers):,} labels"
        _refuse("one label an image", received, "Change both together.")
    if image_shape not in (None, pixels.shape[1:]):
        advice = "Bring all to one size and number of channels."
        _refuse(f"images of shape {image_shape}, as for training", str(pixels.shape[1:]), advice)
    present = np.unique(numbers)
    if class_names is None:
        class_names = _checked_names(tuple(map(str, range(len(present)))))
    if not np.isin(present, classes := np.arange(len(class_names))).all():
        advice = "np.unique(labels, return_inverse=True)[1] numbers what is there from 0."
        if np.array_equal(present, classes + 1):
            advice = "labels - 1 counts from 0."
        expected = f"labels from 0 to {classes[-1]}, for the classes {_some(class_names)}"
        _refuse(expected, _some(present), advice)
    return Labelled(pixels, numbers), class_names


def _refuse(expected: str, received: str, advice: str) -> NoReturn:
    raise UsageError(f"Expected {expected}. Received: {received}. {advice}")


def _as_array(values: object) -> np.ndarray:
    check_all_there("an array", values)
    try:
        return np.asarray(values)  # no copy of what is an array
    except (ValueError, TypeError, OSError) as error:
        advice = "Look whether all are there and have one size."
        _refuse("an array, or what makes one", f"{kind_of(values)}: {error}", advice)


def _read_all(pipeline: object) -> tuple[np.ndarray, np.ndarray]:
    """All images and labels of a `tf.data.Dataset`, batched or not."""
    if not hasattr(pipeline, "as_numpy_iterator"):
        expected = "images and labels, or a tf.data.Dataset of both"
        _refuse(
            expected,
            f"{kind_of(pipeline)} alone",
            "Give the labels, too; load_dataset reads folders.",
        )
    import tensorflow as tf

    if pipeline.cardinality() == tf.data.INFINITE_CARDINALITY:
        advice = "Leave out its repeat(), or take some: dataset.take(1_000)."
        _refuse("a tf.data.Dataset that ends", "one that repeats without end", advice)
    spec = pipeline.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        advice = 'dataset.map(lambda each: (each["image"], each["label"])) makes pairs of a dict.'
        _refuse("a tf.data.Dataset of pairs (image, label)", f"one of {str(spec)[:200]}", advice)
    images, labels, room = [], [], available_memory() / 2  # it is copied together at the end
    try:
        for image, label in pipeline.as_numpy_iterator():
            image, label = np.asarray(image), np.asarray(label)
            grey = image.ndim == 3 and image.shape[2] not in (1, 3)
            if image.ndim != 4 and not (grey and image.shape[:1] == label.shape[:1]):
                image, label = image[np.newaxis], label[np.newaxis]  # no batch
            images.append(image)
            labels.append(label)
            room -= image.nbytes
            if room < 0:
                raise NotEnoughMemoryError(
                    "Expected a tf.data.Dataset that fits into the memory. Received: more than "
                    f"{sum(map(len, labels)):,} images. Take fewer, or load a folder of images."
                )
    except tf.errors.OpError as error:
        advice = "Look at its first element: next(iter(dataset))."
        _refuse("a tf.data.Dataset that gives its images", in_its_own_words(error), advice)
    _check_one_shape({image.shape[1:] for image in images})
    return np.concatenate(images), np.concatenate(labels)


def _check_one_shape(shapes: set[tuple[int, ...]]) -> None:
    if len(shapes) != 1:
        received = " and ".join(map(str, sorted(shapes)[:2])) or "no image"
        advice = 'Resize them; image.convert("RGB").resize((64, 64)) does it for a picture.'
        _refuse("images of one shape", received, advice)


def _as_pixels(images: object) -> np.ndarray:
    """uint8, (images, height, width, channels). What is that already is not copied."""
    given = images
    if isinstance(images, list | tuple):
        if modes := {image.mode for image in images if isinstance(image, Image)} - {"L", "RGB"}:
            advice = 'image.convert("RGB") makes RGB of each.'
            if any(mode[0] in "IF" for mode in modes):  # of which convert makes white images
                advice = "np.asarray(image) gives its numbers. Bring them to 0 to 255, as uint8."
            _refuse("grey or RGB pictures", f"pictures of mode {', '.join(sorted(modes))}", advice)
        images = [
            _as_array(ImageOps.exif_transpose(image) if isinstance(image, Image) else image)
            for image in images
        ]
        _check_one_shape({image.shape for image in images})
    images = _as_array(images)
    if images.dtype.kind not in "buif":
        advice = "np.array(images, np.uint8) may make pixels of it; load_dataset reads a folder."
        _refuse("an array of numbers as images", f"{kind_of(given)} of {images.dtype}", advice)
    shape = images.shape
    if images.ndim == 3 and shape[2] not in (1, 3):
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or not images.size:
        advice = "images.reshape(-1, height, width)"
        if len(shape) == 3:
            advice = "images[np.newaxis]"
        elif len(shape) == 4:
            advice = "images.transpose(0, 2, 3, 1)" if shape[1] in (1, 3) else "images[..., :3]"
        expected = "images of shape (images, height, width), or with 1 or 3 channels behind"
        _refuse(expected, f"shape {shape}", f"Perhaps it is {advice} that you mean.")
    return _as_bytes(images)


def _as_bytes(images: np.ndarray) -> np.ndarray:
    low, high = images.min(), images.max()
    whole = images.dtype.kind in "ui" or np.array_equal(images, np.round(images))
    # Where nothing is above 1 the pixels were scaled, unless all are black.
    if not whole or low < 0 or not (1 < high <= 255 or high == 0):
        fitting = [made for least, most, made in SCALED if least <= low and high <= most]
        advice = f"{fitting[0]} makes them." if fitting else "Bring them into that range."
        received = f"{images.dtype} from {low} to {high}"
        _refuse("pixels as whole numbers from 0 to 255", received, advice)
    return images.astype(np.uint8, copy=False)


def _as_numbers(
    labels: object, class_names: Sequence[str] | None
) -> tuple[np.ndarray, Sequence[str] | None]:
    """int64, (images,), and the classes, where texts or the columns of one-hot rows tell them."""
    if isinstance(labels, list | tuple) and any(isinstance(label, str) for label in labels):
        labels = np.array(labels, object)  # NumPy would make a text of nan
    labels = _as_array(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    numeric = labels.ndim == 2 and labels.dtype.kind in "buif"
    if numeric and np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all():  # one-hot
        class_names = class_names or tuple(map(str, range(labels.shape[1])))
        if labels.shape[1] != len(class_names):
            expected = f"rows of {len(class_names)} numbers, for the classes {_some(class_names)}"
            advice = "Give each class its column, also one that has no image here."
            _refuse(expected, f"rows of {labels.shape[1]}", advice)
        labels = labels.argmax(axis=1)
    if labels.ndim == 1 and labels.dtype.kind in "OSU":
        texts = [
            text.decode(errors="backslashreplace") if isinstance(text, bytes) else text
            for text in labels.tolist()
        ]
        if all(isinstance(text, str) for text in texts):
            class_names = class_names or _checked_names(sorted({*texts}))
            if unknown := sorted({*texts} - {*class_names}):
                advice = "Spell them alike, or name them in class_names."
                _refuse(f"the labels {_some(class_names)}", _some(unknown), advice)
            number = {name: number for number, name in enumerate(class_names)}
            labels = np.array([number[text] for text in texts])
    whole = labels.dtype.kind in "uif" and np.array_equal(labels, np.round(labels))
    if labels.ndim != 1 or not whole:
        expected = "one label an image: a whole number, a text, or a one-hot row"
        advice = "Look for labels that are missing, or no whole numbers."
        if labels.dtype.kind != "f" or labels.ndim > 1:
            advice = whole_numbers(labels) if labels.ndim else "Give an array or a list."
        _refuse(expected, f"{labels.dtype} of shape {labels.shape}", advice)
    return labels.astype(np.int64), class_names


def _some(values: Sequence[object]) -> str:
    return ", ".join(map(str, values[:10])) + (", ..." if len(values) > 10 else "")


def _checked_names(class_names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(class_names, set | frozenset | Mapping):
        advice = "Give a list: its order says which number each class has."
        _refuse("class names in an order", kind_of(class_names), advice)
    named = isinstance(class_names, Iterable) and not isinstance(class_names, str)
    names = tuple(class_names) if named else ()
    if not all(isinstance(name, str) for name in names) or len({*names}) < max(len(names), 2):
        advice = 'Give for example images of cats and dogs, and class_names=("cat", "dog").'
        _refuse("at least two classes, each with a name of its own", repr(class_names), advice)
    if odd := [name for name in names if not can_be_shown(name)]:
        advice = "Give a name that can be read; `name.strip()` takes a line break off its end."
        _refuse("class names that can be shown in a line", repr(odd[0]), advice)
    return tuple(map(str, names))
