"""How good a model is: every figure against one worked out by hand or published."""

from __future__ import annotations

import contextlib
import itertools
import math
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from helpers import Split, accuracy_interval, build_cnn, evaluate, quiet_tensorflow
from helpers.basics.errors import MismatchError, UsageError
from helpers.models.losses import gives_probabilities
from helpers.models.trained_on import TrainedOn, note_trained_on
from helpers.results import probabilities

with quiet_tensorflow():
    import keras
    from keras import layers

NAMES = ("cat", "dog", "owl")


def split_of(labels, names: tuple[str, ...] = NAMES) -> Split:
    labels = np.asarray(labels, np.int64)
    images = np.zeros((len(labels), 2, 2, 1), np.uint8)
    return Split("validation", images, labels, names, "a test")


# ----------------------------------------------------------------------- accuracy_interval


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        # R. G. Newcombe, "Two-sided confidence intervals for the single proportion: comparison
        # of seven methods", Statistics in Medicine 17 (1998), table I, method 3 (score, without
        # continuity correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_the_published_one(correct, total, low, high):
    assert accuracy_interval(correct, total) == pytest.approx((low, high), abs=0.00005)


def test_the_interval_of_the_wrong_answers_mirrors_that_of_the_right_ones():
    low, high = accuracy_interval(20, 20)
    assert (1 - high, 1 - low) == pytest.approx(accuracy_interval(0, 20))


def test_more_confidence_makes_it_wider():
    # z = 2.5758 for 99 %: centre (p + z^2/2n) / (1 + z^2/n) with p = 0.8, n = 100, by hand
    assert accuracy_interval(80, 100, 0.99) == pytest.approx((0.6802, 0.8826), abs=0.0005)
    assert accuracy_interval(80, 100) == pytest.approx((0.7112, 0.8666), abs=0.0005)


def test_it_takes_numpy_numbers_and_gives_plain_ones():
    low, high = accuracy_interval(np.int64(81), np.int64(263))
    assert type(low) is type(high) is float


@pytest.mark.parametrize(("correct", "total"), [(-1, 10), (11, 10), (0, 0), (5, 10**16)])
def test_impossible_counts_are_refused(correct, total):
    message = rf"Expected 0 <= correct <= total, of at least 1 .* Received: {correct} of {total}"
    with pytest.raises(ValueError, match=message):
        accuracy_interval(correct, total)


@pytest.mark.parametrize("given", [(5.9, 10), (5, 10.5), ("5", 10), (5, None), (math.nan, 10)])
def test_counts_are_whole_numbers(given):
    with pytest.raises(UsageError, match="Expected whole numbers: how many are right, and of how"):
        accuracy_interval(*given)


@pytest.mark.parametrize("confidence", [95, 1, 1 - 1e-16, 0, -0.5, "0.95", math.nan])
def test_a_confidence_is_a_share(confidence):
    message = f"Expected a confidence between 0 and 1, such as 0.95. Received: {confidence!r}."
    with pytest.raises(UsageError) as refused:
        accuracy_interval(5, 10, confidence)
    assert str(refused.value) == message


# ------------------------------------------------------------------------------- evaluate

#               said:  cat    dog   owl     is
WORKED = np.array([
    (0.75, 0.125, 0.125),               # cat, right
    (0.50, 0.250, 0.250),               # cat, right
    (0.25, 0.625, 0.125),               # cat, taken for a dog, 62.5 % sure
    (0.125, 0.75, 0.125),               # dog, right
    (0.0625, 0.875, 0.0625),            # dog, right
    (0.8125, 0.0625, 0.125),            # owl, taken for a cat, 81.25 % sure
])  # fmt: skip
WORKED_LABELS = [0, 0, 0, 1, 1, 2]  # nothing is ever taken for an owl


