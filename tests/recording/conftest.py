"""A small untrained model and streams for it: recordings of it are made in a second."""

import pytest
import torch

from memlens.config import ModelConfig
from memlens.model import MemoryModel
from memlens.streams import builtin_stream, default_tokenizer

SMALL = ModelConfig(
    d_model=32, segment_length=64, n_layers=2, ssd_heads=2, ssd_head_dim=16, ssd_state=8, chunk=16, n_slots=8, slot_window=12,
    slot_heads=2, slot_head_dim=8, working_slots=4, working_writes=2, capacities=(6, 4, 2), retrieve=4, control_width=16,
)  # fmt: skip


@pytest.fixture(scope="session")
def small_model():
    """Prefers to store, then to compress, so that levels fill."""
    torch.manual_seed(0)
    model = MemoryModel(SMALL, default_tokenizer(), "small")
    with torch.no_grad():
        model.controller.q_network.advantage.bias.copy_(torch.tensor([2.0, 1.9, 0.0, -2.0]))
    return model.eval()


@pytest.fixture(scope="session")
def small_streams(small_model):
    """Two, of some sixteen segments."""
    return [
        builtin_stream("builtin", n_token=n, seed=seed).encode(small_model.tokenizer)
        for n, seed in ((1000, 0), (1000, 1))
    ]
