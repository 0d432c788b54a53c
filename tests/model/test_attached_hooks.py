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


def test_add_and_reset(hooked: HookedRootModule) -> None:
    seen: list[Any] = []
    hooked.add_hook(FIRST, noting(seen, "temporary"))
    hooked.add_perma_hook(LAST, noting(seen, "permanent"))
    hooked.add_hook(lambda name: name == LAST, noting(seen, "also"), is_permanent=True)
    hooked(TOKENS)
    assert seen == ["temporary", "permanent", "also"]
    hooked.reset_hooks()
    assert list(hooked.list_hooks()) == [LAST] and hooked.list_hooks(including_permanent=False) == {}
    with hooked.hooks(fwd_hooks=[(FIRST, nothing)]):
        pass
    assert attached(hooked) == 2
    hooked.reset_hooks(including_permanent=True)
    assert attached(hooked) == 0


def test_reset_by_level_and_direction(hooked: HookedRootModule) -> None:
    for level in (1, 2):
        for direction in ("fwd", "bwd"):
            hooked.add_hook(FIRST, nothing, dir=direction, level=level)
    point = hooked.hook_dict[FIRST]
    hooked.reset_hooks(direction="bwd", level=2)
    assert [h.context_level for h in point.fwd_hooks] == [1, 2] and [h.context_level for h in point.bwd_hooks] == [1]
    hooked.reset_hooks(direction="fwd")
    assert not point.fwd_hooks and point.has_hooks("bwd") and not point.has_hooks("bwd", level=2)
    hooked.remove_all_hook_fns(level=1)
    assert not point.has_hooks()
    with pytest.raises(ValueError, match="Invalid direction"):
        point.add_hook(nothing, dir="sideways")  # type: ignore[arg-type]


@pytest.mark.parametrize("direction", ["fwd", "bwd"])
def test_prepend(hooked: HookedRootModule, direction: Any) -> None:
    seen: list[Any] = []
    for what, prepend in (("a", False), ("b", False), ("c", True)):
        hooked.add_hook(FIRST, noting(seen, what), dir=direction, prepend=prepend)
    hooked(TOKENS, return_type="loss").backward()
    assert seen == ["c", "a", "b"]
    handles = hooked.list_hooks(FIRST, direction)[FIRST]
    seen.clear()
    for handle in handles:
        assert handle.user_hook is not None
        handle.user_hook(TOKENS, hook=hooked.hook_dict[FIRST])
    assert seen == ["c", "a", "b"]


def test_list_hooks(hooked: HookedRootModule) -> None:
    hooked.add_hook(FIRST, nothing)
    hooked.add_hook(FIRST, zero, dir="bwd")
    hooked.add_perma_hook(LAST, zero)

    def hooks(*args: Any, **kwargs: Any) -> dict[str, list[Any]]:
        return {name: [h.user_hook for h in handles] for name, handles in hooked.list_hooks(*args, **kwargs).items()}

    assert hooks() == {FIRST: [nothing, zero], LAST: [zero]}
    assert hooks(FIRST) == hooks([FIRST]) == hooks(lambda name: name == FIRST) == {FIRST: [nothing, zero]}
    assert hooks(dir="bwd") == {FIRST: [zero]} and hooks(including_permanent=False) == {FIRST: [nothing, zero]}
    assert hooks("no such point") == {}


def test_dicts_of_points(hooked: HookedRootModule) -> None:
    assert all(isinstance(point, HookPoint) and point.name == name for name, point in hooked.hook_dict.items())
    assert list(hooked.hook_points()) == list(hooked.hook_dict.values())
    assert all(hooked.mod_dict[name] is point for name, point in hooked.hook_dict.items())
    assert {name for name, module in hooked.named_modules() if isinstance(module, HookPoint)} == set(hooked.hook_dict)
    hooked.hook_dict[FIRST].add_hook(nothing)
    assert repr(hooked.hook_dict[FIRST]) == f"HookPoint(name='{FIRST}', 1 fwd)"


def test_points_by_themselves(hooked: HookedRootModule) -> None:
    seen: list[Any] = []
    point = hooked.hook_dict[FIRST]
    handle = point.add_hook(noting(seen, "one"), level=3)
    point.add_perma_hook(noting(seen, "two"))
    assert handle.context_level == 3 and point.has_hooks(level=3) and not point.has_hooks("bwd")
    hooked(TOKENS)
    point.remove_hooks("both", level=3)
    hooked(TOKENS)
    point.remove_hooks("both", including_permanent=True)
    hooked(TOKENS)
    assert seen == ["one", "two", "two"]


