"""Check a folder of one's own photos before anything is trained on it. Introduced in lesson 2.

    report = check_folder("photos")        # everything that is wrong, in one go
    report.to_csv("report.csv")            # the same as a table, to work through
    report = check_folder("photos", set_aside=True)    # go on without the unusable files

A folder holds one sub-folder a class, or `train`, `validation` and `test` folders that each
hold one sub-folder a class. The check goes in five steps, and each adds its findings:
list the files, see how the folder is laid out, decode every image once, compare the images
with each other, and try the cut into training, validation and test images.

Nothing in the folder is ever moved, changed or deleted. A file is set aside in the report
only. Links are not followed, and what is not a plain file is not opened.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import difflib
import errno
import hashlib
import html
import io
import math
import os
import stat
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from helpers.errors import FolderError, MissingFileError, NotEnoughMemoryError, UsageError
from helpers.files import written_whole
from helpers.memory import available_memory

if TYPE_CHECKING:
    from PIL import Image

Parts = tuple[str, ...]  # a path below the folder, as its names

SHARE = 0.2  # of the images for the test, then of the rest for validation, where none is given
MOST_PICTURES = 12  # in a report
PARTS = {
    "train": "train", "validation": "validation", "val": "validation", "valid": "validation",
    "test": "test",
}  # fmt: skip
PART_ORDER = ("", "train", "validation", "test")
NAMED_DATASETS = ("fashion_mnist", "cifar10")

# What operating systems and JupyterLab leave in folders; so is every name with a leading dot.
LEFT_BY_SYSTEMS = ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir")

READABLE = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
}
READABLE_ENDINGS = frozenset(ending for endings in READABLE.values() for ending in endings)
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
FEWEST_PIXELS = 4  # a side
LONGEST = 8  # times the shorter side
CHUNK = 16  # files, for a thread at a time
MOST_THREADS = 8

# How an image with this EXIF orientation is turned upright (names of Image.Transpose).
ORIENTATION = 0x0112
UPRIGHT = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
    6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip

# Two images are nearly the same where their thumbnails are: see `_nearly_the_same`. The limits
# were set by eye on CIFAR-10: all but a few of the 200 pairs they give show the same scene.
THUMBNAIL = (8, 8)
NEAR = 12.0  # grey levels, root mean square over the thumbnail
NEAR_SHARE = 0.25  # of the thumbnail's contrast
PIECE = 4_096  # thumbnails that are compared at once
PLAIN = 8.0  # grey levels of contrast; a thumbnail with less says too little

PROBLEM, SET_ASIDE, NOTE = LEVELS = ("problem", "set aside", "note")

_AGAIN = "Copy it again from where it came from, or delete it."
_CONVERT = "Open it in a photo program and export it as JPEG or PNG into the same folder."

# Every kind of finding: its level, and the one thing to do. What may be set aside is a
# problem as long as nobody asked for that.
KINDS = {
    # the layout
    "empty": (PROBLEM, "Put one sub-folder of images a class into it."),
    "no class folders": (PROBLEM, "Sort the images into one sub-folder a class."),
    "one class": (PROBLEM, "Add a sub-folder with images of a second class."),
    "one folder too many": (PROBLEM, "Use the inner folder."),
    "same part twice": (PROBLEM, "Put the images of both into one folder."),
    "same class twice": (PROBLEM, "Put the images of both into one folder, or rename one."),
    "unreadable name": (PROBLEM, "Rename the folder."),
    "unreadable folder": (PROBLEM, "Give yourself the right to read it, or move it elsewhere."),
    "path too long": (PROBLEM, "Move it into a folder with a shorter path."),
    "different classes": (PROBLEM, "Add images of them there, or take them out of every part."),
    "too few images": (PROBLEM, "Add images to it, or leave the class out."),
    "class without images": (SET_ASIDE, "Put images into it, or delete the folder."),
    "outside": (SET_ASIDE, "Move it into the folder of its class."),
    "nested folders": (NOTE, "If these are the classes, load that folder instead."),
    "two spellings": (NOTE, "They count as one class. No need to act."),
    # single files
    "zero bytes": (SET_ASIDE, _AGAIN),
    "no image content": (SET_ASIDE, _AGAIN),
    "format": (SET_ASIDE, _CONVERT),
    "truncated": (SET_ASIDE, _AGAIN),
    "damaged": (SET_ASIDE, _AGAIN),
    "too many pixels": (SET_ASIDE, "Save a smaller copy of it in its place."),
    "tiny": (SET_ASIDE, "Put a larger image in its place, or delete it."),
    "unreadable": (SET_ASIDE, "Give yourself the right to read it, or delete it."),
    "vanished": (SET_ASIDE, "Wait until nothing changes the folder, then check again."),
    "not an image": (NOTE, "It is left out. No need to act."),
    "wrong ending": (NOTE, "It is used. Rename it if other programs are to open it."),
    "animated": (NOTE, "Its first picture is used. No need to act."),
    "damaged EXIF": (NOTE, "Look whether it lies on its side; if so, turn it and save it."),
    "very long": (NOTE, "It is squeezed into shape. Crop it if what matters gets lost."),
    "strange name": (NOTE, "It is used. Rename it if other programs are to open it."),
    "link": (NOTE, "It is not followed. Copy what it leads to here if it is wanted."),
    "not a file": (NOTE, "It is left alone. No need to act."),
    # images compared with each other
    "two labels": (SET_ASIDE, "Delete the copy whose class is wrong."),
    "leak": (SET_ASIDE, "Delete this copy: a test on known images says nothing."),
    "copy": (NOTE, "All copies go to the same split. Delete it if it is there by mistake."),
    "nearly the same": (NOTE, "Look at both. Keep one if they show the same moment."),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is worth knowing about a file or folder.

    Attributes:
        path: str, below the checked folder, with slashes, every character printable.
        kind: what it is, one of the keys of `KINDS`.
        level: "problem" (the folder cannot be used like this), "set aside" (left out, as
            asked for) or "note" (no obstacle).
        cause: what was found, a sentence.
        advice: what to do about it, a sentence.

    Introduced in lesson 2.
    """

    path: str
    kind: str
    level: str
    cause: str
    advice: str


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image that can be used.

    Attributes:
        path: where it is.
        label: int, an index into the report's class_names.
        part: "train", "validation" or "test" where the folder says so, else "".
        twin: int, the same number for all files with exactly the same picture.

    Introduced in lesson 2.
    """

    path: Path
    label: int
    part: str
    twin: int


@dataclass(frozen=True, eq=False)
class FolderReport:
    """What `check_folder` found.

    Attributes:
        folder: the folder, as it was given.
        class_names: the classes that have usable images, sorted.
        images: the usable images, by class, then by path.
        findings: everything else: problems first, then what was set aside, then notes.
        ignored: how many files and folders of each name that systems leave behind (such as
            .DS_Store) were passed over.

    Introduced in lesson 2.
    """

    folder: Path
    class_names: tuple[str, ...]
    images: tuple[ImageFile, ...]
    findings: tuple[Finding, ...]
    ignored: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the folder can be used: no problems."""
        return not self.problems

    @property
    def problems(self) -> tuple[Finding, ...]:
        return self._of_level(PROBLEM)

    @property
    def set_aside(self) -> tuple[Finding, ...]:
        return self._of_level(SET_ASIDE)

    @property
    def notes(self) -> tuple[Finding, ...]:
        return self._of_level(NOTE)

    def _of_level(self, level: str) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == level)

    def class_counts(self) -> dict[str, int]:
        """How many usable images each class has. Introduced in lesson 2."""
        counts = Counter(image.label for image in self.images)
        return {name: counts[label] for label, name in enumerate(self.class_names)}

    def to_csv(self, path: str | os.PathLike) -> None:
        """Write the findings as a table that spreadsheet programs open.

        Args:
            path: the file to write; a file that is there is replaced.

        Raises:
            StorageError: the disk is full, or nothing may be written there.

        Introduced in lesson 2.
        """
        with (
            written_whole(Path(path)) as temporary,
            # With the mark that Excel knows UTF-8 by.
            temporary.open("w", encoding="utf-8-sig", newline="") as file,
        ):
            table = csv.writer(file)
            table.writerow(["path", "kind", "level", "cause", "advice"])
            for found in self.findings:
                # A cell that starts with "=" would be a formula.
                where = "./" if found.path == "." else f"./{found.path}"
                table.writerow([where, found.kind, found.level, found.cause, found.advice])

    def raise_problems(self) -> None:
        """Raise an error that lists the problems, if there are any.

        Raises:
            FolderError: the folder cannot be used as it is.

        Introduced in lesson 2.
        """
        problems = self.problems
        if not problems:
            return
        folder = _printable(str(self.folder))
        lines = [
            f"Expected a folder of images that can be used. Received: {folder} with "
            f"{_count(len(problems), 'problem')}:"
        ]
        lines += [f"  {found.path}: {found.cause} {found.advice}" for found in problems[:10]]
        if len(problems) > 10:
            lines.append(
                f"and {len(problems) - 10:,} more: "
                f'check_folder("{folder}").to_csv("report.csv") lists all.'
            )
        settable = {found.kind for found in problems if KINDS[found.kind][0] == SET_ASIDE}
        if settable:
            aside = sum(found.kind in settable for found in problems)
            lines.append(
                f"set_aside=True goes on without {aside:,} of them, and touches no file: "
                f"{', '.join(sorted(settable))}."
            )
        raise FolderError("\n".join(lines))

    def __repr__(self) -> str:
        lines = [f"FolderReport {_folder_name(self.folder)!r}: {self._summary()}"]
        width = max((len(name) for name in self.class_names), default=0)
        counts = list(self.class_counts().items())
        lines += [f"  {name:{width}}  {count:7,}" for name, count in counts[:30]]
        if len(counts) > 30:
            lines.append(f"  and {len(counts) - 30} more classes")
        for (level, kind), group in self._groups().items():
            lines.append(f"  {level}: {kind} ({len(group):,}). {group[0].advice}")
            lines += [f"    {found.path}: {found.cause}" for found in group[:8]]
            if len(group) > 8:
                lines.append(f"    and {len(group) - 8:,} more")
        if self.ignored:
            lines.append(f"  ignored: {self._ignored_in_words()}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return _as_html(self)

    def in_words(self) -> str:
        """The numbers of notes and of files set aside; "" if there are none of both.

        Introduced in lesson 2.
        """
        words = [_count(len(self.notes), "note")] if self.notes else []
        if self.set_aside:
            words.append(f"{_count(len(self.set_aside), 'file')} set aside")
        return ", ".join(words)

    def _summary(self) -> str:
        words = [
            f"{_count(len(self.images), 'image')} of {_count(len(self.class_names), 'class')}",
            _count(len(self.problems), "problem"),
            f"{len(self.set_aside):,} set aside",
            _count(len(self.notes), "note"),
        ]
        return ", ".join(words)

    def _groups(self) -> dict[tuple[str, str], list[Finding]]:
        groups: dict[tuple[str, str], list[Finding]] = {}
        for found in self.findings:
            groups.setdefault((found.level, found.kind), []).append(found)
        return groups

    def _ignored_in_words(self) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in sorted(self.ignored.items()))


