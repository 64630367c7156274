"""The exercises of lesson 7: a project of one's own, from a folder of photos to a page."""

from __future__ import annotations

from helpers.checking.exercise import Exercise, Sheet
from helpers.checking.values import choice, every, number, numbers
from helpers.grading.figures import chooses_bar
from helpers.grading.layers import fine_tunes, transfers
from helpers.grading.libraries import softmax_once
from helpers.grading.projects import finds_wrong_labels, splits_moments, taken_along, usable_folder

FOLDER = Exercise(
    "folder", "fault", "What is wrong with the folder",
    """
    `PHOTOS` is your folder, with one folder for each class. Look at it with `check_folder(PHOTOS)`, and repair what it finds: in JupyterLab's list of files, or by code in a copy. The answer is the path of a folder that has

    - two classes or more, each with five photos or more;
    - no problem left, no blank photo, and no photo twice. Other notes, such as a dark photo, you decide on yourself.
    """,
    usable_folder,
    ["Run `check_folder(PHOTOS)` in a cell of its own. Each row says what to do.",
     "Files that cannot be used are deleted, or left out of the copy. What cannot be told by a program, such as a photo in the folder of another class, comes later.",
     "In code: with `set_aside=True`, `report.images` are those that can be used, each with its `path`. `report.notes` names the others, each with its `kind`.",
     "Only the path is the answer: `folder = PHOTOS`, once the folder is repaired."],
    """
    report = check_folder(PHOTOS, set_aside=True)
    leave_out = {found.path for found in report.notes if found.kind in ("blank", "copy")}
    folder = Path(f"../../scratch/{Path(PHOTOS).name}_mended")  # a copy; delete it to make it anew
    for photo in report.images:
        place = photo.path.relative_to(report.folder)
        if place.as_posix() not in leave_out:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(photo.path, folder / place)
    """,
    """
    Your own folder stays as it is: a copy was made, and what cannot be used was left out of it. Three ways in which this goes wrong. Files are skipped in silence, by a `try` around the opening: then nobody knows that a tenth of a class is missing. A whole class is lost, because its files have a format that the program does not read: so look at the counts after the repair. And the check is believed to see everything. It looks at files; whether a bag is a bag it cannot know.
    """,
)  # fmt: skip

SPLIT = Exercise(
    "split_moments", "code", "Three parts, no moment on two sides",
    """
    Write `split_moments(labels, moments, seed)`. It gets two arrays with an entry for each photo: the name of its class, and the name of its moment. Photos of one moment may stand anywhere, and each moment belongs to one class. It gives for each photo, in the same order, one of the words `"train"`, `"validation"`, `"test"`. Each class has enough small moments for this:

    - all photos of a moment are in the same part;
    - of *each class* a fifth is in test and a fifth in validation, as nearly as whole moments allow (a fifth of its photos, or a fifth of its moments), and one photo at least;
    - a moment with more than a fifth of the photos of its class is in train;
    - the same seed always gives the same parts, another seed others.
    """,
    splits_moments,
    ["What is drawn: photos or moments? Begin with one class: `np.unique(moments[labels == name], return_counts=True)`.",
     "Take the moments that are not too large, and shuffle them with `np.random.default_rng(seed).permutation`.",
     "All photos begin as \"train\". The first moments go to test, the next ones to validation: `parts[np.isin(moments, some)] = \"test\"`."],
    """
    def split_moments(labels, moments, seed):
        random = np.random.default_rng(seed)
        parts = np.full(len(labels), "train", dtype=object)
        for name in np.unique(labels):
            of_class = moments[labels == name]
            moments_of_class, sizes = np.unique(of_class, return_counts=True)
            fifth = max(1, len(sizes) // 5)
            drawn = random.permutation(moments_of_class[sizes <= len(of_class) / 5])
            parts[np.isin(moments, drawn[:fifth])] = "test"
            parts[np.isin(moments, drawn[fifth : 2 * fifth])] = "validation"
        return parts


    def moment_of(photo):
        burst = re.fullmatch(r"(.+_\\d+)_\\d", photo.path.stem)  # bag_001_0: bag_001
        return f"{photo.path.parent}/{burst[1] if burst else photo.path.stem}"


    report = check_folder(folder)
    names = np.array(report.class_names)[[photo.label for photo in report.images]]
    moments = np.array([moment_of(photo) for photo in report.images])
    table = Path("../../scratch/own_photos.csv")
    files = [os.path.relpath(photo.path, table.parent) for photo in report.images]
    rows = zip(files, names, split_moments(names, moments, seed=0), strict=True)
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "label", "part"), *rows])
    dataset = load_dataset(table, image_size=(96, 96))
    parts = [dataset.train, dataset.validation, dataset.test]
    print("photos of each class in each part:", all(np.bincount(each.labels).all() for each in parts))
    """,
    """
    The moments are drawn, and the photos follow. Who draws photos first and then moves those that are on two sides ends with another share of each class. A loop over neighbours, `itertools.groupby` for example, takes for granted that the photos of a moment stand side by side. In the test a burst of forty photos is one thing that counts forty times: hence the rule about large moments. And a moment has to be known. In your own folder only you can say which photos belong together: by name, by date, by the person that they show. What is written into `moment_of` decides what the test is worth.
    """,
    stub="def split_moments(labels, moments, seed):\n    ...",
    steps=("split files",),
)  # fmt: skip

