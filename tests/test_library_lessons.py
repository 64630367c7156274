"""Lesson 1 fits into half an hour, and lesson 4a stands beside the course, not in its way."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
LESSON_1, LESSON_4A = (
    nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    for name in ("01_choosing_a_library", "04a_two_adams")
)
BOTH = pytest.mark.parametrize("lesson", [LESSON_1, LESSON_4A], ids=["1", "4a"])

WORDS_A_MINUTE, SECONDS_A_CODE_LINE, SECONDS_A_PICTURE, SECONDS_A_PREDICTION = 180, 4, 20, 45


def prose(lesson) -> str:
    """The text that is read: links without their address."""
    text = "\n\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
    return re.sub(r"\]\([^)]*\)", "]", text)


def minutes(lesson) -> float:
    """To read the lesson and predict."""
    text = prose(lesson)
    code = [cell.source for cell in lesson.cells if cell.cell_type == "code"]
    asked = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    seconds = (
        60 * len(re.findall(r"[A-Za-z0-9][\w'.,/-]*", text)) / WORDS_A_MINUTE
        + SECONDS_A_CODE_LINE * sum(bool(line.strip()) for one in code for line in one.splitlines())
        + SECONDS_A_PICTURE * sum(len(re.findall(r"\bplot_\w+\(", one)) for one in code)
        + SECONDS_A_PREDICTION * len(re.findall(r"\?(?:\s|$)", asked))
    )
    return seconds / 60


def test_lesson_1_takes_half_an_hour():
    assert minutes(LESSON_1) < 32.5
    assert "plan half an hour" in LESSON_1.cells[0].source


def test_lesson_4a_takes_at_most_an_hour():
    assert 40 < minutes(LESSON_4A) < 60


@BOTH
def test_the_plan_names_each_section_and_its_minutes(lesson):
    plan = dict(re.findall(r"^\| ([^|]+) \| (\d+) \|$", lesson.cells[0].source, flags=re.MULTILINE))
    headings = re.findall(r"^## (.+)$", prose(lesson), flags=re.MULTILINE)
    assert list(plan) == [heading for heading in headings if heading != "What you can do now"]
    assert minutes(lesson) == pytest.approx(sum(map(int, plan.values())), abs=5)


@BOTH
def test_it_begins_with_questions_about_earlier_lessons(lesson):
    recap = next(cell.source for cell in lesson.cells if cell.id == "recap")
    assert recap.count("?") >= (3 if lesson is LESSON_4A else 1)
    assert "<details><summary>Answer" in recap


def test_the_links_lead_on():
    assert "(02_preparing_the_dataset.ipynb)" in LESSON_1.cells[-1].source
    assert "(05_evaluating_accuracy.ipynb)" in LESSON_4A.cells[-1].source


@BOTH
def test_a_word_has_one_meaning(lesson):
    """The kernel is the process; the windows and tables of a network are its weights."""
    text = prose(lesson).lower()
    kernels = re.findall(r"[^.|]*\bkernels?\b[^.|]*", text)
    process = re.compile(r"process|notebook|restart kernel")
    assert [sentence for sentence in kernels if not process.search(sentence)] == []
    assert re.findall(r"\bphotos?\b|\bfigures?\b", text) == []
    detective = r"detective|suspect|verdict|\bclue|\bproof\b"
    assert re.findall(detective, text) == []


def test_what_decides_today_has_a_source_for_each_row():
    start = [cell.id for cell in LESSON_1.cells].index("what-decides")
    text = LESSON_1.cells[start].source
    claims = [
        line for line in text.splitlines() if re.match(r"- \*\*|\| (Linux|Windows|macOS)", line)
    ]
    assert len(claims) >= 8
    assert [claim for claim in claims if "](http" not in claim] == []
    for source in ("MIGRATION_GUIDE_V5.md", "releases/tag/v2.11.1", "tensorflow.org/install/pip"):
        assert source in text
