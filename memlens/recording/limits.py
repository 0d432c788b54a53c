"""Bounds on what a recording may claim, checked on its metadata before anything of it is read."""

from math import ceil, prod
from pathlib import Path

import numpy as np
import zarr

from memlens.errors import RecordingError

MAX_ELEMENTS = 2**42
MAX_CHUNKS = 2**22
MAX_CHUNK_BYTES = 2**29
#: Coordinates are read when a recording is opened.
MAX_COORDINATE = 2**24


def check_limits(path: Path, root: zarr.Group) -> None:
    """Raise RecordingError if an array claims more than any recording has."""
    for name, array in root.members(max_depth=None):
        if not isinstance(array, zarr.Array):
            continue
        shape, chunks = array.shape, array.chunks
        kind = array.dtype
        itemsize = kind.itemsize if isinstance(kind, np.dtype) else 16
        axis_name = getattr(array.metadata, "dimension_names", None) or ()
        claims = {
            "elements": (prod(shape), MAX_ELEMENTS),
            "chunks": (prod(ceil(n / max(c, 1)) for n, c in zip(shape, chunks, strict=True)), MAX_CHUNKS),
            "bytes in a chunk": (prod(chunks) * itemsize, MAX_CHUNK_BYTES),
        }
        if tuple(axis_name) == (name.rsplit("/", 1)[-1],) or name.endswith("/start"):
            claims["elements of a coordinate"] = (prod(shape), MAX_COORDINATE)
        for what, (claimed, most) in claims.items():
            if claimed > most:
                raise RecordingError(
                    f"the recording at '{path}' is damaged or hostile: /{name} claims {claimed:,} {what}, "
                    f"at most {most:,} are expected; do not read it"
                )
