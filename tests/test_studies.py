"""Studies of trained models: hooks take away what they say, arrangements ask every question once, verdicts follow planted results."""

# ruff: noqa: E402

import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "analyses"))  # scripts, and what they share, are no package

import cross_modal
import cross_modal_memories as memories
import cross_modal_verdict
import retention
import retention_figures
import retention_hooks as taken
import retention_summary
import retention_verdict
import slots
import slots_summary
import slots_verdict
import study_recall as recall
from slots_grouping import grouped

from memlens.config import ModelConfig
from memlens.dims import Action, Modality
from memlens.errors import AnalysisError, ConfigError
from memlens.model import MemoryModel, run, save_model
from memlens.model.layers import NEVER
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


def watched(
    model: MemoryModel, streams: list[Any], hooks: Any, point: str, policy: str | None = None
) -> list[torch.Tensor]:
    """What passes a point, behind the hooks."""
    seen: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor, hook: object) -> None:
        seen.append(tensor.clone())

    recall.recall(model, streams, {"all": []}, during=[*hooks, (point, keep)], policy=policy)
    return seen


# hooks


def test_what_acts_on_questions_is_the_same_as_in_a_whole_run(model: MemoryModel, streams: list[Any]) -> None:
    conditions = taken.at_questions(model)
    shared = recall.recall(model, streams, conditions)
    losses = set()
    for name, hooks in conditions.items():
        whole = recall.recall(model, streams, {"all": []}, during=hooks)["all"]
        assert shared[name] == whole, name
        losses.add(whole["loss"])
    assert len(losses) == len(conditions), "each changes the answers"
    assert not any(point.fwd_hooks for point in model.hook_dict.values())


@pytest.mark.parametrize(("without", "kind"), [(taken.NO_STORE, 2), (taken.NO_WORKING, 1)])
def test_a_memory_that_is_taken_away_is_not_read(
    model: MemoryModel, streams: list[Any], without: str, kind: int
) -> None:
    shares = {}
    for name in (taken.FULL, without):
        with model.hooks(fwd_hooks=list(taken.at_questions(model)[name])):
            *_, last = run(model, streams, predict=False)
        answers = last.outputs.answers
        assert answers is not None
        shares[name] = float((answers.read_weight * (answers.read_kind == kind)).sum(-1).max())
    assert shares[taken.FULL] > 0.01 and shares[without] < 1e-6


def test_question_memory_is_zero_without_it(model: MemoryModel, streams: list[Any]) -> None:
    [seen] = watched(model, streams, taken.at_questions(model)[taken.NO_QUESTION], "question.hook_slot")
    assert not seen.any()
    [seen] = watched(model, streams, [], "question.hook_slot")
    assert seen.any()


def decisions(model: MemoryModel, streams: list[Any], hooks: Any) -> tuple[int, int]:
    """How many agents were compressed, and how many entries above level 0 are held at the end."""
    compressed, above = 0, 0

    def count(result: Any) -> None:
        nonlocal compressed, above
        compressed += int((result.outputs.decisions.action == Action.COMPRESS).sum())
        above = int(result.state.store.valid[:, TINY.capacities[0] :].sum())

    recall.recall(model, streams, {"all": []}, during=hooks, told=count)
    return compressed, above


def test_nothing_is_compressed_without_compression(model: MemoryModel, streams: list[Any]) -> None:
    assert min(decisions(model, streams, [])) > 0
    assert decisions(model, streams, taken.all_along(taken.NO_COMPRESSION, 0)) == (0, 0)
    seen = torch.cat(watched(model, streams, taken.all_along(taken.NO_COMPRESSION, 0), "controller.hook_q"))
    assert bool((seen[..., Action.COMPRESS] == NEVER).all())


def test_importance_is_noise_of_its_seed_without_importance(model: MemoryModel, streams: list[Any]) -> None:
    def scores(seed: int) -> torch.Tensor:
        return torch.cat(watched(model, streams, taken.all_along(taken.NO_IMPORTANCE, seed), "importance.hook_score"))

    first = scores(1)
    assert torch.equal(first, scores(1)) and not torch.equal(first, scores(2))
    assert abs(float(first.mean())) < 0.1 and abs(float(first.std()) - 1) < 0.1
    assert abs(float(torch.corrcoef(torch.stack((first[:-1].flatten(), first[1:].flatten())))[0, 1])) < 0.1


