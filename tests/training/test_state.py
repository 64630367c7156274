"""A training that survives: it goes on after a stop as though nothing had happened."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from made_trainings import (
    EPOCHS,
    STEPS,
    as_built,
    at_call,
    bits,
    bits_of,
    compiled,
    dense_model,
    disk_full,
    ends_as,
    go,
    interrupt,
    random_model,
)

from helpers import quiet_tensorflow, train
from helpers.basics.errors import MismatchError, StorageError, UsageError, wrapped
from helpers.training import checkpoints, progress, state
from helpers.training.checkpoints import CheckpointFolder

with quiet_tensorflow():
    import keras


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
    def test_more_epochs_afterwards_are_one_long_run(
        self, small, reference, tmp_path, capsys, rebuilt
    ):
        """Also with a model built anew, whose layers Keras then gives other names."""
        model = random_model()
        names = [layer.name for layer in model.layers]
        assert go(model, small, tmp_path, epochs=2).epochs == 2
        if rebuilt:
            model = random_model()
            assert [layer.name for layer in model.layers] != names
        ends_as(reference, go(model, small, str(tmp_path)), model)
        go(as_built(random_model), small, tmp_path)
        assert "came with other" not in capsys.readouterr().out

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

        def halved():
            keras.utils.set_random_seed(0)
            layers = [
                keras.layers.Flatten(dtype="bfloat16"),
                keras.layers.Dense(3, dtype="bfloat16"),
            ]
            return compiled(keras.Sequential([keras.Input((9, 9, 1)), *layers]), "adam")

        whole, model = halved(), halved()
        expected = go(whole, small, epochs=2)
        go(model, small, tmp_path, epochs=1)
        assert dict(go(model, small, tmp_path, epochs=2).history) == dict(expected.history)
        assert bits_of(model) == bits_of(whole)
        assert model.layers[-1].kernel.dtype == "bfloat16"


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
        assert (run.epochs, run.best_epoch, run.seconds, dict(run.history)) == (0, 0, 0, {})
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
        ended = at_call(monkeypatch, keras.callbacks.CallbackList, "on_train_batch_end", 0, None)
        run = go(model, small, tmp_path)
        assert (run.epochs, "you interrupted it" in run.stopped) == (1, True)
        assert len(ended) == STEPS + 2  # no step more
        assert bits_of(model) == reference.states[1]

    def test_a_second_interrupt_comes_through_at_once(self, small, monkeypatch):
        """Where a step takes so long that nobody wants to wait for its end."""
        seen = []

        def twice():
            for number in (1, 2):
                os.kill(os.getpid(), signal.SIGINT)
                seen.append(number)

        at_call(monkeypatch, keras.callbacks.CallbackList, "on_train_batch_begin", 2, twice)
        run = go(as_built(random_model), small)
        assert seen == [1]
        assert "you interrupted it" in run.stopped

    def test_an_error_that_an_interrupt_became_is_called_one(self, small, reference, monkeypatch):
        """As TensorFlow makes one of it in the middle of a step."""

        def interrupted():
            os.kill(os.getpid(), signal.SIGINT)
            raise RuntimeError("cancelled")

        model = as_built(random_model)
        at_call(
            monkeypatch, keras.callbacks.CallbackList, "on_train_batch_begin", STEPS + 2,
            interrupted,
        )  # fmt: skip
        run = go(model, small)
        assert "Stopped in epoch 2 of 4: you interrupted it. The" in run.stopped
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

    def test_a_validation_loss_that_diverged(self, small, monkeypatch):
        """The weights are large, and finite; what they make of an image is not."""
        model = as_built(random_model)
        self.poison(monkeypatch, model, "on_test_begin", 1, 3e38)
        stopped = go(model, small).stopped
        assert stopped.startswith("Stopped in epoch 1 of 4: the validation loss is no longer a fin")

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

    def test_the_memory_runs_out_with_few_images_a_batch(self, small, monkeypatch):
        def out_of_memory():
            raise MemoryError

        model = as_built(random_model)
        at_call(monkeypatch, keras.callbacks.CallbackList, "on_train_batch_begin", 1, out_of_memory)
        stopped = go(model, small, batch_size=3).stopped
        assert stopped.endswith("Try smaller batches: batch_size=1.")

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


@pytest.mark.slow
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
