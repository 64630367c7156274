"""What Keras and `save_model` saved comes back, and random damage is told in words."""

from __future__ import annotations

import ast
import io
import json
import os
import random
import tempfile
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from made_models import (
    IMAGES,
    LABELS,
    assert_comes_back,
    members_of,
    refused,
    sequential,
    trained,
    with_layers,
)

from helpers.basics import memory
from helpers.basics.errors import (
    CourseError,
    DamagedFileError,
)
from helpers.model_files.load import load_model
from helpers.model_files.save import save_model


def functional() -> keras.Model:
    """With a layer that is called twice, a sum of two branches and a model in the model."""
    image = keras.Input((12, 12, 1))
    shared = layers.Conv2D(1, 3, padding="same", activation="relu")
    summed = layers.Add()([shared(image), shared(shared(image))]) * 2.0
    head = keras.Sequential([keras.Input((12, 12, 1)), layers.Flatten(), layers.Dense(3)])
    return keras.Model(image, head(summed))


class TestGoodFiles:
    @pytest.mark.parametrize("build", [sequential, functional])
    def test_weights_optimizer_and_logits_are_the_same_bit_for_bit(self, build, tmp_path):
        before = trained(build())
        after = load_model(save_model(before, tmp_path / "cnn"))
        assert type(after) is type(before)
        for old, new in zip(before.weights, after.weights, strict=True):
            np.testing.assert_array_equal(old, new)
        for old, new in zip(before.optimizer.variables, after.optimizer.variables, strict=True):
            np.testing.assert_array_equal(old, new)
        assert int(after.optimizer.iterations) == 2
        np.testing.assert_array_equal(
            before.predict(IMAGES, verbose=0), after.predict(IMAGES, verbose=0)
        )

    def test_a_compiled_model_can_be_evaluated_at_once(self, model, tmp_path):
        after = load_model(save_model(model, tmp_path / "cnn"))
        expected = model.evaluate(IMAGES, LABELS, verbose=0)
        assert after.evaluate(IMAGES, LABELS, verbose=0) == pytest.approx(expected)

    def test_a_model_that_was_never_trained_loads_without_a_warning(self, tmp_path):
        before = sequential()
        before.compile("adam", "mse")
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            after = load_model(save_model(before, tmp_path / "cnn"))
        assert after.compiled
        assert int(after.optimizer.iterations) == 0

    def test_a_model_that_was_not_compiled_stays_so(self, tmp_path):
        assert not load_model(save_model(sequential(), tmp_path / "cnn")).compiled

    def test_the_ending_may_be_left_out(self, model, tmp_path):
        path = save_model(model, tmp_path / "cnn")
        (tmp_path / "cnn").mkdir()  # a folder of the same name does not come in between
        for name in (tmp_path / "cnn", str(path)):
            assert load_model(name).count_params() == model.count_params()

    def test_a_file_saved_by_a_newer_keras_3_loads_where_it_can(self, write_config):
        assert load_model(write_config(lambda config: None, version="3.99.0")).built

    def test_a_file_packed_anew_loads(self, write):
        assert load_model(write({}, packing=zipfile.ZIP_DEFLATED)).built

    def test_a_model_of_ones_own_class_loads_where_it_is_registered(self, tmp_path):
        @keras.saving.register_keras_serializable("tests")
        class Doubled(keras.Sequential):
            def call(self, *arguments, **options):
                return 2 * super().call(*arguments, **options)

        before = Doubled([keras.Input((3,)), layers.Dense(2)])
        after = load_model(save_model(before, tmp_path / "doubled"))
        assert type(after) is Doubled
        np.testing.assert_array_equal(after(np.ones((1, 3))), before(np.ones((1, 3))))

    def test_a_schedule_of_very_many_steps_loads(self, tmp_path):
        before = sequential()
        schedule = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=10**9)
        before.compile(keras.optimizers.SGD(schedule), "mse")
        assert load_model(save_model(before, tmp_path / "cnn")).compiled

    @pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
    def test_smaller_numbers_load_bit_for_bit(self, tmp_path, policy):
        half = keras.dtype_policies.DTypePolicy(policy)
        dense = layers.Dense(3, dtype=half)
        before = keras.Sequential([keras.Input((12, 12, 1)), layers.Flatten(dtype=half), dense])
        after = load_model(save_model(before, tmp_path / "cnn"))
        assert after.layers[-1].dtype_policy.name == policy
        np.testing.assert_array_equal(
            before.predict(IMAGES, verbose=0), after.predict(IMAGES, verbose=0)
        )

    def test_nothing_that_loading_tries_stays_behind_in_keras(self, write_config):
        load_model(write_config(lambda config: None))
        path = write_config(lambda config: config["config"]["layers"][-1]["config"].update(units=9))
        refused(path, DamagedFileError)
        # A scope that ends gives values to all variables that still wait for theirs.
        before = memory.available_memory()
        with keras.StatelessScope():
            pass
        assert before - memory.available_memory() < 500e6
        assert keras.Variable(np.ones(3)).shape == (3,)


