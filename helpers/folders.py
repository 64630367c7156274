"""Check a folder of one's own photos before anything is trained on it. Introduced in lesson 2.

    report = check_folder("photos")        # everything that is wrong, in one go
    report.to_csv("report.csv")            # the same as a table, to work through
    report = check_folder("photos", set_aside=True)    # go on without the unusable files

A folder holds one sub-folder a class, or `train`, `validation` and `test` folders that each
hold one sub-folder a class. The check goes in five steps, and each adds its findings:
list the files, see how the folder is laid out, decode every image once, compare the images
with each other, and try the cut into training, validation and test images. A folder that
passed is then cut by `cut_parts`.

`load_dataset` makes the same check, and keeps the pixels while they are decoded:
`helpers.prepared` puts them on the disk. Where it cannot, `read_images` reads them again.

What is known of a file stands in columns, one number or row a file, and no object is made of
it: a folder may hold a million.

What is next to this module: `helpers.image_files` decodes a single file, `helpers.splits`
makes the cut itself, and `helpers.folder_report` has the report and the kinds of findings.

Nothing in the folder is ever moved, changed or deleted. A file is set aside in the report
only. Links are not followed, and what is not a plain file is not opened.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import math
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from helpers.errors import FolderError, MissingFileError, NotEnoughMemoryError, UsageError
from helpers.files import as_path
from helpers.folder_report import (
    KINDS,
    LEVELS,
    NOTE,
    PARTS,
    PROBLEM,
    SET_ASIDE,
    Finding,
    FolderReport,
    ImageFile,
    ImageFiles,
    Place,
    Places,
    counted,
    folder_name,
)
from helpers.image_files import (
    Refused,
    Remark,
    decoded,
    in_processes,
    printable,
    quiet_pillow,
    reason,
)
from helpers.image_looks import may_show_nothing, shows_nothing
from helpers.memory import available_memory
from helpers.splits import check_split, split_by_class

# A folder may be cut into parts already. These names say so, in capitals too.
PART_OF_FOLDER = {
    "train": "train", "training": "train", "validation": "validation", "val": "validation",
    "valid": "validation", "test": "test", "testing": "test",
}  # fmt: skip
SHARE = 0.2  # of the images for the test, then of the rest for validation, where none is given


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
    return check_listing(
        list_folder(folder),
        set_aside=set_aside,
        progress=progress,
        validation_images=validation_images,
    )


def list_folder(folder: str | os.PathLike) -> Listing:
    """Everything in a folder, by name; no file is opened. Raises as `check_folder` does.

    Introduced in lesson 2.
    """
    return _list_files(_existing_folder(folder))


def check_listing(
    listing: Listing,
    *,
    set_aside: bool = False,
    progress: bool = True,
    validation_images: int | None = None,
    image_size: tuple[int, int] | None = None,
    rows: Path | None = None,
) -> FolderReport:
    """Check the folder that was listed: see `check_folder`.

    Args:
        listing: what `list_folder` gave.
        set_aside, progress, validation_images: as for `check_folder`.
        image_size: (height, width) in pixels, if the pixels are to be kept.
        rows: an empty file that they are written into, in the order of the listed files:
            height x width x 3 bytes each, zeros for one that is no image.

    Introduced in lesson 2.
    """
    root = listing.root
    if (unusable := _whole_layout(root, listing)) is not None:
        findings, classes = [*listing.findings, unusable], ()
        images = ImageFiles(root, listing.files, which=[], labels=[], parts=[], twins=[])
    else:
        depth = 2 if _has_parts(listing.folders) else 1  # at which the class folders lie
        seen = _examine_all(listing, depth, progress, image_size, rows)
        usable, twins, copies = _compare(seen)
        near = _nearly_the_same(seen, usable, twins)
        seen.thumbnails = seen.digests = None  # the largest columns, and no longer needed
        classes, images = _labelled(root, seen, usable, twins)
        findings = [
            *listing.findings,
            *_odd_names(listing.folders, depth),
            *seen.findings,
            *_nested(seen, depth),
            *copies,
            *near,
            *_missing_classes(listing.folders, classes, images, depth),
            *_too_few(images, classes, validation_images),
        ]
    if not set_aside:
        findings = [
            replace(found, level=PROBLEM) if found.level == SET_ASIDE else found
            for found in findings
        ]
    findings.sort(key=lambda found: (LEVELS.index(found.level), found.kind, found.path))
    return FolderReport(root, classes, images, tuple(findings), dict(listing.ignored))


def _finding(place: Place, kind: str, cause: str, advice: str | None = None) -> Finding:
    level, usual = KINDS[kind]
    return Finding(_shown(place), kind, level, cause, advice or usual)


def _shown(place: Place) -> str:
    return printable("/".join(place)) or "."


# --------------------------------------------------------------------------- step 1: list the files

NAMED_DATASETS = ("fashion_mnist", "cifar10")  # what a missing folder may have been meant to be

# What operating systems and JupyterLab leave in folders; so is every name with a leading dot.
LEFT_BY_SYSTEMS = frozenset(
    ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir")
)


@dataclass
class Listing:
    """What is in a folder.

    Attributes:
        root: the folder.
        files, folders: where they are, in the order of their names.
        findings: on what is neither.
        ignored: how many of each name that systems leave behind.
        bytes: of all files together.
        state: a hash of all names and of the sizes, times and rights of all files.

    Introduced in lesson 2.
    """

    root: Path
    files: Places = field(default_factory=Places)
    folders: list[Place] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    ignored: Counter = field(default_factory=Counter)
    bytes: int = 0
    state: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=16))


def _existing_folder(folder: str | os.PathLike) -> Path:
    """The folder as a Path, or an error that says what is there instead."""
    try:
        root = as_path(folder)
    except UsageError:
        raise UsageError(
            f"Expected the path of a folder. Received: {type(folder).__name__}. Give it as text."
        ) from None
    try:
        mode = os.stat(root).st_mode  # noqa: PTH116, says more than Path.is_dir
    except PermissionError as error:
        raise FolderError(_unreadable_in_words(root, error)) from None
    except (OSError, ValueError) as error:  # ValueError: a zero character in the name
        raise MissingFileError(_missing_in_words(root)) from error
    if not stat.S_ISDIR(mode):
        packed = root.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
        raise FolderError(
            f"Expected the path of a folder. Received: the file {printable(str(root))}. "
            + ("Unpack it first, then give" if packed else "Give")
            + " the folder that the images lie in."
        )
    return root


def _missing_in_words(root: Path) -> str:
    siblings: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        siblings = [entry.name for entry in root.parent.iterdir() if entry.is_dir()]
    names = {name.casefold(): name for name in (*NAMED_DATASETS, *siblings)}
    close = difflib.get_close_matches(root.name.casefold(), names, n=1)
    hint = f"Did you mean {printable(names[close[0]])!r}?" if close else "Check its spelling."
    return (
        'Expected "fashion_mnist", "cifar10" or the path of a folder. '
        f"Received: {printable(str(root))!r}, and there is no folder at "
        f"{printable(str(Path.cwd() / root))}. {hint}"
    )


def _unreadable_in_words(root: Path, error: OSError) -> str:
    return (
        f"Expected a folder that can be read. Received: {printable(str(root))}, and the system "
        f"says: {error.strerror}. Give yourself the right to read it, or copy it elsewhere."
    )


def _list_files(root: Path) -> Listing:
    """Everything in the folder, without following a link. No recursion: folders can be deep."""
    listing = Listing(root)
    open_folders = [((), _entries((), listing))]
    while open_folders:
        place, entries = open_folders[-1]
        for entry in entries:  # goes on where it was left
            if _list_entry(entry, place, listing):
                inner = (*place, entry.name)
                listing.folders.append(inner)
                open_folders.append((inner, _entries(inner, listing)))
                break
        else:
            listing.state.update(b"/")
            open_folders.pop()
    return listing


def _entries(place: Place, listing: Listing) -> Iterator[os.DirEntry]:
    """What is in a folder, by name; nothing, and a finding, where it cannot be listed."""
    try:
        with os.scandir(listing.root.joinpath(*place)) as entries:
            return iter(sorted(entries, key=lambda entry: entry.name))
    except OSError as error:
        if not place:
            raise FolderError(_unreadable_in_words(listing.root, error)) from error
        kind = "path too long" if error.errno == errno.ENAMETOOLONG else "unreadable folder"
        cause = f"It cannot be listed. The system says: {error.strerror}."
        listing.findings.append(_finding(place, kind, cause))
        return iter(())


def _list_entry(entry: os.DirEntry, above: Place, listing: Listing) -> bool:
    """Take one entry down, and say whether it is a folder to look into."""
    what = b"folder"
    if pattern := _left_by_systems(entry.name):
        listing.ignored[pattern] += 1
        what = b"ignored"
    elif entry.is_file(follow_symlinks=False):
        listing.files.add(above, entry.name)
        what = _file_state(entry, listing)
    elif entry.is_symlink():
        cause = "It is a link to another place."
        listing.findings.append(_finding((*above, entry.name), "link", cause))
        what = b"link"
    elif not entry.is_dir(follow_symlinks=False):
        cause = "It is a pipe, socket or device."
        listing.findings.append(_finding((*above, entry.name), "not a file", cause))
        what = b"other"
    listing.state.update(b"%b\0%b\0" % (os.fsencode(entry.name), what))
    return what == b"folder"


def _file_state(entry: os.DirEntry, listing: Listing) -> bytes:
    """What changes with a file: its size, its time, and who may read it."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return b"file"
    listing.bytes += status.st_size
    return b"file %d %d %d" % (status.st_size, status.st_mtime_ns, status.st_mode)


