"""Where slots look when they are written and questions when they read: entropy, span, heads, and from which modality to which."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.ancestry import Ancestry
from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import MODALITIES, first_segment
from memlens.analysis.support.vectors import gather
from memlens.analysis.support.windows import window_positions
from memlens.errors import AnalysisError
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.information import entropy
from memlens.stats.jackknife import jackknife
from memlens.stats.nulls import shuffles_within
from memlens.stats.proportions import ratio
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

LEAST = 20


@measure
def attention(recording: "RecordingLike", *, sample: int = 20_000, shuffles: int = 199, seed: int = 0) -> xr.Dataset:
    """Describe write and read attention, each beside what attention that chooses nothing would give.

    Writing: entropy and span of each head over a slot's window, against even attention on the same window. Heads are specialised
    when they differ more than heads that are shuffled in every slot: ``specialisation`` is the information that the head gives
    about where it looks, I(head; window) in bits, of the mean patterns (the Jensen-Shannon divergence of the heads). Who writes:
    share of the write attention by modality, against the share of positions.

    Reading: entropy and span of each question's reads, against even weights on the same vectors. Who reads: weight from a question's
    modality (of the fact asked for) to the modality of what it read. ``matched`` is the part that stays inside a modality, against
    questions that change their modality among those asked in the same stretch of the stream.

    Parameters
    ----------
    recording : Recording
        With the point ``context.hook_pattern``.
    sample : int
        Slots used, at most, drawn at random.
    shuffles : int
        Draws of each null; the least p is 1 / (shuffles + 1).
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(head)``: ``entropy`` in bits, ``span`` in tokens, each with ``_low``, ``_high`` (jackknife over stretches of time) and
        ``_null`` (even attention); ``pattern(head, window)``. ``specialisation``, ``specialisation_null(shuffle)``,
        ``specialisation_p`` (NaN with one head). Over ``(modality)``: ``write_share``, ``write_low``, ``write_high``,
        ``position_share``. Reads: ``read_entropy``, ``read_span`` with ``_low``, ``_high``, ``_null``;
        ``flow(asked, modality)``, rows summing to 1, ``flow_n(asked)``; ``matched``, ``matched_low``, ``matched_high``,
        ``matched_null(shuffle)``, ``matched_p``; all NaN with no question that read an entry of a known modality.

    Raises
    ------
    AnalysisError
        With fewer than 20 slots.
    RecordingError
        When the write attention was not recorded.
    """
    if shuffles < 1 or sample < LEAST:
        raise AnalysisError(f"shuffles is {shuffles} and sample {sample}; give 1 or more and {LEAST} or more")
    recording["context.hook_pattern"]  # says how to record it where it is missing
    tree = Ancestry(recording)
    rows = np.flatnonzero(tree.fresh)
    total = rows.size
    if total < LEAST:
        raise AnalysisError(f"{total} slots were written, expected {LEAST} or more; record a longer stream")
    if total > sample:
        rows = np.sort(np.random.default_rng(seed).choice(rows, sample, replace=False))
    writes, heads, width = _writes(recording, tree, rows, shuffles, seed)
    questions = int(recording.questions.sizes.get("question", 0))
    return xr.Dataset(
        writes | _reads(recording, tree, shuffles, seed),
        coords={"head": np.arange(heads), "window": np.arange(width), "modality": MODALITIES, "asked": MODALITIES},
        attrs={"n": rows.size, "total": total, "questions": questions},
    )


def _writes(
    recording: "RecordingLike", tree: Ancestry, rows: np.ndarray, shuffles: int, seed: int
) -> tuple[dict[str, object], int, int]:
    sequence, segment, slot, position = (
        tree.columns[name][rows] for name in ("sequence", "segment", "slot", "position")
    )
    pattern = gather(recording["context.hook_pattern"], sequence, segment - first_segment(recording), slot)
    weight = pattern.astype(np.float32)
    at = window_positions(position, weight.shape[2])
    start = recording.tables.segments.first_position
    modality = recording.tables.positions.modality
    inside = (at >= start) & (at - start < modality.shape[1])
    weight = weight * inside[:, None]
    total = weight.sum(2, keepdims=True)
    weight = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    even = inside / np.maximum(inside.sum(1, keepdims=True), 1)
    offset = np.arange(weight.shape[2])
    block = time_blocks(sequence, segment)
    measures = {"entropy": (entropy(weight), entropy(even)), "span": (weight @ offset, even @ offset)}
    out: dict[str, object] = {"pattern": (("head", "window"), weight.mean(0))}
    for name, (value, null) in measures.items():
        low, high = jackknife(lambda kept, value=value: value[kept].mean(0), block)
        columns = (value.mean(0), low, high, np.full(weight.shape[1], null.mean()))
        out |= {
            f"{name}{end}": ("head", each) for end, each in zip(("", "_low", "_high", "_null"), columns, strict=True)
        }
    out |= _specialisation(weight, shuffles, seed)
    seen = np.where(inside, modality[sequence[:, None], np.where(inside, at - start, 0)], -1)
    mass = weight.mean(1)
    by = np.stack([np.where(seen == code, mass, 0).sum(1) for code in range(len(MODALITIES))], 1)
    low, high = jackknife(lambda kept: ratio(by[kept].sum(0), by[kept].sum()), block)
    count = np.bincount(modality[modality >= 0].astype(int), minlength=len(MODALITIES))
    shares = (ratio(by.sum(0), by.sum()), np.clip(low, 0, 1), np.clip(high, 0, 1), ratio(count, count.sum()))
    names = ("write_share", "write_low", "write_high", "position_share")
    out |= {name: ("modality", each) for name, each in zip(names, shares, strict=True)}
    return out, weight.shape[1], weight.shape[2]


def _specialisation(weight: np.ndarray, shuffles: int, seed: int) -> dict[str, object]:
    """Information between head and window of the mean patterns, and the same with heads shuffled in each slot."""

    def information(mean: np.ndarray) -> float:
        return float(entropy(mean.mean(0)) - entropy(mean).mean())

    heads = weight.shape[1]
    value, null = information(weight.mean(0)), np.full(shuffles, np.nan)
    rng = np.random.default_rng(seed)
    for draw in range(shuffles if heads > 1 else 0):
        # rotating the heads of a slot by a random step shuffles them, and costs one pass over the patterns
        turn = rng.integers(0, heads, weight.shape[0])
        mean = np.zeros(weight.shape[1:])
        for step in range(heads):
            mean += np.roll(weight[turn == step].sum(0), step, axis=0)
        null[draw] = information(mean / weight.shape[0])
    return {
        "specialisation": value if heads > 1 else np.nan,
        "specialisation_null": ("shuffle", null),
        "specialisation_p": p_value(value, null) if heads > 1 else np.nan,
    }


def _reads(recording: "RecordingLike", tree: Ancestry, shuffles: int, seed: int) -> dict[str, object]:
    table, n = recording.tables.questions, recording.questions.sizes.get("question", 0)
    codes = len(MODALITIES)
    nothing: dict[str, object] = {
        **{f"read_{name}{end}": np.nan for name in ("entropy", "span") for end in ("", "_low", "_high", "_null")},
        "flow": (("asked", "modality"), np.full((codes, codes), np.nan)),
        "flow_n": ("asked", np.zeros(codes, int)),
        **dict.fromkeys(("matched", "matched_low", "matched_high", "matched_p"), np.nan),
        "matched_null": ("shuffle", np.full(shuffles, np.nan)),
    }
    if n == 0:
        return nothing
    sequence, segment = table.sequence, table.segment
    weight = np.nan_to_num(table.read_weight)
    row = tree.rows(sequence[:, None], table.read_entry)
    block = time_blocks(sequence, segment)
    there = weight > 0
    even = there / np.maximum(there.sum(1, keepdims=True), 1)
    back = table.position.astype(float)[:, None] - tree.columns["position"][row] if tree.n else np.zeros(row.shape)
    out = dict(nothing)
    for name, value, null in (
        ("entropy", entropy(weight), entropy(even)),
        ("span", _weighted(back, np.where(row >= 0, weight, 0)), _weighted(back, np.where(row >= 0, even, 0))),
    ):
        rows = np.isfinite(value) & there.any(1)
        if rows.any():
            low, high = jackknife(lambda kept, value=value[rows]: value[kept].mean(), block[rows])
            numbers = (value[rows].mean(), low, high, null[rows].mean())
            out |= {
                f"read_{name}{end}": float(each)
                for end, each in zip(("", "_low", "_high", "_null"), numbers, strict=True)
            }
    asked = table.fact_modality
    read = np.where(row >= 0, tree.columns["modality"][row], -1) if tree.n else np.full(row.shape, -1)
    mass = np.stack([np.where(read == code, weight, 0).sum(1) for code in range(codes)], 1)
    rows = (asked >= 0) & (mass.sum(1) > 0)
    return out | _flow(asked[rows], mass[rows], block[rows], shuffles, seed) if rows.any() else out


def _flow(asked: np.ndarray, mass: np.ndarray, block: np.ndarray, shuffles: int, seed: int) -> dict[str, object]:
    codes = mass.shape[1]
    mass = mass / mass.sum(1, keepdims=True)
    flow = np.stack(
        [mass[asked == code].mean(0) if (asked == code).any() else np.full(codes, np.nan) for code in range(codes)]
    )

    def matched(asked: np.ndarray, mass: np.ndarray) -> float:
        return float(mass[np.arange(asked.size), asked].mean())

    value = matched(asked, mass)
    several = np.unique(block).size > 1
    low, high = jackknife(lambda kept: matched(asked[kept], mass[kept]), block) if several else (np.nan, np.nan)
    null = np.array([matched(asked[taken], mass) for taken in shuffles_within(block, shuffles, seed)])
    tested = np.unique(asked).size > 1
    return {
        "flow": (("asked", "modality"), flow),
        "flow_n": ("asked", np.bincount(asked, minlength=codes)),
        "matched": value,
        "matched_low": float(np.clip(low, 0, 1)),
        "matched_high": float(np.clip(high, 0, 1)),
        "matched_null": ("shuffle", null),
        "matched_p": p_value(value, null) if tested else np.nan,
    }


def _weighted(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return ratio((values * weight).sum(1), weight.sum(1))
