"""Export a recording: a plain Zarr store, or Parquet tables, that need nothing of memlens or Icechunk to be read."""

import os
import shutil
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from memlens.errors import RecordingError
from memlens.recording.reading.frames import FRAMES, frame

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

#: Values along an array's first growing dim that are in memory at once, at most.
_BLOCK_BYTES = 2**26


def datatree(recording: "RecordingLike") -> xr.DataTree:
    """All of a recording as one labelled tree; ``entries`` have ``died`` and ``fate``, arrays are lazy, tables are not."""
    groups = {name: getattr(recording, name) for name in ("segments", "positions", "payloads")}
    tables = {name: getattr(recording, name) for name in ("questions", "decisions", "entries")}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=recording.attrs), **groups, **tables})


def write_zarr(recording: "RecordingLike", path: Path) -> None:
    """Write ``datatree`` as a Zarr v3 store, block by block.

    Parameters
    ----------
    recording : Recording
    path : Path
        Folder to make.

    Raises
    ------
    RecordingError
        When something is at ``path``.
    """
    from dask import config

    tree = datatree(recording)
    for node in tree.subtree:
        node.encoding = {}
    with _appearing(path) as partial, config.set(scheduler="synchronous"), warnings.catch_warnings():
        # xarray looks for consolidated metadata first and warns where there are none, zarr warns where there are
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        tree.map_over_datasets(_in_blocks).to_zarr(partial, zarr_format=3, consolidated=True)


def write_parquet(recording: "RecordingLike", path: Path) -> None:
    """Write every table as ``TABLE.parquet``; attributes are in the frames' ``attrs``.

    Parameters
    ----------
    recording : Recording
    path : Path
        Folder to make.

    Raises
    ------
    RecordingError
        When something is at ``path``.
    """
    with _appearing(path) as partial:
        partial.mkdir()
        for table in FRAMES:
            frame(recording, table).to_parquet(partial / f"{table}.parquet", index=False)


def _in_blocks(dataset: xr.Dataset) -> xr.Dataset:
    """Chunked so that a block of rows is in memory at once."""
    axis = next((d for d in ("segment", "position") if d in dataset.dims), None)
    if axis is None or not dataset.sizes[axis]:
        return dataset
    widest = max(v.nbytes // max(v.sizes.get(axis, 1), 1) for v in dataset.data_vars.values())
    return dataset.chunk({axis: max(1, min(dataset.sizes[axis], _BLOCK_BYTES // max(widest, 1)))})


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A folder's name beside ``path``; what is there at the end is moved to ``path``, or removed after an error."""
    if path.exists() or path.is_symlink():
        raise RecordingError(f"'{path}' exists; give another -o or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}"
    try:
        yield partial
        if path.exists():
            raise RecordingError(f"'{path}' exists by now; give another -o or remove it")
        os.rename(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
