"""What did merging lose? What can be said of the slots that went into an entry, from the entry alone, level by level."""

import warnings
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.probe import prepare
from memlens.analysis.support import probing
from memlens.analysis.support.entry_vectors import Contents, contents, leaves
from memlens.analysis.support.result import MODALITIES, column, finish
from memlens.analysis.support.targets import Target
from memlens.analysis.support.vectors import Vectors
from memlens.errors import AnalysisError, closest
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.jackknife import jackknife
from memlens.stats.nulls import time_orders
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memlens.recording import Recording

TARGETS = ("modality", "is_fact")
#: A level with fewer pairs of merge and slot is left out: five for each of five folds.
LEAST = 25


def compression(
    recording: "Recording",
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
    (Shannon, 1959), of the linear reader; the model's own decompressor may do better or worse. Probes read the
    slot's modality, and whether a fact
    ended in it, from the slot itself (``before``) and from the merge (``after``), on the same pairs and folds.
    Nulls shift merges against slots in time.

    Parameters
    ----------
    targets
        What to probe: "modality", "is_fact", or nothing.
    sample
        Pairs a level, at most.

    Returns
    -------
    xarray.Dataset
        Over ``(level)``, level 0 being the slots themselves: ``rate`` (vectors a slot), ``reconstruction``,
        ``low``, ``high`` (95 %, jackknife over
        blocks of time), ``p``, ``n`` (pairs), ``merges``; ``null(level, shuffle)``. Over ``(target, level)``:
        ``before``, ``after``, ``lost`` = before - after with ``lost_low``,
        ``lost_high``, in bits a slot, ``after_p``; NaN where a target cannot be probed.

    Raises
    ------
    AnalysisError
        When no level has 25 pairs of a merge and a slot.
    """
    for name in targets:
        if name not in TARGETS:
            raise AnalysisError(f"no target '{name}'; {closest(name, TARGETS)}")
    data, (merge, leaf) = contents(recording, store, slot), leaves(recording)
    table = recording.entries
    level = column(table, "level", int)[merge]
    kept = data.known[merge] & data.known[leaf]
    merge, leaf, level = merge[kept], leaf[kept], level[kept]
    levels = [0, *(each for each in np.unique(level) if (level == each).sum() >= LEAST)]
    if len(levels) == 1:
        raise AnalysisError(
            f"the recording has {merge.size} pairs of a merge and a slot that went into it, expected {LEAST} or "
            f"more in a level; record a longer "
            "stream, or a policy that compresses"
        )
    rows: dict[str, list] = {name: [1.0] for name in ("rate", "reconstruction", "low", "high")}
    rows |= {"p": [np.nan], "n": [int(data.known.sum())], "merges": [0], "null": [np.full(shuffles, np.nan)]}
    probes = []
    for each in levels[1:]:
        own = np.flatnonzero(level == each)
        _, size = np.unique(merge[own], return_counts=True)
        rows["rate"].append(float(1 / size.mean()))
        rows["merges"].append(int(size.size))
        own = np.sort(np.random.default_rng(seed).permutation(own)[:sample])
        rows["n"].append(own.size)
        part = _Pairs(recording, data, merge[own], leaf[own], folds)
        for name, value in zip(
            ("reconstruction", "low", "high", "null", "p"), part.reconstruction(shuffles, seed), strict=True
        ):
            rows[name].append(value)
        probes.append([part.probe(target, shuffles, seed) for target in targets])
    values = np.full((len(targets), len(levels), 6), np.nan)
    values[:, 1:] = np.reshape(probes, (len(levels) - 1, len(targets), 6)).transpose(1, 0, 2)
    names = ("before", "after", "lost", "lost_low", "lost_high", "after_p")
    dataset = xr.Dataset(
        {
            **{name: ("level", np.array(row)) for name, row in rows.items() if name != "null"},
            "null": (("level", "shuffle"), np.array(rows["null"])),
            **{name: (("target", "level"), values[..., at]) for at, name in enumerate(names)},
        },
        coords={"level": levels, "target": list(targets)},
    )
    params = {
        "store": store,
        "slot": slot,
        "targets": list(targets),
        "folds": folds,
        "sample": sample,
        "shuffles": shuffles,
        "seed": seed,
    }
    return finish(
        dataset, "compression", recording, int(sum(rows["n"][1:])), params, point=store, total=int(merge.size)
    )


class _Pairs:
    """Merges of one level and slots in them, in order of the merges' birth."""

    def __init__(self, recording: "Recording", data: Contents, merge: np.ndarray, leaf: np.ndarray, folds: int):
        table = recording.entries
        self.sequence, self.segment = (column(table, name, int)[merge] for name in ("sequence", "segment"))
        self.merged, self.slot = data.value[merge], data.value[leaf]
        self.modality, self.fact = (column(table, name, int)[leaf] for name in ("modality", "fact"))
        self.merge, self.folds = merge, folds
        self.block, self.fold = probing.split(self.sequence, self.segment, self.segment, 0, folds)

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
                prepare(Vectors(value, labels, "", self.merge.size, ""), wanted, self.folds)[0]
                for value in (self.slot, self.merged)
            ]
        except AnalysisError:
            return [np.nan] * 6
        readings = [probing.read(task, "linear", seed) for task in tasks]

        def lost(kept: np.ndarray) -> float:
            use = np.flatnonzero(kept)
            before, after = (probing.information(*pair, use) for pair in zip(tasks, readings, strict=True))
            return before - after

        low, high = jackknife(lost, tasks[0].block)
        before, after = (probing.information(*pair) for pair in zip(tasks, readings, strict=True))
        null = [
            probing.information(each, probing.read(each, "linear", seed)) for each in tasks[1].shuffled(shuffles, seed)
        ]
        return [before, after, before - after, float(low), float(high), p_value(after, np.array(null))]
