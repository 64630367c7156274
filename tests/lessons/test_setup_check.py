"""The check of the set-up: what it finds, and what it tells the reader to do."""

from __future__ import annotations

import importlib.metadata
import os
from dataclasses import FrozenInstanceError
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from permissions import NOBODY, closed, ordinary_user

from helpers.datasets.load import FASHION_MNIST_FILE
from helpers.lessons import check_setup, setup_check
from helpers.models.efficientnet import PACKAGE, WEIGHTS
from helpers.torch_twin.network import INSTALL_TORCH


@pytest.fixture
def installed(monkeypatch) -> dict[str, str]:
    """The packages that seem to be installed; a test may change them."""
    versions = dict.fromkeys([*setup_check.PACKAGES, PACKAGE], "1.2.3")

    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    return versions


@pytest.fixture
def data_dir(monkeypatch, tmp_path):
    """A data folder with the bundled file and the converted weights in it."""
    for name in (FASHION_MNIST_FILE, WEIGHTS):
        (tmp_path / name).touch()
    monkeypatch.setattr(setup_check, "DATA_DIR", tmp_path)
    return tmp_path


@pytest.fixture
def a_good_python(monkeypatch):
    monkeypatch.setattr("platform.python_version", lambda: "3.12.1")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(setup_check, "usable_cores", lambda: 2)


def found(what: str) -> setup_check.Check:
    return next(check for check in check_setup().checks if check.what == what)


@pytest.mark.usefixtures("a_good_python", "data_dir")
class TestTheReport:
    @pytest.mark.usefixtures("installed")
    def test_what_was_found_cannot_be_changed(self):
        report = check_setup()
        for made in (report, report.checks[0]):
            with pytest.raises(FrozenInstanceError):
                made.checks = ()

    def test_everything_is_here(self, installed):
        installed["keras"] = "3.15.1"
        report = check_setup()
        assert report.ready
        assert repr(report).splitlines() == [
            "  Python        3.12.1",
            "  tensorflow    1.2.3",
            "  keras         3.15.1",
            "  torch         1.2.3",
            "  numpy         1.2.3",
            "  scikit-learn  1.2.3",
            "  matplotlib    1.2.3",
            "  jupyterlab    1.2.3",
            "  processor     2 cores, x86_64",
            "  images        Fashion-MNIST sample, bundled",
            "  weights       of lesson 7, converted",
            "  writing       possible in my_lessons/, scratch/ and data/",
            "  CIFAR-10      not here, and not needed",
            "",
            "Everything is here.",
        ]

    def test_what_is_missing_is_said_with_what_to_do(self, installed, data_dir):
        (data_dir / FASHION_MNIST_FILE).unlink()
        del installed["matplotlib"]
        report = check_setup()
        assert not report.ready
        to_do = repr(report).split("To do:\n")[1]
        assert all(len(line) <= 88 for line in to_do.splitlines())
        assert to_do.replace("\n    ", " ").splitlines() == [
            "  matplotlib: choose the kernel `Python 3 (image classification)` in the menu Kernel, "
            "Change Kernel; if it is still missing, install it: `make lab`, or with conda "
            "`conda env update -f environment.yml`",
            "  images: get them back with `git checkout -- data`",
        ]
        assert "lesson 1" not in repr(report)


def test_the_cpu_build_of_tensorflow_counts(installed):
    del installed["tensorflow"]
    installed["tensorflow-cpu"] = "2.21.0"
    assert found("tensorflow") == setup_check.Check("tensorflow", "2.21.0")


def test_without_pytorch_the_lessons_can_start(installed, data_dir, a_good_python):
    del installed["torch"]
    assert INSTALL_TORCH in found("torch").found
    assert all(len(line) <= 88 for line in repr(check_setup()).splitlines())
    assert "lessons 1, 4a, 7 and 8 say what they lack" in found("torch").found
    assert check_setup().ready


@pytest.mark.parametrize("missing", ["torch", PACKAGE])
def test_weights_of_lesson_7_that_cannot_be_made_are_said(
    installed, data_dir, a_good_python, missing
):
    (data_dir / WEIGHTS).unlink()
    assert found("weights").found == "of lesson 7, which converts them itself"
    assert check_setup().ready
    del installed[missing]
    report = check_setup()
    assert not report.ready
    assert "  weights       of lesson 7, missing\n" in repr(report)
    to_do = " ".join(repr(report).split("To do:\n")[1].split())
    assert to_do.startswith("weights: for lesson 7 only: copy data/efficientnet_lite0.npz from")
    assert "`make lab TORCH=yes`" in to_do


def test_cifar10_is_seen(data_dir):
    (data_dir / "cifar10").mkdir()
    assert found("CIFAR-10").found == "here"


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize("place", [".", "my_lessons", "scratch", "data", "data/prepared"])
def test_a_course_that_may_only_be_read(monkeypatch, tmp_path, place):
    course = tmp_path / "course"
    (course / "data").mkdir(parents=True)
    (course / place).mkdir(exist_ok=True)
    monkeypatch.setattr(setup_check, "DATA_DIR", course / "data")
    for folder in (course, course / "data"):
        os.chown(folder, os.geteuid() or NOBODY, -1)
    with closed(course / place), ordinary_user(reaching=course):
        check = found("writing")
    content = sorted(path.name for path in course.rglob("*"))
    assert check.found == f"not possible in {course / place}: Permission denied"
    assert check.to_do.startswith("copy the whole course into a folder that is yours")
    assert content == sorted({"data", Path(place).name} - {""})  # nothing was left there


def test_settings_of_keras_that_do_not_fit_are_said(monkeypatch):
    monkeypatch.setattr(setup_check, "keras_faults", lambda: iter(["floatx is odd: mend it."]))
    report = check_setup()
    assert not report.ready
    assert "  settings      Keras is not as it comes\n" in repr(report)
    assert repr(report).endswith("\nTo do:\n  settings: floatx is odd: mend it.")


def test_the_environment_of_these_tests_is_ready():
    assert check_setup().ready
