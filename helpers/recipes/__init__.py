"""All choices of a training in one value."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bfloat16": ["has_fast_bfloat16"],
        "recipe": ["ACCURATE", "CLASSIC", "FAST", "Recipe"],
        "whitening": ["whitening_kernel"],
    },
)
