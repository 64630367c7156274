"""Every picture of the course, drawn in one style. Introduced lesson by lesson.

Each function draws one kind of picture, on the Axes it is given or on a figure of its own,
and returns a `Picture`. A Picture shows itself when it is the last thing in a cell, with a
description in words that screen readers speak. Nothing here touches matplotlib's global
state or calls `show`.

Names and titles are drawn as they are written: a dollar sign begins no formula. A name that
is too long for its place is broken or shortened; the description has all of it. No picture
is taller than its canvas can be: what does not fit is left out, and the picture says so.

Of the colours, the first four and black are those of Okabe and Ito, which colour-blind readers
can tell apart (https://jfly.uni-koeln.de/color/); their two brightest are replaced by darker
ones that can be told from the others as well, since on white they are hard to see. Lines differ
in marker and dash too.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import html
import io
import re
import textwrap
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import UsageError
from helpers.basics.files import as_path, written_whole

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontEntry
    from matplotlib.ft2font import FT2Font
    from matplotlib.lines import Line2D

    from helpers.datasets.load import Split
    from helpers.results.evaluation import Calibration
    from helpers.training.fit import TrainingRun

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#602E00", "#7D00DF", "#000000")
GREY, FRAME = "#777777", "#888888"
HEAT = "plasma"
# Of different lengths, with no common factor: 504 lines go by before two look the same.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*")
DASHES = (
    "-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (8, 2, 2, 2)), (0, (1, 3)),
)  # fmt: skip
STYLE = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "text.parse_math": False,
}
DOTS_PER_INCH = 110
TALLEST = 14  # inches
LETTER, SMALL = 11, 10  # points
LONGEST_NAME = 2.2  # inches, along an axis
MOST_IMAGES = 256
MOST_HEATMAPS = 80
MOST_LINES_NAMED = 40  # in a legend
MOST_WITH_NUMBERS = 30  # classes of a confusion matrix
MOST_SPOKEN = 60  # bars
# With more pixels than these, or larger, a picture is given as a PNG.
MOST_SVG_PIXELS, MOST_SVG_BYTES = 300_000, 300_000
# matplotlib has one set of settings for all threads: two that change and restore it at the same
# time would leave what one of them has set.
SETTINGS = threading.RLock()
# Characters that XML forbids: with one of them a browser shows nothing of an SVG.
NOT_IN_SVG = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FORMATS = ("png", "svg", "pdf", "jpg", "jpeg", "webp", "tif", "tiff")


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

        Raises:
            UsageError: no ending, or one of a format that is not drawn.
            StorageError: the disk is full, or nothing may be written there.
        """
        ending = _checked_path(path).suffix[1:].lower()
        with written_whole(_checked_path(path)) as temporary:
            note = self._write(temporary, ending)
        if note:
            print(note)

    def to_html(self) -> str:
        """An <img> element that holds the picture and the description.

        The picture is an SVG, sharp at every size, or a PNG where an SVG would be large.
        """
        kind, content, note = "svg+xml", *self._svg()
        if not content:
            kind, content, note = "png", *self._bytes("png")
        packed = base64.b64encode(content).decode("ascii")
        shown = (
            f'<img alt="{html.escape(self.description)}" '
            f'src="data:image/{kind};base64,{packed}" style="max-width: 100%">'
        )
        return shown + (f"<p>{html.escape(note)}</p>" if note else "")

    def _svg(self) -> tuple[bytes, str]:
        """The picture as an SVG, or b"" where that would be large; and the note on fonts."""
        pixels = sum(
            4_000 + sum(image.get_array().size for image in ax.images) for ax in self.figure.axes
        )
        if pixels > MOST_SVG_PIXELS:
            return b"", ""
        content, note = self._bytes("svg")
        return content if len(content) <= MOST_SVG_BYTES else b"", note

    def _bytes(self, kind: str) -> tuple[bytes, str]:
        target = io.BytesIO()
        note = self._write(target, kind)
        return target.getvalue(), note

    def _write(self, target: Path | io.BytesIO, kind: str) -> str:
        """Draw the figure, the same bytes each time; give the note on letters without a font."""
        import matplotlib

        _as_written(self.figure)
        names, missing = _fonts_with(_letters_without_font(self.figure))
        fonts, note = _set_fonts(self.figure, names), _font_note(missing)
        style = {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "course"}
        style["font.family"] = fonts
        with SETTINGS, matplotlib.rc_context(style), contextlib.ExitStack() as stack:
            if note:  # it says in one sentence what matplotlib says of each letter
                stack.enter_context(warnings.catch_warnings())
                warnings.filterwarnings("ignore", r"Glyph \d+ ")
            self.figure.savefig(
                target, format=kind, dpi=DOTS_PER_INCH, facecolor="white",
                metadata={"Date": None, "Creator": None} if kind == "svg" else None,
            )  # fmt: skip
        return note

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        # A figure that the reader made with pyplot would show a second time by itself.
        from matplotlib import pyplot

        pyplot.close(self.figure)
        # The PNG is for where HTML is not shown: a PDF of a lesson, some viewers of notebooks.
        png = base64.b64encode(self._bytes("png")[0]).decode("ascii")
        return {"text/plain": repr(self), "text/html": self.to_html(), "image/png": png}

    def __repr__(self) -> str:
        return textwrap.fill(f"Picture: {self.title}", 88)


def _checked_path(path: str | os.PathLike) -> Path:
    """The path of a picture file, with an ending that can be drawn."""
    checked = as_path(path)
    if checked.suffix[1:].lower() not in FORMATS:
        raise UsageError(
            "Expected the name of a file that ends in .png, .svg, .pdf, .jpg, .webp or .tif. "
            f"Received: {path}."
        )
    return checked


def _new_axes(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float],
    layout: str = "constrained",
    **settings: object,
) -> list[Axes]:
    import matplotlib
    from matplotlib.figure import Figure

    with SETTINGS, matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout=layout)
        return list(figure.subplots(rows, columns, squeeze=False, subplot_kw=settings).flat)


def _one_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    from matplotlib.axes import Axes

    if ax is not None and not isinstance(ax, Axes):
        raise UsageError(
            f"Expected one Axes of matplotlib as ax. Received: {_brief(ax)}. Take one out: of a "
            "figure figure.axes[0], of an array axes[0]; or leave ax out."
        )
    return _new_axes(size=size)[0] if ax is None else ax


def _picture(axes: Axes | Sequence[Axes], title: str, description: str) -> Picture:
    axes = tuple(axes) if isinstance(axes, list) else (axes,)
    for ax in axes:
        _as_written(ax)
    return Picture(axes[0].figure, axes, " ".join(title.split()), " ".join(description.split()))


# --------------------------------------------------------------------------- words and numbers


