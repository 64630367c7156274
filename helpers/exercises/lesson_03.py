"""The exercises of lesson 3: building a CNN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from helpers.checking.exercise import Exercise, Sheet
from helpers.checking.functions import function
from helpers.checking.models import calculates_like, gives_logits, has, network, scales
from helpers.checking.plain import Wrong
from helpers.checking.values import choice, number, numbers

if TYPE_CHECKING:
    import keras

PLACES = Exercise(
    "places", "recall", "What weight sharing gives",
    """
    The classic CNN (two poolings, then `Flatten` and `Dense`) was trained on clothes that stand in the middle. Now every image is moved four pixels to the right. What happens?

    - a) Nothing: a CNN does not care where a thing stands.
    - b) The feature maps stay the same, and the accuracy falls.
    - c) The feature maps move along, and the accuracy falls.
    - d) The network refuses the images.
    """,
    choice("c", {
        "a": "That is a common belief about CNNs. The convolutions find a pattern anywhere, but "
        "`Dense` has another weight for every place. Lesson 5 moves the images: run its cell "
        "`moved` and look at the accuracy.",
        "b": "Look at the cell `shift` of the lesson: what did the map do when the image moved?",
        "d": "A network sees only the shape of its images. Has the shape changed?",
    }),
    ["A convolution uses the same weights at every place. Does a dense layer?",
     "Which of the two stands at the end of the classic CNN?"],
    'places = "c"',
    """
    A convolution gives the same answer at another place, so its map moves along. After `Flatten` each place has weights of its own, and those have learned the middle. Answer *a* is often read in books. Not even for a single convolution is it true: its map moves along. True is only that one kernel finds its pattern at any place. Lesson 6 shows two remedies: moved training images, and pooling over all places.
    """,
    wrong_idea="a CNN does not care where a thing stands",
)  # fmt: skip

SIDES = Exercise(
    "sides", "predict", "Three layers, three sizes",
    """
    An image of 32x32 pixels goes through a convolution of 3x3 without padding, then max pooling of 2x2, then a convolution of 3x3 with stride 2, without padding. How many pixels has a side after each of the three?
    """,
    numbers(30, 15, 7, told={
        (32, 16, 8): "That would be so with padding at each convolution.",
        (30, 15, 13): "The last convolution has stride 2: its window moves two pixels at a time.",
        (30, 15, 8): "That would be so with padding at the last convolution.",
        (30, 29, 14): "Max pooling of 2x2 moves by two pixels: its blocks lie side by side.",
        (29, 14, 5): "Off by one: the window has a first place before it takes a step.",
        (29, 13, 5): "Off by one: the window has a first place before it takes a step.",
        (30, 15, 6): "The window also stands at its first place, before any step.",
        (29, 14, 6): "Off by one: the window has a first place before it takes a step.",
    }),
    ["Use the formula of the lesson: (size + 2 * padding - kernel_size) // stride + 1.",
     "What one layer gives is the size that the next one gets."],
    """
    def output_size(size, kernel_size, padding=0, stride=1):
        return (size + 2 * padding - kernel_size) // stride + 1


    first = output_size(32, 3)
    second = output_size(first, 2, stride=2)
    sides = (first, second, output_size(second, 3, stride=2))
    """,
    """
    30, 15, 7. The window fits at 32 - 3 + 1 places, pooling halves them, and (15 - 3) // 2 + 1 is 7. Most slips are a forgotten + 1 and a forgotten stride.
    """,
    stub="sides = (..., ..., ...)",
)  # fmt: skip

ONE_WINDOW = Exercise(
    "one_window", "by hand", "One window on paper",
    """
    The kernel is `[[0, 1, 0], [1, -4, 1], [0, 1, 0]]`. The window holds `[[5, 6, 5], [6, 2, 6], [5, 7, 5]]`. What number does a convolution give at this place?
    """,
    number(17, told={
        25: "The middle counts too: its weight is -4.",
        33: "The weight in the middle is -4: what it gives is taken away.",
        47: "You added the nine pixels. First each one is multiplied by the weight above it.",
        37: "The four corners have the weight 0: they do not count.",
        -17: "All signs are turned round: the four neighbours are added.",
    }),
    ["Multiply each pixel by the weight at the same place, then add up the nine products.",
     "Four products are 0. The four neighbours count once each, the middle -4 times."],
    "one_window = 6 + 6 + 6 + 7 - 4 * 2",
    """
    6 + 6 + 6 + 7 - 8 = 17. This kernel gives four times the difference between the mean of the four neighbours and the middle. That is 0 where all pixels are equal, and also where the brightness rises evenly. It is above 0 where the middle is darker than its neighbours, as here, and below 0 where it is brighter.
    """,
)  # fmt: skip


def _slow_convolution(image: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    from scipy.signal import correlate2d

    return correlate2d(image, kernel, mode="valid")[::stride, ::stride]


def _padded(image: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    from scipy.signal import correlate2d

    return correlate2d(image, kernel, mode="same")[::stride, ::stride]


def _cases() -> list[tuple]:
    random = np.random.default_rng(3)
    sizes = [
        (3, 3, 3, 1),
        (4, 4, 3, 1),
        (5, 5, 3, 2),
        (6, 9, 3, 2),
        (7, 7, 5, 1),
        (9, 8, 3, 3),
        (4, 5, 2, 1),
    ]
    return [
        (random.integers(0, 10, (height, width)), random.integers(-2, 3, (side, side)), stride)
        for height, width, side, stride in sizes
    ] + [(random.random((6, 7)), np.full((3, 3), 1 / 9), 1)]


CONVOLVE = Exercise(
    "convolve", "code", "A convolution from nothing",
    """
    Write a convolution without padding, with a stride, in plain NumPy: `convolve(image, kernel, stride)` gets an image of (height, width), a square kernel and a whole number. It gives an array. Do not look at the lesson. The image need not be square.
    """,
    function(_slow_convolution, _cases(), within=2e-3, told=[
        (lambda image, kernel, stride: _slow_convolution(image, kernel[::-1, ::-1], stride),
         "Your kernel is turned by half a turn, as in mathematics. Deep learning leaves it as it is."),
        (lambda image, kernel, stride: _slow_convolution(image, kernel.T, stride),
         "Rows and columns of the kernel are exchanged."),
        (lambda image, kernel, stride: _slow_convolution(image, kernel, 1),
         "Your window moves one pixel at a time, whatever the stride is."),
        (_padded, "You put zeros around the image. Without padding the kernel lies wholly inside."),
        (lambda image, kernel, stride: _slow_convolution(image, kernel, stride)[:-1, :-1],
         "The last row and the last column of places are missing: off by one."),
    ]),
    ["How many rows and columns does the result have? The formula of the lesson says it.",
     "Two loops, over the rows and columns of the result. The window begins at row * stride.",
     "`(image[top : top + side, left : left + side] * kernel).sum()` is one number of the result."],
    """
    def convolve(image, kernel, stride):
        side = len(kernel)
        rows = (image.shape[0] - side) // stride + 1
        columns = (image.shape[1] - side) // stride + 1
        result = np.zeros((rows, columns))
        for row, column in np.ndindex(rows, columns):
            top, left = row * stride, column * stride
            result[row, column] = (image[top : top + side, left : left + side] * kernel).sum()
        return result
    """,
    """
    Each number of the result is one window times the kernel, added up. Ways that often go wrong: one place too few, because the first one was forgotten; a square result for an image that is not square; a stride that shortens the result but does not move the window.
    """,
    stub="""
    def convolve(image, kernel, stride):
        ...
    """,
)  # fmt: skip


def _asked() -> keras.Model:
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)), layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(10),
        ]
    )  # fmt: skip


MENDED = Exercise(
    "mended", "fault", "A network that runs, and is wrong",
    """
    This network runs without an error. Two things in it are wrong: something happens to the pixels twice, and the last layer throws something away that a logit needs. Mend both, and leave the rest.
    """,
    network((28, 28, 1), 10, scales, gives_logits, calculates_like(_asked)),
    ["By what are the pixels divided in the end?",
     "What does ReLU make of a negative number? May a logit be negative?"],
    """
    mended = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    """,
    """
    Two `Rescaling` layers divide by 65,025, so that all pixels are nearly 0 and all images look alike to the network. And a logit may be negative: after ReLU all classes that are unlikely give the same 0, and no gradient comes back through them. Neither gives an error, only a bad accuracy. A softmax in the last layer would be no remedy: this course computes the loss from logits.
    """,
    stub="""
    mended = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="relu"),
        ]
    )
    """,
)  # fmt: skip

MOST_PARAMETERS = 10_000


def _is_small(model: object, images: np.ndarray, given: np.ndarray) -> None:
    count = model.count_params()
    if count > MOST_PARAMETERS:
        raise Wrong(
            f"Your network has {count:,} parameters. `summary()` shows in which layer most of them "
            "are. How many numbers does that layer get?"
        )


def _takes_larger_ones(model: object, images: np.ndarray, given: np.ndarray) -> None:
    larger = np.repeat(np.repeat(images, 2, axis=1), 2, axis=2)
    try:
        shape = tuple(model(larger).shape)
    except Exception:  # whatever the layers say about it
        shape = ()
    if shape != given.shape:
        raise Wrong(
            "Your network does not take photos of another size. What does `Input` say about the "
            "size? And a dense layer after `Flatten` has a weight for each place."
        )


ANY_SIZE = Exercise(
    "any_size", "code", "A small network for photos of any size",
    f"""
    Your photos are in colour, of three classes, and not all of one size. Build a network in Keras that takes a batch of 48x48 pixels as well as one of 96x96, brings the pixels from 0..255 to 0..1 itself, with a `Rescaling` layer, has two `Conv2D` layers or more, gives logits, and has at most {MOST_PARAMETERS:,} parameters.
    """,
    network((48, 48, 3), 3, scales, has("Conv2D", 2), gives_logits, _takes_larger_ones, _is_small),
    ["The height and the width of `keras.Input` may be None.",
     "What makes one row of numbers out of feature maps, however large they are? One number a map.",
     "`keras.layers.GlobalAveragePooling2D()` takes the mean of each map."],
    """
    any_size = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )
    """,
    """
    Convolutions and poolings take any size. `Flatten` does not, since the dense layer behind it has a weight for each place. The mean of each map is one number a map, whatever the size of the photo. So the last layer has 32 weights a class and not thousands. What is lost is the place: how strongly a pattern was found stays, where it was does not.
    """,
    steps=("build",),
)  # fmt: skip

FILTERS = Exercise(
    "filters", "explain", "Were these filters learned?",
    """
    You train a network for two epochs, draw the kernels of its first layer, and several of them have a bright and a dark side, like edge finders. A friend says: "It has learned to find edges." What do you answer?

    - a) Yes. First filters always become edge finders.
    - b) Look at more of the trained filters.
    - c) No. Filters of 3x3 pixels cannot find edges.
    - d) Compare them with the same kernels before the training.
    """,
    choice("d", {
        "a": "Kernels of nine random numbers often have a bright and a dark side too. Run the cells "
        "`filters` and `filters-number` of the lesson: how much has the training changed them?",
        "b": "More of the same kind shows the same. With what would you have to compare them?",
        "c": "The kernel that you worked by hand has 3x3 numbers, and it found an edge.",
    }),
    ["What would the kernels look like if nothing had been learned?"],
    """
    first = keras.layers.Conv2D(32, 3)
    first.build((None, 28, 28, 1))
    kernels = first.get_weights()[0][:, :, 0]  # random, of no training
    left, right = kernels[:, 0].sum(axis=0), kernels[:, 2].sum(axis=0)
    print("untrained kernels with one bright and one dark side:", (left * right < 0).any())
    filters = "d"
    """,
    """
    A picture of trained filters shows nothing by itself. Here untrained kernels have bright and dark sides too. In the lesson, the first filters after two epochs still had a correlation of 0.91 with their random start. A claim about learning needs the state before it. (Large networks, trained for long, have cleaner edge finders.)
    """,
    wrong_idea="first filters are learned edges",
)  # fmt: skip

SHEET = Sheet(
    "03_building_a_cnn",
    "3. Building a CNN",
    [PLACES, SIDES, ONE_WINDOW, CONVOLVE, MENDED, ANY_SIZE, FILTERS],
    minutes=40,
    setup="""
    import numpy as np

    from helpers import quiet_tensorflow
    from helpers.practice import load_exercises

    with quiet_tensorflow():
        import keras
    """,
)
