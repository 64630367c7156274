"""Loading datasets: the bundled sample, CIFAR-10 with its download, a folder per class.

Nothing here needs the network: CIFAR-10 is small made-up files in the official layout, and
its host is a real web server on this machine, with the faults that real hosts have.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import helpers
from helpers import ImageDataset, Split, check_folder, load_dataset
from helpers.basics.errors import FolderError, UsageError
from helpers.datasets import cifar10, load

RECORDS = 20  # images in each of the made-up CIFAR-10 files; the official ones have 10,000
TEN_CLASSES = np.arange(RECORDS) % 10


def files_under(folder: Path) -> set[str]:
    """Everything in a folder, to see what a step left behind."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def ids(split: Split) -> list[int]:
    """The numbers that the made-up images carry in their first pixel."""
    return split.images[:, 0, 0, 0].tolist()


# --------------------------------------------------------------------- the bundled sample


@pytest.fixture(scope="module")
def sample() -> ImageDataset:
    return load_dataset("fashion_mnist")


class TestBundledSample:
    def test_it_is_the_default(self, sample):
        assert load_dataset().name == sample.name == "fashion_mnist"

    def test_shapes_and_dtypes(self, sample):
        assert sample.image_shape == (28, 28, 1)
        for split, count in (
            (sample.train, 10_000),
            (sample.validation, 2_000),
            (sample.test, 10_000),
        ):
            assert split.images.shape == (count, 28, 28, 1)
            assert split.images.dtype == np.uint8
            assert split.labels.shape == (count,)
            assert split.labels.dtype == np.int64
            assert len(split) == count
            assert split.class_names == sample.class_names
        assert [sample.train.name, sample.validation.name, sample.test.name] == [
            "train", "validation", "test",
        ]  # fmt: skip

    def test_it_holds_the_published_images_in_the_published_order(self):
        # The first labels of the official files, as every tutorial on them prints.
        everything = load_dataset("fashion_mnist", validation_images=0)
        assert len(everything.train) == 12_000
        assert everything.train.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
        assert everything.test.labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
        assert everything.class_names[9] == "Ankle boot"

    def test_the_official_test_images_are_1000_a_class(self, sample):
        assert sample.test.class_counts() == dict.fromkeys(sample.class_names, 1_000)

    def test_validation_has_the_same_share_of_every_class(self, sample):
        train, validation = sample.train.class_counts(), sample.validation.class_counts()
        for name in sample.class_names:
            assert validation[name] == pytest.approx((train[name] + validation[name]) / 6, abs=1)

    def test_the_repr_says_what_it_is(self, sample):
        assert repr(sample).splitlines() == [
            "ImageDataset 'fashion_mnist': a sample of Fashion-MNIST",
            "  images      28 x 28 pixels, grey, uint8",
            "  train       10,000 images",
            "  validation   2,000 images",
            "  test        10,000 images",
            "  classes     10: T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, "
            "Sneaker,",
            "              Bag, Ankle boot",
        ]
        assert repr(sample.validation) == "Split(validation: 2,000 images of 10 classes)"


@pytest.fixture
def small_sample(tmp_path, monkeypatch) -> Path:
    """A data folder whose bundled file has 60 training and 20 test images, numbered."""

    def images(count: int) -> np.ndarray:
        return np.arange(count, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)

    file = tmp_path / load.FASHION_MNIST_FILE
    np.savez(
        file,
        train_images=images(60), train_labels=(np.arange(60) % 10).astype(np.uint8),
        test_images=images(20), test_labels=TEN_CLASSES.astype(np.uint8),
    )  # fmt: skip
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr(load, "FASHION_MNIST_SHA256", digest)
    return tmp_path


