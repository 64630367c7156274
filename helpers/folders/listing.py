"""List a folder without opening a file or following a link. Introduced in lesson 2."""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from helpers.basics.errors import FolderError, MissingFileError, UsageError
from helpers.basics.files import as_path
from helpers.folders.findings import Finding, Place, counted, first_names, make_finding
from helpers.photos.formats import READABLE_ENDINGS
from helpers.photos.remarks import printable

HIDDEN = "hidden pictures"  # how they are counted among what is ignored
NAMED_DATASETS = ("fashion_mnist", "cifar10")  # what a missing folder may have been meant to be
QUOTES = "\"'`\u2018\u2019\u201c\u201d"
# What operating systems and JupyterLab leave in folders; so is every name with a leading dot.
LEFT_BY_SYSTEMS = frozenset(
    (
        "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir", "#recycle",
        "system volume information", "lost+found",
    )
)  # fmt: skip


def list_folder(folder: str | os.PathLike, *, classes_in_names: bool = False) -> Listing:
    """Everything in a folder, by name; no file is opened. Raises as `check_folder` does.

    Introduced in lesson 2.
    """
    root = existing_path(folder)
    if not root.is_dir():
        raise FolderError(
            f"Expected the path of a folder or of a CSV file. Received: {printable(str(root))}. "
            "Give the folder that the images lie in; an archive has to be unpacked first."
        )
    listing = _list_files(root)
    listing.classes_in_names = bool(classes_in_names)
    listing.state.update(b"%d" % listing.classes_in_names)
    return listing


@dataclass(eq=False)
class Listing:
    """What is in a folder.

    Attributes:
        root: the folder, or the one that the names in a table start from.
        source: what was asked for: the folder, or the table.
        files, folders: where they are, in the order of their names.
        links: where links are, and whether each leads to a file.
        findings: on what is none of these.
        ignored: how many of each name that systems leave behind.
        bytes: of all files together.
        classes_in_names: whether the names of the files say their classes.
        labels: the class and part of each file, where a table says them.
        state: a hash of all names and of the sizes, times and rights of all files.

    Introduced in lesson 2.
    """

    root: Path
    source: Path
    files: list[Place] = field(default_factory=list)
    folders: list[Place] = field(default_factory=list)
    links: dict[Place, bool] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    ignored: Counter = field(default_factory=Counter)
    bytes: int = 0
    classes_in_names: bool = False
    labels: dict[Place, tuple[str, str]] | None = None
    state: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=16))


def existing_path(folder: str | os.PathLike) -> Path:
    """The path of something that is there, or an error that says what may have been meant."""
    if isinstance(folder, str) and not folder.strip():
        raise UsageError(
            "Expected the path of a folder. Received: an empty text. "
            'Give "." for the folder that this program runs in.'
        )
    try:
        root = as_path(folder)
    except (UsageError, MissingFileError):  # no path at all, or none of this system
        if not isinstance(folder, str | os.PathLike):
            raise UsageError(
                f"Expected the path of a folder. Received: {type(folder).__name__}. "
                "Give it as text."
            ) from None
        raise MissingFileError(_missing_in_words(Path(folder))) from None
    try:
        root.stat()  # it says more than `exists`
    except PermissionError as error:
        raise FolderError(_unreadable_in_words(root, error)) from None
    except (OSError, ValueError) as error:  # ValueError: a zero character in the name
        raise MissingFileError(_missing_in_words(root)) from error
    return root


def _missing_in_words(root: Path) -> str:
    return (
        'Expected "fashion_mnist", "cifar10", or the path of a folder or CSV file. '
        f"Received: {printable(str(root))!r}, and there is nothing at "
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
            entries = list(folder.iterdir())
            found = [one for one in entries if one.is_dir() or one.suffix == ".csv"]
            names |= {entry.name.casefold(): entry.as_posix() for entry in found}
    close = difflib.get_close_matches(root.name.casefold(), names, n=1)
    if close:
        return f"Did you mean {printable(names[close[0]])!r}?"
    return (
        "Check its spelling. In a path on this computer, write / between folders, without quotes "
        "or file:// in front. A download must be unpacked first."
    )


def pictures_in(folder: Path) -> str:
    """Which pictures lie in a folder, to see what a name should have been. Lesson 0."""
    try:
        names = sorted(
            file.name for file in folder.iterdir() if file.suffix.lower() in READABLE_ENDINGS
        )
    except OSError:
        return "Check the spelling of its folder: that is not there either."
    if not names:
        return "No picture lies in its folder: put it there, or write the path to it."
    return f"The pictures there: {first_names(names)}."


def _meant(text: str) -> str | None:
    """The path of a folder that is there, and that the text may have meant."""
    plain = text.strip(" " + QUOTES)
    if plain.startswith("file:"):  # a Path makes one slash of several
        from urllib.request import url2pathname

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
    listing = Listing(root, root)
    to_do: list[Place] = [()]
    while to_do:
        folder = to_do.pop()
        listing.state.update(b"%b/\0" % os.fsencode("/".join(folder)))
        for entry in _entries(folder, listing):
            place = (*folder, entry.name)
            what = _take_down(entry, place, listing)
            listing.state.update(b"%b\0%b\0" % (os.fsencode(entry.name), what))
            if what == b"folder":
                to_do.append(place)
    listing.files.sort()
    listing.folders.sort()
    return listing


def _entries(folder: Place, listing: Listing) -> list[os.DirEntry]:
    """What is in a folder, by name; nothing, and a finding, where it cannot be listed."""
    try:
        with os.scandir(listing.root.joinpath(*folder)) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if not folder:
            raise FolderError(_unreadable_in_words(listing.root, error)) from error
        kind = "path too long" if error.errno == errno.ENAMETOOLONG else "unreadable folder"
        cause = f"It cannot be listed. The system says: {error.strerror}."
        listing.findings.append(make_finding(folder, kind, cause))
        return []


def _take_down(entry: os.DirEntry, place: Place, listing: Listing) -> bytes:
    """Note what an entry is, and say all of it that may change."""
    if pattern := _left_by_systems(entry.name):
        listing.ignored[pattern] += 1
        return b"ignored"
    if entry.is_file(follow_symlinks=False):
        listing.files.append(place)
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:  # it vanished; the look at it says so
            return b"file"
        listing.bytes += status.st_size
        return state_of_file(status)
    if entry.is_symlink():
        listing.links[place] = leads_to_file = os.path.isfile(entry)  # noqa: PTH113, never raises
        return b"link %d" % leads_to_file
    if entry.is_dir(follow_symlinks=False):
        listing.folders.append(place)
        return b"folder"
    cause = "It is a pipe, socket or device."
    listing.findings.append(make_finding(place, "not a file", cause))
    return b"other"


def state_of_file(status: os.stat_result) -> bytes:
    """What changes with a file: its size, its times, and who may read it.

    A program may set the time of the last change back, but not the one at which the system
    noted it. The number of the file would tell no more, and network disks give it anew.
    """
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
    if name.startswith("._"):
        return "._*"
    is_picture = PurePosixPath(name).suffix.lower() in READABLE_ENDINGS
    return HIDDEN if is_picture else "other hidden names"


def links_in_words(listing: Listing, folder: Place) -> str:
    """What to add to a cause where there are links below a folder."""
    count = sum(place[: len(folder)] == folder for place in listing.links)
    if not count:
        return ""
    return (
        f" It holds {counted(count, 'link')}, not followed: put what they lead to in their place."
    )