def _left_by_systems(name: str) -> str | None:
    """What to count the name under, if it is none of the user's own."""
    if not name.startswith("."):
        return name if name.casefold() in LEFT_BY_SYSTEMS else None
    if name in (".DS_Store", ".ipynb_checkpoints"):
        return name
    return "._*" if name.startswith("._") else "other hidden names"


# --------------------------------------------------------------------------- step 2: see the layout


def _has_parts(folders: list[Place]) -> bool:
    """Whether the folders are train, validation and test, rather than classes of that name."""
    top = {place[0] for place in folders}
    return all(map(_is_part, top)) and any(
        len(place) == 2 and _part_of(place[0]) == "train" for place in folders
    )


def _is_part(name: str) -> bool:
    return name.casefold() in PART_OF_FOLDER


def _names(names: Iterable[str]) -> str:
    return printable(", ".join(sorted(names)))


def _part_of(name: str) -> str:
    return PART_OF_FOLDER[name.casefold()]


def _whole_layout(root: Path, listing: Listing) -> Finding | None:
    """What is wrong with the folder as a whole, so that its files need no look."""
    if not listing.folders and not listing.files:
        return _finding((), "empty", "There is no folder and no file in it.")
    if not listing.folders:
        cause = f"It holds {counted(len(listing.files), 'file')} and no folder."
        return _finding((), "no class folders", cause)
    parts = {place[0] for place in listing.folders if len(place) == 2 and _is_part(place[0])}
    others = {place[0] for place in listing.folders if not _is_part(place[0])}
    if others and {"train"} < set(map(_part_of, parts)):  # so these two are hardly classes
        cause = f"It holds {_names(parts)}, and beside them {_names(others)}."
        return _finding((), "beside the parts", cause)
    inner = _inner_folder(listing.folders)
    if not inner:
        return None
    cause = "It is the only folder here, and its own folders look like the classes."
    path = f"{folder_name(root)}/{_shown(inner)}"
    return _finding(inner, "one folder too many", cause, f'Use it: load_dataset("{path}").')