@pytest.mark.parametrize("policy", taken.POLICIES)
def test_a_heuristic_decides_in_the_controllers_place(model: MemoryModel, streams: list[Any], policy: str) -> None:
    seen = torch.cat(watched(model, streams, [], "controller.hook_q", policy))
    assert bool((seen[..., Action.RETRIEVE] == -1).all()) and bool((seen[..., Action.DISCARD] == 0).all())
    assert model.policy_name == "learned"


def test_policies_are_all_there_are() -> None:
    from memlens.model.controller import HEURISTICS

    assert set(taken.POLICIES) == set(HEURISTICS)


# what studies of recall share


def test_recall_is_that_of_a_run_in_the_order_of_the_questions(model: MemoryModel) -> None:
    streams = recall.make_streams(model.tokenizer, "needle", (3, 4), n_token=300, n_fact=4)
    streams[1] = recall.make_streams(model.tokenizer, "needle", (4,), n_token=600, n_fact=3)[0]
    said = {"correct": [[], []], "loss": [[], []]}
    for result in run(model, streams, predict=False):
        for b, asked in enumerate(result.asked):
            for i in range(len(asked)):
                said["correct"][b].append(bool(result.outputs.answers.correct[b, i]))
                said["loss"][b].append(float(result.outputs.answers.loss[b, i]))
    found = recall.recall(model, streams, {"all": []})["all"]
    assert found["correct"] == "".join("01"[right] for right in said["correct"][0] + said["correct"][1])
    assert found["loss"] == pytest.approx(np.mean(said["loss"][0] + said["loss"][1]), abs=1e-4)
    known = recall.about(streams)
    assert known["distance"] == [q.distance for stream in streams for q in stream.questions]
    assert len(known["depth"]) == 7 and all(0 <= depth < 1 for depth in known["depth"])
    nothing = recall.make_streams(model.tokenizer, "needle", (3,), n_token=300, n_fact=0)
    with pytest.raises(AnalysisError, match="ask nothing"):
        recall.recall(model, nothing, {"all": []})


def test_streams_of_seeds_are_apart() -> None:
    every = [seed for own in range(5) for seed in recall.seeds_of(own, 4)]
    assert len(set(every)) == len(every) == 20


def test_resized_models_have_the_same_weights(model: MemoryModel) -> None:
    other = recall.resized(model, n_slots=4, capacities=(3, 2, 2), event_threshold=-1.0)
    assert (other.cfg.n_slots, other.cfg.capacities) == (4, (3, 2, 2))
    assert all(torch.equal(x, y) for x, y in zip(model.parameters(), other.parameters(), strict=True))
    with pytest.raises(ConfigError, match="would have another shape"):
        recall.resized(model, d_model=64)
    with pytest.raises(ConfigError, match="would have another shape"):
        recall.resized(model, capacities=(3, 2, 2, 2))
    with pytest.raises(ConfigError, match="unknown key 'slots'"):
        recall.resized(model, slots=3)


def test_an_accuracy_is_never_surer_than_its_counts() -> None:
    sure = recall.accuracy([np.ones(20), np.ones(20)])
    assert sure["value"] == sure["high"] == 1 and 0.9 < sure["low"] < 0.95
    apart = recall.accuracy([np.ones(200), np.zeros(200), np.ones(200)])
    assert apart["low"] < 0.4, "seeds that differ widen it"


def test_a_contrast_is_the_difference_of_means() -> None:
    rng = np.random.default_rng(0)
    sides = [[(rng.random(200) < p).astype(float) for _ in range(4)] for p in (0.9, 0.6)]
    found = recall.contrast(*sides)
    assert found["low"] < 0.3 < found["high"] and found["low"] > 0.15
    same = recall.contrast(sides[0], sides[0])
    assert same["low"] < 0 < same["high"]
    with pytest.raises(AnalysisError, match="no seed has questions"):
        recall.contrast([np.array([])], [np.ones(3)])


# retention


