"""Images and folders of images that the tests make, and how they look at what came of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from helpers import FolderReport

NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))


def picture(number: int, size: tuple[int, int] = (16, 16)) -> Image.Image:
    """A picture unlike every other: coarse noise of its own, (width, height) pixels."""
    noise = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.NEAREST)


def photo(number: int, size: int = 160) -> Image.Image:
    """Something like a photo: soft shapes of its own."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
    left, top = random.integers(0, size // 2, 2)
    ImageDraw.Draw(image).ellipse(
        (left, top, left + size // 3, top + size // 3), fill=tuple(random.integers(0, 256, 3))
    )
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def write(path: Path, content: bytes | Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else encoded(content))
    return path


def fill(folder: Path, counts: dict[str, int], first: int = 0) -> Path:
    """Good images, each of its own."""
    number = first
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            write(folder / name / f"{number:04}.png", picture(number))
            number += 1
    return folder


def found(report: FolderReport) -> list[tuple[str, str, str]]:
    return [(finding.path, finding.kind, finding.level) for finding in report.findings]


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything in a folder with its size and time, to see that nothing was touched."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")
    }
