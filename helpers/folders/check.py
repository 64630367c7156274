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
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.request import url2pathname

import numpy as np
from PIL import Image

from helpers.basics.errors import FolderError, MissingFileError, NotEnoughMemoryError, UsageError
from helpers.basics.files import as_path
from helpers.basics.memory import available_memory
from helpers.folders.cut import check_number_of_images, check_split, split_by_class
from helpers.folders.report import (
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
    in_code,
)
from helpers.photos.decode import (
    READABLE_ENDINGS,
    Refused,
    Remark,
    decoded,
    in_processes,
    printable,
    quiet_pillow,
    reason,
)
from helpers.photos.looks import may_show_nothing, shows_nothing

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

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
        UsageError: validation_images is no whole number, or does not fit the number of images.

    Introduced in lesson 2.
    """
    check_number_of_images(validation_images)
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
        findings, classes = [*listing.findings, *_links(listing, 0), unusable], ()
        images = ImageFiles(root, listing.files, which=[], labels=[], parts=[], twins=[])
    else:
        depth = 2 if _has_parts(listing.folders) else 1  # at which the class folders lie
        seen = _examine_all(listing, depth, progress, image_size, rows)
        usable, first, copies = _compare(seen)
        near = _near_pairs(seen, usable, first)
        seen.thumbnails = seen.digests = None  # the largest columns, and no longer needed
        classes, images, too_few = _cuttable(listing, seen, usable, first, near, validation_images)
        findings = [
            *listing.findings,
            *_links(listing, depth),
            *_odd_names(listing.folders, depth),
            *seen.findings,
            *_nested(seen, depth),
            *copies,
            *_nearly_the_same(seen, near),
            *_missing_classes(listing, classes, images, depth),
            *too_few,
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

# What is odd about a path that leads nowhere, and what to do about it.
QUOTES = "\"'`\u2018\u2019\u201c\u201d"
ODD_PATHS = {
    r"^https?:": "It is an address: download and unpack it, then give the folder.",
    r"^file:": "Give the path alone, without file:// in front.",
    f"^[{QUOTES}]|[{QUOTES}]$": "Leave the quotation marks inside the text out.",
    r"[\x00-\x1f]": "Python reads a backslash in a text as a sign of its own: write / instead.",
    r"^[A-Za-z]:[\\/]": "It is a path of Windows. In WSL, C:/Users is /mnt/c/Users.",
    r"\\": "Write / between folders.",
    "": "Check its spelling.",
}

# What operating systems and JupyterLab leave in folders; so is every name with a leading dot.
LEFT_BY_SYSTEMS = frozenset(
    (
        "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir", "#recycle",
        "system volume information", "lost+found",
    )
)  # fmt: skip


@dataclass
class Listing:
    """What is in a folder.

    Attributes:
        root: the folder.
        files, folders: where they are, in the order of their names.
        links: where links are, and whether each leads to a file.
        findings: on what is none of these.
        ignored: how many of each name that systems leave behind.
        bytes: of all files together.
        state: a hash of all names and of the sizes, times and rights of all files.

    Introduced in lesson 2.
    """

    root: Path
    files: Places = field(default_factory=Places)
    folders: list[Place] = field(default_factory=list)
    links: dict[Place, bool] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    ignored: Counter = field(default_factory=Counter)
    bytes: int = 0
    state: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=16))


def _existing_folder(folder: str | os.PathLike) -> Path:
    """The folder as a Path, or an error that says what is there instead."""
    if isinstance(folder, str) and not folder.strip():
        raise UsageError(
            "Expected the path of a folder. Received: an empty text. "
            'Give "." for the folder that this program runs in.'
        )
    try:
        root = as_path(folder)
    except (UsageError, MissingFileError):  # no path at all, or none of this system
        if isinstance(folder, str | os.PathLike):
            raise MissingFileError(_missing_in_words(Path(folder))) from None
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
    return (
        'Expected "fashion_mnist", "cifar10" or the path of a folder. '
        f"Received: {printable(str(root))!r}, and there is no folder at "
        f"{printable(str(Path.cwd() / root))}. {_hint(root)}"
    )


def _hint(root: Path) -> str:
    """What to do about a path that leads nowhere."""
    text = str(root)
    if text in NAMED_DATASETS:
        return f'It needs no check: load_dataset("{text}") loads it.'
    if meant := _meant(text):
        return f"Did you mean {printable(meant)!r}?"
    names = {name.casefold(): name for name in NAMED_DATASETS}
    for folder in (Path(".."), root.parent):  # people give it as seen from the project
        with contextlib.suppress(OSError, ValueError):
            found = [entry for entry in folder.iterdir() if entry.is_dir()]
            names |= {entry.name.casefold(): entry.as_posix() for entry in found}
    close = difflib.get_close_matches(root.name.casefold(), names, n=1)
    if close:
        return f"Did you mean {printable(names[close[0]])!r}?"
    return next((hint for sign, hint in ODD_PATHS.items() if re.search(sign, text)), ODD_PATHS[""])


def _meant(text: str) -> str | None:
    """The path of a folder that is there, and that the text may have meant."""
    plain = text.strip(" " + QUOTES)
    if plain.startswith("file:"):  # a Path makes one slash of several
        plain = url2pathname(plain.removeprefix("file:"))
    plain = plain.replace("\\", "/")
    in_wsl = re.sub(r"^([A-Za-z]):/", lambda drive: f"/mnt/{drive[1].lower()}/", plain)
    for meant in (plain, f"../{plain.lstrip('/')}", PurePosixPath(plain).name, in_wsl):
        with contextlib.suppress(OSError, ValueError):
            if meant not in ("", text) and as_path(meant).is_dir():
                return meant
    return None


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
        listing.links[(*above, entry.name)] = leads_to_file = _leads_to_file(entry)
        what = b"link %d" % leads_to_file
    elif not entry.is_dir(follow_symlinks=False):
        cause = "It is a pipe, socket or device."
        listing.findings.append(_finding((*above, entry.name), "not a file", cause))
        what = b"other"
    listing.state.update(b"%b\0%b\0" % (os.fsencode(entry.name), what))
    return what == b"folder"


def _leads_to_file(link: os.DirEntry) -> bool:
    try:
        return link.is_file()
    except OSError:  # it leads to itself
        return False


def _file_state(entry: os.DirEntry, listing: Listing) -> bytes:
    """What changes with a file: its size, its times, and who may read it.

    A program may set the time of the last change back, but not the one at which the system
    noted it. The number of the file would tell no more, and network disks give it anew.
    """
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return b"file"
    listing.bytes += status.st_size
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return b"file %d %d %d %d" % (status.st_size, *times, status.st_mode)


def _left_by_systems(name: str) -> str | None:
    """What to count the name under, if it is none of the user's own."""
    if not name.startswith("."):
        return name if name.casefold() in LEFT_BY_SYSTEMS else None
    if name in (".DS_Store", ".ipynb_checkpoints"):
        return name
    if name.lower().endswith(".icloud"):  # what stands for a photo that is elsewhere
        return None
    return "._*" if name.startswith("._") else "other hidden names"


