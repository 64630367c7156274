"""Photos that come through the widget, piece by piece, as the browser sends them."""

from __future__ import annotations

import io
import os
import shutil
import stat
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from made_images import encoded, picture
from PIL import Image

from helpers import check_folder
from helpers.basics.errors import StorageError, UsageError
from helpers.widgets import upload as upload_module
from helpers.widgets import upload_photos
from helpers.widgets.received import MOST_BYTES, Reception
from helpers.widgets.upload import PhotoUpload

PNG = encoded(picture(1))
NOISE = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
HALF = encoded(Image.fromarray(NOISE), "WEBP", lossless=True)[:-4_000] + bytes(4_000)
FILM = b"\0\0\0\x20ftypisom" + bytes(5_000)
HEIC = b"\0\0\0\x18ftypheic" + bytes(5_000)


@pytest.fixture
def upload(tmp_path) -> PhotoUpload:
    return upload_photos(tmp_path / "mine")


@pytest.fixture
def send(upload) -> Callable[..., dict]:
    """Gives a function that sends a file as the browser does; gives the last answer."""

    def send(name: str, content: bytes, of: str = "cat", *, piece: int = 1 << 20, at: int = 0):
        while True:
            question = {"number": 0.5, "name": name, "size": len(content), "at": at, "class": of}
            part = [memoryview(content[at : at + piece])]
            answer = upload.answer(question, part)
            assert answer["number"] == 0.5
            at += piece
            if not answer["more"]:
                return answer

    return send


def stored(upload: PhotoUpload) -> dict[str, bytes]:
    """All that lies in the folder, hidden files too."""
    folder = upload.reception.folder
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def packed(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return made.getvalue()


def test_a_photo_is_stored_whole_as_it_is(upload, send):
    exif = Image.Exif()
    exif[0x0112] = 6  # it lies on its side: the file stays so, and what reads it turns it
    content = encoded(picture(1, (400, 300)), "JPEG", exif=exif)
    assert send("IMG_1.jpg", content, piece=1_000)["ask"] == ""
    assert stored(upload) == {"cat/IMG_1.jpg": content}
    assert upload.rows == ["IMG_1.jpg: taken, as cat/IMG_1.jpg."]
    assert "So far 1 photo taken, 0 left out." in upload.said
    assert f'DATASET = "{upload.reception.folder.as_posix()}"' in upload.said


def test_what_was_received_can_be_checked_and_learned_from(upload, send):
    for number in range(20):
        send(f"{number}.png", encoded(picture(number)), "cat" if number < 10 else "dog")
    assert check_folder(upload.reception.folder).class_counts() == {"cat": 10, "dog": 10}


def test_nothing_is_made_before_a_photo_comes(upload, send):
    assert not upload.reception.folder.exists()
    send("film.mp4", FILM)
    assert not upload.reception.folder.exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.jpg", b"", "It is empty: 0 bytes."),
        ("text.jpg", b"no photo", "it holds no image"),
        ("photo.heic", HEIC, "Its format is HEIC, which is not read here. Export it as JPEG"),
        ("photo.jpg", HEIC, "Its format is HEIC"),
        ("film.mp4", FILM, "Neither its name nor its content is that of an image."),
        ("film.jpg", FILM, "it is a film"),
        ("cut.png", PNG[:-40], "ends too early"),
        ("half.webp", HALF, "Its end is empty, as after a copy that broke off."),
        ("tiny.png", encoded(picture(1, (3, 3))), "3 x 3 pixels"),
        ("letter.docx", packed({"a.xml": b"x"}), "Neither its name nor"),
        ("photos.zip", b"no zip", "whose content is none"),
        ("photos.zip", packed({"../x.png": PNG}), "leads out of its folder"),
        ("photos.zip", packed({}), "an empty one"),
    ],
)
def test_what_is_no_photo_is_left_out_in_words_and_the_next_one_is_taken(
    upload, send, name, content, words
):
    send(name, content)
    assert f"{name}: left out. " in upload.rows[0] and words in upload.rows[0]
    assert str(upload.reception.folder.parent) not in upload.rows[0]
    assert stored(upload) == {}
    send("next.png", PNG)
    assert stored(upload) == {"cat/next.png": PNG}
    assert "So far 1 photo taken, 1 left out." in upload.said


