"""How full the store is over time, how old its entries are, and how much they were read."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import MAX_BINS, first_segment, n_segments, time_bins
from memlens.recording.format.schema import RESIDENT

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


@measure
def occupancy(recording: "RecordingLike", *, max_bins: int = MAX_BINS) -> xr.Dataset:
    """Entries held by level over time, their age and hits; how long they are held is in `memlens.analysis.survival`.

    Parameters
    ----------
    recording : Recording
        With entries.
    max_bins : int
        Timelines hold at most this many bins; the attribute ``segments_per_bin`` says how wide one is.

    Returns
    -------
    xarray.Dataset
        Over ``(segment, level)``, means over sequences and over the segments of a bin: ``occupancy`` (entries held),
        ``age`` (segments since birth, from the entries table), ``hits`` (as the controller saw them, in its own
        scaling; NaN where not recorded). Over ``(level)``: ``capacity``, ``born``, ``died`` and ``dropped_at_birth`` (born and
        dropped in one segment: never held).

    Raises
    ------
    AnalysisError
        When the recording holds no segment.
    """
    starts, width, first = time_bins(recording, max_bins)
    held = recording.tables.segments.occupancy.astype(float).mean(0)
    edges = np.arange(0, held.shape[0], width)
    length = np.diff(np.append(edges, held.shape[0]))[:, None]
    table = recording.tables.entries
    level = table.level
    born = table.segment - first_segment(recording)
    died = table.died
    died = np.where(died >= 0, died - first_segment(recording), n_segments(recording))
    censored = died >= n_segments(recording)
    levels = held.shape[1]
    age = np.stack([_mean_age(born[level == each], died[level == each], held.shape[0]) for each in range(levels)], 1)
    held_sum = np.add.reduceat(held, edges, axis=0)
    counts = np.zeros((3, levels), int)
    for each in range(levels):
        own = level == each
        counts[:, each] = own.sum(), (own & ~censored).sum(), (own & (died <= born)).sum()
    timeline = ("segment", "level")
    return xr.Dataset(
        {
            "occupancy": (timeline, held_sum / length),
            "age": (timeline, _bin_mean(age, edges)),
            "hits": (timeline, _hits(recording, starts.size, width, first, levels)),
            "capacity": ("level", _capacity(recording, levels)),
            "born": ("level", counts[0]),
            "died": ("level", counts[1]),
            "dropped_at_birth": ("level", counts[2]),
        },
        coords={"segment": starts, "level": np.arange(levels)},
        attrs={"n": level.size, "segments_per_bin": width},
    )


def _mean_age(born: np.ndarray, died: np.ndarray, segments: int) -> np.ndarray:
    """Mean of t - born over the entries with born <= t < died, for each t; NaN where none is held."""
    lived = died > born
    born, died = np.clip(born[lived], 0, segments), np.clip(died[lived], 0, segments)
    alive, birth = np.zeros(segments + 1), np.zeros(segments + 1)
    np.add.at(alive, born, 1)
    np.add.at(alive, died, -1)
    np.add.at(birth, born, born)
    np.add.at(birth, died, -born)
    n, total = np.cumsum(alive)[:segments], np.cumsum(birth)[:segments]
    return np.divide(np.arange(segments) * n - total, n, out=np.full(segments, np.nan), where=n > 0)


def _bin_mean(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    n = np.add.reduceat(known.astype(int), edges, axis=0)
    total = np.add.reduceat(np.where(known, values, 0), edges, axis=0)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)


def _hits(recording: "RecordingLike", bins: int, width: int, first: int, levels: int) -> np.ndarray:
    out = np.full((bins, levels), np.nan)
    table = recording.tables.decisions
    if "hits" not in table.features:
        return out
    resident = table.kind == RESIDENT
    values = table.control[:, table.features.index("hits")][resident]
    cell = ((table.segment - first) // width * levels + table.level)[resident]
    known = np.isfinite(values)
    total = np.bincount(cell[known], values[known], minlength=bins * levels)
    n = np.bincount(cell[known], minlength=bins * levels)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0).reshape(bins, levels)


def _capacity(recording: "RecordingLike", levels: int) -> np.ndarray:
    """Places of each level: from the store's own coordinate, else the model's config, else NaN."""
    if "entry_level" in recording.segments.coords:
        return np.bincount(recording.tables.segments.entry_level, minlength=levels).astype(float)
    capacities = list(recording.info.model_config.get("capacities", []))
    return np.array([*capacities, *[np.nan] * levels][:levels], float)
