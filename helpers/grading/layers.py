"""What lesson 6 asks of batch normalisation and dropout, by hand and in networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.checking.functions import function
from helpers.checking.models import Property, called_layers
from helpers.checking.plain import Wrong, as_array

if TYPE_CHECKING:
    pass

# Batch normalisation by hand

EPSILON = 0.001  # of Keras


def _by_keras(maps, running_mean, running_variance, momentum, training):
    import keras

    layer = keras.layers.BatchNormalization(
        momentum=momentum, epsilon=EPSILON, center=False, scale=False, dtype="float32"
    )
    layer.build(maps.shape)
    layer.set_weights([running_mean, running_variance])
    return (layer(maps, training=training), layer.moving_mean, layer.moving_variance)


def _variant(
    *,
    axes=(0, 1, 2),
    momentum_of=lambda momentum: momentum,
    uses=lambda training: training,
    updates=lambda training: training,
    unbiased=0,
    unbiased_running=0,
    divisor=lambda variance: np.sqrt(variance + EPSILON),
    normalise=True,
):
    """A batch normalisation that differs in one thing."""

    def batch_norm(maps, running_mean, running_variance, momentum, training):
        maps = maps.astype(float)
        count = np.prod([maps.shape[axis] for axis in axes])
        mean = maps.mean(axis=axes)
        variance = maps.var(axis=axes) * count / max(count - unbiased, 1)
        moved = maps.var(axis=axes) * count / max(count - unbiased_running, 1)
        new_mean, new_variance = running_mean, running_variance
        if updates(training):
            kept = momentum_of(momentum)
            new_mean = kept * running_mean + (1 - kept) * mean
            new_variance = kept * running_variance + (1 - kept) * moved
        if not uses(training):
            mean, variance = running_mean, running_variance
        return (maps - mean) / divisor(variance) if normalise else maps, new_mean, new_variance

    return batch_norm


def _batches() -> list[tuple]:
    random = np.random.default_rng(6)
    means = np.array([3.0, -1.0, 0.5], "float32")
    shapes = [  # the maps, the momentum, whether in training
        ((2, 1, 1, 2), 0.9, True), ((1, 1, 1, 2), 0.9, False), ((4, 2, 3, 2), 0.75, True),
        ((4, 2, 3, 3), 0.99, True), ((2, 3, 2, 3), 0.9, False), ((3, 3, 3, 3), 0.9, True),
    ]  # fmt: skip
    cases = []
    for shape, momentum, training in shapes:
        channels = shape[-1]
        spread = np.array([2.0, 0.5, 5.0])[:channels]
        maps = random.normal(means[:channels], spread, shape).round(2).astype("float32")
        variance = random.uniform(0.5, 4, channels).astype("float32")
        cases.append((maps, means[:channels] / 2, variance, momentum, training))
    cases[-1][0][..., 1] /= 16  # hardly any spread: here the 0.001 counts
    return cases


# Takes a function that normalises batches.
normalises = function(_by_keras, _batches(), within=1e-4, told=[
    (_variant(uses=lambda training: False),
     "In training your maps are normalised with the running averages. There the batch counts."),
    (_variant(uses=lambda training: True),
     "In use your maps are normalised with the mean of their batch. Then the answer for one "
     "image depends on the others."),
    (_variant(updates=lambda training: True),
     "In use your running averages move too. Then each prediction changes the network."),
    (_variant(updates=lambda training: False), "Your running averages never move."),
    (_variant(uses=lambda training: True, updates=lambda training: True),
     "With training=False your function does the same as with training=True."),
    (_variant(uses=lambda training: False, updates=lambda training: False),
     "With training=True your function does the same as with training=False."),
    (_variant(momentum_of=lambda momentum: 1 - momentum),
     "Your momentum is turned round, as PyTorch counts it: Keras' momentum is the part that "
     "is kept."),
    (_variant(unbiased=1, unbiased_running=1),
     "You divide by one less than the count in the variance. Keras divides by the count."),
    (_variant(unbiased_running=1),
     "In the running variance you divide by one less than the count, as PyTorch does. Keras "
     "divides by the count."),
    (_variant(divisor=np.sqrt),
     "The 0.001 is missing: what becomes of a channel whose pixels are all the same?"),
    (_variant(divisor=lambda variance: np.sqrt(variance) + EPSILON),
     "The 0.001 belongs under the square root."),
    (_variant(divisor=lambda variance: variance + EPSILON),
     "You divide by the variance. Its square root is the deviation."),
    (_variant(axes=(0,)),
     "You take a mean for each place. A channel is one feature, wherever it is found: it has one "
     "mean, over the images and over all places."),
    (_variant(axes=(0, 1, 2, 3)),
     "You take one mean for all channels together. Each channel has its own."),
    (_variant(normalise=False), "Your maps are not normalised: they come back as they were."),
])  # fmt: skip

# Layers in their order


def _places(layers: list, *kinds: str) -> list[int]:
    """Where layers of these kinds stand, or of kinds that somebody derived from them."""
    import keras

    classes = tuple(getattr(keras.layers, kind) for kind in kinds)
    return [place for place, each in enumerate(layers) if isinstance(each, classes)]


def uses(kind: str, least: int, **settings: object) -> Property:
    """Asks for layers of this kind with these settings, those inside own layers too."""

    def check(model: Any, images: np.ndarray, given: np.ndarray) -> None:
        layers = called_layers(model, images)
        found = {id(layers[place]): layers[place] for place in _places(layers, kind)}.values()
        if len(found) < least:
            raise Wrong(f"Expected {least} of the layer {kind}. Your network has {len(found)}.")
        for name, wanted in settings.items():
            if sum(getattr(each, name) == wanted for each in found) < least:
                raise Wrong(f"Expected {name}={wanted!r} in {least} of its layers {kind}.")

    return check


def norm_for_each_place(model: Any, images: np.ndarray, given: np.ndarray) -> None:
    """Asks for a batch normalisation of its own wherever one stands."""
    layers = called_layers(model, images)
    norms = [id(layers[place]) for place in _places(layers, "BatchNormalization")]
    if len(set(norms)) < len(norms):
        raise Wrong(
            "One batch normalisation stands at two places. In training that is not seen, because "
            "each batch brings its own mean. But it keeps one running mean and one running "
            "variance: of which of the two places?"
        )


def averages_arrive(steps: int) -> Property:
    """Asks for running averages that have arrived after so many steps, and still are averages."""

    def check(model: Any, images: np.ndarray, given: np.ndarray) -> None:
        layers = called_layers(model, images)
        for place in _places(layers, "BatchNormalization"):
            momentum = float(layers[place].momentum)
            left = momentum**steps
            if left > 0.1:
                raise Wrong(
                    f"After {steps} steps the running averages still hold {left:.0%} of the value "
                    f"that they began with: {momentum:.4g} multiplied {steps} times by itself."
                )
            if momentum < 0.5:
                raise Wrong(
                    f"With a momentum of {momentum:.4g} the running averages hold little more than "
                    "the last batch. Keras and PyTorch count it in opposite directions."
                )

    return check


def answers_alone(model: Any, images: np.ndarray, given: np.ndarray) -> None:
    """Asks for the same answer for an image, whatever else is in the batch, and each time."""
    if not np.allclose(as_array(model(images, training=False)), given, atol=1e-4):
        raise Wrong(
            "Asked twice about the same images, with training=False, your network gives two "
            "answers. Something that belongs to the training still works in use."
        )
    alone = as_array(model(images[:1], training=False)).reshape(1, -1)
    scale = max(1.0, float(np.abs(given).max()))
    if not np.allclose(alone, given[:1], atol=1e-3 * scale):
        raise Wrong(
            "The answer for an image depends on what else is in its batch, with training=False "
            "too. Then nobody can ask about a single photo. In use the running averages count."
        )


CONVOLUTIONS = ("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose")


def layers_fit(model: Any, images: np.ndarray, given: np.ndarray) -> None:
    """Asks for a normalisation behind each convolution, and for dropout between weights."""
    norms_fit(model, images, given)
    layers = called_layers(model, images)
    _dropout_fits(layers, _places(layers, "Dense", *CONVOLUTIONS))


def norms_fit(model: Any, images: np.ndarray, given: np.ndarray) -> None:
    """Asks for two convolutions, with a normalisation behind each."""
    layers = called_layers(model, images)
    weighted = _places(layers, "Dense", *CONVOLUTIONS)
    convolutions = [place for place in _places(layers, *CONVOLUTIONS) if place < weighted[-1]]
    if len(convolutions) < 2:
        raise Wrong(
            "Expected two convolutions or more before the layer that gives the logits. Your "
            f"network has {len(convolutions)}."
        )
    norms = _places(layers, "BatchNormalization")
    if any(place > weighted[-1] for place in norms):
        raise Wrong(
            "A batch normalisation stands behind the layer that gives the logits. It would move "
            "all logits of a class to the same mean, whatever the images show."
        )
    for number, place in enumerate(convolutions, 1):
        following = min(each for each in weighted if each > place)
        if not any(place < norm < following for norm in norms) and not _has_ways(model, layers):
            raise Wrong(
                f"Convolution {number} has no batch normalisation between it and the next layer "
                "with weights."
            )
    if sum(norm > convolutions[0] for norm in norms) < len(convolutions):
        raise Wrong("There are fewer batch normalisations than convolutions.")


def _has_ways(model: Any, layers: list) -> bool:
    """Whether ways run beside each other and join: then the order of the calls says little."""
    steps = [*layers, *getattr(model, "operations", ())]
    return any(type(each).__name__ in ("Add", "Concatenate") for each in steps)


def _dropout_fits(layers: list, weighted: list[int]) -> None:
    dropouts = [place for place, each in enumerate(layers) if "Dropout" in type(each).__name__]
    if not dropouts:
        raise Wrong("Expected a layer that drops features in training. Your network has none.")
    for place in dropouts:
        rate = float(getattr(layers[place], "rate", 0.1))  # an own layer may call it otherwise
        if place < weighted[0]:
            raise Wrong(
                "A dropout stands before the first convolution. There it deletes pixels, which no "
                "other feature can stand in for yet."
            )
        if place > weighted[-1]:
            raise Wrong(
                "A dropout stands behind the layer that gives the logits. In each training step it "
                "would set the logits of some classes to 0, the correct class too."
            )
        if not 0.1 - 1e-6 <= rate <= 0.5 + 1e-6:
            raise Wrong(f"Expected a rate from 0.1 to 0.5 in each dropout. Received: {rate:.3g}.")
