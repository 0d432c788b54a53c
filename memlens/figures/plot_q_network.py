"""What Q looks at: how much each feature matters, how Q moves with it, and how well a small tree stands in."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels, null_mark
from memlens.figures.style import ACCENT, ACTION_COLOUR, ACTION_LETTER, NULL_COLOUR, p_text, percent, scalar

if TYPE_CHECKING:
    import xarray as xr

#: Features drawn, the most important first.
MOST = 8
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00")
DASHES = ("solid", "dash", "dot", "dashdot")


def _best(dataset: "xr.Dataset", most: int) -> "xr.Dataset":
    return dataset.isel(feature=np.argsort(-dataset["importance"].values, kind="stable")[:most])


def _importance(dataset: "xr.Dataset") -> Panel:
    best = _best(dataset, MOST)
    names, place = [str(name) for name in best["feature"].values], np.arange(best.sizes["feature"])
    note = [
        f"p = {p:.2g} (adjusted), R2 from the others {c:.2f}"
        for p, c in zip(best["p_adjusted"], best["copied"], strict=True)
    ]
    bounds = best["importance_low"].values, best["importance_high"].values
    mark = Mark("importance (95 %)", place, best["importance"].values, ACCENT, "bar", *bounds, note=note)
    return Panel("importance of features (null: 0)", "", "loss of held-out R2", [mark], ticks=names, line=0)


def _dependence(dataset: "xr.Dataset") -> Panel:
    marks = []
    for at, name in enumerate(str(name) for name in _best(dataset, len(COLOURS))["feature"].values):
        own = dataset.sel(feature=name)
        span = own["value"].values - own["value"].values[0]
        x = span / span[-1] if span[-1] > 0 else np.linspace(0, 1, span.size)
        curve = (own[key].values for key in ("dependence", "dependence_low", "dependence_high"))
        y, low, high = curve
        note = [f"{name} = {value:.3g}" for value in own["value"].values]
        marks.append(Mark(name, x, y, COLOURS[at], low=low, high=high, dash=DASHES[at], note=note))
    return Panel(
        "effect of the four most important",
        "feature, from its least to its most",
        "advantage of keeping (nat)",
        marks,
        line=0,
    )


def _scores(dataset: "xr.Dataset") -> Panel:
    low, high = np.quantile(dataset["explained_null"].values, [0.025, 0.975])
    y, below, above = (
        [scalar(dataset, name + end) for name in ("explained", "fidelity")] for end in ("", "_low", "_high")
    )
    marks = [
        null_mark([-0.4, 0.4], [max(low, -1)] * 2, [max(high, -1)] * 2, "null: shuffled Q (95 %)"),
        Mark("most frequent action", [0.6, 1.4], [scalar(dataset, "majority")] * 2, NULL_COLOUR, dash="dash"),
        Mark("measured (95 %)", [0, 1], y, ACCENT, "point", below, above, symbol="diamond"),
    ]
    return Panel("what is explained", "", "held-out score", marks, ticks=["R2 of features", "agreement of tree"])


def _leaves(dataset: "xr.Dataset") -> Panel:
    count = dataset["leaf_count"].values
    share = 100 * count / count.sum(1, keepdims=True)
    place, rules = np.arange(len(count)), [str(rule) for rule in dataset["rule"].values]
    marks = [
        Mark(f"{ACTION_LETTER[name]} {name}", place, share[:, at], colour, "bar", note=rules)
        for at, (name, colour) in enumerate(ACTION_COLOUR.items())
    ]
    ticks = [f"{at + 1} (n = {n:,})" for at, n in enumerate(count.sum(1))]
    return Panel("actions wanted in each leaf of the tree", "leaf", "decisions (%)", marks, ticks=ticks)


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    return [_importance(dataset), _dependence(dataset), _scores(dataset), _leaves(dataset)]


def plot_q_network(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.q_network`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.q_network` returned.
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
    return draw_panels(
        _panels(dataset), f"What the controller looks at (n = {dataset.attrs['n']:,} decisions)", backend, columns=2
    )


def caption(dataset: "xr.Dataset") -> str:
    """Say which features matter, how much they explain, and how well the tree agrees."""
    p, draws = scalar(dataset, "explained_p"), dataset.sizes["shuffle"]
    value, low, high = (scalar(dataset, "explained" + end) for end in ("", "_low", "_high"))
    text = (
        f"On entries that were held out, the control features explain {value:.2f} of the variance of the advantage of keeping "
        f"(95 % interval {low:.2f} to {high:.2f}; {p_text(p, draws)}). "
    )
    best = _best(dataset, dataset.sizes["feature"])
    sure = [
        str(name) for name, each in zip(best["feature"].values, best["p_adjusted"].values, strict=True) if each <= 0.05
    ]
    text += f"Features that matter: {', '.join(sure[:MOST])}. " if sure else "No single feature is shown to matter. "
    verdict = "more than" if scalar(dataset, "fidelity_p") <= 0.05 else "not shown to be more than"
    return text + (
        f"A tree of {dataset.sizes['leaf']} leaves chooses the controller's action in {percent(scalar(dataset, 'fidelity'))} of held-out "
        f"decisions, {verdict} the {percent(scalar(dataset, 'majority'))} of always taking the most frequent action."
    )
