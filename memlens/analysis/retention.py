"""How often a question is answered exactly, by how long ago the fact was and in which modality it came."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.result import MODALITIES, column, finish
from memlens.analysis.statistics import ratio, wilson
from memlens.errors import AnalysisError

if TYPE_CHECKING:
    from memlens.recording import Recording


def retention(recording: "Recording", *, bins: int | Sequence[float] = 8) -> xr.Dataset:
    """Exact-match accuracy by distance and modality, with Wilson 95 % intervals.

    A question counts once; the interval takes questions as independent given the cell.

    Parameters
    ----------
    bins
        Edges of the distance bins in tokens (a bin holds its left edge), or how many bins to make, of equal ratio
        between the least and the largest distance.

    Returns
    -------
    xarray.Dataset
        Over ``(modality, bin)``, modality "all" first: ``accuracy``, ``low``, ``high``, ``n``, ``correct``, ``loss``
        (nats per answer token). Over ``(modality)``, all distances together and unknown ones included: ``overall``,
        ``overall_low``, ``overall_high``, ``overall_n``. Coordinates ``bin_low(bin)``, ``bin_high(bin)`` in tokens.

    Raises
    ------
    AnalysisError
        When the recording holds no question, or the edges do not ascend.
    """
    table = recording.questions
    if table.sizes.get("question", 0) == 0:
        raise AnalysisError("the recording holds no question; record a stream that asks some")
    distance = column(table, "distance", float)
    correct, modality = column(table, "correct", float), column(table, "fact_modality", int)
    loss = column(table, "loss", float) if "loss" in table else np.full(distance.size, np.nan)
    edges = _edges(distance[distance >= 0], bins)
    place = np.searchsorted(edges, distance, side="right") - 1
    inside = (distance >= edges[0]) & (distance < edges[-1])
    names = ["all", *MODALITIES]
    shape = len(names), edges.size - 1
    n, hits, losses, finite = (np.zeros(shape) for _ in range(4))
    totals, total_hits = np.zeros(len(names)), np.zeros(len(names))
    for row, rows in enumerate([np.ones(distance.size, bool), *(modality == code for code in range(len(MODALITIES)))]):
        totals[row], total_hits[row] = rows.sum(), correct[rows].sum()
        use = rows & inside
        usable = use & np.isfinite(loss)
        n[row] = np.bincount(place[use], minlength=shape[1])
        hits[row] = np.bincount(place[use], correct[use], minlength=shape[1])
        losses[row] = np.bincount(place[usable], loss[usable], minlength=shape[1])
        finite[row] = np.bincount(place[usable], minlength=shape[1])
    low, high = wilson(hits, n)
    overall_low, overall_high = wilson(total_hits, totals)
    cell, whole = ("modality", "bin"), ("modality",)
    dataset = xr.Dataset(
        {
            "accuracy": (cell, ratio(hits, n)),
            "low": (cell, low),
            "high": (cell, high),
            "n": (cell, n.astype(int)),
            "correct": (cell, hits.astype(int)),
            "loss": (cell, ratio(losses, finite)),
            "overall": (whole, ratio(total_hits, totals)),
            "overall_low": (whole, overall_low),
            "overall_high": (whole, overall_high),
            "overall_n": (whole, totals.astype(int)),
        },
        coords={"modality": names, "bin_low": ("bin", edges[:-1]), "bin_high": ("bin", edges[1:])},
    )
    params = {"bins": bins if isinstance(bins, int) else [float(edge) for edge in bins]}
    return finish(
        dataset,
        "retention",
        recording,
        distance.size,
        params,
        unknown_distance=int((distance < 0).sum()),
        outside=int(((distance >= 0) & ~inside).sum()),
    )


def _edges(distance: np.ndarray, bins: int | Sequence[float]) -> np.ndarray:
    """Ascending edges, whole tokens when made here; the last one is past the largest distance."""
    if not isinstance(bins, int):
        edges = np.asarray(list(bins), float)
        if edges.size < 2 or not (np.diff(edges) > 0).all():
            raise AnalysisError(f"bins are {list(bins)}; give two or more ascending edges in tokens")
        return edges
    if bins < 1:
        raise AnalysisError(f"bins is {bins}; give 1 or more, or a list of edges in tokens")
    if distance.size == 0:
        return np.array([0.0, 1.0])
    low, high = max(float(distance.min()), 1.0), float(distance.max()) + 1
    inner = [float(f"{edge:.2g}") for edge in np.geomspace(low, max(high, low + 1), bins + 1)[1:-1]]
    return np.unique([float(distance.min()), *(np.clip(inner, low, high)), high])
