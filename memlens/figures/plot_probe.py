"""Scores of a probe beside its controls, and what it reads beside its null."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.against_null import Measured, matplotlib_against_null, plotly_against_null
from memlens.figures.backend import AnyFigure, Backend, by_backend
from memlens.figures.style import ACCENT, INK, NULL_COLOUR, dress, label, p_text, percent, plotly_text, scalar, sheet

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

WORDS = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F1", "r2": "R²"}


def _title(dataset: "xr.Dataset") -> str:
    target = str(dataset.attrs["target"]).replace("_", " ")
    return f"Probe of {target} from {dataset.attrs['point']} (n = {dataset.attrs['n']:,} rows)"


def _information(dataset: "xr.Dataset") -> Measured:
    return Measured("information", scalar(dataset, "information"), np.nan, np.nan, dataset["information_null"].values)


def _plotly(dataset: "xr.Dataset") -> "Figure":
    from plotly.subplots import make_subplots

    classes = "confusion" in dataset
    figure = make_subplots(
        1,
        3,
        column_widths=[0.46, 0.2, 0.34],
        horizontal_spacing=0.1,
        subplot_titles=["held-out scores", "beyond base rates", "confusion (% of the true class)" if classes else ""],
    )
    names = [WORDS[str(name)] for name in dataset["metric"].values]
    score, low, high = (100 * dataset[key].values for key in ("score", "low", "high"))
    control = 100 * dataset["control"].values
    figure.add_bar(
        x=names,
        y=score,
        name="probe",
        marker={"color": ACCENT},
        row=1,
        col=1,
        error_y={"type": "data", "symmetric": False, "array": high - score, "arrayminus": score - low},
        hovertemplate="%{x}: %{y:.1f} %<extra>probe</extra>",
    )
    figure.add_bar(
        x=names,
        y=control.mean(0),
        name="shuffled targets",
        marker={"color": NULL_COLOUR},
        row=1,
        col=1,
        error_y={
            "type": "data",
            "symmetric": False,
            "array": control.max(0) - control.mean(0),
            "arrayminus": control.mean(0) - control.min(0),
        },
        hovertemplate="%{x}: %{y:.1f} %<extra>shuffled targets</extra>",
    )
    figure.add_scatter(
        x=names,
        y=100 * dataset["majority"].values,
        name="majority class or mean",
        mode="markers",
        row=1,
        col=1,
        marker={"symbol": "line-ew-open", "size": 26, "color": INK, "line": {"width": 2}},
    )
    plotly_against_null(figure, [_information(dataset)], 1, 2, legend=False)
    figure.update_yaxes(title="score (%)", row=1, col=1)
    figure.update_yaxes(title=f"information ({dataset.attrs['unit']})", row=1, col=2)
    if classes:
        figure.update_yaxes(range=[0, 104], row=1, col=1)
        _add_confusion(figure, dataset)
    return dress(figure, plotly_text(_title(dataset), 120))


def _add_confusion(figure: "Figure", dataset: "xr.Dataset") -> None:
    figure.add_heatmap(
        x=[str(name) for name in dataset["predicted"].values],
        y=[str(name) for name in dataset["true"].values],
        z=_share(dataset),
        zmin=0,
        zmax=100,
        colorscale="Blues",
        texttemplate="%{z:.0f}",
        showscale=False,
        row=1,
        col=3,
        hovertemplate="true %{y}, predicted %{x}: %{z:.1f} %<extra></extra>",
    )
    figure.update_xaxes(title="predicted", row=1, col=3)
    figure.update_yaxes(title="true", autorange="reversed", row=1, col=3)


def _share(dataset: "xr.Dataset") -> np.ndarray:
    confusion = dataset["confusion"].values
    return 100 * confusion / np.maximum(confusion.sum(1, keepdims=True), 1)


def _matplotlib(dataset: "xr.Dataset") -> "Sheet":
    classes = "confusion" in dataset
    page, axes = sheet(3 if classes else 2, width=11.5, width_ratios=[1.6, 0.6, 1][: 3 if classes else 2])
    left = axes[0]
    names = [WORDS[str(name)] for name in dataset["metric"].values]
    score, low, high = (100 * dataset[key].values for key in ("score", "low", "high"))
    control = 100 * dataset["control"].values
    x = np.arange(len(names))
    left.bar(
        x - 0.2, score, 0.38, yerr=np.stack([score - low, high - score]).clip(0), capsize=3, color=ACCENT, label="probe"
    )
    left.bar(
        x + 0.2,
        control.mean(0),
        0.38,
        color=NULL_COLOUR,
        capsize=3,
        label="shuffled targets",
        yerr=np.stack([control.mean(0) - control.min(0), control.max(0) - control.mean(0)]).clip(0),
    )
    left.hlines(
        100 * dataset["majority"].values, x - 0.42, x + 0.42, color=INK, linestyle=":", label="majority class or mean"
    )
    left.set_xticks(x, names)
    if classes:
        left.set_ylim(0, 104)
    left.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    label(left, _title(dataset), "", "score (%)")
    matplotlib_against_null(axes[1], [_information(dataset)])
    axes[1].set_xticks([])
    label(axes[1], "Beyond base rates", "", f"information ({dataset.attrs['unit']})")
    if classes:
        _draw_confusion(axes[2], dataset)
    return page


def _draw_confusion(right: "Axes", dataset: "xr.Dataset") -> None:
    share = _share(dataset)
    right.grid(visible=False)
    right.imshow(share, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for row, column in np.ndindex(*share.shape):
        right.text(
            column,
            row,
            f"{share[row, column]:.0f}",
            ha="center",
            va="center",
            fontsize=9,
            color="white" if share[row, column] > 60 else INK,
        )
    right.set_xticks(range(share.shape[1]), [str(name) for name in dataset["predicted"].values])
    right.set_yticks(range(share.shape[0]), [str(name) for name in dataset["true"].values])
    label(right, "Confusion (% of the true class)", "predicted", "true")


def plot_probe(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.probe`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.probe` returned.
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
    """Say the score, its interval, and whether anything is read beyond base rates."""
    score, low, high, random = (float(dataset[key].values[0]) for key in ("score", "low", "high", "random"))
    control, p = dataset["control"].values[:, 0], scalar(dataset, "p")
    what = str(dataset.attrs["target"]).replace("_", " ")
    classes, left_out = "confusion" in dataset, dataset.attrs["left_out"]
    text = (
        f"A {dataset.attrs['kind']} probe reads {what} with "
        + (f"{percent(score)} accuracy" if classes else f"an R² of {score:.3f}")
        + f" (95 % interval {100 * low:.1f} to {100 * high:.1f} %, resampling {dataset.attrs['blocks']} blocks of time)"
        + (f" and macro F1 {percent(float(dataset['score'].sel(metric='f1')))}" if classes else "")
        + f", on stretches held out of {dataset.attrs['n']:,} rows; "
        f"shuffled targets give {percent(float(control.mean()))}, random features "
        f"{percent(random)}"
        + (f", the majority class {percent(float(dataset['majority'].values[0]))}" if classes else "")
        + f". Beyond base rates it has {scalar(dataset, 'information'):.3f} {dataset.attrs['unit']} "
        f"({p_text(p, dataset.sizes['shuffle'])}): "
        + (
            f"{what} can be read."
            if p <= 0.05 and scalar(dataset, "information") > 0
            else f"no evidence that {what} can be read."
        )
    )
    if classes:
        text += (
            f" Its confidence is off by {percent(scalar(dataset, 'ece'))} on average; with the vectors the classes take "
            f"{scalar(dataset, 'compression'):.2f} times fewer bits to send than without."
        )
    return text + (f" Too rare to probe and left out: {left_out}." if left_out else "")
