"""Workers as processes: small scripts that train nothing, by both launchers."""

from __future__ import annotations

import os
import secrets
import signal
import socket
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
    job = os.environ["TORCHELASTIC_RUN_ID"]
    report = {"rank": rank, "count": count, "start": restart, "job": job, "epoch": 0, **values}
    (folder / f"worker_{rank}.json").write_text(json.dumps(report))
"""


def noted(folder: Path, rank: int) -> dict:
    return start._report(folder / f"worker_{rank}.json")


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


def test_each_worker_knows_its_place_and_its_threads(launcher, script, tmp_path, capsys):
    path = script("""
        note(words=sys.argv[1:3], threads=os.environ["TF_NUM_INTRAOP_THREADS"])
        time.sleep(0.5)  # until the report was read
        """)
    began = time.monotonic()
    outcome = start_workers(path, "--seed", 3, folder=tmp_path / "a" / "run", workers=2, threads=1)
    assert 0.5 < outcome.seconds <= time.monotonic() - began
    assert capsys.readouterr().out == ""
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
    with pytest.raises(WorkersError, match="^the disk is full$") as failed:
        start_workers(path, folder=tmp_path / "run", restarts=0)
    # A notebook keeps the error, and all that was at hand when it was raised.
    with pytest.raises(WorkersError, match=f"^{failed.value}$"):
        start_workers(path, folder=tmp_path / "run", restarts=0)


def test_a_fault_of_the_script_is_said_by_its_last_line(no_torch, script, tmp_path):
    with pytest.raises(WorkersError, match=r"ZeroDivisionError: division by zero The whole is in"):
        start_workers(script("1 / 0"), folder=tmp_path / "run", restarts=0, workers=1)


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ("KeyError: 1\nOSError: full\ntorch.distributed.ChildFailedError:\n", "OSError: full"),
        ("torch.distributed.ChildFailedError:\n", "torch.distributed.ChildFailedError:"),
    ],
)
def test_what_torchrun_says_of_it_is_the_reason_only_where_there_is_no_other(
    tmp_path, printed, words
):
    (tmp_path / "output.txt").write_text(printed)
    assert f"Received: {words} The whole is in" in start._why([{}], tmp_path / "output.txt")


def test_one_that_is_killed_without_a_word(no_torch, script, tmp_path):
    with pytest.raises(WorkersError, match="one that stopped without an error, killed perhaps"):
        start_workers(script("os.kill(os.getpid(), 9)"), folder=tmp_path / "run", restarts=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("print('Epoch 1\\nEpoch 2')", "Epoch 2"),
        ("restart or print('Epoch 1')", "Epoch 1"),
        ("", "none"),
    ],
)
def test_its_last_words_are_said(no_torch, script, tmp_path, text, words):
    path = script(f"{text}\nos.kill(os.getpid(), 9)")
    with pytest.raises(WorkersError, match=f"Its last words: {words} What they printed is in"):
        start_workers(path, folder=tmp_path / "run", restarts=1, workers=1)


def test_all_are_started_anew_as_often_as_asked(no_torch, script, tmp_path, capsys):
    path = script("""
        note(epoch=restart)
        (folder / f"start {restart}").touch()
        time.sleep(0.5)  # until the report was read
        sys.exit(1)
        """)
    with pytest.raises(WorkersError):
        start_workers(path, folder=tmp_path / "run", restarts=1, workers=1)
    assert sorted(each.name for each in (tmp_path / "run").glob("start*")) == ["start 0", "start 1"]
    printed = (tmp_path / "run" / start.OUTPUT).read_text()
    assert printed == "A worker stopped; start 1 of 1 anew.\n"
    said = "A worker stopped. All were started anew, and go on after epoch 1.\n"
    assert capsys.readouterr().out == said


def test_where_nothing_else_is_asked_the_own_launcher_starts_anew_three_times(script, tmp_path):
    path = script("(folder / f'{restart} {os.environ[\"MASTER_PORT\"]}').touch(); sys.exit(1)")
    command = [sys.executable, "-m", "helpers.workers", "1", path, "--folder", tmp_path]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(Path.cwd())})
    assert done.returncode == 1
    assert sorted(each.name for each in tmp_path.glob("* *")) == [f"{n} 29400" for n in range(4)]


def test_where_nothing_is_asked_two_workers_start_with_a_thread_each(
    launcher, script, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(start, "_run", lambda *given: asked.append(given) or (0, 1))
    start_workers(script("pass"), folder=tmp_path / "run")
    [(command, environment, _, look)] = asked
    assert len(look()) == 2
    assert environment["TF_NUM_INTRAOP_THREADS"] == environment["OMP_NUM_THREADS"] == "1"
    own = {"--restarts=3", "2"} if launcher == "own launcher" else set()
    assert {*command} >= (own or {"--max-restarts=3", "--nproc-per-node=2"})


@pytest.mark.parametrize(
    ("launcher", "text"),
    [
        ("torchrun", ""), ("own launcher", ""),
        ("own launcher", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"),
    ],
    indirect=["launcher"],
)  # fmt: skip
def test_an_interrupt_ends_all_workers(launcher, script, tmp_path, monkeypatch, text):
    path = script(f"import signal; {text}\nnote(pid=os.getpid()); time.sleep(60)")
    monkeypatch.setattr(start, "TIME_TO_END", 0.2 if text else 3)

    launched = []

    def interrupted(process, look):
        launched.append(process)
        while not all(noted(tmp_path / "run", rank).get("pid") for rank in range(2)):
            time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "_watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start_workers(path, folder=tmp_path / "run")
    assert launched[0].returncode is not None
    pids = [noted(tmp_path / "run", rank)["pid"] for rank in range(2)]
    until = time.monotonic() + 20
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(psutil.pid_exists, pids))


LEFT_ALONE = """
    import signal
    from helpers.workers.ending import end_with_launcher
    {text}
    end_with_launcher(rank)
    note(pid=os.getpid(), launcher=os.getppid())
    time.sleep(60)
    """


@pytest.fixture
def started_elsewhere(launcher, script, tmp_path):
    """Gives a function that starts workers from another process, and gives that one."""
    started = []

    def start_elsewhere(text=""):
        path = script(LEFT_ALONE.format(text=text))
        code = (
            "import importlib.util, sys\n"
            "from helpers.workers import start\n"
            f"if {launcher == 'own launcher'}:\n"
            "    start.importlib.util.find_spec = lambda name: None\n"
            f"start.start_workers({path.as_posix()!r}, folder={(tmp_path / 'run').as_posix()!r})\n"
        )
        command = [sys.executable, "-c", code]
        started.append(subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE))
        while not all(noted(tmp_path / "run", rank).get("pid") for rank in range(2)):
            time.sleep(0.05)
        return started[0]

    yield start_elsewhere
    started[0].kill()
    started[0].communicate()


def with_the_script(tmp_path: Path) -> list[psutil.Process]:
    """All processes that run it, also those that were started after others had ended."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(word.endswith((tmp_path / "script.py").as_posix()) for word in words):
            found.append(process)
    return found


