"""Workers meet: threads of this process, each with a place of its own."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.basics.errors import WorkersError
from helpers.workers import meeting
from helpers.workers.meeting import link_of, meet
from helpers.workers.place import Place

FACTS = {"seed": 0, "keras": "3.15.1"}


@pytest.fixture
def port() -> int:
    """A port whose next ones are free too: below those that any connection may get meanwhile."""
    while True:
        first = random.Random().randrange(20_000, 30_000)  # no seed: other tests may run beside it
        with contextlib.ExitStack() as closing, contextlib.suppress(OSError):
            for number in range(10):
                closing.enter_context(socket.create_server(("127.0.0.1", first + number)))
            return first


def calls(port):
    """A connection to worker 0, as soon as it opens its port."""
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port + 1))
        except OSError:
            time.sleep(0.01)


def outcomes(places, facts=None, state=b"", wait=5.0):
    """What each worker got: its meeting, or the words it was refused with."""

    def one(place):
        try:
            given = state if place.rank == 0 else b""
            return meet(place, (facts or {}).get(place.rank, FACTS), given, wait=wait)
        except WorkersError as error:
            return str(error)

    with ThreadPoolExecutor(len(places)) as threads:
        return list(threads.map(one, places))


def test_one_worker_alone_opens_no_port():
    assert meet(Place(), FACTS, b"state", wait=5).state == b"state"


@pytest.mark.parametrize("count", [2, 3, 8])
def test_all_get_the_state_and_the_same_addresses_in_order(port, count):
    state = bytes(range(256)) * 5_000
    met = outcomes([Place(rank, count, port=port) for rank in range(count)], state=state)
    assert [one.state == state for one in met] == [True] * count
    assert len({tuple(one.addresses) for one in met}) == 1
    # As agreed, for a firewall: the launcher's port, that of the meeting, then one for each.
    assert met[0].addresses == tuple(f"127.0.0.1:{port + 2 + rank}" for rank in range(count))
    until = time.monotonic() + 5
    while _at_the_door() and time.monotonic() < until:
        time.sleep(0.01)
    assert not _at_the_door()


def test_each_meeting_has_a_name_that_all_know_and_no_other_one_has(port):
    """However often the launcher of each machine has started its workers."""
    names = []
    for _ in range(2):
        one, other = outcomes([Place(rank, 2, port=port, start=rank) for rank in range(2)])
        assert one.name == other.name
        names.append(one.name)
    assert len({*names, ""}) == 3


@pytest.mark.parametrize(
    ("reached", "hosts"),
    [
        # All on one machine.
        ([("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "127.0.1.1")], ["127.0.0.1"] * 3),
        ([("::1", "::1")], ["::1", "::1"]),
        # Each on its own.
        (
            [("10.0.0.2", "10.0.0.1"), ("10.0.0.3", "10.0.0.1")],
            ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
        ),
        # Worker 1 is beside worker 0, and the name of their machine stands for 127.0.1.1 there.
        (
            [("127.0.0.1", "127.0.1.1"), ("10.0.0.3", "10.0.0.1"), ("10.0.0.3", "10.0.0.1")],
            ["10.0.0.1", "10.0.0.1", "10.0.0.3", "10.0.0.3"],
        ),
        ([("::1", "::1"), ("fd00::3", "fd00::1")], ["fd00::1", "fd00::1", "fd00::3"]),
        (
            [("fe80::3%eth0", "fe80::1%eth0"), ("::1", "::1")],
            ["fe80::1%eth0", "fe80::3%eth0", "fe80::1%eth0"],
        ),
        # It came by the address in the network, as the others.
        (
            [("10.0.0.1", "10.0.0.1"), ("10.0.0.3", "10.0.0.1")],
            ["10.0.0.1", "10.0.0.1", "10.0.0.3"],
        ),
    ],
)
def test_nobody_is_told_an_address_that_means_another_machine_there(reached, hosts):
    assert meeting._hosts(reached) == hosts


def _at_the_door():
    return [thread for thread in threading.enumerate() if "_let_in" in thread.name]


def test_a_port_that_another_program_has_is_replaced_by_a_free_one(port, capsys):
    with socket.create_server(("", port + 3)):
        met = outcomes([Place(rank, 2, port=port) for rank in range(2)])
    ports = [int(address.rpartition(":")[2]) for address in met[0].addresses]
    assert ports[0] == port + 2
    assert ports[1] > 1_023
    assert ports[1] != port + 3
    assert capsys.readouterr().out == f"Port {port + 3} is taken: worker 1 uses another one.\n"


def test_a_port_that_an_earlier_start_has_just_left_is_used_again(port, capsys):
    with socket.create_server(("127.0.0.1", port + 3)) as door:
        other = socket.create_connection(("127.0.0.1", port + 3))
        door.accept()[0].close()  # who closes first leaves the port in use for a minute
        other.close()
    met = outcomes([Place(rank, 2, port=port) for rank in range(2)])
    assert met[1].addresses[1] == f"127.0.0.1:{port + 3}"
    assert not capsys.readouterr().out


def test_no_free_port_is_said(port, monkeypatch):
    class Taken(socket.socket):
        def bind(self, address):
            raise OSError("in use")

    monkeypatch.setattr(socket, "socket", Taken)
    with pytest.raises(WorkersError, match="a free port for worker 1. Received: none"):
        meet(Place(1, 2, port=port), FACTS, wait=0.1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_where_all_workers_are_on_one_machine_no_other_one_reaches_the_port(port, host):
    with meeting._door(Place(0, 2, host, port)) as door:
        assert door.getsockname() == ("127.0.0.1", port + 1)


@pytest.mark.parametrize("both", [True, False])
def test_else_the_port_is_open_to_all_ways_that_the_machine_has(port, both, monkeypatch):
    both = both and socket.has_dualstack_ipv6()
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: both)
    with meeting._door(Place(0, 2, "10.0.0.1", port)) as door:
        assert door.getsockname()[0] == ("::" if both else "0.0.0.0")
        socket.create_connection(("127.0.0.1", port + 1)).close()


def test_the_link_of_an_address():
    assert link_of("127.0.0.1:80").startswith("lo")
    assert link_of("203.0.113.7:80") == ""  # kept for examples: no machine has it


def test_they_may_come_in_any_order_and_late(port):
    def late(place):
        time.sleep(0.3 * (2 - place.rank))  # worker 0 last
        return meet(place, FACTS, b"s" if place.rank == 0 else b"", wait=5)

    with ThreadPoolExecutor(3) as threads:
        met = list(threads.map(late, [Place(rank, 3, port=port) for rank in range(3)]))
    assert [one.state for one in met] == [b"s"] * 3


def test_one_that_never_comes_is_named_to_all(port):
    said = outcomes([Place(0, 4, port=port), Place(2, 4, port=port)], wait=0.5)
    assert said[0] == said[1]
    assert "Expected 4 workers within 0.5 seconds. Received: 2; workers 1, 3 did not" in said[0]


def test_worker_0_that_never_comes_is_said_with_its_address(port, monkeypatch):
    monkeypatch.setattr("helpers.workers.meeting.LONGER", 0)
    connect, tries = socket.create_connection, []
    monkeypatch.setattr(
        socket, "create_connection", lambda *given: tries.append(given) or connect(*given)
    )
    [said] = outcomes([Place(1, 2, port=port)], wait=0.5)
    assert f"Expected worker 0 at 127.0.0.1, port {port + 1}, within 0.5 seconds" in said
    assert "refused" in said
    assert 1 < len(tries) < 9  # not all the time


def test_a_port_that_is_taken_is_said(port, monkeypatch):
    monkeypatch.setattr("helpers.workers.meeting.LONGER", 0)
    with socket.create_server(("127.0.0.1", port + 1)):
        [said] = outcomes([Place(0, 2, port=port)], wait=0.5)
    assert f"Expected worker 0 to open port {port + 1}" in said
    assert "in use" in said


@pytest.mark.parametrize(
    ("name", "other", "rank"),
    [
        ("keras", "3.14.0", 2), ("keras", "3.14.0", 1), ("seed", 1, 2),
        ("the training images", "ab12", 2), ("seed", None, 2),
    ],
)  # fmt: skip
def test_what_is_not_the_same_is_named_to_all(port, name, other, rank):
    places = [Place(number, 3, port=port) for number in range(3)]
    said = outcomes(places, {rank: {**FACTS, name: other}}, b"state")
    assert said[0] == said[1] == said[2]
    faults = f"Received: {name} is {FACTS.get(name)} on worker 0 and {other} on worker {rank}. Make"
    assert faults in said[0]


def test_two_workers_of_one_number_are_not_taken_for_two(port):
    places = [Place(0, 3, port=port), Place(1, 3, port=port), Place(1, 3, port=port)]
    said = outcomes(places, wait=1)
    assert "worker 2 did not come" in said[0]
    assert any("Received: a second one of number 1" in one for one in said[1:])


def test_a_second_one_of_a_number_takes_nothing_from_the_first(port):
    state = bytes(20_000_000)  # more than is on its way at once
    with ThreadPoolExecutor(2) as threads:
        chief = threads.submit(meet, Place(0, 3, port=port), FACTS, state, wait=8)
        first = threads.submit(meet, Place(1, 3, port=port), FACTS, wait=8)
        time.sleep(0.3)
        with pytest.raises(WorkersError, match="a second one of number 1"):
            meet(Place(1, 3, port=port), FACTS, wait=8)
        meet(Place(2, 3, port=port), FACTS, wait=8)
        assert len(first.result().state) == len(chief.result().state) == len(state)


def test_one_that_counts_others_or_is_of_another_run_is_sent_away(port):
    places = [Place(0, 2, port=port, job="a"), Place(1, 3, port=port, job="a")]
    said = outcomes([*places, Place(1, 2, port=port, job="b")], wait=1)
    assert "who counts 3. Start all with the same number" in said[1]
    assert "Expected workers of one run, 'a'. Received: one of 'b'" in said[2]


@pytest.mark.parametrize(
    "noise",
    [b"", b"GET / HTTP/1.0\r\n\r\n", b"\x00" * 2_000, b"[]\n", b"{}\n", b'{"rank": []}\n',
     b'{"rank": 7, "job": "", "count": 2, "facts": {}, "port": 1}\n',
     *(b'{"rank": %d, "count": 2, "job": "", "epoch": 0, "facts": {}, "port": %d}\n' % numbers
       for numbers in ((7, 1), (2, 1), (0, 1), (1, 0), (1, 65_536))),
     b'{"rank": 1, "job": "", "count": 2}\n', b'{"rank": 1, "job": "", "count": 2, "facts": 3, '
     b'"port": "x"}\n', b"\xff\xfe\n", b"[" * 60_000 + b"\n"],
)  # fmt: skip
def test_a_stranger_who_calls_disturbs_no_meeting(port, noise):
    def call():
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", port + 1), 1) as stranger:
                    stranger.sendall(noise)
                return
            except OSError:
                time.sleep(0.01)

    def later(place):
        time.sleep(0.3)
        return meet(place, FACTS, wait=8)

    thread = threading.Thread(target=call)
    thread.start()
    with ThreadPoolExecutor(2) as threads:
        chief = threads.submit(meet, Place(0, 2, port=port), FACTS, b"s", wait=8)
        other = threads.submit(later, Place(1, 2, port=port))
        assert chief.result().state == other.result().state == b"s"
    thread.join()


def test_strangers_who_say_nothing_or_little_hold_up_nobody(port):
    """As health checks and port scans do."""

    def drips(stranger):
        with contextlib.suppress(OSError):
            while True:
                stranger.sendall(b"x")
                time.sleep(0.1)

    with contextlib.ExitStack() as strangers, ThreadPoolExecutor(2) as threads:
        chief = threads.submit(meet, Place(0, 2, port=port), FACTS, b"s", wait=8)
        for number in range(6):
            stranger = strangers.enter_context(calls(port))
            if number % 2:
                threading.Thread(target=drips, args=(stranger,), daemon=True).start()
        start = time.monotonic()
        assert meet(Place(1, 2, port=port), FACTS, wait=8).state == b"s"
        assert chief.result().state == b"s"
        assert time.monotonic() - start < 4


def test_who_does_not_say_who_it_is_is_sent_away_and_a_worker_waits(port, monkeypatch):
    monkeypatch.setattr(meeting, "TO_INTRODUCE", 0.2)
    said = {"rank": 1, "count": 3, "job": "", "epoch": 0, "facts": FACTS, "port": 1}
    before = {*threading.enumerate()}
    with ThreadPoolExecutor(1) as threads:
        chief = threads.submit(meet, Place(0, 3, port=port), FACTS, wait=8)
        with calls(port) as worker, calls(port) as stranger:
            worker.sendall(json.dumps(said).encode() + b"\n")
            own = {*threading.enumerate()} - before - {*threads._threads}
            assert own
            assert all(thread.daemon for thread in own)  # an interrupt waits for none of them
            stranger.settimeout(3)
            assert stranger.recv(1) == b""
            worker.settimeout(0.4)
            with pytest.raises(TimeoutError):
                worker.recv(1)
            meet(Place(2, 3, port=port), FACTS, wait=8)
            assert b"addresses" in worker.recv(1_000)
        chief.result()


@pytest.mark.parametrize("last_comes_first", [False, True])
@pytest.mark.parametrize("closes", [True, False])
def test_one_that_was_ended_while_it_waited_may_come_again(port, closes, last_comes_first):
    """A worker that was started anew. Until it is back, they are not all there."""
    said = {"rank": 1, "count": 3, "job": "", "epoch": 0, "facts": FACTS, "port": 1}
    with ThreadPoolExecutor(3) as threads:
        chief = threads.submit(meet, Place(0, 3, port=port), FACTS, b"s", wait=8)
        first = calls(port)
        first.sendall(json.dumps(said).encode() + b"\n")
        time.sleep(0.3)
        if not closes:  # it breaks off, as where a machine is reset
            first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        first.close()
        others = []
        for rank in (2, 1) if last_comes_first else (1, 2):
            assert not chief.done()
            others.append(threads.submit(meet, Place(rank, 3, port=port), FACTS, wait=8))
            time.sleep(0.5)
        assert [one.result().state for one in (chief, *others)] == [b"s"] * 3


def test_later_epochs_on_another_disk_are_said(port):
    """Else a machine that comes new as worker 0 would begin the training again."""

    def one(place):
        try:
            return meet(place, FACTS, epoch=3 if place.rank == 1 else 2, wait=5)
        except WorkersError as error:
            return str(error)

    with ThreadPoolExecutor(2) as threads:
        said = [*threads.map(one, [Place(rank, 2, port=port) for rank in range(2)])]
    assert said[0] == said[1]
    assert "Received: 2 epochs there, and 3 on the disk of worker 1" in said[0]


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_addresses_of_ipv6(port):
    try:
        socket.create_server(("::1", port), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    met = outcomes([Place(rank, 2, "::1", port) for rank in range(2)])
    assert all(address.startswith("[::1]:") for address in met[0].addresses)


@pytest.mark.parametrize(
    "answer",
    [b"", b"no\n", b"[]\n", b'{"addresses": [], "bytes": 0}\n',
     b'{"addresses": ["a:1"], "bytes": 0, "name": ""}\n',
     b'{"addresses": "ab", "bytes": 0, "name": ""}\n',
     b'{"addresses": ["a:1", "b:2"], "bytes": -1, "name": ""}\n',
     b'{"addresses": ["a:1", "b:2"], "bytes": "x", "name": ""}\n',
     b'{"addresses": ["a:1", "b:2"], "bytes": 0, "name": 7}\n',
     b'{"addresses": ["a:1", "b:2"], "bytes": 5, "name": ""}\nab'],
)  # fmt: skip
def test_a_stranger_in_the_place_of_worker_0_is_not_believed(port, answer, monkeypatch):
    monkeypatch.setattr("helpers.workers.meeting.LONGER", 0)

    def serve(door):
        while True:
            try:
                connection, _ = door.accept()
            except OSError:
                return
            with connection:
                connection.recv(1_000)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", port + 1)) as door:
        threading.Thread(target=serve, args=(door,), daemon=True).start()
        [said] = outcomes([Place(1, 2, port=port)], wait=0.3)
        door.shutdown(socket.SHUT_RDWR)
    assert "Expected worker 0 at 127.0.0.1" in said
    assert "Received: it went before all had come" in said
