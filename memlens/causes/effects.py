"""What each slot, entry, level and decision does to an answer: take it away, and see.

Causes by kind: "entry", of the places that the answer read in each part of memory (fresh slots of its segment, working memory, each level
of the store), the one read most is emptied; "slot", each working slot is hidden from the question; "level", a whole part of memory is;
"action", the controller is forced, ``lag`` segments before, to another decision on the stored entry that was read most.

Null: the same is done to something that the answer did not read: to another place of the same part (entry), to as many places of other
parts (slot, level), to another entry of the same level (action). Where reading shows what matters, the null does nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from memlens.analysis.support.result import ACTIONS, finish
from memlens.causes.loss_changes import without_rounding
from memlens.causes.rerun import Rerun, StreamQuestion
from memlens.dims import Action
from memlens.errors import AnalysisError, closest
from memlens.interventions.branches import advance, branch
from memlens.interventions.control import DECISIVE
from memlens.model.answers import Questions
from memlens.model.model import MemoryModel
from memlens.model.state import Memory, MemoryState
from memlens.stats.paired_effects import paired_effects
from memlens.threads import limited_threads

if TYPE_CHECKING:
    from memlens.recording import Recording

KINDS = ("entry", "slot", "level", "action")


#: What is measured of each question and cause: changes of loss (nats a token) and of exactness, and those of the null.
CHANGES = ("effect", "null_effect", "correct_change", "null_correct_change")


@limited_threads()
def effects(
    recording: "Recording",
    model: MemoryModel,
    *,
    what: Sequence[str] = KINDS,
    questions: int = 16,
    lag: int = 1,
    sequence: int = 0,
    seed: int = 0,
) -> xr.Dataset:
    """Change of an answer's loss when one thing is other than it was, all else being as it was: do(x) in Pearl's (2009) sense.

    Parameters
    ----------
    recording : Recording
        With states and its stream.
    model : MemoryModel
        The one that the recording was made with.
    what : sequence of str
        Kinds of causes: "entry", "slot", "level", "action".
    questions : int
        How many questions are asked again.
    lag : int
        Segments between the decision and the question. What is forced earlier has more time to make a difference, and costs more.
    sequence : int
        The sequence that is analysed.
    seed : int
        Of the choice of questions, of the null and of the bootstrap.

    Returns
    -------
    xarray.Dataset
        Over ``(question, cause)``: ``effect`` and ``null_effect``, nats a token (above 0: the answer is worse without), ``correct_change``
        and ``null_correct_change`` (-1, 0, 1); NaN where an answer has no such cause. Over ``(cause)``: ``kind``, and what
        `memlens.stats.paired_effects` gives. Over ``(question)``: ``row``, ``segment``, and as they were ``loss`` and ``correct``.

    Raises
    ------
    AnalysisError
        With an unknown kind, fewer than 10 questions that can be asked again, or a recording without a stream.
    RecordingError
        When the model is not the one that the recording was made with, or no state was kept.
    """
    what = _kinds(what, lag)
    rerun = Rerun(recording, model, sequence)
    lag = lag if "action" in what else 0
    chosen = rerun.choose([(q, [q.segment - lag]) for q in rerun.questions if q.segment >= lag], questions, seed)
    causes = _Causes(model, what)
    found = _measure(rerun, causes, chosen, lag, np.random.default_rng([seed, 1]))
    params = {"what": what, "questions": questions, "lag": lag, "sequence": sequence, "seed": seed}
    return finish(
        _labelled(found, causes, chosen, seed),
        "effects",
        recording,
        len(chosen),
        params,
        asked=len(rerun.questions),
        unit="nat/token",
    )


def _kinds(what: Sequence[str], lag: int) -> list[str]:
    """The kinds of causes; AnalysisError where one is unknown, or the lag is too short."""
    kinds = [what] if isinstance(what, str) else list(what)
    for kind in kinds:
        if kind not in KINDS:
            raise AnalysisError(f"what has '{kind}', which is no kind of cause; {closest(kind, KINDS)}")
    if lag < 1 or not kinds:
        raise AnalysisError(f"lag is {lag} and what is {kinds}; give a lag of 1 or more, and one of {', '.join(KINDS)}")
    return kinds


def _measure(
    rerun: Rerun, causes: "_Causes", chosen: list[StreamQuestion], lag: int, random: np.random.Generator
) -> dict[str, np.ndarray]:
    """``CHANGES``, float [question, cause], with ``loss`` and ``correct`` as they were, [question]."""
    starts = {asked.segment - lag: [q for q in chosen if q.segment == asked.segment] for asked in chosen}
    found: list[dict[str, Any]] = []
    with torch.no_grad():
        for start, state in rerun.states(list(starts)):
            found += _segment(rerun, causes, start, state, starts[start], random)
    return {name: np.array([one[name] for one in found]) for name in (*CHANGES, "loss", "correct")}


def _labelled(found: dict[str, np.ndarray], causes: "_Causes", chosen: list[StreamQuestion], seed: int) -> xr.Dataset:
    unit = np.array([asked.segment for asked in chosen])
    return xr.Dataset(
        {
            **{name: (("question", "cause"), found[name]) for name in CHANGES},
            **{name: ("cause", values) for name, values in _summary(found, unit, causes.kinds, seed).items()},
            "kind": ("cause", causes.kinds),
            "row": ("question", [asked.row for asked in chosen]),
            "segment": ("question", unit),
            "loss": ("question", found["loss"]),
            "correct": ("question", found["correct"].astype(bool)),
        },
        coords={"cause": causes.names},
    )


def _summary(arrays: dict[str, np.ndarray], unit: np.ndarray, kinds: list[str], seed: int) -> dict[str, np.ndarray]:
    """What `paired_effects` gives; p is adjusted over the causes of one kind, as these are tested together."""
    parts = []
    for kind in dict.fromkeys(kinds):
        own = np.array([each == kind for each in kinds])
        parts.append(paired_effects(arrays["effect"][:, own], arrays["null_effect"][:, own], unit, seed))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class _Causes:
    """The causes in order, and the parts of memory: fresh slots, working memory, levels of the store."""

    def __init__(self, model: MemoryModel, what: Sequence[str]):
        cfg = model.cfg
        self.model, n_levels = model, len(cfg.capacities)
        self.parts = ["fresh slots", "working memory", *(f"level {level}" for level in range(n_levels))]
        self.part = np.concatenate(
            (np.zeros(cfg.n_slots, int), np.ones(cfg.working_slots, int), 2 + model.entry_level.cpu().numpy())
        )
        self.first_working = cfg.n_slots
        named = {
            "entry": [f"read most of {part}" for part in self.parts],
            "slot": [f"working slot {w}" for w in range(cfg.working_slots)],
            "level": [f"all of {part}" for part in self.parts],
            "action": [f"forced {action}" for action in ACTIONS],
        }
        self.what = what
        self.names = [name for kind in KINDS if kind in what for name in named[kind]]
        self.kinds = [kind for kind in KINDS if kind in what for _ in named[kind]]

    def dropped(
        self, there: np.ndarray, weight: np.ndarray, random: np.random.Generator
    ) -> list[tuple[np.ndarray | None, np.ndarray | None]]:
        """The places that each cause empties, and those of its null; None where there are none.

        Parameters
        ----------
        there : bool [memory]
            Which places hold something.
        weight : float [memory]
            How much was read of each.
        random : numpy.random.Generator
            Draws the places of the null.

        Returns
        -------
        list of (int [place] or None, int [place] or None)
            In the order of the causes.
        """
        unread = there & (weight <= 0)

        def against(places: np.ndarray, among: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
            others = np.flatnonzero(among)
            # where the others are fewer, all of them
            null = random.choice(others, min(places.size, others.size), replace=False) if others.size else None
            return (places, null) if places.size else (None, None)

        found: list[tuple[np.ndarray | None, np.ndarray | None]] = []
        for g in range(len(self.parts)) if "entry" in self.what else ():
            own = weight * (self.part == g)
            read = np.array([own.argmax()]) if own.max() > 0 else np.zeros(0, int)
            found.append(against(read, unread & (self.part == g)))
        for w in range(self.model.cfg.working_slots) if "slot" in self.what else ():
            found.append(against(np.array([self.first_working + w]), unread & (self.part != 1)))
        for g in range(len(self.parts)) if "level" in self.what else ():
            found.append(against(np.flatnonzero(there & (self.part == g)), unread & (self.part != g)))
        return found


def _segment(
    rerun: Rerun,
    causes: _Causes,
    start: int,
    state: MemoryState,
    asked: list[StreamQuestion],
    random: np.random.Generator,
) -> list[dict[str, Any]]:
    """``CHANGES`` of every cause, for each of the questions of a segment; ``state`` is that before segment ``start``."""
    before = [(start, state)]
    while before[-1][0] < asked[0].segment:
        t, last = before[-1]
        before.append((t + 1, rerun.state_after(t, last)))
    read = rerun.read(*before[-1])
    memory = rerun.model.memory(rerun.model.candidates(read.context, read.before), read.before)
    questions = read.questions
    assert questions is not None
    answers, _ = rerun.model.answer(questions, memory)
    there = memory.valid[0].cpu().numpy()
    index, weights = (x[0].cpu().numpy() for x in (answers.read_index, answers.read_weight))
    out = []
    for one in asked:
        own = questions.map(lambda x, column=one.column: x[:, column : column + 1])
        weight = np.zeros(there.size)
        np.add.at(weight, index[one.column], weights[one.column])
        factual = float(answers.loss[0, one.column]), float(answers.correct[0, one.column])
        rows = [_asked_without(rerun.model, own, memory, causes.dropped(there, weight * there, random), factual)]
        if "action" in causes.what:
            rows.append(_forced(rerun, before, one, memory, weight * there, factual, random))
        joined = np.concatenate(rows, 1)
        out.append({**dict(zip(CHANGES, joined, strict=True)), "loss": factual[0], "correct": factual[1]})
    return out


def _asked_without(
    model: MemoryModel, question: Questions, memory: Memory, causes: list[Any], factual: tuple[float, float]
) -> np.ndarray:
    """``CHANGES`` of emptying places, float [4, cause]."""
    out = np.full((4, len(causes)), np.nan)
    rows = [(side, i, gone) for side in (0, 1) for i, cause in enumerate(causes) if (gone := cause[side]) is not None]
    if not rows:
        return out
    valid = memory.valid.expand(len(rows), -1).clone()
    for row, (_, _, gone) in enumerate(rows):
        valid[row, torch.from_numpy(gone)] = False
    wide = memory.map(lambda x: x.expand(len(rows), *x.shape[1:]))
    answers, _ = model.answer(question.map(lambda x: x.expand(len(rows), *x.shape[1:])), replace(wide, valid=valid))
    side, at = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    out[side, at], out[side + 2, at] = _changes(answers.loss[:, 0], answers.correct[:, 0], factual)
    return out


def _changes(loss: Tensor, correct: Tensor, factual: tuple[float, float]) -> np.ndarray:
    """Changes of loss and of exactness, float [2, row]."""
    return np.stack((without_rounding(_plain(loss) - factual[0]), _plain(correct) - factual[1]))


def _plain(x: Tensor) -> np.ndarray:
    return x.double().cpu().numpy()


def _forced(
    rerun: Rerun, before: list[tuple[int, MemoryState]], asked: StreamQuestion, memory: Memory, weight: np.ndarray,
    factual: tuple[float, float], random: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """``CHANGES`` of forcing each action, ``lag`` segments before, on the stored entry that was read most, float [4, action]."""
    out, model = np.full((4, len(ACTIONS)), np.nan), rerun.model
    stored = (memory.kind[0] == 2).cpu().numpy() & memory.valid[0].cpu().numpy()
    ids, level = memory.entry[0].cpu().numpy(), memory.level[0].cpu().numpy()
    if not (weight * stored).any():
        return out
    most = int((weight * stored).argmax())
    reads = [rerun.read(t, state) for t, state in before]
    still = torch.zeros(1, model.cfg.n_slots + len(model.entry_level), len(Action), device=model.device)
    _, decisions, _ = advance(model, reads[0], branch(before[0][1]), still)
    agents = decisions.entry[0].cpu().numpy()
    alike = ids[stored & (level == level[most]) & (weight <= 0)]
    alike = alike[np.isin(alike, agents)]
    if ids[most] not in agents or not alike.size:
        return out
    agent = [int(np.flatnonzero(agents == entry)[0]) for entry in (ids[most], random.choice(alike))]
    explore = still.repeat(2 * len(ACTIONS), 1, 1)
    for row in range(len(explore)):
        explore[row, agent[row // len(ACTIONS)], row % len(ACTIONS)] = DECISIVE
    branches = branch(before[0][1]).map(lambda x: x.expand(len(explore), *x.shape[1:]))
    _, forced, branches = advance(model, reads[0], branches, explore)
    for read in reads[1:-1]:
        _, _, branches = advance(model, read, branches, torch.zeros_like(explore))
    answers, _, _ = advance(model, reads[-1], branches, torch.zeros_like(explore))
    assert answers is not None
    changes = _changes(answers.loss[:, asked.column], answers.correct[:, asked.column], factual)
    out = changes.reshape(4, len(ACTIONS))
    for side, place in enumerate(agent):
        # an action that was taken anyway, or could not be taken, is no cause
        done = np.array([int(forced.action[side * len(ACTIONS) + a, place]) == a for a in range(len(ACTIONS))])
        done &= np.arange(len(ACTIONS)) != int(decisions.action[0, place])
        out[side::2, ~done] = np.nan
    return out
