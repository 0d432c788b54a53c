"""How the levels of the store lie in its one entry axis."""

from itertools import accumulate

import torch
from jaxtyping import Int
from torch import Tensor, nn

from memlens.config import ModelConfig
from memlens.model.entries import Entries
from memlens.model.hooks import HookPoint


class Store(nn.Module):
    """Holds nothing but the hooks: the store's content is state, not weights."""

    def __init__(self):
        super().__init__()
        self.hook_entry = HookPoint()
        self.hook_content = HookPoint()


def empty_entries(n_sequence: int, n: int, width: int, device: torch.device) -> Entries:
    """Places in which nothing is held.

    Parameters
    ----------
    n_sequence, n, width : int
        Sizes of ``sequence``, ``entry`` and ``feature``.
    device : torch.device
        Where the tensors are to be.

    Returns
    -------
    Entries [sequence, entry]
        None of them valid.
    """
    zeros = torch.zeros(n_sequence, n, device=device)
    none = torch.full((n_sequence, n), -1, dtype=torch.long, device=device)
    return Entries(
        content=torch.zeros(n_sequence, n, width, device=device),
        prior=zeros, entry=none, age=zeros, idle=zeros, hits=zeros,
        position=none, start=none, end=none, entropy=zeros,
        valid=torch.zeros(n_sequence, n, dtype=torch.bool, device=device),
    )  # fmt: skip


def level_starts(cfg: ModelConfig) -> list[int]:
    """Where each level begins in the entry axis; the last number is the size of the axis."""
    return list(accumulate(cfg.capacities, initial=0))


def entry_levels(cfg: ModelConfig) -> Int[Tensor, "entry"]:
    """The level of each place of the entry axis."""
    return torch.cat([torch.full((capacity,), level) for level, capacity in enumerate(cfg.capacities)])


def max_merges(cfg: ModelConfig) -> list[int]:
    """How many merges one segment can send to each level, level 0 first (none)."""
    return [0, *(capacity // 2 for capacity in cfg.capacities[1:])]