def check_folder(
    folder: str | os.PathLike,
    *,
    set_aside: bool = False,
    progress: bool = True,
    validation_images: int | None = None,
) -> FolderReport:
    """Look at every file of a folder of images, and report everything that is wrong at once.

    Args:
        folder: its path. It holds one sub-folder a class, or `train` and any of
            `validation` (also `val`, `valid`) and `test`, each with one sub-folder a class.
        set_aside: whether to go on without the files that cannot be used. They are listed
            in the report, and stay where they are.
        progress: whether to show a progress bar where it takes longer than a second.
        validation_images: how many images `load_dataset` will be asked to cut off for
            validation. Default: a fifth.

    Returns:
        A `FolderReport`. Show it, or write it with its `to_csv`.

    Raises:
        MissingFileError: there is nothing at this path.
        FolderError: there is something else than a folder, or it may not be read.
        UsageError: validation_images does not fit the number of images.

    Introduced in lesson 2.
    """
    root = _existing_folder(folder)
    listing = _list_files(root)
    if (unusable := _whole_layout(root, listing)) is not None:
        findings, classes, images = [*listing.findings, unusable], (), ()
    else:
        depth = 2 if _has_parts(listing.folders) else 1
        seen = _examine_all(root, listing.files, depth, progress)
        usable, copies = _compare(seen)
        classes, images = _labelled(root, usable)
        findings = [
            *listing.findings,
            *_folder_names(listing.folders, depth),
            *(finding for one in seen for finding in one.findings),
            *_nested(seen, depth),
            *copies,
            *_nearly_the_same(usable),
            *_missing_classes(listing.folders, usable, depth),
            *_too_few(images, classes, validation_images),
        ]
    if not set_aside:
        findings = [
            replace(found, level=PROBLEM) if found.level == SET_ASIDE else found
            for found in findings
        ]
    findings.sort(key=lambda found: (LEVELS.index(found.level), found.kind, found.path))
    return FolderReport(root, classes, images, tuple(findings), dict(listing.ignored))


