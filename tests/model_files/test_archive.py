"""Other kinds of files, damaged ones, and archives that lie are refused in words."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import random
import warnings
import zipfile
import zlib
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from made_models import (
    archive_of,
    changed_weights,
    layer,
    members_of,
    refused,
    sequential,
)

from helpers.basics import memory
from helpers.basics.errors import (
    DamagedFileError,
    MissingFileError,
    ModelFileError,
    UsageError,
)
from helpers.model_files import archive as archive_module
from helpers.model_files.load import load_model
from helpers.model_files.save import save_model


class TestOtherKindsOfFiles:
    def test_a_missing_file_with_the_name_most_like_it(self, model, tmp_path):
        save_model(model, tmp_path / "classic_cnn")
        message = refused(tmp_path / "clasic_cnn", MissingFileError)
        assert str(tmp_path / "clasic_cnn.keras") in message
        assert f"Is it {tmp_path / 'classic_cnn.keras'}?" in message

    def test_a_file_of_another_ending_is_another_file(self, model, tmp_path):
        save_model(model, tmp_path / "cnn")
        refused(tmp_path / "cnn.zip", MissingFileError, "cnn.zip. Received: no file of that name")

    def test_a_file_that_cannot_be_read(self, model, tmp_path, monkeypatch):
        path, opened = save_model(model, tmp_path / "cnn"), Path.open

        def fails(self, *given, **named):
            if self == path:
                raise OSError(errno.EIO, "Input/output error")
            return opened(self, *given, **named)

        monkeypatch.setattr(archive_module.Path, "open", fails)
        refused(path, ModelFileError, "an error while reading it: Input/output error")

    def test_a_missing_file_with_nothing_like_it(self, tmp_path):
        refused(tmp_path / "cnn", MissingFileError, "Save it first: save_model(model, ")

    def test_a_missing_folder(self, tmp_path):
        refused(tmp_path / "runs" / "cnn", MissingFileError, "no file of that name", "runs")

    @pytest.mark.parametrize("path", [None, 3, b"cnn", "a\0b"])
    def test_what_is_no_path(self, path):
        with pytest.raises(UsageError, match="Expected a path, as text in quotes"):
            load_model(path)

    def test_a_name_too_long(self, tmp_path):
        refused(tmp_path / ("x" * 300), MissingFileError, "File name too long")

    def test_a_folder_as_a_saved_model_is(self, tmp_path):
        (tmp_path / "cnn").mkdir()
        (tmp_path / "cnn" / "saved_model.pb").write_bytes(b"x")
        refused(tmp_path / "cnn", ModelFileError, "a folder", "SavedModel")

    def test_a_pipe_does_not_make_it_wait(self, tmp_path):
        os.mkfifo(tmp_path / "cnn.keras")
        refused(tmp_path / "cnn.keras", ModelFileError, "a device or a pipe")

    @pytest.mark.parametrize("name", ["cnn.h5", "cnn.keras", "cnn"])
    def test_an_hdf5_file_is_told_how_to_convert(self, tmp_path, name):
        model = sequential()
        model.save(tmp_path / "old.h5")
        path = (tmp_path / "old.h5").rename(tmp_path / name)
        message = refused(path, ModelFileError, "HDF5", "Keras 2", "call it cnn.h5 and convert it")
        old = tmp_path / "cnn.h5"
        path.rename(old)
        command = (
            f"keras.models.load_model('{old}', compile=False).save('{tmp_path / 'cnn.keras'}')"
        )
        assert command in message
        keras.models.load_model(str(old), compile=False).save(str(tmp_path / "cnn.keras"))
        for new, kept in zip(load_model(tmp_path / "cnn").weights, model.weights, strict=True):
            np.testing.assert_array_equal(new, kept)

    def test_weights_alone_are_told_how_they_come_back(self, model, tmp_path):
        model.save_weights(tmp_path / "cnn.weights.h5")
        path = tmp_path / "cnn.keras"
        path.write_bytes((tmp_path / "cnn.weights.h5").read_bytes())
        message = refused(path, ModelFileError, "weights alone")
        assert "model.load_weights('cnn.weights.h5')" in message
        sequential().load_weights(tmp_path / "cnn.weights.h5")

    @pytest.mark.parametrize("name", ["cnn.pt", "cnn.pkl", "cnn.keras"])
    def test_a_pickle_is_never_opened(self, tmp_path, name):
        class Bomb:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "exploded",))

        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        refused(tmp_path / name, ModelFileError, "pickle", "PyTorch", "weights_only=True")
        archive_of(tmp_path / "zipped.keras", {"archive/data.pkl": pickle.dumps(Bomb())})
        refused(tmp_path / "zipped.keras", ModelFileError, "pickle", "PyTorch")
        archive_of(tmp_path / "zipped.pt", {"zipped/data.pkl": pickle.dumps(Bomb())})
        refused(tmp_path / "zipped.pt", ModelFileError, "pickle", "PyTorch")
        assert not (tmp_path / "exploded").exists()

    def test_a_model_under_another_name_loads(self, model, tmp_path):
        path = save_model(model, tmp_path / "cnn").rename(tmp_path / "cnn.zip")
        assert load_model(path).count_params() == model.count_params()

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "an empty file"),
            (b"<!DOCTYPE html><html>Not found</html>", "no zip archive"),
            (b"PK\x03\x04", "a damaged file"),
            (b"x" + random.Random(0).randbytes(1000), "no zip archive"),
        ],
    )
    def test_what_is_no_zip(self, tmp_path, content, words):
        (tmp_path / "cnn.keras").write_bytes(content)
        refused(tmp_path / "cnn.keras", DamagedFileError, words)

    def test_a_damaged_hdf5_file(self, tmp_path):
        (tmp_path / "cnn.keras").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
        refused(tmp_path / "cnn.keras", ModelFileError, "an HDF5 file")

    def test_a_zip_of_something_else(self, tmp_path):
        path = archive_of(tmp_path / "photos.keras", {"a.txt": b"a"})
        refused(path, DamagedFileError, "without config.json, metadata.json, model.weights.h5")


class TestDamagedFiles:
    def test_cut_short_anywhere(self, model, tmp_path):
        path = save_model(model, tmp_path / "cnn")
        whole = path.read_bytes()
        ends = [1, 2, 3, 30, 100, *range(500, len(whole), len(whole) // 40), len(whole) - 1]
        for end in ends:
            path.write_bytes(whole[:end])
            refused(path, DamagedFileError, f"Expected a model of Keras 3 in {path}. Received: ")

    def test_one_bit_in_any_member(self, model, tmp_path):
        path = save_model(model, tmp_path / "cnn")
        whole = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            starts = [member.header_offset + 200 for member in archive.infolist()]
        for place in [*starts[1:], starts[0] - 120, len(whole) // 2, len(whole) - 1000]:
            changed = bytearray(whole)
            changed[place] ^= 4
            path.write_bytes(changed)
            refused(path, DamagedFileError, "damaged file")

    @pytest.mark.parametrize("name", archive_module.MEMBERS)
    def test_a_member_missing(self, write, name):
        refused(write({name: None}), DamagedFileError, f"without {name}")

    @pytest.mark.parametrize(
        "config",
        [b"", b"{", b"\xff\xfe", b"[]", b"3", b"null", b"{}", b'{"config": 3}', b"[" * 100_000],
    )
    def test_a_config_that_is_none(self, write, config):
        refused(write({"config.json": config}), DamagedFileError)

    @pytest.mark.parametrize(
        "config",
        [
            b'{"config": {}}',
            b'{"class_name": "Sequential", "module": "keras", "config": {"layers": 3}}',
            b'{"class_name": 3, "module": [], "config": {}}',
        ],
    )
    def test_a_config_of_another_shape(self, write, config):
        refused(write({"config.json": config}), DamagedFileError)

    def test_a_config_of_a_layer_alone(self, write):
        path = write({"config.json": json.dumps(layer("Dense", units=3)).encode()})
        refused(path, DamagedFileError, "a Dense and no model")

    def test_a_config_nested_beyond_all_bounds(self, write):
        start = b'{"class_name": "Sequential", "module": "keras", "config": '
        refused(
            write({"config.json": start + b'{"a":' * 900 + b"1" + b"}" * 901}), DamagedFileError
        )

    @pytest.mark.parametrize(
        "metadata",
        [b"", b"[]", b"{}", b'{"keras_version": 3}', b'{"keras_version": "new"}', b"[" * 100_000],
    )
    def test_metadata_without_a_version(self, write, metadata):
        refused(write({"metadata.json": metadata}), DamagedFileError)

    @pytest.mark.parametrize("weights", [b"", b"\x89HDF\r\n\x1a\n", b"\0" * 5000])
    def test_weights_that_are_no_hdf5(self, write, weights):
        refused(write({"model.weights.h5": weights}), DamagedFileError)

    def test_weights_of_another_model(self, write, tmp_path):
        other = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
        weights = members_of(save_model(other, tmp_path / "other"))["model.weights.h5"]
        refused(write({"model.weights.h5": weights}), DamagedFileError, "expected", "variables")

    def test_one_array_missing_names_its_layer(self, good, write):
        def without_a_kernel(file: h5py.File) -> None:
            del file["layers/dense/vars/0"]

        path = write({"model.weights.h5": changed_weights(good, without_a_kernel)})
        refused(path, DamagedFileError, "<Dense name=")

    def test_an_optimizer_without_its_state_is_not_passed_over_silently(self, good, write):
        def without_a_moment(file: h5py.File) -> None:
            del file["optimizer/vars/5"]

        path = write({"model.weights.h5": changed_weights(good, without_a_moment)})
        with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
            load_model(path)


def lying_about_size(whole: bytes, member: str, size: int) -> bytes:
    """An archive whose directory says another size of a member, in both places."""
    changed = bytearray(whole)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        start = archive.getinfo(member).header_offset
    changed[start + 22 : start + 26] = size.to_bytes(4, "little")
    entry = whole.index(b"PK\x01\x02")
    while whole[entry + 46 :].startswith(member.encode()) is False:
        entry = whole.index(b"PK\x01\x02", entry + 4)
    changed[entry + 24 : entry + 28] = size.to_bytes(4, "little")
    return bytes(changed)


class TestSizesThatLie:
    @pytest.mark.parametrize("size", [1000, 20_000])
    @pytest.mark.parametrize("member", archive_module.MEMBERS)
    def test_no_more_is_unpacked_than_was_said(self, write, member, size, monkeypatch):
        path = write({member: b" " * 3_000_000}, packing=zipfile.ZIP_DEFLATED)
        path.write_bytes(lying_about_size(path.read_bytes(), member, size))
        largest = []
        original = zlib.decompressobj

        class Watched:
            def __init__(self, *arguments):
                self.inner = original(*arguments)

            def decompress(self, *arguments):
                content = self.inner.decompress(*arguments)
                largest.append(len(content))
                return content

            def __getattr__(self, name):
                return getattr(self.inner, name)

        monkeypatch.setattr(zlib, "decompressobj", Watched)
        refused(path, DamagedFileError, "damaged file")
        assert max(largest) <= max(size, 8192)

    def test_a_size_beyond_what_is_there(self, write):
        path = write({})
        path.write_bytes(lying_about_size(path.read_bytes(), "config.json", 9_000_000))
        refused(path, DamagedFileError, "damaged file")

    @pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_what_cannot_be_unpacked_piece_by_piece_is_refused(self, write, packing):
        refused(write({}, packing=packing), ModelFileError, "packed in an unusual way")

    def test_a_file_that_changes_after_the_check_is_loaded_as_it_was(
        self, model, tmp_path, monkeypatch
    ):
        path = save_model(model, tmp_path / "cnn")
        original = keras.saving.load_model

        def changed_meanwhile(file, **options):
            path.write_bytes(b"something else")
            return original(file, **options)

        monkeypatch.setattr(keras.saving, "load_model", changed_meanwhile)
        for new, kept in zip(load_model(path).weights, model.weights, strict=True):
            np.testing.assert_array_equal(new, kept)
        assert path.read_bytes() == b"something else"


class TestArchives:
    @pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "a/a.txt", "C:\\evil", "z.txt"])
    def test_another_member_is_refused(self, write, name):
        refused(write({name: b"x"}), ModelFileError, f"with {name!r} besides config.json")

    def test_a_member_twice_is_refused(self, write):
        path = write({})
        with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
            warnings.simplefilter("ignore")
            archive.writestr("config.json", b"{}")
        refused(path, ModelFileError, "'config.json'", "each once")

    def test_weights_that_unpack_to_far_more_are_refused_unread(self, write):
        path = write({"model.weights.h5": b"\0" * 50_000_000}, packing=zipfile.ZIP_DEFLATED)
        assert path.stat().st_size < 60_000
        refused(path, ModelFileError, "unpack to 50,000,000 bytes of model.weights.h5")

    def test_weights_larger_than_the_memory_are_refused_unread(self, write, monkeypatch):
        monkeypatch.setattr(memory, "available_memory", lambda: 20_000)
        refused(write({}), ModelFileError, "model.weights.h5", "memory")

    def test_a_config_of_many_megabytes_is_refused(self, write):
        path = write({"config.json": b" " * 11_000_000})
        refused(path, ModelFileError, "11,000,000 bytes of config.json")
