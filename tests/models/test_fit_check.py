"""What does not fit together is said before the first step, and nothing has changed then."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import ImageDataset, build_cnn, make_batches, quiet_tensorflow, train
from helpers.basics import memory
from helpers.basics.errors import MismatchError, NotEnoughMemoryError, UsageError
from helpers.models import step_memory
from helpers.models.fit_check import check_fit
from helpers.models.losses import ask
from helpers.models.step_memory import batch_without_training, bytes_an_image, check_batch_size

with quiet_tensorflow():
    import keras
    from keras import layers

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def model_of(*inner, shape=(18, 18, 1)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *inner])


def dense(outputs: int = 3, **options) -> keras.Model:
    return model_of(layers.Flatten(), layers.Dense(outputs, **options))


def compiled(model: keras.Model, loss="sparse", metrics=("accuracy",)) -> keras.Model:
    if loss == "sparse":
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=list(metrics))
    return model


def changed(dataset: ImageDataset, split: str = "train", **arrays) -> ImageDataset:
    return replace(dataset, **{split: replace(getattr(dataset, split), **arrays)})


def refused(model, dataset) -> str:
    """What `train` says; the weights are what they were, or were never made."""
    before = [array.copy() for array in model.get_weights()]
    with pytest.raises(MismatchError) as raised:
        train(model, dataset, epochs=1, progress=False)
    if before:
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    return str(raised.value)


# ----------------------------------------------------------------------------- the labels


class TestLabels:
    @pytest.mark.parametrize("split", ["train", "validation"])
    @pytest.mark.parametrize("wrong", [-1, 3, 255])
    def test_a_label_that_no_class_has(self, dataset, split, wrong):
        labels = getattr(dataset, split).labels.copy()
        labels[[4, 7]] = wrong
        assert refused(dense(), changed(dataset, split, labels=labels)) == (
            f"Expected {split} labels from 0 to 2, for 3 classes. Received: {wrong} for image 4, "
            "and 2 such labels in all. Labels count from 0."
        )

    @pytest.mark.parametrize(
        ("labels", "advice"),
        [
            (np.eye(3)[np.arange(24) % 3] + np.eye(3)[0], "Each image has one class here: choose"),
            (np.zeros((24, 3)), "Each image has one class here: choose"),
            (np.full((24, 3), 1 / 3), "Each image has one class here: choose"),
            ((np.arange(24) % 3)[:, np.newaxis], "labels.ravel().astype(int) gives whole numbers."),
            (np.arange(24) % 3.0, "labels.ravel().astype(int) gives whole numbers."),
            (np.array(["cat", "dog"] * 12), "np.unique(labels, return_inverse=True)[1] numbers"),
        ],
        ids=["several", "none", "shares", "a column", "floats", "names"],
    )
    def test_the_advice_makes_whole_numbers_of_them_or_says_that_nothing_can(
        self, dataset, labels, advice
    ):
        message = refused(dense(), changed(dataset, labels=labels))
        assert advice in message
        if "labels" in advice:
            code = advice.removesuffix(" gives whole numbers.").removesuffix(" numbers")
            made = {
                "labels.ravel().astype(int)": lambda: labels.ravel().astype(int),
                "np.unique(labels, return_inverse=True)[1]": lambda: np.unique(
                    labels, return_inverse=True
                )[1],
            }[code]()
            check_fit(dense(), changed(dataset, labels=made))
        else:
            assert "argmax" not in message  # it would drop classes

    @pytest.mark.parametrize("what", ["images", "labels"])
    @pytest.mark.parametrize("kind", [list, tuple, keras.ops.convert_to_tensor])
    def test_what_is_no_array(self, dataset, what, kind):
        given = kind(getattr(dataset.train, what))
        with pytest.raises(UsageError) as raised:
            train(dense(), changed(dataset, **{what: given}))
        assert str(raised.value) == (
            f"Expected NumPy arrays as images and labels. Received: train {what} of type "
            f"{type(given).__name__}. np.asarray({what}) makes an array of them."
        )
        check_fit(dense(), changed(dataset, **{what: np.asarray(given)}))

    def test_one_hot_rows(self, dataset):
        labels = np.eye(3, dtype=np.int64)[dataset.train.labels]
        message = refused(dense(), changed(dataset, labels=labels))
        assert message.startswith("Expected one whole number a train image as its label. Received")
        assert "labels of shape (24, 3) and type int64" in message
        back = changed(dataset, labels=labels.argmax(axis=1))
        check_fit(dense(), back)  # what the message says to do

    @pytest.mark.parametrize("kind", [np.float32, bool])
    def test_labels_that_are_not_whole_numbers(self, dataset, kind):
        labels = dataset.train.labels.astype(kind)
        message = refused(dense(), changed(dataset, labels=labels))
        assert f"labels of shape (24,) and type {np.dtype(kind)}" in message

    @pytest.mark.parametrize("kind", [np.uint8, np.int32])
    def test_whole_numbers_of_any_size_are_labels(self, dataset, kind):
        check_fit(dense(), changed(dataset, labels=dataset.train.labels.astype(kind)))

    def test_more_images_than_labels(self, dataset):
        message = refused(dense(), changed(dataset, labels=dataset.train.labels[:-1]))
        assert message == (
            "Expected train images of shape ('n', 18, 18, 1) with n labels. Received: images "
            "(24, 18, 18, 1), labels (23,). Change both together."
        )


class TestImages:
    def test_an_empty_training_split(self, make_dataset):
        assert refused(dense(), make_dataset(train=0)) == (
            "Expected images to train on. Received: an empty training split. Load the dataset "
            "with fewer validation images."
        )

    @pytest.mark.parametrize("split", ["train", "validation"])
    @pytest.mark.parametrize("pixel", [np.nan, np.inf])
    def test_pixels_that_are_no_numbers(self, dataset, split, pixel):
        images = getattr(dataset, split).images.astype(np.float32)
        check_fit(dense(), changed(dataset, split, images=images))
        images[5, 1, 2, 0] = pixel
        message = refused(dense(), changed(dataset, split, images=images))
        assert message.startswith(f"Expected numbers as pixels. Received: {split} images with")

    @pytest.mark.parametrize("kind", [object, str, complex])
    def test_pixels_of_another_type(self, dataset, kind):
        message = refused(dense(), changed(dataset, images=dataset.train.images.astype(kind)))
        assert message.startswith("Expected numbers as pixels. Received: train images of type")

    @pytest.mark.parametrize("split", ["train", "validation"])
    @pytest.mark.parametrize(
        ("scaled", "values"),
        [
            (lambda x: x / np.float32(255), "from 0 to 0.937255"),
            (lambda x: x / 127.5 - 1, "from -1 to 0.87451"),
            (lambda x: (x / 255).astype(np.float16), "from 0 to 0.937"),
            (lambda x: (x - x.mean()) / x.std(), "from -1.0"),
            (lambda x: x > 127, "from 0 to 1"),
        ],
        ids=["0..1", "-1..1", "16 bits", "standardised", "bool"],
    )
    def test_pixels_that_the_model_would_scale_once_more(self, dataset, split, scaled, values):
        images = scaled(getattr(dataset, split).images)
        message = refused(build_cnn(dataset), changed(dataset, split, images=images))
        assert message.startswith(
            f"Expected {split} images with values from 0 to 255: the model scales them. Received: "
            f"values {values}"
        )
        assert message.endswith(
            "scaled already. Give the images as they were loaded, or scale in one place only."
        )

    @pytest.mark.parametrize(
        "pixels",
        [
            lambda x: x // 200,
            lambda x: (x // 100).astype(np.float32),
            lambda x: x.astype(np.float32),
            lambda x: x.astype(np.float32) - 128,
            lambda x: x * np.float32(0),
        ],
        ids=["whole numbers 0 and 1", "dark", "floats", "around 0", "black"],
    )
    def test_grey_levels_may_be_dark_or_of_another_type(self, dataset, pixels):
        check_fit(build_cnn(dataset), changed(dataset, images=pixels(dataset.train.images)))

    def test_a_model_that_does_not_scale_takes_scaled_pixels_and_grey_levels(self, dataset):
        check_fit(dense(), changed(dataset, images=dataset.train.images / 255))
        check_fit(dense(), dataset)

    def test_images_of_another_shape_than_the_dataset_says(self, dataset):
        message = refused(dense(), changed(dataset, images=dataset.train.images[:, :9]))
        assert "Received: images (24, 9, 18, 1), labels (24,)" in message


# ------------------------------------------------------------------------------ the model


class TestModel:
    def test_a_model_and_a_dataset_that_fit(self, dataset):
        check_fit(build_cnn(dataset), dataset)

    @pytest.mark.parametrize("outputs", [1, 2, 10])
    def test_another_number_of_outputs_than_classes(self, dataset, outputs):
        assert refused(dense(outputs), dataset) == (
            "Expected 3 numbers an image from the model, one a class. Received: an output of "
            f"shape (None, {outputs}). Make its last layer Dense(3)."
        )

    def test_an_output_for_every_pixel(self, dataset):
        assert "shape (None, 18, 18, 3)" in refused(model_of(layers.Conv2D(3, 1)), dataset)

    @pytest.mark.parametrize(
        ("shape", "words"), [((28, 28, 1), "(28, 28, 1)"), ((18, 18, 3), "(18, 18, 3)")]
    )
    def test_images_of_another_size_or_number_of_channels(
        self, make_dataset, dataset, shape, words
    ):
        assert refused(build_cnn(make_dataset(shape)), dataset) == (
            f"Expected a model for images of shape (18, 18, 1). Received: one that takes {words}. "
            "Build it for this dataset, with build_cnn(dataset), or give its Input the dataset's "
            "image_shape."
        )

    def test_images_of_any_size(self, dataset):
        def any_size(channels: int) -> keras.Model:
            inner = (layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(), layers.Dense(3))
            return model_of(*inner, shape=(None, None, channels))

        check_fit(any_size(1), dataset)
        message = refused(any_size(3), dataset)
        assert "Received: one that takes (None, None, 3)." in message

    def test_a_model_without_an_input_takes_the_shape_of_the_images(self, dataset):
        model = keras.Sequential([layers.Flatten(), layers.Dense(3)])
        run = train(model, dataset, epochs=1, progress=False)
        assert run.epochs == 1

    def test_a_layer_that_cannot_take_the_shape_is_quoted(self, dataset):
        model = keras.Sequential([layers.Conv2D(2, 25), layers.Flatten(), layers.Dense(3)])
        message = refused(model, dataset)
        assert message.startswith(
            "Expected a model for images of shape (18, 18, 1). Received: one whose layers "
            "cannot take them: ValueError: Computed output size would be zero or negative. "
        )

    def test_a_model_class_of_ones_own(self, dataset):
        class Own(keras.Model):
            def __init__(self):
                super().__init__()
                self.flatten, self.dense = layers.Flatten(), layers.Dense(3)

            def call(self, images):
                return self.dense(self.flatten(images))

        assert train(Own(), dataset, epochs=1, progress=False).epochs == 1

    @pytest.mark.parametrize(
        ("raised", "words"),
        [
            (ValueError("too narrow"), "ValueError: too narrow"),
            (AssertionError(), "AssertionError"),
        ],
    )
    def test_what_a_layer_of_ones_own_says_is_quoted(self, dataset, raised, words):
        class Own(layers.Layer):
            def compute_output_spec(self, images):
                raise raised

        message = refused(keras.Sequential([Own(), layers.Flatten(), layers.Dense(3)]), dataset)
        assert f"cannot take them: {words}. Build it" in message

    def test_several_inputs(self, dataset):
        first, second = keras.Input((18, 18, 1)), keras.Input((18, 18, 1))
        output = layers.Dense(3)(layers.Flatten()(layers.Add()([first, second])))
        message = refused(keras.Model([first, second], output), dataset)
        assert "cannot take them" in message
        assert "2 named input(s)" in message

    @pytest.mark.parametrize("kind", [list, dict])
    def test_several_outputs(self, dataset, kind):
        images = keras.Input((18, 18, 1))
        flat = layers.Flatten()(images)
        outputs = {"a": layers.Dense(3)(flat), "b": layers.Dense(3)(flat)}
        outputs = outputs if kind is dict else list(outputs.values())
        assert "Received: several outputs. Make its" in refused(
            keras.Model(images, outputs), dataset
        )

    def test_swapped_arguments(self, dataset):
        with pytest.raises(UsageError) as raised:
            train(dataset, dense())
        assert str(raised.value) == (
            "Expected a Keras model, then a dataset: train(model, dataset). Received: "
            "ImageDataset and Sequential."
        )

    def test_a_model_of_pytorch(self, dataset):
        import torch

        with pytest.raises(UsageError, match="Received: PyTorch Linear and ImageDataset"):
            train(torch.nn.Linear(3, 3), dataset)

    @pytest.mark.parametrize("split", ["train", "validation"])
    def test_pairs_of_arrays_are_no_splits(self, dataset, split):
        pair = (dataset.train.images, dataset.train.labels)
        with pytest.raises(UsageError, match="dataset of splits, .*Received: one that holds a tup"):
            train(dense(), replace(dataset, **{split: pair}), epochs=1, progress=False)

    def test_a_split_is_not_a_dataset(self, dataset):
        with pytest.raises(UsageError, match="Received: Sequential and Split"):
            train(dense(), dataset.train)

    def test_looking_changes_neither_the_weights_nor_the_description(self, dataset):
        model = build_cnn(dataset)
        before, weights = model.to_json(), model.get_weights()
        check_fit(model, dataset)
        assert model.to_json() == before
        for old, new in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


# ----------------------------------------------------------------------- how it is compiled


class TestCompiled:
    @pytest.mark.parametrize(
        ("loss", "named"),
        [
            ("mse", "mean_squared_error"),
            ("categorical_hinge_", "categorical_hinge_"),
            (keras.losses.KLDivergence(), "kl_divergence"),
            (keras.losses.BinaryCrossentropy(), "binary_crossentropy"),
            (None, "None"),
            (type("Mine", (keras.losses.MeanSquaredError,), {})(), "mean_squared_error"),
        ],
    )
    @pytest.mark.parametrize("activation", [None, "softmax"])
    def test_a_loss_that_wants_other_labels(self, dataset, loss, named, activation):
        message = refused(compiled(dense(activation=activation), loss), dataset)
        gives = "probabilities" if activation else "logits, which are any numbers"
        assert message.startswith(f"Expected a loss of {gives}, as the model gives them, that")
        assert f"Received: {named}" in message
        assert message.endswith(
            "ompile with loss=keras.losses.SparseCategoricalCrossentropy("
            f"from_logits={activation is None})."
        )

    def test_a_loss_that_does_not_look_at_the_labels(self, dataset):
        model = compiled(dense(), lambda labels, outputs: keras.ops.mean(outputs))
        message = refused(model, dataset)
        assert "that rises where they are wrong and sure. Received: <lambda>. Comp" in message

    def test_a_loss_with_the_wrong_sign(self, dataset):
        def own(labels, outputs):
            cross_entropy = keras.losses.sparse_categorical_crossentropy
            return -cross_entropy(labels, outputs, from_logits=True)

        assert "that rises where they are wrong and sure" in refused(
            compiled(dense(), own), dataset
        )

    @pytest.mark.parametrize(
        "loss",
        [
            "categorical_crossentropy",
            "CategoricalCrossentropy",
            keras.losses.categorical_crossentropy,
            keras.losses.CategoricalCrossentropy(label_smoothing=0.1, name="mine"),
            keras.losses.CategoricalHinge(),
            type("Mine", (keras.losses.CategoricalCrossentropy,), {})(),
        ],
    )
    def test_a_loss_that_wants_one_number_a_class_gets_them(self, dataset, loss):
        model = compiled(dense(activation="softmax"), loss)
        run = train(model, dataset, epochs=1, progress=False)
        assert {"accuracy", "val_accuracy"} < set(run.history)

    def test_without_smoothing_it_is_the_loss_of_whole_numbers(self, dataset):
        histories = []
        for loss in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
            keras.utils.set_random_seed(0)
            model = compiled(dense(activation="softmax"), loss)
            histories.append(train(model, dataset, epochs=2, progress=False).history)
        for name, values in histories[0].items():
            np.testing.assert_allclose(values, histories[1][name], rtol=1e-4)

    @pytest.mark.parametrize(
        "metrics",
        [
            ["accuracy", "sparse_top_k_categorical_accuracy"],
            [keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        ],
    )
    def test_metrics_for_other_labels_than_the_loss_takes(self, dataset, metrics):
        model = compiled(dense(activation="softmax"), "categorical_crossentropy", metrics)
        message = refused(model, dataset)
        assert message.startswith('Expected the metric "accuracy", for the curves')
        assert 'compile with metrics=["accuracy"], or not at all' in message.lower()

    @pytest.mark.parametrize(
        "loss",
        [
            "sparse_categorical_crossentropy",
            "SparseCategoricalCrossentropy",
            keras.losses.sparse_categorical_crossentropy,
            keras.losses.SparseCategoricalCrossentropy(name="mine"),
            lambda labels, outputs: -keras.ops.take_along_axis(outputs, labels[:, None], 1),
        ],
    )
    def test_losses_for_whole_numbers_and_those_of_ones_own(self, dataset, loss):
        check_fit(compiled(dense(activation="softmax"), loss), dataset)

    @pytest.mark.parametrize(
        "metrics", [("accuracy",), [["accuracy"]], {"out": "accuracy"}, {"out": ["accuracy"]}]
    )
    def test_metrics_in_any_form_that_keras_takes(self, dataset, metrics):
        model = dense(name="out", activation="softmax")
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=metrics)
        run = train(model, dataset, epochs=1, progress=False)
        assert {"accuracy", "val_accuracy"} < set(run.history)

    @pytest.mark.parametrize("name", ["loss", "mse", "get", "weighted_crossentropy"])
    def test_a_loss_of_ones_own_may_have_any_name(self, dataset, name):
        def own(labels, outputs):
            cross_entropy = keras.losses.sparse_categorical_crossentropy
            return cross_entropy(labels, outputs, from_logits=True)

        own.__name__ = name
        check_fit(compiled(dense(), own), dataset)

    @pytest.mark.parametrize(
        "metrics",
        [[], ["sparse_categorical_accuracy"], [keras.metrics.SparseCategoricalAccuracy()]],
    )
    def test_without_the_metric_that_the_curves_show(self, dataset, metrics):
        message = refused(compiled(dense(), metrics=metrics), dataset)
        received = "sparse_categorical_accuracy" if metrics else "none"
        assert message == (
            'Expected the metric "accuracy", for the curves, by which all right answers are right '
            f"and no wrong ones. Received: the metrics {received}. Compile with "
            'metrics=["accuracy"], or not at all: then train does.'
        )

    def test_what_keras_cannot_describe(self, dataset):
        class Constant(keras.optimizers.schedules.LearningRateSchedule):
            def __call__(self, step):
                return 0.01

        model = dense()
        model.compile(
            keras.optimizers.SGD(Constant()),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        assert refused(model, dataset) == (
            "Expected a loss, an optimizer and metrics that Keras can describe. Received: one that "
            "it cannot: NotImplementedError: Learning rate schedule 'Constant' must override "
            "`get_config()` in order to be serializable. Give that class a get_config method."
        )

    def test_a_lambda_is_no_reason_for_a_warning(self, dataset, recwarn):
        cross_entropy = keras.losses.sparse_categorical_crossentropy
        own = lambda labels, outputs: cross_entropy(labels, outputs, from_logits=True)  # noqa: E731
        check_fit(compiled(dense(), own), dataset)
        assert not recwarn.list

    @pytest.mark.parametrize(
        "metric", ["accuracy", keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    )
    def test_with_it_in_either_spelling_it_is_in_the_history(self, dataset, metric):
        model = compiled(dense(), metrics=["sparse_top_k_categorical_accuracy", metric])
        run = train(model, dataset, epochs=1, progress=False)
        assert {"accuracy", "val_accuracy"} < set(run.history)

    @pytest.mark.parametrize(
        "loss",
        [
            "sparse_categorical_crossentropy",
            "SparseCategoricalCrossentropy",
            keras.losses.sparse_categorical_crossentropy,
            keras.losses.SparseCategoricalCrossentropy(name="x"),
            ["sparse_categorical_crossentropy"],
            "crossentropy",
            "categorical_crossentropy",
            keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
            "categorical_focal_crossentropy",
            keras.losses.CategoricalFocalCrossentropy(),
            lambda labels, outputs: keras.losses.sparse_categorical_crossentropy(labels, outputs),
        ],
    )
    @pytest.mark.parametrize("activation", [None, "relu"])
    def test_a_loss_of_probabilities_for_logits(self, dataset, loss, activation):
        message = refused(compiled(dense(activation=activation), loss), dataset)
        assert message.startswith("Expected a loss of logits, which are any numbers, as the model")
        assert message.endswith(
            "Compile with loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)."
        )
        check_fit(compiled(dense(activation=activation)), dataset)  # as it says
        check_fit(compiled(dense(activation="softmax"), loss), dataset)

    @pytest.mark.parametrize("name", ["Categorical", "SparseCategorical", "CategoricalFocal"])
    def test_a_loss_of_logits_for_logits(self, dataset, name):
        loss = getattr(keras.losses, f"{name}Crossentropy")(from_logits=True)
        check_fit(compiled(dense(), loss), dataset)

    def test_it_is_seen_in_a_model_in_the_model_too(self, dataset):
        inner = model_of(build_cnn(dataset))
        assert "from_logits=True" in refused(compiled(inner, "crossentropy"), dataset)

    @pytest.mark.parametrize("hidden", [[], [layers.Reshape((3,))]], ids=["seen", "hidden"])
    @pytest.mark.parametrize(
        "loss", ["sparse", keras.losses.CategoricalFocalCrossentropy(from_logits=True)]
    )
    def test_a_loss_of_logits_for_probabilities(self, dataset, loss, hidden):
        """Keras finds the logits itself, with a warning, where nothing comes after the softmax."""
        model = model_of(layers.Flatten(), layers.Dense(3, activation="softmax"), *hidden)
        message = refused(compiled(model, loss), dataset)
        assert message.startswith("Expected a loss of probabilities, as the model gives them, that")
        assert "entropy with from_logits=True. Compile with" in message
        assert message.endswith("SparseCategoricalCrossentropy(from_logits=False).")

    @pytest.mark.parametrize("activation", ["softmax", None, "sigmoid"])
    def test_a_model_that_is_not_compiled_gets_the_loss_that_fits(self, dataset, activation):
        """Without a warning: the tests make errors of them."""
        model = dense(activation=activation)
        train(model, dataset, epochs=1, progress=False)
        assert model.loss.from_logits is (activation is None)

    def test_a_loss_that_keras_does_not_know(self, dataset):
        message = refused(compiled(dense(), "sparse_categorical_cross_entropy"), dataset)
        assert (
            "Received: sparse_categorical_cross_entropy, which says: ValueError: Could" in message
        )

    @pytest.mark.parametrize("metric", [keras.metrics.Accuracy, keras.metrics.BinaryAccuracy])
    def test_an_accuracy_that_is_not_that_of_one_class_out_of_several(self, dataset, metric):
        """BinaryAccuracy counts every number that is rightly small: 0.9 of ten at once."""
        message = refused(compiled(dense(), metrics=[metric(name="accuracy")]), dataset)
        assert message.startswith('Expected the metric "accuracy", for the curves, by which all')


def test_a_metric_of_one_number_a_class_is_named(dataset):
    model = build_cnn(dataset)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    metrics = ["accuracy", keras.metrics.F1Score(name="f1_of_each")]
    model.compile("adam", loss, metrics=metrics)
    with pytest.raises(MismatchError, match=r'f1_of_each, of several.*average="macro"'):
        check_fit(model, dataset)
    model.compile("adam", loss, metrics=["accuracy", keras.metrics.F1Score("macro")])
    check_fit(model, dataset)


def test_a_model_that_is_asked_shows_no_bar(dataset, capsys):
    assert ask(dense(), make_batches(dataset.test, 4)).shape == (12, 3)
    assert capsys.readouterr() == ("", "")


@pytest.fixture(scope="module")
def two(make_dataset) -> ImageDataset:
    return make_dataset(class_names=("top", "bottom"))


class TestTwoClasses:
    @pytest.mark.parametrize(
        "loss", [keras.losses.BinaryCrossentropy(), "binary_crossentropy", "BinaryCrossentropy"]
    )
    def test_one_output_and_binary_cross_entropy_train(self, two, loss):
        model = compiled(
            model_of(
                layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(1, activation="sigmoid")
            ),
            loss,
        )
        run = train(model, two, epochs=8, batch_size=4, progress=False)
        assert run.validation_accuracy == 1

    def test_logits_are_cut_at_0(self, two):
        """The metric that the message tells counts what Keras' own rule counts as right."""
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        assert refused(compiled(dense(1), loss), two) == (
            'Expected the metric "accuracy", for the curves, by which all right answers are right '
            "and no wrong ones. Received: the metrics accuracy, by which 67% and 67% are. Compile "
            'with metrics=[keras.metrics.BinaryAccuracy("accuracy", threshold=0)], or not at all: '
            "then train does."
        )
        metric = keras.metrics.BinaryAccuracy("accuracy", threshold=0)
        model = compiled(dense(1), loss, [metric])
        run = train(model, two, epochs=1, progress=False)
        logits = model.predict(two.validation.images, verbose=0)[:, 0]
        assert run.validation_accuracy == pytest.approx(
            np.mean((logits > 0) == two.validation.labels)
        )

    @pytest.mark.parametrize(
        ("activation", "metric"),
        [
            ("sigmoid", keras.metrics.BinaryAccuracy("accuracy", threshold=0)),
            ("sigmoid", keras.metrics.Accuracy("accuracy")),
            (None, keras.metrics.SparseCategoricalAccuracy("accuracy")),
            (None, keras.metrics.BinaryAccuracy("accuracy")),
        ],
    )
    def test_other_accuracies_of_one_number(self, two, activation, metric):
        loss = keras.losses.BinaryCrossentropy(from_logits=activation is None)
        message = refused(compiled(dense(1, activation=activation), loss, [metric]), two)
        assert "Received: the metrics accuracy, by which" in message
        cut = 0.5 if activation else 0
        assert f'[keras.metrics.BinaryAccuracy("accuracy", threshold={cut})]' in message

    def test_two_numbers_for_two_classes_need_no_cut(self, two):
        message = refused(compiled(dense(2), metrics=[]), two)
        assert 'Compile with metrics=["accuracy"], or not at all' in message

    @pytest.mark.parametrize(
        "loss",
        [
            "binary_crossentropy",
            keras.losses.binary_crossentropy,
            "binary_focal_crossentropy",
            keras.losses.BinaryFocalCrossentropy(),
            "ce",
        ],
    )
    def test_a_loss_of_probabilities_for_a_logit(self, two, loss):
        message = refused(compiled(dense(1), loss), two)
        assert message.endswith(
            "Compile with loss=keras.losses.BinaryCrossentropy(from_logits=True) and "
            'metrics=[keras.metrics.BinaryAccuracy("accuracy", threshold=0)].'
        )
        metric = keras.metrics.BinaryAccuracy("accuracy", threshold=0)
        right = keras.losses.BinaryCrossentropy(from_logits=True)
        check_fit(compiled(dense(1), right, [metric]), two)
        check_fit(compiled(dense(1, activation="sigmoid"), loss), two)

    @pytest.mark.filterwarnings("ignore:You are using a softmax over axis:UserWarning")
    def test_softmax_over_one_number(self, two):
        message = refused(compiled(dense(1, activation="softmax"), "binary_crossentropy"), two)
        assert message.startswith("Expected one number that can change. Received: softmax over one")

    def test_one_output_alone_is_refused(self, two):
        assert "Make its last layer Dense(2)." in refused(dense(1), two)

    def test_nor_does_it_do_for_three(self, dataset):
        model = compiled(dense(1, activation="sigmoid"), "binary_crossentropy")
        assert "Make its last layer Dense(3)." in refused(model, dataset)

    def test_two_outputs_and_binary_cross_entropy_do_not_fit(self, two):
        message = refused(compiled(dense(2), "binary_crossentropy"), two)
        assert "Received: binary_crossentropy with from_logits=False, which says: " in message
        assert "SparseCategoricalCrossentropy(from_logits=True)" in message


