"""The exercises of lesson 2: preparing the dataset."""

from __future__ import annotations

from helpers.checking.exercise import Exercise, Sheet
from helpers.checking.values import choice, every, number
from helpers.grading.folders import reads_a_folder, splits_by_class, splits_by_place
from helpers.grading.photos import scales_once

CARD = Exercise(
    "card", "recall", "What a card says",
    """
    A card says where a dataset comes from, what may be done with it, and what is wrong with it. Read [the card of the clothes](../../data/README.md), its first section. You train a network on these clothes. It is to name clothes in photos from phones. What has to be done first?

    - a) Nothing. The accuracy on the 10,000 test images says how good it will be.
    - b) Ask the authors whether the images may be used.
    - c) Collect photos like those that it will meet, and test on them.
    - d) Take out the images in which a person can be recognised.
    """,
    choice("c", {
        "a": "The test images come from the same source as the training images. What does the "
        "card say under known faults and limits?",
        "b": "The card names a licence. What does it allow, and under which condition?",
        "d": "Look at the page of images in the lesson, cell `look-many`. Is there a person in one?",
    }),
    ["The lesson asks three questions of a dataset: may I use it, who is in it, who is missing?",
     "Two of the three are answered by the card without any work for you. Which one is left?"],
    'card = "c"',
    """
    The licence is MIT: the images may be used and passed on, together with its text. They show things and no persons. Missing is nearly everything that a phone sees: backgrounds, creases, clothes on a body. The card says that such a network will not recognise clothes in ordinary photos. A test accuracy holds for images of the same kind as the test images, and for no others.
    """,
    wrong_idea="a good test accuracy holds for any photos",
)  # fmt: skip

RATES = Exercise(
    "rates", "by hand", "Sick leaves",
    """
    Of 100 leaves 80 are healthy and 20 are sick. Network A calls every leaf healthy. Network B names 60 of the healthy ones and 18 of the sick ones correctly. What are the accuracy and the balanced accuracy **of B**? And which network is better at telling sick leaves from healthy ones: `"a"` or `"b"`?
    """,
    every(
        accuracy=number(0.78, percent=True, told={
            0.8: "That is the accuracy of A.",
            0.825: "That is the mean of the recalls. The accuracy counts all leaves alike.",
            0.22: "That is the proportion of mistakes.",
            0.6: "Correct are also some of the sick leaves.",
        }),
        balanced_accuracy=number(0.825, percent=True, told={
            0.83: "Nearly. Give it with three digits.", 0.82: "Nearly. Give it with three digits.",
            0.78: "That is the accuracy, in which the many healthy leaves count most.",
            0.5: "That is the balanced accuracy of A.",
            0.75: "That is the recall of the healthy leaves alone.",
            0.9: "That is the recall of the sick leaves alone.",
            1.65: "That is the sum of the two recalls. Asked for is their mean.",
            0.39: "Each class is divided by the number of its own leaves, not by 100.",
        }),
        better=choice("b", {
            "a": "By its accuracy A is ahead. How many sick leaves does it find? Work out its two "
            "recalls, as in the cell `unequal` of the lesson, and their mean.",
        }),
    ),
    ["The accuracy is the proportion of all leaves that are named correctly.",
     "The recall of a class is the proportion of its leaves that are named correctly: 60 of 80.",
     "The balanced accuracy is the mean of the two recalls."],
    """
    correct = {"healthy": (60, 80), "sick": (18, 20)}
    of_b = [right / number for right, number in correct.values()]
    print("recalls of A: 1, 0; balanced accuracy:", (1 + 0) / 2)
    print("recalls of B:", of_b)
    rates = {"accuracy": (60 + 18) / 100, "balanced_accuracy": sum(of_b) / 2, "better": "b"}
    """,
    """
    A has an accuracy of 80 %, B one of 78 %. And A has found no sick leaf: its balanced accuracy is 50 %, as guessing gives. That of B is 82.5 %. The accuracy hides it, because 80 of 100 leaves are healthy. Where classes are unequal, look at the recall of each class, and choose by the balanced accuracy. (Where a mistake on one class costs more than on the other, even that is not enough: then say what each mistake costs.)
    """,
    stub='rates = {"accuracy": ..., "balanced_accuracy": ..., "better": ...}',
    wrong_idea="accuracy is enough when classes are unequal",
)  # fmt: skip

