"""Rebuild the streams that a recording was made from: its positions, payloads and questions are all that a stream is."""

from typing import TYPE_CHECKING, Any

import numpy as np

from memlens.dims import PAYLOAD_WIDTH, Modality
from memlens.errors import RecordingError

if TYPE_CHECKING:
    from memlens.recording.reading.recording import Recording
    from memlens.streams.encoded import AskedQuestion, EncodedStream, FactSpan


def rebuild(recording: "Recording") -> "list[EncodedStream]":
    """One stream a sequence; of a recording that is not complete, as much as it has.

    Raises
    ------
    RecordingError
        When the recording begins in the middle of its stream.
    """
    from memlens.streams.encoded import EncodedStream

    first = recording.tables.segments.first
    if first:
        raise RecordingError(
            f"'{recording.path}' holds its stream from segment {first} on; its parent, {recording.info.parent}, has the whole"
        )
    n_token = recording.segments["n_valid"].values.sum(1)
    payloads = recording.payloads
    streams = []
    for s, n in enumerate(n_token):
        columns = {name: recording.positions[name].values[s, :n] for name in ("modality", "token", "fact")}
        own = payloads["sequence"].values == s
        row = np.full(n, -1, dtype=np.int32)
        row[payloads["position"].values[own]] = np.arange(own.sum())
        payload = np.zeros((0, PAYLOAD_WIDTH), np.float32) if not own.any() else payloads["payload"].values[own]
        questions = _questions(recording, s)
        told = recording.info.stream_of(s)
        streams.append(
            EncodedStream(
                columns["modality"], columns["token"], row, payload, columns["fact"], questions,
                _spans(columns["fact"], columns["modality"], [q.position for q in questions]),
                told.name or "stream", told.seed, dict(told.config),
            )
        )  # fmt: skip
    return streams


def _questions(recording: "Recording", sequence: int) -> "tuple[AskedQuestion, ...]":
    from memlens.streams.encoded import AskedQuestion

    rows = recording.questions.isel(question=recording.questions["sequence"].values == sequence)
    columns: dict[str, list[Any]] = {name: rows[name].values.tolist() for name in AskedQuestion._fields}
    columns["fact_modality"] = [None if kind < 0 else Modality(kind) for kind in columns["fact_modality"]]
    return tuple(AskedQuestion(*row) for row in zip(*columns.values(), strict=True))


def _spans(fact: np.ndarray, modality: np.ndarray, asked: list[int]) -> "dict[int, FactSpan]":
    """Where each fact was last stated; a question ends a statement."""
    from memlens.streams.encoded import FactSpan

    changes = np.flatnonzero(np.diff(fact, prepend=-2))
    starts = np.unique(np.concatenate((changes, [q for q in asked if q < len(fact)]))).astype(int)
    ends = np.append(starts[1:], len(fact))
    # a fact is of the modality of its value, whatever text stands around it
    valued = (fact >= 0) & (modality != Modality.TEXT)
    kind = dict(zip(fact[valued].tolist(), modality[valued].tolist(), strict=True))
    return {
        int(fact[start]): FactSpan(Modality(kind.get(int(fact[start]), Modality.TEXT)), int(start), int(end))
        for start, end in zip(starts, ends, strict=True)
        if fact[start] >= 0
    }