def _finding(parts: Parts, kind: str, cause: str, advice: str | None = None) -> Finding:
    level, usual = KINDS[kind]
    return Finding(_shown(parts), kind, level, cause, advice or usual)


def _printable(text: str) -> str:
    """The text with every character that cannot be shown escaped."""
    text = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _shown(parts: Parts) -> str:
    return _printable("/".join(parts)) or "."


def _folder_name(folder: Path) -> str:
    return _printable(folder.name or folder.resolve().name)


def _count(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


# --------------------------------------------------------------------------- step 1: list the files


class _Listing(NamedTuple):
    files: list[Parts]
    folders: list[Parts]
    findings: list[Finding]
    ignored: Counter


def _existing_folder(folder: str | os.PathLike) -> Path:
    """The folder as a Path, or an error that says what is there instead."""
    try:
        root = Path(folder)
    except TypeError:
        raise UsageError(
            f"Expected the path of a folder. Received: {type(folder).__name__}. Give it as text."
        ) from None
    try:
        mode = os.stat(root).st_mode  # noqa: PTH116, says more than Path.is_dir
    except PermissionError as error:
        raise FolderError(_unreadable_root(root, error)) from None
    except (OSError, ValueError) as error:  # ValueError: a zero character in the name
        raise MissingFileError(_missing(root)) from error
    if not stat.S_ISDIR(mode):
        packed = root.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
        raise FolderError(
            f"Expected the path of a folder. Received: the file {_printable(str(root))}. "
            + ("Unpack it first, then give" if packed else "Give")
            + " the folder that the images lie in."
        )
    return root


def _missing(root: Path) -> str:
    siblings: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        siblings = [entry.name for entry in root.parent.iterdir() if entry.is_dir()]
    names = {name.casefold(): name for name in (*NAMED_DATASETS, *siblings)}
    close = difflib.get_close_matches(root.name.casefold(), names, n=1)
    hint = f"Did you mean {_printable(names[close[0]])!r}?" if close else "Check its spelling."
    return (
        'Expected "fashion_mnist", "cifar10" or the path of a folder. '
        f"Received: {_printable(str(root))!r}, and there is no folder at "
        f"{_printable(str(Path.cwd() / root))}. {hint}"
    )


def _unreadable_root(root: Path, error: OSError) -> str:
    return (
        f"Expected a folder that can be read. Received: {_printable(str(root))}, and the system "
        f"says: {error.strerror}. Give yourself the right to read it, or copy it elsewhere."
    )


def _list_files(root: Path) -> _Listing:
    """Everything in the folder, without following a link. No recursion: folders can be deep."""
    listing = _Listing([], [], [], Counter())
    waiting: list[Parts] = [()]
    while waiting:
        parts = waiting.pop()
        try:
            with os.scandir(root.joinpath(*parts)) as entries:
                for entry in entries:
                    _list_entry(entry, (*parts, entry.name), listing, waiting)
        except OSError as error:
            if not parts:
                raise FolderError(_unreadable_root(root, error)) from error
            kind = "path too long" if error.errno == errno.ENAMETOOLONG else "unreadable folder"
            cause = f"It cannot be listed. The system says: {error.strerror}."
            listing.findings.append(_finding(parts, kind, cause))
    listing.files.sort()
    listing.folders.sort()
    return listing


def _list_entry(entry: os.DirEntry, parts: Parts, listing: _Listing, waiting: list[Parts]) -> None:
    if pattern := _left_by_systems(entry.name):
        listing.ignored[pattern] += 1
    elif entry.is_symlink():
        listing.findings.append(_finding(parts, "link", "It is a link to another place."))
    elif entry.is_dir(follow_symlinks=False):
        listing.folders.append(parts)
        waiting.append(parts)
    elif entry.is_file(follow_symlinks=False):
        listing.files.append(parts)
    else:
        listing.findings.append(_finding(parts, "not a file", "It is a pipe, socket or device."))


def _left_by_systems(name: str) -> str | None:
    """What to count the name under, if it is none of the user's own."""
    if name.casefold() in LEFT_BY_SYSTEMS or name in (".DS_Store", ".ipynb_checkpoints"):
        return name
    if name.startswith("._"):
        return "._*"
    return "other hidden names" if name.startswith(".") else None


# --------------------------------------------------------------------------- step 2: see the layout


def _has_parts(folders: list[Parts]) -> bool:
    """Whether the folders are train, validation and test, rather than classes of that name."""
    top = {parts[0] for parts in folders}
    return all(name.casefold() in PARTS for name in top) and any(
        len(parts) == 2 and _part(parts[0]) == "train" for parts in folders
    )


def _part(name: str) -> str:
    return PARTS[name.casefold()]


def _whole_layout(root: Path, listing: _Listing) -> Finding | None:
    """What is wrong with the folder as a whole, so that its files need no look."""
    if not listing.folders and not listing.files:
        return _finding((), "empty", "There is no folder and no file in it.")
    if not listing.folders:
        cause = f"It holds {_count(len(listing.files), 'file')} and no folder."
        return _finding((), "no class folders", cause)
    inner = _inner_folder(listing.folders)
    if not inner:
        return None
    cause = "It is the only folder here, and its own folders look like the classes."
    path = f"{_folder_name(root)}/{_shown(inner)}"
    return _finding(inner, "one folder too many", cause, f'Use it: load_dataset("{path}").')


def _inner_folder(folders: list[Parts]) -> Parts:
    """The folder with the classes, where each one above it holds no other; else ()."""
    inner: Parts = ()
    while True:
        below = [parts[len(inner) :] for parts in folders if len(parts) > len(inner)]
        top = {parts[0] for parts in below}
        if _has_parts(below) or len(top) > 1:
            return inner
        if not top:  # no classes anywhere
            return ()
        inner = (*inner, *top)


def _class_of(parts: Parts, depth: int) -> str:
    """The class that a path belongs to. Unicode can spell the same word in several ways."""
    return _printable(unicodedata.normalize("NFC", parts[depth - 1]))


def _class_folders(folders: list[Parts], depth: int) -> list[Parts]:
    return [parts for parts in folders if len(parts) == depth]


def _folder_names(folders: list[Parts], depth: int) -> Iterator[Finding]:
    """What is wrong with the names of the folders: they clash, or cannot be read."""
    parts_seen: dict[str, str] = {}
    for top in sorted({parts[0] for parts in folders} if depth == 2 else ()):
        other = parts_seen.setdefault(_part(top), top)
        if other != top:
            yield _finding((top,), "same part twice", f"{other} is here too, and means the same.")
    spelled: dict[str, Parts] = {}
    classes: dict[str, str] = {}
    for parts in _class_folders(folders, depth):
        name = _class_of(parts, depth)
        if not _is_text(parts[-1]):
            yield _finding(parts, "unreadable name", "Its name is not text on this system.")
        twin = spelled.setdefault(name, parts)
        if twin[-1] != parts[-1]:
            cause = f"The letters of its name are stored in another way than in {_shown(twin)}."
            yield _finding(parts, "two spellings", cause)
        clash = classes.setdefault(unicodedata.normalize("NFC", name.strip().casefold()), name)
        if clash != name:
            cause = f"Its name differs from {clash!r} by capital letters or spaces only."
            yield _finding(parts, "same class twice", cause)


def _is_text(name: str) -> bool:
    """Whether a name is proper Unicode; Linux allows any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


# ----------------------------------------------------------------------- step 3: decode every image


class _Seen(NamedTuple):
    """A file that was looked at. Without a digest it is no image that can be used."""

    parts: Parts
    class_name: str
    part: str
    findings: tuple[Finding, ...]
    digest: bytes = b""
    thumbnail: bytes = b""


class _Refused(Exception):
    """Why a file is no image that can be used: a kind and a cause."""


@contextlib.contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Every format known and no warnings. Threads share their filters, so this stays outside."""
    from PIL import Image

    Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _examine_all(root: Path, files: list[Parts], depth: int, progress: bool) -> list[_Seen]:
    """Look at every file."""

    def examine(chunk: Sequence[Parts]) -> list[_Seen]:
        return [_examine(root, parts, depth) for parts in chunk]

    chunks = _in_threads(examine, files, "check", progress)
    return [one for chunk in chunks for one in chunk]


def _in_threads(work: Callable, items: Sequence, doing: str, progress: bool) -> list:
    """work(chunk) for every chunk of the items, in order; stops early when interrupted.

    Pillow decodes outside of Python's lock: large photos gain, small ones lose nothing.
    """
    from concurrent.futures import ThreadPoolExecutor

    from tqdm.auto import tqdm

    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    results = []
    pool = ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1))
    bar = tqdm(total=len(items), desc=doing, unit=" files", delay=1, disable=not progress)
    try:
        with bar, _quiet_pillow():
            for chunk, result in zip(chunks, pool.map(work, chunks), strict=True):
                results.append(result)
                bar.update(len(chunk))
    finally:
        pool.shutdown(cancel_futures=True)
    return results