@pytest.mark.parametrize("text", ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_no_worker_outlives_the_one_who_waits_for_it(started_elsewhere, tmp_path, text):
    """As when a kernel is killed: torchrun's workers are in a session of their own."""
    starter = started_elsewhere(text)
    assert len(with_the_script(tmp_path)) >= 3
    starter.kill()
    starter.wait()
    until = time.monotonic() + 20
    while with_the_script(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    assert not with_the_script(tmp_path)  # the launcher starts no others


def test_no_worker_outlives_its_launcher(started_elsewhere, tmp_path):
    """As when the system is short of memory, and kills it."""
    starter = started_elsewhere()
    os.kill(noted(tmp_path / "run", 0)["launcher"], signal.SIGKILL)
    _, said = starter.communicate(timeout=20)
    assert b"WorkersError" in said
    until = time.monotonic() + 20
    while with_the_script(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    assert not with_the_script(tmp_path)


def test_who_is_refused_elsewhere_ends_no_other_training(no_torch, script, tmp_path):
    """Somebody started the script with the same folder in a terminal, and was refused."""
    path = script("""
        note(epoch=1)
        if rank == 0:
            other = {"rank": 0, "job": "", "start": 7, "fault": "refused", "hopeless": True}
            (folder / "worker_0.json").write_text(json.dumps(other))
            time.sleep(1)
        note(done=True)
        """)
    outcome = start_workers(path, folder=tmp_path / "run")
    assert [report["done"] for report in outcome.reports] == [True, True]
    assert outcome.starts == 1


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
        while not noted(tmp_path / "run", 0):
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


def test_ports_are_below_those_that_anybody_gets():
    assert all(20_000 <= start._free_ports() < 30_000 for _ in range(50))


def test_a_port_whose_next_one_is_taken_is_passed_over(monkeypatch):
    draw, draws = secrets.randbelow, []
    monkeypatch.setattr(secrets, "randbelow", lambda n: draws.pop() if draws else draw(n))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        draws += [taken - 20_000, taken - 1 - 20_000]
        assert start._free_ports() not in (taken, taken - 1)
        assert draws == []
        monkeypatch.setattr(secrets, "randbelow", lambda n: taken - 20_000)
        with pytest.raises(WorkersError, match="Expected two free ports"):
            start._free_ports()


def test_only_those_who_no_longer_answer_are_ended(tmp_path):
    """Not the one who says that another is gone, and not who is done: they end by themselves."""
    sleeps = [sys.executable, "-Sc", "import time; time.sleep(60)"]
    silent, gone, done, earlier = (subprocess.Popen(sleeps) for _ in range(4))
    reports = [
        {"pid": silent.pid, "start": 1},
        {"pid": gone.pid, "start": 1, "fault": "another one no longer answers", "gone": True},
        {"pid": done.pid, "start": 1, "done": True},
        {"pid": earlier.pid, "start": 0},
        {},
    ]
    try:
        start._end_frozen(os.getpid(), [{**one, "gone": False} for one in reports])
        start._end_frozen(os.getpid(), reports)
        assert silent.wait(5) == -signal.SIGKILL
        assert [one.poll() for one in (gone, done, earlier)] == [None] * 3
    finally:
        for one in (silent, gone, done, earlier):
            one.kill()
            one.wait()


def test_what_a_worker_started_belongs_to_it():
    """Processes that prepare its batches, for example."""
    worker = subprocess.Popen(["sh", "-c", "sleep 60 & wait"])
    until = time.monotonic() + 5
    own = []
    while len(own) < 2 and time.monotonic() < until:
        own = [one for one in start._descendants(os.getpid()) if one.name() in ("sh", "sleep")]
    for one in own:
        one.kill()
    worker.wait()
    assert sorted(one.pid == worker.pid for one in own) == [False, True]


def test_between_two_looks_at_the_workers_some_time_goes_by(tmp_path, monkeypatch):
    class Launcher:
        pid, returncode = 0, 0

        def poll(self):
            looks.append(1)
            return None if len(looks) < 4 else 0

    waits, looks = [], []
    monkeypatch.setattr(start, "_descendants", lambda pid: [])
    monkeypatch.setattr(start.time, "sleep", waits.append)
    assert start._watch(Launcher(), lambda: [{}]) == (0, 1)
    assert waits == [start.CHECK_EVERY] * 3


def test_and_between_those_of_the_own_launcher(script, tmp_path, monkeypatch):
    sleep, waits = time.sleep, []
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(time, "sleep", lambda seconds: waits.append(seconds) or sleep(seconds))
    main(["1", str(script("time.sleep(0.3)")), "--folder", str(tmp_path)])
    assert 0 < len(waits) < 20


def test_the_own_launcher_says_what_it_does(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "Launch workers on this machine without PyTorch" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "value"), [("workers", 65), ("threads", 1_025), ("restarts", 1_001)]
)
def test_more_than_a_machine_has_room_for(name, value, script, tmp_path):
    with pytest.raises(UsageError, match=f"Expected {name} as a whole number"):
        start_workers(script("pass"), folder=tmp_path / "run", **{name: value})


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
    while not all(noted(tmp_path, rank).get("pid") for rank in range(2)):
        time.sleep(0.05)
    pids = [noted(tmp_path, rank)["pid"] for rank in range(2)]
    process.terminate()
    assert process.wait(20) == 1
    assert not any(map(psutil.pid_exists, pids))
