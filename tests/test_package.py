"""The package as a whole: what `import helpers` gives and what it leaves unloaded."""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import helpers
from helpers import former

FOLDER = Path(helpers.__file__).parent
# What takes long to load. NumPy is light, but `import helpers` needs none of it either.
HEAVY = {
    "tensorflow", "keras", "torch", "matplotlib", "numpy", "scipy", "sklearn", "pooch", "requests",
    "PIL", "tqdm", "IPython",
}  # fmt: skip
PROJECT = FOLDER.parent
# The table of CONTRIBUTING.md: the rooms in their order, each with its modules in theirs.
ROWS = re.findall(
    r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$",
    (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
ROOMS = {room: re.findall(r"`(\w+)`", modules) for room, _, modules in ROWS}
ORDER = [f"{room}.{module}" for room, modules in ROOMS.items() for module in modules]
SOURCES = {
    f"{path.parent.name}.{path.stem}": path.read_text(encoding="utf-8")
    for path in FOLDER.glob("*/*.py")
}
MOST_LINES, MOST_FILES, LONGEST_FUNCTION = 350, 10, 45


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
    """Each name in the stub comes from the module that the stub says, and from its room's door."""
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
        room = importlib.import_module(f"helpers.{module.partition('.')[0]}")
        assert getattr(room, name) is getattr(helpers, name)


# ---------------------------------------------------------------------------- the rooms


def test_the_rooms_of_the_table_are_those_on_the_disk():
    on_disk = {name for name in SOURCES if not name.endswith(("__init__", "__main__"))}
    assert on_disk == {*ORDER}
    assert {path.name for path in FOLDER.glob("*.py")} == {"__init__.py", "former.py"}


def test_each_room_says_what_it_is_for():
    for room, purpose, _ in ROWS:
        assert ast.get_docstring(ast.parse(SOURCES[f"{room}.__init__"])) == purpose


@pytest.mark.parametrize("module", ORDER)
def test_no_module_imports_a_later_one(module):
    """Also not for types only, or inside a function: so there is no circle."""
    imported = {
        node.module if node.module.count(".") == 2 else f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(SOURCES[module]))
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "helpers"
        for alias in node.names
    }
    before = ORDER[: ORDER.index(module)]
    assert imported <= {f"helpers.{name}" for name in before}


def test_rooms_and_modules_stay_small():
    for room in ROOMS:
        assert sum(name.startswith(f"{room}.") for name in SOURCES) <= MOST_FILES, room
    for module, source in SOURCES.items():
        assert source.count("\n") <= MOST_LINES, module


@pytest.mark.parametrize("module", ORDER)
def test_functions_stay_short(module):
    tree = ast.parse(SOURCES[module])
    lines = lines_of_code(SOURCES[module], tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            its = lines & {*range(node.lineno, node.end_lineno + 1)}
            assert len(its) <= LONGEST_FUNCTION, node.name


def lines_of_code(source: str, tree: ast.Module) -> set[int]:
    """The numbers of the lines that are neither empty nor comment nor docstring."""
    texts = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    no_code = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {
        line
        for token in tokens
        if token.type not in (*no_code, tokenize.ENDMARKER)
        for line in range(token.start[0], token.end[0] + 1)
    }
    return lines - texts


@pytest.mark.slow
def test_a_wheel_holds_every_room(tmp_path):
    """An editable installation, as `make lab` makes, would hide one that is missing."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    source = tmp_path / "source"  # setuptools writes beside what it builds
    shutil.copytree(FOLDER, source / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    wheel = [*pip, "wheel", *offline, "--no-build-isolation", "-w", tmp_path, source]
    subprocess.run(wheel, check=True, capture_output=True)
    (built,) = tmp_path.glob("helpers-*.whl")
    installed = tmp_path / "installed"
    subprocess.run([*pip, "install", *offline, "--target", installed, built], check=True)
    (installed / "data").symlink_to(PROJECT / "data")
    elsewhere = tmp_path / "elsewhere" / "notebooks"
    elsewhere.mkdir(parents=True)
    program = shutil.copy(PROJECT / "notebooks" / "whole_course.py", elsewhere)
    only_the_wheel = f"import helpers; assert helpers.__file__.startswith({str(installed)!r})"
    environment = os.environ | {"PYTHONPATH": str(installed)}
    for arguments in (["-c", only_the_wheel], [program]):
        command = [sys.executable, "-P", *arguments]
        run = subprocess.run(
            command, cwd=elsewhere, env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
    assert "Evaluation on 10,000 test images" in run.stdout
    assert (tmp_path / "elsewhere" / "scratch" / "whole_course.keras").is_file()


@pytest.mark.parametrize(
    "line",
    [
        "from helpers.batches import flip_sideways, make_batches",
        "from helpers.files import forget_pages",
        "from helpers.fit_check import bytes_an_image",
        "from helpers.image_files import Refused, decoded, quiet_pillow",
        "from helpers.quiet import quiet_tensorflow",
        "from helpers.setup_check import usable_cores",
    ],
)
def test_what_was_written_before_the_rooms_still_runs(line):
    exec(line)


def test_former_names_are_still_found():
    for name, room in former.FORMER_NAMES.items():
        assert getattr(helpers, name) is getattr(importlib.import_module(f"helpers.{room}"), name)
        assert name not in helpers.__all__


def test_every_former_module_leads_to_modules_of_today():
    for name, places in former.FORMER.items():
        importlib.import_module(f"helpers.{name}")
        assert all(importlib.import_module(f"helpers.{place}") for place in places)
        with pytest.raises(ImportError, match="cannot import name 'nothing'"):
            exec(f"from helpers.{name} import nothing")


def test_equal_numbers_are_put_in_order_alike_on_every_processor():
    """NumPy's quick sort is another one on processors with AVX-512, which shows in ties."""
    notebooks = [
        path
        for path in PROJECT.glob("notebooks/**/*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    ]
    texts = {path: "".join(_code(path)) for path in notebooks}
    texts |= {path: path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.py")}
    for path, text in texts.items():
        for call in re.findall(r"arg(?:sort|partition)\(.*", text):
            assert "stable" in call, (path.name, call)


def _code(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "code"]
