"""Starting TensorFlow: its log is hidden, nothing else is; oneDNN is turned on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import quiet, quiet_tensorflow


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
from helpers import ImageDataset, Split, build_cnn, evaluate, feature_maps, grad_cam, train
images, labels, names = np.zeros((8, 18, 18, 1), np.uint8), np.arange(8) % 2, ("a", "b")
splits = [Split(name, images, labels, names, "zeros") for name in ("train", "validation", "test")]
dataset = ImageDataset("zeros", *splits, names, (18, 18, 1), "zeros")
model = build_cnn(dataset)
train(model, dataset, epochs=1, progress=False)
evaluate(model, dataset.test)
grad_cam(model, images[0], "conv_3")
print("done")
"""


def test_a_whole_lesson_logs_nothing():
    """From a fresh start, with TensorFlow's own settings."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("TF_")}
    finished = subprocess.run(
        [sys.executable, "-c", COURSE_IN_SHORT],
        cwd=Path(quiet.__file__).parent.parent, env=environment, capture_output=True, text=True,
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

    def test_an_optimizer_of_pytorch_can_be_made_beside_tensorflow(self):
        """With PyTorch from the usual place, on Linux, it ended Python."""
        pytest.importorskip("torch")
        code = (
            "from helpers import quiet_tensorflow\n"
            "with quiet_tensorflow():\n"
            "    import tensorflow\n"
            "import torch\n"
            "torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
