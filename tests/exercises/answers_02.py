"""What learners answer to the exercises of lesson 2."""

import functools
import os
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
import torch
from answers import Answers
from PIL import Image, ImageOps
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, train_test_split

ENDINGS = (".png", ".jpg", ".jpeg")


def class_folders(folder, hidden=False):
    folders = [path for path in folder.iterdir() if path.is_dir()]
    return sorted(path for path in folders if hidden or not path.name.startswith("."))


def image_files(folder, endings=ENDINGS, hidden=False):
    files = [file for file in folder.iterdir() if file.suffix.lower() in endings]
    return sorted(file for file in files if hidden or not file.name.startswith("."))


upright = ImageOps.exif_transpose


def read(file, height, width):
    with Image.open(file) as photo:
        return np.asarray(upright(photo).convert("RGB").resize((width, height)))


def reader(folders=class_folders, files=image_files, read=read, first=0, give=None):
    """A way to read a folder, with one of its parts exchanged."""

    def read_folder(folder, height, width):
        images, labels, counts = [], [], {}
        for label, class_folder in enumerate(folders(folder), first):
            counts[class_folder.name] = 0
            for file in files(class_folder):
                images.append(read(file, height, width))
                labels.append(label)
                counts[class_folder.name] += 1
        result = np.stack(images), np.array(labels), counts
        return give(*result) if give else result

    return read_folder


def by_listdir(folder, height, width):
    names = sorted(n for n in os.listdir(folder) if n[0] != "." and os.path.isdir(folder / n))  # noqa: PTH112, PTH208
    counts, rows = Counter(dict.fromkeys(names, 0)), []
    for name in names:
        for file in os.listdir(os.path.join(folder, name)):  # noqa: PTH118, PTH208
            if not file.startswith(".") and file.lower().endswith(("png", "jpg", "jpeg")):
                image = upright(keras.utils.load_img(folder / name / file)).resize((width, height))
                rows.append((keras.utils.img_to_array(image, dtype="uint8"), names.index(name)))
                counts[name] += 1
    random.Random(0).shuffle(rows)
    images, labels = zip(*rows, strict=True)
    return list(images), list(labels), counts


def by_tensorflow(folder, height, width):
    images, labels, counts = [], [], defaultdict(int)
    for label, each in enumerate(class_folders(folder)):
        counts[each.name] += 0
        for file in image_files(each):
            image = tf.io.decode_image(file.read_bytes(), channels=3, expand_animations=False)
            with Image.open(file) as photo:
                image = tf.image.rot90(image, 3 if photo.getexif().get(0x0112) == 6 else 0)
            image = tf.image.resize_with_pad(image, height, width)
            images.append(tf.cast(tf.round(image), tf.uint8))
            labels.append(label)
            counts[each.name] += 1
    yield tf.stack(images)
    yield tf.constant(labels)
    yield counts


class Read(NamedTuple):
    images: object
    labels: object
    counts: object


class Reader:
    def __call__(self, folder, height, width):
        images, labels, counts = reader()(folder, height, width)
        return Read(torch.tensor(images), torch.tensor(labels), counts)


def cropped(file, height, width):
    return np.asarray(ImageOps.fit(upright(Image.open(file)).convert("RGB"), (width, height)))


def padded(file, height, width):
    image = upright(Image.open(file)).convert("RGB")
    return np.array(ImageOps.pad(image, (width, height), Image.Resampling.NEAREST))


def on_its_side(file, height, width):
    return np.asarray(Image.open(file).convert("RGB").resize((width, height)))


def as_they_are(file, height, width):
    return np.asarray(Image.open(file).resize((width, height)))


def grey(file, height, width):
    image = np.asarray(Image.open(file).convert("L").resize((width, height)))
    return np.repeat(image[..., np.newaxis], 3, axis=2)


def everywhere(folder):
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS
                  and not file.name.startswith("."))  # fmt: skip


def with_images_only(folder):
    return [each for each in class_folders(folder) if image_files(each)]


