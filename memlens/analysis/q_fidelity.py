"""Is Q what happens? Differences of Q between actions, against the measured effect of forcing one in the place of the other."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.decision_table import DecisionRows, decision_rows
from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import ACTIONS
from memlens.errors import AnalysisError
from memlens.stats.correlation import centred_ranks
from memlens.stats.hypothesis_tests import sign_flip_p
from memlens.stats.jackknife import jackknife
from memlens.stats.proportions import wilson
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

LEAST = 20
FLIPS = 1999
NEEDED = ("loss_change", "factual", "executed", "segment", "entry", "slot", "action", "position")


@measure
def q_fidelity(
    recording: "RecordingLike", *, sweep: xr.Dataset, gamma: float = 0.995, sequence: int = 0, seed: int = 0
) -> xr.Dataset:
    """Compare Q(forced) - Q(taken) with what forcing did to the answers.

    The measured gain of a forced action is the discounted sum over the questions after it of the loss that it saved,
    -sum_q gamma^(t_q - t) (loss forced - loss taken), in nats per answer token: the return that Q stands for, but for the rent, which
    Q has and the answers do not. Only targets whose forced action was executed, in the place of another, count.

    ``rho`` is the rank correlation inside each pair of actions (taken, forced): that dropping costs more than keeping is known without
    looking at an entry. Null: within pairs Q says nothing of the gain; signs are flipped by entry.

    Parameters
    ----------
    recording : Recording
        The one that was swept, with decisions.
    sweep : xarray.Dataset
        Of `memlens.sweep`: ``loss_change(target, question)``, ``factual``, ``executed``, ``segment``, ``entry``, ``slot``,
        ``action`` over ``(target)``, ``position(question)``.
    gamma : float
        Discount a segment.
    sequence : int
        The one that was swept.
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(target)``: ``predicted``, ``measured`` (nats), ``segment``, ``entry``, ``taken``, ``forced`` (action names). ``rho``,
        ``rho_low``, ``rho_high`` (jackknife over stretches of time), ``rho_p``; ``slope`` of measured on predicted, ``slope_low``,
        ``slope_high`` (1 if Q is right in nats); ``agreement``, the share whose sign Q foretold among the gains that are not 0, with
        ``agreement_low``, ``agreement_high`` (Wilson), and ``bias``, mean predicted less mean measured.

    Raises
    ------
    AnalysisError
        With a sweep that lacks something, targets that the recording did not decide on, or fewer than 20 targets that can be compared.
    """
    missing = [name for name in NEEDED if name not in sweep.variables]
    if missing:
        raise AnalysisError(
            f"the sweep lacks {', '.join(missing)}; give what `memlens.sweep(model, recording, targets)` returns"
        )
    rows = decision_rows(recording, LEAST)
    at = _decided(rows, sweep, sequence)
    forced, taken = (
        np.array([ACTIONS.index(str(name)) for name in sweep[key].values]) for key in ("action", "factual")
    )
    predicted, measured = rows.q[at, forced] - rows.q[at, taken], _gain(recording, sweep, gamma)
    done = sweep["executed"].values.astype(str) == sweep["action"].values.astype(str)
    usable = done & (forced != taken) & np.isfinite(predicted) & np.isfinite(measured)
    if usable.sum() < LEAST:
        raise AnalysisError(
            f"{usable.sum()} of {usable.size} targets force another action than was taken, could be executed and had a question after it, "
            f"expected {LEAST} or more; sweep more targets"
        )
    at, predicted, measured, forced, taken = (values[usable] for values in (at, predicted, measured, forced, taken))
    own = rows.at(at)
    block = time_blocks(own.sequence, own.segment)
    return xr.Dataset(
        {
            "predicted": ("target", predicted),
            "measured": ("target", measured),
            "segment": ("target", own.segment),
            "entry": ("target", own.entry),
            "taken": ("target", [ACTIONS[code] for code in taken]),
            "forced": ("target", [ACTIONS[code] for code in forced]),
            **_ranked(predicted, measured, taken * len(ACTIONS) + forced, own, block, seed),
            **_slope(predicted, measured, block),
            **_signs(predicted, measured),
            "bias": float(predicted.mean() - measured.mean()),
        },
        attrs={"n": predicted.size, "targets": int(sweep.sizes["target"]), "unmoved": int((measured == 0).sum())},
    )


def _signs(predicted: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """How often Q foretold the sign of a gain that is not 0."""
    nonzero = measured != 0
    hit = int((np.sign(predicted) == np.sign(measured))[nonzero].sum())
    low, high = wilson(np.array(hit), np.array(nonzero.sum()))
    return {
        "agreement": hit / nonzero.sum() if nonzero.any() else np.nan,
        "agreement_low": float(low),
        "agreement_high": float(high),
    }


def _decided(rows: DecisionRows, sweep: xr.Dataset, sequence: int) -> np.ndarray:
    """Row of the decision that each target is about; a slot is the candidate of that number in its segment."""
    segment, entry, slot = (sweep[name].values.astype(int) for name in ("segment", "entry", "slot"))
    swept = np.flatnonzero(rows.sequence == sequence)
    by_entry = {(int(rows.segment[i]), int(rows.entry[i])): int(i) for i in swept}
    by_slot: dict[tuple[int, int], int] = {}
    for i in swept[rows.kind[swept] == 0]:
        by_slot[int(rows.segment[i]), int(rows.agent[i])] = int(i)
    out = np.zeros(segment.size, int)
    for target, (t, e, k) in enumerate(zip(segment.tolist(), entry.tolist(), slot.tolist(), strict=True)):
        found = by_entry.get((t, e)) if e >= 0 else by_slot.get((t, k))
        if found is None:
            what = f"entry {e}" if e >= 0 else f"slot {k}"
            raise AnalysisError(
                f"target {target} of the sweep is {what} in segment {t}, on which this recording decided nothing; sweep this recording"
            )
        out[target] = found
    return out


def _gain(recording: "RecordingLike", sweep: xr.Dataset, gamma: float) -> np.ndarray:
    """Discounted loss saved by each target, nats; NaN where no question came after it."""
    length = int(recording.info.model_config.get("segment_length") or recording.info.segment_length)
    if length < 1:
        raise AnalysisError("the recording does not say how long its segments are; record it again")
    change = np.asarray(sweep["loss_change"].transpose("target", "question").values, float)
    asked = np.maximum(-(-sweep["position"].values.astype(int) // length) - 1, 0)
    later = np.maximum(asked[None] - sweep["segment"].values.astype(int)[:, None], 0)
    return np.where(np.isfinite(change).any(1), -np.nansum(change * gamma**later, axis=1), np.nan)


def _ranked(
    predicted: np.ndarray, measured: np.ndarray, pair: np.ndarray, own: DecisionRows, block: np.ndarray, seed: int
) -> dict[str, object]:
    unit = np.unique(pair, return_inverse=True)[1]
    x, y = centred_ranks(predicted, unit), centred_ranks(measured, unit)
    product = x * y

    def rho(kept: np.ndarray) -> float:
        scale = np.sqrt((x[kept] ** 2).sum() * (y[kept] ** 2).sum())
        return float(product[kept].sum() / scale) if scale > 0 else np.nan

    low, high = jackknife(rho, block)
    each = np.bincount(own.owner, product)
    return {
        "rho": rho(np.ones(x.size, bool)),
        "rho_low": float(np.maximum(low, -1)),
        "rho_high": float(np.minimum(high, 1)),
        "rho_p": sign_flip_p(each, FLIPS, seed),
    }


def _slope(predicted: np.ndarray, measured: np.ndarray, block: np.ndarray) -> dict[str, object]:
    def slope(kept: np.ndarray) -> float:
        x = predicted[kept] - predicted[kept].mean()
        return float((x * measured[kept]).sum() / (x * x).sum()) if (x * x).sum() > 0 else np.nan

    low, high = jackknife(slope, block)
    return {"slope": slope(np.ones(predicted.size, bool)), "slope_low": float(low), "slope_high": float(high)}
