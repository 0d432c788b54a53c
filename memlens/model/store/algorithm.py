"""The update of the store, phase by phase.

Candidates that are to RETRIEVE replace their like (absorb). Then level by level, from the freshest: those that want to stay are
ranked, and those beyond the capacity take their next best action (rank); those to be compressed are paired with their like (pair), and
stay after all where they find no partner and there is room; everyone that is kept gets a place (place); the pairs move, merged, to the
next level (merge), where they are ranked with its residents.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from memlens.config import ModelConfig
from memlens.model.compressor import Compressor
from memlens.model.entries import Births, Entries
from memlens.model.store.absorb import absorb
from memlens.model.store.contenders import Contenders, contenders
from memlens.model.store.levels import level_starts, max_merges
from memlens.model.store.merge import merge
from memlens.model.store.pair import pair
from memlens.model.store.place import place
from memlens.model.store.rank import executed, fill_room, rank
from memlens.model.tensors import Tensors


@dataclass(frozen=True)
class Update(Tensors):
    """What an update did.

    Attributes
    ----------
    store : Entries [sequence, entry]
        The store afterwards.
    action : int [sequence, agent]
        What was done with each agent.
    destination : int [sequence, agent]
        Its place in the store afterwards (of the merge for a parent), -1 when it is gone.
    births : Births [sequence, born]
        Candidates, then merges level by level.
    """

    store: Entries
    action: Tensor
    destination: Tensor
    births: Births


def update(
    cfg: ModelConfig,
    agents: Entries,
    q: Float[Tensor, "sequence agent action"],
    wanted: Int[Tensor, "sequence agent"],
    match: Float[Tensor, "sequence agent agent"],
    affinity: Float[Tensor, "sequence agent agent"],
    compressor: Compressor,
    next_id: Int[Tensor, "sequence"],
) -> Update:
    """Carry out the decisions.

    Parameters
    ----------
    cfg : ModelConfig
        Number of candidates, capacities.
    agents : Entries [sequence, agent]
        The candidates, then the residents level by level.
    q : float [sequence, agent, action]
        Nats; -inf where an action is not allowed.
    wanted : int [sequence, agent]
        The action that the controller wants.
    match : float [sequence, agent, agent]
        Cosine of keys: who replaces whom.
    affinity : float [sequence, agent, agent]
        How alike agents are: who is merged with whom.
    compressor : Compressor
        Makes the content of merges.
    next_id : int [sequence]
        Id of the first merge.

    Returns
    -------
    Update
        The store afterwards, and what was done with everyone.
    """
    n_candidate, starts, merges_to = cfg.n_slots, level_starts(cfg), [*max_merges(cfg), 0]
    absorption = absorb(cfg, contenders(agents, q, wanted), match)
    everyone = absorption.contenders
    incoming = everyone.slice(0, n_candidate)
    births = [_births_of_candidates(incoming.entries, absorption.replaced)]
    # one column more, for the parents of merges that were not made
    destination = F.pad(torch.full_like(wanted, -1), (0, 1))
    levels: list[Entries] = []
    actions: list[Tensor] = []

    for level, capacity in enumerate(cfg.capacities):
        first = n_candidate + starts[level]
        pool = everyone.slice(first, first + capacity).joined(incoming)
        ranking = rank(pool, capacity)
        pairs = pair(pool, ranking.to_compress, affinity, merges_to[level + 1])
        kept = fill_room(pool, ranking, pairs.merged, capacity)
        placement = place(pool, kept, capacity)
        levels.append(placement.level)
        destination = _noted(destination, pool, torch.where(kept, placement.place + starts[level], -1))
        done = executed(pool, kept, pairs.merged)
        actions += [done[:, capacity:], done[:, :capacity]] if level == 0 else [done[:, :capacity]]
        if merges_to[level + 1]:
            merges = merge(pool, pairs, compressor, level, next_id, no_agent=wanted.shape[1])
            incoming = merges.contenders
            births.append(merges.births)
            next_id = next_id + pairs.made.shape[1]

    return Update(
        store=levels[0].joined(*levels[1:]),
        action=torch.cat(actions, 1),
        destination=destination[:, :-1],
        births=births[0].joined(*births[1:]),
    )


def _births_of_candidates(candidates: Entries, replaced: Int[Tensor, "sequence slot"]) -> Births:
    """Every candidate is born, also one that is not kept; its parent is the resident that it replaces."""
    slot = torch.arange(replaced.shape[1], device=replaced.device).expand_as(replaced)
    return Births.of(candidates, 0, slot, torch.stack((replaced, torch.full_like(replaced, -1)), -1))


def _noted(
    destination: Int[Tensor, "sequence _"], pool: Contenders, place: Int[Tensor, "sequence contender"]
) -> Int[Tensor, "sequence _"]:
    """The destinations with those of the agents that a pool's contenders stand for."""
    return destination.scatter(1, pool.agent.flatten(1), place.repeat_interleave(2, 1))
