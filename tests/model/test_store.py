"""The store keeps its books: capacities, identities, destinations, lineage."""

import random
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F

from memlens.config import ModelConfig
from memlens.dims import Action
from memlens.model.compressor import Compressor
from memlens.model.controller import HEURISTICS
from memlens.model.entries import Entries
from memlens.model.store import Update, allowed_actions, entry_levels, level_starts, max_merges, pair_up, update
from memlens.model.store.absorb import CONSOLIDATE_ABOVE
from tests.model.conftest import make_questions, make_segment


@pytest.mark.parametrize("policy", ["learned", *HEURISTICS])
def test_books_balance(model, policy: str) -> None:
    model.controller.policy = policy
    state = model.initial_state(2)
    born: list[set[int]] = [set(), set()]
    with torch.no_grad():
        for t in range(8):
            outputs, after = model.step(make_segment(t), state, make_questions(t) if t % 2 else None)
            d, births = outputs.decisions, outputs.births
            for b in range(2):
                new = [int(i) for i in births.entry[b] if i >= 0]
                assert not born[b] & set(new), "an identity was given twice"
                born[b] |= set(new)
                held = after.store.entry[b][after.store.valid[b]].tolist()
                assert len(held) == len(set(held)) and set(held) <= born[b]
                reached = set()
                for a in range(d.entry.shape[1]):
                    if d.entry[b, a] < 0:
                        assert d.destination[b, a] == -1
                        continue
                    there, action = int(d.destination[b, a]), int(d.action[b, a])
                    if there < 0:
                        assert action in (Action.DISCARD, Action.RETRIEVE, Action.COMPRESS)
                        continue
                    reached.add(there)
                    now = int(after.store.entry[b, there])
                    if action == Action.COMPRESS:
                        row = births.entry[b].tolist().index(now)
                        assert int(d.entry[b, a]) in births.parent[b, row].tolist()
                        assert int(births.level[b, row]) == int(d.level[b, a]) + 1
                    else:
                        assert now == int(d.entry[b, a])
                assert reached == set(torch.nonzero(after.store.valid[b]).flatten().tolist())
            state = after
    if policy != "learned":
        assert int(state.store.valid.sum()) > 2 * 6, "the deeper levels were never used"


def test_discarding_everything_empties(model) -> None:
    explore = torch.zeros(2, 20, 4)
    explore[..., Action.DISCARD] = 1e3
    with torch.no_grad():
        _, state = model.step(make_segment(0), model.initial_state(2))
        assert state.store.valid.any()
        _, state = model.step(make_segment(1), state, explore=explore)
    assert not state.store.valid.any()


