"""How close the calls were: the margin of the best action over the next, and the nearest misses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from memlens.analysis.support.decision_table import DecisionRows, decision_rows
from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import KINDS
from memlens.errors import AnalysisError
from memlens.stats.bootstrap import percentiles
from memlens.stats.jackknife import jackknife
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

LEAST = 20
#: Quantiles of the margin that are given.
MARGIN_QUANTILES = np.linspace(0, 1, 21)


@measure
def margins(
    recording: "RecordingLike",
    *,
    thresholds: Sequence[float] = (0.001, 0.01, 0.1),
    top: int = 20,
    shuffles: int = 99,
    seed: int = 0,
) -> xr.Dataset:
    """Margin of each decision: Q of the best allowed action less Q of the next best, in nats.

    The null shuffles the values of each action among the decisions of a kind, each action by itself: margins of actions whose values
    have nothing to do with each other. More near misses than that say that the values of an entry's actions move together.

    Parameters
    ----------
    recording : Recording
        With decisions.
    thresholds : sequence of float
        A decision is a near miss when its margin is below, nats; ascending.
    top : int
        Nearest misses that are listed.
    shuffles : int
        Draws of the null.
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(kind, threshold)``: ``share`` of near misses with ``low``, ``high`` (jackknife over stretches of time), ``null``,
        ``null_low``, ``null_high`` (95 % of the shuffles). Over ``(kind, quantile)``: ``margin`` in nats. Over ``(miss)``, the
        closest first: ``sequence``, ``segment``, ``entry``, ``best``, ``second``, ``executed`` (action codes), ``miss_margin``.

    Raises
    ------
    AnalysisError
        With fewer than 20 decisions in which two actions were allowed, or thresholds that do not ascend from above 0.
    """
    limits = np.asarray(list(thresholds), float)
    if limits.size == 0 or limits[0] <= 0 or (np.diff(limits) <= 0).any() or top < 1 or shuffles < 1:
        raise AnalysisError(
            f"thresholds are {list(thresholds)}, top {top}, shuffles {shuffles}; give ascending nats above 0, 1 or more"
        )
    rows = decision_rows(recording, LEAST)
    rows = rows.at(np.isfinite(rows.q).sum(1) >= 2)
    if rows.segment.size < LEAST:
        raise AnalysisError(
            f"{rows.segment.size} decisions had a choice, expected {LEAST} or more; record a longer stream"
        )
    margin, best, second = _margin(rows.q)
    nearest = np.argsort(margin, kind="stable")[:top]
    listed = {"sequence": rows.sequence, "segment": rows.segment, "entry": rows.entry, "best": best, "second": second}
    listed |= {"executed": rows.executed, "miss_margin": margin}
    return xr.Dataset(
        _near_misses(rows, margin, limits, shuffles, seed)
        | {name: ("miss", values[nearest]) for name, values in listed.items()},
        coords={"kind": KINDS, "threshold": limits, "quantile": MARGIN_QUANTILES},
        attrs={"n": margin.size},
    )


def _near_misses(
    rows: DecisionRows, margin: np.ndarray, limits: np.ndarray, shuffles: int, seed: int
) -> dict[str, Any]:
    """Shares of near misses by kind, beside their null, and the quantiles of the margin; NaN of a kind with few decisions."""
    names = ("share", "low", "high", "null", "null_low", "null_high")
    columns = {name: np.full((len(KINDS), limits.size), np.nan) for name in names}
    quantiles = np.full((len(KINDS), MARGIN_QUANTILES.size), np.nan)
    rng = np.random.default_rng(seed)
    for kind in range(len(KINDS)):
        own = np.flatnonzero(rows.kind == kind)
        if own.size < LEAST:
            continue
        near = margin[own][:, None] < limits
        quantiles[kind] = np.quantile(margin[own], MARGIN_QUANTILES)
        block = time_blocks(rows.sequence[own], rows.segment[own])
        bounds = jackknife(lambda kept, near=near: near[kept].mean(0), block)
        draws = np.array([(_margin(_shuffled(rows.q[own], rng))[0][:, None] < limits).mean(0) for _ in range(shuffles)])
        values = near.mean(0), *(np.clip(bound, 0, 1) for bound in bounds), draws.mean(0), *percentiles(draws, axis=0)
        for name, value in zip(names, values, strict=True):
            columns[name][kind] = value
    return {name: (("kind", "threshold"), values) for name, values in columns.items()} | {
        "margin": (("kind", "quantile"), quantiles)
    }


def _margin(q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best less second best, and which actions these are."""
    filled = np.where(np.isnan(q), -np.inf, q)
    order = np.argsort(-filled, axis=1, kind="stable")[:, :2]
    values = np.take_along_axis(filled, order, 1)
    return values[:, 0] - values[:, 1], order[:, 0], order[:, 1]


def _shuffled(q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each action's values among the decisions that allowed it, in a new order."""
    out = q.copy()
    for action in range(q.shape[1]):
        allowed = np.flatnonzero(np.isfinite(q[:, action]))
        out[allowed, action] = q[rng.permutation(allowed), action]
    return out