class TestWorkedByHand:
    @pytest.fixture(params=["probabilities", "logits"])
    def result(self, request, answers):
        """The same answers, as probabilities and as logits that softmax turns into them."""
        outputs = WORKED if request.param == "probabilities" else np.log(WORKED) + 3
        return evaluate(answers(outputs), split_of(WORKED_LABELS))

    def test_probabilities(self, result):
        np.testing.assert_allclose(result.probabilities, WORKED, atol=1e-6)
        np.testing.assert_allclose(result.probabilities.sum(axis=1), 1)

    def test_predictions_and_confidences(self, result):
        assert result.predictions.tolist() == [0, 0, 1, 1, 1, 0]
        expected = [0.75, 0.5, 0.625, 0.75, 0.875, 0.8125]
        np.testing.assert_allclose(result.confidences, expected, atol=1e-6)

    def test_accuracy_and_its_interval(self, result):
        assert result.accuracy == pytest.approx(4 / 6)
        assert result.interval == accuracy_interval(4, 6)

    def test_loss(self, result):
        right = [0.75, 0.5, 0.25, 0.75, 0.875, 0.125]
        assert result.loss == pytest.approx(-sum(map(math.log, right)) / 6, abs=1e-5)

    def test_confusion(self, result):
        assert result.confusion.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
        assert np.issubdtype(result.confusion.dtype, np.integer)

    def test_recall_and_precision(self, result):
        np.testing.assert_allclose(result.recall, [2 / 3, 1, 0])
        np.testing.assert_allclose(result.precision, [2 / 3, 2 / 3, np.nan])  # never said owl

    def test_f1_and_balanced_accuracy(self, result):
        np.testing.assert_allclose(result.f1, [2 / 3, 2 / (1 + 3 / 2), 0])
        assert result.balanced_accuracy == pytest.approx((2 / 3 + 1 + 0) / 3)

    def test_mistakes_come_with_the_most_confident_first(self, result):
        assert result.mistakes.tolist() == [5, 2]

    def test_calibration(self, result):
        # tenths: 0.5-0.6 (1 right of 1), 0.6-0.7 (0 of 1), 0.7-0.8 (2 of 2), 0.8-0.9 (1 of 2)
        calibration = result.calibration
        np.testing.assert_allclose(
            calibration.confidence, [0.5, 0.625, 0.75, (0.875 + 0.8125) / 2], atol=1e-6
        )
        np.testing.assert_allclose(calibration.accuracy, [1, 0, 1, 0.5])
        assert calibration.counts.tolist() == [1, 1, 2, 2]
        by_hand = (1 * 0.5 + 1 * 0.625 + 2 * 0.25 + 2 * 0.34375) / 6
        assert calibration.error == pytest.approx(by_hand, abs=1e-6)
        assert repr(calibration) == "Calibration: 4 groups, expected error 38.5 points"

    def test_it_cannot_be_changed_and_can_be_kept_in_a_set(self, result):
        for made in (result, result.calibration):
            with pytest.raises(FrozenInstanceError):
                made.accuracy = 1.0
            assert len({made, replace(made), made}) == 2

    def test_the_repr_says_it_all(self, result):
        assert repr(result).splitlines() == [
            "Evaluation on 6 validation images, a test",
            "  accuracy 66.7 %, 95 % interval 30.0 to 90.3 %; cross-entropy 0.811",
            "  balanced accuracy 55.6 %, the mean recall",
            "         recall  precision       F1",
            "  cat    66.7 %    66.7 %    66.7 %",
            "  dog   100.0 %    66.7 %    80.0 %",
            "  owl     0.0 %     nan %     0.0 %",
        ]

    def test_of_classes_with_as_many_images_the_mean_recall_is_the_accuracy(self, answers):
        result = evaluate(answers(WORKED[[0, 2, 3, 3]][:, :2]), split_of([0, 0, 1, 1], NAMES[:2]))
        assert result.balanced_accuracy == result.accuracy == 0.75
        assert "balanced" not in repr(result)

    def test_long_names_and_sources_stay_within_a_page(self, result):
        names = ("x" * 120 + "end", "first\nsecond", "word " * 40)
        split = replace(result.split, class_names=names, source="images from a folder " * 9)
        shown = repr(replace(result, split=split)).splitlines()
        assert max(map(len, shown)) <= 88
        assert "…" + "x" * 16 + "end    66.7 %" in "\n".join(shown)
        assert sum(line.startswith("  first second ") for line in shown) == 1
        split = replace(split, class_names=("y" * 55, "z" * 56, "cat"))
        shown = repr(replace(result, split=split))
        assert "y" * 55 in shown and f"{'z' * 35}…{'z' * 19} " in shown


