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
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.basics.arguments import check_whole
from helpers.basics.errors import CheckpointError, CourseError, UsageError, WorkersError
from helpers.basics.files import as_path, written_whole
from helpers.basics.memory import peak_memory
from helpers.basics.quiet import quiet_tensorflow
from helpers.datasets.augment import Augmentation
from helpers.datasets.batches import make_batches
from helpers.datasets.dataset import ImageDataset, Split
from helpers.training.checkpoints import Checkpoint, CheckpointFolder
from helpers.training.sameness import split_digest
from helpers.workers.ending import end_at_once, end_with_launcher, other_is_gone, words_of
from helpers.workers.meeting import Meeting, link_of, meet
from helpers.workers.place import Place
from helpers.workers.state import packed, read_state, unpacked, write_state

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    import torch

REPORT = "worker_{rank}.json"
PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "torch", "numpy")
COURSE = Path(__file__).parents[1]
MAY_GROW = "epochs"  # the one setting that may be another when a training goes on


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
        UsageError: the environment says something that cannot be, or JSON cannot hold the settings.

    Introduced in lesson 8.
    """
    place = Place.of_this_process()
    end_with_launcher(place.rank)
    worker = Worker(place, as_path(folder), settings, wait)
    with contextlib.ExitStack() as closing:
        try:
            if place.rank == 0:
                closing.enter_context(worker.kept_in.locked())
            worker.join(dataset)
            yield worker
            worker.note(done=True, peak_megabytes=round(peak_memory() / 1e6))
        except BaseException as error:
            # Where it is no fault of the course's kind, another start may do better.
            hopeless = isinstance(error, CourseError)
            worker.note(fault=words_of(error), gone=other_is_gone(error), hopeless=hopeless)
            if place.count == 1:
                raise
            end_at_once(place.rank, error)


class Worker:
    """One of the workers that train together.

    Attributes:
        rank: its number, from 0.
        count: how many there are.
        folder: of this training, on this worker's machine.
    """

    def __init__(self, place: Place, folder: Path, settings: Mapping[str, Any], wait: float):
        self.place, self.folder, self.wait = place, folder, wait
        self.rank, self.count = place.rank, place.count
        self.settings = json.loads(_as_json("settings", dict(settings)))
        self.kept_in = CheckpointFolder(folder / "epochs")
        self._report_in = folder / REPORT.format(rank=place.rank)
        self._report: dict[str, Any] = {
            "rank": place.rank, "count": place.count, "start": place.start, "job": place.job,
            "pid": os.getpid(),
        }  # fmt: skip
        self._meeting = Meeting((), b"")
        self._kept: Checkpoint | None = None
        self._training: dict[str, Any] = {}  # what makes it this training and no other

    def join(self, dataset: ImageDataset) -> None:
        """Meet the others, and take over how far the training is.

        Introduced in lesson 8.
        """
        self.note()
        self._training = {
            **{name: value for name, value in self.settings.items() if name != MAY_GROW},
            "the training images": split_digest(dataset.train),
            "the validation images": split_digest(dataset.validation),
        }
        self._kept = self._newest()
        facts = self.settings | self._training | _surroundings()
        epoch = self._kept.epoch if self._kept else 0
        state = b"" if self.rank else packed(self._kept)
        self._meeting = meet(self.place, facts, state, epoch=epoch, wait=self.wait)
        # gloo would take the link of this machine's own name, which others may not reach.
        if self.count > 1 and (link := link_of(self._meeting.addresses[self.rank])):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", link)
        self._kept = unpacked(self._meeting.state)
        self.note(epoch=self._kept.epoch if self._kept else 0)

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
            f"Expected all workers to begin within {self.wait:g} seconds. Received: one that "
            "went after all had met. Look at what the others printed, then start again."
        )
        watch = threading.Timer(self.wait, self._give_up, [missing])
        watch.start()
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        finally:
            watch.cancel()

    def store(self) -> torch.distributed.Store:
        """Where workers of PyTorch find each other, for `torch.distributed.init_process_group`.

        The launcher has one for all starts, and the addresses of the start before are still in
        it: so each meeting has a part of its own. The number of the start would not do: each
        machine's launcher counts for itself. Where worker 0 does not open it in time, PyTorch
        says so.

        Introduced in lesson 8.
        """
        from torch.distributed import PrefixStore, TCPStore

        by_launcher = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        opens = self.rank == 0 and not by_launcher
        longest = datetime.timedelta(seconds=self.wait)
        store = TCPStore(self.place.host, self.place.port, is_master=opens, timeout=longest)
        return PrefixStore(self._meeting.name, store)

    def _give_up(self, error: WorkersError) -> None:
        self.note(fault=str(error), gone=True)
        end_at_once(self.rank, error)

    def batches(
        self,
        split: Split,
        batch_size: int,
        epoch: int,
        *,
        seed: int = 0,
        augment: Sequence[Augmentation] = (),
    ) -> Iterator[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
        """This worker's part of each batch, in the order of the epoch, and how many it has whole.

        Gives (images, labels, whole): uint8 (some, height, width, channels), int64 (some,), and
        the number of images that all workers have together. The other arguments are those of
        `make_batches`.

        Raises:
            UsageError: a batch has fewer images than there are workers: synchronised batch norm
                cannot do with a part that is empty.

        Introduced in lesson 8.
        """
        import tensorflow as tf

        check_whole("batch_size", batch_size)
        last = len(split) % batch_size or batch_size
        if min(last, len(split)) < self.count:
            raise UsageError(
                f"Expected at least one image for each of {self.count} workers in every batch. "
                f"Received: a last batch of {min(last, len(split))}, of {len(split):,} images in "
                f"batches of {batch_size}. Choose another batch size, or fewer workers."
            )
        parts = make_batches(
            split, batch_size, shuffle=True, seed=seed, first_epoch=epoch,
            share=(self.rank, self.count), augment=augment,
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
            write_state(variables, self._kept.part("state"))
            first = self._kept.epoch
        for epoch in range(first, epochs):
            yield epoch
            # All read: where TensorFlow has to bring a variable together, all have to take part.
            arrays = {f"state/{n}": array for n, array in enumerate(read_state(variables))}
            if not self.rank:
                self.kept_in.save(Checkpoint(epoch + 1, arrays, {"training": self._training}))
            self.note(epoch=epoch + 1)

    def note(self, **values: Any) -> None:
        """Write something into this worker's report, which `start_workers` reads.

        Args:
            values: by their names: numbers, texts, and lists of them.

        Raises:
            UsageError: JSON cannot hold one of them.

        Introduced in lesson 8.
        """
        _as_json("what a worker notes", values)
        self._report |= values | {"at": time.time()}
        # A report is no reason to end a training.
        with contextlib.suppress(OSError), written_whole(self._report_in) as temporary:
            temporary.write_text(json.dumps(self._report))

    def _newest(self) -> Checkpoint | None:
        """What the folder on this worker's disk holds of this training."""
        if not self.kept_in.folder.is_dir():
            return None
        found, useless = self.kept_in.newest(lambda kept: kept.facts["training"] is not None)
        for words in useless:
            print(f"The checkpoint {words}. The one before it is whole.")
        if not found:
            return None
        before = found.facts["training"]
        other = [name for name, value in self._training.items() if before.get(name) != value]
        if other:
            raise CheckpointError(
                f"Expected in {self.kept_in} the training that is asked for. Received: one with "
                f"another {', another '.join(other)}. Choose another folder, or delete this one."
            )
        return found


def _as_json(name: str, values: Mapping[str, Any]) -> str:
    try:
        return json.dumps(values)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"Expected {name} as JSON can hold it: numbers, texts, lists of them. Received: "
            f"{error}. Make plain numbers of arrays with `.tolist()`."
        ) from None


def _surroundings() -> dict[str, str]:
    """What has to be the same, or the workers would compute something else, or not talk."""
    found = {"Python": platform.python_version().rpartition(".")[0]}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package.removesuffix("-cpu")] = importlib.metadata.version(package)
    with contextlib.suppress(OSError):  # there is none
        found["the script"] = _digest([Path(sys.argv[0])])
    found["the course's code"] = _digest(_modules())
    return found


def _modules() -> list[Path]:
    """Without what editors, JupyterLab and macOS lay beside them under a hidden name."""
    files = {path: path.relative_to(COURSE).parts for path in COURSE.rglob("*.py")}
    return sorted(
        path for path, parts in files.items() if not any(part.startswith(".") for part in parts)
    )


def _digest(files: Sequence[Path]) -> str:
    """The same for the same text, however a system ends its lines."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:16]
