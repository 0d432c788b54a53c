"""Cases of dynamics: survival, lineage, answer_sources, attention, and where facts are held when they are asked for."""

from typing import Any

import numpy as np
import xarray as xr

from memlens.recording import Recording
from memlens.testing.dynamics import planted_attention, planted_lifetimes, planted_lineage
from memlens.testing.grading import Case, Verdict
from memlens.testing.write import write_recording

FEW = {"shuffles": 39}


def nothing_found(*names: str) -> Any:
    """A judge: none of the p-values ``names`` is at or below 0.05 (NaN: not tested)."""

    def judge(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
        least = min(float(np.nan_to_num(found[name].values, nan=1.0).min()) for name in names)
        return Verdict(least > 0.05, {"least p": least})

    return judge


# survival


def _two_rates(seed: int) -> Recording:
    """Entries of two levels that die at rates of 0.1 and 0.3 a segment."""
    return planted_lifetimes(None, n_segment=60, new_entries=15, seed=seed)


def _one_rate(seed: int) -> Recording:
    """Entries that die at a rate of 0.2, whatever their level, modality and fact."""
    return planted_lifetimes(None, rate=(0.2, 0.2), new_entries=5, seed=seed)


def _full_store(seed: int) -> Recording:
    """A full store of 20 that drops at random: deaths depend on each other, and not on the modality."""
    random = np.random.default_rng(seed)
    segment, died = np.repeat(np.arange(40), 5), np.full(200, -1)
    for t in range(40):
        held = np.flatnonzero((segment <= t) & (died < 0))
        died[random.permutation(held)[: max(held.size - 20, 0)]] = t
    columns = {"segment": segment, "died": died, "entry": np.arange(200), "modality": random.integers(0, 4, 200)}
    return write_recording(None, entries=columns, capacities=(25,))


def hardly_anything(seed: int) -> Recording:
    """Two entries and no question."""
    return write_recording(None, entries={"segment": [0, 0], "entry": [0, 1]}, n_segment=3)


def _judge_rates(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Survival within 4 standard errors (from the interval) at ages to 8, half-lives in their intervals, the level's test found."""
    most, inside = 0.0, True
    for group, (rate, half) in enumerate(zip(truth["rate"], truth["half_life"], strict=True)):
        own = found.isel(group=1 + group)
        age = own["age"].values[1:9]
        error = (own["high"].values - own["low"].values)[1:9] / 3.92
        most = max(most, float((np.abs(own["survival"].values[1:9] - (1 - rate) ** age) / error).max()))
        inside &= float(own["half_life_low"]) - 1 <= half <= float(own["half_life_high"]) + 1
    p = float(found["p"].sel(tested="level"))
    return Verdict(most < 4 and inside and p < 1e-3, {"largest deviation in standard errors": most, "p of level": p})


# lineage, answer_sources


def _merges_and_reads(seed: int) -> Recording:
    """Slots with facts are stored more often; merges of two, twice over; answers read the entry that holds the fact."""
    return planted_lineage(None, n_segment=60, seed=seed)


def _a_young_store(seed: int) -> Recording:
    """The same while the store fills: later it drops facts too, and whether they are held tells less."""
    return planted_lineage(None, n_segment=24, seed=seed)


def _blind_reads(seed: int) -> Recording:
    """All slots are stored alike, and answers read entries at random."""
    return planted_lineage(None, prefers_facts=False, knows=False, n_segment=20, seed=seed)


def _judge_descent(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Every merge has as many sources as by recursion over what was planted; as many facts are held; the gap is found."""
    parents = {int(child): both for child, both in truth["parents"].items()}

    def count(entry: int) -> int:
        return sum(count(parent) for parent in parents[entry]) if entry in parents else 1

    of = dict(zip(found["entry"].values.tolist(), found["source_count"].values.tolist(), strict=True))
    wrong = sum(of[child] != count(child) for child in parents)
    held = int(found["end_count"].sel(kind="fact", end="held"))
    numbers = {"merges": len(parents), "wrong": wrong, "facts held": held, "planted": len(truth["held"])}
    right = not wrong and held == len(truth["held"]) and float(found["held_gap_p"]) <= 0.05
    return Verdict(right, {name: float(value) for name, value in numbers.items()})


def _judge_sources(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Attribution on the fact of every answer within 0.001 of the planted one, and more than on other facts."""
    off = float(np.abs(found["on_fact"].values - truth["on_fact"]).max())
    p = float(found["mean_p"])
    return Verdict(off < 1e-3 and p <= 0.05, {"largest error": off, "p": p})


# attention


def _heads_and_flow(seed: int) -> Recording:
    """Four heads that look at two places each with 0.7 of their weight, and reads that stay in their modality with 0.6."""
    return planted_attention(None, specialised=0.7, matched=0.6, n_segment=120, seed=seed)


def _even_heads(seed: int) -> Recording:
    """Heads alike, and reads of any modality."""
    return planted_attention(None, specialised=0, matched=0, n_segment=20, seed=seed)


def _judge_attention(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Spans within 0.3 tokens; matched reads within 0.08; both nulls rejected."""
    off = float(np.abs(found["span"].values - truth["span"]).max())
    matched = abs(float(found["matched"]) - truth["matched"])
    worst = max(float(found["specialisation_p"]), float(found["matched_p"]))
    return Verdict(
        off < 0.3 and matched < 0.08 and worst <= 0.05, {"span off": off, "matched off": matched, "larger p": worst}
    )


# retention: where the fact is


def _held_or_lost(seed: int) -> Recording:
    """Facts of even number are held, merged once, and answered right; the others were dropped, and are answered wrong."""
    n = 40
    segment, even = np.arange(n), np.arange(n) % 2 == 0
    held = np.flatnonzero(even)
    entries = {
        "segment": np.append(segment, segment[held] + 1), "entry": np.arange(n + held.size),
        "slot": np.append(np.zeros(n, int), held * 0 - 1),
        "level": np.append(np.zeros(n, int), held * 0 + 1), "fact": np.append(np.arange(n), held * 0 - 1),
        "died": np.append(segment + 1, held * 0 - 1), "fate": np.append(np.where(even, 1, 3), held * 0 - 1),
        "parent": np.concatenate([np.full((n, 2), -1), np.stack([held, held * 0 - 1], 1)]),
    }  # fmt: skip
    asked = {"segment": segment + 3, "fact": np.arange(n), "correct": even, "distance": np.full(n, 200)}
    return write_recording(None, entries=entries, questions=asked, capacities=(n, n), n_segment=n + 3)


def _judge_held(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    n = dict(zip(found["fact_location"].values.tolist(), found["fact_location_n"].values.tolist(), strict=True))
    accuracy = dict(
        zip(found["fact_location"].values.tolist(), found["fact_location_accuracy"].values.tolist(), strict=True)
    )
    right = (
        n == {"lost": 20, "context": 0, "level 0": 0, "level 1": 20}
        and accuracy["lost"] == 0
        and accuracy["level 1"] == 1
    )
    return Verdict(right, {"lost": float(n["lost"]), "at level 1": float(n["level 1"])})


def _no_trend(seed: int) -> Recording:
    """Answers right at a rate of 0.8, whatever the distance."""
    random = np.random.default_rng(seed)
    segment = np.sort(random.integers(0, 20, 150))
    distance, modality = random.integers(16, 5000, 150), random.integers(0, 2, 150)
    asked = {"segment": segment, "distance": distance, "fact_modality": modality, "correct": random.random(150) < 0.8}
    return write_recording(None, questions=asked)


CASES = (
    Case("two rates", "survival", "positive", "curves within 4 standard errors, half-lives in their intervals", _two_rates, _judge_rates),
    Case("one rate", "survival", "negative", "no factor is found (adjusted)", _one_rate, nothing_found("p_adjusted")),
    Case("a full store", "survival", "negative", "no factor is found", _full_store, nothing_found("p"), {"by": ["modality"]}),
    Case("hardly anything", "survival", "refusal", "20 entries are needed", hardly_anything),
    Case("a young store", "lineage", "positive", "sources and ends exact, facts held longer", _a_young_store, _judge_descent),
    Case("all slots alike", "lineage", "negative", "facts do not last longer", _blind_reads, nothing_found("held_gap_p"), FEW),
    Case("hardly anything", "lineage", "refusal", "20 slots are needed", hardly_anything),
    Case("merges and reads", "answer_sources", "positive", "within 0.001 for every answer", _merges_and_reads, _judge_sources),
    Case("blind reads", "answer_sources", "negative", "the fact is not preferred", _blind_reads, nothing_found("mean_p"), FEW),
    Case("hardly anything", "answer_sources", "refusal", "10 questions are needed", hardly_anything),
    Case("heads and flow", "attention", "positive", "spans within 0.3 tokens, matched reads within 0.08", _heads_and_flow,
         _judge_attention),
    Case("heads alike", "attention", "negative", "heads do not differ", _even_heads, nothing_found("specialisation_p"), FEW),
    Case("reads of anything", "attention", "negative", "reads do not match", _even_heads, nothing_found("matched_p"), FEW),
    Case("nothing recorded", "attention", "refusal", "the write attention is needed", hardly_anything),
    Case("held or lost", "retention", "positive", "holders exact", _held_or_lost, _judge_held),
    Case("no trend", "retention", "negative", "no change with distance", _no_trend, nothing_found("trend_p"), FEW),
)  # fmt: skip
