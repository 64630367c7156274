#!/usr/bin/env python3
"""Put faults into the course, one at a time, and see whether the check of the lessons notices.

    make lesson-faults                   all of tests/lesson_faults.toml; half an hour
    make lesson-faults FAULTS="seed"     those with this word in their name

A fault is a text of one file that is replaced by another: a setting of a helper, a line of a cell,
a number of a stored output. It is put into a copy of the project. There the command that is to
notice it runs: the lesson under nbval, as `make lessons` does it, or a file of tests. Each of these
runs first without a fault, and must pass then.
"""

import sys
import tempfile
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Queue

from mutants import COPIES, PROJECT, Copy

LISTS = PROJECT / "tests" / "lesson_faults.toml"
NBVAL = (
    "--nbval", "--nbval-current-env", "--nbval-cell-timeout=600",
    "--nbval-sanitize-with=tests/nbval_sanitize.cfg",
)  # fmt: skip


def put(fault: dict, root: Path) -> Path:
    """Change the file; give it back. The old text must be there once."""
    path = root / fault["file"]
    text = path.read_text(encoding="utf-8")
    if text.count(fault["old"]) != 1:
        sys.exit(f"{fault['name']}: its old text is {text.count(fault['old'])} times in {path}.")
    path.write_text(text.replace(fault["old"], fault["new"]), encoding="utf-8")
    return path


def passes(copy: Copy, seen_by: str) -> bool:
    """Whether a file of tests passes, or the check of a lesson."""
    if seen_by.startswith("tests/"):
        return copy.passes(seen_by)
    return copy.passes(*NBVAL, f"notebooks/{seen_by}.ipynb")


def notices(copy: Copy, fault: dict) -> bool:
    """Whether the check that is named fails with the fault."""
    path = put(fault, copy.folder)
    try:
        return not passes(copy, fault["seen_by"])
    finally:
        path.write_bytes((PROJECT / fault["file"]).read_bytes())


def main(words: list[str]) -> None:
    every = tomllib.loads(LISTS.read_text(encoding="utf-8"))["fault"]
    faults = [fault for fault in every if all(word in fault["name"] for word in words)]
    free: Queue[Copy] = Queue()

    def with_a_copy(method: Callable, value: dict | str) -> bool:
        copy = free.get()
        try:
            return method(copy, value)
        finally:
            free.put(copy)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(COPIES) as pool:
        for number in range(COPIES):
            free.put(Copy(Path(folder, str(number)), {}))
        checks = sorted({fault["seen_by"] for fault in faults})
        untouched = zip(checks, pool.map(partial(with_a_copy, passes), checks), strict=True)
        if failing := [check for check, passed in untouched if not passed]:
            sys.exit(f"Without a fault these fail: {', '.join(failing)}.")
        outcomes = []
        results = pool.map(partial(with_a_copy, notices), faults)
        for fault, noticed in zip(faults, results, strict=True):
            outcomes.append(noticed)
            outcome = "seen    " if noticed else "NOT SEEN"
            print(f"{outcome} {fault['name']} ({fault['seen_by']})", flush=True)
    print(f"Seen: {sum(outcomes)} of {len(outcomes)}.")
    if not all(outcomes):
        sys.exit("Expected all of them.")


if __name__ == "__main__":
    main(sys.argv[1:])
