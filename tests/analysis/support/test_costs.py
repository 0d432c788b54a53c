"""Formulas of cost against the models themselves, run under torch's counter."""

import pytest
import torch

from analyses.efficiency import cost as counted
from memlens.analysis.support import attention_costs, costs
from memlens.config import BaselineConfig, ModelConfig
from memlens.dims import PAYLOAD, PAYLOAD_WIDTH, Modality
from memlens.errors import AnalysisError
from memlens.model import MemoryModel
from memlens.model.baseline import count_parameters, equal_config
from memlens.model.segment import Segment

SMALL = ModelConfig(
    vocab_size=64, d_model=32, segment_length=64, ssd_heads=2, ssd_head_dim=16, ssd_state=8, chunk=16, n_slots=8, slot_window=12,
    slot_heads=2, slot_head_dim=8, pick_width=3, working_slots=4, capacities=(8, 4, 2), n_heads=2, control_width=16,
)  # fmt: skip
DEEP = SMALL.model_copy(update={"capacities": (6, 6, 4, 2), "n_layers": 3, "question_layers": 2, "read_views": 2})
PLAIN = BaselineConfig(kind="attention", vocab_size=64, d_model=64, n_heads=2, n_layers=2, segment_length=512)


def mixed_segment(cfg: ModelConfig) -> tuple[Segment, dict[Modality, int]]:
    """Text, and of each other modality as many positions as it has a number."""
    modality = torch.zeros(1, cfg.segment_length, dtype=torch.long)
    others = {kind: int(kind) for kind in PAYLOAD}
    at = 5
    for kind, n in others.items():
        modality[0, at : at + n] = int(kind)
        at += n
    payload = torch.randn(1, cfg.segment_length, PAYLOAD_WIDTH)
    valid = torch.ones(1, cfg.segment_length, dtype=torch.bool)
    return Segment(modality, torch.randint(3, cfg.vocab_size, modality.shape), payload, valid), others


@pytest.mark.parametrize("cfg", [SMALL, DEEP, ModelConfig()], ids=["small", "deep", "nano"])
def test_parameters_are_those_of_the_model(cfg: ModelConfig) -> None:
    with torch.device("meta"):
        model = MemoryModel(cfg)
    owner = {"blocks": "backbone", "norm": "backbone", "compressor": "store"}
    seen = dict.fromkeys(costs.PARTS, 0)
    for name, weights in model.named_parameters():
        first = name.partition(".")[0]
        seen[owner.get(first, first)] += weights.numel()
    assert costs.parameters(cfg) == seen


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("cfg", [SMALL, DEEP, ModelConfig()], ids=["small", "deep", "nano"])
def test_a_step_costs_what_the_counter_counts(cfg: ModelConfig, learned: bool) -> None:
    torch.manual_seed(0)
    model = MemoryModel(cfg).eval()
    if not learned:
        model.controller.policy = "fifo"
    segment, others = mixed_segment(cfg)
    state = model.initial_state(1)
    model.controller.q_network.advantage.bias.data.copy_(torch.tensor(counted.KEEPING))
    _, state = model.step(segment, state)
    for predict in (True, False):
        got = counted.flops(lambda p=predict: model.step(segment, state, predict=p))
        assert sum(costs.segment_flops(cfg, others, learned=learned, predict=predict).values()) == sum(got.values())


@pytest.mark.parametrize("cfg", [SMALL, DEEP], ids=["small", "deep"])
def test_a_question_costs_what_the_counter_counts(cfg: ModelConfig) -> None:
    torch.manual_seed(0)
    reader = counted.MemoryReader(cfg)
    with torch.no_grad():
        for _ in range(9):
            reader.feed(counted.random_segment(cfg))
        reader.settle()
        asked = counted.random_questions(1, 16, 4, cfg.vocab_size)
        assert reader.memory is not None
        n_read = reader.model.read(asked, reader.memory)[0].content.shape[2]
    total = sum(costs.match_flops(cfg).values()) + sum(costs.question_flops(cfg, 16, 4, n_read).values())
    assert sum(counted.flops(lambda: reader.ask(asked)).values()) == total
    assert n_read <= costs.most_read(cfg)
    assert reader.held()["whole"] == costs.read_bytes(cfg)
    assert reader.held()["carried"] == sum(costs.state_bytes(cfg).values()) + 2 * 8 + 4, (
        "two counters and since_question"
    )


def test_entries_that_come_back_cost_at_most_so_much() -> None:
    """The compressor opens what is recalled, two rounds for the last level of three."""
    model = MemoryModel(SMALL)
    content = torch.randn(1, SMALL.recalls, SMALL.d_model)
    last = torch.full((1, SMALL.recalls), 2)
    got = sum(counted.flops(lambda: model.compressor.expand_to_level(content, last, 2)).values())
    without, with_them = (costs.segment_flops(SMALL, recalls=recalls) for recalls in (False, True))
    assert with_them["store"] - without["store"] == got


@pytest.mark.parametrize("n_before", [0, 1, 3])
def test_plain_attention_costs_what_the_counter_counts(n_before: int) -> None:
    torch.manual_seed(0)
    small = SMALL.model_copy(update={"segment_length": 512})
    reader = counted.AttentionReader(PLAIN, (n_before + 1) * 512, 32)
    for _ in range(n_before):
        reader.feed(counted.random_segment(small))
    segment, others = mixed_segment(small)
    got = counted.flops(lambda: reader.model.step(segment, reader.state))
    assert sum(got.values()) == attention_costs.attention_segment_flops(PLAIN, 512 * n_before, others)
    reader.feed(segment)
    length = 512 * (n_before + 1)
    asked = counted.random_questions(1, 16, 4, 64)
    assert sum(counted.flops(lambda: reader.ask(asked)).values()) == attention_costs.attention_question_flops(
        PLAIN, length, 16, 4
    )
    assert reader.held()["whole"] == attention_costs.attention_read_bytes(PLAIN, length)


@pytest.mark.parametrize("layers", [2, 3, 4])
def test_attention_of_equal_size_is_the_one_that_training_compares_with(layers: int) -> None:
    cfg = ModelConfig()
    n = sum(costs.parameters(cfg).values())
    chosen = attention_costs.equal_attention(n, cfg, layers)
    assert attention_costs.attention_parameters(chosen) == count_parameters(chosen)
    other = equal_config("attention", n, n_layers=layers, vocab_size=cfg.vocab_size)
    names = ("d_model", "n_heads", "n_layers", "mlp_ratio", "vocab_size", "segment_length")
    assert [getattr(chosen, name) for name in names] == [getattr(other, name) for name in names]


def test_attention_of_no_size_near_is_refused() -> None:
    with pytest.raises(AnalysisError, match="give another layers"):
        attention_costs.equal_attention(10_000, SMALL, 3)