def retention_rows(accuracy: Callable[[str, int, str, float], float], lengths: tuple[int, ...]) -> list[dict[str, Any]]:
    """Rows whose answers are right at these odds of (variant, length, condition, depth)."""
    rng = np.random.default_rng(0)
    groups = {"needle": ("", ""), "near": ("near-duplicate", ""), "rewritten": ("rewritten", "")}
    rows = []
    for variant, names in groups.items():
        for length in lengths:
            for seed in (0, 1, 2):
                depth = rng.uniform(size=200)
                key = {"variant": variant, "length": length, "seed": seed}
                known = {"depth": depth.tolist(), "distance": (length * (1 - depth)).astype(int).tolist()}
                rows.append({**key, "run": retention.ASKED, **known, "group": [names[i % 2] for i in range(200)]})
                conditions = [taken.FULL, *taken.AT_QUESTIONS]
                if variant == "needle":
                    conditions += [*taken.ALL_ALONG, *map(taken.named_policy, taken.POLICIES), "attention"]
                told = {}
                for name in conditions:
                    odds = np.array([accuracy(variant, length, name, d) for d in depth])
                    told[name] = recall.noted(rng.uniform(size=200) < odds, [1.0])
                rows.append({**key, "run": retention.AS_IS, "answers": told})
    return rows


def retention_result(
    accuracy: Callable[[str, int, str, float], float],
    lengths: tuple[int, ...] = (8_000, 100_000, 1_000_000),
    baselines: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    config = {"baselines": {"attention": {}} if baselines is None else baselines, "n_fact": 200}
    summary = retention_summary.summarise(retention_rows(accuracy, lengths), config)
    return {"summary": summary, "config": config, "provenance": {"seeds": [0, 1, 2]}}


def all_good(variant: str, length: int, condition: str, depth: float) -> float:
    return 1.0 if condition == taken.FULL else 0.7


def met(result: dict[str, Any]) -> dict[str, bool | None]:
    return {test.what: test.met for test in retention_verdict.tests(result)}


def test_retention_holds_when_everything_does() -> None:
    result = retention_result(all_good)
    verdict = retention_verdict.verdict(result)
    assert verdict.status == "holds"
    assert [what for what, done in met(result).items() if done is None] == ["needle, 10M"]
    assert [row[0] for row in verdict.tables[1].rows][:2] == ["the memory as it is", "without store"]


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        (lambda v, n, c, d: 0.9 if v == "near" and c == taken.FULL else all_good(v, n, c, d), "near-duplicate, 100K"),
        (lambda v, n, c, d: d**0.2 if n > 1e5 and c == taken.FULL else all_good(v, n, c, d), "flat in depth"),
        (lambda v, n, c, d: 1.0 if c == taken.NO_COMPRESSION else all_good(v, n, c, d), "without compression, 100K"),
        (lambda v, n, c, d: 1.0 if c == taken.named_policy("lru") else all_good(v, n, c, d), "without the controller"),
        (lambda v, n, c, d: 1.0 if c == "attention" else all_good(v, n, c, d), "baseline attention"),
    ],
)
def test_retention_says_what_does_not_hold(changed: Any, missed: str) -> None:
    result = retention_result(changed)
    verdict = retention_verdict.verdict(result)
    assert verdict.status == "holds under conditions"
    assert [done for what, done in met(result).items() if what.startswith(missed)] == [False]
    assert missed in verdict.sentences[1] and verdict.sentences[1].startswith("Not met")


def test_retention_does_not_hold_when_facts_are_lost() -> None:
    result = retention_result(lambda v, n, c, d: 0.95 if c == taken.FULL and n >= 1e5 else all_good(v, n, c, d))
    assert retention_verdict.verdict(result).status == "does not hold"


def test_retention_is_open_without_long_streams_or_baselines() -> None:
    assert retention_verdict.verdict(retention_result(all_good, (8_000,))).status == "not measured yet"
    open_ = retention_result(all_good, baselines={"attention": {}, "ssm": None})
    verdict = retention_verdict.verdict(open_)
    assert verdict.status == "holds under conditions"
    assert any("baseline ssm" in sentence and "not trained yet" in sentence for sentence in verdict.sentences)
    assert verdict.tables[1].rows[-1] == ("baseline ssm", *["not trained yet"] * 3)


