"""Save a model whole or not at all; load one without trusting its file. Introduced in lesson 4.

    save_model(model, "scratch/cnn")       # writes scratch/cnn.keras
    model = load_model("scratch/cnn")

A .keras file is a zip of three members: config.json names the layers, model.weights.h5 holds
their numbers, metadata.json the version of Keras. Anyone can write one that asks for code to
be run, or for more memory than there is. So `load_model` looks before Keras does: at the kind
of file, at the members of the zip, at every name in the config, and at the weights. What may
be named is what Keras has of the kind that belongs in that place, and what the reader's own
program has registered. To learn how much memory the layers ask for, it has Keras build them
with weights that are declared and not allocated. `save_model` loads what it has written, so
that what cannot be loaded again is said while the model is still there.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import io
import json
import math
import os
import random
import re
import sys
import tempfile
import types
import warnings
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from helpers.basics import memory
from helpers.basics.errors import (
    CourseError,
    DamagedFileError,
    MissingFileError,
    ModelFileError,
    StorageError,
    UsageError,
)
from helpers.basics.files import as_path, storage_errors_in_words, written_whole
from helpers.basics.quiet import quiet_tensorflow

if TYPE_CHECKING:
    import keras

ENDING = ".keras"
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MEMBERS = (CONFIG, METADATA, WEIGHTS)

MOST_TEXT = 10_000_000  # bytes of config.json; a ResNet50, with 177 layers, has 0.2 million
MOST_EXPANSION = 100  # of the weights; Keras packs nothing, and weights hardly shrink
LARGEST_NUMBER = 10_000_000
MOST_THRESHOLDS = 1_000_000  # of all metrics, which make lists of them while they are described
DEEPEST = 100  # groups of arrays inside each other; h5py takes ever longer to find the next
# These may be any numbers.
COUNTS = ("seed", "steps", "boundaries", "scale", "object_id", "salt", "value")
# How often Keras may call a layer while it builds the model, about 1 ms each.
MOST_CALLS = 100_000
# What an optimizer keeps for each weight: 2 numbers in Adam, 3 in Adam with amsgrad.
OPTIMIZER_NUMBERS = 3

# Layers that run code or a program which the file brings along.
CODE = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
CODE_TEXTS = ("__lambda__", "__typespec__")  # these are how Keras writes code and TensorFlow types
# How Keras writes plain numbers, texts and places in a list.
DATA = ("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__slice__", "__ellipsis__")
SETTINGS = ("config", "build_config", "compile_config")  # what each key in them means is known
LOOKUPS = ("get", "serialize", "deserialize")  # beside the functions that a config may name
# Names for which Keras chooses by the shape of the labels.
CHOSEN_LATER = ("accuracy", "acc", "crossentropy", "ce")

SAVE_AGAIN = "Save the model again, or get the file anew."
SMALLER = "Close other programs, or use a smaller model."
FROM_STRANGER = "Do not use this file unless you know who made it, and why it is like this."
NO_CODE = (
    "A file from someone else could run anything on your computer that way, so models are "
    "loaded in the safe mode of Keras. Use a layer class or a function with a name instead, "
    "and register it with @keras.saving.register_keras_serializable()."
)


class _Contents(NamedTuple):
    config: bytes
    metadata: bytes
    weights: bytes
    version: str  # of the Keras that saved it


class _Refused(Exception):
    """Why a model is not loaded. Said in words by `load_model` and `save_model`."""

    def __init__(self, received: str, advice: str, kind: type[CourseError] = ModelFileError):
        super().__init__(received)
        self.received, self.advice, self.kind = received, advice, kind


class _Unknown(_Refused):
    """It names what neither this Keras nor the reader's program has."""

    def __init__(self, name: str, received: str, advice: str):
        super().__init__(received, advice)
        self.name = name


class _TooLarge(_Refused):
    """It needs more memory than there is now."""


def _damage(received: str) -> _Refused:
    return _Refused(received, SAVE_AGAIN, DamagedFileError)


# -------------------------------------------------------------------------------- saving


