"""List the files that a table names, with the class of each. Introduced in lesson 2.

    load_dataset("photos/labels.csv")       # columns such as file, label, and perhaps split

The table is a CSV file, or a pandas DataFrame, that is known by its columns. Every row names one
file and its class. What stands in a row and cannot be used is a finding: no row is passed over.
"""

from __future__ import annotations

import csv
import os
import posixpath
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from helpers.basics.errors import FolderError, UsageError
from helpers.folders.findings import Place, make_finding
from helpers.folders.layout import part_named
from helpers.folders.listing import Listing, existing_path, list_folder, state_of_file
from helpers.photos.remarks import printable

# What the columns may be called, without spaces and underscores, the best first.
COLUMNS = {
    "file": ("file", "filename", "path", "filepath", "image", "imagename", "imagepath"),
    "class": ("label", "class", "category", "classname", "labelname"),
    "part": ("split", "part", "set"),
}
MISSING = ("nan", "None", "<NA>", "NaT")  # how pandas shows what is not there


def list_source(source: object, *, classes_in_names: bool = False) -> Listing:
    """What is in a folder, or named by a table. Raises as `check_folder` does.

    Args:
        source: the path of a folder or of a CSV file, or a DataFrame.
        classes_in_names: whether the names of a folder's files say their classes.

    Introduced in lesson 2.
    """
    frame = hasattr(source, "columns") and hasattr(source, "__getitem__")
    path = Path.cwd() if frame else existing_path(source)
    if not frame and not (path.suffix.lower() in (".csv", ".tsv") and path.is_file()):
        return list_folder(path, classes_in_names=classes_in_names)
    if classes_in_names:
        raise UsageError(
            "Expected a folder where classes_in_names is True. Received: a table, which says the "
            "class of each file in a column. Leave classes_in_names out."
        )
    if frame:
        listing = Listing(path, path / "DataFrame", labels={})
        header = [str(name) for name in source.columns]
        _columns(header)  # of two columns of one name, pandas gives both at once
        columns = [[_as_text(value) for value in source[name]] for name in source.columns]
        rows = list(enumerate(zip(*columns, strict=True)))
    else:
        listing = Listing(path.parent, path, labels={})
        (_, header), *rows = _read_csv(path)
    _take_rows(listing, header, rows)
    return listing


def _as_text(value: object) -> str:
    """A cell of a DataFrame as text; "" where there is none."""
    if isinstance(value, float) and value.is_integer():  # what becomes of 3 beside empty cells
        value = int(value)
    text = str(value)
    return "" if text in MISSING and not isinstance(value, str) else text


def _read_csv(path: Path) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of its line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            lines = csv.reader(file, delimiter=max(",;\t", key=head.count))
            rows = [(lines.line_num, row) for row in lines if any(row)]
    except (ValueError, csv.Error) as error:
        raise FolderError(
            f"Expected a table as text in UTF-8. Received: {printable(str(path))}, which is "
            'something else. Save it as "CSV UTF-8".'
        ) from error
    except OSError as error:
        raise FolderError(
            f"Expected a table that can be read. Received: {printable(str(path))}, and the system "
            f"says: {error.strerror}. Give yourself the right to read it."
        ) from error
    return rows or [(1, [])]


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Where the file names, the classes and the parts stand."""
    plain = [re.sub(r"[\s_-]", "", name).casefold() for name in header]
    found = {}
    for wanted, names in COLUMNS.items():
        if known := [name for name in names if name in plain]:
            found[wanted] = plain.index(known[0])
            if plain.count(known[0]) > 1:
                name = printable(header[found[wanted]])
                raise FolderError(
                    f"Expected a table with one column {name}. Received: {plain.count(known[0])} "
                    "of that name. Rename or delete all but one."
                )
    if not {"file", "class"} <= found.keys():
        raise FolderError(
            "Expected a table with a column of file names, called file, filename, file_name, path "
            "or image, and one of classes, called label, class or category. Received the columns: "
            f"{printable(', '.join(header)) or 'none'}. Rename them."
        )
    return found


def _take_rows(
    listing: Listing, header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]
) -> None:
    """Add the files, each with its class and part, and the findings on rows."""
    columns = _columns(header)
    twice: set[Place] = set()
    for number, row in rows:
        cells = {name: row[at].strip() if at < len(row) else "" for name, at in columns.items()}
        plain = posixpath.normpath(cells["file"].replace("\\", "/"))
        place = PurePosixPath(plain).parts
        findings = list(_wrong_in_row(listing, place, cells))
        if any(map(str.strip, row[len(header) :])):
            findings.append(("more cells", "has more cells than the first row has names."))
        for kind, cause in findings:
            listing.findings.append(make_finding(place, kind, f"Row {number} {cause}"))
        label = cells["class"], part_named(cells.get("part", ""))
        listing.state.update(repr((place, cells, findings)).encode("utf-8", "backslashreplace"))
        if not findings and listing.labels.setdefault(place, label) != label:
            twice.add(place)
    for place in sorted(twice):
        del listing.labels[place]
        cause = "It is named more than once, with another class or part."
        listing.findings.append(make_finding(place, "labelled twice", cause))
    listing.files.extend(sorted(listing.labels))


def _wrong_in_row(
    listing: Listing, place: Place, cells: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """What is wrong with a row: a kind of finding, and what the row does."""
    if not place:
        yield "no such file", "names no file."
        return
    try:
        status = os.lstat(listing.root.joinpath(*place))
        listing.state.update(state_of_file(status))
        listing.bytes += status.st_size
        if stat.S_ISLNK(status.st_mode):
            yield "no such file", "names it, and it is a link, which is not followed."
        elif not stat.S_ISREG(status.st_mode):
            yield "no such file", "names it, and it is no file."
    except (OSError, ValueError):
        yield "no such file", "names it, and there is no such file."
    if not cells["class"]:
        yield "no label", "gives it no class."
    if "part" in cells and not part_named(cells["part"]):
        yield "unknown part", f"gives it the part {printable(cells['part'])!r}."
