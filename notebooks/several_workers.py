"""One training on one worker or on several, in TensorFlow. Lesson 8 starts it, or torchrun does."""

import argparse
import time

import numpy as np

from helpers import build_cnn, load_dataset
from helpers.workers import join_workers

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="../scratch/several_workers")
parser.add_argument("--dataset", default="fashion_mnist")
parser.add_argument("--images", type=int, default=10_000)
parser.add_argument("--optimizer", default="sgd", choices=("sgd", "adam"))
parser.add_argument("--rate", type=float, default=0.01)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--floatx", default="float32", choices=("float32", "float64"))
parser.add_argument("--seed", type=int, default=0)
settings = vars(parser.parse_args())
folder, epochs = settings.pop("folder"), settings.pop("epochs")

dataset = load_dataset(settings["dataset"])
train = dataset.train.take(range(settings["images"]))
with join_workers(dataset, settings, folder) as worker:
    strategy = worker.strategy()
    import keras
    import tensorflow as tf

    keras.config.set_floatx(settings["floatx"])
    with strategy.scope():
        model = build_cnn(dataset, seed=settings["seed"])
        optimizer = keras.optimizers.get(settings["optimizer"])
        optimizer.learning_rate = settings["rate"]
        optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)

    def learn(images, labels, whole):
        """One worker's part of a step. `whole` is the number of images that all have together."""
        with tf.GradientTape() as tape:
            losses = loss(labels, model(images, training=True))
            share = tf.reduce_sum(losses) / tf.cast(whole, losses.dtype)
        gradients = tape.gradient(share, model.trainable_variables)
        optimizer.apply(gradients)  # sums them over all workers first
        return share

    @tf.function(reduce_retracing=True)
    def step(images, labels, whole):
        shares = strategy.run(learn, (images, labels, whole))
        return strategy.reduce("SUM", shares, axis=None)

    losses = []
    seconds = 0.0
    for epoch in worker.epochs([*model.variables, *optimizer.variables], epochs):
        start = time.perf_counter()
        for images, labels, whole in worker.batches(train, settings["batch_size"], epoch):
            losses.append(float(step(images, labels, tf.constant(whole))))
        seconds = time.perf_counter() - start
    worker.note(losses=losses, seconds=seconds, images=len(train))
    weights = np.concatenate([np.ravel(one) for one in model.get_weights()])
    np.save(f"{folder}/weights_{worker.rank}.npy", weights)
