"""Draw the result of an analysis that is known by its name, and say in words what the result shows."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING

from memlens.errors import AnalysisError, closest
from memlens.figures.backend import AnyFigure, Backend

if TYPE_CHECKING:
    import xarray as xr

PREFIX = "plot_"
#: Analyses that have a figure: one for each module ``plot_<analysis>`` of this package.
DRAWN = tuple(
    module.name.removeprefix(PREFIX)
    for module in iter_modules([str(Path(__file__).parent)])
    if module.name.startswith(PREFIX)
)


def plot(analysis: str, dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of an analysis.

    Parameters
    ----------
    analysis : str
        Its name in `memlens.catalogue`.
    dataset : xarray.Dataset
        Its result.
    backend : str
        "plotly", for the screen, or "matplotlib", for print.

    Returns
    -------
    plotly.graph_objects.Figure or matplotlib.figure.Figure
        By the backend.

    Raises
    ------
    AnalysisError
        For an analysis that has no figure, or another backend.
    """
    return getattr(_module(analysis), PREFIX + analysis)(dataset, backend)


def caption(analysis: str, dataset: "xr.Dataset") -> str:
    """Say in words what the result of an analysis shows.

    Parameters
    ----------
    analysis : str
        Its name in `memlens.catalogue`.
    dataset : xarray.Dataset
        Its result.

    Returns
    -------
    str
        Sentences with the numbers, intervals and verdicts of the result. Recorded text in them is not escaped.

    Raises
    ------
    AnalysisError
        For an analysis that has no figure.
    """
    return _module(analysis).caption(dataset)


def _module(analysis: str) -> ModuleType:
    if analysis not in DRAWN:
        raise AnalysisError(f"no figure for '{analysis}'; {closest(analysis, DRAWN)}")
    return import_module(f"memlens.figures.{PREFIX}{analysis}")
