"""Tables of a recording as pandas frames. Units and meanings of columns are in ``frame.attrs``."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from memlens.errors import RecordingError, closest

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


def frame(recording: "RecordingLike", table: str) -> pd.DataFrame:
    """One of ``FRAMES`` as a pandas frame; array columns become one column a place.

    Parameters
    ----------
    recording : Recording
    table : str
        A name of ``FRAMES``.

    Returns
    -------
    pandas.DataFrame
        ``attrs`` has the recording's attributes, and under ``columns`` the meaning and unit of each column.

    Raises
    ------
    RecordingError
        For another name; the message lists the closest ones.
    """
    if table not in FRAMES:
        raise RecordingError(f"no table '{table}'; {closest(table, FRAMES)}")
    columns, labels = FRAMES[table](recording)
    made = pd.DataFrame(dict(columns))
    made.attrs = {**recording.attrs, "columns": labels}
    return made


def _of(dataset: xr.Dataset) -> tuple[Mapping[str, np.ndarray], dict[str, Any]]:
    """Mapping[str, np.ndarray] of a dataset whose variables have one dim in common."""
    columns: dict[str, np.ndarray] = {}
    labels: dict[str, Any] = {}
    for name, variable in dataset.data_vars.items():
        labels[str(name)] = dict(variable.attrs)
        if variable.ndim == 1:
            columns[str(name)] = variable.values
            continue
        dim = variable.dims[1]
        for i, label in enumerate(variable[dim].values if dim in variable.coords else range(variable.shape[1])):
            columns[f"{name}_{label}"] = variable.values[:, i]
    return columns, labels


def _positions(recording: "RecordingLike") -> tuple[Mapping[str, np.ndarray], dict[str, Any]]:
    """One row a position of a sequence; padding is left out."""
    columns = {name: recording.positions[name].values for name in ("modality", "token", "fact")}
    sequence, position = np.nonzero(columns["modality"] >= 0)
    labels = {name: dict(recording.positions[name].attrs) for name in columns}
    rows = {name: values[sequence, position] for name, values in columns.items()}
    return {"sequence": sequence.astype(np.int32), "position": position.astype(np.int64), **rows}, labels


def _lineage(recording: "RecordingLike") -> tuple[Mapping[str, np.ndarray], dict[str, Any]]:
    """One row an edge from an entry to one that it was merged from."""
    entries = recording.entries
    parent = entries["parent"].values
    child, side = np.nonzero(parent >= 0)
    sequence = entries["sequence"].values[child]
    row = recording.tables.entries.index.rows(sequence, parent[child, side])
    if (row < 0).any():
        raise RecordingError(
            f"'{recording.path}' is damaged: an entry has a parent that was never born; `memlens verify`"
        )
    level, born = entries["level"].values, entries["segment"].values
    columns = {
        "sequence": sequence,
        "segment": born[child],
        "child": entries["entry"].values[child],
        "parent": parent[child, side],
        "side": side.astype(np.int8),
        "child_level": level[child],
        "parent_level": level[row],
    }
    meanings = {
        "segment": "segment in which the child was born",
        "child": "id of the entry that was made",
        "parent": "id of one that it was made from",
        "side": "which of its parents",
    }
    return columns, {name: {"meaning": text} for name, text in meanings.items()}


#: Name -> its columns, and what is said about them.
FRAMES: dict[str, Callable[["RecordingLike"], tuple[Mapping[str, np.ndarray], dict[str, Any]]]] = {
    "questions": lambda recording: _of(recording.questions),
    "decisions": lambda recording: _of(recording.decisions),
    "entries": lambda recording: _of(recording.entries),
    "lineage": _lineage,
    "positions": _positions,
}
