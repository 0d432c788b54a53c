"""What each edit of a point does: at its place as it says, and nowhere else."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from memlens.errors import InterventionError, MemlensError, PointError
from memlens.interventions import Ablate, Clamp, Noise, Patch, Scale, Swap
from memlens.interventions.base import Intervention
from memlens.interventions.point_edit import PointEdit
from memlens.model import MemoryModel
from memlens.model.run import Change, Result
from memlens.recording import Recording
from memlens.streams import EncodedStream

SLOT, CONTENT, GATE = "context.hook_slot", "store.hook_content", "working.hook_gate"


class Watch(Change):
    """Keeps what leaves one point, segment by segment, after all changes before it."""

    def __init__(self, point: str):
        self.point, self.seen = point, []

    def hooks(self, model: Any) -> Sequence[tuple[str, Any]]:
        def keep(tensor: Tensor, hook: Any) -> None:
            self.seen.append(tensor.detach().clone())

        return [(self.point, keep)]


def passed(
    model: MemoryModel, stream: EncodedStream, point: str, *changes: Change, n: int = 9
) -> tuple[list[Tensor], list[Tensor]]:
    """What leaves a point before the changes and after them, in the first ``n`` segments of one run."""
    before, after = Watch(point), Watch(point)
    for result in model.run(stream, changes=[before, *changes, after]):
        if result.segment == n - 1:
            break
    return before.seen, after.seen


def only_at(before: list[Tensor], after: list[Tensor], segment: int, place: int, axis: int = 1) -> None:
    """Asserts that nothing else was changed."""
    for t, (a, b) in enumerate(zip(before, after, strict=True)):
        same = (a == b).transpose(0, axis).flatten(1).all(1)
        assert same[torch.arange(len(same)) != place].all(), t
        assert bool(same[place]) == (t != segment), t


def test_ablate_by_zero(model: MemoryModel, stream: EncodedStream) -> None:
    before, after = passed(model, stream, SLOT, Ablate(point=SLOT, segment=2, slot=3), n=4)
    only_at(before, after, 2, 3)
    assert (after[2][:, 3] == 0).all()


def test_ablate_by_the_mean_of_the_places_there(model: MemoryModel, stream: EncodedStream) -> None:
    before, after = passed(model, stream, SLOT, Ablate(point=SLOT, by="mean", segment=1, slot=0), n=3)
    only_at(before, after, 1, 0)
    torch.testing.assert_close(after[1][:, 0], before[1].mean(1))
    # of the store, of what it holds
    ids, _ = passed(model, stream, "store.hook_entry", n=3)
    held = ids[1][0] >= 0
    assert not held.all()
    entry = int(ids[1][0, held][2])
    before, after = passed(model, stream, CONTENT, Ablate(point=CONTENT, by="mean", segment=1, entry=entry), n=3)
    only_at(before, after, 1, int((ids[1][0] == entry).int().argmax()))
    torch.testing.assert_close(after[1][ids[1] == entry][0], before[1][0, held].mean(0))


def test_ablate_by_a_recording(model: MemoryModel, stream: EncodedStream, recorded: Recording) -> None:
    slots = recorded[SLOT].values
    _, after = passed(model, stream, SLOT, Ablate(point=SLOT, by="mean", source=recorded, segment=0), n=1)
    np.testing.assert_allclose(after[0][0], slots[0].mean(0), rtol=1e-5)
    resample = Ablate(point=SLOT, by="resample", source=recorded, slot=2, seed=3)
    _, first = passed(model, stream, SLOT, resample, n=3)
    _, again = passed(model, stream, SLOT, resample, n=3)
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a, b)
        assert (slots[0, :, 2] == a[0, 2].numpy()).all(1).any()
    mean = Ablate(point=CONTENT, by="mean", source=recorded, segment=3)
    held = recorded.segments["entry_id"].values >= 0
    _, after = passed(model, stream, CONTENT, mean, n=4)
    np.testing.assert_allclose(after[3][0, 5], recorded[CONTENT].values[held].mean(0), rtol=1e-4, atol=1e-6)


def test_patch_from_another_moment(model: MemoryModel, stream: EncodedStream, recorded: Recording) -> None:
    patch = Patch(point=SLOT, source=recorded, segment=3, slot=1, from_segment=1, from_slot=4)
    before, after = passed(model, stream, SLOT, patch, n=5)
    only_at(before, after, 3, 1)
    np.testing.assert_array_equal(after[3][0, 1], recorded[SLOT].values[0, 1, 4])


def test_patch_an_entry(model: MemoryModel, stream: EncodedStream, recorded: Recording) -> None:
    ids = recorded.segments["entry_id"].values[0]
    to, of = int(ids[4][ids[4] >= 0][0]), int(ids[2][ids[2] >= 0][-1])
    patch = Patch(point=CONTENT, source=recorded, segment=4, entry=to, from_segment=2, from_entry=of)
    before, after = passed(model, stream, CONTENT, patch, n=6)
    only_at(before, after, 4, int(np.argmax(ids[4] == to)))
    np.testing.assert_array_equal(
        after[4][0, np.argmax(ids[4] == to)], recorded[CONTENT].values[0, 2, np.argmax(ids[2] == of)]
    )


@pytest.mark.parametrize("point", [SLOT, CONTENT, GATE, "controller.hook_q", "context.hook_position"])
def test_a_patch_by_the_own_run_changes_nothing(
    model: MemoryModel, stream: EncodedStream, recorded: Recording, results: list[Result], point: str
) -> None:
    for a, b in zip(model.run(stream, changes=[Patch(point=point, source=recorded)]), results, strict=True):
        assert torch.equal(a.state.store.content, b.state.store.content)
        assert torch.equal(a.state.working, b.state.working)


def test_clamp_and_scale(model: MemoryModel, stream: EncodedStream) -> None:
    before, after = passed(model, stream, SLOT, Clamp(point=SLOT, segment=1, slot=2, low=-0.1, high=0.2), n=3)
    only_at(before, after, 1, 2)
    assert torch.equal(after[1][:, 2], before[1][:, 2].clamp(-0.1, 0.2))
    before, after = passed(model, stream, GATE, Scale(point=GATE, segment=1, slot=0, factor=0.25), n=3)
    only_at(before, after, 1, 0)
    assert torch.equal(after[1][:, 0], before[1][:, 0] * 0.25)
    _, after = passed(model, stream, GATE, Scale(point=GATE, factor=50.0), n=2)
    assert all((gate == 1).all() for gate in after)


def test_one_feature_of_one_slot(model: MemoryModel, stream: EncodedStream) -> None:
    fix = Clamp(point=SLOT, segment=1, slot=2, places={"feature": 5}, low=7.0, high=7.0)
    before, after = passed(model, stream, SLOT, fix, n=2)
    changed = before[1] != after[1]
    assert changed.nonzero().tolist() == [[0, 2, 5]]
    assert after[1][0, 2, 5] == 7


def test_noise_is_the_same_wherever_a_run_begins(
    model: MemoryModel, stream: EncodedStream, results: list[Result]
) -> None:
    noise = Noise(point=SLOT, segment=slice(3, None), slot=1, std=0.5, seed=4)
    before, after = passed(model, stream, SLOT, noise, n=5)
    only_at(before[:4], after[:4], 3, 1)
    whole = list(model.run(stream, changes=[noise]))
    late = list(model.run(stream, state=results[1].state, first=2, changes=[noise]))
    assert torch.equal(whole[-1].state.store.content, late[-1].state.store.content)
    _, other = passed(model, stream, SLOT, noise.model_copy(update={"seed": 5}), n=4)
    assert not torch.equal(other[3], after[3])


def test_swap_twice_is_nothing(model: MemoryModel, stream: EncodedStream) -> None:
    swap = Swap(point=SLOT, segment=1, first=0, second=5)
    before, after = passed(model, stream, SLOT, swap, n=3)
    assert torch.equal(after[1][:, 0], before[1][:, 5]) and torch.equal(after[1][:, 5], before[1][:, 0])
    assert torch.equal(after[1][:, 1:5], before[1][:, 1:5])
    before, after = passed(model, stream, SLOT, swap, swap, n=3)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


NOTHING = [
    Scale(point=SLOT, factor=1.0),
    Noise(point=SLOT, std=0.0),
    Clamp(point=SLOT, low=-1e9, high=1e9),
    Swap(point=SLOT, first=3, second=3),
]


@given(st.lists(st.sampled_from(NOTHING), max_size=4))
@settings(max_examples=8, deadline=None)
def test_what_does_nothing_changes_nothing(
    model: MemoryModel, stream: EncodedStream, results: list[Result], changes: list[Intervention]
) -> None:
    for result in model.run(stream, changes=changes):
        assert torch.equal(result.state.store.content, results[result.segment].state.store.content)
        if result.segment == 2:
            break


def test_they_act_in_their_order(model: MemoryModel, stream: EncodedStream) -> None:
    add, twice = Clamp(point=SLOT, low=1.0, high=1.0), Scale(point=SLOT, factor=2.0)
    assert (passed(model, stream, SLOT, add, twice, n=1)[1][0] == 2).all()
    assert (passed(model, stream, SLOT, twice, add, n=1)[1][0] == 1).all()


WRONG = {
    "no such point": (Ablate(point="context.hook_slots"), PointError, "closest: context.hook_slot"),
    "no slots": (Ablate(point="hook_hidden", slot=1), PointError, "has no slots, but slot is given; its axes are token"),
    "no entries": (Ablate(point=SLOT, entry=1), PointError, "has no entries"),
    "slot beyond": (Ablate(point=SLOT, slot=8), PointError, "slot 8 of 'context.hook_slot' does not exist; it has slots 0 to 7"),
    "segment beyond": (Ablate(point=SLOT, segment=[1, 9]), InterventionError, "in segment 9, but the streams have segments 0 to 8"),
    "axis": (Ablate(point=SLOT, places={"head": 0}), PointError, "no axis 'head'"),
    "index": (Ablate(point=SLOT, places={"feature": 32}), PointError, "outside of its shape"),
    "entry": (Ablate(point=CONTENT, segment=2, entry=999), InterventionError, "entry 999 is not there in segment 2"),
    "ids": (Noise(point="store.hook_entry", std=1), InterventionError, "ids or positions, not quantities"),
    "no places": (Ablate(point="importance.hook_summary", by="mean"), InterventionError, "no places to take a mean over"),
    "swap": (Swap(point=SLOT, first=0, second=8), InterventionError, "places 0 to 7"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "error", "message"), WRONG.values(), ids=WRONG.keys())
def test_places_that_do_not_exist(
    model: MemoryModel, stream: EncodedStream, change: PointEdit, error: type[MemlensError], message: str
) -> None:
    with pytest.raises(error, match=message):
        list(model.run(stream, changes=[change]))


def test_what_a_recording_does_not_have(model: MemoryModel, stream: EncodedStream, recorded: Recording) -> None:
    wrong = {
        "no segment 40": Patch(point=SLOT, source=recorded, from_segment=40),
        "is not in this recording": Patch(point="hook_hidden", source=recorded),
        "has no entry 999": Patch(point=CONTENT, source=recorded, entry=0, from_entry=999),
        "expected another": Patch(point=SLOT, source={"path": str(recorded.path), "id": "another"}),
    }
    for message, change in wrong.items():
        with pytest.raises(MemlensError, match=message):
            list(model.run(stream, changes=[change]))
