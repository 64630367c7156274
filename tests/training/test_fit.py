"""Training: the order of the images, what is kept of a run, and what is shown while it runs."""

from __future__ import annotations

import errno
import functools
import json
import os
import random
import re
import shutil
import signal
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import TrainingRun, quiet_tensorflow, train
from helpers.basics import quiet
from helpers.basics.errors import CheckpointError, MismatchError, StorageError, UsageError, wrapped
from helpers.training import checkpoints, progress, sameness, state
from helpers.training.checkpoints import CheckpointFolder

with quiet_tensorflow():
    import keras


def dense_model() -> keras.Model:
    """The smallest model that takes the images and learns something."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((18, 18, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )


def compiled(model: keras.Model, optimizer) -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    return model


@functools.cache
def built_once(kind) -> tuple[keras.Model, list[np.ndarray]]:
    model = kind()
    model = model if model.compiled else compiled(model, "adam")
    model.optimizer.build(model.trainable_variables)
    return model, [np.array(v) for v in (*model.variables, *model.optimizer.variables)]


def as_built(kind) -> keras.Model:
    """A model as `kind` builds it, with the graphs that Keras made of it in earlier tests.

    Making them takes nearly all the time of a short training.
    """
    model, values = built_once(kind)
    variables = [*model.variables, *model.optimizer.variables]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return model


@pytest.fixture(autouse=True)
def interrupts():
    """As a terminal has them: where the tests run in the background, they may be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# ----------------------------------------------------------------------------------- train


class TestTrain:
    def test_it_learns_and_says_what_happened(self, dataset):
        run = train(as_built(dense_model), dataset, epochs=12, batch_size=8, seed=5, progress=False)
        assert sorted(run.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
        assert {len(values) for values in run.history.values()} == {12}
        assert all(isinstance(value, float) for values in run.history.values() for value in values)
        assert run.epochs == 12
        assert (run.batch_size, run.seed, run.source) == (8, 5, dataset.source)
        assert run.history["loss"][-1] < run.history["loss"][0]
        assert run.validation_accuracy == run.history["val_accuracy"][-1] > 0.9
        assert run.seconds > 0

    def test_the_history_holds_what_keras_itself_measures(self, dataset):
        model = as_built(dense_model)
        run = train(model, dataset, epochs=2, batch_size=8, progress=False)
        split = dataset.validation
        loss, accuracy = model.evaluate(split.images, split.labels, verbose=0)
        assert run.history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)
        assert run.validation_accuracy == pytest.approx(accuracy)

    def test_a_run_cannot_be_changed_afterwards(self, dataset):
        run = train(as_built(dense_model), dataset, epochs=1, progress=False)
        with pytest.raises(AttributeError):
            run.seconds = 1.0
        with pytest.raises(TypeError):
            run.history["loss"] = (0.0,)

    def test_the_seed_decides_the_run(self, dataset):
        histories = [
            dict(
                train(
                    as_built(dense_model),
                    dataset,
                    epochs=2,
                    batch_size=8,
                    seed=seed,
                    progress=False,
                ).history
            )
            for seed in (0, 0, 1)
        ]
        assert histories[0] == histories[1] != histories[2]

    def test_the_seed_decides_the_random_layers_too(self, make_dataset):
        """One image, so that there is no order to decide; weights that stay."""

        def losses(built_with: int, seed: int) -> tuple[float, ...]:
            keras.utils.set_random_seed(built_with)
            dropout = keras.Sequential(
                [
                    keras.Input((18, 18, 1)),
                    keras.layers.Flatten(),
                    keras.layers.Dropout(0.5),
                    keras.layers.Dense(3),
                ]
            )
            dropout.set_weights(dense_model().get_weights())
            model = compiled(dropout, keras.optimizers.SGD(0.0))
            one = make_dataset(train=1)
            return train(model, one, epochs=3, seed=seed, progress=False).history["loss"]

        first = losses(built_with=1, seed=0)
        assert len(set(first)) == 3  # another mask in each epoch
        assert losses(built_with=2, seed=0) == first
        assert losses(built_with=1, seed=1) != first

    def test_the_seed_sets_the_random_state_of_python(self, dataset):
        drawn = []
        for _ in range(2):
            train(as_built(dense_model), dataset, epochs=1, seed=3, progress=False)
            drawn.append(random.random())
            random.seed(drawn[0])
        train(as_built(dense_model), dataset, epochs=1, seed=4, progress=False)
        assert drawn[0] == drawn[1] != random.random()

    def test_a_model_that_is_not_compiled_is_compiled_as_the_classic_example(self, dataset):
        model = dense_model()
        train(model, dataset, epochs=1, progress=False)
        assert isinstance(model.optimizer, keras.optimizers.Adam)
        assert float(model.optimizer.learning_rate) == pytest.approx(0.001)
        assert isinstance(model.loss, keras.losses.SparseCategoricalCrossentropy)
        assert model.loss.from_logits

    def test_a_compiled_model_is_trained_as_it_is(self, dataset):
        optimizer = keras.optimizers.SGD(0.02)
        model = compiled(dense_model(), optimizer)
        loss = model.loss
        train(model, dataset, epochs=1, batch_size=8, progress=False)
        assert model.optimizer is optimizer
        assert model.loss is loss
        assert int(optimizer.iterations) == 3  # 24 images in batches of 8

    def test_training_goes_on_from_the_weights_it_finds(self, dataset):
        model = as_built(dense_model)
        first = train(model, dataset, epochs=3, batch_size=8, progress=False)
        second = train(model, dataset, epochs=1, batch_size=8, progress=False)
        assert second.history["loss"][0] < first.history["loss"][-1]

    def test_without_a_validation_split(self, make_dataset):
        run = train(dense_model(), make_dataset(validation=0), epochs=2, progress=False)
        assert sorted(run.history) == ["accuracy", "loss"]
        assert run.best_epoch == int(np.argmin(run.history["loss"])) + 1
        assert "validation" not in repr(run)
        message = "Expected a run with a validation split.*without validation_images=0"
        with pytest.raises(ValueError, match=message):
            _ = run.validation_accuracy

    @pytest.mark.parametrize("name", ["epochs", "batch_size"])
    @pytest.mark.parametrize("value", [0, -3])
    def test_numbers_out_of_range(self, dataset, name, value):
        with pytest.raises(ValueError, match=f"Expected {name} of at least 1. Received: {value}"):
            train(as_built(dense_model), dataset, **{name: value})

    def test_patience_needs_a_validation_split(self, make_dataset):
        message = (
            "Expected a validation split to stop by. Received: a dataset without one. "
            "Load it without validation_images=0, or leave patience out"
        )
        with pytest.raises(ValueError, match=message):
            train(dense_model(), make_dataset(validation=0), patience=1)