# caching hooks by hand


def test_caching_hooks_by_hand(hooked: HookedRootModule) -> None:
    logits, expected = hooked.run_with_cache(TOKENS, names_filter=[FIRST, LAST])
    cache, forwards, backwards = hooked.get_caching_hooks([FIRST, LAST])
    assert not backwards
    with hooked.hooks(fwd_hooks=forwards):
        assert torch.equal(hooked(TOKENS), logits)
    assert list(cache) == list(expected) and all(torch.equal(cache[name], expected[name]) for name in cache)
    assert cache.get("no such point") is None
    assert {name: x.shape for name, x in cache.items()} == {name: x.shape for name, x in expected.items()}


def test_attached_caching_hooks_keep_the_last_run(hooked: HookedRootModule) -> None:
    cache = hooked.add_caching_hooks(FIRST, incl_bwd=True)
    hooked(TOKENS)
    hooked(TOKENS.flip(1), return_type="loss").backward()
    _, expected = hooked.run_with_cache(TOKENS.flip(1), names_filter=FIRST, incl_bwd=True, return_type="loss")
    assert all(torch.equal(cache[name], expected[name]) for name in expected)
    hooked.reset_hooks()
    assert attached(hooked) == 0


def test_a_dict_of_the_callers_own(hooked: HookedRootModule, caplog: pytest.LogCaptureFixture) -> None:
    _, expected = hooked.run_with_cache(TOKENS, names_filter=FIRST)
    mine: dict[str, Tensor] = {}
    given, forwards, _ = hooked.get_caching_hooks(FIRST, cache=mine)
    hooked.run_with_hooks(TOKENS, fwd_hooks=forwards)
    assert given is mine and torch.equal(mine[FIRST], expected[FIRST])
    whole: dict[str, Tensor] = {}
    with caplog.at_level(logging.WARNING):
        hooked.cache_all(whole)
        hooked.cache_some(mine, lambda name: name == LAST)
    hooked(TOKENS)
    assert {FIRST, LAST} <= set(whole) and list(mine) == [FIRST, LAST]


# what people do with it


def test_attribution_patching(hooked: HookedRootModule) -> None:
    """The loop of TransformerLens's attribution patching demo."""

    def caches(token: Tensor) -> tuple[float, ActivationCache, ActivationCache]:
        hooked.reset_hooks()
        cache: dict[str, Tensor] = {}
        gradients: dict[str, Tensor] = {}
        hooked.add_hook(
            lambda name: "resid_post" in name, lambda x, hook: cache.__setitem__(hook.name, x.detach()), "fwd"
        )
        hooked.add_hook(
            lambda name: "resid_post" in name, lambda x, hook: gradients.__setitem__(hook.name, x.detach()), "bwd"
        )
        value = hooked(token, return_type="loss")
        value.backward()
        hooked.reset_hooks()
        return value.item(), ActivationCache(cache, hooked), ActivationCache(gradients, hooked)

    nearby = TOKENS.clone()
    nearby[:, 4] += 1
    _, clean, _ = caches(TOKENS)
    value, corrupted, gradients = caches(nearby)
    direction = clean[FIRST] - corrupted[FIRST]

    def moved(step: float) -> float:
        hooks = [(FIRST, lambda x, hook: x + step * direction)]
        return hooked.run_with_hooks(nearby, fwd_hooks=hooks, return_type="loss").item()

    assert moved(0.0) == value
    predicted = float((direction * gradients["resid_post", 0]).sum())
    assert (moved(0.02) - moved(-0.02)) / 0.04 == pytest.approx(predicted, rel=0.1)


def test_copies_have_hooks_of_their_own(hooked: HookedRootModule) -> None:
    hooked.run_with_cache(TOKENS, names_filter=FIRST)
    twin = copy.deepcopy(hooked)
    twin.add_hook(FIRST, zero)
    assert attached(hooked) == 0 and attached(twin) == 1
    assert not torch.equal(twin(TOKENS), hooked(TOKENS))
    file = io.BytesIO()
    torch.save(hooked.state_dict(), file)
    assert not any("hook" in name for name in hooked.state_dict())
