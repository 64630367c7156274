"""The form of every lesson: what nbval does not see, and the house rules for cells.

nbval compares the outputs of cells that were run; it says nothing about a lesson that was
never run, nor about figures. These tests read the files only and take no time.
"""

import re
from collections import Counter
from pathlib import Path
from statistics import median

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
PATHS = sorted(ROOT.glob("notebooks/*.ipynb"))
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in PATHS}

LONGEST_CELL = 25
USUAL_LENGTH = 15
# Reading data must never run code, which is what these would allow.
UNSAFE_CODE = re.compile(r"\bpickle\b|allow_pickle\s*=\s*True|safe_mode\s*=\s*False")
LOCAL_PATH = re.compile(
    r"(?:^|[\s'\"(=])(?:/(?:home|Users|root|tmp|var|work|mnt|private)/|[A-Z]:\\)"
)

pytestmark = pytest.mark.parametrize("name", NOTEBOOKS)


def cells(name: str, cell_type: str) -> list:
    return [cell for cell in NOTEBOOKS[name].cells if cell.cell_type == cell_type]


def outputs(name: str) -> list:
    return [output for cell in cells(name, "code") for output in cell.outputs]


def prose(name: str) -> str:
    """The text of the lesson without its code blocks and `code`."""
    text = "\n\n".join(cell.source for cell in cells(name, "markdown"))
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def length(cell) -> int:
    return len(cell.source.splitlines())


def test_is_a_valid_notebook_for_the_course_kernel(name):
    notebook = NOTEBOOKS[name]
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"


def test_cell_ids_are_unique(name):
    counts = Counter(cell.id for cell in NOTEBOOKS[name].cells)
    assert [cell_id for cell_id, count in counts.items() if count > 1] == []


def test_was_run_from_top_to_bottom(name):
    """nbval passes a cell that was never run, whatever it would print."""
    code = cells(name, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_outputs_hold_no_error_and_no_warning(name):
    found = [
        output.get("ename") or output.text
        for output in outputs(name)
        if output.output_type == "error" or output.get("name") == "stderr"
    ]
    assert found == []


def test_outputs_hold_no_local_path(name):
    texts = [output.get("text") or "" for output in outputs(name)]
    for output in outputs(name):
        data = output.get("data", {})
        texts += [data.get("text/plain", ""), data.get("text/html", "")]
    assert [text for text in texts if LOCAL_PATH.search(text)] == []


def test_every_image_has_a_text_alternative(name):
    """A picture is an <img> that says in words what it shows; a bare image/png cannot."""
    data = [output.get("data", {}) for output in outputs(name)]
    bare = [d for d in data if {"image/png", "image/jpeg"} & set(d) and "text/html" not in d]
    assert [d["text/plain"] for d in bare] == []
    images = [tag for d in data for tag in re.findall(r"<img[^>]*>", d.get("text/html", ""))]
    without = [tag[:80] for tag in images if not re.search(r'alt="[^"]{10,}"', tag)]
    assert without == []


def test_code_cells_are_short(name):
    lengths = sorted(length(cell) for cell in cells(name, "code"))
    assert lengths[-1] <= LONGEST_CELL
    assert median(lengths) <= 5
    assert sum(lines <= USUAL_LENGTH for lines in lengths) >= 0.9 * len(lengths)


def test_prose_leads_code(name):
    assert len(cells(name, "markdown")) >= len(cells(name, "code"))


def test_opens_with_a_title_and_what_it_promises(name):
    first = NOTEBOOKS[name].cells[0]
    assert first.cell_type == "markdown"
    title, *rest = first.source.strip().splitlines()
    assert re.match(r"# \S", title)
    objectives = [line for line in rest if re.match(r"\s*([-*]|\d+\.) ", line)]
    assert len(objectives) >= 2, "the first cell lists what the learner will be able to do"


def test_headings_are_in_order(name):
    levels = [
        len(hashes) for hashes in re.findall(r"^(#{1,6}) \S", prose(name), flags=re.MULTILINE)
    ]
    assert levels.count(1) == 1
    assert levels[0] == 1
    skipped = [(a, b) for a, b in zip(levels, levels[1:], strict=False) if b > a + 1]
    assert skipped == []


def test_prose_does_not_shout(name):
    assert re.findall(r".{0,40}\w[)\"'*_]*!(?=\s|$)", prose(name)) == []


def test_code_opens_no_door_to_foreign_code(name):
    assert [cell.source for cell in cells(name, "code") if UNSAFE_CODE.search(cell.source)] == []


def test_two_or_three_cells_are_marked_to_be_changed(name):
    """Always in the same words, above the cell that is meant."""
    every = NOTEBOOKS[name].cells
    followed = [
        after.cell_type
        for cell, after in zip(every, every[1:], strict=False)
        if "\n\n**Change it.** " in cell.source
    ]
    assert followed in (["code"] * 2, ["code"] * 3)
