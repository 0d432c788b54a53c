"""Whether attribution, lineage and real ablation agree on what answers are owed to."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.effect_and_null import effect_and_null, listed, value_and_interval
from memlens.figures.panel import Panel, draw_panels

if TYPE_CHECKING:
    import xarray as xr

SHORT = {
    "integrated gradients": "gradients",
    "ablation on the path": "path",
    "lineage": "lineage",
    "run again without": "real",
}
NULL = "windows shuffled (95 %)"


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    pairs = zip(dataset["first"].values.astype(str), dataset["second"].values.astype(str), strict=True)
    ticks = [f"{SHORT[first]}, {SHORT[second]}" for first, second in pairs]
    return [
        Panel("ranks of windows", "pair", "rank correlation", effect_and_null(dataset, NULL), ticks, line=0),
        Panel(
            "the same window first",
            "pair",
            "share of the questions",
            effect_and_null(dataset, NULL, "top_"),
            ticks,
            line=0,
        ),
    ]


def plot_agreement(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.causes.agreement`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.causes.agreement` returned.
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
        _panels(dataset), f"Do measures of importance agree? (n = {dataset.attrs['n']:,} questions)", backend
    )


def caption(dataset: "xr.Dataset") -> str:
    """Say which of the cheaper measures rank windows as running again does."""
    real = dataset.isel(pair=np.flatnonzero(dataset["second"].values.astype(str) == "run again without"))
    parts, agree = [], []
    for at in range(real.sizes["pair"]):
        one = real.isel(pair=at)
        if not np.isfinite(float(one["mean"])):
            continue
        name = str(one["first"].item())
        parts.append(f"{name} {value_and_interval(*(float(one[key]) for key in ('mean', 'low', 'high')))}")
        if float(one["p_adjusted"]) <= 0.05 and float(one["mean"]) > float(one["null_mean"]):
            agree.append(name)
    if not parts:
        return "No window changes an answer when the stream is run again without it, so there are no ranks to compare."
    verdict = (
        f"{listed(agree)} rank windows by how much they matter"
        if agree
        else "none is shown to rank windows by how much they matter"
    )
    return (
        f"Mean rank correlation with what the answer loses when the stream is run again without a window: {'; '.join(parts)}. "
        f"So {verdict}."
    )
