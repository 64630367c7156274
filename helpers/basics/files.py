"""Write files whole or not at all, and say in words when a disk does not take them.

A program can be killed, and a disk can be full, at any moment. So nothing here writes over
a good file: the new one is written beside it, brought safely to the disk, and only then
renamed, which is a single step for the file system.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import glob
import hashlib
import mmap
import os
import platform
import re
import reprlib
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.basics.errors import MissingFileError, StorageError, UsageError

if TYPE_CHECKING:
    import filelock
    import numpy as np

FULL = (errno.ENOSPC, errno.EDQUOT)
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR)
# .<process>-<where its number counts>-<chance>.part.<final name>; once the process alone
TEMPORARY = r"\.(\d+)(?:-([0-9a-f]+)-[0-9a-f]+)?\.part\."
ADDRESS = re.compile(r"\s*((https?|ftp|s3|gs|file)://|data:\w+/)", re.IGNORECASE)
DAY = 86_400  # seconds
FEW_ROWS = 4  # that are taken from a file at a time


def as_path(path: str | os.PathLike) -> Path:
    """A path as people type it: a leading ~ is their home folder.

    Raises:
        UsageError: it is no path, or an address of the network.
        MissingFileError: it is one of Windows, and this is another system.
    """
    try:
        usable = os.fspath(path) and b"\0" not in bytes(Path(path))
    except (TypeError, UnicodeEncodeError):  # no text, or half a letter
        usable = False
    if not usable:
        raise UsageError(
            f"Expected a path, as text in quotes. Received: {reprlib.repr(path)}. Give the name of "
            'a file or a folder, for example "scratch/photos".'
        )
    if isinstance(path, str) and ADDRESS.match(path) and not os.path.lexists(path):
        raise UsageError(
            f"Expected the path of a file or a folder. Received: {reprlib.repr(path)}, an address. "
            "Nothing is fetched from the network: download it, then give its path, without file://."
        )
    path = Path(path)
    of_windows = "\\" in str(path) or re.match("[A-Za-z]:/", str(path))
    if of_windows and os.name != "nt" and not os.path.lexists(path):
        raise MissingFileError(
            "Expected a path of this system, in which / separates folders. Received: "
            f"{str(path)!r}, as Windows writes it. Look up what the folder is called here, for "
            "example /home/me/photos."
        )
    with contextlib.suppress(RuntimeError):  # a ~ that is no one's
        return path.expanduser()
    return path


@contextlib.contextmanager
def storage_errors_in_words(path: Path) -> Iterator[None]:
    """Turn what the system says of a full or closed disk into a `StorageError` about `path`."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        for numbers, words in (
            (FULL, f"Expected room on the disk for {path}. Received: the disk is full. What was "
             "there before is unchanged. Delete what you no longer need, then try again."),
            (FORBIDDEN, f"Expected to be allowed to write {path}. Received: {error.strerror}. "
             "Choose a folder that is yours, or copy the course into one."),
            (IN_THE_WAY, f"Expected a folder for {path}. Received: {error.filename}, where a file "
             "is in the way, or a link that leads nowhere. Choose another folder."),
            ((errno.EISDIR,), f"Expected a file at {path}. Received: a folder of that name. Choose "
             "another name."),
            ((errno.ENAMETOOLONG,), f"Expected a path that the system takes. Received: {path}, "
             "which is too long. Choose a shorter name."),
        ):  # fmt: skip
            if error.errno in numbers:
                raise StorageError(words) from error
        raise


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give the path of a temporary file; at the end of the block it becomes `path`.

        with written_whole(Path("model.keras")) as temporary:
            model.save(temporary)

    Where the block fails, the temporary file is removed and `path` stays as it was. Where
    the process is killed in the block, the next call for the same `path` removes the rest.
    A link stays one: the file that it leads to is written. Who may read it stays as it was.

    Raises:
        StorageError: the disk is full, or nothing may be written there.
    """
    with storage_errors_in_words(path):
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        with temporary_file(target) as temporary:
            yield temporary
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
            if target.is_file():
                shutil.copymode(target, temporary)
            temporary.replace(target)
            sync_folder(target.parent)


def write_table(path: str | os.PathLike, rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV file that spreadsheet programs open, whole or not at all.

    A text that begins as a formula does would be one there: it gets "./" before it.

    Raises:
        UsageError, MissingFileError: as `as_path`.
        StorageError: the disk is full, or nothing may be written there.
    """
    with (
        written_whole(as_path(path)) as temporary,
        # With the mark that Excel knows UTF-8 by.
        temporary.open("w", encoding="utf-8-sig", newline="") as file,
    ):
        csv.writer(file).writerows([_no_formula(cell) for cell in row] for row in rows)