READ_FOLDER = Exercise(
    "read_folder", "code", "Read a folder of images",
    """
    Write `read_folder(folder, height, width)` with pathlib and Pillow. `folder` is a `Path` and holds one folder per class. The function gives three things:

    - **images**: an array of uint8, of the shape (images, height, width, 3). Squeeze, or crop or pad about the middle, as you like. Grey images get three channels too. Some photos lie on their side, with a note in the file (EXIF) how to turn them: they come upright.
    - **labels**: the number of the class of each image. Classes are numbered from 0, in the order of the alphabet.
    - **counts**: a dictionary with the number of images of each class, by its name.

    Images are the files directly in the folder of a class that end in `.png`, `.jpg` or `.jpeg`, also in capitals. What begins with a dot is hidden and does not count, files and folders alike. A class without images is a class too. The check makes such folders and calls your function.
    """,
    reads_a_folder,
    ["Begin with the classes: `sorted(folder.iterdir())`. Which of these are folders, and not hidden?",
     "`file.suffix.lower()` is the ending in small letters. `file.name.startswith(\".\")` says whether it is hidden.",
     "`ImageOps.exif_transpose(photo)` turns a photo as its note says. `convert(\"RGB\")` gives three channels, whatever the file has. `resize` takes (width, height).",
     "`np.stack(list_of_arrays)` makes one array. In the same loop append the label, so both lists stay in step."],
    """
    def is_image(file):
        return file.suffix.lower() in (".png", ".jpg", ".jpeg") and not file.name.startswith(".")


    def read_folder(folder, height, width):
        images, labels, counts = [], [], {}
        classes = [path for path in folder.iterdir() if path.is_dir()]
        classes = sorted(path for path in classes if not path.name.startswith("."))
        for label, class_folder in enumerate(classes):
            files = sorted(file for file in class_folder.iterdir() if is_image(file))
            counts[class_folder.name] = len(files)
            for file in files:
                with Image.open(file) as photo:
                    upright = ImageOps.exif_transpose(photo).convert("RGB")
                images.append(np.asarray(upright.resize((width, height))))
                labels.append(label)
        return np.stack(images), np.array(labels), counts
    """,
    """
    Two sorts of mistakes are common. Some stop: a hidden file that is no image, grey and colour images in one array. Others do not stop, and these are the dangerous ones: files that end in `.JPG` are left out, copies in a hidden folder are read, photos from a phone stay on their side, and the classes come in the order of the disk, so that on the next computer a 0 means another class. So sort, and look at the counts before you train. Damaged files and copies are another matter: the lesson's last part looks for them.
    """,
    stub="""
    def read_folder(folder, height, width):
        ...
    """,
    steps=("read a folder", "count classes"),
)  # fmt: skip

SPLIT_FILES = Exercise(
    "split_files", "code", "Three parts, stratified",
    """
    Write `split_files(files, seed)`. `files` is a list of `Path`, such as `photos/cat/001.png`: the class is the folder in which a file lies. The function gives three lists, **train, validation, test**, in this order, and leaves `files` as it is. A fifth of *each class* is in test, a fifth in validation, rounded as you like, and the rest in train. Each file is in one part. The seed draws: the same files and the same seed always give the same three parts, in whatever order the files come. Each class has five files or more.
    """,
    splits_by_class,
    ["Sort the files first. Then put the files of each class together: `file.parent.name` is the class.",
     "Shuffle the files of one class with `random.Random(seed).shuffle(...)`, and cut this list twice.",
     "`fifth = len(of_class) // 5`. Test gets `of_class[:fifth]`, validation `of_class[fifth : 2 * fifth]`. And train?"],
    """
    def split_files(files, seed):
        train, validation, test = [], [], []
        for name in sorted({file.parent.name for file in files}):
            of_class = sorted(file for file in files if file.parent.name == name)
            random.Random(seed).shuffle(of_class)
            fifth = len(of_class) // 5
            test += of_class[:fifth]
            validation += of_class[fifth : 2 * fifth]
            train += of_class[2 * fifth :]
        return train, validation, test
    """,
    """
    Each class is cut by itself, so each part has the same proportion of it. With 100 files a class that gives 60, 20 and 20. What often goes wrong: all files are shuffled together, and a rare class is missing in the test; the files that are left over by rounding are in no part; files are told apart by their name alone, and `cat/001.png` and `dog/001.png` count as one; the files are not sorted, and another computer makes another split. `random.shuffle(files)` also changes the list of the caller.
    """,
    stub="""
    def split_files(files, seed):
        ...
    """,
    steps=("split files",),
)  # fmt: skip

SPLIT_BY_PLACE = Exercise(
    "split_by_place", "fault", "Good in the test, bad at a new place",
    """
    Photos of cats and dogs were taken at several places, at some more, at some fewer. `cat/p7_2.jpg` and `dog/p7_3.jpg` were both taken at the place p7. The function below cuts the files into train and test. In the test the network is good, and at a new place it is bad. Mend the function: a fifth of the *places*, drawn by the seed, goes into test with all its photos. Each file is in one part. The function gives two lists, train and test. The same files and the same seed always give the same two parts, in whatever order the files come.
    """,
    splits_by_place,
    ["What has to be shuffled and cut: the photos or the places?",
     "`file.stem.split(\"_\")[0]` is the place. Make a sorted list of all places, each once.",
     "Shuffle the places and take the first fifth. Then go through the files: is its place among them?"],
    """
    def place_of(file):
        return file.stem.split("_")[0]


    def split_by_place(files, seed):
        places = sorted({place_of(file) for file in files})
        random.Random(seed).shuffle(places)
        test_places = places[: len(places) // 5]
        train = [file for file in files if place_of(file) not in test_places]
        test = [file for file in files if place_of(file) in test_places]
        return train, test
    """,
    """
    All photos of a place show the same wall and the same light. Cut by photos, the test asks about walls that the network has seen. Cut by places, it asks about new ones, as in real use. The place goes before the class: who cuts cats and dogs apart, each by places, can have p7 on both sides. A set has no order of its own, so the places are sorted before they are shuffled. The number of test photos is then not exactly a fifth, because the places differ: that is the price. With patients, persons or days it is the same.
    """,
    stub="""
    def split_by_place(files, seed):
        files = sorted(files)
        random.Random(seed).shuffle(files)
        fifth = len(files) // 5
        return files[fifth:], files[:fifth]
    """,
    steps=("split files",),
    wrong_idea="two different photos cannot be a leak",
)  # fmt: skip

