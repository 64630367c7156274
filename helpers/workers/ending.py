"""How a worker ends: with words, at once, and not after the one who started it is gone. Lesson 8.

TensorFlow waits for the other workers when Python exits, and torchrun starts its workers in
sessions of their own, so that they outlive it, and a notebook whose kernel was killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback

from helpers.basics.errors import CourseError, WorkersError, wrapped

# What TensorFlow's errors are called when another worker is gone, by where it was noticed, and
# what gloo, with which PyTorch's workers talk, says of it.
GONE = (
    "UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError",
    "DistNetworkError", "DistStoreError",
)  # fmt: skip
GONE_FOR_GLOO = re.compile(r"\bgloo\b|Connection closed by peer")
STARTER = "WORKERS_STARTED_BY"  # the number of the process that waits for the launcher
CHECK_EVERY = 1  # seconds
STOPPED = "A worker stopped"  # so begins what a launcher says of it
TIME_TO_END = 3  # seconds, until a process that does not end by itself is killed


def other_is_gone(error: BaseException) -> bool:
    """Whether an error only says that another worker stopped or no longer answers.

    Introduced in lesson 8.
    """
    by_gloo = isinstance(error, RuntimeError) and GONE_FOR_GLOO.search(str(error))
    return type(error).__name__ in GONE or bool(by_gloo)


def words_of(error: BaseException) -> str:
    """What is to be said of it.

    Introduced in lesson 8.
    """
    if other_is_gone(error):
        return (
            "Expected all workers to go on. Received: another one that stopped or no longer "
            "answers. What worker 0 kept of whole epochs is there: start again to go on."
        )
    if isinstance(error, CourseError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def end_at_once(rank: int, error: BaseException) -> None:
    """Say why, and end this process, whatever still runs in it.

    Introduced in lesson 8.
    """
    try:
        if not isinstance(error, CourseError):
            traceback.print_exception(error)
        print(wrapped(f"Worker {rank}: {words_of(error)}"), file=sys.stderr)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:  # also where what it says finds no room
        os._exit(1)


def end_with_launcher(rank: int) -> None:
    """End this process soon after its launcher is gone, or whoever started that.

    Nothing is done where no launcher has started it.

    Introduced in lesson 8.
    """
    launcher, starter = os.getppid(), os.environ.get(STARTER, "")
    # Both launchers name their run. 0 is one outside of this container, which nobody can look for.
    if "TORCHELASTIC_RUN_ID" not in os.environ or not launcher:
        return
    if not _is_waited_for(launcher, starter):  # before it takes anything from others
        _end_alone(rank)
    threading.Thread(target=_watch, args=(rank, launcher, starter), daemon=True).start()


def _watch(rank: int, launcher: int, starter: str) -> None:
    while _is_waited_for(launcher, starter):
        time.sleep(CHECK_EVERY)
    with contextlib.suppress(OSError):
        if os.getppid() == launcher:  # it would start others in the place of these
            os.kill(launcher, signal.SIGTERM)
    _end_alone(rank)


def _is_waited_for(launcher: int, starter: str) -> bool:
    """Whether the launcher is there, and whoever started that.

    Ages are compared with each other alone: a clock that is set changes all of them.
    """
    import psutil

    if os.getppid() != launcher:
        return False
    with contextlib.suppress(psutil.AccessDenied):
        try:
            own = psutil.Process(launcher)
            first = psutil.Process(int(starter or launcher))
            # Another process that got its number meanwhile is younger than the launcher.
            is_first = first.create_time() <= own.create_time()
            return is_first and first.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
    return True


def _end_alone(rank: int) -> None:
    end_at_once(
        rank,
        WorkersError(
            "Expected the program that started the workers to go on. Received: it was ended. "
            "What worker 0 kept of whole epochs is there: start again to go on."
        ),
    )


def end_all(processes: list[subprocess.Popen], time_to_end: float = TIME_TO_END) -> None:
    """End what still runs: first by asking, then, after some seconds, by force.

    Introduced in lesson 8.
    """
    for process in processes:
        if process.poll() is None:
            process.terminate()
    until = time.monotonic() + time_to_end
    for process in processes:
        try:
            process.wait(max(until - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
