"""The first page: a picture of one's own, answers with a mark, and what the page promises."""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

from helpers.basics.errors import CourseError, DamagedFileError, MissingFileError, UsageError
from helpers.lessons import first_network, open_picture, plot_answers

PAGE = Path(__file__).resolve().parents[2] / "notebooks" / "00_start_here.ipynb"
NAMES = ("cat", "dog")


def saved(path: Path, size: tuple[int, int] = (40, 20), kind: str = "JPEG", **options) -> Path:
    """A picture whose left half is red and whose right half is blue."""
    picture = Image.new("RGB", size, "red")
    picture.paste("blue", (size[0] // 2, 0, *size))
    picture.save(path, kind, **options)
    return path


# ------------------------------------------------------------------ a picture of one's own


def test_a_picture_comes_as_an_image_in_colour(tmp_path):
    picture = open_picture(saved(tmp_path / "mine.png", kind="PNG"))
    assert (picture.mode, picture.size) == ("RGB", (40, 20))
    assert picture.getpixel((0, 0)) == (255, 0, 0)
    assert picture.getpixel((39, 19)) == (0, 0, 255)


def test_a_photo_that_lies_on_its_side_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is at its right side
    picture = open_picture(saved(tmp_path / "phone.jpg", exif=exif, quality=100))
    assert picture.size == (20, 40)
    red, _, blue = picture.getpixel((10, 2))
    assert red > 200 > 50 > blue


def test_a_large_photo_is_made_smaller_in_the_same_shape(tmp_path):
    assert open_picture(saved(tmp_path / "large.jpg", (4_000, 3_000))).size == (1_000, 750)
    assert open_picture(saved(tmp_path / "high.jpg", (300, 3_000))).size == (100, 1_000)


def test_a_path_may_be_text_or_a_link(tmp_path):
    there = saved(tmp_path / "mine.jpg")
    (tmp_path / "link.jpg").symlink_to(there)
    assert open_picture(str(there)).size == open_picture(tmp_path / "link.jpg").size


def said(path) -> tuple[type, str]:
    with pytest.raises(CourseError) as caught:
        open_picture(path)
    words = str(caught.value)
    assert caught.value.__cause__ is None
    assert re.match(r"Expected .+\. Received: .+\.", words)
    return caught.type, words


def test_a_wrong_name_is_answered_with_the_names_that_are_there(tmp_path):
    for number in range(7):
        saved(tmp_path / f"photo_{number}.jpg")
    (tmp_path / "notes.txt").write_text("no picture")
    kind, words = said(tmp_path / "foto.jpg")
    assert kind is MissingFileError
    names = ", ".join(f"photo_{number}.jpg" for number in range(5))
    assert words.endswith(f"The pictures there: {names} and 2 more.")


def test_an_empty_folder_and_one_that_is_not_there_are_told_apart(tmp_path):
    assert "No picture lies in its folder" in said(tmp_path / "foto.jpg")[1]
    assert "Check the spelling of its folder" in said(tmp_path / "nowhere" / "foto.jpg")[1]


def test_a_folder_is_no_picture(tmp_path):
    saved(tmp_path / "photo.jpg")
    kind, words = said(tmp_path)
    assert kind is UsageError
    assert "which is a folder. The pictures there: photo.jpg." in words


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(40), "Its format is HEIC, which is not read here"),
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(40), "Export it as JPEG or PNG"),
        ("a.jpg", b"", "It is empty: 0 bytes."),
        ("a.jpg", b"<!doctype html><html>", "it is a web page."),
        ("a.txt", b"hello", "Give the name of a JPEG, PNG, WEBP, GIF or BMP file."),
        ("a.jpg", None, "It ends too early, after 2,000 bytes"),
    ],
)
def test_a_file_without_a_picture_says_what_it_is(tmp_path, name, content, advice):
    if content is None:
        whole = io.BytesIO()
        Image.effect_noise((80, 80), 90).save(whole, "JPEG")
        content = whole.getvalue()[:2_000]
    (tmp_path / name).write_bytes(content)
    kind, words = said(tmp_path / name)
    assert kind is DamagedFileError
    assert advice in words
    assert name in words


