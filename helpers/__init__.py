"""The companion package of the course: what every lesson needs, and nothing twice.

    dataset = load_dataset("fashion_mnist")     lesson 2
    model = build_cnn(dataset)                  lesson 3
    run = train(model, dataset, epochs=10)      lesson 4
    result = evaluate(model, dataset.test)      lesson 5

Data flows one way, and so do the imports: datasets -> plots -> models -> training ->
evaluation -> explain. Importing this package loads neither TensorFlow nor PyTorch nor
matplotlib: each name below is fetched from its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors; at run time __getattr__ does it
    from helpers.datasets import ImageDataset, Split, load_dataset
    from helpers.evaluation import Evaluation, accuracy_interval, evaluate
    from helpers.explain import feature_maps, grad_cam
    from helpers.figures import lesson_figures
    from helpers.models import build_cnn
    from helpers.plots import (
        Picture,
        plot_bars,
        plot_class_counts,
        plot_feature_maps,
        plot_heatmaps,
        plot_images,
        plot_intervals,
        plot_lines,
        plot_matrix,
        plot_runs,
    )
    from helpers.quiet import quiet_tensorflow
    from helpers.setup_check import check_setup
    from helpers.torch_twin import build_torch_cnn, copy_weights, to_torch, train_torch
    from helpers.training import TrainingRun, make_batches, train

_MODULES = {
    "datasets": ("ImageDataset", "Split", "load_dataset"),
    "evaluation": ("Evaluation", "accuracy_interval", "evaluate"),
    "explain": ("feature_maps", "grad_cam"),
    "figures": ("lesson_figures",),
    "models": ("build_cnn",),
    "plots": (
        "Picture",
        "plot_bars",
        "plot_class_counts",
        "plot_feature_maps",
        "plot_heatmaps",
        "plot_images",
        "plot_intervals",
        "plot_lines",
        "plot_matrix",
        "plot_runs",
    ),
    "quiet": ("quiet_tensorflow",),
    "setup_check": ("check_setup",),
    "torch_twin": ("build_torch_cnn", "copy_weights", "to_torch", "train_torch"),
    "training": ("TrainingRun", "make_batches", "train"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value  # the next access is direct
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
