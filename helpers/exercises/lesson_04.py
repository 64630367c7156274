"""The exercises of lesson 4: training the model."""

from __future__ import annotations

from helpers.checking.exercise import Exercise, Sheet
from helpers.checking.values import choice, every, number
from helpers.grading.optimisation import (
    cross_entropy_of_logits,
    rule_for_stopping,
    weights_after_training,
)
from helpers.grading.trainings import draws_learning_curves, trained_and_saved

BATCHES = Exercise(
    "batches", "predict", "Batches of 32 and of 256",
    """
    You train on 1,000 images for 4 epochs. How many steps are that in all, with batches of 32 and with batches of 256? The last batch of an epoch may be smaller. A friend reads your numbers and says: "Then batches of 256 are the faster training." What do you answer?

    - a) Yes. Fewer steps on the same images: the same accuracy comes sooner.
    - b) The steps do not say that. Train both, each with a rate that fits it, and look at what they reach and in how many seconds.
    - c) No. Smaller batches learn more from the same images, always.
    - d) Train both with the same learning rate. Only then the comparison is fair.
    """,
    every(
        of_32=number(128, told={
            125: "An epoch ends with what is left over, and the next one begins a new batch. How many steps has one epoch?",
            124: "The images left over at the end of an epoch make a batch too.",
            32: "That is one epoch.", 31: "That is one epoch, and without its last batch.",
        }),
        of_256=number(16, told={
            15.625: "There are no parts of a step. How many steps has one epoch?",
            12: "The images left over at the end of an epoch make a batch too.",
            4: "That is one epoch.", 3: "That is one epoch, and without its last batch.",
        }),
        friend=choice("b", {
            "a": "A step costs less than eight steps, and it also brings less. In the lesson, batches of 256 took the fewest steps: run the cell `batch-figures`, and look at what they reached in the same two epochs.",
            "c": "Run the cell `batch-figures` of the lesson and look at batches of 8 and of 32: in how many of the ten seeds are those of 8 ahead?",
            "d": "Put 0.001 for all three sizes into the cell `batch-train` of the lesson: batches of 256 then fall further behind. Is that a fault of the size, or of a rate that does not fit it?",
        }),
    ),
    ["How many batches of 32 does it take to hold 1,000 images? Round up.",
     "The steps of one epoch, times the epochs.",
     "What a step brings depends on two things. The batch size is one. Which is the other?"],
    """
    import math

    steps = {size: 4 * math.ceil(1_000 / size) for size in (32, 256)}
    batches = {"of_32": steps[32], "of_256": steps[256], "friend": "b"}
    """,
    """
    32 steps an epoch and 4 steps an epoch, so 128 and 16. That larger batches need fewer steps is true. That the training is faster does not follow: with fewer steps less may be learned in the same epochs, as in the lesson. The seconds of one epoch alone do not decide it. And each size needs a rate that fits it: with one rate for all, you compare rates. The solution of exercise 3 runs a small experiment on this.
    """,
    stub='batches = {"of_32": ..., "of_256": ..., "friend": ...}',
    wrong_idea="a bigger batch is a faster training",
)  # fmt: skip

CROSS_ENTROPY = Exercise(
    "cross_entropy", "code", "Cross-entropy from logits, from nothing",
    """
    Write softmax and cross-entropy in plain NumPy: `cross_entropy(logits, labels)` gets logits of (images, classes) and the true class of each image, as a whole number. It gives the loss of the batch, one number: the mean over its images. It must also be right for very large logits, such as 1000 and -2000: `np.exp(1000)` is more than a float64 can hold and becomes `inf`, and `np.log(0)` is `-inf`. Do not look at the lesson.
    """,
    cross_entropy_of_logits,
    ["Softmax does not change when the same number is taken off all logits of an image.",
     "Take off the largest logit of each row (`keepdims=True`). Then no power is too large.",
     "The logarithm of e to the power of z, divided by a sum, is z minus the logarithm of the sum. So no probability is needed, and none can become 0.",
     "Which of the logarithms of a row counts? `rows[np.arange(len(rows)), places]` takes one number of each row. What is then left to do: the sign, and one number for the batch."],
    """
    def cross_entropy(logits, labels):
        shifted = logits - logits.max(axis=1, keepdims=True)
        logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -logarithms[np.arange(len(labels)), labels].mean()


    sure_and_wrong = np.array([[1000.0, 0.0, -2000.0]])
    print("loss of a sure and wrong answer:", cross_entropy(sure_and_wrong, np.array([1])))
    """,
    """
    This is why the loss takes logits, and why `from_logits=True` is more exact than two steps. Ways that often go wrong: the largest logit of the whole batch instead of that of each image, so that other images lose all their digits; probabilities cut off at a small number, so that a very wrong answer costs too little; the sum instead of the mean; softmax along the images instead of the classes.
    """,
    stub="""
    def cross_entropy(logits, labels):
        ...
    """,
)  # fmt: skip

