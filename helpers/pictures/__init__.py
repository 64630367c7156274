"""Draw numbers, names and images in one style; nothing here knows a dataset or a run."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bars": ["plot_bars", "plot_intervals"],
        "heatmaps": ["plot_heatmaps"],
        "images": ["plot_feature_maps", "plot_images"],
        "lines": ["plot_lines"],
        "picture": ["Picture"],
        "squares": ["plot_matrix"],
    },
)
