"""Stream: what a model will read, put together piece by piece, before any tokenizer is chosen."""

import io
import json
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from tokenizers import Tokenizer

from memlens.dims import PAYLOAD_WIDTH, Modality
from memlens.errors import StreamError
from memlens.streams.codecs import Encoding, check_dna, encode_audio, encode_dna, encode_image, text_ids
from memlens.streams.encoded import AskedQuestion, EncodedStream, FactSpan
from memlens.streams.files import existing, read_audio, read_image
from memlens.streams.samples import SPEECH_RATE

_FORMAT = "memlens-stream-2"
#: What numpy, zipfile and json raise on damaged files.
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError, MemoryError, zlib.error,
    zipfile.BadZipFile, zipfile.LargeZipFile,
)  # fmt: skip
_KINDS = {"text": Modality.TEXT, "image": Modality.IMAGE, "audio": Modality.AUDIO, "dna": Modality.DNA}


@dataclass(frozen=True, eq=False)
class StreamPart:
    """One piece of a stream.

    Attributes
    ----------
    kind : {"text", "image", "audio", "dna", "question"}
    text : str
        The text, the strand's letters, or the question.
    payload : float32 [position, payload] or None
        What an image or a sound was encoded to.
    answer : str
        Of a question.
    fact : int
        Id of the fact it states or asks for, -1 for none.
    group : str
        Of a question: what sets it apart from others, "" for nothing.
    """

    kind: str
    text: str = ""
    payload: np.ndarray | None = None
    answer: str = ""
    fact: int = -1
    group: str = ""


def _fact_id(fact: int | None) -> int:
    if fact is None:
        return -1
    if isinstance(fact, bool) or not isinstance(fact, int | np.integer) or not -1 <= fact < 2**31:
        raise StreamError(f"fact is {fact!r}, expected a whole number from 0, or nothing")
    return int(fact)


@dataclass(eq=False)
class Stream:
    """A stream under construction; every method that adds gives the stream back, so that calls can be chained.

    Parameters
    ----------
    name : str
    seed : int, optional
        What it was generated from, where it was.
    config : dict
        What it was generated with; anything JSON can hold.

    Examples
    --------
    >>> stream = Stream("demo").text("The code is 472.", fact=0).question("What is the code?", "472", fact=0)
    """

    name: str = "stream"
    seed: int | None = None
    config: dict[str, Any] = field(default_factory=dict)
    parts: list[StreamPart] = field(default_factory=list)

    def _add(self, part: StreamPart) -> Self:
        self.parts.append(part)
        return self

    def text(self, text: str, fact: int | None = None) -> Self:
        """Add text."""
        if not isinstance(text, str) or not text:
            raise StreamError(f"text is {text!r}, expected a text of at least one character")
        return self._add(StreamPart("text", text=text, fact=_fact_id(fact)))

    def image(self, image: np.ndarray | str | Path, fact: int | None = None) -> Self:
        """Add an image: an array (see ``encode_image``) or the path of a PNG or JPEG."""
        array = read_image(image) if isinstance(image, str | Path) else image
        return self._add(StreamPart("image", payload=encode_image(array).payload, fact=_fact_id(fact)))

    def audio(self, wave: np.ndarray | str | Path, rate: int | None = None, fact: int | None = None) -> Self:
        """Add a sound: a wave and its rate (see ``encode_audio``) or the path of a WAV file."""
        if isinstance(wave, str | Path):
            wave, rate = read_audio(wave)
        if rate is None:
            raise StreamError("audio has no rate; give rate= in samples a second")
        return self._add(StreamPart("audio", payload=encode_audio(wave, rate).payload, fact=_fact_id(fact)))

    def dna(self, letters: str, fact: int | None = None) -> Self:
        """Add a strand of A, C, G, T, N."""
        return self._add(StreamPart("dna", text=check_dna(letters), fact=_fact_id(fact)))

    def question(self, text: str, answer: str, fact: int | None = None, group: str = "") -> Self:
        """Ask a question at this place; ``group`` names what sets it apart, for evaluation."""
        if not isinstance(text, str) or not text.strip():
            raise StreamError(f"a question with no text: got {text!r}; give text to ask")
        if not isinstance(answer, str) or not answer.strip():
            raise StreamError(
                f"a question with no answer: {text!r} has answer {answer!r}; give the right answer as text"
            )
        if not isinstance(group, str):
            raise StreamError(f"group is {group!r}, expected a text")
        return self._add(
            StreamPart("question", text=text.strip(), answer=answer.strip(), fact=_fact_id(fact), group=group)
        )

    def say(self, pieces: Iterable[tuple[str, Any]], fact: int | None = None) -> Self:
        """Add pieces of (kind, value) in order; sounds are at 8 kHz."""
        for kind, value in pieces:
            if kind == "audio":
                self.audio(value, SPEECH_RATE, fact=fact)
            else:
                getattr(self, kind)(value, fact=fact)
        return self

    def extend(self, other: "Stream") -> Self:
        """Add all of another stream's parts; its fact ids are moved so that they do not meet this stream's."""
        shift = 1 + max((part.fact for part in self.parts), default=-1)
        self.parts += [replace(part, fact=part.fact + shift) if part.fact >= 0 else part for part in other.parts]
        return self

    def encode(self, tokenizer: Tokenizer) -> EncodedStream:
        """Turn the stream into columns.

        Raises
        ------
        StreamError
            When the stream holds nothing but questions, or nothing at all.
        """
        return _encode(self, tokenizer)

    def save(self, path: str | Path) -> Path:
        """Write the stream into one ``.npz`` file (JSON and arrays, never pickles); an existing file is replaced."""
        path = Path(path)
        named = ("kind", "text", "answer", "fact", "group")
        described = [{name: getattr(part, name) for name in named} for part in self.parts]
        head = {"format": _FORMAT, "name": self.name, "seed": self.seed, "config": self.config, "parts": described}
        arrays = {f"payload_{i}": part.payload for i, part in enumerate(self.parts) if part.payload is not None}
        buffer = io.BytesIO()
        encoded = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
        np.savez_compressed(buffer, stream=encoded, **arrays)  # pyright: ignore[reportArgumentType]
        try:
            path.write_bytes(buffer.getvalue())
        except OSError as error:
            raise StreamError(f"'{path}' cannot be written: {error.strerror}") from None
        return path

    @classmethod
    def load(cls, path: str | Path) -> "Stream":
        """Read a stream that ``save`` wrote.

        Raises
        ------
        StreamError
            When the file is missing, damaged or something else.
        """
        path = existing(path, "stream")
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                head = json.loads(file["stream"].tobytes().decode())
                if head["format"] != _FORMAT:
                    raise StreamError(f"'{path}' has format {head['format']!r}, expected {_FORMAT!r}")
                parts = [_part(i, entry, file) for i, entry in enumerate(head["parts"])]
                return cls(str(head["name"]), head["seed"], dict(head["config"]), parts)
        except StreamError:
            raise
        except _UNREADABLE as error:
            raise StreamError(f"'{path}' is not a saved stream: {error}") from None


