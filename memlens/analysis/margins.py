"""How close the calls were: the margin of the best action over the next, and the nearest misses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.decision_table import decision_table
from memlens.analysis.support.result import KINDS, finish
from memlens.errors import AnalysisError
from memlens.stats.bootstrap import percentiles
from memlens.stats.jackknife import jackknife
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording import Recording

LEAST = 20


def margins(
    recording: "Recording",
    *,
    thresholds: Sequence[float] = (0.001, 0.01, 0.1),
    top: int = 20,
    shuffles: int = 99,
    seed: int = 0,
) -> xr.Dataset:
    """Margin of each decision: Q of the best allowed action less Q of the next best, in nats.

    The null deals the values of each action anew among the decisions of a kind, each action by itself: margins of actions whose values
    have nothing to do with each other. More near misses than that say that the values of an entry's actions move together.

    Parameters
    ----------
    thresholds
        A decision is a near miss when its margin is below, nats; ascending.
    top
        Nearest misses that are listed.

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
    rows = decision_table(recording, LEAST)
    rows = rows.at(np.isfinite(rows.q).sum(1) >= 2)
    if rows.segment.size < LEAST:
        raise AnalysisError(
            f"{rows.segment.size} decisions had a choice, expected {LEAST} or more; record a longer stream"
        )
    margin, best, second = _margin(rows.q)
    levels = np.linspace(0, 1, 21)
    shape = len(KINDS), limits.size
    share, low, high, null, null_low, null_high = (np.full(shape, np.nan) for _ in range(6))
    quantiles = np.full((len(KINDS), levels.size), np.nan)
    rng = np.random.default_rng(seed)
    for kind in range(len(KINDS)):
        own = np.flatnonzero(rows.kind == kind)
        if own.size < LEAST:
            continue
        near = margin[own][:, None] < limits
        share[kind], quantiles[kind] = near.mean(0), np.quantile(margin[own], levels)
        block = time_blocks(rows.sequence[own], rows.segment[own])
        bounds = jackknife(lambda kept, near=near: near[kept].mean(0), block)
        low[kind], high[kind] = (np.clip(bound, 0, 1) for bound in bounds)
        draws = np.array([(_margin(_dealt(rows.q[own], rng))[0][:, None] < limits).mean(0) for _ in range(shuffles)])
        null[kind], null_low[kind], null_high[kind] = draws.mean(0), *percentiles(draws, axis=0)
    closest = np.argsort(margin, kind="stable")[:top]
    over = ("kind", "threshold")
    columns = {"share": share, "low": low, "high": high, "null": null, "null_low": null_low, "null_high": null_high}
    listed = {"sequence": rows.sequence, "segment": rows.segment, "entry": rows.entry, "best": best, "second": second}
    listed |= {"executed": rows.executed, "miss_margin": margin}
    dataset = xr.Dataset(
        {name: (over, values) for name, values in columns.items()}
        | {"margin": (("kind", "quantile"), quantiles)}
        | {name: ("miss", values[closest]) for name, values in listed.items()},
        coords={"kind": KINDS, "threshold": limits, "quantile": levels},
    )
    params = {"thresholds": limits.tolist(), "top": top, "shuffles": shuffles, "seed": seed}
    return finish(dataset, "margins", recording, margin.size, params)


def _margin(q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best less second best, and which actions these are."""
    filled = np.where(np.isnan(q), -np.inf, q)
    order = np.argsort(-filled, axis=1, kind="stable")[:, :2]
    values = np.take_along_axis(filled, order, 1)
    return values[:, 0] - values[:, 1], order[:, 0], order[:, 1]


def _dealt(q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each action's values among the decisions that allowed it, in a new order."""
    out = q.copy()
    for action in range(q.shape[1]):
        allowed = np.flatnonzero(np.isfinite(q[:, action]))
        out[allowed, action] = q[rng.permutation(allowed), action]
    return out
