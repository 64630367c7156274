"""The errors of the helpers: what kind each is, and how a notebook shows them."""

from __future__ import annotations

import re
import sys

import pytest

from helpers import CourseError
from helpers.basics import errors
from helpers.basics.errors import NotEnoughMemoryError, StorageError, UsageError, wrapped
from helpers.basics.own_words import computing_in_words

KINDS = {
    "UsageError": ValueError,
    "FolderError": ValueError,
    "MissingFileError": FileNotFoundError,
    "DamagedFileError": ValueError,
    "DownloadError": ConnectionError,
    "StorageError": OSError,
    "CheckpointError": ValueError,
    "ModelFileError": ValueError,
    "MissingPackageError": ModuleNotFoundError,
    "MismatchError": ValueError,
    "NotEnoughMemoryError": MemoryError,
    "WorkersError": ConnectionError,
}


def test_every_error_is_in_the_table_of_this_test():
    found = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert found - {"Path", "CourseError"} == set(KINDS)


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_each_is_caught_as_a_course_error_and_as_pythons_own_kind(name, kind):
    error_class = getattr(errors, name)
    assert issubclass(error_class, CourseError)
    assert issubclass(error_class, kind)
    assert str(error_class("Expected this. Received: that.")) == "Expected this. Received: that."


def test_what_fails_while_a_model_computes_is_said_once():
    with pytest.raises(NotEnoughMemoryError, match="fewer or smaller images"), computing_in_words():
        raise MemoryError
    with pytest.raises(UsageError, match="^in words already$"), computing_in_words():
        raise UsageError("in words already")


# -------------------------------------------------------------------------- long lines


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        "two\nlines and\n\nan empty one\n",
        "  a row      of a table\n   the next   one",
        "a\ttable\n\twith tabs",
        "/a/path/of/88/" + "x" * 74,
        "a-hyphen " * 9 + "a-hyphe",
        "not " + "/a/very/long/path" * 20,
    ],
)
def test_what_fits_stays_as_it_is(text):
    expected = text.replace("not /", "not\n/")  # a word that fits nowhere stays whole
    assert wrapped(text) == expected


def test_what_does_not_is_broken_between_words():
    long = "Expected one thing. Received: another, twice-told. " * 6
    lines = wrapped(f"a first line\n{long}", indent="  ").splitlines()
    assert [len(line) <= 88 for line in lines] == [True] * len(lines)
    assert lines[0] == "a first line"
    assert lines[1].startswith("Expected")
    assert all(line.startswith("  ") for line in lines[2:])
    assert all(len(line) > 75 for line in lines[1:-1])
    assert " ".join(line.strip() for line in lines[1:]) == long.strip()


# ------------------------------------------------------------------ in a shell of IPython


@pytest.fixture
def shown(monkeypatch, tmp_path, capsys):
    """Gives a function that runs a cell in a real IPython shell and says what it showed."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # put back at the end
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))

    def run(cell: str) -> list[str]:
        shell.run_cell(cell)
        return [line for line in capsys.readouterr().out.splitlines() if line]

    yield run
    InteractiveShell.clear_instance()


class TestInIPython:
    def test_an_error_of_the_helpers_shows_as_its_words_and_the_line_of_the_cell(self, shown):
        assert shown("number = 1\nfrom helpers import plot_images\nplot_images([number])") == [
            "line 3 of the cell: plot_images([number])",
            "UsageError: Expected images of shape (images, height, width, 1 or 3), at least one.",
            "Received: (1,). One image becomes a batch with image[numpy.newaxis], images[...,",
            "numpy.newaxis] gives grey ones a channel.",
        ]

    def test_of_a_function_in_the_cell_the_innermost_line_counts(self, shown):
        cell = "from helpers import plot_images\ndef draw():\n    plot_images([])\ndraw()"
        assert shown(cell)[0] == "line 3 of the cell: plot_images([])"

    def test_of_a_statement_over_several_lines_its_first_line_counts(self, shown):
        cell = 'from helpers import plot_images\nplot_images(\n    [1],\n    titles=["a"],\n)'
        assert shown(cell)[0] == "line 2 of the cell: plot_images("

    def test_what_led_to_it_is_not_shown_twice(self, shown):
        cell = (
            "from helpers.basics.errors import StorageError\ntry:\n    1 / 0\n"
            "except ZeroDivisionError as error:\n    raise StorageError('The words.') from error"
        )
        assert shown(cell)[-1] == "StorageError: The words."
        assert not any("ZeroDivisionError" in line for line in shown(cell)[1:])

    def test_other_errors_show_as_ever(self, shown):
        assert any("Traceback" in line for line in shown("1 / 0"))


def test_outside_of_a_notebook_there_is_no_line_of_a_cell():
    with pytest.raises(StorageError) as raised:
        raise StorageError("The words.")
    assert raised.value._render_traceback_() == ["StorageError: The words."]


def test_a_folder_named_after_ipykernel_is_no_cell(tmp_path):
    path = tmp_path / "course_with_ipykernel" / "module.py"
    source = compile("raise error", str(path), "exec")
    error = UsageError("The words.")
    with pytest.raises(UsageError):
        exec(source, {"error": error})
    assert error._render_traceback_() == ["UsageError: The words."]


def test_a_class_of_pytorch_is_told_from_that_of_keras():
    import torch

    class Own(torch.nn.Module):
        pass

    assert errors.kind_of(torch.nn.Sequential()) == "PyTorch Sequential"
    assert errors.kind_of(Own()) == "PyTorch Own"
    assert errors.kind_of(torch.zeros(1)) == "PyTorch Tensor"
    assert errors.kind_of([]) == "list"


# ------------------------------------------------------------------- in a real kernel


def test_a_real_kernel_sends_few_lines_with_the_class_and_the_whole_message(tmp_path):
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        sent = []
        client.execute_interactive(
            "from helpers import plot_images\n\nplot_images(\n    [1],\n)",
            output_hook=lambda message: sent.append((message["msg_type"], message["content"])),
            timeout=60,
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    (error,) = [content for kind, content in sent if kind == "error"]
    assert error["ename"] == "UsageError"
    words = (
        "Expected images of shape (images, height, width, 1 or 3), at least one. "
        "Received: (1,). One image becomes a batch with image[numpy.newaxis], images[..., "
        "numpy.newaxis] gives grey ones a channel."
    )
    assert error["evalue"] == words
    assert "\n".join(error["traceback"]).splitlines() == [
        "line 3 of the cell: plot_images(",
        "",
        "UsageError: Expected images of shape (images, height, width, 1 or 3), at least one.",
        "Received: (1,). One image becomes a batch with image[numpy.newaxis], images[...,",
        "numpy.newaxis] gives grey ones a channel.",
    ]
    assert not re.search(r"site-packages|\.py", "".join(error["traceback"]))
