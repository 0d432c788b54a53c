"""The long-term store L_t: levels of fixed capacity in one entry axis, updated without a loop over rows or entries.

Level by level, from the freshest: agents that want to be kept are ranked by advantage; those beyond the capacity take their next best
action; those to be compressed are paired with their like and move, merged, to the next level.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from memlens.config import ModelConfig
from memlens.dims import Action
from memlens.model.compressor import Compressor
from memlens.model.entries import Births, Entries
from memlens.model.hooks import HookPoint
from memlens.model.layers import marked, take
from memlens.model.tensors import Tensors

#: A resident can only be consolidated into a candidate when their keys match at least this well (cosine).
CONSOLIDATE_ABOVE = 0.7
#: Rounds of mutual-best matching; each pairs at least the best pair that is left.
PAIRING_ROUNDS = 3


class Store(nn.Module):
    """Holds nothing but the hooks: the store's content is state, not weights."""

    def __init__(self):
        super().__init__()
        self.hook_entry = HookPoint()
        self.hook_content = HookPoint()


def empty_entries(n_sequence: int, n: int, width: int, device: torch.device) -> Entries:
    """Nothing held yet."""
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
    starts = [0]
    for capacity in cfg.capacities:
        starts.append(starts[-1] + capacity)
    return starts


def max_merges(cfg: ModelConfig) -> list[int]:
    """How many merges one segment can send to each level, level 0 first (none)."""
    return [0, *(capacity // 2 for capacity in cfg.capacities[1:])]


def allowed_actions(
    cfg: ModelConfig, agents: Entries, match: Tensor, level: Tensor
) -> Bool[Tensor, "sequence agent action"]:
    """DISCARD and STORE always; COMPRESS below the last level; RETRIEVE for residents, and for candidates with a like to absorb."""
    n_candidates = cfg.n_slots
    allowed = torch.ones(*agents.valid.shape, len(Action), dtype=torch.bool, device=agents.valid.device)
    allowed[..., Action.COMPRESS] = level < len(cfg.capacities) - 1
    first_level = slice(n_candidates, n_candidates + cfg.capacities[0])
    like = match[:, :n_candidates, first_level].masked_fill(~agents.valid[:, None, first_level], -1.0).amax(-1)
    allowed[:, :n_candidates, Action.RETRIEVE] = like > CONSOLIDATE_ABOVE
    return allowed


def pair_up(
    affinity: Float[Tensor, "sequence pool pool"], wants: Bool[Tensor, "sequence pool"]
) -> Int[Tensor, "sequence pool"]:
    """Partner of each (mutual best, some rounds), -1 where none was found."""
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


@dataclass(frozen=True)
class Update(Tensors):
    """The store afterwards, what was done with each agent, where it is now, and the merges made."""

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
    """Carry out the decisions. ``agents`` are the K candidates, then the residents level by level."""
    n_sequence, n_agents = agents.valid.shape
    device = agents.valid.device
    n_candidates, starts, merges_to = cfg.n_slots, level_starts(cfg), max_merges(cfg)
    keep_value = torch.maximum(q[..., Action.STORE], q[..., Action.RETRIEVE])
    next_best = torch.maximum(q[..., Action.COMPRESS], q[..., Action.DISCARD])
    advantage = keep_value - next_best
    compress_value = q[..., Action.COMPRESS] - q[..., Action.DISCARD]
    action = torch.where(agents.valid, wanted, int(Action.DISCARD))
    parent = torch.full((n_sequence, n_agents, 2), -1, dtype=torch.long, device=device)

    # a candidate that consolidates absorbs its best match of level 0
    first = slice(n_candidates, n_candidates + cfg.capacities[0])
    absorbs = agents.valid[:, :n_candidates] & (action[:, :n_candidates] == int(Action.RETRIEVE))
    like, target = match[:, :n_candidates, first].masked_fill(~agents.valid[:, None, first], -1.0).max(-1)
    absorbs = absorbs & (like > CONSOLIDATE_ABOVE)
    absorbed = marked(target, absorbs, cfg.capacities[0])
    absorbed = torch.cat((torch.zeros_like(absorbs), absorbed, torch.zeros_like(agents.valid[:, first.stop :])), 1)
    target_id = agents.entry[:, first].gather(1, target)
    parent[:, :n_candidates, 0] = torch.where(absorbs, target_id, -1)
    alive = agents.valid & ~absorbed
    # it takes the place that it frees
    advantage = torch.cat((advantage[:, :n_candidates].masked_fill(absorbs, torch.inf), advantage[:, n_candidates:]), 1)
    action = torch.where(absorbed, int(Action.RETRIEVE), action)

    # one column more, for merges that were not made to point at
    destination = torch.full((n_sequence, n_agents + 1), -1, dtype=torch.long, device=device)
    levels: list[Entries] = []
    births: list[tuple[Tensor, ...]] = []
    incoming = agents.slice(0, n_candidates)
    incoming_value = advantage[:, :n_candidates]
    #: agents that an incoming entry stands for: itself for a candidate, both parents for a merge
    stands_for = torch.arange(n_candidates, device=device).expand(n_sequence, -1)[..., None].expand(-1, -1, 2)

    for level, capacity in enumerate(cfg.capacities):
        here = slice(n_candidates + starts[level], n_candidates + starts[level + 1])
        own = torch.arange(here.start, here.stop, device=device).expand(n_sequence, -1)
        pool = agents.slice(here.start, here.stop).joined(incoming)
        fresh = level == 0
        n_incoming = incoming.valid.shape[1]
        agent = torch.cat((own, stands_for[..., 0] if fresh else torch.full_like(stands_for[..., 0], -1)), 1)
        is_agent = agent >= 0
        safe = agent.clamp_min(0)
        act = torch.where(is_agent, action.gather(1, safe), int(Action.STORE))
        value = torch.where(is_agent, advantage.gather(1, safe), torch.cat((torch.zeros_like(own), incoming_value), 1))
        squeeze = torch.where(is_agent, compress_value.gather(1, safe), -torch.inf)
        valid = pool.valid & torch.where(is_agent, alive.gather(1, safe), True)

        def rank_of(score: Tensor, among: Tensor) -> Tensor:
            order = score.masked_fill(~among, -torch.inf).argsort(dim=1, descending=True, stable=True)
            return order.argsort(1)

        keep = valid & ((act == int(Action.STORE)) | (act == int(Action.RETRIEVE)))
        keep = keep & (rank_of(value, keep) < capacity)
        over = valid & ((act == int(Action.STORE)) | (act == int(Action.RETRIEVE))) & ~keep
        wants_merge = valid & ((act == int(Action.COMPRESS)) | (over & (squeeze > 0)))
        last = level == len(cfg.capacities) - 1
        if last:
            partner = torch.full_like(agent, -1)
            n_merges = 0
        else:
            n_merges = merges_to[level + 1]
            partner = pair_up(take(take(affinity, safe).transpose(1, 2), safe).transpose(1, 2), wants_merge)
        column = torch.arange(pool.valid.shape[1], device=device)
        head = partner > column
        if n_merges:
            pair_value = torch.maximum(squeeze, squeeze.gather(1, partner.clamp_min(0)))
            n_merges = min(n_merges, pair_value.shape[1])
            _, heads = pair_value.masked_fill(~head, -torch.inf).topk(n_merges, 1)
            made = head.gather(1, heads)
            tails = partner.gather(1, heads).clamp_min(0)
            merged = marked(torch.cat((heads, tails), 1), torch.cat((made, made), 1), head.shape[1])
        else:
            heads = tails = made = None
            merged = torch.zeros_like(head)
        # compressors without a partner stay while there is room
        room = capacity - keep.sum(1, keepdim=True)
        stay = wants_merge & ~merged
        stay = stay & (rank_of(value, stay) < room)
        keep = keep | stay
        done = torch.where(merged, int(Action.COMPRESS), torch.where(keep, act, int(Action.DISCARD)))
        done = torch.where(stay & (act == int(Action.COMPRESS)), int(Action.STORE), done)
        live = is_agent & valid
        action = action.scatter(1, safe, torch.where(live, done, action.gather(1, safe)))

        # residents keep their place, incoming entries take the free ones
        kept_own, kept_in = keep[:, :capacity], keep[:, capacity:]
        free = kept_own.long().argsort(dim=1, stable=True)
        place = free.gather(1, (kept_in.long().cumsum(1) - 1).clamp(0, capacity - 1))
        source = torch.where(kept_own, torch.arange(capacity, device=device), -1)
        spare = torch.cat((source, torch.full_like(source[:, :1], -1)), 1)
        number = torch.arange(capacity, capacity + n_incoming, device=device).expand(n_sequence, -1)
        spare = spare.scatter(1, torch.where(kept_in, place, capacity), number)
        source = spare[:, :capacity]
        new = pool.at(source.clamp_min(0))
        held = source >= 0
        renewed = torch.cat((act[:, :capacity] == int(Action.RETRIEVE), torch.zeros_like(kept_in)), 1).gather(
            1, source.clamp_min(0)
        )
        new = Entries(
            content=new.content * held[..., None],
            prior=torch.where(held, new.prior, 0.0),
            entry=torch.where(held, new.entry, -1),
            age=torch.where(held & ~renewed, new.age + 1, 0.0),
            idle=torch.where(held, new.idle + 1, 0.0),
            hits=torch.where(held, new.hits, 0.0),
            position=torch.where(held, new.position, -1),
            start=torch.where(held, new.start, -1),
            end=torch.where(held, new.end, -1),
            entropy=torch.where(held, new.entropy, 0.0),
            valid=held,
        )
        levels.append(new)
        offset = starts[level]
        destination = destination.scatter(
            1,
            own,
            torch.where(kept_own, torch.arange(offset, offset + capacity, device=device), destination.gather(1, own)),
        )
        for side in range(1 if fresh else 2):
            index = stands_for[..., side]
            destination = destination.scatter(
                1, index, torch.where(kept_in, place + offset, destination.gather(1, index))
            )

        if last or heads is None or tails is None or made is None:
            break
        # the earlier of the two comes first
        later = pool.position.gather(1, heads) > pool.position.gather(1, tails)
        heads, tails = torch.where(later, tails, heads), torch.where(later, heads, tails)
        a, b = pool.at(heads), pool.at(tails)
        content = compressor.merge(torch.stack((a.content, b.content), 2))
        content = compressor.hook_merged[level](content)
        identity = torch.where(made, next_id[:, None] + torch.arange(n_merges, device=device), -1)
        next_id = next_id + n_merges
        incoming = Entries(
            content=content * made[..., None],
            prior=torch.maximum(a.prior, b.prior),
            entry=identity,
            age=torch.zeros_like(a.age),
            idle=torch.minimum(a.idle, b.idle),
            hits=torch.maximum(a.hits, b.hits),
            position=torch.maximum(a.position, b.position),
            start=torch.minimum(a.start, b.start),
            end=torch.maximum(a.end, b.end),
            entropy=torch.maximum(a.entropy, b.entropy),
            valid=made,
        )
        # a merge is worth what compressing its parents was
        incoming_value = torch.maximum(squeeze.gather(1, heads), squeeze.gather(1, tails))
        stands_for = torch.stack((agent.gather(1, heads), agent.gather(1, tails)), -1)
        stands_for = torch.where(made[..., None], stands_for, n_agents)
        births.append((
            identity, torch.full_like(identity, level + 1), torch.full_like(identity, -1),
            incoming.position, incoming.start, incoming.end,
            torch.stack((a.entry, b.entry), -1).masked_fill(~made[..., None], -1),
        ))  # fmt: skip

    candidates = agents.slice(0, n_candidates)
    slot = torch.arange(n_candidates, device=device).expand(n_sequence, -1)
    first_births = (
        torch.where(candidates.valid, candidates.entry, -1), torch.zeros_like(slot), slot,
        candidates.position, candidates.start, candidates.end, parent[:, :n_candidates],
    )  # fmt: skip
    columns = [torch.cat(parts, 1) for parts in zip(first_births, *births, strict=True)]
    store = levels[0]
    for more in levels[1:]:
        store = store.joined(more)
    return Update(store, action, destination[:, :n_agents], Births(*columns))
