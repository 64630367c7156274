"""Whether the weights of a .keras file fit its layers and the memory.

To learn how much memory the layers ask for, Keras builds them with weights that are declared and
not allocated.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from helpers.basics import memory
from helpers.model_files.archive import FROM_STRANGER, SMALLER, Contents, Refused, TooLarge

if TYPE_CHECKING:
    import keras

DEEPEST = 100  # groups of arrays inside each other; h5py takes ever longer to find the next
# What an optimizer keeps for each weight: 2 numbers in Adam, 3 in Adam with amsgrad.
OPTIMIZER_NUMBERS = 3


def check_memory(contents: Contents) -> None:
    """Refuse what asks for more memory than there is, before any of it is taken."""
    # Keras keeps its state for each thread: from a thread of its own nothing stays behind.
    # Whatever Keras warns of, it does so again when it loads the model.
    thread = ThreadPoolExecutor(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            numbers = thread.submit(_numbers_of, contents.config).result()
    finally:
        thread.shutdown(wait=False)  # so that an interrupt ends it
    _check_fits(4 * numbers + len(contents.weights))


def _numbers_of(config: bytes) -> int:
    """How many numbers a model takes, by building it with weights that are only declared."""
    import keras

    compiled = []

    def without_compiling(part: dict) -> dict:
        if settings := part.pop("compile_config", None):
            settings.pop("optimizer", None)  # its step counter cannot be declared only
            compiled.append(settings)
        return part

    class DeclaredOnly(keras.StatelessScope):
        def get_current_value(self, variable):  # a few layers look at a weight
            _check_fits(4 * math.prod(variable.shape))
            return super().get_current_value(variable)

    with DeclaredOnly(initialize_variables=False):
        described = json.loads(config, object_hook=without_compiling)
        model = keras.saving.deserialize_keras_object(described)
        metrics = keras.tree.flatten(keras.saving.deserialize_keras_object(compiled))
    weights = [weight for part in (model, *metrics) for weight in getattr(part, "variables", ())]
    kept = (1 + OPTIMIZER_NUMBERS if compiled else 1) * sum(math.prod(w.shape) for w in weights)
    tensors = (math.prod(side or 1 for side in tensor.shape) for tensor in _tensors(model))
    return max(kept, max(tensors, default=0))


def _check_fits(needed: int) -> None:
    if needed > (free := memory.available_memory()):
        raise TooLarge(
            f"one that needs {needed / 1e9:,.1f} GB of memory, where {free / 1e9:.1f} GB are free",
            f"{SMALLER} {FROM_STRANGER}",
        )


def _tensors(model: keras.Model) -> Iterator[keras.KerasTensor]:
    """The inputs and outputs of all layers, those of models inside the model too."""
    import keras

    for layer in getattr(model, "operations", getattr(model, "layers", ())):
        yield from _tensors(layer)
        with contextlib.suppress(AttributeError):  # one that was not called, or several times
            yield from keras.tree.flatten([layer.input, layer.output])


def check_weights(weights: bytes) -> None:
    """The arrays of the HDF5 member must lie in it, and take no more room than it has.

    Links to elsewhere are not followed, neither here nor by Keras.
    """
    import h5py

    unpacked = 0

    def wrong(name: str, found: object) -> str | None:
        nonlocal unpacked
        if name.count("/") > DEEPEST:
            return f"weights more than {DEEPEST} groups deep"
        if isinstance(found, h5py.Dataset):
            # In other files, or of texts and references, which have no size.
            if found.external or found.is_virtual or found.dtype.hasobject:
                return f"weights that lie elsewhere, in {name[:100]!r}"
            unpacked += found.nbytes
        return None

    with h5py.File(io.BytesIO(weights), "r") as file:
        found = file.visititems(wrong)
    if unpacked > len(weights):  # packed zeros, for example
        found = f"{len(weights):,} bytes of weights that unpack to {unpacked:,}"
    if found:
        raise Refused(found, FROM_STRANGER)