def test_retention_bins_hold_every_question_once() -> None:
    told = retention_result(all_good)["summary"]
    for length in (8_000, 1_000_000):
        bins = recall.where(told["distance"], length=length, without=taken.FULL)
        assert sum(each["n"] for each in bins) == 600
        assert all(a["to"] == b["from"] for a, b in pairwise(bins))
        assert sum(each["n"] for each in recall.where(told["depth"], length=length)) == 600
    bins = recall.where(told["distance"], length=8_000, without=taken.FULL)
    assert [retention_figures._number(each["from"]) for each in bins] == [0, 1, 2]
    [near] = recall.where(told["recall"], variant="near", length=8_000, without=taken.FULL, of="near-duplicate")
    assert near["n"] == 300


def test_retention_rows_over_one_stream_and_missing_baselines(model: MemoryModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "memory")
    with pytest.raises(ConfigError, match="no baseline"):
        retention.baselines([tmp_path / "memory"], model)
    assert retention.baselines([tmp_path / "ssm", tmp_path / "attention"], model) == {"ssm": None, "attention": None}
    with pytest.raises(ConfigError, match="two baselines"):
        retention.baselines([tmp_path / "ssm", tmp_path / "x" / "ssm"], model)


# cross-modal


def test_each_fact_goes_to_the_memory_of_its_modality(model: MemoryModel) -> None:
    for task, options in (("cross", {}), ("needle", {"mix": cross_modal.EVEN})):
        [stream] = recall.make_streams(model.tokenizer, task, (5,), n_token=600, n_fact=12, **options)
        names = memories.modalities([stream])
        parts = {name: memories.facts_of(stream, name) for name in names}
        asked = [question._replace(position=0) for part in parts.values() for question in part.questions]
        assert sorted(asked) == sorted(question._replace(position=0) for question in stream.questions)
        for part in parts.values():
            assert set(part.fact.tolist()) - {-1} == {question.fact for question in part.questions}
            assert (part.fact == -1).sum() == (stream.fact == -1).sum(), "prose goes to all"
            assert all(question.position == part.n_token for question in part.questions)


def test_split_memories_see_their_own_modality_and_the_text(model: MemoryModel) -> None:
    [stream] = recall.make_streams(model.tokenizer, "cross", (5,), n_token=600, n_fact=12)
    parts = {name: memories.positions_of(stream, name) for name in memories.modalities([stream])}
    assert list(parts) == ["image", "audio", "dna"]
    for name, part in parts.items():
        own = (stream.modality == Modality[name.upper()]).sum()
        assert set(part.modality.tolist()) == {Modality.TEXT, Modality[name.upper()]}
        assert (part.modality == Modality[name.upper()]).sum() == own > 0
        there = stream.modality == Modality[name.upper()]
        assert np.array_equal(part.payload_row[part.payload_row >= 0], stream.payload_row[there]), (
            "with its own payload"
        )


def test_arrangements_ask_every_question_in_the_same_order(model: MemoryModel) -> None:
    """A model that says one thing to everything is right at the same questions in every arrangement."""
    from memlens.streams.tokenizer import encode_answer

    streams = recall.make_streams(model.tokenizer, "cross", (5, 6), n_token=300, n_fact=12)
    answers = [question.answer for stream in streams for question in stream.questions]
    usual = max(answers, key=answers.count)
    wanted = encode_answer(model.tokenizer, usual)

    def say(logits: torch.Tensor, hook: object) -> torch.Tensor:
        said = logits.clone()
        for i, token in enumerate(wanted[: said.shape[-2]]):
            said[..., i, token] += 1e4
        return said

    model.decoder.hook_logits.add_perma_hook(say)
    expected = "".join("01"[answer == usual] for answer in answers)
    assert 0 < expected.count("1") < len(expected) == 24
    names = memories.modalities(streams)
    assert recall.recall(model, streams, {"all": []})["all"]["correct"] == expected
    assert memories.recall_apart(model, streams, names)["correct"] == expected
    assert memories.recall_split(model, streams, names)["correct"] == expected


