"""Figures: ``plot_<analysis>(dataset, backend="plotly")``, one for each analysis in a module of that name. They only draw."""

from collections.abc import Callable
from importlib import import_module

from memlens.errors import closest
from memlens.figures.backend import BACKENDS, AnyFigure, Backend
from memlens.figures.by_name import DRAWN, PREFIX, caption, plot

#: Names of the figures' functions.
FIGURES = tuple(PREFIX + name for name in DRAWN)

__all__ = ["BACKENDS", "FIGURES", "AnyFigure", "Backend", "caption", "plot", *FIGURES]  # pyright: ignore[reportUnsupportedDunderAll]

for _name in FIGURES:
    globals()[_name] = getattr(import_module(f"{__name__}.{_name}"), _name)


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Callable[..., AnyFigure]:
    raise AttributeError(f"memlens.figures has no '{name}'; {closest(name, __all__)}")
