"""Look at the sizes a recording claims before anything is read: a false one could take all memory."""

import math
from pathlib import Path
from typing import Any

import zarr

from memlens.errors import RecordingError
from memlens.recording import schema

MAX_ROWS = 100_000_000
MAX_CHUNKS = 2_000_000
MAX_CHUNK_BYTES = 2**30


def check(store: Any, path: Path) -> None:
    """Compare groups, variables, dims and sizes with the schema.

    Raises
    ------
    RecordingError
        When a group or variable is missing, sizes within a group differ, or an array is larger than any recording.
    """
    root = zarr.open_group(store, mode="r")
    if "memlens_version" not in root.attrs:
        raise RecordingError(f"'{path}' is an Icechunk repository but no recording of memlens")
    found = int(root.attrs.get("schema", 0))  # pyright: ignore[reportArgumentType]
    if found != schema.SCHEMA_VERSION:
        raise RecordingError(f"'{path}' has schema {found}, expected {schema.SCHEMA_VERSION}; record it anew")
    groups = dict(root.groups())
    for group in schema.GROUPS:
        if group.name not in groups:
            raise RecordingError(f"'{path}' is damaged: it has no /{group.name}; record it anew")
        _check_group(path, group, dict(groups[group.name].arrays()))


def _check_group(path: Path, group: schema.Group, arrays: dict[str, zarr.Array]) -> None:
    missing = sorted({v.name for v in group.variables} - set(arrays))
    if missing:
        raise RecordingError(f"'{path}' is damaged: /{group.name} has no {', '.join(missing)}; record it anew")
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        dims = getattr(array.metadata, "dimension_names", None)
        for dim, size in zip(dims or (), array.shape, strict=False):
            if size > MAX_ROWS or sizes.setdefault(str(dim), size) != size:
                raise RecordingError(
                    f"'{path}' is damaged: /{group.name}/{name} has {size:,} of {dim}, expected "
                    f"{min(sizes.get(str(dim), MAX_ROWS), MAX_ROWS):,}"
                )
        n_chunks = math.prod(-(-size // chunk) for size, chunk in zip(array.shape, array.chunks, strict=True))
        n_bytes = math.prod(array.chunks) * getattr(array.dtype, "itemsize", 16)
        if n_chunks > MAX_CHUNKS or n_bytes > MAX_CHUNK_BYTES:
            raise RecordingError(
                f"'{path}': /{group.name}/{name} claims {n_chunks:,} chunks of {n_bytes:,} bytes, expected at most "
                f"{MAX_CHUNKS:,} of {MAX_CHUNK_BYTES:,}; it is damaged or no recording"
            )
