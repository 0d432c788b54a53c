"""Accuracy by distance, a line for each modality."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.style import (
    DASHES,
    MARKERS,
    MODALITY_COLOUR,
    MODALITY_SYMBOL,
    below,
    dress,
    label,
    percent,
    sheet,
    spans,
    tokens,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

X, Y = "distance from fact to question (tokens)", "exact-match accuracy (%)"


def _lines(dataset: "xr.Dataset") -> "list[tuple[str, np.ndarray, xr.Dataset]]":
    """Modalities that were asked about, each with its horizontal offset in bins; "all" only where it adds to them."""
    names = [str(name) for name in dataset["modality"].values]
    asked = [name for name in names[1:] if int(dataset["n"].sel(modality=name).sum()) > 0]
    shown = ["all", *asked] if len(asked) != 1 else asked
    place = np.arange(dataset.sizes["bin"], dtype=float)
    offset = (np.arange(len(shown)) - (len(shown) - 1) / 2) * 0.1
    return [(name, place + step, dataset.sel(modality=name)) for name, step in zip(shown, offset, strict=True)]


def _labels(dataset: "xr.Dataset") -> list[str]:
    return spans(dataset["bin_low"].values, dataset["bin_high"].values)


def plot_retention(dataset: "xr.Dataset") -> "Figure":
    """Draw the result of `memlens.analysis.retention`."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, x, row in _lines(dataset):
        y, low, high = (100 * row[key].values for key in ("accuracy", "low", "high"))
        figure.add_scatter(
            x=x,
            y=y,
            name=name,
            mode="lines+markers",
            customdata=np.stack([row["n"].values, low, high], -1),
            line={
                "color": MODALITY_COLOUR[name],
                "width": 3 if name == "all" else 1.8,
                "dash": "dash" if name == "all" else "solid",
            },
            marker={"symbol": MODALITY_SYMBOL[name], "size": 9},
            error_y={"type": "data", "symmetric": False, "array": high - y, "arrayminus": y - low, "thickness": 1.2},
            hovertemplate=name + ": %{y:.1f} % (95 %: %{customdata[1]:.1f}–%{customdata[2]:.1f}, "
            "n = %{customdata[0]})<extra></extra>",
        )
    figure.update_xaxes(title=X, tickvals=np.arange(dataset.sizes["bin"]), ticktext=_labels(dataset))
    figure.update_yaxes(title=Y, range=[-3, 103])
    return dress(figure, f"Retention: what is remembered, how long (n = {dataset.attrs['n']:,} questions)")


def print_retention(dataset: "xr.Dataset") -> "Sheet":
    """The same for print."""
    page, (axes,) = sheet(1, width=8)
    for name, x, row in _lines(dataset):
        y, low, high = (100 * row[key].values for key in ("accuracy", "low", "high"))
        axes.errorbar(
            x,
            y,
            yerr=np.stack([y - low, high - y]),
            label=name,
            color=MODALITY_COLOUR[name],
            capsize=2,
            marker=MARKERS[MODALITY_SYMBOL[name]],
            markersize=5,
            linestyle=DASHES["dash" if name == "all" else "solid"],
        )
    axes.set_xticks(np.arange(dataset.sizes["bin"]), _labels(dataset))
    axes.set_ylim(-3, 103)
    label(axes, f"Retention (n = {dataset.attrs['n']:,} questions)", X, Y)
    below(axes, 5)
    return page


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
    apart = float(near["low"]) > float(far["high"]) or float(far["low"]) > float(near["high"])
    return text + (
        f"Accuracy is {percent(float(near['accuracy']))} (n = {int(near['n']):,}) below "
        f"{tokens(float(near['bin_high']))} tokens and {percent(float(far['accuracy']))} (n = {int(far['n']):,}) from "
        f"{tokens(float(far['bin_low']))} on; "
        + ("the two intervals do not overlap." if apart else "the intervals overlap: no change with distance is shown.")
    )
