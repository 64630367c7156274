"""The page of `write_page` in a real browser: the answers of `predict`, from files of all kinds."""

import io
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from browser.lab_page import MINUTE, SCREENSHOTS
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from helpers import exports, predict
from helpers.exports import write_page
from helpers.models.trained_on import TrainedOn, note_trained_on

NAMES = ("가방 🐱", "<b>boot</b>", "$coat", "dress")
ANSWERS = "#answers > li"


LONG = ("Pterocarpus_santalinus_leaf_underside_with_rust_disease", "חֲתוּל & <b>", "고양이")


def network(
    shape: tuple[int, int, int], fit: str, pixels: tuple[float, float], names: tuple = NAMES
) -> keras.Model:
    """One that answers every pixel: a wrong one moves a probability."""
    keras.utils.set_random_seed(3)
    scale = [keras.layers.Rescaling(1 / 255)] if pixels == (0.0, 255.0) else []
    model = keras.Sequential(
        [keras.Input(shape), *scale, keras.layers.Conv2D(8, 3, activation="relu"),
         keras.layers.Flatten(), keras.layers.Dense(len(names))]
    )  # fmt: skip
    note_trained_on(model, TrainedOn(names, shape, fit, pixels))
    return model


def photos(folder: Path) -> list[Path]:
    """Forty of many sizes, JPEG and PNG, in all eight orientations, one of twelve megapixels."""
    folder.mkdir()
    random, paths = np.random.default_rng(0), []
    for number in range(40):
        size = (4000, 3000) if number == 39 else tuple(random.integers(20, 1300, 2).tolist())
        coarse = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        exif = Image.Exif()
        exif[0x0112] = 1 + number % 8
        kind = "PNG" if number % 4 == 3 else "JPEG"
        path = folder / f"{number:02}.{kind.lower()}"
        image.save(path, kind, exif=exif)
        paths.append(path)
    through = Image.fromarray(random.integers(0, 256, (50, 70, 4), dtype=np.uint8))
    through.save(folder / "through.png")
    return [*paths, folder / "through.png"]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    return photos(tmp_path_factory.mktemp("photos") / "new")


@pytest.fixture
def page(browser: Browser):
    context = browser.new_context(viewport={"width": 900, "height": 1000})
    context.set_offline(True)
    page = context.new_page()
    page.set_default_timeout(MINUTE)
    # Playwright watches for the file dialogue from the first listener on, a little after it is
    # added: one that is added with the key press comes too late in one of ten.
    page.on("filechooser", lambda _: None)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield page
    allowed = ("file:", "blob:", "data:")
    assert [address for address in asked if not address.startswith(allowed)] == []
    context.close()


def opened(page: Page, model: keras.Model, folder: Path, **options: object) -> None:
    shape = model.input_shape[1:]
    images = np.random.default_rng(1).integers(0, 256, (20, *shape), dtype=np.uint8)
    black, white = options.pop("pixels", (0.0, 255.0))
    given = images if white == 255 else (black + images / 255 * (white - black)).astype("float32")
    path = write_page(model, folder / "page.html", given, **options)
    page.goto(path.as_uri())
    expect(page.locator("#status")).to_have_text("Ready.", timeout=MINUTE)


def shares(page: Page, number: int) -> dict[str, float]:
    item = page.locator(ANSWERS).nth(number)
    labels, numbers = item.locator("th").all_inner_texts(), item.locator("td.share")
    return {
        label: float(text.removesuffix(" %"))
        for label, text in zip(labels, numbers.all_inner_texts(), strict=True)
    }


@pytest.mark.parametrize(
    ("shape", "fit", "pixels"),
    [
        ((32, 32, 3), "squeeze", (0.0, 255.0)),
        ((28, 28, 1), "squeeze", (0.0, 255.0)),
        ((40, 24, 3), "crop", (0.0, 255.0)),
        ((24, 41, 3), "pad", (-1.0, 1.0)),
    ],
)
def test_the_answers_are_those_of_predict(page, files, tmp_path, shape, fit, pixels):
    model = network(shape, fit, pixels)
    opened(page, model, tmp_path, pixels=pixels)
    page.set_input_files("#files", files)
    expect(page.locator(ANSWERS)).to_have_count(len(files), timeout=MINUTE)
    answer = predict(model, files)
    for number, best in enumerate(answer.top(len(NAMES))):
        shown = shares(page, number)
        assert [*shown] == [name for name, _ in best], files[number]
        for name, share in best:
            assert shown[name] == pytest.approx(100 * share, abs=0.1), files[number]


