"""What is wrong inside an image file, and the picture without what else it holds. Lesson 2.

Sources: the PNG specification, https://www.w3.org/TR/png-3/; ITU-T T.81 for the segments of JPEG.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from typing import BinaryIO

from helpers.photos.remarks import Remark, printable

ZEROS = 1024  # bytes, more than a packed picture has in a row
MAX_BYTES = 1 << 29  # of a JPEG file, to have it in the memory as a whole
SCAN = 0xDA
# The parts of a file that make the picture; some programs write others with mistakes.
PNG_NEEDED = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
PNG_COLOURS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"eXIf": 8, b"iCCP": 3}  # bytes, at least
MAX_PROFILE = 1 << 20  # bytes unpacked, more than which Pillow refuses
JPEG_EXTRAS = {  # what each begins with, and how many bytes it has at least
    0xE0: (b"JFIF\0", 14), 0xE1: (b"Exif\0\0", 6), 0xE2: (b"ICC_PROFILE\0", 14),
    0xEE: (b"Adobe", 12),
}  # fmt: skip


def ends_in_zeros(file: BinaryIO) -> bool:
    """Whether the end of a WebP picture holds nothing: its decoder makes something up for that.

    Where the file holds other parts too (VP8X), its end may be one of these.
    """
    file.seek(4)
    head = file.read(12)
    end = int.from_bytes(head[:4], "little") + 8
    file.seek(max(end - ZEROS, 0))
    return end > 2 * ZEROS and head[8:] in (b"VP8 ", b"VP8L") and not any(file.read(ZEROS))


def all_bytes(file: BinaryIO) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return file.read(min(size, MAX_BYTES))


def without_extras(file: BinaryIO, content: str) -> BinaryIO | None:
    """The same picture without what else a file holds; None where there is nothing else."""
    file.seek(0)
    kept = {"PNG": _png_chunks, "JPEG": _jpeg_segments}.get(content, lambda _: None)(file)
    return None if kept is None else io.BytesIO(kept)


def _png_chunks(file: BinaryIO) -> bytes | None:
    kept, left_out = [file.read(8)], False
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name in PNG_NEEDED or name in PNG_COLOURS:
            body = file.read(length + 4)
            if name in PNG_NEEDED or _is_sound(name, body):
                kept += head, body
            else:
                left_out = True
        elif name.isalpha() and name[:1].islower():  # the mark of what may be passed over
            file.seek(length + 4, os.SEEK_CUR)
            left_out = True
        else:
            return None
        if name == b"IEND":
            break
    return b"".join(kept) if left_out else None


def _is_sound(name: bytes, body: bytes) -> bool:
    """Whether Pillow will take what a PNG file says about its colours."""
    content, check = body[:-4], body[-4:]
    if len(content) < PNG_COLOURS[name] or zlib.crc32(name + content).to_bytes(4) != check:
        return False
    if name != b"iCCP":
        return True
    _, _, packed = content.partition(b"\0")
    packer = zlib.decompressobj()
    with contextlib.suppress(zlib.error):
        packer.decompress(packed[1:], MAX_PROFILE)
    return packed[:1] == b"\0" and not packer.unconsumed_tail


def _jpeg_segments(file: BinaryIO) -> bytes | None:
    data = all_bytes(file)
    kept, at, left_out = [data[:2]], 2, False
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != SCAN:
        marker, end = data[at + 1], at + 2 + (data[at + 2] << 8 | data[at + 3])
        segment = data[at:end]
        start, shortest = JPEG_EXTRAS.get(marker, (b"", 0))
        is_extra = 0xE0 <= marker <= 0xEF or marker == 0xFE
        sound = shortest and segment[4:].startswith(start) and len(segment) - 4 >= shortest
        if is_extra and not sound:
            left_out = True
        else:
            kept.append(segment)
        at = end
    return b"".join((*kept, data[at:])) if left_out else None


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
