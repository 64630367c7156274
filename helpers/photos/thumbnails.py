"""Pictures in the size that is asked for, and of a few dots. Introduced in lesson 2."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

# Two images are nearly the same where their thumbnails are: see `helpers.folders.compare`.
THUMBNAIL = (8, 8)
THUMBNAIL_BYTES = 3 * math.prod(THUMBNAIL)
LARGE = 256  # pixels a side
STRIP_PIXELS = 1 << 17  # of a picture that are worked on at once
COLUMNS = 512  # that are copied at once
NOT_LARGE = 32_000  # numbers of a picture: with more, NumPy starts threads
PIECE = 1_024  # thumbnails that are compared at once
# How a picture of another shape gets the shape that is asked for: all of it, pressed together;
# its middle; all of it, with black on both sides.
FITS = ("squeeze", "crop", "pad")
Box = tuple[float, float, float, float]  # of a picture: left, top, right, bottom


class ImageSize(NamedTuple):
    """What all images of a dataset have in common."""

    height: int
    width: int
    channels: int = 3  # 1 of grey ones
    fit: str = "squeeze"

    @property
    def shape(self) -> tuple[int, int, int]:
        return self[:3]


def strips_of(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of a picture, some at a time, one after the other in the memory.

    A photo of a telephone is 36 MB, a turned one lies across the memory, and Pillow's own form of
    it takes 48: a strip is copied and used while the processor still has it at hand. The three
    numbers of a pixel have to lie side by side.
    """
    times = _times(pixels)
    rows = times * max(STRIP_PIXELS // (pixels.shape[1] * times), 1)
    for start in range(0, len(pixels), rows):
        strip = pixels[start : start + rows]
        yield strip if strip.flags.c_contiguous else _copied(strip)


def strips_of_pillow(pixels: np.ndarray) -> Iterator[Image.Image]:
    """The same as images of Pillow."""
    return map(Image.fromarray, strips_of(pixels))


def _copied(turned: np.ndarray) -> np.ndarray:
    """The same pixels, their rows one after the other in the memory.

    A pixel is copied as one thing, not as three numbers, and some columns at a time: what lies in
    a column was in a row before.
    """
    copy = np.empty(turned.shape, np.uint8)
    for start in range(0, turned.shape[1], COLUMNS):
        columns = np.s_[:, start : start + COLUMNS]
        copy.view("V3")[columns] = turned.view("V3")[columns]
    return copy


def _times(pixels: np.ndarray) -> int:
    """How many pixels in a row `reduced` makes one of."""
    return math.ceil(max(pixels.shape) / LARGE)


def reduced(pixels: np.ndarray, strips: Iterable[Image.Image] | None = None) -> np.ndarray:
    """At most LARGE pixels a side, each the mean of what it covers.

    The strips of Pillow may be given as well, where they are there already.
    """
    strips = strips_of_pillow(pixels) if strips is None else strips
    return np.concatenate([strip.reduce(_times(pixels)) for strip in strips])


def resized(
    pixels: np.ndarray, image_size: ImageSize, strips: Iterable[Image.Image] | None = None
) -> np.ndarray:
    """The picture as all images of a dataset are. One of this size keeps its exact pixels.

    The strips of Pillow may be given as well, where they are there already.
    """
    if pixels.shape == image_size.shape:
        return np.ascontiguousarray(pixels)
    height, width, channels, fit = image_size
    is_small = math.prod(pixels.shape[:2]) <= STRIP_PIXELS
    if not is_small and pixels.shape[1] < width and height < len(pixels):
        # Rows first, what lies between would be larger than both.
        on_its_side = ImageSize(width, height, channels, fit)
        made = resized(pixels.transpose(1, 0, 2), on_its_side)
        return np.ascontiguousarray(made.transpose(1, 0, 2))
    strips = strips_of_pillow(pixels) if strips is None else strips
    if channels == 1:
        strips = (strip.convert("L") for strip in strips)
    inner, box = _fitting(*pixels.shape[:2], image_size)
    made = _at_once(strips, inner, box) if is_small else _rows_first(strips, inner, box)
    if inner != (width, height):
        padded = Image.new(made.mode, (width, height))  # black
        padded.paste(made, (round((width - inner[0]) / 2), round((height - inner[1]) / 2)))
        made = padded
    return np.asarray(made).reshape(image_size.shape)


def _fitting(rows: int, columns: int, image_size: ImageSize) -> tuple[tuple[int, int], Box]:
    """Width and height of what a picture becomes, and the box of it that does: as Pillow's own."""
    height, width, _, fit = image_size
    if fit == "crop":
        x = (columns - min(rows * width / height, columns)) / 2
        y = (rows - min(columns * height / width, rows)) / 2
        return (width, height), (x, y, columns - x, rows - y)
    if fit == "pad":
        width, height = (
            min(max(round(columns / rows * height), 1), width),
            min(max(round(rows / columns * width), 1), height),
        )
    return (width, height), (0, 0, columns, rows)


def _at_once(strips: Iterable[Image.Image], size: tuple[int, int], box: Box) -> Image.Image:
    """What is in a box of a small picture, in this size: as Pillow does it."""
    return _one_above_the_other(strips).resize(size, Image.Resampling.BILINEAR, box)


def _rows_first(strips: Iterable[Image.Image], size: tuple[int, int], box: Box) -> Image.Image:
    """The same of a large one, in strips: first every row, then every column.

    So does Pillow, but from version 13 on it takes the columns of some pictures first, and then
    rounds to other levels.
    """
    width, _ = size
    left, top, right, bottom = box
    narrow = _one_above_the_other(
        strip.resize(
            (width, strip.height), Image.Resampling.BILINEAR, (left, 0, right, strip.height)
        )
        for strip in strips
    )
    return narrow.resize(size, Image.Resampling.BILINEAR, (0, top, width, bottom))


def _one_above_the_other(parts: Iterable[Image.Image]) -> Image.Image:
    first, *others = parts
    if not others:
        return first
    joined = Image.new(
        first.mode, (first.width, first.height + sum(part.height for part in others))
    )
    top = 0
    for part in (first, *others):
        joined.paste(part, (0, top))
        top += part.height
    return joined


def make_thumbnails(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The pictures in a few dots each, to find nearly the same ones by.

    Each dot is the mean of what it covers, with the share that it has of a pixel on its border.
    So a picture and a resized copy of it have nearly the same dots.
    """
    height, width = THUMBNAIL
    pictures = [_not_large(picture) for picture in pictures]
    thumbnails = np.empty((len(pictures), *THUMBNAIL, 3), np.uint8)
    for (rows, columns, _), indices in of_same_shape(pictures):
        some = np.stack([pictures[index] for index in indices]).reshape(len(indices), rows, -1)
        lower = _means(rows, height) @ some.astype(np.float32)
        dots = lower @ _means_of_colours(columns, width).T
        thumbnails[indices] = np.rint(dots).reshape(-1, *THUMBNAIL, 3)
    return thumbnails


def _not_large(picture: np.ndarray) -> np.ndarray:
    """The picture, made small where NumPy would start threads for it."""
    times = math.ceil(math.sqrt(picture.size / NOT_LARGE))
    return np.asarray(Image.fromarray(picture).reduce(times)) if times > 1 else picture


def of_same_shape(pictures: Sequence[np.ndarray]) -> Iterator[tuple[tuple[int, ...], list[int]]]:
    """Each shape, and the indices of the pictures that have it: these are worked on at once."""
    indices: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        indices.setdefault(picture.shape, []).append(index)
    yield from indices.items()


@lru_cache(maxsize=256)
def _means(pixels: int, dots: int) -> np.ndarray:
    """The share that each dot of a row takes of each pixel: float32, (dots, pixels)."""
    edges = np.linspace(0, pixels, dots + 1)[:, np.newaxis]
    pixel = np.arange(pixels)
    covered = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
    return (covered.clip(0) * dots / pixels).astype(np.float32)


def _means_of_colours(pixels: int, dots: int) -> np.ndarray:
    """The same where a pixel is three numbers side by side: float32, (3 dots, 3 pixels)."""
    return np.kron(_means(pixels, dots), np.eye(3, dtype=np.float32))


def contrast_of(points: np.ndarray) -> np.ndarray:
    """How much the colours of each thumbnail vary, in grey levels."""
    colours = points.reshape(len(points), math.prod(THUMBNAIL), 3)
    # Each colour by itself in the memory: so NumPy takes a sixth of the time.
    colours = colours.transpose(0, 2, 1).astype(np.float32, order="C")
    return colours.std(axis=-1).mean(axis=1)


def distance_between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The root mean square difference of thumbnails, in grey levels."""
    return np.sqrt(np.square(np.subtract(one, other, dtype=np.float32)).mean(axis=-1))


def pieces_of(array: Sequence, size: int = PIECE) -> Iterator[Sequence]:
    """So many rows at a time: as floats, all would be large."""
    for start in range(0, max(len(array), 1), size):
        yield array[start : start + size]
