"""What is said of an image file: a kind and a cause; and names. Introduced in lesson 2.

A file that gives no picture is `Refused`; a remark on a good picture is a `Remark`. What to do
about each kind stands in `helpers.folders.findings`.
"""

from __future__ import annotations

import errno
import os
import re

Remark = tuple[str, str]  # a kind of finding, and its cause: a sentence
CONTROLS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")  # line breaks, commands to a terminal


class Refused(Exception):
    """Why a file gives no picture that can be used: a kind and a cause. Introduced in lesson 2."""


def reason(error: Refused | OSError) -> Remark:
    """The kind and the cause: of a refusal, or of what the system says about a file.

    Introduced in lesson 2.
    """
    if isinstance(error, Refused):
        return error.args
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR):
        return "vanished", "It was there when the folder was listed, and no longer is."
    kind = "path too long" if error.errno == errno.ENAMETOOLONG else "unreadable"
    return kind, f"It cannot be read. The system says: {error.strerror}."


def printable(text: str) -> str:
    """The text with every character that cannot be shown escaped. Introduced in lesson 2."""
    text = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def is_text(name: str) -> bool:
    """Whether a name is proper Unicode; Linux allows any bytes. Introduced in lesson 2."""
    return name.encode(errors="ignore").decode() == name


def can_be_shown(name: str) -> bool:
    """Whether a name is text in one line, and more than spaces. Introduced in lesson 2."""
    return is_text(name) and bool(name.strip()) and not CONTROLS.search(name)
