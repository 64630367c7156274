"""Stating a lesson's figures: what ten seeds gave, what this run gave, and the comparisons."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import FrozenInstanceError, astuple, replace

import numpy as np
import pytest

from helpers.basics.errors import UsageError
from helpers.lessons import figures, lesson_figures
from helpers.training.run import TrainingRun

LESSON = "04_training_the_model"
TENTHS = np.arange(10) / 10  # mean 0.45, standard deviation 0.302765
LOSSES = (2.3, 2.2, 2.1)
STORED = {
    LESSON: {
        "bands": {
            "seeds": {
                "test accuracy": list(0.8 + 0.02 * TENTHS),
                "higher accuracy": list(0.83 + 0.02 * TENTHS),
                "nearly always higher": [0.9] * 9 + [0.5],
                "loss": list(1 + TENTHS),
                "training accuracy": [1.0] * 10,
                "error": list(0.1 * TENTHS),
                "parameters": [122_570.0] * 10,
            },
            "first losses": {"test accuracy": LOSSES},
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


def said(capsys) -> list[str]:
    """What was printed, without the line breaks that keep it within the page."""
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 88
    return out.replace("\n  ", " ").splitlines()


def a_run(accuracy=0.81, losses=LOSSES, seed=0) -> TrainingRun:
    return TrainingRun({"val_accuracy": (accuracy,), "loss": (1.0,)}, 1, 32, seed, "", "", losses)


def test_the_mean_and_the_ends_of_ten_seeds_stand_before_the_value_of_this_run(stated, capsys):
    stated.state("test accuracy", 0.8123)
    assert said(capsys) == [
        "test accuracy: mean of ten seeds 80.9 % (80.0 to 81.8 %)",
        "This run: 81.2 %.",
    ]


# The mean is 0.809, and 3.25 x 0.00605530 x the root of 1.1 is 0.02064; 6.59 times it 0.04185.
@pytest.mark.parametrize("value", [0.7885, 0.8295])
def test_what_99_of_100_seeds_give_needs_no_word(stated, capsys, value):
    stated.state("test accuracy", value, images=1000)
    assert said(capsys)[1:] == [f"This run: {100 * value:.1f} %."]


@pytest.mark.parametrize("value", [0.788, 0.83, 0.768, 0.85])
def test_what_one_in_100_seeds_gives_is_said_in_the_line_of_this_run(stated, capsys, value):
    stated.state("test accuracy", value, images=1000)
    assert said(capsys)[1:] == [
        f"This run: {100 * value:.1f} %. Outside of 78.8 to 83.0 %, where 99 of 100 seeds end."
    ]


@pytest.mark.parametrize("value", [0.767, 0.8515, 0.1, math.nan, math.inf])
def test_what_no_seed_gives_is_said_where_the_check_of_the_outputs_sees_it(stated, capsys, value):
    stated.state("test accuracy", value, images=1000)
    assert said(capsys)[2:] == [figures.FAR_OFF]


def test_other_units_than_percent(stated, capsys):
    stated.state("loss", 1.5, unit="epochs")
    stated.state("loss", 1.5, unit="")
    assert said(capsys) == [
        "loss: mean of ten seeds 1.45 epochs (1.00 to 1.90 epochs)",
        "This run: 1.50 epochs.",
        "loss: mean of ten seeds 1.45 (1.00 to 1.90)",
        "This run: 1.50.",
    ]


@pytest.mark.parametrize(
    ("seeds", "images", "low", "high"),
    [
        ([1.0] * 10, 1000, 1 - 0.00325, 1.0),  # 3 of 1,000 may be wrong
        ([1.0] * 10, 10, 0.675, 1.0),
        ([0.0] * 10, 1000, 0.0, 0.00325),
        (list(0.1 * TENTHS), 1000, 0.0, 0.045 + 3.25 * 0.0302765 * math.sqrt(1.1)),
        (list(0.95 + 0.05 * TENTHS), 1000, 0.9725 - 3.25 * 0.01513825 * math.sqrt(1.1), 1.0),
    ],
)
def test_no_share_is_expected_beyond_0_and_1_or_more_closely_than_its_images_allow(
    seeds, images, low, high
):
    expected = figures.expected_of(seeds, "%", images)
    assert expected == pytest.approx((low, high), abs=1e-6)


def test_a_share_that_no_seed_moved_may_differ_by_a_few_images(stated, capsys):
    stated.state("training accuracy", 0.997, images=1000)
    stated.state("training accuracy", 0.994, images=1000)
    stated.state("training accuracy", 0.993, images=1000)
    lines = said(capsys)
    assert lines[1] == "This run: 99.7 %."
    assert lines[3].startswith("This run: 99.4 %. Outside of 99.7 to 100.0 %")
    assert lines[4] == lines[0] and lines[6] == figures.FAR_OFF


def test_a_number_that_never_moves_may_not_move(stated, capsys):
    stated.state("parameters", 122_570, unit="")
    stated.state("parameters", 122_571, unit="")
    assert said(capsys)[-1] == figures.FAR_OFF


def test_a_run_is_stated_by_its_validation_accuracy(stated, capsys):
    stated.state("test accuracy", a_run(0.8123))
    assert said(capsys)[1:] == ["This run: 81.2 %."]


@pytest.mark.parametrize(
    "losses", [(2.3, 2.2, 2.104), (2.3, 2.2), (2.3, 2.2, 2.1, 2.0), (2.304, 2.2, 2.1)]
)
def test_a_training_that_begins_otherwise_is_noticed_though_it_ends_alike(stated, capsys, losses):
    stated.state("test accuracy", a_run(losses=losses))
    assert said(capsys)[2:] == [figures.OTHER_START]


@pytest.mark.parametrize(
    "run",
    [
        a_run(losses=(2.301, 2.2, 2.1)),  # as another computer does
        a_run(losses=()),  # in another number format
    ],
)
def test_another_computer_or_format_is_no_other_start(stated, capsys, run):
    stated.state("test accuracy", run)
    stated.state("higher accuracy", replace(run, history={"val_accuracy": [0.84], "loss": [1]}))
    assert len(said(capsys)) == 4


def test_another_seed_is_named_once(stated, capsys):
    for _ in range(2):
        stated.state("test accuracy", a_run(losses=(9.0, 9.0, 9.0), seed=7))
    lines = said(capsys)
    assert lines[2] == "Seed 7, not 0: other first weights, another order of images."
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("higher", "lower", "text"),
    [
        (
            "higher accuracy", "test accuracy",
            "above test accuracy: in 10 of 10 seeds, by +3.0 to +3.0 points",
        ),
        (
            "nearly always higher", "test accuracy",
            "above test accuracy: usually, in 9 of 10 seeds, by -31.8 to +10.0 points",
        ),
        (
            "test accuracy", "higher accuracy",
            "above higher accuracy: not shown, in 0 of 10 seeds, by -3.0 to -3.0 points",
        ),
    ],
)  # fmt: skip
def test_a_comparison_counts_pairs_of_seeds(stated, capsys, higher, lower, text):
    stated.state(higher, 0.85)
    stated.state(lower, 0.81)
    capsys.readouterr()
    stated.compare(higher, lower)
    assert said(capsys) == [f"{higher}, {text}", "This run: +4.0 points."]


def test_a_comparison_with_itself_is_above_in_no_seed(stated, capsys):
    stated.state("loss", 1.5, unit="epochs")
    capsys.readouterr()
    stated.compare("loss", "loss")
    assert said(capsys) == [
        "loss, above loss: not shown, in 0 of 10 seeds, by +0.00 to +0.00 epochs",
        "This run: +0.00 epochs.",
    ]


def test_no_line_begins_with_a_percent_sign(stated, capsys):
    for length in range(40, 90):
        stated.seeds["n" * length] = stated.seeds["test accuracy"]
        stated.state("n" * length, 0.81)
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if line.strip().startswith("%")]


@pytest.mark.parametrize("turned", [False, True])
def test_a_stored_figure_is_not_compared_with_one_that_is_not(stated, capsys, turned):
    stated.state("test accuracy", 0.81)
    stated.state("new figure", 0.81)
    capsys.readouterr()
    names = ["test accuracy", "new figure"][:: -1 if turned else 1]
    stated.compare(*names)
    assert said(capsys) == [
        f"{names[0]}, above {names[1]}: none stored for bands",
        "This run: +0.0 points.",
    ]


def test_only_what_was_stated_can_be_compared(stated):
    stated.state("test accuracy", 0.81)
    with pytest.raises(UsageError, match="Received: 'loss'; stated are 'test accuracy'. Run the"):
        stated.compare("test accuracy", "loss")


@pytest.mark.parametrize("lesson", [LESSON, "01_choosing_a_library"])
def test_a_figure_that_nobody_measured_is_stated_as_this_runs_alone(
    stated, dataset, capsys, lesson
):
    of_lesson = lesson_figures(lesson, dataset)
    of_lesson.state("new figure", 0.123)
    of_lesson.state("another one", 0.1)
    of_lesson.compare("new figure", "another one")
    assert said(capsys) == [
        "new figure: none stored for bands",
        "This run: 12.3 %.",
        "another one: none stored for bands",
        "This run: 10.0 %.",
        "new figure, above another one: none stored for bands",
        "This run: +2.3 points.",
    ]


def test_the_figures_of_another_dataset_are_not_used(stated, make_dataset, capsys):
    of_pets = lesson_figures(LESSON, replace(make_dataset(), name="pets"))
    of_pets.state("test accuracy", a_run(0.85, (1.0,)))
    assert said(capsys) == ["test accuracy: none stored for pets", "This run: 85.0 %."]


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
    stated.state("test accuracy", a_run(0.8))
    stated.state("new figure", 3, unit="s")
    stated.state("diverged", math.nan)
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert rows == [
        [LESSON, "bands", "test accuracy", 0.8, [2.3, 2.2, 2.1]],
        [LESSON, "bands", "new figure", 3.0, []],
    ]


def test_the_strip_has_a_dot_for_each_seed_and_says_all_in_words(stated):
    seeds = tuple(STORED[LESSON]["bands"]["seeds"]["test accuracy"])
    strip = figures.Strip(seeds, figures.expected_of(seeds, "%", 1000), 0.8123, "%")
    bundle = strip._repr_mimebundle_()
    packed = bundle["text/html"].partition("base64,")[2].partition('"')[0]
    drawn = base64.b64decode(packed).decode()
    assert drawn.count("<circle") == 10 and drawn.count("<path") == 1
    assert '<circle cx="208.4"' in drawn  # 0.8, between 0.78836 and 0.82964
    assert (
        'alt="Ten seeds as dots, from 80.0 to 81.8 %; this run as a diamond, at 81.2 %; in grey, '
        'where 99 of 100 seeds end."'
    ) in bundle["text/html"]


def place_of_this_run(strip: figures.Strip) -> float:
    packed = strip._repr_mimebundle_()["text/html"].partition("base64,")[2].partition('"')[0]
    return float(base64.b64decode(packed).decode().partition('d="M')[2].partition(" ")[0])


@pytest.mark.parametrize(
    ("value", "place"),
    [(0.0, 48), (0.75, 90), (0.85, 510), (1.0, 552), (math.nan, 0), (math.inf, 0)],
)
def test_the_strip_draws_what_lies_far_off_inside_its_frame(value, place):
    strip = figures.Strip((0.8, 0.81), figures.Interval(0.75, 0.85), value, "%")
    assert place_of_this_run(strip) == place


def test_the_strip_of_a_number_that_never_moves_has_it_in_the_middle():
    assert place_of_this_run(figures.Strip((1.0,) * 10, figures.Interval(1.0, 1.0), 1.0, "")) == 300


def test_a_notebook_shows_the_strip(stated, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", shown.append)
    stated.state("loss", 1.5, unit="epochs")
    for made in (stated, *shown):
        with pytest.raises(FrozenInstanceError):
            made.seeds = ()
    ((seeds, _, value, unit),) = map(astuple, shown)
    assert (seeds, value, unit) == (tuple(1 + TENTHS), 1.5, "epochs")


# --- The store that comes with the course ---------------------------------------------

CIRCUMSTANCES = [
    pytest.param(stored, id=f"{lesson}, {dataset}")
    for lesson, datasets in json.loads(figures.STORE.read_text(encoding="utf-8")).items()
    for dataset, stored in datasets.items()
]


@pytest.mark.parametrize("stored", CIRCUMSTANCES)
def test_each_figure_was_measured_with_ten_seeds_none_of_them_another_once_more(stored):
    runs = list(zip(*stored["seeds"].values(), strict=True))
    assert len(runs) >= 10
    assert len(set(runs)) == len(runs)


@pytest.mark.parametrize("stored", CIRCUMSTANCES)
def test_on_every_machine_that_was_tried_the_figures_hold(stored):
    """One and two threads, with and without bfloat16 and oneDNN: no seed of its own is needed."""
    assert len(stored["machines"]) >= 3
    for machine, measured in stored["machines"].items():
        for figure, value in measured["figures"].items():
            seeds = stored["seeds"][figure]
            unit = "%" if 0 <= min(seeds) <= max(seeds) <= 1 else ""
            expected = figures.expected_of(seeds, unit, 2000, figures.CHANCE)
            assert expected.holds(value), (machine, figure, value, expected)


@pytest.mark.parametrize("stored", CIRCUMSTANCES)
def test_on_every_machine_that_was_tried_trainings_begin_alike(stored):
    """A quarter of what is allowed is the most that was seen."""
    for machine, measured in stored["machines"].items():
        for figure, losses in measured.get("first losses", {}).items():
            of_lesson = stored["first losses"][figure]
            assert len(losses) == len(of_lesson)
            apart = np.abs(np.divide(losses, of_lesson) - 1).max()
            assert apart < figures.SAME_LOSS / 4, (machine, figure, apart)
