"""Arrays that grow along one axis, as the keys and bytes of Zarr v3.

What is written is the format itself and not calls of a library, so a commit costs little more than its data: one
chunk and one small document an array. Rows gather until a chunk is full; what is left of a chunk is kept, and written
again with the next rows.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numcodecs.vlen import VLenUTF8
from numcodecs.zstd import Zstd

from memlens.recording.schema import Variable

#: No chunk is larger, unless one row is.
MAX_CHUNK_BYTES = 2**26
_ZSTD = Zstd(level=1, checksum=True)


class GrowingArray:
    """One array of a group.

    Parameters
    ----------
    path
        ``group/name``.
    variable
        Its dims, dtype and labels.
    axis
        The dim that grows.
    rest
        Sizes of the other dims, in order.
    rows
        Rows to a chunk.
    n
        Rows that are there already.
    """

    def __init__(self, path: str, variable: Variable, axis: int, rest: tuple[int, ...], rows: int, n: int = 0):
        self.path, self.variable, self.axis, self.rest = path, variable, axis, rest
        self.dtype = np.dtype(object if variable.dtype == "string" else variable.dtype)
        row_bytes = max(math.prod(rest) * self.dtype.itemsize, 1)
        self.rows = max(1, min(rows, MAX_CHUNK_BYTES // row_bytes))
        #: float values that became infinite
        self.overflow = 0
        self._first = n - n % self.rows
        self._pieces: list[tuple[int, np.ndarray]] = []

    def add(self, row: int, values: Any) -> None:
        """Put values at rows from ``row`` on; rows that nothing is put at hold the fill value."""
        given = np.asarray(values)
        if given.shape != self._shape(given.shape[self.axis : self.axis + 1]):
            raise ValueError(f"/{self.path} has shape {given.shape}, expected {self._shape(('n',))}")
        with np.errstate(over="ignore"):
            stored = given.astype(self.dtype)
        if self.variable.dtype == "float16" and stored.size and not np.abs(stored).max() < np.inf:
            self.overflow += int(np.count_nonzero(np.isinf(stored) & np.isfinite(given)))
        self._pieces.append((row, stored))

    def document(self, n: int) -> dict[str, Any]:
        """``zarr.json`` of the array, ``n`` rows long."""
        v = self.variable
        text = v.dtype == "string"
        attributes = {**v.attrs, **({"fp16_overflow": self.overflow} if self.overflow else {})}
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": self._shape((n,)),
            "data_type": v.dtype,
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": [max(size, 1) for size in self._shape((self.rows,))]},
            },
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": "NaN" if v.dtype.startswith("float") else v.fill,
            "codecs": [
                {"name": "vlen-utf8", "configuration": {}}
                if text
                else {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "zstd", "configuration": {"level": _ZSTD.level, "checksum": True}},
            ],
            "dimension_names": v.dims,
            "attributes": attributes,
        }

    def chunks(self, n: int) -> Iterator[tuple[str, bytes]]:
        """Keys and bytes of the chunks that rows were put into, up to row ``n``; a last one that is not full is kept."""
        while self._first < n:
            stop = min(self._first + self.rows, n)
            chunk, touched = self._assembled(self._first + self.rows)
            if touched:
                place = ["0"] * (len(self.rest) + 1)
                place[self.axis] = str(self._first // self.rows)
                yield f"{self.path}/c/{'/'.join(place)}", self._encoded(chunk)
            if stop < self._first + self.rows:
                self._pieces = [(self._first, chunk[self._rows(0, stop - self._first)])] if touched else []
                return
            self._pieces = [(at, piece) for at, piece in self._pieces if at + piece.shape[self.axis] > stop]
            self._first = stop

    # parts

    def _shape(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*self.rest[: self.axis], *row, *self.rest[self.axis :])

    def _rows(self, start: int, stop: int) -> tuple[slice, ...]:
        return (*(slice(None),) * self.axis, slice(start, stop))

    def _assembled(self, stop: int) -> tuple[np.ndarray, bool]:
        """The chunk that ends before row ``stop``, and whether anything is in it."""
        chunk = np.full(self._shape((self.rows,)), self.variable.fill, self.dtype)
        touched = False
        for at, piece in self._pieces:
            low, high = max(at, self._first), min(at + piece.shape[self.axis], stop)
            if low < high and piece.size:
                chunk[self._rows(low - self._first, high - self._first)] = piece[self._rows(low - at, high - at)]
                touched = True
        return chunk, touched

    def _encoded(self, chunk: np.ndarray) -> bytes:
        plain: Any = VLenUTF8().encode(chunk.ravel()) if self.dtype == object else np.ascontiguousarray(chunk)
        return bytes(_ZSTD.encode(plain))


def group_document(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """``zarr.json`` of a group."""
    return {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}


def root_document(attributes: Mapping[str, Any], documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """``zarr.json`` of the root, with those of all groups and arrays in it: one read opens everything."""
    consolidated = {"kind": "inline", "must_understand": False, "metadata": dict(documents)}
    return {**group_document(attributes), "consolidated_metadata": consolidated}
