"""From the parts of a stream to its columns, questions and spans of facts."""

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from memlens.dims import PAYLOAD_WIDTH, Modality
from memlens.errors import StreamError
from memlens.streams.codecs import encode_dna, text_ids
from memlens.streams.encoded import AskedQuestion, FactSpan
from memlens.streams.parts import KINDS, StreamPart

_Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def encode_parts(
    parts: Sequence[StreamPart], tokenizer: Tokenizer
) -> tuple[_Columns, tuple[AskedQuestion, ...], dict[int, FactSpan]]:
    """Encode parts in order.

    Parameters
    ----------
    parts : sequence of StreamPart
        At least one of them is not a question.
    tokenizer : tokenizers.Tokenizer

    Returns
    -------
    columns : tuple
        modality int8 [position], token int32 [position], payload_row int32 [position], payload float32 [row, payload], fact int32
        [position], as in ``EncodedStream``.
    questions : tuple of AskedQuestion
    facts : dict of int to FactSpan

    Raises
    ------
    StreamError
        When ``tokenizer`` is not a tokenizer, or there is nothing but questions.
    """
    if not isinstance(tokenizer, Tokenizer):
        raise StreamError(
            f"tokenizer is a {type(tokenizer).__name__}, expected a tokenizers.Tokenizer, such as "
            "memlens.streams.default_tokenizer() or the tokenizer of a model"
        )
    modality_of = _fact_modalities(parts)
    tokens, modalities, rows, payloads, facts = [], [], [], [], []
    questions: list[AskedQuestion] = []
    spans: dict[int, FactSpan] = {}
    position = row = 0
    before = -1  # fact of the part just before: its statement goes on
    for part in parts:
        if part.kind == "question":
            known = spans.get(part.fact)
            distance = position - known.end if known else -1
            modality = modality_of.get(part.fact)
            questions.append(AskedQuestion(position, part.text, part.answer, part.fact, modality, distance, part.group))
            before = -1
            continue
        token, payload = _encoded(part, tokenizer)
        n = len(token)
        tokens.append(token)
        modalities.append(np.full(n, KINDS[part.kind], dtype=np.int8))
        facts.append(np.full(n, part.fact, dtype=np.int32))
        if payload is None:
            rows.append(np.full(n, -1, dtype=np.int32))
        else:
            payloads.append(payload)
            rows.append(np.arange(row, row + n, dtype=np.int32))
            row += n
        if part.fact >= 0:
            start = spans[part.fact].start if part.fact == before else position
            spans[part.fact] = FactSpan(modality_of[part.fact], start, position + n)
        before = part.fact
        position += n
    if not position:
        raise StreamError("the stream is empty; add text, images, audio or DNA before encoding it")
    payload = np.concatenate(payloads) if payloads else np.zeros((0, PAYLOAD_WIDTH), dtype=np.float32)
    columns = (np.concatenate(modalities), np.concatenate(tokens), np.concatenate(rows), payload, np.concatenate(facts))
    return columns, tuple(questions), spans


def _fact_modalities(parts: Sequence[StreamPart]) -> dict[int, Modality]:
    """Modality of each fact's value: of its last part that is not text, or text."""
    stating = [part for part in parts if part.fact >= 0 and part.kind != "question"]
    modalities = {part.fact: Modality.TEXT for part in stating if part.kind == "text"}
    return modalities | {part.fact: KINDS[part.kind] for part in stating if part.kind != "text"}


def _encoded(part: StreamPart, tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray | None]:
    """Token ids int32 [position], and payload float32 [position, payload], None for text."""
    if part.kind == "text":
        return text_ids(tokenizer, part.text), None
    if part.kind == "dna":
        encoding = encode_dna(part.text)
        return encoding.token, encoding.payload
    assert part.payload is not None
    return np.zeros(len(part.payload), dtype=np.int32), part.payload
