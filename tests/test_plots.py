"""The pictures: what is drawn, what is said in words, and that nothing else is touched."""

from __future__ import annotations

import base64
import configparser
import html.parser
import io
import re
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from helpers import (
    Picture,
    Split,
    TrainingRun,
    evaluate,
    plot_bars,
    plot_class_counts,
    plot_descent,
    plot_feature_maps,
    plot_heatmaps,
    plot_images,
    plot_intervals,
    plot_journey,
    plot_lines,
    plot_matrix,
    plot_runs,
    plots,
)
from helpers.errors import StorageError, UsageError

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
    "plot_descent": lambda _: plot_descent(np.square, {"small": [1, 0.5], "large": [1, -2]}),
    "plot_bars": lambda _: plot_bars({"a": 1, "b": 2}, x_label="images"),
    "plot_class_counts": lambda _: plot_class_counts(SPLIT),
    "plot_intervals": lambda _: plot_intervals({"a": (0.5, 0.4, 0.6)}, x_label="accuracy (%)"),
    "plot_run": lambda _: plots.plot_run(RUN),
    "live_curves": lambda _: plots.live_curves({}, 5),
    "plot_runs": lambda _: plot_runs({"SGD": RUN, "Adam": SHORT_RUN}, "loss"),
    "plot_confusion": lambda evaluation: plots.plot_confusion(evaluation),
    "plot_mistakes": lambda evaluation: plots.plot_mistakes(evaluation),
    "plot_calibration": lambda evaluation: plots.plot_calibration(evaluation),
}
# Those that show images or squares of numbers: no axis to label, and so no ticks.
WITHOUT_AXES = {
    "plot_images", "plot_matrix", "plot_feature_maps", "plot_heatmaps", "plot_mistakes",
}  # fmt: skip
# Those that draw on Axes they are given.
ON_GIVEN_AXES = {
    "plot_matrix": lambda _, ax: plot_matrix(np.eye(3), ax=ax),
    "plot_lines": lambda _, ax: plot_lines([1], {"a": [3]}, x_label="x", y_label="y", ax=ax),
    "plot_journey": lambda _, ax: plot_journey({"a": (1, 2)}, x_label="x", y_label="y", ax=ax),
    "plot_bars": lambda _, ax: plot_bars({"a": 1, "b": 2}, x_label="images", ax=ax),
    "plot_class_counts": lambda _, ax: plot_class_counts(SPLIT, ax=ax),
    "plot_runs": lambda _, ax: plot_runs({"SGD": RUN}, "loss", ax=ax),
    "plot_confusion": lambda evaluation, ax: plots.plot_confusion(evaluation, ax=ax),
    "plot_calibration": lambda evaluation, ax: plots.plot_calibration(evaluation, ax=ax),
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
    functions = {name for name in vars(plots) if name.startswith("plot_")} | {"live_curves"}
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

    @pytest.mark.parametrize("path", ["a.docx", "a", "", "png", ".png", None, 5])
    def test_a_file_name_that_says_no_format(self, path):
        with pytest.raises(UsageError, match="ends in .png, .svg, .pdf, .jpg, .webp or .tif"):
            BARS.save(path)

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

    @pytest.mark.parametrize("side", [16, 400])
    def test_it_is_a_png_where_an_svg_would_be_larger(self, side):
        noise = RANDOM.integers(0, 256, (2, side, side, 3), dtype=np.uint8)
        (image,) = Images(plot_images(noise).to_html()).found
        kind = "svg+xml" if side == 16 else "png"
        assert image["src"].startswith(f"data:image/{kind};base64,")

    def test_nbval_leaves_every_picture_out(self):
        sanitize = configparser.ConfigParser()
        sanitize.read(Path(__file__).parent / "nbval_sanitize.cfg")
        rule = sanitize["pictures"]
        for side in (16, 400):
            shown = plot_images(np.zeros((1, side, side, 3), np.uint8)).to_html()
            assert re.sub(rule["regex"], rule["replace"], shown) == '<img style="max-width: 100%">'

    def test_its_name_is_wrapped_where_a_page_would_break_it(self):
        shown = repr(plot_bars({"a": 1}, x_label="x", title="word " * 40))
        assert max(map(len, shown.splitlines())) <= 88
        assert shown.replace("\n", " ").endswith("word " * 39 + "word")

    def test_the_background_is_white_so_that_dark_themes_can_show_it(self):
        with matplotlib.rc_context({"figure.facecolor": "black"}):
            pixels = pixels_of(plot_bars({"a": 1}, x_label="images"))
        assert pixels[0, 0].tolist() == [255, 255, 255]


# ------------------------------------------------------------------------- images, matrices


def shown_image(ax) -> np.ndarray:
    return np.asarray(ax.images[0].get_array())


class TestPlotImages:
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

    def test_titles_and_words(self):
        picture = plot_images(COLOUR, ["cat", "dog\n9 %", "owl"], columns=2, title="Pets")
        assert [ax.get_title() for ax in picture.axes] == ["cat", "dog\n9 %", "owl", ""]
        assert picture.description == "Pets: 3 images, 2 in a row: cat, dog 9 %, owl."
        assert picture.title == "Pets"

    def test_without_titles(self):
        picture = plot_images(COLOUR)
        assert picture.title == "3 images"
        assert len(picture.axes) == 3, "no more columns than images"

    @pytest.mark.parametrize("shape", [(6, 8, 1), (3, 6, 8), (3, 6, 8, 2), (0, 6, 8, 1)])
    def test_not_a_batch_of_images(self, shape):
        with pytest.raises(ValueError) as refused:
            plot_images(np.zeros(shape))
        assert str(refused.value) == (
            "Expected images of shape (images, height, width, 1 or 3), at least one. "
            f"Received: {shape}. One image alone becomes a batch with images[:1]."
        )

    def test_not_one_title_an_image(self):
        message = r"Expected one title an image \(3\), or none. Received: 2"
        with pytest.raises(ValueError, match=message):
            plot_images(GREY, ["a", "b"])


class TestPlotMatrix:
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

    @pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (31, 2), (2, 31)])
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

    def test_each_is_scaled_by_itself(self):
        maps = np.stack([np.eye(3), 10 * np.eye(3)], axis=-1)
        limits = [ax.images[0].get_clim() for ax in plot_feature_maps(maps).axes[:2]]
        assert limits == [(0, 1), (0, 10)]

    def test_a_silent_map_is_black(self):
        (image,) = plot_feature_maps(np.zeros((3, 3, 1)), columns=1).axes[0].images
        assert image.norm(image.get_array()).max() == 0

    def test_the_heading(self):
        assert plot_feature_maps(np.ones((2, 2, 1)), title="conv_1").title == "conv_1"


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
        assert smallest_distance(plots.COLOURS, cones) >= known > 10

    @pytest.mark.parametrize("colour", (*plots.COLOURS, plots.GREY, plots.FRAME))
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

    def test_one_line_needs_no_legend(self):
        (ax,) = plot_lines([1], {"a": [1]}, x_label="x", y_label="y").axes
        assert ax.get_legend() is None

    @pytest.mark.parametrize("points", [5, 100], ids=["few points", "many points"])
    def test_lines_differ_in_more_than_their_colour(self, points):
        lines = {str(number): [number] * points for number in range(len(plots.COLOURS))}
        (ax,) = plot_lines(range(points), lines, x_label="x", y_label="y").axes
        assert len({line.get_color() for line in ax.lines}) == len(lines)
        looks = {(line.get_marker(), str(line._dash_pattern)) for line in ax.lines}
        assert len(looks) == len(lines)

    def test_what_is_not_a_number_leaves_a_gap_and_is_not_spoken(self):
        lines = {"diverged": [1.0, np.inf, np.nan], "never": [np.nan] * 3}
        picture = plot_lines([1, 2, 3], lines, x_label="x", y_label="y")
        assert "diverged: 1 throughout, 2 not finite" in picture.description
        assert "never: no finite values" in picture.description

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

    def test_powers_of_ten_are_written_as_in_the_lessons(self):
        axis = np.logspace(-12, -2, 11)
        picture = plot_lines(axis, {"a": axis}, x_label="gradient", y_label="y", log_x=True)
        picture.figure.draw_without_rendering()
        shown = [label.get_text() for label in picture.axes[0].get_xticklabels()]
        assert {"1e-10", "1e-8", "1e-6", "1e-4"} <= set(shown)

    def test_epochs_are_whole_numbers(self):
        picture = plot_lines([1, 2], {"a": [1, 2]}, x_label="epoch", y_label="y")
        picture.to_html()
        assert all(float(tick).is_integer() for tick in picture.axes[0].get_xticks())

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


