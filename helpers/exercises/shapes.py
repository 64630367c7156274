"""A check of the shape of an array, in which every axis counts."""

from __future__ import annotations

from collections.abc import Mapping

from helpers.checking.plain import Wrong, as_numbers, plain
from helpers.checking.values import Check, numbers


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