LEARN = Exercise(
    "learn", "code", "A training in ten lines",
    """
    The smallest network for classes has no hidden layer: `logits = features @ weights`, without bias. Train it with plain gradient descent. `learn(weights, features, labels, rate, batch_size, epochs)` gets the first weights (features, classes), one row of features for each image, and the true classes. Go through the images in the order in which they stand, batch by batch; the last batch may be smaller. After each batch take one step down the slope of its mean loss. Give the weights at the end, and leave the first ones as they are.

    You may use `tf.GradientTape`, after `import tensorflow as tf`, or work out the gradient: the slope of the cross-entropy of an image along its logits is its probabilities, with 1 taken off at the true class.
    """,
    weights_after_training,
    ["Two loops: over the epochs, and inside over the places at which a batch begins, `range(0, len(features), batch_size)`.",
     "`errors` are the probabilities of the batch, with 1 taken off at the true classes. The gradient has the shape of the weights: `batch.T @ errors`.",
     "The loss is a mean over the batch, so divide the gradient by the number of images that the batch really has.",
     "`weights = weights - rate * gradient` makes new weights. `weights -= ...` would change those that were given."],
    """
    def learn(weights, features, labels, rate, batch_size, epochs):
        for _ in range(epochs):
            for first in range(0, len(features), batch_size):
                batch, true = features[first:][:batch_size], labels[first:][:batch_size]
                logits = batch @ weights
                errors = np.exp(logits - logits.max(axis=1, keepdims=True))
                errors /= errors.sum(axis=1, keepdims=True)
                errors[np.arange(len(true)), true] -= 1
                weights = weights - rate * batch.T @ errors / len(batch)
        return weights


    # One epoch: 250 steps of 8 images against one step of all, with the best of ten rates.
    random = np.random.default_rng(0)
    features = random.uniform(size=(2_000, 20))
    labels = ((features - 0.5) @ random.normal(size=(20, 3))).argmax(axis=1)
    start = np.zeros((20, 3))
    of_8 = cross_entropy(features @ learn(start, features, labels, 0.3, 8, 1), labels)
    rates = (0.01, 0.1, 0.3, 1, 2, 3, 5, 10, 30, 100)
    of_all = [
        cross_entropy(features @ learn(start, features, labels, rate, 2_000, 1), labels)
        for rate in rates
    ]
    print("batches of 8 reach a lower loss, whatever the rate of the other:", of_8 < min(of_all))
    """,
    """
    That is all of a training: a loss, its gradient, a step, and again. Ways that often go wrong: all gradients from the same weights; a division by `batch_size`, where the last batch has fewer images; the sum instead of the mean; a step an epoch instead of a step a batch. The experiment below the function says, of these made-up images only: one step of all images, even with the best rate, brings less than 250 small ones. Both see each image once.
    """,
    stub="""
    def learn(weights, features, labels, rate, batch_size, epochs):
        ...
    """,
)  # fmt: skip

STOP = Exercise(
    "stop", "fault", "A rule for stopping that is wrong",
    """
    `stop(losses, patience)` gets the validation loss of each epoch. It should give two numbers, counted from 1: which epoch is kept, and after how many epochs training ends. The rule: kept is the epoch with the lowest loss so far, the first of equal ones. When `patience` epochs in a row have not been lower than it, training ends. Where the losses end before that, training ends with them. The function below runs and is wrong in two places. Mend it. Try it first with losses of your own, such as `stop([0.9, 0.5, 0.7, 0.6, 0.8], 2)`, which should give 2 and 4.
    """,
    rule_for_stopping,
    ["Write down `lowest`, `kept` and `waited` after each epoch for [0.9, 0.5, 0.7, 0.6, 0.8].",
     "`lowest = loss` is done after every epoch. When should it be done?",
     "An epoch that is lower begins the waiting anew: then `waited` is 0 again."],
    """
    def stop(losses, patience):
        lowest, kept, waited = float("inf"), 0, 0
        for epoch, loss in enumerate(losses, start=1):
            if loss < lowest:
                lowest, kept, waited = loss, epoch, 0
            else:
                waited = waited + 1
            if waited == patience:
                break
        return kept, epoch


    print("kept, trained:", stop([0.9, 0.5, 0.7, 0.6, 0.8], 2))
    """,
    """
    The faulty function compared with the loss of the epoch before, so a loss of 0.6 after 0.7 looked like progress, although 0.5 had been reached. And it never set its count back, so that a curve that goes up and down ended too early. Both faults give no error, and on a smooth curve they do not show: try a rule on curves that go up and down.
    """,
    stub="""
    def stop(losses, patience):
        lowest, kept, waited = float("inf"), 0, 0
        for epoch, loss in enumerate(losses, start=1):
            if loss < lowest:
                kept = epoch
            else:
                waited = waited + 1
            lowest = loss
            if waited == patience:
                break
        return kept, epoch
    """,
    steps=("early stopping",),
)  # fmt: skip

