"""How much memory may still be taken, and how many cores: of the machine, of its groups."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from helpers.basics import memory
from helpers.basics.memory import available_memory, peak_memory, usable_cores

MEGABYTE = 1_000_000
HUGE = 9_223_372_036_854_771_712  # what the first version of cgroups says for "no limit"
UNIFIED = "30 23 0:26 {root} {place} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
FIRST = "33 31 0:31 {root} {place}/{kind} rw - cgroup cgroup rw,{kind}\n"


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """Gives a function that makes up what Linux says of the groups that this process is in."""

    def write(own: str, mounts: str, files: dict[str, object], root: str = "/") -> None:
        place = tmp_path / "cgroup folder"
        for name, text in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(f"{text}\n")
        (tmp_path / "cgroup").write_text(own)
        named = {"root": root, "place": str(place).replace(" ", "\\040")}
        lines = [line.format(**named, kind=kind) for line, kind in mounts]
        (tmp_path / "mountinfo").write_text(
            "".join(["22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", *lines])
        )
        monkeypatch.setattr(memory, "GROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(memory, "MOUNTS", tmp_path / "mountinfo")

    return write


@pytest.fixture
def second(groups):
    """The same for the second version of cgroups alone, as most systems have it today."""
    return lambda own, files, **root: groups(f"0::{own}\n", [(UNIFIED, "")], files, **root)


@pytest.fixture
def first(groups):
    """The same for the first version, with one folder a kind, and the second beside it, empty."""
    mounts = [(FIRST, "memory"), (FIRST, "cpu"), (UNIFIED, "")]
    lines = "4:memory:{0}\n3:cpuset:/\n2:cpu,cpuacct:{0}\n1:name=systemd:/\n0::/\n"
    return lambda own, files, **root: groups(lines.format(own), mounts, files, **root)


def megabytes(folder: str, most: object, used: int, copies: int = 0) -> dict[str, object]:
    """The files of a group in the second version."""
    most = most if isinstance(most, str) else most * MEGABYTE
    return {
        f"{folder}memory.max": most,
        f"{folder}memory.current": used * MEGABYTE,
        f"{folder}memory.stat": f"anon 7\ninactive_file {copies * MEGABYTE}\nactive_file 8",
    }


def megabytes_first(folder: str, most: int, used: int, copies: int = 0) -> dict[str, object]:
    """The files of a group in the first version."""
    folder = f"memory/{folder}"
    return {
        f"{folder}memory.limit_in_bytes": most * MEGABYTE,
        f"{folder}memory.usage_in_bytes": used * MEGABYTE,
        f"{folder}memory.stat": f"inactive_file 7\ntotal_inactive_file {copies * MEGABYTE}",
    }


def is_that_of_the_machine(free: int) -> bool:
    return free == pytest.approx(psutil.virtual_memory().available, rel=0.2)


class TestNoLimit:
    def test_in_no_group_it_is_what_the_machine_has_free(self, second):
        second("/", {})
        assert is_that_of_the_machine(available_memory())

    def test_where_nobody_knows_of_groups(self, groups, tmp_path):
        groups("", [], {})
        assert is_that_of_the_machine(available_memory())
        groups("0::/\n", [("22 1 8:1 cut off\n", "")], {})
        assert is_that_of_the_machine(available_memory())
        (tmp_path / "mountinfo").unlink()
        assert is_that_of_the_machine(available_memory())

    def test_a_group_without_a_limit_changes_nothing(self, second):
        second("/", megabytes("", "max", 100))
        assert is_that_of_the_machine(available_memory())

    def test_nor_does_the_huge_number_of_the_first_version(self, first):
        files = {"limit_in_bytes": HUGE, "usage_in_bytes": 5, "memsw.limit_in_bytes": HUGE}
        first("/", {f"memory/memory.{name}": value for name, value in files.items()})
        assert is_that_of_the_machine(available_memory())

    @pytest.mark.parametrize("content", ["", "a lot", "12 \x00"])
    @pytest.mark.parametrize("name", ["max", "current"])
    def test_files_that_say_nothing_change_nothing(self, second, name, content):
        second("/", megabytes("", 300, 100) | {f"memory.{name}": content})
        assert is_that_of_the_machine(available_memory())


class TestTheSecondVersion:
    def test_a_container_allows_less(self, second):
        second("/", megabytes("", 300, 100))
        assert available_memory() == 200 * MEGABYTE

    def test_copies_of_files_are_given_back_when_asked(self, second):
        second("/", megabytes("", 300, 100, 40))
        assert available_memory() == 240 * MEGABYTE

    def test_a_full_container_has_nothing_left_and_not_less(self, second):
        second("/", megabytes("", 100, 101))
        assert available_memory() == 0

    @pytest.mark.parametrize("content", [None, "", "inactive_file a lot"])
    def test_without_its_statistics_its_limit_holds_all_the_same(self, second, tmp_path, content):
        files = megabytes("", 300, 100)
        files["memory.stat"] = content or ""
        second("/", files)
        if content is None:
            (tmp_path / "cgroup folder" / "memory.stat").unlink()
        assert available_memory() == 200 * MEGABYTE

    @pytest.mark.parametrize("limited", ["user.slice/", "user.slice/job/", ""])
    def test_every_group_around_it_counts(self, second, limited):
        """systemd's slices and SLURM's jobs set their limits somewhere on the way."""
        files = megabytes("user.slice/job/step/", "max", 1) | megabytes("user.slice/job/", 900, 1)
        second("/user.slice/job/step", files | megabytes(limited, 300, 200))
        assert available_memory() == 100 * MEGABYTE

    def test_groups_beside_it_do_not(self, second):
        second("/job", megabytes("job/", 300, 100) | megabytes("other/", 300, 299))
        assert available_memory() == 200 * MEGABYTE

    def test_where_processes_are_slowed_down_is_a_limit_too(self, second):
        second("/", megabytes("", 900, 100) | {"memory.high": 300 * MEGABYTE})
        assert available_memory() == 200 * MEGABYTE

    def test_in_a_container_that_sees_only_its_own_folder(self, second):
        """As Docker does it where the names of groups are those of the machine outside."""
        second("/docker/1f", megabytes("", 300, 100), root="/docker/1f")
        assert available_memory() == 200 * MEGABYTE

    def test_and_in_a_group_of_its_own_inside(self, second):
        second("/docker/1f/job", megabytes("job/", 300, 100), root="/docker/1f")
        assert available_memory() == 200 * MEGABYTE

    def test_a_name_with_colons(self, second):
        second("/a.slice:cri:1f", megabytes("a.slice:cri:1f/", 300, 100))
        assert available_memory() == 200 * MEGABYTE

    @pytest.mark.parametrize("own", ["/../../elsewhere", "/elsewhere"])
    def test_a_group_that_cannot_be_seen_from_here(self, second, own):
        second(own, megabytes("", 300, 100), root="/docker/1f" if own == "/elsewhere" else "/")
        assert available_memory() == 200 * MEGABYTE


class TestTheFirstVersion:
    def test_a_container_allows_less(self, first):
        first("/", megabytes_first("", 300, 100, 40))
        assert available_memory() == 240 * MEGABYTE

    @pytest.mark.parametrize("limited", ["slurm/", "slurm/job/", ""])
    def test_every_group_around_it_counts(self, first, limited):
        files = megabytes_first("slurm/job/step/", 900, 1) | megabytes_first(limited, 300, 200)
        first("/slurm/job/step", files)
        assert available_memory() == 100 * MEGABYTE

    def test_memory_and_swap_together_are_a_limit_too(self, first):
        names = {"limit_in_bytes": 350 * MEGABYTE, "usage_in_bytes": 340 * MEGABYTE}
        swapped = {f"memory/memory.memsw.{name}": value for name, value in names.items()}
        first("/", megabytes_first("", 300, 100) | swapped)
        assert available_memory() == 10 * MEGABYTE

    def test_in_a_container_that_sees_only_its_own_folder(self, first):
        first("/docker/1f", megabytes_first("", 300, 100), root="/docker/1f")
        assert available_memory() == 200 * MEGABYTE


def test_a_process_may_be_allowed_less():
    """In a process of its own: the limit holds for the rest of its life."""
    code = """
