"""The same recording with other tables, in memory: hundreds of draws of what was planted cost one write."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from memlens.errors import RecordingError, closest
from memlens.recording import Recording, schema

GROUPS = {
    "entries": (*schema.ENTRIES.variables, *schema.JOINED),
    "decisions": schema.DECISIONS.variables,
    "questions": schema.QUESTIONS.variables,
}


def with_tables(recording: Recording, **tables: Mapping[str, Any]) -> Recording:
    """Replace tables of a recording; the recording itself, and what is on disk, stay as they are.

    Parameters
    ----------
    tables
        For ``entries``, ``decisions`` or ``questions``: columns by name, all of one length. Columns that are left out are those of the
        recording, where they have that length, else the schema's word for nothing.

    Raises
    ------
    RecordingError
        For an unknown table or column.
    """
    other = copy.copy(recording)
    other.__dict__ = dict(recording.__dict__)
    for name, columns in tables.items():
        if name not in GROUPS:
            raise RecordingError(f"no table '{name}'; {closest(name, GROUPS)}")
        other.__dict__[name] = _table(getattr(recording, name), name, columns)
    return other


def _table(before: xr.Dataset, name: str, columns: Mapping[str, Any]) -> xr.Dataset:
    variables = {v.name: v for v in GROUPS[name]}
    for column in columns:
        if column not in variables:
            raise RecordingError(f"{name} have no column '{column}'; {closest(column, variables)}")
    n = len(next(iter(columns.values())))
    made = {}
    for v in GROUPS[name]:
        if v.name in columns:
            value = np.asarray(columns[v.name])
        elif before[v.name].shape[0] == n:
            value = before[v.name].values
        else:
            value = np.full((n, *before[v.name].shape[1:]), v.fill)
        made[v.name] = v.dims, value
    kept = {str(key): value for key, value in before.coords.items()}
    return xr.Dataset(made, coords=kept)