# --------------------------------------------------------------------------- step 2: see the layout

# What else parts are called in datasets that people unpack, alone or beside other words.
PART_WORDS = PART_OF_FOLDER | {
    "validate": "validation", "eval": "validation", "evaluation": "validation",
    "dev": "validation", "development": "validation", "holdout": "test", "fold": "fold",
}  # fmt: skip
PART_WORD = re.compile(rf"({'|'.join(PART_WORDS)})(sets?|data|images)?")
SAYS_NOTHING = frozenset(("set", "data", "dataset", "image", "images", "img", "imgs", "photos"))
YEAR = re.compile(r"(19|20)\d\d([-_.]?\d\d)*")
MOST_NAMES = 5  # in one sentence
# What browsers call the folder that they save with a web page.
WEB_PAGES = ("_files", "-dateien", "_fichiers", "_archivos", "_arquivos", "_bestanden")


UNSEEN = ("Zs", "Zl", "Zp", "Cc", "Cf")  # Unicode's words for spaces, and for signs without a shape


def _has_parts(folders: list[Place]) -> bool:
    """Whether the folders are train, validation and test, rather than classes of that name."""
    top = {place[0] for place in folders}
    return all(map(_is_part, top)) and any(
        len(place) == 2 and _part_of(place[0]) == "train" for place in folders
    )


