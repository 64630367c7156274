"""What is shown while a training runs: a bar, and the learning curves. Lesson 4."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from helpers.training.curves import live_curves
from helpers.training.state import Training, in_notebook

if TYPE_CHECKING:
    import keras
SECONDS_BETWEEN_UPDATES = 0.5  # of the bar
UNSEEN = "position:absolute; clip-path:inset(50%)"  # but read aloud
SECONDS_BETWEEN_PICTURES = 1.0  # of the curves, which take a tenth of a second to draw


class Progress:
    """A bar over all steps of all epochs; in a notebook, the learning curves with it."""

    def __init__(self, training: Training):
        self.training = training
        self.steps = -(-len(training.dataset.train) // training.settings["batch_size"])
        self.done = training.kept.epoch * self.steps
        # The first step is made into a graph, which says nothing about how long the others take.
        self.first: int | None = None
        self.start = self.bar_shown = self.curves_shown = time.perf_counter()
        self.view = _NotebookView(training.epochs) if in_notebook() else _TerminalView()
        self._show("redraw", training.history)

    def callback(self) -> keras.callbacks.Callback:
        import keras

        return keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: self._step(batch),
            on_epoch_end=lambda epoch, logs: self._epoch(),
        )

    def finish(self) -> None:
        """Show how it ended, however it ended."""
        self._show("redraw", self.training.history)
        self._show("update", self._how_far())
        self._show("close")

    def _show(self, what: str, *values: Any) -> None:
        """A screen that fails, such as a terminal that was closed, ends no training."""
        try:
            getattr(self.view, what)(*values)
        except Exception:
            self.view = _NoView()

    def _step(self, batch: int) -> None:
        # Keras may take several steps before it calls.
        self.done = self.training.kept.epoch * self.steps + min(batch + 1, self.steps)
        now = time.perf_counter()
        if self.first is None:
            self.first, self.start = self.done, now
        if now - self.bar_shown >= SECONDS_BETWEEN_UPDATES:
            self.bar_shown = now
            self._show("update", self._how_far())

    def _epoch(self) -> None:
        now = time.perf_counter()
        if now - self.curves_shown >= SECONDS_BETWEEN_PICTURES:
            self.curves_shown = now
            self._show("redraw", self.training.history)

    def _how_far(self) -> _HowFar:
        epochs = self.training.epochs
        return _HowFar(
            min(self.done // self.steps + 1, epochs), epochs, self.done, epochs * self.steps,
            self.done if self.first is None else self.first, time.perf_counter() - self.start,
        )  # fmt: skip


class _HowFar(NamedTuple):
    """Of which epoch it is, which step of all, since which one time is measured, how long."""

    epoch: int
    epochs: int
    done: int
    steps: int
    first: int
    seconds: float

    def left(self) -> str:
        """The time that the other steps will take, in words; "" where nothing is known yet."""
        if self.done <= self.first or self.done >= self.steps:
            return ""
        from tqdm import tqdm

        left = self.seconds / (self.done - self.first) * (self.steps - self.done)
        return f", about {tqdm.format_interval(left)} left"


class _NoView:
    """Shows nothing."""

    def update(self, far: _HowFar) -> None:
        pass

    def redraw(self, history: Mapping[str, list[float]]) -> None:
        pass

    def close(self) -> None:
        pass


class _TerminalView(_NoView):
    """The bar alone, on one line of the error stream."""

    def update(self, far: _HowFar) -> None:
        from tqdm import tqdm

        meter = tqdm.format_meter(
            far.done, far.steps, far.seconds, unit="step", initial=far.first, ncols=90,
            prefix=f"epoch {far.epoch} of {far.epochs}",
        )  # fmt: skip
        print(f"\r{meter}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        print(file=sys.stderr)


class _NotebookView:
    """One output that is replaced: the learning curves and, until the end, the bar.

    A screen reader finds the bar with its words, and is told of each epoch that ended, not of
    each step. The bar says its time of day: where the page was closed meanwhile it stands still.
    In the end only the curves are left, so that a stored notebook holds no times.
    """

    def __init__(self, epochs: int):
        self.epochs = epochs
        self.handle = None
        self.bar = ""

    def update(self, far: _HowFar) -> None:
        words = f"epoch {far.epoch} of {far.epochs}, step {far.done} of {far.steps}{far.left()}"
        self.bar = (
            f'<div class="training-bar"><progress value="{far.done}" max="{far.steps}" '
            f'aria-label="training"></progress> {words} (at {time.strftime("%H:%M:%S")})</div>'
        )
        self._show()

    def redraw(self, history: Mapping[str, list[float]]) -> None:
        picture = live_curves(history, self.epochs)
        self.text, self.picture_html = repr(picture), picture.to_html()
        ended = len(history.get("loss", ()))
        self._show(f'<div role="status" style="{UNSEEN}">Epoch {ended} of {self.epochs} ended</div>'
                   if self.bar and ended else "")  # fmt: skip

    def close(self) -> None:
        self.bar = ""
        self._show()

    def _show(self, told: str = "") -> None:
        from IPython.display import display

        bundle = {"text/plain": self.text, "text/html": self.picture_html + self.bar + told}
        if self.handle is None:
            self.handle = display(bundle, raw=True, display_id=True)
        else:
            self.handle.update(bundle, raw=True)
