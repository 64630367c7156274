"""Workers as processes: small scripts that train nothing, by both launchers."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from helpers.basics.errors import MissingFileError, UsageError, WorkersError
from helpers.workers import start
from helpers.workers.__main__ import main
from helpers.workers.start import start_workers

BEGINNING = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index("--folder") + 1])
rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
restart = int(os.environ["TORCHELASTIC_RESTART_COUNT"])

def note(**values):
    report = {"rank": rank, "count": count, "start": restart, "epoch": 0, **values}
    (folder / f"worker_{rank}.json").write_text(json.dumps(report))
"""


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None)


@pytest.fixture(params=["torchrun", "own launcher"])
def launcher(request):
    """Both do the same."""
    if request.param == "torchrun":
        pytest.importorskip("torch")
    else:
        request.getfixturevalue("no_torch")
    return request.param


@pytest.fixture
def script(tmp_path):
    """Gives a function that writes a script with this text."""

    def write(text):
        path = tmp_path / "script.py"
        path.write_text(BEGINNING + textwrap.dedent(text))
        return path

    return write


def test_each_worker_knows_its_place_and_its_threads(launcher, script, tmp_path):
    path = script("note(words=sys.argv[1:3], threads=os.environ['TF_NUM_INTRAOP_THREADS'])")
    outcome = start_workers(path, "--seed", 3, folder=tmp_path / "run", workers=2, threads=1)
    assert [one["rank"] for one in outcome.reports] == [0, 1]
    assert {one["count"] for one in outcome.reports} == {2}
    assert outcome.reports[1]["words"] == ["--seed", "3"]
    assert outcome.reports[1]["threads"] == "1"
    assert outcome.starts == 1


def test_when_one_stops_all_are_started_anew(launcher, script, tmp_path, capsys):
    path = script("""
        note(epoch=4)
        if restart == 0 and rank == 1:
            os._exit(7)
        time.sleep(0 if restart else 60)
        """)
    began = time.monotonic()
    outcome = start_workers(path, folder=tmp_path / "run")
    assert time.monotonic() - began < 50
    assert outcome.starts == 2
    assert "All were started anew, and go on after epoch 4" in capsys.readouterr().out


def test_one_that_freezes_is_ended_when_another_says_that_it_is_gone(launcher, script, tmp_path):
    path = script("""
        import signal

        note(pid=os.getpid())
        if restart == 0 and rank == 1:
            os.kill(os.getpid(), signal.SIGSTOP)  # it can no longer be asked to end
        while restart == 0 and not (folder / "worker_1.json").exists():
            time.sleep(0.01)
        if restart == 0:
            note(pid=os.getpid(), fault="another one no longer answers", gone=True, at=1)
            time.sleep(2)
            sys.exit(1)
        """)
    outcome = start_workers(path, folder=tmp_path / "run")
    assert outcome.starts == 2
    # So says torchrun where it waited until it used force itself.
    assert "forcefully exiting" not in outcome.output.read_text()


def test_the_reason_of_the_one_that_had_one_is_said(no_torch, script, tmp_path):
    path = script("""
        words = "another one went" if rank == 0 else "the disk is full"
        note(fault=words, gone=rank == 0, at=rank)
        sys.exit(1)
        """)
    with pytest.raises(WorkersError, match="^the disk is full$"):
        start_workers(path, folder=tmp_path / "run", restarts=0)


def test_a_fault_of_the_script_is_said_by_its_last_line(no_torch, script, tmp_path):
    with pytest.raises(WorkersError, match=r"ZeroDivisionError: division by zero The whole is in"):
        start_workers(script("1 / 0"), folder=tmp_path / "run", restarts=0, workers=1)


def test_one_that_is_killed_without_a_word(no_torch, script, tmp_path):
    with pytest.raises(WorkersError, match="one that stopped without an error, killed perhaps"):
        start_workers(script("os.kill(os.getpid(), 9)"), folder=tmp_path / "run", restarts=1)


