"""Does Q know which entries will be read? Q of what was done, against the reads that followed."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.ancestry import Ancestry
from memlens.analysis.support.decision_table import DecisionRows, decision_rows
from memlens.analysis.support.measure import measure
from memlens.analysis.support.reads_to_come import reads_to_come
from memlens.analysis.support.result import KINDS, first_segment, n_segments
from memlens.dims import Action
from memlens.errors import AnalysisError
from memlens.recording.reading.entry_index import group_numbers
from memlens.stats.correlation import centred_ranks
from memlens.stats.hypothesis_tests import sign_flip_p
from memlens.stats.jackknife import jackknife
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

LEAST, LEAST_ENTRIES = 100, 10
GROUPS = ["all", *KINDS]
FLIPS = 999


@measure
def calibration(
    recording: "RecordingLike", *, gamma: float = 0.995, horizon: int | None = None, bins: int = 10, seed: int = 0
) -> xr.Dataset:
    """Compare Q of the executed action with the discounted reads to come, where the entry was kept or merged.

    What an entry was worth to an answer is not recorded, how much it was read is (see `reads_to_come`): Q is in nats,
    reads are weights, so that ranks and the shape of the curve can be judged, and not its slope.

    Entries compete inside a segment, and what all of them share there, such as how many questions follow, says nothing about the
    choice between them. ``rho`` is therefore the rank correlation inside segments: ranks of Q and of reads among the decisions of a
    segment, centred there, correlated over all of them. Decisions on one entry and on what it was merged with repeat each other: the
    null flips the sign of whole families.

    Parameters
    ----------
    recording : Recording
        With decisions.
    gamma : float
        Discount a segment; that of training by default.
    horizon : int or None
        Segments after a decision that count; later decisions, whose future was not recorded, are left out. None: 20, or half the
        recording where that is less.
    bins : int
        Quantile bins of Q.
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(group)``, all, candidates and residents: ``rho``, ``rho_low``, ``rho_high`` (jackknife over stretches of time), ``p``
        (one-sided; null: 0), ``n``, ``families``. Over ``(bin)``: ``q`` (mean), ``reads``, ``reads_low``, ``reads_high``,
        ``bin_n``. ``mean_reads``: the null of the curve, reads that do not depend on Q.

    Raises
    ------
    AnalysisError
        With fewer than 100 decisions or 10 families that were kept, a recording shorter than the horizon, no reads of the store, or
        a parameter out of range.
    """
    total = n_segments(recording)
    if total < 2:
        raise AnalysisError(
            f"the recording has {total} segment, expected 2 or more, for reads that follow a decision; record a longer stream"
        )
    steps = min(20, total // 2) if horizon is None else horizon
    if not 0 < gamma <= 1 or steps < 1 or bins < 2:
        raise AnalysisError(f"gamma, horizon, bins are {gamma}, {steps}, {bins}; give (0, 1], 1 or more, 2 or more")
    if steps >= total:
        raise AnalysisError(
            f"the horizon is {steps} segments and the recording has {total}; give a shorter one, or record a longer stream"
        )
    rows, q, reads, family = _kept(recording, gamma, steps)
    block = time_blocks(rows.sequence, rows.segment)
    groups = [_group(rows, q, reads, family, block, own, seed) for own in (None, 0, 1)]
    return xr.Dataset(
        {
            **{name: ("group", [group[name] for group in groups]) for name in groups[0]},
            **_curve(q, reads, block, bins),
            "mean_reads": float(reads.mean()),
        },
        coords={"group": GROUPS},
        attrs={"n": q.size, "segments_ahead": steps},
    )


def _kept(
    recording: "RecordingLike", gamma: float, steps: int
) -> tuple[DecisionRows, np.ndarray, np.ndarray, np.ndarray]:
    """Decisions that kept something and whose future was recorded, with Q of what was done, reads to come, and the entry's family."""
    rows = decision_rows(recording, LEAST)
    tree = Ancestry(recording)
    reads = reads_to_come(recording, rows, tree, gamma, steps)
    q = rows.q[np.arange(rows.executed.size), rows.executed]
    kept = (rows.executed != int(Action.DISCARD)) & np.isfinite(q)
    kept &= rows.segment + steps < first_segment(recording) + n_segments(recording)
    family = _families(tree, rows)
    if kept.sum() < LEAST or np.unique(family[kept]).size < LEAST_ENTRIES:
        raise AnalysisError(
            f"{kept.sum()} decisions on {np.unique(family[kept]).size} families of entries kept something and have {steps} segments "
            f"after them, expected {LEAST} or more on {LEAST_ENTRIES} or more; record a longer stream"
        )
    if not reads[kept].any():
        raise AnalysisError(
            "no entry was read from the store after a decision; record a stream that asks questions, such as builtin"
        )
    return rows.at(kept), q[kept], reads[kept], family[kept]