def _inner_folder(folders: list[Place]) -> Place:
    """The folder with the classes, where each one above it holds no other; else ()."""
    inner: Place = ()
    while True:
        below = [place[len(inner) :] for place in folders if len(place) > len(inner)]
        top = {place[0] for place in below}
        if _has_parts(below) or len(top) > 1:
            return inner
        if not top:  # no classes anywhere
            return ()
        inner = (*inner, *top)


def _class_of(place: Place, depth: int) -> str:
    """The class that a path belongs to. Unicode can spell the same word in several ways."""
    return printable(unicodedata.normalize("NFC", place[depth - 1]))


def _class_folders(folders: list[Place], depth: int) -> list[Place]:
    return [place for place in folders if len(place) == depth]


def _part_folders(folders: list[Place], depth: int) -> list[str]:
    """The names of the folders that are parts; none where the class folders lie at the top."""
    return sorted({place[0] for place in folders}) if depth == 2 else []


def _odd_names(folders: list[Place], depth: int) -> Iterator[Finding]:
    """What is wrong with the names of the folders: they clash, or cannot be read."""
    part_folders: dict[str, str] = {}
    for top in _part_folders(folders, depth):
        other = part_folders.setdefault(_part_of(top), top)
        if other != top:
            yield _finding((top,), "same part twice", f"{other} is here too, and means the same.")
    spelled: dict[str, Place] = {}
    classes: dict[str, str] = {}
    for place in _class_folders(folders, depth):
        name = _class_of(place, depth)
        if not _is_text(place[-1]):
            yield _finding(place, "unreadable name", "Its name is not text on this system.")
        twin = spelled.setdefault(name, place)
        if twin[-1] != place[-1]:
            cause = f"The letters of its name are stored in another way than in {_shown(twin)}."
            yield _finding(place, "two spellings", cause)
        clash = classes.setdefault(unicodedata.normalize("NFC", name.strip().casefold()), name)
        if clash != name:
            cause = f"Its name differs from {clash!r} by capital letters or spaces only."
            yield _finding(place, "same class twice", cause)


