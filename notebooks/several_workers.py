"""One training on one worker or on several, in TensorFlow. Lesson 8 starts it, or torchrun does."""

import argparse
import time

import numpy as np

from helpers import load_dataset, make_batches, quiet_tensorflow
from helpers.workers import join_workers

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="../scratch/several_workers")
parser.add_argument("--wait", type=float, default=60, help="seconds for all to come")
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--dataset", default="fashion_mnist")
parser.add_argument("--images", type=int, default=10_000, help="of the training images")
parser.add_argument("--batch-size", type=int, default=64, help="of all workers together")
parser.add_argument("--optimizer", choices=("sgd", "adam"), default="adam")
parser.add_argument("--rate", type=float, default=0.001)
parser.add_argument("--floatx", choices=("float32", "float64"), default="float32")
parser.add_argument("--norm", choices=("none", "alone", "together"), default="none")
parser.add_argument("--seed", type=int, default=0)
settings = vars(parser.parse_args())
folder, wait = settings.pop("folder"), settings.pop("wait")
dataset = load_dataset(settings.pop("dataset"))  # its path may be another one on each machine

with join_workers(dataset, settings, folder, wait=wait) as worker:
    strategy = worker.strategy()
    with quiet_tensorflow():
        import keras
        import tensorflow as tf
    from keras import layers

    keras.config.set_floatx(settings["floatx"])
    keras.config.set_dtype_policy(settings["floatx"])
    keras.utils.set_random_seed(settings["seed"])

    def convolution(channels):
        if settings["norm"] == "none":
            return [layers.Conv2D(channels, 3, activation="relu"), layers.MaxPooling2D(2)]
        norm = layers.BatchNormalization(synchronized=settings["norm"] == "together")
        plain = layers.Conv2D(channels, 3, use_bias=False)
        return [plain, norm, layers.ReLU(), layers.MaxPooling2D(2)]

    with strategy.scope():
        first = [keras.Input(dataset.image_shape), layers.Rescaling(1 / 255)]
        last = [layers.Flatten(), layers.Dense(len(dataset.class_names))]
        model = keras.Sequential([*first, *convolution(32), *convolution(64), *last])
        optimizer = keras.optimizers.get(settings["optimizer"])
        optimizer.learning_rate = settings["rate"]
        optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)

    def learn(images, labels, whole):
        """What one worker does in a step. `whole` is how many images all of them have."""
        with tf.GradientTape() as tape:
            losses = loss(labels, model(images, training=True))
            share = tf.reduce_sum(losses) / tf.cast(whole, losses.dtype)
        gradients = tape.gradient(share, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)  # sums them over all workers first
        return share

    def count_correct(images, labels):
        answers = tf.argmax(model(images, training=False), axis=1)
        return tf.reduce_sum(tf.cast(answers == labels, "int64"))

    # Of any length: all workers must build the same graph, also where their parts differ.
    some_images = tf.TensorSpec((None, *dataset.image_shape), "uint8")
    some_labels, number = tf.TensorSpec((None,), "int64"), tf.TensorSpec((), "int32")

    @tf.function(input_signature=[some_images, some_labels, number])
    def step(images, labels, whole):
        return strategy.run(learn, (images, labels, whole))

    @tf.function(input_signature=[some_images, some_labels])
    def correct(images, labels):
        return strategy.reduce("SUM", strategy.run(count_correct, (images, labels)), axis=None)

    train = dataset.train.take(min(settings["images"], len(dataset.train)))
    losses, seconds, epochs = [], [], settings["epochs"]
    for epoch in worker.epochs([*model.variables, *optimizer.variables], epochs):
        start = time.perf_counter()
        batches = worker.batches(train, settings["batch_size"], epoch, seed=settings["seed"])
        shares, sizes = [], []
        for images, labels, whole in batches:
            shares.append(step(images, labels, whole))
            sizes.append(int(whole))
        together = strategy.reduce("SUM", tf.stack(shares), axis=None).numpy().tolist()
        losses += together
        seconds.append(time.perf_counter() - start)
        if worker.rank == 0:  # all have the same to say
            said = f"mean loss {np.average(together, weights=sizes):.4f}, {seconds[-1]:.1f} seconds"
            print(f"Epoch {epoch + 1} of {epochs}: {said}", flush=True)

    batches = make_batches(dataset.validation, 500, share=(worker.rank, worker.count))
    right = sum(int(correct(images, labels)) for images, labels in batches)
    worker.note(losses=losses, seconds=seconds, images=len(train), right=right)
    weights = [np.ravel(one) for one in model.get_weights()]
    np.save(worker.folder / f"weights_{worker.rank}.npy", np.concatenate(weights))
    if worker.rank == 0:
        print(f"What was kept is in {worker.folder.resolve()}", flush=True)
