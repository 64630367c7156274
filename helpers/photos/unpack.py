"""Unpack a .zip of photos without trusting it. Introduced in lesson 7.

    unpack_photos("photos.zip", "../scratch/photos")

A .zip can name places outside of its folder, hold links, or unpack to far more than there is room
for. All of that is refused before anything is written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
import unicodedata
import zipfile
from functools import partial
from pathlib import Path, PurePosixPath

from helpers.basics.errors import CourseError, DamagedFileError, MissingFileError, UsageError
from helpers.basics.files import as_path, check_free_space, storage_errors_in_words
from helpers.photos.remarks import printable

MOST_FILES = 200_000
MOST_EXPANSION = 100  # of a file; photos hardly shrink
NOT_SUSPECT = 20_000_000  # bytes that any file may unpack to, such as a blank picture
UTF_8 = 0x800  # the flag of a name that is in UTF-8
# What others are in that say nothing: Korean Windows, then what the format asks for.
OLD_ENCODINGS = ("utf-8", "cp949")
RESERVED = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10)),
}
LEFT_OUT = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


def unpack_photos(archive: str | os.PathLike, folder: str | os.PathLike) -> Path:
    """Unpack a .zip into a new folder, whole or not at all.

    Names that Korean Windows wrote are read as they are meant. What systems leave behind
    (__MACOSX, .DS_Store) is left out.

    Args:
        archive: the .zip.
        folder: a folder that is not there yet, or is empty.

    Returns:
        The folder.

    Raises:
        MissingFileError: there is no such file.
        UsageError: the folder holds something, or the file is no .zip.
        DamagedFileError: the archive is damaged, locked by a password, leads out of the folder,
            holds links, or unpacks to far more than photos do.
        StorageError: there is no room for it, or nothing may be written there.

    Introduced in lesson 7.
    """
    archive, given = as_path(archive), as_path(folder)
    folder = Path(os.path.realpath(given))
    if not os.path.isfile(archive):  # noqa: PTH113, which takes a name that is too long, too
        raise MissingFileError(
            f"Expected a .zip of photos. Received: {printable(str(archive))[:300]}, where there is "
            "no file. Check the path."
        )
    with storage_errors_in_words(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.exists()
    if folder == Path.cwd():
        raise UsageError(
            "Expected a new folder to unpack into. Received: the one that this program runs in. "
            'Give a name, such as "photos".'
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"Expected a new or empty folder to unpack into. Received: {printable(str(folder))}, "
            "which holds something. Nothing was changed. Choose another name."
        )
    if not zipfile.is_zipfile(archive):
        raise UsageError(
            f"Expected a .zip. Received: {printable(archive.name)}, whose content is none. Unpack "
            "it with the program that made it, then give the folder to check_folder."
        )
    beside = partial(tempfile.TemporaryDirectory, dir=folder.parent, prefix=".unpacking-")
    with storage_errors_in_words(folder), beside() as place:
        _unpack(archive, Path(place))
        if folder.is_dir():
            folder.rmdir()
        Path(place, "photos").rename(folder)
    return given


def _unpack(archive: Path, beside: Path) -> None:
    target = beside / "photos"
    try:
        with zipfile.ZipFile(archive) as file:
            places = _checked(file, archive)
            needed = sum(member.file_size for member in places)
            check_free_space(beside, needed, "the photos")
            for member, place in places.items():
                path = target.joinpath(*place.parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                with file.open(member) as source, path.open("xb") as copy:
                    shutil.copyfileobj(source, copy)
    except CourseError:
        raise
    except Exception as error:  # cut short, changed: zipfile and what unpacks have many words
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # of the disk
            raise
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> DamagedFileError:
    return _refused(archive, f"a damaged one ({' '.join(str(error).split())[:200]})")


def _refused(archive: Path, what: str) -> DamagedFileError:
    return DamagedFileError(
        f"Expected a .zip of photos in {printable(str(archive))}. Received: {what}. Nothing was "
        "unpacked. Ask whoever made it for another one, or unpack it by hand and look at it."
    )


def _checked(file: zipfile.ZipFile, archive: Path) -> dict[zipfile.ZipInfo, PurePosixPath]:
    """Where each file goes, by its entry; raises DamagedFileError before anything is written."""
    members = [member for member in file.infolist() if not member.is_dir()]
    if len(members) > MOST_FILES:
        raise _refused(archive, f"one with {len(members):,} files")
    size, packed = sum(one.file_size for one in members), archive.stat().st_size
    if size > max(NOT_SUSPECT, MOST_EXPANSION * packed):
        raise _refused(archive, f"{packed:,} bytes that unpack to {size:,} bytes")
    places: dict[zipfile.ZipInfo, PurePosixPath] = {}
    seen: dict[str, str] = {}
    for member in members:
        name = _name_of(member)
        place = PurePosixPath(name.replace("\\", "/"))
        left_out = any(part in LEFT_OUT or part.startswith("._") for part in place.parts)
        if left_out or name.endswith("\\"):  # the latter: a folder, as Windows writes it
            continue
        shown = printable(name)[:100]
        outside = place.is_absolute() or re.match("[A-Za-z]:", name) or not place.parts
        if outside or ".." in place.parts:
            raise _refused(archive, f"one that leads out of its folder, to {shown!r}")
        if any(cannot_be(part) for part in place.parts):
            raise _refused(archive, f"a name that not every system takes, {shown!r}")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise _refused(archive, f"one that holds a link, {shown!r}")
        if member.flag_bits & 1:
            raise _refused(archive, f"one that is locked by a password, {shown!r}")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(archive, f"one that is packed in an unusual way, {shown!r}")
        # Of two names that differ in capital letters or in how an accent is written, some
        # systems keep one.
        if other := seen.get(_same(place)):
            raise _refused(archive, f"one with two files of one name, {other!r} and {shown!r}")
        seen[_same(place)] = shown
        places[member] = place
    for place in places.values():
        if clash := next((one for one in place.parents if _same(one) in seen), None):
            raise _refused(archive, f"one in which {str(clash)!r} is a file and a folder")
    if not places:
        raise _refused(archive, "an empty one")
    return places


def _same(place: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(place)).casefold()


def cannot_be(part: str) -> bool:
    """Whether a name is none on Windows, or too long for most disks."""
    return (
        bool(re.search(r'[<>:"|?*\x00-\x1f]|[ .]$', part))
        or part.partition(".")[0].upper() in RESERVED
        or len(os.fsencode(part)) > 255
    )


def _name_of(member: zipfile.ZipInfo) -> str:
    """The name as whoever packed it wrote it."""
    if member.flag_bits & UTF_8:
        return member.filename
    try:
        written = member.filename.encode("cp437")  # what zipfile has read it as
    except UnicodeEncodeError:
        return member.filename
    for encoding in OLD_ENCODINGS:
        with contextlib.suppress(UnicodeDecodeError):
            name = written.decode(encoding)
            if encoding == "utf-8" or _is_korean(name):
                return name
    return member.filename


def _is_korean(name: str) -> bool:
    """Whether all its letters beyond ASCII are of the Korean standard of 1987.

    In cp949 nearly all bytes are some letter: names in western Europe's old code would be too.
    """
    letters = [letter for letter in name if not letter.isascii()]
    # Those of the standard have two bytes each; Python writes the other syllables with eight.
    return all("가" <= each <= "힣" and len(each.encode("euc_kr")) == 2 for each in letters)
