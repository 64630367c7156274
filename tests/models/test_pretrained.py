"""The network with the weights of ImageNet: the same numbers as PyTorch, and errors in words."""

from __future__ import annotations

import importlib.metadata
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import grad_cam, load_model, predict, quiet_tensorflow, save_model, train
from helpers.basics.errors import DamagedFileError, MismatchError, MissingPackageError, UsageError
from helpers.models import build_pretrained, efficientnet, efficientnet_lite0
from helpers.models.step_memory import bytes_of_step

with quiet_tensorflow():
    import keras

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def there() -> dict[str, torch.Tensor]:
    """The weights as PyTorch reads them."""
    file = importlib.metadata.distribution(efficientnet.PACKAGE).locate_file(efficientnet.MEMBER)
    return torch.load(file, weights_only=True)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    assert efficientnet.convert_weights(folder) == folder / efficientnet.WEIGHTS
    return folder


def features_of_torch(images: np.ndarray, state: dict) -> np.ndarray:
    """The network written out in PyTorch's functions, with TensorFlow's padding."""
    from torch.nn import functional

    def norm(x, name):
        numbers = [
            state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        ]
        return functional.batch_norm(x, *numbers, eps=1e-3)

    def convolution(x, name, stride=1, groups=1):
        kernel, side = state[f"{name}.weight"], x.shape[-1]
        size = kernel.shape[-1]
        more = max((-(-side // stride) - 1) * stride + size - side, 0)
        x = functional.pad(x, (more // 2, more - more // 2) * 2)
        return functional.conv2d(x, kernel, stride=stride, groups=groups)

    x = torch.from_numpy(((images.astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        x = functional.relu6(norm(convolution(x, "_conv_stem", 2), "_bn0"))
        number = 0
        for repeats, _, stride, times, _ in efficientnet.STAGES:
            for repeat in range(repeats):
                there, before = f"_blocks.{number}.", x
                number += 1
                if times > 1:
                    x = functional.relu6(
                        norm(convolution(x, f"{there}_expand_conv"), f"{there}_bn0")
                    )
                x = convolution(x, f"{there}_depthwise_conv", 1 if repeat else stride, x.shape[1])
                x = functional.relu6(norm(x, f"{there}_bn1"))
                x = norm(convolution(x, f"{there}_project_conv"), f"{there}_bn2")
                x = x + before if repeat else x
        return functional.relu6(norm(convolution(x, "_conv_head"), "_bn1")).mean((2, 3)).numpy()


def images_of(count: int, side: int, channels: int = 3) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (count, side // 8, side // 8, channels))
    return coarse.repeat(8, 1).repeat(8, 2).astype(np.uint8)


@pytest.mark.parametrize("side", [32, 96, 160])
def test_the_features_are_those_of_pytorch(there, data_dir, side):
    images = images_of(2, side)
    ours = efficientnet_lite0((side, side), data_dir=data_dir)(images)
    assert ours.shape == (2, 1280)
    np.testing.assert_allclose(ours, features_of_torch(images, there), atol=5e-5)
    assert np.max(ours) > 0.2  # and no two zeros are compared


def test_the_last_layer_of_imagenet_tells_what_is_in_a_photo(there, data_dir):
    """A photo that matplotlib brings along, of a woman in uniform: class 652, military uniform."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    with get_sample_data("grace_hopper.jpg") as file:
        photo = np.asarray(Image.open(file).convert("RGB").resize((224, 224)))
    features = efficientnet_lite0((224, 224), data_dir=data_dir)(photo[np.newaxis]).numpy()
    logits = features @ there["_fc.weight"].numpy().T + there["_fc.bias"].numpy()
    assert logits.argmax() == 652


def test_it_is_frozen_and_has_as_many_numbers_as_it_says(data_dir):
    network = efficientnet_lite0((64, 64), data_dir=data_dir)
    assert network.count_params() == 3_413_024
    assert network.trainable_weights == []


@pytest.fixture(scope="module", params=[(18, 20, 1), (40, 32, 3)], ids=str)
def bands(make_dataset, request):
    return make_dataset(request.param)


class TestModel:
    @pytest.mark.slow
    def test_only_the_last_layer_learns_and_the_file_keeps_all(
        self, make_dataset, data_dir, tmp_path
    ):
        bands = make_dataset((18, 20, 1))
        model = build_pretrained(bands, smallest_side=32, data_dir=data_dir)
        backbone = model.get_layer("efficientnet_lite0")
        before = [weight.numpy() for weight in backbone.weights]
        assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == 3 * 1281
        run = train(model, bands, epochs=12, learning_rate=0.01, progress=False)
        assert run.validation_accuracy > 0.9
        for weight, was in zip(backbone.weights, before, strict=True):
            np.testing.assert_array_equal(weight, was)
        again = load_model(save_model(model, tmp_path / "pretrained"))
        asked = bands.test.images
        np.testing.assert_allclose(
            predict(again, asked).probabilities, predict(model, asked).probabilities, atol=1e-6
        )
        assert predict(again, asked).class_names == bands.class_names

    def test_the_same_seed_gives_the_same_numbers(self, bands, data_dir):
        one, other, another = (
            build_pretrained(bands, smallest_side=32, seed=seed, data_dir=data_dir).weights[-2]
            for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, other)
        assert not np.array_equal(one, another)
        assert build_pretrained.__kwdefaults__["seed"] == 0

    def test_a_fifth_of_the_features_is_left_out_as_where_it_was_trained(self, bands, data_dir):
        model = build_pretrained(bands, smallest_side=32, data_dir=data_dir)
        assert model.get_layer("dropout").rate == 0.2

    def test_grey_and_colour_see_the_same_picture(self, make_dataset, data_dir):
        grey, colour = make_dataset((32, 32, 1)), make_dataset((32, 32, 3))
        one, other = (
            build_pretrained(which, smallest_side=32, data_dir=data_dir) for which in (grey, colour)
        )
        images = images_of(3, 32, 1)
        np.testing.assert_allclose(one(images), other(images.repeat(3, -1)), atol=1e-5)

    def test_small_images_are_enlarged_in_their_own_shape(self, make_dataset, data_dir):
        model = build_pretrained(make_dataset((24, 48, 3)), data_dir=data_dir)
        assert model.get_layer("enlarge").output.shape == (None, 96, 192, 3)

    def test_a_frozen_network_takes_the_memory_of_a_frozen_one(self, bands, data_dir):
        model = build_pretrained(bands, data_dir=data_dir)
        frozen = bytes_of_step(model)
        model.get_layer("efficientnet_lite0").trainable = True
        assert frozen < bytes_of_step(model) / 4

    def test_grad_cam_looks_into_it(self, bands, data_dir):
        model = build_pretrained(bands, smallest_side=64, data_dir=data_dir)
        heat = grad_cam(model, bands.test.images[0], "efficientnet_lite0/head_relu")
        assert heat.ndim == 2
        assert 0 <= heat.min() <= heat.max() <= 1


class TestWhatGoesWrong:
    @pytest.mark.parametrize("size", [96, (96,), (31, 96), (96, 31), "96", (96.5, 96), None])
    def test_no_size(self, data_dir, size):
        with pytest.raises(UsageError, match="image_size"):
            efficientnet_lite0(size, data_dir=data_dir)

    def test_no_dataset(self, data_dir):
        with pytest.raises(UsageError, match="from load_dataset"):
            build_pretrained("photos", data_dir=data_dir)

    @pytest.mark.parametrize("side", [31, 1_001])
    def test_no_smallest_side(self, bands, data_dir, side):
        with pytest.raises(UsageError, match=f"Expected smallest_side as .* Received: {side}"):
            build_pretrained(bands, smallest_side=side, data_dir=data_dir)

    def test_images_of_other_channels(self, make_dataset, data_dir):
        with pytest.raises(MismatchError, match="build_cnn takes any"):
            build_pretrained(make_dataset((32, 32, 4)), data_dir=data_dir)

    def test_images_without_channels_and_very_long_ones(self, make_dataset, data_dir):
        from dataclasses import replace

        dataset = make_dataset((32, 32, 3))
        flat = replace(dataset.train, images=dataset.train.images[..., 0])
        with pytest.raises(MismatchError, match="build_cnn takes any"):
            build_pretrained(replace(dataset, train=flat), data_dir=data_dir)
        with pytest.raises(MismatchError, match=r"at most 2,000 pixels .*: 4 x 500"):
            build_pretrained(make_dataset((4, 500, 3)), data_dir=str(data_dir))

    @pytest.mark.parametrize("side", [25, 41, 50, 100])
    def test_the_shorter_side_is_what_was_asked_for(self, make_dataset, data_dir, side):
        model = build_pretrained(
            make_dataset((side, side, 1)), smallest_side=224, data_dir=data_dir
        )
        assert model.get_layer("enlarge").output.shape[1:3] == (224, 224)

    def test_the_package_is_not_installed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(efficientnet, "PACKAGE", "no-such-package")
        with pytest.raises(MissingPackageError, match=r"%pip install no-such-package==0.1.0"):
            efficientnet_lite0((96, 96), data_dir=tmp_path)

    def test_pytorch_is_not_installed(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(MissingPackageError, match=r"copy data/efficientnet_lite0.npz"):
            efficientnet_lite0((96, 96), data_dir=tmp_path)

    def test_converted_weights_need_no_pytorch(self, data_dir, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        monkeypatch.setattr(efficientnet, "PACKAGE", "no-such-package")
        assert efficientnet_lite0((32, 32), data_dir=data_dir).output_shape == (None, 1280)

    def test_the_package_holds_another_file(self, tmp_path, monkeypatch):
        monkeypatch.setattr(efficientnet, "SHA256", "0" * 64)
        with pytest.raises(DamagedFileError, match="force-reinstall"):
            efficientnet.convert_weights(tmp_path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("content", [b"", b"no zip", "half", "other"])
    def test_the_converted_file_is_damaged(self, data_dir, tmp_path, content):
        whole = (data_dir / efficientnet.WEIGHTS).read_bytes()
        path = tmp_path / efficientnet.WEIGHTS
        if content == "other":
            np.savez(path, stem=np.zeros(3))
        else:
            path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
        with pytest.raises(DamagedFileError, match="Delete it"):
            efficientnet_lite0((32, 32), data_dir=tmp_path)


def test_the_weights_are_converted_by_a_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(efficientnet, "convert_weights", lambda: tmp_path)
    runpy.run_module("helpers.models", run_name="__main__")
    assert capsys.readouterr().out == f"{tmp_path}\n"

    def fails():
        raise MissingPackageError("Expected PyTorch.")

    monkeypatch.setattr(efficientnet, "convert_weights", fails)
    with pytest.raises(SystemExit, match="^MissingPackageError: Expected PyTorch.$"):
        runpy.run_module("helpers.models", run_name="__main__")


def test_keras_knows_every_layer_by_the_name_of_its_weights(data_dir):
    with np.load(data_dir / efficientnet.WEIGHTS, allow_pickle=False) as arrays:
        network = efficientnet_lite0((32, 32), data_dir=data_dir)
        named = {f"{layer.name}/{w.name}" for layer in network.layers for w in layer.weights}
        assert named == set(arrays.files)
        assert isinstance(network, keras.Model)
