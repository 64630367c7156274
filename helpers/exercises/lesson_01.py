"""The exercises of lesson 1: choosing a library."""

from __future__ import annotations

import numpy as np

from helpers.checking.exercise import Exercise, Sheet
from helpers.checking.functions import function
from helpers.checking.models import gives_logits, network
from helpers.checking.values import choice, every, number, shape
from helpers.grading.libraries import (
    CHANNELS,
    CLASSES,
    HEIGHT,
    KERNELS,
    WIDTH,
    calculates_as_asked,
    dense_cases,
    dense_for_pytorch,
    loss_cases,
    loss_without_softmax,
    right_loss,
    softmax_once,
    softmax_twice,
)

ENGINE = Exercise(
    "engine", "recall", "Files of Keras, and a team that uses PyTorch",
    """
    Your team has trained networks in Keras on TensorFlow and keeps them in `.keras` files. New colleagues want them to be calculated by PyTorch. What is the least that has to be done?

    - a) Set `KERAS_BACKEND` to `torch`, start Python, and load the files.
    - b) Write each network in `torch.nn`, and copy its weights.
    - c) Train all networks once more, in PyTorch.
    - d) In the notebook where Keras already runs on TensorFlow, set `os.environ["KERAS_BACKEND"] = "torch"`, and load the files again.
    """,
    choice("a", {
        "b": "That works, and it is much work. How was the program of the lesson changed, so that it "
        "ran on PyTorch?",
        "c": "The weights are in the file. Run the cell `run-program` of the lesson: on how many "
        "engines did its one file give the same logits?",
        "d": "Keras chooses its engine once, when it is imported. Why does the lesson start a new "
        "Python for each engine?",
    }),
    ["Which of the three, TensorFlow, Keras and PyTorch, does not calculate itself?",
     "When does Keras choose its engine?"],
    'engine = "a"',
    """
    Keras names the layers, and its engine calculates. The engine is chosen when Keras is imported, so a notebook that already runs keeps the one that it has. Whoever uses Keras is not bound to TensorFlow. A network that is written in `torch.nn` is another matter: it needs no Keras. With PyTorch as its engine, Keras can use it as a layer (`keras.layers.TorchModuleWrapper`), but its own files are no `.keras` files.
    """,
)  # fmt: skip

