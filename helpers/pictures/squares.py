"""Numbers in coloured squares. Introduced in lesson 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import UsageError
from helpers.pictures.letters import LETTER, heading, width_of
from helpers.pictures.picture import FRAME, Picture, finished, given_or_new_axes, size_in_inches
from helpers.pictures.words import as_lines, as_numbers, in_digits, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _ink(colour: Sequence[float]) -> str:
    """Black or white, whichever can be read better on a colour, by the contrast of WCAG 2."""
    red, green, blue, _ = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour
    )
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # (1 + 0.05) / (light + 0.05) against (light + 0.05) / (0 + 0.05): the larger is above 4.5.
    return "white" if (light + 0.05) ** 2 < 1.05 * 0.05 else "black"


def draw_squares(
    ax: Axes, values: np.ndarray, texts: Mapping[tuple[int, int], str], cmap: str, **ends: float
) -> None:
    """Coloured squares, with a text in some of them: (row, column) -> text."""
    import matplotlib

    colours = matplotlib.colormaps[cmap].with_extremes(bad="white")
    shades = ax.imshow(np.where(np.isfinite(values), values, np.nan), cmap=colours, **ends)
    widest = max(map(width_of, texts.values()), default=1)
    size = min(LETTER, 65 * size_in_inches(ax)[0] / values.shape[1] / max(widest, 1))
    drawn = colours(shades.norm(shades.get_array()))
    for (row, column), text in texts.items():
        ink = _ink(drawn[row, column])
        ax.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)


def plot_matrix(
    matrix: np.ndarray, *, title: str = "", cmap: str = "gray", ax: Axes | None = None
) -> Picture:
    """Show a small matrix as coloured squares with each number written in its square.

    Args:
        matrix: numbers (rows, columns), 1 to 30 a side.
        title: a heading, and the name of the matrix in the description.
        cmap: the colours, by matplotlib's name.
        ax: the Axes to draw on; a figure of its own where it is left out.

    Raises:
        UsageError: not a matrix, too large to read, or colours of an unknown name.

    Introduced in lesson 2.
    """
    matrix, title = _checked_matrix(matrix, cmap), as_lines(title)
    rows, columns = matrix.shape
    width = max(0.55 * columns + 0.4, 1.6)
    above = heading(title, width)
    ax = given_or_new_axes(ax, (width, 0.55 * rows + 0.4 + 0.2 * len(above.split("\n"))))
    written = {place: in_digits(matrix[place]) for place in np.ndindex(matrix.shape)}
    draw_squares(ax, matrix, written, cmap)
    # Lines between and around the squares, so that a white one does not melt into the page.
    ax.set_xticks(np.arange(columns - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(rows - 1) + 0.5, minor=True)
    ax.grid(which="minor", color=FRAME, linewidth=0.8)
    ax.spines[:].set(visible=True, color=FRAME, linewidth=0.8)
    ax.tick_params(which="both", length=0)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(above)
    numbers = "; ".join(" ".join(written[row, at] for at in range(columns)) for row in range(rows))
    spoken = f"{rows} by {columns} numbers: {numbers}"
    return finished(ax, title or "a matrix", sentences(title, spoken))


def _checked_matrix(matrix: np.ndarray, cmap: str) -> np.ndarray:
    import matplotlib

    matrix = as_numbers(matrix, "a matrix")
    if matrix.ndim != 2 or max(matrix.shape) > 30 or 0 in matrix.shape:
        raise UsageError(
            "Expected a matrix (rows, columns) of at most 30 x 30. "
            f"Received: shape {matrix.shape}. Cut a piece out with matrix[:10, :10]."
        )
    if not isinstance(cmap, str) or cmap not in matplotlib.colormaps:
        raise UsageError(
            f'Expected colours that matplotlib knows, such as "gray". Received: cmap={cmap!r}.'
        )
    return matrix
