"""The companion package of the course: what every lesson needs, and nothing twice.

    dataset = load_dataset("fashion_mnist")     lesson 2
    model = build_cnn(dataset)                  lesson 3
    run = train(model, dataset, epochs=10)      lesson 4
    result = evaluate(model, dataset.test)      lesson 5
    model, run = FAST.train(dataset)            lesson 6

Data flows one way: name or folder, dataset, model, run, result, picture. The package has a room
for each (CONTRIBUTING.md has them in their order), and a room imports none that comes later.
Importing this package loads neither TensorFlow nor PyTorch nor matplotlib: each name in
__init__.pyi is fetched from its module when it is first used.
"""

import importlib

import lazy_loader

from helpers.former import FORMER_NAMES

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name in FORMER_NAMES:
        return getattr(importlib.import_module(f"{__name__}.{FORMER_NAMES[name]}"), name)
    return _public(name)