class TestEdges:
    def test_a_class_without_images_has_no_recall(self, answers):
        result = evaluate(answers([(3, 0, 0), (0, 0, 3)]), split_of([0, 1]))
        np.testing.assert_array_equal(result.recall, [1, 0, np.nan])
        np.testing.assert_array_equal(result.precision, [1, np.nan, 0])
        np.testing.assert_array_equal(result.f1, [1, 0, 0])
        assert result.balanced_accuracy == 0.5
        assert result.confusion.shape == (3, 3)

    def test_a_class_without_images_and_predictions_has_no_f1(self, answers):
        result = evaluate(answers([(3, 0, 0), (0, 3, 0)]), split_of([0, 1]))
        np.testing.assert_array_equal(result.f1, [1, 1, np.nan])
        assert result.balanced_accuracy == 1

    @pytest.mark.parametrize(("label", "accuracy"), [(0, 1.0), (1, 0.0)])
    def test_all_right_and_all_wrong(self, answers, label, accuracy):
        result = evaluate(answers([(9, 0, 0)] * 4), split_of([label] * 4))
        assert result.accuracy == accuracy
        assert len(result.mistakes) == 4 * (1 - accuracy)
        assert result.calibration.counts.tolist() == [4]
        assert result.calibration.accuracy.tolist() == [accuracy]
        sure = result.confidences[0]
        assert result.calibration.error == pytest.approx(abs(accuracy - sure))

    def test_one_image(self, answers):
        result = evaluate(answers([(0, 2, 1)]), split_of([1]))
        assert result.accuracy == 1
        assert result.loss == pytest.approx(math.log(1 + math.exp(-1) + math.exp(-2)), abs=1e-6)

    def test_two_classes(self, answers):
        result = evaluate(answers([(1, 0), (0, 1), (1, 0)]), split_of([0, 1, 1], ("no", "yes")))
        assert result.confusion.tolist() == [[1, 0], [1, 1]]

    def test_very_large_logits_do_not_overflow(self, answers):
        result = evaluate(answers([(1e4, 0, 0), (0, 1e4, 0)]), split_of([0, 0]))
        np.testing.assert_array_equal(result.probabilities, [[1, 0, 0], [0, 1, 0]])
        assert math.isfinite(result.loss)

    def test_logits_are_not_taken_for_probabilities_because_one_row_adds_up_to_one(self, answers):
        result = evaluate(answers([(1, 0, 0), (5, 0, 0)]), split_of([0, 0]))
        e = math.e
        np.testing.assert_allclose(result.probabilities[0], [e / (e + 2), *2 * [1 / (e + 2)]])

    def test_negative_numbers_are_logits_even_if_they_add_up_to_one(self, answers):
        result = evaluate(answers([(2, -1, 0)]), split_of([0]))
        assert result.probabilities.min() > 0

    def test_equally_confident_mistakes_keep_their_order(self, answers):
        outputs = [(5, 0, 0), (9, 0, 0)] * 100
        result = evaluate(answers(outputs), split_of([1] * 200))
        assert result.mistakes.tolist() == [*range(1, 200, 2), *range(0, 200, 2)]

    def test_calibration_on_many_answers(self, answers):
        """Against a loop over the ten groups."""
        random = np.random.default_rng(0)
        outputs, labels = random.normal(0, 2, (500, 3)), random.integers(0, 3, 500)
        result = evaluate(answers(outputs), split_of(labels))
        right, sure = result.predictions == labels, result.confidences
        error, counts = 0.0, []
        for tenth in range(10):
            group = (sure > tenth / 10) & (sure <= (tenth + 1) / 10)
            if group.any():
                error += abs(right[group].mean() - sure[group].mean()) * group.sum() / 500
                counts.append(group.sum())
        assert result.calibration.error == pytest.approx(error)
        assert result.calibration.counts.tolist() == counts

    @pytest.mark.parametrize("name", ["mirrored", "shifted"])
    def test_a_switch_is_on_or_off(self, answers, name):
        with pytest.raises(UsageError, match=f"Expected {name} as True or False. Received: 'no'"):
            evaluate(answers([(1, 0, 0)]), split_of([0]), **{name: "no"})

    def test_images_and_labels_by_themselves(self, dataset):
        model, split = build_cnn(dataset), dataset.test
        with pytest.raises(UsageError, match="Received: Sequential and ndarray and ndarray."):
            evaluate(model, split.images, split.labels)
        with pytest.raises(UsageError, match="then a split: .*Received: Sequential and Split and"):
            evaluate(model, split, split.labels)

    def test_a_model_of_pytorch(self, dataset):
        import torch

        with pytest.raises(UsageError, match="Received: PyTorch Sequential and Split."):
            evaluate(torch.nn.Sequential(), dataset.test)

    @pytest.mark.parametrize("what", ["images", "labels"])
    def test_lists_for_arrays(self, dataset, what):
        listed = replace(dataset.test, **{what: list(getattr(dataset.test, what))})
        with pytest.raises(UsageError, match=f"Received: test {what} of type list. np.asarray"):
            evaluate(build_cnn(dataset), listed)

    @pytest.mark.parametrize("swapped", [False, True])
    def test_what_is_no_model_and_no_split(self, dataset, swapped):
        model = build_cnn(dataset)
        given = (dataset.test, model) if swapped else (model, dataset)
        with pytest.raises(UsageError) as refused:
            evaluate(*given)
        received = "Split and Sequential" if swapped else "Sequential and ImageDataset"
        assert str(refused.value) == (
            "Expected a Keras model, then a split: evaluate(model, dataset.validation). "
            f"Received: {received}."
        )

    def test_an_empty_split(self, answers):
        message = r"Expected a split with images. Received: Split\(validation: 0 images of 3"
        with pytest.raises(ValueError, match=message):
            evaluate(answers(np.zeros((0, 3))), split_of([]))

    @pytest.mark.parametrize("shape", [(2, 2), (2, 4), (2,), (2, 3, 1)])
    def test_a_model_for_other_classes(self, answers, shape):
        with pytest.raises(ValueError) as refused:
            evaluate(answers(np.zeros(shape)), split_of([0, 1]))
        assert str(refused.value) == (
            "Expected 3 numbers an image, one a class of "
            "Split(validation: 2 images of 3 classes). "
            f"Received: an output of shape {shape}. "
            "Build the model for this dataset, with build_cnn(dataset)."
        )

    @pytest.mark.parametrize("broken", [math.nan, math.inf])
    def test_a_model_that_diverged(self, answers, broken):
        message = "Expected numbers .*Received: .*(nan|inf).*smaller learning rate"
        with pytest.raises(ValueError, match=message):
            evaluate(answers([(broken, 0, 0), (1, 0, 0)]), split_of([0, 1]))


