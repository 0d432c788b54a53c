"""Cases of geometry, similarity, alignment, drift and dictionary."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from memlens.recording import Recording
from memlens.testing import structure
from memlens.testing.grading import Case, Verdict
from memlens.testing.structure import Shape
from memlens.testing.write import write_recording

SLOT, WORKING = "context.hook_slot", "working.hook_slot"
SMALL = Shape(segment=96, place=3, feature=6)
WIDE = Shape(segment=120, place=8, feature=20)


def _working(value: np.ndarray, **truth: Any) -> Recording:
    return write_recording(None, points={WORKING: value}, truth=truth)


def _few_dimensions(seed: int) -> Recording:
    """Vectors in three directions of sixteen."""
    return _working(structure.low_rank(rank=3, seed=seed), rank=3)


def _own_constants(seed: int) -> Recording:
    """Each place holds a constant of its own, 40 % of the variance."""
    return _working(structure.specialised(Shape(segment=200), share=0.4, seed=seed), share=0.4)


def _noise(seed: int) -> Recording:
    """Independent noise in every place."""
    return _working(structure.noise(SMALL, seed=seed))


def _slow_noise(seed: int) -> Recording:
    """Independent noise in every place, neighbouring segments correlated at 0.5."""
    return _working(structure.noise(SMALL, seed=seed, memory=0.5))


def _empty_stream(seed: int) -> Recording:
    """Three segments."""
    return _working(structure.noise(Shape(segment=3), seed=seed))


def _judge_rank(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    own = found.sel(measure="effective_rank")
    numbers = {"effective rank": float(own["value"]), "p": float(own["p"])}
    return Verdict(abs(numbers["effective rank"] - truth["rank"]) < 0.2 and numbers["p"] <= 0.05, numbers)


def _judge_share(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    own = found.sel(measure="specialisation")
    numbers = {"share": float(own["value"]), "p": float(own["p"])}
    return Verdict(abs(numbers["share"] - truth["share"]) < 0.06 and numbers["p"] <= 0.05, numbers)


def _no_measure(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Any of three measures, Bonferroni."""
    p = 3 * float(found["p"].min())
    return Verdict(p > 0.05, {"p": min(p, 1.0)})


def _same_content(seed: int) -> Recording:
    """Two points with the same content in other axes, and a little noise."""
    value = structure.noise(shared=0.5, seed=seed)
    return write_recording(None, points={SLOT: value, WORKING: structure.other_run(value, noise=0.2, seed=seed)[0]})


def _slow_strangers(seed: int) -> Recording:
    """Two points that change slowly (0.5 between segments) and have nothing in common."""
    values = [structure.noise(SMALL, seed=2 * seed + at, memory=0.5) for at in (0, 1)]
    return write_recording(None, points=dict(zip((SLOT, WORKING), values, strict=True)))


