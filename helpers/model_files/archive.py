"""Unpack a .keras file with limits, and refuse what is none."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from helpers.basics import memory
from helpers.basics.errors import CourseError, DamagedFileError, ModelFileError

ENDING = ".keras"
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MEMBERS = (CONFIG, METADATA, WEIGHTS)
MOST_TEXT = 10_000_000  # bytes of config.json; a ResNet50, with 177 layers, has 0.2 million
MOST_EXPANSION = 100  # of the weights; Keras packs nothing, and weights hardly shrink
LARGEST_NUMBER = 10_000_000
SAVE_AGAIN = "Save the model again, or get the file anew."
SMALLER = "Close other programs, or use a smaller model."
FROM_STRANGER = "Do not use this file unless you know who made it, and why it is like this."
NO_CODE = (
    "A file from someone else could run anything on your computer that way, so models are "
    "loaded in the safe mode of Keras. Use a layer class or a function with a name instead, "
    "and register it with @keras.saving.register_keras_serializable()."
)


class Contents(NamedTuple):
    config: bytes
    metadata: bytes
    weights: bytes
    version: str  # of the Keras that saved it


class Refused(Exception):
    """Why a model is not loaded. Said in words by `load_model` and `save_model`."""

    def __init__(self, received: str, advice: str, kind: type[CourseError] = ModelFileError):
        super().__init__(received)
        self.received, self.advice, self.kind = received, advice, kind


class Unknown(Refused):
    """It names what neither this Keras nor the reader's program has."""

    def __init__(self, name: str, received: str, advice: str):
        super().__init__(received, advice)
        self.name = name


class TooLarge(Refused):
    """It needs more memory than there is now."""


def damaged(received: str) -> Refused:
    return Refused(received, SAVE_AGAIN, DamagedFileError)


def number_list(version: str) -> tuple[int, ...]:
    """(3, 15, 1) of "3.15.1"."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def shortened(error: BaseException) -> str:
    """What an error says, without the whole configurations that Keras puts around it."""
    plain = re.sub(r"\x1b\[\d*m", "", str(error))  # Keras prints some words bold
    text = " ".join(plain.rpartition("Exception encountered: ")[2].split())[:250]
    return "".join(letter for letter in text if letter.isprintable()) or type(error).__name__


def unpack(path: Path) -> Contents:
    """The members of the archive, every byte checked against its checksum."""
    if path.is_dir():
        raise Refused(
            "a folder, as TensorFlow's SavedModel is",
            "Give the path of a .keras file inside it. A SavedModel has no layers that could "
            "be loaded: save the original model again with save_model.",
        )
    if not path.is_file():
        raise Refused("a device or a pipe", "Give the path of a .keras file.")
    try:
        with path.open("rb") as file:
            _check_kind(file, path)
            with zipfile.ZipFile(file) as archive:
                _check_members(archive)
                config, metadata, weights = (_member(archive, name) for name in MEMBERS)
        contents = Contents(config, metadata, weights, _version(metadata))
    except Refused:
        raise
    except OSError as error:
        raise Refused(f"an error while reading it: {error.strerror}", SAVE_AGAIN) from error
    except Exception as error:
        # Truncated, changed, encrypted, packed in an unknown way: zipfile has many words.
        raise damaged(f"a damaged file ({shortened(error)})") from error
    major = number_list(contents.version)[0]
    if major != 3:
        raise Refused(
            f"one saved by Keras {contents.version}",
            f"Install Keras {major} to load it, or build the model anew in Keras 3.",
        )
    return contents


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
        raise _hdf5(file, path)
    if start[:1] == b"\x80":
        raise _pickled()
    if start[:2] != b"PK":
        raise damaged("a file that is no zip archive, as every model file is")


def _hdf5(file: BinaryIO, path: Path) -> Refused:
    """What to do with an HDF5 file: Keras looks at its name first."""
    import h5py

    try:
        with h5py.File(file, "r") as opened:
            whole = "model_config" in opened.attrs
    except OSError:
        return damaged("a damaged HDF5 file")
    if not whole:
        return Refused(
            "an HDF5 file with weights alone",
            "Build the model as it was built then, and give them back to it: "
            f'model.load_weights("{path.with_suffix("").stem}.weights.h5"), by this name.',
        )
    old = path if path.suffix in (".h5", ".hdf5") else path.with_suffix(".h5")
    rename = "" if old == path else f"rename it to {old.name}, then "
    return Refused(
        "an HDF5 file, the format of Keras 2",
        f"Where you trust it, {rename}convert it once: keras.models.load_model({str(old)!r}, "
        f"compile=False).save({str(path.with_name(path.stem + ENDING))!r}).",
    )


def _pickled() -> Refused:
    return Refused(
        "a pickle file, as PyTorch writes",
        "Opening such a file can run any code, so it was not opened. Load weights of your own "
        "in PyTorch with torch.load(path, weights_only=True).",
    )


def _version(metadata: bytes) -> str:
    found = json.loads(metadata)
    version = found.get("keras_version") if isinstance(found, dict) else None
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,4}(\.\w{1,20}){1,4}", version):
        raise damaged(f"one whose {METADATA} names no version of Keras")
    return version


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
        received = f"a zip archive with {odd[:100]!r} besides {', '.join(MEMBERS)}, each once"
        advice = FROM_STRANGER
        if odd.startswith("assets/"):
            advice = "Layers that look up words keep files there. Build the model without them."
        raise Refused(received, advice)
    free = memory.available_memory()
    for member in members:
        # Only these two can be unpacked piece by piece.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused("a zip archive that is packed in an unusual way", FROM_STRANGER)
        most = MOST_EXPANSION * member.compress_size if member.filename == WEIGHTS else MOST_TEXT
        if member.file_size > min(free, most):
            refusal = Refused if member.file_size > most else TooLarge
            raise refusal(
                f"{member.compress_size:,} bytes that unpack to {member.file_size:,} bytes of "
                f"{member.filename}, where {free / 1e9:.1f} GB of memory are free",
                FROM_STRANGER,
            )
