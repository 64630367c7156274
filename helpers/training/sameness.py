"""Whether a training that is kept is the one that is asked for. Introduced in lesson 4."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.basics.errors import CheckpointError
from helpers.datasets.augment import Augmentation, augmentation_name
from helpers.datasets.dataset import ImageDataset, Split
from helpers.models.losses import compile_config
from helpers.training.checkpoints import Checkpoint, CheckpointFolder
from helpers.training.descriptions import (
    WITHOUT,
    add_array,
    described,
    own_code,
    policies,
    without_names,
)

if TYPE_CHECKING:
    import keras

PYTHON = ".".join(platform.python_version_tuple()[:2])
LONGEST_VALUE = 30  # characters, of what is quoted where a training is refused as another one
# What these name are descriptions of code, and each Python has instructions of its own.
CODE = ("own code ", "augmentation ")
# Folder -> with what its training was begun, and the same as it was when that ended here: some
# functions count, remember, or draw random numbers of their own.
left_as: dict[Path, tuple[dict, dict]] = {}


def is_whole_checkpoint(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint holds all that a training keeps, and nothing that cannot be."""
    facts, begun_with = checkpoint.facts, checkpoint.facts["begun_with"]
    shapes = {part: _shapes(checkpoint.part(part)) for part in ("model", "optimizer", "best")}
    has_best = begun_with["patience"] is not None
    return (
        len(facts["history"].get("loss", ())) == checkpoint.epoch
        and isinstance(facts["seconds"], float)
        and isinstance(facts["versions"], dict)
        and shapes["model"] == begun_with["weights"]
        and shapes["optimizer"] == begun_with["optimizer weights"]
        and shapes["best"] == (begun_with["weights"] if has_best else "[]")
        and {array.dtype.kind for array in checkpoint.arrays.values()} <= {*"biufV"}
        and all(np.isfinite(a).all() for a in checkpoint.part("model") if a.dtype.kind != "V")
    )


def _shapes(arrays: Sequence[np.ndarray | keras.Variable]) -> str:
    return str([[*array.shape] for array in arrays])


def surroundings(model: keras.Model) -> dict[str, Any]:
    """What may change the last digits of a training, and forbids no one to go on with it."""
    import keras
    import loky
    import tensorflow as tf

    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return {
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": PYTHON,
        "threads": str(threads or os.environ.get("TF_NUM_INTRAOP_THREADS") or loky.cpu_count()),
        "policy": " and ".join(policies(model)),
    }


def say_what_differs(found: Checkpoint, lasting: Mapping[str, Any]) -> None:
    before, now = found.facts["versions"], lasting["versions"]
    changed = [f"{name} {now[name]}, not {before[name]}" for name in sorted(now.keys() & before)
               if now[name] != before[name]]  # fmt: skip
    if changed:
        print(f"It was begun otherwise ({'; '.join(changed)}): the last digits may differ.")
    unknown = [
        f"{value.partition(WITHOUT)[2] or 'all'} in {key}"
        for key, value in lasting["begun_with"].items()
        if key.startswith(CODE) and (WITHOUT in value or not _same_python(found))
    ]
    if unknown:
        print(f"What cannot be looked into was not compared with before: {'; '.join(unknown)}.")


def _same_python(found: Checkpoint) -> bool:
    return found.facts["versions"].get("python") == PYTHON


def what_it_began_with(
    model: keras.Model,
    dataset: ImageDataset,
    settings: Mapping[str, Any],
    augment: Sequence[Augmentation],
    functions: Mapping[str, str],
) -> dict[str, Any]:
    """What a training must have in common with the one that it continues: name -> value."""
    try:
        with warnings.catch_warnings():  # Keras warns of what could not be loaded from a file
            warnings.simplefilter("ignore")
            config = json.loads(model.to_json())["config"]
    except (NotImplementedError, TypeError, ValueError):  # with a class of the user's own in it
        config = {}
    facts = {
        "model": without_names({"class": type(model).__name__, **config}, {}),
        "weights": _shapes(model.variables),
        "weight types": " ".join(sorted({variable.dtype for variable in model.variables})),
        "optimizer weights": _shapes(model.optimizer.variables),
        **settings,
        "augment": ", ".join(map(augmentation_name, augment)),
        "class names": ", ".join(map(repr, dataset.class_names)),
        "training images": split_digest(dataset.train),
        "validation images": split_digest(dataset.validation),
    }
    return {**_flat(facts), **how_it_is_compiled(model), **functions}


def how_it_is_compiled(model: keras.Model) -> dict[str, Any]:
    return _flat({"compiled": without_names(compile_config(model), {})})


def what_functions_do(model: keras.Model, augment: Sequence[Augmentation]) -> dict[str, str]:
    """What the reader's own functions and objects do and hold at this moment."""
    own, augmentation = CODE
    found = {f"{own}{name}": text for name, text in own_code(model).items()}
    for number, change in enumerate(augment):
        name = f"{augmentation_name(change)}{f' {number}' if number else ''}"
        found[f"{augmentation}{name}"] = described(change)
    return found


def split_digest(split: Split) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in (split.images, split.labels):
        add_array(digest, array)
    return digest.hexdigest()


def check_same(
    found: Checkpoint, now: Mapping[str, Any], epochs: int, folder: CheckpointFolder
) -> None:
    """Raise CheckpointError where what was `found` is not what is asked for `now`."""
    before = found.facts["begun_with"]
    begun, left = left_as.get(folder.folder.resolve(), ({}, {}))
    left = left if begun == before else before
    changed = [
        key
        for key in {**before, **now}
        if now.get(key) not in (before.get(key), left.get(key))
        and (_same_python(found) or not key.startswith(CODE))
    ]
    if changed:
        shown = [
            f"{key.replace('compiled ', '').replace(' config', '')}: "
            + _difference(now.get(key), before.get(key))
            for key in changed[:3]
        ]
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise CheckpointError(
            f"Expected the training that is kept in {folder}. Received: another one "
            f"({'; '.join(shown)}{more}). Nothing was changed. Choose another folder for it, "
            "or set back what you changed."
        )
    if found.epoch > epochs:
        raise CheckpointError(
            f"Expected at least the {found.epoch} epochs that are kept in {folder}. "
            f"Received: epochs={epochs}. Choose another folder for a shorter training."
        )


def _difference(now: Any, before: Any) -> str:
    values = [f"{value:g}" if isinstance(value, float) else str(value) for value in (now, before)]
    # Hashes and the like say nothing to anyone.
    return "not the same" if max(map(len, values)) > LONGEST_VALUE else ", not ".join(values)


def _flat(nested: dict[str, Any]) -> dict[str, Any]:
    """Every single value in nested dictionaries and lists, by the way to it; as JSON has it."""
    return dict(_leaves(json.loads(json.dumps(nested))))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if not value or not isinstance(value, dict | list):
        yield path, value
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(item, f"{path} {key}".strip())
