"""Fixtures of the tests of trainings: a small dataset, an undisturbed training, a notebook."""

from __future__ import annotations

import signal
import sys
from types import SimpleNamespace

import pytest
from made_trainings import (
    bits,
    bits_of,
    go,
    random_model,
)

from helpers.training import progress
from helpers.training.checkpoints import CheckpointFolder


@pytest.fixture(autouse=True)
def interrupts():
    """As a terminal has them: where the tests run in the background, they may be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def every_step(monkeypatch):
    """Shows the bar after every step and the curves after every epoch, however short."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_UPDATES", 0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_PICTURES", 0)


@pytest.fixture
def notebook(monkeypatch, tmp_path):
    """A real IPython shell that has a kernel; gives the list of all that it displays."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # put back at the end
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.kernel = object()
    displayed = []

    def publish(data, metadata=None, *, transient=None, update=False, **rest):
        displayed.append(
            SimpleNamespace(data=data, id=(transient or {}).get("display_id"), update=update)
        )

    monkeypatch.setattr(shell.display_pub, "publish", publish)
    yield displayed
    InteractiveShell.clear_instance()


@pytest.fixture(scope="module")
def small(make_dataset):
    return make_dataset((9, 9, 1))


@pytest.fixture(scope="module")
def reference(small, tmp_path_factory) -> SimpleNamespace:
    """A training that nothing disturbed: its end, and its state after each epoch."""
    states, save = {}, CheckpointFolder.save

    def remember(self, checkpoint):
        kept = checkpoint.arrays.items()
        states[checkpoint.epoch] = bits(a for name, a in kept if not name.startswith("best"))
        save(self, checkpoint)

    model, folder = random_model(), tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CheckpointFolder, "save", remember)
        run = go(model, small, folder)
    return SimpleNamespace(run=run, states=states, end=bits_of(model), folder=folder)
