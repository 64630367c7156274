"""Real processes that train and keep, killed at random moments, then started again.

KILLS in the environment says how many kills each test makes. Processes that train are forked
from one that has loaded TensorFlow and run nothing, so that each is there in no time.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from helpers import ImageDataset, Split, quiet_tensorflow, train
from helpers.basics.files import written_whole
from helpers.training.checkpoints import Checkpoint, CheckpointFolder

KILLS = int(os.environ.get("KILLS", "16"))
EPOCHS = 12
KEPT_ONLY = 1_000_000  # epochs of a process that keeps without training: more than it reaches

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL and fork are of POSIX systems")


# ------------------------------------------------------------- what runs in the processes


def tiny_dataset() -> ImageDataset:
    classes, numbers = ("a", "b", "c"), np.random.default_rng(0)

    def split(name: str, count: int) -> Split:
        images = numbers.integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)
        return Split(name, images, np.arange(count) % 3, classes, "noise")

    parts = {name: split(name, count) for name, count in (("train", 64), ("validation", 30))}
    return ImageDataset("noise", **parts, test=split("test", 3), class_names=classes,
                        image_shape=(8, 8, 1), source="noise")  # fmt: skip


def random_model():
    """All that makes going on hard: augmentation, batch norm, dropout; Adam, from `train`."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomFlip(),
            layers.Flatten(),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3),
        ]
    )


