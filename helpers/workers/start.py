"""Start workers on this machine from a notebook, and watch them. Introduced in lesson 8."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from helpers.basics.arguments import check_whole
from helpers.basics.errors import MissingFileError, WorkersError
from helpers.basics.files import as_path, file_lock
from helpers.workers.ending import STARTER, STOPPED, TIME_TO_END, end_all
from helpers.workers.worker import REPORT

CHECK_EVERY = 0.2  # seconds
MOST_HERE = 64
OUTPUT = "output.txt"

Reports = Sequence[Mapping[str, Any]]  # of each worker; an empty one where it has none yet
Look = Callable[[], Reports]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What workers did, as each of them noted it.

    Attributes:
        reports: of each worker, in their order: what its script noted, by name.
        seconds: from the start to the end.
        starts: how often all were started: 1, and 1 more for each time that one had stopped.
        output: all that they printed is in this file.
    """

    reports: Reports
    seconds: float
    starts: int
    output: Path


def start_workers(
    script: str | os.PathLike,
    *arguments: Any,
    folder: str | os.PathLike,
    workers: int = 2,
    threads: int = 1,
    restarts: int = 3,
) -> Outcome:
    """Run a script as several processes of this machine, which train together, to its end.

    torchrun launches them, as it does elsewhere; without PyTorch, the course's own launcher. A
    worker that stops is noticed: all are started anew, and go on after the last whole epoch.

    Args:
        script: a Python file that calls `join_workers`.
        arguments: what the script gets on its command line.
        folder: of this training alone; the script gets it as `--folder`. Started again with the
            same one, the training goes on.
        workers: how many processes.
        threads: of the processor, for each of them.
        restarts: how often all are started anew before it is given up.

    Raises:
        MissingFileError: there is no such script.
        WorkersError: the workers stopped more often than that; the words are those of the first
            that had a reason of its own.

    Introduced in lesson 8.
    """
    script, folder = as_path(script), as_path(folder)
    check_whole("workers", workers, 1, MOST_HERE)
    check_whole("threads", threads, 1, 1_024)
    check_whole("restarts", restarts, 0, 1_000)
    if not script.is_file():
        raise MissingFileError(
            f"Expected a script at {script}. Received: no such file. Check its name and the folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    lock = file_lock(folder / ".started.lock", partial(_refuse, folder))
    try:
        for old in folder.glob(REPORT.format(rank="*")):
            old.unlink()
        name = secrets.token_hex(8)  # of this run: workers of another one are sent away
        command = [
            *_launcher(workers, restarts, _free_ports(), name), script.as_posix(),
            *map(str, arguments), "--folder", folder.as_posix(),
        ]  # fmt: skip
        began, output = time.monotonic(), folder / OUTPUT
        look = partial(_reports, folder, workers, name)
        code, starts = _run(command, _environment(threads), output, look)
        reports = look()
    finally:
        lock.release()
    if code:
        raise WorkersError(_why(reports, output))
    return Outcome(reports, time.monotonic() - began, starts, output)


def _refuse(folder: Path, lock: object) -> None:
    raise WorkersError(
        f"Expected to be the only one that starts workers with the folder {folder}. Received: "
        "another start, which still runs. Wait for it, stop it, or choose another folder."
    )


def _launcher(workers: int, restarts: int, port: int, name: str) -> list[str]:
    if importlib.util.find_spec("torch") is None:
        return [
            sys.executable, "-m", "helpers.workers", f"--restarts={restarts}", f"--port={port}",
            f"--name={name}", str(workers),
        ]  # fmt: skip
    # The static way, as on several machines: the numbers and the port are those that are given.
    return [
        sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={workers}",
        f"--max-restarts={restarts}", "--nnodes=1", "--node-rank=0", "--master-addr=127.0.0.1",
        f"--master-port={port}", f"--rdzv-id={name}", "--monitor-interval=0.2",
    ]  # fmt: skip


def _free_ports() -> int:
    """A port that is free, and whose next one is: for the launcher and for the meeting.

    Below those that systems give to whoever asks for any, so that nobody gets one meanwhile.
    """
    for _ in range(100):
        port = 20_000 + secrets.randbelow(10_000)
        with (
            contextlib.suppress(OSError),
            socket.create_server(("127.0.0.1", port)),
            socket.create_server(("127.0.0.1", port + 1)),
        ):
            return port
    raise WorkersError(
        "Expected two free ports, one behind the other. Received: none. End other programs, then "
        "try again."
    )


def _environment(threads: int) -> dict[str, str]:
    number = str(threads)
    return os.environ | {
        "OMP_NUM_THREADS": number, "TF_NUM_INTRAOP_THREADS": number,
        "TF_NUM_INTEROP_THREADS": number, "PYTHONUNBUFFERED": "1", STARTER: str(os.getpid()),
    }  # fmt: skip


def _run(
    command: Sequence[str], environment: Mapping[str, str], output: Path, look: Look
) -> tuple[int, int]:
    """The exit code of the launcher, and how often it started the workers."""
    with output.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env=environment
        )
        try:
            return _watch(process, look)
        finally:
            # torchrun waits longer than a learner does for what does not end by itself.
            own = _descendants(process.pid)
            end_all([process], 2 * TIME_TO_END)  # it has workers of its own to end
            for worker in own:
                with contextlib.suppress(psutil.Error):
                    worker.kill()


