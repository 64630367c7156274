"""What a training changes, as plain arrays: read it, hand it over, put it back. Lesson 8."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import CheckpointError
from helpers.training.checkpoints import Checkpoint, assign, copies

if TYPE_CHECKING:
    import keras
    import torch


def read_state(variables: Sequence[keras.Variable] | Sequence[torch.Tensor]) -> list[np.ndarray]:
    """Copies of variables of Keras, or of tensors of PyTorch.

    Introduced in lesson 8.
    """
    if _of_torch(variables):
        return [tensor.detach().cpu().numpy().copy() for tensor in variables]
    return copies(variables)


def write_state(
    variables: Sequence[keras.Variable] | Sequence[torch.Tensor], arrays: Sequence[np.ndarray]
) -> None:
    """Put arrays of `read_state` into the variables again.

    Raises:
        CheckpointError: there are others, or they have other shapes.

    Introduced in lesson 8.
    """
    expected = [tuple(variable.shape) for variable in variables]
    received = [array.shape for array in arrays]
    if expected != received:
        raise CheckpointError(
            f"Expected the kept state of this training, {len(expected)} variables of the shapes "
            f"{_some(expected)}. Received: {len(received)}, {_some(received)}. Choose another "
            "folder: the network or the optimizer is another one."
        )
    if not _of_torch(variables):
        assign(variables, arrays)
        return
    import torch

    for tensor, array in zip(variables, arrays, strict=True):
        tensor.data.copy_(torch.from_numpy(array))


def packed(kept: Checkpoint | None) -> bytes:
    """A checkpoint as bytes, to be handed to the other workers; nothing in them can run.

    Introduced in lesson 8.
    """
    if kept is None:
        return b""
    content = io.BytesIO()
    facts = np.frombuffer(json.dumps([kept.epoch, kept.facts]).encode(), np.uint8)
    np.savez(content, facts=facts, **kept.arrays)
    return content.getvalue()


def unpacked(state: bytes) -> Checkpoint | None:
    """What `packed` packed.

    Introduced in lesson 8.
    """
    if not state:
        return None
    with np.load(io.BytesIO(state), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    epoch, facts = json.loads(arrays.pop("facts").tobytes())
    return Checkpoint(epoch, arrays, facts)


def _of_torch(variables: Sequence) -> bool:
    return bool(variables) and hasattr(variables[0], "detach")


def _some(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes[:3])) + (", ..." if len(shapes) > 3 else "")
