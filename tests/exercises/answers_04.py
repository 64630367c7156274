"""What learners answer to the exercises of lesson 4."""

import functools

import keras
import matplotlib.pyplot as plt
import numpy as np
import scipy.special
import tensorflow as tf
import torch
from answers import Answers

BY_KERAS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
C = keras.callbacks
# The first optimizer loads much of PyTorch, and no exercise should wait for that.
torch.optim.SGD([torch.zeros(1)])

# ------------------------------------------------------------------------------- cross-entropy


def stable(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -logarithms[np.arange(len(labels)), labels].mean()


def image_by_image(logits, labels):
    losses = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        others = [each - row[label] for each in row]
        largest = max(others)
        losses.append(largest + np.log(sum(np.exp(each - largest) for each in others)))
    return sum(losses) / len(losses)


def by_one_hot(logits, labels):
    chosen = np.eye(logits.shape[1])[labels]
    shifted = logits - logits.max(axis=1)[:, None]
    return np.mean(np.log(np.exp(shifted).sum(1)) - (chosen * shifted).sum(1))


def by_torch(logits, labels):
    return torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(labels))


def by_tensorflow(logits, labels):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


def naive(logits, labels, take=np.mean, axis=1, log=np.log):
    with np.errstate(all="ignore"):
        raised = np.exp(logits)
        chances = raised / raised.sum(axis=axis, keepdims=True)
        return take(-log(chances[np.arange(len(labels)), labels]))


def softmax(logits, axis=1):
    return scipy.special.softmax(logits, axis=axis)


def of_chances(chances, labels):
    with np.errstate(all="ignore"):
        return -np.log(chances[np.arange(len(labels)), labels]).mean()


def largest_of_all(logits, labels):
    with np.errstate(all="ignore"):
        raised = np.exp(logits - logits.max())
        return of_chances(raised / raised.sum(axis=1, keepdims=True), labels)


def shifts_in_place(logits, labels):
    logits -= logits.max(axis=1, keepdims=True)
    return stable(logits, labels)


# ---------------------------------------------------------------------------- gradient descent


def by_hand(weights, features, labels, rate, batch_size, epochs):
    weights = weights.copy()
    for _ in range(epochs):
        for first in range(0, len(features), batch_size):
            batch, true = features[first : first + batch_size], labels[first : first + batch_size]
            errors = softmax(batch @ weights)
            errors[np.arange(len(true)), true] -= 1
            weights -= rate * batch.T @ errors / len(batch)
    return weights


def by_tape(weights, features, labels, rate, batch_size, epochs):
    variable = tf.Variable(weights.astype("float32"))
    data = tf.data.Dataset.from_tensor_slices((features.astype("float32"), labels))
    for batch, true in data.batch(batch_size).repeat(epochs):
        with tf.GradientTape() as tape:
            loss = BY_KERAS(true, batch @ variable)
        variable.assign_sub(rate * tape.gradient(loss, variable))
    return variable


def by_autograd(weights, features, labels, rate, batch_size, epochs):
    trained = torch.tensor(weights, requires_grad=True)
    optimizer = torch.optim.SGD([trained], lr=rate)
    parts = torch.utils.data.TensorDataset(torch.tensor(features), torch.tensor(labels))
    for _ in range(epochs):
        for batch, true in torch.utils.data.DataLoader(parts, batch_size):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(batch @ trained, true).backward()
            optimizer.step()
    return trained


def number_by_number(weights, features, labels, rate, batch_size, epochs):
    weights = weights.tolist()
    places = [slice(n, n + batch_size) for n in range(0, len(labels), batch_size)] * epochs
    for place in places:
        slopes = np.zeros_like(weights)
        for row, label in zip(features[place], labels[place], strict=True):
            for name, chance in enumerate(softmax(row @ weights, axis=0)):
                slopes[:, name] += row * (chance - (name == label))
        weights = [
            [one - rate * slope / len(labels[place]) for one, slope in zip(*rows, strict=True)]
            for rows in zip(weights, slopes, strict=True)
        ]
    return weights


