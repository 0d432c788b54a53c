"""Write a recording: segments gather in a buffer, and whole blocks of them are committed at once.

The folder appears, by rename, with the first segment. A process that dies leaves everything up to its last
commit; ``complete`` is False until ``finish``. Memory does not grow with the stream.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import icechunk
import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from memlens import __version__
from memlens.dims import PAYLOAD_WIDTH, Action
from memlens.errors import RecordingError
from memlens.provenance import peak_rss
from memlens.recording import schema
from memlens.recording.schema import Group, Variable
from memlens.recording.seal import Sealer
from memlens.recording.storage import STORAGE_ERRORS, create_repository, open_repository

DTYPES = ("float16", "float32")


def refuse_existing(path: str | Path) -> Path:
    """Give the path back; RecordingError when something is there already."""
    path = Path(path)
    if path.exists() or path.is_symlink():
        raise RecordingError(f"'{path}' exists; give another -o or remove it")
    return path


class RecordingWriter:
    """The one committer of a recording.

    Parameters
    ----------
    path
        Folder to make; it must not exist.
    points
        Dense variables of ``/segments``, dims from ``sequence, segment`` on; dtype ``float`` is stored as ``dtype``.
    states
        Tensors of ``/states``, dims from ``state`` on; their sizes are in ``sizes``.
    sizes
        Sizes of the tables' extra dims: ``read`` of the questions, ``feature`` of the decisions, those of the states.
    coordinates
        Values of ``entry_level`` and ``feature``; ``action`` is known.
    attrs
        Root attributes; those of ``schema.ROOT_ATTRIBUTES`` that are missing take their defaults.
    vocab
        Token strings, for reading ``/positions``.
    commit_every
        Segments in a block: a commit, and a chunk.
    dtype
        "float16" or "float32", for points.

    Raises
    ------
    RecordingError
        When the folder exists or an argument is out of range; later, when an array does not fit or cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        points: Sequence[Variable] = (),
        states: Sequence[Variable] = (),
        sizes: Mapping[str, int] | None = None,
        coordinates: Mapping[str, Any] | None = None,
        attrs: Mapping[str, Any] | None = None,
        vocab: Sequence[str] = (),
        commit_every: int = 32,
        dtype: str = "float16",
    ):
        self.path = refuse_existing(path)
        if dtype not in DTYPES:
            raise RecordingError(f"dtype is '{dtype}', expected one of {', '.join(DTYPES)}")
        if commit_every < 1:
            raise RecordingError(f"commit_every is {commit_every}, expected at least 1")
        self.dtype, self.commit_every = dtype, commit_every
        more = {"segments": points, "states": states}
        self.groups = {g.name: g.with_variables(more.get(g.name, ())) for g in schema.GROUPS}
        self.sizes = {
            "side": 2, "action": len(Action), "read": 1, "feature": 1, "payload": PAYLOAD_WIDTH, **(sizes or {}),
        }  # fmt: skip
        self.coordinates = {"action": [a.name for a in Action], **(coordinates or {})}
        self.vocab = list(vocab)
        self.attrs = {**schema.ROOT_ATTRIBUTES, **_now(), **(attrs or {}), "dtype": dtype, "complete": False}
        self.overflow: dict[str, int] = {}
        self._written = dict.fromkeys(self.groups, 0)
        self._buffer: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in self.groups}
        self._repository: icechunk.Repository | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._start = time.perf_counter()

    def add(
        self,
        segments: Mapping[str, Any],
        positions: Mapping[str, Any],
        tables: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Append one segment and what happened in it.

        Parameters
        ----------
        segments
            One value or array for each variable of ``/segments``, without its ``segment`` axis.
        positions
            ``modality``, ``token``, ``fact``, (sequence, position) of this segment.
        tables
            Columns of new rows by table; tables without rows may be left out.
        """
        rows = {
            "segments": self._whole("segments", segments),
            "positions": self._whole("positions", positions),
            **{name: self._whole(name, columns) for name, columns in (tables or {}).items()},
        }
        self.attrs["n_token"] += int(rows["segments"]["n_valid"].sum())
        if self._repository is None:
            self._create(rows)
        for name, columns in rows.items():
            self._fit(name, columns)
        for name, columns in rows.items():
            self._buffer[name].append(columns)
        if len(self._buffer["segments"]) >= self.commit_every:
            self.commit()

    def commit(self) -> None:
        """Write the buffer and commit it."""
        if self._repository is None:
            return
        try:
            session = self._repository.writable_session("main")
            root = zarr.open_group(session.store, mode="r+")
            for name, parts in self._buffer.items():
                if parts:
                    self._append(root, self.groups[name], parts)
            self.attrs["wall_seconds"] = time.perf_counter() - self._start
            self.attrs["peak_rss_bytes"] = peak_rss()
            root.attrs.update(_plain(self.attrs))
            session.commit(f"{self._written['segments']} segments")
            self._sealer.seal()
        except STORAGE_ERRORS as error:
            raise RecordingError(f"'{self.path}' cannot be written: {error}") from error
        self._buffer = {name: [] for name in self.groups}

    def finish(self) -> None:
        """Commit the rest and mark the recording complete."""
        if self._repository is None:
            raise RecordingError(f"nothing was recorded, so '{self.path}' was not made; add at least one segment")
        self.attrs["complete"] = True
        self.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish; after an error keep the segments that are whole, as an incomplete recording."""
        if kind is None:
            self.finish()
        elif not isinstance(error, RecordingError):
            self.commit()

    # parts

    def _whole(self, name: str, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Every variable of the group as an array of its stored dtype."""
        group = self.groups[name]
        expected = {v.name for v in group.variables}
        if set(columns) != expected:
            missing, foreign = sorted(expected - set(columns)), sorted(set(columns) - expected)
            raise RecordingError(f"/{name} lacks {missing} and does not know {foreign}")
        return {v.name: self._stored(v, columns[v.name]) for v in group.variables}

    def _stored(self, variable: Variable, value: Any) -> np.ndarray:
        if variable.dtype == "string":
            return np.asarray(value, dtype=object)
        array = np.asarray(value)
        with np.errstate(over="ignore"):
            stored = array.astype(self.dtype if variable.dtype == "float" else variable.dtype)
        if variable.dtype == "float" and self.dtype == "float16":
            lost = int(np.count_nonzero(np.isinf(stored) & np.isfinite(array)))
            if lost:
                self.overflow[variable.name] = self.overflow.get(variable.name, 0) + lost
        return stored

    def _rest(self, group: Group, variable: Variable, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Sizes of the dims other than the axis along which the group grows."""
        axis = variable.dims.index(group.axis)
        return shape if group.name == "segments" else (*shape[:axis], *shape[axis + 1 :])

    def _fit(self, name: str, columns: dict[str, np.ndarray]) -> None:
        """Compare shapes with those of the arrays; rows of one table must agree."""
        group, lengths = self.groups[name], {}
        for v in group.variables:
            got, want = self._rest(group, v, columns[v.name].shape), self._shapes[f"{name}/{v.name}"]
            if got != want or len(columns[v.name].shape) != len(v.dims) - (name == "segments"):
                raise RecordingError(f"/{name}/{v.name} has shape {got} beside its rows, expected {want}")
            if name != "segments":
                lengths[v.name] = columns[v.name].shape[v.dims.index(group.axis)]
        if name == "positions" and set(lengths.values()) != {self.attrs["segment_length"]}:
            want = self.attrs["segment_length"]
            raise RecordingError(f"/positions has {lengths} positions, expected {want} a segment")
        if len(set(lengths.values())) > 1:
            raise RecordingError(f"/{name} has columns of different lengths: {lengths}")

    def _create(self, rows: dict[str, dict[str, np.ndarray]]) -> None:
        """Make the repository beside its final place, then move it there: nobody meets half a recording."""
        self._size_up(rows)
        partial = self.path.parent / f".{self.path.name}.{uuid.uuid4().hex[:8]}"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            session = create_repository(partial).writable_session("main")
            root = zarr.create_group(session.store)
            for group in self.groups.values():
                self._create_group(root, group)
            root.attrs.update(_plain(self.attrs))
            session.commit("schema")
            Sealer(partial).seal()
            refuse_existing(self.path)
            os.rename(partial, self.path)
            self._repository, self._sealer = open_repository(self.path), Sealer(self.path)
        except STORAGE_ERRORS as error:
            raise RecordingError(f"'{self.path}' cannot be made: {error}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _size_up(self, rows: dict[str, dict[str, np.ndarray]]) -> None:
        """Shapes beside the growing axis, from the first segment, and from ``sizes`` for tables."""
        for group in self.groups.values():
            sizes: dict[str, int] = {}
            for v in group.variables:
                rest = tuple(d for d in v.dims if d != group.axis)
                if group.name in ("segments", "positions"):
                    shape = self._rest(group, v, rows[group.name][v.name].shape)
                else:
                    shape = tuple(self.sizes[d] for d in rest)
                if len(shape) != len(rest):
                    raise RecordingError(f"{v.name} has shape {shape}, expected one number for each of {rest}")
                for d, size in zip(rest, shape, strict=True):
                    if group.name == "segments" and sizes.setdefault(d, size) != size:
                        raise RecordingError(f"{v.name} has {size} of {d}, expected {sizes[d]} as elsewhere")
                self._shapes[f"{group.name}/{v.name}"] = shape
        self.attrs["segment_length"] = rows["positions"]["token"].shape[1]

    def _create_group(self, root: zarr.Group, group: Group) -> None:
        # xarray reads `coordinates` as the names of those variables that are no data
        labels = " ".join(v.name for v in group.coordinates if v.name in self.coordinates)
        attributes: dict[str, Any] = {"coordinates": labels} if labels else {}
        if group.name == "positions":
            attributes["vocab"] = json.dumps(self.vocab)
        made = root.create_group(group.name, attributes=attributes)
        block = {"segment": self.commit_every, "position": self.commit_every * self.attrs["segment_length"]}
        for v in group.variables:
            at = v.dims.index(group.axis)
            rest = self._shapes[f"{group.name}/{v.name}"]
            chunk = [
                1 if d == "sequence" else max(size, 1)
                for d, size in zip((d for d in v.dims if d != group.axis), rest, strict=True)
            ]
            _array(
                made, v, (*rest[:at], 0, *rest[at:]),
                (*chunk[:at], block.get(group.axis, group.chunk), *chunk[at:]), self.dtype,
            )  # fmt: skip
        for v in group.coordinates:
            if v.name in self.coordinates:
                value = np.asarray(self.coordinates[v.name], dtype=object if v.dtype == "string" else v.dtype)
                _array(made, v, value.shape, value.shape, self.dtype)[:] = value  # pyright: ignore[reportArgumentType]

    def _append(self, root: zarr.Group, group: Group, parts: list[dict[str, np.ndarray]]) -> None:
        before, grown = self._written[group.name], 0
        for v in group.variables:
            at = v.dims.index(group.axis)
            columns = [part[v.name] for part in parts]
            value = np.stack(columns, at) if group.name == "segments" else np.concatenate(columns, at)
            grown = value.shape[at]
            if not grown:
                return
            array: Any = root[f"{group.name}/{v.name}"]
            array.resize((*array.shape[:at], before + grown, *array.shape[at + 1 :]))
            array[(*(slice(None),) * at, slice(before, before + grown))] = value
            if v.name in self.overflow:
                array.attrs["fp16_overflow"] = self.overflow[v.name]
        self._written[group.name] = before + grown


def _array(group: zarr.Group, v: Variable, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str) -> zarr.Array:
    stored: Any = {"string": str, "float": dtype}.get(v.dtype, v.dtype)
    return group.create_array(
        v.name,
        shape=shape,
        chunks=tuple(max(c, 1) for c in chunks),
        dtype=stored,
        fill_value=v.fill,
        compressors=ZstdCodec(level=3, checksum=True),
        dimension_names=v.dims,
        attributes=dict(v.attrs),
    )


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as text, numbers and bools; lists and dicts as JSON text."""
    return {k: json.dumps(v) if isinstance(v, dict | list | tuple) else v for k, v in attrs.items()}


def _now() -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "memlens_version": __version__,
        "schema": schema.SCHEMA_VERSION,
    }
