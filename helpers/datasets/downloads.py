"""Download a file once, whole, and only if it is the right one. Introduced in lesson 2.

    with one_at_a_time(path):
        fetch(url, path, sha256="...", size=170_052_171)

What comes is written to `<name>.part` beside the file, and gets its name after its hash was
checked. So a program may be stopped at any moment: the next one goes on with the `.part`, once it
has seen that the host sends the same again. Where it does not, the whole comes to `<name>.new`,
and the `.part` stays until that is known to be the right file: it may be a sign-in page.

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
from concurrent.futures import Future
from functools import partial
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
PIECE = 1 << 17  # bytes read at once, at most
OVERLAP = 1 << 10  # bytes asked for once more, to see that they are those that were kept
SLOWEST = 1_000  # bytes a second that a host must send
OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 200, 206, 416  # what a host may answer


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
        timeout: seconds of silence after which the host is given up, or of less than 1 kB each.

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
        kept = _bytes_kept(part, size)
        check_free_space(path.parent, size - kept + room, path.name)
        arrived = part
        with _failures_in_words(url, path, timeout), _removed(anew):
            fits = _transfer(url, part, kept, size, timeout)
            if kept and not (fits and sha256_of(part) == sha256):
                # Either of the two may be the wrong one: what was kept stays until that is known.
                os.truncate(part, kept)
                arrived = anew
                _transfer(url, anew, 0, size, timeout)
            _check_arrived(arrived, path, url, sha256)
            arrived.replace(path)
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


def _bytes_kept(part: Path, size: int) -> int:
    """How much of the file an earlier try left. More than the whole is none of it."""
    kept = part.stat().st_size if part.is_file() else 0
    return kept if kept <= size else 0


@contextlib.contextmanager
def _removed(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _failures_in_words(url: str, path: Path, timeout: float) -> Iterator[None]:
    import requests
    import urllib3

    try:
        yield
    except (OSError, urllib3.exceptions.HTTPError, ValueError) as error:
        of_the_host = isinstance(error, requests.RequestException)
        if isinstance(error, CourseError) or (getattr(error, "errno", None) and not of_the_host):
            raise
        raise DownloadError(
            f"Expected to download {url}. Received: {_in_words(error, timeout)}. What came is "
            "kept: the next try goes on from there. Or get the file by another way and put it "
            f"at {path}."
        ) from None


def _transfer(url: str, file: Path, kept: int, size: int, timeout: float) -> bool:
    """Have `size` bytes in `file`, of which an earlier try left the first `kept`.

    False, and `file` as it was, where those are not what the host sends.
    """
    if kept == size:
        return True
    try:
        with _ask(url, max(kept - OVERLAP, 0), size, timeout) as response:
            return _receive(response, file, kept, size, timeout)
    except OSError as error:
        if error.errno in FULL and kept:
            os.truncate(file, kept)
        elif error.errno in FULL:
            file.unlink(missing_ok=True)
        raise


def _ask(url: str, start: int, size: int, timeout: float) -> requests.Response:
    """Ask the host for the file from byte `start` on, else for the whole of it."""
    import requests

    # The host shall not pack it for the way: then the lengths would no longer be the file's.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    ask = partial(requests.get, url, headers=headers, stream=True, timeout=timeout)
    response = _in_time(ask, 2 * timeout)  # to connect, and until it answers
    told = response.headers.get("Content-Range")
    if start and response.status_code == PARTIAL_CONTENT:
        # What does not begin where it should would make a mixture.
        if told in (f"bytes {start}-{size - 1}/{size}", f"bytes {start}-{size - 1}/*"):
            return response
    elif response.status_code == OK:
        length = response.headers.get("Content-Length", str(size))
        if not start or length == str(size) or "Content-Encoding" in response.headers:
            return response
        # Such as a network's sign-in page: what came before is too good to be lost for it.
        response.close()
        raise requests.RequestException(f"an answer of {length} bytes, not of {size}")
    response.close()
    if start and response.status_code in (PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE):
        return _ask(url, 0, size, timeout)
    raise requests.HTTPError(response=response)


def _in_time(ask: Callable[[], Answer], seconds: float) -> Answer:
    """The answer, if it comes in time: a host may let single lines drip."""
    import requests

    answer: Future = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        raise requests.RequestException(f"no answer in {seconds:g} seconds (time-out)") from None


def _receive(response: requests.Response, file: Path, kept: int, size: int, timeout: float) -> bool:
    """Compare what comes with the first `kept` bytes of `file`, and write what lies behind them."""
    import urllib3
    from tqdm.auto import tqdm

    done = kept - OVERLAP if response.status_code == PARTIAL_CONTENT else 0
    told = response.headers
    # Some hosts name the packing of the file itself here. Its length tells: the file is to
    # stay packed; something longer or shorter was packed for the way.
    packed = "Content-Encoding" in told and told.get("Content-Length") != str(size - done)
    bar = tqdm(total=size, initial=done, unit="B", unit_scale=True, desc=file.stem)
    with bar, file.open("r+b" if kept else "w+b") as stored:
        stored.seek(done)
        for piece in _pieces(response, packed, timeout):
            piece = piece[: size - done]
            known = stored.read(min(len(piece), kept - done)) if done < kept else b""
            if not piece.startswith(known):
                return False
            stored.write(piece[len(known) :])
            bar.update(len(piece))
            done += len(piece)
            if done == size:
                break
        stored.flush()
        os.fsync(stored.fileno())
    if done < size and (kept or not ("Content-Length" in told or "Transfer-Encoding" in told)):
        # No one told where the end is, or it is not there yet. Elsewhere requests sees itself
        # that the line broke.
        raise urllib3.exceptions.ProtocolError()
    return True


def _pieces(response: requests.Response, packed: bool, timeout: float) -> Iterator[bytes]:
    """What the host sends, as soon as it comes. One that only drips is given up."""
    import requests

    read = partial(response.raw.read1, PIECE, decode_content=packed)
    since, came = time.monotonic(), 0
    try:
        while piece := _in_time(read, 2 * timeout):  # a line between two pieces may drip, too
            came += len(piece)
            passed = time.monotonic() - since
            if passed > timeout and came < SLOWEST * passed:
                raise requests.RequestException(
                    f"{came:,} bytes in {passed:.0f} seconds (time-out)"
                )
            if passed > timeout:
                since, came = time.monotonic(), 0
            yield piece
    except BaseException:  # such as an interrupt: nobody waits for what is still to come
        with contextlib.suppress(ValueError, RuntimeError):  # it came, and the line is free
            response.raw.shutdown()
        raise


def _in_words(error: Exception, timeout: float) -> str:
    """What went wrong. requests and urllib3 would say it in nested class names."""
    import requests
    import urllib3

    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return f"nothing for {timeout:g} seconds (time-out)"
    if isinstance(error, requests.HTTPError):
        return f"{error.response.status_code} {error.response.reason}".strip()
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection (a proxy or a wrong clock may be why)"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "a connection that broke off"
    if isinstance(error, urllib3.exceptions.DecodeError):
        return "a damaged answer, packed with gzip"
    return str(error).removesuffix(".")