def test_many_models_are_no_function_that_is_traced_too_often(caplog):
    """TensorFlow counts the graphs of all models together, and warns of the fifth."""
    for _ in range(6):
        evaluate(network(3), looked_at(3))
    assert not caplog.messages


@pytest.mark.parametrize(("images", "batches"), [(40, [7]), (7, [])])
def test_a_few_images_are_asked_about_at_once_and_many_in_batches(monkeypatch, images, batches):
    sizes = []
    make = probabilities.make_batches
    monkeypatch.setattr(probabilities, "batch_without_training", lambda model: 7)

    def noted(split, size, **settings):
        sizes.append(size)
        return make(split, size, **settings)

    monkeypatch.setattr(probabilities, "make_batches", noted)
    split = looked_at(3, images)
    from scipy.special import softmax

    expected = softmax(logits_of(network(3), split), axis=1)
    np.testing.assert_allclose(evaluate(network(3), split).probabilities, expected, rtol=1e-5)
    assert sizes == batches


def test_a_real_model_is_asked_about_every_image(dataset):
    """Against Keras' own accuracy and loss."""
    import keras

    model = build_cnn(dataset)
    result = evaluate(model, dataset.test)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss, metrics=["accuracy"])
    expected = model.evaluate(dataset.test.images, dataset.test.labels, verbose=0)
    assert [result.loss, result.accuracy] == pytest.approx(expected, abs=1e-5)
    assert result.split is dataset.test


