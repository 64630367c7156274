"""Cut images into training, validation and test images, the same share of every class. Lesson 2.

    rest, aside = split_by_class(labels, 2_000, seed=0, class_names=class_names)

Labels go in and indices come out: where the images lie, in an array or in a folder, is no
matter to `split_by_class`. So every validation and test split of the course, of whatever source,
is cut off in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers.basics.arguments import is_whole
from helpers.basics.errors import FolderError, UsageError
from helpers.folders.compare import joined_by
from helpers.folders.examine import Seen
from helpers.folders.findings import Finding, counted, make_finding
from helpers.folders.images import PARTS, ImageFiles
from helpers.folders.layout import links_in_words, places_of_classes
from helpers.folders.listing import Listing

SHARE = 0.2  # of the images for the test, then of the rest for validation, where none is given


def check_number_of_images(validation_images: object) -> None:
    """Refuse what is neither None nor a whole number.

    Raises:
        UsageError: it is a share, a text or anything else.

    Introduced in lesson 2.
    """
    if validation_images is not None and not is_whole(validation_images):
        raise UsageError(
            "Expected validation_images as a number of images, a whole one and no share. "
            f"Received: {validation_images!r}. Give for example 2_000."
        )


def check_split(set_aside: int, images: int, classes: int) -> None:
    """Refuse to cut off a number of images that leaves a class without any.

    Raises:
        UsageError: one of the two sides has fewer images than there are classes.

    Introduced in lesson 2.
    """
    if not classes <= set_aside <= images - classes:
        raise UsageError(
            f"Expected a split that leaves every one of the {classes} classes an image "
            f"on both sides. Received: {set_aside} of {images} images to set aside. "
            "Add images, or set aside another number."
        )


def split_by_class(
    labels: Sequence[int],
    set_aside: int,
    seed: int,
    class_names: Sequence[str],
    twins: Sequence[int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut images off, the same share of every class, and never a copy from its twin.

    Args:
        labels: int, (images,), indices into class_names.
        set_aside: how many images to cut off; with copies among them, about as many.
        seed: decides which.
        class_names: the classes.
        twins: int, (images,), the same number for what must stay on one side: copies, and
            nearly the same pictures, of one class. Default: every image is by itself.

    Returns:
        The indices of the images that stay and of those cut off, both in order.

    Raises:
        FolderError: a class has too few images to be on both sides.

    Introduced in lesson 2.
    """
    from sklearn.model_selection import train_test_split

    labels = np.asarray(labels)
    twins = np.arange(len(labels)) if twins is None else twins
    # One image of every group of copies decides for all of them.
    _, first, group = np.unique(twins, return_index=True, return_inverse=True)
    ones = labels[first]
    counts = np.bincount(ones, minlength=len(class_names))
    number = round(set_aside * len(ones) / len(labels))
    cut_off = np.zeros(len(ones), bool)
    if counts.min() >= 2 and len(counts) <= number <= len(ones) - len(counts):
        _, aside = train_test_split(
            np.arange(len(ones)), test_size=number, random_state=seed, stratify=ones
        )
        cut_off[aside] = True
        # A group larger than what is cut off its class would fill it: it stays, if others go.
        sizes, share = np.bincount(group), set_aside / len(labels)
        large = sizes > share * np.bincount(labels)[ones]
        others = np.bincount(ones[cut_off & ~large], minlength=len(counts))
        cut_off &= ~(large & (others > 0)[ones])
    # A share of a small class may also round to no image at all.
    sides = [np.bincount(ones[side], minlength=len(counts)) for side in (cut_off, ~cut_off)]
    if np.min(sides) < 1:
        smallest = int(counts.argmin())
        raise FolderError(
            "Expected enough images in every class that each split gets one. Received: "
            f"{counts[smallest]} different in {class_names[smallest]!r}. Add images to it, "
            "or leave the class out."
        )
    # In the original order: shuffling is the training's business.
    return np.flatnonzero(~cut_off[group]), np.flatnonzero(cut_off[group])


