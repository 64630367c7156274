"""Training: the order of the images, what fails late, and arguments that are none."""

from __future__ import annotations

import errno
import random
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from made_trainings import (
    STEPS,
    as_built,
    bits,
    bits_of,
    compiled,
    dense_model,
    ends_as,
    go,
    random_model,
)

from helpers import build_cnn, quiet_tensorflow, train
from helpers.basics import quiet
from helpers.basics.errors import MismatchError, UsageError
from helpers.datasets import flip_sideways
from helpers.models.trained_on import trained_on
from helpers.training.checkpoints import CheckpointFolder

with quiet_tensorflow():
    import keras


class TestFirstLosses:
    """What tells a training that was changed from one that chance led elsewhere."""

    def test_they_are_the_losses_of_the_first_steps_so_far(self, dataset):
        kept = []
        note = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: kept.append(float(logs["loss"]))
        )
        run = train(
            as_built(dense_model), dataset, epochs=2, batch_size=1, callbacks=[note], progress=False
        )
        assert len(dataset.train) > 16
        assert run.first_losses == tuple(kept[:16])

    def test_a_short_epoch_has_fewer_and_the_second_none(self, dataset):
        run = train(as_built(dense_model), dataset, epochs=2, batch_size=8, progress=False)
        assert len(run.first_losses) == len(dataset.train) // 8

    def test_a_training_that_goes_on_has_none(self, dataset, tmp_path):
        for epochs, kept in ((1, 3), (2, 0)):
            run = train(
                as_built(dense_model), dataset, epochs=epochs, batch_size=8, progress=False,
                resume=tmp_path,
            )  # fmt: skip
            assert len(run.first_losses) == kept

    def test_nor_has_one_in_another_number_format(self, dataset):
        keras.utils.set_random_seed(0)
        layers = keras.layers
        model = keras.Sequential(
            [keras.Input((18, 18, 1)), layers.Flatten(), layers.Dense(3, dtype="mixed_bfloat16")]
        )
        assert train(model, dataset, epochs=1, progress=False).first_losses == ()


class TestTrain:
    def test_it_learns_and_says_what_happened(self, dataset):
        began = time.perf_counter()
        run = train(as_built(dense_model), dataset, epochs=12, batch_size=8, seed=5, progress=False)
        assert sorted(run.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
        assert {len(values) for values in run.history.values()} == {12}
        assert all(isinstance(value, float) for values in run.history.values() for value in values)
        assert run.epochs == 12
        assert (run.batch_size, run.seed, run.source) == (8, 5, dataset.source)
        assert run.history["loss"][-1] < run.history["loss"][0]
        assert run.validation_accuracy == run.history["val_accuracy"][-1] > 0.9
        assert 0 < run.seconds < time.perf_counter() - began

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

    def test_its_step_is_traced_once(self, dataset, monkeypatch):
        """Each time takes a second; Keras would make the variables of its metrics in the first."""
        traced, step = [], keras.Sequential.train_step
        monkeypatch.setattr(
            keras.Sequential, "train_step", lambda self, data: traced.append(1) or step(self, data)
        )
        train(dense_model(), dataset, epochs=2, batch_size=8, progress=False)
        assert len(traced) == 1

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
        with pytest.raises(
            ValueError, match=f"Expected {name} as a whole number from 1 to .* Received: {value}"
        ):
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


class OwnError(Exception):
    """An error that no library knows."""


def raising(error):
    def fail(images):
        raise error

    return fail


def test_stopped_before_its_first_epoch_it_is_still_the_model_of_the_training_before(dataset):
    model = build_cnn(dataset)
    train(model, dataset, epochs=1, progress=False)
    other = replace(dataset, class_names=("x", "y", *dataset.class_names[2:]))

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    fresh = build_cnn(dataset)
    train(fresh, dataset, epochs=1, progress=False, callbacks=[Interrupt()])
    assert trained_on(fresh) is None
    assert train(model, other, epochs=1, progress=False, callbacks=[Interrupt()]).stopped
    assert trained_on(model).class_names == dataset.class_names
    train(model, other, epochs=1, progress=False)
    assert trained_on(model).class_names[:2] == ("x", "y")


def test_refused_before_its_first_step_it_is_still_the_model_of_the_training_before(dataset):
    def mean_of_all(labels, answers):
        each = keras.losses.sparse_categorical_crossentropy(labels, answers, from_logits=True)
        return keras.ops.mean(each)

    model = build_cnn(dataset)
    model.compile("adam", mean_of_all, metrics=["accuracy"])
    train(model, dataset, epochs=1, progress=False)
    other = replace(dataset, class_names=("x", "y", *dataset.class_names[2:]))
    with pytest.raises(MismatchError, match="Leave out the mean"):
        train(model, other, epochs=1, progress=False, class_weight="balanced")
    assert trained_on(model).class_names == dataset.class_names


def test_layers_may_add_a_loss_of_their_own(dataset):
    def build():
        layers = [keras.layers.Flatten(), keras.layers.Dense(3, activity_regularizer="l2")]
        scale = keras.layers.Rescaling(1 / 255)
        return keras.Sequential([keras.Input(dataset.image_shape), scale, *layers])

    compiled = build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled.compile("adam", loss, metrics=["accuracy"])
    for model in (compiled, build()):
        for _ in range(2):
            assert train(model, dataset, epochs=1, progress=False).epochs == 1


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
            (3, lambda images: images * 1.2, "type float64. Give back the same kind of array"),
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

    def test_an_augmentation_that_takes_too_much_memory(self, small, reference):
        """And the model can be trained afterwards."""
        calls = []

        def greedy(images, random):
            calls.append(1)
            if len(calls) > 5:
                raise MemoryError
            return images

        run = go(as_built(random_model), small, augment=[greedy])
        assert "epoch 2 of 4: the memory ran out. The model has" in run.stopped
        model = as_built(random_model)
        ends_as(reference, go(model, small), model)

    @pytest.mark.parametrize(
        ("call", "eager"),
        [("py_function", False), ("numpy_function", False), ("py_function", True)],
    )
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
        most = "4,294,967,295" if name == "seed" else "1,000,000,000"
        assert str(raised.value) == (
            f"Expected {name} as a whole number from {int(name != 'seed')} to {most}. Received: "
            f"{value!r}."
        )

    def test_one_augmentation_is_no_list_of_them(self, small, tmp_path):
        for folder in (None, tmp_path):
            with pytest.raises(UsageError, match="list of functions"):
                train(as_built(random_model), small, augment=flip_sideways, resume=folder)

    def test_a_switch_is_true_or_false(self, small):
        with pytest.raises(UsageError, match="progress as True or False. Received: 'no'"):
            train(as_built(random_model), small, progress="no")

    @pytest.mark.parametrize("seed", [-1, 2**32])
    def test_seeds_out_of_range(self, small, seed):
        with pytest.raises(UsageError, match=f"from 0 to 4,294,967,295. Received: {seed}"):
            train(as_built(random_model), small, seed=seed)

    @pytest.mark.parametrize("resume", [True, "", 3, b"folder"])
    def test_what_is_no_name_of_a_folder(self, small, resume):
        with pytest.raises(UsageError) as raised:
            train(as_built(random_model), small, resume=resume)
        assert str(raised.value) == (
            'Expected the name of a folder as resume, for example "my_training". '
            f"Received: {resume!r}."
        )
