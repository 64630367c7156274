"""What learners answer to the exercises of lesson 6."""

import functools
import math

import keras
import numpy as np
import scipy.ndimage
import tensorflow as tf
import torch
from answers import Answers
from PIL import Image, ImageOps

from helpers.datasets import flip_sideways

L = keras.layers


def normalised(maps, mean, variance, momentum, training, axes=(0, 1, 2), new=None, epsilon=0.001):
    """Right as it stands; its settings make it wrong."""
    if training:
        m, v = maps.mean(axis=axes), maps.var(axis=axes)
        new = 1 - momentum if new is None else new
        mean, variance = mean + new * (m - mean), variance + new * (v - variance)
        return (maps - m) / (v + epsilon) ** 0.5, mean, variance
    return (maps - mean) / (variance + epsilon) ** 0.5, mean, variance


def divided_by(divisor):
    def batch_norm(maps, mean, variance, momentum, training):
        moved = normalised(maps, mean, variance, momentum, training)[1:]
        used = (maps.mean((0, 1, 2)), maps.var((0, 1, 2))) if training else (mean, variance)
        return (maps - used[0]) / divisor(used[1]), *moved

    return batch_norm


def by_channels(maps, mean, variance, momentum, training):
    maps, mean, variance = maps.astype(float).copy(), list(mean), list(variance)
    for c in range(maps.shape[-1]):
        m, v = mean[c], variance[c]
        if training is True:
            m = sum(maps[..., c].ravel().tolist()) / maps[..., c].size
            v = sum((maps[..., c].ravel() - m) ** 2) / maps[..., c].size
            mean[c] = momentum * mean[c] + (1 - momentum) * m
            variance[c] = momentum * variance[c] + (1 - momentum) * v
        maps[..., c] = (maps[..., c] - m) / math.sqrt(v + 1e-3)
    return [maps.tolist(), mean, variance]


def norm_by_tensorflow(maps, mean, variance, momentum, training):
    m, v = tf.nn.moments(maps, [0, 1, 2]) if training else (mean, variance)
    normed = tf.nn.batch_normalization(maps, m, v, None, None, 0.001)
    if not training:
        return normed, mean, variance
    return normed, mean * momentum + m * (1 - momentum), variance * momentum + v * (1 - momentum)


def norm_by_torch(maps, mean, variance, momentum, training, correct=True):
    mean, variance = torch.tensor(mean), torch.tensor(variance)
    x = torch.tensor(maps).permute(0, 3, 1, 2)
    old = variance.clone()
    normed = torch.nn.functional.batch_norm(
        x, mean, variance, training=training, momentum=1 - momentum, eps=0.001
    )
    if correct and training:
        variance = momentum * old + (1 - momentum) * x.var(dim=(0, 2, 3), unbiased=False)
    return normed.permute(0, 2, 3, 1), mean, variance


def norm_by_keras(maps, mean, variance, momentum, training):
    layer = L.BatchNormalization(momentum=momentum)
    layer.build(maps.shape)
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance)
    return layer(maps, training=training), layer.moving_mean.value, layer.moving_variance.value


def unbiased(maps, mean, variance, momentum, training):
    if not training:
        return normalised(maps, mean, variance, momentum, False)
    m, v = maps.mean((0, 1, 2)), maps.var((0, 1, 2), ddof=1)
    moved = [momentum * one + (1 - momentum) * other for one, other in ((mean, m), (variance, v))]
    return (maps - m) / np.sqrt(v + 0.001), *moved


def batch_in_use(maps, *rest):
    return normalised(maps, *rest[:-1], True)[0], *normalised(maps, *rest)[1:]


def averages_in_training(maps, *rest):
    return normalised(maps, *rest[:-1], False)[0], *normalised(maps, *rest)[1:]


def no_return_in_use(maps, mean, variance, momentum, training):
    if training:
        return normalised(maps, mean, variance, momentum, training)
    return None


def moves_in_use(maps, mean, variance, momentum, training):
    _, new_mean, new_variance = normalised(maps, mean, variance, momentum, True)
    return normalised(maps, mean, variance, momentum, training)[0], new_mean, new_variance


