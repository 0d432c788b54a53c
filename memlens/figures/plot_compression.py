"""What is left of slots after each level of merging: reconstruction against rate, and what probes still read."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend, by_backend
from memlens.figures.style import (
    ACCENT,
    INK,
    NULL_COLOUR,
    below,
    dress,
    label,
    level_colour,
    percent,
    plotly_text,
    scalar,
    sheet,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure


def _title(dataset: "xr.Dataset") -> str:
    return f"What merging kept (n = {dataset.attrs['n']:,} pairs of slot and merge)"


def _bars(dataset: "xr.Dataset") -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Target, and over levels what is read: at level 0 from the slots of level 1's pairs, then from the merges, with arms of the loss."""
    out = []
    for target in (str(name) for name in dataset["target"].values):
        own = dataset.sel(target=target)
        after = own["after"].values.copy()
        if not np.isfinite(after).any():
            continue
        after[0] = own["before"].values[1]
        lower, upper = own["lost_high"].values - own["lost"].values, own["lost"].values - own["lost_low"].values
        out.append((target.replace("_", " "), after, np.nan_to_num(lower).clip(0), np.nan_to_num(upper).clip(0)))
    return out


def _plotly(dataset: "xr.Dataset") -> "Figure":
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1,
        2,
        horizontal_spacing=0.14,
        subplot_titles=["reconstruction of slots (95 %)", "what probes read (95 % of the loss)"],
    )
    value, low, high, rate = (dataset[name].values for name in ("reconstruction", "low", "high", "rate"))
    levels = [f"level {level}" for level in dataset["level"].values]
    figure.add_scatter(
        x=rate,
        y=100 * value,
        mode="lines+markers+text",
        text=levels,
        textposition="top center",
        name="measured",
        line={"color": ACCENT},
        error_y={"type": "data", "symmetric": False, "array": 100 * (high - value), "arrayminus": 100 * (value - low)},
        row=1,
        col=1,
    )
    null = dataset["null"].values
    figure.add_scatter(
        x=np.repeat(rate, null.shape[1]),
        y=100 * null.ravel(),
        mode="markers",
        name="null",
        marker={"color": NULL_COLOUR, "size": 4},
        row=1,
        col=1,
    )
    for at, (target, read, lower, upper) in enumerate(_bars(dataset)):
        figure.add_bar(
            x=levels,
            y=read,
            name=target,
            marker={"color": level_colour(at + 1)},
            row=1,
            col=2,
            error_y={"type": "data", "symmetric": False, "array": upper, "arrayminus": lower},
        )
    figure.update_xaxes(title="rate (vectors a slot)", row=1, col=1)
    figure.update_yaxes(title="variance of slots (%)", row=1, col=1)
    figure.update_xaxes(title="read from", row=1, col=2)
    figure.update_yaxes(title="information (bit a slot)", row=1, col=2)
    return dress(figure, plotly_text(_title(dataset), 120))


def _matplotlib(dataset: "xr.Dataset") -> "Sheet":
    page, (left, right) = sheet(2)
    value, low, high, rate = (dataset[name].values for name in ("reconstruction", "low", "high", "rate"))
    arms = 100 * np.stack([value - low, high - value]).clip(0)
    left.errorbar(rate, 100 * value, yerr=arms, color=ACCENT, marker="o", capsize=3, label="measured (95 %)")
    null = dataset["null"].values
    left.plot(np.repeat(rate, null.shape[1]), 100 * null.ravel(), ".", color=NULL_COLOUR, markersize=3, label="null")
    for level, x, y in zip(dataset["level"].values, rate, 100 * value, strict=True):
        left.annotate(f"level {level}", (x, y), xytext=(6, -10), textcoords="offset points", fontsize=8, color=INK)
    below(left, 2)
    label(left, _title(dataset), "rate (vectors a slot)", "variance of slots (%)")
    bars, x = _bars(dataset), np.arange(dataset.sizes["level"])
    width = 0.8 / max(len(bars), 1)
    for at, (target, read, lower, upper) in enumerate(bars):
        right.bar(
            x + (at + 0.5) * width - 0.4,
            read,
            width,
            color=level_colour(at + 1),
            label=target,
            yerr=np.stack([lower, upper]),
            capsize=3,
        )
    right.set_xticks(x, [f"level {level}" for level in dataset["level"].values])
    if bars:
        below(right, 3)
    label(right, "What probes read (95 % of the loss)", "read from", "information (bit a slot)")
    return page


def plot_compression(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.compression`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.compression` returned.
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
    """Say what each level keeps of the slots, and what was lost of what they were about."""
    parts = []
    for at in range(1, dataset.sizes["level"]):
        own = dataset.isel(level=at)
        parts.append(
            f"from an entry of level {int(own['level'])} ({int(own['n']):,} pairs, {scalar(own, 'rate'):.2f} vectors a slot) "
            f"{percent(scalar(own, 'reconstruction'))} of its slots' variance can be reconstructed linearly (95 "
            f"%: {percent(scalar(own, 'low'))} "
            f"to {percent(scalar(own, 'high'))}; from a merge of another time {percent(float(own['null'].mean()))})"
        )
        for target in (str(name) for name in dataset["target"].values):
            part = own.sel(target=target)
            if np.isfinite(scalar(part, "lost")):
                parts.append(
                    f"{target.replace('_', ' ')} has {scalar(part, 'after'):.2f} of {scalar(part, 'before'):.2f} bits left "
                    f"(lost 95 %: {scalar(part, 'lost_low'):.2f} to {scalar(part, 'lost_high'):.2f})"
                )
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."
