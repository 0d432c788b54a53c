"""The efficiency study counts what the models do: FLOPs and interactions against hand formulas and masks, verdicts on planted gains."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from analyses.common.results import kept, plain
from analyses.efficiency import cost, ratio
from analyses.efficiency import verdict as judged
from memlens.analysis.support import attention_costs, costs
from memlens.config import BaselineConfig, ModelConfig
from memlens.model.layers import NEVER, Attention
from memlens.model.window_attention import question_sight, segment_sight

from .conftest import assert_close

PLAIN = BaselineConfig(kind="attention", vocab_size=64, d_model=64, n_heads=2, n_layers=2, segment_length=64)
SMALL = ModelConfig(
    vocab_size=64, d_model=32, segment_length=64, ssd_heads=2, ssd_head_dim=16, ssd_state=8, chunk=16, n_slots=8, slot_window=12,
    slot_heads=2, slot_head_dim=8, pick_width=3, working_slots=4, capacities=(8, 4, 2), n_heads=2, control_width=16,
)  # fmt: skip
N_ANSWER = 4


def plain_reader(n_segment: int) -> cost.AttentionReader:
    torch.manual_seed(0)
    reader = cost.AttentionReader(PLAIN, n_segment * PLAIN.segment_length, 32)
    for _ in range(n_segment):
        reader.feed(cost.random_segment(SMALL))
    return reader


def memory_reader(n_segment: int) -> cost.MemoryReader:
    torch.manual_seed(0)
    reader = cost.MemoryReader(SMALL)
    with torch.no_grad():
        for _ in range(n_segment):
            reader.feed(cost.random_segment(SMALL))
        reader.settle()
    return reader


# FLOPs


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"attn_mask": torch.ones(24, 24, dtype=torch.bool)}])
def test_attention_on_cpu_is_not_free(options: dict) -> None:
    """torch's counter has no formula for it."""
    x = torch.randn(2, 3, 24, 8)

    def attend() -> None:
        F.scaled_dot_product_attention(x, x, x, **options)

    assert sum(cost.flops(attend).values()) == 2 * 3 * 24 * 24 * 2 * (8 + 8)


def test_products_are_counted_by_their_shapes() -> None:
    a, b = torch.randn(5, 7), torch.randn(3, 7)
    assert sum(cost.flops(lambda: torch.einsum("ik,jk->ij", a, b)).values()) == 2 * 5 * 3 * 7
    assert sum(cost.flops(lambda: F.linear(a, b)).values()) == 2 * 5 * 3 * 7
    assert cost.flops(lambda: a.exp()) == {}


def plain_linear(n: int) -> int:
    """Of the layers at n positions: projections 4 d^2, MLP 2 r d^2."""
    d = PLAIN.d_model
    return 2 * n * PLAIN.n_layers * round((4 + 2 * PLAIN.mlp_ratio) * d * d)


@pytest.mark.parametrize("n_before", [0, 1, 5])
def test_plain_attention_encodes_by_the_hand_formula(n_before: int) -> None:
    reader = plain_reader(n_before) if n_before else cost.AttentionReader(PLAIN, 64, 32)
    reader.model.cfg = PLAIN.model_copy(update={"window": reader.model.cfg.window})
    segment = cost.random_segment(SMALL)
    got = sum(cost.flops(lambda: reader.model.step(segment, reader.state, predict=False)).values())
    # a segment is one block of queries here, and fits before the window's end
    seen = min(n_before * 64, reader.model.cfg.window - 1) + 64
    assert got == plain_linear(64) + PLAIN.n_layers * 4 * PLAIN.d_model * 64 * seen


@pytest.mark.parametrize("n_question", [1, 3])
def test_plain_attention_answers_by_the_hand_formula(n_question: int) -> None:
    reader = plain_reader(4)
    questions = cost.random_questions(n_question, 16, N_ANSWER, 64)
    n = n_question * (16 + N_ANSWER)
    attention = PLAIN.n_layers * 4 * PLAIN.d_model * n * (256 + n)
    logits = 2 * n_question * N_ANSWER * PLAIN.d_model * PLAIN.vocab_size
    assert sum(cost.flops(lambda: reader.ask(questions)).values()) == plain_linear(n) + attention + logits


def linear_flops(model: nn.Module, call) -> int:
    """Of all nn.Linear and convolutions that a call runs, seen by hooks."""
    total = 0

    def seen(module: nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Linear):
            total += 2 * out.numel() * module.in_features
        elif isinstance(module, nn.Conv1d):
            total += 2 * out.numel() * module.kernel_size[0] * module.in_channels // module.groups

    handles = [m.register_forward_hook(seen) for m in model.modules() if isinstance(m, nn.Linear | nn.Conv1d)]
    with torch.no_grad():
        call()
    for handle in handles:
        handle.remove()
    return total