ORDERS = Exercise(
    "orders", "predict", "The same numbers, in another order",
    """
    A batch of 32 photos in colour, 48 pixels high and 64 wide, has the shape (32, 48, 64, 3) in Keras. A convolution gets it, with 8 kernels (small grids of weights) of 5x5. Later a dense layer makes 10 numbers of 120. What shapes have these five, as the library itself keeps them? Write numbers in brackets. Do not look at the table of the lesson.
    """,
    every(**{
        "photos in PyTorch": shape(32, 3, 48, 64, told={
            (32, 48, 64, 3): "This is the order of Keras. Where does PyTorch have the colours?",
            (32, 3, 64, 48): "The height stands before the width in both libraries.",
            (3, 32, 48, 64): "The axis that counts the photos is the first in both libraries.",
            (32, 64, 48, 3): "This is the order of Keras, with height and width exchanged.",
        }),
        "weights of Conv2D in Keras": shape(5, 5, 3, 8, told={
            (5, 5, 8, 3): "What comes in stands before what goes out.",
            (8, 3, 5, 5): "This is the order of PyTorch.",
            (5, 5, 8): "Each kernel looks at all three colours.",
            (3, 3, 3, 8): "Look at the size of the kernels.",
        }),
        "weights of Conv2d in PyTorch": shape(8, 3, 5, 5, told={
            (5, 5, 3, 8): "This is the order of Keras.",
            (3, 8, 5, 5): "What goes out stands before what comes in.",
            (8, 5, 5, 3): "The colours come early in PyTorch, here too.",
            (8, 5, 5): "Each kernel looks at all three colours.",
        }),
        "weights of Dense in Keras": shape(120, 10, told={(10, 120): "This is the order of PyTorch."}),
        "weights of Linear in PyTorch": shape(10, 120, told={(120, 10): "This is the order of Keras."}),
    }),
    ["PyTorch has the colours directly after the axis that counts the photos.",
     "Weights in Keras: first the size of the kernel, then in, then out. In PyTorch: out, in, then "
     "the size.",
     "A dense layer has no size of a kernel: in and out in Keras, out and in in PyTorch."],
    """
    convolution, dense = keras.layers.Conv2D(8, 5), keras.layers.Dense(10)
    convolution.build((None, 48, 64, 3))  # Keras says what it keeps, once it knows what comes in
    dense.build((None, 120))
    orders = {
        "photos in PyTorch": (32, 3, 48, 64),
        "weights of Conv2D in Keras": convolution.get_weights()[0].shape,
        "weights of Conv2d in PyTorch": (8, 3, 5, 5),
        "weights of Dense in Keras": dense.get_weights()[0].shape,
        "weights of Linear in PyTorch": (10, 120),
    }
    """,
    """
    Colours last in Keras, colours first in PyTorch. Weights: in, then out in Keras; out, then in in PyTorch. An array in the wrong order often gives no error, where two lengths are equal by chance: then a result is wrong, and nothing says so. To bring an array from one order into the other, move its axes (`transpose` in NumPy, `permute` in PyTorch). `reshape` to the same shape runs too, and mixes the pixels.
    """,
    stub="""
    orders = {
        "photos in PyTorch": ...,
        "weights of Conv2D in Keras": ...,
        "weights of Conv2d in PyTorch": ...,
        "weights of Dense in Keras": ...,
        "weights of Linear in PyTorch": ...,
    }
    """,
)  # fmt: skip

CHANGED = Exercise(
    "changed", "by hand", "One change in both programs",
    """
    The classic network of the lesson has 93,322 parameters (weights, among them the bias of each output). In PyTorch its layers are:

    `Conv2d(1, 32, 3)`, `ReLU()`, `MaxPool2d(2)`, `Conv2d(32, 64, 3)`, `ReLU()`, `MaxPool2d(2)`, `Conv2d(64, 64, 3)`, `ReLU()`, `Flatten()`, `Linear(576, 64)`, `ReLU()`, `Linear(64, 10)`

    The first convolution is to have 16 kernels instead of 32. In Keras you change one number. How many of these calls change in PyTorch, and how many parameters does the network have then?
    """,
    every(
        calls=number(2, told={
            1: "One is enough in Keras, where a layer finds out what comes in. `Conv2d` of "
            "PyTorch is told.",
            3: "The third convolution still gets 64 maps. Which layers are told a number that is "
            "now another one?",
            4: "Which layers are told how many maps come in or go out? And which of these numbers "
            "is now another one?",
            12: "Most layers are told no number of maps, or the same one as before.",
        }),
        parameters=number(83_946, told={
            93_162: "You changed the first convolution. What about the layer that gets its maps?",
            84_106: "You changed the second convolution. The first one also has fewer now.",
            9_376: "That is how many fewer there are.",
            9_360: "That is nearly how many fewer there are. The biases of the 16 kernels go too.",
            83_962: "Each kernel that goes takes its bias with it.",
            93_322: "That is the number before the change.",
        }),
    ),
    ["A layer behind the change is told how many maps come in.",
     "The first convolution has 1 x 3 x 3 weights and a bias for each kernel.",
     "The second has 3 x 3 weights for each pair of a map that comes in and one that goes out. "
     "Now 16 x 64 pairs are left of 32 x 64."],
    """
    before = (1 * 9 + 1) * 32 + (32 * 9 + 1) * 64
    after = (1 * 9 + 1) * 16 + (16 * 9 + 1) * 64
    changed = (2, 93_322 - before + after)
    """,
    """
    `Conv2d(1, 16, 3)` and `Conv2d(16, 64, 3)`: two calls, and 83,946 parameters. The first convolution has 160 instead of 320, the second 9,280 instead of 18,496. Often forgotten is the second one, which loses far more than the one that was changed. In the lesson you can try it: change `keras_cnn` alone, and `copy_weights` says which shapes do not fit.
    """,
    stub="changed = (..., ...)",
)  # fmt: skip