def changes_its_averages(maps, mean, variance, momentum, training):
    result = normalised(maps, mean, variance, momentum, training)
    if training:
        mean *= momentum
    return result


def moves_first(maps, mean, variance, momentum, training):
    _, mean, variance = normalised(maps, mean, variance, momentum, training)
    return normalised(maps, mean, variance, momentum, False)


def one_moved(image, down, right, mode="constant", **settings):
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)), mode=mode, **settings)
    return padded[4 - down : 4 - down + image.shape[0], 4 - right : 4 - right + image.shape[1]]


def augmented(images, random, most=2, chance=0.5, upper=1, mirror=lambda x: x[:, ::-1], **pad):
    """Right as it stands; its settings make it wrong."""
    changed = []
    for image in images:
        image = mirror(image) if random.random() < chance else image
        changed.append(one_moved(image, *random.integers(-most, most + upper, 2), **pad))
    return np.stack(changed)


def rowwise(images, rng):
    count, height, width, _ = images.shape
    padded = np.pad(flip_sideways(images, rng), [(0, 0), (2, 2), (2, 2), (0, 0)])
    down, right = rng.integers(0, 5, (2, count, 1))
    rows, columns = down + np.arange(height), right + np.arange(width)
    return padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None]]


def by_scipy(images, random):
    moves = random.choice([-2, -1, 0, 1, 2], size=(len(images), 2))
    mirrored = random.uniform(size=len(images)) > 0.5
    return [
        scipy.ndimage.shift(np.flip(image, axis=1) if flip else image, (*move, 0), order=0)
        for image, move, flip in zip(images, moves, mirrored, strict=True)
    ]


def by_pillow(images, random):
    """One colour after another, each a picture of its own."""
    back = np.empty_like(images)
    for n in range(len(images)):
        x, y = (int(random.integers(5)) - 2 for _ in "xy")
        flip = random.integers(2)
        for channel in range(images.shape[-1]):
            picture = Image.fromarray(images[n, ..., channel])
            picture = ImageOps.mirror(picture) if flip else picture
            empty = Image.new("L", picture.size)
            empty.paste(picture, (x, y))
            back[n, ..., channel] = np.asarray(empty)
    return back


def with_tensorflow(images, random):
    flip = tf.constant(random.permutation(2 * len(images))[: len(images)] % 2 == 1)
    images = tf.where(flip[:, None, None, None], tf.reverse(images, [2]), images)
    height, width = images.shape[1:3]
    big = tf.pad(images, [[0, 0], [2, 2], [2, 2], [0, 0]])
    corners = random.integers(0, 5, (len(images), 2))
    return tf.stack([
        big[n, top : top + height, left : left + width] for n, (top, left) in enumerate(corners)
    ])  # fmt: skip


def with_torch(images, random):
    batch = torch.from_numpy(images).clone()
    for n in range(len(batch)):
        image = batch[n].flip(1) if random.random() >= 0.5 else batch[n]
        image = torch.roll(image, (dy := round(random.uniform(-2.4, 2.4)),), (0,)).clone()
        image[:dy] *= dy <= 0
        image[len(image) + min(dy, 0) :] *= 0
        image = torch.roll(image, (dx := int(random.integers(-2, 3)),), (1,)).clone()
        image[:, : max(dx, 0)] = 0
        image[:, image.shape[1] + min(dx, 0) :] = 0
        batch[n] = image
    return batch


class Augment:
    def __init__(self, most):
        self.most = most

    def __call__(self, batch, generator):
        return augmented(batch, generator, self.most)


def in_place(images, random):
    mirrored = random.random(len(images)) < 0.5
    images[mirrored] = images[mirrored][:, :, ::-1]
    return images


def whole_batch(images, random, flip_each=False):
    flip = random.random(len(images) if flip_each else 1) < 0.5
    images = np.where(flip[:, None, None, None], images[:, :, ::-1], images)
    down, right = random.integers(-2, 3, 2)
    return np.stack([one_moved(image, down, right) for image in images])


