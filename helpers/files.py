"""Write files whole or not at all, and say in words when a disk does not take them.

A program can be killed, and a disk can be full, at any moment. So nothing here writes over
a good file: the new one is written beside it, brought safely to the disk, and only then
renamed, which is a single step for the file system.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import mmap
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.errors import StorageError

if TYPE_CHECKING:
    import numpy as np

FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
TEMPORARY = re.compile(r"\.(\d+)\.part\.")  # .<process>.part.<final name>


def as_path(path: str | os.PathLike) -> Path:
    """A path as people type it: a leading ~ is their home folder."""
    path = Path(path)
    with contextlib.suppress(RuntimeError):  # a ~ that is no one's
        return path.expanduser()
    return path


@contextlib.contextmanager
def storage_errors_in_words(path: Path) -> Iterator[None]:
    """Turn what the system says of a full or closed disk into a `StorageError` about `path`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        if error.errno in FULL:
            raise StorageError(
                f"Expected room on the disk for {path}. Received: the disk is full. What was "
                "there before is unchanged. Delete what you no longer need, then try again."
            ) from error
        if error.errno in FORBIDDEN:
            raise StorageError(
                f"Expected to be allowed to write {path}. Received: {error.strerror}. Choose a "
                "folder that is yours, or copy the course into one."
            ) from error
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            raise StorageError(
                f"Expected a folder for {path}. Received: {error.filename}, where a file is in the "
                "way, or a link that leads nowhere. Choose another folder."
            ) from error
        if error.errno == errno.ENAMETOOLONG:
            raise StorageError(
                f"Expected a path that the system takes. Received: {path}, which is too long. "
                "Choose a shorter name."
            ) from error
        raise


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give the path of a temporary file; at the end of the block it becomes `path`.

        with written_whole(Path("model.keras")) as temporary:
            model.save(temporary)

    Where the block fails, the temporary file is removed and `path` stays as it was. Where
    the process is killed in the block, the next call for the same `path` removes the rest.

    Raises:
        StorageError: the disk is full, or nothing may be written there.
    """
    with storage_errors_in_words(path), temporary_file(path) as temporary:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)


@contextlib.contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Give the path of a file beside `path` that is removed at the end of the block.

    Where the process is killed in the block, the next call for the same `path` removes it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{os.getpid()}.part.{path.name}")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Remove what processes that no longer run left behind of this file."""
    import psutil

    for leftover in path.parent.glob(f".*.part.{glob.escape(path.name)}"):
        match = TEMPORARY.match(leftover.name)
        if match and not psutil.pid_exists(int(match[1])):
            leftover.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can (Windows cannot)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
    mapped = array
    while mapped is not None and not isinstance(mapped, mmap.mmap):
        # What was written to a private copy ("c") exists in these pages only.
        if getattr(mapped, "mode", "r") != "r":
            return
        mapped = getattr(mapped, "base", None)
    if hasattr(mapped, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
