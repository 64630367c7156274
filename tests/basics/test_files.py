"""Files that are written whole or not at all, and what is said of a disk that takes nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from permissions import closed, ordinary_user

from helpers.basics import files
from helpers.basics.errors import MissingFileError, StorageError, UsageError
from helpers.basics.files import (
    as_path,
    check_free_space,
    file_lock,
    forget_pages,
    sha256,
    storage_errors_in_words,
    written_whole,
)
from helpers.datasets.downloads import one_at_a_time
from helpers.training.checkpoints import CheckpointFolder


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_path("~/photos") == tmp_path / "photos"
    assert as_path("photos/~") == Path("photos/~")
    assert as_path("~nobody-of-this-name/photos") == Path("~nobody-of-this-name/photos")


@pytest.mark.parametrize(
    "asked", [None, 3, 2.5, b"photos", ["photos"], "", "a\0b", "\ud800", Path("a\0b")]
)
def test_what_is_no_path_is_said_in_words(asked):
    with pytest.raises(UsageError) as raised:
        as_path(asked)
    assert str(raised.value).startswith(
        f"Expected a path, as text in quotes. Received: {asked!r}. Give the name of a file or"
    )
    assert len(str(raised.value)) < 200


@pytest.mark.skipif(os.name == "nt", reason="there they are paths like any other")
@pytest.mark.parametrize(
    "asked",
    [r"C:\Users\me\photos", r"..\photos", r"scratch\cnn.keras", r"\\server\photos", "D:/photos"],
)
def test_a_path_of_windows_is_known_elsewhere(asked):
    """Else what is saved there would become a file of this very name."""
    with pytest.raises(MissingFileError, match="as Windows writes it") as raised:
        as_path(asked)
    assert repr(asked) in str(raised.value)


def test_a_name_with_a_backslash_is_a_name_where_there_is_such_a_file(tmp_path):
    path = tmp_path / r"a\b"
    path.mkdir()
    assert as_path(path) == path


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def closed_folder(tmp_path):
    """A folder that everybody may look into and nobody may write into."""
    folder = tmp_path / "closed"
    folder.mkdir()
    with closed(folder):
        yield folder


@pytest.fixture
def small_disk():
    """A device that takes nothing more: what Linux keeps to test exactly this."""
    path = Path("/dev/full")
    assert path.is_char_device()
    return path


# -------------------------------------------------------------------------- written_whole


class TestWrittenWhole:
    def test_a_new_file(self, tmp_path):
        path = tmp_path / "new" / "folder" / "notes.txt"
        with written_whole(path) as temporary:
            temporary.write_text("new")
            assert not path.exists()
        assert path.read_text() == "new"
        assert names_in(path.parent) == {"notes.txt"}

    def test_no_descriptor_is_left_open(self, tmp_path):
        before = len([*Path("/dev/fd").iterdir()])
        for _ in range(3):
            with written_whole(tmp_path / "notes.txt") as temporary:
                temporary.write_text("new")
        assert len([*Path("/dev/fd").iterdir()]) == before

    def test_the_old_file_stays_until_the_new_one_is_complete(self, tmp_path):
        path = tmp_path / "notes.txt"
        path.write_text("old")
        with written_whole(path) as temporary:
            temporary.write_text("new")
            assert path.read_text() == "old"
        assert path.read_text() == "new"

    def test_the_temporary_file_has_the_same_ending(self, tmp_path):
        """Keras and others choose the format by it."""
        with written_whole(tmp_path / "model.keras") as temporary:
            assert temporary.suffix == ".keras"
            assert temporary.parent == tmp_path  # renaming is one step only on one disk
            temporary.touch()

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_a_block_that_fails_changes_nothing(self, tmp_path, error):
        path = tmp_path / "notes.txt"
        path.write_text("old")
        with pytest.raises(error), written_whole(path) as temporary:
            temporary.write_text("ne")
            raise error
        assert path.read_text() == "old"
        assert names_in(tmp_path) == {"notes.txt"}

    def test_a_block_that_writes_nothing_is_an_error_and_changes_nothing(self, tmp_path):
        path = tmp_path / "notes.txt"
        path.write_text("old")
        with pytest.raises(FileNotFoundError), written_whole(path):
            pass
        assert path.read_text() == "old"

    @pytest.mark.parametrize("step", ["fsync", "replace"])
    def test_a_disk_that_is_full_at_the_last_step_changes_nothing(
        self, tmp_path, monkeypatch, step
    ):
        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        path = tmp_path / "notes.txt"
        path.write_text("old")
        monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), full)
        with pytest.raises(StorageError, match="the disk is full"), written_whole(path) as part:
            part.write_text("new")
        assert path.read_text() == "old"
        assert names_in(tmp_path) == {"notes.txt"}

    @pytest.mark.skipif(os.name != "posix", reason="Windows cannot sync a folder")
    def test_the_content_comes_to_the_disk_before_its_name_and_the_name_after(
        self, tmp_path, monkeypatch
    ):
        path, synced, sync = tmp_path / "notes.txt", [], os.fsync

        def noted(descriptor):
            is_folder = os.path.samestat(os.fstat(descriptor), tmp_path.stat())
            synced.append(("folder" if is_folder else "file", path.exists()))
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", noted)
        with written_whole(path) as temporary:
            temporary.write_text("new")
        assert synced == [("file", False), ("folder", True)]

    def test_a_disk_that_is_really_full_is_said_in_words(self, tmp_path, small_disk):
        path = tmp_path / "notes.txt"
        path.write_text("old")
        message = (
            f"Expected room on the disk for {path}. Received: the disk is full. What was there "
            "before is unchanged. Delete what you no longer need, then try again."
        )
        with pytest.raises(StorageError) as raised, written_whole(path) as temporary:
            temporary.symlink_to(small_disk)
            temporary.write_text("new")
        assert str(raised.value) == message
        assert path.read_text() == "old"
        assert names_in(tmp_path) == {"notes.txt"}

    def test_a_folder_where_nothing_may_be_written(self, closed_folder):
        path = closed_folder / "notes.txt"
        message = f"Expected to be allowed to write {path}. Received: Permission denied. Choose a"
        with (
            pytest.raises(StorageError, match=message),
            ordinary_user(reaching=path),
            written_whole(path) as temporary,
        ):
            temporary.write_text("new")
        assert names_in(closed_folder) == set()

    def test_a_folder_that_cannot_be_made(self, closed_folder):
        path = closed_folder / "inner" / "notes.txt"
        with (
            pytest.raises(StorageError, match="Expected to be allowed"),
            ordinary_user(reaching=closed_folder),
            written_whole(path),
        ):
            pass

    def test_what_a_killed_process_left_is_removed_and_nothing_else(self, tmp_path):
        ended, here = subprocess.Popen([sys.executable, "-c", ""]), files._where()
        ended.wait()
        others = {
            f".{ended.pid}-{here}-0a1b.part.other.txt",
            f".{os.getppid()}-{here}-0a1b.part.notes.txt",
            f".{ended.pid}-{here}-0a1b.notes.txt",
            "notes.txt",
        }
        earlier_version = f".{ended.pid}.part.notes.txt"
        for name in (*others, earlier_version, f".{ended.pid}-{here}-0a1b.part.notes.txt"):
            (tmp_path / name).write_text("half")
        with written_whole(tmp_path / "notes.txt") as temporary:
            temporary.write_text("new")
        assert names_in(tmp_path) == others

    def test_what_cannot_be_removed_is_no_obstacle(self, tmp_path, monkeypatch):
        """It may be another user's, in a folder that both may write to."""
        foreign = tmp_path / ".1-0-0.part.notes.txt"
        foreign.write_text("half")
        os.utime(foreign, (0, 0))
        (tmp_path / f".{2**40}.part.notes.txt").write_text("no process has such a number")
        unlink = Path.unlink

        def forbidden(path: Path, **options) -> None:
            if path == foreign:
                raise PermissionError(errno.EPERM, "Operation not permitted")
            unlink(path, **options)

        monkeypatch.setattr(Path, "unlink", forbidden)
        with written_whole(tmp_path / "notes.txt") as temporary:
            temporary.write_text("new")
        assert (tmp_path / "notes.txt").read_text() == "new"

    @pytest.mark.parametrize("path", ["", ".", "..", "/", "a\0.txt", "a\0/b.txt"])
    def test_what_is_no_name_of_a_file_is_said(self, path):
        refused = pytest.raises(UsageError, match="^Expected the name of a file. Received: '")
        with refused, written_whole(Path(path)):
            pass

    def test_names_with_brackets_are_names(self, tmp_path):
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        (tmp_path / f".{ended.pid}-{files._where()}-0a1b.part.run[1].txt").write_text("half")
        with written_whole(tmp_path / "run[1].txt") as temporary:
            temporary.write_text("new")
        assert names_in(tmp_path) == {"run[1].txt"}

    @pytest.mark.parametrize("elsewhere", ["another container", "another machine"])
    def test_what_another_machine_writes_stays_for_a_day(self, tmp_path, monkeypatch, elsewhere):
        """Its processes have numbers of their own: here none of that number runs."""
        path = tmp_path / "notes.txt"
        with monkeypatch.context() as patch:
            if elsewhere == "another container":
                patch.setattr(Path, "readlink", lambda _: Path("pid:[1]"))
            else:
                patch.setattr(Path, "read_text", lambda _: "another boot")
            patch.setattr(os, "getpid", lambda: 2**22 + 1)  # more than Linux ever gives
            with files.temporary_file(path) as written_there:
                patch.undo()
                written_there.write_text("half")
                with written_whole(path) as temporary:
                    temporary.write_text("new")
                assert written_there.read_text() == "half"
                os.utime(written_there, (0, time.time() - 90_000))
                with written_whole(path) as temporary:
                    temporary.write_text("new")
                assert names_in(tmp_path) == {"notes.txt"}

    def test_many_threads_may_write_one_file(self, tmp_path):
        path, failed = tmp_path / "notes.txt", []

        def write(text: str) -> None:
            try:
                for _ in range(25):
                    with written_whole(path) as temporary:
                        temporary.write_text(text)
            except OSError as error:
                failed.append(error)

        threads = [threading.Thread(target=write, args=(letter * 1000,)) for letter in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert path.read_text() in {letter * 1000 for letter in "abcd"}
        assert names_in(tmp_path) == {"notes.txt"}

    def test_a_folder_in_its_place_in_words(self, tmp_path):
        (tmp_path / "notes.txt").mkdir()
        with (
            pytest.raises(StorageError, match="notes.txt. Received: a folder of that name."),
            written_whole(tmp_path / "notes.txt") as temporary,
        ):
            temporary.write_text("new")
        assert names_in(tmp_path) == {"notes.txt"}

    def test_a_link_stays_a_link(self, tmp_path):
        (tmp_path / "there").mkdir()
        (tmp_path / "here").symlink_to(tmp_path / "there" / "file")
        for content in ("first", "second"):
            with written_whole(tmp_path / "here") as temporary:
                temporary.write_text(content)
            assert (tmp_path / "here").is_symlink()
            assert (tmp_path / "there" / "file").read_text() == content
        assert [path.name for path in (tmp_path / "there").iterdir()] == ["file"]

    def test_who_may_read_it_stays(self, tmp_path):
        path = tmp_path / "secret"
        path.write_text("old")
        path.chmod(0o600)
        with written_whole(path) as temporary:
            temporary.write_text("new")
        assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)


