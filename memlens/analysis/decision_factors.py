"""On what decisions depend: actions by modality, importance, novelty and occupancy."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.ancestry import Ancestry
from memlens.analysis.support.decision_table import DecisionRows, decision_rows
from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import ACTIONS, KINDS, MODALITIES
from memlens.errors import AnalysisError, closest
from memlens.recording.reading.entry_index import group_numbers
from memlens.stats.comparisons import holm
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.information import mutual_information
from memlens.stats.nulls import shuffles_within
from memlens.stats.proportions import ratio, wilson

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

FACTORS = ("modality", "importance", "novelty", "occupancy_0")
LEAST = 50


@measure
def decision_factors(
    recording: "RecordingLike", *, factors: tuple[str, ...] = FACTORS, bins: int = 4, shuffles: int = 199, seed: int = 0
) -> xr.Dataset:
    """Share of executed actions in each group of a factor, and whether the factor tells anything about the action.

    A factor is the entry's modality, or a control feature cut at its quantiles. The information between group and action (bits) is
    tested on one decision an entry, drawn at random, since decisions on one entry repeat each other; in the null, the groups change
    with each other among the decisions of one segment, so that nothing that changes over time can pass for an effect.

    Parameters
    ----------
    recording : Recording
        With decisions.
    factors : tuple of str
        "modality" and names of control features; of the default ones, those that the recording lacks are left out.
    bins : int
        Quantile groups of a feature.
    shuffles : int
        Draws of the null; the least p is 1 / (shuffles + 1).
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(kind, cell, action)``: ``share``, ``low``, ``high`` (Wilson 95 %, decisions taken as independent), ``count``; coordinates
        ``factor(cell)`` and ``value(cell)``. Over ``(kind, tested)``: ``information`` in bits, ``information_null`` (mean of the
        shuffles), ``p``, ``p_adjusted`` (Holm over factors; NaN with fewer than 50 entries, one group or one action).

    Raises
    ------
    AnalysisError
        With fewer than 50 decisions, an unknown feature, or a parameter out of range.
    """
    if bins < 2 or shuffles < 1:
        raise AnalysisError(f"bins is {bins} and shuffles {shuffles}; give 2 or more and 1 or more")
    rows = decision_rows(recording, LEAST)
    known = ("modality", *rows.feature)
    unknown = [name for name in factors if name not in known]
    if unknown and tuple(factors) != FACTORS:
        raise AnalysisError(f"no factor '{unknown[0]}'; {closest(unknown[0], known)}")
    groups = {name: _groups(recording, rows, name, bins) for name in factors if name in known}
    cells = [(name, value) for name, (_, values) in groups.items() for value in values]
    count = np.stack([_counts(rows, groups, kind) for kind in range(len(KINDS))])
    one = _one_each(rows, seed)
    tests = np.array([
        [_tested(rows, code, (rows.kind == kind) & (code >= 0) & one, shuffles, seed) for code, _ in groups.values()]
        for kind in range(len(KINDS))
    ])  # fmt: skip
    total = count.sum(-1, keepdims=True)
    low, high = wilson(count, total)
    columns = {"share": ratio(count, total), "low": low, "high": high, "count": count}
    tested = {"information": tests[..., 0], "information_null": tests[..., 1], "p": tests[..., 2]}
    tested["p_adjusted"] = np.stack([holm(each) for each in tests[..., 2]])
    return xr.Dataset(
        {name: (("kind", "cell", "action"), values) for name, values in columns.items()}
        | {name: (("kind", "tested"), values) for name, values in tested.items()},
        coords={
            "kind": KINDS,
            "action": ACTIONS,
            "tested": list(groups),
            "factor": ("cell", [name for name, _ in cells]),
            "value": ("cell", [value for _, value in cells]),
        },
        attrs={"n": rows.segment.size},
    )


def _counts(rows: DecisionRows, groups: dict[str, tuple[np.ndarray, list[str]]], kind: int) -> np.ndarray:
    """Decisions of one kind by group and executed action, int [cell, action], the groups of one factor after those of another."""
    parts = []
    for code, values in groups.values():
        own = (rows.kind == kind) & (code >= 0)
        count = np.zeros((len(values), len(ACTIONS)), int)
        np.add.at(count, (code[own], rows.executed[own]), 1)
        parts.append(count)
    return np.concatenate(parts)


def _groups(recording: "RecordingLike", rows: DecisionRows, name: str, bins: int) -> tuple[np.ndarray, list[str]]:
    """Group of each decision (-1 unknown), and the groups' names."""
    if name == "modality":
        tree = Ancestry(recording)
        birth = tree.rows(rows.sequence, rows.entry)
        return np.where(birth >= 0, tree.columns["modality"][birth] if tree.n else -1, -1), MODALITIES
    values = rows.control[:, rows.feature.index(name)]
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    code = np.searchsorted(edges, values, side="right")
    used, code = np.unique(code, return_inverse=True)
    return code, [f"{values[code == at].min():.2g} to {values[code == at].max():.2g}" for at in range(used.size)]


def _one_each(rows: DecisionRows, seed: int) -> np.ndarray:
    """One decision of each entry and kind, bool."""
    order = np.random.default_rng(seed).permutation(rows.segment.size)
    _, first = np.unique((rows.owner * len(KINDS) + rows.kind)[order], return_index=True)
    out = np.zeros(order.size, bool)
    out[order[first]] = True
    return out


def _tested(
    rows: DecisionRows, code: np.ndarray, own: np.ndarray, shuffles: int, seed: int
) -> tuple[float, float, float]:
    group, action = code[own], rows.executed[own]
    if own.sum() < LEAST or np.unique(group).size < 2 or np.unique(action).size < 2:
        return np.nan, np.nan, np.nan
    unit = group_numbers(rows.sequence[own], rows.segment[own])
    value = _information(group, action)
    null = np.array([_information(group[taken], action) for taken in shuffles_within(unit, shuffles, [seed, 2])])
    return value, float(null.mean()), p_value(value, null)


def _information(one: np.ndarray, other: np.ndarray) -> float:
    """Mutual information of two codes, in bits."""
    joint = np.zeros((int(one.max()) + 1, int(other.max()) + 1))
    np.add.at(joint, (one, other), 1 / one.size)
    return mutual_information(joint)
