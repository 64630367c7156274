"""Describe what a function does and what it holds, so that two of them can be compared.

A training that was stopped goes on only with the same augmentations and layers. Their names say
little: a cell can be edited and run again, and all partial functions have one name. So a function
is described by its instructions, its defaults, what it has enclosed and the global values that it
uses; an object by its class and by what it holds. What a library brings goes by its name.

A description is a hash over all these, at any depth. It is the same in every process. Comments,
docstrings, line numbers and the names of cells do not change it.

Used by `train`, introduced in lesson 4.
"""

from __future__ import annotations

import copyreg
import dis
import functools
import hashlib
import inspect
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from helpers.basics.files import forget_pages

ROWS_HASHED_AT_ONCE = 1_000
WITHOUT = ", without "  # in a description: of these kinds it does not know what they hold
ATOMS = (bool, int, float, complex, str, bytes, type(None))
FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)
PROPERTIES = (property, functools.cached_property)
METHODS = (types.FunctionType, staticmethod, classmethod, *PROPERTIES)


def described(value: Any) -> str:
    """A text that two things share where they do the same and hold the same."""
    return _Description(value).text()


def own_code(keras_object: Any) -> dict[str, str]:
    """Name -> description of each function and class in a Keras model that no library brings.

    Keras itself notes nothing but their names, and what `get_config` gives. Its objects hold
    weights too, which change: of them the class counts, and what else they hold.
    """
    named: dict[str, list[str]] = {}
    for thing in _held(keras_object):
        is_function = isinstance(thing, FUNCTIONS)
        if isinstance(thing, functools.partial) or _is_own(thing if is_function else type(thing)):
            of_keras = hasattr(thing, "get_config")
            text = described([type(thing), _own_attributes(thing)] if of_keras else thing)
            named.setdefault(_name(thing), []).append(text)
    return {name: " and ".join(sorted(texts)) for name, texts in named.items()}


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
        if value.get("class_name") in ("__lambda__", "DTypePolicy"):
            return value["class_name"]
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
        digest.update(piece.ravel().view(np.uint8).data)
        forget_pages(array)


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
        if id(thing) in held or isinstance(thing, type | types.ModuleType):
            continue
        held[id(thing)] = thing
        if isinstance(thing, list | tuple | set | frozenset):
            waiting += thing
        elif isinstance(thing, dict):
            waiting += thing.values()
        elif not isinstance(thing, FUNCTIONS):
            kind = type(thing)
            if kind.__module__.partition(".")[0] == "keras" or _is_own(kind):
                waiting += getattr(thing, "__dict__", {}).values()
    return [*held.values()]


def _own_attributes(thing: Any) -> dict[str, Any]:
    """What a Keras object holds beside what all of them do: numbers, text, arrays, functions."""
    import keras

    any_model = keras.Sequential()
    any_model.compile()
    of_keras = {*vars(any_model), *vars(keras.layers.Layer())}
    own = {name: _plain(value) for name, value in vars(thing).items() if name not in of_keras}
    return {
        name: value for name, value in own.items() if not name.startswith("_") and value is not None
    }


def _plain(value: Any) -> Any:
    """The plain part of a value: None stands for layers, weights and the like."""
    import tensorflow as tf

    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):  # Keras makes kinds of its own of them
        return [*map(_plain, value)]
    plain = (int, float, str, np.ndarray, np.generic, tf.Tensor, *FUNCTIONS)
    return value if isinstance(value, plain) else None


