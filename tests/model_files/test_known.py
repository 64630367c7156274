"""What a model file says of the training: written by `save_model`, read by `load_model`."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from made_models import archive_of, members_of, sequential, trained
from PIL import Image

from helpers import build_cnn, load_model, predict, save_model
from helpers.basics.errors import DamagedFileError, MismatchError
from helpers.model_files import archive
from helpers.models import graph
from helpers.models.trained_on import TrainedOn, note_trained_on, note_training, trained_on

GIVEN = TrainedOn(("고양이 🐱", "$5"), (8, 8, 1), "pad", (-1.0, 1.0))


@pytest.fixture
def saved(tmp_path):
    model = trained(sequential())
    note_trained_on(model, GIVEN)
    return save_model(model, tmp_path / "known")


def test_all_of_it_comes_back(saved):
    assert trained_on(load_model(saved)) == GIVEN


def test_weights_of_many_gigabytes_have_room_in_it(saved):
    """An archive says of each member before it is written whether it may be so large."""
    with zipfile.ZipFile(saved) as file:
        assert file.getinfo(archive.WEIGHTS).extract_version >= 45  # ZIP64


def test_keras_itself_loads_the_file_with_the_same_weights(saved):
    import keras

    ours, theirs = load_model(saved), keras.saving.load_model(saved)
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert trained_on(theirs) is None


@pytest.mark.parametrize("pixels", [(0.0, 255.0), (0.0, 250.0)], ids=str)
def test_the_model_has_been_read_before_the_first_photo(tmp_path, monkeypatch, pixels):
    model = trained(sequential())
    known = TrainedOn(("a", "b", "c"), model.input_shape[1:], pixels=pixels)
    note_trained_on(model, known)
    loaded = load_model(save_model(model, tmp_path / "known"))

    def read_anew(*asked):
        raise AssertionError

    monkeypatch.setattr(graph, "_read_anew", read_anew)
    answer = predict(loaded, Image.new("L", (9, 12), 200))
    assert answer.probabilities.shape == (1, 3)


def test_what_nobody_noted_is_not_written(tmp_path):
    path = save_model(trained(sequential()), tmp_path / "plain")
    assert archive.KNOWN not in json.loads(members_of(path)["metadata.json"])
    assert trained_on(load_model(path)) is None


def test_saving_again_keeps_it(saved, tmp_path):
    again = save_model(load_model(saved), tmp_path / "again")
    assert trained_on(load_model(again)) == GIVEN
    with zipfile.ZipFile(again) as file:
        assert sorted(file.namelist()) == sorted(archive.MEMBERS)


def test_the_classes_in_another_order_are_refused(dataset, tmp_path):
    model = build_cnn(dataset)
    note_training(model, dataset)
    turned = replace(dataset, class_names=dataset.class_names[::-1])
    with pytest.raises(MismatchError, match="in the order of the model's numbers"):
        save_model(model, tmp_path / "turned", turned)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        {"class_names": "ab"}, {"class_names": [1, 2]}, {"class_names": None},
        {"image_shape": [8, 8]}, {"image_shape": [8, 8, 0]}, {"image_shape": [8, 8, 1.5]},
        {"image_shape": [8, 8, True]}, {"fit": "stretch"}, {"fit": ["pad"]}, {"fit": {}},
        {"pixels": [1]}, {"pixels": [1, 0]}, {"pixels": [0, float("inf")]}, {"pixels": ["0", "1"]},
        {"image_shape": [100_000, 100_000, 3]}, {"pixels": [0, 10**400]},
        {"pixels": [0, float("nan")]}, {"pixels": 255}, {"pixels": [False, True]},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused(saved, tmp_path, change):
    members = members_of(saved)
    metadata = json.loads(members["metadata.json"])
    metadata[archive.KNOWN] |= change
    members["metadata.json"] = json.dumps(metadata).encode()
    path = archive_of(tmp_path / "changed.keras", members)
    with pytest.raises(DamagedFileError, match="does not say what a model was trained on"):
        load_model(path)


@pytest.mark.parametrize("said", [[], "x", 5, {}, True])
def test_so_is_what_is_no_such_entry(saved, tmp_path, said):
    members = members_of(saved)
    members["metadata.json"] = json.dumps(
        json.loads(members["metadata.json"]) | {archive.KNOWN: said}
    ).encode()
    with pytest.raises(DamagedFileError, match="trained on"):
        load_model(archive_of(tmp_path / "changed.keras", members))


def test_it_goes_when_the_model_goes():
    import gc

    model = sequential()
    note_trained_on(model, GIVEN)
    assert trained_on(model) == GIVEN
    del model
    gc.collect()
    assert trained_on(sequential()) is None


def test_after_a_training_of_which_nothing_can_be_said_nothing_is_known(dataset, make_dataset):
    model = sequential()
    note_trained_on(model, GIVEN)
    note_training(model, replace(dataset, class_names=("a\x1b", "b", "c")))
    assert trained_on(model) is None
    note_training(model, make_dataset(train=0))  # of no images these are the likeliest numbers
    assert trained_on(model).pixels == (0.0, 255.0)
