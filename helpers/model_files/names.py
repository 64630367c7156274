"""What the config of a .keras file may name and ask for, decided on its text.

It may name the classes that models are made of, the functions of activations, losses and metrics,
and what the reader's own program has registered. Of Keras' other functions some fetch files or
change settings, and Keras would call them while it loads.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import types

from helpers.model_files.archive import CONFIG, FROM_STRANGER, Refused, damaged

# Of all whole numbers of a config; EfficientNetV2L, with 1,031 layers, has 2.8 million.
LARGEST_SUM = 10_000_000
# These may be any numbers.
COUNTS = ("seed", "steps", "boundaries", "scale", "object_id", "salt", "value")
# How often Keras may call a layer while it builds the model, about 1 ms each.
MOST_CALLS = 100_000
# How Keras writes code, and layers that run what the file brings along.
CODE = ("__lambda__", "Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
# How Keras writes plain numbers, texts and places in a list.
DATA = ("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__slice__", "__ellipsis__")
LOOKUPS = ("get", "serialize", "deserialize")  # beside the functions that a config may name
NO_CODE = (
    "A file from someone else could run anything on your computer that way, so models are "
    "loaded in the safe mode of Keras. Use a layer class or a function with a name instead, "
    "and register it with @keras.saving.register_keras_serializable()."
)


@functools.cache
def _classes() -> tuple[type, ...]:
    import keras

    return (
        keras.Operation,  # layers, models, and steps such as x * 2
        keras.Initializer, keras.Regularizer, keras.constraints.Constraint,
        keras.DTypePolicy, keras.random.SeedGenerator,
        keras.Quantizer, keras.quantizers.QuantizationConfig,
        keras.Optimizer, keras.optimizers.schedules.LearningRateSchedule,
        keras.Loss, keras.Metric,
    )  # fmt: skip


@functools.cache
def _functions() -> dict[str, types.FunctionType]:
    import keras

    return {
        name: found
        for module in (keras.activations, keras.losses, keras.metrics)
        for name, found in vars(module).items()
        if isinstance(found, types.FunctionType) and name not in LOOKUPS
    }


def check_config(config: bytes) -> bool:
    """Refuse a config that names what it must not, before Keras looks for any of it.

    Returns:
        Whether it names anything that the reader's own program has registered.
    """
    own, numbers = [], []

    def check(part: dict) -> dict:
        if "class_name" in part:
            own.append(_is_own(part))
        if not all(map(_is_symbolic, part.get("inbound_nodes") or ())):
            raise Refused("one that computes numbers while it is built", FROM_STRANGER)
        dtype = part.get("dtype")
        if isinstance(dtype, str) and re.search(r"\d{4}", dtype):
            raise Refused(f"one that asks for numbers of type {dtype[:50]!r}", FROM_STRANGER)
        numbers.extend(_sum(value) for key, value in part.items() if not key.endswith(COUNTS))
        return part

    try:
        model = json.loads(config, object_hook=check)
        calls = _calls(model)
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged(f"one whose {CONFIG} cannot be read ({error!s:.200})") from error
    if sum(numbers) > LARGEST_SUM:
        raise Refused(f"one that asks for {sum(numbers):,} of something", FROM_STRANGER)
    if calls > MOST_CALLS:
        raise Refused("one that calls its layers too often to be built", FROM_STRANGER)
    return any(own)


def _is_symbolic(call: object) -> bool:
    """Whether a layer is called on another's output; on numbers alone, Keras would compute."""
    if isinstance(call, dict) and "class_name" in call:
        return call["class_name"] == "__keras_tensor__"
    inner = call.values() if isinstance(call, dict) else call if isinstance(call, list) else ()
    return any(map(_is_symbolic, inner))


def _sum(value: object) -> int:
    """Of the whole numbers that a value is or lists."""
    if isinstance(value, list):
        return sum(map(_sum, value))
    return abs(value) if isinstance(value, int) else 0


def _is_own(part: dict) -> bool:
    """Whether it names what the reader has registered; refuse what Keras should not look for."""
    import keras

    name, module = part["class_name"], part.get("module")
    if name in DATA:
        return False
    if name in CODE:
        raise Refused(f"one that asks for Python code to be run, in {name}", NO_CODE)
    if function := name == "function":
        name = part.get("config")
    registered = None if function else part.get("registered_name")
    registered = name if registered is None else registered
    if not all(isinstance(text, str) for text in (name, registered, module or "")):
        raise damaged(f"one whose {CONFIG} names {name!r:.100} as Keras never does")
    if keras.saving.get_registered_object(registered) is not None:
        return True
    found = _in_keras(name, module)
    if found is None or registered != name:
        raise _unknown(registered)
    if function:
        fits = found in _functions().values()
    else:
        fits = isinstance(found, type) and issubclass(found, _classes())
    if not fits:
        raise Refused(f"one that asks for Python code to be run, {module}.{name}", NO_CODE)
    return False


def _in_keras(name: str, module: str | None) -> object:
    """What Keras has by this name. Nothing is imported for it, and nothing called."""
    if module == "builtins":  # so Keras writes its functions
        return _functions().get(name)
    if module is None or module.partition(".")[0] != "keras" or module not in sys.modules:
        return None
    return vars(sys.modules[module]).get(name)


def _unknown(name: str) -> Refused:
    import keras

    own = name.rpartition(">")[2]
    advice = FROM_STRANGER
    if own.isidentifier() and len(name) < 100:
        advice = (
            f"If {own} is your own, define it and load the file inside "
            f"`with keras.saving.custom_object_scope({{{name!r}: {own}}}):`."
        )
    return Refused(
        f"one with {name[:100]!r}, which is not in Keras {keras.__version__} and not registered "
        "in this program",
        advice,
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
