"""A small untrained model whose controller uses all of the store, and segments of all modalities."""

import pytest
import torch
from transformer_lens import HookedRootModule

from memlens.config import ModelConfig
from memlens.dims import PAYLOAD_WIDTH, Modality
from memlens.model import MemoryModel, Questions, Segment
from memlens.streams import EncodedStream, Stream, default_tokenizer

from .stranger import Plain

SMALL = ModelConfig(
    d_model=32, segment_length=64, n_layers=2, ssd_heads=2, ssd_head_dim=16, ssd_state=8, chunk=16, n_slots=8, slot_window=12,
    slot_heads=2, slot_head_dim=8, working_slots=4, working_writes=2, capacities=(6, 4, 2), retrieve=4, control_width=16,
)  # fmt: skip


@pytest.fixture
def model() -> MemoryModel:
    return make_model(SMALL)


def make_model(cfg: ModelConfig) -> MemoryModel:
    """Seeded; prefers to store, then to compress, and never to discard, so that levels fill."""
    torch.manual_seed(0)
    model = MemoryModel(cfg, default_tokenizer(), "small")
    with torch.no_grad():
        model.controller.q_network.advantage.bias.copy_(torch.tensor([2.0, 1.9, 0.0, -2.0]))
    return model.eval()


def make_stream(kind: str = "mill") -> EncodedStream:
    """Three segments of the small model of text; a question at the end of the second and of the third."""
    stream = Stream(kind)
    for code in ("472", "815"):
        stream.text(f"The access code of the old {kind} is {code}.").text(
            " It rained for three days, and then it rained again." * 3
        )
        stream.question(f"What is the access code of the old {kind}?", code)
    return stream.encode(default_tokenizer())


@pytest.fixture
def stream() -> EncodedStream:
    return make_stream()


def make_segment(seed: int, n_sequence: int = 2, length: int = 64) -> Segment:
    """Random positions of every modality."""
    g = torch.Generator().manual_seed(seed)
    modality = torch.randint(len(Modality), (n_sequence, length), generator=g)
    token = torch.randint(3, 1000, (n_sequence, length), generator=g)
    return Segment(
        modality,
        torch.where(modality == Modality.TEXT, token, token % 4),
        torch.randn(n_sequence, length, PAYLOAD_WIDTH, generator=g),
        torch.ones(n_sequence, length, dtype=torch.bool),
    )


def make_questions(seed: int, n_sequence: int = 2) -> Questions:
    """Two random questions a sequence, answers of two tokens."""
    g = torch.Generator().manual_seed(seed)
    token = torch.randint(3, 1000, (n_sequence, 2, 7), generator=g)
    answer = torch.randint(3, 1000, (n_sequence, 2, 3), generator=g)
    answer[..., -1] = 2
    return Questions(token, answer, torch.ones(n_sequence, 2, dtype=torch.bool))


@pytest.fixture(params=["transformer_lens", "memlens"])
def hooked(request: pytest.FixtureRequest, model: MemoryModel) -> HookedRootModule:
    if request.param == "memlens":
        return model
    torch.manual_seed(0)
    return Plain().eval()
