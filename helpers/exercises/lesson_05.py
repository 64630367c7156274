"""The exercises of lesson 5: evaluating accuracy."""

from __future__ import annotations

from helpers.checking.exercise import Exercise, Sheet
from helpers.checking.values import choice, every, number
from helpers.grading.figures import (
    chooses_on_validation,
    gives_figures_of_classes,
    gives_interval,
)
from helpers.grading.photos import names_photos

SURE = Exercise(
    "sure", "predict", "A network that is surer",
    """
    A network gives logits, and softmax makes probabilities of them. Its confidence is the largest probability. Now somebody multiplies all its logits by 10, before the softmax, and asks about the same images again. What happens to the accuracy and to the mean confidence?

    - a) The confidence rises, the accuracy stays.
    - b) Both rise: who is surer is right more often.
    - c) Both stay: softmax takes the factor out again.
    - d) The confidence rises, the accuracy falls.
    """,
    choice("a", {
        "b": "That a sure answer is right is a common belief. Make the experiment: take any array of "
        "logits, of the shape (images, classes), and compare `argmax(axis=1)` before and after.",
        "c": "Work it out for the logits 1 and 2, and for 10 and 20. Softmax looks at their "
        "difference.",
        "d": "The answer is the class with the largest logit. Which one is it after the step?",
    }),
    ["On what does the accuracy depend: on the size of the logits, or on their order?",
     "Take the logits 1 and 2, then 10 and 20. Which one is larger? What does softmax make of them?"],
    """
    random = np.random.default_rng(5)
    logits, labels = random.normal(size=(1000, 10)), random.integers(0, 10, 1000)
    before, after = (
        np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in (logits, 10 * logits)
    )
    print("the same answers:", (before.argmax(axis=1) == after.argmax(axis=1)).all())
    print("twice as sure:", after.max(axis=1).mean() > 2 * before.max(axis=1).mean())
    print("accuracy below one fifth:", (after.argmax(axis=1) == labels).mean() < 0.2)
    sure = "a"
    """,
    """
    The order of the logits stays, so each answer stays, right or wrong. Their differences grow, so softmax gives nearly 1 to the largest one. These logits are random: a network that has learned nothing can be very sure. So a confidence means something only after it was compared with how often the answers are right (calibration, in the lesson). Overfitting makes a network surer in much the same way.
    """,
    wrong_idea="a sure answer is right",
)  # fmt: skip

