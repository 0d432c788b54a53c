"""Executed actions by modality, importance, novelty and occupancy."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels
from memlens.figures.style import ACTION_COLOUR, ACTION_LETTER

if TYPE_CHECKING:
    import xarray as xr


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    panels = []
    for kind in (str(kind) for kind in dataset["kind"].values):
        for name in (str(name) for name in dataset["tested"].values):
            own = dataset.sel(kind=kind).isel(cell=np.flatnonzero(dataset["factor"].values == name))
            own = own.isel(cell=np.flatnonzero(own["count"].values.sum(1) > 0))
            place, n = np.arange(own.sizes["cell"]), own["count"].values.sum(1)
            marks = []
            for action, colour in ACTION_COLOUR.items():
                y, low, high = (100 * own[key].sel(action=action).values for key in ("share", "low", "high"))
                note = [f"n = {count:,}" for count in n]
                marks.append(Mark(f"{ACTION_LETTER[action]} {action}", place, y, colour, "bar", low, high, note=note))
            p = float(dataset["p_adjusted"].sel(kind=kind, tested=name))
            title = f"{kind}s by {name}" + (f" (p = {p:.2g})" if np.isfinite(p) else "")
            ticks = [str(value) for value in own["value"].values]
            panels.append(Panel(title, name, "share of decisions (%)", marks, ticks=ticks, y_range=(0, 103)))
    return panels


def plot_decision_factors(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.decision_factors`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.decision_factors` returned.
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
    columns = dataset.sizes["tested"]
    return draw_panels(
        _panels(dataset),
        f"On what decisions depend (n = {dataset.attrs['n']:,}, 95 % intervals)",
        backend,
        columns=columns,
    )


def caption(dataset: "xr.Dataset") -> str:
    """Say on which factors the actions depend."""
    parts = []
    for kind in (str(kind) for kind in dataset["kind"].values):
        own = dataset.sel(kind=kind)
        known = np.isfinite(own["p"].values)
        if not known.any():
            parts.append(f"Decisions on {kind}s could not be tested: too few entries, or one action only.")
            continue
        found = [
            f"{name} ({float(own['information'][at]):.2f} bit against {float(own['information_null'][at]):.2f} shuffled)"
            for at, name in enumerate(str(name) for name in own["tested"].values)
            if known[at] and float(own["p_adjusted"][at]) <= 0.05
        ]
        verdict = f"depend on {', '.join(found)}" if found else "are not shown to depend on any of these factors"
        parts.append(f"Actions on {kind}s {verdict}.")
    return " ".join(parts)
