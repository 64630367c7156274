"""What learners answer to the exercises of lesson 3."""

import keras
import numpy as np
import tensorflow as tf
import torch
from answers import Answers
from scipy.signal import correlate2d

from helpers.models.cnn import build_cnn

L = keras.layers


def loops(image, kernel, stride):
    side = kernel.shape[0]
    return [
        [
            sum(
                image[top + row][left + column] * kernel[row][column]
                for row in range(side)
                for column in range(side)
            )
            for left in range(0, image.shape[1] - side + 1, stride)
        ]
        for top in range(0, image.shape[0] - side + 1, stride)
    ]


def windows(image, kernel, stride):
    view = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
    return (view * kernel).sum(axis=(2, 3))[::stride, ::stride]


def by_tensorflow(image, kernel, stride):
    image, kernel = tf.constant(image, tf.float32), tf.constant(kernel, tf.float32)
    result = tf.nn.conv2d(image[None, ..., None], kernel[..., None, None], stride, "VALID")
    return result[0, ..., 0]


def by_torch(image, kernel, stride):
    image, kernel = torch.tensor(image).float(), torch.tensor(kernel).float()
    return torch.nn.functional.conv2d(image[None, None], kernel[None, None], stride=stride)[0, 0]


def changes_its_image(image, kernel, stride):
    result = windows(image, kernel, stride)
    image[:] = 0
    return result


def never_ends(image, kernel, stride):
    while True:
        pass


def mended(*last, image=(28, 28, 1), filters=8):
    return keras.Sequential(
        [keras.Input(image), L.Rescaling(1 / 255), L.Conv2D(filters, 3, activation="relu"), *last]
    )


class Mended(keras.Model):
    def __init__(self):
        super().__init__()
        self.scale, self.conv = L.Rescaling(1 / 255), L.Conv2D(8, 3, activation="relu")
        self.flatten, self.dense = L.Flatten(), L.Dense(10)

    def call(self, images):
        return self.dense(self.flatten(self.conv(self.scale(images))))


def functional():
    image = keras.Input((28, 28, 1))
    maps = L.ReLU()(L.Conv2D(8, 3)(L.Rescaling(1 / 255)(image)))
    return keras.Model(image, L.Dense(10)(L.Flatten()(maps)))


def small(*last, size=None, first=16):
    return keras.Sequential(
        [
            keras.Input((size, size, 3)), L.Rescaling(1 / 255),
            L.Conv2D(first, 3, activation="relu"), L.MaxPooling2D(2),
            L.Conv2D(32, 3, activation="relu"), *last,
        ]
    )  # fmt: skip


def strided():
    image = keras.Input((None, None, 3))
    maps = L.Conv2D(8, 5, strides=2)(L.Rescaling(scale=1 / 255)(image))
    maps = L.SeparableConv2D(16, 3)(L.Conv2D(12, 3, padding="same")(L.ReLU()(maps)))
    return keras.Model(image, L.Dense(3, activation="linear")(L.GlobalMaxPooling2D()(maps)))


class Pooled(keras.Model):
    def __init__(self):
        super().__init__()
        self.inside = keras.Sequential([L.Rescaling(1 / 255), L.Conv2D(4, 3), L.Conv2D(4, 3)])
        self.dense = L.Dense(3)

    def call(self, images):
        return self.dense(keras.ops.mean(self.inside(images), axis=(1, 2)))


