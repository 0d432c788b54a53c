"""What became of what was written: fates by level, where facts end, and how much is read of each generation."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.ancestry import Ancestry
from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import first_segment, n_segments
from memlens.dims import Action
from memlens.errors import AnalysisError
from memlens.recording.reading.entry_index import group_numbers
from memlens.stats.hypothesis_tests import two_sided_p
from memlens.stats.jackknife import jackknife
from memlens.stats.nulls import shuffles_within
from memlens.stats.proportions import ratio, wilson
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

ENDS = ["never stored", "dropped", "replaced", "held"]
NEVER, DROPPED, REPLACED, HELD = range(4)
KINDS = ["fact", "no fact"]
LEAST = 20


@measure
def lineage(recording: "RecordingLike", *, shuffles: int = 199, seed: int = 0) -> xr.Dataset:
    """Follow every slot through its merges to its end, and every answer's reads to the generation they came from.

    A slot ends where the last merge that it went into ends: held when the recording stops, dropped, replaced by a newer slot that
    consolidated with it, or never stored at all. Whether slots with a fact end differently from slots without is tested against labels
    shuffled among the slots of the same segment, so that nothing that changes over time can pass for an effect. Reads by level are
    shown beside the level's share of the entries that could be read, which is what reading at random would give.

    Parameters
    ----------
    recording : Recording
        With entries.
    shuffles : int
        Draws of the null; the least p is 1 / (shuffles + 1).
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        ``end_count(kind, end)`` and ``end_share``, ``end_low``, ``end_high`` (Wilson 95 %) over fresh slots; ``held_gap``, share of
        slots with a fact that are held at the end minus that of slots without, with ``held_gap_low``, ``held_gap_high`` (jackknife over
        stretches of time), ``held_gap_null(shuffle)`` and ``held_gap_p`` (two-sided; NaN without both kinds). Over ``(level)``:
        ``born``, ``merged``, ``sources`` (mean slots in an entry), ``read_share`` of all traced reads with ``read_low``, ``read_high``,
        and ``held_share``, its null. Over ``(birth)``: ``entry``, ``sequence``, ``generation``, ``source_count``, ``end_code``
        (in the order of ``end``), ``end_level``, ``read_weight`` (own) and ``read_through`` (own and what reached it through its merges).

    Raises
    ------
    AnalysisError
        With fewer than 20 slots, or no shuffle.
    """
    if shuffles < 1:
        raise AnalysisError(f"shuffles is {shuffles}; give 1 or more")
    tree = Ancestry(recording)
    if tree.fresh.sum() < LEAST:
        raise AnalysisError(f"{tree.fresh.sum()} slots were written, expected {LEAST} or more; record a longer stream")
    end, end_level = _ends(tree)
    reads = tree.reads()
    through = tree.sources(reads)
    sources = _source_count(tree)
    levels = int(recording.segments.sizes["level"])
    return xr.Dataset(
        {
            **_by_end(tree, end),
            **_held_gap(tree, end == HELD, shuffles, seed),
            **_by_level(tree, sources, levels),
            **_reads_by_level(recording, tree, levels),
            "generation": ("birth", tree.generation()),
            "source_count": ("birth", sources),
            "end_code": ("birth", end),
            "end_level": ("birth", end_level),
            "read_weight": ("birth", np.asarray(reads.sum(0)).ravel()),
            "read_through": ("birth", np.asarray(through.sum(0)).ravel()),
        },
        coords={
            "kind": KINDS,
            "end": ENDS,
            "level": np.arange(levels),
            "entry": ("birth", tree.columns["entry"]),
            "sequence": ("birth", tree.columns["sequence"]),
        },
        attrs={"n": tree.fresh.sum(), "answers": int(recording.questions.sizes.get("question", 0))},
    )


def _by_end(tree: Ancestry, end: np.ndarray) -> dict[str, object]:
    """Fresh slots with a fact, and without one, by their end."""
    fact = tree.columns["fact"] >= 0
    count = np.stack([np.bincount(end[tree.fresh & (fact == has)], minlength=len(ENDS)) for has in (True, False)])
    total = count.sum(1, keepdims=True)
    low, high = wilson(count, total)
    columns = {"count": count, "share": ratio(count, total), "low": low, "high": high}
    return {f"end_{name}": (("kind", "end"), values) for name, values in columns.items()}


def _ends(tree: Ancestry) -> tuple[np.ndarray, np.ndarray]:
    """End of each entry (code of ENDS) and the level it is at then, following merges."""
    died, fate, born = (tree.columns[name] for name in ("died", "fate", "segment"))
    end = np.where(died < 0, HELD, np.where(fate == int(Action.RETRIEVE), REPLACED, DROPPED))
    end[(died == born) & tree.fresh & (end == DROPPED)] = NEVER
    level, child = tree.columns["level"].copy(), tree.child()
    while True:  # ends move up the tree, a generation a round
        has = child >= 0
        moved = np.where(has, end[child], end), np.where(has, level[child], level)
        if np.array_equal(moved[0], end) and np.array_equal(moved[1], level):
            return end, level
        end, level = moved


def _source_count(tree: Ancestry) -> np.ndarray:
    """Fresh slots among each entry's ancestors, itself included, by merges."""
    total, parent = tree.fresh.astype(float), np.where(tree.fresh[:, None], -1, tree.parent)
    for _ in range(int(tree.generation().max(initial=0))):
        total = np.where(tree.fresh, 1, np.where(parent >= 0, total[parent], 0).sum(1))
    return total