TWELVE = Exercise(
    "twelve", "explain", "Twelve test photos",
    """
    For training you have 90 photos of bags and 30 of boots. For the test there are twelve, 9 bags and 3 boots. The network names all 9 bags correctly, and 1 boot: 10 of 12 are correct.

    - `balanced`: its balanced accuracy.
    - `weights`: the loss of each training photo is multiplied by the weight of its class. Which weights, for bag and for boot, let both classes count alike, so that the mean weight of the 120 photos is 1?
    - `shows`: what do you tell others about it?
        - a) It names 83 of 100 new photos correctly.
        - b) On photos like these somewhere between half and nearly all are right. About boots I know hardly anything.
        - c) Nothing: from twelve photos nothing can be learned.
        - d) 83 %. I trained it with five seeds, and the mean on these twelve was the same: so it is certain.
    """,
    every(
        balanced=number(2 / 3, percent=True, within=0.005, told={
            10 / 12: "That is the accuracy. In it a bag counts as much as a boot, and there are more bags.",
            1 / 3: "That is the recall of the boots alone.",
            1.0: "That is the recall of the bags alone.",
            4 / 3: "That is the sum of the two recalls. Asked for is their mean.",
            0.5: "That is what a network gets that names everything a bag. This one has found a boot.",
        }),
        weights=numbers(2 / 3, 2, within=0.007, told={
            (1, 3): "With these both classes count alike. But the mean weight is (90 + 3 * 30) / 120, and the learning rate would act as a larger one.",
            (1 / 3, 1): "With these both classes count alike. But the mean weight of all photos is below 1.",
            (0.75, 0.25): "These are the shares of the photos. So the large class would count even more.",
        }),
        shows=choice("b", {
            "a": "The next twelve photos may give 8 or 12. Ask `helpers.accuracy_interval(10, 12)`.",
            "c": "Would a network that only guesses be right on 10 of 12 often? Ask `helpers.accuracy_interval(10, 12)`.",
            "d": "Five networks were asked about the same twelve photos. Does that say anything about other photos?",
        }),
    ),
    ["The balanced accuracy is the mean of the recalls: 9 of 9, and 1 of 3.",
     "Both classes count alike where 90 * w = 30 * v. And 90 * w + 30 * v = 120.",
     "`helpers.accuracy_interval(10, 12)` gives the ends of the interval. With 1 of 3 it is wider still."],
    """
    for correct, photos in ((10, 12), (1, 3)):
        low, high = helpers.accuracy_interval(correct, photos)
        print(f"{correct} of {photos}: {low:.0%} to {high:.0%}")
    counts = np.array([90, 30])
    weights = counts.sum() / (len(counts) * counts)
    twelve = {"balanced": (9 / 9 + 1 / 3) / 2, "weights": weights, "shows": "b"}
    """,
    """
    83 % looks good. Two thirds, the balanced accuracy, looks different: whoever names everything a bag has 75 % and a balanced accuracy of one half. And both numbers rest on twelve photos, the boots on three. More seeds count the luck of training, not the luck of which photos were asked. In Keras the weights go into `fit(..., class_weight={0: 2 / 3, 1: 2.0})`. In general the weight of a class is the number of all photos, divided by the number of classes and by the number of its own photos. A small class then counts as much as a large one; new photos of it tell more.
    """,
    stub='twelve = {"balanced": ..., "weights": ..., "shows": ...}',
    wrong_idea="more seeds make a test on few photos certain",
)  # fmt: skip

