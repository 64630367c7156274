"""See how a folder is laid out: classes, or parts that each hold the classes. Lesson 2."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from helpers.folders.findings import Finding, Place, counted, in_code, make_finding, shown_place
from helpers.folders.images import PARTS, ImageFiles, Places
from helpers.folders.listing import Listing
from helpers.photos.formats import READABLE_ENDINGS
from helpers.photos.remarks import printable

# A folder may be cut into parts already. These names say so, in capitals too.
PART_OF_FOLDER = {
    "train": "train", "training": "train", "validation": "validation", "val": "validation",
    "valid": "validation", "test": "test", "testing": "test",
}  # fmt: skip
# What else parts are called in datasets that people unpack, alone or beside other words.
PART_WORDS = PART_OF_FOLDER | {
    "validate": "validation", "eval": "validation", "evaluation": "validation",
    "dev": "validation", "development": "validation", "holdout": "test", "fold": "fold",
}  # fmt: skip
PART_WORD = re.compile(rf"({'|'.join(PART_WORDS)})(sets?|data|images)?")
SAYS_NOTHING = frozenset(("set", "data", "dataset", "image", "images", "img", "imgs", "photos"))
YEAR = re.compile(r"(19|20)\d\d([-_.]?\d\d)*")
MOST_NAMES = 5  # in one sentence
# What browsers call the folder that they save with a web page.
WEB_PAGES = ("_files", "-dateien", "_fichiers", "_archivos", "_arquivos", "_bestanden")
UNSEEN = ("Zs", "Zl", "Zp", "Cc", "Cf")  # Unicode's words for spaces, and for signs without a shape


def has_parts(folders: list[Place]) -> bool:
    """Whether the folders are train, validation and test, rather than classes of that name."""
    top = {place[0] for place in folders}
    return all(map(_is_part, top)) and any(
        len(place) == 2 and part_of(place[0]) == "train" for place in folders
    )


def _is_part(name: str) -> bool:
    return name.casefold() in PART_OF_FOLDER


def first_names(names: Sequence[str]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return printable(", ".join(names[:MOST_NAMES])) + more


def part_of(name: str) -> str:
    return PART_OF_FOLDER[name.casefold()]


def check_layout(root: Path, listing: Listing) -> Finding | None:
    """What is wrong with the folder as a whole, so that its files need no look."""
    links = links_in_words(listing, ())
    if not listing.folders and not listing.files:
        return make_finding((), "empty", f"There is no folder and no file in it.{links}")
    if not listing.folders:
        cause = f"It holds {counted(len(listing.files), 'file')} and no folder.{links}"
        return make_finding((), "no class folders", cause)
    below = folders_below(listing.folders, 1)
    if has_parts(listing.folders):
        return _deeper_parts(listing.folders, below)
    if unclear := _parts_or_classes(listing, below):
        return unclear
    inner = _inner_folder(listing.folders)
    if not inner or any(len(place) <= len(inner) for place in listing.links):
        return None
    cause = "It is the only folder here, and its own folders look like the classes."
    path = in_code(root.joinpath(*inner))
    return make_finding(inner, "one folder too many", cause, f"Use it: load_dataset({path}).")


def folders_below(folders: list[Place], depth: int) -> dict[str, set[str]]:
    """For each folder at the top the names of the folders so far down in it."""
    below: dict[str, set[str]] = {place[0]: set() for place in folders}
    for place in folders:
        below[place[0]] |= set(place[depth : depth + 1])
    return below


def _deeper_parts(folders: list[Place], below: dict[str, set[str]]) -> Finding | None:
    """A finding where every part has one folder only, and that holds the classes."""
    inner = Counter(place[:2] for place in folders if len(place) == 3)
    if len(inner) < len(below) or set(map(len, below.values())) != {1} or min(inner.values()) < 2:
        return None
    cause = "It is the only folder there, and its own folders look like the classes."
    advice = "Move them up, in every part."
    return make_finding(min(inner), "one folder too many", cause, advice)


def _parts_or_classes(listing: Listing, below: dict[str, set[str]]) -> Finding | None:
    """A finding where the folders are hardly the classes, but parts or groups of images."""
    if _like_parts(below):
        return make_finding((), "parts or classes", *_renamed_parts(below))
    parts = [name for name in below if _part_meant(name)[0]]
    holds_classes = any(
        _is_part(name) and len(below[name]) > 1 and not _image_names(listing.files, (name,))
        for name in parts
    )
    others = sorted(below.keys() - set(parts))
    if others and (holds_classes or _like_parts(parts)):
        cause = f"It holds {first_names(sorted(parts))}, and beside them {first_names(others)}."
        return make_finding((), "beside the parts", cause)
    depth = 1
    while all(len(names) == 1 for names in below.values()):  # such as images in each of them
        depth += 1
        below = folders_below(listing.folders, depth)
    inner = [{name.casefold() for name in names} for names in below.values()]
    shared, names = set.intersection(*inner), set.union(*inner)
    if (
        len(below) < 2
        or len(shared) < 2
        or 2 * len(shared) < len(names)
        or all(map(YEAR.fullmatch, names))  # so they are albums of one class each
        or any(
            _image_names(listing.files, place) for place in listing.folders if len(place) <= depth
        )
    ):
        return None
    outer, inner = first_names(sorted(below)), first_names(sorted(shared))
    cause = f"The folders {outer} hold no image, but the same folders: {inner}."
    advice = (
        f"If {inner} are the classes, load one of the outer folders alone, or name the outer ones "
        "train, validation and test. If the outer ones are, move the images up into them."
    )
    if all(map(_is_part, shared)):
        advice = "Turn them round: one folder a part, and in it one folder a class."
    return make_finding((), "parts or classes", cause, advice)


def _part_meant(name: str) -> tuple[str, frozenset[str]]:
    """Which part a name like "seg_train" or "TestSet 2" may mean, or "", and its other words."""
    spaced = re.sub("(?<=[a-z])(?=[A-Z])", " ", name).casefold()
    words = re.findall(r"[^\W\d_]+", spaced.replace("hold-out", "holdout"))
    known = [(word, PART_WORD.fullmatch(word)) for word in words]
    meant = [PART_WORDS[match[1]] for _, match in known if match]
    others = frozenset(word for word, match in known if not match) - SAYS_NOTHING
    return (meant[0] if meant else ""), others


def _like_parts(names: Iterable[str]) -> bool:
    """Whether all these names are those of parts, of two different ones at least.

    "freight train" and "crash test" are classes: their other words differ.
    """
    names = list(names)
    meant = [_part_meant(name) for name in names]
    parts = {part for part, _ in meant}
    others: dict[str, set[frozenset[str]]] = {}
    for part, words in meant:
        others.setdefault(part, set()).add(words)
    alike = len(set(map(frozenset, others.values()))) == 1
    several = len(parts) > 1 or (parts == {"fold"} and len(names) > 1)
    return several and "" not in parts and (alike or any(map(_is_part, names)))


def _renamed_parts(below: dict[str, set[str]]) -> tuple[str, str]:
    """The cause and the advice for parts whose names are not known, or without class folders."""
    meant = {name: _part_meant(name)[0] for name in sorted(below)}
    names = sorted(below, key=lambda name: [*PART_WORDS.values()].index(meant[name]))
    unknown = {name: meant[name] for name in names if not _is_part(name)}
    taken = {meant[name] for name in names if _is_part(name)}
    renamed: dict[str, str] = {}
    for name, part in unknown.items():
        if part not in taken:
            renamed.setdefault(part, name)
    others = [name for name in unknown if name not in renamed.values()]
    flat = [name for name in names if not below[name]]
    steps = []
    if renamed:
        steps.append(
            f"Rename {first_names([f'{name} to {part}' for part, name in renamed.items()])}."
        )
    if others:
        steps.append(
            f"Move {first_names(others)} elsewhere, or the images into the part they belong to."
        )
    if "train" not in meant.values():
        steps.append("Call the folder with the training images train.")
    if "fold" in meant.values():
        steps = ["Put the images of all folds into one folder a class."]
    elif flat:
        steps.append(f"Sort the images of {first_names(flat)} into one folder a class inside it.")
    cause = f"{first_names(names)} look like parts of a dataset, not like classes."
    if len(flat) == len(names):
        cause += " They hold no class folders."
    return cause, " ".join([*steps, "If they are the classes, give them other names."])


def _image_names(files: Places, folder: Place) -> list[str]:
    """The names of the files directly in a folder that are those of images."""
    numbers = [number for number, place in enumerate(files.folders) if place == folder]
    which = np.flatnonzero(np.isin(np.asarray(files.folder_of), numbers)).tolist()
    names = [files[index][-1] for index in which]
    return [name for name in names if Path(name).suffix.lower() in READABLE_ENDINGS]


def _inner_folder(folders: list[Place]) -> Place:
    """The folder with the classes, where each one above it holds no other; else ()."""
    inner: Place = ()
    while True:
        below = [place[len(inner) :] for place in folders if len(place) > len(inner)]
        top = {place[0] for place in below}
        if has_parts(below) or len(top) > 1:
            return inner
        if not top:  # no classes anywhere
            return ()
        inner = (*inner, *top)


def class_of(place: Place, depth: int) -> str:
    """The class that a path belongs to. Unicode can spell the same word in several ways."""
    return printable(unicodedata.normalize("NFC", place[depth - 1]))


def by_number(name: str) -> tuple:
    """What to sort the names of classes by: 2 comes before 10."""
    words = re.split(r"(\d+)", name)
    return [int(word) if word.isdecimal() else word for word in words], name


def _class_folders(folders: list[Place], depth: int) -> list[Place]:
    return [place for place in folders if len(place) == depth]


def places_of_classes(folders: list[Place], depth: int) -> dict[str, Place]:
    """The folder of every class, where there are parts that in the training images."""
    places = sorted(
        _class_folders(folders, depth),
        key=lambda place: depth == 2 and part_of(place[0]) == "train",
    )
    return {class_of(place, depth): place for place in places}


def find_links(listing: Listing, depth: int) -> Iterator[Finding]:
    """A finding for every link. In the place of a class or part, it is taken for that."""
    for place, leads_to_file in listing.links.items():
        in_its_place = len(place) == depth or (len(place) < depth and _is_part(place[0]))
        if in_its_place and not leads_to_file:
            cause = "It is a link in the place of a folder, and links are not followed."
            yield make_finding(place, "linked folder", cause)
        else:
            yield make_finding(place, "link", "It is a link to another place.")


def links_in_words(listing: Listing, folder: Place) -> str:
    """What to add to a cause where there are links below a folder."""
    count = sum(place[: len(folder)] == folder for place in listing.links)
    if not count:
        return ""
    return (
        f" It holds {counted(count, 'link')}, not followed: put what they lead to in their place."
    )


def _part_folders(folders: list[Place], depth: int) -> list[str]:
    """The names of the folders that are parts; none where the class folders lie at the top."""
    return sorted({place[0] for place in folders}) if depth == 2 else []


def find_odd_names(folders: list[Place], depth: int) -> Iterator[Finding]:
    """What is wrong with the names of the folders: they clash, or cannot be read."""
    part_folders: dict[str, str] = {}
    for top in _part_folders(folders, depth):
        other = part_folders.setdefault(part_of(top), top)
        if other != top:
            yield make_finding(
                (top,), "same part twice", f"{other} is here too, and means the same."
            )
    spelled: dict[str, Place] = {}
    classes: dict[str, str] = {}
    for place in _class_folders(folders, depth):
        name = class_of(place, depth)
        if name.casefold().endswith(WEB_PAGES):
            cause = "Browsers give such names to what belongs to a web page. It counts as a class."
            yield make_finding(place, "saved web page", cause)
        if depth == 1 and name.casefold() in ("validation", "test", "testing"):
            cause = "Datasets give such names to images that are kept apart. It counts as a class."
            yield make_finding(place, "name of a part", cause)
        if not is_text(place[-1]):
            yield make_finding(place, "unreadable name", "Its name is not text on this system.")
        twin = spelled.setdefault(name, place)
        if twin[-1] != place[-1]:
            cause = (
                f"The letters of its name are stored in another way than in {shown_place(twin)}."
            )
            yield make_finding(place, "two spellings", cause)
        clash = classes.setdefault(_as_seen(place[-1]), name)
        if clash != name:
            cause = (
                f"Its name differs from {clash!r} by capital letters, or by what cannot be seen."
            )
            yield make_finding(place, "same class twice", cause)


def _as_seen(name: str) -> str:
    """The name without spaces and signs that cannot be seen, in small letters."""
    letters = unicodedata.normalize("NFC", name.casefold())
    return "".join(one for one in letters if unicodedata.category(one) not in UNSEEN)


def is_text(name: str) -> bool:
    """Whether a name is proper Unicode; Linux allows any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def find_missing_classes(
    listing: Listing, class_names: Sequence[str], images: ImageFiles, depth: int
) -> Iterator[Finding]:
    """Classes without images, everywhere or in one of the given parts."""
    found = set(class_names)
    places = places_of_classes(listing.folders, depth)
    for name in sorted(places.keys() - found):
        links = links_in_words(listing, places[name])
        cause = f"It has no image that can be used.{links}"
        yield make_finding(places[name], "class without images", cause)
    if len(found) < 2:
        cause = f"It has images that can be used of {counted(len(found), 'class')}; 2 are needed."
        yield make_finding((), "one class", cause + links_in_words(listing, ()))
    for top in _part_folders(listing.folders, depth):
        labels = images.labels[images.parts == PARTS.index(part_of(top))]
        missing = found - {class_names[label] for label in np.unique(labels)}
        if missing and missing == found:
            yield _empty_part(top, links_in_words(listing, (top,)))
        elif missing:
            cause = f"It has no image of {first_names(sorted(missing))}, and another part has."
            yield make_finding((top,), "different classes", cause)


def _empty_part(top: str, links: str) -> Finding:
    """A finding on a part without images. All but the training images can be cut off these."""
    part = part_of(top)
    kind = "different classes" if part == "train" else "part without classes"
    advice = "Sort its images into one folder a class, or move it elsewhere."
    if part != "train":
        advice += f" Without it, the {part} images are cut off the training images."
    cause = f"It has no image that can be used in the folder of a class.{links}"
    return make_finding((top,), kind, cause, advice)
