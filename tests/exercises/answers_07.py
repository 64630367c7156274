"""What learners answer to the exercises of lesson 7."""

import contextlib
import functools
import random
import shutil
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import torch
from answers import Answers
from PIL import Image
from scipy.special import softmax
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import load_model, make_dataset, save_model
from helpers.exports import export_model, write_page
from helpers.models.trained_on import note_trained_on, trained_on

L = keras.layers
ROOM = Path(tempfile.mkdtemp(prefix="answers_07-"))

# ----------------------------------------------- a folder


def folder_with(name, changes=(), classes=("$5", "_hidden & <b>", "고양이" * 20), each=8):
    """Photos of noise, and files that are changed: their content, another file, or None."""
    folder, noise = ROOM / name, np.random.default_rng(0)
    for label in classes:
        (folder / label).mkdir(parents=True)
        for number in range(each):
            pixels = noise.integers(0, 256, (40, 50, 3)).astype("uint8")
            Image.fromarray(pixels).save(folder / label / f"{number}.jpg")
    for file, content in dict(changes).items():
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, Image.Image):
            content.save(path)
        else:
            shutil.copy(folder / content, path)
    return folder


class Text(str):
    __slots__ = ()


FINE = folder_with("fine")
DARK = folder_with("dark", {"$5/dark.png": Image.new("RGB", (40, 40), (3, 3, 4))}, each=6)
DARK_PIXELS = np.random.default_rng(1).integers(0, 12, (40, 40, 3)).astype("uint8")
Image.fromarray(DARK_PIXELS).save(DARK / "$5" / "dark.png")

# ----------------------------------------------- a split by moments


def of_each_class(labels, moments):
    """For each class its moments with their sizes, the large ones left out."""
    for name in sorted(set(labels.tolist())):
        sizes = Counter(moments[labels == name].tolist())
        photos = sum(sizes.values())
        yield photos, {moment: size for moment, size in sizes.items() if size <= photos / 5}, sizes


def split_by_photos(labels, moments, seed):
    """Moments are drawn until a fifth of the photos is there."""
    draws, part_of = random.Random(seed), defaultdict(lambda: "train")
    for photos, small, _ in of_each_class(labels, moments):
        left = sorted(small)
        draws.shuffle(left)
        for part in ("test", "validation"):
            taken = 0
            while taken < photos / 5 - 0.5 or not taken:
                moment = left.pop()
                part_of[moment] = part
                taken += small[moment]
    return [part_of[moment] for moment in moments]


def split_by_moments(labels, moments, seed, parts=("test", "validation")):
    parts_of = {}
    for number, (_, small, sizes) in enumerate(of_each_class(labels, moments)):
        drawn = np.random.default_rng([seed, number]).permutation(sorted(small))
        count = max(1, round(len(sizes) / 5))
        parts_of |= dict.fromkeys(drawn[:count], parts[0])
        parts_of |= dict.fromkeys(drawn[count : 2 * count], parts[1])
    return tuple(parts_of.get(moment, "train") for moment in moments)


def split_in_place(labels, moments, seed):
    """Sets an object array; global numbers at random."""
    np.random.seed(seed)  # noqa: NPY002
    words = split_by_moments(labels, moments, int(np.random.randint(10**6)))  # noqa: NPY002
    parts = np.empty(len(labels), object)
    parts[:] = words
    return parts


def split_by_sklearn(labels, moments, seed):
    """Large moments first, then folds that are stratified and keep groups together."""
    parts = np.full(len(labels), "train", dtype="<U10")
    large = np.array([
        (moments == moment).sum() > (labels == label).sum() / 5
        for label, moment in zip(labels, moments, strict=True)
    ])  # fmt: skip
    (small,) = np.nonzero(~large)
    # so few photos are left of some class that a fifth of the rest is no fifth of the whole
    for name in np.unique(labels):
        of_class = small[labels[small] == name]
        total = (labels == name).sum()
        folds = max(2, round(len(of_class) / (total / 5)))
        cut = GroupKFold(folds, shuffle=True, random_state=seed)
        (_, test), (_, validation), *_ = cut.split(of_class, groups=moments[of_class])
        parts[of_class[test]], parts[of_class[validation]] = "test", "validation"
    return parts


