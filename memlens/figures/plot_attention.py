"""Write and read attention: entropy and span of heads, how they differ, and from which modality to which."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels, null_mark
from memlens.figures.style import ACCENT, MODALITY_COLOUR, NULL_COLOUR, p_text, percent, scalar

if TYPE_CHECKING:
    import xarray as xr

PLACES = ((("entropy", "bit"), "writing: entropy of heads"), (("span", "token"), "writing: span of heads"))


def _heads(dataset: "xr.Dataset", name: str, unit: str, title: str) -> Panel:
    head = dataset["head"].values
    y, low, high, null = (dataset[name + end].values for end in ("", "_low", "_high", "_null"))
    marks = [
        Mark("measured (95 %)", head, y, ACCENT, "point", low, high),
        Mark("null: even attention", [head[0] - 0.4, head[-1] + 0.4], null[[0, -1]], NULL_COLOUR, dash="dash"),
    ]
    return Panel(title, "head", f"{name} ({unit})", marks, ticks=[str(each) for each in head])


def _nulls(dataset: "xr.Dataset", name: str, title: str, unit: str) -> Panel:
    null, value = dataset[f"{name}_null"].values, scalar(dataset, name)
    band = np.full(2, np.nan) if np.isnan(null).all() else np.nanquantile(null, [0.025, 0.975])
    bounds = (
        ([scalar(dataset, f"{name}_low")], [scalar(dataset, f"{name}_high")])
        if f"{name}_low" in dataset
        else (None, None)
    )
    measured = Mark("measured (95 %)", [0], [value], ACCENT, "point", *bounds)
    shuffled = null_mark([-0.4, 0.4], [band[0]] * 2, [band[1]] * 2, "null: shuffled (95 %)")
    return Panel(title, "", unit, [shuffled, measured], ticks=[name])


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    modality = [str(name) for name in dataset["modality"].values]
    place = np.arange(len(modality))
    write, low, high = (100 * dataset[name].values for name in ("write_share", "write_low", "write_high"))
    writers = [
        Mark("written from (95 %)", place, write, ACCENT, "bar", low, high),
        Mark("null: share of positions", place, 100 * dataset["position_share"].values, NULL_COLOUR, "bar"),
    ]
    flow = [
        Mark(f"read: {name}", place, 100 * dataset["flow"].sel(modality=name).values, MODALITY_COLOUR[name], "bar")
        for name in modality
    ]
    asked = [f"{name} ({count})" for name, count in zip(modality, dataset["flow_n"].values, strict=True)]
    return [
        *(_heads(dataset, *what, title) for what, title in PLACES),
        _nulls(dataset, "specialisation", "do heads differ?", "information of the head (bit)"),
        Panel("who writes", "modality", "share of write attention (%)", writers, ticks=modality),
        Panel("who reads what", "asked for (questions)", "share of reads (%)", flow, ticks=asked),
        _nulls(dataset, "matched", "reads inside a modality", "share of reads"),
    ]


def plot_attention(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.attention`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.attention` returned.
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
    return draw_panels(_panels(dataset), f"Write and read attention (n = {dataset.attrs['n']:,} slots)", backend)


def caption(dataset: "xr.Dataset") -> str:
    """Say how far slots look, whether heads differ, and whether questions read their own modality."""
    span, null = dataset["span"].values, float(dataset["span_null"].values[0])
    text = f"Heads look {span.min():.1f} to {span.max():.1f} tokens back on average, where even attention would look {null:.1f}. "
    draws, p = dataset.sizes["shuffle"], scalar(dataset, "specialisation_p")
    if np.isfinite(p):
        verdict = "heads look at different places" if p <= 0.05 else "heads are not shown to differ"
        bits = scalar(dataset, "specialisation")
        text += f"The head tells {bits:.2f} bit about where it looks ({p_text(p, draws)}): {verdict}. "
    p, matched = scalar(dataset, "matched_p"), scalar(dataset, "matched")
    if not np.isfinite(p):
        return text + "There are no reads, so nothing can be said of the flow between modalities."
    verdict = "more than chance" if p <= 0.05 else "no more than chance"
    chance = percent(float(dataset["matched_null"].mean()))
    return text + (
        f"{percent(matched)} of the reads stay inside the modality asked for, against {chance} when questions are shuffled "
        f"({p_text(p, draws)}): {verdict}."
    )