TRANSFER = Exercise(
    "transfer", "code", "The transfer, in plain Keras",
    """
    Write `transfer(network, classes)`, without `build_pretrained`. `network` is a model of Keras that was trained on other photos. It takes photos as they are, with pixels from 0 to 255, and gives features. The function gives a new model that takes the same photos:

    - `network` is part of it, and frozen: no number in it changes in training, its batch normalisations included;
    - on top of it stands one new dense layer for `classes` classes, with dropout below it if you like;
    - it is compiled, with the cross-entropy for labels that are whole numbers. Its last layer gives logits or probabilities, as the loss expects.

    The check trains it for a step. Then use it for your own photos, with `efficientnet_lite0((96, 96))`.
    """,
    softmax_once(transfers),
    ["`network.trainable = False` freezes all layers of it.",
     "A model may stand in `keras.Sequential` like a layer.",
     "Does anything have to be done with the pixels? Look at `network.layers[1]`.",
     "Which layer makes `classes` numbers of the features? And does its loss expect logits or probabilities?"],
    """
    def transfer(network, classes):
        network.trainable = False
        model = keras.Sequential([network, keras.layers.Dropout(0.2), keras.layers.Dense(classes)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
        return model


    keras.utils.set_random_seed(0)
    network = efficientnet_lite0((96, 96))
    own = transfer(network, len(dataset.class_names))
    own.fit(dataset.train.images, dataset.train.labels, epochs=8, verbose=0)
    _, accuracy = own.evaluate(dataset.validation.images, dataset.validation.labels, verbose=0)
    commonest = np.bincount(dataset.validation.labels).max() / len(dataset.validation)
    print("better than naming each photo like the commonest class:", accuracy > commonest)
    """,
    """
    Only the new layer learns, 1,281 numbers for each class, and a few photos are enough for that. What often goes wrong: the photos are divided by 255 in front of a network that scales them itself, so that it sees black photos; the network is built without its weights, and frozen at random; softmax stands in the last layer and in the loss; it is frozen, unfrozen and frozen again, and compiled at the wrong moment. Each of these trains without an error. So look at `model.trainable_weights` before you train: two of them, the kernel and the bias of the last layer.
    """,
    stub="def transfer(network, classes):\n    ...",
    steps=("transfer",),
)  # fmt: skip

FINE_TUNE = Exercise(
    "fine_tune", "fault", "Trained on, and nothing moves",
    """
    A model like that of exercise 4 was trained, `network` in it frozen. Now `fine_tune(model, network)` prepares it for some more epochs: the last layers of the network shall learn too. A colleague says: "I trained on with it, and not one number in the network has moved. So I called `compile` once more. Then the accuracy fell at once." Three things are wrong, and the first hides the other two. Mend the function, so that after it `model.fit` lets learn:

    - the layers of `network` whose names begin with `block_16` or `head`, but no batch normalisation;
    - the new last layer, and nothing else; with Adam and a learning rate of 0.0001 or less, at every step.
    """,
    fine_tunes,
    ["A model that was trained keeps the step that Keras made of it. `compile` makes it look at `trainable` again.",
     "`network.trainable = True` sets all of its layers, then a loop can freeze some: `for layer in network.layers`.",
     "`isinstance(layer, keras.layers.BatchNormalization)` tells which ones have to stay frozen.",
     "0.003 is for a layer that knows nothing yet. The lesson takes 0.00003."],
    """
    def fine_tune(model, network):
        network.trainable = True
        for layer in network.layers:
            late = layer.name.startswith(("block_16", "head"))
            layer.trainable = late and not isinstance(layer, keras.layers.BatchNormalization)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(3e-5), loss, metrics=["accuracy"])
    """,
    """
    Keras makes a training step of a model once, at the first `fit`, with the weights that learn at that moment. Who changes `trainable` later changes a note, not the step. The same the other way round: a layer that is frozen after `compile` and `fit` goes on learning, without a word. So the order is: set `trainable`, compile, fit. A batch normalisation that learns takes mean and spread from each batch of your few photos, and forgets those of a million. And the large rate moves numbers that were good already. Whether fine-tuning helps with so few photos is another question: compare, as the lesson does.
    """,
    stub="def fine_tune(model, network):\n    network.trainable = True\n    model.optimizer.learning_rate = 0.003",
    wrong_idea="setting trainable takes effect at once",
)  # fmt: skip