WRITER = """
import sys
from pathlib import Path
from helpers.basics.files import written_whole
path = Path(sys.argv[1])
number = 0
while True:
    number += 1
    with written_whole(path) as temporary, temporary.open("w") as file:
        for _ in range(200):
            file.write(f"{number}\\n" * 50)
            file.flush()
    print(number, flush=True)
"""


def test_a_killed_process_leaves_the_old_file_or_the_new_one(tmp_path):
    chance, path, caught_in_the_act = random.Random(0), tmp_path / "notes.txt", 0
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        said = ["1", *process.communicate()[0].split()]
        numbers = path.read_text().split()
        assert len(numbers) == 200 * 50
        assert len(set(numbers)) == 1
        assert int(numbers[0]) - int(said[-1]) in (0, 1)  # what it had said is there
        caught_in_the_act += len(names_in(tmp_path)) - 1
    assert caught_in_the_act > 0
    with written_whole(path) as temporary:
        temporary.write_text("new")
    assert names_in(tmp_path) == {"notes.txt"}


# ---------------------------------------------------------------- what the system says


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_in_words(number):
    with (
        pytest.raises(StorageError, match="Received: the disk is full. What was there before"),
        storage_errors_in_words(Path("notes.txt")),
    ):
        raise OSError(number, "as the system says it")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_place_that_is_closed_in_words(number):
    with (
        pytest.raises(StorageError, match="notes.txt. Received: as the system says it. Choose"),
        storage_errors_in_words(Path("notes.txt")),
    ):
        raise OSError(number, "as the system says it")


