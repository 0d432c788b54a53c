"""Scores of a linear probe beside its shuffled-label control."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.style import ACCENT, INK, NULL_COLOUR, dress, label, percent, plain, scalar, sheet

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

WORDS = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F1"}


def _title(dataset: "xr.Dataset") -> str:
    target = str(dataset.attrs["target"]).replace("_", " ")
    return f"Probe of {target} from {dataset.attrs['point']} (n = {dataset.attrs['n']:,} rows)"


def plot_probe(dataset: "xr.Dataset") -> "Figure":
    """Draw the result of `memlens.analysis.probe`."""
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1,
        2,
        column_widths=[0.6, 0.4],
        horizontal_spacing=0.16,
        subplot_titles=["held-out scores", "confusion (% of the true class)"],
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
        name="shuffled labels",
        marker={"color": NULL_COLOUR},
        row=1,
        col=1,
        error_y={
            "type": "data",
            "symmetric": False,
            "array": control.max(0) - control.mean(0),
            "arrayminus": control.mean(0) - control.min(0),
        },
        hovertemplate="%{x}: %{y:.1f} %<extra>shuffled labels</extra>",
    )
    figure.add_scatter(
        x=names,
        y=100 * dataset["majority"].values,
        name="majority class",
        mode="markers",
        row=1,
        col=1,
        marker={"symbol": "line-ew-open", "size": 26, "color": INK, "line": {"width": 2}},
    )
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
        col=2,
        hovertemplate="true %{y}, predicted %{x}: %{z:.1f} %<extra></extra>",
    )
    figure.update_yaxes(title="score (%)", range=[0, 104], row=1, col=1)
    figure.update_xaxes(title="predicted", row=1, col=2)
    figure.update_yaxes(title="true", autorange="reversed", row=1, col=2)
    return dress(figure, plain(_title(dataset), 120))


def _share(dataset: "xr.Dataset") -> np.ndarray:
    confusion = dataset["confusion"].values
    return 100 * confusion / np.maximum(confusion.sum(1, keepdims=True), 1)


def print_probe(dataset: "xr.Dataset") -> "Sheet":
    """The same for print."""
    page, (left, right) = sheet(2, width_ratios=[1.6, 1])
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
        label="shuffled labels",
        yerr=np.stack([control.mean(0) - control.min(0), control.max(0) - control.mean(0)]).clip(0),
    )
    left.hlines(100 * dataset["majority"].values, x - 0.42, x + 0.42, color=INK, linestyle=":", label="majority class")
    left.set_xticks(x, names)
    left.set_ylim(0, 104)
    left.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    label(left, _title(dataset), "", "score (%)")
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
    return page


def caption(dataset: "xr.Dataset") -> str:
    """Say the accuracy, its interval, and whether it is above the control and the majority class."""
    score, low, high = (float(dataset[key].sel(metric="accuracy")) for key in ("score", "low", "high"))
    control, majority = (dataset[key].sel(metric="accuracy").values for key in ("control", "majority"))
    f1 = float(dataset["score"].sel(metric="f1"))
    beaten = low > max(control.max(), float(majority))
    left_out = dataset.attrs["left_out"]
    return (
        f"A logistic regression reads {str(dataset.attrs['target']).replace('_', ' ')} with {percent(score)} accuracy "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %, resampling {dataset.attrs['blocks']} blocks of time) "
        f"and macro F1 {percent(f1)}, on blocks held out of {dataset.attrs['n']:,} rows; shuffled labels give "
        f"{percent(float(control.mean()))} (at most {percent(float(control.max()))}), the majority class "
        f"{percent(float(majority))}, so selectivity is {100 * scalar(dataset, 'selectivity'):.1f} points: "
        + (
            "the label is linearly readable."
            if beaten
            else "not above its baselines, so no evidence that it is readable."
        )
        + (f" Too rare to probe and left out: {left_out}." if left_out else "")
    )
