"""The contract of hooks that stay, of caching hooks by hand, and what people do with them: see test_hook_contract.py."""

import copy
import io
import logging
from typing import Any

import pytest
import torch
from torch import Tensor
from transformer_lens import ActivationCache, HookedRootModule
from transformer_lens.hook_points import HookPoint

from .stranger import FIRST, LAST, TOKENS, attached, nothing, noting, zero

# hooks that stay


def test_add_and_reset(lens: HookedRootModule) -> None:
    seen: list[Any] = []
    lens.add_hook(FIRST, noting(seen, "temporary"))
    lens.add_perma_hook(LAST, noting(seen, "permanent"))
    lens.add_hook(lambda name: name == LAST, noting(seen, "also"), is_permanent=True)
    lens(TOKENS)
    assert seen == ["temporary", "permanent", "also"]
    lens.reset_hooks()
    assert list(lens.list_hooks()) == [LAST] and lens.list_hooks(including_permanent=False) == {}
    with lens.hooks(fwd_hooks=[(FIRST, nothing)]):
        pass
    assert attached(lens) == 2
    lens.reset_hooks(including_permanent=True)
    assert attached(lens) == 0


def test_reset_by_level_and_direction(lens: HookedRootModule) -> None:
    for level in (1, 2):
        for direction in ("fwd", "bwd"):
            lens.add_hook(FIRST, nothing, dir=direction, level=level)
    point = lens.hook_dict[FIRST]
    lens.reset_hooks(direction="bwd", level=2)
    assert [h.context_level for h in point.fwd_hooks] == [1, 2] and [h.context_level for h in point.bwd_hooks] == [1]
    lens.reset_hooks(direction="fwd")
    assert not point.fwd_hooks and point.has_hooks("bwd") and not point.has_hooks("bwd", level=2)
    lens.remove_all_hook_fns(level=1)
    assert not point.has_hooks()
    with pytest.raises(ValueError, match="Invalid direction"):
        point.add_hook(nothing, dir="sideways")  # type: ignore[arg-type]


@pytest.mark.parametrize("direction", ["fwd", "bwd"])
def test_prepend(lens: HookedRootModule, direction: Any) -> None:
    seen: list[Any] = []
    for what, prepend in (("a", False), ("b", False), ("c", True)):
        lens.add_hook(FIRST, noting(seen, what), dir=direction, prepend=prepend)
    lens(TOKENS, return_type="loss").backward()
    assert seen == ["c", "a", "b"]
    handles = lens.list_hooks(FIRST, direction)[FIRST]
    seen.clear()
    for handle in handles:
        assert handle.user_hook is not None
        handle.user_hook(TOKENS, hook=lens.hook_dict[FIRST])
    assert seen == ["c", "a", "b"]


def test_list_hooks(lens: HookedRootModule) -> None:
    lens.add_hook(FIRST, nothing)
    lens.add_hook(FIRST, zero, dir="bwd")
    lens.add_perma_hook(LAST, zero)

    def hooks(*args: Any, **kwargs: Any) -> dict[str, list[Any]]:
        return {name: [h.user_hook for h in handles] for name, handles in lens.list_hooks(*args, **kwargs).items()}

    assert hooks() == {FIRST: [nothing, zero], LAST: [zero]}
    assert hooks(FIRST) == hooks([FIRST]) == hooks(lambda name: name == FIRST) == {FIRST: [nothing, zero]}
    assert hooks(dir="bwd") == {FIRST: [zero]} and hooks(including_permanent=False) == {FIRST: [nothing, zero]}
    assert hooks("no such point") == {}


def test_dicts_of_points(lens: HookedRootModule) -> None:
    assert all(isinstance(point, HookPoint) and point.name == name for name, point in lens.hook_dict.items())
    assert list(lens.hook_points()) == list(lens.hook_dict.values())
    assert all(lens.mod_dict[name] is point for name, point in lens.hook_dict.items())
    assert {name for name, module in lens.named_modules() if isinstance(module, HookPoint)} == set(lens.hook_dict)
    lens.hook_dict[FIRST].add_hook(nothing)
    assert repr(lens.hook_dict[FIRST]) == f"HookPoint(name='{FIRST}', 1 fwd)"


