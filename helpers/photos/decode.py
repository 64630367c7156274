"""From one file on disk to the pixels of one upright 8-bit RGB picture. Introduced in lesson 2.

    with quiet_pillow():
        pixels, remarks = decoded(Path("photos/cat/0001.jpg"))

`decoded` is the one door: the check of a folder, the reading of a dataset and the pictures in
a report all see an image through it. It goes in three steps: open the file, tell its format
by its first bytes, decode it. Pillow does all that, but for the pixels of a JPEG file: simplejpeg
gives the same ones sooner, and says where they are corrupt. `helpers.image_colours` makes 8-bit
RGB of what was decoded. A file that gives no picture is `Refused`. Both a refusal and a remark
on a good picture are a kind and a cause; `helpers.folder_report` has the advice that belongs to
each kind. `in_processes` does the work for thousands of files at once.

Nothing here sets a switch of Pillow for the whole process: other threads may use it too.

The first bytes decide how a file is read, never its name. Links are not followed, and what
is not a plain file is not read.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import signal
import stat
import struct
import threading
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from itertools import starmap
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import simplejpeg
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from helpers.basics.memory import available_memory, usable_cores
from helpers.photos.colours import Remark, in_srgb, with_profile

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
ANIMATED = ("PNG", "WEBP", "GIF")
OPENERS = {
    "JPEG": JpegImageFile, "PNG": PngImageFile, "WEBP": WebPImageFile, "BMP": BmpImageFile,
    "GIF": GifImageFile,
}  # fmt: skip

HEAD_BYTES = 32  # enough to know a format by
TEXT_BYTES = 1024  # enough to know by what else a file is
AT_ONCE = 1 << 16  # bytes; a file no longer than this is read with a single call
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

MAX_PIXELS = 128_000_000  # more is refused unopened: a small file can claim any size
# But phones make JPEG photos of 200 million pixels, and those can be read at half their size.
MAX_HALVED_PIXELS = 2 * MAX_PIXELS
ZEROS = 1024  # bytes, more than a packed picture has in a row
MAX_BYTES = 1 << 29  # of a JPEG file, to have it in the memory as a whole
MOST_MEMORY = 1.2e9  # bytes, that a process takes for a picture of MAX_PIXELS

# How an image with this EXIF orientation is turned upright: whether rows and columns change
# places, and the steps that rows and columns are then read with.
ORIENTATION = 0x0112
UPRIGHT = {
    2: (False, 1, -1), 3: (False, -1, -1), 4: (False, -1, 1), 5: (True, 1, 1),
    6: (True, 1, -1), 7: (True, -1, -1), 8: (True, -1, 1),
}  # fmt: skip
# EXIF data without an entry, as programs write them that found none.
SAYS_NOTHING = re.compile(rb"(Exif\0\0)?((MM\0\*\0\0\0\x08|II\*\0\x08\0\0\0)\0\0|$)")

# A JPEG file without frills has none but these segments before its pixels: the JFIF header,
# tables, a comment, the restart interval. What else there is (EXIF, a colour profile, an
# Adobe mark, a second picture) is Pillow's to understand.
PLAIN_SEGMENTS = frozenset(b"\xe0\xdb\xc4\xfe\xdd")
FRAMES = frozenset(b"\xc0\xc1\xc2")  # baseline, extended, progressive
SCAN = 0xDA
PLAIN_PLANES = (1, 3)  # grey, or colour; Pillow turns others into RGB
# What the decoder says where pixels are wrong, and where only something else is odd.
CORRUPT = re.compile(r"Corrupt JPEG data: (?!bad ICC)|Inconsistent progression")
EXTRA_BYTES = re.compile(r"(\d+) extraneous bytes before marker 0x(..)")
HEADERS = re.compile("e.|fe|db|c[012]")  # markers that come before all pixels

# The parts of a file that make the picture; some programs write others with mistakes.
PNG_NEEDED = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
PNG_COLOURS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"eXIf": 8, b"iCCP": 3}  # bytes, at least
SRGB_CODE = bytes((1, 13))  # which red, green and blue, and which brightness
MAX_PROFILE = 1 << 20  # bytes unpacked, more than which Pillow refuses
JPEG_EXTRAS = {  # what each begins with, and how many bytes it has at least
    0xE0: (b"JFIF\0", 14), 0xE1: (b"Exif\0\0", 6), 0xE2: (b"ICC_PROFILE\0", 14),
    0xEE: (b"Adobe", 12),
}  # fmt: skip

# How long it takes to look at a file, roughly: so much for any, and more for a large one.
SECONDS_A_FILE = 5e-5
BYTES_A_SECOND = 3e7
WORTH_PROCESSES = 1.0  # seconds of work: to start processes takes half a second
SECONDS_A_CHUNK = 0.015  # of work, for a process at a time
MOST_AHEAD = 4  # chunks a process, that wait for one before them


class Refused(Exception):
    """Why a file gives no picture that can be used: a kind and a cause. Introduced in lesson 2."""


def decoded(path: str | Path, *, thorough: bool = False) -> tuple[np.ndarray, list[Remark]]:
    """The pixels of the picture in a file, and what is worth noting about it.

    Call it inside `quiet_pillow`.

    Args:
        path: the file.
        thorough: whether to compare the checksums that a PNG carries, too.

    Returns:
        uint8, (height, width, 3), upright and RGB; and a list of remarks, each a kind and a cause.

    Raises:
        Refused: the file holds no picture that can be used.
        OSError: the system does not let it be read, or it is no plain file.

    Introduced in lesson 2.
    """
    name = str(path).lower()
    try:
        with _opened(path) as file:
            content = _content(file, name)
            pixels, remarks = _pixels(file, content, thorough)
    except Refused as refused:
        if _is_unfinished(name, refused):
            cause = "Its name is that of a download that was not finished."
            raise Refused("unfinished download", cause) from refused
        raise
    if _is_blank(pixels):
        cause = f"All of it has the colour {tuple(pixels[0, 0].tolist())}."
        remarks.append(("blank", cause))
    if not name.endswith(READABLE[content]):
        remarks.insert(0, ("wrong ending", f"Its content is {content}, its name is not."))
    return pixels, remarks


def what_there_is(path: str | Path) -> np.ndarray:
    """The pixels of an image to show: of one that is cut short or damaged, what can be decoded.

    Raises any error where there is nothing to show. Call it inside `quiet_pillow`.

    Introduced in lesson 2.
    """
    try:
        return decoded(path)[0]
    except Refused as refused:
        if refused.args[0] not in ("truncated", "damaged", "unfinished download"):
            raise
    with _opened(path) as file:
        content = _content(file, str(path).lower())
        file.seek(0)
        image = OPENERS[content](file)
        if image.width * image.height > MAX_PIXELS:
            raise ValueError
        try:
            image.load()
        except Exception:  # whatever decoders raise
            image.tile = []  # nothing is left to do, so what was decoded counts as the picture
        return in_srgb(image, lambda: image)[0]


def reason(error: Refused | OSError) -> Remark:
    """The kind and the cause: of a refusal, or of what the system says about a file.

    Introduced in lesson 2.
    """
    if isinstance(error, Refused):
        return error.args
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR):
        return "vanished", "It was there when the folder was listed, and no longer is."
    kind = "path too long" if error.errno == errno.ENAMETOOLONG else "unreadable"
    return kind, f"It cannot be read. The system says: {error.strerror}."


def printable(text: str) -> str:
    """The text with every character that cannot be shown escaped. Introduced in lesson 2."""
    text = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


# --------------------------------------------------------------- open it, and tell its format


# What took the place of a plain file meanwhile is not followed or waited for.
OPEN_FLAGS = os.O_RDONLY
for _flag in ("O_BINARY", "O_NONBLOCK", "O_NOFOLLOW"):  # not every system has each
    OPEN_FLAGS |= getattr(os, _flag, 0)


def _opened(path: str | Path) -> BinaryIO:
    """A plain file, opened; a small one is in the memory already."""
    descriptor = os.open(path, OPEN_FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(errno.ENOENT, "it is no file any more")
        if status.st_size <= AT_ONCE:
            content = os.read(descriptor, status.st_size + 1)
            if len(content) == status.st_size:
                return io.BytesIO(content)
            os.lseek(descriptor, 0, os.SEEK_SET)
        file, descriptor = os.fdopen(descriptor, "rb"), None
        return file
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _content(file: BinaryIO, name: str) -> str:
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


def _is_unfinished(name: str, refused: Refused) -> bool:
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


# ------------------------------------------------------------------------------- decode it


def _pixels(file: BinaryIO, content: str, thorough: bool) -> tuple[np.ndarray, list[Remark]]:
    """The upright picture in a file of this format, with the remarks on it."""
    if content == "JPEG" and _is_plain(file):
        pixels, said = _by_simplejpeg(file.getvalue())
        if not said:
            return pixels, []
    try:
        return _by_pillow(file, content, thorough)
    except Refused:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        cause = f"It claims more than {MAX_PIXELS:,} pixels, or more than fits into the memory."
        raise Refused("too many pixels", cause) from error
    except Exception as error:  # decoders raise nearly every class on bytes they do not like
        if isinstance(error, OSError) and error.errno:  # not the decoder, the disk
            raise
        bare = _without_extras(file, content)
        if bare is not None:
            with contextlib.suppress(Refused):
                pixels, remarks = _pixels(bare, content, thorough)
                cause = "Something that it holds beside the picture cannot be read."
                return pixels, [*remarks, ("extra data", cause)]
        raise Refused(*_damage(error, file, content)) from error


def _by_simplejpeg(data: bytes, **options: object) -> tuple[np.ndarray | None, str]:
    """The pixels in a JPEG file, as they lie there, or what its decoder says against it.

    Pillow decodes with the same library, into a picture that it has to copy first and last.
    But where bytes are wrong, it fills in something and says nothing. Of files with up to 200
    bytes overwritten that still decode and look wrong, this tells 55 to 78 % in two trials; in the
    others the wrong bytes mean something by chance. It calls none of 60,000 whole ones corrupt.
    """
    try:
        return simplejpeg.decode_jpeg(data, **options), ""
    except (ValueError, MemoryError) as error:
        return None, str(error) or "no words"


def _is_plain(file: BinaryIO) -> bool:
    """Whether this is a small JPEG file without frills up to its first pixels.

    It needs no look by Pillow, which takes three times as long as to decode a small picture.
    """
    if not isinstance(file, io.BytesIO):
        return False
    data = file.getvalue()
    at, pixels = 2, 0  # behind the mark that every JPEG file begins with
    with contextlib.suppress(IndexError):  # it ends too early
        while data[at] == 0xFF:
            marker = data[at + 1]
            if marker in PLAIN_SEGMENTS:
                pass  # most are: asked first, as this is done for every file
            elif marker in FRAMES and not pixels and data[at + 9] in PLAIN_PLANES:
                pixels = (data[at + 5] << 8 | data[at + 6]) * (data[at + 7] << 8 | data[at + 8])
            elif marker == SCAN:
                return 0 < pixels <= MAX_PIXELS
            else:
                break
            at += 2 + (data[at + 2] << 8 | data[at + 3])
    return False


def _by_pillow(file: BinaryIO, content: str, thorough: bool) -> tuple[np.ndarray, list[Remark]]:
    def opened() -> Image.Image:
        file.seek(0)
        return OPENERS[content](file)

    if thorough and content == "PNG":
        opened().verify()
    if thorough and content == "WEBP" and _ends_in_zeros(file):
        raise Refused("truncated", "Its end is empty, as after a copy that broke off.")
    image = opened()
    halved = content == "JPEG" and _is_photo_to_halve(image)
    if image.width * image.height > MAX_PIXELS and not halved:
        raise Image.DecompressionBombError
    if content == "JPEG":
        pixels, remarks = _jpeg_pixels(file, image, halved)
    else:
        pixels, remarks = in_srgb(image, opened)
        if content == "PNG" and not remarks and not image.info.get("icc_profile"):
            remarks = _coded_colours(file)
    upright, more = _orientation(image)
    if upright:
        swapped, *steps = upright
        pixels = pixels.transpose(1, 0, 2) if swapped else pixels
        pixels = np.ascontiguousarray(pixels[:: steps[0], :: steps[1]])
    if content in ANIMATED and _is_animated(image):
        more.append(("animated", "It holds several pictures."))
    return pixels, [*remarks, *more]


def _coded_colours(file: BinaryIO) -> list[Remark]:
    """What a PNG file says by numbers about its colours, such as of wide or very bright ones."""
    file.seek(0)
    head = file.read(TEXT_BYTES).partition(b"IDAT")[0]
    _, said, code = head.partition(b"cICP")
    if not said or code[:2] == SRGB_CODE:
        return []
    cause = "It says that its colours are others than those of screens (cICP). That was not used."
    return [("other colours", cause)]


def _ends_in_zeros(file: BinaryIO) -> bool:
    """Whether the end of a WebP picture holds nothing: its decoder makes something up for that.

    Where the file holds other parts too (VP8X), its end may be one of these.
    """
    file.seek(4)
    head = file.read(12)
    end = int.from_bytes(head[:4], "little") + 8
    file.seek(max(end - ZEROS, 0))
    return end > 2 * ZEROS and head[8:] in (b"VP8 ", b"VP8L") and not any(file.read(ZEROS))


def _is_photo_to_halve(image: Image.Image) -> bool:
    """A progressive JPEG file would need the memory for the whole picture all the same."""
    pixels = image.width * image.height
    return MAX_PIXELS < pixels <= MAX_HALVED_PIXELS and "progressive" not in image.info


def _jpeg_pixels(
    file: BinaryIO, image: Image.Image, halved: bool
) -> tuple[np.ndarray, list[Remark]]:
    data = _all_bytes(file)
    height, width = image.height // 2, image.width // 2
    options = {"min_height": height, "min_width": width} if halved else {}
    if image.mode == "CMYK":  # simplejpeg makes no RGB of it, but it sees what is corrupt
        options["colorspace"] = "CMYK"
    pixels, said = _by_simplejpeg(data, **options)
    if pixels is not None and image.mode != "CMYK":
        return with_profile(pixels, image)
    if halved:
        image.draft(image.mode, (width, height))
    pixels, remarks = in_srgb(image, lambda: image)
    return pixels, [*remarks, *_corrupt(said, data)]


def _all_bytes(file: BinaryIO) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return file.read(min(size, MAX_BYTES))


def _corrupt(said: str, data: bytes) -> list[Remark]:
    """Refused, where the decoder saw that pixels are wrong; a remark, where only bytes are."""
    if not CORRUPT.match(said):
        return []
    if extra := EXTRA_BYTES.search(said):
        end = data.rfind(b"\xff\xd9")
        last = data[max(end - int(extra[1]), 0) : end]
        if HEADERS.match(extra[2]) or (extra[2] == "d9" and not last.strip(b"\0\xff")):
            cause = f"It holds {extra[1]} bytes that belong to nothing."
            return [("extra data", cause)]
    raise Refused("damaged", f"Its picture is damaged. The decoder says: {said}.")


def _without_extras(file: BinaryIO, content: str) -> BinaryIO | None:
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
    data = _all_bytes(file)
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


def _damage(error: Exception, file: BinaryIO, content: str) -> Remark:
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


def _orientation(image: Image.Image) -> tuple[tuple[bool, int, int] | None, list[Remark]]:
    """How to turn the image upright, as far as its EXIF data can be read."""
    try:
        exif = dict(image.getexif())
        upright = UPRIGHT.get(exif.get(ORIENTATION))
    except Exception:  # as with decoders; the picture itself is good
        exif, upright = {}, None
    unread = not exif and not SAYS_NOTHING.match(image.info.get("exif", b""))
    cause = "Its EXIF data, which say which side is up, cannot be read."
    return upright, [("damaged EXIF", cause)] if unread else []


def _is_animated(image: Image.Image) -> bool:
    try:
        return image.is_animated
    except Exception:  # the first picture is good, and only that is used
        return True


def _is_blank(pixels: np.ndarray) -> bool:
    """Whether all pixels have one colour."""
    # In most pictures the middle is another colour than the corner, and that is soon seen.
    height, width, _ = pixels.shape
    if pixels.item(0) != pixels.item((height // 2 * width + width // 2) * 3):
        return False
    return bool((pixels == pixels[0, 0]).all())


# ------------------------------------------------------------------------------ many files


_IGNORED = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # as warnings.filters has it
_quiet = threading.Lock()
_in_quiet = 0


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Pillow warns of nothing; other packages do as ever. Introduced in lesson 2.

    What to warn of is the same for all threads. `warnings.catch_warnings` would leave it changed
    for good where two threads come and go in turn, so the last one to go takes it back here.
    """
    global _in_quiet
    with _quiet:
        _in_quiet += 1
        warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        yield
    finally:
        with _quiet:
            _in_quiet -= 1
            if not _in_quiet:
                with contextlib.suppress(ValueError):  # something else has taken it back
                    warnings.filters.remove(_IGNORED)