def try_cut(
    listing: Listing,
    seen: Seen,
    usable: np.ndarray,
    first: np.ndarray,
    near: tuple[np.ndarray, np.ndarray],
    validation_images: int | None,
) -> tuple[tuple[str, ...], ImageFiles, list[Finding]]:
    """The classes, the images with what must stay together, and the classes that are too small.

    Exact copies stay together, and so do pictures of one class that are nearly the same. Where
    these leave too few of a class, only its exact copies do: nobody can tell for sure that they
    are the same.
    """
    folders, depth = listing.folders, seen.depth
    same_class = seen.classes[near[0]] == seen.classes[near[1]]
    pairs = (
        np.concatenate([near[0][same_class], np.arange(len(first))]),
        np.concatenate([near[1][same_class], first]),
    )
    together = joined_by(pairs, len(first))
    class_names, images = _labelled(listing.root, seen, usable, together)
    findings: list[Finding] = []
    if alike := _too_few(images, class_names, validation_images):
        apart = [seen.class_names.index(name) for name in alike]
        together = np.where(np.isin(seen.classes, apart), first, together)
        class_names, images = _labelled(listing.root, seen, usable, together)
    too_few = _too_few(images, class_names, validation_images)
    places = places_of_classes(folders, depth)
    for name, (count, needed) in too_few.items():
        cause = (
            f"It has {counted(count, 'different image')}, too few to give some to training, "
            f"validation and test each. {needed} are enough."
        )
        links = links_in_words(listing, places[name])
        findings.append(make_finding(places[name], "too few images", f"{cause}{links}"))
    for name in alike.keys() - too_few.keys():
        cause = f"It has {counted(alike[name][0], 'clearly different picture')}, too few to cut."
        findings.append(make_finding(places[name], "all alike", cause))
    return class_names, images, findings


def _labelled(
    root: Path, seen: Seen, usable: np.ndarray, first: np.ndarray
) -> tuple[tuple[str, ...], ImageFiles]:
    """The classes and the images, in the order in which a dataset has them."""
    usable = usable[np.argsort(seen.classes[usable], kind="stable")]  # by class, then by path
    used, labels = np.unique(seen.classes[usable], return_inverse=True)
    _, at, group = np.unique(first[usable], return_index=True, return_inverse=True)
    images = ImageFiles(
        root,
        seen.files,
        which=usable,
        labels=labels,
        parts=seen.parts[usable],
        twins=np.argsort(np.argsort(at))[group],  # numbered as they come
    )
    return tuple(seen.class_names[number] for number in used), images


def _too_few(
    images: ImageFiles, class_names: Sequence[str], validation_images: int | None
) -> dict[str, tuple[int, int]]:
    """The classes too small to be in every split: how many different images, how many needed."""
    train = images.take(images.parts <= PARTS.index("train"))
    _, different = np.unique(train.twins, return_index=True)
    counts = np.bincount(train.labels[different], minlength=len(class_names)).tolist()
    if len(class_names) < 2 or 0 in counts:
        return {}  # found already
    try:
        cut_parts(images, class_names, validation_images=validation_images)
    except FolderError:
        given = {PARTS[part] for part in np.unique(images.parts)}
        shares = [] if "test" in given else [SHARE]
        if "validation" not in given and validation_images != 0:
            shares.append(validation_images / len(train) if validation_images else SHARE)
        needed = max(_images_needed(shares), min(counts) + 1)
        small = zip(class_names, counts, strict=True)
        return {name: (count, needed) for name, count in small if count < needed}
    return {}


def _images_needed(shares: Sequence[float]) -> int:
    """How many images of a class are enough to cut these shares off, one after the other."""
    needed = 1
    for share in reversed(shares):
        # At least one is cut off, and enough stay for the next cut.
        needed = max(math.ceil(1 / share), math.ceil(needed / (1 - share)))
    return needed


def cut_parts(
    images: ImageFiles,
    class_names: Sequence[str],
    *,
    validation_images: int | None = None,
    seed: int = 0,
) -> dict[str, ImageFiles]:
    """Sort a folder's images into training, validation and test images.

    A part that the folder gives stays as it is. What is lacking is cut off the training
    images, the same share of every class; what is the same or nearly so stays together.

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
    train, validation, test = (
        images.take(np.isin(images.parts, [PARTS.index(name) for name in names]))
        for names in (("", "train"), ("validation",), ("test",))
    )
    parts = {"train": train, "validation": validation, "test": test}
    shares = {"test": round(len(train) * SHARE)} if not test else {}
    if not validation and validation_images != 0:
        left = len(train) - shares.get("test", 0)
        if validation_images is not None:
            check_split(validation_images, left, len(class_names))
        shares["validation"] = validation_images or round(left * SHARE)
    for part, count in shares.items():
        train = parts["train"]
        rest, aside = split_by_class(train.labels, count, seed, class_names, twins=train.twins)
        parts |= {"train": train.take(rest), part: train.take(aside)}
    return parts