def test_a_file_or_a_dead_link_in_place_of_a_folder_in_words(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for place in ("file/model.keras", "file/models/model.keras", "link/model.keras"):
        with (
            pytest.raises(StorageError, match="where a file is in the way, or a link that leads"),
            written_whole(tmp_path / place),
        ):
            pass
    assert (tmp_path / "file").read_text() == "mine"


def test_a_name_that_is_too_long_in_words(tmp_path):
    path = tmp_path / ("x" * 300)
    with pytest.raises(StorageError) as raised, written_whole(path):
        pass
    assert str(raised.value) == (
        f"Expected a path that the system takes. Received: {path}, which is too long. "
        "Choose a shorter name."
    )


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "of the disk"), ValueError("mine"), StorageError("in words already")],
)
def test_other_errors_pass_as_they_are(error):
    with pytest.raises(type(error)) as raised, storage_errors_in_words(Path("notes.txt")):
        raise error
    assert raised.value is error


# ------------------------------------------------------------------------------ file_lock


def test_where_another_has_the_lock_it_is_asked_what_to_do(tmp_path):
    first, asked = file_lock(tmp_path / "lock", pytest.fail), []
    second = file_lock(tmp_path / "lock", asked.append)
    assert asked == [second]
    assert not second.is_locked
    first.release()
    file_lock(tmp_path / "lock", pytest.fail).release()


