"""What a run cost, part by part: FLOPs, bytes and time, beside plain attention of as many parameters on the same stream."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis import costs
from memlens.analysis.resampling import time_blocks
from memlens.analysis.result import MAX_BINS, attribute, column, finish, n_segments, time_bins
from memlens.analysis.statistics import p_value
from memlens.config import BaselineConfig, ModelConfig
from memlens.dims import Action, Modality
from memlens.errors import AnalysisError

if TYPE_CHECKING:
    from memlens.recording import Recording

READERS = ["memory", "attention"]
STEPS = ["all", "without questions", "with questions"]
#: Reads of less weight are left out of what question and decoder see.
LEAST_WEIGHT = 1e-4
RESIDENT = 1
#: Stretches of time that the null of the trend puts in another order: few, so that they outlast what other work on the machine does.
STRETCHES = 10


@dataclass(frozen=True)
class Run:
    """What the cost of a run depends on.

    Attributes
    ----------
    others
        Positions of each modality that is no text, (sequence, segment) each.
    before
        Stream position of each segment's first token.
    recalls
        Whether entries came back into working memory, (sequence, segment).
    asked
        Questions, (sequence, segment).
    question_segment, question_reads
        Of each question: its segment, counted from the first recorded one, and the vectors it read, at most.
    """

    others: dict[Modality, np.ndarray]
    before: np.ndarray
    recalls: np.ndarray
    asked: np.ndarray
    question_segment: np.ndarray
    question_reads: np.ndarray


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

    FLOPs, bytes and interactions are the formulas of `memlens.analysis.costs`, applied to the recorded sizes of the model and to what the
    run did: which modalities were encoded, when entries were recalled, what questions read. Compressed entries count as read in all their
    parts, and recalled ones as of the last level, so FLOPs are the most there can have been; padding of a batch counts nothing.
    The recording holds the wall time of each step and none of a part: ``seconds_by_flops`` deals the median step to the parts
    by their FLOPs, and is no measurement.

    Plain attention is shown every position so far, as in the study analyses/efficiency.py. Its time is not told: it was not run.

    Parameters
    ----------
    question_tokens, answer_tokens
        Length of a question and its answer, which a recording keeps as text; a question costs one pass of the decoder over its answer.
    layers
        Of plain attention.
    resamples
        Draws of the bootstrap; whole stretches of time are drawn (see `memlens.analysis.resampling.time_blocks`).
    shuffles
        Draws of the null of ``trend``: the least p is 1 / (shuffles + 1).

    Returns
    -------
    xarray.Dataset
        Over ``(part)``: ``flops`` of the whole run, all sequences; ``parameters``; ``state_bytes`` that one sequence carries on;
        ``seconds_by_flops`` of the median step. Over ``(step)`` ("all", "without questions", "with questions"): ``seconds``, the median
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
    plain = costs.equal_attention(sum(costs.parameters(cfg).values()), cfg, layers)
    learned = recording.attrs.get("policy") == "learned"
    part = memory_flops(cfg, run, learned, question_tokens, answer_tokens)
    other = attention_flops(plain, run, question_tokens, answer_tokens)
    starts, width, _ = time_bins(recording, max_bins)
    ends = np.minimum(np.arange(starts.size) * width + width, part.shape[1]) - 1
    flops = np.stack([part.sum(0), other])
    length = run.before + cfg.segment_length
    held = np.stack([
        np.full(length.size, costs.read_bytes(cfg)), [costs.attention_read_bytes(plain, int(n)) for n in length],
    ])  # fmt: skip
    pairs = interactions(cfg, plain, run, question_tokens, answer_tokens)
    total = np.stack([flops.sum(1), pairs, held[:, -1]])
    seconds = column(recording.segments, "step_seconds", float)
    timed = _times(seconds, run.asked.sum(0) > 0, resamples, seed)
    names = list(costs.PARTS)
    share = part.sum(1) / part.sum()
    sizes = costs.parameters(cfg), costs.state_bytes(cfg)
    dataset = xr.Dataset(
        {
            "flops": ("part", part.sum(1)),
            "parameters": ("part", [sizes[0][name] for name in names]),
            "state_bytes": ("part", [sizes[1][name] for name in names]),
            "seconds_by_flops": ("part", share * timed[0, 0]),
            **{name: ("step", timed[:, at]) for at, name in enumerate(("seconds", "seconds_low", "seconds_high"))},
            "seconds_n": ("step", timed[:, 3].astype(int)),
            "reader_parameters": ("reader", [sum(sizes[0].values()), costs.attention_parameters(plain)]),
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
        n_question=int(run.asked.sum()), n_position=int(length[-1]), device=str(recording.attrs.get("device", "")),
        attention_width=plain.d_model, attention_mlp_ratio=plain.mlp_ratio,
        tokens_per_second=float(run.asked.shape[0] * cfg.segment_length / timed[0, 0]),
    )  # fmt: skip


def config_of(recording: "Recording") -> ModelConfig:
    """The recorded sizes of the model; AnalysisError where some are not there, since a default in their place would be a guess."""
    told = attribute(recording, "model_config")
    missing = [name for name in ModelConfig.model_fields if name not in told]
    if missing:
        raise AnalysisError(
            f"the recording's model_config lacks {', '.join(missing[:3])}{' and others' if len(missing) > 3 else ''}; "
            "costs are counted for runs of the memory model, as `memlens record` makes them"
        )
    return ModelConfig.parse(told, "model_config of the recording")


def run_of(recording: "Recording", cfg: ModelConfig) -> Run:
    """What of a run its cost depends on."""
    n, s = n_segments(recording), cfg.segment_length
    segments, asked = recording.segments, recording.questions
    first = int(segments["segment"].values[0])
    modality = np.asarray(recording.positions["modality"].values)[:, : n * s]
    modality = np.pad(modality, ((0, 0), (0, n * s - modality.shape[1])), constant_values=-1).reshape(-1, n, s)
    size = modality.shape[:2]
    at, sequence = column(asked, "segment", int) - first, column(asked, "sequence", int)
    count = np.zeros(size, int)
    np.add.at(count, (sequence, at), 1)
    return Run(
        others={kind: (modality == int(kind)).sum(2) for kind in Modality if kind != Modality.TEXT},
        before=column(segments, "start", int),
        recalls=_recalls(recording, size, first),
        asked=count,
        question_segment=at,
        question_reads=_reads(recording, cfg),
    )


def _recalls(recording: "Recording", size: tuple[int, int], first: int) -> np.ndarray:
    """Segments in which a resident was retrieved; one that a candidate absorbed, with the same action, comes back as nothing."""
    table, entries = recording.decisions, recording.entries
    done = (column(table, "kind", int) == RESIDENT) & (column(table, "executed", int) == int(Action.RETRIEVE))
    sequence, segment, entry = (column(table, name, int)[done] for name in ("sequence", "segment", "entry"))
    gone = {
        (s, e): died
        for s, e, died in zip(*(column(entries, name, int).tolist() for name in ("sequence", "entry", "died")), strict=True)
    }  # fmt: skip
    there = np.zeros(size, bool)
    for s, t, e in zip(sequence.tolist(), segment.tolist(), entry.tolist(), strict=True):
        if gone.get((s, e), -1) != t:
            there[s, t - first] = True
    return there


def _reads(recording: "Recording", cfg: ModelConfig) -> np.ndarray:
    """Vectors that each question read, at most: all parts of every entry with weight."""
    asked, entries = recording.questions, recording.entries
    level = {
        (s, e): own
        for s, e, own in zip(*(column(entries, name, int).tolist() for name in ("sequence", "entry", "level")), strict=True)
    }  # fmt: skip
    entry, weight = column(asked, "read_entry", int), column(asked, "read_weight", float)
    sequence = column(asked, "sequence", int).tolist()
    parts = np.array([
        [cfg.merge ** level.get((s, e), 0) for e in row] for s, row in zip(sequence, entry.tolist(), strict=True)
    ]).reshape(entry.shape)  # fmt: skip
    return np.maximum((parts * (weight > LEAST_WEIGHT)).sum(1), 1).astype(int)


def memory_flops(cfg: ModelConfig, run: Run, learned: bool, n_token: int, n_answer: int) -> np.ndarray:
    """FLOPs of the run, (part, segment), all sequences."""
    base = costs.segment_flops(cfg, learned=learned)
    recall = costs.segment_flops(cfg, recalls=True, learned=learned)["store"] - base["store"]
    at = {name: i for i, name in enumerate(costs.PARTS)}
    total = np.zeros((len(at), run.before.size))
    for name, each in base.items():
        total[at[name]] += each * run.asked.shape[0]
    for kind, n in run.others.items():
        total[at["encoders"]] += n.sum(0) * costs.segment_flops(cfg, {kind: 1}, learned=learned)["encoders"]
    total[at["store"]] += recall * run.recalls.sum(0)
    for name, each in costs.match_flops(cfg).items():
        total[at[name]] += each * (run.asked > 0).sum(0)
    for n_read in np.unique(run.question_reads):
        here = np.bincount(run.question_segment[run.question_reads == n_read], minlength=run.before.size)
        for name, each in costs.question_flops(cfg, n_token, n_answer, int(n_read)).items():
            total[at[name]] += each * here
    return total


def attention_flops(plain: BaselineConfig, run: Run, n_token: int, n_answer: int) -> np.ndarray:
    """FLOPs of plain attention on the same stream, (segment,), all sequences; each question is asked by itself."""
    total = np.array([run.asked.shape[0] * costs.attention_segment_flops(plain, int(n)) for n in run.before], float)
    none = costs.attention_segment_flops(plain, 0)
    for kind, n in run.others.items():
        total += n.sum(0) * (costs.attention_segment_flops(plain, 0, {kind: 1}) - none)
    for t in np.flatnonzero(run.asked.sum(0)):
        length = int(run.before[t]) + plain.segment_length
        total[t] += run.asked[:, t].sum() * costs.attention_question_flops(plain, length, n_token, n_answer)
    return total


def interactions(cfg: ModelConfig, plain: BaselineConfig, run: Run, n_token: int, n_answer: int) -> tuple[float, float]:
    """Pairs of query and key of the run, memory's and attention's, all sequences."""
    sequences, length = run.asked.shape[0], int(run.before[-1]) + cfg.segment_length
    start = int(run.before[0])
    memory = sequences * costs.memory_interactions(cfg, length - start)
    memory += run.asked.sum() * costs.memory_question_interactions(cfg, n_token, n_answer)
    other = sequences * (costs.attention_interactions(plain, length) - costs.attention_interactions(plain, start))
    other += sum(
        run.asked[:, t].sum()
        * costs.attention_question_interactions(plain, int(run.before[t]) + cfg.segment_length, n_token, n_answer)
        for t in np.flatnonzero(run.asked.sum(0))
    )
    return float(memory), float(other)


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
    rng = np.random.default_rng(seed)
    drawn = [
        np.median(np.concatenate([parts[i] for i in rng.integers(0, len(parts), len(parts))])) for _ in range(resamples)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(np.median(seconds[at])), float(low), float(high), at.size


def _trend(seconds: np.ndarray, asked: np.ndarray, shuffles: int, seed: int) -> dict[str, object]:
    from scipy.stats import rankdata

    known = np.isfinite(seconds)
    use = known & ~asked
    kept = seconds[use if use.sum() >= 20 else known]
    if kept.size < 20 or np.ptp(kept) == 0:
        flat = np.full(shuffles, np.nan)
        return {"trend": np.nan, "trend_null": ("shuffle", flat), "trend_p": np.nan}
    rank, time = rankdata(kept), np.arange(kept.size)
    block = time_blocks(np.zeros_like(time), time, STRETCHES)
    rng = np.random.default_rng([seed, 1])

    def correlation(order: np.ndarray) -> float:
        return float(np.corrcoef(rank[order], time)[0, 1])

    found = correlation(time)
    moved = (np.argsort(rng.permutation(block.max() + 1)[block], kind="stable") for _ in range(shuffles))
    null = np.array([correlation(order) for order in moved])
    return {"trend": found, "trend_null": ("shuffle", null), "trend_p": p_value(abs(found), np.abs(null))}
