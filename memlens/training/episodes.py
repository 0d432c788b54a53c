"""Training episodes: batches of rows, each a scene of some task laid out in filler, and questions about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from memlens.config import TaskConfig
from memlens.dims import PAYLOAD_WIDTH, Modality
from memlens.errors import TrainingError
from memlens.model.answers import Questions
from memlens.model.segment import Segment
from memlens.model.tensors import Tensors
from memlens.streams.codecs import Encoding, concatenate, encode_dna, text_ids
from memlens.streams.facts import encode_pieces
from memlens.streams.prose import prose
from memlens.streams.scene import FILLERS, Query, Scene, free_strand
from memlens.streams.tasks import find_task
from memlens.streams.tokenizer import encode_answer, encode_question

_KINDS = {"image": Modality.IMAGE, "audio": Modality.AUDIO, "dna": Modality.DNA}
#: Scenes that are drawn for a row until one has a question that can be answered.
_TRIES = 20


@cache
def _prose_ids(tokenizer: Tokenizer, split: str) -> np.ndarray:
    """All prose of a split as token ids, int32 [position]."""
    text = prose(split)
    parts = [text_ids(tokenizer, text[i : i + 100_000]) for i in range(0, len(text), 100_000)]
    return np.concatenate(parts).astype(np.int32)


@dataclass(frozen=True)
class Episode(Tensors):
    """A batch of rows, and questions about them.

    Attributes
    ----------
    segments : tuple of Segment
    questions : Questions
    fact_span : int64 [sequence, question, statement, 2]
        Start and end, in positions of the row, of two statements that hold the answer (the same one twice when there is only one).
    modality : int64 [sequence, question]
        Of the fact asked for.
    task : int64 [sequence]
        Index of the row's task.
    """

    segments: tuple[Segment, ...]
    questions: Questions
    fact_span: Tensor
    modality: Tensor
    task: Tensor


@dataclass(frozen=True)
class EpisodeShape:
    """Sizes of an episode: ``n_row`` rows of ``n_token`` positions in ``n_segment`` segments, at most ``n_fact`` facts in a row."""

    n_row: int
    n_token: int
    n_segment: int
    n_fact: int
    n_question: int


def _pad_rows(rows: Sequence[Sequence[int]], width: int | None = None) -> np.ndarray:
    """Rows of ids as one array padded with 0, int64 [row, token]."""
    width = width or max(len(row) for row in rows)
    out = np.zeros((len(rows), width), np.int64)
    for i, row in enumerate(rows):
        out[i, : min(len(row), width)] = row[:width]
    return out


@dataclass(frozen=True)
class EpisodeRow:
    """A laid-out scene: its columns, the queries that can be answered from it, and the span of every statement in it."""

    columns: dict[str, np.ndarray]
    queries: list[Query]
    spans: dict[int, tuple[int, int]]
    scene: Scene

    def modality(self, query: Query) -> int:
        """Modality of the fact asked for: that of its last piece that is not text."""
        kinds = [_KINDS[kind] for kind, _ in self.scene.statements[query.support[-1]].pieces if kind in _KINDS]
        return int(kinds[-1] if kinds else Modality.TEXT)


class _Filler:
    """Consecutive stretches of filler, from a random place on."""

    def __init__(self, rng: np.random.Generator, tokenizer: Tokenizer, name: str, split: str):
        self.rng, self.tokenizer, self.name, self.split = rng, tokenizer, name, split
        self.ids = _prose_ids(tokenizer, split) if name == "prose" else np.zeros(0, np.int32)
        self.place = int(rng.integers(len(self.ids))) if name == "prose" else 0

    def take(self, n: int) -> Encoding | None:
        """The next ``n`` positions; fewer, or None, when there is no filler."""
        if n <= 0 or self.name == "none":
            return None
        if self.name == "prose":
            index = np.arange(self.place, self.place + n) % len(self.ids)
            self.place += n
            return Encoding(np.zeros(n, np.int8), self.ids[index], np.zeros((n, PAYLOAD_WIDTH), np.float32))
        if self.name == "bases":
            return encode_dna(free_strand(self.rng, n))
        parts: list[Encoding] = []
        left = n
        for piece in FILLERS[self.name](self.rng, self.split):
            columns = encode_pieces(self.tokenizer, (piece,))
            if len(columns) > left:
                break
            parts.append(columns)
            left -= len(columns)
        return concatenate(parts) if parts else None


def lay_row(
    rng: np.random.Generator, tokenizer: Tokenizer, scene: Scene, n_token: int, filler: str, split: str
) -> EpisodeRow:
    """Lay a scene out in one row; statements that do not fit are left out, the first ones first, with the queries that need them.

    Parameters
    ----------
    rng : numpy.random.Generator
        All randomness comes from here.
    tokenizer : tokenizers.Tokenizer
    scene : Scene
    n_token : int
        Positions of the row.
    filler : str
        One of ``FILLERS``.
    split : {"train", "validation", "test"}
        Split of the filler's prose.

    Returns
    -------
    EpisodeRow
    """
    encoded = [encode_pieces(tokenizer, statement.pieces) for statement in scene.statements]
    room, first = n_token, len(encoded)
    while first and len(encoded[first - 1]) <= room:
        first -= 1
        room -= len(encoded[first])
    kept = range(first, len(encoded))
    stretch = _Filler(rng, tokenizer, filler, split)
    gaps = np.diff(np.concatenate(([0], np.sort(rng.integers(0, room + 1, len(kept))), [room])))
    parts: list[Encoding] = []
    spans: dict[int, tuple[int, int]] = {}
    at = 0
    for gap, number in zip(gaps, [*kept, -1], strict=True):
        between = stretch.take(int(gap))
        if between is not None:
            parts.append(between)
            at += len(between)
        if number >= 0:
            parts.append(encoded[number])
            spans[number] = (at, at + len(encoded[number]))
            at += len(encoded[number])
    whole = concatenate(parts)
    modality, token = np.zeros(n_token, np.int8), np.zeros(n_token, np.int32)
    payload = np.zeros((n_token, PAYLOAD_WIDTH), np.float32)
    modality[:at], token[:at], payload[:at] = whole.modality, whole.token, whole.payload
    columns = {"modality": modality, "token": token, "payload": payload, "valid": np.arange(n_token) < at}
    return EpisodeRow(columns, [q for q in scene.queries if all(i in spans for i in q.support)], spans, scene)


def _draw(
    rng: np.random.Generator, tokenizer: Tokenizer, config: TaskConfig, shape: EpisodeShape, split: str
) -> EpisodeRow:
    """A row of one task with at least one question."""
    source = find_task(config.name)
    for _ in range(_TRIES):
        scene = source.draw(rng, split, min(shape.n_fact, config.most), **config.options)
        row = lay_row(rng, tokenizer, scene, shape.n_token, config.filler or source.filler, split)
        if row.queries:
            return row
    raise TrainingError(
        f"task '{config.name}' has no question that fits in rows of {shape.n_token} positions with {shape.n_fact} facts; "
        "make rows longer (n_token), or give fewer facts (n_fact)"
    )


def make_episode(
    rng: np.random.Generator,
    tokenizer: Tokenizer,
    shape: EpisodeShape,
    tasks: Sequence[TaskConfig] = (TaskConfig(),),
    split: str = "train",
    stage: int | None = None,
) -> Episode:
    """Draw one episode: for each row a task by its share; the same generator state gives the same episode.

    Parameters
    ----------
    rng : numpy.random.Generator
        All randomness comes from here.
    tokenizer : tokenizers.Tokenizer
    shape : EpisodeShape
    tasks : sequence of TaskConfig
    split : {"train", "validation", "test"}
    stage : int, optional
        Only tasks that the curriculum has come to in this stage; all when not given.

    Returns
    -------
    Episode

    Raises
    ------
    TrainingError
        When a task has nothing to ask in such rows.
    StreamError
        For an option that the task does not have, or more facts than it can tell apart.
    """
    share = np.array([config.share if stage is None or config.first_stage <= stage else 0.0 for config in tasks])
    rows, questions, answers, spans, kinds, drawn = [], [], [], [], [], []
    for _ in range(shape.n_row):
        which = int(rng.choice(len(tasks), p=share / share.sum()))
        row = _draw(rng, tokenizer, tasks[which], shape, split)
        rows.append(row.columns)
        drawn.append(which)
        for i in rng.choice(len(row.queries), shape.n_question, replace=len(row.queries) < shape.n_question):
            query = row.queries[int(i)]
            questions.append(encode_question(tokenizer, query.text))
            answers.append(encode_answer(tokenizer, query.answer))
            where = [row.spans[j] for j in query.support[-2:]]
            spans.append((where * 2)[:2])
            kinds.append(row.modality(query))
    step = shape.n_token // shape.n_segment
    segments = tuple(
        Segment.stack([{k: v[s * step : (s + 1) * step] for k, v in row.items()} for row in rows])
        for s in range(shape.n_segment)
    )

    def grouped(x: np.ndarray) -> Tensor:
        return torch.from_numpy(x.reshape(shape.n_row, shape.n_question, *x.shape[1:]))

    token, answer = grouped(_pad_rows(questions)), grouped(_pad_rows(answers))
    return Episode(
        segments=segments,
        questions=Questions(token, answer, torch.ones(token.shape[:2], dtype=torch.bool)),
        fact_span=grouped(np.asarray(spans, np.int64)),
        modality=grouped(np.asarray(kinds, np.int64)),
        task=torch.tensor(drawn),
    )
