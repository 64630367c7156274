"""Recipes: each field does what it says, on every dataset, and the model is an ordinary one."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import (
    ACCURATE,
    CLASSIC,
    FAST,
    ImageDataset,
    Recipe,
    Split,
    build_cnn,
    evaluate,
    load_model,
    quiet_tensorflow,
    save_model,
    train,
)
from helpers.basics.errors import MismatchError, UsageError
from helpers.datasets import flip_sideways, shift
from helpers.recipes import bfloat16, whitening
from helpers.recipes import recipe as recipe_module
from helpers.recipes.bfloat16 import has_fast_bfloat16
from helpers.recipes.whitening import whitening_kernel

with quiet_tensorflow():
    import keras


SHORT = FAST.but(epochs=2, batch_size=8)


@pytest.fixture(scope="module")
def trained(dataset) -> keras.Model:
    return SHORT.train(dataset, seed=4, progress=False)[0]


def names(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers]


class TestClassic:
    def test_it_is_the_classic_cnn_to_the_last_bit(self, dataset):
        classic, recipe = build_cnn(dataset, seed=3), CLASSIC.build(dataset, seed=3)
        for one, other in zip(classic.get_weights(), recipe.get_weights(), strict=True):
            assert np.array_equal(one, other)
        images = dataset.test.images
        assert np.array_equal(classic(images), recipe(images))

    def test_it_is_trained_as_the_classic_example_is(self, dataset):
        classic = build_cnn(dataset, seed=1)
        plain = train(classic, dataset, epochs=2, batch_size=8, seed=1, progress=False)
        model, run = CLASSIC.but(epochs=2, batch_size=8).train(dataset, seed=1, progress=False)
        for name, values in plain.history.items():
            assert run.history[name] == pytest.approx(values, rel=1e-4)
        for one, other in zip(classic.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


class TestFields:
    def test_but_changes_a_copy(self):
        changed = CLASSIC.but(batch_size=128)
        assert (CLASSIC.batch_size, changed.batch_size) == (32, 128)
        assert changed.but(batch_size=32) == CLASSIC

    def test_an_unknown_field_is_named(self):
        with pytest.raises(UsageError, match=r"fields of a recipe: network.* Received: batchsize"):
            CLASSIC.but(batchsize=3)

    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            ("network", "resnet", "classic, compact, wide"),
            ("network", ["wide"], "classic, compact, wide"),
            ("augment", flip_sideways, "list of functions"),
            ("augment", ("flip",), "list of functions"),
            ("augment", "flip", "list of functions"),
            ("batch_norm", "no", "True or False"),
            ("epochs", 0, "whole number from 1 on"),
            ("epochs", 1.5, "whole number"),
            ("batch_size", True, "whole number"),
            ("learning_rate", 0, "above 0"),
            ("learning_rate", float("nan"), "above 0"),
            ("dropout", 1.0, "below 1"),
            ("weight_decay", -1, "from 0 on"),
            ("label_smoothing", 1.0, "below 1"),
        ],
    )
    def test_a_wrong_value_is_refused(self, field, value, words):
        with pytest.raises(UsageError, match=words):
            Recipe(**{field: value})

    def test_augmentations_in_a_list_or_a_tuple_are_the_same(self):
        functions = [flip_sideways]
        recipe = CLASSIC.but(augment=functions)
        functions.append(shift)  # which is no business of the recipe
        assert recipe == CLASSIC.but(augment=(flip_sideways,))
        assert hash(recipe) == hash(CLASSIC.but(augment=(flip_sideways,)))

    def test_it_shows_itself_with_names_and_no_addresses(self):
        shown = repr(ACCURATE)
        assert "  network          wide\n" in shown
        assert shown.count("flip_sideways, shift") == 1
        assert "0x" not in shown

    def test_a_field_given_to_train_is_sent_to_but(self, dataset):
        with pytest.raises(UsageError, match=r"recipe\.but\(epochs=3\)\.train\(dataset\)"):
            CLASSIC.train(dataset, epochs=3)

    def test_what_train_does_not_take_is_not_called_a_field(self, dataset):
        with pytest.raises(
            UsageError, match=r"Received: sample_weight\. train takes none\. Keras' own"
        ):
            CLASSIC.train(dataset, sample_weight=[])

    def test_images_and_labels_are_no_dataset(self, dataset):
        with pytest.raises(UsageError, match=r"recipe\.train\(dataset\)\. Received: 1 more\."):
            CLASSIC.train(dataset.train.images, dataset.train.labels)

    def test_something_else_than_a_dataset_is_refused(self, dataset):
        with pytest.raises(UsageError, match="from load_dataset. Received: Split"):
            FAST.train(dataset.train)

    def test_standardise_gives_mean_0_and_spread_1(self, dataset):
        model = CLASSIC.but(standardise=True).build(dataset)
        scaled = np.asarray(model.get_layer("standardise")(dataset.train.images))
        assert scaled.mean(axis=(0, 1, 2)) == pytest.approx(0, abs=1e-4)
        assert scaled.std(axis=(0, 1, 2)) == pytest.approx(1, abs=1e-4)

    def test_batch_norm_follows_every_convolution(self, dataset):
        model = CLASSIC.but(batch_norm=True).build(dataset)
        assert sum(name.startswith("norm_") for name in names(model)) == 3
        assert not any(layer.use_bias for layer in model.layers if "conv" in layer.name)

    def test_it_follows_the_dense_layer_of_the_wide_network(self, dataset):
        """As each convolution has it: the layer, the normalisation, then SiLU."""
        model = ACCURATE.but(bfloat16=False).build(dataset)
        assert names(model)[-5:] == ["flatten", "dense", "norm_dense", "act_dense", "logits"]
        assert model.get_layer("dense").units == 512
        assert not model.get_layer("dense").use_bias
        assert model.get_layer("norm_dense").momentum == pytest.approx(0.9)
        for name in ("act_whiten", "act_1", "act_3", "act_dense"):
            assert model.get_layer(name).activation is keras.activations.silu
        plain = ACCURATE.but(batch_norm=False, bfloat16=False).build(dataset)
        assert names(plain)[-3:] == ["flatten", "dense", "logits"]
        assert plain.get_layer("dense").activation is keras.activations.silu
        assert plain.get_layer("dense").use_bias

    @pytest.mark.parametrize("recipe", [CLASSIC.but(batch_norm=True), FAST, ACCURATE])
    def test_running_averages_follow_within_an_epoch_of_few_steps(self, dataset, recipe):
        """With Keras' own momentum, 0.99, half of the first value is there after 69 steps."""
        norm = recipe.build(dataset).get_layer("norm_1")
        maps = np.ones((4, 3, 3, norm.gamma.shape[0]), np.float32)
        for _ in range(20):
            norm(maps, training=True)
        assert float(np.mean(norm.moving_mean)) == pytest.approx(1 - 0.9**20, rel=1e-3)

    def test_batch_norm_is_the_plain_keras_of_lesson_6(self, dataset):
        """The same layers in the same order, so that the same seed gives the same weights."""
        layers = keras.layers
        keras.utils.set_random_seed(3)
        plain = keras.Sequential([
            keras.Input(dataset.image_shape), layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, use_bias=False), layers.MaxPooling2D(2),
            layers.BatchNormalization(momentum=0.9), layers.ReLU(),
            layers.Conv2D(64, 3, use_bias=False), layers.MaxPooling2D(2),
            layers.BatchNormalization(momentum=0.9), layers.ReLU(),
            layers.Conv2D(64, 3, use_bias=False), layers.MaxPooling2D(1),
            layers.BatchNormalization(momentum=0.9), layers.ReLU(),
            layers.Flatten(), layers.Dense(64, activation="relu"),
            layers.Dense(len(dataset.class_names)),
        ])  # fmt: skip
        model = CLASSIC.but(batch_norm=True).build(dataset, seed=3)
        assert all(map(np.array_equal, plain.get_weights(), model.get_weights()))
        images = dataset.test.images
        np.testing.assert_allclose(plain(images), model(images), rtol=1e-4, atol=1e-5)

    def test_one_cycle_rises_then_falls_to_nothing(self, dataset):
        recipe = CLASSIC.but(epochs=5, batch_size=4, one_cycle=True, learning_rate=0.02)
        steps = 5 * -(-len(dataset.train) // 4)
        config = recipe.build(dataset).optimizer.get_config()["learning_rate"]
        rates = keras.optimizers.schedules.deserialize(config)
        values = [float(rates(step)) for step in range(steps + 1)]
        assert max(values) == pytest.approx(0.02, rel=0.02)
        assert values[0] == pytest.approx(0.002)
        assert values[-1] == pytest.approx(0, abs=1e-8)
        assert values.index(max(values)) == round(0.3 * steps)
        rise = round(0.3 * steps)  # as lesson 6 writes it in plain Keras
        plain = keras.optimizers.schedules.CosineDecay(
            0.002, steps - rise, warmup_target=0.02, warmup_steps=rise
        )
        assert values == [float(plain(step)) for step in range(steps + 1)]

    def test_dropout_and_weight_decay(self, dataset):
        model = CLASSIC.but(dropout=0.4, weight_decay=0.01).build(dataset)
        assert model.get_layer("dropout").rate == 0.4
        assert model.optimizer.weight_decay == 0.01

    def test_label_smoothing_spreads_a_share_of_the_label(self, dataset):
        loss = CLASSIC.but(label_smoothing=0.3).build(dataset).loss
        certain = loss([[1.0, 0.0, 0.0]], [[40.0, 0.0, 0.0]])
        # 0.3 / 3 on each of the two wrong classes, whose logarithms are -40
        assert float(certain) == pytest.approx(2 * 0.1 * 40, rel=1e-5)

    @pytest.mark.parametrize("fast", [True, False])
    def test_bfloat16_only_where_the_processor_has_it(self, dataset, monkeypatch, fast):
        monkeypatch.setattr(recipe_module, "has_fast_bfloat16", lambda: fast)
        model = CLASSIC.but(bfloat16=True).build(dataset)
        assert model.get_layer("conv_1").compute_dtype == ("bfloat16" if fast else "float32")
        assert model.get_layer("conv_1").variable_dtype == "float32"
        assert model.get_layer("logits").compute_dtype == "float32"
        assert keras.config.dtype_policy().name == "float32"


def test_the_classic_recipe_is_the_one_of_the_readme():
    """Batches of 32, Adam, 10 epochs, and nothing else."""
    assert (CLASSIC.epochs, CLASSIC.batch_size, CLASSIC.network) == (10, 32, "classic")
    assert (FAST.epochs, ACCURATE.epochs) == (2, 8)


def test_what_nobody_chooses_is_the_same_everywhere():
    chosen = train.__kwdefaults__
    assert (chosen["epochs"], chosen["batch_size"]) == (CLASSIC.epochs, CLASSIC.batch_size)
    for name, value in Recipe.train.__kwdefaults__.items():
        assert chosen[name] == value
    assert Recipe.build.__kwdefaults__ == {"seed": 0}


@pytest.mark.parametrize("recipe", [FAST, ACCURATE], ids=["FAST", "ACCURATE"])
def test_the_recipes_use_16_bits_where_the_processor_has_them(make_dataset, monkeypatch, recipe):
    monkeypatch.setattr(recipe_module, "has_fast_bfloat16", lambda: True)
    model = recipe.build(make_dataset((32, 32, 3)))
    assert "bfloat16" in {layer.compute_dtype for layer in model.layers}


class TestBfloat16:
    @pytest.mark.parametrize(
        ("flags", "fast"),
        [("avx2 fma", False), ("avx512f avx512_bf16", True), ("amx_bf16", True), (None, False)],
    )
    def test_what_the_processor_says(self, monkeypatch, flags, fast):
        def read(self, **options):
            if flags is None:
                raise FileNotFoundError
            return f"flags : {flags}\n"

        monkeypatch.delenv(bfloat16.BFLOAT16_VARIABLE, raising=False)
        monkeypatch.setattr(Path, "read_text", read)
        assert has_fast_bfloat16() is fast

    @pytest.mark.parametrize(("wish", "dtype"), [("yes", "bfloat16"), ("no", "float32")])
    @pytest.mark.parametrize("flags", ["avx2 fma", "avx512_bf16"])
    def test_the_environment_decides_on_every_processor(
        self, dataset, monkeypatch, flags, wish, dtype
    ):
        monkeypatch.setattr(Path, "read_text", lambda self, **options: f"flags : {flags}\n")
        monkeypatch.setenv(bfloat16.BFLOAT16_VARIABLE, wish)
        model = CLASSIC.but(bfloat16=True).build(dataset)
        assert model.get_layer("conv_1").compute_dtype == dtype

    def test_the_environment_says_yes_or_no(self, monkeypatch):
        monkeypatch.setenv(bfloat16.BFLOAT16_VARIABLE, "maybe")
        with pytest.raises(UsageError, match="Expected yes or no in COURSE_BFLOAT16. Received: m"):
            has_fast_bfloat16()


def test_images_that_lie_class_after_class_are_all_measured(dataset, monkeypatch):
    """As a folder has them: the first ones say nothing about the others."""
    monkeypatch.setattr(whitening, "IMAGES_TO_MEASURE", 6)
    order = np.argsort(dataset.train.labels, kind="stable")
    images = (
        dataset.train.images[order] // 2 + 60 * dataset.train.labels[order][:, None, None, None]
    )
    images = images.astype(np.uint8)
    sorted_dataset = replace(dataset, train=replace(dataset.train, images=images))
    scaled = CLASSIC.but(standardise=True).build(sorted_dataset).get_layer("standardise")(images)
    assert abs(np.asarray(scaled).mean()) < 0.3


class TestMeasuring:
    """Of the images at most 2,000, from all over, and a few at a time."""

    @pytest.fixture
    def large(self, tmp_path) -> ImageDataset:
        """2,500 colour images of 32 x 32 pixels in a file; class after class, ever brighter."""
        shape = (2_500, 32, 32, 3)
        images = np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, shape)
        random = np.random.default_rng(0)
        for number, image in enumerate(images):
            image[:] = random.integers(0, 100, shape[1:]) + number // 20
        images.flush()
        images = np.load(tmp_path / "images.npy", mmap_mode="r")
        labels = np.arange(len(images)) // 1_250
        split = Split("train", images, labels, ("dark", "bright"), "tests")
        return ImageDataset("large", split, split, split, ("dark", "bright"), shape[1:], "tests")

    def test_exactly_2_000_of_all_parts(self, large):
        sample = np.concatenate(list(whitening._sample(large)))
        assert sample.shape == (2_000, 32, 32, 3)
        expected = large.train.images[[int(1.25 * number) for number in range(2_000)]]
        np.testing.assert_array_equal(sample, expected)

    def test_the_memory_of_a_file_is_given_back_piece_by_piece(self, large, monkeypatch):
        given_back = []
        monkeypatch.setattr(whitening, "forget_pages", given_back.append)
        list(whitening._sample(large))
        assert len(given_back) == 13  # 162 images of 3,072 numbers at once

    def test_fewer_images_are_all_measured(self, dataset):
        sample = np.concatenate(list(whitening._sample(dataset)))
        np.testing.assert_array_equal(sample, dataset.train.images)

    def test_mean_and_spread_are_those_of_numpy(self, large):
        sample = np.concatenate(list(whitening._sample(large)))
        mean, spread = whitening.mean_and_spread(large)
        np.testing.assert_allclose(mean, sample.mean(axis=(0, 1, 2)), rtol=1e-12)
        np.testing.assert_allclose(spread, sample.std(axis=(0, 1, 2)), rtol=1e-10)

    def test_the_filters_are_those_of_all_patches_at_once(self, large):
        sample = np.concatenate(list(whitening._sample(large))).astype(np.float64)
        sample = (sample - sample.mean((0, 1, 2))) / sample.std((0, 1, 2))
        patches = np.array(
            [
                sample[:, y : y + 3, x : x + 3].reshape(len(sample), 27)
                for y in range(0, 30, 3)
                for x in range(0, 30, 3)
            ]
        ).reshape(-1, 27)
        spreads, directions = np.linalg.eigh(np.cov(patches.T, bias=True) + _outer_mean(patches))
        expected = directions[:, ::-1][:, :5] / np.sqrt(spreads[::-1][:5] + 5e-4)
        found = whitening_kernel(large, 5).reshape(27, 10)[:, :5]
        signs = np.sign((found * expected).sum(axis=0))
        np.testing.assert_allclose(found, expected * signs, atol=1e-5)

    def test_every_patch_counts_once(self, dataset):
        """Of two images, where one patch more or less would be seen."""
        two = replace(dataset, train=dataset.train.take(2))
        mean, spread = whitening.mean_and_spread(two)
        scaled = (two.train.images - mean) / spread
        patches = np.array([
            image[row : row + 3, column : column + 3].ravel()
            for image in scaled for row in range(0, 16, 3) for column in range(0, 16, 3)
        ])  # fmt: skip
        largest = np.linalg.eigvalsh(patches.T @ patches / len(patches))[-1]
        found = whitening_kernel(two, 1)[..., 0].ravel()
        assert np.linalg.norm(found) == pytest.approx(1 / np.sqrt(largest + 5e-4), rel=1e-4)

    def test_it_takes_a_few_megabytes(self, large, monkeypatch):
        """All at once, the images standardised as float64 would take 49 MB twice."""
        monkeypatch.setattr(whitening, "NUMBERS_AT_ONCE", 50_000)
        whitening_kernel(large, 5)  # what is imported on the way is not counted
        tracemalloc.start()
        try:
            whitening_kernel(large, 5)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 4e6


