"""What learners answer to the exercises of lesson 1."""

import keras
import numpy as np
import tensorflow as tf
import torch
from answers import Answers
from scipy.special import log_softmax
from scipy.special import softmax as scipy_softmax

L, nn = keras.layers, torch.nn
ORDERS = {
    "photos in PyTorch": (32, 3, 48, 64),
    "weights of Conv2D in Keras": (5, 5, 3, 8),
    "weights of Conv2d in PyTorch": (8, 3, 5, 5),
    "weights of Dense in Keras": (120, 10),
    "weights of Linear in PyTorch": (10, 120),
}


def but(**changed):
    """The right shapes, but for one."""
    names = {name.split()[-3] + name.split()[-1]: name for name in list(ORDERS)[1:]}
    names["photos"] = "photos in PyTorch"
    return ORDERS | {names[name]: value for name, value in changed.items()}


def in_keras(*, image=(20, 30, 3), scale=1 / 255, kernels=8, size=3, padding="valid",
             activation="relu", middle=(), end=None, bias=True):  # fmt: skip
    return keras.Sequential(
        [
            keras.Input(image), L.Rescaling(scale),
            L.Conv2D(kernels, size, activation=activation, padding=padding),
            *(middle or [L.MaxPooling2D(2), L.Flatten()]),
            L.Dense(5, activation=end, use_bias=bias),
        ]
    )  # fmt: skip


def functional():
    image = keras.Input((None, None, 3))
    maps = L.ReLU()(L.MaxPool2D()(L.Conv2D(8, (3, 3))(image / 255)))
    return keras.Model(image, L.Activation("linear")(L.Dense(5)(L.Reshape((1008,))(maps))))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense, self.flatten = L.Dense(5), L.Flatten()  # made before the convolution
        self.conv, self.pool = L.Conv2D(8, 3), L.MaxPooling2D()

    def call(self, images, training=False):
        maps = keras.ops.relu(self.conv(keras.ops.cast(images, "float32") / 255))
        return self.dense(self.flatten(self.pool(maps)))


def nested():
    first = keras.Sequential([L.Rescaling(1 / 255), L.Conv2D(8, 3, activation="relu")])
    return keras.Sequential([first, L.MaxPooling2D(2), L.Dropout(0.5), L.Flatten(), L.Dense(5)])


def in_torch(*, row=8 * 9 * 14, middle=None, end=(), **conv):
    middle = [nn.ReLU(), nn.MaxPool2d(2)] if middle is None else middle
    return nn.Sequential(nn.Conv2d(3, 8, 3, **conv), *middle, nn.Flatten(), nn.Linear(row, 5), *end)


class Module(nn.Module):
    def __init__(self, scale=1.0, maps_last=False, again=0.0):
        super().__init__()
        self.conv, self.linear = nn.LazyConv2d(8, 3), nn.LazyLinear(5)
        self.scale, self.maps_last, self.again = scale, maps_last, again

    def forward(self, images):
        maps = nn.functional.max_pool2d(self.conv(images * self.scale), 2).relu()
        maps = maps.permute(0, 2, 3, 1) if self.maps_last else maps
        return self.linear(maps.flatten(1)) + self.again


def keras_probabilities(logits, labels):
    measure = keras.losses.SparseCategoricalCrossentropy()
    return measure(labels, keras.ops.softmax(logits))


def keras_softmax_twice(logits, labels, softmax=keras.ops.softmax):
    measure = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return measure(labels, softmax(logits))


def as_it_was(logits, labels):
    return keras_softmax_twice(logits, labels, lambda given: scipy_softmax(given, axis=1))


def keras_no_softmax(logits, labels):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=False)(labels, logits)


def by_torch(logits, labels):
    return nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))


def torch_softmax_twice(logits, labels):
    probabilities = torch.from_numpy(logits).softmax(dim=1)
    return nn.functional.cross_entropy(probabilities, torch.from_numpy(labels))


def by_tensorflow(logits, labels):
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    return tf.reduce_mean(each)


