"""What a learner's answer is held against, and what is said about one that is not correct."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exercise": ["Exercise", "Sheet", "Verdict"],
        "functions": ["function"],
        "models": ["network"],
        "plain": ["Wrong"],
        "values": ["array", "choice", "every", "number", "numbers", "shape"],
    },
)
