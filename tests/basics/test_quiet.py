"""Starting TensorFlow: its log is hidden, nothing else is; oneDNN is on; Keras' settings fit."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

import helpers
from helpers import CourseError, build_cnn, quiet_tensorflow
from helpers.basics import quiet
from helpers.basics.errors import UsageError
from helpers.lessons import check_setup


@pytest.fixture(autouse=True)
def not_yet_imported(monkeypatch, tmp_path):
    """As in a fresh kernel, with no settings of Keras that somebody made."""
    for name in ("tensorflow", "keras"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in quiet.IN_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))


def log_from_c(text: bytes) -> None:
    """Writes as C++ code does: to the descriptor, past sys.stderr."""
    os.write(2, text)


def test_what_is_logged_inside_is_hidden_and_outside_is_shown(capfd):
    log_from_c(b"before ")
    with quiet_tensorflow():
        log_from_c(b"inside ")
    log_from_c(b"after")
    assert capfd.readouterr() == ("", "before after")


def test_what_python_wrote_before_is_not_swallowed(capfd, monkeypatch):
    with open(2, "w", closefd=False) as buffered:
        monkeypatch.setattr(sys, "stderr", buffered)
        buffered.write("not flushed yet")
        with quiet_tensorflow():
            buffered.flush()
    assert capfd.readouterr().err == "not flushed yet"


def test_printed_output_is_left_alone(capfd):
    with quiet_tensorflow():
        print("shown", flush=True)
    assert capfd.readouterr().out == "shown\n"


@pytest.mark.parametrize("error", [ImportError("no keras"), KeyboardInterrupt()])
def test_where_the_import_fails_the_log_is_shown_after_all(capfd, error):
    with pytest.raises(type(error)) as raised, quiet_tensorflow():
        log_from_c(b"the reason")
        raise error
    assert raised.value is error
    assert capfd.readouterr().err == "the reason"


def test_it_can_be_nested(capfd):
    with quiet_tensorflow():
        with quiet_tensorflow():
            log_from_c(b"inner")
        log_from_c(b"outer")
    log_from_c(b"after")
    assert capfd.readouterr().err == "after"


def test_two_threads_have_the_error_stream_back_in_the_end(capfd):
    second_is_in = threading.Event()

    def second() -> None:
        with quiet_tensorflow():
            second_is_in.set()
            log_from_c(b"second")

    thread = threading.Thread(target=second)
    with quiet_tensorflow():
        thread.start()
        assert not second_is_in.wait(0.2)  # it waits for the error stream
        log_from_c(b"first")
    thread.join()
    assert second_is_in.is_set()
    log_from_c(b"after")
    assert capfd.readouterr().err == "after"


def test_a_thread_whose_import_fails_gives_it_back_too(capfd):
    def fail() -> None:
        with contextlib.suppress(ImportError), quiet_tensorflow():
            log_from_c(b"the reason ")
            raise ImportError

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log_from_c(b"after")
    assert capfd.readouterr().err == "the reason " * 4 + "after"


def test_once_tensorflow_is_there_nothing_is_hidden(capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    with quiet_tensorflow():
        log_from_c(b"shown")
    assert capfd.readouterr().err == "shown"


def test_a_closed_error_stream_is_none(monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    with quiet_tensorflow():
        pass


def test_without_a_folder_for_temporary_files(capfd, monkeypatch):
    def none(*arguments, **options):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", none)
    with quiet_tensorflow():
        os.write(2, b"log\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_without_an_error_stream_nothing_has_to_be_hidden(monkeypatch):
    """As in a program without a terminal on Windows."""
    monkeypatch.setattr(sys, "stderr", None)
    with quiet_tensorflow():
        pass


def test_no_descriptor_is_left_open():
    def open_descriptors() -> int:
        return sum(1 for _ in Path("/dev/fd").iterdir())

    before = open_descriptors()
    for _ in range(5):
        with quiet_tensorflow():
            pass
    with pytest.raises(ValueError), quiet_tensorflow():
        raise ValueError
    assert open_descriptors() == before


def test_the_log_level_is_set_unless_the_user_chose_one(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with quiet_tensorflow():
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    with quiet_tensorflow():
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"


COURSE_IN_SHORT = """
import numpy as np
from helpers import (ImageDataset, Split, build_cnn, evaluate, feature_maps, grad_cam, train)
images, labels, names = np.zeros((8, 18, 18, 1), np.uint8), np.arange(8) % 2, ("a", "b")
splits = [Split(name, images, labels, names, "zeros") for name in ("train", "validation", "test")]
dataset = ImageDataset("zeros", *splits, names, (18, 18, 1), "zeros")
model = build_cnn(dataset)
train(model, dataset, epochs=1, progress=False)
evaluate(model, dataset.test)
grad_cam(model, images[0], "conv_3")
try:
    import torch
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
except ImportError:
    pass
