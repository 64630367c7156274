"""Save a model whole or not at all; load one without trusting its file. Introduced in lesson 4.

    save_model(model, "scratch/cnn")       # writes scratch/cnn.keras
    model = load_model("scratch/cnn")

A .keras file is a zip of three members: config.json names the layers, model.weights.h5 holds
their numbers, metadata.json the version of Keras. Anyone can write one that asks for code to
be run, or for more memory than there is. So `load_model` looks before Keras does: at the kind
of file, at the members of the zip, at the layers, and at the weights. To learn what the
layers ask for, it has Keras build them with weights that are declared and not allocated.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import math
import os
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from helpers import memory
from helpers.errors import (
    CourseError,
    DamagedFileError,
    MissingFileError,
    ModelFileError,
    StorageError,
    UsageError,
)
from helpers.files import as_path, written_whole
from helpers.quiet import quiet_tensorflow

if TYPE_CHECKING:
    import keras

ENDING = ".keras"
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MEMBERS = (CONFIG, METADATA, WEIGHTS)

MOST_TEXT = 10_000_000  # bytes of config.json; a ResNet50, with 177 layers, has 0.2 million
MOST_EXPANSION = 100  # of the weights; Keras packs nothing, and weights hardly shrink
# Some layers and metrics make a list of that length while they are only described.
LARGEST_NUMBER = 10_000_000
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
# How often Keras may call a layer while it builds the model, about 1 ms each.
MOST_CALLS = 20_000
# What an optimizer keeps for each weight: 2 numbers in Adam, 3 in Adam with amsgrad.
OPTIMIZER_NUMBERS = 3

# Layers that run code or a program which the file brings along.
CODE = {"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}

# How Keras names a class or function that it does not find.
UNKNOWN = r"Could not (?:locate (?:class|function)|deserialize(?: class| function)?) '([^']*)'"

SAVE_AGAIN = "Save the model again, or get the file anew."
SMALLER = "Close other programs, or use a smaller model."
FROM_STRANGER = "Do not use this file unless you know who made it, and why it is like this."
NO_CODE = (
    "A file from someone else could run anything on your computer that way, so models are "
    "loaded in the safe mode of Keras. Build the model from layers without Python code of "
    "their own, then save it again."
)


class _Contents(NamedTuple):
    config: str
    version: str  # of the Keras that saved it
    weights: bytes


class _Stored(NamedTuple):
    shapes: Counter[tuple[int, ...]]  # of the arrays of the layers
    optimizer_arrays: int


# -------------------------------------------------------------------------------- saving


def save_model(model: keras.Model, path: str | os.PathLike) -> Path:
    """Save a Keras model with its weights and its optimizer, whole or not at all.

    Where the saving fails or the process is killed, a file that was there before stays as
    it was.

    Args:
        model: a Keras model that knows the shape of its images.
        path: where to, with the ending ".keras" or without. Folders are made where needed.

    Returns:
        The path of the file, with its ending.

    Raises:
        UsageError: `model` is not a built Keras model, or `path` has another ending.
        StorageError: the disk is full, or nothing may be written there.

    Introduced in lesson 4.
    """
    _check_model(model, path)
    try:
        path = _path_to_save(path)
        with written_whole(path) as temporary:
            _write(model, temporary)
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
        model.save(path)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise UsageError(
            "Expected a model whose layers can say how they are made. Received: "
            f"{_short(error)} Give each layer of your own a get_config method."
        ) from error


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
    path = _as_path(path)
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


def _as_path(path: object) -> Path:
    if not isinstance(path, str | os.PathLike) or "\0" in str(path):
        raise UsageError(
            f"Expected the path of a model file. Received: {path!r}. "
            'Give a path in quotes, for example "scratch/cnn.keras".'
        )
    return as_path(path)


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
        ModelFileError: it is a model of another kind or version, has layers that this program
            does not know or that run code, or needs more memory than there is.

    Introduced in lesson 4.
    """
    path = _path_to_load(path)
    _check_kind(path)
    with quiet_tensorflow():
        import keras

    contents = _unpack(path)
    with _keras_errors_in_words(path, contents.version):
        _check_config(contents.config, path)
        stored = _stored_weights(contents.weights, path)
        # Keras keeps its state for each thread: from a thread of its own nothing stays behind.
        # Whatever it warns of, it does so again when it loads the model.
        with ThreadPoolExecutor(1) as thread, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            thread.submit(_check_declared, contents, stored, path).result()
        del contents
        with warnings.catch_warnings():
            if stored.optimizer_arrays <= 2:  # never trained: it has no state that could be missed
                warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            return keras.saving.load_model(path, safe_mode=True)