def _is_text(name: str) -> bool:
    """Whether a name is proper Unicode; Linux allows any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


# ----------------------------------------------------------------------- step 3: decode every image

FEWEST_PIXELS = 4  # a side
LONGEST = 8  # times the shorter side


class _Look(NamedTuple):
    """What one look at a file gave. Without a digest it is no image that can be used."""

    findings: tuple[Finding, ...]
    digest: bytes = b""
    picture: np.ndarray | None = None  # to make the thumbnail of
    pixels: np.ndarray | None = None


class _Chunk(NamedTuple):
    """What a look at some files gave, in columns, so that it is soon sent to another process."""

    findings: list[Finding]
    is_image: list[bool]
    digests: bytes  # of the images only
    thumbnails: bytes


class _Seen:
    """All files that were looked at, in columns."""

    def __init__(self, files: Places, depth: int):
        count, folders = len(files), files.folders
        inside = [len(place) >= depth for place in folders]
        names = [
            _class_of(place, depth) if within else ""
            for place, within in zip(folders, inside, strict=True)
        ]
        parts = [
            PARTS.index(_part_of(place[0])) if within and depth == 2 else 0
            for place, within in zip(folders, inside, strict=True)
        ]
        self.files = files
        self.folder_of = np.frombuffer(files.folder_of, np.int32)
        self.class_names = sorted(set(names))  # of all class folders, with "" for none
        numbers = {name: number for number, name in enumerate(self.class_names)}
        self.classes = np.array([numbers[name] for name in names], np.int32)[self.folder_of]
        self.parts = np.array(parts, np.int8)[self.folder_of]
        self.findings: list[Finding] = []
        self.is_image = np.zeros(count, bool)
        self.digests = np.zeros((count, DIGEST_BYTES // 8), np.uint64)
        self.thumbnails = np.zeros((count, THUMBNAIL_BYTES), np.uint8)
        self.looked_at = 0

    def add(self, chunk: _Chunk) -> None:
        """Take down what was seen of the next files."""
        which = self.looked_at + np.flatnonzero(chunk.is_image)
        self.looked_at += len(chunk.is_image)
        self.is_image[which] = True
        for column, joined in ((self.digests, chunk.digests), (self.thumbnails, chunk.thumbnails)):
            column[which] = np.frombuffer(joined, column.dtype).reshape(-1, column.shape[1])
        self.findings += chunk.findings


def _examine_all(
    listing: Listing,
    depth: int,
    progress: bool,
    image_size: tuple[int, int] | None,
    rows: Path | None,
) -> _Seen:
    """Look at every file, once."""
    seen = _Seen(listing.files, depth)
    look = partial(_examine_chunk, str(listing.root), depth, image_size, rows)
    bytes_each = listing.bytes / max(len(listing.files), 1)
    in_processes(look, listing.files, "check", progress, seen.add, bytes_each)
    return seen


def _examine_chunk(
    root: str,
    depth: int,
    image_size: tuple[int, int] | None,
    rows: Path | None,
    first: int,
    places: Sequence[Place],
) -> _Chunk:
    with quiet_pillow():
        looks = [_examine(root, place, depth, image_size) for place in places]
    if rows is not None:
        nothing = bytes(math.prod(image_size) * 3)
        pixels = [nothing if look.pixels is None else look.pixels for look in looks]
        # Here, and not where all chunks come together: pixels are much to send.
        with rows.open("r+b") as file:
            file.seek(first * len(nothing))
            file.write(b"".join(pixels))
    findings = [found for look in looks for found in look.findings]
    images = [(place, look) for place, look in zip(places, looks, strict=True) if look.digest]
    pictures = [look.picture for _, look in images]
    thumbnails = _thumbnails(pictures)
    for index in may_show_nothing(pictures, thumbnails):
        findings += _showing_nothing(*images[index], thumbnails[index])
    return _Chunk(
        findings=findings,
        is_image=[bool(look.digest) for look in looks],
        digests=b"".join([look.digest for look in looks]),
        thumbnails=thumbnails.tobytes(),
    )


def _examine(
    root: str, place: Place, depth: int, image_size: tuple[int, int] | None = None
) -> _Look:
    """All there is to know about one file, in one pass over it."""
    stray = len(place) <= depth
    remarks = [] if _is_text(place[-1]) else [("strange name", "Its name is not text here.")]
    seen: tuple[bytes, np.ndarray, np.ndarray | None] | tuple[()] = ()
    try:
        path = os.sep.join((root, *place))  # noqa: PTH118, a Path costs more than the decoding
        pixels, more = decoded(path, thorough=True)
        remarks += [*more, *_about_shape(pixels)]
        # A large picture is made small at once, not kept until others are seen.
        image = Image.fromarray(pixels) if max(pixels.shape) > LARGE else None
        times = math.ceil(max(pixels.shape) / LARGE)
        picture = pixels if image is None else np.asarray(image.reduce(times))
        kept = None if image_size is None else _resized(pixels, image_size, image)
        seen = _digest(pixels), picture, kept
    except (Refused, OSError) as error:
        remarks = [reason(error)]
    if stray and (seen or KINDS[remarks[0][0]][0] != NOTE):
        remarks, seen = [("outside", "It lies in no class folder.")], ()
    return _Look(tuple([_finding(place, kind, cause) for kind, cause in remarks]), *seen)


def _showing_nothing(place: Place, look: _Look, thumbnail: np.ndarray) -> Iterator[Finding]:
    """A finding where there is nothing to see in a picture, if none says so already."""
    remark = shows_nothing(look.picture, thumbnail)
    if remark and not any(found.kind in ("blank", remark[0]) for found in look.findings):
        yield _finding(place, *remark)


def _about_shape(pixels: np.ndarray) -> list[Remark]:
    height, width, _ = pixels.shape
    shorter, longer = (width, height) if width < height else (height, width)
    if shorter >= FEWEST_PIXELS and longer <= LONGEST * shorter:
        return []
    shape = f"It has {width} x {height} pixels."
    if shorter < FEWEST_PIXELS:
        raise Refused("tiny", shape)
    return [("very long", shape)]


def _digest(pixels: np.ndarray) -> bytes:
    """The same for exactly the same picture only."""
    digest = hashlib.blake2b(b"%d %d " % pixels.shape[:2], digest_size=DIGEST_BYTES)
    digest.update(pixels)
    return digest.digest()


def _resized(
    pixels: np.ndarray, image_size: tuple[int, int], image: Image.Image | None = None
) -> np.ndarray:
    """The picture at this (height, width). One of this size keeps its exact pixels.

    It may be given as an image of Pillow as well, where there is one already.
    """
    if pixels.shape[:2] == tuple(image_size):
        return pixels
    image = image or Image.fromarray(pixels)
    return np.asarray(image.resize(image_size[::-1], Image.Resampling.BILINEAR))


def _thumbnails(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The pictures in a few dots each, to find nearly the same ones by.

    Those of one size are put one below the other, and made smaller in one go. For small ones
    that takes a seventh of the time.
    """
    thumbnails = np.empty((len(pictures), *THUMBNAIL, 3), np.uint8)
    of_size: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        of_size.setdefault(picture.shape, []).append(index)
    for which in (part for indices in of_size.values() for part in _pieces(indices, TOGETHER)):
        column = Image.fromarray(np.concatenate([pictures[index] for index in which]))
        thumbnails[which] = _shrunk(column, len(which))
    return thumbnails


