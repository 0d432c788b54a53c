"""Gradients in time: each in its own segment and firing, in hooks and in caches."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from memlens.model.cache import TemporalCache
from memlens.model.hooks import HookPoint, at
from memlens.model.model import MemoryModel
from memlens.streams import EncodedStream
from tests.model.conftest import SMALL, make_model, make_questions, make_segment

SLOT, WORKING, LOGITS = "context.hook_slot", "working.hook_slot", "decoder.hook_logits"


@pytest.fixture
def model() -> MemoryModel:
    """Short answers: generation takes most of a small model's time."""
    return make_model(SMALL.model_copy(update={"max_answer": 4}))


def fold_loss(model: MemoryModel, n_segment: int) -> Tensor:
    """Loss of the last of some segments alone, with questions asked there, by ``step``."""
    state = model.initial_state(2)
    for t in range(n_segment - 1):
        _, state = model.step(make_segment(t), state)
    outputs, _ = model.step(make_segment(n_segment - 1), state, make_questions(0))
    assert outputs.answers is not None
    return outputs.nats.sum() + outputs.answers.loss.sum()


def holding(held: dict[tuple[str, int, int], Tensor]) -> Callable[..., None]:
    """Torch's own way to a gradient: the tensor keeps it."""

    def hold(x: Tensor, hook: HookPoint) -> None:
        if x.requires_grad:
            x.retain_grad()
            held[str(hook.name), hook.segment, hook.firing] = x

    return hold


def same_gradients(cache: TemporalCache, held: dict[tuple[str, int, int], Tensor]) -> int:
    """How many there are; all of those that torch kept are in the cache, in their own place, and no others."""
    grads = {place: x.grad for place, x in held.items() if x.grad is not None}
    for (name, segment, _), gradient in grads.items():
        others = sorted(f for n, t, f in grads if (n, t) == (name, segment))
        kept = cache.firings(f"{name}_grad", segment)
        assert len(kept) == len(others)
        assert any(torch.equal(one, gradient) for one in kept)
    cached = {(name, t) for name in cache if name.endswith("_grad") for t in cache.segments(name)}
    assert cached == {(f"{name}_grad", t) for name, t, _ in grads}
    return len(grads)


def test_gradients_are_those_of_their_own_segment(model: MemoryModel, stream: EncodedStream) -> None:
    """Of all points, by run_with_cache, over a graph that spans the stream."""
    loss, cache = model.run_with_cache(stream, incl_bwd=True, return_type="loss")
    held: dict[tuple[str, int, int], Tensor] = {}
    model.zero_grad()
    again = model.run_with_hooks(stream, fwd_hooks=[(lambda name: True, holding(held))], return_type="loss")
    again.backward()
    assert loss.dim() == 0 and torch.equal(loss, again)
    assert same_gradients(cache, held) > 60
    assert cache.segments(f"{WORKING}_grad") == [0, 1]  # the last one is read by nobody
    assert cache[f"{WORKING}_grad"].shape == cache[WORKING][:2].shape
    assert torch.equal(cache[f"{WORKING}_grad", 1, 2], held[WORKING, 1, 0].grad[:, 2])  # type: ignore[index]


def test_state_that_is_passed_on_keeps_the_graph(model: MemoryModel) -> None:
    held: dict[tuple[str, int, int], Tensor] = {}
    cache, forwards, backwards = model.get_caching_hooks([WORKING, SLOT, "blocks.0.hook_state"], incl_bwd=True)
    told: list[tuple[str, int]] = []

    def tell(gradient: Tensor, hook: HookPoint) -> None:
        told.append((str(hook.name), hook.segment))

    hooks = [
        *forwards,
        *((name, holding(held)) for name in cache.axes if name in (WORKING, SLOT, "blocks.0.hook_state")),
    ]
    with model.hooks(fwd_hooks=hooks, bwd_hooks=[*backwards, (WORKING, tell), (SLOT, tell)]):
        fold_loss(model, 4).backward()
    assert same_gradients(cache, held) >= 8
    # only the last segment has a loss: all before it reach it through the state
    assert {t for name, t in told if name == WORKING} == {0, 1, 2} and (SLOT, 3) in told
    assert model.hook_dict[WORKING].segment == 0


def test_gradients_of_several_firings(model: MemoryModel) -> None:
    """A loss on what generation computed: every firing has its own gradient, in the order of the firings."""
    outs: list[Any] = []
    cache, forwards, backwards = model.get_caching_hooks(LOGITS, incl_bwd=True)
    seen: list[int] = []
    model.decoder.register_forward_hook(lambda module, given, out: outs.append(out))
    with model.hooks(fwd_hooks=forwards, bwd_hooks=[*backwards, (LOGITS, lambda x, hook: seen.append(hook.firing))]):
        model(make_segment(0), questions=make_questions(0))
        torch.stack([((2 + i) * x).sum() for i, x in enumerate(outs) if i != 1]).sum().backward()
    numbers = [i for i in range(len(outs)) if i != 1]
    assert sorted(seen) == numbers and len(numbers) > 2
    kept = cache.firings(f"{LOGITS}_grad", 0)
    assert [float(x.mean()) for x in kept] == [2.0 + i for i in numbers]
    assert [x.shape for x in kept] == [outs[i].shape for i in numbers]


def test_addresses_in_backward_hooks(model: MemoryModel) -> None:
    """The gradient of one slot in one segment is stopped there; the rest is as it was."""

    def stop(gradient: Tensor, hook: HookPoint) -> tuple[Tensor]:
        assert gradient.shape == (2, model.cfg.d_model) and hook.segment == 1
        return (torch.zeros_like(gradient),)

    def before(hooks: list[Any]) -> dict[int, Tensor]:
        seen: dict[int, Tensor] = {}
        # the candidate comes before the slots it is mixed into
        note = ("working.hook_candidate", lambda x, hook: seen.__setitem__(hook.segment, x.clone()))
        with model.hooks(bwd_hooks=[*hooks, note]):
            fold_loss(model, 3).backward()
        return seen

    plain, stopped = before([]), before([(at(WORKING, segment=1, slot=2), stop)])
    assert plain[1][:, 2].any() and not stopped[1][:, 2].any()
    others = [i for i in range(model.cfg.working_slots) if i != 2]
    assert torch.equal(plain[1][:, others], stopped[1][:, others])
    model.add_hook(at(WORKING, segment=1, slot=2, sequence=0), lambda x, hook: x * 0, dir="bwd")
    one = before([])
    assert not one[1][0, 2].any() and torch.equal(one[1][1, 2], plain[1][1, 2])


def test_backward_twice_is_kept_once(model: MemoryModel) -> None:
    cache, forwards, backwards = model.get_caching_hooks(WORKING, incl_bwd=True)
    with model.hooks(fwd_hooks=forwards, bwd_hooks=backwards):
        loss = fold_loss(model, 2)
        loss.backward(retain_graph=True)
        (2 * loss).backward()
    assert len(cache.firings(f"{WORKING}_grad", 0)) == 1