def in_processes(
    work: Callable[[int, Sequence], Any],
    items: Sequence,
    doing: str,
    progress: bool,
    take: Callable[[Any], object],
    bytes_each: float,
) -> None:
    """Work on a chunk of the items at a time, in several processes where there is much to do.

    Threads would wait for each other: to look at a small file is mostly Python. Few chunks are
    under way at any time, so that the memory does not grow with the items, and there are no more
    processes than could decode a huge picture each.

    Args:
        work: a function of a module, or a `partial` of one. It is called with a part of the
            items, and the index of the first one.
        items: what is to be done.
        doing: what the progress bar calls it.
        progress: whether to show one where it takes longer than a second.
        take: is called with what `work` gave for each chunk, in order, in this process.
        bytes_each: how long the files are on average.

    An interrupt, and an error in one of the two functions, ends it soon.

    Introduced in lesson 2.
    """
    from tqdm.auto import tqdm

    seconds_each = SECONDS_A_FILE + bytes_each / BYTES_A_SECOND
    size = max(round(SECONDS_A_CHUNK / seconds_each), 1)
    chunks = ((start, items[start : start + size]) for start in range(0, len(items), size))
    processes = usable_cores() if seconds_each * len(items) > WORTH_PROCESSES else 1
    if processes > 1:
        processes = max(min(processes, int(available_memory() / MOST_MEMORY)), 1)
    bar = tqdm(total=len(items), desc=doing, unit=" files", delay=1, disable=not progress)
    with bar, quiet_pillow(), contextlib.closing(_results(work, chunks, processes)) as results:
        for result in results:
            take(result)
            bar.update(min(size, len(items) - bar.n))


