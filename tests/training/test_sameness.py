"""Whether a training that is kept is the one that is asked for."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
from made_trainings import (
    EPOCHS,
    as_built,
    bits,
    bits_of,
    compiled,
    ends_as,
    files_of,
    go,
    random_model,
)

from helpers import quiet_tensorflow
from helpers.basics.errors import CheckpointError
from helpers.training import sameness, state
from helpers.training.checkpoints import CheckpointFolder

with quiet_tensorflow():
    import keras


class TestAnotherTraining:
    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"batch_size": 4}, "batch_size: 4, not 8"),
            ({"seed": 1}, "seed: 1, not 0"),
            ({"patience": 7}, "patience: 7, not 50"),
            ({"patience": None}, "patience: None, not 50"),
            ({"rate": 0.01}, "learning_rate: 0.01, not 0.001"),
            ({"dropout": 0.4}, "rate: 0.4, not 0.3"),
            ({"outputs": "relu"}, "activation: relu, not linear"),
            ({"pixel": 1}, "training images: "),
            ({"label": 1}, "training images: "),
            ({"validation": 9}, "validation images: "),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_it_is_refused_the_change_named_and_nothing_changed(
        self, make_dataset, reference, tmp_path, change, named
    ):
        folder = shutil.copytree(reference.folder, tmp_path / "copy")
        before, change = files_of(folder), dict(change)
        dataset = make_dataset((9, 9, 1), validation=change.pop("validation", 12))
        images, labels = dataset.train.images.copy(), dataset.train.labels.copy()
        images[3, 4, 5] += change.pop("pixel", 0)
        labels[0] += change.pop("label", 0)
        dataset = replace(dataset, train=replace(dataset.train, images=images, labels=labels))
        model = random_model(keras.optimizers.Adam(change.pop("rate", 0.001)))
        model.layers[-2].rate = change.pop("dropout", 0.3)
        activation = keras.activations.get(change.pop("outputs", "linear"))
        model.layers[-1].activation = activation
        weights = bits(model.variables)
        with pytest.raises(CheckpointError) as raised:
            go(model, dataset, folder, **change)
        message = str(raised.value)
        assert message.startswith(
            f"Expected the training that is kept in {folder.as_posix()}. Received: another one ("
        )
        assert named in message
        assert message.endswith(
            "). Nothing was changed. Choose another folder for it, or set back what you changed."
        )
        assert len(message) < 500
        assert files_of(folder) == before
        assert bits(model.variables) == weights

    def test_a_model_with_one_layer_more(self, small, reference, tmp_path):
        folder = shutil.copytree(reference.folder, tmp_path / "copy")
        before = files_of(folder)
        inner = [*random_model().layers[:-1], keras.layers.Dense(4), keras.layers.Dense(3)]
        larger = keras.Sequential([keras.Input((9, 9, 1)), *inner])
        with pytest.raises(
            CheckpointError, match=r"another one \([^;]+;[^;]+;[^;]+ and \d+ more\)"
        ):
            go(compiled(larger, "adam"), small, folder)
        assert files_of(folder) == before

    def test_images_that_differ_are_not_shown_as_hashes(self, small, reference):
        labels = np.roll(small.train.labels, 1)
        other = replace(small, train=replace(small.train, labels=labels))
        with pytest.raises(CheckpointError, match=r"one \(training images: not the same\)\."):
            go(as_built(random_model), other, reference.folder)

    @pytest.mark.parametrize(
        ("optimizer", "frozen", "named"),
        [
            (keras.optimizers.Adam(0.5), False, "learning_rate: 0.5, not 0.001"),
            (keras.optimizers.SGD(), False, "class_name: SGD, not Adam"),
            ("adam", True, r"\(optimizer weights: not the same\)"),
        ],
    )
    def test_a_model_that_keras_cannot_describe(self, small, tmp_path, optimizer, frozen, named):
        class Own(keras.Model):
            def __init__(self, units):
                super().__init__()
                self.flatten = keras.layers.Flatten()
                self.hidden, self.logits = keras.layers.Dense(units), keras.layers.Dense(3)

            def call(self, images):
                return self.logits(self.hidden(self.flatten(images)))

        go(compiled(Own(4), "adam"), small, tmp_path, epochs=1)
        other = Own(4)
        other.hidden.trainable = not frozen
        before = files_of(tmp_path)
        with pytest.raises(CheckpointError, match=named):
            go(compiled(other, optimizer), small, tmp_path, epochs=2)
        assert files_of(tmp_path) == before

    def test_fewer_epochs(self, small, reference, tmp_path):
        folder = shutil.copytree(reference.folder, tmp_path / "copy")
        before = files_of(folder)
        with pytest.raises(CheckpointError) as raised:
            go(as_built(random_model), small, folder, epochs=3)
        assert str(raised.value) == (
            f"Expected at least the 4 epochs that are kept in {folder.as_posix()}. Received: "
            "epochs=3. Choose another folder for a shorter training."
        )
        assert files_of(folder) == before

    def test_a_folder_with_other_files(self, small, tmp_path):
        (tmp_path / "notes.txt").write_text("mine")
        model = as_built(random_model)
        weights = bits_of(model)
        with pytest.raises(CheckpointError, match="which holds 'notes.txt'. Nothing was changed"):
            go(model, small, tmp_path)
        assert files_of(tmp_path) == {"notes.txt": b"mine"}
        assert bits_of(model) == weights

    def test_other_files_that_came_later_do_no_harm(self, small, tmp_path):
        kept_by(as_built(random_model), small, tmp_path)
        copy = next(tmp_path.glob("epoch_00001_*")).stem + " (1).npz"
        for name in ("notes.txt", "desktop.ini", copy):
            (tmp_path / name).write_text("mine")
        assert go(as_built(random_model), small, tmp_path, epochs=2).epochs == 2
        assert {"notes.txt", "desktop.ini", copy} < files_of(tmp_path).keys()


def kept_by(model, small, folder, **options) -> None:
    """One epoch in the folder, as the options have it."""
    assert go(model, small, folder, epochs=1, **options).epochs == 1


class TestTheSameFunctions:
    """A training goes on with what functions do, whatever their name; see test_descriptions.py."""

    @pytest.fixture
    def changes(self):
        def brighter(images, random):
            return images + np.uint8(5)

        edited = brighter
        del brighter

        def brighter(images, random):
            return images // np.uint8(2)

        return edited, brighter

    def test_an_augmentation_that_was_edited_is_another(self, small, tmp_path, changes, capsys):
        before, edited = changes
        model = as_built(random_model)
        kept_by(model, small, tmp_path, augment=[before])
        files, weights = files_of(tmp_path), bits(model.variables)
        with pytest.raises(CheckpointError, match=r"one \(augmentation brighter: not the same\)"):
            go(model, small, tmp_path, augment=[edited])
        assert files_of(tmp_path) == files
        assert bits(model.variables) == weights
        assert go(model, small, tmp_path, epochs=2, augment=[before]).epochs == 2
        assert "not compared" not in capsys.readouterr().out

    def test_code_of_another_python_is_not_compared(self, small, tmp_path, changes, capsys):
        """Each has instructions of its own. All else is compared as ever."""
        before, edited = changes
        kept_by(as_built(random_model), small, tmp_path, augment=[before])
        kept = CheckpointFolder(tmp_path)
        newest, _ = kept.newest()
        facts = json.loads(json.dumps(newest.facts))
        facts["versions"]["python"] = "3.0"
        max(tmp_path.glob("epoch_*")).unlink()
        kept.save(replace(newest, facts=facts))
        with pytest.raises(CheckpointError, match=r"\(batch_size: 4, not 8\)"):
            go(as_built(random_model), small, tmp_path, batch_size=4, augment=[edited])
        assert go(as_built(random_model), small, tmp_path, epochs=2, augment=[edited]).epochs == 2
        said = "was not compared with before: all in augmentation brighter."
        assert said in capsys.readouterr().out

    def test_a_function_without_a_name_that_keras_would_write_down(self, small, tmp_path):
        """Keras warns of it, and a warning would be an error here."""
        layers = [keras.layers.Flatten(), keras.layers.Dense(3, activation=lambda x: x)]
        kept_by(
            compiled(keras.Sequential([keras.Input((9, 9, 1)), *layers]), "adam"), small, tmp_path
        )

    def test_what_it_holds_is_named(self, small, tmp_path):
        class Brighter:
            def __init__(self, by):
                self.by = np.uint8(1)
                self.times = by

            def __call__(self, images, random):
                return images

        kept_by(as_built(random_model), small, tmp_path, augment=[Brighter(1)])
        with pytest.raises(CheckpointError, match=r"\(augmentation Brighter: not the same\)"):
            go(as_built(random_model), small, tmp_path, augment=[Brighter(9)])

    def test_what_changes_while_it_is_trained_is_no_other_one(self, small, tmp_path):
        """It goes on in the same notebook, and in a new one, but not with other numbers in it."""

        def make(factor=1):
            held, numbers = {"factor": factor}, np.random.default_rng(factor)

            def augmentation(images, random):
                held["calls"] = held.get("calls", 0) + 1
                held[held["calls"]] = numbers.random()
                return images

            return augmentation

        same = make()
        for epochs in (1, 2):
            assert go(as_built(random_model), small, tmp_path, epochs=epochs, augment=[same])
        with pytest.raises(CheckpointError, match="augmentation augmentation: not the same"):
            go(as_built(random_model), small, tmp_path, epochs=3, augment=[make(2)])
        sameness.left_as.clear()  # as in a new notebook
        run = go(as_built(random_model), small, tmp_path, epochs=3, augment=[make()])
        assert run.epochs == 3

    @pytest.mark.parametrize("part", ["lambda", "layer", "loss"])
    def test_own_code_in_the_model(self, small, tmp_path, part):
        def model(factor):
            in_lambda, in_layer, in_loss = (
                factor if part == one else 1.0 for one in ("lambda", "layer", "loss")
            )

            class Own(keras.layers.Layer):
                def call(self, inputs):
                    return inputs * in_layer

            scale = lambda x: x * in_lambda  # noqa: E731

            def own_loss(labels, outputs):
                cross_entropy = keras.losses.sparse_categorical_crossentropy
                return in_loss * cross_entropy(labels, outputs, from_logits=True)

            keras.utils.set_random_seed(0)
            layers = [keras.layers.Flatten(), keras.layers.Lambda(scale), Own()]
            made = keras.Sequential([keras.Input((9, 9, 1)), *layers, keras.layers.Dense(3)])
            made.compile("adam", own_loss, metrics=["accuracy"])
            return made

        kept_by(model(2.0), small, tmp_path)
        name = {"lambda": "<lambda>", "layer": "Own", "loss": "own_loss"}[part]
        with pytest.raises(CheckpointError, match=f"one .own code {name}: not the same.\\. No"):
            go(model(3.0), small, tmp_path)

    def test_what_cannot_be_compared_is_said(self, small, tmp_path, capsys):
        lock = threading.Lock()

        def waits(images, random):
            with lock:
                return images

        kept_by(as_built(random_model), small, tmp_path, augment=[waits])
        assert capsys.readouterr().out == ""
        go(as_built(random_model), small, tmp_path, epochs=2, augment=[waits])
        assert capsys.readouterr().out.splitlines()[1:] == [
            "What cannot be looked into was not compared with before: lock in augmentation waits."
        ]

    def test_other_names_of_classes(self, small, reference):
        names = ("top", "centre", "bottom")
        other = replace(small, class_names=names)
        with pytest.raises(
            CheckpointError, match="class names: 'top', 'centre', 'bottom', not 'to"
        ):
            go(as_built(random_model), other, reference.folder)

    @pytest.mark.parametrize("setting", [{"jit_compile": True}, {"steps_per_execution": 3}])
    def test_another_way_to_compile(self, small, reference, setting):
        model = random_model()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"], **setting)
        with pytest.raises(CheckpointError, match=next(iter(setting))):
            go(model, small, reference.folder)

    def test_other_first_weights_are_said(self, small, reference, tmp_path, capsys):
        folder = shutil.copytree(reference.folder, tmp_path / "copy")
        model = as_built(random_model)
        model.layers[-1].bias.assign([1, 2, 3])
        ends_as(reference, go(model, small, folder), model)
        said = "The model came with other weights than the ones it was begun with, and has the kept"
        assert said in capsys.readouterr().out
        go(model, small, folder)  # these are the ones that it ended with
        go(as_built(random_model), small, folder)
        fresh = random_model()  # with another optimizer, as from a file
        fresh.set_weights(model.get_weights())
        go(fresh, small, folder)
        assert said not in capsys.readouterr().out

    @pytest.mark.parametrize("name", ["threads", "policy", "keras", "python"])
    def test_other_surroundings_are_said(
        self, small, reference, tmp_path, capsys, monkeypatch, name
    ):
        folder = shutil.copytree(reference.folder, tmp_path / "copy")
        now = sameness.surroundings(as_built(random_model))
        assert now["python"].count(".") == 1  # 3.13.1 has the instructions of 3.13.0
        monkeypatch.setattr(state, "surroundings", lambda model: now | {name: "another"})
        model = as_built(random_model)
        ends_as(reference, go(model, small, folder), model)
        assert capsys.readouterr().out.splitlines()[1:] == [
            f"It was begun otherwise ({name} another, not {now[name]}): the last digits may differ."
        ]

    def test_the_threads_are_those_that_tensorflow_was_given(self, monkeypatch):
        import tensorflow as tf

        threading_of = tf.config.threading
        monkeypatch.setattr(threading_of, "get_intra_op_parallelism_threads", lambda: 7)
        assert sameness.surroundings(as_built(random_model))["threads"] == "7"

    def test_a_policy_of_other_bits_is_no_other_training(self, small, tmp_path, capsys):
        """Layers that compute with 16 bits; their weights have 32 in both."""

        def model(policy):
            keras.utils.set_random_seed(0)
            layers = [keras.layers.Flatten(), keras.layers.Dense(3, dtype=policy, name="only")]
            return compiled(keras.Sequential([keras.Input((9, 9, 1)), *layers]), "adam")

        kept_by(model("mixed_bfloat16"), small, tmp_path)
        assert go(model("float32"), small, tmp_path, epochs=2).epochs == 2
        said = "policy float32, not float32 and mixed_bfloat16"
        assert said in capsys.readouterr().out


class TestOddCheckpoints:
    """Each has the hash of its content in its name; what it holds is that of no training."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda arrays, facts: arrays.pop("model/3"),
            lambda arrays, facts: arrays.pop("optimizer/0"),
            lambda arrays, facts: arrays.pop("best/0"),
            lambda arrays, facts: arrays.update({"model/3": np.zeros((5, 5), np.float32)}),
            lambda arrays, facts: arrays.update({"model/0": arrays["model/0"] * np.nan}),
            lambda arrays, facts: arrays.update({"model/0": np.full(arrays["model/0"].shape, "a")}),
            lambda arrays, facts: facts.pop("history"),
            lambda arrays, facts: facts.pop("begun_with"),
            lambda arrays, facts: facts["history"].update(loss=[1.0]),
            lambda arrays, facts: facts.update(begun_with=3),
            lambda arrays, facts: facts.update(seconds="long"),
        ],
    )
    def test_the_one_before_is_used(self, small, reference, tmp_path, capsys, change):
        folder = shutil.copytree(reference.folder, tmp_path / "copy")
        newest, _ = CheckpointFolder(folder).newest()
        arrays, facts = dict(newest.arrays), json.loads(json.dumps(newest.facts))
        change(arrays, facts)
        max(folder.glob("epoch_*")).unlink()
        kept = CheckpointFolder(folder)
        kept.newest()
        kept.save(replace(newest, arrays=arrays, facts=facts))
        found, useless = kept.newest(sameness.is_whole_checkpoint)
        assert (found.epoch, len(useless)) == (3, 1)
        assert useless[0].endswith(" does not hold what a training keeps")

    def test_a_whole_one_is_whole(self, reference):
        found, useless = CheckpointFolder(reference.folder).newest(sameness.is_whole_checkpoint)
        assert (found.epoch, useless) == (EPOCHS, [])

    def test_a_training_goes_on_from_the_one_before(self, small, reference, tmp_path, capsys):
        folder = shutil.copytree(reference.folder, tmp_path / "copy")
        odd = folder / f"epoch_00009_{'a' * 32}.npz"
        odd.mkdir()
        model = as_built(random_model)
        ends_as(reference, go(model, small, folder), model)
        assert capsys.readouterr().out == (
            f"The checkpoint {odd.name} is no file. The one before it is whole.\n"
            f"All is trained already: epoch 4 of 4, kept in {folder.as_posix()}.\n"
        )
