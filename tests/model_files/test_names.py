"""What a config may name: nothing is looked for, imported or called before that is decided."""

from __future__ import annotations

import json
import types
from concurrent.futures import ThreadPoolExecutor

import keras
import pytest
from keras import layers
from made_models import (
    add_first,
    layer,
    refused,
)

from helpers.basics.errors import (
    CourseError,
    DamagedFileError,
    ModelFileError,
)
from helpers.model_files import archive as archive_module
from helpers.model_files import names
from helpers.model_files.load import load_model


class TestCode:
    @pytest.mark.parametrize("name", sorted(names.CODE))
    def test_a_layer_that_runs_code(self, write_config, name):
        path = write_config(add_first(layer(name)))
        refused(path, ModelFileError, "Python code", name, "safe mode")

    def test_a_lambda_that_keras_saved(self, tmp_path):
        before = keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: x + 1)])
        before.save(tmp_path / "cnn.keras")
        refused(tmp_path / "cnn", ModelFileError, "Python code", "lambda")

    def test_the_safe_mode_cannot_be_switched_off(self, write_config, monkeypatch):
        seen = []
        original = keras.saving.load_model

        def watched(path, **options):
            seen.append(options)
            return original(path, **options)

        monkeypatch.setattr(keras.saving, "load_model", watched)
        load_model(write_config(lambda config: None))
        assert seen == [{"safe_mode": True}]

    def test_nor_by_the_setting_of_keras_for_all_files(self, tmp_path):
        before = keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: x + 1)])
        before.save(tmp_path / "cnn.keras")

        def load_unsafely():
            keras.config.enable_unsafe_deserialization()  # for this thread
            keras.saving.load_model(tmp_path / "cnn.keras")
            refused(tmp_path / "cnn", ModelFileError, "Python code", "lambda")

        with ThreadPoolExecutor(1) as thread:
            thread.submit(load_unsafely).result()

    def test_a_layer_of_someone_is_named(self, write_config):
        path = write_config(add_first(layer("Swirl", module="mine")))
        message = refused(path, ModelFileError, "'Swirl'", keras.__version__, "not registered")
        assert "custom_object_scope({'Swirl': Swirl})" in message
        assert "Install" not in message

    def test_a_layer_that_keras_does_not_have_is_named(self, write_config):
        path = write_config(add_first(layer("Swirl")))
        refused(path, ModelFileError, "Swirl'", keras.__version__)

    @pytest.mark.parametrize("name", ["a\nb", "x" * 5000, "f(); g", "p>" * 2000, ""])
    def test_a_name_of_any_form_stays_in_its_line(self, write_config, name):
        message = refused(write_config(add_first(layer(name, module="mine"))), ModelFileError)
        assert "Do not use this file" in message

    def test_a_function_of_someone_is_named(self, write_config):
        swirl = {"module": "builtins", "class_name": "function", "config": "swirl"}
        path = write_config(add_first(layer("Activation", activation=swirl)))
        refused(path, ModelFileError, "'swirl'")

    def test_a_newer_keras_is_named_with_the_one_here(self, write_config):
        path = write_config(add_first(layer("Swirl")), version="3.99.0")
        refused(path, ModelFileError, "3.99.0", keras.__version__, "Install")

    def test_a_newer_keras_that_stores_its_weights_in_another_way_is_named(self, write_config):
        path = write_config(
            lambda config: config["config"]["layers"][-1]["config"].update(units=9), "3.99.0"
        )
        refused(path, DamagedFileError, "3.99.0", keras.__version__)

    def test_a_layer_that_reads_a_file_of_this_computer(self, write_config):
        path = write_config(add_first(layer("StringLookup", vocabulary="/etc/passwd")))
        refused(path, ModelFileError, "a file of this computer")

    @pytest.mark.parametrize("version", ["2.15.0", "4.0.1"])
    def test_another_major_version_is_refused(self, write_config, version):
        path = write_config(lambda config: None, version=version)
        refused(path, ModelFileError, f"saved by Keras {version}")

    def test_an_interrupt_passes(self, write_config, monkeypatch):
        def interrupt(*arguments, **options):
            raise KeyboardInterrupt

        path = write_config(lambda config: None)
        monkeypatch.setattr(keras.saving, "load_model", interrupt)
        with pytest.raises(KeyboardInterrupt):
            load_model(path)

    @pytest.mark.parametrize("error", [MemoryError(), RecursionError("too deep"), SystemError("x")])
    def test_whatever_keras_raises_is_told_in_words(self, write_config, monkeypatch, error):
        def fail(*arguments, **options):
            raise error

        path = write_config(lambda config: None)
        monkeypatch.setattr(keras.saving, "load_model", fail)
        with pytest.raises(CourseError, match="Received: one that") as caught:
            load_model(path)
        assert caught.value.__cause__ is error


def public_functions() -> dict[tuple[str, str], object]:
    """Every function that Keras has in public, by its module and name."""
    found, waiting, seen = {}, [keras], {id(keras)}
    while waiting:
        module = waiting.pop()
        for name, value in vars(module).items():
            if name == "src":  # not in public
                continue
            if isinstance(value, types.ModuleType) and value.__name__.startswith("keras."):
                waiting += [value] if id(value) not in seen else []
                seen.add(id(value))
            elif isinstance(value, types.FunctionType) and not name.startswith("_"):
                found[module.__name__, name] = value
    return found


