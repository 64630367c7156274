"""Launch workers on this machine without PyTorch, as torchrun does with it. Lesson 8.

    python -m helpers.workers 2 several_workers.py --epochs 3

It starts the workers, and sets the variables that torchrun would set. When one of them stops with
an error, it ends the others and starts all anew.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time

from helpers.workers.ending import STOPPED, end_all

CHECK_EVERY = 0.1  # seconds


def main(arguments: list[str] | None = None) -> None:
    """python -m helpers.workers [--restarts 3] [--port 29400] WORKERS SCRIPT [ITS ARGUMENTS]"""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="helpers.workers")
    parser.add_argument("workers", type=_whole, help="how many processes")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the script and its arguments")
    parser.add_argument("--restarts", type=_whole, default=3, help="how often to start all anew")
    parser.add_argument("--name", default="", help="of this run: others are sent away")
    parser.add_argument("--port", type=int, default=29_400, help="it and the next one must be free")
    given = parser.parse_args(arguments)
    if not given.workers or not given.command:
        parser.error("expected a number of workers from 1 on, and a script")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the workers are ended too
    for start in range(given.restarts + 1):
        if _run_all(given, start):
            return
        if start < given.restarts:
            print(f"{STOPPED}; start {start + 1} of {given.restarts} anew.", file=sys.stderr)
    sys.exit(1)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, received {text!r}")
    return int(text)


def _run_all(given: argparse.Namespace, start: int) -> bool:
    """Whether all workers came to their end."""
    workers = []
    try:
        for rank in range(given.workers):
            place = {
                "RANK": rank, "WORLD_SIZE": given.workers, "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": given.port, "TORCHELASTIC_RESTART_COUNT": start,
                "TORCHELASTIC_RUN_ID": given.name,
            }  # fmt: skip
            environment = os.environ | {name: str(value) for name, value in place.items()}
            workers.append(subprocess.Popen([sys.executable, *given.command], env=environment))
        while True:
            codes = [worker.poll() for worker in workers]
            if any(codes) or None not in codes:
                return not any(codes)
            time.sleep(CHECK_EVERY)
    finally:
        end_all(workers)


if __name__ == "__main__":
    main()
