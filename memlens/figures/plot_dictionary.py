"""What a sparse dictionary explains beside its nulls, and how its features are used."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.against_null import Measured, matplotlib_against_null, plotly_against_null
from memlens.figures.backend import AnyFigure, Backend, by_backend
from memlens.figures.style import (
    ACCENT,
    INK,
    dress,
    label,
    matplotlib_text,
    p_text,
    percent,
    plotly_text,
    scalar,
    sheet,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

#: Other ways to explain the same rows: lines beside the measured value.
OTHERS = {
    "explained_check": ("dictionary learning", "dash", "--"),
    "explained_pca": ("principal axes", "dot", ":"),
    "explained_shuffled": ("unrelated features", "dashdot", "-."),
}


def _title(dataset: "xr.Dataset") -> str:
    return f"Sparse dictionary of {dataset.attrs['point']} (n = {dataset.attrs['n']:,} rows, {dataset.sizes['atom']} atoms)"


def _measured(dataset: "xr.Dataset") -> Measured:
    null = 100 * dataset["explained_null"].values
    return Measured("explained", 100 * scalar(dataset, "explained"), np.nan, np.nan, null)


def _plotly(dataset: "xr.Dataset") -> "Figure":
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1,
        2,
        column_widths=[0.35, 0.65],
        horizontal_spacing=0.12,
        subplot_titles=["held-out variance explained", "features"],
    )
    plotly_against_null(figure, [_measured(dataset)], 1, 1)
    for name, (words, dash, _) in OTHERS.items():
        figure.add_scatter(
            x=["explained"],
            y=[100 * scalar(dataset, name)],
            mode="markers",
            name=words,
            row=1,
            col=1,
            marker={
                "symbol": "line-ew-open",
                "size": 34,
                "color": INK,
                "line": {"width": 2},
                "opacity": {"dash": 1, "dot": 0.7}.get(dash, 0.4),
            },
        )
    marks = [" | ".join(plotly_text(token, 16) for token in row if token) for row in dataset["example_token"].values]
    figure.add_scatter(
        x=100 * dataset["frequency"].values,
        y=100 * dataset["contribution"].values,
        mode="markers",
        name="feature",
        showlegend=False,
        marker={"color": ACCENT, "size": 8, "opacity": 0.7},
        customdata=list(zip(range(len(marks)), marks, strict=True)),
        row=1,
        col=2,
        hovertemplate="feature %{customdata[0]}: active in %{x:.1f} % of rows, %{y:.1f} % of the energy<br>"
        "%{customdata[1]}<extra></extra>",
    )
    figure.update_yaxes(title="variance (%)", row=1, col=1)
    figure.update_xaxes(title="rows in which it is active (%)", row=1, col=2)
    figure.update_yaxes(title="share of the squared activation (%)", row=1, col=2)
    return dress(figure, plotly_text(_title(dataset), 120))


def _matplotlib(dataset: "xr.Dataset") -> "Sheet":
    """With the tokens of the most used features' top examples."""
    page, (left, right) = sheet(2, height=4.8, width=11.0, width_ratios=[1, 1.7])
    matplotlib_against_null(left, [_measured(dataset)], legend=False)
    for name, (words, _, line) in OTHERS.items():
        left.axhline(100 * scalar(dataset, name), color=INK, linestyle=line, linewidth=1, label=words)
    left.set_xticks([])
    left.legend(loc="upper left", bbox_to_anchor=(0, -0.04), ncols=2, frameon=False, fontsize=8)
    label(left, "Held-out variance explained", "", "variance (%)")
    shown = dataset.isel(atom=slice(0, 12))
    y = np.arange(shown.sizes["atom"])
    right.barh(y, 100 * shown["frequency"].values, color=ACCENT)
    marks = [
        ", ".join(dict.fromkeys(matplotlib_text(token.strip() or token, 12) for token in row if token))
        for row in shown["example_token"].values
    ]
    right.set_yticks(y, [f"{at}: {text}" if text else str(at) for at, text in enumerate(marks)], fontsize=8)
    right.invert_yaxis()
    label(right, _title(dataset), "rows in which it is active (%)", "feature and tokens of its top examples")
    return page


def plot_dictionary(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.dictionary`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.dictionary` returned.
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
    """Say what the dictionary explains, against Gaussian vectors and against the check."""
    p, null, active = scalar(dataset, "p"), dataset["explained_null"].values, dataset.attrs["active"]
    return (
        f"{active} of {dataset.sizes['atom']} directions explain {percent(scalar(dataset, 'explained'))} of the held-out variance of "
        f"{dataset.attrs['point']}, against {percent(float(null.mean()))} of Gaussian vectors with the same covariance "
        f"({p_text(p, null.size)}): "
        + ("the vectors are sparse in this dictionary. " if p <= 0.05 else "no evidence that the vectors are sparse. ")
        + f"Dictionary learning explains {percent(scalar(dataset, 'explained_check'))}, its atoms agreeing at a cosine of "
        f"{scalar(dataset, 'check_agreement'):.2f}; {active} principal axes {percent(scalar(dataset, 'explained_pca'))}; "
        f"{dataset.attrs['dead']} atoms are dead."
    )
