#!/usr/bin/env python3
"""Measure what the course claims about speed, beside its peers: `make bench`.

    python benchmarks/bench.py            everything, about an hour on two cores
    python benchmarks/bench.py --quick    five minutes; checks most limits, stores nothing
    python benchmarks/bench.py --only folder lessons    measures these parts anew

Every figure comes from processes of their own, peers and ours in turn, several times. A ratio is
taken in each turn, so that a slow hour of the machine falls on both sides, and each part may be
measured at another hour. Results go to benchmarks/results/: bench.json, a table in bench.md, and
a plot of accuracy over seconds; on a processor without fast 16-bit numbers, for which another way
may be the best, bench_float32. The exit status is 1 where the median of a figure misses its
limit. Images are the full CIFAR-10 in data/ (`make cifar10`). The validation split decided what is
in the recipes; the test images are used once in each run, at its end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import folder_reader
from machine import RESULTS, import_seconds, machine, run_alone, summary, write_result
from tqdm import tqdm

if TYPE_CHECKING:
    from helpers.pictures.picture import Picture

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS, OURS = str(HERE / "peers.py"), str(HERE / "ours.py")
DATASET = "cifar10"
CLASSIC_EPOCHS = 10
IMAGES = 10_000  # of a measurement of training speed
FOLDER_IMAGES = 60_000
FAST_IMAGES = 33_750  # three quarters of the training images: enough for the classic accuracy
SPARE = 0.95  # of the classic's seconds are given to ACCURATE: no run is as fast as the next
CLASSIC, FAST, ACCURATE = "classic script", "FAST, 3/4 epoch", "ACCURATE"
PARTS = ("trainings", "speeds", "folder", "lessons")
WAITING = "waiting"
CLASSIC_FORM = "Keras, 32 a batch, float32"  # the steps of the classic script


class Floor:
    """A figure that must not get worse: what it is, its limit and the value aimed at.

    The limit is the least value that is wanted; where `up` is False, the most. A figure without
    one is shown, and misses none.
    """

    def __init__(
        self, what: str, least: float | None, goal: float, unit: str = "times", up: bool = True
    ):
        self.what, self.least, self.goal, self.unit, self.up = what, least, goal, unit, up

    def row(self, values: list[float]) -> dict:
        """The values against the limit: their median must not miss it."""
        found, least = summary(values), self.least
        holds = least is None or (found["median"] >= least if self.up else found["median"] <= least)
        return {
            "what": self.what, "unit": self.unit, **found, "floor": least, "goal": self.goal,
            "holds": holds,
        }  # fmt: skip


FLOORS = {
    "reach": Floor(
        "CPU-seconds of training: ten epochs of the classic script / FAST, 3/4 epoch", 20, 25
    ),
    "fast accuracy": Floor(
        "test accuracy of FAST, 3/4 epoch, less that of the classic", 0.0, 0.01, "of 1"
    ),
    "accurate": Floor("test accuracy of ACCURATE, asked six times", 0.85, 0.88, "of 1"),
    "budget": Floor("CPU-seconds of training: ACCURATE / classic", 1.0, 1.0, up=False),
    "memory": Floor("peak memory of the whole process, FAST", 1300, 900, "MB", up=False),
    "speed": Floor(
        "training images a CPU-second, classic net: ours, 128 a batch / the classic script",
        1.5,
        1.5,
    ),
    "keras": Floor("training images a CPU-second, classic net: ours / Keras' best", None, 1.0),
    "torch": Floor("training images a CPU-second, classic net: ours / PyTorch's best", None, 1.0),
    "predict": Floor("10,000 images: model.predict / evaluate, CPU-seconds", 1.0, 2.0),
    "import": Floor("import helpers", 0.3, 0.1, "s", up=False),
    "waiting": Floor("share of a training step that waits for images", 0.2, 0.05, "of 1", up=False),
    "first epoch": Floor("images a second from a folder, first epoch: ours / fastest", 1.0, 1.5),
    "second epoch": Floor(
        "images a second from a folder, later epochs: ours, decoded once / fastest that decodes",
        5,
        10,
    ),
    "folder memory": Floor(
        "growth of peak memory from a quarter of the files to all", 20, 5, "MB", up=False
    ),
    "lessons": Floor("all cells of all lessons", 12, 6, "minutes", up=False),
}


# ------------------------------------------------------------------------- what is measured


def training_runs(seeds: dict[str, int], step: Callable) -> dict:
    """Whole trainings, each as many times as `seeds` says; the classic and FAST in turn.

    ACCURATE comes after them, with as many epochs as fit into the classic's seconds: a processor
    with fast 16-bit numbers has time for more.
    """
    recipe = (OURS, "recipe")
    ways = {
        CLASSIC: (PEERS, "classic_script", DATASET, "{}", str(CLASSIC_EPOCHS)),
        FAST: (*recipe, "FAST", DATASET, "{}", "1", str(FAST_IMAGES)),
    }
    runs = in_turn(ways, seeds, step)
    step("the pace of ACCURATE")
    pace = run_alone(OURS, "pace", "ACCURATE", DATASET)["curve"]
    epochs = str(epochs_within(SPARE * statistics.median(cpu(runs[CLASSIC])), pace))
    accurate = {ACCURATE: (*recipe, "ACCURATE", DATASET, "{}", epochs, "", "six times")}
    return runs | in_turn(accurate, seeds, step)


def in_turn(ways: dict[str, tuple[str, ...]], seeds: dict[str, int], step: Callable) -> dict:
    runs = {name: [] for name in ways}
    for seed in range(max(seeds[name] for name in ways)):
        for name, command in ways.items():
            if seed < seeds[name]:
                step(f"{name}, seed {seed}")
                runs[name].append(run_alone(*(part.format(seed) for part in command)))
    return runs


def epochs_within(seconds: float, pace: list[list[float]]) -> int:
    """How many epochs fit, where the first two end at these seconds; one at least."""
    (first, _), (second, _) = pace
    return 1 + max(int((seconds - first) / (second - first)), 0)


def short_ways(images: int) -> dict[str, tuple[str, ...]]:
    """Short measurements: each side in its fastest form on this processor."""
    from helpers.recipes import has_fast_bfloat16

    ways = {"ours, 128 a batch": (OURS, "training_speed", DATASET, str(images), "128")}
    for numbers in ("float32", "bfloat16") if has_fast_bfloat16() else ("float32",):
        given = {size: (DATASET, str(images), str(size), numbers) for size in (32, 128)}
        ways |= {
            f"Keras, 32 a batch, {numbers}": (PEERS, "keras_speed", *given[32]),
            f"Keras, 128 a batch, {numbers}, oneDNN": (PEERS, "keras_speed", *given[128], "1"),
            f"PyTorch, 32 a batch, {numbers}": (PEERS, "torch_speed", *given[32]),
            f"PyTorch, 128 a batch, {numbers}": (PEERS, "torch_speed", *given[128]),
        }
    return ways | {
        "model.predict": (PEERS, "keras_predict", DATASET),
        "evaluate": (OURS, "evaluation_speed", DATASET),
        WAITING: (OURS, "waiting", "FAST", DATASET, "200"),
    }


def speeds(ways: dict[str, tuple[str, ...]], repeats: int, step: Callable) -> dict[str, list[dict]]:
    """The short measurements, peers and ours in turn; on one thread, but that of waiting."""
    runs = {name: [] for name in [*ways, "import keras", "import helpers"]}
    for _ in range(repeats):
        for name, command in ways.items():
            step(name)
            runs[name].append(run_alone(*command, one_thread=name != WAITING))
        for module in ("keras", "helpers"):
            runs[f"import {module}"].append(import_seconds(module))
    return runs


def cpu(runs: list[dict]) -> list[float]:
    return [run["cpu_seconds"] for run in runs]


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Of each turn; where one side had more turns, those that both had."""
    return [one / other for one, other in zip(above, below, strict=False)]


