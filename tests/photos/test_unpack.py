"""A .zip of photos becomes a folder, whole, or nothing at all."""

from __future__ import annotations

import contextlib
import errno
import io
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from made_images import encoded, picture

from helpers import check_folder
from helpers.basics.errors import (
    CourseError,
    DamagedFileError,
    MissingFileError,
    StorageError,
    UsageError,
)
from helpers.photos.unpack import _name_of, unpack_photos

PHOTO = encoded(picture(1))


def packed(path: Path, members: dict[str, bytes], *, how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", how) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def unpacked(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_files_come_out_as_they_were(tmp_path):
    names = ("cat/1.png", "train/cat/2.png", "고양이 🐱/$5 _.png", "├⌐.png", "COM10.png")
    members = dict.fromkeys((*names, f"{'x' * 251}.png"), PHOTO) | {"notes.txt": b"words"}
    left = {"__MACOSX/cat/._1.png": b"x", "cat/.DS_Store": b"x", "cat/Thumbs.db": b"x"}
    archive = packed(tmp_path / "photos.zip", members | left, how=zipfile.ZIP_DEFLATED)
    folder = unpack_photos(archive, tmp_path / "over" / "there" / "photos")
    assert folder == tmp_path / "over" / "there" / "photos"
    assert unpacked(folder) == members
    assert [path.name for path in folder.parent.iterdir()] == ["photos"]


def test_a_folder_is_ready_to_be_checked(tmp_path):
    members = {
        f"{name}/{number}.png": encoded(picture(number + 50 * (name == "dog")))
        for name in ("cat", "dog")
        for number in range(10)
    }
    folder = unpack_photos(packed(tmp_path / "photos.zip", members), tmp_path / "photos")
    assert check_folder(folder).class_counts() == {"cat": 10, "dog": 10}


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("cp949", "강아지.png"), ("utf-8", "강아지.png"), ("cp437", "é.png"), ("cp437", "Müller.png"),
     ("cp437", "Bäume.png"), ("cp949", "사진_1 (2).png")],
)  # fmt: skip
def test_names_of_old_programs(tmp_path, encoding, name):
    """Programs that do not say that a name is in UTF-8: Korean Windows, some of Linux, DOS."""
    archive = _with_plain_name(tmp_path / "photos.zip", name.encode(encoding))
    assert unpacked(unpack_photos(archive, tmp_path / "out")) == {name: PHOTO}


def test_a_name_that_is_told_beside_the_old_one():
    """As Python reads it from version 3.12 on."""
    assert _name_of(zipfile.ZipInfo("강아지.png")) == "강아지.png"


