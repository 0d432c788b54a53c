"""Through which part of the state a fact reaches its answer: the working memory, the store, or the backbone's state.

A second run is like the first, except for the fact: wherever it was stated before the question, other text of the stream is put in its
place. From the first such segment to the question both runs continue, each with its own decisions. At the question, let y be the loss of
the answer as a function of the parts w (working memory), l (store) and b (the backbone's state and last hidden vectors), with ' for the run
without the fact:

total     y(w', l', b') - y(w, l, b)
alone     of the working memory y(w', l, b) - y(w, l, b): the natural indirect effect (Pearl, 2001; Vig et al., 2020, for hidden units)
restored  of the working memory y(w', l', b') - y(w, l', b'): what that part alone would bring back

Shares of the total need not add up to 1: a fact that two parts hold is lost by neither alone, so ``alone`` is too small and ``restored``
too large. ``remainder`` is 1 less the sum of the shares of ``alone``.

Null: text that states no fact, as long and in the same segments, is replaced in the same way.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr

from memlens.analysis.support.result import finish
from memlens.causes.loss_changes import without_rounding
from memlens.causes.rerun import Rerun, StreamQuestion
from memlens.causes.token_replacement import TokenReplacement
from memlens.errors import AnalysisError
from memlens.model.model import MemoryModel
from memlens.model.segment import Segment
from memlens.model.state import MemoryState
from memlens.stats.bootstrap import cluster_means, percentiles
from memlens.stats.paired_effects import DRAWS, paired_effects
from memlens.threads import limited_threads

if TYPE_CHECKING:
    from memlens.recording import Recording

#: Path -> the fields of the state that belong to it.
PATHS = {"working memory": ("working",), "store": ("store",), "backbone": ("blocks", "tail", "tail_valid")}
FACTUAL, COUNTER, NULL = range(3)


@dataclass(frozen=True)
class _Fact:
    """A question, the positions before it that state its fact, and the first segment that they lie in."""

    asked: StreamQuestion
    stated: np.ndarray
    start: int


@limited_threads()
def mediation(
    recording: "Recording",
    model: MemoryModel,
    *,
    questions: int = 12,
    within: int = 4,
    sequence: int = 0,
    seed: int = 0,
) -> xr.Dataset:
    """How much of what a fact does to its answer goes through each part of the state.

    Parameters
    ----------
    recording : Recording
        With states and its stream.
    model : MemoryModel
        The one that the recording was made with.
    questions : int
        How many questions are asked again.
    within : int
        Only questions whose fact was first stated at most so many segments before them, and not in their own: these segments run again.
    sequence : int
        The sequence that is analysed.
    seed : int
        Of the choice of questions, of the replaced text and of the bootstrap.

    Returns
    -------
    xarray.Dataset
        Over ``(question, path)``: ``alone``, ``restored``, ``null_alone``, nats a token. Over ``(path)``: of ``alone`` what
        `memlens.stats.paired_effects` gives, ``share`` and ``share_restored`` with ``_low``, ``_high``: ratios of means, bootstrap over
        segments, NaN where the total is not above that of the null. Over ``(question)``: ``total``, ``null_total``, ``row``, ``segment``,
        ``distance``. Scalars: ``total_mean``, ``total_low``, ``total_high``, the same with ``null_``, ``total_p``, and ``remainder`` with
        ``_low``, ``_high``.

    Raises
    ------
    AnalysisError
        With fewer than 10 questions about such facts, or a recording without a stream.
    RecordingError
        When the model is not the one that the recording was made with, or no state was kept.
    """
    if within < 1:
        raise AnalysisError(f"within is {within}; give 1 or more segments")
    rerun = Rerun(recording, model, sequence)
    facts = _facts(rerun, within)
    chosen = rerun.choose([(fact.asked, [fact.start]) for fact in facts.values()], questions, seed)
    values = _measure(rerun, [facts[asked.row] for asked in chosen], seed)
    params = {"questions": questions, "within": within, "sequence": sequence, "seed": seed}
    return finish(
        _labelled(values, chosen, seed),
        "mediation",
        recording,
        len(chosen),
        params,
        asked=len(rerun.questions),
        unit="nat/token",
    )


def _facts(rerun: Rerun, within: int) -> dict[int, _Fact]:
    """Facts by the row of their question, of questions whose fact was stated at most ``within`` segments before, and not in their own."""
    found: dict[int, _Fact] = {}
    for asked in rerun.questions:
        stated = _stated(rerun, asked)
        if stated.size:
            start, last = int(stated[0]) // rerun.length, stated[-1] // rerun.length
            if asked.segment - start <= within and last < asked.segment:
                found[asked.row] = _Fact(asked, stated, start)
    return found


def _measure(rerun: Rerun, facts: list[_Fact], seed: int) -> np.ndarray:
    """Changes of loss, float [question, 2, 7], as `_paths` gives them."""
    replacement = TokenReplacement(rerun)
    found: dict[int, np.ndarray] = {}
    with torch.no_grad():
        for segment, state in rerun.states([fact.start for fact in facts]):
            for fact in (fact for fact in facts if fact.start == segment):
                random = np.random.default_rng([seed, fact.asked.row])
                found[fact.asked.row] = _paths(rerun, replacement, fact, state, random)
    return np.stack([found[fact.asked.row] for fact in facts])


def _labelled(values: np.ndarray, chosen: list[StreamQuestion], seed: int) -> xr.Dataset:
    """The result, from the changes of loss, float [question, 2, 7]."""
    total, null_total, alone, restored, null_alone = (
        values[:, 0, 0], values[:, 1, 0], values[:, 0, 1:4], values[:, 0, 4:], values[:, 1, 1:4],
    )  # fmt: skip
    unit = np.array([asked.segment for asked in chosen])
    whole = {name: v[0] for name, v in paired_effects(total[:, None], null_total[:, None], unit, seed).items()}
    of_total = ("mean", "low", "high", "null_mean", "null_low", "null_high", "p")
    return xr.Dataset(
        {
            "alone": (("question", "path"), alone),
            "restored": (("question", "path"), restored),
            "null_alone": (("question", "path"), null_alone),
            **{name: ("path", v) for name, v in paired_effects(alone, null_alone, unit, seed).items()},
            **_shares(total, alone, restored, unit, seed, whole),
            **{f"total_{name}": whole[name] for name in of_total},
            "total": ("question", total),
            "null_total": ("question", null_total),
            "row": ("question", [asked.row for asked in chosen]),
            "segment": ("question", unit),
            "distance": ("question", [asked.question.distance for asked in chosen]),
        },
        coords={"path": list(PATHS)},
    )


def _stated(rerun: Rerun, asked: StreamQuestion) -> np.ndarray:
    """Positions before the question that state its fact."""
    if asked.question.fact < 0:
        return np.zeros(0, int)
    return np.flatnonzero(rerun.stream.fact[: asked.question.position] == asked.question.fact)


def _paths(
    rerun: Rerun, replacement: TokenReplacement, fact: _Fact, state: MemoryState, random: np.random.Generator
) -> np.ndarray:
    """Changes of loss, float [2, 7]: of the fact and of the null, the total, each path alone, each path restored.

    Of a null for which there is not enough text, NaN. ``state`` is that before segment ``fact.start``.
    """
    asked, stated = fact.asked, fact.stated
    room = True

    def without(t: int, columns: Segment) -> Segment:
        nonlocal room
        own = stated[(stated >= t * rerun.length) & (stated < (t + 1) * rerun.length)]
        if not own.size:
            return columns
        columns = replacement.replace(columns, COUNTER, t, own, random)
        other = replacement.plain_stretch(t, own.size, random)
        room = room and other is not None
        return columns if other is None else replacement.replace(columns, NULL, t, other, random)

    columns, rows = rerun.run_rows(fact.start, state, 3, asked.segment, without)
    hidden, _ = rerun.model.encode(columns, rows)
    # for every row that is asked: the run that working memory, store and backbone are taken from
    combined = [(FACTUAL,) * 3]
    for other in (COUNTER, NULL):
        combined.append((other,) * 3)
        combined += [tuple(other if p == path else FACTUAL for p in range(3)) for path in range(3)]
        combined += [tuple(FACTUAL if p == path else other for p in range(3)) for path in range(3)]
    loss = _losses(rerun, asked, columns, hidden, rows, combined)
    out = np.empty((2, 7))
    for side in range(2):
        total, alone, restored = np.split(loss[1 + 7 * side : 8 + 7 * side], [1, 4])
        out[side] = without_rounding(np.concatenate((total - loss[0], alone - loss[0], total - restored)))
    out[1, :] = out[1] if room else np.nan
    return out


def _losses(
    rerun: Rerun,
    asked: StreamQuestion,
    columns: Any,
    hidden: torch.Tensor,
    rows: MemoryState,
    combined: list[tuple[int, ...]],
) -> np.ndarray:
    """Loss of the answer where each path comes from one of the runs, float [row], nats a token."""
    model = rerun.model
    working, store, backbone = (torch.tensor([one[p] for one in combined]) for p in range(3))
    mixed = rows.map(lambda x: x[backbone])
    mixed = replace(mixed, working=rows.working[working], store=rows.store.map(lambda x: x[store]))
    columns = columns.map(lambda x: x[backbone])
    context = model.write_context(hidden[backbone], columns, mixed)
    memory = model.memory(model.candidates(context, mixed), mixed)
    answers, _ = model.answer(rerun.question(asked, len(combined)), memory)
    return answers.loss[:, 0].double().cpu().numpy()


def _shares(
    total: np.ndarray, alone: np.ndarray, restored: np.ndarray, unit: np.ndarray, seed: int, whole: dict[str, Any]
) -> dict[str, Any]:
    """Shares of the mean total, with intervals; NaN where there is no total."""
    columns = np.concatenate((total[:, None], alone, restored), 1)
    drawn = cluster_means(columns, unit, DRAWS, seed)
    if not (whole["p"] <= 0.05 and whole["mean"] > whole["null_mean"] and (drawn[:, 0] > 0).all()):
        mean, low, high = (np.full(7, np.nan) for _ in range(3))
    else:
        shares = drawn[:, 1:] / drawn[:, :1]
        shares = np.concatenate((shares, 1 - shares[:, :3].sum(1, keepdims=True)), 1)
        own = columns.mean(0)
        mean = np.append(own[1:] / own[0], 1 - own[1:4].sum() / own[0])
        low, high = percentiles(shares, axis=0)
    out: dict[str, Any] = {}
    for end, values in (("", mean), ("_low", low), ("_high", high)):
        out |= {
            f"share{end}": ("path", values[:3]),
            f"share_restored{end}": ("path", values[3:6]),
            f"remainder{end}": values[6],
        }
    return out
