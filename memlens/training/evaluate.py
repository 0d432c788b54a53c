"""What a model recalls of the built-in stream, under each policy, with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from memlens.dims import Modality
from memlens.model.checkpoint import load_model
from memlens.model.model import MemoryModel
from memlens.model.run import run
from memlens.streams import builtin

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Asked:
    """One question and how it went."""

    seed: int
    number: int
    modality: int
    distance: int
    correct: bool
    loss: float


def ask_stream(
    model: MemoryModel, seeds: Sequence[int], n_token: int, progress: Progress | None = None, **stream: Any
) -> list[Asked]:
    """Run the built-in test stream of each seed, all as one batch, and note every question."""
    streams = [builtin(n_token=n_token, seed=seed, **stream).encode(model.tokenizer) for seed in seeds]
    n_segment = max(s.n_segment(model.cfg.segment_length) for s in streams)
    counts = [0] * len(seeds)
    rows = []
    for result in run(model, streams, predict=False):
        answers = result.outputs.answers
        for b, questions in enumerate(result.asked):
            for i, question in enumerate(questions):
                assert answers is not None
                rows.append(
                    Asked(
                        seeds[b],
                        counts[b],
                        int(question.fact_modality),
                        int(question.distance),
                        bool(answers.correct[b, i]),
                        float(answers.loss[b, i]),
                    )
                )
                counts[b] += 1
        if progress is not None and result.segment % 10 == 0:
            progress(result.segment + 1, n_segment, f"evaluating: policy {model.policy_name}")
    return rows


def summarise(rows: Sequence[Asked]) -> dict[str, Any]:
    """n, exact share, its Wilson 95 % interval, mean loss (nats per answer token)."""
    right = sum(row.correct for row in rows)
    interval = binomtest(right, len(rows)).proportion_ci(method="wilson")
    return {
        "n": len(rows),
        "exact": round(right / len(rows), 4),
        "low": round(float(interval.low), 4),
        "high": round(float(interval.high), 4),
        "loss": round(float(np.mean([row.loss for row in rows])), 4),
    }


def evaluate(
    model: str | Path | MemoryModel,
    *,
    n_token: int = 100_000,
    seeds: Sequence[int] = (0,),
    policies: Sequence[str] = ("learned",),
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Exact recall on built-in test streams: a row a policy and modality ("all" over all), pooled over seeds.

    The rows of "all" also carry ``behind``, ``behind_low`` and ``behind_high``: how much less than the first
    policy it recalled of the same questions, with a paired bootstrap 95 % interval (streams resampled, then questions).
    """
    loaded = model if isinstance(model, MemoryModel) else load_model(model)
    table: list[dict[str, Any]] = []
    first: list[Asked] | None = None
    before = loaded.controller.policy
    for policy in policies:
        loaded.controller.policy = policy
        rows = ask_stream(loaded, seeds, n_token, progress)
        first = rows if first is None else first
        behind = paired_difference(first, rows)
        for name, chosen in groups(rows).items():
            extra = behind if name == "all" else {"behind": "", "behind_low": "", "behind_high": ""}
            table.append({"policy": policy, "modality": name, **summarise(chosen), **extra})
    loaded.controller.policy = before
    return table


def groups(rows: Sequence[Asked]) -> dict[str, list[Asked]]:
    """All rows, then those of each modality that was asked for."""
    named = {"all": list(rows)}
    for modality in Modality:
        here = [row for row in rows if row.modality == modality]
        if here:
            named[modality.name.lower()] = here
    return named


def paired_difference(first: Sequence[Asked], second: Sequence[Asked], n_draw: int = 2000) -> dict[str, float]:
    """Mean of (first - second) over the same questions, and its bootstrap 95 % interval."""
    seeds = sorted({row.seed for row in first})
    other = {(row.seed, row.number): row.correct for row in second}
    gains = [
        np.array([float(row.correct) - other[row.seed, row.number] for row in first if row.seed == seed])
        for seed in seeds
    ]
    rng = np.random.default_rng(0)
    draws = [
        np.concatenate([rng.choice(gains[i], len(gains[i])) for i in rng.integers(0, len(gains), len(gains))]).mean()
        for _ in range(n_draw)
    ]
    low, high = np.quantile(draws, (0.025, 0.975))
    mean = float(np.concatenate(gains).mean())
    return {"behind": round(mean, 4), "behind_low": round(float(low), 4), "behind_high": round(float(high), 4)}
