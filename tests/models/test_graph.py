"""How a model begins and ends: each model's own numbers say whether it was read rightly."""

from __future__ import annotations

import gc
import weakref
from unittest.mock import Mock

import numpy as np
import pytest

from helpers import build_cnn, make_dataset, quiet_tensorflow
from helpers.models import graph
from helpers.models.graph import Ending, ending, make_ready, pixel_scale, read

with quiet_tensorflow():
    import keras
    from keras import layers, ops

SHAPE = (4, 4, 1)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)


def row(*inner) -> keras.Model:
    return keras.Sequential([keras.Input(SHAPE), layers.Flatten(), *inner])


def made(function) -> keras.Model:
    images = keras.Input(SHAPE)
    return keras.Model(images, function(layers.Flatten()(images)))


class Own(keras.Model):
    """The layer that comes last is neither the last that was made nor the last of `layers`."""

    def __init__(self, activation=None):
        super().__init__()
        self.last = layers.Dense(3, activation=activation)
        self.first = layers.Flatten()

    def call(self, images):
        return self.last(self.first(images))


def softmax_by_hand(features):
    powers = ops.exp(0.001 * layers.Dense(3)(features))
    return powers / ops.sum(powers, axis=1, keepdims=True)


def half_of_itself_twice(features):
    """40 times, which are 2 ** 40 ways through the graph."""
    for _ in range(40):
        features = 0.5 * (features + features)
    return features


PROBABILITIES = {
    "softmax": lambda: row(layers.Dense(3, activation="softmax")),
    "a layer of its own": lambda: row(layers.Dense(3), layers.Softmax()),
    "an activation layer": lambda: row(layers.Dense(3), layers.Activation("softmax")),
    "sigmoid": lambda: row(layers.Dense(3, activation="sigmoid")),
    "in a model in the model": lambda: keras.Sequential(
        [keras.Input(SHAPE), row(layers.Dense(3, activation="softmax"))]
    ),
    "a function": lambda: made(lambda features: ops.softmax(layers.Dense(3)(features))),
    "a model class": lambda: Own("softmax"),
    "dropout after it": lambda: row(layers.Dense(3, activation="softmax"), layers.Dropout(0.5)),
    "another shape after it": lambda: row(
        layers.Dense(3, activation="softmax"), layers.Reshape((3,))
    ),
    "a mean of two": lambda: made(
        lambda features: layers.Average()(
            [layers.Dense(3, activation="softmax")(features) for _ in range(2)]
        )
    ),
    "a weighted sum": lambda: made(
        lambda features: ops.sum(
            layers.Dense(4, activation="softmax")(features)[:, :, None]
            * ops.stack([layers.Dense(3, activation="softmax")(features) for _ in range(4)], 1),
            axis=1,
        )
    ),
    "a mean of itself": lambda: made(
        lambda features: half_of_itself_twice(layers.Dense(3, activation="softmax")(features))
    ),
    "16 bits": lambda: row(layers.Dense(3, activation="softmax", dtype="mixed_float16")),
}
LOGITS = {
    "linear": lambda: row(layers.Dense(3)),
    "no bias": lambda: row(layers.Dense(3, use_bias=False)),
    "SiLU": lambda: row(layers.Dense(3, activation="silu")),
    "LeakyReLU": lambda: row(layers.Dense(3), layers.LeakyReLU()),
    "some of more": lambda: made(
        lambda features: ops.take(layers.Dense(5)(features), [0, 1, 2], 1)
    ),
    "ReLU": lambda: row(layers.Dense(3, activation="relu")),
    "log of softmax": lambda: row(layers.Dense(3, activation="log_softmax")),
    "scaled": lambda: row(layers.Dense(3), layers.Rescaling(0.125)),
    "normalised": lambda: row(layers.Dense(3), layers.BatchNormalization()),
    "a mean over the places": lambda: keras.Sequential(
        [keras.Input(SHAPE), layers.Conv2D(3, 1), layers.GlobalAveragePooling2D()]
    ),
    "softmax, then linear": lambda: row(layers.Dense(3, activation="softmax"), layers.Dense(3)),
    "a model class": lambda: Own(),
}
UNKNOWN = {
    "softmax by hand": lambda: made(softmax_by_hand),
    "tanh": lambda: row(layers.Dense(3, activation="tanh")),
}


