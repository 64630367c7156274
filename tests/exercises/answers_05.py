"""What learners answer to the exercises of lesson 5."""

import functools
import math
from collections import Counter, namedtuple
from fractions import Fraction

import keras
import numpy as np
import tensorflow as tf
import torch
from answers import Answers
from PIL import Image, ImageOps
from scipy.stats import binomtest, norm
from sklearn.metrics import accuracy_score, confusion_matrix, precision_score, recall_score

from helpers.grading.photos import ORIENTATION, TURNED

# ----------------------------------------------- accuracy with its interval


def wilson(right, total, z=1.96):
    p, n = right / total, total
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


def by_numpy(scores, labels):
    p = np.mean(np.argmax(scores, axis=-1) == labels)
    return p, *wilson(p * len(labels), len(labels))


def by_loops(logits, labels):
    right = 0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        right += row.index(max(row)) == label
    low, high = wilson(right, len(labels), norm.ppf(0.975))
    return [right / len(labels), max(low, 0.0), min(high, 1.0)]


def by_equation(scores, labels):
    """The two proportions q with |p - q| = z * sqrt(q * (1 - q) / n)."""
    p, n, z = accuracy_score(labels, scores.argmax(1)), labels.size, 1.96
    low, high = sorted(np.roots([n + z**2, -(2 * n * p + z**2), n * p**2]).real)
    return np.array([p, low, high])


def by_torch(scores, labels):
    right = (torch.tensor(scores).argmax(dim=1) == torch.tensor(labels)).float()
    low, high = wilson(right.sum(), len(labels))
    return torch.stack([right.mean(), torch.as_tensor(low), torch.as_tensor(high)])


def by_tensorflow(scores, labels):
    right = keras.metrics.sparse_categorical_accuracy(labels, scores)
    p = tf.reduce_mean(right)
    low, high = wilson(float(tf.reduce_sum(right)), len(labels))
    return p, tf.constant(low), tf.Variable(high)


class WithInterval:
    Result = namedtuple("Result", "accuracy low high")

    def __call__(self, scores, labels, confidence=0.95):
        right = int(np.sum(np.argsort(scores, axis=1)[:, -1] == labels))
        interval = binomtest(right, len(labels)).proportion_ci(confidence, "wilson")
        return self.Result(right / len(labels), interval.low, interval.high)


def with_z(z):
    def called(scores, labels):
        right = (scores.argmax(axis=1) == labels).sum()
        return right / len(labels), *wilson(right, len(labels), z)

    return called


def simple(scores, labels):
    p, n = (scores.argmax(axis=1) == labels).mean(), len(labels)
    half = 1.96 * np.sqrt(p * (1 - p) / n)
    return p, p - half, p + half


def root(p, n, z):
    return math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))


def interval(centre_and_half):
    """A formula that is nearly Wilson's; it gets what his two terms are divided by too."""

    def called(scores, labels):
        p, n, z = (scores.argmax(axis=1) == labels).mean(), len(labels), 1.96
        centre, half = centre_and_half(p, n, z, 1 + z**2 / n)
        return p, centre - half, centre + half

    return called


def exact(scores, labels):
    right = int((scores.argmax(axis=1) == labels).sum())
    return right / len(labels), *binomtest(right, len(labels)).proportion_ci()


def along_the_images(scores, labels):
    p = (scores.argmax(axis=0) == labels).mean()
    return p, *wilson(p * len(labels), len(labels))


def above_a_threshold(scores, labels):
    said = np.where(scores.max(axis=1) > 0.5, scores.argmax(axis=1), -1)
    right = (said == labels).sum()
    return right / len(labels), *wilson(right, len(labels))


def around_p(scores, labels):
    p, low, high = by_numpy(scores, labels)
    return p, p - (high - low) / 2, p + (high - low) / 2


def of_all_scores(scores, labels):
    p = (scores.argmax(axis=1) == labels).mean()
    return p, *wilson(p * scores.size, scores.size)


# ----------------------------------------------- confusion matrix, recall and precision


def shares(counts):
    counts = np.asarray(counts)
    with np.errstate(invalid="ignore"):
        return counts, counts.diagonal() / counts.sum(1), counts.diagonal() / counts.sum(0)