def by_one_hot(logits, labels):
    wanted = keras.utils.to_categorical(labels, logits.shape[1])
    return keras.losses.CategoricalCrossentropy(from_logits=True)(wanted, logits)


def by_hand(logits, labels):
    total = 0.0
    for row, label in zip(logits, labels, strict=True):
        raised = [np.exp(logit) for logit in row]
        total -= np.log(raised[label] / sum(raised))
    return total / len(labels)


def subtracts_in_place(logits, labels):
    logits -= logits.max(axis=1, keepdims=True)
    return by_hand(logits, labels)


def moved(kernel, map_shape):
    parts = kernel.reshape(*map_shape, -1)
    return np.moveaxis(parts, (2, 3), (1, 0)).reshape(kernel.shape[::-1])


def by_torch_tensor(kernel, map_shape):
    parts = torch.tensor(kernel).reshape(*map_shape, -1)
    return parts.permute(3, 2, 0, 1).flatten(1)


def by_loops(kernel, map_shape):
    height, width, maps = map_shape
    return [
        [
            kernel[(row * width + column) * maps + place, out]
            for place in range(maps)
            for row in range(height)
            for column in range(width)
        ]
        for out in range(kernel.shape[1])
    ]


def by_einsum(kernel, map_shape):
    parts = tf.reshape(kernel, (*map_shape, -1))
    return tf.reshape(tf.einsum("hwmo->omhw", parts), kernel.shape[::-1])


def where_square(kernel, map_shape):
    """Right only where height and width are equal."""
    height, width, maps = map_shape
    return kernel.reshape(width, height, maps, -1).transpose(3, 2, 1, 0).reshape(-1, len(kernel))


def one_branch(kernel, map_shape):
    if map_shape[:2] == (1, 1):
        return kernel.T
    return None


