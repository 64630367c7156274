"""The exercises of a lesson, by its number."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from helpers.basics.errors import UsageError
from helpers.checking.exercise import Sheet

SHEETS = Path(__file__).resolve().parents[1] / "exercises"


def load_exercises(lesson: str | int) -> Sheet:
    """The exercises of a lesson: `load_exercises("03").name_of_one.check(answer)`.

    Args:
        lesson: its number, such as "03" or 3, or the name of its notebook.

    Raises:
        UsageError: there is no such lesson, or it has no exercises.

    Introduced in the exercises of lesson 0.
    """
    numbers = numbers_of_lessons()
    match = re.match(r"0?(\d[a-z]?)(_|$)", str(lesson))
    number = f"0{match[1]}" if match else ""
    if number not in numbers:
        raise UsageError(
            f"Expected the number of a lesson: {', '.join(numbers)}. Received: {lesson!r}."
        )
    return importlib.import_module(f"helpers.exercises.lesson_{number}").SHEET


def numbers_of_lessons() -> list[str]:
    """Of those lessons that have exercises, in their order."""
    modules = sorted(SHEETS.glob("lesson_*.py"))
    numbers = (path.stem.removeprefix("lesson_") for path in modules)
    return [number for number in numbers if "_" not in number]  # what a sheet has beside it
