"""What the config of a .keras file may name, decided on its text.

What may be named is what Keras has of the kind that belongs in that place, and what the reader's
own program has registered.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING

from helpers.model_files.archive import (
    CONFIG,
    FROM_STRANGER,
    LARGEST_NUMBER,
    NO_CODE,
    Refused,
    Unknown,
    damaged,
    shortened,
)

if TYPE_CHECKING:
    pass
MOST_THRESHOLDS = 1_000_000  # of all metrics, which make lists of them while they are described
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


def check_config(config: bytes) -> bool:
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
        raise damaged(f"one whose {CONFIG} cannot be read ({shortened(error)})") from error
    if not (isinstance(model, dict) and "class_name" in model):
        raise damaged(f"one whose {CONFIG} describes no model")
    own = list(_own_parts(model, (keras.Model,), "model"))
    if sum(number for number in thresholds if isinstance(number, int)) > MOST_THRESHOLDS:
        raise Refused("one that asks for more than a million thresholds", FROM_STRANGER)
    if _calls(model) > MOST_CALLS:
        raise Refused("one that calls its layers too often to be built", FROM_STRANGER)
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
        raise Refused(f"one that asks for {key[:50]!r}: {f'{part:,}'[:40]}", FROM_STRANGER)


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
        raise Refused(f"one that asks for numbers of type {value[:50]!r}", FROM_STRANGER)
    if key == "vocabulary" and isinstance(value, str):  # words in a list are no path
        raise Refused("one that asks for a file of this computer", FROM_STRANGER)
    if key.endswith("activation") and isinstance(value, dict) and "value" in value:
        raise Refused("one that asks for Python code to be run, in a lambda", NO_CODE)


def _is_own(part: dict, kind: tuple, key: str) -> bool:
    """Whether it names what the reader has registered; refuse what Keras does not have there."""
    import keras

    name, module = part["class_name"], part.get("module")
    registered = part.get("registered_name", name)
    if function := name == "function":
        name = part.get("config")
    if name in CODE_TEXTS:
        raise Refused(f"one that asks for Python code to be run, in {name}", NO_CODE)
    texts = [name, *(text for text in (module, registered) if text is not None)]
    if "module" not in part or not all(isinstance(text, str) for text in texts):
        raise damaged(f"one whose {CONFIG} names {str(name)[:100]!r} as Keras never does")
    if keras.saving.get_registered_object(name if function else registered) is not None:
        return True
    found = _in_keras(name, module, kind)
    code = tuple(getattr(keras.layers, layer) for layer in CODE)
    if isinstance(found, type) and issubclass(found, code):
        raise Refused(f"one that asks for Python code to be run, in {name}", NO_CODE)
    if found is None or registered not in (None, name, part["class_name"]):
        raise _unknown(name if function else registered or name, key)
    if function:
        fits = found in _functions(kind).values()
    else:
        fits = isinstance(found, type) and issubclass(found, _classes(kind))
    if not fits:
        raise Refused(f"one that names {module}.{name} as its {key[:50]!r}", FROM_STRANGER)
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


def _unknown(name: str, key: str) -> Refused:
    import keras

    package, _, own = name.rpartition(">")
    where = f"inside `with keras.saving.custom_object_scope({{{name!r}: {own}}}):`"
    if package:
        where = f"after keras.saving.register_keras_serializable({package!r})({own})"
    advice = f"If {own} is your own, define it and load the file {where}."
    return Unknown(
        own,
        f"one with {name[:100]!r} as its {key[:50]!r}, which is no such thing of Keras "
        f"{keras.__version__} and not registered in this program",
        advice if own.isidentifier() and len(name) < 100 else FROM_STRANGER,
    )


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
