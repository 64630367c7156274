"""Checks of networks: by what they do, whichever way they were built."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from helpers.checking import models
from helpers.checking.plain import Wrong

L = keras.layers
SHAPE, CLASSES = (6, 6, 1), 3


def sequential(*last, scale=1 / 255, first=None):
    first = first or L.Conv2D(4, 3)
    return keras.Sequential([keras.Input(SHAPE), L.Rescaling(scale), first, L.Flatten(), *last])


class OwnModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.inside = sequential(L.Dense(CLASSES))

    def call(self, images):
        return self.inside(images)


class OwnLayer(L.Layer):
    """Scales and convolves inside; what is said last is not what is called last."""

    def __init__(self):
        super().__init__()
        self.behind, self.before = L.Conv2D(4, 3, activation="relu"), [L.Rescaling(1 / 255)]

    def call(self, images):
        return self.behind(self.before[0](images))


class EndsInRelu(OwnModel):
    def call(self, images):
        return L.ReLU()(self.inside(images) + 1000)  # with these weights nothing is cut off


def compiled(activation, from_logits):
    # Keras itself sees through a softmax that stands last; behind another layer it does not.
    model = sequential(L.Dense(CLASSES, activation=activation), L.Rescaling(1.0))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits))
    return model


def in_torch():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.Dropout(0.5), torch.nn.Flatten(), torch.nn.Linear(64, 3)
    )


def wrong(answer, *properties, **options) -> str:
    with pytest.raises(Wrong) as caught:
        models.network(SHAPE, CLASSES, *properties, **options)(answer)
    return str(caught.value)


@pytest.mark.parametrize("build", [lambda: sequential(L.Dense(CLASSES)), OwnModel])
def test_any_way_to_build_it(build):
    properties = models.has("Conv2D"), models.scales, models.gives_logits
    assert models.network(SHAPE, CLASSES, *properties)(build()) is None


def test_torch_where_the_exercise_says_so():
    model = in_torch().train()
    assert models.network(SHAPE, CLASSES, models.gives_logits, torch=True)(model) is None
    assert model.training  # as it was
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(1), torch.nn.Flatten(), torch.nn.Linear(36, 3))
    before = copy.deepcopy(model.state_dict())
    models.network(SHAPE, CLASSES, torch=True)(model)
    for name, array in model.state_dict().items():
        assert array.equal(before[name])
    assert "model of Keras" in wrong(in_torch())
    said = wrong(torch.nn.Conv2d(3, 4, 3), torch=True)
    assert "channels first" in said
    assert "(1, 6, 6)" in said


def test_a_network_stays_as_it_is(capsys):
    like_itself = models.calculates_like(lambda: sequential(L.Dense(CLASSES)))
    normalised = sequential(L.BatchNormalization(), L.Dense(CLASSES))
    normalised.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for model, properties in (
        (sequential(L.Dense(CLASSES)), [like_itself]),
        (normalised, [models.scales, models.loss_fits]),
    ):
        before = model.get_weights()
        models.network(SHAPE, CLASSES, *properties)(model)
        for one, same in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, same)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "Received: None"), (OwnModel, "the class OwnModel"), ("model", "model of Keras"),
        (lambda: sequential(L.Dense(2)), "Your model gives (4, 2)"),
        (lambda: keras.Sequential([keras.Input((9, 9, 3)), L.Flatten(), L.Dense(3)]),
         "does not take images of the shape (6, 6, 1)"),
    ],
)  # fmt: skip
def test_what_is_no_such_model_is_said(answer, words):
    assert words in wrong(answer() if callable(answer) and answer is not OwnModel else answer)


@pytest.mark.parametrize(("answer", "hinted"), [(lambda: OwnModel(), True), (3, False)])
def test_a_function_that_builds_it_is_to_be_called(answer, hinted):
    with pytest.raises(Wrong) as refused:
        models.network(SHAPE, CLASSES)(answer)
    assert ("Call it, with ()." in str(refused.value)) is hinted


class TestProperties:
    @pytest.mark.parametrize(
        ("build", "asked", "words"),
        [
            (lambda: sequential(L.Dense(3, activation="softmax")), models.gives_logits, "add up"),
            (lambda: sequential(L.Dense(3, activation="relu")), models.gives_logits, "activation"),
            (lambda: sequential(L.Dense(3), scale=1), models.scales, "multiplied by 1 in all"),
            (lambda: sequential(L.Dense(3), first=L.Rescaling(1 / 255)), models.scales, "once"),
            (lambda: keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(3)]),
             models.scales, "Nothing in the model scales"),
            (lambda: sequential(L.Dense(3)), models.has("Conv2D", 2), "Your model has 1"),
            (lambda: sequential(L.Dense(3)), models.has("Conv2D", 1, filters=5), "filters=5"),
            (lambda: sequential(L.Dense(3)), models.loss_fits, "no loss yet"),
            (lambda: sequential(L.Dense(3), first=OwnLayer()), models.scales, "once"),
            (lambda: keras.Sequential([keras.Input(SHAPE), OwnLayer(), L.Flatten(), L.Dense(3)]),
             models.has("Conv2D", 2), "Your model has 1"),
            (EndsInRelu, models.gives_logits, "last layer is ReLU"),
            (lambda: compiled("softmax", True), models.loss_fits, "softmax is taken twice"),
            (lambda: compiled(None, False), models.loss_fits, "neither of them"),
        ],
    )  # fmt: skip
    def test_wrong(self, build, asked, words):
        assert words in wrong(build(), asked)

    @pytest.mark.parametrize(
        ("build", "asked"),
        [
            (
                lambda: keras.Sequential([keras.Input(SHAPE), OwnLayer(), L.Flatten(), L.Dense(3)]),
                models.scales,
            ),
            (
                lambda: keras.Sequential([keras.Input(SHAPE), OwnLayer(), L.Flatten(), L.Dense(3)]),
                models.has("Conv2D", 1, filters=4),
            ),
            (OwnModel, models.gives_logits),
            (lambda: compiled("softmax", False), models.loss_fits),
            (lambda: compiled(None, True), models.loss_fits),
        ],
    )
    def test_right(self, build, asked):
        assert models.network(SHAPE, CLASSES, asked)(build()) is None

    def test_a_network_that_calculates_with_its_pixels_before_any_layer(self):
        class Calculates(OwnModel):
            def call(self, images):
                return self.inside(images * 1.0)

        asked = (models.scales, models.has("Conv2D", 1), models.gives_logits)
        assert models.network(SHAPE, CLASSES, *asked)(Calculates()) is None

    def test_several_properties_of_a_network_that_compiles_its_call(self):
        class Compiled(OwnModel):
            call = tf.function(OwnModel.call)

        asked = (models.scales, models.has("Conv2D", 1), models.gives_logits)
        assert models.network(SHAPE, CLASSES, *asked)(Compiled()) is None
        assert not tf.config.functions_run_eagerly()

    def test_a_loss_for_other_labels_is_said(self):
        model = sequential(L.Dense(3))
        model.compile(loss=keras.losses.CategoricalCrossentropy(from_logits=True))
        assert "numbers of classes" in wrong(model, models.loss_fits)
