"""Open a recording: labelled, lazy, without torch."""

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import icechunk
import numpy as np
import xarray as xr
import zarr

from memlens.errors import RecordingError, closest
from memlens.recording.limits import check_limits
from memlens.recording.schema import DEATHS, GROUPS, JOINED, SCHEMA_VERSION
from memlens.recording.storage import BRANCH, damaged, open_repository

if TYPE_CHECKING:
    import pandas as pd

#: Tables that ``to_dataframe`` gives.
FRAMES = ("decisions", "questions", "entries")


def open(path: str | Path) -> "Recording":
    """Open a recording up to its last commit, also one that is still being written or was killed.

    Raises
    ------
    RecordingError
        If nothing is there, it is no recording, it is damaged, or it claims sizes that no recording has.
    """
    path = Path(path)
    repository = open_repository(path)
    try:
        store = repository.readonly_session(BRANCH).store
        if next(iter(repository.ancestry(branch=BRANCH))).parent_id is None:
            raise RecordingError(f"'{path}' holds no committed segment; it was stopped too early: record it anew")
        root = zarr.open_group(store, mode="r")
        schema = root.attrs.get("schema")
        if schema != SCHEMA_VERSION:
            raise RecordingError(
                f"'{path}' is not a recording of this version: schema is {schema!r}, expected {SCHEMA_VERSION}"
            )
        check_limits(path, root)
        tree = xr.open_datatree(store, engine="zarr", consolidated=False, chunks=None, decode_times=False)  # pyright: ignore[reportArgumentType]
        missing = [group.name for group in GROUPS if group.name not in tree.children]
        if missing:
            raise RecordingError(f"'{path}' is not a recording: it has no group {', '.join(missing)}")
    except RecordingError:
        raise
    except (icechunk.IcechunkError, OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise damaged(path, error) from None
    return Recording(path, tree)


class Recording:
    """A recording on disk; its arrays are read when they are used.

    Attributes
    ----------
    path : Path
    attrs : dict
        Root attributes; mappings and lists are JSON text.
    """

    def __init__(self, path: Path, stored: xr.DataTree):
        self.path = path
        self.attrs: dict[str, Any] = dict(stored.attrs)
        self._stored = stored

    @property
    def id(self) -> str:
        """What names this recording, whatever its folder is called."""
        return str(self.attrs["id"])

    @cached_property
    def tree(self) -> xr.DataTree:
        """Everything, as one tree; ``/entries`` has ``died`` and ``fate``."""
        groups = {"/" + name: node.to_dataset() for name, node in self._stored.children.items() if name != DEATHS.name}
        return xr.DataTree.from_dict({"/": xr.Dataset(attrs=self.attrs), **groups, "/entries": self.entries})

    @cached_property
    def segments(self) -> xr.Dataset:
        """Dense arrays, (sequence, segment, ...)."""
        return self._stored["segments"].to_dataset()

    @cached_property
    def positions(self) -> xr.Dataset:
        """What was read, (sequence, position)."""
        return self._stored["positions"].to_dataset()

    @cached_property
    def questions(self) -> xr.Dataset:
        """One row a question."""
        return self._stored["questions"].to_dataset()

    @cached_property
    def decisions(self) -> xr.Dataset:
        """One row a live agent and segment."""
        return self._stored["decisions"].to_dataset()

    @cached_property
    def entries(self) -> xr.Dataset:
        """One row an entry that ever was, with the segment in which it died and its fate."""
        births, deaths = self._stored["entries"].to_dataset(), self._stored[DEATHS.name].to_dataset()
        born = _keys(births)
        gone = _keys(deaths)
        order = np.argsort(born)
        found = np.searchsorted(born, gone, sorter=order)
        if found.size and (found.max() >= born.size or not np.array_equal(born[order[found]], gone)):
            raise RecordingError(f"the recording at '{self.path}' is damaged: an entry died that was never born")
        for variable in JOINED:
            column = np.full(born.size, variable.fill, variable.dtype)
            column[order[found]] = deaths[variable.name].values
            births[variable.name] = xr.Variable(variable.dims, column, variable.attrs)
        return births

    def __getitem__(self, name: str) -> xr.DataArray:
        """Give a recorded point.

        Raises
        ------
        RecordingError
            If it was not recorded; the message says how it would be.
        """
        for dataset in (self.segments, self.questions):
            if name in dataset.variables:
                return dataset[name]
        points = {point["name"] for point in json.loads(self.attrs["points"])}
        if name in points:
            raise RecordingError(f"'{name}' was to be recorded but never fired; ask the stream a question")
        available = set(json.loads(self.attrs["points_available"]))
        if name in available:
            raise RecordingError(
                f"'{name}' was not recorded; record anew with `memlens record ... --points default {name}`"
            )
        raise RecordingError(f"a recording has no point '{name}'; {closest(name, available | points)}")

    def to_dataframe(self, table: str) -> "pd.DataFrame":
        """Give a table as a pandas frame; a column with a second axis becomes one column an element, ``q_STORE``.

        Raises
        ------
        RecordingError
            If there is no such table.
        """
        import pandas as pd

        if table not in FRAMES:
            raise RecordingError(f"no table '{table}' to make a frame of; {closest(table, FRAMES)}")
        dataset: xr.Dataset = getattr(self, table)
        columns: dict[str, np.ndarray] = {}
        for name, array in dataset.data_vars.items():
            if array.ndim == 1:
                values = array.values
                columns[str(name)] = values.astype(object) if array.dtype.kind in "TU" else values
            elif array.ndim == 2:
                side = array.dims[1]
                labels = dataset[side].values if side in dataset.coords else np.arange(array.sizes[side])
                values = array.values
                columns |= {f"{name}_{label}": values[:, i] for i, label in enumerate(labels)}
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        from memlens.recording.summary import summary

        return summary(self)

    def _repr_html_(self) -> str:
        return self.tree._repr_html_()


def _keys(table: xr.Dataset) -> np.ndarray:
    """One number for (sequence, entry)."""
    return table["sequence"].values.astype(np.int64) * 2**40 + table["entry"].values
