"""What a run cost, part by part: FLOPs, bytes and time, beside plain attention of as many parameters on the same stream."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support import attention_costs, costs
from memlens.analysis.support.result import MAX_BINS, finish, n_segments, time_bins
from memlens.analysis.support.run_costs import attention_flops, config_of, interactions, memory_flops, run_of
from memlens.errors import AnalysisError
from memlens.stats.bootstrap import drawn_blocks, percentiles
from memlens.stats.correlation import rank_correlation
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording import Recording

READERS = ["memory", "attention"]
STEPS = ["all", "without questions", "with questions"]
#: Stretches of time that the null of the trend puts in another order: few, so that they outlast what other work on the machine does.
STRETCHES = 10


def efficiency(
    recording: "Recording",
    *,
    question_tokens: int = 16,
    answer_tokens: int = 4,
    layers: int = 3,
    max_bins: int = MAX_BINS,
    resamples: int = 500,
    shuffles: int = 199,
    seed: int = 0,
) -> xr.Dataset:
    """Count what a recorded run cost, by part, and what plain attention of as many parameters would have.

    FLOPs, bytes and interactions are the formulas of `support/costs.py`, applied to the recorded sizes of the model and to what the
    run did: which modalities were encoded, when entries were recalled, what questions read. Compressed entries count as read in all their
    parts, and recalled ones as of the last level, so FLOPs are the most there can have been; padding of a batch counts nothing.
    The recording holds the wall time of each step and none of a part: ``seconds_by_flops`` deals the median step to the parts
    by their FLOPs, and is no measurement.

    Plain attention is shown every position so far, as in the study analyses/efficiency/study.py. Its time is not told: it was not run.

    Parameters
    ----------
    question_tokens, answer_tokens
        Length of a question and its answer, which a recording keeps as text; a question costs one pass of the decoder over its answer.
    layers
        Of plain attention.
    resamples
        Draws of the bootstrap; whole stretches of time are drawn (see `memlens.stats.time_blocks`).
    shuffles
        Draws of the null of ``trend``: the least p is 1 / (shuffles + 1).

    Returns
    -------
    xarray.Dataset
        Over ``(part)``: ``flops`` of the whole run, all sequences; ``parameters``; ``state_bytes`` that one sequence carries on;
        ``seconds_by_flops`` of the median step; of the first three ``_share``, of the sum over parts. Over ``(step)`` ("all",
        "without questions", "with questions"): ``seconds``, the median
        wall time of a step, ``seconds_low``, ``seconds_high`` (95 %), ``seconds_n``. Over ``(reader)`` ("memory", "attention"):
        ``reader_parameters``, ``total_flops``, ``interactions``, ``held_bytes`` that a question reads at the end; over
        ``(reader, segment)``, a bin each: ``flops_so_far``, ``held_bytes_so_far``. ``gain(measure)``, attention over memory. ``trend``,
        Spearman's correlation of a step's time with its place in the stream, ``trend_null(shuffle)``, the same with stretches of time in
        another order, ``trend_p`` (two-sided; NaN under 20 timed steps): a cost that is constant has none. Steps that ask are left
        out of it where 20 others are left.

    Raises
    ------
    AnalysisError
        When the recording does not hold a whole config of the memory model, holds no segment, or no attention has as many parameters.
    """
    if min(question_tokens, answer_tokens, layers, resamples, shuffles) < 1:
        raise AnalysisError(
            f"question_tokens {question_tokens}, answer_tokens {answer_tokens}, layers {layers}, resamples {resamples}, "
            f"shuffles {shuffles}; give 1 or more of each"
        )
    cfg = config_of(recording)
    run = run_of(recording, cfg)
    parameters, carried = costs.parameters(cfg), costs.state_bytes(cfg)
    plain = attention_costs.equal_attention(sum(parameters.values()), cfg, layers)
    learned = recording.info.policy == "learned"
    part = memory_flops(cfg, run, learned, question_tokens, answer_tokens)
    other = attention_flops(plain, run, question_tokens, answer_tokens)
    starts, width, _ = time_bins(recording, max_bins)
    ends = np.minimum(np.arange(starts.size) * width + width, part.shape[1]) - 1
    flops = np.stack([part.sum(0), other])
    length = run.before + cfg.segment_length
    held = np.stack([
        np.full(length.size, costs.read_bytes(cfg)), [attention_costs.attention_read_bytes(plain, int(n)) for n in length],
    ])  # fmt: skip
    pairs = interactions(cfg, plain, run, question_tokens, answer_tokens)
    total = np.stack([flops.sum(1), pairs, held[:, -1]])
    seconds = recording.tables.segments.step_seconds
    timed = _times(seconds, run.asked.sum(0) > 0, resamples, seed)
    names = list(costs.PARTS)
    of_part = {
        "flops": part.sum(1),
        "parameters": np.array([parameters[name] for name in names]),
        "state_bytes": np.array([carried[name] for name in names]),
    }
    share = {name: values / values.sum() for name, values in of_part.items()}
    dataset = xr.Dataset(
        {
            **{name: ("part", values) for name, values in of_part.items()},
            **{f"{name}_share": ("part", values) for name, values in share.items()},
            "seconds_by_flops": ("part", share["flops"] * timed[0, 0]),
            **{name: ("step", timed[:, at]) for at, name in enumerate(("seconds", "seconds_low", "seconds_high"))},
            "seconds_n": ("step", timed[:, 3].astype(int)),
            "reader_parameters": ("reader", [sum(parameters.values()), attention_costs.attention_parameters(plain)]),
            "total_flops": ("reader", total[0]),
            "interactions": ("reader", total[1]),
            "held_bytes": ("reader", total[2]),
            "flops_so_far": (("reader", "segment"), flops.cumsum(1)[:, ends]),
            "held_bytes_so_far": (("reader", "segment"), held[:, ends]),
            "gain": ("measure", total[:, 1] / total[:, 0]),
            **_trend(seconds, run.asked.sum(0) > 0, shuffles, seed),
        },
        coords={
            "part": names, "step": STEPS, "reader": READERS, "segment": starts, "measure": ["flops", "interactions", "bytes"],
        },
    )  # fmt: skip
    params = {
        "question_tokens": question_tokens, "answer_tokens": answer_tokens, "layers": layers, "max_bins": max_bins,
        "resamples": resamples, "shuffles": shuffles, "seed": seed,
    }  # fmt: skip
    return finish(
        dataset, "efficiency", recording, n_segments(recording), params, segments_per_bin=width, n_sequence=int(run.asked.shape[0]),
        n_question=int(run.asked.sum()), n_position=int(length[-1]), device=recording.info.device,
        attention_width=plain.d_model, attention_mlp_ratio=plain.mlp_ratio,
        tokens_per_second=float(run.asked.shape[0] * cfg.segment_length / timed[0, 0]),
    )  # fmt: skip


def _times(seconds: np.ndarray, asked: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Median step, its interval and n, (step, 4)."""
    known = np.isfinite(seconds)
    return np.array([_median(seconds, known & use, resamples, seed) for use in (known, ~asked, asked)])


