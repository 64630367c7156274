"""Every picture of the course, drawn in one style. Introduced lesson by lesson.

Each function draws one kind of picture, on the Axes it is given or on a figure of its own,
and returns a `Picture`. A Picture shows itself when it is the last thing in a cell, with a
description in words that screen readers speak. Nothing here touches matplotlib's global
state or calls `show`.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart
(https://jfly.uni-koeln.de/color/); lines differ in marker and dash as well.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from helpers.errors import UsageError

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from helpers.datasets import Split
    from helpers.evaluation import Evaluation
    from helpers.training import TrainingRun

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (8, 2, 2, 2)))
STYLE = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
}
DOTS_PER_INCH = 110
# What Windows, macOS and Linux have for Korean letters; matplotlib's own font has none.
KOREAN_FONTS = (
    "Malgun Gothic", "Apple SD Gothic Neo", "AppleGothic", "Noto Sans CJK KR", "Noto Sans CJK JP",
    "Noto Sans KR", "NanumGothic", "UnDotum", "Baekmuk Gulim", "Arial Unicode MS",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawn figure with a description in words.

    The last thing in a cell, it shows itself. `picture.axes` are matplotlib's own, to draw
    on further; `picture.save("name.png")` writes it to a file.

    Attributes:
        figure: the matplotlib Figure it is drawn on.
        axes: the Axes that were drawn on, one or more.
        title: what it is, in a few words.
        description: what it shows, in words; the text alternative for screen readers.

    Introduced in lesson 2.
    """

    figure: Figure
    axes: tuple[Axes, ...]
    title: str
    description: str

    def save(self, path: str | os.PathLike) -> None:
        """Write the picture to a file; its ending says the format."""
        self._write(path)

    def to_html(self) -> str:
        """An <img> element that holds the pixels and the description."""
        png = io.BytesIO()
        self._write(png, format="png")
        pixels = base64.b64encode(png.getvalue()).decode("ascii")
        return (
            f'<img alt="{html.escape(self.description)}" '
            f'src="data:image/png;base64,{pixels}" style="max-width: 100%">'
        )

    def _write(self, target: str | os.PathLike | io.BytesIO, **options: str) -> None:
        """Draw the figure, with Korean letters where a class has a Korean name."""
        import matplotlib
        from matplotlib.font_manager import fontManager
        from matplotlib.text import Text

        known = {font.name for font in fontManager.ttflist}
        fonts = ["DejaVu Sans", *(name for name in KOREAN_FONTS if name in known)]
        for text in self.figure.findobj(Text):
            if text.get_fontfamily() == ["sans-serif"]:  # nobody chose another
                text.set_fontfamily(fonts)
        with matplotlib.rc_context({"font.family": fonts}):  # of ticks that come while drawing
            self.figure.savefig(target, dpi=DOTS_PER_INCH, facecolor="white", **options)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        # A figure that the reader made with pyplot would show a second time by itself.
        from matplotlib import pyplot

        pyplot.close(self.figure)
        return {"text/plain": repr(self), "text/html": self.to_html()}

    def __repr__(self) -> str:
        return f"Picture: {self.title}"


def _new_axes(rows: int = 1, columns: int = 1, *, size: tuple[float, float]) -> list[Axes]:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        return list(figure.subplots(rows, columns, squeeze=False).flat)


def _one_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    return _new_axes(size=size)[0] if ax is None else ax


def _picture(axes: Axes | Sequence[Axes], title: str, description: str) -> Picture:
    axes = tuple(axes) if isinstance(axes, list) else (axes,)
    return Picture(axes[0].figure, axes, title, description)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


# --------------------------------------------------------------------------------- images


def _draw_image(ax: Axes, image: np.ndarray, *, low: float = 0, high: float = 255) -> None:
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    ax.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    # A thin frame, so that a bright image does not melt into the page.
    ax.set_axis_on()
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set(visible=True, color="#999999", linewidth=0.6)


