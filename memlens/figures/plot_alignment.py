"""Which place of one run matches which of another, and whether the match is better than chance."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.against_null import Measured, matplotlib_against_null, plotly_against_null
from memlens.figures.backend import AnyFigure, Backend, by_backend
from memlens.figures.style import ACCENT, dress, label, p_text, percent, plotly_text, scalar, sheet

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure


def _score(dataset: "xr.Dataset") -> Measured:
    low, high = scalar(dataset, "score_low"), scalar(dataset, "score_high")
    return Measured("matched places", scalar(dataset, "score"), low, high, dataset["score_null"].values)


def _pairs(dataset: "xr.Dataset") -> tuple[np.ndarray, np.ndarray]:
    match = dataset["match"].values
    return np.flatnonzero(match >= 0), match[match >= 0]


def _title(dataset: "xr.Dataset") -> str:
    return f"Alignment of {dataset.attrs['point']} across two runs (n = {dataset.attrs['n']:,} segments)"


def _plotly(dataset: "xr.Dataset") -> "Figure":
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1,
        2,
        column_widths=[0.62, 0.38],
        horizontal_spacing=0.2,
        subplot_titles=["similarity (circles: matched)", "score, and its null"],
    )
    figure.add_heatmap(
        z=dataset["similarity"].values,
        zmin=-1,
        zmax=1,
        colorscale="RdBu_r",
        colorbar={"title": "CKA", "x": 0.53},
        row=1,
        col=1,
        hovertemplate="place %{y}, other %{x}: %{z:.3f}<extra></extra>",
    )
    mine, theirs = _pairs(dataset)
    figure.add_scatter(
        x=theirs,
        y=mine,
        mode="markers",
        name="matched",
        marker={"symbol": "circle-open", "size": 10, "color": ACCENT, "line": {"width": 2}},
        row=1,
        col=1,
    )
    plotly_against_null(figure, [_score(dataset)], 1, 2)
    figure.update_xaxes(title=f"{dataset.attrs['places']} place of the other run", row=1, col=1)
    figure.update_yaxes(title=f"{dataset.attrs['places']} place of this run", autorange="reversed", row=1, col=1)
    figure.update_yaxes(title="mean CKA", row=1, col=2)
    return dress(figure, plotly_text(_title(dataset), 120), height=520)


def _matplotlib(dataset: "xr.Dataset") -> "Sheet":
    page, (left, right) = sheet(2, height=4.8, width_ratios=[1.6, 1])
    left.grid(visible=False)
    image = left.imshow(dataset["similarity"].values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    mine, theirs = _pairs(dataset)
    left.scatter(theirs, mine, s=40, facecolors="none", edgecolors=ACCENT, linewidths=1.4)
    page.colorbar(image, ax=left, label="CKA")
    places = dataset.attrs["places"]
    label(left, _title(dataset), f"{places} place of the other run (circles: matched)", f"{places} place of this run")
    matplotlib_against_null(right, [_score(dataset)])
    label(right, "", "", "mean CKA of matched places")
    return page


def plot_alignment(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.alignment`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.alignment` returned.
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
    """Say how well places match, against the null, and how many keep their number."""
    p, null = scalar(dataset, "score_p"), dataset["score_null"].values
    return (
        f"Matched one to one, the {dataset.sizes['place']} places of {dataset.attrs['point']} in two runs have a mean CKA of "
        f"{scalar(dataset, 'score'):.2f} over {dataset.attrs['n']:,} segments (95 %: {scalar(dataset, 'score_low'):.2f} to "
        f"{scalar(dataset, 'score_high'):.2f}); matching against other times gives {null.mean():.2f} ({p_text(p, null.size)}): "
        + ("the same parts come back" if p <= 0.05 else "no evidence that the same parts come back")
        + f". {percent(scalar(dataset, 'identity'))} of the places are matched with their own number."
    )
