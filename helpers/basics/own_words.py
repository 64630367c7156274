"""What an error of another library says, on one line, and what becomes of it."""

from __future__ import annotations

import contextlib
import re
import textwrap
from collections.abc import Iterator

from helpers.basics.errors import CourseError, MismatchError, NotEnoughMemoryError

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


@contextlib.contextmanager
def computing_in_words() -> Iterator[None]:
    """Say what a model says that fails only when it computes.

    Raises:
        MismatchError: a layer cannot compute its answers.
        NotEnoughMemoryError: the memory ran out.

    Introduced in lesson 5.
    """
    import tensorflow as tf

    try:
        yield
    except CourseError:
        raise
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise NotEnoughMemoryError(
            "Expected enough memory for the answers of the model. Received: too little. Ask it "
            "about fewer or smaller images, or close other programs."
        ) from error
    except Exception as error:  # whatever a layer says while it computes
        raise MismatchError(
            "Expected a model that can compute its answers. Received: one that ends in an error: "
            f"{in_its_own_words(error)}. Ask it about one image to find the layer: "
            "model(images[:1])."
        ) from error
