"""What lesson 5 says of a measurement that it does not run itself."""

import json
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent


def test_validation_is_above_test_with_every_other_cut_by_about_a_point():
    stored = json.loads((ROOT / "benchmarks/results/other_splits.json").read_text("utf-8"))
    above = [split["validation"] - split["test"] for split in stored["splits"].values()]
    assert len(above) == 10 and min(above) > 0
    assert 0.005 < np.mean(above) < 0.015
    lesson = (ROOT / "notebooks/05_evaluating_accuracy.ipynb").read_text("utf-8")
    assert "In all ten the validation accuracy was the higher one" in lesson
