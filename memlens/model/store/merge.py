"""Phase 6, merging: each pair becomes one entry, which competes for a place of the next level."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from memlens.dims import Action
from memlens.model.compressor import Compressor
from memlens.model.entries import Births, Entries
from memlens.model.store.contenders import Contenders
from memlens.model.store.pair import Pairs
from memlens.model.tensors import Tensors


@dataclass(frozen=True)
class Merges(Tensors):
    """The merges of one level.

    Attributes
    ----------
    contenders : Contenders [sequence, merge]
        To be stored at the next level, wanted as much as their parents were to be compressed; never merged again in this segment.
    births : Births [sequence, merge]
        The same as new entries, with their parents.
    """

    contenders: Contenders
    births: Births


def merge(
    pool: Contenders, pairs: Pairs, compressor: Compressor, level: int, first_id: Int[Tensor, "sequence"], no_agent: int
) -> Merges:
    """Merge pairs.

    Parameters
    ----------
    pool : Contenders [sequence, contender]
        Of the pairs' level.
    pairs : Pairs
        Who is merged with whom.
    compressor : Compressor
        Makes the content.
    level : int
        Of the pool; the merges are of the next.
    first_id : int [sequence]
        Id of the first merge; the others count on.
    no_agent : int
        What a merge that was not made stands for.

    Returns
    -------
    Merges
        Not valid where no pair was made.
    """
    a, b, made = pool.entries.at(pairs.first), pool.entries.at(pairs.second), pairs.made
    content = compressor.hook_merged[level](compressor.merge(torch.stack((a.content, b.content), 2)))
    number = torch.arange(made.shape[1], device=made.device)
    entries = Entries(
        content=content * made[..., None],
        prior=torch.maximum(a.prior, b.prior),
        entry=torch.where(made, first_id[:, None] + number, -1),
        age=torch.zeros_like(a.age),
        idle=torch.minimum(a.idle, b.idle),
        hits=torch.maximum(a.hits, b.hits),
        position=torch.maximum(a.position, b.position),
        start=torch.minimum(a.start, b.start),
        end=torch.maximum(a.end, b.end),
        entropy=torch.maximum(a.entropy, b.entropy),
        valid=made,
    )
    value, agent = pool.compress_value, pool.agent[..., 0]
    parents = torch.stack((agent.gather(1, pairs.first), agent.gather(1, pairs.second)), -1)
    contenders = Contenders(
        entries=entries,
        action=torch.full_like(entries.entry, int(Action.STORE)),
        keep_value=torch.maximum(value.gather(1, pairs.first), value.gather(1, pairs.second)),
        compress_value=torch.full_like(entries.prior, -torch.inf),
        agent=torch.where(made[..., None], parents, no_agent),
    )
    parent = torch.stack((a.entry, b.entry), -1).masked_fill(~made[..., None], -1)
    return Merges(contenders, Births.of(entries, level + 1, torch.full_like(entries.entry, -1), parent))
