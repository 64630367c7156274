"""Describe what a function does and what it holds, so that two of them can be compared.

A training that was stopped goes on only with the same augmentations and layers. Their names say
little: a cell can be edited and run again, and all partial functions have one name. So a function
is described by its instructions, its defaults, what it has enclosed and the global values that it
uses; an object by its class and by what it holds. What a library brings goes by its name.

A description is lists, dictionaries, numbers and text. It is the same in every process. Comments,
docstrings, line numbers and the names of cells do not change it.

Used by `train`, introduced in lesson 4.
"""

from __future__ import annotations

import copyreg
import dis
import functools
import hashlib
import inspect
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from helpers.basics.files import forget_pages

ROWS_HASHED_AT_ONCE = 1_000
NOT_COMPARED = "cannot be compared: "  # what begins so stands for something without a description
ATOMS = (bool, int, str, type(None))
STORES = ("STORE_GLOBAL", "STORE_DEREF")
FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)


def described(value: Any) -> Any:
    """What JSON can hold of a function, an object or a value: what it does and what it holds."""
    return _Description().of(value)


def own_code(keras_object: Any) -> dict[str, Any]:
    """Name -> description of each function and class in a Keras model that no library brings.

    Keras itself notes nothing but their names, and what `get_config` gives.
    """
    own = [(_name(thing), _of_own(thing)) for thing in _held(keras_object) if _is_part(thing)]
    named: dict[str, Any] = {}
    for name, text in sorted(own, key=json.dumps):
        named[name if name not in named else f"{name} {len(named)}"] = text
    return named


def policies(keras_object: Any) -> list[str]:
    """With how many bits the layers of a model compute, in Keras' words."""
    return sorted({thing.name for thing in _held(keras_object) if _name(thing) == "DTypePolicy"})


def without_names(value: Any, numbers: dict[str, str]) -> Any:
    """A Keras object's config with its layers numbered: Keras counts their names up.

    Without the seeds of layers and first weights too: some layers draw one when they are
    built, and none of them decides anything here. Nor does the policy: with how many bits a
    layer computes. A lambda is a lambda: its code holds the name of the cell it was typed in.
    """
    if isinstance(value, dict):
        if value.get("class_name") == "__lambda__":
            return "lambda"
        if value.get("class_name") == "DTypePolicy":
            return "policy"
        if isinstance(value.get("name"), str):
            numbers.setdefault(value["name"], f"#{len(numbers) + 1}")
        return {key: without_names(inner, numbers) for key, inner in value.items() if key != "seed"}
    if isinstance(value, list):
        return [without_names(inner, numbers) for inner in value]
    return numbers.get(value, value) if isinstance(value, str) else value


def add_array(digest: Any, array: np.ndarray) -> None:
    """Add the numbers of an array to a hash, a piece at a time: they may lie in a file."""
    array = np.atleast_1d(array)
    for start in range(0, len(array), ROWS_HASHED_AT_ONCE):
        piece = np.ascontiguousarray(array[start : start + ROWS_HASHED_AT_ONCE])
        digest.update(piece.reshape(-1).view(np.uint8).data)
        forget_pages(array)


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _is_own(thing: Any) -> bool:
    """Whether a function, class or module was written by the reader, in a cell or a file."""
    name = thing.__name__ if isinstance(thing, types.ModuleType) else thing.__module__
    root = str(name).partition(".")[0]
    if root == "__main__":  # a cell, or a script
        return True
    if root in sys.stdlib_module_names:
        return False
    place = Path(getattr(sys.modules.get(root), "__file__", None) or "")
    return not {"site-packages", "dist-packages"} & {*place.parts}


def _name(thing: Any) -> str:
    return getattr(thing, "__name__", type(thing).__name__)


