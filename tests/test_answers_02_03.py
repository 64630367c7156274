"""What the folded answers of lessons 2 and 3 say comes out when the exercise is done."""

import random
import re
import textwrap
from collections import Counter
from pathlib import Path

import nbformat
import numpy as np

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def lesson(name: str) -> dict[str, str]:
    """The source of each cell, by its id."""
    return {cell.id: cell.source for cell in nbformat.read(NOTEBOOKS / name, as_version=4).cells}


LESSON_2 = lesson("02_preparing_the_dataset.ipynb")
LESSON_3 = lesson("03_building_a_cnn.ipynb")


def best_of(models: int, chosen_on: int) -> int:
    """How many of 100 images the best of the models that guess has, as lesson 2 finds it."""
    changed = re.sub(
        r"models, chosen_on, fresh = .*",
        f"models, chosen_on, fresh = {models}, {chosen_on}, 10_000",
        LESSON_2["luck"],
    )
    names = {"np": np, "SEED": 0, "print": lambda *_: None}
    exec(changed, names)
    return round(100 * names["scores"].max())


def test_the_luck_of_fewer_models_and_of_more_images():
    answer = LESSON_2["exercises"]
    assert f"is correct for `{best_of(10, 100)}` of 100 images" in answer
    assert f"with `chosen_on = 1_000` for about `{best_of(2_000, 1_000)}` of 100" in answer


def test_the_stratified_cut_gives_each_part_the_same_of_each_class(tmp_path, capsys):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for number in range(100):
            (tmp_path / name / f"{number:03}.png").touch()
    block = re.search(r"\n\n((?: {7}.*\n)+)", LESSON_2["exercises"]).group(1)
    exec(
        textwrap.dedent(block),
        {"folder": tmp_path, "random": random, "Counter": Counter, "SEED": 0},
    )
    assert "20 are in test, 20 in validation and 60 in train" in LESSON_2["exercises"]
    assert capsys.readouterr().out.splitlines() == [
        "test [('one', 20), ('two', 20)]",
        "validation [('one', 20), ('two', 20)]",
        "train [('one', 60), ('two', 60)]",
    ]


def test_the_network_with_padding_has_the_parameters_that_the_answer_names():
    import keras

    padded = re.sub(
        r'(Conv2D\(\d+, 3, activation="relu")', r'\1, padding="same"', LESSON_3["sequential"]
    )
    assert padded.count('padding="same"') == 3

    class dataset:
        image_shape, class_names = (28, 28, 1), tuple("0123456789")

    names = {"keras": keras, "dataset": dataset, "SEED": 0}
    exec(padded, names)
    model, answer = names["model"], LESSON_3["try-padding"]
    sides = [
        model.get_layer(n).output.shape[1]
        for n in ("conv_1", "pool_1", "conv_2", "pool_2", "conv_3")
    ]
    assert sides == [28, 14, 14, 7, 7]
    for count in (
        model.get_layer("flatten").output.shape[1],
        model.get_layer("dense").count_params(),
    ):
        assert f"`{count:,}`" in answer or f"`{count}`" in answer
    assert f"`{model.count_params():,}`" in answer
