"""Every point of points.py exists, has the axes it says, and an edit at it reaches the output."""

import pytest
import torch

from memlens.errors import PointError
from memlens.model import points, select
from tests.model.conftest import SMALL, make_model, make_questions, make_segment

NAMES = [p.name for p in points(SMALL)]


def fold(model, n_segment: int = 5) -> dict[str, torch.Tensor]:
    """Everything that some segments yield, and the state they leave."""
    state = model.initial_state(2)
    everything = {}
    with torch.no_grad():
        for t in range(n_segment):
            outputs, state = model.step(make_segment(t), state, make_questions(t))
            everything |= outputs.flat(f"out{t}")
    return everything | state.flat("state")


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and torch.equal(torch.nan_to_num(a, 7.0), torch.nan_to_num(b, 7.0))


@pytest.fixture(scope="module")
def plain() -> dict[str, torch.Tensor]:
    """What ``fold`` gives without hooks, of the same model."""
    return fold(make_model(SMALL))


def test_points_are_the_hooks(model) -> None:
    assert set(NAMES) == set(model.hook_dict)


@pytest.mark.parametrize("name", NAMES)
def test_edit_reaches_output(model, plain: dict[str, torch.Tensor], name: str) -> None:
    g = torch.Generator().manual_seed(0)
    fired = 0

    def edit(x: torch.Tensor, hook) -> torch.Tensor:
        nonlocal fired
        fired += 1
        if x.is_floating_point():
            return x + torch.randn(x.shape, generator=g)
        return (x + 1) % (4 if name.endswith("hook_action") else SMALL.segment_length)

    with model.hooks(fwd_hooks=[(name, edit)]):
        edited = fold(model)
    assert fired >= 5
    changed = {k for k in plain if not same(plain[k], edited[k])}
    assert len(changed) >= 1, f"an edit of {name} reached nothing"


def test_axes_are_as_listed(model) -> None:
    shapes: dict[str, tuple[int, ...]] = {}
    with model.hooks(fwd_hooks=[(n, lambda x, hook: shapes.__setitem__(hook.name, tuple(x.shape))) for n in NAMES]):
        fold(model, 2)
    sizes = {
        "token": 64, "slot": 8, "working": 4, "entry": 12, "agent": 20, "action": 4, "window": 12, "question": 2,
        "feature": 32, "vocab": 1024, "control": len(model.control_names),
    }  # fmt: skip
    for point in points(SMALL):
        shape = shapes[point.name]
        assert len(shape) == 1 + len(point.dims), point.name
        assert shape[0] == 2
        for dim, size in zip(point.dims, shape[1:], strict=True):
            # the share of positions that prediction covers is up to it
            if dim in sizes:
                assert size == sizes[dim], (point.name, dim)


def test_select() -> None:
    assert {p.name for p in select(SMALL, "slots")} >= {"context.hook_slot", "working.hook_slot"}
    assert len(select(SMALL, "all")) == len(NAMES)
    assert all(p.recorded for p in select(SMALL, "default"))
    assert [p.name for p in select(SMALL, "blocks.0.*")] == [n for n in NAMES if n.startswith("blocks.0.")]
    with pytest.raises(PointError, match=r"context\.hook_slot"):
        select(SMALL, "context.hook_slots")


def test_hooks_that_only_look_change_nothing(model, plain: dict[str, torch.Tensor]) -> None:
    with model.hooks(fwd_hooks=[(n, lambda x, hook: None) for n in NAMES]):
        watched = fold(model)
    assert all(same(plain[k], watched[k]) for k in plain)


def test_transformer_lens_entry_points(model) -> None:
    with torch.no_grad():
        (outputs, _), cache = model.run_with_cache(make_segment(0), names_filter="context.hook_slot")
        assert torch.equal(cache["context.hook_slot"], outputs.slot)
        zeroed, _ = model.run_with_hooks(make_segment(0), fwd_hooks=[("context.hook_slot", lambda x, hook: x * 0)])
    assert not zeroed.slot.any()