def _path_to_load(path: str | os.PathLike) -> Path:
    path = _as_path(path)
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
def _keras_errors_in_words(path: Path, version: str) -> Iterator[None]:
    """Say what Keras and h5py do not like in a file of this version of Keras."""
    import keras

    try:
        yield
    except ModelFileError:
        raise
    except Exception as error:
        if _numbers(version) > _numbers(keras.__version__):
            raise _refusal(
                path,
                f"one saved by Keras {version}, which Keras {keras.__version__} here cannot load",
                f"Install Keras {version} or a newer one.",
            ) from error
        if isinstance(error, DamagedFileError):
            raise
        raise _explained(path, error) from error


def _explained(path: Path, error: Exception) -> CourseError:
    """What an error of Keras says of a file, in words."""
    import keras

    if unknown := re.search(UNKNOWN, str(error)):
        return _refusal(
            path,
            f"one with {unknown[1]!r}, which Keras {keras.__version__} here does not know",
            "Only the layers, losses and metrics of Keras itself can be loaded. Build the "
            "model from these, then save it again.",
        )
    if "safe_mode" in str(error):
        return _refusal(path, "one that asks for code or for a file of this computer", NO_CODE)
    if isinstance(error, MemoryError):
        return _refusal(path, "one that needs more memory than there is", SMALLER)
    return _damage(path, f"one that Keras cannot load ({_short(error)})")


def _numbers(version: str) -> tuple[int, ...]:
    """(3, 15, 1) of "3.15.1"."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _short(error: BaseException) -> str:
    """What an error says, without the whole configurations that Keras puts around it."""
    text = " ".join(str(error).rpartition("Exception encountered: ")[2].split())[:250]
    return "".join(letter for letter in text if letter.isprintable()) or type(error).__name__


def _refusal(path: Path, received: str, advice: str) -> ModelFileError:
    return ModelFileError(
        f"Expected a model of Keras 3 that can be loaded safely in {path}. "
        f"Received: {received}. {advice}"
    )


def _damage(path: Path, received: str) -> DamagedFileError:
    return DamagedFileError(
        f"Expected a model of Keras 3 in {path}. Received: {received}. {SAVE_AGAIN}"
    )


# ---------------------------------------------------------------------- the kind of file


def _check_kind(path: Path) -> None:
    """Refuse what is no .keras file, by its first bytes: a name can say anything."""
    if path.is_dir():
        raise _refusal(
            path,
            "a folder, as TensorFlow's SavedModel is",
            "Give the path of a .keras file inside it. A SavedModel has no layers that could "
            "be loaded: save the original model again with save_model.",
        )
    if not path.is_file():
        raise _refusal(path, "a device or a pipe", "Give the path of a .keras file.")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise _refusal(path, f"an error while reading it: {error.strerror}", SAVE_AGAIN) from error
    if start == b"":
        raise _damage(path, "an empty file")
    if start == b"\x89HDF\r\n\x1a\n":
        raise _refusal(
            path,
            "an HDF5 file, the format of Keras 2",
            "Where you trust it, convert it once: keras.models.load_model("
            f"{str(path)!r}).save({path.stem + ENDING!r}).",
        )
    if start[:1] == b"\x80":
        raise _pickled(path)
    if start[:2] != b"PK":
        raise _damage(path, "a file that is no zip archive, as every model file is")
    if path.suffix != ENDING:
        raise _refusal(
            path,
            f"a zip archive whose name does not end in {ENDING}",
            f"Where it is a Keras model, rename it to {path.stem}{ENDING}.",
        )


def _pickled(path: Path) -> ModelFileError:
    return _refusal(
        path,
        "a pickle file, as PyTorch writes",
        "Opening such a file can run any code, so it was not opened. Load weights of your own "
        "in PyTorch with torch.load(path, weights_only=True).",
    )


# --------------------------------------------------------------------- inside the archive


def _unpack(path: Path) -> _Contents:
    """The members of the archive, every byte checked against its checksum."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path)
            config, metadata, weights = (archive.read(name) for name in MEMBERS)
            contents = _Contents(config.decode(), _version(metadata, path), weights)
    except CourseError:
        raise
    except Exception as error:
        # Truncated, changed, encrypted, packed in an unknown way: zipfile has many words.
        raise _damage(path, f"a damaged file ({_short(error)})") from error
    major = _numbers(contents.version)[0]
    if major != 3:
        raise _refusal(
            path,
            f"one saved by Keras {contents.version}",
            f"Install Keras {major} to load it, or build the model anew in Keras 3.",
        )
    return contents


