#!/usr/bin/env python3
"""How many pictures that are nearly the same the check of a folder finds, and how many it invents.

    python benchmarks/near_twins.py

Folders of different sizes are made of the bundled images, each with copies that were saved in
another way. A copy counts as found where a note names it beside its original; two different
pictures in one note are a false pair. Prints one line a size.
"""

import io
import re
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from helpers import ImageDataset, check_folder, load_dataset

SIZES = [(3, 20, 4), (2, 100, 4), (10, 100, 4), (5, 600, 2), (10, 2_200, 1)]  # classes, each, draws
COPIES = 5  # of each class, in each way


def saved(image: Image.Image, side: int, **options: object) -> bytes:
    target = io.BytesIO()
    image.resize((side, side), Image.Resampling.BICUBIC).save(target, **options)
    return target.getvalue()


WAYS = {
    "jpeg50.jpg": lambda image: saved(image, 28, format="JPEG", quality=50),
    "jpeg85.jpg": lambda image: saved(image, 28, format="JPEG", quality=85),
    "webp.webp": lambda image: saved(image, 28, format="WEBP"),
    "double.png": lambda image: saved(image, 56, format="PNG"),
    "three_quarters.png": lambda image: saved(image, 21, format="PNG"),
    "half.png": lambda image: saved(image, 14, format="PNG"),
}


def fill(folder: Path, dataset: ImageDataset, classes: int, each: int, draw: int) -> None:
    """Write so many images of some classes, and copies of a few of them."""
    random = np.random.default_rng(draw)
    images = np.concatenate([dataset.train.images, dataset.test.images])[..., 0]
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    for label in random.choice(len(dataset.class_names), classes, replace=False):
        inside = folder / str(label)
        inside.mkdir()
        of_class = np.flatnonzero(labels == label)
        chosen = random.choice(of_class, min(each, len(of_class)), replace=False)
        for index in chosen:
            (inside / f"{index}.png").write_bytes(
                saved(Image.fromarray(images[index]), 28, format="PNG")
            )
        for way, write in WAYS.items():
            for index in random.choice(chosen, COPIES, replace=False):
                (inside / f"{index}_{way}").write_bytes(write(Image.fromarray(images[index])))


def found_and_false(folder: Path) -> tuple[Counter, int]:
    """How many copies of each way the notes name, and how many other pictures beside them."""
    found, false = Counter(), 0
    for note in check_folder(folder, progress=False).notes:
        if note.kind in ("nearly the same", "copy"):
            names = re.findall(r"/(\d+)_?([\w.]*)\.(?:png|jpg|webp)", f"{note.path} {note.cause}")
            originals = Counter(original for original, _ in names)
            false += len(originals) - 1
            found.update(way for original, way in names if way and originals[original] > 1)
    return found, false


def main() -> None:
    dataset = load_dataset(validation_images=0)
    for classes, each, draws in SIZES:
        found, false = Counter(), 0
        for draw in range(draws):
            with tempfile.TemporaryDirectory() as folder:
                fill(Path(folder), dataset, classes, each, draw)
                more, invented = found_and_false(Path(folder))
                found, false = found + more, false + invented
        made = COPIES * classes * draws
        shares = ", ".join(
            f"{way.split('.')[0]} {found[way.split('.')[0]] / made:.2f}" for way in WAYS
        )
        print(f"{draws} x {classes} classes of {each}: {false} false; found {shares}", flush=True)


if __name__ == "__main__":
    main()