def _judge_alike(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    own = found.sel(one=SLOT, two=WORKING)
    numbers = {"CKA": float(own["value"].sel(measure="cka")), "RSA": float(own["value"].sel(measure="rsa"))}
    p = float(own["p"].max())
    return Verdict(min(numbers.values()) > 0.6 and p <= 0.05, {**numbers, "p": p})


def _not_alike(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = float(found["p"].sel(measure="cka", one=SLOT, two=WORKING))
    return Verdict(p > 0.05, {"p": p})


def _another_seed(seed: int) -> tuple[Recording, Mapping[str, Any]]:
    """A second run whose places stand in another order and whose axes are turned."""
    value = structure.noise(seed=seed)
    other, match = structure.other_run(value, noise=0.5, seed=seed + 1)
    return _working(value, match=match.tolist()), {"other": _working(other)}


def _a_stranger(seed: int) -> tuple[Recording, Mapping[str, Any]]:
    """A second run that has nothing in common with the first; both change slowly (0.5 between segments)."""
    one, two = (_working(structure.noise(SMALL, seed=2 * seed + at, memory=0.5)) for at in (0, 1))
    return one, {"other": two}


def _another_stream(seed: int) -> tuple[Recording, Mapping[str, Any]]:
    """A second run that read another stream."""
    value = structure.noise(seed=seed)
    other = write_recording(None, points={WORKING: value}, positions={"token": np.full((1, 64 * 64), 9)})
    return _working(value), {"other": other}


def _judge_match(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    right = float((found["match"].values == np.array(truth["match"])).mean())
    p = float(found["score_p"])
    return Verdict(right == 1 and p <= 0.05, {"places matched right": right, "p": p})


def _no_match(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = float(found["score_p"])
    return Verdict(p > 0.05, {"p": p})


def _steady_drift(seed: int) -> Recording:
    """The mean moves by 0.05 a segment in one direction."""
    return _working(structure.drifting(rate=0.05, seed=seed), rate=0.05)


def _judge_rate(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    numbers = {"rate": float(found["rate"]), "p": float(found["trend_p"])}
    return Verdict(abs(numbers["rate"] / truth["rate"] - 1) < 0.2 and numbers["p"] <= 0.05, numbers)


def _no_trend(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = float(found["trend_p"])
    return Verdict(p > 0.05, {"p": p})


def _sums_of_two(seed: int) -> Recording:
    """Each slot is the sum of two of 24 directions, with a little noise."""
    value, atom, _ = structure.sparse(WIDE, atoms=24, active=2, seed=seed)
    return write_recording(None, points={SLOT: value}, truth={"atom": atom.tolist()})


def _gaussian_slots(seed: int) -> Recording:
    """Slots that are Gaussian noise."""
    return write_recording(None, points={SLOT: structure.noise(Shape(segment=60, place=2, feature=5), seed=seed)})


def _few_slots(seed: int) -> Recording:
    """64 slots."""
    return write_recording(None, points={SLOT: structure.noise(Shape(segment=8), seed=seed)})


def _judge_atoms(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    cosine = (np.array(truth["atom"]) @ found["direction"].values.T).max(1)
    numbers = {"median cosine with the atoms": float(np.median(cosine)), "p": float(found["p"])}
    return Verdict(numbers["median cosine with the atoms"] > 0.9 and numbers["p"] <= 0.05, numbers)


def _not_sparse(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = float(found["p"])
    return Verdict(p > 0.05, {"p": p})


AT = {"point": WORKING, "shuffles": 19}
AT_THREE = {"point": WORKING, "shuffles": 59}
BOTH = {"points": (SLOT, WORKING), "shuffles": 19}
CASES = (
    Case("few dimensions", "geometry", "positive", "effective rank within 0.2 of 3, p <= 0.05", _few_dimensions, _judge_rank, AT),
    Case("constants of places", "geometry", "positive", "share of variance within 0.06, p <= 0.05", _own_constants, _judge_share, AT),
    Case("noise", "geometry", "negative", "no measure has p <= 0.05 (Bonferroni)", _noise, _no_measure, AT_THREE),
    Case("slow noise", "geometry", "negative", "no measure has p <= 0.05 (Bonferroni)", _slow_noise, _no_measure, AT_THREE),
    Case("a short stream", "geometry", "refusal", "an error", _empty_stream, params=AT),
    Case("the same content in other axes", "similarity", "positive", "CKA and RSA > 0.6, p <= 0.05", _same_content, _judge_alike, BOTH),
    Case("slow strangers", "similarity", "negative", "p of the CKA > 0.05", _slow_strangers, _not_alike, BOTH),
    Case("another stream", "similarity", "refusal", "an error", _another_stream, params={"points": (WORKING,)}),
    Case("another seed", "alignment", "positive", "every place matched right, p <= 0.05", _another_seed, _judge_match, AT),
    Case("a stranger", "alignment", "negative", "p of the score > 0.05", _a_stranger, _no_match, AT),
    Case("another stream", "alignment", "refusal", "an error", _another_stream, params=AT),
    Case("steady drift", "drift", "positive", "rate within a fifth, p <= 0.05", _steady_drift, _judge_rate, AT),
    Case("noise", "drift", "negative", "p of the trend > 0.05", _noise, _no_trend, AT),
    Case("a short stream", "drift", "refusal", "an error", _empty_stream, params=AT),
    Case("sums of two directions", "dictionary", "positive", "median cosine with the atoms > 0.9, p <= 0.05", _sums_of_two, _judge_atoms,
         {"atoms": 32, "active": 2}),
    Case("Gaussian slots", "dictionary", "negative", "p > 0.05", _gaussian_slots, _not_sparse,
         {"atoms": 8, "active": 1, "steps": 40, "draws": 19}),
    Case("too few slots", "dictionary", "refusal", "an error", _few_slots),
)  # fmt: skip
