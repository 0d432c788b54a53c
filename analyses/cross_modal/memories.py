"""Arrangements of memories: one for all modalities, or one for each, which sees a part of the stream.

Axes: sequence, memory (one a modality; those of a sequence lie side by side in a batch), place (of one memory).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from analyses.common.recall import noted, recall, resized, right
from memlens.dims import Modality
from memlens.model import MemoryModel, Segment
from memlens.model.run import encode_questions, segment_of
from memlens.streams import EncodedStream


def answers(
    model: MemoryModel, streams: Sequence[EncodedStream], store: Sequence[int], arrangement: str
) -> Mapping[str, Any]:
    """Answers to the questions of streams in an arrangement (study.py), in the order of the streams' questions."""
    names = modalities(streams)
    each = store if arrangement in ("together", "alone") else divided(store, len(names))
    sized = resized(model, capacities=tuple(each))
    if arrangement == "together":
        return recall(sized, streams, {"all": []})["all"]
    return (recall_split if arrangement == "split" else recall_apart)(sized, streams, names)


def divided(store: Sequence[int], by: int) -> list[int]:
    """Capacities of one of ``by`` stores, rounded up; a level holds at least 2."""
    return [max(2, -(-capacity // by)) for capacity in store]


def modality_of(question: Any) -> str:
    """Where a question belongs: the modality of a pair's key ("audio to image"), or of a fact's value."""
    key, to, _ = question.group.partition(" to ")
    return key if to else question.fact_modality.name.lower()


def modalities(streams: Sequence[EncodedStream]) -> list[str]:
    """The modalities that there is a memory for, in the order of ``Modality``."""
    asked = {modality_of(question) for stream in streams for question in stream.questions}
    return [modality.name.lower() for modality in Modality if modality.name.lower() in asked]


# parts of a stream


def kept(stream: EncodedStream, mask: np.ndarray, questions: Iterable[Any]) -> EncodedStream:
    """A stream of the positions where ``mask`` holds, asked ``questions`` at its end."""
    columns = {name: getattr(stream, name)[mask] for name in ("modality", "token", "payload_row", "fact")}
    n = int(mask.sum())
    return replace(stream, **columns, questions=tuple(q._replace(position=n) for q in questions), facts={})


def facts_of(stream: EncodedStream, name: str) -> EncodedStream:
    """The prose and the facts of one modality, asked its questions."""
    asked = [question for question in stream.questions if modality_of(question) == name]
    return kept(stream, np.isin(stream.fact, [-1, *(question.fact for question in asked)]), asked)


def positions_of(stream: EncodedStream, name: str) -> EncodedStream:
    """The text and the positions of one modality, asked nothing."""
    return kept(stream, (stream.modality == Modality.TEXT) | (stream.modality == Modality[name.upper()]), ())


# memories that see a part


def recall_apart(model: MemoryModel, streams: Sequence[EncodedStream], names: Sequence[str]) -> Mapping[str, Any]:
    """Answers when the facts of each modality go to a memory of their own, which is asked for them."""
    parts = {(name, i): facts_of(stream, name) for name in names for i, stream in enumerate(streams)}
    asking = {key: part for key, part in parts.items() if part.questions}
    found = recall(model, list(asking.values()), {"all": []})["all"]
    marks = iter(right(found).tolist())
    queues = {key: iter([next(marks) for _ in part.questions]) for key, part in asking.items()}
    ordered = [next(queues[modality_of(q), i]) for i, stream in enumerate(streams) for q in stream.questions]
    return noted(ordered, [found["loss"]])


@torch.no_grad()
def recall_split(model: MemoryModel, streams: Sequence[EncodedStream], names: Sequence[str]) -> Mapping[str, Any]:
    """Answers from memories that each saw the text and one modality, read as one: key and value never met before the question."""
    parts = [positions_of(stream, name) for stream in streams for name in names]
    length = model.cfg.segment_length
    n_segment = max(part.n_segment(length) for part in parts)
    state = model.initial_state(len(parts))

    def segment(t: int) -> Segment:
        return Segment.stack([segment_of(part, t, length)[0] for part in parts], model.device)

    for t in range(n_segment - 1):
        _, state = model.step(segment(t), state, predict=False)
    _, context, _ = model.perceive(segment(n_segment - 1), state)
    memory = model.memory(model.candidates(context, state), state)
    joined = memory.map(lambda x: x.unflatten(0, (len(streams), len(names))).flatten(1, 2))
    asked: list[list[Any]] = [list(stream.questions) for stream in streams]
    questions = encode_questions(model, asked)
    assert questions is not None  # every stream asks
    given, _ = model.answer(questions, joined)
    return noted(given.correct[questions.valid].tolist(), given.loss[questions.valid].tolist())
