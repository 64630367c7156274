"""The map of the lessons, with what is solved."""

from __future__ import annotations

import pytest

from helpers.basics.errors import UsageError
from helpers.checking import marks
from helpers.practice.load import load_exercises, numbers_of_lessons
from helpers.practice.overview import progress


@pytest.fixture(autouse=True)
def own_marks(tmp_path, monkeypatch):
    monkeypatch.setattr(marks, "FILE", tmp_path / "solved.txt")


def test_what_is_solved_has_a_tick_until_it_is_wiped():
    sheets = [load_exercises(number) for number in numbers_of_lessons()]
    last = list(sheets[1])[-1]
    marks.note(sheets[1].lesson, last.name)
    picture = progress()
    assert f"lesson {sheets[0].title}: 0 of {len(sheets[0])}" in picture.description
    assert f"lesson {sheets[1].title}: 1 of {len(sheets[1])}" in picture.description
    (ax,) = picture.axes
    assert len(ax.collections) == sum(map(len, sheets))  # the squares
    (tick,) = ax.texts
    assert tick.get_text() == "✓"
    assert tick.get_position() == (len(sheets[1]) - 1, 1)
    wiped = progress(wipe=True)
    assert f"lesson {sheets[1].title}: 0 of {len(sheets[1])}" in wiped.description
    assert not marks.solved()


@pytest.mark.parametrize("number", ["99", "", None, "x"])
def test_what_is_no_lesson_is_said(number):
    with pytest.raises(UsageError, match="Expected the number of a lesson: 00, "):
        load_exercises(number)
