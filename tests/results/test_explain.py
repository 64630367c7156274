"""Feature maps and Grad-CAM, on networks small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import build_cnn, feature_maps, grad_cam, quiet_tensorflow
from helpers.basics.errors import MismatchError, UsageError

with quiet_tensorflow():
    import keras
    import tensorflow as tf

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
        with pytest.raises(UsageError, match="Expected the name of a layer"):
            function(linear_model, IMAGE, ["same"])

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


@pytest.mark.parametrize("function", [feature_maps, grad_cam])
def test_an_image_that_was_scaled_already_or_is_none(flat, photo, function):
    with pytest.raises(MismatchError, match="an image with values from 0 to 255: the model scales"):
        function(flat, (photo / 255).astype("float32"), "c")
    with pytest.raises(UsageError, match="Expected an image of finite numbers"):
        function(flat, np.full(photo.shape, np.nan), "c")
    with pytest.raises(UsageError, match="Expected an image as an array. Received: list"):
        function(flat, [[1], [2, 3]], "c")
    with pytest.raises(UsageError, match="an image with all numbers there"):
        function(flat, np.ma.masked_array(photo, photo > 200), "c")


def _convolution(name: str = "c") -> keras.layers.Layer:
    return keras.layers.Conv2D(4, 3, activation="relu", name=name)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 12, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def flat() -> keras.Model:
    """A convolution, the mean of each map, three logits."""
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 12, 3))
    scaled = keras.layers.Rescaling(1 / 255, name="scale")(image)
    means = keras.layers.GlobalAveragePooling2D(name="mean")(_convolution()(scaled))
    return keras.Model(image, keras.layers.Dense(3, name="logits")(means))


def _same_weights(model: keras.Model, flat: keras.Model) -> keras.Model:
    model.set_weights(flat.get_weights())
    return model


def _nested() -> keras.Model:
    inside = keras.Input((12, 12, 3))
    backbone = keras.Model(inside, _convolution()(inside), name="backbone")
    image = keras.Input((12, 12, 3))
    maps = backbone(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(maps)))


def _any_size() -> keras.Model:
    layers = [
        keras.layers.Rescaling(1 / 255),
        _convolution(),
        keras.layers.GlobalAveragePooling2D(),
    ]
    return keras.Sequential([keras.Input((None, None, 3)), *layers, keras.layers.Dense(3)])


def _with_a_lambda() -> keras.Model:
    layers = [_convolution(), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    scale = keras.layers.Lambda(lambda pixels: pixels / 255)
    return keras.Sequential([keras.Input((12, 12, 3)), scale, *layers])


def _with_dropout() -> keras.Model:
    layers = [_convolution(), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    before = [keras.layers.Rescaling(1 / 255), keras.layers.Dropout(0.5)]
    return keras.Sequential([keras.Input((12, 12, 3)), *before, *layers])


class OwnClass(keras.Model):
    def __init__(self):
        super().__init__()
        self.convolution, self.mean = _convolution(), keras.layers.GlobalAveragePooling2D()
        self.logits = keras.layers.Dense(3)

    def call(self, images):
        return self.logits(self.mean(self.convolution(images / 255)))


def _own_class() -> keras.Model:
    model = OwnClass()
    model(np.zeros((1, 12, 12, 3), np.float32))
    return model


@pytest.mark.parametrize(
    ("make", "layer"),
    [
        (_nested, "backbone/c"), (_nested, "c"), (_nested, "backbone"), (_any_size, "c"),
        (_with_a_lambda, "c"), (_with_dropout, "c"), (_own_class, "c"),
    ],
)  # fmt: skip
class TestOtherModels:
    """Whatever a model is made of: the same weights give the same as in a plain model."""

    def test_grad_cam(self, make, layer, flat, photo):
        model = _same_weights(make(), flat)
        for class_index in (None, 0, 1, 2):
            expected = grad_cam(flat, photo, "c", class_index)
            np.testing.assert_allclose(
                grad_cam(model, photo, layer, class_index), expected, atol=1e-5
            )

    def test_feature_maps(self, make, layer, flat, photo):
        model = _same_weights(make(), flat)
        np.testing.assert_allclose(
            feature_maps(model, photo, layer), feature_maps(flat, photo, "c"), atol=1e-6
        )


def _ends(flat: keras.Model) -> list[keras.Model]:
    """The same network with a softmax behind it, in three ways."""
    logits = flat.get_layer("logits")
    probabilities = keras.layers.Dense(3, activation="softmax")
    ways = [
        keras.Model(flat.inputs[0], keras.layers.Softmax()(flat.outputs[0])),
        keras.Model(flat.inputs[0], keras.layers.Activation("softmax")(flat.outputs[0])),
        keras.Model(flat.inputs[0], keras.ops.softmax(flat.outputs[0])),
        keras.Model(flat.inputs[0], keras.layers.Lambda(tf.nn.softmax)(flat.outputs[0])),
        keras.Model(
            flat.inputs[0],
            keras.layers.Reshape((3,))(keras.layers.Activation(tf.nn.softmax)(flat.outputs[0])),
        ),
        keras.Model(flat.inputs[0], probabilities(logits.input)),
    ]
    probabilities.set_weights(logits.get_weights())
    return ways


def test_a_softmax_at_the_end_is_left_out(flat, photo):
    sure = keras.models.clone_model(flat)
    weights, biases = flat.get_layer("logits").get_weights()
    sure.set_weights([*flat.get_weights()[:-2], 10_000 * weights, biases])
    expected = grad_cam(sure, photo, "c")
    assert expected.max() == 1
    for model in _ends(sure):
        before = model(photo[None]).numpy()
        assert before.max() == 1  # so sure that no slope is left
        np.testing.assert_allclose(grad_cam(model, photo, "c"), expected, atol=1e-5)
        np.testing.assert_array_equal(model(photo[None]), before)  # it is as it was


@pytest.mark.parametrize(
    "activation",
    [None, "sigmoid", tf.nn.sigmoid, "silu", lambda x: (1 + keras.ops.tanh(x)) / 2],
)
def test_one_number_for_two_classes_speaks_for_the_second(activation):
    model = keras.Sequential(
        [
            keras.Input((2, 2, 2)),
            keras.layers.Conv2D(2, 1, use_bias=False, name="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(1, use_bias=False, activation=activation),
        ]
    )
    same = np.eye(2, dtype=np.float32).reshape(1, 1, 2, 2)
    slopes = np.zeros((2, 2, 2, 1), np.float32)  # row, column, channel, output
    slopes[..., 0, 0], slopes[..., 1, 0] = 1, -2
    model.set_weights([same, slopes.reshape(8, 1)])
    # CHANNEL_1 - 2 * CHANNEL_2 = [[1, 0], [1, 4]], and the logit is 10 - 4 = 6
    for class_1 in (grad_cam(model, IMAGE, "same", 1), grad_cam(model, IMAGE, "same")):
        np.testing.assert_allclose(class_1, [[0.25, 0], [0.25, 1]], atol=1e-6)
    # 2 * CHANNEL_2 - CHANNEL_1 = [[-1, 0], [-1, -4]]: nothing speaks for it
    assert not grad_cam(model, IMAGE, "same", 0).any()
    model.set_weights([same, -slopes.reshape(8, 1)])
    np.testing.assert_array_equal(grad_cam(model, IMAGE, "same"), grad_cam(model, IMAGE, "same", 0))
    if activation != "silu":  # of which nobody can tell whether 0.2 is a probability
        model.set_weights([same, slopes.reshape(8, 1) / 20])  # the logit is 0.3
        class_1 = grad_cam(model, IMAGE, "same", 1)
        np.testing.assert_array_equal(grad_cam(model, IMAGE, "same"), class_1)


@pytest.mark.parametrize("function", [feature_maps, grad_cam])
def test_sixteen_bits_inside_thirty_two_outside(function, photo):
    layers = [_convolution(), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    for layer in layers:
        layer.dtype_policy = "mixed_bfloat16"
    model = keras.Sequential([keras.Input((12, 12, 3)), *layers])
    assert function(model, photo, "c").dtype == np.float32


def test_a_layer_before_all_weights(flat, photo):
    assert grad_cam(flat, photo, "scale").shape == (12, 12)


def test_frozen_layers_do_not_matter(flat, photo):
    frozen = keras.models.clone_model(flat)
    frozen.set_weights(flat.get_weights())
    frozen.trainable = False
    np.testing.assert_array_equal(grad_cam(frozen, photo, "c"), grad_cam(flat, photo, "c"))


@pytest.mark.parametrize("function", [feature_maps, grad_cam])
class TestInWords:
    @pytest.mark.parametrize(("layer", "shape"), [("mean", r"\(\d+,\)"), ("logits", r"\(3,\)")])
    def test_a_layer_without_places(self, flat, photo, function, layer, shape):
        words = f"has places.* Received: '{layer}', which gives numbers of shape {shape}. Choose a"
        with pytest.raises(UsageError, match=words):
            function(flat, photo, layer)

    def test_a_layer_with_several_outputs(self, photo, function):
        class Twice(keras.layers.Layer):
            def call(self, images):
                return images, images

        image = keras.Input((12, 12, 3))
        one, two = Twice(name="twice")(image)
        mean = keras.layers.GlobalAveragePooling2D()(one + two)
        model = keras.Model(image, keras.layers.Dense(3)(mean))
        with pytest.raises(UsageError, match="Received: 'twice', which gives several outputs"):
            function(model, photo, "twice")

    @pytest.mark.parametrize("warm", [False, True])
    def test_a_layer_in_a_compiled_function(self, photo, function, warm):
        class Compiled(OwnClass):
            @tf.function
            def call(self, images):
                return super().call(images)

        model = Compiled()
        if warm:
            model(photo[None])
        with pytest.raises(UsageError, match="only in a function under @tf.function"):
            function(model, photo, "c")

    def test_two_layers_of_one_name(self, flat, photo, function):
        image = keras.Input((12, 12, 3))
        maps = image
        for name in ("first", "second"):
            inside = keras.Input(maps.shape[1:])
            maps = keras.Model(inside, _convolution()(inside), name=name)(maps)
        model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(maps))
        with pytest.raises(UsageError, match="layer: first/c, second/c. Received: 'c'"):
            function(model, photo, "c")
        assert function(model, photo, "second/c").shape[:2] == (8, 8)

    def test_of_hundreds_of_layers_the_nearest_or_the_last_are_named(self, function, photo):
        many = [keras.layers.Activation("relu", name=f"act_{number}") for number in range(40)]
        model = keras.Sequential([keras.Input((12, 12, 3)), *many])
        with pytest.raises(UsageError) as refused:
            function(model, photo, "act_99")
        assert "layer: act_9, " in str(refused.value)
        assert "another of 40" in str(refused.value)
        assert len(str(refused.value)) < 200
        with pytest.raises(UsageError, match="layer: act_35, act_36, act_37, act_38, act_39, or"):
            function(model, photo, "mean")

    def test_two_inputs(self, function, photo):
        image, number = keras.Input((12, 12, 3)), keras.Input((1,))
        means = keras.layers.GlobalAveragePooling2D()(_convolution()(image))
        model = keras.Model([image, number], keras.layers.Concatenate()([means, number]))
        with pytest.raises(UsageError, match="Expected a model with one input"):
            function(model, photo, "c")

    def test_a_torch_model(self, function, photo):
        torch = pytest.importorskip("torch")
        with pytest.raises(UsageError, match="Received: PyTorch Linear"):
            function(torch.nn.Linear(1, 1), photo, "0")

    def test_text_for_an_image(self, flat, function):
        with pytest.raises(UsageError, match="Expected an image of numbers"):
            function(flat, np.full((12, 12, 3), "dark"), "c")
        with pytest.raises(UsageError, match="Expected an image of numbers"):
            function(flat, "c", np.zeros((12, 12, 3)))  # the other way round

    def test_any_size_still_means_an_image(self, function):
        with pytest.raises(UsageError, match=r"\(None, None, 3\), None: any. Received: \(12,"):
            function(_any_size(), np.zeros((12, 12), np.uint8), "c")

    def test_what_the_model_says_itself(self, function):
        with pytest.raises(UsageError, match="Expected an image that the model can take"):
            function(_own_class(), np.zeros((2, 2, 3), np.uint8), "c")


class TestGradCamInWords:
    @pytest.mark.parametrize(("classes", "last"), [(2, "softmax"), (3, "softmax"), (1, "sigmoid")])
    def test_a_sure_answer_that_is_of_no_layer(self, flat, photo, classes, last):
        weights, biases = flat.get_layer("logits").get_weights()
        sure = keras.layers.Dense(classes)
        one = keras.layers.Activation(last)(sure(flat.get_layer("mean").output))
        sure.set_weights([10_000 * np.abs(weights[:, :classes]), biases[:classes]])
        model = keras.Model(flat.inputs[0], keras.layers.Average()([one, one]))
        with pytest.raises(
            UsageError, match="Expected logits, or a softmax or sigmoid as the last"
        ):
            grad_cam(model, photo, "c")

    @pytest.mark.parametrize("class_index", ["cat", 1.0, True, 3])
    def test_a_class_is_a_number(self, flat, photo, class_index):
        with pytest.raises(UsageError, match=f"from 0 to 2. Received: {class_index!r}"):
            grad_cam(flat, photo, "c", class_index)

    def test_two_outputs(self, flat, photo):
        model = keras.Model(flat.inputs, [flat.outputs[0], flat.outputs[0]])
        with pytest.raises(UsageError, match="Received: several outputs"):
            grad_cam(model, photo, "c")

    def test_an_output_with_places(self, flat, photo):
        model = keras.Model(flat.inputs, flat.get_layer("c").output)
        with pytest.raises(UsageError, match=r"Received: an output of shape \(1, \d+, \d+, \d+\)"):
            grad_cam(model, photo, "c")

    def test_a_layer_beside_the_way_to_the_answer(self, flat, photo):
        class Beside(keras.Model):
            def __init__(self):
                super().__init__()
                self.beside, self.logits = _convolution(), keras.layers.Dense(3)

            def call(self, images):
                self.beside(images)
                return self.logits(keras.ops.mean(images, axis=(1, 2)))

        model = Beside()
        model(np.zeros((1, 12, 12, 3), np.float32))
        with pytest.raises(UsageError, match="that the answer of the model depends on"):
            grad_cam(model, photo.astype(np.float32), "c")

    def test_nan_weights(self, flat, photo):
        broken = keras.models.clone_model(flat)
        broken.set_weights([weight * np.nan for weight in flat.get_weights()])
        with pytest.raises(UsageError, match="its training diverged"):
            grad_cam(broken, photo, "c", 0)
