"""Read CIFAR-10 in its official binary layout; download it once. Introduced in lesson 2.

Source: https://www.cs.toronto.edu/~kriz/cifar.html (A. Krizhevsky, 2009).
"""

from __future__ import annotations

import shutil
import tarfile
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
CIFAR10_UNPACKING = "cifar-10-unpacking"  # beside the folder that it becomes
HASH_LIST = "SHA256SUMS"  # written when the official archive is unpacked


def read_cifar10(data_dir: Path) -> Source:
    folder = data_dir / "cifar10"
    if not folder.exists():
        _find_or_fetch_cifar10(data_dir / CIFAR10_ARCHIVE, folder)
    *train, test = (_read_cifar10_file(folder / name) for name in CIFAR10_FILES)
    train = Labelled(*map(np.concatenate, zip(*train, strict=True)))
    hashes, description = folder / HASH_LIST, "CIFAR-10"
    if not hashes.is_file() or hashes.read_bytes() != _hash_list(folder):
        description = "CIFAR-10 from files that are not known to be the official ones"
    return Source(train, test, CIFAR10_CLASSES, description)


def _read_cifar10_file(path: Path) -> Labelled:
    again = f"Move {path.parent} elsewhere and run `make cifar10`."
    if not path.is_file():
        raise MissingFileError(
            f"Expected the six CIFAR-10 files {', '.join(CIFAR10_FILES)} in {path.parent}. "
            f"{path.name} is not there. {again}"
        )
    expected = CIFAR10_RECORDS_A_FILE * CIFAR10_RECORD_BYTES
    content = np.fromfile(path, np.uint8)
    labels = content[::CIFAR10_RECORD_BYTES].astype(np.int64)
    if len(content) != expected or labels.max() >= len(CIFAR10_CLASSES):
        raise DamagedFileError(
            f"Expected {expected:,} bytes in {path}, with labels 0 to 9. Received: "
            f"{len(content):,} bytes, with labels up to {labels.max(initial=0)}. {again}"
        )
    planes = content.reshape(-1, CIFAR10_RECORD_BYTES)[:, 1:].reshape(-1, 3, 32, 32)
    return Labelled(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels)


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
