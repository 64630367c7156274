"""What learners do on their own: exercises, and experiments beside a baseline."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "comparison": ["Comparison"],
        "experiment": ["compare_variant"],
        "load": ["load_exercises"],
        "log": ["experiments", "forget_experiments"],
        "overview": ["progress"],
    },
)
