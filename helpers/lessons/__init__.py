"""What only the lessons need: their figures, the check of the setup, pictures of one lesson."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "drawings": ["plot_descent", "plot_journey"],
        "first_network": ["open_picture", "plot_answers"],
        "figures": ["lesson_figures"],
        "practice_photos": ["make_practice_photos"],
        "setup_check": ["check_setup"],
    },
)
