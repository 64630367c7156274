"""Change one thing, and see whether it helped: a variant trained with some seeds, by pairs.

The baseline is the same in all lessons: the classic CNN, two epochs, Adam. On the bundled images
its trainings with ten seeds are stored, so only the variant is trained.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.basics.arguments import check_whole
from helpers.basics.errors import CourseError, UsageError, kind_of, wrapped
from helpers.datasets.dataset import ImageDataset
from helpers.lessons.figures import LEARNER
from helpers.practice import log
from helpers.practice.comparison import MOST_SEEDS, Comparison, Result
from helpers.recipes.recipe import CLASSIC, Recipe
from helpers.training.run import TrainingRun

if TYPE_CHECKING:
    import keras

NAME, BASELINE = "baseline", CLASSIC.but(epochs=2)
STORE = Path(__file__).with_name("baseline.json")
Variant = Recipe | Callable[[ImageDataset, int], "tuple[keras.Model, TrainingRun]"]


def compare_variant(
    name: str, variant: Variant, dataset: ImageDataset, *, seeds: int = 3
) -> Comparison:
    """Train a variant with several seeds, and compare each with the baseline of the same seed.

    The baseline is `CLASSIC.but(epochs=2)`: the classic CNN, two epochs, Adam. All in which the
    variant differs from it is part of what is compared, another number of epochs too.

    Every training goes into the log (`experiments()`) as soon as it is over, so one that is
    stopped later costs only itself.

    Args:
        name: of the variant, for the log and the picture; not "baseline".
        variant: a recipe, or a function of a dataset and a seed that trains a model and gives
            it with its `TrainingRun`.
        dataset: from `load_dataset` or `make_dataset`. On one without stored trainings the
            baseline is trained too.
        seeds: how many, 1 to 200; the first is 0.

    Returns:
        A Comparison: the differences of the pairs, their interval, a sentence, a picture.

    Raises:
        UsageError: something else than a dataset, a recipe or a function is given; the function
            gives something else than a model and its run; there is no such name or number.

    Introduced in lesson 4.
    """
    if not isinstance(dataset, ImageDataset):
        raise UsageError(f"Expected a dataset, from load_dataset. Received: {kind_of(dataset)}.")
    if not isinstance(variant, Recipe) and not callable(variant):
        raise UsageError(
            "Expected a recipe, or a function of a dataset and a seed that gives a model and its "
            f"TrainingRun. Received: {kind_of(variant)}."
        )
    if not isinstance(name, str) or name.strip() in ("", NAME):
        raise UsageError(
            f"Expected a name for the variant, in quotes, and another one than {NAME!r}. "
            f"Received: {name!r}."
        )
    seeds = check_whole("seeds", seeds, 1, MOST_SEEDS)
    baseline = baseline_of(dataset, range(seeds))
    tried = {}
    for seed in range(seeds):
        tried[seed] = train_once(variant, dataset, seed)
        print(f"{LEARNER}{name}, seed {seed}: {100 * tried[seed].accuracies[-1]:.1f} %", flush=True)
        _keep(name, dataset, seed, tried[seed])
    comparison = Comparison(name, tried, baseline)
    print(LEARNER + wrapped(comparison.sentence()).replace("\n", f"\n{LEARNER}"))
    return comparison


def train_once(variant: Variant, dataset: ImageDataset, seed: int) -> Result:
    """Train with one seed.

    Raises:
        UsageError: a function gives something else than a model and its run.
    """
    if isinstance(variant, Recipe):
        given = variant.train(dataset, seed=seed, progress=False)
    else:
        given = variant(dataset, seed)
    if not (isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], TrainingRun)):
        raise UsageError(
            "Expected a function that gives a model and its TrainingRun: "
            f"`return model, run`. Received: {kind_of(given)}."
        )
    model, run = given
    run.validation_accuracy  # noqa: B018  which says in words where it was not measured
    history = run.history
    return Result(
        tuple(history["val_accuracy"]),
        tuple(history["accuracy"]),
        run.seconds,
        model.count_params(),
    )


def baseline_of(dataset: ImageDataset, seeds: Sequence[int]) -> dict[int, Result]:
    """The baseline's trainings with these seeds: stored ones, and others trained now.

    Stored seconds are those of another computer. So the baseline is trained once here, and the
    seconds of that stand for all.
    """
    stored = stored_baseline(dataset)
    trained = {seed: train_once(BASELINE, dataset, seed) for seed in seeds if seed not in stored}
    for seed, result in trained.items():
        _keep(NAME, dataset, seed, result)
    seconds = _seconds_here(dataset)
    if seconds is None:
        here = train_once(BASELINE, dataset, seeds[0])
        _keep(NAME, dataset, seeds[0], here)
        seconds = here.seconds
    return {seed: replace((trained | stored)[seed], seconds=seconds) for seed in seeds}


def _seconds_here(dataset: ImageDataset) -> float | None:
    with contextlib.suppress(CourseError):  # the log cannot be read
        for row in log.experiments().rows:
            if (row["name"], row["dataset"]) == (NAME, _in_words(dataset)):
                return row["seconds"]
    return None


def _keep(name: str, dataset: ImageDataset, seed: int, result: Result) -> None:
    try:
        log.add(name, _in_words(dataset), seed, result)
    except CourseError as error:  # the comparison goes on
        print(wrapped(str(error)))


def _in_words(dataset: ImageDataset) -> str:
    """Two subsets of one dataset take different times."""
    return f"{dataset.name}, {len(dataset.train):,} images"


def stored_baseline(dataset: ImageDataset) -> dict[int, Result]:
    """Seed -> Result of the stored trainings on these images; {} where there are none."""
    stored = json.loads(STORE.read_text(encoding="utf-8")).get(key_of(dataset), {})
    return {int(seed): Result(**result) for seed, result in stored.items()}


def key_of(dataset: ImageDataset) -> str:
    """What tells one set of training and validation images from another."""
    digest = hashlib.sha256()
    for split in (dataset.train, dataset.validation):
        digest.update(split.labels.tobytes())
        digest.update(split.images[:: max(len(split) // 50, 1)].tobytes())
    return f"{dataset.name} {digest.hexdigest()[:16]}"
