"""The cost of a step: cases worked by hand, and made-up measurements that give it back."""

import math
from dataclasses import replace

import pytest

from helpers.basics.errors import UsageError
from helpers.workers.cost import Network, StepCost, fit_cost, with_hops

# 10 ms and 1 ms an image; a million bytes; 1 ms a hop.
COST = StepCost(
    0.01, 0.001, 1_000_000, handling=0.001, hops=2, crowding=1.2, turning=1.3, waiting=0.003
)
GIGABIT = Network(125e6, 0.0001)
FREE = Network(1e30)


def test_one_worker_brings_nothing_together():
    assert COST.together(1, GIGABIT) == 0
    assert COST.seconds(1, 90, GIGABIT) == pytest.approx(0.1)
    assert COST.efficiency(1, 90) == 1


def test_four_machines_by_hand():
    # 0.01 + 64 / 4 * 0.001; 2 * 3 hops of 1.1 ms; 2 * 3 / 4 of 1 MB at 125 MB/s: 12 ms.
    assert COST.seconds(4, 64, GIGABIT) == pytest.approx(0.026 + 0.0066 + 0.012)
    assert COST.efficiency(4, 64, GIGABIT) == pytest.approx(0.074 / 4 / 0.0446)
    # 10,000,000 images are 156,250 steps.
    assert COST.epoch_seconds(10_000_000, 4, 64, GIGABIT) == pytest.approx(156_250 * 0.0446)
    assert COST.epoch_seconds(1, 4, 64, GIGABIT) == pytest.approx(0.0446)


def test_four_workers_of_two_cores_take_turns():
    assert COST.computation(4, 64, cores=2) == pytest.approx(0.026 * 1.2 * 1.3 * 2)
    assert COST.computation(2, 64, cores=1) == pytest.approx(0.042 * 1.3 * 2)  # one at a time
    assert COST.computation(2, 64, cores=2) == pytest.approx(0.042 * 1.2)
    assert COST.computation(1, 64, cores=2) == pytest.approx(0.074)  # nobody beside it
    # While messages are on their way, cores are free, but each of the 2 * 3 waits for its turn.
    computation = COST.computation(4, 64, cores=2)
    assert COST.seconds(4, 64, FREE, cores=2) == pytest.approx(computation + 2 * 3 * 0.003)
    assert COST.together(4, FREE, cores=4) == COST.together(4, FREE) == pytest.approx(2 * 3 * 0.001)
    slow = replace(COST, handling=0.005)  # which a turn does not make faster
    assert slow.together(4, FREE, cores=2) == pytest.approx(2 * 3 * 0.005)


def test_the_worker_with_the_most_images_is_waited_for():
    assert COST.computation(3, 64) == pytest.approx(0.01 + 0.001 * 22)


def test_computation_without_any_talk_is_shared_fully():
    plain = StepCost(0, 0.001, 0)
    assert plain.efficiency(64, 640, FREE) == pytest.approx(1)


def test_more_workers_stop_paying_where_they_only_talk():
    shares = [COST.efficiency(workers, 64, GIGABIT) for workers in (2, 4, 8, 16)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.5 > shares[-1]
    # A larger batch computes longer for one talk.
    assert COST.efficiency(16, 4_096, GIGABIT) > 0.5


@pytest.mark.parametrize("cores", [2, 8])
@pytest.mark.parametrize("sizes", [(64, 256), (32, 64, 128, 500)])
def test_exact_measurements_give_the_numbers_back(cores, sizes):
    alone = {size: COST.seconds(1, size) for size in sizes}
    two, on_one_core = (
        {size: COST.seconds(2, size, GIGABIT, n) for size in sizes} for n in (cores, 1)
    )
    found = fit_cost(alone, two, 1_000_000, cores=cores, network=GIGABIT)
    turns = fit_cost(alone, on_one_core, 1_000_000, cores=1, network=GIGABIT)
    # What they do not show.
    assert (found.turning, found.waiting, turns.crowding, turns.handling) == (1, 0, 1, 0)
    found = replace(found, turning=turns.turning, waiting=turns.waiting)
    for name, value in vars(COST).items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-6), name


