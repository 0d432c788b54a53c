"""What attributions of answers are worth: on the fact, faithful, complete, and not those of any model."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.effect_and_null import effect_and_null, value_and_interval
from memlens.figures.panel import Mark, Panel, draw_panels
from memlens.figures.style import ACCENT, NULL_COLOUR, scalar

if TYPE_CHECKING:
    import xarray as xr

#: Ranks that are shown.
RANKS = 32
TICKS = {
    "on_fact": "on the fact",
    "comprehensiveness": "comprehensiveness",
    "sufficiency": "sufficiency",
    "random_weights": "like random weights",
}


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    measures = [TICKS[str(name)] for name in dataset["measure"].values]
    difference = dataset["difference"].values
    ends = np.array([min(difference.min(), 0), max(difference.max(), 0)])
    spread = dataset["by_rank"].values[:, :RANKS]
    rank = np.arange(1, spread.shape[1] + 1)
    return [
        Panel(
            "checks", "measure", "score", effect_and_null(dataset, "random tokens or order (95 %)"), measures, line=0
        ),
        Panel(
            "is it complete?",
            "f(tokens) - f(baseline) (nat/token)",
            "sum of attributions (nat/token)",
            [
                Mark("if it were complete", ends, ends, NULL_COLOUR, dash="dash"),
                Mark("answers", difference, dataset["total"].values, ACCENT, "point", symbol="circle"),
            ],
        ),
        Panel(
            "by rank of the token",
            "rank of the token",
            "attribution (nat/token)",
            [
                Mark(
                    "null: even over all tokens", rank[[0, -1]], [scalar(dataset, "even")] * 2, NULL_COLOUR, dash="dot"
                ),
                Mark("median and quartiles", rank, spread[1], ACCENT, low=spread[0], high=spread[2]),
            ],
        ),
    ]


def plot_attribution(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.causes.attribution`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.causes.attribution` returned.
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
        _panels(dataset), f"Attribution of answers to tokens (n = {dataset.attrs['n']:,} questions)", backend
    )


def caption(dataset: "xr.Dataset") -> str:
    """Say whether the attribution is faithful: whether its top tokens carry the answer."""
    one = dataset.sel(measure="comprehensiveness")
    score = value_and_interval(*(float(one[name]) for name in ("mean", "low", "high")))
    holds = float(one["p_adjusted"]) <= 0.05 and float(one["mean"]) > float(one["null_mean"])
    verdict = (
        "the attribution finds tokens that carry the answer" if holds else "the attribution is not shown to beat chance"
    )
    random = dataset.sel(measure="random_weights")
    sane = (
        f" Its rank correlation with that of untrained weights is {float(random['mean']):.2f}."
        if np.isfinite(float(random["mean"]))
        else ""
    )
    return (
        f"Without the tokens that the attribution ranks first, the probability of an answer falls by {score}, and by "
        f"{float(one['null_mean']):.2f} without random ones: {verdict}. Attributions miss the difference that they should add up to by "
        f"{scalar(dataset, 'missing'):.2f} nats a token (median).{sane}"
    )
