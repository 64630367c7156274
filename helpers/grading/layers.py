"""What lessons 6 and 7 ask of batch normalisation, of dropout and of layers that are frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.checking.functions import check_callable
from helpers.checking.limits import run
from helpers.checking.models import Property, called_layers, loss_fits, network
from helpers.checking.plain import NotAnswered, Wrong, as_array
from helpers.grading.recipes import rates_at

if TYPE_CHECKING:
    import keras

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
        if not 0.1 - 1e-6 <= rate <= 0.5 + 1e-6:  # 1 - 0.9 is a little less than 0.1
            raise Wrong(f"Expected a rate from 0.1 to 0.5 in each dropout. Received: {rate:.3g}.")


# A borrowed network, with a new last layer

SIDE, FEATURES, NEW = 12, 10, 4  # pixels, numbers that the network gives, new classes
LEARN = ("block_16", "head")  # what fine-tuning unfreezes
MOST = 1e-4  # the learning rate of fine-tuning
STEPS = (*range(0, 100, 2), *range(100, 5_000, 50))  # at which a schedule is asked for its rate


def _borrowed() -> keras.Model:
    """A small network with layers like those of EfficientNet, that seems to have learned."""
    import keras
    from keras import layers

    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Rescaling(1 / 128, -1, name="scale")(image)
    for name in ("stem", "block_15_project", "block_16_project", "head"):
        x = layers.Conv2D(FEATURES, 3, 1 + (name == "stem"), "same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        x = layers.ReLU(6, name=f"{name}_relu")(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    made = keras.Model(image, features, name="small_lite0")
    random = np.random.default_rng(0)
    made.set_weights(
        [
            random.uniform(0.5, 1.5, each.shape) if each.ndim == 1
            else random.normal(0, 0.35, each.shape)
            for each in made.get_weights()
        ]
    )  # fmt: skip
    return made


def _photos(count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(count)
    coarse = random.integers(0, 256, (count, SIDE // 3, SIDE // 3, 3))
    return coarse.repeat(3, axis=1).repeat(3, axis=2).astype("uint8"), np.arange(count) % NEW


def _changed_by_training(model: keras.Model, borrowed: keras.Model) -> list[str]:
    """Train for some steps; which layers of the network have other numbers then, by name."""
    before = {layer.name: layer.get_weights() for layer in borrowed.layers}
    own = [weight for weight in model.weights if all(weight is not one for one in borrowed.weights)]
    new = [np.array(weight) for weight in own]
    model.run_eagerly = True  # quicker for few steps
    for _ in range(2):  # a schedule may begin at 0
        run(model.train_on_batch, *_photos(8))
    if all(np.array_equal(weight, old) for weight, old in zip(own, new, strict=True)):
        raise Wrong("Trained for two steps, the new last layer is as it was: it does not learn.")
    return [
        layer.name
        for layer in borrowed.layers
        if not all(map(np.array_equal, before[layer.name], layer.get_weights()))
    ]


def _stands_on(borrowed: keras.Model) -> Property:
    """Asks for logits, or their softmax, that are a dense layer of what the network gives."""

    def check(model: Any, images: np.ndarray, given: np.ndarray) -> None:
        photos = _photos(60)[0].astype("float32")
        features = np.asarray(borrowed(photos, training=False), float)
        found = as_array(model(photos, training=False)).astype(float)
        if np.allclose(found.sum(axis=1), 1, atol=1e-3) and (found >= 0).all():
            found = np.log(np.maximum(found, 1e-30))
        found -= found.mean(axis=1, keepdims=True)
        known = np.column_stack([features, np.ones(len(photos))])
        rest = found - known @ np.linalg.lstsq(known, found, rcond=None)[0]
        if np.abs(rest).max() > 1e-3 * max(np.abs(found).max(), 1e-6):
            raise Wrong(
                "What your model gives is no dense layer of the features that the network has of "
                "the same photo. The network scales the pixels itself: it takes them as they are, "
                "from 0 to 255. And on top of it stands one layer."
            )

    return check


def transfers(answer: object) -> None:
    """Asks for a function of (network, classes) that freezes it, adds a layer and compiles."""
    check_callable(answer, 2)
    borrowed = _borrowed()
    model = run(answer, borrowed, NEW)
    if model is None or model is ...:
        raise NotAnswered

    def frozen(model: Any, images: np.ndarray, given: np.ndarray) -> None:
        learn = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        kept = sum(int(np.prod(weight.shape)) for weight in model.non_trainable_weights)
        if not learn:
            raise Wrong("Nothing in your model learns. The new last layer has to.")
        if kept < borrowed.count_params():
            raise Wrong(
                f"The network has {borrowed.count_params():,} numbers, and in your model only "
                f"{kept:,} stay as they are. All of them shall, those of the batch normalisation "
                "too."
            )

    def evaluated(model: Any, images: np.ndarray, given: np.ndarray) -> None:
        if getattr(model, "loss", None) is not None:
            model.run_eagerly = True
        loss_fits(model, images, given)

    of_network = _stands_on(borrowed)
    network((SIDE, SIDE, 3), NEW, of_network, frozen, evaluated)(model)
    if changed := _changed_by_training(model, borrowed):
        raise Wrong(
            f"Trained for two steps, the layer {changed[0]} of the network is another one. What "
            "is frozen stays as it is. When is it frozen, before `compile` or after?"
        )


def _trains_gently(optimizer: keras.optimizers.Optimizer) -> None:
    """Ask for Adam, with a learning rate that is small at every step."""
    import keras

    if not isinstance(optimizer, keras.optimizers.Adam):
        raise Wrong(
            f"Asked for is Adam. Your optimizer is {type(optimizer).__name__}. With another rule "
            "the same learning rate makes steps of another length."
        )
    if hasattr(optimizer.iterations, "assign"):
        begun = int(optimizer.iterations)
        rates = run(rates_at, optimizer, STEPS)
        optimizer.iterations.assign(begun)
    else:  # it sums gradients over several steps, and counts in another way
        rates = np.array([float(optimizer.learning_rate)])
    highest = int(rates.argmax())
    if rates[highest] > MOST:
        where = f" at step {STEPS[highest]}, counted from 0" if np.ptp(rates) else ""
        raise Wrong(
            f"The learning rate is {rates[highest]:.3g}{where}. At most {MOST:.4f} is asked for, "
            "at every step: what the network knows is to be changed a little, not learned anew."
        )


def fine_tunes(answer: object) -> None:
    """Asks for a function of (model, network) that lets the last layers of it learn on."""
    import keras

    check_callable(answer, 2)
    borrowed = _borrowed()
    borrowed.trainable = False
    model = keras.Sequential([borrowed, keras.layers.Dense(NEW)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"], run_eagerly=True)
    model.train_on_batch(*_photos(8))
    optimizer = model.optimizer
    run(answer, model, borrowed)
    if model.optimizer is optimizer:
        raise Wrong(
            "The model was trained before, and it goes on with the step that Keras made of it "
            "then: no weight of the network will move. What makes Keras look at `trainable` again?"
        )
    _trains_gently(model.optimizer)
    model.run_eagerly = True
    images = _photos(8)[0]
    loss_fits(model, images, as_array(model(images.astype("float32"), training=False)))
    changed = _changed_by_training(model, borrowed)
    for layer in borrowed.layers:
        norm = isinstance(layer, keras.layers.BatchNormalization)
        if norm and layer.name in changed:
            raise Wrong(
                f"The batch normalisation {layer.name} learns too. Its means come from a million "
                "photos, and few photos in a batch would replace them by noise."
            )
        if not norm and layer.name in changed and not layer.name.startswith(LEARN):
            raise Wrong(f"The layer {layer.name} learns too. Asked for: {' and '.join(LEARN)}.")
        to_learn = layer.weights and layer.name.startswith(LEARN)
        if not norm and to_learn and layer.name not in changed:
            raise Wrong(f"Trained for two steps, the layer {layer.name} is as it was.")