def _version(metadata: bytes, path: Path) -> str:
    found = json.loads(metadata)
    version = found.get("keras_version") if isinstance(found, dict) else None
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,4}(\.\w{1,20}){1,4}", version):
        raise _damage(path, f"one whose {METADATA} names no version of Keras")
    return version


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse other members than the three, and such as would fill the memory."""
    members = archive.infolist()
    names = sorted(member.filename for member in members)
    if any(name.endswith("data.pkl") for name in names):
        raise _pickled(path)
    if missing := [name for name in MEMBERS if name not in names]:
        raise _damage(path, f"a zip archive without {', '.join(missing)}")
    if names != list(MEMBERS):
        odd = next(name for name in names if names.count(name) > 1 or name not in MEMBERS)
        raise _refusal(
            path,
            f"a zip archive with {odd[:100]!r} besides {', '.join(MEMBERS)}, each once",
            FROM_STRANGER,
        )
    free = memory.available_memory()
    for member in members:
        most = min(free, MOST_TEXT)
        if member.filename == WEIGHTS:
            most = min(free, MOST_EXPANSION * member.compress_size)
        if member.file_size > most:
            raise _refusal(
                path,
                f"{member.compress_size:,} bytes that unpack to {member.file_size:,} bytes of "
                f"{member.filename}, where {free / 1e9:.1f} GB of memory are free",
                FROM_STRANGER,
            )


# ---------------------------------------------------------------------------- the layers


def _check_config(config: str, path: Path) -> None:
    """Refuse a config that runs code, or costs much time or memory only to be read."""
    try:
        model = json.loads(config)
    except (ValueError, RecursionError) as error:
        raise _damage(path, f"one whose {CONFIG} cannot be read ({_short(error)})") from error
    if not (isinstance(model, dict) and isinstance(model.get("class_name"), str)):
        raise _damage(path, f"one whose {CONFIG} describes no model")
    for part in _parts(model):
        name = part.get("class_name")
        if name in CODE:
            raise _refusal(path, f"one that asks for Python code to be run, in {name}", NO_CODE)
        _check_numbers(part, path)
        settings = part.get("compile_config")
        for inner in _parts(settings.get("optimizer") if isinstance(settings, dict) else None):
            if not str(inner.get("module", "keras.optimizers")).startswith("keras.optimizers"):
                raise _refusal(
                    path,
                    f"one with the optimizer {inner.get('class_name')!r}",
                    "Only the optimizers of Keras itself can be loaded.",
                )
    if _calls(model) > MOST_CALLS:
        raise _refusal(path, "one that calls its layers too often to be built", FROM_STRANGER)


def _parts(config: object) -> Iterator[dict]:
    """Every dict of a config, however deep."""
    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _check_numbers(part: dict, path: Path) -> None:
    """Refuse numbers beyond reason in a dict and its lists; what is only a count may be any."""
    for key, value in part.items():
        for number in value if isinstance(value, list) else [value]:
            most = {int: LARGEST_NUMBER, float: LARGEST_FLOAT32}.get(type(number))
            if most and abs(number) > most and not key.endswith(("seed", "steps", "object_id")):
                raise _refusal(path, f"one that asks for {key!r}: {number:,}", FROM_STRANGER)


def _calls(part: object) -> int:
    """How often Keras calls a layer to build this one, where models can hold models."""
    config = part.get("config") if isinstance(part, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else None
    if not isinstance(layers, list):
        return 1
    total = 0
    for place, layer in enumerate(layers):
        # A Sequential model is built anew with each layer; others list the calls of a layer.
        nodes = layer.get("inbound_nodes") if isinstance(layer, dict) else None
        times = len(nodes) if isinstance(nodes, list) else len(layers) - place
        total += _calls(layer) * max(1, times)
    return total


def _check_declared(contents: _Contents, stored: _Stored, path: Path) -> None:
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
        def get_current_value(self, variable):
            # A few layers look at a weight while they are built: then it must be a stored one.
            if math.prod(variable.shape) > 1000:
                _check_stored([variable], stored, path)
            return super().get_current_value(variable)

    with DeclaredOnly(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(config)
        keras.saving.deserialize_keras_object(compiled)
        _check_needs(model, len(contents.weights), bool(compiled), path)
        _check_stored(model.weights, stored, path)
        if not any(_loops(part) for part in _parts(config)):
            _draw_graph(model)


def _check_needs(model: object, stored_bytes: int, compiled: bool, path: Path) -> None:
    """Refuse a model that needs more memory than there is, for its weights or for one image."""
    import keras
    from keras.src.backend.common import global_state  # what was declared has no public list

    if not isinstance(model, keras.Model):
        raise _damage(path, f"one whose {CONFIG} describes a {type(model).__name__}")
    numbers = 1 + (OPTIMIZER_NUMBERS if compiled else 0)
    declared = global_state.get_global_attribute("uninitialized_variables") or []
    weights = sum(math.prod(variable.shape) * _bytes(variable.dtype) for variable in declared)
    needed = max(numbers * weights + stored_bytes, 4 * _largest_output(model))
    if needed > (free := memory.available_memory()):
        raise _refusal(
            path,
            f"one that needs {needed / 1e9:,.1f} GB of memory, where {free / 1e9:.1f} GB are free",
            f"{SMALLER} {FROM_STRANGER}",
        )


def _check_stored(weights: list, stored: _Stored, path: Path) -> None:
    missing = Counter(tuple(weight.shape) for weight in weights) - stored.shapes
    if missing:
        shape = " x ".join(map(str, next(iter(missing)))) or "1"
        raise _damage(path, f"layers that need weights of {shape} numbers, which it does not hold")


def _loops(part: dict) -> bool:
    """Whether a layer draws its graph step after step, which may be millions of them."""
    return part.get("class_name") == "TimeDistributed" or bool(part.get("unroll"))


def _draw_graph(model: keras.Model) -> None:
    """Have Keras draw the graph for one image: some layers check their numbers only then."""
    import keras
    from keras.src.backend import compute_output_spec  # runs nothing; has no public name

    inputs = getattr(model, "inputs", None) or []
    if len(inputs) == 1 and None not in inputs[0].shape[1:]:
        shape = (inputs[0].shape[0] or 1, *inputs[0].shape[1:])
        image = keras.KerasTensor(shape, inputs[0].dtype)
        compute_output_spec(lambda images: model(images, training=False), image)


def _bytes(dtype: str) -> int:
    """Of one number: 4 for "float32"."""
    bits = re.search(r"\d+", dtype)
    return max(1, int(bits[0]) // 8) if bits else 1


def _largest_output(model: keras.Model) -> int:
    """How many numbers the largest output of any layer has, for one image."""
    import keras

    largest = 0
    for operation in [*model.layers, *getattr(model, "operations", [])]:
        if isinstance(operation, keras.Model):
            largest = max(largest, _largest_output(operation))
        # Each place where it is called; the public `output` knows only the first.
        for node in operation._inbound_nodes:
            for tensor in node.output_tensors:
                largest = max(largest, math.prod(side or 1 for side in tensor.shape))
    return largest


# --------------------------------------------------------------------------- the weights


def _stored_weights(weights: bytes, path: Path) -> _Stored:
    """The arrays of the HDF5 member. All must lie in it, and take no more room than it has."""
    import h5py

    links, arrays = {}, {}
    with h5py.File(io.BytesIO(weights), "r") as file:
        file.visititems_links(links.__setitem__)
        for name, link in links.items():
            found = file[name] if type(link) is h5py.HardLink else None
            if isinstance(found, h5py.Dataset) and _lies_here(found):
                arrays[name] = found
            elif not isinstance(found, h5py.Group):
                raise _refusal(path, f"weights that lie elsewhere, in {name!r}", FROM_STRANGER)
        # One array under many names, or one of packed zeros, takes memory and no room.
        unpacked = sum(array.nbytes for array in arrays.values())
        if unpacked > len(weights):
            raise _refusal(
                path,
                f"{len(weights):,} bytes of weights that unpack to {unpacked:,}",
                FROM_STRANGER,
            )
        of_layers = [name for name in arrays if not name.startswith("optimizer/")]
        shapes = Counter(arrays[name].shape for name in of_layers)
    return _Stored(shapes, len(arrays) - len(of_layers))


def _lies_here(dataset) -> bool:
    """Whether a dataset holds its numbers itself, not in other files and not as references."""
    return not (dataset.external or dataset.is_virtual or dataset.dtype.hasobject)