DOUBTFUL = Exercise(
    "doubtful", "code", "Which labels are wrong?",
    """
    Write `doubtful(features, labels, moments, count)`. It gets three arrays with an entry for each photo: its features, the number of its class from 0 on, and the number of its moment. It gives the places of the `count` photos whose own label is believed least by a classifier that has learned from *other moments only*, in any order. The classifier is up to you; logistic regression is enough. A call may take ten seconds.
    """,
    finds_wrong_labels,
    ["`cross_val_predict(..., method=\"predict_proba\")` asks each photo once, by a classifier that has not seen it.",
     "What keeps photos of a moment together: `StratifiedGroupKFold`, with `groups=moments`.",
     "Of each row take the probability of its own label: `shares[np.arange(len(labels)), labels]`. Where is it smallest?"],
    """
    def doubtful(features, labels, moments, count):
        model, method = LogisticRegression(max_iter=1_000), "predict_proba"
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
        shares = cross_val_predict(model, features, labels, groups=moments, cv=folds, method=method)
        return np.argsort(shares[np.arange(len(labels)), labels], kind="stable")[:count]


    known = [photo for photo in dataset.report.images if photo.part != "test"]
    images = np.concatenate([dataset.train.images, dataset.validation.images])
    known.sort(key=lambda photo: photo.part)  # train, then validation
    features = network.predict(images, verbose=0)
    labels = np.array([photo.label for photo in known])
    moments = np.unique([moment_of(photo) for photo in known], return_inverse=True)[1]
    found = [known[place].path.stem for place in doubtful(features, labels, moments, 8)]
    print("those of the practice photos are found:", {"dress_901_0", "boot_902_0"} <= set(found))
    """,
    """
    A classifier that has seen a photo with its wrong label believes that label. So it may not be asked about photos that it has learned from, nor about others of their moment: six photos of one thing in the wrong folder speak for each other. Asked in this way, a wrong label stands out. What comes out is a list for a person to look at, not a list of wrong labels: hard photos stand in it too. Change labels by hand, in the table, and write down which. The test photos are not asked here; look through them yourself.
    """,
    stub="def doubtful(features, labels, moments, count):\n    ...",
    wrong_idea="a classifier can find wrong labels in the photos that it learned from",
)  # fmt: skip

BAR = Exercise(
    "choose_bar", "code", "None of these, and what it costs",
    """
    On your page the answer is to be *none of these* where the largest probability is below a bar. Write `choose_bar(probabilities, labels, others, allowed)`. It gets the probabilities of validation photos, of the shape (photos, classes), and their labels; the probabilities of photos of *other things*, which belong to none of the classes; and a share, such as 0.1. It gives three numbers:

    - the bar: the lowest one out of 0, 0.1, 0.2, ..., 1 at which, of the validation photos that still get an answer, at most the share `allowed` is answered wrongly. Where nobody gets an answer, nothing is wrong;
    - the share of validation photos that get an answer at this bar;
    - the share of the photos of other things that get a name all the same.
    """,
    chooses_bar,
    ["The confidence is `probabilities.max(axis=1)`. A photo gets an answer where it is at the bar or above.",
     "Go through the bars from below, `for bar in np.arange(11) / 10`, and stop at the first that is enough.",
     "Wrong and answered, divided by answered: of which photos? And what if no photo is answered?"],
    """
    def choose_bar(probabilities, labels, others, allowed):
        confidence = probabilities.max(axis=1)
        wrong = probabilities.argmax(axis=1) != labels
        for bar in np.arange(11) / 10:
            answered = confidence >= bar
            if (wrong & answered).sum() <= allowed * answered.sum():
                break
        return bar, answered.mean(), (others.max(axis=1) >= bar).mean()


    # Other things: the photos of the last class, asked of a network that was not taught this class.
    last, train, validation = len(dataset.class_names) - 1, dataset.train, dataset.validation
    fewer, taught = transfer(network, last), train.labels < last
    fewer.fit(train.images[taught], train.labels[taught], epochs=8, verbose=0)
    asked = softmax(own.predict(validation.images, verbose=0), axis=1)
    others = fewer.predict(validation.images[validation.labels == last], verbose=0)
    others = softmax(others, axis=1)
    bar, answered, through = choose_bar(asked, validation.labels, others, allowed=0.1)
    print(f"This run: with a bar of {bar:.1f}, {through:.0%} of other things get a name")
    """,
    """
    A bar has a price: photos that would have been answered correctly are turned away too. And it does not protect from other things: a network shares its belief out among the classes that it knows, and may be sure of one for a photo of a cat. The third number says so, but only for the other things that you collected. Here they are the photos of the last class, asked of a network that was not taught it, as in the lesson. If other things will come, make a class of them, with photos as different as possible. The bar is chosen on validation photos, like everything that is chosen; with few of them take a round number and do not believe its last digit.
    """,
    stub="def choose_bar(probabilities, labels, others, allowed):\n    ...",
    wrong_idea="a bar on the confidence keeps out what belongs to no class",
)  # fmt: skip

