"""Functions of learners that read a folder of images, with a class in each of its folders."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.checking.functions import held_against, things_of
from helpers.checking.plain import Wrong, as_array, as_number, plain, received

# A folder of images. Each one shows four colours that follow from its name, so that it is known
# again after it was read, in whatever way it was brought to its size.

PLAIN = {"cat/1.png": "RGB", "dog/1.png": "RGB", "dog/2.png": "RGB"}
ODD = {
    "wolf/1.jpg": "RGB",
    "wolf/2.JPG": "L",
    "ant/ant 1.png": "RGB",
    "ant/ant 2.PNG": "L",
    "wolf/3.JPEG": "RGB",
    "wolf/4.jpeg": "RGB",
    "wolf/5.PNG": "RGB",
    "big dog/1.png": "RGBA",
    "big dog/2.png": "P",
}
NOT_ASKED_FOR = {
    ".ipynb_checkpoints/ant 1-checkpoint.png": "lies in a hidden folder",
    "ant/.ipynb_checkpoints/ant 1-checkpoint.png": "lies in a hidden folder",
    "wolf/.1.jpg": "is hidden",
    "overview.png": "lies in no class",
}
NO_IMAGES = ("notes.txt", "cat/notes.txt", "wolf/Thumbs.db", ".DS_Store", "ant/._ant 1.png")
NEAR = 35  # levels: what JPEG and a change of size make of a colour; colours differ by 80 or more


def _colours(name: str) -> np.ndarray:
    """Above left, above right, below left, below right, each as red, green and blue."""
    mode = {**PLAIN, **ODD}.get(name, "RGB")
    random = np.random.default_rng(zlib.crc32(name.encode()))
    colours = random.choice([40, 120, 200], (4, 3))
    return np.repeat(colours[:, :1], 3, axis=1) if mode == "L" else colours


def _write(folder: Path, name: str, mode: str) -> None:
    side = 40 + 2 * (len(name) % 4)
    quarters = _colours(name).astype(np.uint8).reshape(2, 2, 3)
    image = Image.fromarray(quarters.repeat(20, axis=0).repeat(side // 2, axis=1))
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    image.save(folder / name, **({"quality": 95} if image.mode in ("RGB", "L") else {}))


def _make_folders(root: Path) -> tuple[Path, Path]:
    """A plain one, and one with what real folders hold."""
    for name, mode in PLAIN.items():
        _write(root / "plain", name, mode)
    for name, mode in {**ODD, **dict.fromkeys(NOT_ASKED_FOR, "RGB")}.items():
        _write(root / "odd", name, mode)
    (root / "odd" / "cat").mkdir()
    for name in NO_IMAGES:
        (root / "odd" / name).write_bytes(b"\x00\x05\x16\x07 no image")
    return root / "plain", root / "odd"


def _listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_size) for path in folder.rglob("*") if path.is_file())


def reads_a_folder(answer: object) -> None:
    """Asks for a function of (folder, height, width) that gives images, labels and counts."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        cases = [(folder, 32, 48) for folder in _make_folders(Path(made))]
        before = _listing(Path(made))
        held_against(_judge_folder, cases)(answer)
        if _listing(Path(made)) != before:
            raise Wrong("Your function changes the files of the folder. It shall only read them.")


def _judge_folder(answer: Callable, result: object, folder: Path, height: int, width: int) -> None:
    names = PLAIN if folder.name == "plain" else ODD
    classes = ["cat", "dog"] if names is PLAIN else ["ant", "big dog", "cat", "wolf"]
    images, labels, counts = things_of(result, "images", "labels", "counts")
    _judge_counts(counts, names, classes)
    found = _names_of_images(images, names, height, width)
    _judge_labels(labels, found, classes)


def _judge_counts(counts: object, names: Mapping, classes: Sequence[str]) -> None:
    if not isinstance(counts, Mapping):
        raise Wrong(
            "Expected counts as a dictionary, with the names of the classes as keys. "
            f"Received: {received(plain(counts))}."
        )
    for name in counts:
        if name not in classes:
            hidden = str(name).startswith(".")
            raise Wrong(
                f"counts has the key {received(name)}, which is "
                f"{'a hidden folder' if hidden else 'not the name of a class'}."
            )
    for name in classes:
        number = sum(file.startswith(f"{name}/") for file in names)
        if name not in counts:
            empty = " It has no image yet, and it is a class all the same." if not number else ""
            raise Wrong(f"In counts the class {name!r} is missing.{empty}")
        given = as_number(counts[name])
        if given != number:
            few = (
                "Endings may be written in capitals, and there are several." if names is ODD else ""
            )
            many = "Hidden files and files of text are no images."
            hint = few if given < number else many
            raise Wrong(f"The count of the class {name!r} is not correct: {given:.6g}. {hint}")