def test_many_short_trainings_are_no_function_that_is_traced_too_often(small, caplog):
    """TensorFlow counts the graphs of all models together, and warns of the fifth."""
    warning = "5 out of the last 5 calls to <function f> triggered tf.function retracing."
    logger = tensorflow_logger()
    with caplog.at_level("WARNING", logger="tensorflow"), quiet.no_word_of_tracing():
        logger.warning(warning)
        logger.warning("another matter")
    logger.warning(warning)
    assert caplog.messages == ["another matter", warning]


def tensorflow_logger():
    import tensorflow as tf

    return tf.get_logger()


class TestPatience:
    """One weight-changing optimizer that overshoots: the first epoch is the best one."""

    @pytest.fixture
    def worsening(self) -> keras.Model:
        model = compiled(dense_model(), keras.optimizers.SGD(0.0))
        # Ready-made weights that give every image the right class by its bright band; then
        # each step moves them by a fixed amount in the wrong direction.
        kernel = np.zeros((18, 18, 3), np.float32)
        for label in range(3):
            kernel[6 * label : 6 * label + 6, :, label] = 0.1
        model.layers[-1].set_weights([kernel.reshape(324, 3), np.zeros(3, np.float32)])

        class Worsen(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                model.layers[-1].kernel.assign_sub(np.full((324, 3), 0.01) * kernel.reshape(324, 3))

        model.worsen = Worsen()
        return model

    @pytest.mark.parametrize(("epochs", "trained"), [(9, 3), (2, 2)])
    def test_it_stops_and_goes_back_to_the_best_weights(
        self, dataset, worsening, monkeypatch, epochs, trained
    ):
        """Also where the last epoch comes before the patience is at its end."""
        fit = worsening.fit
        after_each_epoch = []
        keep = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: after_each_epoch.append(worsening.get_weights()[0])
        )

        def fit_and_worsen(*args, callbacks, **options):
            return fit(*args, callbacks=[worsening.worsen, keep, *callbacks], **options)

        monkeypatch.setattr(worsening, "fit", fit_and_worsen)
        run = train(worsening, dataset, epochs=epochs, batch_size=8, patience=2, progress=False)
        assert run.epochs == trained
        assert run.best_epoch == 1
        assert np.all(np.diff(run.history["val_loss"]) > 0)
        np.testing.assert_array_equal(worsening.get_weights()[0], after_each_epoch[0])
        assert not np.array_equal(after_each_epoch[0], after_each_epoch[-1])

    def test_without_it_the_last_weights_stay_and_all_epochs_are_trained(self, dataset):
        model = compiled(dense_model(), keras.optimizers.SGD(200.0))
        run = train(model, dataset, epochs=6, batch_size=8, progress=False)
        assert run.epochs == 6
        split = dataset.validation
        loss, _ = model.evaluate(split.images, split.labels, verbose=0)
        assert run.history["val_loss"][-1] == pytest.approx(loss, rel=1e-4)


# ------------------------------------------------------------------------------ the result


def run_of(**history: tuple[float, ...]) -> TrainingRun:
    return TrainingRun(history, 12.34, 32, 0, "a test")


class TestTrainingRun:
    def test_the_repr_says_how_it_went(self):
        run = run_of(
            loss=(2.0, 1.0, 0.5), accuracy=(0.2, 0.5, 0.8125),
            val_loss=(1.9, 0.9, 1.1), val_accuracy=(0.3, 0.6, 0.575),
        )  # fmt: skip
        assert repr(run).splitlines() == [
            "TrainingRun on a test: 3 epochs in 12.3 s, batches of 32, seed 0",
            "  training    loss 0.500, accuracy 81.2 %",
            "  validation  loss 1.100, accuracy 57.5 %",
            "  lowest validation loss in epoch 2",
        ]
        assert run.validation_accuracy == 0.575  # after the last epoch, not the best
        of_a_folder = repr(replace(run, source="images from the folder my photos of last summer"))
        assert max(map(len, of_a_folder.splitlines())) <= 88

    def test_a_run_that_diverged_names_the_best_of_the_epochs_before(self):
        nan = float("nan")
        run = run_of(
            loss=(2.0, nan, nan), accuracy=(0.3, 0.1, 0.1),
            val_loss=(1.5, nan, nan), val_accuracy=(0.3, 0.1, 0.1),
        )  # fmt: skip
        assert run.best_epoch == 1
        assert "lowest validation loss in epoch 1" in repr(run)

    def test_plot_draws_the_learning_curves(self):
        run = run_of(loss=(2.0, 1.0), accuracy=(0.2, 0.5))
        left, right = run.plot().axes
        assert left.lines[0].get_ydata().tolist() == [2, 1]
        assert right.lines[0].get_ydata().tolist() == [20, 50]


# ---------------------------------------------------------------- what is shown meanwhile


@pytest.fixture
def every_step(monkeypatch):
    """Shows the bar after every step and the curves after every epoch, however short."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_UPDATES", 0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_PICTURES", 0)


class TestInATerminal:
    def test_a_bar_on_the_error_stream(self, dataset, capsys, every_step):
        train(as_built(dense_model), dataset, epochs=2, batch_size=8)
        shown = capsys.readouterr()
        assert shown.out == ""
        meters = shown.err.split("\r")
        assert "epoch 1 of 2:  17%" in meters[1]  # 1 of 6 steps
        assert "| 1/6 [" in meters[1]
        assert "epoch 2 of 2: 100%" in meters[-1]
        assert "| 6/6 [" in meters[-1]
        assert meters[-1].endswith("\n")

    def test_a_last_smaller_batch_is_a_step_too(self, dataset, capsys, every_step):
        train(as_built(dense_model), dataset, epochs=1, batch_size=10)
        assert "| 3/3 [" in capsys.readouterr().err

    def test_several_steps_at_once_are_counted(self, dataset, capsys, every_step):
        model = dense_model()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"], steps_per_execution=3)
        train(model, dataset, epochs=2, batch_size=8)
        steps = 2 * -(-len(dataset.train) // 8)
        assert f"{steps}/{steps}" in capsys.readouterr().err.split("\r")[-1]

    def test_the_bar_is_full_at_the_end_of_the_shortest_training(
        self, dataset, capsys, monkeypatch
    ):
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_UPDATES", 1_000)
        train(as_built(dense_model), dataset, epochs=1, batch_size=8)
        assert "| 3/3 [" in capsys.readouterr().err

    def test_no_progress_shows_nothing(self, dataset, capsys):
        train(as_built(dense_model), dataset, epochs=1, progress=False)
        assert capsys.readouterr() == ("", "")


class Drawn:
    """Stands in for the picture of the curves: says how many epochs it was given."""

    def __init__(self, history):
        self.html = f"<img {len(history.get('loss', ()))} epochs>"

    def to_html(self) -> str:
        return self.html


@pytest.fixture
def notebook(monkeypatch, tmp_path):
    """A real IPython shell that has a kernel; gives the list of all that it displays."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # put back at the end
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.kernel = object()
    displayed = []

    def publish(data, metadata=None, *, transient=None, update=False, **rest):
        displayed.append(
            SimpleNamespace(data=data, id=(transient or {}).get("display_id"), update=update)
        )

    monkeypatch.setattr(shell.display_pub, "publish", publish)
    yield displayed
    InteractiveShell.clear_instance()


