"""Checking a folder of photos: every fault that real folders have, made here as real files."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made_images import NOISE, encoded, fill, found, photo, picture, state, write
from PIL import Image

from helpers import check_folder, folder_report, folders, load_dataset
from helpers.errors import FolderError, MissingFileError, NotEnoughMemoryError, UsageError
from helpers.folders import cut_parts, read_images


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

        def slowly(*arguments):
            looked_at.append(arguments)
            time.sleep(0.002)
            return examine(*arguments)

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
    def one_problem(self, folder: Path) -> folder_report.Finding:
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

    @pytest.mark.parametrize("other", ["results", "Bus", "unlabelled"])
    def test_a_folder_beside_the_parts_is_refused(self, tmp_path, other):
        """Or the parts would be taken for classes."""
        for number, part in enumerate(["train", "val"]):
            fill(tmp_path / part, {"cat": 10, "dog": 10}, first=20 * number)
        (tmp_path / other).mkdir()
        write(tmp_path / other / "1.png", picture(60))
        [problem] = check_folder(tmp_path, set_aside=True).findings
        assert (problem.path, problem.kind) == (".", "beside the parts")
        assert problem.cause == f"It holds train, val, and beside them {other}."

    def test_training_and_testing_are_parts_too(self, tmp_path):
        for number, part in enumerate(["Training", "Testing"]):
            fill(tmp_path / part, {"cat": 10, "dog": 10}, first=20 * number)
        report = check_folder(tmp_path)
        assert report.findings == ()
        assert report.class_names == ("cat", "dog")

    @pytest.mark.parametrize("parts", [["train"], ["train", "val"]])
    def test_a_part_without_class_folders(self, tmp_path, parts):
        for number, name in enumerate(parts):
            fill(tmp_path / name, {"cat": 10, "dog": 10}, first=40 * number)
        fill(tmp_path, {"test": 1}, first=30)
        part, stray = check_folder(tmp_path).problems
        assert (part.path, part.kind) == ("test", "different classes")
        assert part.cause == "It has no image that can be used in the folder of a class."
        assert "or move it elsewhere" in part.advice
        assert stray.kind == "outside"

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
        pixels = np.asarray(picture(50, (16, 8)))
        write(photos / "cat" / "wide.png", Image.fromarray(pixels))
        write(photos / "cat" / "high.png", Image.fromarray(pixels.reshape(16, 8, 3)))
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

    def test_thumbnails_made_together_are_those_of_each(self):
        sizes = [(32, 32), (30, 45), (5, 4), (200, 9), (8, 8), (300, 217)]
        pictures = [NOISE.resize(sizes[number % len(sizes)]) for number in range(250)]
        pixels = [np.asarray(image) for image in pictures]
        together = folders._thumbnails(pixels)
        alone = np.concatenate([folders._thumbnails([one]) for one in pixels])
        np.testing.assert_array_equal(together, alone)
        means = [image.resize((8, 8), Image.Resampling.BOX) for image in pictures]
        np.testing.assert_allclose(together.astype(int), np.stack(means).astype(int), atol=1)

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


class TestCut:
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
