"""See what class and part each file of a folder belongs to. Introduced in lesson 2.

The folders at the top are the classes, or parts (train, validation, test) that hold the classes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from helpers.folders.findings import (
    Finding,
    Place,
    counted,
    first_names,
    in_code,
    make_finding,
    shown_place,
)
from helpers.folders.listing import Listing, links_in_words
from helpers.photos.formats import IMAGE_ENDINGS
from helpers.photos.remarks import Remark, can_be_shown, is_text, printable

# What the parts of datasets are called, alone or beside other words.
PARTS = {
    "train": "train", "training": "train",
    "validation": "validation", "val": "validation", "valid": "validation",
    "validate": "validation", "validating": "validation", "eval": "validation",
    "evaluation": "validation", "dev": "validation", "devel": "validation",
    "development": "validation",
    "test": "test", "testing": "test", "tst": "test", "holdout": "test",
}  # fmt: skip
PART_WORD = re.compile(rf"({'|'.join(PARTS)})(?:sets?|data|images?)?")
EMPTY_WORDS = frozenset(
    ("set", "data", "dataset", "folder", "split", "image", "images", "img", "imgs", "photos")
)
CLASS_AND_NUMBER = re.compile(r"(.*[^\s._()-])[\s._(-]+\d+\)?")
# What browsers call the folder that they save with a web page.
WEB_PAGES = ("_files", "-dateien", "_fichiers", "_archivos", "_arquivos", "_bestanden")
KEPT_APART = ("validation", "test", "testing")
UNSEEN = ("Zs", "Zl", "Zp", "Cc", "Cf")  # Unicode's words for spaces, and for signs without a shape
OUTSIDE = ("outside", "It lies in no class folder.")


@dataclass(eq=False)
class Layout:
    """What class and part each listed file belongs to.

    Attributes:
        classes: for every file its class, "" for none.
        parts: for every file "train", "validation" or "test", "" where nothing says so.
        class_places, part_places: for every class and part where to look for it.
        depth: how far down the folders of the classes lie; 0 where no folder is a class.
        stray: what is said of an image without a class.
        findings: what is wrong with the names.

    Introduced in lesson 2.
    """

    classes: list[str]
    parts: list[str]
    class_places: dict[str, Place]
    part_places: dict[str, Place]
    depth: int = 0
    stray: Remark = OUTSIDE
    findings: list[Finding] = field(default_factory=list)


def see_layout(listing: Listing) -> Layout | Finding:
    """The layout of a folder, or what is wrong with it as a whole: then no file needs a look."""
    links = links_in_words(listing, ())
    if listing.labels is not None:
        labels = [listing.labels[place] for place in listing.files]
        return _by_labels(labels, {part: (part,) for _, part in labels if part})
    if not listing.folders and not listing.files:
        return make_finding((), "empty", f"There is no folder and no file in it.{links}")
    if listing.classes_in_names:
        return _by_names(listing)
    if not listing.folders:
        cause = f"It holds {counted(len(listing.files), 'file')} and no folder.{links}"
        advice = f"Sort the images into one sub-folder a class.{advice_on_names(listing)}"
        return make_finding((), "no class folders", cause, advice)
    tree = _Tree(listing)
    parts = _parts_at_the_top(tree)
    unusable = _wrong_parts(tree, parts) if parts else _no_classes(tree)
    return unusable or _by_folders(listing, parts)


def class_in_name(name: str) -> str:
    """What stands in the name of a file before the last number: "cat" in "cat.0.jpg", or ""."""
    found = CLASS_AND_NUMBER.fullmatch(PurePosixPath(name).stem)
    return found[1] if found else ""


def advice_on_names(listing: Listing) -> str:
    """What to add to an advice where most images have names like "cat.0.jpg"."""
    names = [class_in_name(place[-1]) for place in listing.files if is_named_as_image(place)]
    found = [name for name in names if name]
    if 2 * len(found) <= len(names) or len(set(found)) < 2:
        return ""
    classes = first_names(sorted(set(found)))
    return f" If the file names say the classes, {classes}, give classes_in_names=True."


def is_named_as_image(place: Place) -> bool:
    return f".{place[-1].lower().rpartition('.')[2]}" in IMAGE_ENDINGS


def _by_names(listing: Listing) -> Layout:
    """The layout where the names of the files say their classes, also inside of parts."""
    parts = {place[0]: part_named(place[0]) for place in listing.folders}
    given = any(parts.values())
    labels = []
    for place in listing.files:
        part = parts[place[0]] if len(place) > 1 else ""
        has_class = is_named_as_image(place) and (part or not given)
        labels.append((class_in_name(place[-1]) if has_class else "", part))
    return _by_labels(labels, {part: (top,) for top, part in parts.items() if part})


def _by_labels(labels: list[tuple[str, str]], part_places: dict[str, Place]) -> Layout:
    """The layout where the class and part of each file are known."""
    names = {name: class_name(name) for name, _ in labels}
    places = {(name,): name for name in names if name}
    return Layout(
        classes=[names[name] for name, _ in labels],
        parts=[part for _, part in labels],
        class_places={names[name]: place for place, name in places.items()},
        part_places=part_places,
        stray=(
            "no class in its name",
            "It does not say the class and a number, as cat.0.jpg does.",
        ),
        findings=[*find_clashes(places)],
    )


class _Tree:
    """The folders in each folder, and which of them hold files with the names of images."""

    def __init__(self, listing: Listing):
        self.listing = listing
        self.below: dict[Place, list[Place]] = defaultdict(list)
        for place in listing.folders:
            self.below[place[:-1]].append(place)
        self.with_images = {place[:-1] for place in listing.files if is_named_as_image(place)}

    def way_down(self, place: Place) -> list[Place]:
        """The folder, and those that it leads to as long as each holds one folder only."""
        way = [place]
        while len(self.below[way[-1]]) == 1:
            way += self.below[way[-1]]
        return way


def part_named(name: str) -> str:
    """The part that a name like "val" or "Test Images" means, or ""."""
    part, others = _meaning(name)
    return "" if others else part


def _meaning(name: str) -> tuple[str, frozenset[str]]:
    """Which part a name like "seg_train" or "TestSet 2" may mean, or "", and its other words."""
    spaced = re.sub("(?<=[a-z])(?=[A-Z])", " ", name).casefold()
    words = re.findall(r"[^\W\d_]+", spaced)
    known = [(word, PART_WORD.fullmatch(word)) for word in words]
    meant = [PARTS[match[1]] for _, match in known if match]
    others = frozenset(word for word, match in known if not match) - EMPTY_WORDS
    return (meant[0] if meant else ""), others


def _parts_at_the_top(tree: _Tree) -> dict[str, str]:
    """The part that each folder at the top means; of those that mean none, "".

    Nothing at all where the folders are classes. Names are those of parts where they differ in
    nothing but the part: "seg_train" and "seg_test", and not "freight train" and "crash test".
    The name of a part alone, such as "train", is one where folders in it look like the classes.
    """
    names = [place[0] for place in tree.below[()]]
    meant = {name: _meaning(name) for name in names}
    alike: dict[frozenset[str], set[str]] = defaultdict(set)
    for part, others in meant.values():
        alike[others] |= {part} - {""}
    parts = {name: part if len(alike[others]) > 1 else "" for name, (part, others) in meant.items()}
    if any(parts.values()):
        return parts
    enough = min(len(names), 2)
    holding = {place[0] for place in tree.below[()] if len(tree.below[place]) >= enough}
    parts = {name: part_named(name) if name in holding else "" for name in names}
    return parts if any(parts.values()) else {}


def _wrong_parts(tree: _Tree, parts: dict[str, str]) -> Finding | None:
    """What is wrong with parts: others beside them, or no class folders in them."""
    others = [name for name, part in parts.items() if not part]
    named = [name for name, part in parts.items() if part]
    if others:
        cause = f"It holds {first_names(named)}, and beside them {first_names(others)}."
        return make_finding((), "beside the parts", cause)
    flat = not any(tree.below[(name,)] for name in named)
    if flat or len({_meaning(name)[1] for name in named}) > 1:
        cause = f"{first_names(named)} look like parts of a dataset, not like classes."
        cause += " They hold no class folders." if flat else ""
        advice = "Make one folder of each part, and sort its images into one folder a class inside."
        advice += f"{advice_on_names(tree.listing)} If they are the classes, give them other names."
        return make_finding((), "parts or classes", cause, advice)
    if "train" not in parts.values():
        cause = f"{first_names(named)} look like parts of a dataset, and none is for training."
        advice = "Call the folder with the training images train."
        return make_finding((), "parts or classes", cause, advice)
    ends = [tree.way_down((name,))[-1] for name in named]
    if all(len(end) > 1 and tree.below[end] for end in ends):
        cause = "It is the only folder there, and its own folders look like the classes."
        return make_finding(min(ends), "one folder too many", cause, "Move them up, in every part.")
    return None


def _no_classes(tree: _Tree) -> Finding | None:
    """A finding where the folders at the top are hardly the classes."""
    tops = tree.below[()]
    if len(tops) == 1:
        return _one_folder_too_many(tree)
    ways = [tree.way_down(top) for top in tops]
    inner = [{place[-1].casefold() for place in tree.below[way[-1]]} for way in ways]
    shared, names = set.intersection(*inner), set.union(*inner)
    if (
        len(shared) < 2
        or 2 * len(shared) < len(names)
        or any(place in tree.with_images for way in ways for place in way)
    ):
        return None
    outer = first_names([top[0] for top in tops])
    classes = first_names(sorted(shared))
    cause = f"The folders {outer} hold no image, but the same folders: {classes}."
    advice = (
        f"If {classes} are the classes, load one of the outer folders alone, or name the outer "
        "ones train, validation and test. If the outer ones are, move the images up into them."
    )
    if all(map(part_named, shared)):
        advice = "Turn them round: one folder a part, and in it one folder a class."
    return make_finding((), "parts or classes", cause, advice)


def _one_folder_too_many(tree: _Tree) -> Finding | None:
    """A finding where the classes, or the parts, lie in the only folder."""
    inner = tree.way_down(())[-1]
    if not tree.below[inner] or any(len(link) <= len(inner) for link in tree.listing.links):
        return None
    if part_named(inner[-1]) == "train":  # what holds it is meant
        inner = inner[:-1]
    cause = "It is the only folder here, and its own folders look like the classes."
    path = in_code(tree.listing.root.joinpath(*inner))
    return make_finding(inner, "one folder too many", cause, f"Use it: load_dataset({path}).")


def _by_folders(listing: Listing, parts: dict[str, str]) -> Layout:
    """The layout where each folder at a certain depth is a class."""
    depth = 2 if parts else 1
    folders = [place for place in listing.folders if len(place) == depth]
    # The place of a class is that in the training images, where there are parts.
    folders.sort(key=lambda place: parts.get(place[0]) == "train")
    names = {place: class_name(place[-1]) for place in folders}
    part_places: dict[str, Place] = {}
    for top, part in sorted(parts.items(), reverse=True):
        part_places[part] = (top,)
    return Layout(
        classes=[names.get(place[:depth], "") for place in listing.files],
        parts=[parts.get(place[0], "") for place in listing.files],
        class_places={name: place for place, name in names.items()},
        part_places=part_places,
        depth=depth,
        findings=[
            *(
                make_finding((top,), "same part twice", f"{part_places[part][0]} is the same part.")
                for top, part in parts.items()
                if part_places[part] != (top,)
            ),
            *(found for place, name in names.items() for found in _odd_name(place, name)),
            *find_clashes({place: place[-1] for place in sorted(folders)}),
        ],
    )


def class_name(name: str) -> str:
    """The name of a class, to be shown. Unicode can spell the same word in several ways."""
    return printable(unicodedata.normalize("NFC", name))


def by_number(name: str) -> tuple:
    """What to sort the names of classes by: 2 comes before 10."""
    words = re.split(r"(\d+)", name)
    return [int(word) if word.isdecimal() else word for word in words], name


def _odd_name(place: Place, name: str) -> Iterator[Finding]:
    """What is odd about the name of a class folder."""
    if name.casefold().endswith(WEB_PAGES):
        cause = "Browsers give such names to what belongs to a web page. It counts as a class."
        yield make_finding(place, "saved web page", cause)
    if len(place) == 1 and name.casefold() in KEPT_APART:
        cause = "Datasets give such names to images that are kept apart. It counts as a class."
        yield make_finding(place, "name of a part", cause)
    if not is_text(place[-1]):
        yield make_finding(place, "unreadable name", "Its name is not text on this system.")
    elif not can_be_shown(place[-1]):
        cause = "Its name has a line break in it, or another sign that cannot be shown in a line."
        yield make_finding(place, "unreadable name", cause)


def find_clashes(names: dict[Place, str]) -> Iterator[Finding]:
    """A finding for every class whose name is, or looks, nearly like another one."""
    spelled: dict[str, Place] = {}
    seen: dict[str, str] = {}
    for place, name in names.items():
        twin = spelled.setdefault(class_name(name), place)
        if names[twin] != name:
            cause = f"The letters of its name are stored otherwise than in {shown_place(twin)}."
            yield make_finding(place, "two spellings", cause)
        clash = seen.setdefault(_as_seen(name), class_name(name))
        if clash != class_name(name):
            cause = f"Its name differs from {clash!r} by capitals, or by what cannot be seen."
            yield make_finding(place, "same class twice", cause)


def _as_seen(name: str) -> str:
    """The name without spaces and signs that cannot be seen, in small letters."""
    letters = unicodedata.normalize("NFC", name.casefold())
    return "".join(one for one in letters if unicodedata.category(one) not in UNSEEN)


def find_links(listing: Listing, layout: Layout | None) -> Iterator[Finding]:
    """A finding for every link. In the place of a class or part, it is taken for that."""
    for place, leads_to_file in listing.links.items():
        depth = layout.depth if layout else 0
        in_its_place = part_named(place[0]) if len(place) < depth else len(place) == depth
        if in_its_place and not leads_to_file:
            cause = "It is a link in the place of a folder, and links are not followed."
            yield make_finding(place, "linked folder", cause)
        else:
            yield make_finding(place, "link", "It is a link to another place.")
