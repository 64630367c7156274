"""Train a model, watch it learn, keep what happened. Introduced in lesson 4."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from helpers.datasets import ImageDataset, Split
from helpers.plots import Picture, live_curves, plot_run
from helpers.quiet import quiet_tensorflow

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

VALIDATION_BATCH = 500  # images; no weights change there, so larger is only faster
SECONDS_BETWEEN_UPDATES = 0.5  # of the bar
SECONDS_BETWEEN_PICTURES = 1.0  # of the curves, which take a tenth of a second to draw


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """What happened while a model was trained.

    Attributes:
        history: metric -> one value an epoch: "loss" and "accuracy" on the training images
            (averaged while the epoch ran), "val_loss" and "val_accuracy" on the validation
            images after it. Loss is the mean cross-entropy in nats; accuracy a share, 0 to 1.
        seconds: wall-clock seconds of the whole training.
        batch_size: images a step.
        seed: of the order of the images and of every random layer.
        source: where the images come from, in words.

    Introduced in lesson 4.
    """

    history: Mapping[str, tuple[float, ...]]
    seconds: float
    batch_size: int
    seed: int
    source: str

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.history["loss"])

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, with the lowest validation loss (training loss without)."""
        losses = self.history.get("val_loss", self.history["loss"])
        return int(np.argmin(np.nan_to_num(losses, nan=np.inf))) + 1

    @property
    def validation_accuracy(self) -> float:
        """Accuracy on the validation images after the last epoch, a share from 0 to 1."""
        if "val_accuracy" not in self.history:
            raise ValueError(
                "Expected a run with a validation split. Received: one that trained on all images. "
                "Load the dataset without validation_images=0."
            )
        return self.history["val_accuracy"][-1]

    def plot(self) -> Picture:
        """Draw the learning curves."""
        return plot_run(self)

    def __repr__(self) -> str:
        lines = [
            f"TrainingRun on {self.source}: {self.epochs} epochs in {self.seconds:.1f} s, "
            f"batches of {self.batch_size}, seed {self.seed}"
        ]
        for name, prefix in (("training", ""), ("validation", "val_")):
            if f"{prefix}loss" in self.history:
                lines.append(
                    f"  {name:<10}  loss {self.history[f'{prefix}loss'][-1]:.3f}, "
                    f"accuracy {100 * self.history[f'{prefix}accuracy'][-1]:.1f} %"
                )
        if "val_loss" in self.history:
            lines.append(f"  lowest validation loss in epoch {self.best_epoch}")
        return "\n".join(lines)


def make_batches(
    split: Split, batch_size: int = 32, *, shuffle: bool = False, seed: int = 0
) -> tf.data.Dataset:
    """A tf.data pipeline of (uint8 images, labels) batches, prepared while the model works.

    Args:
        split: the images and labels.
        batch_size: images a batch; the last batch of an epoch may be smaller.
        shuffle: whether each epoch runs through the images in a new random order.
        seed: of those orders; the same seed gives the same orders.

    Introduced in lesson 2.
    """
    with quiet_tensorflow():
        import tensorflow as tf

    images, labels = tf.constant(split.images), tf.constant(split.labels)
    # Shuffling the numbers of the images is far cheaper than shuffling the images.
    numbers = tf.data.Dataset.range(len(split))
    if shuffle:
        # Dataset.shuffle would mix TensorFlow's global seed in. This generator goes on from epoch
        # to epoch, so each has an order of its own.
        random = tf.random.Generator.from_seed(seed)

        def shuffled(_):
            order = tf.random.experimental.stateless_shuffle(
                tf.range(len(split), dtype=tf.int64), seed=random.make_seeds()[:, 0]
            )
            return tf.data.Dataset.from_tensor_slices(order)

        numbers = tf.data.Dataset.from_tensors(0).flat_map(shuffled)
        numbers = numbers.apply(tf.data.experimental.assert_cardinality(len(split)))
    batches = numbers.batch(batch_size).map(
        lambda chosen: (tf.gather(images, chosen), tf.gather(labels, chosen))
    )
    return batches.prefetch(tf.data.AUTOTUNE)