class TestEnding:
    @pytest.mark.parametrize("make", PROBABILITIES.values(), ids=PROBABILITIES)
    def test_probabilities(self, make):
        model = make()
        assert ending(model, IMAGES).probabilities is True
        answers = np.asarray(model(IMAGES))
        assert (answers >= 0).all() and (answers <= 1).all()  # what is known of the numbers

    @pytest.mark.parametrize("make", LOGITS.values(), ids=LOGITS)
    def test_logits(self, make):
        assert ending(make(), IMAGES).probabilities is False

    @pytest.mark.parametrize("make", UNKNOWN.values(), ids=UNKNOWN)
    def test_what_it_does_not_tell(self, make):
        assert ending(make(), IMAGES).probabilities is None

    def test_what_is_no_model_of_keras(self, answers):
        assert ending(answers([[1, 2]]), IMAGES) == Ending("", None, None, False)

    @pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
    def test_the_numbers_before_it(self, activation):
        model = row(layers.Dense(3, activation=activation))
        linear = row(layers.Dense(3))
        linear.set_weights(model.get_weights())
        assert ending(model, IMAGES).logits_in_reach
        before = read(model, IMAGES).answer(IMAGES)
        np.testing.assert_allclose(before, linear(IMAGES), rtol=1e-6)

    @pytest.mark.parametrize(
        "name", ["softmax", "another shape after it", "a mean of two", "16 bits"]
    )
    @pytest.mark.filterwarnings("ignore:.*received `from_logits=True`:UserWarning")
    def test_they_are_in_reach_where_the_losses_of_keras_find_them(self, name):
        """Then it is all one to Keras' loss whether it is told that there are logits."""
        model = PROBABILITIES[name]()
        losses = [
            keras.losses.SparseCategoricalCrossentropy(from_logits)(np.arange(5) % 3, model(IMAGES))
            for from_logits in (True, False)
        ]
        found = float(losses[0]) == pytest.approx(float(losses[1]))
        assert ending(model, IMAGES).logits_in_reach is found is (name == "softmax")


@keras.saving.register_keras_serializable()
class Times(layers.Layer):
    """A layer of one's own, that can be told to do something else."""

    factor = 1

    def call(self, numbers):
        return self.factor * numbers


def kept(model) -> bool:
    return read(model, IMAGES) is read(model, IMAGES)