print("done")
"""


@pytest.mark.slow
def test_a_whole_lesson_logs_nothing():
    """From a fresh start, with TensorFlow's own settings.

    Then an optimizer of PyTorch is made: with PyTorch from the usual place, on Linux, that ended
    Python.
    """
    environment = {name: v for name, v in os.environ.items() if not name.startswith("TF_")}
    finished = subprocess.run(
        [sys.executable, "-c", COURSE_IN_SHORT],
        cwd=Path(helpers.__file__).parent.parent, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert finished.stdout == "done\n"
    assert finished.stderr == ""


class TestOneDNN:
    @pytest.mark.parametrize("machine", ["x86_64", "AMD64"])
    def test_it_is_turned_on_where_the_processor_knows_it(self, monkeypatch, machine):
        monkeypatch.setattr("platform.machine", lambda: machine)
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
        with quiet_tensorflow():
            assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"

    def test_what_the_user_set_stays(self, monkeypatch):
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
        with quiet_tensorflow():
            assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0"

    def test_other_processors_are_left_alone(self, monkeypatch):
        monkeypatch.setattr("platform.machine", lambda: "arm64")
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
        with quiet_tensorflow():
            assert "TF_ENABLE_ONEDNN_OPTS" not in os.environ


class TestKerasSettings:
    """What Keras is set to, in its file and in the environment, before it is imported."""

    def file(self, tmp_path, content) -> None:
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        (tmp_path / "keras.json").write_bytes(content)

    def refused(self) -> str:
        with pytest.raises(UsageError) as raised, quiet_tensorflow():
            pytest.fail("begun")
        words, *faults = str(raised.value).splitlines()
        assert words == (
            "Expected Keras with its own settings. Received: others, with which the course does "
            "not work."
        )
        shown = repr(check_setup())
        assert all(" ".join(fault.split()) in " ".join(shown.split()) for fault in faults)
        assert not check_setup().ready
        return "\n".join(faults)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("backend", value) for value in ("jax", "torch", "numpy", "openvino", "theano", "")),
            *(("backend", value) for value in (None, 3, ["tensorflow"], "TensorFlow")),
            ("image_data_format", "channels_first"),
            *(("floatx", value) for value in ("float16", "bfloat16", "mixed_float16", 32)),
            ("nnx_enabled", True),
        ],
    )
    def test_in_the_file(self, tmp_path, name, value):
        self.file(tmp_path, {"epsilon": 1e-7, name: value})
        path = tmp_path / "keras.json"
        assert self.refused() == (
            f"{name} is {value!r} instead of {quiet.IN_FILE[name][0]!r} in {path}: delete that "
            "file, Keras makes a new one. Restart the kernel."
        )

    def test_all_of_them_at_once(self, tmp_path, monkeypatch):
        self.file(tmp_path, {"floatx": "float16", "image_data_format": "channels_first"})
        monkeypatch.setenv("KERAS_MAX_EPOCHS", "3")
        said = self.refused()
        assert all(name in said for name in ("floatx", "image_data_format", "KERAS_MAX_EPOCHS"))

    @pytest.mark.parametrize("content", [[], "jax", 3, None, {"epsilon": 1}, {"epsilon": "x"}])
    def test_what_keras_cannot_read_as_settings(self, tmp_path, content):
        self.file(tmp_path, content)
        assert self.refused().startswith(f"What is no setting of Keras in {tmp_path}")

    def test_a_folder_in_its_place(self, tmp_path):
        (tmp_path / "keras.json").mkdir()
        assert self.refused().startswith("What cannot be read (Is a directory) in ")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("KERAS_BACKEND", value) for value in ("jax", "torch", "theano", "TensorFlow")),
            ("KERAS_NNX_ENABLED", "True"),
            *(("KERAS_MAX_EPOCHS", value) for value in ("1", "x", "")),
            ("KERAS_MAX_STEPS_PER_EPOCH", "5"),
        ],
    )
    def test_in_the_environment(self, monkeypatch, name, value):
        monkeypatch.setenv(name, value)
        assert self.refused() == (
            f"The environment variable {name} is {value!r}: remove it where it is set, then start "
            "JupyterLab again."
        )

    @pytest.mark.parametrize(
        "content",
        [
            {},
            {"floatx": "float32", "epsilon": 1e-7, "backend": "tensorflow"},
            {"image_data_format": "channels_last", "floatx": "float64", "mine": 1},
            b"{not whole",  # these two Keras passes over itself
            b"\xff\xfe",
            b"",
        ],
    )
    def test_what_fits(self, tmp_path, content):
        self.file(tmp_path, content)
        with quiet_tensorflow():
            pass

    def test_the_environment_counts_over_the_file(self, tmp_path, monkeypatch):
        self.file(tmp_path, {"backend": "jax"})
        monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
        with quiet_tensorflow():
            pass

    def test_without_the_setting_the_file_lies_in_the_home_folder(self, tmp_path, monkeypatch):
        monkeypatch.delenv("KERAS_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / ".keras").mkdir()
        self.file(tmp_path / ".keras", {"floatx": "float16"})
        assert str(tmp_path / ".keras" / "keras.json") in self.refused()

    def test_where_nothing_may_be_written_at_home(self, monkeypatch):
        """Keras then takes another folder, but for one that it was told."""
        monkeypatch.setattr(os, "access", lambda *given: False)
        monkeypatch.setenv("KERAS_HOME", "/there")
        assert quiet._keras_file() == Path("/there/keras.json")
        monkeypatch.delenv("KERAS_HOME")
        assert quiet._keras_file() == Path("/tmp/.keras/keras.json")

    def test_a_user_without_a_home(self, monkeypatch):
        monkeypatch.delenv("KERAS_HOME")
        monkeypatch.delenv("HOME")
        monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # as for a number in a container
        with quiet_tensorflow():
            pass

    @pytest.mark.parametrize(
        ("name", "value", "usual"),
        [
            ("floatx", "float16", "float32"),
            ("dtype_policy", "float16", "float32"),
            ("image_data_format", "channels_first", "channels_last"),
            ("max_epochs", 3, None),
            ("max_steps_per_epoch", 3, None),
        ],
    )
    def test_once_it_is_imported_it_is_asked_itself(self, monkeypatch, dataset, name, value, usual):
        monkeypatch.undo()  # it is imported
        import keras

        change = getattr(keras.config, f"set_{name}")
        change(value)
        try:
            for step in (lambda: build_cnn(dataset), quiet_tensorflow().__enter__):
                with pytest.raises(CourseError, match=f"{name} is {value!r} instead of {usual!r}"):
                    step()
            assert not check_setup().ready
        finally:
            change(usual)
        with quiet_tensorflow():
            pass


class TestTriton:
    @pytest.fixture
    def fake(self, tmp_path, monkeypatch):
        (tmp_path / "triton.py").write_text("")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "triton", raising=False)
        yield
        sys.modules.pop("triton", None)

    def test_it_comes_before_tensorflow(self, fake, monkeypatch):
        monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
        with quiet_tensorflow():
            assert "triton" in sys.modules

    def test_after_tensorflow_it_is_left_alone(self, fake, monkeypatch):
        monkeypatch.setitem(sys.modules, "tensorflow", object())
        with quiet_tensorflow():
            assert "triton" not in sys.modules
