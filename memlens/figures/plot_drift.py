"""How far what a point holds moves as the stream goes on."""

from typing import TYPE_CHECKING

from memlens.figures.against_null import Measured, matplotlib_against_null, plotly_against_null
from memlens.figures.backend import AnyFigure, Backend, by_backend
from memlens.figures.style import ACCENT, NULL_COLOUR, below, dress, label, p_text, plotly_text, scalar, sheet

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure


def _trend(dataset: "xr.Dataset") -> Measured:
    low, high = scalar(dataset, "trend_low"), scalar(dataset, "trend_high")
    return Measured("trend", scalar(dataset, "trend"), low, high, dataset["trend_null"].values)


def _title(dataset: "xr.Dataset") -> str:
    return f"Drift of {dataset.attrs['point']} (n = {dataset.attrs['n']:,} segments)"


def _plotly(dataset: "xr.Dataset") -> "Figure":
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1,
        2,
        column_widths=[0.65, 0.35],
        horizontal_spacing=0.14,
        subplot_titles=["distance of mean vectors (95 % interval)", "trend, and its null"],
    )
    distance, low, high = (dataset[name].values for name in ("distance", "distance_low", "distance_high"))
    figure.add_scatter(
        x=dataset["lag"].values,
        y=distance,
        mode="lines+markers",
        name="segments so far apart",
        line={"color": ACCENT},
        row=1,
        col=1,
        error_y={"type": "data", "symmetric": False, "array": high - distance, "arrayminus": distance - low},
    )
    figure.add_hline(
        y=scalar(dataset, "distance_null"),
        line={"color": NULL_COLOUR, "dash": "dash"},
        annotation_text="any two segments",
        row=1,  # pyright: ignore[reportArgumentType]
        col=1,  # pyright: ignore[reportArgumentType]
    )
    plotly_against_null(figure, [_trend(dataset)], 1, 2)
    figure.update_xaxes(title="segments apart", type="log", row=1, col=1)
    figure.update_yaxes(title="distance (unit of the point)", row=1, col=1)
    figure.update_yaxes(title="Spearman's correlation", row=1, col=2)
    return dress(figure, plotly_text(_title(dataset), 120))


def _matplotlib(dataset: "xr.Dataset") -> "Sheet":
    page, (left, right) = sheet(2, width_ratios=[1.8, 1])
    distance, low, high = (dataset[name].values for name in ("distance", "distance_low", "distance_high"))
    left.errorbar(
        dataset["lag"].values,
        distance,
        yerr=[(distance - low).clip(0), (high - distance).clip(0)],
        color=ACCENT,
        marker=".",
        capsize=3,
        label="segments so far apart (95 %)",
    )
    left.axhline(scalar(dataset, "distance_null"), color=NULL_COLOUR, linestyle="--", label="any two segments")
    left.set_xscale("log")
    below(left, 2)
    label(left, _title(dataset), "segments apart", "distance (unit of the point)")
    matplotlib_against_null(right, [_trend(dataset)])
    label(right, "", "", "Spearman's correlation of distance and time")
    return page


def plot_drift(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.drift`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.drift` returned.
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
    """Say whether distance grows with time, and how fast the mean moves."""
    p, draws = scalar(dataset, "trend_p"), dataset.sizes["shuffle"]
    out = (
        f"Distance of mean vectors and distance in time correlate at {scalar(dataset, 'trend'):.2f} (95 %: "
        f"{scalar(dataset, 'trend_low'):.2f} to {scalar(dataset, 'trend_high'):.2f}; {p_text(p, draws)} over {draws} permutations of "
        f"{dataset.attrs['n']:,} segments): "
    )
    if p > 0.05:
        return out + "no evidence of drift."
    return out + (
        f"what {dataset.attrs['point']} holds changes with time. Its mean moves steadily by {scalar(dataset, 'rate'):.3g} a segment (95 %: "
        f"{scalar(dataset, 'rate_low'):.3g} to {scalar(dataset, 'rate_high'):.3g}), {scalar(dataset, 'rate_relative'):.3g} of its standard "
        "deviation."
    )
