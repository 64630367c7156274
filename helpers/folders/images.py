"""The image files of a folder, many in little memory. Introduced in lesson 2.

A folder may hold a million images. So their names are kept as bytes in one piece (`Places`)
and the rest as columns of numbers; an `ImageFile` is made when somebody asks for it.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.folders.findings import Place, counted
from helpers.photos.remarks import printable

PARTS = ("", "train", "validation", "test")  # "": the folder gives no parts


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image that can be used.

    Attributes:
        path: where it is.
        label: int, an index into the report's class_names.
        part: "train", "validation" or "test" where the folder says so, else "".
        twin: int, the same number for all files that must stay in one split: those with the
            same picture, and those of a class with nearly the same one.

    Introduced in lesson 2.
    """

    path: Path
    label: int
    part: str
    twin: int


class Places(Sequence[Place]):
    """Where many files are, below one folder: some ten bytes a file, and its name.

    Attributes:
        folders: the folders that they lie in.
        folder_of: for every file the index of its folder, as 32-bit integers.

    Introduced in lesson 2.
    """

    def __init__(
        self,
        folders: Iterable[Place] = (),
        folder_of: bytes = b"",
        ends: bytes = b"",
        names: bytes = b"",
    ):
        self.folders = list(folders)
        self.folder_of = array("i", folder_of)
        self.ends = array("q", ends)  # of every name, in the names one behind the other
        self.names = bytearray(names)

    def add(self, place: Place, name: str) -> None:
        """Add a file. It costs least when those of one folder come one behind the other."""
        if not self.folders or self.folders[-1] != place:
            self.folders.append(place)
        self.folder_of.append(len(self.folders) - 1)
        self.names += os.fsencode(name)
        self.ends.append(len(self.names))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int | slice) -> Place | list[Place]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        start = self.ends[index - 1] if index else 0
        name = os.fsdecode(bytes(self.names[start : self.ends[index]]))
        return (*self.folders[self.folder_of[index]], name)


class ImageFiles(Sequence[ImageFile]):
    """Images that can be used: a sequence of `ImageFile`, each made when it is asked for.

    Attributes:
        root: the folder that they lie below.
        places: where the files of that folder are.
        which: int32, (images,), the index of each image in places.
        labels: int32, (images,), indices into the report's class_names.
        parts: int8, (images,), indices into `PARTS`.
        twins: int32, (images,), the same number for what must stay in one split.

    Introduced in lesson 2.
    """

    COLUMNS = {"which": np.int32, "labels": np.int32, "parts": np.int8, "twins": np.int32}

    def __init__(self, root: Path, places: Places, **columns: Sequence[int]):
        self.root = root
        self.places = places
        for name, kind in self.COLUMNS.items():
            setattr(self, name, np.asarray(columns[name], kind))

    def take(self, indices: Sequence[int]) -> ImageFiles:
        """Some of the images, in this order."""
        columns = {name: getattr(self, name)[indices] for name in self.COLUMNS}
        return ImageFiles(self.root, self.places, **columns)

    def __len__(self) -> int:
        return len(self.which)

    def __getitem__(self, index: int | slice) -> ImageFile | ImageFiles:
        if isinstance(index, slice):
            return self.take(index)
        return ImageFile(
            self.root.joinpath(*self.places[int(self.which[index])]),
            int(self.labels[index]),
            PARTS[self.parts[index]],
            int(self.twins[index]),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ImageFiles | tuple | list):
            return NotImplemented
        return len(self) == len(other) and all(map(ImageFile.__eq__, self, other))

    __hash__ = None

    def __repr__(self) -> str:
        return f"ImageFiles({counted(len(self), 'image')} below {folder_name(self.root)!r})"


def folder_name(folder: Path) -> str:
    """The last part of its path, also of one like ".". Introduced in lesson 2."""
    return printable(folder.name or folder.resolve().name)
