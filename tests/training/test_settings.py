"""What `train` is asked for beside the dataset: weights of classes, callbacks, a learning rate."""

from __future__ import annotations

import gc
import re
import weakref
from dataclasses import replace

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from helpers import CLASSIC, quiet_tensorflow, train
from helpers.basics.errors import CheckpointError, MismatchError, UsageError
from helpers.training.checkpoints import CheckpointFolder
from helpers.training.settings import class_weights

with quiet_tensorflow():
    import keras

SHAPE = (4, 4, 1)


@pytest.fixture(scope="module")
def small(make_dataset):
    return make_dataset(SHAPE)


@pytest.fixture(scope="module")
def unequal(small):
    """20 images of "top", 3 of "middle", 1 of "bottom"."""
    labels = np.array([0] * 20 + [1] * 3 + [2])
    return replace(small, train=replace(small.train, labels=labels))


def network(optimizer="adam", *, outputs=3, loss=None, activation=None) -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(outputs, activation=activation)]
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.Rescaling(1 / 255), *layers])
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    return model


def go(model, dataset, **options):
    return train(model, dataset, **{"epochs": 1, "batch_size": 24, "progress": False} | options)


class TestClassWeight:
    def test_balanced_is_scikit_learns(self, unequal):
        labels = unequal.train.labels
        expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
        weights = class_weights("balanced", unequal)
        assert [*weights] == ["top", "middle", "bottom"]
        assert [*weights.values()] == pytest.approx(expected)

    def test_names_and_labels_say_the_same(self, small):
        by_name = class_weights({"bottom": 3, "top": 1, "middle": 0.5}, small)
        assert by_name == class_weights({2: 3.0, 0: np.float32(1), np.int64(1): 0.5}, small)
        assert [*by_name.items()] == [("top", 1.0), ("middle", 0.5), ("bottom", 3.0)]

    @pytest.mark.parametrize("one_hot", [False, True])
    def test_the_loss_is_that_of_keras_with_weights(self, unequal, one_hot):
        """A step of nothing, so that the loss is that of the first weights."""
        kind = "CategoricalCrossentropy" if one_hot else "SparseCategoricalCrossentropy"
        loss = getattr(keras.losses, kind)(from_logits=True)
        model = network(keras.optimizers.SGD(0.0), loss=loss)
        plain = go(network(keras.optimizers.SGD(0.0), loss=loss), unequal)
        run = go(model, unequal, class_weight={0: 1, 1: 2, 2: 30})
        images, labels = unequal.train.images, unequal.train.labels
        each = keras.losses.sparse_categorical_crossentropy(labels, model(images), from_logits=True)
        expected = np.mean(np.array([1, 2, 30])[labels] * np.asarray(each))
        assert run.history["loss"][0] == pytest.approx(expected, rel=1e-5)
        for name in ("accuracy", "val_loss", "val_accuracy"):
            assert run.history[name] == plain.history[name]

    def test_one_number_for_two_classes(self, make_dataset):
        two = make_dataset(SHAPE, ("no", "yes"))
        loss = keras.losses.BinaryCrossentropy()
        model = network(keras.optimizers.SGD(0.0), outputs=1, activation="sigmoid", loss=loss)
        run = go(model, two, class_weight={"no": 0, "yes": 1})
        yes = two.train.labels == 1
        answers = np.asarray(model(two.train.images[yes]))[:, 0]
        assert run.history["loss"][0] == pytest.approx(-np.log(answers).sum() / 24, rel=1e-4)

    def test_a_loss_of_ones_own(self, small):
        def each(labels, outputs):
            return keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True)

        def mean(labels, outputs):
            return keras.ops.mean(each(labels, outputs))

        assert go(network(loss=each), small, class_weight="balanced").stopped == ""
        message = r"one number an image.*Received: shape \(\) for 2 images. Leave out the mean"
        with pytest.raises(MismatchError, match=message):
            go(network(loss=mean), small, class_weight="balanced")
        assert go(network(loss=mean), small).stopped == ""

    @pytest.mark.parametrize(
        ("weights", "received"),
        [
            ("equal", "'equal'."),
            (3, "3."),
            ({"top": 1, "middle": 1}, "nothing for 'bottom'. 1 lets"),
            ({}, "nothing for 'top'. 1 lets"),
            ({"top": 1, "middle": 1, "down": 1}, "'down', which is none of top, middle, bottom."),
            ({0: 1, 1: 1, 3: 1}, "3, which is none of top, middle, bottom."),
            ({0: 1, "top": 1}, "'top', a second time. Name each class once."),
            ({0: 1, 1: -1, 2: 1}, "-1 for 1. Give for example 2."),
            ({0: 1, 1: float("nan"), 2: 1}, "nan for 1."),
            ({0: 1, 1: float("inf"), 2: 1}, "inf for 1."),
            ({0: 1, 1: "2", 2: 1}, "'2' for 1."),
            ({0: 1, 1: True, 2: 1}, "True for 1."),
            ({0: 0, 1: 0, 2: 0}, "0 for all."),
        ],
    )
    def test_what_is_refused(self, small, weights, received):
        with pytest.raises(UsageError) as raised:
            go(network(), small, class_weight=weights)
        assert f"as class_weight. Received: {received}" in str(raised.value)

    def test_balanced_needs_images_of_every_class(self, small):
        labels = np.zeros(24, int)
        one = replace(small, train=replace(small.train, labels=labels))
        with pytest.raises(UsageError, match="of every class .*Received: none of 'middle'"):
            go(network(), one, class_weight="balanced")

    def test_a_training_goes_on_with_the_same_weights_only(self, unequal, tmp_path):
        options = {"resume": tmp_path, "class_weight": "balanced"}
        whole = go(network(), unequal, epochs=2, class_weight="balanced")
        go(network(), unequal, **options)
        assert go(network(), unequal, **options, epochs=2).history == whole.history
        with pytest.raises(
            CheckpointError, match=r"top: 1, .*; .*; class_weight bottom: 1, not 8\)\."
        ):
            go(network(), unequal, epochs=2, resume=tmp_path, class_weight={0: 1, 1: 1, 2: 1})
        with pytest.raises(CheckpointError, match=r"class_weight top: None, .* and 1 more\)\."):
            go(network(), unequal, epochs=2, resume=tmp_path)

    def test_a_recipe_takes_it_and_callbacks_too(self, make_dataset):
        seen = []
        note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
        _, run = CLASSIC.but(epochs=1).train(
            make_dataset(), class_weight={0: 0, 1: 0, 2: 1e-6}, callbacks=[note], progress=False
        )
        assert run.history["loss"][0] < 1e-5
        assert seen == [0]


