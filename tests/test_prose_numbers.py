"""A figure in prose carries its source: a cell of the lesson that shows it, or a link.

Every number of three digits or more, every decimal number and every percentage in a lesson's
text must appear in the code or the output of a cell of that lesson. A paragraph with a link is
let off: the link is its source. Small whole numbers are words, not figures.
"""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted(ROOT.glob("notebooks/0*.ipynb"))
NUMBER = re.compile(r"(?<![\w.,-])\d[\d,_]*(?:\.\d+)?(?: ?%)?")
# A year, a version of Python, and the titles that name the lessons are no measurements.
NOT_A_FIGURE = re.compile(r"\b(?:19|20)\d\d\b|Python 3\.\d+|\(\d\d_\w+\.ipynb\)|`[^`]*`|<[^>]*>")


def plain(number: str) -> float:
    return float(re.sub(r"[,_ %]", "", number))


def figures(text: str) -> list[str]:
    """The numbers of a paragraph that need a source."""
    found = [number.rstrip(",.") for number in NUMBER.findall(NOT_A_FIGURE.sub(" ", text))]
    return [
        number
        for number in found
        if "%" in number or "." in number or len(re.sub(r"\D", "", number)) >= 3
    ]


def sources(notebook) -> set[float]:
    """The numbers in the code and the outputs of a lesson, shares as percentages too.

    Of the descriptions only those of a picture that moves: what it shows is worked out or stored,
    so it is the same in each run.
    """
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts.append(cell.source)
            for output in cell.outputs:
                moving = texts[-1].startswith("Moving picture")
                data = output.get("data", {})
                texts.append(output.get("text") or data.get("text/plain", ""))
                texts += re.findall('alt="([^"]*)"', data.get("text/html", "")) if moving else []
    numbers = {plain(number) for text in texts for number in re.findall(r"\d[\d,_]*\.?\d*", text)}
    return numbers | {round(100 * number, 6) for number in numbers}


def unsourced(notebook) -> list[str]:
    known = sources(notebook)
    return [
        f"{number!r} in: {paragraph[:80]}"
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for paragraph in re.split(r"\n\s*\n|\n(?=[-*|\d])", cell.source)
        if "](http" not in paragraph
        for number in figures(paragraph)
        if plain(number) not in known
    ]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_figure_in_prose_is_shown_by_a_cell_or_has_a_link(path):
    assert unsourced(nbformat.read(path, as_version=4)) == []


@pytest.mark.parametrize(
    ("prose", "missing"),
    [
        ("The network reached 91.3 %.", ["91.3 %"]),
        ("It has 93,322 parameters.", []),
        ("It has 93,323 parameters.", ["93,323"]),
        ("About 88.1 % were right.", []),
        ("A loss of 2.304 at first.", ["2.304"]),
        ("Two of 10 classes, since 2015.", []),
        ("Found to be 3.3 % ([a study](https://example.org)).", []),
    ],
)
def test_the_check_itself(prose, missing):
    v4 = nbformat.v4
    code = v4.new_code_cell("total = 93_322", outputs=[v4.new_output("stream", text="0.881 right")])
    found = unsourced(v4.new_notebook(cells=[v4.new_markdown_cell(prose), code]))
    assert [line.split("'")[1] for line in found] == missing