def _descendants(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def _watch(process: subprocess.Popen, look: Look) -> tuple[int, int]:
    """Wait for the end; say when all were started anew. Ends what no other start would mend."""
    starts = 1
    while process.poll() is None:
        time.sleep(CHECK_EVERY)
        reports = look()
        if any(report.get("hopeless") for report in reports):
            return 1, starts
        _end_frozen(process.pid, reports)
        if "epoch" in reports[0] and reports[0]["start"] >= starts:
            starts = reports[0]["start"] + 1
            epoch = reports[0]["epoch"]
            print(f"{STOPPED}. All were started anew, and go on after epoch {epoch}.")
    return process.returncode, starts


def _end_frozen(launcher: int, reports: Reports) -> None:
    """End what no longer answers another worker. torchrun would wait half a minute for it."""
    starts = {report.get("start") for report in reports if report.get("gone")}
    silent = {
        report.get("pid")
        for report in reports
        if report.get("start") in starts and not (report.get("fault") or report.get("done"))
    }
    for process in _descendants(launcher) if silent else ():
        if process.pid in silent:
            with contextlib.suppress(psutil.Error):
                process.kill()


def _reports(folder: Path, workers: int, name: str) -> Reports:
    """What each worker of this run noted last. Others may write into the folder too: refused ones,
    who were started with the same one elsewhere."""
    reports = [_report(folder / REPORT.format(rank=rank)) for rank in range(workers)]
    return [report if report.get("job") == name else {} for report in reports]


def _report(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return {}


def _why(reports: Reports, output: Path) -> str:
    """The reason of a worker that had one of its own; the others only noticed that it went."""
    own = [report for report in reports if report.get("fault") and not report.get("gone")]
    if own:
        return min(own, key=lambda report: report["at"])["fault"]
    printed = output.read_text(errors="replace")
    if errors := re.findall(r"^(?:[\w.]*\.)?\w*(?:Error|Exception)\b.*", printed, re.MULTILINE):
        ours = [error for error in errors if not error.startswith("torch.")]
        return (
            f"Expected the script to run. Received: {(ours or errors)[-1]} The whole is in "
            f"{output}. Mend the script, then start it again."
        )
    lines = [line for line in printed.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(STOPPED)]  # the launcher's own
    return (
        "Expected all workers to come to their end. Received: one that stopped without an error, "
        f"killed perhaps, or short of memory. Its last words: {lines[-1] if lines else 'none'} "
        f"What they printed is in {output}. Run the cell again to go on after the last whole epoch."
    )
