"""A map of slots, coloured by modality."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend, by_backend
from memlens.figures.style import (
    MARKERS,
    MODALITY_COLOUR,
    MODALITY_SYMBOL,
    MOST_POINTS,
    dress,
    label,
    plotly_text,
    scalar,
    sheet,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

#: Order of the codes in `memlens.dims.Modality`; -1 is none.
NAMES = {0: "text", 1: "image", 2: "audio", 3: "dna", -1: "none"}
#: Below this many points SVG is drawn; it needs no WebGL context and prints sharply.
SVG_POINTS = 6000


def _shown(dataset: "xr.Dataset") -> "xr.Dataset":
    """At most MOST_POINTS rows, evenly spaced."""
    n = dataset.sizes["sample"]
    if n <= MOST_POINTS:
        return dataset
    return dataset.isel(sample=np.linspace(0, n - 1, MOST_POINTS).astype(int))


def _title(dataset: "xr.Dataset", shown: int) -> str:
    n = dataset.attrs["n"]
    note = f"showing {shown:,} of {n:,}" if shown < n else f"n = {n:,}"
    return f"Map of slots, {dataset.attrs['method'].upper()} ({note} rows of {dataset.attrs['total']:,})"


def _axis(dataset: "xr.Dataset", axis: int) -> str:
    explained = float(dataset["explained_variance"].values[axis])
    if not np.isfinite(explained):
        return f"UMAP {axis + 1} (no unit)"
    return f"principal axis {axis + 1} ({100 * explained:.1f} % of variance)"


def _plotly(dataset: "xr.Dataset") -> "Figure":
    import plotly.graph_objects as go

    data = _shown(dataset)
    figure = go.Figure()
    trace = go.Scatter if data.sizes["sample"] <= SVG_POINTS else go.Scattergl
    fields = ("sequence", "segment", "place", "entry", "fact", "cluster")
    custom = np.stack([data[name].values for name in fields], axis=1)
    coordinate, modality = data["coordinate"].values, data["modality"].values
    for code, name in NAMES.items():
        rows = modality == code
        if rows.any():
            figure.add_trace(
                trace(
                    x=coordinate[rows, 0],
                    y=coordinate[rows, 1],
                    mode="markers",
                    name=f"{name} ({rows.sum():,})",
                    customdata=custom[rows],
                    marker={
                        "color": MODALITY_COLOUR[name],
                        "symbol": MODALITY_SYMBOL[name],
                        "size": 5,
                        "opacity": 0.65,
                    },
                    hovertemplate="sequence %{customdata[0]}, segment %{customdata[1]}, slot %{customdata[2]}<br>"
                    "entry %{customdata[3]}, fact %{customdata[4]}, cluster %{customdata[5]}<extra>"
                    + name
                    + "</extra>",
                )
            )
    figure.update_xaxes(title=_axis(data, 0))
    figure.update_yaxes(title=_axis(data, 1))
    return dress(figure, plotly_text(_title(dataset, data.sizes["sample"]), 120), height=560)


def _matplotlib(dataset: "xr.Dataset") -> "Sheet":
    data = _shown(dataset)
    page, (axes,) = sheet(1, width=7.5, height=5.6)
    coordinate, modality = data["coordinate"].values, data["modality"].values
    for code, name in NAMES.items():
        rows = modality == code
        if rows.any():
            axes.scatter(
                coordinate[rows, 0],
                coordinate[rows, 1],
                s=8,
                alpha=0.6,
                linewidths=0,
                rasterized=True,
                color=MODALITY_COLOUR[name],
                label=f"{name} ({rows.sum():,})",
                marker="." if name == "none" else MARKERS[MODALITY_SYMBOL[name]],
            )
    label(axes, _title(dataset, data.sizes["sample"]), _axis(data, 0), _axis(data, 1))
    axes.legend(frameon=False, fontsize=9, markerscale=1.6)
    return page


def plot_slot_map(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.slot_map`.

    Each point's ``customdata`` is sequence, segment, place, entry, fact, cluster.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.slot_map` returned.
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
    """Say how much of the data the map keeps."""
    n, trust = dataset.attrs["n"], scalar(dataset, "trustworthiness")
    explained = dataset["explained_variance"].values
    kept = (
        f"the two axes hold {100 * explained.sum():.1f} % of the variance"
        if np.isfinite(explained).all()
        else "distances and the sizes of gaps in a UMAP carry no meaning"
    )
    return (
        f"Each mark is one of {n:,} rows ({dataset.attrs['rows']}; {dataset.attrs['total']:,} in all) of "
        f"{dataset.attrs['point']}; {kept}, and the trustworthiness of the {dataset.attrs['neighbours']} nearest "
        f"neighbours is {trust:.2f} (1: all neighbours in the map are neighbours in the data; "
        f"{float(dataset['trustworthiness_null'].mean()):.2f} for points exchanged at random)."
        + ("" if trust >= 0.9 else " Below 0.9, so near marks need not be alike.")
    )
