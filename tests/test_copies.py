"""The learner's copies of the lessons: whatever happens, nobody's work is lost."""

import contextlib
import errno
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from permissions import closed, ordinary_user

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["00_start_here.ipynb", "01_libraries.ipynb", "02_images.ipynb", "whole_course.py"]
FIRST, SECOND, THIRD, PROGRAM = NAMES
OUTPUT = new_output("stream", text="42\n")


class Course:
    """A small course, and what a learner and its authors do to it."""

    def __init__(self, folder: Path, copies):
        self.copies = copies
        self.stored, self.mine = folder / "notebooks", folder / "my_lessons"
        self.stored.mkdir()
        for name in (FIRST, SECOND, THIRD):
            code = new_code_cell("6 * 7", outputs=[OUTPUT], execution_count=1)
            lesson = new_notebook(cells=[new_markdown_cell(f"# {name}"), code])
            nbformat.write(lesson, self.stored / name)
        (self.stored / PROGRAM).write_text("print(42)\n", encoding="utf-8")

    def change(self, path: Path, **changes) -> None:
        """Change the code cell of a notebook; a program gets one more line."""
        if path.suffix == ".py":
            path.write_text(f"{path.read_text()}# {changes['source']}\n")
            return
        notebook = nbformat.read(path, as_version=4)
        notebook.cells[1].update(changes)
        nbformat.write(notebook, path)

    def start(self, *again: str) -> str:
        """Start JupyterLab, or put lessons back. Returns what is said."""
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.copies.put_back(list(again)) if again else self.copies.renew()
        return " ".join(said.getvalue().split())

    def work(self) -> dict[str, bytes]:
        """All that lies in the learner's folder."""
        return {path.name: path.read_bytes() for path in self.mine.glob("[!.]*")}

    def is_as_given(self, name: str) -> bool:
        mine = self.copies.without_outputs(self.mine / name)
        return mine == (self.mine / name).read_bytes() and mine == self.copies.without_outputs(
            self.stored / name
        )


