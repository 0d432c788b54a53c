"""Labelled arrays of a recording that are read when they are looked at."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from xarray.backends import BackendArray
from xarray.core import indexing
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import StorePath

from memlens.errors import RecordingError
from memlens.recording.format.limits import Documents
from memlens.recording.format.quantise import SCALE, dequantise
from memlens.recording.format.repository import STORAGE_ERRORS, reason


def documents(store: Any) -> tuple[dict[str, Any], Documents]:
    """Root attributes, and all that is said about groups and arrays: one read."""
    read = sync(store.get("zarr.json", default_buffer_prototype()))
    if read is None:
        raise ValueError("it has no root")
    root = json.loads(read.to_bytes())
    return root["attributes"], root.get("consolidated_metadata", {}).get("metadata", {})


def opened(store: Any, path: str, found: Documents) -> Any:
    """Open the Zarr array at a path; nothing is read.

    Parameters
    ----------
    store : zarr store
    path : str
    found : dict
        ``zarr.json`` of each group and array, by its path.

    Returns
    -------
    zarr.Array
    """
    return zarr.Array.from_dict(StorePath(store, path), dict(found[path]))


class Lazy(BackendArray):
    """One array; codes of eight bits are read as floats."""

    def __init__(self, path: Path, array: zarr.Array, scale: zarr.Array | None):
        self.path, self.array, self.scale = path, array, scale
        self.shape = array.shape
        self.dtype = np.dtype(np.float32) if scale is not None else array.dtype

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """The same, so that many arrays can be read at once."""
        return await indexing.async_explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read_async
        )

    def _read(self, key: tuple[Any, ...]) -> Any:
        return sync(self._read_async(key))

    async def _read_async(self, key: tuple[Any, ...]) -> Any:
        try:
            values: Any = await self.array.async_array.oindex.getitem(key)
            if self.scale is None:
                return values
            # of the scales' own axes, as many as the codes keep
            scale: Any = await self.scale.async_array.oindex.getitem(key[:-1])
            return dequantise(
                np.asarray(values), np.asarray(scale)[..., None] if np.ndim(values) > np.ndim(scale) else scale
            )
        except STORAGE_ERRORS as error:
            raise RecordingError(
                f"'{self.path}': {self.array.path} is damaged: {reason(error)}; record it anew"
            ) from error


def dataset(path: Path, store: Any, group: str, found: Documents) -> xr.Dataset:
    """Open one group with its coordinates; nothing is read.

    Parameters
    ----------
    path : Path
        The recording, for messages.
    store : zarr store
    group : str
    found : dict
        ``zarr.json`` of each group and array, by its path.

    Returns
    -------
    xarray.Dataset
        Lazy.
    """
    arrays = {key.partition("/")[2]: opened(store, key, found) for key in found if key.startswith(f"{group}/")}
    variables = {}
    for name, array in arrays.items():
        scale = arrays.get(name + SCALE)
        if name.endswith(SCALE) and name.removesuffix(SCALE) in arrays:
            continue
        dims = array.metadata.dimension_names  # pyright: ignore[reportAttributeAccessIssue]
        data = indexing.LazilyIndexedArray(Lazy(path, array, scale))
        variables[name] = xr.Variable(dims, data, dict(array.attrs))
    attributes: Mapping[str, Any] = found[group].get("attributes", {})
    fixed = [name for name in str(attributes.get("coordinates", "")).split() if name in variables]
    plain = {key: value for key, value in attributes.items() if key != "coordinates"}
    coords = {name: variables.pop(name) for name in fixed}
    return xr.Dataset(variables, coords, plain)
