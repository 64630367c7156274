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
OTHER_ENDINGS = frozenset(
    (
        ".heic", ".heif", ".hif", ".avif", ".tif", ".tiff", ".svg", ".psd", ".ico", ".icns",
        ".jp2", ".j2k", ".jxl", ".jxr", ".tga", ".ppm", ".pgm", ".pbm", ".pnm", ".pcx", ".dds",
        ".eps", ".exr", ".hdr", ".qoi", ".xcf", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw",
        ".orf", ".rw2", ".raf", ".x3f", ".crw", ".nrw", ".pef", ".srw", ".sr2", ".3fr", ".iiq",
        ".mrw", ".svgz", ".dcm", ".dicom", ".fits", ".jpx", ".j2c", ".jls", ".emf", ".wmf",
    )
)  # fmt: skip
IMAGE_ENDINGS = READABLE_ENDINGS | OTHER_ENDINGS
# What browsers and other programs call a file while it comes.
UNFINISHED_ENDINGS = (
    ".part", ".crdownload", ".partial", ".opdownload", ".download", ".filepart", ".!qb", ".!ut"
)  # fmt: skip
HEAD_BYTES = 32  # enough to know a format by
TEXT_BYTES = 1024  # enough to know by what else a file is
STARTS = {
    b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n\0\0\0\4CgBI": "PNG for iPhones",
    b"\x89PNG\r\n\x1a\n": "PNG", b"GIF87a": "GIF", b"GIF89a": "GIF",
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "BigTIFF", b"MM\0+": "BigTIFF",
    b"8BPS": "Photoshop", b"\0\0\0\x0cjP  ": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL ": "JPEG XL",
}  # fmt: skip
# What a file is that only its name calls an image: a kind of finding and a name, by a pattern
# for its first bytes. Some are so short that a text could begin like this.
PRETENDERS = [
    *(("format", name, re.compile(pattern, re.DOTALL)) for name, pattern in {
        "JPEG XL": rb"\xff\x0a", "PDF": rb"\s*%PDF-", "EPS": rb"%!PS|\xc5\xd0\xd3\xc6",
        "PPM": rb"P[1-7fF]\s", "ICO": rb"\x00\x00[\x01\x02]\x00[^\x00]", "ICNS": rb"icns",
        "QOI": rb"qoif", "DDS": rb"DDS ", "XCF": rb"gimp xcf", "EXR": rb"v/1\x01",
        "HDR": rb"#\?R(ADIANC|GB)E", "SGI": rb"\x01\xda[\x00\x01][\x01\x02]",
        "RAW": rb"FOVb|FUJIFILMCCD|IIR[OS]|MMOR|IIU\x00|II\x1a\x00|\x00MRM", "JPEG XR": rb"II\xbc",
        "PCX": rb"\n[\x00\x02\x03\x05]\x01", "FITS": rb"SIMPLE  =", "DjVu": rb"AT&TFORM",
        "WMF": rb"\xd7\xcd\xc6\x9a", "EMF": rb"\x01\x00\x00\x00.{36} EMF", "DICOM": rb".{128}DICM",
        "SVG": rb"(\xef\xbb\xbf)?\s*<([?!].*<)?svg[\s>]",
    }.items()),
    ("archive", "an archive", re.compile(
        rb"PK[\x03\x05]|Rar!|7z\xbc\xaf|\x1f\x8b|BZh|\xfd7zXZ|.{257}ustar", re.DOTALL)),
    ("no image content", "a web page", re.compile(
        rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|script|!--|\?xml)", re.IGNORECASE)),
    ("no image content", "a film", re.compile(
        rb".{4}ftyp|.{4}moov|RIFF.{4}AVI |\x1aE\xdf\xa3", re.DOTALL)),
]  # fmt: skip
LFS_POINTER = b"version https://git-lfs"
BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes, one a version of the format
BRANDS = (
    {b"avif": "AVIF", b"avis": "AVIF"}
    | dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"
    )
    | {b"crx ": "CR3"}
)


def readable_format(file: BinaryIO, name: str) -> str:
    """The format that the first bytes show, if it is one of those that are read."""
    head = file.read(HEAD_BYTES)
    found = _format_of(head)
    if found in READABLE:
        return found
    raise Refused(*_no_image(file, found, name))


def _no_image(file: BinaryIO, found: str | None, name: str) -> Remark:
    """What a file is that is of none of the formats that are read."""
    ending = os.path.splitext(name)[1]  # noqa: PTH122, as everywhere here
    file.seek(0)
    head = file.read(TEXT_BYTES)
    if ending == ".icloud":
        return "iCloud placeholder", "The photo is in iCloud, and not on this computer."
    if ending not in IMAGE_ENDINGS and not found:
        return "not an image", "Neither its name nor its content is that of an image."
    if not head:
        return "zero bytes", "It is empty: 0 bytes."
    if head.startswith(LFS_POINTER):
        return "git LFS pointer", "It only says which picture git LFS is to fetch."
    if not found and ending != ".svgz":
        matching = (row for row in PRETENDERS if row[2].match(head))
        kind, found, _ = next(matching, ("format", found, None))
        if kind != "format":
            return kind, f"Its name ends in {ending}, but it is {found}."
    if ending in OTHER_ENDINGS:
        found = ending[1:].upper()
    elif not found and _is_tga(file, head):
        found = "TGA"
    if found:
        return "format", f"Its format is {found}, which is not read here."
    return "no image content", f"Its name ends in {ending}, but it holds no image."


def _is_tga(file: BinaryIO, head: bytes) -> bool:
    """Whether it ends as a TGA file, or begins as an old one: they have no mark at the start."""
    file.seek(-min(26, file.seek(0, os.SEEK_END)), os.SEEK_END)
    if file.read().endswith(b"TRUEVISION-XFILE.\0"):
        return True
    has_size = any(head[12:14]) and any(head[14:16])
    kinds = head[1:2] in (b"\0", b"\1") and head[2:3] in b"\1\2\3\t\n\v"
    return has_size and kinds and head[16:17] in b"\x08\x0f\x10\x18\x20"


def is_unfinished(name: str, refused: Refused) -> bool:
    """Whether this is the beginning of a download, of an image as far as one can tell."""
    before, ending = os.path.splitext(name)  # noqa: PTH122
    return ending in UNFINISHED_ENDINGS and (
        refused.args[0] != "not an image" or before.endswith(tuple(IMAGE_ENDINGS))
    )


def _format_of(head: bytes) -> str | None:
    """The format of an image, in Pillow's words, by its first bytes."""
    if name := STARTS.get(head[:3]):  # JPEG, the most frequent by far
        return name
    if head[4:8] == b"ftyp":
        brands = [head[8:12], *(head[start : start + 4] for start in range(16, len(head), 4))]
        return next((BRANDS[brand] for brand in brands if brand in BRANDS), None)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    # "BM" alone could be the start of a text.
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in BMP_HEADERS:
        return "BMP"
    return next((name for start, name in STARTS.items() if head.startswith(start)), None)
