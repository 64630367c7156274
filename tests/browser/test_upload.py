"""The upload of photos, in JupyterLab in a real browser, by the keyboard and by dropping."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from browser.lab_page import ERRORS, MINUTE, PROMPT, SCREENSHOTS, run_all_cells
from made_images import encoded, photo, picture
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from helpers.widgets import upload as upload_script

MB = 1_000_000
CELL = 'from helpers.widgets import upload_photos\nupload_photos("../my_photos")'


@pytest.fixture(scope="module")
def page(browser: Browser, server) -> Iterator[Page]:
    """A notebook with the upload in its one cell, run."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(CELL)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, server.folder / "my_lessons" / "upload.ipynb")
    page = browser.new_page(viewport={"width": 1360, "height": 1000})
    page.set_default_timeout(MINUTE)
    expect.set_options(timeout=MINUTE)
    # As long as somebody listens, Playwright is in the way of the system's own dialog.
    page.on("filechooser", lambda _: None)
    page.goto(f"{server.address}/lab/tree/my_lessons/upload.ipynb?token={server.token}&reset")
    page.locator(PROMPT).first.wait_for()
    run_all_cells(page)
    yield page
    page.close()
    server.shut_down_kernels()


@pytest.fixture
def upload(page: Page) -> Locator:
    return page.get_by_role("group", name="Upload of photos")


def choose(page: Page, upload: Locator, paths: list[Path]) -> None:
    """By the keyboard."""
    button = upload.get_by_label("Photos, or a .zip")
    button.focus()
    expect(button).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(paths)


def write_class(page: Page, upload: Locator, name: str) -> None:
    upload.get_by_label("Class of the photos").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def first_row(upload: Locator, words: str) -> None:
    expect(upload.get_by_role("listitem").first).to_contain_text(words)


