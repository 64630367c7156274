"""Checking a folder of photos: every fault that real folders have, made here as real files.

What a decoded image must look like is compared with pixels that are known beforehand, not
with what Pillow makes of the same file.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import errno
import io
import os
import re
import resource
import socket
import struct
import threading
import time
import unicodedata
import warnings
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFile

from helpers import folders, load_dataset
from helpers.errors import FolderError, MissingFileError, NotEnoughMemoryError, UsageError
from helpers.folders import FolderReport, check_folder, cut_parts, read_images, split_by_class


def picture(number: int, size: tuple[int, int] = (16, 16)) -> Image.Image:
    """A picture unlike every other: coarse noise of its own, (width, height) pixels."""
    noise = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.NEAREST)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def write(path: Path, content: bytes | Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else encoded(content))
    return path


def fill(folder: Path, counts: dict[str, int], first: int = 0) -> Path:
    """Good images, each of its own."""
    number = first
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for _ in range(count):
            write(folder / name / f"{number:04}.png", picture(number))
            number += 1
    return folder


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder that has no fault: two classes of ten images."""
    return fill(tmp_path / "photos", {"cat": 10, "dog": 10})


def found(report: FolderReport) -> list[tuple[str, str, str]]:
    return [(finding.path, finding.kind, finding.level) for finding in report.findings]


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything in a folder with its size and time, to see that nothing was touched."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*")
    }


def paths(images) -> list[str]:
    return [image.path.name for image in images]


