"""Rows of a recorded point with the labels that belong to them: the input of clustering, maps and probes.

=================================  =============================================================
dims of the point                  rows
=================================  =============================================================
sequence, segment, slot, feature   fresh slots: births in ``/entries`` that come from a slot
sequence, segment, entry, feature  entries of the store, each once, in the first segment that holds it
sequence, segment, token, feature  positions, labelled by ``/positions``
any other single place + feature   all of them, without labels
=================================  =============================================================
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.blocks import Rows, blocks, fits, lazily
from memlens.analysis.support.result import first_segment, n_segments
from memlens.errors import AnalysisError
from memlens.recording.reading.entry_index import group_numbers

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

LABELS = ("sequence", "segment", "place", "entry", "modality", "fact", "importance")


@dataclass(frozen=True)
class Vectors:
    """Sampled rows of one point.

    Attributes
    ----------
    value
        float32 [sample, feature], finite; Dask blocks of rows where they take more memory than was given.
    labels
        One array (sample,) for each of LABELS. ``place`` is the slot, token or store index; ``entry``, ``modality``
        and ``fact`` are -1 where unknown; ``importance`` is the log-prior of being read in nats (NaN where unknown).
    source
        What a row is, in words.
    total
        Rows there were before sampling.
    axis
        Name of the axis of places.
    """

    value: Rows
    labels: dict[str, np.ndarray] = field(repr=False)
    source: str
    total: int
    axis: str


def gather(
    array: xr.DataArray, sequence: np.ndarray, segment: np.ndarray, place: np.ndarray, block: int = 64
) -> np.ndarray:
    """Read ``array[sequence[i], segment[i], place[i]]`` for all i, a block of segments at a time.

    Parameters
    ----------
    array : xarray.DataArray [sequence, segment, place, ...]
        Lazy.
    sequence, segment, place : int [row]
        Which rows; segments count from the first recorded one.
    block : int
        Segments that are read at once.

    Returns
    -------
    [row, ...]
        Floats as float32.
    """
    out = np.zeros((sequence.size, *array.shape[3:]), np.float32 if array.dtype.kind == "f" else array.dtype)
    for low in range(0, array.sizes["segment"], block):
        rows = np.flatnonzero((segment >= low) & (segment < low + block))
        if rows.size:
            data = np.asarray(array.isel(segment=slice(low, low + block)).values)
            out[rows] = data[sequence[rows], segment[rows] - low, place[rows]]
    return out


def refuse_nonfinite(value: Rows, name: str, dims: Sequence[str], where: Sequence[np.ndarray] = ()) -> None:
    """Raise for the first value that is NaN or infinite.

    Parameters
    ----------
    value : float [row, ...]
        In memory, or Dask blocks of rows.
    name : str
        Of the point.
    dims : sequence of str
        Names of the axes of the recorded array.
    where : sequence of int [row]
        For gathered rows: index of each row along the leading axes of ``dims``; empty where ``value`` is the array itself.

    Raises
    ------
    AnalysisError
        With the index of the first such value, and how many there are.
    """
    count, found, first = 0, 0.0, [0] * value.ndim
    for rows, block in blocks(value):
        bad = ~np.isfinite(block)
        if not count and bad.any():
            at = np.unravel_index(int(bad.argmax()), bad.shape)
            first, found = [rows.start + int(at[0]), *map(int, at[1:])], block[at]
        count += int(bad.sum())
    if not count:
        return
    index = [*(int(axis[first[0]]) for axis in where), *(int(at) for at in first[1 if where else 0 :])]
    place = ", ".join(f"{dim} {at}" for dim, at in zip(dims, index, strict=True))
    raise AnalysisError(
        f"'{name}' holds {found} at {place} (index, from 0), expected finite numbers; {count:,} values are not: "
        "if float16 was too narrow, `memlens record --dtype float32` keeps them"
    )


def featured(recording: "RecordingLike", point: str) -> xr.DataArray:
    """A recorded point that holds vectors.

    Parameters
    ----------
    recording : Recording
        With the point.
    point : str
        Its name.

    Returns
    -------
    xarray.DataArray [sequence, segment, place, feature]

    Raises
    ------
    AnalysisError
        When it has other axes.
    """
    array = recording[point]
    if array.dims[:2] != ("sequence", "segment") or len(array.dims) != 4 or array.dims[3] != "feature":
        raise AnalysisError(
            f"'{point}' has dims {array.dims}, expected (sequence, segment, place, feature); "
            "choose a point such as context.hook_slot, store.hook_content or working.hook_slot"
        )
    return array


def vectors(
    recording: "RecordingLike", point: str, sample: int | None, seed: int, memory: int | None = None
) -> Vectors:
    """Sample rows of a point uniformly, in order of time.

    Parameters
    ----------
    recording : Recording
        With the point.
    point : str
        A recorded point over [sequence, segment, place, feature].
    sample : int or None
        Rows, at most; None takes all.
    seed : int
        Of the sample.
    memory : int or None
        Bytes that the rows may take. What is larger are Dask blocks, read when they are needed; None holds them in any case.

    Returns
    -------
    Vectors

    Raises
    ------
    AnalysisError
        If the point has no feature axis, there are fewer than 20 rows, or a value is not finite.
    """
    array = featured(recording, point)
    if sample is None:
        sample = array.size
    if sample < 20:
        raise AnalysisError(f"sample is {sample}; give 20 or more")
    labels, source = _rows(recording, str(array.dims[2]), array)
    total = labels["sequence"].size
    if total < 20:
        raise AnalysisError(f"'{point}' has {total} rows ({source}), expected 20 or more; record a longer stream")
    chosen = np.arange(total)
    if total > sample:
        chosen = np.random.default_rng(seed).choice(total, sample, replace=False)
    order = np.lexsort((labels["place"][chosen], labels["sequence"][chosen], labels["segment"][chosen]))
    labels = {name: values[chosen[order]] for name, values in labels.items()}
    where = labels["sequence"], labels["segment"] - first_segment(recording), labels["place"]
    n, width = chosen.size, int(array.sizes["feature"])
    if memory is None or fits(n, width, memory):
        value: Rows = gather(array, *where)
    else:
        value = lazily(
            lambda rows: gather(array, where[0][rows], where[1][rows], where[2][rows]), n, width, np.float32, memory
        )
    refuse_nonfinite(value, point, [str(dim) for dim in array.dims], where)
    labels["importance"] = _importance(recording, str(array.dims[2]), where)
    return Vectors(value, {name: labels[name] for name in LABELS}, source, total, str(array.dims[2]))


def _rows(recording: "RecordingLike", place: str, array: xr.DataArray) -> tuple[dict[str, np.ndarray], str]:
    if place == "slot":
        return _fresh(recording), "fresh slots, each a birth in the entries table"
    if place == "entry":
        return _stored(recording), "entries of the store, each once, when first held"
    sequences, segments, places = array.shape[:3]
    grid = np.meshgrid(np.arange(sequences), np.arange(segments), np.arange(places), indexing="ij")
    rows = dict(zip(("sequence", "segment", "place"), (part.ravel() for part in grid), strict=True))
    rows["segment"] = rows["segment"] + first_segment(recording)
    unknown = np.full(rows["place"].size, -1)
    rows |= {"entry": unknown, "modality": unknown, "fact": unknown}
    if place != "token":
        return rows, f"every place along '{place}' of every segment"
    kept = (np.arange(places) < recording.tables.segments.n_valid[:, :, None]).ravel()
    at = (rows["segment"] - first_segment(recording)) * places + rows["place"]
    for name in ("modality", "fact"):
        table = recording.tables.positions.read(name)
        rows[name] = table[rows["sequence"], np.minimum(at, table.shape[1] - 1)].astype(int)
    return {name: values[kept] for name, values in rows.items()}, "positions of the stream"


def _fresh(recording: "RecordingLike") -> dict[str, np.ndarray]:
    table = recording.tables.entries
    rows = table.columns("sequence", "segment", "slot", "entry", "modality", "fact")
    first = first_segment(recording)
    kept = (rows["slot"] >= 0) & (rows["segment"] >= first) & (rows["segment"] < first + n_segments(recording))
    rows["place"] = rows.pop("slot")
    return {name: values[kept] for name, values in rows.items()}


def _stored(recording: "RecordingLike") -> dict[str, np.ndarray]:
    ids = recording.tables.segments.entry_id.transpose(1, 0, 2)
    segment, sequence, place = np.nonzero(ids >= 0)
    entry = ids[segment, sequence, place]
    # the first time that each entry is seen
    index = np.unique(group_numbers(sequence, entry), return_index=True)[1]
    table = recording.tables.entries
    at = table.index.rows(sequence[index], entry[index])
    rows = {
        "sequence": sequence[index],
        "segment": segment[index] + first_segment(recording),
        "place": place[index],
        "entry": entry[index],
    }
    for name in ("modality", "fact"):
        rows[name] = np.where(at >= 0, table.read(name, int)[at] if len(table) else -1, -1)
    return rows


def _importance(recording: "RecordingLike", place: str, where: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    point = {"slot": "context.hook_prior", "token": "importance.hook_score"}.get(place)
    if point is None or point not in recording.segments:
        return np.full(where[0].size, np.nan)
    return gather(recording[point], *where).astype(float)