def removes_hidden_files(folder, height, width):
    for each in class_folders(folder):
        for file in each.glob(".*"):
            if file.is_file():
                file.unlink()
    return reader()(folder, height, width)


def reads_the_top_too(folder, height, width):
    images, labels, counts = reader()(folder, height, width)
    for file in image_files(folder):
        images = np.concatenate([images, read(file, height, width)[np.newaxis]])
        labels = np.append(labels, 0)
    return images, labels, counts


def by_class(files):
    groups = defaultdict(list)
    for file in sorted(files):
        groups[file.parent.name].append(file)
    return groups


def cut(files, low, high):
    """Train, validation, test of one list: test up to low, validation up to high."""
    return files[high:], files[low:high], files[:low]


def split_files(files, seed):
    draw, parts = random.Random(seed), ([], [], [])
    for of_class in by_class(files).values():
        draw.shuffle(of_class)
        fifth = len(of_class) // 5
        for part, more in zip(parts, cut(of_class, fifth, 2 * fifth), strict=True):
            part += more
    return parts


def by_numpy(files, seed):
    files = np.array(sorted(map(str, files)))
    names = np.array([Path(file).parent.name for file in files])
    draw, part_of = np.random.default_rng(seed), np.empty(len(files), int)
    for name in np.unique(names):
        places = draw.permutation(np.flatnonzero(names == name))
        for part, of_part in enumerate(np.array_split(places, 5)):
            part_of[of_part] = part
    return files[part_of > 1], files[part_of == 1], files[part_of == 0]


def by_sklearn(files, seed):
    files = sorted(files)
    rest, test = train_test_split(
        files, test_size=0.2, random_state=seed, stratify=[file.parent.name for file in files]
    )
    train, validation = train_test_split(
        rest, test_size=0.25, random_state=seed, stratify=[file.parent.name for file in rest]
    )
    return [train, validation, test]


def by_hash(files, seed):
    """As it is often advised; texts have other hashes after each start of Python."""
    parts = ([], [], [])
    for of_class in by_class(files).values():
        ordered = sorted(of_class, key=lambda file: hash(f"{file}{seed}"))
        fifth = len(ordered) // 5
        for part, more in zip(parts, cut(ordered, fifth, 2 * fifth), strict=True):
            part += more
    return parts


def as_dictionary(files, seed):
    random.seed(seed)
    parts = {"test": set(), "validation": set(), "train": set()}
    for of_class in by_class(files).values():
        for place, file in enumerate(random.sample(of_class, len(of_class))):
            share = (place + 0.5) / len(of_class)
            parts["test" if share < 0.2 else "validation" if share < 0.4 else "train"].add(file)
    return parts


def by_yield(files, seed):
    yield from split_files(files, seed)


