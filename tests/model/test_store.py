"""The store keeps its books: capacities, identities, destinations, lineage."""

import pytest
import torch

from memlens.dims import Action
from memlens.model.controller import HEURISTICS
from memlens.model.store import pair_up
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
