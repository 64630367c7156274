"""Some of a dataset's images: a split's first ones or chosen ones, fewer training images."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from helpers import Split
from helpers.basics.errors import MismatchError, UsageError
from helpers.datasets import plot_class_counts


@pytest.fixture
def numbered() -> Split:
    """Ten images of three classes; the number of each is in its pixels."""
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1).repeat(2, 1)
    return Split("train", images, np.arange(10) % 3, ("a", "b", "c"), "the tests")


def ids(split: Split) -> list[int]:
    assert split.labels.tolist() == [number % 3 for number in split.images[:, 0, 0, 0].tolist()]
    return split.images[:, 0, 0, 0].tolist()


class TestTake:
    @pytest.mark.parametrize("count", [0, 1, 10, np.int64(4), np.uint8(3)])
    def test_the_first_ones(self, numbered, count):
        taken = numbered.take(count)
        assert ids(taken) == list(range(count))
        assert (taken.name, taken.class_names, taken.source) == (
            "train",
            ("a", "b", "c"),
            "the tests",
        )
        assert np.shares_memory(taken.images, numbered.images) or not count

    @pytest.mark.parametrize(
        ("which", "expected"),
        [
            ([7, 2, 2, -1], [7, 2, 2, 9]),
            ((3, 1), [3, 1]),
            (range(4, 6), [4, 5]),
            ([], []),
            (np.array([], np.float64), []),
            (np.array([5], np.uint8), [5]),
            (np.arange(10) > 7, [8, 9]),
            ([True] + [False] * 8 + [True], [0, 9]),
        ],
        ids=str,
    )
    def test_chosen_ones_as_numpy_takes_them(self, numbered, which, expected):
        assert ids(numbered.take(which)) == expected

    @pytest.mark.parametrize(
        "which",
        [
            -1, 11, True, 2.5, None, "abc", [10], [-11], [1.5], ["a"], [[1, 2]], [[1], [2, 3]],
            [True, False], {1, 2}, np.ones((2, 2), bool), np.array(3), slice(3),
        ],
        ids=str,
    )  # fmt: skip
    def test_what_is_none_of_these_is_said_in_words(self, numbered, which):
        message = (
            "Expected a number of images from 0 to 10, the indices of some, or 10 times True or "
            "False. Received: "
        )
        with pytest.raises(UsageError, match=message):
            numbered.take(which)

    def test_the_split_itself_stays(self, numbered):
        before = numbered.images.copy()
        numbered.take([1, 2]).images[:] = 99
        np.testing.assert_array_equal(numbered.images, before)


class TestSubset:
    def test_the_same_share_of_every_class_in_the_order_that_they_had(self, make_dataset):
        dataset = make_dataset(train=300)
        train = replace(dataset.train, labels=np.repeat([0, 1, 2], [200, 70, 30]))
        few = replace(dataset, train=train).subset(50)
        assert few.train.class_counts() == {"top": 33, "middle": 12, "bottom": 5}
        assert np.all(np.diff(few.train.labels) >= 0)
        assert few.validation is dataset.validation
        assert few.test is dataset.test
        assert (few.name, few.class_names) == (dataset.name, dataset.class_names)

    @pytest.mark.parametrize("count", [3, 7, 24])
    def test_as_many_as_asked_for_each_with_its_label(self, dataset, count):
        few = dataset.subset(count).train
        assert len(few) == count
        originals = {image.tobytes(): label for image, label in zip(
            dataset.train.images, dataset.train.labels, strict=True)}  # fmt: skip
        drawn = [image.tobytes() for image in few.images]
        assert len(set(drawn)) == count
        assert [originals[image] for image in drawn] == few.labels.tolist()

    def test_the_seed_decides_which(self, dataset):
        drawn = [dataset.subset(9, seed=seed).train.images.tobytes() for seed in (0, 0, 1)]
        assert drawn[0] == drawn[1] != drawn[2]
        assert dataset.subset(np.uint8(9)).train.images.tobytes() == drawn[0]

    @pytest.mark.parametrize("count", [0, -3, 25, 2.5, "9", True, None, [9]])
    def test_no_such_number_of_images(self, dataset, count):
        with pytest.raises(UsageError, match="Expected a number of training images from 1 to 24"):
            dataset.subset(count)

    def test_a_class_that_would_have_no_image_is_named(self, make_dataset):
        dataset = make_dataset(train=100)
        train = replace(dataset.train, labels=np.repeat([0, 1, 2], [60, 36, 4]))
        dataset = replace(dataset, train=train)
        with pytest.raises(UsageError, match="'bottom' would have none. Give at least 25."):
            dataset.subset(10)
        assert dataset.subset(25).train.class_counts()["bottom"] == 1
        train = replace(train, labels=np.repeat([0, 1, 2], [60, 39, 1]))
        with pytest.raises(UsageError, match="'bottom' would have none. Give at least 100."):
            replace(dataset, train=train).subset(10)

    def test_a_class_without_training_images_has_none_then_either(self, dataset):
        two = replace(dataset, train=dataset.train.take(dataset.train.labels != 2))
        assert list(two.subset(4).train.class_counts().values()) == [2, 2, 0]

    def test_a_seed_that_is_none(self, dataset):
        with pytest.raises(UsageError, match="Expected seed as a whole number"):
            dataset.subset(9, seed=-1)


def test_each_is_itself_alone_and_cannot_be_changed_by_mistake(dataset):
    for one in (dataset, dataset.train):
        assert one != replace(one)
        assert len({one, replace(one)}) == 2
        with pytest.raises(FrozenInstanceError):
            one.name = "another"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.arange(10)}, "Expected train labels from 0 to 2.* Received: 3 for image 3"),
        ({"labels": np.arange(9) % 3}, r"Expected train images of shape \('n', 2, 1, 1\) with n"),
        ({"labels": np.eye(10)}, "Expected one whole number a train image .*argmax"),
        ({"images": np.full((10, 2, 1, 1), np.nan)}, "Expected numbers as pixels.* not finite"),
        ({"images": np.full((10, 2, 1, 1), "a")}, "Expected numbers as pixels.* of type <U1"),
    ],
)  # fmt: skip
def test_a_split_that_is_not_as_it_should_be_says_so(numbered, change, message):
    split = replace(numbered, **change)
    for look in (split.check, split.class_counts, lambda: plot_class_counts(split)):
        with pytest.raises(MismatchError, match=message):
            look()


def test_the_classes_of_a_whole_dataset_are_not_drawn(dataset):
    with pytest.raises(UsageError, match=r"for example dataset\.train\. Received: ImageDataset"):
        plot_class_counts(dataset)


def test_a_split_can_be_held_against_its_dataset(numbered):
    numbered.check((2, 1, 1), 3)
    with pytest.raises(MismatchError, match=r"of shape \('n', 2, 2, 1\)"):
        numbered.check((2, 2, 1))
    with pytest.raises(MismatchError, match="labels from 0 to 1, for 2 classes"):
        numbered.check(classes=2)
