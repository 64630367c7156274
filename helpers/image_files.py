"""From one file on disk to the pixels of one upright 8-bit RGB picture. Introduced in lesson 2.

    with quiet_pillow():
        pixels, remarks = decoded(Path("photos/cat/0001.jpg"))

`decoded` is the one door: the check of a folder, the reading of a dataset and the pictures in
a report all see an image through it. It goes in three steps: open the file, tell its format
by its first bytes, decode it. Pillow does all that, but for the pixels of a JPEG file: simplejpeg
gives the same ones sooner. A file that gives no picture is `Refused`. Both a refusal and a remark
on a good picture are a kind and a cause; `helpers.folder_report` has the advice that belongs to
each kind. `in_processes` does the work for thousands of files at once.

The first bytes decide how a file is read, never its name. Links are not followed, and what
is not a plain file is not read.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import stat
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import starmap
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import simplejpeg
from PIL import Image

from helpers.memory import usable_cores

Remark = tuple[str, str]  # a kind of finding, and its cause: a sentence

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
        ".orf", ".rw2", ".raf",
    )
)  # fmt: skip
ANIMATED = ("PNG", "WEBP", "GIF")

HEAD_BYTES = 32  # enough to know a format by
AT_ONCE = 1 << 16  # bytes; a file no longer than this is read with a single call
STARTS = {
    b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF87a": "GIF", b"GIF89a": "GIF",
    b"II*\0": "TIFF", b"MM\0*": "TIFF", b"8BPS": "Photoshop",
    b"\0\0\0\x0cjP  ": "JPEG 2000", b"\0\0\0\x0cJXL ": "JPEG XL",
}  # fmt: skip
BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes, one a version of the format
BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"
)

MAX_PIXELS = 128_000_000  # more is refused unopened: a small file can claim any size

# How an image with this EXIF orientation is turned upright (names of Image.Transpose).
ORIENTATION = 0x0112
UPRIGHT = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
    6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip

# A JPEG file without frills has none but these segments before its pixels: the JFIF header,
# tables, a comment, the restart interval. What else there is (EXIF, a colour profile, an
# Adobe mark, a second picture) is Pillow's to understand.
PLAIN_SEGMENTS = frozenset(b"\xe0\xdb\xc4\xfe\xdd")
FRAMES = frozenset(b"\xc0\xc1\xc2")  # baseline, extended, progressive
SCAN = 0xDA
PLAIN_PLANES = (1, 3)  # grey, or colour; Pillow turns others into RGB

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
    with _opened(path) as file:
        content = _content(file, name)
        plain = content == "JPEG" and _is_plain(file)
        pixels, remarks = _pixels_of_jpeg(file) if plain else None, []
        if pixels is None:
            pixels, remarks = _pixels_in(file, content, thorough)
    if not name.endswith(READABLE[content]):
        remarks.insert(0, ("wrong ending", f"Its content is {content}, its name is not."))
    return pixels, remarks


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
            content = os.read(descriptor, AT_ONCE)
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
    ending = os.path.splitext(name)[1]  # noqa: PTH122, as everywhere here
    if not head and ending in READABLE_ENDINGS | OTHER_ENDINGS:
        raise Refused("zero bytes", "It is empty: 0 bytes.")
    if found or ending in OTHER_ENDINGS:
        name = ending[1:].upper() if ending in OTHER_ENDINGS else found
        raise Refused("format", f"It is a {name} file, which is not read here.")
    if ending in READABLE_ENDINGS:
        raise Refused("no image content", f"Its name ends in {ending}, but it holds no image.")
    raise Refused("not an image", "Neither its name nor its content is that of an image.")


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


def _pixels_of_jpeg(file: BinaryIO) -> np.ndarray | None:
    """The pixels in a JPEG file, as they lie there; None where something is wrong with it.

    Pillow decodes with the same library, into a picture that it has to copy first and last.
    """
    file.seek(0)
    try:
        return simplejpeg.decode_jpeg(file.read())
    except (ValueError, MemoryError):
        return None


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
            if marker in FRAMES and not pixels and data[at + 9] in PLAIN_PLANES:
                pixels = (data[at + 5] << 8 | data[at + 6]) * (data[at + 7] << 8 | data[at + 8])
            elif marker == SCAN:
                return 0 < pixels <= MAX_PIXELS
            elif marker not in PLAIN_SEGMENTS:
                break
            at += 2 + (data[at + 2] << 8 | data[at + 3])
    return False


def _pixels_in(file: BinaryIO, content: str, thorough: bool) -> tuple[np.ndarray, list[Remark]]:
    """The upright picture in a file of this format, with the remarks on it."""
    try:
        if thorough and content == "PNG":
            Image.open(file, formats=["PNG"]).verify()
        image = Image.open(file, formats=[content])
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        pixels = None
        if content == "JPEG" and image.mode in ("L", "RGB"):
            pixels = _pixels_of_jpeg(file)
        if pixels is None:
            image.load()
            pixels = np.asarray(_in_rgb(image))
        turn, remarks = _orientation(image)
        if turn is not None:
            pixels = np.asarray(Image.fromarray(pixels).transpose(turn))
        if content in ANIMATED and _is_animated(image):
            remarks.append(("animated", "It holds several pictures."))
    except (Image.DecompressionBombError, MemoryError) as error:
        cause = f"It claims more than {MAX_PIXELS:,} pixels, or more than fits into the memory."
        raise Refused("too many pixels", cause) from error
    except Exception as error:  # decoders raise nearly every class on bytes they do not like
        if isinstance(error, OSError) and error.errno:  # not the decoder, the disk
            raise
        raise Refused(*_damage(error, file, content)) from error
    return pixels, remarks


def _damage(error: Exception, file: BinaryIO, content: str) -> Remark:
    """The kind and the cause of what a decoder did not like."""
    size = file.seek(0, os.SEEK_END)
    file.seek(4)
    # A WebP file says how long it is.
    short = content == "WEBP" and int.from_bytes(file.read(4), "little") + 8 > size
    if short or isinstance(error, EOFError) or "truncated" in str(error).lower():
        return "truncated", f"It ends too early, after {size:,} bytes."
    said = printable(str(error)).split(" <")[0][:100].rstrip(".") or type(error).__name__
    return "damaged", f"It cannot be decoded: {said}."


def _orientation(image: Image.Image) -> tuple[Image.Transpose | None, list[Remark]]:
    """How to turn the image upright, as far as its EXIF data can be read."""
    try:
        exif = dict(image.getexif())
        name = UPRIGHT.get(exif.get(ORIENTATION))
    except Exception:  # as with decoders; the picture itself is good
        exif, name = {}, None
    turn = Image.Transpose[name] if name else None
    unread = not exif and len(image.info.get("exif", b"")) > len(b"Exif\0\0")
    cause = "Its EXIF data, which say which side is up, cannot be read."
    return turn, [("damaged EXIF", cause)] if unread else []


def _is_animated(image: Image.Image) -> bool:
    try:
        return image.is_animated
    except Exception:  # the first picture is good, and only that is used
        return True


def _in_rgb(image: Image.Image) -> Image.Image:
    """The image as 8-bit RGB: what is transparent over white, 16 bits rounded to 8."""
    if image.mode.startswith("I"):
        # Pillow's own conversion would cut off everything above 255.
        deep = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((deep + 128) // 257).clip(0, 255).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


# ------------------------------------------------------------------------------ many files


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Pillow knows every format and warns of nothing. Introduced in lesson 2."""
    Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


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
    under way at any time, so that the memory does not grow with the items.

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
    ahead: deque[Future] = deque()  # in order
    try:
        with _deaf_to_interrupts():
            started = others.submit(os.getpid)
        for chunk in chunks:
            if started.done() and sum(not one.done() for one in ahead) < 2 * (processes - 1):
                ahead.append(others.submit(work, *chunk))
            else:  # they start, or have enough to do
                ahead.append(Future())
                ahead[-1].set_result(work(*chunk))
            while ahead and (ahead[0].done() or len(ahead) > MOST_AHEAD * processes):
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        with _killed_in_silence():
            others.shutdown(kill_workers=True)


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
