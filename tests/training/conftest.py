"""A training run of a few seconds: a tiny memory model, short rows of all modalities."""

from functools import partial
from pathlib import Path

import pytest

from memlens.training.fidelity import rate_distortion

TINY = """
name = "tiny"
steps = 8
warmup = 4
log_every = 2
checkpoint_every = 3
alternations = 0
[[tasks]]
name = "needle"
options = { mix = [1, 1, 1, 1] }
[[stages]]
n_row = 4
n_token = 96
n_fact = 3
n_question = 3
compress = 0.25
"""
MODEL = """
[model]
d_model = 32
slot_heads = 2
slot_head_dim = 8
capacities = [6, 4, 2]
ssd_heads = 2
ssd_head_dim = 8
ssd_state = 8
"""
BASELINE = """
[baseline]
kind = "attention"
d_model = 32
n_heads = 2
n_layers = 1
window = 64
"""


#: One short Q phase.
Q_PHASE = """
[q]
rounds = 1
n_stream = 1
n_token = 1500
steps = 3
batch = 32
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a memory model, without Q phases."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY + MODEL)
    return path


@pytest.fixture
def baseline_config(tmp_path: Path) -> Path:
    """Of a baseline, on the same rows."""
    path = tmp_path / "tiny-baseline.toml"
    path.write_text(TINY + BASELINE)
    return path


@pytest.fixture
def small_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """The card is measured on short streams of one task."""
    monkeypatch.setattr("memlens.training.card.rate_distortion", partial(rate_distortion, n_token=1500))
    monkeypatch.setattr("memlens.training.card.CARD_TASKS", (("slot_qa", 512, {}),))
    monkeypatch.setattr("memlens.training.card.CARD_TOKENS", 1500)
    monkeypatch.setattr("memlens.training.card.CARD_SEEDS", (0,))