def report_each_save(report: Path) -> None:
    """Let CheckpointFolder.save write a line before, and a line when the epoch is kept."""
    save = CheckpointFolder.save
    descriptor = os.open(report, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def reporting(self, checkpoint):
        os.write(descriptor, f"saving {checkpoint.epoch}\n".encode())
        save(self, checkpoint)
        os.write(descriptor, f"kept {checkpoint.epoch}\n".encode())

    CheckpointFolder.save = reporting


def train_to_the_end(folder: str, seed: str) -> None:
    """What a killed process was at, and what is started again: the same call each time."""
    report_each_save(Path(f"{folder}.report"))
    model = random_model()
    run = train(model, tiny_dataset(), epochs=EPOCHS, batch_size=16, patience=1_000,
                seed=int(seed), progress=False, resume=folder)  # fmt: skip
    with written_whole(Path(f"{folder}.end.npz")) as temporary, temporary.open("wb") as file:
        variables = [*model.variables, *model.optimizer.variables]
        arrays = {f"{number}": variable.numpy() for number, variable in enumerate(variables)}
        np.savez(file, history=json.dumps(dict(run.history)), **arrays)


def only_keep(folder: str, seed: str) -> None:
    """No training: one checkpoint after the other, as fast as the disk takes them."""
    report_each_save(Path(f"{folder}.report"))
    checkpoints = CheckpointFolder(Path(folder))
    with checkpoints.locked():
        newest, _ = checkpoints.newest()
        for epoch in range(newest.epoch + 1 if newest else 0, KEPT_ONLY):
            arrays = {"numbers": np.full(5_000, epoch)}
            checkpoints.save(Checkpoint(epoch, arrays, {"epoch": epoch}))


def serve() -> None:
    """Fork a process for each line of the input, say its number; collect the ended ones."""
    with quiet_tensorflow():
        import keras  # noqa: F401
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        process = os.fork()
        if process:
            print(process, flush=True)
            continue
        status = 1
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            {"train": train_to_the_end, "keep": only_keep}[name](*arguments)
            status = 0
        except BaseException:
            Path(f"{arguments[0]}.error").write_text(traceback.format_exc(), encoding="utf-8")
        os._exit(status)


# --------------------------------------------------------------------- the side that kills


class Server:
    """Starts processes in no time: `serve` in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parent.parent,
        )  # fmt: skip
        self.lock = threading.Lock()
        assert self.process.stdout.readline() == "ready\n"

    def start(self, *command: str) -> int:
        with self.lock:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
            return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def server():
    server = Server()
    with server.process:  # closes its streams, and so ends it
        yield server


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for_the_end(process: int) -> None:
    deadline = time.monotonic() + 120
    while runs(process):
        assert time.monotonic() < deadline, "a process hangs"
        time.sleep(0.002)


def lines(report: Path) -> list[str]:
    return report.read_text().splitlines() if report.exists() else []


def kill_at_random(process: int, report: Path, chance: random.Random, longest: float) -> str:
    """Kill it, half of the time while it saves; say where that hit it."""
    before = len(lines(report))
    if chance.random() < 0.5:
        time.sleep(chance.uniform(0, longest))
    else:  # shortly after the report of a certain save
        saves = chance.randint(1, 6)
        deadline = time.monotonic() + 120
        while runs(process) and time.monotonic() < deadline:
            if sum(line.startswith("saving") for line in lines(report)[before:]) >= saves:
                break
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.005))
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return "after the end"
    wait_for_the_end(process)
    said = lines(report)[before:]
    if not said:
        return "while starting"
    return "while saving" if said[-1].startswith("saving") else "while training"


def check_nothing_is_lost(folder: Path) -> None:
    """What had been reported as kept is there and whole; at most one epoch is lost."""
    said = [line.split() for line in lines(Path(f"{folder}.report"))]
    kept = max((int(epoch) for word, epoch in said if word == "kept"), default=-1)
    begun = max((int(epoch) for word, epoch in said if word == "saving"), default=-1)
    newest, damaged = CheckpointFolder(folder).newest() if folder.exists() else (None, [])
    found = newest.epoch if newest else -1
    assert damaged == []
    assert kept <= found <= begun
    assert begun - found <= 1


def no_error(folder: Path) -> None:
    error = Path(f"{folder}.error")
    assert not error.exists(), error.read_text()


def end_of(folder: Path) -> dict[str, bytes]:
    """Every bit of the model, of its optimizer and of the history."""
    with np.load(f"{folder}.end.npz", allow_pickle=False) as arrays:
        return {name: array.tobytes() for name, array in arrays.items()}


class Killer:
    """Kills trainings of one seed, each again and again until it finishes."""

    def __init__(self, server: Server, folder: Path, seed: int, kills: int):
        self.server, self.folder, self.seed, self.kills = server, folder, seed, kills
        self.hits: Counter[str] = Counter()
        self.finished = 0

    def train(self, folder: Path) -> int:
        return self.server.start("train", str(folder), str(self.seed))

    def work(self) -> Killer:
        chance = random.Random(self.seed)
        started = time.monotonic()
        wait_for_the_end(self.train(self.folder / "undisturbed"))
        no_error(self.folder / "undisturbed")
        longest = 0.8 * (time.monotonic() - started)
        expected = end_of(self.folder / "undisturbed")
        while self.killed < self.kills:
            folder = self.folder / f"training_{self.finished}"
            while not Path(f"{folder}.end.npz").exists():
                process = self.train(folder)
                if self.killed < self.kills:
                    report = Path(f"{folder}.report")
                    self.hits[kill_at_random(process, report, chance, longest)] += 1
                else:
                    wait_for_the_end(process)
                no_error(folder)
                check_nothing_is_lost(folder)
            found = end_of(folder)
            assert found.keys() == expected.keys()
            assert [name for name in expected if found[name] != expected[name]] == []
            self.finished += 1
        return self

    @property
    def killed(self) -> int:
        return self.hits.total() - self.hits["after the end"]


@pytest.mark.slow
def test_a_training_that_is_killed_again_and_again_ends_as_the_undisturbed_one(
    server, tmp_path, capsys
):
    with ThreadPoolExecutor(2) as two:
        killers = [
            Killer(server, tmp_path / f"seed_{seed}", seed, -(-KILLS // 2)) for seed in (1, 2)
        ]
        for killer in killers:
            killer.folder.mkdir()
        started = time.monotonic()
        killers = list(two.map(Killer.work, killers))
    hits = sum((killer.hits for killer in killers), Counter())
    finished = sum(killer.finished for killer in killers)
    with capsys.disabled():
        print(
            f"\n{sum(killer.killed for killer in killers)} kills of trainings {dict(hits)}; "
            f"{finished} trainings of {EPOCHS} epochs finished, each bit for bit as undisturbed; "
            f"{time.monotonic() - started:.0f} s"
        )
    assert sum(killer.killed for killer in killers) >= KILLS
    if KILLS >= 50:
        assert min(hits[f"while {doing}"] for doing in ("starting", "training", "saving")) > 0


def test_a_process_that_keeps_and_is_killed_loses_nothing_that_it_reported(
    server, tmp_path, capsys
):
    chance, hits, folder = random.Random(3), Counter(), tmp_path / "kept"
    for _ in range(KILLS):
        process = server.start("keep", str(folder), "0")
        hits[kill_at_random(process, Path(f"{folder}.report"), chance, 0.1)] += 1
        no_error(folder)
        check_nothing_is_lost(folder)
        newest, _ = CheckpointFolder(folder).newest() if folder.exists() else (None, [])
        if newest:
            np.testing.assert_array_equal(newest.arrays["numbers"], np.full(5_000, newest.epoch))
    with capsys.disabled():
        print(f"\n{hits.total()} kills of a process that only keeps: {dict(hits)}")
    assert hits["after the end"] == 0
    leftovers = [path.name for path in folder.glob(".*.part.*")]
    assert len(leftovers) <= 1  # of the last kill; each start removes those before


if __name__ == "__main__":
    serve()