class TestVeryUnequal:
    SAID = (
        "The classes are very unequal: 20 training images of top, 1 of bottom. train(...,\n"
        'class_weight="balanced") lets each count alike; look at the balanced accuracy that\n'
        "evaluate gives.\n"
    )

    def test_it_is_said_where_progress_is_shown(self, unequal, capsys):
        go(network(), unequal, progress=True)
        assert capsys.readouterr().out == self.SAID

    @pytest.mark.parametrize(
        "options", [{"progress": False}, {"progress": True, "class_weight": "balanced"}]
    )
    def test_not_where_it_is_known(self, unequal, capsys, options):
        go(network(), unequal, **options)
        assert capsys.readouterr().out == ""

    def test_from_five_times_on(self, small, capsys):
        labels = np.repeat(np.arange(3), (15, 6, 3))
        other = replace(small, train=replace(small.train, labels=labels))
        go(network(), other, progress=True)
        assert "15 training images of top, 3 of bottom" in capsys.readouterr().out

    @pytest.mark.parametrize("counts", [(12, 9, 3), (20, 4, 0)])
    def test_not_of_others(self, small, capsys, counts):
        """Where a class has no image at all, no weight helps."""
        labels = np.repeat(np.arange(3), counts)
        other = replace(small, train=replace(small.train, labels=labels))
        go(network(), other, progress=True)
        assert capsys.readouterr().out == ""