def test_points_by_themselves(lens: HookedRootModule) -> None:
    seen: list[Any] = []
    point = lens.hook_dict[FIRST]
    handle = point.add_hook(noting(seen, "one"), level=3)
    point.add_perma_hook(noting(seen, "two"))
    assert handle.context_level == 3 and point.has_hooks(level=3) and not point.has_hooks("bwd")
    lens(TOKENS)
    point.remove_hooks("both", level=3)
    lens(TOKENS)
    point.remove_hooks("both", including_permanent=True)
    lens(TOKENS)
    assert seen == ["one", "two", "two"]


# caching hooks by hand


def test_caching_hooks_by_hand(lens: HookedRootModule) -> None:
    logits, expected = lens.run_with_cache(TOKENS, names_filter=[FIRST, LAST])
    cache, forwards, backwards = lens.get_caching_hooks([FIRST, LAST])
    assert not backwards
    with lens.hooks(fwd_hooks=forwards):
        assert torch.equal(lens(TOKENS), logits)
    assert list(cache) == list(expected) and all(torch.equal(cache[name], expected[name]) for name in cache)
    assert cache.get("no such point") is None
    assert {name: x.shape for name, x in cache.items()} == {name: x.shape for name, x in expected.items()}


def test_attached_caching_hooks_keep_the_last_run(lens: HookedRootModule) -> None:
    cache = lens.add_caching_hooks(FIRST, incl_bwd=True)
    lens(TOKENS)
    lens(TOKENS.flip(1), return_type="loss").backward()
    _, expected = lens.run_with_cache(TOKENS.flip(1), names_filter=FIRST, incl_bwd=True, return_type="loss")
    assert all(torch.equal(cache[name], expected[name]) for name in expected)
    lens.reset_hooks()
    assert attached(lens) == 0


def test_a_dict_of_the_callers_own(lens: HookedRootModule, caplog: pytest.LogCaptureFixture) -> None:
    _, expected = lens.run_with_cache(TOKENS, names_filter=FIRST)
    mine: dict[str, Tensor] = {}
    given, forwards, _ = lens.get_caching_hooks(FIRST, cache=mine)
    lens.run_with_hooks(TOKENS, fwd_hooks=forwards)
    assert given is mine and torch.equal(mine[FIRST], expected[FIRST])
    whole: dict[str, Tensor] = {}
    with caplog.at_level(logging.WARNING):
        lens.cache_all(whole)
        lens.cache_some(mine, lambda name: name == LAST)
    lens(TOKENS)
    assert {FIRST, LAST} <= set(whole) and list(mine) == [FIRST, LAST]


# what people do with it


def test_attribution_patching(lens: HookedRootModule) -> None:
    """The loop of TransformerLens's attribution patching demo."""

    def caches(token: Tensor) -> tuple[float, ActivationCache, ActivationCache]:
        lens.reset_hooks()
        cache: dict[str, Tensor] = {}
        gradients: dict[str, Tensor] = {}
        lens.add_hook(
            lambda name: "resid_post" in name, lambda x, hook: cache.__setitem__(hook.name, x.detach()), "fwd"
        )
        lens.add_hook(
            lambda name: "resid_post" in name, lambda x, hook: gradients.__setitem__(hook.name, x.detach()), "bwd"
        )
        value = lens(token, return_type="loss")
        value.backward()
        lens.reset_hooks()
        return value.item(), ActivationCache(cache, lens), ActivationCache(gradients, lens)

    nearby = TOKENS.clone()
    nearby[:, 4] += 1
    _, clean, _ = caches(TOKENS)
    value, corrupted, gradients = caches(nearby)
    direction = clean[FIRST] - corrupted[FIRST]

    def moved(step: float) -> float:
        hooks = [(FIRST, lambda x, hook: x + step * direction)]
        return lens.run_with_hooks(nearby, fwd_hooks=hooks, return_type="loss").item()

    assert moved(0.0) == value
    predicted = float((direction * gradients["resid_post", 0]).sum())
    assert (moved(0.02) - moved(-0.02)) / 0.04 == pytest.approx(predicted, rel=0.1)


def test_copies_have_hooks_of_their_own(lens: HookedRootModule) -> None:
    lens.run_with_cache(TOKENS, names_filter=FIRST)
    twin = copy.deepcopy(lens)
    twin.add_hook(FIRST, zero)
    assert attached(lens) == 0 and attached(twin) == 1
    assert not torch.equal(twin(TOKENS), lens(TOKENS))
    file = io.BytesIO()
    torch.save(lens.state_dict(), file)
    assert not any("hook" in name for name in lens.state_dict())
