"""What is wrong inside an image file, and the picture without what else it holds. Lesson 2.

Sources: the PNG specification, https://www.w3.org/TR/png-3/; ITU-T T.81 for the segments of JPEG.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import BinaryIO

from helpers.photos.remarks import Remark, printable

ZEROS = 1024  # bytes, more than a packed picture has in a row
MAX_BYTES = 1 << 29  # of a JPEG file, to have it in the memory as a whole
SCAN = 0xDA
# What is read beside the picture, as long as it can be: which side is up (eXIf, E1), the colours.
# Some programs write it with mistakes, so it is left out step by step.
BESIDE = {
    "PNG": ((b"eXIf", b"iCCP", b"gAMA", b"cHRM", b"sRGB"), (b"eXIf", b"iCCP"), (b"eXIf",), ()),
    "JPEG": ((0xE0, 0xE1, 0xE2, 0xEE), (0xE1, 0xE2, 0xEE), (0xE1, 0xE2), (0xE1,), ()),
}


def ends_in_zeros(file: BinaryIO) -> bool:
    """Whether the end of a WebP picture holds nothing: its decoder makes something up for that.

    Where the file holds other parts too (VP8X), its end may be one of these.
    """
    file.seek(4)
    head = file.read(12)
    end = int.from_bytes(head[:4], "little") + 8
    if end <= 2 * ZEROS or head[8:] not in (b"VP8 ", b"VP8L"):
        return False
    file.seek(end - ZEROS)
    return not any(file.read(ZEROS))


def all_bytes(file: BinaryIO) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return file.read(min(size, MAX_BYTES))


def without_extras(file: BinaryIO, content: str) -> Iterator[BinaryIO]:
    """The same picture, with less and less of what else the file holds."""
    if content not in BESIDE:
        return
    data = all_bytes(file)
    parts = [*(_png_chunks if content == "PNG" else _jpeg_segments)(data)]
    length = len(data)
    for kept in BESIDE[content]:
        bare = b"".join([part for name, extra, part in parts if not extra or name in kept])
        if len(bare) < length:
            length = len(bare)
            yield io.BytesIO(bare)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bool, bytes]]:
    """The name of each part, whether a picture can do without it, and its bytes."""
    yield b"", False, data[:8]
    at = 8
    while at < len(data):
        name, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4])
        yield name, name[:1].islower() and name != b"tRNS", data[at:end]
        at = len(data) if name == b"IEND" else end


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bool, bytes]]:
    yield 0, False, data[:2]
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and (marker := data[at + 1]) != SCAN:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        yield marker, 0xE0 <= marker <= 0xEF or marker == 0xFE, data[at:end]
        at = end
    yield SCAN, False, data[at:]


def damage_in_words(error: Exception, file: BinaryIO, content: str) -> Remark:
    """The kind and the cause of what a decoder did not like."""
    size = file.seek(0, os.SEEK_END)
    file.seek(4)
    # A WebP file says how long it is.
    short = content == "WEBP" and int.from_bytes(file.read(4), "little") + 8 > size
    if short or isinstance(error, EOFError) or "truncated" in str(error).lower():
        return "truncated", f"It ends too early, after {size:,} bytes."
    said = printable(str(error)).split(" <")[0][:100].rstrip(".") or type(error).__name__
    if said.startswith(("cannot handle", "Unsupported BMP")):
        return "format", f"It is a kind of {content} that is not read here: {said}."
    return "damaged", f"It cannot be decoded: {said}."
