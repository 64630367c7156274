"""Each exercise takes every right answer, in whatever form, and tells wrong ones what is wrong."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
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
    assert "`hint()` gives a first hint" in message
    assert " ".join(exercise.hints[0].split()) not in message


def test_the_code_to_begin_with_is_not_called_wrong(exercise_and_answers):
    exercise, names = exercise_and_answers[0], {}
    if exercise.stub.startswith("def ") and exercise.stub.endswith("..."):
        exec(exercise.stub, names)
        assert said(exercise, names[exercise.name])[0] == OPEN


def test_no_message_tells_the_answer(exercise_and_answers):
    """The line of code that solves it stands in no message."""
    exercise, answers = exercise_and_answers
    line = exercise.code.splitlines()[-1].partition(" = ")[2]
    for answer, _ in answers.wrong:
        assert len(line) < 5 or line not in said(exercise, answer)[1]


def test_a_check_leaves_the_model_as_it_was():
    one, six = importlib.import_module("answers_01"), importlib.import_module("answers_06")
    model, module, compiled = one.in_keras(), one.in_torch().train(), six.usual()
    before = model.get_weights()
    for sheet, answer in (("01", model), ("01", module), ("06", compiled)):
        name = "small" if sheet == "01" else "complete"
        assert said(getattr(SHEETS[sheet], name), answer)[0] == CORRECT
    assert all(map(np.array_equal, before, model.get_weights()))
    assert module.training
    assert int(compiled.optimizer.iterations) == 0


def test_a_loss_that_keras_repairs_is_told_where_warnings_are_left_out():
    answers = importlib.import_module("answers_01")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state, message = said(SHEETS["01"].loss, answers.keras_softmax_twice)
    assert (state, "nobody would warn" in message) == (WRONG, True)


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