def _part(i: int, entry: dict[str, Any], file: Any) -> StreamPart:
    """Rebuild part ``i`` of a saved stream through the same checks that building it goes through."""
    kind, fact = entry["kind"], entry["fact"]
    if kind == "question":
        return Stream().question(entry["text"], entry["answer"], fact, entry["group"]).parts[0]
    if kind in ("text", "dna"):
        return getattr(Stream(), kind)(entry["text"], fact).parts[0]
    if kind not in _KINDS:
        raise StreamError(f"part {i} has kind {kind!r}, expected one of {', '.join([*_KINDS, 'question'])}")
    payload = file[f"payload_{i}"]
    if payload.ndim != 2 or payload.shape[1] != PAYLOAD_WIDTH or payload.dtype != np.float32 or not len(payload):
        raise StreamError(
            f"part {i} has payload {payload.dtype} {payload.shape}, expected float32 (n, {PAYLOAD_WIDTH})"
        )
    if not np.isfinite(payload).all():
        raise StreamError(f"part {i} holds NaN or infinite values")
    return StreamPart(kind, payload=payload, fact=_fact_id(fact))


def _columns_of(part: StreamPart) -> tuple[np.ndarray, np.ndarray]:
    """Give (token, payload) of a part that carries payload."""
    if part.kind == "dna":
        columns: Encoding = encode_dna(part.text)
        return columns.token, columns.payload
    assert part.payload is not None
    return np.zeros(len(part.payload), dtype=np.int32), part.payload


def _encode(stream: Stream, tokenizer: Tokenizer) -> EncodedStream:
    kinds = {part.fact: _KINDS[part.kind] for part in stream.parts if part.fact >= 0 and part.kind == "text"}
    kinds |= {
        part.fact: _KINDS[part.kind]
        for part in stream.parts
        if part.fact >= 0 and part.kind in ("image", "audio", "dna")
    }
    tokens, modalities, rows, payloads, facts = [], [], [], [], []
    questions: list[AskedQuestion] = []
    spans: dict[int, FactSpan] = {}
    position = row = 0
    before = -1  # fact of the part just before: its statement goes on
    for part in stream.parts:
        if part.kind == "question":
            known = spans.get(part.fact)
            distance = position - known.end if known else -1
            modality = kinds.get(part.fact)
            questions.append(AskedQuestion(position, part.text, part.answer, part.fact, modality, distance, part.group))
            before = -1
            continue
        if part.kind == "text":
            token, payload = text_ids(tokenizer, part.text), None
        else:
            token, payload = _columns_of(part)
            payloads.append(payload)
        n = len(token)
        tokens.append(token)
        modalities.append(np.full(n, _KINDS[part.kind], dtype=np.int8))
        rows.append(np.full(n, -1, dtype=np.int32) if payload is None else np.arange(row, row + n, dtype=np.int32))
        facts.append(np.full(n, part.fact, dtype=np.int32))
        row += 0 if payload is None else n
        if part.fact >= 0:
            start = spans[part.fact].start if part.fact == before else position
            spans[part.fact] = FactSpan(kinds[part.fact], start, position + n)
        before = part.fact
        position += n
    if not position:
        raise StreamError(f"stream '{stream.name}' is empty; add text, images, audio or DNA before encoding it")
    payload = np.concatenate(payloads) if payloads else np.zeros((0, PAYLOAD_WIDTH), dtype=np.float32)
    columns = (np.concatenate(modalities), np.concatenate(tokens), np.concatenate(rows), payload, np.concatenate(facts))
    return EncodedStream(*columns, tuple(questions), spans, stream.name, stream.seed, dict(stream.config))