TRAIN_AND_SAVE = Exercise(
    "train_and_save", "code", "Compile, fit, stop, save",
    """
    Write in plain Keras, without the helpers, what a project of your own needs: `train_and_save(model, train, validation, path)`. The model gives logits and is not compiled. `train` and `validation` are two pairs, each of images and labels; a label is the number of a class. `path` ends in `.keras`.

    - Compile with Adam at a rate of 0.01, with cross-entropy, and with the accuracy.
    - Fit in batches of 32, for at most 20 epochs. Stop when the validation loss has not been lower for 3 epochs, and go back to the weights of the best epoch.
    - Save this model in the file, and give back the history: what `fit` recorded of each epoch.

    The check trains a tiny network with your function, which takes a few seconds.
    """,
    trained_and_saved,
    ["The loss is an object: `keras.losses.SparseCategoricalCrossentropy(...)`. What does it have to know about the numbers that it gets?",
     "`fit(images, labels, validation_data=..., callbacks=[...])`: the callback is `keras.callbacks.EarlyStopping`.",
     "The callback keeps the weights of the last epoch unless it is told `restore_best_weights=True`.",
     "`fit` returns an object with the dictionary `history`. `model.save(path)` comes after `fit`, and `return` after that."],
    """
    def train_and_save(model, train, validation, path):
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate=0.01),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        stop_early = keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)
        fitted = model.fit(
            *train,
            batch_size=32,
            epochs=20,
            validation_data=validation,
            callbacks=[stop_early],
            verbose=0,
        )
        model.save(path)
        return fitted.history
    """,
    """
    These lines are the same for nearly every project. What goes wrong without an error: a loss by its name, `"sparse_categorical_crossentropy"`, which takes logits for probabilities; a callback that watches the training loss, which hardly ever rises; the weights of the last epoch; a file that was written before the training.
    """,
    stub="""
    def train_and_save(model, train, validation, path):
        ...
    """,
    steps=("compile and fit", "early stopping", "save and load"),
)  # fmt: skip

CURVES = Exercise(
    "curves", "code", "Learning curves in matplotlib",
    """
    Write `curves(history, ax)` in plain matplotlib. `history` is the dictionary of `fit`, with the lists `"loss"` and `"val_loss"`, of any length. Draw both as lines on the Axes `ax`, over the epochs counted from 1. A legend calls them training and validation, the x axis says epoch, the y axis loss. To look at your picture, write `import matplotlib.pyplot as plt` above the function and `curves({"loss": [2, 1], "val_loss": [2, 1.5]}, plt.subplots()[1])` below it.
    """,
    draws_learning_curves,
    ["`ax.plot(x, y, label=...)` draws a line. What are the numbers on the x axis?",
     "`range(1, len(history[\"loss\"]) + 1)`: without it matplotlib begins with 0.",
     "A label is seen only after `ax.legend()`. The axes get `ax.set_xlabel(...)` and `ax.set_ylabel(...)`."],
    """
    def curves(history, ax):
        epochs = range(1, len(history["loss"]) + 1)
        ax.plot(epochs, history["loss"], label="training")
        ax.plot(epochs, history["val_loss"], label="validation")
        ax.set_xlabel("epoch")
        ax.set_ylabel("loss")
        ax.legend()
    """,
    """
    A function that draws on the Axes it is given can be used for one picture or for many side by side. `plt.plot` draws on the Axes that are the current ones, which may be another picture. An x axis that begins with 0 makes people name the wrong epoch, and a legend with the two names exchanged turns overfitting into its opposite.
    """,
    stub="""
    def curves(history, ax):
        ...
    """,
    steps=("plot",),
)  # fmt: skip