PAIRED = Exercise(
    "paired", "by hand", "54 of 60 against 46 of 60",
    """
    Two networks were asked about the same 60 photos. The old one is right on 46, its interval is 65 % to 86 %. The new one is right on 54, its interval is 80 % to 95 %. And on every photo on which the old one is right, the new one is right too.

    - `wins`, `losses`: on how many photos is only the new one right, and on how many only the old one?
    - `chance`: a fair coin is tossed `wins` + `losses` times. With what probability does it fall at least as unevenly, to the one side or to the other? (Exactly, without an approximation.)
    - `shows`: what do these photos show?
        - a) No difference: the two intervals overlap.
        - b) A difference: the luck of which photos were taken seldom gives this.
        - c) No difference: 60 photos are always too few.
        - d) That the new network is the better one, for certain.
    """,
    every(
        wins=number(8, told={
            54: "That is on how many the new one is right. How many of these had the old one wrong?",
            6: "On these six both are wrong, so they do not tell the two apart.",
            46: "On these both are right, so they do not tell the two apart.",
        }),
        losses=number(0, told={
            14: "That is on how many the old one is wrong. Is there one that only the old one has right?",
            6: "On these six both are wrong.",
            8: "Read the last sentence again: which photos did the new network lose?",
        }),
        # Three of the ways to get there are good approximations for many photos, not for eight.
        chance=number(1 / 128, within=2.5e-4, percent=True, told={
            1 / 256: "That is the probability of one side only. Falling all to the other side is as uneven.",
            0.00468: "That is the approximation by chi-square. With so few tosses count exactly.",
            0.01333: "That is the approximation by chi-square. With so few tosses count exactly.",
            0.08464: "You compared as if each network had photos of its own. On which photos do they differ?",
            0.05004: "You compared as if each network had photos of its own. On which photos do they differ?",
            1.0: "How often does a coin fall on the same side, time after time?",
        }),
        shows=choice("b", {
            "a": "That intervals that overlap mean no difference is a common belief. Each of them "
            "holds the luck of all 60 photos, but both networks had the same ones. What does the "
            "experiment with the coin say?",
            "c": "Compare them on the photos that only one has right. What does the coin say?",
            "d": "The coin can fall like this, too. And which seeds, and how many networks were "
            "tried, is not known.",
        }),
    ),
    ["On 46 photos both are right. On how many are both wrong?",
     "On which photos do the two networks differ, and which of the two is right there? The last sentence of the first paragraph says it.",
     "A coin falls on one given side n times with the probability (1/2) to the power of n. There are two sides."],
    """
    from scipy.stats import binomtest

    print("18 wins, 10 losses:", round(binomtest(18, 28).pvalue, 2))
    paired = {"wins": 8, "losses": 0, "chance": 2 * (1 / 2) ** 8, "shows": "b"}
    """,
    """
    8 wins, no loss: a coin does this once in 128 times. The intervals overlap all the same, because each allows for easy or hard photos, and here the photos were the same. Had the new network won 18 and lost 10, it would have the same 54 of 60, and a coin would be as uneven in 18 of 100 cases. So two accuracies alone do not decide: ask on how many images the networks differ (McNemar's test). Ask too with how many seeds they were trained, and whether the new one was the best of many.
    """,
    stub='paired = {"wins": ..., "losses": ..., "chance": ..., "shows": ...}',
    wrong_idea="intervals that overlap mean no difference",
)  # fmt: skip

ACCURACY = Exercise(
    "accuracy_with_interval", "code", "An accuracy with its interval",
    """
    Write `accuracy_with_interval(scores, labels)`. It gets the logits or the probabilities of a network, of the shape (images, classes), and the labels, whole numbers. It gives three numbers from 0 to 1: the accuracy, and the lower and the upper end of its 95 % interval, by Wilson's formula. Write the formula yourself (the lesson has it), with z = 1.96. It must also work for a single image, and where all answers are right or none is.
    """,
    gives_interval,
    ["The answer for an image is the class with the largest number: `argmax`, along the axis of the classes.",
     "The accuracy p is the mean of `answers == labels`, and n is the number of images.",
     "centre = (p + z² / (2n)) / (1 + z² / n), and the half width is z / (1 + z² / n) times the root of p (1 - p) / n + z² / (4n²)."],
    """
    def wilson(p, n, z=1.96):
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half_width = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return centre - half_width, centre + half_width


    def accuracy_with_interval(scores, labels):
        accuracy = (scores.argmax(axis=1) == labels).mean()
        low, high = wilson(accuracy, len(labels))
        return accuracy, low, high


    for images in (100, 10_000, 350_000):
        low, high = wilson(0.9, images)
        print(f"{images:7,} images, accuracy 90 %: {100 * (high - low) / 2:.1f} points to each side")
    """,
    """
    Softmax keeps the order, so logits and probabilities have the same `argmax`, and no threshold such as 0.5 is needed: with ten classes the largest probability may be 0.2. The simple interval p ± z √(p (1 - p) / n) says after one right answer that the accuracy is 100 %, for certain. Wilson's says 21 % to 100 %. The width shrinks with the square root: at an accuracy of 90 %, a tenth of a point to each side takes about 350,000 images.
    """,
    stub="""
    def accuracy_with_interval(scores, labels):
        ...
    """,
    steps=("accuracy with interval",),
)  # fmt: skip

