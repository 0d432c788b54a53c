"""Accuracy by distance, a line for each modality; by facts in the stream, and by where the fact is held."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels
from memlens.figures.style import (
    ACCENT,
    MODALITY_COLOUR,
    MODALITY_SYMBOL,
    NULL_COLOUR,
    p_text,
    percent,
    scalar,
    spans,
    tokens,
)

if TYPE_CHECKING:
    import xarray as xr

Y = "exact-match accuracy (%)"


def _lines(dataset: "xr.Dataset") -> "list[tuple[str, np.ndarray, xr.Dataset]]":
    """Modalities that were asked about, each with its horizontal offset in bins; "all" only where it adds to them."""
    names = [str(name) for name in dataset["modality"].values]
    asked = [name for name in names[1:] if int(dataset["n"].sel(modality=name).sum()) > 0]
    shown = ["all", *asked] if len(asked) != 1 else asked
    place = np.arange(dataset.sizes["bin"], dtype=float)
    offset = (np.arange(len(shown)) - (len(shown) - 1) / 2) * 0.1
    return [(name, place + step, dataset.sel(modality=name)) for name, step in zip(shown, offset, strict=True)]


def _bars(dataset: "xr.Dataset", name: str) -> Mark:
    y, low, high = (100 * dataset[f"{name}_{key}"].values for key in ("accuracy", "low", "high"))
    note = [f"n = {count:,}" for count in dataset[f"{name}_n"].values]
    return Mark("all questions (95 %)", np.arange(y.size), y, ACCENT, "bar", low, high, note=note)


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    chance = 100 * float(dataset["chance"].sel(modality="all"))
    marks = [Mark("null: answers shuffled", [-0.4, dataset.sizes["bin"] - 0.6], [chance] * 2, NULL_COLOUR, dash="dash")]
    for name, x, row in _lines(dataset):
        y, low, high = (100 * row[key].values for key in ("accuracy", "low", "high"))
        note = [f"n = {count:,}" for count in row["n"].values]
        colour, symbol = MODALITY_COLOUR[name], MODALITY_SYMBOL[name]
        marks.append(Mark(name, x, y, colour, "point", low, high, symbol=symbol, note=note))
    facts = [f"{a:,}–{b:,}" for a, b in zip(dataset["facts_low"].values, dataset["facts_high"].values, strict=True)]
    known = dataset.isel(fact_location=np.flatnonzero(dataset["fact_location_n"].values > 0))
    location = [str(name) for name in known["fact_location"].values]
    bins, height = spans(dataset["bin_low"].values, dataset["bin_high"].values), (-3, 103)
    return [
        Panel("by distance", "distance from fact to question (tokens)", Y, marks, ticks=bins, y_range=height),
        Panel(
            "by facts stated before", "facts in the stream", Y, [_bars(dataset, "load")], ticks=facts, y_range=height
        ),
        Panel(
            "by where the fact is held",
            "when it is asked for",
            Y,
            [_bars(known, "fact_location")],
            ticks=location,
            y_range=height,
        ),
    ]


def plot_retention(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.retention`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.retention` returned.
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
        _panels(dataset), f"Retention: what is remembered, how long (n = {dataset.attrs['n']:,} questions)", backend
    )


def caption(dataset: "xr.Dataset") -> str:
    """Say overall accuracy, and whether near and far differ beyond their intervals."""
    whole = dataset.sel(modality="all")
    low, high = 100 * float(whole["overall_low"]), 100 * float(whole["overall_high"])
    text = (
        f"{percent(float(whole['overall']))} of {int(whole['overall_n']):,} questions were answered exactly "
        f"(Wilson 95 % interval {low:.1f} to {high:.1f} %; bars show the same interval for each cell). "
    )
    filled = np.flatnonzero(whole["n"].values)
    if filled.size < 2:
        return text + "All distances fall into one bin, so nothing can be said about forgetting."
    near, far = whole.isel(bin=filled[0]), whole.isel(bin=filled[-1])
    text += (
        f"Accuracy is {percent(float(near['accuracy']))} (n = {int(near['n']):,}) below {tokens(float(near['bin_high']))} tokens and "
        f"{percent(float(far['accuracy']))} (n = {int(far['n']):,}) from {tokens(float(far['bin_low']))} on; "
    )
    p = scalar(dataset, "trend_p")
    if not np.isfinite(p):
        return text + "all answers are alike, so there is no change with distance."
    verdict = "accuracy changes with distance" if p <= 0.05 else "no change with distance is shown"
    return text + f"{verdict} (rank correlation {scalar(dataset, 'trend'):.2f}, {p_text(p, dataset.sizes['shuffle'])})."