class TestValidationSplit:
    def test_every_image_is_in_exactly_one_split_and_keeps_its_label(self, small_sample):
        loaded = load_dataset(validation_images=20, data_dir=small_sample)
        assert sorted(ids(loaded.train) + ids(loaded.validation)) == list(range(60))
        for split in (loaded.train, loaded.validation):
            assert split.labels.tolist() == [number % 10 for number in ids(split)]

    def test_it_is_stratified(self, small_sample):
        loaded = load_dataset(validation_images=20, data_dir=small_sample)
        assert set(loaded.validation.class_counts().values()) == {2}
        assert set(loaded.train.class_counts().values()) == {4}

    def test_the_order_of_the_files_is_kept(self, small_sample):
        loaded = load_dataset(validation_images=20, data_dir=small_sample)
        assert ids(loaded.train) == sorted(ids(loaded.train))
        assert ids(loaded.validation) == sorted(ids(loaded.validation))

    def test_the_seed_decides_which_images(self, small_sample):
        chosen = [
            ids(load_dataset(validation_images=20, seed=seed, data_dir=small_sample).validation)
            for seed in (0, 0, 1)
        ]
        assert chosen[0] == chosen[1] != chosen[2]

    def test_zero_keeps_every_image_for_training(self, small_sample):
        loaded = load_dataset(validation_images=0, data_dir=small_sample)
        assert ids(loaded.train) == list(range(60))
        assert len(loaded.validation) == 0
        assert loaded.validation.images.shape == (0, 4, 4, 1)
        assert loaded.validation.class_counts() == dict.fromkeys(loaded.class_names, 0)

    @pytest.mark.parametrize("count", [-1, 9, 51, 60, 2_000])
    def test_a_count_that_leaves_a_class_empty_is_refused(self, small_sample, count):
        message = (
            "Expected a split that leaves every one of the 10 classes an image on both sides. "
            f"Received: {count} of 60 images to set aside. .*set aside another number"
        )
        with pytest.raises(ValueError, match=message):
            load_dataset(validation_images=count, data_dir=small_sample)


class TestDamagedSample:
    def test_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="Expected the bundled images at .*git check"):
            load_dataset(data_dir=tmp_path)

    def test_a_tilde_is_the_home_folder(self, small_sample, monkeypatch):
        monkeypatch.setenv("HOME", str(small_sample.parent))
        place = f"~/{small_sample.name}"
        assert len(load_dataset(data_dir=place, validation_images=20).validation) == 20

    def test_one_changed_byte(self, small_sample):
        file = small_sample / load.FASHION_MNIST_FILE
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        with pytest.raises(ValueError) as refused:
            load_dataset(data_dir=small_sample, validation_images=20)
        assert f"with sha256 {load.FASHION_MNIST_SHA256}" in str(refused.value)
        assert f"Received: {hashlib.sha256(content).hexdigest()}" in str(refused.value)
        assert "git checkout -- data" in str(refused.value)


# ------------------------------------------------------------------------------ CIFAR-10


@pytest.fixture
def laid_out(tmp_path, cifar10_files) -> Path:
    """A data folder with CIFAR-10 laid out in it by hand."""
    folder = tmp_path / "cifar10"
    folder.mkdir()
    for name, content in cifar10_files.items():
        (folder / name).write_bytes(content)
    return tmp_path


def load_cifar10(data_dir: Path) -> ImageDataset:
    return load_dataset("cifar10", data_dir=data_dir, validation_images=10)


