# The public names, by the lesson that introduces them, each with its room and module.
# Read by helpers/__init__.py and by editors. Imported from its room is what belongs to the course
# itself (`load_exercises` of `helpers.practice`, `lesson_figures` of `helpers.lessons`), what few
# lessons need, and what a function gives back and nobody makes by hand (`TrainingRun` of
# `helpers.training`).

# lesson 1: choosing a library
from .basics.quiet import quiet_tensorflow

# lesson 2: preparing the dataset
from .basics.errors import CourseError
from .datasets.arrays import make_dataset
from .datasets.batches import make_batches
from .datasets.dataset import ImageDataset, Split, plot_class_counts
from .datasets.load import load_dataset
from .folders.check import check_folder
from .pictures.images import plot_images
from .pictures.picture import Picture
from .pictures.squares import plot_matrix

# lesson 3: building a CNN
from .models.cnn import build_cnn
from .pictures.images import plot_feature_maps
from .results.explain import feature_maps

# lesson 4: training
from .model_files.load import load_model
from .model_files.save import save_model
from .pictures.bars import plot_bars
from .pictures.lines import plot_lines
from .practice.experiment import compare_variant
from .practice.log import experiments, forget_experiments
from .training.fit import train
from .training.run import plot_runs

# lesson 5: evaluating
from .pictures.bars import plot_intervals
from .pictures.heatmaps import plot_heatmaps
from .results.evaluation import accuracy_interval, evaluate
from .results.explain import grad_cam
from .results.predict import predict

# lesson 6: faster and more accurate
from .recipes.recipe import ACCURATE, CLASSIC, FAST, Recipe

__all__ = [
    "ACCURATE",
    "CLASSIC",
    "FAST",
    "CourseError",
    "ImageDataset",
    "Picture",
    "Recipe",
    "Split",
    "accuracy_interval",
    "build_cnn",
    "check_folder",
    "compare_variant",
    "evaluate",
    "experiments",
    "feature_maps",
    "forget_experiments",
    "grad_cam",
    "load_dataset",
    "load_model",
    "make_batches",
    "make_dataset",
    "plot_bars",
    "plot_class_counts",
    "plot_feature_maps",
    "plot_heatmaps",
    "plot_images",
    "plot_intervals",
    "plot_lines",
    "plot_matrix",
    "plot_runs",
    "predict",
    "quiet_tensorflow",
    "save_model",
    "train",
]
