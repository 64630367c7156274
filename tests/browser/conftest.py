"""What the browser tests share: a JupyterLab server on a copy of the course, and Chromium."""

from collections.abc import Iterator

import pytest
from browser.lab_server import Server, chromium, jupyterlab
from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyterlab(tmp_path_factory.mktemp("server")) as server:
        yield server
