"""One array of a recording while it is written: it grows along one axis and is stored in whole chunks."""

from collections.abc import Mapping

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from memlens.errors import RecordingError
from memlens.recording.schema import Variable

#: Level 3 with a checksum: without one, zstd returns damaged numbers in silence.
CODEC = ZstdCodec(level=3, checksum=True)
#: Uncompressed size that a chunk is cut down to, if it would be larger.
CHUNK_BYTES = 2**25


class GrowingArray:
    """Collects rows and stores them.

    Rows after the last full chunk stay in memory until that chunk is full, so that a commit writes chunks whole and
    never reads one back. At most one chunk and one block of rows are held.

    Parameters
    ----------
    variable
        Name, dims and dtype; ``float`` as dtype takes ``float_dtype``.
    axis
        The dim it grows along.
    chunk
        Rows in a chunk.
    """

    def __init__(self, variable: Variable, axis: str, chunk: int, float_dtype: str = "float16"):
        self.variable = variable
        self.dtype = float_dtype if variable.dtype == "float" else variable.dtype
        self.axis = variable.dims.index(axis)
        self.chunk = chunk
        self.stored = 0  # rows in full chunks
        self.overflow = 0  # finite numbers that became infinite in float16
        self._tail: list[np.ndarray] = []
        self._fresh = False
        self._known_overflow = 0

    @property
    def dirty(self) -> bool:
        """Whether ``flush`` has something to store."""
        return self._fresh or self.overflow != self._known_overflow

    def check(self, values: np.ndarray, sizes: Mapping[str, int]) -> None:
        """Raise RecordingError unless ``values`` has the dims' sizes known so far."""
        want = tuple(sizes.get(d, "any") if i != self.axis else "any" for i, d in enumerate(self.variable.dims))
        fits = values.ndim == len(want) and all(w in ("any", n) for n, w in zip(values.shape, want, strict=True))
        if not fits:
            expected = ", ".join(f"{d}={w}" for d, w in zip(self.variable.dims, want, strict=True))
            raise RecordingError(f"{self.variable.name} has shape {values.shape}, expected ({expected})")

    def append(self, values: np.ndarray) -> None:
        """Take rows; they reach the disk at the next ``flush``."""
        if self.dtype == "float16" and values.dtype != np.float16:
            with np.errstate(over="ignore"):
                cast = values.astype(np.float16)
            self.overflow += int(np.count_nonzero(np.isinf(cast) & np.isfinite(values)))
            values = cast
        elif self.dtype == "string":
            values = np.asarray(values, dtype=object).astype(np.dtypes.StringDType())
        else:
            values = np.array(values, dtype=self.dtype)
        if values.shape[self.axis]:
            self._tail.append(values)
            self._fresh = True

    def create(self, group: zarr.Group, sizes: Mapping[str, int]) -> bool:
        """Make the empty array; False if a dim's size is not known because nothing was recorded of it."""
        dims = self.variable.dims
        if self._tail:
            sizes = {**sizes, **dict(zip(dims, self._tail[0].shape, strict=True))}
        if any(d not in sizes for i, d in enumerate(dims) if i != self.axis):
            return False
        shape = [0 if i == self.axis else sizes[d] for i, d in enumerate(dims)]
        attrs = {**self.variable.attrs, **({"fp16_overflow": 0} if self.dtype == "float16" else {})}
        group.create_array(
            self.variable.name,
            shape=tuple(shape),
            chunks=self._chunks(shape),
            dtype=self.dtype,
            compressors=[CODEC],
            fill_value=self.variable.fill,
            dimension_names=dims,
            attributes=attrs,
        )
        return True

    def _chunks(self, shape: list[int]) -> tuple[int, ...]:
        """One sequence by ``chunk`` rows by all of the rest, the rest cut where that would be too large."""
        chunks = [max(n, 1) for n in shape]
        chunks[self.axis] = self.chunk
        if self.variable.dims[0] == "sequence":
            chunks[0] = 1
        itemsize = 16 if self.dtype == "string" else np.dtype(self.dtype).itemsize
        for i in range(len(chunks)):
            if i != self.axis and self.variable.dims[i] != "sequence":
                others = int(np.prod(chunks)) // chunks[i] * itemsize
                chunks[i] = min(chunks[i], max(CHUNK_BYTES // others, 1))
        return tuple(chunks)

    def flush(self, array: zarr.Array) -> None:
        """Store what was appended since the last time."""
        if self.overflow != self._known_overflow:
            array.attrs["fp16_overflow"] = self._known_overflow = self.overflow
        if not self._fresh:
            return
        rows = self._tail[0] if len(self._tail) == 1 else np.concatenate(self._tail, axis=self.axis)
        n = rows.shape[self.axis]
        shape = list(rows.shape)
        shape[self.axis] = self.stored + n
        array.resize(tuple(shape))
        where = [slice(None)] * rows.ndim
        where[self.axis] = slice(self.stored, self.stored + n)
        array[tuple(where)] = rows
        full = n - n % self.chunk
        where[self.axis] = slice(full, None)
        self._tail = [rows[tuple(where)].copy()] if full < n else []
        self.stored += full
        self._fresh = False