def _shrunk(column: Image.Image, pictures: int) -> np.ndarray:
    """The thumbnails of pictures of one size that lie one below the other.

    Each dot is the mean of what it covers. It is made in one direction after the other, since
    Pillow would choose which to begin with by the shape of the whole column.
    """
    height, width = THUMBNAIL
    for size in ((width, column.height), (width, height * pictures)):
        column = column.resize(size, Image.Resampling.BOX)
    return np.asarray(column).reshape(pictures, height, width, 3)


def _nested(seen: _Seen, depth: int) -> Iterator[Finding]:
    """A note for every class folder with images in folders of its own."""
    counts = np.bincount(seen.folder_of[seen.is_image], minlength=len(seen.files.folders))
    deep: Counter[Place] = Counter()
    for place, count in zip(seen.files.folders, counts.tolist(), strict=True):
        if count and len(place) > depth:
            deep[place[:depth]] += count
    for place, count in deep.items():
        cause = f"{counted(count, 'image')} from folders inside it belong to this class too."
        yield _finding(place, "nested folders", cause)


# ----------------------------------------------------------------------- step 4: compare the images

# Two images are nearly the same where their thumbnails are: see `_nearly_the_same`. The limits
# were set by eye on CIFAR-10: all but a few of the 200 pairs they give show the same scene.
THUMBNAIL = (8, 8)
THUMBNAIL_BYTES = 3 * math.prod(THUMBNAIL)
LARGE = 256  # pixels a side; the thumbnails of smaller pictures are made together,
TOGETHER = 32  # so many at once: with more, the system spends its time on giving memory
NEAR = 12.0  # grey levels, root mean square over the thumbnail
NEAR_SHARE = 0.25  # of the thumbnail's contrast
PIECE = 4_096  # thumbnails that are compared at once
DIRECTIONS = 8  # by which near thumbnails are searched for
DIGEST_BYTES = 16
PLAIN = 8.0  # grey levels of contrast; a thumbnail with less says too little