def report_by_loops(labels, answers, classes):
    pairs = Counter(zip(labels.tolist(), answers.tolist(), strict=True))
    rows = [[pairs[row, column] for column in range(classes)] for row in range(classes)]
    recall, precision = [], []
    for each in range(classes):
        of_it, named = sum(rows[each]), sum(row[each] for row in rows)
        recall.append(rows[each][each] / of_it if of_it else math.nan)
        precision.append(rows[each][each] / named if named else None)
    return rows, recall, precision


def report_warning(labels, answers, classes):
    """NumPy warns of 0 / 0; the learner sees it and lets it be."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, answers), 1)
    return [counts, np.diag(counts) / counts.sum(1), np.diag(counts) / counts.sum(0)]


def report_by_bins(labels, answers, classes):
    places = labels.astype(int) * classes + answers
    return shares(np.bincount(places, minlength=classes**2).reshape(classes, classes))


def report_by_tensorflow(labels, answers, classes):
    counts = tf.math.confusion_matrix(labels, answers, classes)
    found = tf.linalg.diag_part(counts)
    return counts, found / tf.reduce_sum(counts, 1), found / tf.reduce_sum(counts, 0)


def report_by_torch(labels, answers, classes):
    counts = torch.zeros(classes, classes, dtype=torch.float32)
    for label, answer in zip(labels, answers, strict=True):
        counts[int(label), int(answer)] += 1
    return counts, counts.diag() / counts.sum(dim=1), counts.diag() / counts.sum(dim=0)


def report_by_sklearn(labels, answers, classes):
    settings = {"labels": range(classes), "average": None, "zero_division": np.nan}
    counts = confusion_matrix(labels, answers, labels=range(classes))
    return (
        counts, recall_score(labels, answers, **settings),
        list(map(np.float32, precision_score(labels, answers, **settings))),
    )  # fmt: skip


def report_by_masks(labels, answers, classes):
    named = np.arange(classes)
    counts = (labels == named[:, None]).astype(int) @ (answers[:, None] == named).astype(int)
    empty = np.full(classes, np.nan)
    of_each, named_so = counts.sum(axis=1), counts.sum(axis=0)
    recall = np.divide(np.diag(counts), of_each, out=empty.copy(), where=of_each > 0)
    return counts, recall, np.divide(np.diag(counts), named_so, out=empty, where=named_so > 0)


def report_with(change):
    def called(labels, answers, classes):
        return change(*report_by_bins(labels, answers, classes))

    return called


def report_of_what_is_there(labels, answers, classes):
    there = np.unique(np.concatenate([labels, answers]))
    counts = [[((labels == a) & (answers == b)).sum() for b in there] for a in there]
    return shares(counts)


def report_up_to_the_largest(labels, answers, classes):
    most = max(labels.max(), answers.max()) + 1
    return report_by_bins(labels, answers, int(most))


def report_without_double_pairs(labels, answers, classes):
    counts = np.zeros((classes, classes), int)
    counts[labels, answers] += 1
    return shares(counts)


def report_in_eight_bits(labels, answers, classes):
    places = labels * classes + answers
    counts = np.bincount(places, minlength=classes**2)[: classes**2]
    return shares(counts.reshape(classes, classes))


def report_and_its_labels_sorted(labels, answers, classes):
    labels.sort()
    return report_by_bins(labels, answers, classes)


def report_with_wrong_rest(labels, answers, classes):
    """Right where there is something of each class; elsewhere what is left in the memory."""
    counts, recall, precision = report_by_bins(labels, answers, classes)
    return counts, np.where(np.isnan(recall), 1.0, recall), precision


def report_nan_instead_of_zero(labels, answers, classes):
    counts, recall, precision = report_by_bins(labels, answers, classes)
    return counts, np.where(recall > 0, recall, np.nan), np.where(precision > 0, precision, np.nan)


# ----------------------------------------------- the best network


def best_by_numpy(validation_answers, validation_labels, test_answers, test_labels):
    best = np.mean(validation_answers == validation_labels, axis=-1).argmax()
    return best, np.mean(test_answers[best] == test_labels)


def best_by_loops(validation_answers, validation_labels, test_answers, test_labels):
    best, most = 0, -1
    for place, row in enumerate(validation_answers):
        right = sum(int(a == b) for a, b in zip(row, validation_labels, strict=True))
        if right > most:
            best, most = place, right
    right = sum(int(a == b) for a, b in zip(test_answers[best], test_labels, strict=True))
    return [best, right / len(test_labels)]


def best_by_sklearn(*four):
    by_accuracy = {place: accuracy_score(four[1], row) for place, row in enumerate(four[0])}
    best = max(by_accuracy, key=by_accuracy.get)
    return np.array([best, accuracy_score(four[3], four[2][best])])


def best_by_torch(validation_answers, validation_labels, test_answers, test_labels):
    four = map(torch.tensor, (validation_answers, validation_labels, test_answers, test_labels))
    validation_answers, validation_labels, test_answers, test_labels = four
    best = (validation_answers == validation_labels).float().mean(dim=1).argmax()
    return best, (test_answers[best] == test_labels).double().mean()


def best(choose, tell):
    """Chosen by one accuracy of each network, told the other one."""

    def called(validation_answers, validation_labels, test_answers, test_labels):
        validation = (validation_answers == validation_labels).mean(axis=1)
        test = (test_answers == test_labels).mean(axis=1)
        chosen = choose(validation, test).argmax()
        return chosen, tell(validation, test, chosen)

    return called


def best_along_networks(validation_answers, validation_labels, test_answers, test_labels):
    best = (validation_answers == validation_labels).mean(axis=0).argmax()
    return best, (test_answers[best] == test_labels).mean()


def best_mean_of_all(validation_answers, validation_labels, test_answers, test_labels):
    best = (validation_answers == validation_labels).mean(axis=1).argmax()
    return best, (test_answers == test_labels).mean()


def best_in_percent(*four):
    chosen, accuracy = best_by_numpy(*four)
    return chosen, 100 * accuracy


# ----------------------------------------------- a photo


def photo_of(path, model):
    _, height, width, channels = model.input_shape
    with Image.open(path) as file:
        photo = ImageOps.exif_transpose(file).convert("RGB" if channels == 3 else "L")
    return np.asarray(photo.resize((width, height))).reshape(1, height, width, channels)


def turned_after_resizing(path, model, class_names):
    height, width, channels = model.input_shape[1:]
    photo = Image.open(path).convert("L" if channels == 1 else "RGB").resize((width, height))
    pixels = np.asarray(ImageOps.exif_transpose(photo)).reshape(1, height, width, channels)
    return class_names[int(np.argmax(model(pixels)))]


def by_pillow(path, model, class_names):
    return class_names[np.argmax(model(photo_of(path, model)))]


def by_prediction(path, model, class_names):
    logits = model.predict(photo_of(path, model).astype("float32"), verbose=0)
    return np.array(class_names)[logits.argmax(axis=1)][0]


def by_probabilities(path, model, class_names):
    surer = keras.Sequential([model, keras.layers.Softmax()])
    by_name = dict(zip(class_names, surer(photo_of(path, model)).numpy()[0], strict=True))
    return max(by_name, key=by_name.get)


def by_keras(path, model, class_names, *, verbose=0):
    """Keras' own reading, and the note of the file by hand."""
    height, width, channels = model.inputs[0].shape[1:]
    photo = keras.utils.load_img(path, color_mode="rgb" if channels == 3 else "grayscale")
    with Image.open(path) as file:
        note = file.getexif().get(274)
    ways = Image.Transpose
    turn = {
        2: ways.FLIP_LEFT_RIGHT, 3: ways.ROTATE_180, 4: ways.FLIP_TOP_BOTTOM, 5: ways.TRANSPOSE,
        6: ways.ROTATE_270, 7: ways.TRANSVERSE, 8: ways.ROTATE_90,
    }.get(note)  # fmt: skip
    photo = photo if turn is None else photo.transpose(turn)
    pixels = keras.utils.img_to_array(photo.resize((width, height), Image.Resampling.NEAREST))
    return class_names[model.predict_on_batch(pixels[None]).argmax()]


