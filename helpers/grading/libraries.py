"""What is held against other libraries: a network and a loss (lesson 1), batch norm (lesson 6)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, softmax

from helpers.checking.functions import function
from helpers.checking.limits import run
from helpers.checking.models import called
from helpers.checking.plain import Wrong, as_array
from helpers.checking.values import Check

HEIGHT, WIDTH, CHANNELS = 20, 30, 3
KERNELS, CLASSES = 8, 5
ROWS, COLUMNS = (HEIGHT - 2) // 2, (WIDTH - 2) // 2  # behind the convolution and the pooling
SHAPES = [
    (3, 3, CHANNELS, KERNELS), (KERNELS,), (ROWS * COLUMNS * KERNELS, CLASSES), (CLASSES,)
]  # fmt: skip


def _count(row: int, *, conv_bias: bool = True, bias: bool = True, channels: int = CHANNELS) -> int:
    """How many parameters the network has if `Flatten` makes a row of so many numbers."""
    return (9 * channels + conv_bias) * KERNELS + (row + bias) * CLASSES


ALL = _count(ROWS * COLUMNS * KERNELS)
COUNTS_TOLD = {
    _count((HEIGHT // 2) * (WIDTH // 2) * KERNELS): "The image keeps its size in your convolution. "
    "Without padding it becomes two pixels lower and narrower.",
    _count((HEIGHT - 2) * (WIDTH - 2) * KERNELS): "The dense layer gets all numbers of the "
    "convolution: there is no pooling between them, or it does not make the image smaller.",
    _count(KERNELS): "The dense layer gets one number a map. Expected all of them, by `Flatten`.",
    _count(ROWS * COLUMNS * KERNELS, bias=False): "The dense layer has no bias.",
    _count(ROWS * COLUMNS * KERNELS, conv_bias=False): "The convolution has no bias.",
}  # fmt: skip


def calculates_as_asked(model: Any, images: np.ndarray, given: np.ndarray) -> None:
    """Asks that it gives what NumPy makes of the same weights; also of numbers below 0."""
    in_torch = hasattr(model, "state_dict")
    # Keras takes the images all the same, because Flatten makes a row of the same length.
    if getattr(model, "input_shape", None) == (None, WIDTH, HEIGHT, CHANNELS):
        raise Wrong("`Input` says that the images are higher than wide. The height stands first.")
    before = None if in_torch else model.get_weights()
    if before:  # first biases are 0, and hide whether the pixels are divided before or after
        random = np.random.default_rng(0)
        model.set_weights([each + random.normal(0, 0.1, each.shape) for each in before])
    try:
        _calculates_as_asked(model, images, in_torch)
    finally:
        if before:
            model.set_weights(before)


def _calculates_as_asked(model: Any, images: np.ndarray, in_torch: bool) -> None:
    weights = _weights(model, in_torch)
    signed = images.astype("float32") - 128
    found = as_array(run(called, model, signed, in_torch)).astype(float)
    scales = [1.0, 1 / 255] if in_torch else [1 / 255]
    for scale in scales:
        if _same(found, [_by_numpy(signed * scale, weights, flat) for flat in (_last, _first)]):
            return
    for words, changes in DEVIATIONS.items():
        for scale in (1.0, 1 / 255):
            if _same(found, [_by_numpy(signed * scale, weights, flat, **changes)
                             for flat in (_last, _first)]):  # fmt: skip
                raise Wrong(words)
    if _same(found, [_by_numpy(signed, weights, flat) for flat in (_last, _first)]):
        raise Wrong("Nothing in the network divides the pixels, which go from 0 to 255, by 255.")
    raise Wrong(
        "The network has the right number of parameters, and calculates something else than is "
        "asked for. Which step stands where? And by what are the pixels divided, and how often?"
    )


def _weights(model: Any, in_torch: bool) -> list[np.ndarray]:
    """Of the convolution and of the dense layer, each with its bias, in the order of Keras."""
    if in_torch:
        found = [each.detach().cpu().numpy().T for each in model.parameters()]
        found = [each.swapaxes(0, 1) if each.ndim == 4 else each for each in found]
    else:
        found = model.get_weights()
    count = sum(each.size for each in found)
    if count != ALL:
        raise Wrong(COUNTS_TOLD.get(
            count, f"Your network has {count:,} parameters, and that is not as many as the one "
            "that is asked for. How many kernels are there, of what size?"
        ))  # fmt: skip
    by_shape = {each.shape: each for each in found}
    if len(found) != len(SHAPES) or set(by_shape) != set(SHAPES):
        raise Wrong("Expected one convolution and one dense layer, each with weights and a bias.")
    return [by_shape[each] for each in SHAPES]


def _last(maps: np.ndarray) -> np.ndarray:
    """One row an image, as Keras lays it out: maps last."""
    return maps.reshape(len(maps), -1)


def _first(maps: np.ndarray) -> np.ndarray:
    """One row an image, as PyTorch lays it out: maps first."""
    return maps.transpose(0, 3, 1, 2).reshape(len(maps), -1)


def _relu(numbers: np.ndarray) -> np.ndarray:
    return np.maximum(numbers, 0)


def _by_numpy(
    images: np.ndarray,
    weights: list[np.ndarray],
    flat: Callable,
    *,
    activation: Callable = _relu,
    pooling: Callable = np.max,
    end: Callable = np.asarray,
) -> np.ndarray:
    kernel, bias, dense, dense_bias = weights
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2))
    maps = activation(np.einsum("nrcdhw,hwdk->nrck", windows, kernel, optimize=True) + bias)
    squares = maps.reshape(len(images), ROWS, 2, COLUMNS, 2, KERNELS)
    return end(flat(pooling(squares, axis=(2, 4))) @ dense + dense_bias)


DEVIATIONS = {
    "There is no ReLU behind your convolution.": {"activation": np.asarray},
    "There is a ReLU behind the last layer too: it cuts off all logits below 0.": {"end": _relu},
    "ReLU stands behind the last layer, and not behind the convolution.":
        {"activation": np.asarray, "end": _relu},
    "Softmax stands behind the last layer. Logits are asked for.":
        {"end": partial(softmax, axis=-1)},
    "A sigmoid stands behind the last layer. Logits are asked for.": {"end": expit},
    "Your pooling takes the mean of each square. Expected the largest number.":
        {"pooling": np.mean},
}  # fmt: skip


def _same(found: np.ndarray, others: list[np.ndarray]) -> bool:
    """Whether it is one of them, but for what float32 rounds."""
    return any(np.allclose(found, one, rtol=0, atol=1e-3 * np.abs(one).max()) for one in others)


def right_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean cross-entropy of a batch."""
    return float(-log_softmax(logits.astype(float), axis=1)[np.arange(len(labels)), labels].mean())


