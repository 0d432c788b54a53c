"""What taking each thing away does to the answers."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.effect_and_null import effect_and_null, value_and_interval
from memlens.figures.panel import Panel, draw_panels
from memlens.figures.style import several

if TYPE_CHECKING:
    import xarray as xr

TITLES = {
    "entry": ("one place that was read", "emptied place"),
    "slot": ("working slots", "hidden slot"),
    "level": ("a whole part of memory", "hidden part"),
    "action": ("another decision", "decision on the entry read most"),
}
NULL = "the same of what was not read (95 %)"


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    kinds, panels = dataset["kind"].values.astype(str), []
    for kind in dict.fromkeys(kinds):
        own = dataset.isel(cause=np.flatnonzero(kinds == kind))
        title, x = TITLES[kind]
        ticks = [_short(str(name)) for name in own["cause"].values]
        panels.append(Panel(title, x, "loss gained (nat/token)", effect_and_null(own, NULL), ticks=ticks, line=0))
    return panels


def _short(name: str) -> str:
    for start in ("read most of ", "all of ", "forced ", "working slot "):
        name = name.removeprefix(start)
    return name


def plot_effects(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.causes.effects`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.causes.effects` returned.
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
        _panels(dataset),
        f"What answers lose without each cause (n = {dataset.attrs['n']:,} questions)",
        backend,
        columns=2,
    )


def caption(dataset: "xr.Dataset") -> str:
    """Say which causes make a difference that their nulls do not."""
    found = np.flatnonzero(dataset["p_adjusted"].values <= 0.05)
    n, causes = dataset.attrs["n"], several(int((dataset["n"].values > 0).sum()), "cause")
    if not found.size:
        return f"Of {causes} tried on {n:,} answers, none is shown to change them more than what was not read does."
    order = found[np.argsort(-np.abs(dataset["mean"].values[found]))]
    parts = []
    for at in order[:3]:
        one = dataset.isel(cause=at)
        parts.append(
            f"{one['cause'].item()} {value_and_interval(*(float(one[name]) for name in ('mean', 'low', 'high')))}"
        )
    more = f", and {several(order.size - 3, 'other')}" if order.size > 3 else ""
    return (
        f"Causes that change the loss of answers more or less than the same change to what was not read (p ≤ 0.05, adjusted within "
        f"each kind; "
        f"{causes} tried on {n:,} answers), in nats a token: {'; '.join(parts)}{more}."
    )
