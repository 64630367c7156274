"""What benchmarks/workers.py and networks.py stored is what the lesson and the cost model claim."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from helpers.workers.cost import Network, StepCost

ROOT = Path(__file__).resolve().parents[2]
# How far the model may be from what was measured: as much as `helpers.workers.cost` says.
WITHIN = 0.15


def stored(name, part):
    file = ROOT / "benchmarks" / "results" / f"{name}.json"
    parts = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if part not in parts:
        pytest.skip(
            f"not measured yet: benchmarks/{name}.py {part}, on a machine that does no more"
        )
    return parts[part]


@pytest.mark.parametrize("framework", ["TensorFlow", "PyTorch"])
def test_four_workers_of_one_machine_take_about_what_the_model_says(framework):
    model = stored("workers", "model")[framework]
    cores = stored("workers", "speed")["machine"]["cores"]
    cost = StepCost(**model["cost"])
    for batch, row in model["a step of 4 workers"].items():
        predicted = cost.seconds(4, int(batch.split()[-1]), cores=cores)
        assert predicted == pytest.approx(row["predicted seconds"], abs=1e-5)
        assert row["measured seconds"] == pytest.approx(predicted, rel=WITHIN), batch


def faster(framework: str, batch: int) -> float:
    """How many times as many images two workers got through as one."""
    measured = stored("workers", "speed")["measured"]
    names = [f"{framework}, batch of {batch}, {n} workers" for n in (1, 2)]
    one, two = (measured[name]["images a second"]["median"] for name in names)
    return two / one


@pytest.mark.parametrize("framework", ["TensorFlow", "PyTorch"])
def test_two_workers_on_two_free_cores_are_faster_than_one(framework):
    assert faster(framework, 256) > 1.5


def test_training_goes_on_soon_after_a_worker_was_killed():
    for row in stored("workers", "stop")["seconds"].values():
        assert row["most"] < 15


def test_a_folder_of_four_times_as_many_images_takes_hardly_more_memory():
    smallest, *_, largest = stored("workers", "memory")["peak megabytes"].values()
    assert largest["median"] - smallest["median"] < 50


def test_networks_take_what_the_model_says():
    """Fitted to one machine and to two; what it says of another network and of four."""
    speed, model = stored("networks", "speed"), stored("networks", "model")
    assert len(model["seconds a step"]) == 8
    for name, row in model["seconds a step"].items():
        framework, machines, batch, network = name.split(", ", 3)
        met = Network(**speed["networks as measured"][network])
        cost = StepCost(**model["costs"][framework])
        numbers = int(machines.split()[0]), int(batch.split()[-1])
        predicted = cost.seconds(*numbers, met, speed["machine"]["cores"])
        assert predicted == pytest.approx(row["predicted"], abs=1e-5), name
        assert row["measured"] == speed["seconds a step"][name]["median"], name
        assert row["measured"] == pytest.approx(predicted, rel=WITHIN), name


def test_workers_learn_the_same_in_float64():
    here = stored("workers", "equality")["largest distance of a weight"]
    between = stored("networks", "equal")["largest distance of a weight"]
    exact = {name: max(row.values()) for name, row in here.items() if "float64" in name}
    exact = {name: apart for name, apart in exact.items() if "norm alone" not in name}
    assert len(exact) == 5
    for name, apart in (exact | between).items():
        assert apart < (1e-10 if "norm together" in name else 1e-12), name


def of_rows(part: str) -> dict[str, dict]:
    """What was measured, without what is said of the machine."""
    return {name: row for name, row in stored("networks", part).items() if ", " in name}


def test_a_network_that_breaks_is_noticed_within_a_minute_and_the_training_goes_on():
    rows = of_rows("cut")
    assert rows.keys() == {
        f"{framework}, {form}, cut for {seconds} s"
        for framework in ("TensorFlow", "PyTorch")
        for form, seconds in (("static", 30), ("static", 90), ("c10d", 90))
    }
    for name, row in rows.items():
        assert row["went on"], name
        if name.endswith("90 s"):  # a cut of half a minute, some wait out
            assert all(seconds < 60 for seconds in row["seconds until the workers ended"]), name
            assert all(row["their words"]), name


def test_a_machine_that_is_lost_comes_back_and_the_training_goes_on():
    rows = of_rows("lost")
    assert rows.keys() == {
        f"machine {number}, {framework}, static"
        for framework in ("TensorFlow", "PyTorch")
        for number in (0, 1)
    }
    for name, row in rows.items():
        assert row["went on"], name


def test_lesson_8_works_with_the_messages_that_were_measured():
    """It rounds what was fitted to TensorFlow over networks."""
    lesson = (ROOT / "notebooks" / "08_outgrowing_one_machine.ipynb").read_text(encoding="utf-8")
    [(handling, hops)] = re.findall(r"handling=([\d.]+), hops=(\d+)", lesson)
    measured = stored("networks", "model")["costs"]["TensorFlow"]
    assert float(handling) == pytest.approx(measured["handling"], rel=0.3)
    assert int(hops) == pytest.approx(measured["hops"], rel=0.3)


def test_with_the_old_learning_rate_a_larger_batch_leads_less_far():
    accuracies = stored("workers", "accuracy")["accuracy of 2,000 validation images"]
    for n in (2, 4):
        shared, grown = (
            accuracies[f"{n} workers, batch of 64{each}"] for each in ("", " a worker")
        )
        assert all(one > other for one, other in zip(shared, grown, strict=True))