def phone_photo(path: Path, number: int) -> Path:
    """12 million pixels, lying on its side, some megabytes."""
    noise = np.random.default_rng(number).integers(0, 60, (3024, 4032, 3), dtype=np.uint8)
    soft = np.asarray(photo(number).resize((4032, 3024)))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(soft // 2 + noise).save(path, quality=85, exif=exif)
    return path


def test_photos_wait_until_a_class_is_named(page, upload, server, tmp_path):
    photos = [phone_photo(tmp_path / f"IMG_{number}.jpg", number) for number in (1, 2, 3)]
    assert sum(path.stat().st_size for path in photos) > 11 * MB  # more than one message may have
    choose(page, upload, photos)
    status = upload.get_by_role("status")
    expect(status).to_contain_text("Write the name of the class first. The photos wait for it.")
    write_class(page, upload, "고양이 🐱")
    expect(status).to_contain_text("So far 3 photos taken, 0 left out.")
    expect(status).to_contain_text('DATASET = "../my_photos"')
    first_row(upload, "IMG_3.jpg: taken, as 고양이 🐱/IMG_3.jpg.")
    for path in photos:
        stored = server.folder / "my_photos" / "고양이 🐱" / path.name
        assert stored.read_bytes() == path.read_bytes()


def test_what_is_no_photo_is_left_out_and_the_next_one_is_taken(page, upload, server, tmp_path):
    write_class(page, upload, "dog")
    film, text, good = (tmp_path / name for name in ("film.mp4", "text.jpg", "good.png"))
    with film.open("wb") as file:
        file.write(b"\0\0\0\x20ftypisom")
        file.truncate(500 * MB)
    text.write_text("no photo")
    good.write_bytes(encoded(picture(4)))
    choose(page, upload, [film, text, good])
    first_row(upload, "good.png: taken, as dog/good.png.")
    rows = upload.get_by_role("listitem").all_inner_texts()
    assert rows[1].startswith("text.jpg: left out. Its name ends in .jpg, but it holds no image.")
    assert rows[2].startswith("film.mp4: left out. ")
    names = [path.name for path in (server.folder / "my_photos").rglob("*.*")]
    assert "good.png" in names and not {"film.mp4", "text.jpg"} & {*names}


def test_a_zip_brings_its_classes(page, upload, server, tmp_path):
    write_class(page, upload, " ")
    packed = tmp_path / "photos.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for number, name in enumerate(("bird/1.png", "fish/1.png"), start=10):
            file.writestr(name, encoded(picture(number)))
    choose(page, upload, [packed])
    first_row(upload, "fish/1.png: taken, as fish/1.png.")
    assert (server.folder / "my_photos" / "bird" / "1.png").is_file()


def test_a_photo_can_be_dropped(page, upload, server):
    write_class(page, upload, "dog")
    content = list(encoded(picture(20)))
    dropped = page.evaluate_handle(
        """content => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(content)], "dropped.png"));
            return transfer;
        }""",
        content,
    )
    for kind in ("dragover", "drop"):
        upload.dispatch_event(kind, {"dataTransfer": dropped})
    first_row(upload, "dropped.png: taken, as dog/dropped.png.")
    stored = server.folder / "my_photos" / "dog" / "dropped.png"
    assert stored.read_bytes() == bytes(content)


def test_everything_has_a_name_for_a_screen_reader(page, upload):
    assert upload.get_by_role("textbox", name="Class of the photos").count() == 1
    assert upload.get_by_label(re.compile("Photos, or a .zip")).get_attribute("type") == "file"
    assert upload.get_by_role("status").count() == 1
    assert upload.get_by_role("list", name="What happened to each file").count() == 1
    (SCREENSHOTS / "moving").mkdir(parents=True, exist_ok=True)
    upload.screenshot(path=SCREENSHOTS / "moving" / "upload.png")


def test_jupyterlab_takes_no_key_for_its_own(page, upload):
    """With an ordinary button in focus, the letter b would add a cell."""
    cells = page.locator(".jp-CodeCell").count()
    upload.get_by_label("Class of the photos").focus()
    page.keyboard.press("Tab")
    expect(upload.get_by_label("Photos, or a .zip")).to_be_focused()
    page.keyboard.type("ab")
    assert page.locator(".jp-CodeCell").count() == cells


# A kernel that answers when the test says so, as one that is busy does.
SLOW_KERNEL = """async code => {
    const program = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const hears = [], model = {
        get: name => name === "rows" ? [] : "",
        on: (kind, hear) => { if (kind === "msg:custom") hears.push(hear); },
        off: (kind, hear) => { hears.splice(hears.indexOf(hear) >>> 0, 1); },
        send: question => window.asked.push(question),
    };
    window.asked = [];
    window.answer = ask => {
        for (const hear of [...hears]) hear({ number: asked.at(-1).number, more: false, ask });
    };
    (await import(program)).default.render({ model, el: document.body });
}"""


def test_each_photo_keeps_the_class_that_it_was_chosen_with(browser, tmp_path):
    """One whose class cannot be waits for another name, and what was chosen later does not."""
    page = browser.new_page()
    page.evaluate(SLOW_KERNEL, Path(upload_script.__file__).with_suffix(".js").read_text("utf-8"))
    classes, files = page.get_by_label("Class of the photos"), page.locator("input[type=file]")
    given = [("what/", "png"), ("bird", "png"), ("", "zip"), ("dog", "png"), ("", "jpg")]
    for name, ending in given:
        file = tmp_path / f"{name.strip('/') or 'all'}.{ending}"
        file.write_bytes(b"some bytes")
        classes.fill(name)
        files.set_input_files(file)
    asked = "() => asked.map(one => [one.name, one.class])"

    def answer(words: str) -> None:
        page.evaluate("words => answer(words)", words)

    page.wait_for_function("() => asked.length === 1")
    answer("There is no such class.")
    classes.fill("crow")
    classes.press("Enter")
    for number in (2, 3, 4, 5, 6):
        page.wait_for_function("number => asked.length === number", arg=number)
        answer("")
    assert page.evaluate(asked) == [
        ["what.png", "what/"], ["what.png", "crow"], ["bird.png", "bird"], ["all.zip", ""],
        ["dog.png", "dog"], ["all.jpg", "crow"],
    ]  # fmt: skip
    page.close()


def test_nothing_went_wrong(page):
    assert page.locator(ERRORS).all_inner_texts() == []
    assert page.get_by_text(re.compile("(Error displaying|Loading) widget")).count() == 0
