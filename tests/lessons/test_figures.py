"""Stating a lesson's figures: what is printed when a run agrees and when it does not."""

from __future__ import annotations

import json
import math

import pytest

from helpers import lesson_figures
from helpers.basics.errors import UsageError
from helpers.lessons import figures

LESSON = "04_training_the_model"
STORED = {
    LESSON: {
        "bands": {
            # The standard deviation of these (with n - 1) is 0.005, and five of them 0.025.
            "test accuracy": [0.85, 0.845, 0.855],
            "loss": [1.5, 1.45, 1.55],
            "epoch": [12.0, 11.5, 12.5],
            "measured once": [0.5],
            "loss, measured once": [0.5],
            "training accuracy": [1.0, 1.0, 1.0, 1.0],
            "error": [0.02, 0.04, 0.06],
            "parameters": [122_570.0, 122_570.0],
        }
    }
}


@pytest.fixture
def stated(dataset, tmp_path, monkeypatch):
    """The figures of a made-up store."""
    store = tmp_path / "lesson_figures.json"
    store.write_text(json.dumps(STORED), encoding="utf-8")
    monkeypatch.setattr(figures, "STORE", store)
    monkeypatch.delenv(figures.LOG_VARIABLE, raising=False)
    return lesson_figures(LESSON, dataset)


def said(capsys) -> str:
    """What was printed, without the line breaks that keep it within the page."""
    lines = capsys.readouterr().out
    assert max(map(len, lines.splitlines())) <= 88
    return lines.replace("\n  ", " ")


@pytest.mark.parametrize("value", [0.85, 0.8253, 0.8747, 0.825, 0.875])
def test_a_run_within_the_tolerance_prints_the_same_text_on_every_machine(stated, capsys, value):
    stated.state("test accuracy", value)
    assert said(capsys) == (
        "test accuracy: 85.0 % in this lesson, give or take 2.5 points. This run agrees.\n"
    )


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        (0.885, "88.5 %, 3.5 points higher"),
        (0.815, "81.5 %, 3.5 points lower"),
        (0.1, "10.0 %, 75.0 points lower"),
    ],
)
def test_a_run_further_off_says_how_far(stated, capsys, value, moved):
    stated.state("test accuracy", value)
    assert said(capsys) == (
        "test accuracy: 85.0 % in this lesson, give or take 2.5 points. "
        f"This run: {moved}, more than the noise between seeds.\n"
    )


@pytest.mark.parametrize(
    ("name", "value", "unit", "text"),
    [
        ("loss", 1.45, "", "loss: 1.50 in this lesson, give or take 0.25. This run agrees."),
        (
            "loss", 1.0, "",
            "loss: 1.50 in this lesson, give or take 0.25. "
            "This run: 1.00, 0.50 lower, more than the noise between seeds.",
        ),
        (
            "epoch", 20, "epochs",
            "epoch: 12.00 epochs in this lesson, give or take 2.50. "
            "This run: 20.00 epochs, 8.00 higher, more than the noise between seeds.",
        ),
    ],
)  # fmt: skip
def test_other_units_than_percent(stated, capsys, name, value, unit, text):
    stated.state(name, value, unit=unit)
    assert said(capsys) == f"{text}\n"


@pytest.mark.parametrize(
    ("name", "expected"), [("training accuracy", "100.0"), ("measured once", "50.0")]
)
def test_no_share_is_held_to_less_than_a_point(stated, capsys, name, expected):
    """Of 1,000 images that all runs had right, another processor has 998 right."""
    stated.state(name, float(expected) / 100 - 0.002)
    text = f"{name}: {expected} % in this lesson, give or take 1.0 points"
    out = said(capsys)
    assert out.startswith(text) and out.endswith(". This run agrees.\n")
    stated.state(name, float(expected) / 100 - 0.012)
    assert "1.2 points lower, more than the noise" in said(capsys)


def test_a_loss_measured_once_agrees_to_the_last_digit_that_is_written(stated, capsys):
    stated.state("loss, measured once", 0.504, unit="")
    assert said(capsys) == "loss, measured once: 0.50 in this lesson. This run agrees.\n"
    stated.state("loss, measured once", 0.52, unit="")
    assert "This run: 0.52, 0.02 higher" in said(capsys)


