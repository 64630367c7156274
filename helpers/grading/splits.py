"""Functions of learners that cut a list of files into parts."""

from __future__ import annotations

from collections import UserList
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from helpers.checking.functions import held_against, things_of
from helpers.checking.plain import Wrong, plain, received


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
    if again(files[::-1], seed) != first:
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
            if abs(number - of_class / 5) > 1 or not number:
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
    far = abs(len(of_test) - len(places) / 5) > 1 and abs(len(test) / len(files) - 0.2) > 0.03
    if far or not of_test:
        raise Wrong(f"{len(of_test)} of {len(places)} places are in test. A fifth is asked for.")
    if len(places) > 5:  # of five places another seed may well draw the same one
        _judge_seed(answer, [train, test], files, seed)


splits_by_class = held_against(_judge_split, SPLIT_CASES)
splits_by_place = held_against(_judge_places, PLACE_CASES)
