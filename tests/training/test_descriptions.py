"""Descriptions: the same for what does the same, another one for what does something else."""

from __future__ import annotations

import functools
import hashlib
import re
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

from helpers import quiet_tensorflow
from helpers.datasets import flip_sideways, shift
from helpers.training import descriptions
from helpers.training.descriptions import WITHOUT, described, own_code

with quiet_tensorflow():
    import keras


def made(source: str, name: str = "change", *, cell: str = "cell_1"):
    """What a cell with this text makes, in a notebook of its own."""
    names = {"np": np, "functools": functools, "__name__": "__main__"}
    exec(compile(source, cell, "exec"), names)
    return names[name]


FUNCTION = "def change(images, random):\n    return images + 5\n"
CALLABLE = """
class Brighter:
    def __init__(self, by):
        self.by = by
    def __call__(self, images, random):
        return images + self.by
change = Brighter(5)
"""

SAME = {
    "again": (FUNCTION, FUNCTION),
    "further down": (FUNCTION, "\n\n\n" + FUNCTION),
    "a comment": (FUNCTION, FUNCTION.replace("\n    ", "  # brighter\n    # by 5\n    ")),
    "a docstring": (FUNCTION, FUNCTION.replace("    return", '    """Brighter."""\n    return')),
    "an object": (CALLABLE, CALLABLE.replace("class", "\n\nclass")),
    "docstrings in a class": (
        CALLABLE,
        CALLABLE.replace("Brighter:\n", 'Brighter:\n    "Adds."\n').replace(
            "random):\n", 'random):\n        "Once."\n'
        ),
    ),
    "a counter of its own": tuple(
        f"count = {n}\ndef change(i, r):\n    global count\n    count += 1\n    return i"
        for n in (0, 9)
    ),
    "an unused global": ("by = 5\n" + FUNCTION, "by = 6\n" + FUNCTION),
}

