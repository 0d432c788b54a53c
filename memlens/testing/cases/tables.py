"""Cases of what reads tables: retention, occupancy, decisions, slot_history."""

from typing import Any

import numpy as np
import xarray as xr

from memlens.dims import Action
from memlens.recording import Recording
from memlens.testing.grading import Case, Verdict
from memlens.testing.write import write_recording

# retention

EDGES = [16.0, 200.0, 1000.0, 3000.0, 8000.0]
NEAR, SCALE = 0.95, 2000.0


def _asked(random: np.random.Generator, chance: Any, n: int = 600) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Questions at distances of equal odds a ratio, and the chance that each is answered right."""
    distance = np.exp(random.uniform(np.log(16), np.log(8000), n)).astype(int)
    modality = random.integers(0, 2, n)
    p = chance(distance, modality)
    return {
        "segment": np.sort(random.integers(0, 40, n)), "distance": distance, "fact_modality": modality, "correct": random.random(n) < p,
    }, p  # fmt: skip


def _falling(seed: int) -> Recording:
    """Right answers fall off as 0.95 exp(-distance / 2000), a fifth less for images."""
    asked, p = _asked(np.random.default_rng(seed), lambda d, m: NEAR * np.exp(-d / SCALE) * (1 - 0.2 * m))
    place = np.digitize(asked["distance"], EDGES) - 1
    every = [
        [float(p[(place == b) & ((asked["fact_modality"] == m) | (m < 0))].mean()) for b in range(4)]
        for m in (-1, 0, 1)
    ]
    overall = [float(p.mean()), *(float(p[asked["fact_modality"] == m].mean()) for m in (0, 1))]
    return write_recording(None, questions=asked, truth={"accuracy": every, "overall": overall})


def _flat(seed: int) -> Recording:
    """Answers are right at a rate of 0.8, whatever the distance and the modality."""
    asked, _ = _asked(np.random.default_rng(seed), lambda d, m: 0.8 + 0 * d)
    return write_recording(None, questions=asked, truth={"overall": 0.8})


def _nothing_asked(seed: int) -> Recording:
    """No question."""
    return write_recording(None, n_segment=4)


def _judge_falling(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Every cell within 4 standard errors of the mean chance of its questions."""
    own = found.sel(modality=["all", "text", "image"])
    p, n = np.array(truth["accuracy"]), own["n"].values
    z = np.abs(own["accuracy"].values - p) / np.sqrt(p * (1 - p) / n)
    overall = np.array(truth["overall"])
    z_all = np.abs(own["overall"].values - overall) / np.sqrt(overall * (1 - overall) / own["overall_n"].values)
    most = float(max(z.max(), z_all.max()))
    return Verdict(most < 4, {"largest deviation in standard errors": most, "questions": float(n[0].sum())})


