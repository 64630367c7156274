"""Checks of values: every form of a right answer, and words for a wrong one."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from helpers.checking.plain import Wrong, as_array, as_number, plain, received
from helpers.checking.values import array, choice, every, number, numbers


def wrong(check, answer) -> str:
    """What is said about a wrong answer."""
    with pytest.raises(Wrong) as caught:
        check(answer)
    return str(caught.value)


class TestPlain:
    @pytest.mark.parametrize(
        "value",
        [
            3, 3.0, np.int8(3), np.float16(3), np.array(3), np.array([3]), tf.constant(3),
            tf.Variable(3.0), torch.tensor([3.0], requires_grad=True), keras.Variable(3.0),
            torch.tensor(3, dtype=torch.bfloat16), tf.constant(3, tf.bfloat16), [3], (3,), [[3]],
            np.array([[3.0]]),
        ],
    )  # fmt: skip
    def test_a_number_of_any_library_is_a_number(self, value):
        assert as_number(value) == 3

    @pytest.mark.parametrize("value", [tf.TensorShape([None, 4, 5]), [None, 4, 5], (None, 4, 5)])
    def test_shapes_are_tuples(self, value):
        assert plain(value) == (None, 4, 5)

    def test_lists_of_tensors_become_tuples_of_numbers(self):
        assert plain([tf.constant(1), [torch.tensor(2), np.array([3])]]) == (1, (2, 3))

    def test_arrays_stay_arrays(self):
        assert np.array_equal(plain(tf.ones((2, 3))), np.ones((2, 3)))
        assert np.array_equal(plain(torch.ones(2, 3, requires_grad=True)), np.ones((2, 3)))

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            ("3", "leave out the quotes"), (None, "Received: None"), (True, "Received: True"),
            (float("nan"), "divided by 0"), (10**400, "without limit"), ((1, 2), "one number"),
            (np.zeros((2, 2)), "an array of the shape (2, 2)"), (1j, "one number"),
            ({"a": 3}, "one number"), (keras.Input(()), "KerasTensor"),
            (np.bool_(True), "one number"),
        ],
    )  # fmt: skip
    def test_what_is_no_number_is_said(self, value, words):
        assert words in wrong(as_number, value)

    def test_what_is_no_array_of_numbers_is_said(self):
        assert "not equally long" in wrong(as_array, [[1, 2], [3]])
        assert "array of numbers" in wrong(as_array, ["a", "b"])
        assert "2 times nan" in wrong(as_array, [1, np.nan, np.inf])
        assert as_array(tf.constant([1.5], tf.bfloat16)).tolist() == 1.5

    def test_long_answers_are_shown_short(self):
        assert len(received("long " * 100)) < 100
        assert received([1] * 100) == "[1, 1, 1, 1, 1, 1, ...]"


class TestNumber:
    def test_a_number_within_its_tolerance(self):
        check = number(0.5, within=0.01)
        assert check(0.509) is None
        assert "Not 0.52" in wrong(check, 0.52)

    def test_rounding_of_float32_is_no_mistake(self):
        assert number(0.1)(np.float32(0.1)) is None
        assert "Not" in wrong(number(0.1), 0.1001)

    def test_a_share_and_its_percent_are_both_taken_and_said(self):
        check = number(0.85, percent=True, within=0.004)
        assert check(0.85) == "Understood as a share, 0.85."
        assert check(85) == "Understood as 85 %."
        assert check(85.3) == "Understood as 85.3 %."
        assert "Not 86" in wrong(check, 86)
        assert "from 0 to 1" in wrong(check, 850)

    def test_known_wrong_numbers_have_words_of_their_own(self):
        check = number(0.85, percent=True, told={0.15: "the wrong ones"})
        assert wrong(check, 0.15) == wrong(check, 15) == "the wrong ones"

    def test_a_whole_number_is_asked_for(self):
        assert "whole number" in wrong(number(7), 7.5)
        assert wrong(number(7), 8) == "Not 8. Work it out once more."


class TestNumbers:
    check = staticmethod(numbers(26, 26, 8, told={(28, 28, 8): "padded"}))

    @pytest.mark.parametrize(
        "answer",
        [(26, 26, 8), [26, 26, 8], np.array([26, 26, 8]), tf.TensorShape([None, 26, 26, 8]),
         torch.Size([26, 26, 8]), tf.constant([26, 26, 8])],
    )  # fmt: skip
    def test_any_row(self, answer):
        assert self.check(answer) is None

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ((28, 28, 8), "padded"), ((8, 26, 26), "order"), ((26, 26, 9), "Number 3 is not"),
            ((25, 25, 8), "2 numbers are not"), ((26, 26), "Expected 3 numbers. Received 2"),
            (26, "in brackets"), ("26, 26, 8", "in brackets"), ((26, 26, "8"), "quotes"),
            ((26, 26, 8, 1), "Received 4"), (np.ones((3, 3)), "in brackets"),
        ],
    )  # fmt: skip
    def test_wrong_rows(self, answer, words):
        assert words in wrong(self.check, answer)


class TestArray:
    check = staticmethod(array([[1, 2, 3], [4, 5, 6.0]]))

    def test_any_array(self):
        for answer in ([[1, 2, 3], [4, 5, 6]], torch.arange(1, 7).reshape(2, 3)):
            assert self.check(answer) is None

    def test_one_number_with_an_axis_or_without(self):
        assert array(5.0)([5]) is None
        assert array([5.0])(5) is None

    def test_wrong_arrays(self):
        assert "axes are in another order" in wrong(self.check, np.ones((3, 2)))
        assert wrong(self.check, np.ones((2, 2))).endswith("Received: (2, 2).")
        said = wrong(self.check, [[1, 2, 3], [4, 0, 0]])
        assert said == "2 of 6 numbers are not correct. The first is 0, at [1, 1]."
        assert "exchanged" in wrong(array([[1, 2], [3, 4]]), [[1, 3], [2, 4]])
        assert wrong(array(5.0), 6) == "Not 6."
        assert array(np.array([5.0]))([5]) is None


def test_a_letter():
    check = choice("b", {"a": "why not a", "c": "why not c"})
    for answer in ("b", "B ", "b.", "(b)", np.str_("b")):
        assert check(answer) is None
    assert wrong(check, "a") == "why not a"
    assert "a, b, c" in wrong(check, "d")
    assert check(("b",)) is None
    for answer in (2, np.array(["b", "c"]), np.zeros(3), {}):
        assert "in quotes" in wrong(check, answer)


class TestEvery:
    check = staticmethod(every(mean=number(2), share=number(0.5, percent=True)))

    def test_in_any_order_of_names_or_as_a_row(self):
        for answer in ((2, 0.5), [2, 0.5], {"share": 0.5, "mean": 2}, np.array([2, 0.5])):
            assert self.check(answer) == "Understood as a share, 0.5."

    def test_the_wrong_one_is_named(self):
        assert wrong(self.check, (3, 0.5)).startswith("mean: Not 3")
        assert "2 answers in brackets: mean, share" in wrong(self.check, 2)
        assert "an answer for share" in wrong(self.check, {"mean": 2})
