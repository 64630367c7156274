"""The exercises of lesson 6: faster and more accurate."""

from __future__ import annotations

from helpers.checking.exercise import Exercise, Sheet
from helpers.checking.models import gives_logits, network, scales
from helpers.checking.values import choice
from helpers.grading.layers import (
    answers_alone,
    averages_arrive,
    layers_fit,
    norm_for_each_place,
    norms_fit,
    uses,
)
from helpers.grading.libraries import normalises
from helpers.grading.recipes import augments, follows_one_cycle, one_cycle_rates

WHICH_IMAGES = Exercise(
    "which_images", "recall", "Which images are augmented?",
    """
    You train with flips and shifts. Which images are changed at random?

    - a) Those of training, validation and test. Then there are more images, and each accuracy is more certain.
    - b) Those of training and of validation, so that both are of the same kind.
    - c) Only those of training.
    - d) Only those of validation and test, so that the network is asked hard questions.
    """,
    choice("c", {
        "a": "A changed copy is no new image: it shows the same shoe. And ask one network twice about "
        "the validation images, changed anew each time. Which of the two accuracies is its own?",
        "b": "Ask one network twice about the validation images, changed anew each time: the two "
        "accuracies differ, although nothing was learned in between. And will anybody send it "
        "such images?",
        "d": "The network learns from one of the three only. What is augmentation for?",
    }),
    ["What is an accuracy on validation images to tell you? On which images will the network be used?",
     "What does a layer like `RandomFlip` do at prediction? The cell in the lesson prints it."],
    """
    train, validation = dataset.train, dataset.validation
    means = [train.images[train.labels == label].mean(axis=0) for label in range(10)]


    def accuracy(images):
        \"\"\"Of the simplest classifier: the class whose mean image is nearest.\"\"\"
        distances = [np.square(images - mean).sum(axis=(1, 2, 3)) for mean in means]
        return np.mean(np.argmin(distances, axis=0) == validation.labels)


    def changed(seed):
        random = np.random.default_rng(seed)
        return shift(flip_sideways(validation.images, random), random)


    plain = accuracy(validation.images)
    print("as they are, asked twice: the same accuracy:", plain == accuracy(validation.images))
    print("changed at random, twice: the same accuracy:", accuracy(changed(0)) == accuracy(changed(1)))
    print("lower than on the images as they are:", accuracy(changed(0)) < plain)
    which_images = "c"
    """,
    """
    Augmentation makes the training harder, so that the network learns more. Validation and test measure. They must ask what will be asked in use, and the same each time, or two networks cannot be compared. The code shows it with a classifier that needs no training: on changed images its accuracy is another one each time, and too low. Asking twice, about an image and its mirror image, is something else: both answers count together as one, nothing is drawn at random, and you say so beside the accuracy.
    """,
    wrong_idea="augment the validation images too",
)  # fmt: skip

