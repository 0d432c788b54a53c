"""Append rows to the groups of a recording, a transaction a commit. One thread; ``writer`` gives it one of its own."""

import asyncio
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from zarr.core.buffer.cpu import Buffer

from memlens.errors import RecordingError
from memlens.provenance import peak_rss
from memlens.recording.capture.validate_rows import RowsByGroup
from memlens.recording.format.arrays import GrowingArray, group_document, root_document
from memlens.recording.format.fsync import flush, give_back
from memlens.recording.format.repository import create_repository, open_repository
from memlens.recording.format.schema import Group
from memlens.recording.format.sparse import Sparse
from memlens.recording.integrity.seals import Sealer
from memlens.recording.reading.lazy import documents, opened


def refuse_existing(path: str | Path) -> Path:
    """Give the path back; RecordingError when something is there already."""
    path = Path(path)
    if path.exists() or path.is_symlink():
        raise RecordingError(f"'{path}' exists; give another -o or remove it")
    return path


class Appender:
    """The one committer of a recording.

    Parameters
    ----------
    path
        Folder of the recording. It appears, by rename, with the first commit.
    groups
        What is stored, with stored dtypes.
    sizes
        Sizes of dims that the first rows need not show.
    coordinates
        Values of the groups' coordinates, by name.
    attrs
        Root attributes.
    vocab
        Token strings, for reading ``/positions``.
    commit_every
        Segments to a chunk.
    resume
        Go on after what is there, if anything is.
    """

    def __init__(
        self,
        path: Path,
        groups: Sequence[Group],
        *,
        sizes: Mapping[str, int],
        coordinates: Mapping[str, Any],
        attrs: dict[str, Any],
        vocab: Sequence[str],
        commit_every: int,
        resume: bool,
    ):
        self.path, self.groups, self.sizes = path, {g.name: g for g in groups}, dict(sizes)
        self.coordinates, self.attrs, self.vocab, self.commit_every = coordinates, attrs, vocab, commit_every
        self.n = dict.fromkeys(self.groups, 0)
        self._arrays: dict[str, dict[str, GrowingArray]] = {}
        self._documents: dict[str, dict[str, Any]] = {}
        self._dirty: set[str] = set()
        self._start = time.perf_counter()
        self._snapshot = ""
        self._sealer: Sealer | None = None
        if resume and path.exists():
            self._reopen()
        elif resume:
            _remove_partial(path)

    def append(self, rows: RowsByGroup) -> None:
        """Take rows of some groups; a column may be given for some rows alone, as ``Sparse``."""
        if not self._arrays:
            self._arrays = {name: self._arrays_of(group, rows) for name, group in self.groups.items()}
        for name, columns in rows.items():
            before, group = self.n[name], self.groups[name]
            known = group.variables[0]
            grown = np.shape(columns[known.name])[known.dims.index(group.axis)]
            for column, array in self._arrays[name].items():
                values = columns[column]
                if isinstance(values, Sparse):
                    for at, piece in values.pieces():
                        array.add(before + at, piece)
                    continue
                array.add(before, values)
                if _shape(values)[array.axis] != grown:
                    raise ValueError(f"/{array.path} has {_shape(values)[array.axis]} rows, expected {grown}")
            if grown:
                self.n[name] += grown
                self._dirty.add(name)
        if "segments" in rows:
            self.attrs["n_token"] += int(np.sum(rows["segments"]["n_valid"]))

    def commit(self) -> None:
        """Write what was appended, in one transaction, so that it outlasts a loss of power, and seal it."""
        # all but the last steps work on a folder beside its place: nobody meets half a recording
        partial = None if self._snapshot else self.path.parent / f".{self.path.name}.{uuid.uuid4().hex[:8]}"
        place = partial or self.path
        try:
            if partial:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                repository = create_repository(partial)
            else:
                repository = open_repository(self.path)
            session = repository.writable_session("main")
            if not partial and session.snapshot_id != self._snapshot:
                raise RecordingError(f"'{self.path}' was written by somebody else meanwhile; one may write at a time")
            asyncio.run(self._write(session.store))
            self._snapshot = session.commit(f"{self.n['segments']} segments")
            self._sealer = self._sealer or Sealer(place)
            flush(place)
            self._sealer.seal()
            if partial:
                refuse_existing(self.path)
                os.rename(partial, self.path)
                self._sealer.path = self.path
                flush(self.path)
        finally:
            if partial:
                shutil.rmtree(partial, ignore_errors=True)
            give_back()

    # parts

    async def _write(self, store: Any) -> None:
        """Documents and chunks of the groups that grew, and of all at first, one group after the other."""
        if not self._snapshot:
            # a group has to be there before what is in it
            made = {name: self._group_document(group) for name, group in self.groups.items()}
            self._documents |= made
            await _set(store, _encoded(made))
        for name in sorted(self._dirty if self._snapshot else self.groups):
            arrays, n = list(self._arrays[name].values()), self.n[name]
            lengths = dict.fromkeys((array.path for array in arrays), n)
            if not self._snapshot:
                fixed = self._fixed(self.groups[name])
                arrays, lengths = [*arrays, *fixed], {**lengths, **{array.path: array.rows for array in fixed}}
            documents = {array.path: array.document(lengths[array.path]) for array in arrays}
            self._documents |= documents
            # an array has to know its length before it takes a chunk
            await _set(store, _encoded(documents))
            await _set(store, {key: value for array in arrays for key, value in array.chunks(lengths[array.path])})
        self._dirty = set()
        now = time.perf_counter()
        self.attrs["wall_seconds"] += now - self._start
        self.attrs["peak_rss_bytes"] = max(peak_rss(), self.attrs["peak_rss_bytes"])
        self._start = now
        await _set(store, _encoded({"": root_document(_plain(self.attrs), self._documents)}))

    def _group_document(self, group: Group) -> dict[str, Any]:
        # xarray reads `coordinates` as the names of those variables that are no data
        labels = " ".join(v.name for v in group.coordinates if v.name in self.coordinates)
        attributes: dict[str, Any] = {"coordinates": labels} if labels else {}
        if group.name == "positions":
            attributes["vocab"] = json.dumps(list(self.vocab))
        return group_document(attributes)

    def _fixed(self, group: Group) -> list[GrowingArray]:
        """The group's coordinates, each a chunk that is full."""
        made = []
        for v in group.coordinates:
            if v.name in self.coordinates:
                value = np.asarray(self.coordinates[v.name])
                made.append(GrowingArray(f"{group.name}/{v.name}", v, 0, (), max(len(value), 1)))
                made[-1].add(0, value)
        return made

    def _arrays_of(self, group: Group, rows: RowsByGroup) -> dict[str, GrowingArray]:
        """Arrays with the sizes that ``sizes`` and the first rows say."""
        if group.name == "positions":
            self.attrs["segment_length"] = np.shape(rows["positions"]["token"])[1] // len(rows["segments"]["segment"])
        made, sizes = {}, {} if group.name in ("segments", "positions") else dict(self.sizes)
        for v in group.variables:
            axis = v.dims.index(group.axis)
            value = rows.get(group.name, {}).get(v.name)
            shape = tuple(self.sizes.get(d, 0) for d in v.dims) if value is None else _shape(value)
            if len(shape) != len(v.dims):
                raise RecordingError(f"{v.name} has shape {shape}, expected one number for each of {v.dims}")
            for d, size in zip(v.dims, shape, strict=True):
                if d != group.axis and sizes.setdefault(d, size) != size:
                    raise RecordingError(f"{v.name} has {size} of {d}, expected {sizes[d]} as elsewhere")
            made[v.name] = GrowingArray(
                f"{group.name}/{v.name}", v, axis, (*shape[:axis], *shape[axis + 1 :]), self._chunk(group)
            )
        return made

    def _chunk(self, group: Group) -> int:
        return group.chunk or self.commit_every * (self.attrs["segment_length"] if group.name == "positions" else 1)

    def _reopen(self) -> None:
        """Know the arrays that are there, and what is in their last chunks."""
        self._sealer = Sealer(self.path)
        session = open_repository(self.path).readonly_session("main")
        self._snapshot = session.snapshot_id
        attrs, self._documents = documents(session.store)
        self.attrs = {**self.attrs, **attrs}
        for group in self.groups.values():
            arrays = {v.name: opened(session.store, f"{group.name}/{v.name}", self._documents) for v in group.variables}
            known = group.variables[0]
            self.n[group.name] = n = arrays[known.name].shape[known.dims.index(group.axis)]
            self._arrays[group.name] = {}
            for v in group.variables:
                there, axis = arrays[v.name], v.dims.index(group.axis)
                rest = (*there.shape[:axis], *there.shape[axis + 1 :])
                array = GrowingArray(f"{group.name}/{v.name}", v, axis, rest, there.chunks[axis], n)
                first = n - n % array.rows
                if first < n:
                    array.add(first, there[(*(slice(None),) * axis, slice(first, n))])
                array.overflow = int(there.attrs.get("fp16_overflow", 0))
                self._arrays[group.name][v.name] = array


def _shape(values: Any) -> tuple[int, ...]:
    return values.shape if isinstance(values, Sparse) else np.shape(values)


def _remove_partial(path: Path) -> None:
    """Take away what a process left that was killed before its first commit."""
    for folder in path.parent.glob(".*.*"):
        if re.fullmatch(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}", folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _encoded(documents: Mapping[str, Any]) -> dict[str, bytes]:
    return {f"{path}/zarr.json".lstrip("/"): json.dumps(each).encode() for path, each in documents.items()}


async def _set(store: Any, entries: Mapping[str, bytes]) -> None:
    await asyncio.gather(*(store.set(key, Buffer.from_bytes(value)) for key, value in entries.items()))


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as text, numbers and bools; lists and dicts as JSON text."""
    return {k: json.dumps(v) if isinstance(v, dict | list | tuple) else v for k, v in attrs.items()}
