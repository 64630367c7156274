"""Unpack a .zip of photos without trusting it. Introduced in lesson 7.

    unpack_photos("photos.zip", "../scratch/photos")

A .zip can name places outside of its folder, hold links, or unpack to far more than there is room
for. All of that is refused before anything is written.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from helpers.basics.errors import DamagedFileError, MissingFileError, UsageError
from helpers.basics.files import as_path, check_free_space, storage_errors_in_words
from helpers.photos.remarks import printable

MOST_FILES = 200_000
MOST_EXPANSION = 100  # of a file; photos hardly shrink
NOT_SUSPECT = 20_000_000  # bytes that any file may unpack to, such as a blank picture
UTF_8 = 0x800  # the flag of a name that is in UTF-8
# What others are in that say nothing: Korean Windows, then what the format asks for.
OLD_ENCODINGS = ("utf-8", "cp949")
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
    archive, folder = as_path(archive), as_path(folder)
    if not archive.is_file():
        raise MissingFileError(
            f"Expected a .zip of photos. Received: {printable(str(archive))}, where there is no "
            "file. Check the path."
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
    with storage_errors_in_words(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as beside:
            _unpack(archive, Path(beside))
            if folder.is_dir():
                folder.rmdir()
            made = Path(beside, "photos")
            made.chmod(0o755)
            made.rename(folder)
    return folder


def _unpack(archive: Path, beside: Path) -> None:
    target = beside / "photos"
    target.mkdir()
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
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        # Cut short, changed, packed in an unknown way.
        raise _refused(archive, f"a damaged one ({' '.join(str(error).split())[:200]})") from error
    except zipfile.zlib.error as error:
        raise _refused(archive, f"a damaged one ({error})") from error


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
    places: dict[zipfile.ZipInfo, PurePosixPath] = {}
    seen: dict[str, str] = {}
    for member in members:
        name = _name_of(member)
        place = PurePosixPath(name.replace("\\", "/"))
        if any(part in LEFT_OUT or part.startswith("._") for part in place.parts):
            continue
        shown = printable(name)[:100]
        if place.is_absolute() or ".." in place.parts or ":" in name or not place.parts:
            raise _refused(archive, f"one that leads out of its folder, to {shown!r}")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise _refused(archive, f"one that holds a link, {shown!r}")
        if member.flag_bits & 1:
            raise _refused(archive, f"one that is locked by a password, {shown!r}")
        if member.file_size > max(NOT_SUSPECT, MOST_EXPANSION * member.compress_size):
            packed, size = member.compress_size, member.file_size
            raise _refused(archive, f"{packed:,} bytes that unpack to {size:,} bytes, {shown!r}")
        # Of two names that differ in capital letters, some systems keep one.
        if other := seen.get(str(place).casefold()):
            raise _refused(archive, f"one with two files of one name, {other!r} and {shown!r}")
        seen[str(place).casefold()] = shown
        places[member] = place
    if not places:
        raise _refused(archive, "an empty one")
    return places


def _name_of(member: zipfile.ZipInfo) -> str:
    """The name as whoever packed it wrote it."""
    if member.flag_bits & UTF_8:
        return member.filename
    try:
        written = member.filename.encode("cp437")  # what zipfile has read it as
    except UnicodeEncodeError:
        return member.filename
    for encoding in OLD_ENCODINGS:
        try:
            return written.decode(encoding)
        except UnicodeDecodeError:
            continue
    return member.filename