def _is_part(name: str) -> bool:
    return name.casefold() in PART_OF_FOLDER


def _names(names: Sequence[str]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return printable(", ".join(names[:MOST_NAMES])) + more


def _part_of(name: str) -> str:
    return PART_OF_FOLDER[name.casefold()]


def _whole_layout(root: Path, listing: Listing) -> Finding | None:
    """What is wrong with the folder as a whole, so that its files need no look."""
    links = _links_in_words(listing, ())
    if not listing.folders and not listing.files:
        return _finding((), "empty", f"There is no folder and no file in it.{links}")
    if not listing.folders:
        cause = f"It holds {counted(len(listing.files), 'file')} and no folder.{links}"
        return _finding((), "no class folders", cause)
    below = _below(listing.folders, 1)
    if _has_parts(listing.folders):
        return _deeper_parts(listing.folders, below)
    if unclear := _parts_or_classes(listing, below):
        return unclear
    inner = _inner_folder(listing.folders)
    if not inner or any(len(place) <= len(inner) for place in listing.links):
        return None
    cause = "It is the only folder here, and its own folders look like the classes."
    path = in_code(root.joinpath(*inner))
    return _finding(inner, "one folder too many", cause, f"Use it: load_dataset({path}).")


def _below(folders: list[Place], depth: int) -> dict[str, set[str]]:
    """For each folder at the top the names of the folders so far down in it."""
    below: dict[str, set[str]] = {place[0]: set() for place in folders}
    for place in folders:
        below[place[0]] |= set(place[depth : depth + 1])
    return below


def _deeper_parts(folders: list[Place], below: dict[str, set[str]]) -> Finding | None:
    """A finding where every part has one folder only, and that holds the classes."""
    inner = Counter(place[:2] for place in folders if len(place) == 3)
    if len(inner) < len(below) or set(map(len, below.values())) != {1} or min(inner.values()) < 2:
        return None
    cause = "It is the only folder there, and its own folders look like the classes."
    advice = "Move them up, in every part."
    return _finding(min(inner), "one folder too many", cause, advice)


def _parts_or_classes(listing: Listing, below: dict[str, set[str]]) -> Finding | None:
    """A finding where the folders are hardly the classes, but parts or groups of images."""
    if _like_parts(below):
        return _finding((), "parts or classes", *_renamed_parts(below))
    parts = [name for name in below if _part_meant(name)[0]]
    holds_classes = any(
        _is_part(name) and len(below[name]) > 1 and not _image_names(listing.files, (name,))
        for name in parts
    )
    others = sorted(below.keys() - set(parts))
    if others and (holds_classes or _like_parts(parts)):
        cause = f"It holds {_names(sorted(parts))}, and beside them {_names(others)}."
        return _finding((), "beside the parts", cause)
    depth = 1
    while all(len(names) == 1 for names in below.values()):  # such as images in each of them
        depth += 1
        below = _below(listing.folders, depth)
    inner = [{name.casefold() for name in names} for names in below.values()]
    shared, names = set.intersection(*inner), set.union(*inner)
    if (
        len(below) < 2
        or len(shared) < 2
        or 2 * len(shared) < len(names)
        or all(map(YEAR.fullmatch, names))  # so they are albums of one class each
        or any(
            _image_names(listing.files, place) for place in listing.folders if len(place) <= depth
        )
    ):
        return None
    outer, inner = _names(sorted(below)), _names(sorted(shared))
    cause = f"The folders {outer} hold no image, but the same folders: {inner}."
    advice = (
        f"If {inner} are the classes, load one of the outer folders alone, or name the outer ones "
        "train, validation and test. If the outer ones are, move the images up into them."
    )
    if all(map(_is_part, shared)):
        advice = "Turn them round: one folder a part, and in it one folder a class."
    return _finding((), "parts or classes", cause, advice)


def _part_meant(name: str) -> tuple[str, frozenset[str]]:
    """Which part a name like "seg_train" or "TestSet 2" may mean, or "", and its other words."""
    spaced = re.sub("(?<=[a-z])(?=[A-Z])", " ", name).casefold()
    words = re.findall(r"[^\W\d_]+", spaced.replace("hold-out", "holdout"))
    known = [(word, PART_WORD.fullmatch(word)) for word in words]
    meant = [PART_WORDS[match[1]] for _, match in known if match]
    others = frozenset(word for word, match in known if not match) - SAYS_NOTHING
    return (meant[0] if meant else ""), others


def _like_parts(names: Iterable[str]) -> bool:
    """Whether all these names are those of parts, of two different ones at least.

    "freight train" and "crash test" are classes: their other words differ.
    """
    names = list(names)
    meant = [_part_meant(name) for name in names]
    parts = {part for part, _ in meant}
    others: dict[str, set[frozenset[str]]] = {}
    for part, words in meant:
        others.setdefault(part, set()).add(words)
    alike = len(set(map(frozenset, others.values()))) == 1
    several = len(parts) > 1 or (parts == {"fold"} and len(names) > 1)
    return several and "" not in parts and (alike or any(map(_is_part, names)))


def _renamed_parts(below: dict[str, set[str]]) -> tuple[str, str]:
    """The cause and the advice for parts whose names are not known, or without class folders."""
    meant = {name: _part_meant(name)[0] for name in sorted(below)}
    names = sorted(below, key=lambda name: [*PART_WORDS.values()].index(meant[name]))
    unknown = {name: meant[name] for name in names if not _is_part(name)}
    taken = {meant[name] for name in names if _is_part(name)}
    renamed: dict[str, str] = {}
    for name, part in unknown.items():
        if part not in taken:
            renamed.setdefault(part, name)
    others = [name for name in unknown if name not in renamed.values()]
    flat = [name for name in names if not below[name]]
    steps = []
    if renamed:
        steps.append(f"Rename {_names([f'{name} to {part}' for part, name in renamed.items()])}.")
    if others:
        steps.append(
            f"Move {_names(others)} elsewhere, or the images into the part they belong to."
        )
    if "train" not in meant.values():
        steps.append("Call the folder with the training images train.")
    if "fold" in meant.values():
        steps = ["Put the images of all folds into one folder a class."]
    elif flat:
        steps.append(f"Sort the images of {_names(flat)} into one folder a class inside it.")
    cause = f"{_names(names)} look like parts of a dataset, not like classes."
    if len(flat) == len(names):
        cause += " They hold no class folders."
    return cause, " ".join([*steps, "If they are the classes, give them other names."])


def _image_names(files: Places, folder: Place) -> list[str]:
    """The names of the files directly in a folder that are those of images."""
    numbers = [number for number, place in enumerate(files.folders) if place == folder]
    which = np.flatnonzero(np.isin(np.asarray(files.folder_of), numbers)).tolist()
    names = [files[index][-1] for index in which]
    return [name for name in names if Path(name).suffix.lower() in READABLE_ENDINGS]


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


def _in_order(name: str) -> tuple:
    """What to sort the names of classes by: 2 comes before 10."""
    words = re.split(r"(\d+)", name)
    return [int(word) if word.isdecimal() else word for word in words], name


def _class_folders(folders: list[Place], depth: int) -> list[Place]:
    return [place for place in folders if len(place) == depth]


def _places_of_classes(folders: list[Place], depth: int) -> dict[str, Place]:
    """The folder of every class, where there are parts that in the training images."""
    places = sorted(
        _class_folders(folders, depth),
        key=lambda place: depth == 2 and _part_of(place[0]) == "train",
    )
    return {_class_of(place, depth): place for place in places}


def _links(listing: Listing, depth: int) -> Iterator[Finding]:
    """A finding for every link. In the place of a class or part, it is taken for that."""
    for place, leads_to_file in listing.links.items():
        in_its_place = len(place) == depth or (len(place) < depth and _is_part(place[0]))
        if in_its_place and not leads_to_file:
            cause = "It is a link in the place of a folder, and links are not followed."
            yield _finding(place, "linked folder", cause)
        else:
            yield _finding(place, "link", "It is a link to another place.")


def _links_in_words(listing: Listing, folder: Place) -> str:
    """What to add to a cause where there are links below a folder."""
    count = sum(place[: len(folder)] == folder for place in listing.links)
    if not count:
        return ""
    return (
        f" It holds {counted(count, 'link')}, not followed: put what they lead to in their place."
    )


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
        if name.casefold().endswith(WEB_PAGES):
            cause = "Browsers give such names to what belongs to a web page. It counts as a class."
            yield _finding(place, "saved web page", cause)
        if depth == 1 and name.casefold() in ("validation", "test", "testing"):
            cause = "Datasets give such names to images that are kept apart. It counts as a class."
            yield _finding(place, "name of a part", cause)
        if not _is_text(place[-1]):
            yield _finding(place, "unreadable name", "Its name is not text on this system.")
        twin = spelled.setdefault(name, place)
        if twin[-1] != place[-1]:
            cause = f"The letters of its name are stored in another way than in {_shown(twin)}."
            yield _finding(place, "two spellings", cause)
        clash = classes.setdefault(_as_seen(place[-1]), name)
        if clash != name:
            cause = (
                f"Its name differs from {clash!r} by capital letters, or by what cannot be seen."
            )
            yield _finding(place, "same class twice", cause)


def _as_seen(name: str) -> str:
    """The name without spaces and signs that cannot be seen, in small letters."""
    letters = unicodedata.normalize("NFC", name.casefold())
    return "".join(one for one in letters if unicodedata.category(one) not in UNSEEN)


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
        self.depth = depth
        self.folder_of = np.frombuffer(files.folder_of, np.int32)
        self.class_names = sorted(
            set(names), key=_in_order
        )  # of all class folders, with "" for none
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
        picture = pixels if image is None else _reduced(image)
        kept = None if image_size is None else _resized(pixels, image_size, image)
        seen = _digest(pixels), picture, kept
    except (Refused, OSError) as error:
        remarks = [reason(error)]
    if stray and (seen or KINDS[remarks[0][0]][0] != NOTE):
        remarks, seen = [("outside", "It lies in no class folder.")], ()
    return _Look(tuple([_finding(place, kind, cause) for kind, cause in remarks]), *seen)


def _reduced(image: Image.Image) -> np.ndarray:
    """At most LARGE pixels a side, each the mean of what it covers."""
    return np.asarray(image.reduce(math.ceil(max(image.size) / LARGE)))


def _showing_nothing(place: Place, look: _Look, thumbnail: np.ndarray) -> Iterator[Finding]:
    """A finding where there is nothing to see in a picture, if none says so already."""
    remark = shows_nothing(look.picture, thumbnail)
    if remark and not any(found.kind in ("blank", "very dark") for found in look.findings):
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
    shape = b"%d %d" % pixels.shape[:2]
    return hashlib.blake2b(pixels, digest_size=DIGEST_BYTES, person=shape).digest()


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

    Each dot is the mean of what it covers, with the share that it has of a pixel on its border.
    So a picture and a resized copy of it have nearly the same dots.
    """
    height, width = THUMBNAIL
    thumbnails = np.empty((len(pictures), *THUMBNAIL, 3), np.uint8)
    of_size: dict[tuple[int, ...], list[int]] = {}
    pictures = [_not_large(picture) for picture in pictures]
    for index, picture in enumerate(pictures):
        of_size.setdefault(picture.shape, []).append(index)
    for (rows, columns, _), indices in of_size.items():
        for which in _pieces(indices, max(TOGETHER // (rows * columns), 1)):
            pixels = np.stack([pictures[index] for index in which]).astype(np.float32)
            lower = _means(rows, height) @ pixels.reshape(len(which), rows, columns * 3)
            small = _means(columns, width) @ lower.reshape(len(which), height, columns, 3)
            thumbnails[which] = np.rint(small)
    return thumbnails


def _not_large(picture: np.ndarray) -> np.ndarray:
    """The picture, or one that is smaller by a whole number: with more, NumPy starts threads."""
    times = math.ceil(math.sqrt(picture.size / NOT_LARGE))
    return picture if times == 1 else np.asarray(Image.fromarray(picture).reduce(times))


@lru_cache(maxsize=256)
def _means(pixels: int, dots: int) -> np.ndarray:
    """The share that each dot of a row takes of each pixel: float32, (dots, pixels)."""
    edges = np.linspace(0, pixels, dots + 1)[:, np.newaxis]
    pixel = np.arange(pixels)
    covered = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
    return (covered.clip(0) * dots / pixels).astype(np.float32)


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

# Two images are nearly the same where their thumbnails are: see `_near_pairs`.
THUMBNAIL = (8, 8)
THUMBNAIL_BYTES = 3 * math.prod(THUMBNAIL)
LARGE = 256  # pixels a side; the thumbnails of smaller pictures are made together,
TOGETHER = 1 << 15  # pixels at once: with more, the system spends its time on giving memory
NOT_LARGE = 32_000  # numbers of a picture
# How far apart they may be, in grey levels, root mean square over the thumbnail: this share of
# what each usually differs by from those around it. Where all look alike, as X-rays do, it is
# little, and where they do not, much; a class may hold some of both. benchmarks/near_twins.py:
# of Fashion-MNIST every copy is found that was saved as JPEG or WebP or at twice the size, 84 to
# 100 % at three quarters, 46 to 88 % at half (14 x 14), least where there are most; and of
# 22,000 different pictures 7 are paired, of 200 one at most.
USUAL_SHARE = 0.25
AROUND = 32
LEAST_NEAR, MOST_NEAR = 1.0, 12.0
NEAR_SHARE = 0.25  # of the thumbnail's contrast, at most
NEIGHBOURS = 8  # that are looked at, with the picture itself
PIECE = 4_096  # thumbnails that are compared at once
DIRECTIONS = 8  # by which near thumbnails are searched for
DIGEST_BYTES = 16
PLAIN = 4.0  # grey levels of contrast; a thumbnail with less says too little


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


def _near_pairs(
    seen: _Seen, usable: np.ndarray, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of images whose thumbnails differ by very little: the files of each, as two rows.

    A thumbnail is a point in space, and a tree finds the nearest other ones. It searches by
    the directions in which the points differ most; the whole thumbnails then decide.
    Pictures of nearly one colour are left out: this small, they all look alike.
    """
    # One of all copies, which are known already: the last.
    images = usable[::-1][np.unique(first[usable][::-1], return_index=True)[1]]
    points = seen.thumbnails
    contrast = _in_pieces(lambda which: _contrast(points[which]), images)
    images, contrast = images[contrast >= PLAIN], contrast[contrast >= PLAIN]
    if len(images) < 2:
        return images[:0], images[:0]
    allowed = np.minimum(NEAR_SHARE * contrast, MOST_NEAR)
    tree = _tree(points, images)
    pairs = _neighbours(tree, allowed)
    distance = _in_pieces(lambda i, j: _distance(points[images[i]], points[images[j]]), *pairs)
    close = distance <= allowed[pairs].min(axis=0)
    pairs, distance = pairs[:, close], distance[close]
    some, at = np.unique(pairs, return_inverse=True)
    allowed = np.maximum(USUAL_SHARE * _usual_difference(tree, points, images, some), LEAST_NEAR)
    one, other = images[pairs[:, distance <= allowed[at.reshape(pairs.shape)].min(axis=0)]]
    return one, other


def _usual_difference(
    tree: cKDTree, points: np.ndarray, images: np.ndarray, some: np.ndarray
) -> np.ndarray:
    """How far each of some images is from those around it, by their median, in grey levels."""
    ranks = np.arange(2, min(AROUND + 1, len(images)) + 1)  # the first is the image itself

    def usual(which: np.ndarray) -> np.ndarray:
        _, around = tree.query(tree.data[which], k=ranks, workers=-1)
        apart = _distance(points[images[which], np.newaxis], points[images[around]])
        return np.median(apart, axis=1)

    return np.concatenate([usual(which) for which in _pieces(some, PIECE // AROUND)])


def _joined(pairs: tuple[np.ndarray, np.ndarray], count: int) -> np.ndarray:
    """For every one of so many files the first that pairs lead to, one after the other."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs[0]), bool), pairs), (count, count))
    _, group = connected_components(graph, directed=False)
    return np.unique(group, return_index=True)[1][group]


def _nearly_the_same(seen: _Seen, pairs: tuple[np.ndarray, np.ndarray]) -> Iterator[Finding]:
    """A note for every group of images that are nearly the same."""
    joined = _joined(pairs, len(seen.files))
    groups: dict[int, list[int]] = {}
    for index in np.unique(pairs).tolist():
        groups.setdefault(int(joined[index]), []).append(index)
    for first, *others in groups.values():
        kind = "possible leak" if len(set(seen.parts[[first, *others]])) > 1 else "nearly the same"
        names = _names([_shown(seen.files[one]) for one in others])
        yield _finding(seen.files[first], kind, f"Nearly the same picture as {names}.")


def _contrast(points: np.ndarray) -> np.ndarray:
    """How much the colours of each thumbnail vary, in grey levels."""
    colours = points.reshape(len(points), math.prod(THUMBNAIL), 3)
    return colours.std(axis=1, dtype=np.float32).mean(axis=1)


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The root mean square difference of thumbnails, in grey levels."""
    return np.sqrt(np.square(np.subtract(one, other, dtype=np.float32)).mean(axis=-1))


def _pieces(array: Sequence, size: int = PIECE) -> Iterator[Sequence]:
    """So many rows at a time: as floats, all would be large."""
    for start in range(0, max(len(array), 1), size):
        yield array[start : start + size]


def _in_pieces(work: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """What `work` makes of whole arrays, a piece at a time."""
    return np.concatenate([work(*pieces) for pieces in zip(*map(_pieces, arrays), strict=True)])


def _tree(points: np.ndarray, images: np.ndarray) -> cKDTree:
    from scipy.spatial import cKDTree
    from threadpoolctl import threadpool_limits

    # With two threads, products this small make one wait for the other most of the time.
    with threadpool_limits(1, "blas"):
        return cKDTree(_along_main_directions(points, images))


def _neighbours(tree: cKDTree, allowed: np.ndarray) -> np.ndarray:
    """Pairs of points of the tree that may be near each other, as two rows of their indices.

    The distances that are allowed differ. The points with small ones are looked up first,
    a piece at a time: the less far a search has to go, the faster it ends.
    """
    found = []
    for piece in _pieces(np.argsort(allowed)):
        radius = allowed[piece[-1]] * math.sqrt(THUMBNAIL_BYTES) + 1e-6
        _, nearest = tree.query(
            tree.data[piece], k=NEIGHBOURS, distance_upper_bound=radius, workers=-1
        )
        one, rank = np.nonzero(nearest < tree.n)  # the others are too far away
        pairs = np.sort([piece[one], nearest[one, rank]], axis=0)
        pairs = pairs[:, pairs[0] != pairs[1]]
        found.append(pairs[0] * tree.n + pairs[1])
    return np.stack(np.divmod(np.unique(np.concatenate(found)), tree.n))


def _along_main_directions(points: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Where the points lie in the few directions in which they differ most."""
    middle = sum(points[piece].sum(axis=0, dtype=float) for piece in _pieces(which)) / len(which)
    spread = sum(_scatter(points[piece] - middle) for piece in _pieces(which))
    main = np.linalg.eigh(spread).eigenvectors[:, -DIRECTIONS:]
    return _in_pieces(lambda piece: (points[piece] - middle) @ main, which)


def _scatter(points: np.ndarray) -> np.ndarray:
    return points.T @ points


# ------------------------------------------------------------------------------ step 5: try the cut


def _cuttable(
    listing: Listing,
    seen: _Seen,
    usable: np.ndarray,
    first: np.ndarray,
    near: tuple[np.ndarray, np.ndarray],
    validation_images: int | None,
) -> tuple[tuple[str, ...], ImageFiles, list[Finding]]:
    """The classes, the images with what must stay together, and the classes that are too small.

    Exact copies stay together, and so do pictures of one class that are nearly the same. Where
    these leave too few of a class, only its exact copies do: nobody can tell for sure that they
    are the same.
    """
    folders, depth = listing.folders, seen.depth
    same_class = seen.classes[near[0]] == seen.classes[near[1]]
    pairs = (
        np.concatenate([near[0][same_class], np.arange(len(first))]),
        np.concatenate([near[1][same_class], first]),
    )
    together = _joined(pairs, len(first))
    class_names, images = _labelled(listing.root, seen, usable, together)
    findings: list[Finding] = []
    if alike := _too_few(images, class_names, validation_images):
        apart = [seen.class_names.index(name) for name in alike]
        together = np.where(np.isin(seen.classes, apart), first, together)
        class_names, images = _labelled(listing.root, seen, usable, together)
    too_few = _too_few(images, class_names, validation_images)
    places = _places_of_classes(folders, depth)
    for name, (count, needed) in too_few.items():
        cause = (
            f"It has {counted(count, 'different image')}, too few to give some to training, "
            f"validation and test each. {needed} are enough."
        )
        links = _links_in_words(listing, places[name])
        findings.append(_finding(places[name], "too few images", f"{cause}{links}"))
    for name in alike.keys() - too_few.keys():
        cause = f"It has {counted(alike[name][0], 'clearly different picture')}, too few to cut."
        findings.append(_finding(places[name], "all alike", cause))
    return class_names, images, findings


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
    listing: Listing, class_names: Sequence[str], images: ImageFiles, depth: int
) -> Iterator[Finding]:
    """Classes without images, everywhere or in one of the given parts."""
    found = set(class_names)
    places = _places_of_classes(listing.folders, depth)
    for name in sorted(places.keys() - found):
        links = _links_in_words(listing, places[name])
        cause = f"It has no image that can be used.{links}"
        yield _finding(places[name], "class without images", cause)
    if len(found) < 2:
        cause = f"It has images that can be used of {counted(len(found), 'class')}; 2 are needed."
        yield _finding((), "one class", cause + _links_in_words(listing, ()))
    for top in _part_folders(listing.folders, depth):
        labels = images.labels[images.parts == PARTS.index(_part_of(top))]
        missing = found - {class_names[label] for label in np.unique(labels)}
        if missing and missing == found:
            yield _empty_part(top, _links_in_words(listing, (top,)))
        elif missing:
            cause = f"It has no image of {_names(sorted(missing))}, and another part has."
            yield _finding((top,), "different classes", cause)


def _empty_part(top: str, links: str) -> Finding:
    """A finding on a part without images. All but the training images can be cut off these."""
    part = _part_of(top)
    kind = "different classes" if part == "train" else "part without classes"
    advice = "Sort its images into one folder a class, or move it elsewhere."
    if part != "train":
        advice += f" Without it, the {part} images are cut off the training images."
    cause = f"It has no image that can be used in the folder of a class.{links}"
    return _finding((top,), kind, cause, advice)


def _too_few(
    images: ImageFiles, class_names: Sequence[str], validation_images: int | None
) -> dict[str, tuple[int, int]]:
    """The classes too small to be in every split: how many different images, how many needed."""
    train = images.take(images.parts <= PARTS.index("train"))
    _, different = np.unique(train.twins, return_index=True)
    counts = np.bincount(train.labels[different], minlength=len(class_names)).tolist()
    if len(class_names) < 2 or 0 in counts:
        return {}  # found already
    try:
        cut_parts(images, class_names, validation_images=validation_images)
    except FolderError:
        given = {PARTS[part] for part in np.unique(images.parts)}
        shares = [] if "test" in given else [SHARE]
        if "validation" not in given and validation_images != 0:
            shares.append(validation_images / len(train) if validation_images else SHARE)
        needed = max(_images_needed(shares), min(counts) + 1)
        small = zip(class_names, counts, strict=True)
        return {name: (count, needed) for name, count in small if count < needed}
    return {}


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
    images, the same share of every class; what is the same or nearly so stays together.

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
