"""Counterfactual sweeps: what each of many forced actions would have done to the answers, in one pass over the stream.

The factual run goes on by itself; every place forks from it in its own segment. Forks run side by side, and one whose memory is again the
factual one stops. Axes: place (a forced action), question, and row (a fork that is running).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from memlens.dims import Action
from memlens.errors import InterventionError
from memlens.interventions.branches import BATCH, Forks, Read, advance, fork, is_same
from memlens.interventions.control import DECISIVE, Force
from memlens.model.answers import Answers
from memlens.model.model import MemoryModel
from memlens.model.run import encode_questions, segment_of
from memlens.model.segment import Segment
from memlens.model.state import MemoryState
from memlens.recording import Recording
from memlens.recording.capture.replay import state_before
from memlens.recording.format.schema import decoded
from memlens.streams import EncodedStream

Place = Force | tuple[int, int, str]


def sweep(
    model: MemoryModel,
    source: Recording | EncodedStream,
    places: Sequence[Place],
    *,
    questions: Sequence[int] | None = None,
    sequence: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> xr.Dataset:
    """Measure what forcing each action, one at a time, does to the answers to the stream's questions.

    Parameters
    ----------
    model
        The model; of a recording, the one it was made with.
    source
        A recording, from whose nearest kept state the sweep begins, or an encoded stream, read from its start.
    places
        What is forced: ``Force`` in one segment each, or (segment, entry, action). A candidate is an entry as well, where it is born.
    questions
        Numbers of questions in the stream's order; all unless given.
    sequence
        Of a recording of several sequences, the one.
    progress
        Called with segments done, segments in all, and what is being done.

    Returns
    -------
    xarray.Dataset
        ``loss_change(place, question)`` in nats per answer token and ``correct_change(place, question)`` (-1, 0, 1): forced less factual;
        NaN where the question was asked before the action could matter. ``loss(question)`` and ``correct(question)``, factual. Of each
        place ``factual`` and ``executed``, the action taken without and with force, and ``stopped``, the segment after which memory was the
        factual one again (-1: never). Each loss is that of a run of its own to 1e-4 nats.

    Raises
    ------
    InterventionError
        When a place does not exist, a question is not in the stream, or the recording was made with interventions.
    RecordingError
        When the recording was made with other weights, or has no state to begin from.
    """
    forces = [_force(place) for place in places]
    if not forces:
        raise InterventionError("no places were given; give at least one (segment, entry, action)")
    if isinstance(source, Recording):
        if decoded(source.attrs.get("interventions"), []):
            raise InterventionError(f"'{source.path}' was made with interventions; sweep its parent, or its stream")
        streams, first, state = state_before(source, model, min(map(_segment, forces)))
        stream, state = streams[sequence], state.map(lambda x: x[sequence : sequence + 1])
    else:
        stream, first, state = source, 0, model.initial_state(1)
    for force in forces:
        force.check(model, stream.n_segment(model.cfg.segment_length))
    run = _Sweep(model, stream, forces, _wanted(stream, questions))
    with torch.no_grad():
        run.go(first, state, progress)
    return run.dataset()


class _Sweep:
    """One sweep while it runs: the forks, and what is known of the answers so far."""

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
        self.place = np.zeros(0, dtype=np.int64)
        self.forks: Forks | None = None

    def go(self, first: int, state: MemoryState, progress: Callable[[int, int, str], None] | None) -> None:
        """From ``first``, whose state is given, to the last segment that matters."""
        end = int(max(self.start.max(), self.asked_in.max(initial=0))) + 1
        for t in range(first, end):
            state = self._segment(t, state)
            if progress is not None:
                progress(t + 1 - first, end - first, "segments swept")

    def _segment(self, t: int, state: MemoryState) -> MemoryState:
        """One segment of the factual run and of all forks; the factual state after it."""
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
        new = [fork(state)] * len(begins)
        forks = [self.forks] if self.forks is not None and len(self.forks) else []
        if forks or new:
            self.place = np.concatenate((self.place, begins))
            read = Read(segment, hidden, context, state, told)
            self._advance(read, [*forks, *new], agents, columns)
            self._stop(t, after)
        return after.carried(hidden, segment, blocks)

    def _advance(self, read: Read, parts: list[Forks], agents: dict[int, int], columns: np.ndarray) -> None:
        forks, done = parts[0].joined(*parts[1:]), []
        n_agent = self.model.cfg.n_slots + forks.store.valid.shape[1]
        for low in range(0, len(forks), BATCH):
            places, rows = self.place[low : low + BATCH], forks.rows(slice(low, low + BATCH))
            explore = torch.zeros(len(places), n_agent, len(Action), device=self.model.device)
            for row, i in enumerate(places):
                if int(i) in agents:
                    explore[row, agents[int(i)], Action[self.forces[i].action]] = DECISIVE
            answers, decisions, after = advance(self.model, read, rows, explore)
            done.append(after)
            for row, i in enumerate(places):
                if int(i) in agents:
                    self.executed[i] = int(decisions.action[row, agents[int(i)]])
                elif answers is not None and len(columns):
                    loss, correct = self._of(answers, columns, row)
                    self.loss_change[i, columns] = loss - self.loss[columns]
                    self.correct_change[i, columns] = correct - self.correct[columns]
        self.forks = done[0].joined(*done[1:])

    def _stop(self, t: int, factual: MemoryState) -> None:
        """Let go of forks that can change nothing any more."""
        assert self.forks is not None
        same = is_same(self.forks, factual, self.model.entry_level).cpu().numpy()
        self.stopped[self.place[same]] = t
        kept = ~same & (t < self.asked_in.max(initial=-1))
        self.place = self.place[kept]
        self.forks = self.forks.rows(torch.from_numpy(kept).to(self.model.device))

    def _of(self, answers: Answers, columns: np.ndarray, row: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Loss and exactness of the wanted ones among the questions of a segment."""
        numbers = np.array([self.wanted[column] for column in columns])
        first = min(i for i, q in enumerate(self.stream.questions) if self._in(q) == self.asked_in[columns[0]])
        place = torch.from_numpy(numbers - first)
        loss, correct = (np.asarray(x[row].cpu()[place], dtype=float) for x in (answers.loss, answers.correct))
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
                "loss_change": (("place", "question"), self.loss_change, {"unit": "nat/token"}),
                "correct_change": (("place", "question"), self.correct_change),
                "loss": ("question", self.loss, {"unit": "nat/token"}),
                "correct": ("question", self.correct == 1),
                "factual": ("place", named(self.factual)),
                "executed": ("place", named(self.executed)),
                "stopped": ("place", self.stopped),
            },
            {
                "question": self.wanted,
                "position": ("question", [q.position for q in asked]),
                "fact": ("question", [q.fact for q in asked]),
                "distance": ("question", [q.distance for q in asked]),
                "segment": ("place", self.start),
                "slot": ("place", [-1 if f.slot is None else f.slot for f in self.forces]),
                "entry": ("place", [-1 if f.entry is None else f.entry for f in self.forces]),
                "action": ("place", [f.action for f in self.forces]),
            },
        )


def _force(place: Place) -> Force:
    force = place if isinstance(place, Force) else Force(segment=place[0], entry=place[1], action=place[2])  # pyright: ignore[reportArgumentType]
    if not isinstance(force.segment, int):
        raise InterventionError(f"{force!r} is not in one segment; give each place of a sweep one")
    return force


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
