"""Processes that are asked to end, and one that ends itself when its starter is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

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
def watch(monkeypatch):
    def waits(seconds):
        raise Waited

    def look(*starter):
        process, looks = psutil.Process, []

        def once(pid):
            looks.append(pid)
            assert looks == [pid], "it looks all the time"
            return process(pid)

        with monkeypatch.context() as patched:
            patched.setattr(psutil, "Process", once)
            patched.setattr(ending.os, "_exit", sys.exit)
            patched.setattr(ending.time, "sleep", waits)
            ending._watch(*starter)

    return look


def test_a_worker_looks_again_and_again_for_the_one_who_started_it(watch):
    with pytest.raises(Waited):
        watch(*ending.this_process().split())


def test_and_ends_when_that_one_is_gone(watch, child):
    gone = child("signal.SIG_DFL")
    ending.end_all([gone])
    with pytest.raises(SystemExit, match="^1$"):
        watch(str(gone.pid), "0.00")
    with pytest.raises(SystemExit, match="^1$"):
        watch(str(os.getpid()), "0.00")  # another one got its number
