"""A table that names the files and their classes: a CSV file, or a DataFrame."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from made_images import fill, found, picture, write

from helpers import check_folder, load_dataset
from helpers.basics.errors import FolderError, MissingFileError, UsageError
from helpers.datasets import prepared
from helpers.folders.table import list_source


class Frame:
    """What a DataFrame shows of itself: its columns, and each of them by its name."""

    def __init__(self, **columns):
        self.columns = list(columns)
        self.values_of = columns

    def __getitem__(self, name):
        return self.values_of[name]


def rows_of(folder: Path, count: int = 8) -> list[list[str]]:
    """Good images in a folder without order, and a row on each: its file and its class."""
    fill(folder, {"images": 2 * count})
    files = sorted(path.relative_to(folder).as_posix() for path in folder.glob("images/*"))
    return [[file, ("cat", "dog")[number % 2]] for number, file in enumerate(files)]


def write_table(path: Path, rows: list[list[str]], head=("file", "label"), **options) -> Path:
    with path.open("w", newline="", encoding=options.pop("encoding", "utf-8")) as file:
        csv.writer(file, **options).writerows([head, *rows])
    return path


@pytest.fixture
def rows(tmp_path) -> list[list[str]]:
    return rows_of(tmp_path)


@pytest.fixture
def table(tmp_path) -> Path:
    return tmp_path / "labels.csv"


class TestCsv:
    def test_files_and_classes_are_those_of_its_rows(self, tmp_path, rows, table):
        write(tmp_path / "images" / "not named.png", picture(99))
        report = check_folder(write_table(table, rows))
        assert report.findings == ()
        assert report.class_names == ("cat", "dog")
        label_of = {
            image.path.relative_to(tmp_path).as_posix(): report.class_names[image.label]
            for image in report.images
        }
        assert label_of == dict(rows)
        loaded = load_dataset(str(table), image_size=(16, 16))
        pixels = {picture(number).tobytes(): number for number in range(16)}
        for split in (loaded.train, loaded.validation, loaded.test):
            for image, label in zip(split.images, split.labels.tolist(), strict=True):
                assert pixels.pop(image.tobytes()) % 2 == label
        assert not pixels
        assert loaded.name == str(table)

    @pytest.mark.parametrize("head", [
        ("file", "label"), ("Filename", "Class"), ("file_name", "category"), ("path", "label"),
        ("image", "class"), (" File Name ", "LABEL"),
    ])  # fmt: skip
    def test_the_usual_names_of_columns_are_known(self, rows, table, head):
        assert check_folder(write_table(table, rows, head)).findings == ()

    def test_other_columns_do_not_matter(self, rows, table):
        rows = [[str(number), label, "x", file] for number, (file, label) in enumerate(rows)]
        write_table(table, rows, ("id", "label", "comment", "path"))
        assert check_folder(table).class_counts() == {"cat": 8, "dog": 8}

    @pytest.mark.parametrize(
        "head", [("name", "label"), ("file", "kind"), ("images/0001.png", "cat")]
    )
    def test_other_names_are_refused_with_the_columns_found(self, rows, table, head):
        with pytest.raises(FolderError, match="called file, filename, .*label, class") as refused:
            check_folder(write_table(table, rows, head))
        assert f"Received the columns: {', '.join(head)}." in str(refused.value)

    def test_an_empty_file_is_refused(self, table):
        with pytest.raises(FolderError, match="Received the columns: none"):
            check_folder(write(table, b""))

    @pytest.mark.parametrize("options", [
        {"delimiter": ";"}, {"delimiter": "\t"}, {"encoding": "utf-8-sig"},
        {"delimiter": ";", "encoding": "utf-8-sig"}, {"lineterminator": "\n"},
        {"lineterminator": "\n\n"}, {"quoting": csv.QUOTE_ALL},
    ], ids=str)  # fmt: skip
    def test_spreadsheet_programs_write_it_in_many_ways(self, rows, table, options):
        report = check_folder(write_table(table, rows, **options))
        assert report.findings == ()
        assert report.class_counts() == {"cat": 8, "dog": 8}

    @pytest.mark.parametrize(
        "content", ["file,label\na.png,가".encode("utf-16"), b"file,label\n\xff,\xe4"]
    )
    def test_another_encoding_is_refused(self, table, content):
        with pytest.raises(FolderError, match='Save it as "CSV UTF-8"'):
            check_folder(write(table, content))

    def test_backslashes_of_windows_and_whole_paths(self, tmp_path, rows, table):
        rows[0][0] = rows[0][0].replace("/", "\\")
        rows[1][0] = str(tmp_path / rows[1][0])
        rows[2][0] = f"./{rows[2][0]}"
        report = check_folder(write_table(table, rows))
        assert report.findings == ()
        assert len(report.images) == 16

    def test_parts(self, tmp_path, rows, table):
        parts = ["Training", "train", "val", "test"]
        rows = [[*row, parts[number // 2 % 4]] for number, row in enumerate(rows)]
        report = check_folder(write_table(table, rows, ("file", "label", "split")))
        assert report.findings == ()
        meant = {"Training": "train", "train": "train", "val": "validation", "test": "test"}
        part_of = {tmp_path / file: meant[part] for file, _, part in rows}
        assert {image.path: image.part for image in report.images} == part_of
        loaded = load_dataset(table, image_size=(8, 8))
        assert [len(split) for split in (loaded.train, loaded.validation, loaded.test)] == [8, 4, 4]

    def test_no_row_is_passed_over(self, tmp_path, rows, table):
        (tmp_path / "link.png").symlink_to(tmp_path / rows[0][0])
        parts = ["train"] * len(rows)
        parts[3] = "fold 1"
        wrong = [
            ["gone.png", "cat"], ["images", "cat"], ["link.png", "cat"], ["", "cat"],
            [rows[0][0], "dog"], ["x" * 300, "cat"], ["a\0b", "cat"],
        ]  # fmt: skip
        rows[1][1] = ""
        rows += wrong
        rows = [[*row, part] for row, part in zip(rows, [*parts, *7 * ["train"]], strict=True)]
        report = check_folder(write_table(table, rows, ("file", "label", "part")), set_aside=True)
        assert [(kind, path) for path, kind, _ in found(report)] == [
            ("labelled twice", rows[0][0]),
            ("no label", rows[1][0]),
            ("no such file", "."), ("no such file", r"a\x00b"), ("no such file", "gone.png"),
            ("no such file", "images"), ("no such file", "link.png"), ("no such file", "x" * 300),
            ("unknown part", rows[3][0]),
        ]  # fmt: skip
        causes = {finding.kind: finding.cause for finding in report.findings}
        assert causes["unknown part"] == "Row 5 gives it the part 'fold 1'."
        assert len(report.images) == 16 - 3
        assert {finding.level for finding in check_folder(table).findings} == {"problem"}

    def test_a_row_with_more_cells_than_names_is_set_aside(self, rows, table):
        rows[0] += ["dog", "emu"]
        rows[1] += ["", ""]  # what spreadsheet programs leave behind
        report = check_folder(write_table(table, rows), set_aside=True)
        assert [(kind, path) for path, kind, _ in found(report)] == [("more cells", rows[0][0])]
        assert len(report.images) == 15

    def test_a_row_that_ends_early_says_no_class(self, rows, table):
        rows[0] = rows[0][:1]
        report = check_folder(write_table(table, rows), set_aside=True)
        assert [(kind, path) for path, kind, _ in found(report)] == [("no label", rows[0][0])]

    def test_two_columns_of_one_name_are_refused(self, rows, table):
        rows = [[*row, "cat"] for row in rows]
        with pytest.raises(FolderError, match="one column Label. Received: 2 of that name"):
            check_folder(write_table(table, rows, ("file", "Label", "label")))

    def test_a_row_that_stands_there_twice_counts_once(self, rows, table):
        report = check_folder(write_table(table, [*rows, *rows[:4]]))
        assert report.findings == ()
        assert len(report.images) == 16

    def test_nothing_that_can_be_used(self, table):
        write_table(table, [["gone.png", "cat"]])
        with pytest.raises(FolderError, match="Row 2 names it, and there is no such file"):
            load_dataset(table)

    def test_what_is_kept_notices_a_change_of_the_table(self, rows, table, monkeypatch):
        made = []
        make = prepared._make
        monkeypatch.setattr(prepared, "_make", lambda *asked: (made.append(1), make(*asked))[1])
        for label in ("dog", "dog", "hen"):
            changed = [[file, label if name == "dog" else name] for file, name in rows]
            loaded = load_dataset(write_table(table, changed), image_size=(8, 8))
            assert loaded.class_names == ("cat", label)
        assert len(made) == 2
        (table.parent / rows[0][0]).write_bytes((table.parent / rows[1][0]).read_bytes())
        with pytest.raises(FolderError, match="The same picture as"):
            load_dataset(table, image_size=(8, 8))

    def test_it_is_kept_where_the_table_lies_in_the_project(self, rows, table, monkeypatch, capsys):
        monkeypatch.setattr(prepared, "PREPARED", table.parent / "prepared")
        write_table(table, rows)
        for _ in range(2):
            load_dataset(table, image_size=(8, 8))
        assert capsys.readouterr().out == ""
        assert len(list(table.parent.glob("prepared/*.images"))) == 1

    def test_classes_in_names_are_for_folders(self, rows, table):
        with pytest.raises(UsageError, match="Leave classes_in_names out"):
            check_folder(write_table(table, rows), classes_in_names=True)

    def test_a_table_that_is_not_there(self, rows, table):
        with pytest.raises(MissingFileError, match="labels.csv"):
            check_folder(table)
        write_table(table, rows)
        with pytest.raises(MissingFileError, match=r"Did you mean '.*labels\.csv'"):
            check_folder(table.with_name("lables.csv"))

    def test_a_folder_may_be_called_like_a_table(self, tmp_path):
        assert check_folder(fill(tmp_path / "photos.csv", {"cat": 10, "dog": 10})).ok

    def test_the_sizes_of_its_files_are_known(self, tmp_path, rows, table):
        sizes = [path.stat().st_size for path in tmp_path.glob("images/*")]
        assert list_source(write_table(table, rows)).bytes == sum(sizes)

    def test_a_table_that_may_not_be_read(self, rows, table, monkeypatch):
        def closed(*_, **__):
            raise PermissionError(13, "Permission denied")

        write_table(table, rows)
        monkeypatch.setattr(Path, "open", closed)
        with pytest.raises(FolderError, match="Permission denied. Give yourself the right"):
            check_folder(table)


class TestDataFrame:
    def test_names_start_from_the_working_folder(self, tmp_path, rows, monkeypatch):
        monkeypatch.chdir(tmp_path)
        files, labels = zip(*rows, strict=True)
        frame = Frame(filename=list(files), label=np.array(labels))
        report = check_folder(frame)
        assert report.findings == ()
        assert report.class_counts() == {"cat": 8, "dog": 8}
        loaded = load_dataset(frame, image_size=(8, 8))
        assert loaded.class_names == ("cat", "dog")
        assert loaded.name == "table"
        assert loaded.report.images == report.images

    def test_numbers_are_classes_and_empty_cells_are_found(self, tmp_path, rows, monkeypatch):
        monkeypatch.chdir(tmp_path)
        labels = [float(number % 2) for number in range(16)]
        labels[3] = float("nan")
        labels[4] = None
        report = check_folder(Frame(path=[Path(file) for file, _ in rows], label=labels))
        assert report.class_names == ("0", "1")
        assert [(f.path, f.cause) for f in report.findings] == [
            (rows[3][0], "Row 3 gives it no class."),
            (rows[4][0], "Row 4 gives it no class."),
        ]

    def test_two_columns_of_one_name_are_refused(self):
        frame = Frame(file=["a.png"], label=["label", "label"])  # pandas gives both at once
        frame.columns = ["file", "label", "label"]
        with pytest.raises(FolderError, match="one column label. Received: 2 of that name"):
            check_folder(frame)

    def test_other_columns_are_refused(self):
        with pytest.raises(FolderError, match="Received the columns: x, label. Rename"):
            load_dataset(Frame(x=[], label=[]))