class TestInANotebook:
    def test_one_output_is_replaced_from_beginning_to_end(self, dataset, notebook, every_step):
        train(as_built(dense_model), dataset, epochs=2, batch_size=8)
        assert len(notebook) > 2 * 3  # steps
        assert [shown.update for shown in notebook] == [False] + [True] * (len(notebook) - 1)
        assert len({shown.id for shown in notebook}) == 1
        assert notebook[0].id

    def test_each_holds_the_curves_and_the_bar_but_the_last_one_no_bar(
        self, dataset, notebook, every_step
    ):
        train(as_built(dense_model), dataset, epochs=2, batch_size=8)
        for shown in notebook:
            assert set(shown.data) == {"text/plain", "text/html"}
            assert shown.data["text/plain"] == "Picture: learning curves"
            assert shown.data["text/html"].startswith('<img alt="Learning curves')
        html = [shown.data["text/html"] for shown in notebook]
        assert (
            '<progress value="1" max="6" aria-label="training"></progress> epoch 1 of 2, step 1 '
            in (html[1])
        )
        assert "epoch 2 of 2, step 6 of 6 (at " in html[-2]
        assert "<div" not in html[-1]
        assert html[-1].endswith(">")

    def test_the_curves_grow_with_every_epoch(self, dataset, notebook, every_step):
        train(as_built(dense_model), dataset, epochs=2, batch_size=8)
        pictures = [shown.data["text/html"].split("<div")[0] for shown in notebook]
        assert len(set(pictures)) == 3  # before the first epoch, after it, after the second
        assert len(set(pictures[:4])) == 1  # while the first epoch runs
        assert pictures[-1] == pictures[-2]

    def test_short_trainings_end_with_all_their_epochs(self, dataset, notebook, monkeypatch):
        monkeypatch.setattr(progress, "live_curves", lambda history, epochs: Drawn(history))
        train(as_built(dense_model), dataset, epochs=3, batch_size=8)
        assert "3 epochs" in notebook[-1].data["text/html"]

    def test_a_screen_reader_is_told_of_epochs_not_of_steps(self, dataset, notebook, every_step):
        train(as_built(dense_model), dataset, epochs=2, batch_size=8)
        html = [shown.data["text/html"] for shown in notebook]
        told = [re.findall('role="status"[^>]*>([^<]*)<', one) for one in html]
        assert [words for words in told if words] == [
            ["Epoch 1 of 2 ended"],
            ["Epoch 2 of 2 ended"],
        ] + (
            [["Epoch 2 of 2 ended"]]  # the last time with the end of all
        )
        for one in html:
            bar = "".join(one.partition('<div class="training-bar">')[1:]).partition("</div>")[0]
            assert "role" not in bar
            assert "aria-live" not in bar
            assert not re.search("[^ -~]", bar)  # no blocks that draw a bar

    def test_the_time_left_counts_from_the_first_step(
        self, dataset, notebook, every_step, monkeypatch
    ):
        """The first one is made into a graph, which takes longer than many others."""
        clock = [0.0]
        monkeypatch.setattr(progress.time, "perf_counter", lambda: clock[0])

        def tick(*_):
            clock[0] += 1_000.0 if clock[0] == 0 else 10.0

        patched = keras.callbacks.CallbackList.on_train_batch_begin
        monkeypatch.setattr(
            keras.callbacks.CallbackList, "on_train_batch_begin",
            lambda self, *given: (tick(), patched(self, *given))[1],
        )  # fmt: skip
        train(as_built(dense_model), dataset, epochs=2, batch_size=8)
        words = [re.search("step [^(]*", shown.data["text/html"]) for shown in notebook]
        words = list(dict.fromkeys(found[0].strip() for found in words if found))
        assert words == [
            "step 1 of 6",
            "step 2 of 6, about 00:40 left",
            "step 3 of 6, about 00:30 left",
            "step 4 of 6, about 00:20 left",
            "step 5 of 6, about 00:10 left",
            "step 6 of 6",
        ]

    def test_updates_are_seldom_enough_for_a_browser(self, dataset, notebook, monkeypatch):
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_UPDATES", 1_000)
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_PICTURES", 1_000)
        train(as_built(dense_model), dataset, epochs=2, batch_size=1)
        assert len(notebook) < 6  # of 48 steps: the beginning and the end

    def test_no_progress_displays_nothing(self, dataset, notebook):
        train(as_built(dense_model), dataset, epochs=1, progress=False)
        assert notebook == []


def test_a_screen_that_fails_ends_no_training(dataset, every_step, monkeypatch):
    """Such as a terminal that was closed meanwhile."""

    class Closed:
        def write(self, text):
            raise OSError(errno.EIO, "Input/output error")

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stderr", Closed())
    run = train(as_built(dense_model), dataset, epochs=2, batch_size=8)
    assert (run.epochs, run.stopped) == (2, "")


def test_ipython_without_a_kernel_is_a_terminal(dataset, notebook, capsys, every_step):
    from IPython import get_ipython

    del get_ipython().kernel
    train(as_built(dense_model), dataset, epochs=1)
    assert notebook == []
    assert "epoch 1 of 1" in capsys.readouterr().err


# ----------------------------------------------------------- training that survives

EPOCHS = 4
STEPS = 3  # 24 images in batches of 8