def test_memory_encodes_by_the_hand_formula() -> None:
    reader, c = memory_reader(6), SMALL
    segment = cost.random_segment(c)

    def step() -> None:
        reader.model.step(segment, reader.state, predict=False)

    agents = c.n_slots + sum(c.capacities)
    incoming = c.n_slots + c.recalls
    scan = c.segment_length * (
        c.chunk * (c.ssd_state + c.ssd_heads * c.ssd_head_dim) + 2 * c.ssd_heads * c.ssd_head_dim * c.ssd_state
    )
    write = 2 * c.slot_heads * c.n_slots * (c.segment_length + c.slot_window - 1) * c.slot_head_dim
    working = 2 * c.working_slots * incoming * c.d_model
    control = agents * (agents * c.d_model + c.working_slots * c.d_model + agents * c.working_slots)
    occupancy = sum(c.capacities) * len(c.capacities)
    products = 2 * (c.n_layers * scan + write + working + control + occupancy)
    assert sum(cost.flops(step).values()) == linear_flops(reader.model, step) + products


# interactions


@pytest.mark.parametrize("n_segment", [1, 4])
def test_plain_interactions_are_the_pairs_that_the_masks_leave(n_segment: int) -> None:
    length = n_segment * 64
    valid, window = torch.ones(1, 64, dtype=torch.bool), length + 32
    seen = sum(int(segment_sight(window, torch.tensor([64 * t]), valid).seen.sum()) for t in range(n_segment))
    assert attention_costs.attention_interactions(PLAIN, length) == PLAIN.n_layers * seen
    asked = int(question_sight(window, torch.tensor([length]), 1, 20).seen.sum())
    assert attention_costs.attention_question_interactions(PLAIN, length, 16, 4) == PLAIN.n_layers * asked