def by_tensors(path, model, class_names):
    _, height, width, channels = model.input_shape
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    pixels = tf.constant(np.array(photo))
    pixels = tf.image.rgb_to_grayscale(pixels) if channels == 1 else pixels
    batch = tf.image.resize(pixels[tf.newaxis], (height, width))
    return class_names[int(tf.argmax(model(batch, training=False), axis=1)[0])]


def by_batches(path, model, class_names):
    batches = tf.data.Dataset.from_tensor_slices(photo_of(path, model)).batch(32)
    return class_names[int(np.argmax(model.predict(batches, verbose=0)[0]))]


class Cutting:
    """Cuts to the proportions that the model wants."""

    def __call__(self, path, model, class_names):
        height, width, channels = model.input_shape[1:]
        photo = Image.open(path).convert("L" if channels == 1 else "RGB")
        photo = ImageOps.fit(ImageOps.exif_transpose(photo), (width, height))
        pixels = np.asarray(photo, dtype=np.float32)
        pixels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
        logits = model.predict([np.expand_dims(pixels, 0)], batch_size=1, verbose=0)
        return str(class_names[logits[0].tolist().index(max(logits[0]))])


def grey_without_its_axis(path, model, class_names):
    """Keras adds the axis of a single channel itself."""
    pixels = photo_of(path, model)
    return class_names[int(np.argmax(model(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)))]


