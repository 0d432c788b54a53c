"""Reads: what is marked as not the last word, parts of compressed entries, nothing lost by leaving out what is not there."""

import pytest
import torch

from memlens.model.layers import NEVER
from memlens.model.retrieval import SUPERSEDED
from memlens.model.state import Memory
from tests.model.conftest import SMALL, make_questions, make_segment

D = SMALL.d_model


def memory_of(position: list[int], level: list[int], seed: int = 0) -> Memory:
    n = len(position)
    content = torch.randn(1, n, D, generator=torch.Generator().manual_seed(seed))
    zeros, whole = torch.zeros(1, n), torch.arange(n)[None]
    at = torch.tensor([position])
    return Memory(content, zeros, torch.tensor([level]), zeros, at, at, whole, torch.full_like(whole, 2), whole >= 0)


def read_of(model, memory: Memory):
    query = torch.randn(1, 1, D, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        return model.retrieval(query, memory, model.compressor)


def test_what_is_not_the_last_word_is_marked_however_long_ago_it_was(model) -> None:
    with torch.no_grad():
        model.retrieval.superseded.fill_(100.0)
    position = [70, 10, 500, 40]
    near = read_of(model, memory_of(position, [0] * 4))
    far = read_of(model, memory_of([p * 1000 for p in position], [0] * 4))
    torch.testing.assert_close(near.content, far.content)
    weight = near.bias[0, 0].exp()
    for place, entry in enumerate(near.index[0, 0].tolist()):
        others = zip(near.index[0, 0].tolist(), weight.tolist(), strict=True)
        later = sum(w for other, w in others if position[other] > position[entry])
        assert abs(float(near.content[0, 0, place].mean()) - 100 * later / (later + SUPERSEDED)) < 1


def test_a_read_holds_the_parts_of_each_entry_and_no_more(model) -> None:
    level = [0, 1, 2, 0]
    read = read_of(model, memory_of([1, 2, 3, 4], level))
    there = read.bias[0, 0] > NEVER / 2
    assert read.content.shape[2] == int(there.sum()) == sum(2**i for i in level)
    assert abs(float(read.bias[0, 0, there].exp().sum()) - 1) < 1e-5
    assert abs(float(read.weight.sum()) - 1) < 1e-5


def test_a_merge_is_found_by_the_key_of_each_of_its_parts(model) -> None:
    """Its logit is what its reconstructed parts would have together, each as an entry of its own."""
    memory = memory_of([10, 40], [1, 0])
    query = torch.randn(1, 1, D, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        parts = model.compressor.expand(memory.content[:, 0])
        merged = model.retrieval(query, memory, model.compressor)
        alone = memory_of([10, 40], [0, 0])
        single = model.retrieval(query, Memory(**{**alone.__dict__, "content": parts}), model.compressor)
    torch.testing.assert_close(merged.logits[..., 0], single.logits.logsumexp(-1))
    assert merged.content.shape[2] == 3 and float(merged.bias[0, 0].exp().sum()) == pytest.approx(1)


def test_parts_lie_between_the_first_and_the_last_of_a_merge() -> None:
    memory = memory_of([90, 90, 90], [0, 1, 2])
    memory = Memory(**{**memory.__dict__, "first": torch.tensor([[90, 30, 30]])})
    assert memory.part_positions(2, 2)[0].tolist() == [[90, 90, 90, 90], [30, 90, 90, 90], [30, 50, 70, 90]]


def test_an_empty_memory_can_be_asked(model) -> None:
    memory = memory_of([1, 2], [0, 0])
    nothing = Memory(**{**memory.__dict__, "valid": torch.zeros(1, 2, dtype=torch.bool)})
    read = read_of(model, nothing)
    assert (read.bias <= NEVER / 2).all() and torch.isfinite(read.content).all()


def test_the_earlier_parent_comes_first_in_a_merge(model) -> None:
    """Swapping the places of two entries in the store does not change what their merge is."""
    seen = []
    hook = model.compressor.down.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    state = model.initial_state(2)
    with torch.no_grad():
        for t in range(6):
            outputs, after = model.step(make_segment(t), state, make_questions(t))
            births = outputs.births
            position = {int(e): int(p) for e, p in zip(state.store.entry[0], state.store.position[0], strict=True)}
            position |= {int(e): int(p) for e, p in zip(births.entry[0], births.position[0], strict=True)}
            for entry, level, parents in zip(births.entry[0], births.level[0], births.parent[0], strict=True):
                if entry >= 0 and level > 0:
                    first, second = (position[int(p)] for p in parents)
                    assert first <= second
            state = after
    hook.remove()
    assert seen, "nothing was merged"


def test_time_stands_still_for_old_entries(model) -> None:
    """The controller sees an entry of a million segments as one of the oldest that it learned from."""
    from memlens.model.controller import LONGEST, control_features

    state = model.initial_state(1)
    with torch.no_grad():
        for t in range(3):
            _, state = model.step(make_segment(t, 1), state)
    store = state.store
    level, occupancy = model.entry_level.expand_as(store.entry), torch.ones(1, 3)
    keys = model.retrieval.keys(store.content)

    def features(age: float) -> torch.Tensor:
        old = type(store)(**{**store.__dict__, "age": torch.full_like(store.age, age)})
        return control_features(old, keys, 0, level, occupancy, torch.full((1,), age))[0]

    torch.testing.assert_close(features(LONGEST), features(1e6))
    assert not torch.equal(features(LONGEST), features(2.0))
