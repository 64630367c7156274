"""How long a step of several workers takes, and from how many workers on more no longer pay.

Introduced in lesson 8. A step has two parts, one after the other. Each worker computes on its
share of the batch; then all bring their gradients together, in a ring: each sends pieces to its
neighbour, 2 (n - 1) times, until every worker has the whole sum (Patarasuk and Yuan, 2009,
https://doi.org/10.1016/j.jpdc.2008.09.002). Of n workers with a batch of b images:

    computation  (fixed + per_image * b / n) * crowding * turning * n / cores
    together     hops * (n - 1) * (handling + latency)
                 + 2 (n - 1) / n * gradient_bytes / bytes_a_second

n / cores and turning count only where workers are more than cores, and only while they compute:
while messages are on their way, cores are free. There a hop also waits until its worker has its
turn again, so waiting takes the place of handling where it is longer. crowding counts only where
two cores or more of one machine compute, which share caches and memory. hops is 2 for one ring;
frameworks that talk more, or send an answer for each piece, have more.

Measured (benchmarks/networks.py and workers.py), where it was fitted to one and two workers: two
and four machines over networks took within 15 % of what it says, and so did four workers that share
two cores.

What the model leaves out: a framework can send some gradients while it computes others; workers
are never equally fast, and all wait for the slowest; reading images from a disk takes time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from helpers.basics.arguments import check_whole
from helpers.basics.errors import UsageError

MOST_WORKERS = 1_000_000


def _check(name: str, value: float, *, least: float = 0, above: bool = False) -> None:
    good = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value < least or (above and value <= least):
        expected = f"above {least}" if above else f"of {least} or more"
        raise UsageError(f"Expected {name} as a number {expected}. Received: {value!r}.")


@dataclass(frozen=True)
class Network:
    """What lies between the machines.

    Attributes:
        bytes_a_second: that one machine can send. 1 Gbit/s is 125,000,000.
        latency: seconds from the sending of a byte to its arrival, one way.

    Raises:
        UsageError: a number that cannot be.

    Introduced in lesson 8.
    """

    bytes_a_second: float
    latency: float = 0.0

    def __post_init__(self):
        _check("bytes_a_second", self.bytes_a_second, above=True)
        _check("latency", self.latency)


# Workers of one machine: the bytes stay in its memory.
ONE_MACHINE = Network(bytes_a_second=5e9)


@dataclass(frozen=True)
class StepCost:
    """What a step is made of.

    Attributes:
        fixed: seconds of computation that each step takes, however few images it has.
        per_image: seconds of computation that each image adds.
        gradient_bytes: of the gradients of all weights: 4 bytes a weight in float32.
        handling: seconds that a hop takes beside the latency, in the framework and the system.
        hops: messages that wait for one another, in a step of two workers.
        crowding: how many times as long the computation takes where another core of the same
            machine computes too.
        turning: how many times as long it takes where workers take turns on a core, which the
            other one's data have to leave first.
        waiting: seconds that a hop takes at least where workers take turns on a core.

    Raises:
        UsageError: a number that cannot be.

    Introduced in lesson 8.
    """

    fixed: float
    per_image: float
    gradient_bytes: float
    handling: float = 0.0
    hops: float = 2.0
    crowding: float = 1.0
    turning: float = 1.0
    waiting: float = 0.0

    def __post_init__(self):
        for name in ("fixed", "handling", "gradient_bytes", "hops", "waiting"):
            _check(name, getattr(self, name))
        _check("per_image", self.per_image, above=True)
        for name in ("crowding", "turning"):
            _check(name, getattr(self, name), least=1)

    def computation(self, workers: int, batch_size: int, cores: int | None = None) -> float:
        """Seconds in which every worker has computed its share of one batch.

        Args:
            workers: how many, each with one thread.
            batch_size: images of all workers together.
            cores: of the one machine that all workers share; left out: each has its own machine.

        Introduced in lesson 8.
        """
        _check_step(workers, batch_size, cores)
        turns = max(1.0, workers / cores) if cores else 1.0
        crowding = self.crowding if cores and min(workers, cores) > 1 else 1.0
        turning = self.turning if turns > 1 else 1.0
        share = math.ceil(batch_size / workers)  # of the worker with the most images
        return (self.fixed + self.per_image * share) * crowding * turning * turns

    def together(self, workers: int, network: Network, cores: int | None = None) -> float:
        """Seconds in which the gradients of all workers are brought together.

        Args:
            workers: how many, each with one thread.
            network: between them.
            cores: as for `computation`.

        Introduced in lesson 8.
        """
        _check_step(workers, workers, cores)
        sent = 2 * (workers - 1) / workers * self.gradient_bytes
        in_turns = cores is not None and workers > cores
        handling = max(self.handling, self.waiting) if in_turns else self.handling
        waits = self.hops * (workers - 1) * (handling + network.latency)
        return waits + sent / network.bytes_a_second

    def seconds(
        self,
        workers: int,
        batch_size: int,
        network: Network = ONE_MACHINE,
        cores: int | None = None,
    ) -> float:
        """Seconds of one step.

        Introduced in lesson 8.
        """
        computation = self.computation(workers, batch_size, cores)
        return computation + self.together(workers, network, cores)

    def epoch_seconds(
        self,
        images: int,
        workers: int,
        batch_size: int,
        network: Network = ONE_MACHINE,
        cores: int | None = None,
    ) -> float:
        """Seconds in which all images were learned from once.

        Introduced in lesson 8.
        """
        check_whole("images", images, 1, 10**15)
        steps = math.ceil(images / batch_size)
        return steps * self.seconds(workers, batch_size, network, cores)

    def efficiency(
        self,
        workers: int,
        batch_size: int,
        network: Network = ONE_MACHINE,
        cores: int | None = None,
    ) -> float:
        """How much of n times the speed of one worker n workers reach: 1 is all of it.

        Introduced in lesson 8.
        """
        alone = self.seconds(1, batch_size)
        return alone / workers / self.seconds(workers, batch_size, network, cores)


def fit_cost(
    alone: Mapping[int, float],
    two: Mapping[int, float],
    gradient_bytes: float,
    *,
    cores: int,
    hops: float = 2.0,
    network: Network = ONE_MACHINE,
) -> StepCost:
    """The cost of a step, from what one worker and two workers of one machine took.

    Two workers on two cores or more show the crowding and the handling, two on one core the turning
    and the waiting.

    Args:
        alone: batch size -> seconds of a step of one worker, for two or more sizes.
        two: the same of two workers that shared the machine; batch sizes of all together.
        gradient_bytes: of the gradients of all weights.
        cores: that the two had together.
        hops: see `StepCost`; `with_hops` fits it.
        network: between the two.

    Raises:
        UsageError: fewer than two batch sizes, or seconds that do not grow with the batch.

    Introduced in lesson 8.
    """
    check_whole("cores", cores, 1, MOST_WORKERS)
    per_image, fixed = _line("alone", alone, lambda size: size)
    fixed = max(fixed, 0.0)
    plain = StepCost(fixed, per_image, gradient_bytes, hops=hops)

    def busy(size: int) -> float:
        return plain.computation(2, size, cores)

    slower, rest = _line("two", two, busy)
    if slower < 1:  # what two do at once is not faster: chance made it so
        slower, rest = 1.0, float(np.mean([two[size] - busy(size) for size in two]))
    rest -= plain.together(2, network)
    each = max(rest, 0.0) / hops if hops else 0.0
    if cores == 1:
        return replace(plain, turning=slower, waiting=each)
    return replace(plain, crowding=slower, handling=each)


def with_hops(
    cost: StepCost, seconds: float, batch_size: int, network: Network, cores: int | None = None
) -> StepCost:
    """The same cost with the number of hops that a slow network showed.

    What all hops of a step take beside the latency stays as long as it was.

    Args:
        cost: as `fit_cost` gives it.
        seconds: of a step of two workers over the network.
        batch_size: of both together.
        network: with a latency that is long beside the handling of a hop.
        cores: of the machine where both ran; left out: each had its own.

    Raises:
        UsageError: the network has no latency.

    Introduced in lesson 8.
    """
    _check("latency", network.latency, above=True)
    _check("seconds", seconds, above=True)
    without = cost.seconds(2, batch_size, replace(network, latency=0.0), cores)
    hops = max(seconds - without, 0.0) / network.latency
    share = cost.hops / hops if hops else 0.0
    handling, waiting = cost.handling * share, cost.waiting * share
    return replace(cost, hops=hops, handling=handling, waiting=waiting)


def _line(name: str, measured: Mapping[int, float], of_size) -> tuple[float, float]:
    """Slope and height of the line through measured seconds; each counts by its share."""
    if len(measured) < 2:
        raise UsageError(
            f"Expected {name} with the seconds of two batch sizes or more. Received: "
            f"{len(measured)}. Measure a small and a large batch."
        )
    for size, seconds in measured.items():
        check_whole(f"a batch size of {name}", size, 1, MOST_WORKERS)
        _check(f"the seconds of {name}", seconds, above=True)
    x = np.array([of_size(size) for size in measured])
    y = np.array([*measured.values()], float)
    slope, height = np.polyfit(x, y, 1, w=1 / y)
    if slope <= 0:
        raise UsageError(
            f"Expected the seconds of {name} to grow with the batch. Received: {dict(measured)}. "
            "Measure again while nothing else runs, more steps of each size."
        )
    return float(slope), float(height)


def _check_step(workers: int, batch_size: int, cores: int | None) -> None:
    check_whole("workers", workers, 1, MOST_WORKERS)
    check_whole("batch_size", batch_size, 1, 10**9)
    if cores is not None:
        check_whole("cores", cores, 1, MOST_WORKERS)
    if batch_size < workers:
        raise UsageError(
            f"Expected at least one image for each of {workers} workers. Received: a batch of "
            f"{batch_size}. Choose a larger batch, or fewer workers."
        )
