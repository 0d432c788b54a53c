"""Cases of what reads slots: clusters, slot_map, probe."""

from math import erf, sqrt
from typing import Any

import numpy as np
import xarray as xr

from memlens.recording import Recording
from memlens.testing.grading import Case, Verdict
from memlens.testing.layout import LENGTH
from memlens.testing.write import write_recording

#: Sizes: with 8 slots a segment, picked evenly, each slot's window is its own eighth of the segment.
SEGMENT, SLOT, FEATURE = 40, 8, 16
EASY = {"draws": 19, "shuffles": 19, "boots": 1}
#: Cheap enough for hundreds of seeds.
CHEAP = {"k": 2, **EASY}


def _slots(
    value: np.ndarray, modality: np.ndarray | None = None, truth: dict[str, Any] | None = None, **positions: np.ndarray
) -> Recording:
    """Slots (segment, slot, feature) with a label each, (segment, slot): modality of its window, or token and fact of it."""
    if modality is not None:
        positions["modality"] = modality
    wide = {name: np.repeat(label.reshape(1, -1), LENGTH // SLOT, 1) for name, label in positions.items()}
    return write_recording(None, points={"context.hook_slot": value[None]}, positions=wide, truth=truth)


def _noise(random: np.random.Generator, segments: int = SEGMENT) -> np.ndarray:
    return random.normal(size=(segments, SLOT, FEATURE))


def _centres(random: np.random.Generator, k: int, apart: float) -> np.ndarray:
    return np.linalg.qr(random.normal(size=(FEATURE, k)))[0].T * apart


def _drift(random: np.random.Generator, segments: int, memory: float = 0.9) -> np.ndarray:
    """A slow change that all slots of a segment share, (segment, 1, feature): AR(1) of unit variance."""
    out = random.normal(size=(segments, 1, FEATURE))
    for t in range(1, segments):
        out[t] = memory * out[t - 1] + np.sqrt(1 - memory**2) * out[t]
    return out


def _runs(random: np.random.Generator, segments: int, kinds: int, stays: float = 0.8) -> np.ndarray:
    """Labels (segment, slot) that all slots of a segment share; each segment keeps the last one's with chance ``stays``."""
    fresh = random.random(segments) > stays
    fresh[0] = True
    label = random.integers(0, kinds, segments)[np.maximum.accumulate(np.where(fresh, np.arange(segments), 0))]
    return np.tile(label[:, None], (1, SLOT))


# clusters


def _four_groups(seed: int) -> Recording:
    """One group a modality, 6 noise widths from the origin."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 4, (SEGMENT, SLOT))
    return _slots(_centres(random, 4, 6.0)[label] + _noise(random), label)


def _three_unequal_groups(seed: int) -> Recording:
    """Groups of 70, 20 and 10 %, which have nothing to do with the modality; each window's token is its group's."""
    random = np.random.default_rng(seed)
    label = random.choice(3, p=(0.7, 0.2, 0.1), size=(SEGMENT, SLOT))
    truth = {"label": label.ravel().tolist(), "token": ["w0", "w1", "w2"]}
    value = _centres(random, 3, 7.0)[label] + _noise(random)
    return _slots(value, token=4 + label, truth=truth)


def _one_cloud(seed: int) -> Recording:
    """One Gaussian, longer in some directions, and modalities at random."""
    random = np.random.default_rng(seed)
    return _slots(_noise(random, 20) * np.linspace(0.5, 2, FEATURE), random.integers(0, 4, (20, SLOT)))


def _heavy_cloud(seed: int) -> Recording:
    """One cloud with heavier tails than a Gaussian (t with 5 degrees of freedom a row)."""
    random = np.random.default_rng(seed)
    scale = np.sqrt(5 / random.chisquare(5, (20, SLOT, 1)))
    return _slots(_noise(random, 20) * scale, random.integers(0, 4, (20, SLOT)))


def _groups_that_are_no_modality(seed: int) -> Recording:
    """Two groups, and modalities at random."""
    random = np.random.default_rng(seed)
    value = _centres(random, 2, 4.0)[random.integers(0, 2, (20, SLOT))] + _noise(random, 20)
    return _slots(value, random.integers(0, 2, (20, SLOT)))


def _drift_that_is_no_modality(seed: int) -> Recording:
    """Slots of a segment change slowly together, modalities stay for some segments, and neither knows of the other."""
    random = np.random.default_rng(seed)
    return _slots(3 * _drift(random, 160) + _noise(random, 160), _runs(random, 160, 2))


def _judge_four(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = {"p silhouette": float(found["silhouette_p"]), "p AMI": float(found["ami_p"])}
    k, ami = found.attrs["chosen_k"], float(found["ami"])
    return Verdict(k == 4 and ami > 0.95 and max(p.values()) <= 0.05, {"k": k, "AMI": ami, **p})


def _judge_three(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    from sklearn.metrics import adjusted_rand_score

    label = np.array(truth["label"])[(found["segment"].values * SLOT + found["place"].values).astype(int)]
    group = [np.bincount(label[found["label"].values == c]).argmax() for c in found["cluster"].values]
    marks = [str(first).strip() for first in found["cluster_token"].values[:, 0]]
    named = float(np.mean([mark == truth["token"][g] for mark, g in zip(marks, group, strict=True)]))
    numbers = {
        "k": found.attrs["chosen_k"],
        "ARI with truth": adjusted_rand_score(label, found["label"].values),
        "named": named,
    }
    return Verdict(numbers["k"] == 3 and numbers["ARI with truth"] > 0.95 and named == 1, numbers)


def _no_groups(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = float(found["silhouette_p"])
    return Verdict(p > 0.05, {"p silhouette": p})


def _no_agreement(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = float(found["ami_p"])
    return Verdict(p > 0.05, {"p AMI": p, "AMI": float(found["ami"])})


# slot_map


def _a_plane(seed: int) -> Recording:
    """Slots in a plane, standard deviations 3 and 2, with noise of 0.1 in all directions."""
    random = np.random.default_rng(seed)
    flat = random.normal(size=(SEGMENT, SLOT, 2)) * (3, 2)
    value = flat @ np.linalg.qr(random.normal(size=(FEATURE, 2)))[0].T + 0.1 * _noise(random)
    return _slots(value, truth={"flat": flat.reshape(-1, 2).tolist()})


def _judge_plane(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Coordinates are those planted, up to a turn: R2 of the best linear map, and the variance kept."""
    order = (found["segment"].values * SLOT + found["place"].values).astype(int)
    wanted = np.array(truth["flat"])[order]
    wanted = wanted - wanted.mean(0)
    seen = found["coordinate"].values - found["coordinate"].values.mean(0)
    fitted = seen @ np.linalg.lstsq(seen, wanted, rcond=None)[0]
    numbers = {
        "R2": 1 - ((wanted - fitted) ** 2).sum() / (wanted**2).sum(),
        "variance kept": float(found["explained_variance"].sum()),
        "trustworthiness": float(found["trustworthiness"]),
    }
    return Verdict(min(numbers.values()) > 0.98, {name: float(value) for name, value in numbers.items()})


def _no_apart(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """Modalities must not lie apart on the map: one-way analysis of variance on each axis, Bonferroni."""
    from scipy.stats import f_oneway

    kinds = [found["coordinate"].values[found["modality"].values == code] for code in range(4)]
    p = 2 * min(float(f_oneway(*(kind[:, axis] for kind in kinds)).pvalue) for axis in (0, 1))
    return Verdict(p > 0.05, {"p": min(p, 1.0)})


def _all_equal(seed: int) -> Recording:
    """Every slot is the same vector."""
    return _slots(np.ones((SEGMENT, SLOT, FEATURE)), np.random.default_rng(seed).integers(0, 2, (SEGMENT, SLOT)))


# probe

#: Distance between the class means, in noise widths; the best that can be done is then Phi(GAP / 2).
GAP = 2.0
BAYES = 0.5 * (1 + erf(GAP / 2 / sqrt(2)))


def _linear_target(seed: int) -> Recording:
    """Two modalities whose slots differ by GAP along one direction."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, (160, SLOT))
    direction = _centres(random, 1, GAP)[0]
    return _slots(_noise(random, 160) + (label[..., None] - 0.5) * direction, label, {"accuracy": BAYES})


def _nonlinear_target(seed: int) -> Recording:
    """Two modalities by the sign of a product of two features: no line separates them."""
    random = np.random.default_rng(seed)
    value = _noise(random, 160)
    return _slots(value, (value[..., 0] * value[..., 1] > 0).astype(int), {"accuracy": 0.5})


def _fact_target(seed: int) -> Recording:
    """A quarter of the slots hold a fact, which adds 8 noise widths in one direction."""
    random = np.random.default_rng(seed)
    fact = np.where(random.random((80, SLOT)) < 0.25, np.arange(80 * SLOT).reshape(80, SLOT), -1)
    direction = _centres(random, 1, 8.0)[0]
    return _slots(_noise(random, 80) + (fact >= 0)[..., None] * direction, fact=fact, truth={"accuracy": 1.0})


def _absent_target(seed: int) -> Recording:
    """Noise, and modalities at random."""
    random = np.random.default_rng(seed)
    return _slots(_noise(random), random.integers(0, 2, (SEGMENT, SLOT)))


def _one_modality(seed: int) -> Recording:
    """Nothing to tell apart."""
    return _slots(_noise(np.random.default_rng(seed)))


def _judge_accuracy(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    score, low, high = (float(found[name].sel(metric="accuracy")) for name in ("score", "low", "high"))
    right = low - 0.03 <= truth["accuracy"] <= high + 0.03
    return Verdict(right, {"accuracy": score, "low": low, "high": high, "truth": truth["accuracy"]})


def _no_reading(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = float(found["p"])
    return Verdict(p > 0.05, {"p": p, "bits": float(found["information"])})


QUICK_PROBE = {"shuffles": 19, "resamples": 20}
CASES = (
    Case("four groups", "clusters", "positive", "k = 4, AMI > 0.95, both p <= 0.05", _four_groups, _judge_four, EASY),
    Case("three unequal groups", "clusters", "positive",
         "k = 3, ARI with the planted groups > 0.95, each group's own token marks it", _three_unequal_groups, _judge_three, EASY),
    Case("one cloud", "clusters", "negative", "p of the silhouette > 0.05", _one_cloud, _no_groups, CHEAP),
    # the null keeps the rows' lengths, but not that principal axes of heavy tails run after single rows
    Case("one heavy-tailed cloud", "clusters", "negative", "p of the silhouette > 0.05", _heavy_cloud, _no_groups, CHEAP, rate=0.15),
    Case("groups that are no modality", "clusters", "negative", "p of the AMI > 0.05",
         _groups_that_are_no_modality, _no_agreement, {**CHEAP, "draws": 1}),
    Case("drift that is no modality", "clusters", "negative", "p of the AMI > 0.05",
         _drift_that_is_no_modality, _no_agreement, {**CHEAP, "draws": 1}),
    Case("all rows equal", "clusters", "refusal", "an error", _all_equal),
    Case("a plane", "slot_map", "positive", "R2 with the planted plane, variance kept, trustworthiness > 0.98",
         _a_plane, _judge_plane),
    Case("one cloud", "slot_map", "negative", "modalities do not lie apart (F test, Bonferroni, p > 0.05)", _one_cloud,
         _no_apart),
    Case("all rows equal", "slot_map", "refusal", "an error", _all_equal),
    Case("linear target", "probe", "positive", f"accuracy {BAYES:.3f} within 0.03 of the interval", _linear_target,
         _judge_accuracy, QUICK_PROBE),
    Case("non-linear target", "probe", "positive", "accuracy 0.5 within 0.03 of the interval: not linear",
         _nonlinear_target, _judge_accuracy, QUICK_PROBE),
    Case("facts", "probe", "positive", "accuracy 1 within 0.03 of the interval", _fact_target, _judge_accuracy,
         {"target": "is_fact", **QUICK_PROBE}),
    Case("absent target", "probe", "negative", "p > 0.05", _absent_target,
         _no_reading, QUICK_PROBE),
    Case("drift that is no modality", "probe", "negative",
         "p > 0.05", _drift_that_is_no_modality, _no_reading, QUICK_PROBE),
    Case("one modality", "probe", "refusal", "an error", _one_modality),
)  # fmt: skip