class TestKept:
    @pytest.mark.parametrize(
        "name", ["softmax", "in a model in the model", "a function", "16 bits"]
    )
    def test_a_model_of_kerass_own_layers_is_read_once(self, name):
        model = PROBABILITIES[name]()
        assert kept(model)
        assert read(model, IMAGES) is not read(PROBABILITIES[name](), IMAGES)

    @pytest.mark.parametrize(
        "make",
        [
            Own,
            lambda: row(layers.Dense(3), Times()),
            lambda: row(Own()),
            lambda: row(layers.Dense(3, activation=lambda numbers: numbers)),
            lambda: row(layers.Lambda(lambda numbers: numbers), layers.Dense(3)),
            lambda: keras.Sequential([keras.Input(SHAPE), layers.TimeDistributed(Times())]),
            lambda: keras.Sequential(
                [keras.Input(SHAPE), layers.TimeDistributed(layers.Dense(3, lambda x: x))]
            ),
        ],
        ids=[
            "model class",
            "layer",
            "model in a model",
            "function",
            "lambda",
            "wrapped",
            "wrapped function",
        ],
    )
    def test_what_runs_code_of_ones_own_is_read_each_time(self, make, recwarn):
        assert not kept(make())
        assert not recwarn.list

    def test_a_function_of_ones_own_that_is_called_as_one_of_keras(self):
        def relu(numbers):
            return numbers

        assert not kept(row(layers.Dense(3, activation=relu)))

    @pytest.mark.parametrize("length", [1, 3])
    def test_it_answers_as_many_images_as_it_is_given(self, length):
        model = row(layers.Dense(3))
        read(model, IMAGES)
        answers = read(model, IMAGES).answer(IMAGES[:length])
        np.testing.assert_allclose(answers, model(IMAGES[:length]), rtol=1e-5)

    @pytest.mark.parametrize(
        "change",
        [
            lambda model: setattr(model.layers[-1], "activation", keras.activations.softmax),
            lambda model: setattr(model.layers[-1], "activation", lambda numbers: 2 * numbers),
            lambda model: model.pop(),
            lambda model: model.add(layers.Softmax()),
            lambda model: setattr(model.layers[0], "scale", 1 / 127.5),
            lambda model: model.layers[-1].enable_lora(2),
            lambda model: model.set_weights([weight + 1 for weight in model.get_weights()]),
        ],
        ids=["activation", "own function", "pop", "add", "scale", "lora", "weights"],
    )
    def test_a_model_that_was_changed_answers_as_it_is_now(self, change):
        model = keras.Sequential(
            [keras.Input(SHAPE), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3)]
        )
        before = np.asarray(read(model, IMAGES).answer(IMAGES))
        change(model)
        reading = read(model, IMAGES)
        answers = np.asarray(reading.answer(IMAGES))
        if reading.ending.logits_in_reach:
            answers = np.asarray(keras.ops.softmax(answers))
        np.testing.assert_allclose(answers, model(IMAGES), rtol=1e-5, atol=1e-6)
        unchanged = answers.shape == before.shape and np.allclose(answers, before)
        # A low-rank addition begins with zeros.
        assert unchanged is getattr(model.layers[-1], "lora_enabled", False)

    def test_another_layer_in_the_place_of_one_just_like_it(self):
        model = row(layers.Dense(3, name="last"))
        read(model, IMAGES)
        model.pop()
        model.add(layers.Dense(3, name="last"))
        np.testing.assert_allclose(read(model, IMAGES).answer(IMAGES), model(IMAGES), rtol=1e-5)

    def test_a_layer_that_measures_images_and_measures_others_later(self):
        """What `adapt` finds stands in no variable that the graph reads, and in no config."""
        normalise = layers.Normalization()
        normalise.adapt(IMAGES)
        model = keras.Sequential([keras.Input(SHAPE), normalise, layers.Flatten(), layers.Dense(3)])
        read(model, IMAGES)
        normalise.adapt(IMAGES // 4)
        np.testing.assert_allclose(read(model, IMAGES).answer(IMAGES), model(IMAGES), rtol=1e-5)

    def test_a_layer_that_was_told_its_mean_is_kept(self):
        told = layers.Normalization(mean=120, variance=50**2)
        assert kept(keras.Sequential([keras.Input(SHAPE), told, layers.Flatten(), layers.Dense(3)]))

    def test_images_of_another_size_or_type(self):
        model = keras.Sequential(
            [keras.Input((None, None, 1)), layers.GlobalMaxPooling2D(), layers.Dense(3)]
        )
        for images in (IMAGES, IMAGES[:, :2], IMAGES.astype(np.float32), IMAGES):
            np.testing.assert_allclose(read(model, images).answer(images), model(images), rtol=1e-5)

    def test_it_keeps_no_model_in_memory(self):
        model = row(layers.Dense(3))
        assert kept(model)
        forgotten = weakref.ref(model)
        del model
        gc.collect()
        assert forgotten() is None

    def test_a_model_of_several_outputs_cannot_be_read(self):
        images = keras.Input(SHAPE)
        features = layers.Flatten()(images)
        model = keras.Model(images, [layers.Dense(3)(features), layers.Dense(2)(features)])
        assert read(model, IMAGES) is None
        assert ending(model, IMAGES) == Ending()


def sixty_four(images):
    """(64, 64, 64) for an image."""
    return layers.Conv2D(64, 1)(layers.UpSampling2D(16)(images))


def same(number: int, size: int):
    """A convolution of 64 maps, used so many times."""
    return times(number, layers.Conv2D(64, size, padding="same"))


def times(number: int, layer):
    def chained(features):
        for _ in range(number):
            features = layer(features)
        return features

    return chained


class OwnLayer(layers.Layer):
    def call(self, features):
        return features


class TestMakeReady:
    @pytest.fixture
    def readings(self, monkeypatch) -> list[keras.Model]:
        """The model of each reading."""
        made = []
        read_anew = graph._read_anew

        def noted(model, images):
            made.append(model)
            return read_anew(model, images)

        monkeypatch.setattr(graph, "_read_anew", noted)
        return made

    def test_what_is_asked_afterwards_was_read_before(self, readings):
        model = row(layers.Dense(3))
        make_ready(model, IMAGES[:1])
        assert readings == [model]
        np.testing.assert_allclose(read(model, IMAGES).answer(IMAGES), model(IMAGES), rtol=1e-5)
        assert readings == [model]

    def test_the_losses_of_its_layers_are_numbers(self):
        model = row(layers.BatchNormalization(), layers.Dense(3, activity_regularizer="l2"))
        before = model.get_weights()
        make_ready(model, IMAGES[:1])
        assert float(sum(model.losses)) > 0
        for one, same in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, same)

    @pytest.fixture
    def asked(self, monkeypatch) -> list[tuple]:
        """The shapes of the images that a model was asked about."""
        shapes = []
        read_anew = graph._read_anew

        def noted(model, images):
            reading = read_anew(model, images)
            answer = Mock(side_effect=lambda images: shapes.append(images.shape))
            answer.graph = reading.answer.graph
            return reading._replace(answer=answer)

        monkeypatch.setattr(graph, "_read_anew", noted)
        return shapes

    def test_it_has_answered_once(self, asked):
        images = np.zeros((20, 96, 96, 3), np.uint8)
        images[0] = 200
        model = build_cnn(make_dataset(images, [0, 1] * 10), seed=0)
        make_ready(model, images[:1])
        assert asked == [(1, 96, 96, 3)]

    @pytest.mark.parametrize(
        ("inner", "light"),
        [
            (lambda images: layers.Conv2D(64, 3)(images), True),
            (lambda images: layers.UpSampling2D(2100)(images), False),
            (lambda images: times(2, layers.UpSampling2D(50))(images), False),
            (lambda images: same(1, 15)(sixty_four(images)), False),
            (lambda images: same(5, 3)(sixty_four(images)), True),
            (lambda images: same(20, 3)(sixty_four(images)), False),
            (lambda images: layers.Reshape((2, 2, 1))(
                layers.LSTM(4)(layers.Reshape((4, 4))(images))), False),
        ],
        ids=["light", "large", "large where a layer comes again", "slow", "often", "slow in sum",
             "a loop"],
    )  # fmt: skip
    def test_one_that_may_take_much_is_not_asked(self, inner, light, asked):
        images = keras.Input(SHAPE)
        features = layers.GlobalMaxPool2D()(inner(images))
        model = keras.Model(images, layers.Dense(3)(features))
        make_ready(model, IMAGES[:1])
        assert len(asked) == light
        assert model in graph._KEPT  # it was read

    @pytest.mark.parametrize(
        "model",
        [
            lambda: row(OwnLayer(), layers.Dense(3)),
            lambda: keras.Sequential(
                [keras.Input((None, None, 1)), layers.GlobalMaxPool2D(), layers.Dense(3)]
            ),
        ],
        ids=["read anew each time", "of any size"],
    )
    def test_others_are_left_as_they_are(self, model, readings):
        make_ready(model(), IMAGES[:1])
        assert readings == []

    def test_what_goes_wrong_is_said_where_an_answer_is_wanted(self, monkeypatch):
        def fails(*asked):
            raise MemoryError

        monkeypatch.setattr(graph, "_read_anew", fails)
        model = row(layers.Dense(3))
        make_ready(model, IMAGES[:1])
        with pytest.raises(MemoryError):
            read(model, IMAGES)


