"""Gathering and marking along axis 1, row by row: what a loop over sequences would do."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def take(x: Tensor, index: Tensor) -> Tensor:
    """Gather along axis 1.

    Parameters
    ----------
    x : [sequence, item, ...]
        Any number of axes after the second.
    index : int [sequence, chosen]
        Into ``item``.

    Returns
    -------
    [sequence, chosen, ...]
        ``x[b, index[b]]`` for each sequence b.
    """
    expanded = index.reshape(*index.shape, *(1,) * (x.dim() - 2)).expand(*index.shape, *x.shape[2:])
    return x.gather(1, expanded)


def marked(
    index: Int[Tensor, "sequence chosen"], counts: Bool[Tensor, "sequence chosen"], n: int
) -> Bool[Tensor, "sequence item"]:
    """Which of ``n`` places are pointed at.

    Parameters
    ----------
    index : int [sequence, chosen]
        Places, each in 0 .. n - 1.
    counts : bool [sequence, chosen]
        Which of the indices count.
    n : int
        Number of places.

    Returns
    -------
    bool [sequence, item]
        True where an index that counts points.
    """
    # scatter_reduce of bools is not there on a GPU
    return torch.zeros(len(index), n, dtype=torch.int, device=index.device).scatter_add(1, index, counts.int()) > 0
