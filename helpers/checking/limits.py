"""Run code of a learner: not for ever, and with its own errors shown as its own."""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator

from helpers.checking.plain import Wrong

SECONDS = 10.0  # that code of a learner may run
WAITS = 3
LIBRARIES = ("site-packages", "dist-packages", "/helpers/", "\\helpers\\", "<frozen", "/lib/python")


class _TooLong(BaseException):
    """Raised inside code that runs too long. `except Exception` does not stop it."""


def run(function: Callable, *arguments: object, seconds: float = SECONDS) -> object:
    """What the function of a learner gives.

    Raises:
        Wrong: it raised an error, which is named with its line, or it ran too long.
        KeyboardInterrupt: the learner pressed the stop button.
    """
    try:
        with _alarm(seconds):
            return function(*arguments)
    except _TooLong:
        raise Wrong(
            f"Your code was still running after {seconds:.0f} s, and was stopped. Look for a loop "
            "that never ends: does what its condition asks about change inside it?"
        ) from None
    except Wrong:
        raise
    except (Exception, SystemExit) as error:  # whatever a learner's code may do
        raise Wrong(f"Your code stopped with {_named(error)}{_line(error)}") from None


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise _TooLong in the code of the block after so long, where that can be done.

    It works as the stop button does, by the signal SIGINT, which every system has. Only the main
    thread gets signals; in another one nothing is stopped. On a busy computer the code may wait
    for the processor: then it gets more time, until it had its share or WAITS times as long.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    rang, over = threading.Event(), threading.Event()
    started, worked = time.monotonic(), time.process_time()

    def ring() -> None:
        # Again and again: code that catches everything, as a bare `except` does, goes on.
        while not over.wait(seconds / 10) and signal.getsignal(signal.SIGINT) is stop:
            waited = time.monotonic() - started
            busy = time.process_time() - worked < seconds / 2
            if waited > seconds * (WAITS if busy else 1):
                rang.set()
                _interrupt()

    def stop(number: int, frame: object) -> None:
        if not rang.is_set():
            raise KeyboardInterrupt
        if not over.is_set():
            raise _TooLong

    before = signal.signal(signal.SIGINT, stop)
    threading.Thread(target=ring, daemon=True).start()
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGINT, before)


def _interrupt() -> None:
    """Interrupt the main thread as the stop button does, where it waits for something too."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:  # Windows
        _thread.interrupt_main()


def _named(error: BaseException) -> str:
    said = " ".join(str(error).split())
    said = said if len(said) <= 300 else f"{said[:300]} ..."
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _line(error: BaseException) -> str:
    """Where in the learner's own code it happened."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not any(part in frame.filename for part in LIBRARIES):
            return f", in line {frame.lineno} of the cell: {frame.line}" if frame.line else "."
    return "."
