"""What a policy lost against others on the same stream: the oracle, the heuristics, another controller."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from memlens.analysis.support.measure import measure
from memlens.errors import AnalysisError
from memlens.recording.reading.entry_index import group_numbers
from memlens.stats.comparisons import holm
from memlens.stats.hypothesis_tests import two_sided_sign_flip_p
from memlens.stats.jackknife import jackknife
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

LEAST = 10
FLIPS = 1999
ASKED = ("sequence", "segment", "position", "fact", "answer")


@measure
def regret(recording: "RecordingLike", *, others: "Sequence[RecordingLike]", seed: int = 0) -> xr.Dataset:
    """Compare the answers of a recording with those of others of the same model and stream under other policies.

    Question by question, so that what makes questions hard cancels. Regret is what the other got right and this one did not, less the
    reverse, as a share of the questions; in nats, this one's loss less the other's. Null: the two policies answer alike, so that the sign
    of each segment's difference is as likely as its opposite.

    Parameters
    ----------
    recording : Recording
        The one that is compared.
    others : sequence of Recording
        Of ``memlens record MODEL STREAM -o RUN --policy NAME``.
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(policy)``, this recording first: ``accuracy``, ``loss`` in nats a token. Over ``(other)``: ``regret`` and ``loss_regret``,
        each with ``_low``, ``_high`` (jackknife over stretches of time), ``_p`` (two-sided) and ``_p_adjusted`` (Holm). ``covered``: the
        part of the way from "random" to "oracle" that this recording's accuracy goes, NaN unless both are there.

    Raises
    ------
    AnalysisError
        With no other recording, fewer than 10 questions, or recordings that cannot be compared (what differs).
    """
    if not others:
        raise AnalysisError(
            "no other recording was given; make one with `memlens record MODEL STREAM -o RUN --policy NAME`"
        )
    table, n = recording.tables.questions, recording.questions.sizes.get("question", 0)
    if n < LEAST:
        raise AnalysisError(
            f"the recording holds {n} questions, expected {LEAST} or more; record a stream that asks some"
        )
    for other in others:
        _comparable(recording, other)
    names = _names([recording, *others])
    where = table.sequence, table.segment
    block, unit = time_blocks(*where), group_numbers(*where)
    correct = np.stack([each.tables.questions.correct.astype(float) for each in (recording, *others)])
    loss = np.stack([each.tables.questions.loss for each in (recording, *others)])
    wrong = np.argwhere(~np.isfinite(loss))
    if wrong.size:
        raise AnalysisError(f"loss[{wrong[0][1]}] of '{names[wrong[0][0]]}' is not finite; record that run again")
    return xr.Dataset(
        {
            "accuracy": ("policy", correct.mean(1)),
            "loss": ("policy", loss.mean(1)),
            **_gaps("regret", correct[1:] - correct[0], block, unit, seed),
            **_gaps("loss_regret", loss[0] - loss[1:], block, unit, seed),
            "covered": _covered(dict(zip(names, correct.mean(1), strict=True)), correct[0].mean()),
        },
        coords={"policy": names, "other": names[1:]},
        attrs={"n": n},
    )


def _covered(accuracy: dict[str, float], own: float) -> float:
    """Part of the way from random to oracle; NaN unless both are there and differ."""
    if not {"random", "oracle"} <= set(accuracy) or accuracy["oracle"] <= accuracy["random"]:
        return np.nan
    return (own - accuracy["random"]) / (accuracy["oracle"] - accuracy["random"])


def _gaps(name: str, difference: np.ndarray, block: np.ndarray, unit: np.ndarray, seed: int) -> dict[str, Any]:
    """Mean of each row of ``difference`` (other, question), with interval and two-sided p."""
    bounds = [jackknife(lambda kept, row=row: row[kept].mean(), block) for row in difference]
    p = []
    for row in difference:
        each = np.bincount(unit, row)
        p.append(two_sided_sign_flip_p(each, FLIPS, seed))
    columns = {
        "": difference.mean(1), "_low": [float(low) for low, _ in bounds], "_high": [float(high) for _, high in bounds],
        "_p": np.array(p), "_p_adjusted": holm(np.array(p)),
    }  # fmt: skip
    return {name + end: ("other", values) for end, values in columns.items()}


def _comparable(one: "RecordingLike", other: "RecordingLike") -> None:
    differs = []
    for name, what in (("weights_sha256", "weights"), ("stream", "stream"), ("segment_length", "segment length")):
        here, there = getattr(one.info, name), getattr(other.info, name)
        if here != there:
            differs.append(f"the {what} ({str(here)[:60]} and {str(there)[:60]})")
    sizes = [each.questions.sizes.get("question", 0) for each in (one, other)]
    if sizes[0] != sizes[1]:
        differs.append(f"the number of questions ({sizes[0]} and {sizes[1]})")
    else:
        for name in ASKED:
            unlike = np.flatnonzero(one.tables.questions.read(name) != other.tables.questions.read(name))
            if unlike.size:
                differs.append(f"the {name} of question {unlike[0]}")
    if differs:
        raise AnalysisError(
            f"the recordings cannot be compared: they differ in {', '.join(differs)}; record one model on one stream, "
            "`memlens record MODEL STREAM -o RUN --policy NAME`, and change the policy only"
        )


def _names(recordings: "Sequence[RecordingLike]") -> list[str]:
    """Policies, numbered where one occurs again."""
    names: list[str] = []
    for recording in recordings:
        policy = recording.info.policy or "unnamed"
        again = sum(name == policy or name.startswith(f"{policy} (") for name in names)
        names.append(f"{policy} ({again + 1})" if again else policy)
    return names
