#!/usr/bin/env python3
"""Measure how fast a folder of images is read, beside Keras and PyTorch, and in how much memory.

    python benchmarks/folder_reader.py                       # 60,000 images of CIFAR-10
    python benchmarks/folder_reader.py FOLDER                # one sub-folder a class
    python benchmarks/folder_reader.py --images 5000 --repeats 1

Every run is a process of its own, and the readers take turns, so that what else the machine
does meets all of them. The first epoch is what somebody waits for who has a folder and wants
to see every image once, in batches of 64 of 32 x 32 pixels:

- helpers: `load_dataset`, which checks, decodes, resizes and keeps the images, then all batches;
- Keras: `image_dataset_from_directory`, then all batches;
- PyTorch: a DataLoader over Pillow, without and with two workers.

The second epoch is every image once more, in random order. What is imported is imported
before. Processor time and memory are those of the process and its workers. All files are read
just before each run, so that none waits for the disk: some systems forget what they read a
minute ago. Without FOLDER it needs the full CIFAR-10 in data/ (`make cifar10`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # for other benchmarks, from wherever it is run
from check_folder import peak_megabytes, processor_seconds, write_images

READERS = ("helpers", "keras", "torch, 0 workers", "torch, 2 workers")
PACKAGES = ("keras", "numpy", "pillow", "scikit-learn", "scipy", "tensorflow-cpu", "torch")
SIDE, BATCH = 32, 64
IMAGES, REPEATS, MEMORY_SHARES = 60_000, 3, (4, 2, 1)
RESULT = Path(__file__).parent / "results" / "folder_reader.json"

Epoch = Callable[[], int]  # reads every image once, and says how many there were


# -------------------------------------------------------------------------- in a process of its own


def with_helpers(folder: str, data_dir: str) -> tuple[Epoch, Epoch, Epoch]:
    import numpy as np
    import PIL.Image  # noqa: F401
    import scipy.spatial  # noqa: F401
    import sklearn.model_selection  # noqa: F401

    from helpers import load_dataset
    from helpers.basics.files import rows_of

    loaded = []

    def load() -> int:
        dataset = load_dataset(folder, image_size=(SIDE, SIDE), data_dir=data_dir)
        loaded[:] = dataset.train, dataset.validation, dataset.test
        return sum(map(len, loaded))

    def batches(shuffled: bool) -> int:
        count, random = 0, np.random.default_rng(0)
        for split in loaded:
            order = random.permutation(len(split)) if shuffled else np.arange(len(split))
            for start in range(0, len(split), BATCH):
                which = order[start : start + BATCH]
                count += len(rows_of(split.images, which)) + 0 * len(split.labels[which])
        return count

    return lambda: load() and batches(False), lambda: batches(True), load


def with_keras(folder: str, data_dir: str) -> tuple[Epoch, Epoch]:
    from helpers import quiet_tensorflow

    with quiet_tensorflow():
        import keras

    made = []

    def first() -> int:
        made.append(
            keras.utils.image_dataset_from_directory(
                folder, batch_size=BATCH, image_size=(SIDE, SIDE), verbose=False
            )
        )
        return second()

    def second() -> int:
        return sum(len(labels) for _, labels in made[0])

    return first, second


def with_torch(folder: str, workers: int) -> tuple[Epoch, Epoch]:
    import numpy as np
    import torch
    from PIL import Image

    class Files(torch.utils.data.Dataset):
        def __init__(self):
            self.files = [
                (str(file), label)
                for label, place in enumerate(sorted(Path(folder).iterdir()))
                for file in sorted(place.iterdir())
            ]

        def __len__(self):
            return len(self.files)

        def __getitem__(self, index):
            path, label = self.files[index]
            image = Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            return torch.from_numpy(np.array(image)), label

    made = []

    def first() -> int:
        made.append(torch.utils.data.DataLoader(Files(), BATCH, shuffle=True, num_workers=workers))
        return second()

    def second() -> int:
        return sum(len(labels) for _, labels in made[0])

    return first, second


def timed(epoch: Epoch) -> dict[str, float]:
    """Images a second, and microseconds of processor time an image."""
    start, before = time.perf_counter(), processor_seconds()
    count = epoch()
    seconds, worked = time.perf_counter() - start, processor_seconds() - before
    return {
        "images": count,
        "images_a_second": count / seconds,
        "processor_microseconds_an_image": 1e6 * worked / count,
    }


def read(reader: str, folder: str) -> dict[str, dict[str, float] | float]:
    """Two epochs in this process."""
    with tempfile.TemporaryDirectory() as data_dir:
        if reader == "helpers":
            first, second, again = with_helpers(folder, data_dir)
        elif reader == "keras":
            first, second = with_keras(folder, data_dir)
        else:
            first, second = with_torch(folder, int(reader.split()[1]))
        result = {"first_epoch": timed(first), "second_epoch": timed(second)}
        result["peak_megabytes"] = peak_megabytes()
        if reader == "helpers":
            result["second_load"] = timed(again)
    return result


# ------------------------------------------------------------------------------ all of them


def run_alone(*arguments: str) -> str:
    command = [sys.executable, __file__, *arguments]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    finished = subprocess.run(command, capture_output=True, text=True, env=environment)
    if finished.returncode:
        raise RuntimeError(finished.stderr)
    return finished.stdout


def first_images(source: Path, target: Path, count: int) -> None:
    """Copy the first images of every class, `count` in all, as the class folders have them."""
    classes = [sorted(place.iterdir()) for place in sorted(source.iterdir()) if place.is_dir()]
    turns: Iterator[Path] = (
        files[turn]
        for turn in range(max(map(len, classes)))
        for files in classes
        if turn < len(files)
    )
    for file, _ in zip(turns, range(count), strict=False):
        (target / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / file.parent.name / file.name)


def lay_out(source: Path | None, target: str, count: int) -> None:
    if source is None:
        run_alone("--lay-out", target, "--images", str(count))
    else:
        first_images(source, Path(target), count)


def bring_into_memory(folder: Path) -> None:
    """Read every file once: the system keeps it, and no reader waits for the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            file.read_bytes()


def spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 1),
        "lowest": round(min(values), 1),
        "highest": round(max(values), 1),
    }


def measure(images: int = IMAGES, repeats: int = REPEATS, source: Path | None = None) -> dict:
    """Read that many images with every reader, that many times, and say what it took.

    Args:
        images: how many files; the memory is measured with a quarter and a half of them too.
        repeats: how often each reader runs.
        source: a folder with one sub-folder of images a class. Default: CIFAR-10 as JPEG files.

    Returns:
        For every reader the images a second and the processor time an image, in the first and
        in the second epoch, each as median, lowest and highest; how many times as fast as
        the fastest of the others the helpers were, in each repeat; and the peak memory of the
        helpers.
    """
    runs: dict[str, list[dict]] = {reader: [] for reader in READERS}
    memory = []
    for share in MEMORY_SHARES:
        with tempfile.TemporaryDirectory() as folder:
            lay_out(source, folder, images // share)
            peaks = []
            for _ in range(repeats):
                for reader in READERS if share == 1 else ("helpers",):
                    bring_into_memory(Path(folder))
                    run = json.loads(run_alone("--read", reader, folder))
                    if share == 1:
                        runs[reader].append(run)
                    if reader == "helpers":
                        peaks.append(run["peak_megabytes"])
            memory.append({"images": images // share, "peak_megabytes": spread(peaks)})
    table = {reader: summary(of_reader) for reader, of_reader in runs.items()}
    return {
        "images": "CIFAR-10 as JPEG files of quality 90" if source is None else source.name,
        "files": images,
        "repeats": repeats,
        "readers": table,
        "times_as_fast_as_the_fastest_other": {
            epoch: [
                ratio({reader: of[turn] for reader, of in runs.items()}, epoch)
                for turn in range(repeats)
            ]
            for epoch in ("first_epoch", "second_epoch")
        },
        "memory_of_helpers": memory,
    }


def summary(runs: list[dict]) -> dict:
    return {
        what: {
            name: spread([run[what][name] for run in runs])
            for name in ("images_a_second", "processor_microseconds_an_image")
        }
        for what in ("first_epoch", "second_epoch", "second_load")
        if what in runs[0]
    } | {"peak_megabytes": spread([run["peak_megabytes"] for run in runs])}


def ratio(turn: dict, epoch: str) -> float:
    """How many times as fast as the fastest other the helpers were in this turn of all readers."""
    speeds = {reader: run[epoch]["images_a_second"] for reader, run in turn.items()}
    ours = speeds.pop("helpers")
    return round(ours / max(speeds.values()), 2)


def show(result: dict) -> None:
    print(f"{result['files']:,} files, {result['repeats']} runs each: medians")
    print(f"{'':18}{'first epoch':>24}{'second epoch':>24}{'peak':>9}")
    print(f"{'':18}" + 2 * f"{'images/s':>12}{'CPU us each':>12}" + f"{'MB':>9}")
    for reader, row in result["readers"].items():
        print(f"{reader:18}", end="")
        for epoch in ("first_epoch", "second_epoch"):
            for name in ("images_a_second", "processor_microseconds_an_image"):
                print(f"{row[epoch][name]['median']:12,.0f}", end="")
        print(f"{row['peak_megabytes']['median']:9,.0f}")
    print("times as fast as the fastest other:", result["times_as_fast_as_the_fastest_other"])
    for row in result["memory_of_helpers"]:
        print(f"{row['images']:7,} images: peak {row['peak_megabytes']['median']:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="one sub-folder of images a class")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--lay-out", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.read:
        print(json.dumps(read(*asked.read)))
        return
    if asked.lay_out:
        write_images(Path(asked.lay_out), asked.images)
        return
    result = measure(asked.images, asked.repeats, asked.folder)
    # Only now: they load TensorFlow, and a child's peak memory begins with that of its parent.
    from machine import processor

    from helpers.basics.memory import usable_cores

    result |= {
        "processor": processor(),
        "cores": usable_cores(),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
    }
    show(result)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