ANSWERS = {
    "places": Answers(
        right=["c", "C", " c ", "c)", np.str_("c")],
        wrong=[
            ("a", "another weight for every place"), ("b", "cell `shift`"),
            ("d", "Has the shape changed"), ("the maps move", "one of the letters"),
            (2, "one of the letters"), (["a", "c"], "one of the letters"),
        ],
    ),
    "sides": Answers(
        right=[
            (30, 15, 7), [30, 15, 7], np.array([30, 15, 7]), (30.0, np.int64(15), 7),
            tf.constant([30, 15, 7]), torch.tensor([30, 15, 7]), tf.TensorShape([30, 15, 7]),
            torch.Size([30, 15, 7]), (None, 30, 15, 7),
        ],
        wrong=[
            ((32, 16, 8), "with padding"), ((30, 15, 13), "stride 2"),
            ((30, 15, 8), "padding at the last"),
            ((30, 15, 6), "first place"), ((29, 14, 6), "Off by one"), ((7, 15, 30), "their order"),
            ((30, 15), "Expected 3 numbers. Received 2"), (7, "numbers in brackets"),
            ((30, 15, None), "Expected one number"), ((30, 15, float("nan")), "nan"),
            ((30, 16, 7), "Number 2 is not correct"), ("30, 15, 7", "numbers in brackets"),
        ],
    ),
    "one_window": Answers(
        right=[17, 17.0, np.float32(17), [17], np.array(17), torch.tensor(17.0), tf.constant(17)],
        wrong=[
            (25, "-4"), (33, "taken away"), (47, "multiplied by the weight"), (37, "do not count"),
            (-17, "turned round"), ("17", "leave out the quotes"), (16.5, "whole number"),
        ],
    ),
    "convolve": Answers(
        right=[loops, windows, by_tensorflow, by_torch,
               lambda image, kernel, stride: windows(image, kernel, stride).astype("float16")],
        wrong=[
            (lambda image, kernel, stride: windows(image, kernel[::-1, ::-1], stride), "half a"),
            (lambda image, kernel, stride: windows(image, kernel.T, stride), "exchanged"),
            (lambda image, kernel, stride: windows(image, kernel, 1), "whatever the stride"),
            (lambda image, kernel, stride: correlate2d(image, kernel, "same")[::stride, ::stride],
             "zeros around"),
            (lambda image, kernel, stride: windows(image, kernel, stride)[:-1, :-1], "off by one"),
            (lambda image, kernel, stride: windows(image, kernel, stride).T, "exchanged"),
            (lambda image, kernel: windows(image, kernel, 1), "called with 3 values"),
            (lambda image, kernel, stride: image[99], "IndexError"),
            (lambda image, kernel, stride: windows(image, kernel, stride).sum(), "shape"),
            (lambda image, kernel, stride: windows(image, kernel, stride) * np.nan, "nan"),
            (changes_its_image, "work on a copy"),
            (lambda image, kernel, stride: windows(image, kernel, stride).astype(int), "not"),
            (windows(np.eye(4), np.eye(3), 1), "Expected your function"),
        ],
    ),
    "mended": Answers(
        right=[
            mended(L.Flatten(), L.Dense(10)), mended(L.Flatten(), L.Dense(10, activation="linear")),
            functional(), Mended(),
        ],
        wrong=[
            (mended(L.Flatten(), L.Dense(10, activation="softmax")), "add up to 1"),
            (mended(L.Flatten(), L.Dense(10, activation="relu")), "activation relu"),
            (mended(L.Rescaling(1 / 255), L.Flatten(), L.Dense(10)), "Expected 1/255, once"),
            (keras.Sequential([keras.Input((28, 28, 1)), L.Conv2D(8, 3), L.Flatten(), L.Dense(10)]),
             "Nothing in the model scales"),
            (mended(L.Flatten(), L.Dense(1)), "Expected 10 numbers"),
            (mended(L.Dense(10)), "Your model gives (4, 26, 26, 10)"),
            (mended(L.Flatten(), L.Dense(10), filters=4), "weights of your network have other"),
            (mended(L.Flatten(), L.Dense(10), image=(32, 32, 3)), "does not take images"),
            (keras.Sequential, "Received the class Sequential"),
            (mended(L.Flatten(), L.Dense(10, activation="tanh")), "has the activation tanh"),
            (mended(L.Flatten(), L.Dense(100), L.Dense(10)), "weights of your network have other"),
            (keras.Sequential([keras.Input((28, 28, 1)), L.Rescaling(1 / 255), L.Conv2D(8, 3),
                               L.Flatten(), L.Dense(10)]), "gives other numbers"),
            (keras.Sequential([keras.Input((28, 28, 1)), L.Conv2D(8, 3, activation="relu"),
                               L.Rescaling(1 / 255), L.Flatten(), L.Dense(10)]),
             "gives other numbers"),
        ],
    ),
    "any_size": Answers(
        right=[
            small(L.GlobalAveragePooling2D(), L.Dense(3)),
            small(L.GlobalMaxPooling2D(), L.Dense(3)),
            strided(), Pooled(), small(L.GlobalAveragePooling2D(), L.Dense(3), size=48),
        ],
        wrong=[
            (small(L.Flatten(), L.Dense(3), size=48), "does not take photos of another size"),
            (small(L.GlobalAveragePooling2D(), L.Dense(3, activation="softmax")), "add up to 1"),
            (small(L.GlobalAveragePooling2D(), L.Dense(3), first=32), "parameters"),
            (small(L.GlobalAveragePooling2D(), L.Dense(2)), "Expected 3 numbers"),
            (keras.Sequential([keras.Input((None, None, 3)), L.Rescaling(1 / 255), L.Conv2D(8, 3),
                               L.GlobalAveragePooling2D(), L.Dense(3)]), "Expected 2 of the layer"),
            (small(L.Dense(3)), "Your model gives"),
            (small(L.GlobalAveragePooling2D(), L.Dense(3, activation="tanh")), "activation tanh"),
            (build_cnn, "Expected a model of Keras"),
        ],
    ),
    "filters": Answers(
        right=["d", "D", "d.", "(d)"],
        wrong=[
            ("a", "how much has the training changed"), ("c", "found an edge"),
            ("b", "with what", ), ("e", "one of the letters"), (1, "one of the letters"),
            ("yes", "one of the letters"),
        ],
    ),
}  # fmt: skip
