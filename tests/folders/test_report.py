"""The report on a folder: as text, as a page in a notebook, as a table and as an error."""

from __future__ import annotations

import base64
import csv
import io
import re
from dataclasses import FrozenInstanceError, replace
from html.parser import HTMLParser

import numpy as np
import pytest
from made_images import encoded, fill, photo, picture, write
from PIL import Image

from helpers import check_folder
from helpers.basics.errors import FolderError
from helpers.folders import findings

LARGE = picture(70, (200, 200))


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

    def test_where_all_is_shown_there_is_no_more(self, tmp_path):
        fill(tmp_path, {f"{number:02}": 3 for number in range(30)})
        for number in range(10):
            write(tmp_path / "00" / f"{number}.jpg", b"text" if number < 2 else b"")
        report = check_folder(tmp_path)
        with pytest.raises(FolderError, match="with 10 problems:") as refused:
            report.raise_problems()
        for shown in (str(refused.value), repr(report)):
            assert not re.search(r"and \d+ more", shown)

    def test_the_folder_that_one_stands_in_has_its_name(self, photos, monkeypatch):
        monkeypatch.chdir(photos)
        assert repr(check_folder(".")).startswith("FolderReport 'photos': ")

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

    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_a_truncated_image_shows_what_there_is_of_it(self, photos, kind):
        content = encoded(LARGE, kind, quality=95, compress_level=0)
        write(photos / "cat" / "half.jpg", content[: len(content) // 2])
        page = check_folder(photos)._repr_html_()
        [image] = [attributes for tag, attributes in Tags(page).tags if tag == "img"]
        assert image["alt"] == "cat/half.jpg: truncated"
        packed = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
        shown = np.asarray(Image.open(io.BytesIO(packed))).astype(int)
        assert shown.shape == (96, 96, 3)
        whole = np.asarray(LARGE.resize((96, 96))).astype(int)
        assert abs(shown[:30] - whole[:30]).mean() < 10

    def test_a_damaged_jpeg_is_shown(self, photos):
        content = bytearray(encoded(LARGE, "JPEG", quality=95))
        middle = len(content) // 2
        content[middle : middle + 20] = b"\xff\xd0" * 10
        write(photos / "cat" / "half.jpg", bytes(content))
        page = check_folder(photos)._repr_html_()
        images = [attributes["alt"] for tag, attributes in Tags(page).tags if tag == "img"]
        assert images == ["cat/half.jpg: damaged"]

    def test_a_very_long_class_name_makes_no_wide_columns(self, tmp_path):
        lines = repr(check_folder(fill(tmp_path, {"a": 7, "b" * 200: 7}))).splitlines()
        assert lines[1] == f"  {'a':40}        7"
        assert lines[2] == f"  {'b' * 200}        7"

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
        kinds = [attributes["alt"].split(": ")[1] for tag, attributes in Tags(page).tags
                 if tag == "img"]  # fmt: skip
        assert len(kinds) == 12
        assert max(map(kinds.count, kinds)) == 4

    def test_files_that_cannot_be_shown_take_no_picture_from_others(self, photos):
        for number in range(4):
            write(photos / "cat" / f"x{number}.heic", b"text")
            write(photos / "cat" / f"y{number}.jpg", b"text")
        write(photos / "cat" / "z.jpg", encoded(LARGE, "JPEG")[:-400])
        assert check_folder(photos)._repr_html_().count("<img ") == 1

    def test_the_html_comes_also_when_the_files_are_gone(self, photos):
        path = write(photos / "cat" / "a.jpg", encoded(picture(50)))
        report = check_folder(photos)
        assert "<img" in report._repr_html_()
        path.unlink()
        assert "<img" not in report._repr_html_()

    def test_every_kind_has_an_advice_that_is_a_sentence(self):
        for level, advice in findings.KINDS.values():
            assert level in findings.LEVELS
            assert re.fullmatch(r"[A-Z][ -~]*\.", advice)


def test_what_was_found_cannot_be_changed_by_mistake(photos):
    write(photos / "cat" / "a.txt", b"")
    report = check_folder(photos)
    assert len({report, replace(report)}) == 2
    for one, name in ((report, "images"), (report.images[0], "label"), (report.notes[0], "path")):
        with pytest.raises(FrozenInstanceError):
            setattr(one, name, 0)
        assert one is report or not hasattr(one, "__dict__")  # of which thousands take memory


def test_the_images_come_by_class_and_path(photos):
    images = check_folder(photos).images
    assert images == check_folder(photos).images
    assert images[0] == findings.ImageFile(photos, ("cat", "0000.png"), 0, "", 0)
    assert images[-1] == findings.ImageFile(photos, ("dog", "0019.png"), 1, "", 19)
    assert [image.row for image in images] == list(range(20))
