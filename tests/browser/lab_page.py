"""A notebook in JupyterLab, as a browser sees it: where things are, how it is run."""

import re
import shutil
from pathlib import Path

from playwright.sync_api import Page

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
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