def _examine(root: Path, parts: Parts, depth: int) -> _Seen:
    """All there is to know about one file, in one pass over it."""
    stray = len(parts) <= depth
    class_name = "" if stray else _class_of(parts, depth)
    part = _part(parts[0]) if depth == 2 and not stray else ""
    ending = _ending(parts[-1])
    notes = [] if _is_text(parts[-1]) else [("strange name", "Its name is not text here.")]
    try:
        with _opened(root.joinpath(*parts)) as file:
            content = _content(file, ending)
            if ending not in READABLE[content]:
                notes.append(("wrong ending", f"Its content is {content}, its name is not."))
            picture, more = _decoded(file, content, thorough=True)
        notes += more
        _check_shape(*picture.size, notes)
        prints = _fingerprints(picture)
    except (_Refused, OSError) as error:
        notes, prints = [_reason(error)], ()
    if stray and (prints or KINDS[notes[0][0]][0] != NOTE):
        notes, prints = [("outside", "It lies in no class folder.")], ()
    return _Seen(parts, class_name, part, tuple(_finding(parts, *n) for n in notes), *prints)


def _ending(name: str) -> str:
    return Path(name).suffix.lower()


def _opened(path: Path) -> BinaryIO:
    """A plain file, opened. What took its place meanwhile is not followed or waited for."""
    flags = os.O_RDONLY
    for flag in ("O_BINARY", "O_NONBLOCK", "O_NOFOLLOW"):  # not every system has each
        flags |= getattr(os, flag, 0)
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileNotFoundError(errno.ENOENT, "it is no file any more")
    return file


