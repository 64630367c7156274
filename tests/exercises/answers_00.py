"""What learners answer to the exercises of lesson 0."""

import functools

import keras
import numpy as np
import tensorflow as tf
import torch
from answers import Answers
from PIL import Image, ImageOps
from sklearn.metrics import accuracy_score


def counted(sure, labels):
    correct = 0
    for row, label in zip(sure, labels, strict=True):
        if max(range(len(row)), key=lambda place: row[place]) == label:
            correct += 1
    return correct / len(labels)


def by_keras(sure, labels):
    return keras.ops.mean(keras.metrics.sparse_categorical_accuracy(labels, sure))


def by_torch(sure, labels):
    return (torch.from_numpy(sure).argmax(1) == torch.from_numpy(labels)).double().mean()


class Accuracy:
    def __call__(self, sure, labels):
        return np.count_nonzero(np.argsort(sure)[:, -1] == labels) / len(sure)


def in_place(sure, labels):
    sure -= sure.max(axis=1, keepdims=True)
    return np.mean(sure.argmax(axis=1) == labels)


def only_where_correct(sure, labels):
    if (sure.argmax(axis=1) == labels).any():
        return np.mean(sure.argmax(axis=1) == labels)
    return None


def share(sure, labels):
    return np.mean(sure.argmax(axis=1) == labels)


@functools.wraps(share)
def wrapped(*arguments, **named):
    return share(*arguments, **named)


def by_pillow(grey):
    return np.array(ImageOps.invert(Image.fromarray(grey))).reshape((1, 28, 28, 1))


def by_loops(grey):
    return [[[[255 - int(pixel)] for pixel in row] for row in grey]]


def darkens_its_own(grey):
    grey[:] = 255 - grey
    return grey.reshape(1, 28, 28, 1)


def only_where_drawn(grey):
    if grey.min() < 255:
        return batch(255 - grey)
    return None


def batch(grey):
    return grey.reshape(1, 28, 28, 1)


