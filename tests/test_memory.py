"""How much memory may still be taken: of the machine, of a container, of the process."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from helpers import memory

MEGABYTE = 1_000_000


@pytest.fixture
def container(monkeypatch, tmp_path):
    """Gives a function that writes what Linux says of a container's memory."""
    monkeypatch.setattr(memory, "CGROUP", tmp_path)

    def write(most: str, used: int, statistics: str) -> None:
        (tmp_path / "memory.max").write_text(f"{most}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
        (tmp_path / "memory.stat").write_text(statistics)

    return write


def test_in_no_container_it_is_what_the_machine_has_free(container):
    free = psutil.virtual_memory().available
    assert memory.available_memory() == pytest.approx(free, rel=0.2)


def test_a_container_allows_less(container):
    container(str(300 * MEGABYTE), 100 * MEGABYTE, "anon 90000000\n")
    assert memory.available_memory() == 200 * MEGABYTE


def test_copies_of_files_are_given_back_when_asked(container):
    container(
        str(300 * MEGABYTE), 100 * MEGABYTE, "anon 50000000\ninactive_file 40000000\nactive_file 7"
    )
    assert memory.available_memory() == 240 * MEGABYTE


def test_a_full_container_has_nothing_left_and_not_less(container):
    container(str(100 * MEGABYTE), 101 * MEGABYTE, "")
    assert memory.available_memory() == 0


def test_a_container_without_a_limit_changes_nothing(container):
    container("max", 100 * MEGABYTE, "inactive_file 0")
    assert memory.available_memory() > 300 * MEGABYTE


@pytest.mark.parametrize("content", ["", "a lot"])
def test_files_that_say_nothing_change_nothing(container, tmp_path, content):
    container("300", 100, "")
    (tmp_path / "memory.current").write_text(content)
    assert memory.available_memory() > 300 * MEGABYTE


def test_a_process_may_be_allowed_less():
    """In a process of its own: the limit holds for the rest of its life."""
    code = """
import resource
import numpy, psutil
from helpers.memory import available_memory
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