def random_model(optimizer="adam") -> keras.Model:
    """All that makes going on hard: augmentation, batch norm, dropout, Adam."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((9, 9, 1)),
            layers.RandomFlip(),
            layers.Rescaling(1 / 255),
            layers.Conv2D(2, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(3),
        ]
    )
    return compiled(model, optimizer)


def go(model, small, folder=None, **options) -> TrainingRun:
    options = {"epochs": EPOCHS, "batch_size": 8, "patience": 50, "progress": False} | options
    return train(model, small, resume=folder, **options)


def bits(arrays) -> list[bytes]:
    return [np.asarray(array).tobytes() for array in arrays]


def bits_of(model: keras.Model) -> list[bytes]:
    return bits([*model.variables, *model.optimizer.variables])


def files_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def small(make_dataset):
    return make_dataset((9, 9, 1))


@pytest.fixture(scope="module")
def reference(small, tmp_path_factory) -> SimpleNamespace:
    """A training that nothing disturbed: its end, and its state after each epoch."""
    states, save = {}, CheckpointFolder.save

    def remember(self, checkpoint):
        kept = checkpoint.arrays.items()
        states[checkpoint.epoch] = bits(a for name, a in kept if not name.startswith("best"))
        save(self, checkpoint)

    model, folder = random_model(), tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CheckpointFolder, "save", remember)
        run = go(model, small, folder)
    return SimpleNamespace(run=run, states=states, end=bits_of(model), folder=folder)


def ends_as(reference, run: TrainingRun, model: keras.Model) -> None:
    assert run.stopped == ""
    assert dict(run.history) == dict(reference.run.history)
    assert bits_of(model) == reference.end


def at_call(monkeypatch, owner, name: str, number: int, do) -> list[str]:
    """Do something in place of the call of this number (from 1); gives the list of all calls."""
    function, calls = getattr(owner, name), []

    def counting(*args, **options):
        calls.append(name)
        return do() if len(calls) == number else function(*args, **options)

    monkeypatch.setattr(owner, name, counting)
    return calls


def interrupt():
    raise KeyboardInterrupt


def disk_full():
    raise OSError(errno.ENOSPC, "No space left on device")


class TestResume:
    def test_a_folder_alone_changes_nothing(self, small, reference):
        model = as_built(random_model)
        ends_as(reference, go(model, small), model)

    def test_without_patience_too(self, small, reference, tmp_path):
        model = as_built(random_model)
        go(model, small, tmp_path, patience=None, epochs=2)
        assert bits_of(model) == reference.states[2]
        go(model, small, tmp_path, patience=None)
        assert bits_of(model) == reference.states[EPOCHS]

    @pytest.mark.parametrize("rebuilt", [False, True])
    def test_more_epochs_afterwards_are_one_long_run(self, small, reference, tmp_path, rebuilt):
        """Also with a model built anew, whose layers Keras then gives other names."""
        model = random_model()
        names = [layer.name for layer in model.layers]
        assert go(model, small, tmp_path, epochs=2).epochs == 2
        if rebuilt:
            model = random_model()
            assert [layer.name for layer in model.layers] != names
        ends_as(reference, go(model, small, str(tmp_path)), model)

    def test_a_finished_training_is_not_trained_again(
        self, small, reference, monkeypatch, tmp_path, capsys
    ):
        shutil.copytree(reference.folder, tmp_path / "copy")
        model = as_built(random_model)
        monkeypatch.setattr(keras.Sequential, "fit", interrupt)
        run = go(model, small, tmp_path / "copy")
        ends_as(reference, run, model)
        assert run.seconds == reference.run.seconds
        assert capsys.readouterr().out == (
            f"All is trained already: epoch 4 of 4, kept in {(tmp_path / 'copy').as_posix()}.\n"
        )

    def test_the_patience_goes_on_where_it_was(self, small, tmp_path, monkeypatch):
        """A rate far too high: the best epoch comes early, and the stop before the last."""

        def wild():
            return random_model(keras.optimizers.Adam(0.5))

        whole = as_built(wild)
        expected, end = go(whole, small, epochs=30, patience=3), bits_of(whole)
        assert 0 < expected.best_epoch == expected.epochs - 3 < 27
        for _ in range(2):
            with monkeypatch.context() as patch:
                # Interrupted twice while the patience runs out; the first time with epoch 1 more.
                at_call(patch, keras.callbacks.CallbackList, "on_epoch_begin", 2, interrupt)
                go(as_built(wild), small, tmp_path, epochs=30, patience=3)
        model = as_built(wild)
        run = go(model, small, tmp_path, epochs=30, patience=3)
        assert dict(run.history) == dict(expected.history)
        assert bits_of(model) == end
        again = go(as_built(wild), small, tmp_path, epochs=40, patience=3)
        assert again.epochs == expected.epochs  # it had stopped for good

    def test_a_damaged_checkpoint_costs_one_epoch_and_is_named(
        self, small, reference, tmp_path, capsys
    ):
        folder = shutil.copytree(reference.folder, tmp_path / "copy")
        newest = max(folder.glob("epoch_*"))
        newest.write_bytes(newest.read_bytes()[:-100])
        model = as_built(random_model)
        ends_as(reference, go(model, small, folder), model)
        assert capsys.readouterr().out == (
            f"The checkpoint {newest.name} was changed after it was written. The one before it is "
            "whole.\n"
            f"Going on after epoch 3 of 4, kept in {folder.as_posix()}.\n"
        )

    def test_layers_that_draw_a_seed_when_they_are_built_are_no_change(self, small, tmp_path):
        def cropping():
            model = keras.Sequential([keras.Input((9, 9, 1)), keras.layers.RandomCrop(9, 9)])
            model.add(keras.layers.Flatten())
            model.add(keras.layers.Dense(3))
            return compiled(model, "adam")

        random.seed(1)
        first = cropping()
        random.seed(2)
        second = cropping()
        seeds = [model.layers[0].get_config()["seed"] for model in (first, second)]
        assert seeds[0] != seeds[1]
        go(first, small, tmp_path, epochs=1)
        assert go(second, small, tmp_path, epochs=2).epochs == 2

    def test_numbers_of_numpy_are_numbers(self, small, reference, tmp_path):
        model = as_built(random_model)
        numbers = {"batch_size": np.int64(8), "patience": np.int32(50), "seed": np.uint8(0)}
        run = go(model, small, tmp_path, epochs=np.int64(EPOCHS), **numbers)
        ends_as(reference, run, model)
        assert (run.batch_size, run.seed) == (8, 0)

    def test_the_averages_of_an_optimizer_are_the_weights_in_the_end(self, small, tmp_path):
        """Keras' fit puts them in place after its last epoch: whoever is killed then, too."""

        def averaging():
            return random_model(keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9))

        whole = as_built(averaging)
        go(whole, small, patience=None)
        end = bits_of(whole)
        for epochs in (2, EPOCHS, EPOCHS):  # in the end nothing is left to train
            model = as_built(averaging)
            go(model, small, tmp_path, epochs=epochs, patience=None)
        assert bits_of(model) == end

    def test_a_lambda_typed_in_another_cell_is_the_same(self, small, tmp_path):
        """After a restart of the kernel every cell has a new name, and the code holds it."""

        def scaled(cell):
            scale = lambda images: images / 255  # noqa: E731
            scale.__code__ = scale.__code__.replace(co_filename=cell)
            layers = [keras.Input((9, 9, 1)), keras.layers.Lambda(scale), keras.layers.Flatten()]
            return compiled(keras.Sequential([*layers, keras.layers.Dense(3)]), "adam")

        go(scaled("/tmp/ipykernel_1/1.py"), small, tmp_path, epochs=1)
        assert go(scaled("/tmp/ipykernel_2/1.py"), small, tmp_path, epochs=2).epochs == 2

    def test_weights_of_half_the_size_come_back(self, small, tmp_path):
        """bfloat16, which NumPy's files do not know."""
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("bfloat16")
        try:
            whole, model = random_model(), random_model()
            expected = go(whole, small, epochs=2)
            go(model, small, tmp_path, epochs=1)
            run = go(model, small, tmp_path, epochs=2)
        finally:
            keras.config.set_dtype_policy(policy)
        assert dict(run.history) == dict(expected.history)
        assert bits_of(model) == bits_of(whole)


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
        with pytest.raises(CheckpointError, match="Received: another one .*and \\d+ more"):
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

    def test_an_augmentation_that_was_edited_is_another(self, small, tmp_path, changes):
        before, edited = changes
        model = as_built(random_model)
        kept_by(model, small, tmp_path, augment=[before])
        files, weights = files_of(tmp_path), bits(model.variables)
        with pytest.raises(CheckpointError, match=r"one \(augmentation brighter: not the same\)"):
            go(model, small, tmp_path, augment=[edited])
        assert files_of(tmp_path) == files
        assert bits(model.variables) == weights
        assert go(model, small, tmp_path, epochs=2, augment=[before]).epochs == 2

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
        assert said not in capsys.readouterr().out

    @pytest.mark.parametrize("name", ["threads", "policy", "keras", "python"])
    def test_other_surroundings_are_said(
        self, small, reference, tmp_path, capsys, monkeypatch, name
    ):
        folder = shutil.copytree(reference.folder, tmp_path / "copy")
        now = sameness.surroundings(as_built(random_model))
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


