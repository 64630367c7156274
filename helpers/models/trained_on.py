"""What a model was trained on, so that a new picture can be given to it as the old ones were.

`train` notes it for the model, `save_model` writes it into the file of the model, `load_model`
reads it there, and `predict` goes by it. Introduced in lesson 5.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from helpers.basics.arguments import is_whole
from helpers.basics.errors import MismatchError, UsageError, kind_of
from helpers.datasets.dataset import ImageDataset, Split, check_split
from helpers.photos.thumbnails import FITS
from helpers.pictures.images import pixel_range

if TYPE_CHECKING:
    import keras

GREY_LEVELS = (0.0, 255.0)
LARGEST_IMAGE = 400_000_000  # numbers: what a file says is not believed
LARGEST_PIXEL = 1e9
NEAR_THE_END = 0.1  # of the way from black to white
MANY = 20  # images
FORGET = (
    "model.save(path) and load_model(path), and it knows nothing of the training before; "
    "save_model(model, path, dataset) then says what it was trained on."
)
DTYPES = {"bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "int64", "uint64",
          "float16", "float32", "float64"}  # fmt: skip
ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # half letters, commands to a terminal


@dataclass(frozen=True)
class TrainedOn:
    """What the training images of a model had in common.

    Attributes:
        class_names: the classes, in the order of the model's numbers.
        image_shape: (height, width, channels) of every image.
        fit: how images of another shape got that size: "squeeze", "crop" or "pad".
        pixels: the numbers for black and for white; None where they are no plain pixels.
        dtype: of the images, by NumPy's name.

    Introduced in lesson 5.
    """

    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    fit: str = "squeeze"
    pixels: tuple[float, float] | None = GREY_LEVELS
    dtype: str = "uint8"

    @classmethod
    def of(cls, dataset: ImageDataset) -> TrainedOn:
        """Of a dataset; raises an error in words where it is none, or not as it should be."""
        if not isinstance(dataset, ImageDataset):
            raise UsageError(
                "Expected the dataset that the model was trained on, from load_dataset. Received: "
                f"{kind_of(dataset)}."
            )
        check_split(dataset.train)
        images, names = dataset.train.images, tuple(map(str, dataset.class_names))
        shape = tuple(map(int, images.shape[1:]))
        found = cls(names, shape, dataset.fit, _range(images), images.dtype.name)
        try:
            return cls.from_plain(found.as_plain())
        except ValueError:
            raise UsageError(
                "Expected class names as text, images (height, width, channels), and a fit of "
                f'"squeeze", "crop" or "pad". Received: {names!r:.200}, {shape}, '
                f"{dataset.fit!r}. Make the dataset with load_dataset or make_dataset."
            ) from None

    def as_plain(self) -> dict[str, object]:
        """In lists, texts and numbers, as JSON has them."""
        return {
            "class_names": list(self.class_names),
            "image_shape": list(self.image_shape),
            "fit": self.fit,
            "pixels": None if self.pixels is None else list(self.pixels),
            "dtype": self.dtype,
        }

    @classmethod
    def from_plain(cls, found: object) -> TrainedOn:
        """What `as_plain` gave; raises ValueError for anything else."""
        names, shape, fit, pixels, dtype = (
            found.get(key) if isinstance(found, dict) else None
            for key in ("class_names", "image_shape", "fit", "pixels", "dtype")
        )
        fine = (
            isinstance(names, list)
            and all(isinstance(name, str) and not ODD.search(name) for name in names)
            and isinstance(shape, list)
            and len(shape) == 3
            and all(is_whole(side) and side > 0 for side in shape)
            and math.prod(shape) <= LARGEST_IMAGE
            and fit in FITS
            and (pixels is None or _is_range(pixels))
            and dtype in DTYPES
        )
        if not fine:
            raise ValueError(f"{str(found)[:200]} does not say what a model was trained on")
        pixels = None if pixels is None else tuple(pixels)
        return cls(tuple(names), tuple(shape), fit, pixels, dtype)

    def blank(self) -> np.ndarray:
        """One black image, of the shape and the dtype that a photo gets for the model."""
        dtype = np.uint8 if self.pixels in (GREY_LEVELS, None) else np.float32
        return np.zeros((1, *self.image_shape), dtype)

    def has_dtype(self, images: np.ndarray) -> bool:
        """Whether images are numbers of the kind that the model was trained on."""
        trained = np.dtype(self.dtype)
        return images.dtype == trained or images.dtype.kind == trained.kind == "f"

    def check_order(self, class_names: Sequence[str]) -> None:
        """Raise MismatchError where a class of the model has another number there."""
        names = list(map(str, class_names))
        for number, name in enumerate(self.class_names):
            if name in names and names.index(name) != number:
                raise MismatchError(
                    f"Expected the classes in the order of the model's numbers: "
                    f"{', '.join(self.class_names)[:200]}. Received: {', '.join(names)[:200]}. "
                    "Give images whose classes are numbered like that. If Keras' fit has trained "
                    f"it on these since: {FORGET}"
                )

    def check_split(self, split: Split) -> None:
        """Raise MismatchError where its classes or pixels have other numbers than the model's."""
        self.check_order(split.class_names)
        images, grey_levels = split.images, self.pixels == GREY_LEVELS
        if self.pixels is None or not len(split) or (grey_levels and images.dtype == np.uint8):
            return  # uint8 cannot be anything else, and may be more than fits into the memory
        black, white = self.pixels
        low, high = float(images.min()), float(images.max())
        span = white - black  # noise leads beyond the ends, too, but not so far
        beyond = low < black - span or high > white + span
        smaller = white > 1 and images.dtype.kind == "f" and 0 < high <= 1
        # Between -1 and 0 lies half of what there is: of many images some are darker.
        half = black < 0 <= low and len(split) >= MANY
        if beyond or smaller or half:
            raise MismatchError(
                f"Expected {split.name} images with pixels from {black:g} to {white:g}, as the "
                f"model was trained on. Received: pixels from {low:g} to {high:g}. Make them as "
                f"the training images were made. If Keras' fit has trained it on these: {FORGET}"
            )

    def check_outputs(self, shape: tuple[int | None, ...] | None) -> None:
        """Raise MismatchError where a model of this output has not one number a class."""
        classes = len(self.class_names)
        if not is_one_a_class(shape, classes):
            gives = f"an output of shape {shape}" if shape else "several outputs"
            raise MismatchError(
                f"Expected a model with one number for each of {classes} classes, "
                f"{', '.join(self.class_names)[:200]}. Received: {gives}. Give the dataset that it "
                "was trained on."
            )