ONE_MODEL_EACH = {
    (8, 8, 3): """
        AugMix AutoContrast CenterCrop(4,4) Conv2D(2,3) Conv2DTranspose(2,3) Cropping2D CutMix
        DepthwiseConv2D(3) Flatten GaussianNoise(0.1) GlobalAveragePooling2D GroupNormalization(1)
        GlobalMaxPooling2D MaxPooling2D AveragePooling2D(2) MixUp RandAugment RandomBrightness(0.1)
        RandomColorDegeneration(0.1) RandomColorJitter RandomContrast(0.1) RandomCrop(4,4)
        RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale
        RandomHue(0.1) RandomInvert RandomPerspective RandomPosterization(3) RandomRotation(0.1)
        RandomSaturation(0.1) RandomSharpness(0.1) RandomTranslation(0.1,0.1) RandomZoom(0.1)
        Rescaling(0.5) Resizing(4,4) SeparableConv2D(2,3) Solarization SpatialDropout2D(0.5)
        UpSampling2D ZeroPadding2D Normalization BatchNormalization PReLU AdaptiveMaxPooling2D(2)
    """,
    (6, 4): """
        Bidirectional(layers.LSTM(3)) Conv1D(2,3) GRU(3) LSTM(3) SimpleRNN(3) MaxPooling1D
        MultiHeadAttention(2,3) TimeDistributed(layers.Dense(3)) RNN(layers.GRUCell(3)) Masking
        GlobalAveragePooling1D AdditiveAttention Attention GroupQueryAttention(3,2,1) Permute((2,1))
    """,
    (16,): """
        Activation("relu") ActivityRegularization AlphaDropout(0.5) Dense(3) Dropout(0.5) ELU
        EinsumDense("ab,bc->ac",5) LayerNormalization LeakyReLU RMSNormalization RepeatVector(3)
        ReLU Reshape((4,4)) Softmax SpectralNormalization(layers.Dense(3)) UnitNormalization
        Identity Add Average Concatenate Dot(1) Maximum Minimum Multiply Subtract
    """,
    (4, 8, 8, 3): "Conv3D(2,3) ConvLSTM2D(2,3) MaxPooling3D GlobalAveragePooling3D UpSampling3D",
}


TWO_INPUTS = """
    Attention AdditiveAttention Add Average Concatenate Dot Maximum Minimum Multiply Subtract
"""


def layer_of(text: str) -> layers.Layer:
    """The layer that a text such as "Dense(3)" describes."""
    made = ast.parse(f"layers.{text}", mode="eval").body
    if isinstance(made, ast.Attribute):
        return getattr(layers, made.attr)()
    values = [
        layer_of(ast.unparse(value).removeprefix("layers."))
        if isinstance(value, ast.Call)
        else ast.literal_eval(value)
        for value in made.args
    ]
    return getattr(layers, made.func.attr)(*values)