def as_it_is(images):
    return images


def in_a_mirror(images):
    return np.flip(images, axis=2)


def moved(images, by: int):
    """Down and to the right, where `by` is 1; the border is reflected, as `shift` does it."""
    places = [np.abs(np.arange(side) - by) for side in images.shape[1:3]]
    places = [np.where(place < len(place), place, len(place) - 2) for place in places]
    return images[:, places[0]][:, :, places[1]]


def up(images):
    return moved(images, -1)


def down(images):
    return moved(images, 1)


@pytest.mark.parametrize("in_a_file", [False, True], ids=["in memory", "in a file"])
@pytest.mark.parametrize("count", [300, 1_500], ids=["few", "many"])
@pytest.mark.parametrize(
    ("asked", "views"),
    [
        ({"mirrored": True}, [as_it_is, in_a_mirror]),
        ({"shifted": True}, [as_it_is, up, down]),
        (
            {"mirrored": True, "shifted": True},
            [as_it_is, up, down, in_a_mirror]
            + [lambda images: up(in_a_mirror(images)), lambda images: down(in_a_mirror(images))],
        ),
    ],
    ids=["mirrored", "shifted", "both"],
)
def test_the_mean_over_several_views_of_each_image(
    dataset, tmp_path, asked, views, count, in_a_file
):
    images = dataset.train.images[:count]
    if in_a_file:
        np.save(tmp_path / "images.npy", images)
        images = np.load(tmp_path / "images.npy", mmap_mode="r")
    split = replace(dataset.train, images=images, labels=dataset.train.labels[:count])
    model = build_cnn(dataset)
    each = [
        evaluate(model, replace(split, images=np.ascontiguousarray(view(images)))).probabilities
        for view in views
    ]
    for one, other in itertools.combinations(each, 2):
        assert np.abs(one - other).max() > 1e-3
    result = evaluate(model, split, **asked)
    expected = np.mean(each, axis=0)
    np.testing.assert_allclose(result.probabilities, expected, atol=1e-6)
    assert result.accuracy == np.mean(expected.argmax(axis=1) == split.labels)
    assert result.split is split


def test_images_of_one_pixel_may_be_asked_about_shifted(answers):
    split = replace(split_of([0]), images=np.zeros((1, 1, 1, 1), np.uint8))
    assert evaluate(answers([(1, 0, 0)]), split, shifted=True).accuracy == 1


def test_the_pictures_are_of_this_evaluation(answers):
    result = evaluate(answers(WORKED), split_of(WORKED_LABELS))
    assert "1 owl taken for cat" in result.plot_confusion().description
    assert "is owl, said cat" in result.plot_mistakes(1).description
    assert "is cat" not in result.plot_mistakes(1).description
    assert "right of" in result.plot_calibration().description


def test_ten_mistakes_are_shown_and_groups_from_twenty_images_on(answers):
    wrong = evaluate(answers([(9, 0, 0)] * 11), split_of([1] * 11))
    assert wrong.plot_mistakes().description.count("is dog") == 10
    outputs = [(9, 0, 0)] * 20 + [(1, 0, 0)] * 19
    (ax,) = evaluate(answers(outputs), split_of([0] * 39)).plot_calibration().axes
    assert ax.lines[1].get_xdata() == pytest.approx([100], abs=0.1)


# ------------------------------------------------------- what the numbers of a model are