def test_stores_are_divided_upwards(model: MemoryModel) -> None:
    assert memories.divided((128, 32, 8), 1) == [128, 32, 8]
    assert memories.divided((128, 32, 8), 3) == [43, 11, 3]
    assert memories.divided((128, 32, 8), 16) == [8, 2, 2], "a level holds at least two"
    for name, by in cross_modal.STORES.items():
        whole = memories.divided(TINY.capacities, by)
        for n in (3, 4):
            assert n * sum(memories.divided(whole, n)) >= sum(whole), name


def cross_result(accuracy: Callable[[str, str, str], float]) -> dict[str, Any]:
    """A result whose answers are right at these odds of (case, arrangement, kind of question)."""
    rng = np.random.default_rng(0)
    every = cross_modal.cases(quick=True)
    rows = []
    for case in every:
        for seed in (0, 1, 2):
            kinds = ["audio to image", "dna to audio"] if case.task == "cross" else ["text", "image"]
            kind = [kinds[i % 2] for i in range(400)]
            key = {"case": case.name, "store": case.store, "seed": seed}
            rows.append({**key, "arrangement": "what is asked", "distance": [0] * 400, "group": kind, "modality": kind})
            for name in case.arrangements:
                odds = np.array([accuracy(case.name, name, each) for each in kind])
                rows.append({**key, "arrangement": name, "answers": recall.noted(rng.uniform(size=400) < odds, [0.0])})
    return {"summary": cross_modal.summarise(rows, every), "provenance": {"seeds": [0, 1, 2]}}


@pytest.mark.parametrize(
    ("accuracy", "status"),
    [
        (lambda case, name, kind: 1.0, "holds"),
        (lambda case, name, kind: 0.93 if kind.startswith("dna") else 0.99, "holds under conditions"),
        (lambda case, name, kind: 0.98 if name == "together" or case == "pairs" else 1.0, "holds under conditions"),
        (lambda case, name, kind: 0.9, "does not hold"),
    ],
)
def test_cross_modal_verdicts(accuracy: Any, status: str) -> None:
    result = cross_result(accuracy)
    verdict = cross_modal_verdict.verdict(result)
    assert verdict.status == status
    assert len(verdict.tables[0].rows) == len(cross_modal.cases(quick=True))


# slots


def test_grouping_changes_who_is_merged_and_nothing_else(model: MemoryModel, streams: list[Any]) -> None:
    from memlens.model import store as stores

    before = stores.update
    births: dict[str, list[list[int]]] = {}
    for name in (None, *slots.GROUPINGS):
        pairs: list[list[int]] = []

        def parents(result: Any, pairs: list[list[int]] = pairs) -> None:
            born = result.outputs.births
            pairs += born.parent[(born.slot < 0) & (born.entry >= 0)].tolist()

        if name is None:
            recall.recall(model, streams, {"all": []}, told=parents)
        else:
            with grouped(name, model, 0) as merges:
                recall.recall(model, streams, {"all": []}, told=parents)
            told = merges.told()
            assert told["merges"] == len(pairs) > 0
            assert -1 <= told["cosine"] <= 1 and 0 < merges.n_part <= 2 * merges.n
        births[name or "as it is"] = pairs
    assert births["attention"] == births["as it is"]
    assert births["random"] != births["as it is"] and births["content"] != births["as it is"]
    assert stores.update is before
    with pytest.raises(ConfigError, match="unknown grouping"), grouped("colour", model, 0):
        pass


def test_content_grouping_pairs_the_most_alike(model: MemoryModel) -> None:
    """The affinity that the store gets is the cosine of keys."""
    from memlens.model import store as stores

    seen = {}
    whole = stores.update

    def keep(*args: Any) -> Any:
        seen["match"], seen["affinity"] = args[4], args[5]
        return whole(*args)

    [stream] = recall.make_streams(model.tokenizer, "needle", (3,), n_token=300, n_fact=3)
    stores.update = keep
    try:
        for name in slots.GROUPINGS:
            with grouped(name, model, 0):
                recall.recall(model, [stream], {"all": []})
            same = torch.equal(seen["match"], seen["affinity"])
            assert same == (name == "content")
            assert torch.allclose(seen["affinity"], seen["affinity"].transpose(1, 2), atol=1e-5)
    finally:
        stores.update = whole


