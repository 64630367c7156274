"""Train the PyTorch twin, step by step. Introduced in lesson 4a."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from helpers.basics.errors import MismatchError, UsageError, kind_of
from helpers.torch_twin.network import import_torch, to_torch

if TYPE_CHECKING:
    import torch


def train_torch(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
) -> list[float]:
    """Take one training step a batch, and give the loss of each: the loop that Keras hides.

    Args:
        model: takes what `to_torch` makes and gives logits.
        optimizer: holds the model's parameters.
        batches: pairs of images (batch, height, width, channels), with values 0 to 255, and
            integer labels.

    Returns:
        The mean cross-entropy of each batch, before its step changed the weights.

    Raises:
        UsageError: something else is given as the model, the optimizer or the batches.
        MismatchError: a batch whose images or labels the model cannot take.

    Introduced in lesson 4a.
    """
    torch = import_torch()
    fits = isinstance(model, torch.nn.Module) and isinstance(optimizer, torch.optim.Optimizer)
    if not fits or not isinstance(batches, Iterable):
        raise UsageError(
            "Expected a PyTorch model, its optimizer and batches: train_torch(model, optimizer, "
            "make_batches(dataset.train, 32).as_numpy_iterator()). Received: "
            f"{kind_of(model)}, {kind_of(optimizer)} and {kind_of(batches)}."
        )
    modes = [(part, part.training) for part in model.modules()]
    model.train()  # dropout and batch normalisation, as Keras' fit does by itself
    try:
        losses = [_step(model, optimizer, batch) for batch in batches]
    finally:
        for part, mode in modes:
            part.training = mode
    if not losses:
        raise UsageError(
            "Expected at least one batch. Received: none. An iterator gives its batches only once: "
            "make it again."
        )
    return losses


def _step(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, batch: tuple[np.ndarray, np.ndarray]
) -> float:
    """The loss of one batch, and one step against it."""
    import torch

    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise UsageError(
            f"Expected batches as pairs of images and labels. Received: a {kind_of(batch)}. "
            "make_batches(dataset.train, 32).as_numpy_iterator() gives them."
        )
    images, labels = to_torch(batch[0]), np.asarray(batch[1])
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise MismatchError(
            f"Expected one whole number an image as its label, for {len(images)} images. "
            f"Received: labels of shape {labels.shape} and type {labels.dtype}."
        )
    try:
        loss = torch.nn.functional.cross_entropy(model(images), torch.tensor(labels).long())
    except (RuntimeError, IndexError, ValueError) as error:  # of the model, or a label too high
        raise MismatchError(
            f"Expected images and labels that fit the model. Received: {tuple(images.shape)} "
            f"images with labels from {labels.min()} to {labels.max()}; PyTorch says: {error}. "
            "Build the model for this dataset, with build_torch_cnn(dataset)."
        ) from error
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