def config_with(place: str, named: object) -> bytes:
    """The config of a small compiled model with this in one place."""
    dense = layer("Dense", units=3)
    described = {
        "module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [dense]},
        "compile_config": {"optimizer": layer("SGD", module="keras.optimizers"), "loss": "mse"},
    }  # fmt: skip
    compiled = described["compile_config"]
    where = {
        "loss": compiled, "metrics": compiled, "optimizer": compiled,
        "learning_rate": compiled["optimizer"]["config"], "layers": described["config"],
        "inbound_nodes": dense, "module": described, "build_config": dense,
    }.get(place, dense["config"])  # fmt: skip
    where[place] = named if place in ("optimizer", "learning_rate") else [named]
    return json.dumps(described).encode()


def passes(place: str, named: object) -> bool:
    try:
        names.check_config(config_with(place, named))
    except archive_module.Refused:
        return False
    return True


PLACES = (
    "activation",
    "kernel_initializer",
    "units",
    "loss",
    "optimizer",
    "layers",
    "build_config",
)


FUNCTIONS = public_functions()


MAY_BE_NAMED = {"keras.activations", "keras.losses", "keras.metrics"}


LOOKUPS = {"get", "serialize", "deserialize"}  # the other functions of these three modules


class TestNames:
    def test_of_all_functions_of_keras_it_may_name_those_of_models(self):
        allowed = {
            (module, name)
            for module, name in FUNCTIONS
            if module in MAY_BE_NAMED and name not in LOOKUPS
        }
        assert len(FUNCTIONS) > 700
        assert len(allowed) > 70
        same = {FUNCTIONS[each] for each in allowed}  # some are given out by other modules too
        for (module, name), function in FUNCTIONS.items():
            named = {"class_name": "function", "config": name, "registered_name": name}
            assert passes("loss", {**named, "module": module}) == (function in same), name
            as_class = {"class_name": name, "config": {}, "module": module}
            assert not passes("loss", as_class), name
            known = name in {name for _, name in allowed}
            assert passes("loss", {**named, "module": "builtins"}) == known, name

    @pytest.mark.parametrize("place", PLACES)
    def test_it_is_refused_in_any_place(self, place):
        named = {"class_name": "function", "config": "get_file", "module": "keras.utils"}
        assert not passes(place, named)
        assert not passes(place, [{"deep": named}])

    def test_what_keras_saves_passes(self, good):
        assert names.check_config(good["config.json"]) is False
        for name in ("relu", "softmax", "gelu"):
            function = {"module": "builtins", "class_name": "function", "config": name}
            assert passes("activation", function)

    def test_keras_looks_for_nothing_before(self, write_config, monkeypatch):
        def never(*arguments, **options):
            raise AssertionError("Keras was asked")

        called = []
        monkeypatch.setattr(keras.config, "set_max_epochs", called.append)
        monkeypatch.setattr(keras.saving, "deserialize_keras_object", never)
        monkeypatch.setattr(keras.saving, "load_model", never)
        named = {"module": "keras.config", "class_name": "function", "config": "set_max_epochs"}

        def change(config: dict) -> None:
            config["config"]["layers"][4]["config"]["activation"] = named

        refused(write_config(change), ModelFileError, "keras.config.set_max_epochs")
        path = write_config(lambda config: config["compile_config"].update(loss=named))
        refused(path, ModelFileError, "keras.config.set_max_epochs")
        assert called == []

    @pytest.mark.parametrize(
        "named",
        [
            {"class_name": "Ones", "config": {}},  # the way of Keras 2, without a module
            {"module": "keras.initializers", "class_name": ["Ones"], "config": {}},
            {"module": "keras.initializers", "class_name": "Ones", "registered_name": "load_img"},
            {"module": "os", "class_name": "system", "config": {}},
            {"module": "builtins", "class_name": "eval", "config": {}},
            {"module": "builtins", "class_name": "function", "config": "eval"},
            {"module": "keras.initializers", "class_name": "function", "config": "Ones"},
            {"module": "keras.src.saving.serialization_lib", "class_name": "SafeModeScope"},
            {"module": None, "class_name": "Ones", "registered_name": "mine>Ones", "config": {}},
            {"class_name": "__lambda__", "config": {"value": ["", None, None]}},
            {"class_name": "__typespec__", "module": "keras", "config": []},
            {"class_name": "__numpy__", "config": layer("get_file", "keras.utils")},
            {"module": "keras", "class_name": "Model", "registered_name": 3},
            [{"deep": {"class_name": "function", "module": "keras.utils", "config": "get_file"}}],
        ],
    )
    @pytest.mark.parametrize("place", ["kernel_initializer", "layers", "units", "loss"])
    def test_other_ways_to_name_something_are_closed(self, named, place):
        assert not passes(place, named)

    def test_a_metric_in_the_place_of_an_optimizer(self, write_config):
        metric = layer("MeanIoU", module="keras.metrics", num_classes=10)
        path = write_config(lambda config: config["compile_config"].update(optimizer=metric))
        refused(path, DamagedFileError, "one that Keras cannot load")