def faulty(
    *, sign=-1, mean=True, own_size=True, axis=1, one_hot=True, drop=False, once=False, zero=False,
    whole=False, one_epoch=False,
):  # fmt: skip
    """A training with one thing wrong."""

    def learn(weights, features, labels, rate, batch_size, epochs):
        weights = 0 * weights if zero else weights
        size = len(labels) if whole else batch_size
        for _ in range(1 if one_epoch else epochs):
            for first in range(0, len(labels), size):
                batch, true = features[first : first + size], labels[first : first + size]
                if drop and len(true) < size:
                    continue
                errors = softmax(batch @ weights, axis)
                if one_hot:
                    errors[np.arange(len(true)), true] -= 1
                count = (len(true) if own_size else size) if mean else 1
                weights = weights + sign * rate * batch.T @ errors / count
                if once:
                    return weights
        return weights

    return learn


def with_old_gradients(weights, features, labels, rate, batch_size, epochs):
    begun = weights
    for _ in range(epochs):
        for n in range(0, len(labels), batch_size):
            part = features[n : n + batch_size], labels[n : n + batch_size]
            weights = weights + by_hand(begun, *part, rate, batch_size, 1) - begun
    return weights


def old_within_an_epoch(weights, features, labels, rate, batch_size, epochs):
    for _ in range(epochs):
        weights = with_old_gradients(weights, features, labels, rate, batch_size, 1)
    return weights


def in_place(weights, features, labels, rate, batch_size, epochs):
    weights -= faulty()(weights, features, labels, rate, batch_size, epochs) - weights
    return weights


def first_batch_only(weights, features, labels, rate, batch_size, epochs):
    part = features[:batch_size], labels[:batch_size]
    return by_hand(weights, *part, rate, batch_size, epochs)


def columns_of_seen_classes_only(weights, features, labels, rate, batch_size, epochs):
    """Classes that do not occur get no column."""
    return by_hand(weights[:, : labels.max() + 1], features, labels, rate, batch_size, epochs)


# ------------------------------------------------------------------------------- early stopping


def by_keras(losses, patience):
    class Model:
        stop_training = False

    callback = C.EarlyStopping("val_loss", patience=patience)
    callback.set_model(Model())
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        if callback.model.stop_training:
            break
    return callback.best_epoch + 1, epoch + 1


def mended(losses, patience):
    lowest, kept, waited = float("inf"), 0, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < lowest:
            lowest, kept, waited = loss, epoch, 0
        else:
            waited += 1
        if waited == patience:
            break
    return kept, epoch


def recursive(losses, patience):
    *before, last = losses
    if not before:
        return [1, 1]
    kept, trained = recursive(before, patience)
    if trained < len(before) or trained - kept >= patience:
        return [kept, trained]
    return [len(losses) if last < losses[kept - 1] else kept, len(losses)]


def by_argmin(losses, patience):
    losses = np.array(losses)
    for end in range(1, len(losses) + 1):
        kept = np.argmin(losses[:end])
        if end - 1 - kept == patience:
            break
    return np.array([kept + 1, end])


def stub(losses, patience, *, before=True, reset=False, equal=False):
    lowest, kept, waited = float("inf"), 0, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < lowest or (equal and loss == lowest):
            kept = epoch
            waited = 0 if reset else waited
        else:
            waited = waited + 1
        lowest = loss if before else min(lowest, loss)
        if waited == patience:
            break
    return kept, epoch


def changed(change):
    return lambda losses, patience: change(*mended(losses, patience))


def sorts_its_losses(losses, patience):
    result = mended(losses, patience)
    losses.sort()
    return result


def gives_only_when_stopped(losses, patience):
    kept, trained = mended(losses, patience)
    return (kept, trained) if trained - kept == patience else None


# ------------------------------------------------------------------------------ a whole training


def trainer(
    loss=BY_KERAS, callbacks=(), *, rate=0.01, back="history", metrics=("accuracy",), batch=32,
    save="after", measured=1, epochs=20,
):  # fmt: skip
    """A function as asked for, with settings of its own."""

    def train_and_save(model, train, validation, path):
        if save == "before":
            model.save(path)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=list(metrics))
        fitted = model.fit(
            *train, batch_size=batch, epochs=epochs, verbose=0,
            validation_data=(train, validation)[measured],
            callbacks=[each() for each in callbacks],
        )  # fmt: skip
        if save == "after":
            model.save(path)
        return {
            "history": fitted.history, "fitted": fitted, "model": model, "nothing": None,
            "losses": {"loss": fitted.history["loss"]},
            "empty": {"loss": [], "val_loss": [], "accuracy": []},
        }[back]  # fmt: skip

    return train_and_save


