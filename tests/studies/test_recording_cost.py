"""What recording costs is judged by its goals; the arms change nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from analyses.recording_cost import arms
from analyses.recording_cost import study as recording_cost
from analyses.recording_cost import verdict as judged
from memlens.config import ModelConfig
from memlens.model import MemoryModel
from memlens.recording.capture.point_selection import select_points
from memlens.streams import builtin_stream, default_tokenizer

CONFIG = {
    "models": ("20 ms", "80 ms"),
    "rounds": 4,
    "n_turn": 4,
    "n_segment": {"20 ms": 8, "80 ms": 8},
    "nnsight": True,
}


def rows(recording: float, passes: float = 6.0, same: bool = True) -> list[dict]:
    """Three seeds of which the arms cost so much more than the loop by hand."""
    over = {
        arms.BY_HAND: 0.0,
        arms.IDLE: 0.002,
        arms.APPEND: 0.04,
        arms.WITH_HOOKS: 0.05,
        arms.NNSIGHT: 0.09,
        arms.RECORD: recording,
    }
    found: list[dict] = []
    for seed in range(3):
        for name, base in (("20 ms", 0.02), ("80 ms", 0.08)):
            hand = {"seconds": base, "cpu": base}
            spent = {
                arm: [{"arm": dict.fromkeys(hand, base * (1 + more)), "hand": hand}] * 4
                for arm, more in over.items()
                if arm != arms.BY_HAND
            }
            found.append({
                "part": "cost", "model": name, "seed": seed, "same": dict.fromkeys(over, same), "points": 9, "parameters": 7,
                "milliseconds": {arm: 1e3 * base * (1 + more) for arm, more in over.items()}, "spent": spent,
            })  # fmt: skip
        found += [
            {"part": "memory", "seed": seed, "ratio": 1.004},
            {"part": "durable", "seed": seed, "ratio": 0.5},
            {"part": "open", "seed": seed, "open_ms": 30.0, "trajectory_ms": 5.0, "segment_ms": 1.0},
            {"part": "sweep", "seed": seed, "passes": passes},
        ]
    return found


@pytest.mark.parametrize(
    ("measured", "status", "missed"),
    [
        (rows(0.005), "holds", "none"),
        (rows(0.03), "holds under conditions", "recording at most 1%, 80 ms"),
        (rows(0.005, passes=12.0), "holds under conditions", "64 forced actions at most 10 passes"),
        (rows(0.005, same=False), "does not hold", "states as in the loop by hand, bit by bit"),
    ],
)
def test_costs_are_judged_by_their_goals(measured: list[dict], status: str, missed: str) -> None:
    summary = judged.summarise(measured, CONFIG)
    result = {"summary": summary, "config": CONFIG, "provenance": {"seeds": [0, 1, 2]}, "rows": measured}
    said = judged.verdict(result)
    assert said.status == status
    assert missed in said.sentences[0]
    assert len(said.tables) == 2 and len(said.tables[1].rows) == 5
    found = summary["cost"]["20 ms"]["over"][arms.RECORD]["seconds"]["value"]
    assert found == pytest.approx(measured[0]["spent"][arms.RECORD][0]["arm"]["seconds"] / 0.02 - 1)


@pytest.fixture(scope="module")
def model() -> MemoryModel:
    torch.manual_seed(0)
    return MemoryModel(ModelConfig(d_model=32, segment_length=64), default_tokenizer()).eval()


def test_every_arm_leaves_the_states_as_they_are(model: MemoryModel, tmp_path: Path) -> None:
    stream = builtin_stream("needle", n_token=256, seed=0, n_fact=2).encode(model.tokenizer)
    points = [kept.point.name for kept in select_points(model.cfg, ["slots"])]
    spent, same = arms.in_turns(model, stream, arms.arms_of(model, points, with_nnsight=False))
    assert all(same.values()) and list(same) == [arms.BY_HAND, arms.IDLE, arms.APPEND, arms.WITH_HOOKS]
    assert {len(times) for times in spent.values()} == {4}
    reference, found = arms.Digests(), arms.Digests()
    arms.by_hand(model, stream, reference)
    assert len(set(reference.of)) == 4
    with arms.step_states(model, found):
        arms.recorded(model, stream, points, tmp_path / "run")
    assert found.of == reference.of


def test_an_arm_that_changes_a_state_is_noticed(model: MemoryModel) -> None:
    stream = builtin_stream("needle", n_token=128, seed=0, n_fact=2).encode(model.tokenizer)

    @contextmanager
    def halved() -> Iterator[arms.Step]:
        def step(*given: Any) -> Any:
            outputs, state = model.step(*given)
            return outputs, state.map(lambda x: x / 2 if x.is_floating_point() else x)

        yield step

    _, same = arms.in_turns(model, stream, {**arms.arms_of(model, [], with_nnsight=False), "halved": halved})
    assert [arm for arm, alike in same.items() if not alike] == ["halved"]


def test_by_hand_has_no_points(model: MemoryModel) -> None:
    with arms.without_points(model):
        assert not any(type(module) is arms.HookPoint for module in model.modules())
    assert any(type(module) is arms.HookPoint for module in model.modules())


def test_a_digest_sees_one_bit(model: MemoryModel) -> None:
    state, digests = model.initial_state(1), arms.Digests()
    digests(state)
    digests(state.map(lambda x: x))
    working = state.working.clone()
    working[0, 0, 0] += 1e-7
    digests(type(state)(**{**state.__dict__, "working": working}))
    assert digests.of[0] == digests.of[1] != digests.of[2]


def test_quick_is_smaller() -> None:
    assert recording_cost.QUICK_LONG < recording_cost.LONG and recording_cost.QUICK_ROUNDS < recording_cost.ROUNDS
    assert recording_cost.ROUNDS * 3 >= 12
