"""The errors that the helpers raise. Introduced in lesson 2.

The class of an error says which kind it is; its text says what was expected, what was
received and what to do. Each is also one of Python's own kinds, so `except ValueError` and
`except OSError` work as everywhere.

In a notebook such an error shows as its own words and the line of the cell that led to it.
The long list of calls in between would only hide what it says. `wrapped` breaks long lines.
"""

from __future__ import annotations

import textwrap
import traceback
from pathlib import Path

WIDTH = 88  # characters a line: JupyterLab in a small window breaks longer ones inside a word


def wrapped(text: str, indent: str = "") -> str:
    """`text` in lines of at most 88 characters, broken between words.

    Line breaks and spaces that are there stay. A longer word, such as a path, stays whole.

    Args:
        text: one or more lines.
        indent: what the second and later lines of a broken one begin with.

    Introduced in lesson 2.
    """
    wrapper = textwrap.TextWrapper(
        WIDTH, subsequent_indent=indent, expand_tabs=False, replace_whitespace=False,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return "\n".join("\n".join(wrapper.wrap(line)) for line in text.split("\n"))


def how_to_install(packages: str) -> str:
    """What to do where packages are missing, or only part of them is there.

    A terminal's Python may be another one than the course's. `%pip` installs into the kernel's.

    Introduced in lesson 1.
    """
    return f"type %pip install {packages} in a cell, then restart the kernel"


class CourseError(Exception):
    """Any error that the helpers explain in words. Introduced in lesson 2."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of the whole traceback."""
        lines = []
        for frame in traceback.extract_tb(self.__traceback__):
            # ipykernel gives a cell the name /tmp/ipykernel_123/456.py, IPython alone another.
            place = Path(frame.filename).parent.name
            if place.startswith("ipykernel_") or frame.filename.startswith("<ipython"):
                lines = [f"line {frame.lineno} of the cell: {frame.line}", ""]
        return [*lines, wrapped(f"{type(self).__name__}: {self}")]


class UsageError(CourseError, ValueError):
    """An argument that makes no sense."""


class FolderError(CourseError, ValueError):
    """A folder of images that cannot be used as it is."""


class MissingFileError(CourseError, FileNotFoundError):
    """A file or folder that is not there."""


class DamagedFileError(CourseError, ValueError):
    """A file that is not what it should be: changed, cut short or of another kind."""


class DownloadError(CourseError, ConnectionError):
    """A download that did not come through."""


class StorageError(CourseError, OSError):
    """A disk that is full, or a place where nothing may be written."""


class CheckpointError(CourseError, ValueError):
    """A saved training that cannot be continued as asked."""


class ModelFileError(CourseError, ValueError):
    """A model file that cannot be loaded safely."""


class MissingPackageError(CourseError, ModuleNotFoundError):
    """A package that is not installed."""


class MismatchError(CourseError, ValueError):
    """A model and a dataset that do not fit together."""


class NotEnoughMemoryError(CourseError, MemoryError):
    """Something that would need more memory than there is."""


class WorkersError(CourseError, ConnectionError):
    """Workers that cannot train together, or one that no longer answers."""


def kind_of(value: object) -> str:
    """The class of a value, for an error's words: Keras and PyTorch have some of one name."""
    name = type(value).__name__
    of_torch = any(base.__module__.split(".")[0] == "torch" for base in type(value).__mro__)
    return f"PyTorch {name}" if of_torch else name
