"""How good a model is, and what it looks at."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation": ["Evaluation", "accuracy_interval", "evaluate"],
        "explain": ["feature_maps", "grad_cam"],
    },
)
