"""Measures of a recording: ``name(recording, *, params) -> xarray.Dataset``, one in a module of that name; see ``memlens.catalogue``."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from memlens.errors import closest

if TYPE_CHECKING:
    import xarray as xr

#: Every module of this package holds the analysis it is named after; what analyses share is in ``support``.
__all__ = [module.name for module in iter_modules(__path__) if not module.ispkg]  # pyright: ignore[reportUnsupportedDunderAll]

for _name in __all__:
    globals()[_name] = getattr(import_module(f"{__name__}.{_name}"), _name)


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> "Callable[..., xr.Dataset]":
    raise AttributeError(f"memlens.analysis has no '{name}'; {closest(name, __all__)}")
