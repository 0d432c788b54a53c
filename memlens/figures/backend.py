"""The two libraries that draw a figure: plotly for the screen, matplotlib for print."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from memlens.errors import AnalysisError

Backend = Literal["plotly", "matplotlib"]
BACKENDS: tuple[Backend, ...] = ("plotly", "matplotlib")
#: A ``plotly.graph_objects.Figure`` or a ``matplotlib.figure.Figure``, by the backend.
AnyFigure: TypeAlias = Any


def by_backend(
    backend: Backend, plotly: Callable[..., AnyFigure], matplotlib: Callable[..., AnyFigure]
) -> Callable[..., AnyFigure]:
    """Of two functions that draw the same, the one of a backend.

    Parameters
    ----------
    backend : str
        "plotly" or "matplotlib".
    plotly, matplotlib : Callable
        The two functions.

    Returns
    -------
    Callable
        One of them.

    Raises
    ------
    AnalysisError
        For another backend.
    """
    if backend not in BACKENDS:
        raise AnalysisError(f"backend is {backend!r}; expected 'plotly', for the screen, or 'matplotlib', for print")
    return plotly if backend == "plotly" else matplotlib