ANSWERS = {
    "engine": Answers(
        right=["a", "A", "a)", np.str_("a")],
        wrong=[
            ("c", "run-program"), ("b", "much work"), ("d", "when it is imported"),
            ("KERAS_BACKEND", "one of the letters"), (3, "one of the letters"),
            (["a", "d"], "one of the letters"),
        ],
    ),
    "orders": Answers(
        right=[
            ORDERS, list(ORDERS.values()), {name: list(each) for name, each in ORDERS.items()},
            dict(reversed([(name, np.array(each)) for name, each in ORDERS.items()])),
            [torch.zeros(each).shape for each in ORDERS.values()],
            [tf.zeros(each).shape for each in ORDERS.values()],
        ],
        wrong=[
            (but(photos=(32, 48, 64, 3)), "order of Keras"),
            (but(photos=(32, 3, 64, 48)), "height stands before"),
            (but(photos=(3, 32, 48, 64)), "counts the photos"),
            (but(photos=(None, 3, 48, 64)), "each length is known"),
            (but(photos=(3, 48, 64)), "axes than 3"),
            (but(Conv2DKeras=(8, 3, 5, 5)), "order of PyTorch"),
            (but(Conv2DKeras=(5, 5, 8, 3)), "What comes in"),
            (but(Conv2DKeras=(5, 5, 8)), "three colours"),
            (but(Conv2DKeras=(None, 5, 5, 3, 8)), "each length is known"),
            (but(Conv2dPyTorch=(5, 5, 3, 8)), "order of Keras"),
            (but(Conv2dPyTorch=(8, 5, 5, 3)), "colours come early"),
            (but(Conv2dPyTorch=(3, 8, 5, 5)), "What goes out"),
            (but(DenseKeras=(10, 120)), "order of PyTorch"),
            (but(DenseKeras=1200), "numbers in brackets"),
            (but(LinearPyTorch=(120, 10)), "order of Keras"),
            (but(LinearPyTorch=(10,)), "axes than 1"),
            (but(LinearPyTorch=np.zeros((10, 120))), "numbers in brackets"),
            (list(ORDERS.values())[:4], "Expected 5 answers"),
        ],
    ),
    "changed": Answers(
        right=[
            (2, 83946), [2, 83_946.0], np.array([2, 83946]), {"parameters": 83946, "calls": 2},
            (torch.tensor(2), tf.constant(83946)), (np.int8(2), np.float64(83946)),
        ],
        wrong=[
            ((1, 83946), "of PyTorch is told"), ((3, 83946), "third convolution"),
            ((4, 83946), "come in or go out"),
            ((12, 83946), "Most layers"), ((2, 93162), "the layer that gets its maps"),
            ((2, 84106), "first one also"), ((2, 9376), "how many fewer"),
            ((2, 9360), "biases"), ((2, 83962), "its bias"), ((2, 93322), "before the change"),
            ((2, 83946.5), "whole number"), ((2, "83,946"), "leave out the quotes"),
            (83946, "Expected 2 answers"), ((83946, 2), "calls"), ((0, 83946), "Not 0"),
        ],
    ),
    "small": Answers(
        right=[
            in_keras(), functional(), Subclassed(), nested(), in_torch(), Module(),
            Module(scale=1 / 255), Module(maps_last=True),
            in_torch(middle=[nn.MaxPool2d(2), nn.ReLU(), nn.Dropout(0.5)], padding=0),
            in_keras(middle=[L.Dropout(0.3), L.MaxPooling2D(2), L.Flatten()]),
        ],
        wrong=[
            (in_keras(end="softmax"), "add up to 1"), (in_keras(end="relu"), "activation relu"),
            (in_keras(end="sigmoid"), "activation sigmoid"),
            (in_keras(activation=None), "no ReLU behind"),
            (in_keras(padding="same"), "keeps its size"), (in_keras(scale=1.0), "Nothing in the"),
            (in_keras(scale=1 / 256), "calculates something else"),
            (in_keras(scale=1.0, middle=[L.Rescaling(1 / 255), L.MaxPooling2D(2), L.Flatten()]),
             "calculates something else"),
            (in_keras(size=(1, 9), padding="same",
                      middle=[L.Cropping2D(1), L.MaxPooling2D(2), L.Flatten()]),
             "one convolution and one dense"),
            (in_keras(scale=1 / 255**2), "calculates something else"),
            (in_keras(activation="gelu"), "calculates something else"),
            (in_keras(middle=[L.Flatten()]), "no pooling between"),
            (in_keras(middle=[L.GlobalMaxPooling2D()]), "one number a map"),
            (in_keras(middle=[L.AveragePooling2D(2), L.Flatten()]), "takes the mean"),
            (in_keras(middle=[L.MaxPooling2D(2)]), "Your model gives"),
            (in_keras(bias=False), "dense layer has no bias"), (in_keras(kernels=16), "parameters"),
            (in_keras(size=5), "parameters"), (in_keras(image=(30, 20, 3)), "height stands first"),
            (in_keras(middle=[L.MaxPooling2D(2), L.BatchNormalization(), L.Flatten()]),
             "parameters"),
            (in_torch(middle=[nn.MaxPool2d(2)]), "no ReLU behind"),
            (in_torch(end=[nn.Softmax(dim=1)]), "add up to 1"),
            (in_torch(end=[nn.LogSoftmax(dim=1)]), "calculates something else"),
            (in_torch(end=[nn.ReLU()]), "numbers are exactly 0"),
            (in_torch(middle=[nn.ReLU(), nn.AvgPool2d(2)]), "takes the mean"),
            (in_torch(bias=False), "convolution has no bias"),
            (in_torch(padding=1, row=8 * 10 * 15), "keeps its size"),
            (in_torch(row=8 * 18 * 28), "channels first"), (in_torch(row=1000), "channels first"),
            (in_torch(middle=[nn.ReLU()], row=8 * 18 * 28), "no pooling between"),
            (Module(again=1.0), "calculates something else"),
            (Module, "the class Module"), (nn.Conv2d(3, 5, 3), "Your model gives"),
            (in_torch, "Expected a model of Keras"),
        ],
    ),
    "loss": Answers(
        right=[
            keras_probabilities, by_torch, by_tensorflow, by_one_hot, by_hand,
            lambda logits, labels: keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
                labels, logits),
            lambda logits, labels: keras.ops.mean(
                keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)),
            lambda logits, labels: -np.mean(
                np.take_along_axis(log_softmax(logits, 1), labels[:, None], 1)),
            lambda logits, labels: nn.NLLLoss()(
                torch.tensor(logits).log_softmax(1), torch.tensor(labels)),
        ],
        wrong=[
            (as_it_was, "still taken twice: once"), (keras_softmax_twice, "nobody would warn"),
            (lambda logits, labels: keras_softmax_twice(logits, labels, tf.nn.softmax), "twice"),
            (lambda logits, labels: keras_softmax_twice(logits, labels, L.Softmax()), "twice"),
            (torch_softmax_twice, "still taken twice"),
            (keras_no_softmax, "taken nowhere"),
            (lambda logits, labels: by_hand(logits, labels) * len(labels), "sum over the images"),
            (lambda logits, labels: -by_hand(logits, labels), "sign"),
            (lambda logits, labels: by_hand(logits, labels) / np.log(2), "base 2"),
            (lambda logits, labels: -log_softmax(logits, 1)[range(len(labels)), labels], "shape"),
            (lambda logits, labels: by_hand(np.argsort(logits), labels), "Not "),
            (lambda logits, labels: -np.mean(log_softmax(logits, axis=0)[0, labels]), "Not "),
            (lambda logits, labels: np.mean(logits.argmax(1) == labels), "Not "),
            (lambda labels: 0.0, "called with 2 values"), (subtracts_in_place, "work on a copy"),
            (lambda labels, logits: keras_probabilities(logits, labels), "Your code stopped with"),
            (0.69, "Expected your function"), (lambda logits, labels: 0.69, "Not 0.69"),
        ],
    ),
    "for_pytorch": Answers(
        right=[
            moved, by_torch_tensor, by_loops, by_einsum,
            lambda kernel, map_shape: moved(kernel, map_shape).astype("float32"),
            lambda kernel, map_shape: np.array(
                [column.reshape(map_shape).transpose(2, 0, 1).ravel() for column in kernel.T]),
        ],
        wrong=[
            (lambda kernel, map_shape: kernel.T, "The axes of the weights are right"),
            (lambda kernel, map_shape: moved(kernel, map_shape).T, "still those of Keras"),
            (lambda kernel, map_shape: kernel, "Expected the shape"),
            (lambda kernel, map_shape: kernel.reshape(kernel.shape[::-1]), "only cuts the rows"),
            (lambda kernel, map_shape: moved(kernel, map_shape[::-1]), "number of maps"),
            (where_square, "not correct"), (one_branch, "Is there a `return`"),
            (lambda kernel, map_shape: kernel.reshape(*map_shape, -1).transpose(3, 2, 1, 0).reshape(
                kernel.shape[::-1]), "Height and width"),
            (lambda kernel, map_shape: kernel.reshape(
                map_shape[2], map_shape[0], map_shape[1], -1).transpose(3, 1, 2, 0).reshape(
                kernel.shape[::-1]), "the other way"),
            (lambda kernel, map_shape: kernel.reshape(*map_shape, -1).transpose(3, 2, 0, 1),
             "Expected the shape"),
            (lambda kernel, height, width, maps: kernel, "called with 2 values"),
            (lambda kernel, map_shape: (kernel.T, map_shape), "array"),
            (lambda kernel, map_shape: np.sort(kernel, axis=0).T, "not correct"),
        ],
    ),
    "better": Answers(
        right=["a", "A", "a.", np.str_("a")],
        wrong=[
            ("b", "how far apart"), ("c", "other random weights"), ("d", "What else differed"),
            ("yes", "one of the letters"), (2, "one of the letters"), ("", "one of the letters"),
        ],
    ),
}  # fmt: skip
