"""An encoded stream: columns of equal length, the questions asked of it, and a fingerprint of both.

Axes: position (whole stream), token (inside one segment), payload (``PAYLOAD_WIDTH`` numbers).
"""

import hashlib
import json
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from memlens.dims import PAYLOAD_WIDTH, Modality
from memlens.errors import StreamError


class AskedQuestion(NamedTuple):
    """A question, where it is asked and what is right.

    Attributes
    ----------
    position : int
        How many positions of the stream lie before it.
    text, answer : str
    fact : int
        Id of the fact it asks for, -1 when unknown.
    fact_modality : Modality or None
        What kind of thing the fact's value is, None when unknown.
    distance : int
        Positions between the end of the fact's last statement before the question and the question; -1 when unknown.
    group : str
        What sets the question apart from others of its task, "" for nothing.
    """

    position: int
    text: str
    answer: str
    fact: int
    fact_modality: Modality | None
    distance: int
    group: str = ""


class FactSpan(NamedTuple):
    """Where a fact was last stated: positions ``start`` to ``end`` (exclusive)."""

    modality: Modality
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class EncodedStream:
    """A stream as the model reads it.

    Attributes
    ----------
    modality : int8 [position]
    token : int32 [position]
    payload_row : int32 [position]
        Row of ``payload``, -1 for text.
    payload : float32 [row, PAYLOAD_WIDTH]
    fact : int32 [position]
        Id of the fact that the position states, -1 for none.
    questions : tuple of AskedQuestion
        In the order of their positions.
    facts : dict of int to FactSpan
    name, seed, config
        What made the stream.
    """

    modality: np.ndarray
    token: np.ndarray
    payload_row: np.ndarray
    payload: np.ndarray
    fact: np.ndarray
    questions: tuple[AskedQuestion, ...]
    facts: dict[int, FactSpan]
    name: str = "stream"
    seed: int | None = None
    config: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.n_token

    @property
    def n_token(self) -> int:
        """How many positions the stream has."""
        return len(self.token)

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of every column and question."""
        digest = hashlib.sha256()
        for column in (self.modality, self.token, self.payload_row, self.payload, self.fact):
            digest.update(f"{column.dtype.str}{column.shape}".encode())
            digest.update(np.ascontiguousarray(column).data)
        digest.update(json.dumps(self.questions).encode())
        return digest.hexdigest()

    def n_segment(self, segment_length: int) -> int:
        """How many segments of ``segment_length`` positions hold the stream; the last may be padded."""
        if segment_length < 1:
            raise StreamError(f"segment length is {segment_length}, expected at least 1")
        return -(-self.n_token // segment_length)

    def _check(self, t: int, segment_length: int) -> None:
        n = self.n_segment(segment_length)
        if not 0 <= t < n:
            raise StreamError(f"segment {t} is outside the stream; it has segments 0 to {n - 1}")

    def segment(self, t: int, segment_length: int) -> dict[str, np.ndarray]:
        """Cut out one segment, padded at the end when the stream ends inside it.

        Returns
        -------
        dict
            modality int8 [token], token int32 [token], payload float32 [token, PAYLOAD_WIDTH], valid bool [token],
            fact int32 [token]; where ``valid`` is False the others hold 0 (text, ``<pad>``), zeros and -1.
        """
        self._check(t, segment_length)
        span = slice(t * segment_length, min((t + 1) * segment_length, self.n_token))
        n = span.stop - span.start
        modality = np.zeros(segment_length, dtype=np.int8)
        token = np.zeros(segment_length, dtype=np.int32)
        payload = np.zeros((segment_length, PAYLOAD_WIDTH), dtype=np.float32)
        fact = np.full(segment_length, -1, dtype=np.int32)
        modality[:n], token[:n], fact[:n] = self.modality[span], self.token[span], self.fact[span]
        rows = self.payload_row[span]
        payload[:n][rows >= 0] = self.payload[rows[rows >= 0]]
        valid = np.arange(segment_length) < n
        return {"modality": modality, "token": token, "payload": payload, "valid": valid, "fact": fact}

    def questions_in(self, t: int, segment_length: int) -> list[AskedQuestion]:
        """List the questions asked at the end of segment ``t``: those with t S < position <= (t + 1) S.

        One asked before anything (position 0) counts to segment 0.
        """
        self._check(t, segment_length)
        positions = [question.position for question in self.questions]
        low = bisect_right(positions, t * segment_length) if t else 0
        return list(self.questions[low : bisect_right(positions, (t + 1) * segment_length)])
