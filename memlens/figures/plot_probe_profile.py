"""Where or when a target can be read, against the threshold over all groups."""

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
    matplotlib_text,
    plotly_text,
    scalar,
    sheet,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

WORDS = {"distance": "segments since it was there", "place": "place", "point": "point", "segment": "segments"}


def _title(dataset: "xr.Dataset") -> str:
    what = str(dataset.attrs["target"]).replace("_", " ")
    return f"Reading {what} by {dataset.attrs['by']} (n ≤ {dataset.attrs['n']:,} rows a group)"


def _names(dataset: "xr.Dataset") -> list[str]:
    return [str(name) for name in dataset["group"].values]


def _score(dataset: "xr.Dataset") -> str:
    return "accuracy" if dataset.attrs["unit"] == "bit" else "R2"


def _plotly(dataset: "xr.Dataset") -> "Figure":
    from plotly.subplots import make_subplots

    names = [plotly_text(name) for name in _names(dataset)]
    figure = make_subplots(
        2,
        1,
        shared_xaxes=True,
        vertical_spacing=0.12,
        subplot_titles=["information", f"{_score(dataset)} (95 % interval)"],
    )
    null = dataset["information_null"].values
    for at, name in enumerate(names):
        figure.add_box(
            x=[name] * null.shape[1],
            y=null[at],
            name="null",
            legendgroup="null",
            showlegend=at == 0,
            marker={"color": NULL_COLOUR, "size": 3},
            line={"width": 1},
            row=1,
            col=1,
        )
    found = dataset["found"].values
    symbols = ["diamond" if each else "diamond-open" for each in found]
    figure.add_scatter(
        x=names,
        y=dataset["information"].values,
        mode="lines+markers" if dataset.attrs["by"] in ("distance", "segment") else "markers",
        name="measured (filled: found)",
        marker={"symbol": symbols, "size": 11, "color": ACCENT},
        line={"color": ACCENT},
        row=1,
        col=1,
    )
    figure.add_hline(
        y=scalar(dataset, "threshold"),
        line={"dash": "dash", "color": INK, "width": 1},
        annotation_text="5 % over all groups",
        row=1,  # pyright: ignore[reportArgumentType]
        col=1,  # pyright: ignore[reportArgumentType]
    )
    score, low, high = (dataset[key].values for key in ("score", "low", "high"))
    figure.add_scatter(
        x=names,
        y=score,
        mode="markers",
        name=_score(dataset),
        marker={"color": ACCENT, "size": 8},
        showlegend=False,
        row=2,
        col=1,
        error_y={"type": "data", "symmetric": False, "array": high - score, "arrayminus": score - low},
    )
    figure.update_yaxes(title=f"information ({dataset.attrs['unit']})", row=1, col=1)
    figure.update_yaxes(title=_score(dataset), row=2, col=1)
    figure.update_xaxes(title=WORDS[dataset.attrs["by"]], type="category", row=2, col=1)
    return dress(figure, plotly_text(_title(dataset), 120), height=640)


def _matplotlib(dataset: "xr.Dataset") -> "Sheet":
    page, (left, right) = sheet(2, width=12.0, height=4.6)
    names, x = _names(dataset), np.arange(dataset.sizes["group"])
    null = dataset["information_null"].values
    left.plot(np.repeat(x, null.shape[1]), null.ravel(), ".", color=NULL_COLOUR, markersize=3, label="null")
    found, value = dataset["found"].values, dataset["information"].values
    left.plot(x[found], value[found], "D", color=ACCENT, label="found")
    left.plot(x[~found], value[~found], "D", color=ACCENT, fillstyle="none", label="not found")
    left.axhline(scalar(dataset, "threshold"), color=INK, linestyle="--", linewidth=1, label="5 % over all groups")
    below(left, 4)
    label(left, _title(dataset), "", f"information ({dataset.attrs['unit']})")
    score, low, high = (dataset[key].values for key in ("score", "low", "high"))
    right.errorbar(x, score, yerr=np.stack([score - low, high - score]).clip(0), fmt="o", color=ACCENT, capsize=3)
    label(right, f"{_score(dataset)} (95 % interval)", WORDS[dataset.attrs["by"]], _score(dataset))
    for axes in (left, right):
        step = max(1, len(names) // 12)
        axes.set_xticks(
            x[::step], [matplotlib_text(name, 20) for name in names[::step]], rotation=0 if len(names[0]) < 6 else 15
        )
    return page


def plot_probe_profile(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.probe_profile`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.probe_profile` returned.
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
    """Say in which groups the target is found, and from when to when."""
    found = dataset["found"].values
    names = [name for name, each in zip(_names(dataset), found, strict=True) if each]
    what = str(dataset.attrs["target"]).replace("_", " ")
    text = (
        f"A {dataset.attrs['kind']} probe reads {what} in {int(found.sum())} of {found.size} groups"
        + (f" ({', '.join(names[:12])}{', ...' if len(names) > 12 else ''})" if names else "")
        + f", with the chance of any false one held at 5 % ({dataset.attrs['shuffles']} shuffles, threshold "
        f"{scalar(dataset, 'threshold'):.3f} {dataset.attrs['unit']})"
    )
    if dataset.attrs["by"] == "distance" and np.isfinite(scalar(dataset, "since")):
        gone = scalar(dataset, "gone")
        text += f"; it is there {scalar(dataset, 'since'):.0f} segments after it was seen, and "
        text += f"gone at {gone:.0f}" if np.isfinite(gone) else "still at the largest distance"
    return text + "."
