"""An upload of photos that looks at them while they come. Introduced in lesson 7.

The file chooser of ipywidgets sends all chosen files in one message. JupyterLab's server takes
10 MB in one, less than three photos of a telephone; with more it closes the connection, the files
are lost, and nothing says so. So here the browser sends pieces, and gets an answer to each.
"""

from __future__ import annotations

import os
from pathlib import Path

import anywidget
import traitlets
from IPython.display import display

from helpers.basics.errors import StorageError
from helpers.basics.files import as_path
from helpers.folders.findings import counted, in_code
from helpers.widgets.moving import VIEW
from helpers.widgets.received import Reception

MOST_ROWS = 200  # that are shown
LOOK = """
.upload-box { border: 2px dashed #767676; border-radius: 4px; padding: 4px 12px; }
.upload-box.upload-over { border-style: solid; }
.upload-box ul { max-height: 16em; overflow-y: auto; overflow-wrap: anywhere; }
.upload-box input:focus-visible { outline: 3px solid #0072b2; outline-offset: 1px; }
"""


class PhotoUpload(anywidget.AnyWidget):
    """A field for the class, a button to choose photos or a .zip, and what happened to each.

    The last thing in a cell, it shows itself. Files can be dropped onto it as well.

    Attributes:
        said: what happened last, for a screen reader too.
        rows: what happened to each file, the latest first.
    """

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    _css = LOOK
    said = traitlets.Unicode().tag(sync=True)
    rows = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, folder: Path):
        super().__init__()
        self.reception = Reception(folder)
        self.said = "Write the name of a class, then choose its photos."
        self.on_msg(lambda _, question, pieces: self.send(self.answer(question, pieces)))

    def answer(self, question: dict, pieces: list) -> dict:
        """What the browser is told about the piece that it sent."""
        name, size, at, class_name = (question[key] for key in ("name", "size", "at", "class"))
        answer = {"more": False, "ask": ""}
        if at < 0:
            self.reception.leave_out(
                name, "The browser cannot read it. Pack a folder as a .zip, then choose that."
            )
        else:
            answer = self.reception.take(name, size, at, class_name, bytes(pieces[0]))
        if not (answer["more"] or answer["ask"]):
            self._tell()
        return answer | {"number": question["number"]}

    def _tell(self) -> None:
        taken, rows = self.reception.taken, self.reception.rows
        words = f"{rows[-1]} So far {counted(taken, 'photo')} taken, {len(rows) - taken} left out."
        if taken:
            words += f" Go on with this folder: DATASET = {in_code(self.reception.folder)}"
        with self.hold_sync():
            self.said, self.rows = words, rows[: -MOST_ROWS - 1 : -1]

    def _ipython_display_(self) -> None:
        view = {"model_id": self.model_id, "version_major": 2, "version_minor": 0}
        display({VIEW: view, "text/plain": repr(self)}, raw=True)

    def __repr__(self) -> str:
        return f"Upload of photos into {self.reception.folder.as_posix()}. Run this cell to use it."


def upload_photos(folder: str | os.PathLike) -> PhotoUpload:
    """Receive photos in the notebook: chosen, dropped, or in a .zip, one folder a class.

    Each file is looked at while it comes. One that holds a picture is stored whole in
    `folder/class/`, as it is; a name that is there already gets a number. What holds none, or is
    there byte for byte, is left out. A list says of each what became of it. A .zip is unpacked
    as `unpack_photos` does. With a class named, all its photos are of that class; without,
    the folders in it are the classes.

    Args:
        folder: what will hold a folder a class. It is made when the first photo is taken, and what
            is in it stays.

    Returns:
        A widget; the last thing in a cell, it shows itself.

    Raises:
        UsageError: `folder` is no path.
        MissingFileError: it is a path of Windows, and this is another system.
        StorageError: a file is in its way.

    Introduced in lesson 7.
    """
    folder = as_path(folder)
    if os.path.lexists(folder) and not folder.is_dir():
        raise StorageError(
            f"Expected a folder for the photos. Received: {folder}, where a file is in the way. "
            "Choose another name."
        )
    return PhotoUpload(folder)