REPORT = Exercise(
    "class_report", "code", "Confusion matrix, recall and precision from nothing",
    """
    Write `class_report(labels, answers, classes)`. It gets two arrays of whole numbers and the number of classes. It gives three things: the confusion matrix with a row for each true class, the recall of each class, and the precision of each class (from 0 to 1). Do it without a function that does it for you. The matrix has `classes` rows and columns, also where a class has no image or is never named. Where there is nothing to count, recall or precision is `np.nan`.
    """,
    gives_figures_of_classes,
    ["The matrix begins as zeros of the shape (classes, classes). Each image adds 1 to one field.",
     "Recall divides the diagonal by the sums of the rows, precision by the sums of the columns.",
     "0 / 0 gives nan in NumPy, with a warning. `with np.errstate(invalid=\"ignore\"):` leaves the warning out."],
    """
    def class_report(labels, answers, classes):
        counts = np.zeros((classes, classes), dtype=int)
        for label, answer in zip(labels, answers, strict=True):
            counts[label, answer] += 1
        found = counts.diagonal()
        with np.errstate(invalid="ignore"):  # 0 / 0, where a class is missing
            return counts, found / counts.sum(axis=1), found / counts.sum(axis=0)


    for result in class_report([0, 0, 2], [0, 2, 2], classes=3):
        print(result)
    """,
    """
    The size comes from the number of classes, not from the labels that happen to be there: otherwise a class that is missing shifts all rows below it. A recall of 0 says that no image of the class was found. Where no image is of the class, this would be a false accusation, and it would lower the mean over the classes. So write nan, and take the mean with `np.nanmean`. And `counts[labels, answers] += 1` without the loop adds only 1 where a pair stands twice: `np.add.at` adds all.
    """,
    stub="""
    def class_report(labels, answers, classes):
        ...
    """,
    steps=("confusion and recall",),
)  # fmt: skip

BEST = Exercise(
    "best_network", "fault", "The best of several networks",
    """
    Several networks were trained, and the best one is to be kept. `best_network` gets their answers on the validation images and on the test images, of the shape (networks, images), and the labels of both. It gives the number of the best network, and the accuracy that others may be told. It runs, and the accuracy that it gives is too good. Mend it.
    """,
    chooses_on_validation,
    ["Which images decide here which network is the best? Which ones were made for decisions?",
     "Two accuracies are needed: one to choose with, another one to tell.",
     "Take `argmax` of the validation accuracies. Then compute the test accuracy of that row alone."],
    """
    def best_network(validation_answers, validation_labels, test_answers, test_labels):
        best = (validation_answers == validation_labels).mean(axis=1).argmax()
        return best, (test_answers[best] == test_labels).mean()


    random = np.random.default_rng(5)
    labels, guesses = random.integers(0, 10, 200), random.integers(0, 10, (50, 200))
    luckiest = (guesses == labels).mean(axis=1).max()
    print("50 networks guess, and the best one is right on more than 12 %:", luckiest > 0.12)
    """,
    """
    All 50 networks guess among ten classes, so each of them is right on one tenth of new images. The best one looks better, by luck alone, and its next test would show it. This happens whenever the test images decide something: which network, how many epochs, which seed. So they may not be looked at often. The validation accuracy of the chosen network is too good for the same reason: tell the test accuracy of that one network, whatever it is.
    """,
    stub="""
    def best_network(validation_answers, validation_labels, test_answers, test_labels):
        accuracies = (test_answers == test_labels).mean(axis=1)
        best = accuracies.argmax()
        return best, accuracies[best]
    """,
    wrong_idea="test images may be looked at often",
)  # fmt: skip