import resource
import numpy, psutil
from helpers.basics.memory import available_memory
room = 500_000_000
most = psutil.Process().memory_info().vms + room
resource.setrlimit(resource.RLIMIT_AS, (most, most))
left = available_memory()
assert 400_000_000 < left <= room, left
numpy.zeros(int(0.8 * left), "uint8")
try:
    numpy.zeros(int(1.2 * left), "uint8")
except MemoryError:
    print("as said")
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.stdout == "as said\n", finished.stderr


def test_on_linux_the_peak_is_that_of_this_process_alone(monkeypatch, tmp_path):
    """What getrusage says begins with the memory of the process that started this one."""
    status = tmp_path / "status"
    status.write_text("VmPeak:\t   90000 kB\nVmHWM:\t   7000 kB\nVmRSS:\t   6000 kB\n")
    monkeypatch.setattr(memory, "STATUS", status)
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=80_000))
    assert peak_memory() == 7_000 * 1024


@pytest.mark.parametrize(("system", "unit"), [("linux", 1024), ("darwin", 1)])
def test_the_most_that_was_taken_is_said_in_bytes(monkeypatch, system, unit):
    """Each system counts it in another unit."""
    monkeypatch.setattr(memory, "STATUS", Path("none"))
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=7_000))
    assert peak_memory() == 7_000 * unit


