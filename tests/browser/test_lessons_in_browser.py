"""Every lesson, opened in JupyterLab in a real browser and run by "Run All Cells".

`make test-browser` runs all lessons, `make test-browser LESSONS="03 exercises/05"` some. What a
learner would see is kept in build/screenshots/, a folder a lesson.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
WANTED = tuple(os.environ.get("LESSONS", "").split()) or ("0",)
NAMES = sorted(
    path.relative_to(ROOT / "notebooks").as_posix()
    for pattern in ("*.ipynb", "exercises/*.ipynb")
    for path in ROOT.glob(f"notebooks/{pattern}")
)
LESSONS = [name for name in NAMES if name.startswith(WANTED)]
if not LESSONS:
    pytest.exit(f"No lesson's name starts with: {' '.join(WANTED)}", returncode=1)

MINUTE = 60_000  # Playwright counts milliseconds
# A lesson takes under two minutes on the bundled images, up to 15 minutes on the full-size ones.
TIME_LIMIT = 15 * MINUTE

# The notebook itself, without JupyterLab's side bars; and the part of it that scrolls.
NOTEBOOK = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook"
SCROLLING = f"{NOTEBOOK} .jp-WindowedPanel-outer, {NOTEBOOK}.jp-WindowedPanel-outer"
PROMPT = f"{NOTEBOOK} .jp-CodeCell .jp-InputPrompt"
OUTPUTS = f"{NOTEBOOK} .jp-OutputArea-output"
ERRORS = ", ".join(
    f"{NOTEBOOK} {selector}"
    for selector in (
        '[data-mime-type="application/vnd.jupyter.error"]',
        '[data-mime-type="application/vnd.jupyter.stderr"]',
        ".jupyter-widgets-error-widget",
        ".jp-RenderedHTMLCommon img.jp-mod-error",
    )
)


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


def run_all_cells(page: Page) -> None:
    """Choose Run > Run All Cells, and wait until no cell is running or waiting."""
    # The status bar says so when the kernel is there; the notebook's own light is green before.
    page.get_by_text(re.compile(r"\| Idle$")).wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    prompts = f"[...document.querySelectorAll({PROMPT!r})].map(prompt => prompt.innerText.trim())"
    # Before the run each prompt is "[ ]:"; it turns to "[*]:", then to a number. After an
    # error the rest turns back to "[ ]:".
    page.wait_for_function(f"{prompts}.some(text => text !== '[ ]:')")
    page.wait_for_function(f"{prompts}.every(text => text !== '[*]:')", timeout=TIME_LIMIT)
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    # Formulas and widgets are drawn a moment after the kernel has finished.
    page.wait_for_timeout(1_000)


def broken_images(page: Page) -> list[str]:
    """The images of the lesson, in text or output, that the browser could not show."""
    return page.evaluate(
        """notebook => [...document.querySelectorAll(notebook + " img")]
            .filter(image => !(image.complete && image.naturalWidth > 0))
            .map(image => image.outerHTML.slice(0, 200))""",
        NOTEBOOK,
    )


def keep_screenshots(page: Page, folder: Path) -> None:
    """Save the lesson from top to bottom as folder/01.png, 02.png, ..."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    scrolling = page.locator(SCROLLING).first
    height, seen_at_once = scrolling.evaluate("it => [it.scrollHeight, it.clientHeight]")
    step = int(seen_at_once * 0.95)  # a little overlap, so that no line is cut in two
    for number, top in enumerate(range(0, max(height - seen_at_once, 0) + step, step), start=1):
        scrolling.evaluate("(it, top) => it.scrollTo(0, top)", top)
        page.wait_for_timeout(150)
        page.locator(NOTEBOOK).first.screenshot(path=folder / f"{number:02}.png")
