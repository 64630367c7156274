"""Random damage: nothing crashes, hangs, or is used although a full decode fails.

A short run belongs to `make test`. `make fuzz` makes the same with FUZZ=20 times the rounds,
and `FUZZ_SEED=7 make fuzz` with other random numbers. Each round that fails names its seed.
"""

from __future__ import annotations

import faulthandler
import hashlib
import io
import os
import shutil
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import CourseError, check_folder, load_dataset
from helpers.datasets import cifar10
from helpers.folders.examine import read_images
from helpers.training.checkpoints import Checkpoint, CheckpointFolder

FUZZ = int(os.environ.get("FUZZ", "1"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
FORMATS = {
    "jpg": {"quality": 90}, "jpeg": {"progressive": True}, "png": {}, "webp": {},
    "bmp": {}, "gif": {},
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_hang():
    """A round that hangs shows where, and ends the run."""
    faulthandler.dump_traceback_later(900, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """The content after one of the accidents that happen to files; or none."""
    data = bytearray(content)
    kind = random.integers(8)
    start, stop = sorted(random.integers(0, len(data), 2))
    if kind == 0:  # cut short
        data = data[:start]
    elif kind == 1:  # single bits flipped
        for place in random.integers(0, len(data), random.integers(1, 9)):
            data[place] ^= 1 << random.integers(8)
    elif kind == 2:  # a stretch of zeros, as after a crash
        data[start:stop] = bytes(stop - start)
    elif kind == 3:  # a stretch of nonsense
        data[start:stop] = random.bytes(stop - start)
    elif kind == 4:  # a stretch missing
        del data[start:stop]
    elif kind == 5:  # a stretch twice
        data[start:start] = data[start:stop]
    elif kind == 6:  # the header
        data[random.integers(min(40, len(data)))] = random.integers(256)
    return bytes(data)


def random_image(random: np.random.Generator, ending: str) -> bytes:
    height, width = random.integers(4, 40, 2)
    pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mode = random.choice(["RGB", "L"] if ending in ("jpg", "jpeg") else ["RGB", "L", "P"])
    content = io.BytesIO()
    kind = "JPEG" if ending in ("jpg", "jpeg") else ending.upper()
    Image.fromarray(pixels).convert(mode).save(content, kind, **FORMATS[ending])
    return content.getvalue()


def decodes(path: Path) -> bool:
    """Whether the whole file can be decoded. Nothing of helpers is asked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                image.convert("RGB")
        except Exception:
            return False
    return True


@pytest.mark.parametrize("batch", range(3 * FUZZ))
def test_images(batch, tmp_path):
    random = np.random.default_rng([SEED, 1, batch])
    folder = tmp_path / "photos"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(6):  # enough good ones for a split
            (folder / name / f"good {number}.png").write_bytes(random_image(random, "png"))
    for number in range(100):
        ending = str(random.choice(list(FORMATS)))
        content = damaged(random_image(random, ending), random)
        (folder / ("cat", "dog")[number % 2] / f"{number:03}.{ending}").write_bytes(content)

    report = check_folder(folder, set_aside=True, progress=False)
    used = {image.path.relative_to(folder).as_posix() for image in report.images}
    named = {finding.path for finding in report.findings}
    for path in sorted(folder.glob("*/*")):
        name = path.relative_to(folder).as_posix()
        assert name in used | named, f"{name} is in no list"
        noted = any(one.path == name and one.kind == "extra data" for one in report.notes)
        assert decodes(path) or noted or name not in used, f"{name} would be trained on"
    assert read_images(report.images, (16, 16)).shape == (len(used), 16, 16, 3)
    report._repr_html_()
    repr(report)


NAMES = (
    "cat", "Cat", "dog", "train", "test", "validation", "고양이", "고양이", " cat", "a.b", "=1+1",
    ".hidden", ".ipynb_checkpoints", "__MACOSX", "x" * 200, "tab\tname", "new\nline", "b\udcff",
)  # fmt: skip


def grow(folder: Path, random: np.random.Generator, depth: int) -> None:
    """A random tree of folders, images, other files and links, also links in a circle."""
    for _ in range(random.integers(0, 7)):
        path = folder / str(random.choice(NAMES))
        if os.path.lexists(path):
            continue
        kind = random.integers(10)
        if kind < 5 and depth < 4:
            path.mkdir()
            grow(path, random, depth + 1)
        elif kind < 8:
            path = path.with_name(f"{path.name}.png")
            path.write_bytes(damaged(random_image(random, "png"), random))
        elif kind == 8:
            path.symlink_to(random.choice([".", "..", "nowhere", "/"]))
        else:
            path.write_bytes(random.bytes(random.integers(0, 50)))


@pytest.mark.parametrize("batch", range(FUZZ))
def test_folders(batch, tmp_path):
    for number in range(60):
        random = np.random.default_rng([SEED, 2, batch, number])
        folder = tmp_path / str(number)
        folder.mkdir()
        grow(folder, random, 0)
        before = sorted(os.walk(folder))
        report = check_folder(folder, set_aside=bool(number % 2), progress=False)
        repr(report), report._repr_html_(), report.to_csv(tmp_path / "report.csv")
        try:
            loaded = load_dataset(folder, image_size=(8, 8), set_aside=bool(number % 2))
        except CourseError as error:
            assert str(folder.name) in str(error) or report.problems, number
        else:
            assert report.ok, number
            assert len(loaded.train), number
        assert sorted(os.walk(folder)) == before, number
        shutil.rmtree(folder)


@pytest.mark.parametrize("batch", range(FUZZ))
def test_archives(batch, tmp_path, cifar10_files, monkeypatch):
    """The hash is that of the archive as it was before: whatever is damaged is refused by it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for name, content in cifar10_files.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    monkeypatch.setattr(cifar10, "CIFAR10_SHA256", digest)
    for number in range(40):
        random = np.random.default_rng([SEED, 3, batch, number])
        content = damaged(packed.getvalue(), random)
        data = tmp_path / str(number)
        data.mkdir()
        (data / cifar10.CIFAR10_ARCHIVE).write_bytes(content)
        try:
            load_dataset("cifar10", data_dir=data, validation_images=10)
        except CourseError as error:
            assert hashlib.sha256(content).hexdigest() in str(error), number
        else:
            assert content == packed.getvalue(), number
        left = {path.name for path in data.iterdir()}
        assert left <= {cifar10.CIFAR10_ARCHIVE, f"{cifar10.CIFAR10_ARCHIVE}.lock", "cifar10"}
        assert (data / cifar10.CIFAR10_ARCHIVE).read_bytes() == content, number
        shutil.rmtree(data)


@pytest.mark.parametrize("batch", range(FUZZ))
def test_checkpoints(batch, tmp_path):
    for number in range(150):
        random = np.random.default_rng([SEED, 4, batch, number])
        folder = CheckpointFolder(tmp_path / str(number))
        with folder.locked():
            for epoch in (0, 1, 2):
                folder.save(Checkpoint(epoch, {"model/0": np.full(50, epoch)}, {"epoch": epoch}))
        older, newer = sorted(folder.folder.glob("*.npz"))
        for path in [newer, older][: random.integers(1, 3)]:
            path.write_bytes(damaged(path.read_bytes(), random))
        files = {path.name: path.read_bytes() for path in folder.folder.iterdir()}
        try:
            found, _ = folder.newest()
        except CourseError as error:
            assert older.name in str(error), number
            assert newer.name in str(error), number
        else:
            assert found.epoch in (1, 2), number
            np.testing.assert_array_equal(found.arrays["model/0"], found.epoch)
            assert found.facts == {"epoch": found.epoch}, number
        assert {path.name: path.read_bytes() for path in folder.folder.iterdir()} == files
        shutil.rmtree(folder.folder)
