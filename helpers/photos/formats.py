"""Tell the format of a file by its first bytes, never by its name. Introduced in lesson 2.

What is no picture, or one of a format that is not read, is told what it is.
"""

from __future__ import annotations

import os
import re
from typing import BinaryIO

from helpers.photos.remarks import Refused, Remark

# The formats that are read, in Pillow's words, with the endings that their files have.
READABLE = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
}
READABLE_ENDINGS = frozenset(ending for endings in READABLE.values() for ending in endings)
# The endings of images that are not read: such a file is no surprise, but it needs converting.
OTHER_ENDINGS = frozenset({
    ".heic", ".heif", ".hif", ".avif", ".tif", ".tiff", ".svg", ".psd", ".ico", ".icns",
    ".jp2", ".j2k", ".jxl", ".jxr", ".tga", ".ppm", ".pgm", ".pbm", ".pnm", ".pcx", ".dds",
    ".eps", ".exr", ".hdr", ".qoi", ".xcf", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw",
    ".orf", ".rw2", ".raf", ".x3f", ".crw", ".nrw", ".pef", ".srw", ".sr2", ".3fr", ".iiq",
    ".mrw", ".svgz", ".dcm", ".dicom", ".fits", ".jpx", ".j2c", ".jls", ".emf", ".wmf",
})  # fmt: skip
IMAGE_ENDINGS = READABLE_ENDINGS | OTHER_ENDINGS
# What browsers and other programs call a file while it comes.
UNFINISHED_ENDINGS = (
    ".part", ".crdownload", ".partial", ".opdownload", ".download", ".filepart", ".!qb", ".!ut"
)  # fmt: skip
TEXT_BYTES = 1024  # enough to know by what a file is


def _patterns(starts: dict[str, bytes], flags: int = re.DOTALL) -> dict[str, re.Pattern]:
    return {name: re.compile(start, flags) for name, start in starts.items()}


# How a file begins that is an image whatever its name is; the most frequent first.
IMAGES = _patterns({
    "JPEG": rb"\xff\xd8\xff", "PNG for iPhones": rb"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI",
    "PNG": rb"\x89PNG\r\n\x1a\n", "GIF": rb"GIF8[79]a", "WEBP": rb"RIFF.{4}WEBP",
    # "BM" alone could be the start of a text; the number is how long the header is.
    "BMP": rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "TIFF": rb"II\*\0|MM\0\*", "BigTIFF": rb"II\+\0|MM\0\+", "Photoshop": rb"8BPS",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG XL": rb"\0\0\0\x0cJXL ",
    "AVIF": rb".{4}ftyp(.{4}){0,5}avi[fs]", "CR3": rb".{4}ftypcrx ",
    "HEIC": rb".{4}ftyp(.{4}){0,5}(hei[cmsx]|hev[cx]|mif1|msf1)",
})  # fmt: skip
# What else may go by the name of an image. A text could begin like some of these.
OTHER_FORMATS = _patterns({
    "JPEG XL": rb"\xff\x0a", "PDF": rb"\s*%PDF-", "EPS": rb"%!PS|\xc5\xd0\xd3\xc6",
    "PPM": rb"P[1-7fF]\s", "ICO": rb"\0\0[\x01\x02]\0[^\0]", "DICOM": rb".{128}DICM",
    "RAW": rb"FOVb|FUJIFILMCCD|IIR[OS]|MMOR|IIU\0|II\x1a\0|\0MRM",
    "SVG": rb"(\xef\xbb\xbf)?\s*<([?!].*<)?svg[\s>]",
})  # fmt: skip
NO_IMAGES = _patterns({
    "an archive": rb"PK[\x03\x05]|Rar!|7z\xbc\xaf|\x1f\x8b|BZh|\xfd7zXZ|.{257}ustar",
    "a web page": rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|script|!--|\?xml)",
    "a film": rb".{4}ftyp|.{4}moov|RIFF.{4}AVI |\x1aE\xdf\xa3",
}, re.DOTALL | re.IGNORECASE)  # fmt: skip
LFS_POINTER = b"version https://git-lfs"


def readable_format(file: BinaryIO, name: str) -> str:
    """The format that the first bytes show, if it is one of those that are read."""
    head = file.read(TEXT_BYTES)
    found = _first_match(IMAGES, head)
    if found in READABLE:
        return found
    raise Refused(*_no_image(head, found, os.path.splitext(name)[1]))  # noqa: PTH122


def _first_match(patterns: dict[str, re.Pattern], head: bytes) -> str | None:
    for name, pattern in patterns.items():  # most often the first
        if pattern.match(head):
            return name
    return None


def _no_image(head: bytes, found: str | None, ending: str) -> Remark:
    """What a file is that is of none of the formats that are read."""
    if ending == ".icloud":
        return "iCloud placeholder", "The photo is in iCloud, and not on this computer."
    if ending not in IMAGE_ENDINGS and not found:
        return "not an image", "Neither its name nor its content is that of an image."
    if not head:
        return "zero bytes", "It is empty: 0 bytes."
    if head.startswith(LFS_POINTER):
        return "git LFS pointer", "It only says which picture git LFS is to fetch."
    found = found or _first_match(OTHER_FORMATS, head)
    if not found and ending != ".svgz" and (other := _first_match(NO_IMAGES, head)):
        kind = "archive" if other == "an archive" else "no image content"
        return kind, f"Its name ends in {ending}, but it is {other}."
    if ending in OTHER_ENDINGS:
        found = ending[1:].upper()
    if found:
        return "format", f"Its format is {found}, which is not read here."
    return "no image content", f"Its name ends in {ending}, but it holds no image."


def is_unfinished(name: str, refused: Refused) -> bool:
    """Whether this is the beginning of a download, of an image as far as one can tell."""
    before, ending = os.path.splitext(name)  # noqa: PTH122
    return ending in UNFINISHED_ENDINGS and (
        refused.args[0] != "not an image" or before.endswith(tuple(IMAGE_ENDINGS))
    )
