"""The summary of the controller's study, and its verdict: goals as they were stated, judged on test streams."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from analyses.common.claim import Result, Status, Table, Verdict
from analyses.common.words import words
from memlens.stats.bootstrap import Interval, by_seed, nested_bootstrap, paired_bootstrap

#: Share of the span from random to oracle that the learned controller has to cover.
SPAN = 0.95
#: Spearman's correlation of Q's advantage with leave-one-out worth.
WORTH = 0.8
#: How far above random, of the span, a shuffled state may come out.
CHANCE = 0.05
HEURISTICS = ("fifo", "lru", "reservoir", "random", "importance", "store_all")
NAMES = {"alone": "the budget task alone", "inside": "the full model"}
STATED = (
    "With eight candidates for one place, on the budget task alone and inside the full model, the learned controller covers at least "
    "0.95 of the span from random to oracle; the advantage of Q correlates with measured leave-one-out worth (Spearman 0.8 or more); "
    "with its state shuffled it falls to chance; and after a change of the rule and at twice the length it beats the best heuristic once "
    "Q alone has learned again."
)
Rows = Sequence[Mapping[str, Any]]


def summarise(rows: Rows) -> dict[str, Any]:
    """Everything that is told of the rows, by setting."""
    return {name: _setting([row for row in rows if row["setting"] == name]) for name in NAMES}


def _setting(rows: Rows) -> dict[str, Any]:
    policies = list(rows[0]["recall"])
    flat = [
        {"seed": row["seed"], **row["worth"], **{f"returns_{k}": v for k, v in row["returns"].items()}} for row in rows
    ]
    worth = {key: nested_bootstrap(by_seed(flat, key)) for key in ("spearman", "ceiling")}
    worth["of_ceiling"] = nested_bootstrap([[row["worth"]["spearman"] / row["worth"]["ceiling"]] for row in rows])
    best = max(HEURISTICS, key=lambda name: _mean(rows, "changed", name))
    return {
        "recall": _recall(rows, "recall", policies),
        "span": {name: span(rows, "recall", name) for name in policies},
        "worth": worth,
        "returns": {key: nested_bootstrap(by_seed(flat, f"returns_{key}")) for key in ("pearson", "spearman")},
        "actions": {
            kind: {
                "share": np.mean([row["actions"][kind]["share"] for row in rows], 0).round(4).tolist(),
                "entropy": nested_bootstrap([[row["actions"][kind]["entropy"]] for row in rows]),
            }
            for kind in rows[0]["actions"]
        },
        "changed": {
            "recall": _recall(rows, "changed", [*policies, "before"]),
            "span": {name: span(rows, "changed", name) for name in ("before", "learned", best)},
            "best": best,
            "ahead": paired_bootstrap(
                [row["changed"]["learned"] for row in rows], [row["changed"][best] for row in rows]
            ),
            "episodes": rows[0]["episodes"],
        },
    }


def _mean(rows: Rows, part: str, policy: str) -> float:
    return float(np.mean([np.mean(row[part][policy]) for row in rows]))


def _recall(rows: Rows, part: str, policies: Sequence[str]) -> dict[str, Interval]:
    return {name: nested_bootstrap([row[part][name] for row in rows]) for name in policies}


def span(rows: Rows, part: str, policy: str) -> Interval:
    """(recall - random) / (oracle - random), with its interval: seeds are drawn, then sequences within, the same for all three."""
    table = np.concatenate([np.array([row[part][name] for name in ("random", "oracle", policy)]).T for row in rows])
    edges = np.cumsum([0, *(len(row[part][policy]) for row in rows)])

    def of(index: np.ndarray, axis: int) -> np.ndarray:
        low, high, here = np.moveaxis(table[index.astype(int)], -1, 0).mean(axis)
        return (here - low) / (high - low)

    return nested_bootstrap([np.arange(a, b) for a, b in pairwise(edges)], of)


def checks(found: Mapping[str, Any]) -> dict[str, bool]:
    """Which goals a setting reaches."""
    learned = found["recall"]["learned"]["value"]
    return {
        "span": found["span"]["learned"]["value"] >= SPAN,
        "worth": found["worth"]["spearman"]["value"] >= WORTH,
        "shuffled": found["span"]["shuffled"]["value"] <= CHANCE,
        "changed": found["changed"]["ahead"]["low"] > 0,
        "best": learned > max(found["recall"][name]["value"] for name in HEURISTICS),
    }


def verdict(result: Result) -> Verdict:
    """All goals in both settings: holds. None lost but the size of span or correlation: under conditions."""
    summary = result["summary"]
    reached = {name: checks(found) for name, found in summary.items()}
    every = all(all(each.values()) for each in reached.values())
    core = all(each[goal] for each in reached.values() for goal in ("shuffled", "changed", "best"))
    status: Status = "holds" if every else "holds under conditions" if core else "does not hold"
    sentences = [_sentence(NAMES[name], found, reached[name]) for name, found in summary.items()]
    return Verdict(
        status, (*sentences, *_ties(summary)), (_goals(summary, reached), _policies(summary), _actions(summary))
    )


def _sentence(name: str, found: Mapping[str, Any], reached: Mapping[str, bool]) -> str:
    changed, worth = found["changed"], found["worth"]
    lost = [goal for goal, ok in reached.items() if not ok]
    missed = f" Goals missed: {', '.join(lost)}." if lost else " All goals are reached."
    return (
        f"In {name}, the learned controller covers {words(found['span']['learned'])} of the span, Spearman's correlation with worth is "
        f"{words(worth['spearman'])}, a shuffled state covers "
        f"{words(found['span']['shuffled'])}, and after the change of rule it is ahead of "
        f"{changed['best']}, the best heuristic, by {words(changed['ahead'])} of recall, "
        f"after {changed['episodes']['learned']} episodes.{missed}"
    )


def _ties(summary: Mapping[str, Any]) -> list[str]:
    """What the correlation could be at most, where that is less than its goal."""
    tied = {
        NAMES[name]: found["worth"] for name, found in summary.items() if found["worth"]["ceiling"]["value"] < WORTH
    }
    if not tied:
        return []
    told = " and ".join(f"{words(worth['ceiling'])} in {name}" for name, worth in tied.items())
    of = " and ".join(f"{words(worth['of_ceiling'])} of it in {name}" for name, worth in tied.items())
    return [
        f"Most candidates are worth nothing, and worth that is tied bounds the correlation for any score without ties: at most {told}, "
        f"below the goal of {WORTH}. Q reaches {of}."
    ]


def _goals(summary: Mapping[str, Any], reached: Mapping[str, Mapping[str, bool]]) -> Table:
    told = {
        "span": (f"share of the span at least {SPAN}", lambda f: words(f["span"]["learned"])),
        "best": ("above every heuristic", lambda f: words(f["recall"]["learned"])),
        "worth": (f"Spearman(advantage, worth) at least {WORTH}", lambda f: words(f["worth"]["spearman"])),
        "shuffled": (f"shuffled state at most {CHANCE} of the span", lambda f: words(f["span"]["shuffled"])),
        "changed": ("new rule, twice the length: ahead of the best heuristic", lambda f: words(f["changed"]["ahead"])),
    }
    rows = [
        (goal, *(f"{value(found)}, {'reached' if reached[name][key] else 'missed'}" for name, found in summary.items()))
        for key, (goal, value) in told.items()
    ]
    return Table(("goal", *(NAMES[name] for name in summary)), tuple(rows))


def _policies(summary: Mapping[str, Any]) -> Table:
    rows = []
    for name in summary["alone"]["recall"]:
        cells = []
        for found in summary.values():
            cells += [words(found["recall"][name]), words(found["span"][name]), words(found["changed"]["recall"][name])]
        rows.append((name, *cells))
    head = [f"{what}, {name}" for name in summary for what in ("recall", "span", "recall under the new rule")]
    return Table(("policy", *head), tuple(rows))


def _actions(summary: Mapping[str, Any]) -> Table:
    rows = []
    for name, found in summary.items():
        for kind, told in found["actions"].items():
            rows.append((NAMES[name], kind, *(f"{x:.3f}" for x in told["share"]), words(told["entropy"])))
    return Table(("setting", "agents", "STORE", "COMPRESS", "RETRIEVE", "DISCARD", "entropy (nats)"), tuple(rows))
