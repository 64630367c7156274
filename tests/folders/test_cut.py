"""Cutting labels in two: compared with scikit-learn, and with what copies must not do."""

from __future__ import annotations

import numpy as np

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

    def test_a_group_larger_than_what_is_cut_off_stays(self):
        labels = np.repeat([0, 1], 30)
        twins = np.arange(60)
        twins[:10] = 0  # a third of its class; a fifth is cut off
        for seed in range(20):
            rest, aside = split_by_class(labels, 12, seed, ["a", "b"], twins)
            assert set(range(10)) <= set(rest)
            assert np.bincount(labels[aside]).min() >= 2

    def test_where_all_groups_are_large_one_is_cut_off_all_the_same(self):
        labels = np.repeat([0, 1], 12)
        twins = np.arange(24) // 4
        rest, aside = split_by_class(labels, 6, 0, ["a", "b"], twins)
        assert not set(twins[rest]) & set(twins[aside])
        assert np.bincount(labels[aside]).tolist() == [4, 4]
