"""Every lesson, opened in JupyterLab in a real browser and run by "Run All Cells".

`make test-browser` runs all lessons, `make test-browser LESSONS="03 exercises/05"` some. What a
learner would see is kept in build/screenshots/, a folder a lesson.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from browser.lab_page import (
    ERRORS,
    MINUTE,
    OUTPUTS,
    PROMPT,
    SCREENSHOTS,
    broken_images,
    keep_screenshots,
    run_all_cells,
)
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
WANTED = tuple(os.environ.get("LESSONS", "").split()) or ("0",)
NAMES = sorted(
    path.relative_to(ROOT / "notebooks").as_posix()
    for pattern in ("*.ipynb", "exercises/*.ipynb")
    for path in ROOT.glob(f"notebooks/{pattern}")
)
LESSONS = [name for name in NAMES if name.startswith(WANTED)]
if not LESSONS:
    pytest.exit(f"No lesson's name starts with: {' '.join(WANTED)}", returncode=1)


@pytest.fixture
def page(browser: Browser, server) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1360, "height": 1000})
    page.set_default_timeout(MINUTE)
    yield page
    page.close()
    server.shut_down_kernels()


@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson_runs_in_jupyterlab(lesson: str, page: Page, server) -> None:
    contacted = set()
    page.on("request", lambda request: contacted.add(request.url))
    page.goto(f"{server.address}/lab/tree/my_lessons/{lesson}?token={server.token}&reset")
    page.locator(PROMPT).first.wait_for()
    assert page.locator(OUTPUTS).count() == 0  # no answer stands on the page before its question
    run_all_cells(page)
    keep_screenshots(page, SCREENSHOTS / lesson.removesuffix(".ipynb"))

    assert page.locator(ERRORS).all_inner_texts() == []
    cells = nbformat.read(ROOT / "notebooks" / lesson, as_version=4).cells
    code_cells = sum(cell.cell_type == "code" for cell in cells)
    prompts = page.locator(PROMPT).all_inner_texts()
    assert prompts == [f"[{number}]:" for number in range(1, code_cells + 1)]
    assert broken_images(page) == []
    assert page.get_by_text(re.compile("(Error displaying|Loading) widget")).count() == 0
    # The lessons work with the network cable out, and so does the page around them.
    outside = [url for url in contacted if not re.match(rf"({server.address}|data:|blob:)", url)]
    assert outside == []
