"""From one image file to the pixels of an upright picture, and what is odd about it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "unpack": ["unpack_photos"],
    },
)
