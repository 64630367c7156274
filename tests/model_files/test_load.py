"""Model files: saved whole or not at all, and loaded without trusting them.

Every file here is a real one: saved by Keras, by h5py, zipfile or pickle, then changed as a
bad disk or a bad person would. What is compared with is Keras itself and the bytes on disk.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import io
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import time
import types
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow
from keras import layers

import helpers
from helpers.basics import memory
from helpers.basics.errors import (
    CourseError,
    DamagedFileError,
    MissingFileError,
    ModelFileError,
    StorageError,
    UsageError,
)
from helpers.model_files import archive as archive_module
from helpers.model_files import names
from helpers.model_files.load import load_model
from helpers.model_files.save import save_model

PROJECT = Path(helpers.__file__).parent.parent
IMAGES = np.random.default_rng(0).integers(0, 256, (16, 12, 12, 1), dtype=np.uint8)
LABELS = np.arange(16) % 3


def sequential() -> keras.Model:
    """With all that an image model of the course has: augmentation, norm, dropout."""
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3),
        ]
    )


def functional() -> keras.Model:
    """With a layer that is called twice, a sum of two branches and a model in the model."""
    image = keras.Input((12, 12, 1))
    shared = layers.Conv2D(1, 3, padding="same", activation="relu")
    summed = layers.Add()([shared(image), shared(shared(image))]) * 2.0
    head = keras.Sequential([keras.Input((12, 12, 1)), layers.Flatten(), layers.Dense(3)])
    return keras.Model(image, head(summed))


def trained(model: keras.Model) -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(IMAGES, LABELS, batch_size=8, verbose=0)
    return model


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return trained(sequential())


@pytest.fixture(scope="module")
def good(model, tmp_path_factory) -> dict[str, bytes]:
    """The members of a good file, by name."""
    path = save_model(model, tmp_path_factory.mktemp("good") / "good")
    return members_of(path)


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(path: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def write(good, tmp_path) -> Callable[..., Path]:
    """Gives a function that writes a good file with other members, or none where given None."""

    def write_changed(changes: dict[str, bytes | None], **options) -> Path:
        members = {**good, **changes}
        kept = {name: content for name, content in members.items() if content is not None}
        return archive_of(tmp_path / "changed.keras", kept, **options)

    return write_changed


@pytest.fixture
def write_config(good, write) -> Callable[..., Path]:
    """Gives a function that writes a good file whose config a given function has changed."""

    def write_changed(change: Callable[[dict], object], version: str | None = None) -> Path:
        config = json.loads(good["config.json"])
        change(config)
        changes = {"config.json": json.dumps(config).encode()}
        if version:
            changes["metadata.json"] = json.dumps({"keras_version": version}).encode()
        return write(changes)

    return write_changed


def layer(kind: str, module: str = "keras.layers", **config) -> dict:
    """A layer as a config describes it."""
    config = {"name": "added", **config}
    return {"module": module, "class_name": kind, "config": config, "registered_name": kind}


def add_first(added: dict) -> Callable[[dict], None]:
    """A change of a config: `added` comes right after the input."""
    return lambda config: config["config"]["layers"].insert(1, added)


def refused(path: Path, kind: type[CourseError], *words: str) -> str:
    """Load a file, check that it is refused with its name and these words; give the message."""
    with pytest.raises(kind) as caught:
        load_model(path)
    message = str(caught.value)
    assert type(caught.value) is kind
    for word in ("Expected", "Received", path.stem, *words):
        assert word in message
    assert len(message) < 700
    assert "\n" not in message
    return message


def h5_bytes(fill: Callable[[h5py.File], object]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    return buffer.getvalue()


# -------------------------------------------------------------------------------- saving


class TestSaving:
    @pytest.mark.parametrize("name", ["cnn", "cnn.keras"])
    def test_the_ending_may_be_left_out(self, model, tmp_path, name):
        assert save_model(model, str(tmp_path / name)) == tmp_path / "cnn.keras"
        assert sorted(members_of(tmp_path / "cnn.keras")) == sorted(archive_module.MEMBERS)

    def test_it_makes_the_folder_and_leaves_nothing_else_there(self, model, tmp_path):
        save_model(model, tmp_path / "new" / "folder" / "cnn")
        assert [path.name for path in (tmp_path / "new").rglob("*.*")] == ["cnn.keras"]

    def test_keras_itself_can_load_the_file(self, model, tmp_path):
        loaded = keras.saving.load_model(save_model(model, tmp_path / "cnn"))
        np.testing.assert_array_equal(
            loaded.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0)
        )

    @pytest.mark.parametrize("name", ["cnn.h5", "cnn.pt", "cnn.KERAS", "run_0.01"])
    def test_another_ending_is_refused(self, model, tmp_path, name):
        with pytest.raises(UsageError, match=r"Expected a name with the ending \.keras"):
            save_model(model, tmp_path / name)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_is_refused_and_kept(self, model, tmp_path):
        with pytest.raises(UsageError, match="which is a folder"):
            save_model(model, tmp_path)
        assert tmp_path.is_dir()

    def test_swapped_arguments_are_told(self, model, tmp_path):
        with pytest.raises(UsageError, match="the other way round"):
            save_model(tmp_path / "cnn", model)

    def test_a_pytorch_model_is_told_how_it_is_saved(self, tmp_path):
        module = type("Linear", (), {"__module__": "torch.nn.modules.linear"})()
        with pytest.raises(UsageError, match=r"Received: PyTorch Linear\. .*torch\.save"):
            save_model(module, tmp_path / "cnn")

    @pytest.mark.parametrize("thing", [None, {"loss": [1.0]}, "cnn", layers.Dense(3)])
    def test_what_is_no_model_is_refused(self, thing, tmp_path):
        with pytest.raises(UsageError, match="Expected a Keras model to save"):
            save_model(thing, tmp_path / "cnn")

    @pytest.mark.parametrize("path", [None, 3, "a\0b"])
    def test_what_is_no_path_is_refused(self, model, path):
        with pytest.raises(UsageError, match="Expected a path, as text in quotes"):
            save_model(model, path)

    def test_a_model_without_weights_is_refused(self, tmp_path):
        with pytest.raises(UsageError, match="one that was not built"):
            save_model(keras.Sequential([layers.Dense(3)]), tmp_path / "cnn")
        assert list(tmp_path.iterdir()) == []

    def test_a_layer_that_cannot_be_described_is_refused_and_the_old_file_stays(self, tmp_path):
        class Mine(layers.Layer):
            def __init__(self, thing):
                super().__init__()
                self.thing = thing

        (tmp_path / "cnn.keras").write_bytes(b"old")
        mine = keras.Sequential([keras.Input((3,)), Mine(object())])
        with pytest.raises(UsageError, match="get_config"):
            save_model(mine, tmp_path / "cnn")
        assert (tmp_path / "cnn.keras").read_bytes() == b"old"


class FullDisk(io.FileIO):
    """A file on a disk that has room for so many bytes."""

    room = 0

    def write(self, content) -> int:
        if self.tell() + len(content) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


def writing(opened: Callable[..., object]) -> Callable[..., object]:
    """An `open` that gives `opened` for what is to be written."""
    own = open
    return lambda file, mode="r", *more, **options: (
        opened(file, mode) if "w" in mode else own(file, mode, *more, **options)
    )


class TestDisksThatRefuse:
    @pytest.mark.parametrize("room", [0, 100, 3_000, 20_000])
    def test_a_full_disk_leaves_the_old_file(self, model, tmp_path, monkeypatch, room):
        path = save_model(model, tmp_path / "cnn")
        before = path.read_bytes()
        assert room < len(before)
        monkeypatch.setattr(FullDisk, "room", room)
        monkeypatch.setattr("builtins.open", writing(FullDisk))
        with pytest.raises(StorageError, match=r"cnn\.keras\. Received: the disk is full"):
            save_model(model, path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO])
    def test_a_closed_folder_is_told_in_words(self, model, tmp_path, monkeypatch, number):
        def refuse(*arguments):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("builtins.open", writing(refuse))
        with pytest.raises(StorageError, match=f"Received: {os.strerror(number)}"):
            save_model(model, tmp_path / "cnn")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("name", "advice"),
        [("file/cnn", "another folder"), ("x" * 300, "(a shorter|another) name")],
    )
    def test_a_path_that_cannot_be_is_told_in_words(self, model, tmp_path, name, advice):
        (tmp_path / "file").write_text("a file, no folder")
        with pytest.raises(StorageError, match=f"Choose {advice}"):
            save_model(model, tmp_path / name)


SAVES_WITHOUT_END = """
import os, sys
import numpy as np
import keras
from helpers.model_files.save import save_model

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        number = int(line)
        model = keras.Sequential([keras.Input((256,)), keras.layers.Dense(1024)])
        os.write(1, b"%d\\n" % os.getpid())
        while True:
            number += 1
            model.set_weights([np.full(w.shape, number, "float32") for w in model.weights])
            save_model(model, sys.argv[1])
            os.write(1, b"saved %d\\n" % number)
    os.waitpid(child, 0)
    os.write(1, b"killed\\n")