SMALL = Exercise(
    "small", "code", "A small network in the library of your choice",
    f"""
    Write this network, in Keras or in PyTorch, without looking at the lesson: images {HEIGHT} pixels high and {WIDTH} wide, in colour; a convolution with {KERNELS} kernels of 3x3 without padding, ReLU, max pooling of 2, `Flatten`, and a dense layer that gives logits for {CLASSES} classes. As in the lesson, a network in Keras divides its pixels, 0 to 255, by 255 itself; in PyTorch that is done before the network, so leave it out.

    If PyTorch is installed, write the network in both libraries, and check one after the other.
    """,
    network((HEIGHT, WIDTH, CHANNELS), CLASSES, gives_logits, calculates_as_asked, torch=True),
    ["Keras: a `Sequential` with `Input`, `Rescaling`, `Conv2D`, `MaxPooling2D`, `Flatten` and "
     "`Dense`. Where does the ReLU stand?",
     "PyTorch: `torch.nn.Sequential` with `Conv2d`, `ReLU`, `MaxPool2d`, `Flatten` and `Linear`. "
     "`Linear` is told how long the row is that `Flatten` makes.",
     "The convolution makes the image two pixels lower and narrower, and the pooling halves it."],
    f"""
    in_keras = keras.Sequential(
        [
            keras.Input(({HEIGHT}, {WIDTH}, {CHANNELS})),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D({KERNELS}, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense({CLASSES}),
        ]
    )
    small = in_keras

    if torch is not None:  # the same network in PyTorch, which is taken too
        rows, columns = ({HEIGHT} - 2) // 2, ({WIDTH} - 2) // 2
        in_torch = torch.nn.Sequential(
            torch.nn.Conv2d({CHANNELS}, {KERNELS}, 3),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear({KERNELS} * rows * columns, {CLASSES}),
        )
        print("in PyTorch:", exercises.small.verdict(in_torch))
    """,
    """
    In Keras a layer finds out what comes in. `Linear` of PyTorch is told: 8 maps of 9 x 14 numbers are a row of 1,008. (`LazyConv2d` and `LazyLinear` of PyTorch find it out at the first call. They are taken too.) The image is not square on purpose. With height and width exchanged the row has the same length, so neither library says anything. Ways that often go wrong: ReLU behind the last layer, which cuts off all logits below 0; softmax behind it, which the loss takes once more; the row of `Flatten` counted without the pooling.
    """,
    steps=("build",),
)  # fmt: skip

