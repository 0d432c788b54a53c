"""Which tokens, slots and entries an answer is owed to: captum over the path from tokens to the answer.

What is shared out is f(tokens) - f(baseline), nats a token of the answer, on a differentiable path: the entries that the answer read most
are computed again from their tokens, with all decisions held. The baseline is the mean embedding everywhere, a token that could be any.

integrated gradients   (x - b) times the mean gradient on the line from b to x (Sundararajan et al., 2017); shares add up to the difference,
                       and ``delta`` is by how much they fail to
ablation, occlusion    windows of ``width`` tokens are replaced, occlusion's overlap by half (Zeiler and Fergus, 2014)
conductance            the same difference, shared out among slots, and among entries (Dhamdhere et al., 2019)

Checks, each with its null:

on_fact                the part of the positive attribution on the fact that was asked for; null: the part of the tokens that state it
comprehensiveness,     how much the answer's probability (geometric mean over its tokens) falls without the top tokens, and with them alone
sufficiency            (DeYoung et al., 2020), mean over shares of 1 to 50 % of the tokens; null: random tokens
random_weights         rank correlation with the attribution of an untrained model of the same sizes (Adebayo et al., 2018); null: shuffled
                       tokens. Far from 0, the attribution would show the architecture
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr

from memlens.analysis.support.result import finish
from memlens.causes.differentiable_path import DifferentiablePath
from memlens.causes.path_attribution import BATCH, METHODS, conductance, followed_paths, token_attribution
from memlens.causes.rerun import Rerun, StreamQuestion
from memlens.errors import AnalysisError, closest
from memlens.model.model import MemoryModel
from memlens.stats.correlation import rank_correlation
from memlens.stats.paired_effects import paired_effects
from memlens.threads import limited_threads

if TYPE_CHECKING:
    from memlens.recording import Recording

#: Shares of the tokens that are taken away, or kept alone.
BINS = (0.01, 0.05, 0.1, 0.2, 0.5)
#: The checks of an attribution.
MEASURES = ("on_fact", "comprehensiveness", "sufficiency", "random_weights")
QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class _Answer:
    """The attribution of one answer.

    ``tokens`` float [token], ``slots`` float [source] and ``entries`` float [read] in nats, ``scores`` float [2, measure] of the checks and
    their nulls, ``difference`` f(tokens) - f(baseline), ``loss`` nats a token.
    """

    asked: StreamQuestion
    path: DifferentiablePath
    tokens: np.ndarray
    scores: np.ndarray
    slots: np.ndarray
    entries: np.ndarray
    difference: float
    loss: float


@limited_threads()
def attribution(
    recording: "Recording",
    model: MemoryModel,
    *,
    method: str = "integrated_gradients",
    questions: int = 10,
    sources: int = 2,
    reach: int = 24,
    steps: int = 32,
    width: int = 4,
    draws: int = 4,
    sequence: int = 0,
    seed: int = 0,
) -> xr.Dataset:
    """Share out an answer's log-probability among the tokens that its entries were written from.

    Parameters
    ----------
    recording : Recording
        With states and its stream.
    model : MemoryModel
        The one that the recording was made with.
    method : str
        "integrated_gradients", "ablation" or "occlusion".
    questions : int
        How many questions.
    sources : int
        Most slots that are followed back for one question.
    reach : int
        Tokens before a slot's window that count as its source as well. Those before are held.
    steps : int
        Points of the integral (Gauss-Legendre).
    width : int
        Tokens in a window that is replaced.
    draws : int
        Random rankings of a null.
    sequence, seed : int
        The sequence that is analysed; the seed of the choice of questions, of the nulls and of the bootstrap.

    Returns
    -------
    xarray.Dataset
        Over ``(question, token)``: ``attribution`` (nats a token of the answer) and ``position`` in the stream. Over
        ``(question, source)``: ``slot_conductance``; ``(question, read)``: ``entry_conductance`` and ``read_weight``. All NaN, or -1,
        beyond a question's last. Over ``(question, measure)``: ``score``, ``null_score``. Over ``(measure)``: what
        `memlens.stats.paired_effects` gives. Over ``(question)``: ``difference``, ``total`` of the attribution, ``delta`` and
        ``conductance_delta``, ``loss``, ``row``, ``segment``. Over ``(quartile, rank)``: ``by_rank``, quartiles over questions of the
        attribution of the token of this rank, 0 beyond a question's last. Scalars: ``even``, what each token would have of the mean
        difference; ``missing``, the median of ``delta`` without its sign.

    Raises
    ------
    AnalysisError
        With an unknown method, or fewer than 10 questions whose reads can be followed.
    RecordingError
        When the model is not the one that the recording was made with, or no state was kept.
    """
    if method not in METHODS:
        raise AnalysisError(f"no method '{method}'; {closest(method, METHODS)}")
    if min(sources, steps, width, draws) < 1 or reach < 0:
        raise AnalysisError(
            f"sources is {sources}, steps {steps}, width {width}, draws {draws}, reach {reach}; give 1 or more of each, 0 or more of reach"
        )
    rerun = Rerun(recording, model, sequence)
    params = {
        "method": method, "questions": questions, "sources": sources, "reach": reach, "steps": steps, "width": width, "draws": draws,
        "sequence": sequence, "seed": seed,
    }  # fmt: skip
    rows = _answers(rerun, **params)
    dataset = _labelled(rows, seed)
    return finish(dataset, "attribution", recording, len(rows), params, asked=len(rerun.questions), unit="nat/token")


def _answers(
    rerun: Rerun,
    *,
    method: str,
    questions: int,
    sources: int,
    reach: int,
    steps: int,
    width: int,
    draws: int,
    sequence: int,
    seed: int,
) -> list[_Answer]:
    other = _untrained(rerun.model, seed)
    rows = []
    for asked, path in followed_paths(rerun, questions, sources, reach, seed):
        random = np.random.default_rng([seed, asked.row])
        found = token_attribution(path, method, steps, width)
        scores = _scores(rerun, path, asked, found, random, draws)
        blind = token_attribution(path.with_weights(other), method, steps, width)
        scores[:, MEASURES.index("random_weights")] = _alike(found, blind, random, draws)
        with torch.no_grad():
            given, without = path(torch.cat((path.given(), path.nothing()))).double().tolist()
        slots, entries = conductance(path, steps)
        rows.append(_Answer(asked, path, found, scores, slots, entries, given - without, -given))
    return rows


def _labelled(rows: list[_Answer], seed: int) -> xr.Dataset:
    unit = np.array([row.asked.segment for row in rows])
    score, null = (np.stack([row.scores[side] for row in rows]) for side in (0, 1))
    difference, loss = np.array([row.difference for row in rows]), np.array([row.loss for row in rows])
    total = np.array([row.tokens.sum() for row in rows])
    ranked = -np.sort(-_padded([row.tokens for row in rows], 0.0), 1)
    return xr.Dataset(
        {
            "attribution": (("question", "token"), _padded([row.tokens for row in rows], np.nan)),
            "position": (("question", "token"), _padded([row.path.position for row in rows], -1)),
            "slot_conductance": (("question", "source"), _padded([row.slots for row in rows], np.nan)),
            "entry_conductance": (("question", "read"), _padded([row.entries for row in rows], np.nan)),
            "read_weight": (("question", "read"), _padded([np.array(row.path.reading.weight) for row in rows], np.nan)),
            "score": (("question", "measure"), score),
            "null_score": (("question", "measure"), null),
            **{name: ("measure", v) for name, v in paired_effects(score, null, unit, seed).items()},
            "difference": ("question", difference),
            "total": ("question", total),
            "delta": ("question", total - difference),
            "missing": float(np.median(np.abs(total - difference))),
            "by_rank": (("quartile", "rank"), np.quantile(ranked, QUARTILES, axis=0)),
            "even": float(difference.mean() / np.mean([row.tokens.size for row in rows])),
            "conductance_delta": ("question", np.array([row.entries.sum() for row in rows]) - difference),
            "loss": ("question", loss),
            "row": ("question", [row.asked.row for row in rows]),
            "segment": ("question", unit),
        },
        coords={"measure": list(MEASURES), "quartile": list(QUARTILES)},
    )


def _untrained(model: MemoryModel, seed: int) -> MemoryModel:
    """A model of the same sizes with fresh random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MemoryModel(model.cfg, model.tokenizer, "untrained").to(model.device).eval()


