"""Pictures as people have them, made into images as a model was trained on. Lesson 5.

    given = read_given("photos", ImageSize(64, 64))       # or a file, a Pillow image, an array

A photo goes the way that it goes in `load_dataset`: decoded, upright, in sRGB, resized alike.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from helpers.basics.arguments import check_all_there
from helpers.basics.errors import (
    FolderError,
    MissingFileError,
    NotEnoughMemoryError,
    UsageError,
    kind_of,
)
from helpers.basics.files import as_path
from helpers.basics.memory import available_memory
from helpers.folders.findings import Finding, Place, counted, make_finding
from helpers.folders.listing import HIDDEN, list_folder, pictures_in
from helpers.models.trained_on import GREY_LEVELS, TrainedOn
from helpers.photos.decode import decoded, from_pillow
from helpers.photos.looks import about_shape
from helpers.photos.processes import in_processes, quiet_pillow
from helpers.photos.remarks import Refused, Remark, printable, reason
from helpers.photos.thumbnails import ImageSize, resized
from helpers.results.pixels import EXPECTED, levels_of, range_of, refuse, with_batch

BYTES_EACH = 1_000_000  # of a photo, where nobody has looked
LEAST_BYTES = 1_000  # that an object in a list may take


class Given(NamedTuple):
    """Pictures, ready for a model, and what is to be said about single ones."""

    names: tuple[str, ...]
    images: np.ndarray  # (pictures, height, width, channels), as the model was trained on them
    findings: tuple[Finding, ...]


def read_given(
    pictures: object, like: TrainedOn, pixels: tuple[float, float] | None = None
) -> Given:
    """Read pictures of any kind that `predict` takes; what cannot be read becomes a finding.

    Args:
        pictures: as `predict` takes them.
        like: what the images of the model are like.
        pixels: the numbers for black and white in arrays of floats.

    Raises:
        UsageError, MissingFileError, FolderError, NotEnoughMemoryError: as `predict`.

    Introduced in lesson 5.
    """
    if isinstance(pictures, str | os.PathLike):
        return _files_of(pictures, like)
    if hasattr(pictures, "read"):
        refuse(kind_of(pictures), "Give the path, or PIL.Image.open(file).")
    if isinstance(pictures, Iterator):  # such as Path("photos").glob("*.jpg")
        pictures = _listed(pictures)
    if not isinstance(pictures, list | tuple):
        given = _of_array(pictures, like, pixels)
        return _several([pictures], like, pixels) if given is None else given
    if not pictures:
        refuse("nothing in it", "Give at least one picture.")
    return _several(pictures, like, pixels)


def _listed(pictures: Iterator) -> list:
    """All of them; one that does not end would fill the memory."""
    found, room = [], available_memory() / 2
    for picture in pictures:
        found.append(picture)
        size = math.prod(picture.size) if isinstance(picture, Image.Image) else 0  # in pixels
        room -= max(getattr(picture, "nbytes", 3 * size), LEAST_BYTES)
        if room < 0:
            raise NotEnoughMemoryError(
                f"Expected pictures that fit into the memory. Received: more than {len(found):,}, "
                "from an iterator that perhaps never ends. Give a part of them at a time."
            )
    return found


def _files_of(path: str | os.PathLike, like: TrainedOn) -> Given:
    """Those of a folder, or the one file."""
    path = _existing(path)
    if not path.is_dir():
        return _several([path], like, None)
    listing = list_folder(path)
    places, findings = listing.files, [*listing.findings]
    findings += [
        make_finding(place, "link", "It leads elsewhere.") for place in sorted(listing.links)
    ]
    left_out = ""
    if hidden := listing.ignored[HIDDEN]:
        left_out = f"Left out, for the dot in front: {counted(hidden, 'picture')}."
        findings.append(make_finding((), "hidden", left_out))
    if not places:
        links = (
            f"{len(listing.links)} links, which are not followed" if listing.links else "no file"
        )
        advice = f"{left_out} Give the folder that the photos lie in.".lstrip()
        raise FolderError(
            f"Expected a folder with photos. Received: {printable(str(path))}, which holds {links}."
            f" {advice}"
        )
    check_memory(len(places), like)
    images, found = _decoded_all(
        [listing.root.joinpath(*place) for place in places],
        places,
        like,
        listing.bytes / len(places),
    )
    names = [printable("/".join(place)) for place in places]
    return _without_refused(names, images, [*found, *findings], f"the files in {path}")


def _existing(path: str | os.PathLike) -> Path:
    path = as_path(path)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise MissingFileError(
            f"{EXPECTED} Received: {printable(str(path))!r}, and there is nothing at "
            f"{printable(str(Path.cwd() / path))}. {pictures_in(path.parent)}"
        ) from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        refuse(f"{printable(str(path))}, a pipe or a device", "Give the path of a file.")
    return path


def _several(pictures: Sequence, like: TrainedOn, pixels: tuple[float, float] | None) -> Given:
    """Of a list, each picture by itself."""
    names: list[str] = []
    images: list[np.ndarray | None] = [None] * len(pictures)
    findings: list[Finding] = []
    files: dict[int, Path] = {}
    for number, picture in enumerate(pictures):
        name = f"image {number}"
        if isinstance(picture, str | os.PathLike):
            path = _existing(picture)
            if path.is_dir():
                refuse(f"a list with the folder {path}", "Give a folder alone, not in a list.")
            name, files[number] = printable(str(picture)), Path(os.path.realpath(path))
        elif isinstance(picture, Image.Image):
            images[number], found = _of_pillow(picture, name, like)
            findings += found
        elif (given := _of_array(picture, like, pixels)) is None:
            refuse(f"{kind_of(picture)}", "Open it with PIL.Image.open, or give its path.")
        elif len(given.images) == 1:
            images[number] = given.images[0]
        else:
            refuse("a list with arrays of several images", "Join them: np.concatenate(list).")
        names.append(name)
    places = [(names[number],) for number in files]
    read, found = _decoded_all([*files.values()], places, like, BYTES_EACH)
    for number, image in zip(files, read, strict=True):
        images[number] = image
    return _without_refused(names, images, [*found, *findings], "what was given")


def _without_refused(
    names: Sequence[str],
    images: Sequence[np.ndarray | None],
    findings: Sequence[Finding],
    what: str,
) -> Given:
    used = [number for number, image in enumerate(images) if image is not None]
    if not used:  # then there is a finding about each
        first = findings[0]
        raise FolderError(
            f"Expected at least one picture that can be used in {printable(what)}. Received: none "
            f"of {len(names):,}. {first.path}: {first.cause} {first.advice}"
        )
    return Given(
        tuple(names[number] for number in used),
        np.stack([images[number] for number in used]),
        tuple(findings),
    )


def _size(like: TrainedOn) -> ImageSize:
    """The size that photos get; raises UsageError where the model takes no photos."""
    if like.image_shape[-1] not in (1, 3) or like.pixels is None:
        raise UsageError(
            f"Expected a model of photos: grey or colour, with plain pixels. Received: one of "
            f"images of shape {like.image_shape} that were made otherwise. Give arrays that were "
            "made as its training images were."
        )
    return ImageSize(*like.image_shape, like.fit)


def check_memory(pictures: int, like: TrainedOn) -> None:
    """Raise NotEnoughMemoryError where so many pictures do not fit into the memory."""
    # Once as they are read, once together.
    needed = 2 * pictures * math.prod(like.image_shape) * (1 if like.pixels == GREY_LEVELS else 4)
    if needed > (free := available_memory()):
        raise NotEnoughMemoryError(
            f"Expected {needed / 1e6:,.0f} MB of free memory for {pictures:,} pictures. Received: "
            f"{free / 1e6:,.0f} MB. Give a part of them at a time."
        )


def _scaled(image: np.ndarray, like: TrainedOn) -> np.ndarray:
    """Grey levels from 0 to 255 as the training images had them."""
    if like.pixels in (GREY_LEVELS, None):
        return image
    black, white = like.pixels
    return (black + image.astype(np.float32) / 255 * (white - black)).astype(np.float32)


def _decoded_all(
    paths: Sequence[Path], places: Sequence[Place], like: TrainedOn, bytes_each: float
) -> tuple[list[np.ndarray | None], list[Finding]]:
    """Each file as an image, None where it gives none; and what is to be said about them."""
    if not paths:
        return [], []
    looks: list[tuple[np.ndarray | None, list[Remark]]] = []
    work = partial(_decode_chunk, _size(like))
    in_processes(work, paths, "read", True, looks.extend, bytes_each)
    findings = [
        make_finding(place, kind, cause)
        for place, (_, remarks) in zip(places, looks, strict=True)
        for kind, cause in remarks
    ]
    return [None if image is None else _scaled(image, like) for image, _ in looks], findings


def _decode_chunk(
    size: ImageSize, _: int, paths: Sequence[Path]
) -> list[tuple[np.ndarray | None, list[Remark]]]:
    with quiet_pillow():
        return [_decode(path, size) for path in paths]


def _decode(path: Path, size: ImageSize) -> tuple[np.ndarray | None, list[Remark]]:
    try:
        pixels, remarks = decoded(path, thorough=True)  # as the check of a folder
        remarks += about_shape(pixels)
    except (Refused, OSError) as error:
        return None, [reason(error)]
    return resized(pixels, size), remarks


def _of_pillow(
    picture: Image.Image, name: str, like: TrainedOn
) -> tuple[np.ndarray | None, list[Finding]]:
    if picture.mode in ("F", "I"):  # numbers of any size, and nobody says which one is white
        refuse(
            f"an image of Pillow in mode {picture.mode}",
            "Make an array of it, np.asarray(image), and say which numbers are black and white.",
        )
    if getattr(picture, "tile", None) and picture.fp is None:
        refuse(
            "an image of Pillow that was closed before its pixels were read",
            "Open it again, and close it afterwards.",
        )
    size = _size(like)
    try:
        with quiet_pillow():
            pixels, remarks = from_pillow(picture)
        remarks += about_shape(pixels)
    except Refused as error:
        return None, [make_finding((name,), *reason(error))]
    findings = [make_finding((name,), kind, cause) for kind, cause in remarks]
    return _scaled(resized(pixels, size), like), findings


def _of_array(picture: object, like: TrainedOn, pixels: tuple[float, float] | None) -> Given | None:
    """One image or many in an array; None where it is no array."""
    if isinstance(picture, Image.Image) or not hasattr(picture, "__array__"):
        return None
    check_all_there("an image", picture)
    try:
        array = np.asarray(picture)
    except (TypeError, ValueError, RuntimeError):  # on another device, or with a gradient
        refuse(kind_of(picture), "Make an array of NumPy of it first: .detach().cpu().numpy().")
    images = with_batch(array, like.image_shape)
    if not images.size:
        refuse(f"an array of shape {array.shape}", "Give at least one picture.")
    names = tuple(f"image {number}" for number in range(len(images)))
    in_range = range_of(images, like, pixels)
    as_trained = images.shape[1:] == like.image_shape and like.has_dtype(images)
    if as_trained and in_range == like.pixels:
        return Given(names, images, ())
    size = _size(like)
    made = [_scaled(resized(levels_of(image, *in_range), size), like) for image in images]
    return Given(names, np.stack(made), ())
