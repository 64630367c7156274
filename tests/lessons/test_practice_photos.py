"""Photos to practise on: as people bring them, the same each time, and nothing of yours is lost."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from helpers import check_folder, load_dataset
from helpers.basics.errors import StorageError, UsageError
from helpers.lessons import make_practice_photos, practice_photos
from helpers.lessons.practice_photos import CLASSES, MADE, WRONG
from helpers.photos.decode import ORIENTATION


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_practice_photos(tmp_path_factory.mktemp("made") / "photos")


def test_the_check_of_a_folder_finds_what_was_planted(made):
    report = check_folder(made, set_aside=True)
    assert report.ok
    assert [*report.class_names] == sorted(CLASSES)
    assert {(found.path, found.kind) for found in report.findings} == {
        ("boot/boot_910_0.jpg", "truncated"), ("bag/bag_911_0.jpg", "no image content"),
        ("dress/dress_912_0.png", "blank"), ("coat/coat_913_0.jpg", "copy"),
    }  # fmt: skip
    assert report.ignored["Thumbs.db"] == 1
    # Thirty each; the copy, the blank one and those of another class come on top.
    more = {"coat": 2, "dress": 1}
    for _, folder in WRONG:
        more[folder] = more.get(folder, 0) + 1
    assert report.class_counts() == {name: 30 + more.get(name, 0) for name in sorted(CLASSES)}


def test_they_are_of_many_sizes_and_some_lie_on_their_side(made):
    sizes, lying = set(), []
    for path in made.rglob("*_0??_?.jpg"):
        with Image.open(path) as image:
            sizes.add(image.size)
            lying.append(image.getexif().get(ORIENTATION) == 6)
    assert len(sizes) > 40
    assert 0.2 < np.mean(lying) < 0.5
    assert len(list(made.rglob("*.png"))) > 10
    dataset = load_dataset(made, image_size=(32, 32), set_aside=True)
    assert np.ptp(dataset.train.images.mean(axis=(0, 1, 2))) < 60  # all three channels are used


@pytest.mark.parametrize(
    ("path", "size", "orientation", "quarters", "roughness"),
    [
        ("bag/bag_000_0.jpg", (300, 225), None,
         [(173, 120, 148), (164, 117, 124), (170, 119, 141), (149, 114, 76)], 3.6),
        ("bag/bag_004_0.png", (220, 165), None,
         [(146, 140, 143), (138, 126, 136), (164, 160, 160), (155, 146, 152)], 5.4),
        ("boot/boot_001_1.jpg", (223, 297), None,
         [(211, 201, 217), (213, 202, 219), (188, 168, 176), (183, 128, 116)], 2.7),
        ("dress/dress_002_2.jpg", (140, 186), 6,
         [(231, 204, 214), (225, 199, 211), (254, 241, 254), (251, 233, 251)], 2.6),
    ],
)  # fmt: skip
def test_they_are_the_ones_that_the_lesson_was_measured_with(
    made, path, size, orientation, quarters, roughness
):
    """By the mean of red, green and blue in each quarter, and how far neighbours differ."""
    with Image.open(made / path) as image:
        assert (image.size, image.getexif().get(ORIENTATION)) == (size, orientation)
        pixels = np.asarray(image, float)
    halves = [half for row in np.array_split(pixels, 2) for half in np.array_split(row, 2, axis=1)]
    np.testing.assert_allclose([half.mean((0, 1)) for half in halves], quarters, atol=1.5)
    assert np.abs(np.diff(pixels, axis=1)).mean() == pytest.approx(roughness, abs=0.2)


def test_three_moments_have_three_photos_and_every_fifth_is_a_png(made):
    names = [
        f"bag_{number:03}_{shot}.{'png' if number % 5 == 4 else 'jpg'}"
        for number in range(24)
        for shot in range(3 if number < 3 else 1)
    ]
    assert sorted(path.name for path in (made / "bag").iterdir()) == [*names, "bag_911_0.jpg"]
    assert (made / "boot" / "boot_910_0.jpg").stat().st_size == 3_000
    with Image.open(made / "dress" / "dress_912_0.png") as blank:
        assert blank.size == (320, 240)


def test_the_same_seed_makes_the_same_files(tmp_path):
    one, other, another = (
        {path.name: path.read_bytes() for path in make_practice_photos(
            tmp_path / name, each=10, seed=seed).rglob("*.*")}
        for name, seed in (("one", 3), ("other", 3), ("another", 4))
    )  # fmt: skip
    assert one == other
    assert one != another


def test_photos_of_one_moment_have_one_name_and_one_look(made):
    corners = []
    for shot in range(3):
        with Image.open(made / "dress" / f"dress_000_{shot}.jpg") as image:
            corners.append(np.asarray(image)[0, 0].astype(int))
    assert np.ptp(corners, axis=0).max() < 60
    assert not (made / "dress" / "dress_010_1.jpg").exists()


def test_dark_places_are_dark_and_bright_ones_bright(made):
    """Light and noise lead beyond black and white, and must not come out at the other end."""
    paths = sorted(made.rglob("*_0??_0.jpg"))[:20]
    assert len(paths) == 20
    for path in paths:
        with Image.open(path) as image:
            levels = np.asarray(image.convert("L").reduce(4), int)
        assert np.abs(np.diff(levels, axis=0)).mean() < 12


def test_without_faults_there_are_none(tmp_path):
    folder = make_practice_photos(tmp_path / "clean", each=12, faults=False)
    report = check_folder(folder)
    assert report.findings == ()
    assert set(report.class_counts().values()) == {12}


class TestNothingIsLost:
    def test_made_again_where_only_its_own_files_lie(self, tmp_path):
        folder = make_practice_photos(tmp_path / "photos", each=10)
        first = sorted(path.name for path in folder.rglob("*"))
        (folder / "bag" / "bag_000_0.jpg").rename(folder / "boot" / "mine.jpg")  # its content tells
        (folder / "coat" / "coat_000_0.jpg").unlink()
        again = make_practice_photos(tmp_path / "photos", each=10)
        assert sorted(path.name for path in again.rglob("*")) == first

    def test_made_again_where_systems_left_something(self, tmp_path):
        """The Finder leaves notes in a folder that is looked at, JupyterLab copies of photos."""
        folder = make_practice_photos(tmp_path / "photos", each=10)
        first = sorted(path.name for path in folder.rglob("*"))
        (folder / ".DS_Store").write_bytes(b"notes")
        (folder / "bag" / "Thumbs.db").write_bytes(b"small ones")
        copies = folder / "bag" / ".ipynb_checkpoints"
        copies.mkdir()
        (copies / "bag-checkpoint.jpg").write_bytes((folder / "bag/bag_000_0.jpg").read_bytes())
        again = make_practice_photos(tmp_path / "photos", each=10)
        assert sorted(path.name for path in again.rglob("*")) == first
        copies.mkdir()
        (copies / "mine-checkpoint.jpg").write_bytes(b"mine")
        with pytest.raises(UsageError, match="Nothing was changed"):
            make_practice_photos(folder, each=10)
        assert (copies / "mine-checkpoint.jpg").read_bytes() == b"mine"

    @pytest.mark.parametrize("where", ["bag/bag_000_0.jpg", "new/bag_000_0.jpg"])
    def test_a_file_of_the_same_name_is_not_the_same_file(self, tmp_path, where):
        folder = make_practice_photos(tmp_path / "photos", each=10)
        (folder / where).parent.mkdir(exist_ok=True)
        (folder / where).write_bytes(b"mine")
        with pytest.raises(UsageError, match="Nothing was changed"):
            make_practice_photos(folder, each=10)
        assert (folder / where).read_bytes() == b"mine"

    @pytest.mark.parametrize("mine", ["mine", "bag/mine", "bag/bag"])
    def test_a_folder_of_somebody_else_stays(self, tmp_path, mine):
        folder = make_practice_photos(tmp_path / "in" / "new" / "photos", each=10)
        (folder / mine).mkdir()
        with pytest.raises(UsageError, match=f"holds {mine}"):
            make_practice_photos(folder, each=10)
        assert (folder / mine).is_dir()

    def test_stopped_in_the_middle_it_leaves_nothing(self, tmp_path, monkeypatch):
        def stop(*given):
            raise KeyboardInterrupt

        monkeypatch.setattr(practice_photos, "_faults", stop)
        with pytest.raises(KeyboardInterrupt):
            make_practice_photos(tmp_path / "photos", each=10)
        assert list(tmp_path.iterdir()) == []
        monkeypatch.undo()
        assert make_practice_photos(tmp_path / "photos", each=10).is_dir()

    def test_odd_places(self, tmp_path, monkeypatch):
        real = make_practice_photos(tmp_path / "real", each=10)
        (tmp_path / "link").symlink_to(real)
        assert make_practice_photos(tmp_path / "link", each=10).resolve() == real.resolve()
        (real / MADE).write_bytes(b"\xff\xfe")
        with pytest.raises(UsageError, match="Nothing was changed"):
            make_practice_photos(real, each=10)
        with pytest.raises(StorageError, match="too long"):
            make_practice_photos(tmp_path / ("x" * 300), each=10)
        (tmp_path / "empty").mkdir()
        monkeypatch.chdir(tmp_path / "empty")
        with pytest.raises(UsageError, match="Nothing was changed"):
            make_practice_photos(".", each=10)

    @pytest.mark.parametrize("where", ["mine.jpg", "bag/mine.jpg", "new/mine.jpg"])
    def test_a_file_of_somebody_else_stays(self, tmp_path, where):
        folder = make_practice_photos(tmp_path / "photos", each=10)
        (folder / where).parent.mkdir(exist_ok=True)
        (folder / where).write_bytes(b"mine")
        before = sorted(folder.rglob("*"))
        with pytest.raises(UsageError, match=r"which holds [\w/.]+. Nothing was changed"):
            make_practice_photos(folder, each=10)
        assert sorted(folder.rglob("*")) == before

    def test_a_folder_that_it_has_not_made(self, tmp_path):
        (tmp_path / "cat.jpg").write_bytes(b"mine")
        with pytest.raises(UsageError, match="cat.jpg"):
            make_practice_photos(tmp_path)
        with pytest.raises(UsageError, match="Nothing was changed"):
            make_practice_photos(tmp_path / "cat.jpg")
        assert (tmp_path / "cat.jpg").read_bytes() == b"mine"
        assert not (tmp_path / MADE).exists()

    @pytest.mark.parametrize("each", [9, 201, 20.5, "30", None])
    def test_no_such_number(self, tmp_path, each):
        with pytest.raises(UsageError, match="each"):
            make_practice_photos(tmp_path / "photos", each=each)
        with pytest.raises(UsageError, match="Expected seed as a whole number from 0"):
            make_practice_photos(tmp_path / "photos", seed=-1)