class TestInterrupted:
    @pytest.mark.parametrize(
        ("owner", "name", "call", "epochs"),
        [
            (keras.callbacks.CallbackList, "on_train_batch_begin", 1, 0),
            (keras.callbacks.CallbackList, "on_train_batch_end", 2 * STEPS + 2, 2),
            (keras.callbacks.CallbackList, "on_test_batch_end", 2, 1),
            (state, "all_finite", 4, 1),  # the first two are of the beginning
            (CheckpointFolder, "save", 4, 3),
            (checkpoints.Path, "replace", 3, 2),
            (progress.Progress, "_epoch", 3, 3),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_the_run_is_usable_and_goes_on_as_though_nothing_had_happened(
        self, small, reference, tmp_path, monkeypatch, capsys, every_step, owner, name, call, epochs
    ):
        model = as_built(random_model)
        at_call(monkeypatch, owner, name, call, interrupt)
        run = go(model, small, tmp_path, progress=True)
        monkeypatch.undo()
        after = f"after epoch {run.epochs}" if run.epochs else "before the first epoch"
        assert run.stopped == (
            f"Stopped in epoch {run.epochs + 1} of 4: you interrupted it. The model has the "
            f"weights that it had {after}. Run the same cell again to go on."
        )
        assert capsys.readouterr().out == wrapped(run.stopped) + "\n"
        # Where it came while an epoch was kept, that one is in memory already.
        assert run.epochs - epochs in ((0, 1) if name in ("save", "replace") else (0,))
        assert run.history.get("loss", ()) == reference.run.history["loss"][: run.epochs]
        assert repr(run).splitlines()[-1] == f"  Stopped in epoch {run.epochs + 1} of 4"
        assert len(run.plot().axes) == 2
        assert bits_of(model) == reference.states[run.epochs]
        ends_as(reference, go(model, small, tmp_path), model)

    def test_before_the_first_epoch_ended_there_is_a_run_without_epochs(self, small, monkeypatch):
        at_call(monkeypatch, keras.callbacks.CallbackList, "on_train_batch_end", 2, interrupt)
        run = go(as_built(random_model), small)
        assert (run.epochs, run.best_epoch, dict(run.history)) == (0, 0, {})
        assert repr(run).splitlines()[0].startswith("TrainingRun on bands made by the tests: 0 ep")
        assert run.plot().description
        with pytest.raises(UsageError) as raised:
            _ = run.validation_accuracy
        assert str(raised.value) == (
            "Expected a run of at least one whole epoch. Received: one that ended before. Train "
            "again, and let the first epoch come to its end."
        )

    def test_in_a_notebook_it_says_that_the_other_cells_run_on(self, small, notebook, monkeypatch):
        at_call(monkeypatch, keras.callbacks.CallbackList, "on_train_batch_end", 2, interrupt)
        run = go(as_built(random_model), small)
        assert run.stopped.endswith(
            "epoch. Cells that wait below run now: interrupt again to stop them too."
        )

    def test_an_interrupt_that_the_program_ignores_stays_ignored(self, small, monkeypatch):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        at_call(
            monkeypatch, keras.callbacks.CallbackList, "on_train_batch_begin", 2,
            lambda: os.kill(os.getpid(), signal.SIGINT),
        )  # fmt: skip
        run = go(as_built(random_model), small, epochs=1)
        assert (run.epochs, run.stopped) == (1, "")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    def test_real_interrupts_at_random_moments(self, small, tmp_path):
        """Inside of TensorFlow one may turn into another error; so none comes through there."""
        chance, model, before = (
            random.Random(0),
            as_built(random_model),
            signal.getsignal(signal.SIGINT),
        )

        def interrupt_soon():
            while signal.getsignal(signal.SIGINT) is before:  # it has not begun
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.4))
            os.kill(os.getpid(), signal.SIGINT)

        epochs = 0
        for _ in range(6):
            thread = threading.Thread(target=interrupt_soon)
            thread.start()
            run = go(model, small, tmp_path, epochs=100_000, patience=None, progress=True)
            thread.join()
            assert "you interrupted it" in run.stopped
            assert run.epochs >= epochs
            epochs = run.epochs
            newest, damaged = CheckpointFolder(tmp_path).newest()
            assert (newest.epoch, damaged) == (epochs, [])
            assert bits_of(model) == bits(newest.arrays.values())
        assert signal.getsignal(signal.SIGINT) is before

    def test_impatient_interrupts_while_it_stops_already_do_nothing(
        self, small, reference, monkeypatch, tmp_path
    ):
        go_back, model = state.Training.go_back, as_built(random_model)

        def interrupted_go_back(self):
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)
            go_back(self)

        monkeypatch.setattr(state.Training, "go_back", interrupted_go_back)
        at_call(
            monkeypatch, keras.callbacks.CallbackList, "on_train_batch_begin", STEPS + 2,
            lambda: os.kill(os.getpid(), signal.SIGINT),
        )  # fmt: skip
        run = go(model, small, tmp_path)
        assert (run.epochs, "you interrupted it" in run.stopped) == (1, True)
        assert bits_of(model) == reference.states[1]

    def test_while_the_step_is_traced(self, small, reference, monkeypatch, tmp_path):
        """The first step is made into a graph; half a graph must not stay behind."""
        model = random_model()
        at_call(
            monkeypatch, keras.callbacks.CallbackList, "on_train_batch_begin", 1,
            lambda: at_call(monkeypatch, keras.layers.Dense, "call", 1, interrupt),
        )  # fmt: skip
        assert go(model, small, tmp_path).stopped
        ends_as(reference, go(model, small, tmp_path), model)

    def test_the_next_training_is_validated_on_its_own_images(self, small, monkeypatch):
        """Keras keeps the validation images of a fit that was interrupted."""
        model = as_built(random_model)
        at_call(monkeypatch, keras.callbacks.CallbackList, "on_test_batch_end", 1, interrupt)
        assert go(model, small).stopped
        labels = np.roll(small.validation.labels, 1)
        other = replace(small, validation=replace(small.validation, labels=labels))
        run = go(model, other, patience=None)
        loss, _ = model.evaluate(other.validation.images, labels, verbose=0)
        assert run.history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)


