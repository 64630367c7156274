"""The exercises of lesson 4a: two Adams."""

from __future__ import annotations

import numpy as np

from helpers.checking.exercise import Exercise, Sheet
from helpers.checking.functions import function
from helpers.checking.values import choice, every, number, numbers

PLACES = Exercise(
    "places", "predict", "One number in two rows",
    """
    A layer gives maps of 4 rows and 6 columns, with 8 channels. Look at the number in row 1, column 2, channel 3, all counted from 0. At which place does it stand, counted from 0, in the row that `Flatten` makes in Keras, and in the row that PyTorch makes?
    """,
    numbers(67, 80, told={
        (80, 67): "The two libraries are exchanged: Keras keeps the channels of a pixel together.",
        (51, 78): "You counted 4 numbers to a row of the map. How many columns has it?",
        (68, 81): "Both are one too many: the places are counted from 0.",
        (67, 67): "PyTorch stores the same numbers in another order: each channel as a whole map.",
        (80, 80): "Keras stores the same numbers in another order: all channels of a pixel together.",
    }),
    ["How many numbers stand before it? Keras: all channels of each earlier pixel, then channels 0, 1 and 2 of its own.",
     "PyTorch: three whole maps of 4 x 6 numbers, then one row, then two columns."],
    """
    maps = np.arange(4 * 6 * 8).reshape(4, 6, 8)  # each number is its own place in Keras' row
    of_keras = maps[1, 2, 3]
    of_torch = maps.transpose(2, 0, 1).flatten().tolist().index(of_keras)
    places = (of_keras, of_torch)
    print("places:", of_keras, of_torch)
    """,
    """
    Keras: (1 x 6 + 2) x 8 + 3 = 67. PyTorch: 3 x 24 + 1 x 6 + 2 = 80. So the first dense layer after `Flatten` meets its inputs in another order, and the rows of its weights have to be moved when they are copied. If they are not, every shape fits and the answers are wrong.
    """,
    stub="places = (..., ...)",
)  # fmt: skip

ROOT = 0.001**0.5  # of 1 - 0.999, by which the first mean of squares is corrected
STEP_OF_KERAS = 0.001 / (0.001 + 0.001 / ROOT)

FIRST_STEP = Exercise(
    "first_step", "by hand", "The first step of Adam",
    """
    One weight, the first step, a gradient of 0.001. Adam keeps 0.9 of the mean and 0.999 of the mean of the squares. How long is the step, counted in learning rates?

    - `torch`: in PyTorch, with an epsilon of 0.001.
    - `keras`: in Keras, with an epsilon of 0.001.
    - `uncorrected`: with an epsilon of 0, and both means taken as they are after this step, without the correction for having begun at 0.

    Three digits are enough.
    """,
    every(
        torch=number(0.5, within=0.005, told={
            STEP_OF_KERAS: "That is the step of Keras.",
            1: "Epsilon is as large as the gradient here. It counts in the denominator.",
        }),
        keras=number(STEP_OF_KERAS, within=0.0005, told={
            0.5: "That is the step of PyTorch. In Keras the correction makes epsilon larger too: by how much in the first step?",
            1: "Epsilon is as large as the gradient here. It counts in the denominator.",
            0.969: "In Keras the correction makes epsilon larger, not smaller.",
            0.001: "The correction divides by the root of 0.001, since it is about a root of squares.",
        }),
        uncorrected=number(0.1 / ROOT, within=0.01, told={
            1: "That is the step with the correction.",
            0.1: "The mean is 0.1 of the gradient. And the root of the mean of the squares?",
            100: "The denominator is the root of the mean of the squares.",
        }),
    ),
    ["With the correction, the first mean is the gradient itself, and the root of the mean of the squares is its size.",
     "PyTorch adds epsilon to that size. In Keras epsilon is added before the correction, which then acts on epsilon too: by what does it divide in the first step?",
     "Without the correction: the mean is 0.1 times the gradient, the mean of the squares 0.001 times its square."],
    """
    gradient = epsilon = 0.001
    first_step = {
        "torch": gradient / (gradient + epsilon),
        "keras": gradient / (gradient + epsilon / (1 - 0.999) ** 0.5),
        "uncorrected": 0.1 * gradient / (0.001 * gradient**2) ** 0.5,
    }
    print({name: round(step, 3) for name, step in first_step.items()})
    for step in (1, 12, 100):
        times = (1 - 0.9**step) / (1 - 0.999**step) ** 0.5
        print(f"step {step} without the correction: {times:.2f} times as long")
    """,
    """
    0.5, 0.031 and 3.162. With an epsilon as large as the gradients the two libraries take very different steps, and the larger epsilon is, the more weights that concerns. Without the correction the first step is about three times too long, the twelfth more than six times, and the hundredth again about three times: the mean of the squares begins at 0 too, grows more slowly than the mean of the gradients, and stands in the denominator.
    """,
    stub='first_step = {"torch": ..., "keras": ..., "uncorrected": ...}',
)  # fmt: skip


