"""Rows that may be larger than memory: a numpy array, or a Dask array of blocks of rows of which one is in memory at a time.

What is over rows x features goes by blocks; what is a few numbers a row (labels, folds, predictions) is always in memory. Sums over
blocks are in float64, so that they are those of the whole array but for rounding.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

#: A numpy array, or a dask.array.Array, whose stubs do not know that sizes are whole numbers.
Rows: TypeAlias = np.ndarray | Any
#: Bytes that the vectors of one analysis may take before they go by blocks.
MEMORY = 2**30
#: Rows of an array in memory that are worked on at once: a block of them stays in the cache.
BLOCK = 2048
#: Of vectors that go by blocks, a block takes this share of the memory, within these numbers of rows.
SHARE, LEAST, MOST = 16, 256, 65_536


def fits(n: int, width: int, memory: int, itemsize: int = 4) -> bool:
    """Whether n rows may be held in memory.

    Parameters
    ----------
    n, width : int
        Rows and features.
    memory : int
        Bytes that they may take.
    itemsize : int
        Bytes of a number.

    Returns
    -------
    bool
    """
    return n * width * itemsize <= memory


def blocks(value: Rows, mixed: np.random.Generator | None = None) -> Iterator[tuple[slice, np.ndarray]]:
    """Every block with the rows it holds.

    Parameters
    ----------
    value : float [row, feature]
        In memory, or Dask blocks of rows.
    mixed : numpy.random.Generator or None
        Where given, blocks come in an order that it draws.

    Yields
    ------
    rows : slice
    block : float [row, feature]
        In memory.
    """
    in_memory = isinstance(value, np.ndarray)
    ends = (
        np.minimum(np.arange(BLOCK, value.shape[0] + BLOCK, BLOCK), value.shape[0])
        if in_memory
        else np.cumsum(value.chunks[0])
    )
    starts = np.append(0, ends[:-1])
    for number in range(ends.size) if mixed is None else mixed.permutation(ends.size):
        rows = slice(int(starts[number]), int(ends[number]))
        # Dask's threads would hold several blocks
        yield rows, value[rows] if in_memory else np.asarray(value.blocks[int(number)].compute(scheduler="synchronous"))


def lazily(read: Callable[[slice], np.ndarray], n: int, width: int, dtype: Any, memory: int) -> Rows:
    """A Dask array of ``n`` rows whose blocks are what ``read`` gives for their slices.

    Parameters
    ----------
    read : callable
        Takes a slice of rows; gives float [row, feature].
    n, width : int
        Rows and features.
    dtype : numpy dtype
        Of the numbers.
    memory : int
        Bytes that the rows may take, of which a block takes a share.

    Returns
    -------
    dask.array.Array [row, feature]
    """
    import dask
    import dask.array as da

    size = int(np.clip(memory // (SHARE * width * np.dtype(dtype).itemsize), LEAST, MOST))
    make: Any = dask.delayed(read)  # pyright: ignore[reportPrivateImportUsage]
    parts = [
        da.from_delayed(make(slice(low, min(low + size, n))), (min(size, n - low), width), dtype)  # pyright: ignore[reportPrivateImportUsage]
        for low in range(0, n, size)
    ]
    return da.concatenate(parts)  # pyright: ignore[reportPrivateImportUsage]


def mapped(value: Rows, change: Callable[[np.ndarray, slice], np.ndarray], width: int, memory: int) -> Rows:
    """``change`` of every block: in memory where the rows were, or where the new ones fit, else by blocks again.

    Parameters
    ----------
    value : float [row, feature]
        In memory, or Dask blocks of rows.
    change : callable
        Takes a block and the slice of its rows; gives float [row, new feature].
    width : int
        New features.
    memory : int
        Bytes that the new rows may take in memory.

    Returns
    -------
    float [row, new feature]
        In memory, or Dask blocks.
    """
    n = value.shape[0]
    if isinstance(value, np.ndarray) or fits(n, width, memory, value.dtype.itemsize):
        out = np.empty((n, width), value.dtype)
        for rows, block in blocks(value):
            out[rows] = change(block, rows)
        return out

    def each(block: np.ndarray, block_info: Any = None) -> np.ndarray:
        low, high = block_info[0]["array-location"][0]
        return change(block, slice(low, high)).astype(block.dtype, copy=False)

    return value.map_blocks(
        each, dtype=value.dtype, chunks=(value.chunks[0], (width,)), meta=np.empty((0, 0), value.dtype)
    )


def few(value: Rows, rows: np.ndarray) -> np.ndarray:
    """Some rows, in memory.

    Parameters
    ----------
    value : float [row, feature]
        In memory, or Dask blocks of rows.
    rows : int [chosen]
        Which rows.

    Returns
    -------
    float [chosen, feature]
    """
    return value[rows] if isinstance(value, np.ndarray) else np.asarray(value[rows].compute(scheduler="synchronous"))


def moments(value: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Mean, in the dtype of the rows, and scatter about it, float64: blocks are multiplied in the dtype of the rows."""
    # a product sums a block several times faster than sum(dtype=float64)
    sums = [np.ones(block.shape[0], block.dtype) @ block for _, block in blocks(value)]
    mean = (np.sum(sums, axis=0, dtype=np.float64) / value.shape[0]).astype(value.dtype)
    scatter = np.zeros((value.shape[1], value.shape[1]))
    for _, block in blocks(value):
        centred = block - mean
        scatter += centred.T @ centred
    return mean, scatter
