"""The recorded run, run again from where a question needs it: the stream, the state before any segment, and the reading model."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from memlens.errors import AnalysisError
from memlens.interventions.branches import FactualSegment
from memlens.model.answers import Questions
from memlens.model.model import MemoryModel
from memlens.model.run import encode_questions, segment_of
from memlens.model.segment import Segment
from memlens.model.state import MemoryState
from memlens.recording import Recording
from memlens.recording.capture.replay import refuse_other, state_before
from memlens.recording.capture.resume import restored
from memlens.recording.protocol import as_recording
from memlens.streams import EncodedStream
from memlens.streams.encoded import AskedQuestion

#: Fewest questions, and fewest segments in which they are asked, that an analysis is done with.
LEAST, LEAST_SEGMENTS = 10, 5


@dataclass(frozen=True)
class StreamQuestion:
    """A question of the stream.

    ``row`` is its index among all questions, ``segment`` where it is answered, ``column`` its index among those of that segment.
    """

    row: int
    segment: int
    column: int
    question: AskedQuestion


class Rerun:
    """One sequence of a recording, with the model that it was made with.

    Raises
    ------
    AnalysisError
        When the model is not a MemoryModel, the recording was made with interventions, or has no such sequence.
    RecordingError
        When what is given is not a recording, the model is another, or no states were kept (with the option that keeps them).
    """

    def __init__(self, recording: Recording, model: Any, sequence: int = 0):
        as_recording(recording)
        if not isinstance(model, MemoryModel):
            raise AnalysisError(
                f"model is a {type(model).__name__}, expected the MemoryModel that the recording was made with"
            )
        refuse_other(recording, model)
        if recording.info.interventions:
            raise AnalysisError(f"'{recording.path}' was made with interventions; analyse its parent")
        n = recording.segments.sizes["sequence"]
        if not 0 <= sequence < n:
            raise AnalysisError(f"sequence is {sequence}; this recording has 0 to {n - 1}")
        self.recording, self.model, self.sequence = recording, model, sequence
        self.length = model.cfg.segment_length
        first = recording.tables.segments.first
        streams, at, state = state_before(recording, model, first)
        self.stream: EncodedStream = streams[sequence]
        self._now = at, self._own(state)

    def _own(self, state: MemoryState) -> MemoryState:
        return state.map(lambda x: x[self.sequence : self.sequence + 1])

    def _kept(self, segment: int) -> int:
        """The segment of the nearest kept state at or before one."""
        kept = self.recording.states
        return int(kept[np.searchsorted(kept, segment, side="right") - 1])

    @property
    def questions(self) -> list[StreamQuestion]:
        """All questions, in the order of the stream."""
        found: list[StreamQuestion] = []
        for row, question in enumerate(self.stream.questions):
            segment = max(-(-question.position // self.length) - 1, 0)
            column = found[-1].column + 1 if found and found[-1].segment == segment else 0
            found.append(StreamQuestion(row, segment, column, question))
        return found

    def choose(self, among: Sequence[tuple[StreamQuestion, Sequence[int]]], n: int, seed: int) -> list[StreamQuestion]:
        """Choose ``n`` questions, from as many different segments as possible, and of these the ones that cost least to run again.

        Parameters
        ----------
        among : sequence of (StreamQuestion, sequence of int)
            Questions with the segments whose state they need. A question costs the number of segments between kept states and these; where
            states are kept does not depend on what is asked, so the choice is not biased.
        n : int
            How many, 10 or more.
        seed : int
            Draws among questions of the same cost.

        Returns
        -------
        list of StreamQuestion
            In the order of the stream.

        Raises
        ------
        AnalysisError
            With fewer than 10 questions, or fewer than 5 segments in which they are asked.
        """
        if n < LEAST:
            raise AnalysisError(f"questions is {n}; give {LEAST} or more")
        cost = np.array([sum(segment - self._kept(segment) for segment in needed) for _, needed in among])
        segment = np.array([asked.segment for asked, _ in among])
        drawn = np.random.default_rng(seed).permutation(len(among))
        # the number of questions of the same segment that come earlier
        turn = np.array([np.sum(segment[drawn[:at]] == segment[i]) for at, i in enumerate(drawn)], int)
        order = drawn[np.lexsort((cost[drawn], turn))][:n]
        chosen = sorted((among[i][0] for i in order), key=lambda asked: asked.row)
        segments = len({asked.segment for asked in chosen})
        if len(chosen) < LEAST or segments < LEAST_SEGMENTS:
            raise AnalysisError(
                f"{len(chosen)} questions in {segments} segments can be used, expected {LEAST} or more in {LEAST_SEGMENTS} or more; "
                "record a longer stream that asks some, with `memlens record MODEL builtin -o RUN`"
            )
        return chosen

    def states(self, segments: Sequence[int]) -> Iterator[tuple[int, MemoryState]]:
        """The states before these segments, in ascending order; runs on from the last one, or from a kept state where that is nearer."""
        for wanted in sorted(set(segments)):
            at, state = self._now
            if self._kept(wanted) > at or at > wanted:
                at, tensors = self.recording.state(wanted)
                state = self._own(
                    restored(self.model.initial_state(self.recording.segments.sizes["sequence"]), tensors)
                )
            with torch.no_grad():
                while at < wanted:
                    state = self.state_after(at, state)
                    at += 1
            self._now = at, state
            yield wanted, state

    def state_after(self, segment: int, state: MemoryState, columns: Segment | None = None) -> MemoryState:
        """Run one segment.

        Parameters
        ----------
        segment : int
            Which one; its questions are asked.
        state : MemoryState
            Before it, with any number of rows.
        columns : Segment, optional
            Read in the place of the stream's, [row, token].

        Returns
        -------
        MemoryState
            After it.
        """
        n = len(state.segment)
        _, asked = segment_of(self.stream, segment, self.length)
        read = self.segment(segment, n) if columns is None else columns
        return self.model.step(read, state, encode_questions(self.model, [asked] * n), predict=False)[1]

    def run_rows(
        self, start: int, state: MemoryState, n: int, end: int, change: Callable[[int, Segment], Segment]
    ) -> tuple[Segment, MemoryState]:
        """Run several rows from the same state, each over its own version of the stream.

        Parameters
        ----------
        start, end : int
            The first segment, and the one that is not run.
        state : MemoryState
            Before ``start``, of one row.
        n : int
            Rows.
        change : callable
            From a segment's number and its columns, [row, token], to the columns that are read.

        Returns
        -------
        columns : Segment
            Of segment ``end``, changed.
        state : MemoryState
            Before segment ``end``.
        """
        rows = state.map(lambda x: x.repeat(n, *(1,) * (x.dim() - 1)))
        for t in range(start, end):
            rows = self.state_after(t, rows, change(t, self.segment(t, n)))
        return change(end, self.segment(end, n)), rows

    def question(self, asked: StreamQuestion, n: int = 1) -> Questions:
        """A single question, as the model takes it.

        Parameters
        ----------
        asked : StreamQuestion
            The question.
        n : int
            Rows that ask it.

        Returns
        -------
        Questions
            [row, 1].
        """
        rows: list[list[Any]] = [[asked.question]] * n
        found = encode_questions(self.model, rows)
        assert found is not None
        return found

    def segment(self, segment: int, n: int = 1) -> Segment:
        """A segment of the stream, as the model takes it.

        Parameters
        ----------
        segment : int
            Which one.
        n : int
            Rows that read it.

        Returns
        -------
        Segment
            [row, token].
        """
        return Segment.stack([segment_of(self.stream, segment, self.length)[0]] * n, self.model.device)

    def read(self, segment: int, state: MemoryState) -> FactualSegment:
        """What the model makes of a segment of the recorded run, and the questions at its end.

        Parameters
        ----------
        segment : int
            Which one.
        state : MemoryState
            Before it, of one row.

        Returns
        -------
        FactualSegment
            Shared by all branches of that segment.
        """
        columns = self.segment(segment)
        hidden, context, _ = self.model.perceive(columns, state)
        questions = encode_questions(self.model, [segment_of(self.stream, segment, self.length)[1]])
        return FactualSegment(columns, hidden, context, state, questions)
