#!/usr/bin/env python3
"""Put faults into helpers/, one at a time, and count how many the tests catch.

    make mutants                                  the faults of tests/mutants.toml
    make mutants SAMPLE=200 SEED=1                so many at random, in all modules
    make mutants SAMPLE=200 SEED=1 START=80       the same sample, without its first 80
    make mutants SAMPLE=20 MODULES="folders/cut basics/files"

A fault is one small change: another comparison, number or sign, `and` for `or`, a condition turned
round, a result or a call left out. Each is put into a copy of the project, where tests run until
the first that fails: first those that come by the changed lines, of its room and of the rooms that
tests/mutants.toml adds, then of all others, quick ones before slow ones; then, as a line may count
in a process that nothing is noted of, the others of its room and of those added. A run that takes
far longer than without the fault, or is killed, counts as caught too.
The made-up cases that the checks of exercises try an answer with are left as they are.
The list also has the named faults, and those faults that change nothing, with the reason.
"""

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat
from pathlib import Path
from queue import Queue
from typing import NamedTuple
from xml.etree import ElementTree

import coverage

PROJECT = Path(__file__).resolve().parent.parent
LISTS = PROJECT / "tests" / "mutants.toml"
FLOOR = 0.95  # of the faults at random
COPIES = 2  # that run side by side
LONGEST_TEST = 300  # seconds; without a fault the longest takes a minute, on a machine of its own
# The other one of each pair. What is not here is left as it is.
PAIRS = [
    (ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.In, ast.NotIn),
    (ast.Is, ast.IsNot), (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.And, ast.Or),
]  # fmt: skip
OTHER = {one: two for pair in PAIRS for one, two in (pair, pair[::-1])}
OTHER |= {ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult}
OF_ALL_MODULES = ["test_safety.py"]  # reads the code of all modules, and runs none of it
CONDITIONAL = ast.If | ast.IfExp | ast.While
# Their lists and tuples of plain values are made-up cases, and so are their draws: another number
# is another case.
ROOMS_OF_CASES = ("grading", "exercises")


class Fault(NamedTuple):
    """One change of one module."""

    module: str
    old: str  # the line, or what stands in the list
    new: str
    source: str  # the whole module with the fault in it
    name: str
    lines: range  # of the module, that are changed


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of this node: one small change each."""
    match node:
        case ast.Compare(left, [operator], right) if type(operator) in OTHER:
            yield ast.Compare(left, [OTHER[type(operator)]()], right)
        case ast.BinOp(left, operator, right) if type(operator) in OTHER:
            yield ast.BinOp(left, OTHER[type(operator)](), right)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(OTHER[type(operator)](), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield ast.Constant(value + 1 if value < 100 else 2 * value)
        case ast.Constant(float() as value):
            yield ast.Constant(2 * value or 1.0)
        case ast.If(test) | ast.IfExp(test) | ast.While(test):  # the change is one of the condition
            yield ast.UnaryOp(ast.Not(), test)
        case ast.Return(value) if value and not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(ast.Call()) | ast.Raise() | ast.AugAssign():
            yield ast.Pass()


def is_made_up(node: ast.AST) -> bool:
    """Whether it is a list or a tuple of plain values, such as ([0.9, 0.6], 3), or a draw."""
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        return called.endswith("default_rng") or called.startswith("random.")
    if not isinstance(node, ast.List | ast.Tuple):
        return False
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def places(node: ast.AST, cases: bool) -> Iterator[ast.AST]:
    """All nodes that may be changed: no types, no texts, nothing that only a type checker reads.

    With `cases` made-up ones are left out too.
    """
    yield node
    for name, field in ast.iter_fields(node):
        # `strict=True` says that lengths are the same, where it would be a fault if they were not.
        if name in ("annotation", "returns") or getattr(node, "arg", "") == "strict":
            continue
        for child in field if isinstance(field, list) else [field]:
            for_types = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            made_up = cases and name != "slice" and is_made_up(child)
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr | ast.Import):
                yield from () if for_types or made_up else places(child, cases)


def changed(source: str, node: ast.AST, new: ast.AST) -> str:
    """The source with another node in the place of this one. Positions count bytes."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    begin = starts[node.lineno - 1] + node.col_offset
    end = starts[node.end_lineno - 1] + node.end_col_offset
    text = ast.unparse(ast.fix_missing_locations(new))
    text = f"({text})" if isinstance(new, ast.expr) else text
    return (source.encode()[:begin] + text.encode() + source.encode()[end:]).decode()


