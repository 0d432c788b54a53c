"""Counterfactual sweeps: what each of many forced actions would have done to the answers, in one pass over the stream.

The factual run goes on by itself; every target branches off in its own segment. Branches run side by side, and one whose memory is
again the factual one stops. Axes: target (a forced action), question, and row (a branch that is running).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from memlens.calls import checked
from memlens.dims import Action
from memlens.errors import InterventionError
from memlens.interventions.branches import BATCH, Branches, FactualSegment, advance, branch, is_same
from memlens.interventions.control import DECISIVE, Force
from memlens.interventions.sweep_targets import triple
from memlens.model.answers import Answers
from memlens.model.model import MemoryModel
from memlens.model.run import encode_questions, segment_of
from memlens.model.segment import Segment
from memlens.model.state import MemoryState
from memlens.recording import Recording
from memlens.recording.capture.replay import state_before
from memlens.streams import EncodedStream

SweepTarget = Force | tuple[int, int, str]


@checked(model=MemoryModel, targets=Iterable)
def sweep(
    model: MemoryModel,
    source: Recording | EncodedStream,
    targets: Sequence[SweepTarget],
    *,
    questions: Sequence[int] | None = None,
    sequence: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> xr.Dataset:
    """Measure what forcing each action, one at a time, does to the answers to the stream's questions.

    Parameters
    ----------
    model : MemoryModel
        With a recording, the model that it was made with.
    source : Recording or EncodedStream
        The sweep begins at the recording's nearest kept state before the first target, or at the start of the stream.
    targets : sequence of Force or (segment, entry, action)
        The actions to force, each in one segment. In the segment where it is written, a candidate is an entry too.
    questions : sequence of int, optional
        Indices of questions in the order of the stream; all unless given.
    sequence : int
        The one of the recording's sequences that is swept.
    progress : callable, optional
        Called with the segments done, the segments in all, and what is being done.

    Returns
    -------
    xarray.Dataset
        ``loss_change(target, question)`` in nats per answer token and ``correct_change(target, question)`` (-1, 0, 1): forced less factual;
        NaN where the question was asked before the action could matter. ``loss(question)`` and ``correct(question)``
        (1 or 0), factual; those before the sweep's first segment as they were recorded, NaN where they are not known. Of each
        target ``factual`` and ``executed``, the action taken without and with force, and ``stopped``, the segment after which memory was
        the factual one again (-1: never). Each loss is that of a run of its own to 1e-4 nats.

    Raises
    ------
    InterventionError
        When ``source`` is neither, a target, question or sequence does not exist, or the recording was made with interventions.
    RecordingError
        When the recording was made with other weights, or has no state to begin from.
    """
    forces = [_force(target) for target in targets]
    if not forces:
        raise InterventionError("targets are empty; give at least one (segment, entry, action)")
    if not isinstance(source, Recording | EncodedStream):
        raise InterventionError(
            f"got {source!r}, expected a Recording (of memlens.open) or an EncodedStream (of Stream.encode)"
        )
    if isinstance(source, Recording):
        if source.info.interventions:
            raise InterventionError(f"'{source.path}' was made with interventions; sweep its parent, or its stream")
        streams, first, state = state_before(source, model, min(map(_segment, forces)))
        if not 0 <= sequence < len(streams):
            raise InterventionError(f"sequence is {sequence}, expected 0 to {len(streams) - 1}")
        stream, state = streams[sequence], state.map(lambda x: x[sequence : sequence + 1])
    else:
        stream, first, state = source, 0, model.initial_state(1)
    for force in forces:
        force.check(model, stream.n_segment(model.cfg.segment_length))
    run = _Sweep(model, stream, forces, _wanted(stream, questions))
    if isinstance(source, Recording):
        run.take_recorded(source, sequence, before=first)
    with torch.no_grad():
        run.go(first, state, progress)
    return run.dataset()


class _Sweep:
    """A sweep in progress: its branches, and the changes of the answers so far."""

    def __init__(self, model: MemoryModel, stream: EncodedStream, forces: list[Force], wanted: list[int]):
        self.model, self.stream, self.forces, self.wanted = model, stream, forces, wanted
        self.length = model.cfg.segment_length
        self.start = np.array([_segment(force) for force in forces])
        asked = np.array([stream.questions[i].position for i in wanted])
        self.asked_in = np.maximum(-(-asked // self.length) - 1, 0)
        shape = len(forces), len(wanted)
        self.loss, self.correct = np.full(shape[1], np.nan), np.full(shape[1], np.nan)
        # a question is answered before the decisions of its segment
        later = self.start[:, None] < self.asked_in[None]
        self.loss_change, self.correct_change = np.where(later, 0.0, np.nan), np.where(later, 0.0, np.nan)
        self.factual, self.executed, self.stopped = (np.full(shape[0], -1) for _ in range(3))
        self.target = np.zeros(0, dtype=np.int64)
        self.branches: Branches | None = None

    def take_recorded(self, recording: Recording, sequence: int, before: int) -> None:
        """Answers to the questions of segments ``before`` the sweep's first are those that were recorded."""
        table = recording.tables.questions
        known: dict[int, list[int]] = {}
        for row in np.flatnonzero(table.sequence == sequence):
            known.setdefault(int(table.position[row]), []).append(int(row))
        positions = [question.position for question in self.stream.questions]
        for column, number in enumerate(self.wanted):
            rows, nth = known.get(positions[number], []), positions[:number].count(positions[number])
            if self.asked_in[column] < before and nth < len(rows):
                self.loss[column], self.correct[column] = table.loss[rows[nth]], table.correct[rows[nth]]

    def go(self, first: int, state: MemoryState, progress: Callable[[int, int, str], None] | None) -> None:
        """From ``first``, whose state is given, to the last segment that matters."""
        end = int(max(self.start.max(), self.asked_in.max(initial=0))) + 1
        for t in range(first, end):
            state = self._segment(t, state)
            if progress is not None:
                progress(t + 1 - first, end - first, "segments swept")

    def _segment(self, t: int, state: MemoryState) -> MemoryState:
        """One segment of the factual run and of all branches; the factual state after it."""
        model = self.model
        row, asked = segment_of(self.stream, t, self.length)
        segment, told = Segment.stack([row], model.device), encode_questions(model, [asked])
        model.enter(state.segment)
        hidden, context, blocks = model.perceive(segment, state)
        answers, decisions, _, after = model.memorise(context, state, told)
        columns = np.flatnonzero(self.asked_in == t)
        if answers is not None and len(columns):
            self.loss[columns], self.correct[columns] = self._of(answers, columns)
        begins = np.flatnonzero(self.start == t)
        agents = {int(i): self._agent(self.forces[i], decisions.entry) for i in begins}
        for i, agent in agents.items():
            self.factual[i] = int(decisions.action[0, agent])
        new = [branch(state)] * len(begins)
        branches = [self.branches] if self.branches is not None and len(self.branches) else []
        if branches or new:
            self.target = np.concatenate((self.target, begins))
            read = FactualSegment(segment, hidden, context, state, told)
            self._advance(read, [*branches, *new], agents, columns)
            self._stop(t, after)
        return after.carried(hidden, segment, blocks)

    def _advance(
        self, read: FactualSegment, parts: list[Branches], agents: dict[int, int], columns: np.ndarray
    ) -> None:
        branches, done = parts[0].joined(*parts[1:]), []
        n_agent = self.model.cfg.n_slots + branches.store.valid.shape[1]
        for low in range(0, len(branches), BATCH):
            targets, rows = self.target[low : low + BATCH], branches.rows(slice(low, low + BATCH))
            explore = torch.zeros(len(targets), n_agent, len(Action), device=self.model.device)
            for row, i in enumerate(targets):
                if int(i) in agents:
                    explore[row, agents[int(i)], Action[self.forces[i].action]] = DECISIVE
            answers, decisions, after = advance(self.model, read, rows, explore)
            done.append(after)
            for row, i in enumerate(targets):
                if int(i) in agents:
                    self.executed[i] = int(decisions.action[row, agents[int(i)]])
                elif answers is not None and len(columns):
                    loss, correct = self._of(answers, columns, row)
                    self.loss_change[i, columns] = loss - self.loss[columns]
                    self.correct_change[i, columns] = correct - self.correct[columns]
        self.branches = done[0].joined(*done[1:])

    def _stop(self, t: int, factual: MemoryState) -> None:
        """Drop the branches that can no longer make a difference."""
        assert self.branches is not None
        same = is_same(self.branches, factual, self.model.entry_level).cpu().numpy()
        self.stopped[self.target[same]] = t
        kept = ~same & (t < self.asked_in.max(initial=-1))
        self.target = self.target[kept]
        self.branches = self.branches.rows(torch.from_numpy(kept).to(self.model.device))

    def _of(self, answers: Answers, columns: np.ndarray, row: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Loss and exactness of the wanted ones among the questions of a segment."""
        numbers = np.array([self.wanted[column] for column in columns])
        first = min(i for i, q in enumerate(self.stream.questions) if self._in(q) == self.asked_in[columns[0]])
        column = torch.from_numpy(numbers - first)
        loss, correct = (np.asarray(x[row].cpu()[column], dtype=float) for x in (answers.loss, answers.correct))
        return loss, correct

    def _in(self, question: Any) -> int:
        return max(-(-question.position // self.length) - 1, 0)

    def _agent(self, force: Force, ids: Tensor) -> int:
        return int(force.chosen(ids)[0].int().argmax())

    def dataset(self) -> xr.Dataset:
        """What was measured, labelled."""
        asked = [self.stream.questions[i] for i in self.wanted]
        names = [action.name for action in Action]

        def named(codes: np.ndarray) -> list[str]:
            return [names[code] for code in codes]

        return xr.Dataset(
            {
                "loss_change": (("target", "question"), self.loss_change, {"unit": "nat/token"}),
                "correct_change": (("target", "question"), self.correct_change),
                "loss": ("question", self.loss, {"unit": "nat/token"}),
                "correct": ("question", self.correct),
                "factual": ("target", named(self.factual)),
                "executed": ("target", named(self.executed)),
                "stopped": ("target", self.stopped),
            },
            {
                "question": self.wanted,
                "position": ("question", [q.position for q in asked]),
                "fact": ("question", [q.fact for q in asked]),
                "distance": ("question", [q.distance for q in asked]),
                "segment": ("target", self.start),
                "slot": ("target", [-1 if f.slot is None else f.slot for f in self.forces]),
                "entry": ("target", [-1 if f.entry is None else f.entry for f in self.forces]),
                "action": ("target", [f.action for f in self.forces]),
            },
        )


def _force(target: SweepTarget) -> Force:
    if isinstance(target, Force):
        if not isinstance(target.segment, int):
            raise InterventionError(f"{target!r} is not in one segment; give each target of a sweep one segment")
        return target
    segment, entry, action = triple(target)
    return Force(segment=segment, entry=entry, action=action)  # pyright: ignore[reportArgumentType]


def _segment(force: Force) -> int:
    assert isinstance(force.segment, int)
    return force.segment


def _wanted(stream: EncodedStream, questions: Sequence[int] | None) -> list[int]:
    n = len(stream.questions)
    wanted = list(range(n)) if questions is None else [int(i) for i in questions]
    wrong = [i for i in wanted if not 0 <= i < n]
    if wrong or not wanted:
        raise InterventionError(f"questions are {wrong or 'none'}, expected numbers from 0 to {n - 1}")
    return wanted