def _held(keras_object: Any) -> list[Any]:
    """What a Keras object holds, at any depth; of other libraries' objects not the inside."""
    held: dict[int, Any] = {}  # keeps each thing, and so its id
    waiting = [keras_object]
    while waiting:
        thing = waiting.pop()
        if id(thing) in held:
            continue
        held[id(thing)] = thing
        if isinstance(thing, list | tuple | set | frozenset):
            waiting += thing
        elif isinstance(thing, dict):
            waiting += thing.values()
        elif not isinstance(thing, (type, *FUNCTIONS)) and _is_open(type(thing)):
            waiting += getattr(thing, "__dict__", {}).values()
    return [*held.values()]


def _is_open(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "keras" or _is_own(kind)


def _is_part(thing: Any) -> bool:
    """Whether it is a function or an object with code of the reader's own."""
    if isinstance(thing, FUNCTIONS):
        return isinstance(thing, functools.partial) or _is_own(thing)
    return not isinstance(thing, type | types.ModuleType) and _is_own(type(thing))


def _of_own(thing: Any) -> Any:
    """Of Keras' objects the class, with plain numbers, text and arrays: the rest are weights."""
    if not hasattr(thing, "get_config"):
        return described(thing)
    import keras

    keras_own = keras.Sequential()
    keras_own.compile()
    not_own = {*vars(keras_own), *vars(keras.layers.Layer())}
    own = {
        name: _plain(value)
        for name, value in vars(thing).items()
        if name not in not_own and name[0] != "_"
    }
    own = {name: value for name, value in own.items() if value is not None}
    return {"class": described(type(thing)), "holds": described(own)}


def _plain(value: Any) -> Any:
    """The plain part of a value: None stands for layers, weights and the like."""
    import tensorflow as tf

    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):  # Keras makes kinds of its own of them
        return [*map(_plain, value)]
    plain = int | float | str | np.ndarray | np.generic | tf.Tensor
    return value if isinstance(value, plain) else None


