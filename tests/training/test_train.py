"""Training: interrupted and resumed it gives the same weights; the loss falls; bad input is one clear error."""

from pathlib import Path

import pytest
import torch

from memlens.config import TrainConfig
from memlens.errors import ConfigError, TrainingError
from memlens.training.progress_file import Checkpoint
from memlens.training.train import Trainer, train

TINY = """
name = "tiny"
steps = 8
checkpoint_every = 4
alternations = 2
last_share = 0.25
[[stages]]
n_row = 3
n_token = 96
n_fact = 3
n_question = 3
compress = 0.25
[q]
rounds = 1
n_stream = 1
n_token = 1500
steps = 3
batch = 32
[model]
d_model = 32
slot_heads = 2
slot_head_dim = 8
capacities = [6, 4, 2]
ssd_heads = 2
ssd_head_dim = 8
ssd_state = 8
segment_length = 128
"""


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def test_resume_is_bit_equal(config, tmp_path) -> None:
    settings = TrainConfig.load(config)
    whole = Trainer(settings)
    for _ in range(6):
        whole.memory_step()
    whole.q_phase(None)
    cut = Trainer(settings)
    for _ in range(3):
        cut.memory_step()
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    checkpoint.save(cut)
    again = Trainer(settings)
    torch.rand(5)  # the global generator is put back too
    checkpoint.load(again)
    for _ in range(3):
        again.memory_step()
    again.q_phase(None)
    for (name, a), b in zip(whole.model.state_dict().items(), again.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_trains_into_a_model_folder(config, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("memlens.training.card.CARD_TOKENS", 2000)
    monkeypatch.setattr("memlens.training.card.CARD_SEEDS", (0,))
    seen = []
    out = train(config, tmp_path / "out", progress=lambda done, total, what: seen.append(what))
    names = {p.name for p in out.iterdir()}
    assert names == {
        "model.safetensors", "config.json", "tokenizer.json", "train.json", "metrics.json", "metrics.jsonl", "README.md"
    }  # fmt: skip
    assert seen
    with pytest.raises(TrainingError, match="not empty"):
        train(config, out)


def test_loss_falls(config) -> None:
    trainer = Trainer(TrainConfig.load(config))
    losses = [trainer.memory_step()["loss"] for _ in range(40)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_nan_stops_with_step_and_tensor(config) -> None:
    trainer = Trainer(TrainConfig.load(config))
    with torch.no_grad():
        trainer.model.norm.gain[0] = float("nan")
    with pytest.raises(TrainingError, match=r"step 0: .* norm\.gain"):
        trainer.memory_step()


def test_bad_configs(tmp_path) -> None:
    with pytest.raises(ConfigError, match="no config file"):
        train(tmp_path / "none.toml", tmp_path / "o")
    (tmp_path / "bad.toml").write_text("stepz = 3")
    with pytest.raises(ConfigError, match="unknown key 'stepz'; closest: steps"):
        train(tmp_path / "bad.toml", tmp_path / "o")
    (tmp_path / "nested.toml").write_text("[model]\nn_slotz = 3")
    with pytest.raises(ConfigError, match=r"unknown key 'model\.n_slotz'; closest: n_slots"):
        train(tmp_path / "nested.toml", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_nothing_to_resume(config, tmp_path) -> None:
    with pytest.raises(TrainingError, match="nothing to resume"):
        train(config, tmp_path / "o", resume=True)