BATCH_NORM = Exercise(
    "batch_norm", "code", "Batch normalisation from nothing",
    """
    Write batch normalisation in NumPy, for training and for use. `batch_norm(maps, running_mean, running_variance, momentum, training)` gets feature maps of (images, height, width, channels), one running mean and one running variance for each channel, Keras' momentum, and True or False. It gives three things: the normalised maps, the running mean afterwards, the running variance afterwards.

    With `training=True` the mean and the variance of the batch count, and the running averages move. With `training=False` the running averages count, and they stay as they are. Divide by `sqrt(variance + 0.001)`, as Keras does: the 0.001 is added before the root is taken. Leave out the learned factor and summand.
    """,
    normalises,
    ["Over which axes is a mean taken, so that one number is left for each channel?",
     "`maps.mean(axis=(0, 1, 2))`. With `training=False` take the two running values in its place.",
     "After a training step: momentum * running_mean + (1 - momentum) * mean. The same for the variance.",
     "Write it with new names: `running_mean *= momentum` would change the array of the caller."],
    """
    def batch_norm(maps, running_mean, running_variance, momentum, training):
        mean, variance = running_mean, running_variance
        if training:
            mean, variance = maps.mean(axis=(0, 1, 2)), maps.var(axis=(0, 1, 2))
            running_mean = momentum * running_mean + (1 - momentum) * mean
            running_variance = momentum * running_variance + (1 - momentum) * variance
        return (maps - mean) / np.sqrt(variance + 0.001), running_mean, running_variance


    maps = np.random.default_rng(0).normal(5, 3, (64, 4, 4, 2)).astype("float32")
    layer = keras.layers.BatchNormalization(momentum=0.9)
    same = np.allclose(layer(maps, training=True), batch_norm(maps, 0, 1, 0.9, True)[0], atol=1e-4)
    print("the same as Keras:", same)
    """,
    """
    A channel is one feature, looked for at every place of every image, so one mean a channel is taken over the first three axes. A mean for each place, or one for all channels, are frequent slips. Two more show only in use: maps that are normalised with their own batch then too, and a momentum that is turned round. PyTorch's momentum is the part that is new, Keras' the part that is kept.
    """,
    stub="""
    def batch_norm(maps, running_mean, running_variance, momentum, training):
        ...
    """,
    steps=("batch norm, dropout, schedule",),
)  # fmt: skip

AUGMENT = Exercise(
    "augment", "code", "An augmentation of your own",
    """
    Write an augmentation for your own training: `augment(images, random)` gets a batch of images, uint8 (images, height, width, channels), and a generator, such as `np.random.default_rng(0)`. It gives a batch of the same shape and type.

    Each image is mirrored, left and right exchanged, with a chance of one half. And it is moved by -2, -1, 0, 1 or 2 pixels up or down, and by -2, -1, 0, 1 or 2 pixels to the left or right. All three are drawn at random, each for itself. Places that become free are black, 0. Each image decides by itself. The images that the function is given stay as they are, and image 5 is still image 5: the labels are not touched.
    """,
    augments,
    ["Begin with one image: mirror it, then move it. A loop over the batch comes last.",
     "`random.integers(-2, 3)` gives -2 to 2: the upper end is left out.",
     "To move: put two rows and columns of 0 around the image with `np.pad`, then cut a window of the old size out of it.",
     "The window begins at row 2 - down and at column 2 - right."],
    """
    def augment(images, random):
        height, width = images.shape[1:3]
        changed = np.zeros_like(images)
        for place, image in enumerate(images):
            if random.random() < 0.5:
                image = image[:, ::-1]
            down, right = random.integers(-2, 3, size=2)
            padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
            changed[place] = padded[2 - down :, 2 - right :][:height, :width]
        return changed
    """,
    """
    An error in an augmentation stops nothing: the training runs, and only its result is worse. So hold your function against what must always be so, on images with known numbers: shape, type, order, the input unchanged, each image by itself. What often goes wrong: one random number for the whole batch; `np.roll`, which brings in at the right what left at the left; `images[::-1]`, which exchanges the images and not their sides, so that labels no longer fit; a generator of its own with a fixed seed, so that every epoch gets the same changes.
    """,
    stub="""
    def augment(images, random):
        ...
    """,
    steps=("augmentation",),
)  # fmt: skip

