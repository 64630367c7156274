"""Files for other programs answer as Keras does, and what cannot be written is said.

The pretrained network is written, and compared on its images, by lesson 7.
"""

from __future__ import annotations

import json
import logging
import sys

import numpy as np
import pytest

from helpers import ACCURATE, CLASSIC, FAST, build_cnn, load_dataset, quiet_tensorflow, train
from helpers.basics.errors import MismatchError, MissingPackageError, UsageError
from helpers.exports import export_model
from helpers.exports.export import facts_path, in_32_bits
from helpers.exports.litert import run_litert
from helpers.exports.onnx import run_onnx
from helpers.models.trained_on import TrainedOn, note_trained_on

with quiet_tensorflow():
    import keras
    from keras import layers

RUN = {".tflite": run_litert, ".onnx": run_onnx}


@pytest.fixture(scope="module")
def clothes():
    return load_dataset("fashion_mnist")


def answers_of(path, images: np.ndarray) -> np.ndarray:
    return RUN[path.suffix](path.read_bytes(), images)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [CLASSIC, FAST, ACCURATE], ids=["CLASSIC", "FAST", "ACCURATE"])
def test_the_answers_are_those_of_keras_on_a_thousand_images(clothes, tmp_path, recipe):
    model = recipe.build(clothes)
    few = clothes.subset(200)
    train(model, few, epochs=1, progress=False)  # so that no layer is as it was at first
    images = clothes.test.images[:1_000]
    # With 16 bits Keras itself answers otherwise; the file has 32 in any case.
    expected = in_32_bits(model).predict(images, batch_size=100, verbose=0)
    assert np.ptp(expected) > 0.1
    for ending in RUN:
        path = export_model(model, tmp_path / "there" / f"model{ending}", images)
        np.testing.assert_allclose(answers_of(path, images), expected, atol=1e-4)
    about = json.loads(facts_path(path).read_text(encoding="utf-8"))
    assert about["class_names"] == list(clothes.class_names)
    assert (about["image_shape"], about["gives"]) == ([28, 28, 1], "logits")