def _families(tree: Ancestry, rows: DecisionRows) -> np.ndarray:
    """Number of the family, entries joined by merges, of each decision, int [row]; an entry unknown to the table is its own."""
    from scipy.sparse.csgraph import connected_components

    family = connected_components(tree.shares(), directed=False)[1] if tree.n else np.zeros(0, int)
    birth = tree.rows(rows.sequence, rows.entry)
    return np.where(birth >= 0, family[birth] if tree.n else 0, tree.n + rows.owner)


def _group(
    rows: DecisionRows,
    q: np.ndarray,
    reads: np.ndarray,
    family: np.ndarray,
    block: np.ndarray,
    kind: int | None,
    seed: int,
) -> dict[str, float]:
    own = np.ones(q.size, bool) if kind is None else rows.kind == kind
    none = dict.fromkeys(("rho", "rho_low", "rho_high", "p"), np.nan)
    count = {"n": int(own.sum()), "families": int(np.unique(family[own]).size)}
    if count["families"] < LEAST_ENTRIES:
        return none | count
    unit = group_numbers(rows.sequence[own], rows.segment[own])
    x, y = centred_ranks(q[own], unit), centred_ranks(reads[own], unit)
    product, xx, yy = x * y, x * x, y * y
    if not xx.any() or not yy.any():
        return none | count

    def rho(kept: np.ndarray) -> float:
        scale = np.sqrt(xx[kept].sum() * yy[kept].sum())
        return float(product[kept].sum() / scale) if scale > 0 else np.nan

    several = np.unique(block[own]).size > 1
    low, high = jackknife(rho, block[own]) if several else (np.nan, np.nan)
    each = np.bincount(np.unique(family[own], return_inverse=True)[1], product)
    bounds = {"rho_low": float(np.maximum(low, -1)), "rho_high": float(np.minimum(high, 1))}
    return {"rho": rho(np.ones(x.size, bool)), **bounds, "p": sign_flip_p(each, FLIPS, seed)} | count


def _curve(q: np.ndarray, reads: np.ndarray, block: np.ndarray, bins: int) -> dict[str, object]:
    edges = np.unique(np.quantile(q, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, q, side="right")
    used = np.unique(place)

    def means(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
        total = np.bincount(place[kept], values[kept], minlength=edges.size + 1)
        count = np.bincount(place[kept], minlength=edges.size + 1)
        return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)[used]

    every = np.ones(q.size, bool)
    whole = means(reads, every)
    # a bin that leaving out one stretch empties takes no interval from the others
    low, high = jackknife(lambda kept: np.nan_to_num(means(reads, kept), nan=0.0), block)
    return {
        "q": ("bin", means(q, every)),
        "reads": ("bin", whole),
        "reads_low": ("bin", np.maximum(low, 0)),
        "reads_high": ("bin", high),
        "bin_n": ("bin", np.bincount(place, minlength=edges.size + 1)[used]),
    }
