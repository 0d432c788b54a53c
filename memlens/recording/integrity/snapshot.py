"""Which segments of a recording are whole: from files that changed to the arrays, chunks and segments they hold.

A snapshot names its arrays, an array its manifests, a manifest its chunks. What a damaged file says is not believed:
a manifest that changed takes with it every chunk it listed, a chunk is whole if its bytes are bytes that were sealed.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from memlens.recording.format import schema
from memlens.recording.format.repository import Commit
from memlens.recording.integrity.files import SealedFiles
from memlens.recording.reading.info import RecordingInfo

#: Column of a table that says which segment a row belongs to, where it is not ``segment``.
_SEGMENT_COLUMN = {"deaths": "died", "states": "before", "payloads": "position"}


class Snapshot:
    """A recording as one commit left it.

    Parameters
    ----------
    path
        The recording.
    snapshot
        Icechunk's id of the commit.
    files
        Its files, compared with their seals.

    Raises
    ------
    What Icechunk and zarr raise, when it cannot be opened.
    """

    def __init__(self, path: Path, snapshot: str, files: SealedFiles):
        self.id, self.files = snapshot, files
        commit = Commit(path, snapshot)
        self.session = commit.session
        self.root = zarr.open_group(self.session.store, mode="r")
        nodes = commit.describe()["nodes"]
        self.manifests = {n["path"]: n["manifest_refs"] for n in nodes if n.get("node_type") == "array"}
        self.arrays: dict[str, Any] = {name: self.root[name[1:]] for name in self.manifests}
        self.n_segment = int(self.arrays["/segments/segment"].shape[0])

    @cached_property
    def lost(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        """Array -> grid coordinates of its chunks that are not whole, by the seals; arrays that are whole are left out."""
        found = {name: tuple(self._lost_chunks(name)) for name in self.arrays}
        return {name: chunks for name, chunks in found.items() if chunks}

    def lost_segments(self, name: str, chunks: Iterable[tuple[int, ...]]) -> np.ndarray:
        """Find the segments that chunks of an array hold values of.

        Parameters
        ----------
        name : str
            Path of the array.
        chunks : tuples of int
            Grid coordinates.

        Returns
        -------
        bool [segment]
        """
        group = name.split("/")[1]
        mask = np.zeros(self.n_segment, bool)
        at = self.axis(name)
        if at is None:
            mask[:] = True  # labels of all segments
            return mask
        array = self.arrays[name]
        for block in {chunk[at] for chunk in chunks}:
            first, after = block * array.chunks[at], min((block + 1) * array.chunks[at], array.shape[at])
            mask[self._segments_of(group, first, after)] = True
        return mask

    def axis(self, name: str) -> int | None:
        """The axis along which an array grows; None for labels, which do not."""
        group = name.split("/")[1]
        dims = self.arrays[name].metadata.dimension_names or ()
        grows = next((g.axis for g in schema.GROUPS if g.name == group), "")
        return dims.index(grows) if grows in dims else None

    def chunk_digests(self, name: str) -> list[str]:
        """Digests of the chunks of an array that lie in files of their own."""
        chunks = (self._chunk(name, chunk) for chunk in self._grid(name))
        return [hashlib.sha256(found).hexdigest() for found in chunks if found is not None]

    @cached_property
    def first(self) -> int:
        """Number of the first segment; a replay begins in the middle of a stream. 0 where that is lost."""
        for name, scale in (("segment", 1), ("start", self.length)):
            if self.n_segment and (0,) not in self.lost.get(f"/segments/{name}", ()):
                return int(self.arrays[f"/segments/{name}"][0]) // scale
        return 0

    @cached_property
    def in_order(self) -> bool:
        """Whether rows of tables are in the order of segments: not where entries are older than the recording, or put in."""
        return self.first == 0 and not self.info.interventions

    @cached_property
    def info(self) -> RecordingInfo:
        """What its root attributes say."""
        return RecordingInfo.parse(dict(self.root.attrs))

    @cached_property
    def length(self) -> int:
        """Positions in a segment."""
        return max(self.info.segment_length, 1)

    # parts

    def _lost_chunks(self, name: str) -> Iterator[tuple[int, ...]]:
        bad = [m["extents"] for m in self.manifests[name] if not self.files.is_whole(f"manifests/{m['id']}")]
        chunks_differ = any(f.startswith("chunks/") for f in (*self.files.wrong, *self.files.unsealed))
        if not bad and not chunks_differ:
            return
        for chunk in self._grid(name):
            listed = any(all(a <= i < b for i, (a, b) in zip(chunk, e, strict=True)) for e in bad)
            if listed or (chunks_differ and not self._is_whole(name, chunk)):
                yield chunk

    def _grid(self, name: str) -> Iterator[tuple[int, ...]]:
        """Coordinates of every chunk of an array."""
        array = self.arrays[name]
        return itertools.product(*(range(-(-n // chunk)) for n, chunk in zip(array.shape, array.chunks, strict=True)))

    def _is_whole(self, name: str, chunk: tuple[int, ...]) -> bool:
        """Whether the chunk's bytes are those of a sealed file; of small ones, which lie in manifests, True."""
        try:
            found = self._chunk(name, chunk)
        except (icechunk.IcechunkError, OSError, ValueError, KeyError):
            return False
        digest = "" if found is None else hashlib.sha256(found).hexdigest()
        return found is None or (digest in self.files.whole and digest not in self.files.suspect)

    def _chunk(self, name: str, chunk: tuple[int, ...]) -> bytes | None:
        """The bytes of a chunk that lies in a file of its own; None of others."""
        if self.session.chunk_type(name, chunk) != icechunk.ChunkType.NATIVE:
            return None
        key = f"{name[1:]}/{self.arrays[name].metadata.encode_chunk_key(chunk)}"
        found = sync(self.session.store.get(key, default_buffer_prototype()))
        if found is None:
            raise KeyError(f"{key} is listed and not there")
        return found.to_bytes()

    def _segments_of(self, group: str, first: int, after: int) -> np.ndarray:
        """Rows of ``/segments`` that rows ``first`` to ``after`` along a group's axis belong to."""
        if first >= after:
            return np.zeros(0, int)
        if group == "segments":
            return np.arange(first, after)
        if group == "positions":
            return np.arange(first // self.length, min(-(-after // self.length), self.n_segment))
        column = self._segment_columns[group]
        rows = column[first:after]
        if (rows >= 0).all():
            return np.unique(rows)
        if not self.in_order:
            return np.arange(self.n_segment)
        # those unknown lie between the known ones around them
        before, behind = column[:first], column[after:]
        low = before[before >= 0].max(initial=0)
        high = behind[behind >= 0].min(initial=self.n_segment - 1)
        return np.arange(low, high + 1)

    @cached_property
    def _segment_columns(self) -> dict[str, np.ndarray]:
        """Of each table, the row of ``/segments`` that every row belongs to, -1 where that is lost."""
        columns = {}
        for group in schema.GROUPS:
            name = f"/{group.name}/{_SEGMENT_COLUMN.get(group.name, 'segment')}"
            if group.name in ("segments", "positions"):
                continue
            array = self.arrays[name]
            columns[group.name] = np.full(array.shape, -1, np.int64)
            lost = {chunk[0] for chunk in self.lost.get(name, ())}
            scale = self.length if group.name == "payloads" else 1
            for block in range(-(-array.shape[0] // array.chunks[0])):
                rows = slice(block * array.chunks[0], (block + 1) * array.chunks[0])
                if block not in lost:
                    # entries may be older than the first segment; the last state is the one after the last segment
                    columns[group.name][rows] = np.clip(array[rows] // scale - self.first, 0, self.n_segment - 1)
        return columns