def _reason(error: _Refused | OSError) -> tuple[str, str]:
    """The kind and the cause, of a refusal or of what the system says about a file."""
    if isinstance(error, _Refused):
        return error.args
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR):
        return "vanished", "It was there when the folder was listed, and no longer is."
    kind = "path too long" if error.errno == errno.ENAMETOOLONG else "unreadable"
    return kind, f"It cannot be read. The system says: {error.strerror}."


def _content(file: BinaryIO, ending: str) -> str:
    """The format that the first bytes show, if it is one of those that are read."""
    head = file.read(HEAD_BYTES)
    found = _format_of(head)
    if found in READABLE:
        return found
    if not head and ending in READABLE_ENDINGS | OTHER_ENDINGS:
        raise _Refused("zero bytes", "It is empty: 0 bytes.")
    if found or ending in OTHER_ENDINGS:
        name = ending[1:].upper() if ending in OTHER_ENDINGS else found
        raise _Refused("format", f"It is a {name} file, which is not read here.")
    if ending in READABLE_ENDINGS:
        raise _Refused("no image content", f"Its name ends in {ending}, but it holds no image.")
    raise _Refused("not an image", "Neither its name nor its content is that of an image.")


def _format_of(head: bytes) -> str | None:
    """The format of an image, in Pillow's words, by its first bytes."""
    if head[4:8] == b"ftyp":
        brands = [head[8:12], *(head[start : start + 4] for start in range(16, len(head), 4))]
        return next((BRANDS[brand] for brand in brands if brand in BRANDS), None)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    # "BM" alone could be the start of a text.
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in BMP_HEADERS:
        return "BMP"
    return next((name for start, name in STARTS.items() if head.startswith(start)), None)


def _decoded(
    file: BinaryIO, content: str, *, thorough: bool = False
) -> tuple[Image.Image, list[tuple[str, str]]]:
    """The picture in a file, upright and RGB, and what is worth noting about it.

    The check and the reading of a dataset both see an image through this function.
    `thorough` also compares the checksums that a PNG carries.
    """
    from PIL import Image

    try:
        if thorough and content == "PNG":
            Image.open(file, formats=["PNG"]).verify()
        image = Image.open(file, formats=[content])
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        image.load()
        turn, notes = _orientation(image)
        picture = _in_rgb(image)
        if turn is not None:
            picture = picture.transpose(turn)
        if content in ANIMATED and _is_animated(image):
            notes.append(("animated", "It holds several pictures."))
    except (Image.DecompressionBombError, MemoryError) as error:
        cause = f"It claims more than {MAX_PIXELS:,} pixels, or more than fits into the memory."
        raise _Refused("too many pixels", cause) from error
    except Exception as error:  # decoders raise nearly every class on bytes they do not like
        if isinstance(error, OSError) and error.errno:  # not the decoder, the disk
            raise
        raise _Refused(*_damage(error, file, content)) from error
    return picture, notes


def _damage(error: Exception, file: BinaryIO, content: str) -> tuple[str, str]:
    """The kind and the cause of what a decoder did not like."""
    size = file.seek(0, os.SEEK_END)
    file.seek(4)
    # A WebP file says how long it is.
    short = content == "WEBP" and int.from_bytes(file.read(4), "little") + 8 > size
    if short or isinstance(error, EOFError) or "truncated" in str(error).lower():
        return "truncated", f"It ends too early, after {size:,} bytes."
    said = _printable(str(error)).split(" <")[0][:100].rstrip(".") or type(error).__name__
    return "damaged", f"It cannot be decoded: {said}."


