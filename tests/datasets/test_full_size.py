"""The full CIFAR-10, where it lies in data/cifar10/. Elsewhere these tests are skipped."""

import numpy as np
import pytest

from helpers import build_cnn, load_dataset
from helpers.datasets.dataset import DATA_DIR

pytestmark = pytest.mark.skipif(
    not (DATA_DIR / "cifar10").is_dir(), reason="the full CIFAR-10 is not in data/cifar10"
)


@pytest.fixture(scope="module")
def cifar10():
    return load_dataset("cifar10")


def test_every_image_is_there_once_with_the_published_counts(cifar10):
    """50,000 and 10,000 images, the same number of each class: https://www.cs.toronto.edu/~kriz/cifar.html"""
    counts = {
        split.name: set(split.class_counts().values())
        for split in (cifar10.train, cifar10.validation, cifar10.test)
    }
    assert counts == {"train": {4_500}, "validation": {500}, "test": {1_000}}
    assert cifar10.image_shape == (32, 32, 3)
    assert cifar10.train.images.dtype == np.uint8


def test_the_classic_cnn_has_its_published_number_of_parameters(cifar10):
    assert build_cnn(cifar10).count_params() == 122_570


def test_colours_are_in_their_place(cifar10):
    """Sky and sea are blue: on average the blue plane of ships outshines the red one."""
    ships = cifar10.train.images[cifar10.train.labels == cifar10.class_names.index("ship")]
    red, _, blue = ships.mean(axis=(0, 1, 2))
    assert blue > red