@pytest.mark.parametrize("outputs", [[0.25, 0.75, 0.6], np.log([1 / 3, 3, 1.5])])
def test_one_number_for_two_classes_is_that_of_the_second(answers, outputs):
    """A probability, or a logit that sigmoid turns into it: as with binary cross-entropy.

    Nothing but the numbers tells which: what gives them is no Keras model.
    """
    result = evaluate(answers(np.reshape(outputs, (3, 1))), split_of([0, 1, 0], ("cat", "dog")))
    expected = [[0.75, 0.25], [0.25, 0.75], [0.4, 0.6]]
    np.testing.assert_allclose(result.probabilities, expected, atol=1e-6)
    assert result.predictions.tolist() == [0, 1, 1]


def network(outputs: int, *last, activation=None, spread: float = 0.002) -> keras.Model:
    """From 4 x 4 grey levels to so many numbers, with weights drawn by NumPy."""
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(outputs, activation), *last]
    )
    weights = np.random.default_rng(0).normal(0, spread, (16, outputs))
    model.set_weights([weights, np.zeros(outputs)])
    return model


def looked_at(classes: int, images: int = 40) -> Split:
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (images, 4, 4, 1), np.uint8)
    labels = random.integers(0, classes, images)
    return Split("test", pixels, labels, tuple("abcdef"[:classes]), "noise")


def logits_of(model: keras.Model, split: Split) -> np.ndarray:
    """By NumPy, float64."""
    weights, bias = model.get_weights()
    return split.images.reshape(len(split), -1) @ weights.astype(np.float64) + bias


class TestOneNumber:
    @pytest.mark.parametrize("mirrored", [False, True])
    def test_logits_between_0_and_1_are_logits(self, mirrored):
        model, split = network(1), looked_at(2)
        model.set_weights([np.abs(model.get_weights()[0]) / 10, np.array([0.3])])
        logits = logits_of(model, split)
        assert logits.min() > 0.3 and logits.max() < 1
        result = evaluate(model, split, mirrored=mirrored)
        flipped = logits_of(model, replace(split, images=split.images[:, :, ::-1]))
        second = 1 / (1 + np.exp(-logits))
        if mirrored:
            second = (second + 1 / (1 + np.exp(-flipped))) / 2
        np.testing.assert_allclose(result.probabilities, np.hstack([1 - second, second]), rtol=1e-6)
        assert set(result.predictions) == {1}

    def test_logits_on_both_sides_of_0_are_read_as_keras_does(self):
        model, split = network(1), looked_at(2)
        result = evaluate(model, split)
        model.compile(
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
            metrics=[keras.metrics.BinaryAccuracy(threshold=0)],
        )
        expected = model.evaluate(split.images, split.labels, verbose=0)
        assert [result.loss, result.accuracy] == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize(
        "model",
        [
            lambda: network(1, activation="sigmoid"),
            lambda: network(1, layers.Activation("sigmoid")),
            lambda: keras.Sequential([keras.Input((4, 4, 1)), network(1, activation="sigmoid")]),
        ],
    )
    def test_probabilities_are_known_by_the_last_layer(self, model):
        split = looked_at(2)
        second = 1 / (1 + np.exp(-logits_of(network(1), split)))
        result = evaluate(model(), split)
        np.testing.assert_allclose(result.probabilities, np.hstack([1 - second, second]), rtol=1e-5)

    @pytest.mark.filterwarnings("ignore:You are using a softmax over axis:UserWarning")
    def test_softmax_over_one_number_says_nothing(self):
        message = "Received: softmax over one number, which is always 1. Make the last layer Dense"
        with pytest.raises(MismatchError, match=message):
            evaluate(network(1, activation="softmax"), looked_at(2))

    @pytest.mark.parametrize("from_logits", [False, True])
    def test_where_the_layers_do_not_tell_the_loss_does(self, from_logits):
        """hard_sigmoid gives probabilities, but nobody can tell that from its graph."""
        model, split = network(1, activation="hard_sigmoid"), looked_at(2)
        model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=from_logits))
        given = model.predict(split.images, verbose=0)[:, 0]
        second = 1 / (1 + np.exp(-given)) if from_logits else given
        np.testing.assert_allclose(evaluate(model, split).probabilities[:, 1], second, rtol=1e-5)