class Own(keras.callbacks.Callback):
    """Does something when one of its methods is called the nth time."""

    def __init__(self, name, number, do):
        super().__init__()
        calls = []

        def method(*args, **options):
            calls.append(name)
            if len(calls) == number:
                do(self.model)

        setattr(self, name, method)


def stop(model):
    model.stop_training = True


def fail(model):
    raise ValueError("not today")


class TestCallbacks:
    def test_they_come_before_the_epoch_is_kept(self, small, tmp_path):
        """So what one does to the weights is kept, and what it notes is in the history."""

        class Zero(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                self.kept = CheckpointFolder(tmp_path).newest()[0].epoch
                self.model.layers[-1].bias.assign([7.0, 7.0, 7.0])
                logs["own"] = epoch

        callback = Zero()
        run = go(network(), small, epochs=2, callbacks=(callback,), resume=tmp_path)
        newest = CheckpointFolder(tmp_path).newest()[0]
        assert (callback.kept, newest.epoch) == (1, 2)
        assert newest.arrays["model/1"].tolist() == [7, 7, 7]
        assert run.history["own"] == (0.0, 1.0)

    def test_one_stops_the_training_after_an_epoch(self, small, capsys):
        run = go(network(), small, epochs=5, callbacks=[Own("on_epoch_end", 2, stop)])
        assert (run.epochs, run.stopped) == (
            2,
            "Stopped after epoch 2 of 5: a callback asked for it.",
        )
        assert capsys.readouterr().out == f"{run.stopped}\n"
        assert repr(run).splitlines()[-1] == "  Stopped after epoch 2 of 5"

    def test_one_stops_it_in_an_epoch(self, small):
        model = network()
        callback = Own("on_train_batch_end", 5, stop)
        run = go(model, small, epochs=5, batch_size=8, callbacks=[callback])
        assert run.stopped == (
            "Stopped in epoch 2 of 5: a callback asked for it. The model has the weights that it "
            "had after epoch 1."
        )
        other = network()
        go(other, small, batch_size=8)
        for one, same in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(one, same)

    def test_early_stopping_of_keras_gives_its_best_weights_back(self, small):
        model = network(keras.optimizers.SGD(100.0))
        best = keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)
        run = go(model, small, epochs=30, callbacks=[best])
        assert run.epochs < 30
        loss = model.evaluate(small.validation.images, small.validation.labels, verbose=0)[0]
        assert loss == pytest.approx(min(run.history["val_loss"]), rel=1e-4)

    @pytest.mark.parametrize(
        ("name", "number", "epochs"),
        [("on_train_begin", 1, 0), ("on_train_batch_end", 5, 1), ("on_epoch_end", 2, 1),
         ("on_test_batch_end", 2, 1), ("on_train_end", 1, 3)],
    )  # fmt: skip
    def test_one_that_fails_ends_it_with_the_last_whole_epoch(
        self, small, tmp_path, name, number, epochs
    ):
        model, callback = network(), Own(name, number, fail)
        run = go(model, small, epochs=3, batch_size=8, callbacks=[callback], resume=tmp_path)
        assert run.epochs == epochs
        assert (
            f"Stopped in epoch {min(epochs + 1, 3)} of 3: ValueError: not today. The "
            in run.stopped
        )
        newest = CheckpointFolder(tmp_path).newest()[0]
        assert newest.epoch == epochs
        for one, same in zip(model.variables, newest.part("model"), strict=True):
            np.testing.assert_array_equal(one, same)

    @pytest.mark.parametrize(
        "callbacks",
        [keras.callbacks.TerminateOnNaN(), [keras.callbacks.TerminateOnNaN], "stop", [print], None],
    )
    def test_what_is_no_list_of_callbacks(self, small, callbacks):
        with pytest.raises(UsageError, match="Expected a list of callbacks of Keras, for example"):
            go(network(), small, callbacks=callbacks)

    def test_one_that_counts_epochs_by_itself(self, small, tmp_path):
        with pytest.raises(UsageError, match='resume="my_training"'):
            go(network(), small, callbacks=[keras.callbacks.BackupAndRestore(tmp_path / "kept")])

    def test_that_they_begin_anew_is_said(self, small, tmp_path, capsys):
        options = {"resume": tmp_path, "callbacks": [keras.callbacks.TerminateOnNaN()]}
        said = "Your callbacks begin anew: what they knew of earlier epochs is not kept."
        go(network(), small, **options)
        assert capsys.readouterr().out == ""
        go(network(), small, **options, epochs=2)
        assert capsys.readouterr().out.splitlines()[1:] == [said]

    def test_one_that_changes_the_rate_is_no_other_training(self, small, tmp_path):
        """The same model again, in the same notebook: its optimizer has the changed rate."""
        slower = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        model = network()
        go(model, small, resume=tmp_path, callbacks=[slower])
        run = go(model, small, epochs=2, resume=tmp_path, callbacks=[slower])
        assert run.history["learning_rate"] == pytest.approx((0.0005, 0.00025))


