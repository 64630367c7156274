"""What all other rooms stand on: errors, arguments, files, memory, a quiet TensorFlow."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "errors": ["CourseError"],
        "memory": ["peak_memory"],
        "quiet": ["quiet_tensorflow"],
    },
)
