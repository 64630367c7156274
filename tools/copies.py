"""The learner's own copies of the lessons, in my_lessons/, without outputs. lab.py calls this.

One rule: what somebody worked in, changed or run, is theirs. It is replaced only when they ask
for the lesson again, and is then kept beside it under another name. All other copies follow the
course. Outputs are work too: a training may have taken an hour, and outputs under a text that
has changed would be wrong.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Collection
from itertools import count
from pathlib import Path

import nbformat
from jupyter_core.paths import jupyter_data_dir
from nbformat.sign import NotebookNotary

from helpers.basics import files
from helpers.basics.errors import StorageError, wrapped

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "notebooks"
# Beside notebooks/, because the lessons name ../scratch, and each other, from where they lie.
MINE = ROOT / "my_lessons"
EXERCISES = "exercises"  # a folder in both
GIVEN = ".given.json"  # in MINE: the fingerprint that each copy had when the course gave it
SAID = {
    "new": "New in my_lessons/, without outputs: {names}.",
    "renewed": "Renewed in my_lessons/: {names}.",
    "behind": "The course has a new version of {names}. You have worked in yours, so it stays. "
    "To get what is new, with yours kept beside it, type: {again}",
    "damaged": "Damaged in notebooks/, and so left out: {names}.",
    "gone": "No longer in the course, but still in my_lessons/: {names}.",
}


def renew(again: Collection[str] = ()) -> None:
    """Lay down a copy of each lesson that has none, and renew those that nobody worked in.

    Args:
        again: the names of lessons that are put back, whoever worked in them.

    Raises:
        StorageError: the disk is full, or nothing may be written there.
    """
    names = lessons()
    outcomes = defaultdict(list)
    with files.storage_errors_in_words(MINE):
        MINE.mkdir(exist_ok=True)
        # Of two starts at once, one waits for the other.
        lock = files.file_lock(MINE / ".lock", lambda lock: lock.acquire())
        try:
            given = read_given()
            for name in names:
                with files.storage_errors_in_words(MINE / name):
                    outcomes[renew_one(name, given, name in again)].append(name)
            outcomes["gone"] = sorted(given.keys() - names)
            if outcomes["gone"]:  # said once, then it is the learner's own
                write_given({name: given[name] for name in given.keys() & names})
        finally:
            lock.release()
    with contextlib.suppress(OSError):
        trust([MINE / name for name in names if name.endswith(".ipynb")])
    for outcome, words in SAID.items():
        if some := outcomes[outcome]:
            print(wrapped(words.format(names=", ".join(some), again=command(some))))


def renew_one(name: str, given: dict[str, str], again: bool) -> str:
    """Do so for one lesson. Returns what came of it: a key of SAID, or "as it was"."""
    copy = MINE / name
    copy.parent.mkdir(exist_ok=True)
    try:
        fresh = without_outputs(LESSONS / name)
    except ValueError:  # no notebook, as after a merge with conflicts
        return "damaged"
    mark, had = fingerprint(fresh), given.get(name)
    old = copy.read_bytes() if copy.exists() else None
    is_now = None if old is None else fingerprint(old)
    if is_now not in (None, mark, had):  # somebody worked in it
        if not again:
            return "as it was" if had == mark else "behind"
        numbered = (copy.with_name(f"kept_{n}_{copy.name}") for n in count(1))
        kept = next(path for path in numbered if not os.path.lexists(path))
        write(kept, old)
        print(f"What you had is kept as my_lessons/{kept.relative_to(MINE).as_posix()}.")
    if is_now != mark:
        write(copy, fresh)
    if had != mark:
        given[name] = mark
        write_given(given)
    return "new" if old is None else "as it was" if is_now == mark else "renewed"


def trust(notebooks: list[Path]) -> None:
    """Sign those whose outputs can do nothing, as JupyterLab itself does when it saves one.

    It then does not show "not trusted" beside a lesson that has no output at all.
    """
    data = Path(jupyter_data_dir())
    data.mkdir(parents=True, exist_ok=True)
    with NotebookNotary(data_dir=str(data)) as notary:
        for path in notebooks:
            with contextlib.suppress(ValueError):  # damaged
                notebook = nbformat.read(path, as_version=4)
                if notary.check_cells(notebook):
                    notary.sign(notebook)


def lessons() -> list[str]:
    """The names of the lessons, of their exercises, and of the program that lesson 5 runs."""
    folders = LESSONS, LESSONS / EXERCISES
    files = (path for folder in folders for path in folder.glob("[!.]*") if path.is_file())
    return sorted(path.relative_to(LESSONS).as_posix() for path in files)


def without_outputs(lesson: Path) -> bytes:
    """A lesson as it is before anybody runs it; another file as it is."""
    if lesson.suffix != ".ipynb":
        return lesson.read_bytes()
    notebook = nbformat.read(lesson, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return f"{nbformat.writes(notebook)}\n".encode()


def fingerprint(content: bytes) -> str:
    """Another one where text or outputs of a cell are others, or their order.

    What JupyterLab notes beside them, as the version of Python, is nobody's work.
    """
    try:
        cells = nbformat.reads(content.decode(), as_version=4).cells
        work = [[cell.cell_type, cell.source, cell.get("outputs")] for cell in cells]
        content = json.dumps(work).encode()
    except Exception:  # no notebook, or a damaged one: every byte counts
        pass
    return hashlib.sha256(content).hexdigest()


def read_given() -> dict[str, str]:
    try:
        return dict(json.loads((MINE / GIVEN).read_bytes()))
    except (OSError, ValueError, TypeError):  # then a copy that differs is taken for work
        return {}


def write_given(given: dict[str, str]) -> None:
    write(MINE / GIVEN, json.dumps(given, indent=1).encode())


def write(path: Path, content: bytes) -> None:
    with files.written_whole(path) as temporary:
        temporary.write_bytes(content)


def command(names: list[str]) -> str:
    """What to type to get these lessons again, the way that JupyterLab was started."""
    numbers = " ".join(re.sub(r"(^|/)(\d+[a-z]?)_.*", r"\1\2", name) for name in names)
    by_make = "MAKELEVEL" in os.environ
    return f'make lab AGAIN="{numbers}"' if by_make else f"python tools/lab.py --again {numbers}"


def put_back(wanted: list[str]) -> None:
    """Give lessons as the course has them: `03`, `3`, `exercises/03`, a file's path, or `all`."""
    again = set()
    for word in wanted:
        start = Path(word).name
        if re.match(r"\d\D|\d$", start):  # 3 is 03, 4a is 04a
            start = f"0{start}"
        start += "" if "_" in start else "_"  # 04 is not 04a
        if Path(word).parent.name == EXERCISES:
            start = f"{EXERCISES}/{start}"
        meant = {name for name in lessons() if word == "all" or name.startswith(start)}
        if not meant:
            sys.exit(wrapped(f"There is no lesson {word}. There are: {', '.join(lessons())}."))
        again |= meant
    try:
        renew(again)
    except StorageError as error:
        sys.exit(wrapped(str(error)))
    print(wrapped(f"As the course has them: {', '.join(sorted(again))}. Where one is open in "
                  "JupyterLab, choose File, Reload Notebook from Disk."))  # fmt: skip
