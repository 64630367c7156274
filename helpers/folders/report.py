"""What the check of a folder found, to be read, shown and worked through. Introduced in lesson 2.

    report = check_folder("photos")        # a FolderReport
    report.ok                              # whether it can be used
    report.to_csv("report.csv")            # the findings as a table, to work through
    report.raise_problems()                # an error that lists them, if there are any

A report has the images that can be used, each an `ImageFile`, and everything else that is
worth knowing, each a `Finding`. What kinds of findings there are, how serious each is and
what to do about it stands in `KINDS`, and nowhere else. Who finds them: `helpers.folders`.

A folder may hold a million images. So their names are kept as bytes in one piece (`Places`)
and the rest as columns of numbers; an `ImageFile` is made when somebody asks for it.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy as np

from helpers.basics.errors import FolderError, wrapped
from helpers.basics.files import as_path, written_whole
from helpers.photos.decode import printable, quiet_pillow, what_there_is

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
    "one class": (PROBLEM, "Add a sub-folder with images of a second class."),
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
    "part without classes": (SET_ASIDE, "Sort its images into one folder a class."),
    "linked folder": (SET_ASIDE, "Put a copy of what it leads to in its place, or delete it."),
    "outside": (SET_ASIDE, "Move it into the folder of its class."),
    "nested folders": (
        NOTE,
        "If these are the classes, load that folder alone, or name it train or test.",
    ),
    "saved web page": (NOTE, "Move it elsewhere if it is no class of yours."),
    "name of a part": (NOTE, "Move it elsewhere if it is no class of yours."),
    "two spellings": (NOTE, "They count as one class. No need to act."),
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

# What a notebook shows of a report, before it says how many more there are.
MOST_CLASSES = 30
MOST_FINDINGS = 8  # of a kind
MOST_PICTURES = 12  # of all kinds
PICTURES_OF_A_KIND = 4
PICTURE_SIDE = 96  # pixels, at most
# JupyterLab sets tables flush right, which is for numbers.
LEFT = 'style="text-align: left; overflow-wrap: anywhere"'
MOST_LETTERS = 40  # of a class name, that the numbers of all classes are lined up by

MOST_PROBLEMS = 10  # in the text of an error

Place = tuple[str, ...]  # of a file or folder below the checked one: the names on the way to it
PARTS = ("", "train", "validation", "test")  # "": the folder gives no parts


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
        twin: int, the same number for all files that must stay in one split: those with the
            same picture, and those of a class with nearly the same one.

    Introduced in lesson 2.
    """

    path: Path
    label: int
    part: str
    twin: int


class Places(Sequence[Place]):
    """Where many files are, below one folder: some ten bytes a file, and its name.

    Attributes:
        folders: the folders that they lie in.
        folder_of: for every file the index of its folder, as 32-bit integers.

    Introduced in lesson 2.
    """

    def __init__(
        self,
        folders: Iterable[Place] = (),
        folder_of: bytes = b"",
        ends: bytes = b"",
        names: bytes = b"",
    ):
        self.folders = list(folders)
        self.folder_of = array("i", folder_of)
        self.ends = array("q", ends)  # of every name, in the names one behind the other
        self.names = bytearray(names)

    def add(self, place: Place, name: str) -> None:
        """Add a file. It costs least when those of one folder come one behind the other."""
        if not self.folders or self.folders[-1] != place:
            self.folders.append(place)
        self.folder_of.append(len(self.folders) - 1)
        self.names += os.fsencode(name)
        self.ends.append(len(self.names))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int | slice) -> Place | list[Place]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        start = self.ends[index - 1] if index else 0
        name = os.fsdecode(bytes(self.names[start : self.ends[index]]))
        return (*self.folders[self.folder_of[index]], name)


