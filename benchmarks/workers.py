#!/usr/bin/env python3
"""How far do several workers of one machine go?

    python benchmarks/workers.py                    all parts, half an hour on two cores
    python benchmarks/workers.py speed equality     these parts

speed: images a second and the peak of memory of 1, 2 and 4 workers of one thread each, which share
a batch. model: what the cost model, fitted to 1 and 2 of them, says of 4, without measuring anew.
equality: how far the weights after 48 steps are from those of one worker. memory: of a worker that
reads a folder, and one of twice and four times as many images. accuracy: as workers are added with
the batch kept, or grown, or grown with the rate of learning. stop: seconds from the end of a worker
until all train on. Each measurement starts workers of its own; those that are compared take turns.
Goes into benchmarks/results/workers.json, each part with the load of the machine before it.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import RESULTS, measure_parts, summary

from helpers.workers import fit_cost, start_workers

ROOT = Path(__file__).parent.parent
SCRATCH = ROOT / "scratch" / f"benchmark_workers_{os.getpid()}"
SCRIPTS = {
    "TensorFlow": ROOT / "notebooks" / "several_workers.py",
    "PyTorch": ROOT / "notebooks" / "several_workers_torch.py",
}
WORKERS = (1, 2, 4)
# Workers, and the cores that they have: the batches of which the speed is measured.
SIZES = {
    (1, None): (16, 64, 256), (2, None): (32, 64, 256), (2, 1): (64, 256), (4, None): (64, 256),
}  # fmt: skip
REPEATS, SEEDS = 3, range(3)
SPEED_REPEATS = 2  # of five epochs each


def one_run(framework: str, workers: int, **settings: object) -> dict:
    """Train in a new folder; gives what worker 0 noted, the peaks of all, and the weights."""
    folder = SCRATCH / "run"
    shutil.rmtree(folder, ignore_errors=True)
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    words = [str(word).replace("_", "-") if str(word)[:2] == "--" else word for word in words]
    outcome = start_workers(SCRIPTS[framework], *words, folder=folder, workers=workers)
    peaks = [report["peak_megabytes"] for report in outcome.reports]
    weights = [np.load(folder / f"weights_{rank}.npy") for rank in range(workers)]
    apart = max(float(np.abs(one - weights[0]).max()) for one in weights)
    return dict(outcome.reports[0]) | {"peaks": peaks, "weights": weights[0], "apart": apart}


def speed() -> dict:
    """The first epoch builds the graph, and is left out.

    In what the model predicts, the share of a worker lies between the smallest and the largest
    that one and two workers had.
    """
    images = 2_560
    measured: dict[str, dict] = {}
    cases = [(f, *case, b) for f in SCRIPTS for case, sizes in SIZES.items() for b in sizes]
    gradient_bytes = {}
    for _ in range(SPEED_REPEATS):
        for framework, workers, cores, batch in cases:
            with only(cores):
                run = one_run(framework, workers, images=images, batch_size=batch, epochs=6)
            gradient_bytes[framework] = 4 * run["weights"].size
            name = row_of(framework, batch, workers, cores)
            row = measured.setdefault(name, {"images a second": [], "peak megabytes": []})
            row["images a second"] += [images / seconds for seconds in run["seconds"][1:]]
            row["peak megabytes"] += run["peaks"]
            print(f"{name:45} {max(row['images a second']):8.0f}", run["peaks"], flush=True)
    measured = {
        name: {what: summary(values, 0) for what, values in row.items()}
        for name, row in measured.items()
    }
    return {"images": images, "gradient bytes": gradient_bytes, "measured": measured}


def row_of(framework: str, batch: int, workers: int, cores: int | None = None) -> str:
    where = " on one core" if cores == 1 else ""
    return f"{framework}, batch of {batch}, {workers} workers{where}"


@contextlib.contextmanager
def only(cores: int | None) -> Iterator[None]:
    """What is started meanwhile has so many cores; None leaves all. Linux only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def model() -> dict:
    """The cost model, fitted to what `speed` stored of 1 and 2 workers, beside what 4 took."""
    stored = json.loads((RESULTS / "workers.json").read_text(encoding="utf-8"))["speed"]
    machine_cores = stored["machine"]["cores"]
    found = {}
    for framework, gradient_bytes in stored["gradient bytes"].items():

        def seconds(
            workers: int, batch: int, cores: int | None = None, framework: str = framework
        ) -> float:
            row = stored["measured"][row_of(framework, batch, workers, cores)]
            return batch / row["images a second"]["median"]

        alone, two, taking_turns = (
            {batch: seconds(workers, batch, cores) for batch in SIZES[workers, cores]}
            for workers, cores in ((1, None), (2, None), (2, 1))
        )
        cost = fit_cost(alone, two, gradient_bytes, cores=machine_cores)
        turns = fit_cost(alone, taking_turns, gradient_bytes, cores=1)
        cost = replace(cost, turning=turns.turning, waiting=turns.waiting)
        four = {
            f"batch of {batch}": {
                "measured seconds": round(seconds(4, batch), 5),
                "predicted seconds": round(cost.seconds(4, batch, cores=machine_cores), 5),
            }
            for batch in SIZES[4, None]
        }
        found[framework] = {"cost": vars(cost), "a step of 4 workers": four}
    return found


