"""Training: the order of the images, what is kept of a run, and what is shown while it runs."""

from __future__ import annotations

import random
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import Split, TrainingRun, make_batches, quiet_tensorflow, train, training

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


# ---------------------------------------------------------------------------- make_batches


@pytest.fixture(scope="module")
def numbered() -> Split:
    """50 images; the number of each is its label, and is in its pixels."""
    numbers = np.arange(50)
    images = numbers.astype(np.uint8).reshape(50, 1, 1, 1).repeat(2, 1)
    return Split("train", images, numbers, tuple(map(str, numbers)), "the tests")


def order(batches) -> list[int]:
    """The numbers of the images of one epoch, as they come."""
    return [int(label) for _, labels in batches.as_numpy_iterator() for label in labels]


class TestMakeBatches:
    def test_shapes_and_dtypes(self, numbered):
        batches = list(make_batches(numbered, 16).as_numpy_iterator())
        assert [images.shape for images, _ in batches] == [(16, 2, 1, 1)] * 3 + [(2, 2, 1, 1)]
        assert {images.dtype for images, _ in batches} == {np.dtype(np.uint8)}
        assert {labels.dtype for _, labels in batches} == {np.dtype(np.int64)}

    def test_32_images_a_batch_unless_told_otherwise(self, numbered):
        sizes = [len(labels) for _, labels in make_batches(numbered).as_numpy_iterator()]
        assert sizes == [32, 18]

    def test_the_number_of_batches_is_known(self, numbered):
        assert len(make_batches(numbered, 16, shuffle=True)) == 4

    @pytest.mark.parametrize("shuffle", [False, True])
    def test_images_stay_with_their_labels(self, numbered, shuffle):
        for images, labels in make_batches(numbered, 16, shuffle=shuffle).as_numpy_iterator():
            np.testing.assert_array_equal(images[:, 0, 0, 0], labels)
            np.testing.assert_array_equal(images[:, 1, 0, 0], labels)

    def test_without_shuffling_every_epoch_keeps_the_order(self, numbered):
        batches = make_batches(numbered, 16)
        assert order(batches) == order(batches) == list(range(50))

    def test_each_epoch_has_every_image_once_in_an_order_of_its_own(self, numbered):
        batches = make_batches(numbered, 16, shuffle=True)
        epochs = [order(batches) for _ in range(3)]
        for numbers in epochs:
            assert sorted(numbers) == list(range(50))
        assert len({tuple(numbers) for numbers in (list(range(50)), *epochs)}) == 4

    def test_the_same_seed_gives_the_same_orders(self, numbered):
        def orders(seed: int) -> list[list[int]]:
            batches = make_batches(numbered, 16, shuffle=True, seed=seed)
            return [order(batches) for _ in range(2)]

        first = orders(0)
        assert orders(0) == first
        assert orders(1) != first

    def test_the_seed_alone_decides_whatever_was_drawn_before(self, numbered):
        orders = []
        for global_seed in (1, 2):
            keras.utils.set_random_seed(global_seed)
            orders.append(order(make_batches(numbered, 16, shuffle=True, seed=0)))
        assert orders[0] == orders[1]


# ----------------------------------------------------------------------------------- train


