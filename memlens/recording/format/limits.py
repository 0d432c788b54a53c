"""Check the sizes that a recording claims before anything is read: a false one could take all memory."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memlens.errors import RecordingError
from memlens.recording.format import schema

#: The documents of a store: ``zarr.json`` of each group and array, by its path.
Documents = dict[str, dict[str, Any]]

MAX_ROWS = 100_000_000
MAX_CHUNKS = 2_000_000
MAX_CHUNK_BYTES = 2**30
ITEM_BYTES = {"bool": 1, "int8": 1, "uint8": 1, "float16": 2, "int32": 4, "float32": 4, "int64": 8}


def check_sizes(attrs: Mapping[str, Any], found: Documents, path: Path) -> None:
    """Compare groups, variables, dims and sizes with the schema.

    Parameters
    ----------
    attrs : dict
        Root attributes.
    found : dict
        ``zarr.json`` of each group and array, by its path.
    path : Path
        The recording, for messages.

    Raises
    ------
    RecordingError
        When a group or variable is missing, sizes within a group differ, or an array is larger than any recording.
    """
    if "memlens_version" not in attrs:
        raise RecordingError(f"'{path}' is an Icechunk repository but not a recording of memlens")
    schema_found = int(attrs.get("schema", 0))
    if schema_found != schema.SCHEMA_VERSION:
        raise RecordingError(f"'{path}' has schema {schema_found}, expected {schema.SCHEMA_VERSION}; record it anew")
    for group in schema.GROUPS:
        if group.name not in found:
            raise RecordingError(f"'{path}' is damaged: it has no /{group.name}; record it anew")
        prefix = f"{group.name}/"
        _check_group(path, group, {k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)})


def _check_group(path: Path, group: schema.Group, arrays: Documents) -> None:
    missing = sorted({v.name for v in group.variables} - set(arrays))
    if missing:
        raise RecordingError(f"'{path}' is damaged: /{group.name} has no {', '.join(missing)}; record it anew")
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        shape, chunk = array["shape"], array["chunk_grid"]["configuration"]["chunk_shape"]
        for dim, size in zip(array.get("dimension_names") or (), shape, strict=True):
            if not 0 <= size <= MAX_ROWS or sizes.setdefault(str(dim), size) != size:
                raise RecordingError(
                    f"'{path}' is damaged: /{group.name}/{name} has {size:,} of {dim}, expected "
                    f"{min(sizes.get(str(dim), MAX_ROWS), MAX_ROWS):,}"
                )
        n_chunks = math.prod(-(-size // max(length, 1)) for size, length in zip(shape, chunk, strict=True))
        n_bytes = math.prod(chunk) * ITEM_BYTES.get(array["data_type"], 16)
        if n_chunks > MAX_CHUNKS or n_bytes > MAX_CHUNK_BYTES:
            raise RecordingError(
                f"'{path}': /{group.name}/{name} claims {n_chunks:,} chunks of {n_bytes:,} bytes, expected at most "
                f"{MAX_CHUNKS:,} of {MAX_CHUNK_BYTES:,}; it is damaged or not a recording"
            )
