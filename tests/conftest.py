"""What several test files share: small datasets, and a model that answers what a test says.

What tests of folders, of model files and of permissions share is imported from `made_images.py`,
`made_models.py` and `permissions.py`, beside this file.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers import ImageDataset, Split
from helpers.datasets import cifar10, prepared

os.environ.setdefault("MPLBACKEND", "agg")  # no test opens a window
sys.path.append(str(Path(__file__).parent))  # for made_images and the like
# nohup, a background job and some CI start their children deaf to interrupts, and those of the
# tests would be it too. Some tests are about interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Keras and TensorFlow leave millions of objects alive, and Python looks at all of them again and
# again for what could be freed: a sixth of the tests' processor time.
gc.set_threshold(100_000, 50, 1_000)


def pytest_sessionfinish():
    """pytest looks through all objects five times at its end, which would take a minute.

    Once has to be: h5py 3.14 crashes where a file in memory is still there when Python has ended.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def permissions_of_the_machine():
    """Tests close and open folders, as superuser also those that are everybody's."""
    everybodys = Path(tempfile.gettempdir())
    before = everybodys.stat().st_mode
    yield
    assert everybodys.stat().st_mode == before, f"a test changed the permissions of {everybodys}"


def _split(name: str, shape: tuple[int, int, int], classes: tuple[str, ...], count: int) -> Split:
    """Dark noise, with a bright band whose height tells the class."""
    random = np.random.default_rng(len(name))
    labels = np.arange(count, dtype=np.int64) % len(classes)
    images = random.integers(0, 60, (count, *shape), dtype=np.uint8)
    band = shape[0] // len(classes)
    for image, label in zip(images, labels, strict=True):
        image[label * band : (label + 1) * band] += 180
    return Split(name, images, labels, classes, "bands made by the tests")


@pytest.fixture(scope="session")
def make_dataset() -> Callable[..., ImageDataset]:
    """Gives a function that makes a dataset: bands that a small network learns in no time."""

    def make(
        image_shape: tuple[int, int, int] = (18, 18, 1),
        class_names: tuple[str, ...] = ("top", "middle", "bottom"),
        *,
        train: int = 24,
        validation: int = 12,
        test: int = 12,
    ) -> ImageDataset:
        splits = {
            name: _split(name, image_shape, class_names, count)
            for name, count in (("train", train), ("validation", validation), ("test", test))
        }
        source = splits["train"].source
        return ImageDataset(
            "bands", **splits, class_names=class_names, image_shape=image_shape, source=source
        )

    return make


@pytest.fixture(scope="session")
def dataset(make_dataset) -> ImageDataset:
    """24, 12 and 12 grey images of 18 x 18 pixels and three classes."""
    return make_dataset()


@pytest.fixture(autouse=True)
def prepared_folder(tmp_path_factory, monkeypatch) -> Path:
    """Where the images of folders are kept during a test: not in the project's own data/."""
    folder = tmp_path_factory.mktemp("data") / "prepared"
    monkeypatch.setattr(prepared, "PREPARED", folder)
    return folder


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder that has no fault: two classes of ten images."""
    from made_images import fill

    return fill(tmp_path / "photos", {"cat": 10, "dog": 10})


class Answers:
    """Stands in for a model: gives the outputs it was made with, whatever it is asked."""

    def __init__(self, outputs):
        self.outputs = np.asarray(outputs, np.float32)

    def predict(self, images, **options):
        return self.outputs


@pytest.fixture(scope="session")
def answers() -> type[Answers]:
    return Answers


@pytest.fixture(scope="session")
def record_file() -> Callable[..., bytes]:
    """Gives a function that makes one CIFAR-10 file: a label byte, then 3 x 1024 pixel bytes."""

    def make(labels, seed: int) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        return np.column_stack([np.asarray(labels, np.uint8), pixels]).tobytes()

    return make


@pytest.fixture
def cifar10_files(record_file, monkeypatch) -> dict[str, bytes]:
    """The six files of a made-up CIFAR-10, with 20 images each; the official ones have 10,000."""
    monkeypatch.setattr(cifar10, "CIFAR10_RECORDS_A_FILE", 20)
    return {
        name: record_file(np.arange(20) % 10, seed)
        for seed, name in enumerate(cifar10.CIFAR10_FILES)
    }
