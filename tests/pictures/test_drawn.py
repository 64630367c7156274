"""Every kind of picture is drawn as it was when somebody last looked at it.

`drawn.json` says of each what its SVG holds: every line, area, text and image, where it is and in
which style. After a change that is meant, draw them anew, look at each, then commit:

    DRAW=build/drawn .venv/bin/python -m pytest tests/pictures/test_drawn.py
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from unittest import mock
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from helpers import (
    Split,
    evaluate,
    lessons,
    plot_bars,
    plot_class_counts,
    plot_feature_maps,
    plot_heatmaps,
    plot_images,
    plot_intervals,
    plot_lines,
    plot_matrix,
    plot_runs,
)
from helpers.pictures.picture import Picture
from helpers.practice import overview
from helpers.practice.comparison import Comparison, Result
from helpers.practice.log import Experiments
from helpers.results.prediction import Prediction
from helpers.training import TrainingRun
from helpers.training.curves import live_curves
from helpers.widgets import (
    MovingPicture,
    explore_descent,
    explore_images,
    explore_kernel,
    explore_rates,
    explore_threshold,
    explore_windows,
)

STORED = Path(__file__).with_name("drawn.json")
KEPT = ("d", "style", "transform", "x", "y", "width", "height")
HISTORY = {"loss": (2.0, 1.0, 0.5), "accuracy": (0.25, 0.5, 0.9),
           "val_loss": (1.8, 0.9, 1.1), "val_accuracy": (0.3, 0.6, 0.55)}  # fmt: skip
RUNS = {
    "SGD": TrainingRun(HISTORY, 10.0, 32, 0, "a test"),
    "Adam": TrainingRun({name: row[:2] for name, row in HISTORY.items()}, 5.0, 32, 0, "a test"),
}
LONG = "a class with a very long name indeed, longer than its place in any picture can be"


def shades(*shape: int) -> np.ndarray:
    """Pixels from dark to bright, each place another."""
    return np.linspace(0, 255, int(np.prod(shape))).reshape(shape).astype(np.uint8)


def evaluation(answers, classes: int, images: int = 60):
    """Most answers are right; what is sure and what is right differ from class to class."""
    labels = np.arange(images) % classes
    logits = np.sin(np.arange(images * classes)).reshape(images, classes)
    logits[np.arange(images), labels] += np.linspace(0, 6, images)
    names = tuple(f"class {number}" for number in range(classes))
    return evaluate(answers(logits), Split("test", shades(images, 5, 4, 1), labels, names, "made"))


def comparison() -> Comparison:
    variant, baseline = (
        {seed: Result((0.2, end + seed / 50), (0.1, end), 4.0, 100) for seed in range(3)}
        for end in (0.7, 0.6)
    )
    return Comparison("wider", variant, baseline)


def tried() -> Experiments:
    rows = (("a", 3.0, 0.5), ("b", 5.0, 0.75), ("a", 4.0, 0.25))
    return Experiments(
        tuple({"name": name, "seconds": time, "accuracy": share} for name, time, share in rows)
    )


def moved(moving: MovingPicture, **settings) -> Picture:
    moving.put(**settings)
    return moving.picture


class MadeSheet(tuple):
    """Stands in for the exercises of a lesson."""

    lesson = title = "00 Setup"


def progress() -> Picture:
    sheet = MadeSheet(SimpleNamespace(name=name) for name in "abc")
    other = MadeSheet(sheet[:2])
    other.lesson, other.title = "01", LONG
    with (
        mock.patch.object(overview, "numbers_of_lessons", lambda: [0, 1]),
        mock.patch.object(overview, "load_exercises", [sheet, other].__getitem__),
        mock.patch.object(overview.marks, "solved", lambda: {("00 Setup", "b"), ("01", "a")}),
    ):
        return overview.progress()


PICTURES = {
    "images": lambda _: plot_images(shades(5, 6, 8, 3), list("abcde"), columns=3, title="Five"),
    "images, one without a title": lambda _: plot_images(shades(1, 9, 9, 1)),
    "images with long titles": lambda _: plot_images(shades(3, 6, 8, 1), [LONG, "b", LONG]),
    "matrix": lambda _: plot_matrix(np.array([[1, 0.25], [-3, 12345], [0, 7]]), title="Numbers"),
    "matrix of many": lambda _: plot_matrix(np.arange(600).reshape(20, 30)),
    "feature maps": lambda _: plot_feature_maps(shades(4, 5, 7) / 255.0, columns=4, title="Maps"),
    "filters": lambda _: plot_feature_maps(shades(3, 3, 6) - 100.0, filters=True),
    "heat maps": lambda _: plot_heatmaps(shades(3, 8, 8, 3), shades(3, 4, 4) / 255, list("abc")),
    "lines": lambda _: plot_lines(
        [1, 2, 4], {"up": [3, 4, 9], "down": [3, 2, 1]}, x_label="x", y_label="y", title="Two"
    ),
    "lines over powers": lambda _: plot_lines(
        [1e-3, 1e-1, 10], {"a": [0, 2, 1]}, x_label="x", y_label="y", log_x=True
    ),
    "lines of many": lambda _: plot_lines(
        range(8), {f"{LONG} {n}": np.arange(8) * n for n in range(9)}, x_label="x", y_label="y"
    ),
    "journey": lambda _: lessons.plot_journey(
        {"begin": (1, 20), "then": (2, 30), "end": (4, 25)}, x_label="x", y_label="y", title="Way"
    ),
    "descent": lambda _: lessons.plot_descent(
        np.square, {"small": [1, 0.5, 0.25], "large": [1, -2, 4]}
    ),
    "bars": lambda _: plot_bars({"a": 10, "bb": 25, LONG: 3}, x_label="images", title="Bars"),
    "bars to both sides": lambda _: plot_bars(
        {"up": 1.5, "down": -2.25, "none": 0}, x_label="points", number_format="{:+.2f}"
    ),
    "bars of many": lambda _: plot_bars({f"n{n}": n for n in range(120)}, x_label="images"),
    "class counts": lambda answers: plot_class_counts(evaluation(answers, 4).split),
    "intervals": lambda _: plot_intervals(
        {"old": (0.9, 0.88, 0.92), "new": (0.91, 0.9, 0.925)}, x_label="accuracy (%)", title="I"
    ),
    "curves at the start": lambda _: live_curves({}, 5),
    "curves of one epoch": lambda _: live_curves({n: row[:1] for n, row in HISTORY.items()}, 5),
    "curves": lambda _: live_curves(HISTORY, 3),
    "run": lambda _: RUNS["SGD"].plot(),
    "runs": lambda _: plot_runs(RUNS, "val_accuracy", title="Both"),
    "confusion": lambda answers: evaluation(answers, 4).plot_confusion(),
    "confusion of many": lambda answers: evaluation(answers, 40, 400).plot_confusion(),
    "mistakes": lambda answers: evaluation(answers, 4).plot_mistakes(7),
    "calibration": lambda answers: evaluation(answers, 4).plot_calibration(smallest_group=3),
    "predictions": lambda _: Prediction(
        ("a", LONG),
        shades(2, 6, 8, 3),
        np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]]),
        ("cat", "", "owl"),
    ).plot(),
    "answers": lambda _: lessons.plot_answers(
        shades(9, 6, 8, 1), np.arange(9) % 2, np.arange(9) % 3 % 2, ("cat", "dog")
    ),
    "kernels": lambda _: explore_kernel(shades(9, 9, 3)).still,
    "kernel": lambda _: explore_kernel(shades(9, 9, 3)).picture,
    "windows": lambda _: explore_windows().still,
    "window": lambda _: explore_windows().picture,
    "window, padded": lambda _: moved(
        explore_windows(), size=12, kernel_size=5, padding=2, stride=3
    ),
    "window that does not fit": lambda _: moved(explore_windows(), size=2),
    "steps": lambda _: explore_descent().still,
    "steps of one": lambda _: explore_descent().picture,
    "rates": lambda _: explore_rates().still,
    "rate": lambda _: explore_rates().picture,
    "thresholds": lambda answers: explore_threshold(evaluation(answers, 4)).still,
    "threshold": lambda answers: explore_threshold(evaluation(answers, 4)).picture,
    "walk": lambda answers: explore_images(evaluation(answers, 4).split).still,
    "walk through answers": lambda answers: moved(explore_images(evaluation(answers, 4)), page=2),
    "walk to nowhere": lambda answers: moved(
        explore_images(evaluation(answers, 4, 8)), true_class=0, said_class=3
    ),
    "comparison": lambda _: comparison().plot(),
    "experiments": lambda _: tried().plot(),
    "progress": lambda _: progress(),
}


def in_words(svg: bytes) -> list[str]:
    """What an SVG holds, a line an element; numbers to a tenth, images by their size and pixels."""
    lines = []
    for element in ElementTree.fromstring(svg).iter():
        tag = element.tag.rpartition("}")[2]
        said = [f"{name}={element.get(name)}" for name in KEPT if element.get(name)]
        if tag == "image":
            said.append(pixels_in_words(element.get("{http://www.w3.org/1999/xlink}href")))
        text = (element.text or "").strip()
        if (said or text) and tag != "description":
            lines.append(" ".join([tag, *said, text]).rstrip())
    return [re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}", line) for line in lines]


def pixels_in_words(link: str) -> str:
    content = base64.b64decode(link.removeprefix("data:image/png;base64,"))
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"), float)
    mean, corners = pixels.mean((0, 1)).round(1), pixels[[0, -1], [0, -1]]
    return f"{pixels.shape} mean {mean.tolist()} corners {corners.tolist()}"


@pytest.mark.parametrize("name", PICTURES)
def test_it_is_drawn_as_it_was(answers, tmp_path, name):
    picture = PICTURES[name](answers)
    picture.save(tmp_path / "drawn.svg")
    drawn = [picture.title, picture.description, *in_words((tmp_path / "drawn.svg").read_bytes())]
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    if folder := os.environ.get("DRAW"):
        picture.save(Path(folder, f"{name}.png"))
        STORED.write_text(json.dumps(stored | {name: drawn}, indent=0) + "\n", encoding="utf-8")
    else:
        assert drawn == stored[name]


def test_there_is_no_other_one():
    assert sorted(json.loads(STORED.read_text(encoding="utf-8"))) == sorted(PICTURES)