def _names_of_images(images: object, names: Mapping, height: int, width: int) -> list[str]:
    """From which file each image comes."""
    images = as_array(images)
    if images.shape[1:] != (height, width, 3):
        hints = {
            (width, height, 3): " Pillow takes the width first, NumPy gives the height first.",
            (3, height, width): " Channels come last here.",
            (height, width): " Where are the channels?",
            (height, width, 4): " The fourth channel of a PNG file says what is transparent.",
        }
        raise Wrong(
            f"Expected images of the shape (images, {height}, {width}, 3). "
            f"Received: {images.shape}.{hints.get(images.shape[1:], '')}"
        )
    if images.dtype != np.uint8:
        raise Wrong(
            f"Expected pixels of the type uint8, as they are in the file. Received: {images.dtype}."
        )
    # three eighths from the left and from above lie inside the quarter, even with a border round it
    rows, columns = [3 * height // 8, 5 * height // 8], [3 * width // 8, 5 * width // 8]
    shown = images[:, rows][:, :, columns].astype(int).reshape(-1, 4, 3)
    known = {name: _colours(name) for name in (*names, *NOT_ASKED_FOR)}
    found = [_named(image, known, place) for place, image in enumerate(shown)]
    for name in found:
        if name in NOT_ASKED_FOR:
            raise Wrong(f"You have read {name!r}, which {NOT_ASKED_FOR[name]}.")
        if found.count(name) > 1:
            raise Wrong(f"The image {name!r} is there {found.count(name)} times.")
    for name in names:
        if name not in found:
            raise Wrong(f"The image {name!r} is missing.")
    return found


def _named(image: np.ndarray, known: Mapping[str, np.ndarray], place: int) -> str:
    ways = {
        "": lambda colours: colours,
        " Red and blue are exchanged.": lambda colours: colours[:, ::-1],
        " Rows and columns are exchanged.": lambda colours: colours[[0, 2, 1, 3]],
        " It has lost its colours.": lambda colours: np.repeat(
            (colours @ [[299], [587], [114]]) // 1000, 3, axis=1
        ),
        " It is much darker.": lambda colours: colours // 255,
    }
    for words, way in ways.items():
        for name, colours in known.items():
            if np.abs(image - way(colours)).max() <= NEAR:
                if words:
                    raise Wrong(f"Image {place} does not look like its file {name!r}.{words}")
                return name
    raise Wrong(f"Image {place} does not look like any file of the folder.")


def _judge_labels(labels: object, found: Sequence[str], classes: Sequence[str]) -> None:
    right = np.array([classes.index(name.partition("/")[0]) for name in found])
    given = plain(labels)
    if isinstance(given, tuple) and any(isinstance(each, str) for each in given):
        raise Wrong("Expected labels as numbers. Received names of classes.")
    given = as_array(given)
    if given.shape != right.shape:
        one_hot = given.shape == (len(right), len(classes))
        hint = " One number says the class of an image." if one_hot else ""
        raise Wrong(f"Expected {len(right)} labels. Received the shape {given.shape}.{hint}")
    if (given == right).all():
        return
    if (given == right + 1).all():
        raise Wrong("The first class has the number 0, not 1.")
    if (given == np.unique(right, return_inverse=True)[1]).all():
        raise Wrong("A class without images keeps its number: the others do not move up.")
    pairs = set(zip(right.tolist(), given.tolist(), strict=True))
    if len(pairs) == len(set(right.tolist())) == len(set(given.tolist())):
        raise Wrong(
            "The images are together with their classes, but the classes are not numbered in the "
            "order of the alphabet. The disk lists them in any order."
        )
    place = int(np.argmax(given != right))
    raise Wrong(f"Image {place} comes from {found[place]!r}, and its label is {given[place]:.6g}.")
