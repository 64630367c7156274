"""All workers meet before the training begins. Introduced in lesson 8.

TensorFlow waits without end for a worker that never comes, or that found its port taken. And it
trains on, to a wrong end, where two workers have other images. So the workers meet first, on a
plain socket of worker 0: each says who it is and what it would train. Worker 0 answers all of
them at once: where each can be reached, and with what the training goes on; or why it does not
begin, in words.

What goes over the socket is a line of JSON and, from worker 0, the bytes of an .npz file. Nothing
in it can run. Whoever can reach the port can join: it belongs in a network that you trust.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from helpers.basics.errors import WorkersError
from helpers.workers.place import LAST_PORT, Place

LONGEST_LINE = 1 << 20  # bytes
LONGEST_STATE = 1 << 34
BETWEEN_TRIES = 0.2  # seconds
LONGER = 10  # seconds that the others wait beyond worker 0, which knows best who is missing


@dataclass(frozen=True)
class Meeting:
    """What a worker knows after all have met.

    Attributes:
        addresses: "host:port" of each worker, in their order: for TensorFlow's own servers.
        state: what worker 0 had to hand out.
    """

    addresses: Sequence[str]
    state: bytes


def meet(
    place: Place, facts: Mapping[str, Any], state: bytes = b"", *, wait: float = 60
) -> Meeting:
    """Wait for all workers, compare what they would train, and hand out worker 0's state.

    Args:
        place: which worker this is.
        facts: what has to be the same for all, by its name; JSON can hold it.
        state: what every worker gets, from worker 0.
        wait: seconds until who is not there is missing.

    Raises:
        WorkersError: a worker did not come, another one has its number, the port is taken, or
            something is not the same for all.

    Introduced in lesson 8.
    """
    if place.count == 1:
        return Meeting((), state)
    own = _free_port(place)
    mine = {"rank": place.rank, "count": place.count, "job": place.job, "facts": dict(facts)}
    if place.rank:
        return _join(place, {**mine, "port": own}, wait)
    return _receive_all(place, {**mine, "port": own}, state, wait)


def _free_port(place: Place) -> int:
    """One for TensorFlow's server of this worker: as agreed, so that a firewall can let it in."""
    wanted = place.port + 2 + place.rank
    for port in (wanted, 0):  # 0: the system chooses
        with socket.socket() as trial, contextlib.suppress(OSError, OverflowError):
            trial.bind(("", port))
            return trial.getsockname()[1]
    raise WorkersError(
        f"Expected a free port for worker {place.rank}. Received: none. End other programs, then "
        "start again."
    )


def link_of(address: str) -> str:
    """The name of this machine's network link that has this "host:port", or nothing.

    Introduced in lesson 8.
    """
    import psutil

    host = address.rpartition(":")[0]
    links = psutil.net_if_addrs().items()
    return next((name for name, own in links if any(one.address == host for one in own)), "")


# ---------------------------------------------------------------------------- worker 0


def _receive_all(place: Place, mine: Mapping[str, Any], state: bytes, wait: float) -> Meeting:
    until = time.monotonic() + wait
    said = {0: mine}
    streams: dict[int, tuple[socket.socket, BinaryIO]] = {}
    with contextlib.ExitStack() as closing:
        door = closing.enter_context(_door(place))
        while len(said) < place.count and (left := until - time.monotonic()) > 0:
            door.settimeout(left)
            with contextlib.suppress(OSError, ValueError):
                connection, _ = door.accept()
                closing.callback(connection.close)
                connection.settimeout(min(left, 5))  # a stranger may say nothing
                stream = closing.enter_context(connection.makefile("rwb"))
                came = _introduced(_read_line(stream))
                if fault := _stranger(came, place, said):
                    _write(stream, {"refused": fault})
                    continue
                said[came["rank"]], streams[came["rank"]] = came, (connection, stream)
        fault = _missing(said, place, wait) or _unequal(said)
        addresses = ["" for _ in range(place.count)]
        for rank, (connection, _) in streams.items():
            addresses[rank] = f"{connection.getpeername()[0]}:{said[rank]['port']}"
            addresses[0] = f"{connection.getsockname()[0]}:{mine['port']}"
        answer = {"refused": fault} if fault else {"addresses": addresses, "bytes": len(state)}
        for connection, stream in streams.values():
            with contextlib.suppress(OSError):  # it went in between: the training will notice
                connection.settimeout(wait)
                _write(stream, answer, b"" if fault else state)
    if fault:
        raise WorkersError(fault)
    return Meeting(tuple(addresses), state)


