"""Keep a training on disk, so that a killed kernel costs one epoch at most.

A checkpoint is one .npz file of plain arrays (nothing in it can run), named by its epoch
and by the first half of its own SHA-256 hash:

    epoch_00007_5891b5b522d5df086d0ff0b110fbd9d2.npz

It is written beside the others, brought to the disk, then renamed into place, so it is
there whole or not at all. Two generations are kept. Whoever reads takes the newest that is
a file, can be read, and whose content gives the hash in its name and is that of a training.
Used by `train`, introduced in lesson 4.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.basics.errors import CheckpointError
from helpers.basics.files import TEMPORARY, file_lock, storage_errors_in_words, written_whole

if TYPE_CHECKING:
    import keras

NAME = re.compile(r"epoch_(\d{5,})_([0-9a-f]{32})\.npz")
LEFTOVER = re.compile(TEMPORARY + NAME.pattern)
LOCK = ".lock"
SEED_STATE = "seed_generator_state"  # Keras' name of the state of a random layer


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training as it stood after an epoch.

    Attributes:
        epoch: how many epochs were trained; 0 before the first.
        arrays: name -> numbers: all that changes while a model is trained. "model/0" is the
            first one of the part "model".
        facts: what JSON can hold: the history, and what the training was begun with.
    """

    epoch: int
    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]

    def part(self, name: str) -> list[np.ndarray]:
        return [array for key, array in self.arrays.items() if key.startswith(f"{name}/")]


class CheckpointFolder:
    """The checkpoints of one training, in a folder of their own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._newest_whole: Path | None = None

    def __str__(self) -> str:
        return self.folder.as_posix()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other program from training into this folder.

        The system opens the lock again when the process ends, however it ends.

        Raises:
            CheckpointError: another program trains here, or the folder holds other files.
            StorageError: nothing may be written here, or a file is in the way.
        """
        with storage_errors_in_words(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            names = sorted(path.name for path in self.folder.iterdir())
            strangers = [name for name in names if not name.startswith(".")]
            # Beside checkpoints they do no harm: what a viewer or a synchronised folder leaves.
            if strangers and not any(map(NAME.fullmatch, names)):
                raise CheckpointError(
                    "Expected an empty folder, or that of an earlier training, for the "
                    f"checkpoints. Received: {self}, which holds {strangers[0]!r}. "
                    "Nothing was changed. Choose another folder."
                )
            lock = file_lock(self.folder / LOCK, self._refuse)
        try:
            for path in self.folder.iterdir():
                if LEFTOVER.fullmatch(path.name):  # of a program that was killed
                    _remove(path)
            yield
        finally:
            lock.release()

    def _refuse(self, lock: object) -> None:
        raise CheckpointError(
            f"Expected to be the only program that trains into {self}. Received: "
            "another one is at it, perhaps this notebook opened twice. Stop that one, or "
            "choose another folder."
        )

    def newest(
        self, is_whole: Callable[[Checkpoint], bool] = lambda checkpoint: True
    ) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that can be used, and what is wrong with newer ones, in words.

        Args:
            is_whole: looks at the content; whatever error it raises means no.

        Raises:
            CheckpointError: there are checkpoints, but none can be used.
        """
        useless = []
        for path in reversed(self._files()):
            found = _read(path, is_whole)
            if isinstance(found, Checkpoint):
                self._newest_whole = path
                return found, useless
            useless.append(f"{path.name} {found}")
        if useless:
            raise CheckpointError(
                f"Expected a whole checkpoint in {self}. Received: {', '.join(useless)}. Nothing "
                "was changed. Delete the folder to begin anew, or choose another."
            )
        return None, []

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; then remove all but the newest two.

        Raises:
            StorageError: the disk does not take it. The earlier checkpoints are unchanged.
        """
        facts = np.frombuffer(json.dumps(checkpoint.facts).encode(), np.uint8)
        content = io.BytesIO()
        np.savez(content, facts=facts, **checkpoint.arrays)
        digest = hashlib.sha256(content.getbuffer()).hexdigest()[:32]
        path = self.folder / f"epoch_{checkpoint.epoch:05}_{digest}.npz"
        with written_whole(path) as temporary:
            temporary.write_bytes(content.getbuffer())
        for old in self._files():
            if old not in (path, self._newest_whole):
                _remove(old)
        self._newest_whole = path

    def _files(self) -> list[Path]:
        """All checkpoints, the oldest first."""
        files = [path for path in self.folder.iterdir() if NAME.fullmatch(path.name)]
        return sorted(files, key=lambda path: (int(NAME.fullmatch(path.name)[1]), path.name))


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # a folder of that name, or one in use: it does no harm
        path.unlink()


def _read(path: Path, is_whole: Callable[[Checkpoint], bool]) -> Checkpoint | str:
    """A checkpoint, or what is wrong with it, however it came there."""
    match = NAME.fullmatch(path.name)
    if not path.is_file():
        return "is no file"
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not hashlib.sha256(content).hexdigest().startswith(match[2]):
        return "was changed after it was written"
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        checkpoint = Checkpoint(int(match[1]), arrays, json.loads(arrays.pop("facts").tobytes()))
        whole = is_whole(checkpoint)
    except Exception:  # there are countless ways to be no checkpoint
        whole = False
    return checkpoint if whole else "does not hold what a training keeps"


def copies(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    import keras

    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


def assign(variables: Sequence[keras.Variable], arrays: Sequence[np.ndarray]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        if array.dtype.kind == "V":  # NumPy does not know bfloat16 when it reads it
            array = array.view(variable.dtype)
        variable.assign(array)


def all_finite(arrays: Sequence[np.ndarray]) -> bool:
    return all(np.isfinite(array).all() for array in arrays)