def own_generator(images, random):
    return augmented(images, np.random.default_rng(0))


def not_the_generator(images, random):
    return augmented(images, np.random.default_rng())


def diagonal(images, random):
    moved = []
    for image in images:
        step = random.integers(-2, 3)
        image = image[:, ::-1] if random.random() < 0.5 else image
        moved.append(one_moved(image, step, step))
    return np.array(moved)


def every_second(images, random):
    moves = random.integers(-2, 3, (len(images), 2))
    return np.stack([
        one_moved(image[:, ::-1] if n % 2 else image, *move)
        for n, (image, move) in enumerate(zip(images, moves, strict=True))
    ])  # fmt: skip


def no_return_for_one(images, random):
    if len(images) > 1:
        return augmented(images, random)
    return None


def never_for_one(images, random):
    return augmented(images, random) if len(images) > 1 else images.copy()


def only_flips(images, random):
    return flip_sideways(images, random)


def moved_by(draw):
    """Flips each image by itself, and moves all as `draw(random, how many)` says: down, right."""

    def change(images, random):
        flipped = flip_sideways(images, random)
        down, right = draw(random, len(images))
        return np.stack([one_moved(*each) for each in zip(flipped, down, right, strict=True)])

    return change


def moves(random, count):
    return random.integers(-2, 3, count)


def to_both_or_across(random, count):
    down = moves(random, count)
    return down, down * random.choice([-1, 1], count)


def often_together(random, count):
    down, right = moves(random, count), moves(random, count)
    return down, np.where(random.random(count) < 0.5, down, right)


def down_by_place(random, count):
    return moves(np.random.default_rng(0), count), moves(random, count)


def in_pairs(images, random):
    seeds = np.repeat(random.integers(10**6, size=len(images)), 2)[: len(images)]
    return np.concatenate([
        augmented(images[n : n + 1], np.random.default_rng(seed)) for n, seed in enumerate(seeds)
    ])  # fmt: skip


def cycle(steps, highest, share=0.3, first=0.1, last=0.0, extra=0):
    """Right as it stands; its settings make it wrong."""
    rise = round(share * steps)
    up = np.linspace(first * highest, highest, rise, endpoint=False)
    part = np.arange(steps - rise + extra) / max(steps - rise, 1)
    return np.concatenate([up, highest * (last + (1 - last) * (1 + np.cos(np.pi * part)) / 2)])


def bent(steps, highest, at):
    rates = cycle(steps, highest)
    rates[round(at * steps)] *= 0.5
    return rates


def with_a_step(steps, highest):
    places = [0, round(0.3 * steps), 0.5 * steps, 0.8 * steps, steps - 1]
    return highest * np.interp(np.arange(steps), places, [0.1, 1, 0.5, 0.5, 0])


def with_a_jump(steps, highest):
    peak = round(0.3 * steps)
    return highest * np.interp(np.arange(steps), [0, peak - 1, peak, steps - 1], [0.1, 0.2, 1, 0])


def stays_on_top(steps, highest):
    peak = round(0.3 * steps)
    places = [0, peak, peak + 3, steps - 1]
    return highest * np.interp(np.arange(steps), places, [0.1, 1, 1, 0])


def from_a_fifth(steps, highest):
    """In numbers of another size, which are rounded otherwise."""
    return np.array(cycle(steps, 1e3, first=0.2)) / 1e3 * highest


def straight(steps, highest):
    peak = int(steps * 0.3)
    return [
        highest * (s / peak if s <= peak else (steps - s) / (steps - peak)) for s in range(steps)
    ]


def by_keras(steps, highest):
    rise = math.ceil(0.3 * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        highest / 10, steps - rise, warmup_target=highest, warmup_steps=rise
    )
    return [schedule(step) for step in range(steps)]


def one_by_one(steps, highest):
    for step in range(steps):
        share = min((step + 1) / (0.3 * steps), 1)
        yield highest * share if share < 1 else highest * (steps - 1 - step) / (0.7 * steps)


