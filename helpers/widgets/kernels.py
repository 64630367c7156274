"""A kernel of one's own on an image; the places of a window. Introduced in lesson 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import ipywidgets as widgets
import numpy as np
from matplotlib.patches import Rectangle
from scipy.signal import correlate2d

from helpers.basics.errors import UsageError
from helpers.pictures.images import checked_images, draw_image, image_grid, pixel_range
from helpers.pictures.picture import COLOURS, FRAME, Picture, finished, new_axes
from helpers.pictures.words import brief, in_digits
from helpers.widgets.moving import MovingPicture, named, row_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE = 3  # of a kernel
SQUARES = "#d9d9d9"
MOST_PIXELS = 1_000  # a side: more take longer than a hand that moves a control waits
KERNELS = {
    "vertical edges": ((-1, 0, 1), (-1, 0, 1), (-1, 0, 1)),
    "horizontal edges": ((-1, -1, -1), (0, 0, 0), (1, 1, 1)),
    "mean of nine": ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
    "spots": ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    "one pixel to the left": ((0, 0, 0), (0, 0, 1), (0, 0, 0)),
}


def explore_kernel(image: np.ndarray) -> MovingPicture:
    """Edit the nine numbers of a kernel, and see what it makes of an image.

    Args:
        image: (height, width, 1 or 3), 3 to 1,000 pixels a side, pixels as in `plot_images`. Of
            several channels the mean is taken.

    Raises:
        UsageError: not an image, or one of another size.

    Introduced in lesson 3.
    """
    shape = getattr(image, "shape", ())
    if len(shape) != 3 or min(shape[:2]) < SIDE or max(shape[:2]) > MOST_PIXELS:
        raise UsageError(
            f"Expected one image (height, width, channels) of {SIDE} to {MOST_PIXELS} pixels a "
            f"side. Received: {f'the shape {shape}' if shape else brief(image)}. One of a batch is "
            "images[0], a grey one gets a channel with image[..., None], every fourth pixel of a "
            "large one is image[::4, ::4]."
        )
    images = checked_images(np.asarray(image)[np.newaxis])
    ends, grey = pixel_range(images), images[0].mean(axis=-1)
    controls = {
        f"row_{row}_column_{column}": widgets.BoundedFloatText(
            min=-99, max=99, step=1, layout=widgets.Layout(width="4.5em"),
            # Not for the eye, which sees the place: for a screen reader.
            description=f"row {row}, column {column}", style={"description_width": "0px"},
        )
        for row in range(1, SIDE + 1)
        for column in range(1, SIDE + 1)
    }  # fmt: skip
    buttons = [widgets.Button(description=name) for name in KERNELS]

    def draw(**numbers: float) -> Picture:
        return _plot_results(grey, {"result": np.reshape([*numbers.values()], (SIDE, SIDE))}, ends)

    layout = widgets.Layout(
        grid_template_columns=f"repeat({SIDE}, 5em)", align_content="flex-start"
    )
    grid = widgets.GridBox([*controls.values()], layout=layout)
    moving = MovingPicture(
        "a kernel on an image", draw, controls, _plot_results(grey, KERNELS, ends),
        above=row_of(grid, widgets.VBox(buttons)),
    )  # fmt: skip

    def put_kernel(button: widgets.Button) -> None:
        numbers = np.ravel(KERNELS[button.description]).tolist()
        moving.put(**dict(zip(controls, numbers, strict=True)))

    for button in buttons:
        button.on_click(put_kernel)
    put_kernel(buttons[0])
    return moving


def _plot_results(
    grey: np.ndarray, kernels: Mapping[str, np.ndarray], ends: tuple[float, float]
) -> Picture:
    """The image, and the result of each kernel.

    Where the numbers of a kernel add up to more than 0, a flat area is as bright as in the image.
    Else 0 is mid-grey.
    """
    results = {name: correlate2d(grey, kernel, mode="valid") for name, kernel in kernels.items()}
    titles = ["image", *results]
    side = 2.4 if len(results) == 1 else 1.7
    axes = image_grid(len(titles), len(titles), side, titles=titles)
    draw_image(axes[0], grey, *ends)
    spoken = []
    for ax, (name, result) in zip(axes[1:], results.items(), strict=True):
        weight = float(np.sum(kernels[name]))
        if weight > 0:
            black, white = weight * ends[0], weight * ends[1]
        else:
            white = float(np.abs(result).max())
            white = white if white > 1e-9 * np.abs(grey).max() else 1.0  # sums are not exact
            black = -white
        draw_image(ax, result, black, white)
        rows = "; ".join(" ".join(in_digits(number) for number in row) for row in kernels[name])
        row, column = np.unravel_index(result.argmax(), result.shape)
        spoken.append(
            f"{name}, kernel {rows}: from {in_digits(result.min())} to {in_digits(result.max())}, "
            f"black is {in_digits(black)}, white {in_digits(white)}, "
            f"highest in row {row + 1}, column {column + 1}"
        )
    height, width = result.shape
    said = f"An image and what a kernel makes of it, {height} by {width} numbers. "
    return finished(axes, "a kernel on an image", f"{said}{'. '.join(spoken)}.")


EXAMPLES = (
    {"size": 7, "kernel_size": 3, "padding": 0, "stride": 1},
    {"size": 7, "kernel_size": 3, "padding": 1, "stride": 1},
    {"size": 7, "kernel_size": 3, "padding": 0, "stride": 2},
    {"size": 6, "kernel_size": 2, "padding": 0, "stride": 2},
    {"size": 6, "kernel_size": 3, "padding": 0, "stride": 2},
)


def explore_windows() -> MovingPicture:
    """Change size, window, padding and stride, and see where the window stands.

    Introduced in lesson 3.
    """
    controls = {
        "size": widgets.IntSlider(7, 2, 12, **named("size")),
        "kernel_size": widgets.IntSlider(3, 1, 5, **named("kernel_size")),
        "padding": widgets.IntSlider(0, 0, 2, **named("padding")),
        "stride": widgets.IntSlider(1, 1, 4, **named("stride")),
    }
    return MovingPicture(
        "the places of a window",
        lambda **setting: _plot_windows(setting),
        controls,
        _plot_windows(*EXAMPLES),
    )


def places_of_window(size: int, kernel_size: int, padding: int, stride: int) -> range:
    """The first pixel of each place of the window along one side, counted with the padding."""
    return range(0, size + 2 * padding - kernel_size + 1, stride)


def _plot_windows(*settings: Mapping[str, int]) -> Picture:
    """A column a setting: what goes in with its padding, and below it what comes out."""
    columns = len(settings)
    shape, size = ((2, columns), (2.1 * columns, 4.6)) if columns > 1 else ((1, 2), (6.4, 3.6))
    axes = new_axes(*shape, size=size, layout="none")
    axes[0].figure.subplots_adjust(0.02, 0.02, 0.98, 0.88, wspace=0.1, hspace=0.25)
    said = []
    for ax, below, setting in zip(axes, axes[columns:], settings, strict=False):
        said.append(_draw_windows(ax, below, **setting))
    return finished(axes, "the places of a window", " ".join(said))


def _draw_lines(ax: Axes, side: int) -> None:
    """Lines between and around so many squares, and as many below each other."""
    for draw in (ax.hlines, ax.vlines):
        draw(range(side + 1), 0, side, color=FRAME, linewidth=0.8)


def _draw_windows(
    ax: Axes, below: Axes, size: int, kernel_size: int, padding: int, stride: int
) -> str:
    """Draw the squares of one setting; give what is seen in words."""
    whole = size + 2 * padding
    starts = places_of_window(size, kernel_size, padding, stride)
    frame = {"hatch": "///", "facecolor": "white", "edgecolor": FRAME, "linewidth": 0}
    ax.add_patch(Rectangle((0, 0), whole, whole, **frame))
    ax.add_patch(Rectangle((padding, padding), size, size, facecolor=SQUARES))
    _draw_lines(ax, whole)
    for number, start in enumerate(starts[:2]):  # the first window, and the one beside it
        ax.add_patch(Rectangle(
            (start, 0), kernel_size, kernel_size, fill=False, edgecolor=COLOURS[number],
            linewidth=2.5, linestyle="-" if number == 0 else "--", zorder=3,
        ))  # fmt: skip
    below.add_patch(Rectangle((0, 0), len(starts), len(starts), facecolor=SQUARES))
    _draw_lines(below, len(starts))
    left = whole - (starts[-1] + kernel_size) if starts else 0
    count = f"({size} + 2 x {padding} - {kernel_size}) // {stride} + 1 = {len(starts)}"
    ax.set_title(f"side {size}, window {kernel_size},\npadding {padding}, stride {stride}")
    below.set_title(count if starts else "no window fits", fontsize=9)
    for each in (ax, below):
        each.set_axis_off()
        each.set_aspect("equal")
        each.set_xlim(-0.3, whole + 0.3)
        each.set_ylim(whole + 0.3, -0.3)
    if not starts:
        return f"Side {size}, window {kernel_size}, padding {padding}: no window fits."
    over = f"; {left} at the right and below left over" if left else ""
    if stride > kernel_size and len(starts) > 1:
        over += f"; {stride - kernel_size} between two windows left out"
    return (
        f"Side {size}, window {kernel_size}, padding {padding}, stride {stride}: {count}, "
        f"so {len(starts)} by {len(starts)} numbers come out{over}."
    )
