"""The stored outputs say what was measured, also where the check of the lessons compares nothing.

What differs between two correct runs is left out of that check (tests/nbval_sanitize.cfg). Here
the stored values of those places are held to helpers/lessons/figures.json: a value must lie where
all but one of 10,000 seeds would end, and the means and ends of ten seeds must be the stored ones.
"""

import re
from pathlib import Path

import nbformat
import pytest

from helpers.basics.errors import wrapped
from helpers.lessons.figures import CHANCE, expected_of, stored_figures

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted(ROOT.glob("notebooks/0*.ipynb"))
# The images that the outputs of a lesson are stored for.
IMAGES = {"07_your_own_images": "../scratch/practice_photos"}
STATED = re.compile(
    r"^(?P<name>.+): mean of ten seeds (?P<mean>\S+)(?P<unit>.*?) "
    r"\((?P<low>\S+) to (?P<high>[^\s)]+).*\)\nThis run: (?P<own>[^\s]+?)\.?(?: .*)?$",
    re.MULTILINE,
)
# Texts that show values which nothing states: cell -> what is read there, and the figure it is.
SHOWN = {
    "result-text": [(r"accuracy ([\d.]+) %, 95 %", "test accuracy")],
    "program-run": [(r"accuracy ([\d.]+) %, 95 %", "test accuracy of the program")],
    "journey": [
        (rf"{name} +[\d.]+ s +([\d.]+) %", f"{name}: validation accuracy")
        for name in ("classic, two epochs", "batch norm", "one cycle", "flips", "compact network")
    ],
}


def measured_for(lesson: str) -> dict:
    """What ten seeds gave, by figure."""
    return stored_figures(lesson, IMAGES.get(lesson, "fashion_mnist")).get("seeds", {})


def text_of(cell) -> str:
    """What a cell printed or gave, with the lines joined that were broken for the page."""
    parts = [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.get("outputs", [])
    ]
    return "\n".join(part.removesuffix("\n") for part in parts)


def wrong_values(notebook, seeds_of: dict) -> list[str]:
    """Each stored value that was not measured so."""
    wrong = []
    for cell in notebook.cells:
        text = re.sub(r"\n  (?=\S)", " ", text_of(cell))
        for stated in STATED.finditer(text):
            seeds = seeds_of.get(stated["name"])
            if not seeds:
                wrong.append(f"{cell.id}: {stated['name']} was not measured")
                continue
            share = "%" in stated["unit"]
            factor, digits = (100, 1) if share else (1, 2)
            for what, value in (
                ("mean", sum(seeds) / len(seeds)),
                ("low", min(seeds)),
                ("high", max(seeds)),
            ):
                if abs(float(stated[what]) - factor * value) > 0.5001 * 10**-digits:
                    wrong.append(f"{cell.id}: {what} of {stated['name']} is {factor * value}")
            own = float(stated["own"]) / factor
            expected = expected_of(seeds, "%" if share else "", 1000, CHANCE)
            if not expected.holds(own):
                wrong.append(f"{cell.id}: this run's {stated['name']}, {own}, is not in {expected}")
        for pattern, name in SHOWN.get(cell.id, ()):
            shown = re.search(pattern, text)
            expected = expected_of(seeds_of[name], "%", 1000, CHANCE)
            if not (shown and expected.holds(float(shown[1]) / 100)):
                wrong.append(f"{cell.id}: {shown and shown[1]} as {name} is not in {expected}")
    return wrong


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_stored_value_is_what_was_measured(path):
    seeds = measured_for(path.stem)
    assert wrong_values(nbformat.read(path, as_version=4), seeds) == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_figure_that_is_stored_is_stated_in_its_lesson(path):
    notebook = nbformat.read(path, as_version=4)
    said = {
        stated["name"]
        for cell in notebook.cells
        for stated in STATED.finditer(re.sub(r"\n  (?=\S)", " ", text_of(cell)))
    }
    assert said == set(measured_for(path.stem))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_cell_is_left_out_of_the_check_as_a_whole(path):
    notebook = nbformat.read(path, as_version=4)
    tags = {tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
    assert not {tag for tag in tags if "nbval" in tag or "raises" in tag}


LONG = "accuracy on the images that are left, once those are gone that it was least sure of"
SEEDS = {"accuracy": [0.8 + 0.001 * n for n in range(10)], "loss": [1 + 0.1 * n for n in range(10)]}
SEEDS[LONG] = SEEDS["accuracy"]
GOOD = "accuracy: mean of ten seeds 80.4 % (80.0 to 80.9 %)\nThis run: 80.1 %.\n"
LOSS = "loss: mean of ten seeds 1.45 (1.00 to 1.90)\nThis run: 1.33.\n"


@pytest.mark.parametrize(
    ("printed", "mistakes"),
    [
        (GOOD, 0),
        (LOSS, 0),
        (GOOD + LOSS, 0),
        (wrapped(GOOD.replace("accuracy", LONG), indent="  "), 0),
        (GOOD.replace("80.4", "80.6"), 1),
        (GOOD.replace("80.0", "80.1"), 1),
        (GOOD.replace("80.9", "81.0"), 1),
        (GOOD.replace("80.1", "90.1"), 1),
        (GOOD.replace("80.1 %.", "90.1 %. Outside of 79.4 to 81.5 %, where ..."), 1),
        (LOSS.replace("1.33", "9.33"), 1),
        (GOOD.replace("accuracy", "precision"), 1),
    ],
)
def test_the_check_itself(printed, mistakes):
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("stream", text=printed)])
    assert len(wrong_values(nbformat.v4.new_notebook(cells=[cell]), SEEDS)) == mistakes