def faults_of(module: str) -> list[Fault]:
    """Every fault that could be put into a module."""
    source = (PROJECT / "helpers" / f"{module}.py").read_text(encoding="utf-8")
    found = []
    for node in places(ast.parse(source), cases=module.split("/")[0] in ROOMS_OF_CASES):
        for new in changes(node):
            old = node.test if isinstance(node, CONDITIONAL) else node
            faulty = changed(source, old, new)
            before, after = (text.splitlines()[old.lineno - 1].strip() for text in (source, faulty))
            lines = range(old.lineno, old.end_lineno + 1)
            found.append(Fault(module, before, after, faulty, f"{module}.py:{old.lineno}", lines))
    return found


def named_faults(lists: dict) -> list[Fault]:
    """The faults that stand in the list by name."""
    found = []
    for fault in lists["fault"]:
        module, old, new = fault["module"], fault["old"], fault["new"]
        source = (PROJECT / "helpers" / f"{module}.py").read_text(encoding="utf-8")
        if source.count(old) != 1:
            sys.exit(f"{fault['name']}: its old text is {source.count(old)} times in {module}.py.")
        first = source[: source.index(old)].count("\n") + 1
        lines = range(first, first + old.count("\n") + 1)
        found.append(Fault(module, old, new, source.replace(old, new), fault["name"], lines))
    return found


def sample(lists: dict, modules: list[str], size: int, seed: int) -> list[Fault]:
    """So many faults at random, without those that change nothing."""
    harmless = {(row["module"], row["old"], row["new"]) for row in lists.get("equivalent", [])}
    every = [fault for module in modules for fault in faults_of(module)]
    left = [fault for fault in every if fault[:3] not in harmless]
    print(f"{len(every)} faults could be made, {len(every) - len(left)} of them change nothing.")
    return random.Random(seed).sample(left, min(size, len(left)))


def tests_of(module: str, lists: dict) -> list[str]:
    """The test files of a module, those of its own room first."""
    room = module.split("/")[0]
    found = [_test_files(each) for each in (room, *lists["tests"].get(room, []), *OF_ALL_MODULES)]
    return list(dict.fromkeys(sum(found, [])))


def _test_files(place: str) -> list[str]:
    """Those of a folder, or the one file; none where there is no such place."""
    path = PROJECT / "tests" / place
    paths = sorted(path.glob("test_*.py")) if path.is_dir() else filter(Path.exists, [path])
    return [each.relative_to(PROJECT).as_posix() for each in paths]


class Reach(NamedTuple):
    """What a file of tests does without a fault."""

    seconds: float
    tests: dict[tuple[str, int], set[str]]  # (module, line) -> those that come by it
    took: dict[str, float]  # seconds of each test, with all its parameters


