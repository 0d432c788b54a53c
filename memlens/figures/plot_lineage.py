"""Where what was written ended, how much of it each level holds, and how much of it is read."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels, null_mark
from memlens.figures.style import ACCENT, NULL_COLOUR, p_text, percent, scalar

if TYPE_CHECKING:
    import xarray as xr

COLOUR = {"fact": "#0072B2", "no fact": "#D55E00"}


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    ends = [str(end) for end in dataset["end"].values]
    bars = []
    for kind in (str(kind) for kind in dataset["kind"].values):
        own = dataset.sel(kind=kind)
        y, low, high = (100 * own[name].values for name in ("end_share", "end_low", "end_high"))
        note = [f"{count:,} slots" for count in own["end_count"].values]
        bars.append(Mark(kind, np.arange(len(ends)), y, COLOUR[kind], "bar", low, high, note=note))
    gap = 100 * scalar(dataset, "held_gap")
    low, high = 100 * scalar(dataset, "held_gap_low"), 100 * scalar(dataset, "held_gap_high")
    null = 100 * dataset["held_gap_null"].values
    band = np.full(2, np.nan) if np.isnan(null).all() else np.nanquantile(null, [0.025, 0.975])
    level = dataset["level"].values
    reads = [100 * dataset[name].values for name in ("read_share", "read_low", "read_high")]
    return [
        Panel("where slots end", "", "slots of the kind (%)", bars, ticks=ends),
        Panel(
            "held at the end: fact less no fact",
            "",
            "difference (percentage points)",
            [
                null_mark([-0.4, 0.4], [band[0]] * 2, [band[1]] * 2),
                Mark("measured", [0], [gap], ACCENT, "point", [low], [high], symbol="diamond"),
            ],
            ticks=["held"],
            line=0,
        ),
        Panel(
            "reads of the store by level",
            "level",
            "share (%)",
            [
                Mark("read", level, reads[0], ACCENT, "bar", reads[1], reads[2]),
                Mark("held (null: read at random)", level, 100 * dataset["held_share"].values, NULL_COLOUR, "bar"),
            ],
            ticks=[str(each) for each in level],
        ),
    ]


def plot_lineage(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.lineage`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.lineage` returned.
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
    return draw_panels(_panels(dataset), f"What became of what was written (n = {dataset.attrs['n']:,} slots)", backend)


def caption(dataset: "xr.Dataset") -> str:
    """Say where slots with a fact end, and whether a fact makes a slot last."""
    count = dataset["end_count"].sel(kind="fact").values
    if not count.sum():
        return f"None of {dataset.attrs['n']:,} slots holds a known fact, so nothing can be said of where facts end."
    share = dataset["end_share"].sel(kind="fact").values
    ends = ", ".join(
        f"{percent(float(part))} {end}" for end, part in zip(dataset["end"].values, share, strict=True) if part > 0
    )
    text = f"Of {int(count.sum()):,} slots with a fact, followed through their merges, {ends}."
    p, draws = scalar(dataset, "held_gap_p"), dataset.sizes["shuffle"]
    if not np.isfinite(p):
        return text
    gap, low, high = (100 * scalar(dataset, name) for name in ("held_gap", "held_gap_low", "held_gap_high"))
    verdict = (
        "slots with a fact are held for a different time than slots without"
        if p <= 0.05
        else "a fact is not shown to make a difference"
    )
    return text + (
        f" Held at the end are {gap:+.1f} percentage points more of them than of slots without one (95 % interval {low:.1f} to "
        f"{high:.1f}; labels shuffled inside segments: {p_text(p, draws)}): {verdict}."
    )