def _door(place: Place) -> socket.socket:
    """The open port of worker 0."""
    port = place.port + 1
    try:
        return socket.create_server((place.host, port), backlog=place.count)
    except OSError as error:
        raise WorkersError(
            f"Expected worker 0 to open port {port} at {place.host}. Received: {error.strerror}. "
            f"Choose another port, of which the next one is free too, on all machines; or see "
            "which program has it."
        ) from None


SAYS = {"rank": int, "count": int, "job": str, "facts": dict, "port": int}


def _introduced(came: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a worker said of itself, where it is one: anything may call at an open port."""
    if any(type(came.get(name)) is not kind for name, kind in SAYS.items()):
        raise ValueError("it is no worker")
    if not 0 < came["rank"] < came["count"] or not 0 < came["port"] <= LAST_PORT:
        raise ValueError("it is no worker")
    return came


def _stranger(came: Mapping[str, Any], place: Place, said: Mapping[int, Any]) -> str:
    """Why somebody who came does not belong here, in words, or nothing."""
    rank = came["rank"]
    if came["job"] != place.job:
        return (
            f"Expected workers of one run, {place.job!r}. Received: one of {came['job']!r}. Give "
            "each run a port of its own."
        )
    if came["count"] != place.count:
        return (
            f"Expected all to count {place.count} workers. Received: worker {rank}, who counts "
            f"{came['count']}. Start all with the same number of machines and workers."
        )
    if rank in said:
        return (
            f"Expected each worker once. Received: a second one of number {rank}. Give each "
            "machine a number of its own (--node-rank)."
        )
    return ""


def _missing(said: Mapping[int, Any], place: Place, wait: float) -> str:
    missing = sorted({*range(place.count)} - said.keys())
    if not missing:
        return ""
    return (
        f"Expected {place.count} workers within {wait:g} seconds. Received: {len(said)}; "
        f"{_named(missing)} did not come. Look at what was printed there, and whether that machine "
        f"reaches {place.host}, port {place.port + 1}. Nothing was trained."
    )


def _unequal(said: Mapping[int, Any]) -> str:
    """What is not the same for all, in words, or nothing."""
    faults = []
    expected = said[0]["facts"]
    for rank in sorted(said):
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


def _named(ranks: Sequence[int]) -> str:
    return f"worker{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}"


# ---------------------------------------------------------------------------- the others


def _join(place: Place, mine: Mapping[str, Any], wait: float) -> Meeting:
    until = time.monotonic() + wait + LONGER
    met = False
    reason = "no answer"
    while (left := until - time.monotonic()) > 0:
        try:
            with (
                socket.create_connection((place.host, place.port + 1), left) as connection,
                connection.makefile("rwb") as stream,
            ):
                _write(stream, mine)
                met = True
                connection.settimeout(left)
                answer = _read_line(stream)
                state = _read_exactly(stream, int(answer.get("bytes", 0)))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "no answer"
            time.sleep(min(BETWEEN_TRIES, max(left, 0)))
            continue
        if "refused" in answer:
            raise WorkersError(answer["refused"])
        return Meeting(tuple(answer["addresses"]), state)
    gone = "it went before all had come" if met else reason
    raise WorkersError(
        f"Expected worker 0 at {place.host}, port {place.port + 1}, within {wait:g} seconds. "
        f"Received: {gone}. Look at what worker 0 printed; see that the address is that of its "
        "machine, and that no firewall is between. Nothing was trained."
    )


# ---------------------------------------------------------------------------- what is sent


def _write(stream: BinaryIO, line: Mapping[str, Any], body: bytes = b"") -> None:
    stream.write(json.dumps(line).encode() + b"\n" + body)
    stream.flush()


def _read_line(stream: BinaryIO) -> dict[str, Any]:
    line = stream.readline(LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise ValueError("it went")
    said = json.loads(line)
    if not isinstance(said, dict):
        raise ValueError("it is no worker")
    return said


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    if not 0 <= size <= LONGEST_STATE:
        raise ValueError("it is no worker")
    body = stream.read(size)
    if len(body) < size:
        raise ValueError("it went")
    return body
