"""From one file on disk to the pixels of one upright 8-bit RGB picture. Introduced in lesson 2.

    with quiet_pillow():
        pixels, remarks = decoded(Path("photos/cat/0001.jpg"))

`decoded` is the one door: the check of a folder, the reading of a dataset and the pictures in
a report all see an image through it. It goes in three steps: open the file, tell its format
by its first bytes, decode it. Pillow does all that, but for the pixels of a JPEG file: simplejpeg
gives the same ones sooner, and says where they are corrupt. `helpers.photos.colours` makes 8-bit
RGB of what was decoded. A file that gives no picture is `Refused`. Both a refusal and a remark
on a good picture are a kind and a cause; `helpers.folders.findings` has the advice that belongs to
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
import stat
from pathlib import Path
from typing import BinaryIO

import numpy as np
import simplejpeg
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from helpers.photos.colours import coded_colours, in_srgb, with_profile
from helpers.photos.damage import all_bytes, damage_in_words, ends_in_zeros, without_extras
from helpers.photos.formats import READABLE, is_unfinished, readable_format
from helpers.photos.remarks import Refused, Remark

OPENERS = {
    "JPEG": JpegImageFile, "PNG": PngImageFile, "WEBP": WebPImageFile, "BMP": BmpImageFile,
    "GIF": GifImageFile,
}  # fmt: skip
SMALL_FILE = 1 << 16  # bytes; a file no longer than this is read with a single call
MAX_PIXELS = 128_000_000  # more is refused unopened: a small file can claim any size
# But phones make JPEG photos of 200 million pixels, and those can be read at half their size.
MAX_HALVED_PIXELS = 2 * MAX_PIXELS
# How an image with this EXIF orientation is turned upright: whether rows and columns change
# places, and the steps that rows and columns are then read with.
ORIENTATION = 0x0112
UPRIGHT = {
    2: (False, 1, -1), 3: (False, -1, -1), 4: (False, -1, 1), 5: (True, 1, 1),
    6: (True, 1, -1), 7: (True, -1, -1), 8: (True, -1, 1),
}  # fmt: skip
# EXIF data without an entry, as programs write them that found none.
EMPTY_EXIF = re.compile(rb"(Exif\0\0)?((MM\0\*\0\0\0\x08|II\*\0\x08\0\0\0)\0\0|$)")
# EXIF data, a colour profile, an Adobe mark, a second picture in a JPEG file: Pillow's to
# understand. Inside of packed pixels no byte of 255 is followed by one of these.
FRILLS = re.compile(rb"\xff[\xe1-\xef]")
# What the decoder says where pixels are wrong, and where only something else is odd.
CORRUPT = re.compile(r"Corrupt JPEG data: (?!bad ICC)|Inconsistent progression")
EXTRA_BYTES = re.compile(r"(\d+) extraneous bytes before marker 0x(..)")
HEADERS = re.compile("e.|fe|db|c[012]")  # markers that come before all pixels


def decoded(path: str | Path, *, thorough: bool = False) -> tuple[np.ndarray, list[Remark]]:
    """The pixels of the picture in a file, and what is worth noting about it.

    Call it inside `quiet_pillow`.

    Args:
        path: the file.
        thorough: whether to compare the checksums that a PNG carries, too.

    Returns:
        uint8, (height, width, 3), upright and RGB, where a turned picture is a view of how it
        lies in the file; and a list of remarks, each a kind and a cause.

    Raises:
        Refused: the file holds no picture that can be used.
        OSError: the system does not let it be read, or it is no plain file.

    Introduced in lesson 2.
    """
    name = str(path).lower()
    try:
        with _opened(path) as file:
            content = readable_format(file, name)
            pixels, remarks = _pixels(file, content, thorough)
    except Refused as refused:
        if is_unfinished(name, refused):
            cause = "Its name is that of a download that was not finished."
            raise Refused("unfinished download", cause) from refused
        raise
    if _is_blank(pixels):
        remarks.append(("blank", f"All of it has the colour {tuple(pixels[0, 0].tolist())}."))
    if not name.endswith(READABLE[content]):
        remarks.insert(0, ("wrong ending", f"Its content is {content}, its name is not."))
    return pixels, remarks


def from_pillow(image: Image.Image) -> tuple[np.ndarray, list[Remark]]:
    """The same of an image that Pillow has opened or made, which stays as it is.

    Raises:
        Refused: its pixels cannot be decoded.

    Introduced in lesson 5.
    """
    try:
        if file := _unread(image):
            content = readable_format(file, str(getattr(image, "filename", "")).lower())
            return _pixels(file, content, thorough=True)
        loaded = image.copy()
        pixels, remarks = in_srgb(loaded, lambda: loaded)
        pixels, more = _turned_upright(pixels, loaded)
    except Refused:
        raise
    except Exception as error:  # decoders raise nearly every class
        raise Refused("damaged", f"Pillow says: {str(error)[:200]}.") from error
    return pixels, [*remarks, *more]


def _unread(image: Image.Image) -> BinaryIO | None:
    """The bytes of the file of an image that was opened, and nothing else done with it."""
    later_frame = image.tell() > 0  # the file would give the first one
    if not getattr(image, "tile", None) or later_frame:
        return None
    source = image.fp
    place = source.tell()
    source.seek(0)
    content = source.read()
    source.seek(place)
    return io.BytesIO(content)


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
        content = readable_format(file, str(path).lower())
        file.seek(0)
        image = OPENERS[content](file)
        if image.width * image.height > MAX_PIXELS:
            raise ValueError
        try:
            image.load()
        except Exception:  # whatever decoders raise
            image.tile = []  # nothing is left to do, so what was decoded counts as the picture
        return in_srgb(image, lambda: image)[0]


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
        if status.st_size <= SMALL_FILE:
            content = os.read(descriptor, status.st_size + 1)
            if len(content) == status.st_size:
                return io.BytesIO(content)
            os.lseek(descriptor, 0, os.SEEK_SET)
        file, descriptor = os.fdopen(descriptor, "rb"), None
        return file
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _pixels(file: BinaryIO, content: str, thorough: bool) -> tuple[np.ndarray, list[Remark]]:
    """The upright picture in a file of this format, with the remarks on it."""
    if content == "JPEG" and (pixels := _plain_pixels(file)) is not None:
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
        for bare in without_extras(file, content):
            with contextlib.suppress(Exception):
                pixels, remarks = _by_pillow(bare, content, thorough)
                cause = "Something that it holds beside the picture cannot be read."
                return pixels, [*remarks, ("extra data", cause)]
        raise Refused(*damage_in_words(error, file, content)) from error


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


def _plain_pixels(file: BinaryIO) -> np.ndarray | None:
    """The pixels of a small JPEG file without frills or faults; None for any other.

    It needs no look by Pillow, which takes three times as long as to decode a small picture.
    """
    if not isinstance(file, io.BytesIO) or FRILLS.search(file.getvalue()):
        return None
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(file.getvalue())
    except ValueError:
        return None
    return _by_simplejpeg(file.getvalue())[0] if height * width <= MAX_PIXELS else None


def _by_pillow(file: BinaryIO, content: str, thorough: bool) -> tuple[np.ndarray, list[Remark]]:
    def opened() -> Image.Image:
        file.seek(0)
        return OPENERS[content](file)

    if thorough and content == "PNG":
        opened().verify()
    if thorough and content == "WEBP" and ends_in_zeros(file):
        raise Refused("truncated", "Its end is empty, as after a copy that broke off.")
    image = opened()
    size = image.width * image.height
    halved = content == "JPEG" and size > MAX_PIXELS
    # A progressive JPEG file would need the memory for the whole picture all the same.
    can_be_halved = size <= MAX_HALVED_PIXELS and "progressive" not in image.info
    if size > MAX_PIXELS and not (halved and can_be_halved):
        raise Image.DecompressionBombError
    if content == "JPEG":
        pixels, remarks = _jpeg_pixels(file, image, halved)
    else:
        pixels, remarks = in_srgb(image, opened)
        if content == "PNG" and not remarks and not image.info.get("icc_profile"):
            remarks = coded_colours(file)
    pixels, more = _turned_upright(pixels, image)
    if _is_animated(image):
        more.append(("animated", "It holds several pictures."))
    return pixels, [*remarks, *more]


def _jpeg_pixels(
    file: BinaryIO, image: Image.Image, halved: bool
) -> tuple[np.ndarray, list[Remark]]:
    data = all_bytes(file)
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


def _turned_upright(pixels: np.ndarray, image: Image.Image) -> tuple[np.ndarray, list[Remark]]:
    """A view of an image turned as its EXIF data say, as far as these can be read."""
    try:
        exif = dict(image.getexif())
        upright = UPRIGHT.get(exif.get(ORIENTATION))
    except Exception:  # as with decoders; the picture itself is good
        exif, upright = {}, None
    unread = not exif and not EMPTY_EXIF.match(image.info.get("exif", b""))
    cause = "Its EXIF data, which say which side is up, cannot be read."
    if upright:
        swapped, *steps = upright
        pixels = pixels.transpose(1, 0, 2) if swapped else pixels
        pixels = pixels[:: steps[0], :: steps[1]]
    return pixels, [("damaged EXIF", cause)] if unread else []


def _is_animated(image: Image.Image) -> bool:
    try:
        return getattr(image, "is_animated", False)
    except Exception:  # the first picture is good, and only that is used
        return True


def _is_blank(pixels: np.ndarray) -> bool:
    """Whether all pixels have one colour."""
    # In most pictures the middle is another colour than the corner, and that is soon seen.
    height, width, _ = pixels.shape
    if pixels.item(0) != pixels.item((height // 2 * width + width // 2) * 3):
        return False
    return bool((pixels == pixels[0, 0]).all())
