"""Images kept ready on the disk: used only when they are right, whole, and of this very folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from made_images import encoded, fill, found, picture, state, write
from PIL import Image

import helpers
from helpers import ImageDataset, check_folder, load_dataset
from helpers.basics.errors import FolderError, NotEnoughMemoryError
from helpers.datasets import prepared
from helpers.folders import examine as examine_module
from helpers.folders import listing as listing_module
from helpers.folders.cut import cut_parts
from helpers.folders.examine import read_images

ROOT = Path(helpers.__file__).parent.parent
SIZE = (16, 16)


@pytest.fixture
def looked_at(monkeypatch) -> list[str]:
    """The names of the files that were decoded."""
    names: list[str] = []
    examine = examine_module._examine

    def noting(root, place, *rest):
        names.append(place[-1])
        return examine(root, place, *rest)

    monkeypatch.setattr(examine_module, "_examine", noting)
    return names


def load(folder: Path, **options) -> ImageDataset:
    return load_dataset(folder, **{"image_size": SIZE} | options)


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.images"))


def splits(dataset: ImageDataset) -> dict[str, tuple]:
    return {
        split.name: (split.images.tolist(), split.labels.tolist())
        for split in (dataset.train, dataset.validation, dataset.test)
    }


def same_report(one, other) -> bool:
    names = ("folder", "class_names", "findings", "ignored")
    return one.images == other.images and all(
        getattr(one, name) == getattr(other, name) for name in names
    )


class TestKept:
    def test_it_holds_what_reading_every_file_gives(self, photos):
        dataset = load(photos)
        report = check_folder(photos)
        assert same_report(dataset.report, report)
        for part, files in cut_parts(report.images, report.class_names).items():
            split = getattr(dataset, part)
            np.testing.assert_array_equal(split.images, read_images(files, SIZE))
            assert split.labels.tolist() == [file.label for file in files]
            assert split.labels.dtype == np.int64

    def test_the_images_are_an_array_that_lies_in_the_file(self, photos, prepared_folder):
        images = load(photos).train.images
        assert isinstance(images, np.memmap)
        assert images.filename is None or Path(images.filename).parent == prepared_folder
        assert images.dtype == np.uint8
        with pytest.raises(ValueError, match="read-only"):
            images[0] = 0

    def test_every_file_is_decoded_once_and_not_again(self, photos, looked_at):
        first = load(photos)
        assert sorted(looked_at) == [f"{number:04}.png" for number in range(20)]
        looked_at.clear()
        second = load(photos)
        assert looked_at == []
        assert splits(second) == splits(first)
        assert same_report(second.report, first.report)

    def test_what_was_just_written_is_not_read_again(self, photos, monkeypatch):
        """Of a large folder that would take minutes; the next load sees whether it is whole."""
        read = []
        digest = hashlib.file_digest
        monkeypatch.setattr(hashlib, "file_digest", lambda *of: (read.append(1), digest(*of))[1])
        load(photos)
        assert read == []
        load(photos)
        assert read == [1]

    def test_the_report_comes_back_with_everything(self, photos, looked_at, capsys):
        write(photos / "cat" / "empty.jpg", b"")
        write(photos / "cat" / "notes.txt", b"mine")
        write(photos / "cat" / "copy.png", picture(0))
        write(photos / "dog" / "deeper" / "고양이 \udcff.png", picture(60))
        write(photos / ".DS_Store", b"")
        first = load(photos, set_aside=True).report
        looked_at.clear()
        second = load(photos, set_aside=True).report
        assert looked_at == []
        assert same_report(first, second)
        assert found(second)[0] == ("cat/empty.jpg", "zero bytes", "set aside")
        assert second.ignored == {".DS_Store": 1}
        assert repr(second) == repr(first)
        assert second._repr_html_() == first._repr_html_()
        assert all(image.path.exists() for image in second.images)
        assert capsys.readouterr().out == ""

    def test_the_report_names_the_folder_as_it_was_given(self, photos, monkeypatch):
        load(photos)
        monkeypatch.chdir(photos)
        report = load(Path()).report
        assert report.folder == Path()
        assert report.images[0].path == Path("cat/0000.png")

    def test_nothing_of_the_folder_is_touched(self, photos):
        before = state(photos)
        load(photos)
        load(photos)
        assert state(photos) == before

    def test_data_dir_decides_where(self, photos, tmp_path, monkeypatch):
        monkeypatch.setattr(prepared, "PREPARED", "prepared")
        load(photos, data_dir=tmp_path / "mine")
        [file] = kept(tmp_path / "mine" / "prepared")
        assert file.name.startswith("photos-")

    def test_images_of_a_single_pixel(self, photos):
        assert load(photos, image_size=(1, 1)).image_shape == (1, 1, 3)

    def test_a_bar_shows_how_far_it_is(self, photos, prepared_folder, monkeypatch, capfd):
        monkeypatch.setenv("TQDM_DELAY", "0")
        load(photos)
        assert "20/20" in capfd.readouterr().err
        shutil.rmtree(prepared_folder)
        write(prepared_folder, b"no folder")  # so they are read into the memory
        load(photos)
        assert "read: 100%" in capfd.readouterr().err

    def test_no_validation_images(self, photos):
        load(photos, validation_images=0)
        again = load(photos, validation_images=0)
        assert again.validation.images.shape == (0, 16, 16, 3)
        assert len(again.train) == 16

    def test_images_of_a_folder_with_parts(self, tmp_path, looked_at):
        for number, part in enumerate(["train", "val", "test"]):
            fill(tmp_path / part, {"cat": 3, "dog": 3}, first=10 * number)
        first = load(tmp_path)
        looked_at.clear()
        assert splits(load(tmp_path)) == splits(first)
        assert looked_at == []
        np.testing.assert_array_equal(first.validation.images[0], np.asarray(picture(10)))


def touch_later(path: Path) -> None:
    time = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(time, time))


CHANGES = {
    "added": lambda folder: write(folder / "cat" / "new.png", picture(50)),
    "removed": lambda folder: (folder / "cat" / "0003.png").unlink(),
    "renamed": lambda folder: (folder / "cat" / "0003.png").rename(folder / "cat" / "a.png"),
    "moved": lambda folder: (folder / "cat" / "0003.png").rename(folder / "dog" / "0003.png"),
    "of another size": lambda folder: write(folder / "cat" / "0003.png", picture(51, (40, 40))),
    "of another time": lambda folder: touch_later(folder / "cat" / "0003.png"),
    "hidden": lambda folder: write(folder / ".DS_Store", b""),
    "a new class": lambda folder: fill(folder, {"hen": 10}, first=70),
}


class TestOutOfDate:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    def test_a_change_in_the_folder_makes_it_anew(self, photos, looked_at, change, prepared_folder):
        load(photos)
        change(photos)
        looked_at.clear()
        dataset = load(photos)
        assert len(looked_at) == len(list(photos.glob("*/*.png")))
        assert same_report(dataset.report, check_folder(photos))
        assert len(kept(prepared_folder)) == 1

    def test_a_file_that_may_now_be_read_is_looked_at(self, photos, looked_at):
        load(photos)
        (photos / "cat" / "0003.png").chmod(0o600)
        looked_at.clear()
        load(photos)
        assert len(looked_at) == 20

    def test_a_file_mended_with_its_size_and_time_kept_is_read_anew(self, photos):
        """As photo programs do that turn a picture upright."""
        file = photos / "cat" / "0003.bmp"
        write(file, encoded(picture(50), "BMP"))
        before = file.stat()
        kept_before = splits(load(photos))
        write(file, encoded(picture(51), "BMP"))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (file.stat().st_size, file.stat().st_mtime_ns) == (
            before.st_size, before.st_mtime_ns,
        )  # fmt: skip
        dataset = load(photos)
        assert splits(dataset) != kept_before
        images = [image for part in splits(dataset).values() for image in part[0]]
        assert np.asarray(picture(51)).tolist() in images
        assert np.asarray(picture(50)).tolist() not in images

    def test_files_that_change_places_get_their_new_labels(self, tmp_path):
        """To mend the labels of files that were unpacked with one size and one time."""
        for number in range(20):
            file = write(tmp_path / "xy"[number % 2] / f"{number // 2}.bmp", picture(number))
            os.utime(file, (1_700_000_000, 1_700_000_000))
        load(tmp_path)
        for number in range(10):
            one, other = tmp_path / "x" / f"{number}.bmp", tmp_path / "y" / f"{number}.bmp"
            one.rename(tmp_path / "between")
            other.rename(one)
            (tmp_path / "between").rename(other)
        dataset = load(tmp_path)
        for images, labels in splits(dataset).values():
            for image, label in zip(images, labels, strict=True):
                mine = [np.asarray(picture(number)).tolist() for number in range(1 - label, 20, 2)]
                assert image in mine

    def test_so_does_one_that_moves_where_no_time_tells_of_it(self, tmp_path, monkeypatch):
        monkeypatch.setattr(listing_module, "state_of_file", lambda status: b"file")
        for number in range(8):
            write(tmp_path / "dog" / f"a{number}.png", picture(number))
            write(tmp_path / "cat" / f"z{number}.png", picture(20 + number))
        write(tmp_path / "cat" / "m.png", picture(50))  # behind all dogs, before all other cats
        assert load(tmp_path).report.class_counts() == {"cat": 9, "dog": 8}
        (tmp_path / "cat" / "m.png").rename(tmp_path / "dog" / "m.png")
        assert load(tmp_path).report.class_counts() == {"cat": 8, "dog": 9}

    def test_a_link_that_now_leads_to_a_folder_is_noticed(self, photos, tmp_path):
        write(tmp_path / "else", b"a file")
        (photos / "bird").symlink_to(tmp_path / "else")
        load(photos)
        (tmp_path / "else").unlink()
        (tmp_path / "else").mkdir()
        with pytest.raises(FolderError, match="bird: It is a link in the place of a folder"):
            load(photos)

    @pytest.mark.parametrize(
        "options", [{"seed": 1}, {"validation_images": 4}, {"set_aside": True}], ids=repr
    )
    def test_another_argument_makes_it_anew(self, photos, looked_at, options, prepared_folder):
        load(photos)
        looked_at.clear()
        dataset = load(photos, **options)
        assert len(looked_at) == 20
        assert len(kept(prepared_folder)) == 1
        looked_at.clear()
        assert splits(load(photos, **options)) == splits(dataset)
        assert looked_at == []

    @pytest.mark.parametrize(
        "version",
        ["helpers.datasets.prepared.VERSION", "PIL.__version__", "simplejpeg.__version__"],
    )
    def test_another_version_makes_it_anew(self, photos, looked_at, monkeypatch, version):
        load(photos)
        monkeypatch.setattr(version, "another")
        looked_at.clear()
        load(photos)
        assert len(looked_at) == 20

    def test_two_image_sizes_are_kept_beside_each_other(self, photos, looked_at, prepared_folder):
        load(photos)
        assert load(photos, image_size=(8, 12)).image_shape == (8, 12, 3)
        assert len(kept(prepared_folder)) == 2
        looked_at.clear()
        assert load(photos).image_shape == (16, 16, 3)
        assert load(photos, image_size=(8, 12)).image_shape == (8, 12, 3)
        assert looked_at == []

    def test_two_folders_of_one_name_are_two(self, tmp_path, prepared_folder):
        for number, above in enumerate("ab"):
            fill(tmp_path / above / "photos", {"cat": 10, "dog": 10}, first=100 * number)
        first, second = (load(tmp_path / above / "photos") for above in "ab")
        assert splits(first) != splits(second)
        assert len(kept(prepared_folder)) == 2

    def test_images_in_use_stay_what_they_are_when_the_file_is_replaced(self, photos):
        dataset = load(photos)
        before = splits(dataset)
        CHANGES["added"](photos)
        load(photos)
        assert splits(dataset) == before

    def test_what_is_kept_of_a_folder_that_is_gone_goes_too(self, photos, prepared_folder):
        other = fill(photos.parent / "other", {"cat": 10, "dog": 10})
        load(photos)
        shutil.rmtree(photos)
        load(other)
        [file] = kept(prepared_folder)
        assert file.name.startswith("other-")
        assert len(list(prepared_folder.iterdir())) == 2  # and its lock

    def test_a_stick_that_was_only_taken_out_costs_nothing(self, tmp_path, prepared_folder):
        """Its place stays as an empty folder on some systems, and is gone on others."""
        stick, other = (tmp_path / name for name in ("stick", "other"))
        fill(stick / "photos", {"cat": 10, "dog": 10})
        load(stick / "photos")
        shutil.rmtree(stick / "photos")
        load(fill(other, {"cat": 10, "dog": 10}))
        assert [file.name.split("-")[0] for file in kept(prepared_folder)] == ["other", "photos"]
        stick.rmdir()
        CHANGES["added"](other)
        load(other)
        assert [file.name.split("-")[0] for file in kept(prepared_folder)] == ["other", "photos"]

    def test_problems_leave_nothing_behind(self, photos, prepared_folder):
        write(photos / "cat" / "a.jpg", b"")
        with pytest.raises(FolderError, match="It is empty"):
            load(photos)
        assert kept(prepared_folder) == []
        assert [path.suffix for path in prepared_folder.iterdir()] == [".lock"]


class TestDamage:
    def test_cut_short_anywhere(self, photos, looked_at, prepared_folder):
        right = splits(load(photos))
        [file] = kept(prepared_folder)
        content = file.read_bytes()
        for length in [0, 10, 1_000, len(content) // 2, len(content) - 1]:
            file.write_bytes(content[:length])
            looked_at.clear()
            assert splits(load(photos)) == right
            assert len(looked_at) == 20
            assert len(file.read_bytes()) == len(content)

    def test_one_changed_byte_anywhere_is_noticed_or_does_no_harm(self, photos, prepared_folder):
        first = load(photos)
        right = splits(first)
        [file] = kept(prepared_folder)
        content = file.read_bytes()
        random = np.random.default_rng(0)
        for place in random.integers(0, len(content), 60).tolist():
            changed = bytearray(content)
            changed[place] ^= 1 << random.integers(8)
            file.write_bytes(changed)
            dataset = load(photos)
            assert splits(dataset) == right, place
            assert same_report(dataset.report, first.report), place

    def test_one_changed_pixel_is_never_trained_on(self, photos, looked_at, prepared_folder):
        right = splits(load(photos))
        [file] = kept(prepared_folder)
        content = bytearray(file.read_bytes())
        content[-1_000] ^= 1
        file.write_bytes(content)
        looked_at.clear()
        assert splits(load(photos)) == right
        assert len(looked_at) == 20

    def test_nothing_in_it_can_run(self, photos, prepared_folder):
        """A checksum, a line of JSON text, and one byte a pixel and colour."""
        load(photos)
        checksum, text, pixels = kept(prepared_folder)[0].read_bytes().split(b"\n", 2)
        assert checksum.decode() == hashlib.sha256(text + b"\n" + pixels).hexdigest()
        assert json.loads(text)["class_names"] == ["cat", "dog"]
        assert len(pixels) == 20 * 16 * 16 * 3


class TestNoPlace:
    """Where nothing can be kept, the images are read into the memory, and it is said."""

    SAID = "The images are read into the memory instead, and anew the next time.\n"

    def in_memory(self, dataset: ImageDataset, folder: Path) -> bool:
        report = check_folder(folder)
        files = cut_parts(report.images, report.class_names)["train"]
        np.testing.assert_array_equal(dataset.train.images, read_images(files, SIZE))
        assert same_report(dataset.report, report)
        return not isinstance(dataset.train.images, np.memmap)

    def test_a_file_is_in_the_way(self, photos, prepared_folder, capsys):
        write(prepared_folder, b"no folder")
        assert self.in_memory(load(photos), photos)
        said = capsys.readouterr().out
        assert said.startswith("Expected a folder for ")
        assert said.endswith(self.SAID)

    @pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
    def test_nothing_may_be_written_there(self, photos, prepared_folder, capsys, monkeypatch):
        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(prepared, "temporary_file", refuse)
        assert self.in_memory(load(photos), photos)
        said = capsys.readouterr().out
        assert said.startswith("Expected to be allowed to write ")
        assert said.endswith(self.SAID)

    def test_too_little_free_space_is_seen_first(self, photos, looked_at, capsys, monkeypatch):
        needed = 2 * 20 * 16 * 16 * 3  # in the order of the folder, then in that of the cut
        usage = type("Usage", (), {"free": needed - 1})
        monkeypatch.setattr("helpers.basics.files.shutil.disk_usage", lambda place: usage)
        assert self.in_memory(load(photos), photos)
        assert len(looked_at) == 40  # once here, once in the comparison
        assert "of free disk for the prepared images in" in capsys.readouterr().out
        usage.free = needed
        load(photos)
        assert capsys.readouterr().out == ""

    def test_a_disk_that_gets_full_on_the_way(self, photos, prepared_folder, capsys, monkeypatch):
        def full(*arguments):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(prepared, "_write", full)
        assert self.in_memory(load(photos), photos)
        assert "the disk is full" in capsys.readouterr().out
        assert [path.suffix for path in prepared_folder.iterdir()] == [".lock"]

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/full")
    def test_a_disk_that_gets_full_while_the_files_are_looked_at(
        self, photos, prepared_folder, capsys, monkeypatch
    ):
        monkeypatch.setattr(
            prepared, "temporary_file", lambda path: contextlib.nullcontext(Path("/dev/full"))
        )
        assert self.in_memory(load(photos), photos)
        assert "the disk is full" in capsys.readouterr().out
        assert [path.suffix for path in prepared_folder.iterdir()] == [".lock"]

    @pytest.mark.parametrize(
        "error", [OSError(27, "File too large"), NotImplementedError("no locks here")], ids=repr
    )
    def test_whatever_else_the_disk_says(self, photos, capsys, monkeypatch, error):
        def refuse(*arguments):
            raise error

        monkeypatch.setattr(prepared, "_make", refuse)
        assert self.in_memory(load(photos), photos)
        assert capsys.readouterr().out == f"{error}. {self.SAID}"

    def test_a_disk_whose_files_cannot_be_mapped(
        self, photos, prepared_folder, capsys, monkeypatch
    ):
        """As some shared folders of virtual machines."""

        def refuse(*arguments):
            raise OSError(19, "No such device")

        monkeypatch.setattr(prepared, "_pixels_in", refuse)
        for _ in range(2):
            assert self.in_memory(load(photos), photos)
            assert capsys.readouterr().out == f"[Errno 19] No such device. {self.SAID}"

    def test_an_old_file_that_cannot_be_replaced_stays(
        self, photos, prepared_folder, capsys, monkeypatch
    ):
        """As on Windows, where a file that is open somewhere cannot be replaced."""
        load(photos)
        [file] = kept(prepared_folder)
        content = file.read_bytes()
        CHANGES["added"](photos)

        def replace(path, target):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "replace", replace)
        assert self.in_memory(load(photos), photos)
        assert file.read_bytes() == content
        assert "Expected to be allowed to write" in capsys.readouterr().out

    def test_never_inside_the_folder_itself(self, photos, capsys, monkeypatch):
        monkeypatch.setattr(prepared, "PREPARED", "prepared")
        before = state(photos)
        assert self.in_memory(load(photos, data_dir=photos), photos)
        assert state(photos) == before
        assert capsys.readouterr().out.endswith(self.SAID)

    def test_what_fits_nowhere_is_refused(self, photos, capsys):
        with pytest.raises(NotEnoughMemoryError, match="Choose a smaller image_size"):
            load(photos, image_size=(1_000_000, 1_000_000))


PROGRAM = """
import sys
from pathlib import Path
from helpers import (load_dataset)
from helpers.datasets import prepared
prepared.PREPARED = Path(sys.argv[2])
print("ready", flush=True)
dataset = load_dataset(sys.argv[1], image_size=(16, 16))
print(len(dataset.train), dataset.train.images.sum())
"""


def start(photos: Path, place: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(photos), str(place)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


class TestManyPrograms:
    def test_several_at_once_decode_once_and_agree(self, tmp_path, prepared_folder):
        photos = fill(tmp_path / "photos", {"cat": 300, "dog": 300})
        running = [start(photos, prepared_folder) for _ in range(3)]
        said = [program.communicate(timeout=120) for program in running]
        assert [program.returncode for program in running] == [0, 0, 0], said
        assert len({out.splitlines()[-1] for out, _ in said}) == 1
        assert len(kept(prepared_folder)) == 1

    def test_so_do_several_threads(self, photos, prepared_folder):
        with ThreadPoolExecutor(4) as threads:
            loaded = list(threads.map(load, [photos] * 4))
        assert all(splits(dataset) == splits(loaded[0]) for dataset in loaded)
        assert len(kept(prepared_folder)) == 1
        assert len(list(prepared_folder.iterdir())) == 2  # and its lock

    @pytest.mark.slow
    def test_killed_at_random_moments(self, tmp_path, prepared_folder):
        photos = fill(tmp_path / "photos", {"cat": 600, "dog": 600})
        random = np.random.default_rng(0)
        for _ in range(8):
            program = start(photos, prepared_folder)
            assert program.stdout.readline() == "ready\n"
            time.sleep(random.uniform(0, 0.8))
            program.send_signal(signal.SIGKILL)
            program.communicate()
            for file in kept(prepared_folder):  # whole, whenever it is there
                checksum, _, rest = file.read_bytes().partition(b"\n")
                assert checksum.decode() == hashlib.sha256(rest).hexdigest()
        dataset = load(photos)
        assert len(dataset.train) == 768
        [file] = kept(prepared_folder)
        assert {path.name for path in prepared_folder.iterdir()} == {
            file.name, f"{file.name}.lock",
        }  # fmt: skip


def test_what_a_program_left_that_was_killed_while_writing_is_removed(photos, prepared_folder):
    load(photos)
    [file] = kept(prepared_folder)
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    write(prepared_folder / f".{gone}.part.{file.name}", b"half")
    write(prepared_folder / f".{gone}.part.{file.with_suffix('.rows').name}", b"half")
    CHANGES["added"](photos)
    load(photos)
    assert {path.name for path in prepared_folder.iterdir()} == {file.name, f"{file.name}.lock"}


def test_a_file_that_changes_while_it_is_looked_at_is_read_anew_the_next_time(
    photos, monkeypatch, looked_at
):
    listed = listing_module._list_files

    def list_then_change(root):
        listing = listed(root)
        write(root / "cat" / "0000.png", picture(90, (20, 20)))
        return listing

    with monkeypatch.context() as patch:
        patch.setattr(listing_module, "_list_files", list_then_change)
        load(photos)
    looked_at.clear()
    load(photos)
    assert len(looked_at) == 20


GROWTH = """
import sys
from pathlib import Path
from helpers import (load_dataset)
from helpers.datasets import prepared
from helpers.basics.files import forget_pages
from helpers.basics.memory import peak_memory
prepared.PREPARED = Path(sys.argv[2])
dataset = load_dataset(sys.argv[1], image_size=(96, 96))
for split in (dataset.train, dataset.validation, dataset.test):
    for start in range(0, len(split), 16):
        split.images[start : start + 16].sum()
        forget_pages(split.images)