def _with_plain_name(path: Path, name: bytes) -> Path:
    """A .zip whose one name has no flag of UTF-8."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("x" * len(name), PHOTO)
    path.write_bytes(made.getvalue().replace(b"x" * len(name), name))
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil.png", "leads out of its folder"),
        ("cat/../../evil.png", "leads out of its folder"),
        ("/etc/evil.png", "leads out of its folder"),
        ("..\\evil.png", "leads out of its folder"),
        ("shot 12:30.png", "not every system takes"),
        ("cat/CON.jpg", "not every system takes"),
        ("cat/com1.jpg", "not every system takes"),
        ("cat./1.png", "not every system takes"),
        ("x" * 300, "not every system takes"),
        ("cat", "is a file and a folder"),
        ("C:\\evil.png", "leads out of its folder"),
        ("C:evil.png", "leads out of its folder"),
    ],
)
def test_it_never_leaves_the_folder(tmp_path, name, words):
    archive = packed(tmp_path / "photos.zip", {"cat/1.png": PHOTO, name: PHOTO})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DamagedFileError, match=words):
        unpack_photos(archive, tmp_path / "deep" / "photos")
    assert sorted(path for path in tmp_path.rglob("*") if path.name != "deep") == before


def link() -> tuple[zipfile.ZipInfo, bytes]:
    member = zipfile.ZipInfo("cat/link.png")
    member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return member, b"/etc/passwd"


def test_links_bombs_and_doubles_are_refused(tmp_path):
    archives = {}
    with zipfile.ZipFile(tmp_path / "a link.zip", "w") as file:
        file.writestr(*link())
    archives["a link"] = tmp_path / "a link.zip"
    random = np.random.default_rng(0).bytes(200_000)  # so that it unpacks to 130 times as much
    bomb = {"cat/1.png": random + bytes(30_000_000)}
    archives["bytes that unpack to"] = packed(tmp_path / "bomb.zip", bomb, how=zipfile.ZIP_DEFLATED)
    many = {f"cat/{number}.png": bytes(15_000_000) for number in range(3)}
    archives["45,000,000 bytes"] = packed(tmp_path / "many.zip", many, how=zipfile.ZIP_DEFLATED)
    archives["an unusual way"] = packed(
        tmp_path / "odd.zip", {"cat/1.png": PHOTO}, how=zipfile.ZIP_LZMA
    )
    archives["é.png"] = packed(
        tmp_path / "accents.zip", {"cat/\u00e9.png": PHOTO, "cat/e\u0301.png": PHOTO}
    )
    archives["two files of one name"] = packed(
        tmp_path / "double.zip", {"cat/A.png": PHOTO, "cat/a.png": PHOTO}
    )
    archives["an empty one"] = packed(tmp_path / "empty.zip", {})
    for words, archive in archives.items():
        with pytest.raises(DamagedFileError, match=words) as refused:
            unpack_photos(archive, tmp_path / "photos")
        assert str(refused.value).count("Expected") == 1  # and is not said again inside itself
    assert not (tmp_path / "photos").exists()


def test_folders_as_windows_writes_them(tmp_path):
    archive = packed(tmp_path / "photos.zip", {"photos\\": b"", "photos\\1.png": PHOTO})
    assert unpacked(unpack_photos(archive, tmp_path / "out")) == {"photos/1.png": PHOTO}


def test_random_damage_is_told_in_words_or_does_no_harm(tmp_path):
    whole = packed(
        tmp_path / "whole.zip", {"a/1.png": PHOTO, "b/2.png": PHOTO}, how=zipfile.ZIP_DEFLATED
    ).read_bytes()
    random = np.random.default_rng(0)
    for number in range(300):
        content = bytearray(whole)
        for _ in range(3):
            content[random.integers(len(content))] = random.integers(256)
        archive = tmp_path / "damaged.zip"
        archive.write_bytes(content)
        with contextlib.suppress(CourseError):
            unpack_photos(archive, tmp_path / "out" / str(number))


def test_a_password(tmp_path):
    archive = packed(tmp_path / "photos.zip", {"cat/1.png": PHOTO})
    content = bytearray(archive.read_bytes())
    content[6] |= 1  # in the file, and in the list of files
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(DamagedFileError, match="locked by a password"):
        unpack_photos(archive, tmp_path / "photos")


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damage_leaves_nothing_behind(tmp_path, packing):
    content = packed(tmp_path / "whole.zip", {"a/1.png": PHOTO, "a/2.png": PHOTO}, how=packing)
    content = bytearray(content.read_bytes())
    content[content.rindex(b"a/2.png", 0, len(content) // 2 + len(PHOTO)) + 60] ^= 0xFF
    archive = tmp_path / "damaged.zip"
    archive.write_bytes(content)
    with pytest.raises(DamagedFileError, match="damaged"):
        unpack_photos(archive, tmp_path / "photos")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged.zip", "whole.zip"]


def test_too_many_files_and_no_room(tmp_path, monkeypatch):
    archive = packed(tmp_path / "photos.zip", {"a/1.png": PHOTO, "a/2.png": PHOTO})
    monkeypatch.setattr("helpers.photos.unpack.MOST_FILES", 1)
    with pytest.raises(DamagedFileError, match="2 files"):
        unpack_photos(archive, tmp_path / "photos")
    monkeypatch.setattr("helpers.photos.unpack.MOST_FILES", 2)
    full = type("Usage", (), {"free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda path: full)
    with pytest.raises(StorageError, match="free disk for the photos"):
        unpack_photos(archive, tmp_path / "photos")
    assert not (tmp_path / "photos").exists()


def test_a_disk_that_fills_up_meanwhile(tmp_path, monkeypatch):
    def full(*_) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    archive = packed(tmp_path / "photos.zip", {"a/1.png": PHOTO})
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(StorageError, match="the disk is full"):
        unpack_photos(archive, tmp_path / "photos")
    assert [path.name for path in tmp_path.iterdir()] == ["photos.zip"]


@pytest.mark.parametrize(("not_suspect", "expansion"), [(0, 100), (len(PHOTO), 0)])
def test_at_the_limits_of_what_photos_unpack_to(tmp_path, monkeypatch, not_suspect, expansion):
    monkeypatch.setattr("helpers.photos.unpack.NOT_SUSPECT", not_suspect)
    monkeypatch.setattr("helpers.photos.unpack.MOST_EXPANSION", expansion)
    archive = packed(tmp_path / "photos.zip", {"1.png": PHOTO})
    assert unpacked(unpack_photos(archive, tmp_path / "photos")) == {"1.png": PHOTO}


def test_what_is_no_archive_or_no_new_folder(tmp_path, monkeypatch):
    for name in ("photos.zip", "x" * 300):
        with pytest.raises(MissingFileError, match="Check the path"):
            unpack_photos(tmp_path / name, tmp_path / "photos")
    (tmp_path / "photos.rar").write_bytes(b"Rar!\x1a\x07\x00" + bytes(50))
    with pytest.raises(UsageError, match="the program that made it"):
        unpack_photos(tmp_path / "photos.rar", tmp_path / "photos")
    archive = packed(tmp_path / "photos.zip", {"a/1.png": PHOTO})
    with pytest.raises(UsageError, match="holds something"):
        unpack_photos(archive, tmp_path)
    with pytest.raises(StorageError, match="too long"):
        unpack_photos(archive, tmp_path / ("x" * 300))
    (tmp_path / "empty").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UsageError, match="this program runs in"):
        unpack_photos(archive, ".")
    assert unpacked(unpack_photos(archive, tmp_path / "empty")) == {"a/1.png": PHOTO}
