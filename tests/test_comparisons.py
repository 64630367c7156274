"""A sentence that compares trained networks has a measurement behind it, of ten seeds.

tests/comparisons.toml has a row for each such sentence of lessons 3 to 7: a piece of it, the two
figures, and how many of ten seeds carry it, on the bundled images or on those that "dataset" names.
Ten are needed to say it plainly, nine to say "usually". Sentences that compare something else are
listed there too, with what they rest on.
"""

import re
import tomllib
from pathlib import Path

import nbformat
import pytest

from helpers.lessons.figures import stored_figures

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted(ROOT.glob("notebooks/0[3-8]*.ipynb"))
LISTS = tomllib.loads((ROOT / "tests/comparisons.toml").read_text(encoding="utf-8"))
MEASURED, OTHERS = LISTS["measured"], LISTS.get("other", [])
COMPARES = re.compile(
    r"\b(higher|highest|lower|lowest|better|best|worse|worst|ahead|(?:far|further|stays?) behind|"
    r"helps?|helped|costs?|gains?|gained|larger|largest|smallest|improves?|improved|raises?|raised|lowers|"
    r"beats?|overtakes?|hurts?|(?:more|less) accurate|steps? back|gets? further)\b",
    re.IGNORECASE,
)
END = re.compile(r"(?<=[.?:;])\s+|\n\s*\n|\n(?=\s*[-*|#\d])")


def claims(source: str) -> list[str]:
    """The sentences of a text cell that compare and are no question."""
    text = re.sub(r"```.*?```|<details>|</details>|</?summary>", " ", source, flags=re.DOTALL)
    text = re.sub(r"`[^`\n]*`|\]\([^)]*\)", " ", text)
    sentences = (" ".join(sentence.split()) for sentence in END.split(text))
    return [one for one in sentences if COMPARES.search(one) and not one.endswith("?")]


def plain(text: str) -> str:
    return " ".join(re.sub(r"`[^`\n]*`|\]\([^)]*\)", " ", text).split())


def cells(path: Path) -> dict[str, str]:
    notebook = nbformat.read(path, as_version=4)
    return {cell.id: cell.source for cell in notebook.cells if cell.cell_type == "markdown"}


def seeds_that_agree(row: dict) -> tuple[int, int]:
    """In how many of ten seeds the first is above the second, and below it."""
    seeds = stored_figures(row["lesson"], row.get("dataset", "fashion_mnist"))["seeds"]
    pairs = list(zip(seeds[row["higher"]], seeds[row["lower"]], strict=True))
    assert len(pairs) >= 10
    return sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)


def wrong(row: dict, sentence: str, agree: tuple[int, int]) -> str:
    """What is wrong with a row whose sentence is this and whose seeds agree so often; "" if none.

    "seeds" says what the sentence claims: 10 (always), 9 (usually), or 0 (it is left open).
    """
    above, below = agree
    if row["seeds"] == 0:
        return "is shown" if max(above, below) >= 9 else ""
    if above < row["seeds"]:
        return f"only {above} seeds"
    if row["seeds"] < 10 and "usually" not in sentence.lower():
        return "needs the word usually"
    return "" if row["seeds"] in (9, 10) else "seeds is 10, 9 or 0"


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: f"{row['lesson'][:2]} {row['says'][:40]}")
def test_each_listed_sentence_holds_over_ten_seeds(row):
    source = cells(ROOT / "notebooks" / f"{row['lesson']}.ipynb")[row["cell"]]
    sentences = [one for one in claims(source) if plain(row["says"]) in one]
    assert sentences, "the cell says it no more"
    assert wrong(row, " ".join(sentences), seeds_that_agree(row)) == ""


@pytest.mark.parametrize("row", OTHERS, ids=lambda row: f"{row['lesson'][:2]} {row['says'][:40]}")
def test_each_sentence_that_compares_something_else_says_what_it_rests_on(row):
    source = cells(ROOT / "notebooks" / f"{row['lesson']}.ipynb")[row["cell"]]
    assert any(plain(row["says"]) in one for one in claims(source)), "the cell says it no more"
    assert len(row["rests_on"]) > 5


def unlisted(lesson: str, sources: dict[str, str]) -> list[str]:
    rows = [row for row in MEASURED + OTHERS if row["lesson"] == lesson]
    return [
        f"{cell}: {sentence}"
        for cell, source in sources.items()
        for sentence in claims(source)
        if not any(row["cell"] == cell and plain(row["says"]) in sentence for row in rows)
    ]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_sentence_compares_without_a_row(path):
    assert unlisted(path.stem, cells(path)) == []


@pytest.mark.parametrize(
    ("lesson", "cell", "sentence"),
    [
        ("06_faster_and_more_accurate", "cifar-verdict", "one cycle: the largest gain so far."),
        ("06_faster_and_more_accurate", "norm-shown", "That looks like a step back."),
        ("06_faster_and_more_accurate", "cycle-shown", "It is the largest gain so far, for free."),
        ("06_faster_and_more_accurate", "augment-shown", "Flips help a little."),
        ("06_faster_and_more_accurate", "regular-shown", "Dropout helps most."),
        ("04_training_the_model", "early-stopping-shown", "The stopped network is better."),
        ("04_training_the_model", "early-stopping-why", "It lowers the loss and costs nothing."),
        ("04_training_the_model", "batch-time-why", "Batches of 8 end a little higher."),
        ("05_evaluating_accuracy", "evaluate-why", "It is a little lower, because of decisions."),
        ("05_evaluating_accuracy", "recall-shown", "Shirts are the worst class."),
    ],
)
def test_a_false_sentence_is_found_when_it_is_put_back(lesson, cell, sentence):
    """Each stood in a lesson once, and other seeds did not bear it out."""
    found = unlisted(lesson, {cell: sentence})
    assert len(found) == 1, "a row covers it: make that row's text longer"


@pytest.mark.parametrize(
    ("seeds", "sentence", "agree", "expected"),
    [
        (10, "Adam is ahead.", (10, 0), ""),
        (10, "Adam is ahead.", (9, 1), "only 9 seeds"),
        (9, "Adam is usually ahead.", (9, 1), ""),
        (9, "Adam is ahead.", (9, 1), "needs the word usually"),
        (9, "Adam is usually ahead.", (8, 2), "only 8 seeds"),
        (0, "Whether it helps is not shown.", (7, 3), ""),
        (0, "Whether it helps is not shown.", (10, 0), "is shown"),
        (0, "Whether it helps is not shown.", (1, 9), "is shown"),
        (8, "It is usually higher.", (8, 1), "seeds is 10, 9 or 0"),
    ],
)
def test_the_check_itself(seeds, sentence, agree, expected):
    assert wrong({"seeds": seeds}, sentence, agree) == expected