def test_pairs_are_mutual_and_alike() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(3, 9, 4, generator=g)
    wants = torch.rand(3, 9, generator=g) < 0.8
    affinity = x @ x.transpose(1, 2)
    partner = pair_up(affinity, wants)
    for b in range(3):
        for i in range(9):
            j = int(partner[b, i])
            if j >= 0:
                assert int(partner[b, j]) == i and wants[b, i] and wants[b, j] and i != j
        both = wants[b][:, None] & wants[b][None] & ~torch.eye(9, dtype=torch.bool)
        best = int(affinity[b].masked_fill(~both, -torch.inf).argmax())
        assert int(partner[b, best // 9]) == best % 9, "the best pair of all was not made"


def test_unwritten_working_slots_keep_their_content(model) -> None:
    gates = []
    with torch.no_grad(), model.hooks(fwd_hooks=[("working.hook_gate", lambda x, hook: gates.append(x.clone()))]):
        state = model.initial_state(2)
        _, after = model.step(make_segment(0), state)
    unwritten = gates[0] == 1
    assert unwritten.sum() == 2 * (4 - 2)
    assert torch.equal(after.working[unwritten], state.working[unwritten])


class Case(NamedTuple):
    """What an update is given."""

    cfg: ModelConfig
    agents: Entries
    level: torch.Tensor
    q: torch.Tensor
    wanted: torch.Tensor
    match: torch.Tensor
    affinity: torch.Tensor
    compressor: Compressor

    def update(self) -> Update:
        n = self.agents.valid.shape[0]
        with torch.no_grad():
            return update(
                self.cfg, self.agents, self.q, self.wanted, self.match, self.affinity, self.compressor,
                torch.full((n,), 10_000),
            )  # fmt: skip


def make_case(seed: int) -> Case:
    """Random sizes (also level 0 of one place), stores from empty to full, values with ties, candidates with and without a like."""
    draw, g = random.Random(seed), torch.Generator().manual_seed(seed)
    capacities = (draw.choice([1, 2, 3, 5, 8]), *(draw.choice([2, 3, 4, 7]) for _ in range(draw.choice([2, 3]))))
    n_slots, n_sequence, width = draw.choice([1, 2, 5, 8]), draw.choice([1, 3]), 6
    # a level of one place is less than a config takes, but the update can do it
    cfg = ModelConfig(d_model=width, n_slots=n_slots).model_copy(update={"capacities": capacities})
    n = n_slots + sum(capacities)
    shape = n_sequence, n
    valid = torch.rand(shape, generator=g) < draw.choice([0.0, 0.5, 1.0])
    valid[:, :n_slots] = torch.rand(n_sequence, n_slots, generator=g) < draw.choice([0.0, 0.5, 1.0])
    ids = torch.stack([torch.randperm(1000, generator=g)[:n] for _ in range(n_sequence)])
    position = torch.randint(0, 500, shape, generator=g)
    agents = Entries(
        content=torch.randn(*shape, width, generator=g),
        prior=-torch.rand(shape, generator=g),
        entry=torch.where(valid, ids, -1),
        age=torch.randint(0, 9, shape, generator=g).float(),
        idle=torch.randint(0, 9, shape, generator=g).float(),
        hits=torch.rand(shape, generator=g),
        position=position,
        start=position - 3,
        end=position + 1,
        entropy=torch.rand(shape, generator=g),
        valid=valid,
    )
    keys = torch.randn(*shape, width, generator=g)
    if draw.random() < 0.5:
        keys[:, :n_slots] = keys[:, n_slots : n_slots + 1]
    keys = F.normalize(keys, dim=-1)
    match = keys @ keys.transpose(1, 2)
    level = torch.cat((torch.zeros(n_slots, dtype=torch.long), entry_levels(cfg))).expand(shape)
    allowed = allowed_actions(cfg, agents, match, level)
    policy = draw.choice(["rounded", "any", *["consolidate"] * 4, *HEURISTICS])
    if policy in HEURISTICS:
        score = HEURISTICS[policy](agents)
        q = torch.stack((score, score / 2, torch.full_like(score, -1), torch.zeros_like(score)), -1)
    else:
        q = torch.randn(*shape, len(Action), generator=g)
        q = q.round() if policy == "rounded" else q
        q[:, :n_slots, Action.RETRIEVE] += 2.0 * (policy == "consolidate")
    q = q.masked_fill(~allowed, -torch.inf)
    torch.manual_seed(seed)
    return Case(cfg, agents, level, q, q.argmax(-1), match, match, Compressor(cfg))


@pytest.mark.parametrize("seed", range(60))
def test_whatever_the_decisions_the_store_keeps_its_books(seed: int) -> None:
    case = make_case(seed)
    cfg, agents, done = case.cfg, case.agents, case.update()
    store, action, destination, n_slots = done.store, done.action, done.destination, case.cfg.n_slots
    starts, n_merges = level_starts(cfg), max_merges(cfg)
    entry_level = entry_levels(cfg)
    assert store.valid.shape[1] == starts[-1] and torch.equal(store.valid, store.entry >= 0)
    for b in range(len(action)):
        held = store.entry[b][store.valid[b]].tolist()
        assert len(held) == len(set(held)), "an entry is in two places"
        for entry, place in zip(agents.entry[b].tolist(), destination[b].tolist(), strict=True):
            assert entry >= 0 or place == -1, "what is not there went somewhere"
        live = agents.valid[b]
        kept = live & (destination[b] >= 0) & (action[b] != Action.COMPRESS)
        assert torch.equal(store.entry[b, destination[b, kept]], agents.entry[b, kept])
        assert torch.equal(store.content[b, destination[b, kept]], agents.content[b, kept])
        assert torch.equal(entry_level[destination[b, kept]], case.level[b, kept]), "it moved without a merge"
        residents = kept.nonzero().squeeze(-1)
        residents = residents[residents >= n_slots]
        assert torch.equal(destination[b, residents], residents - n_slots), "a resident was moved"
        gone = live & (destination[b] < 0)
        replaced = set(done.births.parent[b, :n_slots, 0].tolist()) - {-1}
        by_candidate = torch.tensor([int(e) in replaced for e in agents.entry[b]])
        assert bool(((action[b] == Action.DISCARD) | (action[b] == Action.COMPRESS) | by_candidate)[gone].all())
        assert bool((action[b][live & by_candidate] == Action.RETRIEVE).all())
        # merges
        made = (done.births.level[b] > 0) & (done.births.entry[b] >= 0)
        parents = done.births.parent[b, made].flatten().tolist()
        merged = agents.entry[b][live & (action[b] == Action.COMPRESS)].tolist()
        assert sorted(parents) == sorted(merged), "merged once each, and nobody else"
        for level, most in enumerate(n_merges):
            assert int((made & (done.births.level[b] == level)).sum()) <= most
        for i in made.nonzero().squeeze(-1).tolist():
            first, second = (int((agents.entry[b] == p).nonzero()) for p in done.births.parent[b, i])
            assert agents.position[b, first] <= agents.position[b, second], "the earlier parent comes first"
            assert case.level[b, first] == case.level[b, second] == done.births.level[b, i] - 1
            assert destination[b, first] == destination[b, second]
            assert done.births.start[b, i] == agents.start[b, [first, second]].min()
            assert done.births.end[b, i] == agents.end[b, [first, second]].max()
        # nobody is dropped for want of room who is wanted more than one that stays by its own wish
        wish = live & (
            (case.wanted[b] == Action.STORE)
            | ((case.wanted[b] == Action.RETRIEVE) & (torch.arange(len(live)) >= n_slots))
        )
        value = torch.maximum(case.q[b, :, Action.STORE], case.q[b, :, Action.RETRIEVE])
        value = value - torch.maximum(case.q[b, :, Action.COMPRESS], case.q[b, :, Action.DISCARD])
        for level in range(len(cfg.capacities)):
            at = wish & (case.level[b] == level) & ~by_candidate
            stays, leaves = value[at & kept], value[at & ~kept]
            assert not len(stays) or not len(leaves) or float(leaves.max()) <= float(stays.min())


def test_a_candidate_takes_the_place_of_its_like() -> None:
    found = 0
    for seed in range(60):
        case = make_case(seed)
        cfg, done = case.cfg, case.update()
        for b, slot in (done.births.parent[:, : cfg.n_slots, 0] >= 0).nonzero().tolist():
            resident = int((case.agents.entry[b] == done.births.parent[b, slot, 0]).nonzero())
            assert cfg.n_slots <= resident < cfg.n_slots + cfg.capacities[0]
            assert float(case.match[b, slot, resident]) > CONSOLIDATE_ABOVE
            assert int(done.destination[b, resident]) == -1
            found += 1
    assert found > 10


def test_sequences_are_updated_independently() -> None:
    """A sequence yields the same alone, and beside others."""
    for seed in range(20):
        case = make_case(seed)
        together = case.update()
        for b in range(len(case.wanted)):
            row = slice(b, b + 1)
            alone = case._replace(
                agents=case.agents.map(lambda x, row=row: x[row]), q=case.q[row], wanted=case.wanted[row],
                match=case.match[row], affinity=case.affinity[row],
            ).update()  # fmt: skip
            for name, tensor in alone.flat().items():
                torch.testing.assert_close(together.flat()[name][row], tensor, rtol=1e-5, atol=1e-6, msg=name)