def test_writes_and_silent_segments_are_counted(model: MemoryModel, streams: list[Any]) -> None:
    n_segment = sum(stream.n_segment(TINY.segment_length) for stream in streams)
    everything = slots.told_of(recall.resized(model, event_threshold=-1e9), streams)
    assert everything["segments"] == n_segment and everything["silent"] == 0
    assert everything["written"] == slots.told_of(model, streams)["written"] > n_segment
    nothing = slots.told_of(recall.resized(model, event_threshold=0.0), streams)
    assert (nothing["written"], nothing["silent"]) == (0, n_segment)


def slots_result(
    goal: float = 1.0, random: float = 0.5, levels: float = 0.9, threshold: float = 0.9, n: int = 600
) -> dict[str, Any]:
    """A planted result: accuracies of the setting that each test looks at; the settings it is compared with are at 0.9 or 0.7."""
    rng = np.random.default_rng(0)
    plan = {"splits": [[12, 2, 2], [8, 4, 4], [6, 2, 2], [4, 4, 2]], "tight": [8, 4, 2],
            "model": {"n_slots": 32, "capacities": [128, 32, 8]}}  # fmt: skip
    rows = []

    def add(odds: float, **settings: Any) -> None:
        for seed in (0, 1, 2):
            answers = recall.noted(rng.uniform(size=n) < odds, [0.0])
            counts = {"written": 100, "silent": 1, "segments": 10}
            rows.append({"seed": seed, "answers": answers, **counts, **settings})

    for k in (8, 32):
        for facts in (8, 24):
            add(goal if k == 32 else 0.5, part="slots", n_slots=k, n_fact=facts)
        add(0.9, part="stream", n_slots=k)
    for policy in slots.POLICIES:
        for grouping in slots.GROUPINGS:
            odds = random if grouping == "random" else 0.9
            add(odds, part="grouping", policy=policy, grouping=grouping, merges=5, cosine=0.9)
    for split in plan["splits"]:
        add(levels if split == [4, 4, 2] else 0.7, part="levels", split=split)
    add(0.9, part="events", threshold=None)
    for seed in (0, 1, 2):  # the same answers, fewer writes
        kept = next(row for row in rows if row["part"] == "events" and row["seed"] == seed)
        rows.append({**kept, "threshold": -4.0, "written": 30})
        worse = recall.noted(recall.right(kept["answers"]) * (rng.uniform(size=n) < threshold), [0.0])
        rows.append({**kept, "threshold": -1.0, "written": 5, "answers": worse})
    return {"summary": slots_summary.summarise(rows, plan), "config": plan, "provenance": {"seeds": [0, 1, 2]}}


def test_slots_verdicts() -> None:
    result = slots_result()
    assert slots_verdict.verdict(result).status == "holds"
    free = slots_verdict.best_threshold(result["summary"])
    assert free["threshold"] == -4.0 and free["saved"] == pytest.approx(0.7)
    assert slots_verdict.best_threshold(slots_result(threshold=1.0)["summary"])["threshold"] == -1.0
    best = slots_verdict.best_split(result["summary"])
    assert (best["split"], best["total"], best["originals"]) == ((4, 4, 2), 10, 20)
    for changed, missed in (({"random": 0.95}, "grouping"), ({"levels": 0.6}, "levels")):
        verdict = slots_verdict.verdict(slots_result(**changed))
        assert verdict.status == "holds under conditions" and f"Not met: {missed}" in verdict.sentences[0]
    assert slots_verdict.verdict(slots_result(goal=0.98)).status == "does not hold"


# all of them


@pytest.mark.parametrize(
    ("claim", "result"),
    [
        (retention.CLAIM, lambda: retention_result(all_good)),
        (cross_modal.CLAIM, lambda: cross_result(lambda case, name, kind: 0.9)),
        (slots.CLAIM, slots_result),
    ],
)
def test_figures_are_drawn_from_the_result_alone(claim: Any, result: Callable[[], dict[str, Any]]) -> None:
    from study import plain
    from study_page import svg

    told = plain(result())
    for drawing in claim.drawings:
        text = svg(drawing.draw(told), drawing.what)
        assert text.count("<svg") == 1 and len(text) < 300_000
        caption = drawing.caption(told)
        assert "95 %" in caption and ". " not in caption
    for table in claim.verdict(told).tables:
        assert all(len(row) == len(table.header) for row in table.rows)
