"""What lesson 7 asks of an own project: its folder, its split, its labels, and what leaves it."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from helpers.basics.errors import CourseError
from helpers.basics.own_words import in_its_own_words
from helpers.checking.functions import held_against, things_of
from helpers.checking.plain import Wrong, as_array, plain, received
from helpers.exports.litert import run_litert
from helpers.exports.onnx import PACKAGES, run_onnx
from helpers.folders.check import check_folder
from helpers.folders.findings import PROBLEM, counted

# ---------------------------------------------------------------------- a folder without faults

LEAST = 5  # photos a class
OF_NO_USE = ("blank", "copy")  # noted by the check; other notes are for a person to decide


def usable_folder(answer: object) -> str:
    """Asks for the path of a folder of photos in which nothing is left to repair."""
    if not isinstance(answer, str | os.PathLike):
        raise Wrong(
            f"Expected the path of your folder, as a text or a Path. Received: {received(answer)}."
        )
    try:
        report = check_folder(answer)
    except CourseError as error:
        raise Wrong(str(error)[:600]) from None
    left = [each for each in report.findings if each.level == PROBLEM or each.kind in OF_NO_USE]
    if left:
        kinds = Counter(each.kind for each in left)
        first = left[0]
        raise Wrong(
            f"Left in the folder: {', '.join(f'{kind} ({n})' for kind, n in kinds.items())}. "
            f"The first is {first.path}: {first.cause} {first.advice}"
        )
    counts = report.class_counts()
    for name, count in counts.items():
        if count < LEAST:
            raise Wrong(
                f"The class {name!r} has {counted(count, 'photo')}. At least {LEAST} of each class "
                "are needed, so that some are left to test with."
            )
    kinds = sorted({each.kind for each in report.notes})
    look = f" Notes that you decide on: {', '.join(kinds)}." if kinds else ""
    return f"{counted(sum(counts.values()), 'photo')} of {counted(len(counts), 'class')}.{look}"


# ------------------------------------------------------------------- moments on one side of a cut

SPLITS = ("train", "validation", "test")


def _photos_of(seed: int, **sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The class and the moment of each photo, mixed; `sizes` are those of the moments a class.

    Many a name begins as another one does: 1, 10, 100.
    """
    rows = [
        (name, f"{name}/{number}")
        for name, counts in sizes.items()
        for number, count in enumerate(counts, 1)
        for _ in range(count)
    ]
    labels, moments = np.array(rows).T
    order = np.random.default_rng(seed).permutation(len(rows))
    return labels[order], moments[order]


def _split_cases() -> list[tuple]:
    random = np.random.default_rng(7)
    bursts = {name: random.integers(1, 5, 110).tolist() for name in ("$5", "고양이", "a dog")}
    return [
        (*_photos_of(0, bag=[2] * 5, boot=[2] * 9), 0),
        (*_photos_of(1, bag=[2, 1, 1, 1, 1, 1], boot=[3, 1, 1, 1, 1, 1]), 1),
        # a moment of two fifths of its class, in the middle of the others
        (*_photos_of(2, bag=[1, 1, 1, 8, 1, 1, 1, 2, 2, 2], boot=[3] * 7, coat=[1] * 20), 2),
        (*_photos_of(3, **bursts), 3),
        (*_photos_of(3, **bursts), 4),
    ]


def _words(result: object, count: int) -> np.ndarray:
    given = plain(result)
    if not isinstance(given, tuple | np.ndarray) or len(given) != count:
        raise Wrong(
            f"Expected a word for each of the {count} photos, in their order. "
            f"Received: {received(given)}."
        )
    words = [each.decode() if isinstance(each, bytes) else each for each in given]
    if odd := [each for each in words if not isinstance(each, str) or each not in SPLITS]:
        raise Wrong(f"Expected one of the words {', '.join(SPLITS)}. Received: {received(odd[0])}.")
    return np.array([str(each) for each in words])


def _judge_split(
    answer: Callable, result: object, labels: np.ndarray, moments: np.ndarray, seed: int
) -> None:
    parts = _words(result, len(labels))
    for name in np.unique(moments):
        if len(sides := np.unique(parts[moments == name])) > 1:
            raise Wrong(f"Photos of one moment, {str(name)!r}, are in {' and in '.join(sides)}.")
    for name in np.unique(labels):
        _judge_class(str(name), parts[labels == name], moments[labels == name])
    again = [_words(answer(labels.copy(), moments.copy(), seed), len(labels)) for _ in range(2)]
    if any((other != parts).any() for other in again):
        raise Wrong(f"Called again with the seed {seed}, it gives another split.")
    others = [_words(answer(labels.copy(), moments.copy(), seed + n), len(labels)) for n in (1, 2)]
    if len(labels) > 100 and all((other == parts).all() for other in others):
        raise Wrong("Other seeds give the same split. Moments are to be drawn by the seed.")


