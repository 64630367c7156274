#!/usr/bin/env python3
"""Put faults into the course, one at a time, and see whether the check of the lessons notices.

    make lesson-faults                   all of tests/lesson_faults.toml; half an hour
    make lesson-faults FAULTS="seed"     those with this word in their name

A fault is a text of one file that is replaced by another: a setting of a helper, a line of a cell,
a number of a stored output. It is put into a copy of the project. There the command that is to
notice it runs: the lesson under nbval, as `make lessons` does it, or a file of tests.
"""

import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
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


def notices(copy: Copy, fault: dict) -> bool:
    """Whether the lesson's check, or the tests that are named instead, fail with the fault."""
    path = put(fault, copy.folder)
    try:
        if fault["seen_by"].startswith("tests/"):
            return not copy.passes(fault["seen_by"])
        return not copy.passes(*NBVAL, f"notebooks/{fault['seen_by']}.ipynb")
    finally:
        path.write_bytes((PROJECT / fault["file"]).read_bytes())


def main(words: list[str]) -> None:
    every = tomllib.loads(LISTS.read_text(encoding="utf-8"))["fault"]
    faults = [fault for fault in every if all(word in fault["name"] for word in words)]
    free: Queue[Copy] = Queue()

    def with_a_copy(fault: dict) -> bool:
        copy = free.get()
        try:
            return notices(copy, fault)
        finally:
            free.put(copy)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(COPIES) as pool:
        for number in range(COPIES):
            free.put(Copy(Path(folder, str(number)), {}))
        outcomes = []
        for fault, noticed in zip(faults, pool.map(with_a_copy, faults), strict=True):
            outcomes.append(noticed)
            seen_by = fault["seen_by"]
            print(
                f"{'seen    ' if noticed else 'NOT SEEN'} {fault['name']} ({seen_by})", flush=True
            )
    print(f"Seen: {sum(outcomes)} of {len(outcomes)}.")
    if not all(outcomes):
        sys.exit("Expected all of them.")


if __name__ == "__main__":
    main(sys.argv[1:])