def save_model(model: keras.Model, path: str | os.PathLike) -> Path:
    """Save a Keras model with its weights and its optimizer, whole or not at all.

    What was written is loaded once, as `load_model` does it. Where that fails, nothing is
    kept, and the error says what to do. Where the saving fails or the process is killed, a
    file that was there before stays as it was.

    Args:
        model: a Keras model that knows the shape of its images. Classes and functions of
            your own in it must be registered: @keras.saving.register_keras_serializable().
        path: where to, with the ending ".keras" or without. Folders are made where needed.

    Returns:
        The path of the file, with its ending.

    Raises:
        UsageError: `model` is not a built Keras model, `load_model` would refuse it (Python
            code such as a Lambda layer, unregistered classes, weights that are nan), or
            `path` has another ending.
        StorageError: the disk is full, or nothing may be written there.

    Introduced in lesson 4.
    """
    _check_model(model, path)
    try:
        path = _path_to_save(path)
        with written_whole(path) as temporary:
            _write(model, temporary)
            _check_loads(temporary, path)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"Expected a place where {path} can be written. Received: {error.strerror}. What was "
            "there before is unchanged. Choose another name or folder."
        ) from error
    return path


def _write(model: keras.Model, path: Path) -> None:
    try:
        with warnings.catch_warnings():  # a lambda is refused below, in words
            warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
            model.save(path)
    except (TypeError, ValueError, NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # of the disk, not of a lambda's source
            raise
        raise UsageError(
            "Expected a model whose layers can say how they are made. Received: "
            f"{_short(error)} Give each layer of your own a get_config method."
        ) from error


def _check_loads(written: Path, path: Path) -> None:
    """Refuse to keep a file that `load_model` would refuse, while the model is still there."""
    numbers_to_come = random.getstate()  # loading draws some, which nobody shall notice
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            contents = _unpack(written)
            _load(written, contents.version, _check(contents))
    except _TooLarge:
        return  # there may be more memory when it is loaded
    except _Refused as why:
        advice = why.advice
        if isinstance(why, _Unknown):
            advice = (
                "Register it, and again before you load it: "
                f"keras.saving.register_keras_serializable()({why.name}). One of TensorFlow's or "
                'NumPy\'s own is not registered: take that of Keras, by its name, such as "relu".'
            )
        elif advice == FROM_STRANGER:
            advice = "Build it without that."
        elif why.kind is DamagedFileError:
            advice = "Use another layer; where it is your own, look at its get_config and build."
        raise UsageError(
            f"Expected a model that load_model can load again. Received: {why.received}. {advice} "
            "Nothing was saved, and the model is as it was. Its weights alone can be kept by "
            f"model.save_weights({str(path.with_suffix('.weights.h5'))!r})."
        ) from why.__cause__
    finally:
        random.setstate(numbers_to_come)


def _check_model(model: object, path: object) -> None:
    with quiet_tensorflow():
        import keras

    if isinstance(path, keras.Model):
        raise UsageError(
            "Expected the model first, then the path. Received: the other way round. "
            "Write save_model(model, path)."
        )
    if not isinstance(model, keras.Model):
        advice = "Give the model itself, as build_cnn returns it."
        if any(kind.__module__.startswith("torch.") for kind in type(model).__mro__):
            advice = "Save a PyTorch model by torch.save(model.state_dict(), path)."
        raise UsageError(
            f"Expected a Keras model to save. Received: {type(model).__name__}. {advice}"
        )
    if not model.built:
        raise UsageError(
            "Expected a model that has its weights. Received: one that was not built, because "
            "it does not know the shape of its images. Start it with keras.Input(shape), or "
            "call it on one batch, then save it."
        )


def _path_to_save(path: str | os.PathLike) -> Path:
    path = as_path(path)
    if path.is_dir():
        raise UsageError(
            f"Expected the path of a file to write. Received: {path}, which is a folder. "
            f"Add a name, for example {path / 'model.keras'}."
        )
    if path.suffix not in ("", ENDING):
        raise UsageError(
            f"Expected a name with the ending {ENDING}, or with none. Received: {path.name}. "
            f"The format is that of Keras, whatever the name: write {path.stem}{ENDING}."
        )
    return path.with_suffix(ENDING)


# ------------------------------------------------------------------------------- loading


def load_model(path: str | os.PathLike) -> keras.Model:
    """Load a model that `save_model` or Keras 3 saved, without running code from its file.

    Args:
        path: of the file, with the ending ".keras" or without.

    Returns:
        The model with the same weights. One that was compiled is compiled again, with the
        state of its optimizer. Where Keras cannot give that back, as after training in mixed
        precision, it warns, and the optimizer starts anew.

    Raises:
        MissingFileError: there is no such file; the message names the one most like it.
        DamagedFileError: the file was changed or cut short, or it is no model.
        ModelFileError: it is a model of another kind or version, names what is neither of
            Keras nor registered in this program, runs code, has weights that are nan, or
            needs more memory than there is.
        StorageError: there is no room for a private copy in the folder for temporary files.

    Introduced in lesson 4.
    """
    path = _path_to_load(path)
    try:
        contents = _unpack(path)
        optimizer_arrays = _check(contents)
        # What was checked is what is loaded: the file itself may have changed by now.
        with tempfile.TemporaryDirectory() as folder:
            version, copy = contents.version, _packed(contents, Path(folder))
            del contents
            return _load(copy, version, optimizer_arrays)
    except FileNotFoundError as error:  # of the module tempfile
        raise StorageError(
            "Expected a folder for temporary files, for a private copy of the model. Received: "
            "none where anything may be written. Set TMPDIR to a folder that is yours."
        ) from error
    except _Refused as why:
        safely = " that can be loaded safely" if why.kind is ModelFileError else ""
        raise why.kind(
            f"Expected a model of Keras 3{safely} in {path}. Received: {why.received}. {why.advice}"
        ) from why.__cause__


def _packed(contents: _Contents, folder: Path) -> Path:
    path = folder / f"model{ENDING}"
    with storage_errors_in_words(path), zipfile.ZipFile(path, "w") as archive:
        for name, content in zip(MEMBERS, contents, strict=False):
            archive.writestr(name, content)
    return path


def _check(contents: _Contents) -> int:
    """Refuse what Keras should not load. Give the number of arrays of the optimizer."""
    with quiet_tensorflow():
        import keras  # noqa: F401
    with _keras_errors_in_words(contents.version):
        own = _check_config(contents.config)
        optimizer_arrays = _check_weights(contents.weights)
        # Keras keeps its state for each thread: from a thread of its own nothing stays behind.
        thread = ThreadPoolExecutor(1)
        try:
            # Whatever Keras warns of, it does so again when it loads the model.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                thread.submit(_check_memory, contents).result()
        except Exception as error:
            # Classes of the reader's own may need weights that are there.
            if isinstance(error, _Refused) or not own:
                raise
        finally:
            thread.shutdown(wait=False)  # so that an interrupt ends it
    return optimizer_arrays


def _load(path: Path, version: str, optimizer_arrays: int) -> keras.Model:
    """Have Keras load a checked file."""
    import keras

    with _keras_errors_in_words(version), warnings.catch_warnings():
        if optimizer_arrays <= 2:  # never trained: it has no state that could be missed
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        model = keras.saving.load_model(path, safe_mode=True)
        for weight in model.weights:
            if not keras.ops.all(keras.ops.isfinite(weight)):
                raise _Refused(
                    f"one whose weights {weight.path[:100]!r} are nan or infinite",
                    "Its training diverged. Train it anew with a smaller learning rate.",
                )
    return model


def _path_to_load(path: str | os.PathLike) -> Path:
    path = as_path(path)
    with_ending = path.with_suffix(ENDING) if path.suffix == "" and path.name else path
    try:
        for candidate in (with_ending, path):
            if candidate.exists():
                return candidate
    except OSError as error:  # a name too long, a folder that may not be read
        raise MissingFileError(
            f"Expected a model file at {path}. Received: {error.strerror}. Check the path."
        ) from error
    raise _missing(with_ending)


def _missing(path: Path) -> MissingFileError:
    names = [entry.name for entry in path.parent.glob(f"*{ENDING}")]
    advice = f"Save it first: save_model(model, {str(path.with_suffix(ENDING))!r})."
    if close := difflib.get_close_matches(path.name, names, n=1):
        advice = f"Is it {path.parent / close[0]}?"
    elif not path.parent.is_dir():
        advice = f"There is no folder {path.parent} either. " + advice
    return MissingFileError(
        f"Expected a model file at {path}. Received: no file of that name. {advice}"
    )


@contextlib.contextmanager
def _keras_errors_in_words(version: str) -> Iterator[None]:
    """Say what Keras and h5py do not like in a file of this version of Keras."""
    import keras

    try:
        yield
    except Exception as error:
        refused = isinstance(error, _Refused)
        if refused and error.kind is ModelFileError and not isinstance(error, _Unknown):
            raise
        if _numbers(version) > _numbers(keras.__version__):
            raise _Refused(
                f"one saved by Keras {version}, which Keras {keras.__version__} here cannot load",
                f"Install Keras {version} or a newer one.",
            ) from error
        if refused:
            raise
        raise _explained(error) from error


def _explained(error: Exception) -> _Refused:
    """What an error of Keras says of a file, in words."""
    import tensorflow as tf

    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return _TooLarge("one that needs more memory than there is", SMALLER)
    if "safe_mode" in str(error):
        return _Refused("one that asks for code or for a file of this computer", NO_CODE)
    return _damage(f"one that Keras cannot load ({_short(error)})")


def _numbers(version: str) -> tuple[int, ...]:
    """(3, 15, 1) of "3.15.1"."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _short(error: BaseException) -> str:
    """What an error says, without the whole configurations that Keras puts around it."""
    plain = re.sub(r"\x1b\[\d*m", "", str(error))  # Keras prints some words bold
    text = " ".join(plain.rpartition("Exception encountered: ")[2].split())[:250]
    return "".join(letter for letter in text if letter.isprintable()) or type(error).__name__


# --------------------------------------------------------------------- inside the archive


def _unpack(path: Path) -> _Contents:
    """The members of the archive, every byte checked against its checksum."""
    if path.is_dir():
        raise _Refused(
            "a folder, as TensorFlow's SavedModel is",
            "Give the path of a .keras file inside it. A SavedModel has no layers that could "
            "be loaded: save the original model again with save_model.",
        )
    if not path.is_file():
        raise _Refused("a device or a pipe", "Give the path of a .keras file.")
    try:
        with path.open("rb") as file:
            _check_kind(file, path)
            with zipfile.ZipFile(file) as archive:
                _check_members(archive)
                config, metadata, weights = (_member(archive, name) for name in MEMBERS)
        contents = _Contents(config, metadata, weights, _version(metadata))
    except _Refused:
        raise
    except OSError as error:
        raise _Refused(f"an error while reading it: {error.strerror}", SAVE_AGAIN) from error
    except Exception as error:
        # Truncated, changed, encrypted, packed in an unknown way: zipfile has many words.
        raise _damage(f"a damaged file ({_short(error)})") from error
    major = _numbers(contents.version)[0]
    if major != 3:
        raise _Refused(
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
        raise _damage("an empty file")
    if start == b"\x89HDF\r\n\x1a\n":
        raise _hdf5(file, path)
    if start[:1] == b"\x80":
        raise _pickled()
    if start[:2] != b"PK":
        raise _damage("a file that is no zip archive, as every model file is")


def _hdf5(file: BinaryIO, path: Path) -> _Refused:
    """What to do with an HDF5 file: Keras looks at its name first."""
    import h5py

    try:
        with h5py.File(file, "r") as opened:
            whole = "model_config" in opened.attrs
    except OSError:
        return _damage("a damaged HDF5 file")
    if not whole:
        return _Refused(
            "an HDF5 file with weights alone",
            "Build the model as it was built then, and give them back to it: "
            f'model.load_weights("{path.with_suffix("").stem}.weights.h5"), by this name.',
        )
    old = path if path.suffix in (".h5", ".hdf5") else path.with_suffix(".h5")
    rename = "" if old == path else f"rename it to {old.name}, then "
    return _Refused(
        "an HDF5 file, the format of Keras 2",
        f"Where you trust it, {rename}convert it once: keras.models.load_model({str(old)!r}, "
        f"compile=False).save({str(path.with_name(path.stem + ENDING))!r}).",
    )


def _pickled() -> _Refused:
    return _Refused(
        "a pickle file, as PyTorch writes",
        "Opening such a file can run any code, so it was not opened. Load weights of your own "
        "in PyTorch with torch.load(path, weights_only=True).",
    )


def _version(metadata: bytes) -> str:
    found = json.loads(metadata)
    version = found.get("keras_version") if isinstance(found, dict) else None
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,4}(\.\w{1,20}){1,4}", version):
        raise _damage(f"one whose {METADATA} names no version of Keras")
    return version


def _check_members(archive: zipfile.ZipFile) -> None:
    """Refuse other members than the three, and such as would fill the memory."""
    members = archive.infolist()
    names = sorted(member.filename for member in members)
    if any(name.endswith("data.pkl") for name in names):
        raise _pickled()
    if missing := [name for name in MEMBERS if name not in names]:
        raise _damage(f"a zip archive without {', '.join(missing)}")
    if names != list(MEMBERS):
        odd = next(name for name in names if names.count(name) > 1 or name not in MEMBERS)
        received = f"a zip archive with {odd[:100]!r} besides {', '.join(MEMBERS)}, each once"
        advice = FROM_STRANGER
        if odd.startswith("assets/"):
            advice = "Layers that look up words keep files there. Build the model without them."
        raise _Refused(received, advice)
    free = memory.available_memory()
    for member in members:
        # Only these two can be unpacked piece by piece.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _Refused("a zip archive that is packed in an unusual way", FROM_STRANGER)
        most = MOST_EXPANSION * member.compress_size if member.filename == WEIGHTS else MOST_TEXT
        if member.file_size > min(free, most):
            refusal = _Refused if member.file_size > most else _TooLarge
            raise refusal(
                f"{member.compress_size:,} bytes that unpack to {member.file_size:,} bytes of "
                f"{member.filename}, where {free / 1e9:.1f} GB of memory are free",
                FROM_STRANGER,
            )


# ---------------------------------------------------------------- what the config may name


@functools.cache
def _kinds() -> dict[str, tuple]:
    """What may be named in a place, by the end of its key: classes, and modules of functions."""
    import keras

    return {
        "layers": (keras.Operation,),  # also models, and steps such as x * 2
        "activation": (keras.Operation, keras.activations),
        "initializer": (keras.Initializer,),
        "regularizer": (keras.Regularizer,),
        "constraint": (keras.constraints.Constraint,),
        "dtype": (keras.DTypePolicy,),
        "seed": (keras.random.SeedGenerator,),
        "seed_generator": (keras.random.SeedGenerator,),
        "quantizer": (keras.Quantizer,),
        "quantization_config": (keras.quantizers.QuantizationConfig,),
        "optimizer": (keras.Optimizer,),
        "learning_rate": (keras.optimizers.schedules.LearningRateSchedule,),
        "loss": (keras.Loss, keras.losses),
        "metrics": (keras.Metric, keras.metrics, keras.losses),
    }


def _classes(kind: tuple) -> tuple[type, ...]:
    return tuple(entry for entry in kind if isinstance(entry, type))


@functools.cache
def _functions(kind: tuple) -> dict[str, types.FunctionType]:
    modules = [vars(entry) for entry in kind if isinstance(entry, types.ModuleType)]
    return {
        name: found
        for module in modules
        for name, found in module.items()
        if isinstance(found, types.FunctionType) and name not in LOOKUPS
    }


def _check_config(config: bytes) -> bool:
    """Refuse a config that names what it must not, before Keras looks for any of it.

    Returns:
        Whether it names anything that the reader's own program has registered.
    """
    import keras

    thresholds = []

    def note(part: dict) -> dict:
        thresholds.append(part.get("num_thresholds"))
        return part

    try:
        model = json.loads(config, object_hook=note)
    except (ValueError, RecursionError) as error:
        raise _damage(f"one whose {CONFIG} cannot be read ({_short(error)})") from error
    if not (isinstance(model, dict) and "class_name" in model):
        raise _damage(f"one whose {CONFIG} describes no model")
    own = list(_own_parts(model, (keras.Model,), "model"))
    if sum(number for number in thresholds if isinstance(number, int)) > MOST_THRESHOLDS:
        raise _Refused("one that asks for more than a million thresholds", FROM_STRANGER)
    if _calls(model) > MOST_CALLS:
        raise _Refused("one that calls its layers too often to be built", FROM_STRANGER)
    return bool(own)


def _own_parts(part: object, kind: tuple, key: str, *, names: bool = False) -> Iterator[dict]:
    """Check all that stands in one place of a config; give what is of the reader's own.

    Args:
        part: what stands there.
        kind: what may be named there.
        key: under which it stands.
        names: whether a text there is the name of a loss or metric.
    """
    if isinstance(part, dict) and "class_name" in part:
        yield from _own_parts_of_object(part, kind, key)
    elif isinstance(part, dict | list):
        for item in part.values() if isinstance(part, dict) else part:
            yield from _own_parts(item, kind, key, names=names)
    elif isinstance(part, str) and names:
        _check_name(part, kind, key)
    elif isinstance(part, int) and abs(part) > LARGEST_NUMBER and not key.endswith(COUNTS):
        raise _Refused(f"one that asks for {key[:50]!r}: {f'{part:,}'[:40]}", FROM_STRANGER)


def _own_parts_of_object(part: dict, kind: tuple, key: str) -> Iterator[dict]:
    """The same for a class or function that a config names, with its settings."""
    own = part["class_name"] not in DATA and _is_own(part, kind, key)
    if own:  # what it may hold is up to the reader
        yield part
        kind = tuple(entry for entries in _kinds().values() for entry in entries)
    for group, settings in part.items():
        if group not in SETTINGS or not isinstance(settings, dict) or "class_name" in settings:
            settings = {group: settings}
        for name, value in settings.items():
            _check_setting(name, value)
            inner = next((_kinds()[end] for end in _kinds() if name.endswith(end)), kind)
            names = group == "compile_config" and not own and bool(_functions(inner))
            yield from _own_parts(value, inner, name, names=names)


def _check_setting(key: str, value: object) -> None:
    """Refuse the settings that ask for more than they name."""
    if key == "dtype" and isinstance(value, str) and re.search(r"\d{4}", value):
        raise _Refused(f"one that asks for numbers of type {value[:50]!r}", FROM_STRANGER)
    if key == "vocabulary" and isinstance(value, str):  # words in a list are no path
        raise _Refused("one that asks for a file of this computer", FROM_STRANGER)
    if key.endswith("activation") and isinstance(value, dict) and "value" in value:
        raise _Refused("one that asks for Python code to be run, in a lambda", NO_CODE)


def _is_own(part: dict, kind: tuple, key: str) -> bool:
    """Whether it names what the reader has registered; refuse what Keras does not have there."""
    import keras

    name, module = part["class_name"], part.get("module")
    registered = part.get("registered_name", name)
    if function := name == "function":
        name = part.get("config")
    if name in CODE_TEXTS:
        raise _Refused(f"one that asks for Python code to be run, in {name}", NO_CODE)
    texts = [name, *(text for text in (module, registered) if text is not None)]
    if "module" not in part or not all(isinstance(text, str) for text in texts):
        raise _damage(f"one whose {CONFIG} names {str(name)[:100]!r} as Keras never does")
    if keras.saving.get_registered_object(name if function else registered) is not None:
        return True
    found = _in_keras(name, module, kind)
    code = tuple(getattr(keras.layers, layer) for layer in CODE)
    if isinstance(found, type) and issubclass(found, code):
        raise _Refused(f"one that asks for Python code to be run, in {name}", NO_CODE)
    if found is None or registered not in (None, name, part["class_name"]):
        raise _unknown(name if function else registered or name, key)
    if function:
        fits = found in _functions(kind).values()
    else:
        fits = isinstance(found, type) and issubclass(found, _classes(kind))
    if not fits:
        raise _Refused(f"one that names {module}.{name} as its {key[:50]!r}", FROM_STRANGER)
    return False


def _in_keras(name: str, module: str | None, kind: tuple) -> object:
    """What Keras has by this name. Nothing is imported for it, and nothing called."""
    if module == "builtins":  # so Keras writes its functions
        return _functions(kind).get(name)
    if module is None or module.partition(".")[0] != "keras" or module not in sys.modules:
        return None
    return vars(sys.modules[module]).get(name)


def _check_name(name: str, kind: tuple, key: str) -> None:
    """Refuse a name that Keras would look for only when the model is trained."""
    import keras

    if name.lower() in CHOSEN_LATER or keras.saving.get_registered_object(name) is not None:
        return
    module = next(entry for entry in kind if isinstance(entry, types.ModuleType))
    try:
        module.get(name)  # looks into a list
    except (TypeError, ValueError):
        raise _unknown(name, key) from None


def _unknown(name: str, key: str) -> _Refused:
    import keras

    package, _, own = name.rpartition(">")
    where = f"inside `with keras.saving.custom_object_scope({{{name!r}: {own}}}):`"
    if package:
        where = f"after keras.saving.register_keras_serializable({package!r})({own})"
    advice = f"If {own} is your own, define it and load the file {where}."
    return _Unknown(
        own,
        f"one with {name[:100]!r} as its {key[:50]!r}, which is no such thing of Keras "
        f"{keras.__version__} and not registered in this program",
        advice if own.isidentifier() and len(name) < 100 else FROM_STRANGER,
    )


# ------------------------------------------------------------------- what the layers ask for


def _calls(part: object) -> int:
    """How often Keras calls a layer to build this one, where models can hold models."""
    config = part.get("config") if isinstance(part, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else None
    total = 0
    for place, layer in enumerate(layers if isinstance(layers, list) else []):
        # A Sequential model is built anew with each layer; others list the calls of a layer.
        nodes = layer.get("inbound_nodes") if isinstance(layer, dict) else None
        times = len(nodes) if isinstance(nodes, list) else len(layers) - place
        total += _calls(layer) * max(1, times)
    return max(1, total)


def _check_memory(contents: _Contents) -> None:
    """Build the layers with weights that are only declared; refuse what asks for too much."""
    import keras

    compiled = []

    def without_compiling(part: dict) -> dict:
        if settings := part.pop("compile_config", None):
            if isinstance(settings, dict):
                settings.pop("optimizer", None)  # its step counter cannot be declared only
            compiled.append(settings)
        return part

    config = json.loads(contents.config, object_hook=without_compiling)

    class DeclaredOnly(keras.StatelessScope):
        def get_current_value(self, variable):  # a few layers look at a weight
            _check_fits(math.prod(variable.shape))
            return super().get_current_value(variable)

    with DeclaredOnly(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(config)
        metrics = keras.tree.flatten(keras.saving.deserialize_keras_object(compiled))
    weights = [weight for part in metrics for weight in getattr(part, "variables", [])]
    numbers = sum(math.prod(weight.shape) for weight in [*weights, *model.weights])
    kept = 1 + (OPTIMIZER_NUMBERS if compiled else 0)
    _check_fits(max(kept * numbers + len(contents.weights) // 4, _largest_tensor(model)))


def _check_fits(numbers: int) -> None:
    """Refuse so many numbers of 4 bytes where there is no memory for them."""
    needed = 4 * numbers
    if needed > (free := memory.available_memory()):
        raise _TooLarge(
            f"one that needs {needed / 1e9:,.1f} GB of memory, where {free / 1e9:.1f} GB are free",
            f"{SMALLER} {FROM_STRANGER}",
        )


def _largest_tensor(model: keras.Model) -> int:
    """How many numbers the largest input or output of any layer has, for one image."""
    import keras

    largest = 0
    for layer in [*model.layers, *getattr(model, "operations", [])]:
        if isinstance(layer, keras.Model):
            largest = max(largest, _largest_tensor(layer))
        with contextlib.suppress(AttributeError):  # one that was not called on its own
            for tensor in keras.tree.flatten([layer.input, layer.output]):
                largest = max(largest, math.prod(side or 1 for side in tensor.shape))
    return largest


# --------------------------------------------------------------------------- the weights


def _check_weights(weights: bytes) -> int:
    """The arrays of the HDF5 member must lie in it, and take no more room than it has.

    Returns:
        How many of them are of the optimizer.
    """
    import h5py

    links, unpacked, optimizer_arrays = {}, 0, 0
    with h5py.File(io.BytesIO(weights), "r") as file:

        def note(name: str, link: object) -> bool | None:
            links[name] = link
            return name.count("/") > DEEPEST or None  # True: no further

        if file.visititems_links(note):
            raise _Refused(f"weights more than {DEEPEST} groups deep", FROM_STRANGER)
        for name, link in links.items():
            found = file[name] if type(link) is h5py.HardLink else None
            if isinstance(found, h5py.Dataset) and _lies_here(found):
                unpacked += found.nbytes
                optimizer_arrays += name.startswith("optimizer/")
            elif not isinstance(found, h5py.Group):
                raise _Refused(f"weights that lie elsewhere, in {name[:100]!r}", FROM_STRANGER)
    # One array under many names, or one of packed zeros, takes memory and no room.
    if unpacked > len(weights):
        raise _Refused(
            f"{len(weights):,} bytes of weights that unpack to {unpacked:,}", FROM_STRANGER
        )
    return optimizer_arrays


def _lies_here(dataset) -> bool:
    """Whether a dataset holds its numbers itself, not in other files and not as references."""
    return not (dataset.external or dataset.is_virtual or dataset.dtype.hasobject)