# -------------------------------------------------------------------------------- cores


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.usefixtures("eight_cores")
class TestCores:
    def test_without_a_limit_all(self, second):
        second("/", {"cpu.max": "max 100000"})
        assert usable_cores() == 8

    def test_those_given_to_the_process(self, second, monkeypatch):
        second("/", {})
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 6}, raising=False)
        assert usable_cores() == 3

    @pytest.mark.parametrize(
        ("quota", "cores"),
        [("400000 100000", 4), ("150000 100000", 2), ("1000 100000", 1), ("25000 50000", 1),
         ("999900000 100000", 8), ("0 100000", 8), ("", 8), ("100000", 8), ("half", 8)],
    )  # fmt: skip
    def test_processor_time_that_may_be_taken(self, second, quota, cores):
        second("/", {"cpu.max": quota})
        assert usable_cores() == cores

    @pytest.mark.parametrize("limited", ["", "a.slice/", "a.slice/job/"])
    def test_every_group_around_it_counts(self, second, limited):
        files = {"a.slice/job/cpu.max": "max 100000", "a.slice/cpu.max": "700000 100000"}
        second("/a.slice/job", files | {f"{limited}cpu.max": "200000 100000"})
        assert usable_cores() == 2

    @pytest.mark.parametrize("limited", ["", "slurm/", "slurm/job/"])
    @pytest.mark.parametrize(("quota", "cores"), [(200_000, 2), (-1, 8)])
    def test_in_the_first_version(self, first, limited, quota, cores):
        folder = f"cpu/{limited}cpu.cfs_"
        first("/slurm/job", {f"{folder}quota_us": quota, f"{folder}period_us": 100_000})
        assert usable_cores() == cores

    def test_where_nobody_knows_of_groups(self, monkeypatch):
        monkeypatch.setattr(memory, "GROUPS", Path("/not/there"))
        assert usable_cores() == 8


@pytest.mark.skipif(sys.platform != "linux", reason="counted in another way elsewhere")
class TestPeak:
    def test_it_is_that_of_the_process_alone(self):
        """And not that of the one that started it."""
        ballast = b"1" * 300_000_000
        program = (
            "from helpers.basics.memory import peak_memory\n"
            "print(peak_memory(), len(b'1' * 100_000_000), peak_memory())"
        )
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        before, taken, after = map(int, run.stdout.split())
        assert before < len(ballast) / 2
        assert 0.9 * taken < after - before < 1.3 * taken

    def test_where_the_system_does_not_tell(self, monkeypatch, tmp_path):
        import resource

        for place in (tmp_path / "none", tmp_path / "empty"):
            if place.name == "empty":
                place.write_text("")
            monkeypatch.setattr(memory, "STATUS", place)
            assert memory.peak_memory() == 1024 * resource.getrusage(0).ru_maxrss
