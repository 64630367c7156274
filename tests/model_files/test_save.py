"""Models are saved whole or not at all, and what could not be loaded again is said."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import random
import signal
import time
import types
from collections.abc import Callable, Iterator

import keras
import numpy as np
import pytest
import tensorflow
from keras import layers
from made_models import (
    IMAGES,
    LABELS,
    assert_comes_back,
    child_process,
    members_of,
    refused,
    with_layers,
)

from helpers.basics import memory
from helpers.basics.errors import (
    ModelFileError,
    StorageError,
    UsageError,
)
from helpers.model_files import archive as archive_module
from helpers.model_files.load import load_model
from helpers.model_files.save import save_model


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

    @pytest.mark.parametrize(
        ("name", "better"),
        [("cnn.h5", "cnn"), ("cnn.pt", "cnn"), ("cnn.KERAS", "cnn"), ("run_0.01", "run_0.01")],
    )
    def test_another_ending_is_refused(self, model, tmp_path, name, better):
        with pytest.raises(UsageError, match=rf"the ending \.keras, .* write {better}\.keras\.$"):
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


@keras.saving.register_keras_serializable("tests")
class Twice(layers.Layer):
    def call(self, images):
        return 2 * images


@keras.saving.register_keras_serializable("tests")
class Times(layers.Layer):
    """Its config does not say by how much, and nothing else does."""

    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, images):
        return self.factor * images

    def get_config(self):
        return super().get_config()


@keras.saving.register_keras_serializable("tests")
class Noisy(layers.Layer):
    def call(self, images):
        return images + keras.random.normal(keras.ops.shape(images))


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

    def test_one_larger_than_the_memory_is_not_loaded(self, tmp_path, monkeypatch):
        path = save_model(with_layers(Twice()), tmp_path / "cnn")
        weights = len(members_of(path)["model.weights.h5"])
        monkeypatch.setattr(memory, "available_memory", lambda: weights)
        refused(path, ModelFileError, "GB of memory, where")

    def test_one_for_images_of_any_height_is_saved(self, tmp_path):
        images = keras.Input((None, 12, 1))
        model = keras.Sequential([images, Twice(), layers.GlobalAveragePooling2D()])
        assert save_model(model, tmp_path / "cnn").exists()

    def test_a_layer_that_forgets_what_it_was_made_with_is_refused(self, tmp_path):
        model = with_layers(Times(-2.0))
        with pytest.raises(
            UsageError, match="answers otherwise when it is loaded. get_config of your"
        ):
            save_model(model, tmp_path / "cnn")
        assert list(tmp_path.iterdir()) == []

    def test_one_that_answers_at_random_is_saved_and_draws_the_same_after(self, tmp_path):
        drawn = []
        for saved in (False, True):
            keras.utils.set_random_seed(3)
            model = with_layers(Noisy())
            if saved:
                assert save_model(model, tmp_path / "cnn").exists()
            drawn.append(keras.ops.convert_to_numpy(model(IMAGES[:1])))
        np.testing.assert_array_equal(*drawn)

    def test_answers_by_name_are_compared_too(self, tmp_path):
        for factor in (1.0, -2.0):
            images = keras.Input((12, 12, 1))
            one = layers.Dense(3)(layers.Flatten()(Times(factor)(images)))
            model = keras.Model(images, {"a": one, "b": one})
            if factor == 1:
                assert save_model(model, tmp_path / "cnn").exists()
            else:
                with pytest.raises(UsageError, match="answers otherwise"):
                    save_model(model, tmp_path / "other")

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
