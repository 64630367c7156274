"""How good a model is, what it looks at, and what it says of new pictures."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation": ["Evaluation", "accuracy_interval", "evaluate"],
        "explain": ["feature_maps", "grad_cam"],
        "predict": ["predict"],
        "prediction": ["Prediction"],
    },
)