class ImageFiles(Sequence[ImageFile]):
    """Images that can be used: a sequence of `ImageFile`, each made when it is asked for.

    Attributes:
        root: the folder that they lie below.
        places: where the files of that folder are.
        which: int32, (images,), the index of each image in places.
        labels: int32, (images,), indices into the report's class_names.
        parts: int8, (images,), indices into `PARTS`.
        twins: int32, (images,), the same number for what must stay in one split.

    Introduced in lesson 2.
    """

    COLUMNS = {"which": np.int32, "labels": np.int32, "parts": np.int8, "twins": np.int32}

    def __init__(self, root: Path, places: Places, **columns: Sequence[int]):
        self.root = root
        self.places = places
        for name, kind in self.COLUMNS.items():
            setattr(self, name, np.asarray(columns[name], kind))

    def take(self, indices: Sequence[int]) -> ImageFiles:
        """Some of the images, in this order."""
        columns = {name: getattr(self, name)[indices] for name in self.COLUMNS}
        return ImageFiles(self.root, self.places, **columns)

    def __len__(self) -> int:
        return len(self.which)

    def __getitem__(self, index: int | slice) -> ImageFile | ImageFiles:
        if isinstance(index, slice):
            return self.take(index)
        return ImageFile(
            self.root.joinpath(*self.places[int(self.which[index])]),
            int(self.labels[index]),
            PARTS[self.parts[index]],
            int(self.twins[index]),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ImageFiles | tuple | list):
            return NotImplemented
        return len(self) == len(other) and all(map(ImageFile.__eq__, self, other))

    __hash__ = None

    def __repr__(self) -> str:
        return f"ImageFiles({counted(len(self), 'image')} below {folder_name(self.root)!r})"


@dataclass(frozen=True, eq=False)
class FolderReport:
    """What `check_folder` found.

    Attributes:
        folder: the folder, as it was given.
        class_names: the classes that have usable images, sorted: 2 comes before 10.
        images: the usable images, by class, then by path: a sequence of `ImageFile`.
        findings: everything else: problems first, then what was set aside, then notes.
        ignored: how many files and folders of each name that systems leave behind (such as
            .DS_Store) were passed over.
        problems, set_aside, notes: the findings of each level.

    Introduced in lesson 2.
    """

    folder: Path
    class_names: tuple[str, ...]
    images: ImageFiles
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
        counts = np.bincount(self.images.labels, minlength=len(self.class_names))
        return {name: int(count) for name, count in zip(self.class_names, counts, strict=True)}

    def to_csv(self, path: str | os.PathLike) -> None:
        """Write the findings as a table that spreadsheet programs open.

        Args:
            path: the file to write; a file that is there is replaced.

        Raises:
            StorageError: the disk is full, or nothing may be written there.

        Introduced in lesson 2.
        """
        with (
            written_whole(as_path(path)) as temporary,
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
        folder = printable(str(self.folder))
        lines = [
            f"Expected a folder of images that can be used. Received: {folder} with "
            f"{counted(len(problems), 'problem')}:"
        ]
        first = problems[:MOST_PROBLEMS]
        lines += [f"  {found.path}: {found.cause} {found.advice}" for found in first]
        if len(problems) > MOST_PROBLEMS:
            lines.append(
                f"and {len(problems) - MOST_PROBLEMS:,} more: "
                f'check_folder({in_code(self.folder)}).to_csv("report.csv") lists all.'
            )
        settable = {found.kind for found in problems if KINDS[found.kind][0] == SET_ASIDE}
        if settable:
            aside = sum(found.kind in settable for found in problems)
            others_first = "" if aside == len(problems) else "When the others are mended, "
            lines.append(
                f"{others_first}set_aside=True goes on without {aside:,} of them, and touches no "
                f"file: {', '.join(sorted(settable))}."
            )
        raise FolderError("\n".join(lines))

    def __repr__(self) -> str:
        lines = [f"FolderReport {folder_name(self.folder)!r}: {self._summary()}"]
        width = min(max(map(len, self.class_names), default=0), MOST_LETTERS)
        counts = list(self.class_counts().items())
        lines += [f"  {name:{width}}  {count:7,}" for name, count in counts[:MOST_CLASSES]]
        if len(counts) > MOST_CLASSES:
            lines.append(f"  and {len(counts) - MOST_CLASSES} more classes")
        said = []
        for (level, kind), group in self._groups().items():
            said.append(f"  {level}: {kind} ({len(group):,}). {group[0].advice}")
            said += [f"    {found.path}: {found.cause}" for found in group[:MOST_FINDINGS]]
            if len(group) > MOST_FINDINGS:
                said.append(f"    and {len(group) - MOST_FINDINGS:,} more")
        if self.ignored:
            said.append(f"  ignored: {self._ignored_in_words()}")
        return "\n".join([*lines, *(wrapped(line, indent="      ") for line in said)])

    def _repr_html_(self) -> str:
        return _as_html(self)

    def in_words(self) -> str:
        """The numbers of notes and of files set aside; "" if there are none of both.

        Introduced in lesson 2.
        """
        words = [counted(len(self.notes), "note")] if self.notes else []
        if self.set_aside:
            words.append(f"{counted(len(self.set_aside), 'file')} set aside")
        return ", ".join(words)

    def _summary(self) -> str:
        words = [
            f"{counted(len(self.images), 'image')} of {counted(len(self.class_names), 'class')}",
            counted(len(self.problems), "problem"),
            f"{len(self.set_aside):,} set aside",
            counted(len(self.notes), "note"),
        ]
        return ", ".join(words)

    def _groups(self) -> dict[tuple[str, str], list[Finding]]:
        groups: dict[tuple[str, str], list[Finding]] = {}
        for found in self.findings:
            groups.setdefault((found.level, found.kind), []).append(found)
        return groups

    def _ignored_in_words(self) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in sorted(self.ignored.items()))


