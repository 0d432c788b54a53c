"""What did merging lose? What can be said of the slots that went into an entry, from the entry alone, level by level."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from memlens.analysis.support import probing
from memlens.analysis.support.entry_vectors import EntryVectors, entry_vectors, leaves
from memlens.analysis.support.measure import measure
from memlens.analysis.support.probe_task import probe_task, split_folds
from memlens.analysis.support.result import MODALITIES
from memlens.analysis.support.targets import Target
from memlens.analysis.support.vectors import Vectors
from memlens.errors import AnalysisError, closest
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.jackknife import jackknife
from memlens.stats.nulls import time_orders
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memlens.recording.protocol import RecordingLike

TARGETS = ("modality", "is_fact")
#: A level with fewer pairs of merge and slot is left out: five for each of five folds.
LEAST = 25
#: What a probe of slots and merges gives, in order.
PROBED = ("before", "after", "lost", "lost_low", "lost_high", "after_p")


@measure
def compression(
    recording: "RecordingLike",
    *,
    store: str = "store.hook_content",
    slot: str = "context.hook_slot",
    targets: "Sequence[str]" = TARGETS,
    folds: int = 5,
    sample: int = 1500,
    shuffles: int = 19,
    seed: int = 0,
) -> xr.Dataset:
    """Reconstruct slots from the merges they went into, and probe both for what slots were about.

    Rows are pairs of a merge and a fresh slot in it, by the level of the merge. ``reconstruction`` is the held-out R2 of
    the best ridge regression of the slot's vector on the merge's, all features together: the share of the slots' variance that
    is still linearly there. Its complement is a distortion, at a rate of ``rate`` vectors a slot: points of a rate-distortion curve
    (Shannon, 1959), of the linear reader; the model's own decompressor may do better or worse. Probes read the slot's modality, and
    whether a fact ended in it, from the slot itself (``before``) and from the merge (``after``), on the same pairs and folds.
    Nulls shift merges against slots in time.

    Parameters
    ----------
    recording : Recording
        With both points.
    store, slot : str
        Recorded points of the store's entries and of the fresh slots.
    targets : sequence of str
        What to probe: "modality", "is_fact", or nothing.
    folds : int
        For cross-validation, over blocks of time.
    sample : int
        Pairs a level, at most.
    shuffles : int
        Draws of each null; the least p is 1 / (shuffles + 1).
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(level)``, level 0 being the slots themselves: ``rate`` (vectors a slot), ``reconstruction``, ``low``, ``high`` (95 %,
        jackknife over blocks of time), ``p``, ``n`` (pairs), ``merges``; ``null(level, shuffle)``. Over ``(target, level)``:
        ``before``, ``after``, ``lost`` = before - after with ``lost_low``, ``lost_high``, in bits a slot, ``after_p``; NaN where a
        target cannot be probed.

    Raises
    ------
    AnalysisError
        For an unknown target, or when no level has 25 pairs of a merge and a slot.
    """
    for name in targets:
        if name not in TARGETS:
            raise AnalysisError(f"no target '{name}'; {closest(name, TARGETS)}")
    data = entry_vectors(recording, store, slot)
    merge, leaf, level = _known_pairs(recording, data)
    levels = _levels(level)
    parts = [
        _level(recording, data, merge[level == each], leaf[level == each], targets, folds, sample, shuffles, seed)
        for each in levels
    ]
    slots = {
        "rate": 1.0,
        "reconstruction": 1.0,
        "low": 1.0,
        "high": 1.0,
        "p": np.nan,
        "n": int(data.known.sum()),
        "merges": 0,
    }
    probed = np.stack([np.full((len(targets), len(PROBED)), np.nan), *(part["probed"] for part in parts)], 1)
    null = np.stack([np.full(shuffles, np.nan), *(part["null"] for part in parts)])
    return xr.Dataset(
        {
            **{name: ("level", np.array([first, *(part[name] for part in parts)])) for name, first in slots.items()},
            "null": (("level", "shuffle"), null),
            **{name: (("target", "level"), probed[..., at]) for at, name in enumerate(PROBED)},
        },
        coords={"level": [0, *levels], "target": list(targets)},
        attrs={"n": sum(part["n"] for part in parts), "point": store, "total": merge.size},
    )  # fmt: skip


def _known_pairs(recording: "RecordingLike", data: EntryVectors) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merges and slots in them whose vectors are known, with the merge's level, int [pair] each."""
    merge, leaf = leaves(recording)
    level = recording.tables.entries.level[merge]
    kept = data.known[merge] & data.known[leaf]
    return merge[kept], leaf[kept], level[kept]


