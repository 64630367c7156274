"""Check, hint and solution, and what is kept of a solved exercise."""

import copy
import re
import threading
from pathlib import Path

import pytest

from helpers.basics.errors import UsageError
from helpers.checking import marks
from helpers.checking.exercise import Exercise, Sheet
from helpers.checking.plain import Wrong
from helpers.checking.values import number

solved_file = marks.FILE


@pytest.fixture(autouse=True)
def own_marks(tmp_path, monkeypatch):
    monkeypatch.setattr(marks, "FILE", tmp_path / "mine" / "solved.txt")


def exercise(name="sides", **changes):
    fields = {
        "kind": "predict", "title": "Sides", "question": "How many sides has a square?",
        "judge": number(4, told={3: "That is a triangle."}), "hints": ["Draw one.", "Count."],
        "code": "sides = 2 + 2", "why": "Four.",
    }  # fmt: skip
    return Exercise(name=name, **fields | changes)


def sheet(*exercises):
    return Sheet("99_shapes", "99. Shapes", exercises or [exercise()], minutes=5)


def test_check_says_what_is_so(capsys):
    sides = sheet().sides
    for answer in (4, 3, ..., (1, [...])):
        sides.check(answer)
    correct, wrong, *still_open = capsys.readouterr().out.splitlines()
    assert correct == "✓ Correct."
    assert wrong == "✗ Not yet. That is a triangle."
    assert " ".join(still_open).count("Not answered yet. Write your answer") == 2
    assert "`hint()` gives a first hint" in " ".join(still_open)
    assert "Draw one." not in " ".join(still_open)  # that is the first hint
    assert sides.verdict(4)
    assert not sides.verdict(3)


def test_hints_come_one_by_one(capsys):
    sides = exercise()
    for _ in range(3):
        sides.hint()
    one, two, again = capsys.readouterr().out.splitlines()
    assert one == "Hint 1 (1 more): Draw one."
    assert two == again == "Hint 2 (the last one): Count."


def test_the_solution_is_explained(capsys):
    exercise().solution()
    assert capsys.readouterr().out == "sides = 2 + 2\n\nFour.\n"


def test_it_says_how_it_is_written_and_what_it_can():
    sides = exercise(code="\n    sides = 4\n")
    assert (sides.code, sides.stub) == ("sides = 4", "sides = ...")
    assert exercise(stub="sides = None").stub == "sides = None"
    assert repr(sides) == "Exercise sides: Sides. Call check(answer), hint() or solution()."


def test_only_exercises_are_completed():
    assert dir(sheet(exercise("one"), exercise("two"))) == ["one", "two"]
    assert "one " in repr(sheet(exercise("one")))
    with pytest.raises(AttributeError, match="There are: sides"):
        _ = sheet().side
    assert len(copy.copy(sheet())) == 1


def test_what_an_author_forgets_is_said():
    with pytest.raises(UsageError, match="kind out of"):
        exercise(kind="quiz")
    with pytest.raises(UsageError, match="hints as a list"):
        exercise(hints="Draw one.")
    with pytest.raises(UsageError, match="name of its own"):
        sheet(exercise(), exercise())


class TestMarks:
    def test_they_lie_in_the_folder_of_the_learner(self):
        assert solved_file == Path(__file__).parents[2] / "my_lessons" / "solved.txt"

    def test_a_solved_exercise_is_kept_once(self):
        shapes = sheet()
        for answer in (3, 4, 4):
            shapes.sides.check(answer)
        assert marks.solved() == {("99_shapes", "sides")}
        assert marks.FILE.read_text().count("sides") == 1
        marks.wipe()
        assert marks.solved() == set()
        marks.wipe()

    def test_an_exercise_of_no_sheet_is_not_kept(self):
        exercise().check(4)
        assert marks.solved() == set()

    def test_a_damaged_file_costs_only_its_damaged_lines(self):
        marks.note("a", "one")
        with marks.FILE.open("ab") as file:
            file.write(b"\xff\xfe half a li")
        marks.note("a", "two")
        assert {("a", "one"), ("a", "two")} <= marks.solved()

    def test_two_notebooks_at_once_lose_nothing(self):
        threads = [
            threading.Thread(target=marks.note, args=("a", f"name_{number}"))
            for number in range(30)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(marks.solved()) == 30

    def test_where_nothing_can_be_written_the_check_still_answers(self, capsys, tmp_path):
        (tmp_path / "mine").write_text("a file in the way")
        sheet().sides.check(4)
        said = capsys.readouterr().out
        assert said.startswith("✓ Correct.\n")
        assert "could not be noted" in said


def test_the_exercise_that_the_handbook_shows(capsys):
    """CONTRIBUTING.md shows a whole one, in ten lines."""
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = re.search(r"```python\n(.*?)```", text, flags=re.S)[1]
    names = {}
    exec(shown, names)
    assert "grey image" in capsys.readouterr().out
    names["pixels"].check(600.0)
    assert "Correct" in capsys.readouterr().out


def test_a_check_is_any_function_that_raises_wrong(capsys):
    def even(answer):
        if answer % 2:
            raise Wrong("That is odd.")

    exercise(judge=even).check(3)
    assert "That is odd." in capsys.readouterr().out
