"""One training: what it does, what is kept of it, how it goes on after a stop."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "fit": ["train"],
        "run": ["TrainingRun", "plot_runs"],
    },
)
