"""How alike points, segments or recordings are: one matrix a measure."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend, by_backend
from memlens.figures.style import INK, dress, label, matplotlib_text, plotly_text, sheet

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

WORDS = {"cka": "CKA", "rsa": "RSA"}
#: Cells are written into up to this many rows.
WRITTEN = 6


def _title(dataset: "xr.Dataset") -> str:
    return (
        f"Similarity of {dataset.attrs['by']}s (n = {dataset.attrs['n']:,} {dataset.attrs['items']}; null in brackets)"
    )


def _cells(own: "xr.Dataset") -> list[list[str]]:
    value, null = own["value"].values, own["null_high"].values
    return [
        [f"{v:.2f}<br>({n:.2f})" if np.isfinite(v) else "" for v, n in zip(*row, strict=True)]
        for row in zip(value, null, strict=True)
    ]


def _plotly(dataset: "xr.Dataset") -> "Figure":
    from plotly.subplots import make_subplots

    names = [str(name) for name in dataset["measure"].values]
    figure = make_subplots(1, len(names), subplot_titles=[WORDS[name] for name in names], horizontal_spacing=0.16)
    for at, name in enumerate(names, start=1):
        own = dataset.sel(measure=name)
        figure.add_heatmap(
            x=[plotly_text(text) for text in own["two"].values],
            y=[plotly_text(text) for text in own["one"].values],
            z=own["value"].values,
            zmin=-1,
            zmax=1,
            colorscale="RdBu_r",
            text=_cells(own),
            texttemplate="%{text}" if own.sizes["one"] <= WRITTEN else None,
            showscale=at == len(names),
            colorbar={"title": "similarity"},
            customdata=np.stack([own[key].values for key in ("low", "high", "null_high", "p")], -1),
            hovertemplate="%{y}, %{x}: %{z:.3f} (95 %: %{customdata[0]:.3f} to %{customdata[1]:.3f})<br>"
            "95 % of the null is below %{customdata[2]:.3f}, p = %{customdata[3]:.2g}<extra></extra>",
            row=1,
            col=at,
        )
        figure.update_xaxes(title=dataset.attrs["by"], type="category", row=1, col=at)
        figure.update_yaxes(title=dataset.attrs["by"], type="category", autorange="reversed", row=1, col=at)
    return dress(figure, plotly_text(_title(dataset), 140), height=520)


def _matplotlib(dataset: "xr.Dataset") -> "Sheet":
    names = [str(name) for name in dataset["measure"].values]
    page, axes = sheet(len(names), width=11.0, height=5.0)
    for each, name in zip(axes, names, strict=True):
        own = dataset.sel(measure=name)
        value = own["value"].values
        each.grid(visible=False)
        each.imshow(value, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        if own.sizes["one"] <= WRITTEN:
            for row, column in np.ndindex(*value.shape):
                text = _cells(own)[row][column].replace("<br>", "\n")
                colour = "white" if abs(value[row, column]) > 0.6 else INK
                each.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
        each.set_xticks(
            range(own.sizes["two"]), [matplotlib_text(text, 24) for text in own["two"].values], rotation=20, ha="right"
        )
        each.set_yticks(range(own.sizes["one"]), [matplotlib_text(text, 24) for text in own["one"].values])
        label(each, WORDS[name], dataset.attrs["by"], dataset.attrs["by"] if each is axes[0] else "")
    page.colorbar(axes[0].images[0], ax=list(axes), label="similarity", shrink=0.8)
    page.suptitle(_title(dataset), fontsize=11, x=0.02, ha="left", color=INK)
    return page


def plot_similarity(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.similarity`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.similarity` returned.
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
    """Say which pair is most alike and how many pairs are above their null."""
    own = dataset.sel(measure="cka")
    tested = own["p"].values
    known = np.isfinite(tested)
    if not known.any():
        return "One representation alone: nothing to compare it with."
    value = np.where(known, own["value"].values, -np.inf)
    row, column = np.unravel_index(int(value.argmax()), value.shape)
    best = own.isel(one=row, two=column)
    above = int((tested[known] <= 0.05).sum())
    return (
        f"Over {dataset.attrs['n']:,} {dataset.attrs['items']}, {above} of {int(known.sum())} pairs of "
        f"{dataset.attrs['by']}s have a CKA above "
        f"their null (p ≤ 0.05 each, {dataset.attrs['shuffles']} permutations); the most alike are {best['one'].item()} and "
        f"{best['two'].item()} at {float(best['value']):.2f} (95 %: {float(best['low']):.2f} to "
        f"{float(best['high']):.2f}; 95 % of the null "
        f"below {float(best['null_high']):.2f})."
    )
