"""A tiny model that takes every action, streams for it, and what every study is held to."""

from typing import Any

import pytest
import torch

from analyses.common import recall
from analyses.common import small_models as small
from analyses.common.page import svg
from analyses.common.results import plain
from memlens.config import ModelConfig
from memlens.model import MemoryModel
from memlens.streams import default_tokenizer

TINY = ModelConfig(
    d_model=32, segment_length=64, n_layers=1, ssd_heads=2, ssd_head_dim=16, ssd_state=8, chunk=16, n_slots=8, slot_window=12,
    slot_heads=2, slot_head_dim=8, working_slots=4, working_writes=2, capacities=(6, 4, 2), retrieve=4, control_width=16,
    pick_width=5,
)  # fmt: skip


@pytest.fixture
def model() -> MemoryModel:
    """Seeded; prefers to store, then to compress, then to recall, so that every action is taken."""
    torch.manual_seed(0)
    model = MemoryModel(TINY, default_tokenizer(), "tiny")
    with torch.no_grad():
        model.controller.q_network.advantage.bias.copy_(torch.tensor([2.0, 1.9, 1.8, -2.0]))
    return model.eval()


@pytest.fixture
def streams() -> list[Any]:
    return recall.make_streams(default_tokenizer(), "needle", (3, 4), n_token=700, n_fact=6)


@pytest.fixture(scope="session")
def config():
    return small.load("mqar")


def assert_close(actual: Any, expected: Any, rtol: float = 1e-9, where: str = "") -> None:
    """Equal JSON values; numbers within ``rtol``, since processors round differently."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict) and actual.keys() == expected.keys(), where
        for key, value in expected.items():
            assert_close(actual[key], value, rtol, f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(actual, list) and len(actual) == len(expected), where
        for i, (one, other) in enumerate(zip(actual, expected, strict=True)):
            assert_close(one, other, rtol, f"{where}[{i}]")
    elif isinstance(expected, float):
        assert actual == pytest.approx(expected, rel=rtol, abs=1e-12), where
    else:
        assert actual == expected, where


def check_drawings(claim: Any, result: dict[str, Any]) -> None:
    """Figures and tables come from the result alone, and say what they claim."""
    told = plain(result)
    for drawing in claim.drawings:
        text = svg(drawing.draw(told), drawing.what)
        assert text.count("<svg") == 1 and len(text) < 300_000
        caption = drawing.caption(told)
        assert "95 %" in caption and ". " not in caption
    for table in claim.verdict(told).tables:
        assert all(len(row) == len(table.header) for row in table.rows)