def _held_gap(tree: Ancestry, held: np.ndarray, shuffles: int, seed: int) -> dict[str, object]:
    rows = np.flatnonzero(tree.fresh)
    fact, held = tree.columns["fact"][rows] >= 0, held[rows]
    sequence, segment = tree.columns["sequence"][rows], tree.columns["segment"][rows]
    unit = group_numbers(sequence, segment)

    def gap(fact: np.ndarray, held: np.ndarray) -> float:
        return float(held[fact].mean() - held[~fact].mean()) if fact.any() and not fact.all() else np.nan

    block = time_blocks(sequence, segment)
    value = gap(fact, held)
    low, high = jackknife(lambda kept: gap(fact[kept], held[kept]), block) if np.isfinite(value) else (np.nan, np.nan)
    null = np.full(shuffles, np.nan)
    if np.isfinite(value):
        null = np.array([gap(fact[taken], held) for taken in shuffles_within(unit, shuffles, [seed, 2])])
    return {
        "held_gap": value,
        "held_gap_low": float(low),
        "held_gap_high": float(high),
        "held_gap_null": ("shuffle", null),
        "held_gap_p": two_sided_p(value, null) if np.isfinite(value) else np.nan,
    }


def _by_level(tree: Ancestry, sources: np.ndarray, levels: int) -> dict[str, object]:
    level, merged = tree.columns["level"], tree.child() >= 0
    born = np.bincount(level, minlength=levels)
    return {
        "born": ("level", born),
        "merged": ("level", np.bincount(level[merged], minlength=levels)),
        "sources": ("level", ratio(np.bincount(level, sources, levels), born)),
    }


def _reads_by_level(recording: "RecordingLike", tree: Ancestry, levels: int) -> dict[str, object]:
    """Share of the reads of store entries by level, and the level's share of entries held when the question was asked."""
    table = recording.tables.questions
    where = table.sequence, table.segment
    n = where[0].size
    nothing = np.full(levels, np.nan)
    if n == 0:
        return dict.fromkeys(("read_share", "read_low", "read_high", "held_share"), ("level", nothing))
    row, kind = tree.rows(where[0][:, None], table.read_entry), table.read_kind
    weight = np.where((row >= 0) & (kind == 2), np.nan_to_num(table.read_weight), 0)
    level = tree.columns["level"][row]
    own = np.stack([np.where(level == each, weight, 0).sum(1) for each in range(levels)], 1)

    def share(kept: np.ndarray) -> np.ndarray:
        return ratio(own[kept].sum(0), own[kept].sum())

    low, high = jackknife(share, time_blocks(*where))
    held = recording.tables.segments.occupancy.astype(float)
    before = where[1] - first_segment(recording) - 1  # a question reads the store as the segment before left it
    there = (before >= 0) & (before < n_segments(recording))
    could = held[where[0][there], before[there]]
    could = ratio(could, could.sum(1, keepdims=True))
    usable = np.isfinite(could).all(1)
    return {
        "read_share": ("level", share(np.ones(n, bool))),
        "read_low": ("level", np.clip(low, 0, 1)),
        "read_high": ("level", np.clip(high, 0, 1)),
        "held_share": ("level", could[usable].mean(0) if usable.any() else nothing),
    }
