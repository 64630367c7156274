"""The package as a whole: what `import helpers` gives and what it leaves unloaded."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import helpers

FOLDER = Path(helpers.__file__).parent
# What takes long to load. NumPy is light, but `import helpers` needs none of it either.
HEAVY = {
    "tensorflow", "keras", "torch", "matplotlib", "numpy", "scipy", "sklearn", "pooch", "requests",
    "PIL", "tqdm", "IPython",
}  # fmt: skip
# Data flows one way, and so do the imports: each module may import those before it.
ORDER = (
    "errors", "quiet", "files", "memory", "image_colours", "image_looks", "image_files",
    "splits", "folder_report", "folders", "downloads", "prepared", "datasets", "batches",
    "figures", "plots", "models", "model_files", "torch_twin", "model_graph", "fit_check",
    "descriptions", "checkpoints", "training", "recipes", "evaluation", "explain", "setup_check",
)  # fmt: skip


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh Python has loaded after running `code`."""
    show = "import json, sys; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    finished = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"],
        cwd=FOLDER.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert finished.stderr == ""
    return set(json.loads(finished.stdout))


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_after("import helpers") & HEAVY


def test_naming_every_name_still_loads_no_framework_and_no_matplotlib():
    loaded = loaded_after("from helpers import *; assert load_dataset and train and Picture")
    assert not loaded & {"tensorflow", "keras", "torch", "matplotlib", "sklearn", "IPython"}


@pytest.mark.parametrize("name", helpers.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(helpers, name)
    assert inspect.getdoc(value), f"{name} has no docstring"
    assert value.__module__.startswith("helpers.")
    assert name in dir(helpers)


def test_a_name_that_does_not_exist_is_refused():
    with pytest.raises(AttributeError, match="load_datset"):
        _ = helpers.load_datset


def test_every_public_name_says_where_it_is_used():
    """The lessons teach the helpers: each docstring, or its module's, names the lesson."""
    for name in helpers.__all__:
        value = getattr(helpers, name)
        words = f"{inspect.getdoc(value)} {inspect.getdoc(inspect.getmodule(value))}"
        assert re.search(r"[Ii]ntroduced\s+in\s+(lesson|the\s+notebook)|[Ll]esson \d", words), name


def test_editors_see_the_same_names_as_running_code():
    """Each name in the stub comes from the module that the stub says."""
    tree = ast.parse((FOLDER / "__init__.pyi").read_text(encoding="utf-8"))
    home = {
        alias.name: statement.module
        for statement in tree.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert sorted(home) == sorted(helpers.__all__)
    for name, module in home.items():
        assert getattr(helpers, name).__module__ == f"helpers.{module}"


def test_no_module_imports_a_later_one():
    assert {path.stem for path in FOLDER.glob("*.py")} == {*ORDER, "__init__"}
    for position, module in enumerate(ORDER):
        tree = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))
        type_checking = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        imported = {
            node.module.removeprefix("helpers.")
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            and node.module.startswith("helpers.")
            and id(node) not in type_checking
        }
        assert imported <= set(ORDER[:position]), module
