"""The notebooks of exercises and solutions: from one source, runnable whatever is answered."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
from pathlib import Path

import nbformat
import pytest

from helpers.checking import marks
from helpers.practice.load import load_exercises, numbers_of_lessons

ROOT = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("made", ROOT / "tools" / "exercise_notebooks.py")
made = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made)
SHEETS = {number: load_exercises(number) for number in numbers_of_lessons()}
# All steps of a project of one's own.
STEPS = {
    "read a folder", "count classes", "split files", "scale", "build", "compile and fit", "plot",
    "early stopping", "augmentation", "batch norm, dropout, schedule", "save and load",
    "accuracy with interval", "confusion and recall", "predict a photo", "transfer",
}  # fmt: skip

each_lesson = pytest.mark.parametrize("number", SHEETS)


def stored(folder: str, number: str):
    path = ROOT / "notebooks" / folder / f"{SHEETS[number].lesson}.ipynb"
    return nbformat.read(path, as_version=4)


@pytest.fixture(autouse=True)
def own_marks(tmp_path, monkeypatch):
    monkeypatch.setattr(marks, "FILE", tmp_path / "solved.txt")


@each_lesson
@pytest.mark.parametrize("folder", ["exercises", "solutions"])
def test_the_stored_notebooks_are_those_of_the_source(folder, number):
    of_source = getattr(made, folder)(SHEETS[number])
    on_disk = stored(folder, number)
    assert [(cell.id, cell.cell_type, cell.source) for cell in on_disk.cells] == [
        (cell.id, cell.cell_type, cell.source) for cell in of_source.cells
    ]


def test_no_other_notebook_lies_beside_them():
    for folder in ("exercises", "solutions"):
        names = {path.stem for path in (ROOT / "notebooks" / folder).glob("*.ipynb")}
        assert names == {sheet.lesson for sheet in SHEETS.values()}


@each_lesson
def test_exercises_come_without_outputs_and_solutions_were_run(number):
    code = [cell for cell in stored("exercises", number).cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in code)
    code = [cell for cell in stored("solutions", number).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    verdicts = [cell.outputs[0].data["text/plain"] for cell in code if "-verdict" in cell.id]
    assert len(verdicts) == len(SHEETS[number])
    assert all(said.startswith("✓ Correct.") for said in verdicts)
    said = [output.get("name") for cell in code for output in cell.outputs]
    assert "stderr" not in said


@each_lesson
@pytest.mark.parametrize(
    "answer", [None, "None", '"no idea"', "float('nan')", "lambda *given: given[0]", "1 / 3"]
)
def test_run_all_cells_reaches_the_end(number, answer, monkeypatch, capfd):
    """With nothing answered, and with everything answered wrongly."""
    monkeypatch.chdir(ROOT / "notebooks" / "exercises")
    cells = {}
    for cell in stored("exercises", number).cells:
        if cell.cell_type == "code":
            name = cell.id.removesuffix("-answer").replace("-", "_")
            if answer and cell.id.endswith("-answer"):
                cells[cell.id] = f"{name} = {answer}\nexercises.{name}.check({name})"
            else:
                cells[cell.id] = re.sub("^# ", "", cell.source, flags=re.M)  # hints, solutions
    names = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for source in cells.values():
            exec(source, names)
    said = printed.getvalue()
    assert "Correct" not in said.replace("Correctly", "")
    assert said.count("Not answered yet" if answer is None else "Not yet") >= 1
    assert len(re.findall(r"^Hint \d", said, flags=re.M)) == len(SHEETS[number])


@each_lesson
def test_their_links_lead_somewhere(number):
    for folder in ("exercises", "solutions"):
        text = "\n".join(cell.source for cell in stored(folder, number).cells)
        for link in re.findall(r"\]\((?!http|#)([^)#]+)", text):
            assert (ROOT / "notebooks" / folder / link).exists(), link


@each_lesson
def test_the_lesson_leads_to_its_exercises(number):
    lesson = SHEETS[number].lesson
    for name in (lesson, "00_start_here"):
        text = (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
        assert f"(exercises/{lesson}.ipynb)" in text


def test_together_they_practise_the_steps_of_an_own_project():
    practised = {step for sheet in SHEETS.values() for each in sheet for step in each.steps}
    assert practised == STEPS
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for number, sheet in SHEETS.items():
        for each in sheet:
            for step in each.steps:
                row = re.search(rf"^\| {re.escape(step)} \| (.*) \|$", table, flags=re.M)
                assert row, step
                assert f"`{number}` `{each.name}`" in row[1]


def test_wrong_ideas_are_met_by_name():
    ideas = [each.wrong_idea for sheet in SHEETS.values() for each in sheet if each.wrong_idea]
    assert len(set(ideas)) >= 12


def test_there_are_as_many_as_the_readme_says():
    count = sum(len(sheet) for sheet in SHEETS.values())
    assert count >= 45
    assert f"{count} exercises" in (ROOT / "README.md").read_text(encoding="utf-8")
