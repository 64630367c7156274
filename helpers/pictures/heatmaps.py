"""Images with heat maps over them. Introduced in lesson 5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import UsageError
from helpers.pictures.images import (
    HEAT,
    MOST_HEATMAPS,
    as_titles,
    checked_images,
    draw_image,
    image_grid,
    pixel_range,
)
from helpers.pictures.picture import Picture, finished
from helpers.pictures.words import as_line, as_numbers, count_shown, in_digits, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_heatmaps(images: np.ndarray, heatmaps: np.ndarray, titles: Sequence[str] = ()) -> Picture:
    """Show images, and below each the same image with its heat map over it.

    Dark blue is 0, yellow is 1. Where the map is high, less of the image shines through.

    Args:
        images: (images, height, width, channels), pixels as in `plot_images`. Of more than
            80 the first are shown, eight side by side.
        heatmaps: float (images, rows, columns), 0 to 1, from `grad_cam`; stretched smoothly
            over the image.
        titles: one text an image; may be empty.

    Raises:
        UsageError: not images, or not one heat map and one title an image.

    Introduced in lesson 5.
    """
    images, heatmaps = checked_images(images), _checked_heat(heatmaps, len(images))
    titles, count = as_titles(titles, len(images)), len(images)
    low, high = pixel_range(images)
    images, heatmaps = images[:MOST_HEATMAPS], heatmaps[:MOST_HEATMAPS]
    columns = min(len(images), 8)
    starts = range(0, len(images), columns)
    below = [""] * columns
    above = [text for at in starts for text in (*titles[at : at + columns], *below)]
    grid = 2 * columns * len(starts)
    shown = count_shown(len(images), count, "image")
    shown = shown[0].upper() + shown[1:]
    axes = image_grid(
        grid, columns, 1.55, titles=above if titles else (), right=0.65,
        title=shown if len(images) < count else "",
    )  # fmt: skip
    for number, (image, heat) in enumerate(zip(images, heatmaps, strict=True)):
        at = number + columns * (number // columns)
        draw_image(axes[at], image, low, high)
        _draw_heat(axes[at + columns], image, heat, (low, high))
    _draw_scale(axes[2 * columns - 1])
    names = titles or [f"image {number}" for number in range(1, count + 1)]
    places = "; ".join(
        f"{as_line(name)}: {_brightest_place(heat)}"
        for name, heat in zip(names, heatmaps, strict=False)
    )
    spoken = (
        f"{shown}, and below each the same image with a heat map over it, "
        "from dark blue for 0 to yellow for 1"
    )
    return finished(
        axes, "where the network looks",
        sentences(spoken, f"The brightest place of each: {places}"),
    )  # fmt: skip


def _checked_heat(heatmaps: np.ndarray, count: int) -> np.ndarray:
    heatmaps = as_numbers(heatmaps, "heat maps")
    if heatmaps.ndim != 3 or len(heatmaps) != count or 0 in heatmaps.shape:
        raise UsageError(
            f"Expected heat maps of shape ({count}, rows, columns), one an image. "
            f"Received: {heatmaps.shape}. One alone becomes a batch with heatmap[np.newaxis]."
        )
    heatmaps = np.nan_to_num(heatmaps)
    low, high = heatmaps.min(), heatmaps.max()
    if low < -0.001 or high > 1.001:
        raise UsageError(
            f"Expected heat maps from 0 to 1. Received: {in_digits(low)} to {in_digits(high)}. "
            "Bring them there: heatmaps.clip(0) / heatmaps.max()."
        )
    return heatmaps


def _draw_heat(
    ax: Axes, image: np.ndarray, heat: np.ndarray, pixel_range: tuple[float, float]
) -> None:
    draw_image(ax, image, *pixel_range)
    height, width = image.shape[:2]
    ax.imshow(
        # Nearly clear where the map is low, nearly solid where it is high: so the highest place
        # is yellow on a dark image as well as on a bright one.
        heat, cmap=HEAT, vmin=0, vmax=1, alpha=0.3 + 0.6 * heat,
        interpolation="bilinear", extent=(-0.5, width - 0.5, height - 0.5, -0.5),
    )  # fmt: skip


def _draw_scale(last: Axes) -> None:
    """The colours of heat maps with their numbers, beside the last of them."""
    from matplotlib.cm import ScalarMappable

    beside = last.inset_axes((1.12, 0, 0.1, 1))
    last.figure.colorbar(ScalarMappable(cmap=HEAT), cax=beside, ticks=(0, 1))


def _brightest_place(heat: np.ndarray) -> str:
    if heat.max() == heat.min():
        return "nothing stands out"
    row, column = np.unravel_index(np.argmax(heat), heat.shape)
    vertical = ("top", "middle", "bottom")[3 * int(row) // heat.shape[0]]
    horizontal = ("left", "centre", "right")[3 * int(column) // heat.shape[1]]
    return f"{vertical} {horizontal}"