class TestCifar10Layout:
    def test_shapes_and_dtypes(self, laid_out):
        loaded = load_cifar10(laid_out)
        assert loaded.image_shape == (32, 32, 3)
        assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (90, 10, 20)
        for split in (loaded.train, loaded.validation, loaded.test):
            assert split.images.dtype == np.uint8
            assert split.images.shape[1:] == (32, 32, 3)
            assert split.labels.dtype == np.int64
        # As its page and the file batches.meta.txt in the archive list them.
        listed = "airplane automobile bird cat deer dog frog horse ship truck"
        assert " ".join(loaded.class_names) == listed
        assert "32 x 32 pixels, colour (red, green, blue), uint8" in repr(loaded)

    def test_pixels_come_out_where_the_format_says(self, laid_out):
        # "the first 1024 bytes are the red channel values, the next 1024 the green, and the
        # final 1024 the blue. The values are stored in row-major order" (the dataset's page).
        content = bytearray(RECORDS * 3073)
        content[3073 + 0] = 7  # the second image's label
        content[3073 + 1] = 10  # red, row 0, column 0
        content[3073 + 1 + 1024 + 2 * 32 + 5] = 20  # green, row 2, column 5
        content[3073 + 1 + 2048 + 31 * 32 + 0] = 30  # blue, row 31, column 0
        (laid_out / "cifar10" / "test_batch.bin").write_bytes(content)
        test = load_cifar10(laid_out).test
        assert test.labels.tolist() == [0, 7] + [0] * 18
        assert test.images[1, 0, 0].tolist() == [10, 0, 0]
        assert test.images[1, 2, 5].tolist() == [0, 20, 0]
        assert test.images[1, 31, 0].tolist() == [0, 0, 30]
        assert test.images.sum() == 60

    def test_training_images_come_in_the_order_of_the_files(self, laid_out, cifar10_files):
        train = load_dataset("cifar10", data_dir=laid_out, validation_images=0).train
        for number in range(5):
            content = cifar10_files[f"data_batch_{number + 1}.bin"]
            assert train.images[number * RECORDS, 0, 0, 0] == content[1]

    def test_files_laid_out_by_hand_are_read_and_named_as_such(self, laid_out):
        loaded = load_cifar10(laid_out)
        assert loaded.source == "CIFAR-10 from files that are not known to be the official ones"
        assert loaded.test.source == loaded.source

    @pytest.mark.parametrize("nonsense", [b"", b"0000  data_batch_1.bin\n", b"\xff\xfe"])
    def test_a_wrong_hash_list_does_not_make_them_official(self, laid_out, nonsense):
        (laid_out / "cifar10" / cifar10.HASH_LIST).write_bytes(nonsense)
        assert "not known to be the official" in load_cifar10(laid_out).source

    def test_a_missing_file(self, laid_out):
        (laid_out / "cifar10" / "data_batch_3.bin").unlink()
        message = "Expected the six CIFAR-10 files .*data_batch_3.bin is not there.*make cifar10"
        with pytest.raises(FileNotFoundError, match=message):
            load_cifar10(laid_out)

    @pytest.mark.parametrize(("change", "most"), [(-1, 9), (1, 9), (-3073, 9), (-61_460, 0)])
    def test_a_file_of_the_wrong_size(self, laid_out, cifar10_files, change, most):
        file = laid_out / "cifar10" / "test_batch.bin"
        file.write_bytes((cifar10_files["test_batch.bin"] + b"\0")[: RECORDS * 3073 + change])
        received = f"{61_460 + change:,} bytes, with labels up to {most}"
        message = rf"Expected 61,460 bytes in .*Received: {received}\..*make cifar10"
        with pytest.raises(ValueError, match=message):
            load_cifar10(laid_out)

    def test_5000_images_are_for_validation_unless_told_otherwise(self, laid_out):
        with pytest.raises(UsageError, match="Received: 5000 of 100 images to set aside"):
            load_dataset("cifar10", data_dir=laid_out)

    def test_a_label_that_no_class_has(self, laid_out, record_file):
        content = record_file([*TEN_CLASSES[:-1], 10], seed=0)
        (laid_out / "cifar10" / "data_batch_5.bin").write_bytes(content)
        message = r"data_batch_5\.bin, with labels 0 to 9\. Received: .* up to 10\..*make cifar10"
        with pytest.raises(ValueError, match=message):
            load_cifar10(laid_out)


# -------------------------------------------------------------------- a folder per class