TAKEN = Exercise(
    "taken", "code", "A file and a page",
    """
    Take the network of your own photos along: write it as a file of LiteRT with `export_model`, and as a page with `write_page`. The answer is a dictionary with

    - `model`: the model of Keras;
    - `images`: some photos as it takes them, such as those of the test;
    - `class_names`: the names of the classes, in the order of its numbers;
    - `litert`: the path of the file, and `page`: the path of the page.

    The check opens both and asks them about the photos. `write_page` wants a model that knows its classes: `helpers.save_model(model, path, dataset)` writes them into the file of the model, and `helpers.load_model` reads them. Where the two packages that it names are not installed, `page` is None. In the end open the page, and show it somebody.
    """,
    taken_along,
    ["`helpers.save_model(own, \"../../scratch/own\", dataset)` gives the path of what it wrote. Give that to `helpers.load_model`.",
     "`export_model(own, \"../../scratch/own.tflite\", dataset.test.images)` gives the path of the file.",
     "`write_page` is called in the same way, with a name that ends in `.html`. It also takes `title`, `about` and `least_confidence`."],
    """
    own = helpers.load_model(helpers.save_model(own, "../../scratch/own_photos", dataset))
    images = dataset.test.images
    try:
        page = write_page(own, "../../scratch/own_photos.html", images, least_confidence=bar)
    except helpers.CourseError as missing:
        print(missing)
        page = None
    litert = export_model(own, "../../scratch/own_photos.tflite", images)
    taken = {"model": own, "images": images, "class_names": dataset.class_names}
    taken |= {"litert": litert, "page": page}
    """,
    """
    Whoever exports a model asks the file again, with real photos. A file may open and answer, and still be another network: that of yesterday, or one whose layers the other format rounds differently. Order and names of the classes do not stand in a LiteRT file; they travel beside it, and a list in another order gives every photo a wrong name, without an error. On the page they are inside. What else has to travel: how a photo becomes what the model takes, its size and its pixels from 0 to 255. And a sentence about what it was tested on, so that nobody believes more of it than you do.
    """,
    stub='taken = {"model": ..., "images": ..., "class_names": ..., "litert": ..., "page": ...}',
)  # fmt: skip

SHEET = Sheet(
    "07_your_own_images", "7. Your own images",
    [FOLDER, SPLIT, TWELVE, TRANSFER, FINE_TUNE, DOUBTFUL, BAR, TAKEN],
    minutes=75,
    setup="""
    import csv
    import os
    import re
    import shutil
    from pathlib import Path

    import numpy as np
    from scipy.special import softmax
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    import helpers
    from helpers import check_folder, load_dataset
    from helpers.exports import export_model, write_page
    from helpers.lessons import make_practice_photos
    from helpers.models import efficientnet_lite0
    from helpers.practice import load_exercises

    with helpers.quiet_tensorflow():
        import keras

    PRACTICE = "../../scratch/exercise_photos"
    PHOTOS = PRACTICE  # the path of your own folder, if you have one
    if PHOTOS == PRACTICE and not Path(PRACTICE).exists():
        make_practice_photos(PRACTICE)
    """,
)  # fmt: skip
