"""Recipes: all choices between a dataset and a trained network, one field each.

    model, run = CLASSIC.train(dataset)                    # lesson 4's
    model, run = CLASSIC.but(batch_size=128).train(dataset)
    model, run = FAST.train(dataset)                       # lesson 6's

Lesson 6 goes from `CLASSIC` to `FAST` and `ACCURATE`, one field at a time. A recipe is a
value: `but` gives a changed copy, and nothing else remembers anything. It works on every
dataset of the course, and its model is made of Keras' own layers, so that it can be saved,
loaded, evaluated and explained like any other.

Sources: batch normalisation, S. Ioffe and C. Szegedy (2015), arXiv 1502.03167; one cycle of the
learning rate, L. N. Smith and N. Topin (2017), arXiv 1708.07120; label smoothing,
C. Szegedy and others (2016), arXiv 1512.00567; a frozen first layer that whitens the images,
K. Jordan (2024), arXiv 2404.00498; SiLU, S. Elfwing, E. Uchibe and K. Doya (2017), arXiv
1702.03118.
Introduced in lesson 6.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from helpers.basics.arguments import check_seed, check_switches
from helpers.basics.errors import UsageError
from helpers.basics.quiet import quiet_tensorflow
from helpers.datasets.augment import (
    Augmentation,
    augmentation_name,
    check_functions,
    flip_sideways,
    shift,
)
from helpers.datasets.dataset import ImageDataset
from helpers.models.cnn import check_image_size
from helpers.models.fit_check import check_splits
from helpers.recipes.bfloat16 import has_fast_bfloat16
from helpers.recipes.networks import NETWORKS, feature_layers
from helpers.recipes.whitening import mean_and_spread
from helpers.training.fit import train, what_instead
from helpers.training.run import TrainingRun

if TYPE_CHECKING:
    import keras

WARM_UP = 0.3  # of all steps: the learning rate rises; then it falls to nothing
STEPS_A_CALL = 4  # that Keras takes before it comes back to Python, which costs as much as a step
# What the numbers of a recipe may be, in words and as a check.
SWITCHES = ("standardise", "batch_norm", "one_cycle", "bfloat16")
WHOLE = ("a whole number from 1 on", lambda n: isinstance(n, Integral) and n >= 1)
NUMBERS = {
    "epochs": WHOLE,
    "batch_size": WHOLE,
    "learning_rate": ("a number above 0", lambda n: n > 0),
    "dropout": ("a number from 0 on, below 1", lambda n: 0 <= n < 1),
    "weight_decay": ("a number from 0 on", lambda n: n >= 0),
    "label_smoothing": ("a number from 0 on, below 1", lambda n: 0 <= n < 1),
}


@dataclass(frozen=True)
class Recipe:
    """How a network is built and trained.

    Attributes:
        network: "classic" (lesson 3's), "compact" (fewer computations an image) or "wide".
        epochs: how many times to run through the training images.
        batch_size: images a step.
        learning_rate: of Adam; with one_cycle, its highest value.
        standardise: whether the pixels of each channel get mean 0 and spread 1 over the training
            images, instead of values from 0 to 1.
        batch_norm: whether every convolution, and the dense layer of "wide", is followed by batch
            normalisation, whose running averages move by a tenth at each step (Keras' own: by a
            hundredth).
        one_cycle: whether the learning rate rises for 30 % of the steps and then falls to 0.
        augment: functions that change the training images at random, as
            `helpers.datasets.augment` has them, in a list or a tuple.
        bfloat16: whether to compute with 16-bit numbers where this processor can
            (`has_fast_bfloat16`).
        dropout: share of the features that is left out at random before the last layer.
        weight_decay: share of the weights, times the learning rate, taken off at every step.
        label_smoothing: share of the label that is spread evenly over all classes, the right one
            included, so that the network need not become ever more sure.

    Introduced in lesson 6.
    """

    network: str = "classic"
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.001
    standardise: bool = False
    batch_norm: bool = False
    one_cycle: bool = False
    augment: Sequence[Augmentation] = ()
    bfloat16: bool = False
    dropout: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0

    def __post_init__(self):
        if not isinstance(self.network, str) or self.network not in NETWORKS:
            raise UsageError(
                f"Expected a network out of {', '.join(NETWORKS)}. Received: {self.network!r}. "
                "Choose one of them."
            )
        check_switches(**{name: getattr(self, name) for name in SWITCHES})
        check_functions(self.augment)
        object.__setattr__(self, "augment", tuple(self.augment))  # a list could be changed
        for name, (words, fits) in NUMBERS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real) or not fits(value):
                raise UsageError(f"Expected {words} as {name}. Received: {value!r}.")

    def __repr__(self) -> str:
        values = vars(self) | {"augment": ", ".join(map(augmentation_name, self.augment)) or "none"}
        return "\n".join(["Recipe", *(f"  {name:<17}{value}" for name, value in values.items())])

    def but(self, **changes: Any) -> Recipe:
        """The same recipe with some fields changed.

        Raises:
            UsageError: a recipe has no such field, or not such a value.

        Introduced in lesson 6.
        """
        try:
            return replace(self, **changes)
        except TypeError:
            known = [field.name for field in fields(self)]
            unknown = sorted(changes.keys() - set(known))
            raise UsageError(
                f"Expected fields of a recipe: {', '.join(known)}. Received: "
                f"{', '.join(unknown)}. Check the spelling."
            ) from None

    def build(self, dataset: ImageDataset, *, seed: int = 0) -> keras.Model:
        """Build the network for a dataset and compile it. `train` does this by itself.

        Args:
            dataset: gives the image shape, the classes, the number of steps and, where the
                recipe asks for it, the images to measure.
            seed: of the first weights, a whole number from 0 to 2**32 - 1.

        Returns:
            A compiled model that takes images with values 0 to 255 and gives logits, float32.

        Raises:
            UsageError: something else than a dataset or a seed is given.
            MismatchError: the images are too small for the classic network, or there are none.

        Introduced in lesson 6.
        """
        if not isinstance(dataset, ImageDataset):
            raise UsageError(
                f"Expected a dataset, from load_dataset. Received: {type(dataset).__name__}."
            )
        with quiet_tensorflow():
            import keras

        if self.network == "classic":
            check_image_size(dataset)
        check_splits(dataset)
        check_seed(seed)
        keras.utils.set_random_seed(seed)
        policy = "mixed_bfloat16" if self.bfloat16 and has_fast_bfloat16() else "float32"
        model = keras.Sequential(
            [
                keras.Input(dataset.image_shape, name="image"),
                *_scaling(self, dataset),
                *feature_layers(
                    NETWORKS[self.network],
                    dataset,
                    policy,
                    batch_norm=self.batch_norm,
                    dropout=self.dropout,
                ),
                keras.layers.Dense(len(dataset.class_names), name="logits", dtype="float32"),
            ],
            name=f"{self.network}_cnn",
        )
        steps = self.epochs * -(-len(dataset.train) // self.batch_size)
        model.compile(
            optimizer=keras.optimizers.Adam(
                _one_cycle(self.learning_rate, steps) if self.one_cycle else self.learning_rate,
                weight_decay=self.weight_decay or None,
            ),
            loss=_loss(self),
            metrics=["accuracy"],
            steps_per_execution=STEPS_A_CALL,
        )
        return model

    def train(
        self,
        dataset: ImageDataset,
        *more: Any,
        seed: int = 0,
        class_weight: str | Mapping[str | int, float] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        patience: int | None = None,
        progress: bool = True,
        resume: str | os.PathLike | None = None,
        **unknown: Any,
    ) -> tuple[keras.Model, TrainingRun]:
        """Build the network and train it.

        Args:
            dataset: from `load_dataset` or `make_dataset`.
            seed: of the first weights, the order of the images and all else that is random.
            class_weight, callbacks, patience, progress, resume: as `helpers.train` takes them.

        Returns:
            The trained model and its `TrainingRun`.

        Raises:
            UsageError: what belongs to the recipe, such as epochs, is given here, or more than
                a dataset.
            MismatchError and others: as `helpers.train` does.

        Introduced in lesson 6.
        """
        if more:
            raise UsageError(
                "Expected a dataset, which holds images and labels together: "
                f"recipe.train(dataset). Received: {len(more)} more. See load_dataset."
            )
        if unknown:
            name = next(iter(unknown))
            is_field = name in {field.name for field in fields(self)}
            raise UsageError(
                "Expected seed, class_weight, callbacks, patience, progress or resume. Received: "
                f"{name}. "
                + (f"A field of the recipe is changed before: recipe.but({name}={unknown[name]!r})"
                   ".train(dataset)." if is_field else what_instead(name))
            )  # fmt: skip
        model = self.build(dataset, seed=seed)
        run = train(
            model, dataset, epochs=self.epochs, batch_size=self.batch_size, augment=self.augment,
            class_weight=class_weight, callbacks=callbacks, patience=patience, seed=seed,
            progress=progress, resume=resume,
        )  # fmt: skip
        return model, run


def _loss(recipe: Recipe) -> keras.losses.Loss:
    import keras

    if not recipe.label_smoothing:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=recipe.label_smoothing
    )


def _one_cycle(highest: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    import keras

    warm_up = max(round(WARM_UP * steps), 1)
    return keras.optimizers.schedules.CosineDecay(
        highest / 10, max(steps - warm_up, 1), warmup_target=highest, warmup_steps=warm_up
    )


def _scaling(recipe: Recipe, dataset: ImageDataset) -> list[keras.Layer]:
    """From pixels 0 to 255 to numbers around 0."""
    from keras import layers

    if not recipe.standardise:
        return [layers.Rescaling(1 / 255, name="scale")]
    mean, spread = mean_and_spread(dataset)
    return [layers.Normalization(mean=mean, variance=spread**2, name="standardise")]


CLASSIC = Recipe()
FAST = Recipe(
    "compact", epochs=2, batch_size=64, learning_rate=0.01, standardise=True, batch_norm=True,
    one_cycle=True, augment=(flip_sideways,), bfloat16=True,
)  # fmt: skip
ACCURATE = FAST.but(
    network="wide", epochs=8, batch_size=256, learning_rate=0.02, augment=(flip_sideways, shift),
    label_smoothing=0.1,
)  # fmt: skip
