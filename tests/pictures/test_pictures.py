"""The pictures: what is drawn, what is said in words, and that nothing else is touched."""

from __future__ import annotations

import base64
import configparser
import html.parser
import io
import re
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from PIL import Image

import helpers
from helpers import (
    Picture,
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
from helpers.basics.errors import MismatchError, StorageError, UsageError
from helpers.lessons import plot_answers, plot_descent, plot_journey
from helpers.pictures import images as images_module
from helpers.pictures import letters as letters_module
from helpers.pictures import picture as picture_module
from helpers.pictures import words as words_module
from helpers.results import Evaluation
from helpers.results import pictures as pictures_module
from helpers.training import TrainingRun, curves

SVG = "http://www.w3.org/2000/svg"
RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (3, 6, 8, 1), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (3, 6, 8, 3), dtype=np.uint8)
RUN = TrainingRun(
    {
        "loss": (2.0, 1.0, 0.5), "accuracy": (0.25, 0.5, 0.875),
        "val_loss": (1.8, 0.9, 1.1), "val_accuracy": (0.3, 0.6, 0.55),
    },
    10.0, 32, 0, "a test",
)  # fmt: skip
SHORT_RUN = TrainingRun({"loss": (3.0, 2.5), "accuracy": (0.1, 0.2)}, 5.0, 32, 0, "a test")
LABELS = np.array([0, 0, 0, 1, 1, 2])
SPLIT = Split("validation", np.concatenate([GREY, GREY]), LABELS, ("cat", "dog", "owl"), "a test")
PROBABILITIES = np.array([
    (0.75, 0.125, 0.125), (0.5, 0.25, 0.25), (0.25, 0.625, 0.125),
    (0.125, 0.75, 0.125), (0.0625, 0.875, 0.0625), (0.8125, 0.0625, 0.125),
])  # fmt: skip


BARS = plot_bars({"a": 1}, x_label="images")


@pytest.fixture(scope="module")
def evaluation(answers):
    """Of six images four are right; a cat is taken for a dog, an owl for a cat."""
    return evaluate(answers(PROBABILITIES), SPLIT)


@pytest.fixture(scope="module")
def perfect(answers):
    return evaluate(answers(np.eye(3)[LABELS]), SPLIT)


# Every function, drawn on a figure of its own, with `evaluation` where it needs one.
EVERY_PLOT = {
    "plot_images": lambda _: plot_images(COLOUR, ["a", "b", "c"], columns=2),
    "plot_matrix": lambda _: plot_matrix(np.eye(3)),
    "plot_feature_maps": lambda _: plot_feature_maps(RANDOM.random((4, 5, 6)), columns=4),
    "plot_heatmaps": lambda _: plot_heatmaps(GREY, RANDOM.random((3, 2, 2)), ["a", "b", "c"]),
    "plot_lines": lambda _: plot_lines([1, 2], {"a": [3, 4]}, x_label="x", y_label="y"),
    "plot_journey": lambda _: plot_journey({"a": (1, 2), "b": (2, 1)}, x_label="x", y_label="y"),
    "plot_answers": lambda _: plot_answers(
        RANDOM.integers(0, 256, (2, 8, 8, 1), dtype=np.uint8), [0, 1], [1, 1], "ab"
    ),
    "plot_descent": lambda _: plot_descent(np.square, {"small": [1, 0.5], "large": [1, -2]}),
    "plot_bars": lambda _: plot_bars({"a": 1, "b": 2}, x_label="images"),
    "plot_class_counts": lambda _: plot_class_counts(SPLIT),
    "plot_intervals": lambda _: plot_intervals({"a": (0.5, 0.4, 0.6)}, x_label="accuracy (%)"),
    "live_curves": lambda _: curves.live_curves({}, 5),
    "plot_runs": lambda _: plot_runs({"SGD": RUN, "Adam": SHORT_RUN}, "loss"),
    "plot_confusion": lambda evaluation: evaluation.plot_confusion(),
    "plot_mistakes": lambda evaluation: evaluation.plot_mistakes(),
    "plot_calibration": lambda evaluation: evaluation.plot_calibration(),
}
# Those that show images or squares of numbers: no axis to label, and so no ticks.
WITHOUT_AXES = {
    "plot_images", "plot_answers", "plot_matrix", "plot_feature_maps", "plot_heatmaps",
    "plot_mistakes",
}  # fmt: skip
# Those that draw on Axes they are given.
ON_GIVEN_AXES = {
    "plot_matrix": lambda _, ax: plot_matrix(np.eye(3), ax=ax),
    "plot_lines": lambda _, ax: plot_lines([1], {"a": [3]}, x_label="x", y_label="y", ax=ax),
    "plot_journey": lambda _, ax: plot_journey({"a": (1, 2)}, x_label="x", y_label="y", ax=ax),
    "plot_bars": lambda _, ax: plot_bars({"a": 1, "b": 2}, x_label="images", ax=ax),
    "plot_class_counts": lambda _, ax: plot_class_counts(SPLIT, ax=ax),
    "plot_runs": lambda _, ax: plot_runs({"SGD": RUN}, "loss", ax=ax),
    "plot_confusion": lambda evaluation, ax: evaluation.plot_confusion(ax=ax),
    "plot_calibration": lambda evaluation, ax: evaluation.plot_calibration(ax=ax),
}


