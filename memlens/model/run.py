"""A stream is a fold of ``step``: run a model over encoded streams, segment by segment, in constant memory."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch

from memlens.dims import BOS, EOS, PAD
from memlens.errors import StreamError
from memlens.model.answers import Questions
from memlens.model.segment import Segment
from memlens.model.tensors import Tensors, counted

Outputs = TypeVar("Outputs", bound=Tensors, covariant=True)


@runtime_checkable
class Steps(Protocol[Outputs]):
    """What a stream is run through, such as MemoryModel and StreamReader; each carries a state of its own kind."""

    cfg: Any
    tokenizer: Any

    @property
    def device(self) -> torch.device: ...
    def initial_state(self, n_sequence: int = 1) -> Any: ...
    def step(
        self, segment: Segment, state: Any, questions: Questions | None = None, *, predict: bool = True
    ) -> tuple[Outputs, Any]:
        """Read one segment.

        Parameters
        ----------
        segment : Segment
            What is read.
        state : Any
            Before it.
        questions : Questions, optional
            Asked at its end.
        predict : bool
            Whether the loss of the next tokens is computed.

        Returns
        -------
        tuple of outputs and state
            What came out, and the state after the segment.
        """
        ...


@runtime_checkable
class QuestionLike(Protocol):
    """A question of a stream, as ``memlens.streams.AskedQuestion``."""

    text: str
    answer: str


@runtime_checkable
class Encoded(Protocol):
    """An encoded stream, as ``memlens.streams.EncodedStream``."""

    def n_segment(self, segment_length: int) -> int: ...
    def segment(self, t: int, segment_length: int) -> Mapping[str, np.ndarray]:
        """One segment, padded to the full length.

        Parameters
        ----------
        t : int
            Which, from 0.
        segment_length : int
            Positions in a segment.

        Returns
        -------
        mapping of str to array [token, ...]
            Columns by name.
        """
        ...

    def questions_in(self, t: int, segment_length: int) -> list[Any]:
        """What is asked at the end of a segment.

        Parameters
        ----------
        t : int
            Which, from 0.
        segment_length : int
            Positions in a segment.

        Returns
        -------
        list
            Questions, in their order.
        """
        ...


@dataclass(frozen=True)
class Result(Generic[Outputs]):
    """One segment of a run.

    Attributes
    ----------
    segment : int
        Which, from 0.
    rows : list of mapping of str to array [token, ...]
        The columns that went in, one mapping a sequence.
    asked : list of list
        The questions asked at its end, one list a sequence.
    outputs : Tensors
        What came out.
    state : Tensors
        The state after it.
    seconds : float
        How long it took.
    """

    segment: int
    rows: list[Mapping[str, np.ndarray]]
    asked: list[list[Any]]
    outputs: Outputs
    state: Any
    seconds: float

    def __repr__(self) -> str:
        n_token = sum(int(np.sum(columns["valid"])) for columns in self.rows)
        n_question = sum(map(len, self.asked))
        return (
            f"Result of segment {self.segment}: {counted(len(self.rows), 'sequence')}, {counted(n_token, 'token')}, "
            f"{counted(n_question, 'question')}; {self.outputs.title()}; {self.state.title()}; {self.seconds:.3f} s"
        )


class Change:
    """Something done to a run, as ``memlens.interventions`` makes them. A kind overrides what it needs; the rest does nothing."""

    def check(self, model: Any, n_segment: int) -> None:
        """Raise when it does not fit a run; called before the run.

        Parameters
        ----------
        model : Any
            What is run.
        n_segment : int
            Segments of the longest stream.
        """

    def hooks(self, model: Any) -> Sequence[tuple[str, Any]]:
        """Forward hooks, as ``run_with_hooks`` takes them; called once for each run."""
        return ()

    def edit(self, model: Any, segment: int, state: Any) -> Any:
        """Change the state before a segment.

        Parameters
        ----------
        model : Any
            What is run.
        segment : int
            The segment that comes next, from 0.
        state : Any
            After the one before.

        Returns
        -------
        Any
            The state to go on from.
        """
        return state

    def saw(self, result: "Result[Any]") -> None:
        """Called with the result of each segment after it was run."""

    def to_dict(self) -> dict[str, Any]:
        """What a recording says of it."""
        return {"kind": type(self).__name__.lower()}


def segment_of(stream: Encoded, t: int, length: int) -> tuple[Mapping[str, np.ndarray], list[Any]]:
    """Columns of a segment, and the questions asked at its end.

    Parameters
    ----------
    stream : Encoded
        What is read.
    t : int
        Which segment, from 0; once the stream has ended there is nothing but padding.
    length : int
        Positions in a segment.

    Returns
    -------
    columns : mapping of str to array [token, ...]
        By name.
    asked : list
        Questions, in their order.
    """
    n = stream.n_segment(length)
    if t < n:
        return stream.segment(t, length), stream.questions_in(t, length)
    empty = {name: np.zeros_like(column) for name, column in stream.segment(n - 1, length).items()}
    return {**empty, "fact": np.full(length, -1, dtype=np.int32)}, []


def _question_ids(model: Steps, question: QuestionLike) -> tuple[list[int], list[int]]:
    """Token ids of a question, and of its answer and its end; StreamError where the model takes fewer."""
    cfg = model.cfg
    ids = model.tokenizer.encode(" " + question.text.strip()).ids
    wanted = [*model.tokenizer.encode(" " + question.answer.strip()).ids, EOS]
    for what, text, n, most in (
        ("question", question.text, len(ids), cfg.max_question),
        ("answer", question.answer, len(wanted) - 1, cfg.max_answer - 1),
    ):
        if n > most:
            said = text if len(text) <= 80 else f"{text[:77]}..."
            raise StreamError(f"the {what} {said!r} has {n:,} tokens; the model takes at most {most}: shorten it")
    return ids, wanted


def check_questions(model: Steps, streams: Sequence[Encoded]) -> None:
    """Check that a model takes every question of streams and its answer whole.

    Parameters
    ----------
    model : Steps
        What is to be run.
    streams : sequence of Encoded
        What it is to read.

    Raises
    ------
    StreamError
        When a question or an answer is longer than the model takes.
    """
    length = model.cfg.segment_length
    for stream in streams:
        for t in range(stream.n_segment(length)):
            for question in stream.questions_in(t, length):
                _question_ids(model, question)


def encode_questions(model: Steps, asked: Sequence[Sequence[QuestionLike]]) -> Questions | None:
    """Questions as padded tensors.

    Parameters
    ----------
    model : Steps
        Its tokenizer, its longest question and answer, its device.
    asked : sequence of sequence
        Questions of each sequence.

    Returns
    -------
    Questions or None
        None when nobody asks.

    Raises
    ------
    StreamError
        When a question or an answer is longer than the model takes.
    """
    n = max((len(row) for row in asked), default=0)
    if n == 0:
        return None
    cfg = model.cfg
    token = torch.full((len(asked), n, cfg.max_question), PAD)
    answer = torch.full((len(asked), n, cfg.max_answer), PAD)
    valid = torch.zeros(len(asked), n, dtype=torch.bool)
    for b, row in enumerate(asked):
        for i, question in enumerate(row):
            ids, wanted = _question_ids(model, question)
            token[b, i, : len(ids)] = torch.tensor(ids)
            answer[b, i, : len(wanted)] = torch.tensor(wanted)
            valid[b, i] = True
    # a padded row holds one token, so that no softmax is empty
    token[..., 0] = torch.where(valid, token[..., 0], BOS)
    width = int((token != PAD).sum(-1).max()), int((answer != PAD).sum(-1).max())
    return Questions(token[..., : width[0]], answer[..., : width[1]], valid).to(model.device)


def _hooked(model: Any, hooks: Sequence[tuple[str, Any]]) -> AbstractContextManager[Any]:
    """``model.hooks`` where there are any, so that a model without hook points can be run as well."""
    return model.hooks(fwd_hooks=list(hooks)) if hooks else nullcontext()


def run(
    model: Steps[Outputs],
    streams: Sequence[Encoded],
    *,
    state: Any = None,
    first: int = 0,
    predict: bool = True,
    changes: Sequence[Change] = (),
) -> Iterator[Result[Outputs]]:
    """Run a model over streams side by side, segment by segment.

    Parameters
    ----------
    model : Steps
        What is run. Gradients are off while a step runs.
    streams : sequence of Encoded
        Those that end earlier are padded.
    state : Any, optional
        To continue from; the initial state unless given.
    first : int
        The segment to continue with.
    predict : bool
        Whether the loss of the next tokens is computed.
    changes : sequence of Change
        Act in their order while a step runs, never between steps.

    Yields
    ------
    Result
        One a segment.

    Raises
    ------
    StreamError
        Before anything is run, when a question or an answer is longer than the model takes.
    """
    check_questions(model, streams)
    length = model.cfg.segment_length
    state = model.initial_state(len(streams)) if state is None else state
    n_segment = max(stream.n_segment(length) for stream in streams)
    for change in changes:
        change.check(model, n_segment)
    hooks = [hook for change in changes for hook in change.hooks(model)]
    for t in range(first, n_segment):
        rows, asked = map(list, zip(*(segment_of(stream, t, length) for stream in streams), strict=True))
        start = time.perf_counter()
        with torch.no_grad(), _hooked(model, hooks):
            for change in changes:
                state = change.edit(model, t, state)
            segment = Segment.stack(rows, model.device)
            outputs, state = model.step(segment, state, encode_questions(model, asked), predict=predict)
        result = Result(t, rows, asked, outputs, state, time.perf_counter() - start)
        for change in changes:
            change.saw(result)
        yield result
