"""Values that an intervention takes from a recording."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import xarray as xr
from pydantic import BeforeValidator

from memlens.config import Config
from memlens.errors import InterventionError
from memlens.recording import Recording
from memlens.recording import open as open_recording

#: Segments read at once where a mean is taken over a whole recording.
BLOCK = 64


class RecordingSource(Config):
    """A recording by its folder, and by its id where no other recording may be there."""

    path: str
    id: str = ""

    def open(self) -> Recording:
        """Open it; InterventionError when another recording is at that path."""
        recording = open_recording(self.path)
        if self.id and recording.id != self.id:
            raise InterventionError(
                f"'{self.path}' is recording {recording.id}, expected {self.id}: restore that one, or give this one"
            )
        return recording


def _source(given: Any) -> Any:
    if isinstance(given, Recording):
        return {"path": str(given.path), "id": given.id}
    if isinstance(given, str | Path):
        return {"path": str(given)}
    if isinstance(given, RecordingSource | Mapping):
        return given
    raise ValueError("expected a Recording, its path, or an object with path and id")


#: Given as a Recording, as its path, or as ``to_dict`` saves it.
Source = Annotated[RecordingSource, BeforeValidator(_source)]


def values_at(recording: Recording, point: str, segment: int, sequence: int) -> np.ndarray:
    """What a point held in one segment of one sequence.

    Parameters
    ----------
    recording : Recording
    point : str
        Name of the point, or ``entry_id``.
    segment, sequence : int
        Where; segments are numbered as in the stream.

    Returns
    -------
    ndarray
        With the axes of the point, without those of sequence and segment.

    Raises
    ------
    InterventionError
        When that segment or sequence is not in the recording.
    """
    array, known = recording[point], recording.tables.segments.segment
    at = np.flatnonzero(known == segment)
    if not at.size or sequence >= array.sizes["sequence"]:
        raise InterventionError(
            f"'{recording.path}' has no segment {segment} of sequence {sequence}; it has segments {known.min()} to {known.max()} of "
            f"{array.sizes['sequence']} sequences"
        )
    return array.isel(sequence=sequence, segment=int(at[0])).values


def mean_of(recording: Recording, point: str) -> np.ndarray:
    """Mean of a point over sequences and segments.

    Parameters
    ----------
    recording : Recording
    point : str
        Of the store's points, where a place has no meaning of its own, the mean is over all entries that were held.

    Returns
    -------
    float64
        With the axes of the point; without the one of entries, of the store's points.

    Raises
    ------
    InterventionError
        When the store never held anything.
    """
    array = recording[point]
    total, count = 0.0, 0
    for low in range(0, array.sizes["segment"], BLOCK):
        rows = slice(low, low + BLOCK)
        values = array.isel(segment=rows).values.astype(np.float64)
        if "entry" in array.dims:
            kept = values[recording.segments["entry_id"].isel(segment=rows).values >= 0]
            total, count = total + kept.sum(0), count + len(kept)
        else:
            total, count = total + values.sum((0, 1)), count + values.shape[0] * values.shape[1]
    if not count:
        raise InterventionError(
            f"the store of '{recording.path}' never held anything, so '{point}' has no mean; give another recording"
        )
    return np.asarray(total / count)


def drawn_from(recording: Recording, point: str, draw: np.random.Generator) -> np.ndarray:
    """What a point held in a segment that is drawn at random.

    Parameters
    ----------
    recording : Recording
    point : str
    draw : numpy.random.Generator
        Draws the segment, the sequence and, of the store's points, an entry for every place.

    Returns
    -------
    ndarray
        With the axes of the point.
    """
    array = recording[point]
    segment = int(draw.integers(array.sizes["segment"]))
    sequence = int(draw.integers(array.sizes["sequence"]))
    values = array.isel(sequence=sequence, segment=segment).values
    if "entry" not in array.dims:
        return values
    held = np.flatnonzero(recording.segments["entry_id"].isel(sequence=sequence, segment=segment).values >= 0)
    if not held.size:
        return drawn_from(recording, point, draw)
    return values[draw.choice(held, len(values))]


def entry_row(recording: Recording, entry: int, sequence: int) -> xr.Dataset:
    """The row of one entry in ``recording.entries``.

    Parameters
    ----------
    recording : Recording
    entry, sequence : int

    Returns
    -------
    xarray.Dataset
        Of scalars.

    Raises
    ------
    InterventionError
        When the recording has no such entry.
    """
    at = int(recording.tables.entries.index.rows(sequence, entry))
    if at < 0:
        raise InterventionError(
            f"'{recording.path}' has no entry {entry} of sequence {sequence}; recording.entries lists those it has"
        )
    return recording.entries.isel(birth=at)


def place_of(recording: Recording, entry: int, segment: int, sequence: int, axis: str) -> int:
    """Where an entry was in a segment.

    Parameters
    ----------
    recording : Recording
    entry, segment, sequence : int
    axis : str
        "entry": its place in the store after the segment; "agent": its place among those that were decided on in the segment.

    Returns
    -------
    int
        Index along that axis.

    Raises
    ------
    InterventionError
        When it was not there.
    """
    if axis == "entry":
        ids = values_at(recording, "entry_id", segment, sequence)
        found = np.flatnonzero(ids == entry)
    else:
        rows = recording.tables.decisions
        found = rows.agent[(rows.entry == entry) & (rows.segment == segment) & (rows.sequence == sequence)]
    if not found.size:
        raise InterventionError(f"'{recording.path}' has no entry {entry} in segment {segment} of sequence {sequence}")
    return int(found[0])


def content_of(recording: Recording, entry: int, sequence: int) -> np.ndarray:
    """Content of an entry: of the context slot it was stored from, or of a merge as the store first held it.

    Parameters
    ----------
    recording : Recording
    entry, sequence : int

    Returns
    -------
    float [feature]
        As it was recorded.
    """
    born = entry_row(recording, entry, sequence)
    segment, slot = int(born["segment"]), int(born["slot"])
    if slot >= 0:
        return values_at(recording, "context.hook_slot", segment, sequence)[slot]
    place = place_of(recording, entry, segment, sequence, "entry")
    return values_at(recording, "store.hook_content", segment, sequence)[place]


def prior_of(recording: Recording, entry: int, sequence: int) -> float:
    """Log-prior of being read; of a merge, the largest of its parents'.

    Parameters
    ----------
    recording : Recording
    entry, sequence : int

    Returns
    -------
    float
        Nats.
    """
    born = entry_row(recording, entry, sequence)
    slot = int(born["slot"])
    if slot >= 0:
        return float(values_at(recording, "context.hook_prior", int(born["segment"]), sequence)[slot])
    return max(prior_of(recording, int(parent), sequence) for parent in born["parent"].values)