class TestDiverged:
    def poison(self, monkeypatch, model, name: str, call: int, value: float) -> list[str]:
        """At this call of the callbacks the last layer's weights become `value`."""

        def poisoned():
            kernel = model.layers[-1].kernel
            kernel.assign(np.full(kernel.shape, value))

        return at_call(monkeypatch, keras.callbacks.CallbackList, name, call, poisoned)

    @pytest.mark.parametrize("epoch", [1, 3])
    def test_it_stops_in_the_very_step_with_the_last_good_state(
        self, small, reference, monkeypatch, tmp_path, epoch
    ):
        model = as_built(random_model)
        call = (epoch - 1) * STEPS + 2
        steps = self.poison(monkeypatch, model, "on_train_batch_begin", call, np.nan)
        run = go(model, small, tmp_path)
        assert len(steps) == call
        after = f"after epoch {epoch - 1}" if epoch > 1 else "before the first epoch"
        assert run.stopped == (
            f"Stopped in epoch {epoch} of 4: the loss is no longer a finite number (nan). "
            f"The model has the weights that it had {after}. Try a tenth of the learning rate: "
            "0.0001, not 0.001, with another folder."
        )
        assert run.epochs == epoch - 1
        assert bits_of(model) == reference.states[epoch - 1]
        newest, damaged = CheckpointFolder(tmp_path).newest()
        assert (newest.epoch, damaged) == (epoch - 1, [])
        assert all(np.isfinite(array).all() for array in newest.arrays.values())

    def test_an_infinite_loss_is_no_number_either(self, dataset):
        import tensorflow as tf

        model = dense_model()
        weights = bits(model.variables)

        def infinite(labels, outputs):
            loss = keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True)
            return loss + (0 if tf.executing_eagerly() else np.inf)  # the check is eager

        model.compile("adam", infinite, metrics=["accuracy"])
        run = train(model, dataset, epochs=2, progress=False)
        assert "epoch 1 of 2: the loss is no longer a finite number (inf). The" in run.stopped
        assert bits(model.variables) == weights

    def test_weights_that_diverge_in_the_last_step_without_a_validation_split(
        self, make_dataset, monkeypatch
    ):
        model = random_model()
        dataset = make_dataset((9, 9, 1), validation=0)
        call = EPOCHS * STEPS
        self.poison(monkeypatch, model, "on_train_batch_end", call, np.nan)
        run = go(model, dataset, patience=None)
        assert run.stopped.startswith("Stopped in epoch 4 of 4: a weight is no longer a finite num")
        assert run.epochs == 3
        assert all(np.isfinite(weights).all() for weights in model.get_weights())

    def test_a_rate_far_too_high_in_truth(self, small):
        model = random_model(keras.optimizers.SGD(1e30))
        weights = bits(model.variables)
        run = go(model, small)
        assert "Try a tenth of the learning rate: 1e+29, not 1e+30." in run.stopped
        assert run.epochs == 0
        assert bits(model.variables) == weights

    def test_a_model_that_begins_without_finite_weights(self, small, tmp_path):
        model = as_built(random_model)
        model.layers[-1].bias.assign([0, np.nan, 0])
        with pytest.raises(MismatchError, match="from a training that diverged. Build the model a"):
            go(model, small, tmp_path)
        assert not list(tmp_path.glob("epoch_*"))
        go(as_built(random_model), small, tmp_path, epochs=1)


class OwnError(Exception):
    """An error that no library knows."""


def raising(error):
    def fail(images):
        raise error

    return fail


