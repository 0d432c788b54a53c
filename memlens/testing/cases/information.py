"""Cases of probes by kind, group and distance, and of what merging lost."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from memlens.recording import Recording
from memlens.testing import information, structure
from memlens.testing.grading import Case, Verdict
from memlens.testing.merges import merges
from memlens.testing.structure import Shape
from memlens.testing.write import write_recording

SLOT, WORKING = "context.hook_slot", "working.hook_slot"
LONG = Shape(segment=100)
Built = tuple[Recording, Mapping[str, Any]]


def _a_number(seed: int) -> Built:
    """A number, 60 % of whose variance is linear in the slot."""
    value, number = information.number(LONG, r2=0.6, seed=seed)
    recording = write_recording(None, points={SLOT: value}, truth={"score": 0.6})
    return recording, {"target": information.target(number)}


def _a_product(seed: int) -> Built:
    """A class by the sign of a product of two directions, four noise widths long."""
    value, label = information.product(Shape(segment=60), signal=4.0, seed=seed)
    return write_recording(None, points={SLOT: value}), {"target": information.target(label)}


def _slow_strangers(seed: int) -> Built:
    """Slots of a segment share 70 % of their variance and one label; both change slowly and know nothing of each other."""
    shape = Shape(segment=96, place=2, feature=4)
    value = structure.noise(shape, seed=seed, memory=0.5, shared=0.7)
    label = information.labels(shape, whole=True, memory=0.5, seed=seed)
    return write_recording(None, points={SLOT: value}), {"target": information.target(label)}


def _judge_number(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    numbers = {"R2": float(found["score"][0]), "p": float(found["p"])}
    return Verdict(abs(numbers["R2"] - truth["score"]) < 0.08 and numbers["p"] <= 0.05, numbers)


def _judge_mlp(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    numbers = {"accuracy": float(found["score"].sel(metric="accuracy")), "p": float(found["p"])}
    return Verdict(numbers["accuracy"] > 0.9 and numbers["p"] <= 0.05, numbers)


def _no_information(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = float(found["p"])
    return Verdict(p > 0.05, {"p": p})


def _kept_a_while(seed: int) -> Built:
    """Places hold the class of a segment from one segment after it until four after it."""
    value, label = information.kept_for(Shape(segment=160, place=3), since=1, segments=4, seed=seed)
    return write_recording(None, points={WORKING: value}), {"target": information.target(label)}


def _never_kept(seed: int) -> Built:
    """Noise, and a class a segment."""
    shape = Shape(segment=60, place=2, feature=4)
    label = information.labels(shape, whole=True, seed=seed)[..., 0]
    return write_recording(None, points={WORKING: structure.noise(shape, seed=seed)}), {
        "target": information.target(label)
    }


def _constant(seed: int) -> Built:
    """A target that never changes."""
    return write_recording(None, points={WORKING: structure.noise(seed=seed)}), {
        "target": information.target(np.ones((1, 64)))
    }


def _judge_span(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    numbers = {"since": float(found["since"]), "gone": float(found["gone"])}
    return Verdict((numbers["since"], numbers["gone"]) == (1, 5), numbers)


def _never_found(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    n = float(found["found"].sum())
    return Verdict(n == 0, {"groups found": n})


def _means_of_two(seed: int) -> Recording:
    """Merges are means of two; those of level 2 lose half of the features too: 1/2 and 1/8 of a slot's variance remain."""
    planted = merges(n_segment=300, feature=8, signal=0.0, kept=(1.0, 0.5), seed=seed)
    return write_recording(
        None,
        points=planted.points,
        entries=planted.entries,
        capacities=planted.capacities,
        truth={"kept": [1 / 2, 1 / 8]},
    )


def _beside_consolidations(seed: int) -> Recording:
    """Merges are means of two; every fresh slot stands in the place of an older entry, which is no merge."""
    planted = merges(n_segment=200, feature=8, signal=0.0, consolidated=True, seed=seed)
    return write_recording(
        None,
        points=planted.points,
        entries=planted.entries,
        capacities=planted.capacities,
        truth={"kept": [1 / 2, 1 / 4]},
    )


def _merges_of_nothing(seed: int) -> Recording:
    """Merges that hold noise of their own."""
    planted = merges(n_segment=60, feature=3, related=False, seed=seed)
    return write_recording(None, points=planted.points, entries=planted.entries, capacities=planted.capacities)


def _never_merged(seed: int) -> Recording:
    """Slots that are dropped at once."""
    value = structure.noise(seed=seed)
    return write_recording(None, points={SLOT: value, "store.hook_content": np.zeros((1, 64, 42, 16))})


def _judge_kept(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    kept = found["reconstruction"].values[1:]
    if kept.size != len(truth["kept"]):
        return Verdict(False, {"levels": kept.size})
    off = float(np.abs(kept - truth["kept"]).max())
    return Verdict(off < 0.05, {"level 1": float(kept[0]), "level 2": float(kept[1]), "off by at most": off})


def _nothing_kept(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = float(found["p"].sel(level=1))
    return Verdict(p > 0.05, {"p": p})


AT = {"by": "distance", "points": (WORKING,), "resamples": 1}
CHEAP = {"folds": 2, "resamples": 1}
CASES = (
    Case("a number", "probe", "positive", "R2 within 0.08 of 0.6, p <= 0.05", _a_number, _judge_number, {"resamples": 1}),
    Case("a product, by an MLP", "probe", "positive", "accuracy > 0.9, p <= 0.05", _a_product, _judge_mlp, {"kind": "mlp", "resamples": 1}),
    Case("slow strangers", "probe", "negative", "p > 0.05", _slow_strangers, _no_information, CHEAP),
    Case("kept for four segments", "probe_profile", "positive", "there since 1, gone at 5", _kept_a_while, _judge_span,
         {**AT, "distances": (-2, -1, 0, 1, 2, 3, 4, 5, 6)}),
    Case("never kept", "probe_profile", "negative", "found at no distance", _never_kept, _never_found,
         {**AT, **CHEAP, "distances": (0, 1, 2)}),
    Case("a constant", "probe_profile", "refusal", "an error", _constant, params=AT),
    Case("means of two", "compression", "positive", "reconstruction within 0.05 of 1/2 and 1/8", _means_of_two, _judge_kept),
    Case("beside consolidations", "compression", "positive", "levels 1 and 2, reconstruction within 0.05 of 1/2 and 1/4",
         _beside_consolidations, _judge_kept),
    Case("merges of nothing", "compression", "negative", "p of the reconstruction > 0.05", _merges_of_nothing, _nothing_kept,
         {"folds": 3, "targets": ()}),
    Case("nothing merged", "compression", "refusal", "an error", _never_merged),
)  # fmt: skip
