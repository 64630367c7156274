"""What a launcher says of a worker's place."""

import pytest

from helpers.basics.errors import UsageError
from helpers.workers.place import Place

TORCHRUN = {
    "RANK": "2", "WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "29500",
    "TORCHELASTIC_RESTART_COUNT": "1", "TORCHELASTIC_RUN_ID": "photos",
}  # fmt: skip


def test_a_script_that_nobody_launched_is_alone():
    assert Place.of_this_process({"PATH": "/bin"}) == Place(0, 1)


def test_as_torchrun_says_it():
    assert Place.of_this_process(TORCHRUN) == Place(2, 4, "10.0.0.7", 29_500, 1, "photos")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RANK", "4"), ("RANK", "-1"), ("RANK", ""), ("RANK", "two"), ("WORLD_SIZE", "0"),
        ("WORLD_SIZE", ""), ("WORLD_SIZE", "9999"), ("MASTER_PORT", ""), ("MASTER_PORT", "65535"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_with_its_name(name, value):
    with pytest.raises(UsageError, match=f"Expected {name} in the environment"):
        Place.of_this_process({**TORCHRUN, name: value})


@pytest.mark.parametrize("name", ["SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE"])
def test_another_launcher_does_not_start_many_that_train_alone(name):
    with pytest.raises(UsageError, match=f"started by torchrun. Received: {name}=4"):
        Place.of_this_process({name: "4"})
    assert Place.of_this_process({name: "1"}) == Place()