def three_phases(steps, highest):
    share = np.arange(steps) / (steps - 1)
    return np.interp(share, [0, 0.3, 0.6, 1], [highest / 25, highest, highest / 25, 0])


def constant_then(steps, highest):
    return [highest] * (steps - 1) + [0]


def colleague(momentum=(0.9, 0.9), filters=16, scale=1, last=None, norm=L.BatchNormalization,
              shared=False):  # fmt: skip
    image = keras.Input((28, 28, 1))
    first = norm(momentum=momentum[0])
    second = first if shared else norm(momentum=momentum[1])
    x = L.Rescaling(scale / 255)(image)
    x = L.ReLU()(first(L.Conv2D(filters, 3, use_bias=False)(x)))
    x = L.ReLU()(second(L.Conv2D(filters, 3, strides=2, use_bias=False)(x)))
    return keras.Model(image, L.Dense(10, activation=last)(L.Flatten()(x)))


class Colleague(keras.Model):
    def __init__(self, shared=False, always=False):
        super().__init__()
        self.always = always
        self.head = keras.Sequential([L.Flatten(), L.Dense(10)])
        self.norm_2 = L.BatchNormalization(momentum=0.8)
        self.norm_1 = self.norm_2 if shared else L.BatchNormalization(momentum=0.9)
        self.conv_1, self.conv_2 = L.Conv2D(16, 3), L.Conv2D(16, 3, strides=2)
        self.scale = L.Rescaling(1 / 255)

    def call(self, images, training=None):
        training = True if self.always else training
        x = keras.ops.relu(self.norm_1(self.conv_1(self.scale(images)), training=training))
        return self.head(keras.ops.relu(self.norm_2(self.conv_2(x), training=training)))


class ConvBlock(L.Layer):
    """A layer of one's own with layers in it."""

    def __init__(self, channels, momentum=0.9, **conv):
        super().__init__()
        self.conv = L.Conv2D(channels, 3, **conv)
        self.norm = L.BatchNormalization(momentum=momentum)

    def build(self, shape):
        self.conv.build(shape)
        self.norm.build(self.conv.compute_output_shape(shape))

    def call(self, images, training=None):
        return keras.ops.relu(self.norm(self.conv(images), training=training))


def own_blocks(**momentum):
    return keras.Sequential([
        keras.Input((28, 28, 1)), L.Rescaling(1 / 255), ConvBlock(16, **momentum),
        ConvBlock(16, strides=2, **momentum), L.Flatten(), L.Dense(10)
    ])  # fmt: skip


class WithoutMomentum(L.GroupNormalization):
    def __init__(self, momentum):
        super().__init__(groups=4)


def nested():
    def block(*before, **conv):
        return keras.Sequential([
            *before, L.Conv2D(16, 3, **conv), L.BatchNormalization(momentum=0.95), L.ReLU()
        ])  # fmt: skip

    return keras.Sequential([
        keras.Input((28, 28, 1)), block(L.Rescaling(1 / 255)), block(strides=2), L.Flatten(),
        L.Dense(10),
    ])  # fmt: skip


