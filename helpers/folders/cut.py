"""Cut images into training, validation and test images, the same share of every class. Lesson 2.

    rest, aside = split_by_class(labels, 2_000, seed=0, class_names=class_names)

Labels go in and indices come out: where the images lie, in an array or in a folder, is no
matter to `split_by_class`. So every validation and test split of the course, of whatever source,
is cut off in the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from helpers.basics.arguments import is_whole
from helpers.basics.errors import FolderError, UsageError
from helpers.folders.compare import first_of_same, joined_by
from helpers.folders.examine import SeenImage
from helpers.folders.findings import Finding, ImageFile, counted, first_names, make_finding
from helpers.folders.layout import Layout, advice_on_names, by_number
from helpers.folders.listing import Listing, links_in_words

VERY_UNEQUAL = 10  # times as many images: then the share of right answers says little
TRAINING = ("", "train")  # the parts that others are cut off
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
    classes = len(class_names)
    counts = np.bincount(ones, minlength=classes)
    if counts.min() < 2:
        smallest = int(counts.argmin())
        raise FolderError(
            "Expected at least 2 different images in every class, one for each split. Received: "
            f"{counts[smallest]} in {class_names[smallest]!r}. Add images to it, "
            "or leave the class out."
        )
    number = round(set_aside * len(ones) / len(labels))
    number = min(max(number, classes), len(ones) - classes)
    _, aside = train_test_split(
        np.arange(len(ones)), test_size=number, random_state=seed, stratify=ones
    )
    cut_off = np.zeros(len(ones), bool)
    cut_off[aside] = True
    # A group larger than what is cut off its class would fill it: it stays, if others go.
    sizes, share = np.bincount(group), set_aside / len(labels)
    large = sizes > share * np.bincount(labels)[ones]
    others = np.bincount(ones[cut_off & ~large], minlength=classes)
    cut_off &= ~(large & (others > 0)[ones])
    # A share of a small class may round to no image, or to all: then one of it goes over.
    random = np.random.default_rng(seed)
    for side in (True, False):
        for label in set(range(classes)) - {*ones[cut_off == side]}:
            cut_off[random.choice(np.flatnonzero(ones == label))] = side
    # In the original order: shuffling is the training's business.
    return np.flatnonzero(~cut_off[group]), np.flatnonzero(cut_off[group])


def try_cut(
    listing: Listing,
    layout: Layout,
    images: Sequence[SeenImage],
    near: np.ndarray,
    validation_images: int | None,
) -> tuple[tuple[str, ...], list[ImageFile], list[Finding]]:
    """The classes, the images with what must stay together, and the classes that are too small.

    Exact copies stay together, and so do pictures of one class that are nearly the same. Where
    these leave too few of a class, only its exact copies do: nobody can tell for sure that they
    are the same.
    """
    class_names = tuple(sorted({image.class_name for image in images}, key=by_number))
    label_of = {name: label for label, name in enumerate(class_names)}
    labels = np.array([label_of[image.class_name] for image in images], int)
    first = first_of_same(images)
    same_class = near[:, labels[near[0]] == labels[near[1]]]
    together = joined_by(np.hstack([same_class, [range(len(images)), first]]), len(images))
    trains = np.array([image.part in TRAINING for image in images], bool)
    findings: list[Finding] = []
    needed = 0
    if len({*labels[trains]}) == len(class_names) > 1:  # or it is found elsewhere
        needed = len(_numbers_to_cut(images, len(class_names), validation_images)) + 1
    for label, name in enumerate(class_names):
        of_class = labels == label
        alike = len(np.unique(together[of_class & trains]))
        if alike >= needed:
            continue
        together[of_class] = first[of_class]
        different = len(np.unique(together[of_class & trains]))
        place = layout.class_places[name]
        if different < needed:
            links = links_in_words(listing, place)
            cause = (
                f"It has {counted(different, 'different image')}, and each split needs one: "
                f"{needed} are enough.{links}"
            )
            findings.append(make_finding(place, "too few images", cause))
        else:
            cause = f"It has {counted(alike, 'clearly different picture')}, too few to cut."
            findings.append(make_finding(place, "all alike", cause))
    order = np.argsort(labels, kind="stable")  # by class, then by path
    _, first, group = np.unique(together[order], return_index=True, return_inverse=True)
    twins = np.searchsorted(np.sort(first), first)[group]  # numbered as they come
    files = []
    for one, twin in zip(order.tolist(), twins.tolist(), strict=True):
        image = images[one]
        label = int(labels[one])
        files.append(ImageFile(listing.root, image.place, label, image.part, twin, image.row))
    return class_names, files, findings


def find_missing_classes(
    listing: Listing, layout: Layout, class_names: Sequence[str], images: Sequence[ImageFile]
) -> Iterator[Finding]:
    """Classes without images, everywhere or in one of the given parts."""
    for name, place in sorted(layout.class_places.items()):
        if name not in class_names:
            cause = f"It has no image that can be used.{links_in_words(listing, place)}"
            yield make_finding(place, "class without images", cause)
    if len(class_names) < 2:
        classes = counted(len(class_names), "class")
        links = links_in_words(listing, ())
        cause = f"It has images that can be used of {classes}; 2 are needed.{links}"
        advice = f"Add images of a second class.{advice_on_names(listing) if layout.depth else ''}"
        yield make_finding((), "one class", cause, advice)
    for part, place in layout.part_places.items():
        found = {class_names[image.label] for image in images if image.part == part}
        missing = [name for name in class_names if name not in found]
        if missing and not found:
            kind = "different classes" if part == "train" else "part without classes"
            cause = "It has no image of a class that can be used."
            yield make_finding(place, kind, cause + links_in_words(listing, place))
        elif missing:
            cause = f"It has no image of {first_names(sorted(missing))}, and another part has."
            yield make_finding(place, "different classes", cause)


def find_unequal_classes(
    class_names: Sequence[str], images: Sequence[ImageFile]
) -> Iterator[Finding]:
    """A note where a class has very many more training images than another."""
    counts = Counter(image.label for image in images if image.part in TRAINING)
    if not counts:
        return
    (most, large), *_, (fewest, small) = counts.most_common() * 2
    if large >= VERY_UNEQUAL * small:
        cause = (
            f"{class_names[most]} has {counted(large, 'image')} to train with, and "
            f"{class_names[fewest]} has {small:,}."
        )
        yield make_finding((), "unequal classes", cause)


def _numbers_to_cut(
    images: Iterable[ImageFile | SeenImage], classes: int, validation_images: int | None
) -> dict[str, int]:
    """How many training images become those of each part that the folder does not give."""
    given = Counter(image.part for image in images)
    left = sum(given[part] for part in TRAINING)
    numbers = {}
    if not given["test"]:
        numbers["test"] = round(left * SHARE)
        left -= numbers["test"]
    if not given["validation"] and validation_images != 0:
        if validation_images is not None:
            check_split(validation_images, left, classes)
        numbers["validation"] = validation_images or round(left * SHARE)
    return numbers


def cut_parts(
    images: Sequence[ImageFile],
    class_names: Sequence[str],
    *,
    validation_images: int | None = None,
    seed: int = 0,
) -> dict[str, list[ImageFile]]:
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
    parts: dict[str, list[ImageFile]] = {"train": [], "validation": [], "test": []}
    for image in images:
        parts[image.part or "train"].append(image)
    for part, number in _numbers_to_cut(images, len(class_names), validation_images).items():
        train = parts["train"]
        labels, twins = ([getattr(one, name) for one in train] for name in ("label", "twin"))
        rest, aside = split_by_class(labels, number, seed, class_names, twins)
        parts |= {"train": [train[one] for one in rest], part: [train[one] for one in aside]}
    return parts
