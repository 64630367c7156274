"""Whether a training that is kept is the one that is asked for. Introduced in lesson 4."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.basics.errors import CheckpointError
from helpers.datasets.augment import Augmentation, augmentation_name
from helpers.datasets.dataset import ImageDataset, Split
from helpers.models.losses import compile_config
from helpers.training.checkpoints import Checkpoint, CheckpointFolder, part_of
from helpers.training.descriptions import (
    NOT_COMPARED,
    add_array,
    described,
    own_code,
    policies,
    without_names,
)

if TYPE_CHECKING:
    import keras
FORMAT = 2  # of what is noted about a training; 1 did not say what functions do
PYTHON = ".".join(platform.python_version_tuple()[:2])
LONGEST_VALUE = 30  # characters, of what is quoted where a training is refused as another one
# Folder -> with what its training was begun, and the same as it was when that ended here: some
# functions count, remember, or draw random numbers of their own.
left_as: dict[Path, tuple[dict, dict]] = {}


def is_whole_checkpoint(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint holds all that a training keeps, and nothing that cannot be."""
    facts, arrays = checkpoint.facts, checkpoint.arrays
    begun_with = facts["begun_with"]
    optimizer = begun_with["optimizer weights"]  # "[TensorShape([3, 4]), ..."
    parts = {name: [*part_of(arrays, name).values()] for name in ("model", "optimizer", "best")}
    shapes = {name: [[*array.shape] for array in part] for name, part in parts.items()}
    return (
        len(facts["history"].get("loss", ())) == checkpoint.epoch
        and isinstance(facts["seconds"], float)
        and isinstance(facts["versions"], dict)
        and shapes["model"] == begun_with["weights"]
        and shapes["best"] in ([], begun_with["weights"])
        and bool(shapes["best"]) == (begun_with["patience"] is not None)
        and len(parts["optimizer"]) == optimizer.count("(")
        and sum(shapes["optimizer"], []) == [int(size) for size in re.findall(r"\d+", optimizer)]
        and {array.dtype.kind for array in arrays.values()} <= {*"biufV"}
        and all(np.isfinite(a).all() for a in parts["model"] if a.dtype.kind != "V")
    )


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
    changed = [f"{name} {now[name]}, not {before[name]}" for name in now.keys() & before.keys()
               if now[name] != before[name]]  # fmt: skip
    if changed:
        print(f"It was begun otherwise ({'; '.join(sorted(changed))}): the last digits may differ.")
    if found.facts.get("format") != FORMAT:
        print("An earlier version of the course kept it, which did not note what functions do: "
              "that was not compared.")  # fmt: skip
    unknown = [
        key for key, value in _leaves(lasting["begun_with"]) if str(value).startswith(NOT_COMPARED)
    ]
    if unknown:
        print(f"What cannot be looked into was not compared with before: {'; '.join(unknown)}.")


def what_it_began_with(
    model: keras.Model,
    dataset: ImageDataset,
    settings: Mapping[str, Any],
    augment: Sequence[Augmentation],
    functions: Mapping[str, Any],
) -> dict[str, Any]:
    """What a training must have in common with the one that it continues."""
    try:
        with warnings.catch_warnings():  # Keras warns of what could not be loaded from a file
            warnings.simplefilter("ignore")
            config = json.loads(model.to_json())["config"]
    except (NotImplementedError, TypeError, ValueError):  # with a class of the user's own in it
        config = {}
    facts = {
        "model": without_names({"class": type(model).__name__, **config}, {}),
        "compiled": without_names(compile_config(model), {}),
        "weights": [[*variable.shape] for variable in model.variables],
        "weight types": " ".join(sorted({variable.dtype for variable in model.variables})),
        "optimizer weights": str([variable.shape for variable in model.optimizer.variables]),
        **{name: settings[name] for name in ("batch_size", "patience", "seed")},
        **({"augment": ", ".join(map(augmentation_name, augment))} if augment else {}),
        **functions,
        "class names": ", ".join(map(repr, dataset.class_names)),
        "training images": _digest(dataset.train),
        "validation images": _digest(dataset.validation),
    }
    return json.loads(json.dumps(facts))  # as it comes back from a file


def what_functions_do(model: keras.Model, augment: Sequence[Augmentation]) -> dict[str, Any]:
    """What the reader's own functions and objects do and hold at this moment."""
    descriptions = {
        "own code": own_code(model),
        "augmentation": {
            f"{augmentation_name(change)}{f' {number}' if number else ''}": described(change)
            for number, change in enumerate(augment)
        },
    }
    return json.loads(json.dumps(descriptions))


def format_and_python(facts: Mapping[str, Any]) -> tuple[Any, Any]:
    """Each Python has instructions of its own, in which code cannot be compared."""
    return facts.get("format"), facts["versions"].get("python", PYTHON)


def _digest(split: Split) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in (split.images, split.labels):
        add_array(digest, array)
    return digest.hexdigest()


def check_same(
    found: Checkpoint, begun_with: Mapping[str, Any], epochs: int, folder: CheckpointFolder
) -> None:
    before, now = dict(_leaves(found.facts["begun_with"])), dict(_leaves(begun_with))
    begun, left = left_as.get(folder.folder.resolve(), ({}, {}))
    left = dict(_leaves(left)) if begun == found.facts["begun_with"] else before
    keys = {**before, **now}
    if found.facts.get("format") != FORMAT:  # of what was not noted then nothing can be said
        keys = {key: None for key in now if key in before}
    same_python = format_and_python(found.facts)[1] == PYTHON
    changed = [
        key
        for key in keys
        if now.get(key) not in (before.get(key), left.get(key))
        and (same_python or not key.endswith(" code"))
    ]
    if changed:
        shown = [
            f"{key.replace('compiled ', '').replace(' config', '')}: "
            + _difference(now.get(key), before.get(key))
            for key in changed
        ]
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise CheckpointError(
            f"Expected the training that is kept in {folder}. Received: another one "
            f"({'; '.join(shown[:3])}{more}). Nothing was changed. Choose another folder for it, "
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


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value in nested dictionaries and lists, with the way to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        way = f"{path} {key}".strip()
        if isinstance(item, dict) or (isinstance(item, list) and item):
            yield from _leaves(item, way)
        else:
            yield way, item
