"""Survival of entries: a curve for each group, beside the curve of all of them."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels
from memlens.figures.style import MODALITY_COLOUR, NULL_COLOUR, level_colour, several

if TYPE_CHECKING:
    import xarray as xr

LINES = ("solid", "dash", "dot", "dashdot")
FACT_COLOUR = {"fact": "#0072B2", "no fact": "#D55E00"}


def _colour(value: str) -> str:
    if value.startswith("level"):
        return level_colour(int(value.split()[1]))
    return FACT_COLOUR.get(value) or MODALITY_COLOUR[value]


def _mark(group: "xr.Dataset", at: int, colour: str, name: str) -> Mark:
    low, high, y = (100 * group[key].values for key in ("low", "high", "survival"))
    note = [f"{count} at risk" for count in group["at_risk"].values]
    return Mark(name, group["age"].values, y, colour, "step", low, high, LINES[at % 4], note=note)


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    factor, value = dataset["factor"].values, dataset["value"].values
    whole = _mark(dataset.isel(group=0), 0, NULL_COLOUR, "all (the null: no difference)")
    panels = []
    for name in (str(each) for each in dataset["tested"].values):
        rows = [int(row) for row in np.flatnonzero(factor == name)]
        p = float(dataset["p_adjusted"].sel(tested=name))
        own = [
            _mark(dataset.isel(group=row), at, _colour(str(value[row])), str(value[row])) for at, row in enumerate(rows)
        ]
        title = f"by {name}" + (f" (log-rank p = {p:.2g})" if np.isfinite(p) else "")
        panels.append(Panel(title, "age (segments)", "still held (%)", [whole, *own], y_range=(-2, 102)))
    return panels or [Panel("all", "age (segments)", "still held (%)", [whole], y_range=(-2, 102))]


def plot_survival(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.survival`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.survival` returned.
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
    return draw_panels(
        _panels(dataset), f"How long entries are held (n = {dataset.attrs['n']:,} entries, 95 % intervals)", backend
    )


def caption(dataset: "xr.Dataset") -> str:
    """Say the half-life of all, and which factors change how long entries are held."""
    whole = dataset.isel(group=0)
    half, low, high = (float(whole[name]) for name in ("half_life", "half_life_low", "half_life_high"))
    n = int(whole["n"])
    if np.isfinite(half):
        end = f"to {high:.0f}" if np.isfinite(high) else "with no upper end inside the recording"
        text = f"Half of {n:,} entries are gone after {half:.0f} segments (95 % interval from {low:.0f} {end})."
    else:
        text = f"More than half of {n:,} entries outlive the recording or are merged late: no half-life is seen."
    for name in (str(each) for each in dataset["tested"].values):
        p = float(dataset["p_adjusted"].sel(tested=name))
        if np.isfinite(p):
            verdict = "differ" if p <= 0.05 else "are not shown to differ"
            text += f" Times {verdict} by {name} (log-rank p = {p:.2g}, adjusted)."
    dropped = int(dataset.attrs["dropped_at_birth"])
    return text + (
        f" {several(dropped, 'slot')} dropped in the segment in which they were written are not counted."
        if dropped
        else ""
    )