@pytest.mark.parametrize("ending", RUN)
@pytest.mark.parametrize("last", [1, 3])
def test_probabilities_stay_probabilities(make_dataset, tmp_path, ending, last):
    names = ("a", "b", "c")[: max(last, 2)]
    dataset = make_dataset((18, 18, 1), names)
    model = keras.Sequential(
        [keras.Input((18, 18, 1)), layers.Rescaling(1 / 255), layers.Flatten(),
         layers.Dense(last, activation="sigmoid" if last == 1 else "softmax")]
    )  # fmt: skip
    path = export_model(model, tmp_path / f"model{ending}", dataset.test.images)
    assert json.loads(facts_path(path).read_text())["gives"] == "probabilities"
    received = answers_of(path, dataset.test.images)
    assert received.shape == (12, last)
    np.testing.assert_allclose(received, model(dataset.test.images), atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_sigmoids_of_many_classes_are_told_apart(dataset, tmp_path, classes):
    model = keras.Sequential(
        [keras.Input((18, 18, 1)), layers.Rescaling(1 / 255), layers.Flatten(),
         layers.Dense(classes, activation="sigmoid")]
    )  # fmt: skip
    path = export_model(model, tmp_path / "m.tflite", dataset.test.images)
    about = json.loads(facts_path(path).read_text())
    assert about == {"image_shape": [18, 18, 1], "gives": "sigmoids"}


@pytest.mark.parametrize("ending", RUN)
def test_gelu_for_which_onnx_has_no_operation(dataset, tmp_path, ending):
    model = keras.Sequential(
        [keras.Input((18, 18, 1)), layers.Rescaling(1 / 255), layers.Flatten(),
         layers.Dense(8, activation="gelu"), layers.Dense(3)]
    )  # fmt: skip
    path = export_model(model, tmp_path / f"model{ending}", dataset.test.images)
    received = answers_of(path, dataset.test.images)
    np.testing.assert_allclose(received, model(dataset.test.images), atol=1e-5)


@pytest.mark.parametrize("ending", RUN)
def test_nothing_is_printed_and_others_may_log_as_before(dataset, tmp_path, capsys, ending):
    model = keras.Sequential([keras.Input((18, 18, 1)), layers.Flatten(), layers.Dense(3)])
    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
        export_model(model, tmp_path / f"model{ending}", dataset.test.images)
        assert [logger.level for logger in loggers] == [logging.DEBUG] * 2
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
    assert capsys.readouterr().out == ""


def test_a_file_of_yours_with_a_similar_name_stays(dataset, tmp_path):
    (tmp_path / "notes.json").write_text("mine")
    model = keras.Sequential([keras.Input((18, 18, 1)), layers.Flatten(), layers.Dense(3)])
    export_model(model, tmp_path / "notes.tflite", dataset.test.images)
    assert (tmp_path / "notes.json").read_text() == "mine"


def test_a_model_that_computes_with_16_bits(make_dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_BFLOAT16", "yes")
    dataset = make_dataset((32, 32, 3))
    model = FAST.build(dataset)
    assert "bfloat16" in {layer.compute_dtype for layer in model.layers}
    images = dataset.test.images
    for ending in RUN:
        path = export_model(model, tmp_path / f"model{ending}", images)
        expected = model.predict(images, verbose=0)
        apart = np.abs(answers_of(path, images) - expected).max()
        assert apart < 0.05 * max(1, np.abs(expected).max())


class TestWhatGoesWrong:
    @pytest.fixture
    def model(self):
        scale = layers.Rescaling(1 / 255)
        return keras.Sequential(
            [keras.Input((18, 18, 1)), scale, layers.Flatten(), layers.Dense(3)]
        )

    def test_answers_that_differ_are_not_kept(self, dataset, model, tmp_path, monkeypatch):
        from helpers.exports import export

        monkeypatch.setattr(export, "run_litert", lambda *given: run_litert(*given) + 0.01)
        with pytest.raises(MismatchError, match=r"up to 0.01 away. Nothing was kept"):
            export_model(model, tmp_path / "model.tflite", dataset.test.images)
        monkeypatch.setattr(export, "run_litert", lambda *given: run_litert(*given) * np.nan)
        with pytest.raises(MismatchError, match="Nothing was kept"):
            export_model(model, tmp_path / "model.tflite", dataset.test.images)
        assert list(tmp_path.iterdir()) == []

    def test_several_outputs(self, dataset, tmp_path):
        image = keras.Input((18, 18, 1))
        flat = layers.Flatten()(image)
        model = keras.Model(image, [layers.Dense(3)(flat), layers.Dense(2)(flat)])
        with pytest.raises(MismatchError, match="one output"):
            export_model(model, tmp_path / "model.tflite", dataset.test.images)

    def test_a_layer_that_onnx_does_not_know(self, dataset, tmp_path):
        model = keras.Sequential(
            [keras.Input((18, 18, 1)), layers.Discretization([50.0, 100.0]), layers.Rescaling(1.0),
             layers.Flatten(), layers.Dense(3)]
        )  # fmt: skip
        with pytest.raises(MismatchError, match="layers that ONNX knows"):
            export_model(model, tmp_path / "m.onnx", dataset.test.images)

    def test_other_images_or_classes_than_the_model_knows(self, make_dataset, tmp_path):
        model = keras.Sequential(
            [keras.Input((None, None, 1)), layers.GlobalAveragePooling2D(), layers.Dense(3)]
        )
        images = make_dataset((20, 20, 1)).test.images
        note_trained_on(model, TrainedOn(("a", "b", "c"), (18, 18, 1)))
        with pytest.raises(MismatchError, match=r"images of shape \(18, 18, 1\)"):
            export_model(model, tmp_path / "m.tflite", images)
        note_trained_on(model, TrainedOn(("a", "b"), (20, 20, 1)))
        with pytest.raises(MismatchError, match="each of 2 classes"):
            export_model(model, tmp_path / "m.tflite", images)

    def test_images_of_another_size(self, model, make_dataset, tmp_path):
        with pytest.raises(MismatchError, match=r"images of shape \(20, 20, 1\)"):
            export_model(model, tmp_path / "a.tflite", make_dataset((20, 20, 1)).test.images)

    @pytest.mark.parametrize("name", ["model.keras", "model", "model.ONNX", "model.h5"])
    def test_another_ending(self, dataset, model, tmp_path, name):
        with pytest.raises(UsageError, match=r"ends in .tflite or .onnx"):
            export_model(model, tmp_path / name, dataset.test.images)

    @pytest.mark.parametrize("images", [None, "x", np.zeros((18, 18, 1)), np.zeros((0, 18, 18, 1))])
    def test_no_images(self, model, tmp_path, images):
        with pytest.raises(UsageError, match=r"dataset.test.images"):
            export_model(model, tmp_path / "a.tflite", images)

    def test_no_model(self, dataset, tmp_path):
        for given in (tmp_path / "a.tflite", build_cnn):
            with pytest.raises(UsageError, match="a Keras model, then a path"):
                export_model(given, tmp_path / "a.tflite", dataset.test.images)

    @pytest.mark.parametrize("missing", ["tf2onnx", "onnxruntime"])
    def test_without_the_packages_of_onnx(self, dataset, model, tmp_path, monkeypatch, missing):
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(MissingPackageError, match=r"115 MB.*%pip install tf2onnx onnxruntime"):
            export_model(model, tmp_path / "model.onnx", dataset.test.images)
        assert export_model(model, tmp_path / "model.tflite", dataset.test.images).is_file()
        with pytest.raises(MissingPackageError, match="115 MB"):
            run_onnx(b"", dataset.test.images)

    def test_a_layer_that_cannot_be_written(self, dataset, tmp_path):
        import tensorflow as tf

        @keras.saving.register_keras_serializable()
        class InPython(layers.Layer):
            def call(self, x):
                return tf.ensure_shape(tf.py_function(lambda y: y, [x], "float32"), x.shape)

        model = keras.Sequential(
            [keras.Input((18, 18, 1)), layers.Flatten(), InPython(), layers.Dense(3)]
        )
        with pytest.raises(MismatchError, match="LiteRT"):
            export_model(model, tmp_path / "model.tflite", dataset.test.images)
        assert list(tmp_path.iterdir()) == []