def _judge_class(name: str, parts: np.ndarray, moments: np.ndarray) -> None:
    names, sizes = np.unique(moments, return_counts=True)
    fifth = len(parts) / 5
    for large, size in zip(names[sizes > fifth], sizes[sizes > fifth], strict=True):
        if (parts[moments == large] != "train").any():
            raise Wrong(
                f"Of the {len(parts)} photos of the class {name!r} the moment {str(large)!r} has "
                f"{size}, more than a fifth, and it is not in train. That one thing would decide "
                "what the test says of the class."
            )
    for part in ("test", "validation"):
        photos, inside = (parts == part).sum(), len(np.unique(moments[parts == part]))
        near = abs(photos - fifth) <= sizes[sizes <= fifth].max()
        # a fifth of the moments is a fifth too
        if not photos or not (near or abs(inside - len(names) / 5) < 1):
            raise Wrong(
                f"Of the {len(parts)} photos of the class {name!r} {photos} are in {part}. A fifth "
                "is asked for, as nearly as whole moments allow, and one at least."
            )


splits_moments = held_against(_judge_split, _split_cases())

# ------------------------------------------------------------------------------- wrong labels

NUMBERS = 24  # features of a photo
SLACK = 5  # photos more than are wrong: every sound classifier finds the wrong ones among so many


