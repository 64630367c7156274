"""Whether the numbers given as an argument are such as can be. Introduced in lesson 2."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from helpers.basics.errors import UsageError


def check_seed(seed: object) -> None:
    """Refuse what scikit-learn, NumPy and TensorFlow cannot begin their random numbers with.

    Raises:
        UsageError: it is no whole number, negative, or too large.

    Introduced in lesson 2.
    """
    check_whole("seed", seed, 0, 2**32 - 1)


def check_whole(name: str, value: object, least: int = 1, most: int = 10**9) -> int:
    """The value as an int, where it is a whole number from `least` to `most`.

    Raises:
        UsageError: it is not.

    Introduced in lesson 2.
    """
    if not is_whole(value) or not least <= value <= most:
        raise UsageError(
            f"Expected {name} as a whole number from {least} to {most:,}. Received: {value!r}."
        )
    return int(value)


def check_switches(**switches: object) -> None:
    """Refuse what is neither True nor False: a text such as "no" counts as True in Python.

    Raises:
        UsageError: one is neither.

    Introduced in lesson 2.
    """
    for name, value in switches.items():
        if not isinstance(value, bool | np.bool_):
            raise UsageError(f"Expected {name} as True or False. Received: {value!r}.")


def check_all_there(name: str, values: object) -> None:
    """Refuse an array of which some numbers are masked: what lies under the mask would count.

    Raises:
        UsageError: some are.

    Introduced in lesson 2.
    """
    if np.ma.is_masked(values):
        raise UsageError(
            f"Expected {name} with all numbers there. Received: an array of which some are masked. "
            "array.filled(0), for example, says what stands in their place."
        )


def is_whole(number: object) -> bool:
    """Whether it is a whole number, Python's or NumPy's. Introduced in lesson 2."""
    return isinstance(number, Integral) and not isinstance(number, bool)
