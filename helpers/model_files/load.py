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
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.basics.errors import MissingFileError
from helpers.basics.files import as_path, storage_errors_in_words
from helpers.basics.own_words import in_its_own_words
from helpers.basics.quiet import quiet_tensorflow
from helpers.model_files.archive import (
    ENDING,
    MEMBERS,
    SMALLER,
    Contents,
    Refused,
    TooLarge,
    damaged,
    known_from,
    unpack,
    version_of,
    written,
)
from helpers.model_files.names import NO_CODE, check_config
from helpers.model_files.weights import check_memory, check_weights
from helpers.models.graph import make_ready
from helpers.models.trained_on import note_trained_on

if TYPE_CHECKING:
    import keras

DIVERGED = "Its training diverged. Train it anew with a smaller learning rate."
NOT_TRAINED = "Skipping variable loading for optimizer .* saved optimizer has [12] variables"


def load_model(path: str | os.PathLike) -> keras.Model:
    """Load a model that `save_model` or Keras 3 saved, without running code from its file.

    Args:
        path: of the file, with the ending ".keras" or without.

    Returns:
        The model with the same weights. One that was compiled is compiled again, with the
        state of its optimizer. Where Keras cannot give that back, as after training in mixed
        precision, it warns, and the optimizer starts anew. What it was trained on, if the file
        says it, is known again: the names of its classes and how its images were made. Such a
        model has answered once, where that is light: the first answer takes far longer than the
        next ones.

    Raises:
        MissingFileError: there is no such file; the message names the one most like it.
        DamagedFileError: the file was changed or cut short, or it is no model.
        ModelFileError: it is a model of another kind, or of a Keras that this one cannot
            read, names what is neither of Keras nor registered in this program, runs code, has
            weights that are nan, or needs more memory than there is.
        StorageError: there is no room for a private copy in the folder for temporary files.

    Introduced in lesson 4.
    """
    path = _path_to_load(path)
    newer = ""
    try:
        contents = unpack(path)
        newer = _if_newer(version_of(contents.metadata))
        _check(contents)
        # What was checked is what is loaded: the file itself may have changed by now.
        with tempfile.TemporaryDirectory() as folder:
            copy = _packed(contents, Path(folder))
            known = known_from(contents.metadata)
            del contents
            model = load_checked(copy)
        if known:
            note_trained_on(model, known)
            make_ready(model, known.blank())
        return model
    except Refused as why:
        raise why.kind(
            f"Expected a model of Keras 3 in {path}. Received: {why.received}. {why.advice}{newer}"
        ) from why.__cause__


def _check(contents: Contents) -> None:
    """Refuse what Keras should not load."""
    with quiet_tensorflow():
        import keras  # noqa: F401
    with keras_errors_in_words():
        own = check_config(contents.config)
        check_weights(contents.weights)
        try:
            check_memory(contents)
        except Exception as error:
            # Classes of the reader's own may need weights that are there.
            if isinstance(error, Refused) or not own:
                raise


def _packed(contents: Contents, folder: Path) -> Path:
    path = folder / f"model{ENDING}"
    with storage_errors_in_words(path), zipfile.ZipFile(path, "w") as archive:
        for name, content in zip(MEMBERS, contents, strict=True):
            archive.writestr(name, content)
    return path


def load_checked(path: Path) -> keras.Model:
    """Have Keras load a checked file."""
    import keras

    with keras_errors_in_words(), warnings.catch_warnings():
        # Never trained: it has no state that could be missed.
        warnings.filterwarnings("ignore", NOT_TRAINED)
        model = keras.saving.load_model(path, safe_mode=True)
        if not isinstance(model, keras.Model):
            raise damaged(f"a {type(model).__name__} and no model")
        for weight in model.weights:
            if not keras.ops.all(keras.ops.isfinite(weight)):
                raise Refused(
                    f"one whose weights {weight.path[:100]!r} are nan or infinite",
                    DIVERGED,
                )
    return model


@contextlib.contextmanager
def keras_errors_in_words() -> Iterator[None]:
    """Say what Keras and h5py do not like in a file."""
    import tensorflow as tf

    try:
        yield
    except Refused:
        raise
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise TooLarge("one that needs more memory than there is", SMALLER) from error
    except Exception as error:
        if "safe_mode" in str(error):
            received = "one that asks for Python code to be run, or for a file of this computer"
            raise Refused(received, NO_CODE) from error
        raise damaged(f"one that Keras cannot load ({in_its_own_words(error, 250)})") from error


def _if_newer(version: tuple[int, ...]) -> str:
    """What to say of a file that a newer Keras saved."""
    with quiet_tensorflow():
        import keras

    here = tuple(int(number) for number in keras.__version__.split(".")[:3])
    if version <= here:
        return ""
    return f" Keras {written(version)} saved it, and here is {written(here)}. Install that one."


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
    names = [entry.name for entry in with_ending.parent.glob(f"*{ENDING}")]
    advice = f"Save it first: save_model(model, {str(path.with_suffix(ENDING))!r})."
    if close := difflib.get_close_matches(with_ending.name, names):
        advice = f"Is it {path.parent / close[0]}?"
    raise MissingFileError(
        f"Expected a model file at {with_ending}. Received: no file of that name. {advice}"
    )
