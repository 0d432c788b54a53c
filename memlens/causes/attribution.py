"""Which tokens, slots and entries an answer is owed to: captum over the way from tokens to the answer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from memlens.analysis.support.result import finish
from memlens.analysis.support.statistics import rank_correlation
from memlens.causes.differentiable_path import DifferentiablePath, ReadAncestry
from memlens.causes.paired_effects import paired_effects
from memlens.causes.rerun import Rerun, StreamQuestion
from memlens.errors import AnalysisError, closest
from memlens.model.model import MemoryModel

if TYPE_CHECKING:
    from memlens.recording import Recording

METHODS = ("integrated_gradients", "ablation", "occlusion")
#: Shares of the tokens that are taken away, or kept alone.
BINS = (0.01, 0.05, 0.1, 0.2, 0.5)
#: What is measured of attributions.
MEASURES = ("on_fact", "comprehensiveness", "sufficiency", "random_weights")
QUARTILES = (0.25, 0.5, 0.75)
#: Rows of a batch.
BATCH = 32
#: Part of the line over which the move of a layer is measured, to either side.
MOVE = 1e-3


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

    From f(tokens) - f(baseline), nats a token, on a differentiable path: the entries that the answer read most are written
    anew from their tokens, decisions held. The baseline is a token that could be any (the mean embedding) everywhere. Integrated gradients
    (Sundararajan et al., 2017): (x - b) times the mean gradient on the line from b to x; shares add up to the difference, and ``delta``
    is by how much they fail to. Ablation and occlusion replace windows of ``width`` tokens (occlusion's overlap by half; Zeiler and
    Fergus, 2014) and measure. Conductance (Dhamdhere et al., 2019): the same difference, shared out among slots, and among entries.

    Checks, each with its null: ``on_fact``, the part of the positive attribution on the fact that was asked for, against the part of
    the tokens that state it; ``comprehensiveness`` and ``sufficiency`` (DeYoung et al., 2020), how much the answer's probability (geometric
    mean over its tokens) falls without the top tokens, and with them alone, mean over shares of 1 to 50 % of the tokens, against random
    tokens; ``random_weights`` (Adebayo et al., 2018), the rank correlation with the attribution of a model of the same sizes that has
    learned nothing, against that with shuffled tokens: far from 0, the attribution would show the architecture.

    Parameters
    ----------
    method
        "integrated_gradients", "ablation" or "occlusion".
    questions
        How many questions.
    sources
        Most slots that are followed back for one question.
    reach
        Tokens before a slot's window that count as its source as well. Those before are held.
    steps
        Points of the integral (Gauss-Legendre).
    width
        Tokens in a window that is replaced.
    draws
        Random rankings of a null.

    Returns
    -------
    xarray.Dataset
        Over ``(question, token)``: ``attribution`` (nats a token of the answer) and ``position`` in the stream. Over
        ``(question, source)``: ``slot_conductance``; ``(question, read)``: ``entry_conductance`` and ``read_weight``. All NaN, or -1,
        beyond a question's last. Over ``(question, measure)``: ``score``, ``null_score``. Over ``(measure)``: what
        `paired_effects` gives. Over ``(question)``: ``difference`` f(tokens) - f(baseline), ``total`` of the attribution, ``delta`` and
        ``conductance_delta``, ``loss``, ``row``, ``segment``. Over ``(quartile, rank)``: ``by_rank``, quartiles over questions of the
        attribution of the token ranked so, 0 beyond a question's last; ``even``, what each would have of the mean difference. ``missing``,
        the median of ``delta`` without its sign.

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
    other = _untrained(model, seed)
    rows = []
    for asked, path in followed_paths(rerun, questions, sources, reach, seed):
        random = np.random.default_rng([seed, asked.row])
        found = token_attribution(path, method, steps, width)
        measured = _measured(rerun, path, asked, found, random, draws)
        blind = token_attribution(path.with_weights(other), method, steps, width)
        measured[:, MEASURES.index("random_weights")] = _alike(found, blind, random, draws)
        with torch.no_grad():
            given, without = path(torch.cat((path.given(), path.nothing()))).double().tolist()
        rows.append((asked, path, found, measured, *conductance(path, steps), given - without, -given))
    unit = np.array([row[0].segment for row in rows])
    score, null = (np.stack([row[3][side] for row in rows]) for side in (0, 1))
    difference, loss = (np.array([row[i] for row in rows]) for i in (6, 7))
    total = np.array([row[2].sum() for row in rows])
    ranked = -np.sort(-_padded([row[2] for row in rows], 0.0), 1)
    dataset = xr.Dataset(
        {
            "attribution": (("question", "token"), _padded([row[2] for row in rows], np.nan)),
            "position": (("question", "token"), _padded([row[1].position for row in rows], -1)),
            "slot_conductance": (("question", "source"), _padded([row[4] for row in rows], np.nan)),
            "entry_conductance": (("question", "read"), _padded([row[5] for row in rows], np.nan)),
            "read_weight": (("question", "read"), _padded([np.array(row[1].reading.weight) for row in rows], np.nan)),
            "score": (("question", "measure"), score),
            "null_score": (("question", "measure"), null),
            **{name: ("measure", v) for name, v in paired_effects(score, null, unit, seed).items()},
            "difference": ("question", difference),
            "total": ("question", total),
            "delta": ("question", total - difference),
            "missing": float(np.median(np.abs(total - difference))),
            "by_rank": (("quartile", "rank"), np.quantile(ranked, QUARTILES, axis=0)),
            "even": float(difference.mean() / np.mean([row[2].size for row in rows])),
            "conductance_delta": ("question", np.array([row[5].sum() for row in rows]) - difference),
            "loss": ("question", loss),
            "row": ("question", [row[0].row for row in rows]),
            "segment": ("question", unit),
        },
        coords={"measure": list(MEASURES), "quartile": list(QUARTILES)},
    )
    params = {
        "method": method, "questions": questions, "sources": sources, "reach": reach, "steps": steps, "width": width, "draws": draws,
        "sequence": sequence, "seed": seed,
    }  # fmt: skip
    return finish(dataset, "attribution", recording, len(rows), params, asked=len(rerun.questions), unit="nat/token")


def followed_paths(
    rerun: Rerun, questions: int, sources: int, reach: int, seed: int, within: int | None = None
) -> list[tuple[StreamQuestion, DifferentiablePath]]:
    """Questions whose reads can be followed, each with its path; ``within`` so many segments of it, where that is given."""
    ancestry = ReadAncestry(rerun)
    reading = {asked.row: ancestry.reading(asked, sources) for asked in rerun.questions}
    among = []
    for asked in rerun.questions:
        found = reading[asked.row]
        if found is not None:
            needed = ancestry.segments(found)
            if within is None or asked.segment - min(needed) <= within:
                among.append((asked, [*needed, asked.segment]))
    chosen = rerun.choose(among, questions, seed)
    wanted = {asked.row: needed for asked, needed in among}
    states = dict(rerun.states([segment for asked in chosen for segment in wanted[asked.row]]))
    out = []
    for asked in chosen:
        found = reading[asked.row]
        assert found is not None
        out.append((asked, DifferentiablePath(rerun, ancestry, asked, found, states, reach)))
    return out


def _untrained(model: MemoryModel, seed: int) -> MemoryModel:
    """A model of the same sizes whose weights are drawn anew."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MemoryModel(model.cfg, model.tokenizer, "untrained").to(model.device).eval()


