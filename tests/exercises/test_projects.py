"""What the checks of lesson 7 do where something is missing on the learner's computer."""

import sys
from pathlib import Path

from helpers.checking.exercise import CORRECT, WRONG
from helpers.grading import projects
from helpers.practice.load import load_exercises

sys.path.append(str(Path(__file__).parent))
from answers_07 import DARK, LITERT, taken

SHEET = load_exercises("07")


def test_without_the_packages_the_page_may_be_left_out(monkeypatch):
    monkeypatch.setattr(projects, "PACKAGES", ("no_such_package",))
    verdict = SHEET.taken.verdict(taken(page=None))
    assert verdict.state == CORRECT
    assert "no_such_package is not installed" in verdict.words
    assert SHEET.taken.verdict(taken()).state == CORRECT  # made on another computer
    assert SHEET.taken.verdict(taken(page=LITERT)).state == WRONG


def test_notes_that_a_person_decides_on_are_named():
    verdict = SHEET.folder.verdict(DARK)
    assert verdict.state == CORRECT
    assert "19 photos of 3 classes" in verdict.words
    assert "very dark" in verdict.words
