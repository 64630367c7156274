"""Batches: what they hold, in which order, and how they are changed at random."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import Split, flip_sideways, make_batches, quiet_tensorflow, shift
from helpers.errors import MismatchError, UsageError

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

    @pytest.mark.parametrize("wrong", [flip_sideways, "flip", [1]])
    def test_what_is_no_list_of_functions_is_refused(self, dataset, wrong):
        with pytest.raises(UsageError, match="list of functions as augment"):
            make_batches(dataset.train, augment=wrong)

    def test_another_type_is_refused_before_the_first_batch(self, dataset):
        with pytest.raises(MismatchError, match=r"uint8 from halve\. Received: .* float64"):

            def halve(images, random):
                return images / 2

            make_batches(dataset.train, augment=[halve])

    def test_what_fails_is_named(self, dataset):
        def broken(images, random):
            raise RuntimeError("no such thing")

        with pytest.raises(MismatchError, match=r"broken\(images, random\).*no such thing"):
            make_batches(dataset.train, augment=[broken])

    def test_nothing_given_back_is_refused(self, dataset):
        with pytest.raises(MismatchError, match="NoneType"):
            make_batches(dataset.train, augment=[lambda images, random: None])


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
        seen = set()
        for one, other in zip(images, shifted, strict=True):
            wide = np.pad(one, [(2, 2), (2, 2), (0, 0)], mode="reflect")
            places = [
                (y, x)
                for y in range(5)
                for x in range(5)
                if np.array_equal(wide[y : y + 5, x : x + 6], other)
            ]
            assert places
            seen.add(places[0])
        assert len(seen) > 15  # of 25