def _compare(seen: _Seen) -> tuple[np.ndarray, np.ndarray, list[Finding]]:
    """The files that can be used, for every file the first with its picture, and the copies."""
    first = _first_of_its_kind(seen)
    groups: dict[int, list[int]] = {}
    for index in np.flatnonzero(seen.is_image & (first != np.arange(len(first)))).tolist():
        groups.setdefault(int(first[index]), [int(first[index])]).append(index)
    usable = seen.is_image.copy()
    findings: list[Finding] = []
    for group in groups.values():
        if len(set(seen.classes[group].tolist())) > 1:
            findings += _under_two_labels(seen, group)
            usable[group] = False
            continue
        # A copy in the test images counts most, one in the training images least.
        part = seen.parts[group].max()
        kept = [one for one in group if seen.parts[one] == part]
        cause = f"The same picture as {_shown(seen.files[kept[0]])}."
        for one in group:
            if seen.parts[one] != part:
                usable[one] = False
                findings.append(_finding(seen.files[one], "leak", cause))
        findings += [_finding(seen.files[one], "copy", cause) for one in kept[1:]]
    return np.flatnonzero(usable), first, findings


def _first_of_its_kind(seen: _Seen) -> np.ndarray:
    """For every file the index of the first one with exactly the same picture."""
    order = np.lexsort(seen.digests.T)  # stable: equal ones stay in their order
    ordered = seen.digests[order]
    new = np.ones(len(order), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = np.empty(len(order), np.int32)
    first[order] = order[new][np.cumsum(new) - 1]
    return first


def _under_two_labels(seen: _Seen, group: list[int]) -> Iterator[Finding]:
    """A finding for every copy, since nobody knows which label is right."""
    firsts = list({seen.classes[one]: one for one in reversed(group)}.values())
    for one in group:
        other = next(first for first in firsts if seen.classes[first] != seen.classes[one])
        cause = f"The same picture as {_shown(seen.files[other])}."
        yield _finding(seen.files[one], "two labels", cause)


def _nearly_the_same(seen: _Seen, usable: np.ndarray, first: np.ndarray) -> list[Finding]:
    """A note for every pair of images whose thumbnails differ by very little.

    A thumbnail is a point in space, and a tree finds the nearest other ones. It searches by
    the directions in which the points differ most; the whole thumbnails then decide.
    Pictures of nearly one colour are left out: this small, they all look alike.
    """
    # One of all copies, which are known already: the last.
    images = usable[::-1][np.unique(first[usable][::-1], return_index=True)[1]]
    points = seen.thumbnails
    contrast = _in_pieces(lambda which: _contrast(points[which]), images)
    images, contrast = images[contrast >= PLAIN], contrast[contrast >= PLAIN]
    allowed = np.minimum(NEAR, NEAR_SHARE * contrast)
    one, other = _neighbours(points, images, allowed)
    distance = _in_pieces(lambda i, j: _distance(points[images[i]], points[images[j]]), one, other)
    close = distance <= np.minimum(allowed[one], allowed[other])
    return [
        _finding(
            seen.files[i],
            "nearly the same",
            f"Nearly the same picture as {_shown(seen.files[j])}.",
        )
        for i, j in zip(images[one[close]].tolist(), images[other[close]].tolist(), strict=True)
    ]


def _contrast(points: np.ndarray) -> np.ndarray:
    """How much the colours of each thumbnail vary, in grey levels."""
    colours = points.reshape(len(points), math.prod(THUMBNAIL), 3)
    return colours.std(axis=1, dtype=np.float32).mean(axis=1)


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The root mean square difference of thumbnails, in grey levels."""
    return np.sqrt(np.square(np.subtract(one, other, dtype=np.float32)).mean(axis=1))


def _pieces(array: Sequence, size: int = PIECE) -> Iterator[Sequence]:
    """So many rows at a time: as floats, all would be large."""
    for start in range(0, max(len(array), 1), size):
        yield array[start : start + size]


def _in_pieces(work: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """What `work` makes of whole arrays, a piece at a time."""
    return np.concatenate([work(*pieces) for pieces in zip(*map(_pieces, arrays), strict=True)])


def _neighbours(points: np.ndarray, which: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Pairs of points that may be near each other, as two rows of indices into `which`.

    The distances that are allowed differ. The points with small ones are looked up first,
    a piece at a time: the less far a search has to go, the faster it ends.
    """
    from scipy.spatial import cKDTree
    from threadpoolctl import threadpool_limits

    if len(which) < 2:
        return np.empty((2, 0), int)
    # With two threads, products this small make one wait for the other most of the time.
    with threadpool_limits(1, "blas"):
        places = _along_main_directions(points, which)
    tree, found = cKDTree(places), []
    for piece in _pieces(np.argsort(allowed)):
        radius = allowed[piece[-1]] * math.sqrt(THUMBNAIL_BYTES) + 1e-6
        _, nearest = tree.query(places[piece], k=4, distance_upper_bound=radius, workers=-1)
        one, rank = np.nonzero(nearest < len(which))  # the others are too far away
        pairs = np.sort([piece[one], nearest[one, rank]], axis=0)
        pairs = pairs[:, pairs[0] != pairs[1]]
        found.append(pairs[0] * len(which) + pairs[1])
    return np.stack(np.divmod(np.unique(np.concatenate(found)), len(which)))


def _along_main_directions(points: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Where the points lie in the few directions in which they differ most."""
    middle = sum(points[piece].sum(axis=0, dtype=float) for piece in _pieces(which)) / len(which)
    spread = sum(_scatter(points[piece] - middle) for piece in _pieces(which))
    main = np.linalg.eigh(spread).eigenvectors[:, -DIRECTIONS:]
    return _in_pieces(lambda piece: (points[piece] - middle) @ main, which)


def _scatter(points: np.ndarray) -> np.ndarray:
    return points.T @ points


# ------------------------------------------------------------------------------ step 5: try the cut


def _labelled(
    root: Path, seen: _Seen, usable: np.ndarray, first: np.ndarray
) -> tuple[tuple[str, ...], ImageFiles]:
    """The classes and the images, in the order in which a dataset has them."""
    usable = usable[np.argsort(seen.classes[usable], kind="stable")]  # by class, then by path
    used, labels = np.unique(seen.classes[usable], return_inverse=True)
    _, at, group = np.unique(first[usable], return_index=True, return_inverse=True)
    images = ImageFiles(
        root,
        seen.files,
        which=usable,
        labels=labels,
        parts=seen.parts[usable],
        twins=np.argsort(np.argsort(at))[group],  # numbered as they come
    )
    return tuple(seen.class_names[number] for number in used), images


def _missing_classes(
    folders: list[Place], class_names: Sequence[str], images: ImageFiles, depth: int
) -> Iterator[Finding]:
    """Classes without images, everywhere or in one of the given parts."""
    found = set(class_names)
    first = {_class_of(place, depth): place for place in reversed(_class_folders(folders, depth))}
    for name in sorted(first.keys() - found):
        yield _finding(first[name], "class without images", "It has no image that can be used.")
    if len(found) < 2:
        cause = f"It has images that can be used of {counted(len(found), 'class')}; 2 are needed."
        yield _finding((), "one class", cause)
    for top in _part_folders(folders, depth):
        labels = images.labels[images.parts == PARTS.index(_part_of(top))]
        missing = found - {class_names[label] for label in np.unique(labels)}
        if missing and missing == found:
            cause = "It has no image that can be used in the folder of a class."
            advice = "Sort its images into one folder a class, or move it elsewhere."
            yield _finding((top,), "different classes", cause, advice)
        elif missing:
            cause = f"It has no image of {', '.join(sorted(missing))}, and another part has."
            yield _finding((top,), "different classes", cause)


def _too_few(
    images: ImageFiles, class_names: Sequence[str], validation_images: int | None
) -> list[Finding]:
    """The classes that are too small to be in every split."""
    train = images.take(images.parts <= PARTS.index("train"))
    _, different = np.unique(train.twins, return_index=True)
    counts = np.bincount(train.labels[different], minlength=len(class_names)).tolist()
    if len(class_names) < 2 or 0 in counts:
        return []  # found already
    try:
        cut_parts(images, class_names, validation_images=validation_images)
    except FolderError:
        given = {PARTS[part] for part in np.unique(images.parts)}
        shares = [] if "test" in given else [SHARE]
        if "validation" not in given and validation_images != 0:
            shares.append(validation_images / len(train) if validation_images else SHARE)
        needed = max(_images_needed(shares), min(counts) + 1)
        top = ("train",) if "train" in given else ()
        return [
            _finding(
                (*top, class_names[label]),
                "too few images",
                f"It has {counted(count, 'different image')}, too few to give some to training, "
                f"validation and test each. {needed} are enough.",
            )
            for label, count in enumerate(counts)
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
    images: ImageFiles,
    class_names: Sequence[str],
    *,
    validation_images: int | None = None,
    seed: int = 0,
) -> dict[str, ImageFiles]:
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
    train, validation, test = (
        images.take(np.isin(images.parts, [PARTS.index(name) for name in names]))
        for names in (("", "train"), ("validation",), ("test",))
    )
    parts = {"train": train, "validation": validation, "test": test}
    shares = {"test": round(len(train) * SHARE)} if not test else {}
    if not validation and validation_images != 0:
        left = len(train) - shares.get("test", 0)
        if validation_images is not None:
            check_split(validation_images, left, len(class_names))
        shares["validation"] = validation_images or round(left * SHARE)
    for part, count in shares.items():
        train = parts["train"]
        rest, aside = split_by_class(train.labels, count, seed, class_names, twins=train.twins)
        parts |= {"train": train.take(rest), part: train.take(aside)}
    return parts


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
    height, width = image_size
    needed, free = len(files) * height * width * 3, available_memory()
    if needed > free:
        raise NotEnoughMemoryError(
            f"Expected {needed / 1e6:,.0f} MB of free memory for {len(files):,} images of "
            f"{height} x {width} pixels. Received: {free / 1e6:,.0f} MB. Choose a smaller "
            "image_size, or shut other notebooks down."
        )
    images, done = np.empty((len(files), height, width, 3), np.uint8), 0

    def take(read: np.ndarray) -> None:
        nonlocal done
        images[done : done + len(read)] = read
        done += len(read)

    paths = [file.path for file in files]
    bytes_each = sum(map(_size, paths)) / max(len(paths), 1)
    in_processes(partial(_read_chunk, image_size), paths, "read", progress, take, bytes_each)
    return images


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # the reading says it in words
        return 0


def _read_chunk(image_size: tuple[int, int], _: int, paths: Sequence[Path]) -> np.ndarray:
    with quiet_pillow():
        return np.stack([_resized(_read_pixels(path), image_size) for path in paths])


def _read_pixels(path: Path) -> np.ndarray:
    try:
        pixels, _ = decoded(path)
    except (Refused, OSError) as error:
        raise FolderError(
            f"Expected the image {printable(str(path))} as it was when the folder was checked. "
            f"Received: a changed one. {reason(error)[1]} Load the folder again when no "
            "program changes it."
        ) from error
    return pixels
