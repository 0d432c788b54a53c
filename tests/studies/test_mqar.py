"""Spikes are found where they are; recall and steadiness are judged by their goals."""

import numpy as np
import pytest

from analyses.mqar import study as mqar
from analyses.mqar.spikes import spikes as find


def test_spikes_are_found_where_they_are() -> None:
    rng = np.random.default_rng(0)
    loss = 2.0 + 0.02 * rng.normal(size=400)
    loss[[150, 300, 301]] += 1.0
    stage = [0] * 400
    assert find(loss, stage, 100) == [150, 300]
    assert find(loss, stage, 200) == [300], "none in the warm-up"


def test_a_new_stage_is_no_spike_and_one_wrong_answer_neither() -> None:
    stage = [0] * 200 + [1] * 200
    loss = [0.1] * 200 + [2.0] * 200
    assert find(loss, stage, 50) == []
    assert find(loss, [0] * 400, 50) == [200]
    quiet = [0.001] * 400
    quiet[300] = 0.09
    assert find(quiet, stage, 50) == []


def runs(accuracy: list[float], spikes: list[int], kind: str) -> list[dict]:
    return [
        {"kind": kind, "seed": s, "accuracy": a, "loss": 0.1, "spikes": list(range(n)), "parameters": 9, "stages_begun": [0, 5]}
        for s, (a, n) in enumerate(zip(accuracy, spikes, strict=True))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("memory", "attention", "spikes", "status"),
    [
        ([0.995, 0.995, 0.995], 1.0, [0, 0, 0], "holds"),
        ([0.995, 0.995, 0.995], 0.9, [0, 0, 0], "holds under conditions"),
        ([0.995, 0.995, 0.995], 1.0, [1, 0, 0], "holds under conditions"),
        ([0.99, 0.89, 0.99], 1.0, [0, 0, 0], "does not hold"),
    ],
)
def test_recall_and_steadiness_are_judged_by_their_goals(
    config, memory: list[float], attention: float, spikes: list[int], status: str
) -> None:
    rows = [
        *runs(memory, spikes, "memory"),
        *runs([attention, 1.0, 1.0], [1, 1, 0], "attention"),
        *runs([0.7, 0.9, 0.8], [0, 0, 2], "ssm"),
    ]
    result = {"summary": mqar.summarise(rows), "rows": rows, "config": {"train": config.model_dump(mode="json")}}
    said = mqar.verdict(result)
    assert said.status == status
    assert len(said.tables[0].rows) == 3
    assert result["summary"]["memory"]["accuracy"]["value"] == pytest.approx(np.mean(memory))