class TestTrain:
    def test_it_learns_and_says_what_happened(self, dataset):
        run = train(dense_model(), dataset, epochs=12, batch_size=8, seed=5, progress=False)
        assert sorted(run.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
        assert {len(values) for values in run.history.values()} == {12}
        assert all(isinstance(value, float) for values in run.history.values() for value in values)
        assert run.epochs == 12
        assert (run.batch_size, run.seed, run.source) == (8, 5, dataset.source)
        assert run.history["loss"][-1] < run.history["loss"][0]
        assert run.validation_accuracy == run.history["val_accuracy"][-1] > 0.9
        assert run.seconds > 0

    def test_the_history_holds_what_keras_itself_measures(self, dataset):
        model = dense_model()
        run = train(model, dataset, epochs=2, batch_size=8, progress=False)
        split = dataset.validation
        loss, accuracy = model.evaluate(split.images, split.labels, verbose=0)
        assert run.history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)
        assert run.validation_accuracy == pytest.approx(accuracy)

    def test_a_run_cannot_be_changed_afterwards(self, dataset):
        run = train(dense_model(), dataset, epochs=1, progress=False)
        with pytest.raises(AttributeError):
            run.seconds = 1.0
        with pytest.raises(TypeError):
            run.history["loss"] = (0.0,)

    def test_the_seed_decides_the_run(self, dataset):
        histories = [
            dict(
                train(
                    dense_model(), dataset, epochs=2, batch_size=8, seed=seed, progress=False
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
        assert losses(built_with=2, seed=0) == first
        assert losses(built_with=1, seed=1) != first

    def test_the_seed_sets_the_random_state_of_python(self, dataset):
        drawn = []
        for _ in range(2):
            train(dense_model(), dataset, epochs=1, seed=3, progress=False)
            drawn.append(random.random())
            random.seed(drawn[0])
        train(dense_model(), dataset, epochs=1, seed=4, progress=False)
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
        model = dense_model()
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
            train(dense_model(), dataset, **{name: value})

    def test_patience_needs_a_validation_split(self, make_dataset):
        message = (
            "Expected a validation split to stop by. Received: a dataset without one. "
            "Load it without validation_images=0, or leave patience out"
        )
        with pytest.raises(ValueError, match=message):
            train(dense_model(), make_dataset(validation=0), patience=1)


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
    monkeypatch.setattr(training, "SECONDS_BETWEEN_UPDATES", 0)
    monkeypatch.setattr(training, "SECONDS_BETWEEN_PICTURES", 0)


class TestInATerminal:
    def test_a_bar_on_the_error_stream(self, dataset, capsys, every_step):
        train(dense_model(), dataset, epochs=2, batch_size=8)
        shown = capsys.readouterr()
        assert shown.out == ""
        meters = shown.err.split("\r")
        assert "epoch 1 of 2:  17%" in meters[1]  # 1 of 6 steps
        assert "| 1/6 [" in meters[1]
        assert "epoch 2 of 2: 100%" in meters[-1]
        assert "| 6/6 [" in meters[-1]
        assert meters[-1].endswith("\n")

    def test_a_last_smaller_batch_is_a_step_too(self, dataset, capsys, every_step):
        train(dense_model(), dataset, epochs=1, batch_size=10)
        assert "| 3/3 [" in capsys.readouterr().err

    def test_the_bar_is_full_at_the_end_of_the_shortest_training(
        self, dataset, capsys, monkeypatch
    ):
        monkeypatch.setattr(training, "SECONDS_BETWEEN_UPDATES", 1_000)
        train(dense_model(), dataset, epochs=1, batch_size=8)
        assert "| 3/3 [" in capsys.readouterr().err

    def test_no_progress_shows_nothing(self, dataset, capsys):
        train(dense_model(), dataset, epochs=1, progress=False)
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
        train(dense_model(), dataset, epochs=2, batch_size=8)
        assert len(notebook) > 2 * 3  # steps
        assert [shown.update for shown in notebook] == [False] + [True] * (len(notebook) - 1)
        assert len({shown.id for shown in notebook}) == 1
        assert notebook[0].id

    def test_each_holds_the_curves_and_the_bar_but_the_last_one_no_bar(
        self, dataset, notebook, every_step
    ):
        train(dense_model(), dataset, epochs=2, batch_size=8)
        for shown in notebook:
            assert set(shown.data) == {"text/plain", "text/html"}
            assert shown.data["text/plain"] == "Picture: learning curves"
            assert shown.data["text/html"].startswith('<img alt="Learning curves')
        html = [shown.data["text/html"] for shown in notebook]
        assert "epoch 1 of 2:  17%" in html[1]
        assert "epoch 2 of 2: 100%" in html[-2]
        assert '<pre role="status">' in html[-2]
        assert "<pre" not in html[-1]
        assert html[-1].endswith(">")

    def test_the_curves_grow_with_every_epoch(self, dataset, notebook, every_step):
        train(dense_model(), dataset, epochs=2, batch_size=8)
        pictures = [shown.data["text/html"].split("<pre")[0] for shown in notebook]
        assert len(set(pictures)) == 3  # before the first epoch, after it, after the second
        assert len(set(pictures[:4])) == 1  # while the first epoch runs
        assert pictures[-1] == pictures[-2]

    def test_short_trainings_end_with_all_their_epochs(self, dataset, notebook, monkeypatch):
        monkeypatch.setattr(training, "live_curves", lambda history, epochs: Drawn(history))
        train(dense_model(), dataset, epochs=3, batch_size=8)
        assert "3 epochs" in notebook[-1].data["text/html"]

    def test_the_bar_is_valid_html(self, dataset, notebook, every_step):
        """It holds a "<" (elapsed < left), which must not look like the start of a tag."""
        train(dense_model(), dataset, epochs=1, batch_size=8)
        _, bar = notebook[1].data["text/html"].split("<pre", 1)
        assert re.fullmatch(r' role="status">[^<]*</pre>', bar)
        assert re.search(r"\[\d\d:\d\d&lt;", bar)

    def test_updates_are_seldom_enough_for_a_browser(self, dataset, notebook, monkeypatch):
        monkeypatch.setattr(training, "SECONDS_BETWEEN_UPDATES", 1_000)
        monkeypatch.setattr(training, "SECONDS_BETWEEN_PICTURES", 1_000)
        train(dense_model(), dataset, epochs=2, batch_size=1)
        assert len(notebook) < 6  # of 48 steps: the beginning and the end

    def test_no_progress_displays_nothing(self, dataset, notebook):
        train(dense_model(), dataset, epochs=1, progress=False)
        assert notebook == []


def test_ipython_without_a_kernel_is_a_terminal(dataset, notebook, capsys, every_step):
    from IPython import get_ipython

    del get_ipython().kernel
    train(dense_model(), dataset, epochs=1)
    assert notebook == []
    assert "epoch 1 of 1" in capsys.readouterr().err
