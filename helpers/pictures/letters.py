"""How wide letters are, how a text fits its place, and which font has its letters."""

from __future__ import annotations

import contextlib
import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontEntry
    from matplotlib.ft2font import FT2Font

LETTER, SMALL, TITLE = 11, 10, 12  # points
LONGEST_NAME = 2.2  # inches, along an axis


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


def width_of(text: str) -> float:
    return sum(map(_letter_width, text))


@functools.lru_cache(10_000)
def fitted(text: str, inches: float, size: float = LETTER, most: int = 1) -> str:
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
        if lines[-1] and width_of(lines[-1] + word.rstrip()) > width:
            lines.append("")
        for letter in word:
            if lines[-1] and letter != " " and width_of(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return [line.rstrip() for line in lines]


def choose_fonts(figure: Figure) -> tuple[list[str], str]:
    """Let a figure use fonts that have its letters, unless somebody chose a font.

    Returns:
        The names of the fonts, and a note where some letters have none, else "".
    """
    from matplotlib.text import Text

    names, missing = [], _letters_without_font(figure)
    for font in _every_font() if missing else ():
        if there := missing & _letters_of(font.fname, missing):
            names.append(font.name)
            missing -= there
        if not missing:
            break
    fonts = ["DejaVu Sans", *names, "sans-serif"] if names else ["sans-serif"]
    for text in figure.findobj(Text):
        if text.get_fontfamily()[-1:] == ["sans-serif"]:
            text.set_fontfamily(fonts)
    return fonts, _font_note(missing)


def _letters_without_font(figure: Figure) -> frozenset[str]:
    """The letters of a figure that matplotlib's own font lacks."""
    from matplotlib.text import Text

    letters = {letter for text in figure.findobj(Text) for letter in text.get_text()}
    # Marks and joiners come with the letter that they belong to. Cn: Python does not know it, as
    # the newest emoji.
    kinds = {letter: unicodedata.category(letter) for letter in letters - _usual_font()[1]}
    return frozenset(letter for letter, kind in kinds.items() if kind[0] in "LNSP" or kind == "Cn")


def _every_font() -> Iterator[FontEntry]:
    """The fonts that matplotlib knows, then those installed since; of each the plain ones first."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    def how_plain(font: FontEntry) -> tuple:
        return font.style != "normal", font.weight not in (400, "normal", "regular"), font.name

    known = [font for font in fontManager.ttflist if not font.name.startswith("Last Resort")]
    yield from sorted(known, key=how_plain)
    count = len(fontManager.ttflist)
    for path in sorted({*findSystemFonts()} - {font.fname for font in known}):
        with contextlib.suppress(Exception):  # a file that matplotlib cannot draw from
            fontManager.addfont(path)
    # All are added before one is chosen: where a family has bold letters only, findfont warns.
    yield from sorted(fontManager.ttflist[count:], key=how_plain)


@functools.lru_cache(10_000)
def _letters_of(path: str, letters: frozenset[str]) -> frozenset[str]:
    """Those of the letters that the font in a file has."""
    from matplotlib.ft2font import FT2Font

    try:
        there = FT2Font(path).get_charmap()
    except (OSError, RuntimeError):  # removed since, or no font
        return frozenset()
    return frozenset(letter for letter in letters if ord(letter) in there)


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


def wrapped_title(text: str, inches: float, size: float = LETTER, most: int = 2) -> str:
    """Each line of a text in at most so many lines that fit."""
    return "\n".join(fitted(line, inches, size, most) for line in text.split("\n"))


def heading(text: str, inches: float) -> str:
    """A title above the Axes, in lines that fit."""
    return wrapped_title(text, inches, TITLE, 3)


def width_beside(names: Sequence[str]) -> float:
    """The inches that names take beside the Axes."""
    return min(max(map(width_of, names)) * LETTER / 72, LONGEST_NAME)