def plot_images(
    images: np.ndarray,
    titles: Sequence[str] = (),
    *,
    columns: int = 8,
    title: str = "",
) -> Picture:
    """Show images in a grid, each with its title above it.

    Args:
        images: (images, height, width, channels), uint8 0 to 255, or float 0 to 1.
        titles: one text an image, for example its class; may be empty.
        columns: how many images stand side by side.
        title: a heading for the whole grid.

    Raises:
        UsageError: not a batch of images, or not one title an image.

    Introduced in lesson 2.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise UsageError(
            "Expected images of shape (images, height, width, 1 or 3), at least one. "
            f"Received: {images.shape}. One image alone becomes a batch with images[:1]."
        )
    if len(titles) not in (0, len(images)):
        raise UsageError(
            f"Expected one title an image ({len(images)}), or none. Received: {len(titles)}."
        )
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    side = 1.2 if columns > 5 else 1.7 if columns > 2 else 2.2  # inches: a few may be larger
    width = max((side + 0.05) * columns, 0.1 * len(title))
    height = (side + 0.35 * bool(titles)) * rows + 0.4 * bool(title)
    axes = _new_axes(rows, columns, size=(width, height))
    high = 255 if images.dtype == np.uint8 else 1
    for ax in axes:
        ax.set_axis_off()
    for ax, image in zip(axes, images, strict=False):
        _draw_image(ax, image, high=high)
    for ax, text in zip(axes, titles, strict=False):
        ax.set_title(text, fontsize=10)
    if title:
        axes[0].figure.suptitle(title)
    named = f": {', '.join(text.replace(chr(10), ' ') for text in titles)}" if titles else ""
    heading = title or f"{len(images)} image{'s' * (len(images) > 1)}"
    counted = f"{heading}: {len(images)} images" if title else heading
    return _picture(axes, heading, f"{counted}, {columns} in a row{named}.")


def plot_matrix(
    matrix: np.ndarray, *, title: str = "", cmap: str = "gray", ax: Axes | None = None
) -> Picture:
    """Show a small matrix as coloured squares with each number written in its square.

    Args:
        matrix: (rows, columns), at most 30 a side.
        title: a heading, and the name of the matrix in the description.
        cmap: the colours, by matplotlib's name.

    Raises:
        UsageError: not a matrix, or too large to read.

    Introduced in lesson 3.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or max(matrix.shape) > 30:
        raise UsageError(
            "Expected a matrix (rows, columns) of at most 30 x 30. "
            f"Received: shape {matrix.shape}. Cut a piece out with matrix[:10, :10]."
        )
    rows, columns = matrix.shape
    ax = _one_axes(ax, (0.55 * columns + 0.4, 0.55 * rows + 0.6))
    shades = ax.imshow(matrix, cmap=cmap)
    for row, column in np.ndindex(matrix.shape):
        red, green, blue, _ = shades.cmap(shades.norm(matrix[row, column]))
        dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
        ax.text(
            column, row, f"{matrix[row, column]:g}", ha="center", va="center",
            color="white" if dark else "black",
        )  # fmt: skip
    # Lines between the squares, so that a white one does not melt into the page.
    ax.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="#999999", linewidth=0.8)
    ax.tick_params(which="both", length=0)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.set_title(title)
    spoken = "; ".join(" ".join(f"{number:g}" for number in row) for row in matrix)
    return _picture(
        ax, title or "a matrix", f"{title} {rows} by {columns} numbers: {spoken}.".lstrip()
    )