def stopper(monitor="val_loss", patience=3, restore=True, **more):
    return functools.partial(
        C.EarlyStopping, monitor, patience=patience, restore_best_weights=restore, **more
    )


def by_train_on_batch(model, train, validation, path):
    model.compile(keras.optimizers.Adam(0.01), BY_KERAS, metrics=["acc"])
    images, labels = train
    history, best = {"loss": [], "val_loss": [], "val_acc": []}, None
    for _ in range(20):
        model.reset_metrics()
        for n in range(0, len(labels), 32):
            mean = model.train_on_batch(images[n : n + 32], labels[n : n + 32], return_dict=True)
        measured = model.evaluate(*validation, verbose=0, return_dict=True)
        history["loss"].append(mean["loss"])
        history["val_loss"].append(np.float32(measured["loss"]))
        history["val_acc"].append(measured["acc"])
        if measured["loss"] == min(history["val_loss"]):
            best = model.get_weights()
        if len(history["loss"]) - 1 - int(np.argmin(history["val_loss"])) == 3:
            break
    model.set_weights(best)
    model.save(str(path))
    return history


def of_logits(true, logits):
    return keras.losses.sparse_categorical_crossentropy(true, logits, from_logits=True)


class Trainer:
    """Given to `check` as an object that is called."""

    def __call__(self, model, train, validation, path):
        data = [tf.data.Dataset.from_tensor_slices(part).batch(32) for part in (train, validation)]
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate=0.01),
            loss=of_logits,
            metrics=[keras.metrics.SparseCategoricalAccuracy()],
        )
        fitted = model.fit(
            data[0], validation_data=data[1], epochs=20, shuffle=False, verbose=0,
            callbacks=stopper()(),
        )  # fmt: skip
        keras.saving.save_model(model, path)
        return fitted


def with_rows_of_0_and_1(model, train, validation, path):
    train, validation = (
        (images, keras.utils.to_categorical(y, 3)) for images, y in (train, validation)
    )
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    return trainer(loss, callbacks=[stopper()])(model, train, validation, path)


def learns_from_all(model, train, validation, path):
    both = tuple(map(np.concatenate, zip(train, validation, strict=True)))
    return trainer(callbacks=[stopper()])(model, both, validation, path)


def counts_no_image(model, train, validation, path):
    model.compile(keras.optimizers.Adam(0.01), BY_KERAS, metrics=["accuracy"])
    return model.fit(
        *train, 32, 20, sample_weight=np.zeros(len(train[1])), verbose=0,
        validation_data=validation, callbacks=[stopper()()],
    )  # fmt: skip


def trains_a_copy(model, train, validation, path):
    return trainer(callbacks=[stopper()])(keras.models.clone_model(model), train, validation, path)


def saves_weights_only(model, train, validation, path):
    result = trainer(callbacks=[stopper()], save="never")(model, train, validation, path)
    other = path.with_suffix(".weights.h5")
    model.save_weights(other)
    other.rename(path)
    return result


def scales_again(model, train, validation, path):
    train[0][:] = train[0] // 255
    return trainer(callbacks=[stopper()])(model, train, validation, path)


# ------------------------------------------------------------------------------- learning curves


def drawn(
    names=("training", "validation"), keys=("loss", "val_loss"), first=1, x="epoch", y="loss",
    legend=True, **style,
):  # fmt: skip
    def curves(history, ax):
        for name, key in zip(names, keys, strict=True):
            values = history[key]
            ax.plot(range(first, len(values) + first), values, label=name, **style)
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        if legend:
            ax.legend()

    return curves


def in_one_call(history, ax):
    epochs = np.arange(len(history["loss"])) + 1
    ax.plot(epochs, np.column_stack([history["loss"], history["val_loss"]]))
    ax.legend(["Training loss", "Validation loss"])
    ax.set(xlabel="Epoch", ylabel="Cross-entropy", title="Learning curves")
    return ax


def as_current_axes(history, ax):
    plt.sca(ax)
    epochs = [n for n, _ in enumerate(history["loss"], 1)]
    plt.plot(epochs, history["val_loss"], "s-", color="k", label="val_loss")
    plt.plot(epochs, history["loss"], "o--", color="k", label="train_loss")
    plt.axvline(epochs[int(np.argmin(history["val_loss"]))], color="grey", label="lowest")
    plt.xlabel("epochs trained")
    plt.ylabel("loss")
    plt.legend(loc="upper right")


