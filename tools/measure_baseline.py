"""Train the baseline of all experiments with ten seeds and store the runs (`make baseline`)."""

import json
from dataclasses import asdict

from helpers import load_dataset
from helpers.practice.experiment import BASELINE, STORE, key_of, train_once

SEEDS = 10


def main() -> None:
    dataset = load_dataset("fashion_mnist")
    runs = {seed: asdict(train_once(BASELINE, dataset, seed)) for seed in range(SEEDS)}
    STORE.write_text(json.dumps({key_of(dataset): runs}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
