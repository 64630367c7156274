"""Several machines as network namespaces of this one, and the network between them.

    with Machines(2, Network(12.5e6, 0.001)) as machines:
        process = machines.start(0, ["hostname"])

Each has a network of its own, with nothing in it but itself and one link, 10.77.0.1, 10.77.0.2 and
so on. The processor, the memory and the disk are shared. The links lead to a small program that
passes packets on, as slowly as the network that is asked for: it holds each packet until a link
of that bandwidth would have sent it, and for the latency. Linux can do that itself (tc netem), but
not every kernel has it. Needs root, `ip` and /dev/net/tun.
"""

import contextlib
import fcntl
import heapq
import itertools
import json
import os
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

from helpers.workers.cost import Network

NAME = "c{}_{}"  # of a namespace: this process and the machine; also of a link, 15 letters at most
LINK = "link0"
ADDRESS = "10.77.0.{}"
LONGEST_PACKET = 9_000  # bytes, as in networks of computing centres; fewer packets to pass on
LARGE = 1 << 17  # bytes, about what lesson 8's network sends in a step
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def why_not() -> str:
    """What is missing here for machines of this kind, in words, or nothing."""
    if sys.platform != "linux":
        return "network namespaces are a part of Linux"
    if os.geteuid():
        return "making network namespaces needs root"
    if not shutil.which("ip"):
        return "the program `ip` is missing (Debian's package iproute2)"
    if not os.access("/dev/net/tun", os.W_OK):
        return "/dev/net/tun is missing"
    name = NAME.format(os.getpid(), "x")
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True)
    if tried.returncode:
        return "this system allows no network namespaces"
    try:
        os.close(link_of(0, name))
    except (OSError, subprocess.CalledProcessError):
        return "this system allows no links of its own kind (TUN)"
    finally:
        ip("netns", "delete", name)
    return ""


def ip(*words: object) -> None:
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True)


class Machines:
    """Namespaces with links between them, for as long as the `with` block lasts."""

    def __init__(self, count: int, network: Network):
        self.count, self.network = count, network
        self.processes: list[subprocess.Popen] = []

    def __enter__(self) -> "Machines":
        names = [NAME.format(os.getpid(), number) for number in range(self.count)]
        with contextlib.ExitStack() as closing:
            for name in names:
                ip("netns", "add", name)
                closing.callback(ip, "netns", "delete", name)
            closing.callback(self._end_processes)
            switch = [sys.executable, __file__, json.dumps([names, *vars(self.network).values()])]
            self.processes.append(subprocess.Popen(switch, stdout=subprocess.PIPE, text=True))
            if self.processes[0].stdout.readline() != "ready\n":
                raise RuntimeError("the network could not be made")
            self._closing = closing.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._closing.close()

    def _end_processes(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for process in self.processes:
            if process.stdout:
                process.stdout.close()

    def address(self, number: int) -> str:
        return ADDRESS.format(number + 1)

    def start(self, number: int, command: list[object], **options) -> subprocess.Popen:
        """Start a program on one machine; it is ended with the machines."""
        whole = ["ip", "netns", "exec", NAME.format(os.getpid(), number), *map(str, command)]
        self.processes.append(subprocess.Popen(whole, **options))
        return self.processes[-1]

    def run(self, number: int, *command: object) -> str:
        """Run a program on one machine to its end, and give what it printed."""
        whole = ["ip", "netns", "exec", NAME.format(os.getpid(), number), *map(str, command)]
        return subprocess.run(whole, check=True, capture_output=True, text=True).stdout

    def cut_off(self, number: int) -> None:
        """Nothing comes from or to this machine any more."""
        self.run(number, "ip", "link", "set", LINK, "down")

    def connect(self, number: int) -> None:
        """It is there again."""
        self.run(number, "ip", "link", "set", LINK, "up")

    def as_measured(self) -> Network:
        """What TCP makes of the network, from machine 0 to machine 1."""
        with self.start(1, [sys.executable, __file__, "answer"], stdout=subprocess.PIPE) as answer:
            answer.stdout.readline()
            said = self.run(0, sys.executable, __file__, "ask", self.address(1))
        return Network(*map(float, said.split()))


# ---------------------------------------------------------------------------- the network


def link_of(number: int, name: str) -> int:
    """Make the link of one machine; gives the file that its packets are read from."""
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    asked = struct.pack("16sH22s", name.encode(), IFF_TUN | IFF_NO_PI, b"")
    fcntl.ioctl(file, TUNSETIFF, asked)
    ip("link", "set", name, "netns", name, "name", LINK)
    inside = ("-n", name)
    ip(*inside, "address", "add", f"{ADDRESS.format(number + 1)}/24", "dev", LINK)
    ip(*inside, "link", "set", LINK, "mtu", LONGEST_PACKET, "up")
    ip(*inside, "link", "set", "lo", "up")
    return file


def pass_on(names: list[str], bytes_a_second: float, latency: float) -> None:
    """Pass packets from link to link, as slowly as asked for, until this process is ended."""
    files = [link_of(number, name) for number, name in enumerate(names)]
    print("ready", flush=True)
    sends_until = [0.0] * len(files)  # when each link has sent what it has to send
    gets_until = [0.0] * len(files)
    order = itertools.count()
    on_the_way: list[tuple[float, int, int, bytes]] = []
    started_by = os.getppid()
    while os.getppid() == started_by:  # else nobody is left to stop this
        wait = max(on_the_way[0][0] - time.monotonic(), 0) if on_the_way else 1
        ready, _, _ = select.select(files, (), (), wait)
        for file in ready:
            with contextlib.suppress(OSError):  # a link that is down
                packet = os.read(file, LONGEST_PACKET)
                source, target = files.index(file), packet[19] - 1  # by the address of IPv4
                if packet[0] >> 4 != 4 or not 0 <= target < len(files):
                    continue
                seconds = len(packet) / bytes_a_second
                sent = max(time.monotonic(), sends_until[source]) + seconds
                arrives = max(sent + latency, gets_until[target] + seconds)
                sends_until[source], gets_until[target] = sent, arrives
                heapq.heappush(on_the_way, (arrives, next(order), target, packet))
        now = time.monotonic()
        while on_the_way and on_the_way[0][0] <= now:
            _, _, target, packet = heapq.heappop(on_the_way)
            with contextlib.suppress(OSError):
                os.write(files[target], packet)


def answer() -> None:
    """Answer with a byte whenever as many bytes have come as were said to come."""
    with socket.create_server(("", 7_000)) as door:
        print("ready", flush=True)
        connection, _ = door.accept()
        with connection, connection.makefile("rb") as coming:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while said := coming.read(4):
                coming.read(int.from_bytes(said))
                connection.sendall(b"x")


def ask(address: str) -> None:
    """Bytes a second and the seconds of one way, by the time until an answer comes."""
    with socket.create_connection((address, 7_000)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def seconds(size: int) -> float:
            taken = []
            for _ in range(50):
                start = time.perf_counter()
                connection.sendall(size.to_bytes(4) + bytes(size))
                connection.recv(1)
                taken.append(time.perf_counter() - start)
            return statistics.median(taken)

        small, large = seconds(1), seconds(LARGE)
    print(LARGE / (large - small), small / 2)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if sys.argv[1] == "answer":
        answer()
    elif sys.argv[1] == "ask":
        ask(sys.argv[2])
    else:
        pass_on(*json.loads(sys.argv[1]))