def test_memory_interactions_of_a_segment_are_the_shapes_of_its_patterns() -> None:
    reader, c = memory_reader(3), SMALL
    shapes: dict[str, torch.Size] = {}
    names = ("context.hook_pattern", "working.hook_pattern", "controller.hook_q")
    hooks = [(name, lambda x, hook: shapes.__setitem__(hook.name, x.shape)) for name in names]
    with torch.no_grad():
        reader.model.run_with_hooks(cost.random_segment(c), reader.state, fwd_hooks=hooks)
    _, n_slot, _, window = shapes["context.hook_pattern"]
    _, n_working, incoming = shapes["working.hook_pattern"]
    _, n_agent, _ = shapes["controller.hook_q"]
    in_chunks = c.n_layers * (c.segment_length // c.chunk) * (c.chunk * (c.chunk + 1) // 2)
    control = 2 * n_agent * n_agent + n_agent * n_working
    expected = in_chunks + n_slot * window + n_working * incoming + control
    assert costs.memory_interactions(c, 5 * c.segment_length) == 5 * expected


def test_memory_interactions_of_a_question_are_the_pairs_that_its_attentions_see() -> None:
    reader, c = memory_reader(12), SMALL
    pairs = 0

    def seen(_: nn.Module, args: tuple, __: object) -> None:
        nonlocal pairs
        query, source, bias = args[:3]
        pairs += int((bias > NEVER / 2).expand(-1, query.shape[1], source.shape[1]).sum())

    handles = [m.register_forward_hook(seen) for m in reader.model.modules() if isinstance(m, Attention)]
    questions = cost.random_questions(1, 16, N_ANSWER, 64)
    with torch.no_grad():
        reader.ask(questions)
        assert reader.memory is not None
        read, _, _ = reader.model.read(questions, reader.memory)
    for handle in handles:
        handle.remove()
    # read was called once more, with the question's own attention and M_q
    n_read = int((read.bias > NEVER / 2).sum())
    pairs -= 16 * 16 + c.question_layers * 16 * (16 + n_read)
    most = c.retrieve * 4
    unread = (most - n_read) * (c.question_layers * 16 + c.decoder_layers * N_ANSWER * c.read_views)
    pooled, matched = 16, reader.memory.valid.shape[1]
    assert costs.memory_question_interactions(c, 16, N_ANSWER) == pairs + unread + pooled + matched


def test_one_layer_count_of_the_claim() -> None:
    """512 positions, 32 slots: with q = 1 and many questions the gain nears 16; with q = 64 it stays below 8.5."""
    assert ratio.one_layer_ratio(512, 32, 1, 10**9, attention_encodes=True) == pytest.approx(512.5 / 32.5, rel=1e-3)
    gains = [ratio.one_layer_ratio(512, 32, 64, n, attention_encodes=True) for n in (1, 10, 100, 1000, 10**9)]
    assert all(a < b for a, b in pairwise(gains)) and gains[-1] == pytest.approx(544 / 64, rel=1e-3)


# bytes


def test_bytes_that_questions_read() -> None:
    plain, memory = plain_reader(3), memory_reader(3)
    places = 192 * PLAIN.n_layers * 2 * PLAIN.d_model * 4
    assert plain.held() == {"whole": places, "segment": places // 3}
    held, n = memory.held(), SMALL.n_slots + SMALL.working_slots + sum(SMALL.capacities)
    assert held["segment"] == SMALL.n_slots * SMALL.d_model * 4
    assert held["whole"] > n * SMALL.d_model * 4
    assert memory_reader(9).held() == held, "what is held does not grow"


def test_peak_counts_what_is_alive_at_once() -> None:
    def chain() -> torch.Tensor:
        x = torch.ones(1000)  # 4,000 bytes
        for _ in range(5):
            x = x + 1  # the old one goes when the new one is there
        return x.view(10, 100)[:2]  # a view makes nothing

    assert cost.peak_bytes(chain) == 8000
    assert cost.peak_bytes(lambda: [torch.ones(1000) for _ in range(3)]) == 12_000


# gains and the verdict


def test_fits_find_the_polynomial_that_made_the_costs() -> None:
    known = {n: 3.0 * n + 0.5 * n * n for n in (512, 1024, 2048)}
    assert ratio.fitted(known, (1, 2))(65_536) == pytest.approx(3 * 65_536 + 0.5 * 65_536**2)
    known = {n: 7.0 + 2 * n for n in (512, 1024, 4096)}
    assert ratio.fitted(known, (0, 1))(1_048_576) == pytest.approx(7 + 2 * 1_048_576)
    # memory: only contexts that fill the store
    assert ratio.fitted({512: 1.0, 4096: 5.0, 8192: 5.0}, (0,))(65_536) == pytest.approx(5)


def planted(gains: dict[str, list[float]]) -> dict:
    """A result whose gains are these at 512, 1K, 2K, whatever is asked."""
    lengths = [512, 1024, 2048]
    rows = [
        {"measure": measure, "question": q, "count": n, "length": length, "basis": "run", "value": g, "low": 0.9 * g, "high": g}
        for measure, each in gains.items() for q in (16, 64) for n in (1, 100) for length, g in zip(lengths, each, strict=True)
    ]  # fmt: skip
    segment = {
        "length": 512, "slots": 32, "vectors_ratio": 16.0, "bytes_attention": 160, "bytes_memory": 10, "one_layer_limit": 8.5,
        "one_layer": [{"attention_encodes": p, "count": n, "value": 1.0} for p in (True, False) for n in (1, 100)],
    }  # fmt: skip
    return {
        "config": {"questions": (16, 64), "counts": (1, 100)},
        "provenance": {"machine": {"load_average": [0.1, 0.1, 0.1], "cpu_count": 2}},
        "summary": {
            "gains": rows, "segment": segment, "parameters": {"attention": 1, "memory": 1},
            "fit_errors": [
                {"measure": m, "reader": r, "median": 0.0, "worst": 0.1} for m in ("flops", "cpu") for r in ("attention", "memory")
            ],
        },
    }  # fmt: skip


def test_the_verdict_follows_the_lower_ends_of_intervals() -> None:
    everywhere = {measure: [6.2, 7.0, 8.0] for measure in judged.MEASURES}
    assert judged.verdict(planted(everywhere)).status == "holds"
    later = judged.verdict(planted(everywhere | {"seconds": [5.9, 6.2, 9.0]}))  # 5.9 * 0.9 is below 5.5
    assert later.status == "holds under conditions" and "wall time from 1K" in later.sentences[0]
    never = judged.verdict(planted(everywhere | {"flops": [9.0, 9.0, 6.0]}))
    assert never.status == "does not hold" and "FLOPs nowhere" in never.sentences[0]


def test_a_gain_counts_only_from_where_it_stays() -> None:
    gains = [{"length": n, "low": g} for n, g in ((512, 9), (1024, 5), (2048, 6), (4096, 7))]
    assert judged.passes_from(gains) == 2048


def test_kept_summary_is_that_of_the_kept_rows() -> None:
    result = kept("efficiency")
    assert result is not None
    # errors of fits that are exact are what rounding leaves: below 1e-9, and not compared
    summary, again = result["summary"], plain(ratio.summarise(result["rows"], result["config"]))
    for told in (summary, again):
        for error in told["fit_errors"]:
            error |= {key: 0.0 for key in ("median", "worst") if error[key] < 1e-9}
    assert_close(again, summary)
    sizes = result["summary"]["parameters"]
    assert abs(sizes["attention"] / sizes["memory"] - 1) < 0.05
    [exact] = [e for e in result["summary"]["fit_errors"] if (e["measure"], e["reader"]) == ("flops", "attention")]
    assert exact["worst"] == 0, "attention's FLOPs are a polynomial of the length"
