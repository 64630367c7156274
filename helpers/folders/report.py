"""What the check of a folder found, to be read, shown and worked through. Introduced in lesson 2.

    report = check_folder("photos")        # a FolderReport
    report.ok                              # whether it can be used
    report.to_csv("report.csv")            # the findings as a table, to work through
    report.raise_problems()                # an error that lists them, if there are any

A report has the images that can be used, each an `ImageFile`, and everything else that is
worth knowing, each a `Finding`. What kinds of findings there are, how serious each is and
what to do about it stands in `helpers.folders.findings.KINDS`, and nowhere else.
"""

from __future__ import annotations

import base64
import html
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from helpers.basics.errors import FolderError, wrapped
from helpers.basics.files import write_table
from helpers.folders.findings import (
    KINDS,
    NOTE,
    PROBLEM,
    SET_ASIDE,
    Finding,
    ImageFile,
    counted,
    folder_name,
    in_code,
)
from helpers.photos.decode import what_there_is
from helpers.photos.processes import quiet_pillow
from helpers.photos.remarks import printable

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


@dataclass(frozen=True, eq=False)
class FolderReport:
    """What `check_folder` found.

    Attributes:
        folder: the folder, as it was given.
        class_names: the classes that have usable images, sorted: 2 comes before 10.
        images: the usable images, by class, then by path: a tuple of `ImageFile`.
        findings: everything else: problems first, then what was set aside, then notes.
        ignored: how many files and folders of each name that systems leave behind (such as
            .DS_Store) were passed over.
        problems, set_aside, notes: the findings of each level.

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
        rows = [["path", "kind", "level", "cause", "advice"]]
        for found in self.findings:
            where = "./" if found.path == "." else f"./{found.path}"
            rows.append([where, found.kind, found.level, found.cause, found.advice])
        write_table(path, rows)

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
        for title, group, items in self._groups():
            said += [f"  {title}. {group[0].advice}", *(f"    {item}" for item in items)]
        said += [f"  {line}" for line in self._ignored_in_words()]
        return "\n".join([*lines, *(wrapped(line, indent="      ") for line in said)])

    def _repr_html_(self) -> str:
        """Two tables with captions and headings, for eyes and for screen readers."""
        lines = [f"{folder_name(self.folder)}: {self._summary()}", *self._ignored_in_words()]
        classes = [
            f'<tr><th scope="row" {LEFT}>{html.escape(name)}</th><td>{count:,}</td></tr>'
            for name, count in self.class_counts().items()
        ]
        findings, left = [], MOST_PICTURES
        for title, group, items in self._groups():
            first = group[: min(PICTURES_OF_A_KIND, left)]
            pictures = [_html_picture(self.folder, found) for found in first]
            left -= len(pictures) - pictures.count("")
            findings.append(_html_row(title, items, pictures, group[0].advice))
        return "".join(
            [
                *(f"<p>{html.escape(line)}</p>" for line in lines),
                _html_table("Images that can be used", ("class", "images"), classes),
                _html_table("What the check found", ("what", "where", "what to do"), findings),
            ]
        )

    def in_words(self) -> str:
        """The numbers of notes and of files set aside; "" if there are none of both.

        Introduced in lesson 2.
        """
        words = [counted(len(self.notes), "note")] if self.notes else []
        if self.set_aside:
            words.append(f"{counted(len(self.set_aside), 'file')} set aside")
        return ", ".join(words)

    def _summary(self) -> str:
        return (
            f"{counted(len(self.images), 'image')} of {counted(len(self.class_names), 'class')}, "
            f"{counted(len(self.problems), 'problem')}, {len(self.set_aside):,} set aside, "
            f"{counted(len(self.notes), 'note')}"
        )

    def _groups(self) -> Iterator[tuple[str, list[Finding], list[str]]]:
        """For each kind of finding a title, all of them, and the first ones in words."""
        groups: dict[str, list[Finding]] = {}
        for found in self.findings:
            groups.setdefault(f"{found.level}: {found.kind}", []).append(found)
        for title, group in groups.items():
            items = [f"{found.path}: {found.cause}" for found in group[:MOST_FINDINGS]]
            if len(group) > MOST_FINDINGS:
                items.append(f"and {len(group) - MOST_FINDINGS:,} more")
            yield f"{title} ({len(group):,})", group, items

    def _ignored_in_words(self) -> list[str]:
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(self.ignored.items()))
        return [f"ignored: {counts}"] if counts else []


def _html_table(caption: str, heads: Sequence[str], rows: list[str]) -> str:
    if not rows:
        return ""
    columns = "".join(f'<th scope="col" {LEFT}>{head}</th>' for head in heads)
    return (
        f'<table><caption style="white-space: nowrap">{caption}</caption>'
        f"<thead><tr>{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _html_row(title: str, items: list[str], pictures: list[str], advice: str) -> str:
    cells = [
        f"<li>{html.escape(item)} {picture}</li>"
        for item, picture in zip_longest(items, pictures, fillvalue="")
    ]
    return (
        f'<tr><th scope="row" {LEFT}>{html.escape(title)}</th>'
        f"<td {LEFT}><ul>{''.join(cells)}</ul></td><td {LEFT}>{html.escape(advice)}</td></tr>"
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