def _levels(level: np.ndarray) -> list[int]:
    """Levels of enough pairs."""
    levels = [each for each in np.unique(level) if (level == each).sum() >= LEAST]
    if not levels:
        raise AnalysisError(
            f"the recording has {level.size} pairs of a merge and a slot that went into it, expected {LEAST} or more in a level; "
            "record a longer stream, or a policy that compresses"
        )
    return levels


def _level(
    recording: "RecordingLike", data: EntryVectors, merge: np.ndarray, leaf: np.ndarray, targets: "Sequence[str]", folds: int, sample: int,
    shuffles: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Everything about the merges of one level."""
    _, size = np.unique(merge, return_counts=True)
    own = np.sort(np.random.default_rng(seed).permutation(np.arange(merge.size))[:sample])
    pairs = _Pairs(recording, data, merge[own], leaf[own], folds)
    found = pairs.reconstruction(shuffles, seed)
    return {
        "rate": float(1 / size.mean()),
        "merges": int(size.size),
        "n": own.size,
        **dict(zip(("reconstruction", "low", "high", "null", "p"), found, strict=True)),
        "probed": np.reshape([pairs.probe(target, shuffles, seed) for target in targets], (len(targets), len(PROBED))),
    }


class _Pairs:
    """Merges of one level and slots in them, in order of the merges' birth."""

    def __init__(self, recording: "RecordingLike", data: EntryVectors, merge: np.ndarray, leaf: np.ndarray, folds: int):
        table = recording.tables.entries
        self.sequence, self.segment = table.sequence[merge], table.segment[merge]
        self.merged, self.slot = data.value[merge], data.value[leaf]
        self.modality, self.fact = table.modality[leaf], table.fact[leaf]
        self.merge, self.folds = merge, folds
        self.block, self.fold = split_folds(self.sequence, self.segment, self.segment, 0, folds)

    def reconstruction(self, shuffles: int, seed: int) -> tuple[float, float, float, np.ndarray, float]:
        """R2 of slots from merges, its interval, its null and its p."""
        error, total = self._errors(self.merged)

        def r2(kept: np.ndarray) -> float:
            return float(1 - error[kept].sum() / max(total[kept].sum(), 1e-300))

        value = r2(np.ones(error.size, bool))
        low, high = jackknife(r2, time_blocks(self.sequence, self.segment))
        null = []
        for order in time_orders(self.sequence, shuffles, seed):
            wrong, _ = self._errors(self.merged[order])
            null.append(1 - wrong.sum() / max(total.sum(), 1e-300))
        return value, float(low), float(high), np.array(null), p_value(value, np.array(null))

    def _errors(self, merged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Squared error of each pair, held out, and squared distance to the mean of the other folds."""
        from sklearn.linear_model import RidgeCV

        error, total = np.zeros(self.merge.size), np.zeros(self.merge.size)
        for fold in np.unique(self.fold):
            test = self.fold == fold
            model = RidgeCV(alphas=(1.0, 10.0, 100.0, 1000.0)).fit(merged[~test], self.slot[~test])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                error[test] = ((self.slot[test] - model.predict(merged[test])) ** 2).sum(1)
            total[test] = ((self.slot[test] - self.slot[~test].mean(0)) ** 2).sum(1)
        return error, total

    def probe(self, target: str, shuffles: int, seed: int) -> list[float]:
        """Information before and after, what was lost with its interval, and the p of what is left."""
        wanted = Target("modality", self.modality, MODALITIES)
        if target == "is_fact":
            wanted = Target("is_fact", (self.fact >= 0).astype(int), ["no fact", "fact"])
        labels = {"sequence": self.sequence, "segment": self.segment, "place": np.zeros(self.merge.size, int)}
        try:
            tasks = [
                probe_task(Vectors(value, labels, "", self.merge.size, ""), wanted, self.folds)[0]
                for value in (self.slot, self.merged)
            ]
        except AnalysisError:
            return [np.nan] * len(PROBED)
        readings = [probing.cross_validate(task, "linear", seed) for task in tasks]

        def lost(kept: np.ndarray) -> float:
            use = np.flatnonzero(kept)
            before, after = (probing.information(*pair, use) for pair in zip(tasks, readings, strict=True))
            return before - after

        low, high = jackknife(lost, tasks[0].block)
        before, after = (probing.information(*pair) for pair in zip(tasks, readings, strict=True))
        null = [
            probing.information(each, probing.cross_validate(each, "linear", seed))
            for each in tasks[1].shuffled(shuffles, seed)
        ]
        return [before, after, before - after, float(low), float(high), p_value(after, np.array(null))]
