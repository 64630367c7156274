"""Hold an interrupt back until the end of a step. Introduced in lesson 4."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from helpers.training.state import Training, in_notebook


def after_an_interrupt(training: Training) -> str:
    to_do = ["Run the same cell again to go on."] if training.folder else []
    if in_notebook():
        to_do.append("Cells that wait below run now: interrupt again to stop them too.")
    return " ".join(to_do)


@contextlib.contextmanager
def interrupts_held_back(training: Training) -> Iterator[None]:
    """Note an interrupt, for the end of the step; a second one comes through at once.

    In the middle of a step, TensorFlow may turn it into an error of another kind. And nothing
    is half done where none comes. More of them, while the training stops already, do nothing.
    """

    def note(number, frame):
        if training.stopping:
            return
        training.stopping, training.interrupted = training.interrupted, True
        if training.stopping:
            handler(number, frame)

    handler = signal.getsignal(signal.SIGINT)
    mine = threading.current_thread() is threading.main_thread()  # only that one is interrupted
    if not mine or handler is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