def _scores(
    rerun: Rerun,
    path: DifferentiablePath,
    asked: StreamQuestion,
    found: np.ndarray,
    random: np.random.Generator,
    draws: int,
) -> np.ndarray:
    """Scores of the checks and of their nulls, float [2, measure]; NaN where there is none."""
    out = np.full((2, len(MEASURES)), np.nan)
    fact = (rerun.stream.fact[path.position] == asked.question.fact) & (asked.question.fact >= 0)
    positive = np.clip(found, 0, None)
    if fact.any() and positive.sum() > 0:
        out[:, 0] = positive[fact].sum() / positive.sum(), fact.mean()
    rankings = [np.argsort(-found, kind="stable"), *(random.permutation(found.size) for _ in range(draws))]
    scores = _erased(path, rankings)
    out[0, 1:3], out[1, 1:3] = scores[0], scores[1:].mean(0)
    return out


def _erased(path: DifferentiablePath, rankings: Sequence[np.ndarray]) -> np.ndarray:
    """Comprehensiveness and sufficiency of each ranking of the tokens, float [ranking, 2]."""
    x, nothing = path.given(), path.nothing()
    n = x.shape[1]
    kept = [torch.ones(n, dtype=torch.bool)]
    for ranking in rankings:
        for share in BINS:
            top = torch.zeros(n, dtype=torch.bool)
            top[torch.from_numpy(ranking[: max(1, round(share * n))].copy())] = True
            kept += [~top, top]
    mask = torch.stack(kept)[..., None].to(x.device)
    with torch.no_grad():
        rows = [path(torch.where(part, x, nothing)) for part in mask.split(BATCH)]
    probability = torch.cat(rows).double().exp().cpu().numpy()
    return (probability[0] - probability[1:]).reshape(len(rankings), len(BINS), 2).mean(1)


def _alike(found: np.ndarray, other: np.ndarray, random: np.random.Generator, draws: int) -> tuple[float, float]:
    """Rank correlation of two attributions, and the mean of that with shuffled tokens."""
    null = [rank_correlation(found, random.permutation(other)) for _ in range(draws)]
    return rank_correlation(found, other), float(np.mean(null))


def _padded(rows: Sequence[np.ndarray], fill: float) -> np.ndarray:
    out = np.full((len(rows), max(map(len, rows))), fill, dtype=np.result_type(rows[0], type(fill)))
    for at, row in enumerate(rows):
        out[at, : len(row)] = row
    return out
