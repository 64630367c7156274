"""Batches: what they hold, in which order, and how they are changed at random."""

from __future__ import annotations

import functools
import re
from dataclasses import replace

import numpy as np
import pytest

from helpers import Split, make_batches, quiet_tensorflow
from helpers.basics.errors import MismatchError, UsageError
from helpers.datasets import flip_sideways, shift

with quiet_tensorflow():
    import keras


@pytest.fixture(scope="module")
def numbered() -> Split:
    """50 images; the number of each is its label, and is in its pixels."""
    numbers = np.arange(50)
    images = numbers.astype(np.uint8).reshape(50, 1, 1, 1).repeat(2, 1)
    return Split("train", images, numbers, tuple(map(str, numbers)), "the tests")


def order(batches) -> list[int]:
    """The numbers of the images of one epoch, as they come."""
    return [int(label) for _, labels in batches.as_numpy_iterator() for label in labels]


class TestMakeBatches:
    def test_shapes_and_dtypes(self, numbered):
        batches = list(make_batches(numbered, 16).as_numpy_iterator())
        assert [images.shape for images, _ in batches] == [(16, 2, 1, 1)] * 3 + [(2, 2, 1, 1)]
        assert {images.dtype for images, _ in batches} == {np.dtype(np.uint8)}
        assert {labels.dtype for _, labels in batches} == {np.dtype(np.int64)}

    def test_a_whole_dataset_is_no_split(self, dataset):
        with pytest.raises(
            UsageError, match=r"for example dataset\.train\. Received: ImageDataset"
        ):
            make_batches(dataset)

    @pytest.mark.parametrize("change", [{"images": 5}, {"labels": 5}])
    def test_not_one_label_an_image(self, numbered, change):
        cut = {name: getattr(numbered, name)[:count] for name, count in change.items()}
        with pytest.raises(
            MismatchError, match="Expected train images .* with n labels.*both together"
        ):
            make_batches(replace(numbered, **cut), 4)

    @pytest.mark.parametrize("name", ["images", "labels"])
    def test_a_list_in_a_split_is_no_array(self, numbered, name):
        split = replace(numbered, **{name: list(getattr(numbered, name))})
        message = f"Expected NumPy arrays .* Received: train {name} of type list. np.asarray"
        with pytest.raises(UsageError, match=message):
            make_batches(split)

    @pytest.mark.parametrize("name", ["batch_size", "seed", "first_epoch"])
    @pytest.mark.parametrize("value", [2.5, "32", None, True, [8]])
    def test_what_is_no_whole_number(self, numbered, name, value):
        message = f"Expected {name} as a whole number from [01] to .* Received: "
        with pytest.raises(UsageError, match=message + re.escape(repr(value))):
            make_batches(numbered, **{name: value})

    @pytest.mark.parametrize(
        ("name", "value", "least"),
        [
            ("batch_size", 0, 1),
            ("batch_size", -4, 1),
            ("batch_size", 10**30, 1),
            ("seed", -1, 0),
            ("seed", 2**32, 0),
            ("first_epoch", -1, 0),
        ],
    )
    def test_numbers_out_of_range(self, numbered, name, value, least):
        message = f"Expected {name} as a whole number from {least} to .* Received: {value}"
        with pytest.raises(UsageError, match=message):
            make_batches(numbered, **{name: value})

    def test_a_switch_is_true_or_false(self, numbered):
        with pytest.raises(UsageError, match="shuffle as True or False. Received: 'no'"):
            make_batches(numbered, shuffle="no")

    @pytest.mark.parametrize("batch_size", [np.int64(16), np.uint8(16)])
    def test_numbers_of_numpy_are_numbers(self, numbered, batch_size):
        seed = np.uint8(3)
        batches = make_batches(numbered, batch_size, shuffle=True, seed=seed)
        assert order(batches) == order(make_batches(numbered, 16, shuffle=True, seed=3))

    def test_a_batch_larger_than_the_split_is_all_of_it(self, numbered):
        batches = make_batches(numbered, 10**9)
        assert [len(labels) for _, labels in batches.as_numpy_iterator()] == [50]
        assert len(batches) == 1

    def test_32_images_a_batch_unless_told_otherwise(self, numbered):
        sizes = [len(labels) for _, labels in make_batches(numbered).as_numpy_iterator()]
        assert sizes == [32, 18]

    def test_the_number_of_batches_is_known(self, numbered):
        assert len(make_batches(numbered, 16, shuffle=True)) == 4

    @pytest.mark.parametrize("shuffle", [False, True])
    def test_images_stay_with_their_labels(self, numbered, shuffle):
        for images, labels in make_batches(numbered, 16, shuffle=shuffle).as_numpy_iterator():
            np.testing.assert_array_equal(images[:, 0, 0, 0], labels)
            np.testing.assert_array_equal(images[:, 1, 0, 0], labels)

    def test_without_shuffling_every_epoch_keeps_the_order(self, numbered):
        batches = make_batches(numbered, 16)
        assert order(batches) == order(batches) == list(range(50))

    def test_each_epoch_has_every_image_once_in_an_order_of_its_own(self, numbered):
        batches = make_batches(numbered, 16, shuffle=True)
        epochs = [order(batches) for _ in range(3)]
        for numbers in epochs:
            assert sorted(numbers) == list(range(50))
        assert len({tuple(numbers) for numbers in (list(range(50)), *epochs)}) == 4

    def test_the_same_seed_gives_the_same_orders(self, numbered):
        def orders(seed: int) -> list[list[int]]:
            batches = make_batches(numbered, 16, shuffle=True, seed=seed)
            return [order(batches) for _ in range(2)]

        first = orders(0)
        assert orders(0) == first
        assert orders(1) != first

    def test_the_seed_alone_decides_whatever_was_drawn_before(self, numbered):
        orders = []
        for global_seed in (1, 2):
            keras.utils.set_random_seed(global_seed)
            orders.append(order(make_batches(numbered, 16, shuffle=True, seed=0)))
        assert orders[0] == orders[1]

    @pytest.mark.parametrize("seed", [0, 2**32 - 1])
    def test_the_order_is_a_function_of_the_seed_and_the_epoch(self, numbered, seed):
        batches = make_batches(numbered, 16, shuffle=True, seed=seed)
        orders = [order(batches) for _ in range(4)]
        later = make_batches(numbered, 16, shuffle=True, seed=seed, first_epoch=2)
        assert [order(later), order(later)] == orders[2:]

    def test_the_seed_is_0_unless_told_otherwise(self, numbered):
        usual = make_batches(numbered, 16, shuffle=True)
        assert order(usual) == order(make_batches(numbered, 16, shuffle=True, seed=0))

    def test_nothing_is_tuned_on_the_way(self, numbered):
        """The thread that does can hold up the end of a long epoch by ten seconds."""
        assert make_batches(numbered).options().autotune.enabled is False


