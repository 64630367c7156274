"""Functions of learners that read a folder of images, and that cut a list of files into parts."""

from __future__ import annotations

import tempfile
import zlib
from collections import UserList
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from helpers.checking.functions import held_against, things_of
from helpers.checking.plain import Wrong, as_array, as_number, plain, received

# A folder of images. Each one shows four colours that follow from its name, so that it is known
# again after it was read, in whatever way it was brought to its size.

PLAIN = {"cat/1.png": "RGB", "dog/1.png": "RGB", "dog/2.png": "RGB"}
ODD = {
    "wolf/1.jpg": "RGB", "wolf/2.JPG": "L", "ant/ant 1.png": "RGB", "ant/ant 2.PNG": "L",
    "wolf/3.JPEG": "RGB", "wolf/4.jpeg": "RGB", "wolf/5.PNG": "RGB", "big dog/1.png": "RGBA",
    "big dog/2.png": "P", "wolf/6.b.png": "RGB", "wolf/7.jpg": "RGB",
}  # fmt: skip
TURNED = ("wolf/7.jpg",)  # lies on its side, as a camera held upright writes a photo
ORIENTATION, TO_THE_RIGHT = 0x0112, 6  # the note of EXIF: turn it a quarter to the right
NOT_ASKED_FOR = {
    ".ipynb_checkpoints/ant 1-checkpoint.png": "lies in a hidden folder",
    "ant/.ipynb_checkpoints/ant 1-checkpoint.png": "lies in a hidden folder",
    "wolf/.1.jpg": "is hidden",
    "overview.png": "lies in no class",
    "wolf/old/1.png": "lies in a folder of a class, and not directly in it",
}
NO_IMAGES = (
    "notes.txt", "wolf/png.txt", "wolf/1.svg", "cat/notes.txt", "wolf/Thumbs.db", ".DS_Store",
    "ant/._ant 1.png",
)  # fmt: skip
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
    exif = Image.Exif()
    if name in TURNED:
        image, exif[ORIENTATION] = image.transpose(Image.Transpose.ROTATE_90), TO_THE_RIGHT
    image.save(folder / name, exif=exif, **({"quality": 95} if image.mode in ("RGB", "L") else {}))


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
        " It lies on its side. A note in the file (EXIF) says how to turn it.": lambda colours: (
            colours[[1, 3, 0, 2]]
        ),
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


class Files(UserList):
    """A list of files that a message shows by its length. Functions get it as a list."""

    def __repr__(self) -> str:
        return f"a list of {len(self)} files"


# Splits of files. Their names say the class and the place, so nothing has to lie on the disk.


def _shuffled(files: list[Path], seed: int) -> Files:
    order = np.random.default_rng(seed).permutation(len(files))
    return Files(files[place] for place in order)


def _files_of_classes(seed: int, **counts: int) -> Files:
    files = [
        Path("photos", name, f"{number:03}.png")
        for name, count in counts.items()
        for number in range(count)
    ]
    return _shuffled(files, seed)


def _files_of_places(count: int, seed: int) -> Files:
    """Many a name of a place begins as another one does: p1, p100, p2, p200 and so on."""
    random = np.random.default_rng(seed)
    places = [number * factor for number in range(1, count) for factor in (1, 100)][:count]
    files = [
        Path("photos", ("cat", "dog")[number % 2], f"p{place}_{number}.jpg")
        for place in places
        for number in range(random.integers(2, 9))
    ]
    return _shuffled(files, seed)


SPLIT_CASES = [
    (_files_of_classes(0, cat=5, dog=10), 0),
    (_files_of_classes(1, cat=7, dog=12, bird=31), 1),
    *((_files_of_classes(2, cat=100, dog=60, bird=25), seed) for seed in (0, 1, 2)),
    (_files_of_classes(3, **{f"class {number}": 5 for number in range(40)}), 3),
]
PLACE_CASES = [(_files_of_places(count, count), seed) for count, seed in ((5, 0), (40, 1), (43, 2))]


def _as_files(part: object, name: str) -> list[Path]:
    try:
        return [Path(each) for each in part]
    except TypeError:
        raise Wrong(
            f"Expected {name} as a list of files, each as it was given. "
            f"Received: {received(plain(part))}."
        ) from None