def test_the_hops_are_found_on_a_slow_network():
    true = StepCost(0.01, 0.001, 1_000_000, handling=0.0004, hops=5, crowding=1.2, waiting=0.002)
    alone = {size: true.seconds(1, size) for size in (64, 256)}
    two = {size: true.seconds(2, size, cores=2) for size in (64, 256)}
    slow = Network(12.5e6, 0.01)
    first = replace(fit_cost(alone, two, 1_000_000, cores=2), waiting=0.005)  # of 2 hops
    found = with_hops(first, true.seconds(2, 64, slow, 2), 64, slow, 2)
    for name, value in vars(true).items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-6), name


def test_chance_makes_nothing_negative():
    found = fit_cost({64: 0.05, 256: 0.25}, {64: 0.02, 256: 0.1}, 1_000, cores=2)
    assert found.fixed == 0
    assert found.crowding == 1
    assert found.handling == 0


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "3", None, True])
@pytest.mark.parametrize(
    "name",
    ["fixed", "per_image", "gradient_bytes", "handling", "hops", "crowding", "turning", "waiting"],
)
def test_costs_that_cannot_be(name, value):
    numbers = {"fixed": 0.01, "per_image": 0.001, "gradient_bytes": 1}
    with pytest.raises(UsageError, match=f"^Expected {name} as a number"):
        StepCost(**{**numbers, name: value})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Network(0), "bytes_a_second as a number above 0. Received: 0"),
        (lambda: Network(1, -1), "latency as a number of 0 or more. Received: -1"),
        (lambda: COST.seconds(0, 64), "workers as a whole number from 1"),
        (lambda: COST.seconds(2.5, 64), "workers as a whole number from 1"),
        (lambda: COST.seconds(65, 64), "at least one image for each of 65 workers"),
        (lambda: COST.seconds(2, 64, cores=0), "cores as a whole number from 1"),
        (lambda: COST.epoch_seconds(0, 1, 64), "images as a whole number"),
        (lambda: fit_cost({64: 1}, {64: 1, 2: 1}, 1, cores=2), "alone with the seconds of two"),
        (lambda: fit_cost({1: 1, 2: 2}, {64: 1}, 1, cores=2), "two with the seconds of two"),
        (lambda: fit_cost({1: 2, 2: 1}, {1: 1, 2: 2}, 1, cores=2), "alone to grow with the batch"),
        (lambda: fit_cost({1: 1, 2: 2}, {2: 1, 4: 2}, 1, cores=0), "cores as a whole number"),
        (lambda: fit_cost({1: 0, 2: 2}, {2: 1, 4: 2}, 1, cores=2), "seconds of alone as a number"),
        (lambda: with_hops(COST, 1, 64, Network(1)), "latency as a number above 0"),
        (lambda: with_hops(COST, 0, 64, GIGABIT), "seconds as a number above 0"),
    ],
)
def test_what_makes_no_sense_is_said(make, words):
    with pytest.raises(UsageError, match=words):
        make()


def test_short_steps_count_as_much_as_long_ones():
    """A second more or less is much for one image, and little for 200."""
    found = fit_cost({1: 1.1, 100: 100, 200: 200}, {2: 2, 200: 200}, 1_000, cores=2)
    assert found.fixed == pytest.approx(0.1, rel=0.02)


def test_without_hops_there_is_no_handling():
    alone, two = {64: 0.05, 256: 0.25}, {64: 0.1, 256: 0.4}
    assert fit_cost(alone, two, 1_000, cores=2, hops=0).handling == 0
    found = with_hops(COST, 1e-6, 64, GIGABIT)
    assert (found.hops, found.handling) == (0, 0)


def test_two_messages_wait_for_one_another_where_nothing_is_said():
    assert StepCost(0, 0.001, 0).hops == 2
    assert fit_cost({1: 1, 2: 2}, {2: 1.5, 4: 2.5}, 1, cores=2).hops == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fit_cost({"64": 1, 2: 2}, {2: 1, 4: 2}, 1, cores=2), "a batch size of alone as a"),
        (
            lambda: fit_cost({1: 1, 2: 2}, {0: 1, 4: 2}, 1, cores=2),
            "a batch size of two as a whole",
        ),
        (lambda: COST.seconds(1, 0), "batch_size as a whole number from 1"),
    ],
)
def test_batches_that_cannot_be(make, words):
    with pytest.raises(UsageError, match=f"Expected {words}"):
        make()
