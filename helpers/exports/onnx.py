"""ONNX: a model for other programs than TensorFlow, browsers among them. Lesson 7.

It is made of the LiteRT file, by tf2onnx: the way from Keras itself writes files that cannot be
loaded for some networks (with Normalization, as in the course, or GELU).
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np

from helpers.basics.errors import MissingPackageError, how_to_install
from helpers.exports.litert import quiet_interpreter

PACKAGES = ("tf2onnx", "onnxruntime")
OPSET = 17  # of ONNX: known to programs since 2022
AT_ONCE = 100  # images
INPUT, OUTPUT = "image", "answer"


def to_onnx(litert: bytes) -> bytes:
    """A file of LiteRT as one of ONNX, with the input "image" and the output "answer".

    Raises:
        MissingPackageError: tf2onnx is not installed.

    Introduced in lesson 7.
    """
    _check_installed()
    import tf2onnx

    with tempfile.TemporaryDirectory() as folder, quiet_interpreter():
        path = Path(folder, "model.tflite")
        path.write_bytes(litert)
        logger = logging.getLogger("tf2onnx")
        before = logger.level
        logger.setLevel(logging.ERROR)
        try:
            model, _ = tf2onnx.convert.from_tflite(
                str(path), opset=OPSET, custom_op_handlers={"TFL_GELU": (_gelu, [])}
            )
        finally:
            logger.setLevel(before)
    _rename(model.graph)
    return model.SerializeToString()


def run_onnx(content: bytes, images: np.ndarray) -> np.ndarray:
    """What such a file gives for images (images, height, width, channels): float32.

    Raises:
        MissingPackageError: onnxruntime is not installed.

    Introduced in lesson 7.
    """
    _check_installed()
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return np.concatenate(
        [
            session.run([OUTPUT], {INPUT: images[start : start + AT_ONCE].astype(np.float32)})[0]
            for start in range(0, len(images), AT_ONCE)
        ]
    )


def _check_installed() -> None:
    try:
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"Expected the packages {' and '.join(PACKAGES)}, about 115 MB on the disk, to write "
            f"ONNX. Not all are installed. With internet: {how_to_install(' '.join(PACKAGES))}. "
            "A file of LiteRT (.tflite) needs none of them."
        ) from error


def _gelu(ctx, node, name: str, args: list) -> object:
    """x / 2 * (1 + erf(x / sqrt(2))), which tf2onnx does not know of LiteRT."""
    (x,), output = node.input, node.output[0]
    shape, dtype = ctx.get_shape(output), ctx.get_dtype(output)
    ctx.remove_node(node.name)

    def constant(what: str, value: float) -> str:
        return ctx.make_const(f"{name}_{what}", np.float32(value)).output[0]

    def step(kind: str, *inputs: str, **options: object) -> str:
        return ctx.make_node(kind, list(inputs), **options).output[0]

    bell = step("Erf", step("Div", x, constant("root", np.sqrt(2))))
    half = step("Mul", x, constant("half", 0.5))
    rest = step("Add", bell, constant("one", 1.0))
    return ctx.make_node(
        "Mul", [half, rest], outputs=[output], name=name, shapes=[shape], dtypes=[dtype]
    )


def _rename(graph: object) -> None:
    """Names that say what goes in and what comes out, in place of those of TensorFlow."""
    (given,), (gives,) = graph.input, graph.output
    names = {given.name: INPUT, gives.name: OUTPUT}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    given.name, gives.name = INPUT, OUTPUT
