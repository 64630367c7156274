"""Work on thousands of image files at once, in several processes. Introduced in lesson 2.

Nothing here sets a switch of Pillow for the whole process: other threads may use it too.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from itertools import starmap
from typing import Any

from helpers.basics.memory import available_memory, usable_cores

MOST_MEMORY = 1.2e9  # bytes, that a process takes for a picture of MAX_PIXELS
# How long it takes to look at a file, roughly: so much for any, and more for a large one.
SECONDS_A_FILE = 5e-5
BYTES_A_SECOND = 3e7
WORTH_PROCESSES = 1.0  # seconds of work: to start processes takes half a second
SECONDS_A_CHUNK = 0.015  # of work, for a process at a time
MOST_AHEAD = 4  # chunks a process, that wait for one before them
_IGNORED = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # as warnings.filters has it
_quiet = threading.Lock()
_in_quiet = 0


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Pillow warns of nothing; other packages do as ever. Introduced in lesson 2.

    What to warn of is the same for all threads. `warnings.catch_warnings` would leave it changed
    for good where two threads come and go in turn, so the last one to go takes it back here.
    """
    global _in_quiet
    with _quiet:
        _in_quiet += 1
        warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        yield
    finally:
        with _quiet:
            _in_quiet -= 1
            if not _in_quiet:
                with contextlib.suppress(ValueError):  # something else has taken it back
                    warnings.filters.remove(_IGNORED)


def in_processes(
    work: Callable[[int, Sequence], Any],
    items: Sequence,
    doing: str,
    progress: bool,
    take: Callable[[Any], object],
    bytes_each: float,
) -> None:
    """Work on a chunk of the items at a time, in several processes where there is much to do.

    Threads would wait for each other: to look at a small file is mostly Python. Few chunks are
    under way at any time, so that the memory does not grow with the items, and there are no more
    processes than could decode a huge picture each.

    Args:
        work: a function of a module, or a `partial` of one. It is called with a part of the
            items, and the index of the first one.
        items: what is to be done.
        doing: what the progress bar calls it.
        progress: whether to show one where it takes longer than a second.
        take: is called with what `work` gave for each chunk, in order, in this process.
        bytes_each: how long the files are on average.

    An interrupt, and an error in one of the two functions, ends it soon.

    Introduced in lesson 2.
    """
    from tqdm.auto import tqdm

    seconds_each = SECONDS_A_FILE + bytes_each / BYTES_A_SECOND
    size = max(round(SECONDS_A_CHUNK / seconds_each), 1)
    chunks = ((start, items[start : start + size]) for start in range(0, len(items), size))
    processes = usable_cores() if seconds_each * len(items) > WORTH_PROCESSES else 1
    processes = max(min(processes, int(available_memory() / MOST_MEMORY)), 1)
    # tqdm's own setting, which the check of the lessons has: a bar is no output to compare.
    delay = float(os.environ.get("TQDM_DELAY", "1"))
    bar = tqdm(total=len(items), desc=doing, unit=" files", delay=delay, disable=not progress)
    with bar, quiet_pillow(), contextlib.closing(_results(work, chunks, processes)) as results:
        for result in results:
            take(result)
            bar.update(min(size, len(items) - bar.n))


def _results(work: Callable, chunks: Iterator[tuple[int, Sequence]], processes: int) -> Iterator:
    """What `work` gives for each chunk, in order: of this process, and of others beside it."""
    if processes == 1:
        yield from starmap(work, chunks)
        return
    from loky import ProcessPoolExecutor

    # Unlike those of Python itself, the processes of loky do not run the user's script again.
    others = ProcessPoolExecutor(processes - 1)
    ahead: deque[tuple[Future, tuple]] = deque()  # in order
    try:
        with _deaf_to_interrupts():
            started = _begun(others, os.getpid)
        for chunk in chunks:
            if started.done() and sum(not one.done() for one, _ in ahead) < 2 * (processes - 1):
                ahead.append((_begun(others, work, *chunk), chunk))
            else:  # they start, or have enough to do
                ahead.append((Future(), chunk))
                ahead[-1][0].set_result(work(*chunk))
            while ahead and (ahead[0][0].done() or len(ahead) > MOST_AHEAD * processes):
                yield _result(work, *ahead.popleft())
        while ahead:
            yield _result(work, *ahead.popleft())
    finally:
        with _killed_in_silence():
            others.shutdown(kill_workers=True)


def _begun(others: Executor, work: Callable, *chunk: object) -> Future:
    """Another process at work, or one that failed: as in a process of a pool, which may not
    start any, or where the system gives none."""
    try:
        return others.submit(work, *chunk)
    except Exception as error:
        failed: Future = Future()
        failed.set_exception(BrokenExecutor(error))
        return failed


def _result(work: Callable, future: Future, chunk: tuple) -> object:
    try:
        return future.result()
    except BrokenExecutor:  # nobody did it, or the process was killed, such as for its memory
        return work(*chunk)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started here ignore interrupts for good; this one is back in a moment.

    A terminal and JupyterLab interrupt all of them at once, and each would print where it was.
    """
    if threading.current_thread() is not threading.main_thread():  # it may not decide that
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _killed_in_silence() -> Iterator[None]:
    """The thread that serves processes may complain when they are killed."""
    usual = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if getattr(failed.thread, "name", "") != "ExecutorManagerThread":
            usual(failed)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = usual
