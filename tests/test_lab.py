"""The start of JupyterLab. tests/browser runs it for real."""

import importlib.util
import os
from pathlib import Path

import pytest

LAB = Path(__file__).parent.parent / "tools" / "lab.py"


@pytest.fixture
def lab():
    spec = importlib.util.spec_from_file_location("lab", LAB)
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
