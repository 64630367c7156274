"""Pictures in the size that is asked for, and of a few dots. Introduced in lesson 2."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

# Two images are nearly the same where their thumbnails are: see `helpers.folders.compare`.
THUMBNAIL = (8, 8)
THUMBNAIL_BYTES = 3 * math.prod(THUMBNAIL)
LARGE = 256  # pixels a side
NOT_LARGE = 32_000  # numbers of a picture: with more, NumPy starts threads
PIECE = 1_024  # thumbnails that are compared at once
# How a picture of another shape gets the shape that is asked for: all of it, pressed together;
# its middle; all of it, with black on both sides.
FITS = ("squeeze", "crop", "pad")


class ImageSize(NamedTuple):
    """What all images of a dataset have in common."""

    height: int
    width: int
    channels: int = 3  # 1 of grey ones
    fit: str = "squeeze"

    @property
    def shape(self) -> tuple[int, int, int]:
        return self[:3]


def reduced(image: Image.Image) -> np.ndarray:
    """At most LARGE pixels a side, each the mean of what it covers."""
    return np.asarray(image.reduce(math.ceil(max(image.size) / LARGE)))


def resized(
    pixels: np.ndarray, image_size: ImageSize, image: Image.Image | None = None
) -> np.ndarray:
    """The picture as all images of a dataset are. One of this size keeps its exact pixels.

    It may be given as an image of Pillow as well, where there is one already.
    """
    if pixels.shape == image_size.shape:
        return pixels
    image = image or Image.fromarray(pixels)
    if image_size.channels == 1:
        image = image.convert("L")
    if pixels.shape[:2] != image_size[:2]:
        image = _fitted(image, image_size.width, image_size.height, image_size.fit)
    return np.asarray(image).reshape(image_size.shape)


def _fitted(image: Image.Image, width: int, height: int, fit: str) -> Image.Image:
    if fit == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    if fit == "squeeze":
        return image.resize((width, height), Image.Resampling.BILINEAR)
    if image.width * height > image.height * width:
        inner = width, max(round(image.height / image.width * width), 1)
    else:
        inner = max(round(image.width / image.height * height), 1), height
    padded = Image.new(image.mode, (width, height))  # black
    small = image.resize(inner, Image.Resampling.BILINEAR)
    padded.paste(small, (round((width - small.width) / 2), round((height - small.height) / 2)))
    return padded


def make_thumbnails(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The pictures in a few dots each, to find nearly the same ones by.

    Each dot is the mean of what it covers, with the share that it has of a pixel on its border.
    So a picture and a resized copy of it have nearly the same dots.
    """
    height, width = THUMBNAIL
    thumbnails = np.empty((len(pictures), *THUMBNAIL, 3), np.uint8)
    for thumbnail, picture in zip(thumbnails, pictures, strict=True):
        times = math.ceil(math.sqrt(picture.size / NOT_LARGE))
        if times > 1:
            picture = np.asarray(Image.fromarray(picture).reduce(times))
        rows, columns, _ = picture.shape
        lower = _means(rows, height) @ picture.reshape(rows, -1).astype(np.float32)
        thumbnail[:] = np.rint(_means(columns, width) @ lower.reshape(height, columns, 3))
    return thumbnails


@lru_cache(maxsize=256)
def _means(pixels: int, dots: int) -> np.ndarray:
    """The share that each dot of a row takes of each pixel: float32, (dots, pixels)."""
    edges = np.linspace(0, pixels, dots + 1)[:, np.newaxis]
    pixel = np.arange(pixels)
    covered = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
    return (covered.clip(0) * dots / pixels).astype(np.float32)


def contrast_of(points: np.ndarray) -> np.ndarray:
    """How much the colours of each thumbnail vary, in grey levels."""
    colours = points.reshape(len(points), math.prod(THUMBNAIL), 3)
    return colours.std(axis=1, dtype=np.float32).mean(axis=1)


def distance_between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The root mean square difference of thumbnails, in grey levels."""
    return np.sqrt(np.square(np.subtract(one, other, dtype=np.float32)).mean(axis=-1))


def pieces_of(array: Sequence, size: int = PIECE) -> Iterator[Sequence]:
    """So many rows at a time: as floats, all would be large."""
    for start in range(0, max(len(array), 1), size):
        yield array[start : start + size]
