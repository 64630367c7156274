"""One HTML file that names photos: the model, what it computes with, and a page. Lesson 7.

    write_page(model, "scratch/my_page.html", dataset.test.images)

It is opened by a double click, and on an Android telephone with its browser: no Python, no server,
no network. (The Files app of an iPhone runs no program of a page.) It prepares a photo as `predict`
does, to a grey level of 255.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import os
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import DamagedFileError, UsageError
from helpers.basics.files import written_whole
from helpers.exports.export import checked_path, exported, facts_of
from helpers.models.trained_on import trained_on
from helpers.results.predict import check_least_confidence

if TYPE_CHECKING:
    import keras

HERE = Path(__file__).parent
VERSION = "1.30.0"  # of ONNX Runtime Web; tools/onnxruntime_web.py fetches it
RUNTIME = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm.gz": (
        "9a202915ab712f2ac4504f9fd8c634d244a11e9f9e734361471a1fe6e7f984c0"
    ),
}


def write_page(
    model: keras.Model,
    path: str | os.PathLike,
    images: np.ndarray,
    *,
    title: str = "What is in the photo?",
    about: str = "",
    least_confidence: float = 0.5,
) -> Path:
    """Write one HTML file that anyone can open, and that names photos with this model.

    It holds the model (as ONNX) and ONNX Runtime Web, 5 MB of its size. Photos are chosen, taken or
    dropped, several at once; they do not leave the device.

    Args:
        model: a Keras model that knows what it was trained on: by `train`, or from a file of
            `save_model`.
        path: where to; it ends in .html. Folders are made where needed.
        images: real ones, as the model was trained on them, such as `dataset.test.images`: on them
            the model in the page is compared with Keras before anything is written.
        title: the heading of the page.
        about: a sentence or two below it, for those who open it.
        least_confidence: where no class is so probable, the page says "none of these".

    Returns:
        The path of the file.

    Raises:
        UsageError: something else is given, or the model does not know its classes.
        MismatchError, MissingPackageError: as `export_model`, for ONNX.
        DamagedFileError: a file of ONNX Runtime Web is not as it came.
        StorageError: the disk is full, or nothing may be written there.

    Introduced in lesson 7.
    """
    path = checked_path(model, path, images, (".html",))
    check_least_confidence(least_confidence)
    known = trained_on(model)
    if known is None or known.pixels is None or known.image_shape[-1] not in (1, 3):
        raise UsageError(
            "Expected a model of photos that knows its classes. Received: one that does not say "
            "what it was trained on, or that was trained on other numbers. Train it with train, "
            "or save it with save_model(model, path, dataset) and load it again."
        )
    content = exported(model, ".onnx", images)
    facts = {**facts_of(model, images), "least_confidence": float(least_confidence)}
    library, engine = _runtime()
    # <bdi>: a name that is written from right to left changes the order of no others.
    names = ", ".join(f"<bdi>{html.escape(name)}</bdi>" for name in known.class_names)
    page = Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(str(title)),
        about=html.escape(str(about or "")),
        classes=f"It knows these classes and no others: {names}.",
        version=VERSION,
        facts=json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c"),
        runtime=_packed(library),
        wasm=base64.b64encode(engine).decode("ascii"),
        model=_packed(content),
    )
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii")


def _runtime() -> list[bytes]:
    """The files of ONNX Runtime Web, the second packed with gzip."""
    contents = []
    for name, sha256 in RUNTIME.items():
        content = (HERE / "onnxruntime_web" / name).read_bytes()
        if (found := hashlib.sha256(content).hexdigest()) != sha256:
            raise DamagedFileError(
                f"Expected {name} of ONNX Runtime Web {VERSION} with sha256 {sha256}. Received: "
                f"{found}. Get it back with `git checkout -- helpers`."
            )
        contents.append(content)
    return contents