class _Description:
    """A hash over a thing and its parts. What comes up for a second time is only numbered."""

    def __init__(self, value: Any):
        self.hash = hashlib.blake2b(digest_size=16)
        self.seen: dict[int, tuple[int, Any]] = {}  # keeps each thing, and so its id
        self.unknown: set[str] = set()
        self._add(value)

    def text(self) -> str:
        unknown = f"{WITHOUT}{', '.join(sorted(self.unknown))}" if self.unknown else ""
        return self.hash.hexdigest() + unknown

    def _add(self, value: Any) -> None:
        if type(value) in ATOMS:
            self._say(f"{type(value).__name__} {value!r}")
        elif id(value) in self.seen:
            self._say(f"once more, number {self.seen[id(value)][0]}")
        else:
            # Python itself decides whether two equal tuples are one and the same.
            if type(value) not in (tuple, frozenset):
                self.seen[id(value)] = (len(self.seen), value)
            try:
                kind, parts = self._taken_apart(value)
            except Exception:  # whatever an object does when it is asked what it holds
                self.unknown.add(type(value).__name__)
                kind, parts = type(value).__name__, []
            self._say(f"{kind} of {len(parts)}")
            for part in parts:
                self._add(part)

    def _say(self, words: str) -> None:
        self.hash.update(f"{len(words)} {words}".encode(errors="surrogatepass"))

    def _taken_apart(self, value: Any) -> tuple[str, list[Any]]:
        """The kind of a thing, or its name, and its parts."""
        if isinstance(value, types.ModuleType):
            return value.__name__, []
        if isinstance(value, types.FunctionType):
            return _function(value)
        if isinstance(value, types.CodeType):
            return "code", _code(value)
        if isinstance(value, types.CellType):
            return "cell", [value.cell_contents]
        if isinstance(value, type):
            return _class(value)
        if isinstance(value, PROPERTIES):
            return "property", [getattr(value, part, None) for part in ("fget", "fset", "func")]
        if type(value) in (tuple, list):
            return type(value).__name__, [*value]
        if type(value) is dict:
            return "dict", [*value.keys(), *value.values()]
        if type(value) in (set, frozenset):
            return "set", sorted(map(described, value))
        if hasattr(value, "get_config"):
            return "Keras", _keras_object(value)
        if hasattr(value, "__array__"):
            return self._array(np.asarray(value))
        if hasattr(value, "__wrapped__"):  # by a decorator
            return "around", [type(value), value.__wrapped__]
        return _object(value)

    def _array(self, array: np.ndarray) -> tuple[str, list[Any]]:
        kind = f"array {array.dtype} {array.shape}"
        if array.dtype.hasobject:
            return kind, array.tolist()
        add_array(self.hash, array)
        return kind, []


def _keras_object(value: Any) -> list[Any]:
    config = {key: inner for key, inner in value.get_config().items() if key != "name"}
    weights = value.get_weights() if hasattr(value, "get_weights") else []
    return [type(value), without_names(config, {}), weights, _own_attributes(value)]


def _function(function: types.FunctionType) -> tuple[str, list[Any]]:
    steps, own = list(_steps(function.__code__)), _is_own(function)
    # What it changes itself is a counter or the like, and no part of what it is.
    stored = {step.argval for step in steps if step.opname in ("STORE_GLOBAL", "STORE_DEREF")}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    held = [
        function.__defaults__,
        function.__kwdefaults__,
        [cell for name, cell in cells if name not in stored],
        vars(function),
    ]
    if own:
        return "function", [function.__code__, *held, _globals(function, steps, stored)]
    return f"{function.__module__}.{function.__qualname__}", held


def _code(code: types.CodeType) -> list[Any]:
    """The instructions, with what they work on: no lines, no docstrings."""
    steps = [(step.opname, step.argval) for step in dis.get_instructions(code)]
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    kinds = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return [arguments, kinds, *steps]


def _globals(
    function: types.FunctionType, steps: list[dis.Instruction], stored: set[str]
) -> dict[str, Any]:
    """The global values that a function uses and does not change itself."""
    names = {step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    used = {}
    for name in sorted((names - stored) & function.__globals__.keys()):  # others are Python's own
        used[name] = value = function.__globals__[name]
        if isinstance(value, types.ModuleType) and _is_own(value):
            parts = {step.argval for step in steps if isinstance(step.argval, str)} & {*vars(value)}
            used[name] = {part: vars(value)[part] for part in sorted(parts)}
    return used


def _steps(code: types.CodeType) -> Iterator[dis.Instruction]:
    """The instructions of a function and of those inside it."""
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _steps(constant)


def _class(kind: type) -> tuple[str, list[Any]]:
    if not _is_own(kind):
        return f"{kind.__module__}.{kind.__qualname__}", []
    members = {
        name: member
        for name, member in vars(kind).items()
        if isinstance(member, METHODS)
        or not (name.startswith("__") or name == "_abc_impl" or inspect.isdatadescriptor(member))
    }
    return "class", [members, kind.__bases__]


def _object(value: Any) -> tuple[str, list[Any]]:
    """As `copy` does: an object says by itself of what it could be made again."""
    reduce = copyreg.dispatch_table.get(type(value))
    reduced = reduce(value) if reduce else value.__reduce_ex__(4)
    if isinstance(reduced, str):  # it goes by this name
        return reduced, [type(value)]
    make, made_from, state, items, pairs = (*reduced, None, None, None)[:5]
    made_from = [part for part in made_from if part is not type(value)]
    return "object", [type(value), make, made_from, state, [*(items or ())], [*(pairs or ())]]