def test_a_film_and_a_huge_file_are_refused_after_the_first_piece(upload):
    """So 500 MB are never sent."""
    question = {"number": 1, "name": "film.mp4", "size": 500_000_000, "at": 0, "class": "cat"}
    assert not upload.answer(question, [FILM])["more"]
    question |= {"name": "photo.png", "size": MOST_BYTES + 1}
    assert not upload.answer(question, [PNG])["more"]
    assert "It has 200 MB. Photos of 200 MB or less" in upload.rows[0]
    assert not upload.reception.folder.exists()


@pytest.mark.parametrize(
    ("of", "words"),
    [
        ("", "Write the name of the class first."),
        ("  ", "Write the name of the class first."),
        ("../x", "separate folders"),
        ("a\\b", "separate folders"),
        (".", "hidden"),
        ("..", "hidden"),
        ("con", "not every system"),
        ("NUL.txt", "not every system"),
        ("what?", "not every system"),
        ("cat.", "not every system"),
        ("x" * 101, "too long"),
        ("고" * 70, "too long"),
        ("a\x00b", "cannot be shown"),
        ("a\u202eb", "cannot be shown"),
    ],
)
def test_without_a_usable_class_it_asks_for_one_and_the_photo_waits(upload, send, of, words):
    answer = send("1.png", PNG, of)
    assert words in answer["ask"] and "wait" in answer["ask"]
    assert upload.rows == [] and stored(upload) == {}
    send("1.png", PNG, "cat")  # what the browser does then
    assert stored(upload) == {"cat/1.png": PNG}


@pytest.mark.parametrize("of", ["$5", "고양이 🐱", "%s {0}", "train", "<b>", "a, b", "é" * 100])
def test_a_class_with_an_odd_name(upload, send, of):
    answer = send("1.png", PNG, f" {of} ")
    if of == "<b>":  # Windows takes no such name
        assert "not every system" in answer["ask"]
    else:
        assert stored(upload) == {f"{of}/1.png": PNG}


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("../../x.png", "x.png"),
        ("C:\\photos\\x.png", "x.png"),
        ("/etc/x.png", "x.png"),
        ("강아지 🐶.png", "강아지 🐶.png"),
        ("a:b?.png", "a_b_.png"),
        ("con.png", "_con.png"),
        (".hidden.png", "hidden.png"),
        ("a\nb.png", "a_b.png"),
        ("a.photographs", "a.photograp"),
        ("x" * 300 + ".png", "x" * 100 + ".png"),
        ("강" * 300 + ".png", "강" * 33 + ".png"),
    ],
)
def test_names_stay_inside_of_the_class_and_are_names_everywhere(upload, send, name, last):
    send(name, PNG)
    assert stored(upload) == {f"cat/{last}": PNG}
    assert f"taken, as cat/{last}." in upload.rows[0]


@pytest.mark.parametrize(("letters", "shown"), [(96, "x" * 96 + ".png"), (97, "x" * 97 + ".pn...")])
def test_a_long_name_is_said_in_part(upload, send, letters, shown):
    send("x" * letters + ".png", PNG)
    assert upload.rows[0].startswith(f"{shown}: taken, as cat/{'x' * letters}.png.")


def test_a_name_that_is_there_gets_a_number_and_nothing_is_replaced(upload, send):
    others = [encoded(picture(number)) for number in (1, 2, 3)]
    for content in others:
        send("IMG_1.png", content)
    assert {*stored(upload).values()} == {*others}
    assert stored(upload).keys() == {f"cat/IMG_1{end}.png" for end in ("", " (2)", " (3)")}


@pytest.mark.parametrize("of", ["cat", "dog"])
def test_the_same_photo_twice_is_kept_once(upload, send, of):
    send("1.png", PNG)
    send("2.png", PNG, of)
    assert upload.rows[0] == "2.png: left out. The same photo is there already: cat/1.png."
    assert stored(upload) == {"cat/1.png": PNG}


