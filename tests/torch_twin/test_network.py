"""The PyTorch twin: from the same weights, the same answers as Keras.

Where PyTorch is not installed, all but the first tests are skipped, and counted.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from helpers import build_cnn, make_batches
from helpers.basics.errors import MismatchError, UsageError
from helpers.basics.quiet import quiet_tensorflow
from helpers.torch_twin import build_torch_cnn, copy_weights, to_torch, train_torch
from helpers.torch_twin.network import INSTALL_TORCH, TORCH

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


@pytest.mark.parametrize(
    "use",
    [
        lambda dataset: build_torch_cnn(dataset),
        lambda dataset: copy_weights(None, None),
        lambda dataset: to_torch(dataset.test.images),
        lambda dataset: train_torch(None, None, []),
    ],
    ids=["build_torch_cnn", "copy_weights", "to_torch", "train_torch"],
)
def test_without_pytorch_the_message_says_how_to_install_it(dataset, monkeypatch, use):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModuleNotFoundError) as refused:
        use(dataset)
    assert str(refused.value) == (
        f"Expected PyTorch, which is not installed. To add it: {INSTALL_TORCH}."
    )
    assert refused.value.name == "torch"


def test_the_version_of_the_message_is_the_one_that_the_course_installs():
    pins = Path(__file__).parents[2] / "requirements.txt"
    assert f"\n{TORCH}  # " in pins.read_text(encoding="utf-8")


@needs_torch
@pytest.mark.parametrize("shape", [(18, 18, 1), (18, 26, 3), (28, 28, 1), (32, 32, 3)])
def test_copied_weights_give_the_same_logits(make_dataset, shape):
    dataset = make_dataset(shape)
    model, twin = build_cnn(dataset), build_torch_cnn(dataset)
    copy_weights(model, twin)
    expected = model.predict(dataset.train.images, verbose=0)
    logits = twin(to_torch(dataset.train.images)).detach().numpy()
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, atol=1e-4)


@needs_torch
def test_weights_behind_a_pooling_are_turned_too(dataset):
    """PyTorch flattens map by map, whatever stands before."""
    from torch import nn

    with quiet_tensorflow():
        import keras

    after = [keras.layers.MaxPooling2D(2), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential(
        [keras.Input((18, 18, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(5, 3)]
        + after
    )
    twin = nn.Sequential(nn.Conv2d(1, 5, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 8 * 5, 3))
    copy_weights(model, twin)
    expected = model.predict(dataset.train.images, verbose=0)
    logits = twin(to_torch(dataset.train.images)).detach().numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)


@needs_torch
def test_ten_steps_of_sgd_give_the_same_losses(dataset):
    import torch

    with quiet_tensorflow():
        import keras

    model, twin = build_cnn(dataset), build_torch_cnn(dataset)
    copy_weights(model, twin)
    ten_batches = [
        batch for _ in range(5) for batch in make_batches(dataset.train, 12).as_numpy_iterator()
    ]
    model.compile(
        optimizer=keras.optimizers.SGD(0.05),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    # train_on_batch gives the mean over all batches since the last reset.
    keras_losses = []
    for images, labels in ten_batches:
        model.reset_metrics()
        keras_losses.append(float(model.train_on_batch(images, labels)))
    torch_losses = train_torch(twin, torch.optim.SGD(twin.parameters(), 0.05), ten_batches)
    assert len(torch_losses) == 10
    np.testing.assert_allclose(torch_losses, keras_losses, atol=1e-4)
    assert keras_losses[-1] < keras_losses[0] - 0.01, "nothing was learned: no comparison"


@needs_torch
class TestBuildTorchCnn:
    def test_the_number_of_parameters(self, make_dataset):
        dataset = make_dataset((32, 32, 3), tuple("abcdefghij"), train=0, validation=0, test=0)
        parameters = build_torch_cnn(dataset).parameters()
        assert sum(parameter.numel() for parameter in parameters) == 122_570

    def test_the_seed_decides_the_weights(self, dataset):
        first, same, other = (
            next(build_torch_cnn(dataset, seed=seed).parameters()).detach().numpy()
            for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(first, same)
        assert not np.array_equal(first, other)
        assert build_torch_cnn.__kwdefaults__ == {"seed": 0}

    def test_smaller_images_are_refused_as_in_keras(self, make_dataset):
        dataset = make_dataset((17, 18, 1), train=0, validation=0, test=0)
        with pytest.raises(ValueError, match="at least 18 x 18 pixels.*Received: 17 x 18"):
            build_torch_cnn(dataset)


@needs_torch
class TestCopyWeights:
    def test_the_twin_keeps_its_own_copy(self, dataset):
        model, twin = build_cnn(dataset), build_torch_cnn(dataset)
        copy_weights(model, twin)
        before = twin(to_torch(dataset.test.images)).detach().numpy()
        model.set_weights([0 * weight for weight in model.get_weights()])
        np.testing.assert_array_equal(twin(to_torch(dataset.test.images)).detach().numpy(), before)

    def test_models_with_other_layers(self, dataset):
        twin = build_torch_cnn(dataset)[:-1]
        message = r"\(64,\)\], turned to .* \(64,\), \(3, 64\), \(3,\)\]. Build both models"
        with pytest.raises(MismatchError, match=message):
            copy_weights(build_cnn(dataset), twin)

    def test_models_for_other_images(self, dataset, make_dataset):
        twin = build_torch_cnn(make_dataset((18, 18, 3)))
        message = (
            r"Expected a Keras model with weights of the shapes \[\(32, 3, 3, 3\), .* "
            r"Received: \[\(32, 1, 3, 3\), .* Build both models from one dataset"
        )
        with pytest.raises(MismatchError, match=message):
            copy_weights(build_cnn(dataset), twin)

    def test_a_dense_layer_behind_a_mean_is_not_put_into_another_order(self):
        """Only what was flattened comes in another order in PyTorch."""
        import torch

        with quiet_tensorflow():
            import keras
        from keras import layers

        model = keras.Sequential(
            [keras.Input((6, 6, 1)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(),
             layers.Dense(3)]
        )  # fmt: skip
        twin = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
            torch.nn.Linear(4, 3),
        )  # fmt: skip
        copy_weights(model, twin)
        images = np.random.default_rng(0).random((2, 6, 6, 1), np.float32)
        there = twin(torch.from_numpy(images.transpose(0, 3, 1, 2))).detach().numpy()
        np.testing.assert_allclose(there, model(images), atol=1e-5)

    def test_swapped(self, dataset):
        model, twin = build_cnn(dataset), build_torch_cnn(dataset)
        with pytest.raises(UsageError) as refused:
            copy_weights(twin, model)
        assert str(refused.value) == (
            "Expected a Keras model, then a PyTorch Sequential: copy_weights(keras_model, "
            "torch_model). Received: PyTorch Sequential and Sequential."
        )
        for one in (model, twin):
            with pytest.raises(UsageError, match="Expected a Keras model, then a PyTorch Seq"):
                copy_weights(one, one)

    @pytest.mark.parametrize("in_keras", [True, False])
    def test_layers_without_a_bias(self, dataset, in_keras):
        import torch

        with quiet_tensorflow():
            import keras

        model = keras.Sequential(
            [keras.Input((2, 2, 1)), keras.layers.Flatten(),
             keras.layers.Dense(3, use_bias=not in_keras)]
        )  # fmt: skip
        twin = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3, bias=in_keras))
        with pytest.raises(MismatchError, match=r"\(3, 4\)(, \(3,\))?\]. Build both"):
            copy_weights(model, twin)


@needs_torch
class TestToTorch:
    def test_channels_come_first_and_values_are_scaled(self):
        images = np.zeros((2, 3, 4, 3), np.uint8)
        images[1, 2, 3] = (51, 102, 255)
        tensor = to_torch(images)
        assert tuple(tensor.shape) == (2, 3, 3, 4)
        assert tensor.dtype.is_floating_point and tensor.element_size() == 4
        assert tensor[1, :, 2, 3].tolist() == pytest.approx([0.2, 0.4, 1.0])
        assert float(tensor.sum()) == pytest.approx(1.6)

    @pytest.mark.parametrize(
        "given", [lambda x: x[0], lambda x: x[..., 0], lambda x: "x", lambda x: x.astype(str)]
    )
    def test_what_is_no_batch_of_images(self, dataset, given):
        with pytest.raises(UsageError, match="Expected a batch of images, numbers of shape"):
            to_torch(given(dataset.test.images))

    def test_one_image_as_a_batch(self, dataset):
        image = dataset.test.images[3]
        assert to_torch(image[np.newaxis]).equal(to_torch(dataset.test.images)[3:4])

    @pytest.mark.parametrize("scaled", [lambda x: x / 255, lambda x: x / 127.5 - 1])
    def test_pixels_that_are_scaled_already(self, dataset, scaled):
        with pytest.raises(MismatchError, match="0 to 255: to_torch scales them. Received: value"):
            to_torch(scaled(dataset.test.images))

    @pytest.mark.parametrize("pixels", [lambda x: x.astype(np.float32), lambda x: 0.0 * x])
    def test_grey_levels_of_another_type(self, dataset, pixels):
        images = pixels(dataset.test.images)
        np.testing.assert_allclose(to_torch(images).numpy()[:, 0], images[..., 0] / 255, rtol=1e-6)

    def test_tensors_of_either_library(self, dataset):
        import tensorflow as tf
        import torch

        images = dataset.test.images
        for tensor in (tf.constant(images), torch.from_numpy(images)):
            assert to_torch(tensor).equal(to_torch(images))

    def test_a_tensor_that_gradients_are_kept_of(self, dataset):
        import torch

        images = torch.from_numpy(dataset.train.images[:2]).float().requires_grad_()
        assert torch.equal(to_torch(images), to_torch(dataset.train.images[:2]))

    def test_the_images_stay_as_they_are(self, dataset):
        before = dataset.test.images.copy()
        to_torch(dataset.test.images).zero_()
        np.testing.assert_array_equal(dataset.test.images, before)


@needs_torch
class TestTrainTorch:
    @pytest.fixture
    def twin(self, dataset):
        return build_torch_cnn(dataset)

    @pytest.fixture
    def optimizer(self, twin):
        import torch

        return torch.optim.SGD(twin.parameters(), 0.05)

    def test_it_needs_no_loop_around_it(self, dataset, twin, optimizer):
        before = [parameter.detach().clone() for parameter in twin.parameters()]
        train_torch(twin, optimizer, make_batches(dataset.train, 12))
        moved = [not a.equal(b) for a, b in zip(before, twin.parameters(), strict=True)]
        assert all(moved)

    @pytest.mark.parametrize("asked_before", [True, False])
    def test_dropout_drops_in_training_only(self, dataset, asked_before):
        import torch

        seen = []

        class Watched(torch.nn.Dropout):
            def forward(self, numbers):
                seen.append(self.training)
                return super().forward(numbers)

        model = torch.nn.Sequential(torch.nn.Flatten(), Watched(), torch.nn.Linear(18 * 18, 3))
        model.train(not asked_before)
        sgd = torch.optim.SGD(model.parameters(), 0.05)
        train_torch(model, sgd, make_batches(dataset.train, 12))
        assert seen == [True, True]
        assert model.training is not asked_before  # as it was
        model[1].eval()  # by itself
        train_torch(model, sgd, make_batches(dataset.train, 12))
        assert (model.training, model[1].training) == (not asked_before, False)
        with pytest.raises(UsageError):
            train_torch(model, sgd, [None])
        assert model.training is not asked_before

    @pytest.mark.parametrize("wrong", ["split", "keras", "swapped"])
    def test_other_arguments(self, dataset, twin, optimizer, wrong):
        batches = make_batches(dataset.train, 12)
        given = {
            "split": (twin, optimizer, dataset.train),
            "keras": (build_cnn(dataset), optimizer, batches),
            "swapped": (optimizer, twin, batches),
        }[wrong]
        with pytest.raises(
            UsageError, match=r"make_batches\(dataset.train, 32\).as_numpy_iterator"
        ):
            train_torch(*given)

    def test_images_without_labels(self, dataset, twin, optimizer):
        images, labels = dataset.train.images, dataset.train.labels
        for batches in (images, [(images, labels, labels)]):
            with pytest.raises(UsageError, match="Expected batches as pairs of images and labels"):
                train_torch(twin, optimizer, batches)

    def test_batches_that_were_used_up(self, dataset, twin, optimizer):
        batches = make_batches(dataset.train, 12).as_numpy_iterator()
        assert len(train_torch(twin, optimizer, batches)) == 2
        with pytest.raises(UsageError, match="Expected at least one batch. Received: none"):
            train_torch(twin, optimizer, batches)

    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            ((2, 18, 18, 1), [0, 3], "labels from 0 to 3; PyTorch says: Target 3 is out of bounds"),
            ((2, 18, 18, 3), [0, 1], "Received: .2, 3, 18, 18. images with labels from 0 to 1; Py"),
            ((2, 18, 18, 1), [0.5, 1], r"labels of shape \(2,\) and type float64"),
            ((2, 18, 18, 1), [[0, 1], [1, 0]], r"labels of shape \(2, 2\) and type int64"),
            ((2, 18, 18, 1), ["cat", "dog"], r"labels of shape \(2,\) and type <U3"),
            ((2, 18, 18, 1), [0], "one whole number an image as its label, for 2 images"),
        ],
    )
    def test_a_batch_that_does_not_fit(self, twin, optimizer, images, labels, message):
        with pytest.raises(MismatchError, match=message):
            train_torch(twin, optimizer, [(np.zeros(images, np.uint8), np.array(labels))])


@needs_torch
def test_batches_of_tf_data_bring_no_warning(dataset):
    """Their arrays are read-only, which PyTorch warns about; nothing here writes to them."""
    import torch

    twin = build_torch_cnn(dataset)
    batches = make_batches(dataset.train, 12).as_numpy_iterator()
    warn_always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            train_torch(twin, torch.optim.SGD(twin.parameters(), 0.01), batches)
    finally:
        torch.set_warn_always(warn_always)