class TestKindsOfModels:
    @pytest.mark.parametrize("shape", ONE_MODEL_EACH, ids=str)
    def test_the_layers_of_keras_come_back(self, shape, tmp_path):
        image, outputs = keras.Input(shape), []
        for text in ONE_MODEL_EACH[shape].split():
            made = layer_of(text)
            kind = type(made).__name__
            if kind in ("MultiHeadAttention", "GroupedQueryAttention"):
                outputs.append(made(image, image))
            elif kind in TWO_INPUTS.split():
                outputs.append(made([image, image]))
            else:
                outputs.append(made(image))
        images = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
        assert_comes_back(keras.Model(image, outputs), tmp_path / "cnn", images)

    def test_steps_schedules_and_several_outputs_come_back(self, tmp_path):
        image = keras.Input((12, 12, 1))
        flat = keras.ops.where(layers.Flatten()(image) > 100, 1.0, -float("inf"))
        flat = keras.ops.softmax(flat[:, 1:9]) + np.ones(8, "float32")
        outputs = {name: layers.Dense(1, name=name)(flat) for name in ("activation", "my_loss")}
        before = keras.Model(image, outputs)
        schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10**9, 0.9)
        before.compile(
            keras.optimizers.SGD(schedule),
            {"activation": keras.losses.Huber(), "my_loss": keras.losses.mean_squared_error},
            metrics={"activation": [keras.metrics.AUC()], "my_loss": ["mae"]},
        )
        assert_comes_back(before, tmp_path / "cnn")

    def test_all_that_a_layer_may_be_given_comes_back(self, tmp_path):
        seed = keras.random.SeedGenerator(3)
        before = with_layers(
            layers.Conv2D(
                2, 3, activation="gelu", dtype="mixed_bfloat16",
                kernel_initializer=keras.initializers.RandomNormal(seed=seed),
                kernel_regularizer=keras.regularizers.L1L2(), bias_regularizer="l2",
                bias_initializer="ones", kernel_constraint=keras.constraints.MaxNorm(1),
            )
        )  # fmt: skip
        assert_comes_back(before, tmp_path / "cnn")
        with warnings.catch_warnings():  # not all of its layers can be
            warnings.simplefilter("ignore", UserWarning)
            before.quantize("int8")
        assert_comes_back(before, tmp_path / "cnn")


def small_model() -> keras.Model:
    tiny = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(2, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    tiny.compile("sgd", "mse")
    return tiny


def with_another_number(config: bytes, randomly: random.Random) -> bytes:
    """A JSON text in which one number, anywhere, is another or none at all."""
    parsed = json.loads(config)
    places, waiting = [], [parsed]
    while waiting:
        part = waiting.pop()
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            if isinstance(value, dict | list):
                waiting.append(value)
            elif value is None or isinstance(value, int | float):
                places.append((part, key))
    part, key = randomly.choice(places)
    part[key] = randomly.choice([0, -1, 1, 2, 3, 7, 0.5, 1000, 10**7, 10**10, 1e300, True, None])
    return json.dumps(parsed).encode()


def damaged(whole: bytes, randomly: random.Random) -> bytes:
    """A model file, damaged as a disk, a network or a person might."""
    kind = randomly.choice(["cut", "flip", "swap", "number", "number", "weights"])
    if kind == "cut":
        return whole[: randomly.randrange(len(whole))]
    if kind == "flip":
        changed = bytearray(whole)
        for _ in range(randomly.choice([1, 1, 10])):
            changed[randomly.randrange(len(whole))] ^= 1 << randomly.randrange(8)
        return bytes(changed)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if kind == "swap":
        first, second = randomly.sample(sorted(members), 2)
        members[first], members[second] = members[second], members[first]
    elif kind == "number":
        members["config.json"] = with_another_number(members["config.json"], randomly)
    else:  # the first part says how the file is laid out; the numbers come after it
        weights = bytearray(members["model.weights.h5"])
        weights[randomly.randrange(8_000)] ^= 1 << randomly.randrange(8)
        members["model.weights.h5"] = bytes(weights)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def fuzz_model_files(rounds: int, seed: int) -> Counter[str]:
    """Load files with random damage: each loads to a model that answers, or is refused in words.

    Where a number of the config was changed to another that Keras takes, it is another model.

    Returns:
        How often what came out: "loaded" or the name of an error.
    """
    randomly = random.Random(seed)
    outcomes = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = save_model(small_model(), Path(folder) / "fuzzed")
        whole, members = path.read_bytes(), members_of(path)
        for _ in range(rounds):
            path.write_bytes(damaged(whole, randomly))
            try:
                loaded = load_model(path)
            except CourseError as error:
                assert "fuzzed.keras" in str(error)
                outcomes[type(error).__name__] += 1
                continue
            assert all(np.isfinite(weight).all() for weight in loaded.get_weights())
            if members_of(path)["config.json"] == members["config.json"]:
                assert loaded(np.zeros((1, 8, 8, 1), "float32")).shape == (1, 3)
            outcomes["loaded"] += 1
    return outcomes


def test_random_damage_is_told_in_words_or_does_no_harm():
    """`make fuzz` asks for more rounds, and for other ones with FUZZ_SEED."""
    rounds = 50 + 100 * int(os.environ.get("FUZZ", "1"))
    outcomes = fuzz_model_files(rounds, seed=int(os.environ.get("FUZZ_SEED", "0")))
    assert set(outcomes) <= {"loaded", "DamagedFileError", "ModelFileError"}
    assert min(outcomes["loaded"], outcomes["DamagedFileError"]) >= 5
