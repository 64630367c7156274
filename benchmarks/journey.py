#!/usr/bin/env python3
"""Measure the journey of lesson 6 on the full CIFAR-10: one change at a time, several seeds.

    python benchmarks/journey.py        three seeds a step
    python benchmarks/journey.py 2      two

Every step is trained for two epochs on the course's 45,000 training images and judged on the
5,000 validation images; the test images are not used. All steps of one seed come before the next
seed, so that a slow hour of the machine falls on all of them. The processor seconds, of building
and training, and the validation accuracies go to benchmarks/results/journey_cifar10.json, which
lesson 6 shows. It takes about half an hour on two cores.
"""

import sys
from pathlib import Path

from machine import machine, run_alone, summary, write_result
from tqdm import tqdm

from helpers.datasets.augment import flip_sideways
from helpers.recipes import has_fast_bfloat16
from helpers.recipes.recipe import CLASSIC, FAST

OURS = str(Path(__file__).parent / "ours.py")

classic = CLASSIC.but(epochs=2)
batch = classic.but(batch_size=64)
standardised = batch.but(standardise=True)
normalised = standardised.but(batch_norm=True)
cycled = normalised.but(one_cycle=True, learning_rate=0.01)
flipped = cycled.but(augment=(flip_sideways,))
half = flipped.but(bfloat16=True)
compact = half.but(network="compact")
STEPS = {
    "classic": classic,
    "batch size 64": batch,
    "standardised": standardised,
    "batch norm": normalised,
    "one cycle": cycled,
    "flips": flipped,
    "bfloat16": half,
    "compact network": compact,
}
assert compact == FAST, "the journey of lesson 6 ends at FAST"


def main(seeds: int) -> None:
    if not has_fast_bfloat16():
        sys.exit(
            "Expected a processor that computes in bfloat16, as one step of the journey does. This "
            "one would repeat the step before. Measure on another machine."
        )
    runs = {name: [] for name in STEPS}
    with tqdm(total=seeds * len(STEPS), unit="training") as bar:
        for seed in range(seeds):
            for name in STEPS:
                bar.set_description(f"{name}, seed {seed}")
                runs[name].append(run_alone(OURS, "step", name, "cifar10", str(seed)))
                bar.update()
                store(runs)


def store(runs: dict[str, list[dict]]) -> None:
    """After every training: what was measured is not lost where a later one is stopped."""
    done = {name: measured for name, measured in runs.items() if measured}
    result = {
        "what": "two epochs a step, judged on the validation images",
        "dataset": done["classic"][0]["source"],
        "training_images": done["classic"][0]["training_images"],
        "seeds": {name: len(measured) for name, measured in done.items()},
        "machine": machine(),
        "steps": {
            name: {
                "accuracy": summary([run["validation_accuracy"] for run in measured], 4),
                "cpu_seconds": summary([run["cpu_seconds"] for run in measured], 1),
            }
            for name, measured in done.items()
        },
    }
    write_result("journey_cifar10", result)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
