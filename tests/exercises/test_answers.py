"""Each exercise takes every right answer, in whatever form, and tells wrong ones what is wrong."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import keras
import pytest
import torch

from helpers.checking.exercise import CORRECT, KINDS, OPEN, WRONG
from helpers.practice.load import load_exercises, numbers_of_lessons

sys.path.append(str(Path(__file__).parent))
from answers import NEVER

# The networks of the answers begin at random. One of 32 has five logits above 0 for all images,
# and a ReLU behind them cuts off nothing.
keras.utils.set_random_seed(0)
torch.manual_seed(0)

SHEETS = {number: load_exercises(number) for number in numbers_of_lessons()}
TABLES = {number: importlib.import_module(f"answers_{number}").ANSWERS for number in SHEETS}
EXERCISES = [(number, each.name) for number, sheet in SHEETS.items() for each in sheet]
SLOW = ("train_and_save",)  # each answer trains a network until it stops


@pytest.fixture(
    params=[
        pytest.param(pair, id="-".join(pair), marks=[pytest.mark.slow] * (pair[1] in SLOW))
        for pair in EXERCISES
    ]
)
def exercise_and_answers(request):
    number, name = request.param
    return getattr(SHEETS[number], name), TABLES[number][name]


def said(exercise, answer) -> tuple[str, str]:
    verdict = exercise.verdict(answer)
    return verdict.state, " ".join(verdict.words.split())


def test_right_answers_are_taken_in_any_form(exercise_and_answers):
    exercise, answers = exercise_and_answers
    assert len(answers.right) >= 4
    for answer in answers.right:
        assert said(exercise, answer)[0] == CORRECT, (answer, said(exercise, answer))


def test_wrong_answers_are_told_what_is_wrong(exercise_and_answers):
    exercise, answers = exercise_and_answers
    assert len(answers.wrong) >= 6
    for answer, words in answers.wrong:
        state, message = said(exercise, answer)
        assert state == WRONG, answer
        assert words.lower() in message.lower(), (answer, message)


def test_what_is_no_answer_is_never_taken(exercise_and_answers):
    exercise, _ = exercise_and_answers
    for answer in NEVER:
        state, message = said(exercise, answer)
        assert state == WRONG, answer
        assert len(message) > 20, answer


def test_an_empty_place_is_not_called_wrong(exercise_and_answers):
    exercise, _ = exercise_and_answers
    state, message = said(exercise, ...)
    assert state == OPEN
    assert " ".join(exercise.hints[0].split()) in message


def test_no_message_tells_the_answer(exercise_and_answers):
    """The line of code that solves it stands in no message."""
    exercise, answers = exercise_and_answers
    line = exercise.code.splitlines()[-1].partition(" = ")[2]
    for answer, _ in answers.wrong:
        assert len(line) < 5 or line not in said(exercise, answer)[1]


@pytest.mark.parametrize("number", SHEETS)
def test_a_sheet_goes_from_recall_to_own_code(number):
    sheet = SHEETS[number]
    kinds = [each.kind for each in sheet]
    assert set(kinds) <= set(KINDS)
    assert 5 <= len(sheet) <= 8
    assert {"code", "fault", "explain"} <= set(kinds)
    assert sheet.lesson.startswith(f"{number}_")
    assert (Path(__file__).parents[2] / "notebooks" / f"{sheet.lesson}.ipynb").exists()


def test_every_exercise_has_its_row():
    for number, sheet in SHEETS.items():
        assert set(TABLES[number]) == {each.name for each in sheet}
