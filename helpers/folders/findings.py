"""What a check of a folder finds: images, and all kinds of things about them. Lesson 2.

How serious each kind of finding is and what to do about it stands in `KINDS`, and nowhere else.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from helpers.photos.remarks import printable

MOST_NAMES = 5  # in one sentence
PROBLEM, SET_ASIDE, NOTE = LEVELS = ("problem", "set aside", "note")
_AGAIN = "Copy it again from where it came from, or delete it."
_CONVERT = "Export it as JPEG or PNG with a program that shows it, and move the original elsewhere."
_LOOK = "Look at it. Delete it if it does not show what its class says."
# Every kind of finding: its level, and the one thing to do. What may be set aside is a
# problem as long as nobody asked for that.
KINDS = {
    # the layout
    "empty": (PROBLEM, "Put one sub-folder of images a class into it."),
    "no class folders": (PROBLEM, "Sort the images into one sub-folder a class."),
    "one class": (PROBLEM, "Add images of a second class."),
    "one folder too many": (PROBLEM, "Use the inner folder."),
    "beside the parts": (
        PROBLEM,
        "Keep only train, validation and test here. If they are classes, give them other names.",
    ),
    "same part twice": (PROBLEM, "Put the images of both into one folder."),
    "same class twice": (PROBLEM, "Put the images of both into one folder, or rename one."),
    "unreadable name": (PROBLEM, "Rename the folder."),
    "unreadable folder": (PROBLEM, "Give yourself the right to read it, or move it elsewhere."),
    "path too long": (PROBLEM, "Move it into a folder with a shorter path."),
    "parts or classes": (PROBLEM, "Name the parts train, validation and test."),
    "different classes": (PROBLEM, "Add images of them there, or take them out of every part."),
    "too few images": (PROBLEM, "Add images to it, or move its folder elsewhere."),
    "class without images": (SET_ASIDE, "Put images into it, or move the folder elsewhere."),
    "part without classes": (
        SET_ASIDE,
        "Sort its images into one folder a class, or move it elsewhere: what is missing then is "
        "cut off the training images.",
    ),
    "linked folder": (SET_ASIDE, "Put a copy of what it leads to in its place, or delete it."),
    "outside": (SET_ASIDE, "Move it into the folder of its class."),
    "nested folders": (
        NOTE,
        "If these are the classes, load that folder alone, or name it train or test.",
    ),
    "saved web page": (NOTE, "Move it elsewhere if it is no class of yours."),
    "name of a part": (NOTE, "Move it elsewhere if it is no class of yours."),
    "unequal classes": (
        NOTE,
        'Add images to the small ones. train(..., class_weight="balanced") counts theirs more, '
        "and evaluate gives the balanced accuracy.",
    ),
    "two spellings": (NOTE, "They count as one class. No need to act."),
    # the rows of a table, and names that say the class
    "no such file": (SET_ASIDE, "Put the file there, or mend or delete the row."),
    "no label": (SET_ASIDE, "Write its class into the row, or delete the row."),
    "unknown part": (SET_ASIDE, "Write train, validation or test, or rename the column."),
    "more cells": (SET_ASIDE, 'Put a text with a comma in it into quotes: "black, white".'),
    "labelled twice": (SET_ASIDE, "Keep the row that is right."),
    "no class in its name": (SET_ASIDE, "Name it like cat.0.jpg, or move it elsewhere."),
    # single files
    "zero bytes": (SET_ASIDE, _AGAIN),
    "no image content": (SET_ASIDE, _AGAIN),
    "format": (SET_ASIDE, _CONVERT),
    "archive": (SET_ASIDE, "Unpack it, and put the images that it holds in its place."),
    "git LFS pointer": (SET_ASIDE, 'Run "git lfs pull" in this folder, then check again.'),
    "iCloud placeholder": (SET_ASIDE, "Open the folder in Finder and download it from iCloud."),
    "unfinished download": (SET_ASIDE, "Download the image again, and delete this file."),
    "truncated": (SET_ASIDE, _AGAIN),
    "damaged": (SET_ASIDE, _AGAIN),
    "too many pixels": (SET_ASIDE, "Save a smaller copy of it in its place."),
    "tiny": (SET_ASIDE, "Put a larger image in its place, or delete it."),
    "unreadable": (
        SET_ASIDE,
        "Give yourself the right to read it. If you have it, copy the file again or delete it.",
    ),
    "vanished": (SET_ASIDE, "Wait until nothing changes the folder, then check again."),
    "not an image": (NOTE, "It is left out. No need to act."),
    "wrong ending": (NOTE, "It is used. Rename it if other programs are to open it."),
    "animated": (NOTE, "Its first picture is used. No need to act."),
    "damaged EXIF": (NOTE, "Look whether it lies on its side; if so, turn it and save it."),
    "extra data": (NOTE, "The picture is used. No need to act."),
    "colour profile": (NOTE, "It is used as it is. Save it as sRGB if its colours look wrong."),
    "other colours": (NOTE, "It is used as it is. Save it as sRGB if its colours look wrong."),
    "blank": (NOTE, _LOOK),
    "very dark": (NOTE, _LOOK),
    "blurred": (NOTE, _LOOK),
    "very long": (NOTE, "It is squeezed into shape. Crop it if what matters gets lost."),
    "strange name": (NOTE, "It is used. Rename it if other programs are to open it."),
    "link": (NOTE, "It is not followed. Copy what it leads to here if it is wanted."),
    "hidden": (NOTE, "Rename what is wanted. Otherwise no need to act."),
    "not a file": (NOTE, "It is left alone. No need to act."),
    # images compared with each other
    "two labels": (SET_ASIDE, "Delete the copy whose class is wrong."),
    "leak": (SET_ASIDE, "Delete this copy: a test on known images says nothing."),
    "copy": (NOTE, "All copies go to the same split. Delete it if it is there by mistake."),
    "nearly the same": (
        NOTE,
        "Those of one class go to the same split. Keep one if they show the same moment.",
    ),
    "possible leak": (
        NOTE,
        "Look at them. If they show the same moment, keep those of one part, best the test images.",
    ),
    "all alike": (
        NOTE,
        "Nearly the same ones may lie in two splits. Add others, or do not trust its figures.",
    ),
}
Place = tuple[str, ...]  # of a file or folder below the checked one: the names on the way to it


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
        root: the folder that it lies below.
        place: the parts of its path from there on.
        label: int, an index into the report's class_names.
        part: "train", "validation" or "test" where the folder says so, else "".
        twin: int, the same number for all files that must stay in one split: those with the
            same picture, and those of a class with nearly the same one.
        row: int, the index of the file among all that were listed.

    Introduced in lesson 2.
    """

    root: Path
    place: Place
    label: int
    part: str
    twin: int
    row: int = field(default=0, compare=False)

    @property
    def path(self) -> Path:
        """Where it is; made when it is asked for, since thousands of them take time."""
        return self.root.joinpath(*self.place)


def in_code(path: Path) -> str:
    """The path as a text in a program. Introduced in lesson 2."""
    return '"' + printable(path.as_posix().replace("\\", "\\\\").replace('"', '\\"')) + '"'


def counted(number: int, noun: str) -> str:
    """Such as "1 image" or "2,000 images". Introduced in lesson 2."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def make_finding(place: Place, kind: str, cause: str, advice: str | None = None) -> Finding:
    level, usual = KINDS[kind]
    return Finding(shown_place(place), kind, level, cause, advice or usual)


def shown_place(place: Place) -> str:
    return printable(posixpath.join("", *place)) or "."


def first_names(names: Sequence[str]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return printable(", ".join(names[:MOST_NAMES])) + more


def folder_name(folder: Path) -> str:
    """The last part of its path, also of one like ".". Introduced in lesson 2."""
    return printable(folder.name or folder.resolve().name)