"""


@contextlib.contextmanager
def child_process(program: str, *arguments: str) -> Iterator[subprocess.Popen]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", program, *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_killed_process_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "cnn.keras"
    randomly = random.Random(0)
    number = 0
    with child_process(SAVES_WITHOUT_END, str(path)) as process:
        for _ in range(10):
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            saver = int(process.stdout.readline())
            assert process.stdout.readline() == f"saved {number + 1}\n"
            time.sleep(randomly.uniform(0, 0.1))
            os.kill(saver, signal.SIGKILL)
            lines = list(iter(process.stdout.readline, "killed\n"))
            number += 1 + len(lines)
            values = {value for weight in load_model(path).weights for value in np.unique(weight)}
            assert len(values) == 1
            # Killed after the renaming and before it could say so, the new one is there.
            assert values <= {number, number + 1}
    save_model(keras.Sequential([keras.Input((1,)), layers.Dense(1)]), path)
    assert list(tmp_path.iterdir()) == [path]  # what the killed ones left behind is gone


# ------------------------------------------------------------------------ loading it back


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


# ------------------------------------------------------ what is saved can be loaded again


@keras.saving.register_keras_serializable("tests")
class Twice(layers.Layer):
    def call(self, images):
        return 2 * images


@keras.saving.register_keras_serializable("tests")
class Ones(layers.Layer):
    """Its weights cannot be declared only: they are made of an array."""

    def build(self, shape):
        self.ones = keras.Variable(np.ones(1, "float32"))

    def call(self, images):
        return images * self.ones


@keras.saving.register_keras_serializable("tests")
class Net(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.flat, self.dense = layers.Flatten(), layers.Dense(3)

    def call(self, images):
        return self.dense(self.flat(images))


@keras.saving.register_keras_serializable("tests")
def squared_relu(values):
    return keras.ops.relu(values) ** 2


@keras.saving.register_keras_serializable("tests")
def own_loss(labels, outputs):
    return keras.ops.mean(outputs, axis=-1)


@keras.saving.register_keras_serializable("tests")
class OwnMetric(keras.metrics.MeanMetricWrapper):
    def __init__(self, **options):
        super().__init__(own_loss, name="own")

    def get_config(self):
        return {}


@keras.saving.register_keras_serializable("tests")
class Own:
    """An initializer and a regularizer that is no class of Keras."""

    def __call__(self, weights, dtype=None):
        return keras.ops.sum(weights) if dtype is None else keras.ops.ones(weights, dtype)

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls()


def strangers() -> tuple[type, Callable]:
    """A layer and a function that nobody has registered."""

    class Stranger(layers.Layer):
        def call(self, images):
            return 3 * images

    def stranger(labels, outputs=0.0):
        return keras.ops.mean(labels - outputs, axis=-1)

    return Stranger, stranger


@keras.saving.register_keras_serializable("tests")
class Forgetful(layers.Layer):
    """Its config does not say how large its weights are."""

    def __init__(self, size=1, **options):
        super().__init__(**options)
        self.size = size

    def build(self, shape):
        self.weight = self.add_weight(shape=(self.size,))

    def call(self, images):
        return images * keras.ops.sum(self.weight)

    def get_config(self):
        return super().get_config()


def with_layers(*added, **compiled) -> keras.Model:
    built = keras.Sequential([keras.Input((12, 12, 1)), *added, layers.Flatten(), layers.Dense(3)])
    if compiled:
        built.compile(**compiled)
    return built


def assert_comes_back(before: keras.Model, path: Path, inputs: object = IMAGES) -> None:
    after = load_model(save_model(before, path))
    old, new = (keras.tree.flatten(m(inputs, training=False)) for m in (before, after))
    for first, second in zip(old, new, strict=True):
        np.testing.assert_array_equal(first, second)


class TestOwn:
    @pytest.mark.parametrize(
        "added",
        [
            [Twice(), Ones()],
            [layers.Conv2D(2, 3, activation=squared_relu, kernel_regularizer=Own())],
            [layers.Conv2D(2, 3, kernel_initializer=Own(), activation=layers.LeakyReLU(0.1))],
        ],
    )
    def test_registered_layers_and_functions_come_back(self, added, tmp_path):
        assert_comes_back(with_layers(*added), tmp_path / "cnn")

    def test_a_registered_model_with_loss_and_metrics_comes_back(self, tmp_path):
        before = Net()
        before.compile("adam", own_loss, metrics=[own_loss, OwnMetric(), "accuracy"])
        before.fit(IMAGES, np.eye(3)[LABELS], batch_size=8, verbose=0)
        assert_comes_back(before, tmp_path / "cnn")
        after = load_model(tmp_path / "cnn")
        assert after.loss is own_loss
        for old, new in zip(before.optimizer.variables, after.optimizer.variables, strict=True):
            np.testing.assert_array_equal(old, new)

    @pytest.mark.parametrize(
        "build",
        [
            lambda kind, function: (kind, with_layers(kind())),
            lambda kind, function: (function, with_layers(optimizer="adam", loss=function)),
            lambda kind, function: (function, with_layers(loss="mse", metrics=[function])),
            lambda kind, function: (
                function,
                with_layers(layers.ReLU(), layers.Activation(function)),
            ),
        ],
    )
    def test_what_is_not_registered_is_said_while_saving_and_its_advice_works(
        self, build, tmp_path
    ):
        thing, before = build(*strangers())
        name = thing.__name__
        (tmp_path / "cnn.keras").write_bytes(b"old")
        with pytest.raises(UsageError) as caught:
            save_model(before, tmp_path / "cnn")
        message = str(caught.value)
        assert f"one with {name!r}" in message
        assert "put @keras.saving.register_keras_serializable() above your own" in message
        assert "save_weights(" in message
        assert (tmp_path / "cnn.keras").read_bytes() == b"old"
        with registered(thing):
            assert load_model(save_model(before, tmp_path / "cnn")).built
        refused(tmp_path / "cnn", ModelFileError, f"Custom>{name}")
        with keras.saving.custom_object_scope({f"Custom>{name}": thing}):  # as the message says
            assert load_model(tmp_path / "cnn").built

    @pytest.mark.parametrize("number", [0, 1])
    def test_a_file_saved_unregistered_loads_as_its_message_says(self, number, tmp_path):
        kind, function = strangers()
        thing = (kind, function)[number]
        name = thing.__name__
        before = [with_layers(kind()), with_layers(loss=function)][number]
        before.save(tmp_path / "cnn.keras")
        message = refused(tmp_path / "cnn", ModelFileError, repr(name))
        assert f"custom_object_scope({{{name!r}: {name}}})" in message
        with keras.saving.custom_object_scope({name: thing}):
            assert load_model(tmp_path / "cnn").built


@contextlib.contextmanager
def registered(thing: object) -> Iterator[None]:
    """Register as a reader would, and forget it at the end."""
    keras.saving.register_keras_serializable()(thing)
    yield
    del keras.saving.get_custom_objects()[f"Custom>{thing.__name__}"]


def out_of_memory() -> Exception:
    return tensorflow.errors.ResourceExhaustedError(None, None, "out of memory")


class TestSaidWhileSaving:
    @pytest.mark.parametrize(
        ("build", "words"),
        [
            (lambda: with_layers(layers.Lambda(lambda x: x / 2)), "in __lambda__"),
            (lambda: with_layers(layers.Conv2D(1, 3, activation=lambda x: x)), "A lambda becomes"),
            (lambda: with_layers(optimizer="sgd", loss=lambda y, p: p), "in __lambda__"),
            (
                lambda: with_layers(optimizer="sgd", loss="mse", metrics=[lambda y, p: p]),
                "in __lambda__",
            ),
            (lambda: with_layers(Forgetful(5)), "Forgetful"),
            (lambda: with_layers(layers.RandomShear(0.1, 0.1)), "get_config of a layer gives all"),
        ],
    )
    def test_what_could_not_be_loaded(self, build, words, tmp_path):
        with pytest.raises(UsageError, match="load_model can load again") as caught:
            save_model(build(), tmp_path / "cnn")
        assert words in str(caught.value)
        assert list(tmp_path.iterdir()) == []

    def test_a_lambda_whose_source_is_nowhere(self, tmp_path):
        compiled = with_layers(
            optimizer="sgd",
            loss=types.FunctionType(
                (lambda labels, outputs: outputs).__code__.replace(co_filename="nowhere"),
                {},
                "<lambda>",
            ),
        )
        with pytest.raises(UsageError, match="source code"):
            save_model(compiled, tmp_path / "cnn")

    def test_a_layer_with_a_file_of_its_own(self, tmp_path):
        words = layers.StringLookup()
        words.adapt(["cat", "dog"])
        image = keras.Input((1,), dtype="string")
        with pytest.raises(UsageError, match=r"'assets/.*' besides config.json"):
            save_model(keras.Model(image, words(image)), tmp_path / "cnn")

    def test_words_in_a_list_are_no_file(self, tmp_path):
        image = keras.Input((1,), dtype="string")
        before = keras.Model(image, layers.StringLookup(vocabulary=["cat", "dog"])(image))
        assert load_model(save_model(before, tmp_path / "cnn")).built

    def test_a_number_that_is_too_large_is_not_called_a_strangers(self, tmp_path):
        image = keras.Input((2,))
        with pytest.raises(UsageError, match="20,000,0.. of something. .* Nothing was saved"):
            save_model(keras.Model(image, image * 20_000_000), tmp_path / "cnn")

    def test_its_weights_can_be_kept_as_it_says(self, tmp_path):
        stranger, _ = strangers()
        before = with_layers(stranger())
        with pytest.raises(UsageError) as caught:
            save_model(before, tmp_path / "cnn")
        path = tmp_path / "cnn.weights.h5"
        assert f"model.save_weights({str(path)!r})" in str(caught.value)
        before.save_weights(str(path))
        with_layers(stranger()).load_weights(str(path))

    @pytest.mark.parametrize("error", [MemoryError, out_of_memory])
    def test_too_little_memory_to_load_it_loses_no_model(self, model, tmp_path, monkeypatch, error):
        def fail(*arguments, **options):
            raise error()

        monkeypatch.setattr(keras.saving, "load_model", fail)
        path = save_model(model, tmp_path / "cnn")
        monkeypatch.setattr(memory, "available_memory", lambda: 1000)
        save_model(model, path)
        monkeypatch.undo()
        assert load_model(path).built

    def test_random_numbers_go_on_as_if_nothing_was_loaded(self, model, tmp_path):
        numbers = []
        for save in (lambda: None, lambda: save_model(model, tmp_path / "cnn")):
            keras.utils.set_random_seed(0)
            save()
            numbers.append([random.random(), *layers.Dense(2)(IMAGES[0, 0])[0]])
        np.testing.assert_array_equal(*numbers)


class TestDiverged:
    @pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
    def test_weights_that_are_no_numbers_are_said(self, tmp_path, number):
        before = with_layers(layers.BatchNormalization())
        before.layers[-1].bias.assign([0, number, 0])
        with pytest.raises(
            UsageError, match=r"weights 'dense.*/bias' are nan or infinite. Its training"
        ):
            save_model(before, tmp_path / "cnn")
        before.save(tmp_path / "cnn.keras")
        refused(tmp_path / "cnn", ModelFileError, "/bias' are nan or infinite", "diverged")


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


# ------------------------------------------------------------------- other kinds of files


class TestOtherKindsOfFiles:
    def test_a_missing_file_with_the_name_most_like_it(self, model, tmp_path):
        save_model(model, tmp_path / "classic_cnn")
        message = refused(tmp_path / "clasic_cnn", MissingFileError)
        assert str(tmp_path / "clasic_cnn.keras") in message
        assert f"Is it {tmp_path / 'classic_cnn.keras'}?" in message

    def test_a_missing_file_with_nothing_like_it(self, tmp_path):
        refused(tmp_path / "cnn", MissingFileError, "Save it first: save_model(model, ")

    def test_a_missing_folder(self, tmp_path):
        refused(tmp_path / "runs" / "cnn", MissingFileError, "no file of that name", "runs")

    @pytest.mark.parametrize("path", [None, 3, b"cnn", "a\0b"])
    def test_what_is_no_path(self, path):
        with pytest.raises(UsageError, match="Expected a path, as text in quotes"):
            load_model(path)

    def test_a_name_too_long(self, tmp_path):
        refused(tmp_path / ("x" * 300), MissingFileError, "File name too long")

    def test_a_folder_as_a_saved_model_is(self, tmp_path):
        (tmp_path / "cnn").mkdir()
        (tmp_path / "cnn" / "saved_model.pb").write_bytes(b"x")
        refused(tmp_path / "cnn", ModelFileError, "a folder", "SavedModel")

    def test_a_pipe_does_not_make_it_wait(self, tmp_path):
        os.mkfifo(tmp_path / "cnn.keras")
        refused(tmp_path / "cnn.keras", ModelFileError, "a device or a pipe")

    @pytest.mark.parametrize("name", ["cnn.h5", "cnn.keras", "cnn"])
    def test_an_hdf5_file_is_told_how_to_convert(self, tmp_path, name):
        model = sequential()
        model.save(tmp_path / "old.h5")
        path = (tmp_path / "old.h5").rename(tmp_path / name)
        message = refused(path, ModelFileError, "HDF5", "Keras 2", "call it cnn.h5 and convert it")
        old = tmp_path / "cnn.h5"
        path.rename(old)
        command = (
            f"keras.models.load_model('{old}', compile=False).save('{tmp_path / 'cnn.keras'}')"
        )
        assert command in message
        keras.models.load_model(str(old), compile=False).save(str(tmp_path / "cnn.keras"))
        for new, kept in zip(load_model(tmp_path / "cnn").weights, model.weights, strict=True):
            np.testing.assert_array_equal(new, kept)

    def test_weights_alone_are_told_how_they_come_back(self, model, tmp_path):
        model.save_weights(tmp_path / "cnn.weights.h5")
        path = tmp_path / "cnn.keras"
        path.write_bytes((tmp_path / "cnn.weights.h5").read_bytes())
        message = refused(path, ModelFileError, "weights alone")
        assert "model.load_weights('cnn.weights.h5')" in message
        sequential().load_weights(tmp_path / "cnn.weights.h5")

    @pytest.mark.parametrize("name", ["cnn.pt", "cnn.pkl", "cnn.keras"])
    def test_a_pickle_is_never_opened(self, tmp_path, name):
        class Bomb:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "exploded",))

        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        refused(tmp_path / name, ModelFileError, "pickle", "PyTorch", "weights_only=True")
        archive_of(tmp_path / "zipped.keras", {"archive/data.pkl": pickle.dumps(Bomb())})
        refused(tmp_path / "zipped.keras", ModelFileError, "pickle", "PyTorch")
        archive_of(tmp_path / "zipped.pt", {"zipped/data.pkl": pickle.dumps(Bomb())})
        refused(tmp_path / "zipped.pt", ModelFileError, "pickle", "PyTorch")
        assert not (tmp_path / "exploded").exists()

    def test_a_model_under_another_name_loads(self, model, tmp_path):
        path = save_model(model, tmp_path / "cnn").rename(tmp_path / "cnn.zip")
        assert load_model(path).count_params() == model.count_params()

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "an empty file"),
            (b"<!DOCTYPE html><html>Not found</html>", "no zip archive"),
            (b"PK\x03\x04", "a damaged file"),
            (b"x" + random.Random(0).randbytes(1000), "no zip archive"),
        ],
    )
    def test_what_is_no_zip(self, tmp_path, content, words):
        (tmp_path / "cnn.keras").write_bytes(content)
        refused(tmp_path / "cnn.keras", DamagedFileError, words)

    def test_a_damaged_hdf5_file(self, tmp_path):
        (tmp_path / "cnn.keras").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
        refused(tmp_path / "cnn.keras", ModelFileError, "an HDF5 file")

    def test_a_zip_of_something_else(self, tmp_path):
        path = archive_of(tmp_path / "photos.keras", {"a.txt": b"a"})
        refused(path, DamagedFileError, "without config.json, metadata.json, model.weights.h5")


# -------------------------------------------------------------------------- damaged files


class TestDamagedFiles:
    def test_cut_short_anywhere(self, model, tmp_path):
        path = save_model(model, tmp_path / "cnn")
        whole = path.read_bytes()
        ends = [1, 2, 3, 30, 100, *range(500, len(whole), len(whole) // 40), len(whole) - 1]
        for end in ends:
            path.write_bytes(whole[:end])
            refused(path, DamagedFileError, f"Expected a model of Keras 3 in {path}. Received: ")

    def test_one_bit_in_any_member(self, model, tmp_path):
        path = save_model(model, tmp_path / "cnn")
        whole = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            starts = [member.header_offset + 200 for member in archive.infolist()]
        for place in [*starts[1:], starts[0] - 120, len(whole) // 2, len(whole) - 1000]:
            changed = bytearray(whole)
            changed[place] ^= 4
            path.write_bytes(changed)
            refused(path, DamagedFileError, "damaged file")

    @pytest.mark.parametrize("name", archive_module.MEMBERS)
    def test_a_member_missing(self, write, name):
        refused(write({name: None}), DamagedFileError, f"without {name}")

    @pytest.mark.parametrize(
        "config",
        [b"", b"{", b"\xff\xfe", b"[]", b"3", b"null", b"{}", b'{"config": 3}', b"[" * 100_000],
    )
    def test_a_config_that_is_none(self, write, config):
        refused(write({"config.json": config}), DamagedFileError)

    @pytest.mark.parametrize(
        "config",
        [
            b'{"config": {}}',
            b'{"class_name": "Sequential", "module": "keras", "config": {"layers": 3}}',
            b'{"class_name": 3, "module": [], "config": {}}',
        ],
    )
    def test_a_config_of_another_shape(self, write, config):
        refused(write({"config.json": config}), DamagedFileError)

    def test_a_config_of_a_layer_alone(self, write):
        path = write({"config.json": json.dumps(layer("Dense", units=3)).encode()})
        refused(path, DamagedFileError, "a Dense and no model")

    def test_a_config_nested_beyond_all_bounds(self, write):
        start = b'{"class_name": "Sequential", "module": "keras", "config": '
        refused(
            write({"config.json": start + b'{"a":' * 900 + b"1" + b"}" * 901}), DamagedFileError
        )

    @pytest.mark.parametrize(
        "metadata",
        [b"", b"[]", b"{}", b'{"keras_version": 3}', b'{"keras_version": "new"}', b"[" * 100_000],
    )
    def test_metadata_without_a_version(self, write, metadata):
        refused(write({"metadata.json": metadata}), DamagedFileError)

    @pytest.mark.parametrize("weights", [b"", b"\x89HDF\r\n\x1a\n", b"\0" * 5000])
    def test_weights_that_are_no_hdf5(self, write, weights):
        refused(write({"model.weights.h5": weights}), DamagedFileError)

    def test_weights_of_another_model(self, write, tmp_path):
        other = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
        weights = members_of(save_model(other, tmp_path / "other"))["model.weights.h5"]
        refused(write({"model.weights.h5": weights}), DamagedFileError, "expected", "variables")

    def test_one_array_missing_names_its_layer(self, good, write):
        def without_a_kernel(file: h5py.File) -> None:
            del file["layers/dense/vars/0"]

        path = write({"model.weights.h5": changed_weights(good, without_a_kernel)})
        refused(path, DamagedFileError, "<Dense name=")

    def test_an_optimizer_without_its_state_is_not_passed_over_silently(self, good, write):
        def without_a_moment(file: h5py.File) -> None:
            del file["optimizer/vars/5"]

        path = write({"model.weights.h5": changed_weights(good, without_a_moment)})
        with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
            load_model(path)


def changed_weights(good: dict[str, bytes], change: Callable[[h5py.File], object]) -> bytes:
    buffer = io.BytesIO(good["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        change(file)
    return buffer.getvalue()


# -------------------------------------------------------------------- files of bad intent


class TestCode:
    @pytest.mark.parametrize("name", sorted(names.CODE))
    def test_a_layer_that_runs_code(self, write_config, name):
        path = write_config(add_first(layer(name)))
        refused(path, ModelFileError, "Python code", name, "safe mode")

    def test_a_lambda_that_keras_saved(self, tmp_path):
        before = keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: x + 1)])
        before.save(tmp_path / "cnn.keras")
        refused(tmp_path / "cnn", ModelFileError, "Python code", "lambda")

    def test_the_safe_mode_cannot_be_switched_off(self, write_config, monkeypatch):
        seen = []
        original = keras.saving.load_model

        def watched(path, **options):
            seen.append(options)
            return original(path, **options)

        monkeypatch.setattr(keras.saving, "load_model", watched)
        load_model(write_config(lambda config: None))
        assert seen == [{"safe_mode": True}]

    def test_nor_by_the_setting_of_keras_for_all_files(self, tmp_path):
        before = keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: x + 1)])
        before.save(tmp_path / "cnn.keras")

        def load_unsafely():
            keras.config.enable_unsafe_deserialization()  # for this thread
            keras.saving.load_model(tmp_path / "cnn.keras")
            refused(tmp_path / "cnn", ModelFileError, "Python code", "lambda")

        with ThreadPoolExecutor(1) as thread:
            thread.submit(load_unsafely).result()

    def test_a_layer_of_someone_is_named(self, write_config):
        path = write_config(add_first(layer("Swirl", module="mine")))
        message = refused(path, ModelFileError, "'Swirl'", keras.__version__, "not registered")
        assert "custom_object_scope({'Swirl': Swirl})" in message

    def test_a_layer_that_keras_does_not_have_is_named(self, write_config):
        path = write_config(add_first(layer("Swirl")))
        refused(path, ModelFileError, "Swirl'", keras.__version__)

    @pytest.mark.parametrize("name", ["a\nb", "x" * 5000, "f(); g", "p>" * 2000, ""])
    def test_a_name_of_any_form_stays_in_its_line(self, write_config, name):
        message = refused(write_config(add_first(layer(name, module="mine"))), ModelFileError)
        assert "Do not use this file" in message

    def test_a_function_of_someone_is_named(self, write_config):
        swirl = {"module": "builtins", "class_name": "function", "config": "swirl"}
        path = write_config(add_first(layer("Activation", activation=swirl)))
        refused(path, ModelFileError, "'swirl'")

    def test_a_newer_keras_is_named_with_the_one_here(self, write_config):
        path = write_config(add_first(layer("Swirl")), version="3.99.0")
        refused(path, ModelFileError, "3.99.0", keras.__version__, "Install")

    def test_a_newer_keras_that_stores_its_weights_in_another_way_is_named(self, write_config):
        path = write_config(
            lambda config: config["config"]["layers"][-1]["config"].update(units=9), "3.99.0"
        )
        refused(path, DamagedFileError, "3.99.0", keras.__version__)

    def test_a_layer_that_reads_a_file_of_this_computer(self, write_config):
        path = write_config(add_first(layer("StringLookup", vocabulary="/etc/passwd")))
        refused(path, ModelFileError, "a file of this computer")

    @pytest.mark.parametrize("version", ["2.15.0", "4.0.1"])
    def test_another_major_version_is_refused(self, write_config, version):
        path = write_config(lambda config: None, version=version)
        refused(path, ModelFileError, f"saved by Keras {version}")

    def test_an_interrupt_passes(self, write_config, monkeypatch):
        def interrupt(*arguments, **options):
            raise KeyboardInterrupt

        path = write_config(lambda config: None)
        monkeypatch.setattr(keras.saving, "load_model", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load_model(path)

    @pytest.mark.parametrize("error", [MemoryError(), RecursionError("too deep"), SystemError("x")])
    def test_whatever_keras_raises_is_told_in_words(self, write_config, monkeypatch, error):
        def fail(*arguments, **options):
            raise error

        path = write_config(lambda config: None)
        monkeypatch.setattr(keras.saving, "load_model", fail)
        with pytest.raises(CourseError, match="Received: one that") as caught:
            load_model(path)
        assert caught.value.__cause__ is error


def public_functions() -> dict[tuple[str, str], object]:
    """Every function that Keras has in public, by its module and name."""
    found, waiting, seen = {}, [keras], {id(keras)}
    while waiting:
        module = waiting.pop()
        for name, value in vars(module).items():
            if name == "src":  # not in public
                continue
            if isinstance(value, types.ModuleType) and value.__name__.startswith("keras."):
                waiting += [value] if id(value) not in seen else []
                seen.add(id(value))
            elif isinstance(value, types.FunctionType) and not name.startswith("_"):
                found[module.__name__, name] = value
    return found


def config_with(place: str, named: object) -> bytes:
    """The config of a small compiled model with this in one place."""
    dense = layer("Dense", units=3)
    described = {
        "module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [dense]},
        "compile_config": {"optimizer": layer("SGD", module="keras.optimizers"), "loss": "mse"},
    }  # fmt: skip
    compiled = described["compile_config"]
    where = {
        "loss": compiled, "metrics": compiled, "optimizer": compiled,
        "learning_rate": compiled["optimizer"]["config"], "layers": described["config"],
        "inbound_nodes": dense, "module": described, "build_config": dense,
    }.get(place, dense["config"])  # fmt: skip
    where[place] = named if place in ("optimizer", "learning_rate") else [named]
    return json.dumps(described).encode()


def passes(place: str, named: object) -> bool:
    try:
        names.check_config(config_with(place, named))
    except archive_module.Refused:
        return False
    return True


PLACES = (
    "activation",
    "kernel_initializer",
    "units",
    "loss",
    "optimizer",
    "layers",
    "build_config",
)
FUNCTIONS = public_functions()
MAY_BE_NAMED = {"keras.activations", "keras.losses", "keras.metrics"}
LOOKUPS = {"get", "serialize", "deserialize"}  # the other functions of these three modules


class TestNames:
    def test_of_all_functions_of_keras_it_may_name_those_of_models(self):
        allowed = {
            (module, name)
            for module, name in FUNCTIONS
            if module in MAY_BE_NAMED and name not in LOOKUPS
        }
        assert len(FUNCTIONS) > 700
        assert len(allowed) > 70
        same = {FUNCTIONS[each] for each in allowed}  # some are given out by other modules too
        for (module, name), function in FUNCTIONS.items():
            named = {"class_name": "function", "config": name, "registered_name": name}
            assert passes("loss", {**named, "module": module}) == (function in same), name
            as_class = {"class_name": name, "config": {}, "module": module}
            assert not passes("loss", as_class), name
            known = name in {name for _, name in allowed}
            assert passes("loss", {**named, "module": "builtins"}) == known, name

    @pytest.mark.parametrize("place", PLACES)
    def test_it_is_refused_in_any_place(self, place):
        named = {"class_name": "function", "config": "get_file", "module": "keras.utils"}
        assert not passes(place, named)
        assert not passes(place, [{"deep": named}])

    def test_what_keras_saves_passes(self, good):
        assert names.check_config(good["config.json"]) is False
        for name in ("relu", "softmax", "gelu"):
            function = {"module": "builtins", "class_name": "function", "config": name}
            assert passes("activation", function)

    def test_keras_looks_for_nothing_before(self, write_config, monkeypatch):
        def never(*arguments, **options):
            raise AssertionError("Keras was asked")

        called = []
        monkeypatch.setattr(keras.config, "set_max_epochs", called.append)
        monkeypatch.setattr(keras.saving, "deserialize_keras_object", never)
        monkeypatch.setattr(keras.saving, "load_model", never)
        named = {"module": "keras.config", "class_name": "function", "config": "set_max_epochs"}

        def change(config: dict) -> None:
            config["config"]["layers"][4]["config"]["activation"] = named

        refused(write_config(change), ModelFileError, "keras.config.set_max_epochs")
        path = write_config(lambda config: config["compile_config"].update(loss=named))
        refused(path, ModelFileError, "keras.config.set_max_epochs")
        assert called == []

    @pytest.mark.parametrize(
        "named",
        [
            {"class_name": "Ones", "config": {}},  # the way of Keras 2, without a module
            {"module": "keras.initializers", "class_name": ["Ones"], "config": {}},
            {"module": "keras.initializers", "class_name": "Ones", "registered_name": "load_img"},
            {"module": "os", "class_name": "system", "config": {}},
            {"module": "builtins", "class_name": "eval", "config": {}},
            {"module": "builtins", "class_name": "function", "config": "eval"},
            {"module": "keras.initializers", "class_name": "function", "config": "Ones"},
            {"module": "keras.src.saving.serialization_lib", "class_name": "SafeModeScope"},
            {"module": None, "class_name": "Ones", "registered_name": "mine>Ones", "config": {}},
            {"class_name": "__lambda__", "config": {"value": ["", None, None]}},
            {"class_name": "__typespec__", "module": "keras", "config": []},
            {"class_name": "__numpy__", "config": layer("get_file", "keras.utils")},
            {"module": "keras", "class_name": "Model", "registered_name": 3},
            [{"deep": {"class_name": "function", "module": "keras.utils", "config": "get_file"}}],
        ],
    )
    @pytest.mark.parametrize("place", ["kernel_initializer", "layers", "units", "loss"])
    def test_other_ways_to_name_something_are_closed(self, named, place):
        assert not passes(place, named)

    def test_a_metric_in_the_place_of_an_optimizer(self, write_config):
        metric = layer("MeanIoU", module="keras.metrics", num_classes=10)
        path = write_config(lambda config: config["compile_config"].update(optimizer=metric))
        refused(path, DamagedFileError, "one that Keras cannot load")


def lying_about_size(whole: bytes, member: str, size: int) -> bytes:
    """An archive whose directory says another size of a member, in both places."""
    changed = bytearray(whole)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        start = archive.getinfo(member).header_offset
    changed[start + 22 : start + 26] = size.to_bytes(4, "little")
    entry = whole.index(b"PK\x01\x02")
    while whole[entry + 46 :].startswith(member.encode()) is False:
        entry = whole.index(b"PK\x01\x02", entry + 4)
    changed[entry + 24 : entry + 28] = size.to_bytes(4, "little")
    return bytes(changed)


class TestSizesThatLie:
    @pytest.mark.parametrize("size", [1000, 20_000])
    @pytest.mark.parametrize("member", archive_module.MEMBERS)
    def test_no_more_is_unpacked_than_was_said(self, write, member, size, monkeypatch):
        path = write({member: b" " * 3_000_000}, packing=zipfile.ZIP_DEFLATED)
        path.write_bytes(lying_about_size(path.read_bytes(), member, size))
        largest = []
        original = zlib.decompressobj

        class Watched:
            def __init__(self, *arguments):
                self.inner = original(*arguments)

            def decompress(self, *arguments):
                content = self.inner.decompress(*arguments)
                largest.append(len(content))
                return content

            def __getattr__(self, name):
                return getattr(self.inner, name)

        monkeypatch.setattr(zlib, "decompressobj", Watched)
        refused(path, DamagedFileError, "damaged file")
        assert max(largest) <= max(size, 8192)

    def test_a_size_beyond_what_is_there(self, write):
        path = write({})
        path.write_bytes(lying_about_size(path.read_bytes(), "config.json", 9_000_000))
        refused(path, DamagedFileError, "damaged file")

    @pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_what_cannot_be_unpacked_piece_by_piece_is_refused(self, write, packing):
        refused(write({}, packing=packing), ModelFileError, "packed in an unusual way")

    def test_a_file_that_changes_after_the_check_is_loaded_as_it_was(
        self, model, tmp_path, monkeypatch
    ):
        path = save_model(model, tmp_path / "cnn")
        original = keras.saving.load_model

        def changed_meanwhile(file, **options):
            path.write_bytes(b"something else")
            return original(file, **options)

        monkeypatch.setattr(keras.saving, "load_model", changed_meanwhile)
        for new, kept in zip(load_model(path).weights, model.weights, strict=True):
            np.testing.assert_array_equal(new, kept)
        assert path.read_bytes() == b"something else"


class TestArchives:
    @pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "assets/a.txt", "C:\\evil"])
    def test_another_member_is_refused(self, write, name):
        refused(write({name: b"x"}), ModelFileError, "besides config.json")

    def test_a_member_twice_is_refused(self, write):
        path = write({})
        with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
            warnings.simplefilter("ignore")
            archive.writestr("config.json", b"{}")
        refused(path, ModelFileError, "'config.json'", "each once")

    def test_weights_that_unpack_to_far_more_are_refused_unread(self, write):
        path = write({"model.weights.h5": b"\0" * 50_000_000}, packing=zipfile.ZIP_DEFLATED)
        assert path.stat().st_size < 60_000
        refused(path, ModelFileError, "unpack to 50,000,000 bytes of model.weights.h5")

    def test_weights_larger_than_the_memory_are_refused_unread(self, write, monkeypatch):
        monkeypatch.setattr(memory, "available_memory", lambda: 20_000)
        refused(write({}), ModelFileError, "model.weights.h5", "memory")

    def test_a_config_of_many_megabytes_is_refused(self, write):
        path = write({"config.json": b" " * 11_000_000})
        refused(path, ModelFileError, "11,000,000 bytes of config.json")


class TestWeights:
    def changed(self, good, write, change) -> Path:
        def with_another_array(file: h5py.File) -> None:
            del file["layers/dense/vars/0"]
            change(file["layers/dense/vars"])

        return write({"model.weights.h5": changed_weights(good, with_another_array)})

    @pytest.mark.parametrize(
        "link", [h5py.SoftLink("/layers"), h5py.ExternalLink("/etc/passwd", "/")]
    )
    def test_links_are_refused(self, good, write, link):
        path = self.changed(good, write, lambda group: group.__setitem__("0", link))
        refused(path, DamagedFileError)

    def test_numbers_in_another_file_are_refused(self, good, write, tmp_path):
        secret = tmp_path / "secret"
        secret.write_bytes(b"\0" * 1200)

        def outside(group: h5py.Group) -> None:
            group.create_dataset("0", (100, 3), "float32", external=[(str(secret), 0, 1200)])

        path = self.changed(good, write, outside)
        refused(path, ModelFileError, "weights that lie elsewhere")

    def test_a_view_of_other_arrays_is_refused(self, good, write):
        layout = h5py.VirtualLayout((100, 3), "float32")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (100, 3))
        path = self.changed(good, write, lambda g: g.create_virtual_dataset("0", layout))
        refused(path, ModelFileError, "weights that lie elsewhere")

    def test_texts_and_references_are_refused(self, good, write):
        kind = h5py.string_dtype()
        path = self.changed(good, write, lambda g: g.create_dataset("0", (100, 3), kind))
        refused(path, ModelFileError, "weights that lie elsewhere")

    def test_a_huge_array_of_packed_zeros_is_refused(self, good, write):
        options = {"chunks": (1000, 3), "compression": "gzip"}
        shape = (10**9, 3)
        path = self.changed(good, write, lambda g: g.create_dataset("0", shape, "f4", **options))
        refused(path, ModelFileError, "bytes of weights that unpack to 12,0")

    def test_one_array_under_many_names_is_refused(self, good, write):
        def many_names(group: h5py.Group) -> None:
            group.create_dataset("0", data=np.zeros((100, 3), "float32"))
            for number in range(2000):
                group[f"copy_{number}"] = group["0"]

        refused(self.changed(good, write, many_names), DamagedFileError, "<Dense name=")

    def test_a_group_inside_itself_does_not_hang(self, good, write):
        def inside_itself(group: h5py.Group) -> None:
            group.create_dataset("0", data=np.zeros((100, 3), "float32"))
            group["again"] = group.parent

        with contextlib.suppress(CourseError):
            load_model(self.changed(good, write, inside_itself))

    def test_groups_in_groups_without_end_are_refused(self, good, write):
        path = self.changed(good, write, lambda group: group.create_group("/".join("g" * 150)))
        refused(path, ModelFileError, "more than 100 groups deep")


def on_another() -> dict:
    """A call of a layer on the output of another."""
    return {"args": [{"class_name": "__keras_tensor__", "config": {}}], "kwargs": {}}


class TestMemory:
    @pytest.mark.parametrize("extra", [{}, {"extra": on_another()["args"]}])
    def test_numbers_that_are_computed_while_it_is_built_are_refused(self, tmp_path, extra):
        """Two thousand times two thousand of them, of one: it could be billions."""
        image = keras.Input((3,))
        path = save_model(keras.Model(image, layers.Dense(2)(image)), tmp_path / "cnn")
        members = members_of(path)
        config = json.loads(members["config.json"])
        one = {"class_name": "__tensor__", "config": {"value": [1.0], "dtype": "float32", **extra}}
        enlarge = layer("BroadcastTo", "keras.src.ops.numpy", shape=[2000, 2000])
        enlarge.update(name="added", inbound_nodes=[{"args": [one], "kwargs": {}}])
        config["config"]["layers"].append(enlarge)
        archive_of(path, {**members, "config.json": json.dumps(config).encode()})
        refused(path, ModelFileError, "computes numbers while it is built")

    def test_more_thresholds_than_anyone_needs_are_refused(self, write_config):
        metrics = [layer("AUC", "keras.metrics", name=n, num_thresholds=6_000_000) for n in "ab"]
        path = write_config(lambda config: config["compile_config"].update(metrics=metrics))
        refused(path, ModelFileError, "asks for 12,0")

    def test_numbers_of_many_bytes_are_refused(self, write_config):
        array = layer("__numpy__", "builtins", value=[1], dtype="S1000000000")
        array["config"].pop("name", None)
        constant = layer("Constant", "keras.initializers", value=array)
        path = write_config(
            lambda config: config["config"]["layers"][-1]["config"].update(
                kernel_initializer=constant
            )
        )
        refused(path, ModelFileError, "numbers of type 'S1000000000'")

    def test_a_number_of_billions_is_refused(self, write_config):
        path = write_config(
            lambda config: config["config"]["layers"][-1]["config"].update(units=10**10)
        )
        refused(path, ModelFileError, "asks for 10,000,000,")

    def test_layers_larger_than_the_memory_are_refused(self, write_config, monkeypatch):
        monkeypatch.setattr(memory, "available_memory", lambda: 8 * 10**9)
        path = write_config(
            lambda config: config["config"]["layers"][-1]["config"].update(units=9_000_000)
        )
        # 100 x 9,000,000 weights of 4 bytes, four times: Adam keeps numbers for each.
        refused(path, ModelFileError, "needs 14.5 GB of memory, where 8.0 GB are free")

    def test_an_output_larger_than_the_memory_is_refused(self, write_config):
        enlarge = layer("UpSampling2D", size=[10**6, 10**6])
        reduce = layer("GlobalMaxPooling2D", name="reduce")

        def enlarge_then_reduce(config: dict) -> None:
            config["config"]["layers"][1:] = [enlarge, reduce]

        # 12,000,000 x 12,000,000 pixels of 4 bytes
        refused(write_config(enlarge_then_reduce), ModelFileError, "576,000.0 GB of memory")

    def test_a_layer_called_again_and_again_is_refused(self, tmp_path):
        image = keras.Input((1, 1, 1))
        enlarged, enlarge = image, layers.UpSampling2D(100)
        for _ in range(3):
            enlarged = enlarge(enlarged)
        reduced = layers.GlobalMaxPooling2D()(enlarged)
        path = save_model(keras.Model(image, reduced), tmp_path / "cnn")
        refused(path, ModelFileError, "4,000.0 GB of memory")

    def test_a_metric_larger_than_the_memory_is_refused(self, write_config):
        metric = layer("MeanIoU", module="keras.metrics", num_classes=10**6)
        path = write_config(lambda config: config["compile_config"].update(metrics=[metric]))
        refused(path, ModelFileError, "GB of memory, where")

    def test_a_weight_that_is_looked_at_while_building_is_not_made(self, write_config):
        whole = layer("Normalization", axis=[1, 2, 3])
        whole["build_config"] = {"input_shape": [None, 10**5, 10**5, 10**2]}
        refused(write_config(add_first(whole)), ModelFileError, "4,000.0 GB of memory")

    def test_models_in_models_that_would_take_hours_are_refused(self, write_config):
        def nest(config: dict) -> None:
            inner = config["config"]["layers"][-1]
            for _ in range(20):  # each model calls the one in it twice
                called_twice = {**inner, "inbound_nodes": [on_another(), on_another()]}
                inner = layer("Functional", "keras.src.models.functional", layers=[called_twice])
            config["config"]["layers"].append(inner)

        refused(write_config(nest), ModelFileError, "calls its layers too often")

    def test_calls_are_counted_as_keras_makes_them(self):
        """A Sequential model is built anew with each layer; others list the calls of a layer."""
        once, twice = {"inbound_nodes": [{}]}, {"inbound_nodes": [{}, {}]}
        for inside, calls in (([{}, {}, {}], 3 + 2 + 1), ([once, twice], 1 + 2), ([], 1)):
            assert names._calls({"config": {"layers": inside}}) == calls

    def test_very_many_layers_are_refused(self, write_config):
        many = [layer("ReLU", name=f"relu_{number}") for number in range(1000)]
        path = write_config(lambda config: config["config"]["layers"].extend(many))
        refused(path, ModelFileError, "calls its layers too often")

    def test_what_is_free_decides(self, good, write_config, monkeypatch):
        path = write_config(lambda config: None)
        weights = len(good["model.weights.h5"])
        monkeypatch.setattr(memory, "available_memory", lambda: weights + 20_000)
        assert load_model(path).built
        monkeypatch.setattr(memory, "available_memory", lambda: weights)
        refused(path, ModelFileError, "GB of memory, where")


MEASURES_REFUSALS = """
import resource, sys
from helpers.basics.errors import CourseError
from helpers.model_files.load import load_model

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

load_model(sys.argv[1])
before = peak()
for path in sys.argv[2:]:
    try:
        load_model(path)
    except CourseError:
        print(peak() - before, flush=True)
"""


def test_refusing_ten_billion_weights_takes_no_memory(good, tmp_path):
    paths = [archive_of(tmp_path / "good.keras", good)]
    changes = {
        "wide": {"units": 10**10},
        "square": {"units": 3_000_000},
    }
    for name, change in changes.items():
        config = json.loads(good["config.json"])
        if name == "square":  # 3,000,000 x 3,600: ten billion, from two harmless numbers
            config["config"]["layers"][-1:-1] = [layer("Dense", units=3_600)]
        config["config"]["layers"][-1]["config"].update(change)
        changed = {**good, "config.json": json.dumps(config).encode()}
        paths.append(archive_of(tmp_path / f"{name}.keras", changed, zipfile.ZIP_DEFLATED))
        assert paths[-1].stat().st_size < 20_000
    with child_process(MEASURES_REFUSALS, *map(str, paths)) as process:
        grown, _ = process.communicate(timeout=60)
    megabytes = [int(line) for line in grown.split()]
    assert len(megabytes) == 2
    assert max(megabytes) < 100


# -------------------------------------------------------------------------- random damage


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
