"""The classic network in PyTorch, with the same weights and the same answers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "network": ["INSTALL_TORCH", "build_torch_cnn", "copy_weights", "to_torch"],
        "training": ["train_torch"],
    },
)
