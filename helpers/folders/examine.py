"""Look at every image of a folder once, and read them as pixels. Introduced in lesson 2.

Every file is opened once, in several processes where there are many.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.basics.errors import FolderError, NotEnoughMemoryError
from helpers.basics.memory import available_memory
from helpers.folders.findings import (
    KINDS,
    NOTE,
    Finding,
    ImageFile,
    Place,
    counted,
    make_finding,
)
from helpers.folders.layout import Layout
from helpers.folders.listing import Listing
from helpers.photos.decode import decoded
from helpers.photos.looks import about_shape, may_show_nothing, shows_nothing
from helpers.photos.processes import in_processes, quiet_pillow
from helpers.photos.remarks import Refused, Remark, is_text, printable, reason
from helpers.photos.thumbnails import (
    LARGE,
    THUMBNAIL_BYTES,
    ImageSize,
    make_thumbnails,
    reduced,
    resized,
    strips_of,
    strips_of_pillow,
)

DIGEST_BYTES = 16
BYTES_EACH = 100_000  # of a file, where nobody has looked


class _Examined(NamedTuple):
    """What one look at a file gave. Without a digest it is no image that can be used."""

    remarks: list[Remark]
    digest: bytes = b""
    picture: np.ndarray | None = None  # to make the thumbnail of
    pixels: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class SeenImage:
    """An image that can be used, as far as it alone can tell."""

    place: Place
    row: int  # its index among all files that were listed
    class_name: str
    part: str
    digest: bytes  # the same for exactly the same picture only


def examine_all(
    listing: Listing,
    layout: Layout,
    progress: bool,
    image_size: ImageSize | None,
    rows: Path | None,
) -> tuple[list[SeenImage], np.ndarray, list[Finding]]:
    """Look at every file, once.

    Returns:
        The images; the thumbnails, uint8, (listed files, THUMBNAIL_BYTES), of which only those of
        the images say something; what is said of files.
    """
    images: list[SeenImage] = []
    findings: list[Finding] = []
    thumbnails = np.empty((len(listing.files), THUMBNAIL_BYTES), np.uint8)

    def take(looks: tuple[int, list[tuple[Sequence[Remark], bytes]], np.ndarray]) -> None:
        first, looked_at, small = looks
        with_digest = [row for row, (_, digest) in enumerate(looked_at, first) if digest]
        thumbnails[with_digest] = small
        for row, (remarks, digest) in enumerate(looked_at, first):
            place, name, part = listing.files[row], layout.classes[row], layout.parts[row]
            if not name and (digest or KINDS[remarks[0][0]][0] != NOTE):
                remarks = [layout.stray]
            elif digest:
                images.append(SeenImage(place, row, name, part, digest))
            for kind, cause in remarks:
                findings.append(make_finding(place, kind, cause))

    look = partial(_examine_chunk, str(listing.root), image_size, rows)
    bytes_each = listing.bytes / max(len(listing.files), 1)
    in_processes(look, listing.files, "check", progress, take, bytes_each)
    return images, thumbnails, findings


def _examine_chunk(
    root: str,
    image_size: ImageSize | None,
    rows: Path | None,
    first: int,
    places: Sequence[Place],
) -> tuple[int, list[tuple[list[Remark], bytes]], np.ndarray]:
    """The number of the first file, what is said of each, with the digest of an image, and the
    thumbnails of the images."""
    with quiet_pillow():
        looks = [_examine(root, place, image_size) for place in places]
    if rows is not None:
        nothing = bytes(math.prod(image_size.shape))
        pixels = [nothing if look.pixels is None else look.pixels for look in looks]
        # Here, and not where all chunks come together: pixels are much to send.
        with rows.open("r+b") as file:
            file.seek(first * len(nothing))
            file.write(b"".join(pixels))
    images = [look for look in looks if look.digest]
    pictures = [look.picture for look in images]
    thumbnails = make_thumbnails(pictures)
    for index in may_show_nothing(pictures, thumbnails):
        remark = shows_nothing(pictures[index], thumbnails[index])
        remarks = images[index].remarks
        if remark and not any(kind in ("blank", "very dark") for kind, _ in remarks):
            remarks.append(remark)
    said = [(look.remarks, look.digest) for look in looks]
    return first, said, thumbnails.reshape(-1, THUMBNAIL_BYTES)


def _examine(root: str, place: Place, image_size: ImageSize | None = None) -> _Examined:
    """All there is to know about one file, in one pass over it."""
    remarks = [] if is_text(place[-1]) else [("strange name", "Its name is not text here.")]
    try:
        path = os.path.join(root, *place)  # noqa: PTH118, a Path costs more than the decoding
        pixels, more = decoded(path, thorough=True)
        remarks += [*more, *about_shape(pixels)]
    except (Refused, OSError) as error:
        return _Examined([reason(error)])
    # A large picture is made small at once, not kept until others are seen.
    is_large = max(pixels.shape) > LARGE
    pixels = pixels if is_large else np.ascontiguousarray(pixels)
    # Made once for both: that costs more time than holding them costs memory.
    strips = [*strips_of_pillow(pixels)] if is_large and image_size else None
    picture = reduced(pixels, strips) if is_large else pixels
    kept = None if image_size is None else resized(pixels, image_size, strips)
    return _Examined(remarks, _digest(pixels), picture, kept)


def _digest(pixels: np.ndarray) -> bytes:
    """The same for exactly the same picture only."""
    shape = b"%d %d" % pixels.shape[:2]
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES, person=shape)
    for strip in (pixels,) if pixels.flags.c_contiguous else strips_of(pixels):
        digest.update(strip)
    return digest.digest()


def find_nested(images: Sequence[SeenImage], layout: Layout) -> Iterator[Finding]:
    """A note for every class folder with images in folders of its own."""
    inside = layout.depth + 1  # names in the place of an image directly in its class folder
    deep = Counter(image.place[: layout.depth] for image in images if len(image.place) > inside)
    for place, count in deep.items() if layout.depth else ():
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
    images = np.empty((len(files), *image_size.shape), np.uint8)
    places = iter(images)

    def take(read: np.ndarray) -> None:
        for image in read:
            next(places)[:] = image

    paths = [file.path for file in files]
    in_processes(partial(_read_chunk, image_size), paths, "read", progress, take, BYTES_EACH)
    return images


def _read_chunk(image_size: ImageSize, _: int, paths: Sequence[Path]) -> np.ndarray:
    with quiet_pillow():
        return np.stack([resized(_read_pixels(path), image_size) for path in paths])


def _read_pixels(path: Path) -> np.ndarray:
    try:
        return decoded(path)[0]
    except (Refused, OSError) as error:
        raise FolderError(
            f"Expected the image {printable(str(path))} as it was when the folder was checked. "
            f"Received: a changed one. {reason(error)[1]} Load the folder again when no "
            "program changes it."
        ) from error
