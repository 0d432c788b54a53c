"""The shipped model is what its card says, recalls, and is not changed by being recorded."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from memlens.model import load_model, run
from memlens.streams import builtin
from memlens.training.card import render
from memlens.training.evaluate import evaluate

NANO = Path(__file__).parents[1] / "trained_models" / "nano"


@pytest.fixture(scope="module")
def nano():
    return load_model(NANO)


def test_card_and_weights_belong_together(nano) -> None:
    metrics = json.loads((NANO / "metrics.json").read_text())
    assert metrics["weights_sha256"] == hashlib.sha256((NANO / "model.safetensors").read_bytes()).hexdigest()
    assert metrics["parameters"] == sum(p.numel() for p in nano.parameters()) <= 2_000_000
    assert sum(p.stat().st_size for p in NANO.iterdir()) <= 10_000_000
    assert (NANO / "README.md").read_text() == render("nano", metrics)


def test_recalls_better_than_fifo(nano) -> None:
    measured = evaluate(nano, n_token=20_000, seeds=(11,), policies=("learned", "fifo"))
    learned, fifo = (entry["overall"] for entry in measured.results)
    assert learned["wilson_low"] > 0.8
    assert learned["wilson_low"] > fifo["wilson_high"]


def test_recording_changes_no_bit(nano, tmp_path) -> None:
    from memlens.recording import record

    stream = builtin(n_token=4000, seed=3).encode(nano.tokenizer)
    plain = [r.outputs.flat() | r.state.flat() for r in run(nano, [stream])]
    recorded: list[dict[str, torch.Tensor]] = []
    step = nano.step

    def watched(*args, **kwargs):
        outputs, state = step(*args, **kwargs)
        recorded.append(outputs.flat() | state.flat())
        return outputs, state

    nano.step = watched
    try:
        record(nano, stream, tmp_path / "run", points=("all",))
    finally:
        del nano.step
    assert len(plain) == len(recorded)
    for a, b in zip(plain, recorded, strict=True):
        assert all(torch.equal(a[k].nan_to_num(), b[k].nan_to_num()) for k in a)