ANOTHER = {
    "body": (FUNCTION, FUNCTION.replace("5", "6")),
    "operator": (FUNCTION, FUNCTION.replace("+", "-")),
    "name that is called": ("change = lambda i, r: i.min()", "change = lambda i, r: i.max()"),
    "lambda": ("change = lambda i, r: i", "change = lambda i, r: i * 1"),
    "minus nothing": ("change = lambda i, r: 0.0", "change = lambda i, r: -0.0"),
    "type of a number": ("change = lambda i, r: i * 1", "change = lambda i, r: i * 1.0"),
    "keyword of a partial": tuple(
        "def push(i, r, *, by=0): return i + by\n"
        f"change = functools.partial(push, by={by})"
        for by in (1, 9)
    ),
    "argument of a partial": tuple(
        f"def push(by, i, r): return i + by\nchange = functools.partial(push, {by})"
        for by in (1, 9)
    ),
    "function of a partial": tuple(
        f"def push(i, r, by): return i {sign} by\nchange = functools.partial(push, by=1)"
        for sign in "+-"
    ),
    "closure": tuple(
        f"def make(by):\n    return lambda i, r: i + by\nchange = make({by})" for by in (1, 9)
    ),
    "array in a closure": tuple(
        f"def make(by):\n    return lambda i, r: i + by\nchange = make(np.arange({n}))"
        for n in (3, 4)
    ),
    "default": tuple(f"def change(i, r, by={by}): return i + by" for by in (1, 9)),
    "keyword default": tuple(f"def change(i, r, *, by={by}): return i + by" for by in (1, 9)),
    "order of arguments": ("def change(i, r): return i", "def change(r, i): return i"),
    "order of arguments before those by name": (
        "def change(i, r, *, a=0, b=1): return i", "def change(r, i, *, a=0, b=1): return i"
    ),
    "global": tuple(f"by = {by}\ndef change(i, r): return i + by" for by in (1, 9)),
    "global of an inner function": tuple(
        f"by = {by}\ndef change(i, r): return [j + by for j in i]" for by in (1, 9)
    ),
    "global table": tuple(
        f"table = {{'by': [1, {by}]}}\ndef change(i, r): return i + table['by'][1]" for by in (1, 9)
    ),
    "global array": tuple(
        f"by = np.array([1, {by}])\ndef change(i, r): return i + by" for by in (1, 9)
    ),
    "global array of objects": tuple(
        f"by = np.array(['a', {by}], object)\ndef change(i, r): return by" for by in (1, 9)
    ),
    "one of two that are there already": tuple(
        f"a, b = [1], [2]\ntable = [a, b, {name}]\ndef change(i, r): return table[2]"
        for name in "ab"
    ),
    "function that it calls": tuple(
        f"def by(i): return i {sign} 1\ndef change(i, r): return by(i)" for sign in "+-"
    ),
    "object's number": (CALLABLE, CALLABLE.replace("Brighter(5)", "Brighter(6)")),
    "object's class": (CALLABLE, CALLABLE.replace("images + self", "images - self")),
    "object's base": tuple(
        f"class A:\n    def f(self, i): return i {sign} 1\nclass B(A):\n"
        "    def __call__(self, i, r): return self.f(i)\nchange = B()"
        for sign in "+-"
    ),
    "class attribute": tuple(
        f"class A:\n    by = {by}\n    def __call__(self, i, r): return i + self.by\nchange = A()"
        for by in (1, 9)
    ),
    "property": tuple(
        f"class A:\n    @property\n    def by(self): return {by}\n"
        "    def __call__(self, i, r): return i + self.by\nchange = A()"
        for by in (1, 9)
    ),
    "static method": tuple(
        f"class A:\n    @staticmethod\n    def by(): return {by}\n"
        "    def __call__(self, i, r): return i + self.by()\nchange = A()"
        for by in (1, 9)
    ),
    "slots": tuple(
        "class A:\n    __slots__ = ['by']\n    def __call__(self, i, r): return i + self.by\n"
        f"change = A()\nchange.by = {by}"
        for by in (1, 9)
    ),
    "bound method": tuple(
        "class A:\n    def __init__(self, by): self.by = by\n"
        f"    def push(self, i, r): return i + self.by\nchange = A({by}).push"
        for by in (1, 9)
    ),
    "other method": tuple(
        "class A:\n    def push(self, i, r): return i + 1\n    def pull(self, i, r): return i - 1\n"
        f"change = A().{name}"
        for name in ("push", "pull")
    ),
    "wrapped function": tuple(
        f"@functools.lru_cache\ndef change(i, r): return i + {by}" for by in (1, 9)
    ),
    "what a decorator holds": tuple(
        "def times(n):\n    def around(f):\n        @functools.wraps(f)\n"
        "        def inner(i, r): return f(i, r) * n\n        return inner\n    return around\n"
        f"@times({n})\ndef change(i, r): return i + 1"
        for n in (1, 9)
    ),
    "vectorised function": tuple(f"change = np.vectorize(lambda i: i + {by})" for by in (1, 9)),
    "function of NumPy": ("change = np.fliplr", "change = np.flipud"),
    "ufunc": ("change = np.add", "change = np.subtract"),
    "random generator": tuple(
        f"r0 = np.random.default_rng({seed})\ndef change(i, r): return i + r0.random()"
        for seed in (1, 9)
    ),
    "set in a condition": tuple(
        f"def change(i, r): return i if len(i) in {{1, {n}}} else -i" for n in (2, 3)
    ),
    "handled error": tuple(
        f"def change(i, r):\n    try:\n        return i + 1\n    except {kind}:\n        return i"
        for kind in ("ValueError", "TypeError")
    ),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_what_does_the_same_has_the_same_description(one, other):
    """Typed in another cell too, as after a restart of the kernel."""
    assert described(made(one)) == described(made(other, cell="cell_2"))


@pytest.mark.parametrize(("one", "other"), ANOTHER.values(), ids=ANOTHER)
def test_what_does_something_else_has_another(one, other):
    assert described(made(one)) == described(made(one))
    assert described(made(one)) != described(made(other))


def test_a_description_is_a_hash_where_all_can_be_looked_into():
    for change in (flip_sideways, shift, *(made(one) for one, _ in ANOTHER.values())):
        assert re.fullmatch("[0-9a-f]{32}", described(change))


def test_every_process_gives_the_same():
    """Python orders a set of words differently in each, unless told otherwise."""
    code = (
        "from helpers.training.descriptions import described\n"
        "words = {'a', 'b', 'c', 'd'}\n"
        "class Own:\n    words = frozenset(words)\n    def __call__(self, i, r):\n"
        "        return i if 'x' in {'f', 'g', 'h'} else words\n"
        "own = Own()\nown.held = [words, own, Own]\n"
        "print(described(own))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": sys.path[0]},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1


@pytest.mark.parametrize("held", [threading.Lock(), (number for number in range(3)), open])
def test_what_cannot_be_looked_into_is_said(held, tmp_path):
    if held is open:
        held = (tmp_path / "file").open("w")
    change = made("class Own:\n    def __call__(self, i, r): return i\nchange = Own()")
    change.held = held
    text = described(change)
    assert text.endswith(f"{WITHOUT}{type(held).__name__}")
    change.by = 1
    assert described(change) != text  # the rest is compared
    if hasattr(held, "close"):
        held.close()


def test_modules_of_ones_own_count_as_far_as_they_are_used():
    def using(**names):
        module = types.ModuleType("my_changes")
        module.__dict__.update(names)
        function = made("def change(i, r): return mine.push(i) + mine.by")
        function.__globals__["mine"] = module
        return described(function)

    push = made("def change(i): return i + 1")
    pull = made("def change(i): return i - 1")
    assert using(push=push, by=1) == using(push=push, by=1, other=2)
    assert using(push=push, by=1) != using(push=push, by=2)
    assert using(push=push, by=1) != using(push=pull, by=1)


def test_keras_layers_in_an_augmentation():
    def turning(layer):
        return described(functools.partial(lambda images, random, by: by(images), by=layer))

    layers = keras.layers
    assert turning(layers.RandomRotation(0.1)) == turning(layers.RandomRotation(0.1))
    assert turning(layers.RandomRotation(0.1)) != turning(layers.RandomRotation(0.2))

    def weighted(number):
        layer = layers.Dense(1)
        layer.build((None, 1))
        layer.set_weights([np.full((1, 1), number), np.zeros(1)])
        return turning(layer)

    assert weighted(1) == weighted(1) != weighted(2)


class TestOwnCode:
    def model(self, *layers, loss="mse"):
        model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(3)])
        model.compile("adam", loss)
        return model

    def test_what_keras_brings_is_not_noted(self):
        inner = keras.layers.Dense(2, "relu", kernel_regularizer="l2")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        assert own_code(self.model(inner, keras.layers.Dropout(0.1), loss=loss)) == {}

    @pytest.mark.parametrize(
        "layer",
        [
            lambda function: keras.layers.Lambda(function),
            lambda function: keras.layers.Dense(2, activation=function),
            lambda function: keras.Sequential([keras.layers.Lambda(function)]),
            lambda function: keras.layers.TimeDistributed(keras.layers.Lambda(function)),
            lambda function: keras.layers.Dense(2, kernel_regularizer=function),
            lambda function: {"first": function},
        ],
        ids=["Lambda", "activation", "in a model", "in a layer", "regulariser", "dictionary"],
    )
    def test_functions_in_layers(self, layer):
        def noted(source):
            inner = layer(made(source))
            holder = keras.layers.Dense(2)
            holder.inner = inner
            return own_code(holder)

        once = "def change(x): return x * 2"
        assert noted(once) == noted(once)
        assert list(noted(once)) == ["change"]
        assert noted(once) != noted(once.replace("2", "3"))

    def test_the_loss(self):
        once = "def change(labels, outputs): return outputs[:, 0]"
        one, same, other = (
            own_code(self.model(loss=made(source)))
            for source in (once, once, once.replace("0]", "1]"))
        )
        assert one == same != other

    def test_layers_of_ones_own(self):
        def noted(factor, by):
            class Own(keras.layers.Layer):
                def __init__(self, by):
                    super().__init__()
                    self.by = by

                def call(self, inputs):
                    return inputs * factor

            return own_code(self.model(Own(by)))

        assert noted(2, 1) == noted(2, 1)
        assert noted(2, 1) != noted(3, 1)
        assert noted(2, 1) != noted(2, 2)
        for one, other in (([1], [2]), ((1,), (2,)), ({"a": [1]}, {"a": [2]}), ({1}, {2})):
            assert noted(2, one) == noted(2, one) != noted(2, other)
        for kind in (np.array, np.float32, keras.ops.convert_to_tensor):
            assert noted(2, kind(1.0)) == noted(2, kind(1.0)) != noted(2, kind(2.0))

    def test_what_a_layer_keeps_to_itself_is_not_noted(self):
        """Such as how often it was called."""

        def noted(number):
            class Own(keras.layers.Layer):
                def __init__(self, number):
                    super().__init__()
                    self._number = number

            return own_code(self.model(Own(number)))

        assert noted(1) == noted(2)

    def test_a_model_class_of_ones_own(self):
        def noted(sizes):
            class Own(keras.Model):
                def __init__(self):
                    super().__init__()
                    self.sizes, self.parts = sizes, [keras.layers.Dense(size) for size in sizes]

                def call(self, inputs):
                    for part in self.parts:
                        inputs = part(inputs)
                    return inputs

            model = Own()
            model(np.zeros((1, 4)))
            before = own_code(model)
            model.compile("sgd", "mse")
            model.fit(np.ones((8, 4)), np.zeros((8, sizes[-1])), verbose=0)
            assert own_code(model) == before
            return before

        assert noted([2, 3]) == noted([2, 3]) != noted([2, 4])

    def test_it_stays_the_same_while_the_model_is_trained(self):
        loss = made("def change(labels, outputs): return (outputs[:, 0] - labels) ** 2")
        model = self.model(keras.layers.Lambda(lambda x: x * 2), loss=loss)
        before = own_code(model)
        assert sorted(before) == ["<lambda>", "change"]
        model.fit(np.zeros((8, 4)), np.zeros(8), verbose=0)
        assert own_code(model) == before


def test_the_memory_of_a_file_is_given_back_piece_by_piece(monkeypatch):
    monkeypatch.setattr(descriptions, "ROWS_HASHED_AT_ONCE", 10)
    given_back = []
    monkeypatch.setattr(descriptions, "forget_pages", given_back.append)
    array = np.arange(25)
    whole = hashlib.sha256()
    descriptions.add_array(whole, array)
    assert len(given_back) == 3 and all(each is array for each in given_back)
    assert whole.digest() == hashlib.sha256(array.tobytes()).digest()
