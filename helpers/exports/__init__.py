"""A model for elsewhere: files of LiteRT and ONNX, a page that anyone can open."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "export": ["export_model"],
        "page": ["write_page"],
    },
)
