"""Clusters of slots: how large, of which modality, and whether they are more than one cloud."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.style import (
    ACCENT,
    MODALITY_COLOUR,
    NULL_COLOUR,
    below,
    dress,
    label,
    p_text,
    plain,
    scalar,
    sheet,
    visible,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

MEASURES = (("silhouette", "silhouette", "silhouette_null"), ("AMI", "ami", "ami_null"), ("ARI", "ari", "ari_null"))


def _counts(dataset: "xr.Dataset") -> dict[str, np.ndarray]:
    """Slots of each modality in each cluster; one bar "none" when no modality is known."""
    size, share = dataset["size"].values, dataset["share"].values
    if not np.isfinite(share).any():
        return {"none": size}
    counts = np.nan_to_num(share) * size[:, None]
    names = [str(name) for name in dataset["modality"].values]
    return {name: counts[:, at] for at, name in enumerate(names) if counts[:, at].sum() > 0}


def plot_clusters(dataset: "xr.Dataset") -> "Figure":
    """Draw the result of `memlens.analysis.clusters`."""
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1,
        2,
        column_widths=[0.6, 0.4],
        horizontal_spacing=0.12,
        subplot_titles=["size and modality mix", "measured, and its null"],
    )
    cluster = dataset["cluster"].values
    marks = ["  ".join(plain(token, 16) for token in row if token) for row in dataset["mark_token"].values]
    for name, count in _counts(dataset).items():
        figure.add_bar(
            x=cluster,
            y=count,
            name=name,
            marker={"color": MODALITY_COLOUR[name]},
            customdata=marks,
            row=1,
            col=1,
            hovertemplate="cluster %{x}, " + name + ": %{y:.0f} rows<br>marked by: %{customdata}<extra></extra>",
        )
    for at, (name, value, null) in enumerate(MEASURES):
        if not np.isfinite(scalar(dataset, value)):
            continue
        draws = dataset[null].values
        figure.add_box(
            y=draws,
            x=[name] * draws.size,
            name="null",
            boxpoints="all",
            jitter=0.5,
            pointpos=0,
            marker={"color": NULL_COLOUR, "size": 4},
            line={"width": 1},
            showlegend=at == 0,
            legendgroup="null",
            row=1,
            col=2,
        )
        figure.add_scatter(
            x=[name],
            y=[scalar(dataset, value)],
            name="measured",
            mode="markers",
            marker={"symbol": "diamond", "size": 12, "color": ACCENT},
            showlegend=at == 0,
            legendgroup="measured",
            row=1,
            col=2,
        )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title="cluster", tickvals=cluster, row=1, col=1)
    figure.update_yaxes(title="rows", row=1, col=1)
    figure.update_yaxes(title="score (1 is best)", row=1, col=2)
    return dress(figure, f"Clusters of {plain(dataset.attrs['point'])} (n = {dataset.attrs['n']:,} rows)")


def print_clusters(dataset: "xr.Dataset") -> "Sheet":
    """The same for print; under each bar the tokens that mark the cluster."""
    page, (left, right) = sheet(2, height=5.0, width_ratios=[1.6, 1])
    cluster, start = dataset["cluster"].values, np.zeros(dataset.sizes["cluster"])
    for name, count in _counts(dataset).items():
        left.barh(cluster, count, left=start, color=MODALITY_COLOUR[name], label=name)
        start = start + count
    marks = [
        ", ".join(visible(token.strip() or token, 12) for token in row[:4] if token)
        for row in dataset["mark_token"].values
    ]
    left.set_yticks(cluster, [f"{at}: {text}" if text else str(at) for at, text in zip(cluster, marks, strict=True)])
    left.invert_yaxis()
    below(left, 5)
    label(left, f"Clusters (n = {dataset.attrs['n']:,} rows)", "rows", "cluster and its marking tokens")
    shown = [measure for measure in MEASURES if np.isfinite(scalar(dataset, measure[1]))]
    for at, (_, value, null) in enumerate(shown):
        draws = dataset[null].values
        right.scatter(
            at + np.linspace(-0.15, 0.15, draws.size), draws, s=8, color=NULL_COLOUR, label="null" if at == 0 else None
        )
        right.scatter(
            [at], [scalar(dataset, value)], s=70, marker="D", color=ACCENT, label="measured" if at == 0 else None
        )
    right.set_xticks(range(len(shown)), [name for name, _, _ in shown])
    right.set_xlim(-0.5, len(shown) - 0.5)
    below(right, 2)
    label(right, "Measured, and its null", "", "score (1 is best)")
    return page


def caption(dataset: "xr.Dataset") -> str:
    """Say how many clusters, whether they beat one Gaussian cloud, and whether they follow modality."""
    p, draws = scalar(dataset, "silhouette_p"), dataset.sizes["draw"]
    null = dataset["silhouette_null"].values
    text = (
        f"k-means with k = {dataset.attrs['chosen_k']} on {dataset.attrs['n']:,} rows ({dataset.attrs['rows']}) has a "
        f"silhouette of {scalar(dataset, 'silhouette'):.3f}, against {null.mean():.3f} on average and {null.max():.3f} "
        f"at most for {draws} Gaussian clouds of the same covariance ({p_text(p, draws)}): "
        + ("more clustered than one cloud. " if p <= 0.05 else "within its null, so no evidence of clusters. ")
    )
    ami, ami_p = scalar(dataset, "ami"), scalar(dataset, "ami_p")
    if not np.isfinite(ami):
        return text + "Fewer than two modalities occur, so agreement with modality is undefined."
    return text + (
        f"Agreement with modality is AMI {ami:.3f}, ARI {scalar(dataset, 'ari'):.3f} "
        f"(AMI of shuffled labels at most {dataset['ami_null'].values.max():.3f}, "
        f"{p_text(ami_p, dataset.sizes['shuffle'])})" + ("." if ami_p <= 0.05 else ": within its null.")
    )