@pytest.mark.skipif(os.name == "nt", reason="the locks of POSIX")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_disk_that_knows_no_locks_is_used_without(tmp_path, monkeypatch, capsys, number):
    import fcntl

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock = file_lock(tmp_path / "lock", pytest.fail)
    assert capsys.readouterr().out == (
        f"The disk of {tmp_path} knows no locks: let no other program write there now.\n"
    )
    lock.release()
    with CheckpointFolder(tmp_path / "training").locked():
        pass
    with one_at_a_time(tmp_path / "archive"):
        pass
    assert capsys.readouterr().out.count("knows no locks") == 2


# ---------------------------------------------------------------------- check_free_space


def test_enough_free_space_is_nothing_to_speak_of(tmp_path):
    check_free_space(tmp_path / "not" / "there" / "yet", 1_000, "a test")
    assert names_in(tmp_path) == set()


def test_too_little_free_space_is_said_before_anything_is_written(tmp_path):
    message = (
        rf"Expected 1,000,000,000,000 MB of free disk for a test in {tmp_path}. "
        r"Received: [\d,]+ MB. Nothing was written. Delete what"
    )
    with pytest.raises(StorageError, match=message):
        check_free_space(tmp_path, 10**18, "a test")


def test_the_free_space_is_that_of_the_disk_of_the_folder(tmp_path, monkeypatch):
    asked = []

    def usage(place):
        asked.append(Path(place))
        return type("Usage", (), {"free": 2_000_000})

    monkeypatch.setattr(files.shutil, "disk_usage", usage)
    check_free_space(tmp_path / "new", 2_000_000, "a test")
    with pytest.raises(StorageError, match="Expected 3 MB .* Received: 2 MB"):
        check_free_space(Path("a_name_alone"), 3_000_000, "a test")
    assert asked == [tmp_path, Path()]


