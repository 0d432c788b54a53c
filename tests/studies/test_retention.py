"""Verdicts on retention follow planted results."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyses.common import recall
from analyses.retention import figures as retention_figures
from analyses.retention import hooks as taken
from analyses.retention import study as retention
from analyses.retention import summary as retention_summary
from analyses.retention import verdict as retention_verdict
from memlens.errors import ConfigError
from memlens.model import MemoryModel, save_model

from .conftest import check_drawings


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


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    """The result of a memory that does all that is claimed; not to be changed."""
    return retention_result(all_good)


def met(result: dict[str, Any]) -> dict[str, bool | None]:
    return {test.what: test.met for test in retention_verdict.tests(result)}


def test_retention_holds_when_everything_does(good: dict[str, Any]) -> None:
    verdict = retention_verdict.verdict(good)
    assert verdict.status == "holds"
    assert [what for what, done in met(good).items() if done is None] == ["needle, 10M"]
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


def test_retention_bins_hold_every_question_once(good: dict[str, Any]) -> None:
    told = good["summary"]
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


def test_retention_is_drawn_from_its_result(good: dict[str, Any]) -> None:
    check_drawings(retention.CLAIM, good)
