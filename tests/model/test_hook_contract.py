"""A stranger's hook code: written for any HookedRootModule of TransformerLens, it does the same with ours.

Every test here runs unchanged on a small plain HookedRootModule, which is the reference, and on the memory model.
"""

import copy
import io
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformer_lens import ActivationCache, HookedRootModule
from transformer_lens.hook_points import HookPoint
from transformer_lens.utilities import Slice

from memlens.model import MemoryModel

FIRST, LAST = "blocks.0.hook_resid_post", "blocks.1.hook_resid_post"
TOKENS = torch.arange(2 * 10).view(2, 10) + 5


class PlainBlock(nn.Module):
    """A residual block as a stranger writes it."""

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.hook_resid_pre = HookPoint()
        self.hook_resid_post = HookPoint()

    def forward(self, x: Tensor) -> Tensor:
        x = self.hook_resid_pre(x)
        return self.hook_resid_post(x + self.linear(x).tanh().cumsum(1))


class Plain(HookedRootModule):
    """A causal language model of TransformerLens's own parts."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(1024, 8)
        self.blocks = nn.ModuleList(PlainBlock(8) for _ in range(2))
        self.hook_logits = HookPoint()
        self.setup()

    def forward(self, token: Tensor, return_type: str = "logits") -> Tensor:
        x = self.embed(token)
        for block in self.blocks:
            x = block(x)
        logits = self.hook_logits(x @ self.embed.weight.T)
        if return_type == "logits":
            return logits
        return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), token[:, 1:].flatten())


@pytest.fixture(params=["transformer_lens", "memlens"])
def lens(request: pytest.FixtureRequest, model: MemoryModel) -> HookedRootModule:
    if request.param == "memlens":
        return model
    torch.manual_seed(0)
    return Plain().eval()


def nothing(x: Tensor, hook: Any) -> None:
    """Look and leave."""


def zero(x: Tensor, hook: Any) -> Tensor:
    return torch.zeros_like(x)


def noting(seen: list[Any], what: Any = None) -> Callable[..., None]:
    def note(x: Tensor, hook: Any) -> None:
        seen.append(hook.name if what is None else what)

    return note


def attached(model: HookedRootModule) -> int:
    return sum(len(handles) for handles in model.list_hooks().values())


# run_with_cache


@pytest.mark.parametrize("names", [FIRST, [FIRST], lambda name: name == FIRST], ids=["str", "list", "callable"])
def test_names_filter(lens: HookedRootModule, names: Any) -> None:
    logits, cache = lens.run_with_cache(TOKENS, names_filter=names)
    assert type(cache) is dict and list(cache) == [FIRST]
    assert torch.equal(logits, lens(TOKENS))
    assert not cache[FIRST].requires_grad


def test_all_that_fires_is_cached(lens: HookedRootModule) -> None:
    fired: list[str] = []
    with lens.hooks(fwd_hooks=[(lambda name: True, noting(fired))]):
        lens(TOKENS)
    _, cache = lens.run_with_cache(TOKENS)
    assert list(cache) == list(dict.fromkeys(fired)) and set(cache) <= set(lens.hook_dict)
    _, none = lens.run_with_cache(TOKENS, names_filter=[])
    assert none == {}


def test_cache_device(lens: HookedRootModule) -> None:
    _, cache = lens.run_with_cache(TOKENS, names_filter=FIRST, device=torch.device("meta"))
    assert cache[FIRST].device.type == "meta"


def test_remove_batch_dim(lens: HookedRootModule) -> None:
    _, cache = lens.run_with_cache(TOKENS[:1])
    _, flat = lens.run_with_cache(TOKENS[:1], remove_batch_dim=True)
    assert all(torch.equal(flat[name], cache[name][0]) for name in cache)
    with pytest.raises(AssertionError, match="batch size 2"):
        lens.run_with_cache(TOKENS, remove_batch_dim=True)


@pytest.mark.parametrize(
    "pos", [3, (2, 5), (1, 9, 3), [4, 1], torch.tensor([0, 2]), Slice((0, 4)), None],
    ids=["int", "range", "step", "list", "tensor", "Slice", "None"],
)  # fmt: skip
def test_pos_slice(lens: HookedRootModule, pos: Any) -> None:
    _, cache = lens.run_with_cache(TOKENS, names_filter=[FIRST, LAST])
    _, cut = lens.run_with_cache(TOKENS, names_filter=[FIRST, LAST], pos_slice=pos)
    for name in cache:
        assert torch.equal(cut[name], Slice.unwrap(pos).apply(cache[name], dim=-2))


def test_incl_bwd(lens: HookedRootModule) -> None:
    held: dict[str, Tensor] = {}

    def hold(x: Tensor, hook: Any) -> None:
        x.retain_grad()
        held[hook.name] = x

    names = [FIRST, LAST]
    loss, cache = lens.run_with_cache(TOKENS, names_filter=names, incl_bwd=True, return_type="loss")
    lens.run_with_hooks(TOKENS, fwd_hooks=[(name, hold) for name in names], return_type="loss").backward()
    assert loss.dim() == 0 and sorted(cache) == sorted([*names, *(f"{name}_grad" for name in names)])
    for name in names:
        assert torch.equal(cache[name], held[name])
        assert held[name].grad is not None and torch.equal(cache[f"{name}_grad"], held[name].grad)
    assert attached(lens) == 0


def test_reset_hooks_end(lens: HookedRootModule) -> None:
    _, cache = lens.run_with_cache(TOKENS, names_filter=FIRST, reset_hooks_end=False)
    assert attached(lens) == 1 and lens.is_caching
    kept = cache[FIRST]
    lens(TOKENS.flip(1))
    assert not torch.equal(cache[FIRST], kept)
    lens.reset_hooks()
    assert attached(lens) == 0 and not lens.is_caching
    lens.run_with_hooks(TOKENS, fwd_hooks=[(FIRST, nothing)], reset_hooks_end=False)
    assert list(lens.list_hooks()) == [FIRST]
    # of the level that the next run takes off
    lens.run_with_hooks(TOKENS, fwd_hooks=[(LAST, nothing)])
    assert attached(lens) == 0


@pytest.mark.parametrize("run", ["run_with_cache", "run_with_hooks", "hooks", "reset_hooks"])
@pytest.mark.parametrize("clear", [False, True])
def test_clear_contexts(lens: HookedRootModule, run: str, clear: bool) -> None:
    def count(x: Tensor, hook: Any) -> None:
        hook.ctx["seen"] = hook.ctx.get("seen", 0) + 1

    if run == "run_with_hooks":
        lens.run_with_hooks(TOKENS, fwd_hooks=[(FIRST, count)], clear_contexts=clear)
    elif run == "run_with_cache":
        lens.add_hook(FIRST, count)
        lens.run_with_cache(TOKENS, clear_contexts=clear)
    elif run == "hooks":
        with lens.hooks(fwd_hooks=[(FIRST, count)], clear_contexts=clear):
            lens(TOKENS)
    else:
        lens.add_hook(FIRST, count)
        lens(TOKENS)
        lens.reset_hooks(clear_contexts=clear)
    assert lens.hook_dict[FIRST].ctx == ({} if clear else {"seen": 1})


# run_with_hooks and hooks


def test_edits(lens: HookedRootModule) -> None:
    plain = lens(TOKENS)
    _, zeroed = lens.run_with_cache(TOKENS, names_filter=FIRST)
    assert zeroed[FIRST].abs().sum() > 0
    edited = lens.run_with_hooks(TOKENS, fwd_hooks=[(FIRST, zero)])
    assert not torch.equal(plain, edited)
    with lens.hooks(fwd_hooks=[(FIRST, zero)]):
        _, cache = lens.run_with_cache(TOKENS, names_filter=[FIRST])
        assert not cache[FIRST].any()
    assert torch.equal(lens.run_with_hooks(TOKENS, fwd_hooks=[(lambda name: True, nothing)]), plain)


def test_an_edit_in_place(lens: HookedRootModule) -> None:
    def spoil(x: Tensor, hook: Any) -> Tensor:
        x[:, 3] = 0
        return x

    with torch.no_grad():
        edited, cache = lens(TOKENS), None
        with lens.hooks(fwd_hooks=[(FIRST, spoil)]):
            after, cache = lens.run_with_cache(TOKENS, names_filter=FIRST)
    assert not torch.equal(edited, after) and not cache[FIRST][:, 3].any()


def test_names_by_function_and_partial_hooks(lens: HookedRootModule) -> None:
    seen: list[Any] = []

    def scale(x: Tensor, hook: Any, by: float) -> Tensor:
        seen.append((hook.name, hook.layer()))
        return x * by

    names = lambda name: name.endswith("hook_resid_post") and name.startswith("blocks")  # noqa: E731
    twice = lens.run_with_hooks(TOKENS, fwd_hooks=[(names, partial(scale, by=2.0))])
    assert seen == [(FIRST, 0), (LAST, 1)]
    by_name = [(name, partial(scale, by=2.0)) for name in (FIRST, LAST)]
    assert torch.equal(twice, lens.run_with_hooks(TOKENS, fwd_hooks=by_name))


def test_backward_hooks(lens: HookedRootModule, caplog: pytest.LogCaptureFixture) -> None:
    gradients: dict[str, Tensor] = {}

    def note(gradient: Tensor, hook: Any) -> None:
        gradients[hook.name] = gradient.clone()

    _, cache = lens.run_with_cache(TOKENS, names_filter=FIRST, incl_bwd=True, return_type="loss")
    kept: dict[str, Any] = {"bwd_hooks": [(FIRST, note)], "return_type": "loss"}
    lens.run_with_hooks(TOKENS, reset_hooks_end=False, **kept).backward()
    assert torch.equal(gradients[FIRST], cache[f"{FIRST}_grad"])
    lens.reset_hooks()
    with caplog.at_level(logging.WARNING):
        lens.run_with_hooks(TOKENS, **kept)
    assert "Hooks will be reset" in caplog.text and attached(lens) == 0


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: (x,)], ids=["tensor", "tuple"])
def test_backward_hooks_edit(lens: HookedRootModule, wrap: Callable[..., Any]) -> None:
    def before(name: str) -> Tensor:
        return dict(lens.named_parameters())[name].grad

    name = next(name for name, _ in lens.named_parameters() if name.startswith("blocks.0"))
    lens(TOKENS, return_type="loss").backward()
    plain = before(name).clone()
    lens.zero_grad()
    with lens.hooks(bwd_hooks=[(FIRST, lambda gradient, hook: wrap(3 * gradient))]):
        lens(TOKENS, return_type="loss").backward()
    torch.testing.assert_close(before(name), 3 * plain)


def test_nested_hooks(lens: HookedRootModule) -> None:
    seen: list[str] = []
    with lens.hooks(fwd_hooks=[(FIRST, noting(seen, "outer"))]):
        assert lens.context_level == 1
        with lens.hooks(fwd_hooks=[(FIRST, noting(seen, "inner"))]) as inner:
            assert inner is lens and lens.context_level == 2
            lens(TOKENS)
        lens(TOKENS)
        lens.run_with_hooks(TOKENS, fwd_hooks=[(FIRST, noting(seen, "run"))])
    lens(TOKENS)
    assert seen == ["outer", "inner", "outer", "outer", "run"] and lens.context_level == 0 and attached(lens) == 0


def test_hooks_that_raise(lens: HookedRootModule) -> None:
    def fail(x: Tensor, hook: Any) -> None:
        raise ZeroDivisionError(hook.name)

    seen: list[str] = []
    with lens.hooks(fwd_hooks=[(FIRST, noting(seen, "outer"))]):
        with pytest.raises(ZeroDivisionError, match=LAST), lens.hooks(fwd_hooks=[(LAST, fail)]):
            lens(TOKENS)
        with pytest.raises(ZeroDivisionError):
            lens.run_with_hooks(TOKENS, fwd_hooks=[(LAST, fail)])
        assert list(lens.list_hooks()) == [FIRST] and lens.context_level == 1
        lens(TOKENS)
    assert seen == ["outer"] * 3 and attached(lens) == 0 and lens.context_level == 0


def test_unknown_names_leave_nothing(lens: HookedRootModule) -> None:
    with pytest.raises(KeyError):
        lens.run_with_hooks(TOKENS, fwd_hooks=[(FIRST, nothing), ("blocks.9.hook_resid_post", nothing)])
    with pytest.raises(KeyError):
        lens.add_hook("blocks.9.hook_resid_post", nothing)
    _, cache = lens.run_with_cache(TOKENS, names_filter=FIRST)
    with pytest.raises(KeyError):
        cache["blocks.9.hook_resid_post"]
    assert attached(lens) == 0 and lens.context_level == 0


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
