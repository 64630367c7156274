"""Names, numbers and sentences as pictures write and speak them; what their arguments must be."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from helpers.basics.errors import UsageError

# Characters that XML forbids: with one of them a browser shows nothing of an SVG.
NOT_IN_SVG = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_line(text: object) -> str:
    """A name or a title as one line that can be drawn and spoken."""
    if text is None:
        return ""
    known = str(text).encode("utf-8", "replace").decode()  # file names may hold half letters
    known = NOT_IN_SVG.sub(" ", known)
    visible = (" " if unicodedata.category(letter) == "Cc" else letter for letter in known)
    return " ".join("".join(visible).split())


def as_lines(text: object) -> str:
    """A title in the lines in which it was given."""
    return "" if text is None else "\n".join(as_line(part) for part in str(text).split("\n"))


def in_digits(value: float, digits: int = 3) -> str:
    """A number as people write it: 0.25, 12,500, 1e-8; never -0, 1e+03 or 1e-08."""
    value = float(value) + 0.0  # no -0
    power = int(np.floor(np.log10(abs(value)))) if np.isfinite(value) and value else 0
    if not -4 <= power < 9:
        return power_of_ten(value, digits)
    written = f"{value:,.{max(digits - 1 - power, 0)}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def power_of_ten(value: float, digits: int) -> str:
    """A number by its power of ten: 1e-8, 2.5e12."""
    written, power = f"{value:.{digits - 1}e}".split("e")
    return f"{written.rstrip('0').rstrip('.')}e{int(power)}"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %" if np.isfinite(share) else "unknown"


def as_numbers(values: Iterable[float], what: str) -> np.ndarray:
    """The values as an array of floats, or words on what they are."""
    try:
        return np.asarray(values if hasattr(values, "__array__") else [*values], float)
    except (TypeError, ValueError, RuntimeError):
        raise UsageError(f"Expected numbers as {what}. Received: {brief(values)}.") from None


def as_named(values: Mapping[str, object], what: str) -> tuple[list[str], list]:
    """The names and the values of a dictionary that is one and is not empty."""
    if not isinstance(values, Mapping) or not values:
        raise UsageError(
            f"Expected a dictionary with at least one name: name -> {what}. "
            f"Received: {brief(values)}."
        )
    return [as_line(name) or "(no name)" for name in values], list(values.values())


def brief(value: object) -> str:
    return textwrap.shorten(f"{type(value).__name__} {value!r}", 80, placeholder=" ...")


def count_shown(shown: int, count: int, noun: str) -> str:
    """ "8 images", or "the first 8 of 10,000 images" where not all are shown."""
    if shown == count:
        return f"{count:,} {noun}{'s' * (count > 1)}"
    return f"the first {shown:,} of {count:,} {noun}s"


def sentences(*parts: str) -> str:
    """The parts that are not empty, each with a stop after it."""
    return " ".join(part if part[-1] in ".?!" else f"{part}." for part in parts if part)


def as_row(values: Iterable[float], what: str) -> np.ndarray:
    row = as_numbers(values, what)
    if row.ndim != 1:
        raise UsageError(f"Expected one number after the other as {what}. Received: {row.shape}.")
    return row


def as_table(rows: Sequence[Sequence[float]], columns: int, what: str) -> np.ndarray:
    """Rows of this many numbers."""
    table = as_numbers(rows, what)
    if table.ndim != 2 or table.shape[1] != columns:
        raise UsageError(f"Expected {columns} numbers, {what}. Received: {brief(rows)}.")
    return table
