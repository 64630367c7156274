"""Cutting labels in two: compared with scikit-learn, and with what copies must not do."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.folders.cut import split_by_class


class TestSplit:
    def test_without_copies_it_is_scikit_learns_split(self):
        from sklearn.model_selection import train_test_split

        labels = np.random.default_rng(0).integers(0, 5, 300)
        for seed in (0, 7):
            rest, aside = split_by_class(labels, 60, seed, list("abcde"))
            expected = train_test_split(
                np.arange(300), test_size=60, random_state=seed, stratify=labels
            )
            assert rest.tolist() == sorted(expected[0])
            assert aside.tolist() == sorted(expected[1])

    def test_each_copy_follows_its_twin(self):
        labels = np.repeat([0, 1], 30)
        twins = np.arange(60) // 3
        rest, aside = split_by_class(labels, 12, 0, ["a", "b"], twins)
        assert not set(twins[rest]) & set(twins[aside])
        assert sorted([*rest, *aside]) == list(range(60))
        assert np.bincount(labels[aside]).tolist() == [6, 6]

    @pytest.mark.parametrize(("large", "others"), [(10, 2), (20, 1)])
    def test_a_group_larger_than_what_is_cut_off_stays(self, large, others):
        labels = np.repeat([0, 1], 30)
        twins = np.arange(60)
        twins[:large] = 0  # a third of its class, or two; a fifth is cut off
        for seed in range(20):
            rest, aside = split_by_class(labels, 12, seed, ["a", "b"], twins)
            assert set(range(large)) <= set(rest)
            assert np.bincount(labels[aside]).min() >= others

    @pytest.mark.parametrize(
        ("labels", "twins", "aside"),
        [
            (np.repeat([0, 1], 30), np.arange(60) // 3, 58),
            (np.repeat([0, 1], [50, 2]), None, 48),
            (np.repeat([0, 1], [50, 2]), None, 2),
        ],
        ids=["few groups stay", "few images stay", "few images go"],
    )
    def test_every_class_is_on_both_sides_whatever_is_asked(self, labels, twins, aside):
        for side in split_by_class(labels, aside, 0, ["a", "b"], twins):
            assert {*labels[side]} == {0, 1}

    def test_one_that_fills_it_exactly_may_go(self):
        labels = np.repeat([0, 1], 30)
        twins = np.arange(60)
        twins[:6] = 0  # a fifth of its class
        cuts = [split_by_class(labels, 12, seed, ["a", "b"], twins) for seed in range(20)]
        assert {0 in aside for _, aside in cuts} == {True, False}

    def test_where_all_groups_are_large_one_is_cut_off_all_the_same(self):
        labels = np.repeat([0, 1], 12)
        twins = np.arange(24) // 4
        rest, aside = split_by_class(labels, 6, 0, ["a", "b"], twins)
        assert not set(twins[rest]) & set(twins[aside])
        assert np.bincount(labels[aside]).tolist() == [4, 4]