def training_rows(runs: dict[str, list[dict]]) -> dict[str, list[float]]:
    """Of whole trainings, the values that the floors are about."""
    classic, fast, accurate = runs.values()
    target = statistics.median(run["test_accuracy"] for run in classic)
    return {
        "reach": ratios(cpu(classic), cpu(fast)),
        "fast accuracy": [run["test_accuracy"] - target for run in fast],
        "accurate": [run["test_accuracy"] for run in accurate],
        "budget": ratios(cpu(accurate), cpu(classic)),
        "memory": [run["peak_megabytes"] for run in fast],
    }


def speed_rows(runs: dict[str, list[dict]]) -> dict[str, list[float]]:
    ours = cpu(runs["ours, 128 a batch"])
    return {
        "speed": ratios(cpu(runs[CLASSIC_FORM]), ours),
        "keras": ratios(best_of("Keras", runs), ours),
        "torch": ratios(best_of("PyTorch", runs), ours),
        "predict": ratios(cpu(runs["model.predict"]), cpu(runs["evaluate"])),
        "import": [run["wall_seconds"] for run in runs["import helpers"]],
        "waiting": [run["waiting_share"] for run in runs[WAITING]],
    }


def best_of(peer: str, runs: dict[str, list[dict]]) -> list[float]:
    """Processor seconds of a peer's fastest form."""
    forms = (cpu(measured) for name, measured in runs.items() if name.startswith(f"{peer},"))
    return min(forms, key=statistics.median)


