"""The pictures that move, in JupyterLab in a real browser, moved by the keyboard alone."""

import re
from collections.abc import Iterator

import nbformat
import pytest
from browser.lab_page import ERRORS, MINUTE, PROMPT, SCREENSHOTS, run_all_cells
from playwright.sync_api import Browser, Locator, Page

SETUP = """
import numpy as np
from helpers import build_cnn, evaluate, load_dataset
from helpers.widgets import *
dataset = load_dataset("fashion_mnist")
diagnosis = evaluate(build_cnn(dataset, seed=0), dataset.validation)
"""
# What makes it, the keys, and what its words say before and after.
PICTURES = {
    "kernel": ("explore_kernel(dataset.train.images[25])", "kernel -1 0 1;", "kernel 0 0 1;"),
    "windows": ("explore_windows()", "Side 7,", "Side 8,"),
    "descent": ("explore_descent()", "Learning rate 0.02,", "Learning rate 0.05,"),
    "rates": ("explore_rates()", "rate 0.001:", "rate 0.003:"),
    "images": ("explore_images(dataset.train)", "10,000 of 10,000 images", "935 of 10,000 images"),
    "answers": ("explore_images(diagnosis)", "2,000 of 2,000 images", "187 of 2,000 images"),
    "threshold": ("explore_threshold(diagnosis)", "from 0.80:", "from 0.81:"),
}


@pytest.fixture(scope="module")
def page(browser: Browser, server) -> Iterator[Page]:
    """A notebook with all of them, run."""
    cells = [nbformat.v4.new_code_cell(SETUP)]
    cells += [nbformat.v4.new_code_cell(make) for make, _, _ in PICTURES.values()]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, server.folder / "my_lessons" / "moving.ipynb")
    page = browser.new_page(viewport={"width": 1360, "height": 1000})
    page.set_default_timeout(MINUTE)
    page.goto(f"{server.address}/lab/tree/my_lessons/moving.ipynb?token={server.token}&reset")
    page.locator(PROMPT).first.wait_for()
    run_all_cells(page)
    yield page
    page.close()
    server.shut_down_kernels()


def cell_of(page: Page, name: str) -> Locator:
    return page.locator(".jp-CodeCell").nth(1 + [*PICTURES].index(name))


@pytest.mark.parametrize("name", PICTURES)
def test_the_keyboard_moves_the_picture_and_its_words(name: str, page: Page) -> None:
    _, before, after = PICTURES[name]
    cell = cell_of(page, name)
    moving, still = cell.locator(".widget-html img"), cell.locator(".jp-RenderedHTML img")
    assert before in moving.get_attribute("alt")
    source, still_source = moving.get_attribute("src"), still.get_attribute("src")
    first = cell.locator(".noUi-handle, input").first
    first.focus()
    if first.evaluate("it => it.tagName") == "INPUT":  # a number
        page.keyboard.press("Control+A")
        page.keyboard.type("0")
        page.keyboard.press("Tab")
    else:
        page.keyboard.press("ArrowRight")
    cell.locator(f'.widget-html img[alt*="{after}"]').wait_for()
    assert moving.get_attribute("src") != source
    assert still.get_attribute("src") == still_source
    (SCREENSHOTS / "moving").mkdir(parents=True, exist_ok=True)
    cell.scroll_into_view_if_needed()
    cell.screenshot(path=SCREENSHOTS / "moving" / f"{name}.png")


def test_the_tab_key_reaches_every_control(page: Page) -> None:
    for name, count in {"kernel": 9 + 5, "windows": 4, "answers": 4, "threshold": 1}.items():
        cell = cell_of(page, name)
        wanted = ".noUi-handle, .widget-text input, button.widget-button"
        assert cell.locator(wanted).count() == count
        cell.locator(wanted).first.focus()
        reached = 1
        while reached < count:
            page.keyboard.press("Tab")
            inside = "(it, wanted) => it.contains(document.activeElement)"
            assert cell.evaluate(inside, wanted), name
            reached += page.evaluate("wanted => document.activeElement.matches(wanted)", wanted)


def test_the_number_fields_have_a_name_for_a_screen_reader(page: Page) -> None:
    for row in (1, 2, 3):
        for column in (1, 2, 3):
            name = f"row {row}, column {column}"
            assert cell_of(page, "kernel").get_by_role("spinbutton", name=name).count() == 1
    assert cell_of(page, "images").get_by_role("spinbutton", name="page").count() == 1


def test_the_keyboard_presses_a_button(page: Page) -> None:
    cell = cell_of(page, "kernel")
    cell.get_by_role("button", name="spots").focus()
    page.keyboard.press("Space")
    cell.locator('.widget-html img[alt*="kernel -1 -1 -1; -1 8 -1;"]').wait_for()


def test_nothing_went_wrong(page: Page) -> None:
    assert page.locator(ERRORS).all_inner_texts() == []
    assert page.get_by_text(re.compile("(Error displaying|Loading) widget")).count() == 0


def test_a_saved_page_shows_them_without_their_kernel(page: Page, server) -> None:
    page.keyboard.press("Control+S")
    page.wait_for_timeout(2_000)
    server.shut_down_kernels()
    page.goto(f"{server.address}/lab/tree/my_lessons/moving.ipynb?token={server.token}&reset")
    page.locator(PROMPT).first.wait_for()
    page.get_by_text(re.compile(r"\| Idle$")).wait_for()
    page.wait_for_timeout(2_000)
    page.screenshot(path=SCREENSHOTS / "moving" / "reopened.png")
    assert page.get_by_text(re.compile("(Error displaying|Loading) widget")).count() == 0
    assert page.locator(".widget-html img").count() == len(PICTURES)
