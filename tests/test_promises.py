"""PROMISES.md names tests that are there, under the headings of the README's promises."""

import ast
import functools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PROMISES = (TESTS / "PROMISES.md").read_text(encoding="utf-8")
README = (TESTS.parent / "README.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`((?:\w+/)?test_\w+\.py)::([\w:]+)`", PROMISES)
# Systems without the signals and permissions of POSIX, where the course's checks do not run.
ONLY_SKIPS = re.compile(r"os\.name (!=|==) |sys\.platform|hasattr\(os")


@functools.cache
def all_tests(file: str) -> dict[str, ast.AST]:
    """The tests of a file, by class and name."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        inside = node.body if isinstance(node, ast.ClassDef) else []
        found |= {f"{node.name}::{inner.name}": inner for inner in inside if hasattr(inner, "name")}
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
    return found


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part)
def test_every_named_test_is_there_and_is_not_skipped(file, name):
    tests = all_tests(file)
    assert name in tests
    skips = [ast.unparse(mark) for mark in tests[name].decorator_list if "skip" in ast.dump(mark)]
    assert all(ONLY_SKIPS.search(skip) for skip in skips), skips


def test_every_row_names_a_test():
    rows = re.findall(r"^\|(?! what goes wrong|-)(.*)\|$", PROMISES, re.MULTILINE)
    assert len(rows) == len(NAMED)
    assert f"lists {len(rows)} cases" in README  # so that none is lost
    for row in rows:
        assert len(row.split(" | ")) == 3, row


def test_the_readme_promises_the_same():
    section = README.split("## What we promise")[1].split("\n## ")[0]
    promised = [lead.rstrip(".") for lead in re.findall(r"^- \*\*(.*?)\*\*", section, re.MULTILINE)]
    assert promised == re.findall(r"^## (.*)$", PROMISES, re.MULTILINE)
