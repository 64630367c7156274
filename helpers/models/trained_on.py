"""What a model was trained on, so that a new picture can be given to it as the old ones were.

`train` notes it for the model, `save_model` writes it into the file of the model, `load_model`
reads it there, and `predict` goes by it. Introduced in lesson 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from helpers.basics.arguments import is_whole
from helpers.basics.errors import UsageError, kind_of
from helpers.datasets.dataset import ImageDataset
from helpers.photos.thumbnails import FITS
from helpers.pictures.images import pixel_range

if TYPE_CHECKING:
    import keras

GREY_LEVELS = (0.0, 255.0)
LARGEST_IMAGE = 400_000_000  # numbers: what a file says is not believed
LARGEST_PIXEL = 1e9


@dataclass(frozen=True)
class TrainedOn:
    """What the training images of a model had in common.

    Attributes:
        class_names: the classes, in the order of the model's numbers.
        image_shape: (height, width, channels) of every image.
        fit: how images of another shape got that size: "squeeze", "crop" or "pad".
        pixels: the numbers for black and for white; None where they are no plain pixels.

    Introduced in lesson 5.
    """

    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    fit: str = "squeeze"
    pixels: tuple[float, float] | None = GREY_LEVELS

    @classmethod
    def of(cls, dataset: ImageDataset) -> TrainedOn:
        """Of a dataset; raises UsageError where it is none."""
        if not isinstance(dataset, ImageDataset):
            raise UsageError(
                "Expected the dataset that the model was trained on, from load_dataset. Received: "
                f"{kind_of(dataset)}."
            )
        shape = tuple(map(int, dataset.image_shape))
        return cls(tuple(dataset.class_names), shape, dataset.fit, _range(dataset.train.images))

    def as_plain(self) -> dict[str, object]:
        """In lists, texts and numbers, as JSON has them."""
        return {
            "class_names": list(self.class_names),
            "image_shape": list(self.image_shape),
            "fit": self.fit,
            "pixels": None if self.pixels is None else list(self.pixels),
        }

    @classmethod
    def from_plain(cls, found: object) -> TrainedOn:
        """What `as_plain` gave; raises ValueError for anything else."""
        names, shape, fit, pixels = (
            found.get(key) if isinstance(found, dict) else None
            for key in ("class_names", "image_shape", "fit", "pixels")
        )
        fine = (
            isinstance(names, list)
            and all(isinstance(name, str) for name in names)
            and isinstance(shape, list)
            and len(shape) == 3
            and all(is_whole(side) and side > 0 for side in shape)
            and math.prod(shape) <= LARGEST_IMAGE
            and fit in FITS
            and (pixels is None or _is_range(pixels))
        )
        if not fine:
            raise ValueError(f"{str(found)[:200]} does not say what a model was trained on")
        return cls(tuple(names), tuple(shape), fit, None if pixels is None else tuple(pixels))


def _range(images: np.ndarray) -> tuple[float, float] | None:
    if not len(images) or images.dtype == np.uint8:
        return GREY_LEVELS
    try:
        return tuple(map(float, pixel_range(images)))
    except UsageError:
        return None


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


def note_trained_on(model: keras.Model, what: TrainedOn) -> None:
    """Remember it as long as the model is there. Introduced in lesson 5."""
    _KNOWN[model] = what


def trained_on(model: keras.Model) -> TrainedOn | None:
    """What is known of the training of this very model. Introduced in lesson 5."""
    return _KNOWN.get(model)
