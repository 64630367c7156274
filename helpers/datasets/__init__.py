"""From a name or a folder to images and labels, and on to batches of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "arrays": ["make_dataset"],
        "augment": ["flip_sideways", "shift"],
        "batches": ["make_batches"],
        "dataset": ["ImageDataset", "Split", "plot_class_counts"],
        "load": ["load_dataset"],
    },
)
