"""Check a folder of one's own photos before anything is trained on it. Introduced in lesson 2.

    report = check_folder("photos")        # everything that is wrong, in one go
    report.to_csv("report.csv")            # the same as a table, to work through
    report = check_folder("photos", set_aside=True)    # go on without the unusable files

A folder holds one sub-folder a class, or `train`, `validation` and `test` folders that each
hold one sub-folder a class. Or else the names of its files, or a table, say the classes.
The check goes in five steps, and each adds its findings: list the files, see the class and part
of each, decode every image once, compare the images with each other, and see whether the classes
are large enough to be cut into training, validation and test images. A folder that passed is then
cut by `cut_parts`.

`load_dataset` makes the same check, and keeps the pixels while they are decoded:
`helpers.datasets.prepared` puts them on the disk. Where it cannot, `read_images` reads them again.

Each step has a module of its own beside this one: `listing` (of a table, `table`), `layout`,
`examine`, `compare`, `cut`.

Nothing in the folder is ever moved, changed or deleted. A file is set aside in the report
only. Links are not followed, and what is not a plain file is not opened.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.basics.arguments import check_switches
from helpers.folders.compare import find_copies, find_nearly_the_same, near_pairs
from helpers.folders.cut import (
    check_number_of_images,
    find_missing_classes,
    find_unequal_classes,
    try_cut,
)
from helpers.folders.examine import examine_all, find_nested
from helpers.folders.findings import LEVELS, PROBLEM, SET_ASIDE, Finding
from helpers.folders.layout import find_links, see_layout
from helpers.folders.listing import Listing
from helpers.folders.report import FolderReport
from helpers.folders.table import list_source
from helpers.photos.thumbnails import ImageSize

if TYPE_CHECKING:
    import pandas


def check_folder(
    folder: str | os.PathLike | pandas.DataFrame,
    *,
    classes_in_names: bool = False,
    set_aside: bool = False,
    progress: bool = True,
    validation_images: int | None = None,
) -> FolderReport:
    """Look at every file of a folder of images, and report everything that is wrong at once.

    Args:
        folder: its path. It holds one sub-folder a class, or `train` and any of
            `validation` (also `val`, `dev`) and `test`, each with one sub-folder a class. Or the
            path of a CSV file, or a DataFrame: its columns `file` (also `filename`, `path`,
            `image`), `label` (`class`, `category`) and, if there is one, `split` (`part`, `set`)
            name each file, its class and its part. The names start from the folder of the CSV
            file, and those of a DataFrame from the working folder.
        classes_in_names: whether the names of the files say their classes: in `cat.0.jpg` and
            `Great Pyrenees-7.jpg` what stands before the last number. Folders then matter only
            where they are `train`, `validation` and `test`.
        set_aside: whether to go on without the files that cannot be used. They are listed
            in the report, and stay where they are.
        progress: whether to show a progress bar where it takes longer than a second.
        validation_images: how many images `load_dataset` will be asked to cut off for
            validation. Default: a fifth.

    Returns:
        A `FolderReport`. Show it, or write it with its `to_csv`.

    Raises:
        MissingFileError: there is nothing at this path.
        FolderError: there is something else than a folder, or it may not be read, or a table
            lacks a column.
        UsageError: validation_images is no whole number, or does not fit the number of images.

    Introduced in lesson 2.
    """
    check_number_of_images(validation_images)
    check_switches(classes_in_names=classes_in_names, set_aside=set_aside, progress=progress)
    return check_listing(
        list_source(folder, classes_in_names=classes_in_names),
        set_aside=set_aside,
        progress=progress,
        validation_images=validation_images,
    )


def check_listing(
    listing: Listing,
    *,
    set_aside: bool,
    progress: bool = True,
    validation_images: int | None = None,
    image_size: ImageSize | None = None,
    rows: Path | None = None,
) -> FolderReport:
    """Check the folder that was listed: see `check_folder`.

    Args:
        listing: what `list_source` gave.
        set_aside, progress, validation_images: as for `check_folder`.
        image_size: if the pixels are to be kept.
        rows: an empty file that they are written into, in the order of the listed files:
            height x width x channels bytes each, zeros for one that is no image.

    Introduced in lesson 2.
    """
    layout = see_layout(listing)
    classes, images = (), []
    if isinstance(layout, Finding):
        findings = [*listing.findings, *find_links(listing, None), layout]
    else:
        seen, thumbnails, of_files = examine_all(listing, layout, progress, image_size, rows)
        usable, copies = find_copies(seen)
        near = near_pairs(usable, thumbnails)
        del thumbnails  # they take much memory, and nobody needs them any more
        classes, images, too_few = try_cut(listing, layout, usable, near, validation_images)
        findings = [
            *listing.findings,
            *find_links(listing, layout),
            *layout.findings,
            *of_files,
            *find_nested(seen, layout),
            *copies,
            *find_nearly_the_same(usable, near),
            *find_missing_classes(listing, layout, classes, images),
            *find_unequal_classes(classes, images),
            *too_few,
        ]
    if not set_aside:
        findings = [
            replace(found, level=PROBLEM) if found.level == SET_ASIDE else found
            for found in findings
        ]
    findings.sort(key=lambda found: (LEVELS.index(found.level), found.kind, found.path))
    return FolderReport(
        listing.root, classes, tuple(images), tuple(findings), dict(listing.ignored)
    )
