"""States of a memory as bytes: one array a state, whatever tensors the model carries."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

#: Name, dtype and shape of each tensor, in order.
Layout = Sequence[tuple[str, str, Sequence[int]]]


def layout_of(tensors: Mapping[str, np.ndarray]) -> Layout:
    """What ``pack`` makes of these tensors."""
    return [(name, value.dtype.str, list(value.shape)) for name, value in tensors.items()]


def pack(tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """All tensors one after the other, uint8 [byte]."""
    return np.concatenate([np.ascontiguousarray(value).reshape(-1).view(np.uint8) for value in tensors.values()])


def unpack(packed: np.ndarray, layout: Layout) -> dict[str, np.ndarray]:
    """The tensors that ``pack`` was given.

    Parameters
    ----------
    packed : uint8 [byte]
    layout : Layout
        As ``layout_of`` gives it.

    Returns
    -------
    dict
        Arrays by name; ValueError when there are fewer bytes than they need.
    """
    tensors: dict[str, np.ndarray] = {}
    at = 0
    for name, dtype, shape in layout:
        kind: Any = np.dtype(dtype)
        n = math.prod(shape) * kind.itemsize
        # a copy: aligned, and not to be changed through another
        tensors[name] = packed[at : at + n].copy().view(kind).reshape(shape)
        at += n
    return tensors
