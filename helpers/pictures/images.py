"""Images and feature maps in a grid. Introduced in lessons 2 and 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.arguments import check_whole
from helpers.basics.errors import UsageError
from helpers.pictures.letters import SMALL, heading, wrapped_title
from helpers.pictures.picture import FRAME, TALLEST, Picture, finished, new_axes
from helpers.pictures.words import (
    as_line,
    as_lines,
    as_numbers,
    brief,
    count_shown,
    in_digits,
    sentences,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEAT = "plasma"
MOST_IMAGES = 256
MOST_HEATMAPS = 80


def draw_image(ax: Axes, image: np.ndarray, low: float, high: float) -> None:
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim == 3 and image.dtype != np.uint8:
        image = np.clip((image.astype(float) - low) / (high - low), 0, 1)
    # Few pixels are drawn as squares; many are made fewer without leaving any aside.
    way = "none" if max(image.shape[:2]) <= 64 else "antialiased"
    ax.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation=way)
    # A thin frame, so that a bright image does not melt into the page.
    ax.set_axis_on()
    ax.spines[:].set(visible=True, color=FRAME, linewidth=0.6)


def checked_images(images: np.ndarray) -> np.ndarray:
    try:
        checked = np.asarray(images)
    except (TypeError, ValueError, RuntimeError):  # of several sizes, or on another device
        checked = np.empty(())
    if checked.ndim != 4 or checked.shape[-1] not in (1, 3) or 0 in checked.shape:
        raise UsageError(
            "Expected images of shape (images, height, width, 1 or 3), at least one. "
            f"Received: {checked.shape if checked.ndim else brief(images)}. One image becomes a "
            "batch with image[numpy.newaxis], images[..., numpy.newaxis] gives grey ones a channel."
        )
    return checked if checked.dtype.kind in "biuf" else as_numbers(checked, "pixels")


def pixel_range(images: np.ndarray) -> tuple[float, float]:
    """The values that are black and white, by the type and the range of all the images."""
    if images.dtype == np.uint8:
        return 0, 255
    low, high = float(images.min()), float(images.max())
    known = [(0, 1), (-1, 1), (0, 255), (0, 65_535)]
    beyond = 0.0
    if images.dtype.kind == "f":
        beyond = 0.1 * (high - low)  # resizing can lead a little beyond the ends
        known = known[: 3 if high > 10 else 2]  # below, 255 as white would be night
    for black, white in known if np.isfinite([low, high]).all() else ():
        if black - beyond <= low and high <= white + beyond:
            return black, white
    raise UsageError(
        "Expected finite pixels from 0 to 255, from 0 to 1 or from -1 to 1. Received: "
        f"{images.dtype} from {in_digits(low)} to {in_digits(high)}. Bring them to 0 to 1: after "
        "images = images.astype(float), (images - images.min()) / (images.max() - images.min())."
    )


def as_titles(titles: Sequence[str] | None, count: int) -> list[str]:
    try:
        known = [] if titles is None else [*titles]
    except TypeError:
        known = None
    if known is None or isinstance(titles, str) or len(known) not in (0, count):
        raise UsageError(
            f"Expected one title an image ({count}), or none. Received: {brief(titles)}."
        )
    return [as_lines(title) for title in known]


def image_grid(
    count: int,
    columns: int,
    side: float,
    *,
    titles: Sequence[str] = (),
    title: str = "",
    right: float = 0.05,
) -> list[Axes]:
    """Axes for images of this many inches, row by row, each with its title above it.

    Every place is known here, so nothing has to be tried out while it is drawn, which takes
    as long as the drawing where the images are many.
    """
    rows = -(-count // columns)
    across = max((side + 0.06) * columns, 2.2)
    above = [wrapped_title(text, side, SMALL) for text in titles]
    top = heading(title, across)
    room = max((0.12 + 0.17 * len(text.split("\n")) for text in above), default=0.06)
    over = 0.05 + 0.21 * len(top.split("\n")) * bool(top)
    width, height = across + 0.05 + right, over + (room + side) * rows + 0.05
    size = (width, height)
    axes = new_axes(rows, columns, size=size, layout="none", xticks=(), yticks=())
    axes[0].figure.subplots_adjust(
        0.05 / width, 0.05 / height, 1 - right / width, 1 - (over + room) / height,
        wspace=0.06 / side, hspace=room / side,
    )  # fmt: skip
    for ax in axes:
        ax.set_axis_off()
    for ax, text in zip(axes, above, strict=False):
        ax.set_title(text, fontsize=SMALL, pad=4)
    if top:
        axes[0].figure.suptitle(top, y=1 - 0.06 / height, va="top")
    return axes


def plot_images(
    images: np.ndarray,
    titles: Sequence[str] = (),
    *,
    columns: int = 8,
    title: str = "",
) -> Picture:
    """Show images in a grid, each with its title above it.

    What is black and what is white is decided once, for the whole batch. uint8 is 0 to 255.
    Other whole numbers are 0 to 255 where they reach beyond 1, 0 to 65,535 where they reach
    beyond 255. Floats are 0 to 1, -1 to 1 or 0 to 255, whichever they fill. bool is 0 or 1.

    Args:
        images: (images, height, width, channels). Of more than 256 the first are shown.
        titles: one text an image, for example its class; may be empty.
        columns: how many images stand side by side, 1 to 40.
        title: a heading for the whole grid.

    Raises:
        UsageError: not a batch of images, pixels of another range, or not one title an image.

    Introduced in lesson 2.
    """
    images = checked_images(images)
    titles, title, count = as_titles(titles, len(images)), as_lines(title), len(images)
    columns = min(check_whole("columns", columns, most=40), count)
    images = images[: min(MOST_IMAGES, 40 * columns)]
    low, high = pixel_range(images)
    shown = count_shown(len(images), count, "image")
    side = 1.2 if columns > 5 else 1.7 if columns > 2 else 2.2  # inches: a few may be larger
    above = "\n".join(filter(None, [title, shown * (len(images) < count)]))
    titles, side = titles[: len(images)], min(side, TALLEST / columns)
    axes = image_grid(len(images), columns, side, titles=titles, title=above)
    for ax, image in zip(axes, images, strict=False):
        draw_image(ax, image, low, high)
    named = ", ".join(as_line(text) or "no title" for text in titles)
    spoken = ": ".join(filter(None, [as_line(title), f"{shown}, {columns} in a row", named]))
    return finished(axes, title or shown, f"{spoken[0].upper()}{spoken[1:]}.")


def plot_feature_maps(
    maps: np.ndarray, *, columns: int = 8, title: str = "", filters: bool = False
) -> Picture:
    """Show the channels of one layer's output, or its filters, as grey images.

    Each is scaled by itself: a map from its lowest answer, black, to its highest, white; a
    filter with grey for 0, white for its largest weight and black for the same below 0.

    Args:
        maps: float (height, width, channels), from `feature_maps`. Of more than 256 channels
            the first are shown.
        columns: how many maps stand side by side, 1 to 40.
        title: a heading.
        filters: whether they are a layer's weights, (height, width, filters).

    Raises:
        UsageError: not maps with a height and a width.

    Introduced in lesson 3.
    """
    maps, title = as_numbers(maps, "feature maps"), as_lines(title)
    if maps.ndim != 3 or 0 in maps.shape:
        raise UsageError(
            "Expected maps of shape (height, width, channels). Received: "
            f"{maps.shape}. A dense layer's numbers have no places: draw them with plot_bars."
        )
    height, width, count = maps.shape
    columns = min(check_whole("columns", columns, most=40), count)
    channels = np.moveaxis(maps, -1, 0)[: min(MOST_IMAGES, 40 * columns)]
    kind, places = ("filter", "weights") if filters else ("feature map", "places")
    shown = count_shown(len(channels), count, kind)
    lines = [title, shown * (not title or len(channels) < count)]
    side, above = min(1.1, 9.5 / columns), "\n".join(filter(None, lines))
    axes = image_grid(len(channels), columns, side, title=above)
    for ax, channel in zip(axes, channels, strict=False):
        draw_image(ax, channel, *_map_range(channel, filters))
    silent = sum(not channel.any() for channel in channels)
    seen = f"bright where the filter answers; dark everywhere: {silent}"
    if not np.isfinite(channels).all():
        seen += "; some hold values that are not finite, drawn white"
    if filters:
        seen = "white where a weight is largest, grey where it is 0, black where it is far below"
    return finished(
        axes, title or shown, sentences(title, f"{shown} of {height} by {width} {places}, {seen}")
    )


def _map_range(channel: np.ndarray, filters: bool) -> tuple[float, float]:
    """The values that are black and white in one map, or in one filter, where grey is 0."""
    finite = channel[np.isfinite(channel)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0, 0)
    if low == high:
        low, high = min(low, 0), max(high, 1e-9)
    return (-max(-low, high), max(-low, high)) if filters else (low, high)