def _results(work: Callable, chunks: Iterator[tuple[int, Sequence]], processes: int) -> Iterator:
    """What `work` gives for each chunk, in order: of this process, and of others beside it."""
    if processes == 1:
        yield from starmap(work, chunks)
        return
    from loky import ProcessPoolExecutor

    # Unlike those of Python itself, the processes of loky do not run the user's script again.
    others = ProcessPoolExecutor(processes - 1)
    ahead: deque[tuple[Future, tuple]] = deque()  # in order
    try:
        with _deaf_to_interrupts():
            started = _begun(others, os.getpid)
        for chunk in chunks:
            if started.done() and sum(not one.done() for one, _ in ahead) < 2 * (processes - 1):
                ahead.append((_begun(others, work, *chunk), chunk))
            else:  # they start, or have enough to do
                ahead.append((Future(), chunk))
                ahead[-1][0].set_result(work(*chunk))
            while ahead and (ahead[0][0].done() or len(ahead) > MOST_AHEAD * processes):
                yield _result(work, *ahead.popleft())
        while ahead:
            yield _result(work, *ahead.popleft())
    finally:
        with _killed_in_silence():
            others.shutdown(kill_workers=True)


def _begun(others: Executor, work: Callable, *chunk: object) -> Future:
    """Another process at work, or one that failed: as in a process of a pool, which may not
    start any, or where the system gives none."""
    try:
        return others.submit(work, *chunk)
    except Exception as error:
        failed: Future = Future()
        failed.set_exception(BrokenExecutor(error))
        return failed


def _result(work: Callable, future: Future, chunk: tuple) -> object:
    try:
        return future.result()
    except BrokenExecutor:  # nobody did it, or the process was killed, such as for its memory
        return work(*chunk)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started here ignore interrupts for good; this one is back in a moment.

    A terminal and JupyterLab interrupt all of them at once, and each would print where it was.
    """
    if threading.current_thread() is not threading.main_thread():  # it may not decide that
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _killed_in_silence() -> Iterator[None]:
    """The thread that serves processes may complain when they are killed."""
    usual = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if getattr(failed.thread, "name", "") != "ExecutorManagerThread":
            usual(failed)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = usual
