"""What learners do on their own: exercises, and which of them are solved."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"load": ["load_exercises"], "overview": ["progress"]},
)
