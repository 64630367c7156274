"""Checking a folder of photos: every fault that real folders have, made here as real files."""

from __future__ import annotations

import ast
import contextlib
import os
import shutil
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
from permissions import ordinary_user
from PIL import Image

from helpers import check_folder, load_dataset
from helpers.basics.errors import FolderError, MissingFileError, NotEnoughMemoryError, UsageError
from helpers.folders import compare, findings
from helpers.folders import examine as examine_module
from helpers.folders import listing as listing_module
from helpers.folders.cut import cut_parts
from helpers.folders.examine import read_images
from helpers.photos import thumbnails


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
        examine = examine_module._examine

        def slowly(*arguments):
            looked_at.append(arguments)
            time.sleep(0.002)
            return examine(*arguments)

        def interrupted(bar, count):
            raise KeyboardInterrupt

        monkeypatch.setattr(examine_module, "_examine", slowly)
        monkeypatch.setattr("tqdm.auto.tqdm.update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            check_folder(photos)
        assert len(looked_at) < 300

    def test_how_large_the_files_are_decides_how_many_work(self, photos, monkeypatch):
        told = []
        in_processes = examine_module.in_processes
        monkeypatch.setattr(
            examine_module, "in_processes", lambda *all: (told.append(all[-1]), in_processes(*all))
        )
        check_folder(photos)
        assert told == [np.mean([path.stat().st_size for path in photos.glob("*/*")])]

    def test_files_and_folders_are_listed_in_the_order_of_their_names(self, photos):
        fill(photos, {"cat/b": 1, "cat/a": 1})
        listing = listing_module.list_folder(photos)
        assert listing.folders == [("cat",), ("cat", "a"), ("cat", "b"), ("dog",)]
        assert listing.files == sorted(
            path.relative_to(photos).parts for path in photos.rglob("*.png")
        )

    def test_files_that_systems_leave_do_not_hide_a_folder_too_many(self, tmp_path):
        fill(tmp_path / "zip" / "photos", {"cat": 2, "dog": 2})
        fill(tmp_path / "zip" / "__MACOSX", {"photos": 1})
        [problem] = check_folder(tmp_path / "zip").problems
        assert (problem.path, problem.kind) == ("photos", "one folder too many")


class TestNoFolder:
    @pytest.mark.parametrize(
        ("asked", "hint"),
        [
            ("photo", "Did you mean '{photos}'?"),
            ("Fotos", "Did you mean '{photos}'?"),
            ("fashion-mnist", "Did you mean 'fashion_mnist'?"),
            ("CIFAR-10", "Did you mean 'cifar10'?"),
            ("qqqqqqq", "Check its spelling."),
        ],
    )
    def test_a_missing_folder_brings_the_nearest_name(self, photos, asked, hint):
        with pytest.raises(MissingFileError) as refused:
            check_folder(photos.parent / asked)
        message = str(refused.value)
        assert message.startswith(
            'Expected "fashion_mnist", "cifar10", or the path of a folder or CSV file. '
        )
        hint = hint.format(photos=photos.as_posix())
        assert f"there is nothing at {photos.parent / asked}. {hint}" in message

    @pytest.mark.parametrize(
        "asked",
        [
            "photos", "Photos", "./photos/", "/photos", "'../photos'", '"photos"', "“../photos”",
            " ../photos ", "..\\photos", "file:../photos", "file:{above}/photos",
            "file://{above}/photos", "../../photos", "../phtos",
        ],
    )  # fmt: skip
    def test_the_path_that_was_meant_is_named_and_works(self, photos, monkeypatch, asked):
        """The lessons run in notebooks/, and people copy paths with all that is around them."""
        (photos.parent / "notebooks").mkdir()
        monkeypatch.chdir(photos.parent / "notebooks")
        with pytest.raises(MissingFileError, match="Did you mean '(.*)'") as refused:
            check_folder(asked.format(above=photos.parent.as_posix()))
        meant = str(refused.value).split("Did you mean '")[1].removesuffix("'?")
        assert Path(meant).resolve() == photos.resolve()
        assert check_folder(meant).ok

    @pytest.mark.parametrize(
        ("asked", "hint"),
        [
            ("C:\\Users\\me\\qqqq", "write / between folders"),
            ("'qqqq", "without quotes"),
            ("https://example.org/qqqq.zip", "A download must be unpacked first"),
            ("cifar10", 'load_dataset("cifar10") loads it.'),
        ],
    )
    def test_what_a_path_must_be_is_said(self, tmp_path, monkeypatch, asked, hint):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(MissingFileError) as refused:
            check_folder(asked)
        assert hint in str(refused.value)

    @pytest.mark.parametrize("asked", ["", "  "])
    def test_an_empty_text_is_not_the_current_folder(self, photos, monkeypatch, asked):
        monkeypatch.chdir(photos)
        with pytest.raises(UsageError, match=r'Received: an empty text. Give "\."'):
            check_folder(asked)
        assert check_folder(".").ok

    @pytest.mark.parametrize("asked", ["x" * 300, "a\0b", "gone/gone/photos"])
    def test_a_path_that_cannot_be_is_missing(self, tmp_path, asked):
        with pytest.raises(MissingFileError, match="there is nothing at"):
            check_folder(tmp_path / asked)

    def test_a_link_to_itself_is_missing(self, tmp_path):
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        with pytest.raises(MissingFileError):
            check_folder(tmp_path / "loop")

    @pytest.mark.parametrize("name", ["photos.zip", "cat.jpg"])
    def test_a_file_is_no_folder(self, tmp_path, name):
        write(tmp_path / name, b"content")
        with pytest.raises(FolderError, match=f"Received: .*{name}.*has to be unpacked first"):
            check_folder(tmp_path / name)

    @pytest.mark.parametrize("nonsense", [None, 5, b"photos", ["photos"]])
    def test_what_is_no_path_is_refused(self, nonsense):
        with pytest.raises(UsageError, match="Expected the path of a folder. Received: "):
            check_folder(nonsense)

    @pytest.mark.parametrize("name", ["classes_in_names", "set_aside", "progress"])
    def test_a_switch_is_true_or_false(self, photos, name):
        with pytest.raises(UsageError, match=f"Expected {name} as True or False. Received: 'no'"):
            check_folder(photos, **{name: "no"})


class TestLayout:
    def one_problem(self, folder: Path) -> findings.Finding:
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
        assert finding.advice == f'Use it: load_dataset("{tmp_path.as_posix()}/zip/{inner}").'

    @pytest.mark.parametrize("name", ["photos", 'the "best"', "a\\new", "two\nlines"])
    @pytest.mark.parametrize("asked", ["../{name}", "../{name}/", "{above}/{name}"])
    def test_the_path_of_the_inner_folder_can_be_followed(self, tmp_path, monkeypatch, asked, name):
        fill(tmp_path / name / "inner", {"cat": 10, "dog": 10})
        (tmp_path / "notebooks").mkdir()
        monkeypatch.chdir(tmp_path / "notebooks")
        asked = asked.format(above=tmp_path, name=name)
        [problem] = check_folder(asked).problems
        path = ast.literal_eval(problem.advice.removeprefix("Use it: load_dataset(")[:-2])
        assert path == f"{asked.rstrip('/')}/inner"
        assert check_folder(path).ok

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

    @pytest.mark.parametrize(
        ("parts", "other"),
        [
            (["train2017/", "val2017/"], "annotations"),
            (["Train/cat", "Train/dog", "Test/"], "Meta"),
            (["train/", "test/"], "sample"), (["train/cat", "train/dog"], "unlabeled"),
            (["bounding_box_train/", "bounding_box_test/"], "query"),
        ],
        ids=["flat", "one flat", "both flat", "one alone", "other words"],
    )  # fmt: skip
    def test_so_it_is_where_parts_hold_no_classes(self, tmp_path, parts, other):
        fill(tmp_path, dict.fromkeys(parts, 8))
        (tmp_path / other).mkdir()
        [problem] = check_folder(tmp_path, set_aside=True).findings
        assert problem.kind == "beside the parts"
        assert problem.cause.endswith(f", and beside them {other}.")

    def test_several_folders_beside_a_single_part_are_named(self, tmp_path):
        fill(tmp_path / "train", {"cat": 8, "dog": 8})
        for name in "abcde":
            (tmp_path / name).mkdir()
        finding = self.one_problem(tmp_path)
        assert finding.kind == "beside the parts"
        assert finding.cause == "It holds train, and beside them a, b, c, d, e."

    def test_pictures_to_try_a_model_with_beside_the_classes_are_noted(self, photos):
        fill(photos, {"test": 8}, first=50)
        assert found(check_folder(photos)) == [("test", "name of a part", "note")]

    @pytest.mark.parametrize("parts", [["train"], ["train", "val"]])
    def test_a_part_without_class_folders(self, tmp_path, parts):
        for number, name in enumerate(parts):
            fill(tmp_path / name, {"cat": 10, "dog": 10}, first=40 * number)
        fill(tmp_path, {"test": 1}, first=30)
        stray, part = check_folder(tmp_path).problems
        assert (part.path, part.kind) == ("test", "part without classes")
        assert part.cause == "It has no image of a class that can be used."
        assert "or move it elsewhere" in part.advice
        assert "what is missing then is cut off the training images" in part.advice
        assert stray.kind == "outside"
        with pytest.raises(FolderError, match="\nset_aside=True goes on without 2 of them"):
            load_dataset(tmp_path)
        loaded = load_dataset(tmp_path, set_aside=True)
        assert len(loaded.test) == 4
        assert "test" not in {image.part for image in loaded.report.images}

    def test_training_images_without_class_folders_cannot_be_set_aside(self, tmp_path):
        fill(tmp_path / "val", {"cat": 10, "dog": 10})
        write(tmp_path / "train" / "cat" / "a.jpg", b"")
        with pytest.raises(FolderError, match="When the others are mended, set_aside=True"):
            check_folder(tmp_path).raise_problems()
        assert not check_folder(tmp_path, set_aside=True).ok

    @pytest.mark.parametrize(
        "parts",
        [
            ["train", "validation", "test"], ["train", "val", "test"], ["Train", "VALID", "Test"],
            ["training", "dev", "testing"], ["train_set", "valid_set", "test_set"],
            ["trainset", "eval", "testset"], ["Training Images", "ValImages", "TestImages"],
            ["seg_train", "seg_dev", "seg_test"], ["cats-train", "cats-evaluation", "cats-holdout"],
            ["train2017", "val2017", "test2017"],
        ],
        ids=", ".join,
    )  # fmt: skip
    def test_parts_are_known_by_their_names(self, tmp_path, parts):
        for number, part in enumerate(parts):
            fill(tmp_path / part, {"cat": 2, "dog": 2}, first=10 * number)
        report = check_folder(tmp_path)
        assert report.findings == ()
        assert report.class_names == ("cat", "dog")
        meant = dict(zip(parts, ("train", "validation", "test"), strict=True))
        for image in report.images:
            assert image.part == meant[image.path.parent.parent.name]

    def test_an_image_in_a_part_but_in_no_class(self, tmp_path):
        fill(tmp_path / "train", {"cat": 10, "dog": 10})
        write(tmp_path / "train" / "stray.png", picture(50))
        assert found(check_folder(tmp_path)) == [("train/stray.png", "outside", "problem")]

    def test_classes_may_be_called_train_and_bus(self, tmp_path):
        report = check_folder(fill(tmp_path, {"train": 10, "bus": 10}))
        assert report.findings == ()
        assert report.class_names == ("bus", "train")

    @pytest.mark.parametrize(
        "names",
        [
            ["train", "tram", "bus"], ["train", "trainer"], ["valid", "invalid"], ["val", "valve"],
            ["test positive", "test negative"], ["freight train", "passenger train"],
            ["train station", "test track"], ["test tube", "beaker"], ["fold", "crease"],
            ["part1", "part2"], ["set_a", "set_b"], ["training shoe", "boot"], ["eval", "evil"],
        ],
        ids=", ".join,
    )  # fmt: skip
    def test_classes_with_such_words_in_their_names_are_classes(self, tmp_path, names):
        report = check_folder(fill(tmp_path, dict.fromkeys(names, 8)))
        assert report.findings == ()
        assert sorted(report.class_names) == sorted(names)

    @pytest.mark.parametrize(
        "parts",
        [["val", "test"], ["fold1", "fold2", "fold3"], ["2019", "2020"], ["london", "paris"]],
        ids=", ".join,
    )
    def test_parts_are_not_taken_for_classes(self, tmp_path, parts):
        for number, part in enumerate(parts):
            fill(tmp_path / part, {"cat": 8, "dog": 8}, first=20 * number)
        finding = self.one_problem(tmp_path)
        assert (finding.path, finding.kind) == (".", "parts or classes")
        assert all(part in finding.cause for part in parts)

    @pytest.mark.parametrize(
        "parts",
        [
            ["train", "test"], ["train", "test1"], ["train", "val", "test"], ["Train", "Holdout"],
            ["train_cat", "train_dog", "test_cat", "test_dog"],
        ],
        ids=", ".join,
    )  # fmt: skip
    def test_parts_without_class_folders_are_not_taken_for_classes(self, tmp_path, parts):
        finding = self.one_problem(fill(tmp_path, dict.fromkeys(parts, 8)))
        assert (finding.path, finding.kind) == (".", "parts or classes")
        assert "They hold no class folders." in finding.cause
        assert "into one folder a class" in finding.advice
        assert finding.advice.endswith("If they are the classes, give them other names.")

    def test_nor_are_those_that_hold_a_folder_of_folders_each(self, tmp_path):
        for number, part in enumerate(["amazon", "dslr", "webcam"]):
            fill(tmp_path / part / "images", {"cup": 8, "pen": 8}, first=20 * number)
        finding = self.one_problem(tmp_path)
        assert finding.kind == "parts or classes"
        assert finding.cause.endswith("hold no image, but the same folders: cup, pen.")
        write(tmp_path / "amazon" / "images" / "1.png", picture(99))
        assert check_folder(tmp_path).class_names == ("amazon", "dslr", "webcam")

    def test_following_the_advice_on_parts_helps(self, tmp_path):
        for number, part in enumerate(["seg_train", "seg_dev", "seg_test"]):
            fill(tmp_path / part / part, {"cat": 8, "dog": 8}, first=20 * number)
        finding = self.one_problem(tmp_path)
        assert (finding.path, finding.kind) == ("seg_dev/seg_dev", "one folder too many")
        assert finding.advice == "Move them up, in every part."
        for inner in list(tmp_path.glob("*/seg_*/*")):
            inner.rename(inner.parent.parent / inner.name)
        for inner in tmp_path.glob("*/seg_*"):
            inner.rmdir()
        assert check_folder(tmp_path).findings == ()

    @pytest.mark.parametrize(
        ("names", "advice"),
        [
            (["train", "test", "train_masks"], "Keep only train, validation and test here."),
            (["train", "test_unlabelled"], "Keep only train, validation and test here."),
            (["train1", "train2", "test1"], "Put the images of both into one folder."),
            (["train1", "train2"], "Put the images of both into one folder."),
            (["val", "test"], "Call the folder with the training images train."),
            (["cat", "dog"], "If indoor, outdoor are the classes, load one of the outer folders"),
            (["cats_train", "cats_test", "dogs_train", "dogs_test"], "Make one folder of each"),
        ],
        ids=str,
    )
    def test_what_to_do_about_parts(self, tmp_path, names, advice):
        for number, name in enumerate(names):
            fill(tmp_path / name, {"indoor": 8, "outdoor": 8}, first=20 * number)
        assert self.one_problem(tmp_path).advice.startswith(advice)

    def test_folders_of_which_half_are_the_same_are_no_classes(self, tmp_path):
        for number, (name, third) in enumerate([("london", "hen"), ("paris", "cow")]):
            fill(tmp_path / name, {"cat": 4, "dog": 4, third: 4}, first=20 * number)
        assert self.one_problem(tmp_path).kind == "parts or classes"
        fill(tmp_path / "paris", {"emu": 4}, first=60)
        assert check_folder(tmp_path).class_names == ("london", "paris")

    def test_parts_inside_classes_are_to_be_turned_round(self, tmp_path):
        for number, name in enumerate(["cat", "dog"]):
            fill(tmp_path / name, {"train": 8, "test": 8}, first=20 * number)
        assert self.one_problem(tmp_path).advice.startswith("Turn them round: one folder a part")

    def test_folders_with_images_of_their_own_are_classes(self, tmp_path):
        for number, name in enumerate(["cat", "dog"]):
            fill(tmp_path / name, {"indoor": 5, "outdoor": 5}, first=20 * number)
        assert check_folder(tmp_path).problems[0].kind == "parts or classes"
        fill(tmp_path, {"cat": 1}, first=60)
        assert check_folder(tmp_path).ok

    def test_a_saved_web_page_is_noted(self, photos):
        fill(photos, {"Cute dogs_files": 8}, first=50)
        write(photos / "Cute dogs.html", b"<html>")
        assert ("Cute dogs_files", "saved web page", "note") in found(check_folder(photos))

    def test_numbered_classes_come_in_the_order_of_their_numbers(self, tmp_path):
        names = [str(number) for number in range(12)]
        loaded = load_dataset(fill(tmp_path, dict.fromkeys(names, 8)), image_size=(16, 16))
        assert loaded.class_names == loaded.report.class_names == tuple(names)
        for image in loaded.report.images:
            assert image.path.parent.name == loaded.class_names[image.label]
        test = loaded.test
        for image, label in zip(test.images, test.labels.tolist(), strict=True):
            of_class = (np.asarray(picture(8 * label + number)) for number in range(8))
            assert any(np.array_equal(image, one) for one in of_class)

    @pytest.mark.parametrize(
        "names",
        [
            ["class2", "class10"], ["9", "10"], ["2 b", "2 c", "10 a"], ["a", "a1", "a1b", "ab"],
            ["01", "1", "2"], ["v1.9", "v1.10"], ["٩", "10"], ["B", "a"],
        ],
        ids=", ".join,
    )  # fmt: skip
    def test_digits_anywhere_in_names_count_as_numbers(self, tmp_path, names):
        report = check_folder(fill(tmp_path, dict.fromkeys(reversed(names), 7)))
        assert report.class_names == tuple(names)

    def test_parts_with_different_classes_are_refused(self, tmp_path):
        fill(tmp_path / "train", {"cat": 10, "dog": 10})
        fill(tmp_path / "val", {"cat": 2}, first=30)
        fill(tmp_path / "test", {"cat": 2, "dog": 2, "hen": 2}, first=40)
        report = check_folder(tmp_path, set_aside=True)
        assert [(finding.path, finding.cause) for finding in report.problems] == [
            ("train", "It has no image of hen, and another part has."),
            ("val", "It has no image of dog, hen, and another part has."),
        ]

    def test_of_many_different_classes_the_first_are_named(self, tmp_path):
        fill(tmp_path / "train", {f"n{number}": 1 for number in range(200)})
        fill(tmp_path / "test", {"images": 2}, first=200)
        causes = [f.cause for f in check_folder(tmp_path).problems if f.kind == "different classes"]
        assert causes[0].startswith("It has no image of n0, n1, n10, n100, n101 and 195 more, and")

    def test_the_same_part_twice_is_refused(self, tmp_path):
        for number, part in enumerate(["train", "val", "validation"]):
            fill(tmp_path / part, {"cat": 10, "dog": 10}, first=20 * number)
        assert found(check_folder(tmp_path)) == [("validation", "same part twice", "problem")]

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_class_too_small_for_every_split_is_refused(self, tmp_path, count):
        report = check_folder(fill(tmp_path, {"cat": 8, "dog": count}), set_aside=True)
        assert found(report) == [("dog", "too few images", "problem")]
        assert "3 are enough" in report.problems[0].cause

    def test_as_many_images_as_are_said_to_be_enough_are_enough(self, tmp_path):
        for others in (3, 8, 20):
            folder = fill(tmp_path / str(others), {"cat": others, "dog": 3, "hen": others})
            report = check_folder(folder)
            assert report.findings == ()
            for seed in range(20):
                parts = cut_parts(report.images, report.class_names, seed=seed)
                assert all(
                    {image.label for image in files} == {0, 1, 2} for files in parts.values()
                )

    def test_in_parts_it_is_the_training_class_that_is_named(self, tmp_path):
        fill(tmp_path / "train", {"cat": 8, "dog": 1})
        fill(tmp_path / "val", {"cat": 2, "dog": 2}, first=20)
        assert found(check_folder(tmp_path)) == [("train/dog", "too few images", "problem")]

    @pytest.mark.parametrize(("count", "noted"), [(40, True), (39, False)])
    def test_very_unequal_classes_are_noted(self, tmp_path, count, noted):
        report = check_folder(fill(tmp_path, {"cat": count, "dog": 4, "hen": 9}))
        assert report.ok
        assert found(report) == noted * [(".", "unequal classes", "note")]
        if noted:
            [note] = report.notes
            assert note.cause == "cat has 40 images to train with, and dog has 4."
            assert 'train(..., class_weight="balanced")' in note.advice
            assert "balanced accuracy" in note.advice

    def test_copies_do_not_make_a_class_large_enough(self, tmp_path):
        fill(tmp_path, {"cat": 20})
        for number in range(20):
            write(tmp_path / "dog" / f"{number}.png", picture(100))
        report = check_folder(tmp_path)
        assert ("dog", "too few images", "problem") in found(report)


# ------------------------------------------------------------------------- classes in file names


def fill_by_name(folder: Path, names: list[str], count: int = 8) -> Path:
    """Good images whose names say the class: such as "cat.{}.jpg"."""
    for number in range(count * len(names)):
        write(folder / names[number % len(names)].format(number), picture(1000 + number))
    return folder


class TestClassesInNames:
    @pytest.mark.parametrize(
        ("names", "classes"),
        [
            (["cat.{}.png", "dog.{}.png"], ("cat", "dog")),
            (["Great Pyrenees-{}.png", "shiba_inu_{}.png"], ("Great Pyrenees", "shiba_inu")),
            (["cat ({}).png", "dog({}).png"], ("cat", "dog")),
            (["2_{}.png", "10_{}.png"], ("2", "10")),
            (["고양이 {}.png", "개 {}.png"], ("개", "고양이")),
        ],
        ids=str,
    )  # fmt: skip
    def test_a_flat_folder(self, tmp_path, names, classes):
        report = check_folder(fill_by_name(tmp_path, names), classes_in_names=True)
        assert report.findings == ()
        assert report.class_names == classes
        assert report.class_counts() == dict.fromkeys(classes, 8)
        for image in report.images:
            assert image.path.name.startswith(classes[image.label])
        loaded = load_dataset(tmp_path, classes_in_names=True, image_size=(16, 16))
        assert loaded.class_names == classes
        for image in report.images:
            pixels = np.asarray(Image.open(image.path))
            splits = (loaded.train, loaded.validation, loaded.test)
            [label] = [
                split.labels[at]
                for split in splits
                for at, one in enumerate(split.images)
                if np.array_equal(one, pixels)
            ]
            assert label == image.label

    def test_also_in_parts(self, tmp_path):
        fill_by_name(tmp_path / "train", ["cat.{}.png", "dog.{}.png"])
        fill_by_name(tmp_path / "test", ["cat.{}.bmp", "dog.{}.bmp"], 2)
        write(tmp_path / "cat.99.png", picture(99))
        report = check_folder(tmp_path, classes_in_names=True, set_aside=True)
        assert ("cat.99.png", "no class in its name", "set aside") in found(report)
        assert {image.path.parent.name == image.part for image in report.images} == {True}
        assert {image.part for image in report.images} == {"train", "test"}

    def test_a_part_without_a_class_in_its_names(self, tmp_path):
        """As in competitions, where nobody may know what the test images show."""
        fill_by_name(tmp_path / "train", ["cat.{}.png", "dog.{}.png"])
        fill_by_name(tmp_path / "test1", ["{}.bmp"], 2)
        report = check_folder(tmp_path, classes_in_names=True, set_aside=True)
        assert [(kind, path) for path, kind, _ in found(report)] == [
            ("no class in its name", "test1/0.bmp"), ("no class in its name", "test1/1.bmp"),
            ("part without classes", "test1"),
        ]  # fmt: skip
        loaded = load_dataset(tmp_path, classes_in_names=True, set_aside=True, image_size=(8, 8))
        assert len(loaded.test) == 3

    def test_a_name_without_a_class_is_found(self, tmp_path):
        fill_by_name(tmp_path, ["cat.{}.png", "dog.{}.png"])
        for number, name in enumerate(["0007.png", "bird.png", "_5.png"]):
            write(tmp_path / name, picture(number))
        write(tmp_path / "notes.1.txt", b"mine")
        report = check_folder(tmp_path, classes_in_names=True)
        assert found(report) == [
            ("0007.png", "no class in its name", "problem"),
            ("_5.png", "no class in its name", "problem"),
            ("bird.png", "no class in its name", "problem"),
            ("notes.1.txt", "not an image", "note"),
        ]  # fmt: skip

    def test_names_that_differ_by_capitals_are_refused_here_too(self, tmp_path):
        fill_by_name(tmp_path, ["cat.{}.png", "Cat.{}.png", "dog.{}.png"])
        report = check_folder(tmp_path, classes_in_names=True)
        assert found(report) == [("cat", "same class twice", "problem")]

    @pytest.mark.parametrize("inside", [[""], ["train"], ["train", "test"]], ids=str)
    def test_without_the_argument_the_words_name_it(self, tmp_path, inside):
        for name in inside:
            fill_by_name(tmp_path / name, ["cat.{}.png", "dog.{}.png"])
        [problem] = check_folder(tmp_path).problems
        hint = "If the file names say the classes, cat, dog, give classes_in_names=True."
        assert hint in problem.advice

    @pytest.mark.parametrize(
        "names",
        [
            ["IMG_{}.png"], ["a{}.png", "b{}.png"],
            ["cat.{}.png", "dog.{}.png", "a{}b.png", "b{}a.png"],
        ],
        ids=", ".join,
    )  # fmt: skip
    def test_it_does_not_where_the_names_do_not_look_like_it(self, tmp_path, names):
        [problem] = check_folder(fill_by_name(tmp_path, names)).problems
        assert "classes_in_names" not in problem.advice

    def test_folders_and_links_are_no_classes_here(self, tmp_path):
        fill_by_name(tmp_path / "a" / "b", ["cat.{}.png", "dog.{}.png"])
        (tmp_path / "loop").symlink_to(tmp_path)
        report = check_folder(tmp_path, classes_in_names=True)
        assert found(report) == [("loop", "link", "note")]

    def test_what_is_kept_is_of_the_same_argument(self, tmp_path):
        fill(tmp_path, {"a": 16, "b": 16})
        for number, path in enumerate(sorted(tmp_path.glob("*/*.png"))):
            path.rename(path.with_name(f"{number % 2 * 'x'}{path.parent.name}.{number}.png"))
        assert load_dataset(tmp_path, image_size=(8, 8)).class_names == ("a", "b")
        loaded = load_dataset(tmp_path, image_size=(8, 8), classes_in_names=True)
        assert loaded.class_names == ("a", "b", "xa", "xb")
        assert load_dataset(tmp_path, image_size=(8, 8)).class_names == ("a", "b")


# ------------------------------------------------------------------------- names


class TestNames:
    @pytest.mark.parametrize(
        ("name", "counted_as"),
        [
            (".DS_Store", ".DS_Store"),
            ("._cat.jpg", "._*"),
            ("Thumbs.db", "Thumbs.db"),
            ("desktop.ini", "desktop.ini"),
            (".hidden.png", "hidden pictures"),
            (".hidden.txt", "other hidden names"),
        ],
    )
    def test_what_systems_leave_behind_is_passed_over_and_counted(self, photos, name, counted_as):
        for folder in (photos, photos / "cat", photos / "dog"):
            write(folder / name, b"junk")
        report = check_folder(photos)
        assert report.findings == ()
        assert report.ignored == {counted_as: 3}
        assert f"ignored: {counted_as} 3" in repr(report)

    @pytest.mark.parametrize(
        "name",
        [".ipynb_checkpoints", "__MACOSX", ".git", "System Volume Information", "lost+found"],
    )
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

    @pytest.mark.parametrize("other", ["Cat", "cat ", " CAT", "c at", "cat\u200b", "\u202ecat\xa0"])
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

    @pytest.mark.parametrize("name", ["cow\n", "c\to\tw", "\x1b[31m"])
    def test_nor_is_one_with_a_line_break_or_its_like(self, photos, name):
        for number in range(10):
            write(photos / name / f"{number}.png", picture(50 + number))
        [(_, kind, severity)] = found(check_folder(photos))
        assert (kind, severity) == ("unreadable name", "problem")

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

    with ordinary_user():
        yield


class TestNoPlainFiles:
    def test_links_are_noted_and_not_followed(self, photos, tmp_path):
        write(tmp_path / "else" / "a.png", picture(50))
        (photos / "bird").symlink_to(tmp_path / "else")
        (photos / "cat" / "file.png").symlink_to(tmp_path / "else" / "a.png")
        (photos / "cat" / "gone.png").symlink_to(tmp_path / "nowhere")
        (photos / "cat" / "loop").symlink_to(photos)
        (photos / "cat" / "self").symlink_to(photos / "cat" / "self")
        report = check_folder(photos, set_aside=True)
        assert found(report) == [
            ("bird", "linked folder", "set aside"),
            *(
                (path, "link", "note")
                for path in ("cat/file.png", "cat/gone.png", "cat/loop", "cat/self")
            ),
        ]
        assert len(report.images) == 20
        assert report.class_names == ("cat", "dog")
        assert "<img" not in report._repr_html_()

    def test_a_class_that_is_a_link_is_a_problem(self, photos, tmp_path):
        """Or it would be missing without a word."""
        fill(tmp_path / "else", {"bird": 8}, first=50)
        (photos / "bird").symlink_to(tmp_path / "else" / "bird")
        with pytest.raises(FolderError, match="bird: It is a link in the place of a folder, and"):
            load_dataset(photos)
        assert load_dataset(photos, set_aside=True).class_names == ("cat", "dog")
        shutil.rmtree(tmp_path / "else")  # as on a disk that is not there
        assert found(check_folder(photos)) == [("bird", "linked folder", "problem")]

    def test_so_is_a_part_that_is_a_link(self, photos, tmp_path):
        folder = tmp_path / "data"
        folder.mkdir()
        fill(tmp_path / "else", {"cat": 5, "dog": 5}, first=50)
        photos.rename(folder / "train")
        (folder / "test").symlink_to(tmp_path / "else")
        assert found(check_folder(folder)) == [("test", "linked folder", "problem")]
        assert len(load_dataset(folder, set_aside=True).test) == 4

    def test_no_other_link_beside_parts_is_a_problem(self, tmp_path):
        for number, part in enumerate(["train", "test"]):
            fill(tmp_path / part, {"cat": 5, "dog": 5}, first=20 * number)
        for place in ("extra", "train/cat/loop"):
            (tmp_path / place).symlink_to(tmp_path)
        assert found(check_folder(tmp_path)) == [
            ("extra", "link", "note"), ("train/cat/loop", "link", "note")
        ]  # fmt: skip

    def test_a_folder_beside_a_link_is_not_one_too_many(self, tmp_path):
        fill(tmp_path / "photos" / "cat", {"2019": 5, "2020": 5})
        (tmp_path / "photos" / "dog").symlink_to(tmp_path)
        assert found(check_folder(tmp_path / "photos")) == [
            ("dog", "linked folder", "problem"), (".", "one class", "problem"),
            ("cat", "nested folders", "note"),
        ]  # fmt: skip

    def test_where_links_are_all_there_is_it_is_said(self, photos, tmp_path):
        for name, kind in (("folders", "empty"), ("files", "class without images")):
            (tmp_path / name).mkdir()
            for number in range(2):
                if name == "folders":
                    (tmp_path / name / str(number)).symlink_to(photos / "cat")
                else:
                    inner = tmp_path / name / str(number)
                    inner.mkdir()
                    (inner / "a.png").symlink_to(photos / "cat" / "0000.png")
            report = check_folder(tmp_path / name)
            problem = next(problem for problem in report.problems if problem.kind == kind)
            assert [note.kind for note in report.notes] == ["link", "link"]
            links = "2 links" if name == "folders" else "1 link"
            assert f"It holds {links}, not followed: put what they lead to" in problem.cause

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
        listed = listing_module._list_files

        def list_then_change(root):
            listing = listed(root)
            (root / "cat" / "0000.png").unlink()
            os.mkfifo(root / "cat" / "0000.png")
            return listing

        monkeypatch.setattr(listing_module, "_list_files", list_then_change)
        assert found(check_folder(photos)) == [("cat/0000.png", "vanished", "problem")]

    def test_files_that_vanish_meanwhile(self, photos, monkeypatch):
        listed = listing_module._list_files

        def list_then_delete(root):
            listing = listed(root)
            (root / "cat" / "0000.png").unlink()
            return listing

        monkeypatch.setattr(listing_module, "_list_files", list_then_delete)
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

    def test_the_way_to_it_may_not_be_read(self, open_photos):
        (open_photos / "closed" / "inner").mkdir(parents=True)
        (open_photos / "closed").chmod(0)
        try:
            with somebody_else(), pytest.raises(FolderError, match="denied.*copy it elsewhere"):
                check_folder("closed/inner")
        finally:
            (open_photos / "closed").chmod(0o755)


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

    def test_a_leaked_copy_is_in_one_part_only(self, tmp_path):
        for number, part in enumerate(["train", "val", "test"]):
            fill(tmp_path / part, {"cat": 5, "dog": 5}, first=20 * number)
        for part, numbers in {"train": (60, 61), "val": (61, 62), "test": (60, 62)}.items():
            for number in numbers:
                write(tmp_path / part / "cat" / f"{number}.png", picture(number))
        loaded = load_dataset(tmp_path, image_size=(16, 16), set_aside=True)
        used = {
            split.name: {image.tobytes() for image in split.images}
            for split in (loaded.train, loaded.validation, loaded.test)
        }
        where = {
            number: [part for part in used if picture(number).tobytes() in used[part]]
            for number in (60, 61, 62)
        }
        assert where == {60: ["test"], 61: ["validation"], 62: ["test"]}
        assert {part: len(images) for part, images in used.items()} == {
            "train": 10, "validation": 11, "test": 12,
        }  # fmt: skip
        assert [image.part for image in loaded.report.images if image.path.stem == "60"] == ["test"]


def saved_anew(image: Image.Image) -> dict[str, bytes]:
    """The picture, and twelve copies of it as people and programs make them."""
    sizes = [round(image.width * share) for share in (0.5, 0.75, 0.9, 1.2, 1.5, 2)]
    return {
        "a.png": encoded(image),
        **{f"q{q}.jpg": encoded(image, "JPEG", quality=q) for q in (50, 75, 95)},
        **{f"s{size}.jpg": encoded(image.resize((size, size)), "JPEG") for size in sizes},
        **{f"w{q}.webp": encoded(image, "WEBP", quality=q) for q in (50, 80, 95)},
    }


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

    def test_so_they_are_where_only_some_tell_by_what_pictures_differ(self, tmp_path, monkeypatch):
        monkeypatch.setattr(compare, "MEASURED", 20)
        for number in range(24):
            write(tmp_path / ("cat", "dog")[number % 2] / f"{number}.png", photo(number))
        write(tmp_path / "cat" / "x.jpg", encoded(photo(3), "JPEG"))
        assert found(check_folder(tmp_path)) == [("cat/x.jpg", "nearly the same", "note")]

    def test_two_pictures_are_compared_too(self, tmp_path):
        write(tmp_path / "cat" / "a.png", photo(0))
        write(tmp_path / "cat" / "b.jpg", encoded(photo(0), "JPEG", quality=95))
        assert ("cat/a.png", "nearly the same", "note") in found(check_folder(tmp_path))

    def test_as_many_pictures_as_parts_may_be_all_alike(self, tmp_path):
        for quality in (60, 75, 90):
            saved = encoded(photo(0), "JPEG", quality=quality)
            write(tmp_path / "cat" / f"{quality}.jpg", saved)
        for number in range(1, 25):
            write(tmp_path / "dog" / f"{number}.png", photo(number))
        kinds = [finding.kind for finding in check_folder(tmp_path).findings]
        assert kinds == ["all alike", "nearly the same"]

    def test_a_group_is_one_note_and_stays_on_one_side_of_a_cut(self, tmp_path):
        """Each picture with three copies that are not exact; one with twelve."""
        for number in range(30):
            copies = list(saved_anew(photo(number, 64)).items())[: 13 if number == 6 else 4]
            for name, copy in copies:
                write(tmp_path / ("cat", "dog")[number % 2] / f"{number:02} {name}", copy)
        report = check_folder(tmp_path)
        near = [finding for finding in report.findings if finding.kind == "nearly the same"]
        groups = {finding.path: finding.cause for finding in near}
        assert len(near) == len(groups) == 30
        assert groups["cat/00 a.png"] == (
            "Nearly the same picture as cat/00 q50.jpg, cat/00 q75.jpg, cat/00 q95.jpg."
        )
        assert groups["cat/06 a.png"].endswith("cat/06 s128.jpg, cat/06 s32.jpg and 7 more.")
        for seed in range(4):
            parts = cut_parts(report.images, report.class_names, seed=seed)
            sides = [{name[:2] for name in paths(images)} for images in parts.values()]
            assert sum(map(len, sides)) == len(set.union(*sides)) == 30
            assert min(map(len, sides)) >= 4

    @pytest.mark.parametrize("differ", [14, 4.8])
    def test_where_all_pictures_look_alike_only_copies_are_the_same(self, tmp_path, differ):
        """As X-rays do, all taken in one way: two differ by less than a change of brightness."""
        shadow = np.asarray(photo(0, 64)).mean(axis=2)
        for number in range(40):
            noise = np.random.default_rng(number).normal(0, differ, (32, 32))
            noise = noise.repeat(2, 0).repeat(2, 1)
            image = Image.fromarray((shadow + noise).clip(0, 255).astype(np.uint8))
            folder = tmp_path / ("ill", "well")[number % 2]
            write(folder / f"{number}.png", image)
            if number < 6:
                write(folder / f"{number}.jpg", encoded(image, "JPEG", quality=80))
        assert found(check_folder(tmp_path)) == [
            (f"{('ill', 'well')[number % 2]}/{number}.jpg", "nearly the same", "note")
            for number in (0, 2, 4, 1, 3, 5)
        ]

    @pytest.mark.parametrize(
        ("shared", "own", "bright", "apart", "near"),
        [
            (0, 6, 80, 1, True), (0, 10, 80, 2, True), (0, 10, 80, 4, False),
            (45, 21, 0, 6, True), (45, 21, 0, 10, False),
            (0, 55, 0, 11, True), (0, 55, 0, 13, False),
        ],
        ids=[
            "faint", "by little of their contrast", "by much of it", "by less than from others",
            "by nearly as much", "strong", "by more than 12 grey levels",
        ],
    )  # fmt: skip
    def test_how_near_two_pictures_are(self, tmp_path, shared, own, bright, apart, near):
        """In grey levels: of what all have, of what each has, of how bright it is; two of them."""
        random = np.random.default_rng(0)

        def noise(size: float) -> np.ndarray:
            return random.uniform(-1, 1, (8, 8, 3)) * 3**0.5 * size

        base = 128 + noise(shared)
        board = np.indices((8, 8)).sum(axis=0)[..., None] % 2 * 2 - 1
        for number in range(40):
            dots = base + noise(own) + bright * random.uniform(-1, 1)
            for name, added in (("png", 0), ("bmp", apart * board))[: 2 - bool(number)]:
                pixels = (dots + added).round().astype(np.uint8).repeat(2, 0).repeat(2, 1)
                path = tmp_path / ("cat", "dog")[number % 2] / f"{number}.{name}"
                write(path, encoded(Image.fromarray(pixels), name))
        said = [f"{f.path} {f.cause}" for f in check_folder(tmp_path).findings]
        assert said == near * ["cat/0.bmp Nearly the same picture as cat/0.png."]

    def test_so_it_is_where_a_class_holds_others_too(self, tmp_path):
        """How alike pictures may be is told by those around them, not by the whole class."""
        shadow = np.asarray(photo(0, 64)).mean(axis=2)
        for number in range(60):
            noise = np.random.default_rng(number).normal(0, 30, (8, 8)).repeat(8, 0).repeat(8, 1)
            alike = Image.fromarray((shadow + noise / 10).clip(0, 255).astype(np.uint8))
            folder = tmp_path / ("ill", "well")[number % 2]
            write(folder / f"{number}.png", alike)
            write(folder / f"{number} photo.png", photo(100 + number, 64))
        write(tmp_path / "ill" / "59.jpg", encoded(alike, "JPEG", quality=80))
        write(tmp_path / "ill" / "0 photo.jpg", encoded(photo(100, 64), "JPEG", quality=80))
        near = [f"{found.path}: {found.cause}" for found in check_folder(tmp_path).findings]
        assert near == [
            "ill/0 photo.jpg: Nearly the same picture as ill/0 photo.png.",
            "ill/59.jpg: Nearly the same picture as well/59.png.",
        ]

    def test_pictures_that_blend_into_one_another_still_make_a_dataset(self, tmp_path):
        """As in a film: each is near the next, so that a chain leads from one end to the other."""
        first, last = (np.asarray(photo(number, 32), float) for number in (0, 1))
        for number in range(60):
            frame = first + (last - first) * number / 59
            write(tmp_path / "film" / f"{number:02}.png", Image.fromarray(frame.astype(np.uint8)))
            write(tmp_path / "photos" / f"{number:02}.png", photo(100 + number, 32))
        report = check_folder(tmp_path)
        assert found(report) == [
            ("film", "all alike", "note"),
            ("film/00.png", "nearly the same", "note"),
        ]
        assert report.findings[0].cause == "It has 1 clearly different picture, too few to cut."
        assert load_dataset(tmp_path).test.class_counts() == {"film": 12, "photos": 12}

    def test_one_large_group_leaves_room_for_the_others(self, tmp_path):
        for number in range(30):
            write(tmp_path / "cat" / f"{number}.png", photo(number, 64))
            write(tmp_path / "dog" / f"d{number}.png", photo(100 + number, 64))
        for name, copy in saved_anew(photo(3, 64)).items():
            write(tmp_path / "cat" / f"3 {name}", copy)
        report = check_folder(tmp_path)
        for seed in range(10):
            parts = cut_parts(report.images, report.class_names, seed=seed)
            assert sum(name.startswith(("3 ", "3.")) for name in paths(parts["train"])) == 1 + 13
            assert min(map(len, parts.values())) >= 8

    def test_another_label_is_no_obstacle_for_the_cut(self, tmp_path):
        for number in range(20):
            write(tmp_path / "cat" / f"{number}.png", photo(number, 64))
            write(tmp_path / "dog" / f"{number}.jpg", encoded(photo(number, 64), "JPEG"))
        report = check_folder(tmp_path)
        assert report.ok
        assert len({image.twin for image in report.images}) == 40
        assert [note.kind for note in report.notes].count("nearly the same") == 20

    def test_few_are_compared_at_once(self, tmp_path, monkeypatch):
        """Or the memory would grow with the pictures that are near others."""
        at_once, distance_between = [], compare.distance_between

        def noting(one, other):
            at_once.append(other.size)
            return distance_between(one, other)

        monkeypatch.setattr(compare, "distance_between", noting)
        for number in range(20):
            write(tmp_path / "cat" / f"{number}.png", photo(number, 64))
            write(tmp_path / "dog" / f"{number}.jpg", encoded(photo(number, 64), "JPEG"))
        assert len(check_folder(tmp_path).notes) == 20
        assert max(at_once) <= thumbnails.PIECE * thumbnails.THUMBNAIL_BYTES

    def test_the_same_moment_in_two_given_parts_is_noted(self, tmp_path):
        for number in range(20):
            write(tmp_path / "train" / ("cat", "dog")[number % 2] / f"{number}.png", photo(number))
        for number in (4, 30, 5, 31):
            name = ("cat", "dog")[number % 2]
            write(tmp_path / "test" / name / f"{number}.jpg", encoded(photo(number), "JPEG"))
        report = check_folder(tmp_path)
        assert found(report) == [
            ("test/cat/4.jpg", "possible leak", "note"),
            ("test/dog/5.jpg", "possible leak", "note"),
        ]  # fmt: skip
        assert report.notes[0].cause == "Nearly the same picture as train/cat/4.png."
        assert "keep those of one part" in report.notes[0].advice

    def test_a_pair_is_told_once_and_exact_copies_are_not_told_again(self, photos):
        write(photos / "cat" / "a.png", photo(50))
        write(photos / "cat" / "b.png", photo(50))
        write(photos / "cat" / "c.jpg", encoded(photo(50), "JPEG"))
        kinds = [finding.kind for finding in check_folder(photos).findings]
        assert kinds == ["copy", "nearly the same"]

    def test_what_is_kept_of_a_picture_until_others_are_seen_is_small(self, tmp_path):
        for size in (64, 600):
            write(tmp_path / "a.png", photo(0, size))
            kept = examine_module._examine(str(tmp_path), ("a.png",)).picture
            assert kept.shape == (min(size, 200), min(size, 200), 3)

    def test_thumbnails_made_together_are_those_of_each(self):
        sizes = [(32, 32), (30, 45), (5, 4), (200, 9), (100, 75), (300, 216)]
        pictures = [NOISE.resize(sizes[number % len(sizes)]) for number in range(250)]
        pixels = [np.asarray(image) for image in pictures]
        together = thumbnails.make_thumbnails(pixels)
        alone = np.concatenate([thumbnails.make_thumbnails([one]) for one in pixels])
        np.testing.assert_array_equal(together, alone)
        # Made eight times as large, each dot covers whole pixels.
        large = [one.repeat(8, axis=0).repeat(8, axis=1) for one in pixels[:6]]
        means = [
            one.reshape(8, one.shape[0] // 8, 8, one.shape[1] // 8, 3).mean(axis=(1, 3))
            for one in large
        ]
        np.testing.assert_allclose(together[:5], np.stack(means[:5]), atol=0.51)
        np.testing.assert_allclose(together[5], means[5], atol=1.3)  # made small in two steps

    def test_among_thousands_each_pair_is_found_that_is_near_for_its_contrast(self, monkeypatch):
        monkeypatch.setattr(compare, "USUAL_SHARE", 100)  # contrast alone decides
        random = np.random.default_rng(0)
        # They differ in as few directions as they are searched by: so the search is exact.
        directions = random.normal(size=(compare.DIRECTIONS, thumbnails.THUMBNAIL_BYTES)) / 3
        ones, noise = random.normal(size=(2, 2_000, compare.DIRECTIONS))
        places = np.concatenate([ones, ones + noise * random.uniform(0, 0.5, (2_000, 1))])
        varies = np.tile(random.uniform(20, 60, 2_000), 2)[:, np.newaxis]
        points = (places @ directions * varies + 127).round().clip(0, 255).astype(np.uint8)
        images = [
            examine_module.SeenImage((), row, "cat", "", row.to_bytes(2)) for row in range(4_000)
        ]
        most = np.minimum(0.25 * thumbnails.contrast_of(points), 12)
        near = {
            (row, row + 1 + int(other))
            for row in range(4_000)
            for other in np.flatnonzero(
                thumbnails.distance_between(points[row], points[row + 1 :])
                <= np.minimum(most[row], most[row + 1 :])
            )
        }
        assert 800 < len(near) < 1_500
        found_pairs = compare.near_pairs(images, points).T.tolist()
        assert {tuple(sorted(pair)) for pair in found_pairs} == near

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
    def test_a_picture_is_resized_by_weighing_its_neighbours(self, tmp_path):
        """Bilinear, by hand: from 4 to 8 columns, the two beside an edge take a quarter of it."""
        step = np.zeros((4, 4, 3), np.uint8)
        step[:, 2:] = 100
        for number in range(8):
            for name, value in (("cat", step + number), ("dog", step[::-1, ::-1] + number)):
                write(tmp_path / name / f"{number}.png", Image.fromarray(value))
        loaded = load_dataset(tmp_path, image_size=(4, 8), validation_images=0)
        expected = {0: [0, 0, 0, 25, 75, 100, 100, 100], 1: [100, 100, 100, 75, 25, 0, 0, 0]}
        for image, label in zip(loaded.train.images, loaded.train.labels.tolist(), strict=True):
            shifted = image.astype(int) - image.min()
            assert shifted[:, :, 0].tolist() == [expected[label]] * 4

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

    def test_how_much_they_need_and_what_is_there_is_said(self, photos, monkeypatch):
        monkeypatch.setattr(examine_module, "available_memory", lambda: 5_000_000)
        images = check_folder(photos).images
        words = "Expected 60 MB of free memory for 20 images of 1000 x 1000 pixels. Received: 5 MB."
        with pytest.raises(NotEnoughMemoryError, match=words):
            read_images(images, (1_000, 1_000))

    def test_many_images_keep_their_order(self, tmp_path):
        report = check_folder(fill(tmp_path, {"cat": 70, "dog": 30}), progress=False)
        images = read_images(report.images, (16, 16))
        for number in range(100):
            np.testing.assert_array_equal(images[number], np.asarray(picture(number)))
