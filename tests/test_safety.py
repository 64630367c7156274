"""No file of the project loads what could run code: no pickle, no eval, no switched-off guard.

The code is parsed, so that prose may name what it warns of.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parent.parent
# Opening a file of these formats can run code that is hidden in it.
MODULES = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "cloudpickle", "dill", "jsonpickle"}
CALLS = {"eval", "exec", "builtins.eval", "builtins.exec", "joblib.load"}
NAMES = {"enable_unsafe_deserialization", "read_pickle", "to_pickle"}
# The guards of NumPy, Keras and PyTorch, and the one value that each may be given.
GUARDS = {"allow_pickle": False, "safe_mode": True, "weights_only": True}
IMPORTERS = {"__import__", "importlib.import_module", "importlib.__import__"}


def full_names(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for: `np` for numpy, `load` for joblib.load."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.asname: a.name for a in node.names if a.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return names


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, names)}.{node.attr}"
    return "?"


def imported_by(node: ast.AST, names: dict[str, str]) -> list[str]:
    """The modules that a statement or a call brings in."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    if isinstance(node, ast.Call) and dotted(node.func, names) in IMPORTERS:
        return [str(a.value) for a in node.args if isinstance(a, ast.Constant)]
    return []


def guards_set_by(node: ast.AST) -> list[tuple[str, ast.expr]]:
    """The names and values of a call's keywords, or of a dict that may become some."""
    if isinstance(node, ast.Call):
        return [(keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg in GUARDS]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return [
            (key.value, value)
            for key, value in pairs
            if isinstance(key, ast.Constant) and key.value in GUARDS
        ]
    return []


def faults(source: str) -> list[str]:
    """What a source does that it must not, each with its line."""
    tree = ast.parse(source)
    names = full_names(tree)
    found = []
    for node in ast.walk(tree):
        said = [name for name in imported_by(node, names) if name.split(".")[0] in MODULES]
        if isinstance(node, ast.Call) and dotted(node.func, names) in CALLS:
            said.append(dotted(node.func, names))
        if isinstance(node, ast.alias | ast.Name | ast.Attribute):
            name = getattr(node, "name", None) or getattr(node, "id", None) or node.attr
            said += [name] if name in NAMES else []
        for name, value in guards_set_by(node):
            if not (isinstance(value, ast.Constant) and value.value is GUARDS[name]):
                said.append(f"{name}={ast.unparse(value)}")
        found += [f"line {node.lineno}: {word}" for word in said]
    return found


def code_of(path: Path) -> str:
    if path.suffix == ".py":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    plain = TransformerManager().transform_cell  # cells may hold IPython's own commands
    return "\n".join(plain(cell.source) for cell in cells if cell.cell_type == "code")


FILES = sorted(
    path
    for folder in ("helpers", "tools", "benchmarks", "notebooks", "data")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".ipynb") and ".ipynb_checkpoints" not in path.parts
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_loads_what_could_run_code(path):
    assert faults(code_of(path)) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "helpers").glob("*.py")), ids=lambda path: path.name
)
def test_no_helper_uses_a_private_part_of_keras(path):
    """What is private may be gone in the next version."""
    for node in ast.walk(ast.parse(code_of(path))):
        names = [dotted(node, {})] if isinstance(node, ast.Attribute) else imported_by(node, {})
        assert not [name for name in names if f"{name}.".startswith("keras.src.")]
        assert getattr(node, "attr", "") not in ("_inbound_nodes", "_keras_history", "_functional")


# Those that are changed after they were made; nobody may change the others.
CHANGING = {"Exercise", "Layout", "Listing", "Training"}
ONE_A_FILE = {"Finding", "ImageFile", "SeenImage"}  # a folder may have a million
# Two of them give no True or False when they are compared, or cannot stand in a set.
NOT_COMPARED = {"ndarray", "Figure", "Mapping", "dict", "list", "set", "Counter"}