def test_an_interrupt_ends_all_workers(launcher, script, tmp_path, monkeypatch):
    path = script("note(pid=os.getpid()); time.sleep(60)")

    def interrupted(process, folder, workers):
        while not all(start._report(folder, rank).get("pid") for rank in range(2)):
            time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "_watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start_workers(path, folder=tmp_path / "run")
    pids = [start._report(tmp_path / "run", rank)["pid"] for rank in range(2)]
    until = time.monotonic() + 20
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(psutil.pid_exists, pids))


@pytest.mark.parametrize("text", ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_no_worker_outlives_the_one_who_waits_for_it(launcher, script, tmp_path, text):
    """As when a kernel is killed: torchrun's workers are in a session of their own."""
    path = script(f"""
        import signal
        from helpers.workers.ending import end_with_starter
        {text}
        end_with_starter()
        note(pid=os.getpid())
        time.sleep(60)
        """)
    code = (
        "import importlib.util, sys\n"
        "from helpers.workers import start\n"
        f"if {launcher == 'own launcher'}:\n"
        "    start.importlib.util.find_spec = lambda name: None\n"
        f"start.start_workers({path.as_posix()!r}, folder={(tmp_path / 'run').as_posix()!r})\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while not all(start._report(tmp_path / "run", rank).get("pid") for rank in range(2)):
        time.sleep(0.05)
    pids = [start._report(tmp_path / "run", rank)["pid"] for rank in range(2)]
    starter.kill()
    starter.wait()
    until = time.monotonic() + 20
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(psutil.pid_exists, pids))


def test_what_another_start_would_not_mend_is_not_tried_again(launcher, script, tmp_path):
    path = script("""
        note(fault="the disk is full", hopeless=True, at=1)
        sys.exit(1)
        """)
    with pytest.raises(WorkersError, match="^the disk is full$"):
        start_workers(path, folder=tmp_path / "run", restarts=1_000)


def test_the_first_reason_is_said(no_torch, script, tmp_path):
    path = script("note(fault=f'reason {rank}', at=9 - rank); sys.exit(1)")
    with pytest.raises(WorkersError, match="^reason 1$"):
        start_workers(path, folder=tmp_path / "run", restarts=0)


def test_two_starts_into_one_folder_are_refused(no_torch, script, tmp_path):
    path = script("note(pid=os.getpid()); time.sleep(2)")
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(start_workers, path, folder=tmp_path / "run")
        while not start._report(tmp_path / "run", 0):
            time.sleep(0.05)
        with pytest.raises(WorkersError, match="only one that starts workers"):
            start_workers(path, folder=tmp_path / "run")
        assert first.result().starts == 1


@pytest.mark.parametrize(
    "arguments", [["0", "x.py"], ["two", "x.py"], ["2"], ["--restarts", "-1", "2", "x.py"]]
)
def test_the_own_launcher_says_what_it_expects(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "expected" in capsys.readouterr().err


def test_reports_of_an_earlier_run_are_none_of_this(no_torch, script, tmp_path):
    start_workers(script("note(losses=[1])"), folder=tmp_path / "run", workers=3)
    outcome = start_workers(script("pass"), folder=tmp_path / "run", workers=3)
    assert [*outcome.reports] == [{}, {}, {}]


def test_no_such_script(tmp_path):
    with pytest.raises(MissingFileError, match="Expected a script at"):
        start_workers(tmp_path / "none.py", folder=tmp_path / "run")


@pytest.mark.parametrize("name", ["workers", "threads", "restarts"])
@pytest.mark.parametrize("value", [-1, 2.5, "2", None])
def test_numbers_that_cannot_be(name, value, script, tmp_path):
    with pytest.raises(UsageError, match=f"Expected {name} as a whole number"):
        start_workers(script("pass"), folder=tmp_path / "run", **{name: value})


def test_the_own_launcher_ends_its_workers_when_it_is_ended(script, tmp_path):
    path = script("note(pid=os.getpid()); time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers.workers", "2", path, "--folder", tmp_path],
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    while not all(start._report(tmp_path, rank).get("pid") for rank in range(2)):
        time.sleep(0.05)
    pids = [start._report(tmp_path, rank)["pid"] for rank in range(2)]
    process.terminate()
    assert process.wait(20) == 1
    assert not any(map(psutil.pid_exists, pids))