def split_as_tensor(labels, moments, seed):
    return tf.constant(split_by_moments(labels, moments, seed))


def split_of_photos(labels, moments, seed):
    order = np.random.default_rng(seed).permutation(len(labels))
    parts = np.full(len(labels), "train", dtype=object)
    parts[order[: len(order) // 5]] = "test"
    parts[order[len(order) // 5 : 2 * len(order) // 5]] = "validation"
    return parts


def split_not_stratified(labels, moments, seed):
    names = np.random.default_rng(seed).permutation(np.unique(moments))
    fifth = len(names) // 5
    words = dict.fromkeys(names[:fifth], "test")
    words |= dict.fromkeys(names[fifth : 2 * fifth], "validation")
    return [words.get(moment, "train") for moment in moments]


def split_with_large(labels, moments, seed):
    """As asked for, but the largest moment of a class is in the test."""
    parts = np.array(split_by_moments(labels, moments, seed))
    for photos, _, sizes in of_each_class(labels, moments):
        if max(sizes.values()) > photos / 5:
            parts[moments == max(sizes, key=sizes.get)] = "test"
    return parts


def split_of_neighbours(labels, moments, seed):
    """As if the photos of a moment stood side by side."""
    parts = np.full(len(labels), "train", dtype=object)
    runs = np.cumsum(np.r_[True, moments[1:] != moments[:-1]])
    for name in np.unique(labels):
        of_class = np.unique(runs[labels == name])
        drawn = np.random.default_rng(seed).permutation(of_class)
        fifth = max(1, len(drawn) // 5)
        parts[np.isin(runs, drawn[:fifth])] = "test"
        parts[np.isin(runs, drawn[fifth : 2 * fifth])] = "validation"
    return parts


def split_sorts(labels, moments, seed):
    moments.sort()
    return split_by_moments(labels, moments, seed)


def changed(words):
    """The right words, changed."""

    def called(labels, moments, seed):
        return words(np.array(split_by_moments(labels, moments, seed)), labels, moments)

    return called


DRAWS = random.Random(7)

# ----------------------------------------------- transfer


def loss_of(**settings):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, **settings)


def transfer_by_sequential(network, classes):
    network.trainable = False
    model = keras.Sequential([network, L.Dropout(0.3), L.Dense(classes)])
    model.compile("adam", loss_of(), metrics=["accuracy"])
    return model


def transfer_by_functions(network, classes):
    """Softmax in the last layer, and the loss that expects it; the mode is said at the call."""
    network.trainable = False
    image = keras.Input(network.input_shape[1:])
    features = network(image, training=False)
    model = keras.Model(image, L.Dense(classes, activation="softmax")(features))
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    return model


def transfer_longer(network, classes):
    """The same graph, made longer; frozen layer by layer."""
    for layer in network.layers:
        layer.trainable = False
    logits = L.Dense(classes, name="new")(network.output)
    model = keras.Model(network.input, logits)
    model.compile(optimizer=keras.optimizers.AdamW(1e-3), loss=loss_of(), metrics=["acc"])
    return model


class Transferred(keras.Model):
    def __init__(self, network, classes):
        super().__init__()
        self.network, self.last = network, L.Dense(classes)
        self.network.trainable = False

    def call(self, images, training=False):
        return self.last(self.network(images, training=training))


def transfer_by_class(network, classes):
    """With a learning rate that begins at 0."""
    model = Transferred(network, classes)
    schedule = keras.optimizers.schedules.CosineDecay(0.0, 100, warmup_target=0.01, warmup_steps=9)
    model.compile(keras.optimizers.RMSprop(schedule), loss_of())
    return model


def transfer_with_flips(network, classes):
    """And with a penalty on large weights."""
    network.trainable = False
    last = L.Dense(classes, kernel_regularizer="l2")
    layers = [keras.Input((12, 12, 3)), L.RandomFlip("horizontal"), network, last]
    model = keras.Sequential(layers)
    model.compile("adam", loss_of(), jit_compile=True)
    return model


def transferred(
    before=(), after=(), frozen=True, compiled=True, loss=None, activation=None, rate=0.01
):
    """Right as it stands; its settings make it wrong."""

    def transfer(network, classes):
        network.trainable = not frozen
        layers = [*(each() for each in before), network, *(each() for each in after)]
        model = keras.Sequential([*layers, L.Dense(classes, activation=activation)])
        if compiled:
            model.compile(keras.optimizers.Adam(rate), loss or loss_of())
        return model

    return transfer


def all_but_norms(network, classes):
    model = transferred()(network, classes)
    network.trainable = True
    for layer in network.layers:
        layer.trainable = isinstance(layer, L.BatchNormalization)
    return model


def everything_frozen(network, classes):
    model = transferred()(network, classes)
    model.trainable = False
    return model


def without_its_weights(network, classes):
    return transferred()(keras.models.clone_model(network), classes)


def frozen_after_a_step(network, classes):
    model = transferred(frozen=False)(network, classes)
    model.train_on_batch(np.zeros((8, 12, 12, 3), "uint8"), np.arange(8) % classes)
    network.trainable = False
    return model


def thawed_after_compile(network, classes):
    model = transferred()(network, classes)
    network.trainable = True
    return model


# ----------------------------------------------- fine-tuning


def tuned(learn=("block_16", "head"), norms=False, rate=3e-5, compile_=True, loss=None, last=True):
    """Right as it stands; its settings make it wrong."""

    def fine_tune(model, network):
        network.trainable = True
        for layer in network.layers:
            norm = isinstance(layer, L.BatchNormalization)
            layer.trainable = layer.name.startswith(learn) and (norms or not norm)
        model.layers[-1].trainable = last
        if compile_:
            model.compile(keras.optimizers.Adam(rate), loss or loss_of(), metrics=["accuracy"])

    return fine_tune


def tuned_by_names(model, network):
    network.trainable = True
    for layer in network.layers:
        layer.trainable = "norm" not in layer.name and layer.name.split("_project")[0] in (
            "block_16", "head",
        )  # fmt: skip
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=1e-4), loss=loss_of())
    return model


def tuned_by_schedule(model, network):
    tuned()(model, network)
    schedule = keras.optimizers.schedules.CosineDecay(0.0, 99, warmup_target=5e-5, warmup_steps=9)
    model.compile(keras.optimizers.Adam(schedule), loss_of())


def tuned_by_rising(steps):
    """A schedule that begins low enough, and rises too high."""

    def fine_tune(model, network):
        tuned()(model, network)
        schedule = keras.optimizers.schedules.CosineDecay(
            1e-5, 9_000, warmup_target=0.003, warmup_steps=steps
        )
        model.compile(keras.optimizers.Adam(schedule), loss_of())

    return fine_tune


def tuned_by_adamw(model, network):
    """Adam with a weight decay is an Adam."""
    tuned()(model, network)
    model.compile(keras.optimizers.AdamW(3e-5), loss_of())


def tuned_by_sgd(model, network):
    tuned()(model, network)
    model.compile(keras.optimizers.SGD(1e-4), loss_of())


def tuned_from_the_end(model, network):
    """From the layer on at which they begin; compiled first, but nothing was trained since."""
    model.compile(keras.optimizers.Adam(2e-5), loss_of())
    network.trainable = True
    names = [layer.name for layer in network.layers]
    for layer in network.layers[: names.index("block_16_project")]:
        layer.trainable = False
    for layer in network.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.trainable = False


def with_the_same_loss(model, network):
    tuned(compile_=False)(model, network)
    model.compile(keras.optimizers.Adam(3e-5), model.loss)


def as_it_stood(model, network):
    network.trainable = True
    model.optimizer.learning_rate = 0.003


def with_the_old_optimizer(model, network):
    tuned(compile_=False)(model, network)
    model.compile(model.optimizer, loss_of())


# ----------------------------------------------- wrong labels


def asked_by(classifier, cut, groups=True):
    def doubtful(features, labels, moments, count):
        shares = cross_val_predict(
            classifier, features, labels, groups=moments if groups else None, cv=cut,
            method="predict_proba",
        )  # fmt: skip
        return np.argsort(shares[np.arange(len(labels)), labels])[:count]

    return doubtful


def by_loops(features, labels, moments, count):
    """Leaves out one moment after another; the mean of each class is the classifier."""
    believed = []
    for place in range(len(labels)):
        others = moments != moments[place]
        means = [features[others & (labels == each)].mean(axis=0) for each in (0, 1)]
        distances = [float(np.linalg.norm(features[place] - mean)) for mean in means]
        believed.append(distances[1 - labels[place]] - distances[labels[place]])
    return [int(place) for place in sorted(range(len(labels)), key=believed.__getitem__)[:count]]


def by_margins(features, labels, moments, count):
    scores = cross_val_predict(
        RidgeClassifier(), features, labels, groups=moments, cv=GroupKFold(8),
        method="decision_function",
    )  # fmt: skip
    return np.argsort(np.where(labels == 1, scores, -scores))[:count]


def by_descent(features, labels, moments, count):
    """One layer with a softmax, trained by hand in NumPy, for each of four folds."""
    own = np.zeros(len(labels))
    for train, asked in StratifiedGroupKFold(4).split(features, labels, moments):
        weights, one_hot = np.zeros((features.shape[1], 2)), np.eye(2)[labels[train]]
        for _ in range(200):
            shares = softmax(features[train] @ weights, axis=1)
            weights -= 0.02 * features[train].T @ (shares - one_hot) / len(train)
        shares = softmax(features[asked] @ weights, axis=1)
        own[asked] = shares[np.arange(len(asked)), labels[asked]]
    return tf.argsort(own)[:count]


def in_sample(features, labels, moments, count):
    shares = LogisticRegression(max_iter=1_000).fit(features, labels).predict_proba(features)
    return np.argsort(shares[np.arange(len(labels)), labels])[:count]


def right_ones(features, labels, moments, count):
    shares = cross_val_predict(
        LogisticRegression(), features, labels, groups=moments, cv=GroupKFold(5),
        method="predict_proba",
    )  # fmt: skip
    return np.argsort(-shares[np.arange(len(labels)), labels])[:count]


FOLDS = StratifiedGroupKFold(5, shuffle=True, random_state=1)


def of_found(change):
    def doubtful(features, labels, moments, count):
        return change(by_margins(features, labels, moments, count), labels)

    return doubtful


# ----------------------------------------------- none of these


def bar_by_loops(probabilities, labels, others, allowed):
    pairs = zip(probabilities.tolist(), labels.tolist(), strict=True)
    rows = [(max(row), row.index(max(row)) != label) for row, label in pairs]
    for bar in [n / 10 for n in range(10)] + [1]:
        answered = [wrong for confidence, wrong in rows if confidence >= bar]
        if not answered or sum(answered) / len(answered) <= allowed:
            named = [row for row in others if max(row) >= bar]
            return [bar, len(answered) / len(rows), len(named) / len(others)]
    raise AssertionError


def bar_by_numpy(probabilities, labels, others, allowed):
    confidence, bars = probabilities.max(axis=-1), np.linspace(0, 1, 11)
    answered = confidence > bars[:, None]
    wrong = answered & (probabilities.argmax(axis=1) != labels)
    with np.errstate(invalid="ignore"):
        share = np.nan_to_num(wrong.sum(axis=1) / answered.sum(axis=1))
    place = np.argmax(share <= allowed)
    return np.array([bars[place], answered[place].mean(), (others.max(1) > bars[place]).mean()])


def bar_by_torch(probabilities, labels, others, allowed):
    sure, said = torch.tensor(probabilities).max(dim=1)
    right = said == torch.tensor(labels)
    for bar in torch.arange(0, 1.05, 0.1):
        answered = sure >= bar
        if not answered.any() or 1 - right[answered].double().mean() <= allowed:
            through = torch.tensor(others).amax(dim=1) >= bar
            return bar, answered.double().mean(), through.double().mean()
    raise AssertionError


class Bar:
    def __call__(self, probabilities, labels, others, allowed):
        bar, *shares = bar_by_numpy(probabilities, labels, others, allowed)
        yield round(float(bar), 1)
        yield from map(float, shares)


def bar_with(change):
    def called(probabilities, labels, others, allowed):
        return change(*bar_by_loops(probabilities, labels, others, allowed), labels, others)

    return called


def bar_over_all(probabilities, labels, others, allowed):
    sure, wrong = probabilities.max(1), probabilities.argmax(1) != labels
    bar = min(n / 10 for n in range(11) if (wrong & (sure >= n / 10)).mean() <= allowed)
    return bar, (sure >= bar).mean(), (others.max(1) >= bar).mean()


def bar_of_less(probabilities, labels, others, allowed):
    return bar_by_numpy(probabilities, labels, others, allowed - 1e-6)


def bar_from_above(probabilities, labels, others, allowed):
    sure, wrong = probabilities.max(1), probabilities.argmax(1) != labels
    bar = max(
        n / 10 for n in range(11)
        if (wrong & (sure >= n / 10)).sum() <= allowed * (sure >= n / 10).sum()
    )  # fmt: skip
    return bar, (sure >= bar).mean(), (others.max(1) >= bar).mean()


def bar_of_own_label(probabilities, labels, others, allowed):
    """Takes the probability of the right class for the confidence."""
    own = probabilities[np.arange(len(labels)), labels]
    return bar_by_numpy(np.column_stack([own, 1 - own]), 0 * labels, others, allowed)


def bar_divided_by_nothing(probabilities, labels, others, allowed):
    sure, wrong = probabilities.max(1), probabilities.argmax(1) != labels
    for n in range(11):
        answered = (sure >= n / 10).tolist()
        share = sum(wrong[answered].tolist()) / sum(answered)
        if share <= allowed:
            return n / 10, np.mean(answered), (others.max(1) >= n / 10).mean()
    return None


# ----------------------------------------------- a file and a page


@functools.cache
def photos_and_model():
    pixels = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3)).astype("uint8")
    dataset = make_dataset(pixels, np.arange(24) % 3, class_names=NAMES)
    layers = [keras.Input((8, 8, 3)), L.Rescaling(1 / 255), L.Conv2D(4, 3), L.Flatten()]
    model = keras.Sequential([*layers, L.Dense(3, kernel_initializer="he_normal")])
    return pixels, load_model(save_model(model, ROOM / "model", dataset))