class TestShare:
    def test_the_parts_of_all_workers_are_the_batches(self, numbered):
        """Of 50 images in batches of 16 the last has 2: the part of a third worker is empty."""
        options = {"batch_size": 16, "shuffle": True, "augment": [flip_sideways]}
        whole = [labels.tolist() for _, labels in make_batches(numbered, **options)
                 .as_numpy_iterator()]  # fmt: skip
        parts = [
            [labels.tolist() for _, labels in make_batches(numbered, share=(worker, 3), **options)
             .as_numpy_iterator()]
            for worker in range(3)
        ]  # fmt: skip
        assert [sum(of_batch, []) for of_batch in zip(*parts, strict=True)] == whole
        assert [[len(part) for part in of_batch] for of_batch in zip(*parts, strict=True)] == [
            [6, 5, 5], [6, 5, 5], [6, 5, 5], [1, 1, 0]
        ]  # fmt: skip

    def test_each_worker_draws_numbers_of_its_own(self, dataset):
        drawn = {}
        for worker in range(3):
            numbers = []
            batches = make_batches(
                dataset.train, 8, share=(worker, 3), seed=7,
                augment=[lambda images, random, to=numbers: (
                    to.append(random.integers(0, 2**62)), images)[1]],
            )  # fmt: skip
            numbers.clear()  # what the check drew
            epoch_of(batches)
            drawn[worker] = numbers
        assert drawn == {
            worker: [
                np.random.default_rng([7, 0, number, worker]).integers(0, 2**62)
                for number in range(3)
            ]
            for worker in range(3)
        }
        assert len({*drawn[0], *drawn[1], *drawn[2]}) == 9

    @pytest.mark.parametrize(
        "share", [5, (0,), (0, 1, 2), (2, 2), (-1, 2), (0, 0), None, "01"], ids=repr
    )
    def test_what_is_no_share_is_refused(self, numbered, share):
        with pytest.raises(UsageError, match="Expected (share|the number of)"):
            make_batches(numbered, share=share)


