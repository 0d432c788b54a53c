"""The same recording with other values at some points: many seeds of one plant without writing each to disk."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from memlens.errors import RecordingError
from memlens.recording import Recording


def with_points(recording: Recording, points: Mapping[str, np.ndarray]) -> Recording:
    """Replace recorded arrays, in memory; everything else, labels and tables too, stays as it is.

    Parameters
    ----------
    points
        Variable of ``/segments`` -> array of the shape it has there.

    Raises
    ------
    RecordingError
        When a name is not in the recording or a shape differs.
    """
    segments = recording.tree["segments"].to_dataset()
    for name, value in points.items():
        if np.shape(value) != recording[name].shape:
            raise RecordingError(f"'{name}' has shape {np.shape(value)}, expected {recording[name].shape}")
    new = segments.assign({name: (segments[name].dims, np.asarray(value)) for name, value in points.items()})
    groups = {name: node.to_dataset() for name, node in recording.tree.children.items()}
    tree = xr.DataTree.from_dict({"/": recording.tree.to_dataset(), **groups, "segments": new})
    return Recording(recording.path, tree)
