"""Workers of several machines meet: network namespaces of this one, with a network between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.workers.cost import Network

ROOT = Path(__file__).resolve().parents[2]
# A worker that only meets, and prints what it got.
WORKER = """
import json, os, sys
from helpers.basics.errors import WorkersError
from helpers.workers import meeting
from helpers.workers.meeting import link_of, meet
from helpers.workers.place import Place

meeting.LONGER = 1  # or the test would take longer
place = Place.of_this_process()
try:
    met = meet(place, {"seed": 0}, b"state" if place.rank == 0 else b"", wait=float(sys.argv[1]))
    link = link_of(met.addresses[place.rank])
    print(json.dumps([list(met.addresses), met.state.decode(), link]))
except WorkersError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture
def namespaces(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import namespaces

    if reason := namespaces.why_not():
        pytest.skip(f"no machines to try it with: {reason}")
    return namespaces


def outcomes(machines, wait=20.0, hosts=None, on=None):
    """What each worker got, or the words it was refused with.

    Each calls at one of `hosts`, and runs on one of `on`: by default each on its own machine.
    """
    on = on or range(machines.count)
    hosts = hosts or [machines.address(0)] * len(on)
    started = []
    for rank, number in enumerate(on):
        place = {
            "RANK": rank, "WORLD_SIZE": len(on), "MASTER_PORT": 29_400,
            "MASTER_ADDR": hosts[rank], "PYTHONPATH": ROOT,
        }  # fmt: skip
        environment = os.environ | {name: str(value) for name, value in place.items()}
        command = [sys.executable, "-c", WORKER, wait]
        started.append(machines.start(number, command, env=environment, stdout=subprocess.PIPE))
    return [json.loads(process.communicate(timeout=60)[0]) for process in started]


def test_machines_meet_and_know_the_addresses_of_each_other(namespaces):
    with namespaces.Machines(3, Network(12.5e6, 0.001)) as machines:
        met = outcomes(machines)
        expected = [f"{machines.address(rank)}:{29_402 + rank}" for rank in range(3)]
    assert met == [[expected, "state", namespaces.LINK]] * 3


def test_two_workers_on_the_machine_of_worker_0_can_be_reached_from_the_other(namespaces):
    """The name of a machine often stands for 127.0.1.1 on itself: so worker 1 calls there."""
    with namespaces.Machines(2, Network(12.5e6)) as machines:
        first, other = machines.address(0), machines.address(1)
        met = outcomes(machines, hosts=[first, "127.0.1.1", first], on=[0, 0, 1])
    expected = [f"{first}:29402", f"{first}:29403", f"{other}:29404"]
    assert met == [[expected, "state", namespaces.LINK]] * 3


def test_the_network_is_as_slow_as_asked(namespaces):
    with namespaces.Machines(2, Network(12.5e6, 0.02)) as machines:
        met = machines.as_measured()
    assert met.latency >= 0.02
    assert 1e6 < met.bytes_a_second < 1.1 * 12.5e6


def test_a_machine_that_is_cut_off_is_missing_and_may_come_later(namespaces):
    with namespaces.Machines(2, Network(12.5e6)) as machines:
        machines.cut_off(1)
        chief, other = outcomes(machines, wait=1)
        assert "Expected 2 workers within 1 seconds. Received: 1; worker 1 did not come" in chief
        assert "Expected worker 0 at 10.77.0.1, port 29401, within 1 seconds" in other
        assert "unreachable" in other
        machines.connect(1)
        assert [one[1] for one in outcomes(machines)] == ["state", "state"]


def test_an_address_of_worker_0_that_nobody_else_reaches_is_said(namespaces):
    with namespaces.Machines(2, Network(12.5e6)) as machines:
        chief, other = outcomes(machines, wait=1, hosts=["127.0.0.1"] * 2)
    assert "worker 1 did not come" in chief
    assert "Expected worker 0 at 127.0.0.1, port 29401" in other
    assert "refused" in other
