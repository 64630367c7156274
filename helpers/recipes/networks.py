"""The networks of the recipes, between the scaled images and the last layer. Lesson 6."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from helpers.datasets.dataset import ImageDataset
from helpers.recipes.whitening import whitening_layers

if TYPE_CHECKING:
    import keras

# Keras' own 0.99 moves the running averages by a hundredth a step: too late for few epochs.
NORM_MOMENTUM = 0.9


class Network(NamedTuple):
    """The shape of a network: what stands between the scaled images and the last layer."""

    channels: tuple[int, ...]  # of one convolution after the other, 3 x 3 each
    whitening: int = 0  # directions of a first, frozen convolution with stride 2; 0: there is none
    padding: str = "same"
    pools: int = 3  # the first so many convolutions are followed by a pooling
    hidden: int = 0  # units of a dense layer before the last one; 0: there is none
    norm_hidden: bool = False  # whether batch_norm is behind that layer too
    activation: str = "relu"


NETWORKS = {
    "classic": Network((32, 64, 64), padding="valid", pools=2, hidden=64),
    "compact": Network((32, 64, 128), whitening=12),
    "wide": Network((96, 128, 256), whitening=14, hidden=512, norm_hidden=True, activation="silu"),
}


def feature_layers(
    network: Network, dataset: ImageDataset, policy: str, *, batch_norm: bool, dropout: float
) -> list[keras.Layer]:
    """From scaled images to the features that the last layer decides by."""
    from keras import layers

    side = min(dataset.image_shape[:2])
    made: list[keras.Layer] = []
    if network.whitening:
        made += whitening_layers(dataset, network.whitening, network.activation, policy)
        side = -(-side // 2)
    for number, channels in enumerate(network.channels, 1):
        pool = number <= network.pools and side >= 4
        made += _convolution(network, number, channels, pool, policy, batch_norm)
        side //= 2  # where there is no pooling, none comes later either
    made.append(layers.Flatten(name="flatten"))
    if network.hidden:
        made += _dense(network, batch_norm)
    if dropout:
        made.append(layers.Dropout(dropout, name="dropout"))
    return made


def _convolution(
    network: Network, number: int, channels: int, pool: bool, policy: str, batch_norm: bool
) -> list[keras.Layer]:
    """A convolution and what belongs to it, in the order that costs least."""
    from keras import layers

    made: list[keras.Layer] = [
        layers.Conv2D(
            channels, 3, padding=network.padding, use_bias=not batch_norm, dtype=policy,
            name=f"conv_{number}",
        )
    ]  # fmt: skip
    if pool:  # first, so that what follows has a quarter of the numbers to work on
        made.append(layers.MaxPooling2D(2, name=f"pool_{number}", dtype=policy))
    if batch_norm:
        made.append(_norm(f"norm_{number}", policy))
    made.append(layers.Activation(network.activation, name=f"act_{number}", dtype=policy))
    return made


def _dense(network: Network, batch_norm: bool) -> list[keras.Layer]:
    """A dense layer before the last one, with 32 bits: on small images 16 save nothing here."""
    from keras import layers

    if not (batch_norm and network.norm_hidden):
        return [layers.Dense(network.hidden, activation=network.activation, name="dense")]
    return [
        layers.Dense(network.hidden, use_bias=False, name="dense"),
        _norm("norm_dense", "float32"),
        layers.Activation(network.activation, name="act_dense"),
    ]


def _norm(name: str, policy: str) -> keras.Layer:
    from keras import layers

    return layers.BatchNormalization(momentum=NORM_MOMENTUM, name=name, dtype=policy)