@functools.lru_cache
def remembered(path):
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def by_mean_of_channels(path, model, class_names):
    _, height, width, channels = model.input_shape
    pixels = np.asarray(remembered(path).resize((width, height))).astype(float)
    pixels = pixels.mean(axis=-1, keepdims=True) if channels == 1 else pixels
    return class_names[int(np.argmax(model(pixels[None])))]


def with_step(change):
    """The right batch, changed."""

    def called(path, model, class_names):
        return class_names[int(np.argmax(model(change(photo_of(path, model)))))]

    return called


def as_opened(opened):
    """Another way from the file to the photo, before it is resized."""

    def called(path, model, class_names):
        _, height, width, channels = model.input_shape
        photo = opened(Image.open(path), "RGB" if channels == 3 else "L")
        pixels = np.asarray(photo.resize((width, height)))
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        return class_names[int(np.argmax(model(pixels[None])))]

    return called


def resized(size):
    def called(path, model, class_names):
        _, height, width, channels = model.input_shape
        photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB" if channels == 3 else "L")
        pixels = np.asarray(photo.resize(size(height, width)))
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        return class_names[int(np.argmax(model(pixels[None])))]

    return called


def cut_at_the_corner(path, model, class_names):
    _, height, width, channels = model.input_shape
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB" if channels == 3 else "L")
    pixels = np.asarray(photo)[:height, :width].reshape(1, height, width, channels)
    return class_names[int(np.argmax(model(pixels)))]


def cut_in_the_middle(path, model, class_names):
    _, height, width, channels = model.input_shape
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB" if channels == 3 else "L")
    left, top = (photo.width - width) // 2, (photo.height - height) // 2
    pixels = np.asarray(photo.crop((left, top, left + width, top + height)))
    return class_names[int(np.argmax(model(pixels.reshape(1, height, width, channels))))]


def numpy_resize(path, model, class_names):
    _, height, width, channels = model.input_shape
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB" if channels == 3 else "L")
    pixels = np.resize(np.asarray(photo), (1, height, width, channels))
    return class_names[int(np.argmax(model(pixels)))]


def with_a_border(path, model, class_names):
    _, height, width, channels = model.input_shape
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB" if channels == 3 else "L")
    pixels = np.asarray(ImageOps.pad(photo, (width, height)))
    return class_names[int(np.argmax(model(pixels.reshape(1, height, width, channels))))]


def turned_after_it_was_resized(path, model, class_names):
    _, height, width, channels = model.input_shape
    photo = Image.open(path).convert("RGB" if channels == 3 else "L").resize((width, height))
    pixels = np.asarray(ImageOps.exif_transpose(photo))
    return class_names[int(np.argmax(model(pixels.reshape(1, *pixels.shape[:2], channels))))]


def turned_without_mirrors(photo, mode):
    turn = {3: 180, 6: 270, 8: 90}.get(photo.getexif().get(274), 0)
    return photo.convert(mode).rotate(turn, expand=True)


def turned_the_wrong_way(photo, mode):
    turn = {3: 180, 6: 90, 8: 270}.get(photo.getexif().get(274), 0)
    return photo.convert(mode).rotate(turn, expand=True)


def turned_if_it_is_high(photo, mode):
    photo = ImageOps.exif_transpose(photo).convert(mode)
    return photo.rotate(90, expand=True) if photo.height > photo.width else photo


def green_channel_as_grey(photo, mode):
    photo = ImageOps.exif_transpose(photo).convert("RGB")
    return photo if mode == "RGB" else photo.getchannel("G")


