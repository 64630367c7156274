"""The classic CNN in Keras, against the same network written out in NumPy."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from helpers import FAST, build_cnn, quiet_tensorflow
from helpers.basics.errors import MismatchError, UsageError
from helpers.models import build_pretrained
from helpers.torch_twin import build_torch_cnn

with quiet_tensorflow():
    import keras

COLOUR = (32, 32, 3)
TEN = tuple("abcdefghij")


# ---------------------------------------------- the forward pass by hand, for the comparison


def convolve(images: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Slide a 3 x 3 window over the images: multiply, add up, add the bias, cut below zero."""
    windows = np.lib.stride_tricks.sliding_window_view(images, kernel.shape[:2], axis=(1, 2))
    # windows: (images, rows, columns, channels, 3, 3); kernel: (3, 3, channels, filters)
    return np.maximum(np.einsum("nrcihw,hwio->nrco", windows, kernel) + bias, 0)


def pool(images: np.ndarray) -> np.ndarray:
    """The largest of every 2 x 2 places; an odd row or column at the end is dropped."""
    rows, columns = images.shape[1] // 2, images.shape[2] // 2
    corners = [images[:, i : 2 * rows : 2, j : 2 * columns : 2] for i in (0, 1) for j in (0, 1)]
    return np.max(corners, axis=0)


def logits_by_hand(model: keras.Model, images: np.ndarray) -> np.ndarray:
    weights = iter(model.get_weights())
    x = images.astype(np.float64) / 255
    x = pool(convolve(x, next(weights), next(weights)))
    x = pool(convolve(x, next(weights), next(weights)))
    x = convolve(x, next(weights), next(weights)).reshape(len(images), -1)
    x = np.maximum(x @ next(weights) + next(weights), 0)
    return x @ next(weights) + next(weights)


@pytest.mark.parametrize("shape", [(18, 18, 1), (18, 25, 3), (28, 28, 1), COLOUR])
def test_it_computes_what_the_layers_say(make_dataset, shape):
    dataset = make_dataset(shape, train=5)
    model = build_cnn(dataset)
    expected = logits_by_hand(model, dataset.train.images)
    logits = model.predict(dataset.train.images, verbose=0)
    assert logits.shape == (5, 3)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "classes", "parameters"),
    [
        (COLOUR, 10, 122_570),  # the figure of the TensorFlow tutorial
        # convolutions 320 + 18,496 + 36,928; dense 64 a place (3 x 3 x 64) and a bias; logits
        ((28, 28, 1), 10, 320 + 18_496 + 36_928 + (9 * 64 * 64 + 64) + 650),
        ((18, 18, 1), 2, 320 + 18_496 + 36_928 + (1 * 64 * 64 + 64) + 130),
        ((64, 64, 3), 2, 896 + 18_496 + 36_928 + (144 * 64 * 64 + 64) + 130),
    ],
)
def test_the_number_of_parameters(make_dataset, shape, classes, parameters):
    dataset = make_dataset(shape, TEN[:classes], train=0, validation=0, test=0)
    assert build_cnn(dataset).count_params() == parameters


def test_the_layers_and_their_output_shapes_on_cifar10_images(make_dataset):
    model = build_cnn(make_dataset(COLOUR, TEN, train=0, validation=0, test=0))
    assert [(type(layer).__name__, layer.output.shape[1:]) for layer in model.layers] == [
        ("Rescaling", (32, 32, 3)),
        ("Conv2D", (30, 30, 32)),
        ("MaxPooling2D", (15, 15, 32)),
        ("Conv2D", (13, 13, 64)),
        ("MaxPooling2D", (6, 6, 64)),
        ("Conv2D", (4, 4, 64)),
        ("Flatten", (1024,)),
        ("Dense", (64,)),
        ("Dense", (10,)),
    ]
    assert [layer.name for layer in model.layers] == [
        "scale", "conv_1", "pool_1", "conv_2", "pool_2", "conv_3", "flatten", "dense", "logits",
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(17, 18, 1), (18, 17, 3), (1, 1, 1)])
def test_smaller_images_are_refused(make_dataset, shape):
    dataset = make_dataset(shape, train=0, validation=0, test=0)
    message = (
        r"Expected images of at least 18 x 18 pixels.*"
        rf"Received: {shape[0]} x {shape[1]}\. Enlarge the images.*image_size=\(64, 64\)"
    )
    with pytest.raises(ValueError, match=message):
        build_cnn(dataset)


@pytest.mark.parametrize("build", [build_cnn, build_torch_cnn])
def test_something_else_than_a_dataset(dataset, build):
    for given in (dataset.train, dataset.train.images, "fashion_mnist"):
        with pytest.raises(UsageError, match="Expected a dataset, from load_dataset. Received: "):
            build(given)
    grey = replace(dataset, image_shape=(18, 18))
    with pytest.raises(MismatchError, match=r"images\[..., np.newaxis\] gives grey ones a channel"):
        build(grey)


def test_the_choice_of_loss_and_optimizer_is_left_to_the_caller(dataset):
    assert not build_cnn(dataset).compiled


def test_the_scaling_is_in_the_model(dataset):
    """uint8 and float images give the same; images scaled beforehand give something else."""
    model, images = build_cnn(dataset), dataset.test.images
    logits = np.asarray(model(images))
    np.testing.assert_array_equal(np.asarray(model(images.astype(np.float32))), logits)
    assert not np.allclose(np.asarray(model(images / np.float32(255))), logits, atol=1e-3)


def test_the_seed_decides_the_weights(dataset):
    first, same, other = (build_cnn(dataset, seed=seed).get_weights() for seed in (0, 0, 1))
    for a, b in zip(first, same, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("seed", [None, -1, 2**32, 1.5, "1", True])
@pytest.mark.parametrize("build", [build_cnn, build_pretrained, build_torch_cnn, FAST.build])
def test_what_is_no_seed_is_said_in_words(dataset, build, seed):
    with pytest.raises(UsageError, match=f"Expected seed as .* Received: {seed!r}"):
        build(dataset, seed=seed)


def test_the_seed_is_zero_unless_told_otherwise(dataset):
    np.testing.assert_array_equal(
        build_cnn(dataset).get_weights()[0], build_cnn(dataset, seed=0).get_weights()[0]
    )


def test_the_seed_sets_the_random_state_of_python_numpy_and_tensorflow(dataset):
    def drawn() -> tuple[float, float, float]:
        legacy = np.random.random()  # noqa: NPY002
        return random.random(), legacy, float(keras.random.uniform(()))

    build_cnn(dataset, seed=3)
    first = drawn()
    build_cnn(dataset, seed=3)
    assert drawn() == first


def test_a_saved_model_takes_plain_uint8_images(dataset, tmp_path):
    model = build_cnn(dataset)
    logits = model.predict(dataset.test.images, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert dataset.test.images.dtype == np.uint8
    np.testing.assert_array_equal(loaded.predict(dataset.test.images, verbose=0), logits)
