"""Whether the weights of a .keras file fit its layers and the memory.

To learn how much memory the layers ask for, Keras builds them with weights that are declared and
not allocated.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
from typing import TYPE_CHECKING

from helpers.basics import memory
from helpers.model_files.archive import FROM_STRANGER, SMALLER, Contents, Refused, TooLarge
from helpers.model_files.names import OPTIMIZER_NUMBERS

if TYPE_CHECKING:
    import keras
DEEPEST = 100  # groups of arrays inside each other; h5py takes ever longer to find the next


def check_memory(contents: Contents) -> None:
    """Build the layers with weights that are only declared; refuse what asks for too much."""
    import keras

    compiled = []

    def without_compiling(part: dict) -> dict:
        if settings := part.pop("compile_config", None):
            if isinstance(settings, dict):
                settings.pop("optimizer", None)  # its step counter cannot be declared only
            compiled.append(settings)
        return part

    config = json.loads(contents.config, object_hook=without_compiling)

    class DeclaredOnly(keras.StatelessScope):
        def get_current_value(self, variable):  # a few layers look at a weight
            _check_fits(math.prod(variable.shape))
            return super().get_current_value(variable)

    with DeclaredOnly(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(config)
        metrics = keras.tree.flatten(keras.saving.deserialize_keras_object(compiled))
    weights = [weight for part in metrics for weight in getattr(part, "variables", [])]
    numbers = sum(math.prod(weight.shape) for weight in [*weights, *model.weights])
    kept = 1 + (OPTIMIZER_NUMBERS if compiled else 0)
    _check_fits(max(kept * numbers + len(contents.weights) // 4, _largest_tensor(model)))


def _check_fits(numbers: int) -> None:
    """Refuse so many numbers of 4 bytes where there is no memory for them."""
    needed = 4 * numbers
    if needed > (free := memory.available_memory()):
        raise TooLarge(
            f"one that needs {needed / 1e9:,.1f} GB of memory, where {free / 1e9:.1f} GB are free",
            f"{SMALLER} {FROM_STRANGER}",
        )


def _largest_tensor(model: keras.Model) -> int:
    """How many numbers the largest input or output of any layer has, for one image."""
    import keras

    largest = 0
    for layer in [*model.layers, *getattr(model, "operations", [])]:
        if isinstance(layer, keras.Model):
            largest = max(largest, _largest_tensor(layer))
        with contextlib.suppress(AttributeError):  # one that was not called on its own
            for tensor in keras.tree.flatten([layer.input, layer.output]):
                largest = max(largest, math.prod(side or 1 for side in tensor.shape))
    return largest


def check_weights(weights: bytes) -> int:
    """The arrays of the HDF5 member must lie in it, and take no more room than it has.

    Returns:
        How many of them are of the optimizer.
    """
    import h5py

    links, unpacked, optimizer_arrays = {}, 0, 0
    with h5py.File(io.BytesIO(weights), "r") as file:

        def note(name: str, link: object) -> bool | None:
            links[name] = link
            return name.count("/") > DEEPEST or None  # True: no further

        if file.visititems_links(note):
            raise Refused(f"weights more than {DEEPEST} groups deep", FROM_STRANGER)
        for name, link in links.items():
            found = file[name] if type(link) is h5py.HardLink else None
            if isinstance(found, h5py.Dataset) and _lies_here(found):
                unpacked += found.nbytes
                optimizer_arrays += name.startswith("optimizer/")
            elif not isinstance(found, h5py.Group):
                raise Refused(f"weights that lie elsewhere, in {name[:100]!r}", FROM_STRANGER)
    # One array under many names, or one of packed zeros, takes memory and no room.
    if unpacked > len(weights):
        raise Refused(
            f"{len(weights):,} bytes of weights that unpack to {unpacked:,}", FROM_STRANGER
        )
    return optimizer_arrays


def _lies_here(dataset) -> bool:
    """Whether a dataset holds its numbers itself, not in other files and not as references."""
    return not (dataset.external or dataset.is_virtual or dataset.dtype.hasobject)