class TestLearningRate:
    @pytest.mark.parametrize("compiled", [False, True])
    @pytest.mark.parametrize("rate", [0.02, np.float32(0.02)])
    def test_it_is_that_of_the_optimizer(self, small, compiled, rate):
        model = network()
        if not compiled:
            model = keras.Sequential(model.layers)
        go(model, small, learning_rate=rate)
        assert float(model.optimizer.learning_rate) == pytest.approx(0.02)
        expected = network(keras.optimizers.Adam(0.02))
        go(expected, small)
        for one, same in zip(model.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(one, same)

    def test_also_where_the_model_was_trained_before(self, small):
        """Its step is a graph by then, which must not hold the rate before."""
        model = network(keras.optimizers.SGD(0.1))
        go(model, small)
        before = model.get_weights()
        go(model, small, learning_rate=1e-30)
        for one, same in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, same)

    def test_a_schedule(self, small):
        def schedule():
            return keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.1, 0.0])

        model = network(keras.optimizers.SGD(5.0))
        # Before its first step ends, so that the optimizer has taken none, but its step is a graph.
        go(model, small, batch_size=8, callbacks=[Own("on_train_batch_end", 1, fail)])
        go(model, small, learning_rate=schedule(), batch_size=8)
        expected = network(keras.optimizers.SGD(schedule()))
        go(expected, small, batch_size=8)
        for one, same in zip(model.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(one, same)
        with pytest.raises(UsageError, match="taken no step yet.*Received: one that has taken 3."):
            go(model, small, learning_rate=schedule())
        with pytest.raises(
            UsageError, match="has one, which a number does not replace.*: 0.1. Com"
        ):
            go(model, small, learning_rate=0.1)

    @pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "fast", True, [0.1]])
    def test_what_is_no_rate(self, small, rate):
        message = f"as learning_rate. Received: {rate!r}. Give for example 0.001."
        with pytest.raises(UsageError, match=re.escape(message)):
            go(network(), small, learning_rate=rate)

    @pytest.mark.parametrize("kind", ["number", "schedule"])
    def test_a_training_goes_on_with_the_same_rate_only(self, small, tmp_path, kind):
        def rate(start):
            if kind == "number":
                return start
            return keras.optimizers.schedules.ExponentialDecay(start, 2, 0.5)

        whole, model = network(), network()
        expected = go(whole, small, epochs=3, learning_rate=rate(0.01))
        go(model, small, learning_rate=rate(0.01), resume=tmp_path)
        # In the same notebook, and with a model built anew.
        go(model, small, epochs=2, learning_rate=rate(0.01), resume=tmp_path)
        run = go(network(), small, epochs=3, learning_rate=rate(0.01), resume=tmp_path)
        assert run.history == expected.history
        with pytest.raises(CheckpointError, match="learning_rate: 0.5, not 0.01"):
            go(network(), small, epochs=3, learning_rate=rate(0.5), resume=tmp_path)

    def test_what_is_refused_leaves_the_rate_as_it_was(self, small, tmp_path):
        model = network()
        go(model, small, learning_rate=0.25, resume=tmp_path)
        with pytest.raises(CheckpointError, match="Nothing was changed"):
            go(model, small, epochs=2, learning_rate=0.5, resume=tmp_path)
        assert float(model.optimizer.learning_rate) == 0.25
        assert go(model, small, epochs=2, resume=tmp_path).epochs == 2
        scaled = network(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.125)))
        with pytest.raises(CheckpointError, match="Nothing was changed"):
            go(scaled, small, learning_rate=0.5, resume=tmp_path)
        assert float(scaled.optimizer.learning_rate) == 0.125
        new = keras.Sequential([keras.Input(SHAPE), *network().layers])
        assert not new.compiled
        with pytest.raises(CheckpointError, match="Nothing was changed"):
            go(new, small, learning_rate=0.5, resume=tmp_path)
        assert not new.compiled  # the next call chooses the rate
        with pytest.raises(CheckpointError, match="Nothing was changed"):
            schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.5)
            go(model, small, epochs=2, learning_rate=schedule, resume=tmp_path)

    def test_a_schedule_that_has_run_to_its_end_is_refused(self, small, tmp_path):
        """With it nothing would be learned, whatever the number of epochs."""
        model = network(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 2)))
        go(model, small, batch_size=12)
        for options in ({}, {"resume": tmp_path}):
            with pytest.raises(UsageError, match="run to its end, after 2 steps") as raised:
                go(model, small, **options)
            assert "Compile the model again" in str(raised.value)

    def test_a_rate_of_0_that_rises_again_is_no_end(self, small):
        """Of a schedule that begins anew, and of a callback that sets the rate of each epoch."""
        decay = keras.optimizers.schedules.PolynomialDecay(0.1, 2, 0.0, cycle=True)
        model = network(keras.optimizers.SGD(decay))
        go(model, small, batch_size=12)
        assert float(model.optimizer.learning_rate) == 0
        assert go(model, small, batch_size=12).epochs == 1
        model = network()
        falls = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 * (1 - epoch))
        for _ in range(2):
            assert go(model, small, epochs=2, callbacks=[falls]).epochs == 2

    def test_one_that_is_kept_is_over_and_no_fault(self, small, tmp_path):
        model = network(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 2)))
        go(model, small, batch_size=12, resume=tmp_path)
        assert go(model, small, batch_size=12, resume=tmp_path).epochs == 1


