"""What taking each thing away does to the answers."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.contrasted import contrasted, interval
from memlens.figures.panel import Panel, paper, screen
from memlens.figures.style import several

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

TITLES = {
    "entry": ("one place that was read", "emptied place"),
    "slot": ("working slots", "hidden slot"),
    "level": ("a whole part of memory", "hidden part"),
    "action": ("another decision", "decision on the entry read most"),
}
NULL = "the same of what was not read (95 %)"


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    kinds, panels = dataset["kind"].values.astype(str), []
    for kind in dict.fromkeys(kinds):
        own = dataset.isel(cause=np.flatnonzero(kinds == kind))
        title, x = TITLES[kind]
        ticks = [_short(str(name)) for name in own["cause"].values]
        panels.append(Panel(title, x, "loss gained (nat/token)", contrasted(own, NULL), ticks=ticks, line=0))
    return panels


def _short(name: str) -> str:
    for start in ("read most of ", "all of ", "forced ", "working slot "):
        name = name.removeprefix(start)
    return name


def plot_effects(dataset: "xr.Dataset") -> "Figure":
    """Draw the result of `memlens.causes.effects`."""
    return screen(
        _panels(dataset), f"What answers lose without each cause (n = {dataset.attrs['n']:,} questions)", columns=2
    )


def print_effects(dataset: "xr.Dataset") -> "Sheet":
    """The same for print."""
    return paper(_panels(dataset), columns=2)


def caption(dataset: "xr.Dataset") -> str:
    """Say which causes make a difference that their nulls do not."""
    found = np.flatnonzero(dataset["p_adjusted"].values <= 0.05)
    n, causes = dataset.attrs["n"], several(int((dataset["n"].values > 0).sum()), "cause")
    if not found.size:
        return f"Of {causes} tried on {n:,} answers, none is shown to change them more than what was not read does."
    order = found[np.argsort(-np.abs(dataset["mean"].values[found]))]
    parts = []
    for at in order[:3]:
        one = dataset.isel(cause=at)
        parts.append(f"{one['cause'].item()} {interval(*(float(one[name]) for name in ('mean', 'low', 'high')))}")
    more = f", and {several(order.size - 3, 'other')}" if order.size > 3 else ""
    return (
        f"Causes that change answers' loss otherwise than the same done to what was not read (p ≤ 0.05, adjusted within each kind; "
        f"{causes} tried on {n:,} answers), in nats a token: {'; '.join(parts)}{more}."
    )
