"""Checks of answers that are values: a number, a shape, an array, one of several choices.

Each function here makes a check: a function that takes an answer, gives a remark or None where it
is correct, and raises `Wrong`, in words, where it is not. `told` holds the wrong answers that
learners really give, each with what to say to them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from helpers.checking.plain import WRITTEN, Wrong, as_array, as_number, as_numbers, plain, received

Check = Callable[[object], str | None]
NEARLY = 1e-6  # of the value: what rounding in float32 may change


def close(one: float, other: float, within: float = 0.0) -> bool:
    """Whether two numbers are the same but for `within`, and for rounding."""
    return math.isclose(one, other, rel_tol=NEARLY, abs_tol=max(within, 1e-9))


def number(
    right: float,
    *,
    within: float = 0.0,
    percent: bool = False,
    told: Mapping[float, str] | None = None,
) -> Check:
    """A check of one number.

    Args:
        right: the correct one; with `percent` as a share, from 0 to 1.
        within: how far from it an answer may be.
        percent: a share such as 0.85 and its percent, 85, are both taken.
        told: what to say to a wrong number, by number.
    """

    def check(answer: object) -> str | None:
        given = as_number(answer)
        if close(given, right, within):
            return f"Understood as a share, {given:.4g}." if percent else None
        if percent and close(given, 100 * right, 100 * within):
            return f"Understood as {given:.4g} %."
        for wrong, words in (told or {}).items():
            if close(given, wrong, within) or (percent and close(given, 100 * wrong, 100 * within)):
                raise Wrong(words)
        if isinstance(right, int) and not given.is_integer():
            raise Wrong(f"Expected a whole number. Received: {received(plain(answer))}.")
        if percent and not 0 <= given <= 100:
            raise Wrong(f"Expected a share from 0 to 1, or a percent. Received: {given:.6g}.")
        raise Wrong(f"Not {given:.6g}. Work it out once more.")

    return check


def numbers(
    *right: float, within: float = 0.0, told: Mapping[tuple[float, ...], str] | None = None
) -> Check:
    """A check of a row of numbers, such as a shape, in a tuple, a list or an array.

    The first axis of a shape, that of the images, may be left out or be None. A dictionary is read
    in the order of its keys: Keras has the weights of classes in one, {0: 0.5, 1: 2.0}.
    """

    def check(answer: object) -> str | None:
        if isinstance(answer, Mapping):
            answer = [answer[key] for key in sorted(answer, key=str)]
        row = plain(answer)
        if isinstance(row, tuple) and len(row) == len(right) + 1 and row[0] is None:
            row = row[1:]
        given = as_numbers(row, len(right))
        same = [close(one, other, within) for one, other in zip(given, right, strict=True)]
        if all(same):
            return None
        for wrong, words in (told or {}).items():
            if np.allclose(given, wrong, rtol=NEARLY, atol=within):
                raise Wrong(words)
        if np.allclose(sorted(given), sorted(right), rtol=NEARLY, atol=within):
            raise Wrong("The numbers are correct, their order is not.")
        places = [str(place) for place, fits in enumerate(same, 1) if not fits]
        wrong_ones = f"Number {places[0]} is" if len(places) == 1 else f"{len(places)} numbers are"
        raise Wrong(f"{wrong_ones} not correct. Received: {received(row)}.")

    return check


def shape(*right: int, told: Mapping[tuple[int, ...], str] | None = None) -> Check:
    """A check of a whole shape: unlike in `numbers`, no axis may be left out or be None.

    Args:
        right: the length of each axis.
        told: what to say to a wrong shape, which may have another number of axes.
    """
    same = numbers(*right)

    def check(answer: object) -> None:
        row = plain(answer)
        if isinstance(row, tuple) and any(each is None for each in row):
            raise Wrong("Keras writes None for a length that may vary. Here each length is known.")
        given = as_numbers(row)
        if given in (told or {}):
            raise Wrong(told[given])
        if len(given) != len(right):
            raise Wrong(
                f"The shape has another number of axes than {len(given)}. What does each axis "
                "stand for?"
            )
        same(given)

    return check


def array(right: object, *, within: float = 1e-5) -> Check:
    """A check of an array, of NumPy or another library, or of nested lists."""
    right = np.asarray(right)

    def check(answer: object) -> None:
        compare_arrays(as_array(answer), right, within)

    return check


def compare_arrays(given: np.ndarray, right: np.ndarray, within: float) -> None:
    """Say how an array differs from the correct one.

    Raises:
        Wrong: in its shape, in the order of its axes, or in a number.
    """
    if given.size == right.size == 1:  # a number, with axes of length 1 or without
        given = given.reshape(right.shape)
    if given.shape != right.shape and not right.shape:
        raise Wrong(f"Expected one number. Received an array of the shape {given.shape}.")
    if given.shape != right.shape:
        turned = sorted(given.shape) == sorted(right.shape)
        hint = " The axes are in another order." if turned else ""
        raise Wrong(f"Expected the shape {right.shape}. Received: {given.shape}.{hint}")
    fits = np.isclose(given.astype(float), right.astype(float), rtol=NEARLY, atol=within)
    if fits.all():
        return
    turned = given.T if given.shape == given.T.shape else given
    if given.ndim == 2 and np.allclose(turned, right, rtol=NEARLY, atol=within):
        raise Wrong("Rows and columns are exchanged.")
    place = np.argwhere(~fits)[0].tolist()
    number = given[tuple(place)]
    many = f"{(~fits).sum()} of {right.size} numbers are not correct"
    raise Wrong(
        f"{many}. The first is {number:.6g}, at {place}." if place else f"Not {number:.6g}."
    )


def choice(right: str, told: Mapping[str, str]) -> Check:
    """A check of one letter out of several, for questions with answers to choose from.

    Args:
        right: the letter of the correct answer.
        told: what to say to each other letter: the idea behind it, and what shows that it is wrong.
    """
    letters = sorted({right, *told})

    def check(answer: object) -> None:
        given = plain(answer)
        given = given[0] if isinstance(given, tuple) and len(given) == 1 else given
        letter = given.strip().strip(".)(").lower() if isinstance(given, str) else None
        if letter not in letters:
            raise Wrong(
                f"Expected one of the letters {', '.join(letters)} in quotes, such as "
                f'"{letters[0]}". Received: {received(given)}.'
            )
        if letter != right:
            raise Wrong(told[letter])

    return check


def every(**checks: Check) -> Check:
    """A check of several answers at once, in a tuple, a list or a dictionary; each by its name."""

    def check(answer: object) -> str | None:
        given = answer
        if not isinstance(given, dict):
            row = plain(given)
            row = tuple(row) if isinstance(row, np.ndarray) else row
            if not isinstance(row, Sequence) or isinstance(row, str) or len(row) != len(checks):
                raise Wrong(
                    f"Expected {len(checks)} answers in brackets: {', '.join(checks)}. "
                    f"Received: {received(row)}. {WRITTEN}"
                )
            given = dict(zip(checks, row, strict=True))
        if missing := checks.keys() - given.keys():
            raise Wrong(f"Expected an answer for {', '.join(sorted(missing))}.")
        remarks = []
        for name, each in checks.items():
            try:
                remarks.append(each(given[name]))
            except Wrong as wrong:
                raise Wrong(f"{name}: {wrong}") from None
        return " ".join(filter(None, remarks)) or None

    return check
