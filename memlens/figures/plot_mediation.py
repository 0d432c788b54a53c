"""Through which parts of memory facts reach their answers."""

import numpy as np
import xarray as xr

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.effect_and_null import effect_and_null, value_and_interval
from memlens.figures.panel import Mark, Panel, draw_panels
from memlens.figures.style import ACCENT, percent, scalar

NULL = "other text replaced (95 %)"


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    names = ("mean", "low", "high", "null_mean", "null_low", "null_high")
    both = xr.Dataset(
        {name: ("path", np.concatenate(([scalar(dataset, f"total_{name}")], dataset[name].values))) for name in names}
    )
    ways = [str(path) for path in dataset["path"].values]
    place = np.arange(len(ways))
    shares = []
    for name, told, colour, symbol in (
        ("share", "alone: lost with this part only", ACCENT, "diamond"),
        ("share_restored", "restored: brought back by this part only", "#CC79A7", "square"),
    ):
        y, low, high = (100 * dataset[name + end].values for end in ("", "_low", "_high"))
        shares.append(Mark(told, place, y, colour, "point", low, high, symbol=symbol))
    return [
        Panel("without the fact", "part run without the fact", "loss gained (nat/token)", effect_and_null(both, NULL),
              ["all", *ways], line=0),
        Panel("share of the whole effect", "part of the state", "share (%)", shares, ways, line=0),
    ]  # fmt: skip


def plot_mediation(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.causes.mediation`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.causes.mediation` returned.
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
        _panels(dataset), f"How facts reach their answers (n = {dataset.attrs['n']:,} questions)", backend
    )


def caption(dataset: "xr.Dataset") -> str:
    """Say what the fact does, and how much of it goes through which part of memory."""
    total = value_and_interval(*(scalar(dataset, f"total_{name}") for name in ("mean", "low", "high")))
    null = scalar(dataset, "total_null_mean")
    against = f"against {null:.2f} without other text" if np.isfinite(null) else "with no other text to compare"
    whole = f"Without its fact an answer loses {total} nats a token, {against}"
    if not np.isfinite(dataset["share"].values).all():
        return f"{whole}: no effect of the fact is shown, so there is nothing to divide."
    parts = [
        f"{path} {percent(float(one))} ({100 * float(low):.0f} to {100 * float(high):.0f} %)"
        for path, one, low, high in zip(
            dataset["path"].values, *(dataset[f"share{end}"].values for end in ("", "_low", "_high")), strict=True
        )
    ]
    return (
        f"{whole}; carried alone: {', '.join(parts)}. Shares need not add up to 100 %: what two parts both hold is not lost when one "
        "of them lacks it."
    )