class TestGoodFolder:
    def test_everything_is_there_and_nothing_is_found(self, photos):
        report = check_folder(photos)
        assert report.ok
        assert report.findings == ()
        assert report.class_names == ("cat", "dog")
        assert report.class_counts() == {"cat": 10, "dog": 10}
        assert [image.label for image in report.images] == [0] * 10 + [1] * 10
        assert paths(report.images) == [f"{number:04}.png" for number in range(20)]
        assert {image.part for image in report.images} == {""}
        assert len({image.twin for image in report.images}) == 20
        report.raise_problems()

    def test_nothing_is_printed_or_touched(self, photos, capfd):
        before = state(photos)
        check_folder(photos)
        assert state(photos) == before
        assert capfd.readouterr() == ("", "")

    def test_it_may_be_given_as_text_or_by_a_link(self, photos, tmp_path):
        (tmp_path / "linked").symlink_to(photos)
        assert check_folder(str(photos)).ok
        assert check_folder(tmp_path / "linked").class_counts() == {"cat": 10, "dog": 10}

    @pytest.mark.parametrize(
        ("kind", "ending"),
        [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("BMP", "bmp"), ("GIF", "gif")],
    )
    @pytest.mark.parametrize("upper", [False, True])
    def test_five_formats_are_read(self, photos, kind, ending, upper):
        ending = ending.upper() if upper else ending
        write(photos / "cat" / f"new.{ending}", encoded(picture(99), kind))
        report = check_folder(photos)
        assert report.findings == ()
        assert report.class_counts()["cat"] == 11

    def test_the_filters_of_warnings_come_back(self, photos):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            before = list(warnings.filters)
            check_folder(photos)
            assert list(warnings.filters) == before

    def test_a_progress_bar_shows_what_takes_long(self, photos, capfd, monkeypatch):
        import tqdm.auto

        made = []

        class Watched(tqdm.auto.tqdm):
            def __init__(self, **options):
                made.append(self)
                super().__init__(**options | {"delay": 0})

        monkeypatch.setattr(tqdm.auto, "tqdm", Watched)
        check_folder(photos)
        assert (made[0].n, made[0].total) == (20, 20)
        assert "20/20" in capfd.readouterr().err
        check_folder(photos, progress=False)
        assert capfd.readouterr().err == ""

    def test_an_interrupt_stops_it_soon(self, photos, monkeypatch):
        fill(photos, {"cat": 400}, first=50)
        looked_at = []
        examine = folders._examine

        def slowly(root, parts, depth):
            looked_at.append(parts)
            time.sleep(0.002)
            return examine(root, parts, depth)

        def interrupted(bar, count):
            raise KeyboardInterrupt

        monkeypatch.setattr(folders, "_examine", slowly)
        monkeypatch.setattr("tqdm.auto.tqdm.update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            check_folder(photos)
        assert len(looked_at) < 300

    def test_files_that_systems_leave_do_not_hide_a_folder_too_many(self, tmp_path):
        fill(tmp_path / "zip" / "photos", {"cat": 2, "dog": 2})
        fill(tmp_path / "zip" / "__MACOSX", {"photos": 1})
        [problem] = check_folder(tmp_path / "zip").problems
        assert (problem.path, problem.kind) == ("photos", "one folder too many")


class TestNoFolder:
    @pytest.mark.parametrize(
        ("asked", "hint"),
        [
            ("photo", "Did you mean 'photos'?"),
            ("Fotos", "Did you mean 'photos'?"),
            ("fashion-mnist", "Did you mean 'fashion_mnist'?"),
            ("CIFAR-10", "Did you mean 'cifar10'?"),
            ("qqqqqqq", "Check its spelling."),
        ],
    )
    def test_a_missing_folder_brings_the_nearest_name(self, photos, asked, hint):
        with pytest.raises(MissingFileError) as refused:
            check_folder(photos.parent / asked)
        message = str(refused.value)
        assert message.startswith('Expected "fashion_mnist", "cifar10" or the path of a folder. ')
        assert f"there is no folder at {photos.parent / asked}. {hint}" in message

    @pytest.mark.parametrize("asked", ["x" * 300, "a\0b", "gone/gone/photos"])
    def test_a_path_that_cannot_be_is_missing(self, tmp_path, asked):
        with pytest.raises(MissingFileError, match="there is no folder at"):
            check_folder(tmp_path / asked)

    def test_a_link_to_itself_is_missing(self, tmp_path):
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        with pytest.raises(MissingFileError):
            check_folder(tmp_path / "loop")

    @pytest.mark.parametrize(
        ("name", "advice"),
        [("photos.zip", "Unpack it first, then give"), ("cat.jpg", "Give the folder that the")],
    )
    def test_a_file_is_no_folder(self, tmp_path, name, advice):
        write(tmp_path / name, b"content")
        with pytest.raises(FolderError, match=f"Received: the file .*{name}. {advice}"):
            check_folder(tmp_path / name)

    @pytest.mark.parametrize("nonsense", [None, 5, b"photos", ["photos"]])
    def test_what_is_no_path_is_refused(self, nonsense):
        with pytest.raises(UsageError, match="Expected the path of a folder. Received: "):
            check_folder(nonsense)


class TestLayout:
    def one_problem(self, folder: Path) -> folders.Finding:
        report = check_folder(folder)
        assert len(report.findings) == 1, report
        assert not report.ok
        assert not check_folder(folder, set_aside=True).ok
        return report.problems[0]

    def test_an_empty_folder(self, tmp_path):
        write(tmp_path / ".DS_Store", b"")
        finding = self.one_problem(tmp_path)
        assert (finding.path, finding.kind) == (".", "empty")

    def test_images_without_class_folders(self, tmp_path):
        for number in range(3):
            write(tmp_path / f"{number}.png", picture(number))
        finding = self.one_problem(tmp_path)
        assert (finding.kind, finding.cause) == (
            "no class folders", "It holds 3 files and no folder.",
        )  # fmt: skip

    def test_one_class_only(self, tmp_path):
        finding = self.one_problem(fill(tmp_path, {"cat": 10}))
        assert (finding.path, finding.kind) == (".", "one class")
        assert "1 class; 2 are needed" in finding.cause

    @pytest.mark.parametrize("inner", ["photos", "a/b/c"])
    @pytest.mark.parametrize("parts", ["", "train"])
    def test_one_folder_too_many(self, tmp_path, inner, parts):
        fill(tmp_path / "zip" / inner / parts, {"cat": 3, "dog": 3})
        finding = self.one_problem(tmp_path / "zip")
        assert (finding.path, finding.kind) == (inner, "one folder too many")
        assert finding.advice == f'Use it: load_dataset("zip/{inner}").'

    @pytest.mark.parametrize("set_aside", [False, True])
    def test_a_class_without_images(self, photos, set_aside):
        (photos / "bird").mkdir()
        report = check_folder(photos, set_aside=set_aside)
        level = "set aside" if set_aside else "problem"
        assert found(report) == [("bird", "class without images", level)]
        assert report.ok == set_aside
        assert report.class_names == ("cat", "dog")

    def test_nothing_usable_at_all_is_a_problem_even_if_set_aside(self, tmp_path):
        write(tmp_path / "cat" / "a.jpg", b"")
        write(tmp_path / "dog" / "a.jpg", b"")
        report = check_folder(tmp_path, set_aside=True)
        assert [finding.kind for finding in report.problems] == ["one class"]
        assert report.class_names == report.images == ()
        assert "0 images of 0 classes" in repr(report)

    def test_images_in_folders_of_a_class_belong_to_it(self, photos):
        fill(photos / "cat", {"2019/may": 2, "2020": 1}, first=50)
        report = check_folder(photos)
        assert found(report) == [("cat", "nested folders", "note")]
        assert "3 images" in report.notes[0].cause
        assert report.class_counts() == {"cat": 13, "dog": 10}

    def test_images_outside_every_class(self, photos):
        write(photos / "stray.png", picture(50))
        write(photos / "broken.jpg", b"")
        write(photos / "README.txt", b"about")
        report = check_folder(photos, set_aside=True)
        assert found(report) == [
            ("broken.jpg", "outside", "set aside"),
            ("stray.png", "outside", "set aside"),
            ("README.txt", "not an image", "note"),
        ]
        assert len(report.images) == 20

    @pytest.mark.parametrize("validation", ["validation", "val", "valid", "VAL"])
    def test_parts_are_known_by_their_names(self, tmp_path, validation):
        for number, part in enumerate(["train", validation, "test"]):
            fill(tmp_path / part, {"cat": 2, "dog": 2}, first=10 * number)
        report = check_folder(tmp_path)
        assert report.findings == ()
        assert [image.part for image in report.images] == 2 * (
            ["test"] * 2 + ["train"] * 2 + ["validation"] * 2
            if validation > "test"
            else ["validation"] * 2 + ["test"] * 2 + ["train"] * 2
        )

    def test_an_image_in_a_part_but_in_no_class(self, tmp_path):
        fill(tmp_path / "train", {"cat": 10, "dog": 10})
        write(tmp_path / "train" / "stray.png", picture(50))
        assert found(check_folder(tmp_path)) == [("train/stray.png", "outside", "problem")]

    def test_classes_may_be_called_train_and_bus(self, tmp_path):
        report = check_folder(fill(tmp_path, {"train": 10, "bus": 10}))
        assert report.findings == ()
        assert report.class_names == ("bus", "train")

    def test_classes_may_be_called_train_and_test(self, tmp_path):
        assert check_folder(fill(tmp_path, {"train": 10, "test": 10})).class_names == (
            "test", "train",
        )  # fmt: skip

    def test_parts_with_different_classes_are_refused(self, tmp_path):
        fill(tmp_path / "train", {"cat": 10, "dog": 10})
        fill(tmp_path / "val", {"cat": 2}, first=30)
        fill(tmp_path / "test", {"cat": 2, "dog": 2, "hen": 2}, first=40)
        report = check_folder(tmp_path, set_aside=True)
        assert [(finding.path, finding.cause) for finding in report.problems] == [
            ("train", "It has no image of hen, and another part has."),
            ("val", "It has no image of dog, hen, and another part has."),
        ]

    def test_the_same_part_twice_is_refused(self, tmp_path):
        for number, part in enumerate(["train", "val", "validation"]):
            fill(tmp_path / part, {"cat": 10, "dog": 10}, first=20 * number)
        assert found(check_folder(tmp_path)) == [("validation", "same part twice", "problem")]

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_a_class_too_small_for_every_split_is_refused(self, tmp_path, count):
        report = check_folder(fill(tmp_path, {"cat": 40, "dog": count}), set_aside=True)
        assert found(report) == [("dog", "too few images", "problem")]
        assert "7 are enough" in report.problems[0].cause

    def test_as_many_images_as_are_said_to_be_enough_are_enough(self, tmp_path):
        for others in (7, 20, 45):
            folder = fill(tmp_path / str(others), {"cat": others, "dog": 7, "hen": others})
            assert check_folder(folder).ok

    def test_copies_do_not_make_a_class_large_enough(self, tmp_path):
        fill(tmp_path, {"cat": 20})
        for number in range(20):
            write(tmp_path / "dog" / f"{number}.png", picture(100))
        report = check_folder(tmp_path)
        assert ("dog", "too few images", "problem") in found(report)


# ------------------------------------------------------------------------- single files


def png_of(size: int) -> bytes:
    """A valid PNG of size x size black dots in about 49 KB, made by hand."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", size, size, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + (size + 7) // 8)
    rows = b"".join(packer.compress(row) for _ in range(size)) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def flipped(content: bytes, position: float) -> bytes:
    changed = bytearray(content)
    changed[int(len(changed) * position)] ^= 0x55
    return bytes(changed)


def ftyp(brand: bytes, *compatible: bytes) -> bytes:
    brands = brand + bytes(4) + b"".join(compatible)
    return struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + bytes(100)


def animation(kind: str) -> bytes:
    return encoded(picture(60), kind, save_all=True, append_images=[picture(61)])


LARGE = picture(70, (200, 200))
NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))

# file name, content, kind of the finding; these cannot be used and can be set aside
UNUSABLE = [
    ("a.jpg", b"", "zero bytes"),
    ("a.heic", b"", "zero bytes"),
    ("a.jpg", b"this is text", "no image content"),
    ("a.png", b"<html>404</html>", "no image content"),
    ("a.bmp", b"BM", "no image content"),
    ("a.gif", b"\0" * 1000, "no image content"),
    ("a.jpg", b"\xff\xd8", "no image content"),
    *((f"a.{kind.lower()}", encoded(NOISE, kind)[:-600], "truncated")
      for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF")),
    ("a.jpg", encoded(NOISE, "JPEG")[:300], "truncated"),
    ("a.jpg", b"\xff\xd8\xff" + b"junk" * 100, "damaged"),
    ("a.png", b"\x89PNG\r\n\x1a\n" + b"junk" * 100, "truncated"),
    ("a.gif", b"GIF89a" + b"\xff" * 5, "damaged"),
    *((f"a{at}.png", flipped(encoded(NOISE), at), "damaged") for at in (0.1, 0.3, 0.6, 0.9)),
    ("a.heic", ftyp(b"heic", b"mif1"), "format"),
    ("a.jpg", ftyp(b"mif1", b"heic"), "format"),
    ("a.bin", ftyp(b"heix"), "format"),
    ("a.avif", encoded(picture(50), "AVIF"), "format"),
    ("a.png", encoded(picture(50), "AVIF"), "format"),
    ("a.tif", encoded(picture(50), "TIFF"), "format"),
    ("a.jpg", encoded(picture(50), "TIFF"), "format"),
    ("a.jp2", encoded(picture(50), "JPEG2000"), "format"),
    ("a.ppm", encoded(picture(50), "PPM"), "format"),
    ("a.ico", encoded(picture(50), "ICO"), "format"),
    ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "format"),
    ("a.CR2", b"anything", "format"),
    ("a.png", picture(50, (1, 1)), "tiny"),
    ("a.png", picture(50, (3, 100)), "tiny"),
    ("a.png", picture(50, (100, 3)), "tiny"),
]  # fmt: skip

# these are used, with a note
NOTED = [
    ("a.png", encoded(picture(50), "JPEG"), "wrong ending"),
    ("a.jpg", encoded(picture(50), "GIF"), "wrong ending"),
    ("a.heic", encoded(picture(50), "JPEG"), "wrong ending"),
    ("a", encoded(picture(50), "PNG"), "wrong ending"),
    ("a.txt", encoded(picture(50), "BMP"), "wrong ending"),
    *((f"a.{kind.lower()}", animation(kind), "animated") for kind in ("GIF", "WEBP", "PNG")),
    ("a.png", picture(50, (4, 33)), "very long"),
    ("a.png", picture(50, (330, 40)), "very long"),
    ("a.jpg", encoded(picture(50), "JPEG", exif=b"Exif\0\0garbage"), "damaged EXIF"),
    ("a.jpg", encoded(picture(50), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12"),
     "damaged EXIF"),
    ("a.webp", encoded(picture(50), "WEBP", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"),
     "damaged EXIF"),
]  # fmt: skip

# these are left out, with a note
OTHERS = [
    ("notes.txt", b"remember"),
    ("empty.txt", b""),
    ("empty", b""),
    ("labels.csv", b"a,b\n"),
    ("BMW.txt", b"BMW is a make of car, and this a long text on it"),
    ("film.mp4", ftyp(b"isom", b"mp42")),
    ("all.zip", b"PK\x03\x04" + bytes(100)),
]


class TestSingleFiles:
    @pytest.mark.parametrize(("name", "content", "kind"), UNUSABLE)
    def test_what_cannot_be_used_is_a_problem_until_it_is_set_aside(
        self, photos, name, content, kind
    ):
        write(photos / "cat" / name, content)
        before = state(photos)
        report = check_folder(photos)
        assert found(report) == [(f"cat/{name}", kind, "problem")]
        assert len(report.images) == 20
        aside = check_folder(photos, set_aside=True)
        assert found(aside) == [(f"cat/{name}", kind, "set aside")]
        assert aside.ok
        assert aside.images == report.images
        assert state(photos) == before

    @pytest.mark.parametrize(("name", "content", "kind"), NOTED)
    def test_what_is_odd_is_used_and_noted(self, photos, name, content, kind):
        write(photos / "cat" / name, content)
        report = check_folder(photos)
        assert found(report) == [(f"cat/{name}", kind, "note")]
        assert len(report.images) == 21
        assert load_dataset(photos).report.ok

    @pytest.mark.parametrize(("name", "content"), OTHERS)
    def test_other_files_are_left_out_and_noted(self, photos, name, content):
        write(photos / "cat" / name, content)
        report = check_folder(photos)
        assert found(report) == [(f"cat/{name}", "not an image", "note")]
        assert len(report.images) == 20

    @pytest.mark.parametrize(("width", "height"), [(4, 4), (4, 32), (32, 4), (320, 40)])
    def test_at_the_limits_there_is_nothing_to_say(self, photos, width, height):
        write(photos / "cat" / "new.png", picture(50, (width, height)))
        assert check_folder(photos).findings == ()

    def test_the_first_picture_of_an_animation_counts(self, photos, tmp_path):
        for kind in ("GIF", "WEBP", "PNG"):
            options = {"lossless": True} if kind == "WEBP" else {}
            content = encoded(
                picture(60), kind, save_all=True, append_images=[picture(61)], **options
            )
            assert pixels_of(tmp_path, f"a.{kind.lower()}", content).tolist() == (
                np.asarray(picture(60)).tolist()
            )

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
    def test_no_damage_ends_the_check(self, tmp_path, kind):
        content = encoded(NOISE, kind)
        fill(tmp_path, {"cat": 7, "dog": 7})
        random = np.random.default_rng(0)
        for number in range(60):
            changed = bytearray(content)
            for position in random.integers(0, len(content) if number % 2 else 120, 6):
                changed[position] = random.integers(256)
            write(tmp_path / "cat" / f"x{number}.{kind.lower()}", bytes(changed))
        report = check_folder(tmp_path, set_aside=True)
        named = {image.path.name for image in report.images}
        named |= {Path(finding.path).name for finding in report.findings}
        assert named >= {f"x{number}.{kind.lower()}" for number in range(60)}
        for finding in report.findings:
            assert finding.cause.isprintable()
            assert " object at 0x" not in finding.cause
            assert finding.cause.endswith(".")

    @pytest.mark.parametrize(
        "error",
        [SyntaxError("bad"), struct.error("bad"), zlib.error("bad"), EOFError(), IndexError("bad"),
         KeyError("bad"), OverflowError("bad"), ValueError("bad"), RecursionError("bad"),
         OSError("bad"), AssertionError(), TypeError("bad")],
        ids=repr,
    )  # fmt: skip
    def test_whatever_a_decoder_raises_is_one_finding(self, photos, monkeypatch, error):
        def load(image):
            raise error

        monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.load", load)
        write(photos / "cat" / "a.gif", encoded(picture(50), "GIF"))
        report = check_folder(photos)
        assert [finding.path for finding in report.problems] == ["cat/a.gif"]
        assert report.problems[0].kind in ("damaged", "truncated")

    def test_exif_data_that_nothing_can_read_cost_only_a_note(self, photos, monkeypatch):
        def getexif(image):
            raise SyntaxError("bad")

        monkeypatch.setattr(Image.Image, "getexif", getexif)
        exif = b"Exif\0\0II*\0\x08\0\0\0"
        write(photos / "cat" / "a.jpg", encoded(picture(50), "JPEG", exif=exif))
        assert found(check_folder(photos)) == [("cat/a.jpg", "damaged EXIF", "note")]

    def test_an_orientation_that_is_no_number_costs_nothing(self, photos):
        tag = struct.pack(">HHHI4sI", 1, 0x0112, 2, 4, b"abc\0", 0)  # text
        exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + tag
        write(photos / "cat" / "a.jpg", encoded(picture(50), "JPEG", exif=exif))
        assert check_folder(photos).findings == ()

    def test_a_disk_that_fails_is_not_taken_for_a_damaged_image(self, photos, monkeypatch):
        def load(image):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.load", load)
        write(photos / "cat" / "a.gif", encoded(picture(50), "GIF"))
        report = check_folder(photos)
        assert found(report) == [("cat/a.gif", "unreadable", "problem")]
        assert "The system says: Input/output error." in report.problems[0].cause

    @pytest.mark.parametrize("kind", ["GIF", "WEBP"])
    def test_damage_behind_the_first_picture_of_an_animation(self, photos, kind):
        content = bytearray(animation(kind))
        content[-40:-20] = bytes(20)
        write(photos / "cat" / f"a.{kind.lower()}", bytes(content))
        assert found(check_folder(photos)) == [(f"cat/a.{kind.lower()}", "animated", "note")]

    def test_too_little_memory_for_one_image_is_one_finding(self, photos, monkeypatch):
        def load(image):
            raise MemoryError

        monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.load", load)
        write(photos / "cat" / "a.gif", encoded(picture(50), "GIF"))
        assert found(check_folder(photos)) == [("cat/a.gif", "too many pixels", "problem")]

    @pytest.mark.parametrize("side", [20_000, 12_000])
    def test_a_decompression_bomb_is_refused_before_it_costs_memory(self, photos, side):
        bomb = write(photos / "cat" / "bomb.png", png_of(side))
        assert bomb.stat().st_size < 60_000
        check_folder(photos)  # everything is imported now
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        report = check_folder(photos)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert found(report) == [("cat/bomb.png", "too many pixels", "problem")]
        assert after - before < 50_000  # kB; decoded it would be 800 MB and more

    def test_pillows_own_settings_stay(self, photos):
        write(photos / "cat" / "a.jpg", encoded(NOISE, "JPEG")[:-300])
        before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
        check_folder(photos)._repr_html_()
        after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
        assert after == before


# ------------------------------------------------------------------------- pixels


def pixels_of(folder: Path, name: str, content: bytes | Image.Image) -> np.ndarray:
    """What a dataset holds of one file, uint8, at the file's own size."""
    path = write(folder / "one" / name, content)
    with Image.open(path) as image:
        size = image.size[::-1]
        if image.getexif().get(0x0112, 1) > 4:
            size = size[::-1]
    return read_images([folders.ImageFile(path, 0, "", 0)], size)[0]


def png16(values: np.ndarray) -> bytes:
    return encoded(Image.fromarray(values.astype(np.uint16)))


class TestPixels:
    def test_sixteen_bits_are_scaled_and_rounded(self, tmp_path):
        deep = np.array([[0, 128, 129, 256, 257, 385, 386, 32_768, 65_406, 65_407, 65_535]])
        shown = pixels_of(tmp_path, "deep.png", png16(np.repeat(deep, 4, axis=0)))
        expected = [round(value / 257) for value in deep[0]]
        assert expected == [0, 0, 1, 1, 1, 1, 2, 128, 254, 255, 255]
        assert shown[2].tolist() == [[value] * 3 for value in expected]

    def test_grey_one_bit_and_palette(self, tmp_path):
        bits = np.indices((6, 6)).sum(axis=0) % 2 * 255
        grey = Image.fromarray(bits.astype(np.uint8))
        palette = Image.new("P", (6, 6))
        palette.putpalette([10, 20, 30, 200, 100, 50])
        palette.putdata((bits.ravel() // 255).tolist())
        for name, image in (("grey.png", grey), ("bits.png", grey.convert("1"))):
            np.testing.assert_array_equal(
                pixels_of(tmp_path, name, image), np.stack([bits] * 3, axis=-1)
            )
        for name in ("palette.png", "palette.gif"):
            content = encoded(palette, name[-3:].upper())
            shown = pixels_of(tmp_path, name, content)
            assert shown[0, 0].tolist() == [10, 20, 30]
            assert shown[0, 1].tolist() == [200, 100, 50]

    @pytest.mark.parametrize(
        ("mode", "dot", "expected"),
        [
            ("RGBA", (200, 0, 0, 0), (255, 255, 255)),
            ("RGBA", (200, 0, 100, 255), (200, 0, 100)),
            ("RGBA", (200, 0, 100, 51), (244, 204, 224)),  # a fifth of it, the rest white
            ("LA", (0, 0), (255, 255, 255)),
            ("LA", (100, 51), (224, 224, 224)),
        ],
    )
    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_what_is_transparent_lies_over_white(self, tmp_path, mode, dot, expected, kind):
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        content = encoded(Image.new(mode, (8, 8), dot), kind, **options)
        shown = pixels_of(tmp_path, f"a.{kind.lower()}", content)
        np.testing.assert_allclose(shown[3, 3].astype(int), expected, atol=1)

    def test_a_transparent_palette_lies_over_white(self, tmp_path):
        image = Image.new("P", (8, 8), 0)
        image.putpalette([10, 20, 30, 200, 100, 50])
        image.putpixel((1, 0), 1)
        for kind in ("PNG", "GIF"):
            content = encoded(image, kind, transparency=0)
            shown = pixels_of(tmp_path, f"a.{kind.lower()}", content)
            assert shown[0, :2].tolist() == [[255, 255, 255], [200, 100, 50]]

    def test_one_transparent_colour_lies_over_white(self, tmp_path):
        image = Image.new("RGB", (8, 8), (1, 2, 3))
        image.putpixel((1, 0), (9, 9, 9))
        shown = pixels_of(tmp_path, "a.png", encoded(image, transparency=(1, 2, 3)))
        assert shown[0, :2].tolist() == [[255, 255, 255], [9, 9, 9]]

    def test_cmyk(self, tmp_path):
        # No cyan, all magenta and yellow, no black: red.
        content = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100)
        np.testing.assert_allclose(
            pixels_of(tmp_path, "a.jpg", content)[8, 8].astype(int), [255, 0, 0], atol=3
        )

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_images_are_turned_upright(self, tmp_path, orientation, kind):
        # By the EXIF standard: which side of the picture row 0 and column 0 of the file show.
        upright = np.zeros((32, 48, 3), np.uint8)
        upright[:16, :16] = 255, 0, 0
        upright[16:, :16] = 0, 0, 255
        stored = {
            1: upright,
            2: upright[:, ::-1],  # left and right swapped
            3: np.rot90(upright, 2),
            4: upright[::-1],
            5: upright.transpose(1, 0, 2),
            6: np.rot90(upright),  # stored a quarter turn to the left
            7: np.rot90(upright, 2).transpose(1, 0, 2),
            8: np.rot90(upright, -1),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"PNG": {}, "WEBP": {"lossless": True}, "JPEG": {"subsampling": 0}}[kind]
        image = Image.fromarray(np.ascontiguousarray(stored))
        content = encoded(image, kind, exif=exif, **options)
        shown = pixels_of(tmp_path, f"a.{kind.lower()}", content)
        np.testing.assert_allclose(shown.astype(int), upright, atol=20 if kind == "JPEG" else 0)

    def test_the_same_size_keeps_every_pixel(self, tmp_path):
        np.testing.assert_array_equal(pixels_of(tmp_path, "a.png", NOISE), np.asarray(NOISE))

    def test_a_smaller_copy_is_the_mean_of_what_it_covers(self, photos, tmp_path):
        # A fine chequered pattern: without a filter it would turn all black or all white.
        fine = np.indices((64, 64)).sum(axis=0) % 2 * 255
        path = write(tmp_path / "a.png", Image.fromarray(fine.astype(np.uint8)))
        small = read_images([folders.ImageFile(path, 0, "", 0)], (8, 8))
        assert abs(small.astype(int) - 127).max() <= 3

    def test_height_comes_before_width(self, photos):
        assert load_dataset(photos, image_size=(10, 20)).train.images.shape[1:] == (10, 20, 3)


# ------------------------------------------------------------------------- names


class TestNames:
    @pytest.mark.parametrize(
        ("name", "counted_as"),
        [
            (".DS_Store", ".DS_Store"),
            ("._cat.jpg", "._*"),
            ("Thumbs.db", "Thumbs.db"),
            ("desktop.ini", "desktop.ini"),
            (".hidden.png", "other hidden names"),
        ],
    )
    def test_what_systems_leave_behind_is_passed_over_and_counted(self, photos, name, counted_as):
        for folder in (photos, photos / "cat", photos / "dog"):
            write(folder / name, b"junk")
        report = check_folder(photos)
        assert report.findings == ()
        assert report.ignored == {counted_as: 3}
        assert f"ignored: {counted_as} 3" in repr(report)

    @pytest.mark.parametrize("name", [".ipynb_checkpoints", "__MACOSX", ".git"])
    def test_so_are_whole_folders(self, photos, name):
        fill(photos / name, {"cat": 1, "dog": 1})
        fill(photos / "cat" / name, {"x": 1})
        report = check_folder(photos)
        assert report.findings == ()
        assert sum(report.ignored.values()) == 2
        assert len(report.images) == 20

    def test_korean_names_in_both_forms_are_one_class(self, tmp_path):
        composed, decomposed = (unicodedata.normalize(form, "고양이") for form in ("NFC", "NFD"))
        assert composed != decomposed
        fill(tmp_path, {composed: 5, decomposed: 5, "개": 10})
        report = check_folder(tmp_path)
        assert report.class_counts() == {"개": 10, composed: 10}
        assert [(finding.kind, finding.level) for finding in report.findings] == [
            ("two spellings", "note")
        ]

    def test_a_decomposed_name_alone_is_composed(self, tmp_path):
        fill(tmp_path, {unicodedata.normalize("NFD", "고양이"): 10, "개": 10})
        report = check_folder(tmp_path)
        assert report.findings == ()
        assert report.class_names == ("개", "고양이")

    @pytest.mark.parametrize("other", ["Cat", "cat ", " CAT"])
    def test_names_that_differ_by_capitals_or_spaces_are_refused(self, photos, other):
        fill(photos, {other: 10}, first=50)
        report = check_folder(photos, set_aside=True)
        assert [(finding.kind, finding.level) for finding in report.findings] == [
            ("same class twice", "problem")
        ]

    def test_a_file_name_that_is_no_text_is_used_and_shown_escaped(self, photos, tmp_path):
        name = os.fsencode(photos / "cat") + b"/\xff\x80.png"
        Path(os.fsdecode(name)).write_bytes(encoded(picture(50)))
        report = check_folder(photos)
        assert found(report) == [(r"cat/\xff\x80.png", "strange name", "note")]
        assert len(report.images) == 21
        repr(report).encode()
        report._repr_html_().encode()
        report.to_csv(tmp_path / "report.csv")
        assert len(load_dataset(photos).report.images) == 21

    def test_a_class_name_that_is_no_text_is_refused(self, photos):
        folder = Path(os.fsdecode(os.fsencode(photos) + b"/\xff"))
        for number in range(10):
            write(folder / f"{number}.png", picture(50 + number))
        report = check_folder(photos)
        assert found(report) == [(r"\xff", "unreadable name", "problem")]

    def test_control_characters_are_shown_escaped(self, photos):
        write(photos / "cat" / "a\nb\x1b[31m\u202e.png", b"")
        report = check_folder(photos)
        assert found(report)[0][0] == r"cat/a\nb\x1b[31m\u202e.png"

    def test_a_path_that_is_too_long(self, photos):
        here = os.open(photos / "cat", os.O_RDONLY)
        try:
            for _ in range(25):  # 25 x 200 letters: more than Linux takes in one path
                os.mkdir("x" * 200, dir_fd=here)
                inner = os.open("x" * 200, os.O_RDONLY, dir_fd=here)
                os.close(here)
                here = inner
        finally:
            os.close(here)
        report = check_folder(photos)
        assert [finding.kind for finding in report.problems] == ["path too long"]


# ------------------------------------------------------------------------- what is no plain file


@contextlib.contextmanager
def somebody_else() -> Iterator[None]:
    """Not the superuser, who may read everything."""
    Image.init()
    import scipy.spatial  # noqa: F401
    import sklearn.model_selection  # noqa: F401
    import tqdm.auto  # noqa: F401

    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class TestNoPlainFiles:
    def test_links_are_noted_and_not_followed(self, photos, tmp_path):
        write(tmp_path / "else" / "a.png", picture(50))
        (photos / "bird").symlink_to(tmp_path / "else")
        (photos / "cat" / "file.png").symlink_to(tmp_path / "else" / "a.png")
        (photos / "cat" / "gone.png").symlink_to(tmp_path / "nowhere")
        (photos / "cat" / "loop").symlink_to(photos)
        (photos / "cat" / "self").symlink_to(photos / "cat" / "self")
        report = check_folder(photos)
        assert found(report) == [
            (path, "link", "note")
            for path in ("bird", "cat/file.png", "cat/gone.png", "cat/loop", "cat/self")
        ]
        assert len(report.images) == 20
        assert "<img" not in report._repr_html_()

    def test_pipes_and_sockets_are_never_opened(self, photos, monkeypatch):
        os.mkfifo(photos / "cat" / "pipe.png")
        monkeypatch.chdir(photos / "cat")  # a socket's path may not be long
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket.png")
            outcome = []
            thread = threading.Thread(
                target=lambda: outcome.append(check_folder(photos)), daemon=True
            )
            thread.start()
            thread.join(30)
        assert outcome, "it waits for the pipe"
        assert found(outcome[0]) == [
            ("cat/pipe.png", "not a file", "note"),
            ("cat/socket.png", "not a file", "note"),
        ]

    def test_a_file_that_becomes_a_pipe_meanwhile(self, photos, monkeypatch):
        listed = folders._list_files

        def list_then_change(root):
            listing = listed(root)
            (root / "cat" / "0000.png").unlink()
            os.mkfifo(root / "cat" / "0000.png")
            return listing

        monkeypatch.setattr(folders, "_list_files", list_then_change)
        assert found(check_folder(photos)) == [("cat/0000.png", "vanished", "problem")]

    def test_files_that_vanish_meanwhile(self, photos, monkeypatch):
        listed = folders._list_files

        def list_then_delete(root):
            listing = listed(root)
            (root / "cat" / "0000.png").unlink()
            return listing

        monkeypatch.setattr(folders, "_list_files", list_then_delete)
        report = check_folder(photos)
        assert found(report) == [("cat/0000.png", "vanished", "problem")]

    @pytest.fixture
    def open_photos(self, photos, monkeypatch) -> Path:
        """Everybody may read the folder. The way to it stays closed, so we stand in it."""
        for path in (photos, *photos.rglob("*")):
            path.chmod(0o755)
        monkeypatch.chdir(photos)
        return photos

    def test_files_and_folders_that_may_not_be_read(self, open_photos):
        photos = open_photos
        (photos / "cat" / "0000.png").chmod(0)
        (photos / "dog" / "closed").mkdir(mode=0)
        with somebody_else():
            report = check_folder(".")
        assert found(report) == [
            ("cat/0000.png", "unreadable", "problem"),
            ("dog/closed", "unreadable folder", "problem"),
        ]
        assert "Permission denied" in report.problems[0].cause

    @pytest.mark.parametrize("mode", [0o000, 0o711])
    def test_the_folder_itself_may_not_be_read(self, open_photos, mode):
        open_photos.chmod(mode)
        with somebody_else(), pytest.raises(FolderError, match="Permission denied.*copy it else"):
            check_folder(".")


# ------------------------------------------------------------------------- copies


class TestCopies:
    def test_exact_copies_are_noted(self, photos):
        # The same pixels in other formats and places.
        write(photos / "cat" / "copy.bmp", encoded(picture(0), "BMP"))
        write(photos / "cat" / "x.webp", encoded(picture(0), "WEBP", lossless=True))
        report = check_folder(photos)
        assert found(report) == [
            ("cat/copy.bmp", "copy", "note"),
            ("cat/x.webp", "copy", "note"),
        ]
        assert "cat/0000.png" in report.notes[0].cause
        twins = {image.path.name: image.twin for image in report.images}
        assert twins["copy.bmp"] == twins["x.webp"] == twins["0000.png"]
        assert len(set(twins.values())) == 20

    def test_an_image_that_lies_on_its_side_is_a_copy_of_the_upright_one(self, photos):
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = picture(0).transpose(Image.Transpose.ROTATE_90)
        write(photos / "cat" / "turned.png", encoded(turned, exif=exif))
        assert found(check_folder(photos)) == [("cat/turned.png", "copy", "note")]

    def test_the_same_bytes_in_another_shape_are_no_copy(self, photos):
        grey = np.full((8, 16, 3), 90, np.uint8)
        write(photos / "cat" / "wide.png", Image.fromarray(grey))
        write(photos / "cat" / "high.png", Image.fromarray(grey.reshape(16, 8, 3)))
        assert check_folder(photos).findings == ()

    def test_copies_never_lie_on_both_sides_of_a_split(self, tmp_path):
        fill(tmp_path, {"cat": 20, "dog": 20})
        for number in range(0, 40, 2):
            name = "cat" if number < 20 else "dog"
            for copy in range(number % 3 + 1):
                write(tmp_path / name / f"{number:04}-{copy}.png", picture(number))
        report = check_folder(tmp_path)
        for seed in range(5):
            parts = cut_parts(report.images, report.class_names, seed=seed)
            sides = [{image.twin for image in images} for images in parts.values()]
            assert sum(len(side) for side in sides) == len(set.union(*sides)) == 40
            assert sum(map(len, parts.values())) == len(report.images)

    @pytest.mark.parametrize("set_aside", [False, True])
    def test_one_picture_under_two_labels(self, photos, set_aside):
        for name in ("cat/a.png", "cat/b.png", "dog/c.png"):
            write(photos / name, picture(50))
        report = check_folder(photos, set_aside=set_aside)
        level = "set aside" if set_aside else "problem"
        assert found(report) == [
            (name, "two labels", level) for name in ("cat/a.png", "cat/b.png", "dog/c.png")
        ]
        assert "dog/c.png" in report.findings[0].cause
        assert "cat/a.png" in report.findings[2].cause
        assert len(report.images) == 20

    def test_a_copy_in_the_test_images_is_a_leak(self, tmp_path):
        for number, part in enumerate(["train", "validation", "test"]):
            fill(tmp_path / part, {"cat": 5, "dog": 5}, first=100 * number)
        for part, number in (
            ("train", 50), ("test", 50), ("train", 51), ("validation", 51),
            ("validation", 52), ("test", 52),
        ):  # fmt: skip
            write(tmp_path / part / "cat" / f"x{number}.png", picture(number))
        report = check_folder(tmp_path, set_aside=True)
        assert found(report) == [
            ("train/cat/x50.png", "leak", "set aside"),
            ("train/cat/x51.png", "leak", "set aside"),
            ("validation/cat/x52.png", "leak", "set aside"),
        ]
        assert report.set_aside[0].cause == "The same picture as test/cat/x50.png."
        assert {finding.level for finding in check_folder(tmp_path).findings} == {"problem"}


def photo(number: int, size: int = 160) -> Image.Image:
    """Something like a photo: soft shapes of its own."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
    left, top = random.integers(0, size // 2, 2)
    ImageDraw.Draw(image).ellipse(
        (left, top, left + size // 3, top + size // 3), fill=tuple(random.integers(0, 256, 3))
    )
    return image


class TestNearlyTheSame:
    @pytest.mark.parametrize(
        "changed",
        [
            *(lambda image, q=q: encoded(image, "JPEG", quality=q) for q in (60, 75, 90)),
            lambda image: encoded(image.resize((120, 120))),
            lambda image: encoded(image.resize((200, 190)), "JPEG"),
            lambda image: encoded(image.crop((1, 1, 159, 159))),
            lambda image: encoded(image.point([min(255, value + 4) for value in range(256)] * 3)),
        ],
        ids=["q60", "q75", "q90", "smaller", "larger", "cropped", "brighter"],
    )
    def test_copies_saved_anew_are_found(self, tmp_path, changed):
        for number in range(24):
            write(tmp_path / ("cat", "dog")[number % 2] / f"{number}.png", photo(number))
        for number in (3, 8):
            write(tmp_path / "cat" / f"x{number}", changed(photo(number)))
        report = check_folder(tmp_path)
        near = [f"{f.path} {f.cause}" for f in report.notes if f.kind == "nearly the same"]
        assert near == [
            "cat/8.png Nearly the same picture as cat/x8.",
            "cat/x3 Nearly the same picture as dog/3.png.",
        ]

    def test_a_pair_is_told_once_and_exact_copies_are_not_told_again(self, photos):
        write(photos / "cat" / "a.png", photo(50))
        write(photos / "cat" / "b.png", photo(50))
        write(photos / "cat" / "c.jpg", encoded(photo(50), "JPEG"))
        kinds = [finding.kind for finding in check_folder(photos).findings]
        assert kinds == ["copy", "nearly the same"]

    def test_pictures_of_nearly_one_colour_are_not_compared(self, tmp_path):
        random = np.random.default_rng(0)
        for number in range(40):
            sky = 120 + random.integers(0, 9, (32, 32, 3), dtype=np.uint8)
            write(tmp_path / ("day", "night")[number % 2] / f"{number}.png", Image.fromarray(sky))
        assert check_folder(tmp_path).findings == ()

    def test_different_pictures_are_not_the_same(self, tmp_path):
        for number in range(200):
            write(tmp_path / ("cat", "dog")[number % 2] / f"{number}.png", photo(number, 48))
        assert check_folder(tmp_path).findings == ()


# ------------------------------------------------------------------------- splits


class TestSplit:
    def test_without_copies_it_is_scikit_learns_split(self):
        from sklearn.model_selection import train_test_split

        labels = np.random.default_rng(0).integers(0, 5, 300)
        for seed in (0, 7):
            rest, aside = split_by_class(labels, 60, seed, list("abcde"))
            expected = train_test_split(
                np.arange(300), test_size=60, random_state=seed, stratify=labels
            )
            assert rest.tolist() == sorted(expected[0])
            assert aside.tolist() == sorted(expected[1])

    def test_each_copy_follows_its_twin(self):
        labels = np.repeat([0, 1], 30)
        twins = np.arange(60) // 3
        rest, aside = split_by_class(labels, 12, 0, ["a", "b"], twins)
        assert not set(twins[rest]) & set(twins[aside])
        assert sorted([*rest, *aside]) == list(range(60))
        assert np.bincount(labels[aside]).tolist() == [6, 6]

    def test_a_fifth_is_test_and_a_fifth_of_the_rest_validation(self, tmp_path):
        report = check_folder(fill(tmp_path, {"cat": 50, "dog": 25}))
        parts = cut_parts(report.images, report.class_names)
        assert {part: len(images) for part, images in parts.items()} == {
            "train": 48, "validation": 12, "test": 15,
        }  # fmt: skip
        assert [image.label for image in parts["test"]] == [0] * 10 + [1] * 5

    def test_validation_images_decides(self, photos):
        assert len(load_dataset(photos, validation_images=4).validation) == 4
        assert len(load_dataset(photos, validation_images=0).validation) == 0

    def test_no_validation_images_need_fewer_images(self, tmp_path):
        fill(tmp_path / "train", {"cat": 1, "dog": 1})
        fill(tmp_path / "test", {"cat": 1, "dog": 1}, first=10)
        assert not check_folder(tmp_path).ok
        assert len(load_dataset(tmp_path, validation_images=0).train) == 2


# ------------------------------------------------------------------------- reading


class TestReading:
    @pytest.mark.parametrize(
        ("change", "cause"),
        [
            (Path.unlink, "no longer is"),
            (lambda path: path.write_bytes(b""), "It is empty: 0 bytes"),
            (lambda path: path.write_bytes(encoded(NOISE)[:-600]), "It ends too early"),
            (lambda path: path.write_bytes(b"text"), "it holds no image"),
        ],
    )
    def test_a_file_that_changes_after_the_check_is_named(self, photos, change, cause):
        report = check_folder(photos)
        change(report.images[7].path)
        with pytest.raises(FolderError, match=f"cat/0007.png as it was when .*{cause}"):
            read_images(report.images, (16, 16))

    def test_more_images_than_the_memory_holds_are_refused_at_once(self, photos):
        with pytest.raises(NotEnoughMemoryError, match="Choose a smaller image_size"):
            load_dataset(photos, image_size=(1_000_000, 1_000_000))

    def test_many_images_keep_their_order(self, tmp_path):
        report = check_folder(fill(tmp_path, {"cat": 70, "dog": 30}), progress=False)
        images = read_images(report.images, (16, 16))
        for number in range(100):
            np.testing.assert_array_equal(images[number], np.asarray(picture(number)))


# ------------------------------------------------------------------------- the report


class Tags(HTMLParser):
    """The tags of a piece of HTML, and whether each is closed."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


class TestReport:
    def test_the_error_lists_the_first_ten_problems(self, photos):
        for number in range(14):
            write(photos / "cat" / f"x{number:02}.jpg", b"")
        with pytest.raises(FolderError) as refused:
            check_folder(photos).raise_problems()
        lines = str(refused.value).splitlines()
        assert len(lines) == 13
        assert lines[1].startswith("  cat/x00.jpg: It is empty: 0 bytes. Copy it again")
        assert lines[11:] == [
            f'and 4 more: check_folder("{photos}").to_csv("report.csv") lists all.',
            "set_aside=True goes on without 14 of them, and touches no file: zero bytes.",
        ]

    def test_what_cannot_be_set_aside_is_not_said_to_be(self, photos):
        fill(photos, {"Cat": 10}, first=50)
        with pytest.raises(FolderError) as refused:
            check_folder(photos).raise_problems()
        assert "set_aside=True" not in str(refused.value)

    def test_the_repr_counts_groups_and_cuts_short(self, photos):
        for number in range(20):
            write(photos / "cat" / f"x{number:02}.jpg", b"")
        write(photos / "notes.txt", b"mine")
        lines = repr(check_folder(photos)).splitlines()
        assert lines[:4] == [
            "FolderReport 'photos': 20 images of 2 classes, 20 problems, 0 set aside, 1 note",
            "  cat       10",
            "  dog       10",
            "  problem: zero bytes (20). Copy it again from where it came from, or delete it.",
        ]
        assert lines[4:13] == [
            *(f"    cat/x{number:02}.jpg: It is empty: 0 bytes." for number in range(8)),
            "    and 12 more",
        ]
        assert lines[13].startswith("  note: not an image (1).")
        assert str(photos.parent) not in repr(check_folder(photos))

    def test_the_repr_of_very_many_classes_is_cut_short(self, tmp_path):
        lines = repr(check_folder(fill(tmp_path, {f"{n:02}": 7 for n in range(33)}))).splitlines()
        assert lines[30:] == ["  29        7", "  and 3 more classes"]

    def test_in_words(self, photos):
        assert check_folder(photos).in_words() == ""
        write(photos / "cat" / "a.txt", b"")
        write(photos / "cat" / "a.jpg", b"")
        assert check_folder(photos).in_words() == "1 note"
        assert check_folder(photos, set_aside=True).in_words() == "1 note, 1 file set aside"

    def test_the_table_opens_in_spreadsheet_programs(self, photos, tmp_path):
        write(photos / "cat" / '=HYPERLINK("x"),고양이.jpg', b"")
        target = tmp_path / "new" / "report.csv"
        report = check_folder(photos)
        report.to_csv(target)
        assert target.read_bytes().startswith(b"\xef\xbb\xbf")
        with target.open(encoding="utf-8-sig", newline="") as file:
            head, *rows = csv.reader(file)
        assert head == ["path", "kind", "level", "cause", "advice"]
        finding = report.findings[0]
        assert rows == [
            ['./cat/=HYPERLINK("x"),고양이.jpg', "zero bytes", "problem", finding.cause,
             finding.advice]
        ]  # fmt: skip
        assert not any(cell[0] in "=+-@\t\r" for row in rows for cell in row)

    def test_the_html_is_accessible_and_escaped(self, photos):
        write(photos / "cat" / "<script>&.jpg", encoded(LARGE, "JPEG")[:-400])
        fill(photos, {"<b>": 10}, first=50)
        report = check_folder(photos)
        page = report._repr_html_()
        parsed = Tags(page)
        assert parsed.open == []
        names = [tag for tag, _ in parsed.tags]
        assert names.count("table") == names.count("caption") == 2
        assert "script" not in names
        assert "b" not in names
        assert all("scope" in attributes for tag, attributes in parsed.tags if tag == "th")
        assert str(photos.parent) not in page

    def test_a_truncated_image_shows_what_there_is_of_it(self, photos):
        content = encoded(LARGE, "JPEG", quality=95)
        write(photos / "cat" / "half.jpg", content[: len(content) // 2])
        page = check_folder(photos)._repr_html_()
        [image] = [attributes for tag, attributes in Tags(page).tags if tag == "img"]
        assert image["alt"] == "cat/half.jpg: truncated"
        packed = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
        shown = np.asarray(Image.open(io.BytesIO(packed))).astype(int)
        assert shown.shape == (96, 96, 3)
        whole = np.asarray(LARGE.resize((96, 96))).astype(int)
        assert abs(shown[:30] - whole[:30]).mean() < 10

    def test_at_most_twelve_pictures_are_shown(self, photos):
        for number, kind in enumerate(["JPEG", "PNG", "BMP", "GIF"]):
            for copy in range(6):
                name = f"{number}{copy}.{kind.lower()}"
                write(photos / "cat" / name, encoded(photo(100 * number + copy), kind)[:-500])
        for number in range(30):
            write(photos / "cat" / f"x{number}.gif", encoded(picture(1000 + number)))
            write(photos / "cat" / f"y{number}.png", picture(2000 + number, (4, 80)))
            write(photos / "cat" / f"z{number}.png", picture(1000 + number))
        page = check_folder(photos)._repr_html_()
        assert 1 <= page.count("<img ") <= 12

    def test_the_html_comes_also_when_the_files_are_gone(self, photos):
        path = write(photos / "cat" / "a.jpg", encoded(picture(50)))
        report = check_folder(photos)
        assert "<img" in report._repr_html_()
        path.unlink()
        assert "<img" not in report._repr_html_()

    def test_every_kind_has_an_advice_that_is_a_sentence(self):
        for level, advice in folders.KINDS.values():
            assert level in folders.LEVELS
            assert re.fullmatch(r"[A-Z][ -~]*\.", advice)
