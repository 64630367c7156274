"""Whether a number given as an argument is one that can be. Introduced in lesson 2."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from helpers.basics.errors import UsageError


def check_seed(seed: object) -> None:
    """Refuse what scikit-learn and NumPy cannot begin their random numbers with.

    Raises:
        UsageError: it is no whole number, negative, or too large.

    Introduced in lesson 2.
    """
    if not is_whole(seed) or not 0 <= seed < 2**32:
        raise UsageError(
            f"Expected seed as a whole number from 0 to {2**32 - 1:,}. Received: {seed!r}. "
            "Give for example 0."
        )


def is_whole(number: object) -> bool:
    """Whether it is a whole number, Python's or NumPy's. Introduced in lesson 2."""
    return isinstance(number, Integral) and not isinstance(number, bool)


def check_whole_number(name: str, value: int, least: int) -> None:
    """Raise UsageError unless `value` is a whole number of at least `least`.

    A seed has to be below 2**32 too: NumPy and TensorFlow take no larger one.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise UsageError(f"Expected a whole number as {name}. Received: {value!r}.")
    if value < least:
        raise UsageError(f"Expected {name} of at least {least}. Received: {value}.")
    if name == "seed" and value >= 2**32:
        raise UsageError(f"Expected a seed below 2**32. Received: {value}.")
