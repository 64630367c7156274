"""Load a model without trusting its file. Introduced in lesson 4.

    model = load_model("scratch/cnn")

A .keras file is a zip of three members: config.json names the layers, model.weights.h5 holds
their numbers, metadata.json the version of Keras. Anyone can write one that asks for code to
be run, or for more memory than there is. So `load_model` looks before Keras does: at the kind
of file and the members of the zip (`archive`), at every name in the config (`names`), and at the
weights (`weights`).
"""

from __future__ import annotations

import contextlib
import difflib
import os
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.basics.errors import MissingFileError, ModelFileError, StorageError
from helpers.basics.files import as_path, storage_errors_in_words
from helpers.basics.quiet import quiet_tensorflow
from helpers.model_files.archive import (
    ENDING,
    MEMBERS,
    NO_CODE,
    SMALLER,
    Contents,
    Refused,
    TooLarge,
    Unknown,
    damaged,
    number_list,
    shortened,
    unpack,
)
from helpers.model_files.names import check_config
from helpers.model_files.weights import check_memory, check_weights

if TYPE_CHECKING:
    import keras


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
        contents = unpack(path)
        optimizer_arrays = check_file(contents)
        # What was checked is what is loaded: the file itself may have changed by now.
        with tempfile.TemporaryDirectory() as folder:
            version, copy = contents.version, _packed(contents, Path(folder))
            del contents
            return load_checked(copy, version, optimizer_arrays)
    except FileNotFoundError as error:  # of the module tempfile
        raise StorageError(
            "Expected a folder for temporary files, for a private copy of the model. Received: "
            "none where anything may be written. Set TMPDIR to a folder that is yours."
        ) from error
    except Refused as why:
        safely = " that can be loaded safely" if why.kind is ModelFileError else ""
        raise why.kind(
            f"Expected a model of Keras 3{safely} in {path}. Received: {why.received}. {why.advice}"
        ) from why.__cause__


def _packed(contents: Contents, folder: Path) -> Path:
    path = folder / f"model{ENDING}"
    with storage_errors_in_words(path), zipfile.ZipFile(path, "w") as archive:
        for name, content in zip(MEMBERS, contents, strict=False):
            archive.writestr(name, content)
    return path


def check_file(contents: Contents) -> int:
    """Refuse what Keras should not load. Give the number of arrays of the optimizer."""
    with quiet_tensorflow():
        import keras  # noqa: F401
    with _keras_errors_in_words(contents.version):
        own = check_config(contents.config)
        optimizer_arrays = check_weights(contents.weights)
        # Keras keeps its state for each thread: from a thread of its own nothing stays behind.
        thread = ThreadPoolExecutor(1)
        try:
            # Whatever Keras warns of, it does so again when it loads the model.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                thread.submit(check_memory, contents).result()
        except Exception as error:
            # Classes of the reader's own may need weights that are there.
            if isinstance(error, Refused) or not own:
                raise
        finally:
            thread.shutdown(wait=False)  # so that an interrupt ends it
    return optimizer_arrays


def load_checked(path: Path, version: str, optimizer_arrays: int) -> keras.Model:
    """Have Keras load a checked file."""
    import keras

    with _keras_errors_in_words(version), warnings.catch_warnings():
        if optimizer_arrays <= 2:  # never trained: it has no state that could be missed
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        model = keras.saving.load_model(path, safe_mode=True)
        for weight in model.weights:
            if not keras.ops.all(keras.ops.isfinite(weight)):
                raise Refused(
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
        refused = isinstance(error, Refused)
        if refused and error.kind is ModelFileError and not isinstance(error, Unknown):
            raise
        if number_list(version) > number_list(keras.__version__):
            raise Refused(
                f"one saved by Keras {version}, which Keras {keras.__version__} here cannot load",
                f"Install Keras {version} or a newer one.",
            ) from error
        if refused:
            raise
        raise _explained(error) from error


def _explained(error: Exception) -> Refused:
    """What an error of Keras says of a file, in words."""
    import tensorflow as tf

    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return TooLarge("one that needs more memory than there is", SMALLER)
    if "safe_mode" in str(error):
        return Refused("one that asks for code or for a file of this computer", NO_CODE)
    return damaged(f"one that Keras cannot load ({shortened(error)})")