def folder_rows(reader: dict) -> dict[str, list[float]]:
    """The floors for reading a folder, and how much its memory grows with it."""
    times = reader["times_as_fast_as_the_fastest_other"]
    peaks = [row["peak_megabytes"]["median"] for row in reader["memory_of_helpers"]]
    return {
        "first epoch": times["first_epoch"],
        "second epoch": times["second_epoch"],
        "folder memory": [max(peaks) - min(peaks)],
    }


def lesson_minutes() -> float:
    """How long the cells of all lessons take as `make test` runs them.

    Outputs are not compared: lesson 6 shows the result that was stored a moment ago.
    """
    lessons = map(str, sorted(ROOT.glob("notebooks/0*.ipynb")))
    options = ("--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=120")
    command = [sys.executable, "-m", "pytest", "-q", *options, *lessons]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"A cell of a lesson failed:\n{done.stdout[-3000:]}")
    return (time.perf_counter() - start) / 60


def against_floors(rows: dict[str, list[float]]) -> dict[str, dict]:
    return {name: floor.row(rows[name]) for name, floor in FLOORS.items() if name in rows}


def judged(result: dict) -> dict[str, dict]:
    """Every part that was measured, against its floors."""
    rows_of = {
        "trainings": training_rows,
        "speeds": speed_rows,
        "folder": folder_rows,
        "lessons": lambda minutes: {"lessons": [minutes]},
    }
    rows = {}
    for part in PARTS:
        if part in result:
            rows |= rows_of[part](result[part])
    return against_floors(rows)


# --------------------------------------------------------------------------- full and quick


def result_name() -> str:
    """Which stored result this processor's belongs to."""
    from helpers.recipes import has_fast_bfloat16

    return "bench" if has_fast_bfloat16() else "bench_float32"


def full(parts: Sequence[str], seeds: dict[str, int], repeats: int, folder_images: int) -> dict:
    """Measure these parts, one after the other; what is not among them stays as it is stored."""
    name = result_name()
    path = RESULTS / f"{name}.json"
    result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if set(parts) == set(PARTS):
        result = {}
    elif result.get("machine", {}).get("processor") != machine()["processor"]:
        sys.exit("Expected a stored result of this processor. There is none: measure all parts.")
    ways = short_ways(IMAGES)
    processes = {"trainings": sum(seeds.values()) + 1, "speeds": len(ways) * repeats}
    with tqdm(total=sum(processes.get(part, 1) for part in parts), unit="process") as bar:
        step = stepper(bar)
        for part in (part for part in PARTS if part in parts):
            if part == "trainings":
                measured = training_runs(seeds, step)
                result["dataset"] = measured[FAST][0]["source"]
                result["training images"] = measured[CLASSIC][0]["training_images"]
            elif part == "speeds":
                measured = speeds(ways, repeats, step)
            elif part == "folder":
                step("folder readers")
                measured = folder_reader.measure(folder_images, repeats)
            else:
                step("all lessons")
                measured = lesson_minutes()
            result |= {"machine": machine(), part: measured}
            store(name, result)  # at once: among the lessons, lesson 6 shows it
    return result