def _photos_with_faults(
    seed: int, sizes: Sequence[int], moved: Sequence[int], hard: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Features, labels and moments of made-up photos, and how many to look at.

    A feature says the class, and much more what the moment looks like. So whoever has learned from
    a moment knows the label that it was given, also where it is wrong.

    Args:
        seed: of all that is random.
        sizes: of the moments; moment 0 shows class 0, moment 1 class 1, moment 2 class 0 and so on.
        moved: moments whose photos have the label of the other class.
        hard: moments that look nearly as much like the other class.
    """
    random = np.random.default_rng(seed)
    centres = np.linalg.qr(random.normal(size=(NUMBERS, 2)))[0].T
    rows = []
    for moment, size in enumerate(sizes):
        shows, towards = moment % 2, 0.62 if moment in hard else 1.0
        look = random.normal(0, 1.2, NUMBERS)
        look -= centres.T @ (centres @ look)
        look += 8 * (towards * centres[shows] + (1 - towards) * centres[1 - shows])
        for _ in range(size):
            seen = look + random.normal(0, 0.05, NUMBERS)
            rows.append((seen, (shows + (moment in moved)) % 2, moment))
    random.shuffle(rows)
    features, labels, moments = (np.array(each) for each in zip(*rows, strict=True))
    count = int(_is_wrong(labels, moments).sum())
    return features.astype("float32"), labels, moments, count + min(count, SLACK)


def _is_wrong(labels: np.ndarray, moments: np.ndarray) -> np.ndarray:
    return labels != moments % 2


LABEL_CASES = [
    _photos_with_faults(0, [1] * 100, moved=[4, 17], hard=[]),
    _photos_with_faults(1, [1] * 100 + [5], moved=[11, 100], hard=range(20, 40)),
    _photos_with_faults(2, [1, 3] * 10 + [1] * 80 + [6], moved=[100], hard=range(24, 44)),
]


def _judge_doubtful(
    answer: Callable,
    result: object,
    features: np.ndarray,
    labels: np.ndarray,
    moments: np.ndarray,
    count: int,
) -> None:
    given = as_array([*result] if isinstance(result, set | frozenset) else result)
    if given.shape != (count,) or given.dtype.kind == "b":
        mask = " Where is a mask True? `np.flatnonzero` says it." if given.dtype.kind == "b" else ""
        raise Wrong(
            f"Expected the numbers of {count} photos. Received the shape {given.shape}.{mask}"
        )
    places = {int(each) for each in given}
    if len(places) < count or not places <= {*range(len(labels))} or (given % 1).any():
        raise Wrong(
            f"Expected {count} different whole numbers from 0 to {len(labels) - 1}, the places of "
            f"photos. Received: {received(tuple(given.tolist()))}."
        )
    wrong = {*np.flatnonzero(_is_wrong(labels, moments)).tolist()}
    missing = wrong - places
    if not missing:
        return
    burst = any((moments == moments[each]).sum() > 1 for each in missing)
    raise Wrong(
        f"{len(missing)} of the {len(wrong)} photos with a wrong label are not among yours. "
        + (
            "They show one moment. Has the classifier learned from a photo of this moment, wrong "
            "label and all, before it was asked?"
            if burst
            else "Whose own label does a classifier believe least, one that has not seen the photo?"
        )
    )


finds_wrong_labels = held_against(_judge_doubtful, LABEL_CASES)

# ------------------------------------------------------------------------- a file and a page

ASKED = 50  # photos
APART = 0.1  # probabilities: a file that was made smaller rounds more


def taken_along(answer: object) -> str | None:
    """Asks for a model, photos, the names of its classes, its file of LiteRT and its page."""
    model, images, names, file, page = things_of(
        answer, "model", "images", "class_names", "litert", "page"
    )
    images, expected = _answers(model, images)
    names = [*plain(names)] if isinstance(plain(names), tuple | np.ndarray) else []
    if len(names) != expected.shape[1] or not all(isinstance(name, str) for name in names):
        raise Wrong(
            f"Expected class_names as a list of {expected.shape[1]} texts, as many as the model "
            f"gives numbers. Received: {received(names)}."
        )
    content = _content(file, "litert")
    try:
        found = run_litert(content, images)
    except Exception as error:  # whatever the file holds
        raise Wrong(
            f"litert: the file cannot be opened and asked: {in_its_own_words(error, 200)}."
        ) from None
    _compare(found, expected, "litert: the file")
    lacking = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if page is None and lacking:
        return f"The page was left out: {' and '.join(lacking)} is not installed here."
    _judge_page(_content(page, "page"), names, images, expected, not lacking)
    return None


def _answers(model: Any, images: object) -> tuple[np.ndarray, np.ndarray]:
    """Some photos, and the probabilities that the model gives them."""
    import keras

    if not isinstance(model, keras.Model):
        raise Wrong(f"model: expected your model of Keras. Received: {received(plain(model))}.")
    images = as_array(images)
    if images.ndim != 4 or not len(images):
        raise Wrong(
            "images: expected photos of the shape (photos, height, width, channels), such as those "
            f"of the test. Received the shape {images.shape}."
        )
    images = images[:ASKED].astype("float32")
    try:
        given = as_array(model(images, training=False))
    except Exception as error:
        raise Wrong(f"images: the model refuses them: {in_its_own_words(error, 200)}.") from None
    if given.ndim != 2:
        raise Wrong(f"model: expected a number for each class. It gives the shape {given.shape}.")
    return images, _probabilities(given)


def _probabilities(given: np.ndarray) -> np.ndarray:
    if np.allclose(given.sum(axis=1), 1, atol=1e-3) and (given >= 0).all():
        return given
    return softmax(given, axis=1)


def _content(path: object, name: str) -> bytes:
    if not isinstance(path, str | os.PathLike):
        raise Wrong(
            f"{name}: expected the path of a file, as a text or a Path. "
            f"Received: {received(plain(path))}."
        )
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise Wrong(
            f"{name}: there is no file that can be read at {received(str(path))} "
            f"({in_its_own_words(error, 100)})."
        ) from None


def _compare(given: np.ndarray, expected: np.ndarray, what: str) -> None:
    if given.shape != expected.shape:
        raise Wrong(
            f"{what} gives the shape {given.shape}, and the model {expected.shape}. Was it made "
            "of another model?"
        )
    found = _probabilities(given)
    if not np.abs(found - expected).max() <= APART:  # or nan
        others = int((found.argmax(axis=1) != expected.argmax(axis=1)).sum())
        raise Wrong(
            f"{what} answers otherwise than the model: of {len(expected)} photos it names "
            f"{others} differently, and its probabilities are up to "
            f"{np.abs(found - expected).max():.2f} away. Was it made of this model, as it is now?"
        )


def _judge_page(
    content: bytes, names: list[str], images: np.ndarray, expected: np.ndarray, runs: bool
) -> None:
    text = content.decode("utf-8", "replace")
    parts = [
        re.search(f'<script [^>]*id="{name}">(.*?)</script>', text, re.DOTALL)
        for name in ("facts", "model")
    ]
    try:
        known = json.loads(parts[0][1])["class_names"]
        model = gzip.decompress(base64.b64decode(parts[1][1]))
    except Exception:  # another page, or one that was changed or cut short
        raise Wrong(
            "page: there is no model in it. Expected the HTML file of `write_page`, as it wrote it."
        ) from None
    if known != names:
        raise Wrong(
            f"page: it names the classes {received(', '.join(map(str, known)))}, in this order. "
            "Those that you give are others, or stand in another order."
        )
    if runs:
        _compare(run_onnx(model, images), expected, "page: the model in it")
