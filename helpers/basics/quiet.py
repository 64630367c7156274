"""Start TensorFlow without its log, with its fast kernels, beside PyTorch. Introduced in lesson 1.

TensorFlow's C++ code writes some lines about the processor straight to the error stream
while it is imported, past Python. They alarm beginners and say nothing they need.

The package also carries Intel's oneDNN library, which computes convolutions faster. By itself
TensorFlow uses it only on processors from about 2019 on that have AVX512_VNNI, so not on many
laptops. It is faster there too: benchmarks/onednn.py measures how much.

PyTorch as pip gives it on Linux brings Triton along, and loads it with the first optimizer. Both
Triton and TensorFlow carry LLVM, and where Triton comes second, Python ends at once
(segmentation fault; seen with Triton 3.7.1 and TensorFlow 2.21.0).

Keras has settings of its own, in a file in the home folder and in the environment. With some of
them the course ends in errors that say nothing, or in wrong numbers: they are said first.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from helpers.basics.errors import UsageError

# The values that the course works with; the first is Keras' own.
IN_FILE = {
    "backend": ("tensorflow",),
    "image_data_format": ("channels_last",),
    "floatx": ("float32", "float64"),
    "nnx_enabled": (False,),
}
IN_ENVIRONMENT = {
    "KERAS_BACKEND": ("tensorflow", ""),
    "KERAS_NNX_ENABLED": ("0", "false", "False", ""),
    "KERAS_MAX_EPOCHS": (),
    "KERAS_MAX_STEPS_PER_EPOCH": (),
}
IN_USE = {
    "backend": ("tensorflow",),
    "image_data_format": ("channels_last",),
    "floatx": ("float32", "float64"),
    "dtype_policy": ("float32", "float64", "bfloat16", "mixed_bfloat16", "mixed_float16"),
    "max_epochs": (None,),
    "max_steps_per_epoch": (None,),
}
_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Hide what TensorFlow logs while it is imported inside this block.

        with quiet_tensorflow():
            import keras

    Unless the user has set TF_ENABLE_ONEDNN_OPTS already, it also turns on oneDNN where the
    processor is of the x86-64 kind, and loads Triton, if there is one, first. Both have to happen
    before TensorFlow is imported. Where it was imported already, nothing is hidden.

    An error is never hidden: where the import fails, the exception is raised as always and
    what was written to the error stream is shown after all.

    Raises:
        UsageError: Keras is set to something that the course does not work with.

    Introduced in lesson 1.
    """
    if faults := list(keras_faults()):
        raise UsageError(
            "Expected Keras with its own settings. Received: others, with which the course does "
            "not work.\n" + "\n".join(faults)
        )
    # From here on TensorFlow logs errors only, unless the user asked for more.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # There is one error stream for all threads: a second one waits until the first has it back.
    with _one_at_a_time:
        nobody_sees = getattr(sys.stderr, "closed", sys.stderr is None)
        if "tensorflow" in sys.modules or nobody_sees:
            yield
            return
        with contextlib.suppress(ImportError):  # most have none
            import triton  # noqa: F401
        with _error_stream_hidden():
            yield


@contextlib.contextmanager
def quiet_error_stream() -> Iterator[None]:
    """Hide what C++ code writes to the error stream inside this block, unless it fails."""
    with _one_at_a_time, _error_stream_hidden():
        yield


@contextlib.contextmanager
def _error_stream_hidden() -> Iterator[None]:
    sys.stderr.flush()
    with contextlib.ExitStack() as opened:
        try:
            hidden = opened.enter_context(tempfile.TemporaryFile())
        except OSError:  # nowhere to write: an error then has its own words only
            hidden = opened.enter_context(Path(os.devnull).open("r+b"))
        error_stream = os.dup(2)
        try:
            os.dup2(hidden.fileno(), 2)
            yield
        except BaseException:
            hidden.seek(0)
            os.write(error_stream, hidden.read())
            raise
        finally:
            os.dup2(error_stream, 2)
            os.close(error_stream)


def keras_faults() -> Iterator[str]:
    """Which of Keras' settings the course does not work with, and what to do, one by one.

    Looked for where Keras looks: in the file keras.json and in the environment; once it is
    imported, in Keras itself.
    """
    if "keras" in sys.modules:
        import keras

        for name, fitting in IN_USE.items():
            value = getattr(keras.config, name)()
            if (value := getattr(value, "name", value)) not in fitting:  # a policy has a name
                yield (
                    f"{name} is {value!r} instead of {fitting[0]!r}: restart the kernel. "
                    "check_setup() of helpers.lessons then says where that is set, if not by "
                    "your own code."
                )
                return  # to ask for the policy would make one of floatx, which stays
        return
    for name, fitting in IN_ENVIRONMENT.items():
        value = os.environ.get(name, "" if fitting else None)
        if value is not None and value not in fitting:
            yield (
                f"The environment variable {name} is {value!r}: remove it where it is set, then "
                "start JupyterLab again."
            )
    for fault in _faults_in_file(path := _keras_file()):
        yield f"{fault} in {path}: delete that file, Keras makes a new one. Restart the kernel."


def _keras_file() -> Path:
    path = Path(os.environ.get("KERAS_HOME", "~/.keras"))
    with contextlib.suppress(RuntimeError):  # a user without a home
        path = path.expanduser()
    if "KERAS_HOME" not in os.environ and not os.access(path.parent, os.W_OK):
        path = Path("/tmp/.keras")
    return path / "keras.json"


def _faults_in_file(path: Path) -> Iterator[str]:
    try:
        stored = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):  # Keras then takes its own values
        return
    except OSError as error:
        yield f"What cannot be read ({error.strerror})"
        return
    if not isinstance(stored, dict) or not isinstance(stored.get("epsilon", 0.0), float):
        yield "What is no setting of Keras"
        return
    if os.environ.get("KERAS_BACKEND"):  # it counts over the file
        stored.pop("backend", None)
    for name, fitting in IN_FILE.items():
        if (value := stored.get(name, fitting[0])) not in fitting:
            yield f"{name} is {value!r} instead of {fitting[0]!r}"


@contextlib.contextmanager
def no_word_of_tracing() -> Iterator[None]:
    """Keep TensorFlow from warning of graphs that are made too often.

    It counts those of all models of a session together. After a few trainings with few steps
    it takes them for one function that is traced again and again.
    """
    import tensorflow as tf

    def passes(record):
        return "triggered tf.function retracing" not in record.getMessage()

    logger = tf.get_logger()
    logger.addFilter(passes)
    try:
        yield
    finally:
        logger.removeFilter(passes)
