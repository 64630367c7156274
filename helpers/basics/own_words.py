"""What an error of another library says, on one line."""

from __future__ import annotations

import re
import textwrap

from helpers.basics.errors import MismatchError

LONGEST_ERROR = 600  # characters, of an error in the words of another library


def in_its_own_words(error: Exception, longest: int = LONGEST_ERROR) -> str:
    """What an error says, on one line. TensorFlow puts that last, and Keras first."""
    import tensorflow as tf

    said, kind = re.sub(r"\x1b\[\d*m", "", str(error)), f"{type(error).__name__}: "
    said = said.partition("Arguments received by")[0]
    said = said.rpartition("Exception encountered: ")[2]  # after a whole configuration
    if isinstance(error, tf.errors.OpError):
        from_python = "Traceback (most recent call last)" in said  # and so with its kind
        said = re.sub(r"\{\{.*?\}\}", "", re.split(r"\t \[\[\{\{node|\[Op:", said)[0])
        said, kind = said.strip().rpartition("\n\n")[2], "" if from_python else kind
    lines = [line for line in said.splitlines() if "ncountered when calling" not in line]
    said = " ".join(" ".join(lines).split()).removeprefix(
        f"{MismatchError.__module__}.MismatchError: "
    )
    return textwrap.shorten(f"{kind}{said}", longest, placeholder=" ...").rstrip(" .:")