def folder_name(folder: Path) -> str:
    """The last part of its path, also of one like ".". Introduced in lesson 2."""
    return printable(folder.name or folder.resolve().name)


def in_code(path: Path) -> str:
    """The path as a text in a program. Introduced in lesson 2."""
    return '"' + printable(path.as_posix().replace("\\", "\\\\").replace('"', '\\"')) + '"'


def counted(number: int, noun: str) -> str:
    """Such as "1 image" or "2,000 images". Introduced in lesson 2."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


# ------------------------------------------------------------------------- the report in a notebook


def _as_html(report: FolderReport) -> str:
    """Two tables with captions and headings, for eyes and for screen readers."""
    classes = [
        f'<tr><th scope="row" {LEFT}>{html.escape(name)}</th><td>{count:,}</td></tr>'
        for name, count in report.class_counts().items()
    ]
    left = MOST_PICTURES
    findings = []
    for (level, kind), group in report._groups().items():
        first = group[: min(PICTURES_OF_A_KIND, left)]
        pictures = [_html_picture(report.folder, found) for found in first]
        left -= len(pictures) - pictures.count("")
        findings.append(_html_row(f"{level}: {kind}", group, pictures))
    lines = [f"{folder_name(report.folder)}: {report._summary()}"]
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
    columns = "".join(f'<th scope="col" {LEFT}>{head}</th>' for head in heads)
    return (
        f'<table><caption style="white-space: nowrap">{caption}</caption>'
        f"<thead><tr>{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _html_row(title: str, group: list[Finding], pictures: list[str]) -> str:
    items = [
        f"<li>{html.escape(f'{found.path}: {found.cause}')} {picture}</li>"
        for found, picture in zip_longest(group[:MOST_FINDINGS], pictures, fillvalue="")
    ]
    if len(group) > MOST_FINDINGS:
        items.append(f"<li>and {len(group) - MOST_FINDINGS:,} more</li>")
    return (
        f'<tr><th scope="row" {LEFT}>{html.escape(title)} ({len(group):,})</th>'
        f"<td {LEFT}><ul>{''.join(items)}</ul></td>"
        f"<td {LEFT}>{html.escape(group[0].advice)}</td></tr>"
    )


def _html_picture(folder: Path, found: Finding) -> str:
    """The picture as an <img>, of a damaged one what there is; "" if it cannot be shown."""
    from PIL import Image

    try:
        with quiet_pillow():
            picture = Image.fromarray(what_there_is(folder / found.path))
        picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        larger = max(PICTURE_SIDE // max(picture.size), 1)  # to see what a tiny one shows
        picture = picture.resize([larger * side for side in picture.size], Image.Resampling.NEAREST)
        packed = io.BytesIO()
        picture.save(packed, "PNG")
    except Exception:  # a report is shown whatever became of the files
        return ""
    data = base64.b64encode(packed.getvalue()).decode()
    alt = html.escape(f"{found.path}: {found.kind}")
    return f'<div><img alt="{alt}" src="data:image/png;base64,{data}"></div>'