def _line(text: object) -> str:
    """A name or a title as one line that can be drawn and spoken."""
    if text is None:
        return ""
    known = str(text).encode("utf-8", "replace").decode()  # file names may hold half letters
    known = NOT_IN_SVG.sub(" ", known)
    visible = (" " if unicodedata.category(letter) == "Cc" else letter for letter in known)
    return " ".join("".join(visible).split())


def _lines(text: object) -> str:
    """A title in the lines in which it was given."""
    return "" if text is None else "\n".join(_line(part) for part in str(text).split("\n"))


def _number(value: float, digits: int = 3) -> str:
    """A number as people write it: 0.25, 12,500, 1e-8; never -0, 1e+03 or 1e-08."""
    value = float(value) + 0.0  # no -0
    if np.isfinite(value) and value and not 1e-4 <= abs(value) < 1e9:
        return _power(value, digits)
    written = f"{value:,.{max(digits - 1 - _magnitude(value), 0)}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def _magnitude(value: float) -> int:
    return int(np.floor(np.log10(abs(value)))) if np.isfinite(value) and value else 0


def _power(value: float, digits: int = 3) -> str:
    """A number by its power of ten: 1e-8, 2.5e12."""
    written, power = f"{value:.{digits - 1}e}".split("e")
    return f"{written.rstrip('0').rstrip('.')}e{int(power)}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if np.isfinite(share) else "unknown"


def _numbers(values: Iterable[float], what: str) -> np.ndarray:
    """The values as an array of floats, or words on what they are."""
    try:
        return np.asarray(values if hasattr(values, "__array__") else [*values], float)
    except (TypeError, ValueError, RuntimeError):
        raise UsageError(f"Expected numbers as {what}. Received: {_brief(values)}.") from None


def _named(values: Mapping[str, object], what: str) -> tuple[list[str], list]:
    """The names and the values of a dictionary that is one and is not empty."""
    if not isinstance(values, Mapping) or not values:
        raise UsageError(
            f"Expected a dictionary with at least one name: name -> {what}. "
            f"Received: {_brief(values)}."
        )
    return [_line(name) or "(no name)" for name in values], list(values.values())


def _brief(value: object) -> str:
    return textwrap.shorten(f"{type(value).__name__} {value!r}", 80, placeholder=" ...")


def whole_number(value: int, name: str, most: int) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or not 1 <= value <= most:
        raise UsageError(
            f"Expected a whole number from 1 to {most} as {name}. Received: {value!r}."
        )
    return int(value)


# ------------------------------------------------------------------------------------ letters


@functools.cache
def _usual_font() -> tuple[FT2Font, frozenset[str]]:
    """matplotlib's own font, and the letters that it has."""
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    font = FT2Font(findfont("DejaVu Sans"))
    font.set_size(100, 72)
    return font, frozenset(map(chr, font.get_charmap()))


@functools.cache
def _letter_width(letter: str) -> float:
    """In parts of the font's size."""
    font, letters = _usual_font()
    # A letter of another font is at most as wide as the box that is drawn where it is missing.
    return font.load_char(ord(letter)).linearHoriAdvance / 6_553_600 if letter in letters else 1.2


def _width(text: str) -> float:
    return sum(map(_letter_width, text))


@functools.lru_cache(10_000)
def _fitted(text: str, inches: float, size: float = LETTER, most: int = 1) -> str:
    """The text in lines that fit; shortened in the middle where it needs more than `most`."""
    width = 72 * inches / size
    for kept in range(min(len(text), int(4 * width * most)), 0, -1):
        end = kept // 3
        short = text if kept == len(text) else f"{text[: kept - end]}…{text[len(text) - end :]}"
        lines = _broken(short, width)
        if len(lines) <= most:
            return "\n".join(lines)
    return text[:1]


