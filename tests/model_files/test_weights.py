"""Weights and layers that would fill the memory, or lie elsewhere, are refused before that."""

from __future__ import annotations

import contextlib
import json
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from made_models import (
    add_first,
    archive_of,
    changed_weights,
    child_process,
    layer,
    members_of,
    refused,
)

from helpers.basics import memory
from helpers.basics.errors import (
    CourseError,
    DamagedFileError,
    ModelFileError,
)
from helpers.model_files import names
from helpers.model_files.load import load_model
from helpers.model_files.save import save_model


class TestWeights:
    def changed(self, good, write, change) -> Path:
        def with_another_array(file: h5py.File) -> None:
            del file["layers/dense/vars/0"]
            change(file["layers/dense/vars"])

        return write({"model.weights.h5": changed_weights(good, with_another_array)})

    @pytest.mark.parametrize(
        "link", [h5py.SoftLink("/layers"), h5py.ExternalLink("/etc/passwd", "/")]
    )
    def test_links_are_refused(self, good, write, link):
        path = self.changed(good, write, lambda group: group.__setitem__("0", link))
        refused(path, DamagedFileError)

    def test_numbers_in_another_file_are_refused(self, good, write, tmp_path):
        secret = tmp_path / "secret"
        secret.write_bytes(b"\0" * 1200)

        def outside(group: h5py.Group) -> None:
            group.create_dataset("0", (100, 3), "float32", external=[(str(secret), 0, 1200)])

        path = self.changed(good, write, outside)
        refused(path, ModelFileError, "weights that lie elsewhere")

    def test_a_view_of_other_arrays_is_refused(self, good, write):
        layout = h5py.VirtualLayout((100, 3), "float32")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (100, 3))
        path = self.changed(good, write, lambda g: g.create_virtual_dataset("0", layout))
        refused(path, ModelFileError, "weights that lie elsewhere")

    def test_texts_and_references_are_refused(self, good, write):
        kind = h5py.string_dtype()
        path = self.changed(good, write, lambda g: g.create_dataset("0", (100, 3), kind))
        refused(path, ModelFileError, "weights that lie elsewhere")

    def test_a_huge_array_of_packed_zeros_is_refused(self, good, write):
        options = {"chunks": (1000, 3), "compression": "gzip"}
        shape = (10**9, 3)
        path = self.changed(good, write, lambda g: g.create_dataset("0", shape, "f4", **options))
        refused(path, ModelFileError, "bytes of weights that unpack to 12,0")

    def test_one_array_under_many_names_is_refused(self, good, write):
        def many_names(group: h5py.Group) -> None:
            group.create_dataset("0", data=np.zeros((100, 3), "float32"))
            for number in range(2000):
                group[f"copy_{number}"] = group["0"]

        refused(self.changed(good, write, many_names), DamagedFileError, "<Dense name=")

    def test_a_group_inside_itself_does_not_hang(self, good, write):
        def inside_itself(group: h5py.Group) -> None:
            group.create_dataset("0", data=np.zeros((100, 3), "float32"))
            group["again"] = group.parent

        with contextlib.suppress(CourseError):
            load_model(self.changed(good, write, inside_itself))

    def test_groups_in_groups_without_end_are_refused(self, good, write):
        path = self.changed(good, write, lambda group: group.create_group("/".join("g" * 150)))
        refused(path, ModelFileError, "more than 100 groups deep")


def on_another() -> dict:
    """A call of a layer on the output of another."""
    return {"args": [{"class_name": "__keras_tensor__", "config": {}}], "kwargs": {}}


