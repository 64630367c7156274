"""Processes that are asked to end, and one that ends itself when its starter is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from helpers.workers import ending


@pytest.fixture
def child():
    """Gives a function that starts a process which does this when it is asked to end."""
    started = []

    def start(when_asked):
        code = (
            "import signal, sys, time\n"
            f"signal.signal(signal.SIGTERM, {when_asked})\n"
            "print('ready', flush=True)\n"
            "time.sleep(60)\n"
        )
        started.append(
            subprocess.Popen([sys.executable, "-Sc", code], stdout=subprocess.PIPE, text=True)
        )
        assert started[-1].stdout.readline() == "ready\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_who_is_asked_to_end_gets_time_for_it(child):
    asked = child("lambda *_: (time.sleep(0.2), sys.exit(7))")
    ending.end_all([asked], 20)
    assert asked.returncode == 7


def test_who_does_not_end_by_itself_is_killed(child):
    deaf = child("signal.SIG_IGN")
    ending.end_all([deaf, child("lambda *_: sys.exit(7)")], 0.2)
    assert deaf.returncode == -signal.SIGKILL


def test_many_are_not_waited_for_one_after_the_other():
    class Frozen:
        def __init__(self):
            self.waits = []

        def poll(self):
            return None

        def terminate(self):
            pass

        def kill(self):
            pass

        def wait(self, seconds=None):
            self.waits.append(seconds)
            if seconds is not None:
                raise subprocess.TimeoutExpired("frozen", seconds)

    frozen = [Frozen() for _ in range(3)]
    ending.end_all(frozen, 0)
    assert [one.waits for one in frozen] == [[0, None]] * 3


class Waited(Exception):
    """Instead of the time until it looks again."""


@pytest.fixture
def ended(monkeypatch):
    """What a worker of number 3 did to its launcher, and said, when it ended."""
    said = []

    def end(rank, error):
        assert rank == 3
        said.append(str(error))
        raise SystemExit

    def waits(seconds, sleep=time.sleep):
        if seconds == 1.25:
            raise Waited
        sleep(seconds)

    def kill(process, number, really=os.kill):
        if process == os.getppid():
            said.append(number)
        else:
            really(process, number)

    monkeypatch.setattr(ending.os, "kill", kill)
    monkeypatch.setattr(ending, "CHECK_EVERY", 1.25)
    monkeypatch.setattr(ending, "end_at_once", end)
    monkeypatch.setattr(ending.time, "sleep", waits)
    return said


def test_a_worker_looks_again_and_again_for_its_launcher_and_who_started_that(ended):
    above = psutil.Process(os.getppid()).ppid()
    for starter in ("", str(os.getppid()), str(above or os.getppid())):
        with pytest.raises(Waited):
            ending._watch(3, os.getppid(), starter)


def test_and_ends_with_its_launcher_when_who_started_that_is_gone(ended, child):
    gone = child("signal.SIG_DFL")
    ending.end_all([gone])
    with pytest.raises(SystemExit):
        ending._watch(3, os.getppid(), str(gone.pid))
    assert ended[0] == signal.SIGTERM
    assert "start again to go on" in ended[1]


def test_another_process_with_the_number_of_who_started_it_is_younger(ended, child):
    with pytest.raises(SystemExit):
        ending._watch(3, os.getppid(), str(child("signal.SIG_DFL").pid))


def test_who_ended_and_was_not_fetched_is_gone(ended, monkeypatch):
    """As in a container whose first process fetches nobody."""
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: 0)
    zombie = subprocess.Popen([sys.executable, "-Sc", ""], stdout=subprocess.PIPE)
    zombie.stdout.read()
    until = time.monotonic() + 5
    while psutil.Process(zombie.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
    with pytest.raises(SystemExit):
        ending._watch(3, os.getppid(), str(zombie.pid))
    zombie.wait()
    zombie.stdout.close()


def test_a_worker_whose_launcher_is_gone_ends_and_asks_nobody_to(ended):
    """Another one is its parent now."""
    with pytest.raises(SystemExit):
        ending._watch(3, os.getpid(), "")
    assert len(ended) == 1


def test_a_clock_that_is_set_ends_nobody(ended, monkeypatch):
    """The system counts ages from when it began, and works the time of that out anew."""
    ages, moved = psutil.Process.create_time, iter(range(0, 100_000, 3_600))
    steps = {}

    def create_time(process):
        return ages(process) + steps["now"]

    monkeypatch.setattr(psutil.Process, "create_time", create_time)
    for _ in range(5):
        steps["now"] = next(moved)
        with pytest.raises(Waited):
            ending._watch(3, os.getppid(), str(os.getppid()))


def test_what_may_not_be_looked_at_is_there(ended, monkeypatch):
    def denied(process):
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "create_time", denied)
    with pytest.raises(Waited):
        ending._watch(3, os.getppid(), "")


def test_who_was_started_by_no_launcher_looks_for_nobody(ended, monkeypatch):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setattr(ending, "_is_waited_for", lambda *above: pytest.fail("it looks"))
    ending.end_with_launcher(3)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setattr(ending.os, "getppid", lambda: 0)  # as the first process of a container
    ending.end_with_launcher(3)


def test_the_first_look_comes_before_anything_else(ended, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "")
    monkeypatch.setattr(ending.threading, "Thread", lambda **_: pytest.fail("too late"))
    monkeypatch.setattr(ending, "_is_waited_for", lambda *above: False)
    with pytest.raises(SystemExit):
        ending.end_with_launcher(3)
    assert len(ended) == 1
