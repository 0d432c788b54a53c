"""The store over time: how full each level is, how old its entries are, how much they were read."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels
from memlens.figures.style import level_colour, percent, several

if TYPE_CHECKING:
    import xarray as xr

PANELS = (
    ("occupancy", "entries held (thin: capacity)", "entries"),
    ("age", "mean age", "age (segments)"),
    ("hits", "mean hits", "hits, as Q sees them"),
)
LINES = ("solid", "dash", "dot", "dashdot")


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    width, segment = int(dataset.attrs["segments_per_bin"]), dataset["segment"].values
    x = "segment" if width == 1 else f"segment (bins of {width})"
    panels = []
    for name, title, unit in PANELS:
        marks = []
        for level in (int(level) for level in dataset["level"].values):
            own, colour, dash = dataset.sel(level=level), level_colour(level), LINES[level % 4]
            marks.append(Mark(f"level {level}", segment, own[name].values, colour, dash=dash))
            if name == "occupancy" and np.isfinite(float(own["capacity"])):
                full = np.full(2, float(own["capacity"]))
                marks.append(Mark(f"capacity {level}", segment[[0, -1]], full, colour, dash="dot"))
        panels.append(Panel(title, x, unit, marks))
    return panels


def plot_occupancy(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.occupancy`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.occupancy` returned.
    backend : str
        "plotly", for the screen, or "matplotlib", for print.

    Returns
    -------
    plotly.graph_objects.Figure or matplotlib.figure.Figure
        By the backend.

    Raises
    ------
    AnalysisError
        For another backend.
    """
    return draw_panels(_panels(dataset), f"The long-term store (n = {dataset.attrs['n']:,} entries)", backend)


def caption(dataset: "xr.Dataset") -> str:
    """Say how full each level is at the end, and how old its entries are then."""
    parts = []
    for level in (int(level) for level in dataset["level"].values):
        own = dataset.sel(level=level)
        held, capacity = float(own["occupancy"].values[-1]), float(own["capacity"])
        full = f" of {capacity:.0f} ({percent(held / capacity)})" if np.isfinite(capacity) and capacity > 0 else ""
        age = float(own["age"].values[-1])
        old = f", {age:.1f} segments old on average" if np.isfinite(age) else ""
        parts.append(f"Level {level} ends with {held:.1f} entries{full}{old}.")
    dropped = int(dataset["dropped_at_birth"].sum())
    if dropped:
        parts.append(f"{several(dropped, 'slot')} dropped in the segment in which they were written were never held.")
    return " ".join(parts)