TABLE = "Look at the table at the end of the section on underfitting."

FRIENDS = Exercise(
    "friends", "explain", "Three friends, three plans",
    """
    Each friend trains a network on ten classes, and has a plan.

    - Anna: "After ten epochs 62 of 100 training images are answered correctly, and 61 of 100 validation images. I will collect more images."
    - Ben: "After 25 epochs all training images are answered correctly, and 84 of 100 validation images. The validation loss was lowest after epoch 8. I will train 100 epochs more: more epochs, better."
    - Cleo: "I will stop early, at the lowest validation loss. That gives me a higher accuracy."

    Which answer fits whom?

    - a) That is not shown. You get fewer epochs and a lower loss.
    - b) Your network does not even learn the images that it is shown. First try a larger network, another learning rate, or more epochs.
    - c) Your network has learned its training images one by one. Get more images, or use the means of lesson 6.
    - d) Do so.
    - e) Take the test images, and look which plan is better on them.
    """,
    every(
        anna=choice("b", {
            "a": "That speaks of early stopping. Does her network overfit?",
            "c": "A network that has learned its images one by one answers nearly all of them correctly.",
            "d": f"How far apart are her two accuracies, and how high is the training accuracy? {TABLE}",
            "e": "The test images are used once, at the end. Do her two accuracies not say enough?",
        }),
        ben=choice("c", {
            "a": "That speaks of early stopping. He plans the opposite.",
            "b": "All his training images are answered correctly. Is there anything left to learn from them?",
            "d": "Run the cell `overfit-train` of the lesson: what do the losses do in the later epochs? After more epochs his network is surer of its wrong answers.",
            "e": "The test images are used once, at the end. Where a plan is chosen by them, they are no test.",
        }),
        cleo=choice("a", {
            "b": "Nothing is said about her training accuracy.",
            "c": "More images often help. But what does stopping at the lowest loss give?",
            "d": "Run the cell `early-stopping-compare` of the lesson: in how many of the ten seeds does the stopped network have the higher accuracy?",
            "e": "The test images are used once, at the end. Has the lesson not measured her plan already, on the validation images?",
        }),
    ),
    ["Overfitting and underfitting: look at the training accuracy first, then at the distance to the other one.",
     "Is the epoch with the lowest loss also the epoch with the highest accuracy?"],
    """
    # `learn` and `cross_entropy` are those of exercises 2 and 3. 60 images to learn from, for
    # 60 epochs, and many more to validate with. A part of each label is chance.
    random = np.random.default_rng(0)
    features, rule = random.normal(size=(2_000, 20)), random.normal(size=(20, 3))
    labels = (features @ rule + 4 * random.normal(size=(2_000, 3))).argmax(axis=1)
    weights, training, losses, accuracies = np.zeros((20, 3)), [], [], []
    for _ in range(60):
        weights = learn(weights, features[:60], labels[:60], 0.3, 16, 1)
        logits = features @ weights
        training.append(cross_entropy(logits[:60], labels[:60]))
        losses.append(cross_entropy(logits[60:], labels[60:]))
        accuracies.append((logits[60:].argmax(axis=1) == labels[60:]).mean())
    kept = np.argmin(losses)
    print("training loss lower after each epoch:", (np.diff(training) < 0).all())
    print("validation loss lowest before half of the epochs:", kept < 30)
    print("highest accuracy in another epoch than that:", accuracies[kept] < max(accuracies))
    friends = {"anna": "b", "ben": "c", "cleo": "a"}
    """,
    """
    Anna underfits: both accuracies are low and close together, and more images are not what is missing. Ben overfits: nothing is left to learn from his images, and more epochs make the network surer of its wrong answers. Cleo mixes loss and accuracy: the epoch with the lowest loss need not be that with the highest accuracy, and over ten seeds the lesson did not show that one of the two networks has more. The experiment shows it on made-up images. "More epochs" is the right advice where the training accuracy still rises, and only there.
    """,
    stub='friends = {"anna": ..., "ben": ..., "cleo": ...}',
    wrong_idea="more epochs, better; early stopping raises accuracy",
)  # fmt: skip

SHEET = Sheet(
    "04_training_the_model",
    "4. Training the model",
    [BATCHES, CROSS_ENTROPY, LEARN, STOP, TRAIN_AND_SAVE, CURVES, FRIENDS],
    minutes=50,
    setup="""
    import numpy as np

    from helpers import quiet_tensorflow
    from helpers.practice import load_exercises

    with quiet_tensorflow():
        import keras
    """,
)
