"""What comes into a folder of photos piece by piece, and is looked at while it comes. Lesson 7.

    reception = Reception(Path("../my_photos"))
    reception.take("cat.jpg", 5_000_000, 0, "cat", first_piece)  # {"more": True}, and so on

A file becomes part of the folder when all of it is there and its picture was decoded: in one step,
under a name that is free. Before that it lies beside the classes, under a hidden name.
"""

from __future__ import annotations

import contextlib
import filecmp
import io
import os
import re
import tempfile
import unicodedata
from collections import defaultdict
from pathlib import Path

from helpers.basics.errors import CourseError
from helpers.basics.files import (
    check_free_space,
    storage_errors_in_words,
    sync_folder,
    temporary_file,
)
from helpers.photos.decode import decoded
from helpers.photos.formats import readable_format
from helpers.photos.looks import about_shape
from helpers.photos.processes import quiet_pillow
from helpers.photos.remarks import Refused, printable, reason
from helpers.photos.unpack import LEFT_OUT, cannot_be, unpack_photos

MOST_BYTES = 200_000_000  # of a photo; those of the largest cameras have a quarter of it
LONGEST = 100  # characters of a class; and bytes of a file's name, so that others fit beside it
ADVICE = {"format": " Export it as JPEG or PNG with a program that shows it."}


class NoClass(Exception):
    """No class is named, or one that cannot be a folder; says what to write instead."""


class Reception:
    """Takes files into `folder`, one after the other, each in pieces.

    Attributes:
        folder: what holds a folder a class; made when the first photo is taken.
        rows: what happened to each file, in words, in order.
        taken: int, how many photos are in the folder now that were not before.

    Introduced in lesson 7.
    """

    def __init__(self, folder: Path):
        self.folder, self.rows, self.taken = folder, [], 0
        self._open = contextlib.ExitStack()  # what ends with the file that comes now
        self._at, self._name, self._class, self._path, self._file = 0, "", "", folder, None
        self._of_size: dict[int, list[Path]] = {}

    def take(self, name: str, size: int, at: int, class_name: str, piece: bytes) -> dict:
        """The next piece of a file.

        Args:
            name: of the file, where it comes from.
            size: of the whole file, in bytes.
            at: how many bytes of it came before.
            class_name: the class of the photo. Of a .zip it may be empty: then the folders in it
                are the classes.
            piece: the bytes.

        Returns:
            {"more": whether the rest of the file is wanted, "ask": what to write as a class
            first, else empty; then nothing was taken}.

        Introduced in lesson 7.
        """
        try:
            if at == 0:
                no_class = _is_zip(name) and not class_name.strip()
                self._begin(name, size, "" if no_class else named(class_name), piece)
            elif self._file is None or (at, name) != (self._at, self._name):
                self.stop()
                raise Refused("", "Another upload came between its pieces. Choose it again.")
            with storage_errors_in_words(self.folder):
                self._file.write(piece)
            self._at += len(piece)
            if not piece and self._at < size:
                raise Refused("", "It became shorter while it came. Choose it again.")
            if self._at < size:
                return {"more": True, "ask": ""}
            self._end()
        except NoClass as missing:
            return {"more": False, "ask": str(missing)}
        except (Refused, CourseError, OSError) as error:
            self._leave_out(name, error)
        self._close()
        return {"more": False, "ask": ""}

    def stop(self) -> None:
        """Of a file that came in part nothing is kept, and that is said."""
        if self._file:
            self._leave_out(self._name, Refused("", "It broke off. Choose it again."))
        self._close()

    def leave_out(self, name: str, cause: str) -> None:
        """Say why a file did not come at all; of one that came in part, that it broke off."""
        if self._file and name == self._name:
            self.stop()
        else:
            self._leave_out(name, Refused("", cause))

    def _leave_out(self, name: str, error: Exception) -> None:
        kind, cause = "", str(error)
        if not isinstance(error, CourseError):
            kind, cause = reason(error)
        cause = cause.replace(str(self._path), name)
        self.rows.append(f"{shown(name)}: left out. {cause}{ADVICE.get(kind, '')}")

    def _close(self) -> None:
        self._open.close()
        self._file = None

    def _begin(self, name: str, size: int, class_name: str, piece: bytes) -> None:
        """Look at the first bytes, and make a place for the others."""
        self.stop()
        if not _is_zip(name):
            readable_format(io.BytesIO(piece), name.lower())
            if size > MOST_BYTES:
                words = f"It has {size / 1e6:,.0f} MB. Photos of {MOST_BYTES / 1e6:,.0f} MB or less"
                raise Refused("", f"{words} are taken: save a smaller copy of it.")
        check_free_space(self.folder, size, "the upload")
        with storage_errors_in_words(self.folder):
            self._path = self._open.enter_context(temporary_file(self.folder / file_name(name)))
            self._file = self._open.enter_context(self._path.open("xb"))
        self._at, self._name, self._class = 0, name, class_name

    def _end(self) -> None:
        with storage_errors_in_words(self.folder):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()  # Windows renames no open file
        self._of_size = defaultdict(list)
        for path in self.folder.rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                self._of_size[path.stat().st_size].append(path)
        if _is_zip(self._name):
            self._unpack()
        else:
            self._keep(self._path, self._name, self._class)

    def _unpack(self) -> None:
        """Each file of a .zip comes in like one that was chosen alone."""
        beside = tempfile.TemporaryDirectory(dir=self.folder, prefix=".unpacking-")
        with storage_errors_in_words(self.folder), beside as place:
            folder = unpack_photos(self._path, Path(place, "photos"))
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                inside = path.relative_to(folder)
                try:
                    above = self._class or named(inside.parent.name)
                    self._keep(path, inside.as_posix(), above)
                except NoClass:
                    cause = "No class is named, and no folder in the .zip says one."
                    self.leave_out(inside.as_posix(), cause)
                except (Refused, OSError) as error:
                    self._leave_out(inside.as_posix(), error)

    def _keep(self, path: Path, name: str, class_name: str) -> None:
        """Move a whole file into its class, if it holds a picture that is not there already."""
        with quiet_pillow():
            pixels, remarks = decoded(path, thorough=True)
        remarks += about_shape(pixels)
        size = path.stat().st_size
        for other in self._of_size[size]:
            if filecmp.cmp(path, other, shallow=False):
                there = other.relative_to(self.folder).as_posix()
                raise Refused("", f"The same photo is there already: {printable(there)}.")
        place = free_place(self.folder / class_name, file_name(name))
        with storage_errors_in_words(self.folder):
            place.parent.mkdir(exist_ok=True)
            path.replace(place)
            sync_folder(place.parent)
        self._of_size[size].append(place)
        self.taken += 1
        where = printable(place.relative_to(self.folder).as_posix())
        said = " ".join([f"{shown(name)}: taken, as {where}.", *(cause for _, cause in remarks)])
        self.rows.append(said)