class TestCrossEntropy:
    """It is that of Keras, which calculates it from the logits too, and has no upper limit."""

    @pytest.mark.parametrize(
        ("outputs", "activation"),
        [(1, None), (1, "sigmoid"), (2, "softmax"), (4, None), (4, "sigmoid"), (4, "softmax")],
    )
    def test_of_a_network_that_is_very_sure(self, outputs, activation):
        split = looked_at(max(outputs, 2))
        model = network(outputs, activation=activation, spread=1)
        kind = "BinaryCrossentropy" if outputs == 1 else "SparseCategoricalCrossentropy"
        model.compile(loss=getattr(keras.losses, kind)(from_logits=activation is None))
        expected = model.evaluate(split.images, split.labels, verbose=0)
        assert expected > 100  # nats an image, where 36 was the most
        result = evaluate(model, split)
        assert result.loss == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(result.probabilities.sum(axis=1), 1)

    def test_by_hand(self, answers):
        """Sure with 200 nats, and half of the time wrong: 100 nats a picture."""
        result = evaluate(answers([(0, 200, 0)] * 2), split_of([1, 0]))
        assert result.loss == pytest.approx(100)

    def test_of_probabilities_that_were_rounded_to_0(self, answers):
        """float32 has no positive number below 1.4e-45, which is e ** -103.28."""
        result = evaluate(answers([(0, 1, 0)]), split_of([0]))
        assert result.loss == pytest.approx(103.28, abs=0.01)

    def test_of_one_probability_that_was_rounded_to_1(self, answers):
        """The next smaller number of float32 is 2 ** -24 below 1, and what is nearer becomes 1."""
        result = evaluate(answers([[1.0]]), split_of([0], ("no", "yes")))
        assert result.loss == pytest.approx(25 * math.log(2))

    @pytest.mark.parametrize("mirrored", [False, True])
    def test_mirrored_it_is_that_of_the_mean(self, mirrored):
        model, split = network(3, spread=0.02), looked_at(3)
        result = evaluate(model, split, mirrored=mirrored)
        right = result.probabilities[np.arange(len(split)), split.labels]
        assert result.loss == pytest.approx(-np.log(right).mean())


class TestSigmoidForManyClasses:
    @pytest.mark.parametrize(
        "loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"]
    )
    def test_loss_and_confidence_are_those_of_the_training(self, loss):
        """Keras puts softmax in the place of sigmoid when it calculates either loss."""
        model, split = network(4, activation="sigmoid", spread=0.02), looked_at(4)
        model.compile(loss=loss, metrics=["accuracy"])
        labels = split.labels if "sparse" in loss else np.eye(4)[split.labels]
        result = evaluate(model, split)
        expected = model.evaluate(split.images, labels, verbose=0)
        assert [result.loss, result.accuracy] == pytest.approx(expected, rel=1e-5)
        from scipy.special import softmax

        expected = softmax(logits_of(model, split), axis=1)
        np.testing.assert_allclose(result.probabilities, expected, rtol=1e-4)

    def test_where_the_logits_are_out_of_reach_each_row_is_made_to_add_up_to_one(self):
        model = network(4, layers.Reshape((4,)), activation="sigmoid")
        given = model.predict(looked_at(4).images, verbose=0)
        expected = given / given.sum(axis=1, keepdims=True)
        result = evaluate(model, looked_at(4))
        np.testing.assert_allclose(result.probabilities, expected, rtol=1e-5)