LOSS = Exercise(
    "loss", "fault", "A loss that runs, and is wrong",
    """
    `loss(logits, labels)` is to give the mean cross-entropy of a batch, the loss of the lesson: `logits` has one row for each image, `labels` one number. **Softmax** turns the logits of an image into probabilities, which add up to 1; the cross-entropy is minus the logarithm of the probability of the true class. (Lesson 4 works it out by hand.)

    The function below runs without an error on arrays. A training whose loss makes the same mistake still learns something, slowly, and with ten classes its loss never falls below 1.46. One thing in the function is done twice. Mend it. You may use any library.
    """,
    softmax_once(function(right_loss, loss_cases(), within=1e-4, told=[
        (softmax_twice, "Softmax is still taken twice: once in the first lines, and once more by "
         "a loss that is told `from_logits=True`. What does it expect to get?"),
        (loss_without_softmax, "Now softmax is taken nowhere: a loss that is told "
         "`from_logits=False` expects probabilities."),
        (lambda logits, labels: right_loss(logits, labels) * len(labels),
         "This is the sum over the images. Expected the mean."),
        (lambda logits, labels: -right_loss(logits, labels),
         "The sign is wrong: the logarithm of a probability is never above 0."),
        (lambda logits, labels: right_loss(logits, labels) / np.log(2),
         "This is the logarithm to the base 2. The losses of both libraries take the natural one."),
    ])),
    ["What does `from_logits=True` tell the loss about the numbers that it gets?",
     "There are two remedies: give it the logits themselves, or tell it that it gets "
     "probabilities. One of the two is enough."],
    """
    def loss(logits, labels):
        measure = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return measure(labels, logits)
    """,
    """
    `from_logits=True` says: these are logits, take softmax yourself. Given probabilities, it takes softmax of them once more. These lie between 0 and 1, so softmax makes them nearly equal, and the loss stays high even where every answer is correct and sure. In PyTorch the same mistake is easily made: `cross_entropy` always expects logits, and says nothing about a `Softmax` layer in front of it. Where the softmax is a layer or a function of Keras, and TensorFlow is its engine, Keras notices, warns, and repairs it. With PyTorch as its engine it does not look at it. To take softmax nowhere is the opposite mistake, and gives no error either.
    """,
    stub="""
    def loss(logits, labels):
        raised = np.exp(logits)
        probabilities = raised / raised.sum(axis=1, keepdims=True)  # softmax
        measure = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return measure(labels, probabilities)
    """,
)  # fmt: skip


FOR_PYTORCH = Exercise(
    "for_pytorch", "code", "The weights of a dense layer, for PyTorch",
    """
    Write `for_pytorch(kernel, map_shape)`. It gets the weights of a `Dense` layer of Keras, an array of NumPy, and gives those for a `Linear` layer of PyTorch, so that both give the same answers. You need no PyTorch for it.

    The layer stands behind `Flatten`. What `Flatten` got is in `map_shape`, in the order of Keras: (height, width, number of maps). If it is (1, 1, n), only the axes of the weights have to be exchanged. In all other cases there is more to do, and the lesson has not shown it: `Flatten` lays the numbers out in the order of the axes, and PyTorch has the maps as the first axis of an image.
    """,
    function(dense_for_pytorch, dense_cases(), told=[
        (lambda kernel, map_shape: kernel.T, "The axes of the weights are right. But row 2 of the "
         "kernel belongs to the second number that `Flatten` makes in Keras. Which number is the "
         "second in PyTorch? Take maps of 2x2 pixels, and write both rows down."),
        (lambda kernel, map_shape: dense_for_pytorch(kernel, map_shape).T,
         "The order of the numbers is right. The axes of the weights are still those of Keras."),
        (lambda kernel, map_shape: kernel.reshape(kernel.shape[::-1]),
         "`reshape` keeps the numbers in their order and only cuts the rows elsewhere. To exchange "
         "the axes is another thing."),
        (lambda kernel, map_shape: dense_for_pytorch(kernel, map_shape[::-1]),
         "Take care which of the three lengths is the number of maps: the last one of `map_shape`."),
        (lambda kernel, map_shape: kernel.reshape(*map_shape, -1).transpose(3, 2, 1, 0).reshape(
            kernel.shape[::-1]),
         "Height and width are exchanged: in both libraries a map is laid out row by row."),
        (lambda kernel, map_shape: kernel.reshape(map_shape[2], *map_shape[:2], -1).transpose(
            3, 1, 2, 0).reshape(kernel.shape[::-1]),
         "You go the other way, from the order of PyTorch to that of Keras."),
    ]),
    ["Give the long axis of the kernel its three parts back: `kernel.reshape(height, width, maps, "
     "-1)`. Now each axis has a meaning.",
     "In which order does PyTorch want the four axes: out, maps, height, width. `transpose` takes "
     "the old places in the new order.",
     "At the end `reshape` lays the last three axes out in one row again."],
    """
    def for_pytorch(kernel, map_shape):
        height, width, maps = map_shape
        parts = kernel.reshape(height, width, maps, -1)
        return parts.transpose(3, 2, 0, 1).reshape(-1, height * width * maps)


    random = np.random.default_rng(0)
    kernel, image = random.normal(size=(24, 5)), random.normal(size=(2, 3, 4))
    in_keras = image.reshape(-1) @ kernel
    in_pytorch = for_pytorch(kernel, image.shape) @ image.transpose(2, 0, 1).reshape(-1)
    print("same answers:", np.allclose(in_keras, in_pytorch))
    """,
    """
    `Flatten` of Keras goes through all maps at one place, then to the next place. That of PyTorch goes through all places of one map, then to the next map. So the weights of the first dense layer need another order, beside the exchange of the axes. With `kernel.T` alone all shapes fit, nothing complains, and the answers are wrong. That is why two programs are always compared by what they answer. `reshape` instead of `transpose` is the other frequent mistake: the shape is right, the numbers stand elsewhere.
    """,
    stub="""
    def for_pytorch(kernel, map_shape):
        ...
    """,
)  # fmt: skip

