"""Arrays that grow along one axis, as the keys and bytes of Zarr v3.

What is written is the format itself and not calls of a library, so a commit costs little more than its data: one
chunk and one small document an array. Rows gather until a chunk is full; a chunk that is not full at a commit is written, and written
again with the next rows.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numcodecs.vlen import VLenUTF8
from numcodecs.zstd import Zstd

from memlens.recording.format.schema import Variable

#: Chunks are at most this large, unless one row is larger: to read one row, a whole chunk is read.
CHUNK_BYTES = 2**20
LARGEST_HALF = 65504.0
#: The fastest: floats hardly get smaller at any level, and what repeats is found at this one too.
_ZSTD = Zstd(level=-1, checksum=True)


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
        Rows to a chunk; half as many, or a quarter, ... where that would be too large.
    n
        Rows that are there already.
    """

    def __init__(self, path: str, variable: Variable, axis: int, rest: tuple[int, ...], rows: int, n: int = 0):
        self.path, self.variable, self.axis, self.rest = path, variable, axis, rest
        self.dtype = np.dtype(object if variable.dtype == "string" else variable.dtype)
        row_bytes = max(math.prod(rest) * self.dtype.itemsize, 1)
        self.rows = rows
        # halves end where a commit does, so no chunk is written twice
        while self.rows % 2 == 0 and self.rows * row_bytes > CHUNK_BYTES:
            self.rows //= 2
        self.rows = max(1, min(self.rows, CHUNK_BYTES // row_bytes))
        #: float values that became infinite
        self.overflow = 0
        # the chunk that is being filled: its first row, its values, and whether anything is in it
        self._first = n - n % self.rows
        self._chunk = np.full(self._shape((self.rows,)), variable.fill, self.dtype)
        self._touched = False
        self._full: list[tuple[str, bytes]] = []

    def add(self, row: int, values: Any) -> None:
        """Put values at some rows; the others hold the fill value.

        Parameters
        ----------
        row : int
            The first row.
        values : array
            Of the array's dims; along the growing one, as many rows as there are.

        Raises
        ------
        ValueError
            When the shape is another.
        """
        given = np.asarray(values)
        if given.shape != self._shape(given.shape[self.axis : self.axis + 1]):
            raise ValueError(f"/{self.path} has shape {given.shape}, expected {self._shape(('n',))}")
        n, at = given.shape[self.axis], 0
        while at < n and given.size:
            self._seek(row + at)
            start = row + at - self._first
            take = min(n - at, self.rows - start)
            self._fill(start, given[self._rows(at, at + take)])
            at += take

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
        """Keys and bytes of the chunks that rows were put into, up to row ``n``; a last one that is not full stays in memory too."""
        self._seek(n)
        full, self._full = self._full, []
        yield from full
        if self._touched:
            yield self._encoded()

    # parts

    def _shape(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*self.rest[: self.axis], *row, *self.rest[self.axis :])

    def _rows(self, start: int, stop: int) -> tuple[slice, ...]:
        return (*(slice(None),) * self.axis, slice(start, stop))

    def _seek(self, row: int) -> None:
        """Go on to the chunk that a row is in; those before are done with."""
        while row >= self._first + self.rows:
            if self._touched:
                self._full.append(self._encoded())
                self._chunk.fill(self.variable.fill)
                self._touched = False
            self._first += self.rows

    def _fill(self, start: int, values: np.ndarray) -> None:
        place = self._chunk[self._rows(start, start + values.shape[self.axis])]
        with np.errstate(over="ignore"):
            place[...] = values
        self._touched = True
        # what was given is looked at first: half precision is slow to look at
        if self.variable.dtype == "float16" and not np.abs(values).max() <= LARGEST_HALF:
            self.overflow += int(np.count_nonzero(np.isinf(place) & np.isfinite(values)))

    def _encoded(self) -> tuple[str, bytes]:
        place = ["0"] * (len(self.rest) + 1)
        place[self.axis] = str(self._first // self.rows)
        plain: Any = VLenUTF8().encode(self._chunk.ravel()) if self.dtype == object else self._chunk
        return f"{self.path}/c/{'/'.join(place)}", bytes(_ZSTD.encode(plain))


def group_document(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """``zarr.json`` of a group."""
    return {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}


def root_document(attributes: Mapping[str, Any], documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Make ``zarr.json`` of the root, with those of all groups and arrays in it: one read opens everything.

    Parameters
    ----------
    attributes : dict
        Root attributes.
    documents : dict
        ``zarr.json`` of each group and array, by its path.

    Returns
    -------
    dict
    """
    consolidated = {"kind": "inline", "must_understand": False, "metadata": dict(documents)}
    return {**group_document(attributes), "consolidated_metadata": consolidated}
