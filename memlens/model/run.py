"""A stream is a fold of ``step``: run a model over encoded streams, segment by segment, in constant memory."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch

from memlens.dims import BOS, EOS, PAD
from memlens.model.answers import Questions
from memlens.model.segment import Segment
from memlens.model.tensors import Tensors

Outputs = TypeVar("Outputs", bound=Tensors, covariant=True)


@runtime_checkable
class Steps(Protocol[Outputs]):
    """What streams are run through, as MemoryModel and StreamReader are; each carries a state of its own kind."""

    cfg: Any
    tokenizer: Any

    @property
    def device(self) -> torch.device: ...
    def initial_state(self, n_sequence: int = 1) -> Any: ...
    def step(
        self, segment: Segment, state: Any, questions: Questions | None = None, *, predict: bool = True
    ) -> tuple[Outputs, Any]: ...


@runtime_checkable
class Asked(Protocol):
    """A question of a stream, as ``memlens.streams.AskedQuestion``."""

    text: str
    answer: str


@runtime_checkable
class Encoded(Protocol):
    """An encoded stream, as ``memlens.streams.EncodedStream``."""

    def n_segment(self, segment_length: int) -> int: ...
    def segment(self, t: int, segment_length: int) -> Mapping[str, np.ndarray]: ...
    def questions_in(self, t: int, segment_length: int) -> list[Any]: ...


@dataclass(frozen=True)
class Result(Generic[Outputs]):
    """One segment of a run: the columns that went in, the questions asked at its end, what came out, seconds it took."""

    segment: int
    rows: list[Mapping[str, np.ndarray]]
    asked: list[list[Any]]
    outputs: Outputs
    state: Any
    seconds: float


class Change:
    """Something done to a run, as ``memlens.interventions`` makes them; what a kind does not need does nothing."""

    def check(self, model: Any, n_segment: int) -> None:
        """Raise when it does not fit a run of this model over streams of at most ``n_segment`` segments; called before the run."""

    def hooks(self, model: Any) -> Sequence[tuple[str, Any]]:
        """Forward hooks, as ``run_with_hooks`` takes them; made anew for each run."""
        return ()

    def edit(self, model: Any, segment: int, state: Any) -> Any:
        """The state to go on from, before segment ``segment``."""
        return state

    def saw(self, result: "Result[Any]") -> None:
        """Told of every segment after it was run."""

    def to_dict(self) -> dict[str, Any]:
        """What a recording says of it."""
        return {"kind": type(self).__name__.lower()}


def segment_of(stream: Encoded, t: int, length: int) -> tuple[Mapping[str, np.ndarray], list[Any]]:
    """Columns of segment ``t`` and the questions asked at its end; nothing but padding once the stream has ended."""
    n = stream.n_segment(length)
    if t < n:
        return stream.segment(t, length), stream.questions_in(t, length)
    empty = {name: np.zeros_like(column) for name, column in stream.segment(n - 1, length).items()}
    return {**empty, "fact": np.full(length, -1, dtype=np.int32)}, []


def encode_questions(model: Steps, asked: Sequence[Sequence[Asked]]) -> Questions | None:
    """Questions of each sequence as padded tensors; None when nobody asks. Longer ones keep their end."""
    n = max((len(row) for row in asked), default=0)
    if n == 0:
        return None
    tokenizer, cfg = model.tokenizer, model.cfg
    token = torch.full((len(asked), n, cfg.max_question), PAD)
    answer = torch.full((len(asked), n, cfg.max_answer), PAD)
    valid = torch.zeros(len(asked), n, dtype=torch.bool)
    for b, row in enumerate(asked):
        for i, question in enumerate(row):
            ids = tokenizer.encode(" " + question.text.strip()).ids[-cfg.max_question :]
            wanted = [*tokenizer.encode(" " + question.answer.strip()).ids[: cfg.max_answer - 1], EOS]
            token[b, i, : len(ids)] = torch.tensor(ids)
            answer[b, i, : len(wanted)] = torch.tensor(wanted)
            valid[b, i] = True
    # a padded row holds one token, so that no softmax is empty
    token[..., 0] = torch.where(valid, token[..., 0], BOS)
    width = int((token != PAD).sum(-1).max()), int((answer != PAD).sum(-1).max())
    return Questions(token[..., : width[0]], answer[..., : width[1]], valid).to(model.device)


def hooked(model: Any, hooks: Sequence[tuple[str, Any]]) -> AbstractContextManager[Any]:
    """``model.hooks`` where there are any; a model of streams that cannot be hooked is as good where there are none."""
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
    """Yield a Result a segment; streams that end earlier are padded with nothing.

    ``state`` and ``first`` continue a run: the state before segment ``first``. ``changes`` act in their order while a step runs, never
    between. Gradients are off while a step runs.
    """
    length = model.cfg.segment_length
    state = model.initial_state(len(streams)) if state is None else state
    n_segment = max(stream.n_segment(length) for stream in streams)
    for change in changes:
        change.check(model, n_segment)
    hooks = [hook for change in changes for hook in change.hooks(model)]
    for t in range(first, n_segment):
        rows, asked = map(list, zip(*(segment_of(stream, t, length) for stream in streams), strict=True))
        start = time.perf_counter()
        with torch.no_grad(), hooked(model, hooks):
            for change in changes:
                state = change.edit(model, t, state)
            segment = Segment.stack(rows, model.device)
            outputs, state = model.step(segment, state, encode_questions(model, asked), predict=predict)
        result = Result(t, rows, asked, outputs, state, time.perf_counter() - start)
        for change in changes:
            change.saw(result)
        yield result
