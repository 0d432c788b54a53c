"""What causes an answer: analyses that run the model again, ``name(recording, model, *, params) -> xarray.Dataset``.

Each is in a module of its name, and in ``memlens.catalogue`` with all others; the other modules hold what they share.
"""

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from memlens.errors import closest

if TYPE_CHECKING:
    import xarray as xr

_modules = {module.name: import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)}

#: A module whose function of the same name takes a recording and a model holds an analysis.
__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    name
    for name, module in _modules.items()
    if hasattr(module, name) and list(signature(getattr(module, name)).parameters)[:2] == ["recording", "model"]
]

for _name in __all__:
    globals()[_name] = getattr(_modules[_name], _name)


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> "Callable[..., xr.Dataset]":
    raise AttributeError(f"memlens.causes has no '{name}'; {closest(name, __all__)}")