def equality() -> dict:
    """48 steps of 64 images: the largest distance of a weight from that of one worker."""
    cases = [
        ("TensorFlow", floatx, optimizer, norm)
        for norm in ("none", "together", "alone")
        for floatx in ("float64", "float32")
        for optimizer in ("sgd", "adam")
        if norm == "none" or (floatx, optimizer) == ("float64", "sgd")
    ]
    cases += [("PyTorch", f, o, "") for f in ("float64", "float32") for o in ("sgd", "adam")]
    measured = {}
    for framework, floatx, optimizer, norm in cases:
        settings = {"images": 48 * 64, "floatx": floatx, "optimizer": optimizer}
        settings |= {"rate": 0.05} if optimizer == "sgd" else {}
        settings |= {"norm": norm} if norm else {}
        alone, two, four = (one_run(framework, n, **settings) for n in WORKERS)
        name = ", ".join(filter(None, (framework, floatx, optimizer, norm and f"norm {norm}")))
        measured[name] = {
            f"{n} workers": float(np.abs(run["weights"] - alone["weights"]).max())
            for n, run in ((2, two), (4, four))
        } | {"workers from each other": max(two["apart"], four["apart"])}
        print(name, measured[name], flush=True)
    return {"steps": 48, "largest distance of a weight": measured}


def memory() -> dict:
    """One worker that reads a folder of 64 x 64 pixels in colour, as large as that and larger."""
    folders = {}
    for images in (4_000, 8_000, 16_000):
        folders[images] = SCRATCH / f"photos_{images}"
        make_photos(folders[images], images)
    measured: dict[int, list] = {images: [] for images in folders}
    for _ in range(REPEATS):
        for images, folder in folders.items():
            run = one_run("TensorFlow", 1, dataset=folder, images=images)
            measured[images] += run["peaks"]
            print(images, run["peaks"], flush=True)
    for folder in folders.values():
        shutil.rmtree(folder)
    return {
        "megabytes of pixels": {images: round(images * 64 * 64 * 3 / 1e6) for images in folders},
        "peak megabytes": {images: summary(values, 0) for images, values in measured.items()},
    }


def make_photos(folder: Path, images: int) -> None:
    """Files of random colours in four classes: nothing is learned from them, only read."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(images):
        file = folder / "abcd"[number % 4] / f"{number:05}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(file)


def accuracy() -> dict:
    """After two epochs of 5,000 images; the batch kept at 64, or 64 for each worker."""
    ways: dict[str, Callable[[int], dict]] = {
        "batch of 64": lambda n: {},
        "batch of 64 a worker": lambda n: {"batch_size": 64 * n},
        "batch of 64 a worker, rate times workers": lambda n: {
            "batch_size": 64 * n, "rate": 0.001 * n,
        },
    }  # fmt: skip
    measured: dict[str, list] = {}
    for seed in SEEDS:
        for workers in WORKERS:
            for way, settings in ways.items():
                if workers == 1 and settings(1) != {}:
                    continue  # one worker is the same in each way
                given = {"images": 5_000, "epochs": 2, "seed": seed, **settings(workers)}
                run = one_run("TensorFlow", workers, **given)
                name = f"{workers} workers, {way}"
                measured.setdefault(name, []).append(run["right"] / 2_000)
                print(name, measured[name], flush=True)
    return {"seeds": len(SEEDS), "accuracy of 2,000 validation images": measured}


def stop() -> dict:
    """Worker 1 is killed after a whole epoch; the next is the first that all train again."""
    measured: dict[str, list] = {framework: [] for framework in SCRIPTS}
    for _ in range(REPEATS):
        for framework, seconds in measured.items():
            seconds.append(seconds_of_stop(framework))
            print(framework, f"{seconds[-1]:.1f} s", flush=True)
    return {"seconds": {name: summary(values, 1) for name, values in measured.items()}}


def seconds_of_stop(framework: str) -> float:
    folder = SCRATCH / "stopped"
    shutil.rmtree(folder, ignore_errors=True)
    times: dict[str, float] = {}

    def report(rank: int) -> dict:
        try:
            return json.loads((folder / f"worker_{rank}.json").read_text())
        except (OSError, ValueError):
            return {}

    def kill() -> None:
        while report(0).get("epoch", 0) < 1:
            time.sleep(0.02)
        os.kill(report(1)["pid"], signal.SIGKILL)
        times["killed"] = time.time()
        while not ((now := report(0)).get("start") and "epoch" in now):
            time.sleep(0.02)
        kept = now["epoch"]
        while (now := report(0)).get("epoch", 0) <= kept:
            time.sleep(0.02)
        times["next epoch"] = now["at"]

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    # Many epochs: whatever the kill comes between, some are left.
    outcome = start_workers(SCRIPTS[framework], "--images", 2_000, "--epochs", 8, folder=folder)
    thread.join(60)
    first_epoch = outcome.reports[0]["seconds"][0]
    return times["next epoch"] - first_epoch - times["killed"]


PARTS = {
    "speed": speed, "model": model, "equality": equality, "memory": memory, "accuracy": accuracy,
    "stop": stop,
}  # fmt: skip


def main() -> None:
    measure_parts("workers", PARTS, sys.argv[1:])
    shutil.rmtree(SCRATCH, ignore_errors=True)


if __name__ == "__main__":
    main()