class TestWhatLearns:
    @pytest.mark.parametrize("before", [True, False])
    @pytest.mark.parametrize("optimizer", ["adam", "sgd"])
    def test_layers_that_were_frozen_or_set_free_need_another_compile(
        self, small, before, optimizer
    ):
        """Keras would train the ones that it knows, and say nothing."""
        model = network()
        model.add(keras.layers.Dense(3))
        model.layers[2].trainable = before
        model.compile(optimizer, model.loss, metrics=["accuracy"])
        go(model, small)
        model.layers[2].trainable = not before
        with pytest.raises(MismatchError, match=r"frozen or set free \(`trainable`\)"):
            go(model, small)
        model.layers[2].trainable = before
        go(model, small)
        model.layers[2].trainable = not before
        # One that knows more than is to learn may stay.
        model.compile(model.optimizer if before else "adam", model.loss, metrics=["accuracy"])
        kept = model.layers[2].get_weights()[0]
        go(model, small)
        assert np.array_equal(model.layers[2].get_weights()[0], kept) is before

    def test_a_model_that_nobody_needs_is_forgotten(self, small):
        model = network()
        go(model, small)
        gone = weakref.ref(model)
        del model
        keras.backend.clear_session()
        gc.collect()
        assert gone() is None

    def test_the_optimizer_for_16_bit_numbers_gets_no_more_variables(self, small, tmp_path):
        model = network(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()))
        go(model, small, resume=tmp_path)
        count = len(model.optimizer.variables)
        assert go(model, small, epochs=2, resume=tmp_path).epochs == 2
        assert len(model.optimizer.variables) == count
