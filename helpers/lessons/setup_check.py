"""Check that everything the lessons need is here. Used by the first notebook."""

from __future__ import annotations

import importlib.metadata
import platform
import tempfile
from dataclasses import dataclass

from helpers.basics.errors import wrapped
from helpers.basics.memory import usable_cores
from helpers.basics.quiet import keras_faults
from helpers.datasets.dataset import DATA_DIR
from helpers.datasets.load import FASHION_MNIST_FILE
from helpers.datasets.prepared import PREPARED
from helpers.models.efficientnet import PACKAGE, WEIGHTS
from helpers.torch_twin.network import INSTALL_TORCH

PACKAGES = ("tensorflow", "keras", "torch", "numpy", "scikit-learn", "matplotlib", "jupyterlab")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what, how it is, and what to do where it is not well."""

    what: str
    found: str
    to_do: str = ""


@dataclass(frozen=True)
class SetupReport:
    """Everything that was looked at. Shows itself as a table of words.

    Attributes:
        checks: one `Check` a row; one with a `to_do` needs the reader.
    """

    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing is missing that a lesson needs."""
        return not any(check.to_do for check in self.checks)

    def __repr__(self) -> str:
        rows = [
            wrapped(f"  {check.what:<14}{check.found}", indent=" " * 16) for check in self.checks
        ]
        if self.ready:
            return "\n".join([*rows, "", "Everything is here."])
        to_do = [f"  {check.what}: {check.to_do}" for check in self.checks if check.to_do]
        return "\n".join([*rows, "", "To do:", *(wrapped(line, indent="    ") for line in to_do)])


def check_setup() -> SetupReport:
    """Look at Python, the packages, the processor, the data, the weights of lesson 7 and what may
    be written.

    It does not use the network, and tells which settings of Keras the course does not work with.

    Introduced in the notebook 00_start_here.
    """
    # Which Pythons there may be stands in pyproject.toml: pip and `make lab` take no others.
    checks = [Check("Python", platform.python_version()), *map(_check_package, PACKAGES)]
    checks.append(Check("processor", f"{usable_cores()} cores, {platform.machine()}"))
    checks += [_check_data(), _check_weights(), _check_writing()]
    checks += [Check("settings", "Keras is not as it comes", fault) for fault in keras_faults()]
    cifar10 = "here" if (DATA_DIR / "cifar10").is_dir() else "not here, and not needed"
    checks.append(Check("CIFAR-10", cifar10))
    return SetupReport(tuple(checks))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _check_package(name: str) -> Check:
    # The second is TensorFlow's build for Linux without a GPU.
    if version := _version(name) or _version(f"{name}-cpu"):
        return Check(name, version)
    if name == "torch":
        return Check(
            name, f"not here; lessons 1, 4a, 7 and 8 say what they lack. To add it: {INSTALL_TORCH}"
        )
    return Check(
        name, "missing",
        "choose the kernel `Python 3 (image classification)` in the menu Kernel, Change Kernel; "
        "if it is still missing, install it: `make lab`, or with conda "
        "`conda env update -f environment.yml`",
    )  # fmt: skip


def _check_data() -> Check:
    if (DATA_DIR / FASHION_MNIST_FILE).is_file():
        return Check("images", "Fashion-MNIST sample, bundled")
    return Check("images", "missing", "get them back with `git checkout -- data`")


def _check_weights() -> Check:
    """PyTorch reads them once: where the course is installed, or when lesson 7 needs them."""
    if (DATA_DIR / WEIGHTS).is_file():
        return Check("weights", "of lesson 7, converted")
    if _version(PACKAGE) and _version("torch"):
        return Check("weights", "of lesson 7, which converts them itself")
    return Check(
        "weights", "of lesson 7, missing",
        f"for lesson 7 only: copy data/{WEIGHTS} from a computer that has PyTorch, or add PyTorch, "
        "with `make lab TORCH=yes` or as said above",
    )  # fmt: skip


def _check_writing() -> Check:
    """The lessons are saved, and write into scratch/; decoded images are kept in data/."""
    course = DATA_DIR.parent
    for folder in (course / "my_lessons", course / "scratch", DATA_DIR / PREPARED):
        there = next(place for place in (folder, *folder.parents) if place.exists())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            return Check(
                "writing", f"not possible in {there}: {error.strerror}",
                "copy the whole course into a folder that is yours, then start it there, with "
                "`make lab` or `python tools/lab.py`",
            )  # fmt: skip
    return Check("writing", "possible in my_lessons/, scratch/ and data/")
