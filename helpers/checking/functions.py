"""Checks of functions that a learner wrote, against another way to the same result.

The function runs on data that the check makes up, small cases first; the first one that goes
wrong is shown. It gets copies, so that what it does to them is seen.
"""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
from collections import UserList
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from helpers.checking.limits import run
from helpers.checking.plain import NotAnswered, Wrong, as_array, plain, received
from helpers.checking.values import Check, compare_arrays

Told = Sequence[tuple[Callable, str]]
MOST = 10_000  # values that are taken from a function with `yield`


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
        check_callable(answer, len(cases[0]))
        given = [_result(answer, case) for case in cases]
        given_nothing = all(result is None for result in given)
        if all(result is ... for result in given) or (given_nothing and _does_nothing(answer)):
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


def held_against(judge: Callable, cases: Sequence[tuple]) -> Check:
    """A check of a function by a judge, which raises `Wrong` where a result is not correct.

    Args:
        judge: gets the function, its result, and the arguments that gave it.
        cases: the arguments of each call, the smallest first.
    """
    check_function = function(lambda *_: True, cases)

    def check(answer: object) -> None:
        if not callable(answer) or isinstance(answer, type):
            return check_function(answer)

        @functools.wraps(answer)
        def judged(*arguments: object) -> bool | None:
            handed = [list(each) if isinstance(each, UserList) else each for each in arguments]
            result = answer(*handed)
            if result is None or result is ...:
                return None
            judge(answer, result, *arguments)
            if handed != [*arguments]:
                raise Wrong(
                    "Your function changes the list that it is given. Whoever calls it may need "
                    "that unchanged: work on a copy."
                )
            return True

        return check_function(judged)

    return check


def things_of(result: object, *names: str) -> list:
    """What a function gives, one by one: as a tuple, a list, a dictionary or by `yield`."""
    if isinstance(result, Mapping) and set(result) == set(names):
        return [result[name] for name in names]
    row = None
    is_one_thing = isinstance(result, str | Mapping) or len(getattr(result, "shape", ())) > 1
    if not is_one_thing and hasattr(result, "__iter__"):
        row = list(itertools.islice(result, len(names) + 1))
    if row is None or len(row) != len(names):
        counted = "more" if row and len(row) > len(names) else f"{len(row or ())} things"
        given = received(plain(result)) if row is None else counted
        raise Wrong(f"Expected {len(names)} things: {', '.join(names)}. Received: {given}.")
    return row


def _nothing() -> None: ...


def _nothing_but_words() -> None:
    """A docstring."""


def _does_nothing(answer: Callable) -> bool:
    """Whether it is still as empty as an exercise gives it."""
    code = getattr(inspect.unwrap(answer), "__code__", None)
    empty = (_nothing, _nothing_but_words)
    return code is not None and code.co_code in [each.__code__.co_code for each in empty]


def check_callable(answer: object, count: int) -> None:
    """Refuse, in words, what cannot be called with so many values.

    Raises:
        Wrong: it is no function, or one that is called with another number of values.
    """
    if not callable(answer):
        called = isinstance(plain(answer), int | float | np.ndarray | tuple)
        hint = " Leave out the brackets behind its name." if called else ""
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
    if inspect.isgenerator(result):
        result = run(lambda: tuple(itertools.islice(result, MOST)))
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
    if isinstance(given, dict) and isinstance(right, tuple):
        raise Wrong(f"expected {len(right)} values in brackets. Received: a dictionary.")
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
