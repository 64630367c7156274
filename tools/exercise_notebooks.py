"""Make the notebooks of exercises and of solutions from their one source (`make exercises`).

The source is helpers/exercises/lesson_NN.py. notebooks/exercises/ gets the questions with an empty
place for each answer, notebooks/solutions/ the answers, explained and run.
"""

import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.checking.exercise import Exercise, Sheet
from helpers.practice.load import load_exercises, numbers_of_lessons

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
DOES = {
    "recall": "recall", "predict": "predict", "by hand": "work out by hand", "code": "write code",
    "fault": "find the fault", "explain": "explain",
}  # fmt: skip


def exercises(sheet: Sheet) -> NotebookNode:
    """The notebook that learners work in."""
    cells = [
        _text("title", f"""# Exercises: {sheet.title}

Write each answer in the place of `...`, and run the cell. You need [the lesson](../{sheet.lesson}.ipynb) for it; this notebook runs alone. Plan {sheet.minutes} minutes.

- `check(...)` says whether an answer is correct, and what is wrong where it is not.
- `hint()` gives a hint. Run it again for the next one.
- `solution()` shows a solution and explains it.

In the cell below an exercise, delete the `#` in front of the line that you want."""),
        _code("setup", _setup(sheet)),
    ]  # fmt: skip
    for number, each in enumerate(sheet, 1):
        call = f"exercises.{each.name}"
        cells += [
            *_question(number, each),
            _code(f"{each.name}-answer", f"{each.stub}\n\n{call}.check({each.name})"),
            _code(f"{each.name}-help", f"# {call}.hint()\n# {call}.solution()"),
        ]
    cells += [
        _text("end", f"""## What is solved

The next cell draws it. `progress(wipe=True)` forgets all of it. On to [the lesson map](../00_start_here.ipynb), or back to [the lesson](../{sheet.lesson}.ipynb)."""),
        _code("progress", "from helpers.practice import progress\n\nprogress()"),
    ]  # fmt: skip
    return _notebook(cells)


def solutions(sheet: Sheet) -> NotebookNode:
    """The notebook with each exercise solved and explained."""
    cells = [
        _text("title", f"""# Solutions: {sheet.title}

The exercises of [the lesson](../{sheet.lesson}.ipynb), solved. Try [them yourself](../exercises/{sheet.lesson}.ipynb) first.

- Below each solution stands why it is one,
- and in which ways it often goes wrong."""),
        _code("setup", _setup(sheet)),
    ]  # fmt: skip
    for number, each in enumerate(sheet, 1):
        cells += [
            *_question(number, each),
            _code(f"{each.name}-answer", each.code),
            # Not `check`, which would note it as solved.
            _code(f"{each.name}-verdict", f"exercises.{each.name}.verdict({each.name})"),
            _text(f"{each.name}-why", each.why),
        ]
    return _notebook(cells)


def _question(number: int, each: Exercise) -> list[NotebookNode]:
    question = f"## {number}. {each.title}\n\n*{DOES[each.kind].capitalize()}.* {each.question}"
    cells = [_text(f"{each.name}-question", question)]
    if each.given:
        cells.append(_code(f"{each.name}-given", each.given))
    return cells


def _setup(sheet: Sheet) -> str:
    return f'{sheet.setup}\n\nexercises = load_exercises("{sheet.lesson.partition("_")[0]}")'


def _text(name: str, source: str) -> NotebookNode:
    return new_markdown_cell(source, id=name.replace("_", "-"))


def _code(name: str, source: str) -> NotebookNode:
    return new_code_cell(source, id=name.replace("_", "-"))


def _notebook(cells: list[NotebookNode]) -> NotebookNode:
    return new_notebook(cells=cells, metadata=KERNEL)


def with_outputs_of(made: NotebookNode, old: NotebookNode) -> NotebookNode:
    """The outputs of cells whose code did not change stay."""
    stored = {(cell.id, cell.source): cell for cell in old.cells if cell.cell_type == "code"}
    for cell in made.cells:
        if (cell.id, cell.source) in stored:
            before = stored[cell.id, cell.source]
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
    made.metadata = old.metadata
    return made


def main(numbers: list[str]) -> None:
    for number in numbers or numbers_of_lessons():
        sheet = load_exercises(number)
        for folder, made in (("exercises", exercises(sheet)), ("solutions", solutions(sheet))):
            path = NOTEBOOKS / folder / f"{sheet.lesson}.ipynb"
            path.parent.mkdir(exist_ok=True)
            if path.exists() and folder == "solutions":
                made = with_outputs_of(made, nbformat.read(path, as_version=4))
            nbformat.write(made, path)
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