class Images(html.parser.HTMLParser):
    """Reads the <img> elements as a browser does."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[dict[str, str]] = []
        self.other: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        (self.found if tag == "img" else self.other).append(dict(attributes))

    def handle_data(self, data):
        self.other.append(data)


def pixels_of(picture: Picture) -> np.ndarray:
    """The picture as it is drawn for where HTML is not shown."""
    png = base64.b64decode(picture._repr_mimebundle_()["image/png"])
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def texts_of(picture: Picture) -> list[str]:
    return [text.get_text() for text in picture.figure.findobj(Text) if text.get_text()]


def relative_luminance(colour) -> float:
    """As WCAG 2.2 defines it."""
    parts = np.array(to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one, other) -> float:
    dark, bright = sorted((relative_luminance(one), relative_luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


# ------------------------------------------------------------------------- every function


def test_every_function_is_in_this_test():
    public = {name for name in (*helpers.__all__, *lessons.__all__) if name.startswith("plot_")}
    of_an_evaluation = {name for name in vars(Evaluation) if name.startswith("plot_")}
    functions = public | of_an_evaluation | {"live_curves"}
    assert set(EVERY_PLOT) == functions


@pytest.fixture(scope="module")
def every_picture(evaluation) -> dict[str, tuple[Picture, str, np.ndarray]]:
    """Each drawn once: the picture, its HTML and its pixels."""
    pictures = {name: draw(evaluation) for name, draw in EVERY_PLOT.items()}
    return {
        name: (picture, picture.to_html(), pixels_of(picture)) for name, picture in pictures.items()
    }


@pytest.mark.parametrize("name", EVERY_PLOT)
class TestEveryPlot:
    @pytest.fixture
    def picture(self, name, every_picture) -> Picture:
        return every_picture[name][0]

    def test_it_gives_a_picture_that_can_be_drawn(self, name, every_picture):
        picture, _, pixels = every_picture[name]
        assert isinstance(picture.figure, Figure)
        assert all(ax.figure is picture.figure for ax in picture.axes)
        assert len(np.unique(pixels)) > 1, "nothing was drawn"

    def test_the_text_alternative_is_whole_sentences(self, name, every_picture):
        picture, shown, _ = every_picture[name]
        (image,) = Images(shown).found
        assert image["alt"] == picture.description
        assert picture.description.endswith(".")
        assert picture.description == picture.description.strip()
        assert "\n" not in picture.description
        assert repr(picture) == f"Picture: {picture.title}"
        assert picture.title

    def test_nothing_is_said_twice(self, picture):
        first, *rest = picture.description.split(". ")
        assert not any(part.startswith(first) for part in rest)

    def test_every_text_is_drawn_as_it_is_written(self, picture):
        assert not any(text.get_parse_math() for text in picture.figure.findobj(Text))

    def test_what_is_drawn_on_white_can_be_seen(self, picture):
        """WCAG 2.2 asks for a contrast of 3 for what a picture is read by."""
        lines = [line for ax in picture.axes if ax.axison for line in ax.lines]
        bars = [bar for ax in picture.axes for bar in ax.patches]
        for colour in [line.get_color() for line in lines] + [bar.get_facecolor() for bar in bars]:
            assert contrast(colour, "white") >= 3
        assert all((artist.get_alpha() or 1) == 1 for artist in lines + bars)

    def test_every_axis_is_labelled(self, name, picture):
        for ax in picture.axes:
            if name in WITHOUT_AXES:
                assert not ax.axison or not (ax.get_xticks().size or ax.get_yticks().size)
                continue
            assert ax.get_xlabel()
            named_ticks = [label.get_text() for label in ax.get_yticklabels()]
            assert ax.get_ylabel() or all(label[0].isalpha() for label in named_ticks)

    def test_no_global_state_is_touched(self, name, evaluation):
        figures = pyplot.get_fignums()
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            parameters = dict(matplotlib.rcParams)
            EVERY_PLOT[name](evaluation).to_html()
            assert dict(matplotlib.rcParams) == parameters
        assert pyplot.get_fignums() == figures


@pytest.mark.parametrize("name", ON_GIVEN_AXES)
def test_on_given_axes_it_draws_there_and_nowhere_else(name, evaluation):
    figure = Figure(figsize=(6, 3))
    given, other = figure.subplots(1, 2)
    other.set_title("untouched")
    before = len(other.get_children()), other.get_xlim(), other.get_ylim()
    picture = ON_GIVEN_AXES[name](evaluation, given)
    assert picture.axes == (given,)
    assert picture.figure is figure
    assert given.has_data()
    assert not other.has_data()
    assert (len(other.get_children()), other.get_xlim(), other.get_ylim()) == before
    assert other.get_title() == "untouched"
    assert figure.axes == [given, other]


@pytest.mark.parametrize("name", ON_GIVEN_AXES)
@pytest.mark.parametrize("several", [Figure(), Figure().subplots(1, 2), "left"])
def test_what_is_no_axes_is_said_in_words(name, several, evaluation):
    with pytest.raises(UsageError, match=r"Expected one Axes of matplotlib as ax.* axes\[0\]"):
        ON_GIVEN_AXES[name](evaluation, several)


# -------------------------------------------------------------------------------- Picture


class TestPicture:
    @pytest.mark.parametrize(
        "description",
        ["5 > 3 & \"quoted\" 'too'", "</img><script>alert(1)</script>", "정확도 83.8 %", "&amp;"],
    )
    def test_the_description_is_escaped(self, description):
        figure = Figure()
        picture = Picture(figure, (figure.subplots(),), "a picture", description)
        read = Images(picture.to_html())
        assert [image["alt"] for image in read.found] == [description]
        assert read.other == []

    def test_the_last_thing_in_a_cell_shows_itself_as_ipython_asks_it_to(self):
        from IPython.core.formatters import DisplayFormatter

        picture = plot_bars({"a": 1}, x_label="images")
        shown, _ = DisplayFormatter().format(picture)
        assert shown["text/plain"] == "Picture: images"
        assert shown["text/html"].startswith('<img alt="Bars of images: a 1."')
        # The PNG is for where HTML is not shown.
        assert set(shown) == {"text/plain", "text/html", "image/png"}
        assert base64.b64decode(shown["image/png"]).startswith(b"\x89PNG")

    def test_a_figure_made_with_pyplot_is_shown_once_only(self):
        """pyplot shows every figure that is still open at the end of a cell."""
        mine, ax = pyplot.subplots()
        other = pyplot.figure()
        try:
            picture = plot_bars({"a": 1}, x_label="images", ax=ax)
            assert pyplot.fignum_exists(mine.number)
            picture._repr_mimebundle_()
            assert not pyplot.fignum_exists(mine.number)
            assert pyplot.fignum_exists(other.number)
        finally:
            pyplot.close(mine)
            pyplot.close(other)

    @pytest.mark.parametrize(
        ("name", "start"),
        [
            ("a.png", b"\x89PNG"),
            ("a.svg", b"<?xml"),
            ("a.PDF", b"%PDF"),
            ("new/folder/a.jpg", b"\xff\xd8"),
        ],
    )
    def test_save(self, tmp_path, name, start):
        BARS.save(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
        assert [path.name for path in (tmp_path / name).parent.iterdir()] == [Path(name).name]

    def test_save_to_the_home_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        BARS.save("~/a.png")
        assert (tmp_path / "a.png").exists()

    @pytest.mark.parametrize("path", ["a.docx", "a", ".", "png", ".png"])
    def test_a_file_name_that_says_no_format(self, path):
        with pytest.raises(UsageError, match="ends in .png, .svg, .pdf, .jpg, .webp or .tif"):
            BARS.save(path)

    @pytest.mark.parametrize("path", [None, 5, ""])
    def test_no_file_name(self, path):
        with pytest.raises(UsageError, match=f"Expected a path, .* Received: {path!r}"):
            BARS.save(path)

    def test_a_folder_is_no_file(self, tmp_path):
        (tmp_path / "a.png").mkdir()
        with pytest.raises(StorageError, match="Received: a folder of that name"):
            BARS.save(tmp_path / "a.png")

    def test_a_name_that_no_system_takes(self, tmp_path):
        with pytest.raises(StorageError, match="Choose a shorter name"):
            BARS.save(tmp_path / f"{'a' * 300}.png")

    def test_threads_that_draw_at_once_leave_the_settings_as_they_were(self):
        before = dict(matplotlib.rcParams)
        pictures = [plot_bars({"a": number}, x_label="images") for number in range(3)]
        with ThreadPoolExecutor(3) as threads:
            drawn = [*threads.map(Picture.to_html, pictures * 2)]
        assert drawn == [picture.to_html() for picture in pictures] * 2
        assert dict(matplotlib.rcParams) == before

    def test_a_save_that_fails_leaves_the_old_file(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(StorageError, match="Expected a folder"):
            BARS.save(tmp_path / "file" / "a.png")
        assert (tmp_path / "file").read_text() == "in the way"

    def test_it_is_an_svg_that_is_the_same_each_time(self):
        (first,), (second,) = (Images(BARS.to_html()).found for _ in range(2))
        kind, content = first["src"].split(",")
        assert kind == "data:image/svg+xml;base64"
        assert first == second
        # Letters are letters, which stay sharp at every size, in a font that the reader has.
        drawn = ElementTree.fromstring(base64.b64decode(content))
        texts = {text.text: text.get("style") for text in drawn.iter(f"{{{SVG}}}text")}
        assert {"a", "images"} <= set(texts)
        assert "sans-serif" in texts["images"]
        assert not [text for text in drawn.iter() if "date" in text.tag]

    @pytest.mark.parametrize("letter", ["\uffff", "\ufffe", "\x07", "\x0b", "\ud800"])
    def test_an_svg_can_be_read_whatever_the_names_and_titles(self, letter):
        picture = plot_bars({f"a{letter}b": 1}, x_label="x", title=letter)
        picture.axes[0].set_ylabel(f"a {letter} reader's own")
        (image,) = Images(picture.to_html()).found
        content = base64.b64decode(image["src"].partition(",")[2])
        texts = {text.text for text in ElementTree.fromstring(content).iter(f"{{{SVG}}}text")}
        assert "a   reader's own" in texts

    @pytest.mark.parametrize("side", [16, 400])
    def test_it_is_a_png_where_an_svg_would_be_larger(self, side):
        noise = RANDOM.integers(0, 256, (2, side, side, 3), dtype=np.uint8)
        (image,) = Images(plot_images(noise).to_html()).found
        kind = "svg+xml" if side == 16 else "png"
        assert image["src"].startswith(f"data:image/{kind};base64,")

    @pytest.mark.parametrize("ending", ["png", "svg"])
    @pytest.mark.parametrize("letter", ["a", "\uffff", "\x07", "\ud800", "가"])
    def test_a_file_carries_the_description(self, tmp_path, ending, letter):
        picture = plot_bars({f"{letter} b": 1}, x_label="x")
        picture.save(tmp_path / f"p.{ending}")
        if ending == "png":
            with Image.open(tmp_path / "p.png") as image:
                said = image.text["Description"]
        else:
            said = " ".join(ElementTree.parse(tmp_path / "p.svg").getroot().itertext())
        assert picture.description in said

    def test_nbval_leaves_every_picture_out_but_for_its_description(self):
        sanitize = configparser.RawConfigParser()
        sanitize.read(Path(__file__).parents[1] / "nbval_sanitize.cfg")
        rule = sanitize["pictures"]
        for side in (16, 400):
            shown = plot_images(np.zeros((1, side, side, 3), np.uint8)).to_html()
            left = '<img alt="1 image, 1 in a row." src style="max-width: 100%">'
            assert re.sub(rule["regex"], rule["replace"], shown) == left

    def test_it_cannot_be_changed_and_can_be_kept_in_a_set(self):
        with pytest.raises(FrozenInstanceError):
            BARS.description = ""
        assert len({BARS, replace(BARS), BARS}) == 2

    def test_its_name_is_wrapped_where_a_page_would_break_it(self):
        shown = repr(plot_bars({"a": 1}, x_label="x", title="word " * 40))
        assert max(map(len, shown.splitlines())) <= 88
        assert shown.replace("\n", " ").endswith("word " * 39 + "word")

    def test_the_background_is_white_so_that_dark_themes_can_show_it(self):
        with matplotlib.rc_context({"figure.facecolor": "black"}):
            pixels = pixels_of(plot_bars({"a": 1}, x_label="images"))
        assert pixels[0, 0].tolist() == [255, 255, 255]


# ------------------------------------------------------------------------------------ names

LONG = "a very long class name of a kind of dog that goes on and on, seen from the left side"
ODD_NAMES = (
    "$10 or $20", r"$\frac$", r"a$x_^$", "_hidden", "^", "100 %", "C:\\new", "two\nlines", "",
    "<b>", "W" * 60, "tab\there", "half a letter \udcff", "null \x00", LONG,
)  # fmt: skip


def named_pictures(names) -> dict[str, Picture]:
    """Every function that writes names, with these."""
    count = len(names)
    images = np.resize(GREY, (count, 6, 8, 1))
    split = Split("test", images, np.arange(count), names, "a test")
    every, sure = np.arange(count), np.full(count, 0.9)
    by_name = dict(zip(names, range(count), strict=True))
    return {
        "images": plot_images(images, names),
        "heatmaps": plot_heatmaps(images, np.ones((count, 2, 2)), names),
        "lines": plot_lines([1, 2], dict.fromkeys(names, [1, 2]), x_label="x", y_label="y"),
        "journey": plot_journey(dict.fromkeys(names, (1, 2)), x_label="x", y_label="y"),
        "descent": plot_descent(np.square, dict.fromkeys(names, [1, 0])),
        "bars": plot_bars(by_name, x_label="x"),
        "class counts": plot_class_counts(split),
        "intervals": plot_intervals(dict.fromkeys(names, (0.5, 0.4, 0.6)), x_label="x"),
        "confusion": pictures_module.plot_confusion(np.ones((count, count), int), split),
        "mistakes": pictures_module.plot_mistakes(split, every, every[::-1], sure),
    }


def named_ticks(ax) -> list[Text]:
    """Those on the y axis that can be seen."""
    low, high = sorted(ax.get_ylim())
    places = zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
    return [label for place, label in places if low <= place <= high]


@pytest.fixture(scope="module")
def pictures() -> dict[str, Picture]:
    drawn = named_pictures(ODD_NAMES)
    for picture in drawn.values():
        picture.figure.draw_without_rendering()
    return drawn


class TestNames:
    def test_they_are_drawn_and_spoken_as_they_are_written(self, pictures):
        for kind, picture in pictures.items():
            drawn = "\n".join(texts_of(picture))
            for name in ("$10 or $20", r"$\frac$", r"a$x_^$", "_hidden", "100 %", "<b>"):
                assert name in drawn, (kind, name)
                assert kind == "confusion" or name in picture.description, (kind, name)
            assert not any(text.get_parse_math() for text in picture.figure.findobj(Text))

    def test_a_long_one_is_spoken_whole(self, pictures):
        spoken = {kind for kind, picture in pictures.items() if LONG in picture.description}
        assert spoken | {"confusion"} == set(pictures)  # it speaks of three mistakes only

    def test_none_leaves_the_picture_or_lies_over_another(self, pictures):
        for kind, picture in pictures.items():
            width, height = picture.figure.bbox.size
            titles = [ax.title for ax in picture.axes if ax.get_title()]
            ticks = [label for ax in picture.axes if ax.axison for label in named_ticks(ax)]
            boxes = [text.get_window_extent() for text in titles + ticks if text.get_text()]
            for box in boxes:
                assert box.x0 >= -1 and box.y0 >= -1, (kind, box)
                assert box.x1 <= width + 1 and box.y1 <= height + 1, (kind, box)
            assert not any(a.overlaps(b) for a, b in combinations(boxes, 2)), kind

    @pytest.mark.parametrize("lines", [1, 2, 3])
    def test_a_heading_of_several_lines_has_room(self, lines):
        images, title = np.zeros((2, 8, 8, 1), np.uint8), "\n".join(["heading"] * lines)
        picture = plot_images(images, ["a", "b"], title=title)
        (above,) = [text for text in picture.figure.texts if "heading" in text.get_text()]
        below = picture.axes[0].title.get_window_extent()
        assert not above.get_window_extent().overlaps(below)
        assert above.get_window_extent().y1 <= picture.figure.bbox.height + 1
        gap = above.get_window_extent().y0 - below.y1
        assert gap < 0.2 * picture.figure.dpi  # and none is left free

    def test_names_that_differ_at_their_end_still_differ(self):
        names = [f"{LONG} number {number}" for number in (1, 2)]
        (ax,) = plot_bars(dict.fromkeys(names, 1), x_label="x").axes
        assert len({label.get_text() for label in ax.get_yticklabels()}) == 2
        assert len(ax.patches) == 2

    def test_one_with_an_underscore_is_in_the_legend(self):
        lines = {"_first": [1, 2], "": [2, 1]}
        (ax,) = plot_lines([1, 2], lines, x_label="x", y_label="y").axes
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["_first", "(no name)"]

    def test_titles_and_labels_as_well(self):
        title = "from $5 to $9: " + LONG
        picture = plot_lines([1, 2], {"a": [1, 2]}, x_label=title, y_label=title, title=title)
        picture.figure.draw_without_rendering()
        (ax,) = picture.axes
        for text in (ax.title, ax.xaxis.label, ax.yaxis.label):
            box, all_of_it = text.get_window_extent(), picture.figure.bbox
            assert all_of_it.x0 <= box.x0 and box.x1 <= all_of_it.x1
            assert all_of_it.y0 <= box.y0 and box.y1 <= all_of_it.y1
        assert ax.get_title().replace("\n", " ") == title
        assert picture.title == title

    def test_long_titles_beside_long_names_stay_in_the_picture(self):
        names = [f"a rather long name of something {number}" for number in range(11)]
        labels = {"x_label": LONG, "title": LONG + LONG}
        for picture in (
            plot_bars(dict.fromkeys(names, 1), **labels),
            plot_intervals(dict.fromkeys(names, (0.5, 0.4, 0.6)), **labels),
            plot_lines([1, 2], dict.fromkeys(names, [1, 2]), y_label="y", **labels),
            plot_journey(dict.fromkeys(names, (1, 2)), y_label="y", **labels),
        ):
            picture.figure.draw_without_rendering()
            (ax,) = picture.axes
            for part in filter(None, (ax.title, ax.xaxis.label, ax.get_legend())):
                box = part.get_window_extent()
                assert box.x0 >= -1, part
                assert box.y0 >= -1, part
                assert box.x1 <= picture.figure.bbox.width + 1, part
                assert box.y1 <= picture.figure.bbox.height + 1, part
            assert ax.get_window_extent().height > 0.5 * picture.figure.bbox.height

    def test_what_a_reader_draws_later_is_drawn_as_it_is_written(self):
        picture = plot_lines([1, 2], {"a": [1, 1_000]}, x_label="x", y_label="y")
        (ax,) = picture.axes
        ax.set_yscale("log")  # matplotlib would write its numbers as formulas
        ax.annotate("$5 or $6", (1, 1))
        drawn = Images(picture.to_html()).found[0]["src"].split(",")[1]
        letters = base64.b64decode(drawn).decode()
        assert "$5 or $6" in letters
        assert "mathdefault" not in letters


class TestLetters:
    NEW = "\u210a"  # a script g: STIX has it, DejaVu has not

    @pytest.mark.parametrize(
        ("name", "font"),
        [("고양이", "Noto Sans CJK"), ("猫", "Noto Sans CJK"), ("ねこ", "Noto Sans CJK"),
         ("แมว", "Noto Sans Thai"), ("बिल्ली", "Noto Sans Devanagari"), ("🐈", "Noto Emoji"),
         ("\U0001fa77", "Noto Emoji")],  # a heart that Python 3.11 does not know yet
    )  # fmt: skip
    def test_what_no_font_has_is_said_once(self, monkeypatch, capsys, tmp_path, name, font):
        monkeypatch.setattr(letters_module, "_every_font", lambda: iter(()))
        picture = plot_bars({name: 1, f"{name} 2": 2}, x_label="images")
        note = f"install the font {font} and run this again."
        filters = [*warnings.filters]
        assert picture.to_html().count(note) == 1
        assert warnings.filters == filters
        picture.save(tmp_path / "a.png")
        assert capsys.readouterr().out.count(note) == 1

    def test_nothing_is_said_of_letters_that_are_there(self, capsys, tmp_path):
        picture = plot_bars({"chat €, Жук, نص, → 😀": 1}, x_label="images")
        assert "install" not in picture.to_html()
        picture.save(tmp_path / "a.png")
        assert capsys.readouterr().out == ""

    def test_a_font_that_has_them_is_used(self):
        picture = plot_bars({f"cat {self.NEW}": 1, "dog": 2}, x_label="images")
        picture.axes[0].title.set_fontfamily("monospace")
        assert "install" not in picture.to_html()
        families = {tuple(text.get_fontfamily()) for text in picture.axes[0].get_yticklabels()}
        ((first, found, *_),) = families
        assert first == "DejaVu Sans"
        assert ord(self.NEW) in FT2Font(findfont(found)).get_charmap()
        assert picture.axes[0].title.get_fontfamily() == ["monospace"]

    def test_of_fonts_installed_later_the_plain_one_is_used(self, monkeypatch, tmp_path, caplog):
        """A bold one comes first by its name, and findfont warns where it has no other."""
        faces = {"a.ttf": "STIXGeneral:bold", "b.ttf": "STIXGeneral"}
        paths = [shutil.copy(findfont(face), str(tmp_path / name)) for name, face in faces.items()]
        known = [font for font in fontManager.ttflist if "STIX" not in font.name]
        monkeypatch.setattr(fontManager, "ttflist", known)
        monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: paths)
        added = [font for font in letters_module._every_font() if font.fname in paths]
        assert [Path(font.fname).name for font in added] == ["b.ttf", "a.ttf"]
        findfont("STIXGeneral", rebuild_if_missing=False)
        assert "Failed to find font weight" not in caplog.text

    def test_a_font_that_was_installed_later_is_found(self, monkeypatch, tmp_path):
        later = shutil.copy(findfont("STIXGeneral"), tmp_path / "later.ttf")
        known = [font for font in fontManager.ttflist if "STIX" not in font.name]
        known = [
            font
            for font in known
            if not letters_module._letters_of(font.fname, frozenset(self.NEW))
        ]
        monkeypatch.setattr(fontManager, "ttflist", known)
        picture = plot_bars({self.NEW: 1}, x_label="images")
        monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: [])
        assert "install" in picture.to_html()
        broken = tmp_path / "broken.ttf"
        broken.write_bytes(b"no font")
        installed = [str(later), str(broken)]
        monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: installed)
        assert "install" not in picture.to_html()


# -------------------------------------------------------------------------------------- size


def megabytes(picture: Picture) -> float:
    """Of its pixels, four bytes each, as they are drawn."""
    width, height = picture.figure.get_size_inches() * picture_module.DOTS_PER_INCH
    return width * height * 4 / 1e6


class TestManyThings:
    """However much there is, a picture can be drawn and read."""

    @staticmethod
    def split_of(count: int) -> Split:
        names = tuple(f"class number {number}" for number in range(count))
        return Split("test", np.zeros((1, 1)), np.zeros(1, int), names, "")

    @pytest.mark.parametrize("count", [1, 2, 30, 31, 100])
    def test_a_confusion_matrix(self, count):
        picture = pictures_module.plot_confusion(np.eye(count, dtype=int), self.split_of(count))
        (ax,) = picture.axes
        assert megabytes(picture) < 12
        assert max(picture.figure.get_size_inches()) <= 14
        assert len(ax.texts) == (count if count <= 30 else 0)
        named = len(ax.get_yticklabels())
        every = -(-count // named)
        assert ax.get_yticklabels()[-1].get_text() == f"class number {every * (named - 1)}"
        assert ("1 name in" in ax.get_ylabel()) == (every > 1)
        assert ("Too many classes for numbers" in picture.description) == (count > 30)
        assert ax.get_yticklabels()[0].get_fontsize() >= 7
        picture.figure.draw_without_rendering()
        for labels in (ax.get_xticklabels()[:1], ax.get_yticklabels()):
            boxes = [label.get_window_extent() for label in labels]
            assert not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:], strict=False))

    @pytest.mark.parametrize("count", [1, 43, 100])
    def test_bars_and_intervals(self, count):
        names = [f"class number {number}" for number in range(count)]
        for picture in (
            plot_bars(dict(zip(names, range(count), strict=True)), x_label="images"),
            plot_intervals(dict.fromkeys(names, (0.5, 0.4, 0.6)), x_label="accuracy"),
        ):
            (ax,) = picture.axes
            assert megabytes(picture) < 12
            assert max(picture.figure.get_size_inches()) <= 14
            assert ("1 name in" in ax.get_ylabel()) == (len(ax.get_yticklabels()) < count)
            picture.figure.draw_without_rendering()
            boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
            assert not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:], strict=False))

    @pytest.mark.parametrize(("count", "thick"), [(2, 0.8), (60, 0.8), (61, 1)])
    def test_very_thin_bars_have_no_gaps_between_them(self, count, thick):
        (ax,) = plot_bars({f"n{n}": n for n in range(count)}, x_label="images").axes
        assert {bar.get_height() for bar in ax.patches} == {thick}

    @pytest.mark.parametrize("count", [60, 61])
    def test_sixty_bars_are_spoken(self, count):
        bars = plot_bars({f"n{number}": number for number in range(count)}, x_label="images")
        assert ("n30 30" in bars.description) == (count == 60)

    def test_of_very_many_bars_the_ends_are_spoken(self):
        picture = plot_bars({f"n{number}": number for number in range(100)}, x_label="images")
        assert picture.description == (
            "Bars of images: 100. The shortest: n0 0, n1 1, n2 2. The longest: n97 97, n98 98, "
            "n99 99."
        )

    @pytest.mark.parametrize("columns", [1, 40])
    def test_images_and_maps(self, monkeypatch, columns):
        monkeypatch.setattr(images_module, "MOST_IMAGES", 6)
        images = plot_images(np.zeros((5_000, 4, 4, 1), np.uint8), columns=columns)
        assert images.title == "the first 6 of 5,000 images"
        assert images.description.startswith("The first 6 of 5,000 images, ")
        maps = plot_feature_maps(np.zeros((2, 2, 2_048)), columns=columns, title="conv_5")
        assert "conv_5. the first 6 of 2,048 feature maps" in maps.description
        assert maps.figure.get_size_inches()[0] < 12.5
        for picture in (images, maps):
            assert sum(bool(ax.images) for ax in picture.axes) == 6
            assert "the first 6 of" in " ".join(texts_of(picture)).replace("\n", " ")

    def test_the_most_images_fit(self):
        assert (
            images_module.MOST_IMAGES * 2.3 * 2.3 * picture_module.DOTS_PER_INCH**2 * 4 / 1e6 < 200
        )
        assert 40 * 2.5 * picture_module.DOTS_PER_INCH < 2**16, "one below the other"

    def test_lines(self):
        lines = {f"run {number}": [number] * 3 for number in range(100)}
        picture = plot_lines([1, 2, 3], lines, x_label="epoch", y_label="loss")
        legend = picture.axes[0].get_legend()
        assert len(legend.get_texts()) == 40
        assert legend.get_title().get_text() == "the first 40 of 100 lines"
        assert megabytes(picture) < 12
        picture.figure.draw_without_rendering()
        assert legend.get_window_extent().x0 >= picture.axes[0].get_window_extent().x1, "beside"
        assert legend.get_window_extent().y0 >= 0


# ------------------------------------------------------------------------- images, matrices


def shown_image(ax) -> np.ndarray:
    return np.asarray(ax.images[0].get_array())


BATCH = (
    "One image becomes a batch with image[numpy.newaxis], images[..., numpy.newaxis] gives grey "
    "ones a channel."
)


class TestPlotImages:
    @pytest.mark.parametrize(
        ("columns", "inches"), [(1, 2.2), (2, 2.2), (3, 1.7), (5, 1.7), (6, 1.2)]
    )
    def test_a_few_are_larger(self, columns, inches):
        picture = plot_images(np.zeros((columns, 4, 4, 1), np.uint8), columns=columns)
        picture.figure.draw_without_rendering()
        box = picture.axes[0].get_window_extent()
        assert box.width / picture.figure.dpi == pytest.approx(inches, abs=0.01)

    @pytest.mark.parametrize("images", [GREY, COLOUR])
    def test_the_pixels_are_the_images(self, images):
        picture = plot_images(images)
        for ax, image in zip(picture.axes, images, strict=True):
            np.testing.assert_array_equal(shown_image(ax), image.squeeze())

    def test_grey_images_are_not_stretched_to_their_own_range(self):
        ax = plot_images(np.full((1, 2, 2, 1), 100, np.uint8)).axes[0]
        assert ax.images[0].get_clim() == (0, 255)
        ax = plot_images(np.full((1, 2, 2, 1), 0.4)).axes[0]
        assert ax.images[0].get_clim() == (0, 1)

    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize(
        ("dtype", "values", "greys"),
        [
            (np.uint8, [0, 1, 255], [0, 1, 255]),
            (bool, [0, 1, 1], [0, 255, 255]),
            (np.int64, [0, 1, 1], [0, 255, 255]),
            (np.int64, [0, 1, 2], [0, 1, 2]),
            (np.int64, [0, 51, 255], [0, 51, 255]),
            (np.uint16, [0, 51, 255], [0, 51, 255]),
            (np.uint16, [0, 51 * 257, 65535], [0, 51, 255]),
            (np.float32, [0, 0.2, 1], [0, 51, 255]),
            (np.float16, [0, 0.2, 1.04], [0, 51, 255]),
            (np.float64, [-1, -0.6, 1], [0, 51, 255]),
            (np.float64, [0, 51, 255], [0, 51, 255]),
            (np.float32, [-3, 51, 258], [0, 51, 255]),
            (object, [0, 51, 255], [0, 51, 255]),
        ],
    )
    def test_what_is_black_and_what_is_white(self, dtype, values, greys, channels):
        images = np.zeros((1, 1, 3, channels), dtype)
        images[0, 0] = np.array(values, dtype)[:, np.newaxis]
        (image,) = plot_images(images).axes[0].images
        drawn = image.make_image(None, unsampled=True)[0][0, :, :3]
        np.testing.assert_allclose(drawn, np.transpose([greys] * 3), atol=1)

    @pytest.mark.parametrize(
        ("values", "received"),
        [
            (np.array([-2.1, 2.6]), "float64 from -2.1 to 2.6"),
            (np.array([0, 3.5]), "float64 from 0 to 3.5"),
            (np.array([0, 1e4]), "float64 from 0 to 10,000"),
            (np.array([-255, 0]), "int64 from -255 to 0"),
            (np.array([0, 100_000]), "int64 from 0 to 100,000"),
        ],
    )
    def test_pixels_of_another_range(self, values, received):
        with pytest.raises(UsageError, match=f"Received: {received}. Bring them to 0 to 1: after"):
            plot_images(np.resize(values, (1, 2, 2, 1)))

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_pixels_that_are_no_numbers(self, value):
        with pytest.raises(UsageError, match="Expected finite pixels"):
            plot_images(np.full((1, 2, 2, 1), value))

    @pytest.mark.parametrize("columns", [0, -1, 41, 2.5, True, None, "3"])
    def test_no_such_number_of_columns(self, columns):
        for draw in (plot_images, lambda images, **k: plot_feature_maps(images[0], **k)):
            with pytest.raises(UsageError, match="columns as a whole number from 1 to 40"):
                draw(GREY, columns=columns)

    @pytest.mark.parametrize("images", [None, "x", 5, [[1], [1, 2]], [np.eye(2), np.eye(3)]])
    def test_what_is_no_array_of_images(self, images):
        with pytest.raises(UsageError, match=r"Received: (NoneType|str|int|list) "):
            plot_images(images)

    def test_few_pixels_are_drawn_as_squares(self):
        drawn = [plot_images(np.zeros((1, 8, side, 1), np.uint8)).axes[0] for side in (64, 65)]
        assert [ax.images[0].get_interpolation() for ax in drawn] == ["none", "antialiased"]

    def test_eight_stand_side_by_side_where_nothing_else_is_said(self):
        assert "9 images, 8 in a row" in plot_images(np.zeros((9, 4, 4, 1), np.uint8)).description
        assert len(plot_feature_maps(np.zeros((2, 2, 9))).axes) == 16

    def test_one_below_the_other_there_are_forty(self):
        images = plot_images(np.zeros((41, 4, 4, 1), np.uint8), columns=1)
        assert images.title == "the first 40 of 41 images"
        assert len(plot_feature_maps(np.zeros((2, 2, 41)), columns=1).axes) == 40

    def test_forty_side_by_side_are_small(self):
        row = plot_images(np.zeros((40, 4, 4, 1), np.uint8), columns=40)
        assert row.figure.get_size_inches()[0] == pytest.approx(14 + 40 * 0.06 + 0.1)

    def test_titles_of_other_types(self):
        assert [ax.get_title() for ax in plot_images(GREY, np.array([7, 8, 9])).axes] == list("789")
        assert plot_images(GREY, None, title=None).title == "3 images"
        for titles in ("cat", 5, np.array(5)):
            with pytest.raises(UsageError, match="Expected one title an image"):
                plot_images(GREY, titles)

    def test_a_large_image_is_made_smaller_by_its_mean(self):
        """Every second pixel of these stripes is left out where the nearest is taken."""
        stripes = np.zeros((1, 1_000, 1_000, 1), np.uint8)
        stripes[:, :, ::2] = 200
        middle = pixels_of(plot_images(stripes))[100:150, 100:150]
        np.testing.assert_allclose(middle, 100, atol=30)

    def test_titles_and_words(self):
        picture = plot_images(COLOUR, ["cat", "dog\n9 %", "owl"], columns=2, title="Pets")
        assert [ax.get_title() for ax in picture.axes] == ["cat", "dog\n9 %", "owl", ""]
        assert picture.description == "Pets: 3 images, 2 in a row: cat, dog 9 %, owl."
        assert picture.title == "Pets"

    def test_without_titles(self):
        picture = plot_images(COLOUR)
        assert picture.title == "3 images"
        assert len(picture.axes) == 3, "no more columns than images"

    @pytest.mark.parametrize("shape", [(6, 8, 1), (6, 8, 3), (3, 6, 8, 2), (0, 6, 8, 1), (3, 6, 8)])
    def test_not_a_batch_of_images(self, shape):
        with pytest.raises(ValueError) as refused:
            plot_images(np.zeros(shape))
        assert str(refused.value) == (
            "Expected images of shape (images, height, width, 1 or 3), at least one. "
            f"Received: {shape}. {BATCH}"
        )

    def test_not_one_title_an_image(self):
        message = r"Expected one title an image \(3\), or none. Received: list \[.a., .b.\]"
        with pytest.raises(ValueError, match=message):
            plot_images(GREY, ["a", "b"])


class TestPlotMatrix:
    @pytest.mark.parametrize("side", [3, 20])
    def test_long_numbers_fill_their_squares(self, side):
        picture = plot_matrix(np.full((side, side), 1234.5))
        picture.figure.draw_without_rendering()
        (ax,) = picture.axes
        left, right = ax.transData.transform([(0, 0), (1, 0)])[:, 0]
        widths = [text.get_window_extent().width for text in ax.texts]
        assert 0.6 * (right - left) < max(widths) < 0.9 * (right - left)

    def test_every_number_stands_in_its_square(self):
        picture = plot_matrix(np.array([[0, 1.5], [-2, 255], [3, 4]]), title="kernel")
        (ax,) = picture.axes
        written = {text.get_position(): text.get_text() for text in ax.texts}
        assert written == {
            (0, 0): "0", (1, 0): "1.5", (0, 1): "-2", (1, 1): "255", (0, 2): "3", (1, 2): "4",
        }  # fmt: skip
        assert picture.description == "kernel. 3 by 2 numbers: 0 1.5; -2 255; 3 4."

    def test_numbers_can_be_read_on_dark_and_on_bright_squares(self):
        (ax,) = plot_matrix(np.array([[0, 255]])).axes
        assert [text.get_color() for text in ax.texts] == ["white", "black"]
        (ax,) = plot_matrix(np.array([[0, 1]]), cmap="Reds").axes
        assert [text.get_color() for text in ax.texts] == ["black", "white"]

    @pytest.mark.parametrize("cmap", ["gray", "Blues", "Reds", "viridis", "coolwarm"])
    def test_every_number_can_be_read(self, cmap):
        """WCAG 2.2 asks for a contrast of 4.5 for text."""
        shares = np.linspace(0, 1, 144).reshape(12, 12)
        (ax,) = plot_matrix(shares, cmap=cmap).axes
        colours = matplotlib.colormaps[cmap](shares)
        for text in ax.texts:
            column, row = text.get_position()
            assert contrast(text.get_color(), colours[row, column, :3]) >= 4.5

    def test_a_line_stands_on_every_edge(self):
        pixels = pixels_of(plot_matrix(np.full((3, 4), 5), cmap="Blues")).astype(int)
        (left, right), (top, bottom) = (np.flatnonzero(line < 200)[[0, -1]] for line in (
            pixels[pixels.shape[0] // 2, :, 0], pixels[:, pixels.shape[1] // 2, 0]
        ))  # fmt: skip
        assert right - left > 0.8 * pixels.shape[1]
        assert bottom - top > 0.7 * pixels.shape[0]

    def test_numbers_that_are_none_and_long_ones(self):
        matrix = np.array([[np.nan, np.inf], [1 / 9, 1_234_567]])
        picture = plot_matrix(matrix)
        assert picture.description == "2 by 2 numbers: nan inf; 0.111 1,234,567."
        picture.figure.draw_without_rendering()
        (ax,) = picture.axes
        side = ax.get_window_extent().width / 2
        assert all(text.get_window_extent().width < side for text in ax.texts)
        assert {text.get_color() for text in ax.texts[:2]} == {"black"}, "on white"

    @pytest.mark.parametrize("matrix", [None, "x", [["a"]], [[1], [1, 2]]])
    def test_not_numbers(self, matrix):
        with pytest.raises(UsageError, match="Expected numbers as a matrix"):
            plot_matrix(matrix)

    @pytest.mark.parametrize("cmap", ["grau", ["gray"], matplotlib.colormaps["gray"], None])
    def test_colours_of_no_name(self, cmap):
        with pytest.raises(UsageError, match="Expected colours that matplotlib knows"):
            plot_matrix(np.eye(2), cmap=cmap)

    @pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (31, 2), (2, 31), (0, 2)])
    def test_not_a_small_matrix(self, shape):
        with pytest.raises(ValueError) as refused:
            plot_matrix(np.zeros(shape))
        message = str(refused.value)
        assert "Expected a matrix (rows, columns) of at most 30 x 30." in message
        assert f"Received: shape {shape}. Cut a piece out with matrix[:10, :10]." in message

    def test_the_largest(self):
        assert len(plot_matrix(np.zeros((30, 30))).axes[0].texts) == 900


class TestPlotFeatureMaps:
    def test_one_grey_image_a_channel(self):
        maps = RANDOM.random((4, 5, 6)).astype(np.float32)
        maps[..., 2] = 0
        picture = plot_feature_maps(maps, columns=4)
        for number, ax in enumerate(picture.axes[:6]):
            np.testing.assert_array_equal(shown_image(ax), maps[..., number])
        assert not any(ax.images for ax in picture.axes[6:])
        assert picture.description == (
            "6 feature maps of 4 by 5 places, bright where the filter answers; dark everywhere: 1."
        )

    def test_few_take_no_more_room_than_they_need(self):
        assert len(plot_feature_maps(RANDOM.random((4, 5, 2))).axes) == 2

    def test_each_is_scaled_by_itself(self):
        maps = np.stack([np.eye(3), 10 * np.eye(3)], axis=-1)
        limits = [ax.images[0].get_clim() for ax in plot_feature_maps(maps).axes[:2]]
        assert limits == [(0, 1), (0, 10)]

    def test_a_silent_map_is_black(self):
        (image,) = plot_feature_maps(np.zeros((3, 3, 1)), columns=1).axes[0].images
        assert image.norm(image.get_array()).max() == 0

    def test_the_heading(self):
        assert plot_feature_maps(np.ones((2, 2, 1)), title="conv_1").title == "conv_1"

    def test_filters_are_grey_where_they_are_0(self):
        """Scaled from its lowest to its highest weight, the first would be nearly black too."""
        filters = np.stack([np.full((3, 3), -0.3), np.array([(-1, 0, 4)] * 3)], axis=-1)
        picture = plot_feature_maps(filters, filters=True)
        assert [ax.images[0].get_clim() for ax in picture.axes[:2]] == [(-0.3, 0.3), (-4, 4)]
        assert picture.title == "2 filters"
        assert picture.description == (
            "2 filters of 3 by 3 weights, white where a weight is largest, grey where it is 0, "
            "black where it is far below."
        )

    @pytest.mark.parametrize(("value", "grey"), [(5, 1), (0.5, 1), (-5, 0)])
    def test_a_map_with_one_answer_everywhere(self, value, grey):
        (image,) = plot_feature_maps(np.full((3, 3, 1), value)).axes[0].images
        assert image.norm(image.get_array()).tolist() == [[grey] * 3] * 3

    def test_a_map_that_holds_no_numbers(self):
        assert "not finite" in plot_feature_maps(np.full((3, 3, 1), np.nan)).description

    @pytest.mark.parametrize("shape", [(64,), (3, 3), (1, 3, 3, 3), (3, 3, 0)])
    def test_no_maps(self, shape):
        with pytest.raises(UsageError, match="A dense layer's numbers have no places"):
            plot_feature_maps(np.zeros(shape))


class TestPlotHeatmaps:
    def test_the_image_above_and_with_its_heat_below(self):
        heat = RANDOM.random((3, 2, 2))
        picture = plot_heatmaps(GREY, heat, ["a", "b", "c"])
        assert [ax.get_title() for ax in picture.axes] == ["a", "b", "c", "", "", ""]
        for upper, lower, image, values in zip(
            picture.axes[:3], picture.axes[3:], GREY, heat, strict=True
        ):
            np.testing.assert_array_equal(shown_image(upper), image[..., 0])
            np.testing.assert_array_equal(shown_image(lower), image[..., 0])
            np.testing.assert_array_equal(lower.images[1].get_array(), values)
            # stretched over the whole image of 6 x 8 pixels, not a corner of it
            assert lower.images[1].get_extent() == [-0.5, 7.5, 5.5, -0.5]
            assert lower.images[1].get_clim() == (0, 1)

    def test_the_brightest_place_is_said(self):
        heat = np.zeros((3, 3, 3))
        heat[0, 0, 0] = heat[1, 1, 1] = heat[2, 2, 0] = 1
        description = plot_heatmaps(GREY, heat, ["cat\nsaid dog", "owl", "dog"]).description
        assert description.endswith("cat said dog: top left; owl: middle centre; dog: bottom left.")

    def test_it_is_said_by_the_height_and_the_width_of_the_map(self):
        heat = np.zeros((3, 2, 6))
        heat[:, 1, 5] = 1
        assert plot_heatmaps(GREY, heat, list("abc")).description.endswith(
            "a: middle right; b: middle right; c: middle right."
        )

    def test_without_titles_the_images_are_numbered(self):
        heat = np.zeros((3, 2, 2))
        heat[:, 0, 0] = 1
        description = plot_heatmaps(GREY, heat).description
        many = plot_heatmaps(np.zeros((81, 4, 4, 1), np.uint8), np.ones((81, 2, 2)))
        assert "The first 80 of 81 images" in [text.get_text() for text in many.figure.texts]
        assert description.endswith("image 1: top left; image 2: top left; image 3: top left.")

    @pytest.mark.parametrize("value", [0, 0.5, np.nan])
    def test_where_nothing_stands_out(self, value):
        description = plot_heatmaps(GREY, np.full((3, 2, 2), value), list("abc")).description
        assert description.endswith(
            "a: nothing stands out; b: nothing stands out; c: nothing stands out."
        )

    @pytest.mark.parametrize("background", [0, 255])
    def test_the_colours_are_those_that_are_spoken_of(self, background):
        """On a dark image as on a bright one: yellow for 1; the image where it is 0."""
        heat = np.concatenate([np.zeros((1, 2, 4)), np.ones((1, 2, 4))], axis=1)
        picture = plot_heatmaps(np.full((1, 8, 8, 1), background, np.uint8), heat)
        assert "from dark blue for 0 to yellow for 1" in picture.description
        pixels, box = pixels_of(picture), picture.axes[1].get_window_extent()
        scale = picture_module.DOTS_PER_INCH / picture.figure.dpi
        column = pixels[:, int(scale * (box.x0 + box.x1) / 2)]
        high = column[len(column) - int(scale * box.y0) - 12].astype(int)
        low = column[len(column) - int(scale * box.y1) + 12].astype(int)
        assert high[0] > 200 and high[1] > 200 and high[2] < 100, high
        assert abs(low.mean() - background) < 90 and low[2] > max(low[:2]), low

    def test_the_scale_has_its_numbers(self):
        picture = plot_heatmaps(GREY, RANDOM.random((3, 2, 2)))
        picture.figure.draw_without_rendering()
        assert {"0", "1"} <= set(texts_of(picture))

    @pytest.mark.parametrize(
        ("heat", "words"),
        [(np.zeros((2, 2, 2)), r"of shape \(3, rows"), (np.zeros((2, 2)), r"of shape \(3, rows"),
         (np.full((3, 2, 2), 7.5), "Received: 7.5 to 7.5"), (None, "numbers as heat maps")],
    )  # fmt: skip
    def test_not_one_map_an_image(self, heat, words):
        with pytest.raises(UsageError, match=words):
            plot_heatmaps(GREY, heat, list("abc"))

    def test_not_one_title_an_image(self):
        with pytest.raises(UsageError, match="Expected one title an image"):
            plot_heatmaps(GREY, np.zeros((3, 2, 2)), ["a"])

    def test_many_stand_in_rows_of_eight(self):
        images, heat = np.zeros((10, 4, 4, 1), np.uint8), RANDOM.random((10, 2, 2))
        picture = plot_heatmaps(images, heat, [str(number) for number in range(10)])
        assert [ax.get_title() for ax in picture.axes if ax.get_title()] == [*map(str, range(10))]
        for number in range(10):
            lower = picture.axes[16 * (number // 8) + 8 + number % 8]
            np.testing.assert_array_equal(lower.images[1].get_array(), heat[number])


# -------------------------------------------------------------------------- lines and bars


# G. M. Machado and others, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency" (2009), for those who lack one kind of cone; on linear RGB.
LACKING = {
    "none": np.eye(3),
    "long": [
        (0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ],
    "middle": [
        (0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ],
    "short": [
        (1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ],
}  # fmt: skip


def smallest_distance(colours, cones) -> float:
    """The smallest distance of two colours, in CIE Lab."""
    image = np.array([[to_rgb(colour) for colour in colours]])
    linear = np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(LACKING[cones]), 0, 1)
    xyz = seen @ np.transpose(
        [(0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750),
         (0.0193339, 0.1191920, 0.9503041)]
    ) / (0.95047, 1, 1.08883)  # fmt: skip
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)[0]
    lab = np.stack(
        [116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])],
        axis=1,
    )
    return min(np.linalg.norm(a - b) for a, b in combinations(lab, 2))


class TestColours:
    # M. Okabe and K. Ito, "Color Universal Design" (2008), without their yellow
    OKABE_ITO = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7")

    @pytest.mark.parametrize("cones", LACKING)
    def test_readers_who_lack_cones_can_tell_them_apart_as_well_as_those_of_okabe_and_ito(
        self, cones
    ):
        known = min(smallest_distance(self.OKABE_ITO, kind) for kind in LACKING)
        assert smallest_distance(picture_module.COLOURS, cones) >= known > 10

    @pytest.mark.parametrize(
        "colour", (*picture_module.COLOURS, picture_module.GREY, picture_module.FRAME)
    )
    def test_they_can_be_seen_on_white(self, colour):
        assert contrast(colour, "white") >= 3

    def test_the_contrast_is_the_one_of_wcag(self):
        assert contrast("white", "black") == 21
        assert contrast("#767676", "white") == pytest.approx(4.54, abs=0.005)  # its known example


class TestPlotLines:
    def test_values_and_words(self):
        lines = {"SGD": [2, 1, 1.5], "Adam": [3, 0.5]}
        picture = plot_lines([1, 2, 3], lines, x_label="epoch", y_label="loss", title="Two runs")
        (ax,) = picture.axes
        drawn = {
            line.get_label(): (line.get_xdata().tolist(), line.get_ydata().tolist())
            for line in ax.lines
        }
        assert drawn == {"SGD": ([1, 2, 3], [2, 1, 1.5]), "Adam": ([1, 2], [3, 0.5])}
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["SGD", "Adam"]
        assert picture.description == (
            "Two runs. loss over epoch. SGD: from 2 to 1.5, lowest 1 at epoch 2, highest 2 at "
            "epoch 1; Adam: from 3 to 0.5, lowest 0.5 at epoch 2, highest 3 at epoch 1."
        )

    def test_a_long_label_is_spoken_once(self):
        picture = plot_lines([1, 30], {"a": [1, 2]}, x_label="seconds of training", y_label="loss")
        assert picture.description == (
            "loss over seconds of training. a: from 1 to 2, lowest 1 at 1, highest 2 at 30."
        )

    def test_one_line_needs_no_legend(self):
        (ax,) = plot_lines([1], {"a": [1]}, x_label="x", y_label="y").axes
        assert ax.get_legend() is None

    @pytest.mark.parametrize("points", [5, 100], ids=["few points", "many points"])
    def test_lines_differ_in_more_than_their_colour(self, points):
        lines = {str(number): [number] * points for number in range(len(picture_module.COLOURS))}
        (ax,) = plot_lines(range(points), lines, x_label="x", y_label="y").axes
        assert len({line.get_color() for line in ax.lines}) == len(lines)
        looks = {(line.get_marker(), str(line._dash_pattern)) for line in ax.lines}
        assert len(looks) == len(lines)

    @pytest.mark.parametrize("points", [5, 100], ids=["few points", "many points"])
    def test_forty_lines_look_different(self, points):
        lines = {str(number): [number] * points for number in range(40)}
        (ax,) = plot_lines(range(points), lines, x_label="x", y_label="y").axes
        looks = {
            (line.get_color(), line.get_marker(), str(line._dash_pattern)) for line in ax.lines
        }
        assert len(looks) == 40

    def test_large_numbers_are_written_out(self):
        picture = plot_lines([1, 2], {"a": [0, 2_230_272]}, x_label="x", y_label="y")
        picture.figure.draw_without_rendering()
        axis = picture.axes[0].yaxis
        assert axis.get_offset_text().get_text() == ""
        assert "1,000,000" in [label.get_text() for label in axis.get_ticklabels()]

    @pytest.mark.parametrize(
        "values", [(1e-7, 2e-7), (1e12, 2e12), (0.1, 0.3), (-0.3, 0.3), (1e6, 1e6 + 1)]
    )
    def test_the_numbers_of_an_axis_are_where_they_say(self, values):
        picture = plot_lines([1, 2], {"a": values}, x_label="x", y_label="y")
        picture.figure.draw_without_rendering()
        axis = picture.axes[0].yaxis
        assert axis.get_offset_text().get_text() == ""
        shown = [float(label.get_text().replace(",", "")) for label in axis.get_ticklabels()]
        np.testing.assert_allclose(shown, axis.get_ticklocs(), rtol=1e-9, atol=1e-9 * values[1])
        assert len(set(shown)) == len(shown)

    @pytest.mark.parametrize(
        ("x", "lines", "words"),
        [
            ([1], {}, "Expected a dictionary with at least one name"),
            ([1], [1, 2], "Expected a dictionary with at least one name"),
            ([1], {"a": [1, 2]}, "a position for each of the 2 values of 'a'. Received: 1"),
            ({"b": [1]}, {"a": [1]}, "each of the 1 values of 'a'. Received: 0"),
            ([1], {"a": ["one"]}, "Expected numbers as the values of a"),
            ([1], {"a": 5}, "Expected numbers as the values of a"),
            ([1], {"a": [[1, 2]]}, "Expected one number after the other as the values of a"),
            ("ab", {"a": [1, 2]}, "Expected numbers as positions"),
        ],
    )
    def test_what_cannot_be_drawn(self, x, lines, words):
        with pytest.raises(UsageError, match=words):
            plot_lines(x, lines, x_label="x", y_label="y")

    @pytest.mark.parametrize("x", [[0, 1], [-1, 1], [np.nan, 1]])
    def test_a_logarithmic_axis_has_no_zero(self, x):
        with pytest.raises(UsageError, match="Expected positions above 0"):
            plot_lines(x, {"a": [1, 2]}, x_label="x", y_label="y", log_x=True)

    def test_what_is_not_a_number_leaves_a_gap_and_is_not_spoken(self):
        lines = {"diverged": [1.0, np.inf, np.nan], "never": [np.nan] * 3}
        picture = plot_lines([1, 2, 3], lines, x_label="x", y_label="y")
        assert "diverged: 1 throughout, 2 not finite" in picture.description
        assert "never: no finite values" in picture.description

    def test_a_value_that_stands_alone_is_seen(self):
        often, seldom = np.arange(40.0), np.full(40, np.nan)
        seldom[[0, 20, 21]] = 30
        lines = {"often": often, "seldom": seldom, "once": [35]}
        (ax,) = plot_lines(range(40), lines, x_label="x", y_label="y").axes
        marked = [
            np.flatnonzero(line.get_markevery()).tolist() if line.get_marker() != "None" else []
            for line in ax.lines
        ]
        assert marked == [[], [0], [0]]

    def test_lines_may_have_positions_of_their_own(self):
        lines, positions = {"slow": [1, 2], "fast": [3]}, {"slow": [10, 20], "fast": [1]}
        picture = plot_lines(positions, lines, x_label="seconds", y_label="accuracy in %")
        slow, fast = picture.axes[0].lines
        assert (list(slow.get_xdata()), list(fast.get_xdata())) == ([10, 20], [1])

    def test_a_journey_numbers_its_steps_in_order(self):
        steps = {"first": (3, 1), "second": (2, 5)}
        picture = plot_journey(steps, x_label="seconds", y_label="accuracy in %")
        (ax,) = picture.axes
        assert [text.get_text() for text in ax.texts] == ["1", "2"]
        assert "1 first: (3, 1); 2 second: (2, 5)" in picture.description

    def test_no_two_of_its_first_forty_steps_look_the_same(self):
        steps = {str(number): (number, 1) for number in range(40)}
        (ax,) = plot_journey(steps, x_label="x", y_label="y").axes
        looks = {(line.get_color(), line.get_marker()) for line in ax.lines[1:]}
        assert len(looks) == 40

    def test_a_journey_begins_at_0_so_that_small_differences_look_small(self):
        (ax,) = plot_journey({"a": (7, 80), "b": (9, 90)}, x_label="s", y_label="y").axes
        assert ax.get_xlim()[0] == 0
        (ax,) = plot_journey({"a": (-7, 80), "b": (9, 90)}, x_label="s", y_label="y").axes
        assert ax.get_xlim()[0] < -7

    @pytest.mark.parametrize("steps", [{}, [(1, 2)], {"a": 1}, {"a": (1, 2, 3)}, {"a": ("x", 1)}])
    def test_no_journey(self, steps):
        with pytest.raises(UsageError):
            plot_journey(steps, x_label="x", y_label="y")

    def test_a_step_without_numbers_is_spoken_of(self):
        picture = plot_journey({"a": (np.nan, 2), "b": (3, 1)}, x_label="x", y_label="y")
        assert "1 a: (nan, 2); 2 b: (3, 1)" in picture.description
        picture.figure.draw_without_rendering()

    def test_powers_of_ten(self):
        (ax,) = plot_lines([1, 10], {"a": [1, 2]}, x_label="x", y_label="y", log_x=True).axes
        assert ax.get_xscale() == "log"

    def test_they_are_labelled_with_few_plain_numbers(self):
        picture = plot_lines([30, 600], {"a": [1, 2]}, x_label="s", y_label="y", log_x=True)
        picture.to_html()
        shown = [label.get_text() for label in picture.axes[0].get_xticklabels(which="both")]
        assert {"50", "100", "200", "500"} <= set(shown)
        assert not [text for text in shown if text and not text.isdigit()]

    @pytest.mark.parametrize(
        ("low", "high"),
        [(1e-12, 1e-2), (1e-100, 1e100), (1, 1e4), (1e-5, 1e2), (1e-8, 1e-5), (30, 600), (30, 45),
         (2, 3), (15, 95), (150, 950), (1, 10), (9, 11), (99, 101), (5e-8, 6e-8), (1, 1e9), (7, 7)],
    )  # fmt: skip
    def test_a_logarithmic_axis_has_three_to_eight_numbers(self, low, high):
        picture = plot_lines([low, high], {"a": [1, 2]}, x_label="x", y_label="y", log_x=True)
        picture.figure.draw_without_rendering()
        (ax,) = picture.axes
        left, right = ax.get_xlim()
        shown = {
            label.get_text(): place
            for place, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
            if left <= place <= right
        }
        assert 3 <= len(shown) <= 8, shown
        for text, place in shown.items():
            assert float(text.replace(",", "")) == pytest.approx(place)
            assert re.fullmatch(r"[1-9]\d{0,2}(,\d{3})*(\.\d+)?|0\.\d+|\d(\.\d+)?e-?\d+", text)
        assert len({"e" in text for text in shown}) == 1, "all in one way"

    @pytest.mark.parametrize(("ends", "step"), [((22, 44), 5), ((300, 420), 20), ((3.1, 4.9), 0.5)])
    def test_a_short_one_has_round_numbers(self, ends, step):
        (ax,) = plot_lines(ends, {"a": [1, 2]}, x_label="x", y_label="y", log_x=True).axes
        ticks = ax.get_xticks()
        np.testing.assert_allclose(np.diff(ticks), step)
        np.testing.assert_allclose(ticks / step, np.rint(ticks / step))

    def test_powers_of_ten_are_written_as_in_the_lessons(self):
        axis = np.logspace(-12, -2, 11)
        picture = plot_lines(axis, {"a": axis}, x_label="gradient", y_label="y", log_x=True)
        picture.figure.draw_without_rendering()
        shown = [label.get_text() for label in picture.axes[0].get_xticklabels()]
        assert {"1e-10", "1e-8", "1e-6", "1e-4"} <= set(shown)

    @pytest.mark.parametrize(
        ("ends", "written"),
        [((1e-4, 1), "0.001"), ((9e-5, 1), "1e-3"), ((1, 9e8), "1,000"), ((1, 1e9), "1e3")],
    )
    def test_where_powers_of_ten_begin(self, ends, written):
        ax = Figure().subplots()
        ax.set_xscale("log")
        ax.set_xlim(ends)
        picture_module.plain_numbers(ax.xaxis)
        assert ax.xaxis.get_major_formatter()(1e3 if ends[0] == 1 else 1e-3) == written

    def test_epochs_are_whole_numbers(self):
        picture = plot_lines([1, 2], {"a": [1, 2]}, x_label="epoch", y_label="y")
        one_epoch = curves.live_curves({"loss": (2.0,), "accuracy": (0.5,)}, 1)
        for ax in (*picture.axes, *one_epoch.axes):
            ax.figure.draw_without_rendering()
            assert all(float(tick).is_integer() for tick in ax.get_xticks())

    def test_the_numbers_of_other_positions_are_not_rounded(self):
        (ax,) = plot_lines([0.5, 1.5, 4.2], {"a": [1, 2, 3]}, x_label="x", y_label="y").axes
        assert not all(float(tick).is_integer() for tick in ax.get_xticks())

    @pytest.mark.parametrize(("points", "marker"), [(30, "o"), (31, "None")])
    def test_a_few_values_have_markers(self, points, marker):
        row = range(points)
        (ax,) = plot_lines(row, {"a": row}, x_label="x", y_label="y").axes
        assert ax.lines[0].get_marker() == marker

    @pytest.mark.parametrize(("count", "inches", "rows"), [(7, 7, 2), (8, 9, 1)])
    def test_more_names_than_colours_stand_beside_the_lines(self, count, inches, rows):
        names = [f"{LONG} {number}" for number in range(count)]
        picture = plot_lines([1], dict.fromkeys(names, [1]), x_label="x", y_label="y")
        (ax,) = picture.axes
        legend = ax.get_legend()
        assert picture.figure.get_size_inches()[0] == inches
        assert {len(text.get_text().split("\n")) for text in legend.get_texts()} == {rows}
        picture.figure.draw_without_rendering()
        beside = legend.get_window_extent().x0 >= ax.get_window_extent().x1
        assert beside == (count == 8)

    def test_the_title_may_be_left_out(self):
        picture = plot_lines([1], {"a": [1]}, x_label="epoch", y_label="loss")
        assert picture.title == "loss over epoch"


class TestPlotDescent:
    def test_each_path_lies_on_the_curve(self):
        picture = plot_descent(np.square, {"small": [2, 1, 0.5], "large": [1, -2]}, x_label="w")
        for ax, path in zip(picture.axes, ([2, 1, 0.5], [1, -2]), strict=True):
            curve, steps = ax.lines
            assert steps.get_xdata().tolist() == path
            assert steps.get_ydata().tolist() == np.square(path).tolist()
            np.testing.assert_allclose(curve.get_ydata(), np.square(curve.get_xdata()))
            assert curve.get_xdata().min() < -2 < 2 < curve.get_xdata().max()
            assert (ax.get_xlabel(), ax.get_ylabel()) == ("w", "loss")
        assert [ax.get_title() for ax in picture.axes] == ["small", "large"]
        assert "small: the w goes 2, 1, 0.5; large: the w goes 1, -2." in picture.description

    def test_the_curve_reaches_a_little_beyond_the_paths_and_no_empty_axes_are_drawn(self):
        picture = plot_descent(np.square, dict.fromkeys("abcde", [0.1, 0.05]))
        assert picture.axes[0].lines[0].get_xdata().max() == pytest.approx(0.11)
        assert [ax.axison for ax in picture.axes] == [True] * 5 + [False] * 3

    @pytest.mark.parametrize("path", [[0], [np.nan], [1, np.inf], [1, 1e200]])
    def test_paths_that_lead_nowhere(self, path):
        plot_descent(np.square, {"a": path}).figure.draw_without_rendering()

    @pytest.mark.parametrize(
        ("loss", "paths", "words"),
        [
            (np.square, {}, "at least one name"),
            (np.square, {"a": []}, "at least one weight"),
            (None, {"a": [1]}, "Expected a loss that takes an array"),
            (lambda weights: 3, {"a": [1]}, "Expected a loss that takes an array"),
            (float, {"a": [1, 2]}, "Expected a loss that takes an array"),
        ],
    )
    def test_no_descent(self, loss, paths, words):
        with pytest.raises(UsageError, match=words):
            plot_descent(loss, paths)


class TestPlotBars:
    def test_values_and_words(self):
        picture = plot_bars({"cat": 1_200, "dog": 3}, x_label="images", title="Pets")
        (ax,) = picture.axes
        assert [bar.get_width() for bar in ax.patches] == [1_200, 3]
        assert [label.get_text() for label in ax.get_yticklabels()] == ["cat", "dog"]
        assert [text.get_text() for text in ax.texts] == ["1,200", "3"]
        assert ax.yaxis_inverted(), "the first is at the top"
        assert picture.description == "Pets. Bars of images: cat 1,200, dog 3."
        assert plot_bars({"a": 1}, x_label="s").description == "Bars of s: a 1."

    def test_the_numbers_can_be_written_otherwise(self):
        picture = plot_bars({"a": 0.5}, x_label="s", number_format="{:.2f} s")
        assert "a 0.50 s" in picture.description

    def test_small_numbers_are_not_written_as_0(self):
        assert "a 0.3, b 12,345, c 1e-8" in plot_bars(
            {"a": 0.3, "b": 12_345, "c": 1e-8}, x_label="s"
        ).description  # fmt: skip

    @pytest.mark.parametrize("values", [[0, 0], [0, 3], [2, 3]])
    def test_they_begin_at_0(self, values):
        (ax,) = plot_bars(dict(zip("ab", values, strict=True)), x_label="loss").axes
        left, right = ax.get_xlim()
        assert left == 0
        assert right > max(values)

    def test_negative_and_missing_values(self):
        picture = plot_bars({"a": -2, "b": np.nan, "c": np.inf, "d": 1}, x_label="s")
        assert picture.description == "Bars of s: a -2, b nan, c inf, d 1."
        assert [bar.get_width() for bar in picture.axes[0].patches] == [-2, 0, 0, 1]

    @pytest.mark.parametrize("values", [{}, [1], 5, {"a": "b"}, {"a": [1, 2]}])
    def test_no_bars(self, values):
        with pytest.raises(UsageError):
            plot_bars(values, x_label="s")

    @pytest.mark.parametrize("number_format", ["{:d}", "{} {}", "{x}", 5])
    def test_no_format_of_a_number(self, number_format):
        with pytest.raises(UsageError, match="Expected a number_format"):
            plot_bars({"a": 1}, x_label="s", number_format=number_format)

    @pytest.mark.parametrize(
        "labels", [LABELS - 1, LABELS + 9, LABELS / 2, np.eye(3)[LABELS], LABELS.astype(str)]
    )
    def test_counts_of_what_are_no_labels(self, labels):
        with pytest.raises(
            MismatchError, match="Expected (one whole number|validation labels from 0 to 2)"
        ):
            plot_class_counts(replace(SPLIT, labels=labels))

    def test_counts_of_no_split(self):
        with pytest.raises(UsageError, match="Expected a split"):
            plot_class_counts(None)

    def test_class_counts(self):
        picture = plot_class_counts(SPLIT)
        assert picture.description == (
            "Images a class, validation split. Bars of images: cat 3, dog 2, owl 1."
        )


def test_intervals_are_drawn_in_percent():
    measured = {"A": (0.5, 0.4, 0.6), "B": (0.9, 0.85, 0.925)}
    picture = plot_intervals(measured, x_label="accuracy (%)", title="Two models")
    (ax,) = picture.axes
    interval_a, point_a, interval_b, point_b = ax.lines
    assert interval_a.get_xdata() == pytest.approx([40, 60])
    assert point_a.get_xdata() == pytest.approx([50])
    assert interval_b.get_xdata() == pytest.approx([85, 92.5])
    assert point_b.get_ydata() == pytest.approx([1])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A", "B"]
    assert picture.description == (
        "Two models. A 50.0 %, from 40.0 % to 60.0 %; B 90.0 %, from 85.0 % to 92.5 %."
    )


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ({}, "at least one name"),
        ({"a": (0.5, 0.4)}, "Expected 3 numbers"),
        ({"a": None}, "Expected 3 numbers"),
        ({"a": (0.4, 0.5, 0.6)}, "the value between the other two"),
        ({"a": (90, 85, 95)}, "Expected shares from 0 to 1"),
        ({"a": (0.9, 0.8, 1.2)}, "Expected shares from 0 to 1"),
        ({"a": (0.1, -0.1, 0.2)}, "Expected shares from 0 to 1"),
        ({"a": (0.7, 0.5, 0.6)}, "the value between the other two"),
    ],
)
def test_no_intervals(measured, words):
    with pytest.raises(UsageError, match=words):
        plot_intervals(measured, x_label="accuracy (%)")


def test_intervals_that_reach_0_and_1():
    measured = {"none": (0, 0, 0.16), "all": (1, 0.84, 1)}
    assert plot_intervals(measured, x_label="recall (%)").description == (
        "recall (%). none 0.0 %, from 0.0 % to 16.0 %; all 100.0 %, from 84.0 % to 100.0 %."
    )


def test_an_interval_that_is_not_known():
    measured = {"A": (np.nan, np.nan, np.nan)}
    picture = plot_intervals(measured, x_label="recall (%)")
    assert picture.description == "recall (%). A unknown, from unknown to unknown."


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (-0.0, "0"), (1, "1"), (-3, "-3"), (0.25, "0.25"), (1 / 3, "0.333"),
     (12_500, "12,500"), (999.9, "1,000"), (0.09999, "0.1"), (1e-8, "1e-8"), (100, "100"),
     (-3.16e-7, "-3.16e-7"), (2_230_272, "2,230,272"), (4.5e12, "4.5e12"), (np.nan, "nan"),
     (-np.inf, "-inf"), (0.0001, "0.0001"), (1e-5, "1e-5"), (1e9, "1e9")],
)  # fmt: skip
def test_numbers_are_written_as_people_write_them(value, written):
    assert words_module.in_digits(value) == written


# -------------------------------------------------------------- training and its evaluation


class TestCurves:
    def test_a_run(self):
        picture = RUN.plot()
        left, right = picture.axes
        assert [line.get_ydata().tolist() for line in left.lines] == [[2, 1, 0.5], [1.8, 0.9, 1.1]]
        np.testing.assert_allclose(
            [line.get_ydata() for line in right.lines], [[25, 50, 87.5], [30, 60, 55]]
        )
        assert left.lines[0].get_xdata().tolist() == [1, 2, 3]
        assert (left.get_xlabel(), left.get_ylabel()) == ("epoch", "cross-entropy")
        assert (right.get_xlabel(), right.get_ylabel()) == ("epoch", "accuracy (%)")
        assert picture.description == (
            "Learning curves, loss and accuracy. After epoch 3 the training loss is 0.500 and "
            "the training accuracy 87.5 %; on the validation images 1.100 and 55.0 %, with the "
            "lowest loss in epoch 2."
        )

    def test_a_run_without_validation(self):
        picture = SHORT_RUN.plot()
        assert [len(ax.lines) for ax in picture.axes] == [1, 1]
        assert "validation" not in picture.description

    @pytest.mark.parametrize("history", [{}, {"loss": [2.0], "accuracy": [0.3]}])
    def test_while_it_trains_there_is_room_for_all_epochs(self, history):
        for ax in curves.live_curves(history, 10).axes:
            assert ax.get_xlim() == (0.5, 10.5)
            assert len(ax.lines) == len(history) // 2

    @pytest.mark.parametrize(
        ("metric", "label", "values"),
        [
            ("loss", "training cross-entropy", [2, 1, 0.5]),
            ("val_loss", "validation cross-entropy", [1.8, 0.9, 1.1]),
            ("accuracy", "training accuracy (%)", [25, 50, 87.5]),
            ("val_accuracy", "validation accuracy (%)", [30, 60, 55]),
        ],
    )
    def test_runs_side_by_side(self, metric, label, values):
        (ax,) = plot_runs({"Adam": RUN}, metric, title="One run").axes
        assert ax.get_ylabel() == label
        np.testing.assert_allclose(ax.lines[0].get_ydata(), values)

    def test_of_a_diverged_run_no_best_epoch_is_spoken_of(self):
        history = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy"), [np.nan, np.inf])
        picture = curves.live_curves(history, 3)
        assert "lowest" not in picture.description
        picture.figure.draw_without_rendering()

    def test_a_loss_that_ends_in_nan_has_its_lowest_before(self):
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        history = dict.fromkeys(names, (1.0, 0.5, np.nan))
        assert "with the lowest loss in epoch 2." in curves.live_curves(history, 3).description

    @pytest.mark.parametrize("history", [{"loss": np.ones(3)}, {"loss": [], "accuracy": []}])
    def test_histories_of_other_kinds(self, history):
        curves.live_curves(history, 0).figure.draw_without_rendering()

    @pytest.mark.parametrize(
        ("runs", "metric", "words"),
        [
            ({}, "val_loss", "at least one name"),
            ([RUN], "val_loss", "Expected a dictionary"),
            ({"a": RUN, "b": SHORT_RUN}, "val_loss", "'val_loss', and of b: loss, accuracy"),
            ({"a": RUN}, "learning_rate", "Received: 'learning_rate'"),
            ({"a": RUN}, ["loss", "accuracy"], "Received: \\['loss', 'accuracy'\\]"),
            ({"a": None}, "loss", "Expected a TrainingRun as a"),
        ],
    )
    def test_no_runs(self, runs, metric, words):
        with pytest.raises(UsageError, match=words):
            plot_runs(runs, metric)

    def test_runs_of_different_lengths(self):
        (ax,) = plot_runs({"short": SHORT_RUN, "long": RUN}, "loss").axes
        assert [line.get_xdata().tolist() for line in ax.lines] == [[1, 2], [1, 2, 3]]


class TestConfusion:
    def test_rows_are_the_true_classes(self, evaluation):
        (ax,) = evaluation.plot_confusion().axes
        np.testing.assert_allclose(shown_image(ax), [[2 / 3, 1 / 3, 0], [0, 1, 0], [1, 0, 0]])
        written = {text.get_position(): text.get_text() for text in ax.texts}
        # (column, row): an owl (row 2) was taken for a cat (column 0)
        assert written == {(0, 0): "2", (1, 0): "1", (1, 1): "2", (0, 2): "1"}
        for ticks in (ax.get_xticklabels(), ax.get_yticklabels()):
            assert [label.get_text() for label in ticks] == ["cat", "dog", "owl"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
        assert ax.get_title().split() == ["Confusion", "matrix,", "6", "validation", "images"]

    def test_words(self, evaluation):
        description = evaluation.plot_confusion().description
        assert description.startswith("Confusion matrix of 3 classes, 66.7 % on the diagonal.")
        _, mistakes = description.split("Most frequent mistakes: ")
        assert set(mistakes[:-1].split(", ")) == {"1 owl taken for cat", "1 cat taken for dog"}

    def test_the_most_frequent_mistakes_come_first(self):
        confusion = np.array([[9, 1, 0, 5], [4, 9, 0, 0], [0, 0, 0, 0], [0, 7, 0, 9]])
        split = Split("test", np.zeros((44, 1)), np.zeros(44, int), tuple("abcd"), "")
        description = pictures_module.plot_confusion(confusion, split).description
        assert "mistakes: 7 d taken for b, 5 a taken for d, 4 b taken for a." in description

    def test_every_number_can_be_read(self):
        """WCAG 2.2 asks for a contrast of 4.5 for text."""
        confusion = np.array([[100 - share, share] for share in range(1, 100)])
        names = tuple(map(str, range(99)))
        for start in range(0, 99, 25):
            square = np.zeros((25, 25), int)
            rows = confusion[start : start + 25]
            square[: len(rows), :2] = rows
            split = Split("test", np.zeros((1, 1)), np.zeros(1, int), names[:25], "")
            (ax,) = pictures_module.plot_confusion(square, split).axes
            colours = matplotlib.colormaps["Blues"](shown_image(ax))
            for text in ax.texts:
                column, row = text.get_position()
                assert contrast(text.get_color(), colours[row, column, :3]) >= 4.5

    def test_no_mistakes(self, perfect):
        assert "Most frequent mistakes: none." in perfect.plot_confusion().description


class TestMistakes:
    def test_the_most_confident_first(self, evaluation):
        picture = evaluation.plot_mistakes()
        titles = [ax.get_title() for ax in picture.axes if ax.get_title()]
        assert titles == ["is owl\nsaid cat\n81.2 % sure", "is cat\nsaid dog\n62.5 % sure"]
        np.testing.assert_array_equal(shown_image(picture.axes[0]), SPLIT.images[5, ..., 0])
        np.testing.assert_array_equal(shown_image(picture.axes[1]), SPLIT.images[2, ..., 0])
        assert picture.description == (
            "The most confident mistakes: is owl, said cat, 81.2 % sure; "
            "is cat, said dog, 62.5 % sure."
        )

    def test_as_many_as_asked_for(self, evaluation):
        assert "dog" not in evaluation.plot_mistakes(1).description

    @pytest.mark.parametrize("count", [0, -1, 2.5, None, 10_000])
    def test_no_such_count(self, evaluation, count):
        with pytest.raises(UsageError, match="count as a whole number from 1 to 256"):
            evaluation.plot_mistakes(count)

    def test_none_to_show(self, perfect):
        message = "Expected at least one mistake to show. Received: an evaluation with none"
        with pytest.raises(ValueError, match=message):
            perfect.plot_mistakes()


class TestCalibration:
    def test_how_sure_against_how_right(self, evaluation):
        picture = evaluation.plot_calibration(smallest_group=1)
        (ax,) = picture.axes
        diagonal, network = ax.lines
        assert np.array_equal(diagonal.get_xdata(), diagonal.get_ydata())
        np.testing.assert_allclose(network.get_xdata(), [50, 62.5, 75, 84.375])
        np.testing.assert_allclose(network.get_ydata(), [100, 0, 100, 50])
        assert ax.get_xlabel() == "how sure the network is (%)"
        assert ax.get_ylabel() == "how often it is right (%)"

    def test_groups_too_small_to_say_anything_are_not_drawn(self, evaluation):
        (ax,) = evaluation.plot_calibration(smallest_group=2).axes
        np.testing.assert_allclose(ax.lines[1].get_xdata(), [75, 84.375])

    def test_words(self, evaluation):
        assert evaluation.plot_calibration().description == (
            "How sure the network is and how often right: 50.0 % sure, 100.0 % right of 1; "
            "62.5 % sure, 0.0 % right of 1; 75.0 % sure, 100.0 % right of 2; "
            "84.4 % sure, 50.0 % right of 2."
        )
