"""Open a recording: labelled, lazy arrays and tables. Nothing here needs torch."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from zarr.core.sync import sync

from memlens.calls import checked
from memlens.errors import RecordingError, closest
from memlens.recording.format import schema
from memlens.recording.format.limits import Documents, check_sizes
from memlens.recording.format.repository import STORAGE_ERRORS, Commit, damaged, open_repository, reason
from memlens.recording.format.states import unpack
from memlens.recording.reading.export import datatree, write_parquet, write_zarr
from memlens.recording.reading.frames import frame
from memlens.recording.reading.info import RecordingInfo
from memlens.recording.reading.lazy import dataset, documents
from memlens.recording.reading.rebuild import rebuild
from memlens.recording.reading.summary import describe
from memlens.recording.reading.tables import RecordedTables

if TYPE_CHECKING:
    from memlens.streams.encoded import EncodedStream


@checked()
def open(path: str | Path, *, snapshot: str = "") -> "Recording":
    """Open a recording.

    Parameters
    ----------
    path : path
        Its folder.
    snapshot : str
        The commit to open, as ``verify`` names it; "" opens the last one.

    Returns
    -------
    Recording
        As it was at that commit.

    Raises
    ------
    RecordingError
        When the folder is missing, is not a recording, or is damaged.
    """
    path = Path(path)
    try:
        session = Commit(path, snapshot).session if snapshot else open_repository(path).readonly_session("main")
        store: Any = session.store
        attrs, found = documents(store)
        check_sizes(attrs, found, path)
    except STORAGE_ERRORS as error:
        raise damaged(path, error) from error
    return Recording(path, store, attrs, found)


class Recording:
    """What a memory did, over one or more streams, as it was when it was opened.

    Attributes
    ----------
    path : Path
    attrs : dict
        Where it came from; lists and dicts are JSON text.
    """

    def __init__(self, path: Path, store: Any, attrs: dict[str, Any], found: Documents):
        self.path, self.attrs = path, attrs
        self._store, self._found = store, found

    @cached_property
    def tree(self) -> xr.DataTree:
        """Every group as stored, lazy."""
        groups = {f"/{group.name}": self._group(group.name) for group in schema.GROUPS}
        return xr.DataTree.from_dict({"/": xr.Dataset(attrs=self.attrs), **groups})

    @property
    def id(self) -> str:
        """Identity of this recording (uuid4)."""
        return str(self.attrs["id"])

    @cached_property
    def info(self) -> RecordingInfo:
        """What it says of itself, parsed: ``info.model``, ``info.streams``, ``info.points``, ``info.interventions``, ..."""
        return RecordingInfo.parse(self.attrs)

    @cached_property
    def tables(self) -> RecordedTables:
        """Its tables as typed columns: ``tables.questions.correct`` is a bool array [question]."""
        return RecordedTables(self)

    @cached_property
    def segments(self) -> xr.Dataset:
        """Dense arrays, dims (sequence, segment, ...): one variable a recorded point, lazy."""
        return self._group("segments")

    @checked()
    def segment(self, segment: int) -> xr.Dataset:
        """All variables of ``segments`` in one segment, in memory, dims (sequence, ...); its arrays are read concurrently.

        Raises
        ------
        RecordingError
            When it was not recorded.
        """
        n = self.n_rows("segments")
        if not self._first <= segment < self._first + n:
            raise RecordingError(
                f"segment {segment} is not in '{self.path}', which has {n} segments from {self._first} on"
            )
        return sync(self.segments.isel(segment=segment - self._first).load_async())

    @cached_property
    def positions(self) -> xr.Dataset:
        """Columns of the streams, dims (sequence, position), lazy."""
        return self._group("positions")

    @cached_property
    def questions(self) -> xr.Dataset:
        """One row a question."""
        return self._table("questions")

    @cached_property
    def payloads(self) -> xr.Dataset:
        """One row a position that carries more than a token: of images, sounds and strands."""
        return self._table("payloads")

    @cached_property
    def states(self) -> np.ndarray:
        """Segments whose state before them was saved, ascending."""
        return self._states["before"].values

    def state(self, segment: int) -> tuple[int, dict[str, np.ndarray]]:
        """Give the saved state nearest before a segment.

        Returns
        -------
        segment : int
            The one that it is the state before: ``segment``, or the nearest earlier one with a saved state.
        tensors : dict
            Arrays by the names of ``MemoryState.flat()``, with a leading sequence axis.

        Raises
        ------
        RecordingError
            When no state was saved at or before the segment.
        """
        at = int(np.searchsorted(self.states, segment, side="right")) - 1
        if at < 0:
            raise RecordingError(
                f"'{self.path}' has no state at or before segment {segment}; it has {len(self.states)}: record it with "
                "--states-every"
            )
        packed = self._states["tensors"][at].values
        return int(self.states[at]), unpack(packed, self.info.state_layout)

    def streams(self) -> "list[EncodedStream]":
        """The streams it was made from, one a sequence; of a recording that is not complete, as much as it has."""
        return rebuild(self)

    @cached_property
    def decisions(self) -> xr.Dataset:
        """One row a live agent and segment."""
        return self._table("decisions")

    @cached_property
    def entries(self) -> xr.Dataset:
        """One row an entry that ever was, with the segment it ``died`` in and its ``fate``; both are -1 where it lives at the end."""
        born, gone = self._table("entries"), self._table("deaths")
        # an entry that was put back by an intervention is born once more, and its second death is of that life
        known, lost = (pd.MultiIndex.from_arrays([*_ids(table), _life(table)]) for table in (born, gone))
        at = np.asarray(known.get_indexer(lost))
        if (at < 0).any():
            raise RecordingError(f"'{self.path}' is damaged: an entry died that was never born; record it anew")
        columns = [np.full(born.sizes["birth"], v.fill, v.dtype) for v in schema.JOINED]
        for v, column in zip(schema.JOINED, columns, strict=True):
            column[at] = gone[v.name].values
        return born.assign({v.name: (v.dims, c, v.attrs) for v, c in zip(schema.JOINED, columns, strict=True)})

    def n_rows(self, group: str) -> int:
        """Rows of a group, without reading it."""
        known = next(g for g in schema.GROUPS if g.name == group)
        v = known.variables[0]
        return int(self._found[f"{group}/{v.name}"]["shape"][v.dims.index(known.axis)])

    def __getitem__(self, name: str) -> xr.DataArray:
        """A recorded point or other variable of ``segments``; RecordingError says how to record a missing one."""
        if name in self.segments.variables:
            return self.segments[name]
        names = {str(n) for n in self.segments.data_vars}
        available = set(self.info.points_available)
        wanted = name if name in available else "NAME"
        raise RecordingError(
            f"'{name}' is not in this recording; {closest(name, (names | available) - {name})}; "
            f"`memlens record MODEL STREAM -o RUN --points default {wanted}` records it"
        )

    def to_datatree(self) -> xr.DataTree:
        """All but the states as one labelled tree; ``entries`` have ``died`` and ``fate``."""
        return datatree(self)

    def to_dataframe(self, table: str) -> pd.DataFrame:
        """One of "questions", "decisions", "entries", "lineage", "positions" as a pandas table.

        Array columns become one column a place. ``lineage`` has a row for each parent of an entry.

        Raises
        ------
        RecordingError
            For another name.
        """
        return frame(self, table)

    def to_zarr(self, path: str | Path) -> None:
        """Write ``to_datatree`` as a plain Zarr v3 store; RecordingError when something is at ``path``."""
        write_zarr(self, Path(path))

    def to_parquet(self, folder: str | Path) -> None:
        """Write the tables of ``to_dataframe`` as Parquet files; RecordingError when something is at ``folder``."""
        write_parquet(self, Path(folder))

    def __repr__(self) -> str:
        return describe(self)

    @cached_property
    def _first(self) -> int:
        return int(self.segments["segment"][0]) if self.n_rows("segments") else 0

    @cached_property
    def _states(self) -> xr.Dataset:
        return self._group("states")

    def _group(self, name: str) -> xr.Dataset:
        return dataset(self.path, self._store, name, self._found)

    def _table(self, name: str) -> xr.Dataset:
        """A table in memory, strings as Python strings."""
        try:
            table = self._group(name).load()
        except STORAGE_ERRORS as error:
            raise RecordingError(f"'{self.path}': the {name} are damaged: {reason(error)}; record it anew") from error
        return table.assign({k: v.astype(object) for k, v in table.data_vars.items() if v.dtype.kind == "T"})


def _ids(table: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    return table["sequence"].values.astype(np.int64), table["entry"].values


def _life(table: xr.Dataset) -> np.ndarray:
    """How many rows before each one are of the same entry, int [row]."""
    sequence, entry = _ids(table)
    return pd.DataFrame({"sequence": sequence, "entry": entry}).groupby(["sequence", "entry"]).cumcount().to_numpy()