NAMES = ["$5", "_hidden & <b>", "고양이" * 20]
PIXELS, MODEL = photos_and_model()
LITERT = export_model(MODEL, ROOM / "model.tflite", PIXELS)
PAGE = write_page(MODEL, ROOM / "model.html", PIXELS)
OTHER = keras.models.clone_model(MODEL)
note_trained_on(OTHER, trained_on(MODEL))
OTHER_PAGE = write_page(OTHER, ROOM / "other.html", PIXELS)
SOFTMAX = keras.Sequential([MODEL, L.Dropout(0.9), L.Softmax()])
CUT = ROOM / "cut.tflite"
CUT.write_bytes(LITERT.read_bytes()[:500])
NO_MODEL = ROOM / "no_model.html"
NO_MODEL.write_text("<!DOCTYPE html><title>My page</title>", encoding="utf-8")
SMALLER = ROOM / "smaller.tflite"
with contextlib.redirect_stderr(None):
    converter = tf.lite.TFLiteConverter.from_keras_model(MODEL)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    SMALLER.write_bytes(converter.convert())


def taken(**changes):
    right = {"model": MODEL, "images": PIXELS, "class_names": NAMES, "litert": LITERT, "page": PAGE}
    return right | changes


ANSWERS = {
    "folder": Answers(
        right=[FINE, str(FINE), Text(FINE), DARK, f"{FINE}/", folder_with("five", each=5)],
        wrong=[
            (folder_with("cut", {"$5/cut.jpg": (FINE / "$5/0.jpg").read_bytes()[:300]}),
             "truncated (1)"),
            (folder_with("page", {"$5/page.jpg": b"<!DOCTYPE html><p>404"}), "no image content"),
            (folder_with("empty", {"$5/9.jpg": b""}), "zero bytes"),
            (folder_with("blank", {"$5/9.png": Image.new("RGB", (40, 40), "white")}), "blank (1)"),
            (folder_with("copy", {"$5/9.jpg": "$5/0.jpg"}), "copy (1)"),
            (folder_with("two", {"_hidden & <b>/9.jpg": "$5/0.jpg"}), "two labels"),
            (folder_with("outside", {"9.jpg": "$5/0.jpg"}), "outside"),
            (folder_with("one", classes=["cat"]), "one class"),
            (folder_with("few", each=4), "At least 5"),
            (ROOM / "fine" / "$5", "no class folders"),
            (ROOM / "not there", "not there"),
            (FINE / "$5" / "0.jpg", "Received"),
            ("\0", "Expected"), (bytes(FINE), "Expected the path"), ([FINE], "Expected the path"),
        ],
    ),
    "split_moments": Answers(
        right=[
            split_by_photos, split_by_moments, split_in_place, split_by_sklearn, split_as_tensor,
        ],
        wrong=[
            (split_of_photos, "Photos of one moment"), (split_of_neighbours, "Photos of one"),
            (split_not_stratified, "of the class"), (split_with_large, "more than a fifth"),
            (split_sorts, "work on a copy"),
            (changed(lambda parts, labels, moments: parts[::-1]), "Photos of one moment"),
            (changed(lambda parts, labels, moments: np.where(parts == "test", "train", parts)),
             "0 are in test"),
            (changed(lambda parts, labels, moments: np.where(parts == "train", "test", parts)),
             "8 are in test"),
            (changed(lambda parts, labels, moments: np.char.upper(parts)), "one of the words"),
            (changed(lambda parts, labels, moments: np.flatnonzero(parts == "test")),
             "a word for each"),
            (changed(lambda parts, labels, moments: (parts == "test").astype(int)),
             "one of the words"),
            (changed(lambda parts, labels, moments: [
                moments[parts == part] for part in ("train", "validation", "test")]),
             "a word for each"),
            (changed(lambda parts, labels, moments: dict(zip(moments, parts, strict=True))),
             "a word for each"),
            (lambda labels, moments, seed: split_by_moments(labels, moments, DRAWS.random()),
             "Your code stopped"),
            (lambda labels, moments, seed: split_by_moments(
                labels, moments, DRAWS.randrange(10**6)), "gives another split"),
            (lambda labels, moments, seed: split_by_moments(labels, moments, 0), "Other seeds"),
            (lambda labels, moments: [], "called with 3 values"),
        ],
    ),
    "twelve": Answers(
        right=[
            {"balanced": 2 / 3, "weights": (2 / 3, 2), "shows": "b"},
            (0.667, [0.667, 2.0], "B"), [66.7, np.array([0.6667, 2]), "b)"],
            {"shows": "(b)", "weights": tf.constant([2 / 3, 2]), "balanced": np.float32(2 / 3)},
            (66.67, torch.tensor([0.67, 2]), "b"), (0.67, {1: 2.0, 0: 2 / 3}, "b"),
            (67, {"bag": 0.667, "boot": np.float64(2)}, "b"),
        ],
        wrong=[
            ((10 / 12, (2 / 3, 2), "b"), "That is the accuracy"),
            ((83.3333333, (2 / 3, 2), "b"), "That is the accuracy"),
            ((1 / 3, (2 / 3, 2), "b"), "recall of the boots"),
            ((4 / 3, (2 / 3, 2), "b"), "sum of the two recalls"),
            ((1.0, (2 / 3, 2), "b"), "recall of the bags"),
            ((0.5, (2 / 3, 2), "b"), "names everything a bag"),
            ((2 / 3, (1, 3), "b"), "mean weight"), ((2 / 3, (1 / 3, 1), "b"), "below 1"),
            ((2 / 3, (0.75, 0.25), "b"), "shares of the photos"),
            ((2 / 3, (2, 2 / 3), "b"), "their order is not"),
            ((2 / 3, {0: 2, 1: 2 / 3}, "b"), "their order is not"),
            ((0.66, (2 / 3, 2), "b"), "Work it out"),
            ((2 / 3, (2 / 3, 2), "a"), "next twelve photos"),
            ((2 / 3, (2 / 3, 2), "c"), "only guesses"),
            ((2 / 3, (2 / 3, 2), "d"), "the same twelve"),
            ((2 / 3, (2 / 3, 2)), "Expected 3 answers"),
            ({"balanced": 2 / 3, "shows": "b"}, "Expected an answer for weights"),
        ],
    ),
    "transfer": Answers(
        right=[
            transfer_by_sequential, transfer_by_functions, transfer_longer, transfer_by_class,
            transfer_with_flips, transferred(after=[L.BatchNormalization]),
        ],
        wrong=[
            (transferred(frozen=False), "stay as they are"), (all_but_norms, "stay as they are"),
            (frozen_after_a_step, "before `compile` or after"),
            (thawed_after_compile, "stay as they are"), (everything_frozen, "Nothing in your"),
            (transferred(before=[lambda: L.Rescaling(1 / 255)]), "from 0 to 255"),
            (transferred(after=[lambda: L.Dense(7, activation="relu")]), "one layer"),
            (without_its_weights, "no dense layer of the features"),
            (transferred(compiled=False), "The model has no loss"),
            (transferred(activation="softmax"), "Softmax is still taken twice"),
            (transferred(loss="sparse_categorical_crossentropy"), "The loss is not"),
            (transferred(loss="categorical_crossentropy"), "labels that are numbers"),
            (transferred(rate=0.0), "does not learn"),
            (lambda network, classes: transferred()(network, classes + 1), "Expected 4 numbers"),
            (lambda network, classes: network, "Expected 4 numbers"),
            (lambda network, classes: (network, 1), "Expected a model of Keras"),
            (lambda network: network, "called with 2 values"),
            (transferred(before=[lambda: L.Resizing(5, 5)]), "does not take images"),
        ],
    ),
    "fine_tune": Answers(
        right=[
            tuned(), tuned_by_names, tuned_by_schedule, tuned_from_the_end, with_the_same_loss,
            tuned_by_adamw,
        ],
        wrong=[
            (as_it_stood, "goes on with the step"), (tuned(compile_=False), "goes on with the"),
            (tuned(norms=True), "batch normalisation block_16"),
            (tuned(rate=0.003), "is 0.003. At"), (tuned(rate=0.00015), "is 0.00015"),
            (tuned_by_sgd, "Your optimizer is SGD"),
            (tuned_by_rising(90), "is 0.003 at step 90, counted from 0. At"),
            (tuned_by_rising(1_500), "is 0.003 at step 1500"),
            (tuned(learn=("block", "head")), "block_15_project learns too"),
            (tuned(learn=("head",)), "block_16_project is as it was"),
            (tuned(learn=("none",)), "is as it was"), (tuned(last=False), "new last layer"),
            (tuned(loss="sparse_categorical_crossentropy"), "The loss is not"),
            (tuned(rate=0.0), "does not learn"),
            (with_the_old_optimizer, "goes on with the step"),
            (lambda model, network: network.layers["head"], "Your code stopped"),
            (lambda model: None, "called with 2 values"),
        ],
    ),
    "doubtful": Answers(
        right=[
            asked_by(LogisticRegression(max_iter=1_000), FOLDS),
            asked_by(make_pipeline(StandardScaler(), LogisticRegression()), GroupKFold(3)),
            asked_by(KNeighborsClassifier(7), GroupKFold(6)),
            asked_by(RandomForestClassifier(50, random_state=0), GroupKFold(4)),
            by_loops, by_margins, by_descent,
            of_found(lambda found, labels: found[::-1].tolist()),
            of_found(lambda found, labels: torch.tensor(found)),
            of_found(lambda found, labels: set(found.tolist())),
            of_found(lambda found, labels: tuple(found.astype(float))),
        ],
        wrong=[
            (in_sample, "wrong label and all"),
            (asked_by(LogisticRegression(max_iter=1_000),
                      StratifiedKFold(5, shuffle=True, random_state=0), groups=False),
             "wrong label and all"),
            (asked_by(LogisticRegression(max_iter=1_000), KFold(3), groups=False),
             "wrong label and all"),
            (right_ones, "believe least"),
            (lambda features, labels, moments, count: np.arange(count), "believe least"),
            (of_found(lambda found, labels: np.isin(np.arange(len(labels)), found)),
             "np.flatnonzero"),
            (of_found(lambda found, labels: found[1:]), "Expected the numbers of 4"),
            (of_found(lambda found, labels: found + 1_000), "the places of"),
            (of_found(lambda found, labels: found * 0), "different whole numbers"),
            (of_found(lambda found, labels: found + 0.5), "different whole numbers"),
            (of_found(lambda found, labels: found.astype(str)), "an array of numbers"),
            (lambda features, labels, moments: [], "called with 4 values"),
        ],
    ),
    "choose_bar": Answers(
        right=[bar_by_loops, bar_by_numpy, bar_by_torch, Bar()],
        wrong=[
            (bar_over_all, "You divide the wrong answers by all"),
            (bar_from_above, "A lower bar is enough"), (bar_of_less, "not correct"),
            (bar_with(lambda bar, answered, through, *rest: (bar, 1 - answered, through)),
             "share that is turned away"),
            (bar_with(lambda bar, answered, through, *rest: (bar, answered, 1 - through)),
             "name all the same"),
            (bar_with(lambda bar, answered, through, *rest: (bar, through, answered)),
             "changed places"),
            (bar_with(lambda bar, answered, through, labels, others: (
                bar, round(answered * len(labels)), round(through * len(others)))),
             "You count photos"),
            (bar_with(lambda bar, *rest: bar), "three numbers"),
            (bar_with(lambda bar, answered, through, *rest: (10 * bar, answered, through)),
             "not correct"),
            (bar_with(lambda bar, answered, through, *rest: (bar, answered)), "Expected the shape"),
            (bar_of_own_label, "not correct"), (bar_divided_by_nothing, "ZeroDivisionError"),
            (lambda probabilities, labels, others: 0, "called with 4 values"),
        ],
    ),
    "taken": Answers(
        right=[
            taken(), [*taken().values()], taken(litert=str(LITERT), page=Text(PAGE)),
            taken(class_names=tuple(NAMES), images=tf.constant(PIXELS[:1])),
            taken(class_names=np.array(NAMES), images=PIXELS.tolist()),
            taken(model=SOFTMAX), taken(litert=SMALLER),
        ],
        wrong=[
            (taken(model=OTHER), "litert: the file answers otherwise than the model"),
            (taken(model=keras.Sequential([MODEL, L.Rescaling(-1.0)])), "names 24 differently"),
            (taken(model=keras.Sequential([MODEL, L.Dense(4)]), class_names=[*NAMES, "bag"]),
             "made of another model"),
            (taken(model=keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(3, 1)])),
             "a number for each class"),
            (taken(model="own.keras"), "model: expected your model"),
            (taken(images=PIXELS[0]), "images: expected photos"),
            (taken(images=PIXELS[:, :4]), "the model refuses them"),
            (taken(images=PIXELS[:0]), "images: expected photos"),
            (taken(class_names=NAMES[:2]), "as many as the model"),
            (taken(class_names=NAMES[::-1]), "in another order"),
            (taken(class_names=[0, 1, 2]), "Expected class_names"),
            (taken(class_names=NAMES[0]), "Expected class_names"),
            (taken(litert=ROOM / "none.tflite"), "there is no file"),
            (taken(litert=ROOM), "there is no file"), (taken(litert=CUT), "cannot be opened"),
            (taken(litert=PAGE), "cannot be opened"), (taken(litert=None), "the path of a file"),
            (taken(litert="\0"), "there is no file"),
            (taken(page=LITERT), "there is no model in it"),
            (taken(page=NO_MODEL), "there is no model in it"),
            (taken(page=None), "page: expected the path"),
            ([*taken().values()][:4], "Received: 4 things"),
            ([*taken().values(), PAGE, PAGE], "Received: more"),
            (taken(page=OTHER_PAGE), "page: the model in it"),
            ({"model": MODEL}, "Expected 5 things"), (MODEL, "Expected 5 things"),
        ],
    ),
}  # fmt: skip
