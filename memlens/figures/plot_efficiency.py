"""What a run cost: by part, by how far it had read, and how long its steps took."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend
from memlens.figures.panel import Mark, Panel, draw_panels
from memlens.figures.style import ACCENT, INK, NULL_COLOUR, p_text, percent, several

if TYPE_CHECKING:
    import xarray as xr

COLOUR = {"memory": ACCENT, "attention": "#D55E00"}
DASH = {"memory": "solid", "attention": "dash"}
NAMES = {"memory": "memory", "attention": "attention of equal parameters"}
SHARES = (("flops", "FLOPs", ACCENT), ("parameters", "parameters", "#E69F00"), ("state_bytes", "bytes carried on", INK))


def _panels(dataset: "xr.Dataset") -> list[Panel]:
    parts = [str(name) for name in dataset["part"].values]
    shares = [
        Mark(name, np.arange(len(parts)), 100 * dataset[f"{key}_share"].values, colour, "bar")
        for key, name, colour in SHARES
    ]
    width = int(dataset.attrs["segments_per_bin"])
    x = "segment" if width == 1 else f"segment (bins of {width})"

    def over_time(key: str, unit: float) -> list[Mark]:
        return [
            Mark(NAMES[name], dataset["segment"].values, dataset[key].sel(reader=name).values / unit, COLOUR[name], dash=DASH[name])
            for name in COLOUR
        ]  # fmt: skip

    timed = np.flatnonzero(dataset["seconds_n"].values > 0)
    low, middle, high = (1000 * dataset[name].values[timed] for name in ("seconds_low", "seconds", "seconds_high"))
    steps = [str(dataset["step"].values[at]) for at in timed]
    notes = [several(int(dataset["seconds_n"].values[at]), "step") for at in timed]
    measured = Mark("measured (median, 95 %)", np.arange(timed.size), middle, INK, "point", low, high, note=notes)
    divided = Mark("the median, divided by FLOPs (not measured)", np.arange(len(parts)), 1000 * dataset["seconds_by_flops"].values,
                 NULL_COLOUR, "bar")  # fmt: skip
    return [
        Panel("share of each part", "", "%", shares, ticks=parts),
        Panel("FLOPs so far", x, "GFLOP", over_time("flops_so_far", 1e9)),
        Panel("what a question reads", x, "MiB", over_time("held_bytes_so_far", 2**20)),
        Panel("time of a step", "", "ms", [measured], ticks=steps),
        Panel("time of a part, an estimate", "", "ms", [divided], ticks=parts),
    ]


def plot_efficiency(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.efficiency`.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.efficiency` returned.
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
    return draw_panels(_panels(dataset), f"What the run cost (n = {dataset.attrs['n']:,} segments)", backend)


def caption(dataset: "xr.Dataset") -> str:
    """Say what attention would have cost more, what the most costly part is, and how long a step took."""
    gain = dataset["gain"]
    flops, read = float(gain.sel(measure="flops")), float(gain.sel(measure="bytes"))
    share = dataset["flops_share"]
    most = str(dataset["part"].values[int(share.values.argmax())])
    parts = [
        f"Over {several(int(dataset.attrs['n_position']), 'position')} plain attention of equal parameters takes {_times(flops)} times "
        f"the FLOPs, and a question at the end reads {_times(read)} times the bytes. "
        f"{percent(float(share.max()))} of the FLOPs are of {most}."
    ]
    seconds, low, high = (float(dataset[name].sel(step="all")) for name in ("seconds", "seconds_low", "seconds_high"))
    if np.isfinite(seconds):
        parts.append(f"A step took {1000 * seconds:.3g} ms in the median ({1000 * low:.3g} to {1000 * high:.3g}).")
    p, trend = float(dataset["trend_p"]), float(dataset["trend"])
    if np.isfinite(p):
        verdict = "no more or less" if p > 0.05 else "more" if trend > 0 else "less"
        parts.append(
            f"Late steps took {verdict} time than early ones (rank correlation {trend:.2f}, {p_text(p, dataset.sizes['shuffle'])})."
        )
    return " ".join(parts)


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"