def quick() -> dict:
    """Most limits in five minutes: one FAST run; a part of the classic gives its seconds.

    Not what takes long: ACCURATE, all lessons, and a folder large enough to see its memory grow.
    """
    path = RESULTS / "bench.json"  # the accuracy to reach depends on no processor
    if not path.exists():
        sys.exit(
            "Expected the result of a full run in bench.json. It is not there: run `make bench`."
        )
    stored = json.loads(path.read_text(encoding="utf-8"))
    ways = short_ways(IMAGES // 2)
    with tqdm(total=2 + len(ways) * 2, unit="process") as bar:
        step = stepper(bar)
        step(FAST)
        # On one thread, as what it is compared with here.
        recipe = (OURS, "recipe", "FAST", DATASET, "0", "1", str(FAST_IMAGES))
        fast = run_alone(*recipe, one_thread=True)
        short = speeds(ways, 2, step)
        step("folder readers")
        reader = folder_reader.measure(FOLDER_IMAGES // 10, 2)
    scale = CLASSIC_EPOCHS * stored["training images"]
    classic = [scale * run["cpu_seconds"] / run["images"] for run in short[CLASSIC_FORM]]
    classic_accuracy = statistics.median(
        run["test_accuracy"] for run in stored["trainings"][CLASSIC]
    )
    rows = {
        "reach": [seconds / fast["cpu_seconds"] for seconds in classic],
        # Within the noise between seeds: a quick run has one seed only.
        "fast accuracy": [fast["test_accuracy"] - classic_accuracy + accuracy_noise(stored)],
        "memory": [fast["peak_megabytes"]],
        **speed_rows(short),
        **folder_rows(reader),
    }
    del rows["folder memory"]
    return {"floors": against_floors(rows)}


def accuracy_noise(stored: dict) -> float:
    """How far the test accuracy of FAST moves from seed to seed."""
    seen = [run["test_accuracy"] for run in stored["trainings"][FAST]]
    return max(seen) - min(seen)


def stepper(bar: tqdm) -> Callable[[str], None]:
    def step(name: str) -> None:
        bar.set_description(name)
        bar.update()

    return step


# ------------------------------------------------------------------------- table and picture


def table(result: dict) -> str:
    lines = [
        "| what | median | least to most | floor | goal | |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["floors"].values():
        floor = "none" if row["floor"] is None else f"{row['floor']:g}"
        verdict = "holds" if row["holds"] else "**missed**"
        lines.append(
            f"| {row['what']} ({row['unit']}) | {row['median']:g} | {row['least']:g} to "
            f"{row['most']:g} | {floor} | {row['goal']:g} | {verdict} |"
        )
    return "\n".join(lines)


def store(name: str, result: dict) -> None:
    result["floors"] = judged(result)
    write_result(name, result)
    of = result["machine"]
    numbers = "with" if of["computes in bfloat16"] else "without"
    heading = (
        f"CPU: {of['processor']}, {of['cores']} cores, {numbers} fast 16-bit numbers (bfloat16). "
        f"Images: {result['dataset']}.\n\n"
    )
    (RESULTS / f"{name}.md").write_text(heading + table(result) + "\n", encoding="utf-8")
    picture(result).save(RESULTS / f"{name}.png")


def picture(result: dict) -> Picture:
    """Accuracy over processor seconds, one line a recipe, from the first seed's run."""
    from helpers import plot_lines

    curves = {name: runs[0]["curve"] for name, runs in result["trainings"].items()}
    return plot_lines(
        {name: [seconds for seconds, _ in curve] for name, curve in curves.items()},
        {name: [100 * accuracy for _, accuracy in curve] for name, curve in curves.items()},
        x_label="processor seconds of training (two cores together)",
        y_label="validation accuracy in %", title="CIFAR-10: accuracy over time",
        log_x=True,
    )  # fmt: skip


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument(
        "--quick", action="store_true", help="most limits in five minutes; stores nothing"
    )
    arguments.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="these parts; the others stay"
    )
    arguments.add_argument("--seeds", type=int, default=5, help="of the classic, FAST (5)")
    arguments.add_argument("--accurate-seeds", type=int, default=3, help="of ACCURATE (3)")
    arguments.add_argument("--repeats", type=int, default=3, help="of short measurements (3)")
    arguments.add_argument("--folder-images", type=int, default=FOLDER_IMAGES, help="(60,000)")
    chosen = arguments.parse_args()
    if not (ROOT / "data" / DATASET).is_dir():
        print("Expected CIFAR-10 in data/cifar10. It is not there: run `make cifar10` first.")
        return 2
    if chosen.quick:
        result = quick()
    else:
        seeds = {CLASSIC: chosen.seeds, FAST: chosen.seeds, ACCURATE: chosen.accurate_seeds}
        result = full(chosen.only, seeds, chosen.repeats, chosen.folder_images)
    print(table(result))
    missed = [row["what"] for row in result["floors"].values() if not row["holds"]]
    print(f"Missed: {'; '.join(missed)}" if missed else "Every limit holds.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