def first_channel_as_grey(photo, mode):
    photo = ImageOps.exif_transpose(photo).convert("RGB")
    return photo if mode == "RGB" else photo.getchannel(0)


def colour_only_where_it_is(photo, mode):
    photo = ImageOps.exif_transpose(photo)
    return photo if photo.mode in ("RGB", "L") else photo.convert(mode)


def indices_of_the_palette(photo, mode):
    photo = ImageOps.exif_transpose(photo)
    if mode == "RGB" and photo.mode in "LP":
        return Image.fromarray(np.stack([np.asarray(photo)] * 3, axis=-1))
    return photo.convert(mode)


def one_channel_filled(photo, mode):
    photo = ImageOps.exif_transpose(photo)
    if mode == "RGB" and photo.mode == "L":
        empty = Image.new("L", photo.size)
        return Image.merge("RGB", [photo, empty, empty])
    return photo.convert(mode)


def turned_but_for(orientation):
    def opened(photo, mode):
        lies = photo.getexif().get(ORIENTATION, 1)
        return (photo if lies == orientation else ImageOps.exif_transpose(photo)).convert(mode)

    return opened


def upright_in_colour_only(photo, mode):
    return ImageOps.exif_transpose(photo).convert(mode) if mode == "RGB" else photo.convert(mode)


def number_of_class(path, model, class_names):
    return int(np.argmax(model(photo_of(path, model))))


def name_and_probability(path, model, class_names):
    scores = keras.ops.softmax(model(photo_of(path, model)))[0]
    return class_names[int(np.argmax(scores))], float(np.max(scores))


def names_sorted(path, model, class_names):
    return sorted(class_names)[number_of_class(path, model, class_names)]


def saves_it_upright(path, model, class_names):
    ImageOps.exif_transpose(Image.open(path)).save(path)
    return by_pillow(path, model, class_names)


def only_in_colour(path, model, class_names):
    return by_pillow(path, model, class_names) if model.input_shape[-1] == 3 else None


def in_capitals(path, model, class_names):
    return by_pillow(path, model, class_names).upper()


def paired(wins=8, losses=0, chance=1 / 128, shows="b"):
    return {"wins": wins, "losses": losses, "chance": chance, "shows": shows}