class TestWhatTheModelTakes:
    @pytest.mark.parametrize("scaled", [lambda x: x / 255, lambda x: x / 127.5 - 1])
    def test_pixels_that_would_be_scaled_twice(self, dataset, scaled):
        images = scaled(dataset.test.images.astype(np.float32))
        with pytest.raises(MismatchError, match="Expected test images with values from 0 to 255"):
            evaluate(build_cnn(dataset), replace(dataset.test, images=images))

    def test_a_model_that_does_not_scale_takes_them(self):
        split = looked_at(3)
        split = replace(split, images=(split.images / 255).astype(np.float32))
        assert evaluate(network(3), split).probabilities.shape == (40, 3)

    def test_its_classes_in_another_order(self):
        model, split = network(3), looked_at(3)
        note_trained_on(model, TrainedOn(split.class_names, (4, 4, 1)))
        turned = replace(split, class_names=split.class_names[::-1])
        with pytest.raises(MismatchError, match="Expected the classes in the order"):
            evaluate(model, turned)
        renamed = replace(split, class_names=("oak", "pine", "fir"))
        assert evaluate(model, renamed).accuracy == evaluate(model, split).accuracy

    def test_pixels_of_another_range_than_in_the_training(self):
        model, split = network(3), looked_at(3)
        note_trained_on(model, TrainedOn(split.class_names, (4, 4, 1), pixels=(-1.0, 1.0)))
        images = (split.images / 255).astype(np.float32)
        with pytest.raises(MismatchError, match="from -1 to 1, .*Received: pixels from 0 to"):
            evaluate(model, replace(split, images=images))
        assert evaluate(model, replace(split, images=2 * images - 1)).interval

    @pytest.mark.parametrize(
        ("pixels", "images", "fit"),
        [
            ((-1, 1), lambda x: x, False),
            ((0, 1), lambda x: x, False),
            ((-1, 1), lambda x: 8 * (x / 255) - 1, False),
            ((-1, 1), lambda x: 2.2 * (x / 255) - 1.1, True),  # as noise does it
            ((0, 255), lambda x: x / 255, False),
            ((0, 255), lambda x: x.astype(np.float32), True),
            ((0, 255), lambda x: (x // 100).astype(np.float32), True),
        ],
    )
    def test_pixels_far_beyond_those_of_the_training_or_far_smaller(self, pixels, images, fit):
        model, split = network(3), looked_at(3)
        note_trained_on(model, TrainedOn(split.class_names, (4, 4, 1), pixels=pixels))
        split = replace(split, images=images(split.images))
        with contextlib.nullcontext() if fit else pytest.raises(MismatchError, match="pixels from"):
            evaluate(model, split)

    @pytest.mark.parametrize("factor", [100.0, 2.5, -0.1])
    def test_shares_that_are_none(self, factor):
        shares = keras.Sequential([network(1, activation="sigmoid"), layers.Rescaling(factor)])
        with pytest.raises(MismatchError, match="Expected probabilities, from 0 to 1"):
            evaluate(shares, looked_at(2))

    def test_a_model_that_fails_only_when_it_computes(self):
        cropped = [layers.RandomCrop(2, 2), layers.Flatten(), layers.Dense(3)]
        model = keras.Sequential([keras.Input((4, 4, 1)), *cropped])
        with pytest.raises(MismatchError, match="that can compute its answers. Received: one that"):
            evaluate(model, looked_at(3))
        few = [layers.Reshape((16,)), layers.Embedding(3, 3), layers.GlobalAveragePooling1D()]
        with pytest.raises(MismatchError, match="that can compute its answers. Received: one that"):
            evaluate(keras.Sequential([keras.Input((4, 4, 1)), *few]), looked_at(3))
        with pytest.raises(MismatchError, match="that can compute its answers. Received: one that"):
            gives_probabilities(model, looked_at(3).images)

    def test_several_outputs(self):
        images = keras.Input((4, 4, 1))
        flat = layers.Flatten()(images)
        for outputs in ([flat, flat], {"a": layers.Dense(3)(flat), "b": flat}):
            with pytest.raises(
                MismatchError, match=r"one a class of .*Received: several outputs\."
            ):
                evaluate(keras.Model(images, outputs), looked_at(3))

    def test_several_inputs(self):
        first, second = keras.Input((4, 4, 1)), keras.Input((4, 4, 1))
        added = layers.Flatten()(layers.Add()([first, second]))
        with pytest.raises(MismatchError, match="Received: one whose layers cannot take them"):
            evaluate(keras.Model([first, second], layers.Dense(3)(added)), looked_at(3))