def _orientation(image: Image.Image) -> tuple[Image.Transpose | None, list[tuple[str, str]]]:
    """How to turn the image upright, as far as its EXIF data can be read."""
    from PIL import Image

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
    from PIL import Image

    if image.mode.startswith("I"):
        # Pillow's own conversion would cut off everything above 255.
        deep = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((deep + 128) // 257).clip(0, 255).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _check_shape(width: int, height: int, notes: list[tuple[str, str]]) -> None:
    shape = f"It has {width} x {height} pixels."
    if min(width, height) < FEWEST_PIXELS:
        raise _Refused("tiny", shape)
    if max(width, height) > LONGEST * min(width, height):
        notes.append(("very long", shape))


def _fingerprints(picture: Image.Image) -> tuple[bytes, bytes]:
    """A hash of the exact pixels, and a thumbnail to find nearly the same pictures by."""
    from PIL import Image

    digest = hashlib.blake2b(repr(picture.size).encode(), digest_size=16)
    digest.update(picture.tobytes())
    return digest.digest(), picture.resize(THUMBNAIL, Image.Resampling.BOX).tobytes()


def _nested(seen: Iterable[_Seen], depth: int) -> Iterator[Finding]:
    """A note for every class folder with images in folders of its own."""
    deep = Counter(one.parts[:depth] for one in seen if one.digest and len(one.parts) > depth + 1)
    for parts, count in deep.items():
        cause = f"{_count(count, 'image')} from folders inside it belong to this class too."
        yield _finding(parts, "nested folders", cause)


# ----------------------------------------------------------------------- step 4: compare the images


def _compare(seen: list[_Seen]) -> tuple[list[_Seen], list[Finding]]:
    """The images that can be used, and what was found about exact copies."""
    groups: dict[bytes, list[_Seen]] = {}
    for one in seen:
        if one.digest:
            groups.setdefault(one.digest, []).append(one)
    usable: list[_Seen] = []
    findings: list[Finding] = []
    for group in groups.values():
        if len({one.class_name for one in group}) > 1:
            findings += _under_two_labels(group)
            continue
        # A copy in the test images counts most, one in the training images least.
        part = max((one.part for one in group), key=PART_ORDER.index)
        kept = [one for one in group if one.part == part]
        usable += kept
        cause = f"The same picture as {_shown(kept[0].parts)}."
        findings += [_finding(one.parts, "leak", cause) for one in group if one.part != part]
        findings += [_finding(one.parts, "copy", cause) for one in kept[1:]]
    return usable, findings


def _under_two_labels(group: list[_Seen]) -> Iterator[Finding]:
    """A finding for every copy, since nobody knows which label is right."""
    firsts = list({one.class_name: one for one in reversed(group)}.values())
    for one in group:
        other = next(first for first in firsts if first.class_name != one.class_name)
        yield _finding(one.parts, "two labels", f"The same picture as {_shown(other.parts)}.")


def _nearly_the_same(usable: list[_Seen]) -> list[Finding]:
    """A note for every pair of images whose thumbnails differ by very little.

    A thumbnail is a point in space, and a tree finds the nearest other ones. It searches by
    the 12 directions in which the points differ most; the whole thumbnails then decide.
    Pictures of nearly one colour are left out: this small, they all look alike.
    """
    images = list({one.digest: one for one in usable}.values())  # copies are known already
    points = np.frombuffer(b"".join(one.thumbnail for one in images), np.uint8)
    points = points.reshape(-1, 3 * math.prod(THUMBNAIL))
    contrast = _in_pieces(_contrast, points)
    telling = np.flatnonzero(contrast >= PLAIN)
    one, other = telling[_neighbours(points[telling])]
    distance = _in_pieces(lambda i, j: _distance(points[i], points[j]), one, other)
    allowed = np.minimum(NEAR, NEAR_SHARE * np.minimum(contrast[one], contrast[other]))
    close = distance <= allowed
    return [
        _finding(
            images[i].parts,
            "nearly the same",
            f"Nearly the same picture as {_shown(images[j].parts)}.",
        )
        for i, j in zip(one[close], other[close], strict=True)
    ]


def _contrast(points: np.ndarray) -> np.ndarray:
    """How much the colours of each thumbnail vary, in grey levels."""
    return points.reshape(len(points), math.prod(THUMBNAIL), 3).std(axis=1).mean(axis=1)


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The root mean square difference of thumbnails, in grey levels."""
    return np.sqrt(np.square(np.subtract(one, other, dtype=np.float32)).mean(axis=1))


def _in_pieces(work: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """What `work` makes of whole arrays, a piece at a time: as floats they would be large."""
    starts = range(0, max(len(arrays[0]), 1), PIECE)
    return np.concatenate([work(*(array[at : at + PIECE] for array in arrays)) for at in starts])


def _neighbours(points: np.ndarray) -> np.ndarray:
    """Pairs of points that may be near each other, as two rows of indices."""
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return np.empty((2, 0), int)
    middle = points.mean(axis=0)
    spread = sum(
        (piece - middle).T @ (piece - middle)
        for piece in np.array_split(points, -(-len(points) // PIECE))
    )
    _, directions = np.linalg.eigh(spread)
    main = _in_pieces(lambda piece: (piece - middle) @ directions[:, -12:], points)
    radius = NEAR * math.sqrt(points.shape[1])
    _, nearest = cKDTree(main).query(main, k=4, distance_upper_bound=radius, workers=-1)
    one, rank = np.nonzero(nearest < len(points))  # the others are too far away
    pairs = np.sort([one, nearest[one, rank]], axis=0)
    return np.unique(pairs[:, pairs[0] != pairs[1]], axis=1)


# ------------------------------------------------------------------------------ step 5: try the cut


def _labelled(root: Path, usable: list[_Seen]) -> tuple[tuple[str, ...], tuple[ImageFile, ...]]:
    """The classes and the images, in the order in which a dataset has them."""
    classes = tuple(sorted({one.class_name for one in usable}))
    twins: dict[bytes, int] = {}
    images = tuple(
        ImageFile(
            root.joinpath(*one.parts),
            classes.index(one.class_name),
            one.part,
            twins.setdefault(one.digest, len(twins)),
        )
        for one in sorted(usable, key=lambda one: (one.class_name, one.parts))
    )
    return classes, images


def _missing_classes(folders: list[Parts], usable: list[_Seen], depth: int) -> Iterator[Finding]:
    """Classes without images, everywhere or in one of the given parts."""
    found = {one.class_name for one in usable}
    first = {_class_of(parts, depth): parts for parts in reversed(_class_folders(folders, depth))}
    for name in sorted(first.keys() - found):
        yield _finding(first[name], "class without images", "It has no image that can be used.")
    if len(found) < 2:
        cause = f"It has images that can be used of {_count(len(found), 'class')}; 2 are needed."
        yield _finding((), "one class", cause)
    for top in sorted({parts[0] for parts in folders} if depth == 2 else ()):
        missing = found - {one.class_name for one in usable if one.part == _part(top)}
        if missing:
            cause = f"It has no image of {', '.join(sorted(missing))}, and another part has."
            yield _finding((top,), "different classes", cause)


def _too_few(
    images: Sequence[ImageFile], class_names: Sequence[str], validation_images: int | None
) -> list[Finding]:
    """The classes that are too small to be in every split."""
    train = [image for image in images if image.part in ("", "train")]
    counts = Counter(label for label, _ in {(image.label, image.twin) for image in train})
    if len(counts) < max(2, len(class_names)):
        return []  # found already
    try:
        cut_parts(images, class_names, validation_images=validation_images)
    except FolderError:
        given = {image.part for image in images}
        shares = [] if "test" in given else [SHARE]
        if "validation" not in given and validation_images != 0:
            shares.append(validation_images / len(train) if validation_images else SHARE)
        needed = max(_images_needed(shares), min(counts.values()) + 1)
        top = ("train",) if "train" in given else ()
        return [
            _finding(
                (*top, class_names[label]),
                "too few images",
                f"It has {_count(count, 'different image')}, too few to give some to training, "
                f"validation and test each. {needed} are enough.",
            )
            for label, count in sorted(counts.items())
            if count < needed
        ]
    return []


def _images_needed(shares: Sequence[float]) -> int:
    """How many images of a class are enough to cut these shares off, one after the other."""
    needed = 1
    for share in reversed(shares):
        # At least one is cut off, and enough stay for the next cut.
        needed = max(math.ceil(1 / share), math.ceil(needed / (1 - share)))
    return needed


def cut_parts(
    images: Sequence[ImageFile],
    class_names: Sequence[str],
    *,
    validation_images: int | None = None,
    seed: int = 0,
) -> dict[str, list[ImageFile]]:
    """Sort a folder's images into training, validation and test images.

    A part that the folder gives stays as it is. What is lacking is cut off the training
    images, the same share of every class; exact copies stay together.

    Args:
        images: a report's images.
        class_names: the report's class_names.
        validation_images: how many to cut off for validation; a fifth by default, and 0
            cuts off none. Without effect where the folder gives the validation images.
        seed: decides which images are cut off.

    Returns:
        A dict with the keys "train", "validation" and "test".

    Raises:
        FolderError: a class has too few images to be in every part.
        UsageError: so many images cannot be cut off.

    Introduced in lesson 2.
    """
    parts = {part: [image for image in images if image.part == part] for part in PART_ORDER}
    train = parts.pop("") + parts["train"]
    shares = {"test": round(len(train) * SHARE)} if not parts["test"] else {}
    if not parts["validation"] and validation_images != 0:
        left = len(train) - shares.get("test", 0)
        if validation_images is not None:
            check_split(validation_images, left, len(class_names))
        shares["validation"] = validation_images or round(left * SHARE)
    for part, count in shares.items():
        rest, aside = split_by_class(
            [image.label for image in train],
            count,
            seed,
            class_names,
            twins=[image.twin for image in train],
        )
        parts[part] = [train[index] for index in aside]
        train = [train[index] for index in rest]
    return {**parts, "train": train}


def check_split(set_aside: int, images: int, classes: int) -> None:
    """Refuse to cut off a number of images that leaves a class without any.

    Raises:
        UsageError: one of the two sides has fewer images than there are classes.

    Introduced in lesson 2.
    """
    if not classes <= set_aside <= images - classes:
        raise UsageError(
            f"Expected a split that leaves every one of the {classes} classes an image "
            f"on both sides. Received: {set_aside} of {images} images to set aside. "
            "Add images, or set aside another number."
        )


def split_by_class(
    labels: Sequence[int],
    set_aside: int,
    seed: int,
    class_names: Sequence[str],
    twins: Sequence[int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut images off, the same share of every class, and never a copy from its twin.

    Args:
        labels: int, (images,), indices into class_names.
        set_aside: how many images to cut off; with copies among them, about as many.
        seed: decides which.
        class_names: the classes.
        twins: int, (images,), the same number for exact copies. Default: no copies.

    Returns:
        The indices of the images that stay and of those cut off, both in order.

    Raises:
        FolderError: a class has too few images to be on both sides.

    Introduced in lesson 2.
    """
    from sklearn.model_selection import train_test_split

    labels = np.asarray(labels)
    twins = np.arange(len(labels)) if twins is None else twins
    # One image of every group of copies decides for all of them.
    _, first, group = np.unique(twins, return_index=True, return_inverse=True)
    ones = labels[first]
    counts = np.bincount(ones, minlength=len(class_names))
    number = round(set_aside * len(ones) / len(labels))
    cut_off = np.zeros(len(ones), bool)
    if counts.min() >= 2 and len(counts) <= number <= len(ones) - len(counts):
        _, aside = train_test_split(
            np.arange(len(ones)), test_size=number, random_state=seed, stratify=ones
        )
        cut_off[aside] = True
    # A share of a small class may also round to no image at all.
    sides = [np.bincount(ones[side], minlength=len(counts)) for side in (cut_off, ~cut_off)]
    if np.min(sides) < 1:
        smallest = int(counts.argmin())
        raise FolderError(
            "Expected enough images in every class that each split gets one. Received: "
            f"{counts[smallest]} different in {class_names[smallest]!r}. Add images to it, "
            "or leave the class out."
        )
    # In the original order: shuffling is the training's business.
    return np.flatnonzero(~cut_off[group]), np.flatnonzero(cut_off[group])


# ------------------------------------------------------------------------- reading what was checked


def read_images(
    files: Sequence[ImageFile], image_size: tuple[int, int], *, progress: bool = True
) -> np.ndarray:
    """Read images into one array, resized.

    Args:
        files: the images, as `check_folder` found them.
        image_size: (height, width) in pixels. An image of this size keeps its exact pixels.
        progress: whether to show a progress bar where it takes longer than a second.

    Returns:
        uint8, (images, height, width, 3), in the order of the files.

    Raises:
        FolderError: a file was changed or deleted since the check.
        NotEnoughMemoryError: the array would not fit into the memory.

    Introduced in lesson 2.
    """
    from PIL import Image

    height, width = image_size
    needed, free = len(files) * height * width * 3, available_memory()
    if needed > free:
        raise NotEnoughMemoryError(
            f"Expected {needed / 1e6:,.0f} MB of free memory for {len(files):,} images of "
            f"{height} x {width} pixels. Received: {free / 1e6:,.0f} MB. Choose a smaller "
            "image_size, or shut other notebooks down."
        )
    images = np.empty((len(files), height, width, 3), np.uint8)

    def read(chunk: range) -> None:
        for index in chunk:
            picture = _read_picture(files[index].path)
            images[index] = picture.resize((width, height), Image.Resampling.BILINEAR)

    _in_threads(read, range(len(files)), "read", progress)
    return images


def _read_picture(path: Path) -> Image.Image:
    try:
        with _opened(path) as file:
            return _decoded(file, _content(file, _ending(path.name)))[0]
    except (_Refused, OSError) as error:
        raise FolderError(
            f"Expected the image {_printable(str(path))} as it was when the folder was checked. "
            f"Received: a changed one. {_reason(error)[1]} Load the folder again when no "
            "program changes it."
        ) from error


# ------------------------------------------------------------------------- the report in a notebook


def _as_html(report: FolderReport) -> str:
    """Two tables with captions and headings, for eyes and for screen readers."""
    classes = [
        f'<tr><th scope="row">{html.escape(name)}</th><td>{count:,}</td></tr>'
        for name, count in report.class_counts().items()
    ]
    left = MOST_PICTURES
    findings = []
    for (level, kind), group in report._groups().items():
        pictures = [_thumbnail(report.folder, found) for found in group[: min(4, left)]]
        left -= len(pictures) - pictures.count("")
        findings.append(_html_row(f"{level}: {kind}", group, pictures))
    lines = [f"{_folder_name(report.folder)}: {report._summary()}"]
    if report.ignored:
        lines.append(f"ignored: {report._ignored_in_words()}")
    return "".join(
        [
            *(f"<p>{html.escape(line)}</p>" for line in lines),
            _html_table("Images that can be used", ("class", "images"), classes),
            _html_table("What the check found", ("what", "where", "what to do"), findings),
        ]
    )


def _html_table(caption: str, heads: Sequence[str], rows: list[str]) -> str:
    if not rows:
        return ""
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return (
        f"<table><caption>{caption}</caption><thead><tr>{columns}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _html_row(title: str, group: list[Finding], pictures: list[str]) -> str:
    items = [
        f"<li>{html.escape(f'{found.path}: {found.cause}')} {picture}</li>"
        for found, picture in zip_longest(group[:8], pictures, fillvalue="")
    ]
    if len(group) > 8:
        items.append(f"<li>and {len(group) - 8:,} more</li>")
    return (
        f'<tr><th scope="row">{html.escape(title)} ({len(group):,})</th>'
        f"<td><ul>{''.join(items)}</ul></td><td>{html.escape(group[0].advice)}</td></tr>"
    )


def _thumbnail(folder: Path, found: Finding) -> str:
    """The picture as an <img>, of a truncated one what there is; "" if it cannot be shown."""
    from PIL import ImageFile as Pillow

    usual, path = Pillow.LOAD_TRUNCATED_IMAGES, folder / found.path
    try:
        Pillow.LOAD_TRUNCATED_IMAGES = True
        with _quiet_pillow(), _opened(path) as file:
            picture, _ = _decoded(file, _content(file, _ending(path.name)))
        picture.thumbnail((96, 96))
        packed = io.BytesIO()
        picture.save(packed, "PNG")
    except Exception:  # a report is shown whatever became of the files
        return ""
    finally:
        Pillow.LOAD_TRUNCATED_IMAGES = usual
    data = base64.b64encode(packed.getvalue()).decode()
    alt = html.escape(f"{found.path}: {found.kind}")
    return f'<img alt="{alt}" src="data:image/png;base64,{data}">'