def together(files, seed):
    files = sorted(files)
    random.Random(seed).shuffle(files)
    return cut(files, len(files) // 5, 2 * (len(files) // 5))


def not_sorted(files, seed):
    groups, parts = defaultdict(list), ([], [], [])
    for file in files:
        groups[file.parent.name].append(file)
    for of_class in groups.values():
        random.Random(seed).shuffle(of_class)
        fifth = len(of_class) // 5
        for part, more in zip(parts, cut(of_class, fifth, 2 * fifth), strict=True):
            part += more
    return parts


def each_class(cut_one, draw=None):
    """A split that cuts each class, sorted or drawn, in some way."""

    def split(files, seed):
        parts = ([], [], [])
        for of_class in by_class(files).values():
            random.Random(seed if draw is None else draw(seed)).shuffle(of_class)
            for part, more in zip(parts, cut_one(of_class, len(of_class) // 5), strict=True):
                part += more
        return parts

    return split


def by_file_name(files, seed):
    named = {file.name: file for file in files}
    return split_files(list(named.values()), seed)


def shuffles_what_it_gets(files, seed):
    files.sort()
    return split_files(files, seed)


@functools.cache
def decorated_split(files, seed):
    return split_files(files, seed)


@functools.wraps(split_files)
def decorated(*arguments, **named):
    return split_files(*arguments, **named)


def place(file):
    return file.name.partition("_")[0]


def split_by_place(files, seed, more=0):
    places = sorted(set(map(place, files)))
    chosen = random.Random(seed).sample(places, len(places) // 5 + more)
    return [f for f in files if place(f) not in chosen], [f for f in files if place(f) in chosen]


def groups_by_sklearn(files, seed):
    files = np.array(sorted(files), dtype=object)
    cutter = GroupShuffleSplit(n_splits=1, test_size=0.2, random_state=seed)
    train, test = next(cutter.split(files, groups=[place(file) for file in files]))
    return files[train], files[test]


def both_classes_in_proportion(files, seed):
    files = np.array(sorted(files), dtype=object)
    classes, places = [file.parent.name for file in files], [place(file) for file in files]
    cutter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    train, test = next(cutter.split(files, classes, groups=places))
    return files[train], files[test]


def places_by_numpy(files, seed):
    names = np.array([file.stem.split("_")[0] for file in files])
    places = np.unique(names)
    count = int(np.ceil(len(places) / 5))
    in_test = np.isin(names, np.random.default_rng(seed).permutation(places)[:count])
    files = [str(file) for file in files]
    return {"train": np.array(files)[~in_test], "test": np.array(files)[in_test]}


def places_by_generator(files, seed):
    train, test = split_by_place(files, seed)
    return (file for file in train), (file for file in test)


def photos_cut(files, seed):
    files = sorted(files)
    random.Random(seed).shuffle(files)
    fifth = len(files) // 5
    return files[fifth:], files[:fifth]


def sorted_photos_cut(files, seed):
    files = sorted(files, key=lambda file: (place(file), file))
    fifth = len(files) // 5
    return files[fifth:], files[:fifth]


def each_class_by_places(files, seed):
    train, test = [], []
    for number, of_class in enumerate(by_class(files).values()):
        more_train, more_test = split_by_place(of_class, seed + 17 * number)
        train, test = train + more_train, test + more_test
    return train, test


def first_places(files, seed):
    chosen = sorted(set(map(place, files)))
    chosen = chosen[: len(chosen) // 5]
    return [f for f in files if place(f) not in chosen], [f for f in files if place(f) in chosen]


def by_the_beginning_of_the_name(files, seed):
    places = sorted(set(map(place, files)))
    chosen = random.Random(seed).sample(places, len(places) // 5)
    test = [file for file in files if any(file.name.startswith(each) for each in chosen)]
    return [file for file in files if file not in test], test


def one_photo_of_each_place(files, seed):
    test = [f for f in split_by_place(files, seed)[1] if f.stem.endswith("0")]
    return split_by_place(files, seed)[0], test


def half_of_the_places(files, seed):
    places = sorted(set(map(place, files)))
    chosen = random.Random(seed).sample(places, len(places) // 2)
    return [f for f in files if place(f) not in chosen], [f for f in files if place(f) in chosen]


def places_not_sorted(files, seed):
    places = list(dict.fromkeys(map(place, files)))
    random.Random(seed).shuffle(places)
    chosen = places[: len(places) // 5]
    return [f for f in files if place(f) not in chosen], [f for f in files if place(f) in chosen]


def by_softmax(model, photos):
    logits = torch.tensor(np.array(model(photos.astype("float32"))))
    return torch.softmax(logits, dim=1).argmax(dim=1)


class Names:
    def __call__(self, model, photos, size=2):
        batches = [photos[start : start + size] for start in range(0, len(photos), size)]
        return [int(number) for batch in batches for number in tf.argmax(model(batch), axis=1)]


def without_the_first_layer(model, photos):
    maps = photos / 255
    for layer in model.layers[1:]:
        maps = layer(maps)
    return np.argmax(maps, axis=1)


def one_by_one(model, photos):
    return [int(np.argmax(model(photo[np.newaxis]))) for photo in photos]


def divides_in_place(model, photos):
    numbers = model.predict(photos, verbose=0).argmax(axis=1)
    photos //= 255
    return numbers


ANSWERS = {
    "card": Answers(
        right=["c", "C", " c) ", "(c)", np.str_("c")],
        wrong=[
            ("a", "known faults and limits"), ("b", "names a licence"), ("d", "look-many"),
            ("collect photos", "one of the letters"), (3, "one of the letters"),
            (["c", "a"], "one of the letters"), ("e", "one of the letters"),
        ],
    ),
    "rates": Answers(
        right=[
            {"accuracy": 0.78, "balanced_accuracy": 0.825, "better": "b"},
            {"better": "B", "balanced_accuracy": 82.5, "accuracy": 78},
            (78, 0.825, "b"), [np.float32(0.78), np.mean([0.75, 0.9]), "b)"],
            (tf.constant(0.78), torch.tensor(82.5), np.str_("b")),
            np.array([0.78, 0.825, "b"], dtype=object),
        ],
        wrong=[
            ((0.8, 0.825, "b"), "accuracy of A"), ((0.825, 0.78, "b"), "counts all leaves alike"),
            ((0.22, 0.825, "b"), "mistakes"), ((0.78, 0.78, "b"), "balanced_accuracy: That is the"),
            ((78, 50, "b"), "balanced accuracy of A"), ((78, 90, "b"), "sick leaves alone"),
            ((78, 0.83, "b"), "three digits"), ((78, 82, "b"), "three digits"),
            ((78, 75, "b"), "healthy leaves alone"), ((0.78, 1.65, "b"), "their mean"),
            ((78, 39, "b"), "its own leaves"), ((0.6, 0.825, "b"), "some of the sick"),
            ((78, 82.5, "a"), "How many sick leaves does it find"),
            ({"accuracy": 0.78, "balanced_accuracy": 0.825}, "an answer for better"),
            ((0.78, 0.825), "Expected 3 answers"), ((0.78, 0.825, "B is better"), "letters"),
            (("78 %", 0.825, "b"), "leave out the quotes"), ((7800, 82.5, "b"), "or a percent"),
        ],
    ),
    "read_folder": Answers(
        right=[
            reader(), by_listdir, by_tensorflow, Reader(), reader(read=cropped),
            reader(read=padded), functools.partial(reader()),
            reader(give=lambda images, labels, counts: {
                "counts": counts, "labels": tuple(labels), "images": images}),
            reader(give=lambda images, labels, counts: (
                images[::-1], labels[::-1].astype("float32"), dict(reversed(counts.items())))),
        ],
        wrong=[
            (reader(files=lambda folder: [f for f in image_files(folder) if f.suffix in ENDINGS]),
             "written in capitals"),
            (reader(files=lambda folder: image_files(folder, (".png", ".jpg"))), "capitals"),
            (reader(files=lambda folder: image_files(folder, hidden=True)), "Unidentified"),
            (reader(files=lambda folder: sorted(folder.iterdir())), "Error"),
            (reader(files=everywhere), "no images"),
            (reader(folders=lambda folder: class_folders(folder, hidden=True)), "hidden folder"),
            (reader(folders=lambda folder: sorted(folder.iterdir())), "NotADirectoryError"),
            (reader(folders=lambda folder: class_folders(folder)[::-1]), "alphabet"),
            (reader(give=lambda images, labels, counts: (
                images, labels, counts | {"notes.txt": 0})), "not the name of a class"),
            (reader(folders=with_images_only), "'cat' is missing. It has no image yet"),
            (reader(first=1), "number 0, not 1"),
            (reader(read=as_they_are), "your code stopped with ValueError"),
            (reader(read=grey), "lost its colours"),
            (reader(read=on_its_side), "'wolf/7.jpg'. It lies on its side"),
            (reader(read=lambda file, height, width: read(file, width, height)), "width first"),
            (reader(read=lambda file, height, width: read(file, height, width)[..., ::-1]),
             "Red and blue"),
            (reader(read=lambda file, height, width: read(file, width, height).swapaxes(0, 1)),
             "Rows and columns"),
            (reader(read=lambda file, height, width: read(file, height, width)[::-1]),
             "does not look like any file"),
            (reader(read=lambda file, height, width: read(file, height, width)[..., 0]),
             "Where are the channels"),
            (reader(read=lambda file, height, width: read(file, height, width) / 255),
             "type uint8"),
            (reader(read=lambda file, height, width: read(file, height, width) // 255),
             "much darker"),
            (reader(read=lambda file, height, width: read(file, height, width).transpose(2, 0, 1)),
             "Channels come last"),
            (reader(read=lambda file, height, width: np.asarray(
                Image.open(file).convert("RGBA").resize((width, height)))), "what is transparent"),
            (reader(read=lambda file, height, width: read(file, 64, 64)), "shape (images, 32, 48"),
            (reader(give=lambda images, labels, counts: (images, labels)), "Received: 2 things"),
            (reader(give=lambda images, labels, counts: images), "Expected 3 things"),
            (reader(give=lambda images, labels, counts: (images, labels, list(counts.values()))),
             "as a dictionary"),
            (reader(give=lambda images, labels, counts: (
                images, [sorted(counts)[label] for label in labels], counts)), "names of classes"),
            (reader(give=lambda images, labels, counts: (
                images, np.eye(len(counts))[labels], counts)), "One number says the class"),
            (reader(give=lambda images, labels, counts: (
                images, np.unique(labels, return_inverse=True)[1], counts)), "keeps its number"),
            (reader(give=lambda images, labels, counts: (images, np.roll(labels, 1), counts)),
             "Image 0 comes from 'cat/1.png', and its label is 1"),
            (reader(give=lambda images, labels, counts: (images[1:], labels[1:], counts)),
             "is missing"),
            (reader(give=lambda images, labels, counts: (
                np.concatenate([images, images[:1]]), labels, counts)), "is there 2 times"),
            (reads_the_top_too, "lies in no class"),
            (removes_hidden_files, "It shall only read"),
            (lambda folder: reader()(folder, 32, 48), "called with 3 values"),
            (lambda folder, height, width: image_files(folder)[99], "IndexError"),
        ],
    ),
    "split_files": Answers(
        right=[
            split_files, by_numpy, by_sklearn, as_dictionary, by_yield, decorated,
            each_class(lambda files, fifth: cut(files, fifth, 2 * fifth)),
            each_class(lambda files, fifth: (files[: -2 * fifth], files[-2 * fifth : -fifth],
                                             files[-fifth:]), draw=lambda seed: seed + 1),
            functools.partial(split_files),
        ],
        wrong=[
            (together, "A fifth of each class"), (not_sorted, "in another order"),
            (by_hash, "each time Python starts"),
            (each_class(lambda files, fifth: cut(files, fifth + 1, 2 * fifth + 2)),
             "Called with a list of 15 files, 0: Of the 5 files of the class 'cat' 2 are"),
            (each_class(lambda files, fifth: cut(files, fifth, 2 * fifth), draw=lambda _: 0),
             "same split"),
            (each_class(lambda files, fifth: cut(files, fifth, 2 * fifth), draw=lambda _: None),
             "two different splits"),
            (each_class(lambda files, fifth: cut(sorted(files), fifth, 2 * fifth)), "same split"),
            (each_class(lambda files, fifth: (files[fifth:], files[fifth : 2 * fifth],
                                              files[:fifth])), "in train and in validation"),
            (each_class(lambda files, fifth: (files[: 3 * fifth], files[3 * fifth : 4 * fifth],
                                              files[4 * fifth : 5 * fifth])), "in no part"),
            (each_class(lambda files, fifth: cut(files, fifth, 2 * fifth)[::-1]), "comes last"),
            (each_class(lambda files, fifth: (files[:fifth], files[fifth:-fifth], files[-fifth:])),
             "is in the middle"),
            (each_class(lambda files, fifth: cut(files, len(files) // 10, len(files) // 5)),
             "A fifth of each class"),
            (each_class(lambda files, fifth: (files[fifth:], [], files[:fifth])), "in validation"),
            (each_class(lambda files, fifth: (files * 2, [], [])), "one part twice"),
            (by_file_name, "in no part"), (shuffles_what_it_gets, "work on a copy"),
            (decorated_split, "unhashable"),
            (lambda files, seed: split_files(files, seed)[::2], "Received: 2 things"),
            (lambda files, seed: [[f.name for f in part] for part in split_files(files, seed)],
             "none of the files"),
            (lambda files, seed: [[len(part)] for part in split_files(files, seed)],
             "as a list of files"),
            (lambda files, seed: tuple(len(part) for part in split_files(files, seed)),
             "as a list of files"),
            (lambda files: split_files(files, 0), "called with 2 values"),
            (split_files([Path("photos/cat/1.png")] * 5, 0), "Expected your function"),
        ],
    ),
    "split_by_place": Answers(
        right=[
            split_by_place, groups_by_sklearn, both_classes_in_proportion, places_by_numpy,
            places_by_generator,
        ],
        wrong=[
            (photos_cut, "show a place that the training photos show too"),
            (sorted_photos_cut, "a place that"), (each_class_by_places, "a place that"),
            (lambda files, seed: (sorted(files)[1:], sorted(files)[:1]), "1 of 1 test photos"),
            (functools.partial(split_by_place, more=1), "A fifth is asked for"),
            (first_places, "same split"), (by_the_beginning_of_the_name, "places are in test"),
            (one_photo_of_each_place, "in no part"), (half_of_the_places, "A fifth is asked for"),
            (places_not_sorted, "in another order"),
            (lambda files, seed: split_by_place(files, seed)[::-1], "places are in test"),
            (lambda files, seed: split_by_place(files, random.random()), "two different splits"),
            (lambda files, seed: (files, []), "0 of"),
            (lambda files, seed: {place(file) for file in files}, "Expected 2 things"),
            (lambda files, seed: (files, split_by_place(files, seed)[1]), "in train and in"),
            (lambda files, seed: "train, test", "Expected 2 things"),
        ],
    ),
    "name_photos": Answers(
        right=[
            lambda model, photos: model.predict(photos, verbose=0).argmax(axis=1),
            lambda model, photos: np.argmax(model(photos), axis=-1),
            by_softmax, Names(), one_by_one, without_the_first_layer,
            lambda model, photos: keras.ops.argmax(model.predict_on_batch(photos), axis=1),
        ],
        wrong=[
            (lambda model, photos: model.predict(photos / 255.0, verbose=0).argmax(axis=0),
             "among the photos"),
            (lambda model, photos: model.predict(photos / 255.0, verbose=0).argmax(axis=1),
             "compare the logits"),
            (lambda model, photos: np.argmax(model(photos.astype("float32") / 255), axis=1),
             "compare the logits"),
            (lambda model, photos: model.predict(photos, verbose=0).argmax(axis=0),
             "among the photos"),
            (lambda model, photos: model.predict(photos, verbose=0), "These are the logits"),
            (lambda model, photos: model.predict(photos, verbose=0).max(axis=1), "not correct"),
            (lambda model, photos: model.predict(photos, verbose=0).argmin(axis=1), "not correct"),
            (lambda model, photos: int(np.argmax(model(photos))), "shape"),
            (lambda model, photos: model.predict(photos[..., 0, 0], verbose=0), "code stopped"),
            (lambda photos: photos.argmax(axis=0), "called with 2 values"),
            (divides_in_place, "work on a copy"),
        ],
    ),
    "best_of_many": Answers(
        right=["c", "C", "c.", "(c)", np.str_("c")],
        wrong=[
            ("a", "which best one looks better"), ("b", "less luck, and not none"),
            ("d", "make them new"), ("e", "one of the letters"), (84, "one of the letters"),
            ("mine", "one of the letters"),
        ],
    ),
}  # fmt: skip
