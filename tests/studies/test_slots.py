"""Grouping changes who is merged and nothing else; verdicts follow planted results."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from analyses.common import recall
from analyses.slots import study as slots
from analyses.slots import summary as slots_summary
from analyses.slots import verdict as slots_verdict
from analyses.slots.grouping import grouped
from memlens.errors import ConfigError
from memlens.model import MemoryModel

from .conftest import TINY, check_drawings


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
            recall.recall(model, streams, {"all": []}, on_result=parents)
        else:
            with grouped(name, model, 0) as merges:
                recall.recall(model, streams, {"all": []}, on_result=parents)
            told = merges.as_row()
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


@cache
def slots_result(
    goal: float = 1.0, random: float = 0.5, levels: float = 0.9, threshold: float = 0.9, n: int = 600
) -> dict[str, Any]:
    """A planted result, not to be changed: accuracies of what each test looks at; what it is compared with is at 0.9 or 0.7."""
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


def test_slots_is_drawn_from_its_result() -> None:
    check_drawings(slots.CLAIM, slots_result())
