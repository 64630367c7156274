"""The exercises of a lesson, by its number."""

from __future__ import annotations

import importlib
import pkgutil
import re

from helpers import exercises
from helpers.basics.errors import UsageError
from helpers.checking.exercise import Sheet


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
    modules = (module.name for module in pkgutil.iter_modules(exercises.__path__))
    return sorted(name.removeprefix("lesson_") for name in modules if name.startswith("lesson_"))