ONE_CYCLE = Exercise(
    "one_cycle", "code", "One cycle of the learning rate from nothing",
    """
    Write `one_cycle(steps, highest)`, without a schedule of Keras. It gives the learning rates of all steps of a training, in their order, `steps` numbers. At step 0 the rate is a fifth of the highest or lower. It rises for the first 30 % of the steps, is then at `highest`, and falls to nearly 0 at the last step: a fiftieth of the highest or less, or, where the steps are few, what a straight fall to 0 has left there. How it rises and falls is up to you: in a straight line, along a cosine. It must serve any number of steps from 20 on.
    """,
    one_cycle_rates,
    ["How many steps does the rise have? Round 0.3 * steps to a whole number.",
     "On the rise, step / rise goes from 0 to 1. On the fall, (step - rise) / (steps - rise) does.",
     "A straight fall is highest * (1 - part). Along a cosine: highest * (1 + cos(pi * part)) / 2."],
    """
    def one_cycle(steps, highest):
        rise = round(0.3 * steps)
        rates = []
        for step in range(steps):
            if step < rise:
                rates.append(highest * (0.1 + 0.9 * step / rise))
            else:
                part = (step - rise) / (steps - rise)
                rates.append(highest * (1 + np.cos(np.pi * part)) / 2)
        return rates


    rates = one_cycle(100, 0.01)
    print(f"step 0: {rates[0]:.3f}, step 30: {rates[30]:.3f}, step 99: {rates[99]:.3f}")
    """,
    """
    What makes it one cycle is the order: a low rate while the weights are random, a high one for most of the way, a very low one at the end. A training that ends at a high rate ends at a random place beside the best one. Frequent slips: no rise; a fall that ends at the first rate, not near 0; one rate too many; a rise of 30 steps where 30 % were meant. And a schedule made for other numbers of steps than the training has: it is cut short while the rate is high. In a training of your own a callback can set it: `model.optimizer.learning_rate = rates[step]` before each step.
    """,
    stub="""
    def one_cycle(steps, highest):
        ...
    """,
    steps=("batch norm, dropout, schedule",),
)  # fmt: skip

LATE_STEPS = 50

LATE = Exercise(
    "late", "fault", "90 % in training, 10 % in validation",
    """
    A colleague reports about this network: after 50 steps the training accuracy is 90 %, the validation accuracy is 10 %, with ten classes. Two things are wrong, and both concern the batch normalisations. In training neither is seen.

    The cell trains the network for 50 steps on the clothes of this course. Its line says how many of the validation images it answers correctly, as it is used and with `training=True`. To ask with `training=True` moves the running averages too, so the cell puts the weights back after it. Mend both things, and leave the rest. In use it must do without `training=True`.
    """,
    network(
        (28, 28, 1), 10, scales, uses("Conv2D", 2, filters=16), norm_for_each_place,
        uses("BatchNormalization", 2), norms_fit, uses("Conv2D", 1, strides=(2, 2)), averages_arrive(LATE_STEPS), answers_alone, gives_logits,
    ),
    ["With `training=True` the batch's own mean counts. The accuracy jumps up, so the weights are good. What else is used at prediction?",
     "How many batch normalisations has the network, and at how many places do they stand? `late.summary()` helps.",
     "A layer at two places is moved twice a step. Once each place has a layer of its own: how much of its first value does a running average still hold after 50 steps with Keras' momentum? Work out 0.99 ** 50.",
     "One normalisation for each convolution, each with a `momentum` of which little is left after 50 steps, such as 0.9."],
    """
    image = keras.Input((28, 28, 1))
    maps = keras.layers.Rescaling(1 / 255)(image)
    maps = keras.layers.Conv2D(16, 3, use_bias=False)(maps)
    maps = keras.layers.BatchNormalization(momentum=0.9)(maps)
    maps = keras.layers.ReLU()(maps)
    maps = keras.layers.Conv2D(16, 3, strides=2, use_bias=False)(maps)
    maps = keras.layers.BatchNormalization(momentum=0.9)(maps)
    maps = keras.layers.ReLU()(maps)
    logits = keras.layers.Dense(10)(keras.layers.Flatten()(maps))
    late = keras.Model(image, logits)
    print(f"left of the first value, one layer at two places: {0.99**100:.2f} with 0.99")
    print(f"a layer for each place: {0.99**50:.2f} with 0.99, {0.9**50:.3f} with 0.9")
    in_use, asked = after_50_steps(late)
    print("in use, more than half are correct:", in_use > 0.5)
    """,
    """
    The running averages begin at mean 0 and variance 1. One layer at two places is moved twice a step, so after 50 steps over a third of that is still in them with 0.99. And it mixes the averages of two kinds of maps, which no number of steps repairs. Once each place has a layer of its own, more than half is still in them. In training each batch brings its own mean, so nothing is seen. The test for both is the question that the cell asks: if the accuracy jumps with `training=True`, the weights are good and the averages are not. If it does not jump, look at the validation images: are they scaled like those of the training? To leave `training=True` in use is no remedy: the answer for an image would depend on its batch.
    """,
    given="""
    def after_50_steps(model):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"])
        model.fit(dataset.train.images[:3200], dataset.train.labels[:3200], batch_size=64, verbose=0)
        images, labels = dataset.validation.images[:500], dataset.validation.labels[:500]
        found, weights = [], model.get_weights()
        for training in (False, True):
            logits = np.asarray(model(images, training=training))
            found.append(np.mean(logits.argmax(axis=1) == labels))
        model.set_weights(weights)  # training=True has moved the running averages
        print(f"This run: validation {found[0]:.1%}, with training=True {found[1]:.1%}")
        return found
    """,
    stub="""
    image = keras.Input((28, 28, 1))
    norm = keras.layers.BatchNormalization()
    maps = keras.layers.Rescaling(1 / 255)(image)
    maps = keras.layers.Conv2D(16, 3, use_bias=False)(maps)
    maps = norm(maps)
    maps = keras.layers.ReLU()(maps)
    maps = keras.layers.Conv2D(16, 3, strides=2, use_bias=False)(maps)
    maps = norm(maps)
    maps = keras.layers.ReLU()(maps)
    logits = keras.layers.Dense(10)(keras.layers.Flatten()(maps))
    late = keras.Model(image, logits)
    in_use, asked = after_50_steps(late)
    """,
)  # fmt: skip

