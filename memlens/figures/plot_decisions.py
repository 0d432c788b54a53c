"""The controller over time: executed actions, and the Q-values behind them."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend, by_backend
from memlens.figures.style import (
    ACTION_COLOUR,
    ACTION_DASH,
    ACTION_LETTER,
    DASHES,
    below,
    dress,
    label,
    percent,
    sheet,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure


def _segments(dataset: "xr.Dataset") -> str:
    width = int(dataset.attrs["segments_per_bin"])
    return "segment" if width == 1 else f"segment (bins of {width})"


def _shares(dataset: "xr.Dataset", kind: str) -> np.ndarray:
    count = dataset["count"].sel(kind=kind).values.astype(float)
    return 100 * count / np.maximum(count.sum(1, keepdims=True), 1)


def _plotly(dataset: "xr.Dataset") -> "Figure":
    from plotly.subplots import make_subplots

    kinds = [str(kind) for kind in dataset["kind"].values]
    figure = make_subplots(
        2,
        2,
        shared_xaxes=True,
        vertical_spacing=0.12,
        horizontal_spacing=0.1,
        subplot_titles=[f"{kind}s: executed actions" for kind in kinds] + [f"{kind}s: mean Q" for kind in kinds],
    )
    segment = dataset["segment"].values
    for column, kind in enumerate(kinds, start=1):
        own = dataset.sel(kind=kind)
        for action, colour in ACTION_COLOUR.items():
            name = f"{ACTION_LETTER[action]} {action}"
            figure.add_scatter(
                x=segment,
                y=own["count"].sel(action=action).values,
                name=name,
                legendgroup=action,
                stackgroup=kind,
                showlegend=column == 1,
                mode="lines",
                line={"width": 0, "color": colour},
                fillcolor=colour,
                row=1,
                col=column,
                hovertemplate="segment %{x}: %{y:.0f}<extra>" + name + "</extra>",
            )
            figure.add_scatter(
                x=segment,
                y=own["mean_q"].sel(action=action).values,
                name=name,
                legendgroup=action,
                showlegend=False,
                mode="lines",
                line={"color": colour, "dash": ACTION_DASH[action], "width": 1.6},
                row=2,
                col=column,
                hovertemplate="segment %{x}: %{y:.4f} nat<extra>" + name + "</extra>",
            )
    figure.update_xaxes(title=_segments(dataset), row=2)
    figure.update_yaxes(title="decisions", row=1, col=1)
    figure.update_yaxes(title="mean Q (nat)", row=2, col=1)
    return dress(figure, f"Decisions of the controller (n = {dataset.attrs['n']:,})", height=640)


def _matplotlib(dataset: "xr.Dataset") -> "Sheet":
    """Actions as shares."""
    page, axes = sheet(2, height=6.4, rows=2)
    segment = dataset["segment"].values
    for at, kind in enumerate(str(kind) for kind in dataset["kind"].values):
        shares, curves = axes[at], axes[2 + at]
        shares.stackplot(segment, _shares(dataset, kind).T, colors=list(ACTION_COLOUR.values()), linewidth=0)
        shares.set_ylim(0, 100)
        n = int(dataset["total"].sel(kind=kind).sum())
        label(shares, f"{kind}s: actions (n = {n:,})", "", "share of decisions (%)" if at == 0 else "")
        for action, colour in ACTION_COLOUR.items():
            q = dataset["mean_q"].sel(kind=kind, action=action).values
            curves.plot(
                segment,
                q,
                color=colour,
                linestyle=DASHES[ACTION_DASH[action]],
                linewidth=1.1,
                label=f"{ACTION_LETTER[action]} {action}",
            )
            known = np.flatnonzero(np.isfinite(q))
            if known.size:
                curves.annotate(
                    ACTION_LETTER[action],
                    (segment[known[-1]], q[known[-1]]),
                    xytext=(3, 0),
                    textcoords="offset points",
                    color=colour,
                    fontsize=9,
                    va="center",
                    weight="bold",
                )
        label(curves, f"{kind}s: mean Q", _segments(dataset), "mean Q (nat)" if at == 0 else "")
    below(axes[2], 4)
    return page


def plot_decisions(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.decisions`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.decisions` returned.
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
    return by_backend(backend, _plotly, _matplotlib)(dataset)


def caption(dataset: "xr.Dataset") -> str:
    """Say the most frequent action of each kind, how varied they were, and how often they were overruled."""
    parts = []
    for kind in (str(kind) for kind in dataset["kind"].values):
        own = dataset.sel(kind=kind)
        total = own["total"].values
        if total.sum() == 0:
            parts.append(f"No {kind} was decided on.")
            continue
        top = int(total.argmax())
        parts.append(
            f"Of {total.sum():,} decisions on {kind}s {percent(total[top] / total.sum())} were "
            f"{dataset['action'].values[top]}, with {float(own['total_entropy']):.2f} of 2 bits of action entropy; "
            f"{percent(float(own['total_overridden']))} were overridden by capacity."
        )
    if not np.isfinite(dataset["mean_q"].values).any():
        parts.append("The policy has no Q-values.")
    return " ".join(parts)