# -------------------------------------------------------------- training and its evaluation


class TestCurves:
    def test_a_run(self):
        picture = plots.plot_run(RUN)
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
        picture = plots.plot_run(SHORT_RUN)
        assert [len(ax.lines) for ax in picture.axes] == [1, 1]
        assert "validation" not in picture.description

    @pytest.mark.parametrize("history", [{}, {"loss": [2.0], "accuracy": [0.3]}])
    def test_while_it_trains_there_is_room_for_all_epochs(self, history):
        for ax in plots.live_curves(history, 10).axes:
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

    def test_runs_of_different_lengths(self):
        (ax,) = plot_runs({"short": SHORT_RUN, "long": RUN}, "loss").axes
        assert [line.get_xdata().tolist() for line in ax.lines] == [[1, 2], [1, 2, 3]]


class TestConfusion:
    def test_rows_are_the_true_classes(self, evaluation):
        (ax,) = plots.plot_confusion(evaluation).axes
        np.testing.assert_allclose(shown_image(ax), [[2 / 3, 1 / 3, 0], [0, 1, 0], [1, 0, 0]])
        written = {text.get_position(): text.get_text() for text in ax.texts}
        # (column, row): an owl (row 2) was taken for a cat (column 0)
        assert written == {(0, 0): "2", (1, 0): "1", (1, 1): "2", (0, 2): "1"}
        for ticks in (ax.get_xticklabels(), ax.get_yticklabels()):
            assert [label.get_text() for label in ticks] == ["cat", "dog", "owl"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
        assert ax.get_title().split() == ["Confusion", "matrix,", "6", "validation", "images"]

    def test_words(self, evaluation):
        description = plots.plot_confusion(evaluation).description
        assert description.startswith("Confusion matrix of 3 classes, 66.7 % on the diagonal.")
        _, mistakes = description.split("Most frequent mistakes: ")
        assert set(mistakes[:-1].split(", ")) == {"1 owl taken for cat", "1 cat taken for dog"}

    def test_the_most_frequent_mistakes_come_first(self):
        confusion = np.array([[9, 1, 0, 5], [4, 9, 0, 0], [0, 0, 0, 0], [0, 7, 0, 9]])
        made_up = SimpleNamespace(
            split=Split("test", np.zeros((44, 1)), np.zeros(44, int), tuple("abcd"), ""),
            confusion=confusion, accuracy=27 / 44,
        )  # fmt: skip
        description = plots.plot_confusion(made_up).description
        assert "mistakes: 7 d taken for b, 5 a taken for d, 4 b taken for a." in description

    def test_no_mistakes(self, perfect):
        assert "Most frequent mistakes: none." in plots.plot_confusion(perfect).description


class TestMistakes:
    def test_the_most_confident_first(self, evaluation):
        picture = plots.plot_mistakes(evaluation)
        titles = [ax.get_title() for ax in picture.axes if ax.get_title()]
        assert titles == ["is owl\nsaid cat\n81.2 % sure", "is cat\nsaid dog\n62.5 % sure"]
        np.testing.assert_array_equal(shown_image(picture.axes[0]), SPLIT.images[5, ..., 0])
        np.testing.assert_array_equal(shown_image(picture.axes[1]), SPLIT.images[2, ..., 0])
        assert picture.description == (
            "The most confident mistakes: is owl, said cat, 81.2 % sure; "
            "is cat, said dog, 62.5 % sure."
        )

    def test_as_many_as_asked_for(self, evaluation):
        assert "dog" not in plots.plot_mistakes(evaluation, 1).description

    def test_none_to_show(self, perfect):
        message = "Expected at least one mistake to show. Received: an evaluation with none"
        with pytest.raises(ValueError, match=message):
            plots.plot_mistakes(perfect)


class TestCalibration:
    def test_how_sure_against_how_right(self, evaluation):
        picture = plots.plot_calibration(evaluation, smallest_group=1)
        (ax,) = picture.axes
        diagonal, network = ax.lines
        assert np.array_equal(diagonal.get_xdata(), diagonal.get_ydata())
        np.testing.assert_allclose(network.get_xdata(), [50, 62.5, 75, 84.375])
        np.testing.assert_allclose(network.get_ydata(), [100, 0, 100, 50])
        assert ax.get_xlabel() == "how sure the network is (%)"
        assert ax.get_ylabel() == "how often it is right (%)"

    def test_groups_too_small_to_say_anything_are_not_drawn(self, evaluation):
        (ax,) = plots.plot_calibration(evaluation, smallest_group=2).axes
        np.testing.assert_allclose(ax.lines[1].get_xdata(), [75, 84.375])

    def test_words(self, evaluation):
        assert plots.plot_calibration(evaluation).description == (
            "How sure the network is and how often right: 50.0 % sure, 100.0 % right of 1; "
            "62.5 % sure, 0.0 % right of 1; 75.0 % sure, 100.0 % right of 2; "
            "84.4 % sure, 50.0 % right of 2."
        )
