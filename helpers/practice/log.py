"""What was tried: a table that stays between kernels, in one file of the learner's own folder.

SQLite writes each row whole or not at all, and lets two kernels write in turn.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from helpers.basics.errors import (
    DamagedFileError,
    MissingPackageError,
    StorageError,
    UsageError,
    how_to_install,
)
from helpers.basics.files import storage_errors_in_words, write_table
from helpers.pictures.lines import height_for_names, label_axes, look_of_line, name_lines
from helpers.pictures.picture import Picture, finished, new_axes
from helpers.pictures.words import sentences
from helpers.practice.comparison import Result

# `make test` and the like run the lessons too, and leave the learner's log alone.
FILE = Path(
    os.environ.get("COURSE_EXPERIMENTS")
    or Path(__file__).resolve().parents[2] / "my_lessons" / "experiments.sqlite"
)
COLUMNS = (
    "name",
    "dataset",
    "seed",
    "accuracy",
    "learned",
    "epochs",
    "seconds",
    "parameters",
    "time",
)
WAITS = 30.0  # seconds, for another kernel that writes


@dataclass(frozen=True, eq=False)
class Experiments:
    """The rows of the log. Shows itself as a table.

    Attributes:
        rows: one a training: name, dataset, seed, accuracy (validation, a share), learned
            (training accuracy, a share), epochs, seconds, parameters, time (of day, ISO 8601).
    """

    rows: tuple[dict, ...]

    def sorted_by(self, column: str, *, falling: bool = True) -> Experiments:
        """The same rows in the order of a column.

        Args:
            column: its name, one of those above.
            falling: whether the highest comes first.

        Raises:
            UsageError: no such column.
        """
        if column not in COLUMNS:
            raise UsageError(f"Expected a column: {', '.join(COLUMNS)}. Received: {column!r}.")
        return Experiments(tuple(sorted(self.rows, key=lambda row: row[column], reverse=falling)))

    def save_csv(self, path: str | os.PathLike) -> None:
        """Write the rows to a CSV file that spreadsheet programs open.

        Args:
            path: the file to write; a file that is there is replaced.

        Raises:
            UsageError: no path.
            StorageError: the disk is full, or nothing may be written there.
        """
        write_table(path, [COLUMNS, *([row[name] for name in COLUMNS] for row in self.rows)])

    def send_to_trackio(self, project: str = "experiments") -> None:
        """Give trackio the rows that it has not got yet, a run each; `trackio.show()` shows them.

        It is a package of its own: `%pip install trackio`. It keeps them on this computer, unless
        its own settings name a server.

        Raises:
            MissingPackageError: trackio is not installed.
        """
        try:
            import trackio
        except ImportError:
            raise MissingPackageError(
                "Expected trackio, to which the log is to be sent. It is not installed. To add "
                f"it: {how_to_install('trackio')}. Without it: experiments().save_csv(...).",
                name="trackio",
            ) from None
        try:
            known = {run.name for run in trackio.Api().runs(project)}
        except ValueError:  # it has no such project yet
            known = set()
        for row in reversed(self.rows):  # the oldest first
            settings = {name: row[name] for name in ("name", "dataset", "seed", "parameters")}
            name = f"{row['name']}, seed {row['seed']}, {row['time']}"
            if name in known:
                continue
            trackio.init(project=project, name=name, config=settings, embed=False)
            trackio.log({name: row[name] for name in ("accuracy", "learned", "epochs", "seconds")})
            trackio.finish()

    def plot(self) -> Picture:
        """Draw accuracy over seconds: a mark a training, a look a name."""
        if not self.rows:
            raise UsageError("Expected experiments. The log is empty: run one first.")
        names = list(dict.fromkeys(row["name"] for row in self.rows))
        ax = new_axes(size=(7, height_for_names(names)))[0]
        marks = []
        for number, name in enumerate(names):
            rows = [row for row in self.rows if row["name"] == name]
            look = look_of_line(number) | {"linestyle": "none"}
            marks += ax.plot(
                [row["seconds"] for row in rows], [100 * row["accuracy"] for row in rows], **look
            )  # fmt: skip
        label_axes(ax, "seconds", "validation accuracy (%)", "What was tried")
        name_lines(ax, marks, names)
        best = max(self.rows, key=lambda row: row["accuracy"])
        spoken = (
            f"{len(self.rows)} trainings of {', '.join(names)}. The highest accuracy is "
            f"{100 * best['accuracy']:.1f} %, of {best['name']}, in {best['seconds']:.0f} seconds"
        )
        return finished(ax, "What was tried", sentences("What was tried", spoken))

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return "No experiments yet."
        lines = [f"{'accuracy':>9} {'seconds':>8} {'parameters':>11} {'seed':>5}  name, dataset"]
        lines += [
            f"{100 * row['accuracy']:7.1f} % {row['seconds']:8.1f} {row['parameters']:11,} "
            f"{row['seed']:5}  {row['name']}, {row['dataset']}"
            for row in self.rows
        ]
        return "\n".join(lines)


def experiments() -> Experiments:
    """What was tried so far.

    Returns:
        `Experiments`: a row a training, the newest first; without rows where nothing was tried.

    Raises:
        StorageError: nothing may be read or written there, or the disk is full.
        DamagedFileError: the file of the log is damaged.

    Introduced in lesson 4.
    """
    if not FILE.exists():
        return Experiments(())
    with _opened() as log:
        rows = log.execute(f"SELECT {', '.join(COLUMNS)} FROM tried ORDER BY rowid DESC").fetchall()
    return Experiments(tuple(dict(zip(COLUMNS, row, strict=True)) for row in rows))


def forget_experiments() -> None:
    """Delete the log: its file, and what SQLite keeps beside it. Copies of yours stay.

    Raises:
        StorageError: it may not be deleted.

    Introduced in lesson 4.
    """
    for end in ("", "-journal", "-wal", "-shm"):
        with storage_errors_in_words(FILE):
            FILE.with_name(FILE.name + end).unlink(missing_ok=True)


def add(name: str, dataset: str, seed: int, result: Result) -> None:
    """Add a training that has come to its end."""
    row = (
        name, dataset, seed, result.accuracies[-1], result.learned[-1], len(result.accuracies),
        result.seconds, result.parameters, time.strftime("%Y-%m-%dT%H:%M:%S"),
    )  # fmt: skip
    with _opened() as log:
        log.execute(f"INSERT INTO tried VALUES ({', '.join('?' * len(row))})", row)


@contextlib.contextmanager
def _opened() -> Iterator[sqlite3.Connection]:
    try:
        FILE.parent.mkdir(exist_ok=True)
        with contextlib.closing(sqlite3.connect(FILE, timeout=WAITS)) as log, log:
            log.execute(f"CREATE TABLE IF NOT EXISTS tried ({', '.join(COLUMNS)})")
            yield log
    except (sqlite3.OperationalError, OSError) as error:
        raise StorageError(
            f"Expected to write the log of experiments, {FILE}. That was not possible: {error}. "
            "Is the disk full, or the folder read-only?"
        ) from None
    except sqlite3.DatabaseError as error:
        raise DamagedFileError(
            f"Expected the log of experiments in {FILE}. It cannot be read: {error}. Give it "
            "another name, or delete it with forget_experiments(); then go on."
        ) from None