def tool(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def course(tmp_path, monkeypatch):
    copies = tool("copies")
    monkeypatch.setattr(copies, "LESSONS", tmp_path / "notebooks")
    monkeypatch.setattr(copies, "MINE", tmp_path / "my_lessons")
    monkeypatch.setitem(sys.modules, "copies", copies)  # what lab.py imports
    monkeypatch.setenv("MAKELEVEL", "1")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    return Course(tmp_path, copies)


EDITED = {"source": "6 * 8"}
BOTH = ["03_a_lesson.ipynb", "exercises/03_a_lesson.ipynb"]
RUN = {"outputs": [OUTPUT], "execution_count": 1}
UPDATED = {"source": "6 * 9"}


# --- The first start, and those after it --------------------------------------------------


def test_the_first_start_gives_every_lesson_without_outputs(course):
    before = {path.name: path.read_bytes() for path in course.stored.iterdir()}
    assert course.start() == f"New in my_lessons/, without outputs: {', '.join(NAMES)}."
    assert sorted(course.work()) == NAMES
    for name in (FIRST, SECOND, THIRD):
        cells = nbformat.read(course.mine / name, as_version=4).cells
        assert cells[0].source == f"# {name}"
        assert cells[1].source == "6 * 7"
        assert cells[1].outputs == []
        assert cells[1].execution_count is None
    assert course.work()[PROGRAM] == before[PROGRAM]
    assert {path.name: path.read_bytes() for path in course.stored.iterdir()} == before


def test_the_second_start_writes_and_says_nothing(course):
    course.start()
    written = {path: path.stat().st_mtime_ns for path in course.mine.iterdir()}
    assert course.start() == ""
    assert {path: path.stat().st_mtime_ns for path in course.mine.iterdir()} == written


def test_a_copy_that_was_deleted_comes_back(course):
    course.start()
    (course.mine / SECOND).unlink()
    assert course.start() == f"New in my_lessons/, without outputs: {SECOND}."
    assert course.is_as_given(SECOND)


@pytest.mark.parametrize("work", [EDITED, RUN])
def test_what_somebody_worked_in_stays(course, work):
    course.start()
    course.change(course.mine / SECOND, **work)
    before = course.work()
    assert course.start() == ""
    assert course.work() == before


def test_so_do_notebooks_of_the_learner_s_own(course):
    course.start()
    (course.mine / "photos.ipynb").write_text("mine")
    course.start()
    course.start("all")
    assert course.work()["photos.ipynb"] == b"mine"


@pytest.mark.parametrize(("asked", "given"), [("04", 0), ("4", 0), ("04a", 1), ("4a", 1)])
def test_a_lesson_between_two_others_is_another_one(course, asked, given):
    """Its number begins as that of the one before it."""
    names = ["04_training.ipynb", "04a_adams.ipynb"]
    for name in names:
        shutil.copy(course.stored / SECOND, course.stored / name)
    course.start()
    for name in names:
        course.change(course.mine / name, **EDITED)
        course.change(course.stored / name, **UPDATED)
    assert 'AGAIN="04 04a"' in course.start()
    course.start(asked)
    assert [course.is_as_given(name) for name in names] == [given == 0, given == 1]


@pytest.mark.parametrize(
    ("asked", "given"), [("03", BOTH[0]), ("exercises/03", BOTH[1]),
                         ("my_lessons/exercises/3", BOTH[1])],
)  # fmt: skip
def test_exercises_are_put_back_by_themselves(course, asked, given):
    (course.stored / "exercises").mkdir()
    for name in BOTH:
        shutil.copy(course.stored / SECOND, course.stored / name)
    course.start()
    for name in BOTH:
        course.change(course.mine / name, **EDITED)
        course.change(course.stored / name, **UPDATED)
    assert 'AGAIN="03 exercises/03"' in course.start()
    assert f"my_lessons/{given.replace('03_', 'kept_1_03_')}." in course.start(asked)
    assert [course.is_as_given(name) for name in BOTH] == [name == given for name in BOTH]


def test_the_lessons_find_one_another_and_the_other_folders(course):
    """From their place beside notebooks/, where git does not look."""
    real = tool("copies")
    assert real.MINE.parent == real.LESSONS.parent == ROOT
    assert f"{real.MINE.name}/" in (ROOT / ".gitignore").read_text().splitlines()
    for lesson in real.LESSONS.glob("0*.ipynb"):
        cells = nbformat.read(lesson, as_version=4).cells
        linked = re.findall(r"\]\((?!http|#|attachment)([^)#]+)", "".join(c.source for c in cells))
        folders = [link for link in linked if link.startswith("../")]
        assert all((real.MINE / link).resolve().exists() for link in folders)
        assert set(linked) - set(folders) <= set(real.lessons())
    assert "whole_course.py" in real.lessons()


# --- The course was updated ---------------------------------------------------------------


@pytest.mark.parametrize("name", [SECOND, PROGRAM])
def test_a_copy_nobody_worked_in_follows_the_course(course, name):
    course.start()
    course.change(course.stored / name, **UPDATED)
    assert course.start() == f"Renewed in my_lessons/: {name}."
    assert course.is_as_given(name)
    assert course.start() == ""


def test_what_jupyterlab_notes_in_a_copy_is_nobody_s_work(course):
    course.start()
    opened = nbformat.read(course.mine / SECOND, as_version=4)
    opened.metadata["language_info"] = {"name": "python", "version": "3.13.1"}
    opened.cells[1].metadata["scrolled"] = True
    opened.cells[1].execution_count = 3
    nbformat.write(opened, course.mine / SECOND)
    course.change(course.stored / SECOND, **UPDATED)
    assert course.start() == f"Renewed in my_lessons/: {SECOND}."


@pytest.mark.parametrize("name", [SECOND, PROGRAM])
@pytest.mark.parametrize("by_make", [True, False])
def test_one_that_somebody_worked_in_stays_and_the_news_is_said(course, monkeypatch, name, by_make):
    if not by_make:
        monkeypatch.delenv("MAKELEVEL")
    course.start()
    course.change(course.mine / name, **EDITED)
    course.change(course.stored / name, **UPDATED)
    before = course.work()
    word = "01" if name == SECOND else name
    again = f'make lab AGAIN="{word}"' if by_make else f"python tools/lab.py --again {word}"
    for _ in range(2):
        assert course.start() == (
            f"The course has a new version of {name}. You have worked in yours, so it stays. To "
            f"get what is new, with yours kept beside it, type: {again}"
        )
    assert course.work() == before


def test_outputs_are_work_too(course):
    course.start()
    course.change(course.mine / SECOND, **RUN)
    course.change(course.stored / SECOND, **UPDATED)
    before = course.work()
    assert f"a new version of {SECOND}" in course.start()
    assert course.work() == before


def test_other_stored_outputs_are_no_news(course):
    course.start()
    course.change(course.stored / SECOND, outputs=[], execution_count=7)
    assert course.start() == ""


def test_a_lesson_that_the_course_no_longer_has_stays_and_is_said_once(course):
    course.start()
    (course.stored / THIRD).rename(course.stored / "03_images.ipynb")
    before = course.work()
    said = course.start()
    assert "New in my_lessons/, without outputs: 03_images.ipynb." in said
    assert f"No longer in the course, but still in my_lessons/: {THIRD}." in said
    assert course.work().items() >= before.items()
    assert course.start() == ""


def test_a_lesson_that_is_damaged_in_the_course_is_left_out_and_said(course):
    course.start()
    whole = (course.stored / SECOND).read_text()
    (course.stored / SECOND).write_text(f"<<<<<<< HEAD\n{whole}")
    course.change(course.stored / THIRD, **UPDATED)
    before = course.work()[SECOND]
    said = course.start()
    assert f"Damaged in notebooks/, and so left out: {SECOND}." in said
    assert course.is_as_given(THIRD)
    assert course.work()[SECOND] == before


@pytest.mark.parametrize("record", [None, "", "[1]", '{"01_libr'])
def test_without_the_record_a_copy_that_differs_is_taken_for_work(course, record):
    course.start()
    record_file = course.mine / course.copies.GIVEN
    record_file.unlink() if record is None else record_file.write_text(record)
    course.change(course.stored / SECOND, **UPDATED)
    before = course.work()
    assert f"a new version of {SECOND}" in course.start()
    assert course.work() == before
    course.change(course.stored / THIRD, **UPDATED)  # the others are on record again
    assert f"Renewed in my_lessons/: {THIRD}." in course.start()


# --- Putting back -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", ["01", "1", SECOND, f"my_lessons/{SECOND}", "notebooks/01_libraries.ipynb"]
)
@pytest.mark.parametrize("work", [EDITED, RUN])
def test_a_lesson_is_put_back_and_the_learner_s_kept_beside_it(course, word, work):
    course.start()
    course.change(course.mine / SECOND, **work)
    course.change(course.mine / THIRD, **work)
    before = course.work()
    said = course.start(word)
    assert "What you had is kept as my_lessons/kept_1_01_libraries.ipynb." in said
    assert f"As the course has them: {SECOND}. " in said
    assert course.is_as_given(SECOND)
    assert course.work().pop("kept_1_01_libraries.ipynb") == before[SECOND]
    assert course.work()[THIRD] == before[THIRD]