def is_one_a_class(shape: tuple[int | None, ...] | None, classes: int) -> bool:
    """Whether an output has one number a class; for two classes it may be that of the second."""
    return shape is not None and shape[1:] in [(classes,), *([(1,)] if classes == 2 else [])]


def _range(images: np.ndarray) -> tuple[float, float] | None:
    """Black and white, where the images leave no doubt: they nearly reach both."""
    if not len(images):
        return GREY_LEVELS
    if images.dtype == np.uint8:
        return GREY_LEVELS if images[:100].max() > 1 else None  # or they may be masks
    try:
        black, white = map(float, pixel_range(images))
    except UsageError:
        return None
    room = NEAR_THE_END * (white - black)
    near = images.min() <= black + room and images.max() >= white - room
    return (black, white) if near else None


def _is_range(pixels: object) -> bool:
    """Whether it is a pair of numbers, the one for black and the one for white."""
    return (
        isinstance(pixels, list | tuple)
        and len(pixels) == 2
        and all(type(number) in (int, float) for number in pixels)
        and -LARGEST_PIXEL <= pixels[0] < pixels[1] <= LARGEST_PIXEL
    )


# Beside the models, not in them: Keras keeps track of all that a model has as an attribute.
_KNOWN: WeakKeyDictionary[keras.Model, TrainedOn] = WeakKeyDictionary()


def note_trained_on(model: keras.Model, what: TrainedOn | None) -> None:
    """Remember it as long as the model is there; None: nothing. Introduced in lesson 5."""
    _KNOWN.pop(model, None)
    if what:
        _KNOWN[model] = what


def note_training(model: keras.Model, dataset: ImageDataset) -> None:
    """Remember that a model is trained on a dataset now, if that is one of images with channels."""
    known = None
    with contextlib.suppress(UsageError, MismatchError):
        known = TrainedOn.of(dataset)
    note_trained_on(model, known)


def trained_on(model: keras.Model) -> TrainedOn | None:
    """What is known of the training of this very model. Introduced in lesson 5."""
    try:
        return _KNOWN.get(model)
    except TypeError:  # something else that answers, and of which nothing can be kept
        return None
