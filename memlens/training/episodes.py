"""Training episodes: batches of rows of real prose with facts planted in them and questions about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from memlens.dims import PAYLOAD_WIDTH, Modality
from memlens.model.outputs import Questions, Segment
from memlens.streams.codecs import text_ids
from memlens.streams.facts import Fact, encode_fact, make_fact, restate, sample_keys
from memlens.streams.prose import prose
from memlens.streams.tokenizer import encode_answer, encode_question


@cache
def prose_ids(tokenizer: Tokenizer, split: str) -> np.ndarray:
    """All prose of a split as token ids, int32."""
    text = prose(split)
    parts = [text_ids(tokenizer, text[i : i + 100_000]) for i in range(0, len(text), 100_000)]
    return np.concatenate(parts).astype(np.int32)


@dataclass(frozen=True)
class Episode:
    """B rows: segments, questions, and where each question's fact lies.

    fact_span int64 (B, Q, 2, 2): start and end, in positions of the row, of each of two statements (the same twice where there is one).
    modality int64 (B, Q) of the fact asked for.
    """

    segments: tuple[Segment, ...]
    questions: Questions
    fact_span: Tensor
    modality: Tensor


@dataclass(frozen=True)
class EpisodeShape:
    """How an episode is drawn. ``mix`` are the odds of text, image, audio and DNA facts; ``restated`` the share stated twice."""

    n_row: int
    n_token: int
    n_segment: int
    n_fact: int
    n_question: int
    mix: tuple[float, float, float, float] = (0.55, 0.15, 0.15, 0.15)
    restated: float = 0.1


def pad_rows(rows: Sequence[Sequence[int]], width: int | None = None) -> np.ndarray:
    """Rows of ids as one array padded with 0."""
    width = width or max(len(row) for row in rows)
    out = np.zeros((len(rows), width), np.int64)
    for i, row in enumerate(rows):
        out[i, : min(len(row), width)] = row[:width]
    return out


def _row(
    rng: np.random.Generator, tokenizer: Tokenizer, shape: EpisodeShape, split: str
) -> tuple[dict[str, np.ndarray], list[tuple[Fact, list[tuple[int, int]]]]]:
    """Columns of one row, and the facts in it with the spans of their statements."""
    filler = prose_ids(tokenizer, split)
    keys = sample_keys(rng, shape.n_fact, split)
    said: list[tuple[int, Fact]] = []
    for i, key in enumerate(keys):
        fact = make_fact(rng, Modality(int(rng.choice(4, p=shape.mix))), split, key)
        said.append((i, fact))
        if rng.random() < shape.restated:
            said.append((i, restate(rng, fact)))
    said = [said[i] for i in rng.permutation(len(said))]
    encoded = [encode_fact(tokenizer, fact) for _, fact in said]
    room, kept = shape.n_token, 0
    for columns in encoded:
        if len(columns.modality) > room:
            break
        room -= len(columns.modality)
        kept += 1
    said, encoded = said[:kept], encoded[:kept]
    gaps = np.diff(np.concatenate(([0], np.sort(rng.integers(0, room + 1, kept)), [room])))
    modality = np.zeros(shape.n_token, np.int8)
    token = np.zeros(shape.n_token, np.int32)
    payload = np.zeros((shape.n_token, PAYLOAD_WIDTH), np.float32)
    place = int(rng.integers(0, len(filler) - shape.n_token))
    at = 0
    spans: dict[int, list[tuple[int, int]]] = {}
    for i in range(kept + 1):
        n = int(gaps[i])
        token[at : at + n] = filler[place : place + n]
        at, place = at + n, place + n
        if i < kept:
            n = len(encoded[i].modality)
            modality[at : at + n] = encoded[i].modality
            token[at : at + n] = encoded[i].token
            payload[at : at + n] = encoded[i].payload
            spans.setdefault(said[i][0], []).append((at, at + n))
            at += n
    facts = dict(said)
    columns = {"modality": modality, "token": token, "payload": payload, "valid": np.ones(shape.n_token, bool)}
    return columns, [(facts[i], spans[i]) for i in spans]


def make_episode(rng: np.random.Generator, tokenizer: Tokenizer, shape: EpisodeShape, split: str = "train") -> Episode:
    """Draw one episode; the same generator state gives the same episode."""
    rows, questions, answers, spans, kinds = [], [], [], [], []
    for _ in range(shape.n_row):
        columns, facts = _row(rng, tokenizer, shape, split)
        rows.append(columns)
        chosen = rng.choice(len(facts), shape.n_question, replace=len(facts) < shape.n_question)
        for i in chosen:
            fact, where = facts[int(i)]
            questions.append(encode_question(tokenizer, fact.question))
            answers.append(encode_answer(tokenizer, fact.answer))
            spans.append((where * 2)[:2] if len(where) == 1 else where[:2])
            kinds.append(int(fact.modality))
    step = shape.n_token // shape.n_segment
    segments = tuple(
        Segment.stack([{k: v[s * step : (s + 1) * step] for k, v in row.items()} for row in rows])
        for s in range(shape.n_segment)
    )

    def grouped(x: np.ndarray) -> Tensor:
        return torch.from_numpy(x.reshape(shape.n_row, shape.n_question, *x.shape[1:]))

    token, answer = grouped(pad_rows(questions)), grouped(pad_rows(answers))
    return Episode(
        segments=segments,
        questions=Questions(token, answer, torch.ones(token.shape[:2], dtype=torch.bool)),
        fact_span=grouped(np.asarray(spans, np.int64)),
        modality=grouped(np.asarray(kinds, np.int64)),
    )