class _Description:
    """Describes one thing. What comes up in it for a second time is only numbered."""

    def __init__(self):
        self.seen: dict[int, tuple[int, Any]] = {}  # keeps each thing, and so its id

    def of(self, value: Any) -> Any:
        if type(value) in ATOMS:
            return value
        if type(value) in (float, complex):
            return repr(value)
        if isinstance(value, bytes | bytearray):
            return _hash(value)
        if type(value) in (tuple, frozenset):
            return self._items(value)
        if id(value) in self.seen:
            return f"once more, number {self.seen[id(value)][0]}"
        self.seen[id(value)] = (len(self.seen), value)
        try:
            return self._of_something_new(value)
        except Exception:  # whatever an object does when it is asked what it holds
            return f"{NOT_COMPARED}{type(value).__name__}"

    def _of_something_new(self, value: Any) -> Any:
        if isinstance(value, types.ModuleType):
            return value.__name__
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.MethodType):
            return {"function": self.of(value.__func__), "of": self.of(value.__self__)}
        if isinstance(value, types.CellType):
            return self.of(value.cell_contents)
        if isinstance(value, types.CodeType):
            return self._code(value)
        if isinstance(value, type):
            return self._class(value)
        if type(value) in (list, set):
            return self._items(value)
        if type(value) in (dict, types.MappingProxyType):
            return {_key(self.of(key)): self.of(inner) for key, inner in value.items()}
        if hasattr(value, "get_config"):
            return self._keras_object(value)
        if hasattr(value, "__array__"):
            return self._array(np.asarray(value))
        if hasattr(value, "__wrapped__"):  # by a decorator
            return {"kind": self.of(type(value)), "around": self.of(value.__wrapped__)}
        return self._object(value)

    def _items(self, values: Any) -> list[Any]:
        items = [self.of(inner) for inner in values]
        return sorted(items, key=json.dumps) if isinstance(values, set | frozenset) else items

    def _array(self, array: np.ndarray) -> Any:
        if array.dtype.hasobject:
            return self.of(array.tolist())
        digest = hashlib.blake2b(digest_size=16)
        add_array(digest, array)
        return {"array": f"{array.dtype} {array.shape}", "numbers": digest.hexdigest()}

    def _keras_object(self, value: Any) -> dict[str, Any]:
        weights = value.get_weights() if hasattr(value, "get_weights") else []
        config = without_names(value.get_config(), {})
        config = {key: inner for key, inner in config.items() if key != "name"}
        return {
            "class": self.of(type(value)), "config": self.of(config), "weights": self.of(weights)
        }  # fmt: skip

    def _function(self, function: types.FunctionType) -> Any:
        code, own = function.__code__, _is_own(function)
        stored = {step.argval for step in _steps(code) if step.opname in STORES}
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        name = f"{function.__module__}.{function.__qualname__}"
        parts = {
            **({"code": self._code(code)} if own else {"name": name}),
            "defaults": self.of(function.__defaults__),
            "keyword defaults": self.of(function.__kwdefaults__),
            # What it changes itself is a counter or the like, and no part of what it is.
            "encloses": {key: self.of(cell) for key, cell in cells if key not in stored},
            "uses": self._globals(function, stored) if own else {},
            "attributes": self.of(vars(function)),
        }
        parts = {key: part for key, part in parts.items() if part not in (None, {})}
        return name if parts.keys() == {"name"} else parts

    def _code(self, code: types.CodeType) -> str:
        """A hash of the instructions, with what they work on: no lines, no docstrings."""
        steps = [[step.opname, self.of(step.argval)] for step in dis.get_instructions(code)]
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        kinds = [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags]
        return _hash(json.dumps([steps, arguments, kinds]).encode())

    def _globals(self, function: types.FunctionType, stored: set[str]) -> dict[str, Any]:
        """The global values that a function uses and does not change itself."""
        steps = list(_steps(function.__code__))
        names = {step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        used = {}
        for name in sorted(names - stored):
            if name not in function.__globals__:
                continue  # Python's own
            value = function.__globals__[name]
            used[name] = self.of(value)
            if isinstance(value, types.ModuleType) and _is_own(value):
                parts = {step.argval for step in steps} & {*vars(value)}
                used[name] = {part: self.of(vars(value)[part]) for part in sorted(parts)}
        return used

    def _class(self, kind: type) -> Any:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if not _is_own(kind):
            return name
        members = {}
        for key, member in vars(kind).items():
            member = getattr(member, "__func__", member)  # of a staticmethod or a classmethod
            if isinstance(member, property | functools.cached_property):
                member = [getattr(member, part, None) for part in ("fget", "fset", "func")]
            python_own = key.startswith("__") and not isinstance(member, types.FunctionType)
            if not python_own and not inspect.isdatadescriptor(member) and key != "_abc_impl":
                members[key] = self.of(member)
        return {"members": members, "bases": self.of(kind.__bases__)}

    def _object(self, value: Any) -> Any:
        """As `copy` does: an object says by itself of what it could be made again."""
        reduce = copyreg.dispatch_table.get(type(value))
        reduced = reduce(value) if reduce else value.__reduce_ex__(4)
        if isinstance(reduced, str):  # it goes by this name
            return reduced
        make, made_from, state, items, pairs = (*reduced, None, None, None)[:5]
        parts = {
            "class": self.of(type(value)),
            "made by": self.of(make) if _is_own(make) else _name(make),
            "from": self.of([part for part in made_from if part is not type(value)]),
            "holds": self.of(state),
            "items": self.of(list(items or ())),
            "pairs": self.of(dict(pairs or ())),
        }
        return {key: part for key, part in parts.items() if part not in (None, [], {})}


def _key(described_key: Any) -> str:
    return described_key if isinstance(described_key, str) else json.dumps(described_key)


def _steps(code: types.CodeType) -> Iterator[dis.Instruction]:
    """The instructions of a function and of those inside it."""
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _steps(constant)
