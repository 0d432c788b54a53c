"""How close the calls were: margins, and near misses beside their null."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels, null_mark
from memlens.figures.style import percent

if TYPE_CHECKING:
    import xarray as xr

COLOUR, SYMBOL = {"candidate": "#CC79A7", "resident": "#0072B2"}, {"candidate": "square", "resident": "circle"}


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    kinds = [str(kind) for kind in dataset["kind"].values if np.isfinite(dataset["margin"].sel(kind=kind)).any()]
    curves, level = [], 100 * dataset["quantile"].values
    for kind in kinds:
        dash = "solid" if kind == "resident" else "dash"
        curves.append(Mark(f"{kind}s", level, dataset["margin"].sel(kind=kind).values, COLOUR[kind], dash=dash))
    panels = [Panel("margins", "decisions, closest first (%)", "best less next best Q (nat)", curves)]
    limits = dataset["threshold"].values
    for kind in kinds:
        own = dataset.sel(kind=kind)
        y, low, high, null_low, null_high = (
            100 * own[key].values for key in ("share", "low", "high", "null_low", "null_high")
        )
        marks = [
            null_mark(limits, null_low, null_high, "null: each action's values shuffled (95 %)"),
            Mark(f"{kind}s", limits, y, COLOUR[kind], "point", low, high, symbol=SYMBOL[kind]),
        ]
        panels.append(Panel(f"near misses of {kind}s", "margin below (nat)", "decisions (%)", marks, log_x=True))
    return panels


def plot_margins(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.margins`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.margins` returned.
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
    return draw_panels(_panels(dataset), f"How close the calls were (n = {dataset.attrs['n']:,} decisions)", backend)


def caption(dataset: "xr.Dataset") -> str:
    """Say how many decisions were near misses, against their null."""
    parts, limit = [], float(dataset["threshold"].values[len(dataset["threshold"]) // 2])
    for kind in (str(kind) for kind in dataset["kind"].values):
        own = dataset.sel(kind=kind, threshold=limit)
        share, low, high = (float(own[name]) for name in ("share", "null_low", "null_high"))
        if not np.isfinite(share):
            parts.append(f"Too few {kind}s had a choice.")
            continue
        verdict = "more than" if share > high else "fewer than" if share < low else "as many as"
        parts.append(
            f"{percent(share)} of the decisions on {kind}s were closer than {limit:g} nat, {verdict} if their actions' values were "
            f"unrelated ({percent(low)} to {percent(high)})."
        )
    return " ".join(parts)
