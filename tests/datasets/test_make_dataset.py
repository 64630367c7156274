"""A dataset of what people have in the memory: arrays, lists, pictures, tf.data pipelines."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from helpers import quiet_tensorflow
from helpers.basics.errors import FolderError, NotEnoughMemoryError, UsageError
from helpers.datasets import arrays, make_dataset
from helpers.folders.cut import split_by_class

with quiet_tensorflow():
    import tensorflow as tf

LABELS = np.arange(60) % 3
IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 9, 3), np.uint8)
IMAGES[:, 0, 0, 0] = np.arange(60)  # the number of each
GREY = IMAGES[..., 0]


def content(split) -> list[tuple[bytes, int]]:
    return [(image.tobytes(), int(label)) for image, label in zip(
        split.images, split.labels, strict=True)]  # fmt: skip


def everything(dataset) -> list[tuple[bytes, int]]:
    return sorted(sum(map(content, (dataset.train, dataset.validation, dataset.test)), []))


EXPECTED = sorted(
    (image.tobytes(), int(label)) for image, label in zip(IMAGES, LABELS, strict=True)
)
EXPECTED_GREY = sorted((image.tobytes(), int(n)) for image, n in zip(GREY, LABELS, strict=True))
EXPECTED_LOW, EXPECTED_LOW_GREY = (
    sorted((image.tobytes(), int(n)) for image, n in zip(images[:, :3], LABELS, strict=True))
    for images in (IMAGES, GREY)
)


def pipeline(images=IMAGES, labels=LABELS) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((images, labels))


class TestWhatIsTaken:
    def test_pictures_of_pillow_stand_upright(self, tmp_path):
        turned = Image.new("RGB", (9, 8))
        turned.getexif()[0x0112] = 6  # a quarter turn to the right makes it upright
        turned.putpixel((0, 0), (255, 0, 0))
        turned.save(tmp_path / "turned.png", exif=turned.getexif())
        pictures = [Image.open(tmp_path / "turned.png") for _ in LABELS]
        dataset = make_dataset(pictures, LABELS)
        assert dataset.image_shape == (9, 8, 3)
        assert (dataset.train.images[:, 0, 7] == (255, 0, 0)).all()

    def test_what_comes_out(self):
        dataset = make_dataset(IMAGES, LABELS)
        assert dataset.image_shape == (8, 9, 3)
        assert dataset.class_names == ("0", "1", "2")
        assert (dataset.name, dataset.source) == ("arrays", "images from arrays")
        assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [38, 10, 12]
        for split in (dataset.train, dataset.validation, dataset.test):
            assert split.images.dtype == np.uint8
            assert split.labels.dtype == np.int64
            split.check(dataset.image_shape, 3)

    @pytest.mark.parametrize(
        ("images", "expected"),
        [
            (IMAGES, EXPECTED),
            (GREY, EXPECTED_GREY),
            (GREY[..., np.newaxis], EXPECTED_GREY),
            (list(IMAGES), EXPECTED),
            (tuple(GREY), EXPECTED_GREY),
            ([Image.fromarray(image) for image in IMAGES], EXPECTED),
            ([Image.fromarray(image) for image in GREY], EXPECTED_GREY),
            (GREY.tolist(), EXPECTED_GREY),
            (IMAGES.astype(np.int64), EXPECTED),
            (IMAGES.astype(np.float32), EXPECTED),
            (tf.constant(IMAGES), EXPECTED),
            (IMAGES[::-1][::-1], EXPECTED),
        ],
        ids=[
            "colour", "grey", "grey with a channel", "a list", "a tuple of grey ones", "pictures",
            "grey pictures", "lists of lists", "whole numbers", "floats that are whole numbers",
            "a tensor", "with strides",
        ],
    )  # fmt: skip
    def test_images(self, images, expected):
        assert everything(make_dataset(images, LABELS)) == expected

    @pytest.mark.parametrize(
        "labels",
        [
            LABELS, LABELS.tolist(), LABELS[:, np.newaxis], LABELS.astype(np.uint8),
            LABELS.astype(np.float32), np.eye(3)[LABELS], np.eye(3, dtype=bool)[LABELS],
            tf.constant(LABELS),
        ],
        ids=["numbers", "a list", "a column", "bytes", "floats", "one-hot", "bool", "a tensor"],
    )  # fmt: skip
    def test_labels(self, labels):
        assert everything(make_dataset(IMAGES, labels)) == EXPECTED

    @pytest.mark.parametrize(
        "kind",
        [
            list, np.array, lambda names: np.array(names, object),
            lambda names: np.array([name.encode() for name in names]),
        ],
        ids=["a list", "an array", "objects", "bytes"],
    )  # fmt: skip
    def test_texts_are_classes_in_the_order_of_the_alphabet(self, kind):
        names = [("owl", "cat", "dög")[label] for label in LABELS]
        dataset = make_dataset(IMAGES, kind(names))
        assert dataset.class_names == ("cat", "dög", "owl")
        order = {0: 2, 1: 0, 2: 1}
        assert everything(dataset) == sorted((image, order[label]) for image, label in EXPECTED)

    def test_bytes_that_are_no_text_stay_apart(self):
        dataset = make_dataset(IMAGES, np.array([b"a", b"\xfe", b"\xff"])[LABELS])
        assert dataset.class_names == ("\\xfe", "\\xff", "a")

    def test_class_names_decide_the_order_of_texts(self):
        names = [("owl", "cat", "dog")[label] for label in LABELS]
        dataset = make_dataset(IMAGES, names, class_names=["owl", "cat", "dog"])
        assert dataset.class_names == ("owl", "cat", "dog")
        assert everything(dataset) == EXPECTED

    @pytest.mark.parametrize("labels", [LABELS, np.eye(3)[LABELS]])
    def test_numbers_get_their_names(self, labels):
        assert make_dataset(IMAGES, labels, class_names=["a", "bb", "c"]).class_names[1] == "bb"

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (pipeline(), EXPECTED),
            (pipeline().batch(7), EXPECTED),
            (pipeline(GREY).batch(7), EXPECTED_GREY),
            (pipeline(GREY), EXPECTED_GREY),
            (pipeline(labels=LABELS[:, np.newaxis]).batch(60), EXPECTED),
            (pipeline(labels=np.eye(3)[LABELS]), EXPECTED),
            (pipeline(labels=np.eye(3)[LABELS]).batch(8), EXPECTED),
            (pipeline(GREY, np.eye(3)[LABELS]).batch(7), EXPECTED_GREY),
            (pipeline(IMAGES[:, :3], np.eye(3)[LABELS]), EXPECTED_LOW),
            (pipeline(GREY[:, :3, :, None], np.eye(3)[LABELS]), EXPECTED_LOW_GREY),
            (pipeline(tf.cast(IMAGES, tf.float32)).batch(9), EXPECTED),
            (
                tf.data.Dataset.from_generator(
                    lambda: zip(IMAGES, LABELS, strict=True), (tf.uint8, tf.int64)
                ),
                EXPECTED,
            ),
        ],
        ids=[
            "single", "batches", "grey batches", "single grey", "labels in columns", "one-hot",
            "one-hot batches", "grey one-hot batches", "as many rows as classes",
            "as many grey ones", "floats", "of unknown shape and length",
        ],
    )  # fmt: skip
    def test_pipelines_of_tensorflow(self, given, expected):
        assert everything(make_dataset(given)) == expected

    def test_a_pipeline_of_texts(self):
        names = [("owl", "cat", "dog")[label] for label in LABELS]
        assert make_dataset(pipeline(labels=names)).class_names == ("cat", "dog", "owl")

    def test_images_as_they_should_be_are_not_copied(self):
        parts = {"validation": (GREY[:9], LABELS[:9]), "test": (GREY[9:30], LABELS[9:30])}
        dataset = make_dataset(GREY, LABELS, **parts)
        for split in (dataset.train, dataset.validation, dataset.test):
            assert np.shares_memory(split.images, IMAGES)


class TestSplits:
    def test_they_are_cut_off_as_everywhere(self):
        dataset = make_dataset(IMAGES, LABELS, seed=4)
        rest, test = split_by_class(LABELS, 12, 4, "abc")
        left, validation = split_by_class(LABELS[rest], 10, 4, "abc")
        assert dataset.test.images[:, 0, 0, 0].tolist() == test.tolist()
        assert dataset.validation.images[:, 0, 0, 0].tolist() == rest[validation].tolist()
        assert dataset.train.images[:, 0, 0, 0].tolist() == rest[left].tolist()
        assert set(dataset.test.class_counts().values()) == {4}
        usual, first = make_dataset(IMAGES, LABELS), make_dataset(IMAGES, LABELS, seed=0)
        assert content(usual.train) == content(first.train)

    def test_those_given_stay_what_they_are(self):
        test = IMAGES[40:], np.eye(3)[LABELS[40:]]
        dataset = make_dataset(IMAGES[:40], LABELS[:40], test=test, validation_images=6)
        np.testing.assert_array_equal(dataset.test.images, IMAGES[40:])
        assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (34, 6, 20)
        assert everything(dataset) == EXPECTED

    def test_they_may_be_pipelines_and_lack_a_class(self):
        two = LABELS != 2
        dataset = make_dataset(
            IMAGES, LABELS, validation=pipeline(IMAGES[two], LABELS[two]).batch(7),
            test=[list(IMAGES), list(LABELS)],
        )  # fmt: skip
        assert dataset.validation.class_counts() == {"0": 20, "1": 20, "2": 0}
        assert (len(dataset.train), len(dataset.test)) == (60, 60)

    def test_no_validation_images(self):
        assert len(make_dataset(IMAGES, LABELS, validation_images=0).validation) == 0

    def test_the_arrays_of_keras(self):
        """keras.datasets.cifar10.load_data() gives labels in a column, and the test as a pair."""
        (images, labels), test = (IMAGES, LABELS[:, np.newaxis]), (IMAGES, LABELS[:, np.newaxis])
        dataset = make_dataset(images, labels, test=test)
        assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (48, 12, 60)

    @pytest.mark.parametrize("part", ["validation", "test"])
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ((GREY, LABELS), "images of shape (8, 9, 3), as for training. Received: (8, 9, 1)"),
            ((IMAGES, LABELS + 1), "Expected labels from 0 to 2, for the classes 0, 1, 2."),
            ((IMAGES, ["x"] * 60), "Expected the labels 0, 1, 2. Received: x. Spell them alike"),
            ((IMAGES, LABELS[:9]), "Expected one label an image. Received: 60 images and 9 labels"),
            (IMAGES, "Expected images and labels, or a tf.data.Dataset of both. Received: ndarray"),
            ([IMAGES, LABELS, 3], "Expected images and labels, or a tf.data.Dataset of both."),
        ],
    )  # fmt: skip
    def test_those_that_do_not_fit_are_refused(self, part, given, message):
        with pytest.raises(UsageError, match=f"{re.escape(message)}.* This is about {part}=."):
            make_dataset(IMAGES, LABELS, **{part: given})


def in_bytes(pixels: np.ndarray) -> np.ndarray:
    return pixels.round().astype(np.uint8)


class TestRefusedImages:
    @pytest.mark.parametrize(
        ("images", "line", "made"),
        [
            (IMAGES / 255, "(255 * images).round().astype(np.uint8)", lambda i: in_bytes(255 * i)),
            (
                (IMAGES / 255).astype(np.float32),
                "(255 * images).round().astype(np.uint8)", lambda i: in_bytes(255 * i),
            ),
            (
                IMAGES / 127.5 - 1, "(127.5 * images + 127.5).round().astype(np.uint8)",
                lambda i: in_bytes(127.5 * i + 127.5),
            ),
            (np.minimum(IMAGES + 0.25, 255), "images.round().astype(np.uint8)", in_bytes),
            (
                IMAGES.astype(np.uint16) * 257,
                "(images / 257).round().astype(np.uint8)", lambda i: in_bytes(i / 257),
            ),
            (
                IMAGES.transpose(0, 3, 1, 2),
                "images.transpose(0, 2, 3, 1)", lambda i: i.transpose(0, 2, 3, 1),
            ),
            (
                np.concatenate([IMAGES, IMAGES[..., :1]], axis=3),
                "images[..., :3]", lambda i: i[..., :3],
            ),
        ],
        ids=[
            "0 to 1", "0 to 1, float32", "-1 to 1", "with fractions", "16 bits", "channels first",
            "four channels",
        ],
    )  # fmt: skip
    def test_the_line_that_mends_them_does(self, images, line, made):
        with pytest.raises(UsageError, match=re.escape(line)):
            make_dataset(images, LABELS)
        assert everything(make_dataset(made(images), LABELS)) == EXPECTED

    def test_rows_of_pixels(self):
        with pytest.raises(UsageError, match=re.escape("images.reshape(-1, height, width)")):
            make_dataset(GREY.reshape(60, -1), LABELS)

    @pytest.mark.parametrize("images", [GREY > 99, (GREY > 99).astype(np.uint8)])
    def test_black_and_white_in_zeros_and_ones(self, images):
        with pytest.raises(UsageError, match=re.escape("(255 * images).round().astype(np.uint8)")):
            make_dataset(images, LABELS)
        made = make_dataset((255 * images).round().astype(np.uint8), LABELS)
        assert set(np.unique(made.train.images)) == {0, 255}

    @pytest.mark.parametrize(
        ("images", "message"),
        [
            (np.where(IMAGES == 7, np.nan, IMAGES), "whole numbers from 0 to 255. Received: flo"),
            (IMAGES.astype(np.int64) - 9, "Expected pixels as whole numbers from 0 to 255"),
            (IMAGES.astype(np.int64) + 1, "Received: int64 from 1 to 256. (images / 257)"),
            (IMAGES.astype(np.int64) * 300, "Received: int64 from 0 to 76500. Bring them"),
            (IMAGES / 127.5, "Received: float64 from 0.0 to 2.0. images.round()"),
            (IMAGES / 85 - 1, "Received: float64 from -1.0 to 2.0. Bring them"),
            (IMAGES / 85 - 2, "Received: float64 from -2.0 to 1.0. Bring them"),
            (IMAGES * 1e9, "Received: float64 from 0.0 to 255000000000.0. Bring them"),
            (IMAGES.astype(str), "an array of numbers as images. Received: ndarray of <U3"),
            (IMAGES.astype(object), "an array of numbers as images. Received: ndarray of object"),
            (IMAGES[:0], "Expected images of shape (images, height, width), or with 1 or 3"),
            (IMAGES[0], "Received: shape (8, 9, 3). Perhaps it is images[np.newaxis]"),
            (GREY[0][..., None], "Received: shape (8, 9, 1). Perhaps it is images[np.newaxis]"),
            (GREY[:, None], "(60, 1, 8, 9). Perhaps it is images.transpose(0, 2, 3, 1)"),
            (5, "Received: shape (). "),
            ("photos", "Received: str of <U6. .*load_dataset reads a folder"),
            ([], "Expected images of one shape. Received: no image"),
            ([*IMAGES[:59], IMAGES[0, 1:]], "Received: (7, 9, 3) and (8, 9, 3). Resize them"),
            ([*IMAGES[:59], GREY[0]], "Received: (8, 9) and (8, 9, 3)"),
            ([*IMAGES[:58], IMAGES[0, 1:], IMAGES[0, 2:]], "(6, 9, 3) and (7, 9, 3). Resize"),
            ([[[1, 2], [3]]], "Expected an array, or what makes one. Received: list: "),
            ([Image.new("RGBA", (9, 8))] * 60, 'mode RGBA. image.convert("RGB") makes'),
            ([Image.new("P", (9, 8))] * 60, "pictures of mode P."),
            ([Image.new("HSV", (9, 8))] * 60, "pictures of mode HSV."),
            ([Image.new("1", (9, 8))] * 60, "pictures of mode 1."),
            ([Image.new("I;16", (9, 8))] * 60, "pictures of mode I;16. np.asarray(image) gives"),
            (iter(IMAGES), "Received: Iterator of object|Received: .*iterator of object"),
        ],
    )  # fmt: skip
    def test_what_nothing_mends_is_said_in_words(self, images, message):
        pattern = message if ".*" in message else re.escape(message)
        with pytest.raises(UsageError, match=pattern):
            make_dataset(images, LABELS)

    @pytest.mark.parametrize("brightest", [0, 2])
    def test_black_images_are_no_scaled_ones(self, brightest):
        dark = np.full((60, 8, 9), brightest, np.uint8)
        assert (make_dataset(dark, LABELS).train.images == brightest).all()


class TestRefusedLabels:
    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            (LABELS + 1, "Received: 1, 2, 3. labels - 1 counts from 0."),
            (LABELS * 2, "Received: 0, 2, 4. np.unique(labels, return_inverse=True)[1] numbers"),
            (LABELS - 1, "Received: -1, 0, 1. np.unique("),
            (np.arange(60) % 10 * 2, "Received: 0, 2, 4, 6, 8, 10, 12, 14, 16, 18. np.unique("),
            (np.arange(60) % 11 * 2, "12, 14, 16, 18, .... np.unique("),
            (LABELS * 10**15, "Expected labels from 0 to 2, for the classes 0, 1, 2."),
            (LABELS / 2, "labels that are missing, or no whole numbers."),
            (np.where(LABELS == 1, np.nan, LABELS), "labels that are missing, or no whole"),
            (LABELS > 0, "labels.ravel().astype(int) gives whole numbers."),
            (np.ones((60, 3)), "Each image has one class here"),
            (np.full((60, 3), 1 / 3), "Each image has one class here"),
            (LABELS[:59], "Expected one label an image. Received: 60 images and 59 labels."),
            (np.zeros(60, int), "Expected at least two classes"),
            (["cat"] * 60, "Expected at least two classes"),
            (["cat", None] * 30, "Expected one label an image"),
            (["cat", np.nan] * 30, "Expected one label an image"),
            (["cat", 1] * 30, "Expected one label an image"),
            (3, "Received: int64 of shape (). Give an array or a list."),
            ("cat", "Received: <U3 of shape (). Give an array or a list."),
            ([[1], [2, 3]], "Expected an array, or what makes one. Received: list"),
        ],
        ids=str,
    )  # fmt: skip
    def test_they_are_said_in_words(self, labels, message):
        with pytest.raises(UsageError, match=re.escape(message)):
            make_dataset(IMAGES, labels)

    def test_none_at_all(self):
        with pytest.raises(UsageError, match="images and labels, or .*Received: ndarray alone"):
            make_dataset(IMAGES)

    def test_both_labels_and_a_pipeline(self):
        with pytest.raises(UsageError, match="an array of numbers as images. Received: .*Dataset"):
            make_dataset(pipeline(), LABELS)

    @pytest.mark.parametrize(
        "names",
        ["abc", [], ["a"], ["a", "b", "b"], [1, 2, 3], [["a"], ["b"]], 5],
        ids=str,
    )
    def test_what_are_no_class_names(self, names):
        with pytest.raises(UsageError, match="Expected at least two classes, each with a name"):
            make_dataset(IMAGES, LABELS, class_names=names)

    @pytest.mark.parametrize("names", [{"a", "b", "c"}, frozenset("abc"), {"a": 1, "b": 0, "c": 2}])
    def test_names_without_an_order(self, names):
        with pytest.raises(UsageError, match="class names in an order. Received: .* Give a list"):
            make_dataset(IMAGES, LABELS, class_names=names)

    @pytest.mark.parametrize("odd", ["cat\n", "", " ", "a\x1b[31m", "c\u2028", "\udcff"], ids=repr)
    def test_names_that_cannot_be_shown(self, odd):
        words = "names that can be shown in a line. Received: .* takes a line break"
        with pytest.raises(UsageError, match=words):
            make_dataset(IMAGES, LABELS, class_names=["a", "b", odd])
        with pytest.raises(UsageError, match=words):
            make_dataset(IMAGES, np.array(["a", "b", odd])[LABELS])
        make_dataset(IMAGES, LABELS, class_names=["a b", "고양이", "👩‍🔬"])

    def test_labels_of_which_some_are_masked(self):
        masked = np.ma.masked_array(LABELS, LABELS == 1)
        with pytest.raises(UsageError, match="an array with all numbers there"):
            make_dataset(IMAGES, masked)
        assert len(make_dataset(IMAGES, np.ma.masked_array(LABELS)).class_names) == 3

    def test_one_hot_rows_of_another_width(self):
        rows = np.eye(2)[LABELS % 2]
        with pytest.raises(UsageError, match=r"rows of 3 numbers, .*Received: rows of 2.*test="):
            make_dataset(IMAGES, np.eye(3)[LABELS], test=(IMAGES, rows))

    def test_more_classes_than_training_images_have(self):
        with pytest.raises(UsageError, match="image of every class. Received: none of d. Add some"):
            make_dataset(IMAGES, LABELS, class_names=["a", "b", "c", "d"])
        with pytest.raises(UsageError, match="Received: none of 3"):
            make_dataset(IMAGES, np.eye(4)[LABELS])

    def test_fewer_class_names_than_labels(self):
        with pytest.raises(UsageError, match="labels from 0 to 1, for the classes a, b"):
            make_dataset(IMAGES, LABELS, class_names=["a", "b"])

    def test_a_class_too_small_for_every_split(self):
        labels = np.where(np.arange(60) < 59, LABELS % 2, 2)
        with pytest.raises(FolderError, match="Received: 1 in '2'"):
            make_dataset(IMAGES, labels)

    @pytest.mark.parametrize("options", [{"seed": -1}, {"validation_images": 0.2}, {"seed": "0"}])
    def test_other_arguments(self, options):
        with pytest.raises(UsageError, match="Expected (seed|validation_images) as a"):
            make_dataset(IMAGES, LABELS, **options)


class TestRefusedPipelines:
    def test_one_that_repeats_without_end(self):
        with pytest.raises(UsageError, match="that ends. Received: one that repeats without end"):
            make_dataset(pipeline().repeat())

    def test_one_whose_end_nobody_knows_is_read_as_far_as_the_memory_goes(self, monkeypatch):
        def for_ever():
            while True:
                yield IMAGES[0], 0

        monkeypatch.setattr(arrays, "available_memory", lambda: 20 * IMAGES[0].nbytes)
        given = tf.data.Dataset.from_generator(for_ever, (tf.uint8, tf.int64))
        with pytest.raises(NotEnoughMemoryError, match="Received: more than 11 images. Take fewer"):
            make_dataset(given)

    def test_dicts(self):
        given = tf.data.Dataset.from_tensor_slices({"image": IMAGES, "label": LABELS})
        with pytest.raises(UsageError, match=r"of pairs \(image, label\).* makes pairs of a dict"):
            make_dataset(given)
        pairs = given.map(lambda each: (each["image"], each["label"]))
        assert everything(make_dataset(pairs)) == EXPECTED

    def test_images_without_labels(self):
        with pytest.raises(UsageError, match="tf.data.Dataset of pairs"):
            make_dataset(tf.data.Dataset.from_tensor_slices(IMAGES))

    def test_one_that_fails(self):
        given = pipeline().map(lambda image, label: (image, tf.gather([0, 1], label)))
        with pytest.raises(UsageError, match="that gives its images. Received: .*2 is not in"):
            make_dataset(given)

    def test_unequal_sizes(self):
        def sizes():
            yield IMAGES[0], 0
            yield IMAGES[0, 1:], 1

        given = tf.data.Dataset.from_generator(sizes, (tf.uint8, tf.int64))
        with pytest.raises(UsageError, match=r"Received: \(7, 9, 3\) and \(8, 9, 3\)\. Resize"):
            make_dataset(given)

    def test_an_empty_one(self):
        with pytest.raises(UsageError, match="Expected images of one shape. Received: no image"):
            make_dataset(pipeline().take(0))

    def test_what_keras_resized_is_rounded_with_the_line_of_the_message(self):
        given = pipeline(IMAGES * 0.999).batch(8)
        with pytest.raises(UsageError) as refused:
            make_dataset(given)
        assert "tf.cast(tf.round(image), tf.uint8), makes them." in str(refused.value)
        rounded = given.map(lambda image, label: (tf.cast(tf.round(image), tf.uint8), label))
        assert len(make_dataset(rounded).train) == 38
