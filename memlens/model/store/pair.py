"""Phase 3, pairing: entries to be compressed find their like."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from memlens.model.indexing import marked, take
from memlens.model.store.contenders import Contenders
from memlens.model.tensors import Tensors

#: Rounds of mutual-best matching; each pairs at least the best pair that is left.
PAIRING_ROUNDS = 3


@dataclass(frozen=True)
class Pairs(Tensors):
    """Pairs of a pool that are merged.

    Attributes
    ----------
    first, second : int [sequence, merge]
        Places in the pool; the first was picked earlier in the stream, or at the same position.
    made : bool [sequence, merge]
        Where there is a pair; the others point anywhere.
    merged : bool [sequence, contender]
        Who is in a pair.
    """

    first: Tensor
    second: Tensor
    made: Tensor
    merged: Tensor


def pair(
    pool: Contenders,
    to_compress: Bool[Tensor, "sequence contender"],
    affinity: Float[Tensor, "sequence agent agent"],
    most: int,
) -> Pairs:
    """Pair those that are to be compressed; of the pairs, make those that are best compressed.

    Parameters
    ----------
    pool : Contenders [sequence, contender]
        Residents of the level, then what comes in.
    to_compress : bool [sequence, contender]
        Who looks for a partner; never a merge that has just come in.
    affinity : float [sequence, agent, agent]
        How alike agents are.
    most : int
        At most so many pairs; 0 at the last level, which has no next.

    Returns
    -------
    Pairs
        ``merge`` is at most ``most`` long.
    """
    if not most:
        nowhere = pool.action[:, :0]
        return Pairs(nowhere, nowhere, nowhere.bool(), torch.zeros_like(to_compress))
    # a merge looks for no partner: any agent's affinity will do for it
    agent = pool.agent[..., 0].clamp_max(affinity.shape[1] - 1)
    partner = pair_up(take(take(affinity, agent).transpose(1, 2), agent).transpose(1, 2), to_compress)
    n_contender = partner.shape[1]
    # each pair once, at the place of its lower member
    head = partner > torch.arange(n_contender, device=partner.device)
    value = torch.maximum(pool.compress_value, pool.compress_value.gather(1, partner.clamp_min(0)))
    _, heads = value.masked_fill(~head, -torch.inf).topk(min(most, n_contender), 1)
    tails, made = partner.gather(1, heads).clamp_min(0), head.gather(1, heads)
    merged = marked(torch.cat((heads, tails), 1), torch.cat((made, made), 1), n_contender)
    position = pool.entries.position
    later = position.gather(1, heads) > position.gather(1, tails)
    return Pairs(torch.where(later, tails, heads), torch.where(later, heads, tails), made, merged)


def pair_up(
    affinity: Float[Tensor, "sequence contender contender"], wants: Bool[Tensor, "sequence contender"]
) -> Int[Tensor, "sequence contender"]:
    """Pair by mutual best, in some rounds.

    Parameters
    ----------
    affinity : float [sequence, contender, contender]
        How alike two are.
    wants : bool [sequence, contender]
        Who looks for a partner.

    Returns
    -------
    int [sequence, contender]
        The partner's place, -1 where none was found.
    """
    n = affinity.shape[-1]
    here = torch.arange(n, device=affinity.device)
    partner = torch.full_like(wants, -1, dtype=torch.long)
    for _ in range(PAIRING_ROUNDS):
        possible = wants[:, None] & wants[..., None] & (here[:, None] != here)
        best_value, best = affinity.masked_fill(~possible, -torch.inf).max(-1)
        mutual = (best.gather(1, best) == here) & (best_value > -torch.inf)
        partner = torch.where(mutual, best, partner)
        wants = wants & ~mutual
    return partner