def _no_fall(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Nearest and farthest bin do not differ, by their intervals."""
    every = found.sel(modality="all")
    low, high = float(every["low"].max()), float(every["high"].min())
    return Verdict(low <= high, {"highest low": low, "lowest high": high})


def _covered(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    every = found.sel(modality="all")
    low, high = float(every["overall_low"]), float(every["overall_high"])
    return Verdict(low <= truth["overall"] <= high, {"low": low, "high": high, "truth": truth["overall"]})


# occupancy


def _lives(seed: int, first: int = 0) -> Recording:
    """Ten new entries a segment, in three levels; most die, at a rate of 0.25 a segment, some at once."""
    random = np.random.default_rng(seed)
    segments, new_entries = 60, 10
    segment = np.repeat(np.arange(segments), new_entries) + first
    level = random.integers(0, 3, segment.size)
    died = segment + random.geometric(0.25, segment.size) - (random.random(segment.size) < 0.3)
    died = np.where(died < first + segments, died, -1)
    entries = {"segment": segment, "entry": np.arange(segment.size), "level": level, "died": died}
    time = np.arange(segments) + first
    end = np.where(died < 0, first + segments, died)
    held = [[(level == i) & (segment <= t) & (t < end) for i in range(3)] for t in time]
    truth = {
        "occupancy": [[int(rows.sum()) for rows in now] for now in held],
        "age": [[float((t - segment[rows]).mean()) if rows.any() else None for rows in now] for t, now in zip(time, held, strict=True)],
        "counts": [[int(((level == i) & rows).sum()) for i in range(3)] for rows in (segment >= 0, died >= 0, died == segment)],
    }  # fmt: skip
    return write_recording(
        None, entries=entries, n_segment=segments, first=first, capacities=(200, 200, 200), truth=truth
    )


def _late_lives(seed: int) -> Recording:
    """The same in a replay that starts at segment 50."""
    return _lives(seed, 50)


def _nothing_kept(seed: int) -> Recording:
    """Every candidate is dropped in the segment it is born in."""
    random = np.random.default_rng(seed)
    return write_recording(None, points={"context.hook_slot": random.normal(size=(1, 10, 4, 8))})


def _judge_lives(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    age = np.array(truth["age"], float)
    off = np.abs(found["occupancy"].values - np.array(truth["occupancy"])).max()
    older = np.abs(np.nan_to_num(found["age"].values, nan=-1) - np.nan_to_num(age, nan=-1)).max()
    counts = np.stack([found[name].values for name in ("born", "died", "dropped_at_birth")])
    numbers = {
        "entries off": float(off),
        "age off": float(older),
        "counts off": float(np.abs(counts - truth["counts"]).max()),
    }
    return Verdict(max(numbers.values()) < 1e-9, numbers)


def _nothing_held(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    most = float(found["occupancy"].max())
    return Verdict(most == 0 and bool(np.isnan(found["age"].values).all()), {"entries": most})


# decisions


def _changing_policy(seed: int) -> Recording:
    """Candidates are stored, then, from the middle on, dropped; a quarter of what is wanted is overruled; Q is known."""
    random = np.random.default_rng(seed)
    segments, n = 40, 8
    segment = np.repeat(np.arange(segments), n)
    kind = np.tile(np.arange(n) % 2, segments)
    wanted = np.where(kind == 1, Action.RETRIEVE, np.where(segment < segments // 2, Action.STORE, Action.DISCARD))
    over = random.random(segment.size) < 0.25
    executed = np.where(over, Action.COMPRESS, wanted)
    q = np.tile([0.4, 0.3, 0.2, 0.1], (segment.size, 1)) + kind[:, None]
    q[kind == 0, Action.RETRIEVE] = np.nan
    table = {"segment": segment, "kind": kind, "wanted": wanted, "executed": executed, "q": q}
    count = np.zeros((segments, 2, 4), int)
    np.add.at(count, (segment, kind, executed), 1)
    truth = {"count": count.tolist(), "overridden": [float(over[kind == k].mean()) for k in (0, 1)], "q": [0.4, 1.2]}
    return write_recording(None, decisions=table, n_segment=segments, truth=truth)


def _random_policy(seed: int) -> Recording:
    """Every action is as likely as any other, and none is overruled."""
    random = np.random.default_rng(seed)
    action = random.integers(0, 4, 400)
    return write_recording(None, decisions={"segment": np.repeat(np.arange(20), 20), "executed": action})


def _nothing_decided(seed: int) -> Recording:
    """No decision."""
    return write_recording(None, n_segment=4)


def _judge_policy(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = found["total"].values / found["total"].values.sum(-1, keepdims=True)
    entropy = -(p * np.log2(np.where(p > 0, p, 1))).sum(-1)
    mean_q = found["mean_q"].mean("segment")
    q = mean_q.sel(kind=["candidate"], action="STORE").item(), mean_q.sel(kind=["resident"], action="RETRIEVE").item()
    numbers = {
        "counts off": float(np.abs(found["count"].values - np.array(truth["count"])).max()),
        "overridden off": float(np.abs(found["total_overridden"].values - truth["overridden"]).max()),
        "Q off": float(np.abs(np.array(q) - truth["q"]).max()),
        "entropy off": float(np.abs(found["total_entropy"].values - entropy).max()),
        "Q where not allowed": float(
            np.isfinite(found["mean_q"].sel(kind="candidate", action="RETRIEVE").values).sum()
        ),
    }
    return Verdict(max(numbers.values()) < 1e-6, numbers)


def _no_preference(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Entropy is 2 bits: G = 2 n ln 2 (2 - H) is chi-squared with 3 degrees of freedom. And nothing was overruled."""
    from scipy.stats import chi2

    own = found.sel(kind="resident")
    n, entropy = int(own["total"].sum()), float(own["total_entropy"])
    p = float(chi2.sf(2 * n * np.log(2) * (2 - entropy), 3))
    return Verdict(p > 0.05 and float(own["total_overridden"]) == 0, {"p": p, "entropy (bits)": entropy})


# slot_history

PLACE = {"sequence": 0, "segment": 3, "slot": 1}


def _history(random: np.random.Generator, used: bool) -> Recording:
    """Slot 1 of segment 3, or with ``used`` False its neighbour, is merged twice and read in both forms."""
    segments, n_slot = 12, 4
    first = random.normal(size=(1, segments, n_slot, 8))
    rows = [{"segment": t, "entry": t * 100 + k, "slot": k, "level": 0, "died": t, "fate": Action.DISCARD, "parent": (-1, -1)}
            for t in range(segments) for k in range(n_slot)]  # fmt: skip
    own, other = (301, 302) if used else (302, 303)
    by_id = {row["entry"]: row for row in rows}
    for entry in (own, other):
        by_id[entry] |= {"died": 5, "fate": Action.COMPRESS}
    by_id[600] |= {"died": -1, "fate": -1}
    rows += [
        {
            "segment": 5,
            "entry": 550,
            "slot": -1,
            "level": 1,
            "died": 8,
            "fate": Action.COMPRESS,
            "parent": (own, other),
        },
        {"segment": 7, "entry": 750, "slot": -1, "level": 1, "died": 8, "fate": Action.COMPRESS, "parent": (401, 402)},
        {"segment": 8, "entry": 850, "slot": -1, "level": 2, "died": -1, "fate": -1, "parent": (550, 750)},
    ]
    by_id[401] |= {"died": 7}
    by_id[402] |= {"died": 7}
    entries = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    questions = {"segment": [4, 6, 9, 9], "read_entry": [[own, -1], [600, 550], [850, 600], [600, -1]],
                 "read_weight": [[1.0, 0.0], [0.4, 0.6], [0.25, 0.75], [1.0, 0.0]]}  # fmt: skip
    decisions = {"segment": [3, 4, 5, 6], "entry": [own, own, 550, 600], "executed": [0, 1, 0, 0]}
    truth = {"descendants": [own, 550, 850], "depth": [0, 1, 2], "died": [5, 8, -1], "questions": [0, 1, 2],
             "weight": [1.0, 0.6, 0.25], "decisions": [own, own, 550]}  # fmt: skip
    return write_recording(
        None,
        points={"context.hook_slot": first},
        entries=entries,
        questions=questions,
        decisions=decisions,
        truth=truth,
    )


def _followed(seed: int) -> Recording:
    """A slot is merged, and the merge again; three questions read it, in three forms."""
    return _history(np.random.default_rng(seed), True)


def _unused(seed: int) -> Recording:
    """A slot is dropped at once; its neighbour is merged and read."""
    return _history(np.random.default_rng(seed), False)


def _judge_followed(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    columns = {"descendants": "descendant_entry", "depth": "depth", "died": "died", "questions": "question_index", "weight": "weight",
               "decisions": "decision_entry"}  # fmt: skip
    right = [np.allclose(found[column].values, truth[name]) if found[column].shape == (len(truth[name]),) else False
             for name, column in columns.items()]  # fmt: skip
    return Verdict(all(right), {"columns right": float(sum(right)), "columns": float(len(right))})


def _nothing_follows(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    numbers = {"descendants": found.sizes["descendant"] - 1.0, "questions": float(found.sizes["question"]),
               "decisions": float(found.sizes["decision"])}  # fmt: skip
    return Verdict(not any(numbers.values()), numbers)


CASES = (
    Case("falling with distance", "retention", "positive", "every cell within 4 standard errors", _falling, _judge_falling,
         {"bins": EDGES}),
    Case("flat: no fall", "retention", "negative", "the intervals of all bins overlap", _flat, _no_fall, {"bins": 2}),
    Case("flat: coverage", "retention", "negative", "the interval holds 0.8", _flat, _covered),
    Case("nothing asked", "retention", "refusal", "an error", _nothing_asked),
    Case("lives", "occupancy", "positive", "entries, ages and counts exact", _lives, _judge_lives),
    Case("a late start", "occupancy", "positive", "entries, ages and counts exact", _late_lives, _judge_lives),
    Case("nothing kept", "occupancy", "negative", "no entry, no age", _nothing_kept, _nothing_held, rate=0.0),
    Case("a changing policy", "decisions", "positive", "counts, overruled share, Q and entropy exact",
         _changing_policy, _judge_policy),
    Case("no preference", "decisions", "negative", "entropy of 2 bits (G test, p > 0.05), none overruled",
         _random_policy, _no_preference),
    Case("nothing decided", "decisions", "refusal", "an error", _nothing_decided),
    Case("merged twice", "slot_history", "positive", "descendants, fates, questions, weights and decisions exact", _followed,
         _judge_followed, PLACE),
    Case("never used", "slot_history", "negative", "no descendant, no question, no decision", _unused, _nothing_follows,
         PLACE, rate=0.0),
    Case("no such slot", "slot_history", "refusal", "an error", _unused, params={**PLACE, "slot": 9}),
)  # fmt: skip
