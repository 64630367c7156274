"""Images and folders of images that the tests make, and how they look at what came of them."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from helpers.folders import FolderReport

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


# What no library writes, put together by hand: https://www.w3.org/TR/png-3/,
# https://www.color.org/specification/ICC.1-2022-05.pdf


def chunk(name: bytes, data: bytes, *, wrong: bool = False) -> bytes:
    """A chunk of a PNG file, with a right or wrong checksum."""
    check = zlib.crc32(name + data) ^ wrong
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def png(
    values: np.ndarray, bits: int, colour: int, before: bytes = b"", after: bytes = b""
) -> bytes:
    """A PNG file: values (height, width, samples), colour 0 grey, 2 RGB, 3 palette, 4, 6 alpha."""
    height, width, _ = values.shape
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in values]
    else:
        spread = np.unpackbits(values.reshape(height, -1, 1).astype(np.uint8), axis=-1)[..., -bits:]
        rows = [np.packbits(row).tobytes() for row in spread.reshape(height, -1)]
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", packed) + after
        + chunk(b"IEND", b"")
    )  # fmt: skip


def with_segment(jpeg: bytes, marker: int, data: bytes) -> bytes:
    """A JPEG file with one more segment at its start."""
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + jpeg[2:]


def profile(gamma: float, columns: list[list[float]], space: bytes = b"RGB ") -> bytes:
    """A colour profile: a power for brightness, and where red, green and blue lie (XYZ, D50)."""

    def fixed(*numbers: float) -> bytes:
        return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        for letter, column in zip(b"rgb", columns, strict=True):
            tags[bytes([letter]) + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*column)
            tags[bytes([letter]) + b"TRC"] = curve
    at, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += name + struct.pack(">II", at + len(body), len(tag))
        body += tag
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"test", 0x02400000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249) + bytes(48)
    return head + table + body


def profile_of_inks() -> bytes:
    """A colour profile of a printer: the Lab colour of every choice of its four inks."""
    colours = bytearray()
    for cyan, magenta, yellow, black in itertools.product((0, 1), repeat=4):
        light = (3 - cyan - magenta - yellow) * (1 - black)
        colours += bytes([85 * light, 128 + 40 * (magenta - cyan), 128 + 40 * yellow])
    steps = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (number % 4 == 0) for number in range(9)))
    table = b"mft1\0\0\0\0\4\3\2\0" + matrix + 4 * steps + colours + 3 * steps
    white = struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + white, b"A2B0": table}
    at, listed, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        listed += name + struct.pack(">II", at + len(body), len(tag))
        body += tag
    head = struct.pack(">I4sI", at + len(body), b"test", 0x02400000) + b"prtrCMYKLab "
    return head + bytes(12) + b"acsp" + bytes(28) + white + bytes(48) + listed + body


# Adobe RGB (1998), D50: its red, green and blue.
WIDE = [[0.60974, 0.31111, 0.01947], [0.20528, 0.62567, 0.06087], [0.14919, 0.06322, 0.74457]]
ADOBE = profile(2.19921875, WIDE)