def scaled_by(*first) -> keras.Model:
    return keras.Sequential([keras.Input(SHAPE), *first, layers.Flatten(), layers.Dense(3)])


class OwnScaling(keras.Model):
    def __init__(self):
        super().__init__()
        self.flatten, self.dense = layers.Flatten(), layers.Dense(3)

    def call(self, images):
        return self.dense(self.flatten(ops.cast(images, "float32") / 255))


class TestPixelScale:
    @pytest.mark.parametrize(
        ("make", "scale"),
        [
            (lambda: scaled_by(), 1),
            (lambda: scaled_by(layers.Rescaling(1 / 255)), 1 / 255),
            (lambda: scaled_by(layers.Rescaling(1 / 127.5, offset=-1)), 1 / 127.5),
            (lambda: scaled_by(layers.Normalization(mean=120, variance=50**2)), 1 / 120),
            (lambda: scaled_by(layers.Normalization(mean=0.5, variance=0.25)), 2),
            (lambda: scaled_by(layers.Lambda(lambda images: images - 120)), 1 / 120),
            (lambda: scaled_by(layers.RandomFlip(), layers.RandomZoom(0.1),
                               layers.ZeroPadding2D(1), layers.Rescaling(1 / 255)), 1 / 255),
            (lambda: keras.Sequential([keras.Input(SHAPE), scaled_by(layers.Rescaling(1 / 255))]),
             1 / 255),
            (lambda: scaled_by(layers.Rescaling(255), layers.Rescaling(1 / 255)), 1),
            (lambda: scaled_by(layers.Lambda(lambda images: images / 255)), 1 / 255),
            (OwnScaling, 1 / 255),
        ],
        ids=["none", "rescaling", "to -1..1", "normalised", "of 0..1", "mean taken away",
             "augmented", "nested", "back",
             "lambda", "model class"],
    )  # fmt: skip
    def test_it_is_what_the_layers_say(self, make, scale):
        assert pixel_scale(make(), IMAGES.astype(np.float32)) == pytest.approx(scale)

    def test_preprocessing_that_keras_brings_along(self):
        images = keras.Input((32, 32, 3))
        scaled = keras.applications.mobilenet_v2.preprocess_input(images)
        own = keras.Model(images, layers.Dense(3)(layers.Flatten()(layers.Conv2D(1, 3)(scaled))))
        colour = np.zeros((1, 32, 32, 3), np.float32)
        assert pixel_scale(own, colour) == pytest.approx(1 / 127.5)

    def test_of_the_classic_network(self, dataset):
        images = dataset.train.images.astype(np.float32)
        assert pixel_scale(build_cnn(dataset), images) == pytest.approx(1 / 255)

    def test_what_has_no_weights_does_not_tell(self, answers):
        images = IMAGES.astype(np.float32)
        assert pixel_scale(keras.Sequential([keras.Input(SHAPE), layers.Flatten()]), images) is None
        assert pixel_scale(answers([[1, 2]]), images) is None
