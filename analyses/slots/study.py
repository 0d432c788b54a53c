"""Slots, grouping, levels and events: which sizes and rules of the memory its recall rests on, without training again.

    python -m analyses.slots [--quick] [--model DIR] [--seeds 0 1 2] [-o DIR]

=========  =============================================================================================================
part       what is varied
=========  =============================================================================================================
slots      k context slots a segment: 4 to 64; 512 positions with 8 to 32 facts, asked at once (task ``slot_qa``)
stream     the same k over a longer stream with facts here and there (task ``needle``)
grouping   which entries of a full level are merged: alike in their attention over working memory (as it is), alike
           in content (cosine of keys), or at random; in a tight store, under the learned controller and under one
           that merges whatever overflows ("importance")
levels     how the places of the store are split over its levels, at the same total; a place of level l holds 2^l originals
events     the least log-prior (nats) at which a slot is written; what is not written is saved
=========  =============================================================================================================

The weights are those of one model, trained with the sizes in its config: what another size would reach if it were trained is not measured.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from analyses.common.claim import Claim
from analyses.common.recall import make_streams, recall, resized, seeds_of
from analyses.common.runner import Run
from analyses.slots.summary import summarise
from analyses.slots.verdict import DRAWINGS, STATED, verdict

if TYPE_CHECKING:
    from memlens.model import MemoryModel
    from memlens.streams import EncodedStream

SLOTS = (4, 8, 16, 32, 64)
FACTS, QUICK_FACTS = (8, 16, 24, 32), (8, 24)
GROUPINGS = ("attention", "content", "random")
#: A store that 64 facts overfill, and the controllers it is measured under.
TIGHT, QUICK_TIGHT = (32, 16, 8), (8, 4, 2)
POLICIES = ("learned", "importance")
#: Splits with one total each: nearly all at level 0, ..., most at the last level.
SPLITS = ((164, 2, 2), (128, 32, 8), (84, 56, 28), (56, 56, 56), (28, 56, 84), (2, 2, 164))
TIGHT_SPLITS = ((52, 2, 2), (42, 10, 4), (32, 16, 8), (18, 19, 19), (8, 16, 32), (2, 2, 52))
QUICK_SPLITS = ((10, 2, 2), (6, 4, 4), (2, 2, 10))
THRESHOLDS = (None, -8.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, -0.5, -0.2)

CLAIM = Claim(
    study="slots",
    number=12,
    title="Slots, grouping, levels and events",
    stated=STATED,
    verdict=verdict,
    drawings=DRAWINGS,
)


def measure(run: Run) -> Mapping[str, Any]:
    """All rows, part by part, then the summary."""
    from memlens.model import load_memory_model

    model = load_memory_model(run.args.model)
    sizes = (
        {"n_token": 4_096, "n_fact": 16, "n_stream": 1}
        if run.quick
        else {"n_token": 32_768, "n_fact": 64, "n_stream": 2}
    )
    plan = {
        "slots": SLOTS,
        "facts": QUICK_FACTS if run.quick else FACTS,
        "n_scene": 8 if run.quick else 64,
        "stream": sizes,
        "tight": QUICK_TIGHT if run.quick else TIGHT,
        "splits": QUICK_SPLITS if run.quick else (*SPLITS, *TIGHT_SPLITS),
        "thresholds": THRESHOLDS[::3] if run.quick else THRESHOLDS,
        "model": model.cfg.model_dump(mode="json"),
    }
    run.begin(plan, {str(model.name): model.sha256})
    rows = []
    for seed in run.seeds:
        rows += slot_rows(run, model, plan, seed)
        rows += stream_rows(run, model, plan, seed)
        run.say(f"seed {seed}: {len(rows)} rows so far")
    return summarise(rows, plan)


def slot_rows(run: Run, model: "MemoryModel", plan: Mapping[str, Any], seed: int) -> list[dict[str, Any]]:
    """k slots for one segment with n facts."""
    rows = []
    for n_fact in plan["facts"]:
        streams = lru_cache(1)(lambda n=n_fact: make_streams(
            model.tokenizer, "slot_qa", seeds_of(seed, plan["n_scene"]), n_token=model.cfg.segment_length, n_fact=n,
        ))  # fmt: skip
        for k in plan["slots"]:
            rows.append(run.row(
                lambda k=k, made=streams: told_of(resized(model, n_slots=k), made()),
                part="slots", seed=seed, n_slots=k, n_fact=n_fact,
            ))  # fmt: skip
    return rows


def stream_rows(run: Run, model: "MemoryModel", plan: Mapping[str, Any], seed: int) -> list[dict[str, Any]]:
    """What is varied over the same longer streams."""
    from analyses.slots.grouping import grouped

    size = plan["stream"]

    @lru_cache(1)
    def streams() -> "list[EncodedStream]":
        return make_streams(
            model.tokenizer, "needle", seeds_of(seed, size["n_stream"]), n_token=size["n_token"], n_fact=size["n_fact"]
        )

    def sized(**sizes: Any) -> dict[str, Any]:
        return told_of(resized(model, **sizes), streams())

    def merging(grouping: str, policy: str) -> dict[str, Any]:
        tight = resized(model, capacities=plan["tight"])
        with grouped(grouping, tight, seed) as merges:
            return told_of(tight, streams(), policy) | merges.as_row()

    rows = [run.row(lambda k=k: sized(n_slots=k), part="stream", seed=seed, n_slots=k) for k in plan["slots"]]
    rows += [
        run.row(lambda g=g, p=p: merging(g, p), part="grouping", seed=seed, grouping=g, policy=p)
        for p in POLICIES
        for g in GROUPINGS
    ]
    rows += [
        run.row(lambda split=split: sized(capacities=split), part="levels", seed=seed, split=split)
        for split in plan["splits"]
    ]
    rows += [
        run.row(lambda least=least: sized(event_threshold=least), part="events", seed=seed, threshold=least)
        for least in plan["thresholds"]
    ]
    return rows


def told_of(model: "MemoryModel", streams: "Sequence[EncodedStream]", policy: str | None = None) -> dict[str, Any]:
    """Answers, and what was done on the way: slots written, and segments that wrote none, of all segments."""
    n_slots = model.cfg.n_slots
    counts = {"written": 0, "silent": 0, "segments": 0}

    def count(result: Any) -> None:
        born = result.outputs.births.entry[:, :n_slots] >= 0
        there = [bool(row["valid"].any()) for row in result.rows]
        counts["written"] += int(born.sum())
        counts["silent"] += sum(not any(wrote) for wrote, real in zip(born.tolist(), there, strict=True) if real)
        counts["segments"] += sum(there)

    answers = recall(model, streams, {"all": []}, policy=policy, on_result=count)["all"]
    return {"answers": answers, **counts}