class TestWhatFailsLate:
    """Nothing in the first batch tells that it will; the finished epochs are kept all the same."""

    def ended_in_words(self, run, model, folder, epoch: int) -> str:
        assert run.epochs == epoch - 1 == len(run.history.get("loss", ()))
        newest, useless = CheckpointFolder(folder).newest()
        assert (newest.epoch, useless) == (epoch - 1, [])
        assert bits_of(model) == bits(newest.arrays.values())
        after = f"after epoch {epoch - 1}" if epoch > 1 else "before the first epoch"
        start = f"Stopped in epoch {epoch} of 4: "
        end = (
            f". The model has the weights that it had {after}. Mend what failed, then train again, "
            "with another folder."
        )
        assert run.stopped.startswith(start)
        assert run.stopped.endswith(end)
        words = run.stopped.removeprefix(start).removesuffix(end)
        assert len(words) < 400
        assert not re.search(r"Traceback|node|Graph|File|\n", words)
        return words

    @pytest.mark.parametrize(
        ("call", "fails", "said"),
        [
            (
                3,
                raising(ZeroDivisionError("by zero")),
                "Received: ZeroDivisionError: by zero. Try it",
            ),
            (
                9,
                raising(OwnError("first line\n\nsecond")),
                "Received: OwnError: first line second. Try",
            ),
            (3, raising(StopIteration()), "Received: StopIteration. Try it"),
            (9, raising(KeyError("colour")), "Received: KeyError: 'colour'. Try it"),
            (3, lambda images: images * 1.2, "type float64. Give back the same kind of array"),
            (9, lambda images: images[:, 1:], "Received: shape (8, 8, 9, 1), type uint8."),
            (3, lambda images: images[1:], "Received: shape (7, 9, 9, 1), type uint8."),
            (9, lambda images: None, "Received: shape None, type NoneType."),
        ],
    )
    def test_an_augmentation(self, small, tmp_path, call, fails, said):
        """At its call of this number; one more is that of the check before the first step."""
        calls = []

        def now_and_then(images, random):
            calls.append(1)
            return fails(images) if len(calls) == call + 1 else images

        model = as_built(random_model)
        run = go(model, small, tmp_path, augment=[now_and_then], patience=None)
        words = self.ended_in_words(run, model, tmp_path, epoch=1 + (call - 1) // STEPS)
        assert words.startswith("Expected ")
        assert "now_and_then" in words
        assert said in f"{words}."

    def test_an_augmentation_that_takes_too_much_memory(self, small):
        calls = []

        def greedy(images, random):
            calls.append(1)
            if len(calls) > 5:
                raise MemoryError
            return images

        run = go(as_built(random_model), small, augment=[greedy])
        assert "epoch 2 of 4: the memory ran out. The model has" in run.stopped

    @pytest.mark.parametrize("eager", [False, True])
    @pytest.mark.parametrize("call", ["py_function", "numpy_function"])
    def test_a_layer(self, small, tmp_path, call, eager):
        import tensorflow as tf

        calls = []

        def fails_later(numbers):
            calls.append(1)
            if len(calls) > 7:
                raise OwnError("my words,\nin two lines")
            return numbers

        class Own(keras.layers.Layer):
            def call(self, inputs):
                outputs = getattr(tf, call)(fails_later, [inputs], tf.float32)
                return tf.ensure_shape(outputs, inputs.shape)

        layers = [keras.Input((9, 9, 1)), keras.layers.Flatten(), Own(), keras.layers.Dense(3)]
        model = compiled(keras.Sequential(layers), "adam")
        model.run_eagerly = eager
        run = go(model, small, tmp_path, patience=None)
        words = self.ended_in_words(run, model, tmp_path, run.epochs + 1)
        assert words.endswith("OwnError: my words, in two lines")

    def test_numbers_that_do_not_fit_in_a_later_step(self, small, tmp_path):
        """An error of TensorFlow's own, not of Python."""
        import tensorflow as tf

        steps = tf.Variable(0)

        class Own(keras.layers.Layer):
            def call(self, inputs, training=False):
                if training:
                    tf.debugging.assert_less(steps.assign_add(1), 5, "too many steps")
                return inputs

        layers = [keras.Input((9, 9, 1)), keras.layers.Flatten(), Own(), keras.layers.Dense(3)]
        model = compiled(keras.Sequential(layers), "adam")
        run = go(model, small, tmp_path, patience=None)
        words = self.ended_in_words(run, model, tmp_path, epoch=2)
        assert words.startswith("InvalidArgumentError: ")
        assert "too many steps" in words

    def test_a_loss_that_fails_only_while_training(self, small, tmp_path):
        import tensorflow as tf

        def own_loss(labels, outputs):
            if not tf.executing_eagerly():  # the check is eager
                raise OwnError("not today")
            return keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True)

        model = keras.Sequential([keras.Input((9, 9, 1)), keras.layers.Flatten()])
        model.add(keras.layers.Dense(3))
        model.compile("adam", own_loss, metrics=["accuracy"])
        run = go(model, small, tmp_path, patience=None)
        assert self.ended_in_words(run, model, tmp_path, epoch=1) == "OwnError: not today"

    def test_images_that_cannot_be_read_any_more(self, small, tmp_path):
        """As from a stick that was pulled out."""

        class Unplugged(np.ndarray):
            batches = 0

            def __getitem__(self, key):
                Unplugged.batches += isinstance(key, np.ndarray)
                if Unplugged.batches > 4:
                    raise OSError(errno.EIO, "Input/output error")
                return super().__getitem__(key)

        images = small.train.images.view(Unplugged)
        dataset = replace(small, train=replace(small.train, images=images))
        model = as_built(random_model)
        run = go(model, dataset, tmp_path, patience=None)
        words = self.ended_in_words(run, model, tmp_path, epoch=2)
        assert words == "OSError: [Errno 5] Input/output error"

    def test_a_loss_that_fails_at_once_is_said_before_the_first_step(self, small):
        def own_loss(labels, outputs):
            raise OwnError("not with me")

        model = keras.Sequential([keras.Input((9, 9, 1)), keras.layers.Flatten()])
        model.add(keras.layers.Dense(3))
        model.compile("adam", own_loss, metrics=["accuracy"])
        with pytest.raises(MismatchError, match=r"Received: .*OwnError: not with me\. Mend what f"):
            go(model, small)

    @pytest.mark.parametrize("metric", [keras.metrics.Precision, keras.metrics.MeanSquaredError])
    def test_a_metric_for_other_labels_too(self, small, metric):
        model = keras.Sequential([keras.Input((9, 9, 1)), keras.layers.Flatten()])
        model.add(keras.layers.Dense(3))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy", metric()])
        with pytest.raises(MismatchError, match=r"Incompatible shapes: \[.*Mend what failed"):
            go(model, small)

    def test_the_model_can_be_trained_afterwards(self, small, reference):
        calls = []

        def fails_later(images, random):
            calls.append(1)
            if len(calls) > 5:
                raise OwnError
            return images

        assert go(as_built(random_model), small, augment=[fails_later]).stopped
        model = as_built(random_model)
        ends_as(reference, go(model, small), model)


