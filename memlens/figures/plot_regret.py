"""Regret of a policy against others on the same questions."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels
from memlens.figures.style import ACCENT, percent, scalar

if TYPE_CHECKING:
    import xarray as xr


def _gap(dataset: "xr.Dataset", name: str, scale: float, unit: str, title: str) -> Panel:
    y, low, high = (scale * dataset[name + end].values for end in ("", "_low", "_high"))
    note = [f"p = {p:.2g} (adjusted)" for p in dataset[f"{name}_p_adjusted"].values]
    mark = Mark("other less this (95 %)", np.arange(y.size), y, ACCENT, "point", low, high, symbol="diamond", note=note)
    return Panel(title, "other policy", unit, [mark], ticks=[str(each) for each in dataset["other"].values], line=0)


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    accuracy = Mark("accuracy", np.arange(dataset.sizes["policy"]), 100 * dataset["accuracy"].values, ACCENT, "bar")
    ticks = [str(each) for each in dataset["policy"].values]
    return [
        Panel("accuracy (this one first)", "policy", "exact answers (%)", [accuracy], ticks=ticks, y_range=(0, 103)),
        _gap(dataset, "regret", 100, "regret (percentage points)", "regret (null: 0)"),
        _gap(dataset, "loss_regret", 1, "regret (nat/token)", "regret in loss (null: 0)"),
    ]


def plot_regret(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.regret`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.regret` returned.
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
        _panels(dataset), f"Regret against other policies (n = {dataset.attrs['n']:,} questions)", backend
    )


def caption(dataset: "xr.Dataset") -> str:
    """Say against which policies something was lost or won."""
    own, parts = str(dataset["policy"].values[0]), []
    for at, other in enumerate(str(name) for name in dataset["other"].values):
        gap, p = 100 * float(dataset["regret"][at]), float(dataset["regret_p_adjusted"][at])
        verdict = "no difference is shown" if p > 0.05 else "worse" if gap > 0 else "better"
        bounds = [100 * float(dataset[f"regret_{end}"][at]) for end in ("low", "high")]
        parts.append(f"against {other} {gap:+.1f} points ({bounds[0]:.1f} to {bounds[1]:.1f}; p = {p:.2g}: {verdict})")
    text = f"Regret of {own} in exact answers, 95 % interval: {'; '.join(parts)}."
    covered = scalar(dataset, "covered")
    return text + (f" It covers {percent(covered)} of the way from random to oracle." if np.isfinite(covered) else "")
