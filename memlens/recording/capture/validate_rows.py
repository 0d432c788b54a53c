"""Rows of groups as columns: checked against the schema, joined into blocks, coded as they are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from memlens.errors import RecordingError
from memlens.recording.format import schema
from memlens.recording.format.quantise import SCALE, quantise
from memlens.recording.format.schema import Group, Variable
from memlens.recording.format.sparse import Sparse

#: Values of each variable of a group, with the axis that it grows along.
GroupColumns = Mapping[str, Any]
#: Columns by group.
RowsByGroup = Mapping[str, GroupColumns]


class Checks:
    """Compares segments with the schema, and their shapes with those of the segments before."""

    def __init__(self, groups: Sequence[Group]):
        self.groups = {group.name: group for group in groups}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def copied(self, given: RowsByGroup) -> RowsByGroup:
        """One segment, as copies; its values of ``/segments`` come without the axis of segments and get it.

        Raises
        ------
        RecordingError
            When a column is missing or unknown, or a shape is not that of the rows beside it or of the segments before.
        """
        part = {name: self._group(name, columns) for name, columns in given.items()}
        self.shapes |= {key: shape for columns in part.values() for key, (shape, _) in columns.items()}
        return {
            name: {key.partition("/")[2]: value for key, (_, value) in columns.items()}
            for name, columns in part.items()
        }

    def _group(self, name: str, columns: GroupColumns) -> dict[str, tuple[tuple[int, ...], np.ndarray]]:
        """Shape beside the growing axis, and values with it, of every variable of the group, compared with those before."""
        group = self.groups[name]
        expected = {v.name for v in group.variables}
        if set(columns) != expected:
            missing, foreign = sorted(expected - set(columns)), sorted(set(columns) - expected)
            raise RecordingError(f"/{name} lacks {missing} and does not know {foreign}")
        checked: dict[str, tuple[tuple[int, ...], np.ndarray]] = {}
        lengths: dict[str, int] = {}
        for v in group.variables:
            axis = v.dims.index(group.axis)
            value = np.array(columns[v.name], dtype=object if v.dtype == "string" else None)
            if name == "segments":
                value = np.expand_dims(value, min(axis, value.ndim))
            shape, n = (*value.shape[:axis], *value.shape[axis + 1 :]), value.shape[axis : axis + 1]
            want = self.shapes.get(f"{name}/{v.name}", shape)
            if shape != want or len(shape) != len(v.dims) - 1:
                raise RecordingError(f"/{name}/{v.name} has shape {shape} beside its rows, expected {want}")
            lengths[v.name] = n[0]
            checked[f"{name}/{v.name}"] = shape, value
        if name == "positions":
            want = self.shapes.setdefault("segment_length", (max(lengths.values()),))
            if set(lengths.values()) != set(want):
                raise RecordingError(f"/positions has {lengths} positions, expected {want[0]} a segment")
        if len(set(lengths.values())) > 1:
            raise RecordingError(f"/{name} has columns of different lengths: {lengths}")
        return checked


def joined_blocks(parts: list[RowsByGroup]) -> RowsByGroup:
    """Blocks of checked segments, along the axis that each group grows along."""
    axis = {g.name: {v.name: v.dims.index(g.axis) for v in g.variables} for g in schema.GROUPS}
    joined: dict[str, GroupColumns] = {}
    for name in {name for part in parts for name in part}:
        given = [part[name] for part in parts if name in part]
        joined[name] = {
            # points are (sequence, segment, ...)
            key: np.concatenate([columns[key] for columns in given], axis[name].get(key, 1))
            for key in given[0]
        }
    return joined


def stored(group: Group, dtype: str) -> Group:
    """Replace the variables of a group by those that are written.

    Parameters
    ----------
    group : Group
    dtype : str
        How floats are stored: "float16", "float32" or "int8".

    Returns
    -------
    Group
        Floats have the dtype; with "int8", scales are added.
    """
    made: list[Variable] = []
    for v in group.variables:
        if v.dtype != "float":
            made.append(v)
        elif dtype != "int8" or len(v.dims) < 3:
            made.append(replace(v, dtype="float32" if dtype == "int8" else dtype))
        else:
            scale = Variable(v.name + SCALE, v.dims[:-1], "float32", f"scale of the codes of {v.name}", group=v.group)
            made += [replace(v, dtype="int8"), scale]
    return replace(group, variables=tuple(made))


def coded(groups: Mapping[str, Group], rows: RowsByGroup) -> RowsByGroup:
    """Replace floats by codes and scales where they are stored as these.

    Parameters
    ----------
    groups : dict
        Groups as they are written, by name.
    rows : dict
        Columns by group.

    Returns
    -------
    dict
        Columns by group.
    """
    names = {v.name.removesuffix(SCALE) for v in groups["segments"].variables if v.name.endswith(SCALE)}
    if not names or "segments" not in rows:
        return rows
    columns = dict(rows["segments"])
    for name in names:
        values = columns[name]
        if isinstance(values, Sparse):
            columns[name], columns[name + SCALE] = values.split(quantise)
        else:
            columns[name], columns[name + SCALE] = quantise(values)
    return {**rows, "segments": columns}
