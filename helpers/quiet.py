"""Start TensorFlow without its log, with its fast kernels, beside PyTorch. Introduced in lesson 1.

TensorFlow's C++ code writes some lines about the processor straight to the error stream
while it is imported, past Python. They alarm beginners and say nothing they need.

The package also carries Intel's oneDNN library, which computes convolutions faster. By itself
TensorFlow uses it only on processors from about 2019 on that have AVX512_VNNI, so not on many
laptops. It is faster there too: benchmarks/onednn.py measures how much.

PyTorch as pip gives it on Linux brings Triton along, and loads it with the first optimizer. Both
Triton and TensorFlow carry LLVM, and where Triton comes second, Python ends at once
(segmentation fault; seen with Triton 3.7.1 and TensorFlow 2.21.0).
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Hide what TensorFlow logs while it is imported inside this block.

        with quiet_tensorflow():
            import keras

    Unless the user has set TF_ENABLE_ONEDNN_OPTS already, it also turns on oneDNN where the
    processor is of the x86-64 kind, and loads Triton, if there is one, first. Both have to happen
    before TensorFlow is imported.

    An error is never hidden: where the import fails, the exception is raised as always and
    what was written to the error stream is shown after all.

    Introduced in lesson 1.
    """
    # From here on TensorFlow logs errors only, unless the user asked for more.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if "tensorflow" not in sys.modules:
        with contextlib.suppress(ImportError):  # most have none
            import triton  # noqa: F401
    sys.stderr.flush()
    with tempfile.TemporaryFile() as hidden:
        error_stream = os.dup(2)
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except BaseException:
            hidden.seek(0)
            os.write(error_stream, hidden.read())
            raise
        finally:
            os.dup2(error_stream, 2)
            os.close(error_stream)
