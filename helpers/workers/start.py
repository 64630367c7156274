"""Start workers on this machine from a notebook, and watch them. Introduced in lesson 8."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.basics.arguments import check_whole
from helpers.basics.errors import MissingFileError, WorkersError
from helpers.basics.files import as_path
from helpers.workers.launcher import end_all
from helpers.workers.worker import REPORT

CHECK_EVERY = 0.2  # seconds
MOST_HERE = 64
OUTPUT = "output.txt"


@dataclass(frozen=True)
class Outcome:
    """What workers did, as each of them noted it.

    Attributes:
        reports: of each worker, in their order: what its script noted, by name.
        seconds: from the start to the end.
        starts: how often all were started: 1, and 1 more for each time that one had stopped.
        output: all that they printed is in this file.
    """

    reports: Sequence[Mapping[str, Any]]
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
    for old in folder.glob(REPORT.format(rank="*")):
        old.unlink()
    command = [
        *_launcher(workers, restarts, _free_ports()), script.as_posix(), *map(str, arguments),
        "--folder", folder.as_posix(),
    ]  # fmt: skip
    began, output = time.monotonic(), folder / OUTPUT
    with output.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env=_environment(threads)
        )
        try:
            starts = _watch(process, folder)
        finally:
            end_all([process])
    reports = _reports(folder, workers)
    if process.returncode:
        raise WorkersError(_why(reports, output))
    return Outcome(reports, time.monotonic() - began, starts, output)


def _launcher(workers: int, restarts: int, port: int) -> list[str]:
    if importlib.util.find_spec("torch") is None:
        return [
            sys.executable, "-m", "helpers.workers", f"--restarts={restarts}", f"--port={port}",
            str(workers),
        ]  # fmt: skip
    return [
        sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={workers}",
        f"--max-restarts={restarts}", "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}",
        "--local-addr=127.0.0.1", "--monitor-interval=0.2",
    ]  # fmt: skip


def _free_ports() -> int:
    """A port that is free, and whose next one is: for the launcher and for the meeting."""
    for _ in range(100):
        with socket.create_server(("127.0.0.1", 0)) as first:
            port = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                socket.create_server(("127.0.0.1", port + 1)).close()
                return port
    raise WorkersError(
        "Expected two free ports, one behind the other. Received: none. End other programs, then "
        "try again."
    )


def _environment(threads: int) -> dict[str, str]:
    number = str(threads)
    return os.environ | {
        "OMP_NUM_THREADS": number, "TF_NUM_INTRAOP_THREADS": number,
        "TF_NUM_INTEROP_THREADS": number, "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


def _watch(process: subprocess.Popen, folder: Path) -> int:
    """Wait for the end; say when all were started anew. Gives how often they were started."""
    starts = 1
    while process.poll() is None:
        time.sleep(CHECK_EVERY)
        first = _report(folder, 0)
        if first.get("start", 0) >= starts and "epoch" in first:
            starts = first["start"] + 1
            print(
                f"A worker stopped. All were started anew, and go on after epoch {first['epoch']}."
            )
    return starts


def _reports(folder: Path, workers: int) -> list[dict[str, Any]]:
    return [_report(folder, rank) for rank in range(workers)]


def _report(folder: Path, rank: int) -> dict[str, Any]:
    try:
        return json.loads((folder / REPORT.format(rank=rank)).read_text())
    except (OSError, ValueError):
        return {}


def _why(reports: Sequence[Mapping[str, Any]], output: Path) -> str:
    """The reason of a worker that had one of its own; the others only noticed that it went."""
    own = [one for one in reports if one.get("fault") and not one.get("gone")]
    if own:
        return own[0]["fault"]
    printed = output.read_text(errors="replace")
    if error := re.search(r"^\w*(Error|Exception)\b.*", printed, re.MULTILINE):
        return (
            f"Expected the script to run. Received: {error[0]} The whole is in {output}. Mend the "
            "script, then start it again."
        )
    return (
        "Expected all workers to come to their end. Received: one that stopped without a word, "
        f"killed perhaps, or short of memory. What they printed is in {output}. Run the cell again "
        "to go on after the last whole epoch."
    )