def softmax_twice(logits: np.ndarray, labels: np.ndarray) -> float:
    """What comes out where a loss for logits is given probabilities."""
    return right_loss(softmax(logits.astype(float), axis=1), labels)


def loss_without_softmax(logits: np.ndarray, labels: np.ndarray) -> float:
    """What Keras gives where a loss for probabilities is given logits."""
    import keras

    return float(keras.losses.SparseCategoricalCrossentropy(from_logits=False)(labels, logits))


def softmax_once(check: Check) -> Check:
    """The check of a loss, which also holds where Keras repairs a softmax that is taken twice.

    Keras does so, with a warning, where TensorFlow is its engine and the softmax is one of its own.
    With another engine it does not.
    """

    def strict(answer: object) -> str | None:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*does not represent logits")
            try:
                return check(answer)
            except Wrong as wrong:
                if "does not represent logits" not in str(wrong):
                    raise
                raise Wrong(
                    "Softmax is still taken twice. Keras noticed it here and warned, because "
                    "TensorFlow is its engine and the softmax was one of its own. With PyTorch "
                    "nobody would warn."
                ) from None

    return strict


def loss_cases() -> list[tuple]:
    """Batches of logits with their labels, small ones first."""
    random = np.random.default_rng(2)
    cases = []
    for images, classes in [(1, 2), (2, 3), (5, 10), (32, 4)]:
        logits = random.uniform(-4, 4, (images, classes)).astype("float32")
        cases.append((logits, random.integers(0, classes, images)))
    return cases


def dense_for_pytorch(kernel: np.ndarray, map_shape: tuple[int, int, int]) -> np.ndarray:
    """The weights of a dense layer behind `Flatten`, by the place that each number had."""
    places = np.arange(len(kernel)).reshape(map_shape)
    return kernel[np.moveaxis(places, -1, 0).ravel()].T


def dense_cases() -> list[tuple]:
    """Weights of dense layers with the shape of what `Flatten` got, small ones first."""
    random = np.random.default_rng(1)
    sizes = [(1, 1, 3, 2), (1, 1, 4, 4), (2, 2, 1, 3), (2, 1, 2, 4), (2, 3, 2, 5), (4, 3, 5, 2)]
    return [
        (random.integers(-9, 10, (rows * columns * maps, out)), (rows, columns, maps))
        for rows, columns, maps, out in sizes
    ]