COMPLETE = Exercise(
    "complete", "code", "All of it, for your own photos",
    """
    Your photos have 64x64 pixels in colour and show one of five things. The training will have 400 steps. Build a network in plain Keras with two convolutions or more, a batch normalisation behind each convolution, and dropout at a fitting place, with a rate from 0.1 to 0.5. It gives logits. Compile it with an optimizer whose learning rate makes one cycle: up to 0.01 over the first 30 % of the 400 steps, down to nearly 0, a fiftieth of it or less, at the end. The loss is up to you.
    """,
    network(
        (64, 64, 3), 5, layers_fit, gives_logits, norm_for_each_place,
        answers_alone, follows_one_cycle(400, 0.01),
    ),
    ["In which order do the layers of `convolution` stand in the lesson?",
     "Dropout takes away features that others can stand in for. Between which two layers are there many features, of which not all are needed?",
     "The optimizer takes a schedule in the place of a number. The lesson makes one with `CosineDecay`: its second value counts the steps of the fall.",
     "How many of the 400 steps are the rise, and how many are left for the fall? `warmup_target` and `warmup_steps` say where the rise ends, the first value where it begins."],
    """
    complete = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Rescaling(1 / 255)])
    for channels in (16, 32, 64):
        complete.add(keras.layers.Conv2D(channels, 3, use_bias=False))
        complete.add(keras.layers.MaxPooling2D(2))
        complete.add(keras.layers.BatchNormalization())
        complete.add(keras.layers.ReLU())
    complete.add(keras.layers.GlobalAveragePooling2D())
    complete.add(keras.layers.Dropout(0.3))
    complete.add(keras.layers.Dense(5))

    schedule = keras.optimizers.schedules.CosineDecay(0.001, 280, warmup_target=0.01, warmup_steps=120)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    complete.compile(keras.optimizers.Adam(schedule), loss, metrics=["accuracy"])
    """,
    """
    A normalisation stands between a convolution and the next layer with weights, since it serves that next layer; before or behind the activation, both are in use. Dropout stands where there are many features and a dense layer that needs not all of them. Before the first convolution it would delete pixels, behind the logits it would delete answers. The schedule belongs to 400 steps: `CosineDecay(0.001, 400, ...)` with a rise of 120 would need 520, and the training would end before the rate is low. With 400 steps Keras' own momentum is enough: 0.99 multiplied 400 times by itself is less than 0.02.
    """,
    steps=("build", "batch norm, dropout, schedule"),
)  # fmt: skip

