"""Feature maps and Grad-CAM, on networks small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import build_cnn, feature_maps, grad_cam, quiet_tensorflow

with quiet_tensorflow():
    import keras

# One image of 2 x 2 pixels with two channels; the layer "same" hands it on unchanged.
CHANNEL_1 = np.array([[1, 2], [3, 4]], np.float32)
CHANNEL_2 = np.array([[0, 1], [1, 0]], np.float32)
IMAGE = np.stack([CHANNEL_1, CHANNEL_2], axis=-1)
# How the logit of each class rises with each place of each channel.
SLOPES = np.zeros((2, 2, 2, 3), np.float32)  # row, column, channel, class
SLOPES[0, 0, 0, 0] = 4  # class 0: channel 1 weighs 4 / 4 places = 1 ...
SLOPES[1, 1, 1, 0] = -8  # ... and channel 2 weighs -8 / 4 = -2
SLOPES[..., 1] = -1  # class 1: everything speaks against it
SLOPES[0, 1, 1, 2] = 40  # class 2: channel 2 weighs 10


@pytest.fixture(scope="module")
def linear_model() -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((2, 2, 2)),
            keras.layers.Conv2D(2, 1, use_bias=False, name="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, use_bias=False, name="logits"),
        ]
    )
    same = np.eye(2, dtype=np.float32).reshape(1, 1, 2, 2)
    model.set_weights([same, SLOPES.reshape(8, 3)])
    return model


class TestGradCam:
    def test_the_maps_are_weighted_by_their_mean_slope(self, linear_model):
        # 1 * CHANNEL_1 - 2 * CHANNEL_2 = [[1, 0], [1, 4]], then divided by 4
        heat = grad_cam(linear_model, IMAGE, "same", 0)
        np.testing.assert_allclose(heat, [[0.25, 0], [0.25, 1]])
        assert heat.dtype == np.float32

    def test_another_class_looks_elsewhere(self, linear_model):
        np.testing.assert_allclose(grad_cam(linear_model, IMAGE, "same", 2), CHANNEL_2)

    def test_where_nothing_speaks_for_the_class_all_is_zero(self, linear_model):
        np.testing.assert_array_equal(grad_cam(linear_model, IMAGE, "same", 1), np.zeros((2, 2)))

    def test_by_default_it_explains_the_predicted_class(self, linear_model):
        # logits: 4 * 1 - 8 * 0 = 4; -(10 + 2) = -12; 40 * 1 = 40
        np.testing.assert_array_equal(
            grad_cam(linear_model, IMAGE, "same"), grad_cam(linear_model, IMAGE, "same", 2)
        )

    def test_on_the_classic_cnn(self, dataset):
        heat = grad_cam(build_cnn(dataset), dataset.test.images[0], "conv_2")
        assert heat.shape == (6, 6)
        assert heat.min() >= 0
        assert heat.max() == 1

    @pytest.mark.parametrize("class_index", [-1, 3])
    def test_no_such_class(self, linear_model, class_index):
        message = f"Expected a class from 0 to 2. Received: {class_index}"
        with pytest.raises(ValueError, match=message):
            grad_cam(linear_model, IMAGE, "same", class_index)


class TestFeatureMaps:
    def test_an_edge_filter_answers_at_the_edge(self):
        model = keras.Sequential(
            [keras.Input((3, 5, 1)), keras.layers.Conv2D(1, 3, use_bias=False, name="edge")]
        )
        kernel = np.array([[-1, 0, 1]] * 3, np.float32).reshape(3, 3, 1, 1)
        model.set_weights([kernel])
        image = np.zeros((3, 5, 1), np.uint8)
        image[:, 3:] = 10  # dark, dark, dark, bright, bright
        maps = feature_maps(model, image, "edge")
        np.testing.assert_array_equal(maps[..., 0], [[0, 30, 30]])
        assert maps.dtype == np.float32

    @pytest.mark.parametrize(
        ("layer", "shape"),
        [("scale", (18, 18, 1)), ("conv_1", (16, 16, 32)), ("pool_2", (3, 3, 64))],
    )
    def test_shapes_on_the_classic_cnn(self, dataset, layer, shape):
        model, image = build_cnn(dataset), dataset.test.images[0]
        assert feature_maps(model, image, layer).shape == shape

    def test_the_first_layer_gives_the_image_scaled(self, dataset):
        image = dataset.test.images[0]
        maps = feature_maps(build_cnn(dataset), image, "scale")
        np.testing.assert_allclose(maps, image / 255, rtol=1e-6)


@pytest.mark.parametrize("function", [feature_maps, grad_cam])
def test_a_model_read_from_a_file_gives_the_same(dataset, tmp_path, function):
    model, image = build_cnn(dataset), dataset.test.images[0]
    before = model.get_weights()
    expected = function(model, image, "conv_2")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(function(loaded, image, "conv_2"), expected, atol=1e-6)
    assert expected.any()
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("function", [feature_maps, grad_cam])
class TestWrongArguments:
    def test_no_such_layer(self, linear_model, function):
        message = "Expected the name of a layer: same, flatten.*, logits. Received: 'conv_9'"
        with pytest.raises(ValueError, match=message):
            function(linear_model, IMAGE, "conv_9")

    @pytest.mark.parametrize(
        "image", [IMAGE[np.newaxis], IMAGE[..., :1], IMAGE[:1]], ids=["batch", "grey", "cut"]
    )
    def test_not_one_image_of_the_models_shape(self, linear_model, function, image):
        with pytest.raises(ValueError) as refused:
            function(linear_model, image, "same")
        assert str(refused.value) == (
            f"Expected one image of shape (2, 2, 2). Received: {image.shape}. "
            "Take one out of a batch with images[0]."
        )
