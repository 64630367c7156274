"""How a worker ends: with words, at once, and not after the one who started it is gone. Lesson 8.

TensorFlow waits for the other workers when Python exits, and torchrun starts its workers in
sessions of their own, so that they outlive a notebook whose kernel was killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
import traceback

from helpers.basics.errors import CourseError, wrapped

# What TensorFlow's errors are called when another worker is gone, by where it was noticed, and
# what gloo, with which PyTorch's workers talk, says of it.
GONE = (
    "UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError",
    "DistNetworkError", "DistStoreError",
)  # fmt: skip
GONE_FOR_GLOO = re.compile(r"\bgloo\b|Connection closed by peer")
STARTER = "WORKERS_STARTED_BY"  # the process that waits for the workers: its number and its age
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


def this_process() -> str:
    """Names this process for those that it starts; another one may get its number later.

    Introduced in lesson 8.
    """
    import psutil

    return f"{os.getpid()} {psutil.Process().create_time():.2f}"


def end_with_starter() -> None:
    """End this process soon after the one that waits for it is gone.

    Introduced in lesson 8.
    """
    if starter := os.environ.get(STARTER):
        threading.Thread(target=_watch, args=starter.split(), daemon=True).start()


def _watch(pid: str, began: str) -> None:
    import psutil

    while True:
        with contextlib.suppress(psutil.AccessDenied):
            try:
                if f"{psutil.Process(int(pid)).create_time():.2f}" != began:
                    os._exit(1)
            except psutil.NoSuchProcess:
                os._exit(1)
        time.sleep(CHECK_EVERY)


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
