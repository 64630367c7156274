"""What one worker does beside its training: join the others, share batches, keep epochs. Lesson 8.

    with join_workers(dataset, settings, folder="../scratch/several") as worker:
        strategy = worker.strategy()
        ...
        for epoch in worker.epochs([*model.variables, *optimizer.variables], epochs=3):
            for images, labels, whole in worker.batches(dataset.train, 64, epoch):
                step(images, labels, whole)

The same script runs on one worker alone. Worker 0 keeps the state of each epoch in its folder and
hands it out to all when they meet. So after a stop all go on from there, also a machine that
comes new, and no disk has to be shared.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.basics.errors import (
    CheckpointError,
    CourseError,
    UsageError,
    WorkersError,
    wrapped,
)
from helpers.basics.files import as_path, written_whole
from helpers.basics.memory import peak_memory
from helpers.basics.quiet import quiet_tensorflow
from helpers.datasets.batches import make_batches
from helpers.datasets.dataset import ImageDataset, Split
from helpers.training.checkpoints import Checkpoint, CheckpointFolder, assign, copies
from helpers.training.sameness import split_digest
from helpers.workers.meeting import Meeting, link_of, meet
from helpers.workers.place import Place

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    import torch

REPORT = "worker_{rank}.json"
# What TensorFlow's errors are called when another worker is gone, by where it was noticed, and
# what gloo, with which PyTorch's workers talk, calls it.
GONE = ("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError")
GONE_FOR_GLOO = re.compile("[Cc]onnection (closed|reset|refused)|[Tt]imed out|gloo")


@contextlib.contextmanager
def join_workers(
    dataset: ImageDataset,
    settings: Mapping[str, Any],
    folder: str | os.PathLike,
    *,
    wait: float = 60,
) -> Iterator[Worker]:
    """Meet the other workers, and give what this one is and has to do.

    It comes before anything is computed: TensorFlow wants to know of the others first. Where the
    block ends with an error, that is said in words, and this process ends at once, so that the
    launcher notices and starts all workers anew.

    Args:
        dataset: all workers need the same.
        settings: all else that has to be the same, by its name: seed, batch size, learning rate.
            JSON can hold it.
        folder: of this training alone. Worker 0 keeps the epochs there, each worker a report.
        wait: seconds until a worker that does not come is missing.

    Raises:
        UsageError: the environment says something that cannot be.

    Introduced in lesson 8.
    """
    place = Place.of_this_process()
    worker = Worker(place, as_path(folder))
    with contextlib.ExitStack() as closing:
        try:
            worker.note()
            if place.rank == 0:
                closing.enter_context(worker.kept_in.locked())
            worker.join(dataset, settings, wait)
            yield worker
            worker.note(done=True, peak_megabytes=round(peak_memory() / 1e6))
        except Exception as error:
            if place.count == 1:
                worker.note(fault=str(error))
                raise
            _end(worker, error)


class Worker:
    """One of the workers that train together.

    Attributes:
        rank: its number, from 0.
        count: how many there are.
    """

    def __init__(self, place: Place, folder: Path):
        self.place = place
        self.rank, self.count = place.rank, place.count
        self.kept_in = CheckpointFolder(folder / "epochs")
        self._report_in = folder / REPORT.format(rank=place.rank)
        self._report: dict[str, Any] = {
            "rank": place.rank, "count": place.count, "start": place.start, "pid": os.getpid(),
            "epoch": 0,
        }  # fmt: skip
        self._meeting: Meeting | None = None
        self._kept: Checkpoint | None = None
        self._settings: dict[str, Any] = {}

    def join(self, dataset: ImageDataset, settings: Mapping[str, Any], wait: float) -> None:
        self._settings = json.loads(json.dumps(dict(settings)))
        self._wait = wait
        facts = {
            **self._settings, **_versions(),
            "the training images": split_digest(dataset.train),
            "the validation images": split_digest(dataset.validation),
        }  # fmt: skip
        if not self.rank:
            self._kept = self._newest(facts)
        self._meeting = meet(self.place, facts, _packed(self._kept), wait=wait)
        # gloo would take the link of this machine's own name, which others may not reach.
        if self.count > 1 and (link := link_of(self._meeting.addresses[self.rank])):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", link)
        self._kept = _unpacked(self._meeting.state)
        self.note(epoch=self._kept.epoch if self._kept else 0)
        self._facts = facts

    def strategy(self) -> tf.distribute.Strategy:
        """TensorFlow's engine for this many workers: its own default one for a single worker.

        Raises:
            WorkersError: another worker went before it could begin.

        Introduced in lesson 8.
        """
        with quiet_tensorflow():
            import tensorflow as tf
        if self.count == 1:
            return tf.distribute.get_strategy()
        task = {"type": "worker", "index": self.rank}
        cluster = {"worker": list(self._meeting.addresses)}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
        # TensorFlow would wait without end for one that went since they met.
        missing = WorkersError(
            f"Expected all workers to begin within {self._wait:g} seconds. Received: one that "
            "went after all had met. Look at what the others printed, then start again."
        )
        watch = threading.Timer(self._wait, _end, (self, missing))
        watch.daemon = True
        watch.start()
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        finally:
            watch.cancel()

    def batches(
        self, split: Split, batch_size: int, epoch: int, *, seed: int = 0
    ) -> Iterator[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
        """This worker's part of each batch, in the order of the epoch, and how many it has whole.

        Gives (images, labels, whole): uint8 (some, height, width, channels), int64 (some,), and
        the number of images that all workers have together.

        Raises:
            UsageError: a batch has fewer images than there are workers.

        Introduced in lesson 8.
        """
        import tensorflow as tf

        last = len(split) % batch_size or batch_size
        if min(last, len(split)) < self.count:
            raise UsageError(
                f"Expected at least one image for each of {self.count} workers in every batch. "
                f"Received: a last batch of {min(last, len(split))}, of {len(split):,} images in "
                f"batches of {batch_size}. Choose another batch size, or fewer workers."
            )
        parts = make_batches(
            split, batch_size, shuffle=True, seed=seed, first_epoch=epoch,
            share=(self.rank, self.count),
        )  # fmt: skip
        for number, (images, labels) in enumerate(parts):
            whole = min(batch_size, len(split) - number * batch_size)
            yield images, labels, tf.constant(whole)

    def epochs(
        self, variables: Sequence[keras.Variable] | Sequence[torch.Tensor], epochs: int
    ) -> Iterator[int]:
        """The numbers of the epochs that are still to train, from 0; each is kept when it ends.

        Args:
            variables: all that a training changes, those of the model and of the optimizer:
                variables of Keras, or tensors of PyTorch.
            epochs: how many there are in all.

        Introduced in lesson 8.
        """
        first = 0
        if self._kept:
            _assign(variables, self._kept.part("state"))
            first = self._kept.epoch
        for epoch in range(first, epochs):
            self.note(epoch=epoch)
            yield epoch
            # All read: the running averages of batch norm are brought together by that.
            arrays = {f"state/{n}": array for n, array in enumerate(_copies(variables))}
            if not self.rank:
                self.kept_in.save(Checkpoint(epoch + 1, arrays, {"facts": self._facts}))
            self.note(epoch=epoch + 1)

    def note(self, **values: Any) -> None:
        """Write something into this worker's report, which `start_workers` reads.

        Introduced in lesson 8.
        """
        self._report |= values | {"at": time.time()}
        with written_whole(self._report_in) as temporary:
            temporary.write_text(json.dumps(self._report))

    def _newest(self, facts: Mapping[str, Any]) -> Checkpoint | None:
        """What the folder holds of this training."""
        found, useless = self.kept_in.newest(lambda kept: kept.facts["facts"] is not None)
        for words in useless:
            print(f"The checkpoint {words}. The one before it is whole.")
        if not found:
            return None
        before = found.facts["facts"]
        other = [
            n for n in facts if n in self._settings or "images" in n if before.get(n) != facts[n]
        ]
        if other:
            raise CheckpointError(
                f"Expected in {self.kept_in} the training that is asked for. Received: one with "
                f"another {', another '.join(other)}. Choose another folder, or delete this one."
            )
        return found


def _versions() -> dict[str, str]:
    """What has to be the same, or the workers would compute something else, or not talk."""
    import importlib.metadata

    names = ("keras", "tensorflow", "numpy")
    found = {}
    for name in names:
        for package in (name, f"{name}-cpu"):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                found[name] = importlib.metadata.version(package)
    return found


def _copies(variables: Sequence) -> list[np.ndarray]:
    if variables and hasattr(variables[0], "detach"):  # a tensor of PyTorch
        return [tensor.detach().numpy().copy() for tensor in variables]
    return copies(variables)


def _assign(variables: Sequence, arrays: Sequence[np.ndarray]) -> None:
    if variables and hasattr(variables[0], "detach"):
        for tensor, array in zip(variables, arrays, strict=True):
            tensor.detach().numpy()[...] = array
    else:
        assign(variables, arrays)


def _packed(kept: Checkpoint | None) -> bytes:
    if kept is None:
        return b""
    content = io.BytesIO()
    facts = np.frombuffer(json.dumps([kept.epoch, kept.facts]).encode(), np.uint8)
    np.savez(content, facts=facts, **kept.arrays)
    return content.getvalue()


def _unpacked(state: bytes) -> Checkpoint | None:
    if not state:
        return None
    with np.load(io.BytesIO(state), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    epoch, facts = json.loads(arrays.pop("facts").tobytes())
    return Checkpoint(epoch, arrays, facts)


def _end(worker: Worker, error: Exception) -> None:
    """Say what went wrong, and end: TensorFlow would wait for the others when Python exits."""
    by_gloo = isinstance(error, RuntimeError) and GONE_FOR_GLOO.search(str(error))
    if type(error).__name__ in GONE or by_gloo:
        words = (
            "Expected all workers to go on. Received: another one that stopped or no longer "
            "answers. What worker 0 kept of whole epochs is there: start again to go on."
        )
        gone = True
    else:
        words, gone = str(error), False
        if not isinstance(error, CourseError):
            traceback.print_exception(error)
    with contextlib.suppress(Exception):
        worker.note(fault=words, gone=gone)
    print(wrapped(f"Worker {worker.rank}: {words}"), file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1)
