"""What is shown while a training runs: a bar, and the learning curves. Lesson 4."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

from helpers.training.curves import live_curves
from helpers.training.state import Training, in_notebook

if TYPE_CHECKING:
    import keras

SECONDS_BETWEEN_UPDATES = 0.5  # of the bar
SECONDS_BETWEEN_PICTURES = 1.0  # of the curves, which take a tenth of a second to draw
READ_ALOUD_ONLY = "position:absolute; clip-path:inset(50%)"


class Progress:
    """A bar over all steps of all epochs; in a notebook, the learning curves with it.

    In a terminal the bar is a line of the error stream. In a notebook both are one output that is
    replaced. A screen reader finds the bar with its words, and is told of each epoch that ended,
    not of each step. The bar says its time of day: where the page was closed meanwhile it stands
    still. In the end only the curves are left, so that a stored notebook holds no times.
    """

    def __init__(self, training: Training):
        self.training = training
        self.steps = -(-len(training.dataset.train) // training.settings["batch_size"])
        self.done = training.kept.epoch * self.steps
        # The first step is made into a graph, which says nothing about how long the others take.
        self.first: int | None = None
        self.start = self.bar_shown = self.curves_shown = time.perf_counter()
        self.handle = None
        if in_notebook():
            self._show(curves=True, bar=False)

    def callback(self) -> keras.callbacks.Callback:
        import keras

        return keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: self._step(batch),
            on_epoch_end=lambda epoch, logs: self._epoch(),
        )

    def finish(self) -> None:
        """Show how it ended, however it ended."""
        self._show(curves=True)
        self._show(bar=False)

    def _step(self, batch: int) -> None:
        # Keras may take several steps before it calls.
        self.done = self.training.kept.epoch * self.steps + min(batch + 1, self.steps)
        now = time.perf_counter()
        if self.first is None:
            self.first, self.start = self.done, now
        if now - self.bar_shown >= SECONDS_BETWEEN_UPDATES:
            self.bar_shown = now
            self._show()

    def _epoch(self) -> None:
        now = time.perf_counter()
        if now - self.curves_shown >= SECONDS_BETWEEN_PICTURES:
            self.curves_shown = now
            self._show(curves=True)

    def _show(self, *, curves: bool = False, bar: bool = True) -> None:
        """A screen that fails, such as a terminal that was closed, ends no training."""
        with contextlib.suppress(Exception):
            if in_notebook():
                self._show_in_notebook(curves, bar)
            else:
                line = f"\r{self._bar(None)}" if bar else "\n"
                print(line, end="", file=sys.stderr, flush=True)

    def _bar(self, bar_format: str | None) -> str:
        """How far the training is, as tqdm writes it; its own format is a bar in a line."""
        from tqdm import tqdm

        epochs = self.training.epochs
        return tqdm.format_meter(
            self.done, epochs * self.steps, time.perf_counter() - self.start, unit="step",
            initial=self.done if self.first is None else self.first, ncols=90,
            prefix=f"epoch {min(self.done // self.steps + 1, epochs)} of {epochs}",
            bar_format=bar_format,
        )  # fmt: skip

    def _show_in_notebook(self, curves: bool, bar: bool) -> None:
        from IPython.display import display

        epochs, told = self.training.epochs, ""
        if curves:
            picture = live_curves(self.training.history, epochs)
            self.text, self.html = repr(picture), picture.to_html()
            if bar and self.training.kept.epoch:
                told = (f'<div role="status" style="{READ_ALOUD_ONLY}">'
                        f"Epoch {self.training.kept.epoch} of {epochs} ended</div>")  # fmt: skip
        steps = epochs * self.steps
        known = self.first is not None and self.first < self.done < steps
        words = self._bar(
            "{desc}, step {n} of {total}" + (", about {remaining} left" if known else "")
        )
        shown = (
            f'<div class="training-bar"><progress value="{self.done}" max="{steps}" '
            f'aria-label="training"></progress> {words} (at {time.strftime("%H:%M:%S")})</div>'
        )
        bundle = {
            "text/plain": self.text, "text/html": self.html + (shown if bar else "") + told
        }  # fmt: skip
        if self.handle is None:
            self.handle = display(bundle, raw=True, display_id=True)
        else:
            self.handle.update(bundle, raw=True)
