"""What happened in a training, and several of them compared. Introduced in lesson 4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.basics.errors import UsageError, wrapped
from helpers.pictures.lines import plot_lines
from helpers.pictures.picture import Picture
from helpers.pictures.words import as_named, brief
from helpers.training.curves import best_epoch, live_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_runs(
    runs: Mapping[str, TrainingRun],
    metric: str = "val_loss",
    *,
    title: str = "",
    ax: Axes | None = None,
) -> Picture:
    """Compare runs: one line a run of one metric over the epochs.

    Args:
        runs: name -> `TrainingRun`.
        metric: "loss", "accuracy", "val_loss" or "val_accuracy".
        title: a heading.
        ax: the Axes to draw on; a figure of its own where it is left out.

    Raises:
        UsageError: no run, or one that has not measured this.

    Introduced in lesson 4.
    """
    names, listed = as_named(runs, "TrainingRun")
    histories = [getattr(run, "history", None) for run in listed]
    for name, run, history in zip(names, listed, histories, strict=True):
        if not isinstance(history, Mapping):
            raise UsageError(f"Expected a TrainingRun as {name}. Received: {brief(run)}.")
        if not isinstance(metric, str) or metric not in history:
            measured = ", ".join(history) or "none, since no epoch has ended"
            raise UsageError(
                f"Expected a metric that every run has measured. Received: {metric!r}, and of "
                f"{name}: {measured}. Without validation images a run has no val_loss."
            )
    of = "validation" if metric.startswith("val_") else "training"
    accuracy = metric.endswith("accuracy")
    lines = {
        name: [(100 if accuracy else 1) * value for value in history[metric]]
        for name, history in zip(runs, histories, strict=True)
    }
    longest = max(map(len, lines.values()))
    label = f"{of} accuracy (%)" if accuracy else f"{of} cross-entropy"
    return plot_lines(
        range(1, longest + 1), lines, x_label="epoch", y_label=label, title=title, ax=ax
    )


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
        stopped: why it ended before its last epoch, in words; "" where it did not. Then the
            model has the weights that it had after the last whole epoch.
        first_losses: the training loss of the first epoch so far, after each of its first 16
            steps, or where Keras is told of several steps at once after each call. Two computers
            that train alike agree in these far better than in how the training ends. Empty where
            the training went on from a folder, or computes in another format than float32.

    Introduced in lesson 4.
    """

    history: Mapping[str, tuple[float, ...]]
    seconds: float
    batch_size: int
    seed: int
    source: str
    stopped: str = ""
    first_losses: tuple[float, ...] = ()

    @property
    def epochs(self) -> int:
        """How many epochs were trained, whole ones."""
        return len(self.history.get("loss", ()))

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, with the lowest validation loss (training loss without).

        0 where not one epoch was trained.
        """
        return best_epoch(self.history)

    @property
    def validation_accuracy(self) -> float:
        """Accuracy on the validation images after the last epoch, a share from 0 to 1."""
        if not self.epochs:
            raise UsageError(
                "Expected a run of at least one whole epoch. Received: one that ended before. "
                "Train again, and let the first epoch come to its end."
            )
        if "val_accuracy" not in self.history:
            raise UsageError(
                "Expected a run with a validation split. Received: one that trained on all images. "
                "Load the dataset without validation_images=0."
            )
        return self.history["val_accuracy"][-1]

    def plot(self) -> Picture:
        """Draw the learning curves."""
        return live_curves(self.history, self.epochs)

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
        if self.stopped:
            # The rest was printed when it stopped.
            lines.append(f"  {self.stopped.partition(':')[0]}")
        return wrapped("\n".join(lines), indent="  ")
