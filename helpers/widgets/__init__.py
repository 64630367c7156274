"""What is moved by hand in a notebook: pictures with controls, and an upload of photos."""

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
