"""What every analysis shares: the attributes of its result, names of codes, and checks of its input."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from memlens import __version__
from memlens.dims import Action, Modality
from memlens.errors import AnalysisError

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

MODALITIES = [modality.name.lower() for modality in Modality]
ACTIONS = [action.name for action in Action]
KINDS = ["candidate", "resident"]

#: A timeline holds at most this many bins; longer streams are aggregated.
MAX_BINS = 2000


def finish(
    dataset: xr.Dataset, name: str, recording: "RecordingLike", n: int, params: Mapping[str, Any], **notes: Any
) -> xr.Dataset:
    """Attach the attributes that every result carries.

    Parameters
    ----------
    dataset : xarray.Dataset
        The result; its attributes are changed.
    name : str
        Of the analysis.
    recording : Recording
        What it was made from.
    n : int
        Number of independent things the result rests on (rows, questions, decisions; ``notes`` says which).
    params : mapping
        The parameters the analysis ran with, kept as JSON.
    **notes : int, float or str
        Further attributes.

    Returns
    -------
    xarray.Dataset
        The same one.
    """
    dataset.attrs |= {
        "analysis": name,
        "params": json.dumps(dict(params), default=str),
        "recording": recording.id,
        "memlens_version": __version__,
        "n": int(n),
        **notes,
    }
    return dataset


def first_segment(recording: "RecordingLike") -> int:
    """Index of the first recorded segment (not 0 in a replay that started later)."""
    return recording.tables.segments.first


def n_segments(recording: "RecordingLike") -> int:
    """Count the recorded segments; AnalysisError when there is none."""
    n = int(recording.segments.sizes.get("segment", 0))
    if n == 0:
        raise AnalysisError("the recording holds no segment yet; record at least one before analysing it")
    return n


def time_bins(recording: "RecordingLike", max_bins: int) -> tuple[np.ndarray, int, int]:
    """Cut the recorded segments into at most ``max_bins`` bins of equal length.

    Parameters
    ----------
    recording : Recording
        With segments.
    max_bins : int
        At most so many.

    Returns
    -------
    starts : int [bin]
        First segment of each bin.
    width : int
        Segments a bin.
    first : int
        First recorded segment.

    Raises
    ------
    AnalysisError
        With no segment, or no bin.
    """
    if max_bins < 1:
        raise AnalysisError(f"max_bins is {max_bins}; give 1 or more")
    total, first = n_segments(recording), first_segment(recording)
    width = -(-total // max_bins)
    return first + np.arange(0, total, width), width, first


def names(codes: Sequence[int] | np.ndarray, allowed: Sequence[str]) -> list[str]:
    """Turn codes into names; a code outside the list is "none".

    Parameters
    ----------
    codes : int [row]
        What is named.
    allowed : sequence of str
        Names by code.

    Returns
    -------
    list of str
        "none" for a code outside the list.
    """
    return [allowed[int(code)] if 0 <= code < len(allowed) else "none" for code in codes]


def same_stream(one: "RecordingLike", other: "RecordingLike") -> None:
    """Check that two recordings read the same stream in the same segments.

    Without this, whatever is compared segment by segment is compared across different things.

    Parameters
    ----------
    one, other : Recording
        Two runs.

    Raises
    ------
    AnalysisError
        When they did not; says what differs.
    """
    differs = []
    for what in ("sequence", "segment"):
        sizes = [int(recording.segments.sizes.get(what, 0)) for recording in (one, other)]
        if sizes[0] != sizes[1]:
            differs.append(f"{what}s ({sizes[0]} and {sizes[1]})")
    if not differs:
        for name in ("modality", "token"):
            arrays = [recording.tables.positions.read(name) for recording in (one, other)]
            if arrays[0].shape != arrays[1].shape:
                differs.append(f"positions ({arrays[0].shape[1]} and {arrays[1].shape[1]} a sequence)")
                break
            wrong = arrays[0] != arrays[1]
            if wrong.any():
                sequence, position = np.unravel_index(int(wrong.argmax()), wrong.shape)
                differs.append(f"the {name} at sequence {sequence}, position {position}")
    if differs:
        raise AnalysisError(
            f"the two recordings cannot be compared: they differ in {', '.join(differs)}; record both models on the same stream"
        )
