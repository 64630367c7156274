#!/usr/bin/env python3
"""The course's way, each as a process of its own that measures itself: `make bench` runs them.

    python benchmarks/ours.py recipe FAST cifar10 0 1 33750

Each prints what it took as JSON on its last line. What it is measured beside is in peers.py.
"""

import json
import sys
import time
from dataclasses import replace

from machine import EpochMarks, SecondEpoch, cpu_seconds, speed

from helpers import quiet_tensorflow

ASKED = {
    "once": {},
    "twice": {"mirrored": True},
    "six times": {"mirrored": True, "shifted": True},
}

with quiet_tensorflow():  # as every lesson starts TensorFlow, with oneDNN
    import keras  # noqa: F401, for what imports it later


def recipe(
    recipe_name: str, name: str, seed: str, epochs: str, images: str = "", asked: str = "once"
) -> dict:
    """A recipe from loading to evaluation; the test images are used once, at the end.

    `images`: of all training images, how many; `asked`: how often about each test image. About
    the validation images it is asked less often too, to see what asking again brings.
    """
    from helpers import evaluate, load_dataset, recipes

    dataset = load_dataset(name)
    dataset = dataset.subset(int(images)) if images else dataset
    chosen = getattr(recipes, recipe_name).but(epochs=int(epochs))
    measured, model = _measured(chosen, dataset, int(seed))
    ways = list(ASKED)[: list(ASKED).index(asked) + 1]
    return measured | {
        "test_accuracy": evaluate(model, dataset.test, **ASKED[asked]).accuracy,
        "asked": asked,
        "validation_accuracy": {
            name: evaluate(model, dataset.validation, **ASKED[name]).accuracy for name in ways
        },
        "recipe": recipe_text(chosen),
    }


def step(step_name: str, name: str, seed: str) -> dict:
    """A step of the journey of lesson 6, judged on the validation images."""
    from journey import STEPS

    from helpers import load_dataset

    dataset = load_dataset(name)
    measured, _ = _measured(STEPS[step_name], dataset, int(seed))
    return measured | {"validation_accuracy": measured["curve"][-1][1]}


def pace(recipe_name: str, name: str) -> dict:
    """Two epochs of a recipe: what the first one takes, with building the graph, and the next."""
    from helpers import load_dataset, recipes

    measured, _ = _measured(getattr(recipes, recipe_name).but(epochs=2), load_dataset(name), 0)
    return measured


def recipe_text(chosen) -> dict:
    """The fields of a recipe, as JSON can hold them."""
    fields = dict(vars(chosen))
    return fields | {"augment": [change.__name__ for change in chosen.augment]}


def _measured(chosen, dataset, seed: int) -> tuple[dict, object]:
    """Train; give back what it took, with the accuracy after each epoch, and the model."""
    start, marks = time.perf_counter(), EpochMarks()
    model, run = _trained(chosen, dataset, marks.callback(), seed)
    curve = marks.curve(run.history["val_accuracy"])
    measured = {
        "cpu_seconds": curve[-1][0], "wall_seconds": time.perf_counter() - start, "curve": curve,
        "source": dataset.source, "training_images": len(dataset.train),
        "parameters": model.count_params(),
    }  # fmt: skip
    return measured, model


def _trained(chosen, dataset, callback, seed: int = 0) -> tuple:
    """As the recipe trains it, with one more callback that watches."""
    from helpers import train

    model = chosen.build(dataset, seed=seed)
    fit = model.fit
    model.fit = lambda *a, callbacks, **k: fit(*a, callbacks=[*callbacks, callback], **k)
    run = train(
        model, dataset, epochs=chosen.epochs, batch_size=chosen.batch_size,
        augment=chosen.augment, seed=seed, progress=False,
    )  # fmt: skip
    return model, run


def training_speed(name: str, images: str, batch_size: str) -> dict:
    """Training images a second of the classic net with the helpers."""
    from helpers import Split, load_dataset
    from helpers.recipes.recipe import CLASSIC

    dataset = load_dataset(name)
    train, count = dataset.train, int(images)
    cut = Split(
        "train", train.images[:count], train.labels[:count], train.class_names, train.source
    )
    none = replace(dataset.validation, images=train.images[:0], labels=train.labels[:0])
    dataset = replace(dataset, train=cut, validation=none)
    chosen = CLASSIC.but(epochs=2, batch_size=int(batch_size), bfloat16=True)
    second = SecondEpoch()
    _trained(chosen, dataset, second.callback())
    return second.speed(count)


def evaluation_speed(name: str) -> dict:
    """`evaluate` on the test images with the classic net: predictions and all figures."""
    from helpers import build_cnn, evaluate, load_dataset

    dataset = load_dataset(name)
    model = build_cnn(dataset)
    few = replace(dataset.test, images=dataset.test.images[:600], labels=dataset.test.labels[:600])
    evaluate(model, few)
    before, start = cpu_seconds(), time.perf_counter()
    evaluate(model, dataset.test)
    return speed(len(dataset.test), before, start)


def waiting(recipe_name: str, name: str, steps: str) -> dict:
    """The share of a training step in which the model waits for its images."""
    from helpers import load_dataset, make_batches, recipes

    dataset = load_dataset(name)
    chosen = getattr(recipes, recipe_name)
    model = chosen.build(dataset)
    batches = iter(
        make_batches(dataset.train, chosen.batch_size, shuffle=True, augment=chosen.augment)
    )
    model.train_on_batch(*next(batches))  # builds the graph
    waited, start = 0.0, time.perf_counter()
    for _ in range(int(steps)):
        asked = time.perf_counter()
        images, labels = next(batches)
        waited += time.perf_counter() - asked
        model.train_on_batch(images, labels)
    seconds = time.perf_counter() - start
    return {"steps": int(steps), "wall_seconds": seconds, "waiting_share": waited / seconds}


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    print(json.dumps(globals()[what](*arguments)))
