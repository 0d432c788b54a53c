"""Phase 5, placing: residents keep their place, what comes in takes the free ones."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from memlens.dims import Action
from memlens.model.entries import Entries
from memlens.model.indexing import take
from memlens.model.store.contenders import Contenders
from memlens.model.tensors import Tensors


@dataclass(frozen=True)
class Placement(Tensors):
    """A level after the update.

    Attributes
    ----------
    level : Entries [sequence, entry]
        What the level holds, one segment older.
    place : int [sequence, contender]
        Where in the level each contender is, -1 when it is not there.
    """

    level: Entries
    place: Tensor


def place(pool: Contenders, kept: Bool[Tensor, "sequence contender"], capacity: int) -> Placement:
    """Give everyone that is kept its place.

    Parameters
    ----------
    pool : Contenders [sequence, contender]
        Residents of the level, ``capacity`` of them, then what comes in.
    kept : bool [sequence, contender]
        At most ``capacity`` in each sequence.
    capacity : int
        Places of the level.

    Returns
    -------
    Placement
        The level, and where everyone is.
    """
    n_sequence, n_contender = kept.shape
    resident, incoming = kept[:, :capacity], kept[:, capacity:]
    number = torch.arange(n_contender, device=kept.device)
    # the n-th that comes in takes the n-th free place
    free = resident.long().argsort(dim=1, stable=True)
    to = free.gather(1, (incoming.long().cumsum(1) - 1).clamp(0, capacity - 1))
    # one place more, for those that get none
    source = torch.cat((torch.where(resident, number[:capacity], -1), number.new_full((n_sequence, 1), -1)), 1)
    source = source.scatter(1, torch.where(incoming, to, capacity), number[capacity:].expand(n_sequence, -1))
    source = source[:, :capacity]
    was_retrieved = (pool.action == int(Action.RETRIEVE)) & (number < capacity)
    index = source.clamp_min(0)
    return Placement(
        level=_aged(pool.entries.at(index), source >= 0, take(was_retrieved, index)),
        place=torch.cat((torch.where(resident, number[:capacity], -1), torch.where(incoming, to, -1)), 1),
    )


def _aged(entries: Entries, held: Bool[Tensor, "sequence entry"], renewed: Bool[Tensor, "sequence entry"]) -> Entries:
    """The same one segment later; a place that holds nothing is empty, and what was renewed has age 0."""
    return Entries(
        content=entries.content * held[..., None],
        prior=torch.where(held, entries.prior, 0.0),
        entry=torch.where(held, entries.entry, -1),
        age=torch.where(held & ~renewed, entries.age + 1, 0.0),
        idle=torch.where(held, entries.idle + 1, 0.0),
        hits=torch.where(held, entries.hits, 0.0),
        position=torch.where(held, entries.position, -1),
        start=torch.where(held, entries.start, -1),
        end=torch.where(held, entries.end, -1),
        entropy=torch.where(held, entries.entropy, 0.0),
        valid=held,
    )
