"""Unpack a .keras file with limits, and refuse what is none."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from helpers.basics import memory
from helpers.basics.errors import CourseError, DamagedFileError, ModelFileError
from helpers.basics.files import temporary_file
from helpers.models.trained_on import TrainedOn

ENDING = ".keras"
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MEMBERS = (CONFIG, METADATA, WEIGHTS)
MOST_TEXT = 10_000_000  # bytes of config.json; a ResNet50, with 177 layers, has 0.2 million
MOST_EXPANSION = 100  # of a member; Keras packs nothing, and weights hardly shrink
SAVE_AGAIN = "Save the model again, or get the file anew."
SMALLER = "Close other programs, or use a smaller model."
KNOWN = "trained_on"  # the entry of metadata.json, which Keras passes over
FROM_STRANGER = "Do not use this file unless you know who made it, and why it is like this."


class Contents(NamedTuple):
    config: bytes
    metadata: bytes
    weights: bytes


class Refused(Exception):
    """Why a model is not loaded. Said in words by `load_model` and `save_model`."""

    def __init__(self, received: str, advice: str, kind: type[CourseError] = ModelFileError):
        super().__init__(received)
        self.received, self.advice, self.kind = received, advice, kind


class TooLarge(Refused):
    """It needs more memory than there is now."""


def damaged(received: str) -> Refused:
    return Refused(received, SAVE_AGAIN, DamagedFileError)


def unpack(path: Path) -> Contents:
    """The members of the archive, every byte checked against its checksum."""
    if not path.is_file():
        raise Refused(
            "a folder, as TensorFlow's SavedModel is, or a device or a pipe",
            "Give the path of a .keras file. A SavedModel has no layers that could be loaded: "
            "save the original model again with save_model.",
        )
    try:
        with path.open("rb") as file:
            _check_kind(file, path)
            with zipfile.ZipFile(file) as archive:
                _check_members(archive)
                return Contents(*(_member(archive, name) for name in MEMBERS))
    except Refused:
        raise
    except OSError as error:
        raise Refused(f"an error while reading it: {error.strerror}", SAVE_AGAIN) from error
    except Exception as error:
        # Truncated, changed, encrypted, packed in an unknown way: zipfile has many words.
        raise damaged(f"a damaged file ({' '.join(str(error).split())[:200]})") from error


def version_of(metadata: bytes) -> tuple[int, ...]:
    """The Keras that saved a file, as (3, 15, 1)."""
    try:
        version = json.loads(metadata)["keras_version"]
        numbers = tuple(int(number) for number in re.findall(r"\d{1,4}", version)[:3])
        major = numbers[0]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise damaged(f"one whose {METADATA} names no version of Keras") from error
    if major != 3:
        raise Refused(
            f"one saved by Keras {written(numbers)}",
            f"Install Keras {major} to load it, or build the model anew in Keras 3.",
        )
    return numbers


def known_from(metadata: bytes) -> TrainedOn | None:
    """What a file says about the training of its model; None where it says nothing."""
    said = json.loads(metadata).get(KNOWN)
    try:
        return None if said is None else TrainedOn.from_plain(said)
    except ValueError as error:
        raise damaged(f"one whose {METADATA} is wrong: {error}") from error


def add_known(path: Path, known: TrainedOn) -> None:
    """Write into a file what is known about the training of its model."""
    with temporary_file(path) as whole:
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(whole, "w") as new:
            metadata = json.loads(old.read(METADATA)) | {KNOWN: known.as_plain()}
            new.writestr(METADATA, json.dumps(metadata))
            for name in (CONFIG, WEIGHTS):  # piece by piece: the weights may be large
                with old.open(name) as source, new.open(name, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target)
        whole.replace(path)


def written(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member, unpacked to the size that it says it has and no further."""
    member = archive.getinfo(name)
    with archive.open(member) as file:
        content = file.read(member.file_size)
    if len(content) != member.file_size:
        raise EOFError(f"{name} ends too early")
    return content


def _check_kind(file: BinaryIO, path: Path) -> None:
    """Refuse what is no zip archive, by its first bytes: a name can say anything."""
    start = file.read(8)
    if start == b"":
        raise damaged("an empty file")
    if start == b"\x89HDF\r\n\x1a\n":
        raise _hdf5(path)
    if start[:1] == b"\x80":
        raise _pickled()
    if start[:2] != b"PK":
        raise damaged("a file that is no zip archive, as every model file is")


def _hdf5(path: Path) -> Refused:
    """What to do with an HDF5 file: Keras looks at its name first."""
    name = path.name.partition(".")[0]
    whole, weights, new = (path.with_name(name + end) for end in (".h5", ".weights.h5", ENDING))
    return Refused(
        "an HDF5 file, the format of Keras 2",
        f"Where you trust it, call it {whole.name} and convert it once: "
        f"keras.models.load_model({str(whole)!r}, compile=False).save({str(new)!r}). One with "
        f"weights alone, called {weights.name}, goes into the model that it is of: "
        f"model.load_weights({weights.name!r}).",
    )


def _pickled() -> Refused:
    return Refused(
        "a pickle file, as PyTorch writes",
        "Opening such a file can run any code, so it was not opened. Load weights of your own "
        "in PyTorch with torch.load(path, weights_only=True).",
    )


def _check_members(archive: zipfile.ZipFile) -> None:
    """Refuse other members than the three, and such as would fill the memory."""
    members = archive.infolist()
    names = sorted(member.filename for member in members)
    if any(name.endswith("data.pkl") for name in names):
        raise _pickled()
    if missing := [name for name in MEMBERS if name not in names]:
        raise damaged(f"a zip archive without {', '.join(missing)}")
    if names != list(MEMBERS):
        odd = next(name for name in names if names.count(name) > 1 or name not in MEMBERS)
        raise Refused(
            f"a zip archive with {odd[:100]!r} besides {', '.join(MEMBERS)}, each once",
            f"{FROM_STRANGER} Files in assets/ are of layers that look up words.",
        )
    free = memory.available_memory()
    for member in members:
        size, packed = member.file_size, member.compress_size
        # Only these two can be unpacked piece by piece.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused("a zip archive that is packed in an unusual way", FROM_STRANGER)
        if size > (MOST_EXPANSION * packed if member.filename == WEIGHTS else MOST_TEXT):
            raise Refused(
                f"{packed:,} bytes that unpack to {size:,} bytes of {member.filename}",
                FROM_STRANGER,
            )
        if size > free:
            received = f"{size:,} bytes of {member.filename}, more than the memory that is free"
            raise TooLarge(received, SMALLER)
