"""Read CIFAR-10 in its official binary layout; download it once. Introduced in lesson 2.

Source: https://www.cs.toronto.edu/~kriz/cifar.html (A. Krizhevsky, 2009).
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from helpers.basics.errors import DamagedFileError, DownloadError, MissingFileError
from helpers.basics.files import sha256, storage_errors_in_words, sync_folder, written_whole
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
CIFAR10_FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
CIFAR10_RECORD_BYTES = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes
CIFAR10_RECORDS_A_FILE = 10_000
AT_ONCE = 100  # pictures that are copied, so that it takes no memory beside theirs
CIFAR10_UNPACKING = "cifar-10-unpacking"  # beside the folder that it becomes
HASH_LIST = "SHA256SUMS"  # written when the official archive is unpacked


def read_cifar10(data_dir: Path) -> Source:
    folder = data_dir / "cifar10"
    if not folder.exists():
        _find_or_fetch_cifar10(data_dir / CIFAR10_ARCHIVE, folder)
    *train, test = (folder / name for name in CIFAR10_FILES)
    labels = {path: _labels_in(path) for path in (*train, test)}
    train, test = (
        Labelled(_Pictures(paths), np.concatenate([labels[path] for path in paths]))
        for paths in (train, [test])
    )
    hashes, description = folder / HASH_LIST, "CIFAR-10"
    if not hashes.is_file() or hashes.read_bytes() != _hash_list(folder):
        description = "CIFAR-10 from files that are not known to be the official ones"
    return Source(train, test, CIFAR10_CLASSES, description)


def _labels_in(path: Path) -> np.ndarray:
    again = (
        f"Move {path.parent} elsewhere and run `make cifar10`, or without make `python -m "
        "helpers.datasets cifar10`."
    )
    if not path.is_file():
        raise MissingFileError(
            f"Expected the six CIFAR-10 files {', '.join(CIFAR10_FILES)} in {path.parent}. "
            f"{path.name} is not there. {again}"
        )
    expected, size = CIFAR10_RECORDS_A_FILE * CIFAR10_RECORD_BYTES, path.stat().st_size
    # Mapped, not read: one byte of a record is wanted. An empty file cannot be mapped.
    content = np.memmap(path, np.uint8, "r") if size else np.empty(0, np.uint8)
    labels = content[::CIFAR10_RECORD_BYTES].astype(np.int64)
    if size != expected or labels.max() >= len(CIFAR10_CLASSES):
        raise DamagedFileError(
            f"Expected {expected:,} bytes in {path}, with labels 0 to 9. Received: "
            f"{size:,} bytes, with labels up to {labels.max(initial=0)}. {again}"
        )
    return labels


class _Pictures:
    """The pictures of some files, read when they are asked for: none is in the memory twice."""

    def __init__(self, paths: Sequence[Path]):
        self.paths = paths
        self.shape = (len(paths) * CIFAR10_RECORDS_A_FILE, 32, 32, 3)

    def __getitem__(self, wanted: slice | np.ndarray) -> np.ndarray:
        wanted = np.arange(self.shape[0])[wanted]
        pictures = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        files, rows = np.divmod(wanted, CIFAR10_RECORDS_A_FILE)
        for number, path in enumerate(self.paths):
            records = np.memmap(path, np.uint8, "r").reshape(-1, CIFAR10_RECORD_BYTES)
            here = np.flatnonzero(files == number)
            for some in np.split(here, range(AT_ONCE, len(here), AT_ONCE)):
                planes = records[rows[some], 1:].reshape(-1, 3, 32, 32)
                pictures[some] = planes.transpose(0, 2, 3, 1)
        return pictures


def _hash_list(folder: Path) -> bytes:
    """The hashes of the files, in the format of the sha256sum command."""
    return "".join(f"{sha256(folder / name)}  {name}\n" for name in CIFAR10_FILES).encode()


def _find_or_fetch_cifar10(archive: Path, folder: Path) -> None:
    """Unpack the official archive, put there by hand or downloaded now, its hash checked."""
    with one_at_a_time(archive):
        if folder.exists():  # another program was quicker
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
    """Unpack whole or not at all: into a folder of its own first, then renamed.

    The hash has told what the archive holds. All the same nothing but the six files is taken
    out of it, so nothing is written elsewhere.
    """
    scratch = folder.with_name(CIFAR10_UNPACKING)
    shutil.rmtree(scratch, ignore_errors=True)  # of a program that was stopped here
    try:
        with storage_errors_in_words(folder), tarfile.open(archive) as tar:
            for member in tar:
                if (name := PurePosixPath(member.name).name) in CIFAR10_FILES:
                    with written_whole(scratch / name) as temporary:
                        temporary.write_bytes(tar.extractfile(member).read())
            with written_whole(scratch / HASH_LIST) as temporary:
                temporary.write_bytes(_hash_list(scratch))
            scratch.rename(folder)
            sync_folder(folder.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