class MyCycle(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        return 0.01 * keras.ops.minimum((step + 1) / 120, (400 - step) / 280)


def cosine(first=0.001, fall=280, highest=0.01, rise=120):
    return keras.optimizers.schedules.CosineDecay(
        first, fall, warmup_target=highest, warmup_steps=rise
    )


def pieces():
    """A rate for each 20 steps."""
    rates = [float(rate) for rate in cycle(20, 0.01)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(list(range(19, 399, 20)), rates)


def ready(model, rate=None, optimizer=keras.optimizers.Adam):
    model.compile(optimizer(cosine() if rate is None else rate), "sparse_categorical_crossentropy")
    return model


def norm(channels, **conv):
    return [L.Conv2D(channels, 3, **conv), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D()]


def photos(*layers, shape=(64, 64, 3), rate=None, **settings):
    return ready(keras.Sequential([keras.Input(shape), *layers]), rate, **settings)


def usual(*last, first=(), rate=None, **settings):
    last = last or (L.Dropout(0.5), L.Dense(5))
    return photos(*first, *norm(8), *norm(8), L.GlobalMaxPooling2D(), *last, rate=rate, **settings)


class Photos(keras.Model):
    """The dropout is made first and used last."""

    def __init__(self, always=False, **dropout):
        super().__init__()
        self.always = always
        self.drop = L.Dropout(**dropout or {"rate": 0.25})
        self.dense = L.Dense(5)
        self.blocks = [L.Conv2D(4, 5, activation="gelu"), L.BatchNormalization(),
                       L.SeparableConv2D(8, 3), L.BatchNormalization()]  # fmt: skip

    def call(self, images, training=None):
        x = images / 255
        for block in self.blocks:
            x = block(x)
        return self.dense(self.drop(keras.ops.mean(x, (1, 2)), training=self.always or training))


class PhotosDropFirst(Photos):
    def call(self, images):
        x = self.drop(images / 255)
        for block in self.blocks:
            x = block(x)
        return self.dense(keras.ops.mean(x, (1, 2)))


def residual():
    image = keras.Input((64, 64, 3))
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 3, strides=2)(L.Rescaling(1 / 255)(image))))
    y = L.ReLU()(L.BatchNormalization()(L.Conv2D(16, 3, padding="same")(x)))
    y = L.BatchNormalization()(L.Conv2D(16, 3, padding="same")(y))
    x = L.ReLU()(L.Add()([L.BatchNormalization()(L.Conv2D(16, 1)(x)), y]))
    x = L.SpatialDropout2D(0.1)(x)
    return ready(keras.Model(image, L.Dense(5)(L.GlobalAveragePooling2D()(x))), MyCycle())


def plus(norms=True):
    """Two ways, joined by +."""
    norm = L.BatchNormalization if norms else L.ReLU
    image = keras.Input((64, 64, 3))
    x = norm()(L.Conv2D(8, 3, strides=4)(image))
    x = L.ReLU()(norm()(L.Conv2D(16, 1)(x)) + norm()(L.Conv2D(16, 3, padding="same")(x)))
    x = L.Dropout(0.5)(L.GlobalAveragePooling2D()(x))
    return ready(keras.Model(image, L.Dense(5)(x)))


def own_blocks_for_photos():
    return photos(ConvBlock(8), ConvBlock(8), L.GlobalMaxPooling2D(), L.Dropout(0.2), L.Dense(5))


def all_convolutions():
    return photos(L.RandomFlip(), L.Normalization(mean=120.0, variance=3600.0), *norm(8), *norm(8),
                  L.Dropout(0.2), L.Conv2D(5, 1), L.GlobalAveragePooling2D())  # fmt: skip


def blocks_of_blocks():
    inside = keras.Sequential([L.Rescaling(1 / 255), *norm(4), keras.Sequential(norm(4))])
    return photos(inside, L.Flatten(), L.Dense(16), L.Dropout(0.4), L.Dense(5), rate=pieces(),
                  optimizer=keras.optimizers.SGD)  # fmt: skip


LETTERS = [("the third", "one of the letters"), (3, "one of the letters"),
           (["c", "d"], "one of the letters")]  # fmt: skip