class TestMemory:
    @pytest.mark.parametrize("extra", [{}, {"extra": on_another()["args"]}])
    def test_numbers_that_are_computed_while_it_is_built_are_refused(self, tmp_path, extra):
        """Two thousand times two thousand of them, of one: it could be billions."""
        image = keras.Input((3,))
        path = save_model(keras.Model(image, layers.Dense(2)(image)), tmp_path / "cnn")
        members = members_of(path)
        config = json.loads(members["config.json"])
        one = {"class_name": "__tensor__", "config": {"value": [1.0], "dtype": "float32", **extra}}
        enlarge = layer("BroadcastTo", "keras.src.ops.numpy", shape=[2000, 2000])
        enlarge.update(name="added", inbound_nodes=[{"args": [one], "kwargs": {}}])
        config["config"]["layers"].append(enlarge)
        archive_of(path, {**members, "config.json": json.dumps(config).encode()})
        refused(path, ModelFileError, "computes numbers while it is built")

    def test_more_thresholds_than_anyone_needs_are_refused(self, write_config):
        metrics = [layer("AUC", "keras.metrics", name=n, num_thresholds=6_000_000) for n in "ab"]
        path = write_config(lambda config: config["compile_config"].update(metrics=metrics))
        refused(path, ModelFileError, "asks for 12,0")

    def test_numbers_of_many_bytes_are_refused(self, write_config):
        array = layer("__numpy__", "builtins", value=[1], dtype="S1000000000")
        array["config"].pop("name", None)
        constant = layer("Constant", "keras.initializers", value=array)
        path = write_config(
            lambda config: config["config"]["layers"][-1]["config"].update(
                kernel_initializer=constant
            )
        )
        refused(path, ModelFileError, "numbers of type 'S1000000000'")

    def test_a_number_of_billions_is_refused(self, write_config):
        path = write_config(
            lambda config: config["config"]["layers"][-1]["config"].update(units=10**10)
        )
        refused(path, ModelFileError, "asks for 10,000,000,")

    def test_layers_larger_than_the_memory_are_refused(self, write_config, monkeypatch):
        monkeypatch.setattr(memory, "available_memory", lambda: 8 * 10**9)
        path = write_config(
            lambda config: config["config"]["layers"][-1]["config"].update(units=9_000_000)
        )
        # 100 x 9,000,000 weights of 4 bytes, four times: Adam keeps numbers for each.
        refused(path, ModelFileError, "needs 14.5 GB of memory, where 8.0 GB are free")

    def test_without_an_optimizer_they_need_less(self, write_config, monkeypatch):
        monkeypatch.setattr(memory, "available_memory", lambda: 3 * 10**9)

        def change(config: dict) -> None:
            del config["compile_config"]
            config["config"]["layers"][-1]["config"].update(units=9_000_000)

        refused(write_config(change), ModelFileError, "needs 3.6 GB of memory, where 3.0 GB are fr")

    def test_an_output_larger_than_the_memory_is_refused(self, write_config):
        enlarge = layer("UpSampling2D", size=[10**6, 10**6])
        reduce = layer("GlobalMaxPooling2D", name="reduce")

        def enlarge_then_reduce(config: dict) -> None:
            config["config"]["layers"][1:] = [enlarge, reduce]

        # 12,000,000 x 12,000,000 pixels of 4 bytes
        refused(write_config(enlarge_then_reduce), ModelFileError, "576,000.0 GB of memory")

    def test_a_layer_called_again_and_again_is_refused(self, tmp_path):
        image = keras.Input((1, 1, 1))
        enlarged, enlarge = image, layers.UpSampling2D(100)
        for _ in range(3):
            enlarged = enlarge(enlarged)
        reduced = layers.GlobalMaxPooling2D()(enlarged)
        path = save_model(keras.Model(image, reduced), tmp_path / "cnn")
        refused(path, ModelFileError, "4,000.0 GB of memory")

    def test_a_metric_larger_than_the_memory_is_refused(self, write_config):
        metric = layer("MeanIoU", module="keras.metrics", num_classes=10**6)
        path = write_config(lambda config: config["compile_config"].update(metrics=[metric]))
        refused(path, ModelFileError, "GB of memory, where")

    def test_a_weight_that_is_looked_at_while_building_is_not_made(self, write_config):
        whole = layer("Normalization", axis=[1, 2, 3])
        whole["build_config"] = {"input_shape": [None, 10**5, 10**5, 10**2]}
        refused(write_config(add_first(whole)), ModelFileError, "4,000.0 GB of memory")

    def test_models_in_models_that_would_take_hours_are_refused(self, write_config):
        def nest(config: dict) -> None:
            inner = config["config"]["layers"][-1]
            for _ in range(20):  # each model calls the one in it twice
                called_twice = {**inner, "inbound_nodes": [on_another(), on_another()]}
                inner = layer("Functional", "keras.src.models.functional", layers=[called_twice])
            config["config"]["layers"].append(inner)

        refused(write_config(nest), ModelFileError, "calls its layers too often")

    def test_calls_are_counted_as_keras_makes_them(self):
        """A Sequential model is built anew with each layer; others list the calls of a layer."""
        once, twice = {"inbound_nodes": [{}]}, {"inbound_nodes": [{}, {}]}
        for inside, calls in (([{}, {}, {}], 3 + 2 + 1), ([once, twice], 1 + 2), ([], 1)):
            assert names._calls({"config": {"layers": inside}}) == calls

    def test_very_many_layers_are_refused(self, write_config):
        many = [layer("ReLU", name=f"relu_{number}") for number in range(1000)]
        path = write_config(lambda config: config["config"]["layers"].extend(many))
        refused(path, ModelFileError, "calls its layers too often")

    def test_what_is_free_decides(self, good, write_config, monkeypatch):
        path = write_config(lambda config: None)
        weights = len(good["model.weights.h5"])
        monkeypatch.setattr(memory, "available_memory", lambda: weights + 20_000)
        assert load_model(path).built
        monkeypatch.setattr(memory, "available_memory", lambda: weights)
        refused(path, ModelFileError, "GB of memory, where")


MEASURES_REFUSALS = """
import sys
from helpers.basics.errors import CourseError
from helpers.basics.memory import peak_memory
from helpers.model_files.load import load_model

def peak():
    return peak_memory() // 2**20

load_model(sys.argv[1])
before = peak()
for path in sys.argv[2:]:
    try:
        load_model(path)
    except CourseError:
        print(peak() - before, flush=True)
"""


def test_refusing_ten_billion_weights_takes_no_memory(good, tmp_path):
    paths = [archive_of(tmp_path / "good.keras", good)]
    changes = {
        "wide": {"units": 10**10},
        "square": {"units": 3_000_000},
    }
    for name, change in changes.items():
        config = json.loads(good["config.json"])
        if name == "square":  # 3,000,000 x 3,600: ten billion, from two harmless numbers
            config["config"]["layers"][-1:-1] = [layer("Dense", units=3_600)]
        config["config"]["layers"][-1]["config"].update(change)
        changed = {**good, "config.json": json.dumps(config).encode()}
        paths.append(archive_of(tmp_path / f"{name}.keras", changed, zipfile.ZIP_DEFLATED))
        assert paths[-1].stat().st_size < 20_000
    with child_process(MEASURES_REFUSALS, *map(str, paths)) as process:
        grown, _ = process.communicate(timeout=60)
    megabytes = [int(line) for line in grown.split()]
    assert len(megabytes) == 2
    assert max(megabytes) < 100
