"""Grouping of entries for merging: by the affinity that the store's update is given, exchanged from outside.

Axes: sequence, agent (context slots, then entries of the store), feature.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from memlens.errors import ConfigError
from memlens.model import MemoryModel
from memlens.model import store as stores


@dataclass
class Merges:
    """What was merged: how many, and how well parts come back from a merge (sum over parts of the cosine to what they were)."""

    n: int = 0
    n_part: int = 0
    cosine: float = 0.0

    def add(self, model: MemoryModel, agents: Any, update: stores.Update) -> None:
        """Count the merges of one segment; those of merges of the same segment have no original to compare with."""
        made = (update.births.slot < 0) & (update.births.entry >= 0)
        self.n += int(made.sum())
        for b in range(len(made)):
            pairs = update.births.parent[b][made[b]]
            place = (agents.entry[b][None, None] == pairs[..., None]) & agents.valid[b]
            whole = place.any(-1).all(-1)
            content = agents.content[b][place.float().argmax(-1)[whole]]
            rebuilt = model.compressor.expand(model.compressor.merge(content))
            alike = F.cosine_similarity(rebuilt, content, dim=-1)
            self.n_part += alike.numel()
            self.cosine += float(alike.sum())

    def as_row(self) -> dict[str, Any]:
        """Values of a row: merges, and the mean cosine (None without any)."""
        return {"merges": self.n, "cosine": self.cosine / self.n_part if self.n_part else None}


@contextmanager
def grouped(grouping: str, model: MemoryModel, seed: int) -> Iterator[Merges]:
    """Inside of this, entries to be merged are paired by ``grouping``: "attention" as the model does, "content" or "random".

    Raises
    ------
    ConfigError
        For another grouping.
    """
    whole = stores.update
    generator = torch.Generator().manual_seed(seed)
    merges = Merges()

    def affinity(given: Tensor, match: Tensor) -> Tensor:
        if grouping == "content":
            return match
        if grouping == "random":
            drawn = torch.rand(given.shape, generator=generator).to(given)
            return drawn + drawn.transpose(1, 2)
        return given

    def update(cfg: Any, agents: Any, q: Tensor, wanted: Tensor, match: Tensor, given: Tensor, *rest: Any) -> Any:
        done = whole(cfg, agents, q, wanted, match, affinity(given, match), *rest)
        merges.add(model, agents, done)
        return done

    if grouping not in ("attention", "content", "random"):
        raise ConfigError(f"unknown grouping '{grouping}'; expected attention, content or random")
    stores.update = update  # the model looks it up there
    try:
        yield merges
    finally:
        stores.update = whole
