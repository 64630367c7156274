"""The exercises of lesson 0: start here."""

from __future__ import annotations

import numpy as np

from helpers.checking.exercise import Exercise, Sheet
from helpers.checking.functions import function
from helpers.checking.plain import Wrong, plain, received
from helpers.checking.values import choice, every, number, shape

HELD_BACK = Exercise(
    "held_back", "recall", "Which pictures are asked about?",
    """
    This first exercise also shows how all others work. Write a letter in quotes in the place of `...` in the next cell, and run it: `check` says whether it is correct. Write a wrong letter too, and see what is said. In the cell after it, delete one `#`: `hint` helps a little, `solution` shows the answer. Nothing is counted against you.

    The lesson trains a network with 10,000 pictures. Somebody asks it about the same 10,000 and counts the correct answers. What does this count show?

    - a) How well the network will name new pictures.
    - b) How well it names these pictures. It may be worse with new ones.
    - c) How many of the labels are wrong.
    - d) Nothing: all 10,000 answers are correct, because the network knows the labels.
    """,
    choice("b", {
        "a": "Think of a network that has only memorised the 10,000 pictures with their labels. "
        "What would this count say of it? And what could it do with a new picture?",
        "c": "A wrong answer can be a mistake of the network. The count alone does not tell which.",
        "d": "Look at the lines that the lesson prints during the training: are all answers "
        "correct there?",
    }),
    ["During the training the network was told the labels of these pictures.",
     "What is it for: for the pictures that it has met, or for others?"],
    'held_back = "b"',
    """
    A network that had only memorised its pictures would be correct on them, and could do nothing with a new one. So some pictures are held back. It learns nothing from those, and the count on them shows how well it names pictures that it has not met.
    """,
    wrong_idea="what is correct in training is correct everywhere",
)  # fmt: skip

SHAPES = Exercise(
    "shapes", "predict", "One picture, or several?",
    """
    The array `pictures` holds 500 grey pictures, 20 pixels high and 30 wide. Its shape is (500, 20, 30, 1). What are the shapes of these three? Write each as numbers in brackets, before you try it in Python.
    """,
    every(**{
        "pictures[:16]": shape(16, 20, 30, 1, told={
            (16, 20, 30): "The last axis stays: one number for each pixel.",
            (20, 30, 1): "`[:16]` takes several pictures. Which axis counts them?",
            (17, 20, 30, 1): "The end of a slice is not taken along: 0 to 15.",
            (484, 20, 30, 1): "`[16:]` would leave out the first 16. This is `[:16]`.",
            (500, 16, 30, 1): "A slice in brackets, alone, cuts the first axis.",
        }),
        "pictures[0]": shape(20, 30, 1, told={
            (1, 20, 30, 1): "A single number in the brackets takes one picture out. The axis that "
            "counted the pictures is gone then.",
            (20, 30): "Only one axis goes: the one that counts the pictures.",
            (0, 20, 30, 1): "The 0 is the place of a picture: the first one. It is not a length.",
            (500, 20, 30): "The place in the brackets belongs to the first axis.",
        }),
        "pictures[0:1]": shape(1, 20, 30, 1, told={
            (20, 30, 1): "This is a slice. It keeps the axis, even where only one picture is left.",
            (0, 20, 30, 1): "From 0 up to 1, without the 1: how many pictures are these?",
            (2, 20, 30, 1): "The end of a slice is not taken along.",
        }),
    }),
    ["The four axes are: which picture, which row, which column, which number of the pixel.",
     "A slice such as `[:16]` keeps the axis and makes it shorter. A single place takes the axis "
     "away.",
     "`[0:1]` is a slice with one picture in it: its first axis has the length 1."],
    """
    pictures = np.zeros((500, 20, 30, 1))
    shapes = (pictures[:16].shape, pictures[0].shape, pictures[0:1].shape)
    """,
    """
    A slice keeps the axis: (16, 20, 30, 1) and (1, 20, 30, 1). A single place takes one picture out, and its shape is (20, 30, 1). The difference matters: `predict` wants the axis that counts the pictures, even for one. So `predict(pictures[0:1])` works and `predict(pictures[0])` does not.
    """,
    stub="""
    shapes = {
        "pictures[:16]": ...,
        "pictures[0]": ...,
        "pictures[0:1]": ...,
    }
    """,
)  # fmt: skip


CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
           "Bag", "Ankle boot")  # fmt: skip

_number_of_place = number(4, told={
    5: "You count from 1. The first place is 0 in Python.",
    0.52: "That is the largest number itself. At which place does it stand?",
    52: "That is the largest number itself, in percent. At which place does it stand?",
    1: "That is the place of a smallest number.",
    2: "There is a larger number than the one at this place.",
})  # fmt: skip


def _place(answer: object) -> None:
    if isinstance(plain(answer), str):
        raise Wrong("Expected a number: the place in `sure`. The name is asked for after it.")
    _number_of_place(answer)


def _name(answer: object) -> None:
    given = plain(answer)
    if not isinstance(given, str):
        raise Wrong(f"Expected one of the names, in quotes. Received: {received(given)}.")
    spelled = " ".join(given.lower().split())
    if spelled not in map(str.lower, CLOTHES):
        raise Wrong(f"Expected one of the ten names in `names`. Received: {received(given)}.")
    if spelled == CLOTHES[3].lower():
        raise Wrong("That is the neighbour: the first name stands at place 0.")
    if spelled != CLOTHES[4].lower():
        raise Wrong(f"Not {given}. Which name stands at the same place as the largest number?")


ANSWER = Exercise(
    "answer", "by hand", "What does the network answer?",
    """
    For one picture, `predict` gave the ten numbers in `sure`. Read them without a program: at which place is the answer of the network (what would `argmax` give), and what is the name of this class? Write the place, then the name in quotes.
    """,
    every(place=_place, name=_name),
    ["The answer of a network is the class of which it is most sure.",
     "Look for the largest number. Count its place from 0: the first place is 0, the second is 1.",
     "The name stands at the same place in `names`."],
    """
    place = np.argmax(sure)
    answer = (place, names[place])
    """,
    """
    The largest number is 0.52. It stands at place 4, counted from 0, and `names[4]` is Coat. `argmax` gives the place of the largest number, and `max` gives the number itself: the two are often mistaken for each other. Who counts from 1 gets the next place.
    """,
    given=f"""
    names = {list(CLOTHES[:5])}
    names += {list(CLOTHES[5:])}
    sure = [0.02, 0.00, 0.21, 0.03, 0.52, 0.00, 0.19, 0.01, 0.02, 0.00]
    """.replace("'", '"'),
    stub="answer = (..., ...)",
)  # fmt: skip


