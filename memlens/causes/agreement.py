"""Do attribution, lineage and real ablation point at the same tokens?"""

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr

from memlens.analysis.support.result import finish
from memlens.analysis.support.statistics import rank_correlation
from memlens.causes.attribution import followed_paths, token_attribution
from memlens.causes.differentiable_path import DifferentiablePath
from memlens.causes.paired_effects import paired_effects, without_rounding
from memlens.causes.rerun import Rerun, StreamQuestion
from memlens.causes.token_replacement import TokenReplacement
from memlens.errors import AnalysisError
from memlens.model.model import MemoryModel
from memlens.model.segment import Segment

if TYPE_CHECKING:
    from memlens.recording import Recording

WAYS = ("integrated gradients", "ablation on the path", "lineage", "run again without")
PAIRS = tuple(combinations(range(len(WAYS)), 2))


def agreement(
    recording: "Recording",
    model: MemoryModel,
    *,
    questions: int = 10,
    width: int = 8,
    sources: int = 2,
    reach: int = 24,
    steps: int = 16,
    within: int = 1,
    draws: int = 19,
    sequence: int = 0,
    seed: int = 0,
) -> xr.Dataset:
    """Rank windows of tokens by four measures of what they mean to an answer, and compare the ranks question by question.

    Of each window of the tokens that the answer's entries were written from: its integrated gradients and its ablation on the path
    (`attribution`), its share of the lineage (`memlens.analysis.answer_sources`: read weight x parents' shares x write attention), and what
    the answer loses when the stream is run again with other text of the stream in the window's place, all decisions free. The last
    is the cause; the others are cheaper, and may be wrong.

    Null: one of the two has its windows shuffled, question by question.

    Parameters
    ----------
    width
        Tokens in a window.
    within
        Only questions whose sources lie at most so many segments before them: the way between is run again for every window.
    sources, reach, steps
        As in `attribution`; ranks need fewer steps than sums.
    draws
        Shuffles of a null.

    Returns
    -------
    xarray.Dataset
        Over ``(question, pair)``: ``rho``, Spearman's rank correlation over windows, and ``null_rho``; ``top``, whether both have the same
        window first, and ``null_top``; NaN where one of the two is the same everywhere. Over ``(pair)``: ``first``, ``second``, of ``rho``
        what `paired_effects` gives, and of ``top`` the same as ``top_mean`` and so on. Over ``(question, window, way)``:
        ``importance``, NaN beyond a question's last window; ``row``, ``segment``.

    Raises
    ------
    AnalysisError
        With fewer than 10 questions whose reads can be followed so far.
    RecordingError
        When the model is not the one that the recording was made with, or no state or write attention was kept.
    """
    if min(width, sources, steps, draws, within + 1) < 1 or reach < 0:
        raise AnalysisError(
            f"width is {width}, sources {sources}, steps {steps}, draws {draws}, within {within}, reach {reach}; give 1 or more of the "
            "first four, 0 or more of the others"
        )
    rerun = Rerun(recording, model, sequence)
    replacement = TokenReplacement(rerun)
    found = []
    chosen = followed_paths(rerun, questions, sources, reach, seed, within)
    for asked, path in chosen:
        window = token_windows(path, width)
        by_token = [
            token_attribution(path, "integrated_gradients", steps, width),
            token_attribution(path, "ablation", steps, width),
            _lineage(path),
        ]
        random = np.random.default_rng([seed, asked.row])
        # what is next to nothing has no rank
        ways = [without_rounding(np.bincount(window, values)) for values in by_token]
        found.append(np.stack([*ways, _again(rerun, replacement, asked, path, window, random)]))
    unit = np.array([asked.segment for asked, _ in chosen])
    scores = np.stack(
        [_compared(ways, np.random.default_rng([seed, 1, i]), draws) for i, ways in enumerate(found)]
    )  # question, (rho, null, top, null), pair
    importance = np.full((len(found), max(ways.shape[1] for ways in found), len(WAYS)), np.nan)
    for at, ways in enumerate(found):
        importance[at, : ways.shape[1]] = ways.T
    top = {f"top_{name}": values for name, values in paired_effects(scores[:, 2], scores[:, 3], unit, seed).items()}
    names = ("rho", "null_rho", "top", "null_top")
    dataset = xr.Dataset(
        {
            **{name: (("question", "pair"), scores[:, i]) for i, name in enumerate(names)},
            **{name: ("pair", v) for name, v in (paired_effects(scores[:, 0], scores[:, 1], unit, seed) | top).items()},
            "first": ("pair", [WAYS[a] for a, _ in PAIRS]),
            "second": ("pair", [WAYS[b] for _, b in PAIRS]),
            "importance": (("question", "window", "way"), importance),
            "row": ("question", [asked.row for asked, _ in chosen]),
            "segment": ("question", unit),
        },
        coords={"way": list(WAYS)},
    )
    params = {
        "questions": questions, "width": width, "sources": sources, "reach": reach, "steps": steps, "within": within, "draws": draws,
        "sequence": sequence, "seed": seed,
    }  # fmt: skip
    return finish(dataset, "agreement", recording, len(found), params, asked=len(rerun.questions))


def _lineage(path: DifferentiablePath) -> np.ndarray:
    """Share of the answer that lineage gives to each token of a path, (token,)."""
    reading, out = path.reading, np.zeros(len(path.position))
    at, written = path.tree.writes(np.array(reading.sources))
    for source, share in enumerate(reading.share):
        own = np.flatnonzero(path.source == source)
        spread = dict(zip(at[source].tolist(), written[source].tolist(), strict=True))
        out[own] = [share * spread.get(int(position), 0.0) for position in path.position[own]]
    return out


def _again(
    rerun: Rerun,
    replacement: TokenReplacement,
    asked: StreamQuestion,
    path: DifferentiablePath,
    window: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """Loss that the answer gains when the stream is run again without each window, nats a token, (window,)."""
    n = int(window.max()) + 2
    start = int(path.position.min()) // rerun.length
    [(_, state)] = rerun.states([start])

    def without(t: int, columns: Segment) -> Segment:
        # the last row is the run as it was
        for row in range(n - 1):
            columns = replacement.replace(columns, row, t, np.unique(path.position[window == row]), random)
        return columns

    with torch.no_grad():
        columns, rows = rerun.run_rows(start, state, n, asked.segment, without)
        _, context, _ = rerun.model.perceive(columns, rows)
        memory = rerun.model.memory(rerun.model.candidates(context, rows), rows)
        answers, _ = rerun.model.answer(rerun.question(asked, n), memory)
    loss = answers.loss[:, 0].double().cpu().numpy()
    return without_rounding(loss[:-1] - loss[-1])


def _compared(ways: np.ndarray, random: np.random.Generator, draws: int) -> np.ndarray:
    """Rank correlation, its null, same first window, its null, (4, pair)."""
    out = np.full((4, len(PAIRS)), np.nan)
    orders = [random.permutation(ways.shape[1]) for _ in range(draws)]
    for at, (a, b) in enumerate(PAIRS):
        out[0, at] = rank_correlation(ways[a], ways[b])
        if np.isnan(out[0, at]):
            continue
        out[1, at] = np.mean([rank_correlation(ways[a], ways[b][order]) for order in orders])
        first, second = ways[a].argmax(), ways[b]
        out[2, at] = float(first == second.argmax())
        out[3, at] = np.mean([first == second[order].argmax() for order in orders])
    return out
