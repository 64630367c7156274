"""What workers say of themselves when they meet, and whether they fit together. Lesson 8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helpers.workers.place import LAST_PORT, Place

INTRODUCTION = {"rank": int, "count": int, "job": str, "epoch": int, "facts": dict, "port": int}


def introduced(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a worker said of itself, where it is one: anything may call at an open port.

    Raises:
        ValueError: it is none.

    Introduced in lesson 8.
    """
    if any(type(said.get(name)) is not kind for name, kind in INTRODUCTION.items()):
        raise ValueError("it is no worker")
    if not 0 < said["rank"] < said["count"] or not 0 < said["port"] <= LAST_PORT:
        raise ValueError("it is no worker")
    return said


def refusal(said: Mapping[str, Any], place: Place, twice: bool) -> str:
    """Why somebody who came does not belong here, in words, or nothing.

    Args:
        said: its introduction.
        place: that of worker 0.
        twice: whether a worker of this number is there.

    Introduced in lesson 8.
    """
    rank = said["rank"]
    if said["job"] != place.job:
        return (
            f"Expected workers of one run, {place.job!r}. Received: one of {said['job']!r}. Give "
            "each run a port of its own, and all its machines the same --rdzv-id."
        )
    if said["count"] != place.count:
        return (
            f"Expected all to count {place.count} workers. Received: worker {rank}, who counts "
            f"{said['count']}. Start all with the same number of machines and workers."
        )
    if twice:
        return (
            f"Expected each worker once. Received: a second one of number {rank}. Give each "
            "machine a number of its own (--node-rank)."
        )
    return ""


def fault_of(said: Mapping[int, Any], place: Place, wait: float) -> str:
    """Why these workers cannot train together, in words, or nothing.

    Args:
        said: the introductions of all who came, by their number; that of worker 0 comes first.
        place: that of worker 0.
        wait: seconds that it waited.

    Introduced in lesson 8.
    """
    return _missing(said, place, wait) or _unequal(said) or _later(said)


def _missing(said: Mapping[int, Any], place: Place, wait: float) -> str:
    missing = sorted({*range(place.count)} - said.keys())
    if not missing:
        return ""
    named = f"worker{'s' * (len(missing) > 1)} {', '.join(map(str, missing))}"
    return (
        f"Expected {place.count} workers within {wait:g} seconds. Received: {len(said)}; {named} "
        f"did not come. Look at what was printed there, and whether that machine reaches "
        f"{place.host}, port {place.port + 1}. Nothing was trained."
    )


def _unequal(said: Mapping[int, Any]) -> str:
    """What is not the same for all, in words, or nothing."""
    faults = []
    expected = said[0]["facts"]
    for rank in said:
        received = said[rank]["facts"]
        for name in sorted(expected.keys() | received.keys()):
            if expected.get(name) != received.get(name):
                faults.append(
                    f"{name} is {expected.get(name)} on worker 0 and {received.get(name)} on "
                    f"worker {rank}"
                )
    if not faults:
        return ""
    return (
        f"Expected the same on all workers. Received: {'; '.join(faults[:5])}. Make it the same, "
        "then start all again. Nothing was trained."
    )


def _later(said: Mapping[int, Any]) -> str:
    """Whether another worker has epochs that worker 0 has not: it was worker 0 before."""
    latest = max(said, key=lambda rank: said[rank]["epoch"])
    epoch, kept = said[latest]["epoch"], said[0]["epoch"]
    if epoch <= kept:
        return ""
    return (
        f"Expected the latest epoch on the disk of worker 0. Received: {kept} epochs there, and "
        f"{epoch} on the disk of worker {latest}, in the folder of this training. Make that "
        "machine worker 0 (--node-rank=0), or copy its folder. Nothing was trained."
    )
