"""Clusters of vectors: how large, of which label, and whether they are more than one cloud."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.against_null import Measured, matplotlib_against_null, plotly_against_null
from memlens.figures.backend import AnyFigure, Backend, by_backend
from memlens.figures.style import (
    LEVEL_COLOUR,
    MODALITY_COLOUR,
    NULL_COLOUR,
    below,
    dress,
    label,
    matplotlib_text,
    p_text,
    plotly_text,
    scalar,
    sheet,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

NAMES = {"silhouette": "silhouette", "stability": "stability", "ami": "AMI", "ari": "ARI"}


def _measures(dataset: "xr.Dataset") -> list[Measured]:
    out = []
    for key, name in NAMES.items():
        value, null = dataset[key].values, dataset[f"{key}_null"].values
        low, high = np.percentile(value, [2.5, 97.5]) if value.ndim else (np.nan, np.nan)
        if np.isfinite(value).all():
            out.append(Measured(name, float(value.mean()), float(low), float(high), null))
    return out


def _colour(names: list[str]) -> dict[str, str]:
    """Modalities have their own colours; other labels take turns, the last one for all that are too many."""
    others = iter([*LEVEL_COLOUR, *[NULL_COLOUR] * len(names)])
    return {name: MODALITY_COLOUR[name] if name in MODALITY_COLOUR else next(others) for name in names}


def _counts(dataset: "xr.Dataset") -> dict[str, np.ndarray]:
    """Rows of each label in each cluster; one bar "none" when no label is known."""
    size, share = dataset["size"].values, dataset["share"].values
    if not np.isfinite(share).any():
        return {"none": size}
    counts = np.nan_to_num(share) * size[:, None]
    names = [str(name) for name in dataset["label_class"].values]
    return {name: counts[:, at] for at, name in enumerate(names) if counts[:, at].sum() > 0}


def _plotly(dataset: "xr.Dataset") -> "Figure":
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1,
        2,
        column_widths=[0.6, 0.4],
        horizontal_spacing=0.12,
        subplot_titles=["size and mix of labels", "measured, and its null"],
    )
    cluster = dataset["cluster"].values
    marks = ["  ".join(plotly_text(token, 16) for token in row if token) for row in dataset["cluster_token"].values]
    counts = _counts(dataset)
    colour = _colour(list(counts))
    for name, count in counts.items():
        figure.add_bar(
            x=cluster,
            y=count,
            name=plotly_text(name, 24),
            marker={"color": colour[name]},
            customdata=marks,
            row=1,
            col=1,
            hovertemplate="cluster %{x}, "
            + plotly_text(name, 24)
            + ": %{y:.0f} rows<br>marked by: %{customdata}<extra></extra>",
        )
    plotly_against_null(figure, _measures(dataset), 1, 2)
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title="cluster", tickvals=cluster, row=1, col=1)
    figure.update_yaxes(title="rows", row=1, col=1)
    figure.update_yaxes(title="score (1 is best)", row=1, col=2)
    return dress(figure, f"Clusters of {plotly_text(dataset.attrs['point'])} (n = {dataset.attrs['n']:,} rows)")


def _matplotlib(dataset: "xr.Dataset") -> "Sheet":
    """Under each bar the tokens that mark the cluster."""
    page, (left, right) = sheet(2, height=5.0, width_ratios=[1.6, 1])
    cluster, start = dataset["cluster"].values, np.zeros(dataset.sizes["cluster"])
    counts = _counts(dataset)
    colour = _colour(list(counts))
    for name, count in counts.items():
        left.barh(cluster, count, left=start, color=colour[name], label=matplotlib_text(name, 24))
        start = start + count
    marks = [
        ", ".join(matplotlib_text(token.strip() or token, 12) for token in row[:4] if token)
        for row in dataset["cluster_token"].values
    ]
    left.set_yticks(cluster, [f"{at}: {text}" if text else str(at) for at, text in zip(cluster, marks, strict=True)])
    left.invert_yaxis()
    below(left, 5)
    label(left, f"Clusters (n = {dataset.attrs['n']:,} rows)", "rows", "cluster and its marking tokens")
    matplotlib_against_null(right, _measures(dataset))
    label(right, "Measured, and its null", "", "score (1 is best)")
    return page


def plot_clusters(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.clusters`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.clusters` returned.
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
    """Say how many clusters, whether they beat one Gaussian cloud, and whether they follow the labels."""
    p, draws = scalar(dataset, "silhouette_p"), dataset.sizes["draw"]
    null, target = dataset["silhouette_null"].values, str(dataset.attrs["target"]).replace("_", " ")
    text = (
        f"{dataset.attrs['method']} with k = {dataset.attrs['chosen_k']} on {dataset.attrs['n']:,} rows ({dataset.attrs['rows']}) has a "
        f"silhouette of {scalar(dataset, 'silhouette'):.3f}, against {null.mean():.3f} on average and {null.max():.3f} "
        f"at most for {draws} Gaussian clouds of the same covariance ({p_text(p, draws)}): "
        + ("more clustered than one cloud. " if p <= 0.05 else "within its null, so no evidence of clusters. ")
        + f"Two clusterings of 80 % of the rows agree at an ARI of {float(dataset['stability'].mean()):.2f} "
        f"({float(dataset['stability_null'].mean()):.2f} for the clouds). "
    )
    ami, ami_p = scalar(dataset, "ami"), scalar(dataset, "ami_p")
    if not np.isfinite(ami):
        return text + f"Fewer than two labels of {target} occur, so agreement with them is undefined."
    return text + (
        f"Agreement with {target} is AMI {ami:.3f}, ARI {scalar(dataset, 'ari'):.3f} "
        f"(AMI with labels of other times at most {dataset['ami_null'].values.max():.3f}, "
        f"{p_text(ami_p, dataset.sizes['shuffle'])})" + ("." if ami_p <= 0.05 else ": within its null.")
    )