def test_a_picture_of_too_many_pixels_is_not_opened(tmp_path):
    picture = Image.new("1", (20_000, 20_000))
    picture.save(tmp_path / "huge.png")
    assert "Save a smaller copy of it in its place." in said(tmp_path / "huge.png")[1]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read(tmp_path):
    saved(tmp_path / "mine.jpg").chmod(0)
    assert "Give yourself the right to read it" in said(tmp_path / "mine.jpg")[1]


@pytest.mark.parametrize("path", [None, 3, "", "C:\\photos\\me.jpg"])
def test_what_is_no_path_here(path):
    assert issubclass(said(path)[0], UsageError | MissingFileError)


def test_a_name_that_is_too_long_is_not_there():
    assert said("a" * 5_000 + ".jpg")[0] is MissingFileError


# ------------------------------------------------------------------------ answers with a mark


def test_answers_are_marked_by_a_sign_a_word_and_a_colour():
    images = np.zeros((3, 8, 8, 1), np.uint8)
    picture = plot_answers(images, [0, 1, 1], [0, 0, 1], NAMES, columns=3)
    titles = [ax.get_title() for ax in picture.axes]
    assert titles == ["✓ correct\ncat", "✗ wrong\nsaid dog\nis cat", "✓ correct\ndog"]
    colours = [ax.spines["left"].get_edgecolor() for ax in picture.axes]
    right, wrong = to_rgba(first_network.CORRECT), to_rgba(first_network.WRONG)
    assert colours == [right, wrong, right]
    assert "correct cat" in picture.description
    assert "wrong said dog is cat" in picture.description


@pytest.mark.parametrize(("answers", "labels"), [([0], [0, 1]), ([0, 1], [0]), (1, 1), ([], [])])
def test_one_answer_and_one_label_an_image(answers, labels):
    with pytest.raises(UsageError, match=r"argmax\(axis=1\)"):
        plot_answers(np.zeros((2, 8, 8, 1), np.uint8), answers, labels, NAMES)


# ------------------------------------------------------------------------------- the page


def code(cell_id: str) -> str:
    cells = nbformat.read(PAGE, as_version=4).cells
    return next(cell.source for cell in cells if cell.id == cell_id)


def test_the_network_is_trained_in_six_lines_of_plain_keras():
    lines = [line for line in code("train").splitlines() if line.strip()]
    assert len(lines) == 6
    assert "helpers" not in code("train")


def test_a_learner_names_a_picture_in_one_line():
    assert re.fullmatch(r'MY_PICTURE = ".*"', code("own-name").splitlines()[0])


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> dict:
    """All names that the page has defined when every cell was run."""
    folder = tmp_path_factory.mktemp("course") / "notebooks"
    folder.mkdir()
    names = {}
    with contextlib.chdir(folder):
        for cell in nbformat.read(PAGE, as_version=4).cells:
            if cell.cell_type == "code":
                exec(cell.source, names)
    return names


def test_the_network_of_the_page_learns(page):
    """nbval leaves out what differs between machines, so that nobody would see it fail."""
    assert len(page["answers"]) == 2_000
    assert page["correct"].mean() > 0.8


def test_the_drawing_of_the_page_is_seen_like_the_images_it_was_trained_with(page):
    small = np.array(page["small"])
    assert small.shape == (28, 28)
    assert small[14, 14] > 200
    assert small[:5, 0].max() == small[-5:, 0].max() == 0  # the ground beside the sleeves
    rows, columns = np.nonzero(small > 64)
    assert (rows.min(), rows.max()) == (0, 27)
    assert abs(columns.min() - (27 - columns.max())) <= 1


def test_the_drawing_of_the_page_is_named(page):
    assert page["dataset"].class_names[page["best"][0]] == "T-shirt/top"
    assert page["sure"].sum() == pytest.approx(1, abs=1e-4)


def test_any_picture_of_a_learner_gets_an_answer(page, tmp_path):
    """Empty, dark, tiny or long: the cells below go on."""
    cells = [code(name) for name in ("own-name", "own-prepare", "own-answer", "own-look")]
    for number, (colour, size) in enumerate(
        [("white", (50, 50)), ("black", (50, 50)), ("red", (1, 1)), ("blue", (900, 3))]
    ):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", size, colour).save(path)
        names = dict(page)
        for source in cells:
            exec(re.sub('MY_PICTURE = ".*"', f"MY_PICTURE = {str(path)!r}", source), names)
        assert names["small"].size == (28, 28)
        assert len(names["best"]) == 3
