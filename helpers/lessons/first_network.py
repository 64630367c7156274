"""What the first page needs beside Keras: a picture of one's own, and answers with a mark."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import DamagedFileError, MissingFileError, UsageError
from helpers.basics.files import as_path
from helpers.folders.findings import KINDS
from helpers.folders.listing import pictures_in
from helpers.photos.decode import decoded
from helpers.photos.processes import quiet_pillow
from helpers.photos.remarks import Refused, printable, reason
from helpers.pictures.images import plot_images
from helpers.pictures.picture import COLOURS, Picture

if TYPE_CHECKING:
    from PIL.Image import Image

LARGE = 1_000  # pixels a side
WRONG, CORRECT = COLOURS[1:3]
# What to do where the advice for a file of a dataset does not fit.
ADVICE = {
    "not an image": "Give the name of a JPEG, PNG, WEBP, GIF or BMP file.",
    "vanished": "Look where it is.",
}


def open_picture(path: str | os.PathLike) -> Image:
    """The picture in a file as an image of Pillow: upright, in colour, at most 1,000 pixels a side.

    Args:
        path: a JPEG, PNG, WEBP, GIF or BMP file, from the folder of the notebook on.

    Raises:
        MissingFileError: there is no such file.
        UsageError: it is a folder, or no path.
        DamagedFileError: the file holds no picture that can be read.

    Introduced in the notebook 00_start_here.
    """
    from PIL import Image

    path = as_path(path)
    shown = printable(str(path))
    if not os.path.exists(path):  # noqa: PTH110  which takes a name that is too long, too
        raise MissingFileError(
            f"Expected the file of a picture. Received: {shown!r}, where there is no file. "
            f"{pictures_in(path.parent)}"
        )
    if path.is_dir():
        raise UsageError(
            f"Expected the file of a picture. Received: {shown!r}, which is a folder. "
            f"{pictures_in(path)}"
        )
    try:
        with quiet_pillow():
            pixels, _ = decoded(path.resolve())
    except (Refused, OSError) as error:
        kind, cause = reason(error)
        advice = ADVICE.get(kind) or KINDS[kind][1]
        raise DamagedFileError(
            f"Expected a picture that can be read. Received: {shown!r}. {cause} {advice}"
        ) from None
    image = Image.fromarray(pixels)
    image.thumbnail((LARGE, LARGE))
    return image


def plot_answers(
    images: np.ndarray,
    answers: Sequence[int],
    labels: Sequence[int],
    class_names: Sequence[str],
    *,
    columns: int = 8,
) -> Picture:
    """Show images with a network's answers, and mark which are correct.

    A correct one has a tick, the word and a green frame; a wrong one a cross, the word, its true
    class and an orange frame.

    Args:
        images: (images, height, width, channels).
        answers: the class that the network names for each image, an index into class_names.
        labels: the true class of each.
        class_names: the classes, in the order of their labels.
        columns: how many images stand side by side.

    Raises:
        UsageError: not a batch of images, or not one answer and one label an image.

    Introduced in the notebook 00_start_here.
    """
    answers, labels = np.asarray(answers), np.asarray(labels)
    if not answers.shape == labels.shape == np.shape(images)[:1]:
        raise UsageError(
            "Expected one answer and one label an image. Received: images "
            f"{np.shape(images)}, answers {answers.shape}, labels {labels.shape}. Take as many "
            "of each, and of the network's numbers the place of the largest: argmax(axis=1)."
        )
    correct = answers == labels
    titles = [
        f"✓ correct\n{class_names[answer]}"
        if fits
        else f"✗ wrong\nsaid {class_names[answer]}\nis {class_names[label]}"
        for answer, label, fits in zip(answers, labels, correct, strict=True)
    ]
    picture = plot_images(images, titles, columns=columns)
    for ax, fits in zip(picture.axes, correct, strict=False):
        ax.spines[:].set(color=CORRECT if fits else WRONG, linewidth=3)
    return picture
