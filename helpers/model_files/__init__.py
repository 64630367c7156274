"""Save a model whole; load one without trusting its file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "load": ["load_model"],
        "save": ["save_model"],
    },
)
