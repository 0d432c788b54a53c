"""The tokens a context slot was written from, and how much it took from each."""

import json
from typing import TYPE_CHECKING

import numpy as np

from memlens.analysis.support.result import MODALITIES, first_segment
from memlens.analysis.support.vectors import gather
from memlens.dims import Modality

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


def vocabulary(recording: "RecordingLike") -> list[str]:
    """Token strings as a reader should see them; byte-level BPE marks of space and newline become the characters."""
    vocab = recording.positions.attrs.get("vocab", "[]")
    strings = json.loads(vocab) if isinstance(vocab, str) else list(vocab)
    return [str(text).replace("Ġ", " ").replace("Ċ", "\n").replace("▁", " ") for text in strings]


def write_attention(
    recording: "RecordingLike", sequence: np.ndarray, segment: np.ndarray, slot: np.ndarray
) -> np.ndarray:
    """Write attention of slots, averaged over heads.

    Parameters
    ----------
    recording : Recording
        With the point ``context.hook_pattern``.
    sequence, segment, slot : int [sample]
        Which slots.

    Returns
    -------
    float [sample, window]
        Window 0 is the picked position.
    """
    pattern = recording["context.hook_pattern"]
    rows = gather(pattern, sequence, segment - first_segment(recording), slot)
    return rows.astype(np.float32).mean(1)


def picked_positions(recording: "RecordingLike", sequence: np.ndarray, entry: np.ndarray) -> np.ndarray:
    """Where in the stream the slot of each entry was picked.

    Parameters
    ----------
    recording : Recording
        With entries.
    sequence, entry : int [sample]
        Which entries.

    Returns
    -------
    int [sample]
        Positions of the stream.
    """
    table = recording.tables.entries
    return table.position[table.index.rows(sequence, entry)]


def window_positions(picked: np.ndarray, width: int) -> np.ndarray:
    """Where in the stream each place of the windows is.

    Parameters
    ----------
    picked : int [sample]
        Picked positions.
    width : int
        Of a window.

    Returns
    -------
    int [sample, window]
        Negative before the stream's start.
    """
    return picked[:, None] - np.arange(width)[None, :]


def window_tokens(
    recording: "RecordingLike", sequence: np.ndarray, picked: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """What is at each place of the windows.

    Parameters
    ----------
    recording : Recording
        With positions.
    sequence, picked : int [sample]
        Picked positions.
    width : int
        Of a window.

    Returns
    -------
    token, modality : int [sample, window]
        Modality is -1 outside of the stream.
    """
    first = recording.tables.segments.first_position
    at = window_positions(picked, width) - first
    token, modality = (recording.tables.positions.read(name) for name in ("token", "modality"))
    inside = (at >= 0) & (at < token.shape[1])
    safe = np.where(inside, at, 0)
    rows = sequence[:, None]
    return token[rows, safe].astype(int), np.where(inside, modality[rows, safe].astype(int), -1)


def token_names(tokens: np.ndarray, modality: np.ndarray, vocab: list[str]) -> np.ndarray:
    """Strings for tokens: text by the vocabulary, anything else by its modality in angle quotes.

    Parameters
    ----------
    tokens, modality : int [...]
        Ids, and modalities (-1 unknown).
    vocab : list of str
        Strings by id.

    Returns
    -------
    str [...]
        "" where the modality is unknown.
    """
    out = np.empty(tokens.shape, dtype=object)
    for index in np.ndindex(tokens.shape):
        kind, token = int(modality[index]), int(tokens[index])
        if kind == Modality.TEXT:
            out[index] = vocab[token] if 0 <= token < len(vocab) else f"#{token}"
        else:
            out[index] = f"‹{MODALITIES[kind]}›" if kind >= 0 else ""
    return out
