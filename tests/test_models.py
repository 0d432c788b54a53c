"""The shipped models are what their cards say, recall, and are not changed by being recorded."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from memlens.config import TrainConfig
from memlens.model import load_model, run
from memlens.streams import builtin_stream
from memlens.training.card import render
from memlens.training.evaluate import evaluate

MODELS = sorted(path.parent for path in (Path(__file__).parents[1] / "trained_models").glob("*/config.json"))
MOST_BYTES = 40 * 2**20
#: Parameters that a model is to have, at least and at most.
SIZES = {"nano": (1_000_000, 2_000_000), "base": (5_000_000, 20_000_000)}
NANO = next(path for path in MODELS if path.name == "nano")


@pytest.fixture(scope="module")
def nano():
    return load_model(NANO)


@pytest.mark.parametrize("folder", MODELS, ids=[path.name for path in MODELS])
def test_card_and_weights_belong_together(folder: Path) -> None:
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["weights_sha256"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert metrics["parameters"] == sum(p.numel() for p in load_model(folder).parameters())
    config = TrainConfig.load(folder.parents[1] / "analyses" / "configs" / f"{folder.name}.toml")
    assert TrainConfig.parse(json.loads((folder / "train.json").read_text())) == config
    assert (folder / "README.md").read_text() == render(folder.name, metrics)


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str) -> None:
    least, most = SIZES[name]
    assert least <= sum(p.numel() for p in load_model(NANO.parent / name).parameters()) <= most


def test_all_models_together_are_small() -> None:
    assert sum(file.stat().st_size for folder in MODELS for file in folder.iterdir()) <= MOST_BYTES


def test_recalls_better_than_fifo(nano) -> None:
    measured = evaluate(nano, n_token=20_000, seeds=(11,), policies=("learned", "fifo"))
    learned, fifo = (entry["overall"] for entry in measured.results)
    assert learned["wilson_low"] > 0.8
    assert learned["wilson_low"] > fifo["wilson_high"]


def test_recording_changes_no_bit(nano, tmp_path) -> None:
    from memlens.recording import RecordOptions, record

    stream = builtin_stream("builtin", n_token=4000, seed=3).encode(nano.tokenizer)
    plain = [r.outputs.flat() | r.state.flat() for r in run(nano, [stream])]
    recorded: list[dict[str, torch.Tensor]] = []
    step = nano.step

    def watched(*args, **kwargs):
        outputs, state = step(*args, **kwargs)
        recorded.append(outputs.flat() | state.flat())
        return outputs, state

    nano.step = watched
    try:
        record(nano, stream, tmp_path / "run", RecordOptions(points=("all",)))
    finally:
        del nano.step
    assert len(plain) == len(recorded)
    for a, b in zip(plain, recorded, strict=True):
        assert all(torch.equal(a[k].nan_to_num(), b[k].nan_to_num()) for k in a)