def test_no_share_is_said_to_lead_out_of_0_to_100_percent(stated, capsys):
    stated.state("training accuracy", 1.0)
    stated.state("error", 0.02)
    assert said(capsys) == (
        "training accuracy: 100.0 % in this lesson, give or take 1.0 points (at most 100 %). "
        "This run agrees.\n"
        "error: 2.0 % in this lesson, give or take 10.0 points (at least 0 %). This run agrees.\n"
    )


def test_a_figure_that_never_moves_has_no_tolerance(stated, capsys):
    stated.state("parameters", 122_570, unit="")
    assert said(capsys) == ("parameters: 122570.00 in this lesson. This run agrees.\n")


def test_a_run_that_diverged_does_not_agree(stated, capsys):
    stated.state("test accuracy", math.nan)
    assert said(capsys) == "test accuracy: no number in this run (nan), so it cannot be compared.\n"


@pytest.mark.parametrize("lesson", [LESSON, "01_choosing_a_library"])
def test_a_figure_that_nobody_measured_is_stated_as_this_runs_alone(
    stated, dataset, capsys, lesson
):
    lesson_figures(lesson, dataset).state("new figure", 0.123)
    assert said(capsys) == "new figure: 12.3 % in this run; none stored for bands\n"


def test_the_figures_of_another_dataset_are_not_used(stated, make_dataset, capsys):
    from dataclasses import replace

    lesson_figures(LESSON, replace(make_dataset(), name="pets")).state("test accuracy", 0.85)
    assert said(capsys) == "test accuracy: 85.0 % in this run; none stored for pets\n"


@pytest.mark.parametrize("value", [None, "good", [1, 2]])
def test_what_is_no_number_is_said_in_words(stated, value):
    with pytest.raises(UsageError, match="Expected a number as loss"):
        stated.state("loss", value)


@pytest.mark.parametrize("given", ["cifar10", None, 3])
def test_what_is_no_dataset_is_said_in_words(given):
    with pytest.raises(UsageError, match="Expected a dataset, from load_dataset"):
        lesson_figures(LESSON, given)


def test_what_was_stated_can_be_collected(stated, tmp_path, monkeypatch, capsys):
    """`make figures` collects the values of several runs this way."""
    log = tmp_path / "log"
    monkeypatch.setenv(figures.LOG_VARIABLE, str(log))
    stated.state("test accuracy", 0.8)
    stated.state("new figure", 3, unit="s")
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert rows == [
        [LESSON, "bands", "test accuracy", 0.8],
        [LESSON, "bands", "new figure", 3.0],
    ]
    assert len(said(capsys).splitlines()) == 2


def test_the_store_that_comes_with_the_course_can_be_read():
    stored = json.loads(figures.STORE.read_text(encoding="utf-8"))
    for lesson, datasets in stored.items():
        for dataset, measured in datasets.items():
            for name, runs in measured.items():
                where = (lesson, dataset, name)
                assert runs, where
                assert all(math.isfinite(value) for value in runs), where


def test_no_run_that_was_measured_is_another_one_once_more():
    """A run with other threads and the same seed may be: it then says nothing of chance."""
    stored = json.loads(figures.STORE.read_text(encoding="utf-8"))
    for lesson, datasets in stored.items():
        for dataset, measured in datasets.items():
            runs = list(zip(*measured.values(), strict=True))
            assert len(set(runs)) == len(runs), (lesson, dataset)


def test_asking_twice_was_better_in_six_of_seven_runs_as_lesson_6_says():
    stored = json.loads(figures.STORE.read_text(encoding="utf-8"))
    measured = stored["06_faster_and_more_accurate"]["fashion_mnist"]
    once, twice = (measured[f"asked {how}: validation accuracy"] for how in ("once", "twice"))
    better = sum(after > before for before, after in zip(once, twice, strict=True))
    assert (better, len(once)) == (6, 7)