def test_all_are_put_back_and_only_work_is_kept(course):
    course.start()
    course.change(course.mine / SECOND, **EDITED)
    course.change(course.mine / PROGRAM, **EDITED)
    (course.mine / THIRD).unlink()
    before = course.work()
    course.start("all")
    assert all(map(course.is_as_given, NAMES))
    assert sorted(course.work().keys() - set(NAMES)) == [
        "kept_1_01_libraries.ipynb", "kept_1_whole_course.py",
    ]  # fmt: skip
    assert course.work()["kept_1_01_libraries.ipynb"] == before[SECOND]
    assert course.work()["kept_1_whole_course.py"] == before[PROGRAM]


def test_what_was_kept_is_never_replaced(course):
    course.start()
    for number in range(3):
        course.change(course.mine / SECOND, source=str(number))
        course.start("1", "02")
    kept = [course.mine / f"kept_{number}_01_libraries.ipynb" for number in (1, 2, 3)]
    assert [nbformat.read(path, as_version=4).cells[1].source for path in kept] == list("012")


def test_putting_back_brings_what_is_new(course):
    course.start()
    course.change(course.mine / SECOND, **EDITED)
    course.change(course.stored / SECOND, **UPDATED)
    course.start("01")
    assert course.is_as_given(SECOND)
    assert course.start() == ""


def test_a_lesson_that_there_is_not_is_said(course):
    with pytest.raises(SystemExit, match="There is no lesson 7. There are: 00_start_here.ipynb, "):
        course.start("01", "7")
    assert not course.mine.exists()


def test_a_damaged_copy_is_kept_too(course):
    course.start()
    (course.mine / SECOND).write_text('{"cells": [half')
    course.start("01")
    assert course.is_as_given(SECOND)
    assert course.work()["kept_1_01_libraries.ipynb"] == b'{"cells": [half'


@pytest.mark.parametrize(
    ("setting", "passed"),
    [("AGAIN=03 05", "--again 03 05"), ("STORED=yes", "--stored"), ("STORED=no", "lab.py")],
)
def test_make_passes_it_on(setting, passed):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "-n", "lab", setting]
    made = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True)
    assert made.stdout.rstrip().endswith(passed)


