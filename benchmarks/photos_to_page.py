#!/usr/bin/env python3
"""Go the whole way of lesson 7 in a browser: from photos of a telephone to a page that names one.

    python benchmarks/photos_to_page.py

It starts JupyterLab on a copy of the course, with an empty folder for photos. In Chromium it
uploads sixty photos of 12 million pixels, class by class, writes DATASET, runs all cells, opens
the page from the disk without a network, and gives it a new photo. What a person reads, thinks
and photographs is not counted. Needs what `make test-browser` needs. The seconds of each part go
into benchmarks/results/photos_to_page.json.
"""

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from machine import machine, write_result
from made_photos import LARGE, telephone_photos
from playwright.sync_api import Browser, Page, expect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from browser.lab_page import ERRORS, MINUTE, NOTEBOOK, PROMPT, TIME_LIMIT
from browser.lab_server import Server, chromium, jupyterlab

CLASSES = ("bag", "boot", "dress")
EACH = 20
LESSON = "my_lessons/07_your_own_images.ipynb"
DATASET = 'DATASET = "../my_photos"'


class Stopwatch:
    """What each part took, by the clock."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 1)
        print(f"{name:40} {self.seconds[name]:6.1f} s", flush=True)


def show_upload(page: Page) -> None:
    """Run the cells down to the upload, with Shift+Enter."""
    page.locator(f"{NOTEBOOK} .jp-CodeCell .cm-content").first.click()
    upload = page.get_by_role("group", name="Upload of photos")
    for _ in range(3):  # the imports, the text, the upload
        page.keyboard.press("Shift+Enter")
    upload.wait_for()


def upload_class(page: Page, name: str, photos: list[Path], so_far: int) -> None:
    upload = page.get_by_role("group", name="Upload of photos")
    upload.get_by_label("Class of the photos").fill(name)
    upload.get_by_label("Photos, or a .zip").set_input_files(photos)
    expect(upload.get_by_role("status")).to_contain_text(
        f"So far {so_far} photos taken, 0 left out.", timeout=10 * MINUTE
    )


def write_dataset(page: Page) -> None:
    """Replace the line at the top."""
    first = page.locator(f"{NOTEBOOK} .jp-CodeCell .cm-content").first
    first.locator(".cm-line", has_text="DATASET = os.environ").click()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+End")
    page.keyboard.type(DATASET)
    expect(first.locator(".cm-line", has_text="DATASET =")).to_have_text(DATASET)


def run_lesson(page: Page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    prompts = f"[...document.querySelectorAll({PROMPT!r})].map(prompt => prompt.innerText.trim())"
    page.wait_for_function(f"{prompts}.at(-1) === '[*]:'")
    page.wait_for_function(f"{prompts}.every(text => text !== '[*]:')", timeout=TIME_LIMIT)
    if errors := page.locator(ERRORS).all_inner_texts():
        sys.exit("\n".join(["Lesson 7 failed:", *errors]))


def open_lesson(browser: Browser, server: Server) -> Page:
    page = browser.new_page(viewport={"width": 1360, "height": 1000})
    page.set_default_timeout(MINUTE)
    page.goto(f"{server.address}/lab/tree/{LESSON}?token={server.token}&reset")
    page.locator(PROMPT).first.wait_for()
    page.get_by_text(re.compile(r"\| Idle$")).wait_for()
    return page


def open_page(browser: Browser, path: Path) -> Page:
    context = browser.new_context(viewport={"width": 900, "height": 1000})
    context.set_offline(True)
    page = context.new_page()
    page.goto(path.as_uri())
    expect(page.locator("#status")).to_have_text("Ready.", timeout=MINUTE)
    return page


def ask(page: Page, photo: Path) -> str:
    page.set_input_files("#files", photo)
    expect(page.locator("#answers > li")).to_have_count(1, timeout=MINUTE)
    return page.locator("#answers h2").inner_text()


def go(folder: Path, photos: Path, new: Path) -> tuple[dict[str, float], str]:
    """The seconds of each part, and what the page says of the new photo."""
    watch = Stopwatch()
    with ExitStack() as open_until_the_end:
        browser = open_until_the_end.enter_context(chromium())
        with watch.part("start JupyterLab, open the lesson"):
            server = open_until_the_end.enter_context(jupyterlab(folder))
            page = open_lesson(browser, server)
        with watch.part("run the cells down to the upload"):
            show_upload(page)
        with watch.part("upload"):
            for number, name in enumerate(CLASSES, start=1):
                upload_class(page, name, sorted((photos / name).iterdir()), number * EACH)
        with watch.part("all cells of lesson 7"):
            write_dataset(page)
            run_lesson(page)
        with watch.part("open the page from the disk"):
            html = open_page(browser, server.folder / "scratch" / "my_page.html")
        with watch.part("answer"):
            answer = ask(html, new)
    return watch.seconds, answer


def main() -> None:
    load = os.getloadavg()[0]
    with TemporaryDirectory() as folder:
        folder = Path(folder)
        photos = telephone_photos(folder / "photos", CLASSES, EACH, LARGE)
        new = telephone_photos(folder / "new", CLASSES[-1:], 10, LARGE, seed=1)[1]
        seconds, answer = go(folder, folder / "photos", new)
        size = sum(path.stat().st_size for path in photos)
    print(f"together {sum(seconds.values()):.0f} s; a new {CLASSES[-1]}: {answer}")
    write_result(
        "photos_to_page",
        {
            "machine": machine(), "load before": round(load, 1),
            "load after": round(os.getloadavg()[0], 1),
            "photos": {"number": len(photos), "classes": CLASSES, "pixels": LARGE, "bytes": size},
            "seconds": seconds, "seconds together": round(sum(seconds.values()), 1),
            "the new photo": {"shows": CLASSES[-1], "answer": answer},
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