def epoch_of(batches) -> list[np.ndarray]:
    return [images for images, _ in batches.as_numpy_iterator()]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(map(np.array_equal, one, other))


class TestAugment:
    def test_later_epochs_are_changed_in_the_same_way_when_begun_with(self, dataset):
        options = {"shuffle": True, "seed": 3, "augment": [flip_sideways, shift]}
        batches = make_batches(dataset.train, 8, **options)
        epochs = [epoch_of(batches) for _ in range(3)]
        assert same(epoch_of(make_batches(dataset.train, 8, first_epoch=2, **options)), epochs[2])
        assert not same(epochs[0], epochs[1])

    def test_only_the_pixels_change(self, dataset):
        plain = list(make_batches(dataset.train, 8, shuffle=True).as_numpy_iterator())
        changed = make_batches(dataset.train, 8, shuffle=True, augment=[flip_sideways])
        for (images, labels), (flipped, flipped_labels) in zip(
            plain, changed.as_numpy_iterator(), strict=True
        ):
            assert np.array_equal(labels, flipped_labels)
            for one, other in zip(images, flipped, strict=True):
                assert np.array_equal(one, other) or np.array_equal(one[:, ::-1], other)

    def test_the_dataset_itself_stays_as_it_is(self, dataset):
        before = dataset.train.images.copy()
        epoch_of(make_batches(dataset.train, 8, augment=[flip_sideways, shift]))
        assert np.array_equal(dataset.train.images, before)

    def test_they_are_applied_in_order(self, dataset):
        batches = make_batches(
            dataset.train, 8, augment=[lambda i, _: i // 2, lambda i, _: i + np.uint8(1)]
        )
        assert np.array_equal(
            np.concatenate(epoch_of(batches)), dataset.train.images // 2 + np.uint8(1)
        )

    @pytest.mark.parametrize("seed", [0, 7])
    def test_each_batch_has_random_numbers_of_its_own(self, dataset, seed):
        """Those that NumPy draws for the seed, the number of the epoch and that of the batch."""
        drawn = []

        def draws(images, random):
            drawn.append(random.integers(0, 2**62))
            return images

        batches = make_batches(dataset.train, 8, seed=seed, augment=[draws])
        drawn.clear()  # what the check drew
        for _ in range(2):
            epoch_of(batches)
        expected = [
            np.random.default_rng([seed, epoch, number]).integers(0, 2**62)
            for epoch in range(2)
            for number in range(3)
        ]
        assert drawn == expected
        assert len(set(drawn)) == 6

    def test_a_tuple_is_as_good_as_a_list(self, dataset):
        listed, in_tuple = (
            epoch_of(make_batches(dataset.train, 8, augment=kind([flip_sideways, shift])))
            for kind in (list, tuple)
        )
        assert same(listed, in_tuple)

    @pytest.mark.parametrize("wrong", [flip_sideways, "flip", [1], None, {"flip": flip_sideways}])
    def test_what_is_no_list_of_functions_is_refused(self, dataset, wrong):
        with pytest.raises(UsageError, match="list of functions as augment"):
            make_batches(dataset.train, augment=wrong)

    def test_another_type_is_refused_before_the_first_batch(self, dataset):
        with pytest.raises(MismatchError, match=r"uint8 from halve\. Received: .* float64"):

            def halve(images, random):
                return images / 2

            make_batches(dataset.train, augment=[halve])

    def test_too_little_memory_is_told_as_what_it_is(self, dataset):
        def hungry(images, random):
            raise MemoryError

        with pytest.raises(MemoryError):
            make_batches(dataset.train, augment=[hungry])

    def test_what_fails_is_named(self, dataset):
        def broken(images, random):
            raise RuntimeError("no such thing")

        with pytest.raises(MismatchError, match=r"broken\(images, random\).*no such thing"):
            make_batches(dataset.train, augment=[broken])

    def test_what_fails_in_a_later_batch_is_named(self, dataset):
        """In the text, which is all that TensorFlow hands on."""
        calls = []

        def fails_later(images, random):
            calls.append(1)
            if len(calls) > 2:
                raise StopIteration("no more\n\nof them")  # which must not end the epoch
            return images

        batches = make_batches(dataset.train, 8, augment=[fails_later])
        said = r"MismatchError: Expected fails_later\(.* Received: StopIteration: no more of them\."
        with pytest.raises(Exception, match=said):
            epoch_of(batches)

    def test_a_partial_function_goes_by_the_name_of_what_it_calls(self, dataset):
        def brighter(images, random, *, by):
            return images * by

        with pytest.raises(MismatchError, match="from brighter. Received: shape .* type float64"):
            make_batches(dataset.train, augment=[functools.partial(brighter, by=1.5)])

    def test_nothing_given_back_is_refused(self, dataset):
        with pytest.raises(MismatchError, match="NoneType"):
            make_batches(dataset.train, augment=[lambda images, random: None])


@pytest.mark.parametrize("change", [flip_sideways, shift])
@pytest.mark.parametrize(
    ("images", "random", "received"),
    [
        (
            np.zeros((4, 4, 3), np.uint8),
            np.random.default_rng(0),
            r"shape \(4, 4, 3\) and Generator",
        ),
        (np.zeros((1, 4, 4, 3), np.uint8), 0, r"shape \(1, 4, 4, 3\) and int"),
        (None, np.random.default_rng(0), "NoneType and Generator"),
    ],
)
def test_what_is_no_batch_or_no_generator_is_said_in_words(change, images, random, received):
    with pytest.raises(UsageError, match=f"Expected a batch of images.* Received: {received}"):
        change(images, random)


class TestFlipSideways:
    def test_about_half_are_mirrored(self):
        images = np.arange(2_000 * 2 * 3, dtype=np.uint8).reshape(2_000, 2, 3, 1)
        flipped = flip_sideways(images, np.random.default_rng(0))
        mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
        kept = (flipped == images).all(axis=(1, 2, 3))
        assert (mirrored ^ kept).all()
        assert 900 < mirrored.sum() < 1_100


class TestShift:
    def test_each_image_is_a_window_of_the_reflected_one(self):
        images = np.random.default_rng(1).integers(0, 256, (60, 5, 6, 3), np.uint8)
        shifted = shift(images, np.random.default_rng(0))
        assert (shifted.shape, shifted.dtype) == (images.shape, images.dtype)
        for one, other in zip(images, shifted, strict=True):
            wide = np.pad(one, [(2, 2), (2, 2), (0, 0)], mode="reflect")
            places = [
                (y, x)
                for y in range(5)
                for x in range(5)
                if np.array_equal(wide[y : y + 5, x : x + 6], other)
            ]
            assert places

    def test_all_25_displacements_come_equally_often(self):
        """The brightest pixel of each image tells where it went."""
        images = np.zeros((10_000, 9, 9, 1), np.uint8)
        images[:, 4, 4] = 255
        shifted = shift(images, np.random.default_rng(0))
        _, rows, columns, _ = np.nonzero(shifted)
        counts = np.bincount(9 * rows + columns, minlength=81).reshape(9, 9)
        assert counts[2:7, 2:7].sum() == len(images)
        # 400 each; five standard deviations are 98.
        assert counts[2:7, 2:7].min() > 300
        assert counts[2:7, 2:7].max() < 500
