# The public names and where they live: read by helpers/__init__.py and by editors.

from .basics.errors import CourseError
from .basics.quiet import quiet_tensorflow
from .datasets.batches import flip_sideways, make_batches, shift
from .datasets.load import ImageDataset, Split, load_dataset
from .folders.check import check_folder
from .folders.report import FolderReport
from .lessons.figures import lesson_figures
from .lessons.setup_check import check_setup
from .model_files.load import load_model, save_model
from .models.cnn import build_cnn
from .pictures.picture import (
    Picture,
    plot_bars,
    plot_class_counts,
    plot_descent,
    plot_feature_maps,
    plot_heatmaps,
    plot_images,
    plot_intervals,
    plot_journey,
    plot_lines,
    plot_matrix,
    plot_runs,
)
from .recipes.recipe import ACCURATE, CLASSIC, FAST, Recipe, has_fast_bfloat16
from .results.evaluation import Evaluation, accuracy_interval, evaluate
from .results.explain import feature_maps, grad_cam
from .torch_twin.network import build_torch_cnn, copy_weights, to_torch, train_torch
from .training.fit import TrainingRun, train

__all__ = [
    "ACCURATE",
    "CLASSIC",
    "FAST",
    "CourseError",
    "Evaluation",
    "FolderReport",
    "ImageDataset",
    "Picture",
    "Recipe",
    "Split",
    "TrainingRun",
    "accuracy_interval",
    "build_cnn",
    "build_torch_cnn",
    "check_folder",
    "check_setup",
    "copy_weights",
    "evaluate",
    "feature_maps",
    "flip_sideways",
    "grad_cam",
    "has_fast_bfloat16",
    "lesson_figures",
    "load_dataset",
    "load_model",
    "make_batches",
    "plot_bars",
    "plot_class_counts",
    "plot_descent",
    "plot_feature_maps",
    "plot_heatmaps",
    "plot_images",
    "plot_intervals",
    "plot_journey",
    "plot_lines",
    "plot_matrix",
    "plot_runs",
    "quiet_tensorflow",
    "save_model",
    "shift",
    "to_torch",
    "train",
    "train_torch",
]