CHOSEN = Exercise(
    "chosen", "explain", "Which recipe is shown to be better?",
    """
    Three recipes were trained, each with the seeds 0 to 9. The cell below has their validation accuracies in percent, made up for this exercise. What do they show?

    - a) A is the best recipe: all three had seed 0, and with it A is ahead.
    - b) A is the best recipe: the best of all thirty trainings is one of A.
    - c) A is better than the plain recipe: its mean is higher, by more than that of B.
    - d) B is better than the plain recipe. Of A this is not shown.
    - e) Nothing: the dots of the three recipes overlap.
    """,
    choice("d", {
        "a": "Take seed 1 in the place of seed 0, then seed 3. Which recipe is ahead there?",
        "b": "Look for the worst of the thirty as well: of which recipe is it? Whoever keeps the best of "
        "many trainings keeps a lucky seed. Take seed 1: is A ahead there too?",
        "c": "Count the seeds in which A is ahead of the plain recipe. Then throw ten coins a few times: how "
        "often do they fall as unevenly, or more, to the one side or to the other?",
        "e": "Each seed was given to all three. Subtract the plain recipe seed by seed: how many "
        "differences of B are negative?",
    }),
    ["Compare seed by seed, as `figures.compare` does in the lesson.",
     "In how many of ten seeds is A ahead of the plain recipe? And B?",
     "Suppose that a change does nothing. How often do ten coins fall as unevenly, to the one side or to the other?"],
    """
    from math import comb

    best = {seed: max(accuracies, key=lambda name: accuracies[name][seed]) for seed in (0, 1, 3)}
    print("the best with the seeds 0, 1 and 3:", *best.values())
    plain = np.array(accuracies["plain"])
    for name in ("A", "B"):
        ahead = int((np.array(accuracies[name]) > plain).sum())
        uneven = [heads for heads in range(11) if abs(heads - 5) >= abs(ahead - 5)]
        coins = sum(comb(10, heads) for heads in uneven) / 2**10
        print(f"{name} is ahead in {ahead} of 10; coins are as uneven in {coins:.1%} of all throws")
    print("the dots of B and plain overlap:", min(accuracies["B"]) < max(plain))
    chosen = "d"
    """,
    """
    A is ahead in 6 of 10 seeds. Ten coins fall 6 to 4 or more unevenly, to the one side or to the other, in three of four throws (75 %). Where it is ahead, and where it is behind, it is so by much: with ten other seeds its mean may be the lower one. B is ahead in all ten. All ten coins fall on one side once in 512 throws. Both sides count, as in the exercise `paired` of lesson 5: before the training nobody knew which of the two recipes would be ahead. Its dots overlap with those of the plain recipe, because the seeds differ by more than the recipes do; but each seed was given to both. That A cannot be better is not shown either: more seeds could show it. And if B had been chosen out of twenty recipes, one in 512 would say less: then train it with new seeds before you believe it.
    """,
    given="""
    accuracies = {
        "plain": [85.2, 86.1, 84.6, 86.4, 85.5, 84.9, 86.0, 85.3, 85.8, 84.7],
        "A": [87.2, 85.2, 86.5, 84.4, 87.2, 86.7, 85.3, 87.6, 85.0, 86.2],
        "B": [85.6, 86.6, 84.9, 87.0, 86.2, 85.3, 86.5, 85.6, 86.6, 85.2],
    }
    """,
    wrong_idea="one seed, or the best of many runs, shows the better recipe; where dots overlap, none is",
)  # fmt: skip

SHEET = Sheet(
    "06_faster_and_more_accurate",
    "6. Faster and more accurate",
    [WHICH_IMAGES, BATCH_NORM, AUGMENT, ONE_CYCLE, LATE, COMPLETE, CHOSEN],
    minutes=45,
    setup="""
    import numpy as np

    from helpers import load_dataset, quiet_tensorflow
    from helpers.datasets import flip_sideways, shift
    from helpers.practice import load_exercises

    with quiet_tensorflow():
        import keras

    dataset = load_dataset("fashion_mnist")
    """,
)
