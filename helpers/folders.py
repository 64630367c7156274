"""Check a folder of one's own photos before anything is trained on it. Introduced in lesson 2.

    report = check_folder("photos")        # everything that is wrong, in one go
    report.to_csv("report.csv")            # the same as a table, to work through
    report = check_folder("photos", set_aside=True)    # go on without the unusable files

A folder holds one sub-folder a class, or `train`, `validation` and `test` folders that each
hold one sub-folder a class. The check goes in five steps, and each adds its findings:
list the files, see how the folder is laid out, decode every image once, compare the images
with each other, and try the cut into training, validation and test images. A folder that
passed is then cut by `cut_parts` and read by `read_images`.

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
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from helpers.errors import FolderError, MissingFileError, NotEnoughMemoryError, UsageError
from helpers.files import as_path
from helpers.folder_report import (
    KINDS,
    LEVELS,
    NOTE,
    PROBLEM,
    SET_ASIDE,
    Finding,
    FolderReport,
    ImageFile,
    counted,
    folder_name,
)
from helpers.image_files import Refused, Remark, decoded, in_threads, printable, reason
from helpers.memory import available_memory
from helpers.splits import check_split, split_by_class

if TYPE_CHECKING:
    from PIL import Image

Place = tuple[str, ...]  # of a file or folder below the checked one: the names on the way to it

# A folder may be cut into parts already. These names say so, in capitals too.
PART_OF_FOLDER = {
    "train": "train", "training": "train", "validation": "validation", "val": "validation",
    "valid": "validation", "test": "test", "testing": "test",
}  # fmt: skip
PART_ORDER = ("", "train", "validation", "test")  # "": the folder gives no parts
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
        UsageError: validation_images does not fit the number of images.

    Introduced in lesson 2.
    """
    root = _existing_folder(folder)
    listing = _list_files(root)
    if (unusable := _whole_layout(root, listing)) is not None:
        findings, classes, images = [*listing.findings, unusable], (), ()
    else:
        depth = 2 if _has_parts(listing.folders) else 1  # at which the class folders lie
        seen = _examine_all(root, listing.files, depth, progress)
        usable, copies = _compare(seen)
        classes, images = _labelled(root, usable)
        findings = [
            *listing.findings,
            *_odd_names(listing.folders, depth),
            *(finding for one in seen for finding in one.findings),
            *_nested(seen, depth),
            *copies,
            *_nearly_the_same(usable),
            *_missing_classes(listing.folders, usable, depth),
            *_too_few(images, classes, validation_images),
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

# What operating systems and JupyterLab leave in folders; so is every name with a leading dot.
LEFT_BY_SYSTEMS = ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir")


class _Listing(NamedTuple):
    files: list[Place]
    folders: list[Place]
    findings: list[Finding]
    ignored: Counter


def _existing_folder(folder: str | os.PathLike) -> Path:
    """The folder as a Path, or an error that says what is there instead."""
    try:
        root = as_path(folder)
    except TypeError:
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
    siblings: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        siblings = [entry.name for entry in root.parent.iterdir() if entry.is_dir()]
    names = {name.casefold(): name for name in (*NAMED_DATASETS, *siblings)}
    close = difflib.get_close_matches(root.name.casefold(), names, n=1)
    hint = f"Did you mean {printable(names[close[0]])!r}?" if close else "Check its spelling."
    return (
        'Expected "fashion_mnist", "cifar10" or the path of a folder. '
        f"Received: {printable(str(root))!r}, and there is no folder at "
        f"{printable(str(Path.cwd() / root))}. {hint}"
    )


def _unreadable_in_words(root: Path, error: OSError) -> str:
    return (
        f"Expected a folder that can be read. Received: {printable(str(root))}, and the system "
        f"says: {error.strerror}. Give yourself the right to read it, or copy it elsewhere."
    )


def _list_files(root: Path) -> _Listing:
    """Everything in the folder, without following a link. No recursion: folders can be deep."""
    listing = _Listing([], [], [], Counter())
    waiting: list[Place] = [()]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(root.joinpath(*place)) as entries:
                for entry in entries:
                    _list_entry(entry, (*place, entry.name), listing, waiting)
        except OSError as error:
            if not place:
                raise FolderError(_unreadable_in_words(root, error)) from error
            kind = "path too long" if error.errno == errno.ENAMETOOLONG else "unreadable folder"
            cause = f"It cannot be listed. The system says: {error.strerror}."
            listing.findings.append(_finding(place, kind, cause))
    listing.files.sort()
    listing.folders.sort()
    return listing


def _list_entry(entry: os.DirEntry, place: Place, listing: _Listing, waiting: list[Place]) -> None:
    if pattern := _left_by_systems(entry.name):
        listing.ignored[pattern] += 1
    elif entry.is_symlink():
        listing.findings.append(_finding(place, "link", "It is a link to another place."))
    elif entry.is_dir(follow_symlinks=False):
        listing.folders.append(place)
        waiting.append(place)
    elif entry.is_file(follow_symlinks=False):
        listing.files.append(place)
    else:
        listing.findings.append(_finding(place, "not a file", "It is a pipe, socket or device."))


def _left_by_systems(name: str) -> str | None:
    """What to count the name under, if it is none of the user's own."""
    if name.casefold() in LEFT_BY_SYSTEMS or name in (".DS_Store", ".ipynb_checkpoints"):
        return name
    if name.startswith("._"):
        return "._*"
    return "other hidden names" if name.startswith(".") else None


# --------------------------------------------------------------------------- step 2: see the layout


def _has_parts(folders: list[Place]) -> bool:
    """Whether the folders are train, validation and test, rather than classes of that name."""
    top = {place[0] for place in folders}
    return all(map(_is_part, top)) and any(
        len(place) == 2 and _part_of(place[0]) == "train" for place in folders
    )


def _is_part(name: str) -> bool:
    return name.casefold() in PART_OF_FOLDER


def _names(names: Iterable[str]) -> str:
    return printable(", ".join(sorted(names)))


def _part_of(name: str) -> str:
    return PART_OF_FOLDER[name.casefold()]


def _whole_layout(root: Path, listing: _Listing) -> Finding | None:
    """What is wrong with the folder as a whole, so that its files need no look."""
    if not listing.folders and not listing.files:
        return _finding((), "empty", "There is no folder and no file in it.")
    if not listing.folders:
        cause = f"It holds {counted(len(listing.files), 'file')} and no folder."
        return _finding((), "no class folders", cause)
    parts = {place[0] for place in listing.folders if len(place) == 2 and _is_part(place[0])}
    others = {place[0] for place in listing.folders if not _is_part(place[0])}
    if others and {"train"} < set(map(_part_of, parts)):  # so these two are hardly classes
        cause = f"It holds {_names(parts)}, and beside them {_names(others)}."
        return _finding((), "beside the parts", cause)
    inner = _inner_folder(listing.folders)
    if not inner:
        return None
    cause = "It is the only folder here, and its own folders look like the classes."
    path = f"{folder_name(root)}/{_shown(inner)}"
    return _finding(inner, "one folder too many", cause, f'Use it: load_dataset("{path}").')


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


def _class_folders(folders: list[Place], depth: int) -> list[Place]:
    return [place for place in folders if len(place) == depth]


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
        if not _is_text(place[-1]):
            yield _finding(place, "unreadable name", "Its name is not text on this system.")
        twin = spelled.setdefault(name, place)
        if twin[-1] != place[-1]:
            cause = f"The letters of its name are stored in another way than in {_shown(twin)}."
            yield _finding(place, "two spellings", cause)
        clash = classes.setdefault(unicodedata.normalize("NFC", name.strip().casefold()), name)
        if clash != name:
            cause = f"Its name differs from {clash!r} by capital letters or spaces only."
            yield _finding(place, "same class twice", cause)


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


class _Seen(NamedTuple):
    """A file that was looked at. Without a digest it is no image that can be used."""

    place: Place
    class_name: str
    part: str
    findings: tuple[Finding, ...]
    digest: bytes = b""
    thumbnail: bytes = b""


def _examine_all(root: Path, files: list[Place], depth: int, progress: bool) -> list[_Seen]:
    """Look at every file."""

    def examine(chunk: Sequence[Place]) -> list[_Seen]:
        return [_examine(root, place, depth) for place in chunk]

    chunks = in_threads(examine, files, "check", progress)
    return [one for chunk in chunks for one in chunk]


def _examine(root: Path, place: Place, depth: int) -> _Seen:
    """All there is to know about one file, in one pass over it."""
    stray = len(place) <= depth
    class_name = "" if stray else _class_of(place, depth)
    part = _part_of(place[0]) if depth == 2 and not stray else ""
    remarks = [] if _is_text(place[-1]) else [("strange name", "Its name is not text here.")]
    try:
        picture, more = decoded(root.joinpath(*place), thorough=True)
        remarks += [*more, *_about_shape(*picture.size)]
        prints = _fingerprints(picture)
    except (Refused, OSError) as error:
        remarks, prints = [reason(error)], ()
    if stray and (prints or KINDS[remarks[0][0]][0] != NOTE):
        remarks, prints = [("outside", "It lies in no class folder.")], ()
    findings = tuple(_finding(place, kind, cause) for kind, cause in remarks)
    return _Seen(place, class_name, part, findings, *prints)


def _about_shape(width: int, height: int) -> list[Remark]:
    shape = f"It has {width} x {height} pixels."
    if min(width, height) < FEWEST_PIXELS:
        raise Refused("tiny", shape)
    return [("very long", shape)] if max(width, height) > LONGEST * min(width, height) else []


def _fingerprints(picture: Image.Image) -> tuple[bytes, bytes]:
    """A hash of the exact pixels, and a thumbnail to find nearly the same pictures by."""
    from PIL import Image

    digest = hashlib.blake2b(repr(picture.size).encode(), digest_size=16)
    digest.update(picture.tobytes())
    return digest.digest(), picture.resize(THUMBNAIL, Image.Resampling.BOX).tobytes()


def _nested(seen: Iterable[_Seen], depth: int) -> Iterator[Finding]:
    """A note for every class folder with images in folders of its own."""
    deep = Counter(one.place[:depth] for one in seen if one.digest and len(one.place) > depth + 1)
    for place, count in deep.items():
        cause = f"{counted(count, 'image')} from folders inside it belong to this class too."
        yield _finding(place, "nested folders", cause)


# ----------------------------------------------------------------------- step 4: compare the images

# Two images are nearly the same where their thumbnails are: see `_nearly_the_same`. The limits
# were set by eye on CIFAR-10: all but a few of the 200 pairs they give show the same scene.
THUMBNAIL = (8, 8)
NEAR = 12.0  # grey levels, root mean square over the thumbnail
NEAR_SHARE = 0.25  # of the thumbnail's contrast
PIECE = 4_096  # thumbnails that are compared at once
PLAIN = 8.0  # grey levels of contrast; a thumbnail with less says too little


def _compare(seen: list[_Seen]) -> tuple[list[_Seen], list[Finding]]:
    """The images that can be used, and what was found about exact copies."""
    groups: dict[bytes, list[_Seen]] = {}
    for one in seen:
        if one.digest:
            groups.setdefault(one.digest, []).append(one)
    usable: list[_Seen] = []
    findings: list[Finding] = []
    for group in groups.values():
        if len({one.class_name for one in group}) > 1:
            findings += _under_two_labels(group)
            continue
        # A copy in the test images counts most, one in the training images least.
        part = max((one.part for one in group), key=PART_ORDER.index)
        kept = [one for one in group if one.part == part]
        usable += kept
        cause = f"The same picture as {_shown(kept[0].place)}."
        findings += [_finding(one.place, "leak", cause) for one in group if one.part != part]
        findings += [_finding(one.place, "copy", cause) for one in kept[1:]]
    return usable, findings


def _under_two_labels(group: list[_Seen]) -> Iterator[Finding]:
    """A finding for every copy, since nobody knows which label is right."""
    firsts = list({one.class_name: one for one in reversed(group)}.values())
    for one in group:
        other = next(first for first in firsts if first.class_name != one.class_name)
        yield _finding(one.place, "two labels", f"The same picture as {_shown(other.place)}.")


def _nearly_the_same(usable: list[_Seen]) -> list[Finding]:
    """A note for every pair of images whose thumbnails differ by very little.

    A thumbnail is a point in space, and a tree finds the nearest other ones. It searches by
    the 12 directions in which the points differ most; the whole thumbnails then decide.
    Pictures of nearly one colour are left out: this small, they all look alike.
    """
    images = list({one.digest: one for one in usable}.values())  # copies are known already
    points = np.frombuffer(b"".join(one.thumbnail for one in images), np.uint8)
    points = points.reshape(-1, 3 * math.prod(THUMBNAIL))
    contrast = _in_pieces(_contrast, points)
    telling = np.flatnonzero(contrast >= PLAIN)
    one, other = telling[_neighbours(points[telling])]
    distance = _in_pieces(lambda i, j: _distance(points[i], points[j]), one, other)
    allowed = np.minimum(NEAR, NEAR_SHARE * np.minimum(contrast[one], contrast[other]))
    close = distance <= allowed
    return [
        _finding(
            images[i].place,
            "nearly the same",
            f"Nearly the same picture as {_shown(images[j].place)}.",
        )
        for i, j in zip(one[close], other[close], strict=True)
    ]


def _contrast(points: np.ndarray) -> np.ndarray:
    """How much the colours of each thumbnail vary, in grey levels."""
    return points.reshape(len(points), math.prod(THUMBNAIL), 3).std(axis=1).mean(axis=1)


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The root mean square difference of thumbnails, in grey levels."""
    return np.sqrt(np.square(np.subtract(one, other, dtype=np.float32)).mean(axis=1))


def _in_pieces(work: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """What `work` makes of whole arrays, a piece at a time: as floats they would be large."""
    starts = range(0, max(len(arrays[0]), 1), PIECE)
    return np.concatenate([work(*(array[at : at + PIECE] for array in arrays)) for at in starts])


def _neighbours(points: np.ndarray) -> np.ndarray:
    """Pairs of points that may be near each other, as two rows of indices."""
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return np.empty((2, 0), int)
    middle = points.mean(axis=0)
    spread = sum(
        (piece - middle).T @ (piece - middle)
        for piece in np.array_split(points, -(-len(points) // PIECE))
    )
    _, directions = np.linalg.eigh(spread)
    main = _in_pieces(lambda piece: (piece - middle) @ directions[:, -12:], points)
    radius = NEAR * math.sqrt(points.shape[1])
    _, nearest = cKDTree(main).query(main, k=4, distance_upper_bound=radius, workers=-1)
    one, rank = np.nonzero(nearest < len(points))  # the others are too far away
    pairs = np.sort([one, nearest[one, rank]], axis=0)
    return np.unique(pairs[:, pairs[0] != pairs[1]], axis=1)


# ------------------------------------------------------------------------------ step 5: try the cut


def _labelled(root: Path, usable: list[_Seen]) -> tuple[tuple[str, ...], tuple[ImageFile, ...]]:
    """The classes and the images, in the order in which a dataset has them."""
    classes = tuple(sorted({one.class_name for one in usable}))
    twins: dict[bytes, int] = {}
    images = tuple(
        ImageFile(
            root.joinpath(*one.place),
            classes.index(one.class_name),
            one.part,
            twins.setdefault(one.digest, len(twins)),
        )
        for one in sorted(usable, key=lambda one: (one.class_name, one.place))
    )
    return classes, images


def _missing_classes(folders: list[Place], usable: list[_Seen], depth: int) -> Iterator[Finding]:
    """Classes without images, everywhere or in one of the given parts."""
    found = {one.class_name for one in usable}
    first = {_class_of(place, depth): place for place in reversed(_class_folders(folders, depth))}
    for name in sorted(first.keys() - found):
        yield _finding(first[name], "class without images", "It has no image that can be used.")
    if len(found) < 2:
        cause = f"It has images that can be used of {counted(len(found), 'class')}; 2 are needed."
        yield _finding((), "one class", cause)
    for top in _part_folders(folders, depth):
        missing = found - {one.class_name for one in usable if one.part == _part_of(top)}
        if missing and missing == found:
            cause = "It has no image that can be used in the folder of a class."
            advice = "Sort its images into one folder a class, or move it elsewhere."
            yield _finding((top,), "different classes", cause, advice)
        elif missing:
            cause = f"It has no image of {', '.join(sorted(missing))}, and another part has."
            yield _finding((top,), "different classes", cause)


def _too_few(
    images: Sequence[ImageFile], class_names: Sequence[str], validation_images: int | None
) -> list[Finding]:
    """The classes that are too small to be in every split."""
    train = [image for image in images if image.part in ("", "train")]
    counts = Counter(label for label, _ in {(image.label, image.twin) for image in train})
    if len(counts) < max(2, len(class_names)):
        return []  # found already
    try:
        cut_parts(images, class_names, validation_images=validation_images)
    except FolderError:
        given = {image.part for image in images}
        shares = [] if "test" in given else [SHARE]
        if "validation" not in given and validation_images != 0:
            shares.append(validation_images / len(train) if validation_images else SHARE)
        needed = max(_images_needed(shares), min(counts.values()) + 1)
        top = ("train",) if "train" in given else ()
        return [
            _finding(
                (*top, class_names[label]),
                "too few images",
                f"It has {counted(count, 'different image')}, too few to give some to training, "
                f"validation and test each. {needed} are enough.",
            )
            for label, count in sorted(counts.items())
            if count < needed
        ]
    return []


def _images_needed(shares: Sequence[float]) -> int:
    """How many images of a class are enough to cut these shares off, one after the other."""
    needed = 1
    for share in reversed(shares):
        # At least one is cut off, and enough stay for the next cut.
        needed = max(math.ceil(1 / share), math.ceil(needed / (1 - share)))
    return needed


def cut_parts(
    images: Sequence[ImageFile],
    class_names: Sequence[str],
    *,
    validation_images: int | None = None,
    seed: int = 0,
) -> dict[str, list[ImageFile]]:
    """Sort a folder's images into training, validation and test images.

    A part that the folder gives stays as it is. What is lacking is cut off the training
    images, the same share of every class; exact copies stay together.

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
    parts = {part: [image for image in images if image.part == part] for part in PART_ORDER}
    train = parts.pop("") + parts["train"]
    shares = {"test": round(len(train) * SHARE)} if not parts["test"] else {}
    if not parts["validation"] and validation_images != 0:
        left = len(train) - shares.get("test", 0)
        if validation_images is not None:
            check_split(validation_images, left, len(class_names))
        shares["validation"] = validation_images or round(left * SHARE)
    for part, count in shares.items():
        rest, aside = split_by_class(
            [image.label for image in train],
            count,
            seed,
            class_names,
            twins=[image.twin for image in train],
        )
        parts[part] = [train[index] for index in aside]
        train = [train[index] for index in rest]
    return {**parts, "train": train}


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
    from PIL import Image

    height, width = image_size
    needed, free = len(files) * height * width * 3, available_memory()
    if needed > free:
        raise NotEnoughMemoryError(
            f"Expected {needed / 1e6:,.0f} MB of free memory for {len(files):,} images of "
            f"{height} x {width} pixels. Received: {free / 1e6:,.0f} MB. Choose a smaller "
            "image_size, or shut other notebooks down."
        )
    images = np.empty((len(files), height, width, 3), np.uint8)

    def read(chunk: range) -> None:
        for index in chunk:
            picture = _read_picture(files[index].path)
            images[index] = picture.resize((width, height), Image.Resampling.BILINEAR)

    in_threads(read, range(len(files)), "read", progress)
    return images


def _read_picture(path: Path) -> Image.Image:
    try:
        picture, _ = decoded(path)
    except (Refused, OSError) as error:
        raise FolderError(
            f"Expected the image {printable(str(path))} as it was when the folder was checked. "
            f"Received: a changed one. {reason(error)[1]} Load the folder again when no "
            "program changes it."
        ) from error
    return picture
