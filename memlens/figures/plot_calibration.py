"""Q against the reads that followed: the curve, and how well Q ranks entries that compete."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels
from memlens.figures.style import ACCENT, NULL_COLOUR, scalar

if TYPE_CHECKING:
    import xarray as xr


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    q, (y, low, high) = dataset["q"].values, (dataset[f"reads{end}"].values for end in ("", "_low", "_high"))
    note = [f"{count:,} decisions" for count in dataset["bin_n"].values]
    flat = Mark(
        "null: reads do not depend on Q", q[[0, -1]], [scalar(dataset, "mean_reads")] * 2, NULL_COLOUR, dash="dash"
    )
    curve = Mark("measured (95 %)", q, y, ACCENT, "point", low, high, note=note)
    rho, below, above = (dataset[f"rho{end}"].values for end in ("", "_low", "_high"))
    names = [f"{name} ({n:,})" for name, n in zip(dataset["group"].values, dataset["n"].values, strict=True)]
    ranks = Mark("measured (95 %)", np.arange(rho.size), rho, ACCENT, "point", below, above)
    ahead = int(dataset.attrs["segments_ahead"])
    return [
        Panel(
            "later reads by Q", "Q of the executed action (nat)", f"discounted reads, {ahead} segments", [flat, curve]
        ),
        Panel(
            "does Q rank entries that compete?",
            "decisions",
            "rank correlation inside segments",
            [ranks],
            ticks=names,
            line=0,
        ),
    ]


def plot_calibration(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.calibration`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.calibration` returned.
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
        _panels(dataset), f"Q and later reads (n = {dataset.attrs['n']:,} decisions that kept something)", backend
    )


def caption(dataset: "xr.Dataset") -> str:
    """Say whether Q ranks entries by the reads to come."""
    whole = dataset.sel(group="all")
    rho, p = float(whole["rho"]), float(whole["p"])
    if not np.isfinite(rho):
        return "Q or the later reads are the same for all entries of a segment, so no ranks can be compared."
    verdict = (
        "Q ranks entries that compete by how much they will be read" if p <= 0.05 else "Q is not shown to rank them so"
    )
    low, high, ahead = float(whole["rho_low"]), float(whole["rho_high"]), int(dataset.attrs["segments_ahead"])
    return (
        f"Inside segments, Q of what was done and the discounted reads of the next {ahead} segments have a rank correlation of {rho:.2f} "
        f"(95 % interval {low:.2f} to {high:.2f}; p = {p:.2g}, {int(whole['families']):,} families of entries): {verdict}. "
        "Reads stand in for worth, which is not recorded."
    )