def _adam(
    gradients: np.ndarray, epsilon: float, library: str, *,
    corrected: bool = True, outside: bool = True, steps_from: int = 1, sign: int = -1,
) -> float:  # fmt: skip
    """Where the weight is at the end. Each mean is one sum, with the weights of all steps so far."""
    place = 0.0
    for step in range(1, len(gradients) + 1):
        seen, ages = np.asarray(gradients[:step], float), np.arange(step)[::-1]
        mean = 0.1 * (0.9**ages @ seen)
        squares = 0.001 * (0.999**ages @ seen**2)
        counted = step - 1 + steps_from
        first, second = (1 - 0.9**counted, 1 - 0.999**counted) if corrected else (1, 1)
        acting = epsilon / second**0.5 if library == "Keras" else epsilon
        root = (squares / second) ** 0.5
        below = root + acting if outside else (squares / second + acting) ** 0.5
        place += sign * mean / first / below
    return place


def _gradients() -> list[tuple]:
    rows = [
        ([0.5], 1e-7), ([1e-3], 1e-3), ([1e-6], 1e-7), ([0.01, -0.02], 1e-3),
        ([2e-6, 1e-6, 3e-6], 1e-7), ([0.3, 0.0, -0.1, 0.2, 0.4], 1e-2), ([-1e-3] * 12, 1e-3),
    ]  # fmt: skip
    return [
        (np.array(gradients), epsilon, library)
        for gradients, epsilon in rows
        for library in ("PyTorch", "Keras")
    ]


def _always(library: str):
    return lambda gradients, epsilon, _: _adam(gradients, epsilon, library)


def _other(gradients: np.ndarray, epsilon: float, library: str) -> float:
    return _adam(gradients, epsilon, "Keras" if library == "PyTorch" else "PyTorch")


ADAM = Exercise(
    "adam", "code", "Adam from nothing, twice",
    """
    Write Adam for one weight in plain Python or NumPy: `adam(gradients, epsilon, library)`. The weight begins at 0, the learning rate is 1, the two shares that are kept are 0.9 and 0.999. `gradients` holds the gradient of each step, `library` is `"PyTorch"` or `"Keras"`. Give the weight after the last step. Do not look at the lesson.
    """,
    function(_adam, _gradients(), within=1e-4, told=[
        (_always("PyTorch"), "In both cases you do what PyTorch does. In Keras epsilon is added before the correction."),
        (_always("Keras"), "In both cases you do what Keras does. In PyTorch epsilon is added after the correction."),
        (_other, "The two libraries are exchanged. Which of them corrects first and adds epsilon then?"),
        (lambda *case: _adam(*case, sign=1), "Your weight goes uphill: a positive gradient must make it smaller."),
        (lambda *case: _adam(*case, corrected=False),
         "The two means begin at 0 and are too small in the first steps. What corrects them is missing."),
        (lambda *case: _adam(*case, steps_from=2),
         "Your correction is that of the next step: in the first step the power is 1."),
        (lambda *case: _adam(*case, outside=False), "Epsilon is added to the root, not inside it."),
        (lambda gradients, epsilon, library: _adam(gradients[:1], epsilon, library),
         "You take the first step only. Look at where the `return` stands."),
    ]),
    ["Two means: `mean = 0.9 * mean + 0.1 * gradient`, and the same with 0.999 and 0.001 for the squares.",
     "In step t the correction divides the first mean by `1 - 0.9**t` and the mean of the squares by `1 - 0.999**t`.",
     "In PyTorch the mean of the squares is corrected first. Then comes the root, and epsilon is added to it.",
     "In Keras epsilon is added to the root of the mean of the squares as it is, and the sum is corrected. By what is a root corrected?"],
    """
    def adam(gradients, epsilon, library):
        weight = mean = squares = 0.0
        for step, gradient in enumerate(gradients, start=1):
            mean = 0.9 * mean + 0.1 * gradient
            squares = 0.999 * squares + 0.001 * gradient**2
            root = (1 - 0.999**step) ** 0.5
            if library == "Keras":
                below = (squares**0.5 + epsilon) / root
            else:
                below = squares**0.5 / root + epsilon
            weight -= mean / (1 - 0.9**step) / below
        return weight


    for gradient in (1e-2, 1e-6):
        for library in ("Keras", "PyTorch"):
            print(f"gradient {gradient}, {library}: {adam([gradient], 1e-7, library):.2f}")
    """,
    """
    The two rules differ in one place only. What counts is how large a gradient is beside epsilon: with an epsilon of 1e-7 gradients of about a millionth show the difference, with 0.01 also one of 0.3. The check hands over both. Ways that often go wrong: no correction, a count of steps that begins at 0, epsilon inside the root (as other optimizers have it), and one rule for both libraries.
    """,
    stub="""
    def adam(gradients, epsilon, library):
        ...
    """,
)  # fmt: skip


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(np.subtract(first, second))