def legend_of_the_figure(history, ax):
    lines = []
    for key in ("loss", "val_loss"):
        lines += ax.plot(tf.range(1, len(history[key]) + 1), torch.tensor(history[key]))
    ax.figure.legend(lines, ["training", "validation"])
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")


def as_a_step_curve(history, ax):
    for key, name in {"val_loss": "validation", "loss": "training"}.items():
        ax.semilogy(range(1, 1 + len(history[key])), history[key], label=name, marker=".")
    ax.axhspan(0, 0.1, label="goal")
    ax.legend()
    ax.xaxis.set_label_text("epoch")
    ax.yaxis.set_label_text("loss")


def on_the_current_axes(history, ax):
    plt.plot(range(1, len(history["loss"]) + 1), history["loss"], label="training")
    plt.legend()


def names_exchanged_in_the_legend(history, ax):
    drawn(legend=False)(history, ax)
    ax.legend(["validation", "training"])


def as_dots(history, ax):
    ax.scatter(range(1, len(history["loss"]) + 1), history["loss"], label="training")


def with_names_of_epochs(history, ax):
    for values in history.values():
        ax.plot([f"epoch {n}" for n, _ in enumerate(values)], values)


def takes_the_last_off(history, ax):
    drawn()(history, ax)
    history["loss"].pop()