ANSWERS = {
    "which_images": Answers(
        right=["c", "C", " c)", "(c)", np.str_("c")],
        wrong=[
            ("a", "no new image"), ("b", "the two accuracies differ"), ("d", "What is augment"),
            *LETTERS,
        ],
    ),
    "batch_norm": Answers(
        right=[
            normalised, by_channels, norm_by_tensorflow, norm_by_torch, norm_by_keras,
            lambda *given: list(normalised(*given)), functools.partial(normalised, axes=(-2, 1, 0)),
            lambda maps, *rest: normalised(maps.astype("float64"), *rest),
        ],
        wrong=[
            (functools.partial(normalised, new=0.1), "value 2"),
            (lambda m, a, b, momentum, t: normalised(m, a, b, 1 - momentum, t), "turned round"),
            (functools.partial(norm_by_torch, correct=False), "as PyTorch does"),
            (unbiased, "Keras divides by the count"),
            (functools.partial(normalised, axes=0), "for each place"),
            (functools.partial(normalised, axes=None), "all channels together"),
            (functools.partial(normalised, epsilon=0), "0.001 is missing"),
            (functools.partial(normalised, epsilon=1e-5), "not correct"),
            (divided_by(lambda variance: variance**0.5 + 0.001), "under the square root"),
            (divided_by(lambda variance: variance + 0.001), "Its square root"),
            (lambda maps, mean, variance, momentum, training: normalised(
                maps, mean, variance, momentum, True), "the same as with training=True"),
            (batch_in_use, "depends on the others"),
            (averages_in_training, "There the batch counts"),
            (lambda maps, mean, variance, momentum, training: normalised(
                maps, mean, variance, momentum, False), "the same as with training=False"),
            (lambda *given: (normalised(*given)[0], *given[1:3]), "never move"),
            (lambda *given: (given[0], *normalised(*given)[1:]), "come back as they were"),
            (lambda *given: normalised(*given)[0], "expected 3 values"),
            (lambda *given: normalised(*given)[::-1], "value 1"),
            (moves_in_use, "running averages move too"), (moves_first, "value 1"),
            (functools.partial(normalised, axes=(0, 2, 3)), "ValueError"),
            (lambda maps, mean, variance, *rest: normalised(maps, mean, variance**0.5, *rest),
             "value"),
            (no_return_in_use, "return"), (changes_its_averages, "work on a copy"),
            (lambda maps, mean, variance, momentum: maps, "called with 5 values"),
            (normalised(np.ones((2, 2, 2, 1)), 0, 1, 0.9, True), "Expected your function"),
        ],
    ),
    "augment": Answers(
        right=[
            augmented, rowwise, by_scipy, by_pillow, with_tensorflow, with_torch, Augment(2),
            functools.partial(augmented, most=2), functools.lru_cache(Augment)(2),
        ],
        wrong=[
            (whole_batch, "alike"), (functools.partial(whole_batch, flip_each=True), "alike: by "),
            (in_place, "work on a copy"), (own_generator, "fixed seed"),
            (not_the_generator, "generator that your function is given"),
            (diagonal, "go together"), (every_second, "the place in the batch"),
            (no_return_for_one, "`return` for each case"), (never_for_one, "batch of one image"),
            (only_flips, "none was moved down"),
            (moved_by(lambda random, n: (random.integers(-2, 2, n), moves(random, n))),
             "moved down by 2"),
            (moved_by(lambda random, n: (moves(random, n), random.integers(-2, 2, n))),
             "moved right by 2"),
            (moved_by(to_both_or_across), "of their 25 combinations"),
            (moved_by(often_together), "can be told"), (in_pairs, "Neighbours"),
            (moved_by(down_by_place), "the place in the batch"),
            (lambda images, random: augmented(images, random, chance=0.5 * (len(images) > 1)),
             "batch of one image"),
            (lambda images, random: augmented(images, random, most=2 * (len(images) > 1)),
             "batch of one image"),
            (functools.partial(augmented, upper=2), "more than 2 pixels"),
            (functools.partial(augmented, chance=0.8), "about half"),
            (functools.partial(augmented, mode="wrap"), "np.roll"),
            (functools.partial(augmented, mode="reflect"), "filled from the image"),
            (functools.partial(augmented, constant_values=255), "black in the free places"),
            (functools.partial(augmented, most=3), "more than 2 pixels"),
            (functools.partial(augmented, most=1), "by -2"),
            (functools.partial(augmented, upper=0), "upper end"),
            (functools.partial(augmented, chance=1), "all of them"),
            (functools.partial(augmented, chance=0), "none of them"),
            (functools.partial(augmented, chance=0.1), "about half"),
            (functools.partial(augmented, mirror=lambda x: x[::-1]), "on its head"),
            (functools.partial(augmented, mirror=lambda x: x[..., ::-1]), "order"),
            (lambda images, random: augmented(images[::-1], random), "another image"),
            (lambda images, random: random.permutation(augmented(images, random)), "another image"),
            (lambda images, random: augmented(images, random) / 255, "type uint8"),
            (lambda images, random: augmented(images, random).astype(int), "type uint8"),
            (lambda images, random: augmented(images, random).tolist(), "type uint8"),
            (lambda images, random: augmented(images, random)[0], "same shape"),
            (lambda images, random: augmented(images, random).swapaxes(1, 2), "another order"),
            (lambda images, random: (augmented(images, random), 3), "array"),
            (lambda images, random: 255 - augmented(images, random), "whole pixels"),
            (lambda images, random: np.fliplr(augmented(images, random)), "on its head"),
            (lambda images, random: images.copy(), "none of them"),
            (lambda images, random: [augmented(images, random)], "same shape"),
            (lambda images: images, "called with 2 values"),
            (augmented(np.ones((1, 6, 6, 1), "uint8"), np.random.default_rng(0)), "your function"),
        ],
    ),
    "one_cycle": Answers(
        right=[
            cycle, straight, by_keras, one_by_one, three_phases, from_a_fifth,
            lambda steps, highest: tf.constant(cycle(steps, highest)),
            lambda steps, highest: torch.tensor(cycle(steps, highest)).float(),
            lambda steps, highest: np.array(straight(steps, highest), "float32"),
            lambda steps, highest: map(float, cycle(steps, highest)),
            lambda steps, highest: tuple(cycle(steps, highest, first=0.04, last=1e-5)),
        ],
        wrong=[
            (functools.partial(cycle, first=0.9), "much lower"),
            (functools.partial(cycle, share=0), "much lower"),
            (functools.partial(cycle, share=0.5), "after 30 %"),
            (functools.partial(bent, at=0.2), "falls before"),
            (functools.partial(bent, at=0.6), "rises again"),
            (with_a_step, "does not fall from"), (with_a_jump, "does not rise up to"),
            (lambda steps, highest: 0.97 * cycle(steps, highest), "as the highest rate"),
            (functools.partial(cycle, share=0.7), "after 30 %"), (stays_on_top, "after 30 %"),
            (functools.partial(cycle, extra=1), "one for each step"),
            (functools.partial(cycle, last=0.1), "nearly 0"),
            (lambda steps, highest: [0.1 * highest] * round(0.3 * steps) + [highest]
             + [0] * (steps - 1 - round(0.3 * steps)), "step by step"),
            (lambda steps, highest: [*cycle(steps, highest)[: round(0.3 * steps)],
                                     *[highest] * (steps - round(0.3 * steps) - 1), 0], "30 %"),
            (lambda steps, highest: cycle(steps, 0.01), "as the highest rate"),
            (lambda steps, highest: cycle(100, highest), "a row of 20"),
            (lambda steps, highest: np.concatenate([cycle(57, highest), np.zeros(900)])[:steps],
             "highest"),
            (lambda steps, highest: [highest] * steps, "same at all"),
            (lambda steps, highest: 0.001, "one number"),
            (lambda steps, highest: 1.1 * cycle(steps, highest), "as the highest rate"),
            (lambda steps, highest: cycle(steps, highest) - 0.05 * highest, "negative"),
            (lambda steps, highest: cycle(steps, highest)[::-1], "after 30 %"),
            (lambda steps, highest: cycle(steps, highest)[:, None], "one for each step"),
            (lambda steps, highest: highest * np.abs(np.sin(np.arange(steps) + 0.1)), "highest"),
            (constant_then, "much lower"), (lambda steps: cycle(steps, 1), "called with 2 values"),
            (cycle(100, 0.1), "Expected your function"),
            (lambda steps, highest: highest / 0, "ZeroDivisionError"),
        ],
    ),
    "late": Answers(
        right=[
            colleague(), colleague((0.95, 0.5)), nested(), Colleague(), own_blocks(),
            keras.Sequential([keras.Input((28, 28, 1)), colleague()]),
        ],
        wrong=[
            (colleague((0.99, 0.99)), "61% of the value"), (colleague((0.9, 0.99)), "61%"),
            (colleague((0.96, 0.96)), "13% of the value"),
            (own_blocks(momentum=0.99), "61% of the value"),
            (colleague(shared=True), "two places"),
            (colleague((0.99, 0.99), shared=True), "two places"),
            (Colleague(shared=True), "two places"),
            (Colleague(always=True), "else is in its batch"),
            (colleague((0.1, 0.1)), "opposite directions"), (colleague((0.0, 0.0)), "last batch"),
            (colleague(norm=WithoutMomentum), "Expected 2 of the layer BatchNormalization"),
            (colleague(last="softmax"), "add up to 1"), (colleague(filters=8), "filters=16"),
            (colleague(scale=255), "multiplied by 1 in all"), (Colleague, "Received the class"),
            (colleague, "Expected a model of Keras"),
        ],
    ),
    "complete": Answers(
        right=[
            usual(), usual(L.Dense(16, activation="relu"), L.Dropout(1 - 0.9), L.Dense(5)),
            photos(*norm(8), L.SpatialDropout2D(0.2), *norm(8), L.GlobalMaxPooling2D(), L.Dense(5)),
            usual(rate=MyCycle()), usual(first=[L.BatchNormalization(), L.RandomRotation(0.1)]),
            ready(Photos()), residual(), all_convolutions(), blocks_of_blocks(),
            plus(), own_blocks_for_photos(),
            usual(rate=cosine(0.0, 280)), usual(rate=cosine(), optimizer=keras.optimizers.AdamW),
        ],
        wrong=[
            (usual(L.Dense(5), L.Dropout(0.5)), "behind the layer that gives the logits"),
            (usual(L.Dense(5)), "has none"), (usual(L.Dropout(0.0), L.Dense(5)), "0.1 to 0.5"),
            (usual(L.Dropout(0.8), L.Dense(5)), "0.1 to 0.5"),
            (usual(first=[L.Dropout(0.3)]), "before the first convolution"),
            (ready(PhotosDropFirst()), "before the first convolution"),
            (ready(Photos(always=True)), "two answers"),
            (usual(L.Dropout(0.3), L.Dense(5), L.BatchNormalization()), "same mean"),
            (usual(L.Dropout(0.3), L.Dense(5, activation="softmax")), "add up to 1"),
            (usual(L.Dropout(0.3), L.Dense(4)), "Expected 5 numbers"),
            (photos(L.Conv2D(4, 3), *norm(4), L.Flatten(), L.Dropout(0.3), L.Dense(5)),
             "Convolution 1"),
            (photos(*norm(4), L.Conv2D(4, 3), L.Flatten(), L.Dropout(0.3), L.Dense(5)),
             "Convolution 2"),
            (photos(*norm(4), L.Flatten(), L.Dropout(0.3), L.Dense(5)), "Your network has 1."),
            (keras.Sequential([keras.Input((64, 64, 3)), *norm(4), *norm(4), L.Flatten(),
                               L.Dropout(0.3), L.Dense(5)]), "not compiled"),
            (usual(rate=0.01), "same at all steps"), (usual(rate=cosine(fall=400)), "nearly 0"),
            (usual(rate=cosine(highest=0.1)), "as the highest rate"),
            (usual(rate=cosine(rise=200, fall=200)), "after 30 %"),
            (usual(rate=cosine(rise=110, fall=290)), "after 30 %"),
            (usual(rate=keras.optimizers.schedules.CosineDecay(0.01, 400)), "much lower"),
            (usual(rate=keras.optimizers.schedules.ExponentialDecay(0.01, 100, 0.1)), "much lower"),
            (plus(norms=False), "fewer batch normalisations"),
            (usual, "Expected a model of Keras"),
        ],
    ),
    "chosen": Answers(
        right=["d", "D", "d)", "(d)", np.str_("d")],
        wrong=[
            ("a", "seed 3"), ("b", "worst of the thirty"), ("c", "ten coins"),
            ("e", "are negative"), ("B", "worst of the thirty"), *LETTERS,
        ],
    ),
}  # fmt: skip