def named(class_name: str) -> str:
    """The class as a folder is called.

    Raises:
        NoClass: it is empty, or no folder should be called so.

    Introduced in lesson 7.
    """
    name = unicodedata.normalize("NFC", class_name.strip())
    if not name:
        raise NoClass("Write the name of the class first. The photos wait for it.")
    why = None
    if re.search(r"[/\\]", name):
        why = "/ and \\ separate folders"
    elif name.startswith("."):
        why = "folders with a dot in front are hidden"
    elif len(name) > LONGEST or len(os.fsencode(name)) > 2 * LONGEST:
        why = "it is too long"
    elif printable(name) != name:
        why = "it holds a character that cannot be shown"
    elif cannot_be(name):
        why = "not every system takes this name for a folder"
    if why:
        raise NoClass(
            f"A class cannot be called {shown(name)}: {why}. Write another name. The photos wait."
        )
    return name


def file_name(name: str) -> str:
    """The last part of a name, as every system takes it; its ending stays."""
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    plain = re.sub(r'[<>:"|?*]', "_", "".join(c if c.isprintable() else "_" for c in last))
    stem, ending = os.path.splitext(plain.strip(" .") or "photo")  # noqa: PTH122, which takes "..x"
    ending = ending[:10]
    stem = stem.encode()[:LONGEST].decode(errors="ignore").rstrip(" .")
    return f"_{stem}{ending}" if cannot_be(stem) or stem in LEFT_OUT else f"{stem}{ending}"


def free_place(folder: Path, name: str) -> Path:
    """Where no file lies: the name itself, else with a number behind it."""
    stem, ending = os.path.splitext(name)  # noqa: PTH122
    place, number = folder / name, 1
    while os.path.lexists(place):
        number += 1
        place = folder / f"{stem} ({number}){ending}"
    return place


def shown(name: str) -> str:
    """A name that somebody gave, short enough for a line."""
    text = printable(name)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")
