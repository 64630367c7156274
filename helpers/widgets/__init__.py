"""Pictures that move: controls beside a picture, and under it what they show, for reading."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "kernels": ["explore_kernel", "explore_windows"],
        "descent": ["explore_descent", "explore_rates"],
        "answers": ["explore_images", "explore_threshold"],
        "upload": ["upload_photos"],
        "moving": ["MovingPicture"],
    },
)
