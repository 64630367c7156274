"""A picture that shows itself and says in words what it shows; the one style of all of them.

Each function of this room draws one kind of picture, on the Axes it is given or on a figure of
its own, and returns a `Picture`. A Picture shows itself when it is the last thing in a cell, with
a description in words that screen readers speak. Nothing here touches matplotlib's global state
or calls `show`.

Names and titles are drawn as they are written: a dollar sign begins no formula. A name that
is too long for its place is broken or shortened; the description has all of it. No picture
is taller than its canvas can be: what does not fit is left out, and the picture says so.

Of the colours, the first four and black are those of Okabe and Ito, which colour-blind readers
can tell apart (https://jfly.uni-koeln.de/color/); their two brightest are replaced by darker
ones that can be told from the others as well, since on white they are hard to see.
"""

from __future__ import annotations

import base64
import contextlib
import html
import io
import textwrap
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.basics.errors import UsageError
from helpers.basics.files import as_path, written_whole
from helpers.pictures.letters import LETTER, TITLE, choose_fonts
from helpers.pictures.words import NOT_IN_SVG, brief, in_digits, power_of_ten

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#602E00", "#7D00DF", "#000000")
GREY, FRAME = "#777777", "#888888"
STYLE = {
    "font.size": LETTER,
    "axes.titlesize": TITLE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
}
DOTS_PER_INCH = 110
TALLEST = 14  # inches
MOST_SVG_BYTES = 300_000  # a picture that would need more is given as a PNG
# matplotlib has one set of settings for all threads: two that change and restore it at the same
# time would leave what one of them has set.
MATPLOTLIB = threading.RLock()
# Where a format has a place for a description.
DESCRIPTION = {"png": "Description", "svg": "Description", "pdf": "Subject"}
ENDINGS = ("png", "svg", "pdf", "jpg", "jpeg", "webp", "tif", "tiff")


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
        """Write the picture to a file; its ending says the format, for example .png or .svg.

        A PNG, SVG or PDF carries the description with it.

        Raises:
            UsageError: no ending, or one of a format that is not drawn.
            StorageError: the disk is full, or nothing may be written there.
        """
        path = as_path(path)
        ending = path.suffix[1:].lower()
        if ending not in ENDINGS:
            raise UsageError(
                "Expected the name of a file that ends in .png, .svg, .pdf, .jpg, .webp or .tif. "
                f"Received: {path}."
            )
        with written_whole(path) as temporary:
            note = self._write(temporary, ending, {DESCRIPTION.get(ending): self.description})
        if note:
            print(note)

    def to_html(self) -> str:
        """An <img> element that holds the picture and the description.

        The picture is an SVG, sharp at every size, or a PNG where an SVG would be large.
        """
        kind, content, note = "svg+xml", *self._drawn("svg")
        if len(content) > MOST_SVG_BYTES:
            kind, content, note = "png", *self._drawn("png")
        packed = base64.b64encode(content).decode("ascii")
        shown = (
            f'<img alt="{html.escape(self.description)}" '
            f'src="data:image/{kind};base64,{packed}" style="max-width: 100%">'
        )
        return shown + (f"<p>{html.escape(note)}</p>" if note else "")

    def _drawn(self, kind: str) -> tuple[bytes, str]:
        """The bytes of a file of this kind, and the note on letters without a font."""
        target = io.BytesIO()
        note = self._write(target, kind)
        return target.getvalue(), note

    def _write(
        self, target: Path | io.BytesIO, kind: str, more: Mapping[str | None, str] | None = None
    ) -> str:
        """Draw the figure, the same bytes each time; give the note on letters without a font."""
        import matplotlib

        metadata = {"Date": None, "Creator": None} if kind == "svg" else {}
        metadata |= {name: text for name, text in (more or {}).items() if name}

        _as_written(self.figure)
        fonts, note = choose_fonts(self.figure)
        style = {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "course"}
        style["font.family"] = fonts
        with MATPLOTLIB, matplotlib.rc_context(style), contextlib.ExitStack() as stack:
            if note:  # it says in one sentence what matplotlib says of each letter
                stack.enter_context(warnings.catch_warnings())
                warnings.filterwarnings("ignore", r"Glyph \d+ ")
            self.figure.savefig(
                target, format=kind, dpi=DOTS_PER_INCH, facecolor="white", metadata=metadata or None
            )
        return note

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        # A figure that the reader made with pyplot would show a second time by itself.
        from matplotlib import pyplot

        pyplot.close(self.figure)
        # The PNG is for where HTML is not shown: a PDF of a lesson, some viewers of notebooks.
        png = base64.b64encode(self._drawn("png")[0]).decode("ascii")
        return {"text/plain": repr(self), "text/html": self.to_html(), "image/png": png}

    def __repr__(self) -> str:
        return textwrap.fill(f"Picture: {self.title}", 88)


def new_axes(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float],
    layout: str = "constrained",
    widths: Sequence[float] | None = None,
    **settings: object,
) -> list[Axes]:
    import matplotlib
    from matplotlib.figure import Figure

    with MATPLOTLIB, matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout=layout)
        options = {"squeeze": False, "subplot_kw": settings, "width_ratios": widths}
        return list(figure.subplots(rows, columns, **options).flat)


def given_or_new_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    from matplotlib.axes import Axes

    if ax is not None and not isinstance(ax, Axes):
        raise UsageError(
            f"Expected one Axes of matplotlib as ax. Received: {brief(ax)}. Take one out: of a "
            "figure figure.axes[0], of an array axes[0]; or leave ax out."
        )
    return new_axes(size=size)[0] if ax is None else ax


def finished(axes: Axes | Sequence[Axes], title: str, description: str) -> Picture:
    axes = tuple(axes) if isinstance(axes, list) else (axes,)
    for ax in axes:
        _as_written(ax)
    return Picture(axes[0].figure, axes, " ".join(title.split()), " ".join(description.split()))


def _as_written(artist: Artist) -> None:
    """Draw every text as it is written: a dollar sign is no formula, a power of ten no mark-up."""
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from matplotlib.ticker import LogFormatter, NullFormatter

    for ax in artist.findobj(Axes):
        for axis in (ax.xaxis, ax.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatter):  # it writes formulas
                plain_numbers(axis)
                axis.set_minor_formatter(NullFormatter())
    for text in artist.findobj(Text):
        text.set_parse_math(False)
        if NOT_IN_SVG.search(text.get_text()):
            text.set_text(NOT_IN_SVG.sub(" ", text.get_text()))


def size_in_inches(ax: Axes) -> tuple[float, float]:
    """How wide and how high the Axes are."""
    width, height = ax.figure.get_size_inches()
    return width * ax.get_position().width, height * ax.get_position().height


def plain_numbers(axis: Axis) -> None:
    """Write the numbers of an axis out, with no factor in its corner: 2,000,000, not 2.0."""

    def written(place: float, _: int | None = None) -> str:
        low, high = sorted(axis.get_view_interval())
        if axis.get_scale() == "log":  # all in one way
            return power_of_ten(place, 12) if low < 1e-4 or high >= 1e9 else in_digits(place, 12)
        # Places are sums of steps, and what should be 0 can be 6e-17.
        return in_digits(0 if abs(place) < 1e-9 * (high - low) else place, 12)

    axis.set_major_formatter(written)
