"""Read CIFAR-10 in its official binary layout; download it once. Introduced in lesson 2.

Source: https://www.cs.toronto.edu/~kriz/cifar.html (A. Krizhevsky, 2009).
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from helpers.basics.errors import DamagedFileError, DownloadError, MissingFileError
from helpers.basics.files import sha256, storage_errors_in_words, sync_folder
from helpers.datasets.dataset import Labelled, Source
from helpers.datasets.downloads import fetch, one_at_a_time

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR10_BYTES = 170_052_171
CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer",
    "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
CIFAR10_TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
CIFAR10_FILES = (*CIFAR10_TRAIN_FILES, "test_batch.bin")
CIFAR10_RECORD_BYTES = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes
CIFAR10_RECORDS_A_FILE = 10_000
CIFAR10_FOLDER_IN_ARCHIVE = "cifar-10-batches-bin"
CIFAR10_UNPACKING = "cifar-10-unpacking"  # beside the folder that it becomes
CIFAR10_NOTES_BYTES = 1_000_000  # room for what else is in the archive: two short texts
HASH_LIST = "SHA256SUMS"  # written when the official archive is unpacked


def read_cifar10(data_dir: Path) -> Source:
    folder = data_dir / "cifar10"
    for place in (data_dir, folder):
        if place.exists() and not place.is_dir():
            raise MissingFileError(
                f"Expected a folder at {place}. Received: a file. Move it to another place, "
                "then try again."
            )
    if not folder.is_dir():
        _find_or_fetch_cifar10(data_dir / CIFAR10_ARCHIVE, folder)
    train = [_read_cifar10_file(folder / name) for name in CIFAR10_TRAIN_FILES]
    test = _read_cifar10_file(folder / "test_batch.bin")
    train = Labelled(*(np.concatenate(arrays) for arrays in zip(*train, strict=True)))
    description = "CIFAR-10"
    if not _is_official(folder):
        description = "CIFAR-10 from files that are not known to be the official ones"
    return Source(train, test, CIFAR10_CLASSES, description)


def _read_cifar10_file(path: Path) -> Labelled:
    expected = CIFAR10_RECORDS_A_FILE * CIFAR10_RECORD_BYTES
    if not path.is_file():
        raise MissingFileError(
            f"Expected the six CIFAR-10 files {', '.join(CIFAR10_FILES)} in {path.parent}. "
            f"{path.name} is not there: delete the folder and run `make cifar10`."
        )
    if path.stat().st_size != expected:
        raise DamagedFileError(
            f"Expected {expected:,} bytes in {path}. Received: {path.stat().st_size:,}. "
            f"Delete the folder {path.parent} and run `make cifar10`."
        )
    records = np.fromfile(path, np.uint8).reshape(-1, CIFAR10_RECORD_BYTES)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(CIFAR10_CLASSES):
        raise DamagedFileError(
            f"Expected labels 0 to 9 in {path}. Received: {labels.max()}, so this is not "
            f"CIFAR-10. Delete the folder {path.parent} and run `make cifar10`."
        )
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return Labelled(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels)


def _is_official(folder: Path) -> bool:
    """Whether the files are still the ones that came out of the official archive."""
    try:
        listed = (folder / HASH_LIST).read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return False
    return listed == _hash_list(folder).split()


def _hash_list(folder: Path) -> str:
    """The hashes of the files, in the format of the sha256sum command."""
    return "".join(f"{sha256(folder / name)}  {name}\n" for name in CIFAR10_FILES)


def _find_or_fetch_cifar10(archive: Path, folder: Path) -> None:
    """Unpack the official archive, put there by hand or downloaded now, its hash checked."""
    with one_at_a_time(archive):
        if folder.is_dir():  # another program was quicker
            return
        unpacked = len(CIFAR10_FILES) * CIFAR10_RECORDS_A_FILE * CIFAR10_RECORD_BYTES
        try:
            fetch(CIFAR10_URL, archive, sha256=CIFAR10_SHA256, size=CIFAR10_BYTES, room=unpacked)
        except DownloadError as error:
            raise DownloadError(
                f'{error} The bundled dataset needs no download: load_dataset("fashion_mnist").'
            ) from None
        _unpack_cifar10(archive, folder)


def _unpack_cifar10(archive: Path, folder: Path) -> None:
    """Unpack whole or not at all: into a folder of its own first, then renamed."""
    scratch = folder.with_name(CIFAR10_UNPACKING)
    shutil.rmtree(scratch, ignore_errors=True)  # of a program that was stopped here
    try:
        with storage_errors_in_words(folder):
            scratch.mkdir()
            _take_cifar10_files(archive, scratch)
            (scratch / HASH_LIST).write_text(_hash_list(scratch), encoding="ascii")
            sync_folder(scratch)
            scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _take_cifar10_files(archive: Path, target: Path) -> None:
    """Copy the six files out of the archive, and nothing else of it."""
    missing = set(CIFAR10_FILES)
    try:
        with tarfile.open(archive) as tar:
            for member in _known_members(tar, archive):
                name = PurePosixPath(member.name).name
                if name in missing:
                    with tar.extractfile(member) as packed, (target / name).open("wb") as file:
                        shutil.copyfileobj(packed, file)
                        file.flush()
                        os.fsync(file.fileno())
                    missing.remove(name)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise _damaged_archive(archive, f"a damaged archive ({error})") from None
    if missing:
        raise _damaged_archive(archive, f"no {', '.join(sorted(missing))}")


def _known_members(tar: tarfile.TarFile, archive: Path) -> Iterator[tarfile.TarInfo]:
    """The members, as long as each is what the archive may hold: checked before it is read."""
    size = CIFAR10_RECORDS_A_FILE * CIFAR10_RECORD_BYTES
    room = len(CIFAR10_FILES) * size + CIFAR10_NOTES_BYTES
    for member in tar:
        path = PurePosixPath(member.name)
        room -= member.size + tarfile.BLOCKSIZE  # every member has a block that names it
        if not (
            path.parts[:1] == (CIFAR10_FOLDER_IN_ARCHIVE,)
            and len(path.parts) <= 2
            and ".." not in path.parts
            and (member.isdir() or member.isreg())
            and (member.size == size if path.name in CIFAR10_FILES else member.size >= 0)
            and room >= 0
        ):
            kind = "an entry" if member.isdir() or member.isreg() else "a link or device"
            raise _damaged_archive(archive, f"{kind} {member.name!r} of {member.size:,} bytes")
        yield member


def _damaged_archive(archive: Path, received: str) -> DamagedFileError:
    return DamagedFileError(
        f"Expected the six CIFAR-10 files, each in its size, in the folder "
        f"{CIFAR10_FOLDER_IN_ARCHIVE} of {archive}. Received: {received}. Nothing was unpacked. "
        "Put the official file there, or delete this one to download it."
    )
