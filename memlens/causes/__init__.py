"""What causes an answer: analyses that run the model again, ``name(recording, model, *, params) -> xarray.Dataset``.

They are listed in ``memlens.analysis.CATALOGUE`` with all others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memlens.causes.agreement import agreement as agreement
    from memlens.causes.attribution import attribution as attribution
    from memlens.causes.effects import effects as effects
    from memlens.causes.mediation import mediation as mediation

__all__ = ["agreement", "attribution", "effects", "mediation"]


def __getattr__(name: str) -> Any:
    """Import an analysis when it is asked for: they need torch, and what lists them does not."""
    if name not in __all__:
        raise AttributeError(f"module 'memlens.causes' has no attribute '{name}'; it has {', '.join(__all__)}")
    return getattr(import_module(f"memlens.causes.{name}"), name)
