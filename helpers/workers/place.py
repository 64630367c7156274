"""Which worker this process is, as its launcher says it. Introduced in lesson 8.

torchrun, Slurm with torchrun, Kubeflow Trainer and this course's own launcher all say it in the
same variables of the environment. A script that nobody launched is one worker alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from helpers.basics.errors import UsageError

MOST_WORKERS = 1_024
LAST_PORT = 2**16 - 1


@dataclass(frozen=True)
class Place:
    """The place of one worker among all.

    Attributes:
        rank: its number, from 0. Worker 0 keeps the epochs.
        count: how many workers there are.
        host: a name or an address of worker 0's machine.
        port: that port of worker 0's machine belongs to the launcher, and the next one to the
            meeting of the workers (`helpers.workers.meeting`).
        start: how often the launcher of this machine has started its workers anew, from 0.
        job: the name of this run. Workers of another one are sent away.
    """

    rank: int = 0
    count: int = 1
    host: str = "127.0.0.1"
    port: int = 29_400
    start: int = 0
    job: str = ""

    @classmethod
    def of_this_process(cls, environment: Mapping[str, str] = os.environ) -> Place:
        """Read it from the variables that the launcher has set.

        Raises:
            UsageError: one of them is missing, or is no number that can be.

        Introduced in lesson 8.
        """
        if "RANK" not in environment and "WORLD_SIZE" not in environment:
            _refuse_others(environment)
            return cls()
        count = _whole(environment, "WORLD_SIZE", 1, MOST_WORKERS)
        return cls(
            rank=_whole(environment, "RANK", 0, count - 1),
            count=count,
            host=environment.get("MASTER_ADDR") or cls.host,
            # The meeting and the worker's own port come behind it.
            port=_whole(environment, "MASTER_PORT", 1, LAST_PORT - 1),
            start=_whole(
                {"TORCHELASTIC_RESTART_COUNT": "0"} | {**environment},
                "TORCHELASTIC_RESTART_COUNT",
                0,
                1_000_000,
            ),
            job=environment.get("TORCHELASTIC_RUN_ID", ""),
        )


def _refuse_others(environment: Mapping[str, str]) -> None:
    """Refuse to train alone, many times over, where a launcher of another kind started many."""
    for name in ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "TF_CONFIG"):
        value = environment.get(name, "")
        if (value.isdecimal() and int(value) > 1) or (name == "TF_CONFIG" and value):
            raise UsageError(
                f"Expected to be started by torchrun. Received: {name}={value} in the environment, "
                "as another launcher sets it for several workers. Let that launcher start one "
                "torchrun a machine, as notebooks/jobs/several_workers.slurm does."
            )


def _whole(environment: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = environment.get(name, "")
    if not text.isdecimal() or not least <= int(text) <= most:
        raise UsageError(
            f"Expected {name} in the environment as a whole number from {least} to {most:,}. "
            f"Received: {text or 'nothing'!r}. Start the script with torchrun, which sets it, or "
            "without RANK and WORLD_SIZE to train on one worker alone."
        )
    return int(text)
