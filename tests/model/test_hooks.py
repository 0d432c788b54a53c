"""Hooks in time: names, places, segments, gradients and caches."""

from typing import Any

import pytest
import torch
from torch import Tensor

import memlens
from memlens.errors import ModelError, PointError
from memlens.model.cache import TemporalCache
from memlens.model.hooks import HookPoint, at
from memlens.model.model import MemoryModel

SLOT = "context.hook_slot"


@pytest.fixture
def stream(model: MemoryModel) -> Any:
    """Four segments of the tiny model, with questions."""
    n_token = max(1000, 4 * model.cfg.segment_length)
    return memlens.named_stream("builtin", n_token=n_token, seed=0).encode(model.tokenizer)


def test_a_cache_of_a_stream_has_an_axis_of_segments(model: MemoryModel, stream: Any) -> None:
    n = stream.n_segment(model.cfg.segment_length)
    (outputs, _), cache = model.run_with_cache(stream)
    assert isinstance(cache, TemporalCache) and len(outputs) == n
    assert cache.segments(SLOT) == list(range(n))
    assert cache[SLOT].shape == (n, 1, model.cfg.n_slots, model.cfg.d_model)
    for t in (0, n - 1):
        assert torch.equal(cache[SLOT, t], outputs[t].slot)
        assert torch.equal(cache[SLOT, t, 2], outputs[t].slot[:, 2])
        assert torch.equal(cache[SLOT][t], cache[SLOT, t])


def test_a_cache_of_one_segment_is_as_transformer_lens_has_it(model: MemoryModel) -> None:
    token = torch.arange(2 * 20).view(2, 20) + 5
    logits, cache = model.run_with_cache(token)
    assert logits.shape == (2, 20, model.cfg.vocab_size)
    assert isinstance(cache, dict) and cache["hook_hidden"].shape == (2, 20, model.cfg.d_model)
    assert torch.equal(cache["lm_head.hook_logits"], logits)
    _, some = model.run_with_cache(token, names_filter=SLOT)
    assert list(some) == [SLOT]
    _, sliced = model.run_with_cache(token, names_filter=["hook_hidden", SLOT], pos_slice=(3, 6))
    assert torch.equal(sliced["hook_hidden"], cache["hook_hidden"][:, 3:6])
    assert torch.equal(sliced[SLOT], cache[SLOT])
    _, one = model.run_with_cache(token[:1], remove_batch_dim=True)
    assert one["hook_hidden"].shape == (20, model.cfg.d_model)


def test_hooks_know_their_segment(model: MemoryModel, stream: Any) -> None:
    seen: list[int] = []
    model.run_with_hooks(stream, fwd_hooks=[(SLOT, lambda x, hook: seen.append(hook.segment))])
    assert seen == list(range(stream.n_segment(model.cfg.segment_length)))


def test_an_address_edits_one_place(model: MemoryModel, stream: Any) -> None:
    def negate(x: Tensor, hook: HookPoint) -> Tensor:
        assert x.shape == (1, model.cfg.d_model) and hook.segment == 2
        return -x

    (before, _), _ = model.run_with_cache(stream, names_filter=SLOT)
    after, _ = model.run_with_hooks(stream, fwd_hooks=[(at(SLOT, segment=2, slot=1), negate)])
    assert torch.equal(before[1].slot, after[1].slot)
    assert torch.equal(-before[2].slot[:, 1], after[2].slot[:, 1])
    assert torch.equal(before[2].slot[:, 2:], after[2].slot[:, 2:])


@pytest.mark.parametrize("segments", [range(1, 3), slice(1, 3), [1, 2]])
def test_addresses_of_several_segments(model: MemoryModel, stream: Any, segments: Any) -> None:
    seen: list[int] = []
    model.run_with_hooks(stream, fwd_hooks=[(at(SLOT, segment=segments), lambda x, hook: seen.append(hook.segment))])
    assert seen == [1, 2]


def test_gradients_are_those_of_their_own_segment(model: MemoryModel, stream: Any) -> None:
    loss, cache = model.run_with_cache(stream, names_filter=["working.hook_slot"], incl_bwd=True, return_type="loss")
    assert loss.dim() == 0
    held: dict[int, Tensor] = {}

    def hold(x: Tensor, hook: HookPoint) -> None:
        x.retain_grad()
        held[hook.segment] = x

    model.zero_grad()
    model.run_with_hooks(stream, fwd_hooks=[("working.hook_slot", hold)], return_type="loss").backward()
    given = {t: x.grad for t, x in held.items() if x.grad is not None}
    assert cache.segments("working.hook_slot_grad") == sorted(given) and len(given) > 1
    for t, gradient in given.items():
        assert torch.equal(cache["working.hook_slot_grad", t], gradient)


def test_cached_tensors_are_copies(model: MemoryModel, stream: Any) -> None:
    def spoil(x: Tensor, hook: HookPoint) -> None:
        x.zero_()

    cache, forwards, _ = model.get_caching_hooks(SLOT)
    with torch.no_grad():
        model.run_with_hooks(stream, fwd_hooks=[*forwards, (SLOT, spoil)])
    assert float(cache[SLOT].abs().sum()) > 0


WRONG_NAMES: dict[str, tuple[Any, str]] = {
    "unknown": ("context.hook_slto", "closest: context.hook_slot"),
    "a module": ("context", "no hook point is called 'context'"),
    "a function that chooses none": (lambda name: False, "chose none"),
    "an axis that is not there": (at(SLOT, entry=3), "no axis 'entry'; it has sequence, slot, feature"),
}


@pytest.mark.parametrize(("name", "message"), WRONG_NAMES.values(), ids=WRONG_NAMES)
def test_wrong_names(model: MemoryModel, name: Any, message: str) -> None:
    def nothing(x: Tensor, hook: HookPoint) -> None: ...

    with pytest.raises(PointError, match=message), model.hooks(fwd_hooks=[(name, nothing)]):
        pass
    with pytest.raises(PointError, match=message):
        model.add_hook(name, nothing)
    assert model.context_level == 0 and not model.list_hooks()


def test_places_outside_of_a_point(model: MemoryModel, stream: Any) -> None:
    far = at(SLOT, slot=10_000)
    with pytest.raises(PointError, match="outside of its shape there"):
        model.run_with_hooks(stream, fwd_hooks=[(far, lambda x, hook: None)])
    assert not model.list_hooks()


def test_what_a_cache_does_not_have(model: MemoryModel, stream: Any) -> None:
    _, cache = model.run_with_cache(stream)
    asking = cache.segments("decoder.hook_logits")[0]
    assert len(cache.firings("decoder.hook_logits", asking)) > 1
    for key, message in {
        "hook_hiden": "closest: hook_hidden",
        (SLOT, 99): "did not fire in segment 99",
        ("decoder.hook_logits", asking): "take one of cache.firings",
        ("importance.hook_score", 0, 1): "has no slots",
    }.items():
        with pytest.raises(PointError, match=message):
            cache[key]


@pytest.mark.parametrize("given", [3, [], torch.zeros(2, 3), torch.zeros(1, 2, 3).long(), [1, 2], ["a", "a b c d e f"]])
def test_nothing_to_read(model: MemoryModel, given: Any) -> None:
    with pytest.raises(ModelError, match="expected"):
        model(given)
