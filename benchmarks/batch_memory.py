"""What a training step takes in memory, beside what helpers/models/step_memory.py expects.

    python benchmarks/batch_memory.py

Each row is a process of its own that trains two steps of the classic CNN, first with a
small batch, then with a large one, and reads how far its peak memory rose. In the last ones
only the dense layers learn, as in transfer learning.
"""

import json
import subprocess
import sys
from pathlib import Path

# pixels a side, channels, images a batch, layers that are frozen
CASES = [
    (28, 1, 500, 0), (28, 1, 4_000, 0), (32, 3, 4_000, 0), (96, 3, 250, 0), (224, 3, 40, 0),
    (224, 3, 120, 0), (96, 3, 250, 7), (224, 3, 120, 7),
]  # fmt: skip


def measure(side: int, channels: int, batch_size: int, frozen: int) -> dict[str, float]:
    import numpy as np

    from helpers import Split, build_cnn, quiet_tensorflow
    from helpers.datasets.dataset import ImageDataset
    from helpers.models.step_memory import bytes_an_image, bytes_of_step

    with quiet_tensorflow():
        import keras

    images = np.zeros((batch_size, side, side, channels), np.uint8)
    labels = np.arange(batch_size) % 10
    names = tuple("abcdefghij")
    split = Split("train", images, labels, names, "zeros")
    dataset = ImageDataset("zeros", split, split, split, names, images.shape[1:], "zeros")
    model = build_cnn(dataset)
    for layer in model.layers[:frozen]:
        layer.trainable = False
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss)

    def peak() -> float:
        # Not that of getrusage: Linux begins it with what the process that started this one had.
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    model.train_on_batch(images[:2], labels[:2])
    before = peak()
    for _ in range(2):
        model.train_on_batch(images, labels)
    rise = peak() - before
    outputs = bytes_an_image(model) * batch_size
    expected = bytes_of_step(model) * batch_size
    return {"GB": rise / 1e9, "expected": expected / 1e9, "times all outputs": rise / outputs}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(*map(int, sys.argv[1:]))))
    else:
        for case in CASES:
            command = [sys.executable, __file__, *map(str, case)]
            finished = subprocess.run(command, check=True, capture_output=True, text=True)
            figures = json.loads(finished.stdout.splitlines()[-1])
            shown = ", ".join(f"{name} {value:.2f}" for name, value in figures.items())
            what = "{:4} pixels, {} channels, batch {:5}, {} layers frozen".format(*case)
            print(f"{what}: {shown}")
