"""Checks of functions that a learner wrote, against another way to the same result.

The function runs on data that the check makes up, small cases first; the first one that goes
wrong is shown. It gets copies, so that what it does to them is seen.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence

import numpy as np

from helpers.checking.limits import run
from helpers.checking.plain import NotAnswered, Wrong, as_array, plain, received
from helpers.checking.values import Check, compare_arrays

Told = Sequence[tuple[Callable, str]]


def function(
    right: Callable, cases: Sequence[tuple], *, within: float = 1e-5, told: Told = ()
) -> Check:
    """A check of a function, or of a class that is called like one.

    Args:
        right: gives the correct result, in another way than the learner is asked to write.
        cases: the arguments of each call, the smallest first.
        within: how far a number of the result may be from the correct one.
        told: wrong functions that learners really write, each with what to say to whoever gives
            the same results.
    """

    def check(answer: object) -> None:
        _check_callable(answer, len(cases[0]))
        given = [_result(answer, case) for case in cases]
        if all(result is None or result is ... for result in given):
            raise NotAnswered
        for wrong, words in told:
            if _same_everywhere(given, [wrong(*copy.deepcopy(case)) for case in cases], within):
                raise Wrong(words)
        for case, result in zip(cases, given, strict=True):
            try:
                _compare(result, right(*copy.deepcopy(case)), within)
            except Wrong as wrong:
                raise Wrong(f"Called with {_shown(case)}: {wrong}") from None

    return check


def _check_callable(answer: object, count: int) -> None:
    if not callable(answer):
        hint = " Leave out the brackets behind its name." if plain(answer) is not None else ""
        raise Wrong(f"Expected your function. Received: {received(plain(answer))}.{hint}")
    if isinstance(answer, type) and issubclass(answer, BaseException):
        raise Wrong(f"Expected your function. Received: {answer.__name__}.")
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # some functions written in C have none
        return
    try:
        signature.bind(*range(count))
    except TypeError:
        raise Wrong(
            f"Expected a function that is called with {count} "
            f"{'value' if count == 1 else 'values'}. Received one with {signature}."
        ) from None


def _result(answer: Callable, case: tuple) -> object:
    """What it gives; what it was given must stay as it was."""
    handed = copy.deepcopy(case)
    try:
        result = run(answer, *handed)
    except Wrong as wrong:
        raise Wrong(f"Called with {_shown(case)}: {wrong}") from None
    for before, after in zip(case, handed, strict=True):
        if not _equal(before, after):
            raise Wrong(
                "Your function changes what it is given. Whoever calls it may need that "
                "unchanged: work on a copy."
            )
    return plain(result)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and one.shape == other.shape
            and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
        )
    if isinstance(one, np.random.Generator) or callable(one):
        return True
    return bool(np.all(one == other))


def _compare(given: object, right: object, within: float) -> None:
    """Hold one result against the correct one."""
    right = plain(right)
    if given is None or given is ...:
        raise Wrong("It gives nothing. Is there a `return` for this case?")
    if isinstance(right, str | bool):
        given = bool(given) if isinstance(given, np.bool_) else given
        if given != right or isinstance(given, bool) != isinstance(right, bool):
            raise Wrong(f"received {received(given)}.")
    elif isinstance(right, dict):
        if not isinstance(given, dict) or given.keys() != right.keys():
            raise Wrong(f"expected a dictionary with other keys. Received: {received(given)}.")
        for key in right:
            try:
                _compare(plain(given[key]), right[key], within)
            except Wrong as wrong:
                raise Wrong(f"at {key!r}: {wrong}") from None
    elif isinstance(right, tuple) and not _is_numbers(right):
        if not isinstance(given, tuple) or len(given) != len(right):
            raise Wrong(f"expected {len(right)} values. Received: {received(given)}.")
        for place, (one, other) in enumerate(zip(given, right, strict=True), 1):
            try:
                _compare(one, other, within)
            except Wrong as wrong:
                raise Wrong(f"value {place}: {wrong}") from None
    else:
        compare_arrays(as_array(given), np.asarray(right), within)


def _is_numbers(value: tuple) -> bool:
    return all(isinstance(each, int | float | np.number) for each in value)


def _same_everywhere(given: list, others: list, within: float) -> bool:
    for one, other in zip(given, others, strict=True):
        try:
            _compare(one, other, within)
        except Wrong:
            return False
    return True


def _shown(case: tuple) -> str:
    """The arguments of a call: small arrays whole, of larger ones the shape."""
    shown = []
    for value in case:
        if isinstance(value, np.ndarray) and value.size <= 25:
            shown.append(str(value.tolist()))
        elif callable(value):
            shown.append(getattr(value, "__name__", "a function"))
        else:
            shown.append(received(plain(value)))
    return ", ".join(shown)
