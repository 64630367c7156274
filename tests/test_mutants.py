"""`make mutants`: the faults that it makes, and whether it notices what the tests notice."""

import importlib.util
import textwrap
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("mutants", ROOT / "tools" / "mutants.py")
mutants = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(mutants)

MODULE = '''
"""A text with 1 and True."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    LIMIT = 3


def larger(a: 5, b) -> 6:
    """Not 2."""
    check(a, "ü", 3)
    if a > b and not b:
        raise ValueError(f"{a + 1}")
    return a + b
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one module and one test."""
    for folder in ("helpers/room", "tests/room", "data"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(mutants, "PROJECT", tmp_path)
    return tmp_path


def put(path: Path, text: str) -> None:
    path.write_text(textwrap.dedent(text), encoding="utf-8")


def test_each_fault_is_one_small_change(project):
    put(project / "helpers" / "room" / "one.py", MODULE)
    found = {(fault.old, fault.new) for fault in mutants.faults_of("room/one")}
    condition = "if a > b and not b:"
    assert found == {
        ('check(a, "ü", 3)', 'check(a, "ü", (4))'),
        ('check(a, "ü", 3)', "pass"),
        (condition, "if (not (a > b and (not b))):"),
        (condition, "if (a > b or not b):"),
        (condition, "if (a >= b) and not b:"),
        (condition, "if a > b and (b):"),
        ('raise ValueError(f"{a + 1}")', "pass"),
        ("return a + b", "return None"),
        ("return a + b", "return (a - b)"),
    }
    for fault in mutants.faults_of("room/one"):
        compile(fault.source, "one.py", "exec")


@pytest.mark.slow
def test_it_tells_what_the_tests_see_from_what_they_do_not(project, capsys):
    put(project / "helpers" / "__init__.py", "")
    put(project / "helpers" / "room" / "one.py", "def total(a, b):\n    return a + b\n")
    put(
        project / "tests" / "room" / "test_one.py",
        """
        from helpers.room.one import total

        def test_total():
            assert total(2, 0) == 2
        """,
    )
    share = mutants.run(mutants.faults_of("room/one"), {"tests": {}})
    assert share == 0.5  # with nothing to add, a - b is a + b
    out = capsys.readouterr().out
    assert "SURVIVED room/one.py:2: return a + b  ->  return (a - b)" in out
    assert "caught   room/one.py:2: return a + b  ->  return None" in out
    assert out.endswith("Caught: 1 of 2, 50 %.\n")
    assert (project / "helpers" / "room" / "one.py").read_text(encoding="utf-8").endswith("a + b\n")


def test_what_changes_nothing_is_left_out_and_counted(project, capsys):
    put(project / "helpers" / "room" / "one.py", "def total(a, b):\n    return a + b\n")
    harmless = {
        "module": "room/one",
        "old": "return a + b",
        "new": "return (a - b)",
        "reason": "b is 0",
    }
    left = mutants.sample({"equivalent": [harmless]}, ["room/one"], 10, seed=0)
    assert [fault.new for fault in left] == ["return None"]
    assert "2 faults could be made, 1 of them change nothing." in capsys.readouterr().out


def test_every_fault_of_the_lessons_still_fits():
    """`make lesson-faults` puts them in; it takes half an hour and runs seldom."""
    lists = tomllib.loads((ROOT / "tests" / "lesson_faults.toml").read_text(encoding="utf-8"))
    names = [fault["name"] for fault in lists["fault"]]
    assert len({*names}) == len(names) > 20
    for fault in lists["fault"]:
        text = (ROOT / fault["file"]).read_text(encoding="utf-8")
        assert text.count(fault["old"]) == 1, fault["name"]


def test_every_fault_of_the_list_still_fits():
    lists = tomllib.loads(mutants.LISTS.read_text(encoding="utf-8"))
    found = mutants.named_faults(lists)
    assert len({fault.name for fault in found}) == len(found)
    for fault in found:
        compile(fault.source, fault.module, "exec")
    for row in lists.get("equivalent", []):
        fits = [fault for fault in mutants.faults_of(row["module"]) if fault.new == row["new"]]
        assert row["reason"] and row["old"] in {fault.old for fault in fits}, row
    for room, others in lists["tests"].items():
        assert (ROOT / "helpers" / room).is_dir()
        assert all((ROOT / "tests" / each).exists() for each in others)
