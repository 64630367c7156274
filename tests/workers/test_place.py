"""What a launcher says of a worker's place."""

import pytest

from helpers.basics.errors import UsageError
from helpers.workers.place import Place

TORCHRUN = {
    "RANK": "2", "WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "29500",
    "TORCHELASTIC_RESTART_COUNT": "1", "TORCHELASTIC_RUN_ID": "photos",
}  # fmt: skip


def test_a_script_that_nobody_launched_is_alone():
    assert Place.of_this_process({"PATH": "/bin"}) == Place(0, 1, "127.0.0.1", 29_400, 0, "")


def test_as_torchrun_says_it():
    assert Place.of_this_process(TORCHRUN) == Place(2, 4, "10.0.0.7", 29_500, 1, "photos")


def test_what_a_launcher_need_not_say():
    said = {name: TORCHRUN[name] for name in ("RANK", "WORLD_SIZE", "MASTER_PORT")}
    assert Place.of_this_process(said) == Place(2, 4, "127.0.0.1", 29_500, 0, "")


@pytest.mark.parametrize(
    ("name", "value", "field", "number"),
    [
        ("RANK", "0", "rank", 0), ("RANK", "3", "rank", 3), ("MASTER_PORT", "1", "port", 1),
        ("MASTER_PORT", "65534", "port", 65_534), ("WORLD_SIZE", "1024", "count", 1_024),
        ("TORCHELASTIC_RESTART_COUNT", "1000", "start", 1_000),
    ],
)  # fmt: skip
def test_the_least_and_the_most_that_can_be(name, value, field, number):
    assert getattr(Place.of_this_process({**TORCHRUN, name: value}), field) == number


@pytest.mark.parametrize(("name", "other"), [("RANK", "WORLD_SIZE"), ("WORLD_SIZE", "RANK")])
def test_half_of_a_place_is_no_place(name, other):
    with pytest.raises(UsageError, match=f"Expected {other} in the environment"):
        Place.of_this_process({name: "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RANK", "4"), ("RANK", "-1"), ("RANK", ""), ("RANK", "two"), ("WORLD_SIZE", "0"),
        ("WORLD_SIZE", ""), ("WORLD_SIZE", "9999"), ("MASTER_PORT", ""), ("MASTER_PORT", "65535"),
        ("MASTER_PORT", "0"), ("TORCHELASTIC_RESTART_COUNT", "many"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_with_its_name(name, value):
    with pytest.raises(UsageError, match=f"Expected {name} in the environment"):
        Place.of_this_process({**TORCHRUN, name: value})


@pytest.mark.parametrize("name", ["SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE"])
def test_another_launcher_does_not_start_many_that_train_alone(name):
    with pytest.raises(UsageError, match=f"started by torchrun. Received: {name}=2"):
        Place.of_this_process({name: "2"})
    for value in ("1", "", "two"):
        assert Place.of_this_process({name: value}) == Place()
    with pytest.raises(UsageError, match="started by torchrun. Received: TF_CONFIG="):
        Place.of_this_process({name: "1", "TF_CONFIG": '{"cluster": {}}'})
