"""Code of learners: run on made data, stopped where it never ends, its errors shown as its own."""

import contextlib
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

from helpers.checking import limits
from helpers.checking.functions import function
from helpers.checking.plain import NotAnswered, Wrong

CASES = [(np.array([3.0, 1.0]),), (np.array([2.0, 5.0, 1.0]),)]
sorted_check = function(np.sort, CASES, told=[(lambda row: np.sort(row)[::-1], "the other way")])


def wrong(check, answer) -> str:
    with pytest.raises(Wrong) as caught:
        check(answer)
    return str(caught.value)


@pytest.fixture
def quick(monkeypatch):
    """Code of learners is stopped after 0.3 s."""
    monkeypatch.setitem(limits.run.__kwdefaults__, "seconds", 0.3)


def never_ends(row):
    while True:
        pass


def hides_every_error(row):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.01)


def catches_everything(row):
    for _ in range(5):
        with contextlib.suppress(BaseException):  # as a bare `except` does
            time.sleep(3)
    raise ValueError("went on")


@pytest.mark.parametrize("answer", [np.sort, sorted, lambda row: tuple(sorted(row))])
def test_any_way_to_the_result(answer):
    assert sorted_check(answer) is None


def test_a_class_is_called_like_a_function():
    class Sorting:
        def __call__(self, row):
            return sorted(row)

    assert sorted_check(Sorting()) is None


def test_the_smallest_case_that_goes_wrong_is_shown():
    def right_for_two(row):
        return np.sort(row) if len(row) == 2 else row

    said = wrong(sorted_check, right_for_two)
    assert said.startswith("Called with [2.0, 5.0, 1.0]: 3 of 3 numbers are not correct")


@pytest.mark.parametrize(("given", "shown"), [(1, "1"), (abs, "abs"), ("a", "'a'")])
def test_what_it_was_called_with_is_shown(given, shown):
    said = wrong(function(lambda value: 1, [(given,)]), lambda value: 2)
    assert said == f"Called with {shown}: Not 2."


def test_a_known_wrong_way_has_words_of_its_own():
    assert wrong(sorted_check, lambda row: sorted(row, reverse=True)) == "the other way"


def test_nothing_written_yet_is_no_mistake():
    def empty(row): ...

    def described(row):
        """Sorts a row."""

    for answer in (empty, described, lambda row: ...):
        with pytest.raises(NotAnswered):
            sorted_check(answer)


def test_values_may_come_one_by_one():
    def one_by_one(row):
        yield from sorted(row)

    assert sorted_check(one_by_one) is None


def test_a_function_that_ends_the_program_ends_nothing():
    assert "stopped with SystemExit" in wrong(sorted_check, lambda row: sys.exit())


def test_a_forgotten_return_is_said():
    def never(row):
        sorted(row)

    class Never:
        def __call__(self, row):
            sorted(row)

    assert "`return`" in wrong(sorted_check, never)
    assert "`return`" in wrong(sorted_check, Never())
    assert "`return`" in wrong(sorted_check, lambda row: row[::-1] if len(row) == 2 else None)


def test_an_error_is_shown_with_the_learners_line():
    def forgets(row):
        return row[9]

    said = wrong(sorted_check, forgets)
    assert "IndexError: index 9" in said
    assert "..." not in said
    assert "return row[9]" in said
    line = f"in line {forgets.__code__.co_firstlineno + 1} of the cell"
    assert line in said


def test_a_very_long_error_is_cut():
    def complains(row):
        raise ValueError("no " * 500)

    said = wrong(sorted_check, complains)
    assert "ValueError: no no" in said
    assert len(said) < 450


def test_what_is_given_must_stay():
    def in_place(row):
        row.sort()
        return row

    assert "work on a copy" in wrong(sorted_check, in_place)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (3, "Leave out the brackets"), (None, "Received: None"), (ValueError, "ValueError"),
        (lambda: 1, "called with 1 value"), (lambda a, b: 1, "called with 1 value"),
    ],
)  # fmt: skip
def test_what_is_no_such_function_is_said(answer, words):
    assert words in wrong(sorted_check, answer)


def waits(row):
    time.sleep(60)


@pytest.mark.parametrize("answer", [never_ends, hides_every_error, waits])
def test_an_endless_loop_is_stopped(quick, answer):
    before = signal.getsignal(signal.SIGINT)
    assert "still running after" in wrong(sorted_check, answer)
    assert signal.getsignal(signal.SIGINT) is before


def test_code_that_waits_for_the_processor_gets_more_time():
    assert limits.run(lambda: time.sleep(0.5) or 7, seconds=0.4) == 7


def test_code_that_catches_everything_is_interrupted_again(quick):
    assert "went on" in wrong(sorted_check, catches_everything)


def test_the_stop_button_stops_it_as_always(quick):
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        limits.run(time.sleep, 5, seconds=5)


def test_what_ends_in_time_is_not_interrupted_later():
    assert limits.run(lambda: 7, seconds=0.05) == 7
    time.sleep(0.1)


def test_in_another_thread_it_runs_without_a_limit():
    given = []
    thread = threading.Thread(target=lambda: given.append(limits.run(lambda: 7, seconds=0.01)))
    thread.start()
    thread.join()
    assert given == [7]


class TestResults:
    @pytest.mark.parametrize(
        ("right", "answer"),
        [
            (lambda n: {"a": n}, lambda n: {"a": float(n)}),
            (lambda n: (n, [n, n]), lambda n: [n, np.array([n, n])]),
            (lambda n: ("text", n), lambda n: ("text", n)),
            (lambda n: n > 1, lambda n: np.bool_(n > 1)),
        ],
    )
    def test_right(self, right, answer):
        assert function(right, [(1,), (2,)])(answer) is None

    @pytest.mark.parametrize(
        ("right", "answer", "words"),
        [
            (lambda n: {"a": n}, lambda n: {"b": n}, "other keys"),
            (lambda n: {"a": n}, lambda n: {"a": n + 1}, "at 'a': Not 2"),
            (lambda n: ("x", n), lambda n: ("x", n + 1), "value 2: Not 2"),
            (lambda n: ("x", n), lambda n: "x", "expected 2 values"),
            (lambda n: (n, n), lambda n: {"a": n, "b": n}, "2 values in brackets"),
            (lambda n: n > 1, lambda n: n, "received 1"),
            (lambda n: "x", lambda n: "y", "received 'y'"),
        ],
    )
    def test_wrong(self, right, answer, words):
        assert words in wrong(function(right, [(1,), (2,)]), answer)
