"""Networks in Keras: the classic one, and whether one fits its images and the memory."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cnn": ["build_cnn"],
        "efficientnet": ["efficientnet_lite0"],
        "pretrained": ["build_pretrained"],
    },
)