class Copy:
    """A copy of the project whose tests are run."""

    def __init__(self, folder: Path, lists: dict):
        self.folder, self.lists, self.said = folder, lists, ""
        ignored = shutil.ignore_patterns(".venv", ".git", "build", "scratch", "data", "*cache*")
        shutil.copytree(PROJECT, folder, ignore=ignored, dirs_exist_ok=True)
        (folder / "data").symlink_to(PROJECT / "data")

    def passes(self, *arguments: str, limit: float | None = None) -> bool:
        """Whether these tests pass, and within so many seconds."""
        command = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider"]
        # With a fault a test may never end.
        command += ["-o", f"faulthandler_timeout={LONGEST_TEST}"]
        command += ["-o", "faulthandler_exit_on_timeout=true", *arguments]
        environment = os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            run = subprocess.run(
                command, cwd=self.folder, env=environment, timeout=limit, capture_output=True
            )
        except subprocess.TimeoutExpired:
            return False
        self.said = run.stdout.decode() + run.stderr.decode()
        # Passed, failed, could not be imported; 4 says that of tests that are named one by one, and
        # 5 that none was left. Below 0 it was killed, for taking too much memory for example.
        if run.returncode not in (0, 1, 2, 4, 5) and run.returncode > 0:
            sys.exit(self.said)
        return run.returncode in (0, 5)

    def reach(self, tests: str) -> Reach:
        """Run a file of tests without a fault, and note which lines each test runs."""
        started = time.monotonic()
        report = self.folder / "report.xml"
        noting = ["--cov=helpers", "--cov-context=test", "--cov-report=", f"--junitxml={report}"]
        if not self.passes(tests, *noting):
            sys.exit(f"{self.said}\n{tests} fails without a fault.")
        noted = coverage.CoverageData(self.folder / ".coverage")
        noted.read()
        # "tests/test_a.py::test_b[1]|run", and "" for what an import runs
        reached = {
            (self.module_of(file), line): {re.split(r"[\[|]", test)[0] for test in by} - {""}
            for file in noted.measured_files()
            for line, by in noted.contexts_by_lineno(file).items()
        }
        took = defaultdict(float)
        for case in ElementTree.parse(report).iter("testcase"):
            classes = case.get("classname").split(".")[len(Path(tests).parts) :]
            test = "::".join([tests, *classes, case.get("name").split("[")[0]])
            took[test] += float(case.get("time"))
        return Reach(time.monotonic() - started, reached, took)

    def module_of(self, file: str) -> str:
        """Such as "folders/cut"."""
        return Path(file).relative_to(self.folder / "helpers").with_suffix("").as_posix()

    def catches(self, fault: Fault, reaches: dict[str, Reach]) -> bool:
        """Whether a test fails with the fault in its module."""
        places = [(fault.module, line) for line in fault.lines]
        own = tests_of(fault.module, self.lists)
        near = {
            file: sorted(set().union(*(reaches[file].tests.get(place, ()) for place in places)))
            for file in [*own, *sorted(reaches.keys() - own)]
        }
        took = {file: sum(reaches[file].took[test] for test in near[file]) for file in near}
        by_time = sorted(filter(near.get, near), key=took.get)
        near_own = [file for file in by_time if file in own]
        near_others = [file for file in by_time if file not in own]
        rounds = [(files, sum(map(near.get, files), [])) for files in (near_own, near_others)]
        rounds += [(own, [*own, *(f"--deselect={test}" for test in rounds[0][1])])]
        path = self.folder / "helpers" / f"{fault.module}.py"
        path.write_text(fault.source, encoding="utf-8")
        try:
            return not all(
                self.passes(*arguments, limit=60 + 5 * sum(reaches[f].seconds for f in files))
                for files, arguments in rounds
                if arguments
            )
        finally:
            shutil.copyfile(PROJECT / path.relative_to(self.folder), path)


def run(faults: list[Fault], lists: dict, first: int = 1) -> float:
    """Try every fault, say of each whether it is caught; give back the share that is."""
    free: Queue[Copy] = Queue()
    folders = [path.name for path in (PROJECT / "tests").iterdir() if path.name != "browser"]
    beside = [each for places in lists["tests"].values() for each in places]
    places = {*filter(lambda name: "." not in name, folders), *beside, *OF_ALL_MODULES}
    files = sorted({file for place in places for file in _test_files(place)})

    def with_a_copy(method: Callable, *values: object) -> object:
        copy = free.get()
        try:
            return method(copy, *values)
        finally:
            free.put(copy)

    survived = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(COPIES) as pool:
        for number in range(COPIES):
            free.put(Copy(Path(folder, str(number)), lists))
        reaches = pool.map(partial(with_a_copy, Copy.reach), files)
        noted = dict(zip(files, reaches, strict=True))
        outcomes = pool.map(partial(with_a_copy, Copy.catches), faults, repeat(noted))
        for number, (fault, caught) in enumerate(zip(faults, outcomes, strict=True), first):
            survived += not caught
            outcome = "caught  " if caught else "SURVIVED"
            print(f"{number:4} {outcome} {fault.name}: {_shown(fault)}", flush=True)
    share = 1 - survived / len(faults)
    print(f"Caught: {len(faults) - survived} of {len(faults)}, {100 * share:.0f} %.")
    return share


def _shown(fault: Fault) -> str:
    before, after = (" ".join(text.split()) for text in (fault.old, fault.new))
    return f"{before[:70]}  ->  {after[:70]}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sample", type=int, default=0)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--start", type=int, default=0)
    options.add_argument("modules", nargs="*")
    chosen = options.parse_args()
    lists = tomllib.loads(LISTS.read_text(encoding="utf-8"))
    modules = chosen.modules or sorted(
        path.relative_to(PROJECT / "helpers").with_suffix("").as_posix()
        for path in (PROJECT / "helpers").glob("*/*.py")
    )
    if chosen.sample:
        faults = sample(lists, modules, chosen.sample, chosen.seed)[chosen.start :]
        share, floor = run(faults, lists, chosen.start + 1), FLOOR
    else:
        named = [fault for fault in named_faults(lists) if fault.module in modules]
        share, floor = run(named, lists), 1.0
    if share < floor:
        sys.exit(f"Expected at least {100 * floor:.0f} %.")


if __name__ == "__main__":
    main()