def test_what_is_no_picture_clears_the_old_answer_and_is_said(page, files, tmp_path):
    opened(page, network((32, 32, 3), "squeeze", (0.0, 255.0)), tmp_path, least_confidence=0.0)
    page.set_input_files("#files", files[:1])
    expect(page.locator(ANSWERS)).to_have_count(1)
    (tmp_path / "notes & <b>.txt").write_text("words")
    (tmp_path / "half.png").write_bytes(files[3].read_bytes()[:100])
    page.set_input_files("#files", [tmp_path / "notes & <b>.txt", tmp_path / "half.png", files[1]])
    expect(page.locator("#status")).to_contain_text("01.jpeg", timeout=MINUTE)
    texts = page.locator(ANSWERS).all_inner_texts()
    assert texts[0].startswith("notes & <b>.txt: this is no picture")
    assert texts[1].startswith("half.png: this is no picture")
    assert "01.jpeg" in texts[2]
    assert len(texts) == 3


def test_none_of_these_names_and_the_words_for_screen_readers(page, files, tmp_path):
    model = network((32, 32, 3), "squeeze", (0.0, 255.0))
    opened(page, model, tmp_path, least_confidence=1.0, title="Mine & <b>yours</b>")
    assert page.title() == page.locator("h1").inner_text() == "Mine & <b>yours</b>"
    page.set_input_files("#files", files[:4])
    expect(page.locator(ANSWERS)).to_have_count(4)
    assert set(page.locator("h2").all_inner_texts()) == {"none of these"}
    said = "\u206800.jpeg\u2069: none of these. \u206801.jpeg\u2069: none"
    expect(page.locator("#status")).to_contain_text(said)
    expect(page.locator("#status")).to_contain_text("And 1 more.")
    assert {*shares(page, 0)} == {*NAMES}
    assert page.locator("img").first.get_attribute("alt") == "The photo 00.jpeg"


def test_long_and_foreign_names_on_a_telephone(page, tmp_path):
    model = network((32, 32, 3), "squeeze", (0.0, 255.0), LONG)
    opened(page, model, tmp_path, least_confidence=0.0)
    photo = tmp_path / "481234567_1234567890123456_1234567890123456789_1234567890_n.png"
    Image.new("RGB", (40, 30), "red").save(photo)
    page.set_viewport_size({"width": 320, "height": 640})
    page.set_input_files("#files", [photo])
    expect(page.locator(ANSWERS)).to_have_count(1)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
    assert page.locator("footer bdi").all_inner_texts() == [*LONG]
    assert {*page.locator("th").evaluate_all("all => all.map(one => one.dir)")} == {"auto"}


def test_what_was_dropped_without_a_file_is_said(page, tmp_path):
    """A picture that is dragged out of another page comes as its address."""
    opened(page, network((32, 32, 3), "squeeze", (0.0, 255.0)), tmp_path)
    empty = page.evaluate_handle("() => new DataTransfer()")
    page.dispatch_event("#drop", "drop", {"dataTransfer": empty})
    expect(page.locator("#status")).to_contain_text("No photo came with this.")


def test_why_it_cannot_run_stays_on_the_page(page, tmp_path):
    path = tmp_path / "page.html"
    model = network((32, 32, 3), "squeeze", (0.0, 255.0))
    write_page(model, path, np.zeros((4, 32, 32, 3), np.uint8))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("DecompressionStream", "Missing"), encoding="utf-8")
    page.goto(path.as_uri())
    expect(page.locator("#status")).to_contain_text("This browser cannot run the page.")
    empty = page.evaluate_handle("() => new DataTransfer()")
    page.dispatch_event("#drop", "drop", {"dataTransfer": empty})
    expect(page.locator("#status")).to_contain_text("This browser cannot run the page.")
    path.write_text(text.replace("async function unpacked", "async ! unpacked"), encoding="utf-8")
    page.goto(path.as_uri())  # as where the whole program cannot be read
    expect(page.locator("#status")).to_contain_text("This browser cannot run the page.")


def test_the_keyboard_alone_and_a_telephone(page, files, tmp_path):
    opened(page, network((32, 32, 3), "squeeze", (0.0, 255.0)), tmp_path)
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") == "files"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(files[:2])
    expect(page.locator(ANSWERS)).to_have_count(2)
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "page.png", full_page=True)


def test_a_photo_that_is_dropped(page, tmp_path):
    opened(page, network((32, 32, 3), "squeeze", (0.0, 255.0)), tmp_path)
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, "PNG")
    dropped = page.evaluate_handle(
        """bytes => {
            const given = new DataTransfer();
            given.items.add(new File([new Uint8Array(bytes)], "red.png", { type: "image/png" }));
            return given;
        }""",
        list(file.getvalue()),
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    expect(page.locator("p.file")).to_have_text("red.png")


@pytest.mark.parametrize("numbers", [[1, 0.5, 0], [0, 0, 0], [1, 1, 0.2]])
def test_sigmoids_that_were_rounded_to_0_or_1_are_probabilities_too(page, numbers):
    template = (Path(exports.__file__).parent / "page.html").read_text(encoding="utf-8")
    function = re.search(r"function probabilitiesOf.*?\n}\n", template, re.DOTALL)[0]
    script = f"const facts = {{gives: 'sigmoids'}}; {function} return probabilitiesOf(numbers);"
    shares = page.evaluate(f"numbers => {{ {script} }}", numbers)
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