def _outer_mean(patches: np.ndarray) -> np.ndarray:
    """What turns a covariance into the moments around 0, which the kernel is made from."""
    return np.outer(patches.mean(axis=0), patches.mean(axis=0))


class TestWhitening:
    def test_it_makes_the_directions_independent_and_equally_wide(self, dataset):
        directions = 4
        kernel = whitening_kernel(dataset, directions)
        images = dataset.train.images
        mean, spread = images.mean((0, 1, 2)), images.std((0, 1, 2))
        windows = np.lib.stride_tricks.sliding_window_view(
            (images - mean) / spread, (3, 3), axis=(1, 2)
        )[:, ::3, ::3]
        answers = np.einsum("nrcdyx,yxdk->nrck", windows, kernel[..., :directions])
        answers = answers.reshape(-1, directions)
        moments = answers.T @ answers / len(answers)
        np.testing.assert_allclose(moments, np.eye(directions), atol=0.05)

    def test_each_filter_comes_with_both_signs(self, dataset):
        kernel = whitening_kernel(dataset, 4)
        assert np.array_equal(kernel[..., :4], -kernel[..., 4:])

    def test_there_are_no_more_directions_than_numbers_in_a_patch(self, dataset):
        channels = dataset.image_shape[-1]
        assert whitening_kernel(dataset, 100).shape[-1] == 2 * 9 * channels

    def test_training_leaves_it_alone(self, dataset, trained):
        before = SHORT.build(dataset).get_layer("whiten").get_weights()[0]
        assert np.array_equal(trained.get_layer("whiten").get_weights()[0], before)


