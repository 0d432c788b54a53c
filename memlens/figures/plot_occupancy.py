"""The store over time: how full each level is, how old its entries are, how long they live."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.style import below, dress, label, level_colour, percent, several, sheet

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

PANELS = (("occupancy", "entries held", "entries"), ("age", "mean age", "segments"))
LINES, LETTERS = ("solid", "dash", "dot", "dashdot"), ("-", "--", ":", "-.")


def _segments(dataset: "xr.Dataset") -> str:
    width = int(dataset.attrs["segments_per_bin"])
    return "segment" if width == 1 else f"segment (bins of {width})"


def _levels(dataset: "xr.Dataset") -> list[int]:
    return [int(level) for level in dataset["level"].values]


def plot_occupancy(dataset: "xr.Dataset") -> "Figure":
    """Draw the result of `memlens.analysis.occupancy`."""
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1,
        3,
        horizontal_spacing=0.08,
        subplot_titles=["entries held (thin: capacity)", "mean age", "survival (95 % interval)"],
    )
    segment, age = dataset["segment"].values, dataset["age_grid"].values
    for level in _levels(dataset):
        own, colour = dataset.sel(level=level), level_colour(level)
        line = {"color": colour, "dash": LINES[level % 4], "width": 1.8}
        group = {"name": f"level {level}", "legendgroup": str(level)}
        for column, (name, _, unit) in enumerate(PANELS, start=1):
            figure.add_scatter(
                x=segment,
                y=own[name].values,
                line=line,
                mode="lines",
                showlegend=column == 1,
                row=1,
                col=column,
                **group,
                hovertemplate="segment %{x}: %{y:.1f} " + unit + f"<extra>level {level}</extra>",
            )
        if np.isfinite(float(own["capacity"])):
            figure.add_scatter(
                x=segment[[0, -1]],
                y=[float(own["capacity"])] * 2,
                mode="lines",
                showlegend=False,
                line={"color": colour, "width": 0.7},
                hoverinfo="skip",
                row=1,
                col=1,
            )
        if not np.isfinite(own["survival"].values).any():
            continue
        band = np.isfinite(own["survival_low"].values)
        figure.add_scatter(
            x=np.concatenate([age[band], age[band][::-1]]),
            mode="lines",
            fill="toself",
            hoverinfo="skip",
            y=100 * np.concatenate([own["survival_high"].values[band], own["survival_low"].values[band][::-1]]),
            line={"width": 0, "shape": "linear"},
            fillcolor=colour,
            opacity=0.18,
            showlegend=False,
            row=1,
            col=3,
        )
        figure.add_scatter(
            x=age,
            y=100 * own["survival"].values,
            line={**line, "shape": "hv"},
            mode="lines",
            showlegend=False,
            customdata=own["at_risk"].values,
            row=1,
            col=3,
            **group,
            hovertemplate="%{y:.1f} % past %{x} segments, %{customdata} at risk" + f"<extra>level {level}</extra>",
        )
    figure.update_xaxes(title=_segments(dataset), col=1)
    figure.update_xaxes(title=_segments(dataset), col=2)
    figure.update_xaxes(title="age (segments)", col=3)
    figure.update_yaxes(title="entries", rangemode="tozero", col=1)
    figure.update_yaxes(title="age (segments)", rangemode="tozero", col=2)
    figure.update_yaxes(title="still held (%)", range=[-2, 102], col=3)
    return dress(figure, f"The long-term store (n = {dataset.attrs['n']:,} births)")


def print_occupancy(dataset: "xr.Dataset") -> "Sheet":
    """The same for print."""
    page, axes = sheet(3, width=12)
    segment, age = dataset["segment"].values, dataset["age_grid"].values
    for level in _levels(dataset):
        own, colour, dash = dataset.sel(level=level), level_colour(level), LETTERS[level % 4]
        for each, (name, _, _) in zip(axes, PANELS, strict=False):
            each.plot(segment, own[name].values, color=colour, linestyle=dash, label=f"level {level}")
        if np.isfinite(float(own["capacity"])):
            axes[0].axhline(float(own["capacity"]), color=colour, linewidth=0.6)
        axes[2].step(age, 100 * own["survival"].values, where="post", color=colour, linestyle=dash)
        axes[2].fill_between(
            age,
            100 * own["survival_low"].values,
            100 * own["survival_high"].values,
            step="post",
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
    axes[0].set_ylim(bottom=0)
    axes[2].set_ylim(-2, 102)
    label(axes[0], "Entries held (thin: capacity)", _segments(dataset), "entries")
    label(axes[1], "Mean age", _segments(dataset), "age (segments)")
    label(axes[2], f"Survival (n = {dataset.attrs['n']:,} births)", "age (segments)", "still held (%)")
    below(axes[0], 3)
    return page


def caption(dataset: "xr.Dataset") -> str:
    """Say how full each level is at the end and how long half of its entries live."""
    parts = []
    for level in _levels(dataset):
        own = dataset.sel(level=level)
        held, capacity = float(own["occupancy"].values[-1]), float(own["capacity"])
        full = f" of {capacity:.0f} ({percent(held / capacity)})" if np.isfinite(capacity) and capacity > 0 else ""
        median = float(own["median_lifetime"])
        lived = int(own["born"]) - int(own["dropped_at_birth"])
        life = (
            f"half of its {lived:,} entries are gone after {median:.0f} segments"
            if np.isfinite(median)
            else f"of its {lived:,} entries more than half outlive the recording"
            if lived
            else "no entry was born there"
        )
        parts.append(f"Level {level} ends with {held:.1f} entries{full}; {life}.")
    dropped = int(dataset["dropped_at_birth"].sum())
    if dropped:
        parts.append(f"{several(dropped, 'slot')} dropped in the segment of birth are not in the survival.")
    return " ".join(parts)