def _agreeing(first: np.ndarray, second: np.ndarray, within: float) -> int:
    return sum(max(row) < within for row in _apart(first, second).tolist())


def _draws() -> list[tuple]:
    """Losses of two trainings whose differences have both signs and cancel, by draw and step."""
    random = np.random.default_rng(6)
    cases = [
        (np.array([[1.0]]), np.array([[1.2]]), 0.1),
        (np.array([[2.0, 1.0]]), np.array([[1.5, 1.5]]), 0.1),
        (np.array([[2.0, 1.0], [2.0, 1.0]]), np.array([[2.0, 1.02], [1.5, 0.9]]), 0.05),
        # Small steps that add up, and a small loss of which a little is much.
        (np.array([[5.0, 5.0, 0.1]]), np.array([[5.08, 5.08, 0.18]]), 0.1),
        (np.array([[9.0, 9.0, 9.0]]), np.array([[9.0, 9.5, 9.0]]), 0.1),
    ]
    for draws, steps in ((3, 4), (5, 2), (10, 10)):
        first = random.uniform(0.5, 2, (draws, steps)).round(2)
        apart = random.choice([-1, 1], (draws, steps)) * 0.001
        for draw in range(0, draws, 2):  # one step goes far away, another one for each draw
            apart[draw, draw % steps - 1] *= 30
        cases.append((first, first + apart, 0.01))
    return cases


AGREEING = Exercise(
    "agreeing", "fault", "A comparison that finds everything alike",
    """
    `agreeing(first, second, within)` gets the losses of two trainings, as arrays with one row for each draw and one column for each step. It should say in how many draws *every* loss of the two differs by less than `within`. The function below runs, and it finds far too many draws that agree. Two things in it hide a difference. Mend both.
    """,
    function(_agreeing, _draws(), told=[
        (lambda first, second, within: int(((first - second).mean(axis=1) < within).sum()),
         "These are the results of the function before it was mended. What does it make of the "
         "differences -0.5 and 0.5?"),
        (lambda first, second, within: int((_apart(first, second).mean(axis=1) < within).sum()),
         "The mean over the steps is still there. One large difference in ten steps is then a tenth as large."),
        (lambda first, second, within: int((np.abs((first - second).mean(axis=1)) < within).sum()),
         "Differences of both signs still cancel in the mean before the size is taken."),
        (lambda first, second, within: int(((first - second).max(axis=1) < within).sum()),
         "A difference of -0.5 is below `within` as well, for you. Which of the two is larger must not matter."),
        (lambda first, second, within: int((_apart(first, second).max(axis=0) < within).sum()),
         "You count steps. Asked for is the number of draws: along which axis is the largest difference?"),
        (lambda first, second, within: int((_apart(first, second) < within).sum()),
         "You count single losses. A draw counts where all of its losses agree."),
        (lambda first, second, within: int((_apart(first, second)[:, -1] < within).sum()),
         "You compare the last step only. All steps of a draw must agree."),
        (lambda first, second, within: int((_apart(first, second) < within).any(axis=1).sum()),
         "You count a draw where one loss agrees. All of its losses must agree."),
        (lambda first, second, within: int((_apart(first, second).max(axis=1) >= within).sum()),
         "You count the draws that do not agree."),
        (lambda first, second, within: (_apart(first, second).max(axis=1) < within).mean(),
         "You give a share of the draws. Asked for is their number."),
    ]),
    ["Two trainings differ by -0.5 in one step and by 0.5 in the next one. What is the mean?",
     "Take the size of each difference, `np.abs(...)`, before anything is put together.",
     "All losses of a draw are near where the largest difference is: `.max(axis=1)`."],
    """
    def agreeing(first, second, within):
        differences = np.abs(first - second).max(axis=1)
        return int((differences < within).sum())


    one, other = np.array([[2.0, 1.0]]), np.array([[1.5, 1.5]])
    print("draws that agree to 0.1:", agreeing(one, other, 0.1))
    """,
    """
    Differences of both signs cancel in a mean, and a mean makes one large difference small. A comparison that should find out whether two programs are one calculation looks at the largest difference, at every step, in every draw. A faulty comparison gives no error. Try one first on numbers that you know to be different.
    """,
    stub="""
    def agreeing(first, second, within):
        differences = (first - second).mean(axis=1)
        return int((differences < within).sum())
    """,
)  # fmt: skip