ANSWERS = {
    "batches": Answers(
        right=[
            {"of_32": 128, "of_256": 16, "friend": "b"}, (128, 16, "b"), [128.0, np.int64(16), "B"],
            {"friend": "b)", "of_256": tf.constant(16), "of_32": torch.tensor(128)},
        ],
        wrong=[
            ((125, 16, "b"), "of_32: An epoch ends"), ((124, 16, "b"), "make a batch too"),
            ((32, 4, "b"), "of_32: That is one epoch."), ((31, 16, "b"), "without its last batch"),
            ((128, 15.625, "b"), "no parts of a step"),
            ((128, 12, "b"), "of_256: The images left over"),
            ((128, 4, "b"), "of_256: That is one epoch."),
            ((128, 3, "b"), "of_256: That is one epoch, and without"),
            ((128, 16, "a"), "batch-figures"), ((128, 16, "c"), "ten seeds"),
            ((128, 16, "d"), "fall further behind"), ((16, 128, "b"), "of_32"),
            ((128, 16), "Expected 3 answers"), ({"of_32": 128, "of_256": 16}, "friend"),
            (128, "Expected 3 answers"), ((128, 16, "smaller ones"), "one of the letters"),
        ],
    ),
    "cross_entropy": Answers(
        right=[
            stable, image_by_image, by_one_hot, by_torch, by_tensorflow,
            lambda logits, labels: BY_KERAS(labels, logits),
            lambda logits, labels: np.float32(stable(logits, labels)),
            lambda *both: torch.nn.CrossEntropyLoss()(*map(torch.from_numpy, both)),
        ],
        wrong=[
            (naive, "Expected numbers"), (largest_of_all, "Expected numbers"),
            (lambda logits, labels: -stable(logits, labels), "turned round"),
            (lambda logits, labels: stable(logits, labels) * len(labels), "is the mean"),
            (lambda logits, labels: stable(logits, labels) / logits.shape[1], "number of classes"),
            (lambda logits, labels: stable(logits, labels) / np.log(2), "base 2"),
            (lambda logits, labels: stable(logits, labels) / np.log(10), "base 10"),
            (lambda logits, labels: stable(softmax(logits), labels), "twice"),
            (lambda logits, labels: of_chances(np.clip(softmax(logits), 1e-7, 1), labels), "cut"),
            (lambda logits, labels: of_chances(softmax(logits) + 1e-12, labels), "cut off"),
            (lambda logits, labels: of_chances(softmax(logits) + 1e-10, labels), "cut off"),
            (lambda logits, labels: of_chances(np.clip(softmax(logits), 1e-5, 1 - 1e-5), labels),
             "cut off"),
            *((lambda logits, labels, little=little: of_chances(softmax(logits) + little, labels),
               "small number is added") for little in (1e-300, 1e-4)),
            (lambda logits, labels: of_chances(softmax(logits, axis=0), labels), "Called with"),
            (lambda logits, labels: -np.mean(scipy.special.log_softmax(logits, axis=0)[
                np.arange(len(labels)), labels]), "goes along the images"),
            (lambda logits, labels: of_chances(softmax(logits, axis=None), labels), "Called with"),
            (lambda logits, labels: scipy.special.logsumexp(logits, axis=1)
             - logits[np.arange(len(labels)), labels], "for each image"),
            (lambda logits, labels: stable(logits, labels[0:1]), "Called with"),
            (lambda logits, labels: keras.losses.sparse_categorical_crossentropy(labels, logits),
             "Called with"),
            (lambda logits: logits, "called with 2 values"),
            (shifts_in_place, "work on a copy"), (stable(np.eye(3), [0, 1, 2]), "your function"),
            (lambda logits, labels: stable(logits, labels) if len(labels) < 5 else None, "return"),
        ],
    ),
    "learn": Answers(
        right=[
            by_hand, by_tape, by_autograd, number_by_number, faulty(),
            lambda weights, features, labels, rate, batch_size=32, epochs=1: by_hand(
                weights, features, labels, rate, batch_size, epochs
            ).astype("float32"),
        ],
        wrong=[
            (lambda *given: by_hand(*given[:3], 0.5, *given[4:]), "Called with"),
            (faulty(sign=1), "climb"), (faulty(mean=False), "grows with the number of images"),
            (faulty(own_size=False), "fewer images"), (faulty(whole=True), "one step an epoch"),
            (faulty(drop=True), "where it is not full"), (faulty(once=True), "one step only"),
            (first_batch_only, "first batch only"),
            (faulty(one_epoch=True), "one epoch, whatever"), (faulty(zero=True), "with zeros"),
            (faulty(axis=0), "Called with"), (faulty(one_hot=False), "Called with"),
            (with_old_gradients, "the first weights"), (old_within_an_epoch, "Within an epoch"),
            (in_place, "work on a copy"), (columns_of_seen_classes_only, "shape"),
            (lambda *given: by_hand(*given).T, "exchanged"),
            (lambda *given: by_hand(*given[:3], 0.1, *given[4:]), "Called with"),
            (lambda *given: by_hand(*given[:-2], *given[:-3:-1]), "Called with"),
            (lambda weights, features, labels: weights, "called with 6 values"),
            (lambda *given: None if given[-1] > 1 else by_hand(*given), "return"),
            (lambda weights, *others: weights, "not correct"),
        ],
    ),
    "stop": Answers(
        right=[mended, by_keras, recursive, by_argmin, changed(lambda kept, end: [kept, end])],
        wrong=[
            (stub, "before it was mended"), (stub(**{"losses": [1], "patience": 1}), "function"),
            (functools.partial(stub, before=False), "in a row"),
            (functools.partial(stub, reset=True), "compared with the one before"),
            (changed(lambda kept, end: (kept - 1, end - 1)), "from 0"),
            (changed(lambda kept, end: (end, kept)), "other order"),
            (changed(lambda kept, end: (end, end)), "keep the last epoch"),
            (changed(lambda kept, end: (kept - 1, end)), "not correct"),
            (changed(lambda kept, end: kept), "shape"),
            (lambda losses, patience: mended(losses, patience + 1), "too many"),
            (lambda losses, patience: mended(losses, max(patience - 1, 1)), "Called with"),
            (functools.partial(stub, before=False, reset=True, equal=True), "is not lower"),
            (lambda losses, patience: (losses.index(min(losses)) + 1, mended(losses, patience)[1]),
             "never trained"),
            (lambda losses: mended(losses, 3), "called with 2 values"),
            (lambda losses, patience: mended([min(loss, 1) for loss in losses], patience),
             "Called with"),
            (lambda losses, patience: mended([round(loss, 2) for loss in losses], patience),
             "Called with"),
            (sorts_its_losses, "changes what it is given"), (gives_only_when_stopped, "return"),
        ],
    ),
    "train_and_save": Answers(
        right=[
            trainer(callbacks=[stopper()]), by_train_on_batch, Trainer(),
            trainer(keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                    [stopper(mode="min", verbose=0), C.TerminateOnNaN], back="fitted"),
            with_rows_of_0_and_1,
        ],
        wrong=[
            (trainer("sparse_categorical_crossentropy", [stopper()]), "softmax"),
            (trainer("categorical_crossentropy", [stopper()]), "stopped with"),
            (trainer(), "went on until epoch 20"),
            (trainer(callbacks=[stopper("loss")]), "which loss is watched"),
            (trainer(callbacks=[stopper("val_accuracy")]), "Training ended after"),
            (trainer(callbacks=[stopper(restore=False)]), "does not end with the best weights"),
            (trainer(callbacks=[stopper(patience=1)]), "3 of waiting"),
            (trainer(callbacks=[stopper()], epochs=3), "Training ended after 3 epochs"),
            (trainer(callbacks=[stopper()], epochs=15), "That came after 15 epochs"),
            (trainer(callbacks=[stopper()], epochs=50), "That came after 50 epochs"),
            (trainer(callbacks=[stopper(min_delta=0.05)]), "epochs"),
            (trainer(callbacks=[stopper()],
                     metrics=[keras.metrics.SparseTopKCategoricalAccuracy(2, name="top_accuracy")]),
             "recorded as accuracy"),
            (trainer(callbacks=[stopper()], rate=0.001), "with a rate of 0.01"),
            (trainer(callbacks=[stopper()], batch=16), "steps an epoch"),
            (trainer(callbacks=[stopper()], measured=0), "no recorded val_loss"),
            (trainer(callbacks=[stopper()], metrics=()), "No accuracy"),
            (trainer(callbacks=[stopper()], back="nothing"), "Is there a `return`"),
            (trainer(callbacks=[stopper()], back="nothing", save="never"), "Is there a `return`"),
            (trainer(callbacks=[stopper()], back="losses"), "val_loss of each epoch is missing"),
            (trainer(callbacks=[stopper()], save="before"), "before training or after it"),
            (trainer(callbacks=[stopper()], save="never"), "no file at `path`"),
            (learns_from_all, "learns from the validation images"),
            (counts_no_image, "training loss does not fall"),
            (trains_a_copy, "has no loss yet"), (saves_weights_only, "cannot be loaded"),
            (scales_again, "changes the images"),
            (lambda model, train, validation: None, "called with 4 values"),
            (trainer(callbacks=[stopper()], back="model"), "Expected what `fit` recorded"),
            (trainer(callbacks=[stopper()], back="empty"), "no epoch"),
        ],
    ),
    "curves": Answers(
        right=[drawn(), in_one_call, as_current_axes, legend_of_the_figure, as_a_step_curve,
               drawn(names=("Train", "Val."), x="Number of the epoch", y="mean loss", marker="o")],
        wrong=[
            (drawn(first=0), "stand at 0 to 2"), (drawn(keys=("loss", "loss")), "val_loss"),
            (drawn(keys=("val_loss", "loss")), "is called 'validation'"),
            (drawn(names=("loss", "val_loss")), "Expected a name with"),
            (drawn(legend=False), "No legend"), (drawn(x=""), "x axis"),
            (drawn(y="accuracy"), "y axis"), (drawn(color="blue"), "look alike"),
            (on_the_current_axes, "Nothing is drawn on `ax`"), (as_dots, "no line"),
            (names_exchanged_in_the_legend, "is called 'validation'"),
            (drawn(keys=("accuracy", "val_accuracy")), "stopped with KeyError"),
            (lambda history, ax: drawn()({n: v[:3] for n, v in history.items()}, ax), "value by"),
            (takes_the_last_off, "changes the history"), (lambda history, ax: ax, "no line on"),
            (with_names_of_epochs, "holds no numbers"),
            (lambda history: history, "called with 2 values"),
            (plt.plot, "stopped with TypeError"),
        ],
    ),
    "friends": Answers(
        right=[
            {"anna": "b", "ben": "c", "cleo": "a"}, ("b", "c", "a"), ["B", " c", "a)"],
            np.array(["b", "c", "a"]), {"cleo": "a", "anna": "b.", "ben": np.str_("C")},
        ],
        wrong=[
            (("d", "c", "a"), "How far apart"), (("c", "c", "a"), "one by one"),
            (("b", "d", "a"), "overfit-train"), (("b", "b", "a"), "anything left to learn"),
            (("b", "c", "d"), "early-stopping-compare"), (("b", "c", "e"), "test images"),
            (("b", "a", "a"), "the opposite"), (("a", "c", "a"), "overfit"), ("bcd", "3 answers"),
            (("b", "c"), "Expected 3 answers"), ({"anna": "b", "ben": "c"}, "cleo"),
            ((1, 2, 3), "one of the letters"),
        ],
    ),
}  # fmt: skip
