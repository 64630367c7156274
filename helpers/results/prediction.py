"""What a model says of new pictures: its classes, a picture with bars, a table. Lesson 5."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from helpers.basics.arguments import check_whole
from helpers.basics.errors import wrapped
from helpers.basics.files import write_table
from helpers.folders.findings import Finding, counted
from helpers.pictures.picture import Picture
from helpers.results.pictures import MOST_PREDICTIONS, plot_predictions

NONE_OF_THESE = "none of these"
MOST_ROWS = 20  # of the text
LONGEST_NAME = 40  # letters, in the text
TOP = 3  # classes a picture, in the text


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of pictures.

    Attributes:
        names: what each picture is called: its path, or "image 0", "image 1", ...
        images: (pictures, height, width, channels), as the model saw them.
        probabilities: float (pictures, classes), each row adding up to 1.
        class_names: the classes, in the order of the columns.
        least_confidence: a share; a less probable answer is "none of these".
        findings: what is to be said of single files: those that could not be read, too.
        note: what is to be said of the model, or "".

    Introduced in lesson 5.
    """

    names: tuple[str, ...]
    images: np.ndarray
    probabilities: np.ndarray
    class_names: tuple[str, ...]
    least_confidence: float = 0.0
    findings: tuple[Finding, ...] = ()
    note: str = ""

    @property
    def answers(self) -> tuple[str, ...]:
        """The most probable class of each picture, or "none of these"."""
        best = self.probabilities.argmax(axis=1)
        return tuple(
            self.class_names[label] if sure >= self.least_confidence else NONE_OF_THESE
            for label, sure in zip(best, self.confidences, strict=True)
        )

    @property
    def confidences(self) -> np.ndarray:
        """The probability of the most probable class, float (pictures,)."""
        return self.probabilities.max(axis=1)

    def top(self, count: int = TOP) -> list[list[tuple[str, float]]]:
        """For each picture the most probable classes with their probabilities, the first first.

        Raises:
            UsageError: `count` is no whole number from 1 on.
        """
        count = min(check_whole("count", count), len(self.class_names))
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :count]
        return [
            [(self.class_names[label], float(row[label])) for label in labels]
            for row, labels in zip(self.probabilities, order, strict=True)
        ]

    def plot(self, count: int = MOST_PREDICTIONS, *, classes: int = 5) -> Picture:
        """Show the first pictures, and beside each the most probable classes as bars.

        Args:
            count: how many pictures at most, 1 to 12.
            classes: how many bars each, 1 to 10.

        Raises:
            UsageError: not such a number.
        """
        check_whole("count", count, most=MOST_PREDICTIONS)
        check_whole("classes", classes, most=10)
        return plot_predictions(
            self.images[:count], self.names[:count], self.answers[:count],
            self.top(classes)[:count], len(self),
        )  # fmt: skip

    def to_csv(self, path: str | os.PathLike) -> None:
        """Write a table that spreadsheet programs open: a row a picture, a column a class.

        Files that could not be read have a row, too, that says why.

        Raises:
            StorageError: the disk is full, or nothing may be written there.
        """
        head = ["picture", "answer", "confidence", *self.class_names, "note"]
        write_table(path, [head, *self._rows()])

    def _rows(self) -> Iterator[list[str]]:
        said: dict[str, dict[str, None]] = {}  # the causes of each, each once, in order
        for found in self.findings:
            said.setdefault(found.path, {})[found.cause] = None
        for name, answer, sure, shares in zip(
            self.names, self.answers, self.confidences, self.probabilities, strict=True
        ):
            numbers = [f"{share:.6f}" for share in (sure, *shares)]
            yield [name, answer, *numbers, " ".join(said.get(name, ()))]
        empty = [""] * (2 + len(self.class_names))
        for name, causes in said.items():
            if name not in self.names:
                yield [name, *empty, " ".join(causes)]

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        shown = [_shortened(name) for name in self.names[:MOST_ROWS]]
        width = max(map(len, shown))
        lines = [f"Prediction for {counted(len(self), 'picture')}"]
        for name, answer, top in zip(shown, self.answers, self.top(), strict=False):
            first = f"{NONE_OF_THESE}: " if answer == NONE_OF_THESE else ""
            shares = ", ".join(f"{_shortened(label)} {100 * share:.1f} %" for label, share in top)
            lines.append(wrapped(f"  {name:<{width}}  {first}{shares}", indent=" " * 6))
        if len(self) > MOST_ROWS:
            lines.append(f'  and {len(self) - MOST_ROWS:,} more: to_csv("answers.csv") has all')
        for found in self.findings[:MOST_ROWS]:
            lines.append(wrapped(f"  {found.path}: {found.cause} {found.advice}", indent=" " * 6))
        if len(self.findings) > MOST_ROWS:
            lines.append(f"  and {len(self.findings) - MOST_ROWS:,} more findings")
        return "\n".join([*lines, *filter(None, [wrapped(self.note, indent="  ")])])


def _shortened(name: str) -> str:
    name = " ".join(name.split())
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 20]}…{name[-19:]}"
