"""Look at every image of a folder once, and read them as pixels. Introduced in lesson 2.

What is known of a file stands in columns, one number or row a file, and no object is made of
it: a folder may hold a million.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from helpers.basics.errors import FolderError, NotEnoughMemoryError
from helpers.basics.memory import available_memory
from helpers.folders.findings import KINDS, NOTE, Finding, Place, counted, make_finding
from helpers.folders.images import PARTS, ImageFile, Places
from helpers.folders.layout import by_number, class_of, is_text, part_of
from helpers.folders.listing import Listing
from helpers.photos.decode import decoded
from helpers.photos.looks import may_show_nothing, shows_nothing
from helpers.photos.processes import in_processes, quiet_pillow
from helpers.photos.remarks import Refused, Remark, printable, reason
from helpers.photos.thumbnails import (
    LARGE,
    THUMBNAIL_BYTES,
    ImageSize,
    make_thumbnails,
    reduced,
    resized,
)

FEWEST_PIXELS = 4  # a side
LONGEST = 8  # times the shorter side
DIGEST_BYTES = 16


class _Look(NamedTuple):
    """What one look at a file gave. Without a digest it is no image that can be used."""

    findings: tuple[Finding, ...]
    digest: bytes = b""
    picture: np.ndarray | None = None  # to make the thumbnail of
    pixels: np.ndarray | None = None


class _Chunk(NamedTuple):
    """What a look at some files gave, in columns, so that it is soon sent to another process."""

    findings: list[Finding]
    is_image: list[bool]
    digests: bytes  # of the images only
    thumbnails: bytes


class Seen:
    """All files that were looked at, in columns."""

    def __init__(self, files: Places, depth: int):
        count, folders = len(files), files.folders
        inside = [len(place) >= depth for place in folders]
        names = [
            class_of(place, depth) if within else ""
            for place, within in zip(folders, inside, strict=True)
        ]
        parts = [
            PARTS.index(part_of(place[0])) if within and depth == 2 else 0
            for place, within in zip(folders, inside, strict=True)
        ]
        self.files = files
        self.depth = depth
        self.folder_of = np.frombuffer(files.folder_of, np.int32)
        self.class_names = sorted(
            set(names), key=by_number
        )  # of all class folders, with "" for none
        numbers = {name: number for number, name in enumerate(self.class_names)}
        self.classes = np.array([numbers[name] for name in names], np.int32)[self.folder_of]
        self.parts = np.array(parts, np.int8)[self.folder_of]
        self.findings: list[Finding] = []
        self.is_image = np.zeros(count, bool)
        self.digests = np.zeros((count, DIGEST_BYTES // 8), np.uint64)
        self.thumbnails = np.zeros((count, THUMBNAIL_BYTES), np.uint8)
        self.looked_at = 0

    def add(self, chunk: _Chunk) -> None:
        """Take down what was seen of the next files."""
        which = self.looked_at + np.flatnonzero(chunk.is_image)
        self.looked_at += len(chunk.is_image)
        self.is_image[which] = True
        for column, joined in ((self.digests, chunk.digests), (self.thumbnails, chunk.thumbnails)):
            column[which] = np.frombuffer(joined, column.dtype).reshape(-1, column.shape[1])
        self.findings += chunk.findings


def examine_all(
    listing: Listing,
    depth: int,
    progress: bool,
    image_size: ImageSize | None,
    rows: Path | None,
) -> Seen:
    """Look at every file, once."""
    seen = Seen(listing.files, depth)
    look = partial(_examine_chunk, str(listing.root), depth, image_size, rows)
    bytes_each = listing.bytes / max(len(listing.files), 1)
    in_processes(look, listing.files, "check", progress, seen.add, bytes_each)
    return seen


def _examine_chunk(
    root: str,
    depth: int,
    image_size: ImageSize | None,
    rows: Path | None,
    first: int,
    places: Sequence[Place],
) -> _Chunk:
    with quiet_pillow():
        looks = [_examine(root, place, depth, image_size) for place in places]
    if rows is not None:
        nothing = bytes(math.prod(image_size.shape))
        pixels = [nothing if look.pixels is None else look.pixels for look in looks]
        # Here, and not where all chunks come together: pixels are much to send.
        with rows.open("r+b") as file:
            file.seek(first * len(nothing))
            file.write(b"".join(pixels))
    findings = [found for look in looks for found in look.findings]
    images = [(place, look) for place, look in zip(places, looks, strict=True) if look.digest]
    pictures = [look.picture for _, look in images]
    thumbnails = make_thumbnails(pictures)
    for index in may_show_nothing(pictures, thumbnails):
        findings += _showing_nothing(*images[index], thumbnails[index])
    return _Chunk(
        findings=findings,
        is_image=[bool(look.digest) for look in looks],
        digests=b"".join([look.digest for look in looks]),
        thumbnails=thumbnails.tobytes(),
    )


def _examine(root: str, place: Place, depth: int, image_size: ImageSize | None = None) -> _Look:
    """All there is to know about one file, in one pass over it."""
    stray = len(place) <= depth
    remarks = [] if is_text(place[-1]) else [("strange name", "Its name is not text here.")]
    seen: tuple[bytes, np.ndarray, np.ndarray | None] | tuple[()] = ()
    try:
        path = os.sep.join((root, *place))  # noqa: PTH118, a Path costs more than the decoding
        pixels, more = decoded(path, thorough=True)
        remarks += [*more, *_about_shape(pixels)]
        # A large picture is made small at once, not kept until others are seen.
        image = Image.fromarray(pixels) if max(pixels.shape) > LARGE else None
        picture = pixels if image is None else reduced(image)
        kept = None if image_size is None else resized(pixels, image_size, image)
        seen = _digest(pixels), picture, kept
    except (Refused, OSError) as error:
        remarks = [reason(error)]
    if stray and (seen or KINDS[remarks[0][0]][0] != NOTE):
        remarks, seen = [("outside", "It lies in no class folder.")], ()
    return _Look(tuple([make_finding(place, kind, cause) for kind, cause in remarks]), *seen)


def _showing_nothing(place: Place, look: _Look, thumbnail: np.ndarray) -> Iterator[Finding]:
    """A finding where there is nothing to see in a picture, if none says so already."""
    remark = shows_nothing(look.picture, thumbnail)
    if remark and not any(found.kind in ("blank", "very dark") for found in look.findings):
        yield make_finding(place, *remark)


def _about_shape(pixels: np.ndarray) -> list[Remark]:
    height, width, _ = pixels.shape
    shorter, longer = (width, height) if width < height else (height, width)
    if shorter >= FEWEST_PIXELS and longer <= LONGEST * shorter:
        return []
    shape = f"It has {width} x {height} pixels."
    if shorter < FEWEST_PIXELS:
        raise Refused("tiny", shape)
    return [("very long", shape)]


def _digest(pixels: np.ndarray) -> bytes:
    """The same for exactly the same picture only."""
    shape = b"%d %d" % pixels.shape[:2]
    return hashlib.blake2b(pixels, digest_size=DIGEST_BYTES, person=shape).digest()


def find_nested(seen: Seen, depth: int) -> Iterator[Finding]:
    """A note for every class folder with images in folders of its own."""
    counts = np.bincount(seen.folder_of[seen.is_image], minlength=len(seen.files.folders))
    deep: Counter[Place] = Counter()
    for place, count in zip(seen.files.folders, counts.tolist(), strict=True):
        if count and len(place) > depth:
            deep[place[:depth]] += count
    for place, count in deep.items():
        cause = f"{counted(count, 'image')} from folders inside it belong to this class too."
        yield make_finding(place, "nested folders", cause)


def read_images(
    files: Sequence[ImageFile], image_size: tuple[int, int], *, progress: bool = True
) -> np.ndarray:
    """Read images into one array, resized.

    Args:
        files: the images, as `check_folder` found them.
        image_size: an `ImageSize`, or only (height, width) in pixels. An image of this size
            keeps its exact pixels.
        progress: whether to show a progress bar where it takes longer than a second.

    Returns:
        uint8, (images, height, width, 3 or 1), in the order of the files.

    Raises:
        FolderError: a file was changed or deleted since the check.
        NotEnoughMemoryError: the array would not fit into the memory.

    Introduced in lesson 2.
    """
    image_size = ImageSize(*image_size)
    needed, free = len(files) * math.prod(image_size.shape), available_memory()
    if needed > free:
        raise NotEnoughMemoryError(
            f"Expected {needed / 1e6:,.0f} MB of free memory for {len(files):,} images of "
            f"{image_size.height} x {image_size.width} pixels. Received: {free / 1e6:,.0f} MB. "
            "Choose a smaller image_size, or shut other notebooks down."
        )
    images, done = np.empty((len(files), *image_size.shape), np.uint8), 0

    def take(read: np.ndarray) -> None:
        nonlocal done
        images[done : done + len(read)] = read
        done += len(read)

    paths = [file.path for file in files]
    bytes_each = sum(map(_size, paths)) / max(len(paths), 1)
    in_processes(partial(_read_chunk, image_size), paths, "read", progress, take, bytes_each)
    return images


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # the reading says it in words
        return 0


def _read_chunk(image_size: ImageSize, _: int, paths: Sequence[Path]) -> np.ndarray:
    with quiet_pillow():
        return np.stack([resized(_read_pixels(path), image_size) for path in paths])


def _read_pixels(path: Path) -> np.ndarray:
    try:
        pixels, _ = decoded(path)
    except (Refused, OSError) as error:
        raise FolderError(
            f"Expected the image {printable(str(path))} as it was when the folder was checked. "
            f"Received: a changed one. {reason(error)[1]} Load the folder again when no "
            "program changes it."
        ) from error
    return pixels