def _broken(text: str, width: float) -> list[str]:
    """The text in lines that are no wider, broken inside a word only where it must be."""
    lines = [""]
    for word in re.findall(r"[^ _/-]+[ _/-]*|[ _/-]+", text):
        if lines[-1] and _width(lines[-1] + word.rstrip()) > width:
            lines.append("")
        for letter in word:
            if lines[-1] and letter != " " and _width(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return [line.rstrip() for line in lines]


def _as_written(artist: Artist) -> None:
    """Draw every text as it is written: a dollar sign is no formula, a power of ten no mark-up."""
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from matplotlib.ticker import LogFormatter, NullFormatter

    for ax in artist.findobj(Axes):
        for axis in (ax.xaxis, ax.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatter):  # it writes formulas
                _plain_numbers(axis)
                axis.set_minor_formatter(NullFormatter())
    for text in artist.findobj(Text):
        text.set_parse_math(False)
        if NOT_IN_SVG.search(text.get_text()):
            text.set_text(NOT_IN_SVG.sub(" ", text.get_text()))


def _letters_without_font(figure: Figure) -> frozenset[str]:
    """The letters of a figure that matplotlib's own font lacks."""
    from matplotlib.text import Text

    letters = {letter for text in figure.findobj(Text) for letter in text.get_text()}
    # Marks and joiners come with the letter that they belong to. Cn: Python does not know it, as
    # the newest emoji.
    kinds = {letter: unicodedata.category(letter) for letter in letters - _usual_font()[1]}
    return frozenset(letter for letter, kind in kinds.items() if kind[0] in "LNSP" or kind == "Cn")


def _fonts_with(letters: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """The names of installed fonts that have these letters, and the letters that none has."""
    names, missing = [], letters
    for font in _every_font() if letters else ():
        there = missing & _letters_of(font.fname, letters)
        if there:
            names.append(font.name)
            missing -= there
        if not missing:
            break
    return names, missing


def _every_font() -> Iterator[FontEntry]:
    """The fonts that matplotlib knows, upright ones first; then those installed since."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    def how_plain(font: FontEntry) -> tuple:
        return font.style != "normal", font.weight not in (400, "normal", "regular"), font.name

    known = [font for font in fontManager.ttflist if not font.name.startswith("Last Resort")]
    yield from sorted(known, key=how_plain)
    for path in sorted({*findSystemFonts()} - {font.fname for font in known}):
        count = len(fontManager.ttflist)
        with contextlib.suppress(Exception):  # a file that matplotlib cannot draw from
            fontManager.addfont(path)
        yield from fontManager.ttflist[count:]


@functools.lru_cache(10_000)
def _letters_of(path: str, letters: frozenset[str]) -> frozenset[str]:
    """Those of the letters that the font in a file has."""
    from matplotlib.ft2font import FT2Font

    try:
        there = FT2Font(path).get_charmap()
    except (OSError, RuntimeError):  # removed since, or no font
        return frozenset()
    return frozenset(letter for letter in letters if ord(letter) in there)


def _set_fonts(figure: Figure, names: list[str]) -> list[str]:
    """Let every text use these fonts beside the usual one, unless somebody chose its font."""
    from matplotlib.text import Text

    fonts = ["DejaVu Sans", *names, "sans-serif"] if names else ["sans-serif"]
    for text in figure.findobj(Text):
        if text.get_fontfamily()[-1:] == ["sans-serif"]:
            text.set_fontfamily(fonts)
    return fonts


def _font_note(missing: frozenset[str]) -> str:
    """Which font to install for letters that none of the fonts has; "" where nothing is missing."""
    kinds = set()
    for letter in missing:
        script = unicodedata.name(letter, "").split(" ")[0]
        if script in ("CJK", "HANGUL", "HIRAGANA", "KATAKANA", "FULLWIDTH", "IDEOGRAPHIC"):
            kinds.add("Noto Sans CJK")
        elif unicodedata.category(letter)[0] == "S" or not script:
            kinds.add("Noto Emoji")
        else:
            kinds.add(f"Noto Sans {script.title()}".strip())
    if not kinds:
        return ""
    return (
        f"No font here has some letters of this picture ({''.join(sorted(missing)[:5])}). Where "
        f"boxes stand for them, install the font {' and '.join(sorted(kinds))} and run this again."
    )


# --------------------------------------------------------------------------------- images


def _draw_image(ax: Axes, image: np.ndarray, low: float = 0, high: float = 255) -> None:
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


def _checked_images(images: np.ndarray) -> np.ndarray:
    try:
        checked = np.asarray(images)
    except (TypeError, ValueError, RuntimeError):  # of several sizes, or on another device
        checked = np.empty(())
    if checked.ndim != 4 or checked.shape[-1] not in (1, 3) or 0 in checked.shape:
        raise UsageError(
            "Expected images of shape (images, height, width, 1 or 3), at least one. "
            f"Received: {checked.shape if checked.ndim else _brief(images)}. "
            + (
                "images[..., numpy.newaxis] gives grey ones a channel."
                if checked.ndim == 3 and checked.shape[-1] not in (1, 3)
                else "One image becomes a batch with image[numpy.newaxis]."
            )
        )
    return checked if checked.dtype.kind in "biuf" else _numbers(checked, "pixels")


def _pixel_range(images: np.ndarray) -> tuple[float, float]:
    """The values that are black and white, by the type and the range of all the images."""
    if images.dtype == np.uint8:
        return 0, 255
    low, high = float(images.min()), float(images.max())
    if not np.isfinite([low, high]).all():
        raise UsageError(f"Expected finite pixels. Received: {_number(low)} to {_number(high)}.")
    if images.dtype.kind == "f":
        beyond = 0.1 * (high - low)  # resizing can lead a little beyond the ends
        known = [(0, 1), (-1, 1), *[(0, 255)] * (high > 10)]  # below, 255 as white would be night
    else:
        beyond, known = 0, [(0, 1), (-1, 1), (0, 255), (0, 65535)]
    for black, white in known:
        if black - beyond <= low and high <= white + beyond:
            return black, white
    raise UsageError(
        "Expected pixels from 0 to 255, from 0 to 1 or from -1 to 1. Received: "
        f"{images.dtype} from {_number(low)} to {_number(high)}. Bring them to 0 to 1: after "
        "images = images.astype(float), (images - images.min()) / (images.max() - images.min())."
    )


def _titles(titles: Sequence[str] | None, count: int) -> list[str]:
    listed = isinstance(titles, Iterable) and getattr(titles, "ndim", 1) > 0
    listed = listed and not isinstance(titles, str)
    known = [] if titles is None else [*titles] if listed else [titles]
    if len(known) not in (0, count) or isinstance(titles, str):
        received = len(known) if listed else _brief(titles)
        raise UsageError(f"Expected one title an image ({count}), or none. Received: {received}.")
    return [_lines(title) for title in known]


def _wrapped(text: str, inches: float, size: float = LETTER, most: int = 2) -> str:
    """Each line of a title in at most so many lines that fit."""
    return "\n".join(_fitted(line, inches, size, most) for line in text.split("\n"))


def _grid(
    rows: int,
    columns: int,
    side: float,
    *,
    titles: Sequence[str] = (),
    heading: str = "",
    right: float = 0.05,
) -> list[Axes]:
    """Axes for images of this many inches, row by row, each with its title above it.

    Every place is known here, so nothing has to be tried out while it is drawn, which takes
    as long as the drawing where the images are many.
    """
    across = max((side + 0.06) * columns, 2.2)
    above = [_wrapped(title, side, SMALL) for title in titles]
    top = _wrapped(heading, across, STYLE["axes.titlesize"], 3)
    room = max((0.12 + 0.17 * len(title.split("\n")) for title in above), default=0.06)
    over = 0.05 + 0.21 * len(top.split("\n")) * bool(top)
    width, height = across + 0.05 + right, over + (room + side) * rows + 0.05
    size = (width, height)
    axes = _new_axes(rows, columns, size=size, layout="none", xticks=(), yticks=())
    axes[0].figure.subplots_adjust(
        0.05 / width, 0.05 / height, 1 - right / width, 1 - (over + room) / height,
        wspace=0.06 / side, hspace=room / side,
    )  # fmt: skip
    for ax in axes:
        ax.set_axis_off()
    for ax, title in zip(axes, above, strict=False):
        ax.set_title(title, fontsize=SMALL, pad=4)
    if top:
        axes[0].figure.suptitle(top, y=1 - 0.06 / height, va="top")
    return axes


def _counted(shown: int, count: int, noun: str) -> str:
    """ "8 images", or "the first 8 of 10,000 images" where not all are shown."""
    if shown == count:
        return f"{count:,} {noun}{'s' * (count > 1)}"
    return f"the first {shown:,} of {count:,} {noun}s"


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
    images = _checked_images(images)
    titles, title, count = _titles(titles, len(images)), _lines(title), len(images)
    columns = min(whole_number(columns, "columns", 40), count)
    images = images[: min(MOST_IMAGES, 40 * columns)]
    low, high = _pixel_range(images)
    shown = _counted(len(images), count, "image")
    rows = -(-len(images) // columns)
    side = 1.2 if columns > 5 else 1.7 if columns > 2 else 2.2  # inches: a few may be larger
    heading = "\n".join([*filter(None, [title]), *[shown] * (len(images) < count)])
    axes = _grid(
        rows, columns, min(side, TALLEST / columns), titles=titles[: len(images)], heading=heading
    )
    for ax, image in zip(axes, images, strict=False):
        _draw_image(ax, image, low, high)
    named = ", ".join(_line(text) or "no title" for text in titles[: len(images)])
    spoken = ": ".join(filter(None, [_line(title), f"{shown}, {columns} in a row", named]))
    return _picture(axes, title or shown, f"{spoken[0].upper()}{spoken[1:]}.")


def _ink(colour: Sequence[float]) -> str:
    """Black or white, whichever can be read better on a colour, by the contrast of WCAG 2."""
    red, green, blue, _ = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour
    )
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # (1 + 0.05) / (light + 0.05) against (light + 0.05) / (0 + 0.05): the larger is above 4.5.
    return "white" if (light + 0.05) ** 2 < 1.05 * 0.05 else "black"


def _draw_squares(
    ax: Axes, values: np.ndarray, texts: Mapping[tuple[int, int], str], cmap: str, **ends: float
) -> None:
    """Coloured squares, with a text in some of them: (row, column) -> text."""
    import matplotlib

    colours = matplotlib.colormaps[cmap].with_extremes(bad="white")
    shades = ax.imshow(np.where(np.isfinite(values), values, np.nan), cmap=colours, **ends)
    widest = max(map(_width, texts.values()), default=1)
    size = min(LETTER, 65 * _inches(ax)[0] / values.shape[1] / max(widest, 1))
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

    Introduced in lesson 3.
    """
    matrix, title = _checked_matrix(matrix, cmap), _lines(title)
    rows, columns = matrix.shape
    width = max(0.55 * columns + 0.4, 1.6)
    heading = _wrapped(title, width, STYLE["axes.titlesize"])
    ax = _one_axes(ax, (width, 0.55 * rows + 0.4 + 0.2 * len(heading.split("\n"))))
    written = {place: _number(matrix[place]) for place in np.ndindex(matrix.shape)}
    _draw_squares(ax, matrix, written, cmap)
    # Lines between and around the squares, so that a white one does not melt into the page.
    ax.set_xticks(np.arange(columns - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(rows - 1) + 0.5, minor=True)
    ax.grid(which="minor", color=FRAME, linewidth=0.8)
    ax.spines[:].set(visible=True, color=FRAME, linewidth=0.8)
    ax.tick_params(which="both", length=0)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(heading)
    numbers = "; ".join(" ".join(written[row, at] for at in range(columns)) for row in range(rows))
    spoken = f"{rows} by {columns} numbers: {numbers}"
    return _picture(ax, title or "a matrix", _sentences(title, spoken))


def _checked_matrix(matrix: np.ndarray, cmap: str) -> np.ndarray:
    import matplotlib

    matrix = _numbers(matrix, "a matrix")
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
    maps, title = _numbers(maps, "feature maps"), _lines(title)
    if maps.ndim != 3 or 0 in maps.shape:
        raise UsageError(
            "Expected maps of shape (height, width, channels). Received: "
            f"{maps.shape}. A dense layer's numbers have no places: draw them with plot_bars."
        )
    height, width, count = maps.shape
    columns = min(whole_number(columns, "columns", 40), count)
    channels = np.moveaxis(maps, -1, 0)[: min(MOST_IMAGES, 40 * columns)]
    kind, places = ("filter", "weights") if filters else ("feature map", "places")
    shown = _counted(len(channels), count, kind)
    heading = title if title and len(channels) == count else _lines(f"{title}\n{shown}".strip())
    rows = -(-len(channels) // columns)
    axes = _grid(rows, columns, min(1.1, 9.5 / columns), heading=heading)
    for ax, channel in zip(axes, channels, strict=False):
        _draw_image(ax, channel, *_map_range(channel, filters))
    silent = sum(not channel.any() for channel in channels)
    seen = f"bright where the filter answers; dark everywhere: {silent}"
    if not np.isfinite(channels).all():
        seen += "; some hold values that are not finite, drawn white"
    if filters:
        seen = "white where a weight is largest, grey where it is 0, black where it is far below"
    return _picture(
        axes, title or shown, _sentences(title, f"{shown} of {height} by {width} {places}, {seen}")
    )


def _map_range(channel: np.ndarray, filters: bool) -> tuple[float, float]:
    """The values that are black and white in one map, or in one filter, where grey is 0."""
    finite = channel[np.isfinite(channel)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0, 0)
    if low == high:
        low, high = min(low, 0), max(high, 1e-9)
    return (-max(-low, high), max(-low, high)) if filters else (low, high)


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
    images, heatmaps = _checked_images(images), _checked_heat(heatmaps, len(images))
    titles, count = _titles(titles, len(images)), len(images)
    low, high = _pixel_range(images)
    images, heatmaps = images[:MOST_HEATMAPS], heatmaps[:MOST_HEATMAPS]
    columns = min(len(images), 8)
    starts = range(0, len(images), columns)
    below = [""] * columns
    ordered = [
        text for at in starts for text in (*titles[at : at + columns], *below)[: 2 * columns]
    ]
    axes = _grid(2 * len(starts), columns, 1.55, titles=ordered if titles else (), right=0.65)
    for number, (image, heat) in enumerate(zip(images, heatmaps, strict=True)):
        at = number + columns * (number // columns)
        _draw_image(axes[at], image, low, high)
        _draw_heat(axes[at + columns], image, heat, (low, high))
    _draw_scale(axes[2 * columns - 1])
    names = titles or [f"image {number}" for number in range(1, count + 1)]
    places = "; ".join(
        f"{_line(name)}: {_brightest_place(heat)}"
        for name, heat in zip(names, heatmaps, strict=False)
    )
    shown = _counted(len(images), count, "image")
    spoken = (
        f"{shown[0].upper()}{shown[1:]}, and below each the same image with a heat map over it, "
        "from dark blue for 0 to yellow for 1"
    )
    return _picture(
        axes, "where the network looks",
        _sentences(spoken, f"The brightest place of each: {places}"),
    )  # fmt: skip


def _checked_heat(heatmaps: np.ndarray, count: int) -> np.ndarray:
    heatmaps = _numbers(heatmaps, "heat maps")
    if heatmaps.ndim != 3 or len(heatmaps) != count or 0 in heatmaps.shape:
        raise UsageError(
            f"Expected heat maps of shape ({count}, rows, columns), one an image. "
            f"Received: {heatmaps.shape}. One alone becomes a batch with heatmap[np.newaxis]."
        )
    heatmaps = np.nan_to_num(heatmaps)
    low, high = heatmaps.min(), heatmaps.max()
    if low < -0.001 or high > 1.001:
        raise UsageError(
            f"Expected heat maps from 0 to 1. Received: {_number(low)} to {_number(high)}. "
            "Bring them there: heatmaps.clip(0) / heatmaps.max()."
        )
    return heatmaps


def _draw_heat(
    ax: Axes, image: np.ndarray, heat: np.ndarray, pixel_range: tuple[float, float]
) -> None:
    _draw_image(ax, image, *pixel_range)
    height, width = image.shape[:2]
    ax.imshow(
        # Nearly clear where the map is low, nearly solid where it is high: so the highest place
        # is yellow on a dark image as well as on a bright one.
        heat, cmap=HEAT, vmin=0, vmax=1, alpha=0.3 + 0.6 * heat.clip(0, 1),
        interpolation="bilinear", extent=(-0.5, width - 0.5, height - 0.5, -0.5),
    )  # fmt: skip


def _draw_scale(last: Axes) -> None:
    """The colours of heat maps with their numbers, beside the last of them."""
    from matplotlib.cm import ScalarMappable

    beside = last.inset_axes((1.12, 0, 0.1, 1))
    scale = last.figure.colorbar(ScalarMappable(cmap=HEAT), cax=beside, ticks=(0, 1))
    scale.ax.set_yticklabels(("0", "1"))


def _brightest_place(heat: np.ndarray) -> str:
    if heat.max() == heat.min():
        return "nothing stands out"
    row, column = np.unravel_index(np.argmax(heat), heat.shape)
    vertical = ("top", "middle", "bottom")[3 * int(row) // heat.shape[0]]
    horizontal = ("left", "centre", "right")[3 * int(column) // heat.shape[1]]
    return f"{vertical} {horizontal}"


# -------------------------------------------------------------------------- lines and bars


def _sentences(*parts: str) -> str:
    """The parts that are not empty, each with a stop after it."""
    return " ".join(part if part[-1] in ".?!" else f"{part}." for part in parts if part)


def _inches(ax: Axes) -> tuple[float, float]:
    """How wide and how high the Axes are."""
    width, height = ax.figure.get_size_inches()
    return width * ax.get_position().width, height * ax.get_position().height


def _plain_numbers(axis: Axis) -> None:
    """Write the numbers of an axis out, with no factor in its corner: 2,000,000, not 2.0."""

    def written(place: float, _: int | None = None) -> str:
        low, high = sorted(axis.get_view_interval())
        if axis.get_scale() == "log":  # all in one way
            return _power(place, 12) if low < 1e-4 or high >= 1e9 else _number(place, 12)
        # Places are sums of steps, and what should be 0 can be 6e-17.
        return _number(0 if abs(place) < 1e-9 * (high - low) else place, 12)

    axis.set_major_formatter(written)


def _few_powers(axis: Axis) -> None:
    """Put three to eight numbers on a logarithmic axis: powers of ten, or 10, 20, 50, 100."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    powers = np.arange(np.ceil(np.log10(low)), np.log10(high) + 1e-9)
    between = np.multiply.outer(10.0 ** np.append(powers, powers[:1] - 1), (1, 2, 5))
    if len(powers) >= 3:
        axis.set_major_locator(LogLocator(numticks=8))
    elif np.sum((between >= low) & (between <= high)) >= 3:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axis.set_major_locator(MaxNLocator(8, steps=(1, 2, 5, 10)))
    axis.set_minor_formatter(NullFormatter())


def _dress(ax: Axes, x_label: str, y_label: str, title: str, beside: float = 0) -> None:
    """What the axes show and a heading, broken into lines that fit.

    Where names take so many inches beside the Axes, these become narrower when they are drawn.
    """
    width, height = _inches(ax)
    width -= max(0, beside - 0.2 * ax.figure.get_figwidth())
    ax.set_xlabel(_wrapped(x_label, width))
    ax.set_ylabel(_wrapped(y_label, height))
    ax.set_title(_wrapped(title, width, STYLE["axes.titlesize"], 3))
    for axis in (ax.xaxis, ax.yaxis):
        _plain_numbers(axis)


def _look(number: int, *, markers: bool = True) -> dict[str, object]:
    """Colour, dash and marker of a line; no two of the first 504 have the same."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKERS[number % len(MARKERS)] if markers else None,
    }


def _name_lines(
    ax: Axes, handles: Sequence[Line2D], names: Sequence[str], *, beside: bool = False
) -> None:
    """Say which line is which; beside the Axes where many names would lie over the lines."""
    # Handles and names are both given, since matplotlib leaves out a name that begins with _.
    most = 2 if len(names) <= len(COLOURS) else 1
    shown = [_fitted(name, 2.4, SMALL, most) for name in names[:MOST_LINES_NAMED]]
    # Only where the figure makes room for it.
    beside = (beside or len(names) > len(COLOURS)) and ax.figure.get_layout_engine() is not None
    place = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if beside else {"loc": "best"}
    legend = ax.legend(
        list(handles)[: len(shown)],
        shown,
        fontsize=SMALL,
        framealpha=0.8,
        edgecolor="none",
        **place,
    )
    if len(names) > len(shown):
        legend.set_title(_counted(len(shown), len(names), "line"))


def _beside(names: Sequence[str]) -> float:
    """The inches that names take beside the Axes."""
    return min(max(map(_width, names)) * LETTER / 72, LONGEST_NAME)


def _height_for(names: Sequence[str]) -> float:
    """The inches that names below each other take."""
    return max(3.6, 0.27 * min(len(names), MOST_LINES_NAMED) + 0.8)


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
        log_x: whether equal steps on the x axis mean equal factors (a logarithmic scale);
            the positions are then above 0.
        ax: the Axes to draw on; a figure of its own where it is left out.

    Raises:
        UsageError: no line, values that are no numbers, or too few positions.

    Introduced in lesson 3.
    """
    names, series = _named(lines, "values")
    series = [_row(row, f"the values of {name}") for name, row in zip(names, series, strict=True)]
    places = [_positions(x, key, len(row), log_x) for key, row in zip(lines, series, strict=True)]
    x_label, y_label, title = _line(x_label), _line(y_label), _line(title)
    few = max(map(len, series)) <= 30
    many = len(names) > len(COLOURS)  # their names stand beside the Axes
    ax = _one_axes(ax, (9, _height_for(names)) if many else (7, 3.6))
    _dress(ax, x_label, y_label, title, _beside(names) + 1.3 if many else 0)
    drawn = []
    for number, (name, at, row) in enumerate(zip(names, places, series, strict=True)):
        marked = np.full(len(row), True) if few else _alone(row)
        look = _look(number, markers=marked.any())
        drawn += ax.plot(at, row, linewidth=2, label=name, markevery=marked, **look)
    if log_x:
        ax.set_xscale("log", subs=range(2, 10))
        _few_powers(ax.xaxis)
        _plain_numbers(ax.xaxis)
    elif few and all((at == at.round()).all() for at in places):
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if len(names) > 1:
        _name_lines(ax, drawn, names)
    spoken = "; ".join(map(_spoken_line, names, places, series, [x_label] * len(names)))
    over = f"{y_label} over {x_label}"
    return _picture(ax, title or over, _sentences(title, over, spoken))


def _alone(row: np.ndarray) -> np.ndarray:
    """Which values have no neighbour that a line could lead to: no line shows them."""
    there = np.pad(np.isfinite(row), 1)
    return there[1:-1] & ~there[:-2] & ~there[2:]


def _row(values: Iterable[float], what: str) -> np.ndarray:
    row = _numbers(values, what)
    if row.ndim != 1:
        raise UsageError(f"Expected one number after the other as {what}. Received: {row.shape}.")
    return row


def _positions(
    x: Sequence[float] | Mapping[str, Sequence[float]], key: str, count: int, log_x: bool
) -> np.ndarray:
    """Where the values of one line lie."""
    if isinstance(x, Mapping) and key not in x:
        raise UsageError(f"Expected positions for each line. Received: none for {key!r}.")
    row = _row(x[key] if isinstance(x, Mapping) else x, "positions")
    if len(row) < count:
        raise UsageError(
            f"Expected a position for each of the {count} values of {key!r}. Received: {len(row)}."
        )
    row = row[:count]
    if log_x and not (row > 0).all():
        raise UsageError(
            "Expected positions above 0, since a logarithmic axis has no other. "
            f"Received: {_number(row.min())} for {key!r}. Leave log_x out."
        )
    return row


def _spoken_line(name: str, places: np.ndarray, values: np.ndarray, x_label: str) -> str:
    """Where a line begins, ends and turns."""
    finite = np.isfinite(values)
    if not finite.any():
        return f"{name}: no finite values"
    gaps = "" if finite.all() else f", {np.sum(~finite):,} not finite"
    places, values = places[finite], values[finite]
    if values.min() == values.max():
        return f"{name}: {_number(values[0])} throughout{gaps}"
    where = "" if " " in x_label else f"{x_label} "  # "at epoch 5", but no long label each time
    turns = "".join(
        f", {word} {_number(values[at])} at {where}{_number(places[at], 4)}"
        for word, at in (("lowest", values.argmin()), ("highest", values.argmax()))
    )
    return f"{name}: from {_number(values[0])} to {_number(values[-1])}{turns}{gaps}"


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
        steps: name -> (x, y), in the order in which the steps were taken. The x axis begins
            at 0 where no x is below, so that small differences look small.
        x_label, y_label: what the axes show, with the unit.
        title: a heading.
        ax: the Axes to draw on; a figure of its own where it is left out.

    Raises:
        UsageError: no step, or one without two numbers.

    Introduced in lesson 6.
    """
    names, points = _named(steps, "(x, y)")
    points = _table(points, 2, "(x, y) of each step")
    x_label, y_label, title = _line(x_label), _line(y_label), _line(title)
    ax = _one_axes(ax, (7.5, max(4.2, _height_for(names))))
    _dress(ax, x_label, y_label, title, _beside(names) + 1.3)
    ax.plot(*points.T, color=COLOURS[0], linestyle=":", linewidth=1.5)
    drawn = []
    for number, (x, y) in enumerate(points, 1):
        # Colour and marker say the same as the number beside it.
        look = _look(number) | {"linestyle": "none"}
        drawn += ax.plot([x], [y], markersize=9, **look)
        if np.isfinite([x, y]).all():
            ax.annotate(str(number), (x, y), (7, 7), textcoords="offset points", fontweight="bold")
    ax.margins(0.12)
    if np.nanmin(points[:, 0], initial=0) >= 0:
        ax.set_xlim(left=0)
    _name_lines(ax, drawn, [f"{at}  {name}" for at, name in enumerate(names, 1)], beside=True)
    over = f"{y_label} over {x_label}"
    spoken = "; ".join(
        f"{number} {name}: ({_number(x)}, {_number(y)})"
        for number, (name, (x, y)) in enumerate(zip(names, points, strict=True), 1)
    )
    return _picture(ax, title or over, _sentences(title, over, spoken))


def _table(rows: Sequence[Sequence[float]], columns: int, what: str) -> np.ndarray:
    """Rows of this many numbers."""
    table = _numbers(rows, what)
    if table.ndim != 2 or table.shape[1] != columns:
        raise UsageError(f"Expected {columns} numbers, {what}. Received: {_brief(rows)}.")
    return table


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

    Raises:
        UsageError: no path, or one without a weight; a loss that is no function.

    Introduced in lesson 4.
    """
    names, paths = _named(paths, "weights")
    paths = [_row(path, f"the weights of {name}") for name, path in zip(names, paths, strict=True)]
    if not all(map(len, paths)):
        raise UsageError("Expected at least one weight in every path. Received: none in one.")
    columns = min(len(paths), 4)
    rows = -(-len(paths) // columns)
    axes = _new_axes(rows, columns, size=(3.4 * columns, 3.2 * rows))
    everywhere = np.abs(np.concatenate(paths))
    reach = 1.1 * (np.max(everywhere, where=np.isfinite(everywhere), initial=0) or 1)
    weights = np.linspace(-reach, reach, 200)
    for ax in axes[len(paths) :]:
        ax.set_axis_off()
    for ax, name, path in zip(axes, names, paths, strict=False):
        _dress(ax, _line(x_label), "loss", name)
        ax.plot(weights, _losses(loss, weights), color=GREY, linewidth=1.5)
        losses = _losses(loss, path)
        ax.plot(path, losses, color=COLOURS[1], linestyle="--", marker="o", linewidth=1.5)
        if np.isfinite([path[0], losses[0]]).all():
            ax.annotate("start", (path[0], losses[0]), xytext=(6, 6), textcoords="offset points")
    spoken = "; ".join(
        f"{name}: the {x_label} goes {', '.join(_number(weight, 2) for weight in path)}"
        for name, path in zip(names, paths, strict=True)
    )
    return _picture(axes, "gradient descent", _sentences("Steps of gradient descent", spoken))


def _losses(loss: Callable[[np.ndarray], np.ndarray], weights: np.ndarray) -> np.ndarray:
    try:
        with np.errstate(all="ignore"):  # where a path leads far away
            losses = np.asarray(loss(weights), float)
    except Exception as error:  # whatever the reader's function may raise
        losses = error
    if np.shape(losses) != weights.shape:
        raise UsageError(
            "Expected a loss that takes an array of weights and gives as many losses, such as "
            f"np.square. Received: {_brief(losses)}."
        )
    return losses


def _name_places(axis: Axis, names: Sequence[str], inches: float, **options: object) -> int:
    """Write as many names along an axis as can be read: every one (1), every second (2), ..."""
    points = 72 * inches / len(names)
    size = min(LETTER, max(0.8 * points, 7))
    every = int(np.ceil(8.5 / points))
    shown = range(0, len(names), every)
    labels = [_fitted(names[at], LONGEST_NAME, size) for at in shown]
    axis.set_ticks(shown, labels, fontsize=size, **options)
    return every


def plot_bars(
    values: Mapping[str, float],
    *,
    x_label: str,
    title: str = "",
    number_format: str = "",
    ax: Axes | None = None,
) -> Picture:
    """Draw a horizontal bar a name, with its value written beside it.

    Where there are too many bars to read, only some of the names are written, and no values.

    Args:
        values: name -> value, drawn from the top in this order. One that is not a number has
            no bar.
        x_label: what the length of a bar shows, with the unit.
        title: a heading.
        number_format: how the values are written, for example "{:.1f}"; in three digits, or
            as many as a whole number has, where it is left out.
        ax: the Axes to draw on; a figure of its own where it is left out.

    Raises:
        UsageError: no bar, values that are no numbers, or a format that does not write them.

    Introduced in lesson 2.
    """
    names, lengths = _named(values, "number")
    lengths = _row(lengths, "the lengths of the bars")
    written = _formatted(lengths, number_format)
    x_label, title, count = _line(x_label), _line(title), len(names)
    ax = _one_axes(ax, (7, min(0.32 * count + 1, TALLEST)))
    _dress(ax, x_label, "", title, _beside(names) + 0.2)
    finite = np.where(np.isfinite(lengths), lengths, 0)
    # Very thin bars have no gaps between them, which would be drawn as stripes.
    bars = ax.barh(range(count), finite, 0.8 if count <= MOST_SPOKEN else 1, color=COLOURS[0])
    every = _name_places(ax.yaxis, names, _inches(ax)[1])
    if every == 1:
        ax.bar_label(bars, written, padding=3, fontsize=ax.get_yticklabels()[0].get_fontsize())
    else:
        ax.set_ylabel(f"1 name in {every} is written")
    ax.set_ylim(count - 0.4, -0.6)
    ax.margins(x=0.12)
    if finite.min() >= 0:
        ax.set_xlim(0, None if finite.any() else 1)
    spoken = f"Bars of {x_label}: {_spoken_bars(names, lengths, written)}"
    return _picture(ax, title or x_label, _sentences(title, spoken))


def _formatted(values: np.ndarray, number_format: str) -> list[str]:
    try:
        return [number_format.format(at) if number_format else _number(at) for at in values]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise UsageError(
            'Expected a number_format that writes a number, such as "{:.1f}". '
            f"Received: {number_format!r}."
        ) from None


def _spoken_bars(names: Sequence[str], lengths: np.ndarray, written: Sequence[str]) -> str:
    """Every bar; of very many only how many they are, and the shortest and the longest."""
    if len(names) <= MOST_SPOKEN:
        return ", ".join(map("{} {}".format, names, written))
    order = [at for at in np.argsort(lengths, kind="stable") if np.isfinite(lengths[at])]
    ends = [
        ", ".join(f"{names[at]} {written[at]}" for at in end) for end in (order[:3], order[-3:])
    ]
    return f"{len(names):,}. The shortest: {ends[0]}. The longest: {ends[1]}"


def plot_class_counts(split: Split, *, ax: Axes | None = None) -> Picture:
    """Draw how many images of each class a split has. Introduced in lesson 2."""
    if not hasattr(split, "class_counts"):
        raise UsageError(f"Expected a split, such as dataset.train. Received: {_brief(split)}.")
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

    Raises:
        UsageError: no name, not three numbers a name, or numbers that are no shares.

    Introduced in lesson 5.
    """
    names, shares = _named(measured, "(value, low, high)")
    shares = _table(shares, 3, "(value, low, high) of each name")
    if np.any((shares < 0) | (shares > 1)):
        raise UsageError(
            f"Expected shares from 0 to 1. Received: {_number(np.nanmin(shares))} to "
            f"{_number(np.nanmax(shares))}. Divide percent by 100."
        )
    value, low, high = shares.T
    if np.any((value < low) | (value > high)):
        raise UsageError(
            "Expected (value, low, high), with the value between the other two. Received: "
            f"{_brief(measured)}. accuracy_interval gives low and high."
        )
    x_label, title = _line(x_label), _line(title)
    ax = _one_axes(None, (7, min(0.45 * len(names) + 1.1, TALLEST)))
    _dress(ax, x_label, "", title, _beside(names) + 0.2)
    for row, (value, low, high) in enumerate(100 * shares):
        ax.plot([low, high], [row, row], color=COLOURS[0], linewidth=3)
        ax.plot(value, row, marker="o", color=COLOURS[1], markersize=8)
    every = _name_places(ax.yaxis, names, _inches(ax)[1])
    if every > 1:
        ax.set_ylabel(f"1 name in {every} is written")
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="x", alpha=0.3)
    spoken = "; ".join(
        f"{name} {_percent(value)}, from {_percent(low)} to {_percent(high)}"
        for name, (value, low, high) in zip(names, shares, strict=True)
    )
    return _picture(ax, title or x_label, _sentences(title or x_label, spoken))


# -------------------------------------------------------------- training and its evaluation


def _draw_curves(left: Axes, right: Axes, history: Mapping[str, Sequence[float]]) -> None:
    for ax, metric, label, scale in (
        (left, "loss", "cross-entropy", 1),
        (right, "accuracy", "accuracy (%)", 100),
    ):
        lines = {
            name: [scale * value for value in history[key]]
            for name, key in (("training", metric), ("validation", f"val_{metric}"))
            if key in history
        }
        _dress(ax, "epoch", label, "")
        if lines:
            epochs = range(1, max(map(len, lines.values())) + 1)
            plot_lines(epochs, lines, x_label="epoch", y_label=label, ax=ax)


def live_curves(history: Mapping[str, Sequence[float]], epochs: int) -> Picture:
    """The learning curves so far, loss on the left and accuracy on the right.

    There is room for all `epochs`: `train` redraws them as they grow.

    Introduced in lesson 4.
    """
    left, right = axes = _new_axes(1, 2, size=(9.5, 3.4))
    _draw_curves(left, right, history)
    for ax in axes:
        ax.set_xlim(0.5, max(epochs, 1) + 0.5)
    return _picture(
        axes, "learning curves", f"Learning curves, loss and accuracy. {_so_far(history)}."
    )


def _so_far(history: Mapping[str, Sequence[float]]) -> str:
    """The last values of a history, in words."""
    if not len(history.get("loss", ())):
        return "No epoch has ended yet"
    last = dict.fromkeys(("accuracy", "val_accuracy"), np.nan)
    last |= {name: values[-1] for name, values in history.items()}
    spoken = f"After epoch {len(history['loss'])} the training loss is {last['loss']:.3f} and the "
    spoken += f"training accuracy {_percent(last['accuracy'])}"
    if "val_loss" in last:
        losses = np.asarray(history["val_loss"], float)
        spoken += f"; on the validation images {last['val_loss']:.3f} and "
        spoken += _percent(last["val_accuracy"])
        if np.isfinite(losses).any():
            best_epoch = int(np.argmin(np.where(np.isfinite(losses), losses, np.inf))) + 1
            spoken += f", with the lowest loss in epoch {best_epoch}"
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
        ax: the Axes to draw on; a figure of its own where it is left out.

    Raises:
        UsageError: no run, or one that has not measured this.

    Introduced in lesson 4.
    """
    names, listed = _named(runs, "TrainingRun")
    histories = [getattr(run, "history", None) for run in listed]
    for name, run, history in zip(names, listed, histories, strict=True):
        if not isinstance(history, Mapping):
            raise UsageError(f"Expected a TrainingRun as {name}. Received: {_brief(run)}.")
        if not isinstance(metric, str) or metric not in history:
            measured = ", ".join(history) or "none, since no epoch has ended"
            raise UsageError(
                f"Expected a metric that every run has measured. Received: {metric!r}, and of "
                f"{name}: {measured}. Without validation images a run has no val_loss."
            )
    of = "validation" if metric.startswith("val_") else "training"
    accuracy = metric.endswith("accuracy")
    lines = {
        name: [(100 if accuracy else 1) * value for value in history[metric]]
        for name, history in zip(runs, histories, strict=True)
    }
    longest = max(map(len, lines.values()))
    label = f"{of} accuracy (%)" if accuracy else f"{of} cross-entropy"
    return plot_lines(
        range(1, longest + 1), lines, x_label="epoch", y_label=label, title=title, ax=ax
    )


def plot_confusion(confusion: np.ndarray, split: Split, *, ax: Axes | None = None) -> Picture:
    """Draw a confusion matrix: a row a true class, a column a predicted one.

    Of more than 30 classes only the colours are drawn, and as many names as can be read.

    Args:
        confusion: int (classes, classes), how many images of each true and predicted class.
        split: whose images they are.
        ax: the Axes to draw on; a figure of its own where it is left out.

    Introduced in lesson 5.
    """
    names = [_line(name) or "(no name)" for name in split.class_names]
    count = len(names)
    square = min(max(0.52 * count, 2.2), TALLEST - 3.4)
    beside = _beside(names)
    ax = _one_axes(ax, (square + beside + 0.9, square + 0.75 * beside + 1.2))
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    numbers = np.argwhere(confusion) if count <= MOST_WITH_NUMBERS else ()
    written = {(row, column): f"{confusion[row, column]}" for row, column in numbers}
    _draw_squares(ax, shares, written, "Blues", vmin=0, vmax=1)
    inches = min(_inches(ax))
    across = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    every = _name_places(ax.xaxis, names, inches, **across)
    _name_places(ax.yaxis, names, inches)
    part = f" (1 name in {every} is written)" * (every > 1)
    title = f"Confusion matrix, {len(split):,} {split.name} images"
    ax.set_xlabel(f"predicted class{part}")
    ax.set_ylabel(f"true class{part}")
    ax.set_title(_wrapped(title, inches, STYLE["axes.titlesize"]))
    left_out = "Too many classes for numbers: the darker, the larger the share of a true class"
    right = np.trace(confusion) / confusion.sum()
    spoken = f"Confusion matrix of {count:,} classes, {_percent(right)} on the diagonal"
    return _picture(
        ax, "confusion matrix",
        _sentences(
            spoken, left_out * (count > MOST_WITH_NUMBERS), _worst_confusions(confusion, names)
        ),
    )  # fmt: skip


def _worst_confusions(confusion: np.ndarray, names: Sequence[str]) -> str:
    off_diagonal = np.where(np.eye(len(names), dtype=bool), 0, confusion)
    worst = np.argsort(off_diagonal, axis=None)[::-1][:3]
    spoken = [
        f"{off_diagonal[row, column]} {names[row]} taken for {names[column]}"
        for row, column in zip(*np.unravel_index(worst, confusion.shape), strict=True)
        if off_diagonal[row, column]
    ]
    return f"Most frequent mistakes: {', '.join(spoken) or 'none'}"


def plot_mistakes(
    split: Split, mistakes: np.ndarray, predictions: np.ndarray, confidences: np.ndarray
) -> Picture:
    """Show mistakes: what each image is, what the network said, how sure it was.

    Args:
        split: the images and their true classes.
        mistakes: the indices of those to show, the first first.
        predictions: int (images,), the class that the network gave each image of the split.
        confidences: float (images,), how sure it was, 0 to 1.

    Raises:
        UsageError: no mistakes.

    Introduced in lesson 5.
    """
    if not len(mistakes):
        raise UsageError(
            "Expected at least one mistake to show. Received: an evaluation with none."
        )
    titles = [
        f"is {_line(split.class_names[split.labels[index]])}\n"
        f"said {_line(split.class_names[predictions[index]])}\n"
        f"{100 * confidences[index]:.1f} % sure"
        for index in mistakes
    ]
    columns = 5
    low, high = _pixel_range(np.stack([split.images[index] for index in mistakes]))
    axes = _grid(-(-len(mistakes) // columns), columns, 1.85, titles=titles)
    for ax, index in zip(axes, mistakes, strict=False):
        _draw_image(ax, split.images[index], low, high)
    spoken = "; ".join(text.replace("\n", ", ") for text in titles)
    return _picture(axes, "the most confident mistakes", f"The most confident mistakes: {spoken}.")


def plot_calibration(
    calibration: Calibration, split: Split, *, smallest_group: int = 20, ax: Axes | None = None
) -> Picture:
    """Draw how often the network is right against how sure it says it is.

    Args:
        calibration: of an evaluation.
        split: of which images.
        smallest_group: groups of fewer images are not drawn, since their share right is
            chance; the description still has them.
        ax: the Axes to draw on; a figure of its own where it is left out.

    Introduced in lesson 5.
    """
    ax = _one_axes(ax, (5.4, 4.2))
    title = f"Calibration, {len(split):,} {split.name} images"
    _dress(ax, "how sure the network is (%)", "how often it is right (%)", title)
    ax.plot([0, 100], [0, 100], color=GREY, linestyle=":", label="as sure as right")
    drawn = calibration.counts >= smallest_group
    ax.plot(
        100 * calibration.confidence[drawn], 100 * calibration.accuracy[drawn], color=COLOURS[0],
        marker=MARKERS[0], linewidth=2, label="this network",
    )  # fmt: skip
    ax.set_xlim(0, 102)
    ax.set_ylim(0, 102)
    ax.legend(loc="upper left", framealpha=0.8, edgecolor="none")
    spoken = "; ".join(
        f"{_percent(sure)} sure, {_percent(right)} right of {count}"
        for sure, right, count in zip(
            calibration.confidence, calibration.accuracy, calibration.counts, strict=True
        )
    )
    return _picture(ax, "calibration", f"How sure the network is and how often right: {spoken}.")
