"""The form of the tables of answers, answers_NN.py: what learners give, and what they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Answers:
    """What people answer to one exercise.

    Attributes:
        right: correct answers, of different form.
        wrong: answers that learners really give, each with words of the message that it gets.
    """

    right: Sequence[object]
    wrong: Sequence[tuple[object, str]]


class Stops:
    """Code of a learner that ends in an error."""

    def __call__(self, *arguments: object) -> object:
        return arguments[99]


# No exercise takes these, and none is stopped by them: what somebody writes who has not
# understood what is asked.
NEVER = (None, float("nan"), float("inf"), "no idea", ValueError("what is this"), ValueError,
         object(), [], {}, True, b"24", Stops())  # fmt: skip
