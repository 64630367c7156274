"""An answer in Python's and NumPy's own types, whatever library it comes from.

A learner may answer with a tuple or a list, a number of Python, NumPy, TensorFlow or PyTorch.
None of that makes an answer wrong. What it cannot be is said in words: `Wrong` carries them.
"""

from __future__ import annotations

import math
import re
import reprlib
from numbers import Number

import numpy as np

WRITTEN = "Python writes a number without comma and percent sign: 83946, 0.85."
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 60  # characters


class Wrong(Exception):
    """An answer that is not correct; the text says what is wrong about it, never the answer."""


class NotAnswered(Exception):
    """The place for the answer is still empty."""


def received(value: object) -> str:
    """An answer as a message shows it: short, on one line."""
    if isinstance(value, np.ndarray) and value.size > 1:
        return f"an array of the shape {value.shape}"
    return " ".join(SHORT.repr(value).split())


def plain(value: object) -> object:
    """The same answer as a number, a text, a tuple of such, or an array of NumPy.

    Tensors and variables of TensorFlow, Keras and PyTorch become arrays, arrays of one number
    that number, lists tuples. What is none of these stays as it is.
    """
    if value is None or isinstance(value, str | bytes | bool | int | float | type):
        return value
    if isinstance(value, list | tuple):
        return tuple(plain(each) for each in value)
    if type(value).__name__ == "TensorShape":
        return tuple(value.as_list())
    if hasattr(value, "detach"):  # of PyTorch, which may still hold its gradient
        value = value.detach().cpu()
        value = value.float() if value.dtype.is_floating_point else value
    if isinstance(value, Number) or not hasattr(value, "__array__"):
        return value
    try:
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except (ValueError, TypeError, RuntimeError, NotImplementedError):  # it has no numbers yet
        return value
    return array.reshape(()).item() if array.size == 1 and array.ndim <= 1 else array


def as_number(value: object) -> float:
    """The answer as one number.

    Raises:
        Wrong: it is none.
    """
    value = plain(value)
    while isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, str):
        plainly = "" if re.fullmatch(r"[\d.]+", value.strip()) else f". {WRITTEN}"
        raise Wrong(
            f"Expected a number. Received the text {received(value)}: leave out the quotes{plainly}"
        )
    if isinstance(value, bool | np.bool_ | complex) or not isinstance(value, Number):
        more = f" {WRITTEN}" if isinstance(value, tuple) else ""
        raise Wrong(f"Expected one number. Received: {received(value)}.{more}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Wrong(
            f"Expected a number. Received: {number}. That comes out where something is divided "
            "by 0, where the logarithm of 0 is taken, or where a number grew without limit."
        )
    return number


def as_numbers(value: object, count: int | None = None) -> tuple[float, ...]:
    """The answer as a row of numbers, `count` of them.

    Raises:
        Wrong: it is none, or they are not so many.
    """
    value = plain(value)
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = tuple(value.tolist())
    if not isinstance(value, tuple):
        raise Wrong(
            f"Expected {count or 'several'} numbers in brackets, such as (1, 2). "
            f"Received: {received(value)}."
        )
    if count is not None and len(value) != count:
        raise Wrong(f"Expected {count} numbers. Received {len(value)}: {received(value)}.")
    return tuple(as_number(each) for each in value)


def as_array(value: object) -> np.ndarray:
    """The answer as an array of numbers.

    Raises:
        Wrong: it is none, or it holds what is no number.
    """
    value = plain(value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise Wrong("Expected an array. Received rows that are not equally long.") from None
    if array.dtype.kind not in "buif" and array.dtype.name != "bfloat16":
        raise Wrong(f"Expected an array of numbers. Received: {received(value)}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Wrong(
            f"Expected numbers. Received {int((~np.isfinite(array)).sum())} times nan or infinite, "
            "which comes out where something is divided by 0, where the logarithm of 0 is taken, "
            "or where a number grew without limit."
        )
    return array