def write_images(folder: Path, counts: dict[str, int], size=(20, 24), first: int = 0) -> None:
    """PNG files, losslessly: each image is all of one grey, its running number."""
    number = first
    for class_name, count in counts.items():
        (folder / class_name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = np.full((*size, 3), number, np.uint8)
            Image.fromarray(pixels).save(folder / class_name / f"{index:03}.png")
            number += 1


class TestFolder:
    def test_the_same_pixels_come_back(self, tmp_path):
        pixels = np.random.default_rng(0).integers(0, 256, (2, 20, 24, 3), dtype=np.uint8)
        write_images(tmp_path / "train", {"cat": 2, "dog": 2})
        for name, picture in zip(("cat", "dog"), pixels, strict=True):
            (tmp_path / "test" / name).mkdir(parents=True)
            Image.fromarray(picture).save(tmp_path / "test" / name / "one.png")
        loaded = load_dataset(tmp_path, image_size=(20, 24), validation_images=0)
        np.testing.assert_array_equal(loaded.test.images, pixels)
        assert loaded.test.labels.tolist() == [0, 1]

    def test_shapes_dtypes_and_words(self, tmp_path, capfd):
        folder = tmp_path / "pets"
        write_images(folder, {"dog": 10, "cat": 20})
        loaded = load_dataset(str(folder), image_size=(30, 40))
        assert loaded.class_names == ("cat", "dog")  # in the order of the alphabet
        assert loaded.image_shape == (30, 40, 3)
        assert loaded.name == str(folder)
        assert loaded.source == "images from the folder pets"
        for split, count in ((loaded.train, 19), (loaded.validation, 5), (loaded.test, 6)):
            assert split.images.shape == (count, 30, 40, 3)
            assert split.images.dtype == np.uint8
            assert split.labels.dtype == np.int64
        assert loaded.test.class_counts() == {"cat": 4, "dog": 2}
        assert capfd.readouterr() == ("", "")

    def test_images_are_64_by_64_unless_told_otherwise(self, tmp_path):
        write_images(tmp_path, {"cat": 8, "dog": 8})
        assert load_dataset(tmp_path).image_shape == (64, 64, 3)

    def test_grey_images_are_read_as_colour(self, tmp_path):
        for number in range(16):
            name = ("cat", "dog")[number % 2]
            (tmp_path / name).mkdir(exist_ok=True)
            grey = np.full((20, 20), 50 + number, np.uint8)
            Image.fromarray(grey).save(tmp_path / name / f"{number}.png")
        loaded = load_dataset(tmp_path, image_size=(20, 20))
        assert loaded.image_shape == (20, 20, 3)
        splits = (loaded.train, loaded.validation, loaded.test)
        assert sorted(sum(map(ids, splits), [])) == list(range(50, 66))
        assert (loaded.train.images == loaded.train.images[:, :1, :1, :1]).all()

    def test_every_image_is_in_exactly_one_split_with_its_label(self, tmp_path):
        write_images(tmp_path, {"cat": 15, "dog": 10})
        loaded = load_dataset(tmp_path, image_size=(20, 24))
        splits = (loaded.train, loaded.validation, loaded.test)
        assert sorted(sum(map(ids, splits), [])) == list(range(25))
        for split in splits:
            assert split.labels.tolist() == [int(number >= 15) for number in ids(split)]

    def test_the_seed_decides_which_images_are_the_test(self, tmp_path):
        write_images(tmp_path, {"cat": 20, "dog": 20})
        chosen = [ids(load_dataset(tmp_path, seed=seed).test) for seed in (0, 0, 1)]
        assert chosen[0] == chosen[1] != chosen[2]

    def test_train_and_test_folders_stay_what_they_are(self, tmp_path):
        write_images(tmp_path / "train", {"cat": 10, "dog": 10})
        write_images(tmp_path / "test", {"cat": 3, "dog": 1}, first=100)
        loaded = load_dataset(tmp_path)
        assert ids(loaded.test) == [100, 101, 102, 103]
        assert sorted(ids(loaded.train) + ids(loaded.validation)) == list(range(20))
        assert len(loaded.validation) == 4

    def test_a_folder_named_as_a_dataset_is_a_folder_when_given_as_a_path(
        self, tmp_path, monkeypatch
    ):
        write_images(tmp_path / "cifar10", {"cat": 10, "dog": 10})
        monkeypatch.chdir(tmp_path)
        loaded = load_dataset(Path("cifar10"))
        assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (13, 3, 4)

    def test_no_such_folder(self, tmp_path):
        message = (
            'Expected "fashion_mnist", "cifar10", or the path of a folder or CSV file. '
            r"Received: 'fashion-mnist', and there is nothing at .*fashion-mnist\."
        )
        with pytest.raises(FileNotFoundError, match=message):
            load_dataset("fashion-mnist")

    def test_a_given_validation_folder_is_used_as_it_is(self, tmp_path):
        write_images(tmp_path / "train", {"cat": 10, "dog": 10})
        write_images(tmp_path / "val", {"cat": 2, "dog": 3}, first=100)
        loaded = load_dataset(tmp_path)
        assert ids(loaded.validation) == [100, 101, 102, 103, 104]
        assert (len(loaded.train), len(loaded.test)) == (16, 4)

    def test_train_and_test_with_different_classes(self, tmp_path):
        write_images(tmp_path / "train", {"cat": 3, "dog": 3})
        write_images(tmp_path / "test", {"cat": 3, "hamster": 3}, first=100)
        with pytest.raises(FolderError) as refused:
            load_dataset(tmp_path)
        assert "  test: It has no image of dog, and another part has." in str(refused.value)
        assert "  train: It has no image of hamster, and another part has." in str(refused.value)

    @pytest.mark.parametrize("count", [1, 2])
    def test_too_few_images_to_split(self, tmp_path, count):
        write_images(tmp_path, {"cat": count, "dog": count})
        message = rf"(?s)  cat: It has {count} different .* 3 are enough.*  dog: It has {count} "
        with pytest.raises(FolderError, match=message):
            load_dataset(tmp_path)

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_class_too_small_to_be_in_every_split_is_named(self, tmp_path, count):
        write_images(tmp_path, {"cat": 40, "dog": count})
        with pytest.raises(FolderError, match="dog: .* 3 are enough. Add images") as refused:
            load_dataset(tmp_path)
        assert "cat: " not in str(refused.value)

    @pytest.mark.parametrize("count", [-1, 1, 15, 2_000])
    def test_validation_images_that_no_split_can_have_are_refused(self, tmp_path, count):
        write_images(tmp_path, {"cat": 10, "dog": 10})
        with pytest.raises(UsageError, match=f"Received: {count} of 16 images to set aside"):
            load_dataset(tmp_path, validation_images=count)

    @pytest.mark.parametrize("name", ["folder", "fashion_mnist"])
    @pytest.mark.parametrize("count", ["2000", 2000.5, 0.2, True, [4], np.float64(4)], ids=repr)
    def test_validation_images_that_are_no_number_of_images(self, tmp_path, name, count):
        folder = tmp_path
        write_images(folder, {"cat": 10, "dog": 10})
        with pytest.raises(UsageError, match="Expected validation_images as a number of images"):
            load_dataset(folder if name == "folder" else name, validation_images=count)
        with pytest.raises(UsageError, match="Received: "):
            check_folder(folder, validation_images=count)

    @pytest.mark.parametrize("name", ["folder", "fashion_mnist"])
    @pytest.mark.parametrize("seed", [-1, 1.5, "0", None, 2**32, True], ids=repr)
    def test_a_seed_that_is_none(self, tmp_path, name, seed):
        write_images(tmp_path, {"cat": 10, "dog": 10})
        with pytest.raises(UsageError, match="Expected seed as a whole number from 0 to 4,294,967"):
            load_dataset(tmp_path if name == "folder" else name, seed=seed)

    def test_whole_numbers_of_numpy_are_fine(self, tmp_path):
        write_images(tmp_path, {"cat": 10, "dog": 10})
        options = {"validation_images": np.int64(4), "seed": np.uint8(3)}
        assert len(load_dataset(tmp_path, **options).validation) == 4

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"set_aside": "yes"}, "Expected set_aside as True or False"),
            ({"data_dir": 5}, "Expected a path, as text in quotes. Received: 5"),
            ({"name": np.zeros((2, 3))}, "Expected the path of a folder. Received: ndarray"),
            ({"name": None}, "Expected the path of a folder. Received: NoneType"),
            ({"name": ""}, "Expected the path of a folder. Received: an empty text"),
        ],
        ids=str,
    )
    def test_other_arguments_that_make_no_sense(self, tmp_path, options, expected):
        write_images(tmp_path, {"cat": 10, "dog": 10})
        with pytest.raises(UsageError, match=expected):
            load_dataset(**{"name": tmp_path} | options)

    @pytest.mark.parametrize("size", [64, (64,), (0, 64), (64, -1), (6.5, 64), "ab", 0])
    def test_an_image_size_that_is_none_is_refused(self, tmp_path, size):
        write_images(tmp_path, {"cat": 10, "dog": 10})
        with pytest.raises(UsageError, match=r"Expected image_size as \(height, width\)"):
            load_dataset(tmp_path, image_size=size)

    def test_every_problem_is_told_at_once_and_can_be_set_aside(self, tmp_path):
        folder = tmp_path / "pets"
        write_images(folder, {"cat": 10, "dog": 10})
        (folder / "cat" / "empty.jpg").touch()
        (folder / "dog" / "words.png").write_text("not a picture")
        (folder / "dog" / "notes.txt").write_text("mine")
        with pytest.raises(FolderError) as refused:
            load_dataset(folder)
        assert str(refused.value).splitlines() == [
            f"Expected a folder of images that can be used. Received: {folder} with 2 problems:",
            "  dog/words.png: Its name ends in .png, but it holds no image. "
            "Copy it again from where it came from, or delete it.",
            "  cat/empty.jpg: It is empty: 0 bytes. "
            "Copy it again from where it came from, or delete it.",
            "set_aside=True goes on without 2 of them, and touches no file: "
            "no image content, zero bytes.",
        ]
        loaded = load_dataset(folder, set_aside=True)
        assert len(loaded.train) + len(loaded.validation) + len(loaded.test) == 20
        assert repr(loaded).splitlines()[-1] == (
            "  report      21 notes, 2 files set aside: see dataset.report"
        )
        assert (folder / "cat" / "empty.jpg").exists()

    def test_the_named_datasets_have_no_report(self, sample):
        assert sample.report is None
        assert "report" not in repr(sample)


def test_on_the_command_line_an_error_is_one_sentence(tmp_path):
    """`make cifar10` runs this."""
    finished = subprocess.run(
        [sys.executable, "-m", "helpers.datasets", str(tmp_path / "nowhere")],
        cwd=Path(helpers.__file__).parent.parent, capture_output=True, text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert finished.returncode == 1
    assert finished.stderr.startswith('Expected "fashion_mnist", "cifar10", or the path')
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("channels", "words"),
    [(1, "grey"), (2, "2 channels"), (3, "colour (red, green, blue)"), (4, "4 channels")],
)
def test_the_repr_names_the_channels(make_dataset, channels, words):
    dataset = make_dataset((18, 20, channels))
    assert f"  images      18 x 20 pixels, {words}, uint8" in repr(dataset).splitlines()
