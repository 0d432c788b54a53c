"""Do attribution, lineage and real ablation point at the same tokens?

Four measures of what a window of tokens means to an answer, of the tokens that the answer's entries were written from:

integrated gradients   on the differentiable path (`attribution`)
ablation on the path   the same path, with the window replaced
lineage                `memlens.analysis.answer_sources`: read weight x parents' shares x write attention
run again without      the loss that the answer gains when the stream is run again with other text of the stream in the window's place, all
                       decisions free: the cause. The others are cheaper, and may be wrong

Null: one of the two has its windows shuffled, question by question.
"""

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr

from memlens.analysis.support.result import finish
from memlens.causes.differentiable_path import DifferentiablePath
from memlens.causes.loss_changes import without_rounding
from memlens.causes.path_attribution import followed_paths, token_attribution, token_windows
from memlens.causes.rerun import Rerun, StreamQuestion
from memlens.causes.token_replacement import TokenReplacement
from memlens.errors import AnalysisError
from memlens.model.model import MemoryModel
from memlens.model.segment import Segment
from memlens.stats.correlation import rank_correlation
from memlens.stats.paired_effects import paired_effects
from memlens.threads import limited_threads

if TYPE_CHECKING:
    from memlens.recording import Recording

WAYS = ("integrated gradients", "ablation on the path", "lineage", "run again without")
PAIRS = tuple(combinations(range(len(WAYS)), 2))


@limited_threads()
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

    Parameters
    ----------
    recording : Recording
        With states, write attention and its stream.
    model : MemoryModel
        The one that the recording was made with.
    questions : int
        How many questions.
    width : int
        Tokens in a window.
    sources, reach, steps : int
        As in `attribution`; ranks need fewer steps than sums.
    within : int
        Only questions whose sources lie at most so many segments before them: these segments run again for every window.
    draws : int
        Shuffles of a null.
    sequence, seed : int
        The sequence that is analysed; the seed of the choice of questions, of the replaced text, of the nulls and of the bootstrap.

    Returns
    -------
    xarray.Dataset
        Over ``(question, pair)``: ``rho``, Spearman's rank correlation over windows, and ``null_rho``; ``top``, whether both have the same
        window first, and ``null_top``; NaN where one of the two is the same everywhere. Over ``(pair)``: ``first``, ``second``, of ``rho``
        what `memlens.stats.paired_effects` gives, and of ``top`` the same as ``top_mean`` and so on. Over ``(question, window, way)``:
        ``importance``, NaN beyond a question's last window; ``row``, ``segment``.

    Raises
    ------
    AnalysisError
        With fewer than 10 questions whose reads can be followed.
    RecordingError
        When the model is not the one that the recording was made with, or no state or write attention was kept.
    """
    if min(width, sources, steps, draws, within + 1) < 1 or reach < 0:
        raise AnalysisError(
            f"width is {width}, sources {sources}, steps {steps}, draws {draws}, within {within}, reach {reach}; give 1 or more of the "
            "first four, 0 or more of the others"
        )
    rerun = Rerun(recording, model, sequence)
    chosen = followed_paths(rerun, questions, sources, reach, seed, within)
    found = _importance(rerun, chosen, steps, width, seed)
    dataset = _labelled(found, [asked for asked, _ in chosen], draws, seed)
    params = {
        "questions": questions, "width": width, "sources": sources, "reach": reach, "steps": steps, "within": within, "draws": draws,
        "sequence": sequence, "seed": seed,
    }  # fmt: skip
    return finish(dataset, "agreement", recording, len(found), params, asked=len(rerun.questions))


def _importance(
    rerun: Rerun, chosen: list[tuple[StreamQuestion, DifferentiablePath]], steps: int, width: int, seed: int
) -> list[np.ndarray]:
    """Importance of each window by each of ``WAYS``, float [way, window], question by question."""
    replacement = TokenReplacement(rerun)
    found = []
    for asked, path in chosen:
        window = token_windows(path, width)
        by_token = [
            token_attribution(path, "integrated_gradients", steps, width),
            token_attribution(path, "ablation", steps, width),
            _lineage(path),
        ]
        random = np.random.default_rng([seed, asked.row])
        # differences that are only rounding would get ranks
        ways = [without_rounding(np.bincount(window, values)) for values in by_token]
        found.append(np.stack([*ways, _again(rerun, replacement, asked, path, window, random)]))
    return found


def _labelled(found: list[np.ndarray], chosen: list[StreamQuestion], draws: int, seed: int) -> xr.Dataset:
    unit = np.array([asked.segment for asked in chosen])
    scores = np.stack(
        [_compared(ways, np.random.default_rng([seed, 1, i]), draws) for i, ways in enumerate(found)]
    )  # question, (rho, null, top, null), pair
    importance = np.full((len(found), max(ways.shape[1] for ways in found), len(WAYS)), np.nan)
    for at, ways in enumerate(found):
        importance[at, : ways.shape[1]] = ways.T
    top = {f"top_{name}": values for name, values in paired_effects(scores[:, 2], scores[:, 3], unit, seed).items()}
    names = ("rho", "null_rho", "top", "null_top")
    return xr.Dataset(
        {
            **{name: (("question", "pair"), scores[:, i]) for i, name in enumerate(names)},
            **{name: ("pair", v) for name, v in (paired_effects(scores[:, 0], scores[:, 1], unit, seed) | top).items()},
            "first": ("pair", [WAYS[a] for a, _ in PAIRS]),
            "second": ("pair", [WAYS[b] for _, b in PAIRS]),
            "importance": (("question", "window", "way"), importance),
            "row": ("question", [asked.row for asked in chosen]),
            "segment": ("question", unit),
        },
        coords={"way": list(WAYS)},
    )


def _lineage(path: DifferentiablePath) -> np.ndarray:
    """Share of the answer that lineage gives to each token of a path, float [token]."""
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
    """Loss that the answer gains when the stream is run again without each window, float [window], nats a token."""
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
    """Rank correlation and its null, whether the first window is the same and its null, float [4, pair]."""
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
