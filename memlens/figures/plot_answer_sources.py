"""How much of each answer's attribution lies on the fact that was asked for."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels, null_mark
from memlens.figures.style import ACCENT, p_text, percent, scalar

if TYPE_CHECKING:
    import xarray as xr

GROUPS = (("all", "mean_on_fact"), ("right", "on_fact_correct"), ("wrong", "on_fact_wrong"))
COLOUR = {"right": "#009E73", "wrong": "#D55E00"}


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    value, correct = 100 * dataset["on_fact"].values, dataset["correct"].values
    edges = np.linspace(0, 100, 21)
    middle = (edges[:-1] + edges[1:]) / 2
    bars = []
    for name, rows in (("right", correct), ("wrong", ~correct)):
        known = value[rows & np.isfinite(value)]
        bars.append(Mark(f"{name} answers", middle, np.histogram(known, edges)[0], COLOUR[name], "bar"))
    low, high = 100 * np.quantile(dataset["mean_null"].values, [0.025, 0.975])
    place = np.arange(3)
    y, below, above = ([100 * scalar(dataset, name + end) for _, name in GROUPS] for end in ("", "_low", "_high"))
    shares = dataset["source_share"].values
    rank = np.arange(1, shares.shape[1] + 1)
    spread = 100 * np.quantile(shares, [0.25, 0.5, 0.75], axis=0)
    return [
        Panel("attribution on the fact asked for", "on its positions (%)", "answers", bars),
        Panel(
            "mean, and its null",
            "answers",
            "on the fact's positions (%)",
            [
                null_mark([-0.4, 2.4], [low] * 2, [high] * 2, "null: another question's fact (95 %)"),
                Mark("measured", place, y, ACCENT, "point", below, above, symbol="diamond"),
            ],
            ticks=[name for name, _ in GROUPS],
        ),
        Panel(
            "by rank of the position",
            "rank of the position",
            "share of the answer (%)",
            [Mark("median and quartiles", rank, spread[1], ACCENT, low=spread[0], high=spread[2])],
        ),
    ]


def plot_answer_sources(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.answer_sources`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.answer_sources` returned.
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
    return draw_panels(_panels(dataset), f"What answers rest on (n = {dataset.attrs['n']:,} questions)", backend)


def caption(dataset: "xr.Dataset") -> str:
    """Say how much of the answers rests on the facts asked for, against other facts."""
    p, draws, null = scalar(dataset, "mean_p"), dataset.sizes["shuffle"], dataset["mean_null"].values
    value, low, high = (scalar(dataset, name) for name in ("mean_on_fact", "mean_on_fact_low", "mean_on_fact_high"))
    interval = f" (95 % interval {percent(low)} to {percent(high)})" if np.isfinite(low) else ""
    traced = float(np.mean(dataset["traced"].values))
    verdict = "answers rest on what was asked" if p <= 0.05 else "no evidence that answers rest on what was asked"
    return (
        f"On average {percent(value)}{interval} of an answer's attribution lies on the positions of the fact asked for, against "
        f"{percent(float(null.mean()))} on those of another question's fact ({p_text(p, draws)}): {verdict}. "
        f"{percent(traced)} of the read weight could be traced; the rest came from working memory."
    )
