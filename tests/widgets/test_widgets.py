"""Pictures that move: each control changes the picture and its words, and what it shows is so."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import keras
import numpy as np
import pytest
from ipywidgets import Dropdown, RadioButtons, Select

from helpers import CourseError, ImageDataset, Picture, evaluate
from helpers.basics.errors import UsageError
from helpers.results.evaluation import Evaluation
from helpers.widgets import (
    MovingPicture,
    explore_descent,
    explore_images,
    explore_kernel,
    explore_rates,
    explore_threshold,
    explore_windows,
)
from helpers.widgets import moving as moving_module
from helpers.widgets.descent import RATES, STEEP, descend, loss_of, stored_rates
from helpers.widgets.kernels import KERNELS, places_of_window
from helpers.widgets.moving import VIEW

# For each a way to move every one of its controls.
MOVES = {
    "kernel": [{f"row_{row}_column_{column}": 7.5} for row in (1, 2, 3) for column in (1, 2, 3)],
    "windows": [{"size": 9}, {"kernel_size": 2}, {"padding": 1}, {"stride": 3}],
    "descent": [{"learning_rate": 0.1}, {"momentum": 0.9}],
    "rates": [{"rate": "0.1"}],
    "threshold": [{"threshold": 0.5}],
    "images": [{"true_class": 2}, {"page": 3}],
    "answers": [{"true_class": 1}, {"said_class": 2}, {"kind": "mistakes"}, {"page": 2}],
}


@pytest.fixture(scope="module")
def evaluation(dataset: ImageDataset, answers) -> Evaluation:
    """Of 24 images; every third is answered wrongly, each with another confidence."""
    said = np.where(np.arange(24) % 3 == 0, (dataset.train.labels + 1) % 3, dataset.train.labels)
    outputs = np.full((24, 3), 0.1)
    outputs[np.arange(24), said] = np.linspace(1, 6, 24)
    return evaluate(answers(outputs), dataset.train)


@pytest.fixture
def make(dataset, evaluation):
    """Gives a function that makes the moving picture of a name."""
    makers = {
        "kernel": lambda: explore_kernel(dataset.train.images[0]),
        "windows": explore_windows,
        "descent": explore_descent,
        "rates": explore_rates,
        "threshold": lambda: explore_threshold(evaluation),
        "images": lambda: explore_images(dataset.train),
        "answers": lambda: explore_images(evaluation),
    }
    return lambda name: makers[name]()


def shown(moving: MovingPicture) -> list[dict]:
    """What a cell that ends with it shows, a dictionary of kinds for each output."""
    outputs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            moving_module, "display", lambda *value, raw=False: outputs.append((value, raw))
        )
        moving._ipython_display_()
    ((view,), raw), ((still,), _) = outputs
    assert raw
    return [view, still._repr_mimebundle_()]


def html_of(moving: MovingPicture) -> str:
    """The <img> that stands below the controls at this moment."""
    return moving.box.children[1].value


@pytest.mark.parametrize("name", MOVES)
def test_every_control_changes_the_picture_and_its_words(name, make):
    moving = make(name)
    assert {setting for move in MOVES[name] for setting in move} == moving.controls.keys()
    for move in MOVES[name]:
        moving = make(name)
        before, words = html_of(moving), moving.picture.description
        ((setting, value),) = move.items()
        moving.controls[setting].value = value  # as the browser does
        assert moving.settings[setting] == value
        assert html_of(moving) != before, move
        assert moving.picture.description != words, move
        assert html_of(moving) == moving.picture.to_html()


@pytest.mark.parametrize("name", MOVES)
def test_a_picture_that_does_not_move_stands_below_and_nothing_random_is_printed(name, make):
    moving = make(name)
    view, still = shown(moving)
    assert set(view) == {VIEW, "text/plain"}
    model = moving.box.model_id
    assert view[VIEW] == {"model_id": model, "version_major": 2, "version_minor": 0}
    assert repr(moving) == f"Moving picture: {moving.title}. {moving.picture.description}"
    assert view["text/plain"] == f"Moving picture: {moving.title}. Run this cell to move it."
    before = still["text/html"]
    assert "<img alt=" in before and "image/png" in still
    moving.put(**MOVES[name][0])
    assert shown(moving)[1]["text/html"] == before
    assert shown(make(name))[1]["text/html"] == before


@pytest.mark.parametrize("name", MOVES)
def test_every_control_says_what_it_is(name, make):
    for control in make(name).controls.values():
        assert control.description


@pytest.mark.parametrize("name", MOVES)
def test_no_control_is_a_list_whose_keys_jupyterlab_takes(name, make):
    kinds = (Dropdown, Select, RadioButtons)
    assert not any(isinstance(control, kinds) for control in make(name).controls.values())


def test_several_controls_are_moved_with_one_drawing(monkeypatch):
    moving = explore_windows()
    drawn = []
    draw = Picture.to_html
    monkeypatch.setattr(Picture, "to_html", lambda self: drawn.append(1) or draw(self))
    moving.put(size=9, stride=2)
    assert (moving.settings["size"], moving.settings["stride"], len(drawn)) == (9, 2, 1)
    moving.put(size=9)  # it is there already
    assert len(drawn) == 1


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("windows", {"sise": 3}, "size, kernel_size, padding, stride. Received: sise"),
        ("windows", {"size": 40}, "2 to 12 for size. Received: 40"),
        ("windows", {"size": "large"}, "2 to 12 for size. Received: 'large'"),
        ("descent", {"momentum": 0.123}, "one of 0.0, 0.5, 0.8, 0.9, 0.95 for momentum"),
        ("rates", {"rate": 0.1}, "one of '0.00001', '0.0001'"),
        ("images", {"true_class": 7}, "one of -1, 0, 1, 2 for true_class. Received: 7"),
    ],
)
def test_a_place_that_a_control_does_not_have_is_refused_in_words(name, wrong, words, make):
    moving = make(name)
    before, settings = html_of(moving), moving.settings
    others = {"padding": 2} if name == "windows" else {}
    with pytest.raises(UsageError, match=words):
        moving.put(**others, **wrong)
    assert moving.settings == settings and html_of(moving) == before


@pytest.mark.parametrize(("classes", "more"), [(11, ""), (12, ", ...")])
def test_of_many_places_twelve_are_named(make_dataset, classes, more):
    moving = explore_images(make_dataset(class_names=tuple("abcdefghijkl"[:classes])).train)
    with pytest.raises(UsageError, match=f"9, 10{more} for true_class"):
        moving.put(true_class=99)


def test_how_far_controls_can_be_moved(evaluation):
    def ends(moving: MovingPicture) -> dict[str, tuple]:
        return {name: (each.min, each.max) for name, each in moving.controls.items()}

    windows = {"size": (2, 12), "kernel_size": (1, 5), "padding": (0, 2), "stride": (1, 4)}
    assert ends(explore_windows()) == windows
    assert set(ends(explore_kernel(np.zeros((3, 3, 1)))).values()) == {(-99, 99)}
    threshold = explore_threshold(evaluation)
    assert ends(threshold) == {"threshold": (0, 0.99)}
    assert threshold.controls["threshold"].step == 0.01


# ---------------------------------------------------------------------------- what they show


def test_the_result_of_a_kernel_is_that_of_a_convolution_layer(dataset):
    """Of three channels, whose mean is taken."""
    image = np.concatenate([dataset.train.images[5] // part for part in (1, 2, 3)], axis=-1)
    kernel = np.array([[1, -2, 3], [0, 4.5, -1], [2, 2, -6]])
    moving = explore_kernel(image)
    moving.put(**dict(zip(moving.controls, kernel.ravel().tolist(), strict=True)))
    by_keras = keras.ops.conv(
        image.mean(axis=-1)[np.newaxis, ..., np.newaxis].astype("float32"),
        kernel[:, :, np.newaxis, np.newaxis].astype("float32"),
    )
    drawn = moving.picture.axes[1].images[0].get_array()
    np.testing.assert_allclose(drawn, np.asarray(by_keras)[0, :, :, 0], atol=1e-3)
    row, column = np.unravel_index(drawn.argmax(), drawn.shape)
    words = moving.picture.description
    assert "kernel 1 -2 3; 0 4.5 -1; 2 2 -6" in words
    assert f"highest in row {row + 1}, column {column + 1}" in words


def test_a_button_puts_a_whole_kernel():
    moving = explore_kernel(np.zeros((5, 6, 3), np.uint8))
    buttons = moving.box.children[0].children[1].children
    assert [button.description for button in buttons] == [*KERNELS]
    assert [*moving.settings.values()] == [*np.ravel(KERNELS["vertical edges"])]
    for button, kernel in zip(buttons, KERNELS.values(), strict=True):
        button.click()
        assert [*moving.settings.values()] == [*np.ravel(kernel)]


def test_each_kernel_does_what_its_name_says():
    image = np.random.default_rng(0).integers(0, 256, (6, 7)).astype(float)
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
    made = {name: (windows * np.array(kernel)).sum((2, 3)) for name, kernel in KERNELS.items()}
    above, middle, below = windows.sum(3).transpose(2, 0, 1)
    left, _, right = windows.sum(2).transpose(2, 0, 1)
    np.testing.assert_array_equal(made["vertical edges"], right - left)
    np.testing.assert_array_equal(made["horizontal edges"], below - above)
    np.testing.assert_array_equal(made["mean of nine"], above + middle + below)
    np.testing.assert_array_equal(made["spots"], 9 * image[1:-1, 1:-1] - windows.sum((2, 3)))
    np.testing.assert_array_equal(made["one pixel to the left"], image[1:-1, 2:])


@pytest.mark.parametrize("name", ["mean of nine", "spots", "one pixel to the left"])
def test_how_bright_a_flat_area_is_drawn(name):
    """As in the image where the kernel adds up to more than 0, else mid-grey."""
    moving = explore_kernel(np.full((5, 5, 3), (100, 101, 101), np.uint8))
    moving.put(**dict(zip(moving.controls, np.ravel(KERNELS[name]).tolist(), strict=True)))
    drawn = moving.picture.axes[1].images[0]
    shade = drawn.norm(drawn.get_array()).mean()
    assert shade == pytest.approx(0.5 if name == "spots" else 302 / 3 / 255, abs=1e-6)


@pytest.mark.parametrize(
    "image",
    [np.zeros((2, 9, 1)), np.zeros((9, 9)), np.zeros((4, 9, 9, 1)), np.zeros((9, 1_001, 1)),
     [[1], [2, 3]], None],
)  # fmt: skip
def test_what_is_no_image_for_a_kernel_is_refused(image):
    with pytest.raises(UsageError, match=r"3 to 1000 pixels a side. Received: .*images\[0\]"):
        explore_kernel(image)


def test_the_longest_image_for_a_kernel():
    assert "1 by 998 numbers" in explore_kernel(np.zeros((3, 1_000, 1))).picture.description


def test_the_places_of_a_window_are_those_of_a_convolution_layer():
    for size, kernel_size, padding, stride in product(
        range(2, 13), range(1, 6), range(3), [1, 2, 4]
    ):
        side = size + 2 * padding
        places = places_of_window(size, kernel_size, padding, stride)
        if side < kernel_size:
            assert not places
        else:
            shape = (kernel_size, kernel_size, 1, 1)
            padded, kernel = np.zeros((1, side, side, 1), "float32"), np.zeros(shape, "float32")
            assert len(places) == keras.ops.conv(padded, kernel, strides=stride).shape[1]


def test_the_number_of_places_is_said():
    moving = explore_windows()
    moving.put(size=12, kernel_size=5, padding=2, stride=3)
    assert "so 4 by 4 numbers come out; 2 at the right and" in moving.picture.description
    assert moving.picture.axes[1].get_title() == "(12 + 2 x 2 - 5) // 3 + 1 = 4"
    moving.put(size=2, kernel_size=3, padding=0)
    assert "no window fits" in moving.picture.description


def test_what_a_window_leaves_over_is_said():
    moving = explore_windows()
    moving.put(size=6, kernel_size=3, stride=2)
    assert "1 at the right and below left over" in moving.picture.description
    moving.put(size=7)
    assert "left over" not in moving.picture.description
    moving.put(size=6, kernel_size=2, stride=4)
    assert "; 2 between two windows left out." in moving.picture.description
    for setting in ((6, 2, 0, 2), (7, 3, 0, 1), (2, 1, 0, 4)):  # beside, over each other, one
        moving.put(**dict(zip(moving.controls, setting, strict=True)))
        assert "between" not in moving.picture.description


@pytest.mark.parametrize(("rate", "momentum"), [(0.02, 0.0), (0.1, 0.5), (0.05, 0.9)])
def test_the_steps_are_those_of_keras(rate, momentum):
    weights = keras.Variable([-4.0, 1.5])
    optimizer = keras.optimizers.SGD(rate, momentum=momentum)
    for expected in descend(rate, momentum, steps=6)[1:]:
        optimizer.apply([keras.ops.multiply(STEEP.astype("float32"), weights)], [weights])
        np.testing.assert_allclose(np.asarray(weights), expected, rtol=1e-4)
    assert loss_of(np.array([-4, 1.5])) == pytest.approx((4**2 + 10 * 1.5**2) / 2)


def test_the_rates_of_the_descent_reach_from_too_small_to_too_large():
    moving = explore_descent()
    assert [*RATES] == sorted(set(RATES))
    moving.put(learning_rate=RATES[-1])
    assert "it grows: divergence" in moving.picture.description
    moving.put(learning_rate=RATES[0])
    words = moving.picture.description
    assert "divergence" not in words
    assert float(words.split("steps ")[1].split(". ")[0]) > 0.2 * 19.2  # it hardly moved
    moving.put(learning_rate=0.3, momentum=0.5)  # between the two: it goes round and round
    assert "divergence" not in moving.picture.description
    moving.put(learning_rate=0.1, momentum=0.0)  # one step across the valley leads to its middle
    assert "crosses the valley 0 times" in moving.picture.description


def test_the_stored_trainings_are_of_ten_seeds_and_begin_and_end_with_a_bad_rate():
    runs = stored_rates()
    ends = {rate: accuracies[:, -1].mean() for rate, accuracies in runs.items()}
    assert all(accuracies.shape == (10, 5) for accuracies in runs.values())
    assert [*runs] == sorted(runs, key=float)
    assert max(ends, key=ends.get) not in (list(ends)[0], list(ends)[-1])
    assert ends["0.2"] == pytest.approx(0.1, abs=0.02)  # a guess
    assert ends["0.00001"] < 0.5 * max(ends.values())
    last = runs["0.03"][:, -1]  # some seeds learn nothing, others do
    assert last.min() < 0.15 and last.max() > 0.7


def test_a_stored_rate_is_shown_with_its_seeds():
    moving = explore_rates()
    moving.put(rate="0.001")
    last = 100 * stored_rates()["0.001"][:, -1]
    words = f"{last.mean():.1f} % ({last.min():.1f} to {last.max():.1f} %)"
    assert words in moving.picture.description
    assert words in moving.picture.axes[0].get_title()


def test_the_answers_of_some_confidence_are_counted(evaluation):
    moving = explore_threshold(evaluation)
    for threshold in (0.0, 0.37, 0.6, 0.85, 0.99):
        moving.put(threshold=threshold)
        taken = [
            answer == label
            for answer, sure, label in zip(
                evaluation.predictions, evaluation.confidences, evaluation.split.labels, strict=True
            )
            if sure >= threshold
        ]
        assert f"{100 * len(taken) / 24:.1f} % answered" in moving.picture.description
        accuracy, answered = moving.picture.axes[0].get_lines()[:2]
        at = np.searchsorted(answered.get_xdata(), threshold - 1e-9)
        if answered.get_xdata()[at] == pytest.approx(threshold):
            assert answered.get_ydata()[at] == pytest.approx(100 * len(taken) / 24)
        if taken:
            assert f"{100 * np.mean(taken):.1f} % of them" in moving.picture.description
            assert accuracy.get_ydata()[at] == pytest.approx(100 * np.mean(taken))


def test_a_threshold_that_nothing_reaches_is_no_error(dataset, answers):
    moving = explore_threshold(evaluate(answers(np.zeros((24, 3))), dataset.train))
    moving.put(threshold=0.9)
    assert moving.picture.description.endswith("from 0.90: 0.0 % answered.")


def titles_of(moving: MovingPicture) -> list[str]:
    return [ax.get_title() for ax in moving.picture.axes if ax.get_title()]


def test_the_walk_shows_what_passes_the_filters(evaluation):
    moving = explore_images(evaluation)
    labels, said = evaluation.split.labels, evaluation.predictions
    moving.put(kind="mistakes")
    assert f"{np.sum(said != labels)} of 24 images" in moving.picture.description
    assert all("✗" in title for title in titles_of(moving))
    moving.put(kind="correct answers", true_class=1)
    assert f"{np.sum((said == labels) & (labels == 1))} of 24" in moving.picture.description
    assert all(title.startswith("middle") and "✓" in title for title in titles_of(moving))
    moving.put(kind="all answers", true_class=2, said_class=0)
    assert f"{np.sum((said == 0) & (labels == 2))} of 24" in moving.picture.description


def test_the_surest_mistakes_come_first(evaluation):
    moving = explore_images(evaluation)
    moving.put(kind="mistakes")
    numbers = [int(title.split("no. ")[1].split()[0]) for title in titles_of(moving)]
    assert numbers == evaluation.mistakes[: len(numbers)].tolist()
    moving.put(kind="correct answers")
    numbers = [int(title.split("no. ")[1].split()[0]) for title in titles_of(moving)]
    sure = evaluation.confidences[numbers]
    assert (
        len(numbers) == 8
        and (np.diff(sure) <= 0).all()
        and sure[0]
        == max(evaluation.confidences[evaluation.predictions == evaluation.split.labels])
    )


def test_another_filter_begins_at_the_first_page(dataset):
    moving = explore_images(dataset.train)
    moving.put(page=3)
    assert "page 3 of 3" in moving.picture.description
    moving.controls["true_class"].value = 1
    assert moving.settings == {"true_class": 1, "page": 1}
    with pytest.raises(UsageError, match="1 to 1 for page"):
        moving.put(page=3)
    moving.put(page=2, true_class=-1)  # in whichever order they are named
    assert moving.settings == {"true_class": -1, "page": 2}


def test_the_number_of_an_image_is_its_place(make_dataset):
    many = make_dataset(train=1_240)
    moving = explore_images(many.train)
    moving.put(page=155)
    assert titles_of(moving)[-1].endswith("no. 1239")


@pytest.mark.parametrize("change", [{"labels": np.zeros(3, int)}, {"labels": np.full(24, 7)}])
def test_a_split_with_other_labels_is_refused_in_words(dataset, change):
    with pytest.raises(CourseError, match="Expected"):
        explore_images(replace(dataset.train, **change))


def test_classes_of_one_name_are_told_apart(make_dataset):
    twice = make_dataset(class_names=("cat", "cat", "dog"))
    moving = explore_images(twice.train)
    for true_class in (0, 1):
        moving.put(true_class=true_class)
        assert "8 of 24 images" in moving.picture.description


def test_no_image_is_said(make_dataset, answers):
    two = make_dataset(class_names=("cat", "dog"))
    right = np.eye(2)[two.train.labels]
    moving = explore_images(evaluate(answers(right), two.train))
    moving.put(kind="mistakes")
    assert "0 of 24 images" in moving.picture.description
    assert "no such image" in moving.picture.description


@pytest.mark.parametrize("explore", [explore_images, explore_threshold])
@pytest.mark.parametrize("wrong", [None, "train", np.zeros((2, 5, 5, 1))])
def test_what_cannot_be_walked_through_is_refused(explore, wrong):
    with pytest.raises(UsageError, match="Expected .* Received"):
        explore(wrong)
