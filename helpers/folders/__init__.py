"""A folder of photos: what is in it, what is wrong with it, how it is cut."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "check": ["check_folder"],
        "report": ["FolderReport"],
    },
)
