"""Evaluation of small untrained models: figures are those of a run done by hand, in every slice, and nothing is left changed."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

from memlens.config import BaselineConfig, ModelConfig
from memlens.dims import Action
from memlens.errors import ArgumentError, ConfigError, ModelError, StreamError
from memlens.model import MemoryModel, StreamReader, run
from memlens.streams import builtin_stream, default_tokenizer, find_task
from memlens.streams.tokenizer import decode_answer, encode_answer
from memlens.training import evaluate
from memlens.training.card import recall_rows
from memlens.training.evaluate import Evaluation
from memlens.training.language import predict_streams, without

TINY = ModelConfig(
    d_model=32, segment_length=64, n_layers=2, ssd_heads=2, ssd_head_dim=16, ssd_state=8, chunk=16, n_slots=8, slot_window=12,
    slot_heads=2, slot_head_dim=8, working_slots=4, working_writes=2, capacities=(6, 4, 2), retrieve=4, control_width=16,
)  # fmt: skip
NANO = Path(__file__).parents[2] / "trained_models" / "nano"


@pytest.fixture
def model() -> MemoryModel:
    """Seeded; recalls residents, so that there is a recall to take away."""
    torch.manual_seed(0)
    model = MemoryModel(TINY, default_tokenizer(), "tiny")
    with torch.no_grad():
        model.controller.q_network.advantage.bias.copy_(torch.tensor([2.0, 1.0, 2.2, -2.0]))
    return model.eval()


def reader(kind: str) -> StreamReader:
    torch.manual_seed(0)
    sizes = {"d_model": 32, "n_heads": 1, "ssd_heads": 2, "ssd_head_dim": 16, "ssd_state": 8, "n_layers": 2}
    return StreamReader(
        BaselineConfig.parse({"kind": kind, "segment_length": 64, **sizes}), default_tokenizer(), kind
    ).eval()


@pytest.fixture(scope="module")
def forced() -> Evaluation:
    """Every question is answered "EcoRI", whatever was asked."""
    torch.manual_seed(0)
    model = MemoryModel(TINY, default_tokenizer(), "forced").eval()
    wanted = encode_answer(model.tokenizer, "EcoRI")

    def say(logits: torch.Tensor, hook: object) -> torch.Tensor:
        said = logits.clone()
        for i, token in enumerate(wanted[: said.shape[-2]]):
            said[..., i, token] += 1e4
        return said

    with model.hooks(fwd_hooks=[("decoder.hook_logits", say)]):
        options = {"n_fact": 24, "mix": (0, 0, 0, 1)}
        return evaluate(model, "needle", n_token=3000, seeds=(5, 6), policies=("learned", "fifo"), options=options)


def test_accuracy_and_f1_of_a_model_that_always_says_one_thing(forced: Evaluation) -> None:
    streams = [find_task("needle").stream(n_token=3000, seed=seed, n_fact=24, mix=(0, 0, 0, 1)) for seed in (5, 6)]
    answers = [part.answer for stream in streams for part in stream.parts if part.kind == "question"]
    share, n_class = answers.count("EcoRI") / len(answers), len(set(answers))
    assert 0 < share < 1
    overall = forced.results[0]["overall"]
    assert overall["n"] == len(answers) == 48
    assert overall["accuracy"] == pytest.approx(share, abs=1e-6)
    assert overall["precision"] == pytest.approx(share / n_class, abs=1e-6)
    assert overall["recall"] == pytest.approx(1 / n_class, abs=1e-6)
    assert overall["f1"] == pytest.approx(2 * share / (1 + share) / n_class, abs=1e-6)
    assert overall["low"] < share < overall["high"]
    behind = forced.results[1]["behind"]
    assert (behind["accuracy"], behind["low"], behind["high"]) == (0, 0, 0)
    assert {row.predicted for row in forced.questions} == {"EcoRI"}


def test_an_evaluation_fits_a_line(forced: Evaluation) -> None:
    share = forced.results[0]["overall"]["accuracy"]
    said = "2 streams of 3,000 positions, split test; "
    said += "; ".join(f"{policy} {share:.3f} of 48 exact" for policy in ("learned", "fifo"))
    assert repr(forced) == f"<Evaluation of 'forced' on 'needle': {said}>"


def test_rows_and_slices(forced: Evaluation) -> None:
    assert [entry["policy"] for entry in forced.results] == ["learned", "fifo"]
    assert [row.policy for row in forced.questions] == ["learned"] * 48 + ["fifo"] * 48
    for entry in forced.results:
        rows = [row for row in forced.questions if row.policy == entry["policy"]]
        for name in ("by_distance", "by_depth", "by_modality", "by_group"):
            assert sum(part["n"] for part in entry[name]) == 48
            right = sum(part["n"] * part["accuracy"] for part in entry[name])
            assert right == pytest.approx(sum(row.correct for row in rows), abs=1e-3)
    assert [part["modality"] for part in forced.results[0]["by_modality"]] == ["dna"]
    stream = find_task("needle").stream(n_token=3000, seed=6, n_fact=24, mix=(0, 0, 0, 1)).encode(default_tokenizer())
    mine = [row for row in forced.questions if row.seed == 6 and row.policy == "fifo"]
    assert [row.number for row in mine] == list(range(24))
    for row, question in zip(mine, stream.questions, strict=True):
        assert (row.answer, row.distance, row.group) == (question.answer, question.distance, question.group)
        assert math.floor(row.depth * stream.n_token) == stream.facts[question.fact].end - 1


def test_what_was_said_and_its_loss_are_those_of_a_run(model: MemoryModel) -> None:
    evaluation = evaluate(model, n_token=1500, seeds=(3, 4), policies=("lru",))
    model.controller.policy = "lru"
    streams = [builtin_stream("builtin", n_token=1500, seed=seed).encode(model.tokenizer) for seed in (3, 4)]
    said: list[list[tuple[str, float, bool]]] = [[], []]
    for result in run(model, streams, predict=False):
        answers = result.outputs.answers
        for b, asked in enumerate(result.asked):
            for i in range(len(asked)):
                assert answers is not None
                text = decode_answer(model.tokenizer, answers.token[b, i].tolist())
                said[b].append((text, float(answers.loss[b, i]), bool(answers.correct[b, i])))
    rows = [[r for r in evaluation.questions if r.seed == seed] for seed in (3, 4)]
    assert [[(r.predicted, r.loss, r.correct) for r in some] for some in rows] == said
    losses = [r.loss for r in evaluation.questions]
    assert evaluation.results[0]["overall"]["loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-5)


def test_what_is_kept_with_the_figures(model: MemoryModel) -> None:
    told: list[tuple[int, int, str]] = []
    short = evaluate(model, "rewrite", n_token=1000, options={"n_fact": 8}, progress=lambda *what: told.append(what))
    assert told[0] == (0, 1, "evaluating: making the stream of seed 0")
    assert told[-1] == (16, 16, "evaluating: policy learned")
    assert {what.partition(":")[0] for _, _, what in told} == {"evaluating"}
    assert [part["group"] for part in short.results[0]["by_group"]] == [
        "rewritten 1", "rewritten 2", "rewritten 3", "written once",
    ]  # fmt: skip
    long = evaluate(model, "rewrite", n_token=4000, options={"n_fact": 8})
    assert (
        short.state_bytes
        == long.state_bytes
        == sum(x.numel() * x.element_size() for x in model.initial_state(1).flat().values())
    )
    written = json.loads(json.dumps(short.as_dict(questions=True)))
    questions = written.pop("questions")
    assert written == json.loads(json.dumps(short.as_dict()))
    assert {key: type(value) for key, value in written.items()} == {
        "task": str, "options": dict, "n_token": int, "seeds": list, "split": str, "model": dict, "versions": dict,
        "commit": str, "seconds": float, "tokens_per_second": float, "peak_rss_bytes": int, "state_bytes": int,
        "results": list,
    }  # fmt: skip
    assert written["options"] == {"n_fact": 8, "filler": "prose", "rewritten": 0.5, "versions": 3, "near": 0.3}
    assert questions == [dataclasses.asdict(row) for row in short.questions]


def test_language_is_bits_per_byte_with_each_memory_taken_away(model: MemoryModel) -> None:
    evaluation = evaluate(model, "needle", n_token=1500, seeds=(0, 1), options={"n_fact": 0})
    [entry] = evaluation.results
    rows = {row["without"]: row for row in entry["by_memory"]}
    assert list(rows) == ["nothing", "working read", "working content", "backbone state", "recall"]
    streams = [find_task("needle").stream(n_token=1500, seed=s, n_fact=0).encode(model.tokenizer) for s in (0, 1)]
    nats, spelled = 0.0, 0
    for result in run(model, streams):
        nats += float(result.outputs.nats.double().sum())
        for b, row in enumerate(result.rows):
            ids = row["token"][result.outputs.text[b].numpy()].tolist()
            spelled += len("".join(model.tokenizer.id_to_token(i) for i in ids))
    assert rows["nothing"]["n_byte"] == spelled
    assert rows["nothing"]["bits_per_byte"] == pytest.approx(nats / math.log(2) / spelled, abs=1e-5)
    assert rows["nothing"]["lost"] == rows["nothing"]["lost_low"] == rows["nothing"]["lost_high"] == 0
    for row in rows.values():
        assert row["low"] < row["bits_per_byte"] < row["high"]
        assert row["lost"] == pytest.approx(row["bits_per_byte"] - rows["nothing"]["bits_per_byte"], abs=2e-6)
        assert row["lost_low"] <= row["lost"] <= row["lost_high"]
    assert len({row["bits_per_byte"] for row in rows.values()}) == 5
    assert evaluation.questions == ()


def test_hooks_take_away_what_they_say(model: MemoryModel) -> None:
    stream = builtin_stream("builtin", n_token=1000).encode(model.tokenizer)
    recalled = {}
    for name, hooks in without(model).items():
        n, carried, read, held = 0, [], [], []

        def keep(tensor: torch.Tensor, hook: object, read: list[bool] = read) -> None:
            read.append(bool(tensor.any()))

        with model.hooks(fwd_hooks=[*hooks, ("lm_head.hook_read", keep)]):
            for result in run(model, [stream]):
                decisions = result.outputs.decisions
                # a resident that a candidate absorbs is marked RETRIEVE too, and goes nowhere
                brought = (decisions.action == Action.RETRIEVE) & (decisions.destination >= 0)
                n += int(brought[:, TINY.n_slots :].sum())
                held.append(not torch.equal(result.state.working, model.working.initial_state(1)))
                carried.append(any(bool(h.any()) for _, h in result.state.blocks))
        recalled[name] = n
        assert all(carried) == (name != "backbone state") and any(carried) == (name != "backbone state")
        assert all(held) == (name != "working content") and any(held) == (name != "working content")
        assert all(read) == (name != "working read") and any(read) == (name != "working read")
    assert recalled.pop("recall") == 0
    assert all(recalled.values())


@pytest.mark.parametrize("kind", ["attention", "ssm"])
def test_baselines(kind: str) -> None:
    baseline = reader(kind)
    evaluation = evaluate(baseline, "needle", n_token=1000, options={"n_fact": 6})
    [entry] = evaluation.results
    assert (entry["policy"], entry["overall"]["n"]) == ("none", 6)
    [entry] = evaluate(baseline, "needle", n_token=1000, options={"n_fact": 0}).results
    assert [row["without"] for row in entry["by_memory"]] == ["nothing"]
    with pytest.raises(ModelError, match="is a baseline; it has no controller"):
        evaluate(baseline, policies=("learned",))


def test_bad_wishes_change_nothing(model: MemoryModel) -> None:
    with pytest.raises(StreamError, match="no built-in stream or task 'nedle'; closest: needle"):
        evaluate(model, "nedle")
    with pytest.raises(StreamError, match="no option 'facts'"):
        evaluate(model, "needle", options={"facts": 3})
    with pytest.raises(StreamError, match="each only once"):
        evaluate(model, seeds=(1, 1))
    with pytest.raises(StreamError, match="at least one"):
        evaluate(model, seeds=())
    with pytest.raises(StreamError, match="no split 'tset'"):
        evaluate(model, "needle", split="tset")
    with pytest.raises(StreamError, match="seeds are 3, expected a sequence"):
        evaluate(model, seeds=3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(StreamError, match="seed is 'a', expected a whole number"):
        evaluate(model, "needle", n_token=500, seeds=("a",))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match=r"n_token is 'long' \(str\), expected a whole number"):
        evaluate(model, "needle", n_token="long")  # pyright: ignore[reportArgumentType]
    with pytest.raises(StreamError, match=r"options are \['n_fact'\], expected a dict; names: n_fact"):
        evaluate(model, "needle", options=["n_fact"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(StreamError, match="option 'n_fact' of task 'needle' is 'few', expected a whole number"):
        evaluate(model, "needle", options={"n_fact": "few"})
    with pytest.raises(ModelError, match="model is a int, expected a memory model, a baseline or the folder of one"):
        evaluate(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match=r"policies are \(\), expected a sequence of at least one"):
        evaluate(model, policies=())
    with pytest.raises(ConfigError, match="policies are 'lru', expected a sequence"):
        evaluate(model, policies="lru")
    with pytest.raises(ConfigError, match="unknown policy 'lrn'"):
        evaluate(model, policies=("lru", "lrn"))
    with pytest.raises(StreamError, match="ask no questions and hold no text"):
        evaluate(model, "needle", n_token=200, options={"n_fact": 0, "filler": "bases"})
    assert model.policy_name == "learned"
    assert not any(point.fwd_hooks for point in model.hook_dict.values())


def test_policy_is_put_back_after_a_failure(model: MemoryModel) -> None:
    def stop(done: int, total: int, what: str) -> None:
        if "policy fifo" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(model, "needle", n_token=1000, policies=("fifo",), progress=stop)
    assert model.policy_name == "learned"


def test_card_rows_are_those_of_the_kept_cards(forced: Evaluation) -> None:
    rows = recall_rows(forced)
    kept = json.loads((NANO / "metrics.json").read_text(encoding="utf-8"))["recall"]
    assert [list(row) for row in rows] == [list(kept[0])] * 4
    assert [(row["policy"], row["modality"]) for row in rows] == [
        ("learned", "all"), ("learned", "dna"), ("fifo", "all"), ("fifo", "dna"),
    ]  # fmt: skip
    overall = forced.results[0]["overall"]
    assert rows[0]["exact"] == round(overall["accuracy"], 4)
    assert (rows[0]["low"], rows[0]["high"]) == (round(overall["wilson_low"], 4), round(overall["wilson_high"], 4))
    assert [row["behind"] for row in rows] == [0, "", 0, ""]


def test_streams_of_one_run_share_no_segment(model: MemoryModel) -> None:
    """A row a segment and stream, in the order of the segments; what is predicted in one stream is not counted to another."""
    streams = [find_task("needle").stream(n_token=n, seed=n, n_fact=0).encode(model.tokenizer) for n in (300, 700)]
    values, owner = predict_streams(model, streams, [], lambda result: None)
    alone = [predict_streams(model, [stream], [], lambda result: None)[0] for stream in streams]
    for b in range(2):
        assert values[owner == b] == pytest.approx(alone[b], rel=1e-4)
