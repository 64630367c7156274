"""The start of JupyterLab, which copies.py gives its lessons. tests/browser opens it."""

import asyncio
import importlib.util
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from tornado.websocket import websocket_connect

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def lab():
    spec = importlib.util.spec_from_file_location("lab", ROOT / "tools" / "lab.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_home_where_nothing_may_be_written_is_replaced_and_named(
    lab, tmp_path, monkeypatch, capsys
):
    home = tmp_path / "home"
    home.write_text("a file, so that no folder can be made in it")
    monkeypatch.setenv("HOME", str(home))
    lab.make_home_writable()
    assert os.environ["HOME"] != str(home)
    assert os.access(os.environ["HOME"], os.W_OK)
    shown = capsys.readouterr().out
    assert f"Nothing may be written in your home folder {home}." in shown
    assert os.environ["HOME"] in shown


def test_a_home_that_can_be_written_stays(lab, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    lab.make_home_writable()
    assert os.environ["HOME"] == str(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("level", "line", "shown"),
    [
        (logging.WARNING, "Notebook %s is not trusted", False),
        (logging.WARNING, "The websocket_ping_timeout (90000) cannot be longer", False),
        (logging.WARNING, "404 GET /api/contents", True),
        (logging.ERROR, "Notebook %s is not trusted", True),
        (logging.CRITICAL, "To access the server, open this file in a browser", True),
    ],
)
def test_only_what_alarms_for_nothing_is_left_out_of_the_log(lab, level, line, shown):
    record = logging.LogRecord("ServerApp", level, "", 0, line, ("a",) if "%" in line else (), None)
    assert lab.is_news(record) is shown


def test_another_python_is_named_with_both_ways_to_the_right_one(lab, monkeypatch):
    monkeypatch.setitem(sys.modules, "zmq", None)
    with pytest.raises(SystemExit) as refused:
        lab.main([])
    said = str(refused.value)
    assert sys.executable in said
    assert "make lab" in said
    assert "conda activate image-classification" in said


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


ASKED = """
import shutil, sys
print(sys.executable, shutil.which("python"), shutil.which("pip"))
"""


async def answer_of_kernel(address: str) -> dict:
    """Ask a kernel which Python it runs, and which programs `!python` and `!pip` are."""
    connection = await websocket_connect(address)
    content = {"code": ASKED, "silent": False}
    header = {"msg_id": "1", "msg_type": "execute_request", "session": "s", "version": "5.3"}
    parts = {"parent_header": {}, "metadata": {}, "buffers": [], "channel": "shell"}
    await connection.write_message(json.dumps({"header": header, "content": content, **parts}))
    messages = {}
    while not messages.keys() >= {"stream", "execute_reply"}:
        message = json.loads(await asyncio.wait_for(connection.read_message(), 60))
        messages[message["msg_type"]] = message["content"]
    connection.close()
    return messages["stream"]


def test_a_lesson_with_its_kernel_leaves_the_terminal_quiet(tmp_path):
    """It is a copy without outputs, and its kernel this very Python under its own name."""
    port, lesson = free_port(), "my_lessons/00_start_here.ipynb"
    for folder in ("tools", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / "course" / folder)
    folders = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = os.environ | {f"JUPYTER_{name}": str(tmp_path / "home") for name in folders}
    environment["PATH"] = "/usr/bin:/bin"
    log = tmp_path / "terminal.txt"
    with log.open("w") as terminal:
        running = subprocess.Popen(
            [sys.executable, tmp_path / "course" / "tools" / "lab.py", "--no-browser",
             f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
             "--IdentityProvider.token=T"],
            env=environment, stdout=terminal, stderr=terminal,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}/api"
    ask = requests.Session()
    ask.headers["Authorization"] = "token T"
    ask.trust_env = False
    try:
        while running.poll() is None:
            try:
                kernels = ask.get(f"{address}/kernelspecs").json()["kernelspecs"]
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        assert kernels["python3"]["spec"]["display_name"] == "Python 3 (image classification)"
        cells = ask.get(f"{address}/contents/{lesson}").json()["content"]["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] for cell in code)
        assert all(cell["metadata"]["trusted"] for cell in code)
        kernel = ask.post(f"{address}/kernels", json={"name": "python3"}).json()["id"]
        channels = f"ws{address[4:]}/kernels/{kernel}/channels?token=T&session_id=s"
        said = asyncio.run(answer_of_kernel(channels))
        programs = [str(Path(sys.executable).with_name(name)) for name in ("python", "pip")]
        assert said["text"].split() == [sys.executable, *programs]
        shown = log.read_text()
        ask.post(f"{address}/shutdown")
        running.wait(30)
    finally:
        running.kill()
        running.wait()
    copies, rest = shown.split(".\n", maxsplit=1)
    assert copies.startswith("New in my_lessons/, without outputs: 00_start_here.ipynb,")
    assert rest == "JupyterLab starts. To stop it, press Ctrl-C here and answer y.\n"
