"""Download a file once, whole, and only if it is the right one. Introduced in lesson 2.

    with one_at_a_time(path):
        fetch(url, path, sha256="...", size=170_052_171)

What comes is written to `<name>.part` beside the file, and gets its name after its hash was
checked. So a program may be stopped at any moment: the next one asks for the rest, and writes it
behind the `.part`. Where the host sends the whole instead, or the hash is then a wrong one, the
whole comes to `<name>.new`: the `.part` stays until that is known to be the right file, for it may
be a sign-in page.

`requests` does the transfer and `filelock` the waiting. pooch, the usual library for this, is
not used: it cannot go on in the middle of a file, writes whatever a host sends, however long,
and two programs that download the same file through it do so twice.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from helpers.basics.errors import CourseError, DamagedFileError, DownloadError
from helpers.basics.files import (
    FULL,
    check_free_space,
    file_lock,
    storage_errors_in_words,
    sync_folder,
)
from helpers.basics.files import sha256 as sha256_of

if TYPE_CHECKING:
    import filelock
    import requests

Answer = TypeVar("Answer")
MOST_AT_ONCE = 1 << 17  # bytes
HEARD_WITHIN = 0.5  # seconds
SLOWEST = 1_000  # bytes a second that a host must send


@contextlib.contextmanager
def one_at_a_time(path: Path, doing: str = "downloading") -> Iterator[None]:
    """Let one program in, and have the others wait: for what only one may do with `path`.

    The lock is a file beside `path`. The system opens it when a program ends, however it ends.
    `doing` says what for, to whom waits.

    Raises:
        StorageError: nothing may be written there.

    Introduced in lesson 2.
    """

    def wait(lock: filelock.BaseFileLock) -> None:
        print(f"Another program is already {doing} {path.name}; waiting for it.")
        lock.acquire()

    with storage_errors_in_words(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = file_lock(path.with_name(path.name + ".lock"), wait)
    try:
        yield
    finally:
        lock.release()


def fetch(
    url: str, path: Path, *, sha256: str, size: int, room: int = 0, timeout: float = 30
) -> None:
    """Have the file at `path`: the one that lies there, else one downloaded now.

    Args:
        url: where to download it from.
        path: where it lies afterwards. A file that is there already is never changed.
        sha256: the hash it must have, in hexadecimal.
        size: its true size in bytes. Nothing beyond it is ever written.
        room: bytes that the caller will write afterwards, to check the disk for all at once.
        timeout: seconds of silence, or of less than 1 kB each, after which the host is given up.

    Raises:
        DamagedFileError: the file at `path`, or what the host sent, has another hash.
        DownloadError: the host did not send it.
        StorageError: the disk has no room for it, or nothing may be written there.

    Introduced in lesson 2.
    """
    part, anew = (path.with_name(path.name + ending) for ending in (".part", ".new"))
    with storage_errors_in_words(path):
        anew.unlink(missing_ok=True)  # of a program that was killed
        if path.exists():
            _check_cached(path, url, sha256)
            part.unlink(missing_ok=True)  # of an earlier try, and no longer needed
            check_free_space(path.parent, room, path.name)
            return
        kept = part.stat().st_size if part.is_file() else 0
        kept = kept if kept <= size else 0  # more than the whole is none of it
        check_free_space(path.parent, size - kept + room, path.name)
        try:
            with _failures_in_words(url, path):
                arrived = _download(url, part, kept, size, timeout)
                if arrived == part and kept and sha256_of(part) != sha256:
                    # What was kept or what came is wrong: that stays until it is known which.
                    os.truncate(part, kept)
                    arrived = _download(url, anew, 0, size, timeout)
                _check_arrived(arrived, path, url, sha256)
                arrived.replace(path)
        finally:
            anew.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
        sync_folder(path.parent)


def _check_cached(path: Path, url: str, sha256: str) -> None:
    found = sha256_of(path) if path.is_file() else "a folder"
    if found != sha256:
        raise DamagedFileError(
            f"Expected the official file of {url} at {path} with sha256 {sha256}. "
            f"Received: {found}. Put the official file there, or delete this one to download it."
        )


def _check_arrived(arrived: Path, path: Path, url: str, sha256: str) -> None:
    if (found := sha256_of(arrived)) != sha256:
        arrived.unlink()
        raise DamagedFileError(
            f"Expected {url} to have sha256 {sha256}. Received: {found}. The download was "
            f"deleted. Try again, or get the file by another way and put it at {path}."
        )


def _download(url: str, file: Path, kept: int, size: int, timeout: float) -> Path:
    """Have the file that the host has, of which `file` holds the first `kept` bytes.

    Returns:
        `file` if the host goes on behind them, else a new one: `file` then stays as it was.
    """
    import requests

    if kept == size:
        return file
    # The host shall not pack it for the way: the hash is that of the file as it lies there.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={kept}-"} if kept else {})
    # The watch gives the host up; this later time-out only ends the thread that is left behind.
    ask = partial(requests.get, url, headers=headers, stream=True, timeout=10 * timeout)
    with _watched(ask, lambda: 0, timeout) as response:
        status, told = response.status_code, response.headers.get("Content-Range")
        rest = (f"bytes {kept}-{size - 1}/{size}", f"bytes {kept}-{size - 1}/*")
        if kept and status == HTTPStatus.PARTIAL_CONTENT and told in rest:
            _receive(response, file, kept, size, timeout)
            return file
        whole = file.with_suffix(".new") if kept else file
        if status == HTTPStatus.OK:
            _receive(response, whole, 0, size, timeout)
            return whole
    if kept:  # it cannot go on there, and another range would make a mixture
        return _download(url, whole, 0, size, timeout)
    raise requests.RequestException(f"{status} {response.reason}")


def _receive(response: requests.Response, file: Path, kept: int, size: int, timeout: float) -> None:
    """Write what comes behind the first `kept` bytes of `file`, and nothing beyond `size`."""
    import urllib3
    from tqdm.auto import tqdm

    bar = tqdm(total=size, initial=kept, unit="B", unit_scale=True, desc=file.stem)
    try:
        with bar, file.open("ab" if kept else "wb") as stored:

            def write() -> None:
                while piece := response.raw.read1(MOST_AT_ONCE, decode_content=False):
                    bar.update(stored.write(piece[: size - bar.n]))
                    if bar.n == size:
                        return

            try:
                _watched(write, lambda: bar.n, timeout)
            finally:  # nobody waits for what is still to come
                with contextlib.suppress(ValueError, RuntimeError):  # all came: the line is free
                    response.raw.shutdown()
            stored.flush()
            os.fsync(stored.fileno())
    except OSError as error:
        if error.errno in FULL and kept:
            os.truncate(file, kept)
        elif error.errno in FULL:
            file.unlink(missing_ok=True)
        raise
    told_its_end = {"Content-Length", "Transfer-Encoding"} & response.headers.keys()
    if bar.n < size and (kept or not told_its_end):  # else it is something else: its hash tells
        raise urllib3.exceptions.ProtocolError()


def _watched(work: Callable[[], Answer], progress: Callable[[], int], timeout: float) -> Answer:
    """Do the work in a thread, and give it up when it is silent or drips: even a single line may.

    Args:
        work: ends by itself when what it reads from or writes to is closed.
        progress: how many bytes came by now.
        timeout: seconds in which 1 kB each must come.
    """
    import requests

    done: Future = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)

    before, until = progress(), time.monotonic() + timeout
    threading.Thread(target=run, daemon=True).start()
    # A Ctrl-C that comes in the moment before a wait is heard only when that is over.
    while not wait([done], min(HEARD_WITHIN, timeout)).done:
        if time.monotonic() < until:
            continue
        if (came := progress() - before) < SLOWEST * timeout:
            raise requests.RequestException(f"{came:,} bytes in {timeout:g} seconds (time-out)")
        before += came
        until += timeout
    return done.result()


@contextlib.contextmanager
def _failures_in_words(url: str, path: Path) -> Iterator[None]:
    """Say what went wrong. requests and urllib3 would say it in nested class names."""
    import requests
    import urllib3

    words = {
        requests.exceptions.SSLError: "no secure connection (a proxy or a wrong clock may be why)",
        requests.ConnectionError: "no connection",
        requests.Timeout: "silence (time-out)",
        urllib3.exceptions.TimeoutError: "silence (time-out)",
        urllib3.exceptions.ProtocolError: "a connection that broke off",
    }
    try:
        yield
    except CourseError:
        raise
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        said = next((words[kind] for kind in words if isinstance(error, kind)), str(error))
        raise DownloadError(
            f"Expected to download {url}. Received: {said.strip('. ')}. What came is kept: the "
            f"next try goes on from there. Or get the file by another way and put it at {path}."
        ) from None