PHOTO = Exercise(
    "predict_photo", "code", "What is on this photo?",
    """
    Write `predict_photo(path, model, class_names)`. It gets the path of a photo (a text), a model of Keras that gives a number for each class, and the names of the classes in their order. It gives the name of the class. Whatever the file is like, the model must get what it was trained on:

    - JPEG or PNG, of any size; in colour, grey, with a palette, or with a fourth channel (nothing is transparent);
    - some photos lie on their side or are mirrored, with a note in the file (EXIF, eight cases) how to turn them;
    - the model says in `input_shape` what it wants: height, width, and 3 channels (RGB) or 1 (grey). Squeeze the photo to this size (to crop it is taken too);
    - the model divides by 255 itself.
    """,
    names_photos,
    ["Make it in this order: open, turn upright, colour or grey, resize, array, batch, model, name.",
     "`ImageOps.exif_transpose(photo)` turns it upright, `convert(\"RGB\")` or `convert(\"L\")` makes colour or grey.",
     "Pillow's `resize` takes (width, height). The array of a grey photo has no axis for its channel.",
     "`np.asarray(photo).reshape(1, height, width, channels)` is a batch of one photo, and `argmax` of the logits is the place of the name."],
    """
    def predict_photo(path, model, class_names):
        _, height, width, channels = model.input_shape
        with Image.open(path) as file:
            photo = ImageOps.exif_transpose(file).convert("RGB" if channels == 3 else "L")
        pixels = np.asarray(photo.resize((width, height)))
        logits = model.predict(pixels.reshape(1, height, width, channels), verbose=0)
        return class_names[int(logits.argmax())]
    """,
    """
    None of the usual slips gives an error: a photo that lies on its side, pixels that are divided twice, or blue in the place of red still give a name, and a wrong one. So test such a function with photos whose answer you know, one for each step. Do with a new photo what was done with the training photos: if those were cropped and not squeezed, crop here as well.
    """,
    stub="""
    def predict_photo(path, model, class_names):
        ...
    """,
    steps=("predict a photo",),
)  # fmt: skip

HEAT = Exercise(
    "heat", "explain", "The bright water",
    """
    A network calls a photo *boat*, and it is one. The heat map (Grad-CAM) is bright on the water. A friend says: "So it answers boat because of the water." How can you find out whether that is so?

    - a) It is so. The heat map shows the reason.
    - b) Look at the heat maps of more boats.
    - c) Draw the heat map of another layer, with finer maps.
    - d) Cover the water, then a place of the same size without water, and ask again each time.
    """,
    choice("d", {
        "a": "That a heat map is the reason is a common belief. It shows where a change of the maps would "
        "raise the logit, not what the answer needs. Which experiment shows whether the water is needed?",
        "b": "These would show where it looks in other photos. What would show that the water is needed?",
        "c": "That shows more exactly where it looks. What would show that the water is needed?",
    }),
    ["If the water is the reason, what must happen without it?",
     "With what do you compare, so that it is not just the covering that disturbs the network?"],
    """
    photo = np.zeros((6, 6))
    photo[1, 1], photo[4, 4] = 1.0, 0.9  # two bright places
    network = np.max  # says boat, if the brightest pixel is above 0.5
    slopes = photo == network(photo)  # a small change matters at this one place only
    covered = np.where(slopes, 0, photo)
    print("bright places in the heat map:", slopes.sum())
    print("still a boat without it:", network(covered) > 0.5)
    heat = "d"
    """,
    """
    The map of this small network is bright at one place, and without that place the answer is the same: the other place is enough. So what is bright need not be the reason. The opposite happens too: a place may matter only together with another one. A heat map gives an idea. The changed photo tests it, and the second place shows what covering alone does. Many boats, each changed in this way, would show more than one.
    """,
    wrong_idea="a heat map is the reason",
)  # fmt: skip

SHEET = Sheet(
    "05_evaluating_accuracy",
    "5. Evaluating accuracy",
    [SURE, PAIRED, ACCURACY, REPORT, BEST, PHOTO, HEAT],
    minutes=45,
    setup="""
    import numpy as np
    from PIL import Image, ImageOps

    from helpers.practice import load_exercises
    """,
)
