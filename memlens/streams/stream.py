"""Stream: what a model will read, put together piece by piece, before any tokenizer is chosen."""

import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from tokenizers import Tokenizer

from memlens.dims import PAYLOAD_WIDTH
from memlens.errors import StreamError
from memlens.streams.codecs import check_dna, encode_audio, encode_image
from memlens.streams.encode import encode_parts
from memlens.streams.encoded import EncodedStream
from memlens.streams.files import as_path, existing, pixels_of, read_audio
from memlens.streams.parts import KINDS, StreamPart, refuse_surrogates
from memlens.streams.samples import SPEECH_RATE
from memlens.user_input import parse_json

if TYPE_CHECKING:
    import PIL.Image

_FORMAT = "memlens-stream-2"
#: What numpy, zipfile and json raise on damaged files.
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError, MemoryError, zlib.error,
    zipfile.BadZipFile, zipfile.LargeZipFile,
)  # fmt: skip


def _written(config: dict[str, Any]) -> str:
    """A config as JSON."""
    try:
        return json.dumps(config, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StreamError(f"the config of a stream holds what JSON cannot: {error}; remove it") from None


def _fact_id(fact: int | None) -> int:
    if fact is None:
        return -1
    if isinstance(fact, bool) or not isinstance(fact, int | np.integer) or not -1 <= fact < 2**31:
        raise StreamError(f"fact is {fact!r}, expected a whole number from 0, or None")
    return int(fact)


@dataclass(eq=False)
class Stream:
    """A stream under construction; every method that adds something returns the stream, so that calls can be chained.

    Parameters
    ----------
    name : str
    seed : int, optional
        Seed that it was generated from, if it was.
    config : dict
        What it was generated with; anything JSON can hold.
    parts : list of StreamPart
        What was added so far.

    Examples
    --------
    >>> stream = Stream("demo").text("The code is 472.", fact=0).question("What is the code?", "472", fact=0)
    """

    name: str = "stream"
    seed: int | None = None
    config: dict[str, Any] = field(default_factory=dict)
    parts: list[StreamPart] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise StreamError(f"the name of a stream is {self.name!r}, expected a text")
        if not isinstance(self.config, dict):
            raise StreamError(f"the config of a stream is {self.config!r}, expected a dict")
        refuse_surrogates(self.name, "the name of a stream")
        refuse_surrogates(_written(self.config), "the config of a stream, as JSON,")

    def __repr__(self) -> str:
        n_part = Counter(part.kind for part in self.parts)
        kinds = ", ".join(f"{n_part[kind]:,} {kind}" for kind in KINDS if n_part[kind])
        n_fact = len({part.fact for part in self.parts if part.fact >= 0 and part.kind != "question"})
        sizes = f"{kinds or 'no'} parts, {n_fact:,} facts, {n_part['question']:,} questions"
        return f"<Stream {self.name!r}: {sizes}, seed {self.seed}; positions are counted by encode(tokenizer)>"

    def _add(self, part: StreamPart) -> Self:
        self.parts.append(part)
        return self

    def text(self, text: str, fact: int | None = None) -> Self:
        """Add text.

        Parameters
        ----------
        text : str
        fact : int, optional
            Id of the fact that it states, a number from 0 of your choice.

        Returns
        -------
        Stream
            The stream itself.

        Raises
        ------
        StreamError
            When ``text`` is not a text, or is empty.
        """
        if not isinstance(text, str) or not text:
            raise StreamError(f"text is {text!r}, expected a text of at least one character")
        return self._add(StreamPart("text", text=text, fact=_fact_id(fact)))

    def image(self, image: "np.ndarray | str | Path | PIL.Image.Image", fact: int | None = None) -> Self:
        """Add an image.

        Parameters
        ----------
        image : uint8 or float [row, column] or [row, column, 3], str or Path, or one of Pillow's images
            The image (see ``encode_image``), or the path of a PNG or JPEG (see ``read_image``).
        fact : int, optional
            Id of the fact that it states.

        Returns
        -------
        Stream
            The stream itself.

        Raises
        ------
        StreamError
            For another shape, dtype or range, or a file that cannot be read.
        """
        payload = encode_image(pixels_of(image)).payload
        return self._add(StreamPart("image", payload=payload, fact=_fact_id(fact)))

    def audio(self, wave: np.ndarray | str | Path, rate: int | None = None, fact: int | None = None) -> Self:
        """Add a sound.

        Parameters
        ----------
        wave : int16 or float [sample] or [sample, channel], or str or Path
            The wave (see ``encode_audio``), or the path of a WAV file.
        rate : int, optional
            Samples per second; needed for a wave, read from a file.
        fact : int, optional
            Id of the fact that it states.

        Returns
        -------
        Stream
            The stream itself.

        Raises
        ------
        StreamError
            For a wave without a rate, another shape, dtype or range, or a file that cannot be read.
        """
        if isinstance(wave, str | Path):
            wave, rate = read_audio(wave)
        if rate is None:
            raise StreamError("audio has no rate; give rate= in samples a second")
        return self._add(StreamPart("audio", payload=encode_audio(wave, rate).payload, fact=_fact_id(fact)))

    def dna(self, letters: str, fact: int | None = None) -> Self:
        """Add a strand of DNA.

        Parameters
        ----------
        letters : str
            A, C, G, T and N, in upper or lower case.
        fact : int, optional
            Id of the fact that it states.

        Returns
        -------
        Stream
            The stream itself.

        Raises
        ------
        StreamError
            For other letters, or none.
        """
        return self._add(StreamPart("dna", text=check_dna(letters), fact=_fact_id(fact)))

    def question(self, text: str, answer: str, fact: int | None = None, group: str = "") -> Self:
        """Ask a question at this place.

        Parameters
        ----------
        text, answer : str
        fact : int, optional
            Id of the fact that it asks for.
        group : str
            What sets the question apart from others; evaluation reports each group.

        Returns
        -------
        Stream
            The stream itself.

        Raises
        ------
        StreamError
            When ``text`` or ``answer`` is not a text or is blank, or ``group`` is not a text.
        """
        if not isinstance(text, str) or not text.strip():
            raise StreamError(f"a question with no text: got {text!r}, expected a text that is not blank")
        if not isinstance(answer, str) or not answer.strip():
            raise StreamError(
                f"a question with no answer: {text!r} has answer {answer!r}, expected a text that is not blank"
            )
        if not isinstance(group, str):
            raise StreamError(f"group is {group!r}, expected a text")
        return self._add(
            StreamPart("question", text=text.strip(), answer=answer.strip(), fact=_fact_id(fact), group=group)
        )

    def say(self, pieces: Iterable[tuple[str, Any]], fact: int | None = None) -> Self:
        """Add pieces in order.

        Parameters
        ----------
        pieces : iterable of (kind, value)
            Kind "text", "image", "audio" (8 kHz) or "dna".
        fact : int, optional
            Id of the fact that they state.

        Returns
        -------
        Stream
            The stream itself.

        Raises
        ------
        StreamError
            For another kind, or a value that cannot be added.
        """
        for piece in pieces:
            if not isinstance(piece, tuple | list) or len(piece) != 2 or piece[0] not in tuple(KINDS):
                raise StreamError(f"piece is {piece!r}, expected (kind, value) with kind one of {', '.join(KINDS)}")
            kind, value = piece
            if kind == "audio":
                self.audio(value, SPEECH_RATE, fact=fact)
            else:
                getattr(self, kind)(value, fact=fact)
        return self

    def extend(self, other: "Stream") -> Self:
        """Add all parts of another stream; its fact ids are shifted so that they differ from those of this stream.

        Raises
        ------
        StreamError
            When ``other`` is not a Stream.
        """
        if not isinstance(other, Stream):
            raise StreamError(f"other is a {type(other).__name__}, expected a Stream")
        shift = 1 + max((part.fact for part in self.parts), default=-1)
        self.parts += [replace(part, fact=part.fact + shift) if part.fact >= 0 else part for part in other.parts]
        return self

    def encode(self, tokenizer: Tokenizer) -> EncodedStream:
        """Encode the stream, position by position.

        Raises
        ------
        StreamError
            When the stream holds nothing, or nothing but questions.
        """
        columns, questions, facts = encode_parts(self.parts, tokenizer)
        return EncodedStream(*columns, questions, facts, self.name, self.seed, dict(self.config))

    def save(self, path: str | Path) -> Path:
        """Write the stream into one ``.npz`` file (JSON and arrays, never pickles); an existing file is replaced.

        Raises
        ------
        StreamError
            When the file cannot be written.
        """
        path = as_path(path, "stream")
        named = ("kind", "text", "answer", "fact", "group")
        described = [{name: getattr(part, name) for name in named} for part in self.parts]
        head = {"format": _FORMAT, "name": self.name, "seed": self.seed, "config": self.config, "parts": described}
        arrays = {f"payload_{i}": part.payload for i, part in enumerate(self.parts) if part.payload is not None}
        _written(self.config)  # it may have changed since
        encoded = np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)
        buffer = io.BytesIO()
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
                head = parse_json(file["stream"].tobytes().decode())
                if head["format"] != _FORMAT:
                    raise StreamError(f"'{path}' has format {head['format']!r}, expected {_FORMAT!r}")
                parts = [_part(i, entry, file) for i, entry in enumerate(head["parts"])]
                return cls(str(head["name"]), head["seed"], dict(head["config"]), parts)
        except StreamError:
            raise
        except _UNREADABLE as error:
            raise StreamError(f"'{path}' is not a saved stream: {error}") from None


def _part(i: int, entry: dict[str, Any], file: Any) -> StreamPart:
    """Make part ``i`` of a saved stream, through the same checks that every part goes through."""
    kind, fact = entry["kind"], entry["fact"]
    if kind == "question":
        return Stream().question(entry["text"], entry["answer"], fact, entry["group"]).parts[0]
    if kind in ("text", "dna"):
        return getattr(Stream(), kind)(entry["text"], fact).parts[0]
    if kind not in KINDS:
        raise StreamError(f"part {i} has kind {kind!r}, expected one of {', '.join([*KINDS, 'question'])}")
    payload = file[f"payload_{i}"]
    if payload.ndim != 2 or payload.shape[1] != PAYLOAD_WIDTH or payload.dtype != np.float32 or not len(payload):
        raise StreamError(
            f"part {i} has payload {payload.dtype} {payload.shape}, expected float32 (n, {PAYLOAD_WIDTH})"
        )
    if not np.isfinite(payload).all():
        raise StreamError(f"part {i} holds NaN or infinite values")
    return StreamPart(kind, payload=payload, fact=_fact_id(fact))
