"""Start Chromium, and a JupyterLab server on a copy of the course."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# Nothing that phones home, and nothing that a container lacks.
BROWSER_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
# Off-screen cells are rendered too, so that a test sees all of a lesson at once.
TRACKER_SETTINGS = '{"windowingMode": "none"}'


@dataclass(frozen=True)
class Server:
    """A running JupyterLab."""

    address: str
    token: str
    folder: Path  # the copy of the course that it serves

    def shut_down_kernels(self) -> None:
        """End every kernel, so that one lesson's memory is free for the next."""
        headers = {"Authorization": f"token {self.token}"}
        for session in requests.get(f"{self.address}/api/sessions", headers=headers).json():
            requests.delete(f"{self.address}/api/sessions/{session['id']}", headers=headers)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.exit(
            "No Chromium found. Type: sudo apt install chromium fonts-noto-cjk"
            "    (macOS: brew install --cask chromium)",
            returncode=1,
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def jupyterlab(folder: Path) -> Iterator[Server]:
    """Start tools/lab.py on a copy of the course in `folder`, as a learner does the first time."""
    course = folder / "course"
    unneeded = (".git", ".venv", "build", "cifar*", ".*_cache", "__pycache__", "my_*")
    shutil.copytree(ROOT, course, ignore=shutil.ignore_patterns(*unneeded))

    settings = folder / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    (settings / "tracker.jupyterlab-settings").write_text(TRACKER_SETTINGS)
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
    }
    port, token = free_port(), secrets.token_hex(8)
    command = [sys.executable, str(course / "tools" / "lab.py"), "--no-browser"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    started = Server(f"http://127.0.0.1:{port}", token, course)
    try:
        wait_until_it_answers(started, process, log)
        yield started
        started.shut_down_kernels()
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_it_answers(server: Server, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(f"{server.address}/api", timeout=5).raise_for_status()
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    pytest.exit(f"JupyterLab did not start:\n{log.read_text()[-2000:]}", returncode=1)