@pytest.mark.parametrize("recipe", [FAST, ACCURATE], ids=["FAST", "ACCURATE"])
def test_it_learns(dataset, recipe):
    model, run = recipe.but(epochs=20, batch_size=8).train(dataset, progress=False)
    assert run.history["loss"][-1] < run.history["loss"][0] / 2
    assert evaluate(model, dataset.test).accuracy > 0.8


@pytest.mark.parametrize("recipe", [CLASSIC, FAST, ACCURATE], ids=["CLASSIC", "FAST", "ACCURATE"])
def test_a_step_is_traced_once(dataset, recipe, monkeypatch):
    """Each time takes a second: longer than the rest, where the images are few."""
    traced, step = [], keras.Sequential.train_step
    monkeypatch.setattr(
        keras.Sequential, "train_step", lambda model, data: traced.append(1) or step(model, data)
    )
    recipe.but(epochs=2, batch_size=8).train(dataset, progress=False)
    assert len(traced) == 1


class TestWholeRecipe:
    def test_the_same_seed_gives_the_same_model_also_when_it_is_picked_up_again(
        self, dataset, trained, tmp_path
    ):
        model = SHORT.build(dataset, seed=4)
        options = {"batch_size": 8, "augment": [flip_sideways], "seed": 4, "progress": False}
        train(model, dataset, epochs=1, resume=tmp_path, **options)
        resumed, run = SHORT.train(dataset, seed=4, progress=False, resume=tmp_path)
        assert run.epochs == 2
        assert all(map(np.array_equal, trained.get_weights(), resumed.get_weights()))

    def test_the_model_can_be_saved_and_loaded(self, dataset, trained, tmp_path):
        save_model(trained, tmp_path / "model")
        loaded = load_model(tmp_path / "model")
        assert np.array_equal(loaded(dataset.test.images), trained(dataset.test.images))

    def test_small_and_odd_images(self, dataset):
        def cropped(split):
            return replace(split, images=split.images[:, :5, :7])

        small = replace(
            dataset, train=cropped(dataset.train), validation=cropped(dataset.validation),
            test=cropped(dataset.test), image_shape=(5, 7, dataset.image_shape[2]),
        )  # fmt: skip
        model, _ = SHORT.but(epochs=1).train(small, progress=False)
        assert model.output_shape == (None, len(dataset.class_names))


