"""Which positions of the stream an answer rests on, by what it read and what that was written from."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.ancestry import Ancestry
from memlens.analysis.support.measure import measure
from memlens.analysis.support.windows import token_names, vocabulary
from memlens.errors import AnalysisError
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.jackknife import jackknife
from memlens.stats.nulls import shuffles_within
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from memlens.recording.protocol import RecordingLike

LEAST = 10


@measure
def answer_sources(recording: "RecordingLike", *, top: int = 8, shuffles: int = 199, seed: int = 0) -> xr.Dataset:
    """Attribute each answer to source positions: read weight, times the parents' shares, times the write attention.

    a(question, position) = sum over entries of read(question, entry) share(entry, slot) write(slot, position). What an answer took
    from working memory cannot be followed and is left out; ``traced`` says how much was followed. An attribution is how the answer
    was wired, not what caused it: an entry may be read and not matter.

    The check is whether answers rest on the fact that was asked for: ``on_fact`` is the part of an answer's attribution that lies on
    the positions of that fact. Its null asks the same of the facts of other questions from the same stretch of the stream.

    Parameters
    ----------
    recording : Recording
        With the point ``context.hook_pattern``.
    top : int
        Positions listed for each question.
    shuffles : int
        Draws of the null; the least p is 1 / (shuffles + 1).
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(question, source)``, largest first: ``source_position`` (-1 none), ``source_share``, ``source_token``. Over
        ``(question)``: ``traced``, ``on_fact`` (NaN where nothing was traced or no fact is known), ``correct``. ``mean_on_fact`` with
        ``_low`` and ``_high`` (jackknife over stretches of time), ``mean_null(shuffle)``, ``mean_p``; ``on_fact_correct`` and
        ``on_fact_wrong``, means over right and wrong answers, with the same.

    Raises
    ------
    AnalysisError
        With fewer than 10 questions, or when none of them can be traced to a fact.
    RecordingError
        When the write attention was not recorded.
    """
    if top < 1 or shuffles < 1:
        raise AnalysisError(f"top is {top} and shuffles {shuffles}; give 1 or more of each")
    table, n = recording.tables.questions, recording.questions.sizes.get("question", 0)
    if n < LEAST:
        raise AnalysisError(
            f"the recording holds {n} questions, expected {LEAST} or more; record a stream that asks some"
        )
    tree = Ancestry(recording)
    traced, share = _positions(recording, tree)
    sequence, segment = table.sequence, table.segment
    fact, correct = table.fact, table.correct
    on_fact = _lying_on(recording, share, sequence, fact)
    usable = np.isfinite(on_fact) & (fact >= 0) & (traced > 0)
    if usable.sum() < LEAST:
        raise AnalysisError(
            f"{usable.sum()} questions have a fact and reads that can be traced, expected {LEAST} or more; "
            "record a stream that plants facts, such as builtin, with `memlens record MODEL builtin -o RUN`"
        )
    block = time_blocks(sequence, segment)
    null = _null(recording, share, (sequence, fact, usable, block), shuffles, seed)
    return xr.Dataset(
        {
            **_listed(recording, share, sequence, top),
            "traced": ("question", traced),
            "on_fact": ("question", np.where(usable, on_fact, np.nan)),
            "correct": ("question", correct),
            **_mean("mean_on_fact", on_fact, usable, block),
            "mean_null": ("shuffle", null),
            "mean_p": p_value(float(on_fact[usable].mean()), null),
            **_mean("on_fact_correct", on_fact, usable & correct, block),
            **_mean("on_fact_wrong", on_fact, usable & ~correct, block),
        },
        attrs={"n": usable.sum(), "asked": n},
    )


def _positions(recording: "RecordingLike", tree: Ancestry) -> "tuple[np.ndarray, csr_array]":
    """Part of each answer that was traced, and its attribution, sparse [question, position], rows summing to 1."""
    from scipy.sparse import csr_array, diags_array

    slots = tree.sources(tree.reads())
    traced = np.asarray(slots.sum(1)).ravel()
    slots = csr_array(slots[:, tree.fresh])
    used = np.flatnonzero(np.asarray(slots.sum(0)).ravel() > 0)
    at, write = tree.writes(np.flatnonzero(tree.fresh)[used])
    start = recording.tables.segments.first_position
    row, place = np.nonzero(at >= 0)
    shape = used.size, recording.positions.sizes["position"]
    written = csr_array((write[row, place], (row, at[row, place] - start)), shape=shape)
    share = csr_array(csr_array(slots[:, used]) @ written)
    total = np.asarray(share.sum(1)).ravel()
    return traced, csr_array(diags_array(np.divide(1, total, out=np.zeros_like(total), where=total > 0)) @ share)


def _lying_on(recording: "RecordingLike", share: "csr_array", sequence: np.ndarray, fact: np.ndarray) -> np.ndarray:
    """Part of each attribution on the positions of ``fact``, one for each question."""
    question, position = share.nonzero()
    label = recording.tables.positions.fact[sequence[question], position]
    hit = (label == fact[question]) & (label >= 0)
    return np.bincount(question[hit], share.data[hit], minlength=fact.size)


def _null(
    recording: "RecordingLike", share: "csr_array", rows: tuple[np.ndarray, ...], shuffles: int, seed: int
) -> np.ndarray:
    """Mean attribution on facts that are shuffled among the questions of one sequence and stretch of time, float [shuffle]."""
    sequence, fact, usable, block = rows
    mixed, out = fact.copy(), np.zeros(shuffles)
    for draw, taken in enumerate(shuffles_within(block[usable], shuffles, seed)):
        mixed[usable] = fact[usable][taken]
        out[draw] = _lying_on(recording, share, sequence, mixed)[usable].mean()
    return out


def _mean(name: str, values: np.ndarray, rows: np.ndarray, block: np.ndarray) -> dict[str, float]:
    """Mean of some rows with its interval; NaN of no rows, and no interval of one stretch of time."""
    own = values[rows]
    mean, low, high = float(own.mean()) if rows.any() else np.nan, np.nan, np.nan
    if np.unique(block[rows]).size > 1:
        low, high = jackknife(lambda kept: own[kept].mean(), block[rows])
        low, high = max(float(low), 0.0), min(float(high), 1.0)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


def _listed(recording: "RecordingLike", share: "csr_array", sequence: np.ndarray, top: int) -> dict[str, object]:
    n = sequence.size
    position, weight, text = np.full((n, top), -1), np.zeros((n, top)), np.full((n, top), "", object)
    start = recording.tables.segments.first_position
    for row in range(n):
        own = slice(share.indptr[row], share.indptr[row + 1])
        at, value = np.asarray(share.indices[own], int), np.asarray(share.data[own], float)
        best = np.argsort(-value, kind="stable")[:top]
        position[row, : best.size], weight[row, : best.size] = at[best], value[best]
    known = position >= 0
    token, modality = (recording.tables.positions.read(name) for name in ("token", "modality"))
    index = np.broadcast_to(sequence[:, None], position.shape)[known], position[known]
    text[known] = token_names(token[index].astype(int), modality[index].astype(int), vocabulary(recording))
    return {
        "source_position": (("question", "source"), np.where(known, position + start, -1)),
        "source_share": (("question", "source"), weight),
        "source_token": (("question", "source"), text.astype(str)),
    }