# Batch normalisation by hand

EPSILON = 0.001  # of Keras


def _by_keras(maps, running_mean, running_variance, momentum, training):
    import keras

    layer = keras.layers.BatchNormalization(
        momentum=momentum, epsilon=EPSILON, center=False, scale=False, dtype="float32"
    )
    layer.build(maps.shape)
    layer.set_weights([running_mean, running_variance])
    return (layer(maps, training=training), layer.moving_mean, layer.moving_variance)


def _variant(
    *,
    axes=(0, 1, 2),
    momentum_of=lambda momentum: momentum,
    uses=lambda training: training,
    updates=lambda training: training,
    unbiased=0,
    unbiased_running=0,
    divisor=lambda variance: np.sqrt(variance + EPSILON),
    normalise=True,
):
    """A batch normalisation that differs in one thing."""

    def batch_norm(maps, running_mean, running_variance, momentum, training):
        maps = maps.astype(float)
        count = np.prod([maps.shape[axis] for axis in axes])
        mean = maps.mean(axis=axes)
        variance = maps.var(axis=axes) * count / max(count - unbiased, 1)
        moved = maps.var(axis=axes) * count / max(count - unbiased_running, 1)
        new_mean, new_variance = running_mean, running_variance
        if updates(training):
            kept = momentum_of(momentum)
            new_mean = kept * running_mean + (1 - kept) * mean
            new_variance = kept * running_variance + (1 - kept) * moved
        if not uses(training):
            mean, variance = running_mean, running_variance
        return (maps - mean) / divisor(variance) if normalise else maps, new_mean, new_variance

    return batch_norm


def _batches() -> list[tuple]:
    random = np.random.default_rng(6)
    means = np.array([3.0, -1.0, 0.5], "float32")
    shapes = [  # the maps, the momentum, whether in training
        ((2, 1, 1, 2), 0.9, True), ((1, 1, 1, 2), 0.9, False), ((4, 2, 3, 2), 0.75, True),
        ((4, 2, 3, 3), 0.99, True), ((2, 3, 2, 3), 0.9, False), ((3, 3, 3, 3), 0.9, True),
    ]  # fmt: skip
    cases = []
    for shape, momentum, training in shapes:
        channels = shape[-1]
        spread = np.array([2.0, 0.5, 5.0])[:channels]
        maps = random.normal(means[:channels], spread, shape).round(2).astype("float32")
        variance = random.uniform(0.5, 4, channels).astype("float32")
        cases.append((maps, means[:channels] / 2, variance, momentum, training))
    cases[-1][0][..., 1] /= 16  # hardly any spread: here the 0.001 counts
    return cases


# Takes a function that normalises batches.
normalises = function(_by_keras, _batches(), within=1e-4, told=[
    (_variant(uses=lambda training: False),
     "In training your maps are normalised with the running averages. There the batch counts."),
    (_variant(uses=lambda training: True),
     "In use your maps are normalised with the mean of their batch. Then the answer for one "
     "image depends on the others."),
    (_variant(updates=lambda training: True),
     "In use your running averages move too. Then each prediction changes the network."),
    (_variant(updates=lambda training: False), "Your running averages never move."),
    (_variant(uses=lambda training: True, updates=lambda training: True),
     "With training=False your function does the same as with training=True."),
    (_variant(uses=lambda training: False, updates=lambda training: False),
     "With training=True your function does the same as with training=False."),
    (_variant(momentum_of=lambda momentum: 1 - momentum),
     "Your momentum is turned round, as PyTorch counts it: Keras' momentum is the part that "
     "is kept."),
    (_variant(unbiased=1, unbiased_running=1),
     "You divide by one less than the count in the variance. Keras divides by the count."),
    (_variant(unbiased_running=1),
     "In the running variance you divide by one less than the count, as PyTorch does. Keras "
     "divides by the count."),
    (_variant(divisor=np.sqrt),
     "The 0.001 is missing: what becomes of a channel whose pixels are all the same?"),
    (_variant(divisor=lambda variance: np.sqrt(variance) + EPSILON),
     "The 0.001 belongs under the square root."),
    (_variant(divisor=lambda variance: variance + EPSILON),
     "You divide by the variance. Its square root is the deviation."),
    (_variant(axes=(0,)),
     "You take a mean for each place. A channel is one feature, wherever it is found: it has one "
     "mean, over the images and over all places."),
    (_variant(axes=(0, 1, 2, 3)),
     "You take one mean for all channels together. Each channel has its own."),
    (_variant(normalise=False), "Your maps are not normalised: they come back as they were."),
])  # fmt: skip
