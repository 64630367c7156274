"""Checkpoints: two generations, each whole or known to be damaged, in a folder of their own."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from permissions import closed, ordinary_user

from helpers.basics.errors import CheckpointError, StorageError
from helpers.training.checkpoints import Checkpoint, CheckpointFolder


def checkpoint(epoch: int) -> Checkpoint:
    return Checkpoint(epoch, {"model/0": np.full(1_000, epoch, np.float32)}, {"loss": [epoch]})


def content_of(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, but the file that is the lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def epochs_in(folder: Path) -> list[int]:
    return sorted(int(path.name.split("_")[1]) for path in folder.glob("epoch_*.npz"))


@pytest.fixture
def folder(tmp_path) -> CheckpointFolder:
    """A folder with the checkpoints of a training after its epochs 1 and 2."""
    folder = CheckpointFolder(tmp_path / "training")
    folder.folder.mkdir()
    for epoch in range(3):
        folder.save(checkpoint(epoch))
    return CheckpointFolder(folder.folder)


def newest_file(folder: CheckpointFolder) -> Path:
    return max(folder.folder.glob("epoch_*.npz"))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def flip_one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# ------------------------------------------------------------------------ what is kept


class TestSaving:
    def test_what_was_saved_comes_back(self, folder):
        arrays = {
            "a": np.arange(6, dtype=np.float32).reshape(2, 3),
            "b": np.array(7, np.int64),
            "c": np.array([], np.float16),
            "d": np.array([True, False]),
        }
        facts = {"history": {"loss": [0.1, 2e-300]}, "words": "nine äöü", "nothing": None}
        folder.newest()
        folder.save(Checkpoint(3, arrays, facts))
        found, damaged = CheckpointFolder(folder.folder).newest()
        assert (found.epoch, damaged, found.facts) == (3, [], facts)
        assert found.arrays.keys() == arrays.keys()
        for name, array in arrays.items():
            assert found.arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(found.arrays[name], array)

    def test_two_generations_are_kept(self, folder):
        assert epochs_in(folder.folder) == [1, 2]
        folder.newest()
        folder.save(checkpoint(3))
        assert epochs_in(folder.folder) == [2, 3]

    def test_an_empty_folder_has_none(self, tmp_path):
        assert CheckpointFolder(tmp_path).newest() == (None, [])

    def test_more_than_99999_epochs_are_in_order(self, folder):
        folder.newest()
        for epoch in (99_999, 100_000):
            folder.save(checkpoint(epoch))
        found, _ = CheckpointFolder(folder.folder).newest()
        assert found.epoch == 100_000

    def test_the_name_holds_the_hash_of_the_content(self, folder):
        path = newest_file(folder)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert path.name == f"epoch_00002_{digest[:32]}.npz"

    def test_nothing_in_it_can_run(self, folder):
        """Every member is a plain array: NumPy reads it with pickle forbidden."""
        with np.load(newest_file(folder), allow_pickle=False) as stored:
            assert {array.dtype.hasobject for array in stored.values()} == {False}
            assert set(stored.files) == {"facts", "model/0"}

    def test_bfloat16_keeps_its_bits(self, folder):
        import ml_dtypes

        numbers = np.array([1.5, -0.0, 3e38], ml_dtypes.bfloat16)
        folder.newest()
        folder.save(Checkpoint(3, {"a": numbers}, {}))
        found, _ = CheckpointFolder(folder.folder).newest()
        assert found.arrays["a"].tobytes() == numbers.tobytes()
        assert found.arrays["a"].view("bfloat16").dtype == numbers.dtype

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    def test_a_full_disk_leaves_the_earlier_ones(self, folder, monkeypatch, number):
        write = Path.write_bytes

        def half(path, content):
            write(path, bytes(content)[:100])
            raise OSError(number, "No space left on device")

        before = content_of(folder.folder)
        folder.newest()
        monkeypatch.setattr(Path, "write_bytes", half)
        with pytest.raises(StorageError, match="the disk is full. What was there before is unch"):
            folder.save(checkpoint(3))
        assert content_of(folder.folder) == before
        monkeypatch.undo()
        folder.save(checkpoint(3))
        assert epochs_in(folder.folder) == [2, 3]


class TestDamage:
    @pytest.mark.parametrize("damage", [cut, empty, flip_one_bit])
    def test_the_one_before_is_found_and_the_damaged_one_named(self, folder, damage):
        path = newest_file(folder)
        damage(path)
        found, damaged = folder.newest()
        assert (found.epoch, damaged) == (1, [f"{path.name} was changed after it was written"])
        np.testing.assert_array_equal(found.arrays["model/0"], np.full(1_000, 1))

    @pytest.mark.parametrize(
        ("put", "said"),
        [
            (lambda path: path.mkdir(), "is no file"),
            (lambda path: path.symlink_to("nowhere"), "is no file"),
            (lambda path: os.mkfifo(path), "is no file"),  # which nobody ever writes into
            (lambda path: path.write_text("by hand"), "was changed after it was written"),
            (lambda path: path.write_bytes(b""), "was changed after it was written"),
        ],
        ids=["folder", "broken link", "pipe", "made by hand", "empty"],
    )
    def test_one_that_is_none_is_passed_over(self, folder, put, said):
        odd = folder.folder / f"epoch_00009_{'a' * 32}.npz"
        put(odd)
        found, useless = folder.newest()
        assert (found.epoch, useless) == (2, [f"{odd.name} {said}"])
        folder.save(checkpoint(3))  # whatever lies there
        found, _ = CheckpointFolder(folder.folder).newest()
        assert found.epoch == 3

    @pytest.mark.parametrize(
        "content",
        [b"text", b"PK\x05\x06" + bytes(18), None],
        ids=["text", "an archive of nothing", "numbers without facts"],
    )
    def test_one_that_is_whole_but_holds_something_else(self, folder, content):
        if content is None:
            packed = io.BytesIO()
            np.savez(packed, numbers=np.arange(3))
            content = packed.getvalue()
        odd = folder.folder / f"epoch_00009_{hashlib.sha256(content).hexdigest()[:32]}.npz"
        odd.write_bytes(content)
        found, useless = folder.newest()
        said = f"{odd.name} does not hold what a training keeps"
        assert (found.epoch, useless) == (2, [said])

    def test_one_that_may_not_be_read(self, folder, monkeypatch):
        newest, read = newest_file(folder), Path.read_bytes

        def forbidden(path):
            if path == newest:
                raise PermissionError(errno.EACCES, "Permission denied")
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", forbidden)
        found, useless = folder.newest()
        said = f"{newest.name} cannot be read (Permission denied)"
        assert (found.epoch, useless) == (1, [said])

    def test_the_next_save_keeps_the_good_one_and_removes_the_damaged_one(self, folder):
        path = newest_file(folder)
        flip_one_bit(path)
        folder.newest()
        folder.save(Checkpoint(2, {"model/0": np.zeros(3)}, {"another": "content"}))
        assert not path.exists()
        assert epochs_in(folder.folder) == [1, 2]
        flip_one_bit(newest_file(folder))
        found, _ = CheckpointFolder(folder.folder).newest()
        assert found.epoch == 1

    def test_the_same_content_mends_the_damaged_one(self, folder):
        cut(newest_file(folder))
        folder.newest()
        folder.save(checkpoint(2))
        found, damaged = CheckpointFolder(folder.folder).newest()
        assert (found.epoch, damaged) == (2, [])

    def test_where_all_are_damaged_nothing_is_changed(self, folder):
        names = sorted((path.name for path in folder.folder.iterdir()), reverse=True)
        for name in names:
            flip_one_bit(folder.folder / name)
        before = content_of(folder.folder)
        with pytest.raises(CheckpointError) as raised:
            folder.newest()
        assert str(raised.value) == (
            f"Expected a whole checkpoint in {folder.folder}. Received: {names[0]} was changed "
            f"after it was written, {names[1]} was changed after it was written. Nothing was "
            "changed. Delete the folder to begin anew, or choose another."
        )
        assert content_of(folder.folder) == before


# ---------------------------------------------------------------------- whose folder it is


class TestTheFolder:
    def test_it_is_made_where_it_is_not_there(self, tmp_path):
        with CheckpointFolder(tmp_path / "new" / "training").locked():
            pass
        assert (tmp_path / "new" / "training").is_dir()

    @pytest.mark.parametrize(
        "stranger", ["notes.txt", "epoch_00003.npz", "epoch_00003_5891b5b522d5df08 (1).npz"]
    )
    def test_the_files_of_others_are_not_touched(self, tmp_path, stranger):
        folder = CheckpointFolder(tmp_path)
        (folder.folder / stranger).write_text("mine")
        before = content_of(folder.folder)
        with pytest.raises(CheckpointError) as raised, folder.locked():
            pass
        assert str(raised.value) == (
            "Expected an empty folder, or that of an earlier training, for the checkpoints. "
            f"Received: {folder.folder}, which holds {stranger!r}. Nothing was changed. "
            "Choose another folder."
        )
        assert content_of(folder.folder) == before

    def test_hidden_files_of_others_stay(self, folder):
        """Such as those that file managers leave; also where a name looks like a leftover."""
        hidden = [".DS_Store", ".my.part.of_the_work", ".12.part.notes.txt"]
        for name in hidden:
            (folder.folder / name).write_text("mine")
        with folder.locked():
            pass
        assert all((folder.folder / name).read_text() == "mine" for name in hidden)

    @pytest.mark.parametrize("inner", ["", "inner", "inner/most"])
    def test_a_file_in_the_way(self, tmp_path, inner):
        (tmp_path / "file").write_text("mine")
        place = tmp_path / "file" / inner
        with (
            pytest.raises(StorageError, match="Expected a folder for .* where a file is in"),
            CheckpointFolder(place).locked(),
        ):
            pass
        assert (tmp_path / "file").read_text() == "mine"

    @pytest.mark.parametrize("mode", [0o555, 0o000])
    @pytest.mark.parametrize("name", ["", "training"])
    def test_a_place_where_nothing_may_be_written(self, tmp_path, mode, name):
        folder = tmp_path / "closed"
        folder.mkdir()
        with (
            closed(folder, mode),
            ordinary_user(reaching=folder),
            pytest.raises(StorageError, match="Received: Permission denied. Choose a folder"),
            CheckpointFolder(folder / name).locked(),
        ):
            pass
        assert list(folder.iterdir()) == []

    def test_what_a_killed_save_left_is_removed(self, folder):
        leftover = folder.folder / f".{os.getpid()}.part.{newest_file(folder).name}"
        leftover.write_bytes(b"half")
        before = content_of(folder.folder)
        with folder.locked():
            pass
        assert content_of(folder.folder) == {
            name: content for name, content in before.items() if name != leftover.name
        }


HOLDER = """
import sys, time
from pathlib import Path
from helpers.training.checkpoints import CheckpointFolder
with CheckpointFolder(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(folder):
    """Another program, which trains into the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder.folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.communicate()


class TestTwoProgramsAtOnce:
    def test_the_second_is_refused_and_changes_nothing(self, folder, holder):
        leftover = folder.folder / f".{holder.pid}.part.{newest_file(folder).name}"
        leftover.write_bytes(b"what the other is writing now")
        before = content_of(folder.folder)
        with pytest.raises(CheckpointError) as raised, folder.locked():
            pass
        assert str(raised.value) == (
            f"Expected to be the only program that trains into {folder.folder}. Received: "
            "another one is at it, perhaps this notebook opened twice. Stop that one, or choose "
            "another folder."
        )
        assert content_of(folder.folder) == before

    def test_a_killed_program_holds_it_no_longer(self, folder, holder):
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with folder.locked():
            pass

    def test_nor_does_one_that_ended_or_failed(self, folder, holder):
        holder.communicate("")
        with pytest.raises(RuntimeError), folder.locked():
            raise RuntimeError
        with folder.locked():
            pass

    def test_the_same_program_twice_is_two(self, folder):
        with (
            folder.locked(),
            pytest.raises(CheckpointError, match="Expected to be the only program"),
            CheckpointFolder(folder.folder).locked(),
        ):
            pass