def test_a_remark_on_a_photo_is_said(upload, send):
    send("1.jpg", PNG)
    assert upload.rows[0].endswith("Its content is PNG, its name is not.")


def test_a_zip_without_a_class_brings_its_own(upload, send):
    members = {f"{of}/1.png": encoded(picture(at)) for at, of in enumerate(("새", "fish"))}
    faults = {"alone.png": PNG, "fish/text.jpg": b"no photo", "__MACOSX/fish/._1.png": b"x"}
    send("photos.zip", packed(members | faults), "", piece=100)
    assert stored(upload) == members
    said = "\n".join(upload.rows)
    assert "fish/1.png: taken, as fish/1.png." in said
    assert "alone.png: left out. No class is named, and no folder in the .zip says one." in said
    assert "fish/text.jpg: left out. Its name ends in .jpg, but it holds no image." in said
    assert "So far 2 photos taken, 2 left out." in upload.said


def test_all_photos_of_a_zip_are_of_the_class_that_is_named(upload, send):
    members = {f"Photos-{at}/1.png": encoded(picture(at)) for at in (1, 2)}
    send("photos.zip", packed(members), "bird")
    assert stored(upload).keys() == {"bird/1.png", "bird/1 (2).png"}


def test_the_same_photo_twice_in_a_zip_is_kept_once(upload, send):
    send("photos.zip", packed({"a/1.png": PNG, "a/2.png": PNG}), "")
    assert stored(upload) == {"a/1.png": PNG}
    assert "a/2.png: left out. The same photo is there already: a/1.png." in upload.rows


def test_a_file_that_breaks_off_leaves_nothing(upload, send):
    question = {"number": 1, "name": "1.png", "size": 5_000, "at": 0, "class": "cat"}
    assert upload.answer(question, [PNG[:100]])["more"]
    send("2.png", PNG)  # as after the page was loaded again
    assert upload.rows[::-1][0] == "1.png: left out. It broke off. Choose it again."
    assert stored(upload) == {"cat/2.png": PNG}
    late = upload.answer(question | {"at": 100}, [PNG[100:200]])
    assert not late["more"] and "Another upload came between" in upload.rows[0]
    assert stored(upload) == {"cat/2.png": PNG}


def test_a_file_that_goes_while_it_comes_broke_off(upload):
    """As where a card is pulled out: the browser can read no more of it."""
    question = {"number": 1, "name": "1.png", "size": 5_000, "at": 0, "class": "cat"}
    upload.answer(question, [PNG[:100]])
    upload.answer(question | {"at": -1}, [b""])
    assert upload.rows == ["1.png: left out. It broke off. Choose it again."]
    assert not [path for path in upload.reception.folder.rglob("*") if path.is_file()]
    upload.answer(question | {"name": "folder", "at": -1}, [b""])
    assert "Pack a folder as a .zip" in upload.rows[0]


def test_the_pieces_of_two_uploads_are_not_mixed(upload):
    question = {"number": 1, "name": "1.png", "size": len(PNG), "at": 0, "class": "cat"}
    upload.answer(question, [PNG[:100]])
    assert not upload.answer(question | {"name": "2.png", "at": 100}, [PNG[100:]])["more"]
    assert upload.rows == [
        "2.png: left out. Another upload came between its pieces. Choose it again.",
        "1.png: left out. It broke off. Choose it again.",
    ]
    assert stored(upload) == {}


def test_of_a_file_that_broke_off_nothing_lies_there_while_the_next_one_comes(upload):
    question = {"number": 1, "name": "1.png", "size": len(PNG), "at": 0, "class": "cat"}
    for name in ("1.png", "2.png"):
        upload.answer(question | {"name": name}, [PNG[:100]])
        assert len(stored(upload)) == 1


def test_a_photo_is_on_the_disk_before_it_gets_its_name(upload, send, monkeypatch):
    synced, sync = [], os.fsync

    def noted(descriptor: int) -> None:
        there = os.fstat(descriptor)
        synced.append("folder" if stat.S_ISDIR(there.st_mode) else there.st_size)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    send("1.png", PNG)
    assert (synced[0], synced[-1]) == (len(PNG), "folder")