def dataclasses() -> dict[str, tuple[dict[str, bool], set[str]]]:
    """Of each dataclass in helpers: its options, and the names in the types of its fields."""
    found = {}
    for path in FILES:
        tree = ast.parse(code_of(path)) if (ROOT / "helpers") in path.parents else ast.Module([])
        for node in ast.walk(tree):
            for mark in getattr(node, "decorator_list", ()):
                if ast.unparse(mark).startswith("dataclass"):
                    keywords = getattr(mark, "keywords", ())
                    options = {each.arg: ast.literal_eval(each.value) for each in keywords}
                    fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
                    types = " ".join(ast.unparse(each.annotation) for each in fields)
                    found[node.name] = options, {*re.findall(r"\w+", types)}
    return found


def test_what_a_dataclass_says_stays_as_it_was_said():
    found = dataclasses()
    assert len(found) > 25
    assert {name for name, (said, _) in found.items() if not said.get("frozen")} == CHANGING
    assert {name for name, (said, _) in found.items() if said.get("slots")} == ONE_A_FILE


def test_dataclasses_of_arrays_are_compared_as_a_whole():
    """`==` of arrays is an array, and what holds a dict cannot stand in a set."""
    found = dataclasses()
    whole = {name for name, (said, _) in found.items() if said.get("eq") is False}
    holding = {name for name, (_, types) in found.items() if types & (NOT_COMPARED | whole)}
    assert whole >= holding


def test_every_kind_of_file_is_looked_at():
    looked_at = {(path.parent.relative_to(ROOT).parts[0], path.suffix) for path in FILES}
    assert looked_at >= {
        ("helpers", ".py"), ("tools", ".py"), ("benchmarks", ".py"), ("data", ".py"),
        ("notebooks", ".py"), ("notebooks", ".ipynb"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, marshal",
        "import shelve as shelf",
        "from pickle import loads",
        "from dill.source import getsource",
        "import cloudpickle.cloudpickle",
        "def later():\n    import pickle",
        "__import__('pickle')",
        "import importlib\nimportlib.import_module('dill')",
        "from importlib import import_module as bring\nbring('pickle')",
        "import joblib\njoblib.load('model')",
        "import joblib as j\nj.load('model')",
        "from joblib import load\nload('model')",
        "np.load('a.npy', allow_pickle=True)",
        "np.load('a.npy', allow_pickle=trusted)",
        "np.load('a.npy', **{'allow_pickle': True})",
        "keras.saving.load_model('m.keras', safe_mode=False)",
        "keras.saving.load_model('m.keras', safe_mode=None)",
        "torch.load('m.pt', weights_only=False)",
        "torch.load('m.pt', weights_only=not careful)",
        "keras.config.enable_unsafe_deserialization()",
        "from keras.config import enable_unsafe_deserialization as trust",
        "allow = keras.config.enable_unsafe_deserialization",
        "pandas.read_pickle('a')",
        "value = eval('1 + 1')",
        "exec(code)",
        "import builtins\nbuiltins.exec(code)",
    ],
)
def test_each_way_is_found(source):
    assert faults(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""Never pickle.load a file, and never eval("it")."""',
        "# import pickle; allow_pickle=True",
        "message = 'safe_mode=False is refused'",
        "np.load('a.npy', allow_pickle=False)",
        "keras.saving.load_model('m.keras', safe_mode=True)",
        "torch.load('m.pt', weights_only=True)",
        "model.eval()",
        "run.load()",
        "from helpers import load_model\nload_model('m.keras')",
    ],
)
def test_what_is_safe_is_not_accused(source):
    assert not faults(source)


def test_the_code_of_a_notebook_is_read_with_its_commands(tmp_path):
    cells = [
        nbformat.v4.new_markdown_cell("import pickle"),
        nbformat.v4.new_code_cell("%matplotlib inline\n!ls"),
        nbformat.v4.new_code_cell("exec('1')"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "lesson.ipynb")
    (fault,) = faults(code_of(tmp_path / "lesson.ipynb"))
    assert fault.endswith(": exec")