print(peak_memory())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pages counted as on Linux")
def test_the_memory_does_not_grow_with_the_images(tmp_path, prepared_folder):
    """1,400 images of 96 x 96 pixels are 39 MB. They never are in the memory all at once."""
    peaks = []
    for count in (200, 1_400):
        folder = tmp_path / str(count)
        for number in range(count):
            image = picture(number, (48, 48))
            write(folder / ("cat", "dog")[number % 2] / f"{number}.jpg", encoded(image, "JPEG"))
        finished = subprocess.run(
            [sys.executable, "-c", GROWTH, str(folder), str(prepared_folder)],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(finished.stdout) / 1e6)
    assert peaks[1] - peaks[0] < 15, peaks  # MB


def test_the_images_are_the_same_as_pillow_reads_them(tmp_path, prepared_folder):
    for number in range(24):
        image = picture(number, (24, 20))
        write(tmp_path / ("cat", "dog")[number % 2] / f"{number:02}.jpg", encoded(image, "JPEG"))
    dataset = load(tmp_path, image_size=(20, 24))
    by_label = {
        label: {dataset_image.tobytes() for split in (dataset.train, dataset.validation,
                dataset.test) for dataset_image in split.images[split.labels == label]}
        for label in (0, 1)
    }  # fmt: skip
    for number in range(24):
        path = tmp_path / ("cat", "dog")[number % 2] / f"{number:02}.jpg"
        with Image.open(path) as image:
            assert image.convert("RGB").tobytes() in by_label[number % 2]