def test_a_file_that_becomes_shorter_ends(upload, send):
    question = {"number": 1, "name": "1.png", "size": 5_000, "at": 0, "class": "cat"}
    upload.answer(question, [PNG[:100]])
    assert not upload.answer(question | {"at": 100}, [b""])["more"]
    assert "It became shorter" in upload.rows[0] and stored(upload) == {}


def test_what_the_browser_cannot_read_is_said(upload, send):
    question = {"number": 1, "name": "folder", "size": 4096, "at": -1, "class": "cat"}
    assert not upload.answer(question, [b""])["more"]
    assert "folder: left out. The browser cannot read it." in upload.rows[0]


def test_too_little_room_is_said_first(upload, send, monkeypatch):
    usage = shutil.disk_usage(upload.reception.folder.parent)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    send("1.png", PNG)
    assert "1.png: left out. Expected 0 MB of free disk" in upload.rows[0]
    assert stored(upload) == {}


def test_a_disk_that_gets_full_on_the_way_leaves_nothing(upload, send, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    send("1.png", PNG)
    assert "the disk is full" in upload.rows[0] and stored(upload) == {}
    monkeypatch.undo()
    send("1.png", PNG)
    assert stored(upload) == {"cat/1.png": PNG}


def test_a_file_in_the_place_of_a_class_is_said(upload, send):
    send("1.png", PNG, "dog")
    (upload.reception.folder / "cat").write_text("mine")
    send("2.png", encoded(picture(2)))
    assert "a file is in the way" in upload.rows[0]
    assert stored(upload) == {"dog/1.png": PNG, "cat": b"mine"}


def test_a_photo_of_several_pieces(upload, send):
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), "JPEG", quality=95)
    send("IMG_1.jpg", content, piece=1 << 20)
    assert stored(upload)["cat/IMG_1.jpg"] == content


def test_the_list_has_an_end(upload, send, monkeypatch):
    monkeypatch.setattr(upload_module, "MOST_ROWS", 3)
    for number in range(5):
        send(f"{number}.jpg", b"")
    assert [row[:5] for row in upload.rows] == ["4.jpg", "3.jpg", "2.jpg"]
    assert "0 photos taken, 5 left out" in upload.said


def test_the_browser_gets_what_to_show_and_an_answer_to_each_piece(upload, monkeypatch):
    assert {"said", "rows", "_esm", "_css"} <= upload.get_state().keys()
    sent = []
    monkeypatch.setattr(upload, "send", sent.append)
    question = {"number": 7, "name": "1.png", "size": len(PNG), "at": 0, "class": "cat"}
    upload._handle_custom_msg(question, [memoryview(PNG)])
    assert sent == [{"more": False, "ask": "", "number": 7}]
    assert upload.get_state()["rows"] == ["1.png: taken, as cat/1.png."]


def test_it_shows_itself_the_same_each_time(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        upload_module, "display", lambda value, raw=False: shown.append({"raw": raw} | value)
    )
    for _ in range(2):
        upload_photos("../mine")._ipython_display_()
    texts = [output.pop("text/plain") for output in shown]
    assert texts == ["Upload of photos into ../mine. Run this cell to use it."] * 2
    for output in shown:
        view = output.pop(upload_module.VIEW)
        assert (view["version_major"], view["version_minor"]) == (2, 0)
        assert output == {"raw": True}


def test_a_path_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(UsageError, match="Expected a path"):
        upload_photos(3)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="a file is in the way"):
        upload_photos(tmp_path / "file")


def test_a_folder_that_holds_photos_keeps_them(photos):
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    reception = Reception(photos)
    name, old = next(iter(before.items()))
    reception.take(name.name, len(PNG), 0, name.parent.name, PNG)
    reception.take("same.png", len(old), 0, "cat", old)
    assert all(path.read_bytes() == content for path, content in before.items())
    assert "The same photo is there already" in reception.rows[-1]