def plot_feature_maps(maps: np.ndarray, *, columns: int = 8, title: str = "") -> Picture:
    """Show the channels of one layer's output as grey images, each scaled by itself.

    Args:
        maps: float (height, width, channels), from `feature_maps`.
        columns: how many maps stand side by side.
        title: a heading.

    Introduced in lesson 3.
    """
    channels = maps.shape[-1]
    rows = -(-channels // columns)
    side = min(1.1, 9.5 / columns)  # inches of a map
    axes = _new_axes(rows, columns, size=(side * columns, 1.15 * side * rows + 0.4))
    for ax in axes:
        ax.set_axis_off()
    silent = 0
    for ax, channel in zip(axes, np.moveaxis(maps, -1, 0), strict=False):
        _draw_image(ax, channel, low=float(channel.min()), high=max(float(channel.max()), 1e-9))
        silent += not channel.any()
    heading = title or f"{channels} feature maps"
    axes[0].figure.suptitle(heading)
    return _picture(
        axes, heading,
        f"{heading}. {channels} maps of {maps.shape[0]} by {maps.shape[1]} places, bright where "
        f"the filter answers; {silent} of them are dark everywhere.",
    )  # fmt: skip


def plot_heatmaps(images: np.ndarray, heatmaps: np.ndarray, titles: Sequence[str]) -> Picture:
    """Show images in the upper row, and below each the same image with its heat map over it.

    Args:
        images: uint8 (images, height, width, channels).
        heatmaps: float (images, rows, columns), 0 to 1, from `grad_cam`; stretched smoothly
            over the image.
        titles: one text an image.

    Introduced in lesson 5.
    """
    count = len(images)
    axes = _new_axes(2, count, size=(1.6 * count, 3.9))
    _, height, width, _ = images.shape
    for upper, lower, image, heat, text in zip(
        axes[:count], axes[count:], images, heatmaps, titles, strict=True
    ):
        _draw_image(upper, image)
        upper.set_title(text, fontsize=10)
        _draw_image(lower, image)
        lower.imshow(
            heat, cmap="inferno", vmin=0, vmax=1, alpha=0.6, interpolation="bilinear",
            extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        )  # fmt: skip
    places = []
    for heat, text in zip(heatmaps, titles, strict=True):
        row, column = np.unravel_index(np.argmax(heat), heat.shape)
        vertical = ("top", "middle", "bottom")[3 * int(row) // heat.shape[0]]
        horizontal = ("left", "centre", "right")[3 * int(column) // heat.shape[1]]
        places.append(f"{text.replace(chr(10), ' ')}: {vertical} {horizontal}")
    return _picture(
        axes, "where the network looks",
        f"{count} images, and below each the same image with a heat map over it, yellow where "
        f"the network looked most. The brightest place of each: {'; '.join(places)}.",
    )  # fmt: skip


# -------------------------------------------------------------------------- lines and bars


def plot_lines(
    x: Sequence[float] | Mapping[str, Sequence[float]],
    lines: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    log_x: bool = False,
    ax: Axes | None = None,
) -> Picture:
    """Draw one line a name, told apart by colour, marker and dash.

    Args:
        x: the positions, as many as the longest line; a shorter line ends earlier. Where each
            line has positions of its own: name -> positions.
        lines: name -> values. A value that is not a number leaves a gap.
        x_label, y_label: what the axes show, with the unit.
        title: a heading.
        log_x: whether equal steps on the x axis mean equal factors (a logarithmic scale).

    Introduced in lesson 3.
    """
    ax = _one_axes(ax, (7, 3.6))
    positions = x if isinstance(x, Mapping) else dict.fromkeys(lines, x)
    few = max(map(len, positions.values()), default=0) <= 30
    spoken = []
    for number, (name, values) in enumerate(lines.items()):
        style = number % len(COLOURS)
        ax.plot(
            positions[name][: len(values)], values, label=name, color=COLOURS[style],
            linestyle=DASHES[style], marker=MARKERS[style] if few else None, linewidth=2,
        )  # fmt: skip
        finite = np.asarray(values, float)
        finite = finite[np.isfinite(finite)]
        if len(finite):
            spoken.append(
                f"{name}: from {finite[0]:.3g} to {finite[-1]:.3g}, "
                f"lowest {finite.min():.3g}, highest {finite.max():.3g}"
            )
        else:
            spoken.append(f"{name}: no finite values")
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.set_title(title)
    if log_x:
        ax.set_xscale("log", subs=range(2, 10))
        _few_plain_numbers(ax.xaxis)
    elif few and all(float(place).is_integer() for at in positions.values() for place in at):
        ax.xaxis.get_major_locator().set_params(integer=True)
    if len(lines) > 1:
        ax.legend(frameon=False)
    heading = title or f"{y_label} over {x_label}"
    return _picture(ax, heading, f"{heading}. {y_label} over {x_label}. {'; '.join(spoken)}.")


def _few_plain_numbers(axis: Axis) -> None:
    """Label a logarithmic axis with 10, 20, 50, 100 and so on, not with powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def plot_journey(
    steps: Mapping[str, tuple[float, float]],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    ax: Axes | None = None,
) -> Picture:
    """Draw one numbered point a step, joined in order: where each change led.

    Args:
        steps: name -> (x, y), in the order in which the steps were taken.
        x_label, y_label: what the axes show, with the unit.
        title: a heading.

    Introduced in lesson 6.
    """
    ax = _one_axes(ax, (7.5, 4.2))
    xs, ys = np.asarray(list(steps.values()), float).reshape(-1, 2).T
    ax.plot(xs, ys, color=COLOURS[0], linestyle=":", linewidth=1.5)
    for number, (name, (x, y)) in enumerate(steps.items(), 1):
        # Colour and marker say the same as the number beside it.
        ax.plot(
            [x], [y], label=f"{number}  {name}", linestyle="none", markersize=9,
            color=COLOURS[number % len(COLOURS)], marker=MARKERS[number % len(MARKERS)],
        )  # fmt: skip
        ax.annotate(str(number), (x, y), (7, 7), textcoords="offset points", fontweight="bold")
    ax.margins(0.12)
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.set_title(title)
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9)
    heading = title or f"{y_label} over {x_label}"
    spoken = "; ".join(
        f"{number} {name}: ({x:.3g}, {y:.3g})"
        for number, (name, (x, y)) in enumerate(steps.items(), 1)
    )
    return _picture(ax, heading, f"{heading}. {y_label} over {x_label}. {spoken}.")


def plot_descent(
    loss: Callable[[np.ndarray], np.ndarray],
    paths: Mapping[str, Sequence[float]],
    *,
    x_label: str = "weight",
) -> Picture:
    """Draw the steps of gradient descent on the curve of a loss with one weight.

    Args:
        loss: gives the loss of each weight of an array.
        paths: name -> the weight before each step and after the last; one panel a name.
        x_label: what the weight is.

    Introduced in lesson 4.
    """
    axes = _new_axes(1, len(paths), size=(3.4 * len(paths), 3.2))
    reach = max(abs(weight) for path in paths.values() for weight in path)
    weights = np.linspace(-1.1 * reach, 1.1 * reach, 200)
    spoken = []
    for ax, (name, path) in zip(axes, paths.items(), strict=True):
        path = np.asarray(path, float)
        ax.plot(weights, loss(weights), color="#777777", linewidth=1.5)
        ax.plot(path, loss(path), color=COLOURS[1], linestyle="--", marker="o", linewidth=1.5)
        ax.annotate("start", (path[0], loss(path)[0]), xytext=(6, 6), textcoords="offset points")
        ax.set_title(name)
        ax.set_xlabel(x_label)
        ax.set_ylabel("loss")
        walk = ", ".join(f"{weight:.2g}" for weight in path)
        spoken.append(f"{name}: the {x_label} goes {walk}")
    return _picture(axes, "gradient descent", f"Steps of gradient descent. {'; '.join(spoken)}.")


def plot_bars(
    values: Mapping[str, float],
    *,
    x_label: str,
    title: str = "",
    number_format: str = "{:,.0f}",
    ax: Axes | None = None,
) -> Picture:
    """Draw a horizontal bar a name, with its value written beside it.

    Args:
        values: name -> value, drawn from the top in this order.
        x_label: what the length of a bar shows, with the unit.
        title: a heading.
        number_format: how the values are written.

    Introduced in lesson 2.
    """
    ax = _one_axes(ax, (7, 0.32 * len(values) + 1))
    bars = ax.barh(list(values), list(values.values()), color=COLOURS[0])
    written = [number_format.format(value) for value in values.values()]
    ax.bar_label(bars, written, padding=3)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.set_xlabel(x_label)
    ax.set_title(title)
    heading = title or x_label
    spoken = ", ".join(f"{name} {text}" for name, text in zip(values, written, strict=True))
    return _picture(ax, heading, f"{heading}. Bars of {x_label}: {spoken}.")


def plot_class_counts(split: Split, *, ax: Axes | None = None) -> Picture:
    """Draw how many images of each class a split has. Introduced in lesson 2."""
    return plot_bars(
        split.class_counts(), x_label="images", title=f"Images a class, {split.name} split", ax=ax
    )


def plot_intervals(
    measured: Mapping[str, tuple[float, float, float]], *, x_label: str, title: str = ""
) -> Picture:
    """Draw measured shares as points, each with its interval as a line through it.

    Args:
        measured: name -> (value, low, high), shares from 0 to 1, drawn as percent.
        x_label: what was measured, with the unit.
        title: a heading.

    Introduced in lesson 5.
    """
    ax = _one_axes(None, (7, 0.45 * len(measured) + 1.1))
    for row, (value, low, high) in enumerate(measured.values()):
        ax.plot([100 * low, 100 * high], [row, row], color=COLOURS[0], linewidth=3, alpha=0.5)
        ax.plot(100 * value, row, marker="o", color=COLOURS[1], markersize=8)
    ax.set_yticks(range(len(measured)), list(measured))
    ax.set_ylim(len(measured) - 0.4, -0.6)
    ax.grid(axis="x", alpha=0.3)
    ax.set_xlabel(x_label)
    ax.set_title(title)
    heading = title or x_label
    spoken = "; ".join(
        f"{name} {_percent(value)}, from {_percent(low)} to {_percent(high)}"
        for name, (value, low, high) in measured.items()
    )
    return _picture(ax, heading, f"{heading}. {spoken}.")


# -------------------------------------------------------------- training and its evaluation


def plot_run(run: TrainingRun) -> Picture:
    """Draw the learning curves of a run: loss on the left, accuracy on the right.

    Introduced in lesson 4.
    """
    return live_curves(run.history, max(run.epochs, 1))


def _draw_curves(left: Axes, right: Axes, history: Mapping[str, Sequence[float]]) -> None:
    epochs = range(1, len(history.get("loss", ())) + 1)
    for ax, metric, label, scale in (
        (left, "loss", "cross-entropy", 1),
        (right, "accuracy", "accuracy (%)", 100),
    ):
        lines = {
            name: [scale * value for value in history[key]]
            for name, key in (("training", metric), ("validation", f"val_{metric}"))
            if key in history
        }
        plot_lines(list(epochs), lines, x_label="epoch", y_label=label, ax=ax)


def live_curves(history: Mapping[str, Sequence[float]], epochs: int) -> Picture:
    """The learning curves so far, with room for all `epochs`; `train` redraws them.

    Introduced in lesson 4.
    """
    left, right = axes = _new_axes(1, 2, size=(9.5, 3.4))
    _draw_curves(left, right, history)
    for ax in axes:
        ax.set_xlim(0.5, epochs + 0.5)
    return _picture(
        axes, "learning curves", f"Learning curves, loss and accuracy. {_so_far(history)}."
    )


def _so_far(history: Mapping[str, Sequence[float]]) -> str:
    """The last values of a history, in words."""
    if "loss" not in history:
        return "No epoch has ended yet"
    last = {name: values[-1] for name, values in history.items()}
    spoken = f"After epoch {len(history['loss'])} the training loss is {last['loss']:.3f} and the "
    spoken += f"training accuracy {_percent(last['accuracy'])}"
    if "val_loss" in last:
        best_epoch = int(np.argmin(np.nan_to_num(history["val_loss"], nan=np.inf))) + 1
        spoken += f"; on the validation images {last['val_loss']:.3f} and "
        spoken += f"{_percent(last['val_accuracy'])}, with the lowest loss in epoch {best_epoch}"
    return spoken


def plot_runs(
    runs: Mapping[str, TrainingRun],
    metric: str = "val_loss",
    *,
    title: str = "",
    ax: Axes | None = None,
) -> Picture:
    """Compare runs: one line a run of one metric over the epochs.

    Args:
        runs: name -> `TrainingRun`.
        metric: "loss", "accuracy", "val_loss" or "val_accuracy".
        title: a heading.

    Introduced in lesson 4.
    """
    of = "validation" if metric.startswith("val_") else "training"
    accuracy = metric.endswith("accuracy")
    lines = {
        name: [(100 if accuracy else 1) * value for value in run.history[metric]]
        for name, run in runs.items()
    }
    longest = max(len(values) for values in lines.values())
    label = f"{of} accuracy (%)" if accuracy else f"{of} cross-entropy"
    return plot_lines(
        list(range(1, longest + 1)), lines, x_label="epoch", y_label=label, title=title, ax=ax
    )


def plot_confusion(evaluation: Evaluation, *, ax: Axes | None = None) -> Picture:
    """Draw the confusion matrix: a row a true class, a column a predicted one.

    Introduced in lesson 5.
    """
    names, confusion = evaluation.split.class_names, evaluation.confusion
    side = 0.52 * len(names) + 2.2
    ax = _one_axes(ax, (side + 0.6, side))
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(confusion.shape):
        if confusion[row, column]:
            ax.text(
                column, row, str(confusion[row, column]), ha="center", va="center", fontsize=9,
                color="white" if shares[row, column] > 0.5 else "black",
            )  # fmt: skip
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    ax.set_title(f"Confusion matrix, {len(evaluation.split):,} {evaluation.split.name} images")
    off_diagonal = np.where(np.eye(len(names), dtype=bool), 0, confusion)
    worst = np.argsort(off_diagonal, axis=None)[::-1][:3]
    spoken = []
    for row, column in zip(*np.unravel_index(worst, confusion.shape), strict=True):
        if off_diagonal[row, column]:
            spoken.append(f"{off_diagonal[row, column]} {names[row]} taken for {names[column]}")
    return _picture(
        ax, "confusion matrix",
        f"Confusion matrix of {len(names)} classes, {_percent(evaluation.accuracy)} on the "
        f"diagonal. Most frequent mistakes: {', '.join(spoken) or 'none'}.",
    )  # fmt: skip


def plot_mistakes(evaluation: Evaluation, count: int = 10) -> Picture:
    """Show the most confident mistakes: what it is, what the network said, how sure it was.

    Introduced in lesson 5.
    """
    worst = evaluation.mistakes[:count]
    if not len(worst):
        raise UsageError(
            "Expected at least one mistake to show. Received: an evaluation with none."
        )
    split = evaluation.split
    titles = [
        f"is {split.class_names[split.labels[index]]}\n"
        f"said {split.class_names[evaluation.predictions[index]]}\n"
        f"{100 * evaluation.confidences[index]:.1f} % sure"
        for index in worst
    ]
    columns = 5
    rows = -(-len(worst) // columns)
    axes = _new_axes(rows, columns, size=(9.5, 2.5 * rows))
    for ax in axes:
        ax.set_axis_off()
    for ax, index, text in zip(axes, worst, titles, strict=False):
        _draw_image(ax, split.images[index])
        ax.set_title(text, fontsize=9)
    spoken = "; ".join(text.replace("\n", ", ") for text in titles)
    return _picture(axes, "the most confident mistakes", f"The most confident mistakes: {spoken}.")


def plot_calibration(
    evaluation: Evaluation, *, smallest_group: int = 20, ax: Axes | None = None
) -> Picture:
    """Draw how often the network is right against how sure it says it is.

    Args:
        evaluation: from `evaluate`.
        smallest_group: groups of fewer images are not drawn, since their share right is
            chance; the description still has them.

    Introduced in lesson 5.
    """
    calibration = evaluation.calibration
    ax = _one_axes(ax, (5.4, 4.2))
    ax.plot([0, 100], [0, 100], color="#777777", linestyle=":", label="as sure as right")
    drawn = calibration.counts >= smallest_group
    ax.plot(
        100 * calibration.confidence[drawn], 100 * calibration.accuracy[drawn], color=COLOURS[0],
        marker=MARKERS[0], linewidth=2, label="this network",
    )  # fmt: skip
    ax.set_xlim(0, 102)
    ax.set_ylim(0, 102)
    ax.set_xlabel("how sure the network is (%)")
    ax.set_ylabel("how often it is right (%)")
    ax.set_title(f"Calibration, {len(evaluation.split):,} {evaluation.split.name} images")
    ax.legend(loc="upper left", frameon=False)
    spoken = "; ".join(
        f"{_percent(sure)} sure, {_percent(right)} right of {count}"
        for sure, right, count in zip(
            calibration.confidence, calibration.accuracy, calibration.counts, strict=True
        )
    )
    return _picture(ax, "calibration", f"How sure the network is and how often right: {spoken}.")