@pytest.mark.parametrize("recipe", [CLASSIC, FAST])
def test_what_cannot_be_measured_is_said_in_words(dataset, recipe):
    train = dataset.train
    for images, words in ((train.images[:0], "images to train on"), (train.images[..., 0], "both")):
        split = replace(train, images=images, labels=train.labels[: len(images)])
        with pytest.raises(MismatchError, match=words):
            recipe.build(replace(dataset, train=split))


def test_the_classic_network_says_the_smallest_size(dataset):
    with pytest.raises(MismatchError, match="18 x 18"):
        CLASSIC.build(replace(dataset, image_shape=(5, 7, dataset.image_shape[2])))


@pytest.mark.parametrize(
    ("recipe", "side", "sizes"),
    [
        (CLASSIC, 28, [(26, 32), (13, 32), (11, 64), (5, 64), (3, 64)]),
        (FAST, 32, [(16, 32), (8, 32), (8, 64), (4, 64), (4, 128), (2, 128)]),
        (FAST, 28, [(14, 32), (7, 32), (7, 64), (3, 64), (3, 128)]),
        (ACCURATE, 32, [(16, 96), (8, 96), (8, 128), (4, 128), (4, 256), (2, 256)]),
        (ACCURATE, 64, [(32, 96), (16, 96), (16, 128), (8, 128), (8, 256), (4, 256)]),
    ],
)
def test_each_network_has_its_sizes(make_dataset, recipe, side, sizes):
    """Side and channels of what each convolution and each pooling gives, counted by hand."""
    model = recipe.build(make_dataset(image_shape=(side, side, 3)))
    whitened = {"whiten", "whitened"}
    found = [
        (layer.output.shape[1], layer.output.shape[3])
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.MaxPooling2D)
        and not any(word in layer.name for word in whitened)
    ]
    assert found == sizes


def test_the_fast_recipes_are_those_that_were_measured(make_dataset):
    """`make bench` and lesson 6 measured these; a change of one needs new figures."""
    assert (FAST.network, FAST.epochs, FAST.batch_size) == ("compact", 2, 64)
    assert (FAST.learning_rate, FAST.label_smoothing) == (0.01, CLASSIC.label_smoothing)
    assert (ACCURATE.network, ACCURATE.epochs, ACCURATE.batch_size) == ("wide", 8, 256)
    assert (ACCURATE.learning_rate, ACCURATE.label_smoothing) == (0.02, 0.1)
    assert all(
        getattr(recipe, name) for recipe in (FAST, ACCURATE) for name in recipe_module.SWITCHES
    )
    colour = make_dataset((32, 32, 3))
    filters = [recipe.build(colour).get_layer("whiten").filters for recipe in (FAST, ACCURATE)]
    assert filters == [24, 28]
