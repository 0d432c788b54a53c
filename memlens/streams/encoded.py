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
    """A question, where it is asked, and its right answer.

    Attributes
    ----------
    position : int
        How many positions of the stream lie before it.
    text, answer : str
    fact : int
        Id of the fact it asks for, -1 when unknown.
    fact_modality : Modality or None
        Modality of the fact's value, None when unknown.
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

    def __repr__(self) -> str:
        n_position = np.bincount(self.modality, minlength=len(Modality))
        kinds = ", ".join(f"{n_position[m]:,} {m.name.lower()}" for m in Modality if n_position[m])
        sizes = f"{self.n_token:,} positions ({kinds}), {len(self.facts):,} facts, {len(self.questions):,} questions"
        return f"<EncodedStream {self.name!r}: {sizes}, seed {self.seed}>"

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
        """How many segments of ``segment_length`` positions hold the stream; the last may be padded.

        Raises
        ------
        StreamError
            When ``segment_length`` is not a whole number from 1.
        """
        if not isinstance(segment_length, int | np.integer) or segment_length < 1:
            raise StreamError(f"segment length is {segment_length!r}, expected a whole number from 1")
        return -(-self.n_token // segment_length)

    def _check(self, t: int, segment_length: int) -> None:
        n = self.n_segment(segment_length)
        if not isinstance(t, int | np.integer) or not 0 <= t < n:
            raise StreamError(f"segment {t!r} is outside the stream; it has segments 0 to {n - 1}")

    def segment(self, t: int, segment_length: int) -> dict[str, np.ndarray]:
        """Cut out one segment, padded at the end when the stream ends inside it.

        Parameters
        ----------
        t : int
            Number of the segment, from 0.
        segment_length : int
            Positions in a segment.

        Returns
        -------
        dict
            modality int8 [token], token int32 [token], payload float32 [token, payload], valid bool [token], fact int32 [token]; where
            ``valid`` is False the others hold 0 (text, ``<pad>``), zeros and -1.

        Raises
        ------
        StreamError
            When the stream has no such segment.
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
        """List the questions that are asked at the end of segment ``t``: those with t S < position <= (t + 1) S.

        A question before the first position belongs to segment 0.

        Parameters
        ----------
        t : int
            Number of the segment, from 0.
        segment_length : int
            Positions in a segment, S.

        Returns
        -------
        list of AskedQuestion
            In the order of their positions.

        Raises
        ------
        StreamError
            When the stream has no such segment.
        """
        self._check(t, segment_length)
        positions = [question.position for question in self.questions]
        low = bisect_right(positions, t * segment_length) if t else 0
        return list(self.questions[low : bisect_right(positions, (t + 1) * segment_length)])
