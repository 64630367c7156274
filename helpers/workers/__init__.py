"""One training on several workers: processes of one machine, or of many."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cost": ["ONE_MACHINE", "Network", "StepCost", "fit_cost", "with_hops"],
        "meeting": ["meet"],
        "place": ["Place"],
        "start": ["Outcome", "start_workers"],
        "worker": ["Worker", "join_workers"],
    },
)
