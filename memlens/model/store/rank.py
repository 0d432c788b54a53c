"""Phases 2 and 4, ranking: the most wanted stay, as far as there is room; the others go on to their next best action."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from memlens.dims import Action
from memlens.model.store.contenders import Contenders
from memlens.model.tensors import Tensors


@dataclass(frozen=True)
class Ranking(Tensors):
    """Who stays, and who is to be compressed.

    Attributes
    ----------
    kept : bool [sequence, contender]
        Wants to stay, and is among the ``capacity`` most wanted.
    to_compress : bool [sequence, contender]
        By its own action, or because it is beyond the capacity and better compressed than dropped.
    """

    kept: Tensor
    to_compress: Tensor


def rank(pool: Contenders, capacity: int) -> Ranking:
    """Rank those that want to stay by ``keep_value``.

    Parameters
    ----------
    pool : Contenders [sequence, contender]
        Residents of the level, then what comes in. Equal values go by place.
    capacity : int
        Places of the level.

    Returns
    -------
    Ranking
        Who stays, and who is to be compressed; those in neither are dropped.
    """
    valid, action = pool.entries.valid, pool.action
    to_stay = valid & ((action == int(Action.STORE)) | (action == int(Action.RETRIEVE)))
    kept = to_stay & (_ranks(pool.keep_value, to_stay) < capacity)
    overflow = to_stay & ~kept
    to_compress = valid & ((action == int(Action.COMPRESS)) | (overflow & (pool.compress_value > 0)))
    return Ranking(kept, to_compress)


def fill_room(
    pool: Contenders, ranking: Ranking, merged: Bool[Tensor, "sequence contender"], capacity: int
) -> Bool[Tensor, "sequence contender"]:
    """Who is kept in the end: also the most wanted of those that found no partner, as many as there is room for.

    Parameters
    ----------
    pool : Contenders [sequence, contender]
        Residents of the level, then what comes in.
    ranking : Ranking
        Of this pool.
    merged : bool [sequence, contender]
        Who is merged.
    capacity : int
        Places of the level.

    Returns
    -------
    bool [sequence, contender]
        At most ``capacity`` in each sequence.
    """
    room = capacity - ranking.kept.sum(1, keepdim=True)
    unmerged = ranking.to_compress & ~merged
    return ranking.kept | (unmerged & (_ranks(pool.keep_value, unmerged) < room))


def executed(
    pool: Contenders, kept: Bool[Tensor, "sequence contender"], merged: Bool[Tensor, "sequence contender"]
) -> Int[Tensor, "sequence contender"]:
    """What was done with each, given what became of it.

    Parameters
    ----------
    pool : Contenders [sequence, contender]
        With the actions that were to be done.
    kept, merged : bool [sequence, contender]
        Who has a place in the level, who is merged into the next.

    Returns
    -------
    int [sequence, contender]
        COMPRESS, DISCARD, or the action by which it was kept: STORE for those that were to be compressed.
    """
    kept_by = torch.where(pool.action == int(Action.COMPRESS), int(Action.STORE), pool.action)
    done = torch.where(merged, int(Action.COMPRESS), torch.where(kept, kept_by, int(Action.DISCARD)))
    return torch.where(pool.entries.valid, done, pool.action)


def _ranks(
    value: Float[Tensor, "sequence contender"], among: Bool[Tensor, "sequence contender"]
) -> Int[Tensor, "sequence contender"]:
    """Rank by value, 0 for the highest; the others come after all ``among``."""
    order = value.masked_fill(~among, -torch.inf).argsort(dim=1, descending=True, stable=True)
    return order.argsort(1)
