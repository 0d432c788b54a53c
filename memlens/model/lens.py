"""How a model is called in TransformerLens's manner: on tokens, text, segments or whole streams, by one ``forward``."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from memlens.dims import PAYLOAD_WIDTH, Modality
from memlens.errors import ModelError
from memlens.model.outputs import Questions, Segment
from memlens.model.run import Encoded, encode_questions, segment_of

#: A segment and what is asked at its end.
Piece = tuple[Segment, Questions | None]


def text_segment(token: Tensor) -> Segment:
    """Tokens (B, S) as a segment of text without padding."""
    return Segment(
        modality=torch.full_like(token, int(Modality.TEXT)),
        token=token,
        payload=torch.zeros(*token.shape, PAYLOAD_WIDTH, device=token.device),
        valid=torch.ones_like(token, dtype=torch.bool),
    )


def to_tokens(tokenizer: Any, text: str | Sequence[str], device: torch.device) -> Tensor:
    """Token ids int64 (B, N) of texts that have as many tokens each.

    Raises
    ------
    ModelError
        When they do not: there is no padding inside a stream.
    """
    rows = [tokenizer.encode(row).ids for row in ([text] if isinstance(text, str) else text)]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1 or not lengths[0]:
        raise ModelError(
            f"texts have {lengths} tokens; expected as many in each, at least one: cut them or run them apart"
        )
    return torch.tensor(rows, device=device)


def pieces(model: Any, given: Any, questions: Questions | None) -> list[Piece]:
    """What is read, segment by segment; ``questions`` are asked at the end of the last one.

    Raises
    ------
    ModelError
        When ``given`` is nothing that can be read.
    """
    if isinstance(given, str) or (isinstance(given, list | tuple) and given and isinstance(given[0], str)):
        given = to_tokens(model.tokenizer, given, model.device)
    found: list[Piece]
    if isinstance(given, Segment):
        found = [(given, None)]
    elif isinstance(given, Tensor) and given.dim() in (1, 2) and not given.is_floating_point():
        token = (given if given.dim() == 2 else given[None]).long().to(model.device)
        found = [(text_segment(part), None) for part in token.split(model.cfg.segment_length, dim=1)]
    elif isinstance(given, Encoded):
        found = _read(model, [given])
    elif isinstance(given, list | tuple) and given and all(isinstance(each, Segment) for each in given):
        found = [(each, None) for each in given]
    elif isinstance(given, list | tuple) and given and all(isinstance(each, Encoded) for each in given):
        found = _read(model, given)
    else:
        shape = f" {tuple(given.shape)} of {given.dtype}" if isinstance(given, Tensor) else ""
        raise ModelError(
            f"got a {type(given).__name__}{shape} to read; expected token ids (sequence, position), text, a Segment, an encoded stream, "
            "or a list of segments or streams"
        )
    if questions is not None:
        found[-1] = (found[-1][0], questions)
    return found


def _read(model: Any, streams: Sequence[Any]) -> list[Piece]:
    length = model.cfg.segment_length
    found: list[Piece] = []
    for t in range(max(stream.n_segment(length) for stream in streams)):
        rows, asked = map(list, zip(*(segment_of(stream, t, length) for stream in streams), strict=True))
        found.append((Segment.stack(rows, model.device), encode_questions(model, asked)))
    return found


def is_text(given: Any) -> bool:
    """Token ids, or text."""
    return isinstance(given, Tensor | str) or (
        isinstance(given, list | tuple) and bool(given) and isinstance(given[0], str)
    )


def in_time(model: Any, given: Any) -> bool:
    """Whether a cache of reading ``given`` has an axis of segments: all but one Segment, and tokens or text that fit into one."""
    if isinstance(given, Segment):
        return False
    return not is_text(given) or len(pieces(model, given, None)) > 1
