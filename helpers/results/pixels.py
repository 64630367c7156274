"""Arrays of pixels: what their numbers mean, and how they lie. Introduced in lesson 5."""

from __future__ import annotations

import math
from typing import NoReturn

import numpy as np

from helpers.basics.errors import UsageError
from helpers.models.trained_on import GREY_LEVELS, NEAR_THE_END, TrainedOn

SAY = (
    "Say which numbers are black and white: predict(model, images, pixels=(0, 1)), or "
    "pixels=(0, 255)."
)
EXPECTED = (
    "Expected the path of a photo or of a folder of photos, an image of Pillow, an array of "
    "pixels, or a list of these."
)


def refuse(received: str, advice: str) -> NoReturn:
    """Say what can be given to `predict`, what was given, and what to do. Lesson 5."""
    raise UsageError(f"{EXPECTED} Received: {received}. {advice}")


def with_batch(array: np.ndarray, image_shape: tuple[int, int, int]) -> np.ndarray:
    """(images, height, width, channels) of what can be meant in one way only."""
    if array.dtype.kind not in "biuf":
        refuse(f"an array of type {array.dtype}", "Give numbers, best uint8 from 0 to 255.")
    channels = {1, 3, image_shape[-1]}
    if array.ndim == 2 and array.shape[1] == math.prod(image_shape):
        refuse(
            f"an array of shape {array.shape}, which may be one picture or many as rows of numbers",
            f"images.reshape(-1, {', '.join(map(str, image_shape))}) makes images of rows, "
            "image[..., np.newaxis] says that it is one picture.",
        )
    if array.ndim == 2:
        array = array[np.newaxis, :, :, np.newaxis]
    elif array.ndim == 3 and array.shape[-1] in channels:
        array = array[np.newaxis]
    elif array.ndim == 3 and image_shape[-1] == 1 and array.shape[1:] == image_shape[:2]:
        array = array[..., np.newaxis]
    right = array.ndim == 4 and array.shape[-1] in channels
    if right and (image_shape[-1] in (1, 3) or array.shape[1:] == image_shape):
        return array
    advice = f"Give (images, height, width, {image_shape[-1]}), or one image without the first."
    if array.ndim in (3, 4) and array.shape[-3] in (1, 3):
        advice = "np.moveaxis(images, -3, -1) puts the channels last."
    elif array.ndim in (3, 4) and array.shape[-1] == 4:
        advice = "images[..., :3] leaves out how opaque each pixel is."
    refuse(f"an array of shape {array.shape}", advice)


def range_of(
    images: np.ndarray, like: TrainedOn, pixels: tuple[float, float] | None
) -> tuple[float, float] | None:
    """The numbers for black and white; None where those of the training were no plain pixels.

    Raises:
        UsageError: they can be meant in two ways, or lie beyond the two.

    Introduced in lesson 5.
    """
    own = pixels is None and like.has_dtype(images)
    return _own_range(images, like) if own else _said_range(images, pixels)


def levels_of(image: np.ndarray, black: float, white: float) -> np.ndarray:
    """uint8 (height, width, 3), from 0 to 255."""
    levels = np.rint((image.astype(np.float64) - black) / (white - black) * 255)
    levels = levels.clip(0, 255).astype(np.uint8, order="C")  # whatever lay where before
    return np.repeat(levels, 3, axis=-1) if levels.shape[-1] == 1 else levels


def _own_range(images: np.ndarray, like: TrainedOn) -> tuple[float, float] | None:
    """Black and white of numbers of the kind that the model was trained on."""
    low, high = images.min(), images.max()
    if not np.isfinite([low, high]).all():
        refuse(_in_numbers(images), "Look for a division by zero where they were made.")
    if like.pixels is None:
        return None
    black, white = like.pixels
    room = NEAR_THE_END * (white - black)  # resizing can lead a little beyond the ends
    if low < black - room or high > white + room:
        refuse(_in_numbers(images), f"The model learned from pixels from {black:g} to {white:g}.")
    if white > 1 and 0 < high <= 1:
        refuse(_in_numbers(images), SAY)
    return like.pixels


def _said_range(images: np.ndarray, pixels: tuple[float, float] | None) -> tuple[float, float]:
    """Black and white of other numbers, as they are said or as they have to be."""
    low, high, said = images.min(), images.max(), pixels
    if said is None and images.dtype.kind == "b":
        said = (0.0, 1.0)
    elif said is None:
        if images.dtype.kind == "f" or images.dtype == np.uint16 or high == 1:
            refuse(_in_numbers(images), SAY)
        said = GREY_LEVELS
    if not (low >= said[0] and high <= said[1]):  # nan is neither
        refuse(
            _in_numbers(images),
            f"Pixels have to lie from {said[0]:g} to {said[1]:g}. Scale them, or say what is black "
            "and white: predict(model, images, pixels=(black, white)).",
        )
    return said


def _in_numbers(images: np.ndarray) -> str:
    return f"{images.dtype} from {images.min():g} to {images.max():g}"
