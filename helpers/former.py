"""The modules and names as they were once, for notebooks and scripts of that time.

    from helpers.batches import make_batches      # found in helpers.datasets.batches
    from helpers import flip_sideways             # found in helpers.datasets

Nothing in the course imports them by these names.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

FORMER = {
    "batches": ("datasets.batches", "datasets.augment"),
    "checkpoints": ("training.checkpoints",),
    "downloads": ("datasets.downloads",),
    "errors": ("basics.errors",),
    "evaluation": ("results.evaluation", "results.calibration"),
    "explain": ("results.explain",),
    "figures": ("lessons.figures",),
    "files": ("basics.files",),
    "fit_check": ("models.fit_check", "models.step_memory"),
    "folder_report": ("folders.report", "folders.findings"),
    "image_files": ("photos.decode", "photos.processes", "photos.remarks"),
    "memory": ("basics.memory",),
    "plots": ("pictures", "pictures.picture", "lessons"),
    "prepared": ("datasets.prepared",),
    "quiet": ("basics.quiet",),
    "setup_check": ("lessons.setup_check", "basics.memory"),
    "splits": ("folders.cut",),
}

FORMER_NAMES = {
    "Evaluation": "results",
    "FolderReport": "folders",
    "Prediction": "results",
    "TrainingRun": "training",
    "build_torch_cnn": "torch_twin",
    "check_setup": "lessons",
    "copy_weights": "torch_twin",
    "flip_sideways": "datasets",
    "has_fast_bfloat16": "recipes",
    "lesson_figures": "lessons",
    "load_exercises": "practice",
    "plot_descent": "lessons",
    "plot_journey": "lessons",
    "progress": "practice",
    "shift": "datasets",
    "to_torch": "torch_twin",
    "train_torch": "torch_twin",
}


class FormerModules:
    """Finds a module of `FORMER`, which then looks its names up in the modules of today."""

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        package, _, module = name.rpartition(".")
        if package == __package__ and module in FORMER:
            return importlib.util.spec_from_loader(name, self)
        return None

    def create_module(self, spec: object) -> None:
        return None  # an empty one

    def exec_module(self, module: ModuleType) -> None:
        places = FORMER[module.__name__.rpartition(".")[2]]

        def find(name: str) -> Any:
            for place in places:
                today = importlib.import_module(f"{__package__}.{place}")
                if hasattr(today, name):
                    return getattr(today, name)
            raise AttributeError(f"{name} is no longer in {module.__name__}: see {places}")

        module.__getattr__ = find


sys.meta_path.append(FormerModules())