# ----------------------------------------------------------------------------- the memory

# Of the classic CNN for 18 x 18 x 1 and three classes, layer by layer.
NUMBERS_AN_IMAGE = (
    18 * 18 * 1  # scale
    + 16 * 16 * 32  # conv_1
    + 8 * 8 * 32  # pool_1
    + 6 * 6 * 64  # conv_2
    + 3 * 3 * 64  # pool_2
    + 1 * 1 * 64  # conv_3
    + 64  # flatten
    + 64  # dense
    + 3  # logits
)


class TestMemory:
    def test_a_side_that_the_model_leaves_open_counts_as_one(self):
        import keras

        layers = [keras.Input((None, None, 1)), keras.layers.Conv2D(8, 3)]
        assert bytes_an_image(keras.Sequential(layers)) == 4 * 8

    def test_bytes_an_image_by_hand(self, dataset):
        assert bytes_an_image(build_cnn(dataset)) == 4 * NUMBERS_AN_IMAGE == 54_556

    def test_layers_of_models_in_the_model_count_too(self, dataset):
        outer = model_of(build_cnn(dataset), layers.Softmax())
        assert bytes_an_image(outer) == 4 * (NUMBERS_AN_IMAGE + 3)

    def test_of_a_model_that_says_nothing_it_is_unknown(self):
        class Own(keras.Model):
            pass

        assert bytes_an_image(Own()) == 0

    def test_a_batch_that_is_too_large_is_refused_and_the_one_it_names_is_not(
        self, dataset, make_dataset, monkeypatch
    ):
        model = build_cnn(dataset)
        before = model.get_weights()
        weights = 4 * step_memory.COPIES_OF_WEIGHTS * model.count_params()
        # Room for ten images and a half.
        room = weights + 10.5 * step_memory.TRAINING_FACTOR * 4 * NUMBERS_AN_IMAGE
        available = int(room / step_memory.SHARE_OF_MEMORY)
        monkeypatch.setattr(memory, "available_memory", lambda: available)
        with pytest.raises(NotEnoughMemoryError, match="20 images a batch.*Try batch_size=10,"):
            train(model, dataset, epochs=1, batch_size=20, progress=False)
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
        assert train(model, dataset, epochs=1, batch_size=10, progress=False).epochs == 1
        # A batch is never larger than the dataset.
        train(model, make_dataset(train=9), epochs=1, batch_size=1_000, progress=False)

    def test_a_step_of_a_frozen_network_by_hand(self, dataset):
        """Only the dense layers learn: of what comes before only the largest, conv_1, counts."""
        model = build_cnn(dataset)
        for layer in model.layers[:-2]:
            layer.trainable = False
        largest, learning = 4 * 16 * 16 * 32, 4 * (64 + 64 + 3)  # with flatten
        expected = step_memory.FROZEN_FACTOR * largest + step_memory.TRAINING_FACTOR * learning
        assert step_memory.bytes_of_step(model) == expected

    def test_a_step_where_all_learns_is_three_times_the_outputs(self, dataset):
        expected = step_memory.TRAINING_FACTOR * 4 * NUMBERS_AN_IMAGE
        assert step_memory.bytes_of_step(build_cnn(dataset)) == expected

    def test_a_frozen_backbone_fits_where_a_learning_one_does_not(self, dataset, monkeypatch):
        """50 million weights: 1.4 GB with gradients and means, 0.4 GB without."""
        backbone = keras.Sequential(
            [keras.Input((18, 18, 1)), layers.Flatten(), layers.Dense(150_000, name="wide")]
        )
        model = model_of(backbone, layers.Dense(3))
        monkeypatch.setattr(memory, "available_memory", lambda: 10**9)
        with pytest.raises(NotEnoughMemoryError, match="which need about 1.4 GB"):
            check_batch_size(model, 1, 100)
        backbone.trainable = False
        check_batch_size(model, 1, 100)
        monkeypatch.setattr(memory, "available_memory", lambda: 4 * 10**8)
        with pytest.raises(NotEnoughMemoryError, match="which need about 0.4 GB"):
            check_batch_size(model, 1, 100)

    @pytest.mark.slow
    def test_what_a_step_really_takes_is_expected_and_not_much_more(self):
        """Measured in a process of its own, from which nothing was taken before."""
        measured = subprocess.run(
            [sys.executable, BENCHMARKS / "batch_memory.py", "64", "3", "100", "0"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        times = json.loads(measured.stdout.splitlines()[-1])["times all outputs"]
        assert times < step_memory.TRAINING_FACTOR < 2.5 * times

    def test_the_words(self, dataset, monkeypatch):
        """(0.8 GB - 7 x 4 x 60,099 weights) / (3 x 54,556 bytes) is 4,877.6 images."""
        monkeypatch.setattr(memory, "available_memory", lambda: 10**9)
        with pytest.raises(NotEnoughMemoryError) as raised:
            check_batch_size(build_cnn(dataset), 100_000, 200_000)
        assert str(raised.value) == (
            "Expected a training step to fit into the 0.8 GB of memory that may be used. "
            "Received: 100000 images a batch, which need about 16.4 GB. Try batch_size=4877, "
            "which fits, or close other programs and notebooks."
        )

    def test_where_not_even_one_image_fits(self, dataset, monkeypatch):
        monkeypatch.setattr(memory, "available_memory", lambda: 0)
        message = "Not even one image fits: use smaller images or a smaller model, or close"
        with pytest.raises(MemoryError, match=message):
            check_batch_size(build_cnn(dataset), 1, 1)

    def test_where_only_one_image_fits_it_is_named(self, dataset, monkeypatch):
        model = build_cnn(dataset)
        weights = 4 * step_memory.COPIES_OF_WEIGHTS * model.count_params()
        room = weights + 1.5 * step_memory.TRAINING_FACTOR * 4 * NUMBERS_AN_IMAGE
        available = int(room / step_memory.SHARE_OF_MEMORY)
        monkeypatch.setattr(memory, "available_memory", lambda: available)
        with pytest.raises(NotEnoughMemoryError, match="Try batch_size=1, which fits"):
            check_batch_size(model, 20, 100)

    def test_of_large_images_fewer_are_validated_at_once(self, dataset, make_dataset):
        assert batch_without_training(build_cnn(dataset)) == 250
        large = batch_without_training(build_cnn(make_dataset((256, 256, 3))))
        assert 1 <= large < 50
        assert large * bytes_an_image(build_cnn(make_dataset((256, 256, 3)))) <= 256e6

    def test_at_least_one_image_is_validated_at_once(self):
        assert batch_without_training(model_of(layers.Conv2D(64, 1), shape=(1500, 1500, 3))) == 1