ANSWERS = {
    "sure": Answers(
        right=["a", "A", "a)", " (a) ", np.str_("a")],
        wrong=[
            ("b", "compare `argmax(axis=1)`"), ("c", "their difference"),
            ("d", "largest logit"), ("the confidence rises", "one of the letters"),
            (["a", "d"], "one of the letters"), (10, "one of the letters"),
        ],
    ),
    "paired": Answers(
        right=[
            paired(), (8, 0, 1 / 128, "b"), [8.0, np.int64(0), 2 * 0.5**8, "B"],
            dict(reversed(paired(chance=0.78).items())), paired(chance=Fraction(1, 128)),
            paired(torch.tensor(8), tf.constant(0), np.float32(0.0078125)), paired(chance=0.8),
            paired(chance=binomtest(8, 8).pvalue), paired(chance=0.008),
        ],
        wrong=[
            (paired(wins=54), "had the old one wrong"), (paired(wins=6), "do not tell the two"),
            (paired(wins=46), "both are right"), (paired(losses=6), "both are wrong"),
            (paired(losses=14), "only the old one has right"), (paired(losses=8), "last sentence"),
            (paired(chance=1 / 256), "one side only"), (paired(chance=0.39), "one side only"),
            (paired(chance=0.0047), "by chi-square"), (paired(chance=0.0133), "by chi-square"),
            (paired(chance=0.0846), "photos of its own"), (paired(chance=0.05), "of its own"),
            (paired(chance=0.5), "work it out once more"), (paired(chance=1), "time after time"),
            (paired(chance="1/128"), "leave out the quotes"), (paired(shows="a"), "the coin say"),
            (paired(shows="c"), "only one has right"), (paired(shows="d"), "which seeds"),
            (8, "Expected 4 answers"), ({"wins": 8, "losses": 0}, "an answer for chance, shows"),
            ((0, 8, 1 / 128, "b"), "wins: Not 0"),
        ],
    ),
    "accuracy_with_interval": Answers(
        right=[by_numpy, by_loops, by_equation, by_torch, by_tensorflow, WithInterval()],
        wrong=[
            (interval(lambda p, n, z, by: ((p + z**2 / (2 * n)) / by, z / by * math.sqrt(
                p * (1 - p) / n + z**2 / (4 * n)))), "another power"),
            (interval(lambda p, n, z, by: (p + z**2 / (2 * n), z * root(p, n, z))), "both divided"),
            (interval(lambda p, n, z, by: ((p + z**2 / (2 * n)) / by, z * root(p, n, z))),
             "half width is divided"),
            (simple, "no width at all"), (around_p, "nearer to one half"),
            (with_z(1.644854), "holds 90 %"), (with_z(2.575829), "holds 99 %"),
            (with_z(2.2), "are not correct"), (exact, "not correct"),
            (along_the_images, "could not be broadcast"), (above_a_threshold, "not correct"),
            (of_all_scores, "not correct"),
            (lambda scores, labels: by_numpy(scores, labels)[0], "Where is its interval"),
            (lambda scores, labels: by_numpy(scores, labels)[1:], "accuracy itself"),
            (lambda scores, labels: by_numpy(scores, labels)[::-1], "not correct"),
            (lambda scores, labels: [by_numpy(scores, labels)[place] for place in (0, 2, 1)],
             "lower end comes first"),
            (lambda scores, labels: [100 * each for each in by_numpy(scores, labels)], "percents"),
            (lambda scores, labels: (by_numpy(scores, labels)[0], by_numpy(scores, labels)[1:]),
             "one pair of brackets"),
            (lambda scores, labels: by_numpy(scores, labels) if len(labels) > 1 else None,
             "Is there a `return`"),
            (lambda right, total, z: wilson(right, total, z), "called with 2 values"),
            (by_numpy(np.eye(3), np.arange(3)), "Expected your function"),
        ],
    ),
    "class_report": Answers(
        right=[
            report_by_loops, report_warning, report_by_bins, report_by_tensorflow,
            report_by_torch, report_by_sklearn, report_by_masks,
            report_with(lambda *three: iter(three) and list(three)),
        ],
        wrong=[
            (report_with(lambda counts, recall, precision: (counts.T, recall, precision)),
             "A row is a true class"),
            (report_with(lambda counts, recall, precision: (counts.T, precision, recall)),
             "with them recall and precision"),
            (report_with(lambda counts, recall, precision: (counts, precision, recall)),
             "Recall looks along the row"),
            (report_with(lambda counts, recall, precision: (counts, 100 * recall, 100 * precision)),
             "not in percent"),
            (report_with(lambda counts, recall, precision: (
                counts / counts.sum(axis=1, keepdims=True), recall, precision)), "hold counts"),
            (report_with(lambda counts, recall, precision: (
                counts, np.nan_to_num(recall), np.nan_to_num(precision))), "nothing to find"),
            (report_with(lambda counts, recall, precision: (
                counts, recall, np.nan_to_num(precision))), "no answer named this class"),
            (report_with(lambda counts, recall, precision: (
                counts, recall[counts.sum(1) > 0], precision[counts.sum(0) > 0])), "the shape"),
            (report_with(lambda counts, recall, precision: (counts, recall)), "3 values"),
            (report_with(lambda counts, recall, precision: counts), "3 values"),
            (report_with(lambda counts, recall, precision: (
                counts, np.diag(counts) / counts.sum(), np.diag(counts) / counts.sum())),
             "You divide by all images"),
            (report_with(lambda counts, recall, precision: (
                counts, recall.mean(), precision.mean())), "Expected the shape"),
            (report_of_what_is_there, "Expected the shape (3, 3)"),
            (report_up_to_the_largest, "Expected the shape (4, 4)"),
            (report_without_double_pairs, "not correct"), (report_in_eight_bits, "end at 255"),
            (report_and_its_labels_sorted, "work on a copy"), (report_with_wrong_rest, "is 1.0"),
            (report_nan_instead_of_zero, "there is something to count"),
            (lambda labels, answers: None, "called with 3 values"),
        ],
    ),
    "best_network": Answers(
        right=[best_by_numpy, best_by_loops, best_by_sklearn, best_by_torch],
        wrong=[
            (best(lambda validation, test: test, lambda validation, test, chosen: test[chosen]),
             "let 50 networks guess"),
            (best(lambda validation, test: validation,
                  lambda validation, test, chosen: validation[chosen]), "know nothing of the"),
            (best(lambda validation, test: validation, lambda validation, test, chosen: test.max()),
             "of another network"),
            (best(lambda validation, test: test,
                  lambda validation, test, chosen: validation[chosen]), "changed places"),
            (best(lambda validation, test: validation + test,
                  lambda validation, test, chosen: test[chosen]), "still take part"),
            (lambda *four: best_by_numpy(*four)[::-1], "First the number"),
            (lambda *four: best_by_numpy(*four)[1], "Which network is it"),
            (best_along_networks, "not correct"), (best_mean_of_all, "not correct"),
            (best_in_percent, "not correct"),
            (lambda *four: (best_by_numpy(*four)[0] + 1, best_by_numpy(*four)[1]), "not correct"),
            (lambda answers, labels: 0, "called with 4 values"),
        ],
    ),
    "predict_photo": Answers(
        right=[
            by_pillow, by_prediction, by_probabilities, by_keras, by_tensors, by_batches,
            Cutting(), with_a_border, grey_without_its_axis, by_mean_of_channels,
        ],
        wrong=[
            (with_step(lambda pixels: pixels / 255), "divided before"),
            (with_step(lambda pixels: pixels[..., ::-1]), "Red and blue are exchanged"),
            (with_step(lambda pixels: pixels[0]), "which axis is missing"),
            (with_step(lambda pixels: pixels.transpose(0, 3, 1, 2)), "channels come last"),
            (with_step(lambda pixels: pixels.swapaxes(1, 2)), "exchanged"),
            (with_step(lambda pixels: pixels.reshape(1, -1)), "Was the photo resized"),
            (as_opened(lambda photo, mode: photo.convert(mode)), "A note in the file (EXIF)"),
            (as_opened(turned_without_mirrors), "mirrored in the file: the answer was 'mirrored'"),
            (as_opened(turned_the_wrong_way), "A note in the file (EXIF)"),
            *((as_opened(turned_but_for(n)), f"the answer was '{name}'")
              for n, name in TURNED.items() if n > 1),
            (as_opened(turned_if_it_is_high), "A note in the file (EXIF)"),
            (turned_after_resizing, "Rows and columns are mixed up"),
            (as_opened(green_channel_as_grey), "made of all three colours"),
            (as_opened(upright_in_colour_only), "the answer was 'bright at the right'"),
            (as_opened(first_channel_as_grey), "made of all three colours"),
            (as_opened(colour_only_where_it_is), "channels do not fit"),
            (as_opened(lambda photo, mode: ImageOps.exif_transpose(photo)), "channels do not fit"),
            (as_opened(indices_of_the_palette), "palette: the answer was"),
            (as_opened(one_channel_filled), "The model wants colour"),
            (as_opened(lambda photo, mode: ImageOps.exif_transpose(photo).convert("RGB")),
             "channels do not fit"),
            (resized(lambda height, width: (height, width)), "Pillow's `resize` takes the width"),
            (resized(lambda height, width: (32, 32)), "Was the photo resized"),
            (resized(lambda height, width: (224, 224)), "Was the photo resized"),
            (cut_at_the_corner, "only a corner"), (cut_in_the_middle, "only the middle"),
            (numpy_resize, "only a corner"), (turned_after_it_was_resized, "after it was resized"),
            (number_of_class, "expected one name"), (name_and_probability, "expected one name"),
            (names_sorted, "order in which the names are given"),
            (saves_it_upright, "changes the file"),
            (only_in_colour, "Is there a `return`"), (in_capitals, "none of the names"),
            (lambda path, model: "red", "called with 3 values"),
            (lambda path, model, class_names: "red", "none of the names"),
            (lambda path, model, class_names: class_names[0], "place of the largest number"),
            (lambda path, model, class_names: model.predict(path), "Your code stopped"),
            (by_pillow.__name__, "Expected your function"),
        ],
    ),
    "heat": Answers(
        right=["d", "D", "d.", "(d)"],
        wrong=[
            ("a", "Which experiment"), ("b", "in other photos"),
            ("c", "more exactly where"), ("e", "one of the letters"), (4, "one of the letters"),
            ("cover it", "one of the letters"),
        ],
    ),
}  # fmt: skip