# --------------------------------------------------------------------------------- sha256


def test_the_hash_of_a_known_text(tmp_path):
    """The example of the standard: FIPS 180-2, appendix B.1."""
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_hash_of_a_large_file(tmp_path):
    content = random.Random(0).randbytes(3_000_001)
    (tmp_path / "large").write_bytes(content)
    assert sha256(tmp_path / "large") == hashlib.sha256(content).hexdigest()


# --------------------------------------------------------------------------- rows_of


@pytest.mark.parametrize(
    ("rows", "times"),
    [([], 0), ([3], 1), ([5, 0, 5, 2, 1], 2), (range(9), 1), ([8, 7, 6, 5, 4, 3], 1)],
)
@pytest.mark.parametrize("mode", [None, "r", "c"])
def test_rows_are_those_of_the_array(tmp_path, monkeypatch, rows, times, mode):
    """A few at a time, each time with its pages given back; all at once where they lie together."""
    given_back = []
    monkeypatch.setattr(files, "forget_pages", given_back.append)
    path = tmp_path / "rows"
    numbers = np.arange(60, dtype=np.uint8).reshape(10, 3, 2)
    path.write_bytes(numbers.tobytes())
    array = numbers if mode is None else np.memmap(path, np.uint8, mode, shape=numbers.shape)[:9]
    rows = np.array(rows, int)
    taken = files.rows_of(array, rows)
    np.testing.assert_array_equal(taken, numbers[rows], strict=True)
    assert len(given_back) == (times if mode == "r" else 0)


# --------------------------------------------------------------------------- forget_pages


def mapped_file(tmp_path, mode="r") -> np.memmap:
    path = tmp_path / "numbers"
    path.write_bytes(bytes(range(200)) * 100_000)  # 20 MB
    return np.memmap(path, np.uint8, mode)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pages counted as on Linux")
@pytest.mark.parametrize("part", [lambda array: array, lambda array: array[7:].reshape(-1, 1)[5:]])
def test_forgotten_pages_are_no_longer_counted_and_come_back(tmp_path, part):
    def megabytes() -> float:
        return psutil.Process().memory_info().shared / 1e6

    array = mapped_file(tmp_path)
    before, total = megabytes(), int(array.sum())
    assert megabytes() - before > 15
    forget_pages(part(array))
    assert megabytes() - before < 5
    assert int(array.sum()) == total


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_pages_that_were_written_to_are_kept(tmp_path, mode):
    array = mapped_file(tmp_path, mode)
    array[:10] = 77
    forget_pages(array)
    forget_pages(array[3:])
    assert array[:12].tolist() == [77] * 10 + [10, 11]


@pytest.mark.parametrize(
    "array", [np.arange(5), np.arange(5)[1:], np.frombuffer(b"abc", np.uint8), np.zeros(0)]
)
def test_an_array_without_a_file_has_no_pages_to_forget(array):
    before = array.tolist()
    forget_pages(array)
    assert array.tolist() == before


def test_where_the_system_knows_no_such_call_nothing_happens(tmp_path, monkeypatch):
    monkeypatch.delattr("mmap.MADV_DONTNEED", raising=False)
    forget_pages(mapped_file(tmp_path))
