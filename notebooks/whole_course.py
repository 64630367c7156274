"""Lessons 2 to 5 as one program: load, build, train, evaluate, save."""

import os
from pathlib import Path

from helpers import evaluate, load_dataset, make_batches, quiet_tensorflow, save_model

with quiet_tensorflow():
    import keras
    from keras import layers

seed = int(os.environ.get("COURSE_SEED", "0"))
dataset = load_dataset(os.environ.get("COURSE_DATASET", "fashion_mnist"))
keras.utils.set_random_seed(seed)
model = keras.Sequential(
    [
        keras.Input(dataset.image_shape),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(len(dataset.class_names)),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss, metrics=["accuracy"])
train_batches = make_batches(dataset.train, 32, shuffle=True, seed=seed)
validation_batches = make_batches(dataset.validation, 500)
model.fit(train_batches, validation_data=validation_batches, epochs=5, shuffle=False, verbose=2)
result = evaluate(model, dataset.test)
print(result)
folder = Path(__file__).resolve().parent.parent / "scratch"
save_model(model, folder / "whole_course", dataset)