def _share_correct(sure: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import accuracy_score

    best = [row.index(max(row)) for row in sure.tolist()]
    return float(accuracy_score(labels, best))


def _correct(sure: np.ndarray, labels: np.ndarray) -> float:
    return _share_correct(sure, labels) * len(labels)


def _answers_and_labels() -> list[tuple]:
    """Pictures, classes and how many answers are correct: none, some, all; sums need not be 1."""
    random = np.random.default_rng(0)
    cases = []
    for pictures, classes, correct in [(2, 3, 1), (3, 3, 1), (4, 10, 4), (7, 4, 3), (30, 10, 19),
                                       (12, 5, 0)]:  # fmt: skip
        sure = random.permuted(np.arange(pictures * classes)).reshape(pictures, classes) / 100
        labels = sure.argmax(axis=1)
        labels[correct:] = (labels[correct:] + random.integers(1, classes)) % classes
        order = random.permutation(pictures)
        cases.append((sure[order], labels[order]))
    return cases


_same_accuracy = function(_share_correct, _answers_and_labels(), told=[
    (_correct, "You count the correct answers. Accuracy is this count divided by another one."),
    (lambda sure, labels: 100 * _share_correct(sure, labels),
     "This is in percent. Expected a number from 0 to 1."),
    (lambda sure, labels: 1 - _share_correct(sure, labels),
     "This is the proportion of wrong answers."),
    (lambda sure, labels: _share_correct(-sure, labels),
     "You take the place of the smallest number of each row."),
    (lambda sure, labels: float(np.mean(sure.argmax() == labels)),
     "Your `argmax` looks at all numbers at once. Each picture, each row, has its own answer."),
    (lambda sure, labels: _correct(sure, labels) / sure.shape[1],
     "You divide by the number of classes. Of how many answers are so many correct?"),
    (lambda sure, labels: _correct(sure, labels) / 10,
     "You divide by 10. How many answers are there in each call?"),
    (lambda sure, labels: float(np.mean(sure.max(axis=1) == labels)),
     "`max` gives the largest number itself. The labels are places: 0, 1, 2 and so on."),
    (lambda sure, labels: float(sure[np.arange(len(labels)), labels].mean()),
     "You take the mean of how sure the network was. Accuracy counts answers."),
    (lambda sure, labels: round(_share_correct(sure, labels), 2),
     "Your result is rounded. Leave it as it comes out: whoever prints it may round it."),
])  # fmt: skip


def _accuracy_check(answer: object) -> None:
    try:
        _same_accuracy(answer)
    except Wrong as wrong:
        if "broadcast" in str(wrong):
            raise Wrong(
                f"{wrong} Two arrays of different lengths were compared. There is one row for each "
                "picture: along which axis does your `argmax` look?"
            ) from None
        raise


ACCURACY = Exercise(
    "accuracy", "code", "The accuracy, in one line",
    """
    **Accuracy** is the proportion of correct answers: 0.5 if half of them are correct. Write `accuracy(sure, labels)`. It gets what `predict` gives, an array with one row for each picture and one column for each class, and the labels, one number for each picture. It gives the accuracy, a number from 0 to 1. There may be any number of pictures and classes. With NumPy one line is enough; a loop is correct too.
    """,
    _accuracy_check,
    ["First make one answer for each picture: the place of the largest number of its row.",
     "`sure.argmax(axis=1)` gives these answers. Compare them with the labels, with `==`.",
     "The comparison gives True or False for each picture. True counts as 1 and False as 0, so the "
     "mean of them is a proportion."],
    """
    def accuracy(sure, labels):
        return np.mean(sure.argmax(axis=1) == labels)
    """,
    """
    Row by row, `argmax` gives one answer for each picture. `==` says for each whether it is correct, and the mean of True and False is the proportion of True. Ways that often go wrong: `argmax` without an axis, which gives one place for all pictures together; `axis=0`, which looks for the surest picture of each class; the count instead of the proportion.
    """,
    stub="""
    def accuracy(sure, labels):
        ...
    """,
)  # fmt: skip


def _bright_batch(grey: np.ndarray) -> np.ndarray:
    return np.array([[[[255 - int(pixel)] for pixel in row] for row in grey]])


def _drawings() -> list[tuple]:
    empty = np.full((28, 28), 255, np.uint8)
    line, shades = empty.copy(), empty.copy()
    line[3:25, 6:9] = 0
    shades[:] = np.random.default_rng(1).integers(0, 256, (28, 28))
    greyish = np.random.default_rng(2).integers(40, 220, (28, 28)).astype(np.uint8)
    return [(empty,), (line,), (shades,), (greyish,)]


PREPARE = Exercise(
    "prepare", "fault", "Drawings that the network does not know",
    """
    A friend draws clothes with a dark pen on white paper. Each drawing comes as an array `grey` of the shape (28, 28), of the type uint8, whole numbers from 0 to 255: 0 is black, 255 is white. `prepare(grey)` is to make of it what the network of the lesson is used to: bright on black, from 0 to 255, and with the axis that counts the pictures, here one.

    The function below runs without an error, and two things are wrong with what it gives. Mend both.
    """,
    function(_bright_batch, _drawings(), told=[
        (lambda grey: grey[..., np.newaxis], "Nothing is mended yet: still dark on white, and "
         "without the axis that counts the pictures."),
        (lambda grey: grey[np.newaxis, ..., np.newaxis],
         "The axes are as they should be. The drawing is still dark on white."),
        (lambda grey: (1 - grey)[np.newaxis, ..., np.newaxis],
         "Look at the smallest and the largest number of your result. The pixels go from 0 to 255, "
         "not from 0 to 1."),
        (lambda grey: (-grey)[np.newaxis, ..., np.newaxis],
         "0 stays 0 in your result: uint8 has no negative numbers and no 256, and begins again at "
         "0. What is to become of 0?"),
        (lambda grey: _bright_batch(grey) / 255,
         "The network divides by 255 itself: look at its first layer."),
        (lambda grey: _bright_batch(grey.T), "Your drawing lies on its side: rows and columns are "
         "exchanged."),
        (lambda grey: _bright_batch(grey)[0], "The brightness is as it should be. How many pictures "
         "are there? The first axis should say so."),
        (lambda grey: _bright_batch(grey)[0, ..., 0], "The brightness is as it should be. Two axes "
         "are missing, one in front and one at the end."),
        (lambda grey: _bright_batch(grey)[..., 0], "The axis in front is there. The last one, with "
         "one number for each pixel, is missing."),
    ]),
    ["What is white paper in the array: a small number or a large one? And what is the ground in "
     "the pictures that the network was trained with?",
     "Black, 0, is to become 255, and 255 is to become 0. Which subtraction does that?",
     "The lesson uses `reshape(1, 28, 28, 1)` for one picture."],
    """
    def prepare(grey):
        bright = 255 - grey
        return bright.reshape(1, 28, 28, 1)


    white_paper = np.full((28, 28), 255, dtype=np.uint8)
    print("white paper becomes", prepare(white_paper).max(), "in the shape", prepare(white_paper).shape)
    """,
    """
    The network was trained with bright clothes on black. Given the other way round, a drawing is a picture of a kind that it has never met, and it still answers, with a class and without an error. So look at what the network is given. The missing axis is easier to find: `predict` refuses the array. With whole numbers of the type uint8, `1 - grey` and `-grey` run too, and give numbers that nobody meant.
    """,
    stub="""
    def prepare(grey):
        return grey[..., np.newaxis]
    """,
    steps=("predict a photo",),
)  # fmt: skip

UNKNOWN = Exercise(
    "unknown", "explain", "A cat, and ten kinds of clothes",
    """
    A friend wants to use the network of the lesson: "It only knows clothes. So I show it a photo of a cat, grey and small, and it will tell me that it does not know this." What do you answer?

    - a) Yes. All ten numbers will be almost 0.
    - b) Yes. All ten numbers will be 0.1, since no class fits.
    - c) No. `predict` will stop with an error.
    - d) No. It will name one of its ten classes, and may be very sure.
    """,
    choice("d", {
        "a": "The last layer makes ten numbers that add up to 1, whatever it is given: run "
        "`sure.sum()` in the lesson, below the cell that asks about your picture.",
        "b": "That would need a network that measures how well the classes fit. Run the lesson "
        "with an empty white sheet as the picture: how sure is it, and of what?",
        "c": "`predict` looks at the shape of the array. Has the picture of a cat another shape?",
    }),
    ["What are the ten numbers for? Is there an eleventh, for *none of these*?",
     "The lesson tells what an empty white sheet of paper was to this network."],
    """
    random = np.random.default_rng(0)
    weights = random.normal(size=(784, 10))  # in the place of a trained network
    noise = random.normal(size=(100, 784))  # 100 pictures of nothing

    grown = np.exp((noise @ weights) / 28)
    sure = grown / grown.sum(axis=1, keepdims=True)  # what the last layer does
    print("ten numbers add up to 1, each time:", np.allclose(sure.sum(axis=1), 1))
    print("the answer is one of ten classes, each time:", set(sure.argmax(axis=1)) <= set(range(10)))
    unknown = "d"
    """,
    """
    The last layer, with `softmax`, makes ten numbers that add up to 1 of whatever comes in. One of them is always the largest, and its class is the answer. The network was never shown anything without a class, so nothing has taught it to be unsure there. An empty white sheet was a sandal to it, and it was quite sure. To refuse all answers below some number helps only where the network is unsure of what it does not know, and often it is not. Lesson 5 measures how far its percentages can be believed.
    """,
    wrong_idea="a network says when it does not know",
)  # fmt: skip

SHEET = Sheet(
    "00_start_here",
    "0. Start here",
    [HELD_BACK, SHAPES, ANSWER, ACCURACY, PREPARE, UNKNOWN],
    minutes=30,
    setup="import numpy as np\n\nfrom helpers.practice import load_exercises",
)