def test_without_make_it_is_an_argument(course):
    folder = course.stored.parent
    shutil.copytree(ROOT / "tools", folder / "tools")
    course.start()
    course.change(course.mine / SECOND, **EDITED)
    command = [sys.executable, "tools/lab.py", "--again", "1", "02"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "What you had is kept as my_lessons/kept_1_01_libraries.ipynb." in said.stdout
    assert f"As the course has them: {SECOND}, {THIRD}." in said.stdout
    assert course.is_as_given(SECOND)


# --- What can go wrong --------------------------------------------------------------------


class Stopped(BaseException):
    """Like the end of a program: nothing catches it."""


@pytest.mark.parametrize("again", [[], ["01"]])
def test_stopped_at_any_moment_nothing_is_half_and_the_next_start_goes_on(
    course, monkeypatch, again
):
    course.start()
    sync = course.copies.files.os.fsync
    for moment in range(100):
        course.start("all")
        for kept in course.mine.glob("kept_*"):
            kept.unlink()
        course.change(course.mine / SECOND, source=f"work {moment}")
        for name in (FIRST, THIRD):
            course.change(course.stored / name, source=f"update {moment}")
        (course.mine / PROGRAM).unlink()
        before, left = course.work(), [moment]

        def fsync(file, left=left):
            if not left[0]:
                raise Stopped
            left[0] -= 1
            sync(file)

        with monkeypatch.context() as patch, contextlib.suppress(Stopped):
            patch.setattr(course.copies.files.os, "fsync", fsync)
            course.start(*again)
            break
        after = course.work()
        assert before[SECOND] in after.values()
        for name in (FIRST, THIRD):
            assert after[name] == before[name] or course.is_as_given(name)
        assert not list(course.mine.glob(".*.part.*"))
        assert "You have worked" not in course.start()
        assert all(map(course.is_as_given, (FIRST, THIRD, PROGRAM)))
        assert before[SECOND] in course.work().values()
    assert moment >= 10


def test_what_a_killed_start_left_over_is_removed(course):
    course.start()
    (course.mine / SECOND).unlink()
    (course.mine / f".999999999.part.{SECOND}").write_text("half")
    course.start()
    assert course.is_as_given(SECOND)
    assert not list(course.mine.glob(".*.part.*"))


def test_starts_at_the_same_time_lose_nothing(course):
    course.start()
    course.change(course.mine / SECOND, **EDITED)
    before = course.work()[SECOND]
    for name in NAMES:
        course.change(course.stored / name, **UPDATED)
    with ThreadPoolExecutor(8) as many:
        asked = [["01"], [], ["all"], [], ["01"], [], ["all"], []]
        list(many.map(lambda again: course.copies.renew(again and [SECOND]), asked))
    assert all(map(course.is_as_given, NAMES))
    assert course.work()["kept_1_01_libraries.ipynb"] == before
    assert len(course.work()) == len(NAMES) + 1
    assert course.start() == ""


@pytest.mark.parametrize("again", [[], ["01"]])
def test_a_full_disk_costs_nothing_and_is_said(course, monkeypatch, again):
    course.start()
    course.change(course.mine / SECOND, **EDITED)
    course.change(course.stored / FIRST, **UPDATED)
    before = course.work()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises((course.copies.StorageError, SystemExit), match=r"the disk is\sfull"):
            course.start(*again)
    assert course.work() == before


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_course_that_may_only_be_read_opens_its_stored_lessons(course, capsys):
    with closed(course.stored.parent), ordinary_user(reaching=course.stored):
        assert tool("lab").folder_to_open() == "notebooks"
    shown = " ".join(capsys.readouterr().out.split())
    assert "Received: Permission denied." in shown
    assert "copy the course into one. The lessons open as they are stored" in shown
    assert not course.mine.exists()


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_copies_that_may_only_be_read_still_open(course, capsys):
    course.start()
    course.change(course.stored / SECOND, **UPDATED)
    before = course.work()
    with closed(course.mine), ordinary_user(reaching=course.mine / SECOND):
        assert tool("lab").folder_to_open() == "my_lessons"
    assert "Permission denied." in capsys.readouterr().out
    assert course.work() == before


def test_a_folder_in_the_place_of_a_copy_is_said(course):
    course.start()
    (course.mine / SECOND).unlink()
    (course.mine / SECOND).mkdir()
    with pytest.raises(course.copies.StorageError, match="Received: a folder"):
        course.start()