class TestDiskAndMemory:
    def test_a_disk_that_fills_up_costs_nothing(self, small, reference, monkeypatch, tmp_path):
        model = as_built(random_model)
        at_call(monkeypatch, checkpoints.Path, "write_bytes", 4, disk_full)  # epochs 0, 1, 2, 3
        run = go(model, small, tmp_path)
        assert run.stopped.startswith(
            f"Stopped in epoch 4 of 4: epoch 3 could not be kept. Expected room on the disk for "
            f"{tmp_path}/epoch_00003_"
        )
        assert run.stopped.endswith("The model has the weights that it had after epoch 3.")
        assert ".." not in run.stopped
        assert run.epochs == 3
        assert bits_of(model) == reference.states[3]
        newest, damaged = CheckpointFolder(tmp_path).newest()
        assert (newest.epoch, damaged) == (2, [])
        ends_as(reference, go(model, small, tmp_path), model)

    def test_in_the_last_epoch_too(self, small, reference, monkeypatch, tmp_path):
        model = as_built(random_model)
        at_call(monkeypatch, checkpoints.Path, "write_bytes", EPOCHS + 1, disk_full)
        run = go(model, small, tmp_path)
        assert run.stopped.startswith("Stopped in epoch 4 of 4: epoch 4 could not be kept.")
        assert run.stopped.endswith("The model has the weights that it had after epoch 4.")
        assert bits_of(model) == reference.states[4]

    def test_at_the_beginning_it_is_an_error_and_nothing_is_trained(
        self, small, monkeypatch, tmp_path
    ):
        model = as_built(random_model)
        weights = bits(model.variables)
        at_call(monkeypatch, checkpoints.Path, "write_bytes", 1, disk_full)
        with pytest.raises(StorageError, match="the disk is full"):
            go(model, small, tmp_path)
        assert bits(model.variables) == weights

    @pytest.mark.parametrize("kind", ["MemoryError", "ResourceExhaustedError"])
    def test_the_memory_runs_out(self, small, reference, monkeypatch, kind):
        import tensorflow as tf

        def out_of_memory():
            if kind == "MemoryError":
                raise MemoryError
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

        model = as_built(random_model)
        at_call(
            monkeypatch, keras.callbacks.CallbackList, "on_train_batch_begin", STEPS + 1,
            out_of_memory,
        )  # fmt: skip
        run = go(model, small)
        assert run.stopped == (
            "Stopped in epoch 2 of 4: the memory ran out. The model has the weights that it had "
            "after epoch 1. Try smaller batches: batch_size=2."
        )
        assert bits_of(model) == reference.states[1]


class TestArguments:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("sample_weight", "train takes none. Keras' own model.fit does"),
            ("optimizer", "Compile the model with it, then train."),
            ("validation_split", "load_dataset(name, validation_images=...)."),
            ("validation_data", "load_dataset(name, validation_images=...)."),
            ("verbose", "progress=False shows nothing."),
            ("epoch", "Did you mean epochs?"),
            ("batchsize", "Did you mean batch_size?"),
            ("colour", "Check its spelling."),
        ],
    )
    def test_an_argument_that_train_does_not_have(self, small, name, words):
        with pytest.raises(UsageError) as raised:
            train(as_built(random_model), small, **{name: 3})
        assert str(raised.value).startswith(
            "Expected epochs, batch_size, learning_rate, augment, class_weight, callbacks, "
            f"patience, seed, progress, resume. Received: {name}. "
        )
        assert str(raised.value).endswith(words) or words in str(raised.value)

    def test_images_and_labels_are_no_dataset(self, small):
        with pytest.raises(UsageError) as raised:
            train(as_built(random_model), small.train.images, small.train.labels)
        assert str(raised.value) == (
            "Expected a Keras model, then a dataset: train(model, dataset). Received: 1 more, "
            "ndarray. A dataset holds images and labels together, see load_dataset; all else is "
            "given by name."
        )

    @pytest.mark.parametrize("name", ["epochs", "batch_size", "patience", "seed"])
    @pytest.mark.parametrize("value", [2.5, True, "3", [3]])
    def test_what_is_no_whole_number(self, small, name, value):
        with pytest.raises(UsageError) as raised:
            train(as_built(random_model), small, **{name: value})
        assert str(raised.value) == f"Expected a whole number as {name}. Received: {value!r}."

    @pytest.mark.parametrize(
        ("seed", "words"), [(-1, "seed of at least 0. Received: -1"), (2**32, "seed below 2**32.")]
    )
    def test_seeds_out_of_range(self, small, seed, words):
        with pytest.raises(UsageError, match=re.escape(words)):
            train(as_built(random_model), small, seed=seed)

    @pytest.mark.parametrize("resume", [True, "", 3, b"folder"])
    def test_what_is_no_name_of_a_folder(self, small, resume):
        with pytest.raises(UsageError) as raised:
            train(as_built(random_model), small, resume=resume)
        assert str(raised.value) == (
            'Expected the name of a folder as resume, for example "my_training". '
            f"Received: {resume!r}."
        )


# ------------------------------------------------------------------- in a real kernel

BEGIN = """
import numpy as np
from helpers import (ImageDataset, Split, train, quiet_tensorflow)
with quiet_tensorflow():
    import keras
names, random = ("a", "b", "c"), np.random.default_rng(0)
train_split, validation, test = [
    Split(name, random.integers(0, 256, (24, 9, 9, 1), np.uint8), np.arange(24) % 3, names, "")
    for name in ("train", "validation", "test")
]
dataset = ImageDataset("noise", train_split, validation, test, names, (9, 9, 1), "noise")
model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)])
"""
TRAIN = "run = train(model, dataset, epochs={epochs}, resume='training')"


def test_the_stop_button_of_a_real_notebook(tmp_path):
    """Interrupted twice, at moments that differ; each time the next cell has a run to work with."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))

    def run_cell(code: str, interrupt_at: int | None = None) -> str:
        sent, drawn = [], []

        def take(message):
            if message["msg_type"] in ("display_data", "update_display_data"):
                drawn.append(message)
                if len(drawn) == interrupt_at:
                    manager.interrupt_kernel()
            if message["msg_type"] == "error":
                sent.extend(message["content"]["traceback"])
            sent.append(message["content"].get("text", ""))

        client.execute_interactive(code, output_hook=take, timeout=60)
        return "".join(sent)

    try:
        assert run_cell(BEGIN) == ""
        epochs = 0
        for moment in (1, 4):
            said = run_cell(TRAIN.format(epochs=100_000), interrupt_at=moment)
            assert "you interrupted it. The model has the weights" in said
            assert "Traceback" not in said
            found = int(run_cell("print(run.epochs)"))
            assert found >= epochs
            epochs = found
            assert f"Stopped in epoch {epochs + 1} of 100000: " in run_cell("print(run.stopped)")
        said = run_cell(TRAIN.format(epochs=epochs + 1))
        assert f"Going on after epoch {epochs} of {epochs + 1}, kept in training." in said
        assert run_cell("print(run.epochs, repr(run.stopped))") == f"{epochs + 1} ''\n"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
