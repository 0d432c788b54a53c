"""A stranger's hook code: written for any HookedRootModule of TransformerLens, it does the same with ours.

Every test here runs unchanged on a small plain HookedRootModule, which is the reference, and on the memory model.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from transformer_lens import HookedRootModule
from transformer_lens.utilities import Slice

from .stranger import FIRST, LAST, TOKENS, attached, nothing, noting, zero

# run_with_cache


@pytest.mark.parametrize("names", [FIRST, [FIRST], lambda name: name == FIRST], ids=["str", "list", "callable"])
def test_names_filter(hooked: HookedRootModule, names: Any) -> None:
    logits, cache = hooked.run_with_cache(TOKENS, names_filter=names)
    assert type(cache) is dict and list(cache) == [FIRST]
    assert torch.equal(logits, hooked(TOKENS))
    assert not cache[FIRST].requires_grad


def test_all_that_fires_is_cached(hooked: HookedRootModule) -> None:
    fired: list[str] = []
    with hooked.hooks(fwd_hooks=[(lambda name: True, noting(fired))]):
        hooked(TOKENS)
    _, cache = hooked.run_with_cache(TOKENS)
    assert list(cache) == list(dict.fromkeys(fired)) and set(cache) <= set(hooked.hook_dict)
    _, none = hooked.run_with_cache(TOKENS, names_filter=[])
    assert none == {}


def test_cache_device(hooked: HookedRootModule) -> None:
    _, cache = hooked.run_with_cache(TOKENS, names_filter=FIRST, device=torch.device("meta"))
    assert cache[FIRST].device.type == "meta"


def test_remove_batch_dim(hooked: HookedRootModule) -> None:
    _, cache = hooked.run_with_cache(TOKENS[:1])
    _, flat = hooked.run_with_cache(TOKENS[:1], remove_batch_dim=True)
    assert all(torch.equal(flat[name], cache[name][0]) for name in cache)
    with pytest.raises(AssertionError, match="batch size 2"):
        hooked.run_with_cache(TOKENS, remove_batch_dim=True)


@pytest.mark.parametrize(
    "pos", [3, (2, 5), (1, 9, 3), [4, 1], torch.tensor([0, 2]), Slice((0, 4)), None],
    ids=["int", "range", "step", "list", "tensor", "Slice", "None"],
)  # fmt: skip
def test_pos_slice(hooked: HookedRootModule, pos: Any) -> None:
    _, cache = hooked.run_with_cache(TOKENS, names_filter=[FIRST, LAST])
    _, cut = hooked.run_with_cache(TOKENS, names_filter=[FIRST, LAST], pos_slice=pos)
    for name in cache:
        assert torch.equal(cut[name], Slice.unwrap(pos).apply(cache[name], dim=-2))


def test_incl_bwd(hooked: HookedRootModule) -> None:
    held: dict[str, Tensor] = {}

    def hold(x: Tensor, hook: Any) -> None:
        x.retain_grad()
        held[hook.name] = x

    names = [FIRST, LAST]
    loss, cache = hooked.run_with_cache(TOKENS, names_filter=names, incl_bwd=True, return_type="loss")
    hooked.run_with_hooks(TOKENS, fwd_hooks=[(name, hold) for name in names], return_type="loss").backward()
    assert loss.dim() == 0 and sorted(cache) == sorted([*names, *(f"{name}_grad" for name in names)])
    for name in names:
        assert torch.equal(cache[name], held[name])
        assert held[name].grad is not None and torch.equal(cache[f"{name}_grad"], held[name].grad)
    assert attached(hooked) == 0


def test_reset_hooks_end(hooked: HookedRootModule) -> None:
    _, cache = hooked.run_with_cache(TOKENS, names_filter=FIRST, reset_hooks_end=False)
    assert attached(hooked) == 1 and hooked.is_caching
    kept = cache[FIRST]
    hooked(TOKENS.flip(1))
    assert not torch.equal(cache[FIRST], kept)
    hooked.reset_hooks()
    assert attached(hooked) == 0 and not hooked.is_caching
    hooked.run_with_hooks(TOKENS, fwd_hooks=[(FIRST, nothing)], reset_hooks_end=False)
    assert list(hooked.list_hooks()) == [FIRST]
    # of the level that the next run takes off
    hooked.run_with_hooks(TOKENS, fwd_hooks=[(LAST, nothing)])
    assert attached(hooked) == 0


@pytest.mark.parametrize("run", ["run_with_cache", "run_with_hooks", "hooks", "reset_hooks"])
@pytest.mark.parametrize("clear", [False, True])
def test_clear_contexts(hooked: HookedRootModule, run: str, clear: bool) -> None:
    def count(x: Tensor, hook: Any) -> None:
        hook.ctx["seen"] = hook.ctx.get("seen", 0) + 1

    if run == "run_with_hooks":
        hooked.run_with_hooks(TOKENS, fwd_hooks=[(FIRST, count)], clear_contexts=clear)
    elif run == "run_with_cache":
        hooked.add_hook(FIRST, count)
        hooked.run_with_cache(TOKENS, clear_contexts=clear)
    elif run == "hooks":
        with hooked.hooks(fwd_hooks=[(FIRST, count)], clear_contexts=clear):
            hooked(TOKENS)
    else:
        hooked.add_hook(FIRST, count)
        hooked(TOKENS)
        hooked.reset_hooks(clear_contexts=clear)
    assert hooked.hook_dict[FIRST].ctx == ({} if clear else {"seen": 1})


# run_with_hooks and hooks


def test_edits(hooked: HookedRootModule) -> None:
    plain = hooked(TOKENS)
    _, zeroed = hooked.run_with_cache(TOKENS, names_filter=FIRST)
    assert zeroed[FIRST].abs().sum() > 0
    edited = hooked.run_with_hooks(TOKENS, fwd_hooks=[(FIRST, zero)])
    assert not torch.equal(plain, edited)
    with hooked.hooks(fwd_hooks=[(FIRST, zero)]):
        _, cache = hooked.run_with_cache(TOKENS, names_filter=[FIRST])
        assert not cache[FIRST].any()
    assert torch.equal(hooked.run_with_hooks(TOKENS, fwd_hooks=[(lambda name: True, nothing)]), plain)


def test_an_edit_in_place(hooked: HookedRootModule) -> None:
    def spoil(x: Tensor, hook: Any) -> Tensor:
        x[:, 3] = 0
        return x

    with torch.no_grad():
        edited, cache = hooked(TOKENS), None
        with hooked.hooks(fwd_hooks=[(FIRST, spoil)]):
            after, cache = hooked.run_with_cache(TOKENS, names_filter=FIRST)
    assert not torch.equal(edited, after) and not cache[FIRST][:, 3].any()


def test_names_by_function_and_partial_hooks(hooked: HookedRootModule) -> None:
    seen: list[Any] = []

    def scale(x: Tensor, hook: Any, by: float) -> Tensor:
        seen.append((hook.name, hook.layer()))
        return x * by

    names = lambda name: name.endswith("hook_resid_post") and name.startswith("blocks")  # noqa: E731
    twice = hooked.run_with_hooks(TOKENS, fwd_hooks=[(names, partial(scale, by=2.0))])
    assert seen == [(FIRST, 0), (LAST, 1)]
    by_name = [(name, partial(scale, by=2.0)) for name in (FIRST, LAST)]
    assert torch.equal(twice, hooked.run_with_hooks(TOKENS, fwd_hooks=by_name))


def test_backward_hooks(hooked: HookedRootModule, caplog: pytest.LogCaptureFixture) -> None:
    gradients: dict[str, Tensor] = {}

    def note(gradient: Tensor, hook: Any) -> None:
        gradients[hook.name] = gradient.clone()

    _, cache = hooked.run_with_cache(TOKENS, names_filter=FIRST, incl_bwd=True, return_type="loss")
    kept: dict[str, Any] = {"bwd_hooks": [(FIRST, note)], "return_type": "loss"}
    hooked.run_with_hooks(TOKENS, reset_hooks_end=False, **kept).backward()
    assert torch.equal(gradients[FIRST], cache[f"{FIRST}_grad"])
    hooked.reset_hooks()
    with caplog.at_level(logging.WARNING):
        hooked.run_with_hooks(TOKENS, **kept)
    assert "Hooks will be reset" in caplog.text and attached(hooked) == 0


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: (x,)], ids=["tensor", "tuple"])
def test_backward_hooks_edit(hooked: HookedRootModule, wrap: Callable[..., Any]) -> None:
    def before(name: str) -> Tensor:
        return dict(hooked.named_parameters())[name].grad

    name = next(name for name, _ in hooked.named_parameters() if name.startswith("blocks.0"))
    hooked(TOKENS, return_type="loss").backward()
    plain = before(name).clone()
    hooked.zero_grad()
    with hooked.hooks(bwd_hooks=[(FIRST, lambda gradient, hook: wrap(3 * gradient))]):
        hooked(TOKENS, return_type="loss").backward()
    torch.testing.assert_close(before(name), 3 * plain)


def test_nested_hooks(hooked: HookedRootModule) -> None:
    seen: list[str] = []
    with hooked.hooks(fwd_hooks=[(FIRST, noting(seen, "outer"))]):
        assert hooked.context_level == 1
        with hooked.hooks(fwd_hooks=[(FIRST, noting(seen, "inner"))]) as inner:
            assert inner is hooked and hooked.context_level == 2
            hooked(TOKENS)
        hooked(TOKENS)
        hooked.run_with_hooks(TOKENS, fwd_hooks=[(FIRST, noting(seen, "run"))])
    hooked(TOKENS)
    assert seen == ["outer", "inner", "outer", "outer", "run"] and hooked.context_level == 0 and attached(hooked) == 0


def test_hooks_that_raise(hooked: HookedRootModule) -> None:
    def fail(x: Tensor, hook: Any) -> None:
        raise ZeroDivisionError(hook.name)

    seen: list[str] = []
    with hooked.hooks(fwd_hooks=[(FIRST, noting(seen, "outer"))]):
        with pytest.raises(ZeroDivisionError, match=LAST), hooked.hooks(fwd_hooks=[(LAST, fail)]):
            hooked(TOKENS)
        with pytest.raises(ZeroDivisionError):
            hooked.run_with_hooks(TOKENS, fwd_hooks=[(LAST, fail)])
        assert list(hooked.list_hooks()) == [FIRST] and hooked.context_level == 1
        hooked(TOKENS)
    assert seen == ["outer"] * 3 and attached(hooked) == 0 and hooked.context_level == 0


def test_unknown_names_leave_nothing(hooked: HookedRootModule) -> None:
    with pytest.raises(KeyError):
        hooked.run_with_hooks(TOKENS, fwd_hooks=[(FIRST, nothing), ("blocks.9.hook_resid_post", nothing)])
    with pytest.raises(KeyError):
        hooked.add_hook("blocks.9.hook_resid_post", nothing)
    _, cache = hooked.run_with_cache(TOKENS, names_filter=FIRST)
    with pytest.raises(KeyError):
        cache["blocks.9.hook_resid_post"]
    assert attached(hooked) == 0 and hooked.context_level == 0
