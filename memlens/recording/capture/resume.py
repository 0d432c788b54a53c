"""Continue a recording that was cut off: check that the run is the same, and restore its state."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from memlens.errors import RecordingError
from memlens.model.state import MemoryState
from memlens.recording.capture.labels import EntryLabels
from memlens.recording.reading.info import PointInfo, RecordingInfo, StreamInfo
from memlens.recording.reading.recording import Recording

#: Fields of ``RecordingInfo`` that have to agree: what is run, on what, and how it is stored.
HAS_TO_AGREE = (
    "weights_sha256", "parameters_sha256", "model_config", "policy", "device", "stream", "interventions", "parent", "points",
    "dtype", "states_every", "commit_every",
)  # fmt: skip


def check_same(recording: Recording, attrs: Mapping[str, Any], start: int) -> None:
    """Check that a run can continue a recording.

    Parameters
    ----------
    recording : Recording
        What is there.
    attrs : dict
        Root attributes of the run.
    start : int
        First segment of the run.

    Raises
    ------
    RecordingError
        When they differ; the message says in what.
    """
    first = recording.tables.segments.first
    if first != start:
        raise RecordingError(
            f"'{recording.path}' begins with segment {first}, expected {start}; resume it as it was begun"
        )
    run = RecordingInfo.parse(attrs)
    for name in HAS_TO_AGREE:
        there, here = (getattr(info, name) for info in (recording.info, run))
        if there != here:
            what = _differing(name, there, here)
            raise RecordingError(
                f"'{recording.path}' cannot be resumed: {what}; resume it with what it was recorded with"
            )


def restored(initial: MemoryState, tensors: Mapping[str, Any]) -> MemoryState:
    """Make a state of recorded tensors.

    Parameters
    ----------
    initial : MemoryState
        A state of the model; the result has its device and dtypes.
    tensors : dict
        Arrays by the names of ``MemoryState.flat()``, [sequence, ...].

    Returns
    -------
    MemoryState

    Raises
    ------
    RecordingError
        When the tensors are those of another model.
    """
    flat = initial.flat()
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    expected = {name: tuple(value.shape) for name, value in flat.items()}
    if found != expected:
        differ = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        raise RecordingError(f"the state is of another model or number of streams: it differs in {', '.join(differ)}")
    return initial.filled({name: torch.from_numpy(tensors[name]).to(flat[name]) for name in flat})


def restore_labels(recording: Recording, labels: list[EntryLabels]) -> None:
    """Restore the labels of the entries that were held when the recording ended.

    Parameters
    ----------
    recording : Recording
    labels : list of EntryLabels
        One a sequence; they are changed.
    """
    entries = recording.tables.entries
    columns = entries.columns("sequence", "entry", "modality", "fact").values()
    for row in np.flatnonzero(entries.died < 0):
        sequence, entry, modality, fact = (int(column[row]) for column in columns)
        labels[sequence].alive[entry] = modality, fact


def _differing(name: str, there: Any, here: Any) -> str:
    if isinstance(there, StreamInfo):
        there, here = asdict(there), asdict(here)
    if isinstance(there, dict):
        keys = [key for key in {**there, **here} if there.get(key) != here.get(key)]
        return f"{name} differs in {', '.join(keys)} ({there.get(keys[0])} there, {here.get(keys[0])} here)"
    if isinstance(there, tuple):
        odd = [
            one.name if isinstance(one, PointInfo) else one
            for one in (*there, *here)
            if (one in there) != (one in here)
        ]
        return f"{name} differ in {', '.join(dict.fromkeys(map(str, odd))) or 'their order'}"
    return f"{name} is {there!r} there and {here!r} here"
