"""What a run cost, part by part: FLOPs, bytes and time, beside plain attention of as many parameters on the same stream."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support import attention_costs, costs
from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import MAX_BINS, time_bins
from memlens.analysis.support.run_costs import Run, attention_flops, config_of, interactions, memory_flops, run_of
from memlens.config import BaselineConfig, ModelConfig
from memlens.errors import AnalysisError
from memlens.stats.bootstrap import drawn_blocks, percentiles
from memlens.stats.correlation import rank_correlation
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

READERS = ["memory", "attention"]
STEPS = ["all", "without questions", "with questions"]
MEASURES = ["flops", "interactions", "bytes"]
PART_NAMES = list(costs.PARTS)
#: Stretches of time that the null of the trend puts in another order: few, so that they outlast what other work on the machine does.
STRETCHES = 10


@measure
def efficiency(
    recording: "RecordingLike",
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

    FLOPs, bytes and interactions are the formulas of `memlens.analysis.support.costs`, applied to the recorded sizes of the model and to
    what the run did: which modalities were encoded, when entries were recalled, what questions read. Compressed entries count as read in
    all their parts, and recalled ones as of the last level, so FLOPs are the most there can have been; padding of a batch counts nothing.
    The recording holds the wall time of each step and none of a part: ``seconds_by_flops`` divides the median step among the parts by
    their FLOPs, and is no measurement. Plain attention is shown every position so far; it was not run, so its time is not given.

    Parameters
    ----------
    recording : Recording
        Of the memory model, with its whole config.
    question_tokens, answer_tokens : int
        Length of a question and its answer, which a recording keeps as text; a question costs one pass of the decoder over its answer.
    layers : int
        Of plain attention.
    max_bins : int
        Timelines hold at most this many bins.
    resamples, shuffles : int
        Draws of the bootstrap over stretches of time, and of the null of ``trend``: the least p is 1 / (shuffles + 1).
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(part)``: ``flops`` of the whole run, all sequences; ``parameters``; ``state_bytes`` that one sequence carries on;
        of each ``_share``, of the sum over parts; ``seconds_by_flops`` of the median step. Over ``(step)``: ``seconds``, the median wall
        time, with ``_low``, ``_high`` (95 %), ``_n``. Over ``(reader)``: ``reader_parameters``, ``total_flops``, ``interactions``,
        ``held_bytes`` that a question reads at the end; over ``(reader, segment)``, a bin each: ``flops_so_far``, ``held_bytes_so_far``.
        ``gain(measure)``, attention over memory. ``trend``, ``trend_null(shuffle)``, ``trend_p``: see `_trend`.

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
    plain = attention_costs.equal_attention(sum(costs.parameters(cfg).values()), cfg, layers)
    flops = memory_flops(cfg, run, recording.info.policy == "learned", question_tokens, answer_tokens)
    parts, shares = _parts(cfg, flops)
    seconds, asked = recording.tables.segments.step_seconds, run.asked.sum(0) > 0
    timed = _times(seconds, asked, resamples, seed)
    starts, width, _ = time_bins(recording, max_bins)
    return xr.Dataset(
        {
            **{name: ("part", values) for name, values in parts.items()},
            **{f"{name}_share": ("part", values) for name, values in shares.items()},
            "seconds_by_flops": ("part", shares["flops"] * timed[0, 0]),
            **{name: ("step", timed[:, at]) for at, name in enumerate(("seconds", "seconds_low", "seconds_high"))},
            "seconds_n": ("step", timed[:, 3].astype(int)),
            **_readers(cfg, plain, run, flops.sum(0), question_tokens, answer_tokens, starts.size, width),
            **_trend(seconds, asked, shuffles, seed),
        },
        coords={"part": PART_NAMES, "step": STEPS, "reader": READERS, "segment": starts, "measure": MEASURES},
        attrs={
            "n": seconds.size, "segments_per_bin": width, "n_sequence": int(run.asked.shape[0]), "n_question": int(run.asked.sum()),
            "n_position": int(run.before[-1] + cfg.segment_length), "device": recording.info.device,
            "attention_width": plain.d_model, "attention_mlp_ratio": plain.mlp_ratio,
            "tokens_per_second": float(run.asked.shape[0] * cfg.segment_length / timed[0, 0]),
        },
    )  # fmt: skip


def _parts(cfg: ModelConfig, flops: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """FLOPs of the run, float [part, segment], parameters and carried bytes, by part; and the share of each part."""
    parameters, carried = costs.parameters(cfg), costs.state_bytes(cfg)
    parts = {
        "flops": flops.sum(1),
        "parameters": np.array([parameters[name] for name in PART_NAMES]),
        "state_bytes": np.array([carried[name] for name in PART_NAMES]),
    }
    return parts, {name: values / values.sum() for name, values in parts.items()}


def _readers(
    cfg: ModelConfig, plain: BaselineConfig, run: Run, flops: np.ndarray, question: int, answer: int, bins: int, width: int
) -> dict[str, object]:  # fmt: skip
    """The memory model, whose FLOPs are float [segment], beside plain attention: totals, timelines, and the gain."""
    both = np.stack([flops, attention_flops(plain, run, question, answer)])
    length = run.before + cfg.segment_length
    held = np.stack([
        np.full(length.size, costs.read_bytes(cfg)), [attention_costs.attention_read_bytes(plain, int(n)) for n in length],
    ])  # fmt: skip
    total = np.stack([both.sum(1), interactions(cfg, plain, run, question, answer), held[:, -1]])
    ends = np.minimum(np.arange(bins) * width + width, flops.size) - 1
    parameters = [sum(costs.parameters(cfg).values()), attention_costs.attention_parameters(plain)]
    return {
        "reader_parameters": ("reader", parameters),
        "total_flops": ("reader", total[0]),
        "interactions": ("reader", total[1]),
        "held_bytes": ("reader", total[2]),
        "flops_so_far": (("reader", "segment"), both.cumsum(1)[:, ends]),
        "held_bytes_so_far": (("reader", "segment"), held[:, ends]),
        "gain": ("measure", total[:, 1] / total[:, 0]),
    }


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
    """Spearman's correlation of a step's time with its place in the stream: a cost that is constant has none.

    Its null puts stretches of time in another order; p is two-sided, NaN under 20 timed steps. Steps that ask are left out where 20
    others are left.
    """
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