NAME_PHOTOS = Exercise(
    "name_photos", "fault", "A trained network that knows one class",
    """
    `model` is trained, and its first layer is `Rescaling(1 / 255)`. `photos` are uint8, of the shape (photos, height, width, channels). The function below shall give the number of the class of each photo. It runs without an error, and two things in it are wrong. Mend both.
    """,
    scales_once,
    ["How large is the largest pixel after `photos / 255.0`? And after the first layer of the model?",
     "The logits have the shape (photos, classes). Along which axis do you look for the largest?"],
    """
    def name_photos(model, photos):
        return model.predict(photos, verbose=0).argmax(axis=1)


    scale = keras.layers.Rescaling(1 / 255)
    white = np.full((1, 2, 2, 1), 255, dtype=np.uint8)
    once, twice = scale(white).numpy().max(), scale(white / 255.0).numpy().max()
    print("white, scaled once, is nearly 1:     ", bool(once > 0.99))
    print("white, scaled twice, is below 0.005: ", bool(twice < 0.005))
    """,
    """
    The model scales by itself. Who divides at prediction again gives it numbers up to 0.0039 instead of 1: a white photo is then as dark as one whose pixels are all 1. All photos look alike to the network, and it gives nearly all of them the same class, without an error. So scale in one place only. Inside the model it is saved along with the weights, and nobody can forget it or do it again by habit. `argmax(axis=0)` gives, for each class, the photo with the largest logit: one number a class.
    """,
    stub="""
    def name_photos(model, photos):
        pixels = photos / 255.0
        return model.predict(pixels, verbose=0).argmax(axis=0)
    """,
    steps=("scale",),
    wrong_idea="scale at prediction again",
)  # fmt: skip

BEST_OF_MANY = Exercise(
    "best_of_many", "explain", "The best of 200 tries",
    """
    You try 200 settings, and the best one is correct for 84 of 100 validation images. A friend tries 5 settings with the same images, and has 82 of 100 with the best one. Whose network is better?

    - a) Yours. 84 is more than 82.
    - b) The friend's. With fewer tries there is no luck in it.
    - c) That cannot be said yet. Count both on images that chose nothing.
    - d) Yours, if it stays at 84 when you count the same 100 images again.
    """,
    choice("c", {
        "a": "The best of many tries is also the luckiest one. Run the cells `luck` and "
        "`luck-fresh` of the lesson, once with `models = 2_000` and once with `models = 10`: none of "
        "these models knows anything. Which best one looks better?",
        "b": "With fewer tries there is less luck, and not none. Run the cells `luck` and "
        "`luck-fresh` of the lesson with `models = 10`: is the best one at 10 of 100?",
        "d": "The same network gives the same answers for the same images. Does that make them new?",
    }),
    ["If all 205 networks were equally good, who would have the higher number?",
     "On which images is such a number free of the luck of the choice?"],
    """
    def best_of(models, images):
        rng = np.random.default_rng(0)
        truth = rng.integers(10, size=images)
        guesses = rng.integers(10, size=(models, images))  # none of the models knows anything
        return (guesses == truth).mean(axis=1).max()


    print("200 that guess look better than 5:", best_of(200, 100) > best_of(5, 100))
    print("and less so on 1,000 images:", best_of(200, 1_000) < best_of(200, 100))
    best_of_many = "c"
    """,
    """
    A number that was chosen for being high is too high. The more tries, and the fewer images, the more so. Yours was chosen among 200, so more of it may be luck; but nothing says that the friend's is better. Images that had no part in any choice decide, and of these many are needed: two of 100 is a difference that chance makes often. That is what the test images are for, once, at the end.
    """,
    wrong_idea="the best of many tries is the best",
)  # fmt: skip

SHEET = Sheet(
    "02_preparing_the_dataset",
    "2. Preparing the dataset",
    [CARD, RATES, READ_FOLDER, SPLIT_FILES, SPLIT_BY_PLACE, NAME_PHOTOS, BEST_OF_MANY],
    minutes=45,
    setup="""
    import random

    import numpy as np
    from PIL import Image, ImageOps

    from helpers import quiet_tensorflow
    from helpers.practice import load_exercises

    with quiet_tensorflow():
        import keras
    """,
)
