"""Download a file once, whole, and only if it is the right one. Introduced in lesson 2.

    with one_at_a_time(path):
        fetch(url, path, sha256="...", size=170_052_171)

What comes is written to `<name>.part` beside the file, and gets its name after its hash was
checked. So a program may be stopped at any moment: the next one goes on with the `.part`.

`requests` does the transfer and `filelock` the waiting. pooch, the usual library for this, is
not used: it cannot go on in the middle of a file, writes whatever a host sends, however long,
and two programs that download the same file through it do so twice.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.errors import DamagedFileError, DownloadError
from helpers.files import FULL, check_free_space, file_lock, storage_errors_in_words, sync_folder
from helpers.files import sha256 as sha256_of

if TYPE_CHECKING:
    import filelock
    import requests

PIECE = 1 << 14  # bytes read at once; as many may be lost when the line breaks
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
        timeout: seconds of silence after which the host is given up.

    Raises:
        DamagedFileError: the file at `path`, or what the host sent, has another hash.
        DownloadError: the host did not send it.
        StorageError: the disk has no room for it, or nothing may be written there.

    Introduced in lesson 2.
    """
    part = path.with_name(path.name + ".part")
    with storage_errors_in_words(path):
        if path.exists():
            _check_cached(path, url, sha256)
            part.unlink(missing_ok=True)  # of an earlier try, and no longer needed
            check_free_space(path.parent, room, path.name)
            return
        check_free_space(path.parent, size - _bytes_kept(part, size) + room, path.name)
        while True:
            went_on = _download(url, part, size, timeout)
            found = sha256_of(part)
            if found == sha256:
                break
            part.unlink()
            if not went_on:  # else its beginning may be of another version: again, from there
                raise DamagedFileError(
                    f"Expected {url} to have sha256 {sha256}. Received: {found}. "
                    "The download was deleted. Try again, or get the file by another way and "
                    f"put it at {path}."
                )
        part.replace(path)
        sync_folder(path.parent)


def _check_cached(path: Path, url: str, sha256: str) -> None:
    found = sha256_of(path) if path.is_file() else "a folder"
    if found != sha256:
        raise DamagedFileError(
            f"Expected the official file of {url} at {path} with sha256 {sha256}. "
            f"Received: {found}. Put the official file there, or delete this one to download it."
        )


def _bytes_kept(part: Path, size: int) -> int:
    """How much of the file an earlier try left. More than the whole is none of it."""
    kept = part.stat().st_size if part.is_file() else 0
    return kept if kept <= size else 0


def _download(url: str, part: Path, size: int, timeout: float) -> bool:
    """Download into `part`, and say whether it began with what an earlier try had left."""
    import requests
    import urllib3

    kept = _bytes_kept(part, size)
    if kept == size:
        return True
    try:
        with _ask(url, kept, size, timeout) as response:
            went_on = response.status_code == PARTIAL_CONTENT
            _receive(response, part, kept if went_on else 0, size)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise DownloadError(
            f"Expected to download {url}. Received: {_in_words(error, timeout)}. What came is "
            "kept: the next try goes on from there. Or get the file by another way and put it "
            f"at {part.with_suffix('')}."
        ) from None
    except OSError as error:
        if error.errno in FULL:
            part.unlink(missing_ok=True)
        raise
    return went_on


def _ask(url: str, start: int, size: int, timeout: float) -> requests.Response:
    """Ask the host for the file from byte `start` on, else for the whole of it."""
    import requests

    # The host shall not pack it for the way: then the lengths would no longer be the file's.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    response = requests.get(url, headers=headers, stream=True, timeout=timeout)
    told = response.headers.get("Content-Range")
    if start and response.status_code == PARTIAL_CONTENT:
        # What does not begin where the earlier try ended would make a mixture.
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


def _receive(response: requests.Response, part: Path, start: int, size: int) -> None:
    """Write what comes behind the first `start` bytes of `part`, up to `size` bytes in all."""
    import urllib3
    from tqdm.auto import tqdm

    told = response.headers
    # Some hosts name the packing of the file itself here. Its length tells: the file is to
    # stay packed; something longer or shorter was packed for the way.
    packed = "Content-Encoding" in told and told.get("Content-Length") != str(size - start)
    done = start
    bar = tqdm(total=size, initial=start, unit="B", unit_scale=True, desc=part.stem)
    with bar, part.open("ab" if start else "wb") as file:
        for piece in response.raw.stream(PIECE, decode_content=packed):
            piece = piece[: size - done]
            file.write(piece)
            bar.update(len(piece))
            done += len(piece)
            if done == size:
                break
        file.flush()
        os.fsync(file.fileno())
    if done < size and not ("Content-Length" in told or "Transfer-Encoding" in told):
        # No one told where the end is. Elsewhere requests sees itself that the line broke.
        raise urllib3.exceptions.ProtocolError()


def _in_words(error: Exception, timeout: float) -> str:
    """What went wrong. requests and urllib3 would say it in nested class names."""
    import requests
    import urllib3

    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return f"nothing for {timeout:g} seconds (time-out)"
    if isinstance(error, requests.HTTPError):
        return f"{error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection (a proxy or a wrong clock may be why)"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "a connection that broke off"
    return str(error).removesuffix(".")