SAYINGS = Exercise(
    "sayings", "explain", "Two conclusions",
    """
    A friend copies a network with ReLU and max pooling from Keras to PyTorch, and checks that the logits are alike. Then both train with Adam, with the same rate and the same epsilon of 1e-7, on the same ten batches. The losses part in the third decimal. Two conclusions:

    - `first`: "Two libraries with the same settings take the same steps. So the weights were copied wrongly after all."
    - `second`: "I hand PyTorch the epsilon that acts in Keras, and in this draw of ten batches the losses agree to 1e-5. So the place of epsilon is the whole reason, in every draw."

    Choose an answer for each.

    - a) It does not follow. The settings have the same names, but they are put into two different rules.
    - b) That follows.
    - c) It does not follow. In one draw a smaller cause may not show: repeat it with others.
    - d) It does not follow. PyTorch is less exact than Keras.
    - e) It does not follow. Such a difference is rounding.
    """,
    every(
        first=choice("a", {
            "b": "The logits were alike before the training. Run the cell `one-weight` of the lesson: one weight, nothing copied, the same settings. Are the two steps the same?",
            "c": "Would other batches make the settings mean something else? Run the cell `one-weight` of the lesson, which needs no batches.",
            "d": "Both count with numbers of the same precision. Run the cell `sgd-run` of the lesson: how closely do the two agree there?",
            "e": "Rounding changes the seventh digit. Run the cell `sgd-run` of the lesson: with SGD there is rounding too. How closely do the two agree?",
        }),
        second=choice("c", {
            "a": "With the epsilon that acts in Keras, both follow one rule. Run the cells `draws-torch` and `draws-picture`: what is left over?",
            "b": "Run the cells `draws-torch` and `draws-picture` of the lesson: do all ten draws agree as closely as the first one?",
            "d": "Both count with numbers of the same precision.",
            "e": "In this draw hardly a difference is left. What is said about every draw?",
        }),
    ),
    ["What did the lesson find with one weight and one step?",
     "How many of ten draws were as close as the first one?"],
    """
    def first_step(gradient, epsilon):
        return gradient / (gradient + epsilon)


    acting = 1e-7 / (1 - 0.999) ** 0.5
    print(f"same settings, PyTorch: {first_step(1e-6, 1e-7):.2f}")
    print(f"same settings, Keras:   {first_step(1e-6, acting):.2f}")
    sayings = {"first": "a", "second": "c"}
    """,
    """
    A setting is a number that a rule uses, and the two rules use epsilon at different places: 0.91 of a learning rate in one library, 0.24 in the other, with nothing copied at all. And one draw is one example. Over ten draws the epsilon that acts in Keras brought the two closer every time, but not every time as close as in the first: where layers choose, as ReLU and max pooling do, rounding can change a choice. The main reason is not the whole reason.
    """,
    stub='sayings = {"first": ..., "second": ...}',
    wrong_idea="two libraries with the same settings take the same steps",
)  # fmt: skip

SHEET = Sheet(
    "04a_two_adams",
    "4a. Two Adams",
    [PLACES, FIRST_STEP, ADAM, AGREEING, SAYINGS],
    minutes=30,
    setup="""
    import numpy as np

    from helpers.practice import load_exercises
    """,
)
