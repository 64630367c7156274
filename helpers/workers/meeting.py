"""All workers meet before the training begins. Introduced in lesson 8.

TensorFlow waits without end for a worker that never comes, or that found its port taken. And it
trains on, to a wrong end, where two workers have other images. So the workers meet first, on a
plain socket of worker 0: each says who it is and what it would train. Worker 0 answers all of
them at once: where each can be reached, with what the training goes on, and the name of this
meeting; or why it does not begin, in words.

What goes over the socket is a line of JSON and, from worker 0, the bytes of an .npz file. Nothing
in it can run. Whoever can reach the port can join: it belongs in a network that you trust.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import queue
import secrets
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO

from helpers.basics.errors import WorkersError
from helpers.workers.agreement import fault_of, introduced, refusal
from helpers.workers.place import Place

LONGEST_LINE = 1 << 16  # bytes
LONGEST_STATE = 1 << 34
TO_INTRODUCE = 5  # seconds that somebody who calls has to say who it is
BETWEEN_TRIES = 0.2  # seconds
LONGER = 10  # seconds that the others wait beyond worker 0, which knows best who is missing
OF_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Meeting:
    """What a worker knows after all have met.

    Attributes:
        addresses: "host:port" of each worker, in their order: for TensorFlow's own servers.
        state: what worker 0 had to hand out.
        name: of this meeting; no other one has it.
    """

    addresses: Sequence[str]
    state: bytes
    name: str = ""


@dataclass(frozen=True, eq=False)
class _Guest:
    """A worker that came to worker 0."""

    connection: socket.socket
    stream: BinaryIO
    introduction: Mapping[str, Any]
    own_host: str  # as it reached worker 0
    other_host: str  # where worker 0 was reached

    def went(self) -> bool:
        """Whether it closed the connection, or was ended."""
        try:
            self.connection.setblocking(False)
            return self.connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


def meet(
    place: Place,
    facts: Mapping[str, Any],
    state: bytes = b"",
    *,
    epoch: int = 0,
    wait: float,
) -> Meeting:
    """Wait for all workers, compare what they would train, and hand out worker 0's state.

    Args:
        place: which worker this is.
        facts: what has to be the same for all, by its name; JSON can hold it.
        state: what every worker gets, from worker 0.
        epoch: how many epochs of this training lie on this worker's own disk.
        wait: seconds until who is not there is missing.

    Raises:
        WorkersError: a worker did not come, another one has its number, the port is taken,
            something is not the same for all, or another worker's disk has later epochs.

    Introduced in lesson 8.
    """
    if place.count == 1:
        return Meeting((), state)
    introduction = {
        "rank": place.rank, "count": place.count, "job": place.job, "epoch": epoch,
        "facts": dict(facts), "port": _free_port(place),
    }  # fmt: skip
    if place.rank:
        return _join(place, introduction, wait)
    return _receive_all(place, introduction, state, wait)


def link_of(address: str) -> str:
    """The name of this machine's network link that has this "host:port", or nothing.

    Introduced in lesson 8.
    """
    import psutil

    host = address.rpartition(":")[0].strip("[]")
    links = psutil.net_if_addrs().items()
    return next((name for name, own in links if any(one.address == host for one in own)), "")


def _free_port(place: Place) -> int:
    """One for TensorFlow's server of this worker: as agreed, so that a firewall can let it in."""
    wanted = place.port + 2 + place.rank
    for port in (wanted, 0):  # 0: the system chooses
        with socket.socket() as trial, contextlib.suppress(OSError, OverflowError):
            if os.name == "posix":  # else one of an earlier start counts as taken for a minute
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(("", port))
            if port != wanted:
                print(f"Port {wanted} is taken: worker {place.rank} uses another one.")
            return trial.getsockname()[1]
    raise WorkersError(
        f"Expected a free port for worker {place.rank}. Received: none. End other programs, then "
        "start again."
    )


# ---------------------------------------------------------------------------- worker 0


def _receive_all(
    place: Place, introduction: Mapping[str, Any], state: bytes, wait: float
) -> Meeting:
    until = time.monotonic() + wait
    guests: dict[int, _Guest] = {}
    with _door(place) as door:
        came: queue.Queue[_Guest] = queue.Queue()
        threading.Thread(target=_let_in, args=(door, came), daemon=True).start()
        while _forget_gone(guests) < place.count - 1:
            try:
                guest = came.get(timeout=max(until - time.monotonic(), 0))
            except queue.Empty:
                break
            _forget_gone(guests)
            rank = guest.introduction["rank"]
            if words := refusal(guest.introduction, place, twice=rank in guests):
                _answer(guest, {"refused": words})
            else:
                guests[rank] = guest
        with contextlib.suppress(OSError):  # wakes the thread that waits at the door
            door.shutdown(socket.SHUT_RDWR)
    said = {0: introduction} | {rank: guests[rank].introduction for rank in sorted(guests)}
    if fault := fault_of(said, place, wait):
        _tell_all(guests, {"refused": fault})
        raise WorkersError(fault)
    hosts = _hosts([(guests[n].own_host, guests[n].other_host) for n in range(1, place.count)])
    addresses = [_address(host, said[rank]["port"]) for rank, host in enumerate(hosts)]
    name = secrets.token_hex()
    _tell_all(guests, {"addresses": addresses, "bytes": len(state), "name": name}, state)
    return Meeting(tuple(addresses), state, name)