def train(
    model: keras.Model,
    dataset: ImageDataset,
    *,
    epochs: int = 10,
    batch_size: int = 32,
    patience: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> TrainingRun:
    """Train `model` on `dataset.train`, watched on `dataset.validation`, and say what happened.

    A model that is not compiled yet is compiled as the classic example is: Adam, cross-entropy
    from logits, accuracy. A compiled one is trained as it is; it needs the metric "accuracy".
    Training goes on from the weights that the model has: for a fresh start, build it again.

    Args:
        model: takes images of `dataset.image_shape`, gives one logit a class.
        dataset: from `load_dataset`.
        epochs: how many times to run through the training images.
        batch_size: images a step.
        patience: stop when the validation loss has not fallen for this many epochs, and go
            back to the weights of the best one; None trains all epochs.
        seed: of the order of the images and of random layers such as dropout; sets the random
            state of Python, NumPy and TensorFlow.
        progress: whether to show a bar with the time left and, in a notebook, the learning
            curves as they grow.

    Returns:
        A `TrainingRun`. The model itself is changed in place.

    Raises:
        ValueError: an argument is out of range, or patience without a validation split.

    Introduced in lesson 4.
    """
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"Expected {name} of at least 1. Received: {value}.")
    if patience is not None and not len(dataset.validation):
        raise ValueError(
            "Expected a validation split to stop by. Received: a dataset without one. "
            "Load it without validation_images=0, or leave patience out."
        )
    with quiet_tensorflow():
        import keras

    keras.utils.set_random_seed(seed)
    # Layers such as dropout drew a seed of their own when they were built.
    states = [v for v in model.non_trainable_variables if v.name == "seed_generator_state"]
    for number, state in enumerate(states):
        state.assign([seed, number])
    if not model.compiled:
        model.compile(
            optimizer="adam",
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
    callbacks = []
    if patience is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
        )
    if progress:
        steps = -(-len(dataset.train) // batch_size)
        callbacks.append(_progress_callback(epochs, steps))
    validation = None
    if len(dataset.validation):
        validation = make_batches(dataset.validation, VALIDATION_BATCH)
    start = time.perf_counter()
    fitted = model.fit(
        make_batches(dataset.train, batch_size, shuffle=True, seed=seed),
        validation_data=validation,
        epochs=epochs,
        shuffle=False,  # the pipeline shuffles
        callbacks=callbacks,
        verbose=0,
    )
    seconds = time.perf_counter() - start
    history = {name: tuple(map(float, values)) for name, values in fitted.history.items()}
    return TrainingRun(MappingProxyType(history), seconds, batch_size, seed, dataset.source)


def _progress_callback(epochs: int, steps: int) -> keras.callbacks.Callback:
    import keras
    from tqdm import tqdm

    class Progress(keras.callbacks.Callback):
        """A bar over all steps of all epochs; in a notebook, the learning curves with it."""

        def on_train_begin(self, logs=None):
            self.done, self.start = 0, time.perf_counter()
            self.bar_shown = self.curves_shown = self.start
            self.history: dict[str, list[float]] = {}
            self.view = _NotebookView(epochs) if _in_notebook() else _TerminalView()
            self.view.redraw(self.history)

        def on_train_batch_end(self, batch, logs=None):
            self.done += 1
            now = time.perf_counter()
            if now - self.bar_shown >= SECONDS_BETWEEN_UPDATES:
                self.bar_shown = now
                self.view.update(self._meter())

        def on_epoch_end(self, epoch, logs=None):
            for name, value in logs.items():
                self.history.setdefault(name, []).append(float(value))
            now = time.perf_counter()
            if now - self.curves_shown >= SECONDS_BETWEEN_PICTURES:
                self.curves_shown = now
                self.view.redraw(self.history)

        def on_train_end(self, logs=None):
            self.view.redraw(self.history)
            self.view.update(self._meter())
            self.view.close()

        def _meter(self) -> str:
            epoch = min(self.done // steps + 1, epochs)
            return tqdm.format_meter(
                self.done, epochs * steps, time.perf_counter() - self.start, unit="step",
                ncols=90, prefix=f"epoch {epoch} of {epochs}",
            )  # fmt: skip

    return Progress()


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


class _TerminalView:
    """The bar alone, on one line of the error stream."""

    def update(self, meter: str) -> None:
        print(f"\r{meter}", end="", file=sys.stderr, flush=True)

    def redraw(self, history: Mapping[str, list[float]]) -> None:
        pass

    def close(self) -> None:
        print(file=sys.stderr)


class _NotebookView:
    """One output that is replaced: the learning curves and, until the end, the bar.

    In the end only the curves are left, so that a stored notebook holds no times.
    """

    def __init__(self, epochs: int):
        self.epochs = epochs
        self.handle = None
        self.meter = ""

    def update(self, meter: str) -> None:
        self.meter = f'<pre role="status">{html.escape(meter)}</pre>'
        self._show()

    def redraw(self, history: Mapping[str, list[float]]) -> None:
        picture = live_curves(history, self.epochs)
        self.text, self.picture_html = repr(picture), picture.to_html()
        self._show()

    def close(self) -> None:
        self.meter = ""
        self._show()

    def _show(self) -> None:
        from IPython.display import display

        bundle = {"text/plain": self.text, "text/html": self.picture_html + self.meter}
        if self.handle is None:
            self.handle = display(bundle, raw=True, display_id=True)
        else:
            self.handle.update(bundle, raw=True)
