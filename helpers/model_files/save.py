"""Save a model whole or not at all. Introduced in lesson 4.

    save_model(model, "scratch/cnn")       # writes scratch/cnn.keras

`save_model` loads what it has written, so that what cannot be loaded again is said while the
model is still there.
"""

from __future__ import annotations

import os
import random
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import StorageError, UsageError, kind_of
from helpers.basics.files import as_path, written_whole
from helpers.basics.own_words import in_its_own_words
from helpers.basics.quiet import quiet_tensorflow
from helpers.model_files.archive import ENDING, Refused, TooLarge, add_known, unpack
from helpers.model_files.load import DIVERGED, load_checked
from helpers.model_files.names import check_config
from helpers.models.fit_check import output_shape
from helpers.models.trained_on import TrainedOn, trained_on

if TYPE_CHECKING:
    import keras

    from helpers.datasets.dataset import ImageDataset

TO_DO = (
    "Take layers and functions of Keras, or put @keras.saving.register_keras_serializable() above "
    "your own, here and before you load it. A lambda becomes a function with a name; get_config "
    "of a layer gives all that it is made with."
)

ALL_THAT_IT_TAKES = "get_config of your layer has to give all that its __init__ takes."


def save_model(
    model: keras.Model, path: str | os.PathLike, dataset: ImageDataset | None = None
) -> Path:
    """Save a Keras model with its weights and its optimizer, whole or not at all.

    What was written is loaded once, as `load_model` does it. Where that fails, nothing is
    kept, and the error says what to do. Where the saving fails or the process is killed, a
    file that was there before stays as it was.

    The file says what the model was trained on, too, so that `predict` needs no dataset: the
    names of its classes, and the size and fit of its images. What `train` has trained is known.

    Args:
        model: a Keras model that knows the shape of its images. Classes and functions of
            your own in it must be registered: @keras.saving.register_keras_serializable().
        path: where to, with the ending ".keras" or without. Folders are made where needed.
        dataset: what it was trained on, where `train` has not trained it.

    Returns:
        The path of the file, with its ending.

    Raises:
        UsageError: `model` is not a built Keras model, `load_model` would refuse it (Python
            code such as a Lambda layer, unregistered classes, weights that are nan),
            `path` has another ending, or `dataset` is something else than a dataset.
        MismatchError: `dataset` has images of another shape, another number of classes, or the
            same classes in another order than the model.
        StorageError: the disk is full, or nothing may be written there.

    Introduced in lesson 4.
    """
    _check_model(model, path)
    known = trained_on(model)
    if dataset is not None:
        before, known = known, TrainedOn.of(dataset)
        if before:
            before.check_order(known.class_names)
        known.check_outputs(output_shape(model, dataset.train.images))
    try:
        path = _path_to_save(path)
        with written_whole(path) as temporary:
            _write(model, temporary)
            _check_loads(model, temporary, path)
            if known:
                add_known(temporary, known)
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
            f"{in_its_own_words(error)}. Give each layer of your own a get_config method."
        ) from error


def _check_loads(model: keras.Model, written: Path, path: Path) -> None:
    """Refuse to keep a file that `load_model` would refuse, while the model is still there."""
    numbers_to_come = random.getstate()  # loading draws some, which nobody shall notice
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            own = check_config(unpack(written).config)
            loaded = load_checked(written)
            if own:
                _check_answers(model, loaded)
    except TooLarge:
        return  # there may be more memory when it is loaded
    except Refused as why:
        to_do = why.advice if why.advice in (DIVERGED, ALL_THAT_IT_TAKES) else TO_DO
        raise UsageError(
            f"Expected a model that load_model can load again. Received: {why.received}. "
            f"{to_do} Nothing was saved, and the model is as it was. Its weights alone can be "
            f"kept by model.save_weights({str(path.with_suffix('.weights.h5'))!r})."
        ) from why.__cause__
    finally:
        random.setstate(numbers_to_come)


def _check_answers(model: keras.Model, loaded: keras.Model) -> None:
    """Refuse a file whose model answers otherwise: a layer of one's own forgot what it was."""
    import keras

    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or None in shape[1:]:
        return
    images = np.random.default_rng(0).integers(0, 256, (2, *shape[1:])).astype(np.float32)
    try:
        with keras.StatelessScope():  # what a layer draws or counts there, nobody notices
            answers = [
                np.concatenate([np.ravel(part) for part in keras.tree.flatten(each(images))])
                for each in (model, model, loaded)
            ]
        little = 1e-2 * np.abs(answers[0]).max()
        alike = [np.allclose(answers[0], each, 1e-2, little, equal_nan=True) for each in answers]
    except Exception:  # whatever it says where it wants something else than images
        return
    if alike[1] and not alike[2]:  # or it answers at random
        raise Refused("one that answers otherwise when it is loaded", ALL_THAT_IT_TAKES)


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
        if kind_of(model).startswith("PyTorch"):
            advice = "Save a PyTorch model by torch.save(model.state_dict(), path)."
        raise UsageError(f"Expected a Keras model to save. Received: {kind_of(model)}. {advice}")
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
        name = path.name if path.suffix[1:].isdigit() else path.stem  # of run_0.01 all is the name
        raise UsageError(
            f"Expected a name with the ending {ENDING}, or with none. Received: {path.name}. "
            f"The format is that of Keras, whatever the name: write {name}{ENDING}."
        )
    return path.with_suffix(ENDING)