def _forget_gone(guests: dict[int, _Guest]) -> int:
    """How many are left: one that was ended while it waited may come again."""
    for rank in [rank for rank, guest in guests.items() if guest.went()]:
        _leave(guests.pop(rank))
    return len(guests)


def _hosts(reached: Sequence[tuple[str, str]]) -> list[str]:
    """Where all workers can reach each of them, worker 0 first.

    A worker on the machine of worker 0 may have come by an address that means "this machine" to
    everybody (loopback). Where others came from elsewhere, it is where these reached worker 0.

    Args:
        reached: of each other worker, its own address and the one where it reached worker 0.
    """
    elsewhere = [chief for _, chief in reached if not ipaddress.ip_address(chief).is_loopback]
    if not elsewhere:
        return [reached[0][1], *(own for own, _ in reached)]
    here = elsewhere[0]
    return [here, *(here if ipaddress.ip_address(own).is_loopback else own for own, _ in reached)]


def _door(place: Place) -> socket.socket:
    """The open port of worker 0: for this machine alone where all workers are on it."""
    port = place.port + 1
    here = place.host if place.host in OF_THIS_MACHINE else ""
    try:
        if here != "::1" and (here or not socket.has_dualstack_ipv6()):
            return socket.create_server((here, port), backlog=place.count)
        both = {"dualstack_ipv6": not here}
        return socket.create_server((here, port), family=socket.AF_INET6, backlog=64, **both)
    except OSError as error:
        raise WorkersError(
            f"Expected worker 0 to open port {port}. Received: {error.strerror}. Choose another "
            "port, of which the next one is free too, on all machines; or see which program has it."
        ) from None


def _let_in(door: socket.socket, came: queue.Queue[_Guest]) -> None:
    """Hear everybody who calls, each in a thread: a slow or silent stranger holds up nobody."""
    with contextlib.suppress(OSError):  # the door was closed
        while True:
            connection, _ = door.accept()
            threading.Thread(target=_hear, args=(connection, came), daemon=True).start()


def _hear(connection: socket.socket, came: queue.Queue[_Guest]) -> None:
    # Not a time for each byte, but for the whole line.
    late = threading.Timer(TO_INTRODUCE, _close, [connection])
    late.daemon = True
    late.start()
    try:
        stream = connection.makefile("rwb")
        introduction = introduced(_read_line(stream))
        hosts = (connection.getpeername()[0], connection.getsockname()[0])
        came.put(_Guest(connection, stream, introduction, *map(_plain, hosts)))
    except (OSError, ValueError):
        _close(connection)
    finally:
        late.cancel()


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _tell_all(guests: Mapping[int, _Guest], line: Mapping[str, Any], body: bytes = b"") -> None:
    if guests:
        with ThreadPoolExecutor(min(len(guests), 16)) as threads:
            list(threads.map(lambda guest: _answer(guest, line, body), guests.values()))


def _answer(guest: _Guest, line: Mapping[str, Any], body: bytes = b"") -> None:
    with contextlib.suppress(OSError):  # it went in between: the training will notice
        guest.connection.settimeout(60)
        _write(guest.stream, line, body)
    _leave(guest)


def _leave(guest: _Guest) -> None:
    with contextlib.suppress(OSError):  # closing writes what is left
        guest.stream.close()
    _close(guest.connection)


def _plain(host: str) -> str:
    return host.removeprefix("::ffff:")  # an IPv4 address, as an IPv6 socket names it


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# ---------------------------------------------------------------------------- the others


def _join(place: Place, introduction: Mapping[str, Any], wait: float) -> Meeting:
    until = time.monotonic() + wait + LONGER
    met, reason = False, "no answer"
    while (left := until - time.monotonic()) > 0:
        try:
            with (
                socket.create_connection((place.host, place.port + 1), left) as connection,
                connection.makefile("rwb") as stream,
            ):
                _write(stream, introduction)
                met = True
                answer = _read_line(stream)
                if "refused" in answer:
                    raise WorkersError(str(answer["refused"]))
                return _agreed(answer, stream, place)
        except WorkersError:
            raise
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "no answer"
            time.sleep(min(BETWEEN_TRIES, left))
    gone = "it went before all had come" if met else reason
    raise WorkersError(
        f"Expected worker 0 at {place.host}, port {place.port + 1}, within {wait:g} seconds. "
        f"Received: {gone}. Look at what worker 0 printed; see that the address is that of its "
        "machine, and that no firewall is between. Nothing was trained."
    )


def _agreed(answer: Mapping[str, Any], stream: BinaryIO, place: Place) -> Meeting:
    addresses, size, name = (answer.get(key) for key in ("addresses", "bytes", "name"))
    if type(addresses) is not list or len(addresses) != place.count or type(size) is not int:
        raise ValueError("it is no worker")
    if not 0 <= size <= LONGEST_STATE or type(name) is not str:
        raise ValueError("it is no worker")
    state = stream.read(size)
    if len(state) < size:
        raise ValueError("it went")
    return Meeting(tuple(map(str, addresses)), state, name)


# ---------------------------------------------------------------------------- what is sent


def _write(stream: BinaryIO, line: Mapping[str, Any], body: bytes = b"") -> None:
    stream.write(json.dumps(line).encode() + b"\n" + body)
    stream.flush()


def _read_line(stream: BinaryIO) -> dict[str, Any]:
    try:
        said = json.loads(stream.readline(LONGEST_LINE))  # what was cut off is no JSON
    except RecursionError:
        said = None
    if not isinstance(said, dict):
        raise ValueError("it is no worker")
    return said