def token_attribution(path: DifferentiablePath, method: str, steps: int, width: int) -> np.ndarray:
    """Attribution of each token of a path, nats, (token,)."""
    from captum.attr import FeatureAblation, IntegratedGradients, Occlusion

    x, nothing = path.given(), path.nothing()
    if method == "integrated_gradients":
        found = IntegratedGradients(path).attribute(x, nothing, n_steps=steps, internal_batch_size=BATCH)
        return _plain(found.sum(-1))
    with torch.no_grad():
        if method == "ablation":
            window = token_windows(path, width)
            mask = torch.from_numpy(window)[None, :, None].expand_as(x)
            kinds = FeatureAblation(path).attribute(x, nothing, feature_mask=mask, perturbations_per_eval=BATCH)
            # a window's change is given to each feature of each of its tokens: shared out, it is given once
            return _plain(kinds[..., 0]) / np.bincount(window)[window]
        shape = (min(width, x.shape[1]), x.shape[2])
        kinds = Occlusion(path).attribute(
            x, shape, strides=(max(width // 2, 1), x.shape[2]), baselines=nothing, perturbations_per_eval=BATCH
        )
        return _plain(kinds[..., 0]) / width


def token_windows(path: DifferentiablePath, width: int) -> np.ndarray:
    """Number of the window of ``width`` tokens that each token is in, (token,); none holds tokens of two slices."""
    number, out = 0, np.empty(len(path.position), int)
    for source in range(len(path.slices)):
        own = np.flatnonzero(path.source == source)
        # counted from the end, where the slot is
        out[own] = number + np.arange(own.size)[::-1] // width
        number += -(-own.size // width)
    return out


def conductance(path: DifferentiablePath, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Conductance of slots and of entries, nats: sum over nodes of (gradient at the layer) x (how the layer moves along the line).

    As captum's LayerConductance, which takes the layer's moves from one node to the next: where an answer hangs on a short part of the
    line, as here, that misses up to half of the difference. The moves at the nodes themselves miss no more than integrated gradients do.
    """
    x, nothing = path.given(), path.nothing()
    node, weight = (torch.from_numpy(y).to(x)[:, None, None] / 2 for y in np.polynomial.legendre.leggauss(steps))
    parts = []
    for at, share in zip(node.split(BATCH), weight.split(BATCH), strict=True):
        rows = [nothing + (at + 0.5 + move) * (x - nothing) for move in (0.0, -MOVE, MOVE)]
        out, here = _layers(path, rows[0])
        slope = torch.autograd.grad(out.sum(), here)
        with torch.no_grad():
            before, after = (_layers(path, moved)[1] for moved in rows[1:])
        moves = [(b - a) / (2 * MOVE) for a, b in zip(before, after, strict=True)]
        parts.append([(share * g * v).sum((0, 2)).double().cpu().numpy() for g, v in zip(slope, moves, strict=True)])
    slots, entries = (np.sum(layer, 0) for layer in zip(*parts, strict=True))
    return slots, entries


def _layers(path: DifferentiablePath, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """What a path gives, and what passes its slots and its entries."""
    passed: list[Tensor] = []

    def note(_: object, __: object, y: Tensor) -> None:
        passed.append(y)

    hooks = [layer.register_forward_hook(note) for layer in (path.slots, path.entries)]
    try:
        return path(x), passed
    finally:
        for hook in hooks:
            hook.remove()


def _measured(
    rerun: Rerun,
    path: DifferentiablePath,
    asked: StreamQuestion,
    found: np.ndarray,
    random: np.random.Generator,
    draws: int,
) -> np.ndarray:
    """Scores and null scores, (2, measure)."""
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
    """Comprehensiveness and sufficiency of each ranking of the tokens, (ranking, 2)."""
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


def _plain(x: Tensor) -> np.ndarray:
    return x[0].detach().double().cpu().numpy()


def _padded(rows: Sequence[np.ndarray], fill: float) -> np.ndarray:
    out = np.full((len(rows), max(map(len, rows))), fill, dtype=np.result_type(rows[0], type(fill)))
    for at, row in enumerate(rows):
        out[at, : len(row)] = row
    return out
