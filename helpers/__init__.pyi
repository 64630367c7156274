# The public names and where they live: read by helpers/__init__.py and by editors.

from .basics.errors import CourseError
from .basics.quiet import quiet_tensorflow
from .datasets.augment import flip_sideways, shift
from .datasets.batches import make_batches
from .datasets.dataset import ImageDataset, Split, plot_class_counts
from .datasets.load import load_dataset
from .folders.check import check_folder
from .folders.report import FolderReport
from .lessons.drawings import plot_descent, plot_journey
from .lessons.figures import lesson_figures
from .lessons.setup_check import check_setup
from .model_files.load import load_model
from .model_files.save import save_model
from .models.cnn import build_cnn
from .pictures.bars import plot_bars, plot_intervals
from .pictures.heatmaps import plot_heatmaps
from .pictures.images import plot_feature_maps, plot_images
from .pictures.lines import plot_lines
from .pictures.picture import Picture
from .pictures.squares import plot_matrix
from .recipes.bfloat16 import has_fast_bfloat16
from .recipes.recipe import ACCURATE, CLASSIC, FAST, Recipe
from .results.evaluation import Evaluation, accuracy_interval, evaluate
from .results.explain import feature_maps, grad_cam
from .torch_twin.network import build_torch_cnn, copy_weights, to_torch
from .torch_twin.training import train_torch
from .training.fit import train
from .training.run import TrainingRun, plot_runs

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