BETTER = Exercise(
    "better", "explain", "Is PyTorch more accurate?",
    """
    A colleague has trained the same layers on the same images, once in Keras and once in PyTorch. The network in PyTorch names one image in a hundred more correctly. "So networks in PyTorch are more accurate." What do you answer?

    - a) Copy the weights of one network to the other, and compare the answers. Then train with several seeds and the same settings in both.
    - b) Yes. A library that research uses has the better arithmetic.
    - c) No. Two trainings of the same layers always end at the same accuracy, so one of the two programs has a fault.
    - d) Perhaps. Train both for ten times as many epochs, once each, and see which is better then.
    """,
    choice("a", {
        "b": "Run the cell `logits-keras` and `logits-torch` of the lesson: from the same weights, "
        "how far apart are the answers of the two libraries?",
        "c": "Train one of the two, in one library, with other random weights at the start. Does "
        "it end at the same accuracy?",
        "d": "That compares one training with one training again. What else differed between the "
        "two, beside the library?",
    }),
    ["With which weights did each of the two trainings begin?",
     "What has to be the same in both, so that only the library differs?"],
    """
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((20,)), keras.layers.Dense(8, activation="relu")])
    network.add(keras.layers.Dense(3))

    numbers = np.random.default_rng(0).normal(size=(100, 20)).astype("float32")
    first, first_bias, last, last_bias = network.get_weights()
    # The same layers in a third library, plain NumPy.
    in_numpy = np.maximum(numbers @ first + first_bias, 0) @ last + last_bias
    difference = np.abs(network(numbers).numpy() - in_numpy).max()
    print("same weights, same answers in another library:", bool(difference < 1e-4))
    better = "a"
    """,
    """
    From the same weights both libraries give the same answers, but for rounding. Even plain NumPy does. What makes two trainings differ are the random weights at the start, the order of the images, and settings that have other defaults, such as those of the optimizer Adam (lesson 4a). One training of each cannot tell these from the library. Answer *c* goes too far: the same layers, with another seed, end a little elsewhere.
    """,
    wrong_idea="another library gives a more accurate network",
)  # fmt: skip

SHEET = Sheet(
    "01_choosing_a_library",
    "1. Choosing a library",
    [ENGINE, ORDERS, CHANGED, SMALL, LOSS, FOR_PYTORCH, BETTER],
    minutes=45,
    setup="""
    import numpy as np

    try:  # PyTorch before TensorFlow
        import torch
    except ModuleNotFoundError:
        torch = None

    from helpers import quiet_tensorflow
    from helpers.practice import load_exercises
    from helpers.torch_twin import INSTALL_TORCH

    with quiet_tensorflow():
        import keras

    if torch is None:
        print("All exercises work without PyTorch. To answer in it too:", INSTALL_TORCH)
    """,
)
