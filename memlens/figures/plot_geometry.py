"""Rank, redundancy and specialisation of a point, each against its null."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.against_null import Measured, matplotlib_against_null, plotly_against_null
from memlens.figures.backend import AnyFigure, Backend, by_backend
from memlens.figures.style import ACCENT, INK, dress, label, p_text, plotly_text, scalar, sheet

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

#: Title of each measure's panel, with its unit.
PANELS = {
    "effective_rank": "effective rank (dimensions)",
    "redundancy": "redundancy (mean |cosine|)",
    "specialisation": "place explains (share of variance)",
    "modality": "place tells modality (bit)",
}


def _measures(dataset: "xr.Dataset") -> list[Measured]:
    out = []
    for name in (str(name) for name in dataset["measure"].values):
        own = dataset.sel(measure=name)
        if np.isfinite(float(own["value"])):
            value, low, high = (float(own[key]) for key in ("value", "low", "high"))
            out.append(Measured(name, value, low, high, own["null"].values))
    return out


def _title(dataset: "xr.Dataset") -> str:
    return f"Geometry of {dataset.attrs['point']} (n = {dataset.attrs['n']:,} vectors)"


def _plotly(dataset: "xr.Dataset") -> "Figure":
    from plotly.subplots import make_subplots

    measures = _measures(dataset)
    columns = len(measures)
    figure = make_subplots(
        2,
        columns,
        specs=[[{}] * columns, [{"colspan": columns}, *[None] * (columns - 1)]],
        vertical_spacing=0.2,
        horizontal_spacing=0.08,
        subplot_titles=[PANELS[each.name] for each in measures] + ["share of the variance by principal axis"],
    )
    for at, each in enumerate(measures, start=1):
        plotly_against_null(figure, [each], 1, at, legend=at == 1)
    spectrum = dataset["spectrum"].values
    figure.add_scatter(
        x=np.arange(1, spectrum.size + 1),
        y=100 * spectrum,
        mode="lines+markers",
        name="share",
        line={"color": ACCENT},
        showlegend=False,
        row=2,
        col=1,
    )
    figure.update_xaxes(showticklabels=False, row=1)
    figure.update_xaxes(title="principal axis", showticklabels=True, row=2, col=1)
    figure.update_yaxes(title="variance (%)", row=2, col=1)
    return dress(figure, plotly_text(_title(dataset), 120), height=700)


def _matplotlib(dataset: "xr.Dataset") -> "Sheet":
    measures = _measures(dataset)
    page, axes = sheet(len(measures) + 1, width=12.0)
    for at, each in enumerate(measures):
        matplotlib_against_null(axes[at], [each], legend=at == 0)
        axes[at].set_xticks([])
        label(axes[at], "", "", PANELS[each.name])
    spectrum = 100 * dataset["spectrum"].values
    axes[-1].plot(np.arange(1, spectrum.size + 1), spectrum, color=ACCENT, marker=".", markersize=4)
    axes[-1].axvline(float(dataset["value"].sel(measure="effective_rank")), color=INK, linestyle=":", linewidth=1)
    label(axes[-1], "", "principal axis (dotted: effective rank)", "variance (%)")
    page.suptitle(_title(dataset), fontsize=11, x=0.02, ha="left", color=INK)
    return page


def plot_geometry(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.geometry`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.geometry` returned.
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
    """Say how many dimensions are used, and whether places repeat each other or specialise."""
    shuffles = dataset.sizes["shuffle"]
    rank = dataset.sel(measure="effective_rank")
    out = (
        f"The {dataset.attrs['n']:,} vectors of {dataset.attrs['point']} fill {float(rank['value']):.1f} of {dataset.sizes['component']} "
        f"dimensions (95 %: {float(rank['low']):.1f} to {float(rank['high']):.1f}; unrelated features would fill "
        f"{float(rank['null'].mean()):.1f}, {p_text(float(rank['p']), shuffles)})"
    )
    words = {
        "redundancy": "places of one segment repeat each other",
        "specialisation": "places hold different things",
        "modality": "places prefer modalities",
    }
    found, missed = [], []
    for name, claim in words.items():
        own = dataset.sel(measure=name)
        if np.isfinite(float(own["value"])):
            value, null = abs(float(own["value"])), abs(float(own["null"].mean()))
            text = f"{claim} ({value:.3f}, null {null:.3f}, {p_text(float(own['p']), shuffles)})"
            (found if float(own["p"]) <= 0.05 else missed).append(text)
    if found:
        out += "; " + "; ".join(found)
    if missed:
        out += "; within its null: " + "; ".join(missed)
    return out + f". {scalar(dataset, 'effective_places'):.1f} of {dataset.sizes['place']} places are in effective use."