def _parts(result: object, files: Sequence[Path], *names: str) -> list[list[Path]]:
    """The parts of a split, in which each file must be once."""
    parts = [
        _as_files(part, name) for part, name in zip(things_of(result, *names), names, strict=True)
    ]
    together = [file for part in parts for file in part]
    if unknown := set(together) - set(files):
        raise Wrong(f"{received(str(min(unknown)))} is none of the files that it was called with.")
    for one, name in zip(parts, names, strict=True):
        for other, its_name in zip(parts, names, strict=True):
            if one is not other and (twice := set(one) & set(other)):
                raise Wrong(f"{len(twice)} files are in {name} and in {its_name}.")
    if len(together) > len(set(together)):
        raise Wrong("A file is in one part twice.")
    if missing := set(files) - set(together):
        raise Wrong(f"Of {len(files)} files {len(missing)} are in no part.")
    return parts


def _judge_seed(answer: Callable, parts: list, files: Sequence[Path], seed: int) -> None:
    """The same files and the same seed give the same parts, another seed others."""
    names = ("train", "validation", "test") if len(parts) == 3 else ("train", "test")
    first = [set(part) for part in parts]

    def again(files: Sequence[Path], seed: int) -> list[set]:
        return [set(part) for part in _parts(answer(list(files), seed), files, *names)]

    if again(files, seed) != first:
        raise Wrong(
            f"Called twice with the seed {seed}, it gives two different splits. By what is the "
            "order of the files drawn?"
        )
    with mock.patch.dict(getattr(answer, "__globals__", {}), hash=lambda thing: hash((thing, 1))):
        if again(files, seed) != first:
            raise Wrong("`hash` of a text is another number each time Python starts.")
    # Several orders: that of a set may be the same twice by chance.
    orders = [files[::-1], *(_shuffled(list(files), number) for number in range(8))]
    if any(again(other, seed) != first for other in orders):
        raise Wrong(
            "The same files in another order give another split. The disk lists files in any "
            "order: put them in an order of your own first."
        )
    if all(again(files, other) == first for other in range(10, 15)):
        raise Wrong("Five other seeds give the same split. Files are to be drawn by the seed.")


def _judge_split(answer: Callable, result: object, files: Sequence[Path], seed: int) -> None:
    parts = _parts(result, files, "train", "validation", "test")
    sizes = [len(part) for part in parts]
    if sizes[2] > sum(sizes[:2]):
        raise Wrong("The largest part comes last. Expected the order train, validation, test.")
    if sizes[1] > sizes[0] + sizes[2]:
        raise Wrong("The largest part is in the middle. Expected train, validation, test.")
    for name in sorted({file.parent.name for file in files}):
        of_class = sum(file.parent.name == name for file in files)
        for part, part_name in ((parts[2], "test"), (parts[1], "validation")):
            number = sum(file.parent.name == name for file in part)
            if abs(number - of_class / 5) > 0.99 or not number:
                raise Wrong(
                    f"Of the {of_class} files of the class {name!r} {number} are in {part_name}. "
                    "A fifth of each class is asked for."
                )
    _judge_seed(answer, parts, files, seed)


def _place(file: Path) -> str:
    return file.stem.split("_")[0]


def _judge_places(answer: Callable, result: object, files: Sequence[Path], seed: int) -> None:
    train, test = _parts(result, files, "train", "test")
    places, of_test = {_place(file) for file in files}, {_place(file) for file in test}
    if both := {_place(file) for file in train} & of_test:
        seen = sum(_place(file) in both for file in test)
        raise Wrong(
            f"{seen} of {len(test)} test photos show a place that the training photos show too. "
            f"For example the place {min(both)}."
        )
    # whoever keeps places together and looks for a fifth of the photos has done it too
    far = abs(len(of_test) - len(places) / 5) > 0.99 and abs(len(test) / len(files) - 0.2) > 0.03
    if far or not of_test:
        raise Wrong(f"{len(of_test)} of {len(places)} places are in test. A fifth is asked for.")
    if len(places) > 5:  # of five places another seed may well draw the same one
        _judge_seed(answer, [train, test], files, seed)


splits_by_class = held_against(_judge_split, SPLIT_CASES)
splits_by_place = held_against(_judge_places, PLACE_CASES)