def _no_formula(cell: object) -> object:
    return f"./{cell}" if isinstance(cell, str) and cell[:1] in {*"=+-@\t\r"} else cell


@contextlib.contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Give the path of a file beside `path` that is removed at the end of the block.

    No other process or thread gets the same one. Where the process is killed in the block, the
    next call for the same `path` removes it; on another machine, after a day.
    """
    if path.name in ("", "..") or "\0" in str(path):
        raise UsageError(
            f"Expected the name of a file. Received: {str(path)!r}. Give one, for example "
            '"scratch/report.csv".'
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    unique = f"{os.getpid()}-{_where()}-{secrets.token_hex(4)}"
    temporary = path.with_name(f".{unique}.part.{path.name}")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _where() -> str:
    """Names the machine, or the container in it, in which the numbers of processes count.

    Another one may share the folder, and have a process of the same number, or none.
    """
    try:
        inside = Path("/proc/self/ns/pid").readlink()
        machine = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:  # not Linux
        inside, machine = "", platform.node()
    return hashlib.sha256(f"{inside} {machine}".encode()).hexdigest()[:8]


def _remove_leftovers(path: Path) -> None:
    """Remove what killed processes left of this file: of those here, and what is a day old."""
    import psutil

    for leftover in path.parent.glob(f".*.part.{glob.escape(path.name)}"):
        match = re.match(TEMPORARY, leftover.name)
        # Another one removed it, or it is another user's; and a name can hold any number.
        with contextlib.suppress(OSError, OverflowError):
            if match and (
                (match[2] in (_where(), None) and not psutil.pid_exists(int(match[1])))
                or time.time() - leftover.lstat().st_mtime > DAY
            ):
                leftover.unlink()


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can (Windows cannot)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def file_lock(
    path: Path, taken: Callable[[filelock.BaseFileLock], object]
) -> filelock.BaseFileLock:
    """Take the lock that the file `path` stands for; the caller releases it.

    Where another program has it, `taken` is called with it: to wait for it, or to refuse. The
    system opens it when a program ends, however it ends. A disk that knows no locks, as some
    network disks do, is used without one, and a line says so.
    """
    import filelock

    lock = filelock.FileLock(path, fallback_to_soft=False)
    free = True
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        free = False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        print(f"The disk of {path.parent} knows no locks: let no other program write there now.")
    if not free:
        taken(lock)
    return lock


def check_free_space(folder: Path, needed: int, purpose: str) -> None:
    """Raise StorageError unless `needed` bytes are free where `folder` lies."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise StorageError(
            f"Expected {needed / 1e6:,.0f} MB of free disk for {purpose} in {folder}. "
            f"Received: {free / 1e6:,.0f} MB. Nothing was written. Delete what you no longer "
            "need, then try again."
        )


def sha256(path: Path) -> str:
    """The SHA-256 hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rows_of(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`array[rows]`; of an array that is mapped to a file, without much more of that in the memory.

    The system brings more of a file into the process than was asked for (Linux 6.18 up to 2 MB with
    each row), and counts that as its memory: it is given back after a few rows.

    Args:
        array: any array.
        rows: the indices of those that are wanted.

    Introduced in lesson 2.
    """
    import numpy as np

    if _mapping_of(array) is None:
        return array[rows]
    taken = np.empty((len(rows), *array.shape[1:]), array.dtype)
    side_by_side = len(rows) > 0 and np.ptp(rows) < len(rows)  # they bring nothing else
    step = len(rows) if side_by_side else FEW_ROWS
    for start in range(0, len(rows), step):
        few = slice(start, start + step)
        taken[few] = array[rows[few]]
        forget_pages(array)
    return taken


def forget_pages(array: np.ndarray) -> None:
    """Give back the memory that a file behind an array takes; the array stays as it is.

    The system reads an array that is mapped to a file (`np.memmap`) a page at a time, and
    counts every page as memory of the process until somebody else needs it. After this call
    they are no longer counted. What is read again comes from the system's copy of the file, or
    from the disk. For any other array, and where a system knows no such call, nothing happens.

    Args:
        array: any array, or a part of one.

    Introduced in lesson 2.
    """
    mapped = _mapping_of(array)
    if hasattr(mapped, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _mapping_of(array: np.ndarray) -> mmap.mmap | None:
    """The file behind an array, where it is only read."""
    mapped = array
    while mapped is not None and not isinstance(mapped, mmap.mmap):
        # What was written to a private copy ("c") exists in these pages only.
        if getattr(mapped, "mode", "r") != "r":
            return None
        mapped = getattr(mapped, "base", None)
    return mapped
