"""Predicted differences of Q against measured effects of forced actions."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels
from memlens.figures.style import ACCENT, ACTION_COLOUR, NULL_COLOUR, percent, scalar

if TYPE_CHECKING:
    import xarray as xr

SYMBOL = {"STORE": "circle", "COMPRESS": "square", "RETRIEVE": "diamond", "DISCARD": "triangle-up"}


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    x, y, forced = dataset["predicted"].values, dataset["measured"].values, dataset["forced"].values.astype(str)
    ends = np.array([x.min(), x.max()])
    marks = [Mark("if Q were right", ends, ends, NULL_COLOUR, dash="dash")]
    for action, colour in ACTION_COLOUR.items():
        own = forced == action
        if own.any():
            marks.append(Mark(f"forced {action}", x[own], y[own], colour, "point", symbol=SYMBOL[action]))
    scores = [[scalar(dataset, f"{name}{end}") for name in ("rho", "slope")] for end in ("", "_low", "_high")]
    agree = [[scalar(dataset, f"agreement{end}")] for end in ("", "_low", "_high")]
    summary = [
        Mark("measured (95 %; null: 0)", [0, 1], scores[0], ACCENT, "point", scores[1], scores[2]),
        Mark(
            "agreement of sign (95 %; null: 0.5)",
            [2],
            agree[0],
            "#CC79A7",
            "point",
            agree[1],
            agree[2],
            symbol="diamond",
        ),
    ]
    return [
        Panel(
            "effect of forcing an action",
            "predicted: Q(forced) - Q(taken) (nat)",
            "measured: loss saved (nat)",
            marks,
            line=0,
        ),
        Panel("is Q right?", "", "score", summary, ticks=["rank correlation", "slope", "sign"], line=0),
    ]


def plot_q_fidelity(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.q_fidelity`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.q_fidelity` returned.
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
        _panels(dataset), f"Q against measured effects (n = {dataset.attrs['n']:,} forced actions)", backend
    )


def caption(dataset: "xr.Dataset") -> str:
    """Say whether Q predicts what forcing an action does."""
    rho, low, high, p = (scalar(dataset, name) for name in ("rho", "rho_low", "rho_high", "rho_p"))
    if not np.isfinite(rho):
        return "Predicted or measured effects are alike inside every pair of actions, so no ranks can be compared."
    verdict = "Q predicts the effect" if p <= 0.05 else "Q is not shown to predict the effect"
    agreement = scalar(dataset, "agreement")
    sign = (
        f" The sign is right in {percent(agreement)} of the cases that had an effect." if np.isfinite(agreement) else ""
    )
    n, unmoved = dataset.attrs["n"], dataset.attrs["unmoved"]
    return (
        f"Inside pairs of actions, predicted and measured effects of {n:,} forced actions have a rank correlation of {rho:.2f} "
        f"(95 % interval {low:.2f} to {high:.2f}, p = {p:.2g}): {verdict}. {unmoved:,} had no effect on any answer.{sign}"
    )