def _median(seconds: np.ndarray, use: np.ndarray, resamples: int, seed: int) -> tuple[float, float, float, int]:
    at = np.flatnonzero(use)
    if not at.size:
        return np.nan, np.nan, np.nan, 0
    block = time_blocks(np.zeros_like(at), at)
    parts = [seconds[at[block == each]] for each in np.unique(block)]
    low, high = percentiles(
        [np.median(np.concatenate([parts[i] for i in drawn])) for drawn in drawn_blocks(len(parts), resamples, seed)]
    )
    return float(np.median(seconds[at])), float(low), float(high), at.size


def _trend(seconds: np.ndarray, asked: np.ndarray, shuffles: int, seed: int) -> dict[str, object]:
    known = np.isfinite(seconds)
    use = known & ~asked
    kept = seconds[use if use.sum() >= 20 else known]
    if kept.size < 20 or np.ptp(kept) == 0:
        flat = np.full(shuffles, np.nan)
        return {"trend": np.nan, "trend_null": ("shuffle", flat), "trend_p": np.nan}
    time = np.arange(kept.size)
    block = time_blocks(np.zeros_like(time), time, STRETCHES)
    rng = np.random.default_rng([seed, 1])
    found = rank_correlation(kept, time)
    moved = (np.argsort(rng.permutation(block.max() + 1)[block], kind="stable") for _ in range(shuffles))
    null = np.array([rank_correlation(kept[order], time) for order in moved])
    return {"trend": found, "trend_null": ("shuffle", null), "trend_p": p_value(abs(found), np.abs(null))}