ANSWERS = {
    "held_back": Answers(
        right=["b", "B", " b", "b)", np.str_("b")],
        wrong=[
            ("a", "only memorised"), ("c", "mistake of the network"), ("d", "all answers"),
            ("new pictures", "one of the letters"), (2, "one of the letters"),
            (("a", "b"), "one of the letters"), ("", "one of the letters"),
        ],
    ),
    "shapes": Answers(
        right=[
            {"pictures[:16]": (16, 20, 30, 1), "pictures[0]": (20, 30, 1),
             "pictures[0:1]": (1, 20, 30, 1)},
            {"pictures[0:1]": [1, 20, 30, 1], "pictures[:16]": np.array([16, 20, 30, 1]),
             "pictures[0]": torch.Size([20, 30, 1])},
            [(16, 20, 30, 1), (20, 30, 1), (1, 20, 30, 1)],
            (tf.TensorShape([16, 20, 30, 1]), tf.constant([20, 30, 1]), [1.0, 20, 30, 1]),
        ],
        wrong=[
            ([(16, 20, 30), (20, 30, 1), (1, 20, 30, 1)], "one number for each pixel"),
            ([(20, 30, 1), (20, 30, 1), (1, 20, 30, 1)], "takes several"),
            ([(17, 20, 30, 1), (20, 30, 1), (1, 20, 30, 1)], "0 to 15"),
            ([(16, 20, 30, 1), (1, 20, 30, 1), (1, 20, 30, 1)], "takes one picture out"),
            ([(16, 20, 30, 1), (20, 30), (1, 20, 30, 1)], "Only one axis goes"),
            ([(16, 20, 30, 1), (None, 20, 30, 1), (1, 20, 30, 1)], "each length is known"),
            ([(16, 20, 30, 1), (20, 30, 1), (20, 30, 1)], "This is a slice"),
            ([(16, 20, 30, 1), (20, 30, 1), (None, 1, 20, 30, 1)], "each length is known"),
            ([(16, 20, 30, 1), (20, 30, 1), (0, 20, 30, 1)], "how many pictures are these"),
            ([(16, 30, 20, 1), (20, 30, 1), (1, 20, 30, 1)], "their order is not"),
            ([(16, 28, 28, 1), (20, 30, 1), (1, 20, 30, 1)], "2 numbers are not correct"),
            ([(16, 20, 30, 1), 600, (1, 20, 30, 1)], "several numbers in brackets"),
            ([(16, 20, 30, 1), (20, 30, 1)], "Expected 3 answers"),
            ({"pictures[0]": (20, 30, 1)}, "Expected an answer for"),
            ((16, 20, 30, 1), "Expected 3 answers"),
            ([(16, 20, 30, 1), (20, 30, 1), (1, 1, 20, 30, 1)], "axes than 5"),
            ([np.zeros((16, 20, 30, 1)), (20, 30, 1), (1, 20, 30, 1)], "numbers in brackets"),
        ],
    ),
    "answer": Answers(
        right=[
            (4, "Coat"), [4, "coat"], (np.int64(4), np.str_("COAT")),
            {"place": np.argmax([0.1, 0, 0, 0, 1]), "name": " Coat "}, (4.0, "Coat"),
            (tf.constant(4), "Coat"), (torch.tensor(4), "Coat"), (np.array([4]), "Coat"),
        ],
        wrong=[
            ((5, "Coat"), "The first place is 0"), ((4, "Dress"), "neighbour"),
            ((0.52, "Coat"), "At which place"), ((52, "Coat"), "in percent"),
            ((1, "Trouser"), "smallest"), ((2, "Pullover"), "larger number"),
            (("Coat", 4), "The name is asked for after it"), ((4, 4), "one of the names"),
            ((4, "Bag"), "the same place"), ((4, "jacket"), "ten names"), (4, "2 answers"),
            ("Coat", "2 answers"), (("4", "Coat"), "Expected a number"),
            ((7, "Coat"), "Work it out"), ((4, ["Coat"]), "in quotes"), ((True, "Coat"), "True"),
        ],
    ),
    "accuracy": Answers(
        right=[
            share, counted, by_keras, by_torch, Accuracy(), wrapped,
            lambda sure, labels: sum(np.argmax(sure, axis=-1) == labels) / len(labels),
            lambda sure, labels: accuracy_score(labels, np.argmax(sure, 1)),
            lambda sure, labels: np.array([share(sure, labels)]),
            lambda sure, labels: 1 - np.count_nonzero(sure.argmax(1) - labels) / labels.size,
            lambda sure, labels, digits=None: tf.reduce_mean(
                tf.cast(tf.argmax(sure, 1) == labels, tf.float32)
            ),
        ],
        wrong=[
            (lambda sure, labels: (sure.argmax(axis=1) == labels).sum(), "count"),
            (lambda sure, labels: 100 * share(sure, labels), "percent"),
            (lambda sure, labels: np.mean(sure.argmax(axis=1) != labels), "wrong answers"),
            (lambda sure, labels: np.mean(sure.argmin(axis=1) == labels), "smallest"),
            (lambda sure, labels: np.mean(sure.argmax() == labels), "all numbers at once"),
            (lambda sure, labels: np.mean(sure.argmax(axis=0) == labels), "along which axis"),
            (lambda sure, labels: sum(sure.argmax(1) == labels) / len(sure[0]), "of classes"),
            (lambda sure, labels: sum(sure.argmax(1) == labels) / 10, "divide by 10"),
            (lambda sure, labels: np.mean(sure.max(axis=1) == labels), "`max` gives"),
            (lambda sure, labels: np.mean(sure[range(len(labels)), labels]), "how sure"),
            (lambda sure, labels: round(share(sure, labels), 2), "rounded"),
            (lambda sure, labels: sure.argmax(axis=1) == labels, "shape"),
            (lambda sure, labels: (sure.argmax(axis=1) == labels).all(), "not"),
            (lambda sure, labels: sum(sure.argmax(axis=1) == labels) // len(labels), "Not 0"),
            (lambda sure, labels: 0.5, "Not 0.5"),
            (lambda sure: 0.5, "called with 2 values"),
            (lambda sure, labels: print(share(sure, labels)) or "done", "array of numbers"),
            (in_place, "work on a copy"), (only_where_correct, "Is there a `return`"),
            (0.5, "Expected your function"), (np.mean([True, False]), "Leave out the brackets"),
        ],
    ),
    "prepare": Answers(
        right=[
            lambda grey: batch(255 - grey), lambda grey: ~grey[None, :, :, None],
            by_pillow, by_loops, lambda grey: 255.0 - grey.astype("float32").reshape(1, 28, 28, 1),
            lambda grey: tf.reshape(255 - tf.cast(grey, tf.int32), (1, 28, 28, 1)),
            lambda grey: 255 - torch.from_numpy(grey).reshape(1, 28, 28, 1),
            lambda grey: np.stack([np.invert(grey)[..., np.newaxis]]),
            lambda grey: np.expand_dims(np.abs(grey.astype(int) - 255), (0, -1)),
        ],
        wrong=[
            (lambda grey: grey[..., np.newaxis], "Nothing is mended yet"),
            (lambda grey: batch(grey.max() - grey), "not correct"),
            (batch, "still dark on white"), (lambda grey: batch(1 - grey), "not from 0 to 1"),
            (lambda grey: batch(-grey), "0 stays 0"),
            (lambda grey: batch(255 - grey) / 255, "divides by 255 itself"),
            (lambda grey: batch(255 - grey.T), "on its side"),
            (lambda grey: (255 - grey)[..., None], "How many pictures"),
            (lambda grey: 255 - grey, "Two axes"), (lambda grey: 255 - grey[None], "The last one"),
            (lambda grey: (255 - grey).reshape(28, 28, 1, 1), "axes are in another order"),
            (lambda grey: (255 - grey).reshape(1, 784), "Expected the shape"),
            (lambda grey: batch(255 - grey[::-1]), "not correct"),
            (lambda grey: batch(255 * (grey < 128)), "not correct"),
            (lambda grey: batch(256 - grey.astype(int)), "not correct"),
            (darkens_its_own, "work on a copy"),
            (only_where_drawn, "Is there a `return`"),
        ],
    ),
    "unknown": Answers(
        right=["d", "D", "d.", "(d)", "d "],
        wrong=[
            ("a", "add up to 1"), ("b", "white sheet"), ("c", "another shape"),
            ("no", "one of the letters"), (3, "one of the letters"), (False, "one of the letters"),
        ],
    ),
}  # fmt: skip
