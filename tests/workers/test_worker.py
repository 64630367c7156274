"""What a worker does beside its training: alone in this process, and two as real processes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers.basics.errors import CheckpointError, StorageError, UsageError
from helpers.basics.memory import peak_memory
from helpers.training.checkpoints import CheckpointFolder
from helpers.workers import ending, join_workers, start_workers, worker
from helpers.workers.place import Place
from helpers.workers.start import _free_ports
from helpers.workers.state import write_state

SCRIPTS = Path(__file__).resolve().parents[2] / "notebooks"
SETTINGS = {"seed": 0, "rate": 0.5, "epochs": 3}


def report(folder: Path, rank: int = 0) -> dict:
    return json.loads((folder / f"worker_{rank}.json").read_text())


def trained(dataset, folder, epochs, settings=SETTINGS, fails_in=None):
    """Adds 1 in each epoch to a variable that stands for all that a training changes."""
    variable = keras.Variable(np.zeros(3, "float32"))
    with join_workers(dataset, settings, folder) as one:
        for epoch in one.epochs([variable], epochs):
            if epoch == fails_in:
                raise ZeroDivisionError
            variable.assign_add(np.ones(3, "float32"))
    return variable.numpy().tolist()


class TestAlone:
    def test_the_epochs_are_kept_and_go_on(self, dataset, tmp_path):
        assert trained(dataset, tmp_path, 2) == [2, 2, 2]
        assert trained(dataset, tmp_path, 5) == [5, 5, 5]
        assert report(tmp_path)["epoch"] == 5
        assert trained(dataset, tmp_path, 5) == [5, 5, 5]

    def test_a_stop_in_an_epoch_costs_that_epoch_alone(self, dataset, tmp_path):
        with pytest.raises(ZeroDivisionError):
            trained(dataset, tmp_path, 4, fails_in=2)
        assert trained(dataset, tmp_path, 4) == [4, 4, 4]

    def test_tensors_of_pytorch_are_kept_too(self, dataset, tmp_path):
        torch = pytest.importorskip("torch")
        for epochs in (1, 3):
            weight = torch.nn.Parameter(torch.zeros(2))
            with join_workers(dataset, SETTINGS, tmp_path) as one:
                for _ in one.epochs([weight], epochs):
                    weight.data += 1
            assert weight.tolist() == [epochs, epochs]

    @pytest.mark.parametrize("name", ["seed", "rate"])
    def test_a_folder_of_other_settings_is_refused(self, dataset, tmp_path, name):
        trained(dataset, tmp_path, 1)
        with pytest.raises(CheckpointError, match=rf"Received: one with another {name}\."):
            trained(dataset, tmp_path, 2, {**SETTINGS, name: 7})
        assert trained(dataset, tmp_path, 2) == [2, 2, 2]

    def test_more_epochs_are_no_other_training(self, dataset, tmp_path):
        trained(dataset, tmp_path, 1)
        assert trained(dataset, tmp_path, 2, {**SETTINGS, "epochs": 7}) == [2, 2, 2]

    @pytest.mark.parametrize("of_torch", [False, True])
    def test_a_network_of_other_shapes_is_refused(self, dataset, tmp_path, of_torch):
        trained(dataset, tmp_path, 1)
        other = keras.Variable(np.zeros((2, 3)))
        if of_torch:
            other = pytest.importorskip("torch").zeros(2, 3)
        with (
            pytest.raises(CheckpointError, match=r"shapes \(2, 3\)\. Received: 1, \(3,\)"),
            join_workers(dataset, SETTINGS, tmp_path) as one,
        ):
            next(one.epochs([other], 2))

    def test_of_many_shapes_the_first_three_are_named(self):
        three = [keras.Variable(np.zeros(n, "float32")) for n in (1, 2, 3)]
        shapes = r"\(1,\), \(2,\), \(3,\)"
        with pytest.raises(CheckpointError, match=rf"3 variables of the shapes {shapes}\. Rec"):
            write_state(three, [])
        with pytest.raises(
            CheckpointError, match=rf"4 variables of the shapes {shapes}, \.\.\.\. R"
        ):
            write_state([*three, three[0]], [])

    def test_and_one_of_other_images(self, dataset, make_dataset, tmp_path):
        trained(dataset, tmp_path, 1)
        with pytest.raises(CheckpointError, match="another the training images"):
            trained(make_dataset(train=25), tmp_path, 2)

    def test_a_folder_in_the_home_is_found(self, dataset, tmp_path, monkeypatch):
        for name in ("HOME", "USERPROFILE"):
            monkeypatch.setenv(name, str(tmp_path))
        with join_workers(dataset, SETTINGS, "~/run") as one:
            assert one.folder == tmp_path / "run"

    def test_two_trainings_into_one_folder_are_refused(self, dataset, tmp_path):
        with (
            join_workers(dataset, SETTINGS, tmp_path),
            pytest.raises(CheckpointError, match="only program that trains into"),
        ):
            trained(dataset, tmp_path, 1)

    def test_a_full_disk_is_said_and_earlier_epochs_stay(self, dataset, tmp_path, monkeypatch):
        trained(dataset, tmp_path, 1)

        def full(self, checkpoint):
            raise StorageError("the disk is full")

        with monkeypatch.context() as patched, pytest.raises(StorageError, match="is full"):
            patched.setattr(CheckpointFolder, "save", full)
            trained(dataset, tmp_path, 2)
        assert report(tmp_path)["fault"] == "the disk is full"
        assert trained(dataset, tmp_path, 2) == [2, 2, 2]

    def test_its_report_says_what_it_noted_and_its_memory(self, dataset, tmp_path):
        with join_workers(dataset, SETTINGS, tmp_path) as one:
            one.note(right=7)
        noted = report(tmp_path)
        assert (noted["rank"], noted["count"], noted["right"], noted["done"]) == (0, 1, 7, True)
        assert noted["peak_megabytes"] == pytest.approx(peak_memory() / 1e6, rel=0.2)

    def test_its_report_says_how_far_it_is_from_the_first_moment(self, dataset, tmp_path):
        for epochs in (0, 2):
            trained(dataset, tmp_path, epochs)
            with join_workers(dataset, SETTINGS, tmp_path):
                assert report(tmp_path)["epoch"] == epochs

    def test_an_epoch_that_was_damaged_is_said(self, dataset, tmp_path, capsys):
        trained(dataset, tmp_path, 2)
        [newest] = (tmp_path / "epochs").glob("epoch_00002_*")
        newest.write_bytes(b"damaged")
        assert trained(dataset, tmp_path, 2) == [2, 2, 2]
        assert f"The checkpoint {newest.name} was changed" in (said := capsys.readouterr().out)
        assert said.endswith("The one before it is whole.\n")

    def test_it_looks_whether_the_one_who_started_it_is_there(self, dataset, tmp_path, monkeypatch):
        looks = []
        monkeypatch.setattr(worker, "end_with_launcher", looks.append)
        trained(dataset, tmp_path, 1)
        assert looks == [0]

    def test_it_says_what_has_to_be_the_same(self, dataset, tmp_path, monkeypatch):
        script = tmp_path / "script.py"
        script.write_text("pass")
        monkeypatch.setattr(sys, "argv", [str(script), "x"])
        said = []

        def meets(place, facts, state, **others):
            assert report(folder)["pid"] == os.getpid()  # known while it waits for the others
            said.append((facts, others["epoch"]))
            return worker.Meeting((), state)

        monkeypatch.setattr(worker, "meet", meets)
        folder = tmp_path / "run"
        for epochs in (0, 2, 2):
            trained(dataset, folder, epochs)
        assert [epoch for _, epoch in said] == [0, 0, 2]
        facts = said[0][0]
        assert facts["Python"] == ".".join(map(str, sys.version_info[:2]))
        assert facts["keras"] == keras.__version__
        assert facts["the script"] == hashlib.sha256(b"pass\0").hexdigest()[:16]
        assert facts["seed"] == SETTINGS["seed"]

    def test_another_state_of_the_course_is_no_other_end_of_lines(self, tmp_path, monkeypatch):
        """git ends lines as a system does. What a module says counts, and which there are."""
        monkeypatch.setattr(worker, "COURSE", tmp_path)
        monkeypatch.setattr(sys, "argv", ["-c"])  # no script
        said = []
        (tmp_path / ".ipynb_checkpoints").mkdir()
        for name, text in [
            ("a", b"1\n2\n"), ("a", b"1\r\n2\r\n"), ("._a", b"\xff"),
            (".ipynb_checkpoints/a-checkpoint", b"0"), ("a", b"1\n"), ("b", b"2\n"),
        ]:  # fmt: skip
            (tmp_path / f"{name}.py").write_bytes(text)
            found = worker._surroundings()
            assert "the script" not in found
            said.append(found["the course's code"])
        assert len({*said[:4]}) == 1
        assert len({*said}) == 3

    def test_what_json_cannot_hold_is_refused(self, dataset, tmp_path):
        with join_workers(dataset, SETTINGS, tmp_path) as one:
            with pytest.raises(UsageError, match="what a worker notes .* float32 .*tolist"):
                one.note(loss=np.float32(1), right=3)
            one.note(seen=2)
        assert report(tmp_path).keys() & {"loss", "right", "seen", "done"} == {"seen", "done"}
        with (
            pytest.raises(UsageError, match="Expected settings as JSON .* set "),
            join_workers(dataset, {"seeds": {1}}, tmp_path),
        ):
            pass

    def test_a_report_that_cannot_be_written_ends_no_training(self, dataset, tmp_path, monkeypatch):
        def full(path):
            raise StorageError("the disk is full")

        monkeypatch.setattr(worker, "written_whole", full)
        assert trained(dataset, tmp_path, 1) == [1, 1, 1]

    def test_one_worker_alone_needs_no_engine(self, dataset, tmp_path):
        with join_workers(dataset, SETTINGS, tmp_path) as one:
            assert one.strategy() is tf.distribute.get_strategy()


def of_count(monkeypatch, dataset, tmp_path, rank: int, count: int):
    """A worker of several that has met nobody."""
    one = worker.Worker(Place(rank, count), tmp_path / str(rank), SETTINGS, wait=1)
    met = worker.Meeting([f"127.0.0.1:{n}" for n in range(count)], b"", "meeting")
    monkeypatch.setattr(worker, "meet", lambda *_, **__: met)
    one.join(dataset)
    return one


def test_gloo_gets_the_link_where_worker_0_was_reached(monkeypatch, dataset, tmp_path):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "")  # so that it is as before after this test
    monkeypatch.delenv("GLOO_SOCKET_IFNAME")
    of_count(monkeypatch, dataset, tmp_path, 0, 1)
    assert "GLOO_SOCKET_IFNAME" not in os.environ
    of_count(monkeypatch, dataset, tmp_path, 1, 2)
    assert os.environ["GLOO_SOCKET_IFNAME"].startswith("lo")


@pytest.mark.parametrize("begins", [True, False])
def test_one_that_goes_after_all_have_met_is_not_waited_for(monkeypatch, dataset, tmp_path, begins):
    """TensorFlow would wait without end; when all are there, nothing ends later."""
    ends = []
    monkeypatch.setenv("TF_CONFIG", "")  # so that it is as before after this test
    monkeypatch.setattr(worker, "end_at_once", lambda *said: ends.append(said))
    seconds = 0 if begins else 0.4
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda: time.sleep(seconds))
    one = of_count(monkeypatch, dataset, tmp_path, 0, 2)
    one.wait = 0.1
    one.strategy()
    time.sleep(0.3 if begins else 0)
    noted = report(tmp_path / "0")
    assert noted.get("gone", False) == (not begins)
    assert [rank for rank, _ in ends] == [] if begins else [0]
    assert begins or "went after all had met" in noted["fault"] == str(ends[0][1])


@pytest.mark.parametrize("by_launcher", ["True", "False", None])
def test_worker_0_opens_the_store_where_the_launcher_has_not(
    monkeypatch, dataset, tmp_path, by_launcher
):
    distributed = pytest.importorskip("torch.distributed")
    opens, names = [], []

    def store(host, port, *, is_master, timeout):
        opens.append((port, is_master, timeout.total_seconds()))

    monkeypatch.setattr(distributed, "TCPStore", store)
    monkeypatch.setattr(distributed, "PrefixStore", lambda name, _: names.append(name))
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    if by_launcher:
        monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", by_launcher)
    for rank in range(2):
        of_count(monkeypatch, dataset, tmp_path, rank, 2).store()
    assert opens == [(29_400, by_launcher != "True", 1), (29_400, False, 1)]
    assert names == ["meeting"] * 2


class TestBatches:
    def of(self, monkeypatch, dataset, tmp_path, count, size, epoch=0):
        """What each worker gets of an epoch, batch by batch."""
        return [
            list(of_count(monkeypatch, dataset, tmp_path, rank, count).batches(
                dataset.train, size, epoch, seed=3
            ))
            for rank in range(count)
        ]  # fmt: skip

    @pytest.mark.parametrize("count", [2, 3, 4])
    @pytest.mark.parametrize("size", [10, 24, 100])
    def test_together_they_are_the_batches_of_one(
        self, monkeypatch, dataset, tmp_path, count, size
    ):
        [whole] = self.of(monkeypatch, dataset, tmp_path, 1, size)
        parts = self.of(monkeypatch, dataset, tmp_path, count, size)
        for number, (images, labels, whole_count) in enumerate(whole):
            mine = [part[number] for part in parts]
            assert {int(one[2]) for one in mine} == {int(whole_count)} == {len(labels)}
            assert np.array_equal(np.concatenate([one[0] for one in mine]), images)
            assert np.array_equal(np.concatenate([one[1] for one in mine]), labels)
            sizes = [len(one[1]) for one in mine]
            assert max(sizes) - min(sizes) <= 1

    def test_each_epoch_has_an_order_of_its_own(self, monkeypatch, dataset, tmp_path):
        first, second = (
            self.of(monkeypatch, dataset, tmp_path, 1, 24, epoch)[0][0][0] for epoch in (0, 1)
        )
        assert not np.array_equal(first, second)

    def test_they_may_be_augmented(self, monkeypatch, dataset, tmp_path):
        one = of_count(monkeypatch, dataset, tmp_path, 0, 1)
        black = [lambda images, random: images * 0]
        images, *_ = next(one.batches(dataset.train, 24, 0, augment=black))
        assert not np.asarray(images).any()

    def test_their_order_is_that_of_seed_0_where_none_is_given(
        self, monkeypatch, dataset, tmp_path
    ):
        one = of_count(monkeypatch, dataset, tmp_path, 0, 1)
        images, expected = (
            next(one.batches(dataset.train, 24, 0, **given))[0] for given in ({}, {"seed": 0})
        )
        assert np.array_equal(images, expected)

    @pytest.mark.parametrize(("count", "size"), [(25, 24), (3, 22), (5, 10)])
    def test_fewer_images_than_workers_are_refused(
        self, monkeypatch, dataset, tmp_path, count, size
    ):
        one = of_count(monkeypatch, dataset, tmp_path, 0, count)
        with pytest.raises(UsageError, match=f"one image for each of {count} workers"):
            next(one.batches(dataset.train, size, 0))

    @pytest.mark.parametrize("size", [0, -1, 1.5, "8", True, None])
    def test_what_is_no_batch_size_is_refused(self, monkeypatch, dataset, tmp_path, size):
        one = of_count(monkeypatch, dataset, tmp_path, 0, 2)
        with pytest.raises(UsageError, match="batch_size"):
            next(one.batches(dataset.train, size, 0))


class TestEnd:
    @pytest.mark.parametrize(
        ("error", "gone"),
        [
            (tf.errors.UnavailableError(None, None, "Socket closed"), True),
            (tf.errors.AbortedError(None, None, "x"), True),
            (RuntimeError("[gloo/transport] Connection closed by peer [127.0.0.1]:5"), True),
            (RuntimeError("of the reader's own: a photo timed out"), False),
            (KeyboardInterrupt(), False),
            (StorageError("the disk is full"), False),
            (ZeroDivisionError("division by zero"), False),
        ],
    )
    def test_a_worker_of_several_says_why_and_ends(
        self, dataset, tmp_path, monkeypatch, capfd, error, gone
    ):
        """It does not wait for the others, as TensorFlow would when Python exits."""
        ends = []
        monkeypatch.setattr(ending.os, "_exit", ends.append)
        monkeypatch.setenv("RANK", "1")
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("MASTER_PORT", "29400")
        met = worker.Meeting(["127.0.0.1:1", "127.0.0.1:2"], b"")
        monkeypatch.setattr(worker, "meet", lambda *_, **__: met)
        with join_workers(dataset, SETTINGS, tmp_path):
            raise error
        assert ends == [1]
        noted = report(tmp_path, 1)
        assert noted["gone"] == gone
        assert noted["hopeless"] == isinstance(error, StorageError)
        expected = "another one that stopped or no longer answers" if gone else str(error)
        assert expected in noted["fault"]
        printed = capfd.readouterr().err
        assert "Worker 1: " in printed
        assert str(error) in printed  # of one that is gone, too: the reason may be another

    def test_it_ends_also_where_its_words_find_no_room(self, monkeypatch):
        ends = []

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(ending.os, "_exit", ends.append)
        monkeypatch.setattr(ending.sys.stdout, "flush", full)
        with pytest.raises(OSError, match="No space"):
            ending.end_at_once(1, StorageError("x"))
        assert ends == [1]


def run(folder, *settings, workers, script="several_workers.py"):
    return start_workers(SCRIPTS / script, *settings, folder=folder, workers=workers, restarts=0)


def test_two_workers_learn_what_one_learns_with_sgd(tmp_path):
    """Adam would hide gradients that are summed twice: lesson 8 has it, and batch norm."""
    settings = ("--optimizer", "sgd", "--rate", 0.1, "--floatx", "float64", "--images", 331)
    with ThreadPoolExecutor() as threads:
        one, two = threads.map(
            lambda workers: run(tmp_path / str(workers), *settings, workers=workers), (1, 2)
        )
    alone = np.load(tmp_path / "1" / "weights_0.npy")
    for rank in range(2):
        assert np.abs(np.load(tmp_path / "2" / f"weights_{rank}.npy") - alone).max() < 1e-12
    assert np.allclose(one.reports[0]["losses"], two.reports[1]["losses"], rtol=0, atol=1e-12)
    assert one.reports[0]["right"] == two.reports[0]["right"] == two.reports[1]["right"]
    epoch, kept = says(two.output)
    assert re.fullmatch(r"Epoch 1 of 1: mean loss \d\.\d{4}, \d+\.\d seconds", epoch)
    of_images = np.average(two.reports[0]["losses"], weights=[64] * 5 + [11])
    assert float(epoch.split()[6][:-1]) == pytest.approx(of_images, abs=1e-4)
    assert kept == f"What was kept is in {(tmp_path / '2').resolve()}"


def says(output: Path) -> list[str]:
    """What the scripts printed, without what their packages do."""
    lines = output.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith(("Epoch", "What was kept"))]


@pytest.mark.slow
def test_workers_of_pytorch_train_whatever_their_launchers_count(tmp_path):
    """Each machine's torchrun counts for itself: after one came anew, they differ."""
    pytest.importorskip("torch")
    port, started = _free_ports(), []
    for rank in range(2):
        place = {
            "RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
            "TORCHELASTIC_RESTART_COUNT": rank, "OMP_NUM_THREADS": 1,
        }  # fmt: skip
        environment = os.environ | {name: str(value) for name, value in place.items()}
        given = ["--images", "128", "--folder", tmp_path / str(rank)]
        command = [sys.executable, SCRIPTS / "several_workers_torch.py", *given]
        with (tmp_path / f"{rank}.txt").open("wb") as output:
            started.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output))
    try:
        assert [process.wait(100) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
            process.wait()
    weights = [np.load(tmp_path / str(n) / f"weights_{n}.npy") for n in range(2)]
    np.testing.assert_array_equal(*weights)
    epoch, kept = says(tmp_path / "0.txt")
    assert epoch.startswith("Epoch 1 of 1: mean loss")
    assert kept == f"What was kept is in {(tmp_path / '0').resolve()}"
    assert says(tmp_path / "1.txt") == []


@pytest.mark.slow
@pytest.mark.parametrize("script", ["several_workers.py", "several_workers_torch.py"])
def test_one_that_freezes_in_an_epoch_is_given_up_and_all_go_on(tmp_path, script):
    if "torch" in script:
        pytest.importorskip("torch")
    folder = tmp_path / "run"

    def freeze():
        while not (folder / "worker_0.json").exists() or report(folder).get("epoch", 0) < 1:
            time.sleep(0.02)
        os.kill(report(folder, 1)["pid"], signal.SIGSTOP)

    with ThreadPoolExecutor() as threads:
        frozen = threads.submit(freeze)
        outcome = start_workers(SCRIPTS / script, "--images", 2_000, "--epochs", 8, folder=folder)
        frozen.result()
    assert outcome.starts == 2
    weights = [np.load(folder / f"weights_{rank}.npy") for rank in range(2)]
    np.testing.assert_array_equal(*weights)
